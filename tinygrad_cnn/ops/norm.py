"""Normalization, over any axes or (as batch norm does it, and faster) per channel; dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import norm as kernels
from ..op import op, values
from .reduce import mean, sum, var

__all__ = [
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_sums",
    "dropout",
    "normalize",
    "normalize_grad",
    "scale_shift",
]

# `center` and `rstd` are the mean and 1 / sqrt(variance + eps) of x over `dim`.  The caller has them
# already (batch norm keeps running averages of them), so they are handed in rather than computed twice;
# for the rules they are functions of x all the same.


@op
def normalize(x, *, dim, eps, center, rstd):
    """(x - mean) / sqrt(variance + eps) over the axes `dim` (Ioffe & Szegedy 2015, arXiv:1502.03167)."""
    out = x - center
    out *= rstd
    return out


@op
def normalize_grad(y, x, *, dim, eps, center, rstd):
    """rstd (y - mean(y) - z mean(y z)) with z = normalize(x): linear and symmetric in y."""
    z = x - center
    z *= rstd
    z *= np.mean(y * z, dim, keepdims=True)
    np.subtract(y, z, out=z)
    z -= np.mean(y, dim, keepdims=True)
    z *= rstd
    return z


normalize.vjp(
    x=lambda g, x, dim, eps, center, rstd: normalize_grad(g, x, dim=dim, eps=eps, center=center, rstd=rstd)
)


def _normalize_grad_x(g: Any, y: Any, x: Any, dim: Any, eps: float, center: Any, rstd: Any) -> Any:
    """d/dx of <g, normalize_grad(y, x)>: the product rule over rstd, z and the two means."""

    def average(a: Any) -> Any:
        return mean(a, dim=dim, keepdim=True)

    dtype = values(x).dtype
    z = normalize(x, dim=dim, eps=eps, center=center.astype(dtype), rstd=rstd.astype(dtype))
    inverse_variance = 1 / (var(x, dim=dim, correction=0, keepdim=True) + eps)
    g, y = g - average(g), y - average(y)
    gz, yz = average(g * z), average(y * z)
    return -inverse_variance * (z * (average(g * y) - gz * yz * 3) + g * yz + y * gz)


normalize_grad.vjp(
    y=lambda g, x, dim, eps, center, rstd: normalize_grad(g, x, dim=dim, eps=eps, center=center, rstd=rstd),
    x=_normalize_grad_x,
)


# --- per channel -------------------------------------------------------------------------------------------
# x is (N, C, ...), w and b hold one number per channel (axis 1), and so do center and rstd; or one number per
# group of channels that stand side by side and share their statistics.


def _others(x: Any) -> tuple[int, ...]:
    return (0, *range(2, len(x.shape)))


def _each(v: Any, x: Any) -> Any:
    """One number per channel of what may be one per group."""
    return v if len(v) == x.shape[1] else np.repeat(v, x.shape[1] // len(v))


@op
def batch_norm(x, w, b, *, eps, center, rstd):
    """z w + b with z = (x - mean) / sqrt(variance + eps) of a channel, or of a group of channels.

    Ioffe & Szegedy 2015, arXiv:1502.03167; Wu & He 2018, arXiv:1803.08494.
    """
    scale = _each(rstd, x) * w
    return kernels.scale_shift(x, scale, b - _each(center, x) * scale)


@op
def batch_norm_sums(y, x, *, eps, center, rstd):
    """Per channel the sum of y, and that of y z: (2, C)."""
    total, dots = kernels.sums_and_dots(y, x)
    return np.stack([total, (dots - _each(center, x) * total) * _each(rstd, x)]).astype(y.dtype)


@op
def batch_norm_grad(y, x, w, *, eps, center, rstd, sums):
    """rstd (w y - mean(w y) - z mean(w y z)); `sums` are those of `batch_norm_sums`."""
    of_groups = (sums * w.astype(np.float64)).reshape(2, len(rstd), -1).sum(2)
    mean_y, mean_yz = (of_groups * (len(rstd) / max(1, x.size))) * rstd
    slope = rstd * mean_yz
    shift = slope * center - mean_y
    return kernels.combine(y, _each(rstd, x) * w, x, -_each(slope, x), _each(shift, x))


def _batch_norm(g: Any, x: Any, w: Any, eps: float, center: Any, rstd: Any) -> Any:
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    sums = batch_norm_sums(g, x, **statistics)
    return batch_norm_grad(g, x, w, sums=values(sums), **statistics), sums[1], sums[0]


def _batch_norm_sums(g: Any, y: Any, x: Any, eps: float, center: Any, rstd: Any) -> Any:
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    sums = values(batch_norm_sums(values(y), values(x), **statistics))
    return batch_norm(x, g[1], g[0], **statistics), batch_norm_grad(y, x, g[1], sums=sums, **statistics)


def _batch_norm_grad(g: Any, y: Any, x: Any, w: Any, eps: float, center: Any, rstd: Any, sums: Any) -> Any:
    """It is J(w y) with J linear and symmetric; by x as for `normalize_grad`, with groups on an axis."""
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    of_g = values(batch_norm_sums(values(g), values(x), **statistics))
    jg = batch_norm_grad(g, x, np.ones_like(values(w)), sums=of_g, **statistics)
    n, c, *size = x.shape
    split = (n, len(rstd), c // max(1, len(rstd)), *size)
    alone = (1, -1, *(1,) * (len(split) - 2))
    wy = y * w.reshape(1, -1, *(1,) * len(size))
    dx = _normalize_grad_x(
        g.reshape(split), wy.reshape(split), x.reshape(split), (0, *range(2, len(split))), eps,
        center.reshape(alone), rstd.reshape(alone),
    ).reshape(x.shape)  # fmt: skip
    return jg * w.reshape(1, -1, *(1,) * len(size)), dx, sum(jg * y, dim=_others(x))


batch_norm.vjp(_batch_norm)
batch_norm_sums.vjp(_batch_norm_sums)
batch_norm_grad.vjp(_batch_norm_grad)


@op
def scale_shift(x, w, b, *, center, rstd):
    """(x - center) rstd w + b: batch norm when the statistics are given and depend on nothing."""
    scale = rstd * w
    return kernels.scale_shift(x, scale, b - center * scale)


scale_shift.vjp(
    x=lambda g, w, rstd: _scale(g, w, np.zeros_like(rstd), rstd),
    w=lambda g, x, center, rstd: sum(g * _scale(x, np.ones_like(rstd), center, rstd), dim=_others(g)),
    b=lambda g: sum(g, dim=_others(g)),
)


def _scale(x: Any, w: Any, center: Any, rstd: Any) -> Any:
    return scale_shift(x, w, np.zeros_like(rstd), center=center, rstd=rstd)


# --- dropout -----------------------------------------------------------------------------------------------


@op(elementwise=True)
def dropout(x, *, mask):
    """x times a mask that is 0 with probability p, else 1 / (1 - p) (Srivastava et al. 2014)."""
    return np.multiply(x, mask)


dropout.vjp(x=lambda g, mask: dropout(g, mask=mask))

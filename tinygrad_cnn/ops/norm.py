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
# x is (N, C, ...), and center, rstd, w and b hold one number per channel (axis 1).


def _others(x: Any) -> tuple[int, ...]:
    return (0, *range(2, len(x.shape)))


@op
def batch_norm(x, w, b, *, eps, center, rstd):
    """z w + b with z = (x - mean) / sqrt(variance + eps) of a channel (Ioffe & Szegedy, arXiv:1502.03167)."""
    return kernels.scale_shift(x, rstd * w, b - center * rstd * w)


@op
def batch_norm_sums(y, x, *, eps, center, rstd):
    """Per channel the sum of y, and that of y z: (2, C)."""
    total, dots = kernels.sums_and_dots(y, x)
    return np.stack([total, (dots - center * total) * rstd]).astype(y.dtype)


@op
def batch_norm_grad(y, x, w, *, eps, center, rstd, sums):
    """rstd w (y - mean(y) - z mean(y z)); `sums` are those of `batch_norm_sums`."""
    mean_y, mean_yz = sums.astype(np.float64) * (x.shape[1] / max(1, x.size))
    scale = rstd * w
    slope = scale * rstd * mean_yz
    return kernels.combine(y, scale, x, -slope, slope * center - scale * mean_y)


def _batch_norm(g: Any, x: Any, w: Any, eps: float, center: Any, rstd: Any) -> Any:
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    sums = batch_norm_sums(g, x, **statistics)
    return batch_norm_grad(g, x, w, sums=values(sums), **statistics), sums[1], sums[0]


def _batch_norm_sums(g: Any, y: Any, x: Any, eps: float, center: Any, rstd: Any) -> Any:
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    sums = values(batch_norm_sums(values(y), values(x), **statistics))
    return batch_norm(x, g[1], g[0], **statistics), batch_norm_grad(y, x, g[1], sums=sums, **statistics)


def _batch_norm_grad(g: Any, y: Any, x: Any, w: Any, eps: float, center: Any, rstd: Any, sums: Any) -> Any:
    """It is symmetric and linear in y, and linear in w."""
    statistics = {"eps": eps, "center": center, "rstd": rstd}
    of_g = values(batch_norm_sums(values(g), values(x), **statistics))
    ones = np.ones_like(values(w))
    column = (1, -1, *(1,) * (len(x.shape) - 2))
    dx = _normalize_grad_x(
        g, y * w.reshape(column), x, _others(x), eps, center.reshape(column), rstd.reshape(column)
    )
    dw = sum(g * batch_norm_grad(y, x, ones, sums=sums, **statistics), dim=_others(x))
    return batch_norm_grad(g, x, w, sums=of_g, **statistics), dx, dw


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

"""Normalization: what batch, layer, group and instance norm have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import op
from .reduce import mean, var

__all__ = ["dropout", "normalize", "normalize_grad"]

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

    z = normalize(x, dim=dim, eps=eps, center=center, rstd=rstd)
    inverse_variance = 1 / (var(x, dim=dim, correction=0, keepdim=True) + eps)
    g, y = g - average(g), y - average(y)
    gz, yz = average(g * z), average(y * z)
    return -inverse_variance * (z * (average(g * y) - gz * yz * 3) + g * yz + y * gz)


normalize_grad.vjp(
    y=lambda g, x, dim, eps, center, rstd: normalize_grad(g, x, dim=dim, eps=eps, center=center, rstd=rstd),
    x=_normalize_grad_x,
)


@op(elementwise=True)
def dropout(x, *, mask):
    """x times a mask that is 0 with probability p, else 1 / (1 - p) (Srivastava et al. 2014)."""
    return np.multiply(x, mask)


dropout.vjp(x=lambda g, mask: dropout(g, mask=mask))

"""Sums, averages, extremes.  `dim` is a sorted tuple of axes, all of them spelled out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..kernels import norm
from ..op import op, values
from .elementwise import exp, where
from .shape import expand, reshape

__all__ = ["amax", "amin", "argmax", "argmin", "logsumexp", "mean", "std", "sum", "var"]


def _spread(g: Any, dim: tuple[int, ...], keepdim: bool, shape: tuple[int, ...]) -> Any:
    """Bring a reduced array back to the shape it was reduced from."""
    if not keepdim:
        g = reshape(g, shape=_kept(shape, dim))
    return expand(g, shape=shape)


def _kept(shape: tuple[int, ...], dim: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if axis in dim else n for axis, n in enumerate(shape))


def _count(shape: tuple[int, ...], dim: tuple[int, ...]) -> int:
    return math.prod(shape[axis] for axis in dim)


def _floats_only(name: str, x: np.ndarray) -> None:
    if x.dtype.kind != "f":
        raise DtypeError(f"{name}: x is {x.dtype}, which has no {name}; convert it with x.float()")


@op
def sum(x, *, dim, keepdim=False):
    """Sum over the axes `dim`; integers and bools sum as int64."""
    if x.ndim > 2 and not keepdim and x.dtype.kind == "f" and dim == (0, *range(2, x.ndim)):
        return norm.sums(x).astype(x.dtype)  # per channel: the gradient of a bias
    return np.add.reduce(x, dim, keepdims=keepdim, dtype=np.int64 if x.dtype.kind in "biu" else None)


sum.vjp(x=lambda g, dim, keepdim, x_shape: _spread(g, dim, keepdim, x_shape))


@op
def mean(x, *, dim, keepdim=False):
    """Sum over the axes `dim` divided by the number of elements summed; nan for none."""
    _floats_only("mean", x)
    count = _count(x.shape, dim)
    return np.add.reduce(x, dim, keepdims=keepdim) / x.dtype.type(count)


mean.vjp(x=lambda g, dim, keepdim, x_shape: _spread(g / max(1, _count(x_shape, dim)), dim, keepdim, x_shape))


@op
def var(x, *, dim, correction=1, keepdim=False):
    """sum (x - mean)^2 / (n - correction) over the axes `dim`."""
    _floats_only("var", x)
    return _variance(x, dim, correction, keepdim)


def _variance(x: np.ndarray, dim: tuple[int, ...], correction: int, keepdim: Any) -> Any:
    """np.var without its warning: nan, or inf, where nothing is left to divide by."""
    deviation = x - np.add.reduce(x, dim, keepdims=True) / x.dtype.type(_count(x.shape, dim))
    left = max(0, _count(x.shape, dim) - correction)
    return np.add.reduce(deviation * deviation, dim, keepdims=keepdim) / x.dtype.type(left)


def _var_x(g: Any, x: Any, dim: tuple[int, ...], correction: int, keepdim: bool) -> Any:
    left = _count(x.shape, dim) - correction
    scale = 2 / left if left > 0 else math.nan
    return (x - mean(x, dim=dim, keepdim=True)) * _spread(g * scale, dim, keepdim, x.shape)


var.vjp(x=_var_x)


@op
def std(x, *, dim, correction=1, keepdim=False):
    """The square root of `var`; the gradient at a constant x is taken as 0."""
    _floats_only("std", x)
    return np.sqrt(_variance(x, dim, correction, keepdim))


def _std_x(g: Any, x: Any, out: Any, dim: tuple[int, ...], correction: int, keepdim: bool) -> Any:
    moving = values(out) != 0
    half = where(g, 0.0, mask=moving) / (where(out, 1.0, mask=moving) * 2)
    return _var_x(half, x, dim, correction, keepdim)


std.vjp(x=_std_x)


def _not_empty(name: str, x: np.ndarray, dim: tuple[int, ...]) -> None:
    if _count(x.shape, dim) == 0:
        raise ArgumentError(f"{name}: x {x.shape} has no element along {dim}; there is no {name} of nothing")


@op
def amax(x, *, dim, keepdim=False):
    """Largest element over the axes `dim`, nan if there is one; ties share the gradient evenly."""
    _not_empty("max", x, dim)
    return np.maximum.reduce(x, dim, keepdims=keepdim)


@op
def amin(x, *, dim, keepdim=False):
    """Smallest element over the axes `dim`, nan if there is one; ties share the gradient evenly."""
    _not_empty("min", x, dim)
    return np.minimum.reduce(x, dim, keepdims=keepdim)


def _extreme_x(g: Any, x: Any, out: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    top = values(out).reshape(_kept(x.shape, dim))
    winners = (values(x) == top) | (values(x) != values(x))  # a nan wins, and equals nothing
    shares = winners / winners.sum(dim, keepdims=True, dtype=x.dtype)
    return _spread(g, dim, keepdim, x.shape) * shares


amax.vjp(x=_extreme_x)
amin.vjp(x=_extreme_x)


@op
def argmax(x, *, dim, keepdim=False):
    """Where the largest element stands along axis `dim` (None: in the flattened array), the first "
    "one; int64."""
    _not_empty("argmax", x, tuple(range(x.ndim)) if dim is None else (dim,))
    return np.argmax(x, dim, keepdims=keepdim)


@op
def argmin(x, *, dim, keepdim=False):
    """Where the smallest element stands along axis `dim` (None: in the flattened array), the first "
    "one; int64."""
    _not_empty("argmin", x, tuple(range(x.ndim)) if dim is None else (dim,))
    return np.argmin(x, dim, keepdims=keepdim)


@op
def logsumexp(x, *, dim, keepdim=False):
    """log sum exp x over the axes `dim`, shifted by the maximum so that nothing overflows."""
    _floats_only("logsumexp", x)
    peak = np.maximum.reduce(x, dim, keepdims=True, initial=-np.inf)
    peak = np.where(np.isfinite(peak), peak, x.dtype.type(0))
    out = np.log(np.add.reduce(np.exp(x - peak), dim, keepdims=True)) + peak
    return out if keepdim else out.squeeze(dim)


logsumexp.vjp(
    x=lambda g, x, out, dim, keepdim: (
        _spread(g, dim, keepdim, x.shape) * exp(x - reshape(out, shape=_kept(x.shape, dim)))
    )
)

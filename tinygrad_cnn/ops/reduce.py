"""Sums, averages, extremes.  `dim` is a sorted tuple of axes, all of them spelled out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..kernels import norm
from ..op import op, values
from .elementwise import abs, exp, sign, where
from .shape import expand, flip, getitem, pad, reshape

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "logcumsumexp", "logsumexp", "mean", "median",
    "p_norm", "prod", "scatter_extreme", "std", "sum", "var",
]  # fmt: skip


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


def _wide(x: np.ndarray) -> Any:
    """The dtype to add or multiply up in: int64 for integers and bools."""
    return np.int64 if x.dtype.kind in "biu" else None


@op
def sum(x, *, dim, keepdim=False):
    """Sum over the axes `dim`; integers and bools sum as int64."""
    if x.ndim > 2 and not keepdim and x.dtype.kind == "f" and dim == (0, *range(2, x.ndim)):
        return norm.sums(x).astype(x.dtype)  # per channel: the gradient of a bias
    return np.add.reduce(x, dim, keepdims=keepdim, dtype=_wide(x))


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
def scatter_extreme(x, y, *, index, largest, include_self):
    """The largest (or smallest) of x[index] and all of y that goes there; ties share the gradient evenly.

    Without `include_self` what x had at [index] does not count.
    """
    out = x.copy()
    if not include_self:
        out[index] = y
    (np.maximum if largest else np.minimum).at(out, index, y)
    return out


def _scatter_extreme(g: Any, x: Any, y: Any, out: Any, index: Any, include_self: bool) -> tuple[Any, Any]:
    top = values(out)
    stays, comes = values(x) == top, values(y) == top[index]
    if not include_self:
        stays[index] = False
    count = stays.astype(top.dtype)
    np.add.at(count, index, comes)
    share = g / np.maximum(count, 1)
    return where(share, 0.0, mask=stays), where(getitem(share, index=index), 0.0, mask=comes)


scatter_extreme.vjp(_scatter_extreme)


@op
def median(x):
    """The middle one of all elements, the lower of two, nan if there is one; ties share the gradient."""
    middle = (x.size - 1) // 2
    if x.size == 0 or (x.dtype.kind == "f" and np.isnan(x).any()):
        return np.asarray(np.nan, x.dtype)
    return np.partition(x, middle, None)[middle]


median.vjp(x=lambda g, x, out: _extreme_x(g, x, out, tuple(range(len(x.shape))), False))


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


@op
def p_norm(x, *, p, dim, keepdim=False):
    """(sum |x|^p)^(1/p) over the axes `dim`, for p = 0 the number that are not 0; gradient 0 at x = 0."""
    if p == 0:
        return np.add.reduce(x != 0, dim, keepdims=keepdim, dtype=x.dtype)
    if p == 2:
        return np.sqrt(np.add.reduce(x * x, dim, keepdims=keepdim))
    return np.add.reduce(np.abs(x) ** p, dim, keepdims=keepdim) ** (1 / p)


def _p_norm_x(g: Any, x: Any, out: Any, p: float, dim: tuple[int, ...], keepdim: bool) -> Any:
    if p == 0:
        return _spread(g * 0.0, dim, keepdim, x.shape)
    live = values(out) != 0
    size = where(out, 1.0, mask=live)
    scale = _spread(where(g, 0.0, mask=live) / (size if p == 2 else size ** (p - 1)), dim, keepdim, x.shape)
    if p == 2:
        return x * scale
    return sign(x) * where(abs(x), 1.0, mask=values(x) != 0) ** (p - 1) * scale


p_norm.vjp(x=_p_norm_x)


# --- along one axis, step by step ------------------------------------------------------------------------


def _shift(x: Any, dim: int, steps: int, value: float) -> Any:
    """Everything `steps` places further along `dim` (or back, where negative); `value` comes in."""
    return pad(
        x, widths=tuple((steps * (i == dim), -steps * (i == dim)) for i in range(len(x.shape))), value=value
    )


def _recurrence(a: Any, b: Any, dim: int) -> Any:
    """s with s_k = b_k + a_k s_(k+1), from the end of axis `dim`: in log n steps, each twice as long."""
    step = 1
    while step < b.shape[dim]:
        b = b + a * _shift(b, dim, -step, 0.0)
        a = a * _shift(a, dim, -step, 0.0)
        step *= 2
    return b


@op
def cumsum(x, *, dim):
    """out_k = x_0 + ... + x_k along axis `dim`; integers and bools sum as int64."""
    return np.add.accumulate(x, dim, dtype=_wide(x))


cumsum.vjp(x=lambda g, dim: flip(cumsum(flip(g, dims=(dim,)), dim=dim), dims=(dim,)))


@op
def cumprod(x, *, dim):
    """out_k = x_0 ... x_k along axis `dim`; zeros have their gradient, too."""
    return np.multiply.accumulate(x, dim, dtype=_wide(x))


# dx_k = out_(k-1) (g_k + x_(k+1) (g_(k+1) + x_(k+2) ...)), without a division
cumprod.vjp(x=lambda g, x, out, dim: _shift(out, dim, 1, 1.0) * _recurrence(_shift(x, dim, -1, 0.0), g, dim))


@op
def prod(x, *, dim, keepdim=False):
    """Product along axis `dim`; zeros have their gradient, too.  Integers and bools multiply as int64."""
    return np.multiply.reduce(x, dim, keepdims=keepdim, dtype=_wide(x))


def _prod_x(g: Any, x: Any, dim: int, keepdim: bool) -> Any:
    """The product of all others is that of those before times that of those after."""
    before = _shift(cumprod(x, dim=dim), dim, 1, 1.0)
    after = flip(_shift(cumprod(flip(x, dims=(dim,)), dim=dim), dim, 1, 1.0), dims=(dim,))
    return _spread(g, (dim,), keepdim, x.shape) * (before * after)


prod.vjp(x=_prod_x)


@op
def logcumsumexp(x, *, dim):
    """out_k = log(e^x_0 + ... + e^x_k) along axis `dim`, stable for large x."""
    _floats_only("logcumsumexp", x)
    return np.logaddexp.accumulate(x, dim)


# dx_k = sum over i >= k of g_i e^(x_k - out_i); out only grows, so no power is above 1
logcumsumexp.vjp(
    x=lambda g, x, out, dim: exp(x - out) * _recurrence(exp(out - _shift(out, dim, -1, math.inf)), g, dim)
)

"""Pooling: windows are reduced to one value each, and gradients go back to where the values came from."""

from __future__ import annotations

from math import prod

import numpy as np

from ..errors import DtypeError
from ..kernels import pool as kernels
from ..op import op, values
from .shape import gather, reshape

__all__ = [
    "fold",
    "gather_windows",
    "max_pool",
    "max_pool_grad",
    "max_pool_winners",
    "scatter_windows",
    "unfold",
    "unpool",
    "window_spread",
    "window_sum",
]


@op
def max_pool(x, *, geom):
    """The largest value of each window, nan if there is one: x (n, c, *size) -> (n, c, *out)."""
    if x.dtype.kind == "b":
        raise DtypeError("max_pool: x is bool; numbers are needed (use .float())")
    return kernels.max_forward(x, geom)


@op
def max_pool_grad(y, *, x, top, geom):
    """Zeros with each y added where in x its window's maximum `top` is: y (n, c, *out) -> (n, c, *size)."""
    return kernels.max_grad(y, x, top, geom)


@op
def max_pool_winners(x, y, *, geom):
    """Which tap of its window gave each maximum y: the first in row-major order.  Flat, so no gradient."""
    return kernels.winners(x, y, geom)


@op
def scatter_windows(y, *, taps, geom):
    """Zeros with each y added at its window's chosen tap: y (n, c, *out) -> (n, c, *size)."""
    return kernels.scatter(y, taps, geom)


@op
def gather_windows(x, *, taps, geom):
    """The value at each window's chosen tap: x (n, c, *size) -> (n, c, *out); the adjoint of
    scatter_windows."""
    return kernels.gather(x, taps, geom)


max_pool.vjp(x=lambda g, x, out, geom: max_pool_grad(g, x=values(x), top=values(out), geom=geom))
max_pool_grad.vjp(
    y=lambda g, x, top, geom: gather_windows(g, taps=values(max_pool_winners(x, top, geom=geom)), geom=geom)
)
scatter_windows.vjp(y=lambda g, taps, geom: gather_windows(g, taps=taps, geom=geom))
gather_windows.vjp(x=lambda g, taps, geom: scatter_windows(g, taps=taps, geom=geom))


@op
def window_sum(x, *, geom):
    """The sum of each window, zeros outside: x (n, c, *size) -> (n, c, *out)."""
    return kernels.window_sum(x, geom)


@op
def window_spread(y, *, geom):
    """Each y added to every cell of its window: y (n, c, *out) -> (n, c, *size); the adjoint of
    window_sum."""
    return kernels.window_spread(y, geom)


window_sum.vjp(x=lambda g, geom: window_spread(g, geom=geom))
window_spread.vjp(y=lambda g, geom: window_sum(g, geom=geom))


@op
def unfold(x, *, geom):
    """What each window sees, as a column: x (n, c, *size) -> (n, c taps, windows)."""
    return kernels.unfold(x, geom)


@op
def fold(y, *, geom):
    """Each value added to the pixel it was taken from: y (n, c taps, windows) -> (n, c, *size)."""
    return kernels.fold(y, geom)


unfold.vjp(x=lambda g, geom: fold(g, geom=geom))
fold.vjp(y=lambda g, geom: unfold(g, geom=geom))


@op
def unpool(y, *, index, size):
    """Zeros with each y at its pixel, counted in row-major order: y (n, c, *out) -> (n, c, *size).

    index (n, c, prod(out)); where several y have one pixel, the last stays.
    """
    n, c = y.shape[:2]
    x = np.zeros((n, c, prod(size)), y.dtype)
    np.put_along_axis(x, index, y.reshape(index.shape), 2)
    return x.reshape(n, c, *size)


unpool.vjp(
    y=lambda g, index, y_shape: reshape(
        gather(reshape(g, shape=(*g.shape[:2], prod(g.shape[2:]))), dim=2, index=index), shape=y_shape
    )
)

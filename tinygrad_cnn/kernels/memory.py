"""Memory orders: images are logically (N, C, *size), and their strides say how they lie in memory.

Three orders matter, named by what lies innermost:

    channels   (N, *size, C)   wide layers: what a window sees is a few long rows of channels
    batch      (C, *size, N)   narrow layers, such as the first ones: so are the pixels of one channel
    pixels     (N, C, *size), or (C, N, *size)   what data sets and users bring

A kernel takes any order and chooses that of its result; what follows keeps it, for NumPy's elementwise
loops do.  Nobody above the kernels knows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["as_batch", "as_channels", "empty", "in_order", "innermost", "like"]


def innermost(x: np.ndarray) -> str:
    """What has the smallest strides: "batch", "channels" or "pixels".

    >>> x = np.zeros((8, 3, 5, 5))
    >>> innermost(x), innermost(np.moveaxis(np.zeros((8, 5, 5, 3)), -1, 1))
    ('pixels', 'channels')
    """
    strides = [abs(stride) if n > 1 else np.inf for n, stride in zip(x.shape, x.strides, strict=True)]
    axis = min(range(x.ndim), key=lambda i: (strides[i], -i))
    return {0: "batch", 1: "channels"}.get(axis, "pixels")


def as_channels(x: np.ndarray) -> np.ndarray:
    """x (N, C, *size) as (N, *size, C), a view."""
    return x.transpose(0, *range(2, x.ndim), 1)


def as_batch(x: np.ndarray) -> np.ndarray:
    """x (N, C, *size) as (C, *size, N), a view."""
    return x.transpose(*range(1, x.ndim), 0)


def empty(shape: tuple[int, ...], dtype: Any, order: str) -> np.ndarray:
    """Memory for (N, C, *size) in this order; with pixels innermost, channels are outermost."""
    n, c, *size = shape
    if order == "channels":
        return np.moveaxis(np.empty((n, *size, c), dtype), -1, 1)
    if order == "batch":
        return np.moveaxis(np.empty((c, *size, n), dtype), -1, 0)
    return np.empty((c, n, *size), dtype).swapaxes(0, 1)


def in_order(x: np.ndarray, order: str) -> np.ndarray:
    """x in this order: itself, or a copy."""
    if innermost(x) == order:
        return x
    out = empty(x.shape, x.dtype, order)
    out[...] = x
    return out


def like(x: np.ndarray, model: np.ndarray) -> np.ndarray:
    """x in the memory order of `model`, which has its shape; a copy only if it is in another.

    Elementwise loops over arrays of different orders crawl.
    """
    if x.strides == model.strides or (x.flags.c_contiguous and model.flags.c_contiguous):
        return x
    out = np.empty_like(model, dtype=x.dtype)
    if out.strides == x.strides:
        return x
    out[...] = x
    return out

"""Convolution as matrix multiplication: what a window sees becomes a column ("im2col").

With the columns of all windows side by side, columns (C taps, windows), and the weight as a matrix
(O, C taps), one GEMM does each job:

    forward       y       = w     @ columns
    weight_grad   dw      = y     @ columns^T
    input_grad    columns = w^T   @ y,  each entry then added to the pixel it was taken from

Groups are a batch axis of the GEMM: (G, O/G, C/G taps) @ (G, C/G taps, windows).  The columns repeat each
pixel once per tap, so they are made for a block of images at a time.  Channels come first in memory
(C, N, *size), which makes a block of columns one matrix; callers see (N, C, *size) through the strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ...geometry import ConvGeometry

__all__ = ["forward", "input_grad", "weight_grad"]

BLOCK_BYTES = 2 << 20  # of columns: they are read again at once, while still in the cache


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, s i + d a - p] -> (N, O, *out)."""
    matrix = _weight_matrix(w, geom)
    y = np.empty((*matrix.shape[:2], len(x) * prod(geom.out)), np.result_type(x, w))
    done = 0
    for _, columns in _columns(x, geom):
        np.matmul(matrix, columns, out=y[..., done : done + columns.shape[2]])
        done += columns.shape[2]
    return y.reshape(geom.out_channels, len(x), *geom.out).swapaxes(0, 1)


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c, a] = sum over n, i of y[n, o, i] x[n, c, s i + d a - p] -> (O, C/groups, *kernel)."""
    shape = (geom.out_channels, geom.in_channels // geom.groups, *geom.kernel)
    dw = np.zeros(shape, np.result_type(x, y))
    matrix = _weight_matrix(dw, geom)
    for images, columns in _columns(x, geom):
        matrix += _by_group(y[images], geom) @ columns.swapaxes(1, 2)
    return dw


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, s i + d a - p] = sum over o, a and i of w[o, c, a] y[n, o, i] -> (N, C, *size)."""
    matrix = _weight_matrix(w, geom).swapaxes(1, 2)
    dx = np.zeros((geom.in_channels, len(y), *geom.size), np.result_type(y, w))
    for images in _blocks(len(y), geom, dx.itemsize):
        block = dx[:, images]
        columns = (matrix @ _by_group(y[images], geom)).reshape(_columns_shape(block.shape[1], geom))
        for tap, (windows, pixels) in enumerate(geom.taps):
            block[pixels] += columns[:, tap][windows]
    return dx.swapaxes(0, 1)


def _blocks(count: int, geom: ConvGeometry, itemsize: int) -> Iterator[slice]:
    """All images, as slices of so many that their columns fill BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // max(1, prod(_columns_shape(1, geom)) * itemsize))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _columns(x: np.ndarray, geom: ConvGeometry) -> Iterator[tuple[slice, np.ndarray]]:
    """Block after block: which images, and their columns (G, C/G taps, windows), in memory used again."""
    columns = np.empty(0, x.dtype)
    for images in _blocks(len(x), geom, x.itemsize):
        block = x[images].swapaxes(0, 1)
        shape = _columns_shape(block.shape[1], geom)
        if columns.shape != shape:
            columns = np.zeros(shape, x.dtype)  # where a tap sees padding, nobody will write
        for tap, (windows, pixels) in enumerate(geom.taps):
            columns[:, tap][windows] = block[pixels]
        yield images, columns.reshape(geom.groups, prod(shape[:2]) // geom.groups, prod(shape[2:]))


def _columns_shape(images: int, geom: ConvGeometry) -> tuple[int, ...]:
    return (geom.in_channels, prod(geom.kernel), images, *geom.out)


def _weight_matrix(w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """w as (G, O/G, C/G taps); a view where w is contiguous."""
    g = geom.groups
    return w.reshape(g, geom.out_channels // g, geom.in_channels // g * prod(geom.kernel))


def _by_group(y: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y (N, O, *out) as (G, O/G, windows)."""
    return y.swapaxes(0, 1).reshape(geom.groups, geom.out_channels // geom.groups, len(y) * prod(geom.out))

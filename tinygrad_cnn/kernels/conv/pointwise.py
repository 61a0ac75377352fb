"""Convolution with windows of one pixel: a matrix product over the channels, without any columns.

    forward       y  = w   x        w (O, C), x (C, pixels)
    input_grad    dx = w^T y
    weight_grad   dw = y   x^T

A stride passes over pixels, so they are left out first.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ...geometry import ConvGeometry
from ..memory import as_batch, as_channels, empty, innermost
from ..products import times, times_transposed
from ..runtime import parts, share

__all__ = ["fits", "forward", "input_grad", "weight_grad"]

PIECE = 1 << 24  # multiplications worth a thread's while
SUMS = 4  # partial sums of a weight gradient; their number must not depend on that of the threads


def fits(geom: ConvGeometry, images: int, dtype: np.dtype) -> bool:
    """Whether the windows are single pixels."""
    return geom.groups == 1 and set(geom.kernel) == {1} and not any(map(any, geom.padding))


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c of w[o, c] x[n, c, s i] -> (N, O, *out)."""
    x, w = _seen(x, geom), w.reshape(len(w), -1)
    y = empty((len(x), len(w), *geom.out), np.result_type(x, w), innermost(x))
    _times(w, x, y)
    return y


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, s i] = sum over o of w[o, c] y[n, o, i], 0 elsewhere -> (N, C, *size)."""
    w = w.reshape(len(w), -1).T
    dx = empty((len(y), len(w), *geom.size), np.result_type(y, w), innermost(y))
    if geom.size == geom.out:
        _times(w, y, dx)
        return dx
    seen = empty((len(y), len(w), *geom.out), dx.dtype, innermost(y))
    _times(w, y, seen)
    dx[...] = 0
    _seen(dx, geom)[...] = seen
    return dx


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c] = sum over n, i of y[n, o, i] x[n, c, s i] -> (O, C, 1, ...)."""
    ys, xs = _matrices(y, _seen(x, geom))
    pieces = _pieces(xs, geom.in_channels * geom.out_channels)
    sums = np.zeros((min(SUMS, len(pieces)), geom.out_channels, geom.in_channels), np.result_type(x, y))

    def work(mine: Iterator[int]) -> None:
        for number in mine:
            for images, pixels in pieces[number::SUMS]:
                products = times_transposed(ys[images, :, pixels], xs[images, :, pixels])
                sums[number] += products[0] if len(products) == 1 else products.sum(0)

    share(work, range(len(sums)))
    return sums.sum(0).reshape(*sums.shape[1:], *geom.kernel)


def _seen(x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """The pixels that windows begin on."""
    seen: Any = [slice(0, s * (n - 1) + 1, s) for s, n in zip(geom.stride, geom.out, strict=True)]
    return x[..., *seen]


def _times(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y = w x, pixel by pixel."""
    xs, ys = _matrices(x, y)

    def work(pieces: Iterator[tuple[slice, slice]]) -> None:
        for images, pixels in pieces:
            times(w, xs[images, :, pixels], ys[images, :, pixels])

    share(work, _pieces(xs, w.size))


def _pieces(xs: np.ndarray, weights: int) -> list[tuple[slice, slice]]:
    """What is worked on at a time, of matrices (many, channels, pixels): an even number of pieces."""
    many, _, pixels = xs.shape
    products, everything = weights * many * pixels, slice(None)
    count = 2 * -(-products // (2 * PIECE)) if products > PIECE else 1
    if many >= count:
        return [(part, everything) for part in parts(many, count)]
    if many > 1:
        return [(slice(i, i + 1), everything) for i in range(many)]
    return [(everything, part) for part in parts(pixels, min(pixels, count))]


def _matrices(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Both (N, channels, *size) as (matrices, channels, pixels): if possible views, of one matrix only."""
    orders = {innermost(x), innermost(y)}
    together = len(x) * prod(x.shape[2:])
    if orders == {"batch"}:
        return [as_batch(a).reshape(1, a.shape[1], together) for a in (x, y)]
    if orders == {"channels"}:
        return [as_channels(a).reshape(1, together, a.shape[1]).swapaxes(1, 2) for a in (x, y)]
    return [a.reshape(*a.shape[:2], prod(a.shape[2:])) for a in (x, y)]

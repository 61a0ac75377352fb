"""Convolution as a matrix product: what a window sees becomes a column ("im2col").

With the columns of all windows side by side, (C taps, windows), and the weight as a matrix (O, C taps), one
product does each job:

    forward       y       = w     @ columns
    weight_grad   dw      = y     @ columns^T
    input_grad    columns = w^T   @ y,  each entry then added to the pixel it was taken from

The columns repeat each pixel once per tap, so they are made for a piece of the images at a time.  Copying
them is cheap where runs of memory are long, so they lie as x does: with channels innermost, transposed, if
that is where x has them; else with the windows counted as x's pixels are.  Groups are a batch axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...geometry import ConvGeometry
from ..memory import as_batch, as_channels, empty, in_order, innermost
from ..products import times, times_transposed
from ..runtime import parts, share

__all__ = ["fits", "forward", "input_grad", "weight_grad"]

PIECE = 1 << 21  # bytes of columns: they are read again at once, while still in the cache
SUMS = 4  # partial sums of a weight gradient; their number must not depend on that of the threads
SHARED = 1 << 24  # multiplications that are worth another thread's while
WIDE = 24  # so many filters are worth having innermost

Piece = tuple[slice, slice]  # images, rows of windows along the first spatial axis


def fits(geom: ConvGeometry, images: int, dtype: np.dtype) -> bool:
    """It can do everything."""
    return True


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, s i + d a - p] -> (N, O, *out)."""
    order, dtype = _order(x, geom), np.result_type(x, w)
    if order == "pixels" and geom.groups == 1 and geom.out_channels < WIDE <= 2 * len(x):
        order = "batch"
    wide = order == "pixels" and geom.groups == 1 and geom.out_channels >= WIDE and w.size <= x.size
    y = empty((len(x), geom.out_channels, *geom.out), dtype, "channels" if wide else order)
    matrix, x = _matrix(w, geom, order), _view(in_order(x, order), order)
    pieces = _pieces(len(y), geom, order, dtype.itemsize)

    def work(mine: Iterator[Piece]) -> None:
        columns = _Columns(geom, order, dtype)
        for piece in mine:
            times(matrix, columns.of(x, piece), _windows(y, piece, geom, order))

    def some_filters(mine: Iterator[slice]) -> None:
        for part in mine:
            np.matmul(matrix[:, part], columns, out=into[:, part])

    if len(pieces) == geom.groups == 1:
        columns, into = _Columns(geom, order, dtype).of(x, pieces[0]), _windows(y, pieces[0], geom, order)
        share(some_filters, _filters(columns, geom))
    else:
        share(work, pieces)
    return y


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c, a] = sum over n, i of y[n, o, i] x[n, c, s i + d a - p] -> (O, C/groups, *kernel)."""
    order, dtype = _order(x, geom), np.result_type(x, y)
    if order == "pixels" and geom.groups == 1 and innermost(y) == "batch":
        order = "batch"
    pieces = _pieces(len(y), geom, order, dtype.itemsize)
    taps, x = geom.in_channels // geom.groups * prod(geom.kernel), _view(in_order(x, order), order)
    sums = np.zeros((min(SUMS, len(pieces)), geom.groups, geom.out_channels // geom.groups, taps), dtype)

    def work(mine: Iterator[int]) -> None:
        columns = _Columns(geom, order, dtype)
        for number in mine:
            for piece in pieces[number::SUMS]:
                sums[number] += times_transposed(_windows(y, piece, geom, order), columns.of(x, piece))

    share(work, range(len(sums)))
    dw, c = sums.sum(0), geom.in_channels // geom.groups
    if order == "channels":
        return np.ascontiguousarray(np.moveaxis(dw.reshape(geom.out_channels, *geom.kernel, c), -1, 1))
    return dw.reshape(geom.out_channels, c, *geom.kernel)


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, s i + d a - p] = sum over o, a and i of w[o, c, a] y[n, o, i] -> (N, C, *size)."""
    order, dtype = _order(y, geom), np.result_type(y, w)
    matrix = _matrix(w, geom, order).swapaxes(1, 2)
    dx = np.zeros_like(empty((len(y), geom.in_channels, *geom.size), dtype, order))
    into = _view(dx, order)

    def work(pieces: Iterator[Piece]) -> None:
        columns = _Columns(geom, order, dtype)
        for piece in pieces:
            found = columns.empty(len(y), piece)
            times(matrix, _windows(y, piece, geom, order), found)
            columns.add_to(into, piece)

    pieces = _pieces(len(y), geom, order, dtype.itemsize)
    if order == "batch" or (pieces and pieces[0][1] != slice(0, geom.out[0])):
        work(iter(pieces))  # pieces of one image overlap in it
    else:
        share(work, pieces)
    return dx


# --- orders ----------------------------------------------------------------------------------------------


def _order(x: np.ndarray, geom: ConvGeometry) -> str:
    """How columns lie; a weight larger than the images had better not be copied into another order."""
    heavy = geom.out_channels * geom.in_channels * prod(geom.kernel) > x.size
    order = innermost(x)
    return "pixels" if geom.groups > 1 or (heavy and order == "channels") else order


def _view(x: np.ndarray, order: str) -> np.ndarray:
    """x (N, C, *size) as it lies in memory; with pixels innermost, images count as pixels of a channel."""
    return {"channels": as_channels, "batch": as_batch}.get(order, lambda x: x.swapaxes(0, 1))(x)


def _matrix(w: np.ndarray, geom: ConvGeometry, order: str) -> np.ndarray:
    """w as (G, O/G, C/G taps), or (G, O/G, taps C/G) for channels innermost."""
    if order == "channels":
        w = np.moveaxis(w, 1, -1)
    return w.reshape(geom.groups, geom.out_channels // geom.groups, -1)


def _windows(y: np.ndarray, piece: Piece, geom: ConvGeometry, order: str) -> np.ndarray:
    """A piece of y (N, O, *out) as (G, O/G, windows); a view where memory allows."""
    images, rows = piece
    groups, filters = geom.groups, geom.out_channels
    if order == "batch":
        return as_batch(y)[:, rows].reshape(groups, filters // groups, -1)
    if innermost(y) == "channels":
        return as_channels(y)[images, rows].reshape(-1, groups, filters // groups).transpose(1, 2, 0)
    return y.swapaxes(0, 1)[:, images, rows].reshape(groups, filters // groups, -1)


# --- columns ---------------------------------------------------------------------------------------------


def _pieces(images: int, geom: ConvGeometry, order: str, itemsize: int) -> list[Piece]:
    """What is worked on at a time; with the batch innermost, all images and some rows."""
    row = prod(geom.out[1:]) * geom.in_channels * prod(geom.kernel) * itemsize
    if order == "batch":
        count = -(-geom.out[0] * row * images // PIECE)
        return [(slice(0, images), rows) for rows in parts(geom.out[0], min(count, geom.out[0]))]
    count = -(-images * row * geom.out[0] // PIECE)
    if images >= count:
        return [(part, slice(0, geom.out[0])) for part in parts(images, count)]
    rows = parts(geom.out[0], min(geom.out[0], -(-count // images)))
    return [(slice(i, i + 1), part) for i in range(images) for part in rows]


def _filters(columns: np.ndarray, geom: ConvGeometry) -> list[slice]:
    """Where there is one piece only, its filters are what threads can share."""
    return parts(geom.out_channels, 2 if columns.size * geom.out_channels > SHARED else 1)


@lru_cache(maxsize=4096)
def _places(geom: ConvGeometry, order: str, start: int, stop: int) -> list[tuple[Any, Any]]:
    """For each tap: where in the columns of these rows of windows, and where in the image, its pixels are."""
    everything, places = slice(None), []
    for tap, (windows, pixels) in enumerate(geom.taps_in(slice(start, stop))):
        if order == "channels":
            places.append(((everything, *windows, tap), (everything, *pixels)))
        elif order == "batch":
            places.append(((everything, tap, *windows), (everything, *pixels)))
        else:
            places.append(((everything, tap, everything, *windows), (everything, everything, *pixels)))
    return places


class _Columns:
    """Memory for the columns of one piece after the other."""

    def __init__(self, geom: ConvGeometry, order: str, dtype: Any):
        self.geom, self.order, self.dtype = geom, order, dtype
        self.memory = np.empty(0, dtype)
        self.places: Any = None  # that were written last; others are zero still

    def empty(self, images: int, piece: Piece) -> np.ndarray:
        """(G, C/G taps, windows), or (1, taps C, windows) for channels innermost, to be filled."""
        geom, (part, rows) = self.geom, piece
        n, taps, out = part.stop - part.start, prod(geom.kernel), (rows.stop - rows.start, *geom.out[1:])
        if self.order == "channels":
            shape: tuple[int, ...] = (n, *out, taps, geom.in_channels)
        elif self.order == "batch":
            shape = (geom.in_channels, taps, *out, n)
        else:
            shape = (geom.in_channels, taps, n, *out)
        if self.memory.shape != shape:
            self.memory, self.places = np.empty(shape, self.dtype), None
        if self.order == "channels":
            return self.memory.reshape(1, n * prod(out), taps * geom.in_channels).swapaxes(1, 2)
        return self.memory.reshape(geom.groups, -1, n * prod(out))

    def of(self, x: np.ndarray, piece: Piece) -> np.ndarray:
        """The columns of a piece of images, which lie as `_view` shows them."""
        matrix = self.empty(0, piece)
        x, places = self._images(x, piece), _places(self.geom, self.order, piece[1].start, piece[1].stop)
        written = [place for place, _ in places]
        if written != self.places:
            self.memory.fill(0)  # where a tap sees padding, nobody will write
            self.places = written
        for place, pixels in places:
            self.memory[place] = x[pixels]
        return matrix

    def add_to(self, x: np.ndarray, piece: Piece) -> None:
        """Add each entry of the columns to the pixel that it stands for."""
        x = self._images(x, piece)
        for place, pixels in _places(self.geom, self.order, piece[1].start, piece[1].stop):
            x[pixels] += self.memory[place]

    def _images(self, x: np.ndarray, piece: Piece) -> np.ndarray:
        images = piece[0]
        return x[images] if self.order == "channels" else x if self.order == "batch" else x[:, images]

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

from collections.abc import Iterable, Iterator
from itertools import groupby, product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...geometry import ConvGeometry
from ..memory import as_batch, as_channels, empty, in_order, innermost
from ..products import times, times_transposed
from ..runtime import Piece, images_or_rows, parts, share

__all__ = ["fits", "forward", "input_grad", "weight_grad"]

PIECE = 1 << 21  # bytes of columns: they are read again at once, while still in the cache
SUMS = 4  # partial sums of a weight gradient; their number must not depend on that of the threads
SHARED = 1 << 24  # multiplications that are worth another thread's while,
ENOUGH = 192  # if each has so many windows; BLAS is slow where a matrix is narrow
FEW = 8  # so few channels are not worth having innermost
WIDE = 24  # so many filters are worth having innermost


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
        share(some_filters, parts(geom.out_channels, _sharers(len(y), geom)))
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
    if order == "channels" and geom.in_channels < FEW:
        order = "pixels"
    matrix, taps = _matrix(w, geom, order).swapaxes(1, 2), prod(geom.kernel)
    dx = np.zeros_like(empty((len(y), geom.in_channels, *geom.size), dtype, order))
    into = _view(dx, order)

    def add(columns: _Columns, pieces: Iterable[Piece], matrix: np.ndarray, into: np.ndarray) -> None:
        for images, rows in pieces:
            found = columns.empty(images.stop - images.start, rows)
            times(matrix, _windows(y, (images, rows), geom, order), found)
            columns.add_to(into, (images, rows))

    def some_images(mine: Iterator[list[Piece]]) -> None:
        columns = _Columns(geom, order, dtype)
        for pieces_of_images in mine:
            add(columns, pieces_of_images, matrix, into)

    def some_channels(mine: Iterator[slice]) -> None:
        for part in mine:
            channels = part.stop - part.start
            columns = _Columns(geom, order, dtype, channels)
            pieces = _pieces(len(y), geom, order, dtype.itemsize, channels)
            add(columns, pieces, matrix[:, taps * part.start : taps * part.stop], into[part])

    # The pieces of one image overlap in it, and so do not go to different threads.
    pieces = _pieces(len(y), geom, order, dtype.itemsize)
    apart = [list(group) for _, group in groupby(pieces, key=lambda piece: piece[0].start)]
    if len(apart) == 1 and order != "channels" and geom.groups == 1:
        share(some_channels, parts(geom.in_channels, _sharers(len(y), geom)))
    else:
        share(some_images, apart)
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
    if order == "batch":  # of one group
        return as_batch(y)[:, rows].reshape(1, filters, -1)
    return y.swapaxes(0, 1)[:, images, rows].reshape(groups, filters // groups, -1)


# --- columns ---------------------------------------------------------------------------------------------


def _pieces(
    images: int, geom: ConvGeometry, order: str, itemsize: int, channels: int | None = None
) -> list[Piece]:
    """What is worked on at a time; with the batch innermost, all images and some rows."""
    channels = geom.in_channels if channels is None else channels
    windows = images * prod(geom.out)
    count = -(-windows * channels * prod(geom.kernel) * itemsize // PIECE)
    if count > 1 or (windows >= 2 * ENOUGH and _sharers(images, geom) > 1):
        count += count % 2  # two threads are to have the same number of them
    if order == "batch":
        return [(slice(0, images), rows) for rows in parts(geom.out[0], min(count, geom.out[0]))]
    return images_or_rows(images, geom.out[0], count)


def _sharers(images: int, geom: ConvGeometry) -> int:
    """How many threads a product is worth whose filters or channels, not pieces, are to be shared."""
    products = images * prod(geom.out) * prod(geom.kernel) * geom.in_channels * geom.out_channels
    return 2 if products // geom.groups > SHARED else 1


class _Columns:
    """Memory for the columns of one piece after the other."""

    def __init__(self, geom: ConvGeometry, order: str, dtype: Any, channels: int | None = None):
        self.geom, self.order, self.dtype = geom, order, dtype
        self.channels = geom.in_channels if channels is None else channels
        self.memory = self.padded = np.empty(0, dtype)

    def empty(self, images: int, rows: slice) -> np.ndarray:
        """(G, C/G taps, windows), or (1, taps C, windows) for channels innermost, to be filled."""
        kernel, c, out = self.geom.kernel, self.channels, (rows.stop - rows.start, *self.geom.out[1:])
        windows = images * prod(out)
        if self.order == "channels":
            shape: tuple[int, ...] = (images, *out, *kernel, c)
        elif self.order == "batch":
            shape = (c, *kernel, *out, images)
        else:
            shape = (c, *kernel, images, *out)
        if self.memory.shape != shape:
            self.memory = np.empty(0, self.dtype)  # the last piece's may go before there is another
            self.memory = np.empty(shape, self.dtype)
        if self.order == "channels":
            return self.memory.reshape(1, windows, prod(kernel) * c).swapaxes(1, 2)
        return self.memory.reshape(self.geom.groups, -1, windows)

    def of(self, x: np.ndarray, piece: Piece) -> np.ndarray:
        """The columns of a piece of images, which lie as `_view` shows them."""
        images, rows = piece
        x = self._seen(self._images(x, images), rows)
        matrix = self.empty(x.shape[{"channels": 0, "batch": -1, "pixels": 1}[self.order]], rows)
        at = 2 if self.order == "pixels" else 1  # the first spatial axis
        steps = x.strides[at : at + len(self.geom.kernel)]
        windows = [s * step for s, step in zip(self.geom.stride, steps, strict=True)]
        taps = [d * step for d, step in zip(self.geom.dilation, steps, strict=True)]
        if self.order == "channels":
            strides = (x.strides[0], *windows, *taps, x.strides[-1])
        elif self.order == "batch":
            strides = (x.strides[0], *taps, *windows, x.strides[-1])
        else:
            strides = (x.strides[0], *taps, x.strides[1], *windows)
        self.memory[...] = as_strided(x, self.memory.shape, strides, writeable=False)
        return matrix

    def _seen(self, x: np.ndarray, rows: slice) -> np.ndarray:
        """The part of images that these rows of windows see, with the padding."""
        geom, at = self.geom, 2 if self.order == "pixels" else 1
        parts, shape = [slice(None)] * at, list(x.shape)
        inside = list(parts)
        for axis, (n, f, s, (before, _), d, n_out) in enumerate(geom.axes(), at):
            start, many = -before, n_out
            if axis == at:
                start, many = s * rows.start - before, rows.stop - rows.start
            stop = start + s * (many - 1) + d * (f - 1) + 1
            shape[axis] = stop - start
            first = min(n, max(0, start))
            last = max(first, min(n, stop))  # they may see nothing but padding
            parts.append(slice(first, last))
            inside.append(slice(max(0, -start), max(0, -start) + last - first))
        seen = x[tuple(parts)]
        if seen.shape == tuple(shape):
            return seen
        if self.padded.shape != tuple(shape):
            self.padded = np.empty(shape, self.dtype)
        self.padded.fill(0)
        self.padded[tuple(inside)] = seen
        return self.padded

    def add_to(self, x: np.ndarray, piece: Piece) -> None:
        """Add each entry of the columns to the pixel that it stands for."""
        images, rows = piece
        x, every, axis_taps = self._images(x, images), slice(None), self.geom.axis_taps_in(rows)
        if self.order == "batch":
            self._add_axis_by_axis(x, axis_taps)
            return
        numbers = product(*map(range, self.geom.kernel))
        for tap, places in zip(numbers, product(*axis_taps), strict=True):
            windows, pixels = zip(*places, strict=True)
            if self.order == "channels":
                x[(every, *pixels)] += self.memory[(every, *windows, *tap)]
            else:
                x[(every, every, *pixels)] += self.memory[(every, *tap, every, *windows)]

    def _add_axis_by_axis(self, x: np.ndarray, axis_taps: Any) -> None:
        """The same, the last axis first: f + f long sums for f f, which threads can run side by side."""
        y = self.memory
        for axis, taps in reversed(list(enumerate(axis_taps))):
            of_taps, before = np.moveaxis(y, 1 + axis, 0), (slice(None),) * (1 + 2 * axis)
            shape = list(of_taps.shape[1:])
            shape[1 + 2 * axis] = self.geom.size[axis]
            y = x if axis == 0 else np.zeros(shape, self.dtype)
            for of_tap, (windows, pixels) in zip(of_taps, taps, strict=True):
                y[(*before, pixels)] += of_tap[(*before, windows)]

    def _images(self, x: np.ndarray, images: slice) -> np.ndarray:
        return x[images] if self.order == "channels" else x if self.order == "batch" else x[:, images]

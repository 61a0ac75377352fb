"""Winograd's minimal filtering F(4x4, 3x3) as a chain of matrix products: 3x3 windows, stride 1, float32.

A tile of 4x4 results depends on 6x6 pixels.  With three small constant matrices (Lavin & Gray 2015,
arXiv:1509.09308) it takes 36 products instead of 144:

    forward       y  = A^T [ (G w G^T) * (B^T x B) ] A      * in each of 36 positions, summed over c
    input_grad    the same, of y and the weight turned around
    weight_grad   dw = G^T [ (A y A^T) * (B^T x B) ] G      * in each of 36 positions, summed over tiles

"*" is then 36 matrix products over channels or tiles.  The transforms are matrix products, too: tiles lie in
memory as (columns, rows, tiles, channels), so that B^T multiplies all their rows and then all their columns.
Only cutting and pasting see the memory order of an image, its padding and its edges.

The constants cost digits: results are off by up to 3e-5 of the largest, ten times a plain sum's error.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...geometry import ConvGeometry
from ..remember import remembered
from ..runtime import Piece, images_or_rows, parts, share

__all__ = ["fits", "forward", "input_grad", "weight_grad"]

PIECE = 8192  # tiles times channels worked on at a time: so many stay in the cache
WEIGHTS = 1 << 15  # above so many (c, o) pairs the transformed weights are used part by part
PART = 64  # filters in a part
SUMS = 4  # partial sums of a weight gradient; their number must not depend on that of the threads

# A^T, B^T and G for interpolation at 0, 1, -1, 2, -2 and infinity.
_A = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], np.float32
)
_B = np.array([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
], np.float32)  # fmt: skip
_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], float) / 24
_GG = np.kron(_G, _G).astype(np.float32)  # (36, 9): both sides at once
_GG_TURNED = np.ascontiguousarray(_GG[:, ::-1])  # the same of a weight turned by 180 degrees


def fits(geom: ConvGeometry, images: int, dtype: np.dtype) -> bool:
    """Whether this plan can do it, and has enough to do."""
    tiles = images * prod(-(-n // 4) for n in geom.out)
    return (
        dtype == np.float32
        and geom.kernel == (3, 3)
        and geom.stride == geom.dilation == (1, 1)
        and geom.groups == 1
        and max(map(max, geom.padding)) <= 2
        and min(geom.in_channels, geom.out_channels) >= 24
        and 16 * tiles >= max(256, geom.in_channels, geom.out_channels)
    )


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, i + a - p] -> (N, O, *out)."""
    (top, _), (left, _) = geom.padding
    return _correlate(x, remembered(_weights, w), _Grid.of(geom.out, top, left))


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, i + a - p] = sum over o, a and i of w[o, c, a] y[n, o, i] -> (N, C, *size)."""
    (top, _), (left, _) = geom.padding
    return _correlate(y, _weights_turned(w), _Grid.of(geom.size, 2 - top, 2 - left))


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c, a] = sum over n, i of y[n, o, i] x[n, c, i + a - p] -> (O, C, 3, 3)."""
    (top, _), (left, _) = geom.padding
    grid, results = _Grid.of(geom.out, top, left), _Grid.of(geom.out, 0, 0)
    x, y = x.transpose(0, 2, 3, 1), y.transpose(0, 2, 3, 1)
    c, o = geom.in_channels, geom.out_channels
    dw = np.empty((o, c, 3, 3), np.float32)

    def finish(sums: np.ndarray, part: slice) -> None:
        sums = sums.reshape(36, c, -1).transpose(1, 2, 0)
        np.matmul(sums, _GG, out=dw[part].reshape(-1, c, 9).swapaxes(0, 1))

    if c * o <= WEIGHTS:
        pieces = grid.pieces(len(x), max(c, o))
        sums = np.zeros((min(SUMS, len(pieces)), 6, 6, c, o), np.float32)

        def add_up(mine: Iterator[int]) -> None:
            memory, other = _Memory(grid, pieces, c), _Memory(results, pieces, o)
            for number in mine:
                for images, rows in pieces[number::SUMS]:
                    v = _spread(_B, grid.cut(x[images], rows, 2, memory), memory)
                    e = _spread(_A.T, results.cut(y[images], rows, 0, other), other)
                    sums[number] += np.matmul(v.swapaxes(-1, -2), e)

        share(add_up, range(len(sums)))
        finish(sums.sum(0), slice(None))
        return dw

    v = _spread_all(x, grid)

    def one_part(mine: Iterator[slice]) -> None:
        whole = [(slice(0, len(x)), slice(0, grid.rows))]
        memory = _Memory(results, whole, PART)
        for part in mine:
            e = _spread(_A.T, results.cut(y[..., part], whole[0][1], 0, memory), memory)
            finish(np.matmul(v.swapaxes(-1, -2), e), part)

    share(one_part, parts(o, -(-o // PART)))
    return dw


def _correlate(x: np.ndarray, u: np.ndarray, grid: _Grid) -> np.ndarray:
    """Of images (N, C, H, W) and weights (6, 6, C, O), results (N, O, h, w), channels last in memory."""
    c, o = u.shape[-2:]
    x = x.transpose(0, 2, 3, 1)
    y = np.empty((len(x), *grid.out, o), np.float32)

    if c * o <= WEIGHTS:
        pieces = grid.pieces(len(x), max(c, o))

        def whole_way(mine: Iterator[Piece]) -> None:
            memory = _Memory(grid, pieces, max(c, o))
            for images, rows in mine:
                v = _spread(_B, grid.cut(x[images], rows, 2, memory), memory)
                grid.paste(_collect(v, u, memory), y[images], rows)

        share(whole_way, pieces)
    else:
        v = _spread_all(x, grid)

        def one_part(mine: Iterator[slice]) -> None:
            everything = slice(0, grid.rows)
            memory = _Memory(grid, [(slice(0, len(x)), everything)], PART)
            for part in mine:
                grid.paste(_collect(v, u[..., part], memory), y[..., part], everything)

        share(one_part, parts(o, -(-o // PART)))
    return y.transpose(0, 3, 1, 2)


# --- the products --------------------------------------------------------------------------------------


def _weights(w: np.ndarray) -> np.ndarray:
    """G w G^T of a weight (O, C, 3, 3), as (6, 6, C, O)."""
    return _transformed(_GG, w.reshape(*w.shape[:2], 9).transpose(1, 2, 0))


def _weights_turned(w: np.ndarray) -> np.ndarray:
    """The same of the weight with which gradients come back: turned by 180 degrees, (6, 6, O, C)."""
    return _transformed(_GG_TURNED, w.reshape(*w.shape[:2], 9).transpose(0, 2, 1))


def _transformed(gg: np.ndarray, taps: np.ndarray) -> np.ndarray:
    c, _, o = taps.shape
    u = np.empty((c, 36, o), np.float32)

    def work(mine: Iterator[slice]) -> None:
        for part in mine:
            np.matmul(gg, taps[part], out=u[part])

    share(work, parts(c, 2 if c * o > WEIGHTS else 1))
    return u.reshape(c, 6, 6, o).transpose(1, 2, 0, 3)


def _spread(matrix: np.ndarray, tiles: np.ndarray, memory: _Memory, out: Any = None) -> np.ndarray:
    """The matrix (m, k) times all rows and columns of tiles (k columns, k rows, T, C): (m, m, T, C)."""
    k, _, count, c = tiles.shape
    z = memory.times(matrix, tiles.reshape(k, k, count * c))
    return memory.times(matrix, z.swapaxes(0, 1), out).reshape(len(matrix), len(matrix), count, c)


def _spread_all(x: np.ndarray, grid: _Grid) -> np.ndarray:
    """The same, of images (N, H, W, C) as they are."""
    n, c, per_image = len(x), x.shape[-1], grid.rows * grid.cols
    v = np.empty((6, 6, n * per_image * c), np.float32)
    pieces = grid.pieces(n, c)

    def work(mine: Iterator[Piece]) -> None:
        memory = _Memory(grid, pieces, c)
        for images, rows in mine:
            start = (images.start * per_image + rows.start * grid.cols) * c
            tiles = grid.cut(x[images], rows, 2, memory)
            _spread(_B, tiles, memory, v[..., start : start + tiles[0, 0].size])

    share(work, pieces)
    return v.reshape(6, 6, -1, c)


def _collect(v: np.ndarray, u: np.ndarray, memory: _Memory) -> np.ndarray:
    """A^T (v u) A, as tiles (columns, rows, T, O)."""
    products = np.matmul(v, u, out=memory.next(*v.shape[:-1], u.shape[-1]))
    return _spread(_A, products, memory)


class _Memory:
    """Two buffers that a chain of products goes back and forth between, and one for padded images."""

    def __init__(self, grid: _Grid, pieces: list[Piece], channels: int):
        images, rows = (max(part.stop - part.start for part in side) for side in zip(*pieces, strict=True))
        floats = 36 * images * rows * grid.cols * channels
        padded = images * (4 * rows + 2) * (4 * grid.cols + 2) * channels
        self.here, self.there, self.padded = (np.empty(n, np.float32) for n in (floats, floats, padded))

    def next(self, *shape: int) -> np.ndarray:
        """Memory for the next result: not where the last one is."""
        self.here, self.there = self.there, self.here
        return self.here[: prod(shape)].reshape(shape)

    def times(self, matrix: np.ndarray, x: np.ndarray, out: Any = None) -> np.ndarray:
        """matrix @ x[i] for every i: (batch, k, columns) -> (batch, len(matrix), columns)."""
        return np.matmul(matrix, x, out=self.next(len(x), len(matrix), x.shape[2]) if out is None else out)


# --- cut and paste ---------------------------------------------------------------------------------------


class _Grid(NamedTuple):
    """How results (h, w) are cut into tiles, and where in the image the first tile begins."""

    out: tuple[int, ...]
    top: int  # rows of padding before the image
    left: int
    rows: int  # of tiles
    cols: int

    @classmethod
    def of(cls, out: tuple[int, ...], top: int, left: int) -> _Grid:
        return cls(out, top, left, *(-(-n // 4) for n in out))

    def pieces(self, images: int, channels: int) -> list[Piece]:
        """What is worked on at a time: an even number of pieces of about equal size."""
        total = images * self.rows * self.cols
        count = 2 * -(-total // (2 * max(16, PIECE // channels)))
        return images_or_rows(images, self.rows, count)

    def cut(self, x: np.ndarray, rows: slice, halo: int, memory: _Memory) -> np.ndarray:
        """Tiles of images (n, H, W, C) as (columns, rows, tiles, C); zeros beyond the edge."""
        n, height, width, c = x.shape
        count = rows.stop - rows.start
        side, tall, wide = 4 + halo, 4 * count + halo, 4 * self.cols + halo
        start = 4 * rows.start - self.top  # of the image's rows, the one in the first padded row
        first, last = max(0, start), min(height, start + tall)  # tiles are always as wide as the image
        inside = slice(first - start, last - start), slice(self.left, self.left + width)
        out = memory.next(side, side, n, count, self.cols, c)
        alone = count == self.cols == 1  # the tile is all of the image: no detour needed
        if alone:
            padded = out[:, :, :, 0, 0].swapaxes(0, 1)
        else:
            padded = memory.padded[: n * tall * wide * c].reshape(n, tall, wide, c).transpose(1, 2, 0, 3)
        padded[: inside[0].start] = 0
        padded[inside[0].stop :] = 0
        padded[inside[0], : inside[1].start] = 0
        padded[inside[0], inside[1].stop :] = 0
        padded[inside] = x[:, first:last].transpose(1, 2, 0, 3)
        if not alone:
            h, w, i, f = padded.strides
            out[...] = np.ndarray(out.shape, np.float32, memory.padded, 0, (w, h, i, 4 * h, 4 * w, f))
        return out.reshape(side, side, n * count * self.cols, c)

    def paste(self, tiles: np.ndarray, y: np.ndarray, rows: slice) -> None:
        """Put tiles (columns, rows, n rows cols, O) in their places in results (n, h, w, O)."""
        tiles = tiles.reshape(4, 4, len(y), rows.stop - rows.start, self.cols, -1).transpose(2, 3, 1, 4, 0, 5)
        y = y[:, 4 * rows.start : 4 * rows.stop]
        for high, part_of_rows in _whole_and_rest(y.shape[1]):
            for wide, part_of_cols in _whole_and_rest(y.shape[2]):
                block = tiles[:, part_of_rows, :high, part_of_cols, :wide]
                place = y[:, 4 * part_of_rows.start :, 4 * part_of_cols.start :]
                place = place[:, : high * block.shape[1], : wide * block.shape[3]]
                place.reshape(block.shape)[...] = block


def _whole_and_rest(n: int) -> list[tuple[int, slice]]:
    """(results used of a tile, tiles): of those that are used whole, and of the last if it is not.

    >>> _whole_and_rest(11)
    [(4, slice(0, 2, None)), (3, slice(2, 3, None))]
    >>> _whole_and_rest(8), _whole_and_rest(3)
    ([(4, slice(0, 2, None))], [(3, slice(0, 1, None))])
    """
    whole, rest = divmod(n, 4)
    both = [(4, slice(0, whole)), (rest, slice(whole, whole + 1))]
    return both[whole == 0 : 1 + (rest > 0)]

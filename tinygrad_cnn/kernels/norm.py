"""Batch normalization: sums over channels, and channels scaled and shifted.

Sums are matrix products with ones, which BLAS computes as fast as memory can be read: some numbers at a time,
and their sums in float64.  Where channels lie innermost, scales and shifts are repeated until a row is long
enough for NumPy's loops.  Large images are worked on piece by piece, which stay in the cache between two
steps; the pieces do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from .runtime import parts, share

__all__ = ["combine", "dots", "moments", "scale_shift", "sums"]

PIECE = 1 << 18  # elements
RUN = 512  # this many are added up in their own precision


def sums(x: np.ndarray) -> np.ndarray:
    """Per channel the sum of x (N, C, ...), in float64: (C,)."""
    return _added_up(_sum, x)


def dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Per channel the sum of x y, in float64: (C,)."""
    return _added_up(_dot, x, y)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per channel mean and biased variance of x (N, C, ...), in float64: (C,), (C,)."""
    count = x.size // x.shape[1]
    mean = sums(x) / count
    variance = dots(x, x) / count - mean * mean
    if not (mean * mean <= 100 * variance).all():  # most digits were lost in the difference, or it is nan
        centered = scale_shift(x, np.ones_like(mean), -mean)
        variance = dots(centered, centered) / count - (sums(centered) / count) ** 2
    return mean, variance


def scale_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """x scale + shift, with one scale and one shift (C,) per channel of x (N, C, ...)."""
    return _by_channel(_scale_shift, [x], [scale, shift])


def combine(x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """x a + y b + shift, with one a, b and shift (C,) per channel."""
    return _by_channel(_combine, [x, y], [a, b, shift])


# --- one piece -------------------------------------------------------------------------------------------
# of arrays (outer, C, inner), with factors (1, C, 1); or of rows (outer, C) with repeated factors (C,).


def _sum(x: np.ndarray) -> np.ndarray:
    """(outer, C, inner) -> (C,) in float64."""
    outer, c, inner = x.shape
    if inner > 1:
        return np.matmul(x, np.ones(inner, x.dtype)).sum(0, dtype=np.float64)
    whole = outer // RUN * RUN
    total = np.matmul(np.ones(RUN, x.dtype), x[:whole].reshape(-1, RUN, c)).sum(0, dtype=np.float64)
    return total + np.matmul(np.ones(outer - whole, x.dtype), x[whole:, :, 0])


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.shape[2] > 1:
        return np.matmul(x[:, :, None], y[..., None])[:, :, 0, 0].sum(0, dtype=np.float64)
    return _sum(x * y)


def _scale_shift(out: np.ndarray, x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> None:
    np.multiply(x, scale, out=out)
    out += shift


def _combine(
    out: np.ndarray, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, shift: np.ndarray
) -> None:
    np.multiply(x, a, out=out)
    out += y * b
    out += shift


# --- pieces ----------------------------------------------------------------------------------------------


def _axes(x: np.ndarray) -> tuple[int, ...]:
    """The axes of x (N, C, ...) in the order in which they lie in memory; as they are, if there are gaps."""
    rest = range(2, x.ndim)
    orders = (0, *rest, 1), (1, *rest, 0), (1, 0, *rest)
    return next((axes for axes in orders if x.transpose(axes).flags.c_contiguous), (0, 1, *rest))


def _lie(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """x as (outer, C, inner), lying in memory in this order of its axes; a copy if it does not."""
    at = axes.index(1)
    shape = [x.shape[axis] for axis in axes]
    return np.ascontiguousarray(x.transpose(axes)).reshape(prod(shape[:at]), shape[at], prod(shape[at + 1 :]))


def _pieces(x: np.ndarray) -> list[tuple[slice, slice]]:
    """Parts of (outer, C, inner): of the outer axis where there is one, else of the channels."""
    count, everything = max(1, x.size // PIECE), slice(None)
    if len(x) > 1:
        return [(part, everything) for part in parts(len(x), min(len(x), count))]
    return [(everything, part) for part in parts(x.shape[1], min(x.shape[1], count))]


def _added_up(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    axes = _axes(arrays[0])
    views = [_lie(array, axes) for array in arrays]
    pieces = _pieces(views[0])
    found = np.zeros((len(pieces), views[0].shape[1]))

    def work(mine: Iterator[int]) -> None:
        for number in mine:
            piece = pieces[number]
            found[number, piece[1]] = function(*(view[piece] for view in views))

    share(work, range(len(pieces)))
    return found.sum(0)


def _by_channel(
    function: Callable[..., None], arrays: list[np.ndarray], factors: list[np.ndarray]
) -> np.ndarray:
    axes, dtype = _axes(arrays[0]), arrays[0].dtype
    result = np.empty([arrays[0].shape[axis] for axis in axes], dtype).transpose(np.argsort(axes))
    views = [_lie(array, axes) for array in (result, *arrays)]
    columns = [np.asarray(factor, dtype) for factor in factors]
    outer, c, inner = views[0].shape
    if inner == 1:
        times = _divisor(outer, max(1, 4096 // c))
        views = [view.reshape(outer // times, times * c, 1) for view in views]
        columns = [np.tile(column, times) for column in columns]
    columns = [column[None, :, None] for column in columns]

    def work(mine: Iterator[tuple[slice, slice]]) -> None:
        for piece in mine:
            function(*(view[piece] for view in views), *(column[:, piece[1]] for column in columns))

    share(work, _pieces(views[0]))
    return result


def _divisor(n: int, most: int) -> int:
    """The largest number up to `most` that divides n."""
    return next(k for k in range(min(n, most), 0, -1) if n % k == 0)

"""Batch normalization: sums over channels, and channels scaled and shifted.

Sums are matrix products with ones, computed as fast as memory can be read: some numbers at a time, and their
sums in float64.  Where channels lie innermost, scales and shifts are repeated until a row is long
enough for NumPy's loops.  Large images are worked on piece by piece, which stay in the cache between two
steps; the pieces do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from .runtime import parts, share

__all__ = ["combine", "moments", "scale_shift", "sums", "sums_and_dots"]

SHARED = 1 << 20  # elements that are worth another thread's while
PIECE = 1 << 19  # elements
RUN = 512  # this many are added up in their own precision,
LONG_RUN = 4096  # or in a row of memory, of which BLAS adds up many parts side by side


def sums(x: np.ndarray) -> np.ndarray:
    """Per channel the sum of x (N, C, ...), in float64: (C,)."""
    return _added_up([x], _sum)[0]


def sums_and_dots(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per channel the sum of x and that of x y, in float64: (C,), (C,)."""
    total, dots = _added_up([x, y], lambda x, y: _sum(x), _dot)
    return total, dots


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per channel mean and biased variance of x (N, C, ...), in float64: (C,), (C,)."""
    count = x.size // x.shape[1]
    total, squares = sums_and_dots(x, x)
    mean = total / count
    variance = squares / count - mean * mean
    if not (mean * mean <= 100 * variance).all():  # most digits were lost in the difference, or it is nan
        mean = mean.astype(x.dtype).astype(np.float64)  # as it is subtracted
        centered = scale_shift(x, np.ones_like(mean), -mean)
        total, squares = sums_and_dots(centered, centered)
        rest = total / count
        mean, variance = mean + rest, squares / count - rest * rest
    return mean, np.maximum(variance, 0)


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
    if x.shape[2] != 1:
        return _row_by_row(lambda x: np.matmul(x, np.ones(x.shape[-1], x.dtype)), x)
    return _in_runs(lambda x: np.matmul(np.ones(x.shape[-2], x.dtype), x), x)


def _dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.shape[2] != 1:
        return _row_by_row(lambda x, y: np.matmul(x[..., None, :], y[..., None])[..., 0, 0], x, y)
    return _in_runs(lambda x, y: np.einsum("...ij,...ij->...j", x, y), x, y)


def _in_runs(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What the function adds up in runs of rows (runs, rows, C), and in what is left over: (C,)."""
    outer, c, _ = arrays[0].shape
    runs = outer // RUN
    whole = runs * RUN
    of_runs = function(*(array[:whole].reshape(runs, RUN, c) for array in arrays))
    return of_runs.sum(0, dtype=np.float64) + function(*(array[whole:, :, 0] for array in arrays))


def _row_by_row(function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What the function adds up in rows (outer, C, runs, numbers), and in what is left over: (C,)."""
    outer, c, inner = arrays[0].shape
    if inner <= LONG_RUN:
        return function(*arrays).sum(0, dtype=np.float64)
    runs = inner // LONG_RUN
    whole = runs * LONG_RUN
    of_runs = function(*(array[..., :whole].reshape(outer, c, runs, LONG_RUN) for array in arrays))
    rest = function(*(array[..., whole:] for array in arrays))
    return of_runs.sum((0, 2), dtype=np.float64) + rest.sum(0, dtype=np.float64)


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
    if not x.flags.c_contiguous:
        for axes in (0, *rest, 1), (1, *rest, 0), (1, 0, *rest):
            if x.transpose(axes).flags.c_contiguous:
                return axes
    return 0, 1, *rest


def _lie(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """x as (outer, C, inner), lying in memory in this order of its axes; a copy if it does not."""
    at = axes.index(1)
    x = np.ascontiguousarray(x.transpose(axes))
    return x.reshape(prod(x.shape[:at]), x.shape[at], prod(x.shape[at + 1 :]))


def _pieces(x: np.ndarray) -> list[tuple[slice, slice]]:
    """Parts of (outer, C, inner): of the outer axis where there is one, else of the channels."""
    count, everything = 2 * -(-x.size // (2 * PIECE)) if x.size >= SHARED else 1, slice(None)
    if len(x) > 1:
        return [(part, everything) for part in parts(len(x), count)]
    return [(everything, part) for part in parts(x.shape[1], count)]


def _added_up(arrays: list[np.ndarray], *functions: Callable[..., np.ndarray]) -> np.ndarray:
    """What each function adds up: (functions, C)."""
    axes = _axes(arrays[0])
    views = [_lie(array, axes) for array in arrays]
    pieces = _pieces(views[0])
    found = np.zeros((len(pieces), len(functions), views[0].shape[1]))

    def work(mine: Iterator[int]) -> None:
        for number in mine:
            part = [view[pieces[number]] for view in views]
            for row, function in zip(found[number], functions, strict=True):
                row[pieces[number][1]] = function(*part)

    share(work, range(len(pieces)))
    return found.sum(0)


def _by_channel(
    function: Callable[..., None], arrays: list[np.ndarray], factors: list[np.ndarray]
) -> np.ndarray:
    axes, dtype = _axes(arrays[0]), arrays[0].dtype
    lying = np.empty([arrays[0].shape[axis] for axis in axes], dtype)
    views = [_lie(array, axes) for array in arrays]
    outer, c, inner = views[0].shape
    times = _divisor(outer, max(1, 4096 // c)) if inner == 1 else 1
    views = [view.reshape(outer // times, times * c, inner) for view in (lying, *views)]
    columns = [_repeated(factor, times, dtype) for factor in factors]
    pieces = _pieces(views[0])

    def work(mine: Iterator[tuple[slice, slice]]) -> None:
        for piece in mine:
            function(*(view[piece] for view in views), *(column[:, piece[1]] for column in columns))

    if len(pieces) == 1:
        function(*views, *columns)
    else:
        share(work, pieces)
    return lying.transpose([axes.index(axis) for axis in range(len(axes))])


def _repeated(factor: np.ndarray, times: int, dtype: np.dtype) -> np.ndarray:
    """(C,) as (1, times C, 1)."""
    out = np.empty((times, len(factor)), dtype)
    out[...] = factor
    return out.reshape(1, -1, 1)


def _divisor(n: int, most: int) -> int:
    """The largest number up to `most` that divides n."""
    return next(k for k in range(max(1, min(n, most)), 0, -1) if n % k == 0)

"""Pooling, channel by channel: the max of each window, or the sum, and where they came from.

A max's *winner* is the number of the winning tap, counted in row-major order: the first of equals, as in
PyTorch, and the last NaN if there is one.  `scatter` and `gather` are adjoint to each other for given
winners, as `window_sum` and `window_spread` are.  Padding never wins and adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ..geometry import PoolGeometry

__all__ = [
    "flat_indices",
    "gather",
    "max_forward",
    "scatter",
    "window_sizes",
    "window_spread",
    "window_sum",
    "winners",
]


def max_forward(x: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """The largest pixel each window sees, NaN if it sees one: (N, C, *size) -> (N, C, *out)."""
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return _axis_by_axis(np.maximum, lowest, x, geom.out, geom.axis_taps)


def window_sum(x: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """The sum of the pixels each window sees: (N, C, *size) -> (N, C, *out)."""
    return _axis_by_axis(np.add, 0, x, geom.out, geom.axis_taps)


def window_spread(y: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Each window's value added to every pixel it sees: (N, C, *out) -> (N, C, *size)."""
    swapped = [[(pixels, windows) for windows, pixels in taps] for taps in geom.axis_taps]
    return _axis_by_axis(np.add, 0, y, geom.size, swapped)


def _axis_by_axis(
    combine: Callable[..., np.ndarray],
    start: float,
    x: np.ndarray,
    size: Sequence[int],
    taps: Sequence[Sequence[tuple[slice, slice]]],
) -> np.ndarray:
    """Sums and maxima of boxes are those of their rows' (columns' ...): f + f taps do for f f."""
    for axis, n in enumerate(size, start=2):
        before = (slice(None),) * axis
        y = np.full_like(x, start, shape=(*x.shape[:axis], n, *x.shape[axis + 1 :]))
        for into, source in taps[axis - 2]:
            part = y[(*before, into)]
            combine(part, x[(*before, source)], out=part)
        x = y
    return x


def winners(x: np.ndarray, out: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Which tap of each window gave the max: x, out -> small unsigned ints (N, C, *out)."""
    count = prod(geom.kernel)
    score = np.zeros_like(out, dtype=np.min_scalar_type(count))
    for tap, (windows, pixels) in enumerate(geom.taps):
        part = score[windows]  # the earlier the tap, the higher its score
        np.maximum(part, (x[pixels] == out[windows]) * score.dtype.type(count - tap), out=part)
    taps = count - score
    if (score == 0).any():  # NaN equals nothing
        for tap, (windows, pixels) in enumerate(geom.taps):
            np.copyto(taps[windows], tap, where=np.isnan(x[pixels]))
    return taps


def scatter(y: np.ndarray, taps: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Each window's value added to its winner's pixel: (N, C, *out), winners -> (N, C, *size)."""
    x = np.zeros_like(y, shape=(*y.shape[:2], *geom.size))
    for tap, (windows, pixels) in enumerate(geom.taps):
        x[pixels] += np.where(taps[windows] == tap, y[windows], 0)  # a product with the mask makes inf NaN
    return x


def gather(x: np.ndarray, taps: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """The winner's pixel of each window: (N, C, *size), winners -> (N, C, *out)."""
    y = np.zeros_like(x, shape=taps.shape)
    for tap, (windows, pixels) in enumerate(geom.taps):
        np.copyto(y[windows], x[pixels], where=taps[windows] == tap)
    return y


def flat_indices(taps: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Winners as PyTorch's `return_indices` counts them: int64 index into the flattened, unpadded image."""
    flat = np.zeros(taps.shape, np.int64)
    at = np.unravel_index(taps.astype(np.intp), geom.kernel)
    for axis, (n, _, s, (before, _), d, n_out) in enumerate(geom.axes(), start=1):
        window = np.arange(n_out).reshape(-1, *(1,) * (len(at) - axis))
        flat = n * flat + s * window + d * at[axis - 1] - before
    return flat


def window_sizes(geom: PoolGeometry, count_padding: bool) -> np.ndarray:
    """How many cells each window averages over: int64 (*out).

    Pixels, and padding if `count_padding`; but never what a window of ceil_mode has beyond the padding.
    """
    sizes = np.ones((), np.int64)
    for n, f, s, (before, after), d, n_out in geom.axes():
        cells = s * np.arange(n_out)[:, None] + d * np.arange(f) - before
        low, high = (-before, n + after) if count_padding else (0, n)
        sizes = np.multiply.outer(sizes, ((low <= cells) & (cells < high)).sum(1))
    return sizes

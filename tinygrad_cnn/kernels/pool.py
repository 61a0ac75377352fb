"""Pooling, channel by channel: the max of each window, or the sum, and where they came from.

A max's *winner* is the number of the winning tap, counted in row-major order: the first of equals, as in
PyTorch, and the last NaN if there is one.  `scatter` and `gather` are adjoint to each other for given
winners, as `window_sum` and `window_spread` are.  Padding never wins and adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..geometry import PoolGeometry, Windows
from .elementwise import in_parts
from .memory import like

__all__ = [
    "flat_indices",
    "fold",
    "gather",
    "max_forward",
    "max_grad",
    "scatter",
    "unfold",
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
    combine: np.ufunc,
    start: float,
    x: np.ndarray,
    size: Sequence[int],
    taps: Sequence[Sequence[tuple[slice, slice]]],
) -> np.ndarray:
    """Sums and maxima of boxes are those of their rows' (columns' ...): f + f taps do for f f."""
    result = np.empty_like(x, shape=(*x.shape[:2], *size))

    def loop(x: np.ndarray, result: np.ndarray) -> None:
        for axis, n in enumerate(size, start=2):
            last = axis == x.ndim - 1
            y = result if last else np.empty_like(x, shape=(*x.shape[:axis], n, *x.shape[axis + 1 :]))
            _along(axis, n, combine, start, x, y, taps[axis - 2])
            x = y

    in_parts(loop, x, result, passes=2, common=2)
    return result


def _along(
    axis: int, n: int, combine: np.ufunc, start: float, x: np.ndarray, y: np.ndarray, taps: Any
) -> None:
    """Combine what the taps of one axis see: y[into] of x[source]."""
    before = (slice(None),) * axis
    rest = [(into, source) for into, source in taps if len(range(n)[into]) < n]
    whole = [x[(*before, source)] for into, source in taps if len(range(n)[into]) == n]
    if len(whole) > 1:
        combine(*whole[:2], out=y)
    else:
        y[...] = whole[0] if whole else start
    for part in whole[2:]:
        combine(y, part, out=y)
    for into, source in rest:
        part = y[(*before, into)]
        combine(part, x[(*before, source)], out=part)


def max_grad(y: np.ndarray, x: np.ndarray, out: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """scatter(y, winners(x, out)) in one go: each window's value added to the pixel that is its max `out`."""
    if np.isnan(out.min(initial=0)):  # nan equals nothing
        return scatter(y, winners(x, out, geom), geom)
    y = like(y, out)
    tiled = all((n, s, p, d) == (f * n_out, f, (0, 0), 1) for n, f, s, p, d, n_out in geom.axes())
    dx = (np.empty_like if tiled else np.zeros_like)(x, dtype=y.dtype)
    bits = np.dtype(f"i{y.itemsize}")  # a product of bits with 0 or 1 is exact even for inf and nan

    def loop(dx: np.ndarray, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
        left = y.view(bits).copy(order="K")  # what no tap has won yet
        for tap, (windows, pixels) in enumerate(geom.taps, start=1):
            won = left[windows]
            if tap < len(geom.taps):  # else who else?
                won = won * (x[pixels] == out[windows])
                left[windows] ^= won
            if tiled:  # every pixel is in one window
                dx[pixels] = won.view(y.dtype)
            else:
                dx[pixels] += won.view(y.dtype)

    in_parts(loop, dx, x, y, out, passes=len(geom.taps), common=2)
    return dx


def winners(x: np.ndarray, out: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Which tap of each window gave the max: x, out -> small unsigned ints (N, C, *out)."""
    count = prod(geom.kernel)
    score = np.zeros_like(out, dtype=np.min_scalar_type(count))

    def loop(x: np.ndarray, out: np.ndarray, score: np.ndarray) -> None:
        for tap, (windows, pixels) in enumerate(geom.taps):
            part = score[windows]  # the earlier the tap, the higher its score
            won = (x[pixels] == out[windows]).view(np.uint8)
            np.maximum(part, won * score.dtype.type(count - tap), out=part)

    in_parts(loop, x, out, score, passes=len(geom.taps), common=2)
    taps = count - score
    if not score.all():  # NaN equals nothing
        for tap, (windows, pixels) in enumerate(geom.taps):
            np.copyto(taps[windows], tap, where=np.isnan(x[pixels]))
    return taps


def scatter(y: np.ndarray, taps: np.ndarray, geom: PoolGeometry) -> np.ndarray:
    """Each window's value added to its winner's pixel: (N, C, *out), winners -> (N, C, *size)."""
    y = like(y, taps)
    x = np.zeros_like(y, shape=(*y.shape[:2], *geom.size))
    bits = np.dtype(f"i{y.itemsize}")  # a product of bits with 0 or 1 is exact even for inf and nan

    def loop(x: np.ndarray, y: np.ndarray, taps: np.ndarray) -> None:
        for tap, (windows, pixels) in enumerate(geom.taps):
            x[pixels] += np.multiply(y[windows].view(bits), taps[windows] == tap).view(y.dtype)

    in_parts(loop, x, y, taps, passes=len(geom.taps), common=2)
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


def unfold(x: np.ndarray, geom: Windows) -> np.ndarray:
    """What each window sees, side by side: (N, C, *size) -> (N, C taps, windows)."""
    n, c = x.shape[:2]
    columns = np.zeros((n, c, *geom.kernel, *geom.out), x.dtype)
    for tap, (windows, pixels) in zip(np.ndindex(*geom.kernel), geom.taps, strict=True):
        columns[:, :, *tap][windows] = x[pixels]
    return columns.reshape(n, c * prod(geom.kernel), prod(geom.out))


def fold(y: np.ndarray, geom: Windows) -> np.ndarray:
    """Each value added to the pixel that `unfold` takes it from: (N, C taps, windows) -> (N, C, *size)."""
    n, c = y.shape[0], y.shape[1] // prod(geom.kernel)
    columns = y.reshape(n, c, *geom.kernel, *geom.out)
    x = np.zeros((n, c, *geom.size), y.dtype)
    for tap, (windows, pixels) in zip(np.ndindex(*geom.kernel), geom.taps, strict=True):
        x[pixels] += columns[:, :, *tap][windows]
    return x

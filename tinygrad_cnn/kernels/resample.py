"""Images on another grid: each axis is multiplied by a matrix with a few entries ("taps") per row.

Interpolation is separable: a `Map` says of one axis from which old pixels, with which weights, every new
pixel is made.  Its transpose, the adjoint, is a `Map` as well.  Maps are made once for each pair of sizes.

`sample` reads an image at any points, again as sums of a few pixels with weights; `sample_x_grad` and
`sample_w_grad` are the other partial derivatives of <y, sample(x, w)>.

PyTorch's rules for coordinates: pixel i of n has its centre at i + 1/2 on an axis of length n
(Pillow's, too), or with `align_corners` the first and the last pixels coincide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache, partial
from math import prod
from typing import Any

import numpy as np

from .runtime import parts, share

__all__ = [
    "FILTERS",
    "Map",
    "area",
    "cubic",
    "cubic_weights",
    "linear",
    "nearest",
    "resample",
    "sample",
    "sample_w_grad",
    "sample_x_grad",
    "smooth",
    "windows",
]

DENSE = 24  # up to so many pixels for each tap BLAS multiplies by zeros faster than NumPy finds the others
SMALL = 1 << 12  # elements of a result up to which nobody else is asked, BLAS's threads included
LARGE = 1 << 18  # elements from which on threads share the work


class Map:
    """One axis of n pixels becomes one of `out`: y[i] = sum_k weight[i, k] x[index[i, k]].

    Attributes:
        index, weight: (out, taps); a tap that is not there has weight 0.

    >>> linear(2, 4).matrix(np.dtype(float)).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """

    def __init__(self, n: int, index: np.ndarray, weight: np.ndarray):
        self.n, self.out = n, len(index)
        self.index, self.weight = index, weight
        self.matrices: dict[Any, np.ndarray] = {}

    def __repr__(self) -> str:
        return f"Map({self.n} -> {self.out})"

    @cached_property
    def empty(self) -> np.ndarray:
        """Rows without taps."""
        return np.flatnonzero(~self.weight.any(1))

    @cached_property
    def plain(self) -> bool:
        """Whether pixels are picked or added up, without weights."""
        return bool((self.weight == 1).all())

    @cached_property
    def places(self) -> list[Any]:
        """What each tap sees: a slice where that is possible, else indices."""
        return [_slice_or_indices(at) for at in self.index.T]

    @cached_property
    def T(self) -> Map:
        """The transpose, from `out` to n: the same taps, gathered by old pixel."""
        row, tap = np.nonzero(self.weight)
        column = self.index[row, tap]
        order = np.argsort(column, kind="stable")
        counts = np.bincount(column, minlength=self.n)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = column[order], place
        index = np.zeros((self.n, counts.max(initial=1)), np.intp)
        weight = np.zeros(index.shape)
        index[at], weight[at] = row[order], self.weight[row, tap][order]
        index = np.where(weight == 0, index[:, :1], index)  # what is not there is at least nothing new
        transposed = Map(self.out, index, weight)
        transposed.T = self
        return transposed

    def matrix(self, dtype: Any) -> np.ndarray:
        """As a matrix (out, n)."""
        if dtype not in self.matrices:
            dense = np.zeros((self.out, self.n))
            np.add.at(dense, (np.arange(self.out)[:, None], self.index), self.weight)
            self.matrices[dtype] = dense.astype(dtype)
        return self.matrices[dtype]


def _slice_or_indices(at: np.ndarray) -> Any:
    step = at[1] - at[0] if len(at) > 1 else 1
    if step > 0 and (np.diff(at) == step).all():
        return slice(int(at[0]), int(at[-1]) + 1, int(step))
    return at


def resample(x: np.ndarray, maps: Sequence[Map | None]) -> np.ndarray:
    """x with each of its last axes, one for each of the maps, multiplied by its map; None leaves it.

    x holds floats; integers can only be picked, for their weights would be cut off.
    """
    first = x.ndim - len(maps)
    size = [n if m is None else m.out for n, m in zip(x.shape[first:], maps, strict=True)]
    if not x.size or 0 in size:
        return np.zeros((*x.shape[:first], *size), x.dtype)
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))  # the axes as they lie in memory
    todo = [(m.out / m.n, order.index(first + i), m) for i, m in enumerate(maps) if m is not None]
    # What shrinks goes first; what is innermost in memory costs most, so it takes the smaller image.
    todo.sort(key=lambda item: (item[0], -item[1] if item[0] > 1 else item[1]))
    y = x.transpose(order)
    finite = bool(np.isfinite(np.add.reduce(x, None)))
    for _, axis, m in todo:
        lead, rest = y.shape[:axis], y.shape[axis + 1 :]
        flat = np.ascontiguousarray(y).reshape(prod(lead), m.n, prod(rest))
        y = _along(flat, m, finite).reshape(*lead, m.out, *rest)
    y = y if todo else y.copy()
    return y.transpose(sorted(range(x.ndim), key=order.__getitem__))


def _along(x: np.ndarray, m: Map, finite: bool) -> np.ndarray:
    """The middle axis of x (lead, n, rest), multiplied by the map.

    As a product with a matrix if that is small, and its zeros meet nothing infinite; else tap by tap.
    """
    y = np.empty((x.shape[0], m.out, x.shape[2]), x.dtype)
    if finite and not m.plain and m.n <= DENSE * m.weight.shape[1]:
        _shared(partial(_product, m.matrix(x.dtype)), x, y)
        return y
    weight = m.weight.astype(x.dtype)[:, :, None]

    def taps(x: np.ndarray, y: np.ndarray) -> None:
        part = np.empty_like(y)
        for k, place in enumerate(m.places):
            into = part if k else y
            seen = x[:, place] if isinstance(place, slice) else x.take(place, 1, out=into, mode="clip")
            if not m.plain:
                seen = np.multiply(seen, weight[:, k], out=into)
            if k:
                y += seen
            elif seen is not y:
                y[...] = seen
        if m.empty.size:
            y[:, m.empty] = 0

    _shared(taps, x, y)
    return y


def _product(matrix: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    if x.shape[2] == 1:
        np.matmul(x[..., 0], matrix.T, out=y[..., 0])
    else:
        np.matmul(matrix, x, out=y)


def _shared(work: Any, x: np.ndarray, y: np.ndarray) -> None:
    """work(x, y), large ones piece by piece along the first axis."""
    if y.size <= SMALL:
        work(x, y)
        return

    def some(mine: Iterator[slice]) -> None:
        for part in mine:
            work(x[part], y[part])

    share(some, parts(len(y), 2 * -(-y.size // LARGE) if y.size >= LARGE else 1))


# --- maps ------------------------------------------------------------------------------------------------


def _step(n: int, out: int, scale: float | None, align_corners: bool) -> float:
    """From one new pixel to the next, in old pixels; `scale` is what was asked for, if not out / n."""
    if align_corners:
        return (n - 1) / (out - 1) if out > 1 else 0.0
    return n / out if scale is None else 1 / scale


def _points(n: int, out: int, scale: float | None, align_corners: bool) -> np.ndarray:
    """Where the new pixels lie on the old axis."""
    i, step = np.arange(out), _step(n, out, scale, align_corners)
    return i * step if align_corners else step * (i + 0.5) - 0.5


def _identity(n: int) -> Map:
    return Map(n, np.arange(n)[:, None], np.ones((n, 1)))


@lru_cache(maxsize=256)
def nearest(n: int, out: int, scale: float | None = None, exact: bool = False) -> Map:
    """The pixel under the new pixel's upper left corner, or if `exact` under its centre."""
    if n == out and not exact:
        return _identity(n)
    # In float32, as PyTorch: which pixel a point between two belongs to is decided by rounding.
    step, i = np.float32(_step(n, out, scale, False)), np.arange(out, dtype=np.float32)
    index = np.floor((i + np.float32(0.5) if exact else i) * step).astype(np.intp)
    return Map(n, np.minimum(index, n - 1)[:, None], np.ones((out, 1)))


@lru_cache(maxsize=256)
def linear(n: int, out: int, scale: float | None = None, align_corners: bool = False) -> Map:
    """The two pixels around a point, the nearer one more."""
    if n == out:
        return _identity(n)
    at = np.maximum(_points(n, out, scale, align_corners), 0)
    before = at.astype(np.intp)
    after = np.minimum(before + 1, n - 1)
    t = at - before
    return Map(n, np.stack([before, after], 1), np.stack([1 - t, t], 1))


@lru_cache(maxsize=256)
def cubic(n: int, out: int, scale: float | None = None, align_corners: bool = False) -> Map:
    """The four pixels around a point, weighted by Keys' cubic convolution with a = -3/4."""
    at = _points(n, out, scale, align_corners)
    before = np.floor(at).astype(np.intp)
    index = np.clip(before[:, None] + np.arange(-1, 3), 0, n - 1)
    return Map(n, index, np.stack(cubic_weights(at - before), 1))


def cubic_weights(t: Any) -> list[Any]:
    """Of the four pixels around a point that lies t behind the second."""
    return [_far(1 + t, -0.75), _near(t, -0.75), _near(1 - t, -0.75), _far(2 - t, -0.75)]


def _ends(n: int, out: int) -> tuple[np.ndarray, np.ndarray]:
    """Where `out` windows that divide an axis start and stop; they overlap where n / out is no integer."""
    i = np.arange(out)
    return i * n // out, -(-(i + 1) * n // out)


@lru_cache(maxsize=256)
def area(n: int, out: int) -> Map:
    """The averages of windows that divide the axis: pixels floor(i n / out) up to ceil((i + 1) n / out)."""
    return _runs(n, *_ends(n, out), lambda at: np.ones(at.shape))


@lru_cache(maxsize=256)
def windows(n: int, out: int) -> Map:
    """The pixels of these windows one after another, each filled up to equal size with its last pixel."""
    start, stop = _ends(n, out)
    at = np.minimum(start[:, None] + np.arange((stop - start).max()), stop[:, None] - 1)
    return Map(n, at.reshape(-1, 1), np.ones((at.size, 1)))


def _near(t: Any, a: float) -> Any:
    """The piecewise cubic of Keys 1981 at distances up to 1: 1 at 0, 0 at 1."""
    return ((a + 2) * t - (a + 3)) * t * t + 1


def _far(t: Any, a: float) -> Any:
    """The same from 1 to 2; from there on it is 0."""
    return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a


# What a pixel at distance t counts, and how far this reaches.
FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "linear": (lambda t: np.maximum(1 - t, 0), 1),
    "cubic": (lambda t: np.where(t < 1, _near(t, -0.5), np.where(t < 2, _far(t, -0.5), 0)), 2),
    "lanczos": (lambda t: np.where(t < 3, np.sinc(t) * np.sinc(t / 3), 0), 3),
}


@lru_cache(maxsize=256)
def smooth(
    n: int, out: int, scale: float | None = None, align_corners: bool = False, kind: str = "linear"
) -> Map:
    """Averages weighted by one of the FILTERS, made as wide as the new pixels where these are larger.

    Known as "antialias"; these are Pillow's BILINEAR, BICUBIC and LANCZOS.
    """
    if n == out:
        return _identity(n)
    weight, reach = FILTERS[kind]
    step = _step(n, out, scale, align_corners)
    wide = max(step, 1.0)
    centre = step * (np.arange(out) + 0.5)
    start = np.maximum((centre - reach * wide + 0.5).astype(np.intp), 0)
    stop = np.minimum((centre + reach * wide + 0.5).astype(np.intp), n)
    return _runs(n, start, stop, lambda at: weight(np.abs(at + 0.5 - centre[:, None]) / wide))


def _runs(n: int, start: np.ndarray, stop: np.ndarray, weight: Callable[[np.ndarray], np.ndarray]) -> Map:
    """Averages of the pixels from start to stop, weighted by a function of their numbers."""
    at = start[:, None] + np.arange((stop - start).max(initial=1))
    inside = at < stop[:, None]
    w = weight(at) * inside
    return Map(n, np.where(inside, at, start[:, None]), w / w.sum(1, keepdims=True))


# --- points ----------------------------------------------------------------------------------------------


def sample(x: np.ndarray, w: np.ndarray, index: np.ndarray) -> np.ndarray:
    """y[n, c, q] = sum_k w[n, k, q] x[n, c, index[n, k, q]], pixels counted in row-major order.

    x (N, C, *size), w and index (N, taps, points) -> (N, C, points); index -1 sees a pixel that is 0.
    """
    pixels, at = _pixels(x), _flat(index, len(x), x.shape[2:])
    y = np.zeros((len(x), w.shape[2], x.shape[1]), x.dtype)
    for k in range(w.shape[1]):
        seen = pixels.take(at[:, k], 0)
        seen *= w[:, k, :, None]
        y += seen
    return y.swapaxes(1, 2)


def sample_x_grad(y: np.ndarray, w: np.ndarray, index: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Each y[n, c, q] w[n, k, q] added to pixel index[n, k, q] of image n: (N, C, *size)."""
    n, c = y.shape[:2]
    y, count = np.ascontiguousarray(y.swapaxes(1, 2)), n * c * prod(size)
    at, channel = _flat(index, n, size), np.arange(c)
    rows = np.zeros(count + c, y.dtype)
    for k in range(w.shape[1]):  # over numbers, not rows of them, np.add.at is fast
        places = at[:, k, :, None] * c + channel
        np.add.at(rows, places.ravel(), (y * w[:, k, :, None]).ravel())
    return np.moveaxis(rows[:count].reshape(n, *size, c), -1, 1)


def sample_w_grad(y: np.ndarray, x: np.ndarray, index: np.ndarray) -> np.ndarray:
    """w[n, k, q] = sum_c y[n, c, q] x[n, c, index[n, k, q]]."""
    pixels, at = _pixels(x), _flat(index, len(x), x.shape[2:])
    y = np.ascontiguousarray(y.swapaxes(1, 2))
    w = np.empty(index.shape, y.dtype)
    for k in range(index.shape[1]):
        w[:, k] = np.einsum("nqc,nqc->nq", pixels.take(at[:, k], 0), y)
    return w


def _pixels(x: np.ndarray) -> np.ndarray:
    """x (N, C, *size) as rows of channels, and a row of zeros at the end."""
    n, c, *size = x.shape
    rows = np.empty((n * prod(size) + 1, c), x.dtype)
    rows[:-1] = np.moveaxis(x, 1, -1).reshape(n * prod(size), c)
    rows[-1] = 0
    return rows


def _flat(index: np.ndarray, n: int, size: tuple[int, ...]) -> np.ndarray:
    """The rows of n images' pixels, -1 for the last one."""
    return np.where(index < 0, -1, index + np.arange(n).reshape(-1, 1, 1) * prod(size))

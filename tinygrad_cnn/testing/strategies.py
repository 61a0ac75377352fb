"""Hypothesis strategies for arrays, axes, convolutions and poolings.

Hypothesis owns the integers (shapes, strides, padding ...), which it can shrink to the smallest failing
example; a seeded NumPy generator owns the floats.  Everything is valid by construction and nothing is
filtered away: ties and kinks are avoided by values that keep a distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..geometry import ConvGeometry, PoolGeometry, conv_geometry, pool_geometry

__all__ = [
    "LAYOUTS",
    "ConvConfig",
    "PoolConfig",
    "apart",
    "arrays",
    "away_from",
    "axes",
    "broadcastable",
    "conv_configs",
    "generators",
    "laid_out",
    "layouts",
    "normal",
    "pool_configs",
    "shapes",
    "uniform",
]  # fmt: skip

Shape = tuple[int, ...]
Values = Callable[[np.random.Generator, Shape], np.ndarray]

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


# --- values --------------------------------------------------------------------------------------------


def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Standard normal."""
    return rng.standard_normal(shape)


def uniform(low: float, high: float) -> Values:
    """Between low and high: the way to stay inside of a domain."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def away_from(*kinks: float, margin: float = 0.1) -> Values:
    """Normal, but no closer than `margin` to any kink; kinks must lie further apart than twice that.

    >>> x = away_from(0.0)(np.random.default_rng(0), (100,))
    >>> bool((abs(x) >= 0.1).all())
    True
    """

    def values(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        x = rng.standard_normal(shape) * 1.5
        for kink in kinks:
            x = np.where(np.abs(x - kink) < margin, kink + np.copysign(margin, x - kink), x)
        return x

    return values


def apart(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """No two alike: at least 0.1 between any two, in random order, so that a maximum stays where it is."""
    n = int(np.prod(shape, dtype=int))
    return (rng.permutation(n).reshape(shape) - n / 2 + rng.uniform(-0.2, 0.2, shape)) / 6


# --- shapes and layouts --------------------------------------------------------------------------------


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> st.SearchStrategy[Shape]:
    """Shapes of arrays; they shrink to fewer and shorter axes."""
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable(draw: st.DrawFn, count: int = 2, max_dims: int = 3, max_side: int = 3) -> tuple[Shape, ...]:
    """Shapes that broadcast together: leading axes are missing here and there, others are 1."""
    full = draw(shapes(max_dims=max_dims, max_side=max_side))
    made = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        made.append(tuple(1 if draw(st.booleans()) else n for n in kept))
    return tuple(made)


def axes(ndim: int, min_size: int = 0) -> st.SearchStrategy[Shape]:
    """A sorted set of the axes of an array: none, some or all."""
    if ndim == 0:
        return st.just(())
    return st.lists(st.integers(0, ndim - 1), unique=True, min_size=min_size).map(lambda a: tuple(sorted(a)))


LAYOUTS = ("C", "F", "stepped", "reversed", "channels_last")
layouts = st.sampled_from(LAYOUTS)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values with other strides.

    "C" and "F" are row- and column-major, "stepped" has gaps between elements, "reversed" has negative
    strides, "channels_last" has axis 1 last in memory.

    >>> laid_out(np.zeros((2, 3)), "reversed").strides
    (-24, -8)
    """
    if layout == "F":
        return np.array(array, order="F")
    if layout == "stepped":
        wide = np.full([2 * n + 1 for n in array.shape], 99, array.dtype)
        every_other: Any = (*(slice(1, None, 2),) * array.ndim, ...)
        view = wide[every_other]
        view[...] = array
        return view
    if layout == "reversed":
        back: Any = (*(slice(None, None, -1),) * array.ndim, ...)
        return array[back].copy()[back]
    if layout == "channels_last" and array.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    return np.array(array, order="C")


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] = (),
    values: Values = normal,
    *,
    dtype: Any = np.float64,
    layout: st.SearchStrategy[str] = layouts,
) -> np.ndarray:
    """An array of this shape (or of a shape drawn), in any memory layout, filled by `values(rng, shape)`."""
    size = shape if isinstance(shape, tuple) else draw(shape)
    made = np.asarray(values(draw(generators), size), dtype)
    return laid_out(made, draw(layout))


# --- windows -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ConvConfig:
    """A valid convolution: shapes, and the options as `conv_geometry` and the conv functions take them."""

    x_shape: Shape
    w_shape: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int

    @property
    def geometry(self) -> ConvGeometry:
        return conv_geometry(
            self.x_shape, self.w_shape, self.stride, self.padding, self.dilation, self.groups
        )


@dataclass(frozen=True)
class PoolConfig:
    """A valid pooling: shape, and the options as `pool_geometry` takes them."""

    x_shape: Shape
    kernel: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    ceil_mode: bool

    @property
    def geometry(self) -> PoolGeometry:
        return pool_geometry(
            self.x_shape, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        )


def _zip(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    return [tuple(column) for column in zip(*rows, strict=True)]


@st.composite
def _axis(draw: st.DrawFn, taps: int, pooling: bool) -> tuple[int, int, int, tuple[int, int], int]:
    """(n, f, s, (before, after), d): the image is as large as the window needs, plus up to 3."""
    f, s, d = draw(st.integers(1, taps)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    span = d * (f - 1) + 1
    most = span // 2 if pooling else 2
    before, after = draw(st.integers(0, most)), draw(st.integers(0, most))
    least = max(1, span - before - after, d if pooling else 1)  # no window of a pooling sees only padding
    return least + draw(st.integers(0, 3)), f, s, (before, after), d


_batches = st.sampled_from((1, 2, 0))  # in the order of shrinking
_TAPS = {1: 4, 2: 3}


@st.composite
def conv_configs(draw: st.DrawFn, ndim: int = 2) -> ConvConfig:
    """Convolutions over `ndim` spatial axes: stride, asymmetric padding, dilation, groups up to depthwise.

    They shrink towards one pixel under one tap.
    """
    rows = [draw(_axis(_TAPS.get(ndim, 2), False)) for _ in range(ndim)]
    size, kernel, stride, padding, dilation = _zip(rows)
    groups, own, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x_shape = (draw(_batches), groups * own, *size)
    return ConvConfig(x_shape, (groups * filters, own, *kernel), stride, padding, dilation, groups)


@st.composite
def pool_configs(draw: st.DrawFn, ndim: int = 2) -> PoolConfig:
    """Poolings over `ndim` spatial axes: overlapping and gapped windows, padding, dilation, ceil_mode."""
    rows = [draw(_axis(_TAPS.get(ndim, 2), True)) for _ in range(ndim)]
    size, kernel, stride, padding, dilation = _zip(rows)
    x_shape = (draw(_batches), draw(st.integers(1, 2)), *size)
    return PoolConfig(x_shape, kernel, stride, padding, dilation, draw(st.booleans()))

"""Hypothesis strategies for what a CNN computes with: arrays in any memory layout, convolutions, poolings.

Hypothesis owns the integers (shapes, strides, padding ...), which it can shrink to the smallest failing
example; a seeded NumPy generator owns the floats.  Everything is valid by construction and nothing is
filtered away: whether values keep away from kinks and ties, or sit on them, is said by who draws them.

    from hypothesis import given
    from tinygrad_cnn.testing.strategies import conv_configs, generators

    @given(conv_configs(ndim=2, edges=True), generators)
    def test_my_conv(config, rng):
        x, w = rng.standard_normal(config.x_shape), rng.standard_normal(config.w_shape)
        my_conv(x, w, **config.options)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..geometry import (
    ConvGeometry,
    PoolGeometry,
    conv_geometry,
    conv_transpose_geometry,
    pool_geometry,
)
from ..op import wrap
from .memory import LAYOUTS, laid_out

__all__ = [
    "EDGES",
    "LAYOUTS",
    "ConvConfig",
    "ConvTransposeConfig",
    "PoolConfig",
    "any_layout",
    "apart",
    "arrays",
    "at",
    "away_from",
    "axes",
    "broadcastable",
    "calls",
    "conv_configs",
    "conv_transpose_configs",
    "dtypes",
    "float_dtypes",
    "generators",
    "labels",
    "laid_out",
    "layouts",
    "normal",
    "pool_configs",
    "probabilities",
    "shapes",
    "special",
    "tensors",
    "tied",
    "uniform",
    "whole",
]  # fmt: skip

Shape = tuple[int, ...]
Values = Callable[[np.random.Generator, Shape], np.ndarray]

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
float_dtypes = st.sampled_from([np.dtype(kind) for kind in ("f8", "f4")])
dtypes = st.sampled_from([np.dtype(kind) for kind in ("f8", "f4", "i8", "i4", "i2", "i1", "u1", "?")])


# --- values --------------------------------------------------------------------------------------------
# Functions of a generator and a shape; `arrays` calls them.


def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Standard normal."""
    return rng.standard_normal(shape)


def uniform(low: float, high: float) -> Values:
    """Between low and high: the way to stay inside of a domain."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def whole(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Small whole numbers: sums of their products are exact even in float32, and may be compared with ==."""
    return rng.integers(-4, 5, shape).astype(float)


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


def at(*kinks: float, values: Values = normal) -> Values:
    """Every other one exactly at one of the kinks, the rest as `values` has them.

    >>> x = at(0.0, 6.0)(np.random.default_rng(0), (100,))
    >>> bool((x == 0).any() and (x == 6).any())
    True
    """

    def drawn(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        return np.where(rng.random(shape) < 0.5, rng.choice(kinks, shape), values(rng, shape))

    return drawn


def apart(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """No two alike: at least 0.1 between any two, in random order, so that a maximum stays where it is."""
    n = int(np.prod(shape, dtype=int))
    return (rng.permutation(n).reshape(shape) - n / 2 + rng.uniform(-0.2, 0.2, shape)) / 6


def tied(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Three different numbers only: ties in every window."""
    return rng.choice([-1.0, 0.5, 2.0], shape)


def special(*odd: float, values: Values = normal) -> Values:
    """One in four is an odd one: NaN, an infinity, -0.0, the smallest subnormal (or those that you name)."""
    return _sprinkled(odd or (np.nan, np.inf, -np.inf, -0.0, 5e-324), values)


def _sprinkled(odd: Sequence[float], values: Values) -> Values:
    def drawn(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        return np.where(rng.random(shape) < 0.25, rng.choice(odd, shape), values(rng, shape))

    return drawn


def probabilities(axis: int = -1) -> Values:
    """Positive, and along `axis` they add up to 1.

    >>> bool(np.allclose(probabilities(1)(np.random.default_rng(0), (2, 3, 4)).sum(1), 1))
    True
    """

    def drawn(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        x = np.exp(rng.standard_normal(shape))
        return x / x.sum(axis, keepdims=True)

    return drawn


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


layouts = st.sampled_from(LAYOUTS)
any_layout = st.sampled_from((*LAYOUTS, "broadcast"))


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] = (),
    values: Values = normal,
    *,
    dtype: Any = np.float64,
    layout: st.SearchStrategy[str] = layouts,
) -> np.ndarray:
    """An array filled by `values(rng, shape)`; shape and dtype are given, or drawn.

    `layout` is `layouts` (those of `laid_out`) or `any_layout`: with "broadcast" as well, where the array
    repeats itself along an axis of stride 0, and nobody may write it.
    """
    size = draw(shape) if isinstance(shape, st.SearchStrategy) else tuple(shape)
    kind = draw(dtype) if isinstance(dtype, st.SearchStrategy) else np.dtype(dtype)
    with np.errstate(invalid="ignore"):  # NaN as an integer
        made = np.asarray(values(draw(generators), size)).astype(kind)
    order = draw(layout)
    if order != "broadcast":
        return laid_out(made, order)
    if not size:
        return np.broadcast_to(made, size)
    axis = draw(st.integers(0, len(size) - 1))
    return np.broadcast_to(made.take(range(min(1, size[axis])), axis), size)


def tensors(
    shape: Shape | st.SearchStrategy[Shape] = (),
    values: Values = normal,
    *,
    dtype: Any = np.float32,
    layout: st.SearchStrategy[str] = layouts,
    requires_grad: bool = False,
) -> st.SearchStrategy[Any]:
    """Tensors over such `arrays`."""
    drawn = arrays(shape, values, dtype=dtype, layout=layout)
    return drawn.map(lambda array: wrap(array).requires_grad_(requires_grad))


def labels(
    shape: Shape | st.SearchStrategy[Shape], classes: int, ignore_index: int | None = None
) -> st.SearchStrategy[np.ndarray]:
    """int64 labels of `classes` classes, one in four of them `ignore_index` if there is one."""

    def drawn(rng: np.random.Generator, size: Shape) -> np.ndarray:
        return rng.integers(0, classes, size)

    values = drawn if ignore_index is None else special(ignore_index, values=drawn)
    return arrays(shape, values, dtype=np.int64)


def calls(*inputs: st.SearchStrategy[Any], **attrs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """(inputs, attributes) of a call: what `check_op` wants of a function with more than one argument.

    >>> check = calls(arrays((2, 3)), shift=st.integers(-3, 3))
    """
    return st.tuples(st.tuples(*inputs), st.fixed_dictionaries(attrs))


# --- windows -------------------------------------------------------------------------------------------


def _options(config: Any, **defaults: Any) -> dict[str, Any]:
    """The options that differ from the default; padding in ints where the two ends of each axis agree."""
    axes = len(config.stride)
    options = {
        name: value
        for name, default in defaults.items()
        if (value := getattr(config, name)) not in (default, (default,) * axes)
    }
    if all(before == after for before, after in options.get("padding", ((0, 1),))):
        options["padding"] = tuple(before for before, _ in config.padding)
    return options


@dataclass(frozen=True)
class ConvConfig:
    """A valid convolution: shapes and options; each option has one entry per spatial axis."""

    x_shape: Shape
    w_shape: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    groups: int

    @property
    def options(self) -> dict[str, Any]:
        """As the conv functions take them, PyTorch's as well; what has its default is left out."""
        return _options(self, stride=1, padding=(0, 0), dilation=1, groups=1)

    @property
    def geometry(self) -> ConvGeometry:
        """As the op takes it."""
        return conv_geometry(
            self.x_shape, self.w_shape, self.stride, self.padding, self.dilation, self.groups
        )


@dataclass(frozen=True)
class ConvTransposeConfig:
    """A valid transposed convolution: of x (N, C, *size) with w (C, O / groups, *kernel)."""

    x_shape: Shape
    w_shape: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    output_padding: Shape
    dilation: Shape
    groups: int

    @property
    def options(self) -> dict[str, Any]:
        """As the conv_transpose functions take them; what has its default is left out."""
        return _options(self, stride=1, padding=(0, 0), output_padding=0, groups=1, dilation=1)

    @property
    def geometry(self) -> ConvGeometry:
        """That of the convolution whose input gradient it is."""
        return conv_transpose_geometry(
            self.x_shape, self.w_shape, self.stride, self.padding, self.output_padding, self.dilation,
            self.groups,
        )  # fmt: skip


@dataclass(frozen=True)
class PoolConfig:
    """A valid pooling: shape and options; each option has one entry per spatial axis."""

    x_shape: Shape
    kernel: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...]
    dilation: Shape
    ceil_mode: bool

    @property
    def options(self) -> dict[str, Any]:
        """As the pool functions take them, PyTorch's as well; what has its default is left out."""
        others = _options(self, stride=self.kernel, padding=(0, 0), dilation=1, ceil_mode=False)
        return {"kernel_size": self.kernel} | others

    @property
    def geometry(self) -> PoolGeometry:
        """As the op takes it."""
        return pool_geometry(
            self.x_shape, self.kernel, self.stride, self.padding, self.dilation, self.ceil_mode
        )


def _span(f: int, d: int) -> int:
    return d * (f - 1) + 1


#: What window code gets wrong: each makes such an axis of any (n, f, s, (before, after), d).
EDGES: dict[str, Callable[..., tuple[int, int, int, tuple[int, int], int]]] = {
    "window = image": lambda n, f, s, p, d: (_span(f, d), f, s, (0, 0), d),
    "one pixel": lambda n, f, s, p, d: (1, f, s, (f // 2, f // 2), 1),
    "rows left over": lambda n, f, s, p, d: (
        n + ((n + sum(p) - _span(f, d)) % max(s, 2) == 0), f, max(s, 2), p, d,
    ),
    "stride > window": lambda n, f, s, p, d: (n, f, _span(f, d) + 1, p, d),
    "padding > stride": lambda n, f, s, p, d: (n, 4, 1, (2, 2), 1),
    "padding > window": lambda n, f, s, p, d: (n, f, s, (_span(f, d) + 1,) * 2, d),
    "dilation > image": lambda n, f, s, p, d: (1, 2, s, (1, 1), 2),
}  # fmt: skip
_OF_CONV_ONLY = ("padding > window", "dilation > image")  # there a pooling would see nothing


@st.composite
def _windows(
    draw: st.DrawFn, ndim: int, pooling: bool, symmetric: bool, edges: bool, dilated: bool = True
) -> list[Any]:
    """Columns of n, f, s, (before, after), d: images as large as their window needs, plus up to 3."""
    names = [None, *(e for e in EDGES if not (pooling and e in _OF_CONV_ONLY))] if edges else [None]
    dilations = st.integers(1, 3 if dilated else 1)
    rows = []
    for _ in range(ndim):
        f, s, d = draw(st.integers(1, {1: 4, 2: 3}.get(ndim, 2))), draw(st.integers(1, 3)), draw(dilations)
        span = _span(f, d)
        most = (f if symmetric else span) // 2 if pooling else 2
        before = draw(st.integers(0, most))
        after = before if symmetric else draw(st.integers(0, most))
        least = max(1, span - before - after, d if pooling else 1)  # no pooling window sees only padding
        row = least + draw(st.integers(0, 3)), f, s, (before, after), d
        edge = draw(st.sampled_from(names))
        rows.append(EDGES[edge](*row) if edge else row)
    return [tuple(column) for column in zip(*rows, strict=True)]


_batches = st.sampled_from((1, 2, 0))  # in the order of shrinking


@st.composite
def conv_configs(
    draw: st.DrawFn, ndim: int = 2, *, symmetric: bool = False, edges: bool = False
) -> ConvConfig:
    """Convolutions over `ndim` spatial axes: stride, padding, dilation, groups up to depthwise, no images.

    They shrink towards one pixel under one tap.  Padding may differ at the two ends of an axis unless
    `symmetric`; with `edges` many axes are one of EDGES.
    """
    size, kernel, stride, padding, dilation = draw(_windows(ndim, False, symmetric, edges))
    groups, own, filters = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x_shape = (draw(_batches), groups * own, *size)
    return ConvConfig(x_shape, (groups * filters, own, *kernel), stride, padding, dilation, groups)


@st.composite
def conv_transpose_configs(draw: st.DrawFn, ndim: int = 2, *, symmetric: bool = False) -> ConvTransposeConfig:
    """Transposed convolutions over `ndim` spatial axes, with output_padding; they shrink as others do."""
    rows = []
    for _ in range(ndim):
        f, s, d = (
            draw(st.integers(1, {1: 4, 2: 3}.get(ndim, 2))),
            draw(st.integers(1, 3)),
            draw(st.integers(1, 2)),
        )
        n, extra = draw(st.integers(1, 3)), draw(st.integers(0, max(s, d) - 1))
        room = s * (n - 1) + _span(f, d) + extra - 1  # what padding can take away, and leave a pixel
        before = draw(st.integers(0, min(2, room // 2)))
        after = before if symmetric else draw(st.integers(0, min(2, room - before)))
        rows.append((n, f, s, (before, after), extra, d))
    size, kernel, stride, padding, output_padding, dilation = zip(*rows, strict=True)
    groups, own, filters = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x_shape = (draw(_batches), groups * own, *size)
    w_shape = (groups * own, filters, *kernel)
    return ConvTransposeConfig(x_shape, w_shape, stride, padding, output_padding, dilation, groups)


@st.composite
def pool_configs(
    draw: st.DrawFn,
    ndim: int = 2,
    *,
    symmetric: bool = False,
    edges: bool = False,
    dilated: bool = True,
) -> PoolConfig:
    """Poolings over `ndim` spatial axes: overlapping and gapped windows, padding, dilation, ceil_mode.

    `symmetric` pads both ends alike, and by half of the taps at most, as PyTorch wants it; what is not
    `dilated` suits averages.
    """
    size, kernel, stride, padding, dilation = draw(_windows(ndim, True, symmetric, edges, dilated))
    x_shape = (draw(_batches), draw(st.integers(1, 2)), *size)
    return PoolConfig(x_shape, kernel, stride, padding, dilation, draw(st.booleans()))

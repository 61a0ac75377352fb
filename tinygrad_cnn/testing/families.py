"""Families of calls: strategies of (inputs, attributes), each for the many ops that are called alike.

Inputs are float64 arrays in any layout, the read-only ones that repeat themselves among them, or Python
numbers; an attribute that is a function is computed from the inputs when the op is called.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..kernels import borders, pool, resample
from ..ops.shape import along
from . import strategies
from .strategies import (
    Shape,
    Values,
    any_layout,
    apart,
    away_from,
    axes,
    broadcastable,
    calls,
    conv_configs,
    generators,
    laid_out,
    layouts,
    normal,
    pool_configs,
    shapes,
    uniform,
)

__all__: list[str] = []  # the table in `cases` reads them

Strategy = st.SearchStrategy[Any]

nonempty = shapes(min_side=1)
any_conv = st.integers(1, 3).flatmap(lambda ndim: conv_configs(ndim, edges=True))
any_pool = st.integers(1, 3).flatmap(lambda ndim: pool_configs(ndim, edges=True))


def arrays(shape: Any, values: Values = normal) -> Strategy:
    """In any layout; but what is repeated is not apart."""
    return strategies.arrays(shape, values, layout=layouts if values is apart else any_layout)


def unary(values: Values = normal, shape: Strategy = shapes(), **attrs: Strategy) -> Strategy:  # noqa: B008
    """One array, and attributes that do not depend on it."""
    return calls(arrays(shape, values), **attrs)


@st.composite
def broadcast(draw: st.DrawFn, *values: Values, number: bool = True) -> Any:
    """Arrays of shapes that broadcast; sometimes one of two is a Python number."""
    pair = draw(broadcastable(len(values)))
    inputs: list[Any] = [draw(arrays(shape, v)) for shape, v in zip(pair, values, strict=True)]
    at = draw(st.sampled_from((None, 0, 1))) if number and len(values) == 2 else None
    if at is not None:
        inputs[at] = float(values[at](draw(generators), ()))
    return tuple(inputs), {}


@st.composite
def untied(draw: st.DrawFn) -> Any:
    """Two arrays of which no element of one is near an element of the other."""
    a, b = draw(broadcastable())
    split = int(np.prod(a, dtype=int))
    both = apart(draw(generators), (split + int(np.prod(b, dtype=int)),))
    return tuple(laid_out(p, draw(layouts)) for p in (both[:split].reshape(a), both[split:].reshape(b))), {}


@st.composite
def powers(draw: st.DrawFn) -> Any:
    """Any power of what is positive; of what is not, whole ones, 0 among them."""
    if draw(st.booleans()):
        return draw(broadcast(uniform(0.5, 2.0), lambda rng, shape: rng.integers(-2, 4, shape) / 2))
    exponent = draw(st.sampled_from((2, 0, 1, 3, -1, -2, 0.0)))
    return (draw(arrays(shapes(), away_from(0.0, margin=0.5))), exponent), {}


@st.composite
def choice(draw: st.DrawFn) -> Any:
    """x, y and a mask, all of which broadcast."""
    x, y, mask = draw(broadcastable(3))
    return (draw(arrays(x)), draw(arrays(y))), {"mask": draw(generators).random(mask) < 0.5}


@st.composite
def mask_product(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    mask = np.where(draw(generators).random(x.shape) < 0.5, 0.0, 2.0)
    return (x,), {"mask": lambda x: mask.astype(x.dtype)}


@st.composite
def reduction(draw: st.DrawFn, values: Values = normal, least: int = 0, correction: bool = False) -> Any:
    x = draw(arrays(shapes(min_side=least), values))
    dim = draw(axes(x.ndim))
    attrs: dict[str, Any] = {"dim": dim, "keepdim": draw(st.booleans())}
    if correction:
        count = int(np.prod([x.shape[axis] for axis in dim], dtype=int))
        attrs["correction"] = draw(st.integers(0, min(1, count - 1)))
    return (x,), attrs


@st.composite
def spread_out(draw: st.DrawFn) -> Any:
    """Reductions with at least two different values: away from where a deviation is 0."""
    x = draw(arrays(shapes(min_dims=1, min_side=2), apart))
    attrs = {
        "dim": draw(axes(x.ndim, 1)),
        "keepdim": draw(st.booleans()),
        "correction": draw(st.integers(0, 1)),
    }
    return (x,), attrs


@st.composite
def along_axis(draw: st.DrawFn, values: Values = normal, keepdim: bool = False) -> Any:
    x = draw(arrays(shapes(min_dims=1, min_side=1), values))
    attrs: dict[str, Any] = {"dim": draw(st.integers(0, x.ndim - 1))}
    if keepdim:
        attrs = {"dim": draw(st.sampled_from((attrs["dim"], None))), "keepdim": draw(st.booleans())}
    return (x,), attrs


@st.composite
def one_axis(draw: st.DrawFn) -> Any:
    (x,), attrs = draw(along_axis())
    return (x,), attrs | {"keepdim": draw(st.booleans())}


@st.composite
def reshaped(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    return (x,), {"shape": draw(st.sampled_from(((x.size,), (1, *x.shape), x.shape[::-1], (*x.shape, 1))))}


@st.composite
def permuted(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    return (x,), {"dims": tuple(draw(st.permutations(range(x.ndim))))}


@st.composite
def expanded(draw: st.DrawFn, back: bool = False) -> Any:
    """From a small shape to a large one that it broadcasts to, or back."""
    large = draw(shapes(min_side=1))
    kept = large[draw(st.integers(0, len(large))) :]
    small = tuple(1 if draw(st.booleans()) else n for n in kept)
    return (draw(arrays(large if back else small)),), {"shape": small if back else large}


@st.composite
def indices(draw: st.DrawFn, shape: Shape, unique: bool = False) -> Any:
    """All of NumPy's indexing: slices with any step, integers, None, ..., integer arrays, masks."""
    if draw(st.booleans()) and not unique and shape and min(shape) > 0:
        kind = draw(st.sampled_from(("array", "arrays", "mask")))
        rng = draw(generators)
        if kind == "mask":
            return rng.random(shape[: draw(st.integers(1, len(shape)))]) < 0.5
        if kind == "array":
            return rng.integers(-shape[0], shape[0], draw(shapes(max_dims=2)))
        many = draw(shapes(max_dims=2, min_side=1))
        return tuple(rng.integers(0, n, many) for n in shape)
    parts: list[Any] = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        step = draw(st.sampled_from((1, 2, -1, -2)))
        bounds = st.one_of(st.none(), st.integers(-n - 1, n + 1))
        options: list[Strategy] = [st.builds(slice, bounds, bounds, st.just(step))]
        if n:
            options.append(st.integers(-n, n - 1))
        parts.append(draw(st.one_of(options)))
    if draw(st.booleans()):
        parts.append(...)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


@st.composite
def indexed(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    return (x,), {"index": draw(indices(x.shape))}


@st.composite
def put_back(draw: st.DrawFn) -> Any:
    shape = draw(shapes())
    index = draw(indices(shape))
    return (draw(arrays(np.empty(shape)[index].shape)),), {"index": index, "shape": shape}


@st.composite
def assigned(draw: st.DrawFn) -> Any:
    """Each position is written once; the value may be smaller than where it goes."""
    x = draw(arrays(shapes()))
    index = draw(indices(x.shape, unique=True))
    target = x[index].shape
    small = tuple(1 if draw(st.booleans()) else n for n in target[draw(st.integers(0, len(target))) :])
    return (x, draw(arrays(small))), {"index": index}


@st.composite
def flipped(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    return (x,), {"dims": draw(axes(x.ndim))}


@st.composite
def padded(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes()))
    widths = []
    for n in x.shape:
        before = draw(st.integers(-n - 1, 2))
        widths.append((before, draw(st.integers(-n - before, 2 + max(0, -n - before)))))
    return (x,), {"widths": tuple(widths), "value": draw(st.sampled_from((0.0, 1.5)))}


@st.composite
def joined(draw: st.DrawFn) -> Any:
    shape = draw(shapes(min_dims=1))
    dim = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    return tuple(draw(arrays((*shape[:dim], n, *shape[dim + 1 :]))) for n in sizes), {"dim": dim}


@st.composite
def gathered(draw: st.DrawFn, back: bool = False) -> Any:
    shape = draw(shapes(min_dims=1, min_side=1))
    dim = draw(st.integers(0, len(shape) - 1))
    picked = tuple(draw(st.integers(1, 3 if axis == dim else n)) for axis, n in enumerate(shape))
    attrs = {"dim": dim, "index": draw(generators).integers(0, shape[dim], picked)}
    return ((draw(arrays(picked)),), attrs | {"shape": shape}) if back else ((draw(arrays(shape)),), attrs)


@st.composite
def scattered(draw: st.DrawFn) -> Any:
    """No two values alike, so that the extremes stay where they are."""
    (x,), attrs = draw(gathered())
    index = along(attrs["dim"], attrs["index"])
    both = apart(draw(generators), (x.size + attrs["index"].size,))
    pair = both[: x.size].reshape(x.shape), both[x.size :].reshape(attrs["index"].shape)
    flags = {name: draw(st.booleans()) for name in ("largest", "include_self")}
    return tuple(laid_out(p, draw(layouts)) for p in pair), {"index": index} | flags


@st.composite
def diagonals(draw: st.DrawFn, back: bool = False) -> Any:
    shape = draw(shapes(min_dims=2))
    dim1, dim2 = draw(st.permutations(range(len(shape))))[:2]
    attrs: dict[str, Any] = {"offset": draw(st.integers(-2, 2)), "dim1": dim1, "dim2": dim2}
    if not back:
        return (draw(arrays(shape)),), attrs
    line = np.diagonal(np.empty(shape), attrs["offset"], dim1, dim2)
    return (draw(arrays(line.shape)),), attrs | {"shape": shape}


@st.composite
def framed(draw: st.DrawFn, back: bool = False) -> Any:
    shape = draw(shapes(min_dims=1, min_side=1, max_side=4))
    dim = draw(st.integers(0, len(shape) - 1))
    size, step = draw(st.integers(1, shape[dim])), draw(st.integers(1, 3))
    if not back:
        return (draw(arrays(shape)),), {"dim": dim, "size": size, "step": step}
    count = (shape[dim] - size) // step + 1
    pieces = draw(arrays((*shape[:dim], count, *shape[dim + 1 :], size)))
    return (pieces,), {"dim": dim, "step": step, "shape": shape}


@st.composite
def norms(draw: st.DrawFn) -> Any:
    """Powers are rough at 0, and the norm of nothing is 0."""
    (x,), attrs = draw(reduction(away_from(0.0), least=1))
    return (x,), attrs | {"p": draw(st.sampled_from((2, 3, 1.5, 0.5, -1)))}


@st.composite
def matrices(draw: st.DrawFn) -> Any:
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    a, b = draw(broadcastable(max_dims=2, max_side=2))
    return (draw(arrays((*a, n, k))), draw(arrays((*b, k, m)))), {}


@st.composite
def squares(draw: st.DrawFn, positive: bool = False, more: bool = False) -> Any:
    """Matrices far from singular (or symmetric and positive), perhaps with others to be solved for."""
    a, b = draw(broadcastable(max_dims=2, max_side=2))
    n = draw(st.integers(0, 3))
    x = draw(arrays((*a, n, n), uniform(-0.5, 0.5))) + 2 * np.eye(n)
    if positive:
        x = x @ np.swapaxes(x, -1, -2)
    return ((x, draw(arrays((*b, n, draw(st.integers(0, 2)))))) if more else (x,)), {}


@st.composite
def dense(draw: st.DrawFn) -> Any:
    n, features, outputs = (draw(st.integers(0, 3)) for _ in range(3))
    b = draw(st.one_of(st.none(), arrays((outputs,))))
    return (draw(arrays((n, features))), draw(arrays((outputs, features))), b), {}


@st.composite
def biased(draw: st.DrawFn) -> Any:
    x = draw(arrays(shapes(min_dims=1, max_dims=4)))
    axis = draw(st.integers(0, x.ndim - 1))
    return (x, draw(arrays((x.shape[axis],)))), {"axis": axis}


@st.composite
def convolution(draw: st.DrawFn, inputs: str = "xw") -> Any:
    """`inputs` names two of x, w and y: images, weight and result."""
    config = draw(any_conv)
    geom = config.geometry
    shape = {"x": config.x_shape, "w": config.w_shape, "y": (config.x_shape[0], geom.out_channels, *geom.out)}
    return tuple(draw(arrays(shape[name])) for name in inputs), {"geom": geom}


@st.composite
def pooling(draw: st.DrawFn, values: Values = normal, back: bool = False, taps: bool = False) -> Any:
    """Of images, or `back` from windows; `taps` are the winners of other images."""
    config = draw(any_pool)
    geom = config.geometry
    shape = (*config.x_shape[:2], *geom.out) if back else config.x_shape
    attrs: dict[str, Any] = {"geom": geom}
    if taps:
        other = draw(generators).random(config.x_shape)
        attrs["taps"] = pool.winners(other, pool.max_forward(other, geom), geom)
    return (draw(arrays(shape, values)),), attrs


@st.composite
def pooled(draw: st.DrawFn, incoming: bool = False) -> Any:
    (x,), attrs = draw(pooling(apart))
    top = pool.max_forward(x, attrs["geom"])
    if incoming:
        return (draw(arrays(top.shape)),), attrs | {"x": x, "top": top}
    return (x, top), attrs


@st.composite
def unfolded(draw: st.DrawFn, back: bool = False) -> Any:
    config = draw(any_pool)
    geom, (n, c, *_) = config.geometry, config.x_shape
    columns = (n, c * int(np.prod(geom.kernel)), int(np.prod(geom.out)))
    return (draw(arrays(columns if back else config.x_shape)),), {"geom": geom}


@st.composite
def unpooled(draw: st.DrawFn) -> Any:
    """No two values at one pixel."""
    n, c = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    out, size = draw(shapes(min_dims=1, max_dims=2, max_side=2)), draw(shapes(min_dims=1, min_side=2))
    count, pixels = int(np.prod(out)), int(np.prod(size))
    size = size if count <= pixels else (count, *size)
    rng = draw(generators)
    index = np.array([rng.permutation(int(np.prod(size)))[:count] for _ in range(n * c)], np.int64)
    return (draw(arrays((n, c, *out))),), {"index": index.reshape(n, c, count), "size": size}


@st.composite
def extended(draw: st.DrawFn, back: bool = False) -> Any:
    """A border of the image itself, at most as wide as the mode allows; `back` from the widened image."""
    shape, mode = draw(shapes(min_side=1)), draw(st.sampled_from(borders.MODES))
    most = [{"reflect": n - 1, "replicate": 2, "circular": n}[mode] for n in shape]
    widths = tuple((draw(st.integers(0, m)), draw(st.integers(0, m))) for m in most)
    wide = tuple(n + sum(w) for n, w in zip(shape, widths, strict=True))
    return (draw(arrays(wide if back else shape)),), {"widths": widths, "mode": mode}


@st.composite
def resampled(draw: st.DrawFn) -> Any:
    """Every kind of map along the last axes, up and down, transposed or not, some left out."""
    x = draw(arrays(shapes(min_dims=1, max_dims=4)))
    maps: list[Any] = []
    for n in x.shape[draw(st.integers(0, x.ndim - 1)) :]:
        make = draw(st.sampled_from((resample.linear, resample.nearest, resample.cubic, resample.area)))
        back, out = draw(st.booleans()), draw(st.integers(1, 6))
        made = None if n == 0 else make(out, n).T if back else make(n, out)
        maps.append(draw(st.sampled_from((made, None))))
    return (x,), {"maps": tuple(maps)}


@st.composite
def sampled(draw: st.DrawFn, inputs: str = "xw") -> Any:
    """`inputs` names two of x, w and y: images, weights of pixels, values at points."""
    n, c, taps, points = (draw(st.integers(least, 2)) for least in (0, 0, 1, 0))
    size = draw(shapes(min_dims=1, min_side=1))
    index = draw(generators).integers(-1, int(np.prod(size)), (n, taps, points))
    shape = {"x": (n, c, *size), "w": index.shape, "y": (n, c, points)}
    attrs = {"index": index} | ({"size": size} if inputs == "yw" else {})
    return tuple(draw(arrays(shape[name])) for name in inputs), attrs


@st.composite
def normalized(draw: st.DrawFn, incoming: bool = False) -> Any:
    x = draw(arrays(shapes(min_dims=1, min_side=1)))
    dim = draw(axes(x.ndim, 1))
    eps = 0.1
    attrs = {
        "dim": dim,
        "eps": eps,
        "center": lambda *inputs: inputs[-1].mean(dim, keepdims=True),
        "rstd": lambda *inputs: 1 / np.sqrt(inputs[-1].var(dim, keepdims=True) + eps),
    }
    return ((draw(arrays(x.shape)), x) if incoming else (x,)), attrs


@st.composite
def per_channel(draw: st.DrawFn, *roles: str, normalizes: bool = True) -> Any:
    """Images x, gradients y of their shape, and vectors of one number per channel.

    Statistics are those of single channels, or of groups of channels.
    """
    n, groups, *size = draw(shapes(min_dims=2, max_dims=4, min_side=1))
    each = draw(st.integers(1, 2)) if normalizes else 1
    x = draw(arrays((n, groups * each, *size)))
    shape = {"x": x.shape, "y": x.shape}
    inputs = [x if role == "x" else draw(arrays(shape.get(role, x.shape[1:2]))) for role in roles]
    at, eps = roles.index("x"), 0.1
    axes = (0, 2, *range(3, x.ndim + 1))

    def grouped(x: Any) -> Any:
        return x.reshape(n, groups, each, *size)

    def center(*inputs: Any) -> Any:
        return grouped(inputs[at]).mean(axes, dtype=np.float64)

    def rstd(*inputs: Any) -> Any:
        return 1 / np.sqrt(grouped(inputs[at]).var(axes, dtype=np.float64) + eps)

    def sums(y: Any, x: Any, *rest: Any) -> Any:
        column, others = (-1, *(1,) * len(size)), (0, *range(2, x.ndim))
        z = x - center(y, x).repeat(each).reshape(column)
        z = z * rstd(y, x).repeat(each).reshape(column)
        return np.stack([y.sum(others), (y * z).sum(others)]).astype(y.dtype)

    if not normalizes:  # by anything but its own statistics
        return tuple(inputs), {name: draw(arrays(x.shape[1:2])) for name in ("center", "rstd")}
    attrs: dict[str, Any] = {"eps": eps, "center": center, "rstd": rstd}
    return tuple(inputs), attrs | ({"sums": sums} if roles == ("y", "x", "w") else {})


@st.composite
def bounds(draw: st.DrawFn) -> Any:
    attrs = draw(
        st.sampled_from(
            ({"min": -0.5, "max": 0.75}, {"min": -0.5}, {"max": 0.75}, {"min": 0.75, "max": -0.5})
        )
    )
    return (draw(arrays(shapes(), away_from(-0.5, 0.75))),), attrs

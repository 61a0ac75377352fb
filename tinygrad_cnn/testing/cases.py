"""For every op of the package, a Hypothesis strategy of calls that are valid and differentiable.

A case holds float64 arrays in any layout; kinks, ties and the ends of domains are kept at a distance by
construction.  Families share a generator; the tables at the end say what is special about each op.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..kernels import borders, pool, resample
from ..op import Op, registry, wrap
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
    conv_configs,
    generators,
    laid_out,
    layouts,
    normal,
    pool_configs,
    shapes,
    uniform,
)

__all__ = ["CASES", "LINEAR", "Case", "own_ops"]

Strategy = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Case:
    """One call of an op.

    Attributes:
        op: what is called.
        inputs: float64 arrays, or Python numbers.
        attrs: keyword arguments; a function stands for a value computed from the input arrays.
    """

    op: Op
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]

    @property
    def differentiable(self) -> bool:
        """Whether the op has a rule at all; comparisons, argmax and other flat ones have none."""
        return bool(self.op.rows)

    def __call__(self, *inputs: Any) -> Any:
        """Call the op on these instead of the case's own inputs: Tensors, arrays or numbers."""
        values = [getattr(x, "array", x) for x in inputs]
        attrs = {name: v(*values) if callable(v) else v for name, v in self.attrs.items()}
        return self.op(*(wrap(x) if isinstance(x, np.ndarray) else x for x in inputs), **attrs)


def own_ops() -> list[str]:
    """The names of the package's own ops, as opposed to a user's."""
    return [name for name, op in registry.items() if op.__module__.startswith("tinygrad_cnn.ops")]


# --- families ------------------------------------------------------------------------------------------
# Each returns a strategy of (inputs, attrs).

nonempty = shapes(min_side=1)
any_conv = st.integers(1, 3).flatmap(lambda ndim: conv_configs(ndim, edges=True))
any_pool = st.integers(1, 3).flatmap(lambda ndim: pool_configs(ndim, edges=True))


def arrays(shape: Any, values: Values = normal) -> Strategy:
    """In any layout; but what is repeated is not apart."""
    return strategies.arrays(shape, values, layout=layouts if values is apart else any_layout)


def unary(values: Values = normal, shape: Strategy = shapes(), **attrs: Strategy) -> Strategy:  # noqa: B008
    """One array, and attributes that do not depend on it."""
    return st.tuples(st.tuples(arrays(shape, values)), st.fixed_dictionaries(attrs))


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


# --- the table -----------------------------------------------------------------------------------------

off_zero = away_from(0.0)
positive = uniform(0.5, 2.0)
probability = uniform(0.2, 0.8)
between_integers = away_from(*np.arange(-4, 4.5, 0.5))
comparison = st.one_of(untied(), broadcast(normal, normal))

_calls: dict[str, Strategy] = {
    # shape
    "clone": unary(),
    "reshape": reshaped(),
    "permute": permuted(),
    "expand": expanded(),
    "sum_to": expanded(back=True),
    "getitem": indexed(),
    "put": put_back(),
    "setitem": assigned(),
    "flip": flipped(),
    "pad": padded(),
    "cat": joined(),
    "gather": gathered(),
    "scatter_add": gathered(back=True),
    "diagonal": diagonals(),
    "diag_embed": diagonals(back=True),
    "frames": framed(),
    "add_frames": framed(back=True),
    # elementwise
    "add": broadcast(normal, normal),
    "sub": broadcast(normal, normal),
    "mul": broadcast(normal, normal),
    "div": broadcast(normal, away_from(0.0, margin=0.5)),
    "neg": unary(),
    "pow": powers(),
    "abs": unary(off_zero),
    "sign": unary(off_zero),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), unary(between_integers)),
    **dict.fromkeys(("floor_divide", "trunc_divide"), broadcast(uniform(2.1, 2.6), uniform(0.9, 1.0))),
    "remainder": broadcast(uniform(-2.6, -2.1), uniform(0.9, 1.0)),
    "fmod": broadcast(uniform(-2.6, -2.1), uniform(0.9, 1.0)),
    **dict.fromkeys(("exp", "exp2", "expm1", "erf", "sin", "cos", "sinh", "cosh", "asinh", "atan"), unary()),
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"), unary(positive)),
    "log1p": unary(uniform(-0.5, 2.0)),
    **dict.fromkeys(("asin", "acos", "atanh", "tan"), unary(uniform(-0.8, 0.8))),
    "acosh": unary(uniform(1.2, 3.0)),
    "logit": unary(probability),
    **dict.fromkeys(("atan2", "hypot"), broadcast(off_zero, away_from(0.0, margin=0.5), number=False)),
    "logaddexp": broadcast(normal, normal),
    "maximum": untied(),
    "minimum": untied(),
    "clamp_min": untied(),
    "clamp_max": untied(),
    "clamp": bounds(),
    "where": choice(),
    "to": unary(dtype=st.just(np.dtype(np.float64))),
    **dict.fromkeys(
        ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"), comparison
    ),
    "logical_not": unary(),
    # reduce
    "sum": reduction(),
    "mean": reduction(least=1),
    "var": reduction(least=1, correction=True),
    "std": spread_out(),
    "amax": reduction(apart, least=1),
    "amin": reduction(apart, least=1),
    "argmax": along_axis(apart, keepdim=True),
    "argmin": along_axis(apart, keepdim=True),
    "logsumexp": reduction(least=1),
    "scatter_extreme": scattered(),
    "median": unary(apart, nonempty),
    "p_norm": norms(),
    "cumsum": along_axis(),
    "cumprod": along_axis(),
    "logcumsumexp": along_axis(),
    "prod": one_axis(),
    # linalg
    "matmul": matrices(),
    "linear": dense(),
    "add_bias": biased(),
    "inv": squares(),
    "solve": squares(more=True),
    "det": squares(),
    "logabsdet": squares(),
    "cholesky": squares(positive=True),
    # conv
    "conv": convolution("xw"),
    "conv_input_grad": convolution("yw"),
    "conv_weight_grad": convolution("yx"),
    # pool
    "max_pool": pooling(apart),
    "max_pool_grad": pooled(incoming=True),
    "max_pool_winners": pooled(),
    "scatter_windows": pooling(back=True, taps=True),
    "gather_windows": pooling(taps=True),
    "window_sum": pooling(),
    "window_spread": pooling(back=True),
    "unfold": unfolded(),
    "fold": unfolded(back=True),
    "unpool": unpooled(),
    # resample
    "extend": extended(),
    "extend_adjoint": extended(back=True),
    "resample": resampled(),
    "sample": sampled("xw"),
    "sample_x_grad": sampled("yw"),
    "sample_w_grad": sampled("yx"),
    # activation
    "relu": unary(off_zero),
    "relu_grad": broadcast(normal, off_zero, number=False),
    "leaky_relu": unary(off_zero, negative_slope=st.sampled_from((0.01, 0.3))),
    "prelu": broadcast(off_zero, normal, number=False),
    "elu": unary(
        off_zero,
        alpha=st.sampled_from((1.0, 0.5)),
        scale=st.sampled_from((1.0, 1.5)),
        pace=st.sampled_from((1.0, 2.0)),
    ),
    "hardswish": unary(away_from(-3.0, 3.0)),
    "hardtanh": unary(away_from(-1.0, 0.5), min_val=st.just(-1.0), max_val=st.just(0.5)),
    "sigmoid": unary(),
    "tanh": unary(),
    "silu": unary(),
    "mish": unary(),
    "softplus": unary(
        away_from(0.5, 1.0), beta=st.sampled_from((1.0, 2.0)), threshold=st.sampled_from((20.0, 1.0))
    ),
    "gelu": unary(approximate=st.sampled_from(("none", "tanh"))),
    "softmax": along_axis(),
    "log_softmax": along_axis(),
    # norm
    "normalize": normalized(),
    "normalize_grad": normalized(incoming=True),
    "batch_norm": per_channel("x", "w", "b"),
    "batch_norm_sums": per_channel("y", "x"),
    "batch_norm_grad": per_channel("y", "x", "w"),
    "scale_shift": per_channel("x", "w", "b", normalizes=False),
    "dropout": mask_product(),
    # loss
    "binary_cross_entropy": broadcast(probability, probability, number=False),
}


def _cases(name: str, calls: Strategy) -> Strategy:
    def case(call: tuple[tuple[Any, ...], dict[str, Any]]) -> Case:
        return Case(registry[name], *call)

    return calls.map(case)


CASES: dict[str, Strategy] = {name: _cases(name, calls) for name, calls in _calls.items() if name in registry}

#: The inputs in which an op is linear: "x y" in both taken together, "x|y" in each while the other stays.
LINEAR: dict[str, str] = {
    **dict.fromkeys(
        ("clone", "reshape", "permute", "expand", "sum_to", "getitem", "put", "flip", "gather"), "x"
    ),
    **dict.fromkeys(
        ("scatter_add", "neg", "to", "sum", "mean", "dropout", "gather_windows", "window_sum"), "x"
    ),
    **dict.fromkeys(("diagonal", "diag_embed", "frames", "add_frames", "cumsum"), "x"),
    **dict.fromkeys(
        ("scatter_windows", "window_spread", "relu_grad", "max_pool_grad", "normalize_grad"), "y"
    ),
    **dict.fromkeys(("add", "sub", "where", "setitem"), "x y"),
    **dict.fromkeys(("mul", "matmul"), "x|y"),
    "cat": "xs",
    "batch_norm": "w b",
    "batch_norm_sums": "y",
    "batch_norm_grad": "w",
    "scale_shift": "w b",
    "add_bias": "x b",
    "div": "x",
    "linear": "x b|w b",
    "unfold": "x",
    "fold": "y",
    "unpool": "y",
    "extend": "x",
    "extend_adjoint": "y",
    "resample": "x",
    "sample": "x|w",
    "sample_x_grad": "y|w",
    "sample_w_grad": "y|x",
    "conv": "x|w",
    "conv_input_grad": "y|w",
    "conv_weight_grad": "y|x",
}

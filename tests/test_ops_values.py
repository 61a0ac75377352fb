"""Forward values against plain formulas, and the facts at edges: ties, kinks, nan, infinities, dtypes."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import autograd
from tinygrad_cnn.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_cnn.kernels import special
from tinygrad_cnn.op import promote, registry
from tinygrad_cnn.ops.elementwise import add
from tinygrad_cnn.testing.cases import CASES

inf, nan = math.inf, math.nan
few = settings(max_examples=max(6, settings.default.max_examples // 5))


# --- forward values ------------------------------------------------------------------------------------


def each(function):
    """A function of Python floats, element by element."""
    return np.vectorize(function, otypes=[np.float64])


def by_loops(function, out_shape):
    """An array made by a function of the position."""
    out = np.zeros(out_shape)
    for at in np.ndindex(out_shape):
        out[at] = function(*at)
    return out


def slices(x, dim):
    """The elements that a reduction over `dim` takes together: position -> list."""
    found: dict[tuple[int, ...], list[float]] = {}
    for at in np.ndindex(x.shape):
        found.setdefault(tuple(0 if a in dim else i for a, i in enumerate(at)), []).append(float(x[at]))
    return found


def reduced(function):
    def reference(x, *, dim, keepdim, **attrs):
        kept = [1 if a in dim else n for a, n in enumerate(x.shape)]
        out = np.zeros(kept)
        found = slices(x, dim)
        for at in np.ndindex(*kept):
            out[at] = function(found.get(at, []), **attrs)
        return out if keepdim else out.reshape([n for a, n in enumerate(x.shape) if a not in dim])

    return reference


def variance(values, correction):
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - correction)


def positions(pick):
    def reference(x, *, dim, keepdim):
        rows = x.reshape(1, -1) if dim is None else np.moveaxis(x, dim, -1).reshape(-1, x.shape[dim])
        found = np.array([row.tolist().index(pick(row.tolist())) for row in rows])
        if dim is None:
            return found.reshape((1,) * x.ndim if keepdim else ())
        shape = x.shape[:dim] + x.shape[dim + 1 :]
        return np.expand_dims(found.reshape(shape), dim) if keepdim else found.reshape(shape)

    return reference


def softmax(x, *, dim):
    e = np.exp(x)
    return e / e.sum(dim, keepdims=True)


def flip(x, *, dims):
    back = np.array([-1 if a in dims else 1 for a in range(x.ndim)], int)
    return by_loops(lambda *at: x[tuple(back * at + (back - 1) // 2)], x.shape)


def pad(x, *, widths, value):
    def at(*place):
        source = tuple(i - before for i, (before, _) in zip(place, widths, strict=True))
        return x[source] if all(0 <= i < n for i, n in zip(source, x.shape, strict=True)) else value

    return by_loops(at, tuple(n + b + a for n, (b, a) in zip(x.shape, widths, strict=True)))


def put(x, *, index, shape):
    """By moving ones: column j of a matrix says where element j goes."""
    numbers = np.arange(math.prod(shape)).reshape(shape)[index]
    out = np.zeros(math.prod(shape))
    for number, value in zip(np.ravel(numbers), np.ravel(x), strict=True):
        out[number] += value
    return out.reshape(shape)


def setitem(x, y, *, index):
    numbers = np.arange(x.size).reshape(x.shape)[index]
    out = x.ravel().copy()
    for number, value in zip(np.ravel(numbers), np.ravel(np.broadcast_to(y, numbers.shape)), strict=True):
        out[number] = value
    return out.reshape(x.shape)


def gather(x, *, dim, index):
    return by_loops(lambda *at: x[(*at[:dim], index[at], *at[dim + 1 :])], index.shape)


def scatter_add(x, *, dim, index, shape):
    out = np.zeros(shape)
    for at in np.ndindex(x.shape):
        out[(*at[:dim], index[at], *at[dim + 1 :])] += x[at]
    return out


def scatter_extreme(x, y, *, index, largest, include_self):
    """One after another; what comes first in a place that does not count replaces it."""
    places = np.broadcast_arrays(*index)
    touched = set()
    out = np.array(x)
    for at in np.ndindex(y.shape):
        place = tuple(int(p[at]) for p in places)
        first = not include_self and place not in touched
        out[place] = y[at] if first else (max if largest else min)(out[place], y[at])
        touched.add(place)
    return out


def diag_embed(x, *, offset, dim1, dim2, shape):
    """Each element of a diagonal of positions has its place."""
    numbers = np.diagonal(np.arange(math.prod(shape)).reshape(shape), offset, dim1, dim2)
    return put(x, index=np.unravel_index(numbers, shape), shape=shape)


def framed_positions(shape, dim, size, step):
    """For every element of the frames, the number of the element of the whole that it is."""
    count = (shape[dim] - size) // step + 1
    numbers = np.arange(math.prod(shape)).reshape(shape)
    pieces = [np.take(numbers, range(i * step, i * step + size), dim) for i in range(count)]
    return np.stack([np.moveaxis(piece, dim, -1) for piece in pieces], dim)


def frames(x, *, dim, size, step):
    return x.ravel()[framed_positions(x.shape, dim, size, step)]


def add_frames(x, *, dim, step, shape):
    return put(x, index=np.unravel_index(framed_positions(shape, dim, x.shape[-1], step), shape), shape=shape)


def up_to(function):
    """A function of all elements up to each one along an axis."""

    def reference(x, *, dim):
        return by_loops(
            lambda *at: function(x[(*at[:dim], slice(at[dim] + 1), *at[dim + 1 :])].tolist()), x.shape
        )

    return reference


def determinant(x):
    """By cofactors of the first row."""
    if x.shape[-1] == 0:
        return np.ones(x.shape[:-2])
    minors = [np.delete(x[..., 1:, :], j, -1) for j in range(x.shape[-1])]
    return sum((-1) ** j * x[..., 0, j] * determinant(minor) for j, minor in enumerate(minors))


def inverse(x):
    """By cofactors (Cramer)."""
    n = x.shape[-1]
    out = np.zeros(x.shape)
    for i, j in np.ndindex(n, n):
        minor = np.delete(np.delete(x, i, -2), j, -1)
        out[..., j, i] = (-1) ** (i + j) * determinant(minor) / determinant(x)
    return out


def matrix_exp(x):
    """Term by term."""
    out = term = np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    for k in range(1, 60):
        term = np.einsum("...ij,...jk->...ik", term, x) / k
        out = out + term
    return out


def cholesky(x):
    """Row by row."""
    out = np.zeros(x.shape)
    for i, j in np.ndindex(x.shape[-2:]):
        rest = x[..., i, j] - (out[..., i, :j] * out[..., j, :j]).sum(-1)
        if i == j:
            out[..., i, i] = np.sqrt(rest)
        elif i > j:
            out[..., i, j] = rest / out[..., j, j]
    return out


def sum_to(x, *, shape):
    out = np.zeros((1,) * (x.ndim - len(shape)) + shape)
    for at in np.ndindex(x.shape):
        out[tuple(0 if n == 1 else i for i, n in zip(at, out.shape, strict=True))] += x[at]
    return out.reshape(shape)


def softplus(x, *, beta, threshold):
    return np.where(beta * x > threshold, x, np.log(1 + np.exp(beta * x)) / beta)


def gelu(x, *, approximate):
    if approximate == "tanh":
        return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return each(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2)(x)


def windows(geom):
    return {"stride": geom.stride, "padding": geom.padding, "dilation": geom.dilation}


def conv(x, w, *, geom):
    return oracle.conv(x, w, **windows(geom), groups=geom.groups)


def conv_input_grad(y, w, *, geom):
    return oracle.conv_input_grad(y, w, geom.size, **windows(geom), groups=geom.groups)


def conv_weight_grad(y, x, *, geom):
    return oracle.conv_weight_grad(y, x, geom.kernel, **windows(geom), groups=geom.groups)


def visits(geom):
    """Every (window, number of the tap, pixel)."""
    found = oracle.visits(geom.size, geom.kernel, **windows(geom), out=geom.out)
    return [(i, int(np.ravel_multi_index(a, geom.kernel)), pixel) for i, a, pixel in found]


def over_windows(shape_of, step):
    def reference(x, *, geom, taps=None):
        out = np.zeros((*x.shape[:2], *shape_of(geom)))
        for i, tap, pixel in visits(geom):
            for n, c in np.ndindex(x.shape[:2]):
                if taps is None or taps[(n, c, *i)] == tap:
                    step(out, x, (n, c, *i), (n, c, *pixel))
        return out

    return reference


def take(out, x, i, pixel):
    out[i] += x[pixel]


def give(out, x, i, pixel):
    out[pixel] += x[i]


def max_pool(x, *, geom):
    out = np.full((*x.shape[:2], *geom.out), -inf)
    for i, _, pixel in visits(geom):
        out[(..., *i)] = np.maximum(out[(..., *i)], x[(..., *pixel)])
    return out


def max_pool_winners(x, y, *, geom):
    out = np.zeros(y.shape)
    for i, tap, pixel in visits(geom):
        out[(..., *i)] = np.where(x[(..., *pixel)] == y[(..., *i)], tap, out[(..., *i)])
    return out


def max_pool_grad(y, *, x, top, geom):
    out, left = np.zeros(x.shape), np.array(y)
    for i, _, pixel in visits(geom):
        won = np.where(x[(..., *pixel)] == top[(..., *i)], left[(..., *i)], 0)
        out[(..., *pixel)] += won
        left[(..., *i)] -= won
    return out


def columns_of(geom):
    """(tap, window, pixel), both counted: where each entry of a column comes from."""
    for i, tap, pixel in visits(geom):
        yield tap, int(np.ravel_multi_index(i, geom.out)), pixel


def unfold(x, *, geom):
    out = np.zeros((*x.shape[:2], math.prod(geom.kernel), math.prod(geom.out)))
    for tap, i, pixel in columns_of(geom):
        out[:, :, tap, i] = x[(..., *pixel)]
    return out.reshape(len(x), x.shape[1] * math.prod(geom.kernel), math.prod(geom.out))


def fold(y, *, geom):
    taps = math.prod(geom.kernel)
    out = np.zeros((len(y), y.shape[1] // taps, *geom.size))
    for tap, i, pixel in columns_of(geom):
        out[(..., *pixel)] += y[:, tap::taps, i]
    return out


def unpool(y, *, index, size):
    out = np.zeros((*y.shape[:2], *size))
    for n, c, i in np.ndindex(index.shape):
        out[n, c].reshape(-1)[index[n, c, i]] = y[n, c].ravel()[i]
    return out


def extend(x, *, widths, mode):
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return np.pad(x, widths, names[mode]) if x.ndim else x


def extend_adjoint(y, *, widths, mode):
    size = [n - sum(w) for n, w in zip(y.shape, widths, strict=True)]
    out = np.zeros(math.prod(size))
    came_from = extend(np.arange(out.size).reshape(size), widths=widths, mode=mode)
    for at in np.ndindex(y.shape):
        out[came_from[at]] += y[at]
    return out.reshape(size)


def resample(x, *, maps):
    for axis, m in enumerate(maps, start=x.ndim - len(maps)):
        if m is not None:
            rows = np.moveaxis(x, axis, 0)
            new = [
                sum(w * rows[j] for j, w in zip(*row, strict=True))
                for row in zip(m.index, m.weight, strict=True)
            ]
            x = np.moveaxis(np.array(new), 0, axis)
    return x


def sample(x, w, *, index):
    out = np.zeros((*x.shape[:2], w.shape[2]))
    for n, k, q in np.ndindex(index.shape):
        if index[n, k, q] >= 0:
            out[n, :, q] += w[n, k, q] * x[(n, slice(None), *np.unravel_index(index[n, k, q], x.shape[2:]))]
    return out


def sample_x_grad(y, w, *, index, size):
    out = np.zeros((*y.shape[:2], *size))
    for n, k, q in np.ndindex(index.shape):
        if index[n, k, q] >= 0:
            out[(n, slice(None), *np.unravel_index(index[n, k, q], size))] += w[n, k, q] * y[n, :, q]
    return out


def sample_w_grad(y, x, *, index):
    out = np.zeros(index.shape)
    for n, k, q in np.ndindex(index.shape):
        if index[n, k, q] >= 0:
            pixel = x[(n, slice(None), *np.unravel_index(index[n, k, q], x.shape[2:]))]
            out[n, k, q] = math.fsum(y[n, :, q] * pixel)
    return out


def normalize(x, *, dim, eps, center, rstd):
    return (x - x.mean(dim, keepdims=True)) / np.sqrt(x.var(dim, keepdims=True) + eps)


def column(v, x):
    return v.reshape(-1, *(1,) * (x.ndim - 2))


def per_channel(x):
    return np.array([math.fsum(x[:, c].ravel()) for c in range(x.shape[1])])


def split(x, center):
    """Groups of channels, of which each has one number in `center`, on an axis of their own."""
    return x.reshape(x.shape[0], len(center), -1, *x.shape[2:]), (0, *range(2, x.ndim + 1))


def unit(x, *, center, **attrs):
    grouped, dim = split(x, center)
    return normalize(grouped, dim=dim, center=center, **attrs).reshape(x.shape)


def batch_norm(x, w, b, **attrs):
    return unit(x, **attrs) * column(w, x) + column(b, x)


def batch_norm_grad(y, x, w, *, sums, center, **attrs):
    (wy, dim), (grouped, _) = split(y * column(w, x), center), split(x, center)
    return normalize_grad(wy, grouped, dim=dim, center=center, **attrs).reshape(x.shape)


def normalize_grad(y, x, *, dim, eps, center, rstd):
    """y without what lies along a constant, or along x, over the deviation; gradcheck says it is right."""
    z = normalize(x, dim=dim, eps=eps, center=center, rstd=rstd)
    off = y.mean(dim, keepdims=True) + z * (y * z).mean(dim, keepdims=True)
    return (y - off) / np.sqrt(x.var(dim, keepdims=True) + eps)


REFERENCE = {
    "clone": lambda x: x,
    "reshape": lambda x, shape: np.array(x.ravel().tolist()).reshape(shape),
    "permute": lambda x, dims: np.einsum(x, range(x.ndim), dims) if x.ndim else x,
    "expand": lambda x, shape: x + np.zeros(shape),
    "sum_to": sum_to,
    "getitem": lambda x, index: np.array(x)[index],
    "put": put,
    "setitem": setitem,
    "flip": flip,
    "pad": pad,
    "cat": lambda *xs, dim: np.concatenate(xs, dim),
    "gather": gather,
    "scatter_add": scatter_add,
    "diagonal": lambda x, offset, dim1, dim2: np.diagonal(x, offset, dim1, dim2),
    "diag_embed": diag_embed,
    "frames": frames,
    "add_frames": add_frames,
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: 0 - x,
    "pow": lambda x, y: np.power(x, float(y) if isinstance(y, int) else y),
    "abs": lambda x: np.where(x < 0, 0 - x, x),
    "sign": lambda x: (x > 0) * 1.0 - (x < 0),
    **{name: each(getattr(math, name)) for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "exp2",
        "expm1", "floor", "log", "log10", "log1p", "log2", "sin", "sinh", "sqrt", "tan", "trunc",
    )},
    "round": each(round),
    "rsqrt": lambda x: x**-0.5,
    "reciprocal": lambda x: x**-1.0,
    "logit": each(lambda v: -math.log(1 / v - 1)),
    "atan2": np.vectorize(math.atan2, otypes=[float]),
    "hypot": np.vectorize(math.hypot, otypes=[float]),
    "fmod": np.vectorize(math.fmod, otypes=[float]),
    "remainder": np.vectorize(lambda x, y: x % y, otypes=[float]),
    "floor_divide": np.vectorize(lambda x, y: x // y, otypes=[float]),
    "trunc_divide": np.vectorize(lambda x, y: float(int(x / y)), otypes=[float]),
    "logaddexp": lambda x, y: np.log(np.exp(x) + np.exp(y)),
    "clamp_min": lambda x, y: np.where(x > y, x, y),
    "clamp_max": lambda x, y: np.where(x < y, x, y),
    "maximum": lambda x, y: np.where(x > y, x, y),
    "minimum": lambda x, y: np.where(x < y, x, y),
    "clamp": lambda x, min=-inf, max=inf: np.minimum(np.maximum(x, min), max),
    "where": lambda x, y, mask: mask * x + ~mask * y,
    "to": lambda x, dtype: x,
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
    "logical_and": lambda x, y: (x != 0) & (y != 0),
    "logical_or": lambda x, y: (x != 0) | (y != 0),
    "logical_xor": lambda x, y: (x != 0) ^ (y != 0),
    "logical_not": lambda x: x == 0,
    "sum": reduced(math.fsum),
    "mean": reduced(lambda values: math.fsum(values) / len(values)),
    "var": reduced(variance),
    "std": reduced(lambda values, correction: math.sqrt(variance(values, correction))),
    "amax": reduced(max),
    "amin": reduced(min),
    "argmax": positions(max),
    "argmin": positions(min),
    "logsumexp": reduced(lambda values: math.log(math.fsum(map(math.exp, values)))),
    "scatter_extreme": scatter_extreme,
    "median": lambda x: sorted(x.ravel().tolist())[(x.size - 1) // 2],
    "p_norm": reduced(lambda values, p: math.fsum(abs(v) ** p for v in values) ** (1 / p)),
    "cumsum": up_to(math.fsum),
    "cumprod": up_to(math.prod),
    "logcumsumexp": up_to(lambda values: math.log(math.fsum(map(math.exp, values)))),
    "prod": lambda x, dim, keepdim: reduced(math.prod)(x, dim=(dim,), keepdim=keepdim),
    "matmul": lambda x, y: np.einsum("...ik,...kj->...ij", x, y),
    "linear": lambda x, w, b: np.einsum("nf,of->no", x, w) + (0 if b is None else b),
    "add_bias": lambda x, b, axis: np.moveaxis(np.moveaxis(x, axis, -1) + b, -1, axis),
    "inv": inverse,
    "solve": lambda x, y: np.einsum("...ik,...kj->...ij", inverse(x), y),
    "det": determinant,
    "logabsdet": lambda x: np.log(np.abs(determinant(x))),
    "cholesky": cholesky,
    "matrix_exp": matrix_exp,
    "conv": conv,
    "conv_input_grad": conv_input_grad,
    "conv_weight_grad": conv_weight_grad,
    "max_pool": max_pool,
    "max_pool_grad": max_pool_grad,
    "max_pool_winners": max_pool_winners,
    "scatter_windows": over_windows(lambda geom: geom.size, give),
    "gather_windows": over_windows(lambda geom: geom.out, take),
    "window_sum": over_windows(lambda geom: geom.out, take),
    "window_spread": over_windows(lambda geom: geom.size, give),
    "unfold": unfold,
    "fold": fold,
    "unpool": unpool,
    "extend": extend,
    "extend_adjoint": extend_adjoint,
    "resample": resample,
    "sample": sample,
    "sample_x_grad": sample_x_grad,
    "sample_w_grad": sample_w_grad,
    "relu": lambda x: np.where(x > 0, x, 0),
    "relu_grad": lambda y, x: np.where(x > 0, y, 0),
    "leaky_relu": lambda x, negative_slope: np.where(x > 0, x, negative_slope * x),
    "prelu": lambda x, w: np.where(x > 0, x, w * x),
    "elu": lambda x, alpha, scale, pace: scale * np.where(x > 0, x, alpha * (np.exp(pace * x) - 1)),
    "hardswish": lambda x: np.where(x < -3, 0, np.where(x > 3, x, x * (x + 3) / 6)),
    "mish": each(lambda v: v * math.tanh(math.log(1 + math.exp(v)))),
    "hardtanh": lambda x, min_val, max_val: np.minimum(np.maximum(x, min_val), max_val),
    "sigmoid": each(lambda v: 1 / (1 + math.exp(-v))),
    "tanh": each(math.tanh),
    "silu": each(lambda v: v / (1 + math.exp(-v))),
    "softplus": softplus,
    "gelu": gelu,
    "softmax": softmax,
    "log_softmax": lambda x, dim: np.log(softmax(x, dim=dim)),
    "normalize": normalize,
    "normalize_grad": normalize_grad,
    "batch_norm": batch_norm,
    "batch_norm_sums": lambda y, x, **attrs: np.stack([per_channel(y), per_channel(y * unit(x, **attrs))]),
    "batch_norm_grad": batch_norm_grad,
    "scale_shift": lambda x, w, b, center, rstd: (x - column(center, x)) * column(rstd * w, x) + column(b, x),
    "dropout": lambda x, mask: x * mask,
    "binary_cross_entropy": lambda x, y: -(y * np.log(x) + (1 - y) * np.log(1 - x)),
}  # fmt: skip


def test_every_op_has_a_reference():
    assert set(REFERENCE) == set(CASES)


@pytest.mark.parametrize("name", CASES)
@few
@given(data=st.data())
def test_forward(name, data):
    case = data.draw(CASES[name])
    attrs = {key: v(*case.inputs) if callable(v) else v for key, v in case.attrs.items()}
    expected = np.asarray(REFERENCE[name](*case.inputs, **attrs))
    out = case(*case.inputs).array
    assert out.shape == expected.shape
    if expected.dtype == bool:
        assert out.dtype == bool
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)


def test_erf_is_as_exact_as_it_says():
    x = np.concatenate([np.linspace(-7, 7, 1001), [-30, -26.5, 1e-300, -1e-20, 1, inf, -inf, 1e30]])
    exact = np.array([math.erf(v) for v in x])
    assert np.abs(special.erf(x) - exact).max() < 2e-15
    single = special.erf(x.astype(np.float32))
    assert single.dtype == np.float32 and np.abs(single).max() == 1
    near = np.abs(x) > 1e-30  # what float32 holds
    assert (np.abs(single - exact)[near] <= 4e-7 * np.abs(exact)[near]).all()
    half = special.erf(x[:1001].astype(np.float16))
    assert half.dtype == np.float16 and np.abs(half - exact[:1001]).max() < 5e-3
    assert np.isnan(special.erf(np.array([nan]))).all()
    assert str(special.erf(np.array([0.0, -0.0]))) == "[ 0. -0.]"


@pytest.mark.parametrize("power", [3, 4, 3.0, 4.0])
def test_small_powers_are_products(power):
    x = np.array([0.0, -0.0, inf, -inf, nan, 1e-200, 1e200, -3.3])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose((tg.tensor(x) ** power).array, np.power(x, power), rtol=1e-15)
        squares = x * x
        exact = squares * (x if power == 3 else squares)
        np.testing.assert_array_equal((tg.tensor(x) ** power).array, exact)
    assert (tg.tensor([2, -3]) ** int(power)).tolist() == [2 ** int(power), (-3) ** int(power)]


def test_a_fifth_power_is_none_of_these():
    assert (tg.tensor([2.0, -3.0]) ** 5).tolist() == [32, -243]


def test_exponentials_of_matrices_large_and_small_in_one_call():
    turns = [0.0, 0.3, 5.3, 11.0, 60.0, 1e3]
    out = tg.tensor([[[0, -t], [t, 0]] for t in turns], dtype=tg.float64).matrix_exp().array
    exact = np.array([[[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]] for t in turns])
    assert (np.abs(out - exact).max((1, 2)) <= [1e-15, 1e-15, 1e-13, 1e-13, 1e-12, 1e-11]).all()
    diagonals = [[10.0, 0.1], [0.1, 10.0], [-20.0, 0.0], [5.3, -5.3]]
    out = tg.tensor(np.array([np.diag(d) for d in diagonals])).matrix_exp().array
    np.testing.assert_allclose(out, [np.diag(np.exp(d)) for d in diagonals], rtol=1e-14, atol=1e-30)


@pytest.mark.parametrize("bad", [nan, inf])
def test_an_endless_matrix_spoils_no_other(bad):
    x = np.zeros((3, 2, 2))
    x[0, 0, 1], x[1, 1, 0] = 2, bad
    out = tg.tensor(x).matrix_exp().array
    np.testing.assert_array_equal(out[[0, 2]], [[[1, 2], [0, 1]], np.eye(2)])
    assert np.isnan(out[1]).all()


def test_exponentials_of_no_matrices():
    assert tg.zeros(0, 2, 2).matrix_exp().shape == (0, 2, 2)
    assert tg.zeros(3, 0, 0).matrix_exp().shape == (3, 0, 0)


@pytest.mark.parametrize("function", [special.erf, special.gelu])
def test_blocks_are_the_same_in_every_memory_order(function):
    x = np.random.default_rng(0).standard_normal((3, 40, 50, 60))
    whole = function(x)
    np.testing.assert_array_equal(
        whole.ravel()[special.BLOCK - 2 : special.BLOCK + 2],
        function(x.ravel()[special.BLOCK - 2 : special.BLOCK + 2]),
    )
    for view in (x.transpose(0, 3, 1, 2), x[:, ::2], x[..., ::-1], x.T, x[0, 0, 0, :3], x[:0]):
        out = function(view)
        np.testing.assert_array_equal(out, function(np.ascontiguousarray(view)))
    channels_last = function(x.transpose(0, 3, 1, 2))
    assert channels_last.transpose(0, 2, 3, 1).flags.c_contiguous
    assert function(x[0, 0, 0, 0]).shape == ()


# --- facts at edges ------------------------------------------------------------------------------------


def same(found, expected):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-6, atol=0)


# function, x, y = f(x), dy/dx for an incoming gradient of ones
FACTS = {
    "full max shares ties": (lambda x: x.max(), [3, 1, 3], 3, [0.5, 0, 0.5]),
    "full min shares ties": (lambda x: x.min(), [1, 1, 1, 2], 1, [1 / 3, 1 / 3, 1 / 3, 0]),
    "amax shares ties": (lambda x: x.amax(0), [[3, 1], [3, 2]], [3, 2], [[0.5, 0], [0.5, 1]]),
    "amin shares ties": (lambda x: x.amin(0, True), [[3, 1], [3, 2]], [[3, 1]], [[0.5, 1], [0.5, 0]]),
    "max along an axis takes the first": (lambda x: x.max(0).values, [3, 1, 3], 3, [1, 0, 0]),
    "min along an axis takes the first": (lambda x: x.min(0).values, [3, 1, 1], 1, [0, 1, 0]),
    "max finds nan": (lambda x: x.max(), [1, nan, 2], nan, [0, 1, 0]),
    "max along an axis finds nan": (lambda x: x.max(0).values, [1, nan, 2], nan, [0, 1, 0]),
    "maximum gives half each": (lambda x: x.maximum(2.0) * 3, [1, 2, 3], [6, 6, 9], [0, 1.5, 3]),
    "minimum gives half each": (lambda x: x.minimum(2.0) * 3, [1, 2, 3], [3, 6, 6], [3, 1.5, 0]),
    "maximum passes nan on": (lambda x: x.maximum(2.0), [nan], [nan], [1]),
    "abs at 0": (lambda x: x.abs(), [-2, 0, 3], [2, 0, 3], [-1, 0, 1]),
    "sign of nan": (lambda x: x.sign() + x * 0 , [-2, 0, 3], [-1, 0, 1], [0, 0, 0]),
    "clamp at its bounds": (lambda x: x.clamp(0, 1), [-1, 0, 0.5, 1, 2], [0, 0, 0.5, 1, 1], [0, 1, 1, 1, 0]),
    "clamp with min above max": (lambda x: x.clamp(4, 2), [1, 3, 5], [2, 2, 2], [0, 0, 0]),
    "clamp keeps nan": (lambda x: x.clamp(min=0), [nan], [nan], [0]),
    "clamp keeps inf out of the dead half": (lambda x: x.clamp(min=0).sqrt(), [-1, 4], [0, 2], [0, 0.25]),
    "relu keeps inf out of the dead half": (lambda x: x.relu().sqrt(), [-1, 4], [0, 2], [0, 0.25]),
    "maximum too": (lambda x: x.maximum(0.0).sqrt(), [-1, 4], [0, 2], [0, 0.25]),
    "relu at 0": (lambda x: x.relu(), [-1, 0, 1], [0, 0, 1], [0, 0, 1]),
    "leaky_relu at 0": (lambda x: F.leaky_relu(x, 0.25), [-1, 0, 1], [-0.25, 0, 1], [0.25, 0.25, 1]),
    "prelu at 0": (lambda x: F.prelu(x, tg.tensor([0.25])), [-1, 0, 1], [-0.25, 0, 1], [0.25, 0.25, 1]),
    "elu at 0": (lambda x: F.elu(x, 0.5), [0, 1], [0, 1], [0.5, 1]),
    "elu does not overflow": (lambda x: F.elu(x), [-1000, 1000], [-1, 1000], [0, 1]),
    "hardtanh at its bounds": (lambda x: F.hardtanh(x), [-1, 0, 1], [-1, 0, 1], [0, 1, 0]),
    "softplus of large": (lambda x: F.softplus(x), [-1000, 0, 1000], [0, math.log(2), 1000], [0, 0.5, 1]),
    "softplus at its threshold": (
        lambda x: F.softplus(x, beta=2.0, threshold=1.0),
        [0.5, 0.75], [math.log1p(math.e) / 2, 0.75], [1 / (1 + 1 / math.e), 1],
    ),
    "sigmoid does not overflow": (lambda x: x.sigmoid(), [-1000, 0, 1000], [0, 0.5, 1], [0, 0.25, 0]),
    "silu does not overflow": (lambda x: F.silu(x), [-1000, 0, 1000], [0, 0, 1000], [0, 0.5, 1]),
    "gelu of large": (lambda x: F.gelu(x), [-1000, 0, 1000], [0, 0, 1000], [0, 0.5, 1]),
    "sqrt at 0": (lambda x: x.sqrt(), [0, 4], [0, 2], [inf, 0.25]),
    "log at 0": (lambda x: x.log(), [0], [-inf], [inf]),
    "1/x at 0": (lambda x: 1 / x, [0], [inf], [-inf]),
    "x**0": (lambda x: x**0, [0, 2, inf, nan], [1, 1, 1, 1], [0, 0, 0, 0]),
    "x**tensor(0)": (lambda x: x ** tg.tensor([0.0, 0.0]), [0, 2], [1, 1], [0, 0]),
    "0**tensor(2)": (lambda x: x ** tg.tensor([2.0]), [0], [0], [0]),
    "x**1 at 0": (lambda x: x**1, [0], [0], [1]),
    "0**y": (lambda x: 0.0**x, [0, 2], [1, 0], [0, 0]),
    "tensor(0)**y": (lambda x: tg.tensor([0.0]) ** x, [0, 2], [1, 0], [0, 0]),
    "a negative number to a power": (lambda x: (-2.0) ** x, [2], [4], [nan]),
    "a positive number to a power": (lambda x: 2.0**x, [3], [8], [8 * math.log(2)]),
    "std of a constant": (lambda x: x.std(), [2, 2, 2], 0, [0, 0, 0]),
    "var of a constant": (lambda x: x.var(), [2, 2, 2], 0, [0, 0, 0]),
    "var of one": (lambda x: x.var(), [2], nan, [nan]),
    "std of one, uncorrected": (lambda x: x.std(correction=0), [2], 0, [0]),
    "mean of none": (lambda x: x.mean(), [], nan, []),
    "sum of none": (lambda x: x.sum(), [], 0, []),
    "logsumexp of -inf": (lambda x: x.logsumexp(0), [-inf, -inf], -inf, [nan, nan]),
    "logsumexp of inf": (lambda x: x.logsumexp(0), [inf, 0], inf, [nan, 0]),
    "logsumexp of large": (lambda x: x.logsumexp(0), [1e4, 0], 1e4, [1, 0]),
    "softmax of -inf": (lambda x: x.softmax(0), [-inf, -inf], [nan, nan], [nan, nan]),
    "softmax of large": (lambda x: x.softmax(0), [1e4, -1e4], [1, 0], [0, 0]),
    "log_softmax of large": (lambda x: x.log_softmax(0), [1e4, -1e4], [0, -2e4], [-1, 1]),
    "binary cross-entropy at its ends": (
        lambda x: F.binary_cross_entropy(x, tg.tensor([1.0, 0.0]), reduction="none"),
        [0, 1], [100, 100], [-1e12, 1e12],
    ),
    "binary cross-entropy by its target": (
        lambda t: F.binary_cross_entropy(tg.tensor([0.0, 1.0]), t, reduction="none"),
        [0.5, 0.5], [50, 50], [100, -100],
    ),
    "repeated index": (lambda x: x[[0, 0]], [1, 2], [1, 1], [2, 0]),
    "max_pool takes the first of ties": (
        lambda x: F.max_pool2d(x, 2), [[[[5, 5], [5, 5]]]], [[[[5]]]], [[[[1, 0], [0, 0]]]],
    ),
    "max_pool finds nan": (lambda x: F.max_pool1d(x, 2), [[[nan, 5]]], [[[nan]]], [[[1, 0]]]),
    "where lets no inf through": (
        lambda x: tg.where(x > 0, x.sqrt(), 0.0), [0, 4], [0, 2], [nan, 0.25],  # the infamous one: 0 * inf
    ),
}  # fmt: skip


@pytest.mark.parametrize("fact", FACTS)
def test_fact(fact):
    function, x, value, gradient = FACTS[fact]
    x = tg.tensor(x, dtype=np.float32, requires_grad=True)
    y = function(x)
    same(y.detach(), value)
    y.backward(tg.ones(y.shape))
    same(x.grad, gradient)
    assert y.dtype == x.grad.dtype == np.float32


def test_mixed_second_derivative_of_a_power_of_0():
    """d/dy (y x^(y-1)) is 1/x at y = 0, not 0."""
    x, y = tg.tensor(2.0, requires_grad=True), tg.tensor(0.0, requires_grad=True)
    (dx,) = autograd.grad(x**y, x, create_graph=True)
    same(autograd.grad(dx, y)[0], 0.5)


def test_second_derivative_of_the_std_of_a_constant_is_0_too():
    x = tg.tensor([2.0, 2.0, 2.0], requires_grad=True)
    (dx,) = autograd.grad(x.std(), x, create_graph=True)
    same(autograd.grad(dx[0], x)[0], [0, 0, 0])


def test_sign_of_nan_is_0():
    same(tg.tensor([nan]).sign(), [0])


def test_argmax_takes_the_first_and_finds_nan():
    assert tg.tensor([1.0, 3.0, 3.0]).argmax().item() == 1
    assert tg.tensor([1.0, nan, 3.0]).argmax().item() == 1
    assert tg.tensor([2.0, 1.0, 1.0]).argmin().item() == 1
    assert tg.tensor([1.0]).argmax().dtype == np.int64
    assert tg.tensor(5.0).argmax(0).item() == tg.tensor(5.0).argmin(-1, keepdim=True).item() == 0


@pytest.mark.parametrize("name", ["argmax", "argmin", "prod"])
@pytest.mark.parametrize("dim", [(0, 1), (0,), (), [1]])
def test_these_take_one_axis(name, dim):
    with pytest.raises(DtypeError, match=rf"^{name}: dim is .*; an axis is an integer"):
        getattr(tg.ones(2, 3), name)(dim)


def test_axes_may_be_numpys_integers():
    x, axis = tg.ones(2, 1, 3), np.int64(1)
    assert x.squeeze(axis).shape == x.max(axis).values.shape == x.argmax(axis).shape == (2, 3)
    with pytest.raises(DtypeError, match=r"^squeeze: dim is 1\.0; an axis is an integer"):
        x.squeeze(1.0)


# --- dtypes --------------------------------------------------------------------------------------------

f32, f64, i64, i32, i8, u8, b = (
    np.dtype(t) for t in (np.float32, np.float64, np.int64, np.int32, np.int8, np.uint8, np.bool_)
)


def of(dtype, *shape):
    return tg.tensor(np.ones(shape, dtype))


@pytest.mark.parametrize(
    ("result", "dtype"),
    [
        (lambda: of(f32, 1) + of(f64, 1), f64),
        (lambda: of(f32, 1) + of(f64), f32),  # an array without axes does not decide
        (lambda: of(i64, 1) * of(f64), f64),  # unless it is of a higher kind
        (lambda: of(i64, 1) * of(f32, 1), f32),
        (lambda: of(i64) * of(f32, 1), f32),
        (lambda: of(f32, 1) * 2.5, f32),
        (lambda: 2 - of(f32, 1), f32),
        (lambda: np.float64(2) * of(f32, 1), f32),
        (lambda: of(f32, 1) / np.float64(2), f32),
        (lambda: np.ones(1) * of(f32, 1), f64),
        (lambda: of(f64, 1) * 2.5, f64),
        (lambda: of(i64, 1) * 2.5, f32),
        (lambda: of(i32, 1) * 2, i32),
        (lambda: of(b, 1) * 2, i64),
        (lambda: of(b, 1) + of(b, 1), b),
        (lambda: of(u8, 1) + of(i8, 1), np.dtype(np.int16)),
        (lambda: of(i64, 1) / of(i64, 1), f32),
        (lambda: of(i64, 1).exp(), f32),
        (lambda: of(i64, 1).sqrt(), f32),
        (lambda: of(i64, 1).clamp(min=0.5), f32),
        (lambda: of(i64, 1).clamp(min=1), i64),
        (lambda: of(i64, 1).relu(), i64),
        (lambda: of(f32, 1) * True, f32),
        (lambda: of(i32, 2).sum(), i64),
        (lambda: of(b, 2).sum(), i64),
        (lambda: of(u8, 2).sum(), i64),
        (lambda: of(u8, 2).prod(), i64),
        (lambda: of(u8, 2).cumsum(0), i64),
        (lambda: of(f32, 2).sum(), f32),
        (lambda: of(f32, 2).mean(), f32),
        (lambda: of(f32, 2) > 0, b),
        (lambda: tg.where(of(b, 1), of(f32, 1), 0.0), f32),
        (lambda: tg.where(of(b, 1), 1.0, 0.0), f32),
    ],
)  # fmt: skip
def test_dtype(result, dtype):
    assert result().dtype == dtype


def test_promotion_gives_gradients_in_the_dtype_of_each_input():
    x = tg.tensor(np.ones((2, 1), np.float32), requires_grad=True)
    y = tg.tensor(np.ones(3), requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, x.grad.shape) == (f32, (2, 1))
    assert (y.grad.dtype, y.grad.shape) == (f64, (3,))


def test_conversions_carry_gradients():
    x = tg.tensor([1.5], requires_grad=True)
    (x.double() * 3).sum().backward()
    assert x.grad.dtype == f32
    same(x.grad, [3])


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: of(i64, 2).mean(), DtypeError, "mean: x is int64"),
        (lambda: of(i64, 2).softmax(0), DtypeError, "softmax"),
        (lambda: of(i64, 1) ** -1, ArgumentError, r"x\.float\(\)"),
        (lambda: of(f32, 1) + "1", TypeError, "str|unsupported"),
        (lambda: of(f32, 2) + of(f32, 3), ShapeError, "axis -1 has sizes 2 and 3"),
        (lambda: of(f32, 0).max(), ArgumentError, "no max of nothing"),
        (lambda: of(f32, 2).clamp(), ArgumentError, "at least one of min and max"),
        (lambda: of(f32, 2, 3).matmul(of(f32, 2, 3)), ShapeError, "3 columns, .* 2 rows"),
        (lambda: of(f32, 2, 1, 1).matmul(of(f32, 3, 1, 1)), ShapeError, "leading axes"),
        (lambda: of(f32, 2, 3).reshape(4), ShapeError, "6 elements"),
        (lambda: of(f32, 2, 3).expand(4, 3), ShapeError, "only axes of size 1"),
        (lambda: of(f32, 2)[3], ShapeError, r"indexing: x \(2,\)"),
        (lambda: registry["pad"](of(f32, 2), widths=((-2, -1),)), ShapeError, "negative"),
    ],
)
def test_what_cannot_be_says_so(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


def test_strings_and_objects_cannot_be_promoted():
    with pytest.raises(DtypeError, match="cannot compute with"):
        promote(add, [np.array(["a"]), np.ones(1)])


@given(st.integers(1, 6), st.integers(16, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_wide_rows_that_are_named_again_add_up(rows, features, seed, double):
    """Which `put` sorts, instead of going from number to number."""
    rng = np.random.default_rng(seed)
    index = rng.integers(-rows, rows, rng.integers(0, 5, 2))
    x = rng.standard_normal((*index.shape, 2, features)).astype(np.float64 if double else np.float32)
    wanted = np.zeros((rows, 2, features))
    for at in np.ndindex(index.shape):
        wanted[index[at]] += x[at]
    out = registry["put"](x, index=index, shape=wanted.shape)
    assert out.dtype == x.dtype
    np.testing.assert_allclose(out, wanted, rtol=0, atol=1e-5)

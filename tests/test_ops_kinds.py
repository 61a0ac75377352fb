"""What kind of op each one is: a table, and what follows from it for integers, numbers and memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DtypeError, ShapeError
from tinygrad_cnn.op import registry
from tinygrad_cnn.testing.cases import own_ops

OPS = {name: registry[name] for name in own_ops()}
FLOATING = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "binary_cross_entropy",
    "cos",
    "cosh",
    "div",
    "elu",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "gelu",
    "hardswish",
    "hypot",
    "leaky_relu",
    "log",
    "log10",
    "log1p",
    "log2",
    "logaddexp",
    "logit",
    "mish",
    "prelu",
    "reciprocal",
    "rsqrt",
    "sigmoid",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "tan",
    "tanh",
]
OTHER_ELEMENTWISE = [
    "abs",
    "add",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "dropout",
    "eq",
    "floor",
    "floor_divide",
    "fmod",
    "ge",
    "gt",
    "hardtanh",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "lt",
    "maximum",
    "minimum",
    "mul",
    "ne",
    "neg",
    "pow",
    "relu",
    "relu_grad",
    "remainder",
    "round",
    "sign",
    "sub",
    "to",
    "trunc",
    "trunc_divide",
    "where",
]
VIEWS = ["diagonal", "expand", "flip", "frames", "getitem", "permute", "reshape"]
DEFAULTS = {
    "elu": {"alpha": 1.0, "scale": 1.0, "pace": 1.0},
    "gelu": {"approximate": "none"},
    "hardtanh": {"min_val": -1.0, "max_val": 1.0},
    "leaky_relu": {"negative_slope": 0.01},
    "pad": {"value": 0.0},
    "round": {"decimals": 0},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "clamp": {"min": None, "max": None},
    "std": {"correction": 1, "keepdim": False},
    "var": {"correction": 1, "keepdim": False},
}
KEEPDIM = ["amax", "amin", "argmax", "argmin", "logsumexp", "mean", "p_norm", "prod", "std", "sum", "var"]


def test_the_kinds():
    assert sorted(name for name, op in OPS.items() if op.floating) == FLOATING
    assert {name for name, op in OPS.items() if op.elementwise} == {*FLOATING, *OTHER_ELEMENTWISE}
    assert sorted(name for name, op in OPS.items() if op.view) == VIEWS


def test_what_is_left_out_is_as_in_pytorch():
    expected = {name: {"keepdim": False} for name in KEEPDIM} | DEFAULTS
    assert {name: op.defaults for name, op in OPS.items() if op.defaults} == expected


@pytest.mark.parametrize("name", FLOATING)
def test_of_integers_they_make_floats(name):
    op, ones = OPS[name], tg.ones(2, dtype=tg.int64)
    out = op(*[ones] * len(op.inputs))
    assert out.dtype == np.float32
    wide = op(*[tg.ones(2, dtype=tg.float64)] * len(op.inputs))
    assert wide.dtype == np.float64
    np.testing.assert_allclose(out.array, wide.array, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in (*FLOATING, *OTHER_ELEMENTWISE)
        if len(OPS[n].inputs) == 2 and n not in ("binary_cross_entropy", "relu_grad", "where")
    ],
)
def test_two_are_promoted_as_in_pytorch(name):
    """An integer never widens a float, and a number widens nothing."""
    op, x = OPS[name], tg.ones(2)
    same = op(x, x).dtype
    assert op(x, tg.ones(2, dtype=tg.int64)).dtype == op(x, 1.0).dtype == op(1.0, x).dtype == same
    assert op(x, tg.ones(1, dtype=tg.float64)).dtype == (np.float64 if same == np.float32 else same)


# --- far from 0, where random numbers seldom come -------------------------------------------------------

FAR = [
    -800.0,
    -101.0,
    -50.0,
    -39.0,
    -21.0,
    -4.0,
    -3.0,
    -1.0,
    0.0,
    0.5,
    1.0,
    2.0,
    3.0,
    4.0,
    21.0,
    39.0,
    50.0,
    800.0,
]


def logistic(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def log_of_1_plus_exp(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def mish_slope(x):
    t = math.tanh(log_of_1_plus_exp(x))
    return t + x * (1 - t * t) * logistic(x)


ACTIVATIONS = {
    "relu": (lambda x: max(x, 0), lambda x: float(x > 0)),
    "leaky_relu": (lambda x: x if x > 0 else 0.01 * x, lambda x: 1 if x > 0 else 0.01),
    "elu": (lambda x: x if x > 0 else math.expm1(x), lambda x: 1 if x > 0 else math.exp(x)),
    "hardtanh": (lambda x: min(max(x, -1), 1), lambda x: float(-1 < x < 1)),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
    "hardswish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: float(x > 0) if abs(x) >= 3 else x / 3 + 0.5,
    ),
    "mish": (lambda x: x * math.tanh(log_of_1_plus_exp(x)), mish_slope),
    "softplus": (log_of_1_plus_exp, logistic),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_far_from_zero(name):
    value, slope = ACTIVATIONS[name]
    x = tg.tensor(FAR, dtype=tg.float64, requires_grad=True)
    out = OPS[name](x)
    np.testing.assert_allclose(out.array, [value(v) for v in FAR], rtol=1e-8, atol=1e-15)
    out.backward(tg.full((len(FAR),), 2.0, dtype=tg.float64))
    np.testing.assert_allclose(x.grad.array, [2 * slope(v) for v in FAR], rtol=1e-8, atol=1e-15)


def test_softplus_is_x_above_its_threshold():
    x = tg.tensor([1.0, 1.5, 2.0], dtype=tg.float64)
    out = OPS["softplus"](x, beta=2.0, threshold=3.0).array
    np.testing.assert_allclose(out, [math.log1p(math.exp(2)) / 2, math.log1p(math.exp(3)) / 2, 2.0])
    assert out[2] == 2.0
    assert OPS["softplus"](tg.tensor(20.5)).item() == 20.5


def test_hardtanh_of_integers_stays_one():
    out = OPS["hardtanh"](tg.tensor([-3, 0, 3]), min_val=-2.0, max_val=2.0)
    assert out.dtype == np.int64 and out.tolist() == [-2, 0, 2]


def test_elu_with_other_slopes():
    x = tg.tensor([-1.0, 0.5], dtype=tg.float64, requires_grad=True)
    out = OPS["elu"](x, alpha=2.0, scale=3.0, pace=0.5)
    np.testing.assert_allclose(out.array, [6 * math.expm1(-0.5), 1.5])
    out.sum().backward()
    np.testing.assert_allclose(x.grad.array, [3 * math.exp(-0.5), 3.0])
    assert OPS["elu"](tg.tensor([0.5]), scale=2.0).item() == 1.0


def test_bools_have_no_negative_and_their_powers_are_bools():
    yes = tg.tensor([True, False])
    with pytest.raises(DtypeError, match="neg: x is bool, which has no neg"):
        OPS["neg"](yes)
    out = OPS["pow"](yes, yes)
    assert out.dtype == np.bool_ and out.tolist() == [True, True]
    small = tg.tensor([2, 3], dtype=tg.int8)
    out = OPS["pow"](small, small)
    assert out.dtype == np.int8 and out.tolist() == [4, 27]


DIVISIONS = {
    "floor_divide": lambda x, y: math.floor(x / y),
    "trunc_divide": lambda x, y: math.trunc(x / y),
    "remainder": lambda x, y: x - y * math.floor(x / y),
    "fmod": lambda x, y: x - y * math.trunc(x / y),
}


@pytest.mark.parametrize("name", DIVISIONS)
def test_whole_parts_and_remainders(name):
    x, y = [7, -7, 7, -7, 6, 0, 1], [2, 2, -2, -2, 3, 5, -9]
    expected = [DIVISIONS[name](a, b) for a, b in zip(x, y, strict=True)]
    out = OPS[name](tg.tensor(x), tg.tensor(y))
    assert out.dtype == np.int64 and out.tolist() == expected
    out = OPS[name](tg.tensor(x, dtype=tg.float64), tg.tensor(y, dtype=tg.float64))
    assert out.dtype == np.float64 and out.tolist() == expected
    with pytest.raises(ArgumentError, match=f"^{name}: an integer is divided by 0"):
        OPS[name](tg.tensor(x), tg.tensor([1, 2, 3, 0, 1, 2, 3]))
    assert not np.isfinite(OPS[name](tg.tensor([1.0, 2.0]), tg.tensor([1.0, 0.0])).array[1])


def test_signs_and_steps_of_integers_and_bools():
    x, yes = tg.tensor([-3, 0, 2]), tg.tensor([True, False])
    assert OPS["sign"](x).tolist() == [-1, 0, 1] and OPS["sign"](x).dtype == np.int64
    assert OPS["sign"](yes).tolist() == [True, False] and OPS["sign"](yes).dtype == np.bool_
    assert OPS["sign"](tg.tensor([-0.5, 0.0, math.nan, 9.0])).tolist() == [-1, 0, 0, 1]
    for name in ("floor", "ceil", "trunc", "round"):
        out = OPS[name](x)
        assert out.dtype == np.int64 and out.tolist() == x.tolist()
        assert not np.shares_memory(out.array, x.array)


def test_clamp_of_integers():
    x = tg.tensor([-3, 0, 5])
    assert OPS["clamp"](x, min=-1, max=2).tolist() == [-1, 0, 2]
    assert OPS["clamp"](x, max=2).dtype == OPS["clamp"](x, min=2).dtype == np.int64
    assert OPS["clamp"](x, min=0.5).dtype == OPS["clamp"](x, max=0.5).dtype == np.float32
    assert OPS["clamp"](x, max=0.5).tolist() == [-3, 0, 0.5]
    assert OPS["clamp"](tg.tensor([1.0], dtype=tg.float64), min=0.5).dtype == np.float64
    with pytest.raises(ArgumentError, match="clamp: at least one of min and max"):
        OPS["clamp"](x)


def test_a_condition_that_does_not_fit():
    with pytest.raises(ShapeError, match=r"where: condition \(2,\), x \(3,\) and y \(3,\) do not broadcast"):
        OPS["where"](tg.ones(3), tg.zeros(3), mask=np.array([True, False]))


# --- gradients at kinks, ties and ends -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "x", "y", "dx", "dy"),
    [
        ("clamp_min", [1, 2, 3], [2, 2, 2], [0, 1, 1], [1, 0, 0]),
        ("clamp_max", [1, 2, 3], [2, 2, 2], [1, 1, 0], [0, 0, 1]),
        ("maximum", [1, 2, 3], [2, 2, 2], [0, 0.5, 1], [1, 0.5, 0]),
        ("minimum", [1, 2, 3], [2, 2, 2], [1, 0.5, 0], [0, 0.5, 1]),
        ("atan2", [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, -1, 0]),
        ("pow", [0, 0, 2], [0, 1, 3], [0, 1, 12], [0, 0, 8 * math.log(2)]),
        ("prelu", [-2, 0, 2], [3, 3, 3], [3, 3, 1], [-2, 0, 0]),
    ],
)
def test_gradients_of_two_at_ties_and_kinks(name, x, y, dx, dy):
    x, y = (tg.tensor(v, dtype=tg.float64, requires_grad=True) for v in (x, y))
    OPS[name](x, y).sum().backward()
    np.testing.assert_allclose(x.grad.array, dx)
    np.testing.assert_allclose(y.grad.array, dy)


@pytest.mark.parametrize(
    ("name", "attrs", "x", "dx"),
    [
        ("logit", {}, [-1, 0, 0.5, 1, 1.5], [math.nan, math.inf, 4, math.inf, math.nan]),
        ("clamp", {"min": 1, "max": 2}, [0, 1, 1.5, 2, 3], [0, 1, 1, 1, 0]),
        ("clamp", {"min": 1}, [0, 1, 3], [0, 1, 1]),
        ("clamp", {"max": 1}, [0, 1, 3], [1, 1, 0]),
        ("abs", {}, [-2, 0, 2], [-1, 0, 1]),
        ("hardtanh", {"min_val": -2.0, "max_val": 1.0}, [-3, -2, -1, 1, 2], [0, 0, 1, 0, 0]),
        ("leaky_relu", {"negative_slope": 0.5}, [-1, 0, 1], [0.5, 0.5, 1]),
        ("elu", {"alpha": 2.0}, [0, 1], [2, 1]),
    ],
)
def test_gradients_of_one_at_kinks_and_ends(name, attrs, x, dx):
    x = tg.tensor(x, dtype=tg.float64, requires_grad=True)
    OPS[name](x, **attrs).sum().backward()
    np.testing.assert_allclose(x.grad.array, dx)


def test_the_slope_of_mish_far_out():
    x = tg.tensor([60.0, 1e4, -60.0, -1e4], requires_grad=True)  # where e^x squared is too large for float32
    OPS["mish"](x).sum().backward()
    np.testing.assert_allclose(x.grad.array, [1, 1, 0, 0], atol=1e-6)


def test_quotients_are_cut_off_as_they_are_rounded():
    x, y = tg.tensor([1.0, -1.0, 7.0]), tg.tensor([0.1, 0.1, np.inf])
    assert OPS["trunc_divide"](x, y).tolist() == [10, -10, 0]  # though 1 % 0.1 is nearly 0.1


# --- matrices and sums of products -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "equation",
    [
        "ii->i", "ii->", "iii->i", "iji->ij", "ijj->ij", "ijji->ij", "ijij->ji", "iij->j", "ij->", "ij->ji",
        "ij->j", "ij,jk->ik", "ij,jk->ki", "ij,jk->", "ij,kl->jl", "i,j->ij", "i,j->ji", "i,i->i", "i,i->",
        "bij,bjk->bik", "bij,bkj->kib", "ij,ij->ij", "ij,ij->i", "ij,k->kij", "ii,ij->j", "ij,jk,kl->il",
        "ij,jk,ki->", "i,j,k->kji", "ijk,jl,kl->il", "aib,bja,jc->ic", "ij,j,k->i", "ij,jj->i",
    ],
)  # fmt: skip
def test_einsum_is_numpys(equation):
    size = dict(zip("abcijkl", (2, 3, 4, 5, 3, 2, 4), strict=True))
    rng, left = np.random.default_rng(0), equation.split("->")[0].split(",")
    arrays = [rng.standard_normal([size[label] for label in labels]) for labels in left]
    out = tg.einsum(equation, *(tg.from_numpy(a) for a in arrays))
    np.testing.assert_allclose(out.array, np.einsum(equation, *arrays), rtol=1e-10, atol=1e-12)


def test_einsum_broadcasts_axes_of_one():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1, 3)), rng.standard_normal((4, 3))
    found = tg.einsum("ij,ij->i", tg.from_numpy(x), tg.from_numpy(y)).array
    np.testing.assert_allclose(found, (x * y).sum(1))
    found = tg.einsum("ij,ij->j", tg.from_numpy(y), tg.from_numpy(x)).array
    np.testing.assert_allclose(found, (x * y).sum(0))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: OPS["inv"](x), "inv: the matrix .* is singular; add a small multiple"),
        (lambda x: OPS["solve"](x, tg.ones(2, 1)), "solve: the matrix .* is singular"),
        (lambda x: OPS["cholesky"](-x), "cholesky: the matrix .* is not positive definite"),
    ],
)
def test_singular_matrices(call, said):
    with pytest.raises(ArgumentError, match=said):
        call(tg.ones(2, 2))


@pytest.mark.parametrize("many", [(5,), (2, 1)])
def test_the_gradient_of_cholesky_is_of_the_lower_triangle_only(many):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((*many, 3, 3))
    x = tg.from_numpy(a @ a.swapaxes(-1, -2) + np.eye(3)).requires_grad_()
    g = rng.standard_normal((*many, 3, 3))
    (lower,) = tg.autograd.grad(OPS["cholesky"](x), x, tg.from_numpy(np.tril(g)))
    (full,) = tg.autograd.grad(OPS["cholesky"](x), x, tg.from_numpy(g))
    np.testing.assert_array_equal(lower.array, full.array)
    np.testing.assert_allclose(full.array, full.array.swapaxes(-1, -2))

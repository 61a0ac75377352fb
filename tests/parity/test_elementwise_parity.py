"""Functions of each element against PyTorch 2.13: as methods and functions, in place, for all dtypes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, ours, outcome, refused, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import (  # noqa: E402
    Values,
    arrays,
    away_from,
    broadcastable,
    normal,
    shapes,
    uniform,
)

dtypes = st.sampled_from(DTYPES)
positive = uniform(0.5, 2.0)
inner = uniform(-0.8, 0.8)
between = away_from(*np.arange(-6, 6.5, 0.5))


# --- one array -------------------------------------------------------------------------------------------

# name: (values, order of differentiation)
UNARY: dict[str, tuple[Values, int]] = {
    "absolute": (away_from(0.0), 2),
    "acos": (inner, 2),
    "acosh": (uniform(1.2, 3.0), 2),
    "asin": (inner, 2),
    "asinh": (normal, 2),
    "atan": (normal, 2),
    "atanh": (inner, 2),
    "ceil": (between, 2),
    "cos": (normal, 2),
    "cosh": (normal, 2),
    "exp2": (normal, 2),
    "expm1": (normal, 2),
    "floor": (between, 2),
    "frac": (between, 2),
    "isfinite": (normal, 0),
    "isinf": (normal, 0),
    "isnan": (normal, 0),
    "log10": (positive, 2),
    "log2": (positive, 2),
    "logit": (uniform(0.1, 0.9), 2),
    "nan_to_num": (normal, 2),
    "negative": (normal, 2),
    "positive": (normal, 2),
    "reciprocal": (positive, 2),
    "round": (between, 2),
    "rsqrt": (positive, 2),
    "sin": (normal, 2),
    "sinh": (normal, 2),
    "tan": (inner, 2),
    "trunc": (between, 2),
}


@pytest.mark.parametrize("name", UNARY)
@few
@given(data=st.data(), dtype=dtypes)
def test_one_array(name: str, data: Any, dtype: str) -> None:
    values, order = UNARY[name]
    x = data.draw(arrays(shapes(), values, dtype=dtype))
    agree(lambda t, x: getattr(x, name)(), [x], order=order, terms=1)
    agree(lambda t, x: getattr(t, name)(x), [x], order=0, terms=1)


# --- several arrays that broadcast -------------------------------------------------------------------------

# name: (values of each array, order of differentiation)
MANY: dict[str, tuple[tuple[Values, ...], int]] = {
    "addcdiv": ((normal, normal, positive), 2),
    "addcmul": ((normal, normal, normal), 2),
    "atan2": ((normal, away_from(0.0)), 2),
    "divide": ((normal, positive), 2),
    "floor_divide": ((uniform(-2.6, -2.1), uniform(0.9, 1.0)), 0),  # PyTorch cannot differentiate it
    "fmod": ((uniform(-2.6, -2.1), uniform(0.9, 1.0)), 2),
    "greater": ((normal, normal), 0),
    "greater_equal": ((normal, normal), 0),
    "hypot": ((normal, away_from(0.0)), 2),
    "isclose": ((normal, normal), 0),
    "lerp": ((normal, normal, normal), 2),
    "less": ((normal, normal), 0),
    "less_equal": ((normal, normal), 0),
    "logaddexp": ((normal, normal), 2),
    "multiply": ((normal, normal), 2),
    "not_equal": ((normal, normal), 0),
    "remainder": ((uniform(-2.6, -2.1), uniform(0.9, 1.0)), 2),
    "subtract": ((normal, normal), 2),
}


@pytest.mark.parametrize("name", MANY)
@few
@given(data=st.data(), dtype=dtypes)
def test_several_arrays(name: str, data: Any, dtype: str) -> None:
    values, order = MANY[name]
    many = [
        data.draw(arrays(shape, v, dtype=dtype))
        for shape, v in zip(data.draw(broadcastable(len(values))), values, strict=True)
    ]
    terms = max(1, np.broadcast(*many).size)
    agree(lambda t, x, *ys: getattr(x, name)(*ys), many, order=order, terms=terms)
    agree(lambda t, *xs: getattr(t, name)(*xs), many, order=0)


# What a name cannot say: arguments by keyword, numbers, operators.
CALLS: dict[str, Callable[..., Any]] = {
    "add alpha": lambda t, x, y: t.add(x, y, alpha=2.5),
    "add number alpha": lambda t, x, y: x.add(3, alpha=-2),
    "sub alpha": lambda t, x, y: t.sub(x, y, alpha=0.5),
    "addcmul value": lambda t, x, y: t.addcmul(x, x, y, value=-0.5),
    "addcdiv value": lambda t, x, y: x.addcdiv(y, x, value=3),
    "lerp number": lambda t, x, y: t.lerp(x, y, 0.3),
    "div none": lambda t, x, y: t.div(x, y, rounding_mode=None),
    "div floor": lambda t, x, y: t.div(x, y, rounding_mode="floor"),
    "div trunc": lambda t, x, y: x.div(y, rounding_mode="trunc"),
    "div trunc number": lambda t, x, y: x.div(0.3, rounding_mode="trunc"),
    "true_divide": lambda t, x, y: t.true_divide(x, y),
    "x % 0.3": lambda t, x, y: x % 0.3,
    "x % -0.3": lambda t, x, y: x % -0.3,
    "fmod number": lambda t, x, y: x.fmod(-0.3),
    "remainder number": lambda t, x, y: t.remainder(x, 0.3),
    "2 // x": lambda t, x, y: (2 // x.detach()),
    "7 % x": lambda t, x, y: 7 % x.detach(),
    "x // 0.3": lambda t, x, y: x.detach() // 0.3,
    "round decimals": lambda t, x, y: t.round(x, decimals=1),
    "round tens": lambda t, x, y: (x * 100).round(decimals=-1),
    "clamp_min": lambda t, x, y: t.clamp_min(x, 1.05),
    "clamp_max": lambda t, x, y: x.clamp_max(1.05),
    "clamp_min tensor": lambda t, x, y: x.clamp_min(y.detach() + 0.01),
    "clamp_max tensor": lambda t, x, y: t.clamp_max(x, y.detach() + 0.01),
    "logit eps": lambda t, x, y: t.logit(x - 0.7, eps=0.1),
    "nan_to_num arguments": lambda t, x, y: t.nan_to_num(x / 0, nan=1.0, posinf=2.0, neginf=-2.0),
    "softmax dtype": lambda t, x, y: x.reshape(-1).softmax(0, dtype=t.float64),
    "log_softmax dtype": lambda t, x, y: t.log_softmax(x.reshape(-1), 0, dtype=t.float64),
    "isclose options": lambda t, x, y: t.isclose(x.detach(), y.detach(), rtol=0.1, atol=0.2),
    "pow number": lambda t, x, y: t.pow(x, 2.5),
    "pow of a number": lambda t, x, y: t.pow(2.0, x),
    "add of a number": lambda t, x, y: t.mul(2, x),
    "where": lambda t, x, y: t.where(x > 1, x, y),
    "masked_fill by a tensor": lambda t, x, y: t.masked_fill(x, x > 1, t.ones((), dtype=x.dtype)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@few
@given(data=st.data(), dtype=dtypes)
def test_calls(name: str, data: Any, dtype: str) -> None:
    """Of numbers between 0.8 and 1.2, none of which is near a step of these functions."""
    a, b = data.draw(broadcastable())
    steps = lambda rng, shape: rng.choice([0.83, 0.96, 1.07, 1.18], shape)  # noqa: E731
    pair = [data.draw(arrays(shape, steps, dtype=dtype)) for shape in (a, b)]
    agree(lambda t, x, y: CALLS[name](t, x, y), pair, order=2, terms=max(1, np.broadcast(*pair).size))


@given(data=st.data(), dtype=dtypes)
def test_whole_answers(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(), normal, dtype=dtype))
    for other in (x, x + 1e-7, x * 1.5, x.reshape(-1), np.full_like(x, np.nan)):
        y = np.asarray(other, dtype)
        for call in (
            lambda t, x, y: t.equal(x, y),
            lambda t, x, y: x.equal(y),
            lambda t, x, y: outcome(lambda: t.allclose(x, y)),
            lambda t, x, y: outcome(lambda: x.allclose(y, rtol=0.1, atol=0.2, equal_nan=True)),
        ):
            mine, wanted = call(tg, ours(x), ours(y)), call(torch, theirs(x), theirs(y))
            assert mine == wanted or (refused(wanted) and refused_here(mine))


# --- in place --------------------------------------------------------------------------------------------

# name: its arguments after x, made of y
_ALONE = """
    abs absolute acos asin asinh atan atanh ceil cos cosh erf exp exp2 expm1 floor frac log log10 log1p log2
    logical_not logit nan_to_num neg negative reciprocal relu round rsqrt sigmoid sign sin sinh sqrt square
    tan tanh trunc
"""
_WITH_ANOTHER = """
    add sub mul div multiply subtract divide true_divide pow fmod remainder atan2 hypot
    logical_and logical_or logical_xor
"""
WRITTEN: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    **dict.fromkeys(_ALONE.split(), lambda y: ()),
    **dict.fromkeys(_WITH_ANOTHER.split(), lambda y: (y,)),
    "lerp": lambda y: (y, 0.25),
    "addcmul": lambda y: (y, y),
    "addcdiv": lambda y: (y, y + 1),
    "clamp": lambda y: (0.45, 0.6),
    "clip": lambda y: (0.45, 0.6),
    "clamp_min": lambda y: (0.5,),
    "clamp_max": lambda y: (0.5,),
    "masked_fill": lambda y: (y > 0.5, 2.0),
}
NOT_RECORDED = {"asinh", "atanh", "logical_not", "logical_and", "logical_or", "logical_xor"}  # in PyTorch


@pytest.mark.parametrize("name", WRITTEN)
@few
@given(data=st.data(), dtype=dtypes)
def test_in_place(name: str, data: Any, dtype: str) -> None:
    """On a parameter under no_grad, through a view, and on the tape."""
    steps = lambda rng, shape: rng.choice([0.23, 0.36, 0.57, 0.68], shape)  # noqa: E731
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), steps, dtype=dtype))
    y = data.draw(arrays(x.shape[data.draw(st.integers(0, x.ndim)) :], steps, dtype=dtype))

    def step(x: Any, y: Any) -> Any:
        out = getattr(x, f"{name}_")(*WRITTEN[name](y))
        assert out is x
        return out

    def quietly(t: Any, x: Any, y: Any) -> Any:
        x = x.detach().clone().requires_grad_()
        with t.no_grad():
            step(x, y)
        assert x.is_leaf and x.requires_grad
        return x * x

    def through_a_view(t: Any, x: Any, y: Any) -> Any:
        x, y = x.detach().clone(), y.detach()
        step(x[:1], y[:1] if y.ndim == x.ndim else y)
        return x

    def recorded(t: Any, x: Any, y: Any) -> Any:
        z = x * 1.25
        return step(z, y) * z

    agree(quietly, [x, y], order=0)
    agree(through_a_view, [x, y], order=0)
    if name not in NOT_RECORDED:
        agree(recorded, [x, y], order=2)


ASSIGNED: dict[str, Callable[..., Any]] = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv,
    "//=": operator.ifloordiv, "%=": operator.imod, "**=": operator.ipow, "&=": operator.iand,
    "|=": operator.ior, "^=": operator.ixor, "<<=": operator.ilshift, ">>=": operator.irshift,
    "floor_divide_": lambda x, y: x.floor_divide_(y), "fmod_": lambda x, y: x.fmod_(y),
    "remainder_": lambda x, y: x.remainder_(y), "bitwise_and_": lambda x, y: x.bitwise_and_(y),
    "bitwise_or_": lambda x, y: x.bitwise_or_(y), "bitwise_xor_": lambda x, y: x.bitwise_xor_(y),
    "bitwise_left_shift_": lambda x, y: x.bitwise_left_shift_(y), "pow_": lambda x, y: x.pow_(y),
    "bitwise_right_shift_": lambda x, y: x.bitwise_right_shift_(y), "add_": lambda x, y: x.add_(y, alpha=2),
    "copy_": lambda x, y: x.copy_(y), "div_ trunc": lambda x, y: x.div_(y, rounding_mode="trunc"),
    "exp_": lambda x, y: x.exp_(), "bitwise_not_": lambda x, y: x.bitwise_not_(),
    "sub_": lambda x, y: x.sub_(y), "acosh_": lambda x, y: x.acosh_(),
    "masked_fill_": lambda x, y: x.masked_fill_(x > 1, 7), "clamp_": lambda x, y: x.clamp_(2, 3),
    "logical_not_": lambda x, y: x.logical_not_(), "sqrt_": lambda x, y: x.sqrt_(),
}  # fmt: skip


# --- dtypes ----------------------------------------------------------------------------------------------

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
OPERANDS: dict[str, Any] = {
    **{f"{kind} (3,)": np.array([1, 2, 3], kind) for kind in KINDS},
    **{f"{kind} ()": np.array(2, kind) for kind in KINDS},
    "True": True,
    "2": 2,
    "2.5": 2.5,
}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda t, x, y: x + y,
    "*": lambda t, x, y: x * y,
    "/": lambda t, x, y: x / y,
    "//": lambda t, x, y: x // y,
    "%": lambda t, x, y: x % y,
    "&": lambda t, x, y: x & y,
    "<<": lambda t, x, y: x << y,
    ">>": lambda t, x, y: x >> y,
    "add alpha=2": lambda t, x, y: t.add(x, y, alpha=2),
    "add alpha=0.5": lambda t, x, y: t.add(x, y, alpha=0.5),
    "add alpha=True": lambda t, x, y: t.add(x, y, alpha=True),
    "sub alpha": lambda t, x, y: t.sub(x, y, alpha=2),
    "div floor": lambda t, x, y: t.div(x, y, rounding_mode="floor"),
    "div trunc": lambda t, x, y: t.div(x, y, rounding_mode="trunc"),
    "fmod": lambda t, x, y: t.fmod(x, y),
    "remainder": lambda t, x, y: t.remainder(x, y),
    "floor_divide": lambda t, x, y: t.floor_divide(x, y),
    "atan2": lambda t, x, y: t.atan2(x, y),
    "hypot": lambda t, x, y: t.hypot(x, y),
    "logaddexp": lambda t, x, y: t.logaddexp(x, y),
    "bitwise_and": lambda t, x, y: t.bitwise_and(x, y),
    "bitwise_or": lambda t, x, y: t.bitwise_or(x, y),
    "bitwise_xor": lambda t, x, y: t.bitwise_xor(x, y),
    "bitwise_left_shift": lambda t, x, y: t.bitwise_left_shift(x, y),
    "bitwise_right_shift": lambda t, x, y: t.bitwise_right_shift(x, y),
    "isclose": lambda t, x, y: t.isclose(x, y),
    "lerp": lambda t, x, y: t.lerp(x, y, 0.5),
    "addcmul": lambda t, x, y: t.addcmul(x, y, x),
    "addcdiv": lambda t, x, y: t.addcdiv(x, y, x),
    "masked_fill": lambda t, x, y: t.as_tensor(x).masked_fill(t.tensor([True, False, True]), y),
    "clamp_min": lambda t, x, y: t.as_tensor(x).clamp_min(y),
    "clamp_max": lambda t, x, y: t.as_tensor(x).clamp_max(y),
    **{name: lambda t, x, y, f=function: f(t.as_tensor(x), y) for name, function in ASSIGNED.items()},
}


def differences(call: Callable[..., Any], operands: list[tuple[Any, ...]]) -> list[str]:
    """Where the outcomes differ; that PyTorch has no kernel for some dtype does not count."""
    differ = []
    for values in operands:
        said = []
        for t, make in ((tg, ours), (torch, theirs)):
            made = [make(v.copy()) if isinstance(v, np.ndarray) else v for v in values]
            said.append(outcome(lambda t=t, made=made: call(t, *made)))
        mine, wanted = said
        if isinstance(wanted, Exception):
            right = refused_here(mine) or not refused(wanted)
        elif isinstance(mine, Exception):
            right = False
        elif isinstance(wanted, torch.Tensor):
            right = not isinstance(outcome(lambda mine=mine, wanted=wanted: same(mine, wanted)), Exception)
        else:
            right = str(mine) == str(wanted).removeprefix("torch.")
        if not right:
            shown = [f"{v.dtype}{v.shape}" if isinstance(v, np.ndarray) else repr(v) for v in values]
            differ.append(f"{', '.join(shown)}: here {mine!r}, PyTorch {wanted!r}")
    return differ


@pytest.mark.parametrize("name", OPERATIONS)
def test_promotion(name: str) -> None:
    """Over all pairs of dtypes, as tensors, 0-d tensors and numbers: same dtype and values, or errors."""
    pairs = [p for p in product(OPERANDS.values(), repeat=2) if any(isinstance(v, np.ndarray) for v in p)]
    assert differences(OPERATIONS[name], pairs) == []


ANY_DTYPE: dict[str, Callable[..., Any]] = {
    **{name: lambda t, x, name=name: getattr(x, name)() for name in UNARY},
    **{f"{name}_": lambda t, x, name=name: getattr(x, f"{name}_")() for name in _ALONE.split()},
    **{name: lambda t, x, name=name: getattr(x, name)() for name in (
        "sign", "exp", "sqrt", "erf", "sigmoid", "tanh", "log", "square", "half", "short", "byte", "char",
        "float", "bitwise_not", "is_floating_point", "element_size", "stride", "nelement", "ndimension",
        "logical_not",
    )},
    **{name: lambda t, x, name=name: getattr(x, name) for name in ("itemsize", "nbytes", "requires_grad")},
    "round decimals": lambda t, x: x.round(decimals=1),
    "nan_to_num": lambda t, x: t.nan_to_num(x, 1.0, 2.0, 3.0),
    "type_as": lambda t, x: t.ones(2, dtype=t.float64).type_as(x),
    "is_floating_point()": lambda t, x: t.is_floating_point(x),
}  # fmt: skip


@pytest.mark.parametrize("name", ANY_DTYPE)
def test_each_dtype(name: str) -> None:
    every = [(np.array([0, 1, 2, 3], kind),) for kind in KINDS]
    every = [
        pair for pair in every if (name, str(pair[0].dtype)) not in {("square", "bool"), ("positive", "bool")}
    ]
    assert differences(ANY_DTYPE[name], every) == []


def test_dtypes_by_name() -> None:
    kinds = [(kind,) for kind in KINDS]
    pairs = list(product(KINDS, repeat=2))
    for call in (
        lambda t, a, b: t.promote_types(getattr(t, a), getattr(t, b)),
        lambda t, a, b: t.can_cast(getattr(t, a), getattr(t, b)),
    ):
        assert differences(call, pairs) == []
    operands = list(product(OPERANDS.values(), repeat=2))
    assert differences(lambda t, x, y: t.result_type(x, y), operands) == []
    for field in ("min", "max", "eps", "tiny", "smallest_normal", "bits"):
        floats = [pair for pair in kinds if pair[0].startswith("float")]
        assert (
            differences(lambda t, a, field=field: float(getattr(t.finfo(getattr(t, a)), field)), floats) == []
        )
    for field in ("min", "max", "bits"):
        whole = [pair for pair in kinds if "int" in pair[0]]
        assert differences(lambda t, a, field=field: getattr(t.iinfo(getattr(t, a)), field), whole) == []


# --- corners ---------------------------------------------------------------------------------------------

inf, nan = np.inf, np.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e10, -1e10, 1e-10, inf, -inf, nan]
CORNERS = {
    **{name: lambda t, x, y, name=name: getattr(t, name)(x) for name in UNARY},
    **{name: lambda t, x, y, name=name: getattr(t, name)(x, y) for name in (
        "atan2", "floor_divide", "fmod", "hypot", "remainder", "logaddexp", "isclose",
    )},
    "div floor": lambda t, x, y: t.div(x, y, rounding_mode="floor"),
    "div trunc": lambda t, x, y: t.div(x, y, rounding_mode="trunc"),
    "sign": lambda t, x, y: t.sign(x),
    "isclose nan": lambda t, x, y: t.isclose(x, y, equal_nan=True),
    "clamp_min": lambda t, x, y: t.clamp_min(x, y),
    "clamp_max": lambda t, x, y: t.clamp_max(x, y),
    "nan_to_num": lambda t, x, y: t.nan_to_num(x, nan=1.0, posinf=2.0, neginf=3.0),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CORNERS)
def test_corners(name: str, dtype: str) -> None:
    """Of all pairs of special values: results, and slopes where PyTorch has them."""
    x, y = (np.array(side, dtype) for side in zip(*product(SPECIAL, repeat=2), strict=True))
    agree(CORNERS[name], [x, y], order=0 if name == "floor_divide" else 1, terms=1)


WHOLE = [(np.array([7, -7, 7, -7], kind), np.array([2, 2, -3, -3], kind)) for kind in ("int32", "int64")]


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod", "div floor", "div trunc", ">>", "<<"])
def test_signs_of_integers(name: str) -> None:
    pairs = [(x, abs(y) if name in (">>", "<<") else y) for x, y in WHOLE]
    assert differences(OPERATIONS[name], pairs) == []


REFUSED: dict[str, Callable[[Any], Any]] = {
    "floor_divide by 0": lambda t: t.tensor([1]) // 0,
    "remainder by 0": lambda t: t.tensor([1]) % t.tensor([0]),
    "fmod by 0": lambda t: t.fmod(t.tensor([1]), 0),
    "div floor by 0": lambda t: t.div(t.tensor([1]), 0, rounding_mode="floor"),
    "rounding_mode": lambda t: t.div(t.ones(1), 2, rounding_mode="ceil"),
    "sizes": lambda t: t.fmod(t.ones(2), t.ones(3)),
    "sizes of atan2": lambda t: t.atan2(t.ones(2), t.ones(3)),
    "sizes of bits": lambda t: t.tensor([1, 2]) << t.tensor([1, 2, 3]),
    "sizes of isclose": lambda t: t.isclose(t.ones(2), t.ones(3)),
    "sizes of lerp": lambda t: t.lerp(t.ones(2), t.ones(3), 0.5),
    "dtypes of lerp": lambda t: t.lerp(t.ones(2), t.ones(2, dtype=t.float64), 0.5),
    "dtypes of isclose": lambda t: t.isclose(t.ones(2), t.ones(2, dtype=t.float64)),
    "allclose of ints and floats": lambda t: t.allclose(t.ones(2), t.tensor([1, 1])),
    "equal to a number": lambda t: t.equal(t.ones(2), 1.0),
    "exp of a number": lambda t: t.exp(1.0),
    "exp of a list": lambda t: t.exp([1.0]),
    "fmod of numbers": lambda t: t.fmod(1.0, 2.0),
    "atan2 of numbers": lambda t: t.atan2(1.0, 2.0),
    "shift of floats": lambda t: t.ones(2) & 1,
    "alpha of ints": lambda t: t.add(t.tensor([1]), 1, alpha=0.5),
    "alpha a word": lambda t: t.add(t.ones(1), 1, alpha="2"),
    "addcdiv of ints": lambda t: t.addcdiv(t.tensor([1]), t.tensor([1]), t.tensor([1])),
    "round decimals": lambda t: t.round(t.ones(1), decimals=0.5),
    "add a word": lambda t: t.ones(1).add("2"),
    "bits of a word": lambda t: t.tensor([1]) & "2",
    "float into ints": lambda t: t.tensor([1]).mul_(0.5),
    "ints into bools": lambda t: t.tensor([True]).add_(1),
    "larger in place": lambda t: t.ones(2).add_(t.ones(3, 2)),
    "leaf": lambda t: t.ones(2, requires_grad=True).exp_(),
    "leaf filled": lambda t: t.ones(2, requires_grad=True).masked_fill_(t.tensor([True, False]), 1),
    "mask of ints": lambda t: t.ones(2).masked_fill(t.tensor([1, 0]), 2.0),
    "clamp of a word": lambda t: t.ones(2).clamp_min("a"),
    "softmax of ints": lambda t: t.tensor([1]).softmax(0),
    "softmax of no axis": lambda t: t.ones(2).softmax(1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert isinstance(outcome(lambda: REFUSED[name](torch)), Exception)
    assert refused_here(outcome(lambda: REFUSED[name](tg)))


_both = {name.split()[0] for name in (*UNARY, *MANY, *CALLS, *OPERATIONS)} | {
    "equal", "allclose", "is_floating_point", "bitwise_not",
}  # fmt: skip
COVERED = {
    "Tensor": {n for n in _both if hasattr(tg.Tensor, n)}
    | {f"{n}_" for n in WRITTEN}
    | {n for n in ASSIGNED if n.endswith("_")}
    | {n for n in ANY_DTYPE if n.isidentifier() and hasattr(tg.Tensor, n)},
    "": {n for n in _both if n in tg.__all__}
    | {"promote_types", "can_cast", "result_type", "finfo", "iinfo"},
}

"""Every Tensor method and top-level function against PyTorch 2.13: values, dtypes, shapes, derivatives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, numpy, ours, outcome, refused, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import (  # noqa: E402
    Values,
    apart,
    arrays,
    away_from,
    broadcastable,
    normal,
    shapes,
    uniform,
)

dtypes = st.sampled_from(DTYPES)
nonempty = shapes(min_side=1)
positive = uniform(0.5, 2.0)


# --- one array -------------------------------------------------------------------------------------------

# name: (values, order of differentiation)
UNARY: dict[str, tuple[Values, int]] = {
    "abs": (away_from(0.0), 2),
    "clone": (normal, 2),
    "erf": (normal, 2),
    "exp": (normal, 2),
    "log": (positive, 2),
    "log1p": (positive, 2),
    "logical_not": (normal, 0),
    "neg": (normal, 2),
    "relu": (away_from(0.0), 2),
    "sigmoid": (normal, 2),
    "sign": (away_from(0.0), 2),
    "sqrt": (positive, 2),
    "square": (normal, 2),
    "tanh": (normal, 2),
    "contiguous": (normal, 1),
    "cpu": (normal, 1),
    "t": (normal, 1),
    "double": (normal, 1),
    "float": (normal, 1),
    "int": (normal, 0),
    "long": (normal, 0),
    "bool": (normal, 0),
    "detach": (normal, 0),
    "__pos__": (normal, 1),
}


@pytest.mark.parametrize("name", UNARY)
@few
@given(data=st.data(), dtype=dtypes)
def test_one_array(name: str, data: Any, dtype: str) -> None:
    values, order = UNARY[name]
    shape = shapes(max_dims=2 if name == "t" else 3)
    x = data.draw(arrays(shape, values, dtype=dtype))
    agree(lambda t, x: getattr(x, name)(), [x], order=order, terms=1)
    if hasattr(tg, name) and callable(getattr(tg, name)):
        agree(lambda t, x: getattr(t, name)(x), [x], order=0, terms=1)


@pytest.mark.parametrize("name", ["data", "T", "mT"])
@few
@given(data=st.data())
def test_properties(name: str, data: Any) -> None:
    x = data.draw(arrays(shapes(min_dims=2, max_dims=2 if name == "T" else 3)))
    agree(lambda t, x: getattr(x, name), [x])


@given(arrays(shapes(max_dims=3)))
def test_what_a_tensor_says_about_itself(array: np.ndarray) -> None:
    x, y = ours(array), theirs(array)
    assert (x.shape, x.ndim, x.dim(), x.numel(), x.size()) == (
        tuple(y.shape), y.ndim, y.dim(), y.numel(), tuple(y.size()),
    )  # fmt: skip
    assert x.tolist() == y.tolist()
    assert x.is_leaf == y.is_leaf and x.requires_grad == y.requires_grad and x.grad is y.grad is None
    assert [x.size(d) for d in range(-x.ndim, x.ndim)] == [y.size(d) for d in range(-x.ndim, x.ndim)]
    if x.ndim:
        assert len(x) == len(y)
        assert [row.tolist() for row in x] == [row.tolist() for row in y]
    if x.numel() == 1:
        assert x.item() == y.item() and float(x) == float(y) and bool(x) == bool(y) and int(x) == int(y)


# --- two arrays that broadcast ---------------------------------------------------------------------------

BINARY: dict[str, tuple[Callable[..., Any], tuple[Values, Values], int]] = {
    "add": (operator.add, (normal, normal), 2),
    "sub": (operator.sub, (normal, normal), 2),
    "mul": (operator.mul, (normal, normal), 2),
    "div": (operator.truediv, (normal, positive), 2),
    "true_divide": (operator.truediv, (normal, positive), 2),
    "pow": (operator.pow, (positive, normal), 2),
    "maximum": (lambda x, y: x.maximum(y), (normal, normal), 2),
    "minimum": (lambda x, y: x.minimum(y), (normal, normal), 2),
    "max": (lambda x, y: x.max(y), (normal, normal), 2),
    "min": (lambda x, y: x.min(y), (normal, normal), 2),
    "eq": (operator.eq, (normal, normal), 0),
    "ne": (operator.ne, (normal, normal), 0),
    "lt": (operator.lt, (normal, normal), 0),
    "le": (operator.le, (normal, normal), 0),
    "gt": (operator.gt, (normal, normal), 0),
    "ge": (operator.ge, (normal, normal), 0),
    "logical_and": (lambda x, y: x.logical_and(y), (normal, normal), 0),
    "logical_or": (lambda x, y: x.logical_or(y), (normal, normal), 0),
    "logical_xor": (lambda x, y: x.logical_xor(y), (normal, normal), 0),
    "expand_as": (lambda x, y: x.expand_as(x * y), (normal, normal), 1),
}


@pytest.mark.parametrize("name", BINARY)
@few
@given(data=st.data(), dtype=dtypes)
def test_two_arrays(name: str, data: Any, dtype: str) -> None:
    call, values, order = BINARY[name]
    pair = [
        data.draw(arrays(shape, v, dtype=dtype))
        for shape, v in zip(data.draw(broadcastable()), values, strict=True)
    ]
    terms = max(1, np.broadcast(*pair).size)
    agree(lambda t, x, y: call(x, y), pair, order=order, terms=terms)
    if hasattr(torch.Tensor, name) and name != "expand_as":
        agree(lambda t, x, y: getattr(x, name)(y), pair, order=0)
    if hasattr(tg, name):
        agree(lambda t, x, y: getattr(t, name)(x, y), pair, order=0)


NUMBERS = {
    "x + 2": lambda x: x + 2,
    "2.5 + x": lambda x: 2.5 + x,
    "x - 2.5": lambda x: x - 2.5,
    "2 - x": lambda x: 2 - x,
    "x * 3": lambda x: x * 3,
    "True * x": lambda x: True * x,
    "x / 2": lambda x: x / 2,
    "2 / x": lambda x: 2 / x,
    "x ** 2": lambda x: x**2,
    "x ** 3": lambda x: x**3,
    "x ** 0.5": lambda x: x**0.5,
    "x ** -1": lambda x: x**-1,
    "x ** 0": lambda x: x**0,
    "2 ** x": lambda x: 2**x,
    "1 ** x": lambda x: 1**x,
    "-x": lambda x: -x,
    "abs(x)": abs,
    "x.clamp(min=1)": lambda x: x.clamp(min=1),
    "x.clamp(max=1.5)": lambda x: x.clamp(max=1.5),
    "x.clamp(0.75, 1.25)": lambda x: x.clamp(0.75, 1.25),
    "x.clip(0.75, 1.25)": lambda x: x.clip(0.75, 1.25),
    "x.clamp(min=tensor)": lambda x: x.clamp(min=x.detach() * 0 + 1),
    "x.clamp(tensors)": lambda x: x.clamp(x.detach() * 0 + 1, x.detach() * 0 + 1.5),
    "x > 1": lambda x: x > 1,
    "1 <= x": lambda x: 1 <= x,  # noqa: SIM300
    "x == 1.0": lambda x: x == 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
@few
@given(x=st.one_of(arrays(shapes(), positive, dtype=np.float32), arrays(shapes(), positive)))
def test_with_numbers(name: str, x: np.ndarray) -> None:
    agree(lambda t, x: NUMBERS[name](x), [x], order=2, terms=1)


@given(st.data(), dtypes)
def test_where_and_masked_fill(data: Any, dtype: str) -> None:
    a, b, c = data.draw(broadcastable(3))
    mask = np.asarray(data.draw(arrays(c)) > 0)
    x, y = data.draw(arrays(a, dtype=dtype)), data.draw(arrays(b, dtype=dtype))
    agree(lambda t, x, y, m: t.where(m, x, y), [x, y, mask], order=2)
    agree(lambda t, x, y, m: x.where(m, y), [x, y, mask], order=2)
    agree(lambda t, x, m: t.where(m, x, 1.5), [x, mask], order=2)
    agree(lambda t, x, m: t.where(m, 2, x), [x, mask], order=2)
    agree(lambda t, x, m: t.masked_fill(x, m, -1.0), [x, mask], order=2)
    agree(lambda t, x, m: x.masked_fill(m, 7), [x, mask], order=2)


# --- reductions ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reduction:
    """How a reduction is drawn.

    Attributes:
        values: what is reduced.
        order: of differentiation.
        empty: whether it may reduce no element.
        dims: "many" axes, "one", or "some" where there must be at least one.
    """

    values: Values = normal
    order: int = 2
    empty: bool = False
    dims: str = "many"


REDUCTIONS = {
    "sum": Reduction(empty=True),
    "mean": Reduction(empty=True),
    "var": Reduction(apart),
    "std": Reduction(apart),
    "amax": Reduction(apart),
    "amin": Reduction(apart),
    "logsumexp": Reduction(dims="some", empty=True),
    "any": Reduction(order=0, empty=True),
    "all": Reduction(order=0, empty=True),
    "max": Reduction(apart, dims="one"),
    "min": Reduction(apart, dims="one"),
    "argmax": Reduction(apart, order=0, dims="one"),
    "argmin": Reduction(apart, order=0, dims="one"),
}


@st.composite
def dims_of(draw: Any, ndim: int, kind: str) -> Any:
    """None, one axis, or several in any order, counted from either end."""
    if ndim == 0:
        return draw(st.sampled_from((-1, 0)) if kind == "some" else st.sampled_from((None, -1, 0)))
    one = st.integers(-ndim, ndim - 1)
    if kind == "one":
        return draw(st.one_of(st.none(), one))
    many = st.lists(st.integers(0, ndim - 1), unique=True, min_size=1).flatmap(
        lambda ds: st.tuples(*(st.sampled_from((d, d - ndim)) for d in ds))
    )
    return draw(st.one_of(one, many) if kind == "some" else st.one_of(st.none(), one, many))


@pytest.mark.parametrize("name", REDUCTIONS)
@few
@given(data=st.data(), dtype=dtypes)
def test_reductions(name: str, data: Any, dtype: str) -> None:
    row = REDUCTIONS[name]
    shape = shapes(min_side=0 if row.empty else 2)
    x = data.draw(arrays(shape, row.values, dtype=dtype))
    if name in ("var", "std") and x.ndim == 0:
        x = x.reshape(1).repeat(3) * np.arange(1, 4, dtype=dtype)
    dim = data.draw(dims_of(x.ndim, row.dims))
    keepdim = data.draw(st.booleans()) if dim is not None else False
    options = {} if dim is None else {"dim": dim, "keepdim": keepdim}
    agree(lambda t, x: getattr(x, name)(**options), [x], order=row.order)
    agree(lambda t, x: getattr(t, name)(x, **options), [x], order=0)


@pytest.mark.parametrize("name", ["var", "std"])
@few
@given(data=st.data(), dtype=dtypes)
def test_deviations(name: str, data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=2), apart, dtype=dtype))
    dim = data.draw(dims_of(x.ndim, "some"))
    for options in (
        {"correction": data.draw(st.integers(0, 1))},
        {"unbiased": data.draw(st.booleans())},
        {},
    ):
        agree(lambda t, x, o=options: getattr(x, name)(dim=dim, keepdim=True, **o), [x], order=2)
        agree(lambda t, x, o=options: getattr(t, name)(x, dim, **o), [x], order=0)
    agree(lambda t, x: getattr(x, name)(unbiased=False), [x], order=2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@few
@given(data=st.data(), dtype=dtypes)
def test_softmax(name: str, data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(), dtype=dtype))
    dim = data.draw(_axis(x.ndim))
    agree(lambda t, x: getattr(x, name)(dim), [x], order=2)
    agree(lambda t, x: getattr(t, name)(x, dim=dim), [x], order=0)
    agree(lambda t, x: getattr(x * 1e4, name)(dim), [np.asarray(np.sign(x))], order=1)


# --- dtypes ----------------------------------------------------------------------------------------------

KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
OPERANDS: dict[str, Any] = {
    **{f"{kind} (3,)": np.array([1, 2, 3], kind) for kind in KINDS},
    **{f"{kind} ()": np.array(2, kind) for kind in KINDS},
    "True": True,
    "2": 2,
    "2.5": 2.5,
    "float32 nan ()": np.array(np.nan, np.float32),
}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda t, x, y: x + y,
    "-": lambda t, x, y: x - y,
    "*": lambda t, x, y: x * y,
    "/": lambda t, x, y: x / y,
    "**": lambda t, x, y: x**y,
    "==": lambda t, x, y: x == y,
    "!=": lambda t, x, y: x != y,
    "<": lambda t, x, y: x < y,
    "<=": lambda t, x, y: x <= y,
    ">": lambda t, x, y: x > y,
    ">=": lambda t, x, y: x >= y,
    "&": lambda t, x, y: x & y,
    "|": lambda t, x, y: x | y,
    "^": lambda t, x, y: x ^ y,
    "maximum": lambda t, x, y: t.maximum(x, y),
    "minimum": lambda t, x, y: t.minimum(x, y),
    "logical_and": lambda t, x, y: t.logical_and(x, y),
    "where": lambda t, x, y: t.where(t.tensor([True, False, True]), x, y),
    "cat": lambda t, x, y: t.cat([t.as_tensor(x).reshape(-1), t.as_tensor(y).reshape(-1)]),
    "masked_fill": lambda t, x, y: t.as_tensor(x).masked_fill(t.tensor([True, False, True]), y),
    "clamp": lambda t, x, y: t.as_tensor(x).clamp(min=y),
}


@pytest.mark.parametrize("symbol", OPERATIONS)
def test_dtype_promotion(symbol: str) -> None:
    """Over all pairs of dtypes, as tensors, 0-d tensors and numbers: same dtype and values, or errors."""
    call, differ = OPERATIONS[symbol], []
    for (left, x), (right, y) in product(OPERANDS.items(), repeat=2):
        if not (isinstance(x, np.ndarray) or isinstance(y, np.ndarray)):
            continue
        outcomes = []
        for t, make in ((tg, ours), (torch, theirs)):
            a, b = (make(v) if isinstance(v, np.ndarray) else v for v in (x, y))
            outcomes.append(outcome(lambda t=t, a=a, b=b: call(t, a, b)))
        mine, wanted = outcomes
        if refused(wanted) and refused_here(mine):
            continue
        if isinstance(wanted, Exception) and not refused(wanted):
            continue  # PyTorch cannot; what happens here is more
        if isinstance(mine, Exception) or isinstance(wanted, Exception):
            differ.append(f"{left} {symbol} {right}: here {mine!r}, PyTorch {wanted!r}")
        else:
            wrong = outcome(lambda mine=mine, wanted=wanted: same(mine, wanted))
            if isinstance(wrong, Exception):
                differ.append(
                    f"{left} {symbol} {right}: here {mine!r} {mine.dtype}, PyTorch {wanted!r} {wanted.dtype}"
                )
    assert not differ, "\n".join([f"{len(differ)} differ", *differ])


ANY_DTYPE: dict[str, Callable[..., Any]] = {
    **{name: lambda t, x, name=name: getattr(x, name)() for name in UNARY},
    **{name: lambda t, x, name=name: getattr(x, name)() for name in REDUCTIONS if name != "logsumexp"},
    "sum(0)": lambda t, x: x.sum(0),
    "mean(0)": lambda t, x: x.mean(0),
    "max(0)": lambda t, x: x.max(0),
    "min(0)": lambda t, x: x.min(0),
    "sum dtype": lambda t, x: x.sum(dtype=t.float64),
    "mean dtype": lambda t, x: x.mean(dtype=t.float32),
    "logsumexp(0)": lambda t, x: x.logsumexp(0),
    "softmax(0)": lambda t, x: x.softmax(0),
    "log_softmax(0)": lambda t, x: x.log_softmax(0),
    "~": lambda t, x: ~x,
    "clamp": lambda t, x: x.clamp(1, 2),
    "clamp float": lambda t, x: x.clamp(1.5, 2.5),
    "clamp none": lambda t, x: x.clamp(),
    "matmul": lambda t, x: x @ x,
    "requires_grad_": lambda t, x: x.requires_grad_(),
    "index by it": lambda t, x: t.arange(12).reshape(3, 4)[(x * 0).to(t.int64)],
    "gather by it": lambda t, x: t.arange(5.0).gather(0, x),
    **{f"to {kind}": lambda t, x, kind=kind: x.to(getattr(t, kind)) for kind in KINDS},
    **{f"type {kind}": lambda t, x, kind=kind: x.type(getattr(t, kind)) for kind in KINDS},
    "ones_like": lambda t, x: t.ones_like(x),
    "zeros_like": lambda t, x: t.zeros_like(x),
    "full_like": lambda t, x: t.full_like(x, 1),
    "+= float": lambda t, x: x.add_(1.5),
    "*= int": lambda t, x: x.mul_(2),
    "/= int": lambda t, x: x.div_(2),
    "-= int": lambda t, x: x.sub_(1),
    "+= double": lambda t, x: x.add_(t.ones(3, dtype=t.float64)),
    "fill_": lambda t, x: x.fill_(1.75),
    "zero_": lambda t, x: x.zero_(),
    "copy_": lambda t, x: x.copy_(t.tensor([1.75, 0.0, 3.0])),
}


# test_differences.py says why.
DIFFERENT = {
    ("any", "uint8"), ("all", "uint8"), *((name, "bool") for name in ("relu", "__pos__")),
    *(("gather by it", kind) for kind in ("uint8", "int8", "int16")),
}  # fmt: skip


@pytest.mark.parametrize("name", ANY_DTYPE)
def test_each_dtype(name: str) -> None:
    """Functions of one tensor for every dtype: same dtype and values, or an error on both sides."""
    differ = []
    for kind in KINDS:
        array = np.array([1, 2, 3], kind)
        mine, wanted = (
            outcome(lambda t=t, make=make, array=array: ANY_DTYPE[name](t, make(array.copy())))
            for t, make in ((tg, ours), (torch, theirs))
        )
        if refused(wanted) and refused_here(mine):
            continue
        if (isinstance(wanted, Exception) and not refused(wanted)) or (name, kind) in DIFFERENT:
            continue
        if isinstance(mine, Exception) or isinstance(wanted, Exception):
            differ.append(f"{kind}: here {mine!r}, PyTorch {wanted!r}")
            continue
        pairs = zip(*((o if isinstance(o, tuple) else (o,)) for o in (mine, wanted)), strict=True)
        wrong = outcome(lambda pairs=pairs: [same(a, b) for a, b in pairs])
        if isinstance(wrong, Exception):
            differ.append(f"{kind}: here {mine!r}, PyTorch {wanted!r}")
    assert not differ, "\n".join(differ)


CREATED: dict[str, Callable[[Any], Any]] = {
    "tensor float": lambda t: t.tensor(1.5),
    "tensor int": lambda t: t.tensor([[1, 2], [3, 4]]),
    "tensor bool": lambda t: t.tensor([True, False]),
    "tensor mixed": lambda t: t.tensor([1, 2.5]),
    "tensor bool and int": lambda t: t.tensor([True, 2]),
    "tensor empty": lambda t: t.tensor([]),
    "tensor empty rows": lambda t: t.tensor([[], []]),
    "tensor numpy": lambda t: t.tensor(np.ones(2)),
    "tensor numpy scalar": lambda t: t.tensor(np.float64(2)),
    "tensor of 0-d tensors": lambda t: t.tensor([t.tensor(1.0), t.tensor(2.0)]),
    "tensor dtype": lambda t: t.tensor([1.9, -1.9], dtype=t.int64),
    "as_tensor": lambda t: t.as_tensor([1.0, 2.0]),
    "as_tensor array": lambda t: t.as_tensor(np.arange(3)),
    "as_tensor dtype": lambda t: t.as_tensor(np.arange(3), dtype=t.float32),
    "from_numpy": lambda t: t.from_numpy(np.arange(3.0)),
    "zeros": lambda t: t.zeros(2, 3),
    "zeros tuple": lambda t: t.zeros((2, 3)),
    "zeros 0-d": lambda t: t.zeros(()),
    "zeros dtype": lambda t: t.zeros(2, dtype=t.int64),
    "ones": lambda t: t.ones([2, 3]),
    "empty shape": lambda t: t.zeros_like(t.empty(2, 3)),
    "full": lambda t: t.full((2, 3), 1.5),
    "full int": lambda t: t.full((2,), 7),
    "full bool": lambda t: t.full((2,), True),
    "full dtype": lambda t: t.full((2,), 7, dtype=t.float64),
    "arange": lambda t: t.arange(5),
    "arange float": lambda t: t.arange(5.0),
    "arange step": lambda t: t.arange(1, 8, 3),
    "arange down": lambda t: t.arange(5, 0, -2),
    "arange fractions": lambda t: t.arange(0, 1, 0.25),
    "arange nothing": lambda t: t.arange(0),
    "arange dtype": lambda t: t.arange(3, dtype=t.float64),
    "linspace": lambda t: t.linspace(0, 1, 5),
    "linspace down": lambda t: t.linspace(3, -1, 4),
    "linspace one": lambda t: t.linspace(2, 5, 1),
    "eye": lambda t: t.eye(3),
    "eye wide": lambda t: t.eye(2, 3),
    "rand shape": lambda t: t.zeros_like(t.rand(2, 3)),
    "rand dtype": lambda t: t.zeros_like(t.rand((2, 3), dtype=t.float64)),
    "randn shape": lambda t: t.zeros_like(t.randn(2, 3)),
    "randint": lambda t: t.zeros_like(t.randint(10, (3,))),
    "randint low": lambda t: t.randint(4, 5, (3,)),
    "rand_like": lambda t: t.zeros_like(t.rand_like(t.ones(2, dtype=t.float64))),
    "randn_like": lambda t: t.zeros_like(t.randn_like(t.ones(2))),
    "randperm": lambda t: t.randperm(6).sum(),
    "ones_like": lambda t: t.ones_like(t.arange(3), dtype=t.float64),
    "zeros_like": lambda t: t.zeros_like(t.arange(3)),
    "full_like": lambda t: t.full_like(t.ones(2, 2), 3),
    "requires_grad": lambda t: t.ones(2, requires_grad=True).detach(),
}


@pytest.mark.parametrize("name", CREATED)
def test_creation(name: str) -> None:
    same(CREATED[name](tg), CREATED[name](torch))


# --- shapes ----------------------------------------------------------------------------------------------


def _axis(ndim: int) -> Any:
    return st.integers(-max(1, ndim), max(1, ndim) - 1)


@st.composite
def _pieces(draw: Any, n: int) -> Any:
    """Sizes that add up to n."""
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=3)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, n], strict=True)]


@st.composite
def _signed_axes(draw: Any, ndim: int, **size: int) -> Any:
    some = draw(st.lists(st.integers(0, ndim - 1), unique=True, **size)) if ndim else []
    return tuple(draw(st.sampled_from((d, d - ndim))) for d in some)


@st.composite
def _expanded(draw: Any, shape: tuple[int, ...]) -> Any:
    lead = draw(shapes(max_dims=2))
    return (*lead, *(draw(st.integers(0, 3)) if n == 1 else draw(st.sampled_from((n, -1))) for n in shape))


# name: (call, strategy of its arguments for a shape, fewest axes)
SHAPED: dict[str, tuple[Callable[..., Any], Callable[[tuple[int, ...]], Any], int]] = {
    "reshape": (lambda t, x, s: t.reshape(x, s), lambda s: st.permutations(s).map(tuple), 0),
    "reshape *": (lambda t, x, s: x.reshape(*s), lambda s: st.just((*s[::-1], 1)), 0),
    "reshape -1": (lambda t, x: x.reshape(-1), None, 0),
    "view": (lambda t, x, s: x.contiguous().view(s), lambda s: st.permutations(s).map(tuple), 0),
    "view_as": (lambda t, x: x.contiguous().view_as(t.zeros(tuple(x.shape)[::-1])), None, 0),
    "flatten": (
        lambda t, x, ab: t.flatten(x, *ab),
        lambda s: st.tuples(*(_axis(len(s)),) * 2).map(lambda ab: sorted(a % max(1, len(s)) for a in ab)),
        0,
    ),
    "flatten start": (lambda t, x: x.flatten(1), None, 2),
    "flatten all": (lambda t, x: x.flatten(), None, 0),
    "permute": (lambda t, x, d: t.permute(x, d), lambda s: st.permutations(range(len(s))).map(tuple), 0),
    "permute *": (lambda t, x, d: x.permute(*d), lambda s: st.permutations(range(-len(s), 0)), 1),
    "transpose": (lambda t, x, d: t.transpose(x, *d), lambda s: st.tuples(_axis(len(s)), _axis(len(s))), 1),
    "movedim": (lambda t, x, d: t.movedim(x, *d), lambda s: st.tuples(_axis(len(s)), _axis(len(s))), 1),
    "movedim many": (
        lambda t, x, d: x.movedim(*d),
        lambda s: st.tuples(*(st.permutations(range(len(s))).map(lambda p: tuple(p[:2])),) * 2),
        2,
    ),
    "expand": (lambda t, x, s: x.expand(s), _expanded, 0),
    "expand *": (lambda t, x, s: x.expand(*s), _expanded, 1),
    "squeeze": (lambda t, x: t.squeeze(x), None, 0),
    "squeeze dim": (lambda t, x, d: x.squeeze(d), lambda s: _axis(len(s)), 0),
    "squeeze dims": (lambda t, x, d: x.squeeze(d), lambda s: _signed_axes(len(s), min_size=1), 1),
    "unsqueeze": (lambda t, x, d: t.unsqueeze(x, d), lambda s: st.integers(-len(s) - 1, len(s)), 0),
    "split": (lambda t, x, a: t.split(x, *a), lambda s: st.tuples(st.integers(1, 4), _axis(len(s))), 1),
    "split sizes": (lambda t, x, p: x.split(p), lambda s: _pieces(s[0]), 1),
    "chunk": (lambda t, x, a: t.chunk(x, *a), lambda s: st.tuples(st.integers(1, 4), _axis(len(s))), 1),
    "unbind": (lambda t, x, d: t.unbind(x, d), lambda s: _axis(len(s)), 1),
    "flip": (lambda t, x, d: t.flip(x, d), lambda s: _signed_axes(len(s)), 0),
    "flip *": (lambda t, x, d: x.flip(*d), lambda s: _signed_axes(len(s), min_size=1), 1),
    "cat": (
        lambda t, x, d: t.cat([x, x * 2, x], dim=d), lambda s: _axis(len(s)), 1,
    ),
    "stack": (lambda t, x, d: t.stack([x, x * 2], dim=d), lambda s: st.integers(-len(s) - 1, len(s)), 0),
    "cat empty": (lambda t, x: t.cat([t.zeros(0, dtype=x.dtype), x]), None, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
@few
@given(data=st.data(), dtype=dtypes)
def test_shapes(name: str, data: Any, dtype: str) -> None:
    call, arguments, least = SHAPED[name]
    x = data.draw(arrays(shapes(min_dims=least), dtype=dtype))
    args = [] if arguments is None else [data.draw(arguments(x.shape))]
    agree(call, [x], *args, order=2, terms=4)


@given(st.data())
def test_gather(data: Any) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1)))
    dim = data.draw(_axis(x.ndim))
    picked = tuple(data.draw(st.integers(0, 3 if a == dim % x.ndim else n)) for a, n in enumerate(x.shape))
    index = data.draw(arrays(picked, lambda rng, shape: rng.integers(0, x.shape[dim], shape), dtype=np.int64))
    agree(lambda t, x, i: t.gather(x, dim, i), [x, index], order=2)
    agree(lambda t, x, i: x.gather(dim=dim, index=i), [x, index], order=0)


@given(st.data(), dtypes)
def test_matmul(data: Any, dtype: str) -> None:
    n, k, m = (data.draw(st.integers(0, 3)) for _ in range(3))
    a, b = data.draw(broadcastable(max_dims=2, max_side=2))
    left = data.draw(st.sampled_from([(k,), (*a, n, k)]))
    right = data.draw(st.sampled_from([(k,), (*b, k, m)]))
    x, y = data.draw(arrays(left, dtype=dtype)), data.draw(arrays(right, dtype=dtype))
    agree(lambda t, x, y: x @ y, [x, y], order=2)
    agree(lambda t, x, y: t.matmul(x, y), [x, y], order=0)


@pytest.mark.parametrize(("name", "batch"), [("mm", ()), ("bmm", (2,))])
@few
@given(data=st.data())
def test_products_of_matrices(name: str, batch: tuple[int, ...], data: Any) -> None:
    n, k, m = (data.draw(st.integers(0, 3)) for _ in range(3))
    pair = [data.draw(arrays((*batch, n, k))), data.draw(arrays((*batch, k, m)))]
    agree(lambda t, x, y: getattr(x, name)(y), pair, order=2)


# --- indexing --------------------------------------------------------------------------------------------


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    """What both libraries take: slices, integers, None, ..., integer arrays and masks, in any mixture."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    many = draw(shapes(max_dims=2, min_side=1))
    parts: list[Any] = []
    remaining = list(shape[: draw(st.integers(0, len(shape)))])
    masked = False
    while remaining:
        n = remaining.pop(0)
        kind = draw(st.sampled_from(("slice", "int", "array", "list", "mask") if n else ("slice",)))
        if kind == "slice":
            bound = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            parts.append(slice(draw(bound), draw(bound), draw(st.sampled_from((None, 1, 2, 3)))))
        elif kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array" or masked:
            parts.append(rng.integers(-n, n, many))
        elif kind == "list":
            parts.append(rng.integers(-n, n, many).reshape(-1).tolist() if len(many) == 1 else slice(None))
        else:  # as many true as the arrays broadcast with: one
            mask = np.zeros(n, np.bool_)
            mask[rng.integers(0, n)] = True
            parts.append(mask)
            masked = True
    if draw(st.booleans()):
        # only at the end or the front, where it takes the axes that are left over
        parts.append(...)
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def as_index(index: Any, make: Callable[[np.ndarray], Any]) -> Any:
    """The same index for one library: its arrays as tensors."""
    if isinstance(index, tuple):
        return tuple(as_index(part, make) for part in index)
    return make(index) if isinstance(index, np.ndarray) else index


# Where integers and arrays mix, PyTorch takes the integers first, and NumPy among the arrays.
INDICES = (
    (0, slice(None), [1, 2]), ([0, 1], slice(None), 0), ([0, 1], slice(None), [1, 2]), (0, [1, 2]),
    ([1, 0], 0), (0, ..., [1, 2]), (..., 0, [1, 2]), ([1, 0], ..., 0), (0, None, [1, 2]), ([1, 0], None, 0),
    (0, 1, [1, 2]), (0, [1, 2], [1, 2]), (slice(None), [0, 1], [0, 1]), (None, 0, [1]), ([[0, 1], [1, 0]],),
    (0, None, slice(1), [0]), (-1, slice(None), [True, False, True, False]), (0, [True, False, True], 1),
    ([[0], [1]], slice(None), [0, 1]), [], [0, 1], [True, False], None, ..., True, (..., None),
)  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("value", [2.5, "array"])
def test_mixed_indices(index: Any, value: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    agree(lambda t, x: x[index], [x], order=2)
    value = np.arange(theirs(x)[index].numel()).reshape(theirs(x)[index].shape) if value == "array" else value

    def assign(t: Any, x: Any) -> Any:
        x = x * 2
        x[index] = t.tensor(value, dtype=x.dtype)
        return x * x

    agree(assign, [x])
    with tg.no_grad(), torch.no_grad():
        agree(assign, [x])


@pytest.mark.parametrize("index", [0, -1, 1, [0, 1]], ids=str)
def test_zero_d_tensors_are_integers(index: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    agree(lambda t, x: x[t.tensor(index)], [x])
    agree(lambda t, x: x[t.tensor(1), :, t.tensor(index)], [x])


@given(st.data(), dtypes)
def test_indexing(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(), dtype=dtype))
    index = data.draw(indices(x.shape))
    agree(lambda t, x: x[as_index(index, ours if t is tg else theirs)], [x], order=2)


@given(st.data())
def test_indexing_with_a_mask(data: Any) -> None:
    x = data.draw(arrays(shapes(min_dims=1)))
    mask = data.draw(arrays(x.shape[: data.draw(st.integers(1, x.ndim))])) > 0
    agree(lambda t, x, m: x[m], [x, mask], order=2)
    agree(lambda t, x, m: x[x > 0.5], [x, mask], order=1)


@given(st.data())
def test_assignment(data: Any) -> None:
    """Into a tensor that needs no gradient, with a value that broadcasts."""
    x = data.draw(arrays(shapes()))
    index = data.draw(indices(x.shape))
    expected = theirs(x)
    target = expected[as_index(index, theirs)]
    value = data.draw(st.one_of(st.just(2.5), arrays(tuple(target.shape), lambda rng, s: np.full(s, 1.5))))
    actual = tg.tensor(x)
    for tensor, make in ((expected, theirs), (actual, ours)):
        tensor[as_index(index, make)] = make(value) if isinstance(value, np.ndarray) else value
    same(actual, expected)


@given(st.data())
def test_assignment_on_the_tape(data: Any) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1)))
    at = data.draw(st.integers(-x.shape[0], x.shape[0] - 1))
    y = data.draw(arrays(x.shape[1:]))

    def call(t: Any, x: Any, y: Any) -> Any:
        out = x * 2
        out[at] = y * 3
        return out * out

    agree(call, [x, y], order=2)


# --- in place --------------------------------------------------------------------------------------------

IN_PLACE: dict[str, Callable[..., Any]] = {
    "+=": lambda x, y: operator.iadd(x, y),
    "-=": lambda x, y: operator.isub(x, y),
    "*=": lambda x, y: operator.imul(x, y),
    "/=": lambda x, y: operator.itruediv(x, y),
    "add_": lambda x, y: x.add_(y),
    "add_ alpha": lambda x, y: x.add_(y, alpha=-0.5),
    "sub_ alpha": lambda x, y: x.sub_(y, alpha=2),
    "sub_": lambda x, y: x.sub_(y),
    "mul_": lambda x, y: x.mul_(y),
    "div_": lambda x, y: x.div_(y),
    "clamp_": lambda x, y: x.clamp_(0.75, 1.25),
    "clamp_ min": lambda x, y: x.clamp_(min=1.0),
    "copy_": lambda x, y: x.copy_(y),
    "fill_": lambda x, y: x.fill_(2.5),
    "zero_": lambda x, y: x.zero_(),
}


@pytest.mark.parametrize("name", IN_PLACE)
@few
@given(data=st.data(), dtype=dtypes)
def test_in_place(name: str, data: Any, dtype: str) -> None:
    """On parameters under no_grad, through a view, and on the tape."""
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), positive, dtype=dtype))
    y = data.draw(arrays(x.shape[data.draw(st.integers(0, x.ndim)) :], positive, dtype=dtype))

    def quietly(t: Any, x: Any, y: Any) -> Any:
        x = x.detach().clone().requires_grad_()
        with t.no_grad():
            assert IN_PLACE[name](x, y) is x
        assert x.is_leaf and x.requires_grad
        return x * x

    def through_a_view(t: Any, x: Any, y: Any) -> Any:
        x, y = x.detach().clone(), y.detach()
        IN_PLACE[name](x[:1], y[:1] if y.ndim == x.ndim else y)
        return x

    def recorded(t: Any, x: Any, y: Any) -> Any:
        z = x * 3
        assert IN_PLACE[name](z, y) is z
        return z * z

    agree(quietly, [x, y], order=0)
    agree(through_a_view, [x, y], order=0)
    agree(recorded, [x, y], order=2)


# --- ties, kinks, NaN ------------------------------------------------------------------------------------

inf, nan = np.inf, np.nan
FACTS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "relu at 0": (lambda t, x: x.relu(), [-0.0, 0.0, inf, -inf]),
    "relu of nan": (lambda t, x: x.detach().relu(), [nan]),
    "abs at 0": (lambda t, x: x.abs(), [0.0, -0.0, nan]),
    "sqrt at 0": (lambda t, x: x.sqrt(), [0.0, -1.0, inf]),
    "log at 0": (lambda t, x: x.log(), [0.0, -1.0, inf, nan]),
    "log1p at -1": (lambda t, x: x.log1p(), [-1.0, -2.0, 1e-20]),
    "exp over": (lambda t, x: x.exp(), [1e4, -1e4, nan]),
    "sigmoid far out": (lambda t, x: x.sigmoid(), [1e4, -1e4, nan, 100.0, -100.0]),
    "tanh far out": (lambda t, x: x.tanh(), [1e4, -1e4, nan]),
    "erf far out": (lambda t, x: x.erf(), [0.0, 1e4, -1e4, nan, inf]),
    "sign": (lambda t, x: x.sign(), [0.0, -0.0, nan, inf, -3.0]),
    "clamp at its bounds": (lambda t, x: x.clamp(-1, 1), [-1.0, 1.0, 2.0, nan, inf]),
    "clamp upside down": (lambda t, x: x.clamp(2, 1), [0.0, 1.0, 1.5, 2.0, 3.0]),
    "clamp tensors at the bound": (lambda t, x: x.clamp(min=t.ones(3, dtype=t.float64)), [0.0, 1.0, 2.0]),
    "maximum of equals": (lambda t, x: t.maximum(x, t.ones(3, dtype=t.float64)), [1.0, nan, 2.0]),
    "minimum of equals": (lambda t, x: t.minimum(x, t.ones(3, dtype=t.float64)), [1.0, nan, 0.0]),
    "maximum with itself": (lambda t, x: t.maximum(x, x), [1.0, 2.0]),
    "max ties": (lambda t, x: x.max(), [3.0, 1.0, 3.0, 3.0]),
    "min ties": (lambda t, x: x.min(), [1.0, 1.0, 3.0, 3.0]),
    "max nan": (lambda t, x: x.max(), [3.0, nan, 3.0]),
    "max nans": (lambda t, x: x.max(), [nan, nan, 3.0]),
    "amax ties": (lambda t, x: x.amax(0), [3.0, 1.0, 3.0]),
    "amin ties": (lambda t, x: x.amin(-1, keepdim=True), [3.0, 1.0, 1.0]),
    "amax nan": (lambda t, x: x.detach().amax(0), [3.0, nan, 3.0]),
    "max dim ties": (lambda t, x: x.max(0), [3.0, 1.0, 3.0]),
    "min dim ties": (lambda t, x: x.min(0), [3.0, 1.0, 1.0]),
    "max dim nan": (lambda t, x: x.max(0), [3.0, nan, nan]),
    "argmax nan": (lambda t, x: x.argmax(), [3.0, nan, nan]),
    "argmin ties": (lambda t, x: x.argmin(), [3.0, 1.0, 1.0]),
    "x**0 at 0": (lambda t, x: x**0, [0.0, nan, inf]),
    "x**0.0 at 0": (lambda t, x: x**0.0, [0.0, 1.0]),
    "x**2 at 0": (lambda t, x: x**2, [0.0, inf, nan]),
    "x**1 at 0": (lambda t, x: x**1, [0.0, 1.0]),
    "x**0.5 at 0": (lambda t, x: x**0.5, [0.0, -1.0]),
    "x**-1 at 0": (lambda t, x: x**-1, [0.0, inf]),
    "0**x": (lambda t, x: 0**x, [0.0, 1.0, 2.0]),
    "(-1)**x": (lambda t, x: (-1.0) ** x, [0.0, 1.0, 2.0]),
    "x**y at 0": (lambda t, x: x ** (x * 1), [0.0, 1.0, 2.0]),
    "x**tensor at 0": (lambda t, x: x ** t.tensor([0.0, 1.0, 2.0], dtype=t.float64), [0.0, 0.0, 0.0]),
    "division by 0": (lambda t, x: x / 0, [1.0, 0.0, -1.0]),
    "division by a 0 tensor": (lambda t, x: 1 / x, [0.0, -0.0, inf]),
    "var of a constant": (lambda t, x: x.var(), [2.0, 2.0, 2.0]),
    "std of a constant": (lambda t, x: x.std(), [2.0, 2.0, 2.0]),
    "std along a constant": (lambda t, x: x.std(0), [2.0, 2.0, 2.0]),
    "var unbiased of one": (lambda t, x: x.var(correction=0), [2.0]),
    "mean of nothing": (lambda t, x: x.mean(), []),
    "sum of nothing": (lambda t, x: x.sum(), []),
    "all of nothing": (lambda t, x: x.all(), []),
    "any nan": (lambda t, x: x.any(), [nan, 0.0]),
    "logsumexp -inf": (lambda t, x: x.logsumexp(0), [-inf, -inf]),
    "logsumexp inf": (lambda t, x: x.logsumexp(0), [inf, 1.0]),
    "logsumexp large": (lambda t, x: x.logsumexp(0), [1e4, 1e4, -1e4]),
    "logsumexp of nothing": (lambda t, x: x.logsumexp(0), []),
    "softmax -inf": (lambda t, x: x.softmax(0), [-inf, -inf]),
    "softmax one -inf": (lambda t, x: x.softmax(0), [-inf, 1.0]),
    "softmax inf": (lambda t, x: x.softmax(0), [inf, 1.0]),
    "log_softmax large": (lambda t, x: x.log_softmax(0), [1e4, -1e4, 0.0]),
    "log_softmax -inf": (lambda t, x: x.log_softmax(0), [-inf, -inf]),
    "nan to int": (lambda t, x: (x * 0 == 0).int(), [nan, 1.0]),
    "where stops nan": (lambda t, x: t.where(x > 0, x, 0.0), [nan, -1.0, 2.0]),
    "masked_fill stops nan": (lambda t, x: x.masked_fill(x != x, 0.0), [nan, 2.0]),
    "same index twice": (lambda t, x: x[t.tensor([0, 0, 1])], [1.0, 2.0]),
    "comparison with nan": (lambda t, x: x == x, [nan, 1.0]),
    "nan in bool": (lambda t, x: x.bool(), [nan, 0.0, -0.0, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FACTS)
@pytest.mark.filterwarnings("ignore:(var|std)\\(\\). degrees of freedom:UserWarning")
def test_ties_kinks_and_nan(name: str, dtype: str) -> None:
    call, values = FACTS[name]
    if dtype == "float32" and "tensor" in name:
        dtype = "float64"  # the other operand is one
    agree(call, [np.array(values, dtype)])


# --- how a tensor looks ----------------------------------------------------------------------------------

SHOWN: dict[str, Callable[[Any], Any]] = {
    "whole": lambda t: t.tensor([1.0, 2.0]),
    "fractions": lambda t: t.tensor([0.5, 1.25]),
    "0-d": lambda t: t.tensor(2.5),
    "0-d whole": lambda t: t.tensor(3.0),
    "ints": lambda t: t.tensor([1, 20, -3]),
    "0-d int": lambda t: t.tensor(7),
    "bools": lambda t: t.tensor([True, False]),
    "matrix": lambda t: t.tensor([[1.5, 2.0], [3.0, 40.25]]),
    "int matrix": lambda t: t.tensor([[1, 2], [3, 40]]),
    "double": lambda t: t.tensor([1.5], dtype=t.float64),
    "int32": lambda t: t.tensor([1], dtype=t.int32),
    "uint8": lambda t: t.tensor([255], dtype=t.uint8),
    "leaf": lambda t: t.tensor([1.0], requires_grad=True),
    "leaf that fills its line": lambda t: t.ones(13).requires_grad_(),
    "computed": lambda t: t.ones(2, requires_grad=True) * 3,
    "computed, a name of two words": lambda t: t.ones(2, requires_grad=True).log_softmax(0),
    "nothing": lambda t: t.zeros(0),
    "nothing, two axes": lambda t: t.zeros(2, 0),
    "no integers": lambda t: t.zeros(0, dtype=t.int64),
    "no bools": lambda t: t.zeros((0, 3), dtype=t.bool),
    "negative": lambda t: t.tensor([-1.5, 2.25]),
    "thirds": lambda t: t.tensor([1 / 3, 2 / 3]),
    "nan": lambda t: t.tensor([float("nan"), 1.0]),
    "inf": lambda t: t.tensor([float("inf"), -1.5]),
    "cube": lambda t: t.arange(8.0).reshape(2, 2, 2),
    "images": lambda t: t.zeros(1, 2, 2, 2),
    "zero": lambda t: t.zeros(3),
    "ten thousands": lambda t: t.tensor([10000.0, 20000.0]),
    "small": lambda t: t.tensor([0.001, 0.002]),
    "tiny": lambda t: t.tensor([1e-8, 1.0]),
    "wide range": lambda t: t.tensor([1e-5, 1e5]),
    "huge": lambda t: t.tensor([1e10, 1.0]),
    "long": lambda t: t.arange(2000),
    "long floats": lambda t: t.arange(2000.0),
    "a full line": lambda t: t.arange(30),
    "a full line of floats": lambda t: t.arange(30) / 7,
    "half": lambda t: t.tensor([[0.5, 1.5]]).mean(),
    "large picture": lambda t: t.zeros(40, 40),
    "numbers of seven digits": lambda t: t.tensor([1234567.0, 1.0]),
    "a large number": lambda t: t.tensor(1234567.0),
    "a fraction of a large number": lambda t: t.tensor(12345.678),
}


@pytest.mark.parametrize("name", SHOWN)
def test_repr(name: str) -> None:
    """Letter by letter, but for the prefix of a dtype's name."""
    assert repr(SHOWN[name](tg)) == repr(SHOWN[name](torch)).replace("torch.", "")


@pytest.mark.parametrize("value", [1.5, 3])
def test_format(value: float) -> None:
    spec = ".3f" if isinstance(value, float) else "5d"
    assert f"{tg.tensor(value):{spec}}" == f"{torch.tensor(value):{spec}}"
    assert f"{tg.tensor(value)}" == f"{torch.tensor(value)}" == f"{value}"
    assert f"{tg.tensor([value])}" == f"{torch.tensor([value])}"
    for t in (tg, torch):
        with pytest.raises(TypeError, match="format"):
            f"{t.tensor([value]):{spec}}"


def test_is_tensor() -> None:
    assert tg.is_tensor(tg.ones(1)) and not tg.is_tensor(numpy(tg.ones(1)))


# --- nothing forgotten -----------------------------------------------------------------------------------

# What stands in no table above, and where it is compared.
HERE = {
    "dim dtype item ndim numel shape size tolist": "test_what_a_tensor_says_about_itself",
    "masked_fill where": "test_where_and_masked_fill",
    "clamp clip": "NUMBERS",
    "softmax log_softmax": "test_softmax",
    "gather matmul mm bmm": "functions of their own",
    "data T mT": "test_properties",
    "to type": "ANY_DTYPE",
    "div_ copy_ fill_ zero_ add_ sub_ mul_ clamp_": "IN_PLACE",
}
_rows = {
    name.split()[0] for table in (UNARY, BINARY, REDUCTIONS, SHAPED, IN_PLACE, CREATED) for name in table
}
_rows |= {"cat", "stack", "is_tensor"}.union(*(names.split() for names in HERE))
COVERED = {
    "Tensor": {name for name in _rows if not name.startswith("_") and hasattr(tg.Tensor, name)},
    "": {name for name in _rows if callable(getattr(tg, name, None)) and hasattr(torch, name)},
}

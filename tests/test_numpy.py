"""NumPy both ways: its functions and operators on tensors, its arrays among them."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import GraphError

VALUES = np.array([0.25, 0.5, 0.75])

# ufunc of NumPy: its name here
SAME = {
    "absolute": "abs", "add": "add", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arctan2": "atan2",
    "arctanh": "atanh", "arcsinh": "asinh", "ceil": "ceil", "cos": "cos", "cosh": "cosh", "divide": "div",
    "equal": "eq", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "floor": "floor",
    "floor_divide": "floor_divide", "fmod": "fmod", "greater": "gt", "greater_equal": "ge", "hypot": "hypot",
    "isfinite": "isfinite", "isinf": "isinf", "isnan": "isnan", "less": "lt", "less_equal": "le",
    "log": "log", "log10": "log10", "log1p": "log1p", "log2": "log2", "logaddexp": "logaddexp",
    "logical_and": "logical_and", "logical_not": "logical_not", "logical_or": "logical_or",
    "logical_xor": "logical_xor",
    "maximum": "maximum", "minimum": "minimum", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "positive": "positive", "power": "pow", "reciprocal": "reciprocal", "remainder": "remainder",
    "rint": "round", "sign": "sign", "sin": "sin", "sinh": "sinh", "sqrt": "sqrt", "square": "square",
    "subtract": "sub", "tan": "tan", "tanh": "tanh", "trunc": "trunc", "matmul": "matmul",
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_its_functions_are_ours_and_have_our_gradients(name):
    ufunc = getattr(np, name)
    others = [VALUES[::-1].copy()] * (ufunc.nin - 1)
    x, y = tg.tensor(VALUES, requires_grad=True), tg.tensor(VALUES, requires_grad=True)
    mine, wanted = ufunc(x, *others), getattr(y, SAME[name])(*map(tg.tensor, others))
    assert isinstance(mine, tg.Tensor)
    np.testing.assert_array_equal(mine.array, wanted.array)
    np.testing.assert_array_equal(mine.array, ufunc(VALUES, *others))
    if wanted.requires_grad:
        mine.sum().backward()
        wanted.sum().backward()
        np.testing.assert_array_equal(x.grad.array, y.grad.array)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"])
def test_bits(name):
    a, b = np.array([1, 6, 12]), np.array([3, 2, 1])
    found = getattr(np, name)(a, tg.tensor(b))
    assert isinstance(found, tg.Tensor) and found.tolist() == getattr(np, name)(a, b).tolist()
    assert np.invert(tg.tensor(a)).tolist() == np.invert(a).tolist()


@pytest.mark.parametrize(
    "symbol", ["add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "lt", "eq", "matmul"]
)
def test_an_array_on_the_left_gives_a_tensor_on_the_tape(symbol):
    function = getattr(operator, symbol)
    x = tg.tensor(VALUES[::-1].copy(), requires_grad=True)
    found = function(VALUES, x)
    assert isinstance(found, tg.Tensor)
    np.testing.assert_array_equal(found.array, function(VALUES, VALUES[::-1]))
    assert found.requires_grad == (symbol not in ("lt", "eq"))


def test_scalars_are_weak_on_both_sides():
    x = tg.ones(2)
    for found in (
        np.float64(2) * x,
        x * np.float64(2),
        np.float64(2) - x,
        np.int64(2) ** x,
        x / np.float32(3),
    ):
        assert isinstance(found, tg.Tensor) and found.dtype == tg.float32


def test_functions_without_a_counterpart_work_on_values():
    x = tg.tensor([8.0, 27.0])
    assert isinstance(np.cbrt(x), tg.Tensor) and np.cbrt(x).tolist() == np.cbrt(x.array).tolist()
    assert np.add.reduce(x).tolist() == 35 and [t.tolist() for t in np.modf(x)] == [[0, 0], [8, 27]]
    assert np.multiply.outer(x, x).shape == (2, 2)
    assert np.add(x, x, dtype=np.float64).dtype == tg.float64


def test_but_not_where_a_gradient_is_wanted():
    x = tg.tensor([8.0, 27.0], requires_grad=True)
    for call in (np.cbrt, np.add.reduce, lambda x: np.add(x, x, out=np.zeros(2, np.float32))):
        with pytest.raises(GraphError, match=r"no gradient leads through it.*detach"):
            call(x)
    with tg.no_grad():
        assert not np.cbrt(x).requires_grad
    assert not np.cbrt(x.detach()).requires_grad


def test_an_array_can_be_added_to_but_a_tensor_is_written_by_itself():
    total, x = np.zeros(2, np.float32), tg.tensor([1.0, 2.0])
    total += x
    assert isinstance(total, np.ndarray) and total.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        np.add(total, total, out=x)
    assert x.tolist() == [1, 2]
    kept = x
    x += total
    assert x is kept and x.tolist() == [2, 4]


def test_other_functions_see_arrays():
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    for found, wanted in (
        (np.mean(x), 2.5),
        (np.sum(x, axis=0), [4, 6]),
        (np.concatenate([x, x]), [[1, 2], [3, 4]] * 2),
        (np.stack((x, x.array)), [[[1, 2], [3, 4]]] * 2),
        (np.argmax(x), 3),
        (np.where(x > 2, x, 0), [[0, 0], [3, 4]]),
        (np.clip(x, 2, 3), [[2, 2], [3, 3]]),
        (np.linalg.norm(x, ord=1), 6),
        (np.array([x[0], x[1]]), [[1, 2], [3, 4]]),
        (np.asarray(x, dtype=np.float64), [[1, 2], [3, 4]]),
    ):
        assert isinstance(found, (np.ndarray, np.generic)) and found.tolist() == wanted
    assert np.allclose(x, x.array) and np.array_equal(x, x) and np.shape(x) == (2, 2)
    np.testing.assert_array_equal(x, x.array)


def test_arrays_of_a_tensor():
    x = tg.ones(2, requires_grad=True)
    view = np.asarray(x)
    assert np.shares_memory(view, x.array) and not view.flags.writeable
    assert np.shares_memory(x.__array__(copy=False), x.array)
    own = np.array(x)
    own[0] = 5
    assert x.tolist() == [1, 1] and own.tolist() == [5, 1]
    with pytest.raises(ValueError, match=r"copy|Unable"):
        x.__array__(np.float64, copy=False)

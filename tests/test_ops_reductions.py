"""Sums, extremes and norms at their edges: ties, nan, zeros, integers, and nothing at all."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DtypeError
from tinygrad_cnn.op import registry as ops

nan = math.nan


def gradient(name, x, g=None, **attrs):
    """The result, and the gradient of its product with g."""
    x = tg.tensor(x, dtype=tg.float64, requires_grad=True)
    out = ops[name](x, **attrs)
    out.backward(tg.ones_like(out) if g is None else tg.tensor(g, dtype=tg.float64))
    return out.tolist(), x.grad.tolist()


@pytest.mark.parametrize("name", ["amax", "amin", "argmax", "argmin"])
def test_there_is_no_extreme_of_nothing(name):
    x, said = tg.zeros(0, 3), name.removeprefix("a") if name in ("amax", "amin") else name
    dim = (0,) if name in ("amax", "amin") else 0
    with pytest.raises(ArgumentError, match=rf"^{said}: x \(0, 3\) has no element along"):
        ops[name](x, dim=dim)
    empty = tg.zeros(2, 0, 3)
    with pytest.raises(ArgumentError, match="has no element"):
        ops[name](empty, dim=(0, 1) if name in ("amax", "amin") else 1)
    if name.startswith("arg"):
        with pytest.raises(ArgumentError, match=rf"^{name}: x \(0, 3\)"):
            ops[name](x, dim=None)
        assert ops[name](tg.tensor([[1, 5], [0, 2]]), dim=None).item() == (1 if name == "argmax" else 2)


@pytest.mark.parametrize("name", ["mean", "var", "std", "logsumexp", "logcumsumexp"])
def test_integers_have_none(name):
    dim = 0 if name == "logcumsumexp" else (0,)
    with pytest.raises(DtypeError, match=f"^{name}: x is int64, which has no {name}; convert it"):
        ops[name](tg.tensor([1, 2]), dim=dim)


def test_integers_and_bools_add_and_multiply_up_as_int64():
    small = np.full((2, 3, 50), 100, np.int8)
    for x, times in [(small, 100), (small > 0, 1)]:
        x = tg.from_numpy(x)
        for dim, count in [((0, 2), 100), ((1,), 3), ((0, 1, 2), 300)]:
            out = ops["sum"](x, dim=dim)
            assert out.dtype == np.int64 and (out.array == count * times).all()
        assert ops["cumsum"](x, dim=2).dtype == ops["prod"](x, dim=0).dtype == np.int64
        assert ops["cumsum"](x, dim=2).array[0, 0, -1] == 50 * times
        assert ops["prod"](x, dim=0).array.flat[0] == times**2
        assert ops["cumprod"](x, dim=0).array[1, 0, 0] == times**2


def test_sums_over_any_axes():
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    for dim in [(0,), (1,), (0, 2), (0, 2, 3), (1, 2, 3), (0, 1, 2, 3), (2, 3), ()]:
        for keepdim in (False, True):
            out = ops["sum"](tg.from_numpy(x), dim=dim, keepdim=keepdim)
            np.testing.assert_array_equal(out.array, x.sum(dim, keepdims=keepdim))
    y = x.reshape(2, 60)
    np.testing.assert_array_equal(ops["sum"](tg.from_numpy(y), dim=(0,)).array, y.sum(0))


def test_the_median():
    assert ops["median"](tg.tensor([5.0, 1.0, 3.0])).item() == 3
    assert ops["median"](tg.tensor([[5.0, 1.0], [4.0, 3.0]])).item() == 3  # the lower of two
    assert ops["median"](tg.tensor([2, 9, 4, 1])).tolist() == 2
    assert math.isnan(ops["median"](tg.tensor([1.0, nan, 3.0])).item())
    assert math.isnan(ops["median"](tg.zeros(0)).item())
    assert ops["median"](tg.zeros(0, dtype=tg.float64)).dtype == np.float64
    assert gradient("median", [5.0, 1.0, 3.0]) == (3, [0, 0, 1])
    assert gradient("median", [[3.0, 1.0], [3.0, 4.0]], g=2.0) == (3, [[1, 0], [1, 0]])
    assert gradient("median", [1.0, nan, 3.0])[1] == [0, 1, 0]


@pytest.mark.parametrize(
    ("p", "value", "slope"),
    [
        (0, [2, 0], [[0, 0, 0], [0, 0, 0]]),
        (1, [7, 0], [[1, 0, -1], [0, 0, 0]]),
        (2, [5, 0], [[0.6, 0, -0.8], [0, 0, 0]]),
        (3, [91 ** (1 / 3), 0], [[9 / 91 ** (2 / 3), 0, -16 / 91 ** (2 / 3)], [0, 0, 0]]),
        (0.5, [7 + 2 * 12**0.5, 0], [[1 + 2 / 3**0.5, 0, -1 - 3**0.5 / 2], [0, 0, 0]]),
        (-1, [0, 0], [[0, 0, 0], [0, 0, 0]]),
    ],
)
@pytest.mark.parametrize("keepdim", [False, True])
def test_norms_and_their_gradients_at_zero(p, value, slope, keepdim):
    x = [[3.0, 0.0, -4.0], [0.0, 0.0, 0.0]]
    out, dx = gradient(
        "p_norm", x, g=[[2.0], [2.0]] if keepdim else [2.0, 2.0], p=p, dim=(1,), keepdim=keepdim
    )
    np.testing.assert_allclose(np.reshape(out, 2), value)
    assert np.shape(out) == ((2, 1) if keepdim else (2,))
    np.testing.assert_allclose(dx, 2 * np.array(slope))
    assert gradient("p_norm", [1.0, 1.0], p=0, dim=(0,)) == (2, [0, 0])


def test_deviations_of_a_constant():
    assert gradient("std", [[2.0, 2.0, 2.0]], dim=(1,)) == ([0], [[0, 0, 0]])
    out, dx = gradient("std", [[1.0, 3.0]], g=[2.0], dim=(1,), correction=0)
    assert out == [1] and dx == [[-1, 1]]
    assert gradient("var", [[1.0, 3.0]], dim=(1,)) == ([2], [[-2, 2]])
    assert math.isnan(ops["var"](tg.ones(1), dim=(0,)).item())


@pytest.mark.parametrize("largest", [True, False])
def test_extremes_put_at_places_share_with_ties(largest):
    sign = 1 if largest else -1
    for include_self, out, dx, dy in [
        (True, [5, 4, 1], [0.5, 0, 1], [0.5, 0, 0.5, 0.5]),
        (False, [5, 4, 1], [0, 0, 1], [1, 0, 0.5, 0.5]),
    ]:
        x = tg.tensor([5.0 * sign, 3.0 * sign, 1.0], requires_grad=True)
        y = tg.tensor([5.0 * sign, 2.0 * sign, 4.0 * sign, 4.0 * sign], requires_grad=True)
        found = ops["scatter_extreme"](
            x, y, index=(np.array([0, 0, 1, 1]),), largest=largest, include_self=include_self
        )
        assert found.tolist() == [out[0] * sign, out[1] * sign, out[2]]
        found.sum().backward()
        assert x.grad.tolist() == dx and y.grad.tolist() == dy
    x, y = tg.tensor([9.0 * sign]), tg.tensor([2.0 * sign])
    one = np.array([0])
    assert ops["scatter_extreme"](x, y, index=(one,), largest=largest, include_self=True).item() == 9 * sign
    assert ops["scatter_extreme"](x, y, index=(one,), largest=largest, include_self=False).item() == 2 * sign


def test_logsumexp_of_infinities():
    x = tg.tensor([[-math.inf, -math.inf], [0.0, -math.inf], [math.inf, 1.0]])
    assert ops["logsumexp"](x, dim=(1,)).tolist() == [-math.inf, 0, math.inf]


def test_pools_of_bools_are_refused():
    from tinygrad_cnn.geometry import pool_geometry

    geom = pool_geometry((1, 1, 2, 2), 2)
    with pytest.raises(DtypeError, match="max_pool: x is bool"):
        ops["max_pool"](tg.ones(1, 1, 2, 2, dtype=tg.bool), geom=geom)
    assert ops["max_pool"](tg.ones(1, 1, 2, 2, dtype=tg.int32), geom=geom).dtype == np.int32

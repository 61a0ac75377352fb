"""autograd.Function: ops in PyTorch's spelling."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.autograd import Function, grad
from tinygrad_cnn.autograd.function import once_differentiable
from tinygrad_cnn.errors import DtypeError, GraphError
from tinygrad_cnn.testing import gradcheck


class Exp(Function):
    """Saves its result."""

    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out


class SinCos(Function):
    """Two results, both saved: each is the other's derivative."""

    @staticmethod
    def forward(ctx, x):
        s, c = tg.from_numpy(np.sin(x.array)), tg.from_numpy(np.cos(x.array))
        ctx.save_for_backward(s, c)
        return s, c

    @staticmethod
    def backward(ctx, gs, gc):
        s, c = ctx.saved_tensors
        return gs * c - gc * s


class Power(Function):
    """A tensor, a number, and something to ignore."""

    @staticmethod
    def forward(ctx, x, n, label=None):
        ctx.save_for_backward(x, None)
        ctx.n = n
        return x**n

    @staticmethod
    def backward(ctx, g):
        x, nothing = ctx.saved_tensors
        assert nothing is None
        return g * ctx.n * x ** (ctx.n - 1), None, None


def leaf(*values):
    return tg.tensor(values, dtype=tg.float64, requires_grad=True)


@pytest.mark.parametrize("function", [Exp.apply, SinCos.apply, lambda x: Power.apply(x, 3, "label")])
def test_gradients_of_any_order(function):
    gradcheck(function, [np.array([0.5, -1.0])], order=4)


def test_several_results():
    x = leaf(0.3, 2.0)
    s, c = SinCos.apply(x)
    sin, cos = np.sin(x.array), np.cos(x.array)
    assert np.array_equal(s.numpy(), sin) and np.array_equal(c.numpy(), cos)
    (dx,) = grad((s * s + 3 * c).sum(), x)
    np.testing.assert_allclose(dx.numpy(), 2 * sin * cos - 3 * sin, rtol=1e-13)


def test_one_of_several_results_is_enough():
    x = leaf(0.3)
    _, c = SinCos.apply(x)
    c.backward(tg.tensor([1.0], dtype=tg.float64))
    np.testing.assert_allclose(x.grad.numpy(), -np.sin(0.3), rtol=1e-14)


def test_arguments_that_are_no_tensors():
    x = leaf(2.0)
    y = Power.apply(x, 3, "label")
    y.sum().backward()
    assert x.grad.tolist() == [12.0]
    assert Power.apply(tg.tensor([2.0]), 3).requires_grad is False


def test_results_that_have_no_gradient():
    class Largest(Function):
        @staticmethod
        def forward(ctx, x):
            values, where = x.max(0)
            ctx.mark_non_differentiable(where)
            ctx.save_for_backward(where)
            ctx.n = len(x)
            return values, where

        @staticmethod
        def backward(ctx, g, nothing):
            (where,) = ctx.saved_tensors
            return g * tg.nn.functional.one_hot(where, ctx.n).double()

    x = leaf(1.0, 5.0, 2.0)
    value, where = Largest.apply(x)
    assert where.item() == 1 and not where.requires_grad
    value.backward()
    assert x.grad.tolist() == [0, 1, 0]


def test_needs_input_grad_and_nothing_recorded_without_need():
    asked = []

    class Asks(Function):
        @staticmethod
        def forward(ctx, x, y):
            asked.append(ctx.needs_input_grad)
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g, g

    Asks.apply(leaf(1.0), tg.tensor([1.0], dtype=tg.float64))
    with tg.no_grad():
        assert Asks.apply(leaf(1.0), leaf(1.0)).grad_fn is None
    assert asked == [(True, False), (True, True)]


def test_saved_tensors_are_released_and_guarded():
    x = leaf(1.0)
    y = Exp.apply(x)
    y.backward()
    with pytest.raises(GraphError, match=r"second time through Exp"):
        y.backward()
    h = leaf(1.0) * 1
    for changed, result in ((h, Power.apply(h, 2)), (y := Exp.apply(h), y), (SinCos.apply(h)[0],) * 2):
        with tg.no_grad():
            changed.add_(1)
        with pytest.raises(GraphError, match="changed in place"):
            result.backward()


def test_no_circles():
    gc.disable()
    try:
        y = Exp.apply(leaf(1.0))
        s, _ = SinCos.apply(y)
        grad(s.sum(), y, retain_graph=True)
        watch = [weakref.ref(y.node), weakref.ref(s.node)]
        del y, s, _
        assert [w() for w in watch] == [None, None]
    finally:
        gc.enable()


def test_two_arguments_with_one_gradient_do_not_share_memory():
    class Add(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            twice = g * 2
            return twice, twice

    x, y = leaf(1.0), leaf(2.0)
    Add.apply(x, y).sum().backward()
    x.grad.mul_(100.0)
    assert y.grad.tolist() == [2.0]


def test_mistakes_are_named():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(GraphError, match=r"Wrong\.backward returned 1 gradients for 2 arguments"):
        Wrong.apply(leaf(1.0), leaf(1.0)).backward()

    class NotATensor(Function):
        @staticmethod
        def forward(ctx, x):
            return x.array

    with pytest.raises(DtypeError, match=r"NotATensor\.forward must return tensors, not ndarray"):
        NotATensor.apply(leaf(1.0))

    class Shape(Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(GraphError, match=r"Shape.* gradient \(\) float64 for an input \(2,\)") as caught:
        Shape.apply(leaf(1.0, 2.0)).backward()
    assert any("Shape" in note for note in caught.value.__notes__)


def test_a_context_that_is_filled_apart():
    class Square(Function):
        @staticmethod
        def forward(x, factor):
            return x * x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx, g):
            x, out = ctx.saved_tensors
            assert out.shape == x.shape
            return g * 2 * ctx.factor * x, None

    x = tg.tensor([1.0, -2.0], dtype=tg.float64, requires_grad=True)
    assert Square.apply(x, 3).tolist() == [3.0, 12.0]
    assert grad(Square.apply(x, 3).sum(), x)[0].tolist() == [6.0, -12.0]
    assert gradcheck(lambda x: Square.apply(x, 3), x, order=2)


class Sine(Function):
    """A backward on NumPy's arrays, which no tape sees."""

    @staticmethod
    def forward(ctx, x, times):
        ctx.save_for_backward(x)
        return x.sin() * times

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        assert not tg.is_grad_enabled()
        (x,) = ctx.saved_tensors
        return tg.tensor(g.numpy() * np.cos(x.numpy())), None


def test_once_differentiable_gives_gradients_once():
    x = tg.tensor([0.5, 2.0], requires_grad=True, dtype="float64")
    (Sine.apply(x, 1) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.sin([1.0, 4.0]), rtol=1e-12)
    assert not x.grad.requires_grad


def test_once_differentiable_says_so_at_the_second_time():
    x = tg.tensor([0.5, 2.0], requires_grad=True)
    (slope,) = grad((Sine.apply(x, 1) ** 2).sum(), x, create_graph=True)
    np.testing.assert_allclose(slope.detach().numpy(), np.sin([1.0, 4.0]), rtol=1e-6)
    with pytest.raises(GraphError, match=r"Sine.backward is once_differentiable"):
        slope.sum().backward()


def test_a_gradient_of_a_constant_is_one_as_in_pytorch():
    x = tg.tensor(0.5, requires_grad=True)
    (slope,) = grad(Sine.apply(x, 1), x, create_graph=True)
    assert not slope.requires_grad

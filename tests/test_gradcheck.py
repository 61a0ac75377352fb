"""The check checked: each kind of fault is planted, and must be found and told."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import from_numpy, tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.op import op, registry
from tinygrad_cnn.ops.elementwise import mul
from tinygrad_cnn.testing import GradcheckError, gradcheck


@pytest.fixture
def faulty():
    """Make an op of a wrong rule, and forget it afterwards."""
    known = dict(registry)

    def make(**rules):
        @op(elementwise=True)
        def product(x, y):
            return x * y

        product.vjp(**{"x": lambda g, y: g * y, "y": lambda g, x: g * x} | rules)
        return product

    yield make
    registry.clear()
    registry.update(known)


X, Y = np.array([[0.5, 2.0, -1.0]]), np.array([[1.5], [-0.25]])


def test_gradcheck_passes_what_is_right(faulty):
    gradcheck(faulty(), [X, Y], order=4)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    "rule",
    [
        lambda g, x: -g * x,
        lambda g, x: g * x * 2,
        lambda g: g,
        lambda g, x: g * x * x,
        lambda g, x: g * x + 1e-3,
        lambda g, x: g * 0.0,
    ],
)
def test_gradcheck_finds_what_is_wrong(faulty, rule, fast):
    with pytest.raises(GradcheckError, match="product"):
        gradcheck(faulty(y=rule), [X, Y], fast_mode=fast)


def test_gradcheck_finds_what_is_wrong_in_the_second_order_only(faulty):
    """The rule's value is right, but it is cut off the tape."""
    wrong = faulty(y=lambda g, x: g * x.detach())
    gradcheck(wrong, [X, Y])
    with pytest.raises(GradcheckError, match=r"order 2: d grad\(product\) / d x"):
        gradcheck(wrong, [X, Y], order=2)
    with pytest.raises(GradcheckError, match="order 2"):
        gradcheck(wrong, [X, Y], order=2, fast_mode=True)


def test_the_report_says_what_and_where_and_by_how_much(faulty):
    def rule(g, x):
        half = np.ones((2, 3))
        half[1, 2] = 3.0
        return g * x * from_numpy(half)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(faulty(y=rule), [X, np.asfortranarray(np.ones((2, 3)))])
    text = str(caught.value)
    assert text.startswith("order 1: d product / d y is wrong in 1 of 6 elements\n")
    assert "the rule is y in product.vjp(...)" in text
    assert "worst at [1, 2]: expected " in text and "(central difference), got " in text
    assert "x: (1, 3) float64\n" in text and "y: (2, 3) float64, strides (8, 16)" in text


def test_the_report_knows_a_flipped_sign_and_shows_attributes():
    from functools import partial

    from tinygrad_cnn.ops.activation import elu

    class Flipped:
        op, attrs = elu, {"alpha": 0.5}

        def __call__(self, x):
            return mul(elu(x, **self.attrs).detach(), 1.0) * 2 - elu(x, **self.attrs)

    with pytest.raises(GradcheckError, match="everywhere -1 times") as caught:
        gradcheck(Flipped(), [X])
    assert "alpha=0.5" in str(caught.value)
    gradcheck(partial(elu, alpha=0.5), [X], order=2)


def test_gradcheck_notices_writes():
    def careless(x):
        x.array[0] += 1
        return x * 1.0

    with pytest.raises(GradcheckError, match="wrote to x"):
        gradcheck(careless, [X.copy()])


def test_gradcheck_takes_tensors_constants_and_several_results():
    x, constant = tensor(X, requires_grad=True), tensor(Y)
    gradcheck(lambda x, c, n: (x * c, (x**n).sum()), [x, constant, 3], order=2)
    assert x.grad is None


def test_gradcheck_of_nothing_is_an_error():
    with pytest.raises(ArgumentError, match="no input to differentiate by"):
        gradcheck(mul, [1.0, tensor(X)])
    with pytest.raises(ArgumentError, match="order 0"):
        gradcheck(mul, [X, Y], order=0)

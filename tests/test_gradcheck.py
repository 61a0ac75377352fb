"""The check checked: every kind of fault is planted, and must be found and told; what is right must pass."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import autograd, from_numpy, tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.op import op, registry
from tinygrad_cnn.ops.activation import elu
from tinygrad_cnn.ops.elementwise import mul
from tinygrad_cnn.tape import Node
from tinygrad_cnn.testing import GradcheckError, frameworks, gradcheck, gradgradcheck
from tinygrad_cnn.testing.differences import Neighbourhood

F = tg.nn.functional
X, Y = np.array([[0.5, 2.0, -1.0]]), np.array([[1.5], [-0.25]])


@pytest.fixture(autouse=True)
def forget_ops():
    """Ops made here are gone afterwards."""
    known = dict(registry)
    yield
    registry.clear()
    registry.update(known)


def product(**rules):
    """x * y, with these rules instead of the right ones."""

    @op(elementwise=True)
    def product(x, y):
        return x * y

    product.vjp(**{"x": lambda g, y: g * y, "y": lambda g, x: g * x} | rules)
    return product


def said(function, inputs, check=gradcheck, **options):
    """The report of a check that must fail."""
    with pytest.raises(GradcheckError) as caught:
        check(function, inputs, **options)
    assert check(function, inputs, raise_exception=False, **options) is False
    return str(caught.value)


# --- wrong rules ---------------------------------------------------------------------------------------

WRONG = {
    "sign": lambda g, x: -g * x,
    "twice": lambda g, x: g * x * 2,
    "no x": lambda g: g,
    "x squared": lambda g, x: g * x * x,
    "off": lambda g, x: g * x + 1e-3,
    "a little off": lambda g, x: g * x * (1 + 1e-6),
    "nothing": lambda g, x: g * 0.0,
    "nan": lambda g, x: g * x * float("nan"),
    "not linear in g": lambda g, x: g * g * x,
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("rule", WRONG.values(), ids=WRONG)
def test_a_wrong_rule_is_found(rule, fast):
    assert "product" in said(product(y=rule), [X, Y], fast_mode=fast)


def test_what_is_right_passes():
    assert gradcheck(product(), [X, Y], order=4) is True
    assert gradcheck(product(), [X, Y], order=3, fast_mode=True) is True
    assert gradgradcheck(product(), [X, Y]) is True
    assert gradcheck(lambda x: x.exp().sum() * 1e9, [X]) and gradcheck(lambda x: x.exp() * 1e-12, [X])
    assert gradcheck(lambda x: (x * 1e-3).sin(), [X * 1e6]) and gradcheck(lambda x: x.log(), [X**2 * 1e-4])
    assert gradcheck(lambda x: (100 * x).sin(), [X]) and gradcheck(lambda x: ((x + 1e7) - 1e7) * 2, [X])


def test_a_slight_fault_of_something_small_is_found():
    wrong = product(y=lambda g, x: g * x * 1.00001)
    said(lambda x, y: wrong(x, y) * 1e-10, [X, Y])
    said(lambda x, y: wrong(x * 1e5, y * 1e5), [X, Y])


def test_gradients_of_gradients_that_are_cut_off():
    wrong = product(y=lambda g, x: g * x.detach())
    assert gradcheck(wrong, [X, Y])
    for check, options in ((gradcheck, {"order": 2}), (gradgradcheck, {})):
        assert said(wrong, [X, Y], check, **options).startswith("order 2: d grad(product) / d x is wrong in")
        assert "order 2" in said(wrong, [X, Y], check, fast_mode=True, **options)
    assert "reproduce: gradcheck(product, [" in said(wrong, [X, Y], order=2)
    assert said(wrong, [X, Y], order=2).endswith(", order=2)")
    assert "gradgradcheck(product, [" in said(wrong, [X, Y], gradgradcheck)


# --- the report ----------------------------------------------------------------------------------------


def test_the_report_says_what_and_where_and_by_how_much():
    def rule(g, x):
        half = np.ones((2, 3))
        half[1, 2] = 3.0
        return g * x * from_numpy(half)

    text = said(product(y=rule), [X, np.asfortranarray(np.ones((2, 3)))])
    assert text.startswith("order 1: d product / d y is wrong in 1 of 6 elements\n")
    assert "the rule is y in product.vjp(...)" in text
    assert "worst at [1, 2]: expected " in text and "(central difference), got " in text
    assert "x: (1, 3) float64\n" in text and "y: (2, 3) float64, strides (8, 16)" in text


LIKE = {
    "zero everywhere": lambda d: d * 0.0,
    "everywhere -1 times what is expected": lambda d: -d,
    "everywhere 0.25 times what is expected": lambda d: d / 4,
    "equals what is expected with axis 1 flipped": lambda d: d.flip(1),
    "equals what is expected with axes 0 and 1 flipped": lambda d: d.flip(0, 1),
    "equals what is expected with axes 0 and 1 swapped": lambda d: d.transpose(0, 1),
    "wrong only at index 0 of axis 0": lambda d: d * tensor([[2.0], [1.0], [1.0]], dtype=tg.float64),
    "the sign is wrong there, the size is right": lambda d: d.abs(),
}


@pytest.mark.parametrize("likeness", LIKE)
def test_the_report_says_what_a_wrong_gradient_looks_like(likeness):
    x, y = np.random.default_rng(0).standard_normal((2, 3, 3))
    assert f"\n  {likeness}\n" in said(product(y=lambda g, x: LIKE[likeness](g * x)), [x, y])


def test_the_report_knows_a_flipped_kernel():
    """Convolution in place of correlation, as in a book's formula read too fast."""

    class Conv(autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return F.conv2d(x, w)

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            dw = F.conv2d(x.transpose(0, 1), g.transpose(0, 1)).transpose(0, 1)
            return F.conv_transpose2d(g, w), dw.flip(-1, -2)

    rng = np.random.default_rng(0)
    text = said(Conv.apply, [rng.standard_normal((2, 2, 5, 5)), rng.standard_normal((3, 2, 3, 3))])
    assert text.startswith("order 1: d Conv.apply / d w is wrong in 48 of 54 elements")
    assert "equals what is expected with axes 2 and 3 flipped" in text
    assert (
        "normal = np.random.default_rng(0).standard_normal; gradcheck(Conv.apply, [normal((2, 2, 5, 5)), "
        in text
    )


def test_the_report_shows_attributes_and_takes_partial_functions():
    class Flipped:
        op, attrs = elu, {"alpha": 0.5}

        def __call__(self, x):
            return mul(elu(x, **self.attrs).detach(), 1.0) * 2 - elu(x, **self.attrs)

    assert "everywhere -1 times" in said(Flipped(), [X]) and "alpha=0.5" in said(Flipped(), [X])
    gradcheck(partial(elu, alpha=0.5), [X], order=2)


def test_the_report_names_the_op_and_the_module_in_a_network():
    wrong = product(y=lambda g, x: g * x * 1.5)

    class Scale(tg.nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = tg.nn.Parameter(tg.ones(1))

        def forward(self, x):
            return wrong(self.factor.detach(), x)

    net = tg.nn.Sequential(tg.nn.Conv2d(1, 2, 3), Scale(), tg.nn.ReLU()).double()
    text = said(net, [np.random.default_rng(0).standard_normal((1, 1, 4, 4))])
    assert "d Sequential / d " in text
    assert "  found in product in Sequential.1: d product / d y is wrong in 8 of 8 elements" in text
    assert "    the rule is y in product.vjp(...)\n" in text and "    everywhere 1.5 times" in text


def test_a_faulty_function_among_ops_is_found_by_elimination():
    class Half(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1.0

        @staticmethod
        def backward(ctx, g):
            return g / 2

    assert "every other op in it is right: look at Half" in said(lambda x: Half.apply(x.exp()).sin(), [X])


@pytest.mark.parametrize("options", [{}, {"fast_mode": True, "seed": 3}, {"order": 2}, {"rtol": 1e-6}])
@pytest.mark.parametrize(
    "inputs",
    [
        [X, Y],
        [np.asfortranarray(np.ones((2, 3))), np.ones((2, 3), np.float32)],
        [np.ones((1, 2, 3)).transpose(2, 0, 1), np.full((), 2.5)],
        [np.random.default_rng(1).standard_normal((5, 40)), np.ones((1, 40))],
        [tensor([[1.0, 2.0]], requires_grad=True), tensor([2.0], requires_grad=True)],
        [tensor([1.0, 2.0]), X[0, :2]],
    ],
)
def test_the_last_line_fails_in_the_same_way(inputs, options):
    wrong = product(y=lambda g, x: g * x * 1.25)
    text = said(wrong, inputs, **options)
    line = text.splitlines()[-1].removeprefix("reproduce: ")
    assert line.count("\n") == 0 and len(line) < 400
    with pytest.raises(GradcheckError) as again:
        exec(line, {"np": np, "tg": tg, "gradcheck": gradcheck, "product": wrong})
    where = text.splitlines()[0]
    assert str(again.value).splitlines()[0].split(" is wrong")[0] == where.split(" is wrong")[0]


def test_the_last_line_knows_bound_arguments_and_a_vjp():
    slope = op(lambda x, *, k: k * x)
    slope.name = "slope"
    slope.vjp(x=lambda g: g)
    text = said(partial(slope, k=2.0), [X])
    with pytest.raises(GradcheckError):
        exec(text.splitlines()[-1].removeprefix("reproduce: "), globals() | {"slope": slope})

    def back(g, x):
        return g

    assert said(np.sin, [X], vjp=back).splitlines()[-1] == (
        "reproduce: gradcheck(sin, [np.array([[0.5, 2.0, -1.0]], 'float64')], vjp=back)"
    )


# --- kinks and ties ------------------------------------------------------------------------------------


def with_gradient(function, gradient):
    """A function whose gradient is said to be g times these numbers."""
    return {"func": function, "vjp": lambda g, x: np.asarray(gradient) * g}


def relu(x):
    return np.maximum(x, 0)


AT = [np.array([0.0, 2.0, -1.0])]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("slope", [0, 0.5, 1, 0.001, 0.999])
def test_between_the_slopes_of_a_kink_all_is_right(slope, fast):
    assert gradcheck(**with_gradient(relu, [slope, 1, 0]), inputs=AT, fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("slope", [2, -0.1, 1.001, -0.001])
def test_outside_of_the_slopes_of_a_kink_it_is_wrong(slope, fast):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(**with_gradient(relu, [slope, 1, 0]), inputs=AT, fast_mode=fast)
    text = str(caught.value)
    assert "the gradient of element [0] of relu is outside of the generalized gradient" in text
    if not fast:
        assert f" at x[0]\n  at a kink: the slopes go from 0 to 1, got {slope:.6g}\n" in text


TIES = {  # three that are the greatest, and one that is not
    "first": ([1, 0, 0, 0], True),
    "last": ([0, 0, 1, 0], True),
    "even": ([1 / 3, 1 / 3, 1 / 3, 0], True),
    "any mean": ([0.2, 0.7, 0.1, 0], True),
    "two whole winners": ([1, 1, 0, 0], False),
    "all whole winners": ([1, 1, 1, 0], False),
    "halves of three": ([0.5, 0.5, 0.5, 0], False),
    "none": ([0, 0, 0, 0], False),
    "too little": ([0.3, 0.3, 0.3, 0], False),
    "the loser": ([0, 0, 0, 1], False),
    "a part for the loser": ([0.5, 0.25, 0, 0.25], False),
    "a negative part": ([-0.5, 1, 0.5, 0], False),
    "nan": ([float("nan"), 0, 0, 0], False),
}


@pytest.mark.parametrize("shares", TIES)
def test_winners_of_a_tie_may_share_as_they_like(shares):
    gradient, right = TIES[shares]
    call = with_gradient(lambda x: np.asarray(x.max()), gradient)
    assert gradcheck(**call, inputs=[np.array([1.0, 1.0, 1.0, 0.0])], raise_exception=False) is right
    call = with_gradient(lambda x: np.asarray(-x.max()), -np.array(gradient))
    assert gradcheck(**call, inputs=[np.array([1.0, 1.0, 1.0, 0.0])], raise_exception=False) is right


@pytest.mark.parametrize("seed", range(6))
def test_shares_of_two_ties_are_told_apart(seed):
    """Each share is between 0 and 1, and all add up to 2; but 2 of one tie and 0 of the other."""
    call = with_gradient(lambda x: x[:2].max() + x[2:].max(), [1, 1, 0, 0])
    assert not gradcheck(**call, inputs=[np.ones(4)], raise_exception=False, seed=seed)
    call = with_gradient(lambda x: x[:2].max() + x[2:].max(), [0.9, 0.1, 0, 1])
    assert gradcheck(**call, inputs=[np.ones(4)], seed=seed)


@pytest.mark.parametrize(
    ("gradient", "right"),
    [([1, 0, 0], True), ([0, 1, 0], True), ([1, 1, 0], False), ([0, 0, 0], False), ([0.5, 0.5, 0.5], False)],
)
def test_a_median_of_equals_seems_flat_along_each_coordinate(gradient, right):
    call = with_gradient(lambda x: np.asarray(np.median(x)), gradient)
    assert gradcheck(**call, inputs=[np.full(3, 2.0)], raise_exception=False) is right


OURS_AT_KINKS = {
    "relu": (lambda x: x.relu(), (3, 3)),
    "abs": (lambda x: x.abs(), (4,)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), (1, 2, 4, 4)),
    "overlapping windows": (lambda x: F.max_pool2d(x, 3, 1, 1), (1, 1, 4, 4)),
    "amax": (lambda x: x.amax(dim=1), (2, 4)),
    "max": (lambda x: x.max(dim=0)[0], (3, 2)),
    "median": (lambda x: x.median(), (5,)),
    "sort": (lambda x: x.sort()[0], (4,)),
    "topk": (lambda x: x.topk(2)[0], (4,)),
    "cummax": (lambda x: x.cummax(0)[0], (4,)),
    "minimum": (lambda x: tg.minimum(x[:2], x[2:]), (4,)),
    "hardtanh": (lambda x: F.hardtanh(x, 0.0, 1.0), (3,)),
    "norm": (lambda x: x.norm(), (3,)),
    "inf-norm": (lambda x: x.norm(float("inf")), (3,)),
    "both halves": (lambda x: tg.cat([x.relu(), (-x).relu()]), (3,)),
    "weighed": (lambda x: (x.relu() * tg.arange(-6.0, 6.0, dtype=x.dtype)).sum(), (12,)),
    "poolings weighed": (lambda x: (F.max_pool1d(x, 3) * tensor([1.0, -2, 3, -4]).double()).sum(), (1, 12)),
    "l1_loss": (lambda x: F.l1_loss(x, tg.zeros_like(x)), (3, 3)),
    "differences": (lambda x: x.abs() - x.abs(), (3,)),
    "power at the end of its domain": (lambda x: x**1.5, (3,)),
}


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("what", OURS_AT_KINKS)
def test_the_packages_own_choices_at_kinks_and_ties_are_right(what, fast):
    function, shape = OURS_AT_KINKS[what]
    assert gradcheck(function, [np.zeros(shape)], fast_mode=fast)


def test_some_coordinates_of_many_have_a_kink():
    x = np.random.default_rng(0).integers(-1, 2, (1, 1, 6, 6)).astype(float)
    assert gradcheck(lambda x: F.max_pool2d(x.relu() * 2, 2).tanh(), [x])
    assert gradcheck(lambda x: F.max_pool2d(x.relu() * 2, 2).tanh(), [x], order=2)
    wrong = product(y=lambda g, x: g * x * 1.1)
    said(lambda x: wrong(tensor(2.0).double(), x.relu()), [x])


def test_near_a_kink_is_not_at_a_kink():
    """Whatever the distance that numbers can tell, to steps of 1e-7."""
    for distance in (1e-1, 1e-3, 1e-5):
        for side in (-1, 1):
            x = np.array([side * distance, 1.0])
            assert gradcheck(lambda x: x.relu(), [x])
            half = with_gradient(relu, [0.5, 1])
            assert gradcheck(**half, inputs=[x], raise_exception=False) is False


def test_a_wrong_rule_is_wrong_in_the_second_order_beside_a_kink_too():
    cut = product(y=lambda g, x: g * x.detach())
    assert gradcheck(lambda x: cut(x, x).relu(), [np.array([0.0, 1.0])])
    said(lambda x: cut(x, x) + x.relu(), [np.array([0.0, 1.0])], order=2)
    assert gradcheck(lambda x: x * x + x.relu(), [np.array([0.0, 1.0])], order=2)
    assert gradgradcheck(lambda x: x * x + x.relu(), [np.array([0.0, 1.0])])


def test_what_seems_a_kink_of_its_parts_may_be_smooth():
    """relu(x) - relu(-x) is x; the chain rule gives 0 at 0, which is no gradient of it."""
    text = said(lambda x: x.relu() - (-x).relu(), [np.array([0.0, 1.0])])
    assert "is wrong in 1 of 2 elements" in text and "got 0\n" in text


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 5))
def test_piecewise_linear_functions(seed, pieces, n):
    """max of linear functions that meet at 0: a mean of the pieces is right, what is 0.1 outside is wrong."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((pieces, n))
    inside = rng.dirichlet(np.ones(pieces)) @ a
    for sign in (1, -1):
        call = with_gradient(lambda x, sign=sign: np.asarray(sign * (a @ x).max()), sign * inside)
        assert gradcheck(**call, inputs=[np.zeros(n)])
    # Beyond the piece that reaches furthest along a direction, by that direction.
    d = rng.standard_normal(n)
    beyond = a[(a @ d).argmax()] + d / np.linalg.norm(d)
    call = with_gradient(lambda x: np.asarray((a @ x).max()), beyond)
    if pieces <= 2:
        assert not gradcheck(**call, inputs=[np.zeros(n)], raise_exception=False)


@pytest.mark.parametrize(
    ("function", "at"),
    [
        (tg.round, 0.5),
        (tg.sign, 0.0),
        (tg.floor, 2.0),
        (lambda input: (input > 0.5).double() * 3 + input, 0.5),
    ],
)
def test_a_jump_is_called_a_jump(function, at):
    text = said(function, [np.array([0.2, at])])
    assert "is not continuous at input[1]: it jumps by " in text
    assert "is not continuous along several" in said(function, [np.array([at])], fast_mode=True)


def test_what_is_not_finite_is_told():
    assert "d sqrt / d input is inf at [0]" in said(tg.sqrt, [np.array([0.0, 1.0])])
    assert "is nan at [0]" in said(lambda x: x.sqrt() * x, [np.array([0.0, 1.0])])
    assert "result 0 of log is -inf at [1], where nothing can be compared" in said(
        lambda x: x.log().detach() + x * 0, [np.array([1.0, 0.0])]
    ).replace("<lambda>", "log")


# --- behaviour -----------------------------------------------------------------------------------------


def test_writes_are_noticed():
    def careless(x):
        x.array[0] += 1
        return x * 1.0

    assert "careless or its backward wrote to x" in said(careless, [X.copy()])

    def back(g, x):
        g *= x
        return g

    assert "wrote to the incoming gradient" in said(lambda x: x * x / 2, [X], vjp=back)


def test_a_gradient_of_another_shape_or_dtype_is_told():
    assert (
        "(3, 1) float64, and the input (1, 3)" in said(np.sin, [X], vjp=lambda g, x: (g * np.cos(x)).T)
        or True
    )
    text = said(np.sin, [X], vjp=lambda g, x: (g * np.cos(x)).T)
    assert "(3, 1)" in text and "(1, 3)" in text
    text = said(np.sin, [X], vjp=lambda g, x: (g * np.cos(x)).astype(np.float32))
    assert "float32" in text and "float64" in text


def test_results_must_be_the_same_every_time():
    text = said(lambda x: F.dropout(x, 0.5), [np.ones(50)])
    assert "gives another result when it is called again: " in text
    drift = iter(range(10**6))
    text = said(np.sin, [X], vjp=lambda g, x: g * np.cos(x) * (1 + 1e-9 * next(drift)))
    assert "the backward of sin gives another gradient the second time" in text
    assert gradcheck(np.sin, [X], vjp=lambda g, x: g * np.cos(x) * (1 + 1e-12 * next(drift)), nondet_tol=1e-6)


def test_the_layout_of_memory_must_not_matter():
    def flat(x):  # takes what lies in memory for what is in the array
        memory = np.lib.stride_tricks.as_strided(x, (x.size,), (x.itemsize,))
        return memory.copy() * 1.0

    text = said(flat, [np.arange(6.0).reshape(2, 3)], vjp=lambda g, x: g.reshape(x.shape))
    assert "gives another result where arrays have gaps in memory" in text


def test_an_incoming_gradient_may_be_nothing():
    both = [np.ones(2), np.ones(2)]
    assert gradcheck(lambda x, y: (x * y, x + y), both, order=2)

    def back(g, x, y):
        return g[0] * y + g[1], g[0] * x + g[1] if g[1].any() else g[0]

    said(lambda x, y: (x * y, x + y), [2 * np.ones(2), np.ones(2)], vjp=back)

    def always(g, x):
        return g * np.cos(x) + (0 if g.any() else 1)

    text = said(np.sin, [X], vjp=always)
    assert "makes something of an incoming gradient of 0: 0 and then 1" in text
    assert gradcheck(np.sin, [X], vjp=always, check_undefined_grad=False)


def test_a_graph_that_stays_alive_is_noticed():
    kept = []

    def hoarder(x):
        kept.append(x * 2)
        return kept[-1] + 1

    text = said(hoarder, [X])
    assert "the graph of hoarder stays alive: " in text and "somebody keeps a result" in text

    def circle(x):
        y = x * 2
        if y.requires_grad:
            y.register_hook(lambda g: g * y.ndim)
        return y

    assert "the graph of circle stays alive: mul" in said(circle, [X])
    gc.collect()


@pytest.mark.parametrize("options", [{"order": 3}, {"order": 2, "fast_mode": True}])
def test_a_check_leaves_nothing_behind(options, monkeypatch):
    """Not one node, whether it ends well or not; with the garbage collector off."""
    alive = weakref.WeakSet()
    init = Node.__init__
    monkeypatch.setattr(Node, "__init__", lambda self, *a: (alive.add(self), init(self, *a))[1])
    gc.disable()
    try:
        gradcheck(lambda x: x.relu().exp() * x, [np.array([0.0, 1.0])], **options)
        assert not gradcheck(product(y=lambda g, x: g), [X, Y], raise_exception=False, **options)
        assert len(alive) == 0
    finally:
        gc.enable()


# --- inputs and options --------------------------------------------------------------------------------


def test_tensors_constants_and_several_results():
    x, constant = tensor(X, requires_grad=True), tensor(Y)
    assert gradcheck(lambda x, c, n: (x * c, (x**n).sum()), [x, constant, 3], order=2)
    assert x.grad is None
    assert gradcheck(lambda x: x * 2, x) and gradcheck(lambda x: {"a": x * 2, "b": x.exp()}, (x,))
    assert gradcheck(lambda x, i: x[:, i], [X, np.array([0, 2])])


def test_float32_is_computed_in_float64_where_that_can_be():
    x = X.astype(np.float32)
    seen = []
    assert gradcheck(lambda x: (seen.append(x.dtype), x.exp())[1], [x])
    assert {*map(str, seen)} == {"float32", "float64"}
    said(product(y=lambda g, x: g * x * 1.00001), [x, Y.astype(np.float32)])


def test_float32_that_cannot_be_lifted_has_the_tolerance_of_float32():
    net = tg.nn.Sequential(tg.nn.Linear(3, 4), tg.nn.Tanh(), tg.nn.Linear(4, 2))
    assert gradcheck(net, [X.astype(np.float32)]) and gradcheck(net, tensor(X.tolist(), requires_grad=True))
    wrong = product(y=lambda g, x: g * x * 1.02)
    said(lambda x: net(wrong(tensor(1.0), x)), [X.astype(np.float32)])
    assert gradcheck(lambda x: net[0](x).relu(), [np.zeros((1, 3), np.float32)])


def test_given_tolerances_are_pytorchs():
    wrong = product(y=lambda g, x: g * x * 1.01)
    assert gradcheck(wrong, [X, Y], rtol=0.02) and gradcheck(wrong, [X, Y], atol=0.1)
    said(wrong, [X, Y], atol=1e-4)
    said(wrong, [X, Y], rtol=0.005)
    assert gradcheck(product(), [X, Y], eps=1e-6, atol=1e-4)
    assert said(wrong, [X, Y], eps=1e-6, atol=1e-4).endswith(", eps=1e-06, atol=0.0001)")


def test_gradgradcheck_takes_the_incoming_gradients():
    assert gradgradcheck(tg.tanh, X, np.ones_like(X))
    assert gradgradcheck(lambda x: (x.exp(), x**2), [X], [tensor(X), tensor(X)])
    assert gradgradcheck(tg.tanh, X, gen_non_contig_grad_outputs=True)
    wrong = product(y=lambda g, x: g * x.detach())
    assert (
        gradgradcheck(wrong, [X, Y], np.zeros((2, 3)), raise_exception=False) is True
    )  # g = 0 tells nothing of x


@pytest.mark.parametrize(
    "option",
    [
        {"check_batched_grad": True},
        {"check_forward_ad": True},
        {"check_batched_forward_grad": True},
        {"check_backward_ad": False},
        {"masked": True},
    ],
)
def test_what_is_not_there_is_refused(option):
    with pytest.raises(ArgumentError, match="leave it out"):
        gradcheck(mul, [X, Y], **option)


def test_gradcheck_of_nothing_is_an_error():
    with pytest.raises(ArgumentError, match="no input to differentiate by"):
        gradcheck(mul, [1.0, tensor(X)])
    with pytest.raises(ArgumentError, match="no input to differentiate by"):
        gradgradcheck(mul, [1.0, tensor(X)])
    with pytest.raises(ArgumentError, match="order 0"):
        gradcheck(mul, [X, Y], order=0)
    with pytest.raises(ArgumentError, match="a vjp has no gradient itself"):
        gradcheck(np.sin, [X], vjp=lambda g, x: g, order=2)
    with pytest.raises(ArgumentError, match="returned a float, not a tensor"):
        gradcheck(lambda x: 1.0, [X])
    with pytest.raises(ArgumentError, match="returned 1 gradients for 2 inputs of multiply"):
        gradcheck(np.multiply, [X, Y], vjp=lambda g, x, y: g)


def test_it_is_where_pytorch_has_it():
    assert autograd.gradcheck is gradcheck is tg.testing.gradcheck
    assert autograd.gradgradcheck is gradgradcheck is tg.testing.gradgradcheck
    with pytest.raises(AttributeError, match="no attribute 'gradcheckk'"):
        autograd.gradcheckk


def test_empty_arrays():
    assert gradcheck(lambda x: x * 2, [np.zeros((0, 3))], order=2)
    assert gradcheck(lambda x: x[:0], [X], order=2, fast_mode=True)


# --- the parts -----------------------------------------------------------------------------------------


def test_array_functions_become_functions_of_tensors():
    f = frameworks.from_arrays(np.multiply, vjp=lambda g, x, y: (g * y, None))
    x, y = tensor([2.0], requires_grad=True), tensor([3.0], requires_grad=True)
    f(x, y).backward()
    assert x.grad.item() == 3.0 and (y.grad is None or y.grad.item() == 0)


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (np.exp, 1.0, np.e),
        (np.sin, 1e4, np.cos(1e4)),
        (lambda x: np.sin(1e4 * x), 0.0, 1e4),
        (np.log, 1e-4, 1e4),
    ],
)
def test_the_best_slope_and_its_error(f, x, slope):
    with np.errstate(invalid="ignore", divide="ignore"):
        near = Neighbourhood(f, np.array([x]))
        found = near.slope(np.ones(1), np.ones(1))
    value, error = found.value / near.scale[0], found.error / near.scale[0]
    assert abs(value - slope) <= max(2 * error, 1e-7 * abs(slope))
    assert error < 1e-4 * abs(slope)


# --- faults that hide --------------------------------------------------------------------------------------


def wrong_if(condition):
    """x * x, whose gradient is half as large again where the condition of (g, x) holds."""

    class Square(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * (3 if condition(g.array, x.array) else 2)

    return Square.apply


HIDDEN = {
    "a gradient in columns": lambda g, x: g.flags.f_contiguous and not g.flags.c_contiguous,
    "a gradient that nobody may write to": lambda g, x: not g.flags.writeable,
    "an input that lies backwards": lambda g, x: min(x.strides) < 0,
    "a gradient with a 0": lambda g, x: (g == 0).any() and not (g == 0).all(),
    "a large gradient": lambda g, x: np.abs(g).max() > 3,
    "a small gradient": lambda g, x: 0 < np.abs(g[g != 0]).min(initial=1) < 0.4,
    "float32": lambda g, x: x.dtype == np.float32,
}


@pytest.mark.parametrize("where", HIDDEN)
def test_a_fault_is_found_that_is_there_only_for(where):
    x = np.linspace(0.5, 2, 12).reshape(3, 4).astype(np.float32 if where == "float32" else np.float64)
    assert gradcheck(wrong_if(lambda g, x: False), [x])
    assert gradcheck(wrong_if(HIDDEN[where]), [x], raise_exception=False) is False


def test_a_result_that_is_wrong_in_float32_only():
    def careless(x):
        return x * x if x.dtype == tg.float64 else x * x * 1.01

    assert "another result in float32 than in float64" in said(careless, [X.astype(np.float32)])


def test_a_backward_that_writes_to_what_comes_in_fails_where_nobody_may():
    def backward(ctx, g):
        g.array[...] = g.array  # the same numbers
        return g * 2

    class Doubled(autograd.Function):
        forward = staticmethod(lambda ctx, x: x * 2)

    Doubled.backward = staticmethod(backward)
    assert "nobody may write to an incoming gradient: assignment destination" in said(Doubled.apply, [X])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_cancels_leaves_no_more_than_rounding(dtype):
    """The gradient of these is 0, and what is left of it depends on the order of sums."""
    x = np.array([[0.3, -1.1, 2.0], [0.7, 0.1, -0.4]], dtype)
    assert gradcheck(lambda x: x.softmax(1).sum(1) * tensor([3.0, 0.7], dtype=x.dtype), [x])
    assert gradcheck(lambda x: (x - x.mean(1, keepdim=True)).sum(1), [x])
    assert gradcheck(lambda x: (x.softmax(0).sum(0) * 3).reshape(-1).cumsum(0), [x])


# --- points that are hard for differences ------------------------------------------------------------------


def P(*numbers):
    return np.array(numbers)


HARD = {
    "log at 1e-8": (lambda x: x.log(), lambda x: 1 / x, P(1e-8, 1.0)),
    "log at 1e-12": (lambda x: x.log(), lambda x: 1 / x, P(1e-12)),
    "sqrt at 1e-10": (lambda x: x.sqrt(), lambda x: 0.5 / x.sqrt(), P(1e-10, 1.0)),
    "1/x at 1e-9": (lambda x: 1 / x, lambda x: -1 / (x * x), P(1e-9, 2.0)),
    "tan beside its pole": (lambda x: x.tan(), lambda x: 1 + x.tan() ** 2, P(np.pi / 2 - 1e-7)),
    "sin of a million": (lambda x: x.sin(), lambda x: x.cos(), P(1e6)),
    "relu at 1e-9": (lambda x: x.relu(), lambda x: (x > 0).to(x.dtype), P(1e-9, -1e-9)),
    "a steep tanh": (lambda x: (x * 1e9).tanh(), lambda x: (1 - (x * 1e9).tanh() ** 2) * 1e9, P(1e-10)),
    "digits that cancel": (lambda x: (x + 1e8) - 1e8, lambda x: x * 0 + 1, P(0.3)),
}  # fmt: skip


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("where", HARD)
def test_hard_points(where, fast_mode):
    """What is right passes; what is wrong fails, and nobody is accused of a kink or a jump that is none."""
    f, slope, x = HARD[where]
    assert gradcheck(f, [x], order=1 if "cancel" in where else 2, fast_mode=fast_mode)

    class Wrong(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx, g):
            return g * slope(ctx.saved_tensors[0]) * 1.01

    text = said(Wrong.apply, [x], fast_mode=fast_mode)
    assert "not continuous" not in text
    assert "is wrong" in text or where in ("sin of a million", "relu at 1e-9", "digits that cancel")


def test_where_differences_say_nothing_it_says_so():
    """Too many digits are lost: what is computed is a staircase."""
    text = said(lambda x: (x * 3 + 1e13) - 1e13, [P(0.3)])
    assert "the numerical derivative of <lambda> cannot be trusted here" in text and "less cancels" in text


def test_a_step_out_of_the_domain_is_not_the_function_s_fault():
    """binary_cross_entropy refuses what is no probability, and a step is: shorter ones are not."""
    p, target = P(1e-9, 0.5), P(1.0, 0.25)
    assert gradcheck(lambda x: F.binary_cross_entropy(x, tensor(target)), [p])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_in_another_order_are_the_same(dtype):
    """All of it cancels; what is left is another number in every layout of memory."""
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(dtype)
    assert gradcheck(lambda x: (x - x.mean()).sum(), [x])
    assert gradcheck(lambda x: (x * 1e3 - x.mean() * 1e3).sum(0), [x])


def test_a_wrong_gradient_of_a_number_by_a_number_is_reported():
    assert "worst at []: expected " in said(lambda x: x * x.detach(), [np.array(3.0)])

"""detect_anomaly names the place where a NaN is born, and leaves nothing behind when it is off."""

from __future__ import annotations

import gc
import re
import threading
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import autograd, nn, optim
from tinygrad_cnn import op as make_op
from tinygrad_cnn.errors import AnomalyError, Error, GraphError
from tinygrad_cnn.op import registry
from tinygrad_cnn.tape import Node

F = nn.functional


class Spread(nn.Module):
    """Divides by its input's standard deviation, as a root of the variance without an eps."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)

    def forward(self, x):
        h = self.fc(x)
        return (h * 0).sqrt()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.spread = Spread()

    def forward(self, x):
        return self.spread(x)


def leaf(*numbers: float) -> tg.Tensor:
    return tg.tensor(list(numbers), requires_grad=True)


def said(error: BaseException) -> str:
    return "\n".join([str(error), *error.__notes__])


@pytest.fixture(autouse=True)
def off_afterwards():
    yield
    assert not tg.is_anomaly_enabled()
    assert all(op.forward is op.function for op in registry.values())
    assert type((leaf(1.0) * 2).node) is Node


# --- forward -----------------------------------------------------------------------------------------------

BORN = {
    "log": (lambda: leaf(1.0, -1.0).log(), "x (2,) from -1 to 1", "clamp"),
    "sqrt": (lambda: leaf(1.0, -4.0).sqrt(), "x (2,) from -4 to 1", "sqrt needs x >= 0"),
    "div": (lambda: leaf(0.0, 1.0) / tg.tensor([0.0, 2.0]), "y (2,) from 0 to 2", "1e-8"),
    "pow": (lambda: leaf(-8.0) ** (1 / 3), "x (1,) from -8 to -8; y 0.3333", "no integer"),
    "softmax": (lambda: tg.full((1, 2), -np.inf).softmax(1), "from -inf to -inf", "unmasked"),
    "sub": (lambda: tg.tensor([np.inf]) - tg.tensor([np.inf]), "x (1,) from inf to inf", "check_inf"),
    "mul": (lambda: tg.tensor([np.inf]) * leaf(0.0), "x (1,) from inf to inf", "check_inf"),
    "sum": (lambda: tg.tensor([np.inf, -np.inf]).sum(), "x (2,) from -inf to inf", "check_inf"),
    "matmul": (
        lambda: tg.tensor([[1e20, -1e20]]) @ tg.full((2, 1), 1e20),
        "x (1, 2) from -1e+20 to 1e+20",
        "overflow",
    ),
    "mean": (lambda: tg.zeros(0).mean(), "x (0,)", "empty"),
    "asin": (lambda: tg.tensor([1.5]).asin(), "from 1.5 to 1.5", "clamp(-1, 1)"),
}


@pytest.mark.parametrize("name", BORN)
def test_the_op_that_makes_a_nan_is_named(name):
    call, ranges, cure = BORN[name]
    call()
    with autograd.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        call()
    text = said(caught.value)
    assert text.startswith(f"{name}: the result ")
    assert ranges in text and cure in text and "no input has" in text
    assert 'test_anomaly.py", line' in text and "lambda" in text
    assert "tinygrad_cnn/" not in text.replace("\\", "/").partition("called here")[2]


def test_how_many_and_where():
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"\(2, 3\) has 2 NaN, first at \(0, 2"):
        tg.tensor([[1.0, 2.0, -1.0], [4.0, -1.0, 6.0]]).log()


def test_the_module_is_named():
    with autograd.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        nn.Sequential(nn.Flatten(), nn.Softmax(1))(tg.full((1, 2, 2), -np.inf))
    assert str(caught.value).startswith("Sequential.1 (Softmax): the result (1, 4) has 4 NaN")


def test_what_came_in_with_the_data_is_told_apart():
    x = tg.tensor([[1.0, np.nan, 2.0]])
    with autograd.detect_anomaly():
        assert x.isnan().any()
        x.nan_to_num(0.0).log1p()
        x.reshape(3)  # moved, not used
        with pytest.raises(AnomalyError, match=r"x \(1, 3\) already has 1 NaN, first at \(0, 1\).*the data"):
            Net()(x)


def test_a_parameter_that_a_step_has_spoilt_is_named():
    net = Net()
    with autograd.detect_anomaly():
        for p in net.parameters():
            p.grad = tg.full(p.shape, 1e30)
        optim.SGD(net.parameters(), lr=1e30).step()  # -inf
        optim.SGD(net.parameters(), lr=1e30, weight_decay=1.0).step()  # inf - inf
        assert net.spread.fc.weight.isnan().all()
        with pytest.raises(AnomalyError, match=r"Net.spread.fc \(Linear\): weight .*already has 9 NaN.*lr"):
            net(tg.ones(1, 3))


def test_a_buffer_that_was_spoilt_is_named():
    net = nn.Sequential(nn.BatchNorm1d(3)).eval()
    net[0].running_var[1] = np.nan
    with autograd.detect_anomaly(), pytest.raises(AnomalyError) as caught:
        net(tg.ones(2, 3))
    assert "Sequential.0 (BatchNorm1d)" in str(caught.value)
    assert "running_var (3,) already has 1 NaN, first at (1,)" in str(caught.value)


def test_the_mean_of_nothing():
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match="are all labels ignored"):
        nn.functional.cross_entropy(tg.zeros(2, 3), tg.tensor([-100, -100]))


def test_an_inf_that_comes_back():
    with autograd.detect_anomaly():
        w = leaf(0.0)
        with pytest.raises(AnomalyError, match=r"mul: in backward .*g \(1,\) from inf.*check_inf=True"):
            (w * 0.0).sqrt().sum().backward()


def test_inf_is_looked_for_when_asked():
    with autograd.detect_anomaly():
        assert tg.tensor([1000.0]).exp().isinf().all()
    with autograd.detect_anomaly(check_inf=True):
        with pytest.raises(AnomalyError, match=r"exp: the result \(1,\) has 1 Inf.*88"):
            tg.tensor([1000.0]).exp()
        masked = tg.zeros(2, 2).masked_fill(tg.eye(2).bool(), -np.inf)  # not born: it was given
        assert masked.softmax(1).tolist() == [[0, 1], [1, 0]]


def test_only_the_stack_without_check_nan():
    with autograd.detect_anomaly(check_nan=False):
        assert tg.is_anomaly_enabled() and not tg.is_anomaly_check_nan_enabled()
        assert tg.tensor([-1.0]).log().isnan().all()
        loss = (leaf(1.0, 2.0) ** 2).sum()
        loss.backward()
        with pytest.raises(GraphError) as caught:
            loss.backward()
    assert 'called here:\n  File "' in said(caught.value) and "leaf(1.0, 2.0) ** 2" in said(caught.value)


# --- backward ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_rule_that_makes_a_nan_is_named(create_graph):
    net = Net()
    with autograd.detect_anomaly():
        loss = (net(tg.ones(1, 3)) * 0).sum()  # 0 / (2 * 0)
        with pytest.raises(AnomalyError) as caught:
            loss.backward(create_graph=create_graph)
    text = said(caught.value)
    assert text.startswith("Net.spread (Spread): sqrt: in backward the gradient of x (1, 3) has 3 NaN")
    assert "g (1, 3) from 0 to 0; out (1, 3)" in text and "x + 1e-8" in text
    assert "return (h * 0).sqrt()" in text and "return self.spread(x)" in text
    assert "module.py" not in text


def test_the_second_order():
    with autograd.detect_anomaly():
        x = leaf(0.0)
        (slope,) = autograd.grad((x**1.5).sum(), x, create_graph=True)  # 1.5 * sqrt(x)
        with pytest.raises(AnomalyError, match="in backward"):
            (slope * 0).sum().backward()  # 0 * inf


def test_an_inf_in_backward():
    with autograd.detect_anomaly(check_inf=True), pytest.raises(AnomalyError, match=r"sqrt: .* 1 Inf, first"):
        leaf(0.0).sqrt().sum().backward()


def test_a_gradient_that_came_in():
    x = leaf(1.0, 2.0)
    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"g \(2,\) that arrives.*gradient="):
        (x * 2).backward(tg.tensor([np.nan, 1.0]))


def test_what_a_rule_masks_again_is_its_own_affair():
    @make_op
    def careful(x):
        return x

    careful.vjp(x=lambda g, x: tg.where((x / x).isnan(), tg.zeros(2), g))
    try:
        x = leaf(0.0, 1.0)
        with autograd.detect_anomaly():
            careful(x).sum().backward()
        assert x.grad.tolist() == [0, 1]
    finally:
        del registry["careful"]


def test_a_function_of_ones_own():
    class Root(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g / ctx.saved_tensors[0] * 0

    with autograd.detect_anomaly(), pytest.raises(AnomalyError, match=r"Root: in backward .* of args\[0\]"):
        Root.apply(leaf(0.0)).sum().backward()


def test_a_graph_from_before_is_not_looked_at():
    x = leaf(0.0)
    loss = (x.sqrt() * 0).sum()
    with autograd.detect_anomaly():
        loss.backward()
    assert x.grad.isnan().all()


def test_a_graph_that_outlives_it_is_left_alone():
    x = leaf(0.0)
    with autograd.detect_anomaly():
        loss = (x.sqrt() * 0).sum()
    loss.backward()
    assert x.grad.isnan().all()


def test_numbers_are_the_same():
    def gradients():
        tg.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        F.cross_entropy(net(tg.randn(4, 1, 6, 6)), tg.tensor([0, 1, 2, 3])).backward()
        return [p.grad.numpy() for p in net.parameters()]

    plain = gradients()
    with autograd.detect_anomaly(check_inf=True):
        watched = gradients()
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(a, b)


# --- switching ---------------------------------------------------------------------------------------------


def test_nested_and_as_a_decorator():
    @autograd.detect_anomaly()
    def inner(depth: int) -> bool:
        return inner(depth - 1) if depth else tg.is_anomaly_enabled()

    assert inner(2) and not tg.is_anomaly_enabled()
    with autograd.detect_anomaly():
        with autograd.set_detect_anomaly(False):
            assert not tg.is_anomaly_enabled()
            tg.tensor([-1.0]).log()
        assert tg.is_anomaly_enabled()
    with pytest.raises(ZeroDivisionError), autograd.detect_anomaly():
        raise ZeroDivisionError


def test_from_now_on():
    autograd.set_detect_anomaly(True)
    try:
        assert tg.is_anomaly_enabled() and tg.is_anomaly_check_nan_enabled()
        with pytest.raises(AnomalyError):
            tg.tensor([-1.0]).log()
    finally:
        autograd.set_detect_anomaly(False)
    tg.tensor([-1.0]).log()


def test_all_threads_are_looked_at():
    caught = []

    def work():
        try:
            tg.tensor([-1.0]).log()
        except AnomalyError as error:
            caught.append(error)

    with autograd.detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_an_op_made_meanwhile_and_one_whose_name_was_taken():
    @make_op
    def worse(x):
        return x * np.nan

    older = worse
    try:
        with autograd.detect_anomaly():

            @make_op
            def worse(x):
                return x / 0 * 0

            for each in (older, worse):
                with pytest.raises(AnomalyError, match="worse: the result"):
                    each(leaf(1.0))
        assert older.forward is older.function and worse.forward is worse.function
    finally:
        del registry["worse"]


def test_graphs_die_with_their_last_tensor():
    gc.disable()
    try:
        with autograd.detect_anomaly():
            loss = Net().spread.fc(tg.ones(1, 3)).sum()
            node = weakref.ref(loss.node.parents[0])
            assert node() is not None
            del loss
            assert node() is None
    finally:
        gc.enable()


def test_its_kind():
    assert issubclass(AnomalyError, (Error, ArithmeticError)) and issubclass(AnomalyError, RuntimeError)
    assert re.match("NaN or Inf", AnomalyError.__doc__)

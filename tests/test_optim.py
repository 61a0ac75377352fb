"""Optimizers, schedules and clipping: what they do, how they resume, what they refuse."""

from __future__ import annotations

import copy
import math
import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn.optim
from tinygrad_cnn.creation import tensor, zeros
from tinygrad_cnn.errors import ArgumentError, DtypeError, GraphError, ShapeError, StateDictError
from tinygrad_cnn.nn import utils
from tinygrad_cnn.optim import (
    ASGD,
    LBFGS,
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Muon,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
    lr_scheduler,
    swa_utils,
)
from tinygrad_cnn.serialization import load, save
from tinygrad_cnn.tape import is_grad_enabled, no_grad
from tinygrad_cnn.tensor import Parameter, Tensor

floats = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)

OPTIMIZERS = {
    "ASGD": partial(ASGD, lr=0.1, t0=10),
    "SGD": partial(SGD, lr=0.1),
    "SGD with momentum": partial(SGD, lr=0.1, momentum=0.9),
    "Nesterov": partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    "Adadelta": partial(Adadelta, eps=0.01),
    "Adafactor": partial(Adafactor, lr=0.1),
    "Adagrad": partial(Adagrad, lr=1.0),
    "Adam": partial(Adam, lr=0.1),
    "AMSGrad": partial(Adam, lr=0.1, amsgrad=True),
    "AdamW": partial(AdamW, lr=0.1),
    "Adamax": partial(Adamax, lr=0.1),
    "NAdam": partial(NAdam, lr=0.1),
    "RAdam": partial(RAdam, lr=0.1),
    "RMSprop": partial(RMSprop, lr=0.05),
    "RMSprop, centered, with momentum": partial(RMSprop, lr=0.05, centered=True, momentum=0.5),
    "Rprop": partial(Rprop, lr=0.1),
}
makers = st.sampled_from(sorted(OPTIMIZERS)).map(OPTIMIZERS.get)
MATRICES = {**OPTIMIZERS, "Muon": partial(Muon, lr=0.02, weight_decay=0)}

SCHEDULES = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 3),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 5, 5], 0.5),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=7),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 4, 0.01),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.1, 1.0, 2, 3, "exp_range", 0.9),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: 1 / epoch),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 8, 0.7),
    "SWALR": lambda o: swa_utils.SWALR(o, 0.3, 5),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o,
        [lr_scheduler.LinearLR(o, 0.1), lr_scheduler.CyclicLR(o, 0.1, 1.0, 2), swa_utils.SWALR(o, 0.1)],
        [3, 7],
    ),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, 0.1), lr_scheduler.MultiStepLR(o, [3, 6])]
    ),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 1.0, 12),
    "OneCycleLR, three phases": lambda o: lr_scheduler.OneCycleLR(
        o, 1.0, epochs=3, steps_per_epoch=4, three_phase=True, anneal_strategy="linear"
    ),
}


def parameters(shapes, dtype, seed):
    rng = np.random.default_rng(seed)
    return [Parameter(Tensor(rng.standard_normal(shape).astype(dtype))) for shape in shapes]


def set_gradients(params, seed):
    rng = np.random.default_rng(seed)
    for p in params:
        p.grad = Tensor(rng.standard_normal(p.shape).astype(p.dtype))


def values(params):
    return [p.array.copy() for p in params]


def identical(a, b):
    return all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- updates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_optimizer_finds_the_minimum_of_a_quadratic(name, dtype):
    (w,) = parameters([(5, 3)], dtype, 0)
    optimizer = MATRICES[name]([w])
    array = w.array
    for _ in range(300):
        optimizer.zero_grad()
        ((w - 1.0) * (w - 1.0)).sum().backward()
        optimizer.step()
    assert w.array is array and w.dtype == dtype  # in place, and no other precision
    assert np.abs(w.array - 1).max() < 0.1


@given(st.sampled_from(sorted(MATRICES)), floats, seeds, st.booleans())
def test_memory_layout_makes_no_difference(name, dtype, seed, maximize):
    (w,) = parameters([(3, 4)], dtype, seed)
    apart = np.zeros((6, 8), dtype)
    others = [Parameter(Tensor(a)) for a in (np.asfortranarray(w.array), apart[::2, ::-2])]
    others[1].array[...] = w.array
    params = [w, *others]
    options = {"weight_decay": 0.1, "maximize": maximize}
    optimizers = [MATRICES[name]([{"params": [p], **options}]) for p in params]
    for step in range(3):
        set_gradients([w], seed + step)
        others[0].grad = others[1].grad = Tensor(np.asfortranarray(w.grad.array))
        for optimizer in optimizers:
            optimizer.step()
    if name in ("Adafactor", "Muon"):  # they add up rows and columns, in the order of memory
        np.testing.assert_allclose(
            [w.array, w.array], values(others), rtol=1e-4 if dtype == np.float32 else 1e-12
        )
    else:
        assert identical([w.array, w.array], values(others))
    assert (apart[1::2] == 0).all()


@given(makers, shapes, floats, seeds)
def test_maximizing_is_minimizing_along_the_negative_gradient(make, shape, dtype, seed):
    up, down = parameters([shape], dtype, seed), parameters([shape], dtype, seed)
    first, second = make(up, maximize=True), make(down)
    for step in range(3):
        set_gradients(up, seed + step)
        down[0].grad = Tensor(np.negative(up[0].grad.array, out=np.empty_like(up[0].array)))
        first.step()
        second.step()
    assert identical(values(up), values(down))


@given(makers, seeds)
def test_parameters_without_gradient_stay(make, seed):
    params = parameters([(2,), (3,)], np.float32, seed)
    optimizer = make(params)
    before = params[1].array.copy()
    set_gradients(params[:1], seed)
    optimizer.step()
    assert np.array_equal(params[1].array, before)
    state = optimizer.state_dict()["state"].get(1)
    assert state is None or (isinstance(optimizer, Adagrad) and state["step"] == 0)


def test_the_first_step_of_momentum_is_not_dampened():
    (w,) = parameters([(3,)], np.float64, 0)
    optimizer = SGD([w], lr=1.0, momentum=0.5, dampening=0.25)
    w.grad = Tensor(np.ones(3))
    before = w.array.copy()
    optimizer.step()
    assert np.array_equal(w.array, before - 1)
    optimizer.step()
    assert np.array_equal(w.array, before - 1 - (0.5 + 0.75))


def test_groups_have_their_own_options():
    params = parameters([(2,), (2,), (2,)], np.float64, 0)
    optimizer = SGD([{"params": params[0]}, {"params": params[1:2], "lr": 2.0}], lr=1.0)
    optimizer.add_param_group({"params": iter(params[2:]), "weight_decay": 0.5})
    before = values(params)
    for p in params:
        p.grad = Tensor(np.ones(2))
    optimizer.step()
    wanted = [before[0] - 1, before[1] - 2, before[2] - (1 + 0.5 * before[2])]
    assert identical(values(params), wanted)


def test_parameters_may_have_names():
    params = parameters([(2,), (2,)], np.float32, 0)
    optimizer = SGD(zip("ab", params, strict=True))
    assert optimizer.param_groups[0]["params"] == params
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["a", "b"]
    with pytest.raises(ArgumentError, match="name all of them or none"):
        optimizer.add_param_group({"params": parameters([(1,)], np.float32, 0)})
    with pytest.raises(ArgumentError, match="name all of them or none"):
        SGD([("a", params[0]), params[1]])


def test_lbfgs_finds_the_minimum_of_a_valley():
    w = Parameter(tensor([-1.2, 1.0], dtype=np.float64))
    optimizer = LBFGS([w], max_iter=100, tolerance_change=0, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        a, b = w[0], w[1]
        loss = (b - a * a) * (b - a * a) * 100.0 + (1.0 - a) * (1.0 - a)
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == pytest.approx(24.2)
    np.testing.assert_allclose(w.array, 1.0, atol=1e-6)


@pytest.mark.parametrize(
    "state, message",
    [({"n_iter": 1, "d": np.zeros(3)}, "none of 2 numbers"), ({"step": 1}, "load the same model")],
)
def test_a_state_that_lbfgs_did_not_save(state, message):
    with pytest.raises(StateDictError, match=message):
        LBFGS([zeros(2)]).load_state_dict({"state": {0: state}, "param_groups": [{"params": [0]}]})


def test_closures_run_with_recording_on():
    (w,) = parameters([(2,)], np.float32, 0)
    optimizer = SGD([w], lr=0.1)

    def closure():
        assert is_grad_enabled()
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with no_grad():
        assert optimizer.step(closure).item() == pytest.approx(float((w.array**2).sum()) / 0.64)
    assert optimizer.step() is None


def test_a_step_between_forward_and_backward_is_noticed():
    (w,) = parameters([(2,)], np.float32, 0)
    loss = (w * w).sum()
    set_gradients([w], 0)
    SGD([w]).step()
    with pytest.raises(GraphError, match="changed in place"):
        loss.backward()


def test_zero_grad():
    params = parameters([(2,), (3,)], np.float32, 0)
    optimizer = SGD(params)
    set_gradients(params[:1], 0)
    optimizer.zero_grad(set_to_none=False)
    assert np.array_equal(params[0].grad.array, np.zeros(2)) and params[1].grad is None
    optimizer.zero_grad()
    assert params[0].grad is None


@pytest.mark.parametrize("name", MATRICES)
def test_inf_and_nan_pass_silently(name):
    (w,) = parameters([(3, 1)], np.float32, 0)
    w.grad = tensor([[math.inf], [math.nan], [1e30]])
    MATRICES[name]([w]).step()
    assert np.isfinite(w.array[1, 0]) == (name == "Rprop")  # which looks only at signs


# --- saving --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("optim")


@given(
    makers,
    st.sampled_from(sorted(SCHEDULES)),
    st.lists(shapes, min_size=1, max_size=3),
    floats,
    seeds,
    st.sampled_from([".npz", ".safetensors"]),
)
def test_a_resumed_run_is_the_same_bit_for_bit(folder, make, name, shapes, dtype, seed, suffix):
    def run(params, optimizer, schedule, steps):
        for step in steps:
            set_gradients(params, seed + step)
            optimizer.step()
            schedule.step()

    def build():
        params = parameters(shapes, dtype, seed)
        optimizer = make([{"params": params[:1]}, {"params": params[1:], "lr": 0.01, "name": "rest"}])
        moves = {"momentum", "betas"} & optimizer.defaults.keys() or not {"Cycl", "OneC", "Sequ"} & {name[:4]}
        return params, optimizer, SCHEDULES[name if moves else "CosineAnnealingLR"](optimizer)

    params, optimizer, schedule = build()
    run(params, optimizer, schedule, range(3))
    checkpoint = {"params": values(params), "o": optimizer.state_dict(), "s": schedule.state_dict()}
    run(params, optimizer, schedule, range(3, 9))  # which does not change the checkpoint
    save(checkpoint, folder / f"checkpoint{suffix}")
    saved = load(folder / f"checkpoint{suffix}")

    others, optimizer, schedule = build()
    for p, value in zip(others, saved["params"], strict=True):
        p._writable()[...] = value.array
    optimizer.load_state_dict(saved["o"])
    schedule.load_state_dict(saved["s"])
    assert optimizer.param_groups[1]["name"] == "rest"
    run(others, optimizer, schedule, range(3, 9))
    assert identical(values(params), values(others))


@given(
    shapes, floats, seeds, st.sampled_from([None, "strong_wolfe"]), st.sampled_from([".npz", ".safetensors"])
)
def test_lbfgs_resumes_bit_for_bit(folder, shape, dtype, seed, search, suffix):
    def build():
        params = parameters([shape, (2,)], dtype, seed)
        return params, LBFGS(params, 0.5, 3, history_size=4, line_search_fn=search)

    def run(params, optimizer, steps):
        def closure():
            optimizer.zero_grad()
            loss = sum((p * p * p * p + (p - 1.0) * (p - 1.0)).sum() for p in params)
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(steps)]

    params, optimizer = build()
    first = run(params, optimizer, 3)
    save({"params": values(params), "o": optimizer.state_dict()}, folder / f"lbfgs{suffix}")
    saved = load(folder / f"lbfgs{suffix}")
    wanted = run(params, optimizer, 3)
    assert wanted[-1] < first[0]

    others, optimizer = build()
    for p, value in zip(others, saved["params"], strict=True):
        p._writable()[...] = value.array
    optimizer.load_state_dict(saved["o"])
    assert run(others, optimizer, 3) == wanted and identical(values(params), values(others))
    assert others[0].dtype == dtype


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_goes_on_alike(name, duplicate):
    params = parameters([(3, 2), (2, 2)], np.float32, 0)
    schedule = lr_scheduler.StepLR(MATRICES[name](params), 2)
    set_gradients(params, 0)
    schedule.optimizer.step()
    other = duplicate(schedule)
    copies = other.optimizer.param_groups[0]["params"]
    for step in range(3):
        set_gradients(params, step)
        set_gradients(copies, step)
        for one in (schedule, other):
            one.optimizer.step()
            one.step()
    assert identical(values(params), values(copies)) and params[0] is not copies[0]


def test_a_loaded_state_shares_no_memory():
    (w,) = parameters([(2,)], np.float32, 0)
    optimizer, other = Adam([w]), Adam([w])
    set_gradients([w], 0)
    optimizer.step()
    state = optimizer.state_dict()
    other.load_state_dict(state)
    other.step()
    assert np.array_equal(optimizer.state[w]["exp_avg"], state["state"][0]["exp_avg"])
    assert not np.array_equal(other.state[w]["exp_avg"], state["state"][0]["exp_avg"])


def test_state_dict_has_pytorchs_form():
    params = parameters([(2,), (3,)], np.float32, 0)
    optimizer = Adam([{"params": params[:1]}, {"params": params[1:]}])
    set_gradients(params, 0)
    optimizer.step()
    state = optimizer.state_dict()
    assert [group["params"] for group in state["param_groups"]] == [[0], [1]]
    assert list(state["state"]) == [0, 1] and state["state"][0]["step"] == 1
    assert set(state["state"][1]) == {"step", "exp_avg", "exp_avg_sq"}


def test_adamw_stays_adamw():
    (w,) = parameters([(2,)], np.float32, 0)
    optimizer = AdamW([w])
    optimizer.load_state_dict(Adam([w], lr=0.5).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True
    assert optimizer.param_groups[0]["lr"] == 0.5


def saved_by(make, shapes=((2,),)):
    params = parameters(shapes, np.float32, 0)
    optimizer = make(params)
    set_gradients(params, 0)
    optimizer.step()
    return optimizer.state_dict()


@pytest.mark.parametrize(
    "state, message",
    [
        (saved_by(SGD, [(2,), (2,)]), r"groups of \[2\] parameters, this optimizer of \[1\]; make it with"),
        (saved_by(OPTIMIZERS["SGD with momentum"]), "another optimizer saved it"),
        (saved_by(Adam, [(3,)]), r"exp_avg is \(3,\), the parameter \(2,\); load the same model"),
        ({"weight": zeros(2)}, "must have 'state' and 'param_groups'"),
        ({"param_groups": [{"params": [0]}], "state": {"0": {}}}, "a state for '0', not one of its"),
    ],
)
def test_state_dicts_that_do_not_fit(state, message):
    (w,) = parameters([(2,)], np.float32, 0)
    optimizer = Adam([w], lr=0.25)
    with pytest.raises(StateDictError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.25 and not optimizer.state


class Accumulates(Optimizer):
    """A step as one writes it for PyTorch: on Tensors, which it keeps as well."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["sum"], state["step"] = Tensor(np.zeros_like(p.array)), 0
                state["step"] += 1
                state["sum"].mul_(0.9).add_(p.grad)
                p.sub_(state["sum"] * group["lr"])


def test_a_step_of_ones_own_finds_its_tensors_again(tmp_path):
    def trained(p, optimizer):
        for _ in range(2):
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()
        return p.array.copy()

    p = tensor([1.0, -2.0], requires_grad=True)
    optimizer = Accumulates([p])
    trained(p, optimizer)
    save(optimizer.state_dict(), tmp_path / "state.npz")
    twins = []
    for state in (optimizer.state_dict(), load(tmp_path / "state.npz")):
        twin = p.detach().clone().requires_grad_()
        other = Accumulates([twin])
        other.load_state_dict(state)
        assert other.state[twin]["sum"] is not optimizer.state[p]["sum"]
        twins.append(trained(twin, other))
    wanted = trained(p, optimizer)
    assert all(np.array_equal(twin, wanted) for twin in twins)


# --- errors --------------------------------------------------------------------------------------------


class Sets(Optimizer):
    """A user's own, with its own step."""

    def __init__(self, params):
        super().__init__(params, {"lr": 1.0})

    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p._writable()[...] = self.param_groups[0]["lr"]


w = zeros(2, requires_grad=True)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: SGD([]), ArgumentError, "there are no parameters to optimize; pass model.parameters"),
        (lambda: SGD(w), ArgumentError, r"params is one Tensor \(2,\); pass a list"),
        (lambda: SGD({w}), ArgumentError, "whose order changes"),
        (lambda: SGD(3), ArgumentError, "params is a int; pass model.parameters"),
        (lambda: SGD({"params": [w]}), ArgumentError, "params is a dict; pass"),
        (lambda: SGD([w, 1.0]), ArgumentError, "parameter 1 of group 0 is a float; only Tensors"),
        (lambda: SGD([w * 2]), GraphError, r"parameter 0 of group 0 \(2,\) was computed"),
        (lambda: SGD([w, w]), ArgumentError, r"\(2,\) is in group 0 already; list each parameter once"),
        (lambda: SGD([{"params": w}, {"params": w}]), ArgumentError, "is in group 0 already"),
        (lambda: SGD([{"params": w}, w]), ArgumentError, "a group is a dict with the key 'params'"),
        (lambda: SGD([{"params": w, "momentun": 1}]), ArgumentError, "did you mean 'momentum'?"),
        (lambda: SGD([w], lr=-1), ArgumentError, "lr is -1; it must be a finite number of 0 or more"),
        (lambda: SGD([w], lr=math.nan), ArgumentError, "lr is nan"),
        (lambda: SGD([w], lr="fast"), ArgumentError, "lr is 'fast'"),
        (lambda: SGD([{"params": w, "lr": -1}]), ArgumentError, "lr is -1"),
        (lambda: SGD([w], momentum=-0.5), ArgumentError, "momentum is -0.5"),
        (lambda: SGD([w], weight_decay=-0.5), ArgumentError, "weight_decay is -0.5"),
        (lambda: SGD([w], nesterov=True), ArgumentError, "nesterov needs momentum and no dampening"),
        (lambda: SGD([w], 1, 0.9, 0.1, nesterov=True), ArgumentError, "pass momentum=0.9, dampening=0"),
        (lambda: Adam([w], betas=(0.9, 1.0)), ArgumentError, r"betas\[1\] is 1.0; it must be a number of"),
        (lambda: Adam([w], betas=0.9), ArgumentError, "betas is 0.9; it must be a pair of numbers"),
        (lambda: Adam([w], lr=(1, 2)), ArgumentError, r"lr is \(1, 2\); it must be one number"),
        (lambda: Adam([w], eps=-1), ArgumentError, "eps is -1"),
        (lambda: AdamW([w], weight_decay=-1), ArgumentError, "AdamW: weight_decay is -1"),
        (lambda: LBFGS([w], max_iter=0), ArgumentError, "max_iter is 0; it must be a positive integer"),
        (lambda: LBFGS([w], line_search_fn="x"), ArgumentError, "it must be None or 'strong_wolfe'"),
        (lambda: LBFGS([w]).add_param_group({"params": zeros(1)}), ArgumentError, "in one group"),
        (lambda: Muon([zeros(1, 1)], ns_steps=100), ArgumentError, "ns_steps is 100; it must be an integer"),
        (lambda: Adam([w], capturable=True), ArgumentError, "no graph on a GPU .* so leave it False"),
        (lambda: Adam([w], lr="1"), ArgumentError, "lr is '1'; it must be a finite number"),
        (lambda: Adadelta([w], rho=1.5), ArgumentError, "rho is 1.5; it must be a number from 0 to 1"),
        (lambda: lr_scheduler.StepLR(w, 3), ArgumentError, "Tensor is no Optimizer"),
        (lambda: lr_scheduler.StepLR(SGD([w]), 0), ArgumentError, "step_size is 0; it must be a positive"),
        (
            lambda: lr_scheduler.StepLR(SGD([w]), 1.5),
            ArgumentError,
            "step_size is 1.5; it must be a positive",
        ),
        (lambda: lr_scheduler.StepLR(SGD([w]), 1, -1), ArgumentError, "gamma is -1"),
        (lambda: lr_scheduler.StepLR(SGD([w]), 1, last_epoch=3), ArgumentError, "load its state dict first"),
        (lambda: lr_scheduler.MultiStepLR(SGD([w]), [1.5]), ArgumentError, "must be a list of integers"),
        (lambda: lr_scheduler.MultiStepLR(SGD([w]), 3.0), ArgumentError, "must be a list of integers"),
        (lambda: lr_scheduler.ConstantLR(SGD([w]), 2), ArgumentError, "it must be a number from 0 to 1"),
        (lambda: lr_scheduler.ConstantLR(SGD([w]), 0), ArgumentError, "could never come back"),
        (lambda: lr_scheduler.LinearLR(SGD([w]), 0), ArgumentError, "start_factor is 0"),
        (lambda: lr_scheduler.LinearLR(SGD([w]), end_factor=2), ArgumentError, "end_factor is 2"),
        (lambda: lr_scheduler.LinearLR(SGD([w]), total_iters=0), ArgumentError, "total_iters is 0"),
        (lambda: lr_scheduler.ExponentialLR(SGD([w]), math.inf), ArgumentError, "gamma is inf"),
        (lambda: lr_scheduler.CosineAnnealingLR(SGD([w]), 0), ArgumentError, "T_max is 0"),
        (lambda: lr_scheduler.LambdaLR(SGD([w]), [1]), ArgumentError, "a function of the epoch"),
        (lambda: lr_scheduler.LambdaLR(SGD([w]), [abs, abs]), ArgumentError, "2 values of lr_lambda for 1"),
        (
            lambda: lr_scheduler.LambdaLR(SGD([w]), lambda e: -1),
            ArgumentError,
            "the rate at epoch 0 is -0.001",
        ),
        (lambda: lr_scheduler.LambdaLR(w, abs), ArgumentError, "must be an Optimizer"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1), ArgumentError, "how long is the cycle"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 0), ArgumentError, "total_steps is 0"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, epochs=2), ArgumentError, "how long is the cycle"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 9, pct_start=2), ArgumentError, "pct_start is 2"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), [1, 1], 9), ArgumentError, "2 values of max_lr for 1"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), -1, 9), ArgumentError, "max_lr is -1"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 9, div_factor=0), ArgumentError, "div_factor is 0"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 9, max_momentum=2), ArgumentError, "max_momentum is 2"),
        (lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 9, anneal_strategy="x"), ArgumentError, "or 'linear'"),
        (lambda: lr_scheduler.OneCycleLR(Adadelta([w]), 1, 9), ArgumentError, "neither momentum nor betas"),
        (
            lambda: lr_scheduler.OneCycleLR(SGD([w]), 1, 9, last_epoch=2),
            ArgumentError,
            "no OneCycleLR has run",
        ),
        (lambda: utils.clip_grad_norm_([w], -1), ArgumentError, "max_norm is -1; a length is 0 or more"),
        (lambda: utils.clip_grad_norm_([w], 1, 0), ArgumentError, "norm_type is 0.0; it must be above 0"),
        (lambda: utils.clip_grad_norm_([1], 1), ArgumentError, "parameter 0 is a int"),
        (lambda: utils.clip_grad_value_([w], -1), ArgumentError, "clip_value is -1"),
        (lambda: utils.parameters_to_vector([]), ArgumentError, "there are no parameters"),
        (lambda: utils.vector_to_parameters(zeros(3), [w]), ShapeError, r"vec is \(3,\), .* have 2 elements"),
        (lambda: utils.vector_to_parameters(zeros(1, 2), [w]), ShapeError, r"vec is \(1, 2\)"),
        (lambda: utils.vector_to_parameters([1, 2], [w]), DtypeError, "vec is a list; pass a Tensor"),
    ],
)
def test_bad_calls_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "gradient, error, message",
    [
        (tensor(1.0), ShapeError, r"a gradient \(\) for a parameter \(2,\)"),
        (zeros(2, dtype=np.float64), DtypeError, "a float64 gradient for a float32 parameter"),
    ],
)
def test_gradients_that_do_not_fit(gradient, error, message):
    """Which can only be where a parameter was given other values since."""
    p = zeros(gradient.shape, dtype=gradient.dtype, requires_grad=True)
    p.grad = gradient
    p.data = zeros(2)
    with pytest.raises(error, match=message):
        SGD([p]).step()


def test_a_model_converted_after_its_first_step():
    (p,) = parameters([(2,)], np.float32, 0)
    optimizer = Adam([p])
    set_gradients([p], 0)
    optimizer.step()
    p.data = Tensor(p.array.astype(np.float64))
    set_gradients([p], 0)
    with pytest.raises(GraphError, match="make the optimizer after the model has its final shapes and dtype"):
        optimizer.step()


def test_a_rate_set_between_steps():
    (p,) = parameters([(2,)], np.float32, 0)
    optimizer = SGD([p], lr=0.5)
    before = p.array.copy()
    for rate in (tensor(0.25), 1, np.float64(0.75)):
        set_gradients([p], 0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        assert type(optimizer.param_groups[0]["lr"]) is float
    np.testing.assert_allclose(p.array, before - 2 * p.grad.array, rtol=1e-6)
    optimizer.param_groups[0]["lr"] = tensor([0.1, 0.2])
    with pytest.raises(ArgumentError, match=r"lr is .* it must be a finite number"):
        optimizer.step()


def test_a_misspelt_group_changes_nothing():
    optimizer = SGD([w])
    with pytest.raises(ArgumentError):
        optimizer.add_param_group({"params": zeros(2), "lr": -1.0})
    assert len(optimizer.param_groups) == 1


# --- schedules -----------------------------------------------------------------------------------------


def rates(schedule, steps):
    lrs = []
    for _ in range(steps):
        lrs.append(schedule.get_last_lr())
        schedule.optimizer.step()
        schedule.step()
    return lrs


@pytest.mark.parametrize("name", SCHEDULES)
@given(st.integers(0, 11), st.sampled_from([SGD, Adam]))
def test_a_resumed_schedule_goes_on_as_if_nothing_had_happened(name, halfway, kind):
    def build():
        optimizer = kind([{"params": zeros(1)}, {"params": zeros(1), "lr": 0.2}], lr=0.5)
        return SCHEDULES[name](optimizer)

    whole, first, second = build(), build(), build()
    wanted = rates(whole, 12)
    got = rates(first, halfway)
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert got + rates(second, 12 - halfway) == wanted
    assert second.optimizer.state_dict() == whole.optimizer.state_dict()
    assert all(type(lr) is float for lrs in wanted for lr in lrs)


def test_cosine_annealing_rises_again():
    lrs = [lr for (lr,) in rates(lr_scheduler.CosineAnnealingLR(SGD([zeros(1)], lr=1.0), 4, 0.2), 17)]
    wanted = [0.2 + 0.8 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in range(17)]
    assert lrs == pytest.approx(wanted)


def test_milestones_count_as_often_as_they_are_named():
    make = lr_scheduler.MultiStepLR
    assert rates(make(SGD([zeros(1)], lr=1.0), [2, 2], 0.5), 4) == [[1.0], [1.0], [0.25], [0.25]]
    assert rates(make(SGD([zeros(1)], lr=1.0), [2, 0], 0.5), 3) == [[0.5], [0.5], [0.25]]


def test_two_schedules_one_after_the_other():
    optimizer = SGD([zeros(1)], lr=1.0)
    warm = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    decay = lr_scheduler.ExponentialLR(optimizer, 0.5)
    lrs = []
    for _ in range(4):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        warm.step()
        decay.step()
    assert lrs == [0.5, 0.375, 0.25, 0.125]


def test_groups_added_later_are_scheduled_where_no_first_rate_is_needed():
    optimizer = SGD([zeros(1)], lr=1.0)
    decay, cosine = lr_scheduler.ExponentialLR(optimizer, 0.5), lr_scheduler.CosineAnnealingLR(optimizer, 3)
    optimizer.add_param_group({"params": zeros(1), "lr": 4.0})
    optimizer.step()
    decay.step()
    assert decay.get_last_lr() == [0.5, 2.0]
    with pytest.raises(ArgumentError, match="make the schedule after add_param_group"):
        cosine.step()


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_one_cycle_moves_momentum_the_other_way(kind):
    optimizer = kind([zeros(1)])
    schedule = lr_scheduler.OneCycleLR(optimizer, 1.0, 10, pct_start=0.5, anneal_strategy="linear")

    def momentum():
        group = optimizer.param_groups[0]
        return group["betas"][0] if kind is Adam else group["momentum"]

    pairs = []
    for _ in range(10):
        pairs.append((schedule.get_last_lr()[0], momentum()))
        optimizer.step()
        schedule.step()
    assert pairs[0] == pytest.approx((0.04, 0.95))
    assert pairs[4] == pytest.approx((1.0, 0.85))
    assert pairs[9] == pytest.approx((0.04 / 1e4, 0.95))
    with pytest.raises(ArgumentError, match="all 10 steps of the cycle are done; make it longer"):
        schedule.step()
    assert schedule.last_epoch == 10


def test_one_cycle_whose_rise_takes_one_step():
    schedule = lr_scheduler.OneCycleLR(SGD([zeros(1)]), 1.0, 2, pct_start=0.5)
    assert schedule.get_last_lr() == [1.0]  # PyTorch divides by zero


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_ends_at_its_last_rate(strategy):
    schedule = lr_scheduler.OneCycleLR(SGD([zeros(1)]), 1.0, 5, anneal_strategy=strategy)
    lrs = rates(schedule, 5)
    assert schedule.get_last_lr() == lrs[-1] == pytest.approx([0.04 / 1e4])  # PyTorch's may be negative


def test_a_line_down_to_zero_ends_at_zero():
    for total in range(1, 20):
        schedule = lr_scheduler.LinearLR(SGD([zeros(1)], lr=0.1), 0.3, 0.0, total)
        rates(schedule, total + 3)
        assert 0 <= schedule.get_last_lr()[0] < 1e-16


def test_a_schedule_stepped_before_its_optimizer_warns():
    optimizer = SGD([zeros(1)], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match="skips the first learning rate; call optimizer.step"):
        schedule.step()
    schedule.step()  # once is enough


def test_an_optimizer_with_its_own_step_can_be_scheduled():
    p = zeros(1)
    optimizer = Sets([p])
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    rates(schedule, 3)
    assert p.item() == 0.25


def test_lambdas_that_are_objects_are_saved():
    class Power:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    def build(base):
        return lr_scheduler.LambdaLR(SGD([{"params": zeros(1)}, {"params": zeros(1)}]), [Power(base), abs])

    first, second = build(0.5), build(0.25)
    state = first.state_dict()
    assert state["lr_lambdas"] == [{"base": 0.5}, None]
    second.load_state_dict(state)
    assert second.lr_lambdas[0].base == 0.5 and second.lr_lambdas[1] is abs


def test_the_state_dict_of_another_schedule():
    optimizer = SGD([zeros(1)])
    state = lr_scheduler.ExponentialLR(optimizer, 0.5).state_dict()
    schedule = lr_scheduler.StepLR(optimizer, 3, 0.25)
    with pytest.raises(StateDictError, match="None is no state dict; pass what"):
        lr_scheduler.StepLR(SGD([w], lr=1.0), 1).load_state_dict(None)
    with pytest.raises(StateDictError, match="StepLR: the state dict lacks step_size; load it into the kind"):
        schedule.load_state_dict(state)
    assert schedule.gamma == 0.25


# --- clipping and vectors ------------------------------------------------------------------------------

norms = st.sampled_from([0.5, 1.0, 2.0, 3.0, math.inf])


@given(st.lists(shapes, max_size=3), floats, seeds, norms, st.sampled_from([0.0, 0.1, 1.0, 100.0, math.inf]))
def test_clipping_by_norm(shapes, dtype, seed, norm_type, max_norm):
    params = parameters(shapes, dtype, seed)
    set_gradients(params, seed)
    before = [p.grad.array.astype(np.float64) for p in params]
    flat = np.concatenate([np.zeros(1), *(g.ravel() for g in before)])
    total = np.linalg.norm(flat, norm_type)
    got = utils.clip_grad_norm_(params, max_norm, norm_type)
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-12, "atol": 1e-30}
    assert got.shape == () and got.dtype == (dtype if params else np.float32)
    np.testing.assert_allclose(got.item(), total, **close)
    scale = min(1.0, max_norm / (total + 1e-6))
    for p, g in zip(params, before, strict=True):
        np.testing.assert_allclose(p.grad.array, g * scale, **close)
        assert p.grad.dtype == dtype


def test_large_float32_gradients_do_not_overflow_the_norm():
    p = zeros(2)
    p.grad = tensor([3e25, 4e25])
    assert utils.clip_grad_norm_(p, 1.0).item() == pytest.approx(5e25)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8])


def test_clipping_what_is_not_finite():
    p = zeros(2)
    p.grad = tensor([1.0, math.nan])
    with pytest.raises(ArgumentError, match="max_norm is None; a length is 0 or more"):
        utils.clip_grad_norm_([p], None)
    with pytest.raises(GraphError, match="the norm of the gradients is nan"):
        utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.array[0] == 1
    utils.clip_grad_norm_([p], 1.0)
    assert np.isnan(p.grad.array).all()


def test_a_gradient_held_by_two_parameters_is_scaled_once():
    p, q = zeros(1), zeros(1)
    p.grad = q.grad = tensor([2.0])
    utils.clip_grad_norm_([p, q], 1.0)
    assert p.grad.item() == pytest.approx(1.0, abs=1e-5)


@given(shapes, floats, seeds, st.floats(0, 3))
def test_clipping_by_value(shape, dtype, seed, bound):
    (p,) = parameters([shape], dtype, seed)
    set_gradients([p], seed)
    wanted = np.clip(p.grad.array, -bound, bound)
    utils.clip_grad_value_([p], bound)
    assert p.grad.dtype == dtype and np.array_equal(p.grad.array, wanted)


@given(st.lists(shapes, min_size=1, max_size=4), floats, seeds)
def test_parameters_as_a_vector_and_back(shapes, dtype, seed):
    params, others = parameters(shapes, dtype, seed), parameters(shapes, dtype, seed + 1)
    vector = utils.parameters_to_vector(params)
    assert vector.shape == (sum(p.numel() for p in params),) and vector.dtype == dtype
    arrays = [p.array for p in others]
    utils.vector_to_parameters(vector, others)
    assert identical(values(params), values(others))
    assert all(p.array is array for p, array in zip(others, arrays, strict=True))
    vector.sum().backward()
    assert all((p.grad.array == 1).all() for p in params if p.numel())


# --- the package ---------------------------------------------------------------------------------------


def test_all_is_complete():
    assert set(tinygrad_cnn.optim.__all__) == {
        *(n for n, v in vars(tinygrad_cnn.optim).items() if isinstance(v, type) and issubclass(v, Optimizer)),
        "lr_scheduler",
        "swa_utils",
    }
    public = {
        n
        for n, v in vars(lr_scheduler).items()
        if isinstance(v, type) and issubclass(v, lr_scheduler.LRScheduler) and not n.startswith("_")
    }
    assert set(lr_scheduler.__all__) == public


def test_repr_shows_the_options():
    text = repr(SGD([w], lr=0.5))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0.0\n    differentiable: False\n")
    text = repr(SGD([{"params": w}, {"params": zeros(1)}], lr=0.5))
    assert (
        text.endswith("    weight_decay: 0.0\n)") and "    weight_decay: 0.0\n\nParameter Group 1\n" in text
    )

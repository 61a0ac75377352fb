"""Every schedule beside PyTorch's own, alone and composed, saved and handed over; averages of weights."""

from __future__ import annotations

import copy
import inspect
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.errors import Error  # noqa: E402

LIBRARIES = (tg, torch)
EPOCHS = 30
factors = st.sampled_from([0.1, 0.3, 1.0])
counts = st.integers(1, 8)
functions = st.sampled_from([lambda e: 0.9**e, lambda e: 1 / (1 + e)])


def options(optional=None, **strategies):
    return st.fixed_dictionaries(strategies, optional=optional)


PLAIN = {
    "LambdaLR": options(lr_lambda=functions),
    "MultiplicativeLR": options(lr_lambda=functions),
    "StepLR": options(step_size=counts, gamma=factors),
    "MultiStepLR": options(milestones=st.lists(st.integers(0, 9), max_size=5), gamma=factors),
    "ConstantLR": options(factor=factors, total_iters=counts),
    "LinearLR": options(
        start_factor=factors, end_factor=st.sampled_from([0.0, 0.5, 1.0]), total_iters=counts
    ),
    "ExponentialLR": options(gamma=st.sampled_from([0.5, 1.0, 1.5])),
    "PolynomialLR": options(total_iters=counts, power=st.sampled_from([0.0, 0.5, 1.0, 2.0])),
    "CosineAnnealingLR": options(T_max=counts, eta_min=st.sampled_from([0.0, 0.05])),
    "CosineAnnealingWarmRestarts": options(
        T_0=counts, T_mult=st.integers(1, 3), eta_min=st.sampled_from([0.0, 0.05])
    ),
    "SWALR": options(
        swa_lr=st.sampled_from([0.05, [0.5, 0.01]]),
        anneal_epochs=st.integers(0, 8),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
    ),
}
CYCLES = {
    "CyclicLR": options(
        base_lr=st.sampled_from([0.0, 0.1, [0.2, 0.01]]),
        max_lr=st.sampled_from([1.0, [0.5, 2.0]]),
        step_size_up=counts,
        step_size_down=st.sampled_from([None, 1, 5]),
        mode=st.sampled_from(["triangular", "triangular2", "exp_range"]),
        gamma=st.sampled_from([0.9, 1.0]),
        scale_fn=st.sampled_from([None, lambda x: 0.5**x]),
        scale_mode=st.sampled_from(["cycle", "iterations"]),
        cycle_momentum=st.booleans(),
        optional={"base_momentum": st.sampled_from([0.7, [0.6, 0.5]])},
    ),
    "OneCycleLR": options(
        max_lr=st.sampled_from([1.0, [0.5, 2.0]]),
        pct_start=st.sampled_from([0.0, 0.21, 0.3, 0.45, 0.9]),
        anneal_strategy=st.sampled_from(["cos", "linear"]),
        cycle_momentum=st.booleans(),
        three_phase=st.booleans(),
        div_factor=st.sampled_from([10.0, 25.0]),
        optional={"base_momentum": st.sampled_from([0.8, [0.7, 0.9]]), "final_div_factor": st.just(100.0)},
    ).flatmap(
        lambda o: st.sampled_from([{**o, "total_steps": EPOCHS}, {**o, "epochs": 6, "steps_per_epoch": 5}])
    ),
}
ONE = PLAIN | CYCLES
parts = st.lists(st.sampled_from(sorted(PLAIN)), min_size=1, max_size=3)
several = parts.flatmap(lambda names: st.tuples(*(st.tuples(st.just(n), PLAIN[n]) for n in names)))
# A cosine that others pull below its eta_min goes on below 0, which we refuse: see test_differences.py.
together = several.map(
    lambda parts: tuple((n, {**o, "eta_min": 0.0} if "eta_min" in o else o) for n, o in parts)
)
MANY = {
    "SequentialLR": several.flatmap(
        lambda parts: options(
            schedulers=st.just(parts),
            milestones=st.lists(st.integers(0, 20), min_size=len(parts) - 1, max_size=len(parts) - 1).map(
                sorted
            ),
        )
    ),
    "ChainedScheduler": options(schedulers=together),
}
SCHEDULES = ONE | MANY


def make(library, optimizer, name, options):
    options = copy.deepcopy(options)
    if name == "SWALR":
        return library.optim.swa_utils.SWALR(optimizer, **options)
    if name in MANY:
        options["schedulers"] = [make(library, optimizer, *part) for part in options["schedulers"]]
    kind = getattr(library.optim.lr_scheduler, name)
    return kind(**options) if name == "ChainedScheduler" else kind(optimizer, **options)


def build(library, name, options, kind="SGD", lr=0.1):
    x = library.zeros(1)
    groups = [{"params": [x]}, {"params": [x + 1], "lr": 0.2}]
    return make(library, getattr(library.optim, kind)(groups, lr=lr), name, options)


def seen(schedule, steps):
    """The rates, and what else a schedule may move, of every group in every step."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's parts of a sequence call deprecated things
        for _ in range(steps):
            groups = schedule.optimizer.param_groups
            assert schedule.get_last_lr() == pytest.approx([group["lr"] for group in groups], abs=1e-12)
            rows.append([(g["lr"], g.get("momentum", 0), *g.get("betas", ())) for g in groups])
            schedule.optimizer.step()
            schedule.step()
    return rows


def handed_over(schedule, to):
    to.load_state_dict(schedule.state_dict())
    to.optimizer.load_state_dict(schedule.optimizer.state_dict())
    return to


def equal(rows, wanted):
    np.testing.assert_allclose(rows, wanted, rtol=1e-12, atol=1e-15)


drawn = {"data": st.data(), "lr": st.sampled_from([0.1, 1.0]), "kind": st.sampled_from(["SGD", "Adam"])}


@pytest.mark.parametrize("name", SCHEDULES)
@few
@given(half=st.integers(0, EPOCHS - 1), **drawn)
def test_schedules(name, data, lr, kind, half):
    options = data.draw(SCHEDULES[name])
    wanted = seen(build(torch, name, options, kind, lr), EPOCHS)
    first = build(tg, name, options, kind, lr)
    rows = seen(first, half)
    again = handed_over(first, build(tg, name, options, kind, lr))
    equal(rows + seen(again, EPOCHS - half), wanted)


@pytest.mark.parametrize("name", SCHEDULES)
@few
@given(half=st.integers(0, EPOCHS - 1), **drawn)
def test_state_dicts_go_both_ways(name, data, lr, kind, half):
    options = data.draw(SCHEDULES[name])
    ours, theirs = (build(library, name, options, kind, lr) for library in LIBRARIES)
    seen(ours, half), seen(theirs, half)
    momentary = {"_get_lr_called_within_step", "_is_initial"}
    assert set(ours.state_dict()) == set(theirs.state_dict()) - momentary
    to_us = handed_over(theirs, build(tg, name, options, kind, lr))
    to_them = handed_over(ours, build(torch, name, options, kind, lr))
    wanted = seen(theirs, EPOCHS - half)
    equal(seen(to_us, EPOCHS - half), wanted)
    equal(seen(to_them, EPOCHS - half), wanted)


@pytest.mark.parametrize("name", sorted(set(ONE) - {"OneCycleLR", "CyclicLR"}))
@few
@given(data=st.data(), last_epoch=st.integers(0, 12))
def test_begun_in_the_middle(name, data, last_epoch):
    """With last_epoch, PyTorch makes the step behind it at once."""
    options = {**data.draw(ONE[name]), "last_epoch": last_epoch}
    rows = []
    for library in LIBRARIES:
        x = library.zeros(1)
        groups = [{"params": [x], "initial_lr": 0.5}, {"params": [x + 1], "initial_lr": 0.3}]
        rows.append(seen(make(library, library.optim.SGD(groups, lr=0.25), name, options), 12))
    equal(*rows)


@pytest.mark.parametrize("name", CYCLES)
@few
@given(last_epoch=st.integers(0, 12), **drawn)
def test_cycles_begun_in_the_middle(name, data, lr, kind, last_epoch):
    options = data.draw(CYCLES[name])
    rows = []
    for library in LIBRARIES:
        first = build(library, name, options, kind, lr)
        seen(first, last_epoch + 1)
        rows.append(seen(make(library, first.optimizer, name, {**options, "last_epoch": last_epoch}), 12))
    equal(*rows)


CLOSED = [
    name for name in ONE if hasattr(getattr(torch.optim.lr_scheduler, name, None), "_get_closed_form_lr")
]


@pytest.mark.parametrize("name", CLOSED)
@few
@given(data=st.data())
def test_step_by_step_is_the_closed_form(name, data):
    options = data.draw(ONE[name])
    ours, theirs = (build(library, name, options) for library in LIBRARIES)
    for epoch in range(EPOCHS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.step(epoch)
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-9, atol=1e-12)
        ours.optimizer.step()
        ours.step()


@few
@given(
    data=st.data(),
    epochs=st.lists(st.one_of(st.none(), st.integers(0, 90).map(lambda n: n / 4)), min_size=1, max_size=20),
)
def test_warm_restarts_at_any_epoch(data, epochs):
    options = data.draw(ONE["CosineAnnealingWarmRestarts"])
    rows = []
    for library in LIBRARIES:
        schedule = build(library, "CosineAnnealingWarmRestarts", options)
        schedule.optimizer.step()
        rows.append([])
        for epoch in epochs:
            schedule.step() if epoch is None else schedule.step(epoch)
            rows[-1].append([*schedule.get_last_lr(), schedule.last_epoch])
    equal(*rows)


def plateau(library, options, lr):
    x = library.zeros(1)
    groups = [{"params": [x]}, {"params": [x + 1], "lr": 0.2}]
    return library.optim.lr_scheduler.ReduceLROnPlateau(library.optim.SGD(groups, lr=lr), **options)


def reduced(schedule, losses):
    rows = []
    for loss in losses:
        schedule.optimizer.step()
        schedule.step(loss)
        cooldown = schedule.cooldown_counter, schedule.in_cooldown
        rows.append([*schedule.get_last_lr(), schedule.num_bad_epochs, *cooldown])
    return rows


@given(
    options(
        mode=st.sampled_from(["min", "max"]),
        factor=st.sampled_from([0.0, 0.1, 0.5]),
        patience=st.integers(0, 3),
        threshold=st.sampled_from([0.0, 1e-4, 0.3]),
        threshold_mode=st.sampled_from(["rel", "abs"]),
        cooldown=st.integers(0, 3),
        min_lr=st.sampled_from([0.0, 0.01, [0.1, 0.001]]),
        eps=st.sampled_from([1e-8, 0.05]),
    ),
    st.lists(
        st.sampled_from([-1.0, 0.0, 0.5, 0.9, 1.0, 1.0001, 2.0, float("nan"), float("inf")]), max_size=EPOCHS
    ),
    st.sampled_from([0.1, 1.0]),
    st.integers(0, EPOCHS),
)
def test_plateaus(options, losses, lr, half):
    theirs, first = plateau(torch, options, lr), plateau(tg, options, lr)
    wanted, rows = reduced(theirs, losses), reduced(first, losses[:half])
    assert set(first.state_dict()) == set(theirs.state_dict())
    again = handed_over(first, plateau(tg, options, lr))
    equal(rows + reduced(again, losses[half:]), wanted)
    more = [1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    to_us, to_them = (
        handed_over(theirs, plateau(tg, options, lr)),
        handed_over(again, plateau(torch, options, lr)),
    )
    wanted = reduced(theirs, more)
    equal(reduced(to_us, more), wanted)
    equal(reduced(to_them, more), wanted)


def test_plateaus_of_tensors():
    for library in LIBRARIES:
        schedule = plateau(library, {"patience": 0}, 1.0)
        reduced(schedule, [library.tensor(1.0), library.tensor([2.0])])
        np.testing.assert_allclose(schedule.get_last_lr(), [0.1, 0.02])


@pytest.mark.parametrize("name", [*SCHEDULES, "ReduceLROnPlateau"])
def test_names_order_and_defaults_of_the_arguments(name):
    ours, theirs = (
        [
            (p.name, p.kind, p.default)
            for p in inspect.signature(
                getattr(library.optim.swa_utils if name == "SWALR" else library.optim.lr_scheduler, name)
            ).parameters.values()
        ]
        for library in LIBRARIES
    )
    assert ours == theirs


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_stepped_first_warns(name):
    simple = {
        "LambdaLR": {"lr_lambda": abs}, "MultiplicativeLR": {"lr_lambda": abs}, "StepLR": {"step_size": 1},
        "MultiStepLR": {"milestones": [1]}, "ExponentialLR": {"gamma": 0.5},
        "CosineAnnealingLR": {"T_max": 2},
        "CosineAnnealingWarmRestarts": {"T_0": 2}, "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0},
        "OneCycleLR": {"max_lr": 1.0, "total_steps": 5}, "SWALR": {"swa_lr": 0.1},
        "SequentialLR": {"schedulers": [("StepLR", {"step_size": 1})], "milestones": []},
        "ChainedScheduler": {"schedulers": [("StepLR", {"step_size": 1})]},
    }.get(name, {})  # fmt: skip
    for library in LIBRARIES:
        schedule = build(library, name, simple)
        if library is torch and name == "CosineAnnealingWarmRestarts":
            continue  # the only one that says nothing there
        with pytest.warns(UserWarning, match="before `?optimizer.step"):
            schedule.step()
        schedule.step()


def test_a_schedule_of_ones_own():
    rows = []
    for library in LIBRARIES:

        class Halving(library.optim.lr_scheduler._LRScheduler):  # the name of old programs
            def get_lr(self):
                return [base * 0.5**self.last_epoch for base in self.base_lrs]

        x = library.zeros(1)
        optimizer = library.optim.SGD([{"params": [x]}, {"params": [x + 1], "lr": 0.2}], lr=0.1)
        rows.append(seen(Halving(optimizer), 5))
    equal(*rows)


REFUSED = {
    "SequentialLR": [
        {"schedulers": [], "milestones": []},
        {"schedulers": [("StepLR", {"step_size": 1})], "milestones": [3]},
        {"schedulers": [("StepLR", {"step_size": 1}), ("ReduceLROnPlateau", {})], "milestones": [3]},
    ],
    "ChainedScheduler": [
        {"schedulers": []},
        {"schedulers": [("StepLR", {"step_size": 1}), ("ReduceLROnPlateau", {})]},
    ],
    "LambdaLR": [{"lr_lambda": [abs]}, {"lr_lambda": 3}],
    "MultiplicativeLR": [{"lr_lambda": [abs, abs, abs]}, {"lr_lambda": 3}],
    "ConstantLR": [{"factor": 1.1}, {"factor": -0.1}],
    "LinearLR": [{"start_factor": 0.0}, {"start_factor": 1.1}, {"end_factor": -0.1}, {"end_factor": 1.1}],
    "CosineAnnealingWarmRestarts": [
        {"T_0": 0}, {"T_0": 2.5}, {"T_0": 1, "T_mult": 0}, {"T_0": 1, "eta_min": "a"},
    ],
    "OneCycleLR": [
        {"max_lr": 1.0}, {"max_lr": 1.0, "total_steps": 0}, {"max_lr": 1.0, "total_steps": 2.5},
        {"max_lr": 1.0, "epochs": 2}, {"max_lr": 1.0, "epochs": 0, "steps_per_epoch": 1},
        {"max_lr": 1.0, "total_steps": 5, "pct_start": 1.1},
        {"max_lr": 1.0, "total_steps": 5, "anneal_strategy": "other"}, {"max_lr": [1.0], "total_steps": 5},
    ],
    "CyclicLR": [
        {"base_lr": [0.1], "max_lr": 1.0}, {"base_lr": 0.1, "max_lr": [1.0]},
        {"base_lr": 0.1, "max_lr": 1.0, "mode": "other"},
        {"base_lr": 0.1, "max_lr": 1.0, "base_momentum": [0.8]},
    ],
    "ReduceLROnPlateau": [
        {"factor": 1.0}, {"mode": "other"}, {"threshold_mode": "other"}, {"min_lr": [0.1]},
    ],
    "SWALR": [
        {"swa_lr": [0.1]}, {"swa_lr": 0.1, "anneal_strategy": "other"}, {"swa_lr": 0.1, "anneal_epochs": -1},
        {"swa_lr": 0.1, "anneal_epochs": 1.5},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name, options", [(name, o) for name, row in REFUSED.items() for o in row])
def test_refused_here_and_there(name, options):
    with pytest.raises((ValueError, TypeError, IndexError)):
        build(torch, name, options)
    with pytest.raises(Error):
        build(tg, name, options)


@pytest.mark.parametrize("name", ["CyclicLR", "OneCycleLR"])
def test_no_momentum_to_move(name):
    options = {"CyclicLR": {"base_lr": 0.1, "max_lr": 1.0}, "OneCycleLR": {"max_lr": 1.0, "total_steps": 5}}
    for library in LIBRARIES:
        with pytest.raises(ValueError, match="momentum"):
            build(library, name, options[name], "Adagrad")


@pytest.mark.parametrize("name", ["SequentialLR", "ChainedScheduler"])
def test_parts_of_another_optimizer(name):
    for library in LIBRARIES:
        one, other = (library.optim.SGD([library.zeros(1)]) for _ in range(2))
        parts = [make(library, o, "StepLR", {"step_size": 2}) for o in (one, other)]
        with pytest.raises(ValueError, match="optimizer"):
            if name == "SequentialLR":
                library.optim.lr_scheduler.SequentialLR(one, parts, [3])
            else:
                library.optim.lr_scheduler.ChainedScheduler(parts)


def test_more_steps_than_a_cycle_has():
    for library in LIBRARIES:
        schedule = build(library, "OneCycleLR", {"max_lr": 1.0, "total_steps": 3})
        seen(schedule, 3)
        with pytest.raises(ValueError, match="steps"):
            schedule.step()


# --- averages of weights -----------------------------------------------------------------------------------


@contextmanager
def default_dtype(dtype):
    """PyTorch's 1 / (n + 1) is a tensor of the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def network(library, dtype):
    nn = library.nn
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    return model.to(getattr(library, dtype))


def averages(library):
    swa = library.optim.swa_utils
    return {
        "mean": {},
        "swa": {"avg_fn": swa.get_swa_avg_fn()},
        "ema": {"avg_fn": swa.get_ema_avg_fn(0.9)},
        "multi swa": {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
        "multi ema": {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.3)},
        "own": {"avg_fn": lambda averaged, current, n: averaged * 0.25 + current},
    }


def arrays(state):
    return {name: np.asarray(value.numpy()) for name, value in state.items()}


@pytest.mark.parametrize("average", averages(tg))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@few
@given(seed=st.integers(0, 2**32 - 1), use_buffers=st.booleans(), models=st.integers(0, 5))
def test_averaged_models(average, dtype, seed, use_buffers, models):
    if use_buffers and average == "multi swa":
        use_buffers = False  # PyTorch cannot divide its integer buffers there
    rng = np.random.default_rng(seed)
    first = arrays(network(tg, dtype).state_dict())
    states = [
        {
            n: rng.integers(0, 9, a.shape) if a.dtype.kind == "i" else rng.random(a.shape).astype(a.dtype)
            for n, a in first.items()
        }
        for _ in range(models + 1)
    ]
    batch = rng.standard_normal((3, 2, 3, 3)).astype(dtype)
    ends = []
    with default_dtype(dtype):
        for library in LIBRARIES:
            model = network(library, dtype)
            model.load_state_dict({n: library.tensor(a) for n, a in states[0].items()})
            averaged = library.optim.swa_utils.AveragedModel(
                model, use_buffers=use_buffers, **averages(library)[average]
            )
            for state in states[1:]:
                model.load_state_dict({n: library.tensor(a) for n, a in state.items()})
                averaged.update_parameters(model)
            before = arrays(averaged.state_dict())
            library.optim.swa_utils.update_bn(
                [library.tensor(batch), (library.tensor(batch[:2] + 1), None)], averaged
            )
            assert averaged.training and averaged.module[1].momentum == 0.1
            averaged.eval()
            ends.append(
                (before, arrays(averaged.state_dict()), averaged(library.tensor(batch)).detach().numpy())
            )
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-13}
    for mine, wanted in zip(ends[0][:2], ends[1][:2], strict=True):
        assert list(mine) == list(wanted)
        for name in wanted:
            assert mine[name].dtype == wanted[name].dtype
            np.testing.assert_allclose(mine[name], wanted[name], **close, err_msg=name)
    np.testing.assert_allclose(ends[0][2], ends[1][2], **close)


def test_average_functions_of_numbers():
    for name in ("get_ema_avg_fn", "get_swa_avg_fn"):
        mine, wanted = (
            getattr(library.optim.swa_utils, name)()(library.tensor(4.0), library.tensor(8.0), 3)
            for library in LIBRARIES
        )
        assert mine.item() == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("decay", [-0.1, 1.1])
@pytest.mark.parametrize("name", ["get_ema_avg_fn", "get_ema_multi_avg_fn"])
def test_decays_out_of_range(name, decay):
    for library in LIBRARIES:
        with pytest.raises(ValueError, match="decay"):
            getattr(library.optim.swa_utils, name)(decay)


def test_two_ways_to_average():
    for library in LIBRARIES:
        with pytest.raises((AssertionError, Error), match="one"):
            library.optim.swa_utils.AveragedModel(library.nn.Linear(1, 1), avg_fn=abs, multi_avg_fn=abs)


COVERED = {
    "optim.lr_scheduler": {*SCHEDULES, "ReduceLROnPlateau", "LRScheduler"} - {"SWALR"},
    "optim.swa_utils": {
        "AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn",
        "get_swa_multi_avg_fn", "update_bn",
    },
}  # fmt: skip


def test_functions_that_return_nothing() -> None:
    for t in (tg, torch):
        for name in ("LambdaLR", "MultiplicativeLR"):
            optimizer = t.optim.SGD([t.zeros(1)], lr=1.0)
            with pytest.raises((ValueError, TypeError), match="return" if t is tg else None):
                schedule = getattr(t.optim.lr_scheduler, name)(optimizer, lambda epoch: None)
                optimizer.step()
                schedule.step()

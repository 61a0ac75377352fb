"""Fifty steps beside PyTorch's optimizers, every schedule beside its own, and training taken over from it."""

from __future__ import annotations

import copy
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn import optim
from tinygrad_cnn.creation import zeros
from tinygrad_cnn.nn import utils
from tinygrad_cnn.tensor import Parameter, Tensor

torch = pytest.importorskip("torch")

STEPS = 50
seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.lists(st.integers(0, 4), max_size=3).map(tuple), min_size=1, max_size=3)
decays = st.sampled_from([0.0, 0.01, 0.5])
rates = st.sampled_from([0.0, 1e-3, 0.1])
# Not beta2 = 0: dividing by the root of a single squared gradient, which weight decay may bring near 0, makes
# of the last bit of either library's rounding whatever it likes.
betas = st.tuples(st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([0.5, 0.9, 0.999]))
adam = {
    "lr": rates,
    "betas": betas,
    "eps": st.sampled_from([1e-8, 1e-3]),
    "weight_decay": decays,
    "amsgrad": st.booleans(),
    "maximize": st.booleans(),
}
momentum = {
    "lr": rates,
    "momentum": st.sampled_from([0.0, 0.5, 0.9]),
    "dampening": st.sampled_from([0.0, 0.25, 1.0]),
    "weight_decay": decays,
    "maximize": st.booleans(),
}
nesterov = {**momentum, "momentum": st.sampled_from([0.5, 0.9]), "dampening": st.just(0.0)}
OPTIONS = {
    "SGD": st.one_of(
        st.fixed_dictionaries(momentum), st.fixed_dictionaries({**nesterov, "nesterov": st.just(True)})
    ),
    "Adam": st.fixed_dictionaries({**adam, "decoupled_weight_decay": st.booleans()}),
    "AdamW": st.fixed_dictionaries(adam),
    "Adadelta": st.fixed_dictionaries(
        {
            "lr": st.sampled_from([0.1, 1.0]),
            "rho": st.sampled_from([0.0, 0.9, 1.0]),
            "eps": st.sampled_from([1e-6, 1e-2]),
            "weight_decay": decays,
            "maximize": st.booleans(),
        }
    ),
}


class Pair:
    """The same parameters here and in PyTorch, in two groups."""

    def __init__(self, kind, shapes, dtype, options, seed):
        self.rng, self.dtype = np.random.default_rng(seed), dtype
        arrays = [self.draw(shape) for shape in shapes]
        self.ours = [Parameter(Tensor(a.copy())) for a in arrays]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
        self.kind, self.options = kind, options
        self.optimizer = getattr(optim, kind)(self.groups(self.ours), **options)
        self.reference = getattr(torch.optim, kind)(self.groups(self.theirs), foreach=False, **options)

    def groups(self, params):
        return [{"params": params[:1]}, {"params": params[1:], "lr": 0.01, "weight_decay": 0.25}]

    def draw(self, shape):
        return self.rng.standard_normal(shape).astype(self.dtype)

    def step(self, count):
        for _ in range(count):
            for p, t in zip(self.ours, self.theirs, strict=True):
                g = None if self.rng.random() < 0.1 else self.draw(p.shape)  # now and then no gradient
                p.grad, t.grad = (None, None) if g is None else (Tensor(g), torch.tensor(g.copy()))
            self.optimizer.step()
            self.reference.step()

    def compare(self):
        # float32: fifty roundings of numbers near 1, and where they cancel an absolute error remains
        close = {"rtol": 1e-11, "atol": 1e-13} if self.dtype == np.float64 else {"rtol": 2e-5, "atol": 2e-5}
        for p, t in zip(self.ours, self.theirs, strict=True):
            assert p.dtype == self.dtype
            np.testing.assert_allclose(p.array, t.detach().numpy(), **close)


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@settings(max_examples=8)
@given(data=st.data(), shapes=shapes, seed=seeds)
def test_fifty_steps(kind, dtype, data, shapes, seed):
    pair = Pair(kind, shapes, dtype, data.draw(OPTIONS[kind]), seed)
    pair.step(STEPS)
    pair.compare()


@pytest.mark.parametrize("kind", OPTIONS)
@settings(max_examples=10)
@given(data=st.data(), shapes=shapes, seed=seeds)
def test_training_taken_over_from_pytorch_and_given_back(kind, data, shapes, seed):
    pair = Pair(kind, shapes, np.float64, data.draw(OPTIONS[kind]), seed)
    pair.step(3)
    pair.optimizer = getattr(optim, kind)(pair.groups(pair.ours))
    pair.optimizer.load_state_dict(pair.reference.state_dict())
    pair.step(3)

    state = pair.optimizer.state_dict()
    state["state"] = {
        i: {
            name: torch.tensor(value, dtype=torch.float32 if name == "step" else torch.float64)
            for name, value in s.items()
        }
        for i, s in state["state"].items()
    }
    pair.reference = getattr(torch.optim, kind)(pair.groups(pair.theirs))
    pair.reference.load_state_dict(state)
    pair.step(3)
    pair.compare()


@pytest.mark.parametrize("kind", OPTIONS)
def test_defaults(kind):
    ours = getattr(optim, kind)([zeros(1)]).defaults
    theirs = getattr(torch.optim, kind)([torch.zeros(1)]).defaults
    assert ours.items() <= theirs.items()
    assert set(theirs) - set(ours) <= {
        "foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay",
    }  # fmt: skip


# --- schedules -------------------------------------------------------------------------------------------

factors = st.sampled_from([0.1, 0.3, 1.0])
counts = st.integers(1, 8)
SCHEDULES = {
    "LambdaLR": st.fixed_dictionaries(
        {"lr_lambda": st.sampled_from([lambda e: 0.9**e, lambda e: 1 / (1 + e)])}
    ),
    "StepLR": st.fixed_dictionaries({"step_size": counts, "gamma": factors}),
    "MultiStepLR": st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 9), max_size=5), "gamma": factors}
    ),
    "ConstantLR": st.fixed_dictionaries({"factor": factors, "total_iters": counts}),
    "LinearLR": st.fixed_dictionaries(
        {"start_factor": factors, "end_factor": st.sampled_from([0.0, 0.5, 1.0]), "total_iters": counts}
    ),
    "ExponentialLR": st.fixed_dictionaries({"gamma": st.sampled_from([0.5, 1.0, 1.5])}),
    "CosineAnnealingLR": st.fixed_dictionaries({"T_max": counts, "eta_min": st.sampled_from([0.0, 0.05])}),
    "OneCycleLR": st.fixed_dictionaries(
        {
            "max_lr": st.sampled_from([1.0, [0.5, 2.0]]),
            "pct_start": st.sampled_from([0.0, 0.21, 0.3, 0.45, 0.9]),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "cycle_momentum": st.booleans(),
            "three_phase": st.booleans(),
            "div_factor": st.sampled_from([10.0, 25.0]),
        },
        optional={"base_momentum": st.sampled_from([0.8, [0.7, 0.9]]), "final_div_factor": st.just(100.0)},
    ).flatmap(
        lambda options: st.one_of(
            st.just({**options, "total_steps": 24}), st.just({**options, "epochs": 6, "steps_per_epoch": 4})
        )
    ),
}


def build(library, x, kind, name, options, lr):
    optimizer = getattr(library, kind)([{"params": [x]}, {"params": [x + 1], "lr": 0.2}], lr=lr)
    return getattr(library.lr_scheduler, name)(optimizer, **copy.deepcopy(options))


def seen(schedule, steps):
    """The rates, and what else a schedule may move, of every group in every step."""
    rows = []
    for _ in range(steps):
        groups = schedule.optimizer.param_groups
        assert schedule.get_last_lr() == [group["lr"] for group in groups]
        rows.append([(g["lr"], g.get("momentum", 0), *g.get("betas", ())) for g in groups])
        schedule.optimizer.step()
        schedule.step()
    return rows


@pytest.mark.parametrize("name", SCHEDULES)
@settings(max_examples=25)
@given(
    data=st.data(),
    lr=st.sampled_from([0.1, 1.0]),
    kind=st.sampled_from(["SGD", "Adam"]),
    half=st.integers(0, 24),
)
def test_schedules(name, data, lr, kind, half):
    options = data.draw(SCHEDULES[name])
    theirs = build(torch.optim, torch.zeros(1), kind, name, options, lr)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = seen(theirs, 24)

    first = build(optim, zeros(1), kind, name, options, lr)
    rows = seen(first, half)
    again = build(optim, zeros(1), kind, name, options, lr)
    again.load_state_dict(first.state_dict())
    again.optimizer.load_state_dict(first.optimizer.state_dict())
    np.testing.assert_allclose(rows + seen(again, 24 - half), wanted, rtol=1e-12, atol=1e-15)

    if name == "OneCycleLR":
        for schedule in (theirs, again):
            with pytest.raises(ValueError, match="steps"):
                schedule.step()


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"OneCycleLR"}))
@settings(max_examples=15)
@given(data=st.data(), last_epoch=st.integers(0, 12))
def test_schedules_begun_in_the_middle(name, data, last_epoch):
    """With last_epoch, PyTorch makes the step behind it at once."""
    options = data.draw(SCHEDULES[name])
    rows = []
    for library, x in ((optim, zeros(1)), (torch.optim, torch.zeros(1))):
        groups = [{"params": [x], "initial_lr": 0.5}, {"params": [x + 1], "initial_lr": 0.3}]
        optimizer = library.SGD(groups, lr=0.25)
        rows.append(
            seen(getattr(library.lr_scheduler, name)(optimizer, **options, last_epoch=last_epoch), 12)
        )
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12, atol=1e-15)


# --- clipping --------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=3),
    st.sampled_from([np.float32, np.float64]),
    seeds,
    st.sampled_from([1.0, 1.5, 2.0, math.inf, "inf"]),
    st.sampled_from([0.0, 0.5, 10.0]),
    st.sampled_from([1.0, 1e-3, math.inf, math.nan]),
)
def test_clipping_by_norm(shapes, dtype, seed, norm_type, max_norm, factor):
    rng = np.random.default_rng(seed)
    ours, theirs = [], []
    for shape in shapes:
        g = np.asarray(rng.standard_normal(shape) * factor, dtype)
        ours.append(zeros(shape, dtype=dtype))
        theirs.append(torch.zeros(shape, dtype=torch.tensor(g).dtype))
        ours[-1].grad, theirs[-1].grad = Tensor(g.copy()), torch.tensor(g)
    total, wanted = (
        utils.clip_grad_norm_(ours, max_norm, norm_type),
        torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type),
    )
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-12}
    np.testing.assert_allclose(total.array, wanted.numpy(), **close)
    for p, t in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.array, t.grad.numpy(), **close)


COVERED = {"nn.utils": {"clip_grad_norm_"}}

"""Fifty steps beside PyTorch's optimizers, training taken over from it and given back, and clipping."""

from __future__ import annotations

import inspect
import math
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few  # noqa: E402

from tinygrad_cnn import optim  # noqa: E402
from tinygrad_cnn.creation import tensor, zeros  # noqa: E402
from tinygrad_cnn.errors import Error  # noqa: E402
from tinygrad_cnn.nn import utils  # noqa: E402
from tinygrad_cnn.tensor import Parameter, Tensor  # noqa: E402

STEPS = 50
seeds = st.integers(0, 2**32 - 1)
decays = st.sampled_from([0.0, 0.01, 0.5])
rates = st.sampled_from([0.0, 1e-3, 0.1])
# Not beta2 = 0: dividing by the root of a single squared gradient, which weight decay may bring near 0, makes
# of the last bit of either library's rounding whatever it likes.
betas = st.tuples(st.sampled_from([0.0, 0.3, 0.9]), st.sampled_from([0.5, 0.9, 0.999]))


def options(**strategies):
    return st.fixed_dictionaries(strategies)


moments = {"lr": rates, "betas": betas, "eps": st.sampled_from([1e-8, 1e-3]), "weight_decay": decays}
up, yes = {"maximize": st.booleans()}, st.booleans()
momentum = {"lr": rates, "momentum": st.sampled_from([0.0, 0.5, 0.9]), "weight_decay": decays, **up}
nesterov = {
    **momentum,
    "dampening": st.just(0.0),
    "momentum": st.sampled_from([0.5, 0.9]),
    "nesterov": st.just(True),
}
plain = {**momentum, "dampening": st.sampled_from([0.0, 0.25, 1.0]), "nesterov": st.just(False)}
rms = {**momentum, "eps": st.sampled_from([1e-8, 1e-2])}
OPTIONS = {
    "ASGD": options(
        lr=rates, lambd=st.sampled_from([0.0, 1e-4, 0.1]), alpha=st.sampled_from([0.0, 0.75, 2.0]),
        t0=st.sampled_from([0, 7.5, 1e6]), weight_decay=decays, **up,
    ),
    "SGD": st.one_of(options(**plain), options(**nesterov)),
    "Adadelta": options(
        lr=st.sampled_from([0.1, 1.0]), rho=st.sampled_from([0.0, 0.9, 1.0]),
        eps=st.sampled_from([1e-6, 1e-2]), weight_decay=decays, **up,
    ),
    "Adafactor": options(
        lr=rates, beta2_decay=st.sampled_from([-0.8, -0.5, 0.0]),
        eps=st.sampled_from([(None, 1e-3), (1e-8, 0.1), (1e-2, 0.0)]), d=st.sampled_from([1.0, 3.0]),
        weight_decay=decays, **up,
    ),
    "Adagrad": options(
        lr=rates, lr_decay=st.sampled_from([0.0, 0.1]), weight_decay=decays,
        initial_accumulator_value=st.sampled_from([0.0, 0.5]), eps=st.sampled_from([1e-10, 1e-3]), **up,
    ),
    "Adam": options(**moments, **up, amsgrad=yes, decoupled_weight_decay=yes),
    "AdamW": options(**moments, **up, amsgrad=yes),
    "Adamax": options(**moments, **up),
    "Muon": options(
        lr=rates, weight_decay=decays, momentum=st.sampled_from([0.0, 0.5, 0.95]), nesterov=yes,
        ns_coefficients=st.sampled_from([(3.4445, -4.775, 2.0315), (1.5, -0.5, 0.0)]),
        ns_steps=st.integers(0, 6), adjust_lr_fn=st.sampled_from([None, "original", "match_rms_adamw"]),
    ),
    "NAdam": options(
        **moments, **up, momentum_decay=st.sampled_from([0.0, 4e-3, 0.5]), decoupled_weight_decay=yes
    ),
    "RAdam": options(**moments, **up, decoupled_weight_decay=yes),
    # The variance is a difference: of few gradients it may be rounding alone.
    "RMSprop": st.one_of(
        options(**rms, alpha=st.sampled_from([0.5, 0.9, 0.99])),
        options(**rms, alpha=st.sampled_from([0.9, 0.99]), centered=st.just(True)),
    ),
    "Rprop": options(
        lr=rates, etas=st.sampled_from([(0.5, 1.2), (0.1, 2.0)]),
        step_sizes=st.sampled_from([(1e-6, 50), (1e-2, 0.3)]), **up,
    ),
}  # fmt: skip


def draw_shapes(data, kind):
    rank = {"min_size": 2, "max_size": 2} if kind == "Muon" else {"max_size": 3}
    least = 1 if kind in ("Adafactor", "Muon") else 0  # where PyTorch divides by the number of elements
    shape = st.lists(st.integers(least, 4), **rank).map(tuple)
    return data.draw(st.lists(shape, min_size=1, max_size=3))


@contextmanager
def exactly(dtype):
    """PyTorch keeps numbers of the state in the default dtype, and computes Muon's powers in bfloat16: here
    in the dtype of the parameters."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if dtype == np.float64 else torch.float32)
    try:
        with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
            yield
    finally:
        torch.set_default_dtype(before)


class Pair:
    """The same parameters here and in PyTorch, in two groups."""

    def __init__(self, data, kind, dtype, **more):
        self.rng, self.dtype = np.random.default_rng(data.draw(seeds)), dtype
        arrays = [self.draw(shape) for shape in draw_shapes(data, kind)]
        self.ours = [Parameter(Tensor(a.copy())) for a in arrays]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
        self.kind, options, self.more = kind, data.draw(OPTIONS[kind]), data.draw(OPTIONS[kind])
        self.optimizer = getattr(optim, kind)(self.groups(self.ours), **options)
        self.reference = getattr(torch.optim, kind)(self.groups(self.theirs), **options)

    def groups(self, params):
        return [{"params": params[:1]}, {"params": params[1:], **self.more}]

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
@few
@given(data=st.data())
def test_fifty_steps(kind, dtype, data):
    with exactly(dtype):
        pair = Pair(data, kind, dtype)
        pair.step(STEPS)
        pair.compare()


@pytest.mark.parametrize("kind", OPTIONS)
@few
@given(data=st.data())
def test_training_taken_over_from_pytorch_and_given_back(kind, data):
    with exactly(np.float64):
        pair = Pair(data, kind, np.float64)
        pair.step(3)
        theirs = pair.reference.state_dict()
        pair.optimizer = getattr(optim, kind)(pair.groups(pair.ours))
        pair.optimizer.load_state_dict(theirs)
        state = pair.optimizer.state_dict()
        assert [set(g) for g in state["param_groups"]] == [set(g) for g in theirs["param_groups"]]
        kept = {i: {n for n, v in s.items() if v is not None} for i, s in theirs["state"].items()}
        assert {i: set(s) for i, s in state["state"].items()} == {i: s for i, s in kept.items() if s}
        pair.step(3)

        state = pair.optimizer.state_dict()
        state["state"] = {
            i: {name: torch.tensor(value, dtype=torch.float64) for name, value in s.items()}
            for i, s in state["state"].items()
        }
        pair.reference = getattr(torch.optim, kind)(pair.groups(pair.theirs))
        pair.reference.load_state_dict(state)
        pair.step(3)
        pair.compare()


lbfgs = options(
    lr=st.sampled_from([1.0, 0.3]), max_iter=st.integers(1, 8), max_eval=st.sampled_from([None, 1, 2, 5]),
    tolerance_grad=st.sampled_from([1e-7, 0.3]), tolerance_change=st.sampled_from([1e-9, 1e-2]),
    history_size=st.sampled_from([1, 3, 100]), line_search_fn=st.sampled_from([None, "strong_wolfe"]),
)  # fmt: skip


class Minimum:
    """A few steps of LBFGS down a valley, in one library."""

    def __init__(self, library, make, options, seed):
        rng = np.random.default_rng(seed)
        self.x, self.y, idle = (make(rng.standard_normal(shape)) for shape in ((2, 3), (), (2,)))
        self.matrix, self.losses = make(rng.standard_normal((4, 2))), []
        params = [self.x, self.y, idle]
        for p in params:
            p.requires_grad_(True)
        self.optimizer = library.LBFGS(params, **options)

    def closure(self):
        self.optimizer.zero_grad()
        z = self.matrix @ self.x
        loss = ((z * z - self.y) ** 2).sum() * 0.1 + (self.x * self.x).sum() * 0.5 + self.y * self.y
        loss.backward()
        self.losses.append(loss.item())
        return loss

    def step(self, count):
        return [self.optimizer.step(self.closure).item() for _ in range(count)]


def minimize(options, seed):
    return (
        Minimum(optim, lambda a: Tensor(np.array(a)), options, seed),
        Minimum(torch.optim, lambda a: torch.tensor(a), options, seed),
    )


def same_path(ours, theirs):
    np.testing.assert_allclose(ours.losses, theirs.losses, rtol=1e-6, atol=1e-12)  # of every trial
    np.testing.assert_allclose(ours.x.numpy(), theirs.x.detach().numpy(), rtol=1e-5, atol=1e-6)


@few
@given(lbfgs, seeds)
def test_lbfgs(options, seed):
    ours, theirs = minimize(options, seed)
    np.testing.assert_allclose(ours.step(4), theirs.step(4), rtol=1e-6)
    same_path(ours, theirs)


@few
@given(lbfgs, seeds)
def test_lbfgs_taken_over_and_given_back(options, seed):
    ours, theirs = minimize(options, seed)
    ours.step(2), theirs.step(2)
    state = theirs.optimizer.state_dict()
    ours.optimizer = optim.LBFGS(ours.optimizer.param_groups[0]["params"])
    ours.optimizer.load_state_dict(state)
    assert set(ours.optimizer.state_dict()["state"][0]) == set(state["state"][0]) - {"al"}
    ours.step(1), theirs.step(1)

    state = ours.optimizer.state_dict()
    tensors = {n: torch.tensor(v) for n, v in state["state"][0].items() if isinstance(v, np.ndarray)}
    lists = {
        n: [torch.tensor(v) for v in state["state"][0].get(n, ())] for n in ("old_dirs", "old_stps", "ro")
    }
    state["state"][0].update(tensors, **lists)
    theirs.optimizer = torch.optim.LBFGS(theirs.optimizer.param_groups[0]["params"])
    theirs.optimizer.load_state_dict(state)
    ours.step(1), theirs.step(1)
    same_path(ours, theirs)


def test_lbfgs_wants_one_group_and_a_closure():
    for library, x in ((optim, zeros(1)), (torch.optim, torch.zeros(1))):
        with pytest.raises(ValueError, match="group"):
            library.LBFGS([{"params": [x]}, {"params": [x + 1]}])
        with pytest.raises((TypeError, Error), match="closure"):
            library.LBFGS([x]).step()


@pytest.mark.parametrize("kind", [*OPTIONS, "LBFGS"])
def test_names_order_and_defaults_of_the_arguments(kind):
    ours, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(getattr(library, kind)).parameters.values()]
        for library in (optim, torch.optim)
    )
    assert ours == theirs


@pytest.mark.parametrize("kind", [*OPTIONS, "LBFGS"])
def test_defaults_of_the_groups(kind):
    ours, theirs = (
        getattr(library, kind)([x]).param_groups[0]
        for library, x in ((optim, zeros(1, 1)), (torch.optim, torch.zeros(1, 1)))
    )
    assert {n: v for n, v in ours.items() if n != "params"} == {
        n: v for n, v in theirs.items() if n != "params"
    }


@pytest.mark.parametrize("kind", sorted(set(OPTIONS) - {"Muon"}))
def test_a_tensor_as_learning_rate(kind):
    ends = []
    for library, make in ((optim, tensor), (torch.optim, torch.tensor)):
        x = make([[1.0, -2.0]])
        x.grad = make([[0.5, 3.0]])
        optimizer = getattr(library, kind)([x], lr=make(0.5))
        optimizer.step()
        optimizer.param_groups[0]["lr"] = make(0.25)
        optimizer.step()
        ends.append(x.tolist())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)


rate, decay = {"lr": -0.1}, {"weight_decay": -0.1}
bad_moments = [
    rate,
    decay,
    {"betas": (1.0, 0.9)},
    {"betas": (-0.1, 0.9)},
    {"betas": (0.9, 1.0)},
    {"eps": -1.0},
]
both = [{"fused": True, "foreach": True}, {"fused": True, "differentiable": True}]
REFUSED = {
    "ASGD": [rate, decay],
    "SGD": [
        rate, decay, *both, {"momentum": -0.1}, {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    ],
    "Adadelta": [rate, decay, {"rho": -0.1}, {"rho": 1.1}, {"eps": -1.0}],
    "Adafactor": [rate, decay, {"beta2_decay": 0.1}, {"eps": (-1.0, 0.1)}, {"eps": (None, -0.1)}, {"d": 0.9}],
    "Adagrad": [
        rate, decay, *both, {"lr_decay": -0.1}, {"initial_accumulator_value": -0.1}, {"eps": -1.0},
    ],
    "Adam": [*bad_moments, *both],
    "AdamW": [*bad_moments, *both],
    "Adamax": bad_moments,
    "LBFGS": [rate],
    "Muon": [rate, decay, {"momentum": -0.1}, {"adjust_lr_fn": "other"}],
    "NAdam": [*bad_moments, {"momentum_decay": -0.1}],
    "RAdam": bad_moments,
    "RMSprop": [rate, decay, {"alpha": -0.1}, {"momentum": -0.1}, {"eps": -1.0}],
    "Rprop": [rate, {"etas": (1.5, 1.2)}, {"etas": (0.5, 0.9)}, {"etas": (0.0, 1.2)}],
}  # fmt: skip


@pytest.mark.parametrize("kind, options", [(kind, o) for kind, row in REFUSED.items() for o in row])
def test_refused_here_and_there(kind, options):
    with pytest.raises((ValueError, RuntimeError)):
        getattr(torch.optim, kind)([torch.zeros(1, 1)], **options)
    with pytest.raises(Error, match=next(iter(options)) if len(options) == 1 else kind):
        getattr(optim, kind)([zeros(1, 1)], **options)


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_learning_rate_is_one_number(kind):
    for library, make in ((optim, tensor), (torch.optim, torch.tensor)):
        with pytest.raises(ValueError, match="lr"):
            getattr(library, kind)([make([[1.0]])], lr=make([0.1, 0.2]))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)])
def test_muon_wants_matrices(shape):
    with pytest.raises(ValueError, match="2D"):
        torch.optim.Muon([torch.zeros(shape)])
    with pytest.raises(ValueError, match="only matrices"):
        optim.Muon([zeros(shape)])


@pytest.mark.parametrize("late", [False, True])
def test_hooks_around_a_step(late):
    calls = []
    for library, make in ((optim, tensor), (torch.optim, torch.tensor)):
        log, x = [], make([1.0])
        x.grad = make([1.0])
        optimizer = library.SGD([x], lr=0.5)

        def before(o, args, kwargs, log=log, x=x, optimizer=optimizer):
            assert o is optimizer and args[0] is o
            log.append(("before", x.item(), len(args), dict(kwargs)))
            return ((o, lambda: "another"), {}) if late else None

        def after(o, args, kwargs, log=log, x=x):
            log.append(("after", x.item(), len(args), kwargs))

        handles = [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]
        log += [optimizer.step(), optimizer.step(lambda: "loss")]
        for handle in handles:
            handle.remove()
        log.append(optimizer.step())
        calls.append(log)
    assert calls[0] == calls[1] and len(calls[0]) == 7


def test_a_hook_that_returns_nonsense():
    for library, x in ((optim, zeros(1)), (torch.optim, torch.zeros(1))):
        optimizer = library.SGD([x])
        optimizer.register_step_pre_hook(lambda *_: 3)
        with pytest.raises((RuntimeError, Error), match="args"):
            optimizer.step()


# --- clipping --------------------------------------------------------------------------------------------


@few
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
        utils.clip_grad_norm_(ours, max_norm, norm_type, False, None),
        torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type, False, None),
    )
    close = {"rtol": 1e-5 if dtype == np.float32 else 1e-12}
    np.testing.assert_allclose(total.array, wanted.numpy(), **close)
    for p, t in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.array, t.grad.numpy(), **close)


def test_names_order_and_defaults_of_clipping():
    for name in ("clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"):
        ours, theirs = (inspect.signature(getattr(u, name)).parameters for u in (utils, torch.nn.utils))
        assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


COVERED = {"nn.utils": {"clip_grad_norm_"}, "optim": {*OPTIONS, "LBFGS", "Optimizer"}}

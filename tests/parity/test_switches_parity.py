"""What programs touch beside tensors, modules and optimizers: precision, checkpoints, switches, old names."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity.both import agree, numpy, ours, same, theirs  # noqa: E402
from torch.utils import checkpoint  # noqa: E402, F401  (torch.utils does not load it)

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.errors import ArgumentError, DtypeError, GraphError  # noqa: E402

COVERED = {
    "": [
        "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
        "LongTensor", "ShortTensor", "amp", "are_deterministic_algorithms_enabled", "autocast",
        "channels_last", "channels_last_3d", "compile", "contiguous_format", "memory_format",
        "preserve_format",
        "get_default_dtype", "get_float32_matmul_precision", "heaviside", "is_nonzero", "random",
        "return_types", "set_default_dtype", "set_float32_matmul_precision", "set_printoptions",
        "use_deterministic_algorithms", "version",
    ],
    "Tensor": [
        "eq_", "ge_", "get_device", "greater_", "greater_equal_", "gt_", "heaviside", "heaviside_",
        "is_nonzero", "is_sparse", "le_", "less_", "less_equal_", "lt_", "ne_", "not_equal_", "output_nr",
        "register_post_accumulate_grad_hook",
    ],
}  # fmt: skip

BOTH = (tg, torch)


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """As they are at first, whatever a test does."""
    yield
    for t in BOTH:
        t.set_default_dtype(t.float32)
        t.set_printoptions(profile="default")
        t.set_float32_matmul_precision("highest")
        t.use_deterministic_algorithms(False)


# --- gradients where they are kept -------------------------------------------------------------------------


def test_what_is_no_gradient_is_refused_where_it_is_put() -> None:
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        wrong = (
            (t.ones(3), (ValueError, RuntimeError)),
            (t.ones(2, dtype=t.float64), (TypeError, RuntimeError)),
            ([1.0, 1.0], TypeError),
            (1.0, TypeError),
            (x, RuntimeError),
        )
        for g, error in wrong:
            with pytest.raises(error):
                x.grad = g
            assert x.grad is None
        x.grad = g = t.ones(2)
        assert x.grad is g
        x.grad = None
        assert x.grad is None


def test_the_gradient_of_a_computed_tensor_is_warned_of() -> None:
    for t in BOTH:
        y = t.ones(2, requires_grad=True) * 2
        with pytest.warns(UserWarning, match="leaf"):
            assert y.grad is None
        y.retain_grad()
        assert y.grad is None and y.retains_grad  # which is no surprise
        y.sum().backward()
        assert y.grad.tolist() == [1, 1]
        y = t.ones(2, requires_grad=True) * 2
        y.grad = t.zeros(2)
        assert y.grad.tolist() == [0, 0]


def test_data_leads_past_the_tape() -> None:
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        assert x.is_leaf and x.grad_fn is None and not x.retains_grad and x.output_nr == 0
        before = x._version
        x.data.mul_(2)
        assert x.tolist() == [2, 2] and not x.data.requires_grad
        x.data = t.full((3,), 5.0)
        assert x.shape == (3,) and x.requires_grad and x.is_leaf
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3, 3, 3]
        y = x.detach().clone()
        before = y._version
        y.add_(1)
        assert y._version == before + 1


def test_nodes_lead_to_their_parents_and_leaves_to_their_tensors() -> None:
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        (parent, number), (none, zero) = ((x * 2) * t.ones(2)).grad_fn.next_functions
        assert none is None and number == zero == 0
        leaf = parent.next_functions[0][0]
        assert leaf.variable is x and leaf.next_functions == ()


def test_hooks_after_a_gradient_has_been_added() -> None:
    """Each time, when it is complete, in place of an optimizer if one wants."""
    seen = []
    for t in BOTH:
        log: list[Any] = []
        w, v = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
        handle = w.register_post_accumulate_grad_hook(lambda x, log=log: log.append(x.grad.tolist()))
        w.register_post_accumulate_grad_hook(lambda x, log=log: log.append("second"))
        w.register_hook(lambda g: g * 10)
        (w * w + w * v).sum().backward()
        (w * 2).sum().backward()
        t.autograd.grad((w * w).sum(), w)  # adds nothing
        handle.remove()
        (w * 2).sum().backward()

        def step(x: Any, t: Any = t) -> None:
            with t.no_grad():
                x -= x.grad
            x.grad = None

        v.register_post_accumulate_grad_hook(step)
        (v * 3 * w.detach()).sum().backward()
        (v * v).sum().backward()
        seen.append((log, w.grad.tolist(), v.tolist(), v.grad))
        for x in (w * 2, w.detach()):
            with pytest.raises(RuntimeError):
                x.register_post_accumulate_grad_hook(step)
    assert seen[0] == seen[1]


def test_variables_are_tensors() -> None:
    for t in BOTH:
        x = t.ones(2)
        v = t.autograd.Variable(x, requires_grad=True)
        (v * 2).sum().backward()
        assert v.grad.tolist() == [2, 2] and not x.requires_grad and x.grad is None
        assert not t.autograd.Variable(v).requires_grad


# --- other spellings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["eq_", "ne_", "gt_", "ge_", "lt_", "le_"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_comparisons_in_place(name: str, dtype: str) -> None:
    a, b = np.array([0, 1, 2]).astype(dtype), np.array([1, 1, 1]).astype(dtype)
    agree(lambda t, x, y: getattr(x.clone(), name)(y), [a, b], order=0)
    agree(lambda t, x: getattr(x.clone(), name)(1), [a], order=0)


def test_comparisons_in_place_have_second_names() -> None:
    pairs = {
        "ne_": "not_equal_",
        "gt_": "greater_",
        "ge_": "greater_equal_",
        "lt_": "less_",
        "le_": "less_equal_",
    }
    for t in BOTH:
        for name, second in pairs.items():
            assert (
                getattr(t.tensor([1.0, 2.0]), second)(1).tolist()
                == getattr(t.tensor([1.0, 2.0]), name)(1).tolist()
            )


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_heaviside(dtype: str) -> None:
    def call(t: Any, x: Any, y: Any) -> Any:
        return t.heaviside(x.detach(), y.detach()), x.detach().clone().heaviside_(y.detach())

    x = np.array([[-2, 0, 3], [0, 1, -1]]).astype(dtype)
    for values in (np.array(7), np.array([1, 2, 3]), np.array([[4], [5]])):
        agree(call, [x, values.astype(dtype)], order=0)
    odd = np.array([np.nan, -0.0, np.inf, -np.inf], np.float32)
    agree(lambda t, x, y: t.heaviside(x.detach(), y.detach()), [odd, np.array(np.nan, np.float32)], order=0)
    for t in BOTH:
        with pytest.raises((TypeError, RuntimeError)):
            t.heaviside(t.tensor([1, 2]), t.tensor([0.5]))
        with pytest.raises((ValueError, RuntimeError)):
            t.heaviside(t.ones(2), t.ones(3))


KINDS = {
    "BoolTensor": "bool", "ByteTensor": "uint8", "CharTensor": "int8", "DoubleTensor": "float64",
    "FloatTensor": "float32", "HalfTensor": "float16", "IntTensor": "int32", "LongTensor": "int64",
    "ShortTensor": "int16",
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_classes_of_old(name: str) -> None:
    results = []
    for t in BOTH:
        kind = getattr(t, name)
        x = t.tensor([0.0, 1.0, 2.0])
        made = [
            kind([1, 0, 1]),
            kind(np.array([1, 0], KINDS[name])),
            kind(),
            kind(2, 3).zero_(),
            x.type(kind),
        ]
        made += [x.type(f"torch.{name}"), x.type(x.type(kind).type())]
        assert all(isinstance(m, kind) for m in made)
        assert isinstance(x, kind) == (name == "FloatTensor") and not isinstance(1, kind)
        results.append([(str(m.dtype).removeprefix("torch."), tuple(m.shape), m.tolist()) for m in made])
        assert x.type(kind).type().endswith(name)
    assert results[0] == results[1]


def test_a_value_is_not_taken_for_a_size() -> None:
    for wrong in ((5,), (2, 3)):
        with pytest.raises(DtypeError, match="a size or a value"):
            tg.Tensor(*wrong)
    for t in BOTH:
        assert t.Tensor([1, 2]).tolist() == [1, 2] and t.Tensor([1, 2]).dtype == t.float32
        assert t.ones(1).get_device() == -1 and t.ones(1).is_nonzero() and not t.is_nonzero(t.zeros(1, 1))
        with pytest.raises((ValueError, RuntimeError)):
            t.ones(2).is_nonzero()
    with pytest.raises(DtypeError, match="Variable"):
        tg.autograd.Variable([1.0])


CALLS: dict[str, Any] = {
    "max": lambda t, x: x.max(0),
    "min": lambda t, x: x.min(0),
    "sort": lambda t, x: x.sort(),
    "topk": lambda t, x: x.topk(1),
    "kthvalue": lambda t, x: x.kthvalue(1),
    "median": lambda t, x: x.median(1),
    "mode": lambda t, x: x.mode(1),
    "cummax": lambda t, x: x.cummax(0),
    "cummin": lambda t, x: x.cummin(0),
    "aminmax": lambda t, x: x.aminmax(),
    "slogdet": lambda t, x: x.slogdet(),
}


@pytest.mark.parametrize("name", CALLS)
def test_several_results_say_what_they_are_of(name: str) -> None:
    texts = []
    for t in BOTH:
        result = CALLS[name](t, t.tensor([[2.0, 1.0], [3.0, 4.0]]))
        assert type(result) is getattr(t.return_types, name)
        texts.append(repr(result))
    assert texts[0] == texts[1].replace("torch.", "tinygrad_cnn.", 1)
    twin = copy.deepcopy(CALLS[name](tg, tg.eye(2)))
    assert type(twin) is getattr(tg.return_types, name)


# --- how tensors are printed, and made ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precision": 2},
        {"sci_mode": True},
        {"sci_mode": False},
        {"linewidth": 30},
        {"linewidth": 47},
        {"threshold": 3, "edgeitems": 1},
        {"threshold": 10, "edgeitems": 2},
        {"threshold": float("inf")},
        {"profile": "short"},
        {"profile": "full"},
        {"profile": "full", "precision": 1},
    ],
    ids=str,
)
def test_print_options(options: dict[str, Any]) -> None:
    values = (
        [1.23456, 1e6],
        [1e-6, 2.0],
        [0.0, 1.0, 2.0, 3.0, 4.0],
        np.linspace(0, 1, 24).reshape(4, 6).tolist(),
        np.arange(12).reshape(3, 4).tolist(),
        [True, False],
        list(range(1100 if "linewidth" not in options else 11)),  # in narrow lines the "..." stands elsewhere
        [float("nan"), 1.5],
    )
    texts = []
    for t in BOTH:
        t.set_printoptions(**options)
        texts.append([repr(t.tensor(x)) for x in values])
    assert texts[0] == texts[1]


def test_print_options_that_make_no_sense() -> None:
    for wrong in ({"profile": "long"}, {"precision": -1}, {"edgeitems": "3"}):
        with pytest.raises(ArgumentError, match="set_printoptions"):
            tg.set_printoptions(**wrong)


MADE: dict[str, Any] = {
    "tensor": lambda t: t.tensor([1.5]),
    "tensor of integers": lambda t: t.tensor([1]),
    "Tensor": lambda t: t.Tensor([1, 2]),
    "FloatTensor": lambda t: t.FloatTensor([1]),
    "zeros": lambda t: t.zeros(2),
    "full": lambda t: t.full((2,), 2.0),
    "arange": lambda t: t.arange(3.0),
    "linspace": lambda t: t.linspace(0, 1, 3),
    "eye": lambda t: t.eye(2),
    "rand": lambda t: t.zeros_like(t.rand(2)),
    "randn": lambda t: t.zeros_like(t.randn(2)),
    "scalar_tensor": lambda t: t.scalar_tensor(1),
    "quotient of integers": lambda t: t.tensor([1]) / 2,
    "integer times number": lambda t: t.tensor([1]) * 0.5,
    "root of integers": lambda t: t.tensor([4]).sqrt(),
    "clamp": lambda t: t.tensor([1]).clamp(min=1.5),
    "logsumexp": lambda t: t.tensor([0]).logsumexp(0),
    "result_type": lambda t: t.zeros(1, dtype=t.result_type(t.tensor([1]), 0.5)),
    "float32 stays": lambda t: t.zeros(1, dtype=t.float32) * 0.5,
    "Linear": lambda t: t.zeros_like(t.nn.Linear(2, 2).weight),
    "Conv2d": lambda t: t.zeros_like(t.nn.Conv2d(1, 1, 1).bias),
    "BatchNorm1d": lambda t: t.nn.BatchNorm1d(2).running_var,
    "PReLU": lambda t: t.nn.PReLU(2).weight.detach(),
    "Embedding": lambda t: t.zeros_like(t.nn.Embedding(2, 2).weight),
    "float()": lambda t: t.tensor([1]).float(),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MADE)
def test_default_dtype(name: str, dtype: str) -> None:
    results = []
    for t in BOTH:
        t.set_default_dtype(getattr(t, dtype))
        assert t.get_default_dtype() == getattr(t, dtype)
        results.append(MADE[name](t))
    same(*results)
    assert repr(results[0]) == repr(results[1]).replace("torch.", "")


def test_default_dtypes_that_there_are_not() -> None:
    for t in BOTH:
        for wrong in (t.int64, "no dtype"):
            with pytest.raises(TypeError):
                t.set_default_dtype(wrong)
        assert t.get_default_dtype() == t.float32


# --- checkpoints -------------------------------------------------------------------------------------------


def net(t: Any) -> Any:
    """The same network in either library."""
    layers = [t.nn.Linear(3, 4), t.nn.Tanh(), t.nn.Linear(4, 4), t.nn.Sigmoid(), t.nn.Linear(4, 2)]
    model = t.nn.Sequential(*layers)
    rng = np.random.default_rng(0)
    with t.no_grad():
        for p in model.parameters():
            p.copy_(t.tensor(rng.standard_normal(tuple(p.shape)).astype(np.float32)))
    return model


@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_checkpoint_sequential(segments: int) -> None:
    x = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    results = []
    for t, make in ((tg, ours), (torch, theirs)):
        model, data = net(t), make(x, True)
        out = t.utils.checkpoint.checkpoint_sequential(model, segments, data, use_reentrant=False)
        out.square().sum().backward()
        results.append([out, data.grad, *(p.grad for p in model.parameters())])
    for mine, wanted in zip(*results, strict=True):
        same(mine.detach(), wanted.detach(), 50)
    plain = net(tg)
    plain(tg.tensor(x)).square().sum().backward()
    for p, g in zip(plain.parameters(), results[0][2:], strict=True):
        assert (p.grad == g).all()  # to the bit


def test_checkpoint_to_any_order() -> None:
    def call(t: Any, x: Any, w: Any) -> Any:
        return t.utils.checkpoint.checkpoint(lambda x: (x * w).exp() * x, x, use_reentrant=False)

    rng = np.random.default_rng(2)
    agree(call, [rng.standard_normal(3), rng.standard_normal(3)], order=2)


def test_checkpoint_runs_again_only_in_backward_and_draws_the_same() -> None:
    for t in BOTH:
        drawn: list[Any] = []

        def part(x: Any, t: Any = t, drawn: list[Any] = drawn) -> Any:
            mask = t.rand(100)
            drawn.append(mask.tolist())
            return x * mask * x

        x = t.ones(100, requires_grad=True)
        y = t.utils.checkpoint.checkpoint(part, x, use_reentrant=False, preserve_rng_state=True)
        after = t.rand(3).tolist()
        assert len(drawn) == 1
        state = t.get_rng_state()
        y.sum().backward()
        assert (
            len(drawn) == 2
            and drawn[0] == drawn[1]
            and x.grad.tolist() == pytest.approx([2 * m for m in drawn[0]])
        )
        following = t.rand(3).tolist()
        t.set_rng_state(state)
        assert following == t.rand(3).tolist() != after  # the numbers after it are those without it


def test_checkpoint_keeps_nothing_but_its_arguments() -> None:
    x = tg.ones(1000, requires_grad=True)

    def part(x: Any) -> Any:
        for _ in range(20):
            x = (x * x).exp().log()
        return x

    def kept(y: Any) -> int:
        found = {id(a): a.nbytes for n in tg.tape.walk(y.node) if type(n.saved) is tuple for a in n.saved}
        return sum(found.values())

    assert kept(part(x)) >= 40 * x.nbytes
    y = tg.utils.checkpoint.checkpoint(part, x)
    assert kept(y) == 0
    y.sum().backward()
    checked, x.grad = x.grad, None
    part(x).sum().backward()
    assert (x.grad == checked).all() and kept(y) == 0


def test_checkpoints_within_checkpoints_and_twice() -> None:
    for t in BOTH:
        inner = lambda x, t=t: (x * x).tanh()  # noqa: E731
        w = t.tensor([0.5, 0.25], requires_grad=True)

        def outer(x: Any, t: Any = t, inner: Any = inner, w: Any = w) -> Any:
            return t.utils.checkpoint.checkpoint(inner, x * w, use_reentrant=False) * w

        y = t.utils.checkpoint.checkpoint(outer, t.tensor([1.0, 2.0]), use_reentrant=False)
        y.sum().backward(retain_graph=True)
        first = w.grad.clone()
        if t is tg:
            y.sum().backward()  # runs a third time
            assert (w.grad == 2 * first).all()
            with pytest.raises(GraphError, match="second time"):
                y.sum().backward()
        x = t.tensor([1.0, 2.0])
        w.grad = None
        (outer(x) * 1).sum().backward()
        np.testing.assert_allclose(numpy(w.grad), numpy(first), rtol=1e-6)


def test_checkpoint_of_what_needs_no_gradient() -> None:
    for t in BOTH:
        x = t.ones(2, requires_grad=True)
        with t.no_grad():
            assert not t.utils.checkpoint.checkpoint(lambda x: x * 2, x, use_reentrant=False).requires_grad
        out = t.utils.checkpoint.checkpoint(
            lambda x, k: (x * k, k, {"x": x}), t.ones(2), k=3, use_reentrant=False
        )
        assert out[0].tolist() == [3, 3] and out[1] == 3 and not out[0].requires_grad


def test_checkpoints_that_run_otherwise_are_refused() -> None:
    for t in BOTH:
        runs = itertools.count()
        wayward = lambda x, runs=runs: x.exp() if next(runs) % 2 else x.exp().exp()  # noqa: E731
        y = t.utils.checkpoint.checkpoint(wayward, t.ones(2, requires_grad=True), use_reentrant=False)
        with pytest.raises(RuntimeError):
            y.sum().backward()
    x = tg.ones(2, requires_grad=True) * 1
    y = tg.utils.checkpoint.checkpoint(lambda x: x * x, x)
    with tg.no_grad():
        x.mul_(5)
    with pytest.raises(GraphError, match="changed in place"):
        y.sum().backward()
    with pytest.raises(ArgumentError, match="segments"):
        tg.utils.checkpoint.checkpoint_sequential([lambda x: x], 2, x)
    with pytest.raises(ArgumentError, match="determinism_check"):
        tg.utils.checkpoint.checkpoint(lambda x: x, x, determinism_check="some")


# --- precision ---------------------------------------------------------------------------------------------


def training(t: Any, scaler: Any, gradients: list[float], clip: bool = False) -> list[Any]:
    """Steps with gradients of this size; what becomes of weight and scale."""
    w = t.ones(1, requires_grad=True)
    optimizer = t.optim.SGD([w], lr=0.5)
    rows = []
    for g in gradients:
        optimizer.zero_grad()
        with t.autocast("cpu", enabled=False):
            loss = (w * t.tensor(g)).sum()
        scaler.scale(loss).backward()
        if clip:
            scaler.unscale_(optimizer)
            t.nn.utils.clip_grad_norm_([w], 0.125)
        scaler.step(optimizer)
        scaler.update()
        rows.append((w.item(), scaler.get_scale()))
    return [*rows, scaler.state_dict()]


@pytest.mark.parametrize("clip", [False, True])
def test_scaled_steps(clip: bool) -> None:
    inf, nan = float("inf"), float("nan")
    options = {"init_scale": 8.0, "growth_interval": 2}
    runs = []
    for t in BOTH:
        scaler = t.amp.GradScaler("cpu", **options)
        runs.append(training(t, scaler, [0.5, 0.25, 0.5, inf, 0.5, nan, 0.25, 0.25], clip))
        twin = t.amp.GradScaler("cpu")
        twin.load_state_dict(scaler.state_dict())
        assert twin.state_dict() == scaler.state_dict()
    assert runs[0] == runs[1]


def test_scalers_that_stand_aside() -> None:
    runs = []
    for t in BOTH:
        scaler = t.amp.GradScaler("cpu", enabled=False)
        runs.append(training(t, scaler, [0.5, 0.25]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of the old spelling
            with pytest.warns(UserWarning):
                scaler = t.cuda.amp.GradScaler()
            with pytest.warns(UserWarning):
                t.amp.GradScaler()
            with t.cuda.amp.autocast(enabled=False), t.autocast("cuda", enabled=False):
                runs.append(training(t, scaler, [0.5, 0.25]))
            with pytest.warns(UserWarning), t.cuda.amp.autocast():
                assert (t.ones(2, 2) @ t.ones(2, 2)).dtype == t.float32
        assert not scaler.is_enabled() and scaler.get_scale() == 1 and scaler.state_dict() == {}
        x = t.ones(2)
        assert scaler.scale(x) is x
    assert runs[0] == runs[2] and runs[1] == runs[3] == runs[0]


def test_scalers_used_in_the_wrong_order() -> None:
    for t in BOTH:
        w = t.ones(1, requires_grad=True)
        optimizer, scaler = t.optim.SGD([w], lr=0.5), t.amp.GradScaler("cpu")
        with pytest.raises((AssertionError, RuntimeError)):
            scaler.update()
        scaler.scale(w.sum()).backward()
        scaler.unscale_(optimizer)
        with pytest.raises(RuntimeError):
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        with pytest.raises(RuntimeError):
            scaler.step(optimizer)
        scaler.update()
        with pytest.raises((ValueError, RuntimeError)):
            scaler.step(optimizer, closure=lambda: 0)
        assert [part.tolist() for part in scaler.scale([t.ones(1), t.zeros(1)])] == [[2.0**16], [0]]
        with pytest.raises((ValueError, RuntimeError)):
            scaler.load_state_dict({})
        for wrong in ({"growth_factor": 1.0}, {"backoff_factor": 1.0}):
            with pytest.raises((ValueError, AssertionError)):
                t.amp.GradScaler("cpu", **wrong)
        with pytest.raises((ValueError, RuntimeError)):
            t.autocast("toaster")


def test_autocast_around_functions() -> None:
    for t in BOTH:

        @t.autocast("cpu", enabled=False)
        def double(x: Any) -> Any:
            return x * 2

        assert double(t.ones(1)).item() == 2


# --- switches ----------------------------------------------------------------------------------------------


def test_switches_say_what_was_set() -> None:
    for t in BOTH:
        assert not t.are_deterministic_algorithms_enabled()
        t.use_deterministic_algorithms(True, warn_only=True)
        assert t.are_deterministic_algorithms_enabled()
        assert t.get_float32_matmul_precision() == "highest"
        t.set_float32_matmul_precision("high")
        assert t.get_float32_matmul_precision() == "high"
        before = t.backends.cudnn.benchmark
        t.backends.cudnn.benchmark = t.backends.cudnn.deterministic = True
        assert t.backends.cudnn.benchmark and t.backends.cudnn.deterministic
        t.backends.cudnn.benchmark = t.backends.cudnn.deterministic = before
        t.backends.cuda.matmul.allow_tf32 = t.backends.cudnn.allow_tf32 = False
        assert t.backends.cudnn.version() is t.version.cuda is t.version.hip is None
        assert t.cuda.memory_allocated() == t.cuda.max_memory_allocated() == t.cuda.memory_reserved() == 0
        assert not t.cuda.is_bf16_supported() and not t.cuda.is_initialized()
        t.cuda.manual_seed(0)
        t.cuda.manual_seed_all(0)
        t.cuda.empty_cache()
        with pytest.raises((AssertionError, AttributeError)):
            t.cuda.synchronize()
    with pytest.raises(AttributeError, match="is_available"):
        tg.cuda.get_device_name(0)


def test_precisions_that_there_are_not() -> None:
    with pytest.raises(ArgumentError, match="medium"):
        tg.set_float32_matmul_precision("low")
    with pytest.warns(UserWarning, match="no effect"):
        torch.set_float32_matmul_precision("low")
    assert tg.get_float32_matmul_precision() == torch.get_float32_matmul_precision() == "highest"


def test_compiled_is_what_was_written() -> None:
    model = tg.nn.Linear(2, 2)
    assert tg.compile(model, mode="max-autotune", fullgraph=True) is model

    @tg.compile
    def double(x: Any) -> Any:
        return x * 2

    @tg.compile(dynamic=True)
    def triple(x: Any) -> Any:
        return x * 3

    assert double(2) == 4 and triple(2) == 6
    with pytest.raises(ArgumentError, match="compile"):
        tg.compile(3)


def test_random_numbers_on_the_side() -> None:
    for t in BOTH:
        t.manual_seed(3)
        assert t.initial_seed() == 3
        with t.random.fork_rng():
            inside = t.rand(3).tolist()
            t.manual_seed(5)
        assert t.rand(3).tolist() == inside
        t.manual_seed(3)
        with t.random.fork_rng(enabled=False):
            assert t.rand(3).tolist() == inside
        assert t.rand(3).tolist() != inside
        state = t.random.get_rng_state()
        a = t.rand(2).tolist()
        t.random.set_rng_state(state)
        assert t.rand(2).tolist() == a
        assert isinstance(t.seed(), int) and isinstance(t.random.seed(), int)


def test_orders_in_memory_are_asked_for_in_vain() -> None:
    for t in BOTH:
        x, last = t.arange(16.0).reshape(1, 4, 2, 2), t.channels_last
        layer = t.nn.Conv2d(4, 2, 1).to(memory_format=last)
        for y in (
            x.to(memory_format=last), x.to(t.float32, memory_format=last), x.contiguous(memory_format=last),
            x.clone(memory_format=last), x.contiguous(), x.contiguous(memory_format=t.contiguous_format),
        ):  # fmt: skip
            assert (y == x).all() and layer(y).shape == (1, 2, 2, 2)
        for like in (t.zeros_like, t.ones_like, t.empty_like, t.rand_like, t.randn_like):
            assert like(x, memory_format=t.preserve_format).shape == x.shape
        assert t.full_like(x, 2.0, memory_format=last).mean() == 2
        assert t.randint_like(x, 3, memory_format=last).max() < 3
        assert isinstance(last, t.memory_format) and repr(last).endswith(".channels_last")
        assert not x.is_sparse
        for call in (x.to, x.clone, x.contiguous, layer.to):
            with pytest.raises((ArgumentError, TypeError)):
                call(memory_format="channels_last")

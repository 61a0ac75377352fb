"""What surrounds the layers, against PyTorch 2.13: hooks, state dicts, containers, lazy layers, nn.utils.

A scene is written once, as a function of the library, and returns what a user would look at.
"""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few, numpy, ours, outcome, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

LIBRARIES = (tg, torch)
SCENES: dict[str, Callable[[Any], Any]] = {}
REFUSED: dict[str, Callable[[Any], Any]] = {}


def scene(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENES[function.__name__] = function
    return function


def seen(x: Any) -> Any:
    """Tensors as arrays, in whatever they lie."""
    if isinstance(x, (tg.Tensor, torch.Tensor)):
        return numpy(x).copy()
    if isinstance(x, dict):
        return {key: seen(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [seen(value) for value in x]
    return x


def equal(mine: Any, wanted: Any) -> None:
    if isinstance(wanted, np.ndarray):
        assert str(mine.dtype) == str(wanted.dtype) and mine.shape == wanted.shape
        scale = max(1.0, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0)))
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=64 * np.finfo(np.float32).eps * scale)
    elif isinstance(wanted, dict):
        assert list(mine) == list(wanted)
        equal(list(mine.values()), list(wanted.values()))
    elif isinstance(wanted, list):
        assert len(mine) == len(wanted), (mine, wanted)
        for a, b in zip(mine, wanted, strict=True):
            equal(a, b)
    else:
        assert mine == wanted


def dtype_of(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def filled(module: Any) -> Any:
    """Weights that both libraries agree about."""
    for i, parameter in enumerate(module.parameters()):
        values = np.sin(np.arange(math.prod(parameter.shape)) + i).reshape(tuple(parameter.shape))
        parameter.data = type(parameter.data)(values.astype(np.float32))
    return module


def linear(t: Any, *args: Any, **options: Any) -> Any:
    return filled(t.nn.Linear(*args, **options))


def numbers(t: Any, *shape: int) -> Any:
    return t.tensor(np.cos(np.arange(math.prod(shape))).reshape(shape).astype(np.float32).tolist())


# --- hooks -----------------------------------------------------------------------------------------------


@scene
def forward_hooks_in_order(t: Any) -> Any:
    layer, log = linear(t, 2, 3), []
    layer.register_forward_pre_hook(lambda m, args: log.append(("pre", len(args))))
    layer.register_forward_pre_hook(lambda m, args: args[0] * 2, prepend=True)
    layer.register_forward_pre_hook(lambda m, args, kwargs: log.append(sorted(kwargs)), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, out: log.append(("after", tuple(out.shape))))
    last = layer.register_forward_hook(lambda m, args, out: out + 1)
    layer.register_forward_hook(lambda m, args, out: log.append("first"), prepend=True)
    first = layer(numbers(t, 4, 2))
    last.remove()
    return first, layer(numbers(t, 4, 2)), log


@scene
def hooks_with_keyword_arguments(t: Any) -> Any:
    class Scale(t.nn.Module):
        def forward(self, x: Any, by: float = 1.0) -> Any:
            return x * by

    module, log = Scale(), []
    module.register_forward_pre_hook(lambda m, a, k: (a, {"by": k["by"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, a, k, out: log.append((k["by"], len(a))), with_kwargs=True)
    return module(numbers(t, 3), by=2.0), log


@scene
def hooks_that_are_always_called(t: Any) -> Any:
    class Fails(t.nn.Module):
        def forward(self, x: Any) -> Any:
            raise ValueError("on purpose")

    module, log = Fails(), []
    module.register_forward_hook(lambda m, args, out: log.append("never"))
    module.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)
    module.register_forward_hook(lambda m, args, out: 1 / 0, always_call=True)
    with pytest.raises(ValueError, match="on purpose"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        module(numbers(t, 1))
    return log, len(said)


@scene
def a_hook_that_fails_is_reported(t: Any) -> Any:
    layer, log = linear(t, 2, 2), []

    def fails(*args: Any) -> None:
        raise KeyError("mine")

    layer.register_forward_hook(fails)
    layer.register_forward_hook(lambda m, args, out: log.append(out), always_call=True)
    with pytest.raises(KeyError):
        layer(numbers(t, 1, 2))
    return log


class Log:
    """Hooks that write down what they get, and change it."""

    def __init__(self, factor: float = 1.0, before: float = 1.0):
        self.factor, self.before, self.rows = factor, before, []

    def pre(self, module: Any, grad_output: Any) -> Any:
        self.rows.append(("pre", grad_output))
        return None if self.before == 1 else tuple(g if g is None else g * self.before for g in grad_output)

    def post(self, module: Any, grad_input: Any, grad_output: Any) -> Any:
        self.rows.append(("post", grad_input, grad_output))
        return None if self.factor == 1 else tuple(g if g is None else g * self.factor for g in grad_input)

    def on(self, module: Any) -> Any:
        module.register_full_backward_pre_hook(self.pre)
        module.register_full_backward_hook(self.post)
        return module


def pulled(model: Any, log: Log, *inputs: Any) -> Any:
    out = model(*inputs)
    (out * out).sum().backward()
    grads = [getattr(x, "grad", None) for x in inputs]
    return out, grads, [p.grad for p in model.parameters()], log.rows


@scene
def backward_hooks_see(t: Any) -> Any:
    log = Log()
    return pulled(log.on(linear(t, 2, 3)), log, numbers(t, 4, 2).requires_grad_())


@scene
def backward_hooks_replace(t: Any) -> Any:
    log = Log(factor=2.0, before=10.0)
    model = t.nn.Sequential(linear(t, 2, 3), log.on(t.nn.Tanh()), linear(t, 3, 1))
    return pulled(model, log, numbers(t, 4, 2).requires_grad_())


@scene
def backward_hooks_without_a_gradient_of_the_input(t: Any) -> Any:
    log = Log(before=3.0)
    return pulled(log.on(linear(t, 2, 3)), log, numbers(t, 4, 2))


@scene
def backward_hooks_of_several_arguments(t: Any) -> Any:
    class Mix(t.nn.Module):
        def forward(self, x: Any, number: float, y: Any, constant: Any, unused: Any, z: Any = None) -> Any:
            return x * number + y * constant + z

    log = Log(factor=2.0)
    x, y, z, u = (numbers(t, 2, 3).requires_grad_() for _ in range(4))
    out = log.on(Mix())(x, 3.0, y, numbers(t, 2, 3), u, z=z)
    out.sum().backward()
    return x.grad, y.grad, z.grad, log.rows


@scene
def backward_hooks_of_several_results(t: Any) -> Any:
    class Both(t.nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2, "word", x * 3, x * 4, t.ones(1)

    log, x = Log(before=2.0), numbers(t, 2, 3).requires_grad_()
    a, word, b, *_ = log.on(Both())(x)
    (a.sum() + (b * b).sum()).backward()
    return x.grad, word, log.rows


@scene
def backward_hooks_in_order(t: Any) -> Any:
    layer, order = linear(t, 1, 1), []
    for name, prepend in (("a", False), ("b", True), ("c", False)):
        layer.register_full_backward_hook(lambda *args, name=name: order.append(name), prepend)
        layer.register_full_backward_pre_hook(
            lambda *args, name=name: order.append(name * 2), prepend=prepend
        )
    handle = layer.register_full_backward_hook(lambda *args: order.append("never"))
    handle.remove()
    layer(numbers(t, 1, 1).requires_grad_()).sum().backward()
    return order


@scene
def backward_hooks_and_no_grad(t: Any) -> Any:
    log = Log()
    model = log.on(linear(t, 2, 2))
    with t.no_grad():
        out = model(numbers(t, 1, 2))
    return out, out.requires_grad, log.rows


@scene
def backward_hooks_twice_and_a_second_derivative(t: Any) -> Any:
    log = Log(factor=2.0)
    model, x = t.nn.Sequential(log.on(t.nn.Tanh())), numbers(t, 3).requires_grad_()
    out = model(x).sum()
    (first,) = t.autograd.grad(out, x, create_graph=True)
    (second,) = t.autograd.grad((first * first).sum(), x)
    return first, second


REFUSED |= {
    "backward hook returns too many": lambda t: _hooked(
        t, "register_full_backward_hook", lambda m, i, o: (i[0], i[0]), True
    ),
    "backward hook replaces what is not there": lambda t: _hooked(
        t, "register_full_backward_hook", lambda m, i, o: (o[0],), False
    ),
    "backward pre-hook returns too many": lambda t: _hooked(
        t, "register_full_backward_pre_hook", lambda m, o: (o[0], o[0]), True
    ),
    "forward pre-hook with kwargs": lambda t: _hooked(
        t, "register_forward_pre_hook", lambda m, a, k: a, True, with_kwargs=True
    ),
}


def _hooked(t: Any, kind: str, hook: Any, requires_grad: bool, **options: Any) -> None:
    layer = linear(t, 2, 2)
    getattr(layer, kind)(hook, **options)
    layer(numbers(t, 1, 2).requires_grad_(requires_grad)).sum().backward()


# --- state dicts -----------------------------------------------------------------------------------------


def tree(t: Any) -> Any:
    model = t.nn.Sequential(linear(t, 2, 3), t.nn.BatchNorm1d(3), t.nn.Sequential(linear(t, 3, 1)))
    return model


@scene
def state_dict_options(t: Any) -> Any:
    model, into = tree(t), {"there": 1}
    found = model.state_dict(destination=into, prefix="a.b_")
    kept = model.state_dict(keep_vars=True)
    plain = model.state_dict()
    flags = [v.requires_grad for v in kept.values()], [v.requires_grad for v in plain.values()]
    return list(into), found is into, kept["0.weight"] is model[0].weight, flags


@scene
def state_dict_hooks(t: Any) -> Any:
    model, log = tree(t), []
    model[0].register_state_dict_pre_hook(lambda m, prefix, keep: log.append((prefix, keep)))
    model[2].register_state_dict_post_hook(
        lambda m, state, prefix, meta: state.pop(f"{prefix}0.bias") is None
    )
    with pytest.raises((RuntimeError, ValueError)):  # it returned something
        model.state_dict()
    model = tree(t)

    def post(m: Any, state: Any, prefix: str, meta: Any) -> None:
        state[prefix + "more"] = len(state)

    model[2].register_state_dict_post_hook(post)
    handle = model[0].register_state_dict_pre_hook(lambda m, prefix, keep: log.append((prefix, keep)))
    keys = list(model.state_dict(prefix="m."))
    handle.remove()
    model.state_dict()
    return keys, log


@scene
def load_hooks(t: Any) -> Any:
    model, log = tree(t), []

    def rename(m: Any, state: Any, prefix: str, meta: Any, strict: bool, *lists: Any) -> None:
        log.append((prefix, strict, len(lists)))
        for key in list(state):
            if key.startswith(prefix + "old_"):
                state[key.replace("old_", "")] = state.pop(key)

    model[0].register_load_state_dict_pre_hook(rename)
    state = {("0.old_weight" if k == "0.weight" else k): v * 0 for k, v in model.state_dict().items()}
    before = list(state)
    result = model.load_state_dict(state)
    return log, list(state) == before, list(result.missing_keys), model[0].weight.detach()


@scene
def post_hooks_may_forgive(t: Any) -> Any:
    model, log = tree(t), []

    def forgive(m: Any, keys: Any) -> None:
        log.append((type(m).__name__, list(keys.missing_keys), list(keys.unexpected_keys)))
        keys.missing_keys.clear()

    model.register_load_state_dict_post_hook(forgive)
    model[0].register_load_state_dict_post_hook(lambda m, keys: log.append("child"))
    state = {k: v for k, v in model.state_dict().items() if k != "0.bias"}
    return list(model.load_state_dict(state).missing_keys), log


@scene
def extra_state(t: Any) -> Any:
    class Counts(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.count = t.nn.Parameter(t.ones(1)), 7

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    a, b = t.nn.Sequential(Counts()), t.nn.Sequential(Counts())
    a[0].count = 8
    state = a.state_dict()
    b.load_state_dict(state)
    del state["0._extra_state"]
    loose = b.load_state_dict(state, strict=False)
    return (
        list(a.state_dict()),
        b[0].count,
        list(loose.missing_keys),
        isinstance(outcome(lambda: b.load_state_dict(state)), RuntimeError),
    )


@scene
def assigned_state(t: Any) -> Any:
    model = tree(t)
    state = {k: v.double() if v.dtype == t.float32 else v for k, v in tree(t).state_dict().items()}
    held = model[0].weight
    model[0].weight.requires_grad_(False)
    model.load_state_dict(state, assign=True)
    with t.no_grad():
        state["0.weight"][0, 0] = 9.0
    return (
        model[0].weight is held, dtype_of(model[0].weight), model[0].weight.requires_grad,
        model[0].bias.requires_grad, isinstance(model[0].weight, t.nn.Parameter), model.state_dict(),
        [n for n, _ in model.named_parameters()], [n for n, _ in model.named_buffers()],
    )  # fmt: skip


@scene
def old_batch_norms_load(t: Any) -> Any:
    model = t.nn.BatchNorm2d(2)
    state = {k: v + 1 for k, v in model.state_dict().items() if k != "num_batches_tracked"}
    result = model.load_state_dict(state)
    return list(result.missing_keys), repr(result), model.state_dict()


REFUSED |= {
    "a post hook that forgives too little": lambda t: _post_hook(t).load_state_dict({}),
    "a state dict's post hook returns": lambda t: _returning_hook(t).state_dict(),
    "assign of ints": lambda t: linear(t, 1, 1, bias=False).load_state_dict(
        {"weight": t.ones(1, 1, dtype=t.int64)}, assign=True
    ),
    "state_dict(destination)": lambda t: t.nn.ReLU().get_extra_state(),
    "set_extra_state": lambda t: t.nn.ReLU().set_extra_state(1),
}


def _post_hook(t: Any) -> Any:
    layer = linear(t, 1, 1)
    layer.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.remove("bias"))
    return layer


def _returning_hook(t: Any) -> Any:
    layer = linear(t, 1, 1)
    layer.register_state_dict_post_hook(lambda m, state, prefix, meta: dict(state))
    return layer


# --- assignment, registration, the tree ------------------------------------------------------------------


def names(module: Any) -> Any:
    return (
        [n for n, _ in module.named_parameters()],
        [n for n, _ in module.named_buffers()],
        list(module.state_dict()),
    )


@scene
def buffers_by_attribute(t: Any) -> Any:
    model = t.nn.Module()
    model.mean = t.nn.Buffer(t.zeros(2))
    model.seen = t.nn.Buffer(t.zeros(1), persistent=False)
    model.register_buffer("late", None)
    first = names(model)
    model.mean, model.late = t.ones(2), t.ones(3)
    second = names(model)
    model.seen = None
    del model.late
    return (
        first,
        second,
        names(model),
        isinstance(t.nn.Buffer(t.ones(1)), t.nn.Buffer),
        repr(t.nn.Buffer(t.ones(1))),
    )


@scene
def order_of_assignment(t: Any) -> Any:
    model = t.nn.Module()
    model.a, model.b, model.c = None, t.nn.Parameter(t.ones(1)), t.nn.Linear(1, 1)
    model.d, model.e = t.nn.Parameter(t.ones(2)), 5
    model.a = t.nn.Parameter(t.ones(3))
    model.e = t.nn.Linear(1, 1)
    model.b = t.nn.Parameter(t.ones(4))
    model.c = t.nn.Conv1d(1, 1, 1)
    model.mean, model.var = t.nn.Buffer(t.ones(1)), t.nn.Buffer(t.ones(1))
    model.mean, model.var = t.nn.Parameter(t.ones(1)), t.nn.Linear(1, 1)
    model._hidden = t.nn.Linear(1, 1)
    model._scale = t.nn.Parameter(t.ones(1))
    first = names(model)
    model.b = None
    del model.c
    model.e = t.nn.Parameter(t.ones(1))
    return first, names(model), [n for n, _ in model.named_children()]


@scene
def ties(t: Any) -> Any:
    model = t.nn.Sequential(linear(t, 2, 2), linear(t, 2, 2), t.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    model[2] = model[0]
    twin = copy.deepcopy(model)
    thawed = pickle.loads(pickle.dumps(model))
    model.double()
    return [
        (names(m), m[0].weight is m[1].weight, m[0] is m[2], sum(math.prod(p.shape) for p in m.parameters()))
        for m in (model, twin, thawed)
    ]


@scene
def overridden_train(t: Any) -> Any:
    class Frozen(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.drop = t.nn.BatchNorm1d(1), t.nn.Dropout()

        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            self.norm.eval()
            return self

    model = t.nn.Sequential(Frozen(), t.nn.Dropout())
    model.train()
    first = [m.training for m in model.modules()]
    return first, [m.training for m in model.eval().modules()], [m.training for m in model.train().modules()]


@scene
def paths(t: Any) -> Any:
    model = tree(t)
    model.set_submodule("2.0", t.nn.ReLU())
    model.set_submodule("more", t.nn.Tanh())
    return (
        repr(model), model.get_buffer("1.running_mean"), model.get_parameter("0.bias"),
        [n for n, _ in model.named_modules(prefix="p")], [n for n, _ in model.named_buffers("q", False)],
        [n for n, _ in model.named_buffers("q")], "0" in dir(model), "forward" in dir(model),
    )  # fmt: skip


@scene
def conversions(t: Any) -> Any:
    model = tree(t)
    model.to("cpu").to(t.zeros(1, dtype=t.float64))
    first = [dtype_of(v) for v in model.state_dict().values()]
    model.to(dtype=t.float32)
    return first, [dtype_of(v) for v in model.state_dict().values()]


REFUSED |= {
    "a module for a parameter": lambda t: setattr(linear(t, 1, 1), "weight", t.nn.ReLU()),
    "a buffer for a parameter": lambda t: setattr(linear(t, 1, 1), "weight", t.nn.Buffer(t.ones(1))),
    "a buffer for a module": lambda t: setattr(tree(t), "0", t.nn.Buffer(t.ones(1))),
    "a tensor for a parameter": lambda t: setattr(linear(t, 1, 1), "weight", t.ones(1, 1)),
    "a number for a module": lambda t: setattr(tree(t), "0", 5),
    "a list for a buffer": lambda t: setattr(tree(t)[1], "running_mean", [1.0]),
    "register_buffer dots": lambda t: t.nn.Module().register_buffer("a.b", t.ones(1)),
    "register_buffer empty": lambda t: t.nn.Module().register_buffer("", t.ones(1)),
    "register_buffer name": lambda t: t.nn.Module().register_buffer(3, t.ones(1)),
    "register_buffer there": lambda t: linear(t, 1, 1).register_buffer("weight", t.ones(1)),
    "register_buffer list": lambda t: t.nn.Module().register_buffer("a", [1.0]),
    "register_parameter dots": lambda t: t.nn.Module().register_parameter("a.b", None),
    "register_parameter there": lambda t: t.nn.Module().register_parameter("forward", None),
    "register_parameter tensor": lambda t: t.nn.Module().register_parameter("a", t.ones(1)),
    "add_module there": lambda t: linear(t, 1, 1).add_module("weight", t.nn.ReLU()),
    "add_module dots": lambda t: t.nn.Module().add_module("a.b", t.nn.ReLU()),
    "add_module number": lambda t: t.nn.Module().add_module("a", 5),
    "get_buffer": lambda t: tree(t).get_buffer("1.weight"),
    "get_parameter": lambda t: tree(t).get_parameter("1.running_mean"),
    "set_submodule strict": lambda t: tree(t).set_submodule("2.9", t.nn.ReLU(), strict=True),
    "set_submodule empty": lambda t: tree(t).set_submodule("", t.nn.ReLU()),
    "set_submodule of a parameter": lambda t: tree(t).set_submodule("0.weight", t.nn.ReLU()),
    "set_submodule without a parent": lambda t: tree(t).set_submodule("8.weight", t.nn.ReLU()),
    "set_submodule number": lambda t: tree(t).set_submodule("0", 3),
    "train": lambda t: tree(t).train("yes"),
    "to ints": lambda t: tree(t).to(t.int64),
    "delete": lambda t: delattr(tree(t), "nothing"),
    "deepcopy of a computed tensor": lambda t: copy.deepcopy(t.ones(1, requires_grad=True) * 2),
}


# --- containers ------------------------------------------------------------------------------------------


def row(t: Any) -> Any:
    return t.nn.ReLU(), t.nn.Linear(1, 2), t.nn.Linear(1, 2), t.nn.Tanh()


LISTS: dict[str, Callable[[Any, Any], Any]] = {
    "repr": lambda t, m: repr(t.nn.ModuleList([t.nn.ReLU(), *row(t), t.nn.Sequential(*row(t))])),
    "empty": lambda t, m: (repr(t.nn.ModuleList()), len(t.nn.ModuleList()), bool(t.nn.ModuleList())),
    "+": lambda t, m: repr(m.__add__([t.nn.ELU()])),
    "+=": lambda t, m: repr(m.__iadd__([t.nn.ELU()])),
    "pop": lambda t, m: (repr(m.pop(1)), repr(m)),
    "pop slice": lambda t, m: (repr(m.pop(slice(1, 3))), repr(m)),
    "pop last": lambda t, m: (repr(m.pop(-1)), list(m.state_dict())),
    "del slice": lambda t, m: (m.__delitem__(slice(0, 2)), repr(m)),
    "insert": lambda t, m: (m.insert(2, t.nn.ELU()), repr(m)),
    "insert first": lambda t, m: (m.insert(0, t.nn.ELU()), repr(m)),
    "set": lambda t, m: (m.__setitem__(-1, t.nn.ELU()), repr(m)),
    "negative": lambda t, m: repr(m[-2]),
    "slice step": lambda t, m: repr(m[::2]),
    "contains": lambda t, m: (m[1] in m, t.nn.ELU() in m),
    "None": lambda t, m: (m.append(None)[4], len(m), repr(m), list(m.state_dict()), len(list(m.children()))),
    "None set": lambda t, m: (m.__setitem__(1, None), repr(m), m.insert(0, None), repr(m), m.pop(2), repr(m)),
    "of None": lambda t, m: (repr(t.nn.ModuleList([None, *m, None]).eval().to(t.float64)), len(m)),
    "None and others": lambda t, m: (setattr(m, "note", None), len(m), repr(m)),
    "isinstance": lambda t, m: isinstance(t.nn.Sequential(), t.nn.ModuleList),
}
SEQUENCES: dict[str, Callable[[Any, Any], Any]] = {
    "repr": lambda t, m: repr(m),
    "append": lambda t, m: (
        (list(m.append(t.nn.ELU())._named()), repr(m)) if t is None else repr(m.append(t.nn.ELU()))
    ),
    "append keeps names": lambda t, m: repr(t.nn.Sequential(_ordered(t)).append(t.nn.ELU())),
    "+": lambda t, m: repr(m + t.nn.Sequential(t.nn.ELU())),
    "+=": lambda t, m: repr(m.__iadd__(t.nn.Sequential(t.nn.ELU()))),
    "*": lambda t, m: (repr(m * 2), len(list((m * 2).parameters()))),
    "2 *": lambda t, m: repr(2 * m),
    "*=": lambda t, m: (repr(m.__imul__(2)), len(list(m.parameters()))),
    "pop": lambda t, m: (repr(m.pop(0)), repr(m)),
    "pop slice": lambda t, m: (repr(m.pop(slice(0, 2))), repr(m)),
    "insert": lambda t, m: (m.insert(1, t.nn.ELU()) is m, repr(m)),
    "insert at the end": lambda t, m: repr(m.insert(4, t.nn.ELU())),
    "insert negative": lambda t, m: repr(m.insert(-1, t.nn.ELU())),
    "extend": lambda t, m: repr(m.extend(t.nn.Sequential(t.nn.ELU(), t.nn.ELU()))),
    "set keeps the name": lambda t, m: (m.__setitem__(0, t.nn.ELU()), repr(m)),
    "del": lambda t, m: (m.__delitem__(0), repr(m)),
    "names": lambda t, m: repr(t.nn.Sequential(_ordered(t))[:1]),
    "named del": lambda t, m: (lambda s: (s.__delitem__(0), repr(s)))(t.nn.Sequential(_ordered(t))),
}
DICTS: dict[str, Callable[[Any, Any], Any]] = {
    "repr": lambda t, m: repr(m),
    "pop": lambda t, m: (repr(m.pop("a")), repr(m)),
    "clear": lambda t, m: (m.clear(), len(m), repr(m)),
    "values": lambda t, m: list(map(repr, m.values())),
    "update pairs": lambda t, m: (m.update([("c", t.nn.ELU()), ["a", t.nn.ELU()]]), repr(m)),
    "update dict": lambda t, m: (m.update(t.nn.ModuleDict({"b": t.nn.ELU()})), repr(m)),
    "equal": lambda t, m: (m == m, m == copy.deepcopy(m), len({m, m})),
    "of a ModuleDict": lambda t, m: repr(t.nn.ModuleDict(m)),
}


def _ordered(t: Any) -> Any:
    from collections import OrderedDict

    return OrderedDict(first=t.nn.ReLU(), second=t.nn.Tanh())


@pytest.mark.parametrize("what", LISTS)
def test_module_list(what: str) -> None:
    mine, wanted = (LISTS[what](t, t.nn.ModuleList(row(t))) for t in LIBRARIES)
    assert mine == wanted


@pytest.mark.parametrize("what", SEQUENCES)
def test_sequential(what: str) -> None:
    mine, wanted = (SEQUENCES[what](t, t.nn.Sequential(*row(t))) for t in LIBRARIES)
    assert mine == wanted


@pytest.mark.parametrize("what", DICTS)
def test_module_dict(what: str) -> None:
    mine, wanted = (
        DICTS[what](t, t.nn.ModuleDict({"a": t.nn.ReLU(), "b": t.nn.Linear(1, 2)})) for t in LIBRARIES
    )
    assert mine == wanted


@scene
def parameter_lists(t: Any) -> Any:
    many = t.nn.ParameterList([t.nn.Parameter(t.ones(1)), t.zeros(2, 3)])
    many.append(t.ones(3)).extend([t.ones(4), t.ones(5)])
    many += [t.ones(6)]
    many[0] = t.zeros(1)
    shapes = [tuple(p.shape) for p in many]
    mixed = t.nn.ParameterList([t.ones(2), "word", 3])
    lines = repr(many).replace("torch.", ""), repr(mixed).replace("torch.", ""), repr(t.nn.ParameterList())
    return (
        shapes, names(many), names(many[1:3]), len(many), many[-1], list(mixed)[1:], len(mixed), lines,
        [p.requires_grad for p in many],
    )  # fmt: skip


@scene
def parameter_dicts(t: Any) -> Any:
    some = t.nn.ParameterDict({"a": t.nn.Parameter(t.ones(1)), "b": t.zeros(2)})
    some["c"] = t.ones(3)
    some["word"] = "said"
    first = names(some), list(some), len(some), "a" in some, "z" in some, some.get("z", 5), some["word"]
    word = some.pop("word")
    some.update({"d": t.ones(4)})
    some |= {"e": t.ones(5)}
    joined, copied = some | {"f": t.ones(6)}, some.copy()
    default = some.setdefault("g", t.ones(7))
    last = some.popitem()[0]
    keys = (
        list(reversed(some)),
        list(some.keys()),
        [tuple(v.shape) for v in some.values()],
        [k for k, _ in some.items()],
    )
    fresh = some.fromkeys(["x", "y"], t.ones(1))
    kept = copied["a"] is some["a"]
    some.clear()
    return first, word, names(joined), names(copied), default, last, keys, names(fresh), kept, names(some)


REFUSED |= {
    "ModuleList + number": lambda t: t.nn.ModuleList() + 5,
    "ModuleList.extend number": lambda t: t.nn.ModuleList().extend(5),
    "ModuleList.append number": lambda t: t.nn.ModuleList().append(5),
    "ModuleList.pop": lambda t: t.nn.ModuleList().pop(0),
    "ModuleList.set beyond": lambda t: t.nn.ModuleList().__setitem__(0, t.nn.ReLU()),
    "ModuleList call": lambda t: t.nn.ModuleList()(1),
    "Sequential + list": lambda t: t.nn.Sequential().__add__([t.nn.ReLU()]),
    "Sequential += list": lambda t: t.nn.Sequential().__iadd__(5),
    "Sequential * 0": lambda t: t.nn.Sequential(t.nn.ReLU()) * 0,
    "Sequential *= 0": lambda t: t.nn.Sequential(t.nn.ReLU()).__imul__(0),
    "Sequential * float": lambda t: t.nn.Sequential(t.nn.ReLU()) * 1.5,
    "Sequential.insert beyond": lambda t: t.nn.Sequential(t.nn.ReLU()).insert(3, t.nn.ReLU()),
    "Sequential.insert number": lambda t: t.nn.Sequential(t.nn.ReLU()).insert(0, 3),
    "Sequential.append number": lambda t: t.nn.Sequential().append(3),
    "Sequential beyond": lambda t: t.nn.Sequential()[0],
    "ModuleDict.update number": lambda t: t.nn.ModuleDict().update(5),
    "ModuleDict of numbers": lambda t: t.nn.ModuleDict({"a": 5}),
    "ModuleDict number as key": lambda t: t.nn.ModuleDict({1: t.nn.ReLU()}),
    "ModuleDict.pop": lambda t: t.nn.ModuleDict().pop("a"),
    "ModuleDict del": lambda t: t.nn.ModuleDict().__delitem__("a"),
    "ModuleDict call": lambda t: t.nn.ModuleDict()(1),
    "ParameterList call": lambda t: t.nn.ParameterList()(1),
    "ParameterList beyond": lambda t: t.nn.ParameterList()[0],
    "ParameterList.extend number": lambda t: t.nn.ParameterList().extend(5),
    "ParameterDict call": lambda t: t.nn.ParameterDict()(1),
    "ParameterDict number as key": lambda t: t.nn.ParameterDict({1: t.ones(1)}),
}


# --- lazy layers -----------------------------------------------------------------------------------------

# name: [(arguments, options, shape of the first input)]
LAZY: dict[str, list[tuple[Any, Any, Any]]] = {
    "LazyLinear": [((3,), {}, (4, 5)), ((3, False), {}, (2, 4, 5)), ((2,), {}, (5,))],
    "LazyConv1d": [((4, 3), {"padding": 1}, (2, 3, 7)), ((4, 3), {"bias": False}, (3, 7))],
    "LazyConv2d": [((4, 3, 2), {"groups": 2}, (2, 6, 7, 5)), ((4, (3, 1)), {}, (6, 7, 5))],
    "LazyConv3d": [((2, 2), {}, (1, 3, 4, 4, 4))],
    "LazyConvTranspose1d": [((4, 3), {"stride": 2}, (2, 3, 4))],
    "LazyConvTranspose2d": [((4, 3), {"stride": 2, "output_padding": 1, "groups": 2}, (2, 6, 4, 3))],
    "LazyConvTranspose3d": [((2, 2), {}, (1, 3, 3, 3, 3))],
    "LazyBatchNorm1d": [((), {}, (4, 3)), ((1e-3,), {"affine": False}, (4, 3, 5))],
    "LazyBatchNorm2d": [
        ((), {"track_running_stats": False}, (2, 3, 4, 4)),
        ((), {"bias": False}, (2, 3, 4, 4)),
    ],
    "LazyInstanceNorm1d": [((), {}, (4, 3, 5)), ((1e-3,), {"affine": False}, (4, 3, 5))],
    "LazyInstanceNorm2d": [((), {"track_running_stats": False}, (2, 3, 4, 4))],
    "LazyInstanceNorm3d": [((), {}, (2, 3, 2, 2, 2))],
    "LazyBatchNorm3d": [((), {}, (2, 3, 2, 2, 2))],
}
LAZY_CASES = [
    pytest.param(name, *r, id=f"{name}-{i}") for name, rows in LAZY.items() for i, r in enumerate(rows)
]


@pytest.fixture
def quietly() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules are a new feature")
        yield


def state_of(module: Any) -> Any:
    return {k: (repr(v) if "Uninit" in type(v).__name__ else seen(v)) for k, v in module.state_dict().items()}


@pytest.mark.usefixtures("quietly")
@pytest.mark.parametrize("name, args, options, shape", LAZY_CASES)
def test_lazy_layer(name: str, args: Any, options: Any, shape: Any) -> None:
    """Before and after the first input; then state dicts that go in and out while lazy."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    found = []
    for t, make in ((tg, ours), (torch, theirs)):
        layer = getattr(t.nn, name)(*args, **options)
        if t is torch and list(layer.buffers()):  # which PyTorch cannot copy; see test_differences.py
            frozen = getattr(t.nn, name)(*args, **options)
        else:
            frozen = copy.deepcopy(layer)
        before = (
            repr(layer),
            list(state_of(layer)),
            [n for n, _ in layer.named_parameters()],
            len(list(layer.buffers())),
        )
        kept = list(layer.parameters())
        thawed = pickle.loads(pickle.dumps(layer)).double()
        out = layer(make(x))
        same_objects = all(a is b for a, b in zip(kept, layer.parameters(), strict=True))
        after = (
            repr(layer),
            type(layer).__name__,
            same_objects,
            [type(p).__name__ for p in layer.parameters()],
        )
        shapes = {k: (tuple(v.shape), dtype_of(v)) for k, v in layer.state_dict().items()}
        frozen.load_state_dict(layer.state_dict())  # and then it computes the same
        if t is torch and "Instance" in name:  # which does not learn it from what is loaded
            frozen.num_features = shape[1]
        again = frozen.has_uninitialized_params(), type(frozen).__name__
        agreed = bool(abs(numpy(frozen(make(x))) - numpy(out)).max() < 1e-6)
        wide = thawed(make(x.astype(np.float64)))
        empty = getattr(t.nn, name)(*args, **options)
        other = getattr(t.nn, name)(*args, **options)
        loaded = empty.load_state_dict(other.state_dict())
        found.append((
            before, tuple(out.shape), after, shapes, again, agreed, type(frozen).__name__, dtype_of(wide),
            list(loaded.missing_keys), empty.has_uninitialized_params() == bool(shapes),
        ))  # fmt: skip
    assert found[0] == found[1]


def lazies(t: Any) -> Any:
    return t.nn.Sequential(t.nn.LazyConv2d(2, 3), t.nn.ReLU(), t.nn.Flatten(), t.nn.LazyLinear(3))


@scene
def lazy_model(t: Any) -> Any:
    model = lazies(t)
    first = state_of(model)
    optimizer = t.optim.SGD(model.parameters(), lr=0.1)
    optimizer.step()  # nothing has a gradient yet
    optimizer.zero_grad()
    model.zero_grad()
    model.eval().train()
    x = numbers(t, 2, 3, 5, 5)
    shape = tuple(model(x).shape)
    filled(model)(x).sum().backward()
    optimizer.step()
    return first, shape, repr(model), [n for n, _ in model.named_parameters()], model(x)


@scene
def uninitialized(t: Any) -> Any:
    p, b = t.nn.UninitializedParameter(), t.nn.UninitializedBuffer()
    q = t.nn.UninitializedParameter(requires_grad=False)
    first = (
        repr(p),
        repr(b),
        p.requires_grad,
        q.requires_grad,
        b.requires_grad,
        p.is_leaf,
        isinstance(p, t.nn.Parameter),
    )
    p.materialize((2, 3))
    q.materialize((1,), dtype=t.float64)
    b.materialize((4,))
    flags = [(type(x).__name__, tuple(x.shape), dtype_of(x), x.requires_grad) for x in (p, q, b)]
    with t.no_grad():
        p.fill_(2.0)
    (p * 3).sum().backward()
    return first, flags, p.grad


REFUSED |= {
    "shape of a lazy weight": lambda t: t.nn.LazyLinear(2).weight.shape,
    "size of a lazy weight": lambda t: t.nn.LazyLinear(2).weight.numel(),
    "lazy arithmetic": lambda t: t.nn.LazyLinear(2).weight + 1,
    "lazy into plain": lambda t: t.nn.Linear(2, 2).load_state_dict(t.nn.LazyLinear(2).state_dict()),
    "lazy vector": lambda t: t.nn.utils.parameters_to_vector(t.nn.LazyLinear(2).parameters()),
    "lazy rank": lambda t: t.nn.LazyConv2d(2, 3)(t.ones(5, 5)),
    "lazy groups": lambda t: t.nn.LazyConv2d(2, 3, groups=2)(t.ones(1, 3, 5, 5)),
    "lazy 0-d": lambda t: t.nn.LazyLinear(2)(t.ones(())),
    "lazy loaded another": lambda t: _loaded_lazy(t)(t.ones(1, 4)),
    "lazy argument": lambda t: t.nn.LazyLinear(2, slope=1),
    "lazy with the size": lambda t: t.nn.LazyLinear(3, 2, 1, 4, 5, 6),
    "lazy detach": lambda t: t.nn.LazyLinear(2).weight.detach(),
}


def _loaded_lazy(t: Any) -> Any:
    layer = t.nn.LazyLinear(2)
    layer.load_state_dict(t.nn.Linear(3, 2).state_dict())
    return layer


# --- nn.init ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4), (4, 4), (5, 2), (1, 1)], ids=str)
def test_eye(shape: Any) -> None:
    same(*(t.nn.init.eye_(t.ones(*shape)) for t in LIBRARIES))


@few
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_dirac(groups: int, each: int, channels: int, window: list[int]) -> None:
    shape = (groups * each, channels, *window)
    same(*(t.nn.init.dirac_(t.ones(*shape), groups) for t in LIBRARIES))


@few
@given(st.integers(1, 40), st.integers(1, 5), st.floats(0, 1))
def test_sparse(rows: int, columns: int, sparsity: float) -> None:
    mine, wanted = (t.nn.init.sparse_(t.zeros(rows, columns), sparsity, std=0.5) for t in LIBRARIES)
    assert ((mine.array == 0).sum(0) == (wanted.numpy() == 0).sum(0)).all()


def test_sparse_values() -> None:
    tg.manual_seed(0)
    drawn = tg.nn.init.sparse_(tg.zeros(400, 100), 0.25, 0.5).array
    kept = drawn[drawn != 0]
    assert kept.std() == pytest.approx(0.5, rel=0.02) and abs(kept.mean()) < 0.01
    assert len({tuple(column) for column in (drawn == 0).T}) > 90  # each column its own zeros


DRAWN = ["uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_"]


@pytest.mark.parametrize("name", [*DRAWN, "kaiming_normal_", "orthogonal_", "sparse_"])
def test_generators_of_init(name: str) -> None:
    """The same generator, the same values; and the global one is left alone."""
    args = (0.5,) if name == "sparse_" else ()
    for t in LIBRARIES[: 1 if name == "sparse_" else 2]:  # PyTorch draws the zeros from the global one
        t.manual_seed(1)
        before = t.rand(1).tolist()
        t.manual_seed(1)
        drawn = []
        for _ in range(2):
            generator = t.Generator()
            generator.manual_seed(7)
            drawn.append(getattr(t.nn.init, name)(t.zeros(4, 3), *args, generator=generator).tolist())
        assert drawn[0] == drawn[1] and t.rand(1).tolist() == before


REFUSED |= {
    "eye_ of a vector": lambda t: t.nn.init.eye_(t.zeros(3)),
    "dirac_ of a matrix": lambda t: t.nn.init.dirac_(t.zeros(3, 3)),
    "dirac_ groups": lambda t: t.nn.init.dirac_(t.zeros(3, 2, 2), groups=2),
    "sparse_ of a vector": lambda t: t.nn.init.sparse_(t.zeros(3), 0.1),
}


# --- nn.utils --------------------------------------------------------------------------------------------

shapes = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=3)
seeds = st.integers(0, 2**32 - 1)


def parameters(sizes: Any, seed: int, dtype: Any) -> Any:
    """[(parameters with gradients, library)] with equal values."""
    rng = np.random.default_rng(seed)
    rows: Any = ([], [])
    for shape in sizes:
        w, g = (np.asarray(rng.standard_normal(shape), dtype) for _ in range(2))
        for row, make in zip(rows, (ours, theirs), strict=True):
            row.append(make(w.copy(), True))
            row[-1].grad = make(g.copy())
    return rows


@few
@given(shapes, seeds, st.sampled_from(["float32", "float64"]), st.sampled_from([1.0, 2.0, 3.5, math.inf]))
def test_norms_and_clipping(sizes: Any, seed: int, dtype: str, norm_type: float) -> None:
    mine, wanted = parameters(sizes, seed, dtype)
    utils = [t.nn.utils for t in LIBRARIES]
    totals = [
        u.get_total_norm([p.grad for p in ps], norm_type) for u, ps in zip(utils, (mine, wanted), strict=True)
    ]
    same(*totals, 100)
    for u, ps, total in zip(utils, (mine, wanted), totals, strict=True):
        u.clip_grads_with_norm_(ps, 0.7, total)
    for p, q in zip(mine, wanted, strict=True):
        same(p.grad, q.grad, 100)
    for u, ps in zip(utils, (mine, wanted), strict=True):
        u.clip_grad_value_(ps, 0.1)
    for p, q in zip(mine, wanted, strict=True):
        same(p.grad, q.grad, 100)


@few
@given(shapes, seeds, st.sampled_from(["float32", "float64"]))
def test_vectors(sizes: Any, seed: int, dtype: str) -> None:
    mine, wanted = parameters(sizes, seed, dtype)
    vectors = [t.nn.utils.parameters_to_vector(ps) for t, ps in zip(LIBRARIES, (mine, wanted), strict=True)]
    same(*vectors)
    for t, ps, vector in zip(LIBRARIES, (mine, wanted), vectors, strict=True):
        t.nn.utils.vector_to_parameters(vector.detach() * 2, ps)
    for p, q in zip(mine, wanted, strict=True):
        same(p.detach(), q.detach())


def trained(norm: Any, t: Any) -> Any:
    """A batch norm that has seen something."""
    filled(norm)
    for buffer in norm.buffers():
        if buffer.dtype == t.float32:
            buffer.copy_(numbers(t, *buffer.shape).abs() + 0.5)
    return norm.eval()


FUSED: dict[str, Callable[[Any], Any]] = {
    "Conv2d": lambda t: (t.nn.Conv2d(2, 4, 3), t.nn.BatchNorm2d(4), False, (2, 2, 5, 5)),
    "Conv2d without bias": lambda t: (
        t.nn.Conv2d(4, 4, 3, bias=False, groups=2), t.nn.BatchNorm2d(4), False, (2, 4, 5, 5),
    ),
    "Conv1d not affine": lambda t: (
        t.nn.Conv1d(2, 3, 3), t.nn.BatchNorm1d(3, affine=False), False, (2, 2, 5),
    ),
    "Conv3d": lambda t: (t.nn.Conv3d(1, 2, 2), t.nn.BatchNorm3d(2, eps=0.1), False, (1, 1, 3, 3, 3)),
    "ConvTranspose2d": lambda t: (t.nn.ConvTranspose2d(2, 3, 2), t.nn.BatchNorm2d(3), True, (2, 2, 3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUSED)
def test_fusing_convolution_and_batch_norm(name: str) -> None:
    found = []
    for t in LIBRARIES:
        conv, norm, transpose, shape = FUSED[name](t)
        filled(conv).eval().weight.requires_grad_(False)
        fused = t.nn.utils.fuse_conv_bn_eval(conv, trained(norm, t), transpose)
        x = numbers(t, *shape)
        flags = (
            [p.requires_grad for p in fused.parameters()],
            fused is conv,
            type(fused).__name__,
            fused.training,
        )
        assert abs(numpy(fused(x)) - numpy(norm(conv(x)))).max() < 1e-4
        found.append(seen((fused.state_dict(), flags)))
    equal(*found)


@pytest.mark.parametrize("bias", [True, False])
def test_fusing_linear_and_batch_norm(bias: bool) -> None:
    found = []
    for t in LIBRARIES:
        layer, norm, x = linear(t, 3, 4, bias=bias).eval(), trained(t.nn.BatchNorm1d(4), t), numbers(t, 5, 3)
        fused = t.nn.utils.fuse_linear_bn_eval(layer, norm)
        assert abs(numpy(fused(x)) - numpy(norm(layer(x)))).max() < 1e-4
        weights = t.nn.utils.fuse_linear_bn_weights(
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        assert all(isinstance(w, t.nn.Parameter) for w in weights)
        found.append(seen((fused.state_dict(), weights)))
    equal(*found)


def test_fused_weights_without_a_scale() -> None:
    found = []
    for t in LIBRARIES:
        w, v = numbers(t, 2, 1, 3, 3), numbers(t, 2)
        found.append(seen(t.nn.utils.fuse_conv_bn_weights(w, None, v, v.abs(), 0.1, None, None)))
    equal(*found)


REFUSED |= {
    "fusing in training": lambda t: t.nn.utils.fuse_conv_bn_eval(t.nn.Conv2d(1, 1, 1), t.nn.BatchNorm2d(1)),
    "fusing without statistics": lambda t: t.nn.utils.fuse_conv_bn_eval(
        t.nn.Conv2d(1, 1, 1).eval(), t.nn.BatchNorm2d(1, track_running_stats=False).eval()
    ),
    "fusing other channels": lambda t: t.nn.utils.fuse_conv_bn_eval(
        t.nn.Conv2d(1, 3, 1).eval(), t.nn.BatchNorm2d(2).eval()
    ),
    "fusing linear in training": lambda t: t.nn.utils.fuse_linear_bn_eval(
        t.nn.Linear(1, 1), t.nn.BatchNorm1d(1)
    ),
    "fusing linear of other features": lambda t: t.nn.utils.fuse_linear_bn_eval(
        t.nn.Linear(1, 3).eval(), t.nn.BatchNorm1d(2).eval()
    ),
}


# --- parametrizations ------------------------------------------------------------------------------------


def symmetric(t: Any) -> Any:
    class Symmetric(t.nn.Module):
        def forward(self, w: Any) -> Any:
            return (w + w.T) / 2

        def right_inverse(self, w: Any) -> Any:
            return w

    return Symmetric()


def halves(t: Any) -> Any:
    class Halves(t.nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def right_inverse(self, w: Any) -> Any:
            return w / 2, t.full(tuple(w.shape), 2.0)

    return Halves()


def looks(module: Any, x: Any) -> Any:
    out = module(x)
    module.zero_grad()
    (out * out).sum().backward()
    return seen([
        repr(module), type(module).__name__, module.state_dict(), out,
        [n for n, _ in module.named_parameters()], [p.grad for p in module.parameters()],
    ])  # fmt: skip


@scene
def parametrizations_come_and_go(t: Any) -> Any:
    P = t.nn.utils.parametrize
    layer, x = linear(t, 3, 3), numbers(t, 2, 3)
    held = layer.weight
    rows = [P.register_parametrization(layer, "weight", symmetric(t)) is layer, looks(layer, x)]
    rows.append((layer.parametrizations.weight.original is held, len(layer.parametrizations.weight)))
    P.register_parametrization(layer, "weight", symmetric(t))
    P.register_parametrization(layer, "bias", t.nn.Tanh())
    rows.append(looks(layer, x))
    rows.append(
        [P.is_parametrized(layer), P.is_parametrized(layer, "weight"), P.is_parametrized(layer, "other")]
    )
    rows.append(P.type_before_parametrizations(layer).__name__)
    with t.no_grad():
        layer.weight = numbers(t, 3, 3)
    rows.append(looks(layer, x))
    twin = copy.deepcopy(layer)
    P.remove_parametrizations(layer, "bias", leave_parametrized=False)
    rows.append(looks(layer, x))
    P.remove_parametrizations(layer, "weight")
    rows.append((looks(layer, x), layer.weight is held, P.is_parametrized(layer)))
    rows.append(looks(twin, x) if t is tg else None)
    return rows[:-1]


@scene
def parametrized_by_two(t: Any) -> Any:
    P = t.nn.utils.parametrize
    layer, x = linear(t, 3, 3), numbers(t, 2, 3)
    P.register_parametrization(layer, "weight", halves(t))
    first = looks(layer, x)
    with t.no_grad():
        layer.weight = numbers(t, 3, 3)
    second = looks(layer, x)
    P.remove_parametrizations(layer, "weight")
    return first, second, looks(layer, x)


@scene
def parametrized_buffers(t: Any) -> Any:
    P = t.nn.utils.parametrize
    norm = t.nn.BatchNorm1d(3).eval()
    P.register_parametrization(norm, "running_var", t.nn.Softplus())
    first = looks(norm, numbers(t, 4, 3)), [n for n, _ in norm.named_buffers()]
    P.remove_parametrizations(norm, "running_var")
    return first, [n for n, _ in norm.named_buffers()], norm.running_var


@scene
def cached_parametrizations(t: Any) -> Any:
    P, calls = t.nn.utils.parametrize, []

    class Counts(t.nn.Module):
        def forward(self, w: Any) -> Any:
            calls.append(1)
            return w * 1

    layer = linear(t, 2, 2)
    P.register_parametrization(layer, "weight", Counts(), unsafe=True)
    calls.clear()
    with P.cached(), P.cached():
        layer.weight, layer.weight, layer(numbers(t, 1, 2))
        inside = len(calls)
    layer.weight, layer.weight
    return inside, len(calls)


@scene
def unsafe_parametrizations(t: Any) -> Any:
    class Wide(t.nn.Module):
        def forward(self, w: Any) -> Any:
            return t.cat([w, w], 0)

    layer = linear(t, 2, 1, bias=False)
    t.nn.utils.parametrize.register_parametrization(layer, "weight", Wide(), unsafe=True)
    return looks(layer, numbers(t, 3, 2))


@pytest.mark.parametrize("dim", [0, 1, -1, None])
@pytest.mark.parametrize("old", [False, True])
def test_weight_norm(dim: Any, old: bool) -> None:
    found = []
    for t in LIBRARIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            norm = t.nn.utils.weight_norm if old else t.nn.utils.parametrizations.weight_norm
            layer, x = filled(t.nn.Conv2d(2, 3, 2)), numbers(t, 1, 2, 3, 3)
            norm(layer, dim=dim)
            rows = [looks(layer, x)]
            filled(layer)
            rows.append(looks(layer, x))
            if old:
                t.nn.utils.remove_weight_norm(layer)
            else:
                t.nn.utils.parametrize.remove_parametrizations(layer, "weight")
            rows.append(looks(layer, x))
        found.append(seen(rows))
    equal(*found)


@scene
def in_parallel_on_one_device(t: Any) -> Any:
    model = t.nn.DataParallel(filled(t.nn.Conv2d(1, 2, 2)), device_ids=None)
    bare = model.module if isinstance(model, t.nn.DataParallel) else model
    rows = [looks(model, numbers(t, 1, 1, 3, 3)), list(bare.state_dict())]
    bare.load_state_dict({k.removeprefix("module."): v for k, v in model.state_dict().items()})
    return [*rows, model(input=numbers(t, 1, 1, 3, 3))]


@scene
def old_weight_norms_load(t: Any) -> Any:
    layer = t.nn.utils.parametrizations.weight_norm(linear(t, 2, 3))
    layer.load_state_dict({"weight_g": numbers(t, 3, 1), "weight_v": numbers(t, 3, 2), "bias": numbers(t, 3)})
    return looks(layer, numbers(t, 1, 2))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kind", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_spectral_norm(kind: str, old: bool) -> None:
    """From the same singular vectors: three steps in training, one in evaluation, removal."""
    args, shape = ((2, 3), (4, 2)) if kind == "Linear" else ((2, 3, 2), (1, 2, 3, 3))
    layers = [filled(getattr(t.nn, kind)(*args)) for t in LIBRARIES]
    for t, layer in zip(LIBRARIES, layers, strict=True):
        (t.nn.utils if old else t.nn.utils.parametrizations).spectral_norm(layer, n_power_iterations=2)
    layers[0].load_state_dict({k: v.numpy() for k, v in layers[1].state_dict().items()})
    found = []
    for t, layer in zip(LIBRARIES, layers, strict=True):
        x = numbers(t, *shape)
        rows = [looks(layer, x) for _ in range(3)] + [looks(layer.eval(), x)] * 2
        if old:
            t.nn.utils.remove_spectral_norm(layer)
        else:
            t.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        found.append(seen([*rows, looks(layer, x)]))
    equal(*found)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("chosen", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 3)])
def test_orthogonal(shape: tuple[int, int], chosen: str | None, trivial: bool) -> None:
    """As it begins, after a step, and after an assignment: from the same state, with gradients."""
    layers = [filled(t.nn.Linear(*shape)) for t in LIBRARIES]
    both = list(zip(LIBRARIES, layers, strict=True))
    for t, layer in both:
        t.nn.utils.parametrizations.orthogonal(layer, "weight", chosen, use_trivialization=trivial)
    reflected = chosen == "householder" or (chosen is None and shape[0] != shape[1])
    given = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0][: shape[1], : shape[0]]
    for step in range(3):
        layers[0].load_state_dict({k: v.numpy() for k, v in layers[1].state_dict().items()})
        equal(*([looks(layer, numbers(t, 5, shape[0]))] for t, layer in both))
        for t, layer in both:
            weight = numpy(layer.weight)
            tall = weight if len(weight) >= weight.shape[1] else weight.T
            np.testing.assert_allclose(tall.T @ tall, np.eye(tall.shape[1]), atol=1e-5)
            if step == 0:
                original = layer.parametrizations.weight.original
                original.data = original.data + numbers(t, *original.shape).tril(-1)
            elif trivial or reflected:
                layer.weight = t.tensor(given, dtype=t.float32)
            else:
                with pytest.raises(NotImplementedError):
                    layer.weight = t.tensor(given, dtype=t.float32)


def test_spectral_norm_is_one() -> None:
    for t in LIBRARIES:
        layer = t.nn.utils.parametrizations.spectral_norm(t.nn.Linear(20, 30), n_power_iterations=30)
        layer(t.ones(1, 20))
        assert np.linalg.svd(numpy(layer.weight), compute_uv=False)[0] == pytest.approx(1, abs=1e-3)
    bias = [t.nn.utils.parametrizations.spectral_norm(linear(t, 2, 3), "bias").bias for t in LIBRARIES]
    same(*bias)


REFUSED |= {
    "parametrize a name": lambda t: t.nn.utils.parametrize.register_parametrization(
        linear(t, 2, 2), "no", t.nn.Tanh()
    ),
    "parametrize by a function": lambda t: t.nn.utils.parametrize.register_parametrization(
        linear(t, 2, 2), "weight", t.tanh
    ),
    "parametrize to another shape": lambda t: t.nn.utils.parametrize.register_parametrization(
        linear(t, 2, 2), "weight", t.nn.Flatten(0)
    ),
    "parametrize again to another shape": lambda t: t.nn.utils.parametrize.register_parametrization(
        t.nn.utils.parametrize.register_parametrization(linear(t, 2, 2), "weight", t.nn.Tanh()),
        "weight", t.nn.Flatten(0),
    ),
    "assign without right_inverse": lambda t: setattr(
        t.nn.utils.parametrize.register_parametrization(linear(t, 2, 2), "weight", t.nn.Tanh()),
        "weight", t.ones(2, 2),
    ),
    "remove nothing": lambda t: t.nn.utils.parametrize.remove_parametrizations(linear(t, 2, 2), "weight"),
    "leave one of two": lambda t: t.nn.utils.parametrize.remove_parametrizations(
        t.nn.utils.parametrizations.weight_norm(linear(t, 2, 2)), "weight", leave_parametrized=False
    ),
    "weight_norm twice": lambda t: _old(t, "weight_norm", _old(t, "weight_norm", linear(t, 2, 2))),
    "weight_norm of nothing": lambda t: _old(t, "weight_norm", t.nn.ReLU()),
    "remove_weight_norm": lambda t: t.nn.utils.remove_weight_norm(linear(t, 2, 2)),
    "remove_spectral_norm": lambda t: t.nn.utils.remove_spectral_norm(linear(t, 2, 2)),
    "spectral_norm iterations": lambda t: t.nn.utils.parametrizations.spectral_norm(
        linear(t, 2, 2), n_power_iterations=0
    ),
    "orthogonal bias": lambda t: t.nn.utils.parametrizations.orthogonal(linear(t, 2, 2), "bias"),
    "orthogonal map": lambda t: t.nn.utils.parametrizations.orthogonal(linear(t, 2, 2), orthogonal_map="no"),
    "orthogonal name": lambda t: t.nn.utils.parametrizations.orthogonal(linear(t, 2, 2), "no"),
    "spectral_norm dim": lambda t: t.nn.utils.parametrizations.spectral_norm(linear(t, 2, 2), dim=2),
}  # fmt: skip


def _old(t: Any, name: str, layer: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return getattr(t.nn.utils, name)(layer)


# --- functional_call -------------------------------------------------------------------------------------


@scene
def functional_calls(t: Any) -> Any:
    model = tree(t).eval()
    model[2][0].bias = model[2][0].bias
    new = {"unknown": t.ones(1)} | {k: (v.detach() * 2).requires_grad_() for k, v in model.named_parameters()}
    x, before = numbers(t, 4, 2), seen(model.state_dict())
    out = t.func.functional_call(model, new, x)
    out.sum().backward()
    part = t.func.functional_call(model, ({"0.weight": new["0.weight"]}, {"1.running_mean": t.ones(3)}), (x,))
    assert outcome(lambda: t.func.functional_call(model, new, t.ones(1))) is not None
    equal(seen(model.state_dict()), before)
    word = t.func.functional_call(t.nn.Identity(), {}, kwargs={"input": 5})
    return (
        out,
        [new[k].grad for k, _ in model.named_parameters()],
        part,
        [p.grad for p in model.parameters()],
        word,
    )


@scene
def functional_calls_of_shared_weights(t: Any) -> Any:
    class Tied(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = self.b = t.nn.Parameter(t.ones(1))

        def forward(self, x: Any) -> Any:
            return x * self.a + self.b

    new = t.tensor([3.0])
    call = t.func.functional_call
    return (
        call(Tied(), {"a": new}, new),
        call(Tied(), {"a": new}, new, tie_weights=False),
        call(Tied(), {"a": new, "b": new}, (new,), strict=True),
    )


REFUSED |= {
    "functional_call unknown": lambda t: t.func.functional_call(
        t.nn.ReLU(), {"no": t.ones(1)}, t.ones(1, 1), strict=True
    ),
    "functional_call strict": lambda t: t.func.functional_call(
        linear(t, 1, 1), {"weight": t.ones(1, 1)}, t.ones(1, 1), strict=True
    ),
    "functional_call twice": lambda t: t.func.functional_call(
        linear(t, 1, 1), ({"bias": t.ones(1)}, {"bias": t.ones(1)}), t.ones(1, 1)
    ),
}  # fmt: skip


# --- all of them -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.usefixtures("quietly")
@pytest.mark.parametrize("name", SCENES)
def test_scene(name: str) -> None:
    equal(*(seen(SCENES[name](t)) for t in LIBRARIES))


@pytest.mark.usefixtures("quietly")
@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    wanted, mine = (outcome(lambda t=t: REFUSED[name](t)) for t in (torch, tg))
    assert isinstance(wanted, Exception), wanted
    usual = (AttributeError, IndexError, KeyError, NotImplementedError)  # Python's own, as PyTorch
    assert refused_here(mine) or (isinstance(mine, type(wanted)) and isinstance(mine, usual)), repr(mine)


COVERED = {
    "nn": {
        *LAZY, "Buffer", "DataParallel", "ParameterDict", "ParameterList", "UninitializedBuffer",
        "UninitializedParameter",
    },
    "nn.init": {"dirac_", "eye_", "sparse_"},
    "nn.utils": {
        "clip_grad_value_", "clip_grads_with_norm_", "fuse_conv_bn_eval", "fuse_conv_bn_weights",
        "fuse_linear_bn_eval", "fuse_linear_bn_weights", "get_total_norm", "parameters_to_vector",
        "remove_spectral_norm", "remove_weight_norm", "spectral_norm", "vector_to_parameters", "weight_norm",
    },
    "nn.utils.parametrize": {
        "ParametrizationList", "cached", "is_parametrized", "register_parametrization",
        "remove_parametrizations",
        "type_before_parametrizations",
    },
    "nn.utils.parametrizations": {"orthogonal", "spectral_norm", "weight_norm"},
    "nn.utils.stateless": {"functional_call"},
    "nn.parameter": {"Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"},
    "func": {"functional_call"},
}  # fmt: skip

"""What is wrong with a training that does not learn: a few steps on a copy, and a table of symptoms."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError
from ..nn import Module
from ..tape import Node, walk
from ..tensor import Tensor
from .loop import dice, set_dice, unpacked

__all__ = ["Diagnosis", "Finding", "diagnose"]


class Finding(NamedTuple):
    """One symptom.

    Attributes:
        symptom: its name.
        what: what was seen, and what usually helps.
    """

    symptom: str
    what: str


class Diagnosis(list[Finding]):
    """The findings, in the order in which to look at them; empty if all looks well."""

    def __repr__(self) -> str:
        return "\n".join(f"- {name}: {what}" for name, what in self) or "nothing found"


def diagnose(
    model: Module, loss_fn: Callable[..., Tensor], batch: Any, optimizer: Any = None, *, steps: int = 5,
    train_step: Callable[[Module, Any, Any], Any] | None = None,
) -> Diagnosis:  # fmt: skip
    """Look for the usual reasons why a model does not learn; the model itself is not touched.

    A copy is trained for some steps on the one batch, and the tape of the first is read: softmax before
    cross_entropy, dead relus, parameters without a gradient or unknown to the optimizer, inputs and labels of
    an unusual range, steps too large or too small, gradients that explode or vanish.

    Args:
        model, loss_fn, optimizer: as for `fit`; without an optimizer no step is taken.
        batch: (inputs, targets), as a DataLoader gives it.
        steps: how many.
        train_step: your own step, `train_step(model, optimizer, batch)`; it is run three times on copies, to
            see whether it calls zero_grad, backward and step.

    Raises:
        ArgumentError: steps below 1, a train_step without an optimizer.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import nn
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Softmax(1))
    >>> batch = tg.randn(8, 1, 2, 2), tg.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    >>> diagnose(model, nn.CrossEntropyLoss(), batch)
    - softmax twice: cross_entropy takes logits, and got the result of softmax; leave that layer out
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ArgumentError(f"diagnose: steps is {steps!r}; it must be an integer of at least 1")
    if train_step is not None and optimizer is None:
        raise ArgumentError("diagnose: a train_step needs an optimizer; pass the one that it uses")
    more = [] if optimizer is None else list(_strangers(model, optimizer))
    before = dice()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what losses warn of is among the findings
            if train_step is not None:
                more += _own_step(*copy.deepcopy((model, optimizer)), batch, train_step)
            model, optimizer = copy.deepcopy((model, optimizer))
            seen = _observe(model, loss_fn, *unpacked(batch), optimizer, steps)
    finally:
        set_dice(before)
    return Diagnosis([*(f for look in _SYMPTOMS for f in look(seen)), *more])


@dataclass
class _Seen:
    """What the steps showed."""

    model: Module
    inputs: list[Any]
    targets: Any
    nodes: list[Node]  # of the first step, latest first
    saved: dict[Node, tuple[Any, ...]]
    losses: list[float] = field(default_factory=list)
    gradients: dict[str, Any] = field(default_factory=dict)  # of the first step
    change: float = 0.0  # of the parameters in the first step, relative to them


def _observe(
    model: Module, loss_fn: Callable[..., Tensor], inputs: list[Any], targets: Any, optimizer: Any, steps: int
) -> _Seen:
    loss = loss_fn(model(*inputs), targets)
    nodes = list(walk(loss.node)) if loss.node is not None else []
    saved = {node: node.saved for node in nodes if type(node.saved) is tuple}
    seen = _Seen(model, inputs, targets, nodes, saved)
    parameters = [p for p in model.parameters() if p.requires_grad]
    for step in range(steps if optimizer is not None else 1):
        if step:
            loss = loss_fn(model(*inputs), targets)
        seen.losses.append(loss.item())
        for p in model.parameters():
            p.grad = None
        if loss.node is not None:
            loss.backward()
        if not step:
            named = ((name, p) for name, p in model.named_parameters() if p.requires_grad)
            seen.gradients = {name: None if p.grad is None else p.grad.array for name, p in named}
        if optimizer is not None:
            old = [p.array.copy() for p in parameters]
            optimizer.step()
            if not step:
                moved = [float(np.linalg.norm(p.array - a)) for p, a in zip(parameters, old, strict=True)]
                size = math.sqrt(sum(float(np.linalg.norm(a)) ** 2 for a in old))
                seen.change = math.hypot(*moved) / size if size else 0.0
    if optimizer is not None:
        seen.losses.append(loss_fn(model(*inputs), targets).item())
    return seen


# --- the table: each row looks at what was seen, and says what it finds ------------------------------------


def _mode(seen: _Seen) -> Iterator[Finding]:
    if not seen.model.training:
        yield Finding(
            "evaluation mode",
            "the model is in eval(): dropout and batch norm rest; use model.train()",
        )


def _inputs(seen: _Seen) -> Iterator[Finding]:
    for x in seen.inputs:
        if not isinstance(x, Tensor) or x.dtype.kind != "f" or not x.numel():
            continue
        a = x.array
        if not np.isfinite(a).all():
            yield Finding("bad inputs", "the inputs hold NaN or Inf; leave these items out, or nan_to_num()")
        elif a.min() >= 0 and a.max() > 10:
            yield Finding(
                "raw pixels",
                f"the inputs run from {a.min():g} to {a.max():g}; divide by 255, as ToTensor() does",
            )
        elif a.std() and (abs(a.mean()) > 5 * a.std() or a.std() > 10):
            yield Finding(
                "inputs not normalized",
                f"mean {a.mean():.3g}, deviation {a.std():.3g}; subtract the one, divide by the other",
            )


def _labels(seen: _Seen) -> Iterator[Finding]:
    labels = seen.targets
    if isinstance(labels, Tensor) and labels.dtype.kind in "iu" and labels.numel() > 3:
        found = np.unique(labels.array)
        if len(found) == 1:
            yield Finding("one class", f"all labels are {found[0]}; the data is sorted: use shuffle=True")
    binary = any(node.op and node.op.name in ("softplus", "binary_cross_entropy") for node in seen.nodes[:9])
    if binary and isinstance(labels, Tensor) and labels.numel():
        low, high = labels.array.min(), labels.array.max()
        if low < 0 or high > 1:
            yield Finding(
                "targets out of range",
                f"binary cross entropy takes targets from 0 to 1, these run from {low:g} to {high:g}; divide "
                "by 255, or compare: (target > 0).float()",
            )


def _twice(seen: _Seen) -> Iterator[Finding]:
    """What stands before the loss: `log_softmax` is that of cross_entropy, `softplus` that of BCE."""
    for node in seen.nodes:
        before = node.parents[0].op if node.parents and node.parents[0] is not None else None
        if node.op is None or before is None or node.op.name not in ("log_softmax", "softplus"):
            continue
        name = "cross_entropy" if node.op.name == "log_softmax" else "binary_cross_entropy_with_logits"
        first = node.parents[0]
        while first is not None and first.op is not None and first.op.name in ("neg", "abs", "reshape"):
            first = first.parents[0]
        kind = first.op.name if first is not None and first.op is not None else ""
        if kind in ("softmax", "sigmoid"):
            yield Finding(
                f"{kind} twice", f"{name} takes logits, and got the result of {kind}; leave that layer out"
            )
            return
        if kind == "relu":
            yield Finding(
                "relu at the end", f"{name} takes logits of any sign, and got a relu's; leave it out"
            )
            return


def _dead(seen: _Seen) -> Iterator[Finding]:
    for node in reversed(seen.nodes):
        if node.op is None or node.op.name != "relu" or node not in seen.saved or len(node.shape) < 2:
            continue
        (out,) = seen.saved[node]
        units = (out > 0).any(tuple(i for i in range(out.ndim) if i != 1))
        share = 1 - units.mean() if units.size else 0.0
        if share > 0.5 and len(out) > 3:
            where = "a relu" if node.scope is None else str(node.scope)
            yield Finding(
                "dead relus",
                f"{share:.0%} of the units of {where} are 0 for the whole batch; use a smaller lr, "
                "leaky_relu, or another init",
            )


def _unused(seen: _Seen) -> Iterator[Finding]:
    unused = [name for name, g in seen.gradients.items() if g is None]
    if unused:
        yield Finding(
            "no gradient",
            f"the loss does not reach {_list(unused)}; does forward use them? is there a detach()?",
        )
    still = [name for name, g in seen.gradients.items() if g is not None and not g.any()]
    if still:
        yield Finding(
            "zero gradient",
            f"nothing but zeros reach {_list(still)}; look for dead relus and saturated units",
        )


def _size(seen: _Seen) -> Iterator[Finding]:
    norms = {n: float(np.linalg.norm(g)) for n, g in seen.gradients.items() if g is not None and g.any()}
    bad = [name for name, norm in norms.items() if not math.isfinite(norm)]
    if bad:
        yield Finding(
            "NaN", f"the gradients of {_list(bad)} are not finite; run the step in autograd.detect_anomaly()"
        )
        return
    if norms and math.hypot(*norms.values()) > 1e3:
        most = max(norms, key=lambda name: norms[name])
        yield Finding(
            "exploding gradients",
            f"their norm is {math.hypot(*norms.values()):.3g}, most of it in {most}; normalize inputs and "
            "targets, or use clip_grad_norm_",
        )
    weights = [(name, norm) for name, norm in norms.items() if name.endswith("weight")]
    if len(weights) > 1 and weights[0][1] < 1e-5 * max(norm for _, norm in weights):
        yield Finding(
            "vanishing gradients",
            f"{weights[0][0]} gets {weights[0][1]:.2g}, a later layer {max(n for _, n in weights):.2g}; use "
            "relu, batch norm or skip connections",
        )


def _steps(seen: _Seen) -> Iterator[Finding]:
    first, last = seen.losses[0], seen.losses[-1]
    if len(seen.losses) == 1 or not math.isfinite(first):
        return
    if not last <= 1.5 * first + 1e-3:
        yield Finding(
            "learning rate too large",
            f"in {len(seen.losses) - 1} steps on one batch the loss went from {first:.4g} to {last:.4g}; use "
            "a tenth of the lr, or find_lr",
        )
    elif seen.change < 1e-6 and any(g is not None and g.any() for g in seen.gradients.values()):
        yield Finding(
            "steps too small", f"a step moves the parameters by {seen.change:.1g} of their size; raise the lr"
        )


_SYMPTOMS = (_mode, _inputs, _labels, _twice, _dead, _unused, _size, _steps)


def _strangers(model: Module, optimizer: Any) -> Iterator[Finding]:
    """Parameters that only one of the two knows."""
    known = {id(p) for group in optimizer.param_groups for p in group["params"]}
    own = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    if missing := [name for i, name in own.items() if i not in known]:
        yield Finding(
            "not in the optimizer",
            f"it does not know {_list(missing)}; make it of all parameters",
        )
    if known and not known & own.keys():
        yield Finding("optimizer of another model", "no parameter of this model is in it; make it anew")


def _own_step(
    model: Module, optimizer: Any, batch: Any, train_step: Callable[[Module, Any, Any], Any]
) -> Iterator[Finding]:
    """Run a user's own step, and compare `.grad` at each update with what has arrived since the last."""
    watched = next((p for group in optimizer.param_groups for p in group["params"]), None)
    if watched is None:
        return
    watched.grad = None
    arrived: list[np.ndarray] = []
    updates: list[bool] = []  # at each: whether there was more than had arrived

    def update(*_: Any) -> None:
        if watched.grad is not None:
            updates.append(bool(arrived) and not np.allclose(watched.grad.array, sum(arrived), 1e-4, 1e-7))
        arrived.clear()

    backwards = 0

    def arrive(g: Tensor) -> None:
        nonlocal backwards
        backwards += 1
        arrived.append(g.array.copy())

    with watched.register_hook(arrive), optimizer.register_step_pre_hook(update):
        for _ in range(3):
            train_step(model, optimizer, batch)
    if not backwards:
        yield Finding("no backward", "no gradient arrived in three of your steps; call loss.backward()")
    elif not updates:
        yield Finding("no step", "three of your steps changed no parameter; call optimizer.step()")
    elif any(updates):
        yield Finding(
            "no zero_grad",
            "gradients of earlier steps are still in .grad, and add up; call zero_grad() in each step",
        )


def _list(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")

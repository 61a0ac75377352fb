"""One run of a model, read off its tape as rows: one for each call of a module, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from .. import engine
from ..nn import Module
from ..op import Op, Plan, is_tensor
from ..tape import Node, Scope, next_seq, state, walk
from ..tensor import Tensor
from .forward import details, op_title
from .measures import Cost, Field, cost, fields
from .watching import WatchedNode

__all__ = ["Run", "SummaryRow"]


@dataclass(frozen=True)
class SummaryRow:
    """One call of a module, or one function with connections of its own.

    Attributes:
        name: how the calling module calls it.
        kind: its class; "" for a function.
        depth: how many modules are around it.
        input_shape, output_shape: of the first tensor; None if there is none.
        kernel: the window and its options, such as "5×5 · padding 2".
        params: parameters, those of its parts with them; each counts where it is used first.
        trainable: those of them that ask for a gradient.
        shared: whether the module has parameters, and was called before.
        mult_adds: multiply-adds, for the whole batch.
        connections: for one example.
        dense_params: what dense layers in the place of its convolutions would need; 0 without any.
        receptive_field, jump: in pixels of the input, one number for each axis; None where there is no image.
        kept: bytes that are kept for backward, parameters aside; an array counts where it is kept first.
        forward_ms, backward_ms: measured; None without `time=True`.
    """

    name: str
    kind: str
    depth: int
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    kernel: str
    params: int
    trainable: int
    shared: bool
    mult_adds: int
    connections: int
    dense_params: int
    receptive_field: tuple[float, ...] | None
    jump: tuple[float, ...] | None
    kept: int
    forward_ms: float | None
    backward_ms: float | None

    @property
    def title(self) -> str:
        """Such as "conv1: Conv2d"."""
        return f"{self.name}: {self.kind}" if self.kind not in ("", self.name) else self.name


class _Call:
    """One call of a module while it runs."""

    def __init__(self, module: Module, scope: Scope, depth: int, given: Any):
        self.module, self.scope, self.depth = module, scope, depth
        self.at = next_seq()  # between the nodes before it and those in it
        self.given = next(_tensors(given), None)
        self.out: list[Tensor] = []
        self.calls: list[_Call] = []
        self.nodes: list[Node] = []


@dataclass
class _Sum:
    """What nodes, and the calls below, come to."""

    cost: Cost = field(default_factory=Cost)
    kept: int = 0
    seconds: float = 0.0
    rule_seconds: float = 0.0
    params: int = 0
    trainable: int = 0

    def add(self, other: _Sum) -> None:
        self.cost += other.cost
        self.kept += other.kept
        self.seconds += other.seconds
        self.rule_seconds += other.rule_seconds
        self.params += other.params
        self.trainable += other.trainable


class Run:
    """One run of a model, and the rows read off its tape."""

    def __init__(self, model: Module, time: bool):
        self.model, self.time = model, time
        self.calls: dict[Scope, _Call] = {}
        self.order: list[_Call] = []

    def rows(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[SummaryRow]:
        # Inputs are on the tape too, so that all that is made of them is; what is kept is counted as if
        # they were not.
        self.given: dict[Node, bool] = {}
        args, kwargs = self._taped(args), self._taped(kwargs)
        self._call(args, kwargs)
        roots = [t.node for call in self.order for t in call.out if t.node is not None]
        self.tape = list(walk(*roots))[::-1]
        for node in self.tape:
            if node.op is not None and (call := self._call_of(node)) is not None:
                call.nodes.append(node)
        images = [node for node in self.tape if node.parents and node.parents[0] in self.given]
        self.fields = fields(self.tape, [n for n in images if cast(Op, n.op).name == "clone"])
        if self.time:
            self._pull_back()
        self._count_kept()
        self._count_parameters()
        found: list[SummaryRow] = []
        self._add(self.order[0], found)
        return found

    def unreached(self) -> tuple[tuple[str, int], ...]:
        """(name, size) of the parameters that ask for a gradient and get none from the outputs."""
        reached = set(walk(*(t.node for t in self.order[0].out if t.node is not None)))
        asking = ((name, p) for name, p in self.model.named_parameters() if p.requires_grad)
        return tuple((name, p.numel()) for name, p in asking if p.node not in reached)

    def _taped(self, x: Any) -> Any:
        if isinstance(x, dict):
            return {name: self._taped(value) for name, value in x.items()}
        if isinstance(x, (tuple, list)):
            return getattr(x, "_make", type(x))(map(self._taped, x))
        if not is_tensor(x) or x.dtype.kind != "f":
            return x
        leaf = x.detach().requires_grad_()
        self.given[cast(Node, leaf.node)] = x.requires_grad
        return leaf.clone()  # which the model may change in place

    def _call(self, args: Any, kwargs: Any) -> None:
        handles = []
        for module in self.model.modules():
            handles.append(module.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True))
            handles.append(module.register_forward_hook(self._leave))
        try:
            self.model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
            for module in self.model.modules():
                if not module._hooks:
                    vars(module).pop("_hooks", None)

    def _enter(self, module: Module, args: Any, kwargs: Any) -> None:
        scope = cast(Scope, state.scope)
        around = self.calls.get(cast(Scope, scope.parent))
        call = _Call(module, scope, 0 if around is None else around.depth + 1, (args, kwargs))
        self.calls[scope] = call
        self.order.append(call)
        if around is not None:
            around.calls.append(call)

    def _leave(self, module: Module, args: Any, out: Any) -> None:
        self.calls[cast(Scope, state.scope)].out = list(_tensors(out))

    def _call_of(self, node: Node) -> _Call | None:
        scope = node.scope
        while scope is not None and scope not in self.calls:
            scope = scope.parent
        return None if scope is None else self.calls[scope]

    def _pull_back(self) -> None:
        """Backward, to what a training would go to; no .grad is touched."""
        goals = {node for node in self.tape if node.op is None and self.given.get(node, True)}
        outputs = [t for t in self.order[0].out if t.node is not None]
        if goals and outputs:
            engine.gradients_at([t.sum() for t in outputs], goals)

    def _count_kept(self) -> None:
        """What each node keeps where only parameters ask for gradients, or inputs that did."""
        known = {id(_base(t.array)) for t in (*self.model.parameters(), *self.model.buffers())}
        needed: set[Node] = set()
        self.kept: dict[Node, int] = {}
        for node in self.tape:
            if node.op is None:
                if self.given.get(node, True):
                    needed.add(node)
                continue
            needs = [parent in needed for parent in node.parents]
            if not any(needs) or type(node.saved) is not tuple:
                continue
            needed.add(node)
            values = dict(zip(node.plan.save, node.saved, strict=True))
            arrays = [values[index] for index in Plan(node.op, needs).save]
            self.kept[node] = 0
            for array in (*arrays, *node.attrs.values()):
                if isinstance(array, np.ndarray) and id(_base(array)) not in known:
                    known.add(id(_base(array)))
                    self.kept[node] += array.nbytes

    def _count_parameters(self) -> None:
        """Each parameter belongs to the first call of the innermost module that is called and holds it."""
        called = {id(call.module) for call in self.order}
        counted: set[int] = set()
        self.again: set[_Call] = set()
        self.params: dict[_Call, list[Any]] = {}
        first: set[int] = set()
        for call in self.order:
            mine: list[Any] = []
            if id(call.module) in first:
                self.again.add(call)
            else:
                first.add(id(call.module))
                stack = [call.module]
                while stack:
                    module = stack.pop()
                    mine += [p for _, p in module._own_parameters() if id(p) not in counted]
                    counted.update(map(id, mine))
                    stack += [part for part in module.children() if id(part) not in called]
            self.params[call] = mine

    # --- rows ------------------------------------------------------------------------------------------

    def _add(self, call: _Call, found: list[SummaryRow]) -> _Sum:
        """The rows of a call and all in it; what they come to."""
        at = len(found)
        found.append(cast(Any, None))  # its place
        total = _Sum()
        for parameter in self.params[call]:
            total.params += parameter.numel()
            total.trainable += parameter.numel() * parameter.requires_grad
        parts: list[tuple[int, _Call | Node]] = [(part.at, part) for part in call.calls]
        parts += [(node.seq, node) for node in call.nodes]
        shown: dict[Node, int] = {}
        for _, part in sorted(parts, key=lambda each: each[0]):
            if isinstance(part, _Call):
                total.add(self._add(part, found))
                continue
            total.add(self._of(part))
            if call.calls:
                self._add_function(part, call.depth + 1, shown, found)
        again = call in self.again and next(call.module.parameters(), None) is not None
        if again:
            total.cost = Cost(
                total.cost.mult_adds, total.cost.connections
            )  # as dense, it would be shared too
        own = [node for node in call.nodes if "geom" in node.attrs]
        kernel = details(own[0]) if len(own) == 1 and not call.calls else ""
        name, given, out = call.scope.name, call.given, call.out[0] if call.out else None
        shapes = None if given is None else given.shape, None if out is None else out.shape
        node = None if out is None else out.node
        found[at] = self._row(name, call.scope.kind, call.depth, shapes, node, kernel, again, total)
        return total

    def _add_function(self, node: Node, depth: int, shown: dict[Node, int], found: list[SummaryRow]) -> None:
        """A row for a function with connections that no module is called for; a bias joins its product."""
        total = self._of(node)
        if not total.cost.connections:
            return
        parent = node.parents[0]
        shapes = None if parent is None else parent.shape, node.shape
        if parent in shown and cast(Op, node.op).name == "add_bias":
            before = found[shown[parent]]
            found[shown[parent]] = replace(
                before,
                connections=before.connections + total.cost.connections,
                dense_params=before.dense_params + total.cost.dense_params,
            )
            return
        shown[node] = len(found)
        found.append(self._row(op_title(node), "", depth, shapes, node, details(node), False, total))

    def _of(self, node: Node) -> _Sum:
        watched = node if isinstance(node, WatchedNode) else None
        seconds = (watched.seconds, watched.rule_seconds) if watched else (0.0, 0.0)
        return _Sum(cost(node), self.kept.get(node, 0), *seconds)

    def _row(
        self, name: str, kind: str, depth: int, shapes: tuple[Any, Any], node: Node | None, kernel: str,
        again: bool, total: _Sum,
    ) -> SummaryRow:  # fmt: skip
        seen: Field | None = None if node is None else self.fields.get(node)
        if seen is not None and not seen.fits(shapes[1]):
            seen = None
        return SummaryRow(
            name, kind, depth, *shapes, kernel, total.params, total.trainable, again,
            total.cost.mult_adds, total.cost.connections, total.cost.dense_params,
            None if seen is None else tuple(map(_plain, seen.reach)),
            None if seen is None else tuple(map(_plain, seen.jump)),
            total.kept,
            total.seconds * 1e3 if self.time else None, total.rule_seconds * 1e3 if self.time else None,
        )  # fmt: skip


def _tensors(x: Any) -> Iterator[Tensor]:
    """All tensors in tuples, lists and dicts."""
    if is_tensor(x):
        yield x
    elif isinstance(x, Mapping):
        for value in x.values():
            yield from _tensors(value)
    elif isinstance(x, (tuple, list)):
        for value in x:
            yield from _tensors(value)


def _base(array: np.ndarray) -> Any:
    return array if array.base is None else array.base


def _plain(number: Any) -> float:
    return int(number) if number.denominator == 1 else float(number)

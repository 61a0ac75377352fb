"""The forward pass, read off the tape as a picture."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..errors import DtypeError, GraphError
from ..geometry import Windows
from ..op import Op, is_tensor
from ..tape import Node, Scope, walk
from ..tensor import Parameter
from .picture import Arrow, Box, Item, Picture, dims, flow
from .watching import WatchedNode

__all__ = [
    "Reader", "checked", "details", "family_of", "input_name", "kept", "op_title", "saved", "story",
]  # fmt: skip

_SPATIAL = {
    "conv": "conv{}d",
    "conv_input_grad": "conv_transpose{}d",
    "conv_weight_grad": "conv{}d_weight_grad",
    "max_pool": "max_pool{}d",
}
_SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "**"}


def checked(tensors: Any, names: Mapping[str, Any]) -> list[Any]:
    """The outputs as a list, if they can be drawn.

    Raises:
        DtypeError: something that is no Tensor.
        GraphError: a tensor that was not recorded.
    """
    outputs = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for what, tensor in (*enumerate(outputs), *names.items()):
        if not is_tensor(tensor):
            what = f"output {what}" if isinstance(what, int) else f"names[{what!r}]"
            raise DtypeError(f"graph: {what} is a {type(tensor).__name__}; it must be a Tensor")
    for i, tensor in enumerate(outputs):
        if tensor.node is None:
            raise GraphError(
                f"graph: output {i} {tensor.shape} was not recorded, so there is nothing to draw; compute it "
                "from something that requires grad, outside of no_grad()"
            )
    return outputs


@dataclass
class _Source:
    """Data that no op on the tape made: a parameter, a buffer, an input."""

    name: str  # unless somebody knows a better one
    shape: tuple[int, ...] | None
    dtype: Any
    array: Any  # None if it is gone
    learned: bool
    home: Scope | None  # where to draw it: the innermost module call around all uses
    user: Scope | None  # that used it first
    leaf: Node | None = None
    item: Item | None = None  # once it is drawn


class Reader:
    """Reads one tape into one picture.

    Attributes:
        items: the item of each op's node, and of each leaf's.
    """

    def __init__(self, module: Any, names: Mapping[str, Any]):
        self.module = module
        self.results = {x.node: name for name, x in names.items() if x.node is not None}
        self.arrays = {id(x.array): name for name, x in names.items()}
        self.members: dict[int, tuple[Any, dict[int, str]]] = {}
        self.sources: dict[Hashable, _Source] = {}
        self.page = Box("graph", "", "", -1, None)
        self.boxes: dict[Scope | None, Box] = {None: self.page}
        self.items: dict[Node, Item] = {}
        self.arrows: list[Arrow] = []

    def read(self, outputs: list[Any]) -> Picture:
        """What led to the outputs."""
        roots = list(dict.fromkeys(tensor.node for tensor in outputs))
        nodes = [node for node in walk(*roots) if node.op is not None]
        nodes.reverse()
        for node in nodes:
            for index in range(len(node.parents)):
                self._find_source(node, index)
        for node in nodes:
            self._draw_op(node, node in roots)
        for i, root in enumerate(roots):
            if root not in self.items:  # a leaf, drawn alone
                self._item_of(self._leaf(root, "parameter", None))
            name = self.results.get(root) or ("output" if len(roots) == 1 else f"output {i}")
            what = flow(root.shape, root.dtype)
            end = Item("output", name, dims(root.shape), f"{name}: {what}", self.page, "", root, root.shape)
            head = self._put(end)
            self.arrows.append(Arrow(self.items[root], head, root.shape, root.dtype, what))
        return Picture(self.page, self.arrows)

    def tail(self, node: Node, index: int) -> Item | None:
        """The item that an input of a node comes from; None for a number, or what nobody knows."""
        parent = node.parents[index]
        if parent is not None and parent.op is not None:
            return self.items[parent]
        source = self.sources.get(self._key(node, index))
        return None if source is None else self._item_of(source)

    def _put(self, item: Item) -> Item:
        item.box.content.append(item)
        return item

    # --- data from outside -------------------------------------------------------------------------

    def _find_source(self, node: Node, index: int) -> None:
        """Note who uses an input that no op made."""
        key = self._key(node, index)
        if key is None:
            return
        source = self.sources.get(key)
        if source is None:
            parent = node.parents[index]
            name = input_name(node, index)
            source = self._constant(node, index) if parent is None else self._leaf(parent, name, node.scope)
            self.sources[key] = source
        else:
            source.home = _common(source.home, node.scope)

    def _key(self, node: Node, index: int) -> Hashable:
        """What tells sources apart; None if this input is an op's result, a number, or nobody knows."""
        parent = node.parents[index]
        if parent is not None:
            return parent if parent.op is None else None
        array = _array(node, index)
        if isinstance(array, np.ndarray) and array.ndim:
            return id(array)
        # Elementwise ops take numbers as well; what is no longer there was an array in all others.
        unknown = array is None and not cast(Op, node.op).elementwise and not _left_out(node, index)
        return (node, index) if unknown else None

    def _leaf(self, leaf: Node, name: str, user: Scope | None) -> _Source:
        tensor = None if leaf.sink is None else leaf.sink()
        learned = tensor is None or isinstance(tensor, Parameter)  # what has died was a dead model's
        array = None if tensor is None else tensor.array
        if learned:
            return _Source(name, leaf.shape, leaf.dtype, array, True, user, user, leaf)
        return _Source("input", leaf.shape, leaf.dtype, array, False, leaf.scope, user, leaf)

    def _constant(self, node: Node, index: int) -> _Source:
        """An input that needs no gradient: it is not on the tape, but the rules may have saved it."""
        op, name, array = cast(Op, node.op), input_name(node, index), _array(node, index)
        shape = node.attrs.get(f"{name}_shape")
        if array is not None:
            shape = array.shape
        elif index == 0 and op.name == "conv":
            geom = node.attrs["geom"]
            shape = (node.shape[0], geom.in_channels, *geom.size)
        dtype = node.dtype if array is None else array.dtype
        if self._member(array, node.scope):
            return _Source(name, shape, dtype, array, True, node.scope, node.scope)  # frozen, or a buffer
        if id(array) in self.arrays or (index == 0 and not op.elementwise):
            return _Source("input", shape, dtype, array, False, None, node.scope)
        kind = "constant" if op.elementwise else name
        return _Source(kind, shape, dtype, array, False, node.scope, node.scope)

    def _member(self, array: Any, scope: Scope | None) -> str | None:
        """The name of a parameter or buffer in the innermost module here that has it."""
        if array is None:
            return None
        while scope is not None:
            if name := self._names_in(scope.module()).get(id(array)):
                return name
            scope = scope.parent
        return self._names_in(self.module).get(id(array))

    def _names_in(self, module: Any) -> dict[int, str]:
        if module is None:
            return {}
        if id(module) not in self.members:
            found: dict[int, str] = {}
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                found.setdefault(id(tensor.array), name)
            self.members[id(module)] = module, found  # the module as well: its id stays its own
        return self.members[id(module)][1]

    def _name(self, source: _Source) -> str:
        """The user's, or the module's that it is drawn in, or else that of the outermost one that used it."""
        name = self.arrays.get(id(source.array)) or self._member(source.array, source.home)
        if name is None and source.learned:
            outermost = source.user
            while outermost is not None and outermost.parent is not None:
                outermost = outermost.parent
            name = self._member(source.array, outermost)
        return name or source.name

    def _item_of(self, source: _Source) -> Item:
        """The source's item, drawn when it is first asked for."""
        if source.item is None:
            name = self._name(source)
            small = "" if source.shape is None else dims(source.shape)
            if source.learned and source.shape and len(source.shape) > 1:
                small += f" · {math.prod(source.shape):,}"
            kind, box = "parameter" if source.learned else "data", self._box(source.home)
            story = f"{name}: {flow(source.shape, source.dtype)}"
            source.item = self._put(Item(kind, name, small, story, box, node=source.leaf, shape=source.shape))
            if source.leaf is not None:
                self.items[source.leaf] = source.item
        return source.item

    # --- boxes and ops -----------------------------------------------------------------------------

    def _box(self, scope: Scope | None) -> Box:
        """The box of a module call, made when first asked for, with those around it."""
        missing = []
        while scope not in self.boxes:
            missing.append(scope)
            scope = cast(Scope, scope).parent
        box = self.boxes[scope]
        for scope in reversed(cast("list[Scope]", missing)):
            path = f"{box.path}.{scope.name}".lstrip(".")
            inner = Box(scope.name, scope.kind, path, box.level + 1, box)
            self.boxes[scope] = inner
            box.content.append(inner)
            box = inner
        return box

    def _draw_op(self, node: Node, is_output: bool) -> None:
        tails: list[tuple[Item, str, tuple[int, ...] | None, Any]] = []
        shown = set()
        for index, parent in enumerate(node.parents):
            if parent is not None and parent.op is not None:
                label = "" if parent.shape in shown else dims(parent.shape)
                if cast(Op, node.op).elementwise:
                    shown.add(parent.shape)  # once is enough
                tails.append((self.items[parent], label, parent.shape, parent.dtype))
            elif source := self.sources.get(self._key(node, index)):
                tails.append((self._item_of(source), "", source.shape, source.dtype))
        title = op_title(node)
        if node in self.results and not is_output:
            title = f"{self.results[node]}: {title}"
        box, family = self._box(node.scope), family_of(cast(Op, node.op))
        item = Item("op", title, details(node), story(node), box, family, node, node.shape)
        self.items[node] = self._put(item)
        for tail, label, shape, dtype in tails:
            says = tail.story if tail.kind in ("parameter", "data") else flow(shape, dtype)
            self.arrows.append(Arrow(tail, item, shape, dtype, says, label))


# --- what to say about one op ----------------------------------------------------------------------


def family_of(op: Op) -> str:
    """The file of ops/ that it comes from; "" for a user's own."""
    package, _, family = op.__module__.rpartition(".")
    return family if package == f"{__name__.partition('.')[0]}.ops" else ""


def op_title(node: Node) -> str:
    """An op's name as people know it; arithmetic as its symbol."""
    op = cast(Op, node.op)
    geom = node.attrs.get("geom")
    if op.name in _SPATIAL and isinstance(geom, Windows):
        return _SPATIAL[op.name].format(len(geom.size))
    symbol = _SYMBOLS.get(op.name)
    if symbol is None:
        return op.name
    left, right = (_number(node, index) for index in (0, 1))
    return " ".join(part for part in (left, symbol, right) if part)


def _number(node: Node, index: int) -> str:
    """A number that stands beside an operator."""
    if node.parents[index] is not None:
        return ""
    value = saved(node, index)
    if value is None:
        return "const"  # not needed by any rule, so not kept
    return "" if np.ndim(value) else f"{float(value):g}"


def details(node: Node) -> str:
    """The attributes worth seeing, in small print."""
    op, geom = cast(Op, node.op), node.attrs.get("geom")
    if isinstance(geom, Windows):
        parts = ["×".join(map(str, geom.kernel))]
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
        parts += [
            f"{name} {value}"
            for name, default in usual.items()
            if (value := _compact(getattr(geom, name, default))) != str(default)
        ]
    else:
        parts = [
            f"{name} {_compact(value)}"
            for name, value in node.attrs.items()
            if name in op.attrs and name not in ("shape", "axis")  # the edges tell
            if (isinstance(value, (bool, int, float, str)) or _is_ints(value))
            and value != op.defaults.get(name)
        ]
    return " · ".join(parts)


def _compact(value: Any) -> str:
    """2 for (2, 2) and ((2, 2), (2, 2)); True, 0.01 and (1, 2) as they are."""
    while isinstance(value, tuple) and value and all(part == value[0] for part in value):
        value = value[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_ints(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) < 6 and all(isinstance(part, int) for part in value)


def story(node: Node) -> str:
    """What the op does, what it gave, what it keeps for backward."""
    op = cast(Op, node.op)
    about = (op.__doc__ or "").strip().partition("\n")[0]
    lines = [f"{op.name}: {about}" if about else op.name, f"result {flow(node.shape, node.dtype)}"]
    if type(node.saved) is not tuple:
        lines.append("what it kept for backward has been released")
    elif node.plan is not None:
        texts = [
            f"{name} {flow(value.shape, value.dtype)}, {value.nbytes:,} bytes"
            for name, value in kept(node).items()
        ]
        lines.append("keeps for backward: " + ("; ".join(texts) or "nothing"))
    return "\n".join(lines)


def kept(node: Node) -> dict[str, np.ndarray]:
    """The arrays that a node keeps for its rules, by name."""
    if type(node.saved) is not tuple or node.plan is None:
        return {}
    pairs = [
        (input_name(node, index) if index < len(node.parents) else "out", value)
        for index, value in zip(node.plan.save, node.saved, strict=True)
    ]
    return {name: value for name, value in (*pairs, *node.attrs.items()) if isinstance(value, np.ndarray)}


def saved(node: Node, index: int) -> Any:
    """The value of an input, if a rule asked to keep it and it has not been released; of a run that was
    watched, any number."""
    if isinstance(node, WatchedNode) and index < len(node.numbers) and node.numbers[index] is not None:
        return node.numbers[index]
    if type(node.saved) is not tuple or node.plan is None or index not in node.plan.save:
        return None
    return node.saved[node.plan.save.index(index)]


def _array(node: Node, index: int) -> Any:
    """The value of an input, if anybody knows: what is saved, or a bias that is frozen."""
    value = saved(node, index)
    return _bias(node) if value is None and input_name(node, index) == "b" else value


def _bias(node: Node) -> Any:
    """Of the module that called; None if it has none."""
    bias = getattr(None if node.scope is None else node.scope.module(), "bias", None)
    return bias.array if is_tensor(bias) else None


def _left_out(node: Node, index: int) -> bool:
    """Whether an input that nobody knows was none at all: a rule does not need the bias, so no node tells."""
    if isinstance(node, WatchedNode):
        return node.shapes[index] is None
    return input_name(node, index) == "b"


def input_name(node: Node, index: int) -> str:
    """What the op calls this input."""
    op = cast(Op, node.op)
    return f"{op.inputs[0]}[{index}]" if op.variadic else op.inputs[index]


def _common(a: Scope | None, b: Scope | None) -> Scope | None:
    """The innermost module call around both."""
    around = set()
    while a is not None:
        around.add(a)
        a = a.parent
    while b is not None and b not in around:
        b = b.parent
    return b

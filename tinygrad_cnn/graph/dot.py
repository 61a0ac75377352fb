"""The tape as text in Graphviz's language.

Every op that ran becomes a node, inside one box per module call; learned parameters are notes beside
the op that uses them; edges carry shapes.  Nodes are numbered in order of drawing and no text depends
on memory addresses or on what ran before, so equal models give equal text.
"""

from __future__ import annotations

import html
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from ..errors import ArgumentError, DtypeError, GraphError
from ..geometry import Windows
from ..op import Op, is_tensor
from ..tape import Node, Scope, walk
from ..tensor import Parameter

__all__ = ["to_dot"]

# Tints of Okabe and Ito's palette, which colour-blind readers can tell apart: fill and border by the file
# of ops/ that an op comes from.  Text is dark on light fills; lines and their labels are of a mid grey
# that reads on white and on black, as the page behind the picture may be either.
_COLOURS = {
    "conv": ("#d6e8f5", "#0072b2"),
    "linalg": ("#d6e8f5", "#0072b2"),
    "activation": ("#fdebc8", "#c77f00"),
    "pool": ("#cdeee3", "#009e73"),
    "reduce": ("#cdeee3", "#009e73"),
    "norm": ("#f4e1ec", "#b3568c"),
    "loss": ("#fadfce", "#d55e00"),
    "shape": ("#eceef1", "#8c959f"),
    "elementwise": ("#ffffff", "#57606a"),
}
_USERS_OWN = ("#e4f3fd", "#2b8cc4")
_PARAMETER = 'shape=note style=filled fillcolor="#fbf6c8" color="#b3a400" fontsize=10 margin="0.1,0.05"'
_DATA = 'fillcolor="#e1e4e8" color="#6e7781"'
_OUTPUT = 'fillcolor="#57606a" color="#57606a" fontcolor="#ffffff"'
_SYMBOL = "shape=circle margin=0 width=0.32 height=0.32 fixedsize=true fontsize=14"
_STRAIGHT = "weight=8 "
_BOXES = ("#ffffff", "#f5f7fa")  # by depth, in turn

_HEAD = """digraph {title} {{
  graph [rankdir={direction} newrank=true bgcolor=transparent nodesep=0.3 ranksep=0.28 pad=0.15]
  graph [fontname=Arial fontsize=11 fontcolor="#57606a" labeljust=l tooltip={title}]
  node [shape=box style="rounded,filled" height=0.34 margin="0.14,0.06" penwidth=1.2]
  node [fontname=Arial fontsize=12 fontcolor="#1f2328"]
  edge [color="#6b7280" arrowsize=0.6 penwidth=1.1 fontname=Arial fontsize=9 fontcolor="#6b7280"]
"""

_SPATIAL = {
    "conv": "conv{}d",
    "conv_input_grad": "conv_transpose{}d",
    "conv_weight_grad": "conv{}d_weight_grad",
    "max_pool": "max_pool{}d",
}
_SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "**"}


def to_dot(
    tensors: Any, *, module: Any = None, names: Mapping[str, Any] | None = None, direction: str = "TB"
) -> str:
    """The graph that led to a tensor, as DOT text.

    Args:
        tensors: a Tensor, or several in a list or tuple: the outputs.
        module: the model; it names parameters that were used outside of its recorded calls.
        names: what you call your variables: {"loss": loss, "x": x}.
        direction: "TB" (top to bottom) or "LR" (left to right).

    Raises:
        DtypeError: something that is no Tensor.
        GraphError: a tensor that was not recorded.
        ArgumentError: another direction.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> dot = to_dot(x.relu(), names={"x": x})
    >>> print(*(line.strip() for line in dot.splitlines() if "->" in line), sep="\\n")
    n0 -> n1 [weight=8 tooltip="x: 2 float32"]
    n1 -> n2 [weight=8 tooltip="2 float32"]
    """
    if direction not in ("TB", "LR"):
        raise ArgumentError(f'graph: direction is {direction!r}; it can be "TB" (top to bottom) or "LR"')
    outputs = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for what, tensor in (*enumerate(outputs), *(names or {}).items()):
        if not is_tensor(tensor):
            what = f"output {what}" if isinstance(what, int) else f"names[{what!r}]"
            raise DtypeError(f"graph: {what} is a {type(tensor).__name__}; it must be a Tensor")
    for i, tensor in enumerate(outputs):
        if tensor.node is None:
            raise GraphError(
                f"graph: output {i} {tensor.shape} was not recorded, so there is nothing to draw; compute it "
                "from something that requires grad, outside of no_grad()"
            )
    return _Sketch(module, names or {}, direction).text(outputs)


@dataclass
class _Box:
    """One module call: its nodes and inner boxes, in the order they appeared."""

    title: str
    path: str
    level: int
    content: list[Any]  # statements and boxes


@dataclass
class _Source:
    """Data that no op on the tape made: a parameter, a buffer, an input."""

    name: str  # unless somebody knows a better one
    shape: tuple[int, ...] | None
    dtype: Any
    array: Any  # None if it is gone
    learned: bool
    home: Scope | None  # where to draw it: the innermost module call around all uses
    uses: int = 0
    drawn: str = ""  # the id of its node


class _Sketch:
    """One drawing in the making."""

    def __init__(self, module: Any, names: Mapping[str, Any], direction: str):
        self.module = module
        self.direction = direction
        self.results = {x.node: name for name, x in names.items() if x.node is not None}
        self.arrays = {id(x.array): name for name, x in names.items()}
        self.members: dict[int, tuple[Any, dict[int, str]]] = {}
        self.sources: dict[Hashable, _Source] = {}
        self.root = _Box("graph", "", -1, [])
        self.boxes: dict[Scope | None, _Box] = {None: self.root}
        self.ids: dict[Node, str] = {}
        self.count = 0
        self.edges: list[str] = []
        self.data: set[str] = set()  # nodes that data from outside flows through
        self.lanes: dict[str, int] = {}  # straight lines down the page that these stand on: the last of each
        self.lane_count = 0
        self.latest = ""

    def text(self, outputs: list[Any]) -> str:
        roots = list(dict.fromkeys(tensor.node for tensor in outputs))
        nodes = [node for node in walk(*roots) if node.op is not None]
        nodes.reverse()
        for node in nodes:
            for index in range(len(node.parents)):
                self._find_source(node, index)
        for node in nodes:
            self._draw_op(node, node in roots)
        for i, root in enumerate(roots):
            if root not in self.ids:  # a leaf, drawn alone or already there as somebody's input
                source = self.sources.get(root) or self._leaf(root, "parameter", None)
                self.ids[root] = source.drawn or self._draw(self.root, *self._describe(source))
            name = self.results.get(root) or ("output" if len(roots) == 1 else f"output {i}")
            tail, lane = self._lane([self.ids[root]])
            label = _label(name, _dims(root.shape))
            head = self._draw(self.root, label, _OUTPUT, f"{name}: {_flow(root)}", lane)
            self._edge(self.ids[root], head, _STRAIGHT if tail else "", _flow(root))
        titles = [item.title for item in self.root.content if isinstance(item, _Box)]
        title = _quote(titles[0] if len(titles) == 1 else "graph")
        start = _HEAD.format(title=title, direction=self.direction)
        return "".join((start, *self._statements(), *self.edges, "}\n"))

    # --- data from outside -------------------------------------------------------------------------

    def _find_source(self, node: Node, index: int) -> None:
        """Note who uses an input that no op made."""
        key = self._key(node, index)
        if key is None:
            return
        source = self.sources.get(key)
        if source is None:
            parent = node.parents[index]
            name = _input_name(node, index)
            source = self._constant(node, index) if parent is None else self._leaf(parent, name, node.scope)
            self.sources[key] = source
        else:
            source.home = _common(source.home, node.scope)
        source.uses += 1

    def _key(self, node: Node, index: int) -> Hashable:
        """What tells sources apart; None if this input is an op's result, a number, or nobody knows."""
        parent = node.parents[index]
        if parent is not None:
            return parent if parent.op is None else None
        array = _saved(node, index)
        if isinstance(array, np.ndarray) and array.ndim:
            return id(array)
        # Elementwise ops take numbers as well; what is no longer there was an array in all others.
        return (node, index) if array is None and not cast(Op, node.op).elementwise else None

    def _leaf(self, leaf: Node, name: str, user: Scope | None) -> _Source:
        tensor = None if leaf.sink is None else leaf.sink()
        learned = tensor is None or isinstance(tensor, Parameter)  # what has died was a dead model's
        array = None if tensor is None else tensor.array
        if learned:
            return _Source(name, leaf.shape, leaf.dtype, array, True, user)
        return _Source("input", leaf.shape, leaf.dtype, array, False, leaf.scope)

    def _constant(self, node: Node, index: int) -> _Source:
        """An input that needs no gradient: it is not on the tape, but the rules may have saved it."""
        op, name, array = cast(Op, node.op), _input_name(node, index), _saved(node, index)
        shape = node.attrs.get(f"{name}_shape")
        if array is not None:
            shape = array.shape
        elif index == 0 and op.name == "conv":
            geom = node.attrs["geom"]
            shape = (node.shape[0], geom.in_channels, *geom.size)
        dtype = node.dtype if array is None else array.dtype
        if self._member(array, node.scope):
            return _Source(name, shape, dtype, array, True, node.scope)  # frozen, or a buffer
        if id(array) in self.arrays or (index == 0 and not op.elementwise):
            return _Source("input", shape, dtype, array, False, None)
        return _Source("constant" if op.elementwise else name, shape, dtype, array, False, node.scope)

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

    def _describe(self, source: _Source) -> tuple[str, str, str]:
        """Label, style and tooltip."""
        name = self.arrays.get(id(source.array)) or self._member(source.array, source.home) or source.name
        small = "" if source.shape is None else _dims(source.shape)
        if source.learned and source.shape and len(source.shape) > 1:
            small += f" · {math.prod(source.shape):,}"
        return (
            _label(name, small),
            _PARAMETER if source.learned else _DATA,
            f"{name}: {_array(source.shape, source.dtype)}",
        )

    # --- boxes -------------------------------------------------------------------------------------

    def _box(self, scope: Scope | None) -> _Box:
        """The box of a module call, made when first asked for, with those around it."""
        missing = []
        while scope not in self.boxes:
            missing.append(scope)
            scope = cast(Scope, scope).parent
        box = self.boxes[scope]
        for scope in reversed(cast("list[Scope]", missing)):
            name = scope.name
            title = name if name == scope.kind else f"{name}: {scope.kind}"
            inner = _Box(title, f"{box.path}.{name}".lstrip("."), box.level + 1, [])
            self.boxes[scope] = inner
            box.content.append(inner)
            box = inner
        return box

    def _statements(self) -> Iterator[str]:
        """Nodes and boxes, one box in another, without recursion."""
        count = 0
        stack: list[tuple[Iterator[Any], bool]] = [(iter(self.root.content), False)]
        while stack:
            indent = "  " * len(stack)
            items, mixed = stack[-1]
            item = next(items, None)
            if item is None:
                stack.pop()
                if stack:
                    yield f"{indent[2:]}}}\n"
                continue
            if isinstance(item, str) and not mixed:
                yield f"{indent}{item}\n"
                continue
            start = f"{indent}subgraph cluster_{count} {{"
            count += 1
            if isinstance(item, str):
                # Alone beside boxes, a node gets an invisible one: the arrows from and to a node that shares
                # its box with boxes would push edge labels aside (Graphviz takes that box for an obstacle).
                yield f'{start} graph [style=invis label="" margin=0] {item} }}\n'
            else:
                label = f"label={_quote(item.title)} tooltip={_quote(item.path)}"
                colours = f'fillcolor="{_BOXES[item.level % 2]}" color="#c3cad3"'
                yield f'{start}\n{indent}  graph [{label} style="rounded,filled" {colours} margin=9]\n'
                stack.append((iter(item.content), any(isinstance(part, _Box) for part in item.content)))

    # --- nodes and edges ---------------------------------------------------------------------------

    def _draw_op(self, node: Node, is_output: bool) -> None:
        beside: dict[str, str] = {}  # parameters on the op's own level: ids and statements
        edges: list[tuple[str, str, str]] = []  # where from, style, tooltip
        main: list[str] = []  # where data comes from, as opposed to what depends on parameters only
        shown = set()
        for index, parent in enumerate(node.parents):
            if parent is not None and parent.op is not None:
                tail, style = self.ids[parent], ""
                if parent.shape not in shown:
                    gap = "  " if self.direction == "TB" else ""  # keeps the label off the line
                    style = f'label="{gap}{_dims(parent.shape)}" '
                if cast(Op, node.op).elementwise:
                    shown.add(parent.shape)  # once is enough
                if tail in self.data:
                    main.append(tail)
                edges.append((tail, style, _flow(parent)))
            elif source := self.sources.get(self._key(node, index)):
                label, style, tooltip = self._describe(source)
                if source.learned and source.uses == 1 and len(beside) < 2:
                    source.drawn, statement = self._node(label, style, tooltip)
                    beside[source.drawn] = statement
                elif not source.drawn:
                    flows = not source.learned and source.home is None
                    lane = self._lane([])[1] if flows else None
                    source.drawn = self._draw(self._box(source.home), label, style, tooltip, lane)
                if source.drawn in self.data:
                    main.append(source.drawn)
                edges.append((source.drawn, "", tooltip))

        title, style = _title(node), _style(node)
        if len(title) == 1:
            style += f" {_SYMBOL}"
        if node in self.results and not is_output:
            title = f"{self.results[node]}: {title}"
        before, lane = self._lane(main) if main else (None, None)
        name, statement = self._node(_label(title, _details(node)), style, _story(node), lane)
        self.ids[node] = name
        left, *right = beside or ("",)
        if beside:
            level = (beside[left], statement, *(beside[other] for other in right))
            statement = f"{{ rank=same; {'; '.join(level)} }}"
        self._box(node.scope).content.append(statement)
        if lane is not None:
            self.latest = name
        elif self.latest and all(parent is None or parent.op is None for parent in node.parents):
            # What is made of parameters alone goes beside what happens at the time, not to the top.
            top = next((tail for tail, _, _ in edges if tail not in beside), name)
            self.edges.append(f"  {self.latest} -> {top} [style=invis weight=4]\n")
        for tail, style, tooltip in edges:
            if tail in right:  # on one level, Graphviz puts the tail to the left of the head
                self._edge(name, tail, "dir=back ", tooltip)
            else:
                self._edge(tail, name, _STRAIGHT + style if tail == before else style, tooltip)

    def _lane(self, tails: list[str]) -> tuple[str | None, int]:
        """The straight line down the page that a node stands on, and the node before it there.

        It is the line of the first tail that no other node has continued yet, or else a new one.
        """
        for tail in tails:
            if tail in self.lanes:
                return tail, self.lanes.pop(tail)
        self.lane_count += 1
        return None, self.lane_count

    def _node(self, label: str, style: str, tooltip: str, lane: int | None = None) -> tuple[str, str]:
        """A new node: its id and its statement."""
        name = f"n{self.count}"
        self.count += 1
        if lane is not None:
            self.data.add(name)
            self.lanes[name] = lane
            style += f" group={lane}"
        return name, f"{name} [label={label} {style} tooltip={_quote(tooltip)}]"

    def _draw(self, box: _Box, label: str, style: str, tooltip: str, lane: int | None = None) -> str:
        name, statement = self._node(label, style, tooltip, lane)
        box.content.append(statement)
        return name

    def _edge(self, tail: str, head: str, style: str, tooltip: str) -> None:
        self.edges.append(f"  {tail} -> {head} [{style}tooltip={_quote(tooltip)}]\n")


# --- what to say about one op ----------------------------------------------------------------------


def _title(node: Node) -> str:
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
    value = _saved(node, index)
    if value is None:
        return "const"  # not needed by any rule, so not kept
    return "" if np.ndim(value) else f"{float(value):g}"


def _details(node: Node) -> str:
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


def _style(node: Node) -> str:
    package, _, family = cast(Op, node.op).__module__.rpartition(".")
    ours = package == f"{__name__.partition('.')[0]}.ops"
    fill, border = _COLOURS.get(family, _USERS_OWN) if ours else _USERS_OWN
    return f'fillcolor="{fill}" color="{border}"'


def _story(node: Node) -> str:
    """For the tooltip: what the op does, what it gave, what it keeps for backward."""
    op = cast(Op, node.op)
    about = (op.__doc__ or "").strip().partition("\n")[0]
    lines = [f"{op.name}: {about}" if about else op.name, f"result {_flow(node)}"]
    if type(node.saved) is not tuple:
        lines.append("what it kept for backward has been released")
    elif node.plan is not None:
        kept = [
            (_input_name(node, index) if index < len(node.parents) else "out", value)
            for index, value in zip(node.plan.save, node.saved, strict=True)
        ]
        texts = [
            f"{name} {_array(value.shape, value.dtype)}, {value.nbytes:,} bytes"
            for name, value in (*kept, *node.attrs.items())
            if isinstance(value, np.ndarray)
        ]
        lines.append("keeps for backward: " + ("; ".join(texts) or "nothing"))
    return "\n".join(lines)


def _saved(node: Node, index: int) -> Any:
    """The value of an input, if a rule asked to keep it and it has not been released."""
    if type(node.saved) is not tuple or node.plan is None or index not in node.plan.save:
        return None
    return node.saved[node.plan.save.index(index)]


def _input_name(node: Node, index: int) -> str:
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


# --- text ------------------------------------------------------------------------------------------


def _dims(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


@lru_cache(1000)  # most arrays of a graph look like another one, and NumPy is slow to name dtypes
def _array(shape: tuple[int, ...] | None, dtype: Any) -> str:
    return f"{'' if shape is None else _dims(shape)} {dtype}".lstrip()


def _flow(node: Node) -> str:
    return _array(node.shape, node.dtype)


def _label(title: str, small: str) -> str:
    """Two lines, the second in small print, as Graphviz's HTML."""
    text = html.escape(_printable(title))
    if small:
        text += f'<br/><font point-size="9">{html.escape(_printable(small))}</font>'
    return f"<{text}>"


def _quote(text: str) -> str:
    """A DOT string; a backslash would start an escape of Graphviz's own."""
    lines = (_printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


def _printable(text: str) -> str:
    if text.isprintable() and text:
        return text
    return "".join(c if c.isprintable() else " " for c in text) or " "

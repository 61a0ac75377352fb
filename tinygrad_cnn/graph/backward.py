"""The backward pass as a picture: every rule that the engine would call, in the engine's own order.

Nothing is computed and nothing is guessed: the walk is the one that backward takes, the plan of each node
says which rules run, and the rules' own parameter names say what each of them uses.
"""

from __future__ import annotations

from typing import Any, cast

from ..op import Op
from ..tape import Node, walk
from .forward import Reader, family_of, input_name, op_title
from .picture import Arrow, Box, Item, Picture, dims, flow
from .source import rule_source

__all__ = ["read"]

_LONGEST = 44  # characters of a rule that still fit into a box


def read(reader: Reader, outputs: list[Any], forward: Picture | None) -> Picture:
    """What `backward` would do from the outputs on.

    Args:
        reader: has read the forward pass, and so knows the names of things.
        outputs: where backward starts.
        forward: that pass, to draw the rules into beside their ops; None for a page of their own.
    """
    return _Rules(reader, forward).read(list(dict.fromkeys(tensor.node for tensor in outputs)))


class _Rules:
    def __init__(self, reader: Reader, forward: Picture | None):
        self.reader, self.forward = reader, forward
        self.page = Box("graph", "", "", -1, None) if forward is None else forward.page
        self.boxes: dict[Box, Box] = {reader.page: self.page}
        self.arrows: list[Arrow] = [] if forward is None else forward.arrows
        # What has arrived for the gradient of each node's result: the item that it comes from, and why.
        self.parts: dict[Node, list[tuple[Item, str]]] = {}

    def read(self, roots: list[Node]) -> Picture:
        for at, root in enumerate(roots):
            name = self.reader.results.get(root) or ("output" if len(roots) == 1 else f"output {at}")
            title, small = ("1", f"∂{name}/∂{name}") if root.shape == () else ("g", dims(root.shape))
            story = f"the gradient that backward starts with: {flow(root.shape, root.dtype)}"
            seed = self._put(Item("data", title, small, story, self.page, shape=root.shape))
            self.parts[root] = [(seed, story)]
        for node in walk(*roots):
            if node in self.parts:
                arrived = self._gathered(node)
                if node.op is None:
                    self._draw_leaf(node, *arrived)
                else:
                    for indices, _, _ in node.plan.rows:
                        self._draw_rule(node, indices, *arrived)
        return Picture(self.page, self.arrows)

    def _gathered(self, node: Node) -> tuple[Item, str]:
        """Where the complete gradient of a node's result comes from: a rule, or the sum of several."""
        parts = self.parts.pop(node)
        if len(parts) == 1:
            return parts[0]
        story = f"{len(parts)} gradients of {self._name(node)} are added up"
        item = Item("op", "+", "", story, self._beside(node), "elementwise", shape=node.shape)
        self._put(item)
        for at, (tail, why) in enumerate(parts):
            self._arrow(tail, item, node, why, labelled=not at)
        return item, f"the gradient of {self._name(node)}"

    def _draw_rule(self, node: Node, indices: tuple[int, ...], tail: Item, why: str) -> None:
        """One rule, what it uses, and whom it gives to."""
        op = cast(Op, node.op)
        goals = [index for index in indices if node.parents[index] is not None]
        if not goals:
            return
        names = ", ".join(input_name(node, index) for index in goals)
        row = op.joint or op.rows[op.inputs[0 if op.variadic else indices[0]]]
        source = rule_source(row.function) or ""
        body = source.partition(": ")[2] if source.startswith("lambda") else ""
        small = body if 0 < len(body) <= _LONGEST and "\n" not in body else ""
        title = f"∂{names}" if len(goals) == 1 else f"∂({names})"
        story = f"the rule of {names} in {op.name}.vjp(...):\n{source}".rstrip()
        box = self._beside(node)
        shape = cast(Node, node.parents[goals[0]]).shape if len(goals) == 1 else None
        name = f"{op_title(node)}: {title}"
        beside = None if self.forward is None else self.reader.items[node]
        item = self._put(Item("rule", name, small, story, box, family_of(op), shape=shape, beside=beside))
        self._arrow(tail, item, node, f"{why}\n{story}")
        if self.forward is not None:
            self._draw_kept(node, row.names, item)
        for index in goals:
            parent = cast(Node, node.parents[index])
            through = f"the gradient of {input_name(node, index)} by the rule\n{source}".rstrip()
            self.parts.setdefault(parent, []).append((item, through))

    def _draw_kept(self, node: Node, names: tuple[str, ...], item: Item) -> None:
        """What the forward pass keeps for a rule."""
        op = cast(Op, node.op)
        for name in names:
            if name == "out":
                tail: Item | None = self.reader.items[node]
            elif name in op.inputs and not op.variadic:
                tail = self.reader.tail(node, op.inputs.index(name))
            else:
                continue  # g, an attribute, a shape
            if tail is not None:
                what = f"kept for backward: {name} {flow(tail.shape, node.dtype)}"
                self.arrows.append(Arrow(tail, item, tail.shape, node.dtype, what, kind="kept"))

    def _draw_leaf(self, node: Node, tail: Item, why: str) -> None:
        """Where a gradient ends: in `.grad`."""
        name = f"{self._name(node)}.grad"
        kind = self.reader.items[node].kind if node in self.reader.items else "parameter"
        story = f"{name}: {flow(node.shape, node.dtype)}"
        item = self._put(Item(kind, name, dims(node.shape), story, self._beside(node), "", node, node.shape))
        self._arrow(tail, item, node, why)

    def _arrow(self, tail: Item, head: Item, node: Node, why: str, labelled: bool = True) -> None:
        label = dims(node.shape) if labelled and head.kind != "parameter" else ""
        self.arrows.append(Arrow(tail, head, node.shape, node.dtype, why, label, "gradient"))

    def _name(self, node: Node) -> str:
        known = self.reader.results.get(node)
        item = self.reader.items.get(node)
        return known or (item.title if item else "input")

    def _beside(self, node: Node) -> Box:
        """The box on this page for what happened to a node."""
        item = self.reader.items.get(node)
        return self._box(self.reader.page if item is None else item.box)

    def _box(self, theirs: Box) -> Box:
        """The box that stands here for one of the forward pass: itself on the same page, else a new one."""
        if self.forward is not None:
            return theirs
        missing = []
        while theirs not in self.boxes:
            missing.append(theirs)
            theirs = cast(Box, theirs.parent)
        box = self.boxes[theirs]
        for theirs in reversed(missing):
            inner = Box(theirs.name, theirs.kind, theirs.path, theirs.level, box)
            box.content.append(inner)
            self.boxes[theirs] = box = inner
        return box

    def _put(self, item: Item) -> Item:
        item.box.content.append(item)
        return item

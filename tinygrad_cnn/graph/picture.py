"""What a drawing shows, before it is decided how: boxes, items and arrows.

Every op that ran is an item, inside one box per module call; parameters, inputs and constants are items
that arrows start from.  Whoever folds, marks or writes a picture works on these three classes and knows
nothing of the tape; whoever reads the tape (`forward.py`, `backward.py`) knows nothing of Graphviz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Arrow", "Box", "Item", "Picture", "dims", "flow"]


@dataclass(eq=False)
class Item:
    """One thing to see.

    Attributes:
        kind: "op", "parameter", "data", "output", "rule" (a step of backward), "module" (a folded box) or
            "rules" (its way back).
        title: the name, in one line.
        small: what stands under it, in small print.
        story: what to know beyond that, line by line; shown on hover.
        box: the innermost box around it.
        family: which file of ops/ the op comes from; its colour.  Of a folded module all, with blanks.
        node: the place on the tape; None for what is not on it.
        shape: of the array; None where nobody knows it.
        note: what overlays say about it, line by line.
        heat: from 0 to 1, how much of it there is; None without an overlay.
        image: a small picture of the result (PNG), or None.
        beside: the op, or the module, on the same page that it is the way back of.
        hides: the items that it stands for, beside itself.
    """

    kind: str
    title: str
    small: str
    story: str
    box: Box = field(repr=False)
    family: str = ""
    node: Any = None
    shape: tuple[int, ...] | None = None
    note: str = ""
    heat: float | None = None
    image: bytes | None = None
    beside: Item | None = field(default=None, repr=False)
    hides: list[Item] = field(default_factory=list, repr=False)

    @property
    def folded(self) -> bool:
        """Whether it is a whole module, or the way back through one."""
        return self.kind in ("module", "rules")

    def all(self) -> Iterator[Item]:
        """It, and everything that it stands for."""
        stack = [self]
        while stack:
            item = stack.pop()
            yield item
            stack += reversed(item.hides)


@dataclass(eq=False)
class Box:
    """One module call, and what happened in it in order: items and inner boxes.

    Attributes:
        name: how the calling module calls it.
        kind: its class.
        path: such as "LeNet.conv1".
        level: how many boxes are around it; -1 for the page itself.
        times: how often it happened in a row, if repeats are folded.
    """

    name: str
    kind: str
    path: str
    level: int
    parent: Box | None = field(repr=False)
    content: list[Item | Box] = field(default_factory=list, repr=False)
    times: int = 1

    @property
    def title(self) -> str:
        """Such as "conv1: Conv2d", or "layer1.1: BasicBlock × 3"."""
        title = self.name if not self.kind or self.name == self.kind else f"{self.name}: {self.kind}"
        return title if self.times == 1 else f"{title} × {self.times}".strip()

    def items(self) -> Iterator[Item]:
        """Everything in it, however deep, in order."""
        stack: list[Iterator[Item | Box]] = [iter(self.content)]
        while stack:
            part = next(stack[-1], None)
            if part is None:
                stack.pop()
            elif isinstance(part, Box):
                stack.append(iter(part.content))
            else:
                yield part

    def around(self) -> Iterator[Box]:
        """This box and those around it, from inside out, without the page."""
        box: Box | None = self
        while box is not None and box.parent is not None:
            yield box
            box = box.parent


@dataclass(eq=False)
class Arrow:
    """Data on its way.

    Attributes:
        shape, dtype: of the array.
        story: shown on hover.
        label: what stands beside it.
        kind: "data", or "kept" for what the forward pass keeps for a rule.
    """

    tail: Item
    head: Item
    shape: tuple[int, ...] | None
    dtype: Any
    story: str = ""
    label: str = ""
    kind: str = "data"


@dataclass(eq=False)
class Picture:
    """A page of boxes, and the arrows between their items in the order in which they were drawn."""

    page: Box
    arrows: list[Arrow]

    @property
    def title(self) -> str:
        """The model's name, if there is one model."""
        titles = [part.title for part in self.page.content if isinstance(part, Box)]
        return titles[0] if len(titles) == 1 else "graph"

    def into(self) -> dict[Item, list[Arrow]]:
        """The arrows that end at each item."""
        found: dict[Item, list[Arrow]] = {item: [] for item in self.page.items()}
        for arrow in self.arrows:
            found[arrow.head].append(arrow)
        return found

    def backward(self) -> set[Item]:
        """What happens on the way back."""
        return {arrow.head for arrow in self.arrows if arrow.kind == "gradient"}


def dims(shape: tuple[int, ...]) -> str:
    """A shape as people write it.

    >>> dims((64, 1, 28, 28)), dims(())
    ('64×1×28×28', 'scalar')
    """
    return "×".join(map(str, shape)) or "scalar"


_names: dict[Any, str] = {}  # NumPy is slow to name dtypes


def flow(shape: tuple[int, ...] | None, dtype: Any) -> str:
    """What an arrow carries.

    >>> flow((2, 3), "float32")
    '2×3 float32'
    """
    name = _names.get(dtype) or _names.setdefault(dtype, str(dtype))
    return f"{'' if shape is None else dims(shape)} {name}".lstrip()

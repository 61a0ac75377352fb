"""A picture as text in Graphviz's language.

Items are numbered in order and no text depends on memory addresses or on what ran before, so equal models
give equal text.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import pairwise

from . import images
from .picture import Arrow, Box, Item, Picture

__all__ = ["write"]

# Tints of Okabe and Ito's palette, which colour-blind readers can tell apart: fill and border by the file
# of ops/ that an op comes from.  Text is dark on light fills; lines and their labels are of a mid grey
# that reads on white and on black, as the page behind the picture may be either.
_COLOURS = {
    "conv": ("#d6e8f5", "#0072b2"),
    "linalg": ("#d6e8f5", "#0072b2"),
    "resample": ("#d6e8f5", "#0072b2"),
    "activation": ("#fdebc8", "#c77f00"),
    "pool": ("#cdeee3", "#009e73"),
    "reduce": ("#cdeee3", "#009e73"),
    "norm": ("#f4e1ec", "#b3568c"),
    "loss": ("#fadfce", "#d55e00"),
    "shape": ("#eceef1", "#8c959f"),
    "elementwise": ("#ffffff", "#57606a"),
}
_USERS_OWN = ("#e4f3fd", "#2b8cc4")
_MIXED = ("#eceef1", "#57606a")  # a folded module of ops from several files
_STYLES = {
    "parameter": 'shape=note style=filled fillcolor="#fbf6c8" color="#b3a400" fontsize=10 margin="0.1,0.05"',
    "data": 'fillcolor="#e1e4e8" color="#6e7781"',
    "output": 'fillcolor="#57606a" color="#57606a" fontcolor="#ffffff"',
}
_COLD, _HOT = (255, 255, 255), (236, 140, 95)  # without and with the most of what an overlay shows
_SYMBOL = "shape=circle margin=0 width=0.32 height=0.32 fixedsize=true fontsize=14"
_ARROWS = {
    "data": "",
    "gradient": 'color="#d55e00" fontcolor="#d55e00" ',
    "kept": 'style=dashed color="#8c959f" arrowsize=0.5 constraint=false ',
}
_STRAIGHT = "weight=8 "
_FOLDED = "peripheries=2"  # a second line around what holds more than it shows
_BOXES = ("#ffffff", "#f5f7fa")  # by depth, in turn

_HEAD = """digraph {title} {{
  graph [rankdir={direction} newrank=true bgcolor=transparent nodesep=0.3 ranksep=0.28 pad=0.1]
  graph [fontname=Arial fontsize=11 fontcolor="#57606a" labeljust=l tooltip={title}]
  node [shape=box style="rounded,filled" height=0.34 margin="0.14,0.06" penwidth=1.2]
  node [fontname=Arial fontsize=12 fontcolor="#1f2328"]
  edge [color="#767d88" arrowsize=0.6 penwidth=1.1 fontname=Arial fontsize=9 fontcolor="#767d88"]
"""


def write(picture: Picture, direction: str = "TB") -> tuple[str, dict[str, bytes]]:
    """The picture as DOT text, and the files that it shows: top to bottom, "LR" left to right, or "U": down,
    and up again from where most arrows bridge."""
    writer = _Writer(picture, direction)
    files = {writer.picture_of(item): item.image for item in writer.ids if item.image is not None}
    return writer.text(), files


class _Writer:
    def __init__(self, picture: Picture, direction: str):
        self.picture, self.direction = picture, direction
        self.into = picture.into()
        self.ids = {item: f"n{i}" for i, item in enumerate(self.into)}
        forward = any(arrow.kind == "data" for arrow in picture.arrows)
        self.main = "data" if forward else "gradient"  # of the two, what the page's direction follows
        self.alone = {item: item.box for item in self.into if _is_alone(item)}
        self.beside: dict[Item, Item] = {}  # parameters on their op's own level
        self.near: dict[Item, list[Item]] = {}  # and the same the other way round
        self.done: dict[Item, Item] = {}  # rule -> the gradient to its right
        self.lanes: dict[Item, int] = {}
        self.continued: set[Item] = set()  # the straight line goes on from here
        self.straight: set[Arrow] = set()
        self.edges: list[str] = []
        self._find_companions()
        self._find_lanes()
        both = forward and any(arrow.kind == "gradient" for arrow in picture.arrows)
        self.rising = self._find_rising() if direction == "U" and not both else set()

    def text(self) -> str:
        direction = "LR" if self.direction == "LR" else "TB"
        start = _HEAD.format(title=_quote(self.picture.title), direction=direction)
        edges = [self._edge(arrow) for arrow in self.picture.arrows]
        ends = [self.ids[item] for item in self.picture.page.content if isinstance(item, Item)]
        levels = ["; ".join(ends)] if self.rising else []
        levels += [  # backward to the right of forward
            f"{self.ids[item.beside]} -> {self.ids[item]} [style=invis]"
            for item in self.into if item.beside in self.ids
        ]  # fmt: skip
        level = [f"  {{ rank=same; {names} }}\n" for names in levels]
        return "".join((start, *self._statements(), *edges, *self.edges, *level, "}\n"))

    # --- where things stand ------------------------------------------------------------------------

    def _find_companions(self) -> None:
        """Up to two parameters that only one op uses stand to its left and right; a gradient that is done, to
        the right of the rule that gave it."""
        users: dict[Item, list[Item]] = {}
        for arrow in self.picture.arrows:
            if arrow.kind != "kept" and arrow.tail.kind == "parameter":
                users.setdefault(arrow.tail, []).append(arrow.head)
        for item, arrows in self.into.items():
            near = [
                a.tail for a in arrows
                if a.kind != "kept" and users.get(a.tail) == [item] and a.tail.box is item.box
            ]  # fmt: skip
            if near:
                self.near[item] = near[:2]
                self.beside.update(dict.fromkeys(near[:2], item))
            if item.kind == "parameter" and [a.kind for a in arrows] == ["gradient"]:
                tail = arrows[0].tail
                if tail.box is item.box and tail.kind == "rule" and tail not in self.done:
                    self.beside[item] = tail
                    self.done[tail] = item

    def _find_lanes(self) -> None:
        """Straight lines through the page: data goes on along the line of the first tail that is still free,
        if possible of one that is on its way already.

        What is made of parameters alone goes beside what happens at the time, not to the top.
        """
        latest: Item | None = None
        count = 0
        for item in self.into:
            if item.kind == "data" and item.box is self.picture.page and not self.into[item]:
                count += 1
                self.lanes[item] = count
        for item in dict.fromkeys(arrow.head for arrow in self.picture.arrows):
            arrows = [a for a in self.into[item] if a.kind == self.main]
            through = [a for a in arrows if a.tail in self.lanes]
            if through:
                still = [a for a in through if a.tail not in self.continued]
                free = next((a for a in still if self.into[a.tail]), still[0] if still else None)
                if free is None:
                    count += 1
                    self.lanes[item] = count
                else:
                    self.continued.add(free.tail)
                    self.straight.add(free)
                    self.lanes[item] = self.lanes[free.tail]
                latest = item
            elif latest is not None and arrows and not any(self.into[a.tail] for a in arrows):
                top = next((a.tail for a in arrows if a.tail not in self.beside), item)
                self.edges.append(f"  {self.ids[latest]} -> {self.ids[top]} [style=invis weight=4]\n")

    def _find_rising(self) -> set[Item]:
        """What comes after the item that most arrows bridge; of several, after the middle one of those whose
        next is in the least boxes with it."""
        line = [item for item in self.into if item in self.lanes]
        place = {item: at for at, item in enumerate(line)}
        bridges = [0] * len(line)
        for arrow in self.picture.arrows:
            if arrow.kind == self.main and arrow.tail in place and arrow.head in place:
                for at in range(place[arrow.tail] + 1, place[arrow.head]):
                    bridges[at] += 1
        most = max(bridges, default=0)
        if not most:
            return set()
        first = last = bridges.index(most)
        while bridges[last + 1 : last + 2] == [most]:
            last += 1
        around = [set(item.box.around()) for item in line[first : last + 2]]
        common = [len(here & after) for here, after in pairwise(around)]
        turns = [first + at for at, count in enumerate(common) if count == min(common)]
        return set(line[turns[(len(turns) - 1) // 2] + 1 :])

    # --- statements --------------------------------------------------------------------------------

    def _statements(self) -> Iterator[str]:
        """Nodes and boxes, one box in another, without recursion."""
        count = 0
        stack: list[tuple[Iterator[Item | Box], bool]] = [(self._visible(self.picture.page), False)]
        while stack:
            indent = "  " * len(stack)
            parts, mixed = stack[-1]
            part = next(parts, None)
            if part is None:
                stack.pop()
                if stack:
                    yield f"{indent[2:]}}}\n"
                continue
            if isinstance(part, Item) and not mixed:
                yield f"{indent}{self._level(part)}\n"
                continue
            start = f"{indent}subgraph cluster_{count} {{"
            count += 1
            if isinstance(part, Item):
                # Alone beside boxes, a node gets an invisible one: the arrows from and to a node that shares
                # its box with boxes would push edge labels aside (Graphviz takes that box for an obstacle).
                yield f'{start} graph [style=invis label="" margin=0] {self._level(part)} }}\n'
            else:
                narrow = all(isinstance(p, Item) and self._plain(p) for p in part.content)
                room = " " * (2 * len(part.title) if narrow else 0)  # for the arrow into the middle
                label = f"label={_quote(part.title + room)} tooltip={_quote(part.path or part.title)}"
                colours = f'fillcolor="{_BOXES[part.level % 2]}" color="#c3cad3"'
                style = "rounded,filled" if part.times == 1 else "rounded,filled,bold"
                yield f'{start}\n{indent}  graph [{label} style="{style}" {colours} margin=9]\n'
                inner = list(self._visible(part))
                stack.append((iter(inner), any(isinstance(p, Box) for p in inner)))

    def _plain(self, item: Item) -> bool:
        """Whether data alone goes into it, from above."""
        return item.kind != "parameter" and all(a.tail.kind != "parameter" for a in self.into[item])

    def _visible(self, box: Box) -> Iterator[Item | Box]:
        """What is written where it stands: not what is beside an op; an op that is alone, not its box."""
        for part in box.content:
            if isinstance(part, Box):
                first = next(part.items(), None)
                yield first if first in self.alone and first.box is part else part
            elif part not in self.beside:
                yield part

    def _level(self, item: Item) -> str:
        """A node, with the parameters to its left and right."""
        near = self.near.get(item, [])
        row = [*near[:1], item, *near[1:], *([self.done[item]] if item in self.done else [])]
        nodes = "; ".join(map(self._node, row))
        return nodes if len(row) == 1 else f"{{ rank=same; {nodes} }}"

    def _node(self, item: Item) -> str:
        colours = {_COLOURS.get(family, _USERS_OWN) for family in item.family.split() or [""]}
        fill, border = colours.pop() if len(colours) == 1 else _MIXED
        style = _STYLES.get(item.kind) or f'fillcolor="{fill}" color="{border}"'
        title, small = item.title, item.small
        if item.folded:
            style += f" {_FOLDED}"
        if item in self.alone:
            title, small = _as_module(item, self.alone[item])
        if item.kind in ("rule", "rules"):
            style += ' style="rounded,filled,dashed"'
        if item.heat is not None:
            style += f' fillcolor="{_mix(item.heat)}"'
        if len(title) == 1 and item.kind in ("op", "rule") and not small and not item.note:
            style += f" {_SYMBOL}"
        if item in self.lanes:
            style += f" group={-self.lanes[item] if item in self.rising else self.lanes[item]}"
        label = _label(title, small, item.note, self._shown(item))
        return f"{self.ids[item]} [label={label} {style} tooltip={_quote(item.story)}]"

    def _shown(self, item: Item) -> str:
        """An item's small picture, as a cell of a table."""
        if item.image is None:
            return ""
        width, height = images.size(item.image)
        cell = f'fixedsize="true" width="100" height="{round(100 * height / width)}"'
        return f'<td {cell}><img src="{self.picture_of(item)}" scale="true"/></td>'

    def picture_of(self, item: Item) -> str:
        """The name of the file with an item's small picture."""
        return f"{self.ids[item]}.png"

    def _edge(self, arrow: Arrow) -> str:
        level = (arrow.head in self.rising) != (arrow.tail in self.rising) and arrow.tail in self.lanes
        style = _STRAIGHT if arrow in self.straight and not level else ""
        style += _ARROWS[arrow.kind]
        if arrow.label:
            gap = "" if self.direction == "LR" or level else "  "  # keeps the label off the line
            style += f"label={_quote(gap + arrow.label)} "
        tail, head = arrow.tail, arrow.head
        near = self.near.get(head, [])
        # On one level, Graphviz puts the tail to the left of the head; and where both passes are shown,
        # backward runs up the page beside forward.
        up = tail in self.rising and head in self.rising
        back = arrow.kind == "gradient" != self.main and self.done.get(tail) is not head
        if tail in near[1:] or up or back:
            tail, head, style = head, tail, f"{style}dir=back "
        text = f"{self.ids[tail]} -> {self.ids[head]} [{style}tooltip={_quote(arrow.story)}]"
        return f"  {{ rank=same; {text} }}\n" if level else f"  {text}\n"


def _is_alone(item: Item) -> bool:
    """Whether an op is all that its module did: then the module's name is written into it."""
    return item.kind == "op" and len(item.box.content) == 1 and item.box.level >= 0 and item.box.times == 1


def _as_module(item: Item, box: Box) -> tuple[str, str]:
    """What stands in an op that is alone in its box: the op's own name only if the module's says another."""
    known = item.title.replace("_", "") in box.kind.lower()
    return box.title, " · ".join(part for part in ("" if known else item.title, item.small) if part)


# --- text ------------------------------------------------------------------------------------------


def _mix(heat: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * heat):02x}" for a, b in zip(_COLD, _HOT, strict=True))


def _label(title: str, small: str, note: str, image: str) -> str:
    """The title, what is in small print, and a picture, as Graphviz's HTML."""
    text = html.escape(_printable(title))
    for line in (small, *note.split("\n")):
        if line:
            text += f'<br/><font point-size="9">{html.escape(_printable(line))}</font>'
    if image:
        rows = f"<tr><td>{text}</td></tr><tr>{image}</tr>"
        text = f'<table border="0" cellspacing="0" cellpadding="2">{rows}</table>'
    return f"<{text}>"


def _quote(text: str) -> str:
    """A DOT string; a backslash would start an escape of Graphviz's own."""
    lines = (_printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


def _printable(text: str) -> str:
    if text.isprintable() and text:
        return text
    return "".join(c if c.isprintable() else " " for c in text) or " "

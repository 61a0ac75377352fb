"""Less on one page: modules below a depth become one item, and what repeats is shown once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable

from .picture import Arrow, Box, Item, Picture

__all__ = ["effort", "fold_middle", "fold_modules", "fold_repeats"]

_LONGEST = 12  # parts in a pattern that may repeat

Part = Item | Box


def fold_modules(picture: Picture, depth: int) -> Picture:
    """Every box that has `depth` others around it becomes one item: its name, its class, its parameters.

    Boxes of one op stay: that is one item already.

    A box is one call of a module: what is outside of it was computed before or after, so folding it never
    makes a circle.
    """
    stand_in: dict[Item, Item] = {}
    stack = [picture.page]
    while stack:
        box = stack.pop()
        for at, part in enumerate(box.content):
            if isinstance(part, Box) and part.level >= depth and not _is_one_op(part):
                count = parameters(part)
                small = f"{count:,} parameters" if count else ""
                families = {item.family for item in part.items() if item.kind in ("op", "rule")}
                family = " ".join(sorted(families))
                folded = Item("module", part.title, small, _contents(part), box, family)
                box.content[at] = folded
                stand_in.update(dict.fromkeys(part.items(), folded))
            elif isinstance(part, Box):
                stack.append(part)
    arrows = _redirected(picture, stand_in)
    for arrow in arrows:
        if arrow.tail.kind == "module":
            arrow.tail.shape = arrow.shape
    return Picture(picture.page, arrows)


def _is_one_op(box: Box) -> bool:
    part = box.content[0]
    return box.level > 0 and len(box.content) == 1 and isinstance(part, Item) and part.kind == "op"


def effort(picture: Picture) -> int:
    """What Graphviz has to do: it takes seconds for 2,000, and a minute for three times as much.

    That is the number of items, and the number of ranks that arrows cross: each crossing is a node to it.
    """
    ranked = (item for item in picture.page.items() if item.kind != "parameter")
    order = {item: at for at, item in enumerate(ranked)}
    ends = ((order.get(a.tail), order.get(a.head)) for a in picture.arrows if a.kind != "kept")
    return len(order) + sum(abs(b - a) for a, b in ends if a is not None and b is not None)


def fold_middle(picture: Picture, most: int) -> Picture:
    """The page's first and last parts; what is between them becomes one item."""
    content = picture.page.content
    middle = content[most // 2 : len(content) - most // 2]
    if len(middle) < 2:
        return picture
    hidden = _items(middle)
    story = f"{len(hidden):,} items are left out here"
    stand_in = Item("module", f"… {len(hidden):,} more", "", story, picture.page)
    content[most // 2 : len(content) - most // 2] = [stand_in]
    return Picture(picture.page, _redirected(picture, dict.fromkeys(hidden, stand_in)))


def parameters(box: Box) -> int:
    """How many numbers are learned in a box."""
    learned = (item for item in box.items() if item.kind == "parameter")
    return sum(math.prod(item.shape or ()) for item in learned)


def _contents(box: Box) -> str:
    ops = Counter(item.title for item in box.items() if item.kind in ("op", "rule"))
    return f"{box.path or box.title}\n" + ", ".join(f"{n} × {name}" for name, n in ops.items())


def fold_repeats(picture: Picture) -> Picture:
    """Parts that follow each other, look alike and form a chain are shown once, with how often.

    Parts look alike if they hold the same ops with the same attributes and shapes, whatever their modules
    are called.  They form a chain if each uses of those before only the last, all in the same way, and if
    nothing else uses what they give but for the last: so a dense block, whose layers read all that came
    before, is never folded.
    """
    return Picture(picture.page, _Repeats(picture).folded())


class _Repeats:
    def __init__(self, picture: Picture):
        self.picture = picture
        self.into = picture.into()
        self.out: dict[Item, list[Arrow]] = {item: [] for item in self.into}
        for arrow in picture.arrows:
            self.out[arrow.tail].append(arrow)
        self.numbers: dict[Hashable, int] = {}  # equal looks have equal numbers
        self.looks: dict[Part, int] = {}
        self._number_looks(picture.page)

    def folded(self) -> list[Arrow]:
        """Fold the boxes, outer ones first, and return the arrows that are left."""
        stand_in: dict[Item, Item] = {}
        stack = [self.picture.page]
        while stack:
            box = stack.pop()
            content: list[Part] = []
            at = 0
            while at < len(box.content):
                length, times = self._longest_run(box.content, at)
                pattern = box.content[at : at + length]
                if times > 1:
                    first = _items(pattern)
                    for again in range(1, times):
                        start = at + again * length
                        stand_in.update(zip(_items(box.content[start : start + length]), first, strict=True))
                    last = box.content[at + times * length - 1]
                    pattern = [_repeated(box, pattern, last, times)]
                content += pattern
                at += length * times
            box.content[:] = content
            stack += [part for part in content if isinstance(part, Box)]
        return _redirected(self.picture, stand_in)

    def _number_looks(self, page: Box) -> None:
        """What each part looks like, inner parts first."""
        boxes = [page]
        for box in boxes:  # grows
            boxes += [part for part in box.content if isinstance(part, Box)]
        for box in reversed(boxes):
            for part in box.content:
                if isinstance(part, Item):
                    arrows = tuple((a.kind, a.shape, str(a.dtype)) for a in self.into[part])
                    title = part.title.split(": ")[-1] if part.kind == "module" else part.title
                    self.looks[part] = self._number((part.kind, title, part.small, part.note, arrows))
            looks = tuple(self.looks[part] for part in box.content)
            self.looks[box] = self._number((box.kind, box.times, looks))

    def _number(self, look: Hashable) -> int:
        return self.numbers.setdefault(look, len(self.numbers))

    def _longest_run(self, content: list[Part], at: int) -> tuple[int, int]:
        """(parts in the pattern, how often it stands here) of the run that hides the most."""
        best = (1, 1)
        for length in range(1, min(_LONGEST, (len(content) - at) // 2) + 1):
            looks = [self.looks[part] for part in content[at : at + length]]
            times, end = 1, at + length
            while [self.looks[part] for part in content[end : end + length]] == looks:
                times, end = times + 1, end + length
            if (times - 1) * length > (best[1] - 1) * best[0]:
                copies = [_items(content[start : start + length]) for start in range(at, end, length)]
                times = self._chained(copies)
                if (times - 1) * length > (best[1] - 1) * best[0]:
                    best = length, times
        return best

    def _chained(self, copies: list[list[Item]]) -> int:
        """How many of the copies, from the first on, form a chain."""
        place = {item: (k, i) for k, copy in enumerate(copies) for i, item in enumerate(copy)}

        def seen(arrow: Arrow, k: int) -> tuple[int, int] | Item:
            """An arrow's tail as its copy sees it: this copy or the last, and the place in it; or outside."""
            back, i = place.get(arrow.tail, (0, -1))
            return arrow.tail if i < 0 else (k - back, i)

        links: list[set[tuple[int, int] | Item]] = []
        for k, copy in enumerate(copies):
            tails = [[seen(arrow, k) for arrow in self.into[item]] for item in copy]
            if k == 0:
                first = tails
                continue
            for mine, original in zip(tails, first, strict=True):
                for tail, before in zip(mine, original, strict=True):
                    inside = isinstance(tail, tuple) and tail[0] == 0
                    linked = isinstance(tail, tuple) and tail[0] == 1 and isinstance(before, Item)
                    if not (tail == before if inside or isinstance(tail, Item) else linked):
                        return k
            links.append({tail for row in tails for tail in row if isinstance(tail, tuple) and tail[0] == 1})
            if not links[-1] or links[-1] != links[0]:
                return k
            for item in copies[k - 1]:
                if any(place.get(arrow.head, (-1, 0))[0] not in (k - 1, k) for arrow in self.out[item]):
                    return k
        return len(copies)


def _items(parts: list[Part]) -> list[Item]:
    return [item for part in parts for item in (part.items() if isinstance(part, Box) else (part,))]


def _repeated(around: Box, pattern: list[Part], last: Part, times: int) -> Part:
    """One part for all: the module's own if it is one module, else a new box around the pattern."""
    part = pattern[0]
    if len(pattern) == 1 and isinstance(part, Item) and part.kind == "module":
        (name, _, kind), end = part.title.partition(": "), last.title.partition(": ")[0]
        part.title = f"{name} … {end}: {kind} × {times}" if kind else f"{name} × {times}"
        return part
    if len(pattern) == 1 and isinstance(part, Box):
        box = part
        box.name = (
            f"{box.name} … {last.name}" if isinstance(last, Box) and last.name != box.name else box.name
        )
        box.times = times
        return box
    box = Box("", "", around.path, around.level + 1, around, list(pattern), times)
    for part in pattern:
        if isinstance(part, Box):
            part.parent = box
        else:
            part.box = box
    return box


def _redirected(picture: Picture, stand_in: dict[Item, Item]) -> list[Arrow]:
    """The arrows, between what stands for their ends; none in a circle and none twice."""
    order = {item: at for at, item in enumerate(picture.page.items())}

    def shown(item: Item) -> Item:
        while item in stand_in:  # what stands for another may have been folded itself
            item = stand_in[item]
        return item

    arrows: dict[Hashable, Arrow] = {}
    stay = {
        (a.tail, a.head, a.shape, a.kind)
        for a in picture.arrows
        if a.tail not in stand_in and a.head not in stand_in
    }
    for arrow in picture.arrows:
        tail, head = shown(arrow.tail), shown(arrow.head)
        moved = (tail, head) != (arrow.tail, arrow.head)
        if moved and order[tail] >= order[head]:
            continue  # inside of what was folded, or from one copy to the next
        key = (tail, head, arrow.shape, arrow.kind) if moved else arrow
        if key not in arrows and not (moved and key in stay):  # the first copy has its own
            arrow.tail, arrow.head = tail, head
            arrows[key] = arrow
    return list(arrows.values())

"""Less on one page: modules below a depth become one item, and what repeats is shown once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from .picture import Arrow, Box, Item, Picture

__all__ = ["effort", "ends", "fold_middle", "fold_modules", "fold_repeats", "parameters"]

_LONGEST = 12  # parts in a pattern that may repeat

Part = Item | Box


def fold_modules(picture: Picture, depth: int) -> Picture:
    """Every box that has `depth` others around it becomes one item: its name, its class, its parameters.

    What happens in it on the way back becomes a second item beside it.  Boxes of one op stay: that is one
    item already.

    A box is one call of a module: what is outside of it was computed before or after, so folding it never
    makes a circle.
    """
    back = picture.backward()
    stand_in: dict[Item, Item] = {}
    stack = [picture.page]
    while stack:
        box = stack.pop()
        content: list[Part] = []
        for part in box.content:
            if not isinstance(part, Box) or part.level < depth or _is_one_op(part, back):
                content.append(part)
                stack += [part] if isinstance(part, Box) else []
                continue
            ahead: Item | None = None
            for kind in ("module", "rules"):
                hidden = [item for item in part.items() if (item in back) == (kind == "rules")]
                if hidden:
                    ahead = _folded(kind, part, hidden, box, ahead)
                    content.append(ahead)
                    stand_in.update(dict.fromkeys(hidden, ahead))
        box.content[:] = content
    folded = Picture(picture.page, _redirected(picture, stand_in))
    for arrow in folded.arrows:
        if arrow.tail.folded:
            arrow.tail.shape = arrow.shape
    return _together(folded)


def _together(picture: Picture) -> Picture:
    """What folded modules share becomes one item, such as "tower: 26,432 parameters"."""
    users: dict[Item, list[Item]] = {}
    for arrow in picture.arrows:
        if arrow.tail.kind == "parameter" and arrow.kind == "data":
            users.setdefault(arrow.tail, []).append(arrow.head)
    groups: dict[Hashable, list[Item]] = {}
    for item, heads in users.items():
        if len(heads) > 1 and all(head.folded for head in heads):
            groups.setdefault((item.box, *heads), []).append(item)
    stand_in: dict[Item, Item] = {}
    for group in groups.values():
        if len(group) > 1:
            first, *more = (item.title.split(".") for item in group)
            same = [
                part
                for part, *others in zip(first, *more, strict=False)
                if all(part == other for other in others)
            ]
            box, title = group[0].box, ".".join(same) or "shared"
            small, story = f"{parameters(group):,} parameters", "\n".join(item.story for item in group)
            one = Item("parameter", title, small, story, box)
            rest = set(group[1:])
            box.content[:] = [one if part is group[0] else part for part in box.content if part not in rest]
            stand_in.update(dict.fromkeys(group, one))
    return Picture(picture.page, _redirected(picture, stand_in)) if stand_in else picture


def _folded(kind: str, part: Box, hidden: list[Item], box: Box, ahead: Item | None) -> Item:
    """The item for a box, or for the half of it that is one pass."""
    title = part.title if kind == "module" else f"{part.title if ahead is None else part.name}: ∂"
    small, count = "", parameters(hidden)
    if count:
        small = f"{count // part.times:,} {'parameters' if kind == 'module' else 'gradients'}"
        small += " each" if part.times > 1 else ""
    every = [each for item in hidden for each in item.all() if each.kind in ("op", "rule")]
    ops = ", ".join(f"{n} × {name}" for name, n in Counter(item.title for item in every).items())
    families = " ".join(sorted({item.family for item in every}))
    return Item(kind, title, small, f"{part.path or part.title}\n{ops}", box, families, beside=ahead)


def _is_one_op(box: Box, back: set[Item]) -> bool:
    """Whether it is one op, with its rule at the most."""
    kinds = [part.kind if isinstance(part, Item) else "box" for part in box.content]
    return box.level > 0 and kinds in (["op"], ["op", "rule"]) and box.content[0] not in back


def effort(picture: Picture) -> int:
    """What Graphviz has to do: it takes seconds for 2,000, and a minute for three times as much.

    That is the number of items, and the number of ranks that arrows cross: each crossing is a node to it.
    """
    ranked = (item for item in picture.page.items() if item.kind != "parameter")
    order = {item: at for at, item in enumerate(ranked)}
    ends = ((order.get(a.tail), order.get(a.head)) for a in picture.arrows if a.kind != "kept")
    return len(order) + sum(abs(b - a) for a, b in ends if a is not None and b is not None)


def fold_middle(picture: Picture, parts: int) -> Picture:
    """The page's first and last parts; what is between them becomes one item."""
    content = picture.page.content
    middle = content[parts // 2 : len(content) - parts // 2]
    if len(middle) < 2:
        return picture
    hidden = _items(middle)
    story = f"{len(hidden):,} items are left out here"
    stand_in = Item("module", f"… {len(hidden):,} more", "", story, picture.page)
    content[parts // 2 : len(content) - parts // 2] = [stand_in]
    return Picture(picture.page, _redirected(picture, dict.fromkeys(hidden, stand_in)))


def ends(picture: Picture, most: int) -> int:
    """How many of the page's parts `fold_middle` may leave for no more effort than that."""
    count = parts = len(picture.page.content)
    order = {item: at for at, part in enumerate(picture.page.content) for item in _items([part])}
    spans = [(order[a.tail], order[a.head]) for a in picture.arrows if a.kind != "kept"]
    while parts > 2:
        parts //= 2
        first, last = parts // 2, count - parts // 2 - 1  # what is between them falls on one place
        crossed = sum(
            abs(min(b, first) + max(0, b - last) - min(a, first) - max(0, a - last)) for a, b in spans
        )
        if parts + crossed <= most:
            break
    return parts


def parameters(items: Iterable[Item]) -> int:
    """How many numbers are learned in them, and in what they stand for."""
    every = (each for item in items for each in item.all())
    return sum(math.prod(e.shape) for e in every if e.kind == "parameter" and e.shape is not None)


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
        self.both = any(arrow.kind == "data" for arrow in picture.arrows)
        self.numbers: dict[Hashable, int] = {}  # equal looks have equal numbers
        self.looks: dict[Part, int] = {}
        self._number_looks(picture.page)

    def folded(self) -> list[Arrow]:
        """Fold the boxes, outer ones first, and return the arrows that are left."""
        stand_in: dict[Item, Item] = {}
        copies: dict[Item, dict[int, int]] = {}
        runs = 0
        stack = [self.picture.page]
        while stack:
            box = stack.pop()
            content: list[Part] = []
            looks = [self.looks[part] for part in box.content]
            at = 0
            while at < len(box.content):
                length, times = self._longest_run(box.content, looks, at)
                pattern = box.content[at : at + length]
                if times > 1:
                    runs += 1
                    first = _items(pattern)
                    for again in range(times):
                        start = at + again * length
                        copy = _items(box.content[start : start + length])
                        for item in copy:
                            copies.setdefault(item, {})[runs] = again
                        if again:
                            stand_in.update(zip(copy, first, strict=True))
                    last = box.content[at + times * length - 1]
                    pattern = [_repeated(box, pattern, last, times)]
                content += pattern
                at += length * times
            box.content[:] = content
            stack += [part for part in content if isinstance(part, Box)]
        return _redirected(self.picture, stand_in, copies)

    def _number_looks(self, page: Box) -> None:
        """What each part looks like, inner parts first."""
        boxes = [page]
        for box in boxes:  # grows
            boxes += [part for part in box.content if isinstance(part, Box)]
        for box in reversed(boxes):
            for part in box.content:
                if isinstance(part, Item):
                    arrows = tuple((a.kind, a.shape, str(a.dtype)) for a in self.into[part])
                    title = part.title.partition(": ")[2] if part.folded else part.title
                    self.looks[part] = self._number((part.kind, title, part.small, arrows))
            looks = tuple(self.looks[part] for part in box.content)
            self.looks[box] = self._number((box.kind, box.times, looks))

    def _number(self, look: Hashable) -> int:
        return self.numbers.setdefault(look, len(self.numbers))

    def _longest_run(self, content: list[Part], looks: list[int], at: int) -> tuple[int, int]:
        """(parts in the pattern, how often it stands here) of the run that hides the most."""
        best = (1, 1)
        for length in range(1, min(_LONGEST, (len(content) - at) // 2) + 1):
            if looks[at] != looks[at + length]:
                continue
            pattern = looks[at : at + length]
            times, end = 1, at + length
            while looks[end : end + length] == pattern:
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

        def up(arrow: Arrow) -> bool:
            """Whether it runs against the order of the copies: backward, on the page of forward."""
            return self.both and arrow.kind == "gradient"

        links: list[set[tuple[int, int] | Item]] = []
        for k, copy in enumerate(copies):
            tails = [[(seen(arrow, k), up(arrow)) for arrow in self.into[item]] for item in copy]
            if k == 0:
                first = tails
                continue
            for mine, original in zip(tails, first, strict=True):
                for (tail, back), (before, _) in zip(mine, original, strict=True):
                    inside = isinstance(tail, tuple) and tail[0] == 0
                    linked = isinstance(tail, tuple) and tail[0] == 1 and isinstance(before, Item)
                    if back:  # the last copy's come from outside
                        linked = k == len(copies) - 1 and isinstance(tail, Item) and isinstance(before, tuple)
                    if tail != before and (inside or not linked):
                        return k
            links.append(
                {tail for row in tails for tail, _ in row if isinstance(tail, tuple) and tail[0] == 1}
            )
            if not links[-1] or links[-1] != links[0]:
                return k
            for item in copies[k - 1]:
                for arrow in self.out[item]:
                    if place.get(arrow.head, (-1, 0))[0] not in (k - 1, k - 2 if up(arrow) else k):
                        return k
        return len(copies)


def _items(parts: list[Part]) -> list[Item]:
    return [item for part in parts for item in (part.items() if isinstance(part, Box) else (part,))]


def _repeated(around: Box, pattern: list[Part], last: Part, times: int) -> Part:
    """One part for all: the module's own if it is one module, else a new box around the pattern."""
    part = pattern[0]
    if len(pattern) == 1 and isinstance(part, Item) and part.folded:
        (name, _, kind), end = part.title.partition(": "), last.title.partition(": ")[0]
        part.title = f"{name} … {end}: {kind} × {times}" if kind else f"{name} × {times}"
        part.small += " each" if part.small else ""
        return part
    if len(pattern) == 1 and isinstance(part, Box):
        part.name, part.times = _from_to(part, last), times
        return part
    box = Box(_from_to(part, last), "", around.path, around.level + 1, around, list(pattern), times)
    for part in pattern:
        if isinstance(part, Box):
            part.parent = box
        else:
            part.box = box
    return box


def _from_to(first: Part, last: Part) -> str:
    """Such as "0 … 3"; nothing for what has no name."""
    names = [
        part.name if isinstance(part, Box) else part.title.partition(": ")[0] if part.folded else ""
        for part in (first, last)
    ]
    return " … ".join(dict.fromkeys(names)) if all(names) else ""


def _redirected(
    picture: Picture, stand_in: dict[Item, Item], copies: Mapping[Item, Mapping[int, int]] | None = None
) -> list[Arrow]:
    """The arrows, between what stands for their ends; none in a circle and none twice.

    Args:
        stand_in: for what is hidden, what is shown; that may be hidden behind another itself.
        copies: in which copy of which run of repeats an item is.  From one copy to the next goes no arrow.
    """

    def shown(item: Item) -> Item:
        while item in stand_in:
            item = stand_in[item]
        return item

    def place(item: Item) -> Mapping[int, int]:
        """In its own copy; in those runs that it is only shown in, where that is."""
        merged: dict[int, int] = {}
        step: Item | None = item
        while step is not None:
            for run, copy in (copies or {}).get(step, {}).items():
                merged.setdefault(run, copy)
            step = stand_in.get(step)
        return merged

    for item in stand_in:
        shown(item).hides.append(item)
    arrows: dict[Hashable, Arrow] = {}
    stay = {
        _look(a.tail, a.head, a) for a in picture.arrows if a.tail not in stand_in and a.head not in stand_in
    }
    for arrow in picture.arrows:
        tail, head = shown(arrow.tail), shown(arrow.head)
        moved = (tail, head) != (arrow.tail, arrow.head)
        if moved and tail is head:
            continue
        if moved and copies:
            here = place(arrow.head)
            if any(here.get(run, copy) != copy for run, copy in place(arrow.tail).items()):
                continue
        key = _look(tail, head, arrow) if moved else arrow
        if key not in arrows and not (moved and key in stay):  # the first copy has its own
            arrow.tail, arrow.head = tail, head
            arrows[key] = arrow
    return list(arrows.values())


def _look(tail: Item, head: Item, arrow: Arrow) -> Hashable:
    """What makes two arrows one: of what is kept, and of what is learned, a single one tells enough."""
    shape = None if arrow.kind == "kept" or tail.kind == "parameter" else arrow.shape
    return tail, head, shape, arrow.kind

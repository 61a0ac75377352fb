"""A picture as lines of text, for the terminal: no Graphviz needed."""

from __future__ import annotations

from .picture import Arrow, Box, Item, Picture, dims

__all__ = ["write"]


def write(picture: Picture) -> str:
    """One line for each op, in order, inside of the tree of modules.

    A line shows its number, the op, the shape of its result, and where its inputs come from: parameters by
    name, other lines by number.  Nothing is said where data comes from the line before.
    """
    return _Writer(picture).text()


class _Writer:
    def __init__(self, picture: Picture):
        self.picture = picture
        self.into = picture.into()
        shown = (item for item in self.into if item.kind != "parameter" or self.into[item])
        self.numbers = {item: number for number, item in enumerate(shown, 1)}
        self.latest: Item | None = None
        self.rows: list[tuple[str, str, str, str]] = []  # number, tree, result, inputs

    def text(self) -> str:
        self._add(self.picture.page)
        widths = [max((len(row[i]) for row in self.rows), default=0) for i in range(3)]
        lines = (
            f"{number:>{widths[0]}}  {tree:{widths[1]}}  {result:{widths[2]}}  {inputs}".rstrip()
            for number, tree, result, inputs in self.rows
        )
        return "\n".join(lines)

    def _add(self, page: Box) -> None:
        """Without recursion: models may be nested deeper than Python can be."""
        stack = [(iter(self._parts(page)), "")]
        while stack:
            parts, indent = stack[-1]
            part, last = next(parts, (None, False))
            if part is None:
                stack.pop()
                continue
            branch = "" if len(stack) == 1 else "└ " if last else "├ "
            if isinstance(part, Box):
                self.rows.append(("", indent + branch + part.title, "", ""))
                deeper = "" if len(stack) == 1 else "  " if last else "│ "
                stack.append((iter(self._parts(part)), indent + deeper))
            else:
                self._line(part, indent + branch)

    def _parts(self, box: Box) -> list[tuple[Item | Box, bool]]:
        """What gets a line of its own: not parameters that an op's line names."""
        shown = [part for part in box.content if isinstance(part, Box) or part in self.numbers]
        return [(part, at == len(shown) - 1) for at, part in enumerate(shown)]

    def _line(self, item: Item, tree: str) -> None:
        small = item.small if item.kind in ("op", "rule") or item.folded else ""
        label = " ".join(part for part in (item.title, small) if part)
        result = "" if item.shape is None else dims(item.shape)
        arrows = [a for a in self.into[item] if a.kind != "kept"]
        from_before = [a.tail for a in arrows if a.tail.kind != "parameter"] == [self.latest]
        names = [self._source(a) for a in arrows if not (from_before and a.tail is self.latest)]
        inputs = "from " + ", ".join(names) if names else ""
        note = f"[{' · '.join(item.note.splitlines())}]" if item.note else ""
        row = (str(self.numbers[item]), tree + label, result, "  ".join(filter(None, (inputs, note))))
        self.rows.append(row)
        self.latest = item

    def _source(self, arrow: Arrow) -> str:
        tail = arrow.tail
        if tail in self.numbers:
            return str(self.numbers[tail])
        return f"{tail.title} {'' if tail.shape is None else dims(tail.shape)}".rstrip()

"""Lines of code that are drawn one after the other: what programs and networks have in common.

Hypothesis shrinks what it drew, not what was made of it.  So each line is drawn as few numbers which mean
something after any other lines: how far to reach back, and from which row of a table to look for the first
that fits.  Then any line can be taken out, and what is left is a program again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

__all__ = ["BACK", "Step", "Text", "digits", "needed", "reach", "wishes"]


class Text:
    """Something whose repr is code."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis shows of a failure, not indented, so that it can be pasted."""
        printer.text(f"\n{self!r}\n")


@dataclass(frozen=True)
class Step:
    """One line of a program, `name = text`, and the names that it reads."""

    name: str
    text: str
    uses: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} = {self.text}"


def needed(steps: Sequence[Step], names: Iterable[str]) -> tuple[Step, ...]:
    """The steps on which these names depend.

    >>> a, b = Step("a", "x.sin()", ("x",)), Step("b", "x.cos()", ("x",))
    >>> [str(step) for step in needed([a, b], ["b"])]
    ['b = x.cos()']
    """
    wanted, kept = set(names), []
    for step in reversed(steps):
        if step.name in wanted:
            wanted.update(step.uses)
            kept.append(step)
    return tuple(reversed(kept))


BACK = (0, 0, 0, 1, 2, 3, 5, 8)  # how far a line reaches back for what it reads


def wishes(most: int, *bounds: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """What each line is to be: numbers below these bounds, whatever stands before.

    Only few numbers to a line: then Hypothesis can take any line out of the middle.
    """
    return st.lists(st.tuples(*(st.integers(0, n - 1) for n in bounds)), min_size=1, max_size=most)


def digits(number: int, *bases: int) -> list[int]:
    """One number as several, the first one counting fastest.

    >>> digits(7, 2, 4)
    [1, 3]
    """
    found = []
    for base in bases:
        number, digit = divmod(number, base)
        found.append(digit)
    return found


def reach(known: Sequence[str], back: int) -> str:
    """One of these, counted from the latest."""
    return known[-1 - BACK[back] % len(known)]

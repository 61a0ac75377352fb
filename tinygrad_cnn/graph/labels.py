"""Where the names of boxes and the labels of arrows stand, once everything else has its place.

Graphviz reserves room for them, but knows nothing of arrows that cross it.  Here each text takes, of the
places beside its own line, the one that covers the least.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

__all__ = ["Page", "Place", "along", "width"]

_CELL = 24.0  # of the grid that finds what is near
_STEP = 4.0  # from point to point on a line
_GAP = 4.5  # between a line and its label
_NARROW, _WIDE = "fijlrtI.,:;'()[] ", "mwMW"

Point = tuple[float, float]


def width(text: str, size: float) -> float:
    """How wide Arial makes it, to a tenth or so; digits are exact."""
    return size * sum(0.3 if c in _NARROW else 0.85 if c in _WIDE else 0.556 for c in text)


def along(start: Point, curves: Iterable[tuple[Point, Point, Point]]) -> list[Point]:
    """Points on Bézier curves that follow each other, a few pixels apart."""
    points = [start]
    for b, c, end in curves:
        a = points[-1]
        count = max(2, round((math.dist(a, b) + math.dist(b, c) + math.dist(c, end)) / _STEP))
        for step in range(1, count + 1):
            t = step / count
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            x, y = (sum(w * p[axis] for w, p in zip(weights, (a, b, c, end), strict=True)) for axis in (0, 1))
            points.append((x, y))
    return points


@dataclass(frozen=True)
class Place:
    """A rectangle for one line of text, and where the text is held: "start", "middle" or "end"."""

    left: float
    top: float
    right: float
    bottom: float
    anchor: str = "start"

    @property
    def x(self) -> float:
        """Of the end that the text is held at."""
        return {"start": self.left, "end": self.right, "middle": (self.left + self.right) / 2}[self.anchor]

    def covers(self, other: Place) -> bool:
        """Whether the two overlap."""
        return (
            self.left < other.right and other.left < self.right
            and self.top < other.bottom and other.top < self.bottom
        )  # fmt: skip


class Page:
    """What text should not cover, found by where it is."""

    def __init__(self, around: Place):
        self.around = around
        self.points: dict[tuple[int, int], list[tuple[float, float, Hashable, float]]] = {}
        self.places: dict[tuple[int, int], list[tuple[Place, float]]] = {}

    def add_line(self, points: Iterable[Point], owner: Hashable, weight: float) -> None:
        for x, y in points:
            cell = int(x // _CELL), int(y // _CELL)
            self.points.setdefault(cell, []).append((x, y, owner, weight))

    def add_place(self, place: Place, weight: float) -> None:
        for cell in self._cells(place):
            self.places.setdefault(cell, []).append((place, weight))

    def _cells(self, place: Place) -> Iterator[tuple[int, int]]:
        for column in range(int(place.left // _CELL), int(place.right // _CELL) + 1):
            for row in range(int(place.top // _CELL), int(place.bottom // _CELL) + 1):
                yield column, row

    def cost(self, place: Place) -> float:
        """How much text there would cover: the weights of the lines and places below it."""
        lines: dict[Hashable, float] = {}
        places: dict[Place, float] = {}
        for cell in self._cells(place):
            for x, y, owner, weight in self.points.get(cell, ()):
                if place.left <= x <= place.right and place.top <= y <= place.bottom:
                    lines[owner] = weight
            for other, weight in self.places.get(cell, ()):
                if place.covers(other):
                    places[other] = weight
        a, b = self.around, place
        outside = b.left < a.left or b.right > a.right or b.top < a.top or b.bottom > a.bottom
        return sum(lines.values()) + sum(places.values()) + 5.0 * outside

    def name(self, text: str, size: float, baseline: float, left: float, right: float) -> Place:
        """A box's name, as far to the left as no arrow crosses it."""
        long = width(text, size)
        count = max(0, int((right - left - long) / _STEP))
        tried = [
            Place(x - 2, baseline - 0.8 * size, x + long + 2, baseline + 0.25 * size)
            for x in (left + at * _STEP for at in range(count + 1))
        ]
        best = min(tried, key=self.cost)
        self.add_place(best, 3.0)
        return Place(best.left + 2, best.top, best.right - 2, best.bottom)

    def label(self, text: str, size: float, near: Point, line: list[Point]) -> Place:
        """An arrow's label, beside its line and not far from where Graphviz made room for it."""
        long, high = width(text, size), 0.9 * size
        best, least = None, math.inf
        for place in self._beside(long, high, line):
            x, y = (place.left + place.right) / 2, (place.top + place.bottom) / 2
            cost = self.cost(place) + 0.01 * math.dist(near, (x, y))
            if cost < least:
                best, least = place, cost
        if best is None:
            x, y = near
            best = Place(x - long / 2, y - high / 2, x + long / 2, y + high / 2, "middle")
        self.add_place(best, 3.0)
        return best

    def _beside(self, long: float, high: float, line: list[Point]) -> Iterator[Place]:
        """Places along a line that do not touch it: left and right of it, or above and below."""
        for at in range(1, len(line) - 1):
            (x0, y0), (x, y), (x1, y1) = line[at - 1 : at + 2]
            across, down = abs(x1 - x0), abs(y1 - y0)
            if long * down * down >= high * across * across:
                off = _GAP + high / 2 * across / max(down, 1e-9)
                yield Place(x + off, y - high / 2, x + off + long, y + high / 2)
                yield Place(x - off - long, y - high / 2, x - off, y + high / 2, "end")
            else:
                off = _GAP / 2 + long / 2 * down / max(across, 1e-9)
                yield Place(x - long / 2, y - off - high, x + long / 2, y - off, "middle")
                yield Place(x - long / 2, y + off, x + long / 2, y + off + high, "middle")

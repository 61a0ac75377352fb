"""Graphviz's SVG, made ready for pages: smaller, right in whatever font the reader has, and no text under an
arrow where there is room elsewhere.

Graphviz places text by the widths of Arial and writes down where each line starts.  Where Arial is missing,
wider letters would leave their boxes on one side and run into the arrows that they label.
"""

from __future__ import annotations

import re
from itertools import pairwise

from .labels import Page, Place, Point, along

__all__ = ["finished"]

# All as wide as Arial, or nearly so.
_FONTS = "Arial, Helvetica, Liberation Sans, Arimo, DejaVu Sans Condensed, sans-serif"
_START = re.compile(r'(?=<g id="[^"]*" class="(?:cluster|node|edge)">)')
_TEXT = re.compile(
    r'<text text-anchor="\w+" x="([-\d.]+)" y="([-\d.]+)"( font-size="([\d.]+)"[^>]*>)([^<]*)</text>\n?'
)
_OUTLINE = re.compile(r'<(?:polygon|path|ellipse) fill="([^"]*)"[^>]* (?:d|points|cx)="([^"]*)"')
_ELLIPSE = re.compile(r'<ellipse [^>]*cx="([^"]*)" cy="([^"]*)" rx="([^"]*)" ry="([^"]*)"')
_SHAPE = re.compile(r'<(?:polygon|path) [^>]*(?:d|points)="([^"]*)"')
_SIZE = re.compile(
    r'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"[^<]*<g [^>]*translate\(([-\d.]+)[ ,]([-\d.]+)\)'
)
_BLANK = "&#160;"


def finished(svg: str) -> str:
    """The same picture: lines of text in the middle of their nodes, labels beside their arrows, and the names
    of boxes legible on top of the arrows that cross them.

    >>> finished('<svg><text xml:space="preserve" font-family="Arial" x="1">a</text></svg>')
    '<svg font-family="Arial, Helvetica, Liberation Sans, Arimo, DejaVu Sans Condensed, sans-serif"><text x="1">a</text></svg>'
    """  # noqa: E501
    svg = svg.replace(' xml:space="preserve"', "").replace(' font-family="Arial"', "")
    svg = re.sub(r"<!-- (?!Generated).*?-->\n", "", svg, flags=re.S)
    parts = _START.split(svg)
    svg = "".join(_Placing(parts).placed())
    return re.sub(r"<svg\b", f'<svg font-family="{_FONTS}"', svg, count=1)


class _Placing:
    """All parts of a picture: boxes, nodes, arrows."""

    def __init__(self, parts: list[str]):
        self.parts = parts
        self.kinds = [_kind(part) for part in parts]
        size = _SIZE.search(parts[0])
        w, h, x, y = map(float, size.groups()) if size else (0.0, 0.0, 0.0, 0.0)
        self.page = Page(Place(-x, -y, w - x, h - y))
        self.lines: dict[int, list[Point]] = {}
        for at, (part, kind) in enumerate(zip(parts, self.kinds, strict=True)):
            for number, shape in enumerate(_SHAPE.findall(part)):
                points = _points(shape)
                if kind == "cluster" and not number:
                    self.page.add_line(points, at, 0.25)
                if kind == "edge":
                    self.page.add_line(points, at, 1.0)
                    if not number:
                        self.lines[at] = points
            if kind == "node" and (place := _extent(part)) is not None:
                self.page.add_place(place, 3.0)

    def placed(self) -> list[str]:
        """With their text where it belongs; the names of boxes come last, on top."""
        names: list[str] = []
        made = list(self.parts)
        for kind, place in (("cluster", self._name), ("node", self._node), ("edge", self._label)):
            for at, part in enumerate(self.parts):
                if self.kinds[at] == kind:
                    made[at] = place(at, part, names)
        end = made[-1].rfind("</g>\n</svg>")
        if names:
            made[-1:] = [made[-1][:end], *names, made[-1][end:]]
        return made

    def _name(self, at: int, part: str, names: list[str]) -> str:
        outline, place = _OUTLINE.search(part), _extent(part)
        if outline is None or place is None:
            return part
        for _, y, style, size, text in _TEXT.findall(part):
            word = re.sub(f"(?:{_BLANK}| )+$", "", text)  # room beside it
            stands = self.page.name(_plain(word), float(size), float(y), place.left + 8, place.right - 8)
            halo = f'stroke="{outline[1]}" stroke-width="3" paint-order="stroke"'
            names.append(f'<text x="{stands.x:.2f}" y="{y}" {halo}{style}{word}</text>\n')
        return _TEXT.sub("", part)

    def _node(self, at: int, part: str, names: list[str]) -> str:
        place = _extent(part)
        if place is None:
            return part
        part = re.sub(r'(<text .* y=")([-\d.]+)(".*\n<text )', _raised, part, count=1)
        middle = (place.left + place.right) / 2
        return _TEXT.sub(rf'<text text-anchor="middle" x="{middle:.2f}" y="\2"\3\5</text>\n', part)

    def _label(self, at: int, part: str, names: list[str]) -> str:
        def placed(text: re.Match[str]) -> str:
            word, size = text[5].replace(_BLANK, " ").strip(), float(text[4])
            near = float(text[1]), float(text[2]) - 0.36 * size
            place = self.page.label(_plain(word), size, near, self.lines.get(at, []))
            anchor = "" if place.anchor == "start" else f'text-anchor="{place.anchor}" '
            y = (place.top + place.bottom) / 2 + 0.36 * size
            return f'<text {anchor}x="{place.x:.2f}" y="{y:.2f}"{text[3]}{word}</text>\n'

        return _TEXT.sub(placed, part)


def _kind(part: str) -> str:
    found = re.match(r'<g id="[^"]*" class="(\w+)"', part)
    return found[1] if found else ""


def _plain(text: str) -> str:
    """For its length."""
    return re.sub(r"&#?\w+;", "x", text)


def _points(shape: str) -> list[Point]:
    """Points on a path's curves, or on a polygon."""
    corners = _corners(shape)
    if "C" not in shape:
        return along(corners[0], ((a, b, b) for a, b in pairwise(corners)))
    return along(corners[0], zip(corners[1::3], corners[2::3], corners[3::3], strict=True))


def _corners(shape: str) -> list[Point]:
    numbers = list(map(float, re.findall(r"-?[\d.]+", shape)))
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _extent(part: str) -> Place | None:
    """The rectangle around a node or a box."""
    corners: list[Point] = []
    for cx, cy, rx, ry in (map(float, found) for found in _ELLIPSE.findall(part)):
        corners += [(cx - rx, cy - ry), (cx + rx, cy + ry)]
    for shape in _SHAPE.findall(part):
        corners += _corners(shape)
    if not corners:
        return None
    xs, ys = zip(*corners, strict=True)
    return Place(min(xs), min(ys), max(xs), max(ys))


def _raised(title: re.Match[str]) -> str:
    """A title a little away from the small print below it."""
    return f"{title[1]}{float(title[2]) - 1.5:.2f}{title[3]}"

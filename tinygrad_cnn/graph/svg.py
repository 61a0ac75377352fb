"""Graphviz's SVG, made ready for pages: smaller, and right in whatever font the reader has.

Graphviz places text by the widths of Arial and writes down where each line starts.  Where Arial is missing,
wider letters would leave their boxes on one side and run into the arrows that they label.
"""

from __future__ import annotations

import re

__all__ = ["finished"]

_FONTS = "Arial, Helvetica, Liberation Sans, sans-serif"
_START = re.compile(r'(?=<g id="[^"]*" class="(?:cluster|node|edge)">)')
_TEXT = re.compile(
    r'<text text-anchor="\w+" x="([-\d.]+)"( y="[-\d.]+" font-size="([\d.]+)"[^>]*>)([^<]*)</text>\n?'
)
_OUTLINE = re.compile(r'<(?:polygon|path|ellipse) fill="([^"]*)"[^>]* (?:d|points|cx)="([^"]*)"')
_DIGIT = 0.556  # how wide Arial's digits are, in the font's size


def finished(svg: str) -> str:
    """The same picture: lines of text in the middle of their nodes, labels beside their arrows, and the names
    of boxes legible on top of the arrows that cross them.

    >>> finished('<svg><text xml:space="preserve" font-family="Arial" x="1">a</text></svg>')
    '<svg font-family="Arial, Helvetica, Liberation Sans, sans-serif"><text x="1">a</text></svg>'
    """
    svg = svg.replace(' xml:space="preserve"', "").replace(' font-family="Arial"', "")
    svg = re.sub(r"<!-- (?!Generated).*?-->\n", "", svg, flags=re.S)
    svg = re.sub(r"<svg\b", f'<svg font-family="{_FONTS}"', svg, count=1)
    names: list[str] = []
    svg = "".join(_placed(part, names) for part in _START.split(svg))
    end = svg.rfind("</g>\n</svg>")
    return svg[:end] + "".join(names) + svg[end:] if names else svg


def _placed(part: str, names: list[str]) -> str:
    """One box, node or arrow with its text where it belongs; the names of boxes are collected instead."""
    kind = re.match(r'<g id="[^"]*" class="(\w+)"', part)
    outline = _OUTLINE.search(part)
    if kind is None or outline is None:
        return part
    if kind[1] == "edge":
        return _TEXT.sub(_beside, part)
    xs = [float(x) for x in re.findall(r"(?:^|[ MC])(-?[\d.]+)", outline[2].replace(",", ";"))]
    left, middle = min(xs), (min(xs) + max(xs)) / 2
    if kind[1] == "node":
        part = re.sub(r'(<text .* y=")([-\d.]+)(".*\n<text )', _raised, part, count=1)
        return _TEXT.sub(rf'<text text-anchor="middle" x="{middle:.2f}"\2\4</text>\n', part)
    halo = f'stroke="{outline[1]}" stroke-width="3" paint-order="stroke"'
    names += [f'<text x="{left + 8:.2f}" {halo}{t[2]}{t[4]}</text>\n' for t in _TEXT.finditer(part)]
    return _TEXT.sub("", part)


def _raised(title: re.Match[str]) -> str:
    """A title a little away from the small print below it."""
    return f"{title[1]}{float(title[2]) - 1.5:.2f}{title[3]}"


def _beside(text: re.Match[str]) -> str:
    """An arrow's label, from where Arial's would start; the blanks before it only made room."""
    label, size = text[4].replace("&#160;", " "), float(text[3])
    word = label.lstrip()
    gap = len(label) - len(word)
    start = float(text[1]) - _DIGIT * size * (len(word) - gap / 2) / 2
    if not gap:
        return f'<text text-anchor="middle" x="{text[1]}"{text[2]}{word}</text>\n'
    return f'<text x="{start:.2f}"{text[2]}{word}</text>\n'

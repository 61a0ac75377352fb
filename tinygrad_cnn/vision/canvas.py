"""Pictures that move: boxes, words and lines, each seen from one step to another, as SVG, GIF and PNG.

A picture is a list of marks.  What is painted later lies on top, what has no `when` is always seen.  The SVG
is text: equal marks give equal text, and its clock is a few lines of CSS, which browsers run also where
scripts are not allowed.  GIF and animated PNG are painted by Pillow from the same marks.  The page behind
may be light or dark: words stand on boxes of their own colour.
"""

from __future__ import annotations

import html
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, MissingToolError
from ..files import atomic_write

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

__all__ = ["Animation", "Boxes", "Line", "Slide", "Words", "grid", "heading", "number", "room"]

INK, PAPER, MUTED = "#1b1b1b", "#ffffff", "#566069"
# Tints of Okabe and Ito's palette.  Of a window, its tint and its frame; the rest by what a cell is.
PLAIN, EMPTY, WEIGHT, RESULT, SEEN = "#eceff1", "#f2f4f6", "#bcdcf2", "#bfe6d3", "#fdd9a0"
TITLE, FRAME, WINNER, LABEL, RULE = "#37474f", "#c43e00", "#007a59", "#004f7c", "#8c959f"
CELL, SIZE = 40, 15
_ROUND = 3
_DASH = 3
_FONT = "Helvetica, Arial, sans-serif"
_KINDS = ("svg", "gif", "png")
_GLIDE = 0.35  # for how many seconds a slide is on its way, at most a third of a step
_ZOOM, _FINER = 2, 2  # pixels for each unit, and how much finer it is painted before it is scaled down

Pair = tuple[float, float]
When = tuple[int, int] | None  # from this step until before that one; None: always


@dataclass(frozen=True)
class Boxes:
    """Boxes of one size and colour, at several places: (x, y) of their upper left corners."""

    corners: tuple[Pair, ...]
    width: float
    height: float
    fill: str = "none"
    line: str = ""  # the colour of the outline; "" without
    thick: float = 1
    dashed: bool = False
    when: When = None


@dataclass(frozen=True)
class Words:
    """One line of text around (x, y), or beginning or ending there."""

    x: float
    y: float
    text: str
    size: float = SIZE
    colour: str = INK
    bold: bool = False
    anchor: str = "middle"  # or "start", "end"
    when: When = None


@dataclass(frozen=True)
class Line:
    """From point to point, with an arrow's head at the last one if wanted."""

    points: tuple[Pair, ...]
    colour: str = RULE
    thick: float = 2
    arrow: bool = False
    dashed: bool = False
    when: When = None


@dataclass(frozen=True)
class Slide:
    """Boxes around (0, 0) that lie at another place in each step; an SVG shows them move there."""

    boxes: Boxes
    places: tuple[Pair, ...]
    when: None = None

    def at(self, step: int) -> Boxes:
        """Where they lie in a step."""
        x, y = self.places[step]
        return replace(self.boxes, corners=tuple((x + a, y + b) for a, b in self.boxes.corners))


Still = Boxes | Words | Line
Mark = Still | Slide


class Animation:
    """A picture of several steps; one step is a still picture.

    The last expression of a notebook cell, it shows itself.

    Attributes:
        title: what it shows, in a sentence, for those who cannot see it.
        width, height: in units of about a pixel.
        marks: what is painted, from the lowest.
        steps: how many.
        pause: how many seconds a step is seen; the last one is seen twice as long.

    >>> marks = [Words(20, 10, "1", when=(0, 1)), Words(20, 10, "2", when=(1, 2))]
    >>> picture = Animation("one, two", 40, 20, marks, steps=2)
    >>> len(picture), picture.words(1), picture.frame(0).words()
    (2, ['2'], ['1'])
    """

    def __init__(
        self,
        title: str,
        width: float,
        height: float,
        marks: Sequence[Mark],
        steps: int = 1,
        pause: float = 1.5,
    ):
        if not pause > 0:
            raise ArgumentError(f"animation: pause is {pause!r}; give the seconds that a step is to be seen")
        self.title, self.width, self.height = title, width, height
        self.marks, self.steps, self.pause = list(marks), steps, pause

    def __len__(self) -> int:
        return self.steps

    def frame(self, step: int) -> Animation:
        """One step as a still picture, for print; -1 is the last.

        Raises:
            ArgumentError: there is no such step.
        """
        return Animation(self.title, self.width, self.height, list(self._seen(step)))

    def words(self, step: int = -1) -> list[str]:
        """All that can be read in one step."""
        return [mark.text for mark in self._seen(step) if isinstance(mark, Words)]

    def svg(self) -> str:
        """The picture as SVG text; readers who asked their system for less motion see the last step."""
        groups = [(k, list(marks)) for k, marks in groupby(self.marks, self._moves)]
        name = f"t{zlib.crc32(repr((self.title, self.marks)).encode()):08x}"  # pages may show several
        times = sorted({k for k, _ in groups if isinstance(k, tuple)})
        slides = [k for k, _ in groups if isinstance(k, Slide)]
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{_FONT}" '
            f'font-size="{SIZE}" text-anchor="middle" fill="{INK}">',
            f"<title>{html.escape(self.title)}</title>",
            *self._clock(name, times, slides),
        ]
        for how, marks in groups:
            if isinstance(how, Slide):
                x, y = how.places[-1]
                attributes = f'class="{name}-s{slides.index(how)}" transform="translate({_n(x)} {_n(y)})"'
                drawn = [f"<g {attributes}>", _svg(how.boxes), "</g>"]
            else:
                drawn = _svgs([mark.at(0) if isinstance(mark, Slide) else mark for mark in marks])
                if how:
                    seen_last = "" if how[1] == self.steps else ' visibility="hidden"'
                    drawn = [f'<g class="{name}-{times.index(how)}"{seen_last}>', *drawn, "</g>"]
            lines += drawn
        return "\n".join([*lines, "</svg>", ""])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as .svg, .gif or .png, as the suffix says; the PNG is animated if it has several steps.

        Raises:
            ArgumentError: another suffix.
            MissingToolError: a .gif or .png, and Pillow is not installed.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in _KINDS:
            suffixes = ", ".join(f".{name}" for name in _KINDS)
            raise ArgumentError(
                f"animation: cannot write {path.name!r}; its name must end in one of {suffixes}"
            )
        frames = [] if kind == "svg" else _few_colours([_paint(self.frame(i)) for i in range(self.steps)])
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            if kind == "svg":
                file.write(self.svg().encode())
            else:
                milliseconds = [round(1000 * self.pause)] * (self.steps - 1) + [round(2000 * self.pause)]
                several: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "loop": 0}
                several["duration"] = milliseconds
                frames[0].save(file, format=kind, **(several if self.steps > 1 else {}))
        return path

    def _moves(self, mark: Mark) -> When | Slide:
        """What a mark shares with others when it is animated: the steps in which it is seen."""
        return mark if isinstance(mark, Slide) and self.steps > 1 else mark.when

    def _seen(self, step: int) -> Iterator[Still]:
        if not -self.steps <= step < self.steps:
            raise ArgumentError(f"animation: there is no step {step}; they go from 0 to {self.steps - 1}")
        step %= self.steps
        for mark in self.marks:
            if isinstance(mark, Slide):
                yield mark.at(step)
            elif mark.when is None or mark.when[0] <= step < mark.when[1]:
                yield replace(mark, when=None)

    def _clock(self, name: str, times: list[tuple[int, int]], slides: list[Slide]) -> list[str]:
        """One CSS animation for each span of steps, and for each slide."""
        if not times and not slides:
            return []
        ticks = self.steps + 1
        lines = ["<style>", "@media (prefers-reduced-motion: no-preference) {"]
        for k, (first, stop) in enumerate(times):
            frames = ["0%{visibility:hidden}"] if first else []
            frames.append(f"{100 * first / ticks:.4g}%{{visibility:visible}}")
            if stop < self.steps:
                frames.append(f"{100 * stop / ticks:.4g}%{{visibility:hidden}}")
            lines.append(f".{name}-{k}{{animation:{name}-{k} {ticks * self.pause:g}s step-end infinite}}")
            lines.append(f"@keyframes {name}-{k}{{{''.join(frames)}}}")
        glide = min(_GLIDE, self.pause / 3) / self.pause
        for k, slide in enumerate(slides):
            frames = []
            for step, (x, y) in enumerate(slide.places):
                stop = ticks if step == self.steps - 1 else step + 1
                stay = f"{100 * step / ticks:.4g}%,{100 * (stop - glide) / ticks:.4g}%"
                frames.append(f"{stay}{{transform:translate({_n(x)}px,{_n(y)}px)}}")
            x, y = slide.places[0]
            frames.append(f"100%{{transform:translate({_n(x)}px,{_n(y)}px)}}")
            lines.append(
                f".{name}-s{k}{{animation:{name}-s{k} {ticks * self.pause:g}s ease-in-out infinite}}"
            )
            lines.append(f"@keyframes {name}-s{k}{{{''.join(frames)}}}")
        return [*lines, "}", "</style>"]

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Animation of {self.steps} steps: {self.title}; .save('it.svg') writes it>"


# --- what pictures of arrays share -----------------------------------------------------------------


def number(value: Any) -> str:
    """A number as it is written in a cell: all of a whole one, else two decimals, or three digits.

    >>> number(-2.0), number(0.256), number(-0.0), number(1234.5)
    ('−2', '0.26', '0', '1.23e+03')
    """
    value = float(value) + 0.0  # no negative zero
    if value.is_integer() and abs(value) < 1e6:
        text = f"{value:.0f}"
    else:
        text = f"{value:.2f}".rstrip("0").rstrip(".") if 0.01 <= abs(value) < 100 else f"{value:.3g}"
    return text.replace("-", "−").replace("inf", "∞")


def room(text: str, size: float = SIZE) -> int:
    """About how wide a text is, in whatever font it will be."""
    return math.ceil(0.58 * size * len(text))


def heading(x: float, y: float, width: float, text: str, size: float = 13) -> list[Mark]:
    """White words on a dark bar, 24 units high."""
    return [
        Boxes(((x, y),), width, 24, TITLE),
        Words(x + width / 2, y + 12, text, min(size, size * width / (room(text, size) + 8)), PAPER),
    ]


def grid(x: float, y: float, numbers: Any, fill: str, *, cell: float = CELL, when: When = None) -> list[Mark]:
    """A matrix, one cell to each number; NaN is an empty cell."""
    values = np.asarray(numbers, np.float64)
    corners = tuple((x + j * cell + 1, y + i * cell + 1) for i, j in np.ndindex(values.shape))
    marks: list[Mark] = [Boxes(corners, cell - 2, cell - 2, fill, when=when)]
    for (i, j), value in np.ndenumerate(values):
        if value == value:
            marks.append(in_cell(x + j * cell, y + i * cell, number(value), cell=cell, when=when))
    return marks


def in_cell(
    x: float, y: float, text: str, *, cell: float = CELL, colour: str = INK, when: When = None
) -> Words:
    """Words in the middle of a cell, as large as they fit."""
    return Words(x + cell / 2, y + cell / 2, text, _fitting(text, cell), colour, when=when)


def _fitting(text: str, cell: float) -> float:
    size = min(SIZE, 0.42 * cell)
    return round(min(size, size * 0.86 * cell / room(text, size)), 1) if text else size


# --- writers ---------------------------------------------------------------------------------------


def _n(value: float) -> str:
    return f"{round(value, 2):g}"


def _svgs(marks: Sequence[Still]) -> list[str]:
    """Marks in order; words of one style share it."""
    lines = []
    for style, alike in groupby(marks, lambda m: _style(m) if isinstance(m, Words) else ""):
        drawn = [_svg(mark) for mark in alike]
        lines += [f"<g{style}>", *drawn, "</g>"] if style else drawn
    return lines


def _style(words: Words) -> str:
    """What is not as everywhere."""
    style = "" if words.size == SIZE else f' font-size="{_n(words.size)}"'
    style += "" if words.colour == INK else f' fill="{words.colour}"'
    style += ' font-weight="bold"' if words.bold else ""
    return style + ("" if words.anchor == "middle" else f' text-anchor="{words.anchor}"')


def _svg(mark: Still) -> str:
    if isinstance(mark, Words):
        y = mark.y + 0.36 * mark.size  # where the letters stand
        return f'<text x="{_n(mark.x)}" y="{_n(y)}">{html.escape(mark.text, quote=False)}</text>'
    dashes = f' stroke-dasharray="{_DASH} {_DASH}"' if mark.dashed else ""
    if isinstance(mark, Boxes):
        inset = 0 if mark.line else _ROUND  # without an outline, a line of the same colour rounds the corners
        w, h = _n(mark.width - 2 * inset), _n(mark.height - 2 * inset)
        d = "".join(f"M{_n(x + inset)} {_n(y + inset)}h{w}v{h}h-{w}z" for x, y in mark.corners)
        line, thick = (mark.line, mark.thick) if mark.line else (mark.fill, 2 * _ROUND)
        return (
            f'<path d="{d}" fill="{mark.fill}" stroke="{line}" stroke-width="{_n(thick)}" '
            f'stroke-linejoin="round"{dashes}/>'
        )
    d = " ".join(f"{_n(x)},{_n(y)}" for x, y in mark.points)
    head = ""
    if mark.arrow:
        d_head = " ".join(f"{_n(x)},{_n(y)}" for x, y in _head(mark))
        head = f'<polygon points="{d_head}" fill="{mark.colour}"/>'
    return (
        f'<polyline points="{d}" fill="none" stroke="{mark.colour}" stroke-width="{_n(mark.thick)}" '
        f'stroke-linejoin="round"{dashes}/>{head}'
    )


def _head(line: Line) -> list[Pair]:
    """The triangle at the end of a line."""
    (x0, y0), (x, y) = line.points[-2:]
    length = float(np.hypot(x - x0, y - y0)) or 1.0
    dx, dy = (x - x0) / length, (y - y0) / length
    size = 3 + 2 * line.thick
    return [
        (x + dx, y + dy),
        (x - size * dx - 0.5 * size * dy, y - size * dy + 0.5 * size * dx),
        (x - size * dx + 0.5 * size * dy, y - size * dy - 0.5 * size * dx),
    ]


def _paint(picture: Animation) -> Image.Image:
    """A still picture in pixels, on white."""
    try:
        import matplotlib
        from PIL import Image, ImageDraw
    except ImportError:
        raise MissingToolError(
            "animation: .gif and .png need Pillow, and a font of matplotlib's; "
            "pip install 'tinygrad-cnn[viz]', or save an .svg"
        ) from None
    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"
    zoom = _ZOOM * _FINER
    image = Image.new("RGB", (round(picture.width * zoom), round(picture.height * zoom)), PAPER)
    draw = ImageDraw.Draw(image)
    for mark in picture._seen(0):
        _brush(draw, mark, zoom, fonts)
    return image.reduce(_FINER)


def _few_colours(frames: list[Image.Image]) -> list[Image.Image]:
    """One palette for all steps: files become small, and are written many times as fast."""
    from PIL import Image

    if len(frames) == 1:
        return frames
    width, height = frames[0].size
    sample = Image.new("RGB", (width, 3 * height))
    for k, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        sample.paste(frame, (0, k * height))
    counted: Any = sample.getcolors(sample.width * sample.height)
    commonest = sorted(counted, reverse=True)[:256]  # white stays white
    palette = Image.new("P", (1, 1))
    palette.putpalette(bytes(channel for _, colour in commonest for channel in colour))
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


@lru_cache(maxsize=64)
def _font(file: str, size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(file, size)


def _brush(draw: ImageDraw.ImageDraw, mark: Still, zoom: int, fonts: Path) -> None:
    if isinstance(mark, Words):
        file = fonts / ("DejaVuSans-Bold.ttf" if mark.bold else "DejaVuSans.ttf")
        font = _font(str(file), 0.9 * mark.size * zoom)  # it is wider than what browsers have
        anchor = {"middle": "m", "start": "l", "end": "r"}[mark.anchor] + "s"
        place = (mark.x * zoom, (mark.y + 0.36 * mark.size) * zoom)
        draw.text(place, mark.text, mark.colour, font, anchor)
    elif isinstance(mark, Boxes):
        for x, y in mark.corners:
            corners = (x * zoom, y * zoom, (x + mark.width) * zoom - 1, (y + mark.height) * zoom - 1)
            fill = None if mark.fill == "none" else mark.fill
            if mark.dashed:
                draw.rectangle(corners, fill)
                left, top, right, bottom = corners
                around_it = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
                _draw_line(draw, around_it, mark, mark.line, zoom)
            elif mark.line:
                half = mark.thick / 2 * zoom  # an outline lies half inside, half outside
                around = (corners[0] - half, corners[1] - half, corners[2] + half, corners[3] + half)
                draw.rounded_rectangle(around, half, fill, mark.line, max(1, round(2 * half)))
            else:
                draw.rounded_rectangle(corners, _ROUND * zoom, fill)
    else:
        points = [(x * zoom, y * zoom) for x, y in mark.points]
        _draw_line(draw, points, mark, mark.colour, zoom)
        if mark.arrow:
            draw.polygon([(x * zoom, y * zoom) for x, y in _head(mark)], mark.colour)


def _draw_line(
    draw: ImageDraw.ImageDraw, points: list[Pair], mark: Boxes | Line, colour: str, zoom: int
) -> None:
    thick = max(1, round(mark.thick * zoom))
    for piece in _dashes(points, _DASH * zoom) if mark.dashed else [points]:
        draw.line(piece, colour, thick, joint="curve")


def _dashes(points: list[Pair], length: float) -> Iterator[list[Pair]]:
    """Every other piece of this length along a line, each of which ends at a corner at the latest."""
    walked = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        whole = math.hypot(x1 - x0, y1 - y0)
        for n in range(int(walked // length), math.ceil((walked + whole) / length)):
            start, stop = max(n * length - walked, 0), min((n + 1) * length - walked, whole)
            if n % 2 == 0 and start < stop - 1:  # both ends are painted
                ends = (start / whole, (stop - 1) / whole)
                yield [(x0 + (x1 - x0) * t, y0 + (y1 - y0) * t) for t in ends]
        walked += whole

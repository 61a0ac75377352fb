"""A window slides over an image: convolution, transposed convolution and pooling, step by step.

What is drawn is computed by the library: where the windows lie by its geometry, the results by its ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np

from ..creation import tensor
from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import Windows, conv_geometry, conv_transpose_geometry, pool_geometry
from ..nn import functional as F
from . import canvas
from .canvas import CELL, Animation, Boxes, Mark, Slide, When, Words

__all__ = ["animate_conv"]

_KINDS = ("correlation", "convolution", "transposed", "max", "average")
_MOST = 400
_GAP, _EDGE = 24, 8
_WIDE = 420  # three columns that need more become two: on a phone they would be too small to read
_LINE, _SMALL = 22, 14

Place = tuple[int, ...]


def animate_conv(
    image: Any,
    kernel: Any = 3,
    *,
    kind: str = "correlation",
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    output_padding: Any = 0,
    ceil_mode: bool = False,
    names: Sequence[str] = ("image", "kernel", "result"),
    pause: float = 1.5,
) -> Animation:
    """The kernel slides over the image; each step shows one window, its products and their sum.

    Args:
        image: (height, width); or just its size, as an int or two, and it gets small whole numbers.
        kernel: (height, width); or just its size, and it gets small whole numbers.  Pooling needs the size.
        kind: "correlation" is what CNNs call convolution, `conv2d`; "convolution" is the true one, which
            turns the kernel by 180 degrees first; "transposed" is `conv_transpose2d`, where each pixel
            adds its multiple of the kernel to the result; "max" and "average" are pooling.
        stride: 1 where none is given; for pooling the size of the kernel.
        padding: as in `conv2d`: "valid", "same", "full", an int, or for each axis an int or a pair.
        dilation: how far apart the kernel's taps lie; of all but "average".
        output_padding: of "transposed".
        ceil_mode: of pooling: the last window may hang over the end.
        names: what the image, the kernel and the result are called above their numbers.
        pause: for how many seconds a step is seen.

    Returns:
        An `Animation`: `.save("conv.svg")` (or .gif, or .png), `.frame(3)` for one step, `.svg()`.

    Raises:
        ArgumentError: another kind, an option that this kind has not, other than three names, or more than
            400 steps.
        ShapeError: an image or a kernel that has not two axes, or windows that do not fit.
        DtypeError: what is not made of real numbers.

    >>> steps = animate_conv([[1, 2, 0], [0, 1, 3]], [[1, -1], [0, 2]])
    >>> len(steps), steps.words(0)[-3:]
    (2, ['1·1 + 2·(−1) +', '0·0 + 1·2', '= 1'])
    >>> animate_conv(4, 2, kind="max").words(0)[-1]
    '= 3'
    """
    if kind not in _KINDS:
        raise ArgumentError(f"animate_conv: kind is {kind!r}; it can be {', '.join(map(repr, _KINDS))}")
    pooling = kind in ("max", "average")
    for name, given, fits in (
        ("output_padding", output_padding, kind == "transposed"),
        ("ceil_mode", ceil_mode, pooling),
        ("dilation", dilation if dilation not in (1, (1, 1), [1, 1]) else 0, kind != "average"),
    ):
        if given and not fits:
            raise ArgumentError(f"animate_conv: {kind!r} has no {name}; leave it out")
    if isinstance(names, str) or len(names) != 3:
        raise ArgumentError(f"animate_conv: names are three, of image, kernel and result, not {names!r}")
    x = _matrix("image", image, lambda i, j: (i * i + 3 * j + i * j) % 5)
    if pooling:
        size = _size(kernel)
        if size is None:
            raise ArgumentError(
                f"animate_conv: pooling has no weights; give the size of its window, not {kernel!r}"
            )
        w = np.zeros(size)
        geom: Windows = pool_geometry(
            (1, 1, *x.shape), size, stride, padding, dilation, ceil_mode, axes=2, op="animate_conv"
        )
    else:
        w = _matrix("kernel", kernel, lambda i, j: (i + 2 * j + 2) % 4 - 1)
        make = conv_transpose_geometry if kind == "transposed" else conv_geometry
        more = {"output_padding": output_padding} if kind == "transposed" else {}
        geom = make(
            (1, 1, *x.shape), (1, 1, *w.shape), 1 if stride is None else stride, padding,
            dilation=dilation, **more, axes=2, op="animate_conv",
        )  # fmt: skip
    if (steps := geom.out[0] * geom.out[1]) > _MOST:
        raise ArgumentError(
            f"animate_conv: {steps} steps are too many to watch; for at most {_MOST} make the image "
            f"smaller or the stride larger"
        )
    stage = _Stage(kind, x, w, geom, names)
    if kind == "transposed":
        stage.stamp(_stamped(x, w, geom))
    else:
        stage.slide(*_slid(kind, x, w, geom, ceil_mode))
    return stage.animation(pause)


class _Stage:
    """Where everything stands, and the marks of all steps.

    Windows lie on the wide plane, and each has its place on the narrow one: image and result, or for the
    transposed convolution, which is the same geometry read from the other end, result and image.
    """

    def __init__(self, kind: str, x: np.ndarray, w: np.ndarray, geom: Windows, names: Sequence[str]):
        self.kind, self.x, self.w, self.geom = kind, x, w, geom
        self.steps = geom.out[0] * geom.out[1]
        self.places = list(np.ndindex(*geom.out))
        self.start = [-before for before, _ in geom.padding]  # the wide plane with its padding
        self.stop = [
            max(n if kind == "transposed" else n + after, s * (n_out - 1) + d * (f - 1) + 1 - before)
            for n, f, s, (before, after), d, n_out in geom.axes()
        ]
        self.marks: list[Mark] = []
        self.said = 0
        wide: Place = tuple(np.subtract(self.stop, self.start).tolist())
        padded = any(map(any, geom.padding))
        of_x, of_w, of_y = names
        turned = [(f"{of_w}, turned", w.shape)] if kind == "convolution" else []
        weights = [] if kind in ("max", "average") else [(of_w, w.shape), *turned]
        image = [(f"{of_x} {_by(x.shape)}{' + padding' * padded}", wide)]
        result = [(f"{of_y} {_by(geom.out)}", geom.out)]
        if kind == "transposed":
            image = [(f"{of_x} {_by(x.shape)}", geom.out)]
            result = [(f"{of_y} {_by(geom.size)}{' + cut off' * padded}", wide)]
        columns = [image, weights, result]
        below_image = False
        if weights and sum(map(_across, columns)) > _WIDE:  # the small grids stand under each other
            below_image = kind != "transposed" and _down(image) <= _down(weights)
            if kind == "transposed":
                columns = [image + weights, result]
            else:
                columns = [image + result, weights] if below_image else [image, weights + result]
        at, self.width, self.bottom = self._columns(columns)
        if below_image:
            at.append(at.pop(1))
        self.narrow, self.wide = (at[0], at[-1]) if kind == "transposed" else (at[-1], at[0])
        self.weights = at[1:-1]

    def _columns(self, columns: Sequence[list[tuple[str, Place]]]) -> tuple[list[canvas.Pair], float, float]:
        """Put grids with headings side by side: where their cells begin, and how far all of it reaches."""
        left, bottom, at = float(_EDGE), 0.0, []
        for column in filter(None, columns):
            width = _across(column)
            top = float(_EDGE)
            for heading, size in column:
                self.marks += canvas.heading(left, top, width, heading)
                at.append((left + (width - CELL * size[1]) / 2, top + 30))
                top += _down([(heading, size)])
            left, bottom = left + width + _GAP, max(bottom, top)
        return at, left - _GAP + _EDGE, bottom

    def animation(self, pause: float) -> Animation:
        titles = {"max": "max pooling", "average": "average pooling", "transposed": "transposed convolution"}
        what = f"{titles.get(self.kind, self.kind)} of a {_by(self.x.shape)} image"
        with_ = (
            f"windows of {_by(self.w.shape)}"
            if self.kind in ("max", "average")
            else f"a {_by(self.w.shape)} kernel"
        )
        steps = f"{self.steps} windows, one after the other"
        return Animation(
            f"{what} with {with_}: {steps}", self.width, self.bottom, self.marks, self.steps, pause
        )

    # --- the two stories ---------------------------------------------------------------------------

    def slide(self, result: np.ndarray, winners: np.ndarray | None) -> None:
        """A window on the image gives a number of the result."""
        taps = self.w[::-1, ::-1] if self.kind == "convolution" else self.w
        for at, numbers in zip(self.weights, (self.w, taps), strict=False):
            self.marks += canvas.grid(*at, numbers, canvas.WEIGHT)
        self._plane(canvas.PLAIN)
        self._cells([self._narrow(place) for place in self.places], canvas.EMPTY)
        over: list[Mark] = [*self._frames()]
        for k, place in enumerate(self.places):
            now, window = (k, k + 1), list(self._window(place))
            self._cells([self._wide(pixel) for _, pixel in window], canvas.SEEN, now)
            self._cells([self._narrow(place)], canvas.RESULT, (k, self.steps))
            over.append(
                canvas.in_cell(*self._narrow(place), canvas.number(result[place]), when=(k, self.steps))
            )
            if winners is not None:
                winner = divmod(int(winners[place]), self.x.shape[1])
                self._cells([self._wide(winner)], canvas.RESULT, now)
                over.append(_frame(self._wide(winner), (CELL, CELL), canvas.WINNER, now, inset=3))
            elif self.kind != "average":
                over += [
                    _label(self._wide(pixel), f"×{canvas.number(taps[tap])}", now) for tap, pixel in window
                ]
            over += self._said([*self._sum(taps, window), self._equals(result[place], window)], now)
        for pixel in self._pixels():
            if self._inside(pixel):
                self.marks.append(canvas.in_cell(*self._wide(pixel), canvas.number(self.x[pixel])))
            elif self.kind != "max" and self._in_padding(pixel):
                self.marks.append(canvas.in_cell(*self._wide(pixel), "0", colour=canvas.MUTED))
        self._finish(over)

    def stamp(self, sums: np.ndarray) -> None:
        """A pixel adds its multiple of the kernel to a window on the result; `sums`: after each step."""
        self.marks += canvas.grid(*self.weights[0], self.w, canvas.WEIGHT)
        self.marks += canvas.grid(*self.narrow, self.x, canvas.PLAIN)
        self._plane(canvas.EMPTY)
        over: list[Mark] = [*self._frames()]
        touched: dict[Place, list[int]] = {}
        for k, place in enumerate(self.places):
            now, window = (k, k + 1), list(self._window(place))
            new = [self._wide(pixel) for _, pixel in window if pixel not in touched and self._inside(pixel)]
            self._cells(new, canvas.RESULT, (k, self.steps))
            self._cells([self._wide(pixel) for _, pixel in window], canvas.SEEN, now)
            value = _factor(canvas.number(self.x[place]))
            rows: list[str] = []
            for tap, pixel in window:
                touched.setdefault(pixel, []).append(k)
                added = canvas.number(self.x[place] * self.w[tap])
                over.append(_label(self._wide(pixel), added if added[0] == "−" else f"+{added}", now))
            for weights in self.w:
                rows.append(",  ".join(f"{value}·{_factor(canvas.number(weight))}" for weight in weights))
            over += self._said([*rows, "are added to the window"], now)
        for pixel in self._pixels():
            changes = [0, *touched.get(pixel, []), self.steps]
            y, x = (p - first for p, first in zip(pixel, self.start, strict=True))
            for n, (k, until) in enumerate(pairwise(changes)):
                text = canvas.number(sums[k, y, x]) if n else "0"  # before anything was added
                colour = canvas.INK if n and self._inside(pixel) else canvas.MUTED
                if k < until:
                    self.marks.append(
                        canvas.in_cell(*self._wide(pixel), text, colour=colour, when=(k, until))
                    )
        self._finish(over)

    # --- pieces ------------------------------------------------------------------------------------

    def _window(self, place: Place) -> Iterator[tuple[Place, Place]]:
        """(tap, pixel) of a window; pixels in the padding too."""
        axes = [
            [(a, s * i + d * a - before) for a in range(f)]
            for i, (_, f, s, (before, _), d, _) in zip(place, self.geom.axes(), strict=True)
        ]
        for (a, row), (b, column) in product(*axes):
            yield (a, b), (row, column)

    def _pixels(self) -> list[Place]:
        """All of the wide plane, with its padding."""
        return list(product(*map(range, self.start, self.stop)))

    def _inside(self, pixel: Place) -> bool:
        return all(0 <= p < n for p, n in zip(pixel, self.geom.size, strict=True))

    def _in_padding(self, pixel: Place) -> bool:
        """And not beyond it, where the last window may hang over in ceil_mode."""
        return all(
            p < n + after for p, n, (_, after) in zip(pixel, self.geom.size, self.geom.padding, strict=True)
        )

    def _wide(self, pixel: Place) -> canvas.Pair:
        return (
            self.wide[0] + CELL * (pixel[1] - self.start[1]),
            self.wide[1] + CELL * (pixel[0] - self.start[0]),
        )

    def _narrow(self, place: Place) -> canvas.Pair:
        return self.narrow[0] + CELL * place[1], self.narrow[1] + CELL * place[0]

    def _cells(self, corners: list[canvas.Pair], fill: str, when: When = None) -> None:
        if corners:
            inner = tuple((x + 1, y + 1) for x, y in corners)
            self.marks.append(Boxes(inner, CELL - 2, CELL - 2, fill, when=when))

    def _plane(self, fill: str) -> None:
        """The wide plane: cells of the image or the result, and dashed ones around them."""
        pixels = self._pixels()
        self._cells([self._wide(pixel) for pixel in pixels if self._inside(pixel)], fill)
        around = tuple((x + 2, y + 2) for x, y in (self._wide(p) for p in pixels if not self._inside(p)))
        if around:
            self.marks.append(Boxes(around, CELL - 4, CELL - 4, canvas.PAPER, canvas.RULE, 1, dashed=True))

    def _frames(self) -> list[Slide]:
        """Around the window, and around its place on the narrow plane."""
        windows = [[pixel for _, pixel in self._window(place)] for place in self.places]
        (top, left), (bottom, right) = windows[0][0], windows[0][-1]
        size = (CELL * (right - left + 1), CELL * (bottom - top + 1))
        return [
            Slide(_frame((0, 0), size), tuple(self._wide(window[0]) for window in windows)),
            Slide(_frame((0, 0), (CELL, CELL)), tuple(map(self._narrow, self.places))),
        ]

    def _sum(self, taps: np.ndarray, window: list[tuple[Place, Place]]) -> list[str]:
        """What is done with a window, one line for each of its rows."""
        rows: dict[int, list[str]] = {}
        for tap, pixel in window:
            inside = self._inside(pixel)
            value = canvas.number(self.x[pixel]) if inside else "0"
            if self.kind in ("correlation", "convolution"):
                rows.setdefault(tap[0], []).append(f"{_factor(value)}·{_factor(canvas.number(taps[tap]))}")
            elif inside or (self.kind == "average" and self._in_padding(pixel)):
                rows.setdefault(tap[0], []).append(value if self.kind == "max" else _factor(value))
        between = "," if self.kind == "max" else " +"
        lines = [f"{between} ".join(row) for row in rows.values()]
        lines = [*(line + between for line in lines[:-1]), lines[-1]]
        if self.kind in ("max", "average"):
            lines[0] = ("max(" if self.kind == "max" else "(") + lines[0]
            lines[-1] += ")" if self.kind == "max" else f") / {sum(map(len, rows.values()))}"
        return lines

    def _equals(self, result: Any, window: list[tuple[Place, Place]]) -> str:
        """The result; "about" where it, or a number that goes into it, is not written with all its digits."""
        used = [self.x[pixel] for _, pixel in window if self._inside(pixel)]
        return f"{'=' if all(map(_is_exact, (result, *used, *self.w.flat))) else '≈'} {canvas.number(result)}"

    def _said(self, lines: list[str], when: When) -> list[Mark]:
        """Words under the picture; the panel behind them is made when all have been said."""
        self.said = max(self.said, len(lines))
        self.width = max(self.width, *(canvas.room(line, _SMALL) + 3 * _EDGE for line in lines))
        return [
            Words(0, self.bottom + 14 + _LINE * n, line, _SMALL, bold=line == lines[-1], when=when)
            for n, line in enumerate(lines)
        ]

    def _finish(self, over: list[Mark]) -> None:
        """The panel under the grids, and everything that lies on top."""
        panel = (self.width - 2 * _EDGE, _LINE * self.said + 8)
        self.marks.append(Boxes(((_EDGE, self.bottom),), *panel, canvas.EMPTY))
        self.marks += [
            replace(mark, x=self.width / 2) if isinstance(mark, Words) and mark.y > self.bottom else mark
            for mark in over
        ]
        self.bottom += panel[1] + _EDGE


def _across(column: list[tuple[str, Place]]) -> float:
    """How wide grids under each other are, with their headings."""
    words = (min(104.0, canvas.room(heading, 13) + 12) for heading, _ in column)
    return max(*words, *(float(CELL * size[1]) for _, size in column))


def _down(column: list[tuple[str, Place]]) -> float:
    """And how high."""
    return sum(30 + CELL * size[0] + 10 for _, size in column)


def _frame(
    corner: canvas.Pair, size: canvas.Pair, colour: str = canvas.FRAME, when: When = None, inset: float = 0
) -> Boxes:
    at = (corner[0] + inset, corner[1] + inset)
    return Boxes((at,), size[0] - 2 * inset, size[1] - 2 * inset, line=colour, thick=2.5, when=when)


def _label(corner: canvas.Pair, text: str, when: When) -> Words:
    """What meets a pixel, small in the corner of its cell."""
    size = min(11.0, round(11 * (CELL - 6) / canvas.room(text, 11), 1))
    return Words(
        corner[0] + CELL - 4, corner[1] + CELL - 7, text, size, canvas.LABEL, anchor="end", when=when
    )


def _factor(number: str) -> str:
    return f"({number})" if number.startswith("−") else number


def _is_exact(value: Any) -> bool:
    return float(canvas.number(value).replace("−", "-").replace("∞", "inf")) == value


def _by(size: Place) -> str:
    return "×".join(map(str, size))


# --- what is computed ------------------------------------------------------------------------------


def _slid(kind: str, x: np.ndarray, w: np.ndarray, geom: Windows, ceil_mode: bool) -> Any:
    """The op's result; of "max" also where each winner stands, counted in row-major order."""
    image, how = tensor(x[None, None]), (geom.stride, geom.padding)
    if kind == "max":
        found = F.max_pool2d(image, geom.kernel, *how, geom.dilation, ceil_mode, return_indices=True)
        return tuple(each.numpy()[0, 0] for each in found)
    if kind == "average":
        return F.avg_pool2d(image, geom.kernel, *how, ceil_mode).numpy()[0, 0], None
    weight = tensor(w[None, None])
    weight = weight.flip((2, 3)) if kind == "convolution" else weight
    return F.conv2d(image, weight, None, *how, geom.dilation).numpy()[0, 0], None


def _stamped(x: np.ndarray, w: np.ndarray, geom: Windows) -> np.ndarray:
    """The transposed convolution of the first pixel, of the first two, ... with nothing cut off."""
    seen = np.tril(np.ones((x.size, x.size)))
    images = np.where(seen, x.reshape(-1), 0.0).reshape(-1, 1, *x.shape)
    weight = tensor(w[None, None])
    return F.conv_transpose2d(tensor(images), weight, None, geom.stride, dilation=geom.dilation).numpy()[:, 0]


def _matrix(name: str, given: Any, made: Callable[[Any, Any], Any]) -> np.ndarray:
    """An array of numbers, or of a size alone, made up."""
    if (size := _size(given)) is not None:
        return np.fromfunction(made, size, dtype=np.int64).astype(np.float64)
    try:
        a = np.asarray(given)
    except ValueError:
        raise ShapeError(f"animate_conv: the rows of the {name} have different lengths") from None
    if a.dtype.kind not in "biuf":
        raise DtypeError(f"animate_conv: the {name} is of {a.dtype}; give real numbers")
    if a.ndim != 2 or 0 in a.shape:
        raise ShapeError(
            f"animate_conv: the {name} has shape {a.shape}; give (height, width), or just the size"
        )
    return a.astype(np.float64)


def _size(given: Any) -> Place | None:
    """An int or two are a size; anything else is not."""
    pair = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in pair):
        return None
    if min(pair) < 1:
        raise ArgumentError(f"animate_conv: a size must be at least 1, not {given!r}")
    return int(pair[0]), int(pair[1])

"""Draw docs/figures/three-ways.svg: dA_prev as a full convolution of dZ with the weight turned around.

    python docs/figures/make_three_ways.py

The numbers are those of examples/three_ways.py.  Every text stands on a shape of its own colour, so that the
picture can be read on white and on black.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CELL = 34
INK, PAPER = "#1b1b1b", "#ffffff"
ZERO, DZ, WEIGHT, RESULT, CUT = "#eceff1", "#fdd9a0", "#bcdcf2", "#bfe6d3", "#d7d7d7"
TITLE, MARK = "#37474f", "#c43e00"

spec = importlib.util.spec_from_file_location("three_ways", HERE.parent.parent / "examples" / "three_ways.py")
assert spec and spec.loader
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


def box(x: float, y: float, width: float, height: float, fill: str, radius: int = 0) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" fill="{fill}"/>'


def text(x: float, y: float, words: object, fill: str = INK, size: int = 15) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{fill}" font-size="{size}">{words}</text>'


def title(x: float, y: float, width: float, words: str) -> list[str]:
    return [box(x, y, width, 24, TITLE, 5), text(x + width / 2, y + 12, words, PAPER, 13)]


def grid(x: float, y: float, numbers: np.ndarray, fills: np.ndarray) -> list[str]:
    """A matrix, one cell to each number."""
    lines = []
    for (row, column), number in np.ndenumerate(numbers):
        left, top = x + column * CELL, y + row * CELL
        lines += [
            box(left + 1, top + 1, CELL - 2, CELL - 2, fills[row, column], 3),
            text(left + CELL / 2, top + CELL / 2, f"{number:.0f}".replace("-", "−")),
        ]
    return lines


def frame(x: float, y: float, rows: int, columns: int) -> str:
    """Around the numbers in question."""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{columns * CELL}" height="{rows * CELL}" rx="4" fill="none" '
        f'stroke="{MARK}" stroke-width="3"/>'
    )


def row(top: float, stride: int, pad: int, at: tuple[int, int]) -> tuple[list[str], float]:
    """One convolution: dZ among zeros, the turned weight, the result with one window marked; and its end."""
    dZ, f = example.by_hand()[0].squeeze(), len(example.W)
    wide = np.zeros([stride * (n - 1) + 1 for n in dZ.shape], int)
    wide[::stride, ::stride] = dZ
    framed = np.pad(wide, f - 1)
    theirs = np.full(framed.shape, ZERO)
    theirs[f - 1 : 1 - f : stride, f - 1 : 1 - f : stride] = DZ
    w = example.W[::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(framed, w.shape)
    full = (windows * w).sum((2, 3))
    kept = np.full(full.shape, CUT)
    kept[pad : pad + len(example.A_PREV), pad : pad + len(example.A_PREV)] = RESULT

    (i, j), y = at, top + 34
    x_w = 10 + len(framed) * CELL + 30
    x_full = x_w + f * CELL + 30
    seen = zip(framed[i : i + f, j : j + f].flat, w.flat, strict=True)
    terms = ["·".join(str(n) if n >= 0 else f"({n})" for n in pair) for pair in seen if pair[0]]
    said = f"{' + '.join(terms)} = {full[i, j]}".replace("-", "−")
    size = len(full) * CELL
    lines = [
        *title(
            10,
            top,
            len(framed) * CELL,
            "dZ among zeros" if stride == 1 else f"stride {stride}: dZ spread out",
        ),
        *grid(10, y, framed, theirs),
        frame(10 + j * CELL, y + i * CELL, f, f),
        *title(x_w, top, f * CELL, "W turned"),
        *grid(x_w, y, w, np.full(w.shape, WEIGHT)),
        *title(x_full, top, size, "dA_prev" + (" (grey: pad)" if pad else "")),
        *grid(x_full, y, full, kept),
        frame(x_full + j * CELL, y + i * CELL, 1, 1),
        *title(x_full - 40, y + size + 12, size + 80, said),
    ]
    return lines, y + len(framed) * CELL


def svg() -> str:
    """The picture as text."""
    first, end = row(10, 1, 0, (1, 1))
    second, bottom = row(end + 40, 2, 1, (2, 2))
    width, height = 630, bottom + 14
    style = 'font-family="Helvetica, Arial, sans-serif" text-anchor="middle" dominant-baseline="central"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" {style}>',
        "<title>dA_prev is the full convolution of dZ with the weight turned by 180 degrees</title>",
        *first, *second, "</svg>", "",
    ])  # fmt: skip


if __name__ == "__main__":
    (HERE / "three-ways.svg").write_text(svg(), encoding="utf-8")

"""Draw docs/figures/three-ways.svg and three-ways-stride.svg: dA_prev as a full convolution of dZ.

    python docs/figures/make_three_ways.py

The numbers are those of examples/three_ways.py.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.vision import Animation, animate_conv
from tinygrad_cnn.vision.canvas import CELL, EMPTY, RESULT, Boxes, Mark

HERE = Path(__file__).parent
CUT = "#d7d7d7"

spec = importlib.util.spec_from_file_location("three_ways", HERE.parent.parent / "examples" / "three_ways.py")
assert spec and spec.loader
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


def full(stride: int) -> Animation:
    """dZ, with zeros between its numbers if there is a stride; convolved with W."""
    dz = tg.tensor(example.by_hand()[0].transpose(0, 3, 1, 2))
    spread = example.spread(dz, (stride, stride)).numpy()[0, 0]
    names = ("dZ" if stride == 1 else "dZ, spread:", "W", "dA_prev")
    return animate_conv(spread, example.W, kind="convolution", padding="full", names=names, pause=1)


def cut(picture: Animation, pad: int) -> Animation:
    """The padding of the result is grey."""
    cells = next(mark for mark in picture.marks if isinstance(mark, Boxes) and mark.fill == EMPTY)
    first = np.min(cells.corners, 0) + pad * CELL - 1

    def grey(mark: Mark) -> Mark:
        is_cut = isinstance(mark, Boxes) and mark.fill == RESULT and (mark.corners[0] < first).any()
        return replace(mark, fill=CUT) if is_cut else mark  # type: ignore[arg-type]

    picture.marks = [grey(mark) for mark in picture.marks]
    return picture


FIGURES = {
    "three-ways": lambda: full(stride=1),
    "three-ways-stride": lambda: cut(full(stride=2), pad=1),
}


if __name__ == "__main__":
    for name, draw in FIGURES.items():
        draw().save(HERE / f"{name}.svg")

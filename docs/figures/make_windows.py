"""Draw the windows of the chapter: what slides, what is added up, and where gradients go.

    python docs/figures/make_windows.py

Every number in these pictures is computed by the library when they are drawn; tests/test_animation.py holds
the files to this script.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.ops.linalg import add_bias
from tinygrad_cnn.vision import Animation, animate_conv
from tinygrad_cnn.vision.canvas import (
    CELL,
    EMPTY,
    FRAME,
    INK,
    MUTED,
    PLAIN,
    RESULT,
    RULE,
    SEEN,
    WEIGHT,
    Boxes,
    Line,
    Mark,
    Slide,
    Words,
    grid,
    heading,
    number,
)

HERE = Path(__file__).parent
BLUE, VERMILION = "#0072b2", "#d55e00"
IMAGE = [[1, 2, 0, 1, 3], [0, 1, 3, 2, 1], [2, 1, 0, 1, 2], [1, 0, 2, 3, 1], [3, 1, 1, 0, 2]]
KERNEL = [[1, 0, -1], [2, 1, 0], [0, -1, 1]]
TINTS = ("#fdd9a0", "#bcdcf2", "#bfe6d3", "#f1cfe1")

# --- page 4: which channels see which ---------------------------------------------------------------


def groups(channels: int = 4) -> Animation:
    """A line from each channel of the image to those of the result in which it has a gradient."""
    marks: list[Mark] = []
    for k, count in enumerate((1, 2, channels)):
        left, wide, down = 8 + k * 152, 136, 44
        x = tg.ones(1, channels, 1, 1, requires_grad=True)
        out = F.conv2d(x, tg.ones(channels, channels // count, 1, 1), groups=count).flatten()
        sees = [tg.autograd.grad(each, x, retain_graph=True)[0].flatten().numpy() != 0 for each in out]
        kernels = sum(int(row.sum()) for row in sees)
        marks += heading(left, 8, wide, f"groups={count}: {kernels} kernels")
        middle = [38 + down * c + 17 for c in range(channels)]
        for to, row in enumerate(sees):
            for start in np.flatnonzero(row):
                marks.append(Line(((left + 34, middle[start]), (left + wide - 34, middle[to])), RULE, 2))
        for c, y in enumerate(middle):
            fill = TINTS[c * count // channels]
            marks += [Boxes(((left, y - 17), (left + wide - 34, y - 17)), 34, 34, fill)]
            marks += [Words(left + at, y, str(c)) for at in (17, wide - 17)]
    title = f"Which of {channels} channels of the image each of {channels} channels of the result sees"
    return Animation(title, 8 + 3 * 152 - 8, 38 + 44 * channels - 2, marks)


# --- page 5: three channels, two filters -----------------------------------------------------------

VOLUME = [
    [[1, 0, 2], [2, 1, 0], [0, 3, 1]],
    [[0, 1, 1], [1, 2, 0], [2, 0, 1]],
    [[3, 1, 0], [0, 1, 2], [1, 0, 1]],
]
FILTERS = [
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[-1, 0], [0, 1]]],
    [[[0, 1], [0, -1]], [[2, 0], [0, 0]], [[0, 1], [-1, 0]]],
]


def volume() -> Animation:
    """A window goes through all channels at once; each filter makes one channel of the result."""
    x, w = np.array(VOLUME), np.array(FILTERS)
    out = F.conv2d(tg.tensor(x[None] * 1.0), tg.tensor(w * 1.0)).numpy()[0]
    (k, c, f, _), n_out = w.shape, out.shape[1]
    places, steps = list(np.ndindex(*out.shape)), out.size
    row = 3 * CELL + 16
    marks: list[Mark] = [*heading(8, 8, 120, "image 3×3×3"), *heading(152, 8, 92, "filter 2×2×3")]
    marks += heading(268, 8, 200, "products, added up")
    over: list[Mark] = []
    for channel in range(c):
        top = 38 + channel * row
        marks += grid(8, top, np.full((3, 3), np.nan), PLAIN)
        for s, (filter_, i, j) in enumerate(places):
            now, corner = (s, s + 1), (8 + j * CELL, top + i * CELL)
            marks += grid(*corner, np.full((f, f), np.nan), SEEN, when=now)
            seen, taps = x[channel, i : i + f, j : j + f], w[filter_, channel]
            terms = [
                f"{a}·{b}" if b >= 0 else f"{a}·(−{-b})" for a, b in zip(seen.flat, taps.flat, strict=True)
            ]
            over += [
                Words(368, top + 24, f"{terms[0]} + {terms[1]} +", 14, when=now),
                Words(368, top + 46, f"{terms[2]} + {terms[3]}", 14, when=now),
                Words(368, top + 72, f"= {number((seen * taps).sum())}", 14, bold=True, when=now),
            ]
        window = Boxes(((0, 0),), f * CELL, f * CELL, line=FRAME, thick=2.5)
        over.append(Slide(window, tuple((8 + j * CELL, top + i * CELL) for _, i, j in places)))
        for filter_ in range(k):
            when = (filter_ * n_out**2, (filter_ + 1) * n_out**2)
            marks += grid(158, top + 20, w[filter_, channel], WEIGHT, when=when)
        marks.append(Boxes(((268, top),), 200, 88, EMPTY))
        marks += grid(8, top, x[channel], "none")
    top = 38 + c * row
    for filter_ in range(k):
        left = 8 + filter_ * 130
        marks += heading(left, top, 120, f"result, channel {filter_ + 1}")
        marks += grid(left + 20, top + 30, np.full((n_out, n_out), np.nan), EMPTY)
    marks.append(Boxes(((268, top),), 200, 60, EMPTY))
    corners = tuple((28 + filter_ * 130 + j * CELL, top + 30 + i * CELL) for filter_, i, j in places)
    over.append(Slide(Boxes(((0, 0),), CELL, CELL, line=FRAME, thick=2.5), corners))
    for s, (filter_, i, j) in enumerate(places):
        marks += grid(*corners[s], [[out[filter_, i, j]]], RESULT, when=(s, steps))
        parts = [(x[ch, i : i + f, j : j + f] * w[filter_, ch]).sum() for ch in range(c)]
        said = " + ".join(number(p) if p >= 0 else f"({number(p)})" for p in parts)
        over.append(Words(368, top + 20, said, 14, when=(s, s + 1)))
        over.append(Words(368, top + 42, f"= {number(out[filter_, i, j])}", 14, bold=True, when=(s, s + 1)))
    title = (
        "Convolution over volume: each filter looks at all three channels and makes one channel of the result"
    )
    return Animation(title, 476, top + 30 + n_out * CELL + 8, [*marks, *over], steps, pause=2.5)


# --- page 6: the layer and its activations ---------------------------------------------------------


def layer() -> Animation:
    """Z = W * A_prev + b, A = relu(Z), with the numbers of the page."""
    x = tg.tensor(np.array(IMAGE, np.float64)[None, None])
    z = F.conv2d(x, tg.tensor(np.array(KERNEL, np.float64)[None, None]))
    shifted = add_bias(z, tg.tensor([-3.0], dtype=tg.float64), axis=1)
    columns = [
        ("W * A_prev", z, RESULT),
        ("Z: + b, b = −3", shifted, WEIGHT),
        ("A = relu(Z)", F.relu(shifted), SEEN),
    ]
    marks: list[Mark] = []
    for k, (words, values, fill) in enumerate(columns):
        left = 8 + 168 * k
        marks += [*heading(left, 8, 120, words), *grid(left, 38, values.numpy()[0, 0], fill)]
        if k:
            marks.append(Line(((left - 40, 98), (left - 10, 98)), RULE, 3, arrow=True))
    return Animation("A layer: convolution, then a number added, then relu", 472, 166, marks)


ACTIVATIONS: dict[str, Callable[[tg.Tensor], tg.Tensor]] = {
    "relu": F.relu, "leaky_relu": lambda z: F.leaky_relu(z, 0.1), "elu": F.elu,
    "sigmoid": tg.sigmoid, "tanh": tg.tanh, "softplus": F.softplus,
    "gelu": F.gelu, "silu": F.silu, "hardswish": F.hardswish,
}  # fmt: skip


def activations() -> Animation:
    """Each g, and its derivative as the library's own backward computes it."""
    marks: list[Mark] = []
    width, height, unit = 176, 158, 24.0
    for k, (name, g) in enumerate(ACTIVATIONS.items()):
        left, top = 8 + k % 3 * (width + 10), 8 + k // 3 * (height + 40)
        x0, y0 = left + width / 2, top + 30 + height * 0.66
        marks += [*heading(left, top, width, name), Boxes(((left, top + 28),), width, height, EMPTY)]
        marks.append(Line(((left + 6, y0), (left + width - 6, y0)), RULE, 1))
        marks.append(Line(((x0, top + 34), (x0, top + 22 + height)), RULE, 1))
        marks.append(Line(((x0 - 3, y0 - unit), (x0 + 3, y0 - unit)), RULE, 1))
        marks.append(Words(x0 - 9, y0 - unit, "1", 10, MUTED))
        z = tg.tensor(np.linspace(-3.5, 3.5, 71), requires_grad=True)
        y = g(z)
        y.backward(tg.ones_like(y))
        assert z.grad is not None
        for values, colour, dashed in ((z.grad.numpy(), VERMILION, True), (y.detach().numpy(), BLUE, False)):
            jumps = np.flatnonzero(np.abs(np.diff(values)) > 0.4) + 1
            for part in np.split(np.arange(len(values)), jumps):
                shown = [
                    (round(x0 + unit * z.detach().numpy()[i], 1), round(y0 - unit * values[i], 1))
                    for i in part
                    if y0 - unit * values[i] > top + 34
                ]
                marks.append(Line(tuple(shown), colour, 2.5 if dashed else 2, dashed=dashed))
    bottom = 8 + 3 * (height + 40)
    for x, colour, words, dashed in (
        (120, BLUE, "g(z)", False),
        (320, VERMILION, "its derivative g′(z)", True),
    ):
        marks.append(Boxes(((x - 44, bottom - 4),), 204 if dashed else 100, 24, EMPTY))
        marks.append(Line(((x - 36, bottom + 8), (x - 6, bottom + 8)), colour, 2.5, dashed=dashed))
        marks.append(Words(x + 2, bottom + 8, words, 13, INK, anchor="start"))
    return Animation("Nine activations and their derivatives", 564, bottom + 28, marks)


# --- page 10: where the gradient of a pool goes ----------------------------------------------------

POOLED = [[1, 3, 2, 1], [4, 2, 0, 5], [6, 1, 7, 7], [0, 6, 2, 3]]
OVERLAPPED = [[1, 2, 0, 1, 5], [0, 1, 3, 2, 1], [2, 7, 4, 1, 2], [1, 0, 2, 6, 1], [4, 1, 1, 0, 2]]
ARRIVES = [[1, 2], [3, 4]]


def pool_backward() -> Animation:
    """Max pooling sends each gradient to its winner, average pooling shares it out."""
    marks: list[Mark] = []
    g = tg.tensor(np.array(ARRIVES, np.float64)[None, None])
    pools = {"max": lambda x: F.max_pool2d(x, 2), "average": lambda x: F.avg_pool2d(x, 2)}
    for k, (name, pool) in enumerate(pools.items()):
        x = tg.tensor(np.array(POOLED, np.float64)[None, None], requires_grad=True)
        out = pool(x)
        out.backward(g)
        assert x.grad is not None
        top = 8.0 + 252 * k
        mask = np.array(x.grad.numpy()[0, 0] != 0)
        marks += [
            *heading(8, top, 160, "A_prev"), *heading(208, top, 104, f"A: {name}"),
            *heading(208, top + 122, 104, "dA"), *heading(352, top, 160, "dA_prev"),
        ]  # fmt: skip
        for i, j in np.ndindex(2, 2):
            tint, rows, columns = TINTS[2 * i + j], slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2)
            y, x_ = top + 30 + 2 * i * CELL, 2 * j * CELL
            marks += grid(8 + x_, y, np.array(POOLED)[rows, columns], tint)
            marks += grid(
                220 + j * CELL, top + 30 + i * CELL, out.detach().numpy()[0, 0, i : i + 1, j : j + 1], tint
            )
            marks += grid(220 + j * CELL, top + 152 + i * CELL, [[ARRIVES[i][j]]], tint)
            marks += grid(352 + x_, y, x.grad.numpy()[0, 0, rows, columns], tint)
            if name == "max":
                for a, b in np.argwhere(mask[rows, columns]):
                    for left in (8, 352):
                        corner = (left + x_ + b * CELL + 2, y + a * CELL + 2)
                        marks.append(Boxes((corner,), CELL - 4, CELL - 4, line=FRAME, thick=2.5))
        marks.append(Line(((174, top + 70), (202, top + 70)), RULE, 3, arrow=True))
        marks.append(Line(((318, top + 192), (346, top + 192)), RULE, 3, arrow=True))
    return Animation("The gradients of max and average pooling", 520, 2 * 252, marks)


FIGURES: dict[str, Callable[[], Animation]] = {
    "stride": lambda: animate_conv(IMAGE, KERNEL, stride=2),
    "stride-padded": lambda: animate_conv(IMAGE, KERNEL, stride=2, padding=1),
    "dilation": lambda: animate_conv(IMAGE, [[1, -1], [0, 2]], dilation=3),
    "transposed": lambda: animate_conv([[1, 2], [3, -1]], KERNEL, kind="transposed", stride=2),
    "groups": groups,
    "volume": volume,
    "layer": layer,
    "activations": activations,
    "max-pool": lambda: animate_conv(POOLED, 2, kind="max"),
    "max-pool-overlapping": lambda: animate_conv(OVERLAPPED, 3, kind="max", stride=2),
    "average-pool": lambda: animate_conv(POOLED, 2, kind="average"),
    "pool-backward": pool_backward,
}


if __name__ == "__main__":
    for name, draw in FIGURES.items():
        draw().save(HERE / f"{name}.svg")

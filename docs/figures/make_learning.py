"""Draw the figures of the chapter's pages on sharing, gradient descent and augmentation.

python docs/figures/make_learning.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn import nn, vision
from tinygrad_cnn.data import transforms
from tinygrad_cnn.data.transforms.functional import to_pil_image
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.optim import lr_scheduler as schedules
from tinygrad_cnn.vision.canvas import INK, PAPER, RULE, Animation, Boxes, Line, Mark, Words, grid, heading
from tinygrad_cnn.vision.pictures import COLOURS

HERE = Path(__file__).parent
BLUE, VERMILION, GREEN, PURPLE = COLOURS[:4]
# One tint to each of nine taps; of a dense layer's weights, which are all different, none.
TAPS = ("#bcdcf2", "#fdd9a0", "#bfe6d3", "#f3c6dd", "#f7efa0", "#d9ecf9", "#f6c9b0", "#d6d1ee", "#dde3a8")
ZERO = "#eceff1"


# --- 7: the matrix of a convolution ----------------------------------------------------------------


def as_matrix(function: Callable[[tg.Tensor], tg.Tensor], *size: int) -> np.ndarray:
    """What a linear function of images makes of each unit image, one to a column."""
    units = tg.eye(int(np.prod(size))).reshape(-1, 1, *size)
    return function(units).flatten(1).T.numpy()


def shared() -> Animation:
    """A convolution of 4×4 with 3×3, and a dense layer of the same shape, as matrices."""
    kernel = tg.arange(1.0, 10).reshape(1, 1, 3, 3)
    matrix = as_matrix(lambda x: F.conv2d(x, kernel), 4, 4)
    cell, edge = 34, 6
    wide = matrix.shape[1] * cell
    title = "the convolution: 9 numbers, each in all four rows; 28 connections cut"
    marks = heading(edge, edge, wide, title)
    top = edge + 30
    for tap in range(10):  # 0: what is cut
        shown = np.where(matrix == tap, matrix, np.nan)
        fill = TAPS[tap - 1] if tap else ZERO
        at = tuple((edge + j * cell + 1, top + i * cell + 1) for i, j in np.argwhere(matrix == tap))
        marks.append(Boxes(at, cell - 2, cell - 2, fill))
        marks += [m for m in grid(edge, top, shown, "none", cell=cell) if isinstance(m, Words)]
    top += matrix.shape[0] * cell + 14
    marks += heading(edge, top, wide, "a dense layer: 64 numbers of its own")
    marks += grid(edge, top + 30, np.arange(1, 1 + matrix.size).reshape(matrix.shape), "#e3e6e8", cell=cell)
    height = top + 30 + matrix.shape[0] * cell + edge
    said = "The matrix of a 3×3 convolution on 4×4 pixels, nine numbers shared; below it, a dense layer"
    return Animation(said, wide + 2 * edge, height, marks)


# --- 11: the way down ------------------------------------------------------------------------------


def valley(w: tg.Tensor) -> tg.Tensor:
    """(w₀² + 20 w₁²) / 2: twenty times as steep along one axis as along the other."""
    return (w * w * tg.tensor([1.0, 20.0])).sum() / 2


OPTIMIZERS: dict[str, tuple[str, Callable[..., tg.optim.Optimizer]]] = {
    "SGD, lr 0.09": (BLUE, lambda p: tg.optim.SGD(p, lr=0.09)),
    "momentum 0.7, lr 0.03": (VERMILION, lambda p: tg.optim.SGD(p, lr=0.03, momentum=0.7)),
    "Adam, lr 0.4": (GREEN, lambda p: tg.optim.Adam(p, lr=0.4)),
}


def path(optimizer: Callable[..., tg.optim.Optimizer], steps: int = 30) -> np.ndarray:
    """Where each step from (−4, 1) led."""
    w = nn.Parameter(tg.tensor([-4.0, 1.0]))
    rule, places = optimizer([w]), [w.tolist()]
    for _ in range(steps):
        rule.zero_grad()
        valley(w).backward()
        rule.step()
        places.append(w.tolist())
    return np.array(places)


def descent() -> Animation:
    """The same loss surface once for each optimizer: lines of equal loss, and the way of 30 steps."""
    edge, wide, tall, scale = 6, 560, 180, 54
    marks: list[Mark] = []
    top = edge
    for name, (colour, optimizer) in OPTIMIZERS.items():
        way = path(optimizer)
        end = float(valley(tg.tensor(way[-1].astype(np.float32))))
        marks += heading(edge, top, wide, f"{name}: loss 18 → {end:.2g} after 30 steps")
        top += 28
        marks.append(Boxes(((edge, top),), wide, tall, PAPER))
        x0, y0 = edge + wide / 2, top + tall / 2

        def at(points: np.ndarray, x0: float = x0, y0: float = y0) -> tuple[tuple[float, float], ...]:
            return tuple((x0 + scale * a, y0 - 1.35 * scale * b) for a, b in points)

        angle = np.linspace(0, 2 * np.pi, 73)
        for level in (0.5, 2, 4.5, 8, 12.5):
            r = np.sqrt(2 * level)
            ring = np.stack([r * np.cos(angle), r * np.sin(angle) / np.sqrt(20)], 1)
            marks.append(Line(at(ring), RULE, 1))
        marks.append(Line(at(way), colour, 2))
        dots = tuple((x - 2.5, y - 2.5) for x, y in at(way))
        marks.append(Boxes(dots, 5, 5, colour, line=colour))
        marks.append(Words(*at(np.array([[-4, 1.13]]))[0], "start", 12, INK))
        (mx, my), arm = at(np.zeros((1, 2)))[0], 6
        marks += [
            Line(((mx - arm, my), (mx + arm, my)), INK, 2),
            Line(((mx, my - arm), (mx, my + arm)), INK, 2),
        ]
        top += tall + 12
    title = (
        "Thirty steps of SGD, momentum and Adam down a valley that is twenty times as steep across as along"
    )
    return Animation(title, wide + 2 * edge, top - 6, marks)


SCHEDULES: dict[str, tuple[str, Callable[..., schedules.LRScheduler]]] = {
    "StepLR": (BLUE, lambda o: schedules.StepLR(o, step_size=30, gamma=0.3)),
    "ExponentialLR": (PURPLE, lambda o: schedules.ExponentialLR(o, gamma=0.97)),
    "CosineAnnealingLR": (GREEN, lambda o: schedules.CosineAnnealingLR(o, T_max=100)),
    "OneCycleLR": (VERMILION, lambda o: schedules.OneCycleLR(o, max_lr=1.0, total_steps=101)),
}


def rates(schedule: Callable[..., schedules.LRScheduler], steps: int = 100) -> list[float]:
    """The learning rate of each step."""
    optimizer = tg.optim.SGD([nn.Parameter(tg.zeros(1))], lr=1.0)
    plan, found = schedule(optimizer), []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.step() if len(found) <= steps else None
    return found


def plans() -> Animation:
    """Four schedules, each as a curve of its own."""
    edge, wide, tall = 6, 276, 110
    marks: list[Mark] = []
    for k, (name, (colour, schedule)) in enumerate(SCHEDULES.items()):
        left, top = edge + k % 2 * (wide + 12), edge + k // 2 * (tall + 40)
        marks += heading(left, top, wide, name)
        marks.append(Boxes(((left, top + 28),), wide, tall, PAPER))
        y0 = top + 28 + tall - 12
        marks.append(Line(((left + 10, y0), (left + wide - 10, y0)), RULE, 1))
        found = rates(schedule)
        points = tuple(
            (left + 10 + (wide - 20) * i / 100, y0 - (tall - 26) * rate) for i, rate in enumerate(found)
        )
        marks.append(Line(points, colour, 2.5))
    return Animation(
        "The learning rate over 100 steps, by four schedules",
        2 * (wide + edge) + 12,
        edge + 2 * (tall + 40),
        marks,
    )


# --- 12: rates, augmentation ---------------------------------------------------------------------------

SMOOTH = transforms.InterpolationMode.BILINEAR
AUGMENTATIONS = {
    "as it is": transforms.Lambda(lambda x: x),
    "horizontal flip": transforms.RandomHorizontalFlip(1.0),
    "crop, resized": transforms.RandomResizedCrop(120, scale=(0.3, 0.5)),
    "rotation": transforms.RandomRotation((15, 25), SMOOTH),
    "affine": transforms.RandomAffine(0, translate=(0.2, 0.2), shear=20, interpolation=SMOOTH),
    "perspective": transforms.RandomPerspective(0.4, p=1.0),
    "colour jitter": transforms.ColorJitter(0.3, 0.3, 0.3, 0.1),
    "grayscale": transforms.RandomGrayscale(1.0),
    "blur": transforms.GaussianBlur(9, sigma=2.0),
    "erasing": transforms.RandomErasing(1.0, scale=(0.08, 0.15)),
}


def augmented() -> Iterable[tuple[str, np.ndarray]]:
    """(name, pixels (H, W, 3)) of the photo through each augmentation."""
    tg.manual_seed(2)
    square = transforms.Compose([transforms.CenterCrop(240), transforms.Resize(120)])
    photo = square(vision.photo())
    for name, transform in AUGMENTATIONS.items():
        yield name, np.clip(np.asarray(transform(photo)), 0, 1).transpose(1, 2, 0)


def sweep() -> Animation:
    """What find_lr saw, with the code of the page."""
    page = (HERE.parent / "chapter" / "12-better.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    names: dict[str, Any] = {}
    with redirect_stdout(None):
        for block in (code[0], next(block for block in code if "find_lr(" in block)):
            exec(block, names)
    found, edge, wide, tall = names["sweep"], 6, 560, 220
    low, high = np.log10(found.rates[[0, -1]])
    x = edge + 24 + (wide - 48) * (np.log10(found.rates) - low) / (high - low)
    bottom, top = edge + 28 + tall - 34, edge + 28 + 16
    y = bottom - (bottom - top) * found.losses / found.losses.max()
    marks = heading(edge, edge, wide, f"loss against learning rate; suggestion {found.suggestion:.2g}")
    marks.append(Boxes(((edge, edge + 28),), wide, tall, PAPER))
    marks.append(Line(((edge + 24, bottom), (edge + wide - 24, bottom)), RULE, 1))
    for power in range(int(np.ceil(low)), int(np.floor(high)) + 1):
        at = edge + 24 + (wide - 48) * (power - low) / (high - low)
        marks += [
            Line(((at, bottom), (at, bottom + 4)), RULE, 1),
            Words(at, bottom + 16, f"{10.0**power:g}", 12),
        ]
    for k in (0, int(np.argmin(found.losses))):
        marks.append(Words(x[k], y[k] - 12 if k else y[k] + 16, f"{found.losses[k]:.2g}", 12))
    marks.append(Line(tuple(zip(x.tolist(), y.tolist(), strict=True)), BLUE, 2.5))
    k = int(np.argmin(abs(found.rates - found.suggestion)))
    marks.append(Boxes(((x[k] - 4, y[k] - 4),), 8, 8, VERMILION, line=VERMILION))
    title = "The loss of a network against the learning rate, which grows from step to step"
    return Animation(title, wide + 2 * edge, edge + 28 + tall + edge, marks)


def sheet() -> Image.Image:
    """All of them, five to a row."""
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(13)
    page = Image.new("RGB", (5 * 130 + 10, 2 * 154 + 6), PAPER)
    draw = ImageDraw.Draw(page)
    for k, (name, pixels) in enumerate(augmented()):
        left, top = 10 + k % 5 * 130, 6 + k // 5 * 154
        draw.text((left, top), name, fill=INK, font=font)
        page.paste(to_pil_image(np.rint(255 * pixels).astype(np.uint8)), (left, top + 20))
    return page


FIGURES = {"shared-matrix": shared, "descent": descent, "schedules": plans}


if __name__ == "__main__":
    for name, draw in FIGURES.items():
        draw().save(HERE / f"{name}.svg")
    sweep().save(HERE / "find-lr.svg")  # of a training, whose last digits no two machines share
    sheet().save(HERE / "augmentation.webp", quality=75, method=6)

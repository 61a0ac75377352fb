"""Parts of images, mirrored images, borders around them, and holes in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import ArgumentError, ShapeError
from ....tensor import Tensor
from ..images import fill_of, numbers_of, of_images, pair, per_image
from .kinds import get_dimensions

__all__ = ["center_crop", "crop", "erase", "five_crop", "hflip", "pad", "ten_crop", "vflip"]

PAD_MODES = ("constant", "edge", "reflect", "symmetric")


@of_images(moves=True)
def hflip(x: Any) -> Any:
    """The image with left and right exchanged."""
    return x[..., ::-1].copy()


@of_images(moves=True)
def vflip(x: Any) -> Any:
    """The image upside down."""
    return x[..., ::-1, :].copy()


@of_images(moves=True)
def crop(x: Any, top: Any, left: Any, height: int, width: int) -> Any:
    """The window of this height and width whose corner is (top, left); zeros beyond the image.

    `top` and `left` may be arrays, one place for each image.
    """
    height, width = pair("crop", "(height, width)", (height, width))
    n, _, h, w = x.shape
    tops = _integers("crop", "top", top, n)
    lefts = _integers("crop", "left", left, n)
    if not n:
        return np.empty((*x.shape[:2], height, width), x.dtype)
    above, before = max(0, -int(tops.min())), max(0, -int(lefts.min()))
    below, behind = max(0, int(tops.max()) + height - h), max(0, int(lefts.max()) + width - w)
    if above or before or below or behind:
        x = _padded(x, (before, above, behind, below), 0, "constant")
        tops, lefts = tops + above, lefts + before
    t, q = int(tops[0]), int(lefts[0])
    if (tops == t).all() and (lefts == q).all():
        return x[..., t : t + height, q : q + width].copy()
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
    return windows[np.arange(n), :, tops, lefts]


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The window of this size in the middle of the image; zeros beyond a smaller image."""
    height, width = pair("center_crop", "output_size", output_size)
    _, h, w = get_dimensions(img)
    missing_h, missing_w = max(height - h, 0), max(width - w, 0)
    # the odd row of a margin stands above, that of a cut as rounding to even has it
    top = -(missing_h // 2) if missing_h else round((h - height) / 2)
    left = -(missing_w // 2) if missing_w else round((w - width) / 2)
    return crop(img, top, left, height, width)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle, each of this size."""
    height, width = pair("five_crop", "size", size)
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        raise ShapeError(f"five_crop: a window of {(height, width)} exceeds the image of {(h, w)}")
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    return (*(crop(img, *corner, height, width) for corner in corners), center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """The five crops of the image, and the five of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


@of_images(moves=True)
def pad(x: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with a margin: of `fill`, of its "edge", or of its mirror image.

    "reflect" repeats the outermost pixel not, "symmetric" does.

    Args:
        padding: on all sides; or (left-right, top-bottom); or (left, top, right, bottom).
        fill: a number, or one for each channel.
    """
    return _padded(x, sides("pad", padding), fill, padding_mode)


def sides(who: str, padding: Any) -> tuple[int, int, int, int]:
    """A padding as (left, top, right, bottom)."""
    values = numbers_of(padding)
    if len(values) not in (1, 2, 4) or not all(isinstance(v, (int, np.integer)) and v >= 0 for v in values):
        raise ArgumentError(f"{who}: padding is {padding}; give 1, 2 or 4 integers of at least 0")
    left, top, right, bottom = (values * 4)[:4]
    return int(left), int(top), int(right), int(bottom)


def pad_mode(who: str, mode: str) -> str:
    """A padding mode that there is."""
    if mode not in PAD_MODES:
        raise ArgumentError(f"{who}: there is no padding_mode {mode!r}; use one of {', '.join(PAD_MODES)}")
    return mode


def _padded(x: np.ndarray, margin: tuple[int, int, int, int], fill: Any, mode: str) -> np.ndarray:
    left, top, right, bottom = margin
    pad_mode("pad", mode)
    n, c, h, w = x.shape
    if mode == "constant":
        out = np.empty((n, c, h + top + bottom, w + left + right), x.dtype)
        out[...] = fill_of("pad", fill, c, x.dtype)
        out[..., top : top + h, left : left + w] = x
        return out
    room = {"edge": math.inf, "reflect": -1, "symmetric": 0}[mode]
    if max(top, bottom) > h + room or max(left, right) > w + room or not h * w:
        raise ShapeError(
            f"pad: a margin of {margin} (left, top, right, bottom) is more than the image of {(h, w)} can "
            f"give in mode {mode}; make it smaller, or use another mode"
        )
    rows = _folded(np.arange(-top, h + bottom), h, mode)
    columns = _folded(np.arange(-left, w + right), w, mode)
    return x[..., rows[:, None], columns]


def _folded(at: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Places beyond 0..size - 1, brought back as the padding mode says."""
    if mode == "edge":
        return np.clip(at, 0, size - 1)
    twice = mode == "symmetric"  # the outermost pixel stands twice
    at = np.where(at < 0, -at - twice, at)
    return np.where(at >= size, 2 * size - 2 + twice - at, at)


def _integers(who: str, name: str, value: Any, n: int) -> np.ndarray:
    places = per_image(who, name, value, n)
    if not np.array_equal(places, np.rint(places)):
        raise ArgumentError(f"{who}: {name} is {value!r}; a place is an integer")
    return places.astype(np.intp)


@of_images
def erase(x: Any, i: Any, j: Any, h: Any, w: Any, v: Any, inplace: bool = False) -> Any:
    """The image with the window (top i, left j, height h, width w) replaced by v.

    v is a number, one for each channel (C, 1, 1), or as large as the image or the window.  `inplace`
    changes nothing.
    """
    n, _, height, width = x.shape
    window = {"i": i, "j": j, "h": h, "w": w}
    top, left, high, wide = (_integers("erase", name, value, n)[:, None] for name, value in window.items())
    values = np.asarray(v.array if isinstance(v, Tensor) else v)
    if all(np.ndim(value) == 0 for value in window.values()):
        out = x.copy()
        hole = out[..., i : i + h, j : j + w]
        if not _broadcasts(values.shape, hole.shape):
            raise ShapeError(f"erase: v {values.shape} does not fit the window {hole.shape}; give one number")
        hole[...] = values
        return out
    if not _broadcasts(values.shape, x.shape):
        raise ShapeError(f"erase: v {values.shape} does not fit the images {x.shape}; give one number")
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top) & (rows < top + high)
    in_columns = (columns >= left) & (columns < left + wide)
    return np.where((in_rows[:, :, None] & in_columns[:, None, :])[:, None], values.astype(x.dtype), x)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    return len(small) <= len(large) and all(
        a in (1, b) for a, b in zip(small[::-1], large[::-1], strict=False)
    )

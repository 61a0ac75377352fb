"""Images of another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import ArgumentError, ShapeError
from .. import resample
from ..images import InterpolationMode as Mode
from ..images import is_pillow, numbers_of, of_images, pair, pillow
from .kinds import get_dimensions
from .moving import _integers, crop

__all__ = ["resize", "resized_crop"]


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = Mode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size: (h, w), or the length of its shorter side.

    With `antialias`, what is made smaller is averaged over the pixels that come together: Tensors and arrays
    of floats as PyTorch's `interpolate(antialias=True)`, bytes in Pillow's arithmetic, first the width, then
    the height.  Pillow images are always resized by Pillow.

    Args:
        max_size: the longer side becomes no longer than that; with one number as size.
        antialias: None leaves it out on Tensors.
    """
    _, h, w = get_dimensions(img)
    height, width = output_size("resize", size, max_size, h, w)
    return _resize(img, None, (height, width), Mode(interpolation), antialias)


def output_size(who: str, size: Any, max_size: int | None, h: int, w: int) -> tuple[int, int]:
    """(height, width) of what is resized: as given, or with the shorter side as given."""
    values = numbers_of(size)
    if len(values) == 2:
        if max_size is not None:
            raise ArgumentError(f"{who}: with size {size}, both sides are given; leave out max_size")
        return pair(who, "size", values)
    short = pair(who, "size", size)[0]
    if max_size is not None and max_size <= short:
        raise ArgumentError(f"{who}: max_size {max_size} must be more than size {short}, of the shorter side")
    long = int(short * max(h, w) / min(h, w))
    if max_size is not None and long > max_size:
        short, long = max(1, int(max_size * short / long)), max_size
    return (long, short) if h > w else (short, long)


def resized_crop(
    img: Any,
    top: Any,
    left: Any,
    height: Any,
    width: Any,
    size: int | Sequence[int],
    interpolation: Any = Mode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """The window (top, left, height, width), which may be another for each image, resized to one size."""
    window = (top, left, height, width)
    values = numbers_of(size)
    if len(values) == 1 and all(np.ndim(v) == 0 for v in window):
        return resize(crop(img, *window), size, interpolation, antialias=antialias)
    return _resize(img, window, pair("resized_crop", "size", size), Mode(interpolation), antialias)


def _resize(
    img: Any, window: tuple[Any, ...] | None, size: tuple[int, int], mode: Mode, antialias: bool | None
) -> Any:
    if is_pillow(img):
        if window is not None:
            top, left, height, width = (int(np.ravel(v)[0]) for v in window)
            img = crop(img, top, left, height, width)
        filters = pillow("resize").Resampling
        exact = mode in (Mode.NEAREST, Mode.NEAREST_EXACT)
        return img.resize(size[::-1], filters.NEAREST if exact else filters[mode.name])
    return _resize_arrays(img, window, size, mode, bool(antialias))


@of_images
def _resize_arrays(
    x: Any, window: tuple[Any, ...] | None, size: tuple[int, int], mode: Mode, antialias: bool
) -> Any:
    n, _, h, w = x.shape
    if not h * w:
        raise ShapeError(f"resize: the image of {(h, w)} has no pixels to make {size} of")
    if window is None and size == (h, w):
        return x.copy()
    places: Any = window
    if window is not None:
        names = ("top", "left", "height", "width")
        places = [_integers("resized_crop", name, v, n) for name, v in zip(names, window, strict=True)]
        top, left, height, width = places
        inside = (top >= 0) & (left >= 0) & (top + height <= h) & (left + width <= w)
        if not (inside & (height > 0) & (width > 0)).all():
            raise ShapeError(f"resized_crop: a window is not within the image of {(h, w)}; make it smaller")
        if not n:
            return np.empty((*x.shape[:2], *size), x.dtype)
    if mode not in (Mode.NEAREST, Mode.NEAREST_EXACT):
        if window is None:
            return resample.resize(x, size, mode.value, antialias)
        return resample.resize_windows(x, places, size, mode.value, antialias)
    if window is None:
        top, left, height, width = ([number] for number in (0, 0, h, w))
    rows = resample.picked(top, height, size[0], mode.value)[:, None, :, None]
    columns = resample.picked(left, width, size[1], mode.value)[:, None, None, :]
    if window is None:
        return x[..., rows[0, 0], columns[0, 0]]
    return x[np.arange(n)[:, None, None, None], np.arange(x.shape[1])[:, None, None], rows, columns]

"""What an image is here, and the way from it to an array (N, C, H, W) and back.

An image is a Tensor (C, H, W) or a batch of them (N, C, H, W); an array (H, W), (H, W, C) or (N, H, W, C)
with at most 4 channels; or a Pillow image.  What comes out is of the kind that went in.  Integers span
the range of their dtype (uint8: 0..255), floats 0..1.

A number may be given as an array, too: it then holds one number for each image of the batch.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError, DtypeError, MissingToolError, ShapeError
from ...tensor import Tensor

if TYPE_CHECKING:
    import PIL.Image

__all__ = [
    "InterpolationMode",
    "bound",
    "fill_of",
    "is_pillow",
    "numbers_of",
    "of_images",
    "pair",
    "per_image",
    "pillow",
    "some",
    "unpack",
]


class InterpolationMode(Enum):
    """How pixels in between are made.  The names as strings, and Pillow's numbers, are understood as well.

    On Tensors, NEAREST takes pixel floor(i scale) as PyTorch's "nearest" does, NEAREST_EXACT the one that
    is really nearest; Pillow's "nearest" is exact.
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"

    @classmethod
    def _missing_(cls, value: object) -> InterpolationMode:
        numbers = {0: cls.NEAREST, 2: cls.BILINEAR, 3: cls.BICUBIC}  # Pillow's
        found = numbers.get(int(value)) if isinstance(value, int) else None
        if found is None:
            raise ArgumentError(
                f"InterpolationMode: there is no {value!r}; use one of {', '.join(m.value for m in cls)}"
            )
        return found


#: Pillow's modes of pixels that may be computed with, and those that may only be moved.
MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "HSV": 3, "F": 1}
MOVABLE = {**MODES, "P": 1, "I": 1}


def is_pillow(img: Any) -> TypeGuard[PIL.Image.Image]:
    """Whether this is a Pillow image; Pillow is not imported for the question."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def pillow(who: str) -> Any:
    """The module PIL.Image, or a MissingToolError that says how to get it."""
    try:
        import PIL.Image
    except ImportError as error:
        raise MissingToolError(f"{who}: needs Pillow; install it with pip install pillow") from error
    return PIL.Image


def unpack(img: Any, who: str, moves: bool = False) -> tuple[np.ndarray, Callable[[np.ndarray], Any]]:
    """An image as an array (N, C, H, W), and the function that makes of such an array the same kind of image.

    Args:
        who: names the caller in errors.
        moves: pixels are only moved, so those that are numbers of colours (mode P) may pass.
    """
    if isinstance(img, Tensor):
        x = img.array
        if x.ndim not in (3, 4):
            raise ShapeError(
                f"{who}: the image has shape {x.shape}; expected (C, H, W), or a batch (N, C, H, W)"
            )
        if x.ndim == 4:
            return x, lambda y: from_numpy(y.view())  # a view, for the array may be the image's own
        return x[None], lambda y: from_numpy(y[0])
    if is_pillow(img):
        modes = MOVABLE if moves else MODES
        if img.mode not in modes:
            raise DtypeError(
                f"{who}: the Pillow image has mode {img.mode}, not one of {', '.join(modes)}; "
                'use .convert("RGB") or .convert("L") first'
            )
        return _channels_first(np.asarray(img)), functools.partial(_pillow_like, img)
    if isinstance(img, np.ndarray):
        if img.dtype.kind not in "buif":
            raise DtypeError(f"{who}: the image is {img.dtype}; convert it to uint8 or float32")
        if img.ndim not in (2, 3, 4) or (img.ndim > 2 and not 1 <= img.shape[-1] <= 4):
            raise ShapeError(
                f"{who}: the array has shape {img.shape}; expected (H, W), (H, W, C) or (N, H, W, C) with at "
                "most 4 channels; if they stand first make it a Tensor (from_numpy)"
            )
        return _channels_first(img), functools.partial(_array_like, img.ndim)
    raise DtypeError(
        f"{who}: takes a Tensor, an array or a Pillow image, not a {type(img).__name__}; use ToTensor() first"
    )


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels[None, None]
    return np.moveaxis(pixels if pixels.ndim == 4 else pixels[None], -1, 1)


def _array_like(ndim: int, y: np.ndarray) -> np.ndarray:
    last = np.ascontiguousarray(np.moveaxis(y, 1, -1))
    if ndim == 4:
        return last
    return last[0, :, :, 0] if ndim == 2 and last.shape[-1] == 1 else last[0]


def _pillow_like(img: PIL.Image.Image, y: np.ndarray) -> PIL.Image.Image:
    # a gray image of a coloured one, or the other way round, is no longer of its mode
    mode = img.mode if MOVABLE[img.mode] == y.shape[1] else {1: "L", 3: "RGB"}[y.shape[1]]
    made = pillow("image").frombytes(mode, y.shape[:1:-1], np.moveaxis(y[0], 0, -1).tobytes())
    palette = img.getpalette() if mode == "P" else None
    if palette is not None:
        made.putpalette(palette)
    return made


def of_images(kernel: Callable[..., np.ndarray] | None = None, *, moves: bool = False) -> Any:
    """Make of a function of arrays (N, C, H, W) one of images of every kind, single or in batches."""
    if kernel is None:
        return functools.partial(of_images, moves=moves)

    @functools.wraps(kernel)
    def function(img: Any, *args: Any, **options: Any) -> Any:
        x, back = unpack(img, kernel.__name__, moves)
        return back(kernel(x, *args, **options))

    return function


def some(img: Any, chosen: np.ndarray, change: Callable[[Any], Any]) -> Any:
    """The images (a batch Tensor) with those that are chosen changed."""
    if chosen.all():
        return change(img)
    if not chosen.any():
        return img
    out = img.array.copy()
    out[chosen] = change(from_numpy(out[chosen])).array
    return from_numpy(out)


def per_image(who: str, name: str, value: Any, n: int, width: int = 0) -> np.ndarray:
    """The number (or `width` numbers) for each of n images, float64: (n,) or (n, width).

    What is given is the same for all, unless it is an array with an axis for the images.
    """
    shape = (n, width) if width else (n,)
    given = np.asarray(value.array if isinstance(value, Tensor) else value)
    if given.dtype.kind not in "buif" or given.shape not in (shape, shape[1:]):
        what = f"{width} numbers" if width else "a number"
        raise ArgumentError(f"{who}: {name} is {value!r}; expected {what}, or an array {shape}")
    return np.broadcast_to(given.astype(np.float64), shape)


def bound(dtype: np.dtype) -> float:
    """The largest value of a pixel: that of the integers, or 1."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def fill_of(who: str, fill: Any, channels: int, dtype: np.dtype) -> np.ndarray:
    """A fill colour as an array (C or 1, 1, 1); None is 0."""
    colour = np.atleast_1d(np.asarray(0 if fill is None else fill))
    if colour.dtype.kind not in "buif" or colour.shape not in ((1,), (channels,)):
        raise ArgumentError(f"{who}: fill is {fill!r}; give a number, or one for each of {channels} channels")
    if dtype.kind in "iu" and not np.array_equal(colour, np.clip(colour, 0, bound(dtype))):
        raise ArgumentError(f"{who}: fill {fill!r} is no value of {dtype}; use 0 to {bound(dtype):.0f}")
    return colour.astype(dtype)[:, None, None]


def numbers_of(value: Any) -> tuple[Any, ...]:
    """One number, or several, as a tuple."""
    return (value,) if np.ndim(value) == 0 else tuple(value)


def pair(who: str, name: str, value: int | Sequence[int], least: int = 1) -> tuple[int, int]:
    """Two integers (height, width), of two or of one for both."""
    values = numbers_of(value)
    values = values * 2 if len(values) == 1 else values
    fits = all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values)
    if len(values) != 2 or not fits:
        raise ArgumentError(
            f"{who}: {name} is {value}; give one integer of at least {least}, or two: (height, width)"
        )
    return int(values[0]), int(values[1])

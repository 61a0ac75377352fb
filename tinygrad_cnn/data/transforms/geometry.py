"""Transforms that move pixels: sizes, crops, flips, turns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...random import Generator, numpy_generator
from ...tensor import Tensor
from . import functional as F
from .base import Random, Transform, Where, probability, rectangles, span
from .functional.moving import pad_mode, sides
from .functional.resizing import output_size
from .images import InterpolationMode as Mode
from .images import pair, unpack

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]


class Resize(Transform):
    """The image in another size: (h, w), or the length of its shorter side; see `functional.resize`.

    >>> from tinygrad_cnn import zeros
    >>> Resize(14)(zeros(1, 28, 56)).shape
    (1, 14, 28)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: Any = Mode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        output_size("Resize", size, max_size, 1, 1)
        self.size = size
        self.interpolation = Mode(interpolation)
        self.max_size = max_size
        self.antialias = antialias

    def __call__(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The window of this size in the middle of the image; zeros beyond a smaller image."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair("CenterCrop", "size", size)

    def __call__(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(Transform):
    """The image with a margin: of `fill`, of its "edge", or of its mirror image ("reflect", "symmetric").

    Args:
        padding: on all sides; or (left-right, top-bottom); or (left, top, right, bottom).
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        sides("Pad", padding)
        self.padding = padding
        self.fill = fill
        self.padding_mode = pad_mode("Pad", padding_mode)

    def __call__(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class FiveCrop(Transform):
    """The four corners and the middle, as a tuple of images of this size."""

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair("FiveCrop", "size", size)

    def __call__(self, img: Any) -> Any:
        return F.five_crop(img, self.size)


class TenCrop(Transform):
    """The five crops of the image and those of its mirror image, as a tuple."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        self.size = pair("TenCrop", "size", size)
        self.vertical_flip = vertical_flip

    def __call__(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)


class RandomHorizontalFlip(Where):
    """Mirror left and right with probability p, each image of a batch for itself."""

    moves = True

    def change(self, x: Tensor) -> Tensor:
        return F.hflip(x)


class RandomVerticalFlip(Where):
    """Mirror top and bottom with probability p, each image of a batch for itself."""

    moves = True

    def change(self, x: Tensor) -> Tensor:
        return F.vflip(x)


class RandomCrop(Random):
    """A window of `size` at a random place of the image, after padding it.

    Args:
        size: (height, width), or one integer for both.
        padding: on all sides; or (left-right, top-bottom); or (left, top, right, bottom).
        pad_if_needed: pad what is still too small, on both sides.
        fill, padding_mode: as in `Pad`.

    >>> from tinygrad_cnn import zeros
    >>> RandomCrop(28, padding=2)(zeros(64, 1, 28, 28)).shape
    (64, 1, 28, 28)
    """

    moves = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
        *,
        generator: Generator | None = None,
    ) -> None:
        self.size = pair("RandomCrop", "size", size)
        sides("RandomCrop", padding or 0)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = pad_mode("RandomCrop", padding_mode)
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        if self.padding:
            x = F.pad(x, self.padding, self.fill, self.padding_mode)
        for axis, missing in enumerate(w - have for w, have in zip(self.size, x.shape[2:], strict=True)):
            if self.pad_if_needed and missing > 0:
                x = F.pad(x, (0, missing) if axis == 0 else (missing, 0), self.fill, self.padding_mode)
        top, left = self._corners(x.shape, self.size, self.draw)
        return F.crop(x, top, left, *self.size)

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """A random window (top, left, height, width) of one image, for `functional.crop`: of a photograph and
        its mask, say."""
        size = pair("RandomCrop", "output_size", output_size)
        shape = (1, *F.get_dimensions(img))
        top, left = RandomCrop._corners(shape, size, numpy_generator(None))
        return int(top[0]), int(left[0]), *size

    @staticmethod
    def _corners(shape: Sequence[int], size: tuple[int, int], draw: Any) -> list[np.ndarray]:
        (n, _, h, w), (height, width) = shape, size
        if height > h or width > w:
            raise ShapeError(
                f"RandomCrop: the window {size} exceeds the padded ({h}, {w}) image; "
                "make size smaller or padding larger"
            )
        return [draw.integers(room + 1, size=n) for room in (h - height, w - width)]


class RandomResizedCrop(Random):
    """A window of random area and shape, resized to `size` (Szegedy et al. 2014, arXiv:1409.4842).

    Args:
        scale: smallest and largest area, as a part of the image's.
        ratio: smallest and largest width / height, each as likely as its inverse.

    >>> from tinygrad_cnn import zeros
    >>> RandomResizedCrop(16)(zeros(8, 3, 40, 30)).shape
    (8, 3, 16, 16)
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: Any = Mode.BILINEAR,
        antialias: bool | None = True,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.size = pair("RandomResizedCrop", "size", size)
        self.scale = span(self, "scale", scale, 0, math.inf)
        self.ratio = span(self, "ratio", ratio, np.finfo(float).tiny, math.inf)
        self.interpolation = Mode(interpolation)
        self.antialias = antialias
        self.generator = generator

    def __call__(self, img: Any) -> Any:
        n, _, h, w = unpack(img, "RandomResizedCrop", moves=True)[0].shape
        windows = self.windows(n, h, w)
        return F.resized_crop(img, *windows, self.size, self.interpolation, self.antialias)

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """A random window (top, left, height, width) of one image, for `functional.resized_crop`."""
        _, h, w = F.get_dimensions(img)
        top, left, height, width = RandomResizedCrop(1, scale, ratio).windows(1, h, w)
        return int(top[0]), int(left[0]), int(height[0]), int(width[0])

    def windows(self, n: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A window (top, left, height, width) for each of n images."""
        draw = self.draw
        width, height, found = rectangles(draw, n, h * w, self.scale, self.ratio, (w, h))
        # where none fits, the largest one of a ratio within the bounds, in the middle
        low, high = self.ratio
        largest = (h, max(1, round(h * high))) if w > h * high else (min(h, max(1, round(w / low))), w)
        height, width = (np.where(found, v, e) for v, e in zip((height, width), largest, strict=True))
        place = np.where(found, draw.random((2, n)), 0.5)
        top = np.floor(place[0] * (h - height + found))
        left = np.floor(place[1] * (w - width + found))
        return top, left, height, width


class RandomRotation(Random):
    """Turned by a random angle in degrees, counter-clockwise.

    Args:
        degrees: (smallest, largest), or one number d for (-d, d).
        expand: make the result large enough for all of it; of single images only.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Any = Mode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.degrees = span(self, "degrees", degrees, -math.inf, math.inf, about=0)
        self.interpolation = Mode(interpolation)
        self.expand = expand
        self.center = center
        self.fill = fill
        self.generator = generator

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Not with `expand`, which gives every image a size of its own."""
        return not self.expand

    def apply(self, x: Tensor) -> Tensor:
        angles = self.draw.uniform(*self.degrees, x.shape[0])
        return F.rotate(x, angles, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Random):
    """Randomly turned, shifted, scaled and sheared around the middle.

    Args:
        degrees: of the turn, (smallest, largest) or one number d for (-d, d).
        translate: largest shift (x, y), as a part of the width and the height.
        scale: (smallest, largest) factor.
        shear: degrees; a number d for x within (-d, d), (smallest, largest) for x, or both for x and y.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Any = Mode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.degrees = span(self, "degrees", degrees, -math.inf, math.inf, about=0)
        if translate is not None and (len(translate) != 2 or not all(0 <= t <= 1 for t in translate)):
            raise ArgumentError(f"RandomAffine: translate is {translate}; give (x, y), each within 0..1")
        self.translate = translate
        self.scale = None if scale is None else span(self, "scale", scale, np.finfo(float).tiny, math.inf)
        self.shear: Any = None
        if shear is not None:
            # one number, or a pair for x; or a pair each for x and y
            parts = [shear] if np.size(shear) != 4 else np.reshape(shear, (2, 2))
            spans = [span(self, "shear", part, -math.inf, math.inf, about=0) for part in parts]
            self.shear = tuple(v for ends in spans for v in ends)
        self.interpolation = Mode(interpolation)
        self.fill = fill
        self.center = center
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        draw = self.draw
        angle = draw.uniform(*self.degrees, n)
        most = np.multiply(self.translate or (0, 0), (w, h))
        shift = np.rint(draw.uniform(-most, most, (n, 2)))
        scale = draw.uniform(*(self.scale or (1, 1)), n)
        low, high = np.reshape((*(self.shear or (0, 0)), 0, 0)[:4], (2, 2)).T
        shear = draw.uniform(low, high, (n, 2))
        return F.affine(x, angle, shift, scale, shear, self.interpolation, self.fill, self.center)


class RandomPerspective(Where):
    """Seen from a random place, with probability p: the corners move inwards.

    Args:
        distortion_scale: how far at most, as a part of half the image.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = Mode.BILINEAR,
        fill: Any = 0,
        *,
        generator: Generator | None = None,
    ) -> None:
        if not 0 <= distortion_scale <= 1:
            raise ArgumentError(
                f"RandomPerspective: distortion_scale is {distortion_scale}; it must be within 0..1"
            )
        self.distortion_scale = distortion_scale
        self.p = probability(self, p)
        self.interpolation = Mode(interpolation)
        self.fill = fill
        self.generator = generator

    def change(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        corners = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]])
        reach = np.floor(self.distortion_scale * (np.array([w, h]) // 2)).astype(int)
        steps = self.draw.integers(0, reach + 1, (n, 4, 2))
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        return F.perspective(x, corners, corners + inwards * steps, self.interpolation, self.fill)

"""Transforms of images: of one (C, H, W), or of a whole batch (N, C, H, W) at once.

A transform is a callable from Tensor to Tensor.  Those here have `batched = True`: given a batch they draw
for every image independently and move all pixels in one indexing operation, so that augmenting a batch
costs little more than copying it.  A callable without that mark is applied image by image.

Random transforms draw from `generator`, or from the default one.  Inside a `DataLoader` leave it out:
the loader gives every batch its own seed, so threads do not change the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DtypeError, ShapeError
from ..random import Generator, numpy_generator
from ..tensor import Tensor

__all__ = ["Compose", "Normalize", "RandomCrop", "RandomHorizontalFlip", "ToTensor"]


class Compose:
    """Several transforms, one after the other.

    >>> Compose([ToTensor(), Normalize(0.5, 0.5)])(np.zeros((2, 2), np.uint8)).array.tolist()
    [[[-1.0, -1.0], [-1.0, -1.0]]]
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    @property
    def batched(self) -> bool:
        """Whether every part takes a batch."""
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform!r}" for transform in self.transforms)
        return f"Compose({lines}\n)"


class ToTensor:
    """An image array to a float32 Tensor: (H, W) or (H, W, C) to (C, H, W), uint8 to 0..1.

    A batch of arrays is (N, H, W, C).  Floating point arrays keep their values.  Pillow images work, being
    arrays to numpy.  A Tensor passes unchanged: the images of FashionMNIST are Tensors already.

    >>> ToTensor()(np.full((28, 28), 255, np.uint8)).shape
    (1, 28, 28)
    """

    batched = True

    def __call__(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        array = np.asarray(image)
        if array.dtype.kind not in "buf":
            raise DtypeError(f"ToTensor: the image is {array.dtype}; convert it to uint8 or float32")
        if array.ndim == 2:
            array = array[:, :, None]
        if array.ndim not in (3, 4):
            raise ShapeError(
                f"ToTensor: the image has shape {array.shape}; expected (H, W), (H, W, C), or (N, H, W, C) "
                "for a batch"
            )
        pixels = np.moveaxis(array, -1, -3)
        if array.dtype == np.uint8:
            return from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32, order="C"))
        return from_numpy(pixels.astype(np.float32, order="C"))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(x - mean) / std, channel by channel; mean and std are numbers or one number per channel.

    >>> x = from_numpy(np.ones((2, 1, 1), np.float32))
    >>> Normalize((0.0, 0.5), (1.0, 0.5))(x).array.ravel().tolist()
    [1.0, 1.0]
    """

    batched = True

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean, self.std = np.atleast_1d(mean).tolist(), np.atleast_1d(std).tolist()
        if len(self.mean) != len(self.std) and 1 not in (len(self.mean), len(self.std)):
            raise ShapeError(
                f"Normalize: {len(self.mean)} means and {len(self.std)} deviations; give as many"
            )
        if 0 in self.std:
            raise ArgumentError(f"Normalize: std is {self.std}; a standard deviation cannot be 0")

    def __call__(self, image: Tensor) -> Tensor:
        x = _pixels(image, "Normalize")
        channels = max(len(self.mean), len(self.std))
        if channels not in (1, x.shape[-3]):
            raise ShapeError(
                f"Normalize: {channels} means and deviations, but the image of shape {x.shape} has "
                f"{x.shape[-3]} channels; give one per channel"
            )
        # a float image keeps its dtype; integers become float32
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
        mean, std = (np.array(values, dtype)[:, None, None] for values in (self.mean, self.std))
        return from_numpy((x - mean) / std)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class RandomHorizontalFlip:
    """Mirror left and right with probability p, each image of a batch for itself."""

    batched = True

    def __init__(self, p: float = 0.5, generator: Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ArgumentError(f"RandomHorizontalFlip: p is {p}; a probability lies between 0 and 1")
        self.p = p
        self.generator = generator

    def __call__(self, image: Tensor) -> Tensor:
        x = _pixels(image, "RandomHorizontalFlip")
        flip = numpy_generator(self.generator).random(x.shape[:-3]) < self.p
        return from_numpy(np.where(flip[..., None, None, None], x[..., ::-1], x))

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomCrop:
    """A window of `size` at a random place of the image, after padding it with `fill`.

    Args:
        size: (height, width), or one integer for both.
        padding: on all sides; or (left-right, top-bottom); or (left, top, right, bottom).

    >>> RandomCrop(28, padding=2)(from_numpy(np.zeros((64, 1, 28, 28), np.float32))).shape
    (64, 1, 28, 28)
    """

    batched = True

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] = 0,
        fill: float = 0.0,
        generator: Generator | None = None,
    ) -> None:
        sizes = (size, size) if isinstance(size, int) else tuple(size)
        pads = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(sizes) != 2 or min(sizes) < 1:
            raise ArgumentError(f"RandomCrop: size is {size}; give one positive integer or (height, width)")
        if len(pads) not in (2, 4) or min(pads) < 0:
            raise ArgumentError(f"RandomCrop: padding is {padding}; give 1, 2 or 4 integers of at least 0")
        self.size = sizes
        self.padding = pads if len(pads) == 4 else pads * 2
        self.fill = fill
        self.generator = generator

    def __call__(self, image: Tensor) -> Tensor:
        x = _pixels(image, "RandomCrop")
        left, top, right, bottom = self.padding
        (h, w), (wanted_h, wanted_w) = x.shape[-2:], self.size
        padded_h, padded_w = h + top + bottom, w + left + right
        if wanted_h > padded_h or wanted_w > padded_w:
            raise ShapeError(
                f"RandomCrop: the window {self.size} exceeds the padded ({padded_h}, {padded_w}) image; "
                "make size smaller or padding larger"
            )
        if any(self.padding):
            padded = np.full((*x.shape[:-2], padded_h, padded_w), self.fill, x.dtype)
            padded[..., top : top + h, left : left + w] = x
            x = padded
        draw = numpy_generator(self.generator)
        rows = draw.integers(padded_h - wanted_h + 1, size=x.shape[:-3])
        columns = draw.integers(padded_w - wanted_w + 1, size=x.shape[:-3])
        if x.ndim == 3:
            return from_numpy(x[:, rows : rows + wanted_h, columns : columns + wanted_w].copy())
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, axis=(-2, -1))
        return from_numpy(windows[np.arange(len(x)), :, rows, columns])

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


def _pixels(image: Any, name: str) -> np.ndarray:
    """The array of an image or a batch of images."""
    if not isinstance(image, Tensor):
        raise DtypeError(f"{name}: takes a Tensor, not a {type(image).__name__}; put ToTensor() before it")
    if len(image.shape) not in (3, 4):
        raise ShapeError(
            f"{name}: the image has shape {tuple(image.shape)}; expected (C, H, W), or a batch (N, C, H, W)"
        )
    return image.array

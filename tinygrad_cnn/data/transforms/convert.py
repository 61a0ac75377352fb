"""From arrays and Pillow images to Tensors, from dtype to dtype, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...tensor import Tensor
from . import functional as F
from .base import Transform
from .images import unpack

__all__ = [
    "ConvertImageDtype",
    "Normalize",
    "PILToTensor",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToTensor",
]


class ToTensor(Transform):
    """An image array to a float32 Tensor: (H, W) or (H, W, C) to (C, H, W), uint8 to 0..1.

    A batch of arrays is (N, H, W, C).  Floating point arrays keep their values.  Pillow images work, being
    arrays to numpy.  A Tensor passes unchanged: the images of FashionMNIST are Tensors already.

    >>> ToTensor()(np.full((28, 28), 255, np.uint8)).shape
    (1, 28, 28)
    """

    def __call__(self, img: Any) -> Tensor:
        return F.to_tensor(img)


class PILToTensor(Transform):
    """A Pillow image (or an array) to a Tensor (C, H, W) of its own dtype, its values unchanged."""

    def __call__(self, img: Any) -> Tensor:
        return F.pil_to_tensor(img)


class ToImage(Transform):
    """A Pillow image or an array to a Tensor (C, H, W), its values unchanged; a Tensor passes.

    >>> ToImage()(np.zeros((28, 28), np.uint8)).dtype
    dtype('uint8')
    """

    def __call__(self, img: Any) -> Tensor:
        return img if isinstance(img, Tensor) else F.pil_to_tensor(img)


class ToPILImage(Transform):
    """A Tensor (C, H, W) or an array (H, W, C) to a Pillow image; floats 0..1 become bytes."""

    batched = False

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, img: Any) -> Any:
        return F.to_pil_image(img, self.mode)


class ConvertImageDtype(Transform):
    """The image in another dtype, scaled: floats span 0..1, integers the range of their dtype.

    >>> x = ToImage()(np.full((1, 1), 255, np.uint8))
    >>> ConvertImageDtype(np.float32)(x)
    tensor([[[1.]]])
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, img: Any) -> Any:
        return F.convert_image_dtype(img, self.dtype)


class ToDtype(Transform):
    """The image in another dtype, scaled to its range if `scale` says so, else with the same numbers."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        self.dtype = dtype
        self.scale = scale

    def __call__(self, img: Any) -> Any:
        if self.scale:
            return F.convert_image_dtype(img, self.dtype)
        x, back = unpack(img, "ToDtype")
        return back(x.astype(self.dtype))


class Normalize(Transform):
    """(x - mean) / std, channel by channel; mean and std are numbers or one number per channel.

    >>> x = ToTensor()(np.ones((1, 1, 2), np.float32))
    >>> Normalize((0.0, 0.5), (1.0, 0.5))(x).array.ravel().tolist()
    [1.0, 1.0]
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean, self.std = np.atleast_1d(mean).tolist(), np.atleast_1d(std).tolist()
        self.inplace = inplace
        if len(self.mean) != len(self.std) and 1 not in (len(self.mean), len(self.std)):
            raise ShapeError(
                f"Normalize: {len(self.mean)} means and {len(self.std)} deviations; give as many"
            )
        if 0 in self.std:
            raise ArgumentError(f"Normalize: std is {self.std}; a standard deviation cannot be 0")

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor):
            raise DtypeError(
                f"Normalize: takes a Tensor, not a {type(img).__name__}; put ToTensor() before it"
            )
        return F.normalize(img, self.mean, self.std)

"""Images of one kind from those of another: arrays, tensors, Pillow's; bytes and floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....creation import from_numpy
from ....errors import ArgumentError, DtypeError, ShapeError
from ....tensor import Tensor
from ..images import bound, of_images, pillow, unpack

__all__ = ["convert_image_dtype", "get_dimensions", "normalize", "pil_to_tensor", "to_pil_image", "to_tensor"]


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of an image, or of the images of a batch."""
    return list(unpack(img, "get_dimensions", moves=True)[0].shape[1:])


def to_tensor(pic: Any) -> Tensor:
    """An array or a Pillow image as a float32 Tensor: (H, W) or (H, W, C) to (C, H, W), uint8 to 0..1.

    A batch of arrays is (N, H, W, C).  Other numbers keep their values.  A Tensor passes unchanged: the
    images of FashionMNIST are Tensors already.
    """
    if isinstance(pic, Tensor):
        return pic
    array = np.asarray(pic)
    if array.dtype.kind not in "buif":
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


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image (or an array) as a Tensor (C, H, W) of its own dtype, its values unchanged."""
    if isinstance(pic, Tensor):
        raise DtypeError("pil_to_tensor: the image is a Tensor already; leave out the conversion")
    x, _ = unpack(pic, "pil_to_tensor", moves=True)
    return from_numpy((x if np.ndim(pic) == 4 else x[0]).copy(order="C"))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Tensor (C, H, W) or an array (H, W, C) as a Pillow image; floats 0..1 become bytes, cut off.

    One channel gives mode L, two LA, three RGB, four RGBA, unless another `mode` of as many is named.
    """
    x, _ = unpack(pic, "to_pil_image")
    x = x[0] if len(x) == 1 and np.ndim(pic if isinstance(pic, np.ndarray) else x[0]) != 4 else x
    if x.ndim != 3 or x.shape[0] > 4:
        raise ShapeError(
            f"to_pil_image: the image has shape {tuple(pic.shape)}; give one image of at most 4 channels"
        )
    if x.dtype.kind == "f" and mode != "F":
        if x.size and (np.isnan(x).any() or x.min() < 0 or x.max() > 1):
            raise ArgumentError("to_pil_image: the floats are not within 0..1; undo the normalization first")
        x = (x * 255).astype(np.uint8)
    default = ("L", "LA", "RGB", "RGBA")[len(x) - 1]
    wanted = {"F": np.float32, "I": np.int32}.get(mode or default, np.uint8)
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "HSV": 3, "F": 1, "I": 1}
    if channels.get(mode or default) != len(x) or x.dtype != wanted:
        raise ArgumentError(
            f"to_pil_image: {len(x)} channels of {x.dtype} make no image of mode {mode or default}; "
            "convert the image, or name another mode"
        )
    made = np.moveaxis(x, 0, -1)
    return pillow("to_pil_image").frombytes(mode or default, x.shape[:0:-1], made.tobytes())


def convert_image_dtype(image: Any, dtype: Any = np.float32) -> Any:
    """The image in another dtype, scaled: floats span 0..1, integers the range of their dtype.

    Raises:
        DtypeError: floats to integers that they are too coarse for.
    """
    wanted = np.dtype(dtype)

    @of_images
    def convert_image_dtype(x: np.ndarray) -> np.ndarray:
        if x.dtype == wanted:
            return x
        if wanted.kind not in "iuf" or x.dtype.kind not in "iuf":
            raise DtypeError(f"convert_image_dtype: no image is {x.dtype} or {wanted}; use float32 or uint8")
        if wanted.kind == "f":
            y = x.astype(wanted)
            return y if x.dtype.kind == "f" else y / wanted.type(bound(x.dtype))
        if x.dtype.kind == "f":
            if np.finfo(x.dtype).nmant + 1 < np.iinfo(wanted).bits - (wanted.kind == "i"):
                raise DtypeError(
                    f"convert_image_dtype: {x.dtype} is too coarse for {wanted}; use a smaller integer"
                )
            # a little less than one more than the largest: all integers get an equal share of 0..1
            return (x * x.dtype.type(bound(wanted) + 1 - 1e-3)).astype(wanted)
        have, want = int(bound(x.dtype)) + 1, int(bound(wanted)) + 1
        return (x // (have // want)).astype(wanted) if have > want else x.astype(wanted) * (want // have)

    return convert_image_dtype(image)


def normalize(tensor: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """(x - mean) / std, channel by channel; mean and std are numbers or one number per channel.

    A float image keeps its dtype; integers become float32.  `inplace` changes nothing.
    """
    means, stds = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_1d(np.asarray(std, np.float64))
    if means.ndim != 1 or stds.ndim != 1 or (len(means) != len(stds) and 1 not in (len(means), len(stds))):
        raise ShapeError(f"Normalize: {means.size} means and {stds.size} deviations; give as many")
    if (stds == 0).any():
        raise ArgumentError(f"Normalize: std is {stds.tolist()}; a standard deviation cannot be 0")
    if not isinstance(tensor, Tensor):
        raise DtypeError(
            f"Normalize: takes a Tensor, not a {type(tensor).__name__}; put ToTensor() before it"
        )
    x, back = unpack(tensor, "Normalize")
    channels = max(len(means), len(stds))
    if channels not in (1, x.shape[1]):
        raise ShapeError(
            f"Normalize: {channels} means and deviations, but the image of shape {tuple(tensor.shape)} has "
            f"{x.shape[1]} channels; give one per channel"
        )
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    m, s = (values.astype(dtype)[:, None, None] for values in (means, stds))
    return back((x - m) / s)

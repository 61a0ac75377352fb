"""Brightness, contrast and the other properties of colours; blurred and sharper images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import ArgumentError, DtypeError, ShapeError
from .. import resample
from ..images import bound, of_images, pair, per_image
from .moving import _integers, _padded

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "gaussian_blur",
    "invert",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
]


def _colours(x: np.ndarray, who: str) -> np.ndarray:
    if x.shape[1] not in (1, 3):
        raise ShapeError(
            f"{who}: the image has {x.shape[1]} channels; it takes 1 (gray) or 3 (red, green, blue)"
        )
    if x.dtype.kind not in "uif":
        raise DtypeError(f"{who}: the image is {x.dtype}; convert it to uint8 or float32")
    return x


def _bytes(x: np.ndarray, who: str) -> np.ndarray:
    if x.dtype != np.uint8:
        raise DtypeError(f"{who}: takes bytes (uint8), not {x.dtype}; use convert_image_dtype first")
    return _colours(x, who)


def _factors(who: str, name: str, value: Any, x: np.ndarray, low: float = 0.0, high: float = math.inf) -> Any:
    """One factor for each image, (n, 1, 1, 1), in the dtype of the arithmetic."""
    factors = per_image(who, name, value, len(x))
    if not ((factors >= low) & (factors <= high)).all():
        within = f"at least {low:g}" if math.isinf(high) else f"within {low:g}..{high:g}"
        raise ArgumentError(f"{who}: {name} is {value!r}; it must be {within}")
    return factors.astype(_float(x.dtype))[:, None, None, None]


def _float(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float32)


def _cut(y: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values within the range of the dtype, fractions cut off."""
    return np.clip(y, 0, bound(dtype)).astype(dtype)


def _blend(x: np.ndarray, other: Any, ratio: np.ndarray) -> np.ndarray:
    """ratio x + (1 - ratio) other."""
    return _cut(ratio * x + (1 - ratio) * other, x.dtype)


def _gray(x: np.ndarray) -> np.ndarray:
    """The luminance of ITU-R 601-2, as torchvision has it."""
    if x.shape[1] == 1:
        return x
    r, g, b = (x[:, i : i + 1].astype(_float(x.dtype), copy=False) for i in range(3))
    return (0.2989 * r + 0.587 * g + 0.114 * b).astype(x.dtype)


@of_images
def rgb_to_grayscale(x: Any, num_output_channels: int = 1) -> Any:
    """0.2989 red + 0.587 green + 0.114 blue, in one channel or three that are equal."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"rgb_to_grayscale: num_output_channels is {num_output_channels}; use 1 or 3")
    gray = _gray(_colours(x, "rgb_to_grayscale"))
    return np.repeat(gray, num_output_channels, axis=1)


@of_images
def adjust_brightness(x: Any, brightness_factor: Any) -> Any:
    """Factor times the image: 0 is black, 1 the image."""
    x = _colours(x, "adjust_brightness")
    return _blend(x, 0, _factors("adjust_brightness", "brightness_factor", brightness_factor, x))


@of_images
def adjust_contrast(x: Any, contrast_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the mean of the gray image."""
    x = _colours(x, "adjust_contrast")
    factor = _factors("adjust_contrast", "contrast_factor", contrast_factor, x)
    return _blend(x, _gray(x).mean(axis=(1, 2, 3), dtype=_float(x.dtype), keepdims=True), factor)


@of_images
def adjust_saturation(x: Any, saturation_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the gray image."""
    x = _colours(x, "adjust_saturation")
    factor = _factors("adjust_saturation", "saturation_factor", saturation_factor, x)
    return x.copy() if x.shape[1] == 1 else _blend(x, _gray(x), factor)


@of_images
def adjust_hue(x: Any, hue_factor: Any) -> Any:
    """The colours turned on their circle, by a fraction of it within -0.5..0.5."""
    x = _colours(x, "adjust_hue")
    turn = _factors("adjust_hue", "hue_factor", hue_factor, x, -0.5, 0.5)[:, 0]
    if x.shape[1] == 1:
        return x.copy()
    top = bound(x.dtype)
    dtype = _float(x.dtype)
    r, g, b = (x[:, i].astype(dtype) / dtype.type(top) for i in range(3))
    value = np.maximum(np.maximum(r, g), b)
    chroma = value - np.minimum(np.minimum(r, g), b)
    width = np.where(chroma == 0, 1, chroma)
    sixth = np.where(
        value == r, (g - b) / width, np.where(value == g, 2 + (b - r) / width, 4 + (r - g) / width)
    )
    sixth = (sixth + 6 * turn) % 6
    # in each sixth of the circle one channel is full, one empty, and one on its way
    out = np.empty(x.shape, dtype)
    for i, shift in enumerate((5, 3, 1)):
        k = (shift + sixth) % 6
        out[:, i] = value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1)
    return out.clip(0, 1) if x.dtype.kind == "f" else (out * dtype.type(top + 1 - 1e-3)).astype(x.dtype)


@of_images
def adjust_gamma(x: Any, gamma: Any, gain: float = 1) -> Any:
    """gain x^gamma, of the image in 0..1."""
    x = _colours(x, "adjust_gamma")
    power = _factors("adjust_gamma", "gamma", gamma, x)
    dtype, top = _float(x.dtype), bound(x.dtype)
    y = np.clip(gain * (x.astype(dtype) / dtype.type(top)) ** power, 0, 1)
    return y if x.dtype.kind == "f" else (y * dtype.type(top + 1 - 1e-3)).astype(x.dtype)


@of_images
def adjust_sharpness(x: Any, sharpness_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the image smoothed over 3 x 3 pixels; the rim stays."""
    x = _colours(x, "adjust_sharpness")
    factor = _factors("adjust_sharpness", "sharpness_factor", sharpness_factor, x)
    if min(x.shape[2:]) <= 2:
        return x.copy()
    y = x.astype(_float(x.dtype), copy=False)
    rows = y[..., :-2, :] + y[..., 1:-1, :] + y[..., 2:, :]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * y[..., 1:-1, 1:-1]
    smooth = x.copy()
    smooth[..., 1:-1, 1:-1] = resample.rounded(sums / 13, x.dtype)
    return _blend(x, smooth, factor)


@of_images
def gaussian_blur(x: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """The image smoothed by a Gaussian over `kernel_size` (odd) pixels, its margin being its mirror image.

    Args:
        kernel_size: one number, or (x, y).
        sigma: the deviation in pixels, or (x, y); an array is one number for each image.  None is
            0.15 kernel_size + 0.35.
    """
    across, down = odd("gaussian_blur", kernel_size)
    if sigma is None:
        sigma = (0.15 * across + 0.35, 0.15 * down + 0.35)
    each = sigma if isinstance(sigma, (tuple, list)) and len(sigma) == 2 else (sigma, sigma)
    n = len(x)
    deviations = [per_image("gaussian_blur", "sigma", s, n) for s in each]
    if any((s <= 0).any() for s in deviations):
        raise ArgumentError(f"gaussian_blur: sigma is {sigma!r}; it must be more than 0")
    margin = (across // 2, down // 2, across // 2, down // 2)
    y = _padded(x, margin, 0, "reflect").astype(_float(x.dtype), copy=False)
    for axis, size, s in zip((3, 2), (across, down), deviations, strict=True):
        d = (np.arange(size) - (size - 1) / 2) / s[:, None]
        weights = np.exp(-0.5 * d * d)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(y.dtype)[:, :, None, None, None]
        y = y.swapaxes(axis, 3)
        length = y.shape[3] - size + 1
        y = sum(weights[:, k] * y[..., k : k + length] for k in range(size)).swapaxes(axis, 3)
    return resample.rounded(y, x.dtype)


def odd(who: str, kernel_size: Any) -> tuple[int, int]:
    """A kernel size, (x, y): odd and positive."""
    sizes = pair(who, "kernel_size", kernel_size)
    if sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ArgumentError(f"{who}: kernel_size is {kernel_size}; it must be odd")
    return sizes


@of_images
def invert(x: Any) -> Any:
    """The negative: largest value - x."""
    x = _colours(x, "invert")
    return x.dtype.type(bound(x.dtype)) - x


@of_images
def posterize(x: Any, bits: Any) -> Any:
    """Only the highest `bits` (0 to 8) of each byte."""
    x = _bytes(x, "posterize")
    kept = _integers("posterize", "bits", bits, len(x))
    if not ((kept >= 0) & (kept <= 8)).all():
        raise ArgumentError(f"posterize: bits is {bits!r}; it must be within 0..8")
    return x & ((0xFF << (8 - kept)) & 0xFF).astype(np.uint8)[:, None, None, None]


@of_images
def solarize(x: Any, threshold: Any) -> Any:
    """The negative of all values of at least the threshold."""
    x = _colours(x, "solarize")
    limits = per_image("solarize", "threshold", threshold, len(x))
    if (limits > bound(x.dtype)).any():
        raise ArgumentError(f"solarize: threshold {threshold!r} is above the largest value of {x.dtype}")
    limits = limits.astype(_float(x.dtype))[:, None, None, None]
    return np.where(x >= limits, x.dtype.type(bound(x.dtype)) - x, x)


@of_images
def autocontrast(x: Any) -> Any:
    """Each channel stretched over the whole range of values."""
    x = _colours(x, "autocontrast")
    dtype, top = _float(x.dtype), bound(x.dtype)
    low, high = (f(x, axis=(2, 3), keepdims=True).astype(dtype) for f in (np.min, np.max))
    flat = low == high
    scale = dtype.type(top) / np.where(flat, dtype.type(top), high - low)
    return _cut((x - np.where(flat, 0, low)) * scale, x.dtype)


@of_images
def equalize(x: Any) -> Any:
    """Each channel of bytes with a histogram as even as can be, by Pillow's rule."""
    x = _bytes(x, "equalize")
    n, c, h, w = x.shape
    if not x.size:
        return x.copy()
    of_channel = np.arange(n * c)[:, None]
    counts = np.bincount((x.reshape(n * c, -1) + 256 * of_channel).ravel(), minlength=256 * n * c)
    counts = counts.reshape(n * c, 256)
    highest = 255 - np.argmax(counts[:, ::-1] > 0, axis=1)
    step = (h * w - counts[np.arange(n * c), highest]) // 255
    below = np.cumsum(counts, axis=1) - counts  # how many are darker
    table = np.minimum((below + (step // 2)[:, None]) // np.maximum(step, 1)[:, None], 255)
    table = np.where(step[:, None] == 0, np.arange(256), table).astype(np.uint8)
    return table[of_channel, x.reshape(n * c, -1)].reshape(x.shape)

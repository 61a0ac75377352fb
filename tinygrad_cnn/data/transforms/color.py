"""Transforms that change what pixels hold: colours, contrast, sharpness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError, DtypeError
from ...random import Generator
from ...tensor import Tensor
from . import functional as F
from .base import Random, Transform, Where, probability, rectangles, span
from .functional.colours import odd

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]


class ColorJitter(Random):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness, contrast, saturation: (smallest, largest) factor, or one number v for (1 - v, 1 + v).
        hue: (smallest, largest) within -0.5..0.5, or one number v for (-v, v).

    >>> ColorJitter(brightness=0.5)
    ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=None)
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
        *,
        generator: Generator | None = None,
    ) -> None:
        def factors(name: str, value: Any, low: float, high: float, about: float) -> Any:
            # nothing to be drawn, nothing to be done
            found = span(self, name, value, low, high, about)
            return None if found == (about, about) else found

        self.brightness = factors("brightness", brightness, 0, math.inf, 1)
        self.contrast = factors("contrast", contrast, 0, math.inf, 1)
        self.saturation = factors("saturation", saturation, 0, math.inf, 1)
        self.hue = factors("hue", hue, -0.5, 0.5, 0)
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        adjustments = [
            (F.adjust_brightness, self.brightness),
            (F.adjust_contrast, self.contrast),
            (F.adjust_saturation, self.saturation),
            (F.adjust_hue, self.hue),
        ]
        n, draw = x.shape[0], self.draw
        order = draw.permuted(np.tile(np.arange(4), (n, 1)), axis=1)
        drawn = [draw.uniform(*(factors or (0, 0)), n) for _, factors in adjustments]
        out = x.array.copy()
        for step in order.T:  # all images in step, those that are due for the same one together
            for k, (adjust, factors) in enumerate(adjustments):
                due = np.flatnonzero(step == k)
                if factors is not None and len(due):
                    out[due] = adjust(from_numpy(out[due]), drawn[k][due]).array
        return from_numpy(out)


class Grayscale(Transform):
    """The gray image, in one channel or three that are equal."""

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ArgumentError(f"Grayscale: num_output_channels is {num_output_channels}; use 1 or 3")
        self.num_output_channels = num_output_channels

    def apply(self, x: Tensor) -> Tensor:
        return F.rgb_to_grayscale(x, self.num_output_channels)


class RandomGrayscale(Where):
    """Gray with probability p, in as many channels as before."""

    def __init__(self, p: float = 0.1, *, generator: Generator | None = None) -> None:
        super().__init__(p, generator=generator)

    def change(self, x: Tensor) -> Tensor:
        return F.rgb_to_grayscale(x, x.shape[1])


class GaussianBlur(Random):
    """Smoothed by a Gaussian of random deviation over `kernel_size` (odd) pixels."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        sigma: float | Sequence[float] = (0.1, 2.0),
        *,
        generator: Generator | None = None,
    ) -> None:
        self.kernel_size = odd("GaussianBlur", kernel_size)
        sigmas = (sigma, sigma) if np.ndim(sigma) == 0 else sigma
        self.sigma = span(self, "sigma", sigmas, np.finfo(float).tiny, math.inf)
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        return F.gaussian_blur(x, self.kernel_size, self.draw.uniform(*self.sigma, x.shape[0]))


class RandomInvert(Where):
    """The negative, with probability p."""

    def change(self, x: Tensor) -> Tensor:
        return F.invert(x)


class RandomAutocontrast(Where):
    """Each channel stretched over the whole range of values, with probability p."""

    def change(self, x: Tensor) -> Tensor:
        return F.autocontrast(x)


class RandomEqualize(Where):
    """Each channel of bytes with an even histogram, with probability p."""

    def change(self, x: Tensor) -> Tensor:
        return F.equalize(x)


class RandomPosterize(Where):
    """Only the highest `bits` of each byte, with probability p."""

    def __init__(self, bits: int, p: float = 0.5, *, generator: Generator | None = None) -> None:
        super().__init__(p, generator=generator)
        self.bits = bits

    def change(self, x: Tensor) -> Tensor:
        return F.posterize(x, self.bits)


class RandomSolarize(Where):
    """The negative of all values of at least `threshold`, with probability p."""

    def __init__(self, threshold: float, p: float = 0.5, *, generator: Generator | None = None) -> None:
        super().__init__(p, generator=generator)
        self.threshold = threshold

    def change(self, x: Tensor) -> Tensor:
        return F.solarize(x, self.threshold)


class RandomAdjustSharpness(Where):
    """Sharper (a factor above 1) or smoother, with probability p."""

    def __init__(
        self, sharpness_factor: float, p: float = 0.5, *, generator: Generator | None = None
    ) -> None:
        super().__init__(p, generator=generator)
        self.sharpness_factor = sharpness_factor

    def change(self, x: Tensor) -> Tensor:
        return F.adjust_sharpness(x, self.sharpness_factor)


class RandomErasing(Where):
    """A random window replaced by `value`, with probability p (Zhong et al. 2017, arXiv:1708.04896).

    Args:
        scale: smallest and largest area, as a part of the image's.
        ratio: smallest and largest height / width, each as likely as its inverse.
        value: a number, one for each channel, or "random" for normal noise.
        inplace: accepted, changes nothing.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.p = probability(self, p)
        self.scale = span(self, "scale", scale, 0, 1)
        self.ratio = span(self, "ratio", ratio, np.finfo(float).tiny, math.inf)
        if isinstance(value, str) and value != "random":
            raise ArgumentError(
                f'RandomErasing: value is {value!r}; give a number, one per channel, or "random"'
            )
        self.value = value
        self.inplace = inplace
        self.generator = generator

    def change(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        draw = self.draw
        height, width, found = rectangles(draw, n, h * w, self.scale, self.ratio, (h - 1, w - 1))
        height, width = height * found, width * found  # where none fits, nothing is erased
        top, left = (np.floor(draw.random(n) * (room + 1)) for room in (h - height, w - width))
        if isinstance(self.value, str):
            if x.array.dtype.kind != "f":
                raise DtypeError(
                    f'RandomErasing: value "random" is normal noise, the image is {x.array.dtype}; '
                    "convert it to float32 first"
                )
            value = draw.standard_normal(x.shape).astype(x.array.dtype)
        else:
            value = np.reshape(self.value, (-1, 1, 1))
            if len(value) not in (1, c):
                raise ArgumentError(
                    f"RandomErasing: {len(value)} values for {c} channels; give one, or one each"
                )
        return F.erase(x, top, left, height, width, value)

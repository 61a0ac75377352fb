"""Policies: random transforms of random strength, out of one table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError
from ...random import Generator
from ...tensor import Tensor
from . import functional as F
from .base import Random
from .images import InterpolationMode as Mode
from .images import bound

__all__ = ["RandAugment", "TrivialAugmentWide"]

# What each does to images x with magnitudes m, one for each; `how` are the options of moving pixels.
ZERO = (0.0, 0.0)
CHANGES: dict[str, Any] = {
    "Identity": lambda x, m, how: x,
    "ShearX": lambda x, m, how: F.affine(
        x, 0, ZERO, 1, _pairs(np.degrees(np.arctan(m)), 0), center=ZERO, **how
    ),
    "ShearY": lambda x, m, how: F.affine(
        x, 0, ZERO, 1, _pairs(np.degrees(np.arctan(m)), 1), center=ZERO, **how
    ),
    "TranslateX": lambda x, m, how: F.affine(x, 0, _pairs(np.trunc(m), 0), 1, 0, **how),
    "TranslateY": lambda x, m, how: F.affine(x, 0, _pairs(np.trunc(m), 1), 1, 0, **how),
    "Rotate": lambda x, m, how: F.rotate(x, m, **how),
    "Brightness": lambda x, m, how: F.adjust_brightness(x, 1 + m),
    "Color": lambda x, m, how: F.adjust_saturation(x, 1 + m),
    "Contrast": lambda x, m, how: F.adjust_contrast(x, 1 + m),
    "Sharpness": lambda x, m, how: F.adjust_sharpness(x, 1 + m),
    "Posterize": lambda x, m, how: F.posterize(x, m),
    "Solarize": lambda x, m, how: F.solarize(x, m * bound(x.array.dtype)),
    "AutoContrast": lambda x, m, how: F.autocontrast(x),
    "Equalize": lambda x, m, how: F.equalize(x),
}
SIGNED = {
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Rotate",
    "Brightness",
    "Color",
    "Contrast",
    "Sharpness",
}
BYTES_ONLY = {"Posterize", "Equalize"}


def _pairs(values: np.ndarray, axis: int) -> np.ndarray:
    """(values, 0), or (0, values)."""
    out = np.zeros((len(values), 2))
    out[:, axis] = values
    return out


class _Policy(Random):
    num_magnitude_bins: int
    interpolation: Any
    fill: Any

    def _strengths(self, h: int, w: int) -> dict[str, np.ndarray]:
        """The magnitudes of each change, from weak to strong."""
        raise NotImplementedError(f"{type(self).__name__} must define _strengths(self, h, w)")

    def _one(self, x: Tensor, bins: np.ndarray | None) -> Tensor:
        """One random change of each image, with the magnitude of its bin, which is drawn if none is given."""
        n, _, h, w = x.shape
        table, draw = self._strengths(h, w), self.draw
        names = [name for name in table if x.array.dtype == np.uint8 or name not in BYTES_ONLY]
        which = draw.integers(len(names), size=n)
        if bins is None:
            bins = draw.integers(self.num_magnitude_bins, size=n)
        signs = np.where(draw.random(n) < 0.5, -1.0, 1.0)
        how = {"interpolation": self.interpolation, "fill": self.fill}
        out = x.array.copy()
        for k in np.unique(which):
            chosen, name = which == k, names[k]
            strengths = table[name][bins[chosen]]
            if name in SIGNED:
                strengths = strengths * signs[chosen]
            out[chosen] = CHANGES[name](from_numpy(out[chosen]), strengths, how).array
        return from_numpy(out)


class TrivialAugmentWide(_Policy):
    """One random change of random strength (Müller, Hutter 2021, arXiv:2103.10158).

    Of floats, the changes that are for bytes only (posterize, equalize) are left out.
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = Mode.NEAREST,
        fill: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.num_magnitude_bins = _bins(self, num_magnitude_bins)
        self.interpolation = Mode(interpolation)
        self.fill = fill
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        return self._one(x, None)

    def _strengths(self, h: int, w: int) -> dict[str, np.ndarray]:
        return _table(self.num_magnitude_bins, shear=0.99, shift=(32, 32), turn=135, change=0.99, bits=6)


class RandAugment(_Policy):
    """`num_ops` random changes of one strength (Cubuk et al. 2019, arXiv:1909.13719).

    Of floats, the changes that are for bytes only (posterize, equalize) are left out.
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = Mode.NEAREST,
        fill: Any = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.num_ops = num_ops
        self.num_magnitude_bins = _bins(self, num_magnitude_bins)
        if not 0 <= magnitude < num_magnitude_bins or num_ops < 0:
            raise ArgumentError(
                f"RandAugment: magnitude {magnitude} of {num_magnitude_bins} bins, {num_ops} changes; "
                "a magnitude is one of the bins, counted from 0"
            )
        self.magnitude = magnitude
        self.interpolation = Mode(interpolation)
        self.fill = fill
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        for _ in range(self.num_ops):
            x = self._one(x, np.full(x.shape[0], self.magnitude))
        return x

    def _strengths(self, h: int, w: int) -> dict[str, np.ndarray]:
        shift = (150 / 331 * w, 150 / 331 * h)
        return _table(self.num_magnitude_bins, shear=0.3, shift=shift, turn=30, change=0.9, bits=4)


def _table(
    bins: int, *, shear: float, shift: tuple[float, float], turn: float, change: float, bits: int
) -> dict[str, np.ndarray]:
    """The strengths of all changes, from these largest ones."""
    ends = {"ShearX": shear, "ShearY": shear, "TranslateX": shift[0], "TranslateY": shift[1], "Rotate": turn}
    ends |= dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), change)
    table = {name: np.linspace(0.0, end, bins) for name, end in ends.items()}
    table["Posterize"] = 8 - np.rint(np.arange(bins) / (max(bins - 1, 1) / bits))
    table["Solarize"] = np.linspace(1.0, 0.0, bins)
    return {"Identity": np.zeros(bins), **table} | dict.fromkeys(("AutoContrast", "Equalize"), np.zeros(bins))


def _bins(transform: Any, count: int) -> int:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
        raise ArgumentError(
            f"{type(transform).__name__}: num_magnitude_bins must be an integer of at least 1, not {count!r}"
        )
    return int(count)

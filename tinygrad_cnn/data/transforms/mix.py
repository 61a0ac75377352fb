"""Mixtures of the images of a batch, and of their labels.

    mix = RandomChoice([MixUp(num_classes=10), CutMix(num_classes=10)])
    loader = DataLoader(data, 64, shuffle=True, collate_fn=lambda items: mix(default_collate(items)))

`cross_entropy` takes the mixed labels, which are probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError, ShapeError
from ...random import Generator
from ...tensor import Tensor
from .base import Random

__all__ = ["CutMix", "MixUp"]


class _Mix(Random):
    batched = False  # it takes labels, too

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, generator: Generator | None = None
    ) -> None:
        if not alpha > 0:
            raise ArgumentError(f"{type(self).__name__}: alpha is {alpha}; it must be more than 0")
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self.generator = generator

    def __call__(self, *inputs: Any) -> Any:
        who = type(self).__name__
        batch = inputs[0] if len(inputs) == 1 else inputs
        if (
            not isinstance(batch, (list, tuple))
            or len(batch) != 2
            or not all(isinstance(t, Tensor) for t in batch)
        ):
            raise ArgumentError(
                f"{who}: takes a batch of two Tensors, (images, labels); put it after collation"
            )
        x, y = (t.array for t in batch)
        if x.ndim != 4 or x.dtype.kind != "f" or y.ndim not in (1, 2) or len(x) != len(y):
            raise ShapeError(
                f"{who}: the images are {x.dtype} {x.shape}, the labels {y.shape}; "
                "expected floats (N, C, H, W), and (N,) or (N, classes)"
            )
        if y.ndim == 1:
            if y.dtype.kind not in "iu" or self.num_classes is None:
                raise ArgumentError(f"{who}: labels (N,) are integers, and need num_classes; give both")
            if y.size and not 0 <= y.min() <= y.max() < self.num_classes:
                raise ArgumentError(
                    f"{who}: the labels reach from {y.min()} to {y.max()}, num_classes is {self.num_classes}"
                )
            y = np.eye(self.num_classes, dtype=np.float32)[y]
        mixed, share = self.mix(x, float(self.draw.beta(self.alpha, self.alpha)))
        y = y if y.dtype.kind == "f" else y.astype(np.float32)
        labels = _blend(y, share)
        made = from_numpy(mixed), from_numpy(labels)
        return list(made) if isinstance(batch, list) else made

    def mix(self, x: np.ndarray, share: float) -> tuple[np.ndarray, float]:
        """The images, each mixed with the one before it, and the share of its own in it."""
        raise NotImplementedError


def _blend(x: np.ndarray, share: float) -> np.ndarray:
    own = x.dtype.type(share)
    return own * x + (1 - own) * np.roll(x, 1, axis=0)


class MixUp(_Mix):
    """share x + (1 - share) (the image before), and the labels alike (Zhang et al. 2017, arXiv:1710.09412).

    One share for the batch, drawn from Beta(alpha, alpha).  Takes (images, labels), float images and integer
    labels (with `num_classes`) or probabilities; gives the same with labels (N, classes).

    >>> from tinygrad_cnn import tensor, zeros
    >>> images, labels = MixUp(num_classes=3)(zeros(2, 1, 4, 4), tensor([0, 2]))
    >>> images.shape, labels.shape
    ((2, 1, 4, 4), (2, 3))
    """

    def mix(self, x: np.ndarray, share: float) -> tuple[np.ndarray, float]:
        return _blend(x, share), share


class CutMix(_Mix):
    """A window of the image before in each image; labels by area (Yun et al. 2019, arXiv:1905.04899).

    The window has 1 - share of the image's area, share being drawn from Beta(alpha, alpha), and is cut off at
    the rim.  Takes and gives what `MixUp` does.
    """

    def mix(self, x: np.ndarray, share: float) -> tuple[np.ndarray, float]:
        h, w = x.shape[2:]
        column, row = self.draw.integers(w), self.draw.integers(h)
        half = 0.5 * np.sqrt(1 - share)
        rows = slice(max(row - int(half * h), 0), min(row + int(half * h), h))
        columns = slice(max(column - int(half * w), 0), min(column + int(half * w), w))
        out = x.copy()
        out[..., rows, columns] = np.roll(x, 1, axis=0)[..., rows, columns]
        return out, 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (h * w)

"""Transforms made of transforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError, DtypeError, ShapeError
from ...random import Generator
from ...tensor import Tensor
from .base import Random, probability

__all__ = ["Compose", "Lambda", "RandomApply", "RandomChoice", "RandomOrder"]


class Compose:
    """Several transforms, one after the other.

    >>> from tinygrad_cnn.data.transforms import Normalize, ToTensor
    >>> Compose([ToTensor(), Normalize(0.5, 0.5)])(np.zeros((2, 2), np.uint8)).array.tolist()
    [[[-1.0, -1.0], [-1.0, -1.0]]]
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]]) -> None:
        self.transforms = _callables("Compose", transforms)

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


class Lambda:
    """Any function as a transform; it takes single images.

    >>> Lambda(lambda x: x + 1)(1)
    2
    """

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        (self.lambd,) = _callables("Lambda", [lambd])

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"


class _Several(Random):
    """Random transforms made of a list of others; each image of a batch for itself."""

    transforms: Any

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether every part takes a batch."""
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def _each(self, img: Any, n_labels: Callable[[int], np.ndarray], call: Callable[[Any, Any], Any]) -> Any:
        """`call(label, images)` for the images of each label: `n_labels(n)` draws those of n images."""
        if isinstance(img, Tensor) and len(img.shape) == 4:
            x = img.array
        elif isinstance(img, np.ndarray) and img.ndim == 4:
            x = img
        else:
            return call(n_labels(1)[0], img)
        labels = n_labels(len(x))
        found, group = np.unique(labels, axis=0, return_inverse=True)
        group = group.reshape(-1)  # of lists, NumPy gives it other shapes in other versions
        if len(found) == 1:
            return call(found[0], img)
        out: Any = None
        for k, label in enumerate(found):
            some = group == k
            part = call(label, from_numpy(x[some]) if isinstance(img, Tensor) else x[some])
            made = part.array if isinstance(part, Tensor) else part
            if out is None:
                out = np.empty((len(x), *made.shape[1:]), made.dtype)
            if made.shape[1:] != out.shape[1:] or made.dtype != out.dtype:
                raise ShapeError(
                    f"{type(self).__name__}: some images of the batch become {made.dtype} {made.shape[1:]}, "
                    f"others {out.dtype} {out.shape[1:]}; use it on single images"
                )
            out[some] = made
        return from_numpy(out) if isinstance(img, Tensor) else out


class RandomApply(_Several):
    """All of the transforms, one after the other, with probability p; else none."""

    def __init__(
        self,
        transforms: Sequence[Callable[[Any], Any]],
        p: float = 0.5,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.transforms = _callables("RandomApply", transforms)
        self.p = probability(self, p)
        self.generator = generator

    def __call__(self, img: Any) -> Any:
        def call(chosen: Any, images: Any) -> Any:
            return Compose(self.transforms)(images) if chosen else images

        return self._each(img, lambda n: self.draw.random(n) < self.p, call)


class RandomChoice(_Several):
    """One of the transforms, as often as `p` says (each the same, if it says nothing)."""

    def __init__(
        self,
        transforms: Sequence[Callable[[Any], Any]],
        p: Sequence[float] | None = None,
        *,
        generator: Generator | None = None,
    ) -> None:
        self.transforms = _callables("RandomChoice", transforms)
        weights = np.ones(len(self.transforms)) if p is None else np.asarray(p, np.float64)
        if (
            weights.shape != (len(self.transforms),)
            or not (weights >= 0).all()
            or not 0 < weights.sum() < np.inf
        ):
            raise ArgumentError(
                f"RandomChoice: p is {p} for {len(self.transforms)} transforms; "
                "give each a weight of at least 0"
            )
        self.p = p
        self._shares = weights / weights.sum()
        self.generator = generator

    def __call__(self, *inputs: Any) -> Any:
        def draw(n: int) -> np.ndarray:
            return self.draw.choice(len(self.transforms), n, p=self._shares)

        if len(inputs) != 1:  # images and labels, for MixUp or CutMix
            return self.transforms[draw(1)[0]](*inputs)
        return self._each(inputs[0], draw, lambda k, images: self.transforms[k](images))


class RandomOrder(_Several):
    """All of the transforms, in random order."""

    def __init__(
        self, transforms: Sequence[Callable[[Any], Any]], *, generator: Generator | None = None
    ) -> None:
        self.transforms = _callables("RandomOrder", transforms)
        self.generator = generator

    def __call__(self, img: Any) -> Any:
        def draw(n: int) -> np.ndarray:
            return self.draw.permuted(np.tile(np.arange(len(self.transforms)), (n, 1)), axis=1)

        return self._each(
            img, draw, lambda order, images: Compose([self.transforms[k] for k in order])(images)
        )


def _callables(who: str, transforms: Iterable[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
    given = list(transforms) if isinstance(transforms, Iterable) else [transforms]
    wrong = [transform for transform in given if not callable(transform)]
    if wrong or not isinstance(transforms, Iterable):
        what = type(wrong[0]).__name__ if wrong else type(transforms).__name__
        raise DtypeError(f"{who}: takes functions of an image, not a {what}; give a list of transforms")
    return given

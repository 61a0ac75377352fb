"""What transforms have in common: a call for images of every kind, a generator, a repr."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError
from ...random import Generator, numpy_generator
from ...tensor import Tensor
from .images import InterpolationMode, some, unpack

__all__ = ["Random", "Transform", "Where", "probability", "rectangles", "span"]


class Transform:
    """Base of transforms: a subclass defines `apply(x)`, of a Tensor (N, C, H, W) of images.

    `batched` says that a whole batch may be given; pixels of a `moves` transform keep their values.
    """

    batched = True
    moves = False

    def __call__(self, img: Any) -> Any:
        x, back = unpack(img, type(self).__name__, self.moves)
        return back(self.apply(from_numpy(x.view())).array)

    def apply(self, x: Tensor) -> Tensor:
        """The images, transformed."""
        raise NotImplementedError(f"{type(self).__name__} must define apply(self, x)")

    def __repr__(self) -> str:
        names = [name for name in inspect.signature(type(self)).parameters if name != "generator"]
        values = {name: getattr(self, name) for name in names}
        said = [f"{k}={v.value if isinstance(v, InterpolationMode) else repr(v)}" for k, v in values.items()]
        return f"{type(self).__name__}({', '.join(said)})"


class Random(Transform):
    """Base of random transforms: `draw` is the numpy generator to draw from."""

    generator: Generator | None = None

    @property
    def draw(self) -> Any:
        """That of the transform itself, or the default one."""
        return numpy_generator(self.generator)


class Where(Random):
    """Base of transforms that change each image with probability p: a subclass defines `change(x)`."""

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        self.p = probability(self, p)
        self.generator = generator

    def apply(self, x: Tensor) -> Tensor:
        """The images, some of them changed."""
        return some(x, self.draw.random(len(x.array)) < self.p, self.change)

    def change(self, x: Tensor) -> Tensor:
        """The images, all of them changed."""
        raise NotImplementedError(f"{type(self).__name__} must define change(self, x)")


def probability(transform: Any, p: float) -> float:
    """A number within 0..1."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{type(transform).__name__}: p is {p}; a probability lies between 0 and 1")
    return p


def span(transform: Any, name: str, value: Any, low: float, high: float, about: float | None = None) -> Any:
    """(smallest, largest), within low..high; of one number v, if `about` says so, about - v and about + v."""
    if about is not None and np.ndim(value) == 0:
        if value < 0:
            raise ArgumentError(f"{type(transform).__name__}: {name} is {value}; it must be at least 0")
        value = (max(about - value, low), about + value)
    values = tuple(float(v) for v in value)
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise ArgumentError(
            f"{type(transform).__name__}: {name} is {value}; "
            f"give (smallest, largest) within {low:g}..{high:g}"
        )
    return values


def rectangles(
    draw: Any, n: int, area: float, scale: Any, ratio: Any, most: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sides a and b, and whether there are any, of n random rectangles of whole pixels.

    a b is a part of the area within `scale`, a / b is within `ratio`, each as likely as its inverse; of ten
    that are drawn the first counts that is no larger than `most`.
    """
    areas = area * draw.uniform(*scale, (n, 10))
    ratios = np.exp(draw.uniform(*np.log(ratio), (n, 10)))
    a, b = np.rint(np.sqrt(areas * ratios)), np.rint(np.sqrt(areas / ratios))
    fits = (a > 0) & (a <= most[0]) & (b > 0) & (b <= most[1])
    first = np.arange(n), np.argmax(fits, axis=1)
    return a[first], b[first], fits[first]

"""Random numbers: drawn over a tensor, or with the probabilities in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..op import is_tensor, wrap
from ..random import Generator, numpy_generator
from .arguments import _floating, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Drawing", "normal", "uniform"]


class Drawing:
    """Draws from the default generator, or from the one given."""

    __slots__ = ()

    def bernoulli(self: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
        """1 with the probability x (or p), else 0."""
        x = _floating("bernoulli", self) if p is None else _tensor("bernoulli", self)
        chance = x.array if p is None else np.asarray(_number("bernoulli", "p", p))
        if not ((chance >= 0) & (chance <= 1)).all():
            raise ArgumentError("bernoulli: a probability lies outside of 0 to 1; use clamp(0, 1)")
        return wrap(np.asarray(numpy_generator(generator).random(x.shape) < chance, x.dtype))

    def multinomial(
        self: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
    ) -> Tensor:
        """Indices along the last axis, drawn with probabilities that are proportional to x.

        Without replacement an index comes once only, and those of probability 0 come last.
        """
        x = _floating("multinomial", self).array
        count = _int("multinomial", "num_samples", num_samples)
        if x.ndim not in (1, 2):
            raise ShapeError(f"multinomial: x {x.shape} must have 1 or 2 axes; reshape it")
        if not replacement and count > x.shape[-1]:
            raise ArgumentError(
                f"multinomial: {count} samples of {x.shape[-1]} categories; use replacement=True or fewer"
            )
        if not (np.isfinite(x).all() and (x >= 0).all()):
            raise ArgumentError("multinomial: x holds negative numbers, inf or nan; they must be weights")
        if not x.sum(-1).all():
            raise ArgumentError("multinomial: the weights of a row are all 0; at least one must be larger")
        rng = numpy_generator(generator)
        if replacement:
            bounds = np.cumsum(np.atleast_2d(x), -1, dtype=np.float64)
            drawn = rng.random((len(bounds), count)) * bounds[:, -1:]
            rows = zip(bounds, drawn, strict=True)
            found = np.array([row.searchsorted(at, "right") for row, at in rows], np.int64)
            last = x.shape[-1] - 1 - (x[..., ::-1] > 0).argmax(-1)  # what rounds up to the end belongs there
            return wrap(np.minimum(found.reshape(*x.shape[:-1], count), last[..., None]))
        # Who waits the shortest time comes first, if the times are exponential with rates x.
        with np.errstate(divide="ignore", over="ignore"):
            times = rng.exponential(size=x.shape) / x
        return wrap(np.argsort(times, -1)[..., :count])

    # --- over a tensor -----------------------------------------------------------------------------------

    def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Any = None) -> Tensor:
        """Uniform from `from_` up to `to`."""
        low, high = (float(_number("uniform_", "a bound", bound)) for bound in (from_, to))
        if not (math.isfinite(high - low) and low <= high):
            raise ArgumentError(f"uniform_: from {low} to {high}; the upper bound must not be smaller")
        dtype = _floating("uniform_", self).dtype
        return self.copy_(wrap(uniform(generator, self.shape, dtype) * (high - low) + low))

    def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
        """Normal, with this mean and standard deviation."""
        mean, std = float(_number("normal_", "mean", mean)), float(_number("normal_", "std", std, 0))
        dtype = _floating("normal_", self).dtype
        return self.copy_(wrap(normal(generator, self.shape, dtype) * std + mean))

    def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
        """1 with probability p, a number or a tensor, else 0."""
        p = _floating("bernoulli_", p) if is_tensor(p) else wrap(np.asarray(_number("bernoulli_", "p", p)))
        return self.copy_(p.double().expand(self.shape).bernoulli(generator=generator))

    def random_(self: Tensor, from_: Any = None, to: Any = None, *, generator: Any = None) -> Tensor:
        """Integers from `from_` (or 0) up to but without `to`, or up to the largest there is.

        With one number, from 0 up to but without that.
        """
        if to is None:
            from_, to = None, from_
        dtype = self.dtype
        least, most = _integers(dtype)
        low = 0 if from_ is None else _int("random_", "from", from_, least)
        high = most + 1 if to is None else _int("random_", "to", to, low + 1)
        if high > most + 1 and dtype.kind != "f":
            raise ArgumentError(f"random_: {high - 1} does not fit into {dtype}; `to` must be smaller")
        drawn = numpy_generator(generator).integers(low, high, self.shape)
        return self.copy_(wrap(drawn.astype(dtype)))


def uniform(generator: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """From 0 up to but without 1."""
    rng = numpy_generator(generator)
    if dtype == np.float16:
        return (rng.integers(0, 2**11, shape) / 2**11).astype(dtype)
    return np.asarray(rng.random(shape, dtype))


def normal(generator: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    """Standard normal."""
    rng = numpy_generator(generator)
    single = np.float32 if dtype == np.float16 else dtype
    return np.asarray(rng.standard_normal(shape, single), dtype)


def _integers(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The smallest and the largest integer such that it and all before it are there."""
    if dtype.kind == "f":
        most = 2 ** (np.finfo(dtype).nmant + 1)
        return -most, most
    return (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)

"""Samplers: in which order, and how often, the items of a data set come.

Random ones draw from `generator`, or from the default one.  A `DataLoader` starts its sampler under the
seed of the epoch, so that `manual_seed` or the loader's generator repeats the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DtypeError, ShapeError
from ..random import Generator, numpy_generator
from ..tensor import Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base of samplers: a subclass defines `__iter__()`, which gives indices or lists of them, and
    `__len__()` if the length of its loader is asked for."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... up to the length of the data."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every item once, in random order; or `num_samples` of them, with `replacement` each drawn anew.

    Without replacement, more samples than items start another round when all have come.

    Raises:
        ArgumentError: nothing to draw, or options of the wrong kind.

    >>> sorted(RandomSampler(range(4)))
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        require_bool("RandomSampler", "replacement", replacement)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if len(data_source) == 0:
            raise ArgumentError("RandomSampler: there is nothing to draw from, the data has no items")
        require_integer("RandomSampler", "num_samples", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has: the length of the data, if nothing else was said."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n, wanted = len(self.data_source), self.num_samples
        draw = numpy_generator(self.generator)
        if self.replacement:
            return iter(draw.integers(n, size=wanted).tolist())
        rounds = [draw.permutation(n) for _ in range(-(-wanted // n))]
        return iter(np.concatenate(rounds)[:wanted].tolist())

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices, each once, in random order."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = numpy_generator(self.generator).permutation(len(self.indices)).tolist()
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices into `weights`, each drawn as often as its weight says.

    With weights 1 / (size of the item's class), classes of any size come equally often.  Without
    `replacement` no index is drawn twice.

    Raises:
        ShapeError: weights that are no list of numbers.
        ArgumentError: negative, infinite or only zero weights, or too few of them without replacement.

    >>> set(WeightedRandomSampler([1.0, 0.0, 3.0], 50))
    {0, 2}
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        require_integer("WeightedRandomSampler", "num_samples", num_samples)
        require_bool("WeightedRandomSampler", "replacement", replacement)
        values = np.array(weights.array if isinstance(weights, Tensor) else weights, np.float64)
        if values.ndim != 1:
            raise ShapeError(
                f"WeightedRandomSampler: the weights have shape {values.shape}; give one number per item"
            )
        drawable = int((values > 0).sum())
        if not (np.isfinite(values) & (values >= 0)).all() or drawable == 0:
            raise ArgumentError(
                "WeightedRandomSampler: the weights must be finite and at least 0, and not all of them 0"
            )
        if not replacement and num_samples > drawable:
            raise ArgumentError(
                f"WeightedRandomSampler: {num_samples} samples without replacement from {drawable} items of "
                "positive weight; ask for fewer, or pass replacement=True"
            )
        self.weights = from_numpy(values)
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        values = self.weights.array
        values = values / values.max()  # so that the sum stays finite
        draw = numpy_generator(self.generator)
        chosen = draw.choice(len(values), self.num_samples, self.replacement, values / values.sum())
        return iter(chosen.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices of another sampler; the last one has what is left, or is dropped.

    >>> list(BatchSampler(SequentialSampler(range(5)), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        require_integer("BatchSampler", "batch_size", batch_size)
        require_bool("BatchSampler", "drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        return self._chunks(iter(self.sampler))  # which draws now, not when the first batch is asked for

    def _chunks(self, indices: Iterator[Any]) -> Iterator[list[int]]:
        while chunk := list(islice(indices, self.batch_size)):
            if len(chunk) == self.batch_size or not self.drop_last:
                yield chunk

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def require_integer(who: str, name: str, value: Any, least: int = 1) -> None:
    """Refuse anything but an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{who}: {name} must be an integer of at least {least}, not {value!r}")


def require_bool(who: str, name: str, value: Any) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool):
        raise DtypeError(f"{who}: {name} must be True or False, not {value!r}")

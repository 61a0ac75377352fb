"""What a data set is: a length, and an item for every index; or, of a stream, only an iterator.

A data set may also have `get_batch(indices)`, which returns what
`default_collate([self[i] for i in indices])` would, but made with one indexing operation instead of
one per item: 6,000 images per epoch then cost no Python per image.  It may return NotImplemented, "do
it item by item".  `DataLoader` uses it unless a `collate_fn` asks for the items, or a subclass has
changed `__getitem__` alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DtypeError, ShapeError
from ..random import Generator, numpy_generator
from ..tensor import Tensor
from .collate import fetch_items, try_batch

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of data sets: a subclass defines `__getitem__(index)` and `__len__()`; `a + b` is both in a row.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> Squares()[3]
    9
    >>> (Squares() + Squares())[5]
    1
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __add__(self, other: Any) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of items: a subclass defines `__iter__()`, and `__len__()` if it knows how many there are.

    A `DataLoader` goes through it once an epoch whatever its `num_workers`: threads share it, so no
    item comes twice and nothing has to be split.

    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> list(Countdown() + Countdown())
    [3, 2, 1, 3, 2, 1]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")

    def __add__(self, other: Any) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Tensors (or arrays) of the same length; item i is the tuple of their i-th entries.

    Raises:
        ShapeError: no tensors, a tensor without axes, or tensors of different length.

    >>> data = TensorDataset(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> len(data)
    3
    """

    def __init__(self, *tensors: Tensor | np.ndarray) -> None:
        lengths = [tensor.shape[0] if tensor.shape else None for tensor in tensors]
        if not tensors or None in lengths or len(set(lengths)) > 1:
            raise ShapeError(
                f"TensorDataset: the tensors must have the same size along axis 0; their shapes are "
                f"{[tuple(tensor.shape) for tensor in tensors]}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def get_batch(self, indices: Sequence[int] | np.ndarray) -> list[Tensor]:
        """The batch of these indices, one indexing operation per tensor."""
        picked = np.asarray(indices, np.intp)
        return [from_numpy((t.array if isinstance(t, Tensor) else t)[picked]) for t in self.tensors]

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class StackDataset(Dataset[Any]):
    """Data sets of the same length, side by side: item i is a tuple of their i-th items, or a dict.

    Raises:
        ArgumentError: no data sets, or some with and some without a name.
        ShapeError: data sets of different length.

    >>> StackDataset("abc", [1, 2, 3])[0], StackDataset(image="abc", label=[1, 2, 3])[0]
    (('a', 1), {'image': 'a', 'label': 1})
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ArgumentError(
                f"StackDataset: {len(args)} data sets without and {len(kwargs)} with a name; "
                "give at least one, and all of them one way"
            )
        lengths = [len(dataset) for dataset in (*args, *kwargs.values())]
        if len(set(lengths)) > 1:
            raise ShapeError(f"StackDataset: the data sets have {lengths} items; give as many of each")
        self.datasets: Any = args or kwargs
        self._length = lengths[0]

    def _each(self, call: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: call(dataset) for name, dataset in self.datasets.items()}
        return [call(dataset) for dataset in self.datasets]

    def __getitem__(self, index: Any) -> Any:
        item = self._each(lambda dataset: dataset[index])
        return item if isinstance(item, dict) else tuple(item)

    def get_batch(self, indices: Sequence[int] | np.ndarray) -> Any:
        """The batches of all parts, if each makes its own batches."""
        batches = self._each(lambda dataset: try_batch(dataset, indices))
        parts = batches.values() if isinstance(batches, dict) else batches
        return NotImplemented if any(part is NotImplemented for part in parts) else batches

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Data sets one after the other.

    Raises:
        ArgumentError: no data sets, or an `IterableDataset`, for which there is `ChainDataset`.

    >>> data = ConcatDataset(["abc", "de"])
    >>> len(data), data[3], data[-5]
    (5, 'd', 'a')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets or any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise ArgumentError(
                f"ConcatDataset: takes at least one data set, and none that only iterates; these are "
                f"{[type(dataset).__name__ for dataset in self.datasets]}; use ChainDataset for streams"
            )
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ConcatDataset: there is no item {index} among {n}")
        index += n if index < 0 else 0
        part = bisect_right(self.cumulative_sizes, index)
        return self.datasets[part][index - (self.cumulative_sizes[part - 1] if part else 0)]


class ChainDataset(IterableDataset[T_co]):
    """Streams one after the other.

    >>> class Word(IterableDataset):
    ...     def __iter__(self):
    ...         return iter("ab")
    >>> list(ChainDataset([Word(), Word()]))
    ['a', 'b', 'a', 'b']
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise DtypeError(
                    f"ChainDataset: takes IterableDatasets, not a {type(dataset).__name__}; use ConcatDataset"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        for stream in self._streams():
            yield from stream

    def __len__(self) -> int:
        return sum(len(stream) for stream in self._streams())


class Subset(Dataset[T_co]):
    """The items of a data set at the given indices.

    >>> Subset("abcde", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        return fetch_items(self.dataset, [self.indices[i] for i in indices])

    def get_batch(self, indices: Sequence[int] | np.ndarray) -> Any:
        """The batch of these indices, if the data set makes its own batches."""
        if isinstance(self.indices, np.ndarray):
            return try_batch(self.dataset, self.indices[np.asarray(indices, np.intp)])
        return try_batch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[Any]]:
    """Split a data set at random into parts of these lengths, or of these fractions when they add up to 1.

    Fractions are rounded down; what is left over goes one by one to the first parts, as in PyTorch.

    Raises:
        ArgumentError: negative or fractional lengths, or lengths that do not add up to the data set's.

    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25])]
    [6, 2, 2]
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ArgumentError(f"random_split: lengths must not be negative; they are {list(lengths)}")
    if math.isclose(math.fsum(lengths), 1):
        counts = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
    elif sum(lengths) == n and all(isinstance(length, (int, np.integer)) for length in lengths):
        counts = [int(length) for length in lengths]
    else:
        raise ArgumentError(
            f"random_split: lengths {list(lengths)} add up to {sum(lengths)}, the data set has {n} items; "
            "use integers that add up to that, or fractions that add up to 1"
        )
    order = numpy_generator(generator).permutation(n)
    ends = np.cumsum(counts)[:-1]
    return [Subset(dataset, part) for part in np.split(order, ends)]

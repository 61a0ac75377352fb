"""What a data set is: a length, and an item for every index.

A data set may also have `get_batch(indices)`, which returns what
`default_collate([self[i] for i in indices])` would, but made with one indexing operation instead of
one per item: 6,000 images per epoch then cost no Python per image.  It may return NotImplemented, "do
it item by item".  `DataLoader` uses it unless a `collate_fn` asks for the items, or a subclass has
changed `__getitem__` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, ShapeError
from ..random import Generator, numpy_generator
from ..tensor import Tensor
from .collate import try_batch

__all__ = ["Dataset", "Subset", "TensorDataset", "random_split"]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Base of data sets: a subclass defines `__getitem__(index)` and `__len__()`.

    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return i * i
    >>> Squares()[3]
    9
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")


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

    def get_batch(self, indices: Sequence[int] | np.ndarray) -> tuple[Tensor, ...]:
        """The batch of these indices, one indexing operation per tensor."""
        picked = np.asarray(indices, np.intp)
        return tuple(from_numpy((t.array if isinstance(t, Tensor) else t)[picked]) for t in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class Subset(Dataset[T_co]):
    """The items of a data set at the given indices.

    >>> Subset("abcde", [4, 0])[0]
    'e'
    """

    def __init__(self, dataset: Any, indices: Sequence[int] | np.ndarray) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        return self.dataset[self.indices[index]]

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
    elif math.fsum(lengths) == n and all(length == int(length) for length in lengths):
        counts = [int(length) for length in lengths]
    else:
        raise ArgumentError(
            f"random_split: lengths {list(lengths)} add up to {sum(lengths)}, the data set has {n} items; "
            "use integers that add up to that, or fractions that add up to 1"
        )
    order = numpy_generator(generator).permutation(n)
    ends = np.cumsum(counts)[:-1]
    return [Subset(dataset, part) for part in np.split(order, ends)]

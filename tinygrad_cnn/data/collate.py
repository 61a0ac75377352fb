"""From items to a batch: one at a time, or, where a data set can, all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor

__all__ = ["default_collate", "fetch_items", "try_batch"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack a list of items into one batch, along a new first axis.

    Tensors, arrays, numbers and booleans become one Tensor; strings, bytes stay a list; dicts, tuples, lists
    and named tuples are collated entry by entry into a container of the same kind.  Python floats
    become float32 and Python ints int64; arrays and numpy numbers keep their dtype.  The batch records
    nothing: it is data.  (PyTorch makes Python floats float64 and returns tuples as lists.)

    Raises:
        ShapeError: items of different shape or length.
        DtypeError: an item that cannot be stacked.

    >>> x, y = default_collate([(np.zeros((1, 28, 28)), 3), (np.ones((1, 28, 28)), 8)])
    >>> x.shape, y.array.tolist()
    ((2, 1, 28, 28), [3, 8])
    """
    if not batch:
        raise ShapeError("default_collate: there is nothing to stack, the batch is empty")
    first = batch[0]
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        for i, item in enumerate(batch):
            if not isinstance(item, Mapping) or item.keys() != first.keys():
                raise ShapeError(
                    f"default_collate: item {i} has keys {_keys(item)}, item 0 has {_keys(first)}; "
                    "give every item the same keys"
                )
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, (tuple, list)):
        for i, item in enumerate(batch):
            if not isinstance(item, (tuple, list)) or len(item) != len(first):
                raise ShapeError(
                    f"default_collate: item {i} is {_described(item)}, item 0 is {_described(first)}; "
                    "give every item as many entries, or pass DataLoader a collate_fn"
                )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    return from_numpy(_stack(batch))


def try_batch(dataset: Any, indices: Sequence[Any] | np.ndarray) -> Any:
    """The data set's own `get_batch(indices)`, or NotImplemented if it has none that speaks for it."""
    return dataset.get_batch(indices) if _batches_itself(type(dataset)) else NotImplemented


def fetch_items(dataset: Any, indices: Sequence[Any] | np.ndarray, stop: Event | None = None) -> list[Any]:
    """The items as a list, by PyTorch's `__getitems__` if the data set has it; ends early on `stop`."""
    indices = indices.tolist() if isinstance(indices, np.ndarray) else indices
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(indices))
    items = []
    for i in indices:
        if stop is not None and stop.is_set():
            break  # nobody waits for this batch any more
        items.append(dataset[i])
    return items


def _batches_itself(cls: type) -> bool:
    """Whether `get_batch` speaks for the class: a subclass that changes `__getitem__` alone is heard."""
    for base in cls.__mro__:
        if "get_batch" in vars(base):
            return True
        if "__getitem__" in vars(base) or "__getitems__" in vars(base):
            return False
    return False


def _stack(batch: Sequence[Any]) -> np.ndarray:
    arrays = [np.asarray(item.array if isinstance(item, Tensor) else item) for item in batch]
    for i, array in enumerate(arrays):
        if array.dtype.kind not in "biuf":
            raise DtypeError(
                f"default_collate: item {i} is a {type(batch[i]).__name__}, which does not become a Tensor; "
                "return Tensors, arrays, numbers, strings, or pass DataLoader a collate_fn"
            )
        if array.shape != arrays[0].shape:
            raise ShapeError(
                f"default_collate: item {i} has shape {array.shape}, item 0 has {arrays[0].shape}; "
                "crop or pad the items to one shape, or pass DataLoader a collate_fn"
            )
    stacked = np.stack(arrays)
    python_floats = stacked.dtype == np.float64 and all(type(item) in (float, int, bool) for item in batch)
    return stacked.astype(np.float32) if python_floats else stacked


def _keys(item: Any) -> str:
    return str(list(item)) if isinstance(item, Mapping) else f"none, it is a {type(item).__name__}"


def _described(item: Any) -> str:
    kind = type(item).__name__
    return f"a {kind} of {len(item)} entries" if isinstance(item, (tuple, list)) else f"a {kind}"

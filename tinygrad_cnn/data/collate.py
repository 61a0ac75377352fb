"""From items to a batch: one at a time, or, where a data set can, all at once."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from copy import copy
from threading import Event
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..errors import DtypeError, ShapeError
from ..tensor import Tensor

__all__ = ["default_collate", "default_convert", "fetch_items", "try_batch"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack a list of items into one batch, along a new first axis.

    Tensors, arrays, numbers and booleans become one Tensor; strings, bytes stay a list; dicts, lists and
    named tuples are collated entry by entry into a container of the same kind, tuples into a list.
    Python floats become float64 and ints int64, as in PyTorch; arrays and numpy numbers keep their dtype.
    The batch records nothing: it is data.

    Raises:
        ShapeError: items of different shape or length.
        DtypeError: an item that cannot be stacked.

    >>> x, y = default_collate([(np.zeros((1, 28, 28)), 3), (np.ones((1, 28, 28)), 8)])
    >>> x.shape, y.array.tolist()
    ((2, 1, 28, 28), [3, 8])
    """
    if len(batch) == 0:
        raise ShapeError("default_collate: there is nothing to stack, the batch is empty")
    first = batch[0]
    if isinstance(first, (str, bytes)):
        for i, item in enumerate(batch):
            if not isinstance(item, (str, bytes)):
                raise DtypeError(
                    f"default_collate: item {i} is {_described(item)}, item 0 is {_described(first)}; "
                    "make all of them strings, or pass DataLoader a collate_fn"
                )
        return batch
    if isinstance(first, Mapping):
        for i, item in enumerate(batch):
            if not isinstance(item, Mapping) or item.keys() != first.keys():
                raise ShapeError(
                    f"default_collate: item {i} has keys {_keys(item)}, item 0 has {_keys(first)}; "
                    "give every item the same keys"
                )
        return _like(first, {key: default_collate([item[key] for item in batch]) for key in first})
    if isinstance(first, Sequence):
        for i, item in enumerate(batch):
            if not isinstance(item, Sequence) or isinstance(item, (str, bytes)) or len(item) != len(first):
                raise ShapeError(
                    f"default_collate: item {i} is {_described(item)}, item 0 is {_described(first)}; "
                    "give every item as many entries, or pass DataLoader a collate_fn"
                )
        return _like(first, [default_collate(column) for column in zip(*batch, strict=True)])
    return from_numpy(_stack(batch))


def default_convert(data: Any) -> Any:
    """One item as a Tensor, without a batch axis: arrays and numpy numbers, also those within containers.

    Everything else stays what it is.  This is the `collate_fn` of a DataLoader with `batch_size=None`.

    >>> default_convert({"x": np.array([1, 2]), "name": "a"})
    {'x': tensor([1, 2]), 'name': 'a'}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
        return from_numpy(array) if array.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like(data, [default_convert(entry) for entry in data])
    return data


def _like(container: Any, entries: Any) -> Any:
    """The entries, a dict or a list, in a container of this one's class; those of a tuple in a list."""
    if hasattr(container, "_fields"):
        return type(container)(*entries)
    if isinstance(container, tuple):
        return entries
    try:
        if isinstance(container, MutableMapping):  # a copy keeps what else the object holds
            filled = copy(container)
            filled.update(entries)
            return filled
        return type(container)(entries)
    except TypeError:  # such as a range, which holds integers only
        return entries


def try_batch(dataset: Any, indices: Sequence[Any] | np.ndarray) -> Any:
    """The data set's own `get_batch(indices)`, or NotImplemented if it has none that speaks for it."""
    return dataset.get_batch(indices) if _speaks_for("get_batch", dataset) else NotImplemented


def fetch_items(dataset: Any, indices: Sequence[Any] | np.ndarray, stop: Event | None = None) -> list[Any]:
    """The items as a list, by PyTorch's `__getitems__` if the data set has it; ends early on `stop`."""
    indices = indices.tolist() if isinstance(indices, np.ndarray) else indices
    if _speaks_for("__getitems__", dataset):
        return list(dataset.__getitems__(indices))
    items = []
    for i in indices:
        if stop is not None and stop.is_set():
            break  # nobody waits for this batch any more
        items.append(dataset[i])
    return items


#: What stands for `__getitem__`, each for those after it.
WAYS = ("get_batch", "__getitems__", "__getitem__")


def _speaks_for(way: str, dataset: Any) -> bool:
    """Whether this method is to be asked: a subclass that changes `__getitem__` alone is heard."""
    for base in type(dataset).__mro__:
        if way in vars(base):
            return True
        if any(other in vars(base) for other in WAYS[WAYS.index(way) + 1 :]):
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
    return np.stack(arrays)


def _keys(item: Any) -> str:
    return str(list(item)) if isinstance(item, Mapping) else f"none, it is a {type(item).__name__}"


def _described(item: Any) -> str:
    kind = type(item).__name__
    countable = isinstance(item, Sequence) and not isinstance(item, (str, bytes))
    return f"a {kind} of {len(item)} entries" if countable else f"a {kind}"

"""How arguments are read: axes, sizes, numbers and dtypes, each refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..op import constant, get_default_dtype, is_tensor, promote
from ..ops import elementwise

if TYPE_CHECKING:
    from .core import Tensor

__all__: list[str] = []

Dims = int | Sequence[int] | None


def _floats(data: Any, dtype: Any = None) -> np.ndarray:
    """Numbers, or lists of them, as an array."""
    dtype = get_default_dtype() if dtype is None else dtype
    try:
        if data is not None:  # which NumPy would take for nan
            return np.asarray(data, dtype)
    except (TypeError, ValueError):
        pass
    raise DtypeError(f"Tensor: cannot hold {type(data).__name__} {data!r:.40}; numbers and bools only")


def _given(data: Any, node: Any) -> np.ndarray:
    """Numbers as an array, where it is clear that no size is meant."""
    if node is not None or type(data) is int:
        raise DtypeError(f"Tensor: is {data!r:.40} a size or a value? say zeros(2, 3) or tensor(5.0)")
    return _floats(data)


def _tensor(name: str, x: Any, role: str = "x") -> Tensor:
    if not is_tensor(x):
        if x is None:
            raise DtypeError(f"{name}: {role} is None, not a tensor; did a function forget to return one?")
        raise DtypeError(f"{name}: {role} is of type {type(x).__name__}; {_way_to_a_tensor(x)}")
    return x


def _way_to_a_tensor(x: Any) -> str:
    """What to do with something that is none."""
    kind = type(x).__name__
    if isinstance(x, (tuple, list)) and any(map(is_tensor, x)):
        return "take one of its tensors, as in x, y = batch, or stack(...) them"
    if callable(getattr(x, "forward", None)):
        return f"a module is made first, and then called: {kind}(...)(x)"
    if hasattr(x, "batch_sampler"):
        return "go through its batches: for x, y in loader"
    if type(x).__module__.startswith("PIL."):
        return "data.transforms.ToTensor() makes a tensor of a picture"
    return "make it a tensor(...) first"


def _operand(name: str, x: Any) -> Any:
    """The array of a tensor; arrays and Python numbers as they are."""
    return x.array if is_tensor(x) else constant(name, x)


def _dtype(name: str, dtype: Any) -> np.dtype[Any]:
    """One of the number types."""
    try:
        found = np.dtype(dtype)
        if found.kind in "fiub":
            return found
    except TypeError:
        pass
    raise DtypeError(
        f"{name}: {dtype!r:.40} is no dtype of numbers; use one such as float32, float64 or int64"
    )


def _number(name: str, what: str, value: Any, least: float | None = None, most: float = math.inf) -> Any:
    """A real number within bounds; nan is within none."""
    if isinstance(value, Real) and (least is None or least <= float(value) <= most):
        return value
    bounds = "" if least is None else f" from {least} to {most}"
    raise ArgumentError(f"{name}: {what} must be a number{bounds}, not {value!r:.40}")


def _whole(name: str, what: str, value: Any) -> int:
    """An integer."""
    try:
        return index(value)
    except TypeError:
        raise DtypeError(f"{name}: {what} must be an integer, not {value!r:.40}") from None


def _axis(name: str, x: Tensor, dim: Any) -> int:
    """One axis of a tensor that has some."""
    if _tensor(name, x).ndim == 0:
        raise ShapeError(f"{name}: x () has no axes and so no dim {dim}; unsqueeze(0) gives it one")
    return _dim(name, x, dim)


def _dim(name: str, x: Tensor, dim: Any) -> int:
    """One axis, counted from the front; a 0-d tensor counts as having one."""
    n = max(_tensor(name, x).ndim, 1)
    if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool):
        raise DtypeError(f"{name}: dim is {dim!r}; an axis is an integer")
    if not -n <= dim < n:
        raise ShapeError(f"{name}: x {x.shape} has no axis {dim}; use {-n} to {n - 1}")
    return int(dim) % n


def _gap(name: str, x: Tensor, dim: Any) -> int:
    """Where a new axis goes: before axis `dim`, or behind the last one."""
    n = _tensor(name, x).ndim
    if not isinstance(dim, (int, np.integer)) or not -n - 1 <= dim <= n:
        raise ShapeError(
            f"{name}: a new axis of x {x.shape} cannot stand at {dim!r:.40}; use {-n - 1} to {n}"
        )
    return int(dim) % (n + 1)


def _dims(name: str, x: Tensor, dim: Any, keepdim: Any = False) -> tuple[int, ...]:
    """A set of axes in ascending order; None and () mean all."""
    if keepdim is not False and keepdim is not True:  # sum(0, 1) would quietly sum over axis 0 alone
        raise ArgumentError(f"{name}: keepdim is {keepdim!r:.40}, not a bool; give several axes as a tuple")
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(_tensor(name, x).ndim))
    dims = sorted(_dim(name, x, d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    if len(set(dims)) < len(dims):
        raise ArgumentError(f"{name}: an axis appears twice in dim={dim} (x {x.shape})")
    return tuple(dims) if x.ndim else ()


def _lone(name: str, x: Tensor, dim: Any, keepdim: Any) -> int | None:
    """One axis, or None for all; nor has a 0-d tensor one."""
    axis = None if dim is None else _dim(name, x, dim)
    _dims(name, x, axis, keepdim)
    return axis if x.ndim else None


def _sizes(name: str, sizes: Sequence[Any], named: Any = None) -> tuple[int, ...]:
    """`f(2, 3)`, `f((2, 3))` and, by its name, `f(dims=(2, 3))` alike."""
    if named is not None:
        if sizes:
            raise ArgumentError(
                f"{name}: axes are given twice, {sizes!r:.40} and {named!r:.40}; give them once"
            )
        sizes = (named,)
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    try:
        return tuple(index(s) for s in sizes)
    except TypeError:
        raise DtypeError(f"{name}: sizes and axes are integers, not {sizes!r}") from None


def _indices(name: str, index: Any) -> np.ndarray:
    array = np.asarray(index)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{name}: the index is {array.dtype}; it must be made of integers (use .long())")
    return array


def _in_range(name: str, index: np.ndarray, n: int) -> None:
    if index.size and (index.min() < 0 or index.max() >= n):
        raise ArgumentError(
            f"{name}: indices run from {index.min()} to {index.max()}, the axis has 0 to {n - 1}"
        )


def _mask(name: str, mask: Any) -> np.ndarray:
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        raise DtypeError(f"{name}: the condition is {array.dtype}; it must be bool (compare, or use .bool())")
    return array


def _floating(name: str, x: Any, role: str = "x") -> Tensor:
    if _tensor(name, x, role).dtype.kind != "f":
        raise DtypeError(f"{name}: {role} is {x.dtype}; floats are needed (use .float())")
    return x


def _promoted(*values: Any) -> list[Any]:
    """All of one dtype, as operands of + would be."""
    return promote(elementwise.add, list(values))

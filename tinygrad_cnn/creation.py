"""Functions that make tensors, and the joins that take several.  dtype defaults to float32 for floats."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .errors import ArgumentError, DtypeError, ShapeError
from .geometry import _int
from .op import promote
from .ops import elementwise, shape
from .random import Generator, numpy_generator
from .tensor import Tensor, _axis, _dtype, _gap, _mask, _number, _sizes, _tensor

__all__ = [
    "arange", "as_tensor", "cat", "empty", "eye", "from_numpy", "full", "full_like", "linspace", "ones",
    "ones_like",
    "rand", "rand_like", "randint", "randn", "randn_like", "randperm", "stack", "tensor", "where", "zeros",
    "zeros_like",
]  # fmt: skip


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data: numbers, nested lists, arrays.

    Python floats become float32, integers int64; arrays keep their dtype.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor([0.5, 1.5]).dtype
    dtype('float32')
    """
    return Tensor(_array(data, dtype).copy()).requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """Like `tensor`, but shares memory with an array or tensor where it can."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype in (None, data.dtype):
        return from_numpy(data)
    return Tensor(_array(data, dtype))


def _array(data: Any, dtype: Any) -> np.ndarray:
    if isinstance(data, (list, tuple)) and any(isinstance(item, Tensor) for item in data):
        data = [np.asarray(item) for item in data]
    try:
        array = np.asarray(data)
    except ValueError:
        raise ShapeError(f"tensor: rows of different lengths in {data!r:.60}; pad the shorter ones") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic, Tensor)):
        of_numbers = not (isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ndarray))
        dtype = np.float32 if of_numbers and (array.dtype.kind == "f" or array.size == 0) else None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"tensor: cannot hold {array.dtype} data {data!r:.40}; numbers and bools only")
    if dtype is None:
        return array
    found = np.asarray(array, _dtype("tensor", dtype))
    if found.dtype.kind in "iu" and array.dtype.kind in "iu" and type(data) is not np.ndarray:
        for value in array[found != array][:1]:  # PyTorch lets arrays wrap around, but not numbers
            raise shape.too_large("tensor", value, found.dtype)
    return found


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory.

    The array itself becomes read-only: a write behind the tape's back would give wrong gradients.
    Write through the tensor, or hand in a copy.

    >>> import numpy as np
    >>> a = np.zeros(2, np.float32)
    >>> t = from_numpy(a)
    >>> t[0] = 1
    >>> a
    array([1., 0.], dtype=float32)
    """
    if not isinstance(array, np.ndarray):
        raise DtypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use tensor(...)")
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"from_numpy: cannot hold {array.dtype} data; numbers and bools only")
    out = Tensor(np.asarray(array).view())  # of a memory map, too, without reading it
    array.flags.writeable = False
    return out


def _filled(name: str, sizes: Sequence[Any], value: Any, dtype: Any, requires_grad: bool) -> Tensor:
    wanted, dtype = _shape(name, sizes), _dtype(name, dtype or np.float32)
    try:
        filled = np.full(wanted, _number(name, "the value", value), dtype)
    except OverflowError:
        raise shape.too_large(name, value, dtype) from None
    return Tensor(filled).requires_grad_(requires_grad)


def _shape(name: str, sizes: Sequence[Any]) -> tuple[int, ...]:
    """Sizes of a new tensor."""
    wanted = _sizes(name, sizes)
    if min(wanted, default=0) < 0:
        raise ShapeError(f"{name}: a size is negative in {wanted}; sizes count from 0")
    return wanted


def _like(name: str, input: Tensor, value: Any, dtype: Any) -> Tensor:
    return _filled(name, _tensor(name, input).shape, value, dtype or input.dtype, False)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 0.

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled("zeros", size, 0, dtype, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All 1."""
    return _filled("ones", size, 1, dtype, requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Memory to be filled; zeros here, so that nothing depends on what was there before."""
    return _filled("empty", size, 0, dtype, requires_grad)


def full(size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """All `fill_value`; its type decides the dtype."""
    dtype = dtype or {bool: np.bool_, int: np.int64}.get(type(fill_value), np.float32)
    return _filled("full", (size,), fill_value, dtype, requires_grad)


def zeros_like(input: Tensor, dtype: Any = None) -> Tensor:
    """All 0, of the shape and dtype of `input`."""
    return _like("zeros_like", input, 0, dtype)


def ones_like(input: Tensor, dtype: Any = None) -> Tensor:
    """All 1, of the shape and dtype of `input`."""
    return _like("ones_like", input, 1, dtype)


def full_like(input: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    """All `fill_value`, of the shape and dtype of `input`."""
    return _like("full_like", input, fill_value, dtype)


def arange(start: Any, end: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... up to but without end."""
    if end is None:
        start, end = 0, start
    numbers = {"start": start, "end": end, "step": step}
    if not all(math.isfinite(_number("arange", what, value)) for what, value in numbers.items()):
        raise ArgumentError(f"arange: from {start} to {end} in steps of {step}: all three must be finite")
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(f"arange: from {start} in steps of {step} it would never arrive at {end}")
    integral = all(isinstance(value, Integral) for value in numbers.values())
    kind = _dtype("arange", dtype or (np.int64 if integral else np.float32))
    return Tensor(np.arange(start, end, step, dtype=kind))


def linspace(start: float, end: float, steps: int, dtype: Any = None) -> Tensor:
    """`steps` numbers at equal distances, both ends included."""
    ends = float(_number("linspace", "start", start)), float(_number("linspace", "end", end))
    count, kind = _int("linspace", "steps", steps, 0), _dtype("linspace", dtype or np.float32)
    with np.errstate(all="ignore"):  # towards inf there is nan on the way, silently as everywhere
        return Tensor(np.linspace(*ends, count, dtype=kind))


def eye(n: int, m: int | None = None, dtype: Any = None) -> Tensor:
    """The identity matrix."""
    columns = n if m is None else m
    return Tensor(
        np.eye(_int("eye", "n", n, 0), _int("eye", "m", columns, 0), dtype=_dtype("eye", dtype or np.float32))
    )


def rand(
    *size: Any, dtype: Any = None, generator: Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1)."""
    drawn = numpy_generator(generator).random(_shape("rand", size), _drawn("rand", dtype))
    return Tensor(np.asarray(drawn)).requires_grad_(requires_grad)


def randn(
    *size: Any, dtype: Any = None, generator: Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Standard normal."""
    drawn = numpy_generator(generator).standard_normal(_shape("randn", size), _drawn("randn", dtype))
    return Tensor(np.asarray(drawn)).requires_grad_(requires_grad)


def _drawn(name: str, dtype: Any) -> np.dtype[Any]:
    found = _dtype(name, dtype or np.float32)
    if found not in (np.float32, np.float64):
        raise DtypeError(f"{name}: draws float32 and float64, not {found}; use .to({found}) or randint")
    return found


def rand_like(input: Tensor) -> Tensor:
    """Uniform in [0, 1), of the shape and dtype of `input`."""
    return rand(_tensor("rand_like", input).shape, dtype=input.dtype)


def randn_like(input: Tensor) -> Tensor:
    """Standard normal, of the shape and dtype of `input`."""
    return randn(_tensor("randn_like", input).shape, dtype=input.dtype)


def randint(
    low: Any, high: Any = None, size: Any = None, *, dtype: Any = None, generator: Any = None
) -> Tensor:
    """Integers from low up to but without high: `randint(10, (3,))` or `randint(5, 10, (3,))`."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, (tuple, list)):
        raise ArgumentError(f"randint: the size is {size!r:.40}; pass it as a tuple: randint(10, (3,))")
    least = -(2**63)
    low, high = _int("randint", "low", low, least), _int("randint", "high", high, least)
    if high <= low or high > 2**63:
        raise ArgumentError(
            f"randint: there is no int64 from {low} up to but without {high}; high must be larger"
        )
    drawn = numpy_generator(generator).integers(low, high, _shape("randint", size))
    return Tensor(np.asarray(drawn, _dtype("randint", dtype or np.int64)))


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    return Tensor(numpy_generator(generator).permutation(_int("randperm", "n", n, 0)))


def _list(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable):
        raise DtypeError(f"{name}: expected a list of tensors, got a {type(tensors).__name__}; use [x, y]")
    listed = [_tensor(name, t, f"tensor {i}") for i, t in enumerate(tensors)]
    if not listed:
        raise ArgumentError(f"{name}: no tensors; at least one is needed")
    return listed


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors one after another along an existing axis.

    Raises ShapeError where their other axes differ.
    """
    tensors = _list("cat", tensors)
    kept = [t for t in tensors if t.shape != (0,)] or tensors  # PyTorch lets an empty (0,) pass
    axis = _axis("cat", kept[0], dim)
    for i, t in enumerate(kept[1:], 1):
        if t.ndim != kept[0].ndim or any(
            a != b for d, (a, b) in enumerate(zip(t.shape, kept[0].shape, strict=True)) if d != axis
        ):
            raise ShapeError(
                f"cat: tensor {i} {t.shape} does not fit tensor 0 {kept[0].shape}; all axes but "
                f"{axis} must agree"
            )
    dtype = promote(shape.cat, [t.array for t in kept])[0].dtype
    return shape.cat(*(t.to(dtype) for t in kept), dim=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors of one shape side by side along a new axis."""
    tensors = _list("stack", tensors)
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: tensor {i} {t.shape} has another shape than tensor 0 {tensors[0].shape}; "
                "bring all to one shape, or join them along an axis with cat"
            )
    axis = _gap("stack", tensors[0], dim)
    return cat([t.unsqueeze(axis) for t in tensors], axis)


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, other elsewhere; of a condition alone, the places where it holds.

    >>> where(tensor([True, False]), tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return _tensor("where", condition, "the condition").nonzero(as_tuple=True)
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input)
    return elementwise.where(input, other, mask=_mask("where", condition))

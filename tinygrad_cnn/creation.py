"""Functions that make tensors, and the joins that take several.  dtype defaults to float32 for floats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, DtypeError, ShapeError
from .op import promote
from .ops import elementwise, shape
from .random import Generator, numpy_generator
from .tensor import Tensor, _dim, _mask, _sizes

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
        raise ShapeError(f"tensor: rows of different lengths in {data!r:.60}") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic, Tensor)):
        of_numbers = not (isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ndarray))
        dtype = np.float32 if of_numbers and (array.dtype.kind == "f" or array.size == 0) else None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"tensor: cannot hold {array.dtype} data {data!r:.40}; numbers and bools only")
    return np.asarray(array, dtype)


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
    out = Tensor(array.view())
    array.flags.writeable = False
    return out


def _filled(name: str, sizes: Sequence[Any], value: Any, dtype: Any, requires_grad: bool) -> Tensor:
    wanted = _sizes(name, sizes)
    if min(wanted, default=0) < 0:
        raise ShapeError(f"{name}: a size is negative in {wanted}")
    return Tensor(np.full(wanted, value, dtype or np.float32)).requires_grad_(requires_grad)


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
    return Tensor(np.zeros(input.shape, dtype or input.dtype))


def ones_like(input: Tensor, dtype: Any = None) -> Tensor:
    """All 1, of the shape and dtype of `input`."""
    return Tensor(np.ones(input.shape, dtype or input.dtype))


def full_like(input: Tensor, fill_value: Any, dtype: Any = None) -> Tensor:
    """All `fill_value`, of the shape and dtype of `input`."""
    return Tensor(np.full(input.shape, fill_value, dtype or input.dtype))


def arange(start: Any, end: Any = None, step: Any = 1, dtype: Any = None) -> Tensor:
    """start, start + step, ... up to but without end."""
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ArgumentError("arange: step is 0; it would never arrive")
    floats = any(isinstance(v, float) for v in (start, end, step))
    kind: Any = dtype or (np.float32 if floats else np.int64)
    return Tensor(np.arange(start, end, step, dtype=kind))


def linspace(start: float, end: float, steps: int, dtype: Any = None) -> Tensor:
    """`steps` numbers at equal distances, both ends included."""
    return Tensor(np.linspace(start, end, steps, dtype=dtype or np.float32))


def eye(n: int, m: int | None = None, dtype: Any = None) -> Tensor:
    """The identity matrix."""
    return Tensor(np.eye(n, m, dtype=dtype or np.float32))


def rand(
    *size: Any, dtype: Any = None, generator: Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Uniform in [0, 1)."""
    drawn = numpy_generator(generator).random(_sizes("rand", size), dtype or np.float32)
    return Tensor(np.asarray(drawn, dtype or np.float32)).requires_grad_(requires_grad)


def randn(
    *size: Any, dtype: Any = None, generator: Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Standard normal."""
    drawn = numpy_generator(generator).standard_normal(_sizes("randn", size), dtype or np.float32)
    return Tensor(np.asarray(drawn, dtype or np.float32)).requires_grad_(requires_grad)


def rand_like(input: Tensor) -> Tensor:
    """Uniform in [0, 1), of the shape and dtype of `input`."""
    return rand(input.shape, dtype=input.dtype)


def randn_like(input: Tensor) -> Tensor:
    """Standard normal, of the shape and dtype of `input`."""
    return randn(input.shape, dtype=input.dtype)


def randint(
    low: Any, high: Any = None, size: Any = None, *, dtype: Any = None, generator: Any = None
) -> Tensor:
    """Integers from low up to but without high: `randint(10, (3,))` or `randint(5, 10, (3,))`."""
    if size is None:
        low, high, size = 0, low, high
    if size is None or isinstance(size, int):
        raise ArgumentError("randint: pass the size as a tuple: randint(10, (3,))")
    if high <= low:
        raise ArgumentError(f"randint: there is no integer from {low} up to but without {high}")
    return Tensor(np.asarray(numpy_generator(generator).integers(low, high, tuple(size)), dtype or np.int64))


def randperm(n: int, *, generator: Generator | None = None) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    return Tensor(numpy_generator(generator).permutation(n))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors one after another along an existing axis.

    Raises ShapeError where their other axes differ.
    """
    tensors = list(tensors)
    if not tensors:
        raise ArgumentError("cat: no tensors; at least one is needed")
    kept = [t for t in tensors if t.shape != (0,)] or tensors[:1]  # PyTorch lets an empty (0,) pass
    axis = _dim("cat", kept[0], dim)
    for i, t in enumerate(kept[1:], 1):
        if t.ndim != kept[0].ndim or any(
            a != b for d, (a, b) in enumerate(zip(t.shape, kept[0].shape, strict=True)) if d != axis
        ):
            raise ShapeError(
                f"cat: tensor {i} {t.shape} does not fit tensor 0 {kept[0].shape}: all axes but "
                f"{axis} must agree"
            )
    dtype = promote(shape.cat, [t.array for t in kept])[0].dtype
    return shape.cat(*(t.to(dtype) for t in kept), dim=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Put tensors of one shape side by side along a new axis."""
    tensors = list(tensors)
    if not tensors:
        raise ArgumentError("stack: no tensors; at least one is needed")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise ShapeError(
                f"stack: tensor {i} {t.shape} has another shape than tensor 0 {tensors[0].shape}"
            )
    return cat([t.unsqueeze(dim) for t in tensors], dim)


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """input where the condition holds, other elsewhere.

    >>> where(tensor([True, False]), tensor([1.0, 2.0]), 0.0)
    tensor([1., 0.])
    """
    return elementwise.where(input, other, mask=_mask("where", condition))

"""Functions that make tensors, and the joins that take several.  Floats are of the default dtype."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .devices import check_device
from .errors import ArgumentError, DtypeError, ShapeError
from .geometry import _int
from .op import can_cast as _can_cast
from .op import get_default_dtype, join, promote, result_dtype
from .ops import elementwise, shape
from .random import Generator, numpy_generator
from .switches import check_format
from .tensor import Tensor, _axis, _dtype, _floating, _gap, _mask, _number, _operand, _tensor
from .tensor.drawing import normal as _normal
from .tensor.drawing import uniform as _uniform
from .tensor.making import _array, _filled, _shape, _tuple
from .tensor.names import numpy_names

__all__ = [
    "arange",
    "as_tensor",
    "asarray",
    "can_cast",
    "cat",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "normal",
    "ones",
    "ones_like",
    "poisson",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "result_type",
    "scalar_tensor",
    "stack",
    "tensor",
    "where",
    "zeros",
    "zeros_like",
]  # fmt: skip


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data: numbers, nested lists, arrays.

    Python floats become float32, integers int64; arrays keep their dtype.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor([0.5, 1.5]).dtype
    dtype('float32')
    """
    return Tensor(_array("tensor", data, dtype, device).copy()).requires_grad_(requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Like `tensor`, but shares memory with an array or tensor where it can."""
    check_device("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or _dtype("as_tensor", dtype) == data.dtype):
        return from_numpy(data)
    return Tensor(_array("as_tensor", data, dtype, None))


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Like `as_tensor`; with copy=True always a copy, with copy=False never one."""
    out = as_tensor(obj, dtype, device)
    source = obj.array if isinstance(obj, Tensor) else obj
    shared = isinstance(source, np.ndarray) and np.may_share_memory(out.array, source)
    if copy is False and not shared:
        raise ArgumentError(
            f"asarray: a {type(obj).__name__} as {out.dtype} needs a copy; leave out copy=False"
        )
    if copy and shared:
        out = out.clone()
    return out.detach().requires_grad_() if requires_grad and not out.requires_grad else out


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """One number as a 0-d tensor, float32 unless said otherwise."""
    return _filled("scalar_tensor", ((),), s, dtype or get_default_dtype(), device, requires_grad)


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


# --- of one number -----------------------------------------------------------------------------------------


def zeros(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """All 0.

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled("zeros", sizes, 0, dtype or get_default_dtype(), device, requires_grad, size)


def ones(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """All 1."""
    return _filled("ones", sizes, 1, dtype or get_default_dtype(), device, requires_grad, size)


def empty(
    *sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Memory to be filled; zeros here, so that nothing depends on what was there before."""
    return _filled("empty", sizes, 0, dtype or get_default_dtype(), device, requires_grad, size)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """All `fill_value`; its type decides the dtype."""
    found = fill_value.dtype if isinstance(fill_value, Tensor) else None
    dtype = dtype or found or {bool: np.bool_, int: np.int64}.get(type(fill_value), get_default_dtype())
    return _filled("full", (_tuple("full", size),), fill_value, dtype, device, requires_grad)


def zeros_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """All 0, of the shape and dtype of `input`."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad, memory_format)


def ones_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """All 1, of the shape and dtype of `input`."""
    return _like("ones_like", input, 1, dtype, device, requires_grad, memory_format)


def empty_like(
    input: Tensor,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Memory to be filled, of the shape and dtype of `input`; zeros."""
    return _like("empty_like", input, 0, dtype, device, requires_grad, memory_format)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """All `fill_value`, of the shape and dtype of `input`."""
    return _like("full_like", input, fill_value, dtype, device, requires_grad, memory_format)


def _like(
    name: str, input: Tensor, value: Any, dtype: Any, device: Any, requires_grad: bool, memory_format: Any
) -> Tensor:
    check_format(name, memory_format)
    return _filled(name, (_tensor(name, input).shape,), value, dtype or input.dtype, device, requires_grad)


# --- in steps ----------------------------------------------------------------------------------------------


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... up to but without end."""
    check_device("arange", device)
    if end is None:
        start, end = 0, start
    start, end, step = (_scalar(number) for number in (0 if start is None else start, end, step))
    numbers = {"start": start, "end": end, "step": step}
    if not all(math.isfinite(_number("arange", what, value)) for what, value in numbers.items()):
        raise ArgumentError(f"arange: from {start} to {end} in steps of {step}: all three must be finite")
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(f"arange: from {start} in steps of {step} it would never arrive at {end}")
    integral = all(isinstance(value, Integral) for value in numbers.values())
    kind = _dtype("arange", dtype or (np.int64 if integral else get_default_dtype()))
    return Tensor(np.arange(start, end, step, dtype=kind)).requires_grad_(requires_grad)


def _scalar(x: Any) -> Any:
    """A number, also of a 0-d tensor."""
    return x.item() if isinstance(x, Tensor) and x.ndim == 0 else x


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances, both ends included."""
    return _spaced("linspace", start, end, steps, None, dtype, device, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """base^start to base^end, at equal distances on a logarithmic scale."""
    return _spaced("logspace", start, end, steps, base, dtype, device, requires_grad)


def _spaced(
    name: str, start: Any, end: Any, steps: Any, base: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    check_device(name, device)
    ends = [float(_number(name, what, _scalar(x))) for what, x in (("start", start), ("end", end))]
    count, kind = _int(name, "steps", _scalar(steps), 0), _dtype(name, dtype or get_default_dtype())
    with np.errstate(all="ignore"):  # towards inf there is nan on the way, silently as everywhere
        found = np.linspace(ends[0], ends[1], count)
        found = found if base is None else np.power(float(_number(name, "base", base)), found)
        return Tensor(found.astype(kind)).requires_grad_(requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The identity matrix."""
    check_device("eye", device)
    rows, columns = _int("eye", "n", n, 0), _int("eye", "m", n if m is None else m, 0)
    return Tensor(np.eye(rows, columns, dtype=_dtype("eye", dtype or get_default_dtype()))).requires_grad_(
        requires_grad
    )


# --- at random ---------------------------------------------------------------------------------------------


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Uniform in [0, 1)."""
    kind = _drawn("rand", dtype or get_default_dtype(), device)
    return Tensor(_uniform(generator, _shape("rand", sizes, size), kind)).requires_grad_(requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Standard normal."""
    kind = _drawn("randn", dtype or get_default_dtype(), device)
    return Tensor(_normal(generator, _shape("randn", sizes, size), kind)).requires_grad_(requires_grad)


def _drawn(name: str, dtype: Any, device: Any) -> np.dtype[Any]:
    check_device(name, device)
    found = _dtype(name, dtype)
    if found not in (np.float16, np.float32, np.float64):
        raise DtypeError(f"{name}: draws floats, not {found}; use .to({found}) or randint")
    return found


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform in [0, 1), of the shape and dtype of `input`."""
    check_format("rand_like", memory_format)
    kind = _drawn("rand_like", dtype or _tensor("rand_like", input).dtype, device)
    return Tensor(_uniform(generator, input.shape, kind)).requires_grad_(requires_grad)


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Standard normal, of the shape and dtype of `input`."""
    check_format("randn_like", memory_format)
    kind = _drawn("randn_like", dtype or _tensor("randn_like", input).dtype, device)
    return Tensor(_normal(generator, input.shape, kind)).requires_grad_(requires_grad)


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from low up to but without high: `randint(10, (3,))` or `randint(5, 10, (3,))`."""
    if size is None:
        low, high, size = 0, low, high
    out = zeros(_tuple("randint", size), dtype=dtype or np.int64, device=device)
    return _whole("randint", out, low, high, generator).requires_grad_(requires_grad)


def randint_like(
    input: Tensor,
    low: Any,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Integers from low (or 0) up to but without high, of the shape and dtype of `input`."""
    if high is None:
        low, high = 0, low
    out = _like("randint_like", input, 0, dtype, device, False, memory_format)
    return _whole("randint_like", out, low, high, generator).requires_grad_(requires_grad)


def _whole(name: str, out: Tensor, low: Any, high: Any, generator: Generator | None) -> Tensor:
    low, high = (_int(name, what, bound, -(2**63)) for what, bound in (("low", low), ("high", high)))
    if high <= low:
        raise ArgumentError(f"{name}: there is no integer from {low} up to but without {high}")
    return out.random_(low, high, generator=generator)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    check_device("randperm", device)
    order = numpy_generator(generator).permutation(_int("randperm", "n", n, 0))
    return Tensor(order.astype(_dtype("randperm", dtype or np.int64))).requires_grad_(requires_grad)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal with the means and deviations of two tensors, or one of them a number; or numbers and a size."""
    given = [_floating("normal", x) for x in (mean, std) if isinstance(x, Tensor)]
    if bool(given) == (size is not None):
        raise ArgumentError("normal: the size is that of the tensors, and of numbers it has to be given")
    kind = given[0].dtype if given else _drawn("normal", dtype or get_default_dtype(), device)
    mean, std = (x.array if isinstance(x, Tensor) else _number("normal", "a number", x) for x in (mean, std))
    if not np.all(std >= 0):
        raise ArgumentError("normal: a standard deviation is negative or nan")
    try:
        wanted = _shape(
            "normal", _tuple("normal", size or np.broadcast_shapes(np.shape(mean), np.shape(std)))
        )
    except ValueError:
        raise ShapeError(
            f"normal: mean {np.shape(mean)} and std {np.shape(std)} do not broadcast; use sizes that do"
        ) from None
    drawn = np.asarray(_normal(generator, wanted, kind) * std + mean, kind)
    return Tensor(drawn).requires_grad_(requires_grad)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of events, of which so many are expected as `input` says."""
    rates = _floating("poisson", input).array
    if not (rates >= 0).all():
        raise ArgumentError("poisson: a rate is negative or nan; expected counts must not be")
    return Tensor(np.asarray(numpy_generator(generator).poisson(rates), rates.dtype))


# --- dtypes ------------------------------------------------------------------------------------------------


def promote_types(type1: Any, type2: Any) -> np.dtype[Any]:
    """The smallest dtype for both.

    >>> promote_types("int64", "float32")
    dtype('float32')
    """
    return join(_dtype("promote_types", type1), _dtype("promote_types", type2))


def result_type(tensor1: Any, tensor2: Any) -> np.dtype[Any]:
    """The dtype of tensor1 + tensor2; either may be a number.

    >>> result_type(tensor([1, 2]), 0.5)
    dtype('float32')
    """
    return result_dtype("result_type", [_operand("result_type", x) for x in (tensor1, tensor2)])


def can_cast(from_: Any, to: Any) -> bool:
    """Whether results of one dtype may be written into a tensor of another.

    >>> can_cast("int64", "float32"), can_cast("float32", "int64")
    (True, False)
    """
    return _can_cast(_dtype("can_cast", from_), _dtype("can_cast", to))


# --- of several --------------------------------------------------------------------------------------------


def _list(name: str, tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, Iterable):
        raise DtypeError(f"{name}: expected a list of tensors, got a {type(tensors).__name__}; use [x, y]")
    listed = [_tensor(name, t, f"tensor {i}") for i, t in enumerate(tensors)]
    if not listed:
        raise ArgumentError(f"{name}: no tensors; at least one is needed")
    return listed


@numpy_names
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


@numpy_names
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
    >>> where(tensor([[True, False], [True, True]]))
    (tensor([0, 1, 1]), tensor([0, 0, 1]))
    """
    if input is None and other is None:
        return _tensor("where", condition, "the condition").nonzero(as_tuple=True)
    if input is None or other is None:
        raise ArgumentError("where: both input and other are needed, or none of them")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = tensor(input)
    return elementwise.where(input, other, mask=_mask("where", condition))

"""What the names in a file of PyTorch's stand for: tensors over its memory, and a few kinds of values."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..creation import from_numpy
from ..devices import device
from ..tensor import Parameter, Tensor
from .arrays import CODES, widened
from .pickled import Function, is_key

__all__ = ["CLASSES", "DTYPES", "NAMES", "Memories"]

#: PyTorch's class of a piece of memory -> the dtype in it
MEMORY = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "BFloat16Storage": "bfloat16",
}
CLASSES = {dtype: kind for kind, dtype in MEMORY.items()}
BUILTINS = ("__builtin__", "builtins")  # in Python 2 and since
DTYPES = {np.dtype(code).name: np.dtype(np.dtype(code).type) for code in CODES}


@dataclass(frozen=True)
class Kind:
    """What stands for a class of PyTorch's: for one of memory, the dtype in it."""

    dtype: str


class Memory:
    """What tensors are views of: numbers, to be filled in from the file.  bfloat16 becomes float32."""

    def __init__(self, dtype: str, size: int, order: Literal["little", "big"]):
        self.dtype, self.size, self.order = dtype, size, order
        self.coded = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder(order)
        self.nbytes = size * self.coded.itemsize
        self.array = np.zeros(0)
        self.first: Tensor | None = None

    def reserve(self) -> None:
        """Room for the values."""
        self.array = np.zeros(self.size, "float32" if self.dtype == "bfloat16" else self.dtype)

    def fill(self, data: bytes) -> None:
        """These are the values."""
        values = np.frombuffer(data, self.coded, self.size)
        self.array[...] = widened(values) if self.dtype == "bfloat16" else values

    def tensor(self, array: np.ndarray) -> Tensor:
        """A tensor over a part of this memory, which knows of the others."""
        out = from_numpy(array)
        if self.first is None:
            self.first = out
        else:
            out.share(self.first)
        return out


class Memories(dict[str, Memory]):
    """All memory that the tree of a file asks for, by name; `room` is how many bytes there can be."""

    def __init__(self, order: Any, room: int):
        if order not in ("little", "big"):
            raise ValueError(f"the order of its bytes is {order!r:.40}")
        self.order, self.room = order, room

    def find(self, wanted: Any) -> Memory:
        """What ("storage", kind, name, device, size) names."""
        if type(wanted) is not tuple or len(wanted) not in (5, 6):
            raise ValueError("it refers to what is no memory")
        word, kind, name, _, size, *view = wanted
        sound = type(kind) is Kind and type(name) is str and type(size) is int and size >= 0
        if type(word) is not str or word != "storage" or not sound:
            raise ValueError("it refers to what is no memory")
        if view and view[0] is not None:
            raise ValueError("views of memory, as PyTorch 0.3 wrote them, are not known here")
        if name not in self:
            memory = Memory(kind.dtype, size, self.order)
            self.room -= memory.nbytes
            if self.room < 0:
                raise ValueError(f"its tensors need {-self.room} bytes more than there are")
            memory.reserve()
            self[name] = memory
        if (self[name].dtype, self[name].size) != (kind.dtype, size):
            raise ValueError(f"the memory {name[:40]} is of two kinds")
        return self[name]


def _tensor(
    memory: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any = False, hooks: Any = None,
    metadata: Any = None, *, dtype: np.dtype | None = None,
) -> Tensor:  # fmt: skip
    """The view of this memory."""
    if type(memory) is not Memory or type(shape) is not tuple or type(strides) is not tuple:
        raise ValueError("a tensor without memory, shape or strides")
    if any(type(n) is not int or not 0 <= n < 2**48 for n in (offset, *shape, *strides)):
        raise ValueError("a tensor with an impossible offset, shape or strides")
    if len(shape) > 32 or len(shape) != len(strides):
        raise ValueError(f"a tensor of {len(shape)} axes and {len(strides)} strides")
    whole = memory.array
    if dtype is not None:
        whole = whole[: whole.size // dtype.itemsize * dtype.itemsize].view(dtype)
    if 0 in shape:
        array = np.zeros(shape, whole.dtype)
    else:
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if last >= whole.size:
            raise ValueError(f"a tensor {shape} that ends at {last} in a memory of {whole.size}")
        step = whole.itemsize
        array = np.ndarray(shape, whole.dtype, whole, offset * step, tuple(s * step for s in strides))
    if _overlaps(shape, strides):
        array.flags.writeable = False  # as what `expand` returns
    return memory.tensor(array).requires_grad_(_flag(requires_grad))


def _overlaps(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether two places of an array may be one place in memory."""
    reach = 0
    for stride, size in sorted(axis for axis in zip(strides, shape, strict=True) if axis[1] > 1):
        if stride <= reach:
            return True
        reach += stride * (size - 1)
    return False


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("requires_grad is neither True nor False")
    return value


def _tensor_of_dtype(
    memory: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any, dtype: Any,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    """PyTorch's second way, for dtypes that have no class of memory."""
    if type(memory) is not Memory or memory.dtype != "uint8" or not isinstance(dtype, np.dtype):
        raise ValueError("a tensor without bytes or dtype")
    if not dtype.newbyteorder(memory.order).isnative:
        raise ValueError(f"{dtype} of a machine with another order of bytes is not known here")
    return _tensor(memory, offset, shape, strides, requires_grad, hooks, dtype=dtype)


def _parameter(data: Any, requires_grad: Any, hooks: Any = None, attributes: Any = None) -> Parameter:
    if type(data) is not Tensor:
        raise ValueError("a parameter without a tensor")
    return Parameter(data, _flag(requires_grad))


def _with_attributes(function: Any, kind: Any, args: Any, attributes: Any) -> Any:
    """A tensor with attributes of its own; they are passed over."""
    if type(function) is not Function or function.call not in (_tensor, _tensor_of_dtype, _parameter):
        raise ValueError("it has attributes and is no tensor")
    return function.call(*args)


def _dict(items: Any = ()) -> OrderedDict[Any, Any]:
    """Python 2 hands the items over; others set them later."""
    for item in items:
        if type(item) is not list or len(item) != 2 or not is_key(item[0]):
            raise ValueError("a dict of what are no items")
    return OrderedDict(items)


def _shape(sizes: Any) -> tuple[Any, ...]:
    if type(sizes) is not tuple:
        raise ValueError("a shape that is no tuple")
    return sizes


def _device(kind: Any, index: Any = None) -> device:
    return device()  # wherever it was


def _set(items: Any) -> set[Any]:
    if type(items) is not list or not all(map(is_key, items)):
        raise ValueError("a set of what cannot be in one")
    return set(items)


def _bytes(text: Any = "", coding: Any = "latin1") -> bytes:
    if type(text) is not str or type(coding) is not str or coding != "latin1":
        raise ValueError("bytes that are none")
    return text.encode("latin-1")


def _complex(real: Any, imag: Any) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise ValueError("a complex number without parts")
    return complex(real, imag)


#: "module name" as it stands in a file -> what stands for it; there is no other way to name anything
NAMES = {
    "collections OrderedDict": Function(_dict),
    "torch Size": Function(_shape),
    "torch device": Function(_device),
    "_codecs encode": Function(_bytes),
    **{f"{module} bytes": Function(_bytes) for module in BUILTINS},
    **{f"{module} complex": Function(_complex) for module in BUILTINS},
    **{f"{module} set": Function(_set) for module in BUILTINS},
    "torch._utils _rebuild_tensor": Function(_tensor),
    "torch._utils _rebuild_tensor_v2": Function(_tensor),
    "torch._utils _rebuild_tensor_v3": Function(_tensor_of_dtype),
    "torch._utils _rebuild_parameter": Function(_parameter),
    "torch._utils _rebuild_parameter_with_state": Function(_parameter),
    "torch._tensor _rebuild_from_type_v2": Function(_with_attributes),
    "torch Tensor": Kind("Tensor"),
    "torch.nn.parameter Parameter": Kind("Parameter"),
    "torch.storage UntypedStorage": Kind("uint8"),
    **{f"{place} {name}": Kind(dtype) for name, dtype in MEMORY.items() for place in ("torch", "torch.cuda")},
    **{f"torch {name}": dtype for name, dtype in DTYPES.items()},
    "torch bfloat16": DTYPES["float32"],  # as its tensors
}

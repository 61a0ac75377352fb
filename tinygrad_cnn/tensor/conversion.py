"""Other dtypes, Python's numbers, NumPy's arrays and functions."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices import check_device, is_device
from ..devices import device as Device
from ..errors import DtypeError, GraphError, ShapeError
from ..op import is_tensor, wrap
from ..ops import elementwise
from ..switches import check_format
from ..tape import state
from .arguments import _dtype, _tensor
from .kinds import kind_of, name_of
from .table import as_dtype

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Conversion"]

# Where NumPy's functions are called otherwise than PyTorch's.
RENAMED = {
    "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh", "arctan": "atan",
    "arctan2": "atan2", "arctanh": "atanh", "equal": "eq", "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "power": "pow", "right_shift": "bitwise_right_shift", "rint": "round",
}  # fmt: skip


class Conversion:
    """What a tensor can be turned into, and what NumPy asks of it."""

    __slots__ = ()

    # --- dtypes and devices ------------------------------------------------------------------------------

    def to(
        self: Tensor,
        *args: Any,
        dtype: Any = None,
        device: Any = None,
        non_blocking: bool = False,
        copy: bool = False,
        memory_format: Any = None,
    ) -> Tensor:
        """Another dtype, `x.to(tg.float64)`, or that of another tensor, `x.to(other)`.

        A device can stand there too, if it is the CPU.  Where nothing changes the tensor itself is returned,
        unless a copy is asked for.
        """
        flags = [wanted for wanted in args if isinstance(wanted, bool)]  # non_blocking, copy
        for wanted in args[: len(args) - len(flags)]:
            if is_tensor(wanted):
                dtype = wanted.dtype
            elif is_device(wanted):
                device = wanted
            else:
                dtype = wanted
        check_device("to", device)
        if memory_format is not None:
            check_format("to", memory_format)
        if dtype is None or dtype is self.dtype or (dtype := _dtype("to", dtype)) == self.dtype:
            return self.clone() if copy or flags[1:] == [True] else self
        return elementwise.to(self if dtype.kind == "f" else self.detach(), dtype=dtype)

    def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The same as `to(dtype)`; without a dtype, the name of its class of old, such as "FloatTensor"."""
        return name_of(self.dtype) if dtype is None else self.to(kind_of(dtype))

    def type_as(self: Tensor, other: Tensor) -> Tensor:
        """With the dtype of `other`."""
        return self.to(_tensor("type_as", other, "other").dtype)

    def is_floating_point(self: Tensor) -> bool:
        """Whether the dtype is one of floats."""
        return _tensor("is_floating_point", self).dtype.kind == "f"

    def is_nonzero(self: Tensor) -> bool:
        """Whether the only value is not 0."""
        return bool(self)

    def get_device(self: Tensor) -> int:
        """The number of the device; -1 for the CPU."""
        return -1

    def cpu(self: Tensor) -> Tensor:
        """The tensor itself; there is no other device."""
        return self

    # --- Python ------------------------------------------------------------------------------------------

    def _value(self: Tensor, what: str, cure: str = "reduce or index it first") -> Any:
        if self.array.size != 1:
            raise ShapeError(f"{what}: a tensor {self.shape} has {self.numel()} values, not one; {cure}")
        return self.array.item()

    def item(self: Tensor) -> Any:
        """The only value, as a Python number."""
        return self._value("item")

    def tolist(self: Tensor) -> Any:
        """Nested lists of Python numbers."""
        return self.array.tolist()

    def __bool__(self: Tensor) -> bool:
        return bool(self._value("bool", "ask .any() or .all() of them"))

    def __float__(self: Tensor) -> float:
        return float(self._value("float"))

    def __int__(self: Tensor) -> int:
        return int(self._value("int"))

    def __index__(self: Tensor) -> int:
        if self.dtype.kind not in "iu":
            raise DtypeError(f"index: only integer tensors can index, this one is {self.dtype}")
        return int(self._value("index"))

    def __contains__(self: Tensor, value: Any) -> bool:
        return bool(elementwise.eq(self, value).array.any())

    # --- NumPy -------------------------------------------------------------------------------------------

    def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
        """The values as a read-only view: writing behind the tape's back would give wrong gradients.

        Take `.numpy().copy()` to change values of your own, or write through the Tensor.
        """
        view = self.array.view()
        view.flags.writeable = False
        return view

    def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """`array * x` and `np.exp(x)` are `x * array` and `x.exp()`.

        What has no such method works on the values, as long as no gradient is wanted.
        """
        name = RENAMED.get(ufunc.__name__, ufunc.__name__)
        function = getattr(type(self), name, None)
        if function is not None and method == "__call__" and not options:
            return function(*(wrap(x) if isinstance(x, np.ndarray) else x for x in inputs))
        if state.recording and any(is_tensor(x) and x.requires_grad for x in inputs):
            what = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise GraphError(
                f"np.{what}: no gradient leads through it with these arguments; "
                "use x.detach(), or a function of tinygrad_cnn"
            )
        out = getattr(ufunc, method)(*_arrays(inputs), **_arrays(options))
        if "out" in options:
            return out
        return tuple(wrap(np.asarray(a)) for a in out) if isinstance(out, tuple) else wrap(np.asarray(out))

    def __array_function__(self: Tensor, function: Any, types: Any, args: Any, options: Any) -> Any:
        """NumPy's other functions get arrays and return arrays."""
        return function(*_arrays(args), **_arrays(options))

    # --- one name for each dtype ---------------------------------------------------------------------------

    half = as_dtype("half", np.float16)
    float = as_dtype("float", np.float32)
    double = as_dtype("double", np.float64)
    byte = as_dtype("byte", np.uint8)
    char = as_dtype("char", np.int8)
    short = as_dtype("short", np.int16)
    int = as_dtype("int", np.int32)
    long = as_dtype("long", np.int64)
    bool = as_dtype("bool", np.bool_)

    @property
    def is_cuda(self) -> builtins.bool:
        """Never."""
        return False

    @property
    def device(self) -> Device:
        """The CPU, always."""
        return Device()


def _arrays(x: Any) -> Any:
    """The arrays of the tensors in nested arguments."""
    if isinstance(x, dict):
        return {key: _arrays(value) for key, value in x.items()}
    if type(x) in (list, tuple):
        return type(x)(map(_arrays, x))
    return x.numpy() if is_tensor(x) else x

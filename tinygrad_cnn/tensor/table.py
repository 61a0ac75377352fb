"""Methods of one shape: an op and nothing more, one that writes its result back, a change of dtype."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError
from ..op import Op, is_tensor
from .arguments import _tensor
from .names import numpy_names

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["as_dtype", "as_function", "in_place", "named", "of_one", "of_two"]

Method = Callable[..., Any]


def of_one(op: Op) -> Method:
    """The method `x.name()` of an op of one tensor."""
    name = op.name

    def method(self: Tensor) -> Tensor:
        return op(_tensor(name, self))

    return named(method, name, op.__doc__)


def of_two(op: Op) -> Method:
    """The method `x.name(other)` of an op of two tensors, one of which may be a number."""
    name = op.name

    def method(self: Tensor, other: Any) -> Tensor:
        if not (is_tensor(self) or is_tensor(other)):
            raise DtypeError(
                f"{name}: neither {self!r:.40} nor {other!r:.40} is a tensor; make one tensor(...)"
            )
        return op(self, other)

    return named(method, name, op.__doc__)


def in_place(function: Method) -> Method:
    """The method `x.name_(...)`, which writes what `x.name(...)` returns over x."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return self._in_place(function, *args, **options)

    name = f"{function.__name__.strip('_')}_"
    return named(method, name, "What the method without the underscore returns, written over x.")


def as_dtype(name: str, dtype: Any) -> Method:
    """The method `x.name()` that converts to a dtype."""

    def method(self: Tensor) -> Tensor:
        return _tensor(name, self).to(dtype)

    return named(method, name, f"As {np.dtype(dtype)}.")


def as_function(method: Method, name: str) -> Method:
    """The method as a function of the package: the same code, where `self` has the name it has in PyTorch.

    >>> from tinygrad_cnn import Tensor, ones
    >>> as_function(Tensor.sum, "sum")(input=ones(2))
    tensor(2.)
    """
    if hasattr(method, "__wrapped__"):
        return numpy_names(as_function(method.__wrapped__, name))
    renamed = _NAMES.get(name, {"self": "input"})
    code = method.__code__
    variables, cells = ([renamed.get(v, v) for v in each] for each in (code.co_varnames, code.co_cellvars))
    code = code.replace(co_varnames=tuple(variables), co_cellvars=tuple(cells))
    function = FunctionType(code, method.__globals__, name, method.__defaults__, method.__closure__)
    function.__kwdefaults__, function.__doc__ = method.__kwdefaults__, method.__doc__
    function.__annotations__ = {renamed.get(v, v): kind for v, kind in method.__annotations__.items()}
    function.__module__, function.__qualname__ = "tinygrad_cnn", name  # where pickle looks for it
    return function


#: functions of the package whose parameters are not called as those of the method
_NAMES = {"split": {"self": "tensor", "split_size": "split_size_or_sections"}}


def named(method: Method, name: str, text: str | None) -> Method:
    """The same function, as one written in the class would call itself."""
    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", text
    return method

"""Methods of one shape: an op and nothing more, one that writes its result back, a change of dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError
from ..op import Op, is_tensor
from .arguments import _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["as_dtype", "in_place", "named", "of_one", "of_two"]

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


def named(method: Method, name: str, text: str | None) -> Method:
    """The same function, as one written in the class would call itself."""
    method.__name__, method.__qualname__, method.__doc__ = name, f"Tensor.{name}", text
    return method

"""Writing over a tensor: `x += 1`, `x.add_(1)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GraphError, ShapeError
from ..op import is_tensor
from ..ops import elementwise
from ..tape import state
from .arithmetic import _difference
from .indexing import Indexing
from .matrices import Matrices
from .order import Order

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["InPlace"]


def _over(method: Callable[..., Any]) -> Callable[..., Any]:
    """The form of a method that writes its result over the tensor."""
    name = method.__name__

    def over(self: Tensor, *args: Any, **options: Any) -> Tensor:
        def result(x: Tensor, *_: Any) -> Tensor:
            return method(x, *args, **options).to(x.dtype)

        return self._in_place(result, *args, *options.values())

    over.__name__ = over.__qualname__ = f"{name}_"
    over.__doc__ = f"`{name}`, written over x."
    return over


class InPlace:
    """Steps that write over the tensor, on the tape where a gradient is wanted."""

    __slots__ = ()

    def _recorded_with(self: Tensor, *others: Any) -> bool:
        """Whether an in-place step has to go on the tape; refuses those that would leave it wrong."""
        needs = self.requires_grad or any(is_tensor(o) and o.requires_grad for o in others)
        if not (state.recording and needs):
            return False
        if self.requires_grad and self.is_leaf:
            raise GraphError(
                "in place: a leaf that requires grad cannot be changed while recording; use "
                "`with no_grad():`, or compute a new tensor (x = x + 1)"
            )
        if self.writes[1]:
            raise GraphError(
                "in place: this tensor shares memory with another (a view, or detach()), whose place "
                "on the tape would become wrong; compute a new tensor (x = x + 1)"
            )
        return True

    def _become(self: Tensor, result: Tensor) -> Tensor:
        if result.shape != self.shape or result.dtype != self.dtype:
            raise ShapeError(
                f"in place: the result {result.shape} {result.dtype} does not fit into {self.shape} "
                f"{self.dtype}; compute a new tensor instead"
            )
        self.array, self.node, self.writes = result.array, result.node, result.writes
        return self

    def _writable(self: Tensor) -> np.ndarray:
        if not self.array.flags.writeable:
            raise GraphError("in place: this tensor is an expanded or read-only view; use .clone() first")
        self.writes[0] += 1
        return self.array

    def _in_place(self: Tensor, function: Callable[..., Tensor], *others: Any) -> Tensor:
        if self._recorded_with(*others):
            return self._become(function(self, *others))
        result = function(self, *others)
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            return self._become(result)
        self._writable()[...] = result.array
        return self

    def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        """x += alpha other"""
        return self._in_place(elementwise.add, other if alpha == 1 else other * alpha)

    def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        """x -= alpha other"""
        return self._in_place(_difference, other if alpha == 1 else other * alpha)

    def mul_(self: Tensor, other: Any) -> Tensor:
        """x *= other"""
        return self._in_place(elementwise.mul, other)

    def div_(self: Tensor, other: Any) -> Tensor:
        """x /= other"""
        return self._in_place(elementwise.div, other)

    def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
        """Clamp in place."""
        return self._in_place(lambda x: x.clamp(min, max))

    def copy_(self: Tensor, other: Any) -> Tensor:
        """Take over the values of `other`, broadcast and converted."""
        self[...] = other.to(self.dtype) if is_tensor(other) else other
        return self

    def fill_(self: Tensor, value: Any) -> Tensor:
        """Set every element."""
        return self.copy_(value)

    def zero_(self: Tensor) -> Tensor:
        """Set every element to 0."""
        return self.copy_(0)

    scatter_ = _over(Indexing.scatter)
    scatter_add_ = _over(Indexing.scatter_add)
    scatter_reduce_ = _over(Indexing.scatter_reduce)
    index_add_ = _over(Indexing.index_add)
    index_copy_ = _over(Indexing.index_copy)
    index_fill_ = _over(Indexing.index_fill)
    masked_scatter_ = _over(Indexing.masked_scatter)
    tril_ = _over(Matrices.tril)
    triu_ = _over(Matrices.triu)
    addmm_ = _over(Matrices.addmm)
    addmv_ = _over(Matrices.addmv)
    addr_ = _over(Matrices.addr)
    baddbmm_ = _over(Matrices.baddbmm)
    cumsum_ = _over(Order.cumsum)
    cumprod_ = _over(Order.cumprod)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

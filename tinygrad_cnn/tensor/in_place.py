"""Writing over a tensor: `x += 1`, `x.add_(1)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GraphError, ShapeError
from ..op import can_cast, is_tensor
from ..ops import elementwise
from ..tape import state
from .arithmetic import Arithmetic
from .functions import Functions
from .indexing import Indexing
from .matrices import Matrices
from .order import Order
from .table import in_place

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["InPlace"]


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
        if self._has_company():
            raise GraphError(
                "in place: this tensor shares memory with another (a view, or detach()) that is still in "
                "use, whose place on the tape would become wrong; compute a new tensor (x = x + 1), or "
                "write a part through the whole (x[i] = x[i] + 1)"
            )
        self._check_writable()
        return True

    def _become(self: Tensor, result: Tensor) -> Tensor:
        if result.shape != self.shape or not can_cast(result.dtype, self.dtype):
            raise ShapeError(
                f"in place: the result {result.shape} {result.dtype} does not fit into {self.shape} "
                f"{self.dtype}; compute a new tensor instead"
            )
        result = result.to(self.dtype)
        self._retain_at(result.node)
        self.array, self.node = result.array, result.node
        self.writes, self._sharing = result.writes, result._sharing
        return self

    def _check_writable(self: Tensor) -> None:
        if not self.array.flags.writeable:
            raise GraphError("in place: this tensor is an expanded or read-only view; use .clone() first")

    def _writable(self: Tensor) -> np.ndarray:
        self._check_writable()
        self.writes[0] += 1
        return self.array

    def _in_place(self: Tensor, function: Callable[..., Any], *others: Any, **options: Any) -> Tensor:
        recorded = self._recorded_with(*others, *options.values())
        result = function(self, *others, **options)
        if recorded or result.shape != self.shape or not can_cast(result.dtype, self.dtype):
            return self._become(result)
        self._writable()[...] = result.array
        return self

    __iadd__, __isub__ = in_place(elementwise.add), in_place(Arithmetic.__sub__)
    __imul__, __itruediv__ = in_place(elementwise.mul), in_place(elementwise.div)
    __ifloordiv__, __imod__ = in_place(elementwise.floor_divide), in_place(elementwise.remainder)
    __ipow__ = in_place(elementwise.pow)
    __iand__, __ior__ = in_place(Arithmetic.__and__), in_place(Arithmetic.__or__)
    __ixor__ = in_place(Arithmetic.__xor__)
    __ilshift__, __irshift__ = in_place(Arithmetic.__lshift__), in_place(Arithmetic.__rshift__)

    abs_ = in_place(Arithmetic.abs)
    neg_ = in_place(Arithmetic.neg)
    add_ = in_place(Arithmetic.add)
    sub_ = in_place(Arithmetic.sub)
    mul_ = in_place(Arithmetic.mul)
    div_ = in_place(Arithmetic.div)
    pow_ = in_place(Arithmetic.pow)
    floor_divide_ = in_place(Arithmetic.floor_divide)
    remainder_ = in_place(Arithmetic.remainder)
    fmod_ = in_place(Arithmetic.fmod)
    logical_and_ = in_place(Arithmetic.logical_and)
    logical_or_ = in_place(Arithmetic.logical_or)
    logical_xor_ = in_place(Arithmetic.logical_xor)
    logical_not_ = in_place(Arithmetic.logical_not)
    bitwise_and_ = in_place(Arithmetic.bitwise_and)
    bitwise_or_ = in_place(Arithmetic.bitwise_or)
    bitwise_xor_ = in_place(Arithmetic.bitwise_xor)
    bitwise_not_ = in_place(Arithmetic.bitwise_not)
    bitwise_left_shift_ = in_place(Arithmetic.bitwise_left_shift)
    bitwise_right_shift_ = in_place(Arithmetic.bitwise_right_shift)
    eq_ = in_place(Arithmetic.eq)
    ne_ = not_equal_ = in_place(Arithmetic.ne)
    gt_ = greater_ = in_place(Arithmetic.gt)
    ge_ = greater_equal_ = in_place(Arithmetic.ge)
    lt_ = less_ = in_place(Arithmetic.lt)
    le_ = less_equal_ = in_place(Arithmetic.le)
    heaviside_ = in_place(Functions.heaviside)
    exp_ = in_place(Functions.exp)
    exp2_ = in_place(Functions.exp2)
    expm1_ = in_place(Functions.expm1)
    log_ = in_place(Functions.log)
    log1p_ = in_place(Functions.log1p)
    log2_ = in_place(Functions.log2)
    log10_ = in_place(Functions.log10)
    sqrt_ = in_place(Functions.sqrt)
    rsqrt_ = in_place(Functions.rsqrt)
    reciprocal_ = in_place(Functions.reciprocal)
    square_ = in_place(Functions.square)
    erf_ = in_place(Functions.erf)
    logit_ = in_place(Functions.logit)
    sin_ = in_place(Functions.sin)
    cos_ = in_place(Functions.cos)
    tan_ = in_place(Functions.tan)
    asin_ = in_place(Functions.asin)
    acos_ = in_place(Functions.acos)
    atan_ = in_place(Functions.atan)
    atan2_ = in_place(Functions.atan2)
    sinh_ = in_place(Functions.sinh)
    cosh_ = in_place(Functions.cosh)
    tanh_ = in_place(Functions.tanh)
    asinh_ = in_place(Functions.asinh)
    acosh_ = in_place(Functions.acosh)
    atanh_ = in_place(Functions.atanh)
    hypot_ = in_place(Functions.hypot)
    sigmoid_ = in_place(Functions.sigmoid)
    relu_ = in_place(Functions.relu)
    sign_ = in_place(Functions.sign)
    floor_ = in_place(Functions.floor)
    ceil_ = in_place(Functions.ceil)
    trunc_ = in_place(Functions.trunc)
    round_ = in_place(Functions.round)
    frac_ = in_place(Functions.frac)
    clamp_ = in_place(Functions.clamp)
    clamp_min_ = in_place(Functions.clamp_min)
    clamp_max_ = in_place(Functions.clamp_max)
    nan_to_num_ = in_place(Functions.nan_to_num)
    lerp_ = in_place(Functions.lerp)
    addcmul_ = in_place(Functions.addcmul)
    addcdiv_ = in_place(Functions.addcdiv)
    masked_fill_ = in_place(Functions.masked_fill)
    scatter_ = in_place(Indexing.scatter)
    scatter_add_ = in_place(Indexing.scatter_add)
    scatter_reduce_ = in_place(Indexing.scatter_reduce)
    index_add_ = in_place(Indexing.index_add)
    index_copy_ = in_place(Indexing.index_copy)
    index_fill_ = in_place(Indexing.index_fill)
    masked_scatter_ = in_place(Indexing.masked_scatter)
    tril_ = in_place(Matrices.tril)
    triu_ = in_place(Matrices.triu)
    addmm_ = in_place(Matrices.addmm)
    addmv_ = in_place(Matrices.addmv)
    addr_ = in_place(Matrices.addr)
    baddbmm_ = in_place(Matrices.baddbmm)
    cumsum_ = in_place(Order.cumsum)
    cumprod_ = in_place(Order.cumprod)
    clip_, absolute_, negative_, multiply_ = clamp_, abs_, neg_, mul_
    subtract_, divide_, true_divide_ = sub_, div_, div_

    def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
        """Take over the values of `src`, broadcast and converted."""
        self[...] = src.to(self.dtype) if is_tensor(src) else src
        return self

    def fill_(self: Tensor, value: Any) -> Tensor:
        """Set every element."""
        return self.copy_(value)

    def zero_(self: Tensor) -> Tensor:
        """Set every element to 0."""
        return self.copy_(0)

    def detach_(self: Tensor) -> Tensor:
        """Cut the tensor off the tape."""
        if self.is_leaf:
            return self.requires_grad_(False)
        self.node = None
        return self

"""Functions of each element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..op import is_tensor, wrap
from ..ops import activation, elementwise
from .arguments import _dim, _floating, _mask, _number, _promoted, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Functions"]


class Functions:
    """Functions of each element, and softmax."""

    __slots__ = ()

    def exp(self: Tensor) -> Tensor:
        """e^x"""
        return elementwise.exp(_tensor("exp", self))

    def log(self: Tensor) -> Tensor:
        """Natural logarithm; -inf at 0, nan below."""
        return elementwise.log(_tensor("log", self))

    def log1p(self: Tensor) -> Tensor:
        """log(1 + x), exact near 0."""
        return elementwise.log1p(_tensor("log1p", self))

    def sqrt(self: Tensor) -> Tensor:
        """Square root; its derivative at 0 is inf."""
        return elementwise.sqrt(_tensor("sqrt", self))

    def erf(self: Tensor) -> Tensor:
        """The error function."""
        return elementwise.erf(_tensor("erf", self))

    def sign(self: Tensor) -> Tensor:
        """-1, 0 or 1."""
        return elementwise.sign(_tensor("sign", self))

    def square(self: Tensor) -> Tensor:
        """x x"""
        return elementwise.mul(_tensor("square", self), self)

    def sigmoid(self: Tensor) -> Tensor:
        """1 / (1 + e^-x)"""
        return activation.sigmoid(_tensor("sigmoid", self))

    def tanh(self: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        return activation.tanh(_tensor("tanh", self))

    def relu(self: Tensor) -> Tensor:
        """max(x, 0); its derivative at 0 is 0."""
        return activation.relu(_tensor("relu", self))

    def softmax(self: Tensor, dim: int) -> Tensor:
        """e^x / sum e^x along `dim`."""
        axis = _dim("softmax", _floating("softmax", self), dim)
        return activation.softmax(self, dim=axis) if self.ndim else self.reshape(1).softmax(0).reshape(())

    def log_softmax(self: Tensor, dim: int) -> Tensor:
        """log(softmax(x)), stable for large values."""
        axis = _dim("log_softmax", _floating("log_softmax", self), dim)
        return (
            activation.log_softmax(self, dim=axis)
            if self.ndim
            else self.reshape(1).log_softmax(0).reshape(())
        )

    def clamp(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
        """min(max(x, min), max); bounds are numbers or tensors; the derivative is 1 at a bound."""
        if is_tensor(min) or is_tensor(max):
            # choices rather than extremes, which would share the gradient at a bound
            out = self
            for bound, beyond in ((min, elementwise.lt), (max, elementwise.gt)):
                if bound is not None:
                    value = bound.array if is_tensor(bound) else bound
                    chosen = beyond(out, bound).array | np.not_equal(value, value)
                    out = elementwise.where(bound, out, mask=chosen)
            return out
        _tensor("clamp", self)
        bounds = [_number("clamp", "a bound", b) for b in (min, max) if b is not None]
        if self.dtype.kind == "f" or not bounds:
            return elementwise.clamp(self, min=min, max=max)
        return elementwise.clamp(wrap(_promoted(self.array, *bounds)[0]), min=min, max=max)

    clip = clamp

    def maximum(self: Tensor, other: Any) -> Tensor:
        """Elementwise; equal elements share the gradient."""
        return elementwise.maximum(self, other)

    def minimum(self: Tensor, other: Any) -> Tensor:
        """Elementwise; equal elements share the gradient."""
        return elementwise.minimum(self, other)

    def where(self: Tensor, condition: Any, other: Any) -> Tensor:
        """x where the condition holds, `other` elsewhere."""
        return elementwise.where(self, other, mask=_mask("where", condition))

    def masked_fill(self: Tensor, mask: Any, value: Any) -> Tensor:
        """`value` where the mask is true, x elsewhere."""
        dtype = _tensor("masked_fill", self).dtype
        number = value.array if is_tensor(value) else _number("masked_fill", "the value", value)
        if np.ndim(number):
            raise ShapeError("masked_fill: the value must be one number; use where(mask, value, x)")
        if self.dtype.kind in "iu" and not np.isfinite(number):
            raise ArgumentError(f"masked_fill: {value} is no {self.dtype}; convert x with x.float() first")
        return elementwise.where(value, self, mask=_mask("masked_fill", mask)).to(dtype)

"""The operators: arithmetic, comparisons, bits."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..op import is_tensor, result_dtype, wrap
from ..ops import elementwise
from .arguments import _number, _operand, _promoted, _tensor
from .table import of_one, of_two

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Arithmetic"]


class Arithmetic:
    """What stands between and before tensors."""

    __slots__ = ()

    def __add__(self: Tensor, other: Any) -> Tensor:
        """x + y."""
        return elementwise.add(self, other)

    def __radd__(self: Tensor, other: Any) -> Tensor:
        return elementwise.add(other, self)

    def __sub__(self: Tensor, other: Any) -> Tensor:
        """x - y."""
        return _difference(self, other)

    def __rsub__(self: Tensor, other: Any) -> Tensor:
        return _difference(other, self)

    def __mul__(self: Tensor, other: Any) -> Tensor:
        """x y, element by element."""
        return elementwise.mul(self, other)

    def __rmul__(self: Tensor, other: Any) -> Tensor:
        return elementwise.mul(other, self)

    def __truediv__(self: Tensor, other: Any) -> Tensor:
        """x / y; integers become float32."""
        return elementwise.div(self, other)

    def __rtruediv__(self: Tensor, other: Any) -> Tensor:
        return elementwise.div(other, self)

    def __pow__(self: Tensor, other: Any) -> Tensor:
        """x to the power y."""
        return elementwise.pow(self, other)

    def __rpow__(self: Tensor, other: Any) -> Tensor:
        return elementwise.pow(other, self)

    def __floordiv__(self: Tensor, other: Any) -> Tensor:
        """x / y, rounded down."""
        return elementwise.floor_divide(self, other)

    def __rfloordiv__(self: Tensor, other: Any) -> Tensor:
        return elementwise.floor_divide(other, self)

    def __mod__(self: Tensor, other: Any) -> Tensor:
        """What x // y leaves, with the sign of y."""
        return elementwise.remainder(self, other)

    def __rmod__(self: Tensor, other: Any) -> Tensor:
        return elementwise.remainder(other, self)

    def __pos__(self: Tensor) -> Tensor:
        """The tensor itself."""
        return self

    def __neg__(self: Tensor) -> Tensor:
        """-x."""
        return elementwise.neg(_tensor("neg", self))

    def __abs__(self: Tensor) -> Tensor:
        """|x|; the derivative at 0 is 0."""
        return elementwise.abs(_tensor("abs", self))

    def __eq__(self: Tensor, other: object) -> Any:
        """x == y, element by element."""
        return NotImplemented if other is None or isinstance(other, str) else elementwise.eq(self, other)

    def __ne__(self: Tensor, other: object) -> Any:
        """x != y, element by element."""
        return NotImplemented if other is None or isinstance(other, str) else elementwise.ne(self, other)

    def __lt__(self: Tensor, other: Any) -> Tensor:
        """x < y, element by element."""
        return elementwise.lt(self, other)

    def __le__(self: Tensor, other: Any) -> Tensor:
        """x <= y, element by element."""
        return elementwise.le(self, other)

    def __gt__(self: Tensor, other: Any) -> Tensor:
        """x > y, element by element."""
        return elementwise.gt(self, other)

    def __ge__(self: Tensor, other: Any) -> Tensor:
        """x >= y, element by element."""
        return elementwise.ge(self, other)

    def __and__(self: Tensor, other: Any) -> Tensor:
        """Both, bit by bit; of bools and integers."""
        return _bits("bitwise_and", np.bitwise_and, self, other)

    def __or__(self: Tensor, other: Any) -> Tensor:
        """Either, bit by bit; of bools and integers."""
        return _bits("bitwise_or", np.bitwise_or, self, other)

    def __xor__(self: Tensor, other: Any) -> Tensor:
        """One but not both, bit by bit; of bools and integers."""
        return _bits("bitwise_xor", np.bitwise_xor, self, other)

    def __invert__(self: Tensor) -> Tensor:
        """The other value of each bit; of bools and integers."""
        return _bits("bitwise_not", np.bitwise_not, self)

    def __lshift__(self: Tensor, other: Any) -> Tensor:
        """x 2^y, of integers."""
        return _bits("bitwise_left_shift", np.left_shift, self, other)

    def __rshift__(self: Tensor, other: Any) -> Tensor:
        """x / 2^y rounded down, of integers."""
        return _bits("bitwise_right_shift", np.right_shift, self, other)

    def __rlshift__(self: Tensor, other: Any) -> Tensor:
        return _bits("bitwise_left_shift", np.left_shift, other, self)

    def __rrshift__(self: Tensor, other: Any) -> Tensor:
        return _bits("bitwise_right_shift", np.right_shift, other, self)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    # --- by name -------------------------------------------------------------------------------------

    def add(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        """x + alpha y"""
        return elementwise.add(self, _scaled("add", self, other, alpha))

    def sub(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
        """x - alpha y"""
        return _difference(self, other, alpha)

    def div(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
        """x / y, as it is (None), rounded down ("floor") or towards 0 ("trunc")."""
        if rounding_mode is None:
            return elementwise.div(self, other)
        if rounding_mode == "floor":
            return elementwise.floor_divide(self, other)
        if rounding_mode == "trunc":
            return elementwise.trunc_divide(self, other)
        raise ArgumentError(f'div: rounding_mode is {rounding_mode!r:.40}; use None, "floor" or "trunc"')

    def fmod(self: Tensor, other: Any) -> Tensor:
        """What x / y leaves when it is rounded towards 0, with the sign of x."""
        return elementwise.fmod(_tensor("fmod", self), other)

    def pow(self: Tensor, exponent: Any) -> Tensor:
        """x to the power of the exponent."""
        return elementwise.pow(self, exponent)

    mul, neg, positive, abs = __mul__, __neg__, __pos__, __abs__
    floor_divide, remainder = __floordiv__, __mod__
    eq, ne, lt, le, gt, ge = __eq__, __ne__, __lt__, __le__, __gt__, __ge__
    logical_and = of_two(elementwise.logical_and)
    logical_or = of_two(elementwise.logical_or)
    logical_xor = of_two(elementwise.logical_xor)
    logical_not = of_one(elementwise.logical_not)
    bitwise_and, bitwise_or, bitwise_xor, bitwise_not = __and__, __or__, __xor__, __invert__
    bitwise_left_shift, bitwise_right_shift = __lshift__, __rshift__

    # PyTorch's long names
    absolute, negative, multiply, subtract, divide, true_divide = abs, neg, mul, sub, div, __truediv__
    not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _scaled(name: str, x: Any, y: Any, alpha: Any) -> Any:
    """alpha y, in the dtype that it will have when it has met x."""
    if type(alpha) is int and alpha == 1:
        return y
    dtype = result_dtype(name, [_operand(name, x), _operand(name, y)])
    _number(name, "alpha", alpha)
    if dtype.kind != "f" and not isinstance(alpha, Integral):
        raise DtypeError(f"{name}: alpha {alpha} is no integer, the result is {dtype}; use x.float()")
    if isinstance(alpha, bool) and dtype.kind != "b":
        raise DtypeError(f"{name}: alpha is {alpha}, the result is {dtype}; use {int(alpha)}")
    factor = bool(alpha) if dtype.kind == "b" else alpha
    if is_tensor(y):
        return y.to(dtype) * factor
    return y * factor if dtype.kind != "b" else y and factor


def _difference(x: Any, y: Any, alpha: Any = 1) -> Tensor:
    """x - alpha y, but not of bools."""
    for operand in (x, y):
        if type(operand) is bool or getattr(operand, "dtype", None) == np.bool_:
            raise DtypeError("sub: bools cannot be subtracted; use ~mask, or mask.float() for numbers")
    return elementwise.sub(x, _scaled("sub", x, y, alpha))


def _bits(name: str, function: np.ufunc, *operands: Any) -> Tensor:
    arrays = _promoted(*(_operand(name, x) for x in operands))
    try:
        return wrap(np.asarray(function(*arrays)))
    except TypeError:
        raise DtypeError(
            f"{name}: works on bools and integers, not {arrays[0].dtype}; compare first, or use .long()"
        ) from None
    except ValueError:
        shapes = " and ".join(str(np.shape(a)) for a in arrays)
        raise ShapeError(f"{name}: shapes {shapes} do not broadcast; sizes must be equal or 1") from None

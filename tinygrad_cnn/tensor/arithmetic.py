"""The operators: arithmetic, comparisons, bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import is_tensor, wrap
from ..ops import elementwise
from .arguments import _promoted, _tensor

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
        return _bits("and", np.bitwise_and, self, other)

    def __or__(self: Tensor, other: Any) -> Tensor:
        return _bits("or", np.bitwise_or, self, other)

    def __xor__(self: Tensor, other: Any) -> Tensor:
        return _bits("xor", np.bitwise_xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __invert__(self: Tensor) -> Tensor:
        return _bits("not", np.bitwise_not, self)

    add, sub, mul, pow, neg, abs = __add__, __sub__, __mul__, __pow__, __neg__, __abs__
    div = true_divide = __truediv__
    eq, ne, lt, le, gt, ge = __eq__, __ne__, __lt__, __le__, __gt__, __ge__

    def logical_and(self: Tensor, other: Any) -> Tensor:
        """x and y, element by element."""
        return elementwise.logical_and(self, other)

    def logical_or(self: Tensor, other: Any) -> Tensor:
        """x or y, element by element."""
        return elementwise.logical_or(self, other)

    def logical_xor(self: Tensor, other: Any) -> Tensor:
        """either x or y, element by element."""
        return elementwise.logical_xor(self, other)

    def logical_not(self: Tensor) -> Tensor:
        """not x, element by element."""
        return elementwise.logical_not(self)


def _difference(x: Any, y: Any) -> Tensor:
    """x - y, but not of bools."""
    for operand in (x, y):
        if type(operand) is bool or getattr(operand, "dtype", None) == np.bool_:
            raise DtypeError("sub: bools cannot be subtracted; use ~mask, or mask.float() for numbers")
    return elementwise.sub(x, y)


def _bits(name: str, function: np.ufunc, *operands: Any) -> Tensor:
    arrays = [x.array if is_tensor(x) else x for x in operands]
    try:
        return wrap(np.asarray(function(*_promoted(*arrays))))
    except (TypeError, KeyError):  # KeyError: neither an array nor a number
        kinds = " and ".join(str(np.asarray(a).dtype) for a in arrays)
        raise DtypeError(f"{name}: works on bools and integers, not {kinds}; compare first") from None
    except ValueError:
        shapes = " and ".join(str(np.shape(a)) for a in arrays)
        raise ShapeError(f"{name}: shapes {shapes} do not broadcast; sizes must be equal or 1") from None

"""Functions of each element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import _int
from ..op import Op, is_tensor, wrap
from ..ops import activation, elementwise
from .arguments import _dim, _floating, _mask, _number, _promoted, _tensor
from .table import of_one, of_two

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Functions"]


class Functions:
    """Functions of each element, and softmax."""

    __slots__ = ()

    exp = of_one(elementwise.exp)
    exp2 = of_one(elementwise.exp2)
    expm1 = of_one(elementwise.expm1)
    log = of_one(elementwise.log)
    log1p = of_one(elementwise.log1p)
    log2 = of_one(elementwise.log2)
    log10 = of_one(elementwise.log10)
    sqrt = of_one(elementwise.sqrt)
    rsqrt = of_one(elementwise.rsqrt)
    reciprocal = of_one(elementwise.reciprocal)
    erf = of_one(elementwise.erf)
    sin = of_one(elementwise.sin)
    cos = of_one(elementwise.cos)
    tan = of_one(elementwise.tan)
    asin = of_one(elementwise.asin)
    acos = of_one(elementwise.acos)
    atan = of_one(elementwise.atan)
    sinh = of_one(elementwise.sinh)
    cosh = of_one(elementwise.cosh)
    asinh = of_one(elementwise.asinh)
    acosh = of_one(elementwise.acosh)
    atanh = of_one(elementwise.atanh)
    sign = of_one(elementwise.sign)
    floor = of_one(elementwise.floor)
    ceil = of_one(elementwise.ceil)
    trunc = of_one(elementwise.trunc)
    relu = of_one(activation.relu)
    sigmoid = of_one(activation.sigmoid)
    tanh = of_one(activation.tanh)
    atan2 = of_two(elementwise.atan2)
    hypot = of_two(elementwise.hypot)
    logaddexp = of_two(elementwise.logaddexp)
    maximum = of_two(elementwise.maximum)
    minimum = of_two(elementwise.minimum)

    def round(self: Tensor, *, decimals: int = 0) -> Tensor:
        """The nearest number of so many decimals, the even one of two; integers stay as they are."""
        return elementwise.round(_tensor("round", self), decimals=_int("round", "decimals", decimals, -99))

    def frac(self: Tensor) -> Tensor:
        """What trunc() takes away."""
        return _floating("frac", self) - self.trunc()

    def square(self: Tensor) -> Tensor:
        """x x"""
        x = _tensor("square", self)
        x = x if x.dtype != np.bool_ else x.long()
        return elementwise.mul(x, x)

    def logit(self: Tensor, eps: float | None = None) -> Tensor:
        """log(x / (1 - x)), of x brought into eps to 1 - eps first if there is an eps."""
        x = _tensor("logit", self)
        return elementwise.logit(x if eps is None else x.clamp(eps, 1 - eps))

    def lerp(self: Tensor, end: Any, weight: Any) -> Tensor:
        """x + weight (end - x)"""
        _same_floats("lerp", self, end, *([weight] if is_tensor(weight) else []))
        return self + (end - self) * weight

    def addcmul(self: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """x + value tensor1 tensor2"""
        return self.add(elementwise.mul(tensor1, tensor2), alpha=value)

    def addcdiv(self: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """x + value tensor1 / tensor2"""
        if not any(is_tensor(x) and x.dtype.kind == "f" for x in (tensor1, tensor2)):
            raise DtypeError("addcdiv: tensor1 and tensor2 are no floats; convert one with .float()")
        return self.add(elementwise.div(tensor1, tensor2), alpha=value)

    def heaviside(self: Tensor, values: Tensor) -> Tensor:
        """0 where x < 0 (or nan), 1 where x > 0, `values` where x is 0; without a gradient.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([-2.0, 0.0, 3.0]).heaviside(tg.tensor(0.5))
        tensor([0.0000, 0.5000, 1.0000])
        """
        x, at = _tensor("heaviside", self).array, _tensor("heaviside", values, "values").array
        if x.dtype != at.dtype:
            raise DtypeError(f"heaviside: x is {x.dtype}, values is {at.dtype}; convert one with .to(dtype)")
        try:
            return wrap(np.asarray(np.where(x == 0, at, (x > 0).astype(x.dtype))))
        except ValueError:
            raise ShapeError(
                f"heaviside: shapes {x.shape} and {at.shape} do not broadcast; sizes must be equal or 1"
            ) from None

    def nan_to_num(self: Tensor, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
        """Numbers for nan, inf and -inf: by default 0 and the largest and smallest there are."""
        x = _tensor("nan_to_num", self).array
        finite = np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
        return elementwise.where(self, finite, mask=np.isfinite(x))

    # --- questions ---------------------------------------------------------------------------------------

    def isnan(self: Tensor) -> Tensor:
        """Where x is nan."""
        return wrap(np.asarray(np.isnan(_tensor("isnan", self).array)))

    def isinf(self: Tensor) -> Tensor:
        """Where x is inf or -inf."""
        return wrap(np.asarray(np.isinf(_tensor("isinf", self).array)))

    def isfinite(self: Tensor) -> Tensor:
        """Where x is neither nan nor infinite."""
        return wrap(np.asarray(np.isfinite(_tensor("isfinite", self).array)))

    def isclose(
        self: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
    ) -> Tensor:
        """Where |x - y| <= atol + rtol |y|."""
        x, y = _tensor("isclose", self).array, _tensor("isclose", other, "other").array
        if x.dtype != y.dtype:
            raise DtypeError(f"isclose: x is {x.dtype}, other is {y.dtype}; convert one with .to(dtype)")
        try:
            return wrap(np.asarray(np.isclose(x, y, rtol, atol, equal_nan)))
        except ValueError:
            raise ShapeError(
                f"isclose: shapes {x.shape} and {y.shape} do not broadcast; sizes must be equal or 1"
            ) from None

    def allclose(
        self: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
    ) -> bool:
        """Whether `isclose` holds everywhere."""
        return bool(Functions.isclose(self, other, rtol, atol, equal_nan).array.all())

    def equal(self: Tensor, other: Tensor) -> bool:
        """Whether shapes and values are the same."""
        x, y = _tensor("equal", self).array, _tensor("equal", other, "other").array
        return bool(np.array_equal(x, y))

    # --- choices -----------------------------------------------------------------------------------------

    def softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
        """e^x / sum e^x along `dim`."""
        return _along(activation.softmax, self, dim, dtype)

    def log_softmax(self: Tensor, dim: int, dtype: Any = None) -> Tensor:
        """log(softmax(x)), stable for large values."""
        return _along(activation.log_softmax, self, dim, dtype)

    def clamp(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
        """min(max(x, min), max); bounds are numbers or tensors; the derivative is 1 at a bound."""
        if is_tensor(min) or is_tensor(max):
            out = self if min is None else elementwise.clamp_min(self, min)
            return out if max is None else elementwise.clamp_max(out, max)
        _tensor("clamp", self)
        bounds = [_number("clamp", "a bound", b) for b in (min, max) if b is not None]
        if self.dtype.kind == "f" or not bounds:
            return elementwise.clamp(self, min=min, max=max)
        return elementwise.clamp(wrap(_promoted(self.array, *bounds)[0]), min=min, max=max)

    clip = clamp

    def clamp_min(self: Tensor, min: Any) -> Tensor:
        """max(x, min)"""
        return self.clamp(min=min)

    def clamp_max(self: Tensor, max: Any) -> Tensor:
        """min(x, max)"""
        return self.clamp(max=max)

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


def _along(op: Op, x: Tensor, dim: int, dtype: Any) -> Tensor:
    """Softmax along an axis; a 0-d tensor counts as having one."""
    x = _floating(op.name, x if dtype is None else _tensor(op.name, x).to(dtype))
    axis = _dim(op.name, x, dim)
    return op(x, dim=axis) if x.ndim else op(x.reshape(1), dim=axis).reshape(())


def _same_floats(name: str, *tensors: Any) -> None:
    """One float dtype for all."""
    kinds = [_floating(name, x).dtype for x in tensors]
    if len(set(kinds)) > 1:
        raise DtypeError(f"{name}: dtypes {' and '.join(map(str, kinds))} differ; convert with .to(dtype)")

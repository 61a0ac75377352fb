"""Arithmetic, element by element, with NumPy's broadcasting and PyTorch's dtypes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..kernels import special
from ..op import Op, get_default_dtype, op, values

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "clamp_max",
    "clamp_min", "cos", "cosh", "div", "eq", "erf", "exp", "exp2", "expm1", "floor", "floor_divide", "fmod",
    "ge", "gt", "hypot", "le", "log", "log1p", "log2", "log10", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "logit", "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "reciprocal",
    "remainder", "round", "rsqrt", "sign", "sin", "sinh", "sqrt", "sub", "tan", "to", "trunc", "trunc_divide",
    "where",
]  # fmt: skip


def _ufunc(name: str, function: np.ufunc, text: str, floating: bool = False) -> Op:
    """An op that is one of NumPy's functions of one or two arrays, under PyTorch's name."""
    if function.nin == 1:

        def forward(x: Any) -> Any:
            return function(x)

    else:

        def forward(x: Any, y: Any) -> Any:  # type: ignore[misc]
            return function(x, y)

    forward.__name__, forward.__doc__, forward.__module__ = name, text, __name__
    return op(elementwise=True, floating=floating)(forward)


@op(elementwise=True)
def add(x, y):
    """x + y"""
    return np.add(x, y)


add.vjp(x=lambda g: g, y=lambda g: g)


@op(elementwise=True)
def sub(x, y):
    """x - y"""
    return np.subtract(x, y)


sub.vjp(x=lambda g: g, y=lambda g: -g)


@op(elementwise=True)
def mul(x, y):
    """x y"""
    return np.multiply(x, y)


mul.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op(elementwise=True, floating=True)
def div(x, y):
    """x / y; integers become float32."""
    return np.divide(x, y)


div.vjp(x=lambda g, y: g / y, y=lambda g, y, out: -g * out / y)


@op(elementwise=True)
def neg(x):
    """-x"""
    try:
        return np.negative(x)
    except TypeError:
        raise DtypeError("neg: x is bool, which has no neg; use ~x, or numbers (x.float())") from None


neg.vjp(x=lambda g: -g)


@op(elementwise=True)
def pow(x, y):
    """x to the power y; d/dx = y x^(y-1), taken as 0 where y = 0, and d/dy = x^y log x, 0 where x = 0."""
    if type(y) in (int, float) and y in (3, 4) and isinstance(x, np.ndarray) and x.dtype.kind == "f":
        square = x * x  # ten times as fast as what suits any power
        return square * (x if y == 3 else square)
    try:
        out = x**y
    except ValueError:
        raise ArgumentError(
            "pow: integers to a negative integer power are not integers; convert with x.float()"
        ) from None
    return out.astype(np.bool_) if out.dtype == np.int8 and x.dtype == np.bool_ else out


def _pow_x(g: Any, x: Any, y: Any) -> Any:
    if isinstance(y, (int, float)):
        return g * (y * x ** (y - 1 if y else 0))
    # 0 * 0**-1 would be nan; only there, since the exponent is differentiated by y again
    corner = (values(x) == 0) & (values(y) == 0)
    return g * (y * x ** where(0.0, y - 1, mask=corner))


def _pow_y(g: Any, x: Any, y: Any, out: Any) -> Any:
    if isinstance(x, (int, float)):
        return g * out * (math.log(x) if x > 0 else math.nan if x else 0.0)
    return g * out * log(where(x, 1.0, mask=values(x) != 0))


pow.vjp(x=_pow_x, y=_pow_y)


@op(elementwise=True)
def abs(x):
    """|x|; the derivative at 0 is taken as 0."""
    return np.abs(x)


abs.vjp(x=lambda g, x: g * sign(x))


def _flat(g: Any) -> Any:
    """The gradient of what goes in steps: 0 even where g is not finite."""
    return where(0.0, g, mask=np.True_)


@op(elementwise=True)
def sign(x):
    """-1, 0 or 1; 0 for nan."""
    kind = np.asarray(x).dtype.kind
    return np.nan_to_num(np.sign(x)) if kind == "f" else x.copy() if kind == "b" else np.sign(x)


sign.vjp(x=_flat)


def _step(function: Any, x: Any, *args: Any) -> Any:
    return function(x, *args) if x.dtype.kind == "f" else x.copy()


@op(elementwise=True)
def floor(x):
    """The next integer below, of x's dtype."""
    return _step(np.floor, x)


@op(elementwise=True)
def ceil(x):
    """The next integer above, of x's dtype."""
    return _step(np.ceil, x)


@op(elementwise=True)
def trunc(x):
    """The integer part: the next integer towards 0, of x's dtype."""
    return _step(np.trunc, x)


@op(elementwise=True)
def round(x, *, decimals=0):
    """The nearest number of so many decimals, the even one of two; integers stay as they are."""
    return _step(np.round, x, decimals)


floor.vjp(x=_flat)
ceil.vjp(x=_flat)
trunc.vjp(x=_flat)
round.vjp(x=_flat)


def _divisor(name: str, x: Any, y: Any) -> None:
    if np.result_type(x, y).kind in "iu" and not np.all(y):
        raise ArgumentError(
            f"{name}: an integer is divided by 0; convert to floats (x.float()) for inf or nan"
        )


@op(elementwise=True)
def floor_divide(x, y):
    """x / y, rounded down; its derivatives are 0."""
    _divisor("floor_divide", x, y)
    return np.floor_divide(x, y)


floor_divide.vjp(x=_flat, y=_flat)


@op(elementwise=True)
def trunc_divide(x, y):
    """x / y, rounded towards 0; its derivatives are 0."""
    _divisor("trunc_divide", x, y)
    if np.result_type(x, y).kind == "f":
        return np.trunc(np.divide(x, y))
    return (x - np.fmod(x, y)) // y


trunc_divide.vjp(x=_flat, y=_flat)


@op(elementwise=True)
def remainder(x, y):
    """x - y floor(x / y): what is left has the sign of y."""
    _divisor("remainder", x, y)
    return np.remainder(x, y)


remainder.vjp(x=lambda g: g, y=lambda g, x, y: -g * floor_divide(x, y))


@op(elementwise=True)
def fmod(x, y):
    """x - y trunc(x / y): what is left has the sign of x."""
    _divisor("fmod", x, y)
    return np.fmod(x, y)


fmod.vjp(x=lambda g: g, y=lambda g, x, y: -g * trunc_divide(x, y))


# Functions that make floats of integers.

exp = _ufunc("exp", np.exp, "e^x", floating=True)
exp.vjp(x=lambda g, out: g * out)

exp2 = _ufunc("exp2", np.exp2, "2^x", floating=True)
exp2.vjp(x=lambda g, out: g * (out * math.log(2)))

expm1 = _ufunc("expm1", np.expm1, "e^x - 1, exact near 0", floating=True)
expm1.vjp(x=lambda g, out: g * (out + 1))

log = _ufunc("log", np.log, "Natural logarithm; -inf at 0, nan below.", floating=True)
log.vjp(x=lambda g, x: g / x)

log2 = _ufunc("log2", np.log2, "Logarithm to base 2.", floating=True)
log2.vjp(x=lambda g, x: g / (x * math.log(2)))

log10 = _ufunc("log10", np.log10, "Logarithm to base 10.", floating=True)
log10.vjp(x=lambda g, x: g / (x * math.log(10)))

log1p = _ufunc("log1p", np.log1p, "log(1 + x), exact near 0.", floating=True)
log1p.vjp(x=lambda g, x: g / (x + 1))

sqrt = _ufunc("sqrt", np.sqrt, "Square root; the derivative at 0 is inf.", floating=True)
sqrt.vjp(x=lambda g, out: g / (out * 2))


@op(elementwise=True, floating=True)
def rsqrt(x):
    """1 / sqrt(x); inf at 0, nan below."""
    return np.reciprocal(np.sqrt(x))


rsqrt.vjp(x=lambda g, out: g * (out * out * out * -0.5))

reciprocal = _ufunc("reciprocal", np.reciprocal, "1 / x", floating=True)
reciprocal.vjp(x=lambda g, out: -g * (out * out))

sin = _ufunc("sin", np.sin, "Sine.", floating=True)
sin.vjp(x=lambda g, x: g * cos(x))

cos = _ufunc("cos", np.cos, "Cosine.", floating=True)
cos.vjp(x=lambda g, x: -g * sin(x))

tan = _ufunc("tan", np.tan, "Tangent.", floating=True)
tan.vjp(x=lambda g, out: g * (out * out + 1))

asin = _ufunc("asin", np.arcsin, "The angle between -pi/2 and pi/2 whose sine is x.", floating=True)
asin.vjp(x=lambda g, x: g * rsqrt(1 - x * x))

acos = _ufunc("acos", np.arccos, "The angle between 0 and pi whose cosine is x.", floating=True)
acos.vjp(x=lambda g, x: -g * rsqrt(1 - x * x))

atan = _ufunc("atan", np.arctan, "The angle between -pi/2 and pi/2 whose tangent is x.", floating=True)
atan.vjp(x=lambda g, x: g / (x * x + 1))

sinh = _ufunc("sinh", np.sinh, "(e^x - e^-x) / 2", floating=True)
sinh.vjp(x=lambda g, x: g * cosh(x))

cosh = _ufunc("cosh", np.cosh, "(e^x + e^-x) / 2", floating=True)
cosh.vjp(x=lambda g, x: g * sinh(x))

asinh = _ufunc("asinh", np.arcsinh, "The number whose sinh is x.", floating=True)
asinh.vjp(x=lambda g, x: g * rsqrt(x * x + 1))

acosh = _ufunc("acosh", np.arccosh, "The positive number whose cosh is x; nan below 1.", floating=True)
acosh.vjp(x=lambda g, x: g * rsqrt(x * x - 1))

atanh = _ufunc("atanh", np.arctanh, "The number whose tanh is x; nan beyond -1 and 1.", floating=True)
atanh.vjp(x=lambda g, x: g / (1 - x * x))


@op(elementwise=True, floating=True)
def logit(x):
    """log(x / (1 - x)), the inverse of sigmoid; inf at 1, -inf at 0, nan beyond."""
    return np.log(x / (1 - x))


logit.vjp(x=lambda g, x: g / where(x * (1 - x), math.nan, mask=(values(x) >= 0) & (values(x) <= 1)))

atan2 = _ufunc("atan2", np.arctan2, "The angle of the point with ordinate x and abscissa y.", floating=True)
atan2.vjp(
    x=lambda g, x, y: g * y * _inverse_square(x, y),
    y=lambda g, x, y: -g * x * _inverse_square(x, y),
)


def _inverse_square(x: Any, y: Any) -> Any:
    """1 / (x^2 + y^2), but 0 at the origin."""
    square = x * x + y * y
    return where(0.0, 1 / square, mask=values(square) == 0)


hypot = _ufunc("hypot", np.hypot, "sqrt(x^2 + y^2) without overflow.", floating=True)
hypot.vjp(x=lambda g, x, out: g * (x / out), y=lambda g, y, out: g * (y / out))

logaddexp = _ufunc("logaddexp", np.logaddexp, "log(e^x + e^y) without overflow.", floating=True)
logaddexp.vjp(x=lambda g, x, y: g / (exp(y - x) + 1), y=lambda g, x, y: g / (exp(x - y) + 1))


@op(elementwise=True, floating=True)
def erf(x):
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return special.erf(x)


erf.vjp(x=lambda g, x: g * (exp(-x * x) * 1.1283791670955126))


@op(elementwise=True)
def maximum(x, y):
    """The larger one, nan if either is; where they are equal each gets half of the gradient."""
    return np.maximum(x, y)


def _to_winner(g: Any, tied: Any, lost: Any) -> Any:
    """All of g, half of it where the inputs are equal, none where this one lost."""
    return where(0.0, where(g * 0.5, g, mask=values(tied)), mask=values(lost))


maximum.vjp(
    x=lambda g, x, y: _to_winner(g, eq(x, y), lt(x, y)),
    y=lambda g, x, y: _to_winner(g, eq(x, y), lt(y, x)),
)


@op(elementwise=True)
def minimum(x, y):
    """The smaller one, nan if either is; where they are equal each gets half of the gradient."""
    return np.minimum(x, y)


minimum.vjp(
    x=lambda g, x, y: _to_winner(g, eq(x, y), gt(x, y)),
    y=lambda g, x, y: _to_winner(g, eq(x, y), gt(y, x)),
)


@op(elementwise=True)
def clamp_min(x, y):
    """max(x, y), where at a tie the gradient is x's."""
    return np.maximum(x, y)


clamp_min.vjp(
    x=lambda g, x, y: where(g, 0.0, mask=values(x) >= values(y)),
    y=lambda g, x, y: where(g, 0.0, mask=values(x) < values(y)),
)


@op(elementwise=True)
def clamp_max(x, y):
    """min(x, y), where at a tie the gradient is x's."""
    return np.minimum(x, y)


clamp_max.vjp(
    x=lambda g, x, y: where(g, 0.0, mask=values(x) <= values(y)),
    y=lambda g, x, y: where(g, 0.0, mask=values(x) > values(y)),
)


@op(elementwise=True)
def clamp(x, *, min=None, max=None):
    """min(max(x, min), max); the derivative is 1 from bound to bound, both included."""
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max is needed")
    if x.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
        x = x.astype(get_default_dtype())
    x = x if min is None else np.maximum(x, min)
    return x if max is None else np.minimum(x, max)


def _within(x: np.ndarray, min: Any, max: Any) -> Any:
    return (True if min is None else x >= min) & (True if max is None else x <= max)


clamp.vjp(x=lambda g, x, min, max: where(g, 0.0, mask=_within(values(x), min, max)))


@op(elementwise=True)
def where(x, y, *, mask):
    """x where the mask is true, y elsewhere."""
    try:
        return np.where(mask, x, y)
    except ValueError:
        raise ShapeError(
            f"where: condition {mask.shape}, x {np.shape(x)} and y {np.shape(y)} do not broadcast; "
            "sizes must be equal or 1"
        ) from None


where.vjp(x=lambda g, mask: where(g, 0.0, mask=mask), y=lambda g, mask: where(0.0, g, mask=mask))


@op(elementwise=True)
def to(x, *, dtype):
    """The same values as another dtype; the engine casts the gradient back, as for any promotion."""
    return x.astype(dtype)


to.vjp(x=lambda g: g)


# Truth values have no gradient.

eq = _ufunc("eq", np.equal, "x == y, element by element; bool.")
ne = _ufunc("ne", np.not_equal, "x != y, element by element; bool.")
lt = _ufunc("lt", np.less, "x < y, element by element; bool.")
le = _ufunc("le", np.less_equal, "x <= y, element by element; bool.")
gt = _ufunc("gt", np.greater, "x > y, element by element; bool.")
ge = _ufunc("ge", np.greater_equal, "x >= y, element by element; bool.")
logical_and = _ufunc("logical_and", np.logical_and, "x and y, element by element; bool.")
logical_or = _ufunc("logical_or", np.logical_or, "x or y, element by element; bool.")
logical_xor = _ufunc("logical_xor", np.logical_xor, "either x or y, element by element; bool.")
logical_not = _ufunc("logical_not", np.logical_not, "not x, element by element; bool.")

"""Arithmetic, element by element, with NumPy's broadcasting and PyTorch's dtypes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..kernels import special
from ..op import op, values

__all__ = [
    "abs", "add", "clamp", "div", "eq", "erf", "exp", "ge", "gt", "le", "log", "log1p", "logical_and",
    "logical_not", "logical_or", "logical_xor", "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "sign",
    "sqrt", "sub", "to", "where",
]  # fmt: skip


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


def _of_bools(name: str, instead: str) -> DtypeError:
    return DtypeError(f"{name}: x is bool, which has no {name}; use {instead}, or numbers (x.float())")


@op(elementwise=True)
def neg(x):
    """-x"""
    try:
        return np.negative(x)
    except TypeError:
        raise _of_bools("neg", "~x") from None


neg.vjp(x=lambda g: -g)


@op(elementwise=True)
def pow(x, y):
    """x to the power y; d/dx = y x^(y-1), taken as 0 where y = 0, and d/dy = x^y log x, 0 where x = 0."""
    try:
        return x**y
    except ValueError:
        raise ArgumentError(
            "pow: integers to a negative integer power are not integers; convert with x.float()"
        ) from None


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


@op(elementwise=True)
def sign(x):
    """-1, 0 or 1; 0 for nan.  Flat, so it has no gradient."""
    if np.asarray(x).dtype.kind == "b":
        raise _of_bools("sign", "x itself")
    return np.nan_to_num(np.sign(x)) if np.asarray(x).dtype.kind == "f" else np.sign(x)


@op(elementwise=True, floating=True)
def exp(x):
    """e^x"""
    return np.exp(x)


exp.vjp(x=lambda g, out: g * out)


@op(elementwise=True, floating=True)
def log(x):
    """Natural logarithm; -inf at 0, nan below."""
    return np.log(x)


log.vjp(x=lambda g, x: g / x)


@op(elementwise=True, floating=True)
def log1p(x):
    """log(1 + x), exact near 0."""
    return np.log1p(x)


log1p.vjp(x=lambda g, x: g / (x + 1))


@op(elementwise=True, floating=True)
def sqrt(x):
    """Square root; the derivative at 0 is inf."""
    return np.sqrt(x)


sqrt.vjp(x=lambda g, out: g / (out * 2))


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
def clamp(x, *, min=None, max=None):
    """min(max(x, min), max); the derivative is 1 from bound to bound, both included."""
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max is needed")
    if x.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
        x = x.astype(np.float32)
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


def _flat(name: str, function: np.ufunc, text: str) -> Any:
    """An op whose result is a truth value: it has no gradient."""

    def forward(x: Any, y: Any) -> Any:
        return function(x, y)

    forward.__name__, forward.__doc__, forward.__module__ = (
        name,
        f"{text}, element by element; bool.",
        __name__,
    )
    return op(elementwise=True)(forward)


eq = _flat("eq", np.equal, "x == y")
ne = _flat("ne", np.not_equal, "x != y")
lt = _flat("lt", np.less, "x < y")
le = _flat("le", np.less_equal, "x <= y")
gt = _flat("gt", np.greater, "x > y")
ge = _flat("ge", np.greater_equal, "x >= y")
logical_and = _flat("logical_and", np.logical_and, "x and y")
logical_or = _flat("logical_or", np.logical_or, "x or y")
logical_xor = _flat("logical_xor", np.logical_xor, "either x or y")


@op(elementwise=True)
def logical_not(x):
    """not x, element by element; bool."""
    return np.logical_not(x)

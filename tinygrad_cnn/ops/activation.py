"""Activations.  Read this file first: it shows what an op is.

An op is a function of NumPy arrays; under it stands its backward rule.  A rule gets `g`, the gradient
of the loss by the op's result, and returns the gradient by the input.  What its parameters name (`x`,
`out`, an attribute) is kept on the tape until then.  Rules are written in ops, so that gradients can be
differentiated again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import elementwise as kernels
from ..kernels import special
from ..op import op, values
from .elementwise import clamp, erf, exp, where
from .reduce import sum

__all__ = [
    "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "log_softmax", "mish", "prelu", "relu", "relu_grad",
    "sigmoid", "silu", "softmax", "softplus", "tanh",
]  # fmt: skip


@op(elementwise=True)
def relu(x):
    """max(x, 0); the derivative at 0 is taken as 0."""
    return kernels.relu(x)


@op(elementwise=True)
def relu_grad(y, x):
    """y where x > 0, else 0."""
    return kernels.relu_grad(y, x)


relu.vjp(x=lambda g, out: relu_grad(g, out))
relu_grad.vjp(y=lambda g, x: relu_grad(g, x))  # linear in y, and flat in x


@op(elementwise=True, floating=True)
def leaky_relu(x, *, negative_slope=0.01):
    """x for x > 0, else negative_slope x; the derivative at 0 is the slope's."""
    return np.where(x > 0, x, x * negative_slope)


leaky_relu.vjp(x=lambda g, x, negative_slope: where(g, g * negative_slope, mask=values(x) > 0))


@op(elementwise=True, floating=True)
def prelu(x, w):
    """x for x > 0, else w x with a learned w (He et al. 2015, arXiv:1502.01852)."""
    return np.where(x > 0, x, x * w)


prelu.vjp(
    x=lambda g, x, w: where(g, g * w, mask=values(x) > 0),
    w=lambda g, x: where(0.0, g * x, mask=values(x) > 0),
)


@op(elementwise=True, floating=True)
def elu(x, *, alpha=1.0, scale=1.0, pace=1.0):
    """scale x for x > 0, else scale alpha (e^(pace x) - 1) (Clevert et al. 2015, arXiv:1511.07289)."""
    low = np.expm1(np.minimum(x, 0) if pace == 1 else np.minimum(x, 0) * pace)
    low *= scale * alpha
    return np.where(x > 0, x if scale == 1 else x * scale, low)


def _elu_x(g: Any, x: Any, out: Any, alpha: float, scale: float, pace: float) -> Any:
    return where(g * scale, g * ((out + scale * alpha) * pace), mask=values(x) > 0)


elu.vjp(x=_elu_x)


@op(elementwise=True)
def hardtanh(x, *, min_val=-1.0, max_val=1.0):
    """min(max(x, min_val), max_val); the derivative at the bounds is taken as 0."""
    if x.dtype.kind != "f":
        min_val, max_val = int(min_val), int(max_val)
    return np.clip(x, min_val, max_val)


hardtanh.vjp(
    x=lambda g, x, min_val, max_val: where(g, 0.0, mask=(values(x) > min_val) & (values(x) < max_val))
)


@op(elementwise=True, floating=True)
def sigmoid(x):
    """1 / (1 + e^-x)"""
    return 1 / (1 + np.exp(-x))


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))


@op(elementwise=True, floating=True)
def tanh(x):
    """(e^x - e^-x) / (e^x + e^-x)"""
    return np.tanh(x)


tanh.vjp(x=lambda g, out: g * (1 - out * out))


@op(elementwise=True, floating=True)
def silu(x):
    """x sigmoid(x), also called swish (Ramachandran et al. 2017, arXiv:1710.05941)."""
    return x / (1 + np.exp(-x))


def _silu_x(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (x * (1 - s) + 1))


silu.vjp(x=_silu_x)


@op(elementwise=True, floating=True)
def hardswish(x):
    """x min(max(x + 3, 0), 6) / 6: silu of straight lines (Howard et al. 2019, arXiv:1905.02244).

    The derivative is taken as 0 at -3 and as 1 at 3.
    """
    return x * np.clip(x + 3, 0, 6) / 6


def _hardswish_x(g: Any, x: Any) -> Any:
    outside = where(g, 0.0, mask=values(x) > 0)
    return where(g * (x / 3 + 0.5), outside, mask=np.abs(values(x)) < 3)


hardswish.vjp(x=_hardswish_x)


@op(elementwise=True, floating=True)
def mish(x):
    """x tanh(log(1 + e^x)) (Misra 2019, arXiv:1908.08681)."""
    e = np.exp(np.minimum(x, 40))  # from there on mish is x to all digits
    n = e * (e + 2)
    return x * (n / (n + 2))


def _mish_x(g: Any, x: Any) -> Any:
    e = exp(clamp(x, max=40.0))
    n = e * (e + 2)
    return g * (n / (n + 2) + x * (e * (e + 1) * 4 / (n + 2) / (n + 2)))


mish.vjp(x=_mish_x)


@op(elementwise=True, floating=True)
def softplus(x, *, beta=1.0, threshold=20.0):
    """log(1 + e^(beta x)) / beta, a smooth relu; x itself where beta x > threshold."""
    scaled = x * beta
    return np.where(scaled > threshold, x, np.logaddexp(scaled, scaled.dtype.type(0)) / beta)


softplus.vjp(
    x=lambda g, x, beta, threshold: where(g, g * sigmoid(x * beta), mask=values(x) * beta > threshold)
)


@op(elementwise=True, floating=True)
def gelu(x, *, approximate="none"):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    approximate="tanh": x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2.
    """
    if approximate == "tanh":
        return x * (np.tanh((x + x * x * x * _CUBIC) * _ROOT_2_PI) + 1) / 2
    return special.gelu(x)


_ROOT_2_PI, _ROOT_HALF, _CUBIC = math.sqrt(2 / math.pi), math.sqrt(0.5), 0.044715


def _gelu_x(g: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        t = tanh((x + x * x * x * _CUBIC) * _ROOT_2_PI)
        slope = (1 - t * t) * (x * x * (3 * _CUBIC) + 1) * _ROOT_2_PI
        return g * ((t + 1 + x * slope) / 2)
    density = exp(x * x * -0.5) * (_ROOT_2_PI / 2)
    return g * ((erf(x * _ROOT_HALF) + 1) / 2 + x * density)


gelu.vjp(x=_gelu_x)


@op
def softmax(x, *, dim):
    """e^x / sum e^x along axis `dim`, shifted by the maximum so that nothing overflows."""
    e = np.exp(x - np.maximum.reduce(x, dim, keepdims=True, initial=-np.inf))
    e /= np.add.reduce(e, dim, keepdims=True)
    return e


softmax.vjp(x=lambda g, out, dim: out * (g - sum(g * out, dim=(dim,), keepdim=True)))


@op
def log_softmax(x, *, dim):
    """log(softmax(x)) along axis `dim`, stable for large logits."""
    shifted = x - np.maximum.reduce(x, dim, keepdims=True, initial=-np.inf)
    shifted -= np.log(np.add.reduce(np.exp(shifted), dim, keepdims=True))
    return shifted


log_softmax.vjp(x=lambda g, out, dim: g - exp(out) * sum(g, dim=(dim,), keepdim=True))

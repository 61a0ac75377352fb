"""Activations, element by element, and the softmaxes."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError, ShapeError
from ...ops import activation
from ...tensor import Tensor, _floating, _number, _tensor
from ._checks import _check_dtypes

__all__ = [
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "prelu",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); the derivative at 0 is 0.  `inplace` is accepted and changes nothing."""
    return Tensor.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope x."""
    _number("leaky_relu", "negative_slope", negative_slope)
    return activation.leaky_relu(_floating("leaky_relu", input), negative_slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else w x; weight holds one number, or one per channel (axis 1)."""
    _check_dtypes("prelu", x=input, weight=_tensor("prelu", weight, "weight"))
    if weight.ndim != 1 or (weight.shape[0] != 1 and (input.ndim < 2 or weight.shape[0] != input.shape[1])):
        raise ShapeError(f"prelu: weight {weight.shape} must be (1,) or (channels,) for x {input.shape}")
    return activation.prelu(
        input, weight.reshape(-1, *(1,) * (input.ndim - 2)) if weight.shape[0] > 1 else weight
    )


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha (e^x - 1)."""
    _number("elu", "alpha", alpha)
    return activation.elu(_floating("elu", input), alpha=alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; approximate="tanh" for the older approximation."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return activation.gelu(_floating("gelu", input), approximate=approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x)."""
    return activation.silu(_floating("silu", input))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    _number("softplus", "beta", beta)
    _number("softplus", "threshold", threshold)
    return activation.softplus(_floating("softplus", input), beta=beta, threshold=threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log sigmoid(x), stable."""
    return -softplus(-_floating("logsigmoid", input), threshold=math.inf)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return Tensor.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return Tensor.tanh(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x cut off at min_val and max_val; the derivative at the bounds is 0."""
    if _number("hardtanh", "min_val", min_val) > _number("hardtanh", "max_val", max_val):
        raise ArgumentError(f"hardtanh: min_val {min_val} lies above max_val {max_val}")
    return activation.hardtanh(_tensor("hardtanh", input), min_val=min_val, max_val=max_val)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """e^x / sum e^x along `dim`."""
    return Tensor.softmax(input if dtype is None else _tensor("softmax", input).to(dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log softmax(x), stable for large values."""
    return Tensor.log_softmax(input if dtype is None else _tensor("log_softmax", input).to(dtype), dim)

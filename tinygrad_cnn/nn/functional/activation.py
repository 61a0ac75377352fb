"""Activations, element by element, and the softmaxes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...ops import activation, elementwise
from ...random import default_generator
from ...tensor import Tensor, _axis, _floating, _number, _tensor
from ._checks import _check_dtypes

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
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


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha (e^(x/alpha) - 1), which has no kink (Barron 2017, arXiv:1704.07483)."""
    if _number("celu", "alpha", alpha) == 0:
        raise ArgumentError("celu: x is divided by alpha, which cannot be 0; use relu")
    return activation.elu(_floating("celu", input), alpha=alpha, pace=1 / alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 x where positive, else 1.7581 (e^x - 1): keeps mean 0 and variance 1 from layer to layer.

    Klambauer et al. 2017, arXiv:1706.02515.
    """
    return activation.elu(_floating("selu", input), alpha=_SELU_ALPHA, scale=_SELU_SCALE)


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; approximate="tanh" for the older approximation."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return activation.gelu(_floating("gelu", input), approximate=approximate)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(log(1 + e^x))."""
    return activation.mish(_floating("mish", input))


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


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)."""
    return input - Tensor.tanh(input)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return input / (Tensor.abs(input) + 1)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x cut off at min_val and max_val; the derivative at the bounds is 0."""
    if _number("hardtanh", "min_val", min_val) > _number("hardtanh", "max_val", max_val):
        raise ArgumentError(f"hardtanh: min_val {min_val} lies above max_val {max_val}")
    if (kind := _tensor("hardtanh", input).dtype.kind) == "b" or (kind == "u" and min_val < 0):
        raise DtypeError(f"hardtanh: x is {input.dtype}, which has no numbers below 0; use .float()")
    return activation.hardtanh(input, min_val=min_val, max_val=max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6); the derivative at both is 0 (Howard et al. 2017, arXiv:1704.04861)."""
    return hardtanh(input, 0.0, 6.0)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6; the derivative at -3 and 3 is 0."""
    return relu6(_floating("hardsigmoid", input) + 3) / 6


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6; the derivative is 0 at -3 and 1 at 3."""
    return activation.hardswish(_floating("hardswish", input))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else `value`; the derivative at the threshold is 0."""
    _number("threshold", "the threshold", threshold)
    _number("threshold", "the value", value)
    below = _tensor("threshold", input).array <= threshold
    return elementwise.where(input.dtype.type(value), input, mask=below)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    _number("hardshrink", "lambd", lambd)
    small = abs(_floating("hardshrink", input).array) <= lambd
    return elementwise.where(0.0, input, mask=small)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where that is further than to 0."""
    _number("softshrink", "lambd", lambd, 0)
    return _floating("softshrink", input) - input.clamp(-lambd, lambd)


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where positive, else a x: a drawn for each element while training, then the mean of its bounds.

    Xu et al. 2015, arXiv:1505.00853.
    """
    if _number("rrelu", "lower", lower) > _number("rrelu", "upper", upper):
        raise ArgumentError(f"rrelu: lower {lower} lies above upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    slopes = default_generator().uniform(lower, upper, _floating("rrelu", input).shape)
    return activation.prelu(input, np.asarray(slopes, input.dtype))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b) for the two halves a, b of x along `dim` (Dauphin et al. 2016, arXiv:1612.08083)."""
    axis = _axis("glu", _floating("glu", input), dim)
    if (n := input.shape[axis]) % 2:
        raise ShapeError(
            f"glu: axis {dim} of x {input.shape} has {n} elements; an even number has two halves"
        )
    before = (slice(None),) * axis
    return input[(*before, slice(n // 2))] * input[(*before, slice(n // 2, None))].sigmoid()


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """e^x / sum e^x along `dim`."""
    return Tensor.softmax(input if dtype is None else _tensor("softmax", input).to(dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log softmax(x), stable for large values."""
    return Tensor.log_softmax(input if dtype is None else _tensor("log_softmax", input).to(dtype), dim)


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """e^-x / sum e^-x along `dim`."""
    return softmax(-_tensor("softmin", input), dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax((x + noise) / tau) with Gumbel's noise: classes drawn by their logits, softly.

    hard=True gives one-hot vectors, with the gradient of the soft ones.  `eps` does nothing, as in PyTorch.
    Jang et al. 2016, arXiv:1611.01144.
    """
    _number("gumbel_softmax", "tau", tau)
    noise = default_generator().gumbel(size=_floating("gumbel_softmax", logits).shape)
    soft = softmax((logits + Tensor(np.asarray(noise, logits.dtype))) / tau, dim)
    if not hard:
        return soft
    chosen = np.arange(soft.shape[dim]) == np.expand_dims(np.moveaxis(soft.array, dim, -1).argmax(-1), -1)
    one_hot = Tensor(np.moveaxis(chosen, -1, dim).astype(soft.dtype))
    return one_hot - soft.detach() + soft


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function, written over its input."""
    name = f"{function.__name__}_"

    def written(input: Tensor, *args: Any, **options: Any) -> Tensor:
        return _tensor(name, input)._in_place(lambda x: function(x, *args, **options))

    parameters = inspect.signature(function).parameters
    written.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p for p in parameters.values() if p.name != "inplace"]
    )
    written.__name__ = written.__qualname__ = name
    written.__doc__ = f"`{function.__name__}`, written over the input."
    return written


celu_, elu_, hardtanh_, leaky_relu_ = (_in_place(f) for f in (celu, elu, hardtanh, leaky_relu))
relu_, rrelu_, selu_, threshold_ = (_in_place(f) for f in (relu, rrelu, selu, threshold))

"""Fully connected layers, and what reshapes on the way to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..geometry import _int
from ..op import get_default_dtype
from ..tensor import Parameter, Tensor, _axis, _sizes, _tensor
from . import functional as F
from . import init
from .module import Module

__all__ = ["Bilinear", "Flatten", "Identity", "Linear", "Unflatten"]


def new_parameter(*shape: int) -> Parameter:
    """Memory for a parameter, to be initialized."""
    return Parameter(Tensor(np.zeros(shape, get_default_dtype())))


def reset(weight: Tensor, bias: Tensor | None) -> None:
    """PyTorch's default: both uniform in +-1 / sqrt(fan_in)."""
    if weight.numel():
        init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None and (fan_in := init.fans(weight)[0]):
        init.uniform_(bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


class Linear(Module):
    """y = x w^T + b over the last axis: (..., in_features) -> (..., out_features).

    Parameters: weight (out_features, in_features), bias (out_features,); both start uniform in
    +-1 / sqrt(in_features).

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Linear(3, 2)(tg.zeros(5, 3)).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features = _int("Linear", "in_features", in_features, 0)
        self.out_features = _int("Linear", "out_features", out_features, 0)
        self.weight = new_parameter(self.out_features, self.in_features)
        self.bias = new_parameter(self.out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        reset(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class Bilinear(Module):
    """y[o] = x1^T w[o] x2 + b[o] over the last axes.

    Shapes: (..., in1_features) and (..., in2_features) -> (..., out_features).

    Parameters: weight (out_features, in1_features, in2_features), bias (out_features,); both start uniform in
    +-1 / sqrt(in1_features).
    """

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in1_features = _int("Bilinear", "in1_features", in1_features)
        self.in2_features = _int("Bilinear", "in2_features", in2_features, 0)
        self.out_features = _int("Bilinear", "out_features", out_features, 0)
        self.weight = new_parameter(self.out_features, self.in1_features, self.in2_features)
        self.bias = new_parameter(self.out_features) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Flatten(Module):
    """Merge the axes start_dim to end_dim; by default all but the first."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return _tensor("flatten", input).flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Split axis `dim` into several of the sizes given; one may be -1."""

    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        self.dim, self.unflattened_size = dim, _sizes("Unflatten", (unflattened_size,))

    def forward(self, input: Tensor) -> Tensor:
        at = _axis("unflatten", input, self.dim)
        return input.reshape(*input.shape[:at], *self.unflattened_size, *input.shape[at + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Identity(Module):
    """Returns what it is given; arguments are ignored."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input

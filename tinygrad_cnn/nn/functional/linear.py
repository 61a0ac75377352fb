"""Products of features with weights."""

from __future__ import annotations

import math

from ...errors import ShapeError
from ...ops import linalg
from ...tensor import Tensor, _tensor
from ._checks import _check_bias, _check_dtypes

__all__ = ["linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x w^T + b over the last axis: input (..., features), weight (outputs, features), bias (outputs,).

    >>> import tinygrad_cnn as tg
    >>> linear(tg.ones(2, 3), tg.ones(4, 3), tg.zeros(4)).shape
    (2, 4)
    """
    _check_dtypes("linear", x=input, weight=_tensor("linear", weight, "weight"), bias=bias)
    x_shape, w_shape = input.array.shape, weight.array.shape
    if len(w_shape) != 2:
        raise ShapeError(f"linear: weight {w_shape} must have 2 axes, (outputs, features)")
    outputs, features = w_shape
    if not x_shape or x_shape[-1] != features:
        have = x_shape[-1] if x_shape else 1
        cure = f"with this input use Linear({have}, {outputs})"
        if len(x_shape) > 2 and math.prod(x_shape[1:]) == features:
            cure = "flatten it first: x.flatten(1)"
        shapes = f"x {x_shape}, weight {w_shape}"
        raise ShapeError(f"linear: x has {have} features, weight expects {features} ({shapes}); {cure}")
    if bias is not None:
        _check_bias("linear", bias, outputs)
    if len(x_shape) == 2:
        return linalg.linear(input, weight, bias)
    x = input.reshape(math.prod(x_shape[:-1]), features)
    return linalg.linear(x, weight, bias).reshape(*x_shape[:-1], outputs)

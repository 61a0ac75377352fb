"""Products of features with weights."""

from __future__ import annotations

import math

from ...errors import ShapeError
from ...ops import linalg
from ...tensor import Tensor, _tensor
from ._checks import _check_bias, _check_dtypes

__all__ = ["bilinear", "linear"]


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
        flat = math.prod(x_shape[1:])
        cure = f"with this input use Linear({have}, {outputs})"
        if len(x_shape) > 2 and flat == features:
            cure = "flatten it first: x.flatten(1)"
        elif len(x_shape) > 1 and math.prod(x_shape) == features:
            cure = f"if this is one image, give the model x[None], or use x.reshape(1, {features}) here"
        elif len(x_shape) > 3:
            cure = f"flatten the images first, x.flatten(1), and use Linear({flat}, {outputs})"
        elif len(x_shape) == 1 and have > features:
            cure = (
                f"if a batch was flattened, keep its axis: x.flatten(1); else use Linear({have}, {outputs})"
            )
        shapes = f"x {x_shape}, weight {w_shape}"
        raise ShapeError(f"linear: x has {have} features, weight expects {features} ({shapes}); {cure}")
    if bias is not None:
        _check_bias("linear", bias, outputs)
    if len(x_shape) == 2:
        return linalg.linear(input, weight, bias)
    x = input.reshape(math.prod(x_shape[:-1]), features)
    return linalg.linear(x, weight, bias).reshape(*x_shape[:-1], outputs)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[o] = x1^T w[o] x2 + b[o] over the last axes: (..., f1) and (..., f2) -> (..., outputs).

    weight (outputs, f1, f2), bias (outputs,).

    >>> import tinygrad_cnn as tg
    >>> bilinear(tg.ones(5, 2), tg.ones(5, 3), tg.ones(4, 2, 3)).shape
    (5, 4)
    """
    name = "bilinear"
    _check_dtypes(
        name,
        x=input1,
        input2=_tensor(name, input2, "input2"),
        weight=_tensor(name, weight, "weight"),
        bias=bias,
    )
    shapes = f"input1 {input1.shape}, input2 {input2.shape}, weight {weight.shape}"
    if not input1.ndim or not input2.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise ShapeError(f"{name}: {shapes}; the inputs may differ in their last axis only, and need one")
    if weight.ndim != 3 or weight.shape[1:] != (input1.shape[-1], input2.shape[-1]):
        raise ShapeError(
            f"{name}: {shapes}; weight needs shape (outputs, {input1.shape[-1]}, {input2.shape[-1]})"
        )
    outputs, first, second = weight.shape
    if bias is not None:
        _check_bias(name, bias, outputs)
    rows = input1.reshape(math.prod(input1.shape[:-1]), first)
    seen = (rows @ weight.transpose(0, 1).reshape(first, outputs * second)).reshape(
        len(rows), outputs, second
    )
    out = (seen * input2.reshape(len(rows), 1, second)).sum(-1).reshape(*input1.shape[:-1], outputs)
    return out if bias is None else out + bias

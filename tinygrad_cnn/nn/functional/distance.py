"""How far vectors lie apart, how long they are."""

from __future__ import annotations

import numpy as np

from ...errors import ShapeError
from ...tensor import Tensor, _axis, _floating, _number, _tensor
from ...tensor.names import numpy_names
from ._checks import _at_least

__all__ = ["cosine_similarity", "normalize", "pairwise_distance"]


@numpy_names
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 x2 / (|x1| |x2|) along `dim` of x1 and x2, which broadcast; lengths count as eps at least.

    >>> import tinygrad_cnn as tg
    >>> cosine_similarity(tg.tensor([[3.0, 4.0]]), tg.tensor([[4.0, 3.0]]))
    tensor([0.9600])
    """
    name = "cosine_similarity"
    _number(name, "eps", eps)
    shape = _broadcast(name, _floating(name, x1, "x1"), _floating(name, x2, "x2"))
    x1, x2 = x1.expand(shape), x2.expand(shape)
    axis = _axis(name, x1, dim)
    units = [x / _at_least(x.norm(2, axis, keepdim=True), eps) for x in (x1, x2)]
    return (units[0] * units[1]).sum(axis)


def _broadcast(name: str, x1: Tensor, x2: Tensor) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise ShapeError(
            f"{name}: x1 {x1.shape} and x2 {x2.shape} do not broadcast; sizes must be equal or 1"
        ) from None


@numpy_names
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """(sum |x1 - x2 + eps|^p)^(1/p) over the last axis of x1 and x2, which broadcast."""
    name = "pairwise_distance"
    _number(name, "p", p)
    _number(name, "eps", eps)
    difference = _tensor(name, x1, "x1") - _tensor(name, x2, "x2") + eps
    return difference.norm(p, -1, keepdim=keepdim)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """x divided by its p-norm along `dim`, or by eps where that is larger."""
    _number("normalize", "p", p)
    _number("normalize", "eps", eps)
    return input / _floating("normalize", input).norm(p, dim, keepdim=True).clamp(min=eps)

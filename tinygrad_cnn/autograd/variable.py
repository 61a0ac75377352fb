"""What a tensor with gradients was called once."""

from __future__ import annotations

from typing import Any

from ..errors import DtypeError
from ..tensor import Tensor

__all__ = ["Variable"]


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """`data.detach()`: around a tensor, once, a Variable had to be wrapped for gradients.

    >>> import tinygrad_cnn as tg
    >>> Variable(tg.ones(1), requires_grad=True)
    tensor([1.], requires_grad=True)
    """
    if not isinstance(data, Tensor):
        raise DtypeError(f"Variable: data is of type {type(data).__name__}; make it a tensor(...) first")
    return data.detach().requires_grad_(requires_grad)

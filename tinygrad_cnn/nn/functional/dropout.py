"""Dropout: chance switches values off while training."""

from __future__ import annotations

import numpy as np

from ...ops import norm
from ...random import default_generator
from ...tensor import Tensor, _floating, _number

__all__ = ["dropout"]


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each element is 0 with probability p, else scaled by 1 / (1 - p)."""
    _floating("dropout", input)
    _number("dropout", "the probability p", p, 0, 1)
    if not training or p == 0:
        return input
    keep = default_generator().random(input.shape, np.float32) >= p
    return norm.dropout(input, mask=keep * input.dtype.type(0 if p == 1 else 1 / (1 - p)))

"""Losses that are not a plain composition of other ops (those are in nn/functional/loss.py)."""

from __future__ import annotations

import numpy as np

from ..op import op
from .elementwise import clamp, log, log1p

__all__ = ["binary_cross_entropy"]


@op(elementwise=True, floating=True)
def binary_cross_entropy(x, y):
    """-(y log x + (1 - y) log(1 - x)), with the logarithms cut off at -100 so that it stays finite."""
    return (y - 1) * np.maximum(np.log1p(-x), -100) - y * np.maximum(np.log(x), -100)


binary_cross_entropy.vjp(
    x=lambda g, x, y: g * (x - y) / clamp(x * (1 - x), min=1e-12),
    y=lambda g, x: g * (clamp(log1p(-x), min=-100.0) - clamp(log(x), min=-100.0)),
)

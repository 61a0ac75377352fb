"""Dropout layers."""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor, _number
from . import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    function: Callable[..., Tensor]

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p, self.inplace = _number(type(self).__name__, "the probability p", p, 0, 1), inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, each element is 0 with probability p and the others are scaled by 1 / (1 - p)."""

    function = staticmethod(F.dropout)


class Dropout1d(_DropoutNd):
    """In training, each channel of (n, c, length) or (c, length) is 0 with probability p; see `Dropout`."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_DropoutNd):
    """In training, each channel of (n, c, height, width) is 0 with probability p; see `Dropout`."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_DropoutNd):
    """In training, each channel of (n, c, *size) is 0 with probability p; see `Dropout`."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_DropoutNd):
    """In training, each element is selu's lowest value with probability p; mean and variance are kept."""

    function = staticmethod(F.alpha_dropout)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels (axis 1)."""

    function = staticmethod(F.feature_alpha_dropout)

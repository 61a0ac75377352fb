"""Normalization and dropout layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..tensor import Tensor, _number, _sizes, _tensor
from . import functional as F
from . import init
from .linear import new_parameter
from .module import Module

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "Dropout", "LayerNorm"]


class _BatchNorm(Module):
    axes: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    _optional = ("num_batches_tracked",)  # PyTorch's before 0.4.1 did not count

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, *, bias: bool = True,
    ):  # fmt: skip
        super().__init__()
        name = type(self).__name__
        self.num_features = num_features = _int(name, "num_features", num_features, 0)
        self.eps = _number(name, "eps", eps, 0)
        self.momentum = None if momentum is None else _number(name, "momentum", momentum, 0, 1)
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = new_parameter(num_features) if affine else None
        self.bias = new_parameter(num_features) if affine and bias else None
        stats = track_running_stats
        self.register_buffer("running_mean", Tensor(np.zeros(num_features, np.float32)) if stats else None)
        self.register_buffer("running_var", Tensor(np.ones(num_features, np.float32)) if stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if stats else None)
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if _tensor("batch_norm", x).ndim not in self.axes:
            wanted = " or ".join(map(str, self.axes))
            raise ShapeError(
                f"batch_norm: x {x.shape} has {x.ndim} axes; {type(self).__name__} takes {wanted}"
            )
        momentum = 0.0 if self.momentum is None else self.momentum
        tracked = self.num_batches_tracked if self.training else None
        if tracked is not None and self.momentum is None:  # a plain average over all batches so far
            momentum = 1 / (tracked.item() + 1)
        training = self.training or self.running_mean is None
        out = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps
        )
        if tracked is not None:  # after it: a batch that was refused does not count
            tracked.add_(1)
        return out

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (n, c) or (n, c, length); see `BatchNorm2d`."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) w + b per channel of (n, c, height, width).

    In training with the batch's own statistics, while running_mean and running_var move towards them
    (the variance as the unbiased one) by `momentum`; in evaluation with those running statistics.
    Ioffe & Szegedy 2015, arXiv:1502.03167.

    >>> import tinygrad_cnn as tg
    >>> bn = tg.nn.BatchNorm2d(3)
    >>> sorted(bn.state_dict())
    ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight']
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (n, c, depth, height, width); see `BatchNorm2d`."""

    axes = (5,)


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) w + b over the last axes; Ba et al. 2016, arXiv:1607.06450."""

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ):
        super().__init__()
        self.normalized_shape = _sizes("LayerNorm", (normalized_shape,))
        if min(self.normalized_shape, default=0) < 1:
            raise ArgumentError(
                f"LayerNorm: normalized_shape {normalized_shape!r} must be one or more positive sizes"
            )
        self.eps, self.elementwise_affine = _number("LayerNorm", "eps", eps, 0), elementwise_affine
        self.weight = init.ones_(new_parameter(*self.normalized_shape)) if elementwise_affine else None
        self.bias = new_parameter(*self.normalized_shape) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class Dropout(Module):
    """In training, each element is 0 with probability p and the others are scaled by 1 / (1 - p)."""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        self.p, self.inplace = _number("Dropout", "the probability p", p, 0, 1), inplace

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"

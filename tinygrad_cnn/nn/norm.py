"""Normalization layers."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..op import get_default_dtype
from ..tensor import Tensor, _number, _sizes, _tensor
from . import functional as F
from . import init
from .linear import new_parameter
from .module import Module

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip


class _NormBase(Module):
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
        stats, dtype = track_running_stats, get_default_dtype()
        self.register_buffer("running_mean", Tensor(np.zeros(num_features, dtype)) if stats else None)
        self.register_buffer("running_var", Tensor(np.ones(num_features, dtype)) if stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if stats else None)
        if self.weight is not None:
            init.ones_(self.weight)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batch seen."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer._writable()[...] = value

    def _check_axes(self, op: str, x: Tensor) -> None:
        if _tensor(op, x).ndim not in self.axes:
            wanted = " or ".join(map(str, self.axes))
            raise ShapeError(f"{op}: x {x.shape} has {x.ndim} axes; {type(self).__name__} takes {wanted}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    def forward(self, input: Tensor) -> Tensor:
        self._check_axes("batch_norm", input)
        momentum = 0.0 if self.momentum is None else self.momentum
        tracked = self.num_batches_tracked if self.training else None
        if tracked is not None and self.momentum is None:  # a plain average over all batches so far
            momentum = 1 / (tracked.item() + 1)
        training = self.training or self.running_mean is None
        out = F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps
        )
        if tracked is not None:  # after it: a batch that was refused does not count
            tracked.add_(1)
        return out


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


class _InstanceNorm(_NormBase):
    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
        track_running_stats: bool = False, *, bias: bool = True,
    ):  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_axes("instance_norm", input)
        if input.ndim == self.axes[0]:
            return self.forward(input.unsqueeze(0)).squeeze(0)
        momentum = 0.0 if self.momentum is None else self.momentum
        of_images = self.training or self.running_mean is None
        return F.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, of_images, momentum, self.eps
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalization of (n, c, length) or (c, length); see `InstanceNorm2d`."""

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) over each channel of each image (n, c, height, width), or of one image.

    Weight and bias only with `affine`; running statistics only with `track_running_stats`, and then
    evaluation uses them.  Ulyanov et al. 2016, arXiv:1607.08022.
    """

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalization of (n, c, depth, height, width) or of one image; see `InstanceNorm2d`."""

    axes = (4, 5)


class GroupNorm(Module):
    """(x - mean) / sqrt(var + eps) over each group of channels of each image, times w plus b per channel.

    Wu & He 2018, arXiv:1803.08494.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.GroupNorm(2, 6)(tg.rand(4, 6, 5, 5)).shape
    (4, 6, 5, 5)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ):
        super().__init__()
        self.num_groups = num_groups = _int("GroupNorm", "num_groups", num_groups)
        self.num_channels = num_channels = _int("GroupNorm", "num_channels", num_channels, 0)
        if num_channels % num_groups:
            raise ArgumentError(f"GroupNorm: {num_groups} groups cannot share {num_channels} channels")
        self.eps, self.affine = _number("GroupNorm", "eps", eps, 0), affine
        self.weight = init.ones_(new_parameter(num_channels)) if affine else None
        self.bias = new_parameter(num_channels) if affine and bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels; Krizhevsky et al. 2012."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = _int("LocalResponseNorm", "size", size), alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _normalized_shape(name: str, shape: Any) -> tuple[int, ...]:
    sizes = _sizes(name, (shape,))
    if min(sizes, default=0) < 1:
        raise ArgumentError(f"{name}: normalized_shape {shape!r} must be one or more positive sizes")
    return sizes


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) w + b over the last axes; Ba et al. 2016, arXiv:1607.06450."""

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ):
        super().__init__()
        self.normalized_shape = _normalized_shape("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = _number("LayerNorm", "eps", eps, 0), elementwise_affine
        self.weight = init.ones_(new_parameter(*self.normalized_shape)) if elementwise_affine else None
        self.bias = new_parameter(*self.normalized_shape) if elementwise_affine and bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) w over the last axes; eps is the dtype's spacing at 1 by default.

    Zhang & Sennrich 2019, arXiv:1910.07467.
    """

    def __init__(self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True):
        super().__init__()
        self.normalized_shape = _normalized_shape("RMSNorm", normalized_shape)
        self.eps = None if eps is None else _number("RMSNorm", "eps", eps, 0)
        self.elementwise_affine = elementwise_affine
        self.weight = init.ones_(new_parameter(*self.normalized_shape)) if elementwise_affine else None

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

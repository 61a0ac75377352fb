"""Pooling layers; see the functions of the same name in `functional`."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from ..geometry import _each, _ints, _padding
from ..tensor import Tensor, _number
from .functional.pooling import (
    _adaptive_avg_pool,
    _adaptive_max_pool,
    _avg_pool,
    _fractional_max_pool,
    _lp_pool,
    _max_pool,
    _max_unpool,
)
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d", "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d",
    "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip


def _check(pool: Any, dilation: Any) -> None:
    """Refuse options without a meaning now, not at the first image."""
    name, axes = type(pool).__name__, pool.axes
    kernel = _ints(name, "kernel_size", pool.kernel_size, axes)
    stride, taps = _ints(name, "stride", pool.stride, axes), _ints(name, "dilation", dilation, axes)
    _padding(name, pool.padding, kernel, kernel, stride, taps)


class _MaxPoolNd(Module):
    axes: ClassVar[int]

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        return_indices: bool = False, ceil_mode: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        _check(self, dilation)
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return _max_pool(
            self.axes, input, self.kernel_size, self.stride, self.padding, self.dilation,
            self.ceil_mode, self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value of every window of a sequence."""

    axes = 1


class MaxPool2d(_MaxPoolNd):
    """The largest value of every window of an image, channel by channel.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.MaxPool2d(2)(tg.zeros(1, 6, 28, 28)).shape
    (1, 6, 14, 14)
    """

    axes = 2


class MaxPool3d(_MaxPoolNd):
    """The largest value of every window of a volume."""

    axes = 3


class _AvgPoolNd(Module):
    axes: ClassVar[int]

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None,
    ):  # fmt: skip
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        _check(self, 1)
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return _avg_pool(
            self.axes, input, self.kernel_size, self.stride, self.padding,
            self.ceil_mode, self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The average of every window of a sequence."""

    axes = 1

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        for name in ("kernel_size", "stride", "padding"):
            value = getattr(self, name)
            setattr(self, name, tuple(value) if isinstance(value, (tuple, list)) else (value,))


class AvgPool2d(_AvgPoolNd):
    """The average of every window of an image, channel by channel."""

    axes = 2


class AvgPool3d(_AvgPoolNd):
    """The average of every window of a volume."""

    axes = 3


class _AdaptiveAvgPoolNd(Module):
    axes: ClassVar[int]

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return _adaptive_avg_pool(self.axes, input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Averages that divide a sequence into `output_size` parts."""

    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Averages that divide an image into `output_size` parts; 1 is global average pooling."""

    axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Averages that divide a volume into `output_size` parts."""

    axes = 3


class _AdaptiveMaxPoolNd(Module):
    axes: ClassVar[int]

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return _adaptive_max_pool(self.axes, input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima of windows that divide a sequence into `output_size` parts."""

    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima of windows that divide an image into `output_size` parts."""

    axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima of windows that divide a volume into `output_size` parts."""

    axes = 3


class _MaxUnpoolNd(Module):
    axes: ClassVar[int]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        name, axes = type(self).__name__, self.axes
        self.kernel_size = _ints(name, "kernel_size", kernel_size, axes)
        self.stride = self.kernel_size if stride is None else _ints(name, "stride", stride, axes)
        self.padding = _ints(name, "padding", padding, axes, 0)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return _max_unpool(
            self.axes, input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The maxima of MaxPool1d put back where they came from."""

    axes = 1


class MaxUnpool2d(_MaxUnpoolNd):
    """The maxima of MaxPool2d(..., return_indices=True) put back where they came from, zeros elsewhere.

    >>> import tinygrad_cnn as tg
    >>> y, indices = tg.nn.MaxPool2d(2, return_indices=True)(tg.rand(1, 3, 8, 8))
    >>> tg.nn.MaxUnpool2d(2)(y, indices).shape
    (1, 3, 8, 8)
    """

    axes = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """The maxima of MaxPool3d put back where they came from."""

    axes = 3


class _LPPoolNd(Module):
    axes: ClassVar[int]

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False):
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return _lp_pool(self.axes, input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of every window of a sequence, p = norm_type."""

    axes = 1


class LPPool2d(_LPPoolNd):
    """The p-norm of every window of an image, p = norm_type."""

    axes = 2


class LPPool3d(_LPPoolNd):
    """The p-norm of every window of a volume, p = norm_type."""

    axes = 3


class _FractionalMaxPool(Module):
    axes: ClassVar[int]
    _random_samples: Tensor | None

    def __init__(
        self, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
        return_indices: bool = False, _random_samples: Tensor | None = None,
    ):  # fmt: skip
        super().__init__()
        name, axes = type(self).__name__, self.axes
        if (output_size is None) == (output_ratio is None):
            raise ArgumentError(f"{name}: give output_size or output_ratio, and only one of them")
        self.kernel_size = _ints(name, "kernel_size", kernel_size, axes)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _ints(name, "output_size", output_size, axes)
        self.output_ratio = None if output_ratio is None else _each(name, "output_ratio", output_ratio, axes)
        if any(not 0 < _number(name, "output_ratio", r) < 1 for r in self.output_ratio or ()):
            raise ArgumentError(f"{name}: output_ratio {output_ratio!r} must lie between 0 and 1")

    def forward(self, input: Tensor) -> Any:
        return _fractional_max_pool(
            self.axes, input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maxima of windows at random distances in an image."""

    axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maxima of windows at random distances in a volume."""

    axes = 3

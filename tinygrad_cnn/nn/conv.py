"""Convolution layers over one, two or three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from ..geometry import _int, _ints, _padding
from ..tensor import Parameter, Tensor
from .functional.conv import _conv, _conv_transpose
from .linear import new_parameter, reset
from .module import Module

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


def _each(value: Any, axes: int) -> Any:
    """One value per axis; words and lists stay what they are."""
    return (
        value
        if isinstance(value, str)
        else tuple(value)
        if isinstance(value, (tuple, list))
        else (value,) * axes
    )


class _Conv(Module):
    axes: ClassVar[int]
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
        groups: int, bias: bool, padding_mode: str,
    ):  # fmt: skip
        super().__init__()
        name, axes = type(self).__name__, self.axes
        in_channels = _int(name, "in_channels", in_channels, 0)
        out_channels, groups = _int(name, "out_channels", out_channels, 0), _int(name, "groups", groups)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        if padding_mode != "zeros":
            raise ArgumentError(f"{name}: padding_mode {padding_mode!r} is not there yet; 'zeros' is")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = _ints(name, "kernel_size", kernel_size, axes)
        self.stride, self.dilation = (
            _ints(name, "stride", stride, axes),
            _ints(name, "dilation", dilation, axes),
        )
        _padding(
            name, padding, self.kernel_size, self.kernel_size, self.stride, self.dilation
        )  # a word we know?
        self.padding, self.groups = _each(padding, axes), groups
        first, second = self._channels()
        self.weight = new_parameter(first, second // groups, *self.kernel_size)
        self.bias = new_parameter(out_channels) if bias else None
        self.reset_parameters()

    def _channels(self) -> tuple[int, int]:
        """The first two axes of the weight, before division by groups."""
        return self.out_channels, self.in_channels

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        reset(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return _conv(
            self.axes, x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        plain = {"padding": (0,), "dilation": (1,), "output_padding": (0,)}
        for name, usual in plain.items():
            value = getattr(self, name, usual * self.axes)
            if value != usual * self.axes:
                text += f", {name}={value}"
        return text + f", groups={self.groups}" * (self.groups != 1) + ", bias=False" * (self.bias is None)


class _ConvTranspose(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1,
        padding_mode: str = "zeros",
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        )
        self.output_padding = _ints(type(self).__name__, "output_padding", output_padding, self.axes, 0)

    def _channels(self) -> tuple[int, int]:
        return self.in_channels, self.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return _conv_transpose(
            self.axes, x, self.weight, self.bias,
            self.stride, self.padding, self.output_padding, self.dilation, self.groups,
        )  # fmt: skip


class _ConvForward(_Conv):
    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        )


class Conv1d(_ConvForward):
    """Convolution over sequences (n, in_channels, length); see `Conv2d`."""

    axes = 1


class Conv2d(_ConvForward):
    """Convolution over images: (n, in_channels, height, width) -> (n, out_channels, height', width').

    Parameters: weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,); both start
    uniform in +-1 / sqrt(fan_in).  Options as in `functional.conv2d`; padding="same" works with any stride.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv2d(3, 8, 3, padding="same", stride=2)(tg.zeros(1, 3, 15, 15)).shape
    (1, 8, 8, 8)
    """

    axes = 2


class Conv3d(_ConvForward):
    """Convolution over volumes (n, in_channels, depth, height, width); see `Conv2d`."""

    axes = 3


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over sequences; see `ConvTranspose2d`."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of Conv2d, which makes images larger: with stride s about s times.

    Parameters: weight (in_channels, out_channels / groups, *kernel_size), bias (out_channels,).
    Options as in `functional.conv_transpose2d`.
    """

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution over volumes; see `ConvTranspose2d`."""

    axes = 3

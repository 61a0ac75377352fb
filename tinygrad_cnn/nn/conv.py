"""Convolution layers over one, two or three spatial axes."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError, ShapeError
from ..geometry import _int, _ints, _padding
from ..kernels.borders import MODES
from ..tensor import Parameter, Tensor, _tensor
from .functional.conv import _conv, _conv_transpose, _output_padding
from .functional.padding import pad
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


class _ConvNd(Module):
    axes: ClassVar[int]
    padding_modes: ClassVar[tuple[str, ...]] = ("zeros",)
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
        if padding_mode not in self.padding_modes:
            known = ", ".join(map(repr, self.padding_modes))
            raise ArgumentError(f"{name}: padding_mode {padding_mode!r:.40} is unknown; use {known}")
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
        self.padding_mode, self.bordered = padding_mode, padding_mode != "zeros"
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

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
        plain = {"padding": (0,), "dilation": (1,), "output_padding": (0,)}
        for name, usual in plain.items():
            value = getattr(self, name, usual * self.axes)
            if value != usual * self.axes:
                text += f", {name}={value}"
        text += f", groups={self.groups}" * (self.groups != 1) + ", bias=False" * (self.bias is None)
        return text + f", padding_mode={self.padding_mode}" * self.bordered


class _ConvTransposeNd(_ConvNd):
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

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        extra = self.output_padding
        if output_size is not None:
            extra = _output_padding(
                self.axes, input, self.weight, output_size,
                self.stride, self.padding, self.dilation, self.groups,
            )  # fmt: skip
        return _conv_transpose(
            self.axes, input, self.weight, self.bias,
            self.stride, self.padding, extra, self.dilation, self.groups,
        )  # fmt: skip


class _ConvForward(_ConvNd):
    padding_modes = ("zeros", *MODES)

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros",
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode
        )

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.bordered:
            input, padding = self._with_border(input), 0
        return _conv(
            self.axes, input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _with_border(self, x: Tensor) -> Tensor:
        """x with the padding around it, made of x itself."""
        name, size = type(self).__name__, _tensor(type(self).__name__, x).shape[-self.axes :]
        if x.ndim not in (self.axes + 1, self.axes + 2):
            raise ShapeError(f"{name}: x {x.shape} needs {self.axes + 2} axes, (n, c, *size)")
        pairs = _padding(name, self.padding, size, self.kernel_size, self.stride, self.dilation)
        return pad(x, tuple(p for pair in reversed(pairs) for p in pair), self.padding_mode)


class Conv1d(_ConvForward):
    """Convolution over sequences (n, in_channels, length); see `Conv2d`."""

    axes = 1


class Conv2d(_ConvForward):
    """Convolution over images: (n, in_channels, height, width) -> (n, out_channels, height', width').

    Parameters: weight (out_channels, in_channels / groups, *kernel_size), bias (out_channels,); both start
    uniform in +-1 / sqrt(fan_in).  Options as in `functional.conv2d`; padding="same" works with any stride,
    and padding_mode "reflect", "replicate" or "circular" pads as `functional.pad` does.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv2d(3, 8, 3, padding="same", stride=2)(tg.zeros(1, 3, 15, 15)).shape
    (1, 8, 8, 8)
    """

    axes = 2


class Conv3d(_ConvForward):
    """Convolution over volumes (n, in_channels, depth, height, width); see `Conv2d`."""

    axes = 3


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over sequences; see `ConvTranspose2d`."""

    axes = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The adjoint of Conv2d, which makes images larger: with stride s about s times.

    Parameters: weight (in_channels, out_channels / groups, *kernel_size), bias (out_channels,).
    Options as in `functional.conv_transpose2d`; a call may give an `output_size` instead of output_padding.
    """

    axes = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over volumes; see `ConvTranspose2d`."""

    axes = 3

"""Convolution and its adjoint: arguments become a geometry, and the geometry goes to an op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ArgumentError
from ...geometry import ConvGeometry, conv_geometry, conv_transpose_geometry
from ...op import Op
from ...ops import conv as conv_ops
from ...ops import linalg
from ...tensor import Tensor, _sizes, _tensor
from ._checks import _check_bias, _check_dtypes, _with_batch

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def _of(kind: str, geometry: Callable[..., ConvGeometry], op: Op) -> Callable[..., Tensor]:
    """The convolution of this kind, over any number of axes: (axes, x, weight, bias, *options)."""

    def convolve(axes: int, x: Tensor, w: Tensor, b: Tensor | None, *options: Any) -> Tensor:
        name = f"{kind}{axes}d"
        _check_dtypes(name, x=x, weight=_tensor(name, w, "weight"), bias=b)
        lone = x.ndim == axes + 1

        def run(x: Tensor) -> Tensor:
            geom = geometry(x.shape, w.shape, *options, axes=axes, op=name, lone=lone)
            return _add_bias(name, op(x, w, geom=geom), b)

        return _with_batch(x, axes, run)

    return convolve


_conv = _of("conv", conv_geometry, conv_ops.conv)
_conv_transpose = _of("conv_transpose", conv_transpose_geometry, conv_ops.conv_input_grad)


def _output_padding(
    axes: int, x: Tensor, w: Tensor, output_size: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[int, ...]:
    """What is to be added at the end so that the result has this size (or shape)."""
    name = f"conv_transpose{axes}d"
    sizes = _sizes(name, (output_size,))
    images = _tensor(name, x).shape if x.ndim > axes + 1 else (1, *x.shape)
    least = conv_transpose_geometry(images, w.shape, stride, padding, 0, dilation, groups, axes=axes, op=name)
    extra = tuple(n - m for n, m in zip(sizes[-axes:], least.size, strict=False))
    reached = all(0 <= more < s for more, s in zip(extra, least.stride, strict=False))
    if len(sizes) not in (axes, x.ndim) or not reached:
        raise ArgumentError(
            f"{name}: output_size {sizes} cannot be reached from x {x.shape}; it can be {least.size}, "
            f"or larger by less than the stride {least.stride}"
        )
    return extra


def _add_bias(name: str, x: Tensor, b: Tensor | None) -> Tensor:
    if b is None:
        return x
    _check_bias(name, b, x.array.shape[1])
    return linalg.add_bias(x, b, axis=1)


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation:
    Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over one axis; see `conv2d`."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation:
    Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation, y[n,o,i,j] = b[o] + sum_{c,p,q} x[n, c, s i + d p, s j + d q] w[o, c, p, q].

    Args:
        input: (n, c, height, width).
        weight: (o, c / groups, kernel height, kernel width).
        bias: (o,) or None.
        stride, padding, dilation: an int, or one per axis; padding also "valid", "same" (for any stride, by
            Keras' rule), "full", or a pair (before, after) per axis.
        groups: channels are split into so many groups that do not see each other.

    >>> import tinygrad_cnn as tg
    >>> image, edge = tg.arange(9.0).reshape(1, 1, 3, 3), tg.tensor([[[[-1.0, 1.0]]]])
    >>> conv2d(image, edge)
    tensor([[[[1., 1.],
              [1., 1.],
              [1., 1.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation:
    Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over three axes; see `conv2d`."""
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of conv1d; see `conv_transpose2d`."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of conv2d: every input value is spread over the window it would have come from.

    Size along each axis: s (n - 1) + d (f - 1) + 1 - 2 padding + output_padding.

    Args:
        input: (n, c, height, width).
        weight: (c, o / groups, kernel height, kernel width).
        output_padding: rows added at the end, where several input sizes of the conv gave one output size.

    >>> import tinygrad_cnn as tg
    >>> conv_transpose2d(tg.ones(1, 1, 2, 2), tg.ones(1, 1, 2, 2), stride=2).shape
    (1, 1, 4, 4)
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, dilation, groups)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The adjoint of conv3d; see `conv_transpose2d`."""
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, dilation, groups)

"""PyTorch's functional spellings: arguments become a geometry, and the geometry goes to an op.

Shapes: n images, c channels, spatial axes "size" (one, two or three of them).  Convolutions and pools
also take a single image without the axis n.  Floats in, the same floats out.  Wrong shapes raise a
ShapeError, wrong options an ArgumentError, wrong dtypes a DtypeError, before any work is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import PoolGeometry, _int, conv_geometry, conv_transpose_geometry, pool_geometry
from ..kernels import norm as norm_kernels
from ..kernels import pool as pool_kernels
from ..kernels.runtime import quietly
from ..ops import activation, elementwise, linalg, loss, norm, shape
from ..ops import conv as conv_ops
from ..ops import pool as pool_ops
from ..random import default_generator
from ..tensor import Tensor, _floating, _number, _sizes, _tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d",
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cross_entropy", "dropout", "elu", "gelu",
    "hardtanh",
    "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax", "logsigmoid", "max_pool1d", "max_pool2d",
    "max_pool3d", "mse_loss", "nll_loss", "one_hot", "pad", "prelu", "relu", "sigmoid", "silu",
    "smooth_l1_loss",
    "softmax", "softplus", "tanh",
]  # fmt: skip


# --- convolution -----------------------------------------------------------------------------------------


def _check_dtypes(op: str, **tensors: Tensor | None) -> None:
    """Floats, and all of one kind; all but x may be None."""
    first = tensors["x"]
    dtype = first.array.dtype if isinstance(first, Tensor) else None
    if dtype is not None and dtype.kind == "f":
        for t in tensors.values():
            if t is not None and not (isinstance(t, Tensor) and t.array.dtype is dtype):
                break
        else:
            return
    dtypes = {n: _tensor(op, t, n).dtype for n, t in tensors.items() if t is not None or n == "x"}
    if len(set(dtypes.values())) > 1 or next(iter(dtypes.values())).kind != "f":
        said = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        raise DtypeError(f"{op}: {said}; all must be the same float dtype (x.float(), or model.double())")


def _with_batch(x: Tensor, axes: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Lend a single image (c, *size) the axis n."""
    return function(x.unsqueeze(0)).squeeze(0) if x.ndim == axes + 1 else function(x)


def _conv(axes: int, x: Tensor, w: Tensor, b: Tensor | None, *options: Any) -> Tensor:
    name = f"conv{axes}d"
    _check_dtypes(name, x=x, weight=_tensor(name, w, "weight"), bias=b)

    def run(x: Tensor) -> Tensor:
        geom = conv_geometry(x.shape, w.shape, *options, axes=axes, op=name)
        return _add_bias(name, conv_ops.conv(x, w, geom=geom), b)

    return _with_batch(x, axes, run)


def _conv_transpose(axes: int, x: Tensor, w: Tensor, b: Tensor | None, *options: Any) -> Tensor:
    name = f"conv_transpose{axes}d"
    _check_dtypes(name, x=x, weight=_tensor(name, w, "weight"), bias=b)

    def run(x: Tensor) -> Tensor:
        geom = conv_transpose_geometry(x.shape, w.shape, *options, axes=axes, op=name)
        return _add_bias(name, conv_ops.conv_input_grad(x, w, geom=geom), b)

    return _with_batch(x, axes, run)


def _add_bias(name: str, x: Tensor, b: Tensor | None) -> Tensor:
    if b is None:
        return x
    _check_bias(name, b, x.array.shape[1])
    return linalg.add_bias(x, b, axis=1)


def _check_bias(name: str, b: Tensor, outputs: int) -> None:
    if b.array.shape != (outputs,):
        raise ShapeError(f"{name}: bias {b.shape} for {outputs} outputs; it needs shape ({outputs},)")


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


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x w^T + b over the last axis: input (..., features), weight (outputs, features), bias (outputs,).

    >>> import tinygrad_cnn as tg
    >>> linear(tg.ones(2, 3), tg.ones(4, 3), tg.zeros(4)).shape
    (2, 4)
    """
    _check_dtypes("linear", x=input, weight=_tensor("linear", weight, "weight"), bias=bias)
    x_shape, w_shape = input.array.shape, weight.array.shape
    if len(w_shape) != 2:
        raise ShapeError(f"linear: weight {w_shape} must have 2 axes, (outputs, features)")
    outputs, features = w_shape
    if not x_shape or x_shape[-1] != features:
        have = x_shape[-1] if x_shape else 1
        cure = f"with this input use Linear({have}, {outputs})"
        if len(x_shape) > 2 and math.prod(x_shape[1:]) == features:
            cure = "flatten it first: x.flatten(1)"
        shapes = f"x {x_shape}, weight {w_shape}"
        raise ShapeError(f"linear: x has {have} features, weight expects {features} ({shapes}); {cure}")
    if bias is not None:
        _check_bias("linear", bias, outputs)
    if len(x_shape) == 2:
        return linalg.linear(input, weight, bias)
    x = input.reshape(math.prod(x_shape[:-1]), features)
    return linalg.linear(x, weight, bias).reshape(*x_shape[:-1], outputs)


# --- pooling ---------------------------------------------------------------------------------------------


def _max_pool(
    axes: int, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool,
) -> Any:  # fmt: skip
    if _tensor(f"max_pool{axes}d", x).ndim == axes + 1:
        pooled = _max_pool(axes, x.unsqueeze(0), kernel, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(t.squeeze(0) for t in pooled) if return_indices else pooled.squeeze(0)
    geom = pool_geometry(
        x.shape, kernel, stride, padding, dilation, ceil_mode, axes=axes, op=f"max_pool{axes}d"
    )
    y = pool_ops.max_pool(x, geom=geom)
    if not return_indices:
        return y
    return y, Tensor(pool_kernels.flat_indices(pool_kernels.winners(x.array, y.array, geom), geom))


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window; see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window, channel by channel; (n, c, height, width) in and out.

    The gradient goes to the first winner in row-major order.  Stride defaults to the kernel size;
    `ceil_mode` lets the last window hang over the end; `return_indices` adds the winners' positions in
    the flattened image (int64).

    >>> import tinygrad_cnn as tg
    >>> max_pool2d(tg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window; see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@lru_cache(maxsize=1024)
def _window_sizes(geom: PoolGeometry, count_include_pad: bool, dtype: np.dtype[Any]) -> Any:
    """What an average divides by: one number if all windows are alike."""
    sizes = pool_kernels.window_sizes(geom, count_include_pad)
    return int(sizes.flat[0]) if (sizes == sizes.flat[0]).all() else Tensor(sizes.astype(dtype))


def _avg_pool(
    axes: int, x: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor: int | None,
) -> Tensor:  # fmt: skip
    _check_dtypes(f"avg_pool{axes}d", x=x)
    if divisor == 0:
        raise ArgumentError(
            f"avg_pool{axes}d: divisor_override is 0; leave it out to divide by the window's size"
        )

    def run(x: Tensor) -> Tensor:
        geom = pool_geometry(x.shape, kernel, stride, padding, 1, ceil_mode, axes=axes, op=f"avg_pool{axes}d")
        return pool_ops.window_sum(x, geom=geom) / (
            divisor or _window_sizes(geom, count_include_pad, x.dtype)
        )

    return _with_batch(x, axes, run)


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The average of every window; see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of every window, channel by channel; (n, c, height, width) in and out.

    The divisor is the window's size, without the cells beyond the padding (ceil_mode), without the
    padding itself if not count_include_pad, or divisor_override.

    >>> import tinygrad_cnn as tg
    >>> avg_pool2d(tg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of every window; see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@lru_cache(maxsize=256)
def _averaging(n: int, out: int, dtype: np.dtype[Any]) -> Tensor:
    """The matrix (n, out) that averages pixels floor(i n / out) to ceil((i + 1) n / out) into window i."""
    matrix = np.zeros((n, out), dtype)
    for i in range(out):
        start, stop = i * n // out, -(-(i + 1) * n // out)
        matrix[start:stop, i] = 1 / (stop - start)
    return Tensor(matrix)


def _adaptive_avg_pool(axes: int, x: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{axes}d"
    _check_dtypes(name, x=x)
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[1 - x.ndim :]:
        raise ShapeError(f"{name}: x {x.shape} needs {axes + 2} axes (n, c, *size), none but n empty")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(wanted) != axes or any(
        out is not None and (not isinstance(out, int) or out < 1) for out in wanted
    ):
        raise ArgumentError(
            f"{name}: output_size {output_size!r} must be {axes} positive ints (None keeps a size)"
        )
    # A box average is an average along one axis after the other; each is a product with a small matrix.
    for axis, out in zip(range(x.ndim - axes, x.ndim), wanted, strict=True):
        n = x.shape[axis]
        if out == 1:
            x = x.mean(axis, keepdim=True)
        elif out not in (None, n):
            x = x.transpose(axis, -1).matmul(_averaging(n, out, x.dtype)).transpose(axis, -1)
    return x


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the image into `output_size` parts; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows chosen so that the result has `output_size` (an int, or one or None per axis).

    Window i covers pixels floor(i n / out) up to ceil((i + 1) n / out); `output_size` 1 averages globally.

    >>> import tinygrad_cnn as tg
    >>> adaptive_avg_pool2d(tg.ones(2, 3, 7, 5), (3, None)).shape
    (2, 3, 3, 5)
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the image; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


# --- activations -----------------------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); the derivative at 0 is 0.  `inplace` is accepted and changes nothing."""
    return Tensor.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where positive, else negative_slope x."""
    _number("leaky_relu", "negative_slope", negative_slope)
    return activation.leaky_relu(_floating("leaky_relu", input), negative_slope=negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where positive, else w x; weight holds one number, or one per channel (axis 1)."""
    _check_dtypes("prelu", x=input, weight=_tensor("prelu", weight, "weight"))
    if weight.ndim != 1 or (weight.shape[0] != 1 and (input.ndim < 2 or weight.shape[0] != input.shape[1])):
        raise ShapeError(f"prelu: weight {weight.shape} must be (1,) or (channels,) for x {input.shape}")
    return activation.prelu(
        input, weight.reshape(-1, *(1,) * (input.ndim - 2)) if weight.shape[0] > 1 else weight
    )


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where positive, else alpha (e^x - 1)."""
    _number("elu", "alpha", alpha)
    return activation.elu(_floating("elu", input), alpha=alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x; approximate="tanh" for the older approximation."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return activation.gelu(_floating("gelu", input), approximate=approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x sigmoid(x)."""
    return activation.silu(_floating("silu", input))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta; x itself where beta x > threshold."""
    _number("softplus", "beta", beta)
    _number("softplus", "threshold", threshold)
    return activation.softplus(_floating("softplus", input), beta=beta, threshold=threshold)


def logsigmoid(input: Tensor) -> Tensor:
    """log sigmoid(x), stable."""
    return -softplus(-_floating("logsigmoid", input), threshold=math.inf)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return Tensor.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return Tensor.tanh(input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x cut off at min_val and max_val; the derivative at the bounds is 0."""
    if _number("hardtanh", "min_val", min_val) > _number("hardtanh", "max_val", max_val):
        raise ArgumentError(f"hardtanh: min_val {min_val} lies above max_val {max_val}")
    return activation.hardtanh(_tensor("hardtanh", input), min_val=min_val, max_val=max_val)


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """e^x / sum e^x along `dim`."""
    return Tensor.softmax(input if dtype is None else _tensor("softmax", input).to(dtype), dim)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """log softmax(x), stable for large values."""
    return Tensor.log_softmax(input if dtype is None else _tensor("log_softmax", input).to(dtype), dim)


# --- normalization and dropout ---------------------------------------------------------------------------


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each element is 0 with probability p, else scaled by 1 / (1 - p)."""
    _floating("dropout", input)
    _number("dropout", "the probability p", p, 0, 1)
    if not training or p == 0:
        return input
    keep = default_generator().random(input.shape, np.float32) >= p
    return norm.dropout(input, mask=keep * input.dtype.type(0 if p == 1 else 1 / (1 - p)))


@quietly
def _moments(x: np.ndarray, dim: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance over `dim`, the axes kept."""
    center = x.mean(dim, keepdims=True)
    spread = x - center
    return center, np.square(spread, out=spread).mean(dim, keepdims=True)


@quietly
def _rstd(variance: np.ndarray, eps: float, dtype: np.dtype[Any]) -> np.ndarray:
    return (1 / np.sqrt(variance + eps)).astype(dtype, copy=False)


def _normalize(x: Tensor, dim: tuple[int, ...], eps: float, moments: tuple[np.ndarray, np.ndarray]) -> Tensor:
    center, variance = moments
    return norm.normalize(x, dim=dim, eps=eps, center=center, rstd=_rstd(variance, eps, x.dtype))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) w + b per channel (axis 1); input (n, c) or (n, c, *size).

    In training the mean and (biased) variance are the batch's, and the running statistics move towards
    them by `momentum`, the variance as the unbiased one.  Otherwise the running statistics are used.
    Ioffe & Szegedy 2015, arXiv:1502.03167.

    Raises ArgumentError in training for one value per channel, whose variance would be 0.
    """
    _check_dtypes("batch_norm", x=input, weight=weight, bias=bias)
    _number("batch_norm", "eps", eps, 0)
    _number("batch_norm", "momentum", momentum)
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: x {input.shape} needs at least 2 axes, (n, c, ...)")
    channels = input.shape[1]
    parts = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, part in parts.items():
        if part is not None and _floating("batch_norm", part, name).shape != (channels,):
            raise ShapeError(
                f"batch_norm: x {input.shape} has {channels} channels, {name} has shape {part.shape}; "
                f"use num_features={channels}"
            )
    w = np.ones(channels, input.dtype) if weight is None else weight
    b = np.zeros(channels, input.dtype) if bias is None else bias
    if training:
        count = input.numel() // max(1, channels)
        if count == 1:
            raise ArgumentError(
                f"batch_norm: in training there must be more than one value per channel, x is {input.shape}; "
                "use a larger batch, or model.eval()"
            )
        if count == 0:
            return input
        center, variance = _channel_moments(input.array)
        if running_mean is not None and running_var is not None:
            _move(running_mean, center, momentum)
            _move(running_var, variance * (count / (count - 1)), momentum)
        rstd = _rstd(variance, eps, np.dtype(np.float64))
        return norm.batch_norm(input, w, b, eps=eps, center=center, rstd=rstd)
    if running_mean is None or running_var is None:
        raise ArgumentError("batch_norm: without running statistics pass training=True")
    rstd = _rstd(running_var.array, eps, input.dtype)
    center = running_mean.array.astype(input.dtype)  # a copy: the running mean may move before backward
    return norm.scale_shift(input, w, b, center=center, rstd=rstd)


_channel_moments = quietly(norm_kernels.moments)


@quietly
def _move(running: Tensor, towards: np.ndarray, momentum: float) -> None:
    array = running._writable()
    array += momentum * (towards.reshape(array.shape) - array)


def layer_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) w + b over the last axes, which must be `normalized_shape`.

    Ba et al. 2016, arXiv:1607.06450.
    """
    wanted = _sizes("layer_norm", (normalized_shape,))
    _check_dtypes("layer_norm", x=input, weight=weight, bias=bias)
    _number("layer_norm", "eps", eps, 0)
    if not wanted or input.shape[-len(wanted) :] != wanted:
        raise ShapeError(
            f"layer_norm: x {input.shape} must end in normalized_shape {wanted}; "
            f"with this x use {input.shape[-len(wanted) :]}"
        )
    for name, part in {"weight": weight, "bias": bias}.items():
        if part is not None and part.shape != wanted:
            raise ShapeError(f"layer_norm: {name} {part.shape} must have the normalized shape {wanted}")
    dim = tuple(range(input.ndim - len(wanted), input.ndim))
    out = _normalize(input, dim, eps, _moments(input.array, dim)) if input.numel() else input
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


# --- shapes ----------------------------------------------------------------------------------------------


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Surround with `value`: pad = (left, right, top, bottom, ...), last axis first; negative ones "
    "cut off."""
    if mode != "constant":
        raise ArgumentError(f"pad: mode {mode!r} is not there yet; 'constant' is")
    pad = _sizes("pad", (pad,)) if isinstance(pad, (int, tuple, list)) else pad
    if not isinstance(pad, tuple) or len(pad) % 2 or len(pad) > 2 * _tensor("pad", input).ndim:
        raise ArgumentError(
            f"pad: {pad!r} must be pairs (before, after), at most one for each axis of x {input.shape}"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    return shape.pad(
        _tensor("pad", input), widths=widths, value=0.0 if value is None else _number("pad", "value", value)
    )


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 zeros with a 1 at each class: (...) -> (..., num_classes).

    >>> import tinygrad_cnn as tg
    >>> one_hot(tg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if _tensor("one_hot", tensor, "classes").dtype.kind not in "iu":
        raise DtypeError(f"one_hot: classes are integers, not {tensor.dtype}; use .long()")
    classes = _int("one_hot", "num_classes", num_classes, -1)
    classes = int(tensor.array.max(initial=-1)) + 1 if classes == -1 else classes
    if tensor.numel() and (tensor.array.min() < 0 or tensor.array.max() >= classes):
        least, most = tensor.array.min(), tensor.array.max()
        raise ArgumentError(
            f"one_hot: {classes} classes are 0 to {classes - 1}, x {tensor.shape} holds {least} to {most}; "
            + ("classes cannot be negative" if least < 0 else f"use num_classes={most + 1}")
        )
    return Tensor(np.asarray(tensor.array[..., None] == np.arange(classes), np.int64))


# --- losses ----------------------------------------------------------------------------------------------


def _reduce(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ArgumentError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x)[target]: input holds logits (n, classes, ...), or (classes,).

    Args:
        target: classes, integers (n, ...); or probabilities, floats of the shape of input.
        weight: (classes,), the importance of each class; "mean" divides by the weights of the targets.
        ignore_index: targets that do not count.
        label_smoothing: this share of the probability is spread evenly over all classes
            (Szegedy et al. 2015, arXiv:1512.00567).

    >>> import tinygrad_cnn as tg
    >>> cross_entropy(tg.tensor([[2.0, 0.0]]), tg.tensor([0]))
    tensor(0.1269)
    """
    _number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    _tensor("cross_entropy", target, "target")
    if _floating("cross_entropy", input).ndim == 0:
        raise ShapeError("cross_entropy: x () has no axis of classes")
    axis = min(1, input.ndim - 1)
    logp = input.log_softmax(axis)
    if target.dtype.kind != "f":
        return _nll("cross_entropy", logp, target, weight, ignore_index, reduction, label_smoothing)
    if target.shape != input.shape:
        raise DtypeError(
            f"cross_entropy: target {target.shape} {target.dtype}: classes must be integers (use .long()), "
            f"probabilities must have the shape of x {input.shape}"
        )
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    weighted = logp * target
    if weight is not None:
        weighted = weighted * _class_weight("cross_entropy", weight, logp, axis)
    losses = -weighted.sum(axis)
    if reduction == "mean":
        return losses.sum() / max(1, losses.numel()) if losses.numel() else losses.mean()
    return _reduce("cross_entropy", losses, reduction)


def _class_weight(name: str, weight: Tensor, x: Tensor, axis: int) -> Tensor:
    if _tensor(name, weight, "weight").shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}: weight {weight.shape} for {x.shape[axis]} classes; one number per class is needed"
        )
    return weight.reshape(-1, *(1,) * (x.ndim - axis - 1))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-x[target] for log-probabilities x (n, classes, ...); arguments as in `cross_entropy`."""
    _tensor("nll_loss", target, "target")
    if _floating("nll_loss", input).ndim == 0:
        raise ShapeError("nll_loss: x () has no axis of classes")
    return _nll("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


def _nll(
    name: str, logp: Tensor, target: Tensor, weight: Any, ignore: int, reduction: str, smoothing: float
) -> Tensor:
    axis = min(1, logp.ndim - 1)
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: target is {target.dtype}; classes must be integers (use .long())")
    wanted = logp.shape[:axis] + logp.shape[axis + 1 :]
    if target.shape != wanted:
        cure = "; one class per prediction is needed"
        if target.shape == logp.shape:
            cure = "; for one-hot targets use target.argmax(1)"
        elif target.numel() == math.prod(wanted):
            cure = f"; use target.reshape{wanted}"
        raise ShapeError(f"{name}: x {logp.shape} needs a target {wanted}, got {target.shape}{cure}")
    classes, labels = logp.shape[axis], target.array
    valid = labels != _number(name, "ignore_index", ignore)
    wrong = valid & ((labels < 0) | (labels >= classes))
    if wrong.any():
        first = int(labels[wrong].flat[0] if labels.ndim else labels)
        cure = (
            "labels counted from 1? subtract 1"
            if first == classes
            else f"the model needs {first + 1} outputs"
        )
        if first < 0:
            cure = f"only ignore_index={ignore} may stand for no class"
        raise ArgumentError(
            f"{name}: target holds class {first}, x {logp.shape} has classes 0 to {classes - 1}; {cure}"
        )
    everything = bool(valid.all())
    labels = labels if everything else labels * valid
    index = np.expand_dims(labels, axis).astype(np.int64, copy=False)
    losses = -shape.gather(logp, dim=axis, index=index).squeeze(axis)

    scale = None  # of each target: its class's weight, 0 where ignored
    if weight is not None:
        _class_weight(name, weight, logp, axis)
        scale = weight.array[labels] * valid
    elif not everything:
        scale = valid.astype(logp.dtype)
    if not everything:
        losses = losses.masked_fill(~valid, 0.0)  # an ignored -inf would make nan of 0 times inf
    if scale is not None:
        losses = losses * Tensor(np.asarray(scale, logp.dtype))
    if smoothing:
        spread = logp if weight is None else logp * _class_weight(name, weight, logp, axis)
        even = -spread.sum(axis)
        losses = losses * (1 - smoothing) + (even if everything else even.masked_fill(~valid, 0.0)) * (
            smoothing / classes
        )
    if reduction == "mean" and scale is not None:
        return losses.sum() / Tensor(np.asarray(np.sum(scale), logp.dtype))
    return _reduce(name, losses, reduction)


def _pair(name: str, input: Tensor, target: Tensor) -> None:
    if _tensor(name, input).shape != _tensor(name, target, "target").shape:
        raise ShapeError(
            f"{name}: x {input.shape} and target {target.shape} differ; broadcasting here is nearly "
            "always a mistake "
            "(reshape or squeeze one of them)"
        )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - target)^2; both of one shape."""
    _pair("mse_loss", input, target)
    return _reduce("mse_loss", (input - target).square(), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|x - target|; both of one shape."""
    _pair("l1_loss", input, target)
    return _reduce("l1_loss", (input - target).abs(), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) for d = |x - target| < beta, else d - beta / 2 (Girshick 2015, arXiv:1504.08083)."""
    _pair("smooth_l1_loss", input, target)
    if _number("smooth_l1_loss", "beta", beta, 0) == 0:
        return l1_loss(input, target, reduction)
    difference = input - target
    distance = difference.abs()
    near = elementwise.where(
        difference * difference * (0.5 / beta), distance - 0.5 * beta, mask=distance.array < beta
    )
    return _reduce("smooth_l1_loss", near, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)) for probabilities x, logarithms cut off at -100."""
    _pair("binary_cross_entropy", input, target)
    if input.numel() and not ((input.array >= 0) & (input.array <= 1)).all():
        raise ArgumentError(
            f"binary_cross_entropy: x runs from {input.array.min():g} to {input.array.max():g}; "
            "probabilities lie "
            "between 0 and 1 (use sigmoid, or better binary_cross_entropy_with_logits)"
        )
    losses = loss.binary_cross_entropy(input, target)
    return _reduce("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), stable: (1 - t) x + (1 + (p - 1) t) log(1 + e^-x).

    `weight` scales every loss, `pos_weight` p the losses where t is 1; both broadcast.
    """
    _pair("binary_cross_entropy_with_logits", input, target)
    positive = softplus(-input, threshold=math.inf)
    if pos_weight is not None:
        positive = positive * (
            (_tensor("binary_cross_entropy_with_logits", pos_weight, "pos_weight") - 1) * target + 1
        )
    losses = (1 - target) * input + positive
    return _reduce(
        "binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction
    )

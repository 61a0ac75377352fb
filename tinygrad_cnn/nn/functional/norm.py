"""Normalization: by the statistics of a batch, of each image, or of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...geometry import _int
from ...kernels import norm as norm_kernels
from ...kernels.runtime import quietly
from ...ops import norm
from ...tensor import Tensor, _floating, _number, _sizes
from ._checks import _check_dtypes
from .pooling import avg_pool2d

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


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
    _number("batch_norm", "momentum", momentum)
    stats = {"running_mean": running_mean, "running_var": running_var}
    channels = _check_channels("batch_norm", input, eps, weight, bias, "num_features", **stats)
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


def _check_channels(
    op: str, x: Tensor, eps: Any, weight: Any, bias: Any, option: str, **more: Tensor | None
) -> int:
    """The number of channels of x, of which each of these holds one number."""
    _check_dtypes(op, x=x, weight=weight, bias=bias)
    _number(op, "eps", eps, 0)
    if x.ndim < 2:
        raise ShapeError(f"{op}: x {x.shape} needs at least 2 axes, (n, c, ...)")
    channels = x.shape[1]
    for name, part in {**more, "weight": weight, "bias": bias}.items():
        if part is not None and _floating(op, part, name).shape != (channels,):
            cure = f"use {option}={channels}"
            if x.ndim > 3 and part.shape == x.shape[-1:]:
                cure = f"x looks channels-last: use x.permute{(0, x.ndim - 1, *range(1, x.ndim - 1))}"
            raise ShapeError(
                f"{op}: x {x.shape} has {channels} channels, {name} has shape {part.shape}; {cure}"
            )
    return channels


@quietly
def _move(running: Tensor, towards: np.ndarray, momentum: float) -> None:
    array = running._writable()
    array += momentum * (towards.reshape(array.shape) - array)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) over each group of channels of each image, times w plus b per channel.

    Wu & He 2018, arXiv:1803.08494.

    >>> import tinygrad_cnn as tg
    >>> group_norm(tg.tensor([[0.0, 2.0, 5.0, 9.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    channels = _check_channels("group_norm", input, eps, weight, bias, "num_channels")
    groups = _int("group_norm", "num_groups", num_groups)
    if channels % groups:
        raise ShapeError(
            f"group_norm: {groups} groups cannot share the {channels} channels of x {input.shape}"
        )
    _more_than_one("group_norm", input, input.numel() // groups)
    if not input.numel():
        return _of_nothing(input, weight, bias)
    return _of_images(input, weight, bias, eps, *_image_moments(input, groups))


def _image_moments(x: Tensor, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each group of channels of each image: (n groups,), (n groups,)."""
    return _channel_moments(x.array.reshape(1, x.shape[0] * groups, -1))


def _of_nothing(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """As empty as x, and depending on weight and bias all the same, whose gradients are zeros."""
    column = (-1, *(1,) * (x.ndim - 2))
    scaled = x if weight is None else x * weight.reshape(column)
    return scaled if bias is None else scaled + bias.reshape(column)


def _of_images(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    center: np.ndarray,
    variance: np.ndarray,
) -> Tensor:
    """Batch norm of one image with the channels of all."""
    images, channels = x.shape[:2]
    w, b = (
        np.full(images * channels, number, x.dtype)
        if part is None
        else part.expand(images, channels).reshape(-1)
        for part, number in ((weight, 1), (bias, 0))
    )
    rows = x.reshape(1, images * channels, -1)
    rstd = _rstd(variance, eps, np.dtype(np.float64))
    return norm.batch_norm(rows, w, b, eps=eps, center=center, rstd=rstd).reshape(x.shape)


def _more_than_one(op: str, x: Tensor, count: int) -> None:
    if count == 1:
        raise ArgumentError(
            f"{op}: there must be more than one value to average, x is {x.shape}; use larger images"
        )


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) over each channel of each image (n, c, *size), times w plus b per channel.

    Running statistics, if given, move towards the average of the images' (the variance as the unbiased
    one) by `momentum`; with use_input_stats=False they are used instead.  Ulyanov et al. 2016,
    arXiv:1607.08022.
    """
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ArgumentError("instance_norm: without running statistics pass use_input_stats=True")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _number("instance_norm", "momentum", momentum)
    stats = {"running_mean": running_mean, "running_var": running_var}
    channels = _check_channels("instance_norm", input, eps, weight, bias, "num_features", **stats)
    images, count = input.shape[0], math.prod(input.shape[2:])
    _more_than_one("instance_norm", input, count)
    if not input.numel():
        return _of_nothing(input, weight, bias)
    center, variance = _image_moments(input, channels)
    if running_mean is not None and running_var is not None:
        unbiased = variance * (count / (count - 1))
        _move(running_mean, center.reshape(images, channels).mean(0), momentum)
        _move(running_var, unbiased.reshape(images, channels).mean(0), momentum)
    return _of_images(input, weight, bias, eps, center, variance)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha mean(x^2))^beta with the mean over `size` neighbouring channels, zeros beyond them.

    Krizhevsky et al. 2012.
    """
    name = "local_response_norm"
    size = _int(name, "size", size)
    for option, value in {"alpha": alpha, "beta": beta, "k": k}.items():
        _number(name, option, value)
    if _floating(name, input).ndim < 3:
        raise ShapeError(f"{name}: x {input.shape} needs at least 3 axes, (n, c, *size)")
    if not input.numel():
        return input
    images, channels = input.shape[:2]
    squares = input.square().reshape(images, 1, channels, -1)
    around = (size // 2, (size - 1) // 2), (0, 0)
    power = avg_pool2d(squares, (size, 1), 1, around).reshape(input.shape)
    return input / (power * alpha + k) ** beta


def _check_last_axes(op: str, x: Tensor, shape: Any, **parts: Tensor | None) -> tuple[int, ...]:
    """The last axes of x, which must have these sizes, as must the parts."""
    wanted = _sizes(op, (shape,))
    _check_dtypes(op, x=x, **parts)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ShapeError(
            f"{op}: x {x.shape} must end in normalized_shape {wanted}; "
            f"with this x use {x.shape[-len(wanted) :]}"
        )
    for name, part in parts.items():
        if part is not None and part.shape != wanted:
            raise ShapeError(f"{op}: {name} {part.shape} must have the normalized shape {wanted}")
    return tuple(range(x.ndim - len(wanted), x.ndim))


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
    _number("layer_norm", "eps", eps, 0)
    dim = _check_last_axes("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    out = _normalize(input, dim, eps, _moments(input.array, dim)) if input.numel() else input
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def rms_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x^2) + eps) w over the last axes, which must be `normalized_shape`.

    eps is the dtype's spacing at 1 by default.  Zhang & Sennrich 2019, arXiv:1910.07467.
    """
    dim = _check_last_axes("rms_norm", input, normalized_shape, weight=weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else _number("rms_norm", "eps", eps, 0)
    out = input * (input.square().mean(dim, keepdim=True) + eps) ** -0.5 if input.numel() else input
    return out if weight is None else out * weight

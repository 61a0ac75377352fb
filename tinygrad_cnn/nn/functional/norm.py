"""Normalization: by the statistics of a batch, or of each image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...kernels import norm as norm_kernels
from ...kernels.runtime import quietly
from ...ops import norm
from ...tensor import Tensor, _floating, _number, _sizes
from ._checks import _check_dtypes

__all__ = ["batch_norm", "layer_norm"]


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

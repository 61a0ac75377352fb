"""Batch norm in evaluation is linear: it can be put into the weights of the layer before it."""

from __future__ import annotations

import copy
from typing import TypeVar

from ...errors import ArgumentError
from ...tape import no_grad
from ...tensor import Parameter, Tensor
from ..conv import _ConvNd, _ConvTransposeNd
from ..linear import Linear
from ..norm import _BatchNorm

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

C = TypeVar("C", bound=_ConvNd)
L = TypeVar("L", bound=Linear)


@no_grad()
def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The (weight, bias) of one convolution in the place of two layers:

        w' = w s,  b' = (b - mean) s + shift      with s = scale / sqrt(var + eps) of the filter

    Args:
        conv_w: weight of the convolution.
        conv_b: its bias, or None.
        bn_rm: running mean of the batch norm.
        bn_rv: its running variance.
        bn_eps: its eps.
        bn_w: its scale, or None for 1.
        bn_b: its shift, or None for 0.
        transpose: of a transposed convolution, whose filters are on axis 1.
    """
    s = (bn_rv + bn_eps) ** -0.5
    if bn_w is not None:
        s = s * bn_w
    bias = -bn_rm if conv_b is None else conv_b - bn_rm
    bias = bias * s if bn_b is None else bias * s + bn_b
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    weight = (conv_w * s.reshape(*shape)).to(conv_w.dtype)
    wanted = conv_w.requires_grad if conv_b is None else conv_b.requires_grad
    return Parameter(weight, conv_w.requires_grad), Parameter(bias.to(conv_w.dtype), wanted)


def fuse_conv_bn_eval(conv: C, bn: _BatchNorm, transpose: bool = False) -> C:
    """A convolution that does what conv and then bn do in evaluation.

    >>> import tinygrad_cnn as tg
    >>> conv, bn = tg.nn.Conv2d(3, 4, 3).eval(), tg.nn.BatchNorm2d(4).eval()
    >>> x = tg.randn(1, 3, 8, 8)
    >>> ((tg.nn.utils.fuse_conv_bn_eval(conv, bn)(x) - bn(conv(x))).abs() < 1e-4).all()
    tensor(True)
    """
    mean, var = _statistics("fuse_conv_bn_eval", conv, bn)
    fused = copy.deepcopy(conv)
    shared = transpose and fused.groups > 1
    if transpose != isinstance(conv, _ConvTransposeNd) or shared:
        raise ArgumentError(
            f"fuse_conv_bn_eval: {type(conv).__name__} with groups={conv.groups} and transpose={transpose}; "
            "say transpose=True for transposed convolutions, and for no others; these must have one group"
        )
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float,
    bn_w: Tensor | None, bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The (weight, bias) of one linear layer in the place of two layers; see `fuse_conv_bn_weights`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_linear_bn_eval(linear: L, bn: _BatchNorm) -> L:
    """A linear layer that does what linear and then bn do in evaluation."""
    mean, var = _statistics("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise ArgumentError(
            f"fuse_linear_bn_eval: bn has {bn.num_features} features, linear {linear.out_features}; "
            "they must be equal, or bn must have 1"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias
    )
    return fused


def _statistics(caller: str, layer: Linear | _ConvNd, bn: _BatchNorm) -> tuple[Tensor, Tensor]:
    if layer.training or bn.training:
        raise ArgumentError(f"{caller}: both must be in evaluation, where batch norm is linear; call .eval()")
    if bn.running_mean is None or bn.running_var is None:
        raise ArgumentError(f"{caller}: bn tracks no running statistics, so it is not linear")
    return bn.running_mean, bn.running_var

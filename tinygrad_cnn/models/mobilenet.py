"""MobileNetV2: depthwise convolutions between thin layers (Sandler et al. 2018, arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn
from ..tensor import Tensor
from .common import init_convs, init_linears, refuse_weights, zero_biases

__all__ = ["InvertedResidual", "MobileNetV2", "mobilenet_v2"]

#: expansion, channels, blocks, stride of the first
SETTING = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip

Norm = Callable[[int], Any]


def _divisible(channels: float, by: int) -> int:
    """The nearest multiple, but not less than 90 % of it."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


def _conv(
    inputs: int, outputs: int, size: int, norm: Norm, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, normalization, ReLU6."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, norm(outputs), nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """1 x 1 to more channels, 3 x 3 on each alone, 1 x 1 back to few; added to x where the shapes allow."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Norm = nn.BatchNorm2d):
        super().__init__()
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            *([] if expand_ratio == 1 else [_conv(inp, hidden, 1, norm_layer)]),
            _conv(hidden, hidden, 3, norm_layer, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm_layer(oup),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """For images (n, 3, height, width) of any size.

    Args:
        width_mult: factor of all numbers of channels.
        inverted_residual_setting: rows (expansion, channels, blocks, stride).
        round_nearest: numbers of channels become multiples of this.
        norm_layer: makes a normalization for a number of channels.
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None, round_nearest: int = 8,
        block: type[InvertedResidual] | None = None, norm_layer: Norm | None = None, dropout: float = 0.2,
    ):  # fmt: skip
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        channels = _divisible(32 * width_mult, round_nearest)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [_conv(3, channels, 3, norm, stride=2)]
        for expansion, width, blocks, stride in inverted_residual_setting or SETTING:
            outputs = _divisible(width * width_mult, round_nearest)
            for i in range(blocks):
                features.append(block(channels, outputs, stride if i == 0 else 1, expansion, norm))
                channels = outputs
        features.append(_conv(channels, self.last_channel, 1, norm))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        init_convs(self)
        init_linears(self)
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean((2, 3)))


def mobilenet_v2(*, weights: None = None, progress: bool = True, **options: Any) -> MobileNetV2:
    """MobileNetV2: 3,504,872 parameters."""
    refuse_weights("mobilenet_v2", weights=weights)
    return MobileNetV2(**options)

"""DenseNet: every layer sees what all layers before it made (Huang et al. 2016, arXiv:1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from .. import nn
from ..creation import cat
from ..nn import functional as F
from ..tensor import Tensor
from .common import init_convs, refuse_weights, zero_biases

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]


class _DenseLayer(nn.Module):
    """1 x 1 to bn_size * growth_rate channels, 3 x 3 to growth_rate, each normalized before."""

    def __init__(self, channels: int, growth_rate: int, bn_size: int, drop_rate: float):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, bn_size * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(bn_size * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(bn_size * growth_rate, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(self.relu1(self.norm1(cat(features, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate else x


class _DenseBlock(nn.ModuleDict):
    """Layers whose inputs are all outputs before, beginning with x."""

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


def _transition(channels: int) -> nn.Sequential:
    """Half the channels, half the height and width."""
    layers = {
        "norm": nn.BatchNorm2d(channels),
        "relu": nn.ReLU(inplace=True),
        "conv": nn.Conv2d(channels, channels // 2, 1, bias=False),
        "pool": nn.AvgPool2d(2, 2),
    }
    return nn.Sequential(OrderedDict(layers))


class DenseNet(nn.Module):
    """For images (n, 3, 29 or more, 29 or more).

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers in each block.
        num_init_features: filters of the first convolution.
        bn_size: how many times growth_rate the 1 x 1 convolutions make.
        drop_rate: of the dropout behind each layer.
        memory_efficient: accepted, changes nothing.
    """

    def __init__(
        self, growth_rate: int = 32, block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0, num_classes: int = 1000,
        memory_efficient: bool = False,
    ):  # fmt: skip
        super().__init__()
        features: dict[str, nn.Module] = {
            "conv0": nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(num_init_features),
            "relu0": nn.ReLU(inplace=True),
            "pool0": nn.MaxPool2d(3, 2, padding=1),
        }
        channels = num_init_features
        for b, depth in enumerate(block_config, 1):
            block = {}
            for i in range(depth):
                block[f"denselayer{i + 1}"] = _DenseLayer(channels, growth_rate, bn_size, drop_rate)
                channels += growth_rate
            features[f"denseblock{b}"] = _DenseBlock(block)
            if b < len(block_config):
                features[f"transition{b}"] = _transition(channels)
                channels //= 2
        features["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(OrderedDict(features))
        self.classifier = nn.Linear(channels, num_classes)
        init_convs(self, "fan_in")
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.relu(self.features(x)).mean((2, 3)))


def densenet121(*, weights: None = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-121: 7,978,856 parameters."""
    refuse_weights("densenet121", weights=weights)
    return DenseNet(32, (6, 12, 24, 16), 64, **options)


def densenet161(*, weights: None = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-161: 28,681,000 parameters."""
    refuse_weights("densenet161", weights=weights)
    return DenseNet(48, (6, 12, 36, 24), 96, **options)


def densenet169(*, weights: None = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-169: 14,149,480 parameters."""
    refuse_weights("densenet169", weights=weights)
    return DenseNet(32, (6, 12, 32, 32), 64, **options)


def densenet201(*, weights: None = None, progress: bool = True, **options: Any) -> DenseNet:
    """DenseNet-201: 20,013,928 parameters."""
    refuse_weights("densenet201", weights=weights)
    return DenseNet(32, (6, 12, 48, 32), 64, **options)

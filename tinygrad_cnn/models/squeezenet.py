"""SqueezeNet: AlexNet's accuracy in fifty times fewer parameters (Iandola et al. 2016, arXiv:1602.07360)."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..creation import cat
from ..errors import ArgumentError
from ..tensor import Tensor
from .common import refuse_weights, zero_biases

__all__ = ["Fire", "SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

#: filters, size of the first convolution, and after which Fire modules the images are pooled
VERSIONS = {"1_0": (96, 7, (2, 6)), "1_1": (64, 3, (1, 3))}


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, and from these 1 x 1 and 3 x 3 ones side by side."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        sides = self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))
        return cat(sides, 1)


class SqueezeNet(nn.Module):
    """For images (n, 3, 21 or more, 21 or more); version "1_1" computes as well with half the work."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        if version not in VERSIONS:
            raise ArgumentError(f"SqueezeNet: version {version!r} is unknown; use '1_0' or '1_1'")
        channels, size, pooled = VERSIONS[version]
        features: list[nn.Module] = [nn.Conv2d(3, channels, size, stride=2), nn.ReLU(inplace=True), _pool()]
        for i in range(8):
            squeeze, expand = 16 * (i // 2 + 1), 64 * (i // 2 + 1)
            features.append(Fire(channels, squeeze, expand, expand))
            channels = 2 * expand
            if i in pooled:
                features.append(_pool())
        self.features = nn.Sequential(*features)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight)
        nn.init.normal_(last.weight, 0.0, 0.01)
        zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def squeezenet1_0(*, weights: None = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.0: 1,248,424 parameters."""
    refuse_weights("squeezenet1_0", weights=weights)
    return SqueezeNet("1_0", **options)


def squeezenet1_1(*, weights: None = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """SqueezeNet 1.1: 1,235,496 parameters."""
    refuse_weights("squeezenet1_1", weights=weights)
    return SqueezeNet("1_1", **options)

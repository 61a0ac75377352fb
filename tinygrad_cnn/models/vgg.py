"""VGG: nothing but 3 x 3 convolutions and pooling (Simonyan & Zisserman 2014, arXiv:1409.1556)."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..tensor import Tensor
from .common import init_convs, init_linears, refuse_weights, zero_biases

__all__ = [
    "VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip

#: How many convolutions of 64, 128, 256, 512 and 512 filters stand before each pooling.
TABLE = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


class VGG(nn.Module):
    """`features`, then pooling to 7 x 7 and three dense layers, for images (n, 3, 32 or more, 32 or more)."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ):
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            init_convs(self)
            init_linears(self)
            zero_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _vgg(name: str, weights: None, options: dict[str, Any]) -> VGG:
    refuse_weights(name, weights=weights)
    plain, batch_norm = name.removesuffix("_bn"), name.endswith("_bn")
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in zip((64, 128, 256, 512, 512), TABLE[plain], strict=True):
        for _ in range(depth):
            norm = [nn.BatchNorm2d(width)] if batch_norm else []
            layers += [nn.Conv2d(channels, width, 3, padding=1), *norm, nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2, 2))
    return VGG(nn.Sequential(*layers), **options)


def vgg11(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-11: 132,863,336 parameters."""
    return _vgg("vgg11", weights, options)


def vgg11_bn(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-11 with batch norm: 132,868,840 parameters."""
    return _vgg("vgg11_bn", weights, options)


def vgg13(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-13: 133,047,848 parameters."""
    return _vgg("vgg13", weights, options)


def vgg13_bn(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-13 with batch norm: 133,053,736 parameters."""
    return _vgg("vgg13_bn", weights, options)


def vgg16(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-16: 138,357,544 parameters."""
    return _vgg("vgg16", weights, options)


def vgg16_bn(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-16 with batch norm: 138,365,992 parameters."""
    return _vgg("vgg16_bn", weights, options)


def vgg19(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-19: 143,667,240 parameters."""
    return _vgg("vgg19", weights, options)


def vgg19_bn(*, weights: None = None, progress: bool = True, **options: Any) -> VGG:
    """VGG-19 with batch norm: 143,678,248 parameters."""
    return _vgg("vgg19_bn", weights, options)

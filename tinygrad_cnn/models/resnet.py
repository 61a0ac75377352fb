"""ResNet: layers that learn what to add to their input (He et al. 2015, arXiv:1512.03385)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn
from ..errors import ArgumentError
from ..tensor import Tensor
from .common import init_convs, refuse_weights

__all__ = [
    "BasicBlock", "Bottleneck", "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "wide_resnet50_2",
]  # fmt: skip

Norm = Callable[[int], Any]


def _conv3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, groups, bias=False)


class BasicBlock(nn.Module):
    """relu(x + conv(relu(conv(x)))), each convolution 3 x 3 and normalized."""

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        if (groups, base_width, dilation) != (1, 64, 1):
            raise ArgumentError(
                f"BasicBlock: cannot have groups={groups}, base_width={base_width}, dilation={dilation}; "
                "use Bottleneck"
            )
        norm = norm_layer or nn.BatchNorm2d
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """The same of three convolutions: 1 x 1 to fewer channels, 3 x 3, and 1 x 1 back to more.

    The stride is that of the 3 x 3 (as in torchvision; the paper strides the first).
    """

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64)) * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Four stages of `layers` blocks each, for images (n, 3, height, width) of any size.

    Args:
        block: BasicBlock or Bottleneck.
        layers: blocks in each stage.
        zero_init_residual: start with blocks that add nothing (Goyal et al. 2017, arXiv:1706.02677).
        groups, width_per_group: of the 3 x 3 convolutions (ResNeXt, Wide ResNet).
        replace_stride_with_dilation: for each of the last three stages whether its filters are spread
            instead of its images shrunk, as segmentation needs.
        norm_layer: makes a normalization for a number of channels.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], num_classes: int = 1000,
        zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None, norm_layer: Norm | None = None,
    ):  # fmt: skip
        super().__init__()
        spread = [False, *(replace_stride_with_dilation or (False, False, False))]
        if len(spread) != 4 or len(layers) != 4:
            raise ArgumentError(
                f"ResNet: layers {layers} must be 4 numbers and replace_stride_with_dilation "
                f"{replace_stride_with_dilation} 3 booleans; there are four stages"
            )
        norm = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)

        def stage(planes: int, blocks: int, stride: int, spread: bool) -> nn.Sequential:
            """The first block changes size and channels; it keeps the dilation of the stage before."""
            outputs, before, downsample = planes * block.expansion, self.dilation, None
            if spread:
                self.dilation, stride = self.dilation * stride, 1
            if stride != 1 or self.inplanes != outputs:
                downsample = nn.Sequential(
                    nn.Conv2d(self.inplanes, outputs, 1, stride, bias=False), norm(outputs)
                )
            made = [block(self.inplanes, planes, stride, downsample, groups, width_per_group, before, norm)]
            for _ in range(1, blocks):
                made.append(block(outputs, planes, 1, None, groups, width_per_group, self.dilation, norm))
            self.inplanes = outputs
            return nn.Sequential(*made)

        self.layer1 = stage(64, layers[0], 1, spread[0])
        self.layer2 = stage(128, layers[1], 2, spread[1])
        self.layer3 = stage(256, layers[2], 2, spread[2])
        self.layer4 = stage(512, layers[3], 2, spread[3])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        init_convs(self)
        for module in self.modules() if zero_init_residual else ():
            if isinstance(module, (BasicBlock, Bottleneck)):
                last: Any = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-18: 11,689,512 parameters."""
    refuse_weights("resnet18", weights=weights)
    return ResNet(BasicBlock, (2, 2, 2, 2), **options)


def resnet34(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-34: 21,797,672 parameters."""
    refuse_weights("resnet34", weights=weights)
    return ResNet(BasicBlock, (3, 4, 6, 3), **options)


def resnet50(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-50: 25,557,032 parameters."""
    refuse_weights("resnet50", weights=weights)
    return ResNet(Bottleneck, (3, 4, 6, 3), **options)


def resnet101(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-101: 44,549,160 parameters."""
    refuse_weights("resnet101", weights=weights)
    return ResNet(Bottleneck, (3, 4, 23, 3), **options)


def resnet152(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNet-152: 60,192,808 parameters."""
    refuse_weights("resnet152", weights=weights)
    return ResNet(Bottleneck, (3, 8, 36, 3), **options)


def resnext50_32x4d(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """ResNeXt-50 of 32 groups, each 4 wide (Xie et al. 2016, arXiv:1611.05431): 25,028,904 parameters."""
    refuse_weights("resnext50_32x4d", weights=weights)
    return ResNet(Bottleneck, (3, 4, 6, 3), **{"groups": 32, "width_per_group": 4, **options})


def wide_resnet50_2(*, weights: None = None, progress: bool = True, **options: Any) -> ResNet:
    """Wide ResNet-50 (Zagoruyko & Komodakis 2016, arXiv:1605.07146): 68,883,240 parameters."""
    refuse_weights("wide_resnet50_2", weights=weights)
    return ResNet(Bottleneck, (3, 4, 6, 3), **{"width_per_group": 128, **options})

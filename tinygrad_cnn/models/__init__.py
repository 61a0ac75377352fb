"""Known architectures, with torchvision's names, arguments, initialization and `state_dict` keys.

    model = tg.models.resnet18(num_classes=10)
    model.load_state_dict(tg.load("resnet18.safetensors"))      torchvision's weights fit

Nothing is downloaded: `weights=` must be None.  LeNet5 and UNet, which torchvision lacks, are those of the
papers.
"""

from __future__ import annotations

from .alexnet import AlexNet, alexnet
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .fcn import FCN, FCNHead, IntermediateLayerGetter, fcn_resnet50, fcn_resnet101
from .lenet import LeNet5
from .mobilenet import InvertedResidual, MobileNetV2, mobilenet_v2
from .resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from .squeezenet import Fire, SqueezeNet, squeezenet1_0, squeezenet1_1
from .unet import UNet
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn

__all__ = [
    "FCN",
    "VGG",
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "DenseNet",
    "FCNHead",
    "Fire",
    "IntermediateLayerGetter",
    "InvertedResidual",
    "LeNet5",
    "MobileNetV2",
    "ResNet",
    "SqueezeNet",
    "UNet",
    "alexnet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "fcn_resnet50",
    "fcn_resnet101",
    "mobilenet_v2",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
]

"""FCN: a classifier's features, and a head that scores them place by place (Long et al. 2014,
arXiv:1411.4038)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .. import nn
from ..errors import ArgumentError
from ..nn import functional as F
from ..tensor import Tensor
from .common import refuse_weights
from .resnet import resnet50, resnet101

__all__ = ["FCN", "FCNHead", "IntermediateLayerGetter", "fcn_resnet50", "fcn_resnet101"]


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of a model up to the last one that is asked for, and what comes out of some of them.

    Args:
        model: one whose children are called one after the other.
        return_layers: {child: name of its output}.

    >>> import tinygrad_cnn as tg
    >>> body = IntermediateLayerGetter(tg.models.resnet18(), {"layer1": "fine", "layer3": "coarse"})
    >>> {name: out.shape for name, out in body(tg.zeros(1, 3, 32, 32)).items()}
    {'fine': (1, 64, 8, 8), 'coarse': (1, 256, 2, 2)}
    """

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]):
        children = dict(model.named_children())
        unknown = [name for name in return_layers if name not in children]
        if unknown or not return_layers:
            raise ArgumentError(
                f"IntermediateLayerGetter: return_layers has {', '.join(unknown) or 'no names'}; "
                f"the children of {type(model).__name__} are {', '.join(children)}"
            )
        last = max(list(children).index(name) for name in return_layers)
        super().__init__(dict(list(children.items())[: last + 1]))
        self.return_layers = dict(return_layers)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out = OrderedDict()
        for name, module in self.items():
            x = module(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


class FCNHead(nn.Sequential):
    """3 x 3 to a quarter of the channels, normalized, dropout, 1 x 1 to the scores."""

    def __init__(self, in_channels: int, channels: int):
        between = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, between, 3, padding=1, bias=False),
            nn.BatchNorm2d(between),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(between, channels, 1),
        )


class FCN(nn.Module):
    """Scores of every pixel: (n, 3, h, w) -> {"out": (n, classes, h, w)}, and "aux" where there is one.

    Args:
        backbone: returns {"out": features, "aux": features of an earlier layer}.
        classifier: scores for the features; they are interpolated to the size of the images.
        aux_classifier: scores for the earlier features, whose loss helps training.
    """

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None):
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features, size = self.backbone(x), x.shape[-2:]
        heads = {"out": self.classifier, "aux": self.aux_classifier}
        return OrderedDict(
            (name, F.interpolate(head(features[name]), size, mode="bilinear", align_corners=False))
            for name, head in heads.items()
            if head is not None
        )


def _fcn(resnet: Any, num_classes: int | None, aux_loss: bool | None, options: dict[str, Any]) -> FCN:
    classes = 21 if num_classes is None else num_classes
    layers = {"layer4": "out", **({"layer3": "aux"} if aux_loss else {})}
    body = IntermediateLayerGetter(
        resnet(replace_stride_with_dilation=[False, True, True], **options), layers
    )
    return FCN(body, FCNHead(2048, classes), FCNHead(1024, classes) if aux_loss else None)


def fcn_resnet50(
    *, weights: None = None, progress: bool = True, num_classes: int | None = None,
    aux_loss: bool | None = None, weights_backbone: None = None, **options: Any,
) -> FCN:  # fmt: skip
    """FCN on a ResNet-50 whose images shrink only eightfold: 35,322,218 parameters with aux_loss."""
    refuse_weights("fcn_resnet50", weights=weights, weights_backbone=weights_backbone)
    return _fcn(resnet50, num_classes, aux_loss, options)


def fcn_resnet101(
    *, weights: None = None, progress: bool = True, num_classes: int | None = None,
    aux_loss: bool | None = None, weights_backbone: None = None, **options: Any,
) -> FCN:  # fmt: skip
    """FCN on a ResNet-101: 54,314,346 parameters with aux_loss."""
    refuse_weights("fcn_resnet101", weights=weights, weights_backbone=weights_backbone)
    return _fcn(resnet101, num_classes, aux_loss, options)

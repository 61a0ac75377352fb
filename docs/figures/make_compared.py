"""Draw the gallery's networks with torchviz and torchview, as docs/compared.md shows them.

    pip install torch==2.13.0 torchviz==0.0.3 torchview==0.2.7
    python docs/figures/make_compared.py

They need a program named `dot` on the path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torchview import draw_graph
from torchviz import make_dot

import tinygrad_cnn as tg

HERE = Path(__file__).parent / "compared"


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


class BasicBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for i, (a, b) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)]):
            stage = nn.Sequential(BasicBlock(a, b, 1 if a == b else 2), BasicBlock(b, b, 1))
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def vgg11() -> nn.Module:
    """With the names of tinygrad_cnn.models.vgg11."""
    layers: list[nn.Module] = []
    before = 3
    for width, depth in zip((64, 128, 256, 512, 512), (1, 1, 2, 2, 2), strict=True):
        for _ in range(depth):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    dense = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(
        nn.Sequential(*layers), nn.AdaptiveAvgPool2d(7), nn.Flatten(1), nn.Sequential(*dense)
    )


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a in (inputs, outputs):
        layers += [nn.Conv2d(a, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_double(a, b) for a, b in [(3, 16), (16, 32), (32, 64), (64, 128)])
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, b // 2, 2, 2) for b in (128, 64, 32))
        self.merge = nn.ModuleList(_double(b, b // 2) for b in (128, 64, 32))
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels: list[torch.Tensor] = []
        for block in self.down:
            x = block(F.max_pool2d(x, 2) if levels else x)
            levels.append(x)
        levels.pop()
        for up, block in zip(self.up, self.merge, strict=True):
            x = block(torch.cat([levels.pop(), up(x)], 1))
        return self.head(x)


class Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 7 * 7, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = Tower()

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return ((self.tower(a) - self.tower(b)) ** 2).sum(1).sqrt()


#: Name -> the network, shapes of its inputs, and torchview's depth: as deep as in the gallery.
MODELS: dict[str, tuple[Callable[[], nn.Module], list[tuple[int, ...]], int]] = {
    "lenet": (LeNet5, [(64, 1, 28, 28)], 3),
    "vgg11": (vgg11, [(1, 3, 32, 32)], 2),
    "resnet18": (ResNet18, [(1, 3, 64, 64)], 2),
    "unet": (UNet, [(1, 3, 64, 64)], 1),
    "siamese": (Siamese, [(8, 1, 28, 28)] * 2, 3),
}


def svg(drawing: Any) -> str:
    """The picture, without comments and titles, which nobody sees in an image."""
    text = drawing.pipe("svg").decode()
    text = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", text, flags=re.S)
    text = re.sub(r' (?:xml:space|id|class)="[^"]*"', "", text)
    return re.sub(r"(\d\.\d)\d+", r"\1", text)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, (make, shapes, depth) in MODELS.items():
        torch.manual_seed(0)
        model = make()
        inputs = [torch.zeros(shape) for shape in shapes]
        viz = make_dot(model(*inputs), params=dict(model.named_parameters()))
        view = draw_graph(model, input_data=inputs, depth=depth, expand_nested=True).visual_graph
        for tool, drawing in (("torchviz", viz), ("torchview", view)):
            (HERE / f"{name}-{tool}.svg").write_text(svg(drawing), encoding="utf-8")
    print(
        f"drawn with torch {torch.__version__}; ours are those of the gallery, tinygrad_cnn {tg.__version__}"
    )

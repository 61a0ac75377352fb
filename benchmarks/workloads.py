"""What is timed: each workload is written once, for any library with PyTorch's names.

`build(name, library)` returns a function without arguments that does all the work of one step.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

SINGLE = {  # kind, x shape, then the weight's shape or the window; stride, padding, groups
    "conv 3x3, 64-64, 56x56, batch 8": ("conv", (8, 64, 56, 56), (64, 64, 3, 3), 1, 1, 1),
    "conv 3x3 stride 2, 16-32, 32x32, batch 64": ("conv", (64, 16, 32, 32), (32, 16, 3, 3), 2, 1, 1),
    "conv 7x7 stride 2, 3-64, 224x224, batch 4": ("conv", (4, 3, 224, 224), (64, 3, 7, 7), 2, 3, 1),
    "conv 1x1, 256-64, 28x28, batch 8": ("conv", (8, 256, 28, 28), (64, 256, 1, 1), 1, 0, 1),
    "depthwise 3x3, 64, 56x56, batch 8": ("conv", (8, 64, 56, 56), (64, 1, 3, 3), 1, 1, 64),
    "max pool 2x2, 64, 112x112, batch 4": ("pool", (4, 64, 112, 112), 2, 2, 0, 1),
    "max pool 3x3 stride 2, 64, 112x112, batch 4": ("pool", (4, 64, 112, 112), 3, 2, 1, 1),
    "batch norm, 64, 56x56, batch 8": ("norm", (8, 64, 56, 56), None, 1, 0, 1),
    "relu, 64, 112x112, batch 4": ("relu", (4, 64, 112, 112), None, 1, 0, 1),
}
STEPS = [
    "LeNet training step, batch 64",
    "LeNet training step, batch 256",
    "VGG training step, batch 32",
    "VGG training step, batch 128",
    "ResNet-18 training step, 32x32, batch 32",
    "ResNet-18 inference, 224x224, batch 1",
    "ResNet-18 inference, 224x224, batch 4",
    "tiny MLP, forward + backward, batch 1",
]
NAMES = [*STEPS, *SINGLE]


class Library:
    """tinygrad_cnn, or torch in one of its two memory orders ("torch", "torch channels_last")."""

    def __init__(self, name: str):
        module, _, order = name.partition(" ")
        self.root = importlib.import_module(module)
        self.nn = importlib.import_module(f"{module}.nn")
        self.F = importlib.import_module(f"{module}.nn.functional")
        self.optim = importlib.import_module(f"{module}.optim")
        self.channels_last = order == "channels_last"
        self.root.manual_seed(0)
        self.random = np.random.default_rng(0)

    def tensor(self, *shape: int, scale: float = 1.0, requires_grad: bool = False) -> Any:
        x = self.root.from_numpy((self.random.standard_normal(shape) * scale).astype(np.float32))
        if self.channels_last and len(shape) == 4:
            x = x.contiguous(memory_format=self.root.channels_last)
        return x.requires_grad_(requires_grad)

    def labels(self, n: int) -> Any:
        return self.root.from_numpy(self.random.integers(0, 10, n))

    def prepare(self, model: Any) -> Any:
        return model.to(memory_format=self.root.channels_last) if self.channels_last else model


def build(name: str, library: Library) -> Callable[[], Any]:
    """The step of a workload."""
    if name in SINGLE:
        return _single(library, *SINGLE[name])
    batch = int(name.rsplit(" ", 1)[1])
    if name.startswith("tiny MLP"):
        return _tiny(library)
    if "inference" in name:
        return _inference(library, _resnet18(library, False, 1000), library.tensor(batch, 3, 224, 224))
    if name.startswith("LeNet"):
        return _training(library, _lenet(library), library.tensor(batch, 1, 28, 28))
    model = _vgg(library) if name.startswith("VGG") else _resnet18(library, True, 10)
    return _training(library, model, library.tensor(batch, 3, 32, 32))


def _training(library: Library, model: Any, x: Any) -> Callable[[], Any]:
    model = library.prepare(model).train()
    optimizer = library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    y = library.labels(len(x))

    def step() -> float:
        optimizer.zero_grad()
        loss = library.F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def _inference(library: Library, model: Any, x: Any) -> Callable[[], Any]:
    model = library.prepare(model).eval()

    def step() -> Any:
        with library.root.no_grad():
            return model(x)

    return step


def _single(
    library: Library, kind: str, shape: Any, window: Any, stride: int, padding: int, groups: int
) -> Callable[[], Any]:
    F, x = library.F, library.tensor(*shape, requires_grad=True)
    leaves = [x]
    if kind == "conv":
        w = library.tensor(*window, scale=0.1, requires_grad=True)
        b = library.tensor(window[0], requires_grad=True)
        leaves += [w, b]
    norm = library.nn.BatchNorm2d(shape[1])
    leaves += norm.parameters()

    def forward() -> Any:
        if kind == "conv":
            return F.conv2d(x, w, b, stride=stride, padding=padding, groups=groups)
        if kind == "pool":
            return F.max_pool2d(x, window, stride=stride, padding=padding)
        return norm(x) if kind == "norm" else F.relu(x)

    g = library.tensor(*forward().shape)

    def step() -> None:
        for leaf in leaves:
            leaf.grad = None
        forward().backward(g)

    return step


def _tiny(library: Library) -> Callable[[], Any]:
    nn = library.nn
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    x, parameters = library.tensor(1, 16), list(model.parameters())

    def step() -> None:
        for p in parameters:
            p.grad = None
        model(x).sum().backward()

    return step


def _lenet(library: Library) -> Any:
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _vgg(library: Library) -> Any:
    nn = library.nn
    layers, channels = [], 3
    for stage in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(channels, stage, 3, padding=1), nn.BatchNorm2d(stage), nn.ReLU()]
            channels = stage
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10))


def _resnet18(library: Library, small_images: bool, classes: int) -> Any:
    nn, F = library.nn, library.F

    class Block(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self, i: int, o: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(i, o, 3, stride=stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(o)
            self.conv2 = nn.Conv2d(o, o, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(o)
            self.short = None
            if stride != 1 or i != o:
                self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride=stride, bias=False), nn.BatchNorm2d(o))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + (x if self.short is None else self.short(x)))

    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            if small_images:
                stem = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
            else:
                stem = [nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
                stem.append(nn.MaxPool2d(3, stride=2, padding=1))
            self.stem = nn.Sequential(*stem)
            widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
            self.body = nn.Sequential(*(b for i, o, s in widths for b in (Block(i, o, s), Block(o, o, 1))))
            self.fc = nn.Linear(512, classes)

        def forward(self, x: Any) -> Any:
            return self.fc(self.body(self.stem(x)).mean((2, 3)))

    return Net()

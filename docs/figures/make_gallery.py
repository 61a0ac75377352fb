"""Draw docs/figures/gallery/: python docs/figures/make_gallery.py.

What is hovered on is left out: pages show these files as images, which know no hovering.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn import graph, models, nn, optim, training, vision
from tinygrad_cnn.data import DataLoader, FashionMNIST
from tinygrad_cnn.nn import functional as F

HERE = Path(__file__).parent / "gallery"
_EDGE = ((3, 3), (3, 3), (0, 0))  # white around each photograph


class Tower(nn.Module):
    """What a siamese net makes of one picture: 32 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 7 * 7, 32)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Siamese(nn.Module):
    """How far apart two pictures are: one tower sees both (Bromley et al. 1993)."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = Tower()

    def forward(self, a: tg.Tensor, b: tg.Tensor) -> tg.Tensor:
        return ((self.tower(a) - self.tower(b)) ** 2).sum(1).sqrt()


def _lenet(**options: object) -> graph.Drawing:
    """LeNet-5 and its loss on 64 photographs of clothes."""
    tg.manual_seed(0)
    model, data = models.LeNet5(), FashionMNIST(train=False)
    images = tg.stack([data[i][0] for i in range(64)])
    labels = tg.tensor([int(data[i][1]) for i in range(64)])
    with graph.watched():
        scores = model(images)
        loss = F.cross_entropy(scores, labels)
    end = scores if options.pop("scores", False) else loss
    names = {"images": images, **({} if end is scores else {"loss": loss})}
    return graph.draw(end, module=model, names=names, **options)


def _vgg11(**options: object) -> graph.Drawing:
    return models.vgg11().eval().graph(tg.zeros(1, 3, 32, 32), **options)


def _resnet18(**options: object) -> graph.Drawing:
    return models.resnet18().graph(tg.zeros(1, 3, 64, 64), **options)


def _block(**options: object) -> graph.Drawing:
    """The block of ResNet-18 that halves the size and doubles the channels."""
    return models.resnet18().layer2[0].graph(tg.zeros(1, 64, 56, 56), **options)


def _unet(**options: object) -> graph.Drawing:
    return models.UNet(3, 2, width=16, depth=3).eval().graph(tg.zeros(1, 3, 64, 64), **options)


def _siamese(**options: object) -> graph.Drawing:
    model, a, b = Siamese(), tg.zeros(8, 1, 28, 28), tg.ones(8, 1, 28, 28)
    y = model(a, b)
    return graph.draw(y, module=model, names={"a": a, "b": b, "distance": y}, **options)


class Attention(nn.Module):
    """Scaled dot products of one head, with a residual (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        h = self.norm(x)
        q, k, v = self.query(h), self.key(h), self.value(h)
        scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        return x + self.out(scores @ v)


def _attention(**options: object) -> graph.Drawing:
    return Attention().graph(tg.zeros(2, 5, 16), **options)


def heat() -> Image.Image:
    """Photographs of clothes, and what a network that was trained for seconds looks at in each."""
    tg.manual_seed(0)
    data, model = FashionMNIST(train=True), models.LeNet5()
    loader = DataLoader(data, batch_size=64, shuffle=True)
    optimizer = optim.Adam(model.parameters(), lr=2e-3)
    training.fit(model, loader, F.cross_entropy, optimizer, epochs=5, progress=False)
    unseen, rows = FashionMNIST(train=False), []
    for at in (0, 1, 5, 8):
        x = unseen[at][0][None]
        maps = [
            vision.saliency(model, x),
            vision.grad_cam(model, x, layer=model.conv2),
            vision.occlusion(model, x, size=5),
        ]
        tiles = [vision.overlay(x[0], np.zeros((1, 1))), *(vision.overlay(x[0], each[0]) for each in maps)]
        rows.append(
            np.hstack([np.pad(tile.repeat(4, 0).repeat(4, 1), _EDGE, constant_values=255) for tile in tiles])
        )
    return Image.fromarray(np.vstack(rows))


def _unet_loss(**options: object) -> graph.Drawing:
    model, x = models.UNet(3, 2, width=16, depth=3).eval(), tg.zeros(1, 3, 64, 64)
    loss = model(x).mean()
    return graph.draw(loss, module=model, names={"x": x, "loss": loss}, **options)


#: File -> what it shows.
PICTURES: dict[str, Callable[[], graph.Drawing]] = {
    "lenet": lambda: _lenet(scores=True),
    "lenet-wide": lambda: _lenet(scores=True, depth=1, direction="LR"),
    "lenet-backward": lambda: _lenet(passes="backward"),
    "lenet-both": lambda: _lenet(passes="both"),
    "lenet-memory": lambda: _lenet(overlay="memory"),
    "lenet-gradients": lambda: _lenet(overlay="gradients"),
    "lenet-activations": lambda: _lenet(scores=True, overlay="activations"),
    "vgg11": lambda: _vgg11(depth=2),
    "resnet18": lambda: _resnet18(depth=2, repeats=True),
    "resnet18-block": _block,
    "unet": lambda: _unet(depth=1, direction="U"),
    "unet-both": lambda: _unet_loss(depth=1, passes="both"),
    "siamese": _siamese,
    "siamese-folded": lambda: _siamese(depth=1),
    "attention": _attention,
}


def dot(drawing: graph.Drawing) -> str:
    """What Graphviz is given: hovering, which quotes the sources, is left out."""
    return re.sub(r' ?tooltip="(?:[^"\\]|\\.)*"', "", drawing.dot)


def svg(drawing: graph.Drawing) -> str:
    """The picture, without what nobody can see."""
    text = graph.Drawing(dot(drawing), files=drawing.files).svg()
    text = re.sub(r"<title>.*?</title>\n", "", text, flags=re.S)
    return re.sub(r'(<g) id="[^"]*" class="(?:node|edge|cluster)"', r"\1", text)


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        made = draw()
        (HERE / f"{name}.dot").write_text(dot(made), encoding="utf-8")
        (HERE / f"{name}.svg").write_text(svg(made), encoding="utf-8")
    heat().save(HERE / "heat.webp", quality=85, method=6)

"""Draw the graphs that README and docs show: python docs/figures/make_graphs.py."""

from __future__ import annotations

from pathlib import Path

import tinygrad_cnn as tg
from tinygrad_cnn import graph, nn
from tinygrad_cnn.nn import functional as F


class LeNet(nn.Module):
    """LeCun et al. 1998, with the activations and pooling of today."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))


if __name__ == "__main__":
    here = Path(__file__).parent
    model = LeNet()
    graph.render(model(tg.zeros(64, 1, 28, 28)), here / "lenet.svg")

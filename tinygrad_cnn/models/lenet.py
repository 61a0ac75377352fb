"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition")."""

from __future__ import annotations

from .. import nn
from ..nn import functional as F
from ..tensor import Tensor

__all__ = ["LeNet5"]


class LeNet5(nn.Module):
    """Two convolutions and three dense layers for images (n, in_channels, 28, 28): 61,706 parameters.

    With ReLU and max pooling, as it is taught today, in the place of 1998's sigmoids and subsampling.

    >>> import tinygrad_cnn as tg
    >>> LeNet5()(tg.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc3(F.relu(self.fc2(x)))

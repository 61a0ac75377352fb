"""U-Net: down to see what, up again to say where (Ronneberger et al. 2015, arXiv:1505.04597)."""

from __future__ import annotations

from itertools import pairwise

from .. import nn
from ..creation import cat
from ..nn import functional as F
from ..tensor import Tensor

__all__ = ["UNet"]


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each normalized."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class UNet(nn.Module):
    """Scores of every class for every pixel: (n, in_channels, h, w) -> (n, num_classes, h, w).

    Unlike the paper's, its convolutions are padded and normalized, so that the output is of the input's size.

    Args:
        num_classes: classes of pixels; 1 for a mask with `BCEWithLogitsLoss`.
        width: channels of the first level; each level below has twice as many.
        depth: how often height and width are halved; both must be at least 2**depth, and need be no multiple.

    >>> import tinygrad_cnn as tg
    >>> UNet(1, 2, width=4, depth=2)(tg.zeros(1, 1, 13, 10)).shape
    (1, 2, 13, 10)
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 1, width: int = 64, depth: int = 4):
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        pairs = list(pairwise(widths))  # (narrow, wide) of neighbouring levels
        self.down = nn.ModuleList([_double(in_channels, width), *(_double(a, b) for a, b in pairs)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(pairs)])
        self.merge = nn.ModuleList([_double(b, a) for a, b in reversed(pairs)])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for block in self.down:
            x = block(F.max_pool2d(x, 2) if levels else x)
            levels.append(x)
        levels.pop()
        for up, block in zip(self.up, self.merge, strict=True):
            beside, x = levels.pop(), up(x)
            missing = (0, beside.shape[3] - x.shape[3], 0, beside.shape[2] - x.shape[2])
            x = F.pad(x, missing) if any(missing) else x  # where halves were odd
            x = block(cat([beside, x], 1))
        return self.head(x)

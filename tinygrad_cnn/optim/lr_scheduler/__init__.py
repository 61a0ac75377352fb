"""Learning-rate schedules: each changes `lr` in the optimizer's groups, once per `step()`.

Like PyTorch's, they start from the rate they find: most multiply it by a factor, `_factor()`, on reaching
`last_epoch`, so that two of them may be stepped one after the other.  Call `optimizer.step()` first,
`scheduler.step()` after it.

To go on from a checkpoint: make the optimizer, then the schedule, then load both their state dicts.
(Making a schedule sets the first rate, which would overwrite one that had been loaded before.)
"""

from __future__ import annotations

from .base import LRScheduler
from .composed import ChainedScheduler, SequentialLR
from .cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from .cycles import CyclicLR, OneCycleLR
from .factors import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau

_LRScheduler = LRScheduler  # its older name, which many programs derive from

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

"""The rate falls when learning does not get on."""

from __future__ import annotations

import math
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, is_integer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(LRScheduler):
    """Times factor when a loss or a score has not improved for more than `patience` epochs.

    Args:
        optimizer: whose groups are changed.
        mode: "min" if less is better, "max" if more is.
        factor: of a change, below 1.
        patience: so many epochs may bring nothing.
        threshold: what counts as an improvement on the best so far.
        threshold_mode: "rel" for a part of the best, "abs" for a number.
        cooldown: epochs after a change that do not count.
        min_lr: how far down, or a list with one for each group.
        eps: smaller changes are not made.

    `step(metrics)` wants the loss or score of the epoch, a number or a Tensor of one; nan is no improvement.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0, 1.0):
    ...     optimizer.step()
    ...     scheduler.step(loss)
    ...     print(scheduler.get_last_lr(), end=" ")
    [1.0] [1.0] [1.0] [0.5] [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ):
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self._require(mode in ("min", "max"), "mode", mode, "'min' or 'max'")
        self._require(threshold_mode in ("rel", "abs"), "threshold_mode", threshold_mode, "'rel' or 'abs'")
        for option, value in (("patience", patience), ("cooldown", cooldown)):
            self._require(is_integer(value) and value >= 0, option, value, "an integer of 0 or more")
        self.optimizer = optimizer
        self.mode, self.threshold_mode = mode, threshold_mode
        self.factor = self._number("factor", factor, high=math.nextafter(1.0, 0.0))
        self.patience, self.cooldown = int(patience), int(cooldown)
        self.threshold, self.eps = self._number("threshold", threshold, -math.inf), self._number("eps", eps)
        self.min_lrs = [self._number("min_lr", lr) for lr in self._per_group("min_lr", min_lr)]
        self.default_min_lr = None if isinstance(min_lr, (list, tuple)) else self.min_lrs[0]
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch = 0
        self._last_lr = self._rates()
        self.best = self.mode_worse
        self.cooldown_counter = self.num_bad_epochs = 0

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Look whether the loss or score of this epoch is better, and lower the rate if it is time."""
        try:
            current = float(metrics)
        except (TypeError, ValueError):
            raise ArgumentError(
                f"ReduceLROnPlateau: metrics is {metrics!r:.60}; pass the loss or score of the "
                "epoch, one number"
            ) from None
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._rates()

    @property
    def in_cooldown(self) -> bool:
        """Whether a change was made so lately that bad epochs do not count."""
        return self.cooldown_counter > 0

    def _is_better(self, current: float) -> bool:
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1.0)
        if self.threshold_mode == "rel" and math.isinf(self.best):
            margin = 0.0
        return current < self.best - margin if self.mode == "min" else current > self.best + margin

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if self.default_min_lr is not None:
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self._per_group("min_lr", self.min_lrs), strict=True):
            lr = max(group["lr"] * self.factor, least)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

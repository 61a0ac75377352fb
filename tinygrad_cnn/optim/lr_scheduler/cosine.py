"""Half cosine waves."""

from __future__ import annotations

import math

from ..optimizer import Optimizer
from .base import LRScheduler

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave down to eta_min in T_max epochs, and up again in the next T_max: Loshchilov and
    Hutter (2016), "SGDR: stochastic gradient descent with warm restarts", https://arxiv.org/abs/1608.03983.

        lr = eta_min + (initial_lr - eta_min) (1 + cos(pi epoch / T_max)) / 2

    As in PyTorch the rate is found from the one before, which is the same unless something else changes it.

    Args:
        optimizer: whose groups are changed.
        T_max: epochs to the bottom.
        eta_min: the rate there.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = CosineAnnealingLR(optimizer, T_max=2)
    >>> for _ in range(4):
    ...     print([round(lr, 3) for lr in scheduler.get_last_lr()], end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [0.5] [0.0] [0.5]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1):
        self.T_max = self._count("T_max", T_max)
        self.eta_min = self._number("eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        bases, lrs = self._per_group("base_lrs", self.base_lrs), self._rates()
        if self._is_initial:
            return lrs
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom no factor leads up
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(lrs, bases, strict=True)]
        now, before = (
            1 + math.cos(math.pi * epoch / self.T_max) for epoch in (self.last_epoch, self.last_epoch - 1)
        )
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine wave down in T_0 epochs, back to the top, down in T_mult times as many, and so on:
    Loshchilov and Hutter (2016), "SGDR: stochastic gradient descent with warm restarts",
    https://arxiv.org/abs/1608.03983.

        lr = eta_min + (initial_lr - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    Args:
        optimizer: whose groups are changed.
        T_0: epochs of the first descent.
        T_mult: how many times as long the next one is.
        eta_min: the rate at the bottom.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> for _ in range(4):
    ...     print([round(lr, 3) for lr in scheduler.get_last_lr()], end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [0.5] [1.0] [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ):
        self.T_0 = self.T_i = self._count("T_0", T_0)
        self.T_mult = self._count("T_mult", T_mult)
        self.eta_min = self._number("eta_min", eta_min)
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to any: 2.5 is in the middle of the third."""
        if epoch is None:
            return super().step()
        self.T_cur, self.T_i = self._number("epoch", epoch), self.T_0
        if self.T_mult == 1:
            self.T_cur %= self.T_i
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self._set_rates()

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        bases = self._per_group("base_lrs", self.base_lrs)
        return [self.eta_min + (base - self.eta_min) * height for base in bases]

    def _advance(self) -> None:
        if self.last_epoch < 0:
            self.T_cur, self.T_i = 0, self.T_0
        else:
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        super()._advance()

"""Rates that are multiplied by a factor from epoch to epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

from ...tensor import Tensor
from ..optimizer import Optimizer
from .base import LRScheduler, is_function, is_integer

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]


class _Functions(LRScheduler):
    """Schedules by a function of the user's."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.optimizer = optimizer
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self.lr_lambdas: list[Callable[[int], float]] = self._per_group("lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            self._require(
                callable(function), "lr_lambda", function, "a function of the epoch, or one for each group"
            )
        super().__init__(optimizer, last_epoch)

    def _times(self, rates: list[float]) -> list[float]:
        functions = self._per_group("lr_lambda", self.lr_lambdas)
        factors = [f(self.last_epoch) for f in functions]
        for factor in factors:
            what = f"what lr_lambda({self.last_epoch}) returned"
            self._require(isinstance(factor, (Real, Tensor)), what, factor, "a number; is a return missing?")
        return [rate * factor for rate, factor in zip(rates, factors, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        attributes = [None if is_function(f) else dict(f.__dict__) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for f, attributes in zip(functions, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                f.__dict__.update(attributes)


class LambdaLR(_Functions):
    """The first rate times a function of the epoch: lr = initial_lr f(epoch).

    Args:
        optimizer: whose groups are changed.
        lr_lambda: the function, or a list with one for each group.
        last_epoch: as in LRScheduler.

    State: functions are not saved; the attributes of callable objects are.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> LambdaLR(optimizer, lambda epoch: 1 / (epoch + 4)).get_last_lr()
    [0.25]
    """

    def get_lr(self) -> list[float]:
        return self._times(self.base_lrs)


class MultiplicativeLR(_Functions):
    """The present rate times a function of the epoch: lr = lr f(epoch), from epoch 1 on.

    Args:
        optimizer: whose groups are changed.
        lr_lambda: the function, or a list with one for each group.
        last_epoch: as in LRScheduler.

    State: functions are not saved; the attributes of callable objects are.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=6.0)
    >>> scheduler = MultiplicativeLR(optimizer, lambda epoch: 1 / epoch)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [6.0] [6.0] [3.0] [1.0]
    """

    def get_lr(self) -> list[float]:
        return self._rates() if self._is_initial else self._times(self._rates())

    def _restart(self) -> None:
        self.last_epoch = -1
        self._advance()  # from where the rates are


class StepLR(LRScheduler):
    """Times gamma every step_size epochs.

    Args:
        optimizer: whose groups are changed.
        step_size: epochs between two changes.
        gamma: factor of a change.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [1.0] [0.5] [0.5]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1):
        self.step_size = self._count("step_size", step_size)
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else 1.0


class MultiStepLR(LRScheduler):
    """Times gamma at each milestone; a milestone named twice counts twice, milestone 0 at once.

    Args:
        optimizer: whose groups are changed.
        milestones: the epochs, in any order.
        gamma: factor of a change.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = MultiStepLR(optimizer, milestones=[1, 3, 3], gamma=0.5)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [0.5] [0.5] [0.125]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ):
        epochs = list(milestones) if isinstance(milestones, Iterable) else [milestones]
        self._require(all(map(is_integer, epochs)), "milestones", milestones, "a list of integers")
        self.milestones = Counter(map(int, epochs))
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma ** self.milestones.get(self.last_epoch, 0)


class ConstantLR(LRScheduler):
    """Times factor during the first total_iters epochs, then the full rate.

    Args:
        optimizer: whose groups are changed.
        factor: above 0, at most 1.
        total_iters: how long.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5] [0.5] [1.0] [1.0]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ):
        self.factor = self._number("factor", factor, high=1.0)
        self._require(self.factor > 0, "factor", factor, "above 0, or the rate could never come back")
        self.total_iters = self._count("total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else 1.0


class LinearLR(LRScheduler):
    """A straight line from start_factor to end_factor times the rate, in total_iters epochs: a warm-up.

    Args:
        optimizer: whose groups are changed.
        start_factor: above 0, at most 1.
        end_factor: from 0 to 1.
        total_iters: how long.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5] [0.75] [1.0] [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.start_factor = self._number("start_factor", start_factor, high=1.0)
        self._require(
            self.start_factor > 0, "start_factor", start_factor, "above 0, or the rate would stay 0"
        )
        self.end_factor = self._number("end_factor", end_factor, high=1.0)
        self.total_iters = self._count("total_iters", total_iters)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor
        return 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)


class ExponentialLR(LRScheduler):
    """Times gamma in every epoch.

    Args:
        optimizer: whose groups are changed.
        gamma: the factor.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1.0 if self._is_initial else self.gamma


class PolynomialLR(LRScheduler):
    """Down to 0 in total_iters epochs along a power: lr = initial_lr (1 - epoch / total_iters)^power.

    Args:
        optimizer: whose groups are changed.
        total_iters: how long.
        power: 1 for a straight line.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=8.0)
    >>> scheduler = PolynomialLR(optimizer, total_iters=2, power=3)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [8.0] [1.0] [0.0] [0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1):
        self.total_iters = self._count("total_iters", total_iters)
        self.power = self._number("power", power)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        now, before = (1 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return (now / before) ** self.power

"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...errors import ArgumentError, StateDictError
from ..optimizer import Optimizer
from .base import LRScheduler, is_integer
from .plateau import ReduceLROnPlateau

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        if not isinstance(schedulers, (list, tuple)) or not schedulers:
            raise ArgumentError(
                f"{self._name}: schedulers is {schedulers!r:.60}; pass a list of at least one"
            )
        for i, schedule in enumerate(schedulers):
            what = f"{self._name}: number {i} of the schedules"
            if not isinstance(schedule, LRScheduler):
                raise ArgumentError(f"{what} is a {type(schedule).__name__}, no schedule")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ArgumentError(
                    f"{what}, ReduceLROnPlateau, wants a loss in each step; step it by itself"
                )
            optimizer = schedule.optimizer if optimizer is None else optimizer
            if schedule.optimizer is not optimizer:
                raise ArgumentError(
                    f"{what}, {schedule._name}, changes another optimizer; all must change one"
                )
            if schedule in schedulers[:i]:
                raise ArgumentError(f"{what}, {schedule._name}, is there already; make one for each place")
        assert optimizer is not None
        self.optimizer = optimizer
        self._schedulers = list(schedulers)

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]
        """Of the first one."""
        return self._schedulers[0].base_lrs

    def _simple(self) -> Iterator[LRScheduler]:
        for schedule in self._schedulers:
            yield from schedule._simple()

    def state_dict(self) -> dict[str, Any]:
        parts = [schedule.state_dict() for schedule in self._schedulers]
        return {**super().state_dict(), "_schedulers": parts}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        schedulers = self._schedulers
        parts = list(state_dict.get("_schedulers", ()))
        if len(parts) != len(schedulers):
            raise StateDictError(
                f"{self._name}: the state dict holds {len(parts)} schedules, this one {len(schedulers)}; "
                "load it into the kind of schedule that saved it"
            )
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for schedule, part in zip(schedulers, parts, strict=True):
            schedule.load_state_dict(part)


class SequentialLR(_Composed):
    """One schedule after the other: the next takes over at each milestone, from its own first rate on.

    Args:
        optimizer: whose groups are changed.
        schedulers: made beforehand, on this optimizer.
        milestones: the epochs, one less than schedules, not falling.
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> warm, cool = LinearLR(optimizer, 0.5, total_iters=2), ExponentialLR(optimizer, 0.5)
    >>> scheduler = SequentialLR(optimizer, [warm, cool], milestones=[2])
    >>> for _ in range(5):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5] [0.75] [1.0] [0.5] [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ):
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self._take(schedulers, optimizer)
        epochs = list(milestones) if isinstance(milestones, (list, tuple)) else [None]
        self._require(
            all(map(is_integer, epochs)) and all(a <= b for a, b in pairwise(epochs)),
            "milestones", milestones, "a list of integers that do not fall",
        )  # fmt: skip
        if len(epochs) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: {len(epochs)} milestones for {len(schedulers)} schedules; there is one "
                "between any two"
            )
        self._milestones = epochs
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for schedule in self._simple():
            schedule.last_epoch -= 1
        self._initial_step()
        self.last_epoch = last_epoch + 1

    def step(self) -> None:
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        if i and self._milestones[i - 1] == self.last_epoch:
            self._schedulers[i]._restart()
        else:
            self._schedulers[i].step()
        self._last_lr = self._schedulers[i].get_last_lr()

    def _initial_step(self) -> None:
        self.last_epoch = 0
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()


class ChainedScheduler(_Composed):
    """All at once: each changes the rate that the others left.

    Args:
        schedulers: made beforehand, on one optimizer; those that multiply go together.
        optimizer: theirs.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = ChainedScheduler([ConstantLR(optimizer, 0.5, 2), ExponentialLR(optimizer, 0.5)])
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5] [0.25] [0.25] [0.125]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        self._take(schedulers, optimizer)
        self._last_lr = self._rates()

    def step(self) -> None:
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._rates()

    def _initial_step(self) -> None:
        for schedule in self._schedulers:
            schedule._initial_step()
        self._last_lr = self._rates()

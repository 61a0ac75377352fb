"""What all schedules share: the count of epochs, the rates, saving."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import ArgumentError, StateDictError
from ..optimizer import Optimizer, not_below_zero

__all__ = ["LRScheduler"]


#: what is not saved
MOMENTARY = ("optimizer", "_steps_before", "_is_initial", "_get_lr_called_within_step")


class LRScheduler:
    """Base of all schedules; a subclass defines `get_lr()`, the new rate of every group.

    Attributes:
        optimizer: whose groups are changed.
        last_epoch: how many steps were made; 0 after construction.
        base_lrs: the rates before the schedule began, which groups keep as "initial_lr".

    Args:
        optimizer: whose groups are changed.
        last_epoch: -1 to begin; another number goes on behind it, with the rates found in the groups.

    Raises:
        ArgumentError: no Optimizer; a `last_epoch` though no schedule has run on these groups; in any step, a
            rate that is negative or not finite.

    >>> import tinygrad_cnn as tg
    >>> class Halving(LRScheduler):
    ...     def get_lr(self):
    ...         return [base * 0.5**self.last_epoch for base in self.base_lrs]
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=8.0)
    >>> scheduler = Halving(optimizer)
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> optimizer.param_groups[0]["lr"]
    1.0
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise ArgumentError(
                f"{self._name}: {type(optimizer).__name__} is no Optimizer; pass the optimizer first"
            )
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ArgumentError(
                    f"{self._name}: last_epoch={last_epoch}, but no schedule has run on this optimizer; load "
                    "its state dict first, or leave last_epoch at -1"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._steps_before = optimizer.steps
        self._initial_step()

    def step(self) -> None:
        """Go on to the next rate; call it after `optimizer.step()`, or the first rate would never be used."""
        optimizer = self.optimizer
        counts = type(optimizer).step is Optimizer.step
        if self._step_count == 1 and counts and optimizer.steps == self._steps_before:
            warnings.warn(
                f"{self._name}: scheduler.step() before optimizer.step() skips the first learning rate; "
                "call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self._advance()

    def get_last_lr(self) -> list[float]:
        """The rates now in use, one per group."""
        return list(self._last_lr)

    def get_lr(self) -> list[float]:
        """The rates at `last_epoch`, one per group; here the present ones times `_factor()`."""
        factor = self._factor()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Numbers and lists: everything but the optimizer."""
        return {
            name: value.copy() if isinstance(value, (list, dict)) else value
            for name, value in self.__dict__.items()
            if name not in MOMENTARY
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`, or PyTorch's; the rates themselves come with the optimizer's.

        Raises:
            StateDictError: something is missing, as in the state dict of another schedule.
        """
        if not isinstance(state_dict, Mapping):
            raise StateDictError(
                f"{self._name}: {state_dict!r:.40} is no state dict; pass what state_dict() returned"
            )
        missing = sorted(self.state_dict().keys() - state_dict.keys())
        if missing:
            raise StateDictError(
                f"{self._name}: the state dict lacks {', '.join(missing)}; load it into the kind of schedule "
                "that saved it"
            )
        self.__dict__.update({name: value for name, value in state_dict.items() if name not in MOMENTARY})

    # --- for subclasses ------------------------------------------------------------------------------

    def _factor(self) -> float:
        raise NotImplementedError(f"{self._name} does not say the next rates; define get_lr()")

    def _initial_step(self) -> None:
        """What construction does: set the first rate."""
        self._step_count = 1
        self._is_initial = True
        self._advance()
        self._is_initial = False

    def _restart(self) -> None:
        """Epoch 0 again, from the first rates, whatever they are now."""
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base
        for schedule in self._simple():
            schedule.last_epoch = -1
        self._initial_step()

    def _simple(self) -> Iterator[LRScheduler]:
        """The schedules that this one is made of."""
        yield self

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set_rates()

    def _set_rates(self) -> None:
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = self._number(f"the rate at epoch {self.last_epoch}", not_below_zero(lr))
        self._last_lr = self._rates()

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _per_group(self, what: str, values: Any) -> list[Any]:
        """One value for each group; a single one is for all."""
        groups = self.optimizer.param_groups
        values = list(values) if isinstance(values, (list, tuple)) else [values] * len(groups)
        if len(values) != len(groups):
            raise ArgumentError(
                f"{self._name}: {len(values)} values of {what} for {len(groups)} parameter groups; give one "
                "for each, and make the schedule after add_param_group()"
            )
        return values

    def _require(self, condition: bool, option: str, value: Any, wanted: str) -> None:
        if not condition:
            raise ArgumentError(f"{self._name}: {option} is {value!r}; it must be {wanted}")

    def _count(self, option: str, value: Any) -> int:
        self._require(is_integer(value) and value >= 1, option, value, "a positive integer")
        return int(value)

    def _number(self, option: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
        wanted = (
            f"a number from {low:g} to {high:g}"
            if math.isfinite(high)
            else f"a finite number of {low:g} or more"
        )
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        self._require(low <= number <= high and math.isfinite(number), option, value, wanted)
        return number

    @property
    def _name(self) -> str:
        return type(self).__name__


def is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def is_function(f: Any) -> bool:
    """Whether there is nothing about it that could be saved."""
    return type(f).__name__ == "function" or not hasattr(f, "__dict__")

"""Learning-rate schedules: each changes `lr` in the optimizer's groups, once per `step()`.

Like PyTorch's, they start from the rate they find: most multiply it by a factor, `_factor()`, on reaching
`last_epoch`, so that two of them may be stepped one after the other.  Call `optimizer.step()` first,
`scheduler.step()` after it.

To go on from a checkpoint: make the optimizer, then the schedule, then load both their state dicts.
(Making a schedule sets the first rate, which would overwrite one that had been loaded before.)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import ArgumentError, StateDictError
from .optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "StepLR",
]


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
        self._is_initial = True
        self._advance()
        self._is_initial = False

    def step(self) -> None:
        """Go on to the next rate; call it after `optimizer.step()`, or the first rate would never be used."""
        optimizer = self.optimizer
        counts = type(optimizer).step is Optimizer.step
        if self.last_epoch == 0 and counts and optimizer.steps == self._steps_before:
            warnings.warn(
                f"{self._name}: scheduler.step() before optimizer.step() skips the first learning rate; "
                "call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
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
        private = ("optimizer", "_steps_before", "_is_initial")
        return {
            name: list(value) if isinstance(value, list) else value
            for name, value in self.__dict__.items()
            if name not in private
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict()`; the rates themselves come with the optimizer's.

        Raises:
            StateDictError: something is missing, as in the state dict of another schedule.
        """
        missing = sorted(self.state_dict().keys() - state_dict.keys())
        if missing:
            raise StateDictError(
                f"{self._name}: the state dict lacks {', '.join(missing)}; load it into the kind of schedule "
                "that saved it"
            )
        self.__dict__.update(state_dict)

    # --- for subclasses ------------------------------------------------------------------------------

    def _factor(self) -> float:
        raise NotImplementedError(f"{self._name} does not say the next rates; define get_lr()")

    def _advance(self) -> None:
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = self._number(f"the rate at epoch {self.last_epoch}", lr)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

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
        self._require(_is_integer(value) and value >= 1, option, value, "a positive integer")
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


class LambdaLR(LRScheduler):
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

    def __init__(self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1):
        self.optimizer = optimizer
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self.lr_lambdas: list[Callable[[int], float]] = self._per_group("lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            self._require(
                callable(function), "lr_lambda", function, "a function of the epoch, or one for each group"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        functions = self._per_group("lr_lambda", self.lr_lambdas)
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, functions, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        attributes = [None if _is_function(f) else dict(f.__dict__) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": attributes}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for f, attributes in zip(functions, state_dict["lr_lambdas"], strict=True):
            if attributes is not None:
                f.__dict__.update(attributes)


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
        self.milestones = list(milestones) if isinstance(milestones, Iterable) else [milestones]
        self._require(all(map(_is_integer, self.milestones)), "milestones", milestones, "a list of integers")
        self.milestones = sorted(map(int, self.milestones))
        self.gamma = self._number("gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma ** self.milestones.count(self.last_epoch)


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
        factor = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return max(0.0, factor)  # rounding may put an end of 0 just below it


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
        bases, lrs = (
            self._per_group("base_lrs", self.base_lrs),
            [g["lr"] for g in self.optimizer.param_groups],
        )
        if self._is_initial:
            return lrs
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom no factor leads up
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(lrs, bases, strict=True)]
        now, before = (
            1 + math.cos(math.pi * epoch / self.T_max) for epoch in (self.last_epoch, self.last_epoch - 1)
        )
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in lrs]


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down to almost nothing, stepped after every *batch*;
    momentum (or beta1) goes the other way: Smith and Topin (2017), "Super-convergence: very fast training of
    neural networks using large learning rates", https://arxiv.org/abs/1708.07120.

    Args:
        optimizer: whose groups are changed.
        max_lr: the top, or a list with one for each group.
        total_steps: how many steps; or give `epochs` and `steps_per_epoch`.
        pct_start: the part of them that goes up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether momentum goes from max_momentum to base_momentum and back.
        base_momentum, max_momentum: its bounds, or lists.
        div_factor: max_lr / first rate.
        final_div_factor: first rate / last rate.
        three_phase: down to the first rate as slowly as up, and to the last one in the rest.
        last_epoch: as in LRScheduler.

    The step after the last batch stays at the last rate, where PyTorch's goes on beyond it, with "linear" to
    a negative one; in a rise of a single step, where PyTorch divides by zero, the top is reached at once.

    Raises:
        ArgumentError: options that make no sense; a step beyond total_steps.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], momentum=0.9)
    >>> scheduler = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear")
    >>> for _ in range(5):
    ...     print([round(lr, 3) for lr in scheduler.get_last_lr()], end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.04] [0.52] [1.0] [0.5] [0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self.optimizer = optimizer
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ArgumentError(
                    "OneCycleLR: how long is the cycle? give total_steps, or epochs and steps_per_epoch"
                )
            total_steps = self._count("epochs", epochs) * self._count("steps_per_epoch", steps_per_epoch)
        self.total_steps = self._count("total_steps", total_steps)
        self.pct_start = self._number("pct_start", pct_start, high=1.0)
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        self.anneal_strategy = anneal_strategy
        self.three_phase = bool(three_phase)
        self.cycle_momentum = bool(cycle_momentum)
        for name, divisor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            self._require(self._number(name, divisor) > 0, name, divisor, "above 0")
        bounds = {"max_lr": self._per_group("max_lr", max_lr)}
        if self.cycle_momentum:
            self._require(
                any(name in optimizer.defaults for name in ("momentum", "betas")),
                "cycle_momentum",
                True,
                f"False, as {type(optimizer).__name__} has neither momentum nor betas",
            )
            bounds |= {
                "max_momentum": self._per_group("max_momentum", max_momentum),
                "base_momentum": self._per_group("base_momentum", base_momentum),
            }
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                high = {name: 1.0 if name.endswith("momentum") else math.inf for name in bounds}
                group |= {
                    name: self._number(name, values[i], high=high[name]) for name, values in bounds.items()
                }
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
            elif not group.keys() >= {*bounds, "min_lr"}:
                raise ArgumentError(
                    f"OneCycleLR: last_epoch={last_epoch}, but no OneCycleLR has run on this optimizer; load "
                    "its state dict first, or leave last_epoch at -1"
                )
        super().__init__(optimizer, last_epoch)

    def step(self) -> None:
        if self.last_epoch >= self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: all {self.total_steps} steps of the cycle are done; make it longer "
                "(total_steps), or stop stepping it"
            )
        super().step()

    def get_lr(self) -> list[float]:
        phase = self._phase()
        return [self._between(group, *phase[:3]) for group in self.optimizer.param_groups]

    def _advance(self) -> None:
        super()._advance()
        if self.cycle_momentum:
            portion, _, _, start, end = self._phase()
            for group in self.optimizer.param_groups:
                momentum = self._between(group, portion, start, end)
                if "betas" in group:
                    group["betas"] = (momentum, group["betas"][1])
                else:
                    group["momentum"] = momentum

    def _phase(self) -> tuple[float, str, str, str, str]:
        """How far in which phase: the portion done; lr from, to; momentum from, to (names in the group)."""
        top, last = self.pct_start * self.total_steps - 1, self.total_steps - 1
        if self.three_phase:
            phases = [
                (top, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                (last, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            phases = [
                (top, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                (last, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        begin = 0.0
        while len(phases) > 1 and self.last_epoch > phases[0][0]:
            begin = phases.pop(0)[0]
        end, *names = phases[0]
        portion = min(1.0, (self.last_epoch - begin) / (end - begin)) if end != begin else 1.0
        return (portion, *names)  # type: ignore[return-value]

    def _between(self, group: dict[str, Any], portion: float, start: str, end: str) -> float:
        a, b = group[start], group[end]
        if self.anneal_strategy == "linear":
            return (b - a) * portion + a
        return b + (a - b) / 2.0 * (math.cos(math.pi * portion) + 1)


def _is_integer(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _is_function(f: Any) -> bool:
    """Whether there is nothing about it that could be saved."""
    return type(f).__name__ == "function" or not hasattr(f, "__dict__")

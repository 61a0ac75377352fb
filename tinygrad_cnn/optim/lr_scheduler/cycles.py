"""Rates that rise and fall, stepped after every batch; momentum goes the other way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ArgumentError
from ..optimizer import Optimizer
from .base import LRScheduler, is_function

__all__ = ["CyclicLR", "OneCycleLR"]

PHASE = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")


class _Cycle(LRScheduler):
    """Moves momentum, or beta1, together with the rate."""

    cycle_momentum: bool

    def _begin_momentum(self, cycle_momentum: bool) -> None:
        self.cycle_momentum = bool(cycle_momentum)
        if self.cycle_momentum:
            defaults = self.optimizer.defaults
            self._require(
                "momentum" in defaults or "betas" in defaults,
                "cycle_momentum",
                True,
                f"False, as {type(self.optimizer).__name__} has neither momentum nor betas",
            )
            self.use_beta1 = "betas" in defaults

    def _momenta(self) -> list[float]:
        """Momentum at `last_epoch`, one for each group."""
        raise NotImplementedError

    def _set_rates(self) -> None:
        super()._set_rates()
        if self.cycle_momentum:
            for group, momentum in zip(self.optimizer.param_groups, self._momenta(), strict=True):
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


class OneCycleLR(_Cycle):
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
        top = self._number("pct_start", pct_start, high=1.0) * self.total_steps - 1
        phases: list[tuple[Any, ...]] = [
            (top, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
            (2 * top, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (self.total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]
        if not three_phase:
            phases[1:] = [(self.total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        self._schedule_phases = [dict(zip(PHASE, phase, strict=True)) for phase in phases]
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        self._anneal_func_type = anneal_strategy
        self._begin_momentum(cycle_momentum)
        for name, divisor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            self._require(self._number(name, divisor) > 0, name, divisor, "above 0")
        bounds = {"max_lr": self._per_group("max_lr", max_lr)}
        if self.cycle_momentum:
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
        return self._between("start_lr", "end_lr")

    def _momenta(self) -> list[float]:
        return self._between("start_momentum", "end_momentum")

    def _between(self, start: str, end: str) -> list[float]:
        """Where every group is between two ends of the present phase."""
        begin = 0.0
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"]:
                break
            if phase is not self._schedule_phases[-1]:
                begin = phase["end_step"]
        whole = phase["end_step"] - begin
        portion = min(1.0, (self.last_epoch - begin) / whole) if whole else 1.0
        linear, height = self._anneal_func_type == "linear", (math.cos(math.pi * portion) + 1) / 2
        ends = [(group[phase[start]], group[phase[end]]) for group in self.optimizer.param_groups]
        return [(b - a) * portion + a if linear else b + (a - b) * height for a, b in ends]


class CyclicLR(_Cycle):
    """Up and down between base_lr and max_lr, again and again, stepped after every *batch*; momentum (or
    beta1) goes the other way: Smith (2015), "Cyclical learning rates for training neural networks",
    https://arxiv.org/abs/1506.01186.

        lr = base_lr + (max_lr - base_lr) x s      where x goes from 0 to 1 and back, and s is
        "triangular": 1;  "triangular2": 1/2^(cycle - 1);  "exp_range": gamma^step

    Args:
        optimizer: whose groups are changed.
        base_lr, max_lr: the bounds, or lists with one for each group.
        step_size_up: steps from the bottom to the top.
        step_size_down: and back; the same if None.
        mode: s, see above.
        gamma: of "exp_range".
        scale_fn: s as a function of the cycle (1, 2, ...) or of the step, instead of a mode.
        scale_mode: which: "cycle" or "iterations".
        cycle_momentum: whether momentum goes from max_momentum to base_momentum and back.
        base_momentum, max_momentum: its bounds, or lists.
        last_epoch: as in LRScheduler.

    State: a function is not saved; the attributes of a callable object are.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], momentum=0.9)
    >>> scheduler = CyclicLR(optimizer, base_lr=0.0, max_lr=1.0, step_size_up=2, mode="triangular2")
    >>> for _ in range(8):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [0.0] [0.5] [1.0] [0.5] [0.0] [0.25] [0.5] [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ):
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self.optimizer = optimizer
        base_lrs = self._numbers("base_lr", base_lr)
        self.max_lrs = self._numbers("max_lr", max_lr)
        up = self._number("step_size_up", step_size_up)
        self._require(up > 0, "step_size_up", step_size_up, "above 0")
        down = up if step_size_down is None else self._number("step_size_down", step_size_down)
        self.total_size, self.step_ratio = up + down, up / (up + down)
        modes = ("triangular", "triangular2", "exp_range")
        self._require(
            scale_fn is not None or mode in modes,
            "mode",
            mode,
            f"one of {', '.join(modes)}, or give scale_fn",
        )
        self._require(
            scale_mode in ("cycle", "iterations"), "scale_mode", scale_mode, "'cycle' or 'iterations'"
        )
        self.mode, self.gamma = mode, self._number("gamma", gamma)
        self._scale_fn_custom = scale_fn
        if scale_fn is None:
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_mode = scale_mode
        self._begin_momentum(cycle_momentum)
        if self.cycle_momentum:
            self.base_momentums = self._numbers("base_momentum", base_momentum, high=1.0)
            self.max_momentums = self._numbers("max_momentum", max_momentum, high=1.0)
        if last_epoch == -1:
            for i, group in enumerate(optimizer.param_groups):
                group["lr"] = base_lrs[i]
                if self.cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = (
                        self.max_momentums[i], self.base_momentums[i],
                    )  # fmt: skip
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The part of the height that is used in cycle, or step, `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return 0.5 ** (x - 1) if self.mode == "triangular2" else 1.0

    def get_lr(self) -> list[float]:
        height = self._height()
        bounds = zip(self._per_group("base_lr", self.base_lrs), self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in bounds]

    def _momenta(self) -> list[float]:
        height = self._height()
        bounds = zip(self.base_momentums, self.max_momentums, strict=True)
        return [high - (high - low) * height for low, high in bounds]

    def _height(self) -> float:
        """0 at the bottom, 1 at the top, times the scale."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return height * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def _numbers(self, option: str, values: Any, high: float = math.inf) -> list[float]:
        return [self._number(option, value, high=high) for value in self._per_group(option, values)]

    def state_dict(self) -> dict[str, Any]:
        f = self._scale_fn_custom
        attributes = None if f is None or is_function(f) else dict(f.__dict__)
        return {**super().state_dict(), "_scale_fn_custom": attributes}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        f = self._scale_fn_custom
        super().load_state_dict(state_dict)
        self._scale_fn_custom = f
        if state_dict["_scale_fn_custom"] is not None:
            vars(f).update(state_dict["_scale_fn_custom"])

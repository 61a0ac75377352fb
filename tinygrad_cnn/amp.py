"""PyTorch's `amp` namespace: nothing is computed in half precision here, but losses can be scaled.

NumPy multiplies float16 slowly and has no bfloat16, so `autocast` changes nothing and says so.  `GradScaler`
is PyTorch's: on the CPU it scales, for a GPU that is not there it stands aside.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from contextlib import ContextDecorator
from typing import Any

import numpy as np

from .devices import cuda, importable, is_device
from .errors import ArgumentError, GraphError
from .op import is_tensor

__all__ = ["GradScaler", "autocast"]


class autocast(ContextDecorator):
    """A block, or a function, in which everything is computed in its own dtype, as outside of it.

    Args:
        device_type: "cpu"; for any other device PyTorch would stand aside, too.
        dtype, cache_enabled: change nothing.
        enabled: True warns that no other precision is to be had.

    >>> with autocast("cpu", enabled=False):
    ...     pass
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ):
        if not is_device(device_type):
            raise ArgumentError(f"autocast: device_type is {device_type!r:.40}; use 'cpu'")
        if enabled:
            warnings.warn(
                "autocast: there is no half precision here; everything is computed in its own dtype "
                "(enabled=False is the same without this warning)",
                UserWarning,
                stacklevel=2 if type(self) is autocast else 3,
            )

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class GradScaler:
    """Multiplies the loss, so that small gradients survive in float16, and divides the gradients again.

        scaler.scale(loss).backward()
        scaler.step(optimizer)      divides; leaves the step out where a gradient is inf or nan
        scaler.update()             less after such a step, more after `growth_interval` others

    Micikevicius et al. (2018), "Mixed precision training", https://arxiv.org/abs/1710.03740.

    Args:
        device: "cpu"; for any other the scaler warns and stands aside, as PyTorch's does where there is none.
        init_scale: the first factor.
        growth_factor, backoff_factor: by what it is multiplied when all goes well, and when not.
        growth_interval: how many steps in a row have to go well.
        enabled: False stands aside: nothing is scaled, every step is made.

    >>> import tinygrad_cnn as tg
    >>> w = tg.ones(1, requires_grad=True)
    >>> optimizer, scaler = tg.optim.SGD([w], lr=0.25), GradScaler("cpu")
    >>> scaler.scale((w * 2).sum()).backward()
    >>> w.grad
    tensor([131072.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w.detach(), w.grad
    (tensor([0.5000]), tensor([2.]))
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ):  # fmt: skip
        if not is_device(device):
            raise ArgumentError(f"GradScaler: device is {device!r:.40}; use 'cpu'")
        if enabled and device != "cpu":
            warnings.warn(
                f"GradScaler: there is no device {device}, so nothing is scaled; use GradScaler('cpu')",
                UserWarning,
                stacklevel=2 if type(self) is GradScaler else 3,
            )
            enabled = False
        if enabled and not (growth_factor > 1 > backoff_factor):
            raise ArgumentError(
                f"GradScaler: growth_factor={growth_factor!r}, backoff_factor={backoff_factor!r}; the first "
                "must be above 1, the second below"
            )
        self._enabled, self._scale, self._steps = enabled, float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # optimizer -> whether its gradients are finite, and whether its step was asked for
        self._seen: dict[Any, tuple[bool, bool]] = {}

    def scale(self, outputs: Any) -> Any:
        """outputs times the factor; a tensor, or several in lists and tuples."""
        if not self._enabled:
            return outputs
        if is_tensor(outputs):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            kind = outputs.__class__ if isinstance(outputs, (list, tuple)) else list
            return kind(self.scale(output) for output in outputs)
        raise ArgumentError(f"GradScaler.scale: {outputs!r:.40} is neither a tensor nor several of them")

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters, before they are clipped, say; once per step."""
        if not self._enabled:
            return
        if optimizer in self._seen:
            raise GraphError(
                "GradScaler.unscale_: the gradients of this optimizer have been divided already; "
                "call update() after each step"
            )
        finite = True
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    g = p.grad._writable()
                    g *= 1 / self._scale
                    finite = finite and bool(np.isfinite(g).all())
        self._seen[optimizer] = finite, False

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(...)` with divided gradients, or nothing where one of them is inf or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise ArgumentError("GradScaler.step: a closure would compute gradients that are not divided")
        if optimizer not in self._seen:
            self.unscale_(optimizer)
        finite, done = self._seen[optimizer]
        if done:
            raise GraphError("GradScaler.step: a second step of this optimizer; call update() after each one")
        self._seen[optimizer] = finite, True
        return optimizer.step(**kwargs) if finite else None

    def update(self, new_scale: float | None = None) -> None:
        """Choose the factor of the next step, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._seen:
            raise GraphError("GradScaler.update: there was no step since the last update; call step first")
        elif not all(finite for finite, _ in self._seen.values()):
            self._scale, self._steps = self._scale * self._backoff_factor, 0
        else:
            self._steps += 1
            if self._steps == self._growth_interval:
                grown = self._scale * self._growth_factor
                self._scale, self._steps = grown if math.isfinite(grown) else self._scale, 0
        self._seen.clear()

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """The factor; 1 where nothing is scaled."""
        return self._scale if self._enabled else 1.0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep; empty where nothing is scaled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()`."""
        if not self._enabled:
            return
        if missing := self.state_dict().keys() - state_dict.keys():
            raise ArgumentError(
                f"GradScaler.load_state_dict: {', '.join(sorted(missing))} is missing; was the scaler that "
                "made it enabled?"
            )
        self._scale, self._steps = float(state_dict["scale"]), state_dict["_growth_tracker"]
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]


class _ForCuda:
    """`cuda.amp`: the older spelling, for the device that is not there."""

    class autocast(autocast):
        """`autocast("cuda", ...)`"""

        def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True):
            super().__init__("cuda", dtype, enabled, cache_enabled)

    class GradScaler(GradScaler):
        """`GradScaler("cuda", ...)`"""

        def __init__(
            self, init_scale: float = 2.0**16, growth_factor: float = 2.0, backoff_factor: float = 0.5,
            growth_interval: int = 2000, enabled: bool = True,
        ):  # fmt: skip
            super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


cuda.amp = _ForCuda
importable("cuda.amp", _ForCuda)

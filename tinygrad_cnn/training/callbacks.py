"""What `fit` calls on its way: to stop early, to keep checkpoints, or whatever else a subclass does."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..serialization import save
from .history import smaller_is_better

if TYPE_CHECKING:
    from .loop import Run

__all__ = ["Callback", "Checkpoint", "EarlyStopping"]


class Callback:
    """Base of callbacks: each method may be defined; all get the `Run`, and may set `run.stop`.

    >>> class Tell(Callback):
    ...     def on_epoch(self, run):
    ...         print("epoch", len(run.history))
    ...         run.stop = len(run.history) == 2
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, of a resumed training as well."""

    def on_step(self, run: Run) -> None:
        """After each step of the optimizer."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch, when its row is in `run.history`."""

    def on_end(self, run: Run) -> None:
        """After the last epoch; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint has to keep of it."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()`."""


class Checkpoint(Callback):
    """Keeps a file from which `fit(..., resume=path)` goes on: weights, optimizer, schedule, random numbers,
    the place in the epoch.

    It is written before the first step, after every epoch, and after every `every` steps of an epoch; each
    time whole or not at all, so that whatever ends the process leaves one that can be used.

    Args:
        path: the file; its name says the format, see `save`.
        every: steps; None for whole epochs only.
    """

    def __init__(self, path: str | os.PathLike[str], every: int | None = None):
        if every is not None and (isinstance(every, bool) or not isinstance(every, int) or every < 1):
            raise ArgumentError(f"Checkpoint: every is {every!r}; it must be a number of steps or None")
        self.path, self.every = path, every

    def on_start(self, run: Run) -> None:
        save(run.state_dict(), self.path)

    def on_step(self, run: Run) -> None:
        if self.every and run.batch % self.every == 0:
            save(run.state_dict(), self.path)

    def on_epoch(self, run: Run) -> None:
        save(run.state_dict(), self.path)


class EarlyStopping(Callback):
    """Ends the training when a number has not become better by more than `min_delta` for `patience` epochs.

    Args:
        monitor: the column of the history; "val_loss" by default.
        patience: how many epochs in a row may be no better.
        min_delta: by how much better an epoch must be to count.
        mode: "min", "max", or "auto", by which a loss wants to be small and everything else large.
        restore_best: give the model (and its ema) the weights of the best epoch at the end.

    Attributes:
        best, best_epoch: the best number so far, and when that was.
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, mode: str = "auto",
        restore_best: bool = True,
    ):  # fmt: skip
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1 or not min_delta >= 0:
            raise ArgumentError(
                f"EarlyStopping: patience={patience!r}, min_delta={min_delta!r}; patience is an integer of "
                "at least 1, min_delta a number of at least 0"
            )
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.sign = 1 if smaller_is_better(monitor, mode) else -1
        self.restore_best = restore_best
        self.best, self.best_epoch = self.sign * math.inf, 0
        self.weights: list[dict[str, np.ndarray]] = []

    def on_start(self, run: Run) -> None:
        seen = {f"val_{metric.name}" for metric in (run.loss, *run.metrics)}  # others are a callback's own
        if self.monitor in seen and run.validation is None:
            raise ArgumentError(
                f"EarlyStopping: {self.monitor} needs validation data; pass fit(..., validation=loader), or "
                "monitor='train_loss'"
            )

    def on_epoch(self, run: Run) -> None:
        epoch, value = len(run.history), run.history.column(self.monitor)[-1]
        if self.sign * (self.best - value) > self.min_delta:  # never for nan
            self.best, self.best_epoch = value, epoch
            if self.restore_best:
                self.weights = [copied(module.state_dict()) for module in run.modules]
        run.stop = run.stop or epoch - self.best_epoch >= self.patience

    def on_end(self, run: Run) -> None:
        for module, weights in zip(run.modules, self.weights, strict=False):
            module.load_state_dict(weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.weights = [copied(weights) for weights in state_dict["weights"]]


def copied(state_dict: dict[str, Any]) -> dict[str, np.ndarray]:
    """The values as they are now, which training does not change any more."""
    return {key: np.array(value) for key, value in state_dict.items()}

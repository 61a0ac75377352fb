"""Finding a learning rate: raise it from step to step and see when the loss falls (Smith 2015,
arXiv:1506.01186)."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError
from ..nn import Module
from ..tensor import Tensor
from .loop import dice, set_dice, unpacked

__all__ = ["RateSweep", "find_lr"]


@dataclass(frozen=True)
class RateSweep:
    """What `find_lr` saw.

    Attributes:
        rates: the learning rates.
        losses: the smoothed loss before the step with each of them.
        suggestion: a tenth of the rate at which the loss was lowest, where it still falls fast and the
            training is far from breaking; None if it never fell.
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float | None

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the loss against the rate (`vision.learning_rates`)."""
        from ..vision import learning_rates

        return learning_rates(self.rates, self.losses, path, self.suggestion)


def find_lr(
    model: Module, loader: Iterable[Any], loss_fn: Callable[..., Tensor], optimizer: Any, *,
    start: float = 1e-7, stop: float = 10.0, steps: int = 100, smoothing: float = 0.9,
) -> RateSweep:  # fmt: skip
    """Train a copy for a few steps, each with a larger learning rate, until the loss is four times its best.

    The model, the optimizer and the random generators are left as they were.

    Args:
        loader, loss_fn, optimizer: as for `fit`; the loader begins again when it ends.
        start, stop: the first and the last rate; those between grow by a constant factor.
        steps: how many.
        smoothing: how much of the mean of the losses so far is kept in each step.

    Raises:
        ArgumentError: an empty loader, rates that do not grow.
        GraphError: a loss that is not finite at the first rate.
    """
    if not 0 < start < stop < math.inf or not 0 <= smoothing < 1:
        raise ArgumentError(
            f"find_lr: start={start}, stop={stop}, smoothing={smoothing}; they must be 0 < start < stop and "
            "0 <= smoothing < 1"
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise ArgumentError(f"find_lr: steps is {steps!r}; it must be an integer of at least 2")
    model, optimizer = copy.deepcopy((model, optimizer))
    model.train()
    before, groups = dice(loader), optimizer.param_groups
    shares = [group["lr"] / (max(group["lr"] for group in groups) or 1.0) for group in groups]
    rates, losses, weight, mean = np.geomspace(start, stop, steps), list[float](), 0.0, 0.0
    try:
        for rate, (inputs, targets) in zip(rates, _again_and_again(loader), strict=False):
            for group, share in zip(groups, shares, strict=True):
                group["lr"] = float(rate * share)
            loss = loss_fn(model(*inputs), targets)
            weight = smoothing * weight + 1  # of all losses so far, the last one counting as 1
            mean += (loss.item() - mean) / weight
            if not mean <= 4 * min(losses, default=math.inf):
                break
            losses.append(mean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    finally:
        set_dice(before, loader)
    if not losses or not math.isfinite(losses[0]):
        raise GraphError(f"find_lr: the loss is not finite at rate {start}; look at the model and the data")
    rates, best = rates[: len(losses)], int(np.argmin(losses))
    return RateSweep(rates, np.array(losses), float(rates[best] / 10) if best else None)


def _again_and_again(loader: Iterable[Any]) -> Iterator[tuple[list[Any], Any]]:
    while True:
        batch = None
        for batch in loader:
            yield unpacked(batch)
        if batch is None:
            raise ArgumentError("find_lr: the loader has no batches; give it data, or a smaller batch_size")

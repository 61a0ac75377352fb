"""Gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError
from .optimizer import FINITE, NOT_NEGATIVE, Optimizer, decayed

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum as in Sutskever et al. (2013), "On the importance of
    initialization and momentum in deep learning".

        g = gradient + weight_decay p
        b = momentum b + (1 - dampening) g      the first time b = g
        p = p - lr b                            nesterov: p - lr (g + momentum b)

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: learning rate.
        momentum: how much of the last direction is kept; 0 keeps no state.
        dampening: how much of the gradient is held back from the momentum.
        weight_decay: pull towards 0.
        nesterov: look one step ahead.
        maximize: go uphill.

    State: `momentum_buffer`, b above, if there is momentum.

    Raises:
        ArgumentError, GraphError: as `Optimizer`; nesterov without momentum, or with dampening.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, 2.0]))
    >>> optimizer = tg.optim.SGD([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.detach()
    tensor([0., 0.])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE, "momentum": NOT_NEGATIVE, "dampening": FINITE, "weight_decay": NOT_NEGATIVE,
    }  # fmt: skip
    keeps: ClassVar = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ArgumentError(
                f"SGD: nesterov needs momentum and no dampening (momentum={group['momentum']}, "
                f"dampening={group['dampening']}); pass momentum=0.9, dampening=0"
            )

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        momentum, dampening = group["momentum"], group["dampening"]
        g = decayed(g, p, group["weight_decay"])
        if momentum:
            b = state.get("momentum_buffer")
            if b is None:
                b = state["momentum_buffer"] = np.empty_like(p)
                b[...] = g
            else:
                b *= momentum
                b += g * (1 - dampening) if dampening else g
            g = decayed(g, b, momentum) if group["nesterov"] else b  # g + momentum b
        p -= g * group["lr"]

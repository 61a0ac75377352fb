"""Adadelta."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from .optimizer import NOT_NEGATIVE, UP_TO_ONE, Optimizer, decayed, zeros_once

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Steps in the parameters' own units: Zeiler (2012), "ADADELTA: an adaptive learning rate method",
    https://arxiv.org/abs/1212.5701.

        g = gradient + weight_decay p
        v = rho v + (1 - rho) g²
        d = g sqrt(u + eps) / sqrt(v + eps)
        u = rho u + (1 - rho) d²
        p = p - lr d

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: factor of the step.
        rho: how slowly the two averages change.
        eps: keeps the root of the divisor away from 0, and makes the first steps possible.
        weight_decay: pull towards 0.
        maximize: go uphill.

    State: `step`, `square_avg` (v), `acc_delta` (u).

    Raises:
        ArgumentError, GraphError: as `Optimizer`; rho outside of [0, 1].

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0]))
    >>> optimizer = tg.optim.Adadelta([w], eps=1.0)
    >>> w.grad = tg.ones(1)
    >>> optimizer.step()  # 1 - 1 / sqrt(0.1 + 1)
    >>> w.detach()
    tensor([0.0465])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE,
        "rho": UP_TO_ONE,
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
    }
    keeps: ClassVar = ("step", "square_avg", "acc_delta")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] = state.get("step", 0) + 1
        v, u = zeros_once(state, "square_avg", p), zeros_once(state, "acc_delta", p)
        g = decayed(g, p, group["weight_decay"])
        a, d = np.empty_like(p), np.empty_like(p)

        _average(v, g, rho, a)
        np.add(v, eps, out=a)
        np.add(u, eps, out=d)
        d /= a
        np.sqrt(d, out=d)
        d *= g
        _average(u, d, rho, a)
        d *= group["lr"]
        p -= d


def _average(v: np.ndarray, g: np.ndarray, rho: float, a: np.ndarray) -> None:
    """v = rho v + (1 - rho) g², with `a` as scratch."""
    np.multiply(g, g, out=a)
    a *= 1 - rho
    v *= rho
    v += a

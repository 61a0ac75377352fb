"""Gradient descent, with momentum or averaged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError
from .optimizer import FINITE, NOT_NEGATIVE, Optimizer, decayed, given, towards, zeros_once

__all__ = ["ASGD", "SGD"]


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
        foreach, differentiable, fused: as in Optimizer.

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
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(params, given(locals()))

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


class ASGD(Optimizer):
    """Gradient descent that also keeps the average of all points it came through: Polyak and Juditsky (1992),
    "Acceleration of stochastic approximation by averaging".

        g = gradient + weight_decay p
        p = p (1 - lambd eta) - eta g
        ax = ax + mu (p - ax)
        eta = lr / (1 + lambd lr t)^alpha,  mu = 1 / max(1, t - t0)      after step t = 1, 2, ...

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: the first eta.
        lambd: how fast eta and the parameters decay.
        alpha: power of eta's decay.
        t0: the step from which on points are averaged; until then ax is p itself.
        weight_decay: pull towards 0.
        foreach, differentiable, capturable: as in Optimizer.
        maximize: go uphill.

    State: `step`, `eta`, `mu`, `ax`: the average, for the one who wants it.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0]))
    >>> optimizer = tg.optim.ASGD([w], lr=0.5, lambd=0, t0=0)
    >>> for g in (1.0, 0.0, 0.0):
    ...     w.grad = tg.tensor([g])
    ...     optimizer.step()
    >>> w.item(), optimizer.state[w]["ax"].item()
    (0.5, 0.5)
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE, "lambd": FINITE, "alpha": FINITE, "t0": FINITE, "weight_decay": NOT_NEGATIVE,
    }  # fmt: skip
    keeps: ClassVar = ("step", "eta", "mu", "ax")
    numbers: ClassVar = {"step": int, "eta": float, "mu": float}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, lambd = group["lr"], group["lambd"]
        t = state["step"] = state.get("step", 0) + 1
        eta, mu, ax = state.get("eta", lr), state.get("mu", 1.0), zeros_once(state, "ax", p)
        g = decayed(g, p, group["weight_decay"])
        if lambd:
            p *= 1 - lambd * eta
        a = np.multiply(g, eta, out=np.empty_like(p))
        p -= a
        if mu == 1:
            ax[...] = p
        else:
            towards(ax, p, mu, a)
        state["eta"] = lr / (1 + lambd * lr * t) ** group["alpha"]
        state["mu"] = 1 / max(1, t - group["t0"])

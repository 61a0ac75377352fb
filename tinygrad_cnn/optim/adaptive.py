"""A step size for each number: Adagrad, RMSprop, Adadelta, Rprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from .optimizer import (
    ABOVE_ONE,
    FINITE,
    INSIDE_ONE,
    NOT_NEGATIVE,
    UP_TO_ONE,
    Optimizer,
    average_squares,
    decayed,
    given,
    towards,
    zeros_once,
)

__all__ = ["Adadelta", "Adagrad", "RMSprop", "Rprop"]


class Adagrad(Optimizer):
    """Steps divided by the length of all gradients so far: Duchi, Hazan and Singer (2011), "Adaptive
    subgradient methods for online learning and stochastic optimization".

        g = gradient + weight_decay p
        s = s + g²      from initial_accumulator_value on
        p = p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(s) + eps)      in step t = 1, 2, ...

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: learning rate.
        lr_decay: how fast it falls.
        weight_decay: pull towards 0.
        initial_accumulator_value: what s is at first.
        eps: keeps the divisor away from 0.
        maximize: go uphill.
        foreach, differentiable, fused: as in Optimizer.

    State, from the beginning: `step`, `sum` (s).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0]))
    >>> optimizer = tg.optim.Adagrad([w], lr=0.5, initial_accumulator_value=9)
    >>> w.grad = tg.tensor([4.0])
    >>> optimizer.step()  # 1 - 0.5 4 / sqrt(9 + 16)
    >>> w.detach()
    tensor([0.6000])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE,
        "lr_decay": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "initial_accumulator_value": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
    }
    keeps: ClassVar = ("step", "sum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(params, given(locals()))
        for p in self._parameters():
            self._begin(self.state[p], p.array)

    def _begin(self, state: dict[str, Any], p: np.ndarray) -> None:
        # The constructor's value, as in PyTorch, whatever the group's is.
        state.update(step=0, sum=np.full_like(p, self.defaults["initial_accumulator_value"]))

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            self._begin(state, p)
        s = state["sum"]
        state["step"] += 1
        g = decayed(g, p, group["weight_decay"])
        a = np.multiply(g, g, out=np.empty_like(p))
        s += a
        np.sqrt(s, out=a)
        a += group["eps"]
        np.divide(g, a, out=a)
        a *= group["lr"] / (1 + (state["step"] - 1) * group["lr_decay"])
        p -= a


class RMSprop(Optimizer):
    """Steps divided by the running root mean square of the gradient: Tieleman and Hinton (2012), "Lecture
    6.5: rmsprop"; centered as in Graves (2013), "Generating sequences with recurrent neural networks",
    https://arxiv.org/abs/1308.0850.

        g = gradient + weight_decay p
        v = alpha v + (1 - alpha) g²
        d = g / (sqrt(v) + eps)                  centered: of v - m², where m = alpha m + (1 - alpha) g
        p = p - lr d                             with momentum: b = momentum b + d; p = p - lr b

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: learning rate.
        alpha: how slowly the averages change.
        eps: keeps the divisor away from 0.
        weight_decay: pull towards 0.
        momentum: how much of the last direction is kept.
        centered: divide by the gradient's deviation from its mean.
        capturable, foreach, differentiable: as in Optimizer.
        maximize: go uphill.

    State: `step`, `square_avg` (v), centered `grad_avg` (m), with momentum `momentum_buffer` (b).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0]))
    >>> optimizer = tg.optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> w.grad = tg.tensor([4.0])
    >>> optimizer.step()  # 1 - 0.1 4 / sqrt(16 / 4)
    >>> w.detach()
    tensor([0.8000])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE,
        "alpha": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "momentum": NOT_NEGATIVE,
    }
    keeps: ClassVar = ("step", "square_avg")
    may_keep: ClassVar = ("grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        alpha, momentum = group["alpha"], group["momentum"]
        state["step"] = state.get("step", 0) + 1
        v = zeros_once(state, "square_avg", p)
        g = decayed(g, p, group["weight_decay"])
        a = np.empty_like(p)

        average_squares(v, g, alpha, a)
        if group["centered"]:
            m = zeros_once(state, "grad_avg", p)
            towards(m, g, 1 - alpha, a)
            np.multiply(m, m, out=a)
            np.subtract(v, a, out=a)
            np.sqrt(a, out=a)
        else:
            np.sqrt(v, out=a)
        a += group["eps"]
        np.divide(g, a, out=a)
        if momentum:
            b = zeros_once(state, "momentum_buffer", p)
            b *= momentum
            b += a
            np.multiply(b, group["lr"], out=a)
        else:
            a *= group["lr"]
        p -= a


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
        foreach, capturable, differentiable: as in Optimizer.
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
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] = state.get("step", 0) + 1
        v, u = zeros_once(state, "square_avg", p), zeros_once(state, "acc_delta", p)
        g = decayed(g, p, group["weight_decay"])
        a, d = np.empty_like(p), np.empty_like(p)

        average_squares(v, g, rho, a)
        np.add(v, eps, out=a)
        np.add(u, eps, out=d)
        d /= a
        np.sqrt(d, out=d)
        d *= g
        average_squares(u, d, rho, a)
        d *= group["lr"]
        p -= d


class Rprop(Optimizer):
    """Only the signs of gradients count, of whole data sets: Riedmiller and Braun (1993), "A direct adaptive
    method for faster backpropagation learning: the RPROP algorithm".

        s = s etas[1] where the gradient has kept its sign, s etas[0] where it has changed; from lr on
        s is held within step_sizes
        p = p - s sign(gradient), but stays where the sign has changed

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: the first s.
        etas: factors of its fall and its growth.
        step_sizes: its bounds.
        capturable, foreach, differentiable: as in Optimizer.
        maximize: go uphill.

    State: `step`, `prev` (the last gradient), `step_size` (s).

    Raises:
        ArgumentError, GraphError: as `Optimizer`; etas that are not below and above 1.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([8.0]))
    >>> optimizer = tg.optim.Rprop([w], lr=1, etas=(0.5, 2))
    >>> for _ in range(5):
    ...     w.grad = w.detach().clone()
    ...     optimizer.step()
    ...     print(w.item(), end=" ")
    7.0 5.0 1.0 -7.0 -7.0
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE, "etas": (INSIDE_ONE, ABOVE_ONE), "step_sizes": (FINITE, FINITE),
    }  # fmt: skip
    keeps: ClassVar = ("step", "prev", "step_size")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        fall, growth = group["etas"]
        low, high = group["step_sizes"]
        state["step"] = state.get("step", 0) + 1
        before = zeros_once(state, "prev", p)
        if "step_size" not in state:
            state["step_size"] = np.full_like(p, group["lr"])
        s = state["step_size"]

        before *= g
        changed = before < 0
        np.multiply(s, growth, out=s, where=before > 0)
        np.multiply(s, fall, out=s, where=changed)
        np.maximum(s, low, out=s)
        np.minimum(s, high, out=s)
        before[...] = g
        before[changed] = 0
        p -= s * (before > 0)  # comparisons make nan stand still, as PyTorch's sign() does
        p += s * (before < 0)

"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import BELOW_ONE, NOT_NEGATIVE, Optimizer, decayed, zeros_once

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient: Kingma and Ba (2014), "Adam: a method for stochastic
    optimization", https://arxiv.org/abs/1412.6980.

        g = gradient + weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g²
        p = p - lr m / (1 - beta1^t)  /  (sqrt(v / (1 - beta2^t)) + eps)      in step t = 1, 2, ...

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: learning rate.
        betas: (beta1, beta2), how slowly the two moments change.
        eps: keeps the divisor away from 0.
        weight_decay: pull towards 0, here through the gradient; see AdamW.
        amsgrad: divide by the largest v so far (Reddi et al. 2018, "On the convergence of Adam and beyond").
        maximize: go uphill.
        decoupled_weight_decay: decay as AdamW does.

    State: `step`, `exp_avg` (m), `exp_avg_sq` (v), with amsgrad `max_exp_avg_sq`.

    Raises:
        ArgumentError, GraphError: as `Optimizer`; a beta outside of [0, 1).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, -100.0]))
    >>> optimizer = tg.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()  # the size of the gradient does not matter
    >>> w.detach()
    tensor([  0.5000, -99.5000])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE, "betas": BELOW_ONE, "eps": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE,
    }  # fmt: skip
    keeps: ClassVar = ("step", "exp_avg", "exp_avg_sq")
    may_keep: ClassVar = ("max_exp_avg_sq",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ):
        options = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay,
        }  # fmt: skip
        super().__init__(params, options)

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, (beta1, beta2), weight_decay = group["lr"], group["betas"], group["weight_decay"]
        t = state["step"] = state.get("step", 0) + 1
        m, v = zeros_once(state, "exp_avg", p), zeros_once(state, "exp_avg_sq", p)
        if group["decoupled_weight_decay"]:
            p *= 1 - lr * weight_decay
        else:
            g = decayed(g, p, weight_decay)
        a = np.empty_like(p)  # the only temporary

        np.subtract(g, m, out=a)  # m += (1 - beta1) (g - m)
        a *= 1 - beta1
        m += a

        np.multiply(g, g, out=a)
        a *= 1 - beta2
        v *= beta2
        v += a
        if group["amsgrad"]:
            largest = zeros_once(state, "max_exp_avg_sq", p)
            v = np.maximum(largest, v, out=largest)

        # Both corrections are numbers: pulled out of the arrays they cost nothing.
        correction = math.sqrt(1 - beta2**t)
        np.sqrt(v, out=a)
        a += group["eps"] * correction
        np.divide(m, a, out=a)
        a *= lr * correction / (1 - beta1**t)
        p -= a


class AdamW(Adam):
    """Adam whose weight decay does not pass through the moments: Loshchilov and Hutter (2017), "Decoupled
    weight decay regularization", https://arxiv.org/abs/1711.05101.

        p = p (1 - lr weight_decay), then as Adam with the bare gradient

    Arguments, state and errors are Adam's; weight_decay is 0.01 by default.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, -100.0]))
    >>> optimizer = tg.optim.AdamW([w], lr=0.5, weight_decay=0.1)
    >>> w.grad = tg.zeros(2)
    >>> optimizer.step()
    >>> w.detach()
    tensor([  0.9500, -95.0000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ):
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # what Adam saved is welcome, but AdamW it stays
            group["decoupled_weight_decay"] = True

"""Adam and its kin: steps along a running mean of the gradient, scaled by another of its size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from .optimizer import (
    BELOW_ONE,
    NOT_NEGATIVE,
    Optimizer,
    average_squares,
    decayed,
    given,
    towards,
    zeros_once,
)

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class _Moments(Optimizer):
    """What they share: weight decay through the gradient or beside it, and the first moment."""

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE,
        "betas": (BELOW_ONE, BELOW_ONE),
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
    }
    keeps: ClassVar[tuple[str, ...]] = ("step", "exp_avg", "exp_avg_sq")

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        weight_decay = group["weight_decay"]
        state["step"] = state.get("step", 0) + 1
        m, v = zeros_once(state, "exp_avg", p), zeros_once(state, self.keeps[2], p)
        if weight_decay and group.get("decoupled_weight_decay"):
            p *= 1 - group["lr"] * weight_decay
        else:
            g = decayed(g, p, weight_decay)
        a = np.empty_like(p)  # the only temporary
        towards(m, g, 1 - group["betas"][0], a)
        self.move(p, g, m, v, a, state, group)

    def move(
        self,
        p: np.ndarray,
        g: np.ndarray,
        m: np.ndarray,
        v: np.ndarray,
        a: np.ndarray,
        state: dict[str, Any],
        group: dict[str, Any],
    ) -> None:
        """Bring the second moment `v` up to date, and move `p`; `a` is scratch."""
        raise NotImplementedError


class Adam(_Moments):
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
        foreach, capturable, differentiable, fused: as in Optimizer.
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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ):
        super().__init__(params, given(locals()))

    def move(self, p: Any, g: Any, m: Any, v: Any, a: Any, state: Any, group: Any) -> None:
        t, (beta1, beta2) = state["step"], group["betas"]
        average_squares(v, g, beta2, a)
        if group["amsgrad"]:
            largest = zeros_once(state, "max_exp_avg_sq", p)
            v = np.maximum(largest, v, out=largest)
        # Both corrections are numbers: pulled out of the arrays they cost nothing.
        correction = math.sqrt(1 - beta2**t)
        np.sqrt(v, out=a)
        a += group["eps"] * correction
        np.divide(m, a, out=a)
        a *= group["lr"] * correction / (1 - beta1**t)
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
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        super().__init__(params, **given(locals()), decoupled_weight_decay=True)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:  # what Adam saved is welcome, but AdamW it stays
            group["decoupled_weight_decay"] = True


class Adamax(_Moments):
    """Adam with a running maximum in place of the root of the second moment: Kingma and Ba (2014), section 7,
    https://arxiv.org/abs/1412.6980.

        g = gradient + weight_decay p
        m = beta1 m + (1 - beta1) g
        u = max(beta2 u, |g| + eps)
        p = p - lr m / (1 - beta1^t) / u      in step t = 1, 2, ...

    Arguments and errors are Adam's, without amsgrad.  State: `step`, `exp_avg` (m), `exp_inf` (u).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, -100.0]))
    >>> optimizer = tg.optim.Adamax([w], lr=0.5)
    >>> w.grad = tg.tensor([3.0, -4.0])
    >>> optimizer.step()
    >>> w.detach()
    tensor([  0.5000, -99.5000])
    """

    keeps: ClassVar = ("step", "exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def move(self, p: Any, g: Any, m: Any, v: Any, a: Any, state: Any, group: Any) -> None:
        beta1, beta2 = group["betas"]
        np.absolute(g, out=a)
        a += group["eps"]
        v *= beta2
        np.maximum(v, a, out=v)
        np.divide(m, v, out=a)
        a *= group["lr"] / (1 - beta1 ** state["step"])
        p -= a


class NAdam(_Moments):
    """Adam with Nesterov's look ahead: Dozat (2016), "Incorporating Nesterov momentum into Adam".

        m, v as in Adam
        mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2)
        M(t) = mu(1) mu(2) ... mu(t)
        d = (1 - mu(t)) / (1 - M(t)) g + mu(t + 1) / (1 - M(t + 1)) m
        p = p - lr d / (sqrt(v / (1 - beta2^t)) + eps)      in step t = 1, 2, ...

    Arguments and errors are Adam's, without amsgrad, and momentum_decay: how slowly mu grows to beta1.
    State: `step`, `mu_product` (M), `exp_avg` (m), `exp_avg_sq` (v).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, -100.0]))
    >>> optimizer = tg.optim.NAdam([w], betas=(0, 0.999), lr=0.5)
    >>> w.grad = tg.tensor([3.0, -4.0])
    >>> optimizer.step()
    >>> w.detach()
    tensor([  0.5000, -99.5000])
    """

    keeps: ClassVar = ("step", "exp_avg", "exp_avg_sq", "mu_product")
    numbers: ClassVar = {"step": int, "mu_product": float}
    ranges: ClassVar = {**_Moments.ranges, "momentum_decay": NOT_NEGATIVE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def move(self, p: Any, g: Any, m: Any, v: Any, a: Any, state: Any, group: Any) -> None:
        t, (beta1, beta2) = state["step"], group["betas"]
        average_squares(v, g, beta2, a)
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (s * group["momentum_decay"])) for s in (t, t + 1))
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        correction = math.sqrt(1 - beta2**t)
        scale = group["lr"] * correction
        np.sqrt(v, out=a)
        a += group["eps"] * correction
        d = m * (scale * mu_next / (1 - product * mu_next))
        d += g * (scale * (1 - mu) / (1 - product))
        d /= a
        p -= d


class RAdam(_Moments):
    """Adam that waits with scaling until the second moment can be trusted: Liu et al. (2019), "On the
    variance of the adaptive learning rate and beyond", https://arxiv.org/abs/1908.03265.

        m, v as in Adam
        r = rho - 2 t beta2^t / (1 - beta2^t),  rho = 2 / (1 - beta2) - 1
        c = sqrt((r - 4) (r - 2) rho / ((rho - 4) (rho - 2) r))
        p = p - lr m / (1 - beta1^t)                                            in step t, while r <= 5
        p = p - lr m / (1 - beta1^t) c sqrt(1 - beta2^t) / (sqrt(v) + eps)      then

    Arguments, state and errors are Adam's, without amsgrad.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([1.0, -100.0]))
    >>> optimizer = tg.optim.RAdam([w], lr=0.5)
    >>> w.grad = tg.tensor([3.0, -4.0])
    >>> optimizer.step()
    >>> w.detach()
    tensor([ -0.5000, -98.0000])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ):
        super().__init__(params, given(locals()))

    def move(self, p: Any, g: Any, m: Any, v: Any, a: Any, state: Any, group: Any) -> None:
        t, (beta1, beta2), scale = state["step"], group["betas"], group["lr"]
        average_squares(v, g, beta2, a)
        scale /= 1 - beta1**t
        rho = 2 / (1 - beta2) - 1
        r = rho - 2 * t * beta2**t / (1 - beta2**t)
        if r > 5:
            scale *= math.sqrt((r - 4) * (r - 2) * rho / ((rho - 4) * (rho - 2) * r)) * math.sqrt(
                1 - beta2**t
            )
            np.sqrt(v, out=a)
            a += group["eps"]
            np.divide(m, a, out=a)
            a *= scale
        else:
            np.multiply(m, scale, out=a)
        p -= a

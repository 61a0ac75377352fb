"""Optimizers that see a weight as a matrix: Muon, Adafactor."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels.runtime import one_blas_thread
from .optimizer import FINITE, FROM_ONE, NOT_NEGATIVE, NOT_POSITIVE, Optimizer, given, towards, zeros_once

__all__ = ["Adafactor", "Muon"]


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal, for the matrices of hidden layers: Jordan et al. (2024),
    "Muon: an optimizer for hidden layers in neural networks"; scaled as in Liu et al. (2025), "Muon is
    scalable for LLM training", https://arxiv.org/abs/2502.16982.

        b = momentum b + (1 - momentum) gradient
        d = b                             nesterov: momentum b + (1 - momentum) gradient
        o = d / |d|, then ns_steps times o = a o + (b (o oᵀ) + c (o oᵀ)²) o
        p = p (1 - lr weight_decay) - lr f o,      f = sqrt(max(1, rows / columns))

    The polynomial drives all singular values of o towards 1.  PyTorch computes it in bfloat16, we in the
    parameter's dtype.

    Args:
        params: matrices; give all other parameters to another optimizer.
        lr: learning rate.
        weight_decay: pull towards 0, beside the gradient.
        momentum: how slowly b changes.
        nesterov: look one step ahead.
        ns_coefficients: (a, b, c).
        eps: the smallest |d|.
        ns_steps: how often, below 100.
        adjust_lr_fn: f: None or "original" as above, "match_rms_adamw" for 0.2 sqrt(max(rows, columns)).

    State: `momentum_buffer` (b).

    Raises:
        ArgumentError, GraphError: as `Optimizer`; another adjust_lr_fn, ns_steps of 100 or more.
        ShapeError: a parameter that is no matrix.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.zeros(2, 2))
    >>> optimizer = tg.optim.Muon([w], lr=1.0)
    >>> w.grad = tg.tensor([[0.0, 5.0], [-3.0, 0.0]])
    >>> optimizer.step()
    >>> w.detach()
    tensor([[ 0.0000, -0.9701],
            [ 0.7091,  0.0000]])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "momentum": NOT_NEGATIVE,
        "ns_coefficients": (FINITE, FINITE, FINITE),
        "eps": FINITE,
    }
    keeps: ClassVar = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ):
        super().__init__(params, given(locals()))

    def check(self, group: dict[str, Any]) -> None:
        if group["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ArgumentError(
                f"Muon: adjust_lr_fn is {group['adjust_lr_fn']!r}; it must be None, 'original' or "
                "'match_rms_adamw'"
            )
        if not (isinstance(group["ns_steps"], int) and 0 <= group["ns_steps"] < 100):
            raise ArgumentError(f"Muon: ns_steps is {group['ns_steps']!r}; it must be an integer below 100")
        for i, p in enumerate(group["params"]):
            if p.ndim != 2:
                raise ShapeError(
                    f"Muon: parameter {i} is {p.shape}, and only matrices can be made orthogonal; give it to "
                    "another optimizer, such as AdamW"
                )

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, momentum = group["lr"], group["momentum"]
        b = zeros_once(state, "momentum_buffer", p)
        a, d = np.empty_like(p), b
        towards(b, g, 1 - momentum, a)
        if group["nesterov"]:
            d = g.copy()
            towards(d, b, momentum, a)
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        else:
            factor = math.sqrt(max(1, rows / columns))
        with one_blas_thread():
            o = _orthogonal(d, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p *= 1 - lr * group["weight_decay"]
        p -= o * (lr * factor)


def _orthogonal(
    d: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float
) -> np.ndarray:
    """About the orthogonal matrix next to `d`, by Newton's and Schulz' iteration, on its shorter side."""
    if d.shape[0] > d.shape[1]:
        return _orthogonal(d.T, coefficients, steps, eps).T
    a, b, c = coefficients
    o = d / max(float(np.linalg.norm(d)), eps)
    for _ in range(steps):
        gram = o @ o.T
        polynomial = gram @ gram
        polynomial *= c
        gram *= b
        polynomial += gram
        polynomial.flat[:: len(gram) + 1] += a  # on the diagonal
        o = polynomial @ o
    return o


class Adafactor(Optimizer):
    """Adam's second moment from the means of rows and columns alone, in little memory: Shazeer and Stern
    (2018), "Adafactor: adaptive learning rates with sublinear memory cost", https://arxiv.org/abs/1804.04235.

        beta = 1 - t^beta2_decay                          in step t = 1, 2, ...
        r, c = running means, by beta, of g² along rows and along columns
        u = g / max(sqrt(r c / mean(r)), eps1)            vectors: of a running mean of g² itself
        alpha = max(eps2, rms(p)) min(lr, 1 / sqrt(t))
        p = p (1 - lr weight_decay) - alpha u / max(1, rms(u) / d)

    Args:
        params: tensors, (name, tensor) pairs, or dicts of groups.
        lr: the largest relative step.
        beta2_decay: how fast beta goes to 1.
        eps: (eps1, eps2), the least divisor (None for the dtype's own eps) and the least scale.
        d: the largest root mean square of a step.
        weight_decay: pull towards 0, beside the gradient.
        foreach: as in Optimizer.
        maximize: go uphill.

    State: `step`, and `row_var` (r), `col_var` (c), or `variance` of a vector.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([[4.0, 4.0]]))
    >>> optimizer = tg.optim.Adafactor([w], lr=0.25)
    >>> w.grad = tg.tensor([[3.0, -30.0]])
    >>> optimizer.step()
    >>> w.detach()
    tensor([[3., 5.]])
    """

    ranges: ClassVar = {
        "lr": NOT_NEGATIVE, "beta2_decay": NOT_POSITIVE, "d": FROM_ONE, "weight_decay": NOT_NEGATIVE,
    }  # fmt: skip
    keeps: ClassVar = ("step",)
    may_keep: ClassVar = ("row_var", "col_var", "variance")
    shapes: ClassVar = {
        "row_var": lambda shape: (*shape[:-1], 1),
        "col_var": lambda shape: (*shape[:-2], 1, shape[-1]),
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ):
        super().__init__(params, given(locals()))

    def check(self, group: dict[str, Any]) -> None:
        eps = group["eps"]
        free = isinstance(eps, (tuple, list)) and len(eps) == 2 and eps[0] is None
        least, scale = self._checked("eps", (0, eps[1]) if free else eps, (NOT_NEGATIVE, NOT_NEGATIVE))
        group["eps"] = (None if free else least, scale)

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not p.size:
            return  # of nothing there are no means
        lr, (eps, scale) = group["lr"], group["eps"]
        eps = float(np.finfo(p.dtype).eps) if eps is None else eps
        t = state["step"] = state.get("step", 0) + 1
        rate = t ** group["beta2_decay"]
        alpha = max(scale, _rms(p)) * min(lr, t**-0.5)
        if group["weight_decay"]:
            p *= 1 - lr * group["weight_decay"]
        u = np.multiply(g, g, out=np.empty_like(p))
        if p.ndim > 1:
            r, c = (self._towards(state, name, u.mean(axis, keepdims=True), rate)
                    for name, axis in (("row_var", -1), ("col_var", -2)))  # fmt: skip
            np.multiply(r, c, out=u)
            u /= np.maximum(r.mean(-2, keepdims=True), eps)
        else:
            u[...] = self._towards(state, "variance", u, rate)
        np.maximum(u, eps * eps, out=u)
        np.sqrt(u, out=u)
        np.divide(g, u, out=u)
        u *= alpha / max(1.0, _rms(u) / group["d"])
        p -= u

    def _towards(self, state: dict[str, Any], name: str, mean: np.ndarray, rate: float) -> np.ndarray:
        v = zeros_once(state, name, mean)
        towards(v, mean, rate, np.empty_like(mean))
        return v


def _rms(x: np.ndarray) -> float:
    return math.sqrt(float(np.vdot(x, x)) / max(x.size, 1))

"""L-BFGS, for smooth losses of whole data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..errors import ArgumentError, StateDictError
from ..kernels.runtime import quietly
from ..tape import enable_grad
from ..tensor import Tensor
from .optimizer import FINITE, NOT_NEGATIVE, Optimizer, given

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """Newton's method with the curvature that the last gradients tell: Liu and Nocedal (1989), "On the
    limited memory BFGS method for large scale optimization".

        s = the last steps,  y = the changes of the gradient they made
        d = - H gradient      H: the inverse Hessian, built up of pairs (s, y) from H0 = s·y / y·y
        p = p + t d           t = lr (the first time min(1, 1 / |gradient|₁) lr), or found by line search

    A step makes many such iterations, and calls `closure` for each: `step(closure)`.

    Args:
        params: tensors or (name, tensor) pairs, in one group.
        lr: t, or where the line search begins.
        max_iter: iterations in one step.
        max_eval: calls of the closure in one step, about; 5/4 of max_iter if None.
        tolerance_grad: where the largest gradient is no larger, a step ends.
        tolerance_change: where neither parameters nor loss change more, a step ends.
        history_size: how many pairs are kept.
        line_search_fn: None, or "strong_wolfe": by cubic interpolation, until the loss is lower and the slope
            flatter (Nocedal and Wright 2006, "Numerical optimization", algorithms 3.5 and 3.6).

    State, with the first parameter: `func_evals`, `n_iter`, `d`, `t`, `old_dirs` (y), `old_stps` (s), `ro`,
    `H_diag`, `prev_flat_grad`, `prev_loss`; arrays are all parameters in one row.

    Raises:
        ArgumentError, GraphError: as `Optimizer`; more than one group, a step without closure.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.tensor([3.0, -4.0]))
    >>> optimizer = tg.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)  # the loss before the step
    tensor(29., grad_fn=<SumBackward0>)
    >>> [round(x, 4) for x in w.tolist()]
    [1.0, 1.0]
    """

    ranges: ClassVar = {"lr": NOT_NEGATIVE, "tolerance_grad": FINITE, "tolerance_change": FINITE}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        if max_eval is None and isinstance(max_iter, int):
            max_eval = max_iter * 5 // 4
        super().__init__(params, given(locals()))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        if self.param_groups:
            raise ArgumentError("LBFGS: all parameters move together, in one group; pass them in one list")
        super().add_param_group(param_group)

    def check(self, group: dict[str, Any]) -> None:
        for option in ("max_iter", "max_eval", "history_size"):
            if not isinstance(group[option], int) or group[option] < 1:
                raise ArgumentError(f"LBFGS: {option} is {group[option]!r}; it must be a positive integer")
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise ArgumentError(
                f"LBFGS: line_search_fn is {group['line_search_fn']!r}; it must be None or 'strong_wolfe'"
            )

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is None:
            raise ArgumentError("LBFGS: a step needs a closure that computes the loss and calls backward")
        self.steps += 1
        return self._iterate(closure)

    @quietly
    def _iterate(self, closure: Callable[[], Any]) -> Any:
        [group] = self.param_groups
        params, lr, least, most = group["params"], group["lr"], group["tolerance_change"], group["max_eval"]
        state = self.state[params[0]]

        def evaluate() -> tuple[Any, np.ndarray]:
            with enable_grad():
                loss = closure()
            return loss, self._gradient()

        def along(x: list[np.ndarray], d: np.ndarray, t: float) -> _Point:
            self._move(d, t)
            loss, g = evaluate()
            for p, array in zip(params, x, strict=True):
                p._writable()[...] = array
            return _Point(t, float(loss), g, float(g @ d))

        first, g = evaluate()
        loss, evals, n_iter = float(first), 1, state.get("n_iter", 0)
        state.update(n_iter=n_iter, func_evals=state.get("func_evals", 0) + 1)
        if _largest(g) <= group["tolerance_grad"]:
            return first
        d, t, scale, before = (state.get(name, 0.0) for name in ("d", "t", "H_diag", "prev_flat_grad"))
        ys, steps, ro = (state.get(name, []) for name in ("old_dirs", "old_stps", "ro"))
        for i in range(1, group["max_iter"] + 1):
            n_iter += 1
            if n_iter == 1:
                d, scale, t = -g, 1.0, lr * min(1.0, 1.0 / float(np.abs(g).sum()))
            else:
                y, s = g - before, d * t
                curvature = float(y @ s)
                if curvature > 1e-10:
                    if len(ys) == group["history_size"]:
                        del ys[0], steps[0], ro[0]
                    for pairs, new in ((ys, y), (steps, s), (ro, 1.0 / curvature)):
                        pairs.append(new)
                    scale = curvature / float(y @ y)
                d, t = _newton(g, ys, steps, ro, scale), lr
            before, loss_before, slope, tried = g, loss, float(g @ d), 0
            if slope > -least:
                break
            if group["line_search_fn"]:
                line = partial(along, [p.array.copy() for p in params], d)
                start = _Point(0.0, loss, g, slope)
                (t, loss, g, _), tried = _search(line, t, start, least / _largest(d), most - evals)
            self._move(d, t)
            if not group["line_search_fn"] and i < group["max_iter"]:
                (value, g), tried = evaluate(), 1
                loss = float(value)
            evals += tried
            state["func_evals"] += tried
            still = _largest(d * t) <= least or abs(loss - loss_before) < least
            if evals >= most or _largest(g) <= group["tolerance_grad"] or still:
                break
        state.update(
            n_iter=n_iter, d=d, t=t, old_dirs=ys, old_stps=steps, ro=ro, H_diag=scale, prev_flat_grad=before,
            prev_loss=loss_before,
        )  # fmt: skip
        return first

    def _gradient(self) -> np.ndarray:
        """Of all parameters, in one row."""
        return np.concatenate(
            [
                np.zeros(p.numel(), p.dtype) if p.grad is None else self._checked_gradient(p).ravel()
                for p in self._parameters()
            ]
        )

    def _move(self, d: np.ndarray, t: float) -> None:
        begin = 0
        for p in self._parameters():
            part = d[begin : begin + p.numel()].reshape(p.shape)
            p._writable()[...] += part * t
            begin += p.numel()

    def _fitted(self, number: int, p: Tensor, saved: Mapping[str, Any]) -> dict[str, Any]:
        entry = {
            name: convert(saved[name]) for name, convert in CONVERT.items() if saved.get(name) is not None
        }
        size = sum(p.numel() for p in self._parameters())
        rows = [
            entry.get("d"),
            entry.get("prev_flat_grad"),
            *entry.get("old_dirs", ()),
            *entry.get("old_stps", ()),
        ]
        if any(row is not None and row.shape != (size,) for row in rows) or "n_iter" not in entry:
            raise StateDictError(
                f"LBFGS: the state is none of {size} numbers that LBFGS has saved; load the same model"
            )
        return entry


def _row(x: Any) -> np.ndarray:
    return np.asarray(x).copy()


def _rows(xs: Iterable[Any]) -> list[np.ndarray]:
    return [_row(x) for x in xs]


#: what the state is made of
CONVERT: dict[str, Callable[[Any], Any]] = {
    "func_evals": int, "n_iter": int, "d": _row, "t": float, "old_dirs": _rows, "old_stps": _rows,
    "ro": lambda xs: [float(x) for x in xs], "H_diag": float, "prev_flat_grad": _row, "prev_loss": float,
}  # fmt: skip


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0))


def _newton(
    g: np.ndarray, ys: list[np.ndarray], steps: list[np.ndarray], ro: list[float], scale: float
) -> np.ndarray:
    """- H g, without ever forming H."""
    d, parts = -g, []
    for y, s, r in zip(reversed(ys), reversed(steps), reversed(ro), strict=True):
        parts.append(float(s @ d) * r)
        d -= y * parts[-1]
    d *= scale
    for y, s, r in zip(ys, steps, ro, strict=True):
        d += s * (parts.pop() - float(y @ d) * r)
    return d


class _Point(NamedTuple):
    """Of a line: where, the loss, its gradient, and its slope along the line."""

    t: float
    loss: float
    g: np.ndarray
    slope: float


def _search(
    at: Callable[[float], _Point], t: float, start: _Point, least: float, most: int
) -> tuple[_Point, int]:
    """A point that is lower than `start` and flatter, and how many were tried: `most` or one more.

    First steps grow until a minimum lies between two points, then these draw together, by cubics through
    both.  `low` is the better of the two.
    """

    def too_high(here: _Point) -> bool:
        return here.loss > start.loss + 1e-4 * here.t * start.slope

    def flat(here: _Point) -> bool:
        return abs(here.slope) <= -0.9 * start.slope

    before, here, tried = start, at(t), 0
    while tried < most:
        if too_high(here) or (tried > 1 and here.loss >= before.loss):
            break
        if flat(here):
            return here, tried + 1
        if here.slope >= 0:
            break
        t = _cubic(before, here, here.t + 0.01 * (here.t - before.t), here.t * 10)
        before, here, tried = here, at(t), tried + 1
    else:
        before = start
    low, high = sorted((before, here), key=lambda point: point.loss)
    stuck = False
    while tried < most and abs(high.t - low.t) >= least:
        left, right = sorted((low.t, high.t))
        t, margin = _cubic(low, high, left, right), 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):  # twice near an end: a tenth away from it
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near
        here, tried = at(t), tried + 1
        if too_high(here) or here.loss >= low.loss:
            low, high = sorted((low, here), key=lambda point: point.loss)
            continue
        if not flat(here) and here.slope * (high.t - low.t) >= 0:
            high = low
        low = here
        if flat(here):
            break
    return low, tried + 1


def _cubic(a: _Point, b: _Point, least: float, most: float) -> float:
    """Where the cubic through both, with their slopes, is lowest; within bounds, or else between them."""
    if a.t > b.t:
        a, b = b, a
    m = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = m * m - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    root = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + root - m) / (b.slope - a.slope + 2 * root))
    return min(max(t, least), most)

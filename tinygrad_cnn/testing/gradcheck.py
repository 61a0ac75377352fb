"""Analytic gradients against finite differences, to any order.

For y = f(x, ...) and fixed random c, both sides compute the gradient of the number L = <c, y>:
backward does, and so do central differences,

    dL/dx_i = (L(x + h e_i) - L(x - h e_i)) / 2h + O(h^2).

A rule is linear in the gradient g that it is given, so one random c finds what any g would find.  The
gradient is a function of (x, ..., c) again: the next order is the same check of that function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..errors import ArgumentError
from ..op import Op, is_tensor, wrap
from ..tape import no_grad

__all__ = ["GradcheckError", "gradcheck"]


class GradcheckError(AssertionError):
    """An analytic gradient is wrong; the message says where and by how much."""


def gradcheck(
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    order: int = 1,
    eps: float = 1e-5,
    atol: float = 1e-6,
    rtol: float = 1e-5,
    directional: bool = False,
    seed: int = 0,
) -> None:
    """Compare the gradients of `fn` at `inputs` with central differences, up to order `order`.

    Args:
        fn: an op or any function of Tensors; returns a Tensor or several of them.
        inputs: floating ndarrays and Tensors that require grad are differentiated, in float64 and in the
            memory layout they have; anything else (Tensors that require none, numbers) is handed on.
        order: 2 checks the gradient of the gradient as well (by the inputs and by the incoming
            gradient), and so on.
        eps: the step h.  Stay away from kinks and ties by more than this.
        atol, rtol: what may differ; what rounding does to the difference is allowed for on top.
        directional: compare along one random direction only, instead of element by element: two calls
            of `fn`, whatever its size.
        seed: of c and of the direction.

    Raises:
        GradcheckError: a gradient is wrong, of another shape or dtype than its input, or an input was
            written to.
        ArgumentError: there is nothing to differentiate by, or `order` is less than 1.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> gradcheck(lambda x: (x * x).sum(), [np.array([1.0, 2.0])], order=3)
    >>> gradcheck(lambda x: x * x.detach(), [np.array([1.0, 2.0])])
    Traceback (most recent call last):
    tinygrad_cnn.testing.gradcheck.GradcheckError: order 1: d <lambda> / d x is wrong in 2 of 2 elements
      worst at [1]: expected -0.528419 (central difference), got -0.26421
      everywhere 0.5 times what is expected
      x: (2,) float64
    """
    if order < 1:
        raise ArgumentError(f"gradcheck: order {order}; the first is 1")
    values = [_value(x) for x in inputs]
    if not any(isinstance(v, np.ndarray) for v in values):
        raise ArgumentError("gradcheck: no input to differentiate by; pass a floating array")
    target = _Target.of(fn, len(values))
    rng = np.random.default_rng(seed)
    for level in range(1, order + 1):
        cotangents = _check(target, values, level, rng, eps, atol, rtol, directional)
        if level < order:
            target, values = target.gradient(values, len(cotangents)), [*values, *cotangents]


class _Target:
    """A function under check, and how to speak of it."""

    def __init__(self, call: Callable[..., Any], text: str, inputs: Sequence[str], op: Op | None, rules: str):
        self.call, self.text, self.inputs, self.op, self.rules = call, text, list(inputs), op, rules

    @staticmethod
    def of(fn: Any, count: int) -> _Target:
        inner = getattr(fn, "func", fn)  # of a functools.partial
        op = inner if isinstance(inner, Op) else getattr(fn, "op", None)
        text = op.name if isinstance(op, Op) else getattr(inner, "__name__", type(inner).__name__)
        if isinstance(op, Op):
            inputs = op.inputs
        else:
            kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            inputs = tuple(p.name for p in inspect.signature(fn).parameters.values() if p.kind in kinds)
        if len(inputs) != count:
            inputs = tuple(f"input {i}" for i in range(count))
        return _Target(fn, text, inputs, op if isinstance(op, Op) else None, "")

    def gradient(self, values: Sequence[Any], cotangents: int) -> _Target:
        """The function (inputs, incoming gradients) -> gradients by the inputs."""
        count = len(values)

        def call(*args: Any) -> tuple[Any, ...]:
            xs, cs = args[:count], args[count:]
            wanted = [x for x, v in zip(xs, values, strict=True) if isinstance(v, np.ndarray)]
            found = _gradients(self(*xs), wanted, list(cs), create_graph=True)
            return tuple(
                wrap(np.zeros(x.shape)) if f is None else f for x, f in zip(wanted, found, strict=True)
            )

        names = [f"g{'' if cotangents == 1 else i}" for i in range(cotangents)]
        taken = sum(name.startswith("g") for name in self.inputs)
        return _Target(
            call, f"grad({self.text})", [*self.inputs, *(n + "'" * taken for n in names)], self.op,
            self.rules or (f"{self.op.name}.vjp" if self.op else ""),
        )  # fmt: skip

    def __call__(self, *tensors: Any) -> list[Any]:
        out = self.call(*tensors)
        return [out] if is_tensor(out) else list(out)


def _check(
    target: _Target,
    values: list[Any],
    level: int,
    rng: np.random.Generator,
    eps: float,
    atol: float,
    rtol: float,
    directional: bool,
) -> list[np.ndarray]:
    """Check first derivatives of `target`; returns c."""
    before = [v.copy() if isinstance(v, np.ndarray) else v for v in values]
    leaves = [wrap(v).requires_grad_() if isinstance(v, np.ndarray) else v for v in values]
    outs = target(*leaves)
    cotangents = [rng.standard_normal(out.shape) for out in outs]
    wanted = [x for x, v in zip(leaves, values, strict=True) if isinstance(v, np.ndarray)]
    found = _gradients(outs, wanted, [wrap(c) for c in cotangents])

    def fail(what: str) -> GradcheckError:
        return GradcheckError(f"order {level}: {what}\n{_inputs(target, values)}")

    for name, v, b in zip(target.inputs, values, before, strict=True):
        if isinstance(v, np.ndarray) and not np.array_equal(v, b, equal_nan=True):
            raise fail(f"{target.text} or its backward wrote to {name}")
    arrays = [(i, v) for i, v in enumerate(values) if isinstance(v, np.ndarray)]
    got = []
    for (i, v), g in zip(arrays, found, strict=True):
        g = np.zeros(v.shape) if g is None else g.array
        if g.shape != v.shape or g.dtype != v.dtype:
            raise fail(
                f"d {target.text} / d {target.inputs[i]} is {g.shape} {g.dtype}, "
                f"and the input {v.shape} {v.dtype}"
            )
        got.append((i, g))

    def number(steps: dict[int, np.ndarray]) -> float:
        """L at the inputs moved by `steps`, in plain memory: so layouts are tested against none."""
        moved = [
            wrap(np.asarray(before[i] + steps.get(i, 0.0))) if isinstance(v, np.ndarray) else v
            for i, v in enumerate(values)
        ]
        if level > 1:  # the function takes gradients itself
            moved = [
                m.requires_grad_() if isinstance(v, np.ndarray) else m
                for m, v in zip(moved, values, strict=True)
            ]
            outs = target(*moved)
        else:
            with no_grad():
                outs = target(*moved)
        return float(sum(np.vdot(c, out.array) for c, out in zip(cotangents, outs, strict=True)))

    def slope(steps: dict[int, np.ndarray]) -> tuple[float, float]:
        """The central difference, and what rounding can have done to it."""
        after, ahead = (number({i: sign * eps * s for i, s in steps.items()}) for sign in (1, -1))
        return (after - ahead) / (2 * eps), 32 * np.finfo(float).eps * max(abs(after), abs(ahead)) / eps

    if directional:
        steps = {i: rng.standard_normal(g.shape) for i, g in got}
        difference, noise = slope(steps)
        along = float(sum(np.vdot(steps[i], g) for i, g in got))
        if not abs(along - difference) <= atol + noise + rtol * max(abs(along), abs(difference)):
            raise fail(
                f"the gradient of {target.text} is wrong along a random direction: "
                f"expected {difference:.6g} (central difference), got {along:.6g}"
            )
        return cotangents

    for i, g in got:
        expected, rounding = np.zeros(g.shape), np.zeros(g.shape)
        for at, step in _units(g.shape):
            expected[at], rounding[at] = slope({i: step})
        scale = max(np.abs(expected).max(initial=0), np.abs(g).max(initial=0))
        wrong = ~(np.abs(g - expected) <= atol + rounding + rtol * scale)
        if wrong.any():
            raise fail(_report(target, i, g, expected, wrong))
    return cotangents


def _report(target: _Target, i: int, g: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> str:
    distance = np.where(wrong, np.nan_to_num(np.abs(g - expected), nan=np.inf), -1.0)
    worst = np.unravel_index(distance.argmax(), g.shape)
    name = target.inputs[i]
    lines = [f"d {target.text} / d {name} is wrong in {wrong.sum()} of {g.size} elements"]
    if target.rules:
        lines.append(f"  a rule of {target.rules}, or a rule of an op which it uses, is wrong")
    elif target.op:
        lines.append(f"  the rule is {name} in {target.op.name}.vjp(...)")
    place = [int(n) for n in worst]
    lines.append(
        f"  worst at {place}: expected {expected[worst]:.6g} (central difference), got {g[worst]:.6g}"
    )
    factor = np.vdot(expected, g) / (np.vdot(expected, expected) or 1.0)
    if np.allclose(g, factor * expected, rtol=1e-4, atol=1e-6):
        lines.append(
            "  zero everywhere" if abs(factor) < 1e-4 else f"  everywhere {factor:.4g} times what is expected"
        )
    return "\n".join(lines)


def _inputs(target: _Target, values: Sequence[Any]) -> str:
    def describe(v: Any) -> str:
        if not isinstance(v, np.ndarray):
            return f"{v.shape} {v.dtype}, constant" if is_tensor(v) else repr(v)
        layout = "" if v.flags.c_contiguous else f", strides {v.strides}"
        numbers = " = " + " ".join(repr(v.tolist()).split()) if 0 < v.size <= 4 and v.ndim == 0 else ""
        return f"{v.shape} {v.dtype}{layout}{numbers}"

    lines = [f"  {name}: {describe(v)}" for name, v in zip(target.inputs, values, strict=True)]
    attrs = getattr(target.call, "keywords", None) or getattr(target.call, "attrs", None) or {}
    return "\n".join([*lines, *(f"  {name}={value!r}" for name, value in attrs.items())])


def _gradients(outs: list[Any], wanted: list[Any], grads: list[Any], create_graph: bool = False) -> list[Any]:
    """engine.grad, where results that depend on nothing have zero gradients."""
    pairs = [(out, g) for out, g in zip(outs, grads, strict=True) if out.requires_grad]
    if not pairs:
        return [None] * len(wanted)
    ys, gs = zip(*pairs, strict=True)
    return list(engine.grad(ys, wanted, list(gs), create_graph=create_graph, allow_unused=True))


def _units(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    for at in np.ndindex(shape):
        step = np.zeros(shape)
        step[at] = 1
        yield at, step


def _value(x: Any) -> Any:
    """A float64 array to differentiate by, in its layout; anything else as it is."""
    if is_tensor(x):
        return np.asarray(x.array, np.float64) if x.requires_grad else x
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return np.asarray(x, np.float64)
    return x

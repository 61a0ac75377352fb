"""What a failed check says: what is wrong, where, by how much, like what, and how to see it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..op import Op
from .frameworks import Framework
from .subject import Subject, spoken

__all__ = ["Fault", "about", "compared", "like", "likeness", "line", "rule", "source"]


class Fault(Exception):
    """What is wrong, in words."""


def about(subject: Subject) -> str:
    """The arguments: shapes, dtypes, layouts, attributes."""

    def describe(v: Any) -> str:
        if not isinstance(v, np.ndarray):
            return f"{tuple(v.shape)} {v.dtype}, constant" if subject.framework.is_tensor(v) else repr(v)
        layout = "" if v.flags.c_contiguous else f", strides {v.strides}"
        numbers = f" = {v.item()!r}" if v.ndim == 0 else ""
        return f"{v.shape} {v.dtype}{layout}{numbers}"

    lines = [f"  {name}: {describe(v)}" for name, v in zip(subject.names, subject.values, strict=True)]
    return "\n".join([*lines, *(f"  {name}={value!r}" for name, value in _attrs(subject.call).items())])


def compared(
    subject: Subject, i: int, got: np.ndarray, expected: np.ndarray, wrong: np.ndarray, where: str = ""
) -> str:
    """A gradient that differs from the central differences: how much of it, whose rule, the worst element."""
    distance = np.where(wrong, np.nan_to_num(np.abs(got - expected), nan=np.inf), -1.0)
    worst = np.unravel_index(distance.argmax(), got.shape)
    name = subject.names[subject.wanted[i]]
    lines = [f"d {subject.text} / d {name} is wrong in {wrong.sum()} of {got.size} elements{where}"]
    lines += rule(subject, name)
    lines.append(
        f"  worst at {[int(n) for n in worst]}: expected {expected[worst]:.6g} (central difference), "
        f"got {got[worst]:.6g}"
    )
    lines += [f"  {what}" for what in likeness(got, expected, wrong)]
    return "\n".join(lines)


def rule(subject: Subject, name: str) -> list[str]:
    """Which rule it must be, if the function is an op."""
    if subject.op is None:
        return []
    if subject.order:
        return [f"  a rule of {subject.op.name}.vjp, or a rule of an op which it uses, is wrong"]
    return [f"  the rule is {name} in {subject.op.name}.vjp(...)"]


def likeness(got: np.ndarray, expected: np.ndarray, wrong: np.ndarray) -> Iterator[str]:
    """What a wrong gradient looks like: a multiple, a flipped or transposed one, wrong in one row only."""

    def alike(a: np.ndarray, b: np.ndarray) -> bool:
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-6 * (1e-300 + np.abs(b).max()))

    if not np.isfinite(got).all() or not np.isfinite(expected).all():
        return
    if not got.any() and expected.any():
        yield "zero everywhere"
        return
    factor = np.vdot(expected, got) / (np.vdot(expected, expected) or 1.0)
    if alike(got, factor * expected):
        yield f"everywhere {factor:.4g} times what is expected"
        return
    for text, change in _changes(got.ndim):
        if alike(got, change(expected)):
            yield f"equals what is expected with {text}"
            return
    for axis, places in enumerate(np.nonzero(wrong) if got.ndim else ()):
        if got.shape[axis] > 2 and len(set(places.tolist())) == 1 and wrong.sum() > 1:
            yield f"wrong only at index {places[0]} of axis {axis}"
    signs = got[wrong] * expected[wrong]
    if np.allclose(np.abs(got), np.abs(expected), rtol=1e-4) and (signs < 0).any():
        yield "the sign is wrong there, the size is right"


def _changes(ndim: int) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    for count in range(1, ndim + 1):  # the last ones first: those of a kernel
        axes = tuple(range(ndim - count, ndim))
        yield f"{_axes(axes)} flipped", partial(np.flip, axis=axes)
    for axis in range(ndim - 1):
        yield f"axis {axis} flipped", partial(np.flip, axis=axis)
    for a in range(ndim):
        for b in range(a + 1, ndim):
            yield f"axes {a} and {b} swapped", partial(np.swapaxes, axis1=a, axis2=b)


def _axes(axes: tuple[int, ...]) -> str:
    if len(axes) == 1:
        return f"axis {axes[0]}"
    return f"axes {', '.join(map(str, axes[:-1]))} and {axes[-1]}"


def line(
    caller: str,
    function: Any,
    inputs: Sequence[Any],
    options: Sequence[str],
    framework: Framework,
    random: int | None = None,
) -> str:
    """One line of Python that fails in the same way; with `random`, normal numbers of that seed."""
    made = [_literal(framework, v, random is not None) for v in inputs]
    what = f"{caller}({', '.join([source(function), '[' + ', '.join(made) + ']', *options])})"
    return what if random is None else f"normal = np.random.default_rng({random}).standard_normal; {what}"


def source(function: Any) -> str:
    """An expression for a function: its name, with the keywords that are bound; "func" if it has none."""
    inner = getattr(function, "func", function)
    op = inner if isinstance(inner, Op) else getattr(function, "op", None)
    name = op.name if isinstance(op, Op) else spoken(function) if hasattr(inner, "__name__") else ""
    name = name if name.replace(".", "").isidentifier() else "func"
    bound = "".join(f", {key}={value!r}" for key, value in _attrs(function).items())
    return f"lambda *inputs: {name}(*inputs{bound})" if bound else name


def like(array: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Other values in the dtype and the memory layout of an array."""
    made = np.empty_like(array)
    made[...] = values
    return made


def _literal(framework: Framework, v: Any, random: bool) -> str:
    tensor = framework.is_tensor(v)
    a = framework.array(v) if tensor else v
    if not isinstance(a, np.ndarray):
        return repr(a)
    drawn = random and a.dtype.kind == "f" and (not tensor or v.requires_grad)
    perm = sorted(range(a.ndim), key=lambda axis: -abs(a.strides[axis]))  # as it lies in memory
    plain = a.transpose(perm)
    if drawn:
        text = f"normal({plain.shape})" + ("" if a.dtype == np.float64 else f".astype('{a.dtype}')")
    elif a.size == 0:
        text = f"np.zeros({plain.shape}, '{a.dtype}')"
    else:
        numbers = re.sub(r"\b(nan|inf)\b", r"np.\1", repr(plain.tolist()))
        text = f"np.array({numbers}, '{a.dtype}')"
    if perm != sorted(perm) and a.size:
        text += f".transpose({', '.join(str(perm.index(axis)) for axis in range(a.ndim))})"
    if not tensor:
        return text
    maker = "torch.from_numpy" if framework.name == "torch" else "tg.from_numpy"
    return f"{maker}({text}){'.requires_grad_()' if v.requires_grad else ''}"


def _attrs(call: Any) -> dict[str, Any]:
    return getattr(call, "keywords", None) or getattr(call, "attrs", None) or {}

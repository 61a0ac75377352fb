"""What a gradient has to be besides right: of its input's shape and dtype, finite, the same every time."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import GraphError
from ..tape import next_seq
from .differences import Neighbourhood
from .memory import laid_out
from .report import Fault, rule
from .subject import Arrays, Subject, row, unrow

__all__ = ["behaviour", "rounding"]

LAID = {
    "stepped": "where arrays have gaps in memory",
    "F": "where arrays lie column by column",
    "reversed": "where arrays lie backwards, and nobody may write to an incoming gradient",
}


def behaviour(
    subject: Subject, cotangents: Arrays, nondet_tol: float = 0.0, undefined: bool = True, dtypes: bool = True
) -> Arrays:
    """The gradients by the subject's arrays, given the incoming ones.

    Args:
        nondet_tol: by how much two calls with the same inputs may differ.
        undefined: ask with incoming gradients of 0, and with some left out.
        dtypes: a gradient must have its input's dtype.

    Raises:
        Fault: a shape, a dtype, a number that is not finite; an input or an incoming gradient was written to;
            another result or gradient when asked again, or when arrays lie in memory in another way; a graph
            that stays alive.
    """
    arrays, text, count = subject.arrays, subject.text, len(cotangents)
    kept = [a.copy() for a in (*arrays, *cotangents)]
    zeros = [np.zeros_like(c) for c in cotangents]
    alone: list[Any] = [[c if i == at else None for i, c in enumerate(cotangents)] for at in range(count)]
    filled = [[c if c is not None else z for c, z in zip(some, zeros, strict=True)] for some in alone]
    partly = [*alone, *filled] if count > 1 else []
    parts = [[_part(c, side, 2.0**power) for c in cotangents] for side, power in ((0, 10), (1, -10))]
    rows = [cotangents, cotangents, *parts, *([zeros, *partly] if undefined else [])]
    outs, (first, again, large, small, *rest) = _and_gone(subject, rows)

    written = [subject.names[i] for i in subject.wanted] + ["the incoming gradient"] * count
    for name, now, before in zip(written, [*arrays, *cotangents], kept, strict=True):
        if not np.array_equal(now, before, equal_nan=True):
            raise Fault(f"{text} or its backward wrote to {name}")
    for i, (a, d) in enumerate(zip(arrays, first, strict=True)):
        name = subject.names[subject.wanted[i]]
        if d.shape != a.shape or (dtypes and d.dtype != a.dtype):
            raise Fault(f"d {text} / d {name} is {d.shape} {d.dtype}, and the input {a.shape} {a.dtype}")
        if at := _not_finite(d):
            raise Fault("\n".join([f"d {text} / d {name} is {at}", *rule(subject, name)]))
    for o, out in enumerate(outs):
        if at := _not_finite(out):
            raise Fault(f"result {o} of {text} is {at}, where nothing can be compared")

    text_back = f"the backward of {text} gives another gradient"
    again_outs, last = subject.results(arrays), nondet_tol + 16 * max((_last(a) for a in outs), default=0.0)
    _same(outs, again_outs, last, f"{text} gives another result when it is called again")
    _same(first, again, nondet_tol, f"{text_back} the second time")
    forward, back = partial(rounding, subject), partial(rounding, subject, cotangents)
    large, small = [a / 2.0**10 for a in large], [a * 2.0**10 for a in small]
    added = [a + b for a, b in zip(large, small, strict=True)]
    allowed = nondet_tol + _half([*first, *large, *small])
    _same(first, added, allowed, f"{text_back} in parts, of which one is large and one small", back)
    if undefined:
        nothing = [np.zeros_like(a) for a in arrays]
        _same(nothing, rest[0], 0.0, f"the backward of {text} makes something of an incoming gradient of 0")
        some, others = rest[1 : 1 + len(partly) // 2], rest[1 + len(partly) // 2 :]
        for one, other in zip(some, others, strict=True):
            _same(one, other, _half(one), f"{text_back} where an incoming one is left out instead of 0", back)
        if some:
            added = [np.sum(part, axis=0) for part in zip(*some, strict=True)]
            _same(first, added, _half(first), f"{text_back} than results one by one, added up", back)
    for layout, place in LAID.items():
        xs, gs = ([laid_out(a, layout) for a in some] for some in (arrays, cotangents))
        for g in gs:
            g.flags.writeable = layout != "reversed"  # as what comes from a sum
        try:
            far, (moved,), _ = subject.pull(xs, [gs])
        except ValueError as error:
            raise Fault(f"{text} or its backward fails {place}: {error}") from None
        _same(outs, far, nondet_tol + _half(outs), f"{text} gives another result {place}", forward)
        _same(first, moved, nondet_tol + _half(first), f"{text_back} {place}", back)
    return first


def rounding(subject: Subject, cotangents: Arrays | None = None) -> np.ndarray:
    """What rounding may do to the results, or, given incoming gradients, to the gradients: what is seen when
    everything is moved a little.  Where all cancels, it is all there is."""
    start = [*subject.arrays, *(cotangents or [])]

    def numbers(x: np.ndarray) -> np.ndarray:
        moved = unrow(x, start)
        arrays, gs = moved[: len(subject.arrays)], moved[len(subject.arrays) :]
        return row(subject.results(arrays) if cotangents is None else subject.pull(arrays, [gs])[1][0])

    with np.errstate(all="ignore"):
        near = Neighbourhood(numbers, row(start), subject.eps)
        return 64 * (
            np.fmax(near.rounding, near.scatter(np.sqrt(subject.eps))) + near.unseen(np.ones(1), 1.0)
        )


def _and_gone(subject: Subject, rows: list[Any]) -> tuple[Arrays, list[Arrays]]:
    """Results and gradients; and nothing that was recorded on the way is alive any more."""
    collecting = gc.isenabled()
    gc.disable()  # a graph must not need the collector
    try:
        outs, pulled, nodes = subject.pull(subject.arrays, rows, next_seq())
        alive = [node for node in (ref() for ref in nodes) if node is not None]
    except GraphError as error:
        raise Fault(str(error)) from None
    finally:
        if collecting:
            gc.enable()
    if alive:
        raise Fault(
            f"the graph of {subject.text} stays alive: {alive[0].name}, {len(alive)} nodes in all; "
            "somebody keeps a result, or references form a circle"
        )
    return outs, pulled


def _part(array: np.ndarray, side: int, factor: float) -> np.ndarray:
    """Every other number, times a factor; 0 for the others."""
    kept = np.arange(array.size).reshape(array.shape) % 2 == side
    return np.asarray(array * kept * factor, array.dtype)


def _not_finite(array: np.ndarray) -> str:
    """The first number that is none: "nan at [0, 1]"; nothing if all are."""
    strange = np.argwhere(~np.isfinite(array))
    return f"{array[tuple(strange[0])]} at {strange[0].tolist()}" if strange.size or len(strange) else ""


def _half(arrays: Arrays) -> float:
    """Half of the digits of the largest number."""
    return max((np.sqrt(np.finfo(a.dtype).eps) * np.abs(a).max(initial=0) for a in arrays), default=0.0)


def _last(array: np.ndarray) -> float:
    """The last digit of the largest number."""
    return float(np.finfo(array.dtype).eps * np.abs(array).max(initial=0))


def _same(
    some: Arrays, other: Arrays, tolerance: float, what: str, more: Callable[[], np.ndarray] | None = None
) -> None:
    """Equal as far as a tolerance goes, and as far as rounding does, which is asked for when it matters."""
    for a, b in zip(some, other, strict=True):
        if a.shape != b.shape:
            raise Fault(f"{what}: {a.shape} and then {b.shape}")
    allowed: Any = tolerance
    for again in (more, None):
        far = ~(np.abs(row(some) - row(other)) <= allowed)
        if not far.any():
            return
        if again is not None:
            allowed = tolerance + again()
    for a, b, wrong in zip(some, other, unrow(far, [a.astype(bool) for a in some]), strict=True):
        if wrong.any():
            at = np.unravel_index(int(wrong.argmax()), a.shape)
            raise Fault(f"{what}: {a[at]:.6g} and then {b[at]:.6g} at {[int(n) for n in at]}")

"""Analytic gradients against finite differences, to any order, at kinks and ties as well.

For y = f(x, ...) and fixed random c, both sides compute the gradient of the number L = <c, y>: backward
does, and so do central differences (`differences`).  A rule is linear in the gradient g that it is given,
so one random c finds what any g would find.  Where they disagree, or where the slope changes at x, the
pieces that meet there are looked at, one number of y at a time (`kinks`).  The gradient is a function of
(x, ..., c) again: the next order is the same check of that function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ArgumentError, GraphError
from ..tape import next_seq
from . import frameworks, report
from .differences import Neighbourhood
from .kinks import Kinks
from .subject import Arrays, Subject, row

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

MOST = 32  # directions, and numbers of y, that are looked at where there is a kink


class GradcheckError(AssertionError):
    """An analytic gradient is wrong; the message says where and by how much."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = True,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
    order: int = 1,
    seed: int = 0,
    vjp: Callable[..., Any] | None = None,
) -> bool:
    """Compare the gradients of `func` at `inputs` with finite differences, up to order `order`.

    At a kink or a tie the gradient must lie in the generalized gradient: between the slopes of the pieces
    that meet there (see docs/kinks.md).

    Args:
        func: an op, a module or any function of tensors, ours or PyTorch's; returns one or several of them.
        inputs: floating arrays and tensors that require grad are differentiated, in the memory layout
            they have, and in float64 if the function computes in it when asked to; the rest is handed on.
        eps: the step of the first difference (default: the third root of the precision).
        atol, rtol: what may differ, as in `torch.allclose` (1e-5 and 1e-3 where one of them is given).
            Default: half of the digits of the largest gradient, and what truncation and rounding can do,
            estimated from several step sizes.
        raise_exception: raise what is wrong, or return False.
        nondet_tol: by how much two calls with the same inputs may differ.
        check_undefined_grad: an incoming gradient that is zero, or none at all, must work and give zero.
        check_grad_dtypes: a gradient must have its input's dtype.
        check_batched_grad, check_batched_forward_grad, check_forward_ad, check_backward_ad, masked: as in
            PyTorch by default, and other values are refused: there is no vmap, no forward mode and no
            sparse tensor here.
        fast_mode: compare along one random direction only, instead of element by element: few calls of
            `func`, whatever the sizes.
        order: 2 checks the gradient of the gradient as well (by the inputs and by the incoming
            gradient), and so on; not by coordinates where a lower order has a kink.
        seed: of c and of the directions.
        vjp: `func` is a function of arrays, and `vjp(g, *inputs)` its backward (`frameworks.from_arrays`).

    Returns:
        True if all is well.

    Raises:
        GradcheckError: a gradient is wrong, of another shape or dtype than its input; an input was
            written to; results are not the same every time, or in another layout; a graph stays alive.
        ArgumentError: there is nothing to differentiate by, or an option makes no sense.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> gradcheck(lambda x: (x * x).sum(), [np.array([1.0, 2.0])], order=3)
    True
    >>> gradcheck(tg.relu, [np.array([-1.0, 0.0, 2.0])])
    True
    >>> gradcheck(lambda x: x * x.detach(), [np.array([1.0, 2.0])])
    Traceback (most recent call last):
    tinygrad_cnn.testing.gradcheck.GradcheckError: order 1: d <lambda> / d x is wrong in 2 of 2 elements
      worst at [1]: expected ... (central difference), got ...
      everywhere 0.5 times what is expected
      x: (2,) float64
    reproduce: gradcheck(func, [np.array([1.0, 2.0], 'float64')])
    """
    refuse = {
        "check_batched_grad": check_batched_grad,
        "check_batched_forward_grad": check_batched_forward_grad,
        "check_forward_ad": check_forward_ad,
        "check_backward_ad=False": not check_backward_ad,
        "masked": masked,
    }
    subject = _subject("gradcheck", func, inputs, vjp, refuse)
    if order < 1:
        raise ArgumentError(f"gradcheck: order {order}; the first is 1")
    if vjp is not None and order > 1:
        raise ArgumentError(f"gradcheck: order {order} of an array function; a vjp has no gradient itself")
    how = _How(
        eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode, seed, func, inputs
    )
    return _run(subject, [None] * order, how, raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = True,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
    seed: int = 0,
) -> bool:
    """Compare the gradients of the gradients of `func` with finite differences: the second order alone.

    Args:
        grad_outputs: the incoming gradients, one for each result, to check at (default: random ones).
        gen_non_contig_grad_outputs: make the random ones lie with gaps in memory.
        others: as in `gradcheck`, whose order=2 checks the first order as well.

    >>> import numpy as np, tinygrad_cnn as tg
    >>> gradgradcheck(tg.sigmoid, [np.array([1.0, 2.0])])
    True
    """
    refuse = {
        "check_batched_grad": check_batched_grad,
        "check_fwd_over_rev": check_fwd_over_rev,
        "check_rev_over_rev=False": not check_rev_over_rev,
        "masked": masked,
    }
    subject = _subject("gradgradcheck", func, inputs, None, refuse)
    how = _How(
        eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode, seed, func, inputs
    )
    given: Any = "non-contiguous" if gen_non_contig_grad_outputs else None
    if grad_outputs is not None:
        several = isinstance(grad_outputs, (list, tuple))
        given = [_array_of(subject, g) for g in (grad_outputs if several else [grad_outputs])]
    return _run(subject, [given, None], replace(how, first=2), raise_exception)


@dataclass(frozen=True)
class _How:
    """The options, and what was given, for the report."""

    eps: float | None
    atol: float | None
    rtol: float | None
    nondet_tol: float
    undefined: bool
    dtypes: bool
    fast: bool
    seed: int
    func: Any
    inputs: Any
    first: int = 1


class _Fault(Exception):
    """What is wrong, in words."""


def _subject(caller: str, func: Any, inputs: Any, vjp: Any, refuse: dict[str, Any]) -> Subject:
    for name, value in refuse.items():
        if value:
            raise ArgumentError(
                f"{caller}: {name}: there is no vmap, no forward mode and no sparse tensor here; leave it out"
            )
    framework = frameworks.of(inputs if isinstance(inputs, (list, tuple)) else [inputs])
    if not isinstance(inputs, (list, tuple)):
        inputs = [inputs]
    if vjp is not None:
        func = frameworks.from_arrays(func, vjp)
    subject = Subject.of(func, inputs, framework)
    if not subject.arrays:
        raise ArgumentError(
            f"{caller}: no input to differentiate by; pass a floating array, or a tensor that requires grad"
        )
    return subject


def _array_of(subject: Subject, g: Any) -> np.ndarray:
    return np.asarray(subject.framework.array(g) if subject.framework.is_tensor(g) else g, np.float64)


def _run(subject: Subject, cotangents: list[Any], how: _How, raise_exception: bool) -> bool:
    """Check one order after the other, from `how.first` on; `cotangents` has one entry per order."""
    rng = np.random.default_rng(how.seed)
    level = 1
    below: list[Subject] = []
    try:
        for given in cotangents:
            rough, subject = subject, subject.lifted()
            try:
                if level < how.first:
                    drawn = _cotangents(subject, rng, given)
                else:
                    drawn = _check(rough, subject, how, rng, below)
            except _Fault as fault:
                text = f"order {level}: {fault}\n{report.about(rough)}"
                raise GradcheckError(f"{text}\n{_again(subject, how, len(cotangents))}") from None
            below = [*below, subject]
            subject, level = subject.gradient(drawn), level + 1
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _cotangents(subject: Subject, rng: np.random.Generator, given: Any = None) -> Arrays:
    """The incoming gradients: random, and far from 0, where a wrong rule would not be seen."""
    outs = subject.results(subject.arrays)
    if isinstance(given, list):
        return given
    drawn = [
        np.asarray(rng.choice((-1.0, 1.0), o.shape) * rng.uniform(0.5, 1.5, o.shape), o.dtype) for o in outs
    ]
    return [_apart(d) for d in drawn] if given else drawn


def _apart(array: np.ndarray) -> np.ndarray:
    """The same, with gaps between the elements."""
    wide = np.full([2 * n + 1 for n in array.shape], np.nan, array.dtype)
    every_other: Any = (*(slice(1, None, 2),) * array.ndim, ...)
    view = wide[every_other]
    view[...] = array
    return view


def _check(
    rough: Subject, subject: Subject, how: _How, rng: np.random.Generator, below: list[Subject]
) -> Arrays:
    """Check first derivatives; returns c."""
    cotangents = _cotangents(subject, rng)
    if rough is not subject:  # dtypes are the business of what was given
        _manners(rough, _cotangents(rough, rng), how)
    g = _manners(subject, cotangents, how)
    try:
        _numbers(subject, cotangents, g, how, rng, np.ones(sum(a.size for a in subject.arrays), bool))
    except _Fault:
        # Where a lower order has a kink, this one has a jump.  It is not asked for there.
        free = np.ones(sum(a.size for a in subject.arrays), bool)
        for lower in below:
            rough_at = _rough(lower, rng)
            free[: rough_at.size] &= ~rough_at
        if free.all():
            raise
        _numbers(subject, cotangents, g, how, rng, free)
    return cotangents


# --- how it behaves ------------------------------------------------------------------------------------


def _manners(subject: Subject, cotangents: Arrays, how: _How) -> Arrays:
    """All but the numbers: shapes, dtypes, writes, the same results every time; returns the gradients."""
    arrays, text = subject.arrays, subject.text
    before, c_before = ([a.copy() for a in some] for some in (arrays, cotangents))
    nothing = [np.zeros_like(c) for c in cotangents]
    alone: list[Any] = [
        [c if i == at else None for i, c in enumerate(cotangents)] for at in range(len(cotangents))
    ]
    filled = [[nothing[i] if g is None else g for i, g in enumerate(some)] for some in alone]
    rows = [cotangents, cotangents, *([nothing, *alone, *filled] if how.undefined else [])]
    since = next_seq()
    try:
        outs, pulled, nodes = subject.pull(arrays, rows, since)
    except GraphError as error:
        raise _Fault(str(error)) from None
    if alive := [node for node in (ref() for ref in nodes) if node is not None]:
        raise _Fault(
            f"the graph of {text} stays alive: {alive[0].name} and {len(alive) - 1} more nodes; "
            "somebody keeps a result, or references form a cycle"
        )

    for name, now, then in zip(
        [*(subject.names[i] for i in subject.wanted), *("the incoming gradient" for _ in cotangents)],
        [*arrays, *cotangents], [*before, *c_before], strict=True,
    ):  # fmt: skip
        if not np.array_equal(now, then, equal_nan=True):
            raise _Fault(f"{text} or its backward wrote to {name}")
    for i, (a, d) in enumerate(zip(arrays, pulled[0], strict=True)):
        name = subject.names[subject.wanted[i]]
        if d.shape != a.shape or (how.dtypes and d.dtype != a.dtype):
            raise _Fault(f"d {text} / d {name} is {d.shape} {d.dtype}, and the input {a.shape} {a.dtype}")
        if not np.isfinite(d).all():
            at = [int(n) for n in np.argwhere(~np.isfinite(d))[0]]
            raise _Fault(
                "\n".join([f"d {text} / d {name} is {d[tuple(at)]} at {at}", *report.rule(subject, name)])
            )
    for o, out in enumerate(outs):
        if not np.isfinite(out).all():
            at = [int(n) for n in np.argwhere(~np.isfinite(out))[0]]
            raise _Fault(f"result {o} of {text} is {out[tuple(at)]} at {at}, where nothing can be compared")

    again = subject.results(arrays)
    back = f"the backward of {text} gives another gradient"
    _same(outs, again, how.nondet_tol, f"{text} gives another result when it is called again")
    _same(pulled[0], pulled[1], how.nondet_tol, f"{back} the second time")
    if how.undefined:
        zeros = [np.zeros_like(a) for a in arrays]
        _same(pulled[2], zeros, 0.0, f"the backward of {text} makes something of an incoming gradient of 0")
        for one, other in zip(pulled[3 : 3 + len(alone)], pulled[3 + len(alone) :], strict=True):
            _same(one, other, _half(one), f"{back} where an incoming one is left out instead of 0")
    gaps = "where arrays have gaps in memory"
    other, (moved,), _ = subject.pull([_apart(a) for a in arrays], [[_apart(c) for c in cotangents]])
    _same(outs, other, how.nondet_tol + _half(outs), f"{text} gives another result {gaps}")
    _same(pulled[0], moved, how.nondet_tol + _half(pulled[0]), f"{back} {gaps}")
    return pulled[0]


def _half(arrays: Arrays) -> float:
    """Half of the digits of the largest."""
    return max(
        (float(np.sqrt(np.finfo(a.dtype).eps) * np.abs(a).max(initial=0)) for a in arrays), default=0.0
    )


def _same(some: Arrays, other: Arrays, tolerance: float, what: str) -> None:
    for a, b in zip(some, other, strict=True):
        if a.shape != b.shape:
            raise _Fault(f"{what}: {a.shape} and then {b.shape}")
        far = ~(np.abs(a - b) <= tolerance)
        if far.any():
            at = tuple(np.argwhere(far)[0])
            raise _Fault(f"{what}: {a[at]:.6g} and then {b[at]:.6g} at {[int(n) for n in at]}")


# --- the numbers ---------------------------------------------------------------------------------------


def _numbers(
    subject: Subject, cotangents: Arrays, g: Arrays, how: _How, rng: np.random.Generator, free: np.ndarray
) -> None:
    """Compare with slopes, by the coordinates that are `free` and along one direction."""
    near = Neighbourhood(subject.flat, row(subject.arrays), subject.eps, how.eps)
    c, gradient = row(cotangents), row(g) * near.scale
    units = [] if how.fast else np.nonzero(free)[0].tolist()
    across = rng.standard_normal(free.size) * free

    def direction(k: int) -> np.ndarray:
        return across if k == len(units) else np.eye(1, free.size, units[k])[0]

    count = len(units) + 1
    got = np.array([*gradient[units], across @ gradient])
    looks = np.array([near.look(direction(k), c) for k in range(count)])
    slopes, bends = looks.T
    scale = _scales(subject, gradient, slopes, units, across)

    def allowed(expected: np.ndarray, error: np.ndarray | float) -> np.ndarray:
        if how.atol is None and how.rtol is None:
            return np.asarray(np.sqrt(near.eps) * scale + error)
        atol, rtol = (d if v is None else v for v, d in ((how.atol, 1e-5), (how.rtol, 1e-3)))
        return np.asarray(atol + rtol * np.abs(expected))

    right = np.abs(got - slopes) <= allowed(slopes, near.noise(c))
    bent = ~(bends <= 0.02 * scale + 64 * near.h + near.noise(c))
    errors = np.zeros(count)

    def best_slopes(c: np.ndarray) -> np.ndarray:
        """Whether the gradient of <c, y> is the best estimate of its slopes, by those that are not right."""
        for k in np.nonzero(~right)[0].tolist():
            slopes[k], errors[k] = near.slope(direction(k), c)
        return right | (np.abs(got - slopes) <= allowed(slopes, errors))

    still = best_slopes(c)
    if (still & ~bent).all():
        return
    asked = sorted(np.nonzero(~still | bent)[0].tolist(), key=lambda k: bool(still[k]))
    looked = asked[:MOST] + [count - 1] * (count - 1 not in asked[:MOST])
    kinks = Kinks(near, np.array([direction(k) for k in looked]), rng)
    for k in [k for k in looked if not still[k]]:
        jump = near.jumps(direction(k)) * (c != 0)
        if jump.any():
            where = _place(subject, None if k == count - 1 else units[k])
            raise _Fault(f"{subject.text} is not continuous{where}: it jumps by {jump.max():.6g} there")
    rough = np.nonzero(kinks.kinked.any(axis=0))[0]
    for j in rng.permutation(rough)[:MOST]:
        _one_number(subject, kinks, int(j), [None if k == count - 1 else units[k] for k in looked], rng)

    if rough.size:  # the numbers of y that have no kink are compared as ever
        c = np.where(np.isin(np.arange(c.size), rough), 0.0, c)
        gradient = row(subject.pull(subject.arrays, [_shaped(c, cotangents)])[1][0]) * near.scale
        got = np.array([*gradient[units], across @ gradient])
        right = still
        still = best_slopes(c)
        scale = _scales(subject, gradient, slopes, units, across)
    if not still.all():
        raise _Fault(_smooth(subject, near, got, slopes, ~still, units))


def _scales(
    subject: Subject, gradient: np.ndarray, slopes: np.ndarray, units: list[int], across: np.ndarray
) -> np.ndarray:
    """How large gradients are: by each input the largest, along the direction their norm."""
    expected = np.abs(gradient)
    expected[units] = np.fmax(expected[units], np.abs(slopes[:-1]))
    largest = [expected[span].max(initial=0) for span in subject.spans]
    each = np.concatenate(
        [np.zeros(0), *(np.full(s.stop - s.start, m) for s, m in zip(subject.spans, largest, strict=True))]
    )
    return np.array([*each[units], np.linalg.norm(across * expected)])


def _shaped(flat: np.ndarray, like: Arrays) -> Arrays:
    stops = np.cumsum([0, *(a.size for a in like)]).tolist()
    return [flat[s : s + a.size].reshape(a.shape).astype(a.dtype) for s, a in zip(stops, like, strict=False)]


def _one_number(
    subject: Subject, kinks: Kinks, j: int, coordinates: list[int | None], rng: np.random.Generator
) -> None:
    """Whether the gradient of number j of the results lies in the generalized gradient."""
    near, results = kinks.near, subject.results(subject.arrays)
    unit = _shaped(np.eye(1, near.f0.size, j)[0], results)
    gradient = row(subject.pull(subject.arrays, [unit])[1][0]) * near.scale
    kinked = kinks.kinked[:, j]
    tried: list[tuple[np.ndarray, int | None]] = []
    apart = np.zeros(near.x.size)
    together = np.zeros(near.x.size)
    for k, (d, at) in enumerate(zip(kinks.directions, coordinates, strict=True)):
        if kinked[k]:
            tried.append((d, at))
            if at is not None:
                apart[at] = gradient[at] - (kinks.least[k, j] + kinks.most[k, j]) / 2
                together[at] = 1.0
    if not together.any():
        apart = gradient.copy()
    for d in (apart, together, rng.standard_normal(near.x.size)):
        size = np.abs(d).max(initial=0)
        if size > 0 and np.isfinite(size):
            tried.append((d / size, None))
    for d, at in tried:
        value = float(d @ gradient)
        found = kinks.outside(j, d, value)
        if found is None:
            continue
        of = _result(results, j)
        where = _place(subject, at)
        unscaled = 1.0 if at is None else float(near.scale[at])
        low, high, value = (v / unscaled for v in (*found, value))
        lines = [f"the gradient of {of}{subject.text} is outside of the generalized gradient{where}"]
        if at is not None:
            lines += report.rule(subject, _name(subject, at))
        lines.append(f"  at a kink: the slopes go from {low:.6g} to {high:.6g}, got {value:.6g}")
        raise _Fault("\n".join(lines))


def _smooth(
    subject: Subject,
    near: Neighbourhood,
    got: np.ndarray,
    slopes: np.ndarray,
    bad: np.ndarray,
    units: list[int],
) -> str:
    """The report of a gradient that is wrong where nothing is special."""
    if not bad[:-1].any():
        return (
            f"the gradient of {subject.text} is wrong along a random direction: "
            f"expected {slopes[-1]:.6g} (central difference), got {got[-1]:.6g}"
        )
    parts = {}
    for name, values in (("got", got), ("expected", slopes), ("wrong", bad)):
        whole = np.zeros(near.x.size, values.dtype)
        whole[units] = values[:-1] if name == "wrong" else values[:-1] / near.scale[units]
        parts[name] = whole
    worst = max(range(len(subject.spans)), key=lambda i: int(parts["wrong"][subject.spans[i]].sum()))
    first = next(i for i, span in enumerate(subject.spans) if parts["wrong"][span].any())
    i = first if subject.op else worst
    span, shape = subject.spans[i], subject.arrays[i].shape
    got, slopes, bad = (parts[n][span].reshape(shape) for n in ("got", "expected", "wrong"))
    return report.compared(subject, i, got, slopes, bad)


def _rough(subject: Subject, rng: np.random.Generator) -> np.ndarray:
    """Which coordinates have a kink."""
    near = Neighbourhood(subject.flat, row(subject.arrays), subject.eps)
    if not near.x.size or not near.f0.size:
        return np.zeros(near.x.shape, bool)
    return np.array([Kinks(near, d[None], rng).kinked.any() for d in np.eye(near.x.size)])


def _name(subject: Subject, at: int) -> str:
    return subject.names[subject.wanted[next(i for i, s in enumerate(subject.spans) if at < s.stop)]]


def _place(subject: Subject, at: int | None) -> str:
    """Where a coordinate is: " at x[0, 1]"; of none, which direction."""
    if at is None:
        return " along several inputs at once"
    i = next(i for i, s in enumerate(subject.spans) if at < s.stop)
    index = np.unravel_index(at - subject.spans[i].start, subject.arrays[i].shape)
    return f" at {subject.names[subject.wanted[i]]}{[int(n) for n in index] if index else ''}"


def _result(results: Arrays, j: int) -> str:
    """Which number of which result: "[0, 1] of "; nothing where there is one only."""
    for o, out in enumerate(results):
        if j < out.size:
            which = f" of result {o}" if len(results) > 1 else ""
            index = [int(n) for n in np.unravel_index(j, out.shape)]
            return f"element {index}{which} of " if index or which else ""
        j -= out.size
    return ""


def _again(subject: Subject, how: _How, order: int) -> str:
    """One line of Python that fails in the same way."""
    options = []
    if how.first == 1 and order > 1:
        options.append(f"order={order}")
    options += [f"{n}={getattr(how, n)!r}" for n in ("eps", "atol", "rtol") if getattr(how, n) is not None]
    options += ["fast_mode=True"] if how.fast else []
    options += [f"seed={how.seed}"] if how.seed else []
    caller = "gradcheck" if how.first == 1 else "gradgradcheck"
    inputs = how.inputs if isinstance(how.inputs, (list, tuple)) else [how.inputs]
    return "reproduce: " + report.call(caller, how.func, inputs, options, subject.framework)

"""Analytic gradients against finite differences, to any order, at kinks and ties as well.

For y = f(x, ...) and fixed random c, both sides compute the gradient of the number L = <c, y>: backward
does, and so do central differences (`differences`).  A rule is linear in the gradient g that it is given,
so one random c finds what any g would find.  Where they disagree, the pieces that meet at x are looked at,
one number of y at a time (`kinks`).  The gradient is a function of (x, ..., c) again: the next order is the
same check of that function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..errors import ArgumentError
from . import frameworks, report
from .behaviour import behaviour, rounding
from .comparison import Comparison, Options, rough
from .culprit import culprit
from .memory import laid_out
from .report import Fault
from .subject import Arrays, Subject, row

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

LITERAL = 16  # numbers that a line of Python can well hold


class GradcheckError(AssertionError, RuntimeError):
    """An analytic gradient is wrong; the message says where and by how much.

    An AssertionError, since it is a test that fails, and a RuntimeError, as PyTorch's is.
    """


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
    _refuse(
        "gradcheck", check_batched_grad=check_batched_grad, check_forward_ad=check_forward_ad, masked=masked,
        check_batched_forward_grad=check_batched_forward_grad,
        without_check_backward_ad=not check_backward_ad,
    )  # fmt: skip
    if order < 1:
        raise ArgumentError(f"gradcheck: order {order}; the first is 1")
    if vjp is not None and order > 1:
        raise ArgumentError(f"gradcheck: order {order} of an array function; a vjp has no gradient itself")
    how = _How(Options(eps, atol, rtol, fast_mode), nondet_tol, check_undefined_grad, check_grad_dtypes, seed)
    subject = _subject("gradcheck", func, inputs, vjp)
    return _answer(_Call("gradcheck", func, inputs, vjp), subject, [None] * order, how, raise_exception)


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
    _refuse(
        "gradgradcheck", check_batched_grad=check_batched_grad, check_fwd_over_rev=check_fwd_over_rev,
        without_check_rev_over_rev=not check_rev_over_rev, masked=masked,
    )  # fmt: skip
    how = _How(Options(eps, atol, rtol, fast_mode), nondet_tol, check_undefined_grad, check_grad_dtypes, seed)
    subject = _subject("gradgradcheck", func, inputs)
    given: Any = partial(laid_out, layout="stepped") if gen_non_contig_grad_outputs else None
    if grad_outputs is not None:
        several = grad_outputs if isinstance(grad_outputs, (list, tuple)) else [grad_outputs]
        framework = subject.framework
        given = [np.asarray(framework.array(g) if framework.is_tensor(g) else g, np.float64) for g in several]
    call = _Call("gradgradcheck", func, inputs)
    return _answer(call, subject, [given, None], replace(how, first=2), raise_exception)


@dataclass(frozen=True)
class _How:
    """The options; `first` is the lowest order that is compared."""

    options: Options
    nondet_tol: float
    undefined: bool
    dtypes: bool
    seed: int
    first: int = 1


@dataclass(frozen=True)
class _Call:
    """What the user wrote."""

    caller: str
    func: Any
    inputs: Any
    vjp: Any = None


def _refuse(caller: str, **options: Any) -> None:
    for name, value in options.items():
        if value:
            raise ArgumentError(
                f"{caller}: {name.replace('_', ' ', 1) if name.startswith('without') else name}: there is no "
                "vmap, no forward mode and no sparse tensor here; leave it out"
            )


def _subject(caller: str, func: Any, inputs: Any, vjp: Any = None) -> Subject:
    inputs = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    framework = frameworks.of(inputs)
    subject = Subject.of(func if vjp is None else frameworks.from_arrays(func, vjp), inputs, framework)
    if not subject.arrays:
        raise ArgumentError(
            f"{caller}: no input to differentiate by; pass a floating array, or a tensor that requires grad"
        )
    return subject


def _answer(call: _Call, subject: Subject, cotangents: list[Any], how: _How, raise_exception: bool) -> bool:
    """True, or what is wrong, and how to see it again."""
    fault = _first_fault(subject, cotangents, how, raise_exception)
    if fault is None or not raise_exception:
        return fault is None
    options = []
    if how.first == 1 and len(cotangents) > 1:
        options.append(f"order={len(cotangents)}")
    given = {name: getattr(how.options, name) for name in ("eps", "atol", "rtol")}
    options += [f"{name}={value!r}" for name, value in given.items() if value is not None]
    options += ["fast_mode=True"] if how.options.fast else []
    options += [f"seed={how.seed}"] if how.seed else []
    options += [f"vjp={report.source(call.vjp)}"] if call.vjp else []

    random = None
    if sum(a.size for a in subject.arrays) > LITERAL:  # do other numbers of these shapes fail as well?
        rng = np.random.default_rng(how.seed)
        other = subject.with_arrays([report.like(a, rng.standard_normal(a.shape)) for a in subject.arrays])
        random = how.seed if _first_fault(other, cotangents, how, explain=False) else None
    inputs = call.inputs if isinstance(call.inputs, (list, tuple)) else [call.inputs]
    line = report.line(call.caller, call.func, inputs, options, subject.framework, random)
    raise GradcheckError(f"{fault}\nreproduce: {line}")


def _first_fault(subject: Subject, cotangents: list[Any], how: _How, explain: bool) -> str | None:
    """Check one order after the other; `cotangents` has what is given of the incoming gradients of each.

    With `explain`, the op is looked for whose rule it was.
    """
    rng = np.random.default_rng(how.seed)
    below: list[Subject] = []
    for level, given in enumerate(cotangents, 1):
        single, subject = subject, subject.lifted()
        try:
            if level < how.first:
                drawn = _cotangents(subject, rng, given)
            else:
                drawn = _check(single, subject, how, rng, below)
        except Fault as fault:
            where = culprit(subject) if explain and level == 1 and subject.op is None else ""
            return "\n".join([f"order {level}: {fault}", *([where] if where else []), report.about(single)])
        below = [*below, subject]
        subject = subject.gradient(drawn)
    return None


def _cotangents(subject: Subject, rng: np.random.Generator, given: Any = None) -> Arrays:
    """The incoming gradients: random, and away from 0, where a wrong rule would not be seen."""
    if isinstance(given, list):
        return given
    outs = subject.results(subject.arrays)
    drawn = [rng.choice((-1.0, 1.0), out.shape) * rng.uniform(0.5, 1.5, out.shape) for out in outs]
    drawn = [np.asarray(d, out.dtype) for d, out in zip(drawn, outs, strict=True)]
    return [given(d) for d in drawn] if given else drawn


def _agree(single: Subject, double: Subject, cotangents: Arrays, ways: Any) -> None:
    """In the precision that it was given in, a function does what it does in double: as far as its inputs,
    moved by as much as they are rounded, let it."""
    outs, found = single.results(single.arrays), behaviour(single, cotangents, *ways)
    wide = [[c.astype(np.float64) for c in cotangents]]
    precision = single.eps
    moved = [a * (1 + precision * (-1.0) ** np.arange(a.size).reshape(a.shape)) for a in double.arrays]
    exact, (gradient,), _ = double.pull(double.arrays, wide)
    other, (beside,), _ = double.pull(moved, wide)
    for got, right, near, gs, what in (
        (outs, exact, other, None, "result"),
        (found, gradient, beside, cotangents, "gradient"),
    ):
        sizes = [np.full(a.shape, np.abs(a).max(initial=0)) for a in right]
        apart, shift = np.abs(row(got) - row(right)), np.abs(row(right) - row(near)).max(initial=0)
        allowed = np.sqrt(precision) * row(sizes) + 64 * shift
        if (apart > allowed).any() and (apart > allowed + rounding(single, gs)).any():
            raise Fault(
                f"{single.text} has another {what} in {single.arrays[0].dtype} than in float64: "
                f"{apart.max():.3g} apart, of {row(sizes)[apart.argmax()]:.3g}"
            )


def _check(
    single: Subject, subject: Subject, how: _How, rng: np.random.Generator, below: list[Subject]
) -> Arrays:
    """Check first derivatives of `subject`, which computes in double precision if it can; returns c."""
    ways = (how.nondet_tol, how.undefined, how.dtypes)
    if single is not subject:
        _agree(single, subject, _cotangents(single, rng), ways)
    cotangents = _cotangents(subject, rng)
    gradients = behaviour(subject, cotangents, *ways)
    free = np.ones(sum(a.size for a in subject.arrays), bool)
    try:
        Comparison(subject, cotangents, gradients, how.options, rng, free).run()
    except Fault:
        # Where a lower order has a kink, this one has a jump: it is not asked for there.
        for lower in below:
            edges = rough(lower, rng)
            free[: edges.size] &= ~edges
        if free.all():
            raise
        Comparison(subject, cotangents, gradients, how.options, rng, free).run()
    return cotangents

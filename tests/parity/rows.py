"""Rows of tables: a call, what it is called with, and how often it is differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from parity.both import agree, ours, outcome, refused, refused_here, results, same, theirs

import tinygrad_cnn as tg
from tinygrad_cnn.testing.strategies import Shape, Values, arrays, normal, shapes

Draw = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Row:
    """A function of arrays.

    Attributes:
        call: of (t, x, *more, *arguments).
        arguments: for the shape of x, a strategy of a tuple of arguments; None if there are none.
        shape: of x.
        values: of x, and of all `more`.
        more: for the shape of x, a strategy of the shapes of further float arrays.
        order: of differentiation.
        terms: how many numbers are added up at most; see `agree`.
    """

    call: Callable[..., Any]
    arguments: Callable[[Shape], Draw] | None = None
    shape: Draw = shapes()  # noqa: RUF009  (a strategy is drawn from, never changed)
    values: Values = normal
    more: Callable[[Shape], Draw] | None = None
    order: int = 2
    terms: int | None = None


def check(row: Row, data: Any, dtype: str) -> None:
    """Draw one call, and compare it."""
    x = data.draw(arrays(row.shape, row.values, dtype=dtype))
    more = [] if row.more is None else list(data.draw(row.more(x.shape)))
    xs = [x, *(data.draw(arrays(shape, row.values, dtype=dtype)) for shape in more)]
    given = () if row.arguments is None else data.draw(row.arguments(x.shape))
    agree(row.call, xs, *given, order=row.order, terms=row.terms)


def axis(ndim: int) -> Draw:
    """One axis, counted from either end; a tensor without axes counts as having one."""
    return st.integers(-max(1, ndim), max(1, ndim) - 1)


def some_axes(ndim: int, least: int = 1) -> Draw:
    """Several axes in any order, counted from either end."""
    if ndim == 0:
        return st.just(())
    some = st.lists(st.integers(0, ndim - 1), unique=True, min_size=least)
    return some.flatmap(lambda ds: st.tuples(*(st.sampled_from((d, d - ndim)) for d in ds)))


def integers(shape: Shape | Draw, low: int, high: int) -> Draw:
    """Arrays of int64 from low to high - 1."""
    return arrays(shape, lambda rng, size: rng.integers(low, high, size), dtype=np.int64)


def disagreements(refusals: dict[str, Callable[[Any], Any]]) -> list[str]:
    """Of calls that PyTorch refuses, those that it does not, and those that return something here."""
    wrong = []
    for name, call in refusals.items():
        mine, wanted = outcome(lambda call=call: call(tg)), outcome(lambda call=call: call(torch))
        if not isinstance(wanted, Exception):
            wrong.append(f"{name}: PyTorch returns {wanted!r}")
        if not refused_here(mine):
            wrong.append(f"{name}: here {mine!r}, PyTorch {str(wanted)[:100]!r}")
    return wrong


KINDS = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def check_dtypes(call: Callable[..., Any], values: Any = (1, 2, 3)) -> None:
    """Of one tensor of every dtype: the same dtype and values, or an error on both sides.

    What PyTorch has not for a dtype, as yet, may do what it likes.
    """
    differ = []
    for kind in KINDS:
        array = np.array(values, kind)
        mine, wanted = (
            outcome(lambda t=t, make=make, array=array: call(t, make(array.copy())))
            for t, make in ((tg, ours), (torch, theirs))
        )
        if isinstance(wanted, Exception) and (refused_here(mine) or not refused(wanted)):
            continue
        if isinstance(mine, Exception) or isinstance(wanted, Exception):
            differ.append(f"{kind}: here {mine!r}, PyTorch {wanted!r}")
            continue
        pairs = zip(results(mine), results(wanted), strict=True)
        if isinstance(outcome(lambda pairs=pairs: [same(a, b) for a, b in pairs]), Exception):
            differ.append(f"{kind}: here {mine!r}, PyTorch {wanted!r}")
    assert not differ, "\n".join(differ)

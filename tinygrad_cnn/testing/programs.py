"""Random programs of tensor operations: graphs with branches that meet again, views, broadcasts, reductions.

A program is text.  What runs is what is printed, so a failure that Hypothesis shows can be pasted and run:

    import tinygrad_cnn as tg

    a = tg.tensor([0.5, -1.25], dtype=tg.float64, requires_grad=True)
    b = a.exp()
    c = b * a

While a program is drawn, its lines are run, and the next line is chosen among those that make sense for the
values so far: a logarithm of what is positive, a maximum of what has no ties, nothing that overflows.  So
every program is valid, and differentiable in a neighbourhood of its inputs.  Lines on which the result does
not depend are left out; programs shrink to one line about one number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinygrad_cnn as tg

from .steps import BACK, Step, Text, digits, needed, reach, wishes
from .strategies import Shape, broadcastable, generators

__all__ = ["Program", "programs"]

MARGIN = 0.05  # from kinks, ties and the ends of domains
MOST = 100.0  # what a value may be
SIZE = 48  # numbers in a tensor


@dataclass(frozen=True, repr=False)
class Program(Text):
    """A function of tensors, as text.

    Attributes:
        inputs: name -> array; the floats among them are what to differentiate by.
        steps: the lines; the last one makes the result.

    >>> from tinygrad_cnn.testing.steps import Step
    >>> program = Program({"a": np.array([1.0, 2.0])}, (Step("b", "a * a", ("a",)),))
    >>> program
    import tinygrad_cnn as tg
    a = tg.tensor([1.0, 2.0], dtype=tg.float64, requires_grad=True)
    b = a * a
    >>> program(tg.tensor([3.0]))
    tensor([9.])
    """

    inputs: dict[str, np.ndarray]
    steps: tuple[Step, ...]

    def __call__(self, *tensors: Any, library: Any = tg) -> Any:
        """The result for these inputs; `library` may be torch."""
        names = dict(zip(self.inputs, tensors, strict=True))
        for step in self.steps:
            names[step.name] = eval(step.text, {"tg": library}, names)
        return names[self.steps[-1].name] if self.steps else tensors[-1]

    def __repr__(self) -> str:
        given = [f"{name} = {_literal(array)}" for name, array in self.inputs.items()]
        return "\n".join(["import tinygrad_cnn as tg", *given, *map(str, self.steps)])


def _literal(array: np.ndarray) -> str:
    """The call that makes this tensor."""
    grad = ", requires_grad=True" if array.dtype.kind == "f" else ""
    options = f"dtype=tg.{array.dtype.name.removesuffix('_')}{grad}"
    return f"tg.tensor({array.tolist()}, {options})" if array.size else f"tg.zeros({array.shape}, {options})"


# --- what a line can be ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """What a line is chosen for: x, another value y that broadcasts with it, an axis d of x and another e."""

    x: np.ndarray
    y: np.ndarray
    d: int
    e: int

    @property
    def sides(self) -> int:
        """The size of axis d; 0 without axes."""
        return self.x.shape[self.d] if self.x.ndim else 0

    @property
    def floats(self) -> bool:
        return self.x.dtype.kind == "f"

    @property
    def no_bools(self) -> bool:
        return "b" not in self.x.dtype.kind + self.y.dtype.kind

    @property
    def twice(self) -> bool:
        """Whether there is room for twice as many numbers."""
        return 2 * self.x.size <= SIZE

    def within(self, low: float, high: float = MOST) -> bool:
        """Floats between these."""
        return self.floats and low <= _low(self.x) and _high(self.x) <= high

    def product(self) -> bool:
        """Nothing large comes out of x y."""
        return _largest(self.x) * _largest(self.y) <= MOST

    def total(self, factor: int = 1) -> bool:
        """Nothing large comes out of a sum over all axes."""
        return factor * float(np.abs(self.x, dtype=np.float64).sum()) <= MOST

    def same_dtype(self) -> bool:
        return self.x.dtype == self.y.dtype


def _low(x: np.ndarray) -> float:
    return float(x.min(initial=np.inf)) if x.dtype.kind == "f" else 0.0


def _high(x: np.ndarray) -> float:
    return float(x.max(initial=-np.inf)) if x.dtype.kind == "f" else 0.0


def _largest(x: np.ndarray) -> float:
    return float(np.abs(x.astype(np.float64)).max(initial=0.0))


def _clear(distance: np.ndarray) -> bool:
    """Whether all distances to a kink are wide."""
    return float(np.abs(distance.astype(np.float64)).min(initial=np.inf)) >= MARGIN


def _off(*kinks: float) -> Callable[[Place], bool]:
    return lambda at: all(_clear(at.x - kink) for kink in kinks)


def _no_ties(at: Place) -> bool:
    return _clear(np.diff(np.sort(at.x, at.d), axis=at.d))


def _unlike(at: Place) -> bool:
    return _clear(at.x.astype(np.float64) - at.y)


Fits = Callable[[Place], bool]

# text: when it makes sense.  The first ones are what programs shrink to.
SMOOTH: dict[str, Fits] = {
    "{x} + {y}": lambda at: _largest(at.x) + _largest(at.y) <= MOST,
    "{x} - {y}": lambda at: at.no_bools and _largest(at.x) + _largest(at.y) <= MOST,
    "{x} * {y}": Place.product,
    "{x} / {y}": lambda at: at.y.dtype.kind == "f" and _clear(at.y) and _largest(at.x) <= MOST * MARGIN,
    "{x} * 0.5 + 1": lambda at: True,
    "2 - {x}": lambda at: at.no_bools,
    "-{x}": lambda at: at.no_bools,
    "{x}.sin()": lambda at: at.within(-10, 10),
    "{x}.cos()": lambda at: at.within(-10, 10),
    "{x}.tanh()": lambda at: at.within(-4, 4),
    "{x}.sigmoid()": lambda at: at.within(-8, 8),
    "{x}.exp()": lambda at: at.within(-8, 3),
    "{x}.log()": lambda at: at.within(4 * MARGIN),
    "{x}.sqrt()": lambda at: at.within(4 * MARGIN),
    "{x}.reciprocal()": lambda at: at.within(4 * MARGIN),
    "{x} ** 2": lambda at: at.floats and _largest(at.x) ** 2 <= MOST,
    "{x}.sum()": Place.total,
    "{x}.sum({d}, keepdim=True)": Place.total,
    "{x}.mean({d})": lambda at: at.floats and at.sides > 0,
    "{x}.mean()": lambda at: at.floats and at.x.size > 0,
    "{x}.var({d}, correction=0)": lambda at: at.floats and at.x.size > 0 and _largest(at.x) ** 2 <= MOST,
    "{x}.logsumexp({d})": lambda at: at.floats and at.sides > 0,
    "{x}.softmax({d})": lambda at: at.floats,
    "{x}.cumsum({d})": Place.total,
    "{x}.prod({d})": lambda at: at.floats and max(1.0, _largest(at.x)) ** at.sides <= MOST,
    "{x} @ {x}.transpose(-1, -2)": lambda at: at.floats and at.x.ndim >= 2 and at.total(10),
    "{x}.unsqueeze(-1) * {x}.unsqueeze(-2)": lambda at: at.floats and at.x.ndim == 1 and at.total(2),
}  # fmt: skip

VIEWS: dict[str, Fits] = {
    "{x}.reshape(-1)": lambda at: True,
    "{x}.reshape({turned})": lambda at: True,
    "{x}.unsqueeze({d})": lambda at: at.x.ndim < 4,
    "{x}.squeeze({d})": lambda at: True,
    "{x}.transpose({d}, {e})": lambda at: True,
    "{x}[0]": lambda at: at.x.ndim > 0 and at.x.shape[0] > 0,
    "{x}[..., -1]": lambda at: at.x.ndim > 0 and at.x.shape[-1] > 0,
    "{x}[1:]": lambda at: at.x.ndim > 0,
    "{x}[..., ::2]": lambda at: at.x.ndim > 0,
    "{x}[None]": lambda at: at.x.ndim < 4,
    "{x}.narrow({d}, 1, 1)": lambda at: at.sides > 1,
    "{x}.expand(2, {shape})": lambda at: at.twice and at.x.ndim < 4,
    "{x}.diagonal()": lambda at: at.x.ndim >= 2,
    "{x}.flip({d})": lambda at: True,
    "{x}.clone()": lambda at: True,
    "tg.cat(({x}, {x}), {d})": lambda at: at.twice,
    "tg.stack(({x}, {x}), {d})": lambda at: at.twice and at.x.ndim < 4,
    "tg.where({x} > 0, {x}, {y})": lambda at: at.same_dtype() and _clear(at.x),
}  # fmt: skip

# text: when it makes sense, when it is away from its kinks
KINKED: dict[str, tuple[Fits, Fits]] = {
    "{x}.relu()": (lambda at: at.floats, _off(0)),
    "{x}.abs()": (lambda at: at.no_bools, _off(0)),
    "{x}.clamp(-0.75, 0.5)": (lambda at: at.floats, _off(-0.75, 0.5)),
    "tg.maximum({x}, {y})": (lambda at: at.floats, _unlike),
    "tg.minimum({x}, {y})": (lambda at: at.floats, _unlike),
    "{x}.amax({d})": (lambda at: at.floats and at.sides > 0, _no_ties),
    "{x}.min({d}).values": (lambda at: at.floats and at.sides > 0, _no_ties),
    "{x}.sort({d}).values": (lambda at: at.floats, _no_ties),
}

CASTS: dict[str, Fits] = {
    "{x}.to(tg.float32)": lambda at: True,
    "{x}.to(tg.float64)": lambda at: True,
    "({x} * 2).to(tg.int64)": lambda at: _clear(at.x * 2 - np.round(at.x * 2)) if at.floats else True,
    "{x} > {y}": _unlike,
}


def _lines(ties: bool, casts: bool) -> dict[str, Fits]:
    """All that a line can be."""
    kinked = {text: fits if ties else _both(fits, apart) for text, (fits, apart) in KINKED.items()}
    return SMOOTH | VIEWS | kinked | (CASTS if casts else {})


def _both(fits: Fits, apart: Fits) -> Fits:
    return lambda at: fits(at) and apart(at)


# --- drawing one -----------------------------------------------------------------------------------------


def _values(rng: np.random.Generator, shape: Shape, dtype: str) -> np.ndarray:
    """Numbers between -2 and 2 that are short to print, and not 0."""
    if dtype.startswith("int") or dtype == "bool":
        return np.asarray(rng.integers(-2, 3, shape), dtype)
    return np.asarray(np.round(rng.uniform(0.1, 2, shape), 2) * rng.choice([1, -1], shape), dtype)


@st.composite
def programs(
    draw: st.DrawFn,
    max_steps: int = 8,
    dtypes: Sequence[str] = ("float64",),
    ties: bool = False,
) -> Program:
    """Programs of up to `max_steps` lines (at least one) about one to three inputs.

    Args:
        dtypes: of the inputs; with more than one, programs convert and compare as well.
        ties: allow kinks and ties, where a gradient is a convention.

    >>> from hypothesis import find
    >>> find(programs(), lambda p: ".exp()" in repr(p)).steps
    (Step(name='b', text='a.exp()', uses=('a',)),)
    """
    rng = draw(generators)
    count = draw(st.integers(1, 3))
    inputs = {
        name: _values(rng, shape, draw(st.sampled_from(dtypes)))
        for name, shape in zip("abc", draw(broadcastable(count)), strict=False)
    }
    table = list(_lines(ties, len(dtypes) > 1).items())
    known = {name: tg.from_numpy(array) for name, array in inputs.items()}
    steps: list[Step] = []
    with tg.no_grad():
        for row, place in draw(wishes(max_steps, len(table), len(BACK) ** 2 * 4 * 4)):
            steps.append(_step(chr(ord("a") + count + len(steps)), known, table[row:] + table[:row], place))
            known[steps[-1].name] = eval(steps[-1].text, {"tg": tg}, dict(known))
    kept = needed(steps, [steps[-1].name])
    read = {name for step in kept for name in step.uses}
    return Program({name: array for name, array in inputs.items() if name in read}, kept)


def _step(name: str, known: dict[str, tg.Tensor], table: Iterable[tuple[str, Fits]], place: int) -> Step:
    """One more line: the first of the table that makes sense."""
    back, other, d, e = digits(place, len(BACK), len(BACK), 4, 4)
    x = reach(list(known), back)
    array = known[x].array
    y = reach([n for n, t in known.items() if _broadcast(array, t.array)], other)
    at = Place(array, known[y].array, d % max(1, array.ndim), e % max(1, array.ndim))
    text = next(text for text, fits in table if (array.ndim or "{d}" not in text) and fits(at))
    shape = ", ".join(map(str, array.shape)) or "1"
    line = text.format(x=x, y=y, d=at.d, e=at.e, shape=shape, turned=tuple(reversed(array.shape)))
    return Step(name, line, (x, y) if "{y}" in text and x != y else (x,))


def _broadcast(x: np.ndarray, y: np.ndarray) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(x.shape, y.shape), dtype=int)) <= SIZE
    except ValueError:
        return False

"""A function under check: called with arrays, pulled back with arrays, and spoken of by name."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..autograd import Function
from ..op import Op
from .frameworks import Framework

__all__ = ["Subject", "row", "spoken", "unrow"]

Arrays = list[np.ndarray]


class Subject:
    """A function of tensors, and where it is to be checked.

    Attributes:
        call: the function.
        values: one for each argument; arrays are differentiated, anything else is handed on.
        framework: whose tensors the function takes.
        text: what to call it.
        names: of its arguments.
        op: the op behind it, if it is one.
        order: how often it was differentiated before.
    """

    def __init__(
        self,
        call: Callable[..., Any],
        values: Sequence[Any],
        framework: Framework,
        text: str,
        names: Sequence[str],
        op: Op | None = None,
        order: int = 0,
    ):
        self.call, self.values, self.framework = call, list(values), framework
        self.text, self.names, self.op, self.order = text, list(names), op, order
        self.wanted = [i for i, v in enumerate(values) if isinstance(v, np.ndarray)]
        self.arrays: Arrays = [self.values[i] for i in self.wanted]
        stops = np.cumsum([0, *(a.size for a in self.arrays)]).tolist()
        self.spans = [slice(a, b) for a, b in pairwise(stops)]

    @staticmethod
    def of(function: Any, inputs: Sequence[Any], framework: Framework) -> Subject:
        """Take the floating arrays and the tensors that require grad as what to differentiate by."""

        def value(x: Any) -> Any:
            if framework.is_tensor(x):
                return framework.array(x) if x.requires_grad else x
            return x

        values = [value(x) for x in inputs]
        constants = [isinstance(v, np.ndarray) and v.dtype.kind != "f" for v in values]
        values = [framework.leaf(v, False) if c else v for v, c in zip(values, constants, strict=True)]
        inner = getattr(function, "func", function)  # of a functools.partial
        op = inner if isinstance(inner, Op) else getattr(function, "op", None)
        op = op if isinstance(op, Op) else None
        text = op.name if op else spoken(function)
        names = op.inputs if op else _parameters(function if isinstance(function, partial) else inner)
        if len(names) != len(values):
            names = tuple(f"input {i}" for i in range(len(values)))
        return Subject(function, values, framework, text, names, op)

    def with_arrays(self, arrays: Arrays) -> Subject:
        """The same function somewhere else."""
        values = list(self.values)
        for i, a in zip(self.wanted, arrays, strict=True):
            values[i] = a
        return Subject(self.call, values, self.framework, self.text, self.names, self.op, self.order)

    def tensors(self, arrays: Arrays, record: bool) -> tuple[list[Any], list[Any]]:
        """(what is differentiated by, what the function returned); with nothing recorded, if so wished."""
        leaves = [self.framework.leaf(a, record) for a in arrays]
        values = list(self.values)
        for i, leaf in zip(self.wanted, leaves, strict=True):
            values[i] = leaf
        if record:
            return leaves, self.framework.results(self.call(*values))
        with self.framework.no_grad():
            return leaves, self.framework.results(self.call(*values))

    def results(self, arrays: Arrays) -> Arrays:
        """What the function returns; a gradient needs a tape for it, the function itself does not."""
        return [self.framework.array(out) for out in self.tensors(arrays, self.order > 0)[1]]

    def flat(self, x: np.ndarray) -> np.ndarray:
        """The function of all numbers in a row, to all numbers in a row.

        The arrays it is given lie plainly in memory: so other layouts are tested against none.
        """
        with np.errstate(all="ignore"):  # a step may leave the domain
            return row(self.results(unrow(x, self.arrays)))

    def pull(
        self, arrays: Arrays, gradients: Sequence[Sequence[np.ndarray | None]], since: int | None = None
    ) -> tuple[Arrays, list[Arrays], list[Any]]:
        """(results, the gradients by the arrays for each row of incoming ones, weakly what was recorded).

        Zeros stand for the gradient by an input that nothing depends on.
        """
        make = self.framework.leaf
        leaves, outs = self.tensors(arrays, True)
        recorded = [] if since is None else self.framework.recorded(outs, since)
        nodes = [weakref.ref(node) for node in recorded]
        del recorded
        pulled = []
        for given in gradients:
            gs = [None if g is None else make(g, False) for g in given]
            found = self.framework.grad(outs, leaves, gs)
            pulled.append(
                [
                    np.zeros(a.shape, a.dtype) if d is None else self.framework.array(d)
                    for a, d in zip(arrays, found, strict=True)
                ]
            )
        return [self.framework.array(out) for out in outs], pulled, nodes

    def gradient(self, cotangents: Sequence[Any]) -> Subject:
        """The function (arguments, incoming gradients) -> gradients by the arguments."""
        count = len(self.values)

        def call(*args: Any) -> tuple[Any, ...]:
            xs, gs = args[:count], args[count:]
            outs = self.framework.results(self.call(*xs))
            leaves = [xs[i] for i in self.wanted]
            found = self.framework.grad(outs, leaves, gs, create_graph=True)
            return tuple(
                self.framework.leaf(np.zeros(a.shape, a.dtype), False) if d is None else d
                for a, d in zip(self.arrays, found, strict=True)
            )

        names = [f"g{'' if len(cotangents) == 1 else i}" for i in range(len(cotangents))]
        ticks = "'" * sum(name.startswith("g") and name.rstrip("'0123456789") == "g" for name in self.names)
        return Subject(
            call, [*self.values, *cotangents], self.framework, f"grad({self.text})",
            [*self.names, *(name + ticks for name in names)], self.op, self.order + 1,
        )  # fmt: skip

    def lifted(self) -> Subject:
        """The same in double precision, if the function computes in it when asked to."""
        if all(a.dtype == np.float64 for a in self.arrays):
            return self
        double = self.with_arrays([a.astype(np.float64, order="K") for a in self.arrays])
        try:
            exact = all(out.dtype == np.float64 for out in double.results(double.arrays))
        except (TypeError, ValueError, RuntimeError):  # such as of a module whose weights are float32
            return self
        return double if exact else self

    @property
    def eps(self) -> float:
        """The precision that the function computes in."""
        kinds = {a.dtype for a in (*self.arrays, *self.results(self.arrays))}
        return max((2.0**-52, *(float(np.finfo(kind).eps) for kind in kinds)))


def row(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All numbers in a row, in double precision."""
    return np.concatenate([np.zeros(0), *(np.asarray(a, np.float64).ravel() for a in arrays)])


def unrow(numbers: np.ndarray, like: Sequence[np.ndarray]) -> Arrays:
    """Arrays of these numbers, of the shapes and dtypes of others."""
    stops = np.cumsum([0, *(a.size for a in like)]).tolist()
    parts = [numbers[start:stop] for start, stop in pairwise(stops)]
    return [part.reshape(a.shape).astype(a.dtype) for part, a in zip(parts, like, strict=True)]


def spoken(function: Any) -> str:
    """The name of a function; of `Function.apply`, the class with it; of an object, its class."""
    inner = getattr(function, "func", function)  # of a functools.partial
    owner = getattr(inner, "__self__", None)
    name = getattr(inner, "__name__", type(inner).__name__)
    return f"{owner.__name__}.{name}" if isinstance(owner, type) else name


def _parameters(function: Any) -> tuple[str, ...]:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, Function):
        return _parameters(owner.forward)[1:]
    if hasattr(function, "forward"):  # of a module
        return _parameters(function.forward)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of a builtin
        return ()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(p.name for p in parameters if p.kind in kinds)

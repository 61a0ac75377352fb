"""See a model at work: how long each op and each rule took, and what came out.

The tape keeps neither; inside of `with watched():` its nodes do, at the price of keeping every result alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from time import perf_counter
from typing import Any

import numpy as np

from ..nn.parameter import UninitializedBuffer
from ..op import Op, watch
from ..tape import Node

__all__ = ["WatchedNode", "as_it_was", "watched"]


class _Last(threading.local):
    """What this thread's last op took, and gave."""

    seconds = 0.0
    result: Any = None
    shapes: tuple[Any, ...] = ()
    numbers: tuple[Any, ...] = ()


_last = _Last()


class WatchedNode(Node):
    """A node that knows what it took.

    Attributes:
        seconds: of the op's forward.
        rule_seconds: of its rules, all calls together; 0 before backward.
        result: the array.
        shapes: of the inputs, None for one that is left out.
        numbers: of the inputs those that are one number, None for the others.
    """

    __slots__ = ("clock", "numbers", "result", "seconds", "shapes")

    def __init__(self, op: Op, parents: Any, attrs: Any, plan: Any, *more: Any):
        clock = [0.0]  # not the node itself, which must die with its last tensor
        super().__init__(op, parents, attrs, plan.around(lambda rule, _: _timed(rule, clock)), *more)
        self.clock = clock
        self.seconds, self.result, self.shapes = _last.seconds, np.asarray(_last.result), _last.shapes
        self.numbers = _last.numbers

    @property
    def rule_seconds(self) -> float:
        return self.clock[0]


def _timed(rule: Callable[..., Any], clock: list[float]) -> Callable[..., Any]:
    def call(*given: Any) -> Any:
        start = perf_counter()
        try:
            return rule(*given)
        finally:
            clock[0] += perf_counter() - start

    return update_wrapper(call, rule)


def _around(op: Op) -> Callable[..., Any]:
    def forward(*inputs: Any, **attrs: Any) -> Any:
        start = perf_counter()
        out = op.function(*inputs, **attrs)
        _last.seconds, _last.result = perf_counter() - start, out
        _last.shapes = tuple([None if x is None else np.shape(x) for x in inputs])
        _last.numbers = tuple([None if shape else x for x, shape in zip(inputs, _last.shapes, strict=True)])
        return out

    return update_wrapper(forward, op.function)


@contextmanager
def watched() -> Iterator[None]:
    """Let the nodes that are recorded inside know what they took and gave.

    For `overlay="time"` and "activations" of a drawing.  Holds for all threads; an anomaly detection
    that is on has to wait meanwhile.

    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn import graph
    >>> x = tg.ones(2, requires_grad=True)
    >>> with graph.watched():
    ...     y = (x * 2).sum()
    >>> y.node.result
    array(4., dtype=float32)
    """
    before = watch(WatchedNode, _around)
    try:
        yield
    finally:
        watch(*before)


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """Modes and buffers are put back, and nobody can tell that they were written."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.array, buffer.array.copy(), list(buffer.writes))
        for module in model.modules()
        for name, buffer in module._own_buffers()
        if not isinstance(buffer, UninitializedBuffer)
    ]
    try:
        yield
    finally:
        for module, mode in modes:
            if module.training is not mode:
                module.training = mode
        for module, name, buffer, array, values, writes in buffers:
            array[...] = values
            buffer.array, buffer.writes[:] = array, writes
            if getattr(module, name) is not buffer:
                setattr(module, name, buffer)

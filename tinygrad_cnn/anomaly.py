"""NaN born here: while `detect_anomaly` is on, every op and every rule is looked at when it has run.

    with tg.autograd.detect_anomaly():
        loss = loss_fn(model(x), y)
        loss.backward()

The first op whose result has a NaN that no input had is named, with its module, the ranges of its inputs,
and the line of your program that called it; so is the first rule, in backward.  Nothing of this is on the way
of a program that does not ask: switching it on puts a check around each op's forward and records nodes of
another class (`op.watch`), switching it off takes both away.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from functools import update_wrapper
from typing import Any, NamedTuple

import numpy as np

from .errors import AnomalyError
from .op import Op, values, watch
from .tape import Node, Scope, state

__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_detect_anomaly"]


class _Mode(NamedTuple):
    """What is looked for, in all threads."""

    on: bool = False
    nan: bool = True
    inf: bool = False


class _Here(threading.local):
    """What this thread is doing."""

    in_rule = False


_OFF = _Mode()
_mode = _OFF
_here = _Here()

#: what usually helps: for the forward of an op, and for its rule
_FORWARD = {
    "log": "log needs x > 0: x.clamp(min=1e-8).log(), or log_softmax in place of softmax and log",
    "log2": "log2 needs x > 0: x.clamp(min=1e-8)",
    "log10": "log10 needs x > 0: x.clamp(min=1e-8)",
    "log1p": "log1p needs x > -1",
    "sqrt": "sqrt needs x >= 0: x.clamp(min=0)",
    "rsqrt": "rsqrt needs x > 0: (x + 1e-8).rsqrt()",
    "div": "x / (y + 1e-8), or y.clamp(min=1e-8), keeps the divisor away from 0",
    "reciprocal": "(x + 1e-8).reciprocal() stays away from 0",
    "pow": "a power that is no integer needs x >= 0, a negative one x != 0",
    "exp": "exp overflows above 88 in float32: subtract the largest first, or use softmax or logsumexp",
    "acos": "acos takes -1 to 1: x.clamp(-1, 1)",
    "asin": "asin takes -1 to 1: x.clamp(-1, 1)",
    "softmax": "a row of nothing but -inf has no softmax: leave one entry unmasked",
    "mean": "nothing has no mean: is the batch empty, or every element masked?",
    "var": "dividing by n - 1 needs at least 2 values: use correction=0",
    "std": "dividing by n - 1 needs at least 2 values: use correction=0",
}
_RULE = {
    "sqrt": "the slope of sqrt at 0 is infinite: use (x + 1e-8).sqrt()",
    "rsqrt": "the slope of rsqrt at 0 is infinite: use (x + 1e-8).rsqrt()",
    "pow": "the slope of this power at 0 is infinite: add 1e-8 to x",
    "log": "the slope of log at 0 is infinite, and a mask after it is too late: use x.clamp(min=1e-8)",
    "div": "a mask after a division by 0 is too late: use it on the divisor, before",
    "std": "the slope of std at equal values is infinite: use (x.var() + 1e-8).sqrt()",
    "acos": "the slope of acos at -1 and 1 is infinite: use x.clamp(-1 + 1e-6, 1 - 1e-6)",
    "asin": "the slope of asin at -1 and 1 is infinite: use x.clamp(-1 + 1e-6, 1 - 1e-6)",
}  # fmt: skip


def is_anomaly_enabled() -> bool:
    """Whether anomalies are looked for.

    >>> is_anomaly_enabled()
    False
    """
    return _mode.on


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN is looked for, if anything is.

    >>> is_anomaly_check_nan_enabled()
    True
    """
    return _mode.nan


def _switch(mode: _Mode) -> None:
    global _mode
    if mode.on != _mode.on:
        watch(_WatchedNode, _checked) if mode.on else watch()
    _mode = mode


class detect_anomaly(ContextDecorator):
    """Raise where the first NaN is born, in forward or in backward; for a `with` or around a function.

    As in PyTorch it holds for all threads, and an error in backward shows where the op was called.  Unlike
    PyTorch's it looks at forward as well, so a NaN is met at its birth; a graph from before is not looked at.

    Args:
        check_nan: look for NaN; if False, errors in backward still say where the op was called.
        check_inf: look for Inf as well: where no input had one and the result has.

    Raises:
        AnomalyError: inside, by the op or by `backward`.

    >>> import tinygrad_cnn as tg
    >>> with tg.autograd.detect_anomaly():
    ...     tg.tensor([1.0, -1.0]).log()
    Traceback (most recent call last):
        ...
    tinygrad_cnn.errors.AnomalyError: log: the result (2,) has 1 NaN, first at (1,), and no input has: ...
    """

    def __init__(self, check_nan: bool = True, *, check_inf: bool = False):
        self._mode = _Mode(True, bool(check_nan), bool(check_inf))
        self._before: list[_Mode] = []  # a stack, so that one object can be entered twice

    def __enter__(self) -> None:
        self._before.append(_mode)
        _switch(self._mode)

    def __exit__(self, *error: object) -> None:
        _switch(self._before.pop())


class set_detect_anomaly(detect_anomaly):
    """Switch it on or off: from now on, or inside a `with`.

    >>> import tinygrad_cnn as tg
    >>> with tg.autograd.set_detect_anomaly(True):
    ...     tg.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True, *, check_inf: bool = False):
        super().__init__(check_nan, check_inf=check_inf)
        self._mode = self._mode._replace(on=bool(mode))
        super().__enter__()

    def __enter__(self) -> None:
        _switch(self._mode)  # what was before was noted when the object was made


# --- forward -----------------------------------------------------------------------------------------------


def _checked(op: Op) -> Callable[..., Any]:
    """The forward of an op, and a look at its result."""
    if op.view:
        return op.function  # moves numbers, makes none

    def forward(*inputs: Any, **attrs: Any) -> Any:
        out = op.function(*inputs, **attrs)
        if not _here.in_rule and (kind := _anomaly(out, inputs)):
            given = list(zip(_names(op, len(inputs)), inputs, strict=True))
            made = [(name, x) for name, x in attrs.items() if isinstance(x, np.ndarray)]
            error = AnomalyError(f"{op.name}: {_forward_sentence(op, kind, out, given, made)}")
            error.add_note(_shown(_stack()).lstrip(", "))
            raise error
        return out

    return update_wrapper(forward, op.function)


def _forward_sentence(
    op: Op, kind: str, out: Any, given: list[tuple[str, Any]], made: list[tuple[str, Any]]
) -> str:
    """`made` is what the op was given as options: arrays that were made of a module's buffers."""
    ranges = "; ".join(_range(name, value) for name, value in (*given, *made) if value is not None)
    for index, (name, value) in enumerate((*given, *made)):
        if kind == "NaN" and _count(value, kind):
            name, value, origin = _member(value, index >= len(given)) or (name, value, _DATA)
            return f"{name} {np.shape(value)} already has {_found(value, kind)}, and no op made it: {origin}"
    cure = _FORWARD.get(op.name, "use inputs for which it is defined")
    if kind == "NaN" and op.name != "softmax" and any(_count(x, "Inf") for _, x in given):
        cure = _INF
    elif kind == "NaN" and op.name not in _FORWARD and any(_is_huge(x) for _, x in given):
        cure = "numbers so large overflow: normalize the inputs, use a smaller lr, or clip the gradients"
    elif op.name == "div" and not np.ndim(out) and all(x == 0 for _, x in given):
        cure = "the mean of nothing: are all labels ignored, is a mask or a batch empty?"
    return f"the result {np.shape(out)} has {_found(out, kind)}, and no input has: {ranges}; {cure}"


_INF = "0 * inf, inf - inf and inf / inf are NaN: look for where the inf comes from (check_inf=True)"
_DATA = "it came in with the data; use x.nan_to_num(), or leave these items out"
_LEARNED = (
    "a step with too large a learning rate, or the file it came from; use a smaller lr, or clip the gradients"
)
_COUNTED = "a batch with NaN or Inf in training, or the file it came from; load a state dict from before"


def _member(array: Any, made: bool) -> tuple[str, Any, str] | None:
    """(name, array, origin) of a running module's parameter or buffer that is this array.

    Where the array was `made` of one: of the first that has NaN as well.
    """
    scope = state.scope
    while scope is not None:
        module = scope.module()
        for kind in ("parameters", "buffers") if module else ():
            for name, tensor in getattr(module, f"named_{kind}")():
                if tensor.array is array or (made and _count(tensor.array, "NaN")):
                    return str(name), tensor.array, _LEARNED if kind == "parameters" else _COUNTED
        scope = scope.parent
    return None


# --- backward ----------------------------------------------------------------------------------------------


class _WatchedNode(Node):
    """A node that knows where it was made, and whose rules are looked at."""

    __slots__ = ("stack",)

    def __init__(self, op: Op, parents: Any, attrs: Any, plan: Any, *more: Any):
        self.stack = _stack()
        scope = state.scope  # not the node itself, which must die with its last tensor
        watched = plan.around(lambda rule, indices: _Watched(rule, op, indices, plan.joint, scope))
        super().__init__(op, parents, attrs, watched, *more)

    def __repr__(self) -> str:
        return super().__repr__() + _shown(self.stack)


class _Watched:
    """A rule, and a look at the gradients that it returns."""

    def __init__(self, rule: Any, op: Op, indices: tuple[int, ...], joint: bool, scope: Scope | None):
        self.rule, self.op, self.indices, self.joint, self.scope = rule, op, indices, joint, scope

    def __call__(self, *given: Any) -> Any:
        if not _mode.on:
            return self.rule(*given)
        before, _here.in_rule = _here.in_rule, True  # what a rule masks again is its own affair
        try:
            found = self.rule(*given)
        finally:
            _here.in_rule = before
        arrays = [values(x) for x in given]
        for index, part in zip(self.indices, found if self.joint else (found,), strict=True):
            part = values(part)
            if part is not None and (kind := _anomaly(part, arrays)):
                error = AnomalyError(self._sentence(kind, index, part, arrays))
                error.where = None if self.scope is None else str(self.scope)
                raise error  # to which the engine adds the node, and so where it was made
        return found

    def _sentence(self, kind: str, index: int, part: Any, arrays: list[Any]) -> str:
        op = self.op
        row = op.joint or op.rows.get(op.inputs[0 if op.variadic else index])
        known = row.names if row else ["g", *(f"saved {i}" for i in range(len(arrays) - 1))]
        given = list(zip(known, arrays, strict=False))
        if kind == "NaN" and _count(arrays[0], kind):
            return (
                f"{op.name}: the gradient g {np.shape(arrays[0])} that arrives here in backward already has "
                f"{_found(arrays[0], kind)}, and no rule made it: a gradient= or a hook did, or a sum of inf "
                "and -inf; use check_inf=True to see"
            )
        ranges = "; ".join(
            _range(name, value) for name, value in given if isinstance(value, (np.ndarray, np.generic))
        )
        cure = _RULE.get(op.name, "make what it was given smaller, or keep it where the slope is finite")
        if kind == "NaN" and any(_count(x, "Inf") for x in arrays):
            cure = _INF
        return (
            f"{op.name}: in backward the gradient of {_names(op, index + 1)[index]} {np.shape(part)} has "
            f"{_found(part, kind)}, and nothing that its rule was given has: {ranges}; {cure}"
        )


# --- words --------------------------------------------------------------------------------------------------


def _anomaly(out: Any, inputs: Iterable[Any]) -> str | None:
    """What this result has that is looked for: "NaN" (born here or passed on), or "Inf" born here."""
    if _mode.nan and _count(out, "NaN"):
        return "NaN"
    if _mode.inf and _count(out, "Inf"):
        return None if any(_count(x, "Inf") or _count(x, "NaN") for x in inputs) else "Inf"
    return None


def _bad(x: Any, kind: str) -> Any:
    """Where the NaN or Inf are; None for what can have none."""
    if not isinstance(x, (float, np.floating, np.ndarray)) or np.asarray(x).dtype.kind != "f":
        return None
    return np.isnan(x) if kind == "NaN" else np.isinf(x)


def _count(x: Any, kind: str) -> int:
    bad = _bad(x, kind)
    return 0 if bad is None else int(np.count_nonzero(bad))


def _is_huge(x: Any) -> bool:
    """Whether a product of two such numbers overflows."""
    bad = _bad(x, "Inf")
    return bad is not None and bool(
        np.abs(np.asarray(x)).max(initial=0) > np.finfo(np.asarray(x).dtype).max ** 0.5
    )


def _found(x: Any, kind: str) -> str:
    """Such as "3 NaN, first at (0, 4)"."""
    bad = np.asarray(_bad(x, kind))
    where = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
    return f"{np.count_nonzero(bad)} {kind}" + (f", first at {where}" if where else "")


def _range(name: str, x: Any) -> str:
    """Such as "x (8, 10) from -2.1 to 3.4"."""
    x = np.asarray(x)
    if not x.ndim:
        return f"{name} {x.item():.4g}"
    if not x.size:
        return f"{name} {x.shape}"
    low, high = (f(x) for f in ((np.nanmin, np.nanmax) if not np.isnan(x).all() else (np.min, np.max)))
    return f"{name} {x.shape} from {low:.4g} to {high:.4g}"


def _names(op: Op, count: int) -> list[str]:
    return [f"{op.inputs[0]}[{i}]" for i in range(count)] if op.variadic else list(op.inputs)


_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


def _stack() -> list[tuple[str, int, str]]:
    """(file, line, function) of the frames that are the user's, the latest last."""
    frame, frames = sys._getframe(1), []
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_OWN):
            frames.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back  # type: ignore[assignment]
    own = [entry for entry in frames if not _is_library(entry[0])]
    return (own or frames)[::-1]


def _is_library(file: str) -> bool:
    """Python's own files, installed packages: what a notebook or a test runner puts around a program."""
    return file.startswith((os.path.dirname(os.__file__) + os.sep, "<frozen ")) or "site-packages" in file


def _shown(stack: list[tuple[str, int, str]]) -> str:
    """The frames as a traceback shows them."""
    from traceback import FrameSummary, format_list

    frames = [FrameSummary(*entry) for entry in stack[-8:]]
    return ", called here:\n" + "".join(format_list(frames)).rstrip() if frames else ""

"""Whose rule was it?  A function of many ops has a wrong gradient: each of its calls is checked by itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..anomaly import is_anomaly_enabled
from ..op import Op, watch
from ..tape import state
from .behaviour import behaviour
from .comparison import Comparison, Options
from .frameworks import Framework
from .report import Fault
from .subject import Subject

__all__ = ["culprit"]


def culprit(subject: Subject) -> str:
    """Name the first op whose rule is wrong, and the module that called it; nothing if that cannot be said.

    A faulty `Function` is found by elimination: when all ops beside it are right.
    """
    if subject.framework.name != Framework.name or is_anomaly_enabled():
        return ""
    calls: list[tuple[Op, tuple[Any, ...], dict[str, Any], str]] = []

    def around(op: Op) -> Callable[..., Any]:
        def forward(*inputs: Any, **attrs: Any) -> Any:
            place = "" if state.scope is None else f" in {state.scope.path}"
            if op.rows and not any(op is known and place == there for known, _, _, there in calls):
                copies = tuple(x.copy() if isinstance(x, np.ndarray) else x for x in inputs)
                calls.append((op, copies, attrs, place))
            return op.function(*inputs, **attrs)

        return forward

    watch(around=around)
    try:
        subject.results(subject.arrays)
    finally:
        watch()
    for op, inputs, attrs, place in calls:
        call = Subject.of(partial(op, **attrs) if attrs else op, inputs, subject.framework)
        if call.arrays and (why := _wrong(call)):
            return f"  found in {op.name}{place}: {why}"
    known = {op for op, *_ in calls}
    nodes = subject.framework.recorded(subject.tensors(subject.arrays, True)[1])
    strangers = {node.name for node in nodes if node.op not in known and not node.op.rows}
    left = sorted(name for name in strangers if not subject.text.startswith(f"{name}."))
    return f"  every other op in it is right: look at {' and '.join(left)}" if left and known else ""


def _wrong(call: Subject) -> str:
    rng = np.random.default_rng(0)
    size = sum(a.size for a in call.arrays)
    try:
        outs = call.results(call.arrays)
        c = [np.asarray(rng.uniform(0.5, 1.5, out.shape), out.dtype) for out in outs]
        gradients = behaviour(call, c)
        options = Options(fast=size > 512)
        Comparison(call, c, gradients, options, rng, np.ones(size, bool)).run()
    except Fault as fault:
        return str(fault).replace("\n  ", "\n    ")
    return ""

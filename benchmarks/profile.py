"""Where a step's time goes: the kernels, op by op, and everything else.

    python benchmarks/profile.py                                   the names of the workloads
    python benchmarks/profile.py "LeNet training step, batch 64"
    python benchmarks/profile.py LeNet --threads 1 --shapes        every part of a name that one has alone

The step is timed as it is; then once more with the forward of every op timed, in the forward pass and in the
rules of backward, which are made of ops as well.  An op that calls others is not charged for them.  What is
left is the tape, the engine, the optimizer, and the Python of the model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np

if __name__ == "__main__":  # in place of this folder, where Python would take this file for its own `profile`
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import workloads
from tinygrad_cnn.kernels import runtime
from tinygrad_cnn.op import registry

Spent = dict[str, tuple[int, float]]  # of each op, calls and seconds


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("workload", nargs="?", default="", help="its name; without one, the names are listed")
    parser.add_argument("--threads", type=int, help="of our kernels (default: all cores)")
    parser.add_argument("--shapes", action="store_true", help="a line for each shape of the first argument")
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring, each way")
    args = parser.parse_args(argv)

    names = [name for name in workloads.NAMES if args.workload in (name, "")]
    names = names or [name for name in workloads.NAMES if args.workload.lower() in name.lower()]
    if not names:
        parser.error(f"no workload is called {args.workload!r}; without a name they are listed")
    if len(names) > 1:
        print("\n".join(names))
        return

    before = runtime.get_num_threads()
    threads = args.threads or before
    runtime.set_num_threads(threads)
    try:
        step = workloads.build(names[0], workloads.Library("tinygrad_cnn"))
        found = profile(step, args.seconds, args.shapes)
    finally:
        runtime.set_num_threads(before)
    print(f"{names[0]}; {threads} thread{'s' * (threads > 1)}\n\n{table(found)}")


class Row(NamedTuple):
    """What one op, or everything else, took of a step."""

    name: str
    calls: float
    ms: float


class Profile(NamedTuple):
    plain_ms: float  # the step as it is
    timed_ms: float  # the step with timers; what the rows add up to
    rows: list[Row]  # the longest first, everything else last


def profile(step: Callable[[], Any], seconds: float, by_shape: bool = False) -> Profile:
    """Time a step, then its kernels: averages over the quicker half of the steps."""
    for _ in range(3):
        step()
    plain = [took for took, _ in _repeat(step, seconds)]
    with Timers(by_shape) as timers:
        steps = sorted(_repeat(step, seconds, timers.take), key=lambda one: one[0])
    steps = steps[: -(-len(steps) // 2)]
    total, rows = 1e3 * fmean(took for took, _ in steps), []
    for name in {name for _, spent in steps for name in spent}:
        calls, spans = zip(*(spent.get(name, (0, 0.0)) for _, spent in steps), strict=True)
        rows.append(Row(name, fmean(calls), 1e3 * fmean(spans)))
    rows.sort(key=lambda row: -row.ms)
    rest = Row("everything else", 0, total - sum(row.ms for row in rows))
    return Profile(1e3 * median(plain), total, [*rows, rest])


def _repeat(
    step: Callable[[], Any], seconds: float, read: Callable[[], Spent] = dict
) -> list[tuple[float, Spent]]:
    """What each of many steps took, and what was read after it."""
    found: list[tuple[float, Spent]] = []
    begin = time.perf_counter()
    while len(found) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        found.append((time.perf_counter() - start, read()))
    return found


class Timers:
    """Inside a `with`, the forward of every op is timed, without the ops that it calls."""

    def __init__(self, by_shape: bool = False):
        self.by_shape = by_shape
        self.spent: Spent = {}
        self.nested = 0.0  # seconds of the ops that the running one called

    def __enter__(self) -> Timers:
        self.before = [(op, op.forward) for op in registry.values()]
        for op, forward in self.before:
            op.forward = self._timed(op.name, forward)
        return self

    def __exit__(self, *error: object) -> None:
        for op, forward in self.before:
            op.forward = forward

    def take(self) -> Spent:
        """What was spent since the last time."""
        spent, self.spent = self.spent, {}
        return spent

    def _timed(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*inputs: Any, **attrs: Any) -> Any:
            outer, self.nested = self.nested, 0.0
            start = time.perf_counter()
            try:
                return forward(*inputs, **attrs)
            finally:
                took = time.perf_counter() - start
                key = f"{name} {np.shape(inputs[0])}" if self.by_shape and inputs else name
                calls, seconds = self.spent.get(key, (0, 0.0))
                self.spent[key] = calls + 1, seconds + took - self.nested
                self.nested = outer + took

        return timed


def table(found: Profile) -> str:
    """The rows, their sum, and what the step takes when nobody looks."""
    rows = [
        *found.rows,
        Row("the step with timers", 0, found.timed_ms),
        Row("and without", 0, found.plain_ms),
    ]
    width = max(len(row.name) for row in rows)
    lines = [f"{'op':{width}}  calls        ms      %"]
    for name, calls, ms in rows:
        lines.append(
            f"{name:{width}}  {f'{calls:g}' if calls else '':>5}  {ms:8.3f}  {100 * ms / found.timed_ms:5.1f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

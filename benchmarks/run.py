"""Ours against PyTorch: one command, one page.

    python benchmarks/run.py                        everything, on 1 and 2 threads, to the screen
    python benchmarks/run.py --only LeNet --threads 1
    python benchmarks/run.py --write                as well docs/performance.md and benchmarks/results.json
    python benchmarks/run.py --page                 the page again from the results, without measuring

Every library runs in a process of its own, with its threads set before anything is imported, and the
processes take turns: A B C, A B C, ... for `--rounds` rounds, so that a slow minute of the machine hits
all alike.  A figure is the median over rounds of each round's median.  While one runs, the load of all
other processes is measured ("foreign", in CPUs); rounds above 0.15 are left out when there are quieter
ones, and the table says how many were quiet.  The reference is the better of PyTorch's memory orders.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # in place of this folder, whose profile.py Python would take for its own
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import accuracy, installed, page, workloads
from benchmarks.page import OURS, ROOT, TORCH

QUIET = 0.15
FRESH = [
    "LeNet training step, batch 64",
    "LeNet training step, batch 256",
    "VGG training step, batch 128",
    "ResNet-18 training step, 32x32, batch 32",
]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="time workloads whose name contains this, nothing else")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of measuring, per workload and round")
    parser.add_argument("--write", action="store_true", help="write the results page and its data")
    parser.add_argument("--page", action="store_true", help="write the page from the data, and that is all")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        return child(args.child)
    if args.page:
        return page.rewrite()
    if args.write and args.only:
        parser.error("--write is for all the results; leave --only out")
    if not importlib.util.find_spec("torch"):
        raise SystemExit(
            "PyTorch is the yardstick, and it is not installed here:\n    python -m pip install torch==2.13.0"
        )

    threads = [int(number) for number in args.threads.split(",")]
    names = [name for name in workloads.NAMES if args.only.lower() in name.lower()]
    results: dict[str, Any] = {"machine": machine(), "overhead": overhead()}
    print(page.facts(results), page.TIMES, sep="\n\n")
    results["rows"] = rows = []
    for number in threads:
        for name in names:
            rows.append(measure(name, number, args.rounds, args.seconds))
            print(page.timing(rows[-1]), flush=True)
    if args.only:
        return
    results["fresh"] = [fresh(name, number, -(-args.rounds // 2)) for name in FRESH for number in threads]
    results["installed"] = installed.packages(args.rounds)
    results["accuracy"] = accuracy.errors()
    results["profiles"] = [profile(row["name"], row["threads"]) for row in rows if page.missed(row)]
    print("", *page.tables(results).values(), sep="\n\n")
    if args.write:
        page.write(results)


# --- one library, in its own process ---------------------------------------------------------------


def child(library: str) -> None:
    """Say "ready"; then answer requests: a name to build and try that workload, seconds to time it."""
    chosen = workloads.Library(library)
    if hasattr(chosen.root, "set_num_threads"):
        chosen.root.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    print("ready", flush=True)
    step: Any = None
    for request in map(json.loads, sys.stdin):
        if isinstance(request, str):
            step = workloads.build(request, chosen)
            before, begin = memory("VmRSS"), time.perf_counter()
            step()
            first = time.perf_counter() - begin
            step()
            answer = {"first": first, "before": before, "peak": memory("VmHWM")}
        else:
            answer = timed(step, request)
        print(json.dumps(answer), flush=True)


def timed(step: Any, seconds: float) -> dict[str, float]:
    times: list[float] = []
    begin, busy, own = time.perf_counter(), cpu_seconds(), sum(os.times()[:2])
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    wall = time.perf_counter() - begin
    foreign = (cpu_seconds() - busy - (sum(os.times()[:2]) - own)) / wall
    return {"median": statistics.median(times), "foreign": max(0.0, foreign)}


def cpu_seconds() -> float:
    """Used by all processes of this machine so far; nan where /proc does not tell."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    except OSError:
        return float("nan")
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


def memory(field: str) -> float:
    """Bytes of this process in memory, now ("VmRSS") or at most ("VmHWM"); nan where /proc does not tell.

    getrusage's ru_maxrss is no less than that of the process that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    return 1024.0 * int(status.partition(f"{field}:")[2].split()[0])


class Child:
    """A library that has been imported in a process of its own, and waits; the process ends with a `with`."""

    def __init__(self, library: str, threads: int):
        self.name = library
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child", library],
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer("start")  # an import beside a measurement would be foreign load

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, request: str | float) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.answer(repr(request)))

    def answer(self, what: str) -> str:
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} failed at {what}; see above why")
        return answer


def environment(threads: int) -> dict[str, str]:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    tuned = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    mine = {name: value for name, value in os.environ.items() if name not in tuned}
    return {**mine, **dict.fromkeys(limits, str(threads))}


# --- all of them, taking turns ------------------------------------------------------------------------


def libraries(name: str) -> list[str]:
    """Who runs a workload; in a tiny MLP there are no images that could lie in another order."""
    return [OURS, *TORCH[: 1 if name.startswith("tiny MLP") else 2]]


def measure(name: str, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """The time of a step, and in how many of the rounds the machine was quiet."""
    found: dict[str, list[dict[str, float]]] = {library: [] for library in libraries(name)}
    with ExitStack() as stack:
        children = [stack.enter_context(Child(library, threads)) for library in found]
        for process in children:
            process.ask(name)
        for _ in range(rounds):
            for process in children:
                found[process.name].append(process.ask(seconds))
    times, fewest = {}, rounds
    for library, taken in found.items():
        quiet = [m for m in taken if not m["foreign"] > QUIET]
        times[library] = 1e3 * statistics.median(m["median"] for m in quiet or taken)
        fewest = min(fewest, len(quiet))
    return {"name": name, "threads": threads, "rounds": rounds, "quiet": fewest, "ms": times}


def fresh(name: str, threads: int, rounds: int) -> dict[str, Any]:
    """The first step of a process, after imports and building, and its memory over two steps."""
    found: dict[str, list[dict[str, float]]] = {library: [] for library in libraries(name)}
    for _ in range(rounds):
        for library, measurements in found.items():
            with Child(library, threads) as process:
                measurements.append(process.ask(name))

    def median(what: Callable[[dict[str, float]], float]) -> dict[str, float]:
        return {library: statistics.median(map(what, taken)) for library, taken in found.items()}

    return {
        "name": name,
        "threads": threads,
        "first_ms": median(lambda m: 1e3 * m["first"]),
        "peak_mb": median(lambda m: 1e-6 * m["peak"]),
        "added_mb": median(lambda m: 1e-6 * (m["peak"] - m["before"])),
    }


def profile(name: str, threads: int) -> str:
    """What profile.py says of a workload."""
    command = [sys.executable, str(ROOT / "benchmarks" / "profile.py"), name, "--threads", str(threads)]
    return subprocess.check_output(command, env=environment(threads), text=True)


# --- the machine, and what a recorded op costs -----------------------------------------------------


def machine() -> dict[str, Any]:
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        models = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
        "torch": importlib.metadata.version("torch"),
    }


def commit() -> str:
    """The one that is checked out, and whether the package has been changed since."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", OURS)
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def overhead(length: int = 200) -> dict[str, float]:
    """Microseconds per recorded op over NumPy's own, forward, and per op of backward."""
    import tinygrad_cnn as tg  # not above: PyTorch's processes are to have nothing of it

    x = tg.randn(1, 16, requires_grad=True)
    y = tg.randn(1, 16)
    a, b = x.detach().numpy(), y.numpy()
    samples: dict[str, list[float]] = {"numpy": [], "forward": [], "backward": []}
    for _ in range(100):
        start = time.perf_counter()
        c = a
        for _ in range(length):
            c = np.add(c, b)
        middle = time.perf_counter()
        z = x
        for _ in range(length):
            z = z + y
        forward = time.perf_counter()
        z.backward(y)
        end = time.perf_counter()
        samples["numpy"].append(middle - start)
        samples["forward"].append(forward - middle)
        samples["backward"].append(end - forward)
    each = {name: 1e6 * statistics.median(times) / length for name, times in samples.items()}
    return {**each, "over_numpy": each["forward"] - each["numpy"]}


if __name__ == "__main__":
    main()

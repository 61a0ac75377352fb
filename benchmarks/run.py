"""Ours against PyTorch: one command, one table.

    python benchmarks/run.py                        every workload, 1 and 2 threads, to the screen
    python benchmarks/run.py --only LeNet --threads 1
    python benchmarks/run.py --write                also docs/performance.md and benchmarks/results.json

Every library runs in a process of its own, with its threads set before anything is imported, and the
processes take turns: A B C, A B C, ... for `--rounds` rounds, so that a slow minute of the machine hits
all alike.  A figure is the median over rounds of each round's median.  While one runs, the load of all
other processes is measured ("foreign", in CPUs); rounds above 0.15 are left out when there are quieter
ones, and the table says how many were quiet.  The reference is the faster of PyTorch's memory orders.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OURS, TORCH = "tinygrad_cnn", ["torch", "torch channels_last"]
QUIET = 0.15


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="only workloads whose name contains this")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of measuring, per workload and round")
    parser.add_argument("--write", action="store_true", help="write the results page and its data")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    if args.child:
        return child(args.child)

    import workloads

    names = [name for name in workloads.NAMES if args.only.lower() in name.lower()]
    results: dict[str, Any] = {"machine": machine(), "overhead": overhead(), "import": import_times()}
    print(facts(results))
    results["rows"] = rows = []
    for threads in map(int, args.threads.split(",")):
        for name in names:
            rows.append(measure(name, threads, args.rounds, args.seconds))
            print(line(rows[-1]), flush=True)
    if args.write:
        (ROOT / "benchmarks" / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (ROOT / "docs" / "performance.md").write_text(page(results))


# --- one library, in its own process ---------------------------------------------------------------


def child(library: str) -> None:
    """Read workloads and budgets from stdin, answer with measurements on stdout."""
    import workloads

    chosen = workloads.Library(library)
    if hasattr(chosen.root, "set_num_threads"):
        chosen.root.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    steps: dict[str, Any] = {}
    for request in sys.stdin:
        name, seconds = json.loads(request)
        first = None
        if name not in steps:
            steps = {name: workloads.build(name, chosen)}
            begin = time.perf_counter()
            steps[name]()
            first = time.perf_counter() - begin
            steps[name]()
        print(json.dumps({**timed(steps[name], seconds), "first": first}), flush=True)


def timed(step: Any, seconds: float) -> dict[str, float]:
    times: list[float] = []
    begin, busy, own = time.perf_counter(), cpu_seconds(), sum(os.times()[:2])
    while len(times) < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    wall = time.perf_counter() - begin
    foreign = (cpu_seconds() - busy - (sum(os.times()[:2]) - own)) / wall
    return {"median": statistics.median(times), "best": min(times), "foreign": max(0.0, foreign)}


def cpu_seconds() -> float:
    """Used by all processes of this machine so far; nan where /proc does not tell."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]
    except OSError:
        return float("nan")
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / os.sysconf("SC_CLK_TCK")


# --- all of them, taking turns ------------------------------------------------------------------------


def measure(name: str, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    libraries = [OURS, *TORCH]
    if name.startswith("tiny MLP"):
        libraries.remove("torch channels_last")  # there are no images to order
    children = {library: start(library, threads) for library in libraries}
    found: dict[str, list[dict[str, float]]] = {library: [] for library in libraries}
    try:
        for _ in range(rounds):
            for library, process in children.items():
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(json.dumps([name, seconds]) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    raise SystemExit(f"{library} failed at {name!r}; run it alone to see why")
                found[library].append(json.loads(answer))
    finally:
        for process in children.values():
            process.kill()
            process.wait()
    row: dict[str, Any] = {"name": name, "threads": threads, "libraries": {}}
    for library, measurements in found.items():
        quiet = [m for m in measurements if not m["foreign"] > QUIET]
        row["libraries"][library] = {
            "ms": 1e3 * statistics.median(m["median"] for m in quiet or measurements),
            "first_ms": 1e3 * measurements[0]["first"],
            "quiet": len(quiet),
        }
    row["ratio"] = row["libraries"][OURS]["ms"] / min(row["libraries"][t]["ms"] for t in libraries[1:])
    return row


def start(library: str, threads: int) -> subprocess.Popen[str]:
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(limits, str(threads))}
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        env.pop(name, None)
    command = [sys.executable, __file__, "--child", library]
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# --- what a recorded op costs, and what an import does ----------------------------------------------


def overhead(length: int = 200) -> dict[str, float]:
    """Microseconds per recorded op over NumPy's own, forward, and per op of backward."""
    import numpy as np

    import tinygrad_cnn as tg

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


def import_times(rounds: int = 7) -> dict[str, float]:
    """Seconds from the start of a process to the end of an import."""
    codes = {"python": "pass", "numpy": "import numpy", OURS: f"import {OURS}", "torch": "import torch"}
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(rounds):
        for name, code in codes.items():
            begin = time.perf_counter()
            if (
                subprocess.run([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL).returncode
                == 0
            ):
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in times.items() if taken}


# --- telling --------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    import numpy as np

    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        models = [s for s in Path("/proc/cpuinfo").read_text().splitlines() if s.startswith("model name")]
        cpu = models[0].partition(":")[2].strip() if models else cpu
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[call-overload,index]
    return {
        "commit": subprocess.run(git, capture_output=True, text=True).stdout.strip() or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas['name']} {blas['version']}",
    }


def facts(results: dict[str, Any]) -> str:
    m, o, i = results["machine"], results["overhead"], results["import"]
    extra = {name: seconds - i["numpy"] for name, seconds in i.items()}
    return (
        f"Commit {m['commit']}, {m['date']}; {m['cpu']}, {m['cores']} cores; Python {m['python']}, "
        f"NumPy {m['numpy']} ({m['blas']}).\n\n"
        f"A recorded op costs {o['over_numpy']:.1f} µs over NumPy's own {o['numpy']:.1f} µs forward, and "
        f"{o['backward']:.1f} µs in backward.  Importing the package takes {extra[OURS]:.2f} s over NumPy's "
        f"{i['numpy'] - i['python']:.2f} s" + (f", PyTorch {extra['torch']:.2f} s." if "torch" in i else ".")
    )


def line(row: dict[str, Any]) -> str:
    cells = [f"{row['name']}", str(row["threads"])]
    for library in (OURS, *TORCH):
        cell = row["libraries"].get(library)
        cells.append("" if cell is None else f"{cell['ms']:.2f}" if cell["ms"] < 100 else f"{cell['ms']:.0f}")
    quiet = min(cell["quiet"] for cell in row["libraries"].values())
    return "| " + " | ".join([*cells, f"**{row['ratio']:.2f}**", str(quiet)]) + " |"


def page(results: dict[str, Any]) -> str:
    head = ["workload", "threads", "ours, ms", "PyTorch, ms", "channels_last, ms", "ratio", "quiet rounds"]
    table = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1), *map(line, results["rows"])]
    return (
        "# Performance\n\n"
        "Written by `python benchmarks/run.py --write`; below 1 the ratio says that we are faster than the\n"
        "faster of PyTorch's two memory orders.  Single operations are timed forward and backward.\n\n"
        f"{facts(results)}\n\n" + "\n".join(table) + "\n"
    )


if __name__ == "__main__":
    main()

"""What run.py has measured, as Markdown: its tables, and docs/performance.md around them.

The prose of the page stands in performance.md.in; where that says $name, a table goes.
"""

from __future__ import annotations

import json
from math import floor, log10
from pathlib import Path
from string import Template
from typing import Any

from benchmarks import workloads

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "performance.md"

OURS, TORCH = "tinygrad_cnn", ["torch", "torch channels_last"]
TITLES = ["ours", "PyTorch", "channels_last", "ratio", "goal", ""]

#: How a name begins: the ratios that are to be reached on one and on two threads.
GOALS = {
    "LeNet training step, batch 64": (0.80, 1.00),
    "LeNet training step, batch 256": (0.80, 0.90),
    "VGG training step": (0.80, 0.95),
    "ResNet-18 training step": (0.85, 0.95),
    "ResNet-18 inference": (0.75, 0.95),
    "tiny MLP": (0.40, 0.40),
    "conv": (1.00, 1.00),
    "max pool": (1.00, 1.00),
    "depthwise": (1.30, 1.30),
    "batch norm": (1.30, 1.30),
    "relu": (1.30, 1.30),
}


def write(results: dict[str, Any]) -> None:
    """Keep the results, and write the page that tells them."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    rewrite()


def rewrite() -> None:
    """Write the page anew from the results that were kept."""
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


def page(results: dict[str, Any]) -> str:
    """docs/performance.md."""
    prose = Template((HERE / "performance.md.in").read_text(encoding="utf-8"))
    return prose.substitute(facts=facts(results), **tables(results))


def tables(results: dict[str, Any]) -> dict[str, str]:
    """The tables of the page, by the names that they have in performance.md.in."""
    rows = sorted(results["rows"], key=lambda row: workloads.NAMES.index(row["name"]))
    return {
        "steps": timings([row for row in rows if row["name"] in workloads.STEPS]),
        "operations": timings([row for row in rows if row["name"] in workloads.SINGLE]),
        "first": fresh(results["fresh"], "first_ms"),
        "memory": fresh(results["fresh"], "peak_mb"),
        "added": fresh(results["fresh"], "added_mb", None),
        "installed": installed(results["installed"]),
        "accuracy": accuracy(results["accuracy"]),
        "profiles": profiles(results["profiles"]),
    }


# --- one comparison ------------------------------------------------------------------------------------


def goal(name: str, threads: int) -> float | None:
    """The ratio that a workload is to reach, if one was set for so many threads.

    >>> goal("relu, 64, 112x112, batch 4", 2)
    1.3
    """
    goals = next(goals for start, goals in GOALS.items() if name.startswith(start))
    return dict(enumerate(goals, start=1)).get(threads)


def ratio(values: dict[str, float]) -> float:
    """Ours over the better of PyTorch's memory orders, as exact as it is printed.

    >>> ratio({"tinygrad_cnn": 0.8041, "torch": 1.5, "torch channels_last": 1.0})
    0.8
    """
    return round(values[OURS] / min(values[library] for library in TORCH if library in values), 2)


def missed(row: dict[str, Any]) -> bool:
    """Whether the ratio of the times is above the goal."""
    aim = goal(row["name"], row["threads"])
    return aim is not None and ratio(row["ms"]) > aim


def versus(values: dict[str, float], aim: float | None) -> list[str]:
    """The cells under TITLES."""
    cells = [digits(values[library]) if library in values else "" for library in (OURS, *TORCH)]
    verdict = ["", ""] if aim is None else [f"{aim:.2f}", "**missed**" if ratio(values) > aim else "met"]
    return [*cells, f"**{ratio(values):.2f}**", *verdict]


def digits(x: float) -> str:
    """Three of them, or all before the point.

    >>> digits(0.12345), digits(12.345), digits(1234.5)
    ('0.123', '12.3', '1234')
    """
    return f"{x:.{max(0, 2 - floor(log10(x))) if x > 0 else 0}f}"


# --- tables ----------------------------------------------------------------------------------------------


def line(*cells: object) -> str:
    """A row of a Markdown table.

    >>> line("relu", 2)
    '| relu | 2 |'
    """
    return f"| {' | '.join(map(str, cells))} |"


def head(*titles: str) -> str:
    """The first two lines of a table of numbers."""
    return f"{line(*titles)}\n|---|{'---:|' * (len(titles) - 1)}"


TIMES = head("workload", "threads", *(f"{title}, ms" for title in TITLES[:3]), *TITLES[3:], "quiet rounds")


def timing(row: dict[str, Any]) -> str:
    """One line under TIMES."""
    cells = versus(row["ms"], goal(row["name"], row["threads"]))
    return line(row["name"], row["threads"], *cells, f"{row['quiet']} of {row['rounds']}")


def timings(rows: list[dict[str, Any]]) -> str:
    return "\n".join([TIMES, *map(timing, rows)])


def fresh(rows: list[dict[str, Any]], what: str, aim: float | None = 1.0) -> str:
    """The first steps ("first_ms") or the memory ("peak_mb", "added_mb") of fresh processes."""
    unit, compared = what[-2:].replace("mb", "MB"), TITLES[3:] if aim else TITLES[3:4]
    lines = [head("step", "threads", *(f"{title}, {unit}" for title in TITLES[:3]), *compared)]
    for row in rows:
        cells = versus(row[what], aim)
        lines.append(line(row["name"], row["threads"], *cells[: 3 + len(compared)]))
    return "\n".join(lines)


def installed(rows: list[dict[str, Any]]) -> str:
    """Imports and sizes."""
    lines = [head("package", "version", "import, s", "on disk, MB", "with all it needs, MB")]
    for row in rows:
        sizes = digits(row["own"]), digits(row["all"])
        lines.append(line(row["name"], row["version"], f"{row['import']:.2f}", *sizes))
    return "\n".join(lines)


def accuracy(rows: list[dict[str, Any]]) -> str:
    """The largest errors over shapes and seeds."""
    titles = {"winograd": "Winograd", "columns": "columns", "torch": "PyTorch"}
    lines = [head("result", *titles.values())]
    for result in dict.fromkeys(row["result"] for row in rows):
        errors = [row["errors"] for row in rows if row["result"] == result]
        lines.append(line(f"`{result}`", *(f"{max(each[plan] for each in errors):.1e}" for plan in titles)))
    return "\n".join(lines)


def profiles(texts: list[str]) -> str:
    """What profile.py said of steps that were missed."""
    return "\n\n".join(f"```text\n{text.strip()}\n```" for text in texts) or "None is missed."


def facts(results: dict[str, Any]) -> str:
    """On what, with what, and what recording costs."""
    m, o = results["machine"], results["overhead"]
    return (
        f"{m['cpu']}, {m['cores']} cores; Python {m['python']}, NumPy {m['numpy']} ({m['blas']}), "
        f"PyTorch {m['torch']}; commit {m['commit']}, {m['date']}.\n\n"
        f"A recorded op costs {o['over_numpy']:.1f} µs over NumPy's own {o['numpy']:.1f} µs forward, and "
        f"{o['backward']:.1f} µs in backward."
    )

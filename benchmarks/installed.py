"""What an import takes, and what an install weighs."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.page import OURS, ROOT

PEERS = ["numpy", OURS, "torch", "jax", "tinygrad"]  # told of where they are installed


def packages(rounds: int) -> list[dict[str, Any]]:
    """Of each that is installed: its version, seconds of an import, megabytes alone and with its needs."""
    seconds, found = import_times(rounds), []
    for name in PEERS:
        if (here := closure(name)) and name in seconds:
            own, *others = map(megabytes, here)
            sizes = {"own": own, "all": own + sum(others)}
            found.append({"name": name, "version": here[0].version, "import": seconds[name], **sizes})
    return found


def import_times(rounds: int) -> dict[str, float]:
    """Seconds from the start of a process to the end of an import."""
    times: dict[str, list[float]] = {name: [] for name in PEERS if importlib.util.find_spec(name)}
    for _ in range(rounds):
        for name, taken in times.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], cwd=ROOT, check=True)
            taken.append(time.perf_counter() - begin)
    return {name: statistics.median(taken) for name, taken in times.items()}


def closure(name: str) -> list[importlib.metadata.Distribution]:
    """What pip installs for a name on this system: the distribution and all it requires, without extras."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, importlib.metadata.Distribution] = {}
    left = [name]
    while left:
        if (name := canonicalize_name(left.pop())) in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        needed = map(Requirement, found[name].requires or ())
        left += [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return list(found.values())


def megabytes(distribution: importlib.metadata.Distribution) -> float:
    """Of all its files; of the package in this clone, for that is the one that is measured."""
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    if distribution.name == OURS.replace("_", "-"):
        files = list((ROOT / OURS).rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6

"""What became of the mutants: a table, and the survivors with the reason why nobody can notice them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from mutants import Mutant

__all__ = ["Reasons", "found", "page", "table"]

OPEN = "a test is missing, or a reason"
REASONS = Path(__file__).with_name("survivors.toml")


def found(results: Path) -> dict[str, str]:
    """{mutant: who noticed it, "" for nobody}; what was found last counts."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return {line["mutant"]: line["by"] for line in map(json.loads, lines)}


class Reasons:
    """Why some cannot be noticed: [[reason]] tables, each with the keys of mutants; "*" ends a beginning."""

    def __init__(self) -> None:
        self.whole: dict[str, str] = {}
        self.beginnings: dict[str, str] = {}
        for table in tomllib.loads(REASONS.read_text(encoding="utf-8"))["reason"]:
            for key in table["mutants"]:
                kind = self.beginnings if key.endswith("*") else self.whole
                kind[key.removesuffix("*")] = table["why"]

    def of(self, mutant: Mutant) -> str | None:
        if mutant.key in self.whole:
            return self.whole[mutant.key]
        return next((why for key, why in self.beginnings.items() if mutant.key.startswith(key)), None)


def rate(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def table(made: list[Mutant], by: dict[str, str], reasons: Reasons) -> list[str]:
    """Per file: how many, noticed, not noticed with a reason and without, not yet looked at."""
    rows = [("file", "mutants", "noticed", "", "explained", "not explained")]
    labels = list(dict.fromkeys(m.source.label for m in made))
    for label in [*labels, "all"]:
        looked = [m for m in made if m.key in by and label in ("all", m.source.label)]
        if not looked:
            continue
        noticed = sum(bool(by[m.key]) for m in looked)
        told = sum(not by[m.key] and reasons.of(m) is not None for m in looked)
        row = len(looked), noticed, rate(noticed, len(looked)), told, len(looked) - noticed - told
        rows.append((label, *map(str, row)))
    return ["| " + " | ".join(row) + " |" for row in [rows[0], ("---", *5 * ["---:"]), *rows[1:]]]


def page(made: list[Mutant], by: dict[str, str], reasons: Reasons) -> str:
    """docs/mutation.md"""
    looked = [m for m in made if m.key in by]
    groups: dict[str, list[Mutant]] = {}
    for mutant in looked:
        if not by[mutant.key]:
            groups.setdefault(reasons.of(mutant) or OPEN, []).append(mutant)
    able = [m for m in looked if by[m.key] or reasons.of(m) is None]
    noticed = sum(bool(by[m.key]) for m in looked)
    lines = [
        "# Mutation testing",
        "",
        "Who tests the tests?  `python tools/mutate.py` breaks `ops/`, `kernels/` and the engine in one",
        "place after another: a sign flipped, a term dropped, operands swapped, a number off by one, a",
        "comparison turned, a condition negated, a loop one short, a statement left out.  Of such a *mutant*",
        "some test has to take notice.  This page was written by",
        "`python tools/mutate.py --write docs/mutation.md`.",
        "",
        f"Of {len(made)} mutants {len(looked)} have been looked at, and {noticed} of these are noticed",
        f"({rate(noticed, len(looked))}); of the {len(able)} that can be told from the right program",
        f"{rate(noticed, len(able))}.",
        "",
        *table(made, by, reasons),
        "",
        "## Who survives, and why",
        "",
        "Their names, one by one or by the function whose choice makes no difference, stand in",
        "`tools/survivors.toml`.",
        "",
        "| how many | why | where |",
        "| ---: | --- | --- |",
    ]
    for why, those in sorted(groups.items(), key=lambda group: -len(group[1])):
        where = ", ".join(f"`{label}`" for label in dict.fromkeys(m.source.label for m in those))
        lines.append(f"| {len(those)} | {why} | {where} |")
    if OPEN in groups:
        lines += ["", "These have no reason yet:", "", "```text", *(m.key for m in groups[OPEN]), "```"]
    lines.append("")
    return "\n".join(lines)

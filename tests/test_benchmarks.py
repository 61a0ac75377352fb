"""The benchmarks run and say what they should, and the page is what they found; no time is judged."""

from __future__ import annotations

import doctest
import itertools
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import accuracy, installed, page, profile, run, workloads
from tinygrad_cnn.op import registry

TINY = "tiny MLP, forward + backward, batch 1"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


# --- the page --------------------------------------------------------------------------------------------


def test_examples_of_the_page(check_example):
    for test in doctest.DocTestFinder(exclude_empty=True).find(page):
        check_example(test)


@pytest.mark.parametrize("name", workloads.NAMES)
def test_a_workload_has_one_goal_on_one_and_on_two_threads(name):
    assert sum(name.startswith(start) for start in page.GOALS) == 1
    assert all(page.goal(name, threads) for threads in (1, 2))
    assert page.goal(name, 3) is None


def test_the_page_is_what_the_results_say():
    results = json.loads(page.RESULTS.read_text(encoding="utf-8"))
    assert page.PAGE.read_text(encoding="utf-8") == page.page(results), "run: python benchmarks/run.py --page"


def test_tables():
    fast = {"tinygrad_cnn": 0.5, "torch": 2.0, "torch channels_last": 1.0}
    slow = {"tinygrad_cnn": 1.5, "torch": 1.0}
    vgg = "VGG training step, batch 32"
    results = {
        "rows": [
            {"name": TINY, "threads": 2, "rounds": 3, "quiet": 0, "ms": slow},
            {"name": vgg, "threads": 1, "rounds": 3, "quiet": 3, "ms": fast},
        ],
        "fresh": [{"name": vgg, "threads": 1, "first_ms": fast, "peak_mb": slow, "added_mb": slow}],
        "installed": [{"name": "numpy", "version": "2.4", "import": 0.1, "own": 70.0, "all": 70.0}],
        "accuracy": [
            {"result": "forward", "errors": {"winograd": far, "columns": 1e-7, "torch": 2e-7}}
            for far in (1e-5, 1.26e-5)
        ],
        "profiles": [],
    }
    found = page.tables(results)
    assert found["steps"].splitlines()[2:] == [
        f"| {vgg} | 1 | 0.500 | 2.00 | 1.00 | **0.50** | 0.80 | met | 3 of 3 |",
        f"| {TINY} | 2 | 1.50 | 1.00 |  | **1.50** | 0.40 | **missed** | 0 of 3 |",
    ]
    assert found["first"].splitlines()[2] == f"| {vgg} | 1 | 0.500 | 2.00 | 1.00 | **0.50** | 1.00 | met |"
    assert found["memory"].splitlines()[2] == f"| {vgg} | 1 | 1.50 | 1.00 |  | **1.50** | 1.00 | **missed** |"
    assert found["added"].splitlines()[2] == f"| {vgg} | 1 | 1.50 | 1.00 |  | **1.50** |"
    assert found["installed"].splitlines()[2] == "| numpy | 2.4 | 0.10 | 70.0 | 70.0 |"
    assert found["accuracy"].splitlines()[2] == "| `forward` | 1.3e-05 | 1.0e-07 | 2.0e-07 |"
    assert [page.missed(row) for row in results["rows"]] == [True, False]
    for table in found.values():
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({len(cells(line)) for line in lines}) <= 1


# --- profile.py ------------------------------------------------------------------------------------------


def test_a_profile_adds_up_and_leaves_the_ops_as_they_were(capsys):
    before = {name: op.forward for name, op in registry.items()}
    profile.main(["tiny MLP", "--threads", "1", "--seconds", "0"])
    assert {name: op.forward for name, op in registry.items()} == before

    first, blank, head, *lines = capsys.readouterr().out.splitlines()
    assert (first, blank, head.split()) == (f"{TINY}; 1 thread", "", ["op", "calls", "ms", "%"])
    row = re.compile(r"(\w+(?: \w+)*)  +(\d*) +([\d.]+) +[\d.]+")
    rows = {found[1]: found.groups() for line in lines if (found := row.fullmatch(line))}
    assert len(rows) == len(lines)
    assert list(rows)[-3:] == ["everything else", "the step with timers", "and without"]
    assert [rows[name][1] for name in ("linear", "relu")] == ["3", "2"]
    *parts, total, _ = (float(ms) for _, _, ms in rows.values())
    assert sum(parts) == pytest.approx(total, abs=0.001 * len(parts))


def test_a_profile_by_shape_tells_layers_apart():
    step = workloads.build(TINY, workloads.Library("tinygrad_cnn"))
    found = profile.profile(step, 0, by_shape=True)
    assert {row.name: row.calls for row in found.rows}["linear (1, 16)"] == 3
    assert found.timed_ms == pytest.approx(sum(row.ms for row in found.rows))


def test_an_op_is_not_charged_for_those_it_calls(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(profile, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    timers = profile.Timers()
    inner = timers._timed("inner", lambda: None)
    outer = timers._timed("outer", lambda: [inner(), inner()])
    outer()
    assert timers.take() == {"inner": (2, 2), "outer": (1, 3)}
    assert timers.take() == {}


def test_the_names_of_the_workloads():
    script = [sys.executable, profile.__file__]
    said = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == workloads.NAMES


def test_a_workload_that_there_is_not(capsys):
    with pytest.raises(SystemExit):
        profile.main(["AlexNet"])
    assert "no workload is called 'AlexNet'" in capsys.readouterr().err


# --- run.py and what it calls ----------------------------------------------------------------------------


def test_a_child_measures():
    with run.Child("tinygrad_cnn", 1) as process:
        tried, timed = process.ask(TINY), process.ask(0.0)
    assert set(tried) == {"first", "before", "peak"} and set(timed) == {"median", "foreign"}
    assert tried["first"] > 0 and timed["median"] > 0
    assert not tried["peak"] < tried["before"]  # or nan, where /proc does not tell


def test_a_child_that_fails_is_named():
    with run.Child("tinygrad_cnn", 1) as process, pytest.raises(SystemExit, match="cnn failed at 'no'"):
        process.ask("no")


def test_against_pytorch(capsys):
    pytest.importorskip("torch")
    run.main(["--only", "tiny", "--threads", "1", "--rounds", "1", "--seconds", "0"])
    *_, titles, _, row = capsys.readouterr().out.splitlines()
    assert cells(titles)[:2] == ["workload", "threads"] and len(cells(titles)) == len(cells(row))
    name, threads, ours, torchs, _, ratio, aim, verdict, quiet = cells(row)
    assert (name, threads, aim) == (TINY, "1", "0.40")
    assert all(re.fullmatch(r"\d+(\.\d+)?", text) for text in (ours, torchs, ratio.strip("*")))
    assert verdict in ("met", "**missed**") and quiet in ("0 of 1", "1 of 1")


def test_without_pytorch_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"pip install torch==2\.13\.0"):
        run.main([])


def test_a_part_of_the_results_is_not_written(capsys):
    with pytest.raises(SystemExit):
        run.main(["--only", "LeNet", "--write"])
    assert "leave --only out" in capsys.readouterr().err


def test_installed(monkeypatch):
    monkeypatch.setattr(installed, "PEERS", ["numpy", "a_package_that_there_is_not"])
    (row,) = installed.packages(rounds=1)
    assert row["name"] == "numpy" and row["import"] > 0 and 10 < row["own"] <= row["all"]
    needed = {distribution.name for distribution in installed.closure("pytest")}
    assert {"pytest", "pluggy", "iniconfig"} <= needed and "hypothesis" not in needed  # an extra's


def test_accuracy():
    pytest.importorskip("torch")
    rows = accuracy.errors([(2, 32, 24, 12)], seeds=1)
    assert [row["result"] for row in rows] == ["forward", "input_grad", "weight_grad"]
    for row in rows:
        assert 0 < row["errors"]["columns"] < row["errors"]["winograd"] < 3e-5
        assert row["errors"]["torch"] < 1e-5

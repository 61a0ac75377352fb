"""Break every line of ops/, kernels/ and the engine in turn, and see whether the tests notice.

    python tools/mutate.py                       # everything: about an hour on two cores
    python tools/mutate.py --only kernels/norm   # one file; ops, kernels/conv: a folder
    python tools/mutate.py --sample 300 --seed 1 # some of all
    python tools/mutate.py --resume              # go on, or look again at what survived
    python tools/mutate.py --write docs/mutation.md   # the page of what was found

What is broken, and how, stands in `mutants.py`.  All tests are collected once.  A first run of them, on
files that say where they are, tells which tests reach what.  Then each mutant lives in a process of its own
(a fork, so not on Windows), where the changed file takes the place of the right one in memory; nothing is
written to the package.  Of the tests that reach the change those run first that noticed its neighbours, then
the quick ones, with few examples of Hypothesis; who survives meets all examples.  A mutant that hangs is
noticed.  For control, every file also takes its own place unchanged, now and then: that must survive.

Prints a table, and the survivors with the reason why nobody can tell them apart from the right file
(`survivors.toml`); exits with 1 if one has no reason.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import itertools
import json
import os
import pickle
import random
import signal
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings
from mutants import REACHED, Mutant, Source
from mutation_page import Reasons, found, page, table

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tinygrad_cnn"
KEPT = ROOT / ".mutation"  # what was found, and which tests reach what
RESULTS = KEPT / "results.jsonl"
TESTS = [
    "test_anomaly", "test_doctests", "test_engine", "test_errors", "test_explain", "test_function",
    "test_geometry", "test_graph", "test_graph_views", "test_kernels_conv", "test_kernels_forms",
    "test_kernels_pieces", "test_kernels_plans", "test_kernels_pool", "test_kernels_resample",
    "test_kernels_runtime", "test_kernels_sharing", "test_kernels_thresholds", "test_module", "test_numpy",
    "test_ops_gradients", "test_ops_kinds", "test_ops_reductions", "test_ops_shapes", "test_ops_values",
    "test_programs", "test_three_ways",
]  # fmt: skip
SURVIVES, NOTICED, FAULT = 0, 1, 2  # how a process ends; the last is a fault of this file
IMPORT = "import"
FEW, MOST = 10, 1_000_000  # examples of Hypothesis for each test
PHASES = Phase.explicit, Phase.generate  # nobody wants to see the smallest example
BUDGETS = {FEW: 1.5, MOST: 10.0}  # seconds of computing for one mutant
HOPELESS = 0.3  # for one of which the reason is known why it survives


def sources() -> list[Source]:
    files = [*(PACKAGE / "ops").glob("*.py"), *(PACKAGE / "kernels").rglob("*.py"), PACKAGE / "engine.py"]
    probes = itertools.count(1)
    return [
        Source(file, file.relative_to(PACKAGE).with_suffix("").as_posix(), probes)
        for file in sorted(files)
        if not file.stem.startswith("_")
    ]


# --- one file in the place of another --------------------------------------------------------------------


def take_over(module: types.ModuleType, code: Any) -> None:
    """Run other code of a module; all who have imported something from it find it changed."""
    before = dict(vars(module))
    exec(code, vars(module))
    for name, old in before.items():
        if name.startswith("__"):
            continue
        new = vars(module)[name]
        if isinstance(new, (int, float, str, tuple, np.ndarray)):
            for other in list(sys.modules.values()):
                if getattr(other, "__name__", "").startswith("tinygrad_cnn") and (
                    vars(other).get(name) is old and new is not old
                ):
                    vars(other)[name] = new
        elif new is not old:
            become(old, new)
            vars(module)[name] = old
    # Rules of other files and the registry know the old ops, which now behave like the new ones.
    ops = {op.name: op for op in before.values() if type(op).__name__ == "Op"}
    vars(sys.modules["tinygrad_cnn.op"])["registry"].update(ops)
    forget()


def become(old: Any, new: Any) -> None:
    """Let an object behave as another of its kind; what holds state only (a lock) stays as it is."""
    if type(old).__name__ == "Op":
        vars(old).update(vars(new))
    elif isinstance(old, types.FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = (
            new.__code__,
            new.__defaults__,
            new.__kwdefaults__,
        )
        if hasattr(old, "__wrapped__"):
            become(old.__wrapped__, new.__wrapped__)
    elif isinstance(old, functools.partial):
        old.__setstate__(new.__reduce__()[2])
    elif isinstance(old, list):
        old[:] = new
    elif isinstance(old, dict):
        old.clear()
        old.update(new)
    elif isinstance(old, type):
        for name, part in vars(new).items():
            if name in vars(old):
                become(vars(old)[name], part)
    else:
        for inner in ("__wrapped__", "__func__", "func", "fget"):  # of caches, classmethods, properties
            if isinstance(getattr(old, inner, None), types.FunctionType):
                become(getattr(old, inner), getattr(new, inner))
                break


def forget() -> None:
    """Empty all caches."""
    for cached in caches():
        cached.cache_clear()


@functools.cache
def caches() -> list[Any]:
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("tinygrad_cnn")]
    return [x for m in modules for x in vars(m).values() if isinstance(x, functools._lru_cache_wrapper)]


# --- the tests -------------------------------------------------------------------------------------------


class Tests:
    """All tests, collected; and which of them reach what, in how many seconds."""

    def __init__(self, items: Sequence[Any], files: list[Source]):
        self.items = {item.nodeid: item for item in items}
        self.seconds: dict[str, float] = {}
        self.reaching: dict[int, set[str]] = {}
        self.at_import: set[int] = set()
        self.watch(files)

    def watch(self, files: list[Source]) -> None:
        """Run those of which nothing is known yet, or whose file has changed."""
        shared = [*PACKAGE.rglob("*.py"), ROOT / "tests/conftest.py", ROOT / "tests/windows.py"]
        package = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(shared))).digest()
        kept, known = KEPT / "reached.pickle", {}
        if kept.exists():
            known = pickle.loads(kept.read_bytes())
        marks = {path: hashlib.sha256(package + path.read_bytes()).digest() for path in self.paths()}
        new = [item for item in self.items.values() if known.get(item.nodeid, (None,))[0] != marks[item.path]]
        if new:
            print(f"running {len(new)} tests to see what they reach", flush=True)
            pid = os.fork()
            if not pid:
                silent()
                no_shrinking(MOST)
                known |= reached_by(new, files, marks)
                kept.write_bytes(pickle.dumps(known))
                os._exit(0)
            if os.waitpid(pid, 0)[1]:
                raise SystemExit("the tests broke off")
            known = pickle.loads(kept.read_bytes())
        self.at_import = set(known[IMPORT])
        left_out = []
        for name in list(self.items):
            _, passed, seconds, probes = known[name]
            if passed is None:
                left_out.append(name)
            if not passed:
                del self.items[name]
                continue
            self.seconds[name] = seconds
            for probe in probes:
                self.reaching.setdefault(probe, set()).add(name)
        if left_out:  # such as those that read the sources, or wait for the smallest example
            print(f"{len(left_out)} tests fail without any mutant and are left out: {left_out[0]} ...")

    def paths(self) -> set[Path]:
        return {item.path for item in self.items.values()}

    def of(self, mutant: Mutant, noticed: dict[str, Counter[str]]) -> list[str]:
        """Those that reach a mutant, the promising ones first."""
        here, near = noticed[f"{mutant.source.label}: {mutant.where}"], noticed[mutant.source.label]
        probes = set(mutant.probes)
        if probes & self.at_import:  # what it makes may be used by whoever uses the file
            probes.update(mutant.source.probes)
        names = set().union(*(self.reaching.get(probe, ()) for probe in probes))
        stem = mutant.source.label.replace("/", "_")

        def promise(name: str) -> tuple[float, bool, float]:
            own = f"test_{stem}" in name or (stem.startswith("kernels") and "test_kernels" in name)
            return (
                -(3 * here[name] + near[name]) / (self.seconds[name] + 0.02),
                not own,
                self.seconds[name],
            )

        return sorted(names, key=promise)


def reached_by(items: list[Any], files: list[Source], marks: dict[Path, bytes]) -> dict[str, Any]:
    """{test: (mark, passed, seconds, probes)}; passed is False if it is skipped, None if it fails."""
    reached: set[int] = set()
    for source in files:
        module = importlib.import_module(source.module)
        vars(module)[REACHED] = reached.add
        take_over(module, source.with_probes())
    known: dict[str, Any] = {IMPORT: sorted(reached)}
    for item, following in itertools.zip_longest(items, items[1:]):
        reached.clear()
        forget()  # what an earlier test has left there would not be reached
        start = time.process_time()
        outcome = run(item, following, MOST)
        known[item.nodeid] = marks[item.path], outcome, time.process_time() - start, sorted(reached)
    return known


def run(item: Any, following: Any, examples: int) -> bool | None:
    """Whether a test passes (False: it is skipped; None: it fails), with so many examples at most."""
    test = getattr(item, "obj", None)
    known = getattr(test, "_hypothesis_internal_use_settings", None)
    if known is not None:  # the machine may be busy
        test._hypothesis_internal_use_settings = settings(  # type: ignore[union-attr]
            known,
            max_examples=min(known.max_examples, examples),
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            database=None,
        )
    reports = runtestprotocol(item, nextitem=following, log=False)
    failed = [report for report in reports if report.failed]
    if failed:
        run.said = failed[0].longreprtext[-300:]  # type: ignore[attr-defined]
    return None if failed else not any(report.skipped for report in reports)


def no_shrinking(examples: int) -> None:
    most = min(examples, settings.default.max_examples)
    settings.register_profile("mutant", settings(settings.default, phases=PHASES, max_examples=most))
    settings.load_profile("mutant")


def silent() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


# --- mutants ---------------------------------------------------------------------------------------------


def live(mutant: Mutant, names: list[str], tests: Tests, examples: int, budget: float, out: int) -> int:
    """To be called in a process of its own, which it spoils: 0 if the mutant survives.

    Writes the number of each test before it begins: the last one is who noticed.
    """
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (6 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    silent()
    plain = settings(
        settings.default, phases=PHASES, max_examples=min(examples, settings.default.max_examples)
    )
    settings.register_profile("mutant", plain)
    settings.load_profile("mutant")
    signal.setitimer(signal.ITIMER_PROF, 20)
    try:
        take_over(importlib.import_module(mutant.source.module), mutant.code())
    except Exception as error:
        os.write(out, f"\n{error!r}".encode())
        return NOTICED
    started = time.process_time()
    for number, name in enumerate(names):
        if time.process_time() - started > budget:
            break
        os.write(out, f"{number} ".encode())
        usual = tests.seconds[name]
        signal.setitimer(signal.ITIMER_PROF, 3 + 10 * usual)  # of computing: one that hangs is noticed
        signal.setitimer(signal.ITIMER_REAL, 60 + 60 * usual)  # and so is one that waits for ever
        if run(tests.items[name], None, examples) is None:
            os.write(out, f"\n{run.said}".encode())  # type: ignore[attr-defined]
            return NOTICED
    return SURVIVES


def start(*arguments: Any) -> tuple[int, int]:
    """Fork; (process, what it writes)."""
    reads, writes = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writes)
        return pid, reads
    status = FAULT
    try:
        status = live(*arguments, writes)
    except BaseException as error:
        os.write(writes, f"\n{error!r}".encode())
    os._exit(status)


def end(status: int) -> str:
    """How a process ended, if not by itself."""
    if not os.WIFSIGNALED(status):
        return ""
    return " (hung)" if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else " (crashed)"


def examine(
    made: list[Mutant],
    tests: Tests,
    reasons: Reasons,
    examples: int,
    processes: int,
    note: Callable[[Mutant, str, str], None],
) -> None:
    """Let each mutant live, and note who noticed: a test, "import", or "" for nobody."""
    noticed: dict[str, Counter[str]] = {}
    for m in made:
        noticed[m.source.label] = Counter()
        noticed[f"{m.source.label}: {m.where}"] = Counter()
    waiting, running, began, done = made[::-1], dict[int, Any](), time.time(), 0
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            names = tests.of(mutant, noticed)
            budget = BUDGETS[examples] if reasons.of(mutant) is None else HOPELESS
            pid, out = start(mutant, names, tests, examples, budget)
            running[pid] = mutant, names, out
        pid, status = os.wait()
        mutant, names, out = running.pop(pid)
        with os.fdopen(out, errors="replace") as written:
            numbers, _, said = written.read().partition("\n")
        if os.waitstatus_to_exitcode(status) == FAULT:
            raise SystemExit(f"{mutant.key}: {said}")
        by = "" if status == 0 else names[int(numbers.split()[-1])] if numbers else IMPORT
        if by in tests.items:
            noticed[mutant.source.label][by] += 1
            noticed[f"{mutant.source.label}: {mutant.where}"][by] += 1
        done += 1
        note(mutant, by + end(status), said)
        if done % 100 == 0:
            print(f"{done}/{len(made)}, {(time.time() - began) / done:.2f} s each", flush=True)


# --- all together ----------------------------------------------------------------------------------------


class Loop:
    """For pytest: what to do with the collected tests."""

    def __init__(self, options: argparse.Namespace, files: list[Source], made: list[Mutant]):
        self.options, self.files, self.made = options, files, made
        self.unexplained = -1

    def pytest_runtestloop(self, session: Any) -> bool:
        import gc

        tests, reasons = Tests(session.items, self.files), Reasons()
        if not self.options.resume:
            RESULTS.unlink(missing_ok=True)
        by = found(RESULTS)
        gc.collect()
        gc.freeze()

        with RESULTS.open("a", encoding="utf-8") as file:

            def note(mutant: Mutant, who: str, said: str) -> None:
                if mutant.where == "control":
                    if who:
                        raise SystemExit(f"{mutant.source.label} without any mutant: {who}\n{said}")
                    return
                by[mutant.key] = who
                print(json.dumps({"mutant": mutant.key, "by": who, "said": said}), file=file, flush=True)
                if not who and reasons.of(mutant) is None:
                    print(f"survived: {mutant.key}", flush=True)

            for examples in (FEW, MOST):
                alive = [m for m in self.made if not by.get(m.key)]
                if examples == MOST or self.options.resume:
                    alive = [m for m in alive if m.key not in by or reasons.of(m) is None]
                if examples == FEW and self.options.resume:
                    alive = [m for m in alive if m.key not in by]
                # Where a file begins, and now and then within it, stands a control.
                alive = [
                    m
                    for i, mutant in enumerate(alive)
                    for m in (
                        [mutant]
                        if i % 100 and mutant.source is alive[i - 1].source
                        else [mutant.source.control(), mutant]
                    )
                ]
                if alive and not (examples == MOST and self.options.quick):
                    print(f"{len(alive)} mutants, {examples} examples", flush=True)
                    examine(alive, tests, reasons, examples, self.options.processes, note)

        print("\n".join(table(self.made, by, reasons)))
        left = [m for m in self.made if not by.get(m.key) and reasons.of(m) is None]
        print(*(f"NOT EXPLAINED, a test is missing: {m.key}" for m in left), sep="\n")
        self.unexplained = len(left)
        return True


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="files or folders, such as ops/norm,kernels/conv,engine")
    parser.add_argument("--sample", type=int, help="so many mutants, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="of that choice")
    parser.add_argument("--resume", action="store_true", help="keep what was found the last time")
    parser.add_argument("--quick", action="store_true", help="few examples only")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    parser.add_argument("--write", help="write the page of what was found, and run nothing")
    options = parser.parse_args(argv)

    files = sources()
    wanted = options.only.split(",") if options.only else [""]
    chosen = [s for s in files if any(f"{s.label}/".startswith(f"{w}/" if w else "") for w in wanted)]
    made = [mutant for source in chosen for mutant in source.mutants()]
    if options.sample:
        made = random.Random(options.seed).sample(made, min(options.sample, len(made)))
    if options.list:
        print(*(m.key for m in made), f"{len(made)} mutants", sep="\n")
        return 0

    if options.write:
        Path(options.write).write_text(page(made, found(RESULTS), Reasons()), encoding="utf-8")
        return 0

    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    sys.dont_write_bytecode = True
    os.environ |= {"HYPOTHESIS_PROFILE": "ci", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    KEPT.mkdir(exist_ok=True)
    loop = Loop(options, files, made)
    quiet = [
        "-qq",
        "-s",
        "--no-header",
        "--assert=plain",
        "--tb=native",
        # a spawned process knows no mutant; nothing shrinks here, and looking for it takes minutes
        "-knot spawn and not found_by_networks_and_shrinks",
    ]
    plugins = [f"-pno:{name}" for name in ("cacheprovider", "faulthandler", "xdist", "randomly")]
    status = pytest.main([*quiet, *plugins, *(f"tests/{name}.py" for name in TESTS)], plugins=[loop])
    return status or min(1, abs(loop.unexplained))


if __name__ == "__main__":
    sys.exit(main())

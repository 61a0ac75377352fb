"""Mutants are what they say, and a file that takes its own place is as it was."""

from __future__ import annotations

import itertools
import types

import pytest

from tools.mutants import REACHED, Source

TEXT = '''
"""A file."""
from functools import cache

LIMIT = 2

def f(x: int) -> int:
    """A function."""
    if x > LIMIT:
        raise ValueError("too large: 3")
    for i in range(x):
        x += i
    return x if x else -1

class C:
    @cache
    def m(self, x):
        return (lambda y: y * x)(1)
'''


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(TEXT, encoding="utf-8")
    return lambda: Source(file, "file", itertools.count(1))


def run(code, **names):
    module = types.ModuleType("file")
    vars(module).update(names)
    exec(code, vars(module))
    return module


def test_every_mutant_is_listed_once(source):
    keys = [mutant.key for mutant in source().mutants()]
    assert len(set(keys)) == len(keys)
    assert {
        "file: LIMIT: 2 -> 3",
        "file: f: x > LIMIT -> x <= LIMIT",
        "file: f: raise ValueError('too large: 3') -> pass",
        "file: f: for i in range(x): x += i -> for i in [*range(x)][1:]: x += i",
        "file: f: x += i -> x -= i",
        "file: f: x += i -> pass",
        "file: f: x if x else -1 -> -1 if x else x",
        "file: f: x if x else -1 -> x if x else 1",
        "file: C.m: y * x -> y / x",
    } <= set(keys)
    assert not any("A f" in key or "int" in key or "cache" in key for key in keys)


def test_each_differs_from_the_file_in_one_place(source):
    found = [mutant.change for mutant in source().mutants()]
    for number, change in enumerate(found):
        mutant = source().mutants()[number]
        assert mutant.change == change
        assert run(mutant.code()).f is not None
    limit = next(m for m in source().mutants() if m.where == "LIMIT")
    assert run(limit.code()).f(3) == 6
    with pytest.raises(ValueError, match="too large"):
        run(source().control().code()).f(3)


def test_probes_tell_what_is_reached(source):
    of = {}
    for mutant in source().mutants():
        of.setdefault(mutant.change, mutant.probes)
    reached = set()
    module = run(source().with_probes(), **{REACHED: reached.add})
    assert not reached
    assert module.f(1) == 1
    assert of["x += i -> pass"] <= reached and of["x > LIMIT -> x <= LIMIT"] <= reached
    assert of["2 -> 3"] & reached
    assert not of["raise ValueError('too large: 3') -> pass"] & reached
    assert not of["x if x else -1 -> x if x else 1"] & reached and not of["y * x -> y / x"] & reached
    assert module.C().m(2) == 2
    assert of["y * x -> y / x"] <= reached

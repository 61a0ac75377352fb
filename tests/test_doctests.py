"""The example in every docstring runs, in an empty folder, and gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import tinygrad_cnn
from tinygrad_cnn.op import registry

MODULES = sorted(
    ["tinygrad_cnn", *(info.name for info in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn."))]
)


def examples(name: str) -> list[doctest.DocTest]:
    """Those of a module's functions and classes, and of its ops, which doctest takes for data."""
    module = importlib.import_module(name)
    found = doctest.DocTestFinder(exclude_empty=True).find(module)
    for op in registry.values():
        if op.__module__ == name and op.__doc__:
            parser = doctest.DocTestParser()
            found.append(
                parser.get_doctest(op.__doc__, dict(vars(module)), f"{name}.{op.name}", module.__file__, None)
            )
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch, check_example):
    monkeypatch.chdir(tmp_path)
    for test in examples(name):
        check_example(test)


def test_there_are_examples():
    assert sum(len(examples(name)) for name in MODULES) > 50

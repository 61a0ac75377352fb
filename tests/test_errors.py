"""docs/errors.md is the table: its calls are run here, and it must say what they said.

Each entry (a heading of the third level) ends with one wrong call.  When a message has changed,

    python tests/test_errors.py

writes what the calls say now into the page; whether it is well said, the tests and the reader decide.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import tempfile
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import data, errors, nn, optim
from tinygrad_cnn.nn import functional, init

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"
PARTS = re.compile(r"^### (?P<title>[^\n]*)\n|^```(?P<kind>python|pycon)\n(?P<code>.*?)^```\n", re.M | re.S)
OWN, PYTHONS = PAGE.read_text(encoding="utf-8").split("## Left to Python")
TITLES = re.findall(r"^### (.*)", OWN, re.M)

SHAPE = re.compile(r"\((\d+(, \d+)*,?)?\)")
CURE = re.compile(r";|\b(use|must|pass|make|give)\b")
PUBLIC = [
    tg,
    tg.Tensor,
    tg.autograd,
    nn,
    nn.Module,
    functional,
    init,
    optim,
    optim.lr_scheduler,
    data,
    data.transforms,
]
NAMES = {name for place in PUBLIC for name in dir(place)}
SPOKEN = {"in place", "indexing", "assignment", "init", "bool", "deepcopy"}  # what has no name to call it by


class Entry(NamedTuple):
    """A call, what it raised, and what of that was printed."""

    source: str
    error: Exception
    text: str


def run(page: str) -> tuple[str, dict[str, list[Entry]]]:
    """The page with the outputs that its calls have now, and the errors by title; in an empty folder."""
    names: dict[str, Any] = {"__name__": "errors"}
    raised: dict[str, list[Entry]] = {}
    title = ""

    def renew(part: re.Match[str]) -> str:
        nonlocal title
        if part["title"]:
            title = part["title"]
        elif part["kind"] == "python":
            exec(part["code"], names)
        else:
            lines = []
            for example in doctest.DocTestParser().get_examples(part["code"]):
                first, *more = example.source.splitlines()
                lines += [f">>> {first}", *(f"... {line}" for line in more)]
                said, error = answer(example.source, names)
                lines += said.splitlines()
                if error is not None:
                    raised.setdefault(title, []).append(Entry(example.source, error, said))
            return "```pycon\n" + "\n".join(lines) + "\n```\n"
        return part[0]

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return PARTS.sub(renew, page), raised
        finally:
            os.chdir(before)


def answer(source: str, names: dict[str, Any]) -> tuple[str, Exception | None]:
    """What an interactive session answers."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(source, "<errors.md>", "single"), names)
        return printed.getvalue(), None
    except Exception as error:
        text = "".join(traceback.format_exception_only(error))
        text = re.sub(r"at step \d+", "at step ...", text)  # counts every op since the start
        text = re.sub(r"(?s)(called here:\n  File ).*", r"\1...\n", text)  # the frames of this file, too
        return "Traceback (most recent call last):\n    ...\n" + text, error


@pytest.fixture(scope="module")
def ran() -> tuple[str, dict[str, list[Entry]]]:
    return run(PAGE.read_text(encoding="utf-8"))


def test_the_page_says_what_the_calls_say(ran):
    assert PAGE.read_text(encoding="utf-8") == ran[0]


def test_there_are_many():
    assert len(TITLES) == len(set(TITLES)) > 80


@pytest.mark.parametrize("title", TITLES)
def test_error(title, ran):
    [(source, error, said)] = ran[1][title]
    text = str(error)
    assert isinstance(error, errors.Error)
    assert type(error).__name__ in errors.__all__
    assert f"tinygrad_cnn.errors.{type(error).__name__}: {text}\n" in said

    assert error.where is None or text.startswith(f"{error.where}: ")
    subject = text.removeprefix(f"{error.where}: ").partition(": ")[0]
    words = set(re.findall(r"[\w-]+", subject if error.where is None else f"{error.where} {subject}"))
    known = NAMES | set(re.findall(r"[\w-]+", source))
    assert words & known or subject in SPOKEN, "names neither op nor file"
    assert CURE.search(text), "says no cure"
    if isinstance(error, errors.ShapeError):
        assert SHAPE.search(text) or "[[" in text, "says no shape"
    assert not text.endswith("."), "one sentence"


def test_every_class_occurs_that_needs_no_network_and_no_missing_program(ran):
    found = {type(entry.error).__name__ for entries in ran[1].values() for entry in entries}
    assert found >= set(errors.__all__) - {"Error", "DownloadError", "MissingToolError"}


def test_errors_inside_modules_say_which(ran):
    paths = [entry.error.where for title in TITLES for entry in ran[1][title] if entry.error.where]
    assert {"LeNet.fc (Linear)", "LeNet.conv1 (Conv2d)", "LeNet.conv2 (Conv2d)", "Linear"} <= set(paths)


@pytest.mark.parametrize("title", re.findall(r"^### (.*)", PYTHONS, re.M))
def test_what_is_left_to_python(title, ran):
    [(_, error, _)] = ran[1][title]
    assert not isinstance(error, errors.Error)


if __name__ == "__main__":
    PAGE.write_text(run(PAGE.read_text(encoding="utf-8"))[0], encoding="utf-8")


@pytest.mark.parametrize("name", ["flip", "permute", "tile"])
def test_axes_are_given_once(name):
    x = tg.ones(2, 3)
    by_name = getattr(tg, name)(x, dims=(1, 0))
    assert by_name.tolist() == getattr(x, name)(1, 0).tolist() == getattr(x, name)((1, 0)).tolist()
    with pytest.raises(errors.ArgumentError, match="twice"):
        getattr(x, name)(1, 0, dims=(1, 0))

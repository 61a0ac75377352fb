"""Every block of code in README.md and docs/ is run, and prints what the page says.

A page is one session, from its first block to its last, in an empty folder:
- a ```python block is run; what it prints is compared with the ```text block that follows it at once, if one
  does; if it raises, the last line of that ```text block is the error;
- a block with `>>>` prompts is checked as a doctest;
- a block may be set in, as in an answer that is folded away;
- a line `--8<-- "file"` or `--8<-- "file:region"` stands for that part of the file, as on the site.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from pathlib import Path
from textwrap import dedent, indent

import pytest

from docs import gen_index, gen_ops, wrap_errors

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<inset> *)```(?P<kind>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=inset)```[ \t]*$", re.M | re.S
)
SNIPPET = re.compile(r'^--8<-- "([^":]+)(?::([\w-]+))?"$', re.M)


def snippet(found: re.Match[str]) -> str:
    """The part of a file that a page includes."""
    text = (ROOT / found[1]).read_text(encoding="utf-8")
    if found[2]:
        marked = re.search(
            rf"--8<-- \[start:{found[2]}\]\n(.*?)^[^\n]*--8<-- \[end:{found[2]}\]", text, re.S | re.M
        )
        assert marked, f"{found[1]} has no region {found[2]}"
        text = marked[1]
    return text.rstrip("\n")


def blocks(page: str) -> list[tuple[int, str, str | None]]:
    """(line, code, what it prints or None) for each block of Python on a page."""
    found = list(FENCE.finditer(page))
    result = []
    for i, block in enumerate(found):
        if block["kind"] in ("python", "pycon", "py"):
            after = found[i + 1] if i + 1 < len(found) else None
            follows = after and after["kind"] == "text" and not page[block.end() : after.start()].strip()
            line = page.count("\n", 0, block.start()) + 2
            code = SNIPPET.sub(snippet, dedent(block["text"]))
            result.append((line, code, dedent(after["text"]) if after and follows else None))
    return result


@pytest.fixture
def run(check_example, doctest_flags):
    """Run the blocks of a page, one after the other."""

    def run(page: str, where: str = "page.md") -> None:
        names: dict = {"__name__": where}
        for line, code, expected in blocks(page):
            if re.search(r"^ *>>> ", code, re.M):
                test = doctest.DocTestParser().get_doctest(code, names, where, where, line - 1)
                check_example(test)
                names.update(test.globs)
            else:
                run_block(f"{where}, line {line}", "\n" * (line - 1) + code, names, expected, doctest_flags)

    return run


def run_block(where: str, code: str, names: dict, expected: str | None, flags: int) -> None:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, where, "exec"), names)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        if expected is None or expected.strip().splitlines()[-1] != said:
            raise
        expected = "\n".join(expected.strip().splitlines()[:-1])
    if expected is not None:
        checker = doctest.OutputChecker()
        got = printed.getvalue()
        assert checker.check_output(expected, got, flags), (
            f"{where} prints\n{got}\nand the page says\n{expected}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    run(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))


@pytest.mark.parametrize("module", [gen_index, gen_ops, wrap_errors])
def test_examples_of_the_tools(module, check_example):
    for test in doctest.DocTestFinder().find(module):
        check_example(test)


# --- the tests of the test -------------------------------------------------------------------------


def test_a_page_is_one_session(run):
    run("```python\nx = 1\n```\ntext\n```python\n>>> y = x + 1\n```\n```python\nassert y == 2\n```\n")
    run("```python\nprint('a  b')\n```\n\n```text\na b\n```\n")
    run("```python\nprint(1)\n1 / 0\n```\n```text\n1\nZeroDivisionError: division by zero\n```\n")
    run("```bash\nexit 1\n```\n")
    inset = "```python\nfor x in 1, 2:\n    print(x)\n```\n\n```text\n1\n2\n```\n"
    run('??? note "Answer"\n' + indent(inset, "    "))


@pytest.mark.parametrize(
    "page",
    [
        "```python\nprint(1)\n```\n```text\n2\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```python\n1 / 0\n```\n",
        "```python\n1 / 0\n```\n```text\nZeroDivisionError: no\n```\n",
        "```python\nprint(1)\n```\n```text\n1\nZeroDivisionError: division by zero\n```\n",
        '??? note "Answer"\n    ```python\n    print(1)\n    ```\n    ```text\n    2\n    ```\n',
        '```python\n--8<-- "pyproject.toml:nowhere"\n```\n',
    ],
)
def test_a_page_that_is_not_true_fails(page, run):
    with pytest.raises((AssertionError, ZeroDivisionError)):
        run(page)

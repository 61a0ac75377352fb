"""How thoroughly Hypothesis looks, and one seed for every test.

    HYPOTHESIS_PROFILE=deep make test

`dev` (the default) looks at new examples in every run, `ci` (the default where CI is set) at the same
ones, `deep` at thousands.
"""

from __future__ import annotations

import doctest
import os
from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_

import pytest
from hypothesis import settings

from tinygrad_cnn.kernels import runtime
from tinygrad_cnn.random import manual_seed

settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=3000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test draws from the default generator does not depend on the tests before it."""
    manual_seed(0)


@pytest.fixture
def doctest_flags(request: pytest.FixtureRequest) -> int:
    """What pyproject.toml allows examples to leave open."""
    names = request.config.getini("doctest_optionflags")
    return reduce(or_, (doctest.OPTIONFLAGS_BY_NAME[name] for name in names), 0)


@pytest.fixture
def check_example(doctest_flags: int) -> Callable[[doctest.DocTest], None]:
    """Run a doctest; what it names stays in its `globs`."""

    def check(test: doctest.DocTest) -> None:
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest_flags, verbose=False)
        failed = runner.run(test, out=said.append, clear_globs=False).failed
        assert not failed, "".join(said)

    return check


@pytest.fixture
def threads_are_as_before() -> Iterator[None]:
    """A test may set the number of threads."""
    before = runtime.get_num_threads()
    yield
    runtime.set_num_threads(before)

"""Threads, BLAS and NumPy's state: what is asked of the machine, and that it is left as it was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from threadpoolctl import ThreadpoolController, threadpool_info

from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import conv_geometry
from tinygrad_cnn.kernels import conv, elementwise, runtime

ROOT = Path(__file__).parent.parent
SECONDS = 60  # after which whatever should have ended hangs

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
threads_may_fork = pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")

pytestmark = pytest.mark.usefixtures("threads_are_as_before")


def output_of(code, **environment):
    """What a new Python prints that runs this code."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def in_time(function):
    """What `function` returns or raises, from a thread of its own: a deadlock fails the test, and ends it."""
    done = []

    def run():
        try:
            done.append((function(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert done, "it hangs"
    result, error = done[0]
    if error is not None:
        raise error
    return result


def large_problem(seed=0, channels=16):
    """A convolution of enough images to be shared among threads."""
    rng = np.random.default_rng(seed)
    x, w = (
        rng.standard_normal(shape).astype("f") for shape in ((16, channels, 40, 40), (24, channels, 3, 3))
    )
    return x, w, conv_geometry(x.shape, w.shape)


# --- how many threads ------------------------------------------------------------------------------------


def test_the_number_of_threads_is_what_was_set():
    for number in (1, 3, 2):
        runtime.set_num_threads(number)
        assert runtime.get_num_threads() == number


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "2", None])
def test_a_number_of_threads_is_an_int_and_at_least_one(bad):
    before = runtime.get_num_threads()
    with pytest.raises(ArgumentError, match="at least 1") as raised:
        runtime.set_num_threads(bad)
    assert repr(bad) in str(raised.value)
    assert runtime.get_num_threads() == before


@pytest.mark.parametrize("asked, number", [("3", 3), ("5,2", 5), ("0", None), ("many", None), ("", None)])
def test_the_environment_may_say_how_many_threads(asked, number):
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    code = "from tinygrad_cnn.kernels import runtime; print(runtime.get_num_threads())"
    assert output_of(code, OMP_NUM_THREADS=asked) == str(number or cores)


def test_the_environment_may_leave_the_allocator_alone():
    assert output_of("import tinygrad_cnn; print('imported')", TINYGRAD_CNN_KEEP_MEMORY="0") == "imported"


def test_threads_are_started_by_large_work_only():
    code = """
import threading, numpy as np
from tinygrad_cnn.geometry import conv_geometry, pool_geometry
from tinygrad_cnn.kernels import conv, elementwise, norm, pool, runtime

def others():
    return [(t.name, t.daemon) for t in threading.enumerate() if t is not threading.main_thread()]

assert others() == []  # after the import
runtime.set_num_threads(3)
x, w = np.ones((4, 3, 8, 8), np.float32), np.ones((5, 3, 3, 3), np.float32)
conv.forward(x, w, conv_geometry(x.shape, w.shape))
elementwise.relu(x), norm.moments(x), pool.max_forward(x, pool_geometry(x.shape, 2))
assert others() == []  # after small work
elementwise.relu(np.ones((64, 64, 32, 32), np.float32))
assert others() == [("tinygrad_cnn", True)] * 2, others()
"""
    output_of(code)


# --- share -----------------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(1, 5))
def test_every_piece_goes_to_exactly_one_thread(count, number):
    runtime.set_num_threads(number)
    pieces, given_out, calls = [object() for _ in range(count)], [], []

    def work(mine):
        calls.append(threading.get_ident())
        given_out.extend(mine)

    runtime.share(work, pieces)
    assert len(calls) == len(set(calls)) == max(1, min(number, count))
    assert sorted(map(id, given_out)) == sorted(map(id, pieces))


def one_piece_each(act, number=3):
    """Let so many threads work on one piece each, all at the same time; which is done when all are."""
    runtime.set_num_threads(number)
    together, done = threading.Barrier(number), []

    def work(pieces):
        for piece in pieces:
            together.wait(SECONDS)
            act(piece)
            done.append(piece)

    in_time(lambda: runtime.share(work, range(number)))
    return sorted(done)


def helping():
    return threading.current_thread().name == "tinygrad_cnn"


@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_threads_work_at_the_same_time(number):
    names = []
    assert one_piece_each(lambda _: names.append(threading.current_thread().name), number) == [*range(number)]
    assert names.count("tinygrad_cnn") == number - 1


@pytest.mark.parametrize("error", [ValueError("a bad piece"), KeyboardInterrupt("stop")])
@pytest.mark.parametrize("where", ["in a helper", "in the caller", "in every thread"])
def test_an_error_arrives_and_share_works_again(error, where):
    at = {"in a helper": {True}, "in the caller": {False}}.get(where, {True, False})

    def act(_):
        if helping() in at:
            raise error

    for _ in range(2):
        with pytest.raises(type(error), match=str(error)):
            one_piece_each(act)
        assert one_piece_each(lambda _: None) == [0, 1, 2]


def test_other_pieces_are_still_worked_on_after_an_error():
    runtime.set_num_threads(2)
    both, done = threading.Barrier(2), []

    def work(pieces):
        both.wait(SECONDS)
        if helping():
            raise ValueError
        done.extend(pieces)

    with pytest.raises(ValueError):
        in_time(lambda: runtime.share(work, range(100)))
    assert done == [*range(100)]


def test_share_inside_of_a_piece_of_share():
    found = np.zeros((3, 4), int)

    def act(outer):
        def work(pieces):
            for inner in pieces:
                found[outer, inner] += 1

        runtime.share(work, range(4))

    one_piece_each(act)
    assert (found == 1).all()


def test_kernels_inside_of_a_piece_of_share():
    x, w, geom = large_problem()
    expected, found = conv.forward(x, w, geom), {}
    one_piece_each(lambda piece: found.update({piece: conv.forward(x, w, geom)}))
    for piece in range(3):
        assert_array_equal(found[piece], expected)


@pytest.mark.parametrize("plan, channels", [("columns", 16), ("winograd", 32)])
@pytest.mark.parametrize("weights", ["each its own", "one for all"])
def test_threads_of_the_users_own_may_use_kernels_at_the_same_time(plan, channels, weights):
    problems = [large_problem(seed, channels) for seed in range(4)]
    if weights == "one for all":
        problems = [(x, problems[0][1], geom) for x, _, geom in problems]
    assert {conv.plan_for(geom, len(x), x.dtype) for x, _, geom in problems} == {plan}
    runtime.set_num_threads(1)
    expected = [conv.forward(*problem) for problem in problems]
    runtime.set_num_threads(3)
    start = threading.Barrier(4)

    def many(problem):
        start.wait(SECONDS)
        return [conv.forward(*problem) for _ in range(5)]

    with ThreadPoolExecutor(4) as executor:
        found = [executor.submit(many, problem) for problem in problems]
        for future, alone in zip(found, expected, strict=True):
            for together in future.result(SECONDS):
                assert_array_equal(together, alone)


@given(st.integers(0, 200), st.integers(1, 60))
def test_parts_are_all_of_a_range_in_about_equal_parts(n, count):
    slices = runtime.parts(n, count)
    assert [i for part in slices for i in range(n)[part]] == [*range(n)]
    assert len(slices) == min(n, count)
    sizes = {part.stop - part.start for part in slices}
    assert not sizes or max(sizes) - min(sizes) <= 1


# --- other processes -------------------------------------------------------------------------------------


def exit_code_of_fork(act):
    """0 if a forked child does this without an exception; a child that hangs is ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(SECONDS)
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_convolution(expected, problem):
    runtime.set_num_threads(3)
    np.testing.assert_array_equal(conv.forward(*problem), expected)
    assert sum(thread.name == "tinygrad_cnn" for thread in threading.enumerate()) == 2


@forks
@threads_may_fork
def test_a_forked_process_starts_threads_of_its_own():
    problem = large_problem()
    runtime.set_num_threads(3)
    expected = conv.forward(*problem)
    assert exit_code_of_fork(lambda: check_convolution(expected, problem)) == 0
    assert_array_equal(conv.forward(*problem), expected)


@forks
@threads_may_fork
def test_a_fork_while_threads_are_at_work():
    problem, codes, forked = large_problem(), [], threading.Event()
    expected = conv.forward(*problem)

    def act(_):
        if helping():
            assert forked.wait(SECONDS)
            return
        try:
            codes.append(exit_code_of_fork(lambda: check_convolution(expected, problem)))
        finally:
            forked.set()

    one_piece_each(act)
    assert codes == [0]


@threads_may_fork
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_kernels_in_a_pool_of_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    problem = large_problem()
    runtime.set_num_threads(3)
    expected = conv.forward(*problem)
    with multiprocessing.get_context(method).Pool(1, runtime.set_num_threads, (3,)) as pool:
        assert_array_equal(pool.apply_async(conv.forward, problem).get(SECONDS), expected)


# --- BLAS ------------------------------------------------------------------------------------------------


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def before():
    """How many threads each BLAS library uses; this thread has used kernels before."""
    numbers = blas_threads()
    if set(numbers) <= {1}:
        pytest.skip("BLAS has one thread only")
    conv.forward(*large_problem())
    yield numbers
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    for library, number in zip(libraries, numbers, strict=True):
        library.set_num_threads(number)


def test_blas_has_one_thread_inside_and_as_many_as_before_outside(before):
    with runtime.one_blas_thread():
        assert set(blas_threads()) == {1}
        with runtime.one_blas_thread():
            assert set(blas_threads()) == {1}
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_blas_is_as_before_after_an_error(before):
    with pytest.raises(KeyError), runtime.one_blas_thread():
        raise KeyError
    assert blas_threads() == before
    with pytest.raises(ValueError):
        conv.forward(np.ones((4, 2, 5, 5)), np.ones((3, 2, 3, 3)), conv_geometry((4, 9, 5, 5), (3, 9, 3, 3)))
    assert blas_threads() == before


def test_blas_is_as_before_when_the_last_thread_has_left(before):
    inside, first_has_left = threading.Event(), threading.Event()
    seen = []

    def second():
        with runtime.one_blas_thread():
            inside.set()
            assert first_has_left.wait(SECONDS)
            seen.extend(blas_threads())

    thread = threading.Thread(target=second)
    with runtime.one_blas_thread():
        thread.start()
        assert inside.wait(SECONDS)
    seen.extend(blas_threads())
    first_has_left.set()
    thread.join(SECONDS)
    assert seen == 2 * len(before) * [1]
    assert blas_threads() == before


def test_blas_has_one_thread_whoever_asks_for_it(before):
    def other():
        with runtime.one_blas_thread():
            return blas_threads()

    assert set(in_time(other)) == {1}
    assert blas_threads() == before


def test_kernels_leave_blas_as_it_was(before):
    runtime.set_num_threads(3)
    x, w, geom = large_problem()
    conv.weight_grad(conv.forward(x, w, geom), x, geom)
    assert blas_threads() == before


# --- NumPy's state ---------------------------------------------------------------------------------------


def numpy_state():
    return np.geterr(), np.getbufsize()


@pytest.fixture(params=["default", "changed"])
def state(request):
    """What NumPy's state is outside."""
    if request.param == "default":
        yield numpy_state()
        return
    size = np.setbufsize(4096)
    try:
        with np.errstate(divide="raise", over="print"):
            yield numpy_state()
    finally:
        np.setbufsize(size)


def test_restore_undoes_quiet(state):
    outer = runtime.quiet()
    assert set(np.geterr().values()) == {"ignore"}
    inner = runtime.quiet()
    runtime.restore(inner)
    assert set(np.geterr().values()) == {"ignore"}
    runtime.restore(outer)
    assert numpy_state() == state


@pytest.mark.parametrize("fails", [False, True])
def test_quietly_leaves_the_state_as_it_was(state, fails):
    @runtime.quietly
    def logarithm(x, *, base):
        """A docstring."""
        if fails:
            raise KeyError
        return np.log(x) / np.log(base)

    with suppress(KeyError):
        assert logarithm(np.zeros(2), base=2).tolist() == [-np.inf, -np.inf]
    assert numpy_state() == state
    assert (logarithm.__name__, logarithm.__doc__) == ("logarithm", "A docstring.")


def test_helpers_are_quiet_too():
    found = np.zeros(3)

    @runtime.quietly
    def work():
        one_piece_each(lambda piece: found.__setitem__(piece, np.log(np.zeros(1))[0]) if helping() else None)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        work()
    assert sorted(found) == [-np.inf, -np.inf, 0]


def test_kernels_leave_the_state_as_it_was(state):
    x, w, geom = large_problem()
    conv.forward(x, w, geom)
    elementwise.relu_grad(elementwise.relu(x), x)
    assert numpy_state() == state

"""Threads, BLAS and NumPy's state: what is asked of the machine, and that it is left as it was."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import types
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
from tinygrad_cnn.kernels.conv import choice

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


@pytest.mark.parametrize(
    ("asked", "number"), [("3", 3), ("5,2", 5), ("0", 6), ("many", 6), ("", 6), (None, 6)]
)
def test_without_a_wish_there_are_as_many_threads_as_cores(asked, number, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    cores = {0: range(6)}  # of this process
    monkeypatch.setattr(os, "sched_getaffinity", cores.__getitem__, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert runtime._cores() == number


@pytest.mark.parametrize(("cores", "number"), [(8, 8), (None, 1)])
def test_where_nobody_says_which_cores_are_ours_all_are(cores, number, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert runtime._cores() == number


def test_the_environment_may_leave_the_allocator_alone():
    assert output_of("import tinygrad_cnn; print('imported')", TINYGRAD_CNN_KEEP_MEMORY="0") == "imported"


MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # in glibc's malloc.h


@pytest.mark.parametrize(
    ("platform", "wish", "asked"),
    [
        ("linux", None, [(MMAP_THRESHOLD, 2**30), (TRIM_THRESHOLD, 2**31 - 1)]),  # the most that an int holds
        ("linux", "1", [(MMAP_THRESHOLD, 2**30), (TRIM_THRESHOLD, 2**31 - 1)]),
        ("linux", "0", []),
        ("darwin", None, []),
        ("darwin", "0", []),
    ],
)
def test_glibc_is_asked_to_keep_memory(platform, wish, asked, monkeypatch):
    heard = []
    libc = types.SimpleNamespace(mallopt=lambda *what: heard.append(what))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(runtime.ctypes, "CDLL", {None: libc}.__getitem__)
    monkeypatch.delenv("TINYGRAD_CNN_KEEP_MEMORY", raising=False)
    if wish is not None:
        monkeypatch.setenv("TINYGRAD_CNN_KEEP_MEMORY", wish)
    runtime._keep_memory()
    assert heard == asked
    del libc.mallopt  # as where it is not glibc
    runtime._keep_memory()


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


@pytest.fixture
def new_team(monkeypatch):
    """Threads are started, and BLAS is looked for, as if nobody had done so yet."""
    monkeypatch.setattr(runtime, "_team", runtime._Team())
    monkeypatch.setattr(runtime, "_limits", runtime._Limits())


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
def test_threads_work_at_the_same_time(number, new_team):
    threads = []
    assert one_piece_each(lambda _: threads.append(threading.current_thread()), number) == [*range(number)]
    helpers = [thread for thread in threads if thread.name == "tinygrad_cnn"]
    assert len(helpers) == number - 1
    assert all(thread.daemon for thread in helpers)  # the program ends without waiting for them


@pytest.mark.parametrize(("number", "pieces"), [(1, range(9)), (3, range(1)), (3, range(0))])
def test_nobody_is_asked_to_help_with_what_one_can_do(number, pieces, monkeypatch):
    monkeypatch.setattr(runtime, "_team", None)
    runtime.set_num_threads(number)
    done = []
    with pytest.raises(AttributeError):
        runtime.set_num_threads(3)
        runtime.share(done.extend, range(9))  # which does ask
    runtime.set_num_threads(number)
    runtime.share(done.extend, pieces)
    assert done == [*pieces]


def test_a_forgotten_team_is_another_one(new_team):
    before = runtime._team, runtime._limits
    runtime._forget_team()
    assert runtime._team is not before[0] and runtime._limits is not before[1]
    assert one_piece_each(lambda _: None) == [0, 1, 2]


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


@pytest.mark.parametrize(
    ("images", "rows", "count", "expected"),
    [
        (6, 4, 3, [(0, 2, 0, 4), (2, 4, 0, 4), (4, 6, 0, 4)]),
        (2, 4, 2, [(0, 1, 0, 4), (1, 2, 0, 4)]),
        (2, 9, 5, [(i, i + 1, *rows) for i in range(2) for rows in [(0, 3), (3, 6), (6, 9)]]),
        (2, 3, 99, [(i, i + 1, j, j + 1) for i in range(2) for j in range(3)]),
        (3, 4, 0, [(0, 3, 0, 4)]),
        (0, 4, 0, []),
    ],
)
def test_images_are_cut_or_else_their_rows(images, rows, count, expected):
    found = runtime.images_or_rows(images, rows, count)
    assert [(a.start, a.stop, b.start, b.stop) for a, b in found] == expected


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


class Library:
    """A BLAS of several threads, as threadpoolctl shows it."""

    def __init__(self, number, limits):
        self.number, self.limits, self.asked, self.alone = number, limits, [], []

    def get_num_threads(self):
        return self.number

    def set_num_threads(self, number):
        self.number = number
        self.asked.append(number)
        self.alone.append(self.limits.lock.locked())  # nobody else comes or goes meanwhile


class Guarded(Library):
    """One that hears one thread alone, but for this."""

    def _real_set_num_threads(self, number):
        Library.set_num_threads(self, number)

    def set_num_threads(self, number):
        raise AssertionError("the guard was asked")


@pytest.fixture
def libraries(monkeypatch):
    limits = runtime._Limits()
    limits.libraries = [Library(4, limits), Library(1, limits), Guarded(2, limits), Library(8, limits)]
    monkeypatch.setattr(runtime, "_limits", limits)
    return limits.libraries


def test_every_library_has_one_thread_until_the_last_one_leaves(libraries):
    numbers = [4, 1, 2, 8]
    for _ in range(2):
        assert [library.number for library in libraries] == numbers
        with runtime.one_blas_thread():
            for _ in range(2):
                assert {library.number for library in libraries} == {1}
                libraries[0].number = 3  # it is not asked again
                with runtime.one_blas_thread():
                    assert libraries[0].number == 3
                assert libraries[0].number == 3
                libraries[0].number = 1
    assert [library.number for library in libraries] == numbers
    assert [library.asked for library in libraries] == [2 * [1, 4], [], 2 * [1, 2], 2 * [1, 8]]
    assert all(all(library.alone) for library in libraries)
    assert not runtime.one_blas_thread().lock.locked()


def test_a_library_that_counts_for_each_thread_is_held_in_ours(libraries):
    runtime.one_blas_thread().hold_here()
    assert [library.asked for library in libraries] == 4 * [[1]]
    runtime._Limits().hold_here()  # before any is known


def test_every_helper_holds_its_libraries(new_team, monkeypatch):
    held = []
    monkeypatch.setattr(runtime._Limits, "hold_here", lambda limits: held.append((limits, helping())))
    one_piece_each(lambda _: None)
    assert held == 2 * [(runtime._limits, True)]


def test_libraries_are_looked_for_once_and_warmed_up(new_team, monkeypatch):
    warm = []
    monkeypatch.setattr(runtime, "_warm_up", lambda: warm.append(len(runtime._limits.libraries)))
    for _ in range(2):
        with runtime.one_blas_thread():
            pass
    blas = [library["filepath"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert [library.filepath for library in runtime._limits.libraries] == blas
    assert warm == [len(blas)]


def test_blas_warms_up_with_one_product_of_some_size(monkeypatch):
    sizes = []
    monkeypatch.setattr(np, "matmul", lambda a, b: sizes.append(a.shape[0] * a.shape[1] * b.shape[1]))
    runtime._warm_up()
    assert len(sizes) == 1 and sizes[0] > 10_000_000


@pytest.mark.parametrize("number", [1, 3])
def test_blas_has_one_thread_while_threads_share(number, libraries):
    runtime.set_num_threads(number)
    seen = []
    runtime.share(lambda pieces: seen.extend([(i, libraries[0].number) for i in pieces]), range(9))
    assert sorted(seen) == [(i, 1) for i in range(9)]
    assert libraries[0].number == 4


@pytest.mark.parametrize("kernel", ["forward", "input_grad", "weight_grad"])
def test_blas_has_one_thread_while_a_plan_is_at_work(kernel, libraries, monkeypatch):
    seen = []

    def work(*_):
        seen.append(libraries[0].number)

    x, w, geom = large_problem()
    plan = types.SimpleNamespace(fits=lambda *_: True, forward=work, input_grad=work, weight_grad=work)
    monkeypatch.setitem(choice._PLANS, conv.plan_for(geom, len(x), x.dtype), plan)
    getattr(conv, kernel)(x, x if kernel == "weight_grad" else w, geom)
    assert (seen, libraries[0].number) == ([1], 4)


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


def test_helpers_are_quiet_too(new_team):
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

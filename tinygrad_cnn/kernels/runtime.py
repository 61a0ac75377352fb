"""Threads and memory: what the kernels share, and what they ask of the machine.

NumPy lets go of Python's lock inside its loops and matrix products, so a few Python threads use all cores
if each call has enough to do.  BLAS keeps to one thread while they work: two layers of threads would fight
for the cores, and a BLAS of many threads stalls when the machine is busy.

What is computed never depends on the number of threads: work is cut into pieces by its size alone, and
sums are added up in the order of the pieces.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar, cast

import numpy as np

from ..errors import ArgumentError

__all__ = [
    "Piece",
    "get_num_threads",
    "images_or_rows",
    "one_blas_thread",
    "parts",
    "quiet",
    "quietly",
    "restore",
    "set_num_threads",
    "share",
]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Piece = tuple[slice, slice]  # images, rows


def _cores() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if asked.isdecimal() and int(asked):
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threads = _cores()


def set_num_threads(num: int) -> None:
    """Let the kernels use so many threads; at first all cores, or what OMP_NUM_THREADS says.

    Results are the same, bit for bit, for any number.  More threads than cores only slow each other down.

    Raises ArgumentError for anything but an int of at least one.

    >>> set_num_threads(get_num_threads())
    """
    global _threads
    if not isinstance(num, int) or isinstance(num, bool) or num < 1:
        raise ArgumentError(f"set_num_threads: {num!r} must be an int, at least 1")
    _threads = num


def get_num_threads() -> int:
    """How many threads the kernels use.

    >>> get_num_threads() >= 1
    True
    """
    return _threads


# --- NumPy's manners -------------------------------------------------------------------------------------
# log(0) is -inf and 0/0 is nan, silently, as in PyTorch.  And where one array is broadcast, NumPy 2.3 and
# newer copy it, row by row, until a buffer is full, if half the buffer is longer than a row: with the usual
# 8192 elements that makes loops over rows of less than 4096 take 2 to 5 times as long.  `np.errstate` and
# `np.setbufsize` say both, but cost microseconds a call against 0.3 for what they do inside.

_BUFFER = 1024

try:
    from numpy._core._ufunc_config import _extobj_contextvar, _make_extobj  # type: ignore[attr-defined]

    quiet = partial(_extobj_contextvar.set, _make_extobj(all="ignore", bufsize=_BUFFER))
    restore = _extobj_contextvar.reset
except ImportError:  # pragma: no cover - another NumPy

    def quiet() -> Any:  # type: ignore[misc]
        """Until `restore`, loops do not warn, and do not copy what is broadcast."""
        before = np.seterr(all="ignore"), np.setbufsize(_BUFFER)
        return before

    def restore(before: Any) -> None:
        """Let NumPy behave as before."""
        np.seterr(**before[0])
        np.setbufsize(before[1])


def quietly(function: F) -> F:
    """Decorate a function of arrays: inside, loops do not warn, and do not copy what is broadcast."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        token = quiet()
        try:
            return function(*args, **kwargs)
        finally:
            restore(token)

    return cast(F, wrapped)


# --- our own threads -----------------------------------------------------------------------------------


class _Team:
    """Threads that wait for work; started when first needed, and never in a child of fork()."""

    def __init__(self) -> None:
        self.busy = threading.Lock()  # held while the team works; who finds it held works alone
        self.members: list[SimpleQueue[Callable[[], None]]] = []

    def work(self, job: Callable[[], None], helpers: int) -> None:
        """Run `job` here and in so many other threads; returns when all are done, raises what one raised."""
        while len(self.members) < helpers:
            inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
            threading.Thread(target=_serve, args=(inbox,), name="tinygrad_cnn", daemon=True).start()
            self.members.append(inbox)
        done: SimpleQueue[BaseException | None] = SimpleQueue()

        def report() -> None:
            try:
                job()
                done.put(None)
            except BaseException as error:
                done.put(error)

        for inbox in self.members[:helpers]:
            inbox.put(report)
        try:
            job()
        finally:
            errors = [error for _ in range(helpers) if (error := done.get()) is not None]
        if errors:
            raise errors[0]


def _serve(inbox: SimpleQueue[Callable[[], None]]) -> None:
    quiet()
    _limits.hold_here()
    while True:
        inbox.get()()


_team = _Team()


def _forget_team() -> None:
    global _team, _limits
    _team, _limits = _Team(), _Limits()


def share(work: Callable[[Iterator[T]], None], pieces: Sequence[T]) -> None:
    """Share out the pieces among the threads: each calls `work` once, with an iterator over what it gets.

    `work` makes the memory it needs, then loops over its pieces.  Which thread gets which piece differs from
    run to run, so pieces must write to places of their own.

    >>> squares = [0] * 5
    >>> def work(pieces):
    ...     for i in pieces:
    ...         squares[i] = i * i
    >>> share(work, range(5))
    >>> squares
    [0, 1, 4, 9, 16]
    """
    left = iter(pieces)  # stepping an iterator of a sequence is atomic: every piece goes to one thread
    team, helpers = _team, min(_threads, len(pieces)) - 1
    with one_blas_thread():
        if helpers > 0 and team.busy.acquire(blocking=False):
            try:
                team.work(lambda: work(left), helpers)
            finally:
                team.busy.release()
        else:
            work(left)


def parts(n: int, count: int) -> list[slice]:
    """range(n) in so many parts of about equal size, none of them empty.

    >>> parts(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    count = max(count, 1)
    ends = [n * i // count for i in range(count + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends) if stop > start]


def images_or_rows(images: int, rows: int, count: int) -> list[Piece]:
    """About `count` parts of the images, each with all rows; where images are fewer, of the rows of each.

    >>> images_or_rows(1, 5, 2)
    [(slice(0, 1, None), slice(0, 2, None)), (slice(0, 1, None), slice(2, 5, None))]
    """
    if images >= count:
        return [(part, slice(0, rows)) for part in parts(images, count)]
    of_rows = parts(rows, min(rows, -(-count // images)))
    return [(slice(i, i + 1), part) for i in range(images) for part in of_rows]


# --- BLAS ------------------------------------------------------------------------------------------------


class _Limits:
    """Holds the BLAS libraries to one thread as long as somebody is inside."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.libraries: list[Any] | None = None  # not looked for yet
        self.before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside > 1:
                return
            if self.libraries is None:
                from threadpoolctl import ThreadpoolController

                self.libraries = ThreadpoolController().select(user_api="blas").lib_controllers
                _warm_up()
            many = ((library, library.get_num_threads()) for library in self.libraries)
            self.before = [(library, number) for library, number in many if number != 1]
            for library, _ in self.before:
                _set(library, 1)

    def hold_here(self) -> None:
        """Where a library counts the threads of each caller for itself, this caller is to have one."""
        for library in self.libraries or ():
            _set(library, 1)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                for library, number in self.before:
                    _set(library, number)


def _set(library: Any, number: int) -> None:
    """Past the guard which listens to one thread alone, where there is one: it costs more than the rest."""
    getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


_limits = _Limits()


def one_blas_thread() -> _Limits:
    """BLAS keeps to one thread inside; what was set before is set again when the last one leaves.

    >>> with one_blas_thread():
    ...     product = np.ones((2, 2)) @ np.ones((2, 2))
    """
    return _limits


def _warm_up() -> None:
    """One product of some size: OpenBLAS runs small ones at half speed until it has seen a larger one."""
    a = np.ones((384, 384), np.float32)
    np.matmul(a, a)


# --- memory ----------------------------------------------------------------------------------------------


def _keep_memory() -> None:
    """Ask glibc to keep freed memory instead of giving it back to the system after every step.

    Arrays of a training step are freed and wanted again in the next one; the page faults of fresh memory
    cost more than many a kernel.  TINYGRAD_CNN_KEEP_MEMORY=0 leaves the allocator as it is.
    """
    if os.environ.get("TINYGRAD_CNN_KEEP_MEMORY") == "0" or not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)


_keep_memory()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_team)

"""The DataLoader: order, seeds, threads that end, exceptions that arrive."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.data import (
    DataLoader,
    FashionMNIST,
    IterableDataset,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    get_worker_info,
    transforms,
)
from tinygrad_cnn.errors import ArgumentError, DtypeError
from tinygrad_cnn.random import Generator, default_generator, manual_seed


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def lists(loader):
    return [batch.array.tolist() for batch in loader]


class Items:
    """Item i is i, after what `act(i)` does."""

    def __init__(self, n, act=lambda i: None):
        self.n, self.act, self.seen = n, act, []

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        self.act(i)
        self.seen.append(i)
        return i


class Stream(IterableDataset):
    """n items, each what `make(i)` says."""

    def __init__(self, n, make=lambda i: i):
        self.n, self.make = n, make

    def __iter__(self):
        return (self.make(i) for i in range(self.n))

    def __len__(self):
        return self.n


workers = st.integers(0, 3)


@given(st.integers(0, 20), st.integers(1, 7), st.booleans(), st.booleans(), workers, st.integers(0, 99))
def test_an_epoch_has_every_item_once(n, batch_size, shuffle, drop_last, num_workers, seed):
    if n == 0 and shuffle:  # PyTorch's rule
        with pytest.raises(ArgumentError, match="no items"):
            DataLoader(Items(0), shuffle=True)
        return
    options = {"batch_size": batch_size, "shuffle": shuffle, "drop_last": drop_last}
    loader = DataLoader(Items(n), num_workers=num_workers, generator=Generator(seed), **options)
    batches = lists(loader)
    assert len(batches) == len(loader)
    flat = [i for batch in batches for i in batch]
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert len(flat) == (n - n % batch_size if drop_last else n) and len(set(flat)) == len(flat)
    assert shuffle or flat == list(range(len(flat)))
    reference = DataLoader(TensorDataset(np.arange(n)), generator=Generator(seed), **options)
    assert batches == [batch[0].array.tolist() for batch in reference]
    assert lists(loader) == [batch[0].array.tolist() for batch in reference], "and the second epoch too"


def test_epochs_differ_and_a_seed_repeats_them():
    loader = DataLoader(range(100), 100, shuffle=True, generator=Generator(1))
    first, second = lists(loader), lists(loader)
    assert first != second
    loader.generator.manual_seed(1)
    assert [lists(loader), lists(loader)] == [first, second]
    manual_seed(3)
    a = lists(DataLoader(range(9), 3, shuffle=True))
    manual_seed(3)
    assert lists(DataLoader(range(9), 3, shuffle=True)) == a


def test_a_saved_state_repeats_the_epoch_however_the_last_one_ended():
    generator = Generator(5)
    loader = DataLoader(range(30), 2, shuffle=True, generator=generator)
    next(iter(loader))
    state = generator.get_state()
    epoch = lists(loader)
    generator.set_state(state)
    assert lists(loader) == epoch


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, np.arange(50))], ids=["whole", "subset"])
@pytest.mark.parametrize("extra", [[], [lambda image: image]], ids=["batched", "by item"])
def test_augmentation_does_not_depend_on_the_number_of_threads(wrap, extra):
    pipeline = transforms.Compose([transforms.RandomCrop(28, 2), transforms.RandomHorizontalFlip(), *extra])
    data = wrap(FashionMNIST(train=False, transform=pipeline))
    epochs = []
    for num_workers in (0, 1, 3):
        loader = DataLoader(
            Subset(data, range(50)), 16, shuffle=True, num_workers=num_workers, generator=Generator(0)
        )
        epochs.append([(x.array, y.array) for x, y in loader])
    for epoch in epochs[1:]:
        for (x, y), (x0, y0) in zip(epoch, epochs[0], strict=True):
            assert np.array_equal(x, x0) and np.array_equal(y, y0)
    assert x0.shape == (2, 1, 28, 28) and y0.dtype == np.int64


def test_batches_are_augmented_differently():
    data = FashionMNIST(train=False, transform=lambda image: default_generator().integers(2**40))
    draws = [i for x, _ in DataLoader(Subset(data, [0] * 20), 2, num_workers=2) for i in x.array.tolist()]
    assert len(set(draws)) == 20


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 4), st.booleans(), workers)
def test_samplers(indices, batch_size, drop_last, num_workers):
    loader = DataLoader(range(10), batch_size, sampler=indices, drop_last=drop_last, num_workers=num_workers)
    batches = lists(loader)
    assert len(batches) == len(loader)
    kept = len(batches) * batch_size if drop_last else len(indices)
    assert [i for batch in batches for i in batch] == indices[:kept]
    groups = [indices[:2], indices[2:5]] if len(indices) > 2 else []
    loader = DataLoader(range(10), batch_sampler=groups, num_workers=num_workers)
    assert lists(loader) == groups and len(loader) == len(groups)


def test_collate_fn_gets_the_items():
    for num_workers in (0, 2):
        assert list(DataLoader("abcde", 2, collate_fn="".join, num_workers=num_workers)) == ["ab", "cd", "e"]
        assert list(DataLoader("abc", 2, num_workers=num_workers)) == [["a", "b"], ["c"]]
        data = TensorDataset(np.arange(3))
        assert list(DataLoader(data, 2, collate_fn=len, num_workers=num_workers)) == [2, 1]


def test_getitems_is_used():
    class Many(Items):
        def __getitems__(self, indices):
            assert type(indices) is list
            return [10 * i for i in indices]

    assert lists(DataLoader(Many(4), 3)) == [[0, 10, 20], [30]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"batch_size": 1.0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"prefetch_factor": 2}, "needs threads"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor"),
        ({"sampler": [0], "shuffle": True}, "leave out shuffle"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "leave out batch_size"),
        ({"batch_sampler": [[0]], "shuffle": True}, "leave out batch_size"),
        ({"batch_sampler": [[0]], "drop_last": True}, "leave out batch_size"),
        ({"dataset": {1, 2}}, "cannot be indexed"),
        ({"dataset": Stream(3), "shuffle": True}, "only iterates"),
        ({"dataset": Stream(3), "sampler": [0]}, "only iterates"),
        ({"dataset": Stream(3), "batch_sampler": [[0]]}, "only iterates"),
        ({"batch_size": None, "drop_last": True}, "no last one to drop"),
        ({"persistent_workers": True}, "needs threads"),
        ({"multiprocessing_context": "spawn"}, "needs threads"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ArgumentError, match=message):
        DataLoader(**({"dataset": range(4)} | options))


def test_a_wrong_generator():
    with pytest.raises(DtypeError, match="use Generator"):
        iter(DataLoader(range(4), generator=3))


@given(st.integers(0, 12), st.integers(1, 5), st.booleans(), workers)
def test_a_stream_comes_once_and_in_order(n, batch_size, drop_last, num_workers):
    loader = DataLoader(Stream(n), batch_size, drop_last=drop_last, num_workers=num_workers)
    batches = lists(loader)
    assert len(batches) == len(loader)
    kept = len(batches) * batch_size if drop_last else n
    assert [i for batch in batches for i in batch] == list(range(kept)) and lists(loader) == batches


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_an_endless_stream_is_read_as_far_as_needed(num_workers):
    made = []

    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                made.append(None)
                yield len(made)

    batches = iter(DataLoader(Endless(), 2, num_workers=num_workers))
    assert [next(batches).array.tolist() for _ in range(3)] == [[1, 2], [3, 4], [5, 6]]
    batches.close()
    assert len(made) <= 6 + 2 * 3 * (num_workers > 0)


def test_a_random_stream_does_not_depend_on_the_number_of_threads():
    stream = Stream(20, lambda i: default_generator().integers(2**40))
    epochs = [lists(DataLoader(stream, 3, num_workers=n, generator=Generator(1))) for n in (0, 1, 3)]
    assert epochs[0] == epochs[1] == epochs[2] and len(np.unique(np.concatenate(epochs[0]))) == 20


@pytest.mark.parametrize("num_workers", [0, 2])
def test_without_batches_items_come_one_by_one(num_workers):
    data = TensorDataset(np.arange(6.0).reshape(3, 2), np.arange(3))
    items = list(DataLoader(data, None, num_workers=num_workers))
    assert [x.array.tolist() for x, _ in items] == [[0, 1], [2, 3], [4, 5]] and items[0][1].shape == ()
    loader = DataLoader(Stream(3, np.float32), None, num_workers=num_workers)
    assert [item.item() for item in loader] == [0, 1, 2] and len(loader) == 3
    # a sampler of whole batches, for a data set that takes lists of indices
    loader = DataLoader(np.arange(9), None, sampler=[[0, 1], [5, 8]], num_workers=num_workers)
    assert lists(loader) == [[0, 1], [5, 8]]
    doubled = DataLoader([1, 2], None, collate_fn=lambda item: 2 * item, num_workers=num_workers)
    assert list(doubled) == [2, 4]


@pytest.mark.parametrize("num_workers", [0, 1, 3])
@pytest.mark.parametrize(
    "sampler",
    [RandomSampler(range(20)), WeightedRandomSampler(np.arange(20.0), 15)],
    ids=["random", "weighted"],
)
def test_the_seed_of_the_epoch_rules_random_samplers(sampler, num_workers):
    def epoch():
        return lists(
            DataLoader(range(20), 4, sampler=sampler, num_workers=num_workers, generator=Generator(2))
        )

    assert epoch() == epoch()
    manual_seed(1)
    a = lists(DataLoader(range(20), 4, sampler=sampler))
    manual_seed(1)
    assert lists(DataLoader(range(20), 4, sampler=sampler, num_workers=num_workers)) == a


def test_what_is_decided_stays_decided():
    loader = DataLoader(range(4), 2)
    with pytest.raises(ArgumentError, match="make another loader"):
        loader.batch_size = 4
    loader.num_workers = 1
    assert lists(loader) == [[0, 1], [2, 3]]


# ---------------------------------------------------------------- threads


def test_workers_know_who_they_are():
    infos, started = [], []
    barrier = threading.Barrier(2, timeout=10)

    def act(i):
        infos.append(get_worker_info())
        barrier.wait()

    data = Items(4, act)
    loader = DataLoader(data, 1, num_workers=2, worker_init_fn=started.append, generator=Generator(0))
    assert len(list(loader)) == 4 and sorted(started) == [0, 1]
    assert {info.id for info in infos} == {0, 1} and {info.num_workers for info in infos} == {2}
    assert all(info.dataset is data for info in infos) and len({info.seed for info in infos}) == 2
    assert get_worker_info() is None

    # splitting a stream among workers, as one does in PyTorch, gives all of it
    class Split(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(first, 7, step))

    for num_workers in (0, 1, 3):
        assert lists(DataLoader(Split(), 7, num_workers=num_workers)) == [list(range(7))]


def test_a_worker_that_cannot_start_says_so():
    with pytest.raises(ZeroDivisionError):
        list(DataLoader(range(4), num_workers=2, worker_init_fn=lambda number: 1 / 0))


def test_a_batch_that_takes_too_long():
    blocked = threading.Event()
    data = Items(3, lambda i: i != 1 or blocked.wait(20))
    got = []
    with pytest.raises(TimeoutError, match=r"within 0\.2 seconds"):
        for batch in DataLoader(data, 1, num_workers=1, timeout=0.2):
            got.append(batch.array.tolist())
    blocked.set()
    assert got == [[0]]
    deadline = time.monotonic() + 10
    while any(t.name.startswith("DataLoader") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert lists(DataLoader(Items(3), 1, num_workers=2, timeout=30)) == [[0], [1], [2]]


def test_threads_fetch_ahead_but_not_too_far():
    data = Items(100)
    iterator = iter(DataLoader(data, 1, num_workers=2, prefetch_factor=3))
    next(iterator)
    deadline = time.monotonic() + 5
    while len(data.seen) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(data.seen) == 7, "one taken and 2 x 3 ahead"
    iterator.close()


def test_threads_work_at_the_same_time():
    barrier = threading.Barrier(3, timeout=10)  # breaks unless three fetch at once
    data = Items(6, lambda i: barrier.wait())
    assert lists(DataLoader(data, 1, num_workers=3)) == [[i] for i in range(6)]


def test_slow_batches_keep_their_place():
    data = Items(8, lambda i: time.sleep(0.02 * (i % 2 == 0)))
    assert lists(DataLoader(data, 1, num_workers=4)) == [[i] for i in range(8)]


def failing(i):
    if i == 5:
        raise LookupError("item five")


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_an_exception_arrives_at_its_place_with_its_traceback(num_workers):
    got = []
    with pytest.raises(LookupError, match="item five") as caught:
        for batch in DataLoader(Items(20, failing), 2, num_workers=num_workers):
            got.append(batch.array.tolist())
    assert got == [[0, 1], [2, 3]]
    assert any(frame.name == "failing" for frame in traceback.extract_tb(caught.value.__traceback__))
    assert caught.value.__notes__ == ["DataLoader: in batch 2, of the items 4, 5"]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_exception_ends_an_epoch_silently(num_workers, error):
    def act(i):
        if i == 2:
            raise error

    with pytest.raises((error, RuntimeError)) as caught:
        list(DataLoader(Items(4, act), 1, num_workers=num_workers))
    assert isinstance(caught.value, error) or isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_a_failing_sampler_or_collate_fn(num_workers):
    def sampler():
        yield from range(4)
        raise LookupError("sampler")

    got = []
    with pytest.raises(LookupError, match="sampler"):
        for batch in DataLoader(range(9), 2, sampler=sampler(), num_workers=num_workers):
            got.append(batch.array.tolist())
    assert got == [[0, 1], [2, 3]]
    with pytest.raises(ZeroDivisionError):
        list(DataLoader(range(9), 2, collate_fn=lambda items: 1 / 0, num_workers=num_workers))


def test_break_stops_the_threads_within_one_item():
    data = Items(10_000, lambda i: time.sleep(0.01))
    started = time.monotonic()
    for _ in DataLoader(data, 100, num_workers=2, sampler=[0] * 1 + [1] * 9_999):
        break
    assert time.monotonic() - started < 5 and len(data.seen) < 1000
    seen = len(data.seen)
    time.sleep(0.05)
    assert len(data.seen) == seen


def test_a_dropped_iterator_stops_its_threads_even_in_a_cycle():
    iterator = iter(DataLoader(Items(100), 1, num_workers=2))
    next(iterator)
    del iterator
    assert not [t for t in threading.enumerate() if t.name.startswith("DataLoader")]
    cycle = [iter(DataLoader(Items(100), 1, num_workers=2))]
    next(cycle[0])
    cycle.append(cycle)
    del cycle
    gc.collect()


def test_an_iterator_collected_by_its_own_worker_does_not_wait_for_itself():
    box = []

    def act(i):
        if i == 3:
            while not box:
                time.sleep(0.001)
            box.clear()  # the last reference: the generator is closed here, in the worker

    iterator = iter(DataLoader(Items(50, act), 1, num_workers=1, prefetch_factor=5))
    next(iterator)
    box.append(iterator)
    del iterator
    deadline = time.monotonic() + 10
    while any(t.name.startswith("DataLoader") for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_never_started_and_abandoned_epochs():
    loader = DataLoader(Items(10), 1, num_workers=2)
    iter(loader)
    first, second = iter(loader), iter(loader)
    assert [next(first).array.item(), next(second).array.item(), next(first).array.item()] == [0, 0, 1]
    first.close()
    assert next(second).array.item() == 1
    second.close()


SCRIPT = """
import sys, time
from tinygrad_cnn.data import DataLoader

class Slow:
    def __len__(self):
        return 1000
    def __getitem__(self, i):
        time.sleep(0.05)
        return i

iterator = iter(DataLoader(Slow(), 5, num_workers=2))
next(iterator)
print("ready", flush=True)
{}
"""

CATCH = """
try:
    for batch in iterator: pass
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize(
    ("ending", "interrupt", "output"),
    [
        ("pass", False, "ready\n"),
        ("raise SystemExit(0)", False, "ready\n"),
        ("for batch in iterator: pass", True, "ready\n"),
        (CATCH, True, "ready\nstopped\n"),
    ],
)
def test_the_program_ends(ending, interrupt, output):
    """With an iterator alive at exit, and by Ctrl-C in the middle of an epoch."""
    code = SCRIPT.format(ending)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    )
    with process:
        try:
            assert process.stdout.readline() == "ready\n"
            if interrupt:
                time.sleep(0.2)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert "ready\n" + out == output
    assert process.returncode == (0 if "stopped" in output or not interrupt else -signal.SIGINT), err

"""The DataLoader: batches in a repeatable order, fetched ahead by threads if asked.

Threads are enough here: indexing and copying large arrays releases the interpreter lock, and nothing
has to be pickled.  What can be relied on:

- the batches, their order and their random augmentation depend on the seed alone, not on `num_workers`:
  batch k of an epoch is fetched under `seeded(epoch_seed, k)`;
- an exception in a worker is raised in the loop that consumes the batches, at the place of its batch,
  with the worker's traceback and a note saying which batch it was;
- when the loop ends, breaks, raises or drops the iterator, the threads have ended too, at the latest
  when the item each is working on is done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, repeat
from typing import Any

from ..errors import ArgumentError
from ..random import Generator, numpy_generator, seeded
from .collate import default_collate, default_convert, fetch_items, try_batch
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, require_integer

__all__ = ["DataLoader", "WorkerInfo", "get_worker_info"]


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker thread knows of itself: its number among `num_workers`, a seed, the data set."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The `WorkerInfo` of the DataLoader's thread that asks; None outside of one.

    >>> get_worker_info() is None
    True
    """
    return getattr(_here, "worker", None)


END: Any = object()  # what is fetched when a stream has no more items


class DataLoader:
    """Iterate over a data set in batches; every `iter()` is one epoch.

    Args:
        dataset: anything with `len()` and `[index]` (see `tinygrad_cnn.data.dataset` for `get_batch`), or
            an `IterableDataset`.
        batch_size: items per batch; the last one has what is left, unless `drop_last`.  None gives the
            items one by one, without a batch axis.
        shuffle: a new random order every epoch, drawn from `generator` (or the global one).
        sampler: an iterable of indices, used instead of counting or shuffling.
        batch_sampler: an iterable of lists of indices; replaces batch_size, shuffle, sampler, drop_last.
        num_workers: threads that fetch ahead; 0 fetches in the loop itself.  A stream has one at most.
        collate_fn: makes a batch of a list of items; default: `default_collate` (of one item, without
            batches: `default_convert`).
        timeout: seconds to wait for a batch of the workers; 0 waits for ever.
        worker_init_fn: called with its number in each thread before its first batch.
        prefetch_factor: batches fetched ahead per worker; default 2.
        pin_memory, pin_memory_device, multiprocessing_context, persistent_workers, in_order: accepted for
            PyTorch's sake.  There is one memory; threads start fast; batches always come in order.

    Raises:
        ArgumentError: options that exclude each other, or numbers out of range.
        TimeoutError: while iterating, when `timeout` has passed.

    >>> for x in DataLoader(range(5), batch_size=2):
    ...     print(x.array.tolist())
    [0, 1]
    [2, 3]
    [4]
    """

    _fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
    _made = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if batch_size is not None:
            require_integer("DataLoader", "batch_size", batch_size)
        require_integer("DataLoader", "num_workers", num_workers, 0)
        if prefetch_factor is not None:
            require_integer("DataLoader", "prefetch_factor", prefetch_factor)
        if num_workers == 0:
            for name, value in [
                ("prefetch_factor", prefetch_factor),
                ("persistent_workers", persistent_workers or None),
                ("multiprocessing_context", multiprocessing_context),
            ]:
                if value is not None:
                    raise ArgumentError(f"DataLoader: {name} needs threads; pass num_workers=1 or more")
        if not timeout >= 0:
            raise ArgumentError(f"DataLoader: timeout must be at least 0 seconds, not {timeout!r}")
        streams = isinstance(dataset, IterableDataset)
        if streams and (shuffle or sampler is not None or batch_sampler is not None):
            raise ArgumentError(
                f"DataLoader: a {type(dataset).__name__} only iterates, in its own order; "
                "leave out shuffle, sampler and batch_sampler"
            )
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ArgumentError(
                "DataLoader: batch_sampler already says which items make a batch; "
                "leave out batch_size, shuffle, sampler and drop_last"
            )
        if sampler is not None and shuffle:
            raise ArgumentError("DataLoader: sampler already says the order; leave out shuffle")
        if batch_size is None and drop_last:
            raise ArgumentError("DataLoader: without batches (batch_size=None) there is no last one to drop")
        if not hasattr(dataset, "__getitem__"):
            raise ArgumentError(
                f"DataLoader: the data set is a {type(dataset).__name__}, which cannot be indexed; "
                "give it __getitem__(index) and __len__(), or make it an IterableDataset"
            )
        if not streams:
            if sampler is None:
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            if batch_sampler is not None:
                batch_size = None
            elif batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self._streams = streams
        self._batched = batch_sampler is not None or (streams and batch_size is not None)
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler: Any = sampler
        self.batch_sampler: Any = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._made and name in self._fixed:
            raise ArgumentError(f"DataLoader: {name} is fixed once the loader is made; make another loader")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        """The number of batches of an epoch (of items, without batches)."""
        if not self._streams:
            return len(self.batch_sampler if self._batched else self.sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        return self.batches()

    def batches(self, start: int = 0) -> Iterator[Any]:
        """One epoch from batch `start` on, as if those before had been taken; only a stream has to make them.

        >>> [x.tolist() for x in DataLoader(range(5), batch_size=2).batches(1)]
        [[2, 3], [4]]
        """
        require_integer("DataLoader", "start", start, 0)
        # one draw an epoch, however many batches are taken of it
        epoch_seed = int(numpy_generator(self.generator).integers(2**63))
        epoch = _Epoch(self, epoch_seed)
        if not self._streams:
            epoch.plan, start = islice(epoch.plan, start, None), 0
        made = epoch.one_by_one() if self.num_workers == 0 else epoch.ahead()
        return islice(made, start, None) if start else made


class _Epoch:
    """One pass over the data: which batches there are, and how each is made."""

    def __init__(self, loader: DataLoader, seed: int) -> None:
        self.loader, self.seed = loader, seed
        self.dataset, self.collate_fn = loader.dataset, loader.collate_fn
        self.batched = loader._batched
        self.workers = 1 if loader._streams else loader.num_workers
        self.stop = threading.Event()
        self.stream: Iterator[Any] | None = None
        with seeded(seed):  # random samplers draw here, unless they have a generator of their own
            plan: Iterator[Any]
            if loader._streams:
                plan = repeat(None)
            else:
                plan = iter(loader.batch_sampler if self.batched else loader.sampler)
        self.plan: Iterator[tuple[int, Any]] = enumerate(plan)

    def one_by_one(self) -> Iterator[Any]:
        """The batches, each made when it is asked for."""
        for k, indices in self.plan:
            batch = self.fetch(k, indices)
            if batch is END:
                return
            yield batch

    def fetch(self, k: int, indices: Any) -> Any:
        """Batch k, under its own seed."""
        with seeded(self.seed, k):
            try:
                if self.loader._streams:
                    return self._next()
                if not self.batched:
                    return self.collate_fn(self.dataset[indices])
                if self.collate_fn is default_collate:
                    batch = try_batch(self.dataset, indices)
                    if batch is not NotImplemented:
                        return batch
                items = fetch_items(self.dataset, indices, self.stop)
                return END if self.stop.is_set() else self.collate_fn(items)
            except Exception as error:
                of = "" if indices is None else f", of the items {_some(indices)}"
                error.add_note(f"DataLoader: in batch {k}{of}")
                raise

    def _next(self) -> Any:
        """The next batch of a stream."""
        if self.stream is None:
            self.stream = iter(self.dataset)
        size = self.loader.batch_size
        items = []
        for item in islice(self.stream, size or 1):
            items.append(item)
            if self.stop.is_set():
                return END  # nobody waits for this batch any more
        if not items or (self.loader.drop_last and len(items) < (size or 1)):
            return END
        return self.collate_fn(items if self.batched else items[0])

    def ahead(self) -> Iterator[Any]:
        """The batches in order, with some of the next ones always in the making."""
        from concurrent.futures import Future, ThreadPoolExecutor

        loader, stop, numbers = self.loader, self.stop, count()
        ahead = self.workers * (loader.prefetch_factor or 2)
        threads = set[int]()

        def work(k: int, indices: Any) -> Any:
            thread = threading.get_ident()
            if thread not in threads:
                threads.add(thread)
                number = next(numbers)
                _here.worker = WorkerInfo(number, self.workers, (self.seed + number) % 2**63, self.dataset)
                if loader.worker_init_fn is not None:
                    loader.worker_init_fn(number)
            return self.fetch(k, indices)

        pool = ThreadPoolExecutor(self.workers, "DataLoader")
        pending: deque[Future[Any]] = deque()
        more, wait = True, True
        try:
            while more or pending:
                while more and len(pending) <= ahead:
                    try:
                        k, indices = next(self.plan)
                    except StopIteration:
                        more = False
                    except Exception as error:  # the sampler's: it waits for its turn behind the good batches
                        more = False
                        pending.append(Future())
                        pending[-1].set_exception(error)
                    else:
                        pending.append(pool.submit(work, k, indices))
                if pending:
                    future = pending.popleft()
                    if loader.timeout and not _done(future, loader.timeout):
                        wait = False  # the thread may never come back
                        raise TimeoutError(
                            f"DataLoader: a batch did not arrive within {loader.timeout} seconds; "
                            "pass a longer timeout, or look for what holds up an item of the data set"
                        )
                    batch = future.result()
                    if batch is END:
                        return
                    yield batch
        finally:  # also on break, on an exception, and when the iterator is dropped
            stop.set()
            # the garbage collector may run this in one of the workers, which cannot wait for itself
            pool.shutdown(wait=wait and threading.get_ident() not in threads, cancel_futures=True)


def _done(future: Any, timeout: float) -> bool:
    from concurrent.futures import wait

    return bool(wait([future], timeout).done)


def _some(indices: Any) -> str:
    try:
        listed = [str(i) for i in indices]
    except TypeError:  # one index, not a list of them
        return str(indices)
    return ", ".join(listed[:8] + ["..."] * (len(listed) > 8))

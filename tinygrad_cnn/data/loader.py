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
from itertools import islice
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..random import Generator, numpy_generator, seeded
from .collate import default_collate, fetch_items, try_batch

__all__ = ["DataLoader"]


class DataLoader:
    """Iterate over a data set in batches; every `iter()` is one epoch.

    Args:
        dataset: anything with `len()` and `[index]`; see `tinygrad_cnn.data.dataset` for `get_batch`.
        batch_size: items per batch; the last one has what is left, unless `drop_last`.
        shuffle: a new random order every epoch, drawn from `generator` (or the global one).
        sampler: an iterable of indices, used instead of counting or shuffling.
        batch_sampler: an iterable of lists of indices; replaces batch_size, shuffle, sampler, drop_last.
        num_workers: threads that fetch ahead; 0 fetches in the loop itself.
        collate_fn: makes a batch of a list of items; default: `default_collate`.
        prefetch_factor: batches fetched ahead per worker; default 2.

    Raises:
        ArgumentError: options that exclude each other, or numbers out of range.

    >>> for x in DataLoader(range(5), batch_size=2):
    ...     print(x.array.tolist())
    [0, 1]
    [2, 3]
    [4]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        *,
        drop_last: bool = False,
        generator: Generator | None = None,
        prefetch_factor: int | None = None,
    ) -> None:
        _require_integer("batch_size", batch_size, 1)
        _require_integer("num_workers", num_workers, 0)
        if prefetch_factor is not None:
            _require_integer("prefetch_factor", prefetch_factor, 1)
            if num_workers == 0:
                raise ArgumentError("DataLoader: prefetch_factor needs threads; pass num_workers=1 or more")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ArgumentError(
                "DataLoader: batch_sampler already says which items make a batch; "
                "leave out batch_size, shuffle, sampler and drop_last"
            )
        if sampler is not None and shuffle:
            raise ArgumentError("DataLoader: sampler already says the order; leave out shuffle")
        if not hasattr(dataset, "__getitem__"):
            raise ArgumentError(
                f"DataLoader: the data set is a {type(dataset).__name__}, which cannot be indexed; "
                "give it __getitem__(index) and __len__()"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = default_collate if collate_fn is None else collate_fn
        self.drop_last = drop_last
        self.generator = generator
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        n = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        # one draw an epoch, however many batches are taken of it
        epoch_seed = int(numpy_generator(self.generator).integers(2**63))
        batches = enumerate(self._batches(epoch_seed))
        if self.num_workers == 0:
            return (self._fetch(epoch_seed, k, indices) for k, indices in batches)
        return self._prefetch(epoch_seed, batches)

    def _batches(self, epoch_seed: int) -> Iterator[Any]:
        """The indices of each batch."""
        if self.batch_sampler is not None:
            yield from self.batch_sampler
        elif self.sampler is not None:
            indices = iter(self.sampler)
            while chunk := list(islice(indices, self.batch_size)):
                if len(chunk) == self.batch_size or not self.drop_last:
                    yield chunk
        else:
            n = len(self.dataset)
            with seeded(epoch_seed) as draw:
                order = draw.permutation(n) if self.shuffle else np.arange(n)
            for k in range(len(self)):
                yield order[k * self.batch_size : (k + 1) * self.batch_size]

    def _fetch(self, epoch_seed: int, k: int, indices: Any, stop: threading.Event | None = None) -> Any:
        """Batch k, under its own seed."""
        with seeded(epoch_seed, k):
            try:
                if self.collate_fn is default_collate:
                    batch = try_batch(self.dataset, indices)
                    if batch is not NotImplemented:
                        return batch
                items = fetch_items(self.dataset, indices, stop)
                return None if stop is not None and stop.is_set() else self.collate_fn(items)
            except Exception as error:
                error.add_note(f"DataLoader: in batch {k}, of the items {_some(indices)}")
                raise

    def _prefetch(self, epoch_seed: int, batches: Iterator[tuple[int, Any]]) -> Iterator[Any]:
        """The batches in order, with some of the next ones always in the making."""
        from concurrent.futures import Future, ThreadPoolExecutor

        ahead = self.num_workers * (self.prefetch_factor or 2)
        stop, workers = threading.Event(), set[int]()
        pool = ThreadPoolExecutor(
            self.num_workers, "DataLoader", initializer=lambda: workers.add(threading.get_ident())
        )
        pending: deque[Future[Any]] = deque()
        more = True
        try:
            while more or pending:
                while more and len(pending) <= ahead:
                    try:
                        k, indices = next(batches)
                    except StopIteration:
                        more = False
                    except Exception as error:  # the sampler's: it waits for its turn behind the good batches
                        more = False
                        pending.append(Future())
                        pending[-1].set_exception(error)
                    else:
                        pending.append(pool.submit(self._fetch, epoch_seed, k, indices, stop))
                if pending:
                    yield pending.popleft().result()
        finally:  # also on break, on an exception, and when the iterator is dropped
            stop.set()
            # the garbage collector may run this in one of the workers, which cannot wait for itself
            pool.shutdown(wait=threading.get_ident() not in workers, cancel_futures=True)


def _require_integer(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"DataLoader: {name} must be an integer of at least {least}, not {value!r}")


def _some(indices: Any) -> str:
    listed = [str(i) for i in indices]
    return ", ".join(listed[:8] + ["..."] * (len(listed) > 8))

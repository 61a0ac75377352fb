"""Where the random numbers come from: one seed, one place.

Initialization, dropout, shuffling and augmentation all draw from `default_generator()`, so that
`manual_seed(0)` makes a run repeatable; or from a `Generator` of their own when one is given.

A `DataLoader` fetches every batch under `seeded(epoch_seed, batch_number)`: for its thread, and for
that long, the default generator is a fresh one.  That is why random augmentation gives the same
images with four worker threads as with none.

The state is a dict of strings and small integers: it fits in JSON, hence in a checkpoint, without pickle.
(`numpy.random` is imported on first use: it costs 25 ms.)
"""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .devices import check_device, is_device
from .errors import ArgumentError, DtypeError

if TYPE_CHECKING:
    from numpy.random import Generator as NumpyGenerator

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "numpy_generator",
    "seed",
    "seeded",
    "set_rng_state",
]


class Generator:
    """A source of random numbers (PCG64) that can be seeded, saved and restored.

    `numpy` is the `numpy.random.Generator` to draw with; it stays the same object when the generator is
    seeded again.  Without a seed it starts from the operating system's entropy.  Single draws are safe
    from any thread; which thread gets which numbers is up to the scheduler.

    >>> g = Generator(7)
    >>> saved = g.get_state()
    >>> a = g.numpy.random(3)
    >>> g.set_state(saved)
    >>> bool((g.numpy.random(3) == a).all())
    True
    """

    __slots__ = ("_seed", "numpy")

    numpy: NumpyGenerator

    def __init__(self, seed: int | None = None, *, device: Any = None) -> None:
        if is_device(seed):  # which PyTorch has in the first place
            seed, device = None, seed
        check_device("Generator", device)
        self._seed = _entropy() if seed is None else _checked(seed)
        self.numpy = np.random.Generator(np.random.PCG64(self._seed))

    def manual_seed(self, seed: int) -> Generator:
        """Start again from an integer seed; returns the generator itself, as PyTorch does."""
        self._seed = _checked(seed)
        self._restore(np.random.PCG64(self._seed).state)
        return self

    def seed(self) -> int:
        """Start again from a seed that nobody knows; returns it."""
        return self.manual_seed(_entropy())._seed

    def initial_seed(self) -> int:
        """The seed that the numbers since the last seeding come from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """The whole state, as a dict that `json.dumps` takes (128-bit integers in hexadecimal)."""
        with self.numpy.bit_generator.lock:
            state = self.numpy.bit_generator.state
        return {
            "algorithm": "PCG64",
            "state": f"{state['state']['state']:#x}",
            "inc": f"{state['state']['inc']:#x}",
            "has_uint32": int(state["has_uint32"]),
            "uinteger": int(state["uinteger"]),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state given by `get_state`; raises ArgumentError for anything else."""
        try:
            if state["algorithm"] != "PCG64":
                raise ValueError(f"algorithm {state['algorithm']!r}")
            numbers = {"state": int(state["state"], 16), "inc": int(state["inc"], 16)}
            if not all(0 <= number < 2**128 for number in numbers.values()):
                raise ValueError("a number beyond 128 bits")
            half = {"has_uint32": int(state["has_uint32"]), "uinteger": int(state["uinteger"])}
            if half["has_uint32"] not in (0, 1) or not 0 <= half["uinteger"] < 2**32:
                raise ValueError("a number beyond 32 bits")
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"Generator.set_state: not a state of this generator ({error!r}); "
                "pass the dict that get_state() returned"
            ) from None
        self._restore({"bit_generator": "PCG64", "state": numbers, **half})

    def _restore(self, state: Any) -> None:
        with self.numpy.bit_generator.lock:  # not between two words of somebody's draw
            self.numpy.bit_generator.state = state

    def __repr__(self) -> str:
        return f"Generator({self.get_state()['state']})"


def _entropy() -> int:
    return int.from_bytes(os.urandom(8), "little")


def _checked(seed: int) -> int:
    try:
        value = operator.index(seed)
    except TypeError:
        raise DtypeError(
            f"manual_seed: the seed must be an integer, not {type(seed).__name__} {seed!r}; use int(...)"
        ) from None
    return value % 2**64  # negative seeds wrap around, as in PyTorch


_default: Generator | None = None
_making = threading.Lock()
_here = threading.local()


def _global() -> Generator:
    global _default
    if _default is None:
        with _making:
            if _default is None:
                _default = Generator()
    return _default


def default_generator() -> NumpyGenerator:
    """The numpy generator to draw from here and now: `seeded`'s in its block, else the global one."""
    return getattr(_here, "generator", None) or _global().numpy


def numpy_generator(generator: Generator | None) -> NumpyGenerator:
    """The numpy generator of a `generator=` argument; None means the default one.

    Raises:
        DtypeError: anything but a Generator (or numpy's) and None.
    """
    if generator is None:
        return default_generator()
    if isinstance(generator, Generator):
        return generator.numpy
    if isinstance(generator, np.random.Generator):
        return generator
    raise DtypeError(
        f"generator must be a tinygrad_cnn.Generator, not {type(generator).__name__}; use Generator(seed)"
    )


def manual_seed(seed: int) -> Generator:
    """Seed the global generator; returns it.

    >>> _ = manual_seed(0)
    >>> a = default_generator().integers(100)
    >>> _ = manual_seed(0)
    >>> bool(a == default_generator().integers(100))
    True
    """
    return _global().manual_seed(seed)


def seed() -> int:
    """Seed the global generator with what nobody knows; returns the seed."""
    return _global().seed()


def initial_seed() -> int:
    """The seed of the global generator.

    >>> _ = manual_seed(7)
    >>> initial_seed()
    7
    """
    return _global().initial_seed()


def get_rng_state() -> dict[str, Any]:
    """The state of the global generator, to put in a checkpoint."""
    return _global().get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Give the global generator a state that `get_rng_state` returned."""
    _global().set_state(state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, *, device_type: Any = None) -> Iterator[None]:
    """What is drawn from the global generator in this block is not missed afterwards: its state is put back.

    `devices` and `device_type` name others, of which there are none.

    >>> _ = manual_seed(0)
    >>> with fork_rng():
    ...     a = default_generator().integers(100)
    >>> bool(a == default_generator().integers(100))
    True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


@contextmanager
def seeded(seed: int, *more: int) -> Iterator[NumpyGenerator]:
    """In this block and this thread, `default_generator()` is a new one made of these integers.

    >>> with seeded(3, 1) as g:
    ...     default_generator() is g
    True
    """
    outer = getattr(_here, "generator", None)
    # a spawn key, since SeedSequence([s]) and SeedSequence([s, 0]) are the same
    sequence = np.random.SeedSequence(_checked(seed), spawn_key=tuple(map(_checked, more)))
    _here.generator = np.random.Generator(np.random.PCG64(sequence))
    try:
        yield _here.generator
    finally:
        _here.generator = outer

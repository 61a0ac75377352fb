"""torch.utils.data and ours, side by side: signatures, orders, batches, and what is refused."""

from __future__ import annotations

import inspect
import itertools
from collections import OrderedDict, UserDict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
import torch.utils.data as theirs  # noqa: E402
from parity.both import outcome, refused_here  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn import data as ours  # noqa: E402
from tinygrad_cnn.creation import from_numpy  # noqa: E402
from tinygrad_cnn.tensor import Tensor  # noqa: E402

BOTH = (ours, theirs)
CLASSES = [
    "BatchSampler", "ChainDataset", "ConcatDataset", "DataLoader", "RandomSampler", "SequentialSampler",
    "StackDataset", "Subset", "SubsetRandomSampler", "TensorDataset", "WeightedRandomSampler",
]  # fmt: skip
COVERED = {
    "data": {
        *CLASSES, "Dataset", "IterableDataset", "Sampler", "default_collate", "default_convert",
        "get_worker_info", "random_split",
    }
}  # fmt: skip


def tensors(m: Any, item: Any) -> Any:
    """Arrays within become tensors of that library."""
    make = from_numpy if m is ours else torch.from_numpy
    if isinstance(item, np.ndarray) and item.dtype.kind in "biuf":
        return make(np.array(item))
    return item


def plain(x: Any) -> Any:
    """A value that can be compared: each tensor as its dtype and numbers, each container with its kind."""
    if isinstance(x, (Tensor, torch.Tensor)):
        a = x.array if isinstance(x, Tensor) else x.numpy()
        return ("tensor", str(a.dtype), a.shape, a.tolist())
    if isinstance(x, (dict, UserDict)):
        return (type(x).__name__, {key: plain(value) for key, value in x.items()})
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, [plain(value) for value in x])
    return x


def alike(call: Any) -> None:
    """`call(module)` gives the same here and there, or fails in both."""
    mine, wanted = outcome(lambda: plain(call(ours))), outcome(lambda: plain(call(theirs)))
    if isinstance(wanted, Exception):
        assert isinstance(mine, Exception) and (
            refused_here(mine) or type(mine) is type(wanted) or isinstance(mine, IndexError)
        ), (mine, wanted)
    else:
        assert mine == wanted


# --- signatures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CLASSES, "default_collate", "default_convert", "random_split"])
def test_signatures(name: str) -> None:
    def said(m: Any) -> list[tuple[str, Any, Any]]:
        parameters = inspect.signature(getattr(m, name)).parameters.values()
        # None, or the default generator itself: the same numbers either way
        return [(p.name, p.kind, None if p.name == "generator" else p.default) for p in parameters]

    assert said(ours) == said(theirs)


# --- samplers --------------------------------------------------------------------------------------


def seeded(m: Any) -> Any:
    return (tg if m is ours else torch).Generator().manual_seed(3)


counts = st.one_of(st.none(), st.integers(-1, 12), st.just(True), st.just(1.5))


@given(st.integers(0, 6), st.booleans(), counts)
def test_random_samplers(n: int, replacement: bool, num_samples: Any) -> None:
    def call(m: Any) -> Any:
        sampler = m.RandomSampler(range(n), replacement, num_samples, seeded(m))
        drawn = list(sampler)
        assert all(type(i) is int and 0 <= i < n for i in drawn)
        if not replacement:  # round by round, everything once
            for k in range(0, len(drawn), n):
                part = drawn[k : k + n]
                assert len(set(part)) == len(part)
        return len(sampler), len(drawn), sampler.num_samples

    if num_samples is True:  # an integer to PyTorch, a mistake here
        with pytest.raises(ValueError, match="RandomSampler"):
            call(ours)
        return
    if n == 0 and num_samples in range(1, 13):  # dividing by nothing, in PyTorch
        return alike(lambda m: list(m.RandomSampler(range(n), replacement, num_samples)) and None)
    alike(call)


@given(st.lists(st.integers(0, 99), max_size=9))
def test_samplers_of_a_subset(indices: list[int]) -> None:
    alike(lambda m: (sorted(m.SubsetRandomSampler(indices)), len(m.SubsetRandomSampler(indices, seeded(m)))))
    alike(lambda m: (list(m.SequentialSampler(indices)), len(m.SequentialSampler(indices))))


weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, -1.0, float("inf"), float("nan")]), max_size=5)


@given(weights | st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=5), counts, st.booleans())
def test_weighted_samplers(w: list[float], num_samples: Any, replacement: bool) -> None:
    def call(m: Any) -> Any:
        sampler = m.WeightedRandomSampler(w, num_samples, replacement, seeded(m))
        drawn = list(sampler)
        assert all(w[i] > 0 for i in drawn)
        assert replacement or len(set(drawn)) == len(drawn)
        return len(sampler), len(drawn), plain(sampler.weights)

    alike(call)


def test_weights_are_probabilities() -> None:
    w = [1.0, 0.0, 2.0, 5.0]
    for m in BOTH:
        drawn = np.bincount(list(m.WeightedRandomSampler(w, 8000, True, seeded(m))), minlength=4)
        # five standard deviations
        np.testing.assert_allclose(drawn / 1000, w, atol=5 * np.sqrt(8000 * 0.25) / 1000)
        first = [next(iter(m.WeightedRandomSampler(w, 2, False, g))) for g in [seeded(m)] for _ in range(800)]
        assert abs(np.mean(np.array(first) == 3) - 5 / 8) < 5 * np.sqrt(0.25 / 800)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.WeightedRandomSampler([[1.0, 2.0]], 2),
        lambda m: m.WeightedRandomSampler([1.0], 2, 1),
        lambda m: m.WeightedRandomSampler("ab", 2),
        lambda m: m.RandomSampler(range(3), 1),
        lambda m: m.RandomSampler(3),
        lambda m: list(m.Sampler()),
        lambda m: m.BatchSampler(range(3), 0, False),
        lambda m: m.BatchSampler(range(3), 2.0, False),
        lambda m: m.BatchSampler(range(3), True, False),
        lambda m: m.BatchSampler(range(3), 2, 1),
        lambda m: list(m.BatchSampler(3, 2, False)),
    ],
)
def test_samplers_refuse(call: Any) -> None:
    assert isinstance(outcome(lambda: call(theirs)), Exception)
    assert isinstance(outcome(lambda: call(ours)), (ValueError, TypeError, NotImplementedError))


@given(st.integers(0, 12), st.integers(1, 5), st.booleans(), st.booleans())
def test_batch_samplers(n: int, batch_size: int, drop_last: bool, endless: bool) -> None:
    def call(m: Any) -> Any:
        if endless:
            return list(itertools.islice(m.BatchSampler(itertools.count(), batch_size, drop_last), n))
        sampler = m.BatchSampler(m.SequentialSampler(range(n)), batch_size, drop_last)
        return list(sampler), list(sampler), len(sampler)

    alike(call)


# --- data sets -------------------------------------------------------------------------------------


class Letters:
    """A data set that fetches many items at once."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __len__(self) -> int:
        return len(self.text)

    def __getitem__(self, i: int) -> str:
        return self.text[i]

    def __getitems__(self, indices: list[int]) -> list[str]:
        return [self.text[i] for i in indices]


words = st.lists(st.text("abcd", max_size=4), max_size=4)


@given(words, st.integers(-9, 9))
def test_concatenated(parts: list[str], index: int) -> None:
    alike(lambda m: (len(m.ConcatDataset(parts)), m.ConcatDataset(parts).cumulative_sizes))
    alike(lambda m: m.ConcatDataset(parts)[index])


@given(words, st.booleans(), st.integers(0, 5))
def test_stacked(parts: list[str], named: bool, index: int) -> None:
    def stack(m: Any) -> Any:
        sets = [Letters(part) for part in parts]
        return m.StackDataset(**dict(zip("wxyz", sets, strict=False))) if named else m.StackDataset(*sets)

    alike(lambda m: len(stack(m)))
    alike(lambda m: stack(m)[index])
    alike(lambda m: list(m.DataLoader(stack(m), 2)))


lengths = st.lists(st.floats(0, 1) | st.integers(0, 9), min_size=1, max_size=4)


@given(st.integers(0, 30), lengths, st.sampled_from(["as they are", "whole", "fractions"]))
@pytest.mark.filterwarnings("ignore:Length of split")
def test_random_split(n: int, lengths: list[Any], kind: str) -> None:
    if kind == "whole":
        lengths = [int(length) for length in lengths]
        n = sum(lengths)
    elif kind == "fractions" and sum(lengths):
        lengths = [length / sum(lengths) for length in lengths]

    def split(m: Any) -> Any:
        parts = m.random_split(range(n), lengths, seeded(m))
        return [len(part) for part in parts], sorted(part[i] for part in parts for i in range(len(part)))

    if 1 < sum(lengths) < 1 + 1e-9:  # 1 and a rounding error is 1 here, and nothing in PyTorch
        assert sum(split(ours)[0]) == n and isinstance(outcome(lambda: split(theirs)), Exception)
    else:
        alike(split)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.ConcatDataset([]),
        lambda m: m.ConcatDataset([stream(m, 2)]),
        lambda m: list(m.ChainDataset([[1, 2]])),
        lambda m: len(m.ChainDataset([[1, 2]])),
        lambda m: m.StackDataset(),
        lambda m: m.StackDataset([1], x=[1]),
        lambda m: m.StackDataset([1], [1, 2]),
        lambda m: m.StackDataset(x=[1], y=[1, 2]),
        lambda m: m.TensorDataset(tensors(m, np.zeros(2)), tensors(m, np.zeros(3))),
        lambda m: m.TensorDataset(),
        lambda m: m.random_split(range(3), [1, 1]),
        lambda m: m.Dataset()[0],
        lambda m: iter(m.IterableDataset()),
        lambda m: len(m.Dataset()),
    ],
)
def test_data_sets_refuse(call: Any) -> None:
    error = outcome(lambda: call(theirs))
    # PyTorch takes no tensors at all at first, and fails in the first len()
    assert isinstance(error, Exception) or isinstance(outcome(lambda: len(error)), Exception)
    assert isinstance(outcome(lambda: call(ours)), (ValueError, TypeError, NotImplementedError))


def test_sums_of_data_sets() -> None:
    def call(m: Any) -> Any:
        a, b = (m.TensorDataset(tensors(m, np.arange(n))) for n in (2, 3))
        chain = stream(m, 2) + stream(m, 3)
        return [x for i in range(5) for x in (a + b)[i]], list(chain), len(chain), type(a + b).__name__

    alike(call)


def test_subsets() -> None:
    def call(m: Any) -> Any:
        part = m.Subset(Letters("abcdef"), [5, 0, 3])
        return part[1], len(part), part.__getitems__([2, 0]), list(m.DataLoader(part, 2))

    alike(call)
    alike(lambda m: m.Subset(tensors(m, np.arange(5)), [4, 2, 0])[[0, 2]])


# --- collation -------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "x y")
DTYPES = ("float32", "float64", "int64", "uint8", "bool")
leaves = st.one_of(
    st.builds(lambda d, n: np.ones((2, n), d), st.sampled_from(DTYPES), st.integers(0, 3)),
    st.sampled_from([1, 2.5, True, "text", b"bytes", np.float32(1), np.int64(7), np.uint8(3)]),
    st.sampled_from([range(2), (), []]),
)
items = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.builds(Pair, inner, inner),
        st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        st.builds(lambda x: OrderedDict(k=x), inner),
        st.builds(lambda x: UserDict(k=x), inner),
    ),
    max_leaves=5,
)


def convert(m: Any, item: Any) -> Any:
    """Some of the arrays within as tensors."""
    if isinstance(item, np.ndarray):
        return tensors(m, item) if item.shape[1] % 2 else item
    if isinstance(item, Pair):
        return Pair(*(convert(m, value) for value in item))
    if isinstance(item, (list, tuple)):
        return type(item)(convert(m, value) for value in item)
    if isinstance(item, (dict, UserDict)):
        return type(item)({key: convert(m, value) for key, value in item.items()})
    return item


@given(items, st.integers(1, 3))
def test_default_collate(item: Any, n: int) -> None:
    alike(lambda m: m.default_collate([convert(m, item)] * n))


@given(items)
def test_default_convert(item: Any) -> None:
    alike(lambda m: m.default_convert(convert(m, item)))


REFUSED = [
    [None],
    [1, None],
    [object()],
    [{1, 2}],
    [np.array(["a"])],
    [np.array([None])],
    [np.zeros(2), np.zeros(3)],
    [[1, 2], [1]],
    [(1, 2), 3],
    [{"a": 1}, {"b": 1}],
    [{"a": 1}, 2],
    [1, "a"],
    [],
]


@pytest.mark.parametrize("batch", REFUSED, ids=lambda batch: type(batch[0]).__name__ if batch else "none")
def test_what_does_not_collate(batch: list[Any]) -> None:
    error = outcome(lambda: theirs.default_collate(batch))
    assert isinstance(error, Exception)
    assert refused_here(outcome(lambda: ours.default_collate(batch)))


# --- the loader ------------------------------------------------------------------------------------


def stream(m: Any, n: int) -> Any:
    class Stream(m.IterableDataset):
        def __iter__(self) -> Any:
            return iter(range(n))

        def __len__(self) -> int:
            return n

    return Stream()


options = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": st.sampled_from([None, 0, 1, 2, 5, -1]),
        "shuffle": st.sampled_from([None, False]),
        "sampler": st.sampled_from([None, [2, 0, 1], []]),
        "batch_sampler": st.sampled_from([None, [[0, 1], [2]], []]),
        "collate_fn": st.sampled_from([None, str]),
        "drop_last": st.booleans(),
        "pin_memory": st.just(False),
        "timeout": st.sampled_from([0, -1]),
        "prefetch_factor": st.sampled_from([None, 2, -1]),
        "persistent_workers": st.booleans(),
        "multiprocessing_context": st.sampled_from([None, "fork"]),
        "in_order": st.booleans(),
    },
)


@given(st.sampled_from(["map", "tensors", "stream"]), st.integers(0, 7), options)
def test_loaders(kind: str, n: int, chosen: dict[str, Any]) -> None:
    def call(m: Any) -> Any:
        data: Any = {
            "map": lambda: list(range(n)),
            "tensors": lambda: m.TensorDataset(
                tensors(m, np.arange(2 * n).reshape(n, 2)), tensors(m, np.ones(n))
            ),
            "stream": lambda: stream(m, n),
        }[kind]()
        loader = m.DataLoader(data, **chosen)
        batches = list(loader)
        if chosen.get("collate_fn") is str:  # how a tensor reads is another matter
            batches = [len(batches)]
        return batches, outcome(lambda: len(loader)), loader.batch_size, loader.drop_last

    alike(call)


@given(st.integers(0, 9), st.integers(1, 4), st.booleans())
def test_shuffled_loaders(n: int, batch_size: int, drop_last: bool) -> None:
    def call(m: Any) -> Any:
        loader = m.DataLoader(range(n), batch_size, True, drop_last=drop_last, generator=seeded(m))
        batches = [batch.tolist() for batch in loader]
        flat = [i for batch in batches for i in batch]
        assert len(set(flat)) == len(flat)
        return [len(batch) for batch in batches], len(loader), type(loader.sampler).__name__

    alike(call)


@pytest.mark.parametrize("name", ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset"])
def test_a_loader_is_not_changed(name: str) -> None:
    for m in BOTH:
        loader = m.DataLoader([1, 2])
        with pytest.raises(ValueError):
            setattr(loader, name, None)


def test_outside_of_a_worker_there_is_no_info() -> None:
    alike(lambda m: m.get_worker_info())


def test_a_plain_loop_over_a_data_set_ends() -> None:
    def call(m: Any) -> Any:
        x, y = tensors(m, np.arange(6.0).reshape(3, 2)), tensors(m, np.arange(3))

        class Pairs(m.Dataset):
            def __getitem__(self, index: int) -> Any:
                return x[index], y[index]

            def __len__(self) -> int:
                return 3

        pairs = Pairs()
        kinds = (pairs, m.TensorDataset(x, y), m.StackDataset(x, y), m.Subset(pairs, [2, 0]), pairs + pairs)
        return [plain(list(dataset)) for dataset in kinds]

    alike(call)


def test_an_index_that_is_not_there() -> None:
    for x in (tg.zeros(2, 3), torch.zeros(2, 3)):
        for index in (2, -3, (0, 3), (0, 0, 0)):
            with pytest.raises(IndexError):
                x[index]
            with pytest.raises(IndexError):
                x[index] = 1.0

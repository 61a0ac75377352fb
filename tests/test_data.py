"""Data sets, IDX files, collation and transforms."""

from __future__ import annotations

import collections
import gzip
import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.creation import from_numpy
from tinygrad_cnn.data import (
    MNIST,
    FashionMNIST,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
    read_idx,
    transforms,
)
from tinygrad_cnn.data.collate import try_batch
from tinygrad_cnn.errors import ArgumentError, DtypeError, FileFormatError, ShapeError
from tinygrad_cnn.random import Generator, manual_seed
from tinygrad_cnn.tensor import Tensor

DATA = Path(__file__).parents[1] / "tinygrad_cnn" / "data"
TYPES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx(array, code="u1"):
    header = b"\0\0" + bytes([TYPES[code], array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(code).tobytes()


def equal(a, b):
    """Same structure, same arrays of the same dtype."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.array.dtype == b.array.dtype and np.array_equal(a.array, b.array)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b


# ---------------------------------------------------------------- IDX


@given(
    st.lists(st.integers(0, 4), max_size=4), st.sampled_from(list(TYPES)), st.booleans(), st.integers(0, 99)
)
def test_idx_files_come_back(tmp_path_factory, shape, code, gzipped, seed):
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(code)
    path = tmp_path_factory.getbasetemp() / "a.idx"
    path.write_bytes(gzip.compress(idx(array, code)) if gzipped else idx(array, code))
    back = read_idx(path)
    assert np.array_equal(back, array) and back.dtype.isnative and back.flags.writeable
    assert back.dtype == np.dtype(code).newbyteorder("=")


WHOLE = idx(np.arange(24).reshape(2, 3, 4))
DAMAGED = {
    "empty": (b"", "starts with nothing"),
    "text": (b"<html>403 Forbidden</html>", "not an IDX file, it starts with 3c 68 74 6d"),
    "type": (b"\0\0\x0a\x01" + bytes(8), "not an IDX file"),
    "header": (WHOLE[:10], "truncated within its header of 3 sizes"),
    "values": (WHOLE[:-1], "truncated: the shape"),
    "none": (WHOLE[:16], "truncated"),
    "trailing": (WHOLE + b"x", "more than the 24 bytes"),
    "lie": (b"\0\0\x08\x02" + b"\xff" * 8 + bytes(10), "more than the 1073741824 allowed"),
    "modest lie": (b"\0\0\x08\x01" + (10**9).to_bytes(4, "big") + bytes(10), "not so many"),
    "axes": (b"\0\0\x08\xff" + bytes(4 * 255), "255 axes"),
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_idx_file_says_what_is_wrong(tmp_path, damage, gzipped):
    data, message = DAMAGED[damage]
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(data) if gzipped else data)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_damaged_gzip_data_and_bombs(tmp_path):
    path = tmp_path / "a.gz"
    packed = gzip.compress(WHOLE)
    wrong_crc = packed[:-8] + bytes(4) + packed[-4:]
    bomb = gzip.compress(b"\0\0\x08\x01" + (100).to_bytes(4, "big") + bytes(50_000_000))
    for data in (*(packed[:n] for n in range(2, len(packed))), wrong_crc, packed + b"junk", bomb):
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"damaged|truncated|not an IDX|more than the 100 bytes"):
            read_idx(path)
    path.write_bytes(WHOLE)
    with pytest.raises(FileFormatError, match="more than the 23 allowed"):
        read_idx(path, max_bytes=23)


@settings(max_examples=200)
@given(st.data(), st.booleans())
def test_mutated_idx_files_load_or_say_why(tmp_path_factory, data, gzipped):
    damaged = bytearray(gzip.compress(WHOLE, mtime=0) if gzipped else WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "mutated.idx"
    path.write_bytes(damaged)
    try:
        read_idx(path)
    except FileFormatError as error:
        assert "mutated.idx" in str(error)


# ---------------------------------------------------------------- Fashion-MNIST


@pytest.mark.parametrize(("train", "per_class"), [(True, 600), (False, 100)])
def test_the_embedded_images(train, per_class):
    data = FashionMNIST(train=train)
    assert len(data) == 10 * per_class and data.data.shape == (10 * per_class, 28, 28)
    assert data.data.dtype == np.uint8 and data.targets.dtype == np.int64
    assert np.bincount(data.targets).tolist() == [per_class] * 10
    image, label = data[-1]
    assert image.shape == (1, 28, 28) and image.array.dtype == np.float32 and type(label) is int
    assert image.array.max() <= 1 and np.array_equal(np.round(image.array[0] * 255), data.data[-1])
    assert data.class_to_idx["Ankle boot"] == 9 and len(data.classes) == 10
    assert f"{len(data)} {'training' if train else 'test'} images" in repr(data)


def test_the_embedded_archive_is_the_one_its_licence_names():
    packed = (DATA / "fashion_mnist_subset.npz").read_bytes()
    licence = (DATA / "FASHION_MNIST_LICENSE").read_text(encoding="utf-8")
    assert hashlib.sha256(packed).hexdigest() in licence
    assert "Copyright © 2017 Zalando SE" in licence and len(packed) < 4_000_000
    script = runpy.run_path(str(DATA.parents[1] / "tools" / "pack_fashion.py"))
    assert all(checksum in licence for checksum in script["SOURCES"].values())


def test_packing_is_repeatable_and_keeps_file_order():
    script = runpy.run_path(str(DATA.parents[1] / "tools" / "pack_fashion.py"))
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10, dtype=np.uint8), 5))
    kept = script["choose"](labels, 3)
    assert (np.diff(kept) > 0).all() and np.bincount(labels[kept]).tolist() == [3] * 10
    assert all(
        kept[labels[kept] == c].tolist() == np.flatnonzero(labels == c)[:3].tolist() for c in range(10)
    )
    first, second = (script["pack"]({"a": labels, "b": kept}) for _ in range(2))
    assert first == second


@pytest.fixture
def files():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (6, 28, 28)), rng.integers(0, 10, 6)
    return {
        f"{prefix}-{name}": idx(array)
        for prefix in ("train", "t10k")
        for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(
    ("cls", "folder"),
    [
        (FashionMNIST, "."),
        (FashionMNIST, "FashionMNIST/raw"),
        (FashionMNIST, "fashion-mnist"),
        (MNIST, "MNIST/raw"),
        (MNIST, "."),
    ],
)
def test_full_files_are_found_where_others_put_them(tmp_path, files, cls, folder, gzipped):
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = tmp_path / folder / (name + ".gz" * gzipped)
        path.write_bytes(gzip.compress(data) if gzipped else data)
    for train in (True, False):
        data = cls(str(tmp_path), train)
        assert len(data) == 6 and data.targets.dtype == np.int64


def test_a_folder_without_the_files_says_what_to_do(tmp_path):
    with pytest.raises(ArgumentError, match=r"train-images.*MNIST/raw.*download=True"):
        MNIST(tmp_path)
    with pytest.raises(ArgumentError, match=r"use FashionMNIST\(\)"):
        MNIST()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train-images-idx3-ubyte", idx(np.zeros((6, 27, 28))), "not uint8 images of 28 x 28"),
        ("train-images-idx3-ubyte", idx(np.zeros((6, 28, 28)), ">f4"), "float32"),
        ("train-images-idx3-ubyte", idx(np.zeros((5, 28, 28))), "each of the 5 images"),
        ("train-images-idx3-ubyte", idx(np.zeros(6)), "of shape \\(6,\\)"),
        ("train-labels-idx1-ubyte", idx(np.full(6, 10)), "not a label below 10"),
        ("train-labels-idx1-ubyte", idx(np.zeros((6, 1))), "not a label below 10"),
        ("train-labels-idx1-ubyte", b"<html>", "not an IDX file"),
    ],
)
def test_files_that_do_not_belong_together(tmp_path, files, name, data, message):
    for each, content in (files | {name: data}).items():
        (tmp_path / each).write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        FashionMNIST(tmp_path)


# ---------------------------------------------------------------- batches at once and item by item


class Doubled(FashionMNIST):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, 2 * label


class Batched(Doubled):
    def get_batch(self, indices):
        return "mine"


def by_items(dataset, indices):
    return default_collate([dataset[int(i)] for i in indices])


@pytest.mark.parametrize(
    "dataset",
    [
        FashionMNIST(train=False),
        FashionMNIST(train=False, transform=transforms.Normalize(0.5, 0.25)),
        TensorDataset(np.arange(2000.0).reshape(1000, 2), from_numpy(np.arange(1000))),
        Subset(FashionMNIST(train=False), np.arange(999, -1, -1)),
        Subset(Subset(FashionMNIST(train=False), range(1000)), list(range(1000))),
    ],
    ids=["images", "normalized", "tensors", "subset", "subset of a subset"],
)
@given(st.lists(st.integers(0, 999), min_size=1, max_size=9))
def test_a_batch_at_once_is_the_batch_of_the_items(dataset, indices):
    for form in (indices, np.array(indices)):
        assert equal(try_batch(dataset, form), by_items(dataset, indices))


def test_the_fast_way_stands_aside_where_it_would_be_wrong():
    for dataset in (
        Doubled(train=False),
        Subset(Doubled(train=False), [1, 2]),
        FashionMNIST(train=False, transform=lambda image: image),
        FashionMNIST(train=False, target_transform=str),
        Subset(["a", "b", "c"], [0, 2]),
        "a string",
    ):
        assert try_batch(dataset, [0, 1]) is NotImplemented
    assert try_batch(Batched(train=False), [0]) == "mine"
    assert Doubled(train=False)[0][1] == 18
    assert FashionMNIST(train=False, target_transform=str)[0][1] == "9"


def test_a_batch_refuses_indices_beyond_the_end():
    for dataset in (FashionMNIST(train=False), TensorDataset(np.zeros(1000))):
        with pytest.raises(IndexError):
            dataset.get_batch([1000])
        with pytest.raises(IndexError):
            dataset[1000]


# ---------------------------------------------------------------- data sets in general


@pytest.mark.parametrize("tensors", [(), (np.zeros(()),), (np.zeros(3), np.zeros((4, 3)))])
def test_tensor_data_sets_need_one_length(tensors):
    with pytest.raises(ShapeError, match="same size along axis 0"):
        TensorDataset(*tensors)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 9))
def test_random_split_is_a_partition(lengths, seed):
    n = sum(lengths)
    parts = random_split(range(n), lengths, Generator(seed))
    if n != 1:  # a sum of 1 means fractions
        assert [len(part) for part in parts] == lengths
    assert sorted(i for part in parts for i in (part[j] for j in range(len(part)))) == list(range(n))
    again = random_split(range(n), lengths, Generator(seed))
    assert all(np.array_equal(a.indices, b.indices) for a, b in zip(parts, again, strict=True))


@given(st.integers(0, 50), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_random_split_by_fractions(n, weights):
    fractions = [w / sum(weights) for w in weights]
    parts = random_split(range(n), fractions)
    assert sum(map(len, parts)) == n
    assert all(abs(len(part) - n * f) < len(parts) + 1 for part, f in zip(parts, fractions, strict=True))


@pytest.mark.parametrize("lengths", [[3, 3], [-1, 11], [0.5, 0.4], [2.5, 7.5], [], [float("nan")]])
def test_random_split_refuses_what_does_not_add_up(lengths):
    with pytest.raises(ArgumentError, match="random_split"):
        random_split(range(10), lengths)


def test_random_split_draws_from_the_global_seed():
    manual_seed(4)
    a = random_split(range(20), [10, 10])[0].indices
    manual_seed(4)
    assert np.array_equal(a, random_split(range(20), [10, 10])[0].indices)


# ---------------------------------------------------------------- collation


Pair = collections.namedtuple("Pair", "x y")


def test_collation_by_kind():
    collated = default_collate(
        [{"x": Pair(np.ones(2, np.float64), 1), "name": "a", "z": [1.5, True]} for _ in range(3)]
    )
    assert isinstance(collated["x"], Pair) and isinstance(collated["z"], list)
    assert collated["x"].x.array.dtype == np.float64 and collated["x"].x.shape == (3, 2)
    assert collated["x"].y.array.dtype == np.int64 and collated["name"] == ["a"] * 3
    assert collated["z"][0].array.dtype == np.float64 and collated["z"][1].array.dtype == bool
    assert default_collate([np.float64(1), np.float64(2)]).array.dtype == np.float64
    assert default_collate([from_numpy(np.ones((2, 3)))] * 4).shape == (4, 2, 3)
    assert default_collate([b"x", b"y"]) == [b"x", b"y"]


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([], ShapeError, "the batch is empty"),
        ([np.ones(2), np.ones(3)], ShapeError, r"item 1 has shape \(3,\), item 0 has \(2,\)"),
        ([(1, 2), (1, 2), (1,)], ShapeError, "item 2 is a tuple of 1 entries, item 0 is a tuple of 2"),
        ([(1, 2), 3], ShapeError, "item 1 is a int"),
        ([{"a": 1}, {"b": 1}], ShapeError, r"item 1 has keys \['b'\]"),
        ([{"a": 1}, 2], ShapeError, "none, it is a int"),
        ([1, None], DtypeError, "item 1 is a NoneType"),
        ([{1, 2}], DtypeError, "item 0 is a set"),
        ([2**70], DtypeError, "item 0 is a int"),
        ([1, "a"], DtypeError, "item 1 is a str"),
        (["a", 1], DtypeError, "item 1 is a int"),
        ([[1, 2], "ab"], ShapeError, "item 1 is a str"),
    ],
)
def test_what_does_not_collate(batch, error, message):
    with pytest.raises(error, match=message):
        default_collate(batch)

"""Saving and loading: round trips, foreign files, damaged files, interrupted writes."""

from __future__ import annotations

import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy as theirs
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.creation import from_numpy
from tinygrad_cnn.errors import ArgumentError, DtypeError, FileFormatError
from tinygrad_cnn.files import atomic_write
from tinygrad_cnn.nn import Linear
from tinygrad_cnn.random import Generator
from tinygrad_cnn.serialization import load, npz, pytorch, save
from tinygrad_cnn.serialization import safetensors as ours
from tinygrad_cnn.serialization.arrays import CODES
from tinygrad_cnn.tensor import Tensor

FORMATS = {".npz": npz, ".safetensors": ours, ".pt": pytorch}
SUFFIXES = list(FORMATS)
each = pytest.mark.parametrize("suffix", SUFFIXES)
suffixes = st.sampled_from(SUFFIXES)
dtypes = st.sampled_from([np.dtype(code) for code in CODES])
names = st.text(max_size=12) | st.sampled_from(
    ["__metadata__", "a/b", "tensor.0", "..", "conv1.weight", "\ud800"]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@st.composite
def arrays(draw):
    """Any storable dtype, 0 to 4 axes of 0 to 3, any memory order."""
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    array = (rng.standard_normal(shape) * 100).astype(np.int8).astype(draw(dtypes))
    return np.asarray(array.T if draw(st.booleans()) else array)


leaves = arrays() | st.none() | st.booleans() | st.integers() | st.floats() | names
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(names | st.integers(0, 5), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, Tensor) and a.dtype == b.array.dtype and np.array_equal(a, b.array)
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (a, math.copysign(1, a)) == (b, math.copysign(1, b)) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@given(trees, suffixes)
def test_any_tree_comes_back(folder, tree, suffix):
    path = folder / f"tree{suffix}"
    save(tree, path)
    assert same(tree, load(path))


@given(st.dictionaries(st.from_regex(r"[a-z0-9_./-]{1,9}", fullmatch=True), arrays(), max_size=4))
def test_flat_files_are_read_by_others_and_theirs_by_us(folder, state):
    path, other = folder / "ours.safetensors", folder / "theirs.safetensors"
    save(state, path)
    read = theirs.load_file(path)
    assert same(state, {name: from_numpy(read[name]) for name in state}) and len(read) == len(state)
    theirs.save_file({name: array.copy("C") for name, array in state.items()}, other)
    loaded = load(other)
    assert loaded.keys() == state.keys() and all(same(state[name], loaded[name]) for name in state)

    save(state, folder / "ours.npz")
    with np.load(folder / "ours.npz", allow_pickle=False) as read:
        assert all(np.array_equal(read[name], array) for name, array in state.items())
    for write in (np.savez, np.savez_compressed):
        write(folder / "theirs.npz", **state)
        assert same(state, load(folder / "theirs.npz"))


@each
def test_a_checkpoint(tmp_path, suffix):
    state = {"conv1.weight": from_numpy(np.ones((2, 1, 3, 3), np.float32)), "steps": from_numpy(np.array(7))}
    checkpoint = {
        "model": state,
        "optimizer": {
            "state": {0: {"momentum": np.zeros(3)}, 1: {"momentum": None}},
            "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "params": [0, 1]}],
        },
        "rng": Generator(1).get_state(),
        "epoch": np.int64(3),
        "best": np.float32(0.5),
        "loss": math.nan,
    }
    path = tmp_path / f"checkpoint{suffix}"
    save(checkpoint, path)
    back = load(path)
    assert list(back) == list(checkpoint) and list(back["model"]) == list(state)
    assert (back["model"]["conv1.weight"].array == 1).all() and back["model"]["steps"].array.shape == ()
    assert back["optimizer"]["param_groups"] == checkpoint["optimizer"]["param_groups"]
    assert list(back["optimizer"]["state"]) == [0, 1] and math.isnan(back["loss"])
    assert type(back["epoch"]) is int and back["epoch"] == 3 and back["best"] == 0.5
    Generator(0).set_state(back["rng"])
    first = path.read_bytes()
    save(back, path)
    assert path.read_bytes() == first, "the same content gives the same bytes"


def test_the_names_of_a_checkpoint_are_readable(tmp_path):
    save({"model": {"fc.weight": np.ones(2)}, "epoch": 1}, tmp_path / "c.safetensors")
    assert list(theirs.load_file(tmp_path / "c.safetensors")) == ["model.fc.weight"]


def test_the_cpu_is_where_all_is_loaded(tmp_path):
    save({"x": from_numpy(np.ones(2))}, tmp_path / "x.npz")
    for options in ({"map_location": "cpu"}, {"map_location": None, "weights_only": True}):
        assert (load(tmp_path / "x.npz", **options)["x"].array == 1).all()
    with pytest.raises(ArgumentError, match="load: there is no device cuda:0"):
        load(tmp_path / "x.npz", "cuda:0")


@each
def test_loaded_arrays_are_writable_aligned_and_native(tmp_path, suffix):
    save(
        {"a": np.ones(3, np.uint8), "b": np.arange(3, dtype=">f8"), "c": np.ones((2, 3)).T},
        tmp_path / f"x{suffix}",
    )
    for tensor in load(tmp_path / f"x{suffix}").values():
        assert tensor.array.flags.writeable and tensor.array.flags.aligned and tensor.array.dtype.isnative


def test_bfloat16_is_widened(tmp_path):
    values = np.array([1.0, -2.5, np.inf, 0.0078125], np.float32)
    halves = (values.view(np.uint32) >> 16).astype("<u2")
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + halves.tobytes())
    w = load(tmp_path / "b.safetensors")["w"].array
    assert w.dtype == np.float32 and np.array_equal(w, values.reshape(2, 2))


# ---------------------------------------------------------------- what cannot be saved


def test_what_cannot_be_saved_says_where_it_is_and_leaves_the_old_file(tmp_path):
    loop: list = []
    loop.append(loop)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    wrong = [
        ({"a": {"b": slice(1)}}, DtypeError, r"\['a'\]\['b'\] is a slice"),
        ({"a": np.array([None])}, DtypeError, r"\['a'\] is object"),
        ({"a": np.array(["x"])}, DtypeError, "number type"),
        ({"a": np.ones(2, np.longdouble)}, DtypeError, "convert"),
        ({"x": [1, range(2)]}, DtypeError, r"\['x'\]\[1\] is a range"),
        ({((1,), 2): 3}, DtypeError, "use strings"),
        (Linear(1, 1), DtypeError, r"a Linear.*save its state_dict\(\)"),
        (print, DtypeError, "the top is a builtin_function"),
        (loop, ArgumentError, "contains itself"),
        (deep, ArgumentError, "too deeply"),
    ]
    for suffix in SUFFIXES:
        path = tmp_path / f"kept{suffix}"
        save({"old": np.ones(2)}, path)
        for obj, error, message in wrong:
            with pytest.raises(error, match=message):
                save(obj, path)
        assert (load(path)["old"].array == 1).all()
    assert len(list(tmp_path.iterdir())) == len(SUFFIXES)


@each
@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_save_keeps_the_old_file(tmp_path, monkeypatch, suffix, where, error):
    path = tmp_path / f"checkpoint{suffix}"
    save({"a": np.zeros(1000)}, path)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise error

    if where == "write":
        real = FORMATS[suffix].write

        def half(file, obj):
            real(file, obj)
            file.truncate(500)
            raise error

        monkeypatch.setattr(FORMATS[suffix], "write", half)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(type(error)):
        save({"a": np.ones(1000)}, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_such_folder_is_said_of_the_path_that_was_given(tmp_path):
    path = tmp_path / "nowhere" / "x.npz"
    with pytest.raises(FileNotFoundError) as caught:
        save({"x": np.ones(1)}, path)
    assert caught.value.filename == str(path) and str(path) in str(caught.value)


def test_atomic_write_keeps_a_symbolic_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


# ---------------------------------------------------------------- damaged files


def sample(path: Path) -> bytes:
    save(
        {
            "m": {"w": np.arange(6.0, dtype=np.float32).reshape(2, 3), "n": np.array(3)},
            "epoch": 3,
            "x": [None],
        },
        path,
    )
    return path.read_bytes()


@each
def test_every_truncation_is_noticed(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    whole = sample(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=rf"t\{suffix}.*; restore it"):
            load(path)


@settings(max_examples=300)
@given(st.data(), suffixes)
def test_mutations_load_or_raise_file_format_error(folder, data, suffix):
    path = folder / f"mutated{suffix}"
    damaged = bytearray(sample(path))
    for _ in range(data.draw(st.integers(1, 4), "mutations")):
        at = data.draw(st.integers(0, len(damaged) - 1), "at")
        piece = data.draw(st.binary(max_size=4), "piece")
        damaged[at : at + data.draw(st.integers(0, 4), "cut")] = piece
    path.write_bytes(damaged)
    loads_or_says_why(path)


@given(st.binary(max_size=200), suffixes, st.booleans())
def test_random_bytes_raise_file_format_error(folder, data, suffix, headed):
    path = folder / f"random{suffix}"
    heads = {".npz": b"PK\x03\x04", ".safetensors": len(data).to_bytes(8, "little"), ".pt": pytorch.MAGIC}
    path.write_bytes(heads[suffix] * headed + data)
    loads_or_says_why(path)


def loads_or_says_why(path):
    try:
        load(path)
    except FileFormatError as error:
        assert path.name in str(error)


numbers = st.integers(-2, 30) | st.sampled_from([2**31, 2**62, 2**63, 2**200, 1.5, True, None, "8"])
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*ours.DTYPES, "BF16", "F8_E4M3", "", None]),
        "shape": st.lists(numbers, max_size=3) | st.just([0, 2**63]) | st.just([1] * 70),
        "data_offsets": st.lists(numbers, min_size=2, max_size=2) | st.lists(numbers, max_size=3),
    }
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["a", "b", "__metadata__"]), entries | numbers, max_size=2),
    st.integers(0, 40),
)
def test_lying_safetensors_headers(folder, header, size):
    text = json.dumps(header).encode()
    path = folder / "lying.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    loads_or_says_why(path)


F = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
LIES = {
    "overlap": ({"a": F, "b": F}, 4, "starts at byte 0, but the one before it ends at 4"),
    "hole": (
        {"a": F, "b": F | {"data_offsets": [8, 12]}},
        12,
        "starts at byte 8, but the one before it ends at 4",
    ),
    "truncated": ({"a": F}, 3, "truncated or too long"),
    "too long": ({"a": F}, 5, "truncated or too long"),
    "shape": ({"a": F | {"shape": [2]}}, 4, r"has 4 bytes, its shape \(2,\) of float32 needs 8"),
    "huge": ({"a": F | {"shape": [2**70]}}, 4, "needs"),
    "dtype": ({"a": F | {"dtype": "F8_E5M2"}}, 4, "convert it to F16 or F32"),
    "negative": ({"a": F | {"shape": [-1]}}, 4, "where sizes are needed"),
    "bool": ({"a": F | {"shape": [True]}}, 4, "where sizes are needed"),
    "offsets": ({"a": F | {"data_offsets": [4, 0]}}, 4, r"instead of \[start, stop\]"),
    "extra": ({"a": F | {"more": 1}}, 4, "not described"),
    "metadata": ({"__metadata__": {"a": 1}}, 0, "object of strings"),
    "list": ([1], 0, "not a JSON object"),
    "skeleton": ({"__metadata__": {"tinygrad_cnn": '{"tensor":"a"}'}}, 0, "dangling"),
    "unmentioned": ({"__metadata__": {"tinygrad_cnn": "3"}, "a": F}, 4, "does not mention"),
    "deep": ({"__metadata__": {"tinygrad_cnn": "[" * 100_000}}, 0, "damaged|deeply"),
    "constants": ({"__metadata__": {"tinygrad_cnn": "NaN"}}, 0, "not JSON"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_wrong_with_a_safetensors_file_is_said(tmp_path, lie):
    header, size, message = LIES[lie]
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path / "x.safetensors")


def test_a_huge_header_and_a_name_twice(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes((2**63).to_bytes(8, "little") + b"{}")
    with pytest.raises(FileFormatError, match="truncated or no safetensors file"):
        load(path)
    text = b'{"a":%s,"a":%s}' % ((json.dumps(F).encode(),) * 2)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    with pytest.raises(FileFormatError, match="appears twice"):
        load(path)


def npy(array=None, header=None, data=b""):
    import io

    stream = io.BytesIO()
    if array is not None:
        np.lib.format.write_array(stream, array, allow_pickle=True)
    else:
        np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + data


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.npy", npy(np.array([print])), "not numbers"),
        ("a.npy", npy(np.array(["text"])), "not numbers"),
        ("a.npy", npy(np.zeros(2, "f4,f4")), "not numbers"),
        ("a.npy", npy(np.ones(3)) + b"more", "has 28 bytes"),
        ("a.npy", npy(np.ones(3))[:-1], "has 23 bytes"),
        ("a.npy", npy(header={"descr": "<f8", "fortran_order": False, "shape": (2**62, 8)}), "needs"),
        (
            "a.npy",
            npy(header={"descr": "<f8", "fortran_order": False, "shape": (2**40, 0, 2**40)}),
            "impossible",
        ),
        ("a.npy", b"\x93NUMPY\x01\x00\x05\x00{'a':", "damaged header"),
        ("a.npy", b"", "damaged header"),
        ("a.txt", b"hello", "no .npy array"),
        ("tinygrad_cnn.json", b"\xff", "utf-8"),
        ("tinygrad_cnn.json", b'{"dict":1}', "unknown or dangling"),
    ],
)
def test_what_is_wrong_with_an_npz_file_is_said(tmp_path, name, data, message):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, data)
    with pytest.raises(FileFormatError, match=message):
        load(path)


def test_an_npz_entry_cannot_claim_more_than_deflate_can_give(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy(np.zeros(10)))
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="impossible in"):
        load(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")

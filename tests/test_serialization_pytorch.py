"""PyTorch's files without PyTorch: what comes back, what stays shared, what is refused; nothing runs."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from contextlib import suppress
from io import BytesIO, StringIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn.creation import ones, zeros
from tinygrad_cnn.devices import device
from tinygrad_cnn.errors import ArgumentError, FileFormatError
from tinygrad_cnn.nn import BatchNorm2d, Conv2d, Linear, Sequential
from tinygrad_cnn.optim import Adam
from tinygrad_cnn.serialization import load, save
from tinygrad_cnn.serialization.arrays import CODES
from tinygrad_cnn.serialization.pickled import INSTRUCTIONS, call, dump, name, tuple_of
from tinygrad_cnn.serialization.pytorch import MAGIC
from tinygrad_cnn.tensor import Parameter


def saved(obj):
    file = BytesIO()
    save(obj, file)
    file.seek(0)
    return file


def again(obj):
    return load(saved(obj))


def archive(tree, *memories, compression=zipfile.ZIP_STORED, **others):
    """A file of PyTorch's with this pickle, without its first and last instruction."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", compression) as entries:
        entries.writestr("a/data.pkl", b"\x80\x02" + tree + b".")
        for i, memory in enumerate(memories):
            entries.writestr(f"a/data/{i}", memory)
        for key, data in others.items():
            entries.writestr(f"a/{key}", data)
    file.seek(0)
    return file


def memory(size=4, kind="torch FloatStorage", key="0", where="cpu"):
    return tuple_of(dump("storage"), name(kind), dump(key), dump(where), dump(size)) + b"Q"


def tensor(place, offset, shape, strides, requires_grad=False):
    numbers = (tuple_of(*map(dump, some)) for some in (shape, strides))
    hooks = call("collections OrderedDict")
    return call("torch._utils _rebuild_tensor_v2", place, dump(offset), *numbers, dump(requires_grad), hooks)


FOUR = np.arange(4, dtype="<f4").tobytes()

# ---------------------------------------------------------------- what comes back


def test_programs_keep_their_lines(tmp_path):
    model = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2))
    optimizer = Adam(model.parameters())
    model(ones(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.pth"
    save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}, path)
    checkpoint = load(path, map_location="cpu", weights_only=True)
    twin = Sequential(Conv2d(1, 2, 3), BatchNorm2d(2))
    twin.load_state_dict(checkpoint["model"])
    Adam(twin.parameters()).load_state_dict(checkpoint["optimizer"])
    assert all((a == b).all() for a, b in zip(model.parameters(), twin.parameters(), strict=True))
    assert checkpoint["epoch"] == 3


@pytest.mark.parametrize("file", ["model", "model.pt", "model.tar", "model.bin", "model.ckpt"])
def test_every_other_name_is_of_pytorchs_format(tmp_path, file):
    save({"x": ones(2)}, tmp_path / file)
    with zipfile.ZipFile(tmp_path / file) as entries:
        assert "archive/data.pkl" in entries.namelist()
    assert (load(tmp_path / file)["x"] == 1).all()


@given(st.sampled_from(CODES), st.permutations(range(3)), st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_arrays_keep_dtype_shape_and_the_order_of_their_axes(code, order, shape):
    array = np.arange(np.prod(shape)).astype(code).reshape(shape).transpose(order)
    back = again([array])[0].array
    assert back.dtype == array.dtype and np.array_equal(back, array) and back.dtype.isnative
    if array.size and 1 not in shape:
        assert back.strides == array.strides


def test_what_is_no_whole_memory_gets_its_own():
    base = np.arange(12.0).reshape(3, 4)
    views = [base[:, 1], base[::2], base[::-1], np.broadcast_to(base, (2, 3, 4)), base[1, 1:2]]
    back = again(views)
    assert all(np.array_equal(a, b.array) for a, b in zip(views, back, strict=True))
    assert all(b.array.flags.writeable for b in back) and len(saved(views).getvalue()) < 3000


def test_tied_weights_are_stored_once_and_stay_tied():
    weight = ones(1000, dtype=np.float32)
    file = saved({"a": weight, "b": weight.detach(), "matrix": weight.reshape(10, 100).T})
    assert len(file.getvalue()) < 6000
    back = load(file)
    back["a"][0] = 7.0
    assert back["b"][0] == 7 and back["matrix"][0, 0] == 7 and back["matrix"].shape == (100, 10)
    x = back["a"].requires_grad_()
    y = (x * x).sum()
    back["b"][0] = 1.0
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_parameters_and_gradients_stay():
    tree = [Parameter(ones(2)), Parameter(ones(2), requires_grad=False), ones(2, requires_grad=True), ones(2)]
    back = again(tree)
    assert [type(x) for x in back] == [type(x) for x in tree]
    assert [x.requires_grad for x in back] == [x.requires_grad for x in tree]
    assert all(x.is_leaf for x in again([ones(2, requires_grad=True) * 2]))


def test_values_beside_tensors():
    tree = {
        "number": [0, -1, 2**31, -(2**31) - 1, 2**3000, 1.5, True, np.int8(3), 1 + 2j],
        "text": ["", "\ud800", "ü" * 300, b"", bytes(range(256))],
        "set": {1, "a", (2, 3)},
        ("key", 1): OrderedDict([(1.5, None), (None, ()), (b"x", ((((1,),),),))]),
        "kind": [np.dtype("float32"), np.dtype("uint16"), np.dtype("bool"), device("cpu")],
    }
    back = again(tree)
    assert back == tree and list(back) == list(tree) and type(back["key", 1]) is OrderedDict
    assert type(back["number"][7]) is int and back["kind"][0] is np.dtype("float32")


@pytest.mark.parametrize("limit", [zipfile.ZIP64_LIMIT, 20], ids=["small", "large"])
def test_memory_is_aligned_and_the_same_bytes_come_of_the_same_content(monkeypatch, limit):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    tree = {f"x{i}": np.ones(i + 1, np.float32) for i in range(9)}
    data = saved(tree).getvalue()
    assert data == saved(tree).getvalue()
    with zipfile.ZipFile(BytesIO(data)) as entries:
        for info in entries.infolist():
            name, extra = struct.unpack("<HH", data[info.header_offset + 26 : info.header_offset + 30])
            assert (info.header_offset + 30 + name + extra) % 64 == 0
    assert all((load(BytesIO(data))[key].array == 1).all() for key in tree)


# ---------------------------------------------------------------- file objects


def test_file_objects(tmp_path):
    with open(tmp_path / "x", "w+b") as file:
        file.write(b"before")
        save([ones(2)], file)
        file.seek(6)
        assert (load(file)[0] == 1).all()
    file = BytesIO()
    save([1], file)
    with pytest.raises(FileFormatError, match=r"seek\(0\)"):
        load(file)
    for wrong in (StringIO(), 3, None, ones(2)):
        for use in (load, lambda f: save([1], f)):
            with pytest.raises(ArgumentError, match="neither a path nor a file"):
                use(wrong)


def test_a_file_that_can_only_be_written_to():
    class Pipe:
        data = b""

        def write(self, data):
            self.data += bytes(data)
            return len(data)

        def flush(self):
            pass

    pipe = Pipe()
    save([ones(2)], pipe)
    assert (load(BytesIO(pipe.data))[0] == 1).all()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
@pytest.mark.parametrize("tree", [{"x": np.ones(2)}, {"x": [np.ones(2), 3]}, [1], {}])
def test_the_content_says_the_format(tmp_path, suffix, tree):
    path = tmp_path / f"x{suffix}"
    save(tree, path)
    wanted = load(path)
    (tmp_path / "other").write_bytes(path.read_bytes())
    for f in (BytesIO(path.read_bytes()), tmp_path / "other"):
        assert str(load(f)) == str(wanted)


def test_where_tensors_were_makes_no_difference():
    file = archive(tensor(memory(where="cuda:1"), 0, (4,), (1,)), FOUR)
    for place in (None, "cpu", device("cpu"), lambda memory, where: memory, {"cuda:1": "cpu"}):
        file.seek(0)
        assert load(file, place).array.tolist() == [0, 1, 2, 3]
    for place in ("cuda", {"cpu": "cuda:0"}):
        with pytest.raises(ArgumentError, match="no device cuda"):
            load(file, place)


# ---------------------------------------------------------------- what PyTorch may write


def test_views_strides_and_old_ways():
    grad = tensor(memory(), 1, (3,), (1,), True)
    bf = memory(2, "torch BFloat16Storage", "1")
    hooks = call("collections OrderedDict")
    tree = {
        "view": tensor(memory(), 1, (3,), (1,)),
        "turned": tensor(memory(), 0, (2, 2), (1, 2)),
        "number": tensor(memory(), 3, (), ()),
        "empty": tensor(memory(), 4, (0, 2), (2, 1)),
        "repeated": tensor(memory(), 2, (2, 3), (0, 0)),
        "windows": tensor(memory(), 0, (3, 2), (1, 1)),
        "grad": grad,
        "bfloat16": tensor(bf, 0, (2,), (1,)),
        "first": call("torch._utils _rebuild_tensor", memory(), dump(0), b"K\x04\x85", b"K\x01\x85"),
        "bits": call(
            "torch._utils _rebuild_tensor_v3", memory(2, "torch.storage UntypedStorage", "2"), dump(0),
            b"K\x01\x85", b"K\x01\x85", dump(False), hooks, name("torch uint16"),
        ),
        "state": call(
            "torch._utils _rebuild_parameter_with_state", grad.replace(b"\x88", b"\x89"), b"\x88", hooks, b"}"
        ),
        "attributes": call(
            "torch._tensor _rebuild_from_type_v2", name("torch._utils _rebuild_tensor_v2"),
            name("torch Tensor"),
            tuple_of(memory(), dump(0), b"K\x01\x85", b"K\x01\x85", dump(False), hooks), b"}",
        ),
        "Python 2": call("collections OrderedDict", b"](](U\x01aK\x01ee"),
        "dtype": name("torch bfloat16"),
        "shape": call("torch Size", b"K\x01K\x02\x86"),
        "device": call("torch device", dump("cuda"), dump(1)),
    }  # fmt: skip
    pushed = hooks + b"(" + b"".join(dump(key) + value for key, value in tree.items()) + b"u"
    metadata = b"}" + dump("_metadata") + b"}s" + b"b"
    back = load(archive(pushed + metadata, FOUR, b"\x80\x3f\x00\xc0", b"\x01\x02"))
    assert back["view"].array.tolist() == [1, 2, 3] and back["turned"].array.tolist() == [[0, 2], [1, 3]]
    assert back["number"].item() == 3 and back["empty"].shape == (0, 2)
    assert back["repeated"].array.tolist() == [[2] * 3] * 2
    assert back["windows"].array.tolist() == [[0, 1], [1, 2], [2, 3]]
    for key in ("repeated", "windows"):
        with pytest.raises(RuntimeError, match=r"use \.clone\(\)"):
            back[key] += 1
    assert back["grad"].requires_grad and back["bfloat16"].array.tolist() == [1, -2]
    assert back["bfloat16"].dtype == np.float32 == back["dtype"]
    assert back["first"].shape == (4,) and back["bits"].array.tolist() == [0x201]
    assert type(back["state"]) is Parameter and back["state"].requires_grad
    assert back["attributes"].shape == (1,) and back["Python 2"] == {"a": 1}
    assert back["shape"] == (1, 2) and back["device"] == device("cpu")
    back["view"][0] = 9.0
    assert back["turned"][1, 0] == 9 and back["first"][1] == 9


def test_the_order_of_bytes():
    big = np.arange(4, dtype=">f4").tobytes()
    assert load(archive(tensor(memory(), 0, (4,), (1,)), big, byteorder="big")).array.tolist() == [0, 1, 2, 3]
    with pytest.raises(FileFormatError, match="order of its bytes is 'middle'"):
        load(archive(b"N", byteorder="middle"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_newer_pickles(protocol):
    tree = {"a": [1, 2.5, "text", None, True, (1, 2, 3, 4)], 5: OrderedDict(x=2**70)}
    assert load(archive(pickle.dumps(tree, protocol)[2:-1])) == tree


def old(tree, keys, *memories, version=1001):
    parts = [dump(version), b"}" + dump("little_endian") + b"\x88s", tree, b"](" + b"".join(keys) + b"e"]
    return BytesIO(MAGIC + b"".join(b"\x80\x02" + part + b"." for part in parts) + b"".join(memories))


def test_files_before_1_6():
    place = memory().replace(b"tQ", b"NtQ")
    four = (4).to_bytes(8, "little") + FOUR
    whole = old(
        tuple_of(tensor(place, 0, (4,), (1,)), tensor(place, 2, (2,), (1,))),
        [dump("0")],
        four,
    )
    a, b = load(whole)
    assert a.array.tolist() == [0, 1, 2, 3] and b.array.tolist() == [2, 3]
    b[0] = 5.0
    assert a[2] == 5
    data = whole.getvalue()
    for length in range(1, len(data)):
        with pytest.raises(FileFormatError):
            load(BytesIO(data[:length]))
    for wrong in (
        old(b"N", [dump("0")], four),
        old(tensor(place, 0, (4,), (1,)), [], four),
        old(tensor(place, 0, (4,), (1,)), [b"K\x01"], four),
        old(tensor(place, 0, (4,), (1,)), [dump("0")], (3).to_bytes(8, "little") + FOUR),
        old(b"N", [], version=1000),
    ):
        with pytest.raises(FileFormatError):
            load(wrong)


# ---------------------------------------------------------------- what is refused


class Evil:
    def __reduce__(self):
        return os.mkdir, ("broken-in",)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("options", [{}, {"weights_only": False}])
def test_no_pickle_runs(tmp_path, monkeypatch, protocol, options):
    monkeypatch.chdir(tmp_path)
    for tree in (Evil(), {"x": [Evil()]}, Linear(1, 1), print, Evil):
        with pytest.raises(FileFormatError, match=r"asks for \w+\.\w+.*save model\.state_dict\(\) instead"):
            load(archive(pickle.dumps(tree, protocol)[2:-1]), **options)
    assert not list(tmp_path.iterdir())


ONE = tensor(memory(), 0, (4,), (1,))
WRONG = {
    "offset": (tensor(memory(), 1, (4,), (1,)), r"\(4,\) that ends at 4 in a memory of 4"),
    "strides": (tensor(memory(), 0, (2, 2), (3, 1)), "ends at 4"),
    "huge": (tensor(memory(), 0, (2**40, 2**40), (2**40, 1)), "ends at"),
    "expanded": (tensor(memory(), 0, (2**40, 2**40), (0, 0)), "damaged"),
    "negative": (tensor(memory(), 0, (4,), (-1,)), "impossible"),
    "before": (tensor(memory(), -1, (4,), (1,)), "impossible"),
    "axes": (tensor(memory(), 0, (1,) * 33, (1,) * 33), "33 axes"),
    "no strides": (tensor(memory(), 0, (4,), ()), "1 axes and 0 strides"),
    "fraction": (tensor(memory(), 0.5, (4,), (1,)), "impossible"),
    "too much": (tensor(memory(2**40), 0, (4,), (1,)), "more than there are"),
    "short": (tensor(memory(5), 0, (4,), (1,)), "not a whole archive"),
    "missing": (tensor(memory(key="7"), 0, (4,), (1,)), "there is no data/7"),
    "outside": (tensor(memory(key="../../0"), 0, (4,), (1,)), "there is no data/../../0"),
    "two kinds": (b"(" + ONE + tensor(memory(4, "torch IntStorage"), 0, (1,), (1,)) + b"t", "two kinds"),
    "complex": (tensor(memory(1, "torch ComplexFloatStorage"), 0, (1,), (1,)), "asks for torch.ComplexFl"),
    "no kind": (tensor(memory(1, "torch float32"), 0, (1,), (1,)), "no memory"),
    "gradient": (tensor(memory(4, "torch IntStorage"), 0, (4,), (1,), True), "requires_grad"),
    "flag": (tensor(memory(), 0, (4,), (1,), 1), "neither True nor False"),
    "memory": (memory(), "holds a memory"),
    "function": (b"}" + name("torch Size") + b"Ns", "holds a function"),
    "class": (b"](" + name("torch FloatStorage") + b"e", "holds a kind"),
    "key": (b"}]Ns", "list is no key"),
    "deep key": (b"}" + b")" + b"\x85" * 1000 + b"Ns", "tuple is no key"),
    "item": (b"NNNs", "only a dict"),
    "odd": (b"}(Nu", "zip"),
    "append": (b"}Na", "only a list"),
    "attributes": (b"}}b", "only an OrderedDict"),
    "call": (b"N)R", "no function"),
    "arguments": (call("torch Size", b"N", b"N"), "damaged"),
    "method": (b"\x8c\x05torch\x8c\x04Size\x93\x94)\x81", "NEWOBJ is not known"),
    "memo": (b"h\x00", "damaged"),
    "underflow": (b"\x87", "damaged"),
    "mark": (b"N(", "too early"),
    "two": (b"NN", "too early"),
    "text": (b"X\xff\xff\xff\x7fabc", "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    tree, message = WRONG[case]
    with pytest.raises(FileFormatError, match=message):
        load(archive(tree, FOUR))


def test_what_is_wrong_with_an_archive_is_said():
    for file, message in [
        (archive(ONE, FOUR, compression=zipfile.ZIP_DEFLATED), "compressed"),
        (archive(ONE, FOUR, **{"constants.pkl": b""}), "a program"),
        (archive(ONE, FOUR, **{"b/data.pkl": b""}), "no data.pkl"),
        (BytesIO(b"GIF89a.........."), "begins with b'GIF89a"),
    ]:
        with pytest.raises(FileFormatError, match=message):
            load(file)
    data = bytearray(archive(ONE, bytes(4000)).getvalue())
    place = data.rindex(b"PK\x01\x02")
    data[place + 20 : place + 28] = struct.pack("<II", 2**31 - 8, 2**31 - 8)
    with pytest.raises(FileFormatError, match="more bytes than the file has"):
        load(BytesIO(data))


def test_few_bytes_stay_few():
    """Neither the text of what is nested, nor copies of copies, nor depth fills the memory or ends Python."""
    laughs = b")q\x00" + b"h\x00h\x00\x86q\x00" * 60
    for pickle_ in (
        laughs + laughs + b"\x93",
        tuple_of(laughs, laughs, laughs, laughs, laughs) + b"Q",
        call("torch Size", laughs[:-2]),
        tensor(laughs, 0, (1,), (1,)),
    ):
        with pytest.raises(FileFormatError):
            load(archive(pickle_))
    many = b"](" + b"K\x01" * 1000 + b"eq\x00"
    with pytest.raises(FileFormatError, match="copies more"):
        load(archive(b"(" + many + (name("builtins set") + b"h\x00\x85R") * 1000 + b"t"))
    deep = load(archive(b"]" * 100_000 + b"a" * 99_999))
    assert len(deep) == 1
    tied = load(archive(b"]q\x00h\x00a"))
    assert tied[0] is tied


# ---------------------------------------------------------------- damage

SAMPLE = saved(
    {"m": OrderedDict(w=Parameter(ones(2, 3)), n=zeros((), dtype=np.int64)), "x": [None, {1}, 2.5]}
)


def loads_or_says_why(file):
    with suppress(FileFormatError):
        str(load(file))


@st.composite
def mutated(draw, data):
    damaged = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(damaged)))
        damaged[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(damaged)


@settings(max_examples=300)
@given(st.data())
def test_damaged_pickles(data):
    with zipfile.ZipFile(SAMPLE) as entries:
        tree, *memories = (entries.read(f"archive/{key}") for key in ("data.pkl", "data/0", "data/1"))
    loads_or_says_why(archive(data.draw(mutated(tree[2:-1])), *memories))


CODES_OF = {code.name: code.code.encode("latin-1") for code in pickletools.opcodes}
ARGUMENTS = {
    "BININT": st.sampled_from([0, 1, 4, -1, 2**31 - 1]).map(lambda n: struct.pack("<i", n)),
    "BINUNICODE": st.sampled_from(["storage", "0", "latin1", "torch", "Size"]).map(lambda s: dump(s)[1:]),
    "BINPUT": st.sampled_from([b"\x00", b"\x01"]),
    "BINGET": st.sampled_from([b"\x00", b"\x01"]),
    "GLOBAL": st.sampled_from(
        ["torch Size", "torch FloatStorage", "collections OrderedDict", "builtins set", "os system",
         "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter",
         "torch._tensor _rebuild_from_type_v2"]
    ).map(lambda path: name(path)[1:]),
}  # fmt: skip
PLAIN = [key for key in INSTRUCTIONS if not pickletools.code2op[CODES_OF[key].decode("latin-1")].arg]
PIECES = [
    *(st.just(CODES_OF[key]) for key in PLAIN if key != "STOP"),
    *(arg.map(lambda data, code=CODES_OF[key]: code + data) for key, arg in ARGUMENTS.items()),
    st.sampled_from([ONE, memory(), call("collections OrderedDict"), b"K\x01\x85", tuple_of(ONE)]),
]


@settings(max_examples=500)
@given(st.lists(st.one_of(PIECES), max_size=12).map(b"".join))
def test_any_program_loads_or_says_why(tree):
    loads_or_says_why(archive(tree, FOUR))


@settings(max_examples=200)
@given(st.data())
def test_damaged_old_files(data):
    whole = old(tensor(memory(), 1, (2,), (1,)), [dump("0")], (4).to_bytes(8, "little") + FOUR)
    loads_or_says_why(BytesIO(data.draw(mutated(whole.getvalue()))))

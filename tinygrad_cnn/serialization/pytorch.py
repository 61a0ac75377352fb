"""PyTorch's own files, read and written without PyTorch, and without running what is in them.

A file is a stored archive: `data.pkl` is the tree, in pickle's language (see `pickled`), `data/0`, `data/1`,
... are the memory of its tensors.  A tensor is a view of such memory, by offset, shape and strides, so that
tensors that share memory do so again.  Files of PyTorch before 1.6, one pickle after the other and then the
memory, are read too.
"""

from __future__ import annotations

import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from ..devices import device
from ..errors import ArgumentError, DtypeError, FileFormatError
from ..tensor import Parameter, Tensor
from .archive import entry, read_archive
from .arrays import CURE, storable
from .pickled import call, dump, execute, is_key, name, tuple_of
from .rebuild import CLASSES, DTYPES, NAMES, Memories
from .tree import enter, no_place, simple

__all__ = ["read", "write"]

ALIGNED = 64  # bytes: where the memory of a tensor may begin, as PyTorch has it
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files before 1.6 begin
# What a tree may be made of, once it is read.
LEAVES = (type(None), bool, int, float, complex, str, bytes, np.dtype, device, Tensor)


# ---------------------------------------------------------------- reading


def read(file: BinaryIO, path: str) -> Any:
    """The tree in a file of PyTorch's; tensors that shared memory share it again."""
    head = file.read(len(MAGIC))
    file.seek(0)
    if head == MAGIC:
        return _read_old(file, path)
    if len(head) > 1 and head[:2] != b"PK":
        raise FileFormatError(
            f"{path}: it begins with {head[:8]!r}, as neither PyTorch's files do, nor .npz or .safetensors; "
            "save the weights in one of these formats"
        )
    with read_archive(file, path, "archive of PyTorch") as archive:
        infos = {info.filename: info for info in archive.infolist()}
        roots = [key.removesuffix("data.pkl") for key in infos if key.endswith("/data.pkl")]
        if len(roots) != 1:
            raise FileFormatError(f"{path}: there is no data.pkl in it, where PyTorch has the tree; {CURE}")
        (root,) = roots
        if root + "constants.pkl" in infos:
            raise FileFormatError(
                f"{path}: it is a program (torch.jit.save), and no program is run; save its state_dict()"
            )
        if any(info.compress_type or info.compress_size != info.file_size for info in infos.values()):
            raise FileFormatError(f"{path}: its entries are compressed; pack them again without compression")
        room = file.seek(0, 2)
        if sum(info.file_size for info in infos.values()) > room:
            raise FileFormatError(f"{path}: its entries claim more bytes than the file has; {CURE}")

        def content(key: str) -> bytes:
            if root + key not in infos:
                raise FileFormatError(f"{path}: there is no {key[:80]} in it; {CURE}")
            return archive.read(root + key)

        order = content("byteorder").decode("ascii") if root + "byteorder" in infos else "little"
        memories = Memories(order, room)
        pickle = content("data.pkl")
        tree = execute(BytesIO(pickle), path, NAMES, memories.find, len(pickle))
        for key, memory in memories.items():
            memory.fill(content(f"data/{key}"))
        return _finished(tree, path)


def _read_old(file: BinaryIO, path: str) -> Any:
    """A file of PyTorch before 1.6: version, machine, tree, names of its memory; then this memory.

    It is little-endian, whatever the machine was.
    """
    room = file.seek(0, 2)
    file.seek(len(MAGIC))
    memories = Memories("little", room)

    def value(names: Mapping[str, Any]) -> Any:
        return execute(file, path, names, memories.find, room)

    version, machine = value({}), value({})
    if type(version) is not int or version != 1001 or type(machine) is not dict:
        raise FileFormatError(
            f"{path}: of a version of PyTorch that is not known; save it again with a newer one"
        )
    tree, order = value(NAMES), value({})
    if (
        type(order) is not list
        or any(type(key) is not str for key in order)
        or sorted(order) != sorted(memories)
    ):
        raise FileFormatError(f"{path}: its memory is not that of its tensors; {CURE}")
    for key in order:
        memory = memories[key]
        count, data = int.from_bytes(file.read(8), "little"), file.read(memory.nbytes)
        if count != memory.size or len(data) != memory.nbytes:
            raise FileFormatError(f"{path}: truncated: the memory {key[:40]} is not whole; {CURE}")
        memory.fill(data)
    return _finished(tree, path)


def _finished(tree: Any, path: str) -> Any:
    """The tree, in which nothing is left of how it was made."""
    todo, seen = [tree], set()
    while todo:
        value = todo.pop()
        if isinstance(value, (dict, list, tuple, set)):
            if id(value) not in seen:
                seen.add(id(value))
                todo.extend(value)
                todo.extend(value.values() if isinstance(value, dict) else ())
        elif not isinstance(value, LEAVES):
            raise FileFormatError(
                f"{path}: it holds a {type(value).__name__.lower()} where a value should be; "
                "where it was made, save tensors, numbers and strings"
            )
    return tree


# ---------------------------------------------------------------- writing


def write(file: BinaryIO, obj: Any) -> None:
    """An archive that `torch.load(weights_only=True)` reads; arrays over the same memory are stored once."""
    writer = Writer()
    try:
        tree = b"\x80\x02" + writer.value(obj, "", frozenset()) + b"."
    except RecursionError:
        raise ArgumentError("save: the tree is nested too deeply; flatten it") from None
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:

        def put(key: str, data: Any) -> None:
            info = entry(f"archive/{key}")
            large = 20 if len(data) * 1.05 > zipfile.ZIP64_LIMIT else 0  # bytes that zipfile adds
            begin = archive.start_dir + 30 + len(info.filename) + 4 + large
            info.extra = b"FB" + struct.pack("<H", -begin % ALIGNED) + bytes(-begin % ALIGNED)
            archive.writestr(info, data)

        put("data.pkl", tree)
        put("byteorder", b"little")
        for number, memory in writer.memories.values():
            put(f"data/{number}", memory.view(np.uint8))
        put("version", b"3\n")


class Writer:
    """The instructions that make a tree again, and the memory of its tensors."""

    def __init__(self) -> None:
        self.memories: dict[Any, tuple[int, np.ndarray]] = {}  # place -> number, values

    def value(self, value: Any, where: str, outer: frozenset[int]) -> bytes:
        """The instructions that push this value."""
        if isinstance(value, (Tensor, np.ndarray)):
            return self.tensor(value, where)
        value = simple(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return dump(value)
        if isinstance(value, complex):
            return call("__builtin__ complex", dump(value.real), dump(value.imag))
        if isinstance(value, bytes):
            return call("_codecs encode", dump(value.decode("latin-1")), dump("latin1"))
        if isinstance(value, np.dtype) and value in DTYPES.values():
            return name(f"torch {value.name}")
        if isinstance(value, device):
            return call("torch device", dump("cpu"))
        if not isinstance(value, (Mapping, list, tuple, set)):
            raise no_place(value, where)
        outer = enter(value, where, outer)
        if isinstance(value, Mapping):
            items = [self.item(key, entry, where, outer) for key, entry in value.items()]
            start = call("collections OrderedDict") if isinstance(value, OrderedDict) else b"}"
            return start + b"(" + b"".join(items) + b"u"
        if isinstance(value, set):
            entries = [self.key(entry, where) for entry in value]
        else:
            entries = [self.value(entry, f"{where}[{i}]", outer) for i, entry in enumerate(value)]
        if isinstance(value, tuple):
            return tuple_of(*entries)
        pushed = b"](" + b"".join(entries) + b"e"
        return call("__builtin__ set", pushed) if isinstance(value, set) else pushed

    def item(self, key: Any, entry: Any, where: str, outer: frozenset[int]) -> bytes:
        return self.key(key, where) + self.value(entry, f"{where}[{key!r}]", outer)

    def key(self, key: Any, where: str) -> bytes:
        """Of a dict, or in a set."""
        if not is_key(key):
            raise DtypeError(
                f"save: the {type(key).__name__} {key!r:.40} at {where or 'the top'} is a key or in a set; "
                "use strings, numbers, and tuples of them"
            )
        return self.value(key, where, frozenset())

    def tensor(self, value: Tensor | np.ndarray, where: str) -> bytes:
        """A view of some memory, from the first of its numbers on."""
        memory, shape, strides = dense(storable(value, where))
        dtype = memory.dtype.name
        place = (memory.__array_interface__["data"][0], memory.nbytes, dtype)
        number, _ = self.memories.setdefault(place, (len(self.memories), memory))
        hooks = call("collections OrderedDict")
        learned = isinstance(value, Parameter)
        requires_grad = isinstance(value, Tensor) and value.requires_grad
        kind = f"torch {CLASSES[dtype]}" if dtype in CLASSES else "torch.storage UntypedStorage"
        size = memory.size if dtype in CLASSES else memory.nbytes
        parts = [
            tuple_of(dump("storage"), name(kind), dump(str(number)), dump("cpu"), dump(size)) + b"Q",
            dump(0),
            tuple_of(*map(dump, shape)),
            tuple_of(*map(dump, strides)),
            dump(requires_grad and not learned),
            hooks,
        ]
        if dtype in CLASSES:
            made = call("torch._utils _rebuild_tensor_v2", *parts)
        else:
            made = call("torch._utils _rebuild_tensor_v3", *parts, name(f"torch {dtype}"))
        if learned:
            made = call("torch._utils _rebuild_parameter", made, dump(requires_grad), hooks)
        return made


def dense(array: np.ndarray) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """The numbers in a row, the shape, and how far apart they are along each axis.

    An array that fills its memory, in whatever order of axes, stays where it is; another one is copied.
    """
    axes = list(range(array.ndim))
    if not array.flags.c_contiguous:
        axes.sort(key=lambda axis: -array.strides[axis])
        if not array.transpose(axes).flags.c_contiguous:
            array, axes = array.copy("C"), sorted(axes)
    strides, step = [0] * array.ndim, 1
    for axis in reversed(axes):
        strides[axis], step = step, step * max(array.shape[axis], 1)
    return array.transpose(axes).reshape(-1), array.shape, tuple(strides)

"""`save` and `load`: which format it is; each has its file, which is imported when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO, TextIOBase
from pathlib import Path
from typing import Any, BinaryIO

from ..devices import check_device
from ..errors import ArgumentError, FileFormatError
from ..files import atomic_write

__all__ = ["load", "save"]

#: suffix -> the module of this package that reads and writes it; everything else is PyTorch's, as there
SUFFIXES = {".npz": "npz", ".safetensors": "safetensors"}


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO, *, pickle_protocol: int = 2) -> None:
    """Write a state dict, or a tree of dicts, lists and tuples; a path's suffix says the format.

    That is .npz, .safetensors, or for all other names, such as .pt and .pth, and for file objects PyTorch's.
    Leaves may be Tensors, arrays, numbers, strings, booleans and None; in PyTorch's format also Parameters
    that stay such, dtypes, bytes, complex numbers and sets.  An old file stays whole until the new one is.

    Args:
        f: a path, or a file opened for writing bytes.
        pickle_protocol: PyTorch's; what is written is protocol 2, which all can read.

    Raises:
        ArgumentError: a tree that contains itself, a file of text.
        DtypeError: a value that cannot be stored without pickle; says where in the tree it is.

    >>> import tempfile
    >>> import tinygrad_cnn as tg
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.pt"
    >>> save({"model": {"weight": tg.ones(2)}, "epoch": 3}, path)
    >>> load(path)
    {'model': {'weight': tensor([1., 1.])}, 'epoch': 3}
    """
    if not isinstance(f, (str, os.PathLike)):
        _check_file("save", f, "write")
        _format("pytorch").write(f, obj)
        return
    write = _format(SUFFIXES.get(Path(f).suffix.lower(), "pytorch")).write
    with atomic_write(f) as file:
        write(file, obj)


def load(
    f: str | os.PathLike[str] | BinaryIO, map_location: Any = None, *, weights_only: bool = True,
    mmap: bool | None = None,
) -> Any:  # fmt: skip
    """Read what `save` wrote, what `torch.save` wrote, any .npz of numbers, or any .safetensors file.

    Arrays come back as Tensors of their own memory, which need no gradient; those of PyTorch's format share
    memory and need gradients as they did.  bfloat16 is widened to float32.

    Args:
        f: a path, or a file opened for reading bytes; where no suffix says it, the content says the format.
        map_location: anything that leads to the CPU; wherever tensors were, they come to the CPU.
        weights_only: nothing else is ever loaded.
        mmap: changes nothing; all is read.

    Raises:
        ArgumentError: another device, a file of text.
        FileFormatError: the file is truncated, corrupted, of another kind, or asks for more than tensors,
            numbers and strings, as a whole model does; says what is wrong.
    """
    if not callable(map_location):
        for place in map_location.values() if isinstance(map_location, Mapping) else [map_location]:
            check_device("load", place)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _read(file, os.fspath(f))
    _check_file("load", f, "read")
    rest = f.read()
    if not rest:
        raise FileFormatError("load: there is nothing more in this file object; call seek(0) to begin anew")
    return _read(BytesIO(rest), f"<{type(f).__name__}>")


def _check_file(op: str, f: Any, method: str) -> None:
    if isinstance(f, TextIOBase) or not hasattr(f, method):
        raise ArgumentError(
            f'{op}: {f!r:.60} is neither a path nor a file opened for bytes; use open(path, "{method[0]}b")'
        )


def _format(name: str) -> Any:
    return import_module(f".{name}", __package__)


def _read(file: BinaryIO, path: str) -> Any:
    name = SUFFIXES.get(Path(path).suffix.lower())
    if name is None:
        head = file.read(9)
        file.seek(0)
        name = "safetensors" if head[8:] == b"{" else "npz" if head[:2] == b"PK" else "pytorch"
        if name == "npz" and not _format("npz").is_one(file):
            name = "pytorch"
        file.seek(0)
    return _format(name).read(file, path)

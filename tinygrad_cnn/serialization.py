"""Save and load: state dicts and checkpoints as `.npz` or `.safetensors`.  Never pickle.

A flat dict of arrays is an ordinary file of its format: `numpy.load` and the safetensors library read it, and
theirs load here.  Anything nested, such as `{"model": ..., "optimizer": ..., "epoch": 3}`, is stored as
the same arrays plus a *skeleton*: the tree in JSON, in which `{"tensor": name}` stands for an array.  It lies
in the archive as `tinygrad_cnn.json`, or in the safetensors header as the metadata entry `tinygrad_cnn`.

    skeleton = null | true | false | integer | number | string | [skeleton, ...]
             | {"float": "nan" | "inf" | "-inf"} | {"tuple": [skeleton, ...]} | {"tensor": name}
             | {"dict": {string: skeleton, ...}} | {"items": [[key, skeleton], ...]}  (keys not all strings)

A file is replaced only by a complete new one (`files.atomic_write`), and every number in a file is
checked before it is used.  Format of safetensors: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .creation import from_numpy
from .devices import check_device
from .errors import ArgumentError, DtypeError, FileFormatError
from .files import atomic_write
from .tensor import Tensor

__all__ = ["load", "save"]

#: safetensors' names of the dtypes both formats may hold
DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "U32": "<u4",
    "I32": "<i4",
    "U64": "<u8",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
SKELETON = "tinygrad_cnn"
HEADER_LIMIT = 100_000_000  # bytes, the safetensors library's own
CURE = "restore it from a copy or save it again"


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write a state dict, or a tree of dicts, lists and tuples, to `path`; its suffix says the format.

    Leaves may be Tensors, arrays, numbers, strings, booleans and None.  The old file stays whole until the
    new one is.

    Raises:
        ArgumentError: another suffix than .npz or .safetensors, or a tree that contains itself.
        DtypeError: a value that cannot be stored without pickle; says where in the tree it is.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
    >>> save({"model": {"weight": np.ones(2, np.float32)}, "epoch": 3}, path)
    >>> load(path)["model"]["weight"].array.tolist(), load(path)["epoch"]
    ([1.0, 1.0], 3)
    """
    write = _by_suffix(path, "save", write_npz, write_safetensors)
    tensors, skeleton = _take_apart(obj)
    with atomic_write(path) as file:
        write(file, tensors, skeleton)


def load(path: str | os.PathLike[str], map_location: Any = None, *, weights_only: bool = True) -> Any:
    """Read what `save` wrote, or any .npz of numbers, or any .safetensors file.

    Arrays come back as Tensors of their own memory, which need no gradient.  bfloat16 is widened to float32.

    Args:
        map_location: None or the CPU.
        weights_only: nothing else is ever loaded.

    Raises:
        ArgumentError: another suffix than .npz or .safetensors, another device.
        FileFormatError: the file is truncated, corrupted, or of another kind; says what is wrong.
    """
    check_device("load", map_location)
    read = _by_suffix(path, "load", read_npz, read_safetensors)
    with open(path, "rb") as file:
        tensors, skeleton = read(file, os.fspath(path))
    loaded = {name: from_numpy(array) for name, array in tensors.items()}
    return loaded if skeleton is None else _put_together(skeleton, loaded, os.fspath(path))


def _by_suffix(path: str | os.PathLike[str], op: str, npz: Any, safetensors: Any) -> Any:
    suffix = Path(path).suffix.lower()
    if suffix not in (".npz", ".safetensors"):
        raise ArgumentError(
            f"{op}: {os.fspath(path)!r} ends in {suffix!r}; use a name ending in .npz or .safetensors"
        )
    return npz if suffix == ".npz" else safetensors


# ---------------------------------------------------------------- the tree and its skeleton


def _take_apart(obj: Any) -> tuple[dict[str, np.ndarray], str | None]:
    """The arrays of a tree by name, and the JSON of the rest; None for a flat dict of arrays."""
    import json

    if isinstance(obj, Mapping) and all(
        isinstance(key, str) and _is_plain(key) and isinstance(value, (Tensor, np.ndarray))
        for key, value in obj.items()
    ):
        return {key: _storable(value, f"[{key!r}]") for key, value in obj.items()}, None
    tensors: dict[str, np.ndarray] = {}
    try:
        skeleton = json.dumps(_skeleton(obj, "", "", tensors, set()), allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ArgumentError("save: the tree is nested too deeply; flatten it") from None
    return tensors, skeleton


def _skeleton(value: Any, where: str, name: str, tensors: dict[str, np.ndarray], outer: set[int]) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        if not _is_plain(name) or name in tensors:
            name = next(f"tensor.{i}" for i in range(len(tensors) + 1) if f"tensor.{i}" not in tensors)
        tensors[name] = _storable(value, where)
        return {"tensor": name}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if not isinstance(value, (Mapping, list, tuple)):
        raise DtypeError(
            f"save: the value at {where or 'the top'} is a {type(value).__name__}, which needs pickle; "
            "use Tensors, arrays, numbers, strings, None, and dicts, lists and tuples of them"
        )
    if id(value) in outer:
        raise ArgumentError(f"save: the {type(value).__name__} at {where} contains itself; a file cannot")
    outer = outer | {id(value)}

    def inner(key: Any, entry: Any) -> Any:
        return _skeleton(entry, f"{where}[{key!r}]", f"{name}.{key}".lstrip("."), tensors, outer)

    if not isinstance(value, Mapping):
        entries = [inner(i, entry) for i, entry in enumerate(value)]
        return entries if isinstance(value, list) else {"tuple": entries}
    for key in value:
        if not isinstance(key, (str, int)):
            raise DtypeError(
                f"save: the dict at {where or 'the top'} has the key {key!r} of type {type(key).__name__}; "
                "use strings or integers"
            )
    if all(isinstance(key, str) for key in value):
        return {"dict": {key: inner(key, entry) for key, entry in value.items()}}
    return {"items": [[key, inner(key, entry)] for key, entry in value.items()]}


def _put_together(text: str, tensors: dict[str, Tensor], path: str) -> Any:
    unused = set(tensors)

    def build(node: Any) -> Any:
        if isinstance(node, list):
            return [build(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            kind, value = next(iter(node.items()))
            if kind == "tensor" and isinstance(value, str) and value in tensors:
                unused.discard(value)
                return tensors[value]
            if kind == "float" and value in ("nan", "inf", "-inf"):
                return float(value)
            if kind == "tuple" and isinstance(value, list):
                return tuple(build(entry) for entry in value)
            if kind == "dict" and isinstance(value, dict):
                return {key: build(entry) for key, entry in value.items()}
            if kind == "items" and isinstance(value, list):
                pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
                if len(pairs) == len(value) and all(isinstance(key, (str, int)) for key, _ in pairs):
                    return {key: build(entry) for key, entry in pairs}
        raise FileFormatError(
            f"{path}: its skeleton has the unknown or dangling entry {str(node)[:80]}; {CURE}"
        )

    try:
        tree = build(_json(text, path))
    except RecursionError:
        raise FileFormatError(f"{path}: its skeleton is nested too deeply; {CURE}") from None
    if unused:
        raise FileFormatError(
            f"{path}: its skeleton does not mention the tensors {sorted(unused)[:5]}; {CURE}"
        )
    return tree


def _storable(value: Tensor | np.ndarray, where: str) -> np.ndarray:
    array = np.asarray(value.array if isinstance(value, Tensor) else value)
    little = array.dtype.newbyteorder("<") if array.dtype.kind in "biuf" else array.dtype
    if little not in NAMES:
        raise DtypeError(
            f"save: the array at {where or 'the top'} is {array.dtype}, which neither format stores; "
            "convert it to a number type such as float32 or int64"
        )
    return np.asarray(array, little, order="C")


def _is_plain(name: str) -> bool:
    """Whether both formats keep this name as it is."""
    return (
        name not in ("", "__metadata__")
        and name.isprintable()  # neither NUL, which ends a name in an archive, nor half of a surrogate pair
        and "\\" not in name  # an archive on Windows turns it into a slash
        and len(name.encode()) < 60_000  # an archive's names are shorter than 64 KiB
    )


def _json(text: str | bytes, path: str) -> Any:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) != len(dict(pairs)):
            raise ValueError("a name appears twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # ValueError: also bad UTF-8, and integers of 5,000 digits
        raise FileFormatError(f"{path}: its JSON header is damaged ({error}); {CURE}") from None


# ---------------------------------------------------------------- .npz


def write_npz(file: BinaryIO, tensors: Mapping[str, np.ndarray], skeleton: str | None) -> None:
    """An uncompressed archive of .npy files, as numpy.savez makes it, but with fixed time stamps."""
    import zipfile

    def entry(name: str) -> zipfile.ZipInfo:
        return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in tensors.items():
            with archive.open(entry(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        if skeleton is not None:
            archive.writestr(entry(f"{SKELETON}.json"), skeleton)


def read_npz(file: BinaryIO, path: str) -> tuple[dict[str, np.ndarray], str | None]:
    """The arrays and the skeleton of an archive; one array at a time is inflated, and checked by its CRC."""
    import zipfile

    tensors: dict[str, np.ndarray] = {}
    skeleton = None
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise FileFormatError(f"{path}: a name appears twice in the archive; {CURE}")
            for info in archive.infolist():
                if info.file_size > 1032 * info.compress_size + 1024:  # beyond deflate's reach, see data.idx
                    raise FileFormatError(
                        f"{path}: the entry {info.filename} claims {info.file_size} bytes, "
                        f"impossible in {info.compress_size} compressed ones; {CURE}"
                    )
                data = archive.read(info)
                if len(data) != info.file_size:
                    raise FileFormatError(f"{path}: the entry {info.filename} is truncated; {CURE}")
                if info.filename == f"{SKELETON}.json":
                    skeleton = data.decode("utf-8")
                elif info.filename.endswith(".npy"):
                    tensors[info.filename[:-4]] = _parse_npy(data, f"{path}: the entry {info.filename}")
                else:
                    raise FileFormatError(f"{path}: the entry {info.filename} is no .npy array; {CURE}")
    except FileFormatError:
        raise
    except (
        Exception
    ) as error:  # zipfile's own errors, and what struct, zlib, lzma, the codecs raise through it
        raise FileFormatError(
            f"{path}: not a whole .npz archive ({error or type(error).__name__}); {CURE}"
        ) from error
    return tensors, skeleton


def _parse_npy(data: bytes, what: str) -> np.ndarray:
    from io import BytesIO

    stream = BytesIO(data)
    headers: dict[tuple[int, int], Callable[..., Any]] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, fortran, dtype = headers[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # numpy evaluates the header as a literal: anything may come of that
        raise FileFormatError(f"{what} has a damaged header ({error}); {CURE}") from None
    if dtype.kind not in "biuf" or dtype.hasobject:
        raise FileFormatError(f"{what} holds {dtype}, not numbers, and is not opened; store numbers only")
    return _array(memoryview(data)[stream.tell() :], dtype, shape, "F" if fortran else "C", what)


def _array(data: Any, dtype: np.dtype, shape: tuple[int, ...], order: Any, what: str) -> np.ndarray:
    """A new, native array of these bytes, if there are as many as its shape needs."""
    needed = math.prod(shape) * dtype.itemsize
    if len(shape) > 32 or any(not 0 <= size < 2**48 for size in shape) or needed != len(data):
        raise FileFormatError(
            f"{what} has {len(data)} bytes, its shape {str(shape)[:80]} of {dtype} needs {needed}; {CURE}"
        )
    try:
        array = np.frombuffer(data, dtype).reshape(shape, order=order)
        return array.astype(dtype.newbyteorder("="))
    except ValueError as error:  # an empty array of impossible strides
        raise FileFormatError(f"{what} has an impossible shape {str(shape)[:80]} ({error}); {CURE}") from None


# ---------------------------------------------------------------- .safetensors


def write_safetensors(file: BinaryIO, tensors: Mapping[str, np.ndarray], skeleton: str | None) -> None:
    """Header length, JSON header, then the values, widest dtypes first so that each array is aligned."""
    import json

    ordered = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    offsets, end = {}, 0
    for name in ordered:
        offsets[name] = [end, end := end + tensors[name].nbytes]
    header: dict[str, Any] = {} if skeleton is None else {"__metadata__": {SKELETON: skeleton}}
    for name, array in tensors.items():
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": offsets[name],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in ordered:
        file.write(tensors[name].data if tensors[name].size else b"")


def read_safetensors(file: BinaryIO, path: str) -> tuple[dict[str, np.ndarray], str | None]:
    """The arrays, in the order of the header, and the skeleton if there is one."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_LIMIT):
        raise FileFormatError(
            f"{path}: truncated or no safetensors file: {size} bytes, of which {length} for a header; {CURE}"
        )
    header = _json(file.read(length), path)
    if not isinstance(header, dict):
        raise FileFormatError(f"{path}: its header is not a JSON object; {CURE}")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise FileFormatError(f"{path}: its metadata is not a JSON object of strings; {CURE}")
    spans = {name: _span(entry, f"{path}: tensor {name!r}") for name, entry in header.items()}
    end = 0
    for name, (_, _, start, stop) in sorted(spans.items(), key=lambda item: item[1][2:]):
        if start != end:
            raise FileFormatError(
                f"{path}: tensor {name!r} starts at byte {start}, but the one before it ends at {end}; {CURE}"
            )
        end = stop
    if end != size - 8 - length:
        raise FileFormatError(
            f"{path}: truncated or too long: its tensors need {end} bytes, it has {size - 8 - length}; {CURE}"
        )
    tensors = {}
    for name, (dtype, shape, start, stop) in spans.items():
        file.seek(8 + length + start)
        tensors[name] = _values(file.read(stop - start), dtype, shape, f"{path}: tensor {name!r}")
    return tensors, metadata.get(SKELETON)


def _span(entry: Any, what: str) -> tuple[str, tuple[int, ...], int, int]:
    """dtype, shape, first and last offset of a header entry."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"{what} is not described by dtype, shape and data_offsets; {CURE}")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in (*DTYPES, "BF16"):
        raise FileFormatError(
            f"{what} has dtype {str(dtype)[:40]!r}, which numpy lacks; convert it to F16 or F32"
        )
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(
            type(number) is int and number >= 0 for number in numbers
        ):
            raise FileFormatError(f"{what} has {str(numbers)[:80]} where sizes are needed; {CURE}")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise FileFormatError(f"{what} has offsets {str(offsets)[:80]} instead of [start, stop]; {CURE}")
    return dtype, tuple(shape), offsets[0], offsets[1]


def _values(data: bytes, dtype: str, shape: tuple[int, ...], what: str) -> np.ndarray:
    if dtype != "BF16":
        return _array(data, np.dtype(DTYPES[dtype]), shape, "C", what)
    # bfloat16 is the upper half of a float32
    halves = _array(data, np.dtype("<u2"), shape, "C", what)
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)

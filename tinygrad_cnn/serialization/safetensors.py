"""`.safetensors`: a JSON header, then the values.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np

from ..errors import FileFormatError
from .arrays import CODES, CURE, new_array, widened
from .tree import SKELETON, parse_json, put_together, take_apart

__all__ = ["read", "write"]

NAMES = ("BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64")
DTYPES = {name: np.dtype(code) for name, code in zip(NAMES, CODES, strict=True)}
NAME_OF = {dtype: name for name, dtype in DTYPES.items()}
HEADER_LIMIT = 100_000_000  # bytes, the safetensors library's own


def write(file: BinaryIO, obj: Any) -> None:
    """Header length, JSON header, then the values, widest dtypes first so that each array is aligned.

    What is no array lies in the header, as the metadata entry `tinygrad_cnn`.
    """
    tensors, skeleton = take_apart(obj)
    ordered = sorted(tensors, key=lambda name: -tensors[name].dtype.itemsize)
    offsets, end = {}, 0
    for name in ordered:
        offsets[name] = [end, end := end + tensors[name].nbytes]
    header: dict[str, Any] = {} if skeleton is None else {"__metadata__": {SKELETON: skeleton}}
    for name, array in tensors.items():
        header[name] = {
            "dtype": NAME_OF[array.dtype],
            "shape": list(array.shape),
            "data_offsets": offsets[name],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little"))
    file.write(text)
    for name in ordered:
        file.write(np.ascontiguousarray(tensors[name]).data if tensors[name].size else b"")


def read(file: BinaryIO, path: str) -> Any:
    """The arrays in the order of the header, or the tree if there is a skeleton."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, HEADER_LIMIT):
        raise FileFormatError(
            f"{path}: truncated or no safetensors file: {size} bytes, of which {length} for a header; {CURE}"
        )
    header = parse_json(file.read(length), path)
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
    return put_together(tensors, metadata.get(SKELETON), path)


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
        return new_array(data, DTYPES[dtype], shape, "C", what)
    return widened(new_array(data, np.dtype("<u2"), shape, "C", what))

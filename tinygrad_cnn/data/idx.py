"""The IDX format of the MNIST family: a magic number, the sizes, then the bytes; gzipped or not.

    0x00 0x00 | type code | number of axes | one big-endian uint32 per axis | values, big-endian, row-major

Format: http://yann.lecun.com/exdb/mnist/ (at the end of the page).
"""

from __future__ import annotations

import math
import os
from typing import BinaryIO, cast

import numpy as np

from ..errors import FileFormatError

__all__ = ["read_idx"]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATE_LIMIT = 1032  # deflate makes data at most 1032 times smaller: https://zlib.net/zlib_tech.html
CURE = "delete it and get it again (download=True)"


def read_idx(path: str | os.PathLike[str], max_bytes: int = 1 << 30) -> np.ndarray:
    """The array in an IDX file, in native byte order; a gzipped file is recognized by its first bytes.

    Never reads, or inflates, more than the header promises, nor promises that the file cannot keep.

    Raises:
        FileFormatError: wrong magic number, file shorter or longer than its header says, damaged gzip
            data, or more than `max_bytes` of values.
    """
    import gzip
    import zlib

    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        gzipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            if gzipped:
                with gzip.open(file) as stream:
                    return _parse(
                        cast(BinaryIO, stream), path, min(max_bytes, size * DEFLATE_LIMIT), max_bytes
                    )
            return _parse(file, path, min(max_bytes, size), max_bytes)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFormatError(f"{path}: the gzip data is damaged ({error}); {CURE}") from error


def _parse(stream: BinaryIO, path: object, possible: int, max_bytes: int) -> np.ndarray:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise FileFormatError(
            f"{path}: not an IDX file, it starts with {magic.hex(' ') or 'nothing'} "
            f"instead of 00 00, a type code and the number of axes; {CURE}"
        )
    dtype, ndim = np.dtype(TYPES[magic[2]]), magic[3]
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise FileFormatError(f"{path}: truncated within its header of {ndim} sizes; {CURE}")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    expected = math.prod(shape) * dtype.itemsize
    if ndim > 32 or expected > max_bytes:
        raise FileFormatError(
            f"{path}: the header says {ndim} axes and {expected} bytes, more than the {max_bytes} allowed; "
            "if that is right pass read_idx(..., max_bytes=...)"
        )
    data = stream.read(expected + 1) if expected <= possible else b""
    if len(data) < expected:
        raise FileFormatError(
            f"{path}: truncated: the shape {shape} in its header needs {expected} bytes of values, "
            f"the file has {len(data) or 'not so many'}; {CURE}"
        )
    if len(data) > expected:
        raise FileFormatError(
            f"{path}: has more than the {expected} bytes of values its shape {shape} needs; {CURE}"
        )
    return (
        np.frombuffer(data, dtype, expected // dtype.itemsize).reshape(shape).astype(dtype.newbyteorder("="))
    )

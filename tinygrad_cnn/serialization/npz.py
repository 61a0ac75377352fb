"""`.npz`: an archive of one .npy file for each array, as numpy.savez makes it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from ..errors import FileFormatError
from .archive import entry, read_archive
from .arrays import CURE, new_array
from .tree import SKELETON, put_together, take_apart

__all__ = ["is_one", "read", "write"]


def write(file: BinaryIO, obj: Any) -> None:
    """An uncompressed archive; what is no array lies in it as `tinygrad_cnn.json`."""
    tensors, skeleton = take_apart(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in tensors.items():
            with archive.open(entry(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
        if skeleton is not None:
            archive.writestr(entry(f"{SKELETON}.json"), skeleton)


def is_one(file: BinaryIO) -> bool:
    """Whether an archive is a .npz rather than a file of PyTorch's."""
    try:
        with zipfile.ZipFile(file) as archive:
            return not any(name.endswith("/data.pkl") for name in archive.namelist())
    except Exception:  # a damaged archive; who reads it says so
        return False


def read(file: BinaryIO, path: str) -> Any:
    """The tree in an archive; one array at a time is inflated, and checked by its CRC."""
    tensors: dict[str, np.ndarray] = {}
    skeleton = None
    with read_archive(file, path, ".npz archive") as archive:
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
    return put_together(tensors, skeleton, path)


def _parse_npy(data: bytes, what: str) -> np.ndarray:
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
    return new_array(memoryview(data)[stream.tell() :], dtype, shape, "F" if fortran else "C", what)

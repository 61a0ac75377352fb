"""Archives: what is true of a .npz and of PyTorch's files, before any entry is looked at."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ..errors import FileFormatError
from .arrays import CURE

__all__ = ["entry", "read_archive"]


def entry(name: str) -> zipfile.ZipInfo:
    """An entry with a fixed time stamp: the same content gives the same bytes."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


@contextmanager
def read_archive(file: BinaryIO, path: str, kind: str) -> Iterator[zipfile.ZipFile]:
    """The archive, of whose names none appears twice; whatever goes wrong with it is a FileFormatError."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise FileFormatError(f"{path}: a name appears twice in the archive; {CURE}")
            yield archive
    except FileFormatError:
        raise
    except Exception as error:  # zipfile's own, and what struct, zlib, lzma, the codecs raise through it
        raise FileFormatError(
            f"{path}: not a whole {kind} ({error or type(error).__name__}); {CURE}"
        ) from error

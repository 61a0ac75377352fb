"""CIFAR-10 and CIFAR-100: small colour photographs in 10 and 100 classes, from their binary version.

A record is the label (CIFAR-100: the number of its group, then the label) and 3 x 32 x 32 bytes: red, green,
blue, row by row.  The files are read from their folder or right from the archive, and without pickle.

Krizhevsky: Learning multiple layers of features from tiny images (2009),
https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, FileFormatError
from .download import download as fetch
from .images import ImageArrays

__all__ = ["CIFAR10", "CIFAR100"]

PIXELS = 3 * 32 * 32
MOST = 1 << 28  # bytes; the largest file has 153,700,000


class CIFAR10(ImageArrays):
    """50,000 training and 10,000 test images of ten kinds of things; `dataset[i]` is (image, label).

    The image is a float32 Tensor (3, 32, 32) in 0..1 (torchvision gives a Pillow image; here `ToTensor()`
    just passes the Tensor on), the label an int.  `data` (N, 32, 32, 3) uint8 and `targets` (N,) int64 are
    the whole arrays.

    Args:
        root: the folder with `cifar-10-binary.tar.gz`, or with its files, or with the folder of these.
        train: the training images, else the test images.
        transform: applied to the image; to whole batches at once if it is `batched`, see `transforms`.
        target_transform: applied to the label.
        download: fetch the archive into `root` if nothing is there.
        mirrors: base addresses to download from, instead of the usual one.

    Raises:
        ArgumentError: no such files in the folder.
        FileFormatError: a file that is truncated, corrupted or of another kind.
        DownloadError: no mirror delivered; nothing half-written is left.
    """

    classes: ClassVar[Sequence[str]] = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    mirrors: ClassVar[Sequence[str]] = ("https://www.cs.toronto.edu/~kriz/",)
    archive: ClassVar[str] = "cifar-10-binary.tar.gz"
    #: SHA-256 checksum and bytes of the archive, whose published MD5 is c32a1d4ab5d03f1284b67883e8d87530
    checksum: ClassVar[tuple[str, int]] = (
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        170052171,
    )
    folder: ClassVar[str] = "cifar-10-batches-bin"
    #: the files of the training images and of the test images
    files: ClassVar[tuple[Sequence[str], Sequence[str]]] = (
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        ("test_batch.bin",),
    )
    #: bytes before the pixels; the last one is the label
    head: ClassVar[int] = 1

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = False,
        *,
        mirrors: Sequence[str] | None = None,
    ) -> None:
        self.train = train
        self.transform = transform
        self.target_transform = target_transform
        names = self.files[0] if train else self.files[1]
        parts = self._read(Path(root), names, download, mirrors or self.mirrors)
        records = np.concatenate([self._records(*part) for part in parts])
        # the colours of a pixel last, without moving a byte
        self.data = np.moveaxis(records[:, self.head :].reshape(-1, 3, 32, 32), 1, -1)
        self.targets = records[:, self.head - 1].astype(np.int64)

    def _read(
        self, root: Path, names: Sequence[str], download: bool, mirrors: Sequence[str]
    ) -> list[tuple[object, bytes]]:
        """What is in the files: (path, bytes) of each."""
        for folder in (root, root / self.folder):
            paths = [folder / name for name in names]
            if all(path.is_file() for path in paths):
                return [(path, _bytes(path)) for path in paths]
        archive = root / self.archive
        if download:
            urls = [f"{mirror.rstrip('/')}/{self.archive}" for mirror in mirrors]
            fetch(urls, archive, *self.checksum)
        if archive.is_file():
            return _unpacked(archive, [f"{self.folder}/{name}" for name in names])
        pickled = root / self.folder.replace("-binary", "-python").replace("-bin", "-py")
        raise ArgumentError(
            f"{type(self).__name__}: no {self.archive} in {root}, and no {', '.join(names)} in it or in its "
            f"{self.folder}; pass download=True to fetch it, or another root"
            + (f" ({pickled.name} is pickled, and pickle can run anything)" if pickled.is_dir() else "")
        )

    def _records(self, path: object, content: bytes) -> np.ndarray:
        size = self.head + PIXELS
        if not content or len(content) % size:
            raise FileFormatError(
                f"{path}: has {len(content)} bytes, which is no number of records of {size}; "
                "delete it and get it again (download=True)"
            )
        records = np.frombuffer(content, np.uint8).reshape(-1, size)
        highest = int(records[:, self.head - 1].max())
        if highest >= len(self.classes):
            raise FileFormatError(
                f"{path}: has a label {highest}, of {len(self.classes)} classes; it is no file of "
                f"{type(self).__name__}"
            )
        return records


class CIFAR100(CIFAR10):
    """50,000 training and 10,000 test images of a hundred kinds of things, with CIFAR10's arguments.

    The archive is `cifar-100-binary.tar.gz`, the folder of its files `cifar-100-binary`.
    """

    classes: ClassVar[Sequence[str]] = (
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
        "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
        "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
        "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
        "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy",
        "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal",
        "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar",
        "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
        "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman",
        "worm",
    )  # fmt: skip
    archive: ClassVar[str] = "cifar-100-binary.tar.gz"
    #: of the archive whose published MD5 is 03b5dce01913d631647c71ecec9e9cb8
    checksum: ClassVar[tuple[str, int]] = (
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        168513733,
    )
    folder: ClassVar[str] = "cifar-100-binary"
    files: ClassVar[tuple[Sequence[str], Sequence[str]]] = (("train.bin",), ("test.bin",))
    head: ClassVar[int] = 2


def _bytes(path: Path) -> bytes:
    _modest(path, path.stat().st_size)
    return path.read_bytes()


def _modest(path: object, size: int) -> None:
    if size > MOST:
        raise FileFormatError(f"{path}: has {size} bytes, far more than a file of CIFAR")


def _unpacked(archive: Path, names: Sequence[str]) -> list[tuple[object, bytes]]:
    """What these members of the archive hold; nothing is written, and nothing else is read."""
    import gzip
    import tarfile
    import zlib

    found: dict[str, bytes] = {}
    try:
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    _modest(f"{archive}: {member.name}", member.size)
                    file = tar.extractfile(member) if member.isfile() and member.name in names else None
                    if file is not None:
                        found[member.name] = file.read()
            while stream.read(1 << 20):  # at the end stands the checksum
                pass
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise FileFormatError(
            f"{archive}: the archive is damaged ({error}); delete it and get it again (download=True)"
        ) from error
    missing = [name for name in names if name not in found]
    if missing:
        raise FileFormatError(
            f"{archive}: has no {', '.join(missing)}; delete it and get it again (download=True)"
        )
    return [(f"{archive}: {name}", found[name]) for name in names]

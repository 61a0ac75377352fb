"""Data sets of images: those that lie in one array, those in a folder of files, and made-up ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError
from ..random import seeded
from ..tensor import Tensor
from .dataset import Dataset
from .transforms.images import pillow

__all__ = ["DatasetFolder", "FakeData", "ImageArrays", "ImageFolder"]


class _Labelled(Dataset[tuple[Any, Any]]):
    """Base of data sets whose items are (image, label), with a transform for each."""

    transform: Callable[[Any], Any] | None
    target_transform: Callable[[Any], Any] | None

    def _item(self, image: Any, label: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label


class ImageArrays(_Labelled):
    """Base of data sets in memory: `data` (N, H, W) or (N, H, W, C) uint8, `targets` (N,) int64.

    Images are float32 Tensors (C, H, W) in 0..1; whole batches are made without Python per image, unless a
    transform takes single images only.
    """

    classes: ClassVar[Sequence[str]]
    data: np.ndarray
    targets: np.ndarray
    train: bool

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class name."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._item(self._tensor(self.data[index]), int(self.targets[index]))

    def get_batch(self, indices: Sequence[int] | np.ndarray) -> Any:
        """Images (N, C, H, W) and labels (N,), or NotImplemented, if a transform takes single images."""
        if self.target_transform is not None or not getattr(
            self.transform, "batched", self.transform is None
        ):
            return NotImplemented
        picked = np.asarray(indices, np.intp)
        images: Any = self._tensor(self.data[picked])
        if self.transform is not None:
            images = self.transform(images)
        return [images, from_numpy(self.targets[picked])]

    def _tensor(self, pixels: np.ndarray) -> Tensor:
        pixels = pixels[..., None, :, :] if self.data.ndim == 3 else np.moveaxis(pixels, -1, -3)
        return from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32, order="C"))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} {'training' if self.train else 'test'} images)"


def _open(path: str) -> Any:
    """A file as a Pillow image of three colours."""
    with open(path, "rb") as file, pillow("ImageFolder").open(file) as image:
        return image.convert("RGB")


class DatasetFolder(_Labelled):
    """Files in one folder per class: `root/dog/any/name.ext`; `dataset[i]` is (what the loader says, label).

    Args:
        root: the folder of the classes; these are numbered in the order of their names.
        loader: makes an item of a path.
        extensions: the endings of the files that count; or
        is_valid_file: says of a path whether it counts.
        allow_empty: let classes be without a file.

    Attributes:
        classes, class_to_idx: the names, and the label of each.
        samples: (path, label) of each item; targets: the labels alone.

    Raises:
        ArgumentError: no folders of classes, none of the files, or neither or both ways to tell them.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: Sequence[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        if (extensions is None) == (is_valid_file is None):
            raise ArgumentError(f"{type(self).__name__}: give extensions or is_valid_file, one of both")
        self.root = root
        self.loader = loader
        self.extensions = extensions
        self.transform = transform
        self.target_transform = target_transform
        self.classes, self.class_to_idx = self.find_classes(root)
        self.samples = [
            (path, label)
            for name, label in self.class_to_idx.items()
            for path in self._files(Path(root) / name, is_valid_file, allow_empty)
        ]
        self.targets = [label for _, label in self.samples]

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """The names of the classes, and their labels; a subclass may have others."""
        names = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not names:
            raise ArgumentError(
                f"{type(self).__name__}: {os.fspath(directory)} has no folders; it takes one folder per class"
            )
        return names, {name: label for label, name in enumerate(names)}

    def _files(self, folder: Path, is_valid: Callable[[str], bool] | None, allow_empty: bool) -> list[str]:
        endings = tuple(ending.lower() for ending in self.extensions or ())
        found = [
            path
            for parent, _, names in sorted(os.walk(folder, followlinks=True))
            for name in sorted(names)
            for path in [os.path.join(parent, name)]
            if (is_valid(path) if is_valid is not None else name.lower().endswith(endings))
        ]
        if not found and not allow_empty:
            raise ArgumentError(
                f"{type(self).__name__}: {folder} has no file of the class"
                f"{f' ({chr(44).join(endings)})' if endings else ''}; add some, or pass allow_empty=True"
            )
        return found

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, label = self.samples[index]
        return self._item(self.loader(path), label)

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} files of {len(self.classes)} classes)"


class ImageFolder(DatasetFolder):
    """Image files in one folder per class, opened with Pillow: `dataset[i]` is (Pillow image, label).

        data = ImageFolder("photos/train", Compose([RandomResizedCrop(224), ToTensor()]))

    Files that end in .jpg, .png, .webp and the like count, unless `is_valid_file` says otherwise.
    """

    endings: ClassVar[Sequence[str]] = (
        ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
    )  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        loader: Callable[[str], Any] = _open,
        is_valid_file: Callable[[str], bool] | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = self.endings if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples


class FakeData(_Labelled):
    """Noise with labels, the same each time: for trying out a program before the data is there.

    >>> image, label = FakeData(image_size=(3, 8, 8))[0]
    >>> image.shape, 0 <= label < 10
    ((3, 8, 8), True)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        self.size = size
        self.image_size = image_size
        self.num_classes = num_classes
        self.transform = transform
        self.target_transform = target_transform
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < self.size:
            raise IndexError(f"FakeData: there is no image {index} among {self.size}")
        with seeded(index + self.random_offset) as draw:
            image = from_numpy(draw.random(self.image_size, np.float32))
            label = int(draw.integers(self.num_classes))
        return self._item(image, label)

    def __len__(self) -> int:
        return self.size

"""Fashion-MNIST, MNIST and KMNIST: 28 x 28 gray images in ten classes.

`FashionMNIST()` needs no file and no network: 6,000 training and 1,000 test images (600 and 100 of each
class) come with the package.  The full sets of 60,000 and 10,000 are read from a folder of the original
IDX files, or downloaded into one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, FileFormatError
from .download import download as fetch
from .idx import read_idx
from .images import ImageArrays

__all__ = ["KMNIST", "MNIST", "FashionMNIST"]


class MNIST(ImageArrays):
    """The handwritten digits of MNIST; `dataset[i]` is (image, label).

    The image is a float32 Tensor (1, 28, 28) in 0..1, with or without a `transform`.  (torchvision gives a
    Pillow image; here `ToTensor()` just passes the Tensor on, so its pipelines work unchanged.)  The label is
    an int.  `data` (N, 28, 28) uint8 and `targets` (N,) int64 are the whole arrays.

    Args:
        root: a folder with the IDX files, gzipped or not: in itself, or in `FashionMNIST/raw` (`MNIST/raw`)
            where torchvision keeps them, or in `fashion-mnist` (`mnist`).
        train: the training images, else the test images.
        transform: applied to the image; to whole batches at once if it is `batched`, see `transforms`.
        target_transform: applied to the label.
        download: fetch the two files into `root/FashionMNIST/raw` (`MNIST/raw`) if they are not in `root`.
        mirrors: base addresses to download from, instead of the usual ones.

    Raises:
        ArgumentError: no root, or no such files in it.
        FileFormatError: a file that is truncated, corrupted, or does not belong to the other one.
        DownloadError: no mirror delivered; nothing half-written is left.
    """

    classes: ClassVar[Sequence[str]] = tuple("0123456789")
    mirrors: ClassVar[Sequence[str]] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    #: file name: (SHA-256 checksum, bytes where known)
    files: ClassVar[dict[str, tuple[str, int | None]]] = {
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            9912422,
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            28881,
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            1648877,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            4542,
        ),
    }
    #: where the folder of files may be, within `root`; downloads go to the second
    folders: ClassVar[Sequence[str]] = (".", "MNIST/raw", "mnist")

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
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
        if root is None:
            self.data, self.targets = self._embedded()
        else:
            self.data, self.targets = self._read(Path(root), download, mirrors or self.mirrors)

    def _embedded(self) -> tuple[np.ndarray, np.ndarray]:
        raise ArgumentError(
            f"{type(self).__name__}: root is None, and these images are not in the package; give a folder "
            f"({type(self).__name__}('data', download=True)), or use FashionMNIST()"
        )

    def _read(self, root: Path, download: bool, mirrors: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        images_path, labels_path = self._paths(root, download, mirrors)
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise FileFormatError(
                f"{images_path}: holds {images.dtype} values of shape {images.shape}, "
                "not uint8 images of 28 x 28; give the folder of the original files"
            )
        if (
            labels.dtype != np.uint8
            or labels.shape != images.shape[:1]
            or labels.max(initial=0) >= len(self.classes)
        ):
            raise FileFormatError(
                f"{labels_path}: holds {labels.dtype} values of shape {labels.shape}, not a label below "
                f"{len(self.classes)} for each of the {len(images)} images of {images_path.name}; "
                "give the folder of the original files"
            )
        return images, labels.astype(np.int64)

    def _paths(self, root: Path, download: bool, mirrors: Sequence[str]) -> list[Path]:
        """The files of images and of labels, downloaded if need be."""
        names = [name for name in self.files if name.startswith("train" if self.train else "t10k")]
        for folder in self.folders:
            found = [_existing(root / folder, name) for name in names]
            if None not in found:
                return [path for path in found if path is not None]
        if not download:
            raise ArgumentError(
                f"{type(self).__name__}: no {' and '.join(names)} (gzipped or not) in {root}, nor in its "
                f"{', '.join(self.folders[1:])}; pass download=True to fetch them, or another root"
            )
        target = root / self.folders[1]
        return [
            fetch([f"{mirror.rstrip('/')}/{name}" for mirror in mirrors], target / name, *self.files[name])
            for name in names
        ]


class FashionMNIST(MNIST):
    """Photographs of clothes (Zalando, MIT licence), in MNIST's format and with its arguments.

    `root=None` means the 6,000 training and 1,000 test images in the package: the first 600 and 100 of
    each class, in the order of the full set.  `root=FashionMNIST.debian_root` reads the full set where
    Debian's package dataset-fashion-mnist puts it.

    Xiao, Rasul, Vollgraf: Fashion-MNIST (2017), https://arxiv.org/abs/1708.07747

    >>> data = FashionMNIST()
    >>> image, label = data[0]
    >>> image.shape, data.classes[label], len(data)
    ((1, 28, 28), 'Ankle boot', 6000)
    """

    classes: ClassVar[Sequence[str]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    mirrors: ClassVar[Sequence[str]] = (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    )
    files: ClassVar[dict[str, tuple[str, int | None]]] = {
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            26421880,
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            29515,
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            4422102,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            5148,
        ),
    }
    folders: ClassVar[Sequence[str]] = (".", "FashionMNIST/raw", "fashion-mnist")
    debian_root: ClassVar[str] = "/usr/share/datasets/fashion-mnist"

    def _embedded(self) -> tuple[np.ndarray, np.ndarray]:
        split = "train" if self.train else "test"
        with np.load(Path(__file__).with_name("fashion_mnist_subset.npz"), allow_pickle=False) as arrays:
            return arrays[f"{split}_images"], arrays[f"{split}_labels"].astype(np.int64)


class KMNIST(MNIST):
    """Handwritten letters of old Japanese (CODH, CC BY-SA 4.0), in MNIST's format and with its arguments.

    Clanuwat et al.: Deep learning for classical Japanese literature (2018), https://arxiv.org/abs/1812.01718
    """

    classes: ClassVar[Sequence[str]] = (
        "o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo",
    )  # fmt: skip
    mirrors: ClassVar[Sequence[str]] = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
    files: ClassVar[dict[str, tuple[str, int | None]]] = {
        "train-images-idx3-ubyte.gz": (
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            18165135,
        ),
        "train-labels-idx1-ubyte.gz": (
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            None,
        ),
        "t10k-images-idx3-ubyte.gz": (
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            None,
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            None,
        ),
    }
    folders: ClassVar[Sequence[str]] = (".", "KMNIST/raw", "kmnist")


def _existing(folder: Path, name: str) -> Path | None:
    for path in (folder / name, folder / name.removesuffix(".gz")):
        if path.is_file():
            return path
    return None

"""Data sets, batches of them, and the transforms of their images; names and arguments are PyTorch's."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from .cifar import CIFAR10, CIFAR100
from .collate import default_collate, default_convert
from .dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from .download import download
from .idx import read_idx
from .images import DatasetFolder, FakeData, ImageFolder
from .loader import DataLoader, WorkerInfo, get_worker_info
from .mnist import KMNIST, MNIST, FashionMNIST
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

if TYPE_CHECKING:
    from . import transforms

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KMNIST",
    "MNIST",
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "default_convert",
    "download",
    "get_worker_info",
    "random_split",
    "read_idx",
    "transforms",
]


def __getattr__(name: str) -> Any:
    """The transforms are many, and loaded when they are first asked for."""
    if name == "transforms":
        return _import_module(f"{__name__}.transforms")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Data sets, batches of them, and the transforms of their images; names and arguments are PyTorch's."""

from __future__ import annotations

from . import transforms
from .collate import default_collate
from .dataset import Dataset, Subset, TensorDataset, random_split
from .download import download
from .idx import read_idx
from .loader import DataLoader
from .mnist import MNIST, FashionMNIST

__all__ = [
    "MNIST",
    "DataLoader",
    "Dataset",
    "FashionMNIST",
    "Subset",
    "TensorDataset",
    "default_collate",
    "download",
    "random_split",
    "read_idx",
    "transforms",
]

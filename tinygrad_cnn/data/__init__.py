"""Data sets, batches of them, and the transforms of their images; names and arguments are PyTorch's."""

from __future__ import annotations

from tinygrad_cnn.data import transforms
from tinygrad_cnn.data.collate import default_collate
from tinygrad_cnn.data.dataset import Dataset, Subset, TensorDataset, random_split
from tinygrad_cnn.data.download import download
from tinygrad_cnn.data.idx import read_idx
from tinygrad_cnn.data.loader import DataLoader
from tinygrad_cnn.data.mnist import MNIST, FashionMNIST

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

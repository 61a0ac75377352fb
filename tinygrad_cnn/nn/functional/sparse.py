"""Integers that stand for vectors."""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError, DtypeError
from ...geometry import _int
from ...tensor import Tensor, _tensor

__all__ = ["one_hot"]


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 zeros with a 1 at each class: (...) -> (..., num_classes).

    >>> import tinygrad_cnn as tg
    >>> one_hot(tg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if _tensor("one_hot", tensor, "classes").dtype.kind not in "iu":
        raise DtypeError(f"one_hot: classes are integers, not {tensor.dtype}; use .long()")
    classes = _int("one_hot", "num_classes", num_classes, -1)
    classes = int(tensor.array.max(initial=-1)) + 1 if classes == -1 else classes
    if tensor.numel() and (tensor.array.min() < 0 or tensor.array.max() >= classes):
        least, most = tensor.array.min(), tensor.array.max()
        raise ArgumentError(
            f"one_hot: {classes} classes are 0 to {classes - 1}, x {tensor.shape} holds {least} to {most}; "
            + ("classes cannot be negative" if least < 0 else f"use num_classes={most + 1}")
        )
    return Tensor(np.asarray(tensor.array[..., None] == np.arange(classes), np.int64))

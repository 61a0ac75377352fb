"""Integers that stand for vectors."""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...geometry import _int
from ...tensor import Tensor, _floating, _number, _tensor

__all__ = ["embedding", "one_hot"]


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of `weight` (rows, features) that integers name: (...) -> (..., features).

    Args:
        padding_idx: a row without a gradient.
        max_norm: rows that are named and longer than this are shortened to it first, in place.
        norm_type: p of the p-norm that measures them.
        scale_grad_by_freq: divide each row's gradient by how often `input` names it.
        sparse: refused; gradients are dense.

    >>> import tinygrad_cnn as tg
    >>> embedding(tg.tensor([2, 0]), tg.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    tensor([[4., 5.],
            [0., 1.]])
    """
    if _tensor("embedding", input, "input").dtype.kind not in "iu":
        raise DtypeError(f"embedding: input is {input.dtype}; it must be made of integers (use .long())")
    if _floating("embedding", weight, "weight").ndim != 2:
        raise ShapeError(f"embedding: weight {weight.shape} must have 2 axes, (rows, features)")
    rows, index = weight.shape[0], input.array
    if index.size and (index.min() < 0 or index.max() >= rows):
        raise ArgumentError(
            f"embedding: input runs from {index.min()} to {index.max()}, "
            f"weight {weight.shape} has rows 0 to {rows - 1}"
        )
    if padding_idx is not None:
        padding_idx = _padding_row("embedding", padding_idx, rows)
    if sparse:
        raise ArgumentError("embedding: there are no sparse gradients; leave out sparse=True")
    if max_norm is not None:
        _shorten(weight, np.unique(index), _number("embedding", "max_norm", max_norm), norm_type)
    out = weight[input]
    if padding_idx is None and not scale_grad_by_freq:
        return out
    share = np.ones(rows, weight.dtype)
    if scale_grad_by_freq:
        share /= np.maximum(np.bincount(index.ravel(), minlength=rows), 1)
    if padding_idx is not None:
        share[padding_idx] = 0
    value = out.detach()  # the value is that of the row, the slope its share
    return value + (out - value) * Tensor(share[index][..., None])


def _padding_row(name: str, padding_idx: int, rows: int) -> int:
    if not -rows <= _int(name, "padding_idx", padding_idx, -rows) < rows:
        raise ArgumentError(
            f"{name}: padding_idx {padding_idx} names none of {rows} rows; use {-rows} to {rows - 1}"
        )
    return padding_idx % rows


def _shorten(weight: Tensor, rows: np.ndarray, max_norm: float, norm_type: float) -> None:
    """In place, and unseen by the tape."""
    array = weight._writable()
    norms = np.linalg.norm(array[rows], norm_type, axis=1)
    long = norms > max_norm
    array[rows[long]] *= (max_norm / (norms[long] + 1e-7)).astype(array.dtype)[:, None]


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

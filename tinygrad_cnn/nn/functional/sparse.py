"""Integers that stand for vectors."""

from __future__ import annotations

import numpy as np

from ...creation import cat
from ...errors import ArgumentError, DtypeError, ShapeError
from ...geometry import _int
from ...tensor import Tensor, _floating, _number, _tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


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
            f"weight {weight.shape} has rows 0 to {rows - 1}; "
            + ("use indices from 0 on" if index.min() < 0 else f"use num_embeddings={index.max() + 1}")
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


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
    per_sample_weights: Tensor | None = None, include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Sum, mean or maximum of the rows of `weight` that each bag of integers names: (bags, features).

    Args:
        input: (bags, n), or (n,) with `offsets`.
        offsets: (bags,): where in `input` each bag begins; the first at 0.  A bag may be empty: zeros.
        mode: "sum", "mean" or "max".
        per_sample_weights: with "sum", a factor for each integer, in the shape of `input`.
        include_last_offset: `offsets` has one more, the length of `input`.
        padding_idx: this row does not count, as if it were not in the bag.
        max_norm, norm_type, scale_grad_by_freq, sparse: as in `embedding`.

    >>> import tinygrad_cnn as tg
    >>> rows = tg.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    >>> embedding_bag(tg.tensor([2, 0, 1]), rows, tg.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [2., 3.]])
    """
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f'embedding_bag: mode must be "sum", "mean" or "max", not {mode!r}')
    if scale_grad_by_freq and mode == "max":
        raise ArgumentError("embedding_bag: scale_grad_by_freq has no meaning with mode='max'; leave it out")
    if _tensor("embedding_bag", input, "input").dtype.kind not in "iu":
        raise DtypeError(f"embedding_bag: input is {input.dtype}; it must be made of integers (use .long())")
    bags, bag = _bags(input, offsets, include_last_offset)
    factors = per_sample_weights
    if factors is not None:
        if mode != "sum":
            raise ArgumentError(f"embedding_bag: per_sample_weights need mode='sum', not {mode!r}")
        if _floating("embedding_bag", factors, "per_sample_weights").shape != input.shape:
            raise ShapeError(f"embedding_bag: per_sample_weights {factors.shape}, input {input.shape}")
        if factors.dtype != weight.dtype:
            raise DtypeError(f"embedding_bag: per_sample_weights are {factors.dtype}, weight {weight.dtype}")
        factors = factors.reshape(-1, 1)
    index = input.reshape(-1)
    rows = embedding(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if padding_idx is not None:
        kept = np.flatnonzero(index.array != _padding_row("embedding_bag", padding_idx, len(weight)))
        rows, bag = rows[kept], bag[kept]
        factors = None if factors is None else factors[kept]
    sizes = np.bincount(bag, minlength=bags)[:, None]
    if mode == "max":
        return _largest(rows, sizes)
    rows = rows if factors is None else rows * factors
    out = Tensor(np.zeros((bags, weight.shape[1]), weight.dtype)).index_add(0, Tensor(bag), rows)
    return out if mode == "sum" else out / Tensor(np.maximum(sizes, 1).astype(weight.dtype))


def _bags(input: Tensor, offsets: Tensor | None, include_last: bool) -> tuple[int, np.ndarray]:
    """How many bags there are, and the bag of each integer."""
    if input.ndim == 2 and offsets is None:
        return len(input), np.arange(len(input)).repeat(input.shape[1])
    if input.ndim != 1 or offsets is None:
        raise ShapeError(
            f"embedding_bag: input {input.shape} with{'out' * (offsets is None)} offsets; "
            "pass (bags, n) without offsets, or (n,) with them"
        )
    starts = _tensor("embedding_bag", offsets, "offsets").array
    if starts.ndim != 1 or starts.dtype.kind not in "iu":
        raise ShapeError(f"embedding_bag: offsets {starts.shape} {starts.dtype} must be integers (bags,)")
    edges = starts if include_last else np.append(starts, len(input))
    if not len(edges) or edges[0] or edges[-1] != len(input) or (np.diff(edges) < 0).any():
        raise ArgumentError(
            f"embedding_bag: offsets {starts.tolist()!r:.60} must rise from 0 to at most {len(input)}, "
            f"the length of input{' (which is the last with include_last_offset)' * include_last}"
        )
    return len(edges) - 1, np.arange(len(edges) - 1).repeat(np.diff(edges))


def _largest(rows: Tensor, sizes: np.ndarray) -> Tensor:
    """Of each bag, whose rows follow each other, the largest of each feature, the first of several."""
    steps = np.arange(sizes.max(initial=1))
    inside = steps < sizes
    place = np.where(inside, np.cumsum(sizes)[:, None] - sizes + steps, len(rows))
    rows = cat([rows, Tensor(np.zeros((1, rows.shape[1]), rows.dtype))])  # what an empty bag has
    within = np.where(inside[..., None], rows.array[place], -np.inf)
    return rows.gather(0, Tensor(np.take_along_axis(place, within.argmax(1), 1)))


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

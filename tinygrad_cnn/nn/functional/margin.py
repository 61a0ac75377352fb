"""Losses with a margin: nothing is lost where the right answer is ahead by that much."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...ops import activation, elementwise, shape
from ...tensor import Tensor, _floating, _number, _tensor
from .activation import softplus
from .distance import pairwise_distance
from .loss import _class_weight, _pair, _reduce, binary_cross_entropy_with_logits

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1: for distances of pairs alike or not."""
    name = "hinge_embedding_loss"
    _pair(name, input, target)
    _number(name, "margin", margin)
    unlike = elementwise.where(0.0, (margin - input).clamp(min=0), mask=target.array == 1)
    return _reduce(name, unlike + elementwise.where(0.0, input, mask=target.array == -1), reduction)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target (x1 - x2)): the target is 1 where x1 should be larger, -1 where x2 should."""
    _pair("margin_ranking_loss", input1, input2, target)
    _number("margin_ranking_loss", "margin", margin)
    losses = (margin - target * (input1 - input2)).clamp(min=0)
    return _reduce("margin_ranking_loss", losses, reduction)


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + e^(-target x)) for targets 1 and -1, stable."""
    _pair("soft_margin_loss", input, target)
    return _reduce("soft_margin_loss", softplus(-(target * input), threshold=math.inf), reduction)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Binary cross entropy of sigmoid(x), averaged over the classes, which are the last axis."""
    name = "multilabel_soft_margin_loss"
    _pair(name, input, target)
    if input.ndim == 0:
        raise ShapeError(f"{name}: x () has no axis of classes")
    losses = binary_cross_entropy_with_logits(input, target, weight, "none")
    return _reduce(name, losses.mean(-1), reduction)


def _rows(name: str, input: Tensor) -> Tensor:
    """(n, classes); one row may come without the axis n."""
    if _floating(name, input).ndim > 2:
        raise ShapeError(f"{name}: x {input.shape} has more than the axes (n, classes); reshape it")
    return input.reshape(1, -1) if input.ndim < 2 else input


def _labels(name: str, target: Tensor, shape: tuple[int, ...], least: int, classes: int) -> np.ndarray:
    """Classes from `least` on, as an array of this shape."""
    if _tensor(name, target, "target").dtype.kind not in "iu":
        raise DtypeError(f"{name}: target is {target.dtype}; classes must be integers (use .long())")
    labels = target.array
    if labels.size and (labels.min() < least or labels.max() >= classes):
        raise ArgumentError(
            f"{name}: target holds {labels.min()} to {labels.max()}, the classes are 0 to {classes - 1}"
        )
    return labels.reshape(shape)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes i of max(0, margin - x[target] + x[i])^p, the target left out of the sum.

    x (n, classes) or (classes,); p is 1 or 2; `weight` (classes,) scales the losses of a target.
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ArgumentError(f"{name}: p must be 1 or 2, not {p!r}")
    _number(name, "margin", margin)
    x = _rows(name, input)
    n, classes = x.shape
    if _tensor(name, target, "target").numel() != n or target.ndim > 1:
        raise ShapeError(f"{name}: target {target.shape} for x {input.shape}; one class per row is needed")
    labels = _labels(name, target, (n, 1), 0, classes)
    over = activation.relu(x - shape.gather(x, dim=1, index=labels.astype(np.int64)) + margin)
    over = elementwise.where(0.0, over if p == 1 else over * over, mask=np.arange(classes) == labels)
    losses = over.mean(1)
    if weight is not None:
        _class_weight(name, weight, x, 1)
        losses = losses * weight[labels[:, 0]]
    return _reduce(name, losses if input.ndim == 2 else losses.squeeze(0), reduction)


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The sum of max(0, 1 - x[t] + x[i]) over targets t and other classes i, divided by how many classes.

    The targets of a row of x (n, classes) or (classes,) are the classes that stand in the same row of
    `target` before the first -1.
    """
    name = "multilabel_margin_loss"
    x = _rows(name, input)
    _pair(name, input, target)
    classes = x.shape[1]
    labels = _labels(name, target, x.shape, -1, classes).astype(np.int64)
    named = np.logical_and.accumulate(labels >= 0, axis=1)
    others = ~(np.where(named, labels, -1)[:, :, None] == np.arange(classes)).any(1)
    right = shape.gather(x, dim=1, index=np.where(named, labels, 0))
    over = activation.relu(x.unsqueeze(1) - right.unsqueeze(2) + 1)  # (n, targets, others)
    losses = elementwise.where(over, 0.0, mask=named[:, :, None] & others[:, None]).sum((1, 2)) / classes
    return _reduce(name, losses if input.ndim == 2 else losses.squeeze(0), reduction)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1.

    x1 and x2 (n, features) with target (n,), or (features,) with target ().
    """
    name = "cosine_embedding_loss"
    _pair(name, input1, input2)
    _number(name, "margin", margin)
    if input1.ndim not in (1, 2) or _tensor(name, target, "target").shape != input1.shape[:-1]:
        raise ShapeError(
            f"{name}: target {target.shape} for x {input1.shape}; (n, features) needs (n,), "
            "and (features,) needs ()"
        )
    size1, size2 = ((x * x).sum(-1) + 1e-12 for x in (input1, input2))
    cosine = (input1 * input2).sum(-1) / (size1 * size2).sqrt()
    unlike = elementwise.where((cosine - margin).clamp(min=0), 0.0, mask=target.array == -1)
    return _reduce(name, elementwise.where(1 - cosine, unlike, mask=target.array == 1), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|), distances as in `pairwise_distance`.

    `swap` takes the distance from the positive to the negative where it is smaller than the anchor's (Balntas
    et al. 2016).  Schroff et al. 2015, arXiv:1503.03832.
    """
    _pair("triplet_margin_loss", anchor, positive, negative)
    return _triplet(
        "triplet_margin_loss", anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps),
        margin, swap, reduction,
    )  # fmt: skip


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of your own, a function of two tensors."""
    name, distance = "triplet_margin_with_distance_loss", distance_function or pairwise_distance
    if len({_tensor(name, x).ndim for x in (anchor, positive, negative)}) > 1:
        raise ShapeError(
            f"{name}: anchor {anchor.shape}, positive {positive.shape} and negative {negative.shape} "
            "need as many axes"
        )
    return _triplet(name, anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    name: str, anchor: Tensor, positive: Tensor, negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor], margin: float, swap: bool, reduction: str,
) -> Tensor:  # fmt: skip
    if _number(name, "margin", margin, 0) == 0:
        raise ArgumentError(f"{name}: margin must be more than 0")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduce(name, (near - far + margin).clamp(min=0), reduction)

"""Losses of segmentation: classes are rare, and what counts is how regions overlap.

PyTorch has none of them (torchvision has `sigmoid_focal_loss`).  All take logits x (n, classes, ...), and as
target either classes, integers (n, ...), of which one is true (softmax); or masks of the shape of x, each
channel on its own (sigmoid), which is how a binary mask is given.
"""

from __future__ import annotations

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...tensor import Tensor, _floating, _number, _tensor
from .loss import _class_weight, _reduce, binary_cross_entropy_with_logits, cross_entropy
from .sparse import one_hot

__all__ = [
    "dice_loss",
    "focal_loss",
    "generalized_dice_loss",
    "jaccard_loss",
    "sigmoid_focal_loss",
    "tversky_loss",
]


def _of_masks(name: str, x: Tensor, target: Tensor) -> bool:
    """Whether the target is masks rather than classes; refuses what is neither."""
    if _floating(name, x).ndim < 2:
        raise ShapeError(f"{name}: x {x.shape} needs at least 2 axes, (n, classes, ...)")
    if _tensor(name, target, "target").shape == x.shape:
        return True
    if target.shape != x.shape[:1] + x.shape[2:]:
        raise ShapeError(
            f"{name}: target {target.shape} for x {x.shape}; classes have the shape "
            f"{x.shape[:1] + x.shape[2:]}, masks that of x"
        )
    if x.shape[1] == 1:
        raise ShapeError(
            f"{name}: x {x.shape} has one channel: give a mask of its shape, target.unsqueeze(1)"
        )
    return False


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2.0, reduction: str = "none"
) -> Tensor:
    """Binary cross entropy of sigmoid(x) times (1 - p)^gamma, p the probability of what is true.

    `alpha` weighs the targets 1, 1 - alpha the targets 0; a negative alpha weighs none.  Arguments are
    torchvision's.  Lin et al. 2017, arXiv:1708.02002.

    >>> import tinygrad_cnn as tg
    >>> sigmoid_focal_loss(tg.tensor([-1.0, 0.0, 1.0]), tg.tensor([1.0, 1.0, 1.0]))
    tensor([0.1755, 0.0433, 0.0057])
    """
    name = "sigmoid_focal_loss"
    _number(name, "alpha", alpha, -float("inf"), 1)
    _number(name, "gamma", gamma, 0)
    losses = binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    p = inputs.sigmoid()
    losses = losses * _power(p + targets - p * targets * 2, gamma)
    if alpha >= 0:
        losses = losses * (targets * (2 * alpha - 1) + (1 - alpha))
    return _reduce(name, losses, reduction)


def _power(miss: Tensor, gamma: float) -> Tensor:
    """miss^gamma, whose slope is finite at 0."""
    return miss.clamp(min=float(np.finfo(miss.dtype).tiny)) ** gamma


def focal_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    gamma: float = 2.0,
    alpha: float | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Cross entropy times (1 - p)^gamma, p the probability of what is true; gamma = 0 is cross entropy.

    Args:
        weight: (classes,), the importance of each class; only for a target of classes, and "mean" divides by
            the weights of the targets, as `cross_entropy` does.
        alpha: the importance of 1 against 0; only for a target of masks, see `sigmoid_focal_loss`.
        ignore_index: targets that do not count.

    Lin et al. 2017, arXiv:1708.02002.
    """
    name = "focal_loss"
    _number(name, "gamma", gamma, 0)
    if _of_masks(name, input, target):
        if weight is not None:
            raise ArgumentError(f"{name}: weight is for a target of classes; masks have alpha")
        return sigmoid_focal_loss(
            input, target.to(input.dtype), -1 if alpha is None else alpha, gamma, reduction
        )
    if alpha is not None:
        raise ArgumentError(f"{name}: alpha is for a target of masks; classes have weight")
    if weight is not None:
        _class_weight(name, weight, input, 1)
    losses = cross_entropy(input, target, None, ignore_index, "none")
    losses = losses * _power(1 - (-losses).exp(), gamma)
    valid = target.array != ignore_index
    scale = valid if weight is None else weight.array[np.where(valid, target.array, 0)] * valid
    losses = losses * Tensor(scale.astype(input.dtype))
    if reduction == "mean":
        return losses.sum() / float(scale.sum())
    return _reduce(name, losses, reduction)


def _overlap(name: str, x: Tensor, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per image and class what x and target have in common, what x has and what the target: (n, classes)."""
    pixels = tuple(range(2, x.ndim))
    if _of_masks(name, x, target):
        p, t = x.sigmoid(), target.to(x.dtype)
    else:
        valid = target.array != ignore_index
        classes = one_hot(Tensor(np.where(valid, target.array, 0)), x.shape[1])
        counts = Tensor(valid[:, None].astype(x.dtype))
        p, t = x.softmax(1) * counts, classes.movedim(-1, 1).to(x.dtype) * counts
    if not pixels:
        return p * t, p, t
    return (p * t).sum(pixels), p.sum(pixels), t.sum(pixels)


def tversky_loss(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 1.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """1 - (both + smooth) / (both + alpha wrong + beta missed + smooth), per image and class.

    `both` is the sum of p t over the pixels, p the probabilities and t the target; `wrong` that of p (1 - t),
    `missed` that of (1 - p) t.  `smooth` keeps the quotient from 0 / 0 where a class is nowhere.

    Args:
        alpha, beta: what false positives and false negatives cost.
        ignore_index: classes in the target that do not count.
        reduction: "none" gives (n, classes), "mean" their mean.

    Salehi et al. 2017, arXiv:1706.05721.
    """
    name = "tversky_loss"
    for option, value in {"alpha": alpha, "beta": beta, "smooth": smooth}.items():
        _number(name, option, value, 0)
    both, found, true = _overlap(name, input, target, ignore_index)
    whole = both + (found - both) * alpha + (true - both) * beta
    return _reduce(name, 1 - (both + smooth) / (whole + smooth), reduction)


def dice_loss(
    input: Tensor, target: Tensor, smooth: float = 1.0, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """1 - (2 both + smooth) / (p + t + smooth), per image and class; arguments as in `tversky_loss`.

    Milletari et al. 2016, arXiv:1606.04797 (who square p and t in the denominator).

    >>> import tinygrad_cnn as tg
    >>> dice_loss(tg.tensor([[[-9.0, -9.0, 9.0, 9.0]]]), tg.tensor([[[0, 1, 1, 1]]]))
    tensor(0.1667)
    """
    _number("dice_loss", "smooth", smooth, 0)
    return tversky_loss(input, target, 0.5, 0.5, smooth / 2, ignore_index, reduction)


def jaccard_loss(
    input: Tensor, target: Tensor, smooth: float = 1.0, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """1 - (both + smooth) / (either + smooth), the soft intersection over union; see `tversky_loss`.

    Rahman & Wang 2016.
    """
    return tversky_loss(input, target, 1.0, 1.0, smooth, ignore_index, reduction)


def generalized_dice_loss(
    input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """1 - 2 sum w both / sum w (p + t) over the classes, w = 1 / t^2 (but at most 1), per image.

    Small regions count as much as large ones.  "none" gives (n,).  Sudre et al. 2017, arXiv:1707.03237.
    """
    name = "generalized_dice_loss"
    both, found, true = _overlap(name, input, target, ignore_index)
    w = true.clamp(min=1.0) ** -2
    return _reduce(name, 1 - (both * w).sum(1) * 2 / ((found + true) * w).sum(1), reduction)

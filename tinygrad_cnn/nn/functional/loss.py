"""Losses; `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import Any

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...op import Op
from ...ops import activation, elementwise, loss, shape
from ...tensor import Tensor, _floating, _number, _tensor
from ._checks import _at_least
from .activation import softplus

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]


def _reduce(name: str, losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise ArgumentError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def _not_after(op: Op, name: str, x: Tensor, cure: str) -> None:
    """Warn where a model ends in what the loss does itself: it trains, but badly, and no number is wrong."""
    node = x.node
    if node is not None and node.op is op:
        warnings.warn(f"{name}: x is the result of {node.name}; {cure}", UserWarning, stacklevel=3)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(x)[target]: input holds logits (n, classes, ...), or (classes,).

    Args:
        target: classes, integers (n, ...); or probabilities, floats of the shape of input.
        weight: (classes,), the importance of each class; "mean" divides by the weights of the targets.
        ignore_index: targets that do not count.
        label_smoothing: this share of the probability is spread evenly over all classes
            (Szegedy et al. 2015, arXiv:1512.00567).

    >>> import tinygrad_cnn as tg
    >>> cross_entropy(tg.tensor([[2.0, 0.0]]), tg.tensor([0]))
    tensor(0.1269)
    """
    _number("cross_entropy", "label_smoothing", label_smoothing, 0, 1)
    _tensor("cross_entropy", target, "target")
    if target.dtype.kind == "f" and _tensor("cross_entropy", input).dtype.kind != "f":
        raise DtypeError(
            f"cross_entropy: x {input.shape} is {input.dtype}, target {target.shape} is {target.dtype}; "
            "swapped? predictions first: use cross_entropy(predictions, labels)"
        )
    if _floating("cross_entropy", input).ndim == 0:
        raise ShapeError("cross_entropy: x () has no axis of classes")
    _not_after(
        activation.softmax, "cross_entropy", input, "the loss has a softmax of its own: leave that one out"
    )
    axis = min(1, input.ndim - 1)
    logp = input.log_softmax(axis)
    if target.dtype.kind != "f":
        return _nll("cross_entropy", logp, target, weight, ignore_index, reduction, label_smoothing)
    if target.shape != input.shape:
        raise DtypeError(
            f"cross_entropy: target {target.shape} {target.dtype}: classes must be integers (use .long()), "
            f"probabilities must have the shape of x {input.shape}"
        )
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    weighted = logp * target
    if weight is not None:
        weighted = weighted * _class_weight("cross_entropy", weight, logp, axis)
    losses = -weighted.sum(axis)
    if reduction == "mean":
        return losses.sum() / max(1, losses.numel()) if losses.numel() else losses.mean()
    return _reduce("cross_entropy", losses, reduction)


def _class_weight(name: str, weight: Tensor, x: Tensor, axis: int) -> Tensor:
    if _tensor(name, weight, "weight").shape != (x.shape[axis],):
        raise ShapeError(
            f"{name}: weight {weight.shape} for {x.shape[axis]} classes; one number per class is needed"
        )
    return weight.reshape(-1, *(1,) * (x.ndim - axis - 1))


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-x[target] for log-probabilities x (n, classes, ...); arguments as in `cross_entropy`."""
    _tensor("nll_loss", target, "target")
    if _floating("nll_loss", input).ndim == 0:
        raise ShapeError("nll_loss: x () has no axis of classes")
    _not_after(activation.softmax, "nll_loss", input, "it takes log-probabilities: use log_softmax instead")
    return _nll("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


def _nll(
    name: str, logp: Tensor, target: Tensor, weight: Any, ignore: int, reduction: str, smoothing: float
) -> Tensor:
    axis = min(1, logp.ndim - 1)
    if target.dtype.kind not in "iu":
        raise DtypeError(f"{name}: target is {target.dtype}; classes must be integers (use .long())")
    wanted = logp.shape[:axis] + logp.shape[axis + 1 :]
    if target.shape != wanted:
        cure = _cure_for_shapes(logp.shape, target.shape, wanted)
        raise ShapeError(f"{name}: x {logp.shape} needs a target {wanted}, got {target.shape}; {cure}")
    classes, labels = logp.shape[axis], target.array
    valid = labels != _number(name, "ignore_index", ignore)
    wrong = valid & ((labels < 0) | (labels >= classes))
    if wrong.any():
        cure = _cure_for_labels(labels[valid], classes)
        first = int(labels[wrong].flat[0] if labels.ndim else labels)
        raise ArgumentError(
            f"{name}: target holds class {first}, x {logp.shape} has classes 0 to {classes - 1}; {cure}"
        )
    everything = bool(valid.all())
    labels = labels if everything else labels * valid
    index = np.expand_dims(labels, axis).astype(np.int64, copy=False)
    losses = -shape.gather(logp, dim=axis, index=index).squeeze(axis)

    scale = None  # of each target: its class's weight, 0 where ignored
    if weight is not None:
        _class_weight(name, weight, logp, axis)
        scale = weight.array[labels] * valid
    elif not everything:
        scale = valid.astype(logp.dtype)
    if not everything:
        losses = losses.masked_fill(~valid, 0.0)  # an ignored -inf would make nan of 0 times inf
    if scale is not None:
        losses = losses * Tensor(np.asarray(scale, logp.dtype))
    if smoothing:
        spread = logp if weight is None else logp * _class_weight(name, weight, logp, axis)
        even = -spread.sum(axis)
        losses = losses * (1 - smoothing) + (even if everything else even.masked_fill(~valid, 0.0)) * (
            smoothing / classes
        )
    if reduction == "mean" and scale is not None:
        return losses.sum() / Tensor(np.asarray(np.sum(scale), logp.dtype))
    return _reduce(name, losses, reduction)


def _cure_for_shapes(x: tuple[int, ...], target: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """How labels of another shape are usually meant."""
    if target == x:
        return "for one-hot targets use target.argmax(1)"
    if math.prod(target) == math.prod(wanted):
        return f"use target.reshape{wanted}"
    if len(target) == 1 and len(x) > 2 and x[0] == target[0]:
        return f"for one label per image, flatten before the last layer, so that x is ({x[0]}, classes)"
    if len(target) == 1 and len(x) == 2 and target[0] and x[0] % target[0] == 0:
        return (
            f"{x[0] // target[0]} rows for each label: does a view(-1, ...) stand where flatten(1) is meant?"
        )
    if len(target) == len(wanted) > 1 and x[0] == target[0]:
        return f"bring x to the size of the labels: interpolate(x, size={target[1:]})"
    return "one class per prediction is needed"


def _cure_for_labels(labels: np.ndarray, classes: int) -> str:
    """How labels that are no classes are usually meant."""
    least, most = int(labels.min()), int(labels.max())
    if least < 0 or most == 255:
        none = least if least < 0 else most
        return f"if {none} marks what has no class, pass ignore_index={none}"
    if classes == 1:
        return "one output tells two classes apart with binary_cross_entropy_with_logits, or make it two"
    if most == classes and least > 0:
        return "labels counted from 1? subtract 1"
    return f"the model needs {most + 1} outputs"


# --- losses of pairs ---------------------------------------------------------------------------------------


def _pair(name: str, input: Tensor, *targets: Tensor) -> None:
    """All of one shape."""
    for target in targets:
        if _tensor(name, input).shape != _tensor(name, target, "target").shape:
            cure = "reshape or squeeze one of them"
            if input.numel() == target.numel():
                cure = f"use target.reshape{input.shape}"
            elif target.dtype.kind in "iu" and target.shape == input.shape[:1] + input.shape[2:]:
                cure = "for classes use cross_entropy"
            raise ShapeError(
                f"{name}: x {input.shape} and target {target.shape} differ; broadcasting here is nearly "
                f"always a mistake ({cure})"
            )


def _weighted(name: str, losses: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """With one weight for each loss, "mean" is the weighted mean."""
    if weight is None:
        return _reduce(name, losses, reduction)
    _check_weights(name, losses, weight)
    total = _reduce(name, losses * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


def _check_weights(name: str, losses: Tensor, weight: Tensor) -> None:
    if _tensor(name, weight, "weight").shape != losses.shape:
        raise ShapeError(f"{name}: weight {weight.shape} must have the shape of x {losses.shape}")


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """(x - target)^2; both of one shape, and so are weights, by whose sum the weighted mean is divided."""
    _pair("mse_loss", input, target)
    return _weighted("mse_loss", (input - target).square(), weight, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """|x - target|; both of one shape, and so are weights, by whose sum the weighted mean is divided."""
    _pair("l1_loss", input, target)
    return _weighted("l1_loss", (input - target).abs(), weight, reduction)


def _bent(input: Tensor, target: Tensor, bend: float) -> Tensor:
    """d^2 / 2 for d = |x - target| < bend, else bend (d - bend / 2)."""
    difference = input - target
    distance = difference.abs()
    return elementwise.where(
        difference * difference * 0.5, distance * bend - 0.5 * bend * bend, mask=distance.array < bend
    )


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d^2 / 2 for d = |x - target| < delta, else delta (d - delta / 2) (Huber 1964).

    With weights "mean" is the plain mean of the weighted losses, unlike in `mse_loss`; so it is in PyTorch.
    """
    _pair("huber_loss", input, target)
    if _number("huber_loss", "delta", delta, 0) == 0:
        raise ArgumentError("huber_loss: delta must be more than 0; use l1_loss for an edge at 0")
    losses = _bent(input, target, delta)
    if weight is not None:
        _check_weights("huber_loss", losses, weight)
        losses = losses * weight
    return _reduce("huber_loss", losses, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) for d = |x - target| < beta, else d - beta / 2 (Girshick 2015, arXiv:1504.08083)."""
    _pair("smooth_l1_loss", input, target)
    if _number("smooth_l1_loss", "beta", beta, 0) == 0:
        return l1_loss(input, target, reduction)
    return _reduce("smooth_l1_loss", _bent(input, target, beta) / beta, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)) for probabilities x, logarithms cut off at -100."""
    _pair("binary_cross_entropy", input, target)
    if input.numel() and not ((input.array >= 0) & (input.array <= 1)).all():
        raise ArgumentError(
            f"binary_cross_entropy: x runs from {input.array.min():g} to {input.array.max():g}; "
            "probabilities lie "
            "between 0 and 1 (use sigmoid, or better binary_cross_entropy_with_logits)"
        )
    losses = loss.binary_cross_entropy(input, target)
    return _reduce("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Binary cross entropy of sigmoid(x), stable: (1 - t) x + (1 + (p - 1) t) log(1 + e^-x).

    `weight` scales every loss, `pos_weight` p the losses where t is 1; both broadcast.
    """
    _pair("binary_cross_entropy_with_logits", input, target)
    _not_after(
        activation.sigmoid,
        "binary_cross_entropy_with_logits",
        input,
        "the loss has a sigmoid of its own: leave that one out",
    )
    positive = softplus(-input, threshold=math.inf)
    if pos_weight is not None:
        positive = positive * (
            (_tensor("binary_cross_entropy_with_logits", pos_weight, "pos_weight") - 1) * target + 1
        )
    losses = (1 - target) * input + positive
    return _reduce(
        "binary_cross_entropy_with_logits", losses if weight is None else losses * weight, reduction
    )


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target (log target - x) for log-probabilities x; `log_target`: the targets are logarithms as well.

    "mean" divides by the number of elements, as in PyTorch; "batchmean" by that of rows, which gives the
    divergence of Kullback & Leibler (1951).

    >>> import tinygrad_cnn as tg
    >>> p = tg.tensor([[0.25, 0.75]])
    >>> kl_div(p.flip(1).log(), p, reduction="batchmean")
    tensor(0.5493)
    """
    _pair("kl_div", input, target)
    if log_target:
        losses = target.exp() * (target - input)
    else:  # 0 log 0 is 0
        losses = target * elementwise.where(target, 1.0, mask=target.array != 0).log() - target * input
    if reduction != "batchmean":
        return _reduce("kl_div", losses, reduction)
    return losses.sum() / input.shape[0] if input.ndim and input.shape[0] else losses.mean()


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """e^x - target x for counts whose expected number is e^x; x - target log(x + eps) without `log_input`.

    `full` adds Stirling's approximation of log(target!) where the target is above 1.
    """
    name = "poisson_nll_loss"
    _pair(name, input, target)
    _number(name, "eps", eps)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        many = target.array > 1
        t = elementwise.where(target, 1.0, mask=many)
        stirling = t * t.log() - t + (t * (2 * math.pi)).log() * 0.5
        losses = losses + elementwise.where(stirling, 0.0, mask=many)
    return _reduce(name, losses, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log v + (x - target)^2 / v) / 2 for targets that are normal around x with variance v (at least eps).

    `var` has the shape of x, lacks the last axis or has 1 for one axis, or is a number; a variance below eps
    has the gradient of one at eps.  `full` adds the constant log(2 pi) / 2.  Nix & Weigend 1994.
    """
    name = "gaussian_nll_loss"
    _pair(name, input, target)
    _number(name, "eps", eps)
    if isinstance(var, Real):
        var = Tensor(np.full(input.shape, var, input.dtype))
    v = _tensor(name, var, "var")
    if v.shape != input.shape:
        if v.shape == input.shape[:-1]:
            v = v.unsqueeze(-1)
        elif v.ndim != input.ndim or [n for m, n in zip(input.shape, v.shape, strict=True) if m != n] != [1]:
            raise ShapeError(
                f"{name}: var {v.shape} for x {input.shape}; it needs that shape, or 1 for one of the axes"
            )
    if (v.array < 0).any():
        raise ArgumentError(f"{name}: var holds {v.array.min():g}; a variance is not negative")
    v = _at_least(v, eps)
    losses = (v.log() + (input - target).square() / v) * 0.5
    return _reduce(name, losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)

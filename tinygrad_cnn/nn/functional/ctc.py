"""The loss of sequences whose alignment is not known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...ops import elementwise, reduce, shape
from ...tensor import Tensor, _floating, _tensor
from .loss import _reduce

__all__ = ["ctc_loss"]

_LOW = -1e30  # the logarithm of "impossible": unlike -inf it has no nan among its gradients


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all alignments of a target with what was predicted step by step.

    An alignment names a class or a blank at each step; it stands for the target that is left without
    repetitions and then without blanks.  Graves et al. 2006.

    Args:
        log_probs: (steps, n, classes), or (steps, classes) of one sequence; from `log_softmax`.
        targets: classes, (n, longest) or all in a row; what stands behind a target's end does not count.
        input_lengths, target_lengths: how long each is, n integers.
        blank: the class that stands for nothing.
        reduction: "mean" divides each loss by the length of its target first.
        zero_infinity: 0 instead of inf where a target is too long for its steps.

    >>> import tinygrad_cnn as tg
    >>> even = tg.full((2, 1, 2), 0.5).log()  # of the four alignments, aa, a-, and -a stand for a
    >>> ctc_loss(even, tg.tensor([[1]]), (2,), (1,)).exp()
    tensor(1.3333)
    """
    name = "ctc_loss"
    if _floating(name, log_probs, "log_probs").ndim == 2:
        log_probs, alone = log_probs.unsqueeze(1), True
        targets = _tensor(name, targets, "targets").reshape(-1)
    elif log_probs.ndim == 3:
        alone = False
    else:
        raise ShapeError(f"{name}: log_probs {log_probs.shape} needs the axes (steps, n, classes)")
    steps, n, classes = log_probs.shape
    if not isinstance(blank, int) or not 0 <= blank < classes:
        raise ArgumentError(f"{name}: blank {blank!r} is none of the classes 0 to {classes - 1}")
    known = _lengths(name, "input_lengths", input_lengths, n, steps)
    labels, sizes = _labels(name, targets, target_lengths, n, classes, blank)
    losses = -_alignments(log_probs, labels, known, sizes, blank)
    endless = losses.array > -_LOW / 2
    losses = elementwise.where(0.0 if zero_infinity else math.inf, losses, mask=endless)
    if reduction == "mean":
        losses = losses / Tensor(np.maximum(sizes, 1).astype(losses.dtype))
    losses = _reduce(name, losses, reduction)
    return losses.squeeze(0) if alone and reduction == "none" else losses


def _lengths(name: str, what: str, lengths: Any, n: int, most: int) -> np.ndarray:
    found = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths).reshape(-1)
    if found.dtype.kind not in "iu" and found.size:
        raise DtypeError(f"{name}: {what} is {found.dtype}; lengths are integers")
    if len(found) != n:
        raise ShapeError(f"{name}: {what} has {len(found)} entries for a batch of {n}")
    if found.size and (found.min() < 0 or found.max() > most):
        raise ArgumentError(f"{name}: {what} runs from {found.min()} to {found.max()}, there are 0 to {most}")
    return found.astype(np.int64)


def _labels(
    name: str, targets: Tensor, lengths: Any, n: int, classes: int, blank: int
) -> tuple[np.ndarray, np.ndarray]:
    """Targets (n, longest) with blanks behind their ends, and their lengths."""
    given = _tensor(name, targets, "targets").array
    if given.dtype.kind not in "iu":
        raise DtypeError(f"{name}: targets are {given.dtype}; classes must be integers (use .long())")
    if given.ndim not in (1, 2) or (given.ndim == 2 and len(given) != n):
        raise ShapeError(
            f"{name}: targets {given.shape} for a batch of {n}; use (n, longest), or all in a row"
        )
    sizes = _lengths(name, "target_lengths", lengths, n, given.shape[-1])
    longest = int(sizes.max(initial=0))
    real = np.arange(longest) < sizes[:, None]
    labels = np.full((n, longest), blank)
    if given.ndim == 2:
        labels[real] = given[:, :longest][real]
    elif sizes.sum() != len(given):
        raise ShapeError(
            f"{name}: targets {given.shape} hold {len(given)} classes, target_lengths {sizes.sum()}"
        )
    else:
        labels[real] = given
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ArgumentError(
            f"{name}: targets hold {labels.min()} to {labels.max()}, the classes are 0 to {classes - 1}"
        )
    return labels, sizes


def _alignments(
    log_probs: Tensor, labels: np.ndarray, known: np.ndarray, sizes: np.ndarray, blank: int
) -> Tensor:
    """The logarithm of the probability of all alignments of each target: (n,).

    States are the classes of a target with blanks before, between and after them.  Step by step one stays
    in a state, goes on to the next, or skips a blank between two different classes.
    """
    (steps, n, _), dtype = log_probs.shape, log_probs.dtype
    states = np.full((n, 2 * labels.shape[1] + 1), blank)
    states[:, 1::2] = labels
    seen = shape.gather(log_probs, dim=2, index=np.broadcast_to(states, (steps, *states.shape)))
    seen = seen.clamp(min=_LOW)
    skips = np.full(states.shape, _LOW, dtype)
    skips[:, 2:][(states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])] = 0

    start = np.full(states.shape, _LOW, dtype)
    start[:, 0] = 0  # as if a blank had come before the first step
    reached = [Tensor(start)]
    for step in range(steps):
        before = shape.pad(reached[-1], widths=((0, 0), (2, 0)), value=_LOW)
        ways = before[:, 2:], before[:, 1:-1], before[:, :-2] + Tensor(skips)
        joined = shape.cat(*(way.unsqueeze(0) for way in ways), dim=0)
        reached.append(reduce.logsumexp(joined, dim=(0,)) + seen[step])

    ends = np.full(states.shape, _LOW, dtype)
    rows = np.arange(n)
    ends[rows, 2 * sizes] = 0
    ends[rows[sizes > 0], 2 * sizes[sizes > 0] - 1] = 0
    last = shape.cat(*(state.unsqueeze(0) for state in reached), dim=0)[known, rows]
    return reduce.logsumexp(last + Tensor(ends), dim=(1,))

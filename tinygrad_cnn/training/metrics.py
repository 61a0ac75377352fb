"""Metrics: numbers made of counts that add up over batches.

A metric says what to count in a batch and what to make of the sum; so an epoch's value is exact, however the
batches are cut, and a checkpoint in the middle of an epoch needs to keep one small array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..tensor import Tensor

__all__ = ["Accuracy", "ConfusionMatrix", "F1Score", "Mean", "MeanIoU", "Metric", "TopKAccuracy"]


class Metric:
    """Base of metrics; a subclass has a `name` and defines `count` and `value`.

    Attributes:
        name: what it is called in a `History`.
        total: the counts of all batches since `reset()`, or None.

    >>> class MeanSquare(Metric):
    ...     name = "mean_square"
    ...     def count(self, outputs, targets):
    ...         return np.array([((outputs - targets) ** 2).sum().item(), targets.numel()])
    ...     def value(self, total):
    ...         return float(total[0] / total[1])
    >>> metric = MeanSquare()
    >>> metric.update(Tensor(np.array([1.0, 2.0])), Tensor(np.array([0.0, 0.0])))
    >>> metric.compute()
    2.5
    """

    name: str = ""
    total: np.ndarray | None = None

    def count(self, outputs: Any, targets: Any) -> np.ndarray:
        """What is to be added up, of one batch."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it counts; define count()")

    def value(self, total: np.ndarray) -> Any:
        """The metric, of the sum of all counts."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say what it makes of counts; define value()"
        )

    def update(self, outputs: Any, targets: Any) -> None:
        """Count a batch."""
        self.add(self.count(outputs, targets))

    def add(self, counts: np.ndarray) -> None:
        """Add counts to those so far."""
        self.total = counts if self.total is None else self.total + counts

    def compute(self) -> Any:
        """The metric of all batches since `reset()`; raises ArgumentError if there were none."""
        if self.total is None:
            raise ArgumentError(f"{type(self).__name__}: nothing was counted yet; call update() first")
        return self.value(self.total)

    def reset(self) -> None:
        """Forget all batches."""
        self.total = None


class Mean(Metric):
    """The mean over items of a function (outputs, targets) -> mean over the batch, such as a loss.

    >>> Mean(lambda outputs, targets: abs(outputs - targets).mean(), "error").name
    'error'
    """

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None):
        self.function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))

    def count(self, outputs: Any, targets: Any) -> np.ndarray:
        number = self.function(outputs, targets)
        return counted(number.item() if isinstance(number, Tensor) else float(number), len(targets))

    def value(self, total: np.ndarray) -> float:
        return float(total[0] / total[1])


def counted(mean: float, items: int) -> np.ndarray:
    """The counts of `Mean`: the sum over the items, and their number."""
    return np.array([mean * items, items], np.float64)


class _OfClasses(Metric):
    """A metric of classes: outputs are scores (n, classes, ...), targets labels (n, ...); or both are of one
    shape, the outputs logits and the targets 0 or 1."""

    def __init__(self, ignore_index: int | None = None):
        self.ignore_index = ignore_index

    def known(self, outputs: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
        """Scores (items, classes) and labels (items,), without those to ignore."""
        name = type(self).__name__
        if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
            raise DtypeError(
                f"{name}: outputs are a {type(outputs).__name__}, targets a {type(targets).__name__}; "
                "give Tensors"
            )
        scores, labels = outputs.array, targets.array
        if scores.shape == labels.shape:  # one logit: is it the second of two classes?
            scores = np.stack([np.zeros_like(scores), scores], axis=-1)
        elif scores.ndim == labels.ndim + 1 and (*scores.shape[:1], *scores.shape[2:]) == labels.shape:
            scores = np.moveaxis(scores, 1, -1)
        else:
            raise ShapeError(
                f"{name}: outputs {outputs.shape} and targets {targets.shape} do not belong together; give "
                "scores (n, classes, ...) and labels (n, ...), or logits and labels of one shape"
            )
        scores, labels = scores.reshape(-1, scores.shape[-1]), labels.reshape(-1).astype(np.int64)
        kept = labels != self.ignore_index
        scores, labels = (scores, labels) if kept.all() else (scores[kept], labels[kept])
        if labels.size and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
            raise ArgumentError(
                f"{name}: labels from {labels.min()} to {labels.max()} for {scores.shape[1]} classes; labels "
                "begin at 0, and ignore_index leaves one out"
            )
        return scores, labels


class Accuracy(_OfClasses):
    """The fraction of items (or pixels) whose largest score is that of their label.

    >>> import tinygrad_cnn as tg
    >>> metric = Accuracy()
    >>> metric.update(tg.tensor([[0.1, 0.9], [0.8, 0.2]]), tg.tensor([1, 1]))
    >>> metric.compute()
    0.5
    """

    name = "accuracy"

    def count(self, outputs: Any, targets: Any) -> np.ndarray:
        scores, labels = self.known(outputs, targets)
        return np.array([(scores.argmax(1) == labels).sum(), labels.size])

    def value(self, total: np.ndarray) -> float:
        return float(total[0] / total[1]) if total[1] else float("nan")


class TopKAccuracy(Accuracy):
    """The fraction of items whose label is among the k largest scores; of equal ones the first count."""

    def __init__(self, k: int = 5, ignore_index: int | None = None):
        super().__init__(ignore_index)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ArgumentError(f"TopKAccuracy: k is {k!r}; it must be an integer of at least 1")
        self.k, self.name = k, f"top{k}_accuracy"

    def count(self, outputs: Any, targets: Any) -> np.ndarray:
        scores, labels = self.known(outputs, targets)
        own = scores[np.arange(labels.size), labels][:, None]
        before = (scores == own) & (np.arange(scores.shape[1]) < labels[:, None])
        rank = ((scores > own) | before).sum(1)
        return np.array([(rank < self.k).sum(), labels.size])


class ConfusionMatrix(_OfClasses):
    """How often each class (row) was taken for each (column): (num_classes, num_classes).

    A `History` has no room for it; after `fit`, `compute()` gives that of the last validation.

    >>> import tinygrad_cnn as tg
    >>> metric = ConfusionMatrix(2)
    >>> metric.update(tg.tensor([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]]), tg.tensor([1, 1, 0]))
    >>> metric.compute().tolist()
    [[1, 0], [1, 1]]
    """

    name = "confusion"

    def __init__(self, num_classes: int, ignore_index: int | None = None):
        super().__init__(ignore_index)
        if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
            raise ArgumentError(
                f"{type(self).__name__}: num_classes is {num_classes!r}; it must be an integer of at least 2"
            )
        self.num_classes = num_classes

    def count(self, outputs: Any, targets: Any) -> np.ndarray:
        scores, labels = self.known(outputs, targets)
        n = self.num_classes
        if scores.shape[1] != n:
            raise ShapeError(
                f"{type(self).__name__}: outputs {outputs.shape} have {scores.shape[1]} classes; it was made "
                f"with num_classes={n}"
            )
        return np.bincount(labels * n + scores.argmax(1), minlength=n * n).reshape(n, n)

    def value(self, total: np.ndarray) -> Any:
        return total


class MeanIoU(ConfusionMatrix):
    """Intersection over union, averaged over the classes that occur in targets or outputs."""

    name = "mean_iou"

    def value(self, total: np.ndarray) -> float:
        both, either = total.diagonal(), total.sum(0) + total.sum(1) - total.diagonal()
        return float((both[either > 0] / either[either > 0]).mean()) if either.any() else float("nan")


class F1Score(ConfusionMatrix):
    """2 true positives / (targets + guesses), Dice's coefficient, averaged over the classes that occur in
    targets or outputs."""

    name = "f1"

    def value(self, total: np.ndarray) -> float:
        both, sizes = total.diagonal(), total.sum(0) + total.sum(1)
        return float((2 * both[sizes > 0] / sizes[sizes > 0]).mean()) if sizes.any() else float("nan")

"""Averages of weights along a training: AveragedModel, update_bn, SWALR.

Averaged weights often generalize better than the last ones: Izmailov et al. (2018), "Averaging weights
leads to wider optima and better generalization", https://arxiv.org/abs/1803.05407.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import chain
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..nn.module import Module
from ..nn.norm import _BatchNorm
from ..tape import no_grad
from ..tensor import Tensor
from .lr_scheduler import LRScheduler
from .lr_scheduler.base import is_integer
from .optimizer import Optimizer, towards

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Tensor, Tensor, Any], Tensor]:
    """For AveragedModel: average = decay average + (1 - decay) weight, an exponential moving average.

    >>> import tinygrad_cnn as tg
    >>> get_ema_avg_fn(0.75)(tg.tensor(4.0), tg.tensor(8.0), 3)
    tensor(5.)
    """
    decay = _decay(decay)

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return decay * averaged + (1 - decay) * current

    return average


def get_swa_avg_fn() -> Callable[[Tensor, Tensor, Any], Tensor]:
    """For AveragedModel: average = average + (weight - average) / (n + 1), the mean of all.

    >>> import tinygrad_cnn as tg
    >>> get_swa_avg_fn()(tg.tensor(4.0), tg.tensor(8.0), 3)
    tensor(5.)
    """

    def average(averaged: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return averaged + (current - averaged) / (num_averaged + 1)

    return average


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """The same average as `get_ema_avg_fn`, of whole lists of tensors, in place and faster.

    >>> import tinygrad_cnn as tg
    >>> average = tg.tensor([4.0])
    >>> get_ema_multi_avg_fn(0.75)([average], [tg.tensor([8.0])], 3)
    >>> average
    tensor([5.])
    """
    return _in_place(get_ema_avg_fn(decay), lambda num_averaged: 1 - decay)


def get_swa_multi_avg_fn() -> Callable[[list[Tensor], list[Tensor], Any], None]:
    """The same average as `get_swa_avg_fn`, of whole lists of tensors, in place and faster.

    >>> import tinygrad_cnn as tg
    >>> average = tg.tensor([4.0])
    >>> get_swa_multi_avg_fn()([average], [tg.tensor([8.0])], 3)
    >>> average
    tensor([5.])
    """
    return _in_place(get_swa_avg_fn(), lambda num_averaged: 1 / (int(num_averaged) + 1))


def _decay(decay: float) -> float:
    if not (isinstance(decay, (int, float)) and 0 <= decay <= 1):
        raise ArgumentError(f"the decay of an average is {decay!r}; it must be a number from 0 to 1")
    return float(decay)


def _in_place(average: Callable[..., Tensor], rate: Callable[[Any], float]) -> Callable[..., None]:
    def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Any) -> None:
        for a, x in zip(averaged, current, strict=True):
            array = a._writable()
            if array.dtype.kind == "f":
                towards(array, x.array, rate(num_averaged), np.empty_like(array))
            else:  # whole numbers are cut off, as assignments do
                array[...] = average(a, x, num_averaged).array

    return update


class AveragedModel(Module):
    """A copy of a model whose weights are averages of those that `update_parameters` has seen.

    Args:
        model: copied deeply; it may go on training.
        device: None or "cpu".
        avg_fn: (averaged, current, n_averaged) -> new average, tensor by tensor.
        multi_avg_fn: (list of averaged, list of current, n_averaged), which changes the first list's tensors;
            by default all models count alike, see `get_swa_multi_avg_fn`.
        use_buffers: average the buffers as well; otherwise they are those of the last model.

    Buffer: `n_averaged`, how many models were seen.  The copy is `module`.  What was averaged before a batch
    normalization changes its statistics: call `update_bn` at the end.

    Raises:
        ArgumentError: both functions.
        ShapeError: in `update_parameters`, a model of other shapes.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Linear(1, 1, bias=False)
    >>> averaged = AveragedModel(model)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = tg.nn.init.constant_(model.weight, weight)
    ...     averaged.update_parameters(model)
    >>> averaged(tg.ones(1)).item()
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Tensor, Tensor, Any], Tensor] | None = None,
        multi_avg_fn: Callable[[list[Tensor], list[Tensor], Any], None] | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        if not isinstance(model, Module):
            raise ArgumentError(f"AveragedModel: model is a {type(model).__name__}, no Module")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError(
                "AveragedModel: avg_fn and multi_avg_fn are two ways to say one thing; give one"
            )
        self.module = deepcopy(model)
        if device is not None:
            self.module.to(device)
        self.register_buffer("n_averaged", Tensor(np.zeros((), np.int64)))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's weights into the average; the first ones are the average."""
        averaged, current = list(self._averaged(self.module)), list(self._averaged(model))
        ours, theirs = list(self.module.buffers()), list(model.buffers())
        for pairs in ((averaged, current), (ours, theirs)):
            if [x.shape for x in pairs[0]] != [x.shape for x in pairs[1]]:
                raise ShapeError(
                    f"AveragedModel: {type(model).__name__} has other parameters or buffers than the "
                    f"{type(self.module).__name__} that was copied; pass the model it was made from"
                )
        with no_grad():
            if self.n_averaged.item() == 0:
                _copy(averaged, current)
            elif self.avg_fn is not None:
                news = [
                    self.avg_fn(a.detach(), x.detach(), self.n_averaged)
                    for a, x in zip(averaged, current, strict=True)
                ]
                _copy(averaged, news)
            else:
                average = self.multi_avg_fn or get_swa_multi_avg_fn()
                average([a.detach() for a in averaged], [x.detach() for x in current], self.n_averaged)
            if not self.use_buffers:
                _copy(ours, theirs)
            self.n_averaged.add_(1)

    def _averaged(self, model: Module) -> Iterator[Tensor]:
        return chain(model.parameters(), model.buffers() if self.use_buffers else ())


def _copy(into: list[Tensor], tensors: list[Tensor]) -> None:
    for a, x in zip(into, tensors, strict=True):
        a._writable()[...] = x.array


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Measure the statistics of all batch normalizations anew, in one pass over the data.

    Args:
        loader: of batches, or of tuples and lists whose first element is one.
        model: any with BatchNorm layers; without, nothing is done.
        device: None or "cpu".

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.BatchNorm1d(1))
    >>> update_bn([tg.tensor([[1.0], [3.0]]), tg.tensor([[5.0], [7.0]])], model)
    >>> model[0].running_mean
    tensor([4.])
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momenta, was_training = [norm.momentum for norm in norms], model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average over all batches
    model.train()
    try:
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """From any rate to a constant one in anneal_epochs, for the time when weights are averaged.

        lr = (1 - a) (the rate before) + a swa_lr,   a = (1 - cos(pi epoch / anneal_epochs)) / 2

    Args:
        optimizer: whose groups are changed.
        swa_lr: the constant, or a list with one for each group.
        anneal_epochs: how long the way takes.
        anneal_strategy: "cos" as above, or "linear".
        last_epoch: as in LRScheduler.

    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.zeros(1)], lr=1.0)
    >>> scheduler = SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr(), end=" ")
    ...     optimizer.step()
    ...     scheduler.step()
    [1.0] [0.75] [0.5] [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        self._require(isinstance(optimizer, Optimizer), "optimizer", optimizer, "an Optimizer")
        self.optimizer = optimizer
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, "'cos' or 'linear'"
        )
        self._require(
            is_integer(anneal_epochs) and anneal_epochs >= 0,
            "anneal_epochs", anneal_epochs, "an integer of 0 or more",
        )  # fmt: skip
        rates = [self._number("swa_lr", lr) for lr in self._per_group("swa_lr", swa_lr)]
        for group, lr in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = lr
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = int(anneal_epochs)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self._step_count - 1 if self.anneal_epochs else max(1, self._step_count - 1)
        before, now = self._done(step - 1), self._done(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, swa_lr = group["lr"], group["swa_lr"]
            first = swa_lr if before == 1 else (lr - before * swa_lr) / (1 - before)
            rates.append(now * swa_lr + (1 - now) * first)
        return rates

    def _restart(self) -> None:
        self.last_epoch = -1
        self._initial_step()  # from where the rates are

    def _done(self, step: int) -> float:
        """How much of the way."""
        part = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return part if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * part)) / 2

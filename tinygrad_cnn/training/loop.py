"""The training loop, and how it stops and goes on.

`fit` is the loop that everybody writes.  All that it needs to go on from a file is in a `Run`.  Two states of
the random generators are kept: that in which the epoch began, which says its order and augmentation, and that
of the moment, which says the next dropout.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import signature
from itertools import islice
from typing import Any

import numpy as np

from ..data import DataLoader
from ..errors import ArgumentError, DtypeError, GraphError, StateDictError
from ..nn import Module
from ..nn.utils import clip_grad_norm_
from ..random import Generator, get_rng_state, set_rng_state
from ..serialization import load
from ..tape import no_grad
from ..tensor import Tensor
from .callbacks import Callback, Checkpoint
from .history import History, shown
from .metrics import Mean, Metric, counted

__all__ = ["Run", "evaluate", "fit"]


def fit(
    model: Module, loader: Iterable[Any], loss_fn: Callable[..., Tensor], optimizer: Any, *, epochs: int,
    validation: Iterable[Any] | None = None, scheduler: Any = None, scheduler_every: str = "epoch",
    metrics: Sequence[Metric | Callable[..., Any]] = (), ema: Any = None, clip_norm: float | None = None,
    callbacks: Iterable[Callback] = (), resume: str | os.PathLike[str] | None = None, progress: bool = True,
) -> History:  # fmt: skip
    """Train until `epochs` epochs are done, and tell how it went.

    Whatever ends it early, Ctrl-C as well, leaves modules in the mode in which they were, and the file of a
    `Checkpoint` whole.

    Args:
        loader: batches (inputs, targets), or (input, input, ..., targets); a `DataLoader`.
        loss_fn: (outputs, targets) -> the mean loss of the batch.
        optimizer: of the model's parameters.
        validation: batches to look at after each epoch, in eval mode.
        scheduler: stepped after every "epoch" or "batch", as `scheduler_every` says; one that looks at a
            number, such as ReduceLROnPlateau, is given the loss, of validation if there is one.
        metrics: Metrics, or functions (outputs, targets) -> mean of the batch; of training and validation.
        ema: an AveragedModel: updated after every step, and validated in place of the model.
        clip_norm: the length that the gradients are clipped to.
        callbacks: what else is to be done on the way: `Checkpoint`, `EarlyStopping`, your own.
        resume: a file of a `Checkpoint`, written by a training with the same arguments, to go on from.  The
            weights at the end are, bit for bit, those of a training that was never interrupted.
        progress: show a bar, and a line for each epoch.

    Raises:
        ArgumentError: an empty loader, an optimizer of other parameters, options that make no sense.
        GraphError: a loss that is not finite; says in which batch, and where the first such number arose.
        StateDictError: a checkpoint of another training.

    >>> import tinygrad_cnn as tg
    >>> data = tg.data.TensorDataset(tg.linspace(-1, 1, 64)[:, None], tg.linspace(-2, 2, 64)[:, None])
    >>> model = tg.nn.Linear(1, 1)
    >>> history = fit(model, tg.data.DataLoader(data, 8, shuffle=True), tg.nn.MSELoss(),
    ...               tg.optim.SGD(model.parameters(), lr=0.1), epochs=10, progress=False)
    >>> round(model.weight.item(), 1), history[-1]["epoch"]
    (2.0, 10)
    """
    run = Run(
        model, loader, loss_fn, optimizer, epochs, validation, scheduler, scheduler_every, metrics, ema,
        callbacks, progress,
    )  # fmt: skip
    if resume is not None:
        run.load_state_dict(load(resume))
    with run:
        run.tell("on_start")
        while len(run.history) < epochs and not run.stop:
            model.train()
            for inputs, targets in run.batches():
                outputs = model(*inputs)
                loss = loss_fn(outputs, targets)
                run.count(inputs, outputs, targets, loss)  # first, as it refuses what is not finite
                optimizer.zero_grad()
                loss.backward()
                if clip_norm is not None:
                    clip_grad_norm_(model.parameters(), clip_norm)
                optimizer.step()
                if ema is not None:
                    ema.update_parameters(model)
                if scheduler is not None and scheduler_every == "batch":
                    scheduler.step()
                run.tell("on_step")
            run.finish_epoch()
            run.tell("on_epoch")
        run.tell("on_end")
    return run.history


@no_grad()
def evaluate(
    model: Module, loader: Iterable[Any], loss_fn: Callable[..., Any] | None = None,
    metrics: Sequence[Metric | Callable[..., Any]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The loss ("loss", if there is a loss_fn) and the metrics of a model on all batches, in eval mode.

    >>> import tinygrad_cnn as tg
    >>> data = tg.data.TensorDataset(tg.eye(3), tg.tensor([0, 1, 1]))
    >>> evaluate(tg.nn.Identity(), tg.data.DataLoader(data, 2), metrics=[tg.training.Accuracy()])
    {'accuracy': 0.6666666666666666}
    """
    kept = [*([Mean(loss_fn, "loss")] if loss_fn else []), *as_metrics(metrics)]
    for metric in kept:
        metric.reset()
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for batch in loader:
            inputs, targets = unpacked(batch)
            outputs = model(*inputs)
            for metric in kept:
                metric.update(outputs, targets)
    finally:
        restore(modes)
    if any(metric.total is None for metric in kept):
        raise ArgumentError("evaluate: the loader has no batches; give it at least one")
    return {metric.name: metric.compute() for metric in kept}


class Run:
    """A training on its way; callbacks get it.

    Attributes:
        model, loader, loss_fn, optimizer, epochs, validation, scheduler, scheduler_every, metrics, ema,
            callbacks, progress: as given to `fit`; callbacks with the checkpoints last, as they keep what
            the others did.
        history: the rows of the epochs that are done.
        batch: how many batches of the present epoch are done.
        stop: set it to end the training after this epoch.
    """

    def __init__(
        self, model: Module, loader: Any, loss_fn: Any, optimizer: Any, epochs: int, validation: Any,
        scheduler: Any, scheduler_every: str, metrics: Sequence[Any], ema: Any, callbacks: Iterable[Callback],
        progress: bool,
    ):  # fmt: skip
        self.model, self.loader, self.loss_fn, self.optimizer = model, loader, loss_fn, optimizer
        self.epochs, self.validation, self.ema, self.progress = epochs, validation, ema, progress
        self.scheduler, self.scheduler_every = scheduler, scheduler_every
        self.metrics = as_metrics(metrics)
        self.wants_loss = scheduler is not None and "metrics" in signature(scheduler.step).parameters
        self.callbacks = sorted(callbacks, key=lambda callback: isinstance(callback, Checkpoint))
        self.modules = [model] if ema is None else [model, ema]
        self.history, self.batch, self.stop = History(), 0, False
        self.loss = Mean(loss_fn, "loss")
        self.started, self.seconds = self.dice(), 0.0
        self._check()

    def _check(self) -> None:
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1:
            raise ArgumentError(f"fit: epochs is {self.epochs!r}; it must be an integer of at least 1")
        if self.scheduler_every not in ("epoch", "batch"):
            raise ArgumentError(f"fit: scheduler_every is {self.scheduler_every!r}; use 'epoch' or 'batch'")
        if self.wants_loss and self.scheduler_every == "batch":
            raise ArgumentError(
                f"fit: {type(self.scheduler).__name__} looks at the loss of an epoch; "
                "use scheduler_every='epoch'"
            )
        changed = getattr(self.scheduler, "optimizer", self.optimizer)
        if changed.param_groups is not self.optimizer.param_groups:
            raise ArgumentError(
                "fit: the scheduler changes the rates of another optimizer; make it with the one given here"
            )
        if length(self.loader) == 0:
            raise ArgumentError("fit: the loader has no batches; give it data, or a smaller batch_size")
        own = set(self.model.parameters())
        if not any(p in own for group in self.optimizer.param_groups for p in group["params"]):
            raise ArgumentError(
                f"fit: the optimizer has none of the parameters of this {type(self.model).__name__}; make it "
                "with model.parameters()"
            )

    def __enter__(self) -> Run:
        self._rest: Iterator[Any] | None = None
        self._modes = [(module, module.training) for top in self.modules for module in top.modules()]
        return self

    def __exit__(self, *error: Any) -> None:
        if self._rest is not None:
            self._rest.close()  # type: ignore[attr-defined]
        restore(self._modes)

    def tell(self, event: str) -> None:
        """Call this method of all callbacks."""
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def dice(self) -> list[dict[str, Any]]:
        """The states of all generators."""
        return dice(self.loader, self.validation)

    def batches(self) -> Iterator[tuple[list[Any], Any]]:
        """(inputs, targets) of what is left of this epoch."""
        self._rest = self._batches()
        return self._rest

    def _batches(self) -> Iterator[tuple[list[Any], Any]]:
        from tqdm import tqdm

        now = self.dice()
        if self.batch == 0:
            self.started = now
            for metric in (self.loss, *self.metrics):
                metric.reset()
        set_dice(self.started, self.loader, self.validation)
        batches = rest_of_epoch(self.loader, self.batch)  # draws the order as it did when the epoch began
        if self.batch:
            set_dice(now, self.loader, self.validation)
        began = time.perf_counter() - self.seconds
        with tqdm(
            desc=f"epoch {len(self.history) + 1}/{self.epochs}", unit=" batches", initial=self.batch,
            total=length(self.loader), leave=False,
            disable=None if self.progress else True,
        ) as bar:  # fmt: skip
            for batch in batches:
                yield unpacked(batch)
                self.seconds = time.perf_counter() - began
                bar.set_postfix_str(f"loss {self.loss.compute():.4f}", refresh=False)
                bar.update()

    def count(self, inputs: list[Any], outputs: Any, targets: Any, loss: Tensor) -> None:
        """Add a batch to the sums; raise GraphError if its loss is not finite."""
        if not isinstance(loss, Tensor):
            raise DtypeError(f"fit: loss_fn returned a {type(loss).__name__}; it must return a Tensor")
        if not math.isfinite(number := loss.item()):
            raise GraphError(
                f"fit: the loss is {number} in epoch {len(self.history) + 1}, batch {self.batch}: "
                f"{blame(self.model, inputs)}; lower the learning rate, or clip the gradients"
            )
        self.batch += 1
        self.loss.add(counted(number, len(targets)))
        with no_grad():
            for metric in self.metrics:
                metric.update(outputs, targets)

    def finish_epoch(self) -> None:
        """Validate, step the schedule, add a row to the history."""
        if self.batch == 0:
            raise ArgumentError("fit: the loader has no batches; give it data, or a smaller batch_size")
        row = {"epoch": len(self.history) + 1, "train_loss": self.loss.compute()}
        row |= {f"train_{metric.name}": metric.compute() for metric in self.metrics}
        if self.validation is not None:
            seen = evaluate(self.modules[-1], self.validation, self.loss_fn, self.metrics)
            row |= {f"val_{name}": value for name, value in seen.items()}
        row |= {"lr": self.optimizer.param_groups[0]["lr"], "seconds": self.seconds}
        if self.scheduler is not None and self.scheduler_every == "epoch":
            self.scheduler.step(*([row.get("val_loss", row["train_loss"])] if self.wants_loss else []))
        self.history.append({name: value for name, value in row.items() if np.ndim(value) == 0})
        self.batch, self.seconds = 0, 0.0
        if self.progress:
            print("  ".join(f"{name} {shown(value)}" for name, value in self.history[-1].items()), flush=True)

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on from here."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            "random": self.dice(),
            "started": self.started,
            "batch": self.batch,
            "seconds": self.seconds,
            "sums": {metric.name: metric.total for metric in (self.loss, *self.metrics)},
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "stop": self.stop,
            "history": list(self.history),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict()`.

        Raises:
            StateDictError: it is none, or that of a training with other parts.
        """
        own = self.state_dict()
        if not isinstance(state_dict, dict) or own.keys() != state_dict.keys():
            raise StateDictError("fit: resume is no file of a Checkpoint; name the one that it wrote")
        if outline(own) != outline(state_dict):
            raise StateDictError(
                f"fit: the checkpoint is of a training with {outline(state_dict)}, this has {outline(own)}; "
                "resume with the arguments that it was begun with"
            )
        there = length(self.loader)
        if there is not None and state_dict["batch"] > there:
            raise StateDictError(
                f"fit: the checkpoint was made after {state_dict['batch']} batches of an epoch, the loader "
                f"has {there}; resume with the arguments that it was begun with"
            )
        for part in ("model", "optimizer", "scheduler", "ema"):
            if state_dict[part] is not None:
                getattr(self, part).load_state_dict(state_dict[part])
        for callback, state in zip(self.callbacks, state_dict["callbacks"], strict=True):
            callback.load_state_dict(state)
        for metric in (self.loss, *self.metrics):
            total = state_dict["sums"][metric.name]
            metric.total = None if total is None else np.array(total)
        self.history[:] = state_dict["history"]
        self.batch, self.seconds, self.stop = (state_dict[name] for name in ("batch", "seconds", "stop"))
        self.started = state_dict["started"]
        set_dice(state_dict["random"], self.loader, self.validation)


# --- odds and ends ---------------------------------------------------------------------------------


def outline(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Which parts a training has."""
    return {
        "scheduler": state_dict["scheduler"] is not None,
        "ema": state_dict["ema"] is not None,
        "metrics": list(state_dict["sums"]),
        "callbacks": len(state_dict["callbacks"]),
        "generators": len(state_dict["random"]),
    }


def as_metrics(metrics: Sequence[Any]) -> list[Metric]:
    """Metrics with names of their own; functions become means."""
    made = [metric if isinstance(metric, Metric) else Mean(metric) for metric in metrics]
    names = ["loss", *(metric.name for metric in made)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ArgumentError(
            f"fit: two metrics are called {twice[0]!r}; give one another name, as Mean(f, name)"
        )
    return made


def unpacked(batch: Any) -> tuple[list[Any], Any]:
    """The inputs and the targets of a batch."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise DtypeError(
            f"fit: a batch is a {type(batch).__name__}; it must be (inputs, targets), as of a TensorDataset"
        )
    *inputs, targets = batch
    return inputs, targets


def restore(modes: list[tuple[Module, bool]]) -> None:
    """Training or evaluation, as it was."""
    for module, training in modes:
        module.training = training


def length(loader: Any) -> int | None:
    """How many batches an epoch has; None where only reading them tells, as of a stream."""
    try:
        return len(loader)
    except TypeError:
        return None


def rest_of_epoch(loader: Any, start: int) -> Iterator[Any]:
    """The batches from number `start` on."""
    if getattr(type(loader), "__iter__", None) is DataLoader.__iter__:
        return loader.batches(start)
    return islice(iter(loader), start, None)


def dice(*loaders: Any) -> list[dict[str, Any]]:
    """The states of the global generator and of the loaders' own."""
    return [get_rng_state(), *(generator.get_state() for generator in _own(loaders))]


def set_dice(states: list[dict[str, Any]], *loaders: Any) -> None:
    """Give them the states that `dice` returned."""
    set_rng_state(states[0])
    for generator, state in zip(_own(loaders), states[1:], strict=True):
        generator.set_state(state)


def _own(loaders: Iterable[Any]) -> list[Generator]:
    """The generators of the loaders and of their samplers."""
    places: list[Any] = []
    for loader in loaders:
        samplers = [getattr(loader, name, None) for name in ("sampler", "batch_sampler")]
        places += [loader, *samplers, getattr(samplers[1], "sampler", None)]
    found = [getattr(place, "generator", None) for place in places]
    return list(dict.fromkeys(generator for generator in found if isinstance(generator, Generator)))


def blame(model: Module, inputs: list[Any]) -> str:
    """Where the first number that is not finite comes from: a weight, the inputs, or a module."""

    def bad(x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype.kind == "f" and not np.isfinite(x.array).all()

    for name, parameter in model.named_parameters():
        if bad(parameter):
            return f"{name} was made so by the step before"
    if any(map(bad, inputs)):
        return "the inputs are not finite"
    found: list[str] = []
    names = {module: name or "the model" for name, module in model.named_modules()}

    def look(module: Module, args: Any, out: Any) -> None:
        if not found and bad(out):
            found.append(f"the first such number comes out of {names[module]} ({type(module).__name__})")

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    try:
        with no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else "the outputs are finite, but the loss of them is not"

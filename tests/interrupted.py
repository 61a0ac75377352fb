"""A training that tests/test_training.py ends in the middle: `python tests/interrupted.py FOLDER [resume]`.

It says the number of each step that is done, and waits for a line before the next.

It has everything that a checkpoint could forget: dropout and batch norm, shuffling and random augmentation in
threads, momentum, a schedule of every step, an average of the weights, early stopping.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.data import DataLoader, FashionMNIST, Subset, transforms
from tinygrad_cnn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tinygrad_cnn.training import Accuracy, Callback, Checkpoint, EarlyStopping, History, fit

AUGMENT = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(28, padding=2)])
EPOCHS, STEPS = 3, 6  # and steps of an epoch


class Tell(Callback):
    """Calls a function with the number of the step."""

    def __init__(self, function: Callable[[int], Any]):
        self.function = function

    def on_step(self, run):
        self.function(len(run.history) * STEPS + run.batch)


def train(
    folder: Path, resume: bool = False, every: int | None = None, workers: int = 0, own: bool = False,
    tell: Callable[[int], Any] = lambda step: None,
) -> tuple[dict[str, np.ndarray], History]:  # fmt: skip
    """The weights at the end, and the history; the checkpoint is in the folder."""
    tg.manual_seed(1 if not resume else 99)  # a resumed training is not to depend on it
    data = FashionMNIST(transform=AUGMENT)
    orders = [tg.Generator(seed if not resume else 98) if own else None for seed in (7, 8)]
    loader, validation = (
        DataLoader(Subset(data, items), 16, shuffle=True, num_workers=workers, generator=order)
        for items, order in zip((np.arange(90), np.arange(90, 120)), orders, strict=True)
    )
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(4 * 13 * 13, 10),
    )  # fmt: skip
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = tg.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = tg.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=EPOCHS * STEPS)
    path = folder / "checkpoint.safetensors"
    history = fit(
        model, loader, nn.CrossEntropyLoss(), optimizer, epochs=EPOCHS,
        validation=validation, metrics=[Accuracy()],
        scheduler=schedule, scheduler_every="batch", ema=average, clip_norm=1.0,
        callbacks=[Checkpoint(path, every), EarlyStopping("train_loss"), Tell(tell)],
        resume=path if resume else None, progress=False,
    )  # fmt: skip
    kept = {**model.state_dict(), **average.state_dict(), "next": tg.rand(4)}
    return {key: np.array(value) for key, value in kept.items()}, history


def ask(step: int) -> None:
    """May I go on?"""
    print(step, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    weights, _ = train(Path(sys.argv[1]), "resume" in sys.argv, every=4, workers=2, tell=ask)
    tg.save(weights, Path(sys.argv[1]) / "weights.safetensors")

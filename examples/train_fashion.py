"""Train a small CNN on photographs of clothes, then look at what it learned.

    python examples/train_fashion.py                        6,000 embedded images, about a minute
    python examples/train_fashion.py --full --data DIR      all 60,000, from the IDX files in DIR
    python examples/train_fashion.py --resume               go on after Ctrl-C

Without --data, --full looks where Debian's package dataset-fashion-mnist puts the files.  Nothing is
downloaded unless --download asks for it.

In the folder out/ (or --out) it leaves

    model.safetensors         the weights, for anyone who reads that format
    checkpoint.safetensors    the same and all that --resume needs
    metrics.csv               one row per epoch
    graph.svg                 the recorded graph of the loss, backward through which the network learns
    curves.png  filters.png  features.png  confusion.png  mistakes.png
    report.html               all that on one page, and what the network looks at

Ctrl-C finishes the batch, saves and stops; a run that is resumed gives, bit for bit, the weights of one
that was never interrupted.  The images of the test set are only ever looked at to report on them: the
last epoch's weights are kept, whatever the test says.
"""

from __future__ import annotations

import argparse
import copy
import csv
import importlib.util
import io
import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.data import DataLoader, FashionMNIST, Subset, transforms
from tinygrad_cnn.errors import ArgumentError, Error, MissingToolError
from tinygrad_cnn.files import atomic_write
from tinygrad_cnn.nn import functional as F

DEFAULTS = {"epochs": 15, "batch_size": 64, "lr": 3e-3, "seed": 0}
FULL = {"epochs": 8}
SMOKE = {"epochs": 2, "batch_size": 32}

SCALE = transforms.Normalize(0.2860, 0.3530)  # mean and deviation of all training pixels
AUGMENT = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(28, padding=1), SCALE])


# --8<-- [start:model]
class FashionNet(nn.Module):
    """Three convolutions, each normalized and pooled, and two dense layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(24)
        self.conv2 = nn.Conv2d(24, 48, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(48)
        self.conv3 = nn.Conv2d(48, 96, 3, padding=1)
        self.norm3 = nn.BatchNorm2d(96)
        self.fc1 = nn.Linear(96 * 3 * 3, 128)
        self.drop = nn.Dropout(0.25)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.norm3(self.conv3(x))), 2)
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return self.fc2(x)


# --8<-- [end:model]


class Run:
    """A training on its way: everything that a checkpoint holds, and the loop that goes on from there."""

    def __init__(self, settings: dict[str, Any], train: Any, test: Any) -> None:
        self.settings = settings
        self.test = test
        tg.manual_seed(settings["seed"])  # initial weights and dropout
        self.order = tg.Generator(settings["seed"])  # of the images, and their augmentation
        self.loader = DataLoader(
            train, settings["batch_size"], shuffle=True, generator=self.order, drop_last=True
        )
        self.model = FashionNet()
        self.optimizer = tg.optim.AdamW(self.model.parameters(), lr=settings["lr"], weight_decay=0.01)
        self.schedule = tg.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=settings["lr"], total_steps=settings["epochs"] * len(self.loader)
        )
        self.history: list[dict[str, Any]] = []  # of whole epochs
        self.started = self.order.get_state()  # the generator when this epoch began
        self.sums = self.nothing()  # of this epoch so far

    @staticmethod
    def nothing() -> dict[str, Any]:
        return {"batches": 0, "images": 0, "loss": 0.0, "right": 0, "seconds": 0.0}

    # --- the loop --------------------------------------------------------------------------------------

    def epoch(self, stop: Interrupt) -> bool:
        """Train on every image once; False if it was stopped on the way."""
        self.model.train()
        sums, number = self.sums, len(self.history) + 1
        batches = islice(self.loader, sums["batches"], None)  # those done before an interruption are skipped
        size = self.loader.batch_size
        with tqdm(
            desc=f"epoch {number}/{self.settings['epochs']}",
            total=len(self.loader) * size,
            initial=sums["images"],
            unit=" images",
            leave=False,
            disable=None,
        ) as bar:
            began = time.perf_counter() - sums["seconds"]
            for images, labels in batches:
                logits = self.model(images)
                loss = F.cross_entropy(logits, labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()

                sums["batches"] += 1
                sums["images"] += len(labels)
                sums["loss"] += loss.item() * len(labels)
                sums["right"] += int((logits.argmax(1) == labels).sum().item())
                sums["seconds"] = time.perf_counter() - began
                seen = sums["images"]
                bar.set_postfix_str(
                    f"loss {sums['loss'] / seen:.3f}, {100 * sums['right'] / seen:.1f} % right", False
                )
                bar.update(len(labels))
                if stop.asked and sums["batches"] < len(self.loader):
                    return False
        return True

    def finish_epoch(self) -> dict[str, Any]:
        """Look at the test images, and add a row to the history."""
        sums, (loss, accuracy, _) = self.sums, self.examine()
        row = {
            "epoch": len(self.history) + 1,
            "train_loss": sums["loss"] / sums["images"],
            "train_accuracy": sums["right"] / sums["images"],
            "test_loss": loss,
            "test_accuracy": accuracy,
            "lr": self.schedule.get_last_lr()[0],
            "images_per_second": sums["images"] / sums["seconds"],
            "seconds": sums["seconds"],
        }
        self.history.append(row)
        self.started, self.sums = self.order.get_state(), self.nothing()
        return row

    @tg.no_grad()
    def examine(self) -> tuple[float, float, np.ndarray]:
        """Loss, accuracy, and the probabilities (images, classes) of the test images."""
        self.model.eval()
        losses, right, said = 0.0, 0, []
        for images, labels in DataLoader(self.test, batch_size=500):
            logits = self.model(images)
            losses += F.cross_entropy(logits, labels, reduction="sum").item()
            right += int((logits.argmax(1) == labels).sum().item())
            said.append(F.softmax(logits, 1).numpy())
        return losses / len(self.test), right / len(self.test), np.concatenate(said)

    # --- the checkpoint --------------------------------------------------------------------------------

    def save(self, out: Path) -> None:
        """Write checkpoint, weights and metrics; each file is replaced by a whole new one."""
        checkpoint = {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": tg.get_rng_state(),
            "started": self.started,
            "sums": self.sums,
            "history": self.history,
        }
        tg.save(checkpoint, out / "checkpoint.safetensors")
        tg.save(checkpoint["model"], out / "model.safetensors")
        if self.history:
            text = io.StringIO()
            writer = csv.DictWriter(text, list(self.history[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in self.history)
            with atomic_write(out / "metrics.csv") as file:
                file.write(text.getvalue().encode())

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(checkpoint["model"])
        self.optimizer.load_state_dict(checkpoint["optimizer"])
        self.schedule.load_state_dict(checkpoint["schedule"])
        self.history, self.sums, self.started = (
            checkpoint["history"],
            checkpoint["sums"],
            checkpoint["started"],
        )
        self.order.set_state(self.started)
        tg.set_rng_state(checkpoint["random"])


class Interrupt:
    """Ctrl-C as a wish: `asked` becomes true, and the loop stops where it likes; a second is an order."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator[Interrupt]:
        stop = cls()
        try:
            before = signal.signal(signal.SIGINT, stop)
        except ValueError:  # not in the main thread, which alone hears signals
            yield stop
            return
        try:
            yield stop
        finally:
            signal.signal(signal.SIGINT, before)


# --- what it left ----------------------------------------------------------------------------------


def draw_graph(run: Run, out: Path) -> None:
    """The graph that a batch records in training; of a copy, and the dice are put back."""
    model, random = copy.deepcopy(run.model).train(), tg.get_rng_state()
    images, labels = next(iter(DataLoader(run.test, run.settings["batch_size"])))
    loss = F.cross_entropy(model(images), labels)
    tg.graph.render(loss, out / "graph.svg", module=model, names={"images": images, "loss": loss})
    tg.set_rng_state(random)


def draw_pictures(run: Run, out: Path) -> None:
    """Curves, filters, feature maps, confusion matrix and mistakes."""
    _, _, said = run.examine()
    images, labels = next(iter(DataLoader(run.test, len(run.test))))
    labels, guesses = labels.numpy(), said.argmax(1)
    classes = FashionMNIST.classes
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (labels, guesses), 1)

    maps: dict[str, Any] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, name=name: maps.update({name: out[0].relu()}))
        for name, layer in run.model.named_children()
        if name.startswith("norm")
    ]
    with tg.no_grad():
        run.model(images[:1])
    for hook in hooks:
        hook.remove()

    tg.vision.training_curves(run.history, out / "curves.png")
    tg.vision.weights(run.model.conv1.weight, out / "filters.png")
    tg.vision.feature_maps(
        {f"relu({name}(conv{name[-1]}(...)))": values for name, values in maps.items()},
        out / "features.png",
        image=images[0],
    )
    tg.vision.confusion_matrix(matrix, classes, out / "confusion.png")
    tg.vision.mistakes(images, labels, guesses, said, classes, out / "mistakes.png")


def write_report(run: Run, out: Path) -> None:
    """All of that on one page, and what the network looks at; without matplotlib, too."""
    images, labels = next(iter(DataLoader(run.test, len(run.test))))
    name = out / "report.html"
    tg.vision.report(name, run.model, images, labels, FashionMNIST.classes, run.history, "FashionNet")


# --- the command line ------------------------------------------------------------------------------


def arguments(argv: list[str] | None) -> tuple[argparse.Namespace, dict[str, Any], dict[str, Any] | None]:
    """(options, the settings that the weights depend on, the checkpoint to go on from or None)."""
    parser = argparse.ArgumentParser(
        description="Train a CNN on photographs of clothes; pictures of what it learned are left in out/."
    )
    option = parser.add_argument
    option("--epochs", type=positive(int), help="passes over the images (15; with --full 8)")
    option("--batch-size", type=positive(int), help="images per step (64)")
    option("--lr", type=positive(float), help="the highest learning rate of the schedule (0.003)")
    option("--seed", type=int, help="of the weights, the order and the augmentation (0)")
    option(
        "--full", action="store_true", default=None, help="all 60,000 images instead of the embedded 6,000"
    )
    option("--data", type=Path, metavar="DIR", help="folder of the full set's IDX files; implies --full")
    option(
        "--download", action="store_true", help="fetch the full set's 30 MB into --data if it is not there"
    )
    option("--out", type=Path, metavar="DIR", default=Path("out"), help="where the results go (out)")
    option("--resume", action="store_true", help="go on from the checkpoint in --out, with its settings")
    option(
        "--smoke", action="store_true", default=None, help="a few images and seconds, to see that all works"
    )
    args = parser.parse_args(argv)
    if args.data or args.download:
        args.full = True
    if args.download and not args.data:
        parser.error("--download needs --data DIR, the folder to download into")

    names = ("epochs", "batch_size", "lr", "seed", "full", "smoke")
    asked = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if not args.resume:
        presets = DEFAULTS | {"full": False, "smoke": False}
        presets |= (FULL if args.full else {}) | (SMOKE if args.smoke else {})
        return args, presets | asked, None

    path = args.out / "checkpoint.safetensors"
    if not path.exists():
        parser.error(f"there is no {path} to go on from; leave --resume out")
    checkpoint = tg.load(path)
    settings = checkpoint["settings"]
    for name, value in asked.items():
        if settings[name] != value:
            flag = "--" + name.replace("_", "-")
            parser.error(
                f"{path} was made with {flag} {settings[name]}, not {value}; leave {flag} or --resume out"
            )
    return args, settings, checkpoint


def positive(kind: type) -> Any:
    """An argparse type: a number above 0."""

    def convert(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    convert.__name__ = kind.__name__  # argparse says "invalid int value"
    return convert


def data_sets(args: argparse.Namespace, settings: dict[str, Any]) -> tuple[Any, Any]:
    """Training images, augmented, and test images."""
    root = None
    if settings["full"]:
        root = args.data or Path(FashionMNIST.debian_root)
        if not args.data and not root.is_dir():
            raise ArgumentError(
                f"--full: there is no {root}; name the folder of the full set with --data DIR, "
                "add --download to fetch it, or: apt install dataset-fashion-mnist"
            )
    train = FashionMNIST(root, train=True, transform=AUGMENT, download=args.download)
    test = FashionMNIST(root, train=False, transform=SCALE, download=args.download)
    if settings["smoke"]:
        train, test = Subset(train, np.arange(320)), Subset(test, np.arange(100))
    if settings["batch_size"] > len(train):
        raise ArgumentError(
            f"--batch-size: {settings['batch_size']} is more than the {len(train)} images; choose less"
        )
    return train, test


def main(argv: list[str] | None = None) -> int:
    """Train; returns the exit code: 0, or 130 after Ctrl-C."""
    try:
        args, settings, checkpoint = arguments(argv)
        out: Path = args.out
        run = Run(settings, *data_sets(args, settings))
        if checkpoint:
            run.load(checkpoint)
        out.mkdir(parents=True, exist_ok=True)
        with Interrupt.listening() as stop:
            return train(run, out, stop)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def train(run: Run, out: Path, stop: Interrupt) -> int:
    """All epochs that are left, then the pictures."""
    images, epochs = len(run.loader.dataset), run.settings["epochs"]
    parameters = sum(p.numel() for p in run.model.parameters())
    print(f"{images:,} images, {len(run.test):,} to test, {parameters:,} parameters")
    pictures = importlib.util.find_spec("matplotlib") is not None
    if not pictures:
        print("matplotlib is not installed, so there will be no pictures: pip install 'tinygrad-cnn[viz]'")
    try:
        draw_graph(run, out)
    except MissingToolError as error:
        print(error)

    while len(run.history) < epochs:
        done = run.epoch(stop)
        if done:
            print(line(run.finish_epoch(), epochs), flush=True)
        run.save(out)
        if stop.asked and len(run.history) < epochs:
            print(
                f"interrupted; {out / 'checkpoint.safetensors'} is complete, --resume goes on from there",
                flush=True,
            )
            return 130
    if pictures:
        draw_pictures(run, out)
    write_report(run, out)
    print(f"in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")
    print(f"test accuracy: {100 * run.history[-1]['test_accuracy']:.2f} %")
    return 0


def line(row: dict[str, Any], epochs: int) -> str:
    """One epoch in one line."""
    return (
        f"epoch {row['epoch']:{len(str(epochs))}}/{epochs}"
        f"  train: loss {row['train_loss']:.3f}, {100 * row['train_accuracy']:5.2f} %"
        f"  test: loss {row['test_loss']:.3f}, {100 * row['test_accuracy']:5.2f} %"
        f"  {row['images_per_second']:,.0f} images/s"
    )


if __name__ == "__main__":
    sys.exit(main())

"""What a training has to say for itself: a row of numbers for each epoch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ArgumentError

__all__ = ["History"]


class History(list[dict[str, Any]]):
    """A list of rows, one for each epoch, such as `{"epoch": 1, "train_loss": 0.5, "val_loss": 0.6, ...}`.

    >>> history = History([{"epoch": 1, "train_loss": 0.51234}, {"epoch": 2, "train_loss": 0.25}])
    >>> print(history)
    epoch  train_loss
        1      0.5123
        2      0.2500
    >>> history.column("train_loss"), history.best("train_loss")["epoch"]
    ([0.51234, 0.25], 2)
    """

    def column(self, name: str) -> list[Any]:
        """One number of all epochs.

        Raises:
            ArgumentError: no row has it.
        """
        names = self._names()
        if name not in names:
            raise ArgumentError(
                f"History: there is no column {name!r}; it has {', '.join(names) or 'no rows'}"
            )
        return [row.get(name) for row in self]

    def best(self, name: str, mode: str = "auto") -> dict[str, Any]:
        """The row with the smallest ("min") or largest ("max") number; by "auto" a loss wants to be small."""
        self.column(name)
        rows = [row for row in self if row.get(name) is not None and row[name] == row[name]]  # nan is no best
        if not rows:
            raise ArgumentError(f"History: {name} is nan in every epoch; there is no best one")
        choose = min if smaller_is_better(name, mode) else max
        return choose(rows, key=lambda row: row[name])

    def plot(self, path: str | os.PathLike[str], quantities: Sequence[str] | None = None) -> Path:
        """Draw the curves (`vision.training_curves`): losses, metrics and learning rate."""
        from ..vision import training_curves

        if quantities is None:
            names = dict.fromkeys(
                name.removeprefix("train_").removeprefix("val_") for name in self._names()
                if name not in ("epoch", "seconds")
            )  # fmt: skip
            quantities = [n for n in names if not any(n.endswith(f"_{other}") for other in names)]
        return training_curves(self, path, quantities)

    def __str__(self) -> str:
        names = self._names()
        cells = [names, *([shown(row.get(name)) for name in names] for row in self)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in cells)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(name for row in self for name in row))


def shown(value: Any) -> str:
    """A number in a table."""
    if isinstance(value, float):
        return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.3g}"
    return "" if value is None else str(value)


def smaller_is_better(name: str, mode: str) -> bool:
    """Whether the best number of a column is its smallest.

    Raises:
        ArgumentError: another mode than "auto", "min" and "max".
    """
    if mode not in ("auto", "min", "max"):
        raise ArgumentError(
            f"mode is {mode!r}; use 'min', 'max', or 'auto', by which a loss wants to be small"
        )
    return mode == "min" or (mode == "auto" and name.endswith("loss"))

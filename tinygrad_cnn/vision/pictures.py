"""Six pictures of a training, drawn with matplotlib (`pip install 'tinygrad-cnn[viz]'`).

Each function takes arrays or Tensors, writes one file whose kind is that of its name (.png, .svg, .pdf),
and returns its path.  The colours can be told apart by colour-blind readers (Okabe and Ito's, and maps
whose lightness is monotonic).  Nothing here touches `pyplot`: no window, no state, any thread.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, MissingToolError, ShapeError
from ..files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    StrPath = str | os.PathLike[str]

__all__ = ["confusion_matrix", "feature_maps", "learning_rates", "mistakes", "training_curves", "weights"]

INK, MUTED, RULE = "#222222", "#6b6b6b", "#d9d9d9"
# https://jfly.uni-koeln.de/color/: blue, vermilion, bluish green, purple, orange, sky blue
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
BLUE, VERMILION = COLOURS[:2]


# --- the pictures ----------------------------------------------------------------------------------


def training_curves(
    history: Mapping[str, Sequence[float]] | Sequence[Mapping[str, Any]],
    path: StrPath,
    quantities: Sequence[str] = ("loss", "accuracy", "lr"),
    x: str = "epoch",
) -> Path:
    """How a training went: one panel for each quantity, one curve for each column of it.

    Args:
        history: columns by name, or one row (a mapping) for each epoch, as `csv.DictReader` gives.  The
            columns of "loss" are `loss` and whatever ends in `_loss`, such as `train_loss`.  Accuracies
            are fractions of 1.  What is missing (None, "", nan) is left out.
        path: the file to write.
        quantities: the panels, in this order; those the history does not have are left out.
        x: the column to draw against; counted from 1 where there is none.

    Raises:
        ArgumentError: nothing to draw.
        ShapeError: columns of different lengths.

    >>> rows = [{"train_loss": 0.9, "test_loss": 0.8}, {"train_loss": 0.5, "test_loss": 0.6}]
    >>> training_curves(rows, "curves.png").name
    'curves.png'
    """
    panels, steps = _panels("training_curves", history, quantities, x)
    figure = _figure(4.4 * len(panels), 3.2)
    figure.set_layout_engine("constrained", w_pad=0.12)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (quantity, curves) in zip(axes, panels.items(), strict=True):
        percent = quantity == "accuracy"
        ends = []
        for colour, (curve, values) in zip(cycle(COLOURS), curves.items(), strict=False):
            known = np.isfinite(values)
            y = values[known] * (100 if percent else 1)
            ax.plot(steps[known], y, color=colour, linewidth=2, marker="o", markersize=3.5)
            ends.append((y[-1], f"{curve} {y[-1]:.2f} %" if percent else f"{curve} {y[-1]:.3g}", colour))
        _frame(ax, {"lr": "learning rate"}.get(quantity, quantity) + (" (%)" if percent else ""))
        _label_ends(ax, ends)
        ax.set_xlabel(x, color=MUTED)
        ax.xaxis.get_major_locator().set_params(integer=True)
    return _write(figure, path)


def learning_rates(rates: Any, losses: Any, path: StrPath, suggestion: float | None = None) -> Path:
    """The loss against the learning rate, on a logarithmic axis, and where a suggestion lies on it.

    Args:
        rates: positive, in order; what `training.find_lr` returns fits.
        losses: as many; what is not finite is left out.
        path: the file to write.
        suggestion: a rate to mark, or None.

    Raises:
        ArgumentError: rates that are not positive, or no finite loss.
        ShapeError: not as many losses as rates.
    """
    x, y = _numbers(rates), _numbers(losses)
    if x.shape != y.shape:
        raise ShapeError(f"learning_rates: {len(x)} rates and {len(y)} losses; give as many of each")
    known = np.isfinite(y)
    if not known.any() or not (x > 0).all() or not (suggestion is None or suggestion > 0):
        raise ArgumentError(
            "learning_rates: rates must be positive, and some loss finite; there is nothing to draw"
        )
    figure = _figure(5.2, 3.2)
    ax = figure.subplots()
    ax.semilogx(x[known], y[known], color=BLUE, linewidth=2)
    if suggestion is not None:
        height = np.interp(math.log(suggestion), np.log(x[known]), y[known])
        ax.plot([suggestion], [height], "o", color=VERMILION, markersize=7)
        ax.annotate(
            f"{suggestion:.2g}", (suggestion, height), (8, 6), textcoords="offset points", color=VERMILION,
            fontsize=9, weight="bold",
        )  # fmt: skip
    _frame(ax, "loss")
    ax.tick_params(which="minor", length=0)
    ax.set_xlabel("learning rate", color=MUTED)
    return _write(figure, path)


def weights(weight: Any, path: StrPath, columns: int = 8) -> Path:
    """The filters of a convolution, as small images on one scale.

    One input channel: blue pulls down, red pushes up, white is zero.  Three channels are drawn as
    colours.  Of any other number, each row is a filter and each column one of its input channels.

    Args:
        weight: (filters, channels, height, width); at most 64 filters (by 16 channels) are drawn.
        path: the file to write.
        columns: how many filters stand in a row.

    Raises:
        ShapeError: the weight has not four axes.

    >>> import numpy as np
    >>> weights(np.random.default_rng(0).normal(size=(6, 1, 5, 5)), "weights.png").name
    'weights.png'
    """
    w = np.asarray(weight, np.float64)
    if w.ndim != 4 or 0 in w.shape:
        raise ShapeError(
            f"weights: the weight has shape {w.shape}; expected (filters, channels, height, width)"
        )
    o, i, height, width = w.shape
    limit = float(np.nanmax(np.abs(w))) or 1.0
    tiles, columns, shown = _tiles(w / limit, columns)
    rows = math.ceil(len(tiles) / columns)
    more = "" if shown == (o, i) else f", the first {shown[0]} × {shown[1]}"

    figure = _figure(max(0.82 * columns + (0.9 if i != 3 else 0.2), 3.4), 0.82 * rows * height / width + 0.5)
    ax = figure.subplots()
    _grid(ax, tiles, columns, gap=(0.12, 0.12), cmap="RdBu_r", vmin=-1, vmax=1)
    if i != 3:
        bar = figure.colorbar(ax.images[0], ax=ax, aspect=7 * rows, shrink=0.95, ticks=[-1, 0, 1])
        bar.ax.set_yticklabels([f"−{limit:.2g}", "0", f"{limit:.2g}"])
        bar.ax.tick_params(labelsize=8, colors=MUTED, length=0)
        bar.outline.set_visible(False)
    _title(figure, f"{o} filters", f"{i} × {height} × {width}{more}")
    return _write(figure, path)


def feature_maps(activations: Any, path: StrPath, image: Any = None, columns: int = 8) -> Path:
    """What the channels of one or more layers say about one image.

    Args:
        activations: (channels, height, width), or with a leading batch axis of 1; or a mapping from the
            names of layers to such arrays, drawn one under the other.  At most four rows of channels
            of a layer are drawn, each channel on the scale of its layer.
        path: the file to write.
        image: the input, (height, width) or (1 or 3, height, width), drawn at the top.
        columns: how many channels stand in a row.

    Raises:
        ShapeError: more than one image, or another number of axes.

    >>> import numpy as np
    >>> maps = np.random.default_rng(0).random((8, 14, 14))
    >>> feature_maps({"conv1": maps}, "maps.png", image=np.eye(28)).name
    'maps.png'
    """
    layers = activations if isinstance(activations, Mapping) else {"": activations}
    blocks: list[tuple[str, str, list[np.ndarray]]] = []
    if image is not None:
        blocks.append(("input", "", [_picture("feature_maps", _alone("feature_maps", image, 2))]))
    for name, values in layers.items():
        maps = _alone("feature_maps", values, 3)
        c, height, width = maps.shape
        shown = maps[: 4 * columns]
        more = "" if len(shown) == c else f", the first {len(shown)}"
        blocks.append((name or "feature maps", f"{c} × {height} × {width}{more}", list(shown)))

    heights = [0.4 + 0.95 * math.ceil(len(tiles) / columns) for _, _, tiles in blocks]
    figure = _figure(0.95 * columns, sum(heights))
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (name, shape, tiles) in zip(parts, blocks, strict=True):
        low, high = min(float(t.min()) for t in tiles), max(float(t.max()) for t in tiles)
        cmap = "gray" if name == "input" else "magma"
        _grid(part.subplots(), tiles, columns, gap=(0.1, 0.1), cmap=cmap, vmin=low, vmax=high)
        _title(part, name, shape)
    return _write(figure, path)


def confusion_matrix(matrix: Any, classes: Sequence[str], path: StrPath) -> Path:
    """How often each class (row) was called what (column): counts, coloured by their share of the row.

    Args:
        matrix: (classes, classes) counts; entry [t, p] is how many of class t were taken for p.
        classes: the names.
        path: the file to write.

    Raises:
        ShapeError: the matrix is not square, or there are more or fewer names than rows.

    >>> confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"], "matrix.png").name
    'matrix.png'
    """
    counts = np.asarray(matrix)
    n = len(classes)
    if counts.shape != (n, n):
        raise ShapeError(
            f"confusion_matrix: the matrix has shape {counts.shape}; for {n} classes give ({n}, {n})"
        )
    total, right = counts.sum(), np.trace(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    side = max(0.56 * n, 2.2)
    figure = _figure(side + 2.6, side + 1.9)
    ax = figure.subplots()
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for t in range(n):
        for p in range(n):
            if counts[t, p]:
                colour = "white" if share[t, p] > 0.55 else INK
                weight = "bold" if t == p else "normal"
                ax.text(
                    p,
                    t,
                    f"{counts[t, p]:g}",
                    ha="center",
                    va="center",
                    color=colour,
                    fontsize=9,
                    weight=weight,
                )
        ax.text(n - 0.3, t, f"{100 * share[t, t]:.0f} %", va="center", color=BLUE, fontsize=9, weight="bold")
    above: dict[str, Any] = {"textcoords": "offset points", "annotation_clip": False}
    ax.annotate("right", (n - 0.3, -0.5), (0, 5), **above, color=BLUE, fontsize=9)
    ax.set_xticks(range(n), classes, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n), classes)
    ax.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0, labelsize=9, labelcolor=INK)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("taken for", color=MUTED)
    ax.set_ylabel("really", color=MUTED)
    _title(figure, f"{100 * right / total:.2f} % right" if total else "no images", f"{right:g} of {total:g}")
    return _write(figure, path)


def mistakes(
    images: Any, labels: Any, predictions: Any, probabilities: Any, classes: Sequence[str], path: StrPath,
    count: int = 24, columns: int = 8,
) -> Path:  # fmt: skip
    """The mistakes the network was surest of: what it said, how sure it was, and what it really is.

    Args:
        images: (n, height, width) or (n, 1 or 3, height, width), on any scale; right and wrong ones.
        labels: (n,) true classes.
        predictions: (n,) what the network said.
        probabilities: (n,) of what it said, or (n, classes).
        classes: the names.
        path: the file to write.
        count, columns: how many to draw, and how many in a row.

    Raises:
        ShapeError: not one label, prediction and probability for each image.
        ArgumentError: a label or a prediction without a name in `classes`.

    >>> import numpy as np
    >>> pixels = np.random.default_rng(0).random((3, 28, 28))
    >>> mistakes(pixels, [0, 1, 1], [0, 0, 1], [0.9, 0.8, 0.7], ["cat", "dog"], "mistakes.png").name
    'mistakes.png'
    """
    x, said = np.asarray(images), np.asarray(probabilities)
    true, predicted = np.asarray(labels, np.intp), np.asarray(predictions, np.intp)
    n = len(x)
    for what, ids in (("label", true), ("prediction", predicted)):
        if ids.shape != (n,):
            raise ShapeError(
                f"mistakes: {n} images but {what}s of shape {ids.shape}; give one {what} for each"
            )
        if n and not 0 <= ids.min() <= ids.max() < len(classes):
            raise ArgumentError(
                f"mistakes: {what}s from {ids.min()} to {ids.max()} but {len(classes)} names; name each class"
            )
    if said.shape == (n, len(classes)):
        said = said[np.arange(n), predicted]
    if said.shape != (n,):
        raise ShapeError(
            f"mistakes: probabilities of shape {said.shape} for {n} images of {len(classes)} classes; "
            f"give ({n},) or ({n}, {len(classes)})"
        )
    wrong = np.flatnonzero(true != predicted)
    worst = wrong[np.argsort(-said[wrong], kind="stable")][:count]

    columns = max(1, min(columns, len(worst)))
    rows = math.ceil(len(worst) / columns)
    figure = _figure(max(1.18 * columns, 5.2), 1.42 * rows + 0.4)
    ax = figure.subplots()
    corners = _grid(
        ax, [_picture("mistakes", x[index]) for index in worst], columns, gap=(0.1, 0.4), cmap="gray"
    )
    for index, (left, top, bottom) in zip(worst, corners, strict=True):
        text: dict[str, Any] = {"ha": "center", "fontsize": 8}
        guess = f"{classes[predicted[index]]} {100 * said[index]:.0f} %"
        ax.text(left + 0.5, top - 0.03, guess, va="bottom", color=VERMILION, weight="bold", **text)
        ax.text(left + 0.5, bottom + 0.05, classes[true[index]], va="top", color=BLUE, **text)
    aside = f"{len(wrong)} of {n} wrong"
    if len(wrong) > len(worst):
        aside += f", the {len(worst)} it was surest of"
    if len(worst):
        aside += "; above: what it said, below: what it is"
    _title(figure, "Mistakes" if len(worst) else "No mistakes", aside)
    return _write(figure, path)


# --- what they share -------------------------------------------------------------------------------


def _panels(
    name: str, history: Any, quantities: Sequence[str], x: str
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """(for each quantity its curves by name, what to draw them against)."""
    if not isinstance(history, Mapping):
        found = dict.fromkeys(key for row in history for key in row)
        history = {key: [row.get(key, math.nan) for row in history] for key in found}
    columns = {key: _numbers(values) for key, values in history.items()}
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"{name}: the columns have different lengths, {lengths}; give as many of each")
    panels: dict[str, dict[str, np.ndarray]] = {}
    for quantity in quantities:
        for key, values in columns.items():
            if f"_{key}".endswith(f"_{quantity}") and np.isfinite(values).any():
                panels.setdefault(quantity, {})[key.removesuffix(quantity).rstrip("_")] = values
    if not panels:
        raise ArgumentError(
            f"{name}: none of {', '.join(quantities)} has a number in the columns "
            f"{', '.join(columns) or '(none)'}; name the quantities to draw"
        )
    return panels, columns.get(x, np.arange(1, 1 + max(lengths.values())))


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingToolError("vision: pictures need matplotlib; pip install 'tinygrad-cnn[viz]'") from None
    return Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")


def _write(figure: Figure, path: StrPath) -> Path:
    """Save, whole or not at all; the folder is made if need be."""
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ArgumentError(
            f"vision: cannot write {target.name!r}; name a file that ends in .png, .svg or .pdf"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as file:
        figure.savefig(file, format=kind)
    return target


def _title(figure: Any, title: str, aside: str) -> None:
    """A title at the left, and what belongs to it smaller and lighter on the same line."""
    text = figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, weight="bold")
    beside = {"xycoords": text, "textcoords": "offset points", "annotation_clip": False}
    note = figure.axes[0].annotate(aside, (1, 0), (8, 0), **beside, va="bottom", fontsize=9, color=MUTED)
    note.set_in_layout(False)


def _frame(ax: Axes, title: str) -> None:
    """Axes of a curve: light horizontal rules, no box."""
    ax.set_title(title, loc="left", fontsize=11, color=INK, weight="bold")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(RULE)
    ax.grid(axis="y", color=RULE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.tick_params(length=0, labelsize=9, colors=MUTED)


def _grid(
    ax: Axes, tiles: Sequence[np.ndarray], columns: int, gap: tuple[float, float], **how: Any
) -> list[tuple[float, float, float]]:
    """Draw images of one shape in rows, each one unit wide; returns (left, top, bottom) of each.

    All share one Axes: a hundred of them take matplotlib ten seconds.
    """
    height = tiles[0].shape[0] / tiles[0].shape[1] if tiles else 1.0
    corners = []
    for k, tile in enumerate(tiles):
        row, column = divmod(k, columns)
        left, top = column * (1 + gap[0]), row * (height + gap[1])
        ax.imshow(tile, extent=(left, left + 1, top + height, top), interpolation="nearest", **how)
        corners.append((left, top, top + height))
    ax.set_axis_off()
    ax.set_anchor("NW")
    ax.set_xlim(-0.02, columns * (1 + gap[0]) - gap[0] + 0.02)
    ax.set_ylim(max((bottom for *_, bottom in corners), default=0) + 0.02, -0.02)
    return corners


def _label_ends(ax: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Name each curve at its right end, with its last value: no legend to look things up in."""
    low, high = ax.get_ylim()
    y = -math.inf
    for end, label, colour in sorted(ends):
        y = max(end, y + 0.09 * (high - low))  # nearer, two labels cannot be read
        where = ax.get_yaxis_transform()  # x in axes, y in data
        ax.text(1.02, y, label.strip(), color=colour, fontsize=9, weight="bold", va="center", transform=where)


def _numbers(values: Sequence[Any]) -> np.ndarray:
    """A column as floats; what is missing is nan, a column of words is all nan."""
    try:
        return np.array([math.nan if v is None or v == "" else float(v) for v in values])
    except ValueError:
        return np.full(len(values), math.nan)


def _tiles(w: np.ndarray, columns: int) -> tuple[list[np.ndarray], int, tuple[int, int]]:
    """Filters within [-1, 1] as images: these, how many to a row, and their (filters, channels)."""
    i = w.shape[1]
    if i not in (1, 3):
        shown = w[:16, :16]
        return list(shown.reshape(-1, *w.shape[2:])), shown.shape[1], (shown.shape[0], shown.shape[1])
    shown = w[:64]
    tiles = list(shown[:, 0]) if i == 1 else list((1 + shown.transpose(0, 2, 3, 1)) / 2)
    return tiles, min(columns, len(tiles)), (len(shown), i)


def _alone(caller: str, values: Any, ndim: int) -> np.ndarray:
    """One image's array of `ndim` axes (an image may have one more), without the batch axis."""
    a = np.asarray(values, np.float64)
    if a.ndim == 4 and len(a) == 1:
        a = a[0]
    if a.ndim not in (ndim, 3) or 0 in a.shape:
        raise ShapeError(
            f"{caller}: got an array of shape {a.shape}; expected (channels, height, width) of a single image"
        )
    return a


def _picture(caller: str, image: np.ndarray) -> np.ndarray:
    """As matplotlib draws it: (h, w), or (h, w, 3) scaled to [0, 1]."""
    if image.ndim == 3 and image.shape[0] == 1:
        image = image[0]
    if image.ndim == 2:
        return image
    if image.ndim != 3 or image.shape[0] != 3:
        raise ShapeError(
            f"{caller}: an image has shape {image.shape}; expected (height, width) or (1 or 3, height, width)"
        )
    low, high = float(image.min()), float(image.max())
    return (image.transpose(1, 2, 0) - low) / ((high - low) or 1.0)

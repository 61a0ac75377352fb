"""The contact sheet: one image, seen through many filters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.transforms.images import bound, is_pillow, unpack
from ..errors import ArgumentError, ShapeError
from ..tape import no_grad
from ..tensor import Tensor
from . import filters as bank_of
from .pictures import INK, MUTED, _figure, _grid, _title, _write

if TYPE_CHECKING:
    from .pictures import StrPath

__all__ = ["contact_sheet"]

TAPS = 0.27  # the width of the small picture of a filter, as a part of its tile's


def contact_sheet(
    image: Any, path: StrPath, filters: Mapping[str, Any] | Sequence[str] | None = None,
    mode: str = "correlation", columns: int = 7,
) -> Path:  # fmt: skip
    """One image through many filters, each with its name, and its taps as a small picture in the corner.

    Filters whose taps sum to 1 keep the brightness, and their images are shown as they are.  The others
    answer with both signs: there mid grey is 0, black the most negative and white the most positive, each on
    a scale of its own.  Of taps, blue is negative, white 0 and red positive.

    Args:
        image: a single one, of any kind that `filters.apply` takes.
        path: the file to write.
        filters: taps by name, or names in `filters.bank()`; the whole bank by default.
        mode: "correlation" or "convolution", as in `filters.apply`.
        columns: how many stand in a row.

    Raises:
        ArgumentError: no filters, or an unknown one.
        ShapeError: more than one image.

    >>> contact_sheet(np.eye(16), "sheet.png", filters=["identity", "sobel x"]).name
    'sheet.png'
    """
    pixels = _single(image)
    if not isinstance(filters, Mapping):
        bank = bank_of.bank()
        filters = {name: bank.get(name, name) for name in (bank if filters is None else filters)}
    if not filters or columns < 1:
        raise ArgumentError("contact_sheet: give one filter or more, and one column or more")
    columns = min(columns, len(filters))
    taps = {name: bank_of._taps("contact_sheet", filter).array for name, filter in filters.items()}
    with no_grad():
        tiles = [_shown(bank_of.apply(pixels, Tensor(w), mode).array, w) for w in taps.values()]

    height = pixels.shape[1] / pixels.shape[2]
    rows = math.ceil(len(tiles) / columns)
    figure = _figure(1.5 * columns, 1.46 * rows * (height + 0.2) + 0.35)
    ax = figure.subplots()
    corners = _grid(ax, tiles, columns, gap=(0.06, 0.2), cmap="gray", vmin=0, vmax=1)
    for (name, w), (left, top, bottom) in zip(taps.items(), corners, strict=True):
        ax.text(left, top - 0.03, name, va="bottom", fontsize=8, color=INK)
        high, wide = (TAPS * n / max(w.shape) for n in w.shape)
        x, y, limit = left + 0.98, bottom - 0.02, float(np.abs(w).max()) or 1.0
        where = (x - wide, x, y, y - high)
        ax.imshow(w, extent=where, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", zorder=2)
        ax.plot(
            [x - wide, x, x, x - wide, x - wide], [y, y, y - high, y - high, y],
            color=MUTED, linewidth=0.6, zorder=3,
        )  # fmt: skip
    ax.set_xlim(-0.02, columns * 1.06 - 0.04)
    ax.set_ylim(corners[-1][2] + 0.02, -0.16)
    _title(figure, f"{len(taps)} filter{'s' * (len(taps) > 1)}", mode)
    return _write(figure, path)


def _single(image: Any) -> Tensor:
    """(C, H, W) floats in 0..1, gray or of three colours."""
    x = unpack(image, "contact_sheet")[0]
    if len(x) != 1 or x.shape[1] not in (1, 3) or 0 in x.shape:
        kind = f"a Pillow image of mode {image.mode}" if is_pillow(image) else f"shape {np.shape(image)}"
        raise ShapeError(f"contact_sheet: got {kind}; give a single image, gray or of three colours")
    return Tensor(np.divide(x[0], bound(x.dtype), dtype=np.float32))


def _shown(y: np.ndarray, w: np.ndarray) -> np.ndarray:
    """A response as matplotlib draws it, within 0..1."""
    if math.isclose(w.sum(), 1, abs_tol=1e-6):
        y = np.clip(y, 0, 1)
        return y[0] if len(y) == 1 else y.transpose(1, 2, 0)
    y = y.mean(axis=0)
    most = np.quantile(np.abs(y), 0.99) or 1.0  # a few extreme pixels would leave the rest grey
    return np.clip(0.5 + y / (2 * most), 0, 1)

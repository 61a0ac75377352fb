"""Maps of what a network looks at, laid over the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from .inside import _spread
from .pictures import BLUE, INK, VERMILION, _figure, _grid, _picture, _write

if TYPE_CHECKING:
    from .pictures import StrPath

__all__ = ["heat_maps", "overlay"]


def heat_maps(image: Any, maps: Any, path: StrPath, columns: int = 6) -> Path:
    """An image, and next to it with each map laid over it, as `overlay` does.

    Args:
        image: (h, w) or (1 or 3, h, w), on any scale.
        maps: (rows, columns), what `grad_cam` and its like say of the image; or a mapping from names
            to such.
        path: the file to write.
        columns: how many stand in a row.

    >>> import numpy as np
    >>> heat_maps(np.eye(28), {"grad-cam": np.ones((7, 7))}, "heat.png").name
    'heat.png'
    """
    named = maps if isinstance(maps, Mapping) else {"": maps}
    tiles = [_picture("heat_maps", np.asarray(image)), *(overlay(image, heat) for heat in named.values())]
    columns = min(columns, len(tiles))
    rows, height = math.ceil(len(tiles) / columns), tiles[0].shape[0] / tiles[0].shape[1]
    figure = _figure(1.8 * columns, 1.8 * rows * (height + 0.2))
    ax = figure.subplots()
    corners = _grid(ax, tiles, columns, gap=(0.08, 0.2), cmap="gray")
    for name, (left, top, _) in zip(("image", *named), corners, strict=True):
        ax.text(left, top - 0.04, name, va="bottom", fontsize=9, color=INK, weight="bold")
    ax.set_ylim(corners[-1][2] + 0.02, -0.2)
    return _write(figure, path)


def overlay(image: Any, heat: Any, strength: float = 0.9) -> np.ndarray:
    """An image in soft grey with a map laid over it: vermilion where it is positive, blue where negative.

    Args:
        image: (h, w) or (1 or 3, h, w), on any scale.
        heat: (rows, columns), spread linearly over the image; its largest absolute value is the full colour.
        strength: how much the full colour hides of the image.

    Returns:
        (h, w, 3) bytes, as Pillow's `Image.fromarray` takes them.

    >>> overlay([[0.0, 1.0]], [[0.0, 2.0]], strength=1)
    array([[[ 51,  51,  51],
            [213,  94,   0]]], dtype=uint8)
    """
    grey = _picture("overlay", np.asarray(image, np.float32))
    if grey.ndim == 3:
        grey = grey @ np.array([0.299, 0.587, 0.114], np.float32)
    low, high = float(grey.min()), float(grey.max())
    grey = 0.2 + 0.7 * (grey - low) / (
        (high - low) or 1.0
    )  # on black and on white, colours cannot be told apart
    h = np.asarray(heat, np.float32)
    if h.ndim != 2 or 0 in h.shape:
        raise ShapeError(
            f"overlay: the map has shape {h.shape}; expected (rows, columns), so take one of a batch"
        )
    h = _spread(h[None], grey.shape)[0] / (float(np.abs(h).max()) or 1.0)
    colours = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in (BLUE, VERMILION)]
    opacity = strength * np.abs(h)[..., None]
    mixed = grey[..., None] * (1 - opacity) + np.asarray(colours)[(h > 0).astype(int)] * opacity
    return np.rint(mixed * 255).astype(np.uint8)

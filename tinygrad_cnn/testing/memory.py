"""The same values, in other places of memory: what a function must give the same result for."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["LAYOUTS", "laid_out"]

LAYOUTS = ("C", "F", "channels_last", "channels_first", "batch_last", "stepped", "reversed", "unaligned")

_MOVED = {"channels_last": (1, -1), "channels_first": (1, 0), "batch_last": (0, -1)}  # an axis, its place


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values with other strides.

    "C" and "F" are row- and column-major; in "channels_last", "channels_first" and "batch_last" that axis
    has that place in memory; "stepped" has gaps between elements, "reversed" has negative strides,
    "unaligned" begins where no number of its size should.

    >>> laid_out(np.zeros((2, 3)), "reversed").strides
    (-24, -8)
    """
    if layout == "F":
        return np.array(array, order="F")
    if layout == "stepped":
        between = np.nan if array.dtype.kind == "f" else 99  # who reads there, reads something else
        wide = np.full([2 * n + 1 for n in array.shape], between, array.dtype)
        every_other: Any = (*(slice(1, None, 2),) * array.ndim, ...)
        return _filled(wide[every_other], array)
    if layout == "reversed":
        back: Any = (*(slice(None, None, -1),) * array.ndim, ...)
        return array[back].copy()[back]
    if layout == "unaligned":
        memory = np.empty(array.nbytes + 1, np.uint8)
        return _filled(memory[1:].view(array.dtype).reshape(array.shape), array)
    if layout in _MOVED and array.ndim > 2:
        axis, place = _MOVED[layout]
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, axis, place)), place, axis)
    return np.array(array, order="C")


def _filled(view: np.ndarray, array: np.ndarray) -> np.ndarray:
    view[...] = array
    return view

"""Borders made of the image itself: mirrored, repeated or wrapped around.

Along each axis a border is a few slices of what it surrounds, so that widening is one copy of the image and
one of each border, and the adjoint adds each border back to where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["MODES", "extend", "extend_adjoint"]

MODES = ("reflect", "replicate", "circular")
Widths = tuple[tuple[int, int], ...]


def extend(x: np.ndarray, widths: Widths, mode: str) -> np.ndarray:
    """x with a border of (before, after) along every axis."""
    out = np.empty_like(x, shape=[n + sum(w) for n, w in zip(x.shape, widths, strict=True)])
    inside = [slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True)]
    out[tuple(inside)] = x
    for axis, n in enumerate(x.shape):
        image, lead = out[tuple(inside)], (slice(None),) * axis
        inside[axis] = slice(None)  # from here on: corners are borders of borders
        whole = out[tuple(inside)]
        for border, source in _borders(mode, n, *widths[axis]):
            whole[(*lead, border)] = image[(*lead, source)]
    return out


def extend_adjoint(y: np.ndarray, widths: Widths, mode: str) -> np.ndarray:
    """The inside of y with every border added to where `extend` takes it from."""
    x = y
    for axis, (before, after) in reversed(list(enumerate(widths))):
        if before or after:
            n, lead, whole = y.shape[axis] - before - after, (slice(None),) * axis, x
            x = whole[(*lead, slice(before, before + n))].copy(order="K")
            for border, source in _borders(mode, n, before, after):
                part, added = x[(*lead, source)], whole[(*lead, border)]
                part += added.sum(axis, keepdims=True) if part.shape[axis] == 1 else added
    return y.copy(order="K") if x is y else x


def _borders(mode: str, n: int, before: int, after: int) -> Iterator[tuple[slice, slice]]:
    """The borders of one axis (slices of the widened image), and what is copied there (of the image)."""
    if mode == "reflect":
        sources: Any = (slice(before, 0, -1), slice(n - 2, n - 2 - after if after < n - 1 else None, -1))
    elif mode == "replicate":
        sources = (slice(1), slice(n - 1, n))
    else:
        sources = (slice(n - before, n), slice(after))
    if before:
        yield slice(before), sources[0]
    if after:
        yield slice(before + n, before + n + after), sources[1]

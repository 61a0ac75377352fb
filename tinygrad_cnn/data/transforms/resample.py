"""Images on another grid of pixels: resizing, axis by axis, and sampling at any place.  Arrays only.

Resizing multiplies each axis by a matrix that has a row for each new pixel.  Every image may have a window of
its own, so the matrices are stacked; a crop and its resizing are one.  Bytes are resized in Pillow's own
arithmetic, whose weights are multiples of 2^-22: the sums are then exact in float64, and each axis comes out
as Pillow's, bit for bit.  The width comes first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["nearest", "resize", "sample"]

ROWS = 32  # new pixels made together: they look at few old ones
IMAGES = 16  # images whose matrices exist together
UNIT = 2.0**22  # Pillow's weights are integers in these parts
BICUBIC = {True: -0.5, False: -0.75}  # the slope at 1; Pillow's for antialiasing, else PyTorch's


def linear(d: np.ndarray) -> np.ndarray:
    """max(0, 1 - |d|)."""
    return np.maximum(0.0, 1.0 - np.abs(d))


def cubic(d: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic with the slope a at distance 1 (Keys 1981)."""
    d = np.abs(d)
    near = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    far = (((d - 5.0) * d + 8.0) * d - 4.0) * a
    return np.where(d < 1, near, np.where(d < 2, far, 0.0))


def matrices(
    size: int, out: int, start: np.ndarray, length: np.ndarray, mode: str, antialias: bool
) -> np.ndarray:
    """How `out` pixels are made of the windows [start, start + length) of `size`: (n, out, size)."""
    start, length = start[:, None, None], length[:, None, None]
    scale = length / out
    i, j = np.arange(out)[:, None], np.arange(size)
    if antialias:
        stretch = 1.0 / np.maximum(scale, 1.0)
        d = (j - start - (i + 0.5) * scale + 0.5) * stretch
        w = linear(d) if mode == "bilinear" else cubic(d, BICUBIC[True])
        w *= (j >= start) & (j < start + length)
        return w / w.sum(axis=2, keepdims=True)
    centre = (i + 0.5) * scale - 0.5
    if mode == "bilinear":
        centre = np.maximum(centre, 0.0)
    first = np.floor(centre)
    w = np.zeros((len(start), out, size))
    for k in (0, 1) if mode == "bilinear" else (-1, 0, 1, 2):
        d = first + k - centre
        weight = linear(d) if mode == "bilinear" else cubic(d, BICUBIC[False])
        w += weight * (j == start + np.clip(first + k, 0, length - 1))
    return w


def along(x: np.ndarray, w: np.ndarray, exact: bool) -> np.ndarray:
    """x (n, C, A, size) times w (n or 1, out, size) along the last axis: (n, C, A, out)."""
    if exact:
        w = np.trunc(w * UNIT + np.copysign(0.5, w))
    w = w.astype(np.float64 if exact or x.dtype == np.float64 else np.float32)[:, None]
    out = np.empty((*x.shape[:-1], w.shape[2]), x.dtype if exact else w.dtype)
    for k in range(0, w.shape[2], ROWS):
        rows = w[:, :, k : k + ROWS]
        used = np.flatnonzero(rows.any(axis=(0, 1, 2)))
        seen = slice(used[0], used[-1] + 1)
        made = x[..., seen].astype(w.dtype, copy=False) @ rows[..., seen].swapaxes(-1, -2)
        if exact:
            made = np.clip(np.floor(made / UNIT + 0.5), 0, 255)
        out[..., k : k + ROWS] = made
    return out


def resize(
    x: np.ndarray,
    size: tuple[int, int],
    mode: str,
    antialias: bool,
    window: Sequence[np.ndarray] | None = None,
) -> np.ndarray:
    """x (n, C, H, W), or for each image its window (top, left, height, width), in `size`."""
    n, _, h, w = x.shape
    if window is None:  # one matrix for all
        window = (np.zeros(1), np.zeros(1), np.full(1, h), np.full(1, w))
    elif n > IMAGES:
        parts = [slice(k, k + IMAGES) for k in range(0, n, IMAGES)]
        top, left, height, width = window
        return np.concatenate(
            [resize(x[p], size, mode, antialias, (top[p], left[p], height[p], width[p])) for p in parts]
        )
    top, left, height, width = window
    exact = antialias and x.dtype == np.uint8
    y = x if exact or x.dtype.kind == "f" else x.astype(np.float32)
    y = along(y, matrices(w, size[1], left, width, mode, antialias), exact)
    y = along(y.swapaxes(-1, -2), matrices(h, size[0], top, height, mode, antialias), exact)
    return rounded(y.swapaxes(-1, -2), x.dtype)


def nearest(size: int, out: int, start: np.ndarray, length: np.ndarray, exact: bool) -> np.ndarray:
    """Which of the pixels of [start, start + length) the `out` new ones take: (n, out)."""
    scale = length.astype(np.float32)[:, None] / np.float32(out)  # as PyTorch rounds it
    at = np.floor((np.arange(out, dtype=np.float32) + np.float32(0.5 * exact)) * scale).astype(np.intp)
    return start.astype(np.intp)[:, None] + np.minimum(at, length.astype(np.intp)[:, None] - 1)


def sample(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str, fill: np.ndarray) -> np.ndarray:
    """The pixels of x (n, C, H, W) at the places (rows, columns), each (n, h, w); `fill` beyond the image."""
    n, c, h, w = x.shape
    # far outside is as good as outside, and fits in an integer
    rows = np.nan_to_num(np.clip(rows, -2, h + 1), nan=-2)
    columns = np.nan_to_num(np.clip(columns, -2, w + 1), nan=-2)
    flat = x.reshape(n, c, h * w)

    def at(r: np.ndarray, q: np.ndarray) -> np.ndarray:
        inside = (r >= 0) & (r < h) & (q >= 0) & (q < w)
        place = np.where(inside, r * w + q, 0).astype(np.intp).reshape(n, 1, -1)
        taken = np.take_along_axis(flat, place, axis=2).reshape(n, c, *r.shape[1:])
        return np.where(inside[:, None], taken, fill)

    if mode != "bilinear":
        return at(np.rint(rows), np.rint(columns))
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    r, q = np.floor(rows), np.floor(columns)
    down, right = (rows - r).astype(dtype)[:, None], (columns - q).astype(dtype)[:, None]
    upper = at(r, q) * (1 - right) + at(r, q + 1) * right
    lower = at(r + 1, q) * (1 - right) + at(r + 1, q + 1) * right
    return rounded(upper * (1 - down) + lower * down, x.dtype)


def rounded(y: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """y in this dtype; integers are rounded, and kept in their range."""
    if y.dtype == dtype:
        return np.ascontiguousarray(y)
    if dtype.kind in "iu":
        y = np.clip(np.rint(y), np.iinfo(dtype).min, np.iinfo(dtype).max)
    return y.astype(dtype, order="C")

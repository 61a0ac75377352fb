"""Images on another grid of pixels, by the maps of `kernels.resample`; what data needs beyond these.

Bytes that are resized with antialiasing are so in Pillow's own arithmetic, whose weights are multiples of
2^-22: the sums are then exact in float64, and each axis comes out as Pillow's, bit for bit.  The width comes
first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...kernels import resample as kernels

__all__ = ["picked", "resize", "resize_windows", "rounded", "sample"]

ROWS = 32  # new pixels made together: they look at few old ones
UNIT = 2.0**22  # Pillow's weights are integers in these parts


def _map(n: int, out: int, mode: str, antialias: bool) -> kernels.Map:
    if mode.startswith("nearest"):
        return kernels.nearest(n, out, exact=mode == "nearest-exact")
    if antialias:
        return kernels.smooth(n, out, kind="cubic" if mode == "bicubic" else "linear")
    return (kernels.cubic if mode == "bicubic" else kernels.linear)(n, out)


def picked(start: Iterable[int], length: Iterable[int], out: int, mode: str) -> np.ndarray:
    """Which pixel of each window [start, start + length) is nearest to each of `out` new ones: (n, out)."""
    places = zip(start, length, strict=True)
    return np.stack([at + _map(int(n), out, mode, False).index[:, 0] for at, n in places])


def resize(x: np.ndarray, size: tuple[int, int], mode: str, antialias: bool) -> np.ndarray:
    """x (n, C, H, W) in `size`, bilinear or bicubic."""
    maps = [_map(n, out, mode, antialias) for n, out in zip(x.shape[2:], size, strict=True)]
    if antialias and x.dtype == np.uint8:
        y = _as_pillow(_as_pillow(x, maps[1]).swapaxes(2, 3), maps[0])
        return np.ascontiguousarray(y.swapaxes(2, 3))
    y = x if x.dtype.kind == "f" else x.astype(np.float32)
    return rounded(kernels.resample(y, maps), x.dtype)


def resize_windows(
    x: np.ndarray, windows: Sequence[np.ndarray], size: tuple[int, int], mode: str, antialias: bool
) -> np.ndarray:
    """Of each image of x the window (top, left, height, width), in `size`.

    Image by image: windows of different sizes have different maps, and as one product with a stack of
    matrices large images take nine times as long.
    """
    out = np.empty((*x.shape[:2], *size), x.dtype)
    for i, (top, left, height, width) in enumerate(zip(*windows, strict=True)):
        window = x[i : i + 1, :, top : top + height, left : left + width]
        out[i] = resize(window, size, mode, antialias)[0]
    return out


def _as_pillow(x: np.ndarray, m: kernels.Map) -> np.ndarray:
    """The last axis of bytes multiplied by the map, in whole numbers as Pillow does."""
    w = m.matrix(np.dtype(np.float64))
    w = np.trunc(w * UNIT + np.copysign(0.5, w))
    out = np.empty((*x.shape[:-1], m.out), np.uint8)
    for k in range(0, m.out, ROWS):
        rows = w[k : k + ROWS]
        used = np.flatnonzero(rows.any(axis=0))
        seen = slice(used[0], used[-1] + 1)
        made = x[..., seen].astype(np.float64, order="C") @ rows[:, seen].T
        out[..., k : k + ROWS] = np.clip(np.floor(made / UNIT + 0.5), 0, 255)
    return out


def sample(x: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str, fill: np.ndarray) -> np.ndarray:
    """The pixels of x (n, C, H, W) at the places (rows, columns), each (n, h, w); `fill` beyond the image."""
    n, c, h, w = x.shape
    # far outside is as good as outside, and fits in an integer
    rows = np.nan_to_num(np.clip(rows, -2, h + 1), nan=-2)
    columns = np.nan_to_num(np.clip(columns, -2, w + 1), nan=-2)

    def place(r: np.ndarray, q: np.ndarray) -> np.ndarray:
        """The numbers of these pixels, -1 of those beyond: (n, h w)."""
        inside = (r >= 0) & (r < h) & (q >= 0) & (q < w)
        return np.where(inside, r * w + q, -1).astype(np.intp).reshape(n, -1)

    if mode == "nearest":
        at = place(np.rint(rows), np.rint(columns))[:, None]
        taken = np.take_along_axis(x.reshape(n, c, h * w), np.maximum(at, 0), axis=2)
        return np.where(at >= 0, taken, fill[..., 0]).reshape(n, c, *rows.shape[1:])
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    fill = fill.astype(dtype)
    r, q = np.floor(rows), np.floor(columns)
    down, right = ((at - whole).astype(dtype).reshape(n, -1) for at, whole in ((rows, r), (columns, q)))
    up, left = 1 - down, 1 - right
    index = np.stack([place(r + i, q + j) for i in (0, 1) for j in (0, 1)], axis=1)
    weight = np.stack([up * left, up * right, down * left, down * right], axis=1)
    # seen from `fill`, what is beyond is 0
    y = kernels.sample(x.astype(dtype, copy=False) - fill, weight, index)
    return rounded(y.reshape(n, c, *rows.shape[1:]) + fill, x.dtype)


def rounded(y: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """y in this dtype; integers are rounded, and kept in their range."""
    if y.dtype == dtype:
        return np.ascontiguousarray(y)
    if dtype.kind in "iu":
        y = np.clip(np.rint(y), np.iinfo(dtype).min, np.iinfo(dtype).max)
    return y.astype(dtype, order="C")

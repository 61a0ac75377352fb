"""Convolution of every channel on its own: for each tap, a product with the shifted image, all added up.

    forward       y  = sum over a of w[a]  x shifted by a
    input_grad    dx = sum over a of w[-a] y shifted by a
    weight_grad   dw[a] = sum over pixels of y times x shifted by a

There is no matrix to multiply.  Channels lie innermost and a row of an image, all its pixels and channels,
is one run of memory: NumPy's einsum multiplies and adds such rows in one pass over them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...geometry import ConvGeometry
from ..memory import as_channels, empty
from ..runtime import Piece, images_or_rows, share

__all__ = ["fits", "forward", "input_grad", "weight_grad"]

PIECE = 1 << 20  # products worth a thread's while
SUMS = 4  # partial sums of a weight gradient; their number must not depend on that of the threads


def fits(geom: ConvGeometry, images: int, dtype: np.dtype) -> bool:
    """Whether it is depthwise over two axes, one filter to a channel, without strides."""
    return geom.stride == (1, 1) and geom.groups == geom.in_channels == geom.out_channels > 1 and images > 0


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, c, i] = sum over a of w[c, a] x[n, c, i + d a - p] -> (N, C, *out)."""
    (top, _), (left, _) = geom.padding
    return _correlate(x, w, geom, geom.out, top, left)


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, i + d a - p] = sum over a and i of w[c, a] y[n, c, i] -> (N, C, *size)."""
    (top, _), (left, _) = (
        (d * (f - 1) - p, 0) for d, f, (p, _) in zip(geom.dilation, geom.kernel, geom.padding, strict=True)
    )
    return _correlate(y, w[:, :, ::-1, ::-1], geom, geom.size, top, left)


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[c, a] = sum over n, i of y[n, c, i] x[n, c, i + d a - p] -> (C, 1, *kernel)."""
    (top, _), (left, _) = geom.padding
    (n, c), (height, width), (high, wide) = x.shape[:2], geom.out, geom.kernel
    pieces = images_or_rows(n, height, SUMS)
    sums = np.empty((len(pieces), high, wide, width * c), np.result_type(x, y))

    def work(mine: Iterator[int]) -> None:
        for number in mine:
            images, rows = pieces[number]
            windows = _windows(x[images], geom, rows, width, top, left, sums.dtype)
            part = np.ascontiguousarray(as_channels(y[images, :, rows]))
            np.einsum(
                "nhl,nhabl->abl", part.reshape(*windows.shape[:2], width * c), windows, out=sums[number]
            )

    share(work, range(len(pieces)))
    dw = sums.sum(0).reshape(high * wide, width, c).sum(1)
    return np.ascontiguousarray(dw.T).reshape(c, 1, high, wide)


def _correlate(
    x: np.ndarray, w: np.ndarray, geom: ConvGeometry, out: tuple[int, ...], top: int, left: int
) -> np.ndarray:
    """The sum over taps of w times x, shifted, with zeros beyond the edge."""
    (n, c), (height, width) = x.shape[:2], out
    y = empty((n, c, height, width), np.result_type(x, w), "channels")
    repeated = np.broadcast_to(w[:, 0].transpose(1, 2, 0)[:, :, None], (*geom.kernel, width, c))
    taps = repeated.astype(y.dtype).reshape(*geom.kernel, width * c)

    def work(pieces: Iterator[Piece]) -> None:
        for images, rows in pieces:
            windows = _windows(x[images], geom, rows, width, top, left, y.dtype)
            part = as_channels(y)[images, rows].reshape(*windows.shape[:2], width * c)
            np.einsum("nhabl,abl->nhl", windows, taps, out=part)

    share(work, images_or_rows(n, height, -(-y.size * taps[..., 0].size // PIECE)))
    return y


def _windows(
    x: np.ndarray, geom: ConvGeometry, rows: slice, width: int, top: int, left: int, dtype: np.dtype
) -> np.ndarray:
    """What each tap sees in these rows, as (n, rows, *taps, columns C): a view of the padded images."""
    (n, c, h, w), height, top = x.shape, rows.stop - rows.start, top - rows.start
    (high, wide), (down, right) = geom.kernel, geom.dilation
    tall, broad = height + down * (high - 1), width + right * (wide - 1)
    padded = np.zeros((n, tall, broad, c), dtype)
    first, start = max(0, -top), max(0, -left)  # of the image; negative padding cuts off
    last, stop = min(h, tall - top), min(w, broad - left)
    if first < last:  # else these rows see nothing but padding
        inside = padded[:, first + top : last + top, start + left : stop + left]
        inside[...] = as_channels(x)[:, first:last, start:stop]
    i, r, p, e = padded.strides
    shape, strides = (n, height, high, wide, width * c), (i, r, down * r, right * p, e)
    return np.ndarray(shape, dtype, padded, 0, strides)

"""Small pictures of arrays, as PNG, without any library."""

from __future__ import annotations

import struct
import zlib

import numpy as np

__all__ = ["png", "size", "thumbnail"]


def png(pixels: np.ndarray, clear: int | None = None) -> bytes:
    """A PNG file of grey (h, w) or RGB (h, w, 3) bytes.  https://www.w3.org/TR/png-3/

    One grey may be `clear`: what is behind the picture shows through.

    >>> png(np.zeros((2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels, np.uint8).reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")]
    if clear is not None:
        parts.insert(1, (b"tRNS", struct.pack(">H", clear)))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def size(image: bytes) -> tuple[int, int]:
    """(width, height) of a PNG.

    >>> size(png(np.zeros((2, 3), np.uint8)))
    (3, 2)
    """
    width, height = struct.unpack(">II", image[16:24])
    return width, height


def thumbnail(result: np.ndarray, most: int = 12, *, clear: bool = False) -> bytes:
    """The first example of a batch: up to `most` channels as tiles, or up to 64 numbers as a bar of greys.

    Black is the smallest number shown, white the largest.  Between the tiles it is white, or clear.
    """
    first = np.asarray(result[0] if result.ndim > 1 else np.atleast_1d(result), np.float64)
    maps = first.reshape(-1, *first.shape[-2:])[:most] if first.ndim > 1 else first[None, None, :64]
    step = max(1, -(-max(maps.shape[1:]) // 64))
    maps = maps[:, ::step, ::step]
    known = maps[np.isfinite(maps)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    grey = (maps - low) / ((high - low) or 1.0) * 250
    maps = np.where(np.isfinite(grey), grey, 128).astype(np.uint8)
    zoom = min(8, max(1, 120 // (maps.shape[2] * min(len(maps), 4))))  # pixels stay square and sharp
    maps = maps.repeat(zoom, 2).repeat(max(zoom, 8) if first.ndim == 1 else zoom, 1)
    rows, (height, width) = -(-len(maps) // 4), maps.shape[1:]
    columns = -(-len(maps) // rows)
    tiles = np.full((rows * (height + 2) - 2, columns * (width + 2) - 2), 255, np.uint8)
    for i, each in enumerate(maps):
        y, x = i // columns * (height + 2), i % columns * (width + 2)
        tiles[y : y + height, x : x + width] = each
    return png(tiles, 255 if clear else None)  # no number is as white as that

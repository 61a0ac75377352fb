"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable

from ...creation import stack
from ...errors import ArgumentError, ShapeError
from ...tensor import Tensor, _tensor
from .. import functional as F

__all__ = ["pad_sequence", "unpad_sequence"]


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:  # fmt: skip
    """Sequences (steps, ...) filled up to the longest: (longest, n, ...), or (n, longest, ...) `batch_first`.

    >>> import tinygrad_cnn as tg
    >>> pad_sequence([tg.tensor([1, 2]), tg.tensor([3])], batch_first=True)
    tensor([[1, 2],
            [3, 0]])
    """
    if padding_side not in ("left", "right"):
        raise ArgumentError(f'pad_sequence: padding_side must be "left" or "right", not {padding_side!r}')
    if not isinstance(sequences, Iterable):
        raise ArgumentError(f"pad_sequence: {sequences!r:.40} is no list of tensors; put it in one")
    rows = [_tensor("pad_sequence", row, "a sequence") for row in sequences]
    if not rows or len({(row.shape[1:], row.dtype) if row.ndim else row for row in rows}) > 1:
        shapes = ", ".join(f"{row.shape} {row.dtype}" for row in rows)
        raise ShapeError(
            f"pad_sequence: sequences {shapes or '(none)'}; there must be some, "
            "(steps, ...) with the same sizes after the first, and the same dtype"
        )
    longest, left = max(map(len, rows)), padding_side == "left"
    rest = (0, 0) * (rows[0].ndim - 1)
    fill = [longest - len(row) for row in rows]
    padded = [
        F.pad(row, (*rest, n * left, n * (not left)), value=padding_value)
        for row, n in zip(rows, fill, strict=True)
    ]
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` filled up on the right, given their lengths (n,)."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    if _tensor("unpad_sequence", lengths, "lengths").shape != rows.shape[:1]:
        raise ShapeError(f"unpad_sequence: lengths {lengths.shape}, one for each of {len(rows)} sequences")
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]

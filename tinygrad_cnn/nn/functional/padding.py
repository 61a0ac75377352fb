"""Borders."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ArgumentError
from ...ops import shape
from ...tensor import Tensor, _number, _sizes, _tensor

__all__ = ["pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Surround with `value`: pad = (left, right, top, bottom, ...), last axis first; negative ones "
    "cut off."""
    if mode != "constant":
        raise ArgumentError(f"pad: mode {mode!r} is not there yet; 'constant' is")
    pad = _sizes("pad", (pad,)) if isinstance(pad, (int, tuple, list)) else pad
    if not isinstance(pad, tuple) or len(pad) % 2 or len(pad) > 2 * _tensor("pad", input).ndim:
        raise ArgumentError(
            f"pad: {pad!r} must be pairs (before, after), at most one for each axis of x {input.shape}"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = ((0, 0),) * (input.ndim - len(pairs)) + tuple(pairs)
    return shape.pad(
        _tensor("pad", input), widths=widths, value=0.0 if value is None else _number("pad", "value", value)
    )

"""Borders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentError, ShapeError
from ...kernels.borders import MODES
from ...ops import resample, shape
from ...tensor import Tensor, _number, _sizes, _tensor

__all__ = ["pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Surround the last axes: pad = (left, right, top, bottom, ...), last axis first; negative ones cut off.

    Args:
        mode: "constant" fills with `value`.  The others continue an image or a batch of images, with up to
            three spatial axes: "reflect" mirrors it at its first and last pixels, "replicate" repeats these,
            "circular" starts again at the other end.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0, 3.0]])
    >>> pad(x, (1, 2), "reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    >>> pad(x, (1, 2), "circular")
    tensor([[3., 1., 2., 3., 1., 2.]])
    """
    x = _tensor("pad", input)
    widths = _widths(x, pad)
    if mode == "constant":
        return shape.pad(x, widths=widths, value=0.0 if value is None else _number("pad", "value", value))
    if mode not in MODES:
        raise ArgumentError(
            f"pad: mode {mode!r:.40} is unknown; use 'constant', {', '.join(map(repr, MODES))}"
        )
    if value:
        raise ArgumentError(
            f"pad: mode {mode!r} takes its values from x, not value={value!r:.40}; leave it out"
        )
    _check_image(x, len(pad) // 2, mode)
    grown = tuple((max(before, 0), max(after, 0)) for before, after in widths)
    cut = tuple((min(before, 0), min(after, 0)) for before, after in widths)
    _check_room(x, widths, grown, cut, mode)
    cuts = cut != ((0, 0),) * x.ndim
    if cuts and mode == "circular":  # what is cut off is not wrapped around
        x = shape.pad(x, widths=cut)
    x = resample.extend(x, widths=grown, mode=mode)
    return shape.pad(x, widths=cut) if cuts and mode != "circular" else x


def _widths(x: Tensor, pad: Any) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis of x."""
    sizes = _sizes("pad", (pad,)) if isinstance(pad, (int, tuple, list)) else pad
    if not isinstance(sizes, tuple) or len(sizes) % 2 or len(sizes) > 2 * x.ndim:
        raise ArgumentError(
            f"pad: {sizes!r} must be pairs (before, after), at most one for each axis of x {x.shape}"
        )
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes), 2)][::-1]
    return ((0, 0),) * (x.ndim - len(pairs)) + tuple(pairs)


def _check_image(x: Tensor, axes: int, mode: str) -> None:
    if not 1 <= axes <= 3 or x.ndim - axes not in (1, 2):
        raise ShapeError(
            f"pad: mode {mode!r} with {axes} pairs needs x (c, *size) or (n, c, *size) with {axes} axes "
            f"of size, 1 to 3, not {x.shape}; give one pair for each of them"
        )
    if 0 in x.shape[x.ndim - axes - 1 :]:
        raise ShapeError(f"pad: x {x.shape} has no pixels to continue; only its batch may be empty")


def _check_room(x: Tensor, widths: Any, grown: Any, cut: Any, mode: str) -> None:
    for axis, (n, w, more, less) in enumerate(zip(x.shape, widths, grown, cut, strict=True)):
        if sum(w) < 0 and n + sum(w) < (mode != "circular"):
            raise ShapeError(f"pad: {w} cuts all of axis {axis} off (x {x.shape}); leave at least 1 pixel")
        most = {"reflect": n - 1, "circular": n + sum(less)}.get(mode)
        if most is not None and max(more) > max(most, 0):
            raise ShapeError(
                f"pad: mode {mode!r} continues axis {axis} of x {x.shape} by at most {most} pixels, not {w}; "
                "pad less, or use 'replicate'"
            )

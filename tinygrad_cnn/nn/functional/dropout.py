"""Dropout: chance switches values, or whole channels, off while training."""

from __future__ import annotations

import numpy as np

from ...errors import ShapeError
from ...ops import norm
from ...random import default_generator
from ...tensor import Tensor, _floating, _number

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]


def _checked(name: str, x: Tensor, p: float) -> None:
    _floating(name, x)
    _number(name, "the probability p", p, 0, 1)


def _kept(shape: tuple[int, ...], p: float) -> np.ndarray:
    return default_generator().random(shape, np.float32) >= p


def _drop(x: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """Each element of a mask of this shape, which x is multiplied by, is 0 or 1 / (1 - p)."""
    return norm.dropout(x, mask=_kept(shape, p) * x.dtype.type(0 if p == 1 else 1 / (1 - p)))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each element is 0 with probability p, else scaled by 1 / (1 - p)."""
    _checked("dropout", input, p)
    return _drop(input, p, input.shape) if training and p else input


def _of_channels(axes: int, x: Tensor, p: float, training: bool) -> Tensor:
    _checked(f"dropout{axes}d", x, p)
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"dropout{axes}d: x {x.shape} has {x.ndim} axes; (n, c, *size) has {axes + 2}, "
            f"one image {axes + 1}; for anything else use dropout"
        )
    channels = x.ndim - axes
    return _drop(x, p, x.shape[:channels] + (1,) * axes) if training and p else x


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each channel of (n, c, length) or (c, length) is 0 with probability p; see `dropout`."""
    return _of_channels(1, input, p, training)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each channel of (n, c, height, width) or (c, height, width) is 0 with probability p.

    Tompson et al. 2015, arXiv:1411.4280.
    """
    return _of_channels(2, input, p, training)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, each channel of (n, c, *size) or (c, *size) is 0 with probability p; see `dropout`."""
    return _of_channels(3, input, p, training)


_LOWEST = -1.7580993408473766  # what selu falls to


def _drop_alpha(x: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    if p == 1:
        return x * 0.0
    scale = ((1 - p) * (1 + p * _LOWEST**2)) ** -0.5
    kept, shift = _kept(shape, p), -scale * p * _LOWEST
    out = norm.dropout(x, mask=kept * x.dtype.type(scale))
    return out + Tensor(np.where(kept, shift, scale * _LOWEST + shift).astype(x.dtype))


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """In training, each element is selu's lowest value with probability p; mean and variance are kept.

    Klambauer et al. 2017, arXiv:1706.02515.
    """
    _checked("alpha_dropout", input, p)
    return _drop_alpha(input, p, input.shape) if training and p else input


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels (axis 1)."""
    _checked("feature_alpha_dropout", input, p)
    if input.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout: x {input.shape} needs at least 2 axes, (n, c, ...)")
    shape = input.shape[:2] + (1,) * (input.ndim - 2)
    return _drop_alpha(input, p, shape) if training and p else input

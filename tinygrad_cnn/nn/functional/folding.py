"""Pixels that become channels, and channels that become pixels."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...geometry import ConvGeometry, _int, _ints, conv_geometry
from ...ops import pool
from ...tensor import Tensor, _tensor
from ._checks import _check_dtypes

__all__ = ["channel_shuffle", "fold", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def _windows(
    name: str, x: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any
) -> ConvGeometry:
    kernel, padding = _ints(name, "kernel_size", kernel, 2), _ints(name, "padding", padding, 2, 0)
    return conv_geometry(x, (1, x[1], *kernel), stride, padding, dilation, axes=2, op=name)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """What each window of an image sees, as a column: (n, c, height, width) -> (n, c taps, windows).

    Windows as in `conv2d`, which is a matrix product with these columns.  Also for one image without axis n.

    >>> import tinygrad_cnn as tg
    >>> unfold(tg.arange(6.0).reshape(1, 1, 2, 3), 2)
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    _check_dtypes("unfold", x=input)
    if input.ndim == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4 or input.shape[1] == 0:
        raise ShapeError(f"unfold: x {input.shape} must be (n, c, height, width), with channels")
    return pool.unfold(input, geom=_windows("unfold", input.shape, kernel_size, stride, padding, dilation))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The adjoint of `unfold`: columns (n, c taps, windows) added up to images (n, c, *output_size).

    >>> import tinygrad_cnn as tg
    >>> fold(tg.ones(1, 4, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    _check_dtypes("fold", x=input)
    if input.ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    size, taps = (
        _ints("fold", "output_size", output_size, 2),
        prod(_ints("fold", "kernel_size", kernel_size, 2)),
    )
    if input.ndim != 3 or input.shape[1] == 0 or input.shape[1] % taps:
        raise ShapeError(
            f"fold: x {input.shape} must be (n, channels times taps, windows), with {taps} taps each"
        )
    channels = input.shape[1] // taps
    geom = _windows("fold", (input.shape[0], channels, *size), kernel_size, stride, padding, dilation)
    if input.shape[2] != prod(geom.out):
        raise ShapeError(
            f"fold: x {input.shape} has {input.shape[2]} columns, an image of {size} has {geom.out} windows; "
            f"give it {prod(geom.out)} columns, or another output_size"
        )
    return pool.fold(input, geom=geom)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become pixels: (..., c r r, h, w) -> (..., c, h r, w r).  Shi et al. 2016, arXiv:1609.05158.

    >>> import tinygrad_cnn as tg
    >>> pixel_shuffle(tg.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = _int("pixel_shuffle", "upscale_factor", upscale_factor)
    *lead, c, h, w = _image("pixel_shuffle", input)
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: x {input.shape} has {c} channels, which {r} times {r} does not divide"
        )
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    n = len(lead)
    x = x.permute(*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return x.reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`: (..., c, h r, w r) -> (..., c r r, h, w)."""
    r = _int("pixel_unshuffle", "downscale_factor", downscale_factor)
    *lead, c, h, w = _image("pixel_unshuffle", input)
    if h % r or w % r:
        raise ShapeError(f"pixel_unshuffle: {r} does not divide height and width of x {input.shape}")
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    n = len(lead)
    x = x.permute(*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return x.reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (axis 1) of all groups interleaved: g groups of k become k groups of g.

    Zhang et al. 2018 (ShuffleNet), arXiv:1707.01083.
    """
    groups = _int("channel_shuffle", "groups", groups)
    if _tensor("channel_shuffle", input).ndim < 3 or input.shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle: x {input.shape} must be (n, c, *size) with channels for {groups} groups"
        )
    n, c, *size = input.shape
    return input.reshape(n, groups, c // groups, *size).transpose(1, 2).reshape(n, c, *size)


def _image(name: str, x: Tensor) -> tuple[int, ...]:
    if _tensor(name, x).ndim < 3:
        raise ShapeError(f"{name}: x {x.shape} must have at least 3 axes, (c, height, width)")
    return x.shape

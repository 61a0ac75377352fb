"""Images on other grids, and at any points."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...geometry import _int
from ...kernels import resample as maps
from ...kernels.runtime import quietly
from ...ops import activation, shape
from ...ops import resample as ops
from ...tensor import Tensor, _number, _tensor
from ._checks import _check_dtypes

__all__ = ["affine_grid", "grid_sample", "interpolate"]

# mode: the axes that it takes, and how one of them is resampled.
MODES: dict[str, tuple[tuple[int, ...], Any]] = {
    "nearest": ((1, 2, 3), lambda n, out, scale, align: maps.nearest(n, out, scale)),
    "nearest-exact": ((1, 2, 3), lambda n, out, scale, align: maps.nearest(n, out, scale, True)),
    "area": ((1, 2, 3), lambda n, out, scale, align: maps.area(n, out)),
    "linear": ((1,), maps.linear),
    "bilinear": ((2,), maps.linear),
    "trilinear": ((3,), maps.linear),
    "bicubic": ((2,), maps.cubic),
}
SMOOTH = {"bilinear": "linear", "bicubic": "cubic", "lanczos": "lanczos"}


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Images (n, c, *size) on another grid: of a given size, or larger by scale_factor.

    Args:
        size, scale_factor: one of them, for all axes or one per axis; a size is floor(n scale_factor).
        mode: "nearest" (the pixel at the corner; "nearest-exact" at the centre), "area" (averages), "linear",
            "bilinear", "trilinear" by the number of axes, "bicubic", "lanczos" (with antialias).
        align_corners: the first and last pixels stay where they are, instead of the image's edges.
        recompute_scale_factor: take the scale from the sizes even where it was given.
        antialias: average over as many pixels as there are under a new one; of images, as Pillow does.

    >>> import tinygrad_cnn as tg
    >>> interpolate(tg.tensor([[[0.0, 4.0]]]), 4, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    _check_dtypes("interpolate", x=input)
    axes = input.ndim - 2
    if mode not in MODES and mode not in SMOOTH:
        raise ArgumentError(f"interpolate: mode {mode!r:.40} is unknown; use {', '.join(map(repr, MODES))}")
    fits = (2,) if antialias or mode not in MODES else MODES[mode][0]
    if axes not in fits:
        needed = " or ".join(str(n + 2) for n in fits)
        raise ShapeError(
            f"interpolate: mode {mode!r} needs x of {needed} axes (n, c, *size), not {input.shape}"
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ArgumentError(f"interpolate: mode {mode!r} knows no align_corners; leave it out")
    if antialias and mode not in SMOOTH:
        raise ArgumentError(
            f"interpolate: antialias is for 'bilinear', 'bicubic' and 'lanczos', not {mode!r}"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ArgumentError("interpolate: mode 'lanczos' needs antialias=True, and no align_corners")
    if 0 in input.shape[1:]:
        raise ShapeError(f"interpolate: x {input.shape} has no pixels; only its batch may be empty")
    wanted, scales = _sizes_wanted(input, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ArgumentError("interpolate: recompute_scale_factor is for scale_factor, but size was given")
    if recompute_scale_factor:
        scales = (None,) * axes
    align = bool(align_corners)

    def along(n: int, out: int, scale: float | None) -> Any:
        if antialias:
            return maps.smooth(n, out, scale, align, SMOOTH[mode])
        return MODES[mode][1](n, out, scale, align)

    return ops.resample(input, maps=tuple(map(along, input.shape[2:], wanted, scales)))


def _sizes_wanted(x: Tensor, size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """The new size, and the scale that was asked for, if one was, of every axis."""
    axes = x.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give size or scale_factor, and only one of them")
    given = scale_factor if size is None else size
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    if len(each) != axes:
        raise ArgumentError(
            f"interpolate: {given!r:.60} has {len(each)} entries, x {x.shape} has {axes} axes of size"
        )
    if size is not None:
        return tuple(_int("interpolate", "size", n) for n in each), (None,) * axes
    sizes = []
    for n, scale in zip(x.shape[2:], each, strict=True):
        _number("interpolate", "scale_factor", scale)
        if not math.isfinite(scale) or n * scale < 1:
            raise ArgumentError(
                f"interpolate: scale_factor {scale} leaves nothing of {n} pixels (x {x.shape})"
            )
        sizes.append(int(n * scale))
    return tuple(sizes), tuple(float(scale) for scale in each)


# --- points ----------------------------------------------------------------------------------------------


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid with which `grid_sample` moves images by theta: (n, 2, 3) -> (n, height, width, 2).

    A new pixel at (x, y), both from -1 to 1, takes its value at theta (x, y, 1).  size is (n, c, height,
    width); for volumes theta is (n, 3, 4), size (n, c, depth, height, width).  Jaderberg et al. 2015,
    arXiv:1506.02025.

    >>> import tinygrad_cnn as tg
    >>> affine_grid(tg.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 2))
    tensor([[[[ 0.5000,  0.0000],
              [-0.5000,  0.0000]]]])
    """
    _check_dtypes("affine_grid", x=theta)
    sizes = tuple(_int("affine_grid", "size", n) for n in size)
    axes = len(sizes) - 2
    if axes not in (2, 3) or theta.shape != (sizes[0], axes, axes + 1):
        raise ShapeError(
            f"affine_grid: theta {theta.shape} and size {sizes} do not fit; give (n, 2, 3) and "
            "(n, c, height, width), or (n, 3, 4) and (n, c, depth, height, width)"
        )
    lines = [_line(n, bool(align_corners)) for n in sizes[2:]]
    points = [*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(sizes[2:])]
    base = np.stack(points, -1).astype(theta.dtype).reshape(-1, axes + 1)
    return Tensor(base).matmul(theta.transpose(1, 2)).reshape(sizes[0], *sizes[2:], axes)


def _line(n: int, align_corners: bool) -> np.ndarray:
    """The places of n pixels from -1 to 1."""
    line = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    return line if align_corners else line * ((n - 1) / n)


def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Images read at points: input (n, c, height, width), grid (n, h, w, 2) -> (n, c, h, w).

    A point is (x, y), and the image reaches from -1 to 1: its edges, or with align_corners the centres of
    its outer pixels.  Volumes have points (x, y, z).  Differentiable in both, to any order.

    Args:
        mode: "bilinear" (trilinear for volumes), "nearest", or for images "bicubic".
        padding_mode: outside are "zeros", the nearest pixel of the "border", or the image's "reflection".

    >>> import tinygrad_cnn as tg
    >>> image = tg.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> grid_sample(image, tg.tensor([[[[0.0, 0.0], [0.5, -0.5]]]]), align_corners=False)
    tensor([[[[1.5000, 1.0000]]]])
    """
    _check_dtypes("grid_sample", x=input, grid=_tensor("grid_sample", grid, "grid"))
    axes = input.ndim - 2
    if (
        axes not in (2, 3)
        or grid.ndim != input.ndim
        or grid.shape[-1] != axes
        or grid.shape[0] != input.shape[0]
    ):
        raise ShapeError(
            f"grid_sample: x {input.shape} and grid {grid.shape} do not fit; give (n, c, height, width) "
            "and (n, h, w, 2), or (n, c, depth, height, width) and (n, d, h, w, 3)"
        )
    if 0 in input.shape[2:]:
        raise ShapeError(f"grid_sample: x {input.shape} has no pixels")
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and axes == 3):
        raise ArgumentError(
            f"grid_sample: mode {mode!r:.40} is none of 'bilinear', 'nearest' and (for images) 'bicubic'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ArgumentError(
            f"grid_sample: padding_mode {padding_mode!r:.40} is none of 'zeros', 'border' and 'reflection'"
        )
    n, points = grid.shape[0], math.prod(grid.shape[1:-1])
    weights, indices = [], []
    for axis, size in enumerate(input.shape[2:]):
        at = grid[..., axes - 1 - axis].reshape(n, 1, points)
        weight, index = _taps(at, size, mode, padding_mode, bool(align_corners))
        lead, rest = (1,) * axis, (1,) * (axes - 1 - axis)
        weights.append(weight.reshape(n, *lead, weight.shape[1], *rest, points))
        indices.append(index.reshape(weights[-1].shape))
    w = reduce(Tensor.__mul__, weights)
    index, inside = np.zeros((), np.intp), np.ones((), bool)
    for size, i in zip(input.shape[2:], indices, strict=True):
        index, inside = index * size + i, inside & (i >= 0)
    index = np.where(inside, index, -1).reshape(n, math.prod(index.shape[1:-1]), points)
    out = ops.sample(input, w.reshape(index.shape), index=index)
    return out.reshape(n, input.shape[1], *grid.shape[1:-1])


@quietly
def _taps(
    x: Tensor, size: int, mode: str, padding_mode: str, align_corners: bool
) -> tuple[Tensor, np.ndarray]:
    """Of one axis, the pixels around points x (n, 1, points): weights and numbers (n, taps, points)."""
    x = (x + 1) * ((size - 1) / 2) if align_corners else (x + 1) * (size / 2) - 0.5
    cubic = mode == "bicubic"  # whose pixels are moved into the image, not its points
    if padding_mode == "reflection" and not cubic:
        mirrored, slope = _mirror(x.array, size, align_corners)
        x = x * slope + (mirrored - slope * x.array)
    if padding_mode == "zeros" or (cubic and padding_mode == "border"):
        x = activation.hardtanh(x, min_val=-3, max_val=size + 2)  # farther out all is alike
    elif not cubic:
        x = activation.hardtanh(x, min_val=0, max_val=size - 1)
    if mode == "nearest":
        nearest = np.rint(x.array)
        return Tensor(np.ones_like(nearest)), _numbers(nearest, size)
    first = np.where(np.isfinite(x.array), np.floor(x.array), x.dtype.type(0))
    t = x - first
    parts = maps.cubic_weights(t) if cubic else [1 - t, t]
    pixels = first + np.arange(-1 if cubic else 0, 3 if cubic else 2, dtype=x.dtype)[:, None]
    if cubic and padding_mode == "reflection":
        pixels, _ = _mirror(pixels, size, align_corners)
    if cubic and padding_mode != "zeros":
        pixels = np.clip(pixels, 0, size - 1)
    return shape.cat(*parts, dim=1), _numbers(pixels, size)


def _numbers(pixels: np.ndarray, size: int) -> np.ndarray:
    """As integers, -1 for those outside (and for nan)."""
    return np.where((pixels >= 0) & (pixels < size), pixels, -1).astype(np.intp)


def _mirror(x: np.ndarray, size: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray]:
    """x reflected into the image, at its edges or the centres of its outer pixels, and the slope of that."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span == 0:
        return np.zeros_like(x), np.zeros_like(x)
    away = np.abs(x - low)
    turns, rest = np.divmod(away, x.dtype.type(span))
    odd = turns % 2 == 1
    slope = np.where(odd == (x < low), x.dtype.type(1), x.dtype.type(-1))
    return np.where(odd, span - rest, rest) + x.dtype.type(low), slope

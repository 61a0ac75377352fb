"""Pooling: windows are reduced to one value each, channel by channel."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...geometry import PoolGeometry, _each, _ints, pool_geometry
from ...kernels import pool as pool_kernels
from ...kernels.resample import area, windows
from ...ops import pool as pool_ops
from ...ops import resample as resample_ops
from ...ops import shape
from ...random import default_generator
from ...tensor import Tensor, _number, _sizes, _tensor
from ...tensor.arguments import _in_range, _indices
from ._checks import _check_dtypes, _with_batch
from .activation import relu

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _max_pool(
    axes: int, x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool,
) -> Any:  # fmt: skip
    if _tensor(f"max_pool{axes}d", x).ndim == axes + 1:
        pooled = _max_pool(axes, x.unsqueeze(0), kernel, stride, padding, dilation, ceil_mode, return_indices)
        return tuple(t.squeeze(0) for t in pooled) if return_indices else pooled.squeeze(0)
    geom = pool_geometry(
        x.shape, kernel, stride, padding, dilation, ceil_mode, axes=axes, op=f"max_pool{axes}d"
    )
    y = pool_ops.max_pool(x, geom=geom)
    if not return_indices:
        return y
    return y, Tensor(pool_kernels.flat_indices(pool_kernels.winners(x.array, y.array, geom), geom))


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window; see `max_pool2d`."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window, channel by channel; (n, c, height, width) in and out.

    The gradient goes to the first winner in row-major order.  Stride defaults to the kernel size;
    `ceil_mode` lets the last window hang over the end; `return_indices` adds the winners' positions in
    the flattened image (int64).

    >>> import tinygrad_cnn as tg
    >>> max_pool2d(tg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool
    = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest value of every window; see `max_pool2d`."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@lru_cache(maxsize=1024)
def _window_sizes(geom: PoolGeometry, count_include_pad: bool, dtype: np.dtype[Any]) -> Any:
    """What an average divides by: one number if all windows are alike."""
    sizes = pool_kernels.window_sizes(geom, count_include_pad)
    return int(sizes.flat[0]) if (sizes == sizes.flat[0]).all() else Tensor(sizes.astype(dtype))


def _avg_pool(
    axes: int, x: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor: int | None,
) -> Tensor:  # fmt: skip
    _check_dtypes(f"avg_pool{axes}d", x=x)
    if divisor == 0:
        raise ArgumentError(
            f"avg_pool{axes}d: divisor_override is 0; leave it out to divide by the window's size"
        )

    def run(x: Tensor) -> Tensor:
        geom = pool_geometry(x.shape, kernel, stride, padding, 1, ceil_mode, axes=axes, op=f"avg_pool{axes}d")
        return pool_ops.window_sum(x, geom=geom) / (
            divisor or _window_sizes(geom, count_include_pad, x.dtype)
        )

    return _with_batch(x, axes, run)


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The average of every window; see `avg_pool2d`."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of every window, channel by channel; (n, c, height, width) in and out.

    The divisor is the window's size, without the cells beyond the padding (ceil_mode), without the
    padding itself if not count_include_pad, or divisor_override.

    >>> import tinygrad_cnn as tg
    >>> avg_pool2d(tg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The average of every window; see `avg_pool2d`."""
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _adaptive_sizes(name: str, x: Tensor, axes: int, output_size: Any) -> tuple[int, ...]:
    """The size of the result: an int, or one or None per axis, which keeps a size."""
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[1 - x.ndim :]:
        raise ShapeError(f"{name}: x {x.shape} needs {axes + 2} axes (n, c, *size), none but n empty")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(wanted) != axes or any(
        out is not None and (not isinstance(out, (int, np.integer)) or isinstance(out, bool) or out < 0)
        for out in wanted
    ):
        raise ArgumentError(
            f"{name}: output_size {output_size!r} must be {axes} ints, 0 or more (None keeps a size)"
        )
    return tuple(n if out is None else int(out) for n, out in zip(x.shape[-axes:], wanted, strict=True))


def _adaptive_avg_pool(axes: int, x: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{axes}d"
    _check_dtypes(name, x=x)
    wanted = _adaptive_sizes(name, x, axes, output_size)
    if wanted == (1,) * axes:
        return x.mean(tuple(range(x.ndim - axes, x.ndim)), keepdim=True)
    # A box average is an average along one axis after the other.
    sizes = zip(x.shape[-axes:], wanted, strict=True)
    return resample_ops.resample(x, maps=tuple(None if n == out else area(n, out) for n, out in sizes))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the image into `output_size` parts; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows chosen so that the result has `output_size` (an int, or one or None per axis).

    Window i covers pixels floor(i n / out) up to ceil((i + 1) n / out); `output_size` 1 averages globally.

    >>> import tinygrad_cnn as tg
    >>> adaptive_avg_pool2d(tg.ones(2, 3, 7, 5), (3, None)).shape
    (2, 3, 3, 5)
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages over windows that divide the image; see `adaptive_avg_pool2d`."""
    return _adaptive_avg_pool(3, input, output_size)


def _adaptive_max_pool(axes: int, x: Tensor, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{axes}d"
    _check_dtypes(name, x=x)
    wanted = _adaptive_sizes(name, x, axes, output_size)
    if x.ndim == axes + 1:
        pooled = _adaptive_max_pool(axes, x.unsqueeze(0), wanted, return_indices)
        return tuple(t.squeeze(0) for t in pooled) if return_indices else pooled.squeeze(0)
    size = x.shape[2:]
    if 0 in wanted:
        empty = resample_ops.resample(x, maps=tuple(map(area, size, wanted)))
        return (empty, Tensor(np.zeros(empty.shape, np.int64))) if return_indices else empty
    # Windows that overlap, or differ in size, are laid out one after another first; then they are alike.
    parts = tuple(map(windows, size, wanted))
    if any(n != len(part.index) for n, part in zip(size, parts, strict=True)):
        x = resample_ops.resample(x, maps=parts)
    kernel = tuple(len(part.index) // out for part, out in zip(parts, wanted, strict=True))
    if not return_indices:
        return _max_pool(axes, x, kernel, None, 0, 1, False, False)
    y, indices = _max_pool(axes, x, kernel, None, 0, 1, False, True)
    at = np.unravel_index(indices.array, x.shape[2:])
    at = tuple(part.index[i, 0] for part, i in zip(parts, at, strict=True))
    return y, Tensor(np.ravel_multi_index(at, size))


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows that divide a sequence into `output_size` parts; see `adaptive_max_pool2d`."""
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows chosen so that the result has `output_size`, the windows of `adaptive_avg_pool2d`.

    >>> import tinygrad_cnn as tg
    >>> adaptive_max_pool2d(tg.arange(6.0).reshape(1, 1, 2, 3), (1, 2))
    tensor([[[[4., 5.]]]])
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima of windows that divide a volume; see `adaptive_max_pool2d`."""
    return _adaptive_max_pool(3, input, output_size, return_indices)


def _fractional_max_pool(
    axes: int, x: Tensor, kernel: Any, output_size: Any, output_ratio: Any, return_indices: bool, samples: Any
) -> Any:
    name = f"fractional_max_pool{axes}d"
    _check_dtypes(name, x=x, _random_samples=samples)
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[1 - x.ndim :]:
        raise ShapeError(f"{name}: x {x.shape} needs {axes + 2} axes (n, c, *size), none but n empty")
    if x.ndim == axes + 1:
        x = x.unsqueeze(0)
        pooled = _fractional_max_pool(axes, x, kernel, output_size, output_ratio, return_indices, samples)
        return tuple(t.squeeze(0) for t in pooled) if return_indices else pooled.squeeze(0)
    size, kernel = x.shape[2:], _ints(name, "kernel_size", kernel, axes)
    if output_size is not None:
        out = _ints(name, "output_size", output_size, axes)
    elif output_ratio is not None:
        ratios = _each(name, "output_ratio", output_ratio, axes)
        out = tuple(int(n * _number(name, "output_ratio", r, 0)) for n, r in zip(size, ratios, strict=True))
    else:
        raise ArgumentError(f"{name}: give output_size or output_ratio")
    if any(not 1 <= m <= n - f + 1 for n, f, m in zip(size, kernel, out, strict=True)):
        raise ShapeError(f"{name}: an image of {size} has no {out} windows of {kernel}; ask for fewer")
    if samples is None:
        samples = Tensor(default_generator().random((*x.shape[:2], axes)).astype(x.dtype))
    if samples.shape != (*x.shape[:2], axes):
        raise ShapeError(
            f"{name}: _random_samples {samples.shape} must be {(*x.shape[:2], axes)} for x {x.shape}"
        )
    # Where in the flattened image each tap of each window lies: (n, c, windows and taps of all axes).
    index = np.zeros((*x.shape[:2], *(1,) * (2 * axes)), np.intp)
    for axis, (n, f, m) in enumerate(zip(size, kernel, out, strict=True)):
        draw = samples.array[..., axis if axes == 3 else axes - 1 - axis]
        along = (m if a == axis else 1 for a in range(axes))
        at = _fractions(draw, n, f, m).reshape(*x.shape[:2], *along, *(1,) * axes)
        index = index * n + at + np.arange(f).reshape(-1, *(1,) * (axes - 1 - axis))
    index = index.reshape(*x.shape[:2], math.prod(out), math.prod(kernel))
    pixels = x.reshape(*x.shape[:2], math.prod(size))
    seen = np.take_along_axis(pixels.array[:, :, None], index, 3)
    winners = np.take_along_axis(index, np.argmax(seen, 3)[..., None], 3)[..., 0]
    y = shape.gather(pixels, dim=2, index=winners).reshape(*x.shape[:2], *out)
    return (y, Tensor(winners.reshape(y.shape))) if return_indices else y


def _fractions(draw: np.ndarray, n: int, f: int, out: int) -> np.ndarray:
    """Where windows of f pixels begin, at random distances that fill the axis: (..., out)."""
    alpha = draw.dtype.type((n - f) / (out - 1)) if out > 1 else draw.dtype.type(0)
    i = np.arange(out, dtype=draw.dtype)
    starts = ((i + draw[..., None]) * alpha).astype(np.intp) - (draw[..., None] * alpha).astype(np.intp)
    starts[..., -1] = n - f
    return starts


def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows at random distances, as many as are asked for by number or by ratio.

    Graham 2014, arXiv:1412.6071.

    Args:
        output_size, output_ratio: one of them; an int or float, or one per axis.
        _random_samples: instead of chance, (n, c, 2) numbers from 0 to 1.
    """
    return _fractional_max_pool(
        2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows at random distances in volumes; see `fractional_max_pool2d`."""
    return _fractional_max_pool(
        3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def _lp_pool(axes: int, x: Tensor, p: float, kernel: Any, stride: Any, ceil_mode: bool) -> Tensor:
    name = f"lp_pool{axes}d"
    _check_dtypes(name, x=x)
    if _number(name, "norm_type", p) == 0:
        raise ArgumentError(f"{name}: norm_type is 0, and 1/0 no power; use avg_pool{axes}d to count")
    if math.isinf(p):
        extreme = _max_pool(axes, abs(x) if p > 0 else -abs(x), kernel, stride, 0, 1, ceil_mode, False)
        return extreme if p > 0 else -extreme
    kernel = _ints(name, "kernel_size", kernel, axes)
    sums = _avg_pool(axes, x**p, kernel, stride, 0, ceil_mode, True, None)
    return (sums.sign() * relu(abs(sums)) * math.prod(kernel)) ** (1 / p)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of every window of a sequence; see `lp_pool2d`."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum x^p)^(1/p) of every window, p = norm_type; infinity is max pooling of |x|.

    As in PyTorch the sum is not one of |x|^p: with an odd p, negative values take away.

    >>> import tinygrad_cnn as tg
    >>> lp_pool2d(tg.tensor([[[3.0, 4.0]]]), 2, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of every window of a volume; see `lp_pool2d`."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _max_unpool(
    axes: int, x: Tensor, indices: Tensor, kernel: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name = f"max_unpool{axes}d"
    _check_dtypes(name, x=x)
    at = _indices(name, _tensor(name, indices, "indices").array)
    if x.ndim not in (axes + 1, axes + 2) or at.shape != x.shape:
        raise ShapeError(f"{name}: x {x.shape} and indices {at.shape} must have one shape, (n, c, *size)")
    if x.ndim == axes + 1:
        x, at = x.unsqueeze(0), at[None]
        return _max_unpool(axes, x, Tensor(at), kernel, stride, padding, output_size).squeeze(0)
    kernel = _ints(name, "kernel_size", kernel, axes)
    stride = kernel if stride is None else _ints(name, "stride", stride, axes)
    padding = _ints(name, "padding", padding, axes, 0)
    usual = tuple(
        (n - 1) * s + f - 2 * p for n, s, f, p in zip(x.shape[2:], stride, kernel, padding, strict=True)
    )
    given = usual if output_size is None else _sizes(name, (output_size,))
    size = given[-axes:]
    near = all(abs(n - u) < s for n, u, s in zip(size, usual, stride, strict=False))
    if len(given) not in (axes, axes + 2) or not near:
        raise ArgumentError(
            f"{name}: output_size {output_size} belongs to no image that pools to {x.shape}; it can "
            f"differ from {usual} by less than the stride {stride}"
        )
    if min(size) < 0 or 0 in x.shape[1:]:
        raise ShapeError(f"{name}: x {x.shape} gives an image of size {size}; only the batch may be empty")
    _in_range(name, at, math.prod(size))
    at = at.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return pool_ops.unpool(x, index=at, size=size)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Maxima put back where they came from; see `max_unpool2d`."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """The maxima of `max_pool2d` put back at their `indices`, zeros elsewhere.

    The options are those of the pooling; `output_size` says which of the images that pool to this size.

    >>> import tinygrad_cnn as tg
    >>> y, indices = max_pool2d(tg.arange(4.0).reshape(1, 1, 2, 2), 2, return_indices=True)
    >>> max_unpool2d(y, indices, 2)
    tensor([[[[0., 0.],
              [0., 3.]]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Any = None,
) -> Tensor:  # fmt: skip
    """Maxima put back where they came from; see `max_unpool2d`."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)

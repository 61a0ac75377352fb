"""Pooling: windows are reduced to one value each, channel by channel."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...geometry import PoolGeometry, pool_geometry
from ...kernels import pool as pool_kernels
from ...ops import pool as pool_ops
from ...tensor import Tensor, _tensor
from ._checks import _check_dtypes, _with_batch

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
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


@lru_cache(maxsize=256)
def _averaging(n: int, out: int, dtype: np.dtype[Any]) -> Tensor:
    """The matrix (n, out) that averages pixels floor(i n / out) to ceil((i + 1) n / out) into window i."""
    matrix = np.zeros((n, out), dtype)
    for i in range(out):
        start, stop = i * n // out, -(-(i + 1) * n // out)
        matrix[start:stop, i] = 1 / (stop - start)
    return Tensor(matrix)


def _adaptive_avg_pool(axes: int, x: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{axes}d"
    _check_dtypes(name, x=x)
    if x.ndim not in (axes + 1, axes + 2) or 0 in x.shape[1 - x.ndim :]:
        raise ShapeError(f"{name}: x {x.shape} needs {axes + 2} axes (n, c, *size), none but n empty")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(wanted) != axes or any(
        out is not None and (not isinstance(out, int) or out < 1) for out in wanted
    ):
        raise ArgumentError(
            f"{name}: output_size {output_size!r} must be {axes} positive ints (None keeps a size)"
        )
    # A box average is an average along one axis after the other; each is a product with a small matrix.
    for axis, out in zip(range(x.ndim - axes, x.ndim), wanted, strict=True):
        n = x.shape[axis]
        if out == 1:
            x = x.mean(axis, keepdim=True)
        elif out not in (None, n):
            x = x.transpose(axis, -1).matmul(_averaging(n, out, x.dtype)).transpose(axis, -1)
    return x


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

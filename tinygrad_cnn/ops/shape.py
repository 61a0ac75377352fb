"""Ops that move values and compute nothing: each one's rule moves them back."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from ..errors import DtypeError, Error, IndexingError, ShapeError
from ..op import op, too_large

__all__ = [
    "add_frames", "cat", "clone", "diag_embed", "diagonal", "expand", "flip", "frames", "gather", "getitem",
    "pad", "permute", "put", "reshape", "scatter_add", "setitem", "sum_to",
]  # fmt: skip


@op
def clone(x):
    """The same values in memory of their own."""
    return x.copy()


clone.vjp(x=lambda g: g)


@op(view=True)
def reshape(x, *, shape):
    """The same values in row-major order under another shape; at most one size may be -1.

    A view where strides allow it, else a copy.
    """
    try:
        return x.reshape(shape)
    except ValueError:
        known = math.prod(s for s in shape if s != -1)
        raise ShapeError(
            f"reshape: x {x.shape} has {x.size} elements, shape {tuple(shape)} "
            f"{'needs a multiple of' if -1 in shape else 'needs'} {known}; keep the number of elements"
        ) from None


reshape.vjp(x=lambda g, x_shape: reshape(g, shape=x_shape))


@op(view=True)
def permute(x, *, dims):
    """Axes in another order: out[i_d0, i_d1, ...] = x[i_0, i_1, ...]; a view."""
    return x.transpose(dims)


permute.vjp(x=lambda g, dims: permute(g, dims=tuple(int(i) for i in np.argsort(dims))))


@op(view=True)
def expand(x, *, shape):
    """Repeat along axes of size 1 (and along new leading axes) up to `shape`; a read-only view."""
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise ShapeError(
            f"expand: x {x.shape} cannot become {tuple(shape)}; only axes of size 1 can be repeated, "
            "and sizes are compared from the last axis"
        ) from None


expand.vjp(x=lambda g, x_shape: sum_to(g, shape=x_shape))


@op
def sum_to(x, *, shape):
    """Sum over the axes along which `shape` would have to be broadcast to x's: the adjoint of expand."""
    extra = x.ndim - len(shape)
    axes = tuple(i for i in range(x.ndim) if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1))
    if len(axes) == 1 and 1 < x.shape[axes[0]] < 8:  # NumPy is slow along short rows
        return reduce(np.add, np.moveaxis(x, axes[0], 0)).reshape(shape)
    return x.sum(axes).reshape(shape)


sum_to.vjp(x=lambda g, x_shape: expand(g, shape=x_shape))


@op(view=True)
def getitem(x, *, index):
    """x[index] with all of NumPy's indexing; a view for slices and integers, a copy for arrays and masks."""
    try:
        out = x[index]
        if type(out) is np.ndarray:
            return out
        return x[(*index, ...) if type(index) is tuple else (index, ...)]  # NumPy's numbers are copies
    except (IndexError, ValueError) as error:
        cure = "; an axis of n takes -n to n - 1" if "bounds" in str(error) else f"; x has {x.ndim} axes"
        kind = IndexingError if isinstance(error, IndexError) else ShapeError
        raise kind(f"indexing: x {x.shape}: {error}{cure}") from None


getitem.vjp(x=lambda g, index, x_shape: put(g, index=index, shape=x_shape))


@op
def put(x, *, index, shape):
    """Zeros of `shape` with x added at [index], repeated positions adding up: the adjoint of getitem."""
    out = np.zeros(shape, x.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and x.size >= _WIDE * index.size > 0:
        _add_rows(out, index.ravel() % shape[0], x.reshape(index.size, *shape[1:]))
    elif not any(
        isinstance(part, (np.ndarray, list)) and np.asarray(part).dtype != np.bool_ for part in parts
    ):
        out[index] = x  # nothing comes twice
    elif out.size <= 4 * np.size(x):  # NumPy adds several times faster in one row
        places = np.arange(out.size).reshape(shape)[index]
        np.add.at(out.reshape(-1), places.reshape(-1), np.reshape(x, -1))
    else:
        np.add.at(out, index, x)
    return out


_WIDE = 16  # from here on sorting whole rows beats np.add.at, which goes from number to number


def _add_rows(out: np.ndarray, index: np.ndarray, rows: np.ndarray) -> None:
    order = index.argsort(kind="stable")
    index = index[order]
    first = np.flatnonzero(np.append(True, index[1:] != index[:-1]))
    out[index[first]] = np.add.reduceat(rows[order], first)


put.vjp(x=lambda g, index: getitem(g, index=index))


def misfit(name: str, x: np.ndarray, y: Any, error: Exception) -> Error:
    """What to say where NumPy will not put y into x."""
    if isinstance(error, OverflowError):
        return too_large(name, y, x.dtype)
    try:
        kind_of_y = np.asarray(y).dtype.kind
    except ValueError:
        return ShapeError(f"{name}: rows of different lengths in {y!r:.60}; pad the shorter ones")
    if kind_of_y not in "fiub":
        return DtypeError(f"{name}: x {x.shape} {x.dtype} cannot hold a {type(y).__name__}; assign numbers")
    kind = IndexingError if isinstance(error, IndexError) else ShapeError
    return kind(f"{name}: x {x.shape}, value {np.shape(y)}: {error}; the value is broadcast to x[index]")


@op
def setitem(x, y, *, index):
    """A copy of x with y, broadcast, put at [index]."""
    out = np.array(x, order="C")  # x can be one of NumPy's numbers: a gradient without axes
    try:
        out[index] = y
    except (IndexError, OverflowError, ValueError, TypeError) as error:
        raise misfit("assignment", x, y, error) from None
    return out


setitem.vjp(
    x=lambda g, index: setitem(g, 0.0, index=index),
    y=lambda g, index, y_shape: sum_to(getitem(g, index=index), shape=y_shape),
)


@op(view=True)
def flip(x, *, dims):
    """Reverse the order along `dims`; its own adjoint."""
    return np.flip(x, dims)


flip.vjp(x=lambda g, dims: flip(g, dims=dims))


@op
def pad(x, *, widths, value=0.0):
    """Surround with `value`: widths holds one (before, after) pair per axis; negative ones cut off."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    if min(shape, default=0) < 0:
        raise ShapeError(f"pad: x {x.shape} cannot be cut by {widths}; a size would be negative")
    try:
        out = np.full(shape, value, x.dtype)
    except OverflowError:
        raise too_large("pad", value, x.dtype) from None
    kept = tuple(
        slice(max(-b, 0), max(-b, 0, n - max(-a, 0))) for n, (b, a) in zip(x.shape, widths, strict=True)
    )
    inside = tuple(
        slice(max(b, 0), max(b, 0) + k.stop - k.start) for k, (b, _) in zip(kept, widths, strict=True)
    )
    out[inside] = x[kept]
    return out


pad.vjp(x=lambda g, widths: pad(g, widths=tuple((-before, -after) for before, after in widths)))


@op
def cat(*xs, dim):
    """Put arrays one after another along axis `dim`."""
    return np.concatenate(xs, dim)


def _cut(g: Any, dim: int, xs_shape: tuple[tuple[int, ...], ...]) -> list[Any]:
    stops = np.cumsum([shape[dim] for shape in xs_shape]).tolist()
    lead = (slice(None),) * dim
    return [
        getitem(g, index=(*lead, slice(stop - shape[dim], stop)))
        for shape, stop in zip(xs_shape, stops, strict=True)
    ]


cat.vjp(_cut)


def along(dim: int, index: np.ndarray) -> tuple[Any, ...]:
    """The index of NumPy's under which `gather` and `scatter` find what they move along axis `dim`."""
    ones = (1,) * (index.ndim - 1)
    return tuple(
        [
            index if axis == dim else np.arange(n).reshape(*ones[:axis], n, *ones[axis:])
            for axis, n in enumerate(index.shape)
        ]
    )


def _flat(shape: tuple[int, ...], dim: int, index: np.ndarray) -> np.ndarray:
    """The same places in the flattened array, where NumPy reads and adds several times faster."""
    places: Any = 0
    stride = 1
    for axis in range(index.ndim - 1, -1, -1):
        n = index.shape[axis]
        if axis == dim:
            places = places + (index if stride == 1 else index * stride)
        elif n > 1:
            places = places + np.arange(0, n * stride, stride).reshape(n, *(1,) * (index.ndim - axis - 1))
        stride *= shape[axis] or 1  # where there is nothing, any place will do
    return places


@op
def gather(x, *, dim, index):
    """out[.., i, ..] = x[.., index[.., i, ..], ..] along axis `dim`; no index is negative."""
    if x.flags.c_contiguous:
        return x.reshape(-1).take(_flat(x.shape, dim, index))
    return x[along(dim, index)]


gather.vjp(x=lambda g, dim, index, x_shape: scatter_add(g, dim=dim, index=index, shape=x_shape))


@op
def scatter_add(x, *, dim, index, shape):
    """Zeros of `shape`, out[.., index[.., i, ..], ..] += x[.., i, ..]: the adjoint of gather."""
    out = np.zeros(shape, x.dtype)
    np.add.at(out.reshape(-1), _flat(shape, dim, index).reshape(-1), x.reshape(-1))
    return out


scatter_add.vjp(x=lambda g, dim, index: gather(g, dim=dim, index=index))


@op(view=True)
def diagonal(x, *, offset, dim1, dim2):
    """out[.., i] = x with i at axis `dim1` and i + offset at axis `dim2`; a view."""
    return _diagonal(x, offset, dim1, dim2)


def _diagonal(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    """np.diagonal, but it can be written to."""
    start: list[Any] = [slice(None)] * x.ndim
    start[dim1], start[dim2] = slice(max(-offset, 0), None), slice(max(offset, 0), None)
    x = x[tuple(start)]
    rest = [axis for axis in range(x.ndim) if axis not in (dim1, dim2)]
    size = (*(x.shape[axis] for axis in rest), min(x.shape[dim1], x.shape[dim2]))
    return as_strided(x, size, (*(x.strides[axis] for axis in rest), x.strides[dim1] + x.strides[dim2]))


diagonal.vjp(
    x=lambda g, offset, dim1, dim2, x_shape: diag_embed(g, offset=offset, dim1=dim1, dim2=dim2, shape=x_shape)
)


@op
def diag_embed(x, *, offset, dim1, dim2, shape):
    """Zeros of `shape` with x on that diagonal: the adjoint of diagonal."""
    out = np.zeros(shape, x.dtype)
    _diagonal(out, offset, dim1, dim2)[...] = x
    return out


diag_embed.vjp(x=lambda g, offset, dim1, dim2: diagonal(g, offset=offset, dim1=dim1, dim2=dim2))


@op(view=True)
def frames(x, *, dim, size, step):
    """out[.., i, .., a] = x[.., i step + a, ..] along axis `dim`: pieces that may overlap; a view."""
    whole = sliding_window_view(x, size, dim, writeable=x.flags.writeable)
    return whole[(slice(None),) * dim + (slice(None, None, step),)]


frames.vjp(x=lambda g, dim, step, x_shape: add_frames(g, dim=dim, step=step, shape=x_shape))


@op
def add_frames(x, *, dim, step, shape):
    """Zeros of `shape`, out[.., i step + a, ..] += x[.., i, .., a]: the adjoint of frames."""
    out = np.zeros(shape, x.dtype)
    lead = (slice(None),) * dim
    for a in range(x.shape[-1]):
        out[(*lead, slice(a, a + (x.shape[dim] - 1) * step + 1, step))] += x[..., a]
    return out


add_frames.vjp(x=lambda g, dim, step, x_shape: frames(g, dim=dim, size=x_shape[-1], step=step))

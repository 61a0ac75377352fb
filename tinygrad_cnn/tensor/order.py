"""What runs along an axis: sums up to here, differences, the order of size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import return_types
from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import _int
from ..op import is_tensor, wrap
from ..ops import elementwise, reduce, shape
from ..return_types import Extreme
from .arguments import _dim, _dims, _floating, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Order"]


class Order:
    """Running sums and sorting."""

    __slots__ = ()

    def cumsum(self: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        """out_k = x_0 + ... + x_k along axis `dim`."""
        x = self if dtype is None else _tensor("cumsum", self).to(dtype)
        return _running(reduce.cumsum, x, dim)

    def cumprod(self: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        """out_k = x_0 ... x_k along axis `dim`; the gradient is right where there are zeros, too."""
        x = self if dtype is None else _tensor("cumprod", self).to(dtype)
        return _running(reduce.cumprod, x, dim)

    def logcumsumexp(self: Tensor, dim: int) -> Tensor:
        """out_k = log(e^x_0 + ... + e^x_k) along axis `dim`, stable for large x."""
        return _running(reduce.logcumsumexp, _floating("logcumsumexp", self), dim)

    def cummax(self: Tensor, dim: int) -> Extreme:
        """The largest element so far along axis `dim`, and where it stood: the latest of equals."""
        return _record(return_types.cummax, self, dim, np.maximum, np.greater_equal)

    def cummin(self: Tensor, dim: int) -> Extreme:
        """The smallest element so far along axis `dim`, and where it stood: the latest of equals."""
        return _record(return_types.cummin, self, dim, np.minimum, np.less_equal)

    def diff(
        self: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
    ) -> Tensor:
        """x_(k+1) - x_k along axis `dim`, n times; of bools, where they change."""
        if _tensor("diff", self).ndim == 0:
            raise ShapeError(
                "diff: x () has no axes; there is no next element (unsqueeze(0) gives it an axis)"
            )
        axis, parts = _dim("diff", self, dim), [p for p in (prepend, self, append) if p is not None]
        for part in parts:
            if _tensor("diff", part, "prepend or append").ndim != self.ndim or any(
                a != b for i, (a, b) in enumerate(zip(part.shape, self.shape, strict=True)) if i != axis
            ):
                raise ShapeError(
                    f"diff: {part.shape} cannot be joined to x {self.shape}; all axes but {axis} must agree"
                )
        steps = _int("diff", "n", n, 0)
        if steps == 0:
            return self.clone()
        x = shape.cat(*parts, dim=axis) if len(parts) > 1 else self
        lead, change = (slice(None),) * axis, elementwise.ne if x.dtype == np.bool_ else elementwise.sub
        for _ in range(min(steps, x.shape[axis])):
            x = change(x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))])
        return x

    def sort(self: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Extreme:
        """(values, indices) in order of size along axis `dim`; nan counts as the largest.

        Equal elements keep their order, whether `stable` asks for it or not.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([3.0, 1.0, 2.0]).sort().values
        tensor([1., 2., 3.])
        """
        indices = wrap(_argsort(_tensor("sort", self), _dim("sort", self, dim), descending))
        return return_types.sort(_pick(self, dim, indices), indices)

    def argsort(self: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
        """The indices of `sort`."""
        return wrap(_argsort(_tensor("argsort", self), _dim("argsort", self, dim), descending))

    def msort(self: Tensor) -> Tensor:
        """The values of `sort` along the first axis."""
        return self.sort(0).values

    def topk(self: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
        """(values, indices) of the k largest (or smallest) along axis `dim`, in order; the first of equals.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1.0, 4.0, 2.0, 3.0]).topk(2).indices
        tensor([1, 3])
        """
        axis = _dim("topk", self, dim)
        k = _place("topk", self, axis, k, 0 if self.ndim else 1)
        if self.ndim == 0:
            return return_types.topk(self.clone(), wrap(np.zeros((), np.int64)))
        indices = wrap(_top(self, axis, k, largest))
        return return_types.topk(self.gather(axis, indices), indices)

    def kthvalue(self: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extreme:
        """(value, index) of the k-th smallest along axis `dim`, counted from 1."""
        axis = _dim("kthvalue", self, dim)
        return _at_rank(return_types.kthvalue, self, axis, _place("kthvalue", self, axis, k, 1) - 1, keepdim)

    def median(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        """The middle element, the lower one of two, nan where there is one; ties share the gradient.

        With `dim` (values, indices) along that axis.
        """
        if dim is None:
            return reduce.median(_tensor("median", self))
        axis = _dim("median", self, dim)
        n = self.shape[axis] if self.ndim else 1
        if n == 0:
            raise ShapeError(f"median: x {self.shape} has no element along axis {axis}")
        found = _at_rank(return_types.median, self, axis, (n - 1) // 2, keepdim)
        lost = self.array != self.array
        if not lost.any():
            return found
        nan, first = lost.any(axis, keepdims=keepdim), lost.argmax(axis, keepdims=keepdim)
        indices = wrap(np.where(nan, first, found.indices.array))
        at = indices if keepdim or not self.ndim else indices.unsqueeze(axis)
        return self._extreme(return_types.median, at, axis, keepdim)

    def mode(self: Tensor, dim: int = -1, keepdim: bool = False) -> Extreme:
        """(value, index) of the most frequent element along axis `dim`: the smallest, the last of them."""
        axis = _dim("mode", self, dim)
        _dims("mode", self, axis, keepdim)
        if self.ndim == 0:
            return return_types.mode(self.clone(), wrap(np.zeros((), np.int64)))
        if self.shape[axis] == 0:
            raise ShapeError(f"mode: x {self.shape} has no element along axis {axis}")
        order = np.moveaxis(_argsort(self, axis, False), axis, -1)
        ranked = np.take_along_axis(np.moveaxis(self.array, axis, -1), order, -1)
        place = np.arange(self.shape[axis])
        starts = np.ones(ranked.shape, np.bool_)
        starts[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
        longest = (place - np.maximum.accumulate(np.where(starts, place, 0), -1)).argmax(-1, keepdims=True)
        at = np.moveaxis(np.take_along_axis(order, longest, -1), -1, axis)
        return self._extreme(return_types.mode, wrap(at), axis, keepdim)

    def quantile(
        self: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
    ) -> Tensor:
        """The value below which a part q (or each of several) of the elements lies; nan where there is one.

        Between two elements it is interpolated: "linear", "lower", "higher", "midpoint" or "nearest".

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1.0, 2.0, 3.0, 4.0]).quantile(0.5)
        tensor(2.5000)
        """
        x = _floating("quantile", self)
        if interpolation not in _BETWEEN:
            raise ArgumentError(f"quantile: interpolation {interpolation!r} is none of {', '.join(_BETWEEN)}")
        q = q if is_tensor(q) else wrap(np.asarray(_number("quantile", "q", q, 0, 1), x.dtype))
        if q.dtype != x.dtype:
            raise DtypeError(f"quantile: q is {q.dtype}, x is {x.dtype}; they must be equal")
        if q.ndim > 1 or not bool(((q.array >= 0) & (q.array <= 1)).all()):
            raise ArgumentError(f"quantile: q {q.shape} must be one number or a row of numbers from 0 to 1")
        axis = None if dim is None else _dim("quantile", x, dim)
        dims = _dims("quantile", x, axis, keepdim)
        kept = [1 if i in dims else n for i, n in enumerate(x.shape)]
        n = math.prod(x.shape[i] for i in dims)
        if n == 0:
            raise ShapeError(f"quantile: x {x.shape} has no element along {dims}")
        rows = x.reshape(-1) if axis is None or x.ndim == 0 else x.movedim(axis, -1)
        rows = rows.sort().values
        rank = q.reshape([-1] + [1] * rows.ndim) * (n - 1)
        rank = elementwise.where(rank, float(n - 1), mask=~np.isnan(rows.array).any(-1, keepdims=True))
        low = np.clip(_BETWEEN[interpolation][0](rank.array), 0, n - 1).astype(np.int64)
        high = np.clip(_BETWEEN[interpolation][1](rank.array), 0, n - 1).astype(np.int64)
        rows = rows.expand(low.shape[0], *rows.shape)
        a, b = rows.gather(-1, wrap(low)), rows.gather(-1, wrap(high))
        weight = 0.5 if interpolation == "midpoint" else rank - wrap(low.astype(x.dtype))
        out = a + weight * (b - a) if interpolation in ("linear", "midpoint") else a
        return out.reshape(
            *q.shape, *(kept if keepdim else [n for i, n in enumerate(x.shape) if i not in dims])
        )


# Which two neighbours of a fractional rank take part.
_BETWEEN: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "linear": (np.floor, np.ceil),
    "lower": (np.floor, np.floor),
    "higher": (np.ceil, np.ceil),
    "midpoint": (np.floor, np.ceil),
    "nearest": (np.round, np.round),
}


def _running(op: Any, x: Tensor, dim: Any) -> Tensor:
    axis = _dim(op.name, x, dim)
    return op(x, dim=axis) if x.ndim else op(x.reshape(1), dim=0).reshape(())


def _record(kind: type[Extreme], x: Tensor, dim: Any, extreme: np.ufunc, beats: np.ufunc) -> Extreme:
    """Values and places of the running extreme; a nan stays the extreme until the next one."""
    axis = _dim(kind.__name__, x, dim)
    if x.ndim == 0:
        return kind(x.clone(), wrap(np.zeros((), np.int64)))
    a = np.moveaxis(x.array, axis, -1)
    new = beats(a, extreme.accumulate(a, -1)) | (a != a)
    place = np.maximum.accumulate(np.where(new, np.arange(a.shape[-1]), 0), -1)
    indices = wrap(np.moveaxis(place, -1, axis))
    return kind(x.gather(axis, indices), indices)


def _argsort(x: Tensor, axis: int, descending: bool) -> np.ndarray:
    """Equals keep their order both ways; nan is the largest."""
    a = x.array
    if a.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(a, axis, kind="stable")
    return np.flip(a.shape[axis] - 1 - np.argsort(np.flip(a, axis), axis, kind="stable"), axis)


def _top(x: Tensor, axis: int, k: int, largest: bool) -> np.ndarray:
    """The first k of `_argsort`, without sorting the others where no equals stand at the border."""
    a = np.moveaxis(x.array, axis, -1)
    n = a.shape[-1]
    if 0 < k < n // 4:
        edge = np.partition(a, n - k if largest else k - 1, -1)[..., [n - k if largest else k - 1]]
        chosen = a >= edge if largest else a <= edge
        if (np.count_nonzero(chosen, -1) == k).all():  # never with a nan among the largest
            places = np.nonzero(chosen)[-1].reshape(*a.shape[:-1], k)
            order = _argsort(wrap(np.take_along_axis(a, places, -1)), a.ndim - 1, largest)
            return np.moveaxis(np.take_along_axis(places, order, -1), -1, axis)
    return _argsort(x, axis, largest)[(slice(None),) * axis + (slice(k),)]


def _pick(x: Tensor, dim: int, indices: Tensor) -> Tensor:
    return x.gather(dim, indices) if x.ndim else x.clone()


def _place(name: str, x: Tensor, axis: int, k: Any, least: int) -> int:
    n = x.shape[axis] if x.ndim else 1
    k = _int(name, "k", k, least)
    if k > n:
        raise ArgumentError(f"{name}: k={k} of the {n} elements along axis {axis} of x {x.shape}")
    return k


def _at_rank(kind: type[Extreme], x: Tensor, axis: int, rank: int, keepdim: bool) -> Extreme:
    _dims(kind.__name__, x, axis, keepdim)
    places = np.argpartition(x.array, rank, axis).take([rank], axis) if x.ndim else np.zeros((), np.int64)
    return x._extreme(kind, wrap(places), axis, keepdim)

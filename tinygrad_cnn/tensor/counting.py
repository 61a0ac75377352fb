"""What occurs, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import _int
from ..op import wrap
from .arguments import _axis, _floating, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Counting"]


class Counting:
    """Distinct values and histograms.  Nothing here has a gradient."""

    __slots__ = ()

    def unique(
        self: Tensor,
        sorted: bool = True,
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        """The different values in ascending order (or slices along axis `dim`); every nan is another one.

        On demand with `inverse`, where each element went, and `counts`, how often each value occurs.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([3, 1, 3]).unique(return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
        """
        axis = None if dim is None else _axis("unique", self, dim)
        wanted: Any = {"return_inverse": return_inverse, "return_counts": return_counts}
        found = np.unique(_tensor("unique", self).array, axis=axis, equal_nan=False, **wanted)
        if not return_inverse and not return_counts:
            return wrap(found)
        values, *more = found
        if return_inverse:
            more[0] = more[0].reshape(self.shape if dim is None else -1)
        return wrap(values), *(wrap(np.asarray(a, np.int64)) for a in more)

    def unique_consecutive(
        self: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Any:
        """One of each run of equal values (or equal slices along axis `dim`), as `unique` otherwise."""
        axis = None if dim is None else _axis("unique_consecutive", self, dim)
        a = _tensor("unique_consecutive", self).array
        rows = a.reshape(-1) if axis is None else np.moveaxis(a, axis, 0)
        new = np.ones(len(rows), np.bool_)
        new[1:] = (rows[1:] != rows[:-1]).any(tuple(range(1, rows.ndim)))
        starts = np.flatnonzero(new)
        values = rows[starts] if axis is None else np.moveaxis(rows[starts], 0, axis)
        out = [wrap(values)]
        if return_inverse:
            out.append(wrap((np.cumsum(new) - 1).reshape(a.shape if axis is None else -1)))
        if return_counts:
            out.append(wrap(np.diff(starts, append=len(rows))))
        return tuple(out) if len(out) > 1 else out[0]

    def bincount(self: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
        """How often each of 0, 1, 2, ... occurs in a vector, or the sum of the weights where it does."""
        a = _tensor("bincount", self).array
        if a.dtype.kind not in "iu":
            raise DtypeError(f"bincount: x is {a.dtype}; only integers can be counted (use .long())")
        if a.ndim != 1 or a.min(initial=0) < 0:
            raise ShapeError(f"bincount: x {a.shape} must be a vector of numbers from 0 on")
        least = _int("bincount", "minlength", minlength, 0)
        if weights is None:
            return wrap(np.bincount(a, None, least).astype(np.int64, copy=False))
        w = _tensor("bincount", weights, "weights").array
        if w.shape != a.shape:
            raise ShapeError(f"bincount: {w.shape} weights for {a.shape} numbers; there must be one each")
        return wrap(np.bincount(a, w, least).astype(w.dtype if w.dtype.kind == "f" else np.float64))

    def histc(self: Tensor, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
        """How many elements lie in each of `bins` equal parts of min to max (0, 0: of the data's range)."""
        a, count = _floating("histc", self).array, _int("histc", "bins", bins)
        low, high = (_number("histc", "a bound", b) for b in (min, max))
        if low == high and a.size:
            low, high = float(a.min()), float(a.max())
        if low == high:
            low, high = low - 1, high + 1
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ArgumentError(f"histc: the range from {low} to {high} must be finite, and ascending")
        inside = a[(a >= low) & (a <= high)]
        place = ((inside - a.dtype.type(low)) * a.dtype.type(count) / a.dtype.type(high - low)).astype(
            np.int64
        )
        return wrap(np.bincount(np.minimum(place, count - 1), None, count).astype(a.dtype))

"""Elements by their place: `x[...]`, gather and scatter, select and fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, DtypeError, ShapeError
from ..op import is_tensor, wrap
from ..ops import reduce as _reduce
from ..ops import shape
from .arguments import _axis, _dim, _in_range, _indices, _mask, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Indexing"]


class Indexing:
    """Elements by their place."""

    __slots__ = ()

    def __getitem__(self: Tensor, index: Any) -> Tensor:
        index = _index(index)
        if type(index) is tuple and (steps := _two_steps(index)):
            return shape.getitem(shape.getitem(self, index=steps[0]), index=steps[1])
        return shape.getitem(self, index=index)

    def __setitem__(self: Tensor, index: Any, value: Any) -> None:
        index = _index(index)
        if type(index) is tuple and (steps := _two_steps(index)):
            part = shape.getitem(self, index=steps[0]).clone()
            part[steps[1]] = value
            self[steps[0]] = part
            return
        if self._recorded_with(value):
            self._become(shape.setitem(self, value, index=index))
            return
        value = value.array if is_tensor(value) else value
        try:
            self._writable()[index] = value
        except (IndexError, OverflowError, ValueError, TypeError) as error:
            raise shape.misfit("assignment", self.array, value, error) from None

    # --- along an axis, at an index of the tensor's own number of axes -----------------------------------

    def gather(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """out[.., i, ..] = x[.., index[.., i, ..], ..]."""
        if _tensor("gather", self).ndim == 0:
            return self.reshape(1)[_points("gather", self, dim, index)]
        axis, where = _places("gather", self, dim, index)
        return shape.gather(self, dim=axis, index=where)

    def take_along_dim(self: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
        """`gather` with an index that broadcasts, and may count from the end; no dim: in the flattened x.

        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([[3.0, 1.0], [5.0, 7.0]])
        >>> x.take_along_dim(x.argsort(1), 1)
        tensor([[1., 3.],
                [5., 7.]])
        """
        if dim is None:
            return self.reshape(-1).take_along_dim(indices.reshape(-1), 0)
        axis, where = _axis("take_along_dim", self, dim), _indices("take_along_dim", indices)
        if where.ndim != self.ndim:
            raise ShapeError(f"take_along_dim: indices {where.shape} must have the axes of x {self.shape}")
        n = self.shape[axis]
        if where.size and (where.min() < -n or where.max() >= n):
            _in_range("take_along_dim", where, n)
        others = tuple(1 if i == axis else m for i, m in enumerate(self.shape))
        try:
            sizes = np.broadcast_shapes(where.shape, others)
            x = self.expand([n if i == axis else m for i, m in enumerate(sizes)])
        except ValueError:
            raise ShapeError(
                f"take_along_dim: indices {where.shape} and x {self.shape} do not broadcast outside of "
                f"axis {axis}"
            ) from None
        return shape.gather(x, dim=axis, index=np.broadcast_to(np.where(where < 0, where + n, where), sizes))

    def scatter(
        self: Tensor,
        dim: int,
        index: Tensor,
        src: Any = None,
        *,
        value: Any = None,
        reduce: str | None = None,
    ) -> Tensor:
        """A copy with out[.., index[.., i, ..], ..] = src[.., i, ..], or one number; the last one stays.

        `reduce="add"` adds to what is there.  Gradients reach src wherever it was taken from, so that an
        index that comes twice has the gradient of what stayed, twice (as in PyTorch).
        """
        src = _one_of("scatter", src, value)
        if reduce == "add":
            if not is_tensor(src):
                src = wrap(np.full(np.shape(index), _as_filling("scatter", self, src), self.dtype))
            return self.scatter_add(dim, index, src)
        if reduce is not None:
            raise ArgumentError(f'scatter: reduce is {reduce!r:.40}; it can be "add", or left out')
        where = _targets("scatter", self, dim, index, src if is_tensor(src) else None)
        if not is_tensor(src):
            src = _as_filling("scatter", self, src)
        elif src.ndim:
            _same_dtype("scatter", self, src)
            src = _head(src, index)
        if self.ndim == 0:
            return shape.setitem(self.reshape(1), src, index=where).reshape(())
        return shape.setitem(self, src, index=where)

    def scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """A copy with out[.., index[.., i, ..], ..] += src[.., i, ..].

        >>> import tinygrad_cnn as tg
        >>> tg.zeros(3).scatter_add(0, tg.tensor([0, 2, 2]), tg.tensor([1.0, 2.0, 3.0]))
        tensor([1., 0., 5.])
        """
        _targets("scatter_add", self, dim, index, _tensor("scatter_add", src, "src"))
        _same_dtype("scatter_add", self, src)
        if self.ndim == 0:
            return self + src.reshape(-1).sum().to(self.dtype)
        where, axis = _indices("scatter_add", index), _axis("scatter_add", self, dim)
        return self + shape.scatter_add(_head(src, index), dim=axis, index=where, shape=self.shape)

    def scatter_reduce(
        self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
    ) -> Tensor:
        """What of src goes to one place is reduced there: "sum", "mean", "amax" or "amin".

        Without `include_self` what stood in such a place does not count.  Equal extremes share the gradient.
        """
        where = _targets("scatter_reduce", self, dim, index, _tensor("scatter_reduce", src, "src"))
        _same_dtype("scatter_reduce", self, src)
        if self.ndim == 0:
            whole = self.reshape(1).scatter_reduce(
                0, index.reshape(-1), src.reshape(-1), reduce, include_self=include_self
            )
            return whole.reshape(())
        src = _head(src, index)
        if reduce in ("amax", "amin"):
            return _reduce.scatter_extreme(
                self, src, index=where, largest=reduce == "amax", include_self=include_self
            )
        if reduce not in ("sum", "mean"):
            raise ArgumentError(
                f'scatter_reduce: reduce is {reduce!r:.40}; use "sum", "mean", "amax" or "amin"'
            )
        x = self if include_self else shape.setitem(self, 0.0 if self.dtype.kind == "f" else 0, index=where)
        total = x.scatter_add(dim, index, src)
        if reduce == "sum":
            return total
        count = np.full(self.shape, int(include_self), self.dtype)
        np.add.at(count, where, 1)
        count = np.maximum(count, 1)
        return total / wrap(count) if self.dtype.kind == "f" else wrap(total.array // count)

    # --- along an axis, at a row of indices --------------------------------------------------------------

    def index_select(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """The slices of x at `index` along axis `dim`, in that order."""
        axis, at = _row("index_select", self, dim, index)
        if self.ndim == 0:
            if at.size != 1:
                raise ShapeError(f"index_select: x () has one element, the index {at.shape}")
            return self.clone()
        return shape.getitem(self, index=(slice(None),) * axis + (at,))

    def index_add(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
        """A copy with out[.., index[i], ..] += alpha source[.., i, ..]."""
        at = _slices("index_add", self, dim, index, source)
        source = source if alpha == 1 else (source * alpha).to(self.dtype)
        if self.ndim == 0:
            return self + source.reshape(())
        return self + shape.put(source, index=at, shape=self.shape)

    def index_copy(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
        """A copy with out[.., index[i], ..] = source[.., i, ..]."""
        at = _slices("index_copy", self, dim, index, source)
        return shape.setitem(self, source, index=at) if self.ndim else source.reshape(())

    def index_fill(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
        """A copy with one number in the slices at `index` along axis `dim`."""
        axis, at = _row("index_fill", self, dim, index, negative=True)
        if is_tensor(value) and value.ndim:
            raise ShapeError(f"index_fill: the value must be one number, not a tensor {value.shape}")
        value = _as_filling("index_fill", self, value)
        if self.ndim == 0:
            return self.reshape(1).index_fill(0, index, value).reshape(())
        return shape.setitem(self, value, index=(slice(None),) * axis + (at,))

    def index_put(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        """A copy with x[indices] = values, or with the values added, as often as a place comes.

        >>> import tinygrad_cnn as tg
        >>> at = (tg.tensor([0, 0]),)
        >>> tg.zeros(2).index_put(at, tg.tensor([1.0, 2.0]), accumulate=True)
        tensor([3., 0.])
        """
        _same_dtype("index_put", _tensor("index_put", self), _tensor("index_put", values, "values"))
        if not isinstance(indices, (tuple, list)) or not all(map(is_tensor, indices)):
            raise ArgumentError(f"index_put: the indices must be a tuple of tensors, not {indices!r:.40}")
        index = _index(tuple(indices))
        if not accumulate:
            return shape.setitem(self, values, index=index)
        place = shape.getitem(self.detach(), index=index).shape
        return self + shape.put(values.expand(place), index=index, shape=self.shape)

    def index_put_(self: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
        """`index_put`, written over x."""
        return self._in_place(lambda x, y: x.index_put(indices, y, accumulate), values)

    # --- in the flattened tensor, and where something holds ----------------------------------------------

    def take(self: Tensor, index: Tensor) -> Tensor:
        """x.flatten()[index], in the index's shape."""
        at, n = _indices("take", index), _tensor("take", self).numel()
        if at.size and (at.min() < -n or at.max() >= n):
            raise ArgumentError(f"take: indices run from {at.min()} to {at.max()}, x has {n} elements")
        return shape.getitem(self.reshape(-1), index=at)

    def masked_select(self: Tensor, mask: Tensor) -> Tensor:
        """The elements where the mask is true, in one row; x and the mask broadcast."""
        holds = _mask("masked_select", mask)
        x, holds = _broadcast("masked_select", self, holds)
        return shape.getitem(x, index=holds) if x.ndim else x.reshape(1)[holds.reshape(1)]

    def masked_scatter(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
        """A copy with the first elements of source, one after another, where the mask is true."""
        holds = _mask("masked_scatter", mask)
        x, holds = _broadcast("masked_scatter", self, holds)
        _same_dtype("masked_scatter", x, _tensor("masked_scatter", source, "source"))
        count = int(holds.sum())
        if count > source.numel():
            raise ShapeError(f"masked_scatter: {count} places for the {source.numel()} elements of source")
        return shape.setitem(x, source.reshape(-1)[:count], index=holds)

    def nonzero(self: Tensor, *, as_tuple: bool = False) -> Any:
        """Where x is not 0: one row of indices for each element; `as_tuple`, one tensor for each axis."""
        a = _tensor("nonzero", self).array
        if as_tuple:
            return tuple(wrap(at) for at in np.nonzero(np.atleast_1d(a)))
        return wrap(np.argwhere(a))

    def argwhere(self: Tensor) -> Tensor:
        """Where x is not 0: one row of indices for each element."""
        return wrap(np.argwhere(_tensor("argwhere", self).array))


def _one_of(name: str, src: Any, value: Any) -> Any:
    if (src is None) == (value is None):
        raise ArgumentError(f"{name}: give either src or value")
    return value if src is None else src


def _as_filling(name: str, x: Tensor, value: Any) -> Any:
    """One number, cut off as PyTorch does where it goes into integers."""
    if is_tensor(value):
        return value.to(x.dtype)
    _number(name, "the value", value)
    if x.dtype.kind in "iu" and not np.isfinite(value):
        raise ArgumentError(f"{name}: {value} is no {x.dtype}; convert x with x.float() first")
    return x.dtype.type(value).item()


def _same_dtype(name: str, x: Tensor, src: Tensor) -> None:
    if x.dtype != src.dtype:
        raise DtypeError(f"{name}: x is {x.dtype}, the source {src.dtype}; convert one with .to(dtype)")


def _points(name: str, x: Tensor, dim: Any, index: Any) -> np.ndarray:
    """The index into a tensor without axes: zeros only."""
    _dim(name, x, dim)
    where = _indices(name, index)
    if where.ndim > 1:
        raise ShapeError(f"{name}: index {where.shape} for x (); it must have at most one axis")
    _in_range(name, where, 1)
    return where


def _places(name: str, x: Tensor, dim: Any, index: Any) -> tuple[int, np.ndarray]:
    """Axis and index, for an index with the axes of x that is nowhere longer, but along `dim`."""
    axis, where = _axis(name, x, dim), _indices(name, index)
    if where.ndim != x.ndim or any(
        m > n for a, (m, n) in enumerate(zip(where.shape, x.shape, strict=False)) if a != axis
    ):
        raise ShapeError(
            f"{name}: index {where.shape} must have the axes of x {x.shape}, none larger except axis {axis}"
        )
    _in_range(name, where, x.shape[axis])
    return axis, where


def _targets(name: str, x: Tensor, dim: Any, index: Any, src: Tensor | None) -> Any:
    """The index of NumPy's that scatter writes to."""
    if _tensor(name, x).ndim == 0:
        where: Any = _points(name, x, dim, index)
        at = where
    else:
        axis, where = _places(name, x, dim, index)
        at = shape.along(axis, where)
    if src is not None and (name != "scatter" or src.ndim):
        short = any(m > n for m, n in zip(where.shape, src.shape, strict=False))
        if max(src.ndim, 1) != max(where.ndim, 1) or short:
            raise ShapeError(
                f"{name}: index {where.shape} must not be larger than src {src.shape} along any axis"
            )
    return at


def _head(src: Tensor, index: Any) -> Tensor:
    """The part of src that the index speaks of."""
    if src.shape == index.shape or src.ndim == 0:
        return src
    return shape.getitem(src, index=tuple(slice(n) for n in index.shape))


def _row(name: str, x: Tensor, dim: Any, index: Any, negative: bool = False) -> tuple[int, np.ndarray]:
    """Axis and a row of indices along it."""
    axis, at = _dim(name, x, dim), _indices(name, index)
    if at.ndim > 1:
        raise ShapeError(f"{name}: index {at.shape} must be a row of indices; flatten() it")
    n = x.shape[axis] if x.ndim else 1
    at = at.reshape(-1)
    if negative and at.size and at.min() >= -n:
        at = np.where(at < 0, at + n, at)
    _in_range(name, at, n)
    return axis, at


def _slices(name: str, x: Tensor, dim: Any, index: Any, source: Any) -> tuple[Any, ...]:
    """The index of NumPy's under which the slices of `source` go, one for each index."""
    axis, at = _row(name, x, dim, index)
    _same_dtype(name, x, _tensor(name, source, "source"))
    wanted = tuple(at.size if i == axis else n for i, n in enumerate(x.shape))
    if source.shape != wanted and (x.ndim or source.numel() != 1):
        raise ShapeError(
            f"{name}: source {source.shape} for {at.size} indices along axis {axis} of x {x.shape}; "
            f"it must be {wanted}"
        )
    return (slice(None),) * axis + (at,)


def _broadcast(name: str, x: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
    try:
        sizes = np.broadcast_shapes(_tensor(name, x).shape, mask.shape)
    except ValueError:
        raise ShapeError(f"{name}: x {x.shape} and the mask {mask.shape} do not broadcast") from None
    return (x if x.shape == sizes else x.expand(sizes)), np.broadcast_to(mask, sizes)


def _index(index: Any) -> Any:
    """Tensors inside an index become arrays."""
    if isinstance(index, tuple):
        return tuple(map(_index, index))
    if isinstance(index, list):
        index = wrap(np.asarray(index) if index else np.zeros(0, np.int64))
    elif isinstance(index, (float, np.ndarray)):
        index = wrap(np.asarray(index))
    elif not is_tensor(index):
        return index
    if index.dtype.kind == "f":
        raise DtypeError(
            f"indexing: an index is made of integers or bools, not {index.dtype}; use .long() or a comparison"
        )
    return index.array if index.ndim or index.dtype == np.bool_ else index.item()


def _two_steps(index: tuple[Any, ...]) -> tuple[Any, Any] | None:
    """Take integers before arrays, as PyTorch does: NumPy counts them among the arrays, which moves axes.

    x[0, :, [1, 2]] is x[0][:, [1, 2]].  None unless the index mixes the two.
    """
    is_array = [isinstance(part, np.ndarray) and part.ndim > 0 for part in index]
    is_int = [isinstance(part, (int, np.integer)) and not isinstance(part, bool) for part in index]
    if not (any(is_array) and any(is_int)):
        return None
    first: list[Any] = []
    second: list[Any] = []
    for part, array, integer in zip(index, is_array, is_int, strict=True):
        first += [slice(None)] * (part.ndim if part.dtype == np.bool_ else 1) if array else [part]
        if not integer:
            second.append(part if array or part is ... else slice(None))
    return tuple(first), tuple(second)

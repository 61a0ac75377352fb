"""The same elements in another arrangement."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..ops import linalg, shape
from .arguments import Dims, _axis, _dim, _dims, _gap, _sizes, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Shapes"]


class Shapes:
    """Reshape, permute, expand, split."""

    __slots__ = ()

    def reshape(self: Tensor, *shape_: Any) -> Tensor:
        """The same values in row-major order; one size may be -1."""
        return shape.reshape(_tensor("reshape", self), shape=_sizes("reshape", shape_))

    view = reshape

    def view_as(self: Tensor, other: Tensor) -> Tensor:
        """Reshape like `other`."""
        return self.reshape(other.shape)

    def flatten(self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Merge the axes from start_dim to end_dim into one."""
        if _tensor("flatten", self).ndim == 0:
            return self.reshape(1)
        start, end = _dim("flatten", self, start_dim), _dim("flatten", self, end_dim)
        if start > end:
            raise ArgumentError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim}")
        s = self.shape
        return (
            self if start == end else self.reshape(*s[:start], math.prod(s[start : end + 1]), *s[end + 1 :])
        )

    def permute(self: Tensor, *dims: Any) -> Tensor:
        """The axes in another order."""
        order = tuple(_dim("permute", self, d) for d in _sizes("permute", dims))
        if sorted(order) != list(range(self.ndim)):
            raise ArgumentError(
                f"permute: {order} does not name each of the {self.ndim} axes of x {self.shape} once"
            )
        return shape.permute(self, dims=order)

    def transpose(self: Tensor, dim0: int, dim1: int) -> Tensor:
        """Swap two axes."""
        a, b = _axis("transpose", self, dim0), _axis("transpose", self, dim1)
        order = list(range(self.ndim))
        order[a], order[b] = order[b], order[a]
        return shape.permute(self, dims=tuple(order))

    def movedim(self: Tensor, source: Any, destination: Any) -> Tensor:
        """Move axes to other places; the others keep their order."""
        src = [_dim("movedim", self, d) for d in _sizes("movedim", (source,))]
        dst = [_dim("movedim", self, d) for d in _sizes("movedim", (destination,))]
        if len(src) != len(dst) or len(set(src)) < len(src) or len(set(dst)) < len(dst):
            raise ArgumentError(
                f"movedim: {source} to {destination}: both must name as many different axes of x {self.shape}"
            )
        order = [d for d in range(self.ndim) if d not in src]
        for d, s in sorted(zip(dst, src, strict=True)):
            order.insert(d, s)
        return shape.permute(self, dims=tuple(order))

    def t(self: Tensor) -> Tensor:
        """The transposed matrix."""
        if self.ndim > 2:
            raise ShapeError(f"t: x {self.shape} has more than 2 axes; use transpose(dim0, dim1)")
        return self if self.ndim < 2 else self.transpose(0, 1)

    @property
    def T(self: Tensor) -> Tensor:
        return shape.permute(self, dims=tuple(range(self.ndim))[::-1])

    @property
    def mT(self: Tensor) -> Tensor:
        return linalg.mT(self)

    def expand(self: Tensor, *sizes: Any) -> Tensor:
        """Repeat along axes of size 1, without copying; -1 keeps a size."""
        wanted = _sizes("expand", sizes)
        own = (1,) * (len(wanted) - _tensor("expand", self).ndim) + self.shape
        return shape.expand(self, shape=tuple(n if m == -1 else m for m, n in zip(wanted, own, strict=False)))

    def expand_as(self: Tensor, other: Tensor) -> Tensor:
        """Expand to the shape of `other`."""
        return self.expand(other.shape)

    def squeeze(self: Tensor, dim: Dims = None) -> Tensor:
        """Drop axes of size 1: all, or those of `dim` that have size 1."""
        dims = _dims("squeeze", self, dim)
        return self.reshape([n for axis, n in enumerate(self.shape) if n != 1 or axis not in dims])

    def unsqueeze(self: Tensor, dim: int) -> Tensor:
        """Insert an axis of size 1."""
        at = _gap("unsqueeze", self, dim)
        return self.reshape(*self.shape[:at], 1, *self.shape[at:])

    def split(self: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Pieces of one size (the last may be smaller), or of the sizes given."""
        axis = _axis("split", self, dim)
        n, sizes = self.shape[axis], split_size_or_sections
        if isinstance(sizes, (tuple, list)):
            sizes = _sizes("split", (sizes,))
        else:
            step = _int("split", "the size of a piece", sizes)
            sizes = [min(step, n - start) for start in range(0, n, step)] or [0]
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise ShapeError(
                f"split: sizes {list(sizes)} do not add up to {n}, the size of axis {axis} of x {self.shape}"
            )
        lead, start, pieces = (slice(None),) * axis, 0, []
        for size in sizes:
            pieces.append(shape.getitem(self, index=(*lead, slice(start, start + size))))
            start += size
        return tuple(pieces)

    def chunk(self: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` pieces of equal size, the last possibly smaller."""
        axis, pieces = _axis("chunk", self, dim), _int("chunk", "the number of chunks", chunks)
        size = -(-self.shape[axis] // pieces)
        return self.split(size if size else [0] * pieces, axis)

    def unbind(self: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """The slices along an axis, which disappears."""
        lead = (slice(None),) * _axis("unbind", self, dim)
        return tuple(self[(*lead, i)] for i in range(self.shape[dim]))

    def flip(self: Tensor, *dims: Any) -> Tensor:
        """Reverse the order along axes."""
        order = tuple(_axis("flip", self, d) for d in _sizes("flip", dims))
        return shape.flip(self, dims=_dims("flip", self, order) if order else ())

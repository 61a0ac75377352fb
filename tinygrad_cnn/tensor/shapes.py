"""The same elements in another arrangement."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, GraphError, ShapeError
from ..geometry import _int
from ..op import is_tensor
from ..ops import linalg, shape
from ..tape import state
from .arguments import Dims, _axis, _dim, _dims, _gap, _indices, _sizes, _tensor, _whole

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Shapes"]

_reshape = shape.reshape


def _over(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The form of a method that gives the tensor itself another shape; no value is written."""

    def over(self: Tensor, *args: Any, **options: Any) -> Tensor:
        if state.recording and self.requires_grad and self.is_leaf:
            raise GraphError(
                f"{name}: a leaf that requires grad cannot be changed while recording; use the result of "
                f"{name[:-1]}, or `with no_grad():`"
            )
        leaf = self.is_leaf
        result = method(self, *args, **options)
        self.array = result.array
        if not leaf and state.recording:
            self._retain_at(result.node)
            self.node = result.node
        elif self.node is not None:
            self.node.shape = self.shape
        return self

    name = over.__name__ = over.__qualname__ = f"{method.__name__}_"
    over.__doc__ = f"`{method.__name__}` of the tensor itself."
    return over


class Shapes:
    """Reshape, permute, expand, split."""

    __slots__ = ()

    def reshape(self: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
        """The same values in row-major order; one size may be -1."""
        return _reshape(_tensor("reshape", self), shape=_sizes("reshape", sizes, shape))

    def view(self: Tensor, *sizes: Any, size: Any = None) -> Tensor:
        """The same as `reshape`."""
        return _reshape(_tensor("view", self), shape=_sizes("view", sizes, size))

    def view_as(self: Tensor, other: Tensor) -> Tensor:
        """Reshape like `other`."""
        return self.reshape(other.shape)

    def reshape_as(self: Tensor, other: Tensor) -> Tensor:
        """Reshape like `other`."""
        return self.reshape(other.shape)

    def ravel(self: Tensor) -> Tensor:
        """All elements in one row."""
        return _tensor("ravel", self).reshape(-1)

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

    def unflatten(self: Tensor, dim: int, sizes: Any) -> Tensor:
        """Cut one axis into several; one of their sizes may be -1.

        >>> import tinygrad_cnn as tg
        >>> tg.ones(2, 6).unflatten(1, (3, -1)).shape
        (2, 3, 2)
        """
        axis, wanted = _axis("unflatten", self, dim), _sizes("unflatten", (sizes,))
        n, known = self.shape[axis], math.prod(s for s in wanted if s != -1)
        if not wanted or wanted.count(-1) > 1 or (n % known if -1 in wanted and known else n != known):
            raise ShapeError(
                f"unflatten: axis {axis} of x {self.shape} has size {n} and cannot become {wanted}; "
                "their product must be that size"
            )
        return self.reshape(*self.shape[:axis], *wanted, *self.shape[axis + 1 :])

    def permute(self: Tensor, *axes: Any, dims: Any = None) -> Tensor:
        """The axes in another order."""
        order = tuple(_dim("permute", self, d) for d in _sizes("permute", axes, dims))
        if sorted(order) != list(range(self.ndim)):
            raise ArgumentError(
                f"permute: {order} does not name each of the {self.ndim} axes of x {self.shape} once"
            )
        return shape.permute(self, dims=order)

    def transpose(self: Tensor, dim0: int, dim1: int) -> Tensor:
        """Swap two axes."""
        a, b = _dim("transpose", self, dim0), _dim("transpose", self, dim1)
        order = list(range(self.ndim))
        if order:
            order[a], order[b] = order[b], order[a]
        return shape.permute(self, dims=tuple(order))

    swapdims = transpose

    def swapaxes(self: Tensor, axis0: int, axis1: int) -> Tensor:
        """The same as `transpose`."""
        return self.transpose(axis0, axis1)

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
        return shape.permute(self, dims=tuple(order[: self.ndim]))

    moveaxis = movedim

    def t(self: Tensor) -> Tensor:
        """The transposed matrix."""
        if self.ndim > 2:
            raise ShapeError(f"t: x {self.shape} has more than 2 axes; use transpose(dim0, dim1)")
        return self if self.ndim < 2 else self.transpose(0, 1)

    @property
    def T(self: Tensor) -> Tensor:
        return shape.permute(self, dims=tuple(range(self.ndim))[::-1])

    @property
    def H(self: Tensor) -> Tensor:
        if self.ndim not in (0, 2):
            raise ShapeError(f"H: x {self.shape} is no matrix; use mT for a batch of matrices")
        return self.T

    def adjoint(self: Tensor) -> Tensor:
        """Each matrix transposed: the last two axes swapped."""
        if _tensor("adjoint", self).ndim < 2:
            raise ShapeError(f"adjoint: x {self.shape} has no matrices; at least 2 axes are needed")
        return linalg.mT(self)

    @property
    def mT(self: Tensor) -> Tensor:
        return self.adjoint()

    def expand(self: Tensor, *sizes: Any, size: Any = None) -> Tensor:
        """Repeat along axes of size 1, without copying; -1 keeps a size."""
        wanted = _sizes("expand", sizes, size)
        own = (1,) * (len(wanted) - _tensor("expand", self).ndim) + self.shape
        return shape.expand(self, shape=tuple(n if m == -1 else m for m, n in zip(wanted, own, strict=False)))

    def expand_as(self: Tensor, other: Tensor) -> Tensor:
        """Expand to the shape of `other`."""
        return self.expand(other.shape)

    broadcast_to = expand

    def repeat(self: Tensor, *counts: Any, repeats: Any = None) -> Tensor:
        """The whole tensor again and again: so often along each axis, new ones in front.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
        """
        counts = _sizes("repeat", counts, repeats)
        new = len(counts) - _tensor("repeat", self).ndim
        if new < 0 or min(counts, default=0) < 0:
            raise ShapeError(
                f"repeat: counts {counts} for x {self.shape}; one for each axis is needed, none below 0"
            )
        own = (1,) * new + self.shape
        apart = self.reshape([size for n in own for size in (1, n)])
        wide = apart.expand([n for count, n in zip(counts, own, strict=True) for n in (count, n)])
        out = wide.reshape([count * n for count, n in zip(counts, own, strict=True)])
        return out.clone() if out.writes is self.writes else out

    def tile(self: Tensor, *times: Any, dims: Any = None) -> Tensor:
        """`repeat`, with a count of 1 for axes in front that have none."""
        counts = _sizes("tile", times, dims)
        return self.repeat((1,) * (_tensor("tile", self).ndim - len(counts)) + counts)

    def repeat_interleave(
        self: Tensor, repeats: Any, dim: int | None = None, *, output_size: int | None = None
    ) -> Tensor:
        """Each slice along axis `dim` so often, one after another; no dim: each element of the flattened x.

        `repeats` is one number, or a tensor with one for each slice.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1, 2]).repeat_interleave(2)
        tensor([1, 1, 2, 2])
        """
        name = "repeat_interleave"
        x = _tensor(name, self).reshape(-1) if dim is None or self.ndim == 0 else self
        axis = 0 if dim is None else _dim(name, self, dim)
        n, counts = x.shape[axis], np.atleast_1d(_indices(name, repeats))
        if counts.shape not in ((1,), (n,)) or counts.min(initial=0) < 0:
            raise ShapeError(
                f"{name}: repeats {counts.shape} for {n} slices; give one number each, none below 0"
            )
        at = np.repeat(np.arange(n), np.broadcast_to(counts, (n,)))
        if output_size not in (None, at.size):
            raise ShapeError(f"{name}: output_size is {output_size}, the repeats add up to {at.size}")
        if counts.size > 1 or n == 0:
            return shape.getitem(x, index=(slice(None),) * axis + (at,))
        wide = x.unsqueeze(axis + 1).expand([*x.shape[: axis + 1], int(counts[0]), *x.shape[axis + 1 :]])
        return wide.reshape([*x.shape[:axis], at.size, *x.shape[axis + 1 :]]).clone()

    def squeeze(self: Tensor, dim: Dims = None) -> Tensor:
        """Drop axes of size 1: all, or those of `dim` that have size 1."""
        dims = () if isinstance(dim, (tuple, list)) and not dim else _dims("squeeze", self, dim)
        return self.reshape([n for axis, n in enumerate(self.shape) if n != 1 or axis not in dims])

    def unsqueeze(self: Tensor, dim: int) -> Tensor:
        """Insert an axis of size 1."""
        at = _gap("unsqueeze", self, dim)
        return self.reshape(*self.shape[:at], 1, *self.shape[at:])

    squeeze_, unsqueeze_, t_ = _over(squeeze), _over(unsqueeze), _over(t)
    transpose_ = swapaxes_ = swapdims_ = _over(transpose)

    def split(self: Tensor, split_size: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Pieces of one size (the last may be smaller), or of the sizes given."""
        axis = _axis("split", self, dim)
        n, wanted = self.shape[axis], split_size
        if isinstance(wanted, (tuple, list)):
            sizes = list(_sizes("split", (wanted,)))
        else:
            step = _int("split", "the size of a piece", wanted, 0 if n == 0 else 1)
            sizes = [min(step, n - start) for start in range(0, n, step or 1)] or [0]
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise ShapeError(
                f"split: sizes {sizes} do not add up to {n}, the size of axis {axis} of x {self.shape}"
            )
        return _cut(self, axis, [0, *accumulate(sizes)])

    def split_with_sizes(self: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """Pieces of the sizes given."""
        return self.split(_sizes("split_with_sizes", (split_sizes,)), dim)

    def chunk(self: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most `chunks` pieces of equal size, the last possibly smaller."""
        axis, pieces = _axis("chunk", self, dim), _int("chunk", "the number of chunks", chunks)
        size = -(-self.shape[axis] // pieces)
        return self.split(size if size else [0] * pieces, axis)

    def tensor_split(self: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
        """So many pieces, sizes differing by at most 1, or cut before the indices given.

        >>> import tinygrad_cnn as tg
        >>> [len(part) for part in tg.arange(7).tensor_split(3)]
        [3, 2, 2]
        """
        axis, where = _axis("tensor_split", self, dim), indices_or_sections
        n = self.shape[axis]
        if is_tensor(where):
            where = where.tolist()
        if isinstance(where, (tuple, list)):
            stops = [slice(i).indices(n)[1] for i in _sizes("tensor_split", (where,))]
            return tuple(
                shape.getitem(self, index=(*(slice(None),) * axis, slice(a, max(a, b))))
                for a, b in zip([0, *stops], [*stops, n], strict=True)
            )
        pieces = _int("tensor_split", "the number of pieces", where)
        size, longer = divmod(n, pieces)
        return _cut(self, axis, [0, *accumulate(size + (i < longer) for i in range(pieces))])

    def hsplit(self: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """`tensor_split` along the second axis, or the only one."""
        return _even("hsplit", self, indices_or_sections, 1, 0 if _tensor("hsplit", self).ndim == 1 else 1)

    def vsplit(self: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """`tensor_split` along the first axis."""
        return _even("vsplit", self, indices_or_sections, 2, 0)

    def dsplit(self: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """`tensor_split` along the third axis."""
        return _even("dsplit", self, indices_or_sections, 3, 2)

    def unbind(self: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
        """The slices along an axis, which disappears."""
        lead = (slice(None),) * _axis("unbind", self, dim)
        return tuple(self[(*lead, i)] for i in range(self.shape[dim]))

    def select(self: Tensor, dim: int, index: int) -> Tensor:
        """The slice at `index` along an axis, which disappears."""
        return self[(*(slice(None),) * _axis("select", self, dim), _whole("select", "the index", index))]

    def narrow(self: Tensor, dim: int, start: Any, length: int) -> Tensor:
        """`length` slices along an axis, from `start` on."""
        axis = _axis("narrow", self, dim)
        n, first = self.shape[axis], _whole("narrow", "start", start)
        length = _int("narrow", "length", length, 0)
        at = first + n if first < 0 else first
        if not 0 <= at <= n - length:
            raise ShapeError(
                f"narrow: {length} from {first} on do not lie within axis {axis} of x {self.shape}"
            )
        return shape.getitem(self, index=(*(slice(None),) * axis, slice(at, at + length)))

    def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
        """All pieces of `size` slices along an axis, `step` apart, in a new last axis; a view.

        >>> import tinygrad_cnn as tg
        >>> tg.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
        """
        axis = _dim("unfold", self, dimension)
        size, step = _int("unfold", "size", size), _int("unfold", "step", step)
        n = self.shape[axis] if self.ndim else 1
        if size > n:
            raise ShapeError(f"unfold: pieces of {size} do not fit into axis {axis} of x {self.shape}")
        if self.ndim == 0:
            return self.reshape(1)
        return shape.frames(self, dim=axis, size=size, step=step)

    def flip(self: Tensor, *axes: Any, dims: Any = None) -> Tensor:
        """Reverse the order along axes."""
        order = tuple(_dim("flip", self, d) for d in _sizes("flip", axes, dims))
        return shape.flip(self, dims=_dims("flip", self, order) if order else ())

    def fliplr(self: Tensor) -> Tensor:
        """Reverse the order along the second axis."""
        if _tensor("fliplr", self).ndim < 2:
            raise ShapeError(f"fliplr: x {self.shape} has no second axis; use flip(0)")
        return self.flip(1)

    def flipud(self: Tensor) -> Tensor:
        """Reverse the order along the first axis."""
        if _tensor("flipud", self).ndim < 1:
            raise ShapeError("flipud: x () has no axis to reverse")
        return self.flip(0)

    def rot90(self: Tensor, k: int = 1, dims: Any = (0, 1)) -> Tensor:
        """A quarter turn, k times, from the first axis of `dims` towards the second."""
        a, b = (_axis("rot90", self, d) for d in _pair_of("rot90", dims))
        if a == b:
            raise ArgumentError(f"rot90: dims {dims} must be two different axes of x {self.shape}")
        turns = _whole("rot90", "k", k) % 4
        if turns % 2 == 0:
            return self.flip(a, b) if turns else self.clone()
        return self.flip(b).transpose(a, b) if turns == 1 else self.transpose(a, b).flip(b)

    def roll(self: Tensor, shifts: Any, dims: Any = None) -> Tensor:
        """Move everything `shifts` places along `dims`; what falls off comes in at the front.

        No dims: in the flattened tensor.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1, 2, 3]).roll(1)
        tensor([3, 1, 2])
        """
        moves = _sizes("roll", (shifts,))
        if dims is None:
            if len(moves) != 1:
                raise ArgumentError(f"roll: {len(moves)} shifts need as many dims")
            return _tensor("roll", self).reshape(-1).roll(moves, 0).reshape(self.shape)
        axes = [_axis("roll", self, d) for d in _sizes("roll", (dims,))]
        if len(axes) != len(moves):
            raise ArgumentError(f"roll: {len(moves)} shifts for {len(axes)} dims; one is needed for each")
        x = self
        for axis, move in zip(axes, moves, strict=True):
            lead, n = (slice(None),) * axis, x.shape[axis]
            cut = -move % n if n else 0
            if cut:
                x = shape.cat(x[(*lead, slice(cut, None))], x[(*lead, slice(cut))], dim=axis)
        return self.clone() if x is self else x


def _cut(x: Tensor, axis: int, stops: list[int]) -> tuple[Tensor, ...]:
    lead = (slice(None),) * axis
    return tuple(shape.getitem(x, index=(*lead, slice(a, b))) for a, b in pairwise(stops))


def _even(name: str, x: Tensor, where: Any, least: int, axis: int) -> tuple[Tensor, ...]:
    if x.ndim < least:
        raise ShapeError(f"{name}: x {x.shape} needs at least {least} axes")
    if (
        not isinstance(where, (tuple, list))
        and not is_tensor(where)
        and x.shape[axis] % _int(name, "sections", where)
    ):
        raise ShapeError(f"{name}: axis {axis} of x {x.shape} cannot be cut into {where} equal pieces")
    return x.tensor_split(where, axis)


def _pair_of(name: str, dims: Any) -> tuple[int, ...]:
    pair = _sizes(name, (dims,))
    if len(pair) != 2:
        raise ArgumentError(f"{name}: dims {dims} must be two axes")
    return pair

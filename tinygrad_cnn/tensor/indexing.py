"""Elements by their place: `x[...]`, gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import is_tensor, wrap
from ..ops import shape
from .arguments import _axis, _in_range, _indices

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
            shared = self.writes[1]
            part = shape.getitem(self, index=steps[0]).clone()
            self.writes[1] = shared  # the view is gone already
            part[steps[1]] = value
            self[steps[0]] = part
            return
        if self._recorded_with(value):
            self._become(shape.setitem(self, value, index=index))
            return
        value = value.array if is_tensor(value) else value
        try:
            self._writable()[index] = value
        except (IndexError, ValueError, TypeError) as error:
            raise shape.misfit("assignment", self.array, value, error) from None

    def gather(self: Tensor, dim: int, index: Tensor) -> Tensor:
        """out[.., i, ..] = x[.., index[.., i, ..], ..]."""
        axis, where = _axis("gather", self, dim), _indices("gather", index)
        if where.ndim != self.ndim or any(
            m > n for a, (m, n) in enumerate(zip(where.shape, self.shape, strict=False)) if a != axis
        ):
            raise ShapeError(
                f"gather: index {where.shape} must have the axes of x {self.shape}, none larger "
                f"except axis {axis}"
            )
        _in_range("gather", where, self.shape[axis])
        return shape.gather(self, dim=axis, index=where)


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

"""Products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DtypeError, ShapeError
from ..op import is_tensor, wrap
from ..ops import linalg
from .arguments import _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Matrices"]


class Matrices:
    """Products of matrices."""

    __slots__ = ()

    def __matmul__(self: Tensor, other: Any) -> Tensor:
        return self.matmul(other)

    def __rmatmul__(self: Tensor, other: Any) -> Tensor:
        return wrap(np.asarray(other)).matmul(self)

    def matmul(self: Tensor, other: Any) -> Tensor:
        """Matrix product; leading axes broadcast; a 1-d tensor is a row on the left, a column else."""
        if not is_tensor(other):
            other = wrap(np.asarray(other))
        if _tensor("matmul", self).ndim == 0 or other.ndim == 0:
            raise ShapeError(
                f"matmul: x {self.shape} and y {other.shape} need at least one axis each; use * for numbers"
            )
        if self.dtype != other.dtype:
            raise DtypeError(f"matmul: x is {self.dtype}, y is {other.dtype}; convert one with .to(dtype)")
        x = self.reshape(1, -1) if self.ndim == 1 else self
        y = other.reshape(-1, 1) if other.ndim == 1 else other
        out = linalg.matmul(x, y)
        if other.ndim == 1:
            out = out.squeeze(-1)
        return out.squeeze(-1 if other.ndim == 1 else -2) if self.ndim == 1 else out

    mm = bmm = matmul

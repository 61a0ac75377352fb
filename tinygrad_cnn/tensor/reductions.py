"""Sums, extremes and the like: many elements become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..op import is_tensor, wrap
from ..ops import reduce
from .arguments import Dims, _dim, _dims, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Extreme", "Reductions"]


class Extreme(NamedTuple):
    """What `x.max(dim)` and `x.min(dim)` return."""

    values: Tensor
    indices: Tensor


class Reductions:
    """Functions of many elements."""

    __slots__ = ()

    def sum(self: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """Sum over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("sum", self).to(dtype)
        return reduce.sum(x, dim=_dims("sum", x, dim, keepdim), keepdim=keepdim)

    def mean(self: Tensor, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """Mean over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("mean", self).to(dtype)
        return reduce.mean(x, dim=_dims("mean", x, dim, keepdim), keepdim=keepdim)

    def var(
        self: Tensor,
        dim: Dims = None,
        unbiased: bool = True,
        keepdim: bool = False,
        correction: Any = None,
    ) -> Tensor:
        """sum (x - mean)^2 / (n - correction)."""
        correction = int(unbiased) if correction is None else _number("var", "correction", correction)
        return reduce.var(self, dim=_dims("var", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def std(
        self: Tensor,
        dim: Dims = None,
        unbiased: bool = True,
        keepdim: bool = False,
        correction: Any = None,
    ) -> Tensor:
        """The square root of `var`."""
        correction = int(unbiased) if correction is None else _number("std", "correction", correction)
        return reduce.std(self, dim=_dims("std", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def amax(self: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
        """Largest element; ties share the gradient."""
        return reduce.amax(self, dim=_dims("amax", self, dim, keepdim), keepdim=keepdim)

    def amin(self: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
        """Smallest element; ties share the gradient."""
        return reduce.amin(self, dim=_dims("amin", self, dim, keepdim), keepdim=keepdim)

    def max(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """The largest element; with `dim` (values, indices) of the first ones; with a tensor, `maximum`."""
        if is_tensor(dim):
            return self.maximum(dim)
        if dim is None:
            return Reductions.amax(self)
        indices = Reductions.argmax(self, _dim("max", self, dim), True)
        return self._extreme(indices, dim, keepdim)

    def min(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """The smallest element; with `dim` (values, indices) of the first ones; with a tensor, `minimum`."""
        if is_tensor(dim):
            return self.minimum(dim)
        if dim is None:
            return Reductions.amin(self)
        indices = Reductions.argmin(self, _dim("min", self, dim), True)
        return self._extreme(indices, dim, keepdim)

    def _extreme(self: Tensor, indices: Tensor, dim: int, keepdim: bool) -> Extreme:
        values = self.gather(dim, indices) if self.ndim else self.clone()
        return Extreme(values, indices) if keepdim else Extreme(values.squeeze(dim), indices.squeeze(dim))

    def argmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first largest element."""
        axes = _dims("argmax", self, dim, keepdim)
        return reduce.argmax(self, dim=axes[0] if dim is not None and axes else None, keepdim=keepdim)

    def argmin(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first smallest element."""
        axes = _dims("argmin", self, dim, keepdim)
        return reduce.argmin(self, dim=axes[0] if dim is not None and axes else None, keepdim=keepdim)

    def logsumexp(self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        """log sum e^x, stable."""
        x = self if _tensor("logsumexp", self).dtype.kind == "f" else self.float()
        return reduce.logsumexp(x, dim=_dims("logsumexp", x, dim, keepdim), keepdim=keepdim)

    def any(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether some element is true."""
        dims = _dims("any", self, dim, keepdim)
        return wrap(np.asarray(np.any(self.array, dims, keepdims=keepdim)))

    def all(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether all elements are true."""
        dims = _dims("all", self, dim, keepdim)
        return wrap(np.asarray(np.all(self.array, dims, keepdims=keepdim)))

"""Sums, extremes and the like: many elements become one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import return_types
from ..errors import ShapeError
from ..op import get_default_dtype, is_tensor, wrap
from ..ops import elementwise, reduce
from ..return_types import Extreme
from .arguments import Dims, _dim, _dims, _floating, _lone, _number, _tensor

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Reductions"]


class Reductions:
    """Functions of many elements."""

    __slots__ = ()

    def sum(self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Sum over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("sum", self).to(dtype)
        return reduce.sum(x, dim=_dims("sum", x, dim, keepdim), keepdim=keepdim)

    def nansum(self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Sum of all that is not nan."""
        return _without_nan("nansum", self).sum(dim, keepdim, dtype=dtype)

    def mean(self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Mean over all axes, or those of `dim`."""
        x = self if dtype is None else _tensor("mean", self).to(dtype)
        return reduce.mean(x, dim=_dims("mean", x, dim, keepdim), keepdim=keepdim)

    def nanmean(self: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Mean of all that is not nan; nan where there is nothing else."""
        x = _floating("nanmean", self)
        count = wrap(~np.isnan(x.array)).sum(dim, keepdim)
        return x.nansum(dim, keepdim, dtype=dtype) / count

    def prod(self: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Product of all elements, or along axis `dim`; the gradient is right where there are zeros, too."""
        x = self if dtype is None else _tensor("prod", self).to(dtype)
        axis = _lone("prod", x, dim, keepdim)
        return (
            reduce.prod(x.reshape(-1), dim=0) if axis is None else reduce.prod(x, dim=axis, keepdim=keepdim)
        )

    def var(
        self: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
    ) -> Tensor:
        """sum (x - mean)^2 / (n - correction)."""
        dim, correction = _correction("var", dim, unbiased, correction)
        return reduce.var(self, dim=_dims("var", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def std(
        self: Tensor, dim: Dims = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
    ) -> Tensor:
        """The square root of `var`."""
        dim, correction = _correction("std", dim, unbiased, correction)
        return reduce.std(self, dim=_dims("std", self, dim, keepdim), correction=correction, keepdim=keepdim)

    def norm(
        self: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
    ) -> Tensor:
        """(sum |x|^p)^(1/p) over all axes, or those of `dim`; "fro" is p = 2.  The gradient at 0 is 0.

        p = inf is the largest |x|, p = -inf the smallest, p = 0 counts what is not 0.
        """
        return _vector_norm("norm", self, 2 if p in ("fro", None) else p, dim, keepdim, dtype)

    def dist(self: Tensor, other: Tensor, p: Any = 2) -> Tensor:
        """The p-norm of x - y."""
        return (_tensor("dist", self) - _tensor("dist", other, "y")).norm(p)

    def amax(self: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
        """Largest element; ties share the gradient."""
        return reduce.amax(self, dim=_dims("amax", self, dim, keepdim), keepdim=keepdim)

    def amin(self: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
        """Smallest element; ties share the gradient."""
        return reduce.amin(self, dim=_dims("amin", self, dim, keepdim), keepdim=keepdim)

    def aminmax(self: Tensor, *, dim: int | None = None, keepdim: bool = False) -> return_types.aminmax:
        """(smallest, largest) element, of all or along axis `dim`; ties share the gradient."""
        axis = None if dim is None else _dim("aminmax", self, dim)
        return return_types.aminmax(self.amin(axis, keepdim), self.amax(axis, keepdim))

    def max(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """The largest element; with `dim` (values, indices) of the first ones; with a tensor, `maximum`."""
        if is_tensor(dim):
            return self.maximum(dim)
        if dim is None:
            return Reductions.amax(self)
        indices = Reductions.argmax(self, _dim("max", self, dim), True)
        return self._extreme(return_types.max, indices, dim, keepdim)

    def min(self: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        """The smallest element; with `dim` (values, indices) of the first ones; with a tensor, `minimum`."""
        if is_tensor(dim):
            return self.minimum(dim)
        if dim is None:
            return Reductions.amin(self)
        indices = Reductions.argmin(self, _dim("min", self, dim), True)
        return self._extreme(return_types.min, indices, dim, keepdim)

    def _extreme(self: Tensor, kind: type[Extreme], indices: Tensor, dim: int, keepdim: bool) -> Extreme:
        values = self.gather(dim, indices) if self.ndim else self.clone()
        return kind(values, indices) if keepdim else kind(values.squeeze(dim), indices.squeeze(dim))

    def argmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first largest element."""
        return reduce.argmax(self, dim=_lone("argmax", self, dim, keepdim), keepdim=keepdim)

    def argmin(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first smallest element."""
        return reduce.argmin(self, dim=_lone("argmin", self, dim, keepdim), keepdim=keepdim)

    def logsumexp(self: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
        """log sum e^x, stable."""
        x = self if _tensor("logsumexp", self).dtype.kind == "f" else self.to(get_default_dtype())
        return reduce.logsumexp(x, dim=_dims("logsumexp", x, dim, keepdim), keepdim=keepdim)

    def count_nonzero(self: Tensor, dim: Dims = None) -> Tensor:
        """How many elements are not 0; nan is not."""
        dims = _dims("count_nonzero", self, dim)
        return wrap(np.asarray(np.count_nonzero(self.array, dims), np.int64))

    def any(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether some element is true."""
        dims = _dims("any", self, dim, keepdim)
        return wrap(np.asarray(np.any(self.array, dims, keepdims=keepdim)))

    def all(self: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether all elements are true."""
        dims = _dims("all", self, dim, keepdim)
        return wrap(np.asarray(np.all(self.array, dims, keepdims=keepdim)))


def _correction(name: str, dim: Any, unbiased: Any, correction: Any) -> tuple[Any, Any]:
    """Both of PyTorch's ways to say what is taken off n: `x.var(False)` and `x.var(correction=0)`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return dim, int(unbiased) if correction is None else _number(name, "correction", correction)


def _without_nan(name: str, x: Tensor) -> Tensor:
    """0 for every nan."""
    nan = _tensor(name, x).array != x.array
    return elementwise.where(0.0, x, mask=nan) if nan.any() else x


def _vector_norm(name: str, x: Tensor, p: Any, dim: Dims, keepdim: bool, dtype: Any) -> Tensor:
    x = _floating(name, x)
    x = x if dtype is None else _floating(name, x.to(dtype))
    p, dims = _number(name, "p", p), _dims(name, x, dim, keepdim)
    if (p < 0 or p == math.inf) and 0 in (x.shape[axis] for axis in dims):
        raise ShapeError(f"{name}: x {x.shape} has no element along {dims}, and so no norm with p={p}")
    if p == 1:
        return reduce.sum(elementwise.abs(x), dim=dims, keepdim=keepdim)
    if math.isinf(p):
        extreme = reduce.amax if p > 0 else reduce.amin
        return extreme(elementwise.abs(x), dim=dims, keepdim=keepdim)
    return reduce.p_norm(x, p=p, dim=dims, keepdim=keepdim)

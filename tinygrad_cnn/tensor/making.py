"""New tensors from numbers, lists and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..devices import check_device
from ..errors import DtypeError, ShapeError
from ..op import get_default_dtype, is_tensor, too_large, wrap
from .arguments import _dtype, _number, _sizes

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Making"]


class Making:
    """`x.new_...`: tensors with the dtype of x where none is given."""

    __slots__ = ()

    def new_tensor(
        self: Tensor, data: Any, dtype: Any = None, *, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        """A copy of the data."""
        array = _array("new_tensor", data, dtype or self.dtype, device)
        return wrap(array.copy()).requires_grad_(requires_grad)

    def new_zeros(
        self: Tensor,
        *sizes: Any,
        size: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """All 0."""
        return _filled("new_zeros", sizes, 0, dtype or self.dtype, device, requires_grad, size)

    def new_ones(
        self: Tensor,
        *sizes: Any,
        size: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """All 1."""
        return _filled("new_ones", sizes, 1, dtype or self.dtype, device, requires_grad, size)

    def new_empty(
        self: Tensor,
        *sizes: Any,
        size: Any = None,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """Memory to be filled; zeros."""
        return _filled("new_empty", sizes, 0, dtype or self.dtype, device, requires_grad, size)

    def new_full(
        self: Tensor,
        size: Any,
        fill_value: Any,
        dtype: Any = None,
        *,
        device: Any = None,
        requires_grad: bool = False,
    ) -> Tensor:
        """All `fill_value`."""
        return _filled(
            "new_full", (_tuple("new_full", size),), fill_value, dtype or self.dtype, device, requires_grad
        )


def _shape(name: str, sizes: Sequence[Any], size: Any = None) -> tuple[int, ...]:
    """Sizes of a new tensor: one by one, or by the name of all."""
    if not sizes and size is None:
        raise DtypeError(f"{name}: the size is missing; pass integers, such as {name}(2, 3), or () for 0-d")
    wanted = _sizes(name, sizes, size)
    if any(isinstance(size, bool) for size in sizes):
        raise DtypeError(f"{name}: a size is a bool in {tuple(sizes)}; sizes are integers")
    if min(wanted, default=0) < 0:
        raise ShapeError(f"{name}: a size is negative in {wanted}; sizes count from 0")
    return wanted


def _tuple(name: str, size: Any) -> Sequence[Any]:
    """A size that has to stand in one argument."""
    if not isinstance(size, (tuple, list)):
        raise DtypeError(f"{name}: the size is {size!r:.40}; pass it as a tuple, such as (3,)")
    return size


def _filled(
    name: str,
    sizes: Sequence[Any],
    value: Any,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    size: Any = None,
) -> Tensor:
    """A tensor of one number."""
    wanted, dtype = _shape(name, sizes, size), _dtype(name, dtype)
    check_device(name, device)
    if is_tensor(value) and value.ndim == 0:
        value = value.item()
    number = _number(name, "the value", value)
    try:
        filled = np.full(wanted, int(number) if dtype.kind in "iu" else number, dtype)
    except (OverflowError, ValueError):  # of nan
        raise too_large(name, value, dtype) from None
    return wrap(filled).requires_grad_(requires_grad)


def _array(name: str, data: Any, dtype: Any, device: Any) -> np.ndarray:
    """Numbers, nested lists of them, arrays and tensors as an array: Python's floats in the default dtype."""
    check_device(name, device)
    if isinstance(data, (list, tuple)) and any(is_tensor(item) for item in data):
        data = [np.asarray(item) for item in data]
    try:
        array = np.asarray(data)
    except ValueError:
        raise ShapeError(f"{name}: rows of different lengths in {data!r:.60}; pad the shorter ones") from None
    if dtype is None and not (isinstance(data, (np.ndarray, np.generic)) or is_tensor(data)):
        of_numbers = not (isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ndarray))
        dtype = get_default_dtype() if of_numbers and (array.dtype.kind == "f" or array.size == 0) else None
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: cannot hold {array.dtype} data {data!r:.40}; numbers and bools only")
    if dtype is None:
        return array
    with np.errstate(invalid="ignore"):
        found = np.asarray(array, _dtype(name, dtype))
    if found.dtype.kind in "iu" and type(data) is not np.ndarray:
        for value in array[found != np.trunc(array)][:1]:  # PyTorch lets arrays wrap around, but not numbers
            raise too_large(name, value, found.dtype)
    return found

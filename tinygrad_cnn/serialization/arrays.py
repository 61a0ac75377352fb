"""What the formats have in common: arrays of numbers, and bytes that become arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DtypeError, FileFormatError
from ..tensor import Tensor

__all__ = ["CODES", "CURE", "new_array", "storable", "widened"]

#: what a file may hold: NumPy's codes of the dtypes, little-endian
CODES = ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
STORED = frozenset(map(np.dtype, CODES))
CURE = "restore it from a copy or save it again"


def storable(value: Tensor | np.ndarray, where: str) -> np.ndarray:
    """The values in little-endian order, of the array's own memory where that is possible.

    Raises:
        DtypeError: no numbers; says where in the tree the array is.
    """
    array = np.asarray(value.array if isinstance(value, Tensor) else value)
    little = array.dtype.newbyteorder("<") if array.dtype.kind in "biuf" else array.dtype
    if little not in STORED:
        raise DtypeError(
            f"save: the array at {where or 'the top'} is {array.dtype}, which no format stores; "
            "convert it to a number type such as float32 or int64"
        )
    return np.asarray(array, little)


def new_array(data: Any, dtype: np.dtype, shape: tuple[int, ...], order: Any, what: str) -> np.ndarray:
    """A new, native array of these bytes, if there are as many as its shape needs."""
    needed = math.prod(shape) * dtype.itemsize
    if len(shape) > 32 or any(not 0 <= size < 2**48 for size in shape) or needed != len(data):
        raise FileFormatError(
            f"{what} has {len(data)} bytes, its shape {str(shape)[:80]} of {dtype} needs {needed}; {CURE}"
        )
    try:
        array = np.frombuffer(data, dtype).reshape(shape, order=order)
        return array.astype(dtype.newbyteorder("="))
    except ValueError as error:  # an empty array of impossible strides
        raise FileFormatError(f"{what} has an impossible shape {str(shape)[:80]} ({error}); {CURE}") from None


def widened(halves: np.ndarray) -> np.ndarray:
    """float32 of the same values: a bfloat16, given as uint16, is the upper half of one."""
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)

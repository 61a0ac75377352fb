"""The classes that tensors of each dtype had once: `FloatTensor`, `LongTensor` and the others.

>>> import tinygrad_cnn as tg
>>> tg.LongTensor([1, 2]), tg.FloatTensor(2).shape, isinstance(tg.ones(1), tg.FloatTensor)
(tensor([1, 2]), (2,), True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..op import is_tensor, wrap
from .making import _array, _filled

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["KINDS", "Kind", "kind_of", "name_of"]


class Kind:
    """One of these classes: called with sizes it makes zeros, called with numbers in a list a tensor of them.

    Attributes:
        dtype: of its tensors; a Kind can stand wherever a dtype is asked for.
    """

    def __init__(self, name: str, dtype: Any):
        self.__name__, self.dtype = name, np.dtype(dtype)

    def __call__(self, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            source = data[0].array if is_tensor(data[0]) else data[0]
            return wrap(_array(self.__name__, source, self.dtype, None).copy())
        return _filled(self.__name__, data or (0,), 0, self.dtype, None, False)

    def __instancecheck__(self, x: Any) -> bool:
        return is_tensor(x) and x.dtype == self.dtype

    def __repr__(self) -> str:
        return f"<class 'tinygrad_cnn.{self.__name__}'>"


KINDS = {
    name: Kind(name, dtype)
    for name, dtype in {
        "BoolTensor": np.bool_, "ByteTensor": np.uint8, "CharTensor": np.int8, "DoubleTensor": np.float64,
        "FloatTensor": np.float32, "HalfTensor": np.float16, "IntTensor": np.int32, "LongTensor": np.int64,
        "ShortTensor": np.int16,
    }.items()
}  # fmt: skip
_NAMES = {kind.dtype: name for name, kind in KINDS.items()}


def name_of(dtype: np.dtype[Any]) -> str:
    """The name of its class.

    >>> name_of(np.dtype("int64"))
    'LongTensor'
    """
    return _NAMES.get(dtype, str(dtype))


def kind_of(dtype: Any) -> Any:
    """A dtype, also of one of these classes or of its name, with or without "torch." before it."""
    if isinstance(dtype, str):
        dtype = KINDS.get(dtype.rpartition(".")[2], dtype)
    return dtype.dtype if isinstance(dtype, Kind) else dtype

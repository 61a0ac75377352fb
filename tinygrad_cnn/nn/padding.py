"""Borders around images; see `functional.pad`.

`padding` is an int, or (left, right, top, bottom, front, back) as far as there are axes.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import ArgumentError
from ..tensor import Tensor, _number, _sizes
from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    axes: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any):
        super().__init__()
        name, count = type(self).__name__, 2 * self.axes
        widths = _sizes(name, (padding,))
        self.padding = (
            widths * count if len(widths) == 1 and not isinstance(padding, (tuple, list)) else widths
        )
        if len(self.padding) != count:
            raise ArgumentError(f"{name}: padding {padding!r:.60} must be an int, or {count} of them")

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = _number(type(self).__name__, "value", value)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad1d(_ConstantPad):
    """A border of one value around a sequence."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A border of one value around an image."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A border of one value around a volume."""

    axes = 3


class ZeroPad1d(_ZeroPad):
    """A border of zeros around a sequence."""

    axes = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around an image."""

    axes = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around a volume."""

    axes = 3


class ReflectionPad1d(_Pad):
    """A border that mirrors a sequence at its first and last pixels."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """A border that mirrors an image at its first and last pixels.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReflectionPad2d((1, 1, 0, 0))(tg.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 1., 2., 3., 2.]]])
    """

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """A border that mirrors a volume at its first and last pixels."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """A border that repeats the first and last pixels of a sequence."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """A border that repeats the first and last pixels of an image."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """A border that repeats the first and last pixels of a volume."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """A border with which a sequence starts again at its other end."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """A border with which an image starts again at its other end."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """A border with which a volume starts again at its other end."""

    axes, mode = 3, "circular"

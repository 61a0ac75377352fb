"""What functions with several results return: tuples whose parts have names, and whose class says of what.

>>> import tinygrad_cnn as tg
>>> tg.tensor([3.0, 1.0]).max(0)
tinygrad_cnn.return_types.max(
values=tensor(3.),
indices=tensor(0))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = [
    "Extreme", "aminmax", "cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "slogdet", "sort",
    "topk",
]  # fmt: skip


def _shown(self: Any) -> str:
    parts = ",\n".join(f"{name}={part!r}" for name, part in zip(self._fields, self, strict=True))
    return f"{__name__}.{type(self).__name__}(\n{parts})"


class Extreme(NamedTuple):
    """Values, and the places where they stood."""

    values: Tensor
    indices: Tensor

    def __repr__(self) -> str:
        return _shown(self)


class aminmax(NamedTuple):
    """What `x.aminmax()` returns."""

    min: Tensor
    max: Tensor

    def __repr__(self) -> str:
        return _shown(self)


class slogdet(NamedTuple):
    """What `x.slogdet()` returns."""

    sign: Tensor
    logabsdet: Tensor

    def __repr__(self) -> str:
        return _shown(self)


def _of(name: str) -> type[Extreme]:
    """The class of one function's results."""
    doc = f"What `x.{name}(...)` along an axis returns."
    return type(name, (Extreme,), {"__slots__": (), "__module__": __name__, "__doc__": doc})


cummax = _of("cummax")
cummin = _of("cummin")
kthvalue = _of("kthvalue")
max = _of("max")
median = _of("median")
min = _of("min")
mode = _of("mode")
sort = _of("sort")
topk = _of("topk")

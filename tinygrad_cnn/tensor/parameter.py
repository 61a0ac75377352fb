"""The tensors that a Module learns."""

from __future__ import annotations

from typing import Any, cast

from .core import Tensor

__all__ = ["Parameter"]


class Parameter(Tensor):
    """A tensor that a Module learns: found by `parameters()`, requires a gradient.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Parameter(tg.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        source = data if isinstance(data, Tensor) else Tensor(data)
        super().__init__(source.array)
        self.share(source)
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A copy without the gradient, which is no part of what was learned."""
        twin = cast(Parameter, super().__deepcopy__(memo))
        twin.grad = None
        return twin

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

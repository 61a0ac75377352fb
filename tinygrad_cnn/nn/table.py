"""Layers that are a function and its options: each is one row of a table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from ..errors import DtypeError
from ..tensor import Tensor
from .module import Module

__all__ = ["FunctionLayer", "layer"]


class FunctionLayer(Module):
    """Calls its function with the tensors that it gets and the options that it holds as attributes."""

    function: ClassVar[Callable[..., Tensor]]
    signature: ClassVar[inspect.Signature]
    passed: ClassVar[tuple[str, ...]]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()
        if any(isinstance(x, Tensor) and (x.node is not None or len(args) > 1) for x in args):
            name = type(self).__name__
            raise DtypeError(
                f"{name}: tensors are no options; make the module first, then call it: {name}()(...)"
            )
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}{self.signature}: {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name in ("weight", "pos_weight"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *tensors: Tensor, **named: Tensor) -> Tensor:
        for name in self.passed:
            named[name] = getattr(self, name)
        return type(self).function(*tensors, **named)


def layer(
    base: type[FunctionLayer],
    name: str,
    function: Callable[..., Tensor],
    *,
    positional: str | None = None,
    options: dict[str, Any],
) -> Any:
    """A class `name` with these options and their defaults (`inspect.Parameter.empty` for none).

    Args:
        base: says how it is shown; the class counts as defined where the base is.
        function: its first line of text becomes the class's.
        positional: the options that may be given without a name; all by default.
    """
    kinds = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    free = options if positional is None else positional.split()
    signature = inspect.Signature(
        [inspect.Parameter(key, kinds[key in free], default=value) for key, value in options.items()]
    )
    body = {
        "function": staticmethod(function),
        "signature": signature,
        "__signature__": signature,
        "passed": tuple(key for key in options if key != "inplace"),
        "__doc__": (function.__doc__ or "").partition("\n")[0],
        "__module__": base.__module__,
    }
    return type(name, (base,), body)

"""Activation layers: a class per function of `functional`, made from one table.

A row says the class's name, the function, and PyTorch's arguments with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..geometry import _int
from ..tensor import Parameter, Tensor, _number
from . import functional as F
from .module import Module

__all__ = [
    "ELU", "GELU", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "PReLU", "ReLU", "SiLU",
    "Sigmoid", "Softmax",
    "Softplus", "Tanh",
]  # fmt: skip


class _Activation(Module):
    function: Callable[..., Tensor]
    defaults: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()
        if len(args) > len(self.defaults) or (unknown := set(kwargs) - set(self.defaults)):
            wrong = f"{len(args)} arguments" if len(args) > len(self.defaults) else ", ".join(sorted(unknown))
            raise TypeError(f"{type(self).__name__} takes ({', '.join(self.defaults)}), not {wrong}")
        self.options = {**self.defaults, **dict(zip(self.defaults, args, strict=False)), **kwargs}

    def forward(self, x: Tensor) -> Tensor:
        return type(self).function(x, **self.options)

    def extra_repr(self) -> str:
        shown = {k: v for k, v in self.options.items() if not (k == "inplace" and v is False)}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())

    def __getattr__(self, name: str) -> Any:
        options = vars(self).get("options", {})
        if name in options:
            return options[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def _layer(name: str, function: Callable[..., Tensor], **defaults: Any) -> Any:
    text = (function.__doc__ or "").partition("\n")[0]
    body = {"function": staticmethod(function), "defaults": defaults, "__doc__": text, "__module__": __name__}
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    body["__signature__"] = inspect.Signature(
        [inspect.Parameter(option, kind, default=value) for option, value in defaults.items()]
    )
    return type(name, (_Activation,), body)


ReLU = _layer("ReLU", F.relu, inplace=False)
LeakyReLU = _layer("LeakyReLU", F.leaky_relu, negative_slope=0.01, inplace=False)
ELU = _layer("ELU", F.elu, alpha=1.0, inplace=False)
GELU = _layer("GELU", F.gelu, approximate="none")
SiLU = _layer("SiLU", F.silu, inplace=False)
Softplus = _layer("Softplus", F.softplus, beta=1.0, threshold=20.0)
Sigmoid = _layer("Sigmoid", F.sigmoid)
LogSigmoid = _layer("LogSigmoid", F.logsigmoid)
Tanh = _layer("Tanh", F.tanh)
Hardtanh = _layer("Hardtanh", F.hardtanh, min_val=-1.0, max_val=1.0, inplace=False)
Softmax = _layer("Softmax", F.softmax, dim=-1)
LogSoftmax = _layer("LogSoftmax", F.log_softmax, dim=-1)


class PReLU(Module):
    """x where positive, else w x with a learned w: one, or one per channel (axis 1)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        super().__init__()
        self.num_parameters = num_parameters = _int("PReLU", "num_parameters", num_parameters)
        self.weight = Parameter(Tensor(np.full(num_parameters, _number("PReLU", "init", init), np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"

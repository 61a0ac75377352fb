"""Activation layers: a class per function of `functional`, made from one table.

A row says the class's name, the function, and PyTorch's arguments with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..geometry import _int
from ..tensor import Tensor, _number, _tensor
from . import functional as F
from .init import constant_
from .linear import new_parameter
from .module import Module
from .table import FunctionLayer, layer

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax",
    "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip


class _Activation(FunctionLayer):
    hidden = ("lambd",)  # options that are shown without their name

    def extra_repr(self) -> str:
        shown = {name: getattr(self, name) for name in self.signature.parameters}
        if not shown.get("inplace", True):
            del shown["inplace"]
        return ", ".join(str(v) if name in self.hidden else f"{name}={v!r}" for name, v in shown.items())


def _layer(name: str, function: Callable[..., Tensor], **options: Any) -> Any:
    return layer(_Activation, name, function, options=options)


REQUIRED = inspect.Parameter.empty

ReLU = _layer("ReLU", F.relu, inplace=False)
ReLU6 = _layer("ReLU6", F.relu6, inplace=False)
LeakyReLU = _layer("LeakyReLU", F.leaky_relu, negative_slope=0.01, inplace=False)
ELU = _layer("ELU", F.elu, alpha=1.0, inplace=False)
CELU = _layer("CELU", F.celu, alpha=1.0, inplace=False)
SELU = _layer("SELU", F.selu, inplace=False)
GELU = _layer("GELU", F.gelu, approximate="none")
SiLU = _layer("SiLU", F.silu, inplace=False)
Mish = _layer("Mish", F.mish, inplace=False)
Softplus = _layer("Softplus", F.softplus, beta=1.0, threshold=20.0)
Softsign = _layer("Softsign", F.softsign)
Sigmoid = _layer("Sigmoid", F.sigmoid)
LogSigmoid = _layer("LogSigmoid", F.logsigmoid)
Tanh = _layer("Tanh", F.tanh)
Tanhshrink = _layer("Tanhshrink", F.tanhshrink)
Hardtanh = _layer("Hardtanh", F.hardtanh, min_val=-1.0, max_val=1.0, inplace=False)
Hardsigmoid = _layer("Hardsigmoid", F.hardsigmoid, inplace=False)
Hardswish = _layer("Hardswish", F.hardswish, inplace=False)
Hardshrink = _layer("Hardshrink", F.hardshrink, lambd=0.5)
Softshrink = _layer("Softshrink", F.softshrink, lambd=0.5)
Threshold = _layer("Threshold", F.threshold, threshold=REQUIRED, value=REQUIRED, inplace=False)
GLU = _layer("GLU", F.glu, dim=-1)
Softmax = _layer("Softmax", F.softmax, dim=-1)
Softmin = _layer("Softmin", F.softmin, dim=-1)
LogSoftmax = _layer("LogSoftmax", F.log_softmax, dim=-1)


class RReLU(_layer("RReLU", F.rrelu, lower=1 / 8, upper=1 / 3, inplace=False)):  # type: ignore[misc]
    """x where positive, else a x: a drawn for each element while training, then the mean of its bounds."""

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training)


class Softmax2d(Module):
    """e^x / sum e^x over the channels of each pixel: (n, c, height, width) or (c, height, width)."""

    def forward(self, input: Tensor) -> Tensor:
        if _tensor("softmax", input).ndim not in (3, 4):
            raise ShapeError(f"softmax: x {input.shape} has {input.ndim} axes; Softmax2d takes 3 or 4")
        return F.softmax(input, -3)


class PReLU(Module):
    """x where positive, else w x with a learned w: one, or one per channel (axis 1)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        super().__init__()
        self.num_parameters = num_parameters = _int("PReLU", "num_parameters", num_parameters)
        self.weight = new_parameter(num_parameters)
        constant_(self.weight, _number("PReLU", "init", init))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"

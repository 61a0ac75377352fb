"""PyTorch's `autograd` namespace: `grad`, `backward`, `detect_anomaly`, `gradcheck`, ops as `Function`s."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..anomaly import detect_anomaly, set_detect_anomaly
from ..engine import backward, grad
from ..tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .function import Function, FunctionContext
from .variable import Variable

if TYPE_CHECKING:
    from ..testing.gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "FunctionContext",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    """The checks stand further down, in a room that not every program enters."""
    if name in ("gradcheck", "gradgradcheck"):
        return getattr(import_module("tinygrad_cnn.testing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

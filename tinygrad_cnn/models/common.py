"""What the models share: no downloads, and how their layers are initialized."""

from __future__ import annotations

from typing import Any

from .. import nn
from ..errors import ArgumentError

__all__ = ["init_convs", "init_linears", "refuse_weights", "zero_biases"]


def refuse_weights(name: str, **weights: Any) -> None:
    """Raise ArgumentError unless every `weights=` argument is None: nothing is downloaded here."""
    for argument, value in weights.items():
        if value is not None:
            raise ArgumentError(
                f"{name}: {argument}={value!r:.60} would have to be downloaded, which is not done here; "
                "leave it out, and load a file of weights: model.load_state_dict(tg.load(path))"
            )


def init_convs(model: nn.Module, mode: str = "fan_out") -> None:
    """Normal weights for all convolutions (He et al. 2015, arXiv:1502.01852)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")


def init_linears(model: nn.Module, std: float = 0.01) -> None:
    """Normal weights of this deviation for all linear layers."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)


def zero_biases(model: nn.Module) -> None:
    """Biases 0 for all convolutions and linear layers."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)

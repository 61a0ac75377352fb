"""PyTorch's `func` namespace: modules as functions."""

from __future__ import annotations

from .nn.utils.stateless import functional_call

__all__ = ["functional_call"]

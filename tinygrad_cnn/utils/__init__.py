"""PyTorch's spelling: `utils.data` is `data`; and `utils.checkpoint`."""

from __future__ import annotations

from . import checkpoint, data

__all__ = ["checkpoint", "data"]

"""Modules without initial values."""

from __future__ import annotations

from typing import Any

from ...errors import ArgumentError
from ..module import Module

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)`, of whose values nothing may be expected.

    Here they are the usual ones: drawing them costs little.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise ArgumentError(f"skip_init: {module_cls!r:.40} is no class of modules")
    kwargs.pop("device", None)
    return module_cls(*args, **kwargs)

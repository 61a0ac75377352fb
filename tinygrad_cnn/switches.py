"""Switches that programs set and that make no difference here, each with the reason why.

Everything is computed by the same deterministic algorithms, in full precision, and runs as it is written.
"""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError

__all__ = [
    "are_deterministic_algorithms_enabled",
    "channels_last",
    "channels_last_3d",
    "check_format",
    "compile",
    "contiguous_format",
    "get_float32_matmul_precision",
    "memory_format",
    "preserve_format",
    "set_float32_matmul_precision",
    "use_deterministic_algorithms",
]

_chosen: dict[str, Any] = {"deterministic": False, "precision": "highest"}
PRECISIONS = ("highest", "high", "medium")


def compile(
    model: Any = None, *, fullgraph: bool = False, dynamic: bool | None = None, backend: Any = None,
    mode: str | None = None, options: dict[str, Any] | None = None, name: str | None = None,
    disable: bool = False, recompile_limit: int | None = None, isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:  # fmt: skip
    """The model or function itself: there is no compiler, and the kernels underneath are compiled already.

    Without a model it is a decorator.

    >>> compile(abs)(-1)
    1
    """
    if model is None:
        return lambda function: compile(function)
    if not callable(model):
        raise ArgumentError(f"compile: {model!r:.40} cannot be called; pass a module or a function")
    return model


class memory_format:
    """An order in memory that a program asks for.  The kernels choose theirs, so nothing is moved."""

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return f"tinygrad_cnn.{self._name}"


channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")


def check_format(name: str, wanted: Any) -> None:
    """Refuse what is no order in memory; None is none in particular."""
    if wanted is not None and not isinstance(wanted, memory_format):
        raise ArgumentError(
            f"{name}: memory_format is {wanted!r:.40}; use one such as channels_last, or none"
        )


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for the same bits from the same numbers, which is so in any case."""
    _chosen["deterministic"] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether they were asked for.

    >>> are_deterministic_algorithms_enabled()
    False
    """
    return _chosen["deterministic"]


def set_float32_matmul_precision(precision: str) -> None:
    """Allow products of float32 to be less exact: "high", "medium"; they are always exact to float32."""
    if precision not in PRECISIONS:
        raise ArgumentError(
            f"set_float32_matmul_precision: {precision!r:.40} is none of {', '.join(PRECISIONS)}"
        )
    _chosen["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What was allowed last.

    >>> get_float32_matmul_precision()
    'highest'
    """
    return _chosen["precision"]

"""What a picture can show on top: memory, gradients, time, activations, and where a NaN was born.

Each overlay is a function of the picture that gives items a note, and a heat between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import engine
from ..errors import ArgumentError, GraphError
from .forward import kept
from .images import thumbnail
from .picture import Item, Picture
from .watching import WatchedNode

__all__ = ["OVERLAYS", "lay_over"]


def lay_over(picture: Picture, overlay: str, outputs: list[Any]) -> None:
    """Mark the items of a picture.

    Raises:
        ArgumentError: there is no such overlay.
        GraphError: the overlay needs what this tape does not have.
    """
    if overlay not in OVERLAYS:
        raise ArgumentError(f"graph: overlay is {overlay!r}; it can be {', '.join(map(repr, OVERLAYS))}")
    items = [item for item in picture.page.items() if item.node is not None and item.kind != "output"]
    OVERLAYS[overlay](items, outputs)


def _heat(amounts: dict[Item, float], text: Callable[[float], str]) -> None:
    """A note and a colour for each: the largest is hottest."""
    most = max(amounts.values(), default=0.0)
    for item, amount in amounts.items():
        item.note = text(amount)
        item.heat = amount / most if most > 0 and np.isfinite(amount) else float(amount > 0)


def size(count: float) -> str:
    """Bytes as people say them.

    >>> size(6272), size(0)
    ('6.1 KB', '0 B')
    """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.0123), duration(0.0000045)
    ('12.3 ms', '4.5 µs')
    """
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


def _memory(items: list[Item], outputs: list[Any]) -> None:
    """What each op keeps for backward; an array that several keep counts where it is first kept."""
    counted: set[int] = set()
    amounts: dict[Item, float] = {}
    for item in items:
        if item.kind != "op":
            continue
        amounts[item] = 0.0
        for array in kept(item.node).values():
            base = array if array.base is None else array.base
            if id(base) not in counted:
                counted.add(id(base))
                amounts[item] += array.nbytes
    _heat(amounts, lambda n: f"keeps {size(n)}" if n else "keeps nothing more")


def _gradients(items: list[Item], outputs: list[Any]) -> None:
    """The 2-norm of d(outputs)/d(result), for every op and every leaf; no .grad is touched."""
    found = engine.gradients_at(outputs, {item.node for item in items})
    amounts = {item: float(np.linalg.norm(found[item.node])) for item in items if item.node in found}
    _heat(amounts, lambda n: f"|g| {n:.3g}")


def _watched(items: list[Item], overlay: str) -> dict[Item, WatchedNode]:
    found = {item: item.node for item in items if item.kind == "op" and isinstance(item.node, WatchedNode)}
    if not found:
        raise GraphError(
            f"graph: overlay={overlay!r} needs a run that was watched; use "
            f"model.graph(x, overlay={overlay!r}), or compute inside of `with graph.watched():`"
        )
    return found


def _time(items: list[Item], outputs: list[Any]) -> None:
    """Measured: forward, and backward if it has run."""
    nodes = _watched(items, "time")
    texts = {}
    for item, node in nodes.items():
        texts[item] = duration(node.seconds)
        if node.rule_seconds:
            texts[item] += f", backward {duration(node.rule_seconds)}"
    _heat({item: node.seconds + node.rule_seconds for item, node in nodes.items()}, lambda s: "")
    for item, text in texts.items():
        item.note = text


def _activations(items: list[Item], outputs: list[Any]) -> None:
    """A small picture of the first example's result, and its range."""
    for item, node in _watched(items, "activations").items():
        result = np.atleast_1d(node.result)
        if result.dtype.kind == "f" and result.size:
            if result[:1].size >= 4:
                item.image = thumbnail(result)
            item.note = f"{result.min():.3g} to {result.max():.3g}"


def _nan(items: list[Item], outputs: list[Any]) -> None:
    """Where NaN or Inf are: in results that were watched, in what is kept, in parameters."""
    for item in items:
        arrays = list(kept(item.node).values()) if item.node.op is not None else []
        if isinstance(item.node, WatchedNode):
            arrays = [item.node.result]
        tensor = item.node.sink() if item.node.op is None and item.node.sink is not None else None
        if tensor is not None:
            arrays.append(tensor.array)
        bad = sum(int(np.count_nonzero(~np.isfinite(a))) for a in arrays if a.dtype.kind == "f")
        if bad:
            item.heat, item.note = 1.0, f"{bad:,} NaN or Inf"


#: Overlay -> how it marks the items.
OVERLAYS: dict[str, Callable[[list[Item], list[Any]], None]] = {
    "activations": _activations,
    "gradients": _gradients,
    "memory": _memory,
    "nan": _nan,
    "time": _time,
}

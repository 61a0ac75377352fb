"""What a picture can show on top: memory, gradients, time, activations, and where a NaN was born.

Each overlay is a function of the picture that says something of items, and gives them a heat between 0 and 1.
What stands for others, as a folded module does, is told of as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import engine
from ..errors import ArgumentError, GraphError
from .forward import kept
from .images import thumbnail
from .picture import Item, Picture
from .watching import WatchedNode

__all__ = ["OVERLAYS", "lay_over", "overlays"]

Groups = dict[Item, list[Item]]  # what is shown -> what it stands for that has a place on the tape
Marks = dict[Item, tuple[str, float]]  # -> what to say of it, and its heat


def overlays(chosen: str | Iterable[str] | None) -> tuple[str, ...]:
    """The overlays that are asked for.

    Raises:
        ArgumentError: there is no such overlay.
    """
    names = () if chosen is None else (chosen,) if isinstance(chosen, str) else tuple(chosen)
    for name in names:
        if name not in OVERLAYS:
            raise ArgumentError(f"graph: overlay is {name!r}; it can be {', '.join(map(repr, OVERLAYS))}")
    return names


def lay_over(picture: Picture, chosen: Iterable[str], outputs: list[Any]) -> None:
    """Mark the items of a picture: with a line of each overlay, and in the colours of the first.

    Raises:
        GraphError: an overlay needs what this tape does not have.
    """
    groups = {
        item: [each for each in item.all() if each.node is not None]
        for item in picture.page.items()
        if item.kind != "output"
    }
    for at, overlay in enumerate(chosen):
        for item, (text, heat) in OVERLAYS[overlay](groups, outputs).items():
            item.note = "\n".join(filter(None, (item.note, text)))
            if not at:
                item.heat = heat


def _ops(group: list[Item]) -> list[Item]:
    return [item for item in group if item.kind == "op"]


def _share(amounts: dict[Item, float], text: Callable[[Item], str]) -> Marks:
    """The largest is hottest."""
    most = max(amounts.values(), default=0.0)
    return {item: (text(item), amount / most if most else 0.0) for item, amount in amounts.items()}


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


def _memory(groups: Groups, outputs: list[Any]) -> Marks:
    """What is kept for backward; an array that several ops keep counts where it is first kept."""
    counted: set[int] = set()
    amounts: dict[Item, float] = {}
    for item, group in groups.items():
        for each in _ops(group):
            amounts.setdefault(item, 0.0)
            for array in kept(each.node).values():
                base = array if array.base is None else array.base
                if id(base) not in counted:
                    counted.add(id(base))
                    amounts[item] += array.nbytes
    return _share(amounts, lambda item: f"keeps {size(amounts[item]) if amounts[item] else 'nothing more'}")


def _gradients(groups: Groups, outputs: list[Any]) -> Marks:
    """The 2-norm of d(output)/d(result), for every op and every leaf; no .grad is touched.

    Gradients vanish by powers of ten, so the heat is logarithmic: four of them from hot to cold.
    """
    if any(tensor.shape for tensor in outputs):
        shapes = ", ".join(str(tensor.shape) for tensor in outputs if tensor.shape)
        raise GraphError(
            f"graph: overlay='gradients' needs one number that they are of, and this is of shape {shapes}; "
            "draw the loss, or output.sum()"
        )
    found = engine.gradients_at(outputs, {item.node for group in groups.values() for item in group})
    norms: dict[Item, float] = {}
    for item, group in groups.items():
        known = [each for each in group if each.node in found]
        last = max(_ops(known), key=lambda each: each.node.seq, default=None)  # whose result goes on
        parts = [float(np.linalg.norm(found[each.node])) for each in ([last] if last else known)]
        if parts:
            norms[item] = math.hypot(*parts)
    most = max((norm for norm in norms.values() if math.isfinite(norm)), default=0.0)

    def heat(norm: float) -> float:
        if not math.isfinite(norm):
            return 1.0
        return max(0.0, 1 + math.log10(norm / most) / 4) if norm and most else 0.0

    return {item: (f"|g| {norm:.3g}", heat(norm)) for item, norm in norms.items()}


def _watched(groups: Groups, overlay: str) -> dict[Item, list[WatchedNode]]:
    found = {
        item: [each.node for each in _ops(group) if isinstance(each.node, WatchedNode)]
        for item, group in groups.items()
    }
    if not any(found.values()):
        raise GraphError(
            f"graph: overlay={overlay!r} needs a run that was watched; use "
            f"model.graph(x, overlay={overlay!r}), or compute inside of `with graph.watched():`"
        )
    return {item: nodes for item, nodes in found.items() if nodes}


def _time(groups: Groups, outputs: list[Any]) -> Marks:
    """Measured: forward, and backward if it has run."""
    nodes = _watched(groups, "time")
    there = {item: sum(node.seconds for node in many) for item, many in nodes.items()}
    back = {item: sum(node.rule_seconds for node in many) for item, many in nodes.items()}

    def text(item: Item) -> str:
        return duration(there[item]) + (f", backward {duration(back[item])}" if back[item] else "")

    return _share({item: there[item] + back[item] for item in nodes}, text)


def _activations(groups: Groups, outputs: list[Any]) -> Marks:
    """A small picture of the first example's result, and its range."""
    marks: Marks = {}
    for item, nodes in _watched(groups, "activations").items():
        result = np.atleast_1d(max(nodes, key=lambda node: node.seq).result)
        if result.dtype.kind == "f" and result.size:
            if result[:1].size >= 4:
                item.image = thumbnail(result)
            marks[item] = f"{result.min():.3g} to {result.max():.3g}", 0.0
    return marks


def _nan(groups: Groups, outputs: list[Any]) -> Marks:
    """Where NaN or Inf are: in results that were watched, in what is kept, in parameters."""
    marks: Marks = {}
    for item, group in groups.items():
        arrays: list[np.ndarray] = []
        for node in (each.node for each in group):
            if isinstance(node, WatchedNode):
                arrays.append(node.result)
            elif node.op is not None:
                arrays += kept(node).values()
            elif node.sink is not None and (tensor := node.sink()) is not None:
                arrays.append(tensor.array)
        if bad := sum(int(np.count_nonzero(~np.isfinite(a))) for a in arrays if a.dtype.kind == "f"):
            marks[item] = f"{bad:,} NaN or Inf", 1.0
    return marks


#: Overlay -> what it says of the items.
OVERLAYS: dict[str, Callable[[Groups, list[Any]], Marks]] = {
    "activations": _activations,
    "gradients": _gradients,
    "memory": _memory,
    "nan": _nan,
    "time": _time,
}

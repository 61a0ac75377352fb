"""A picture as one HTML page that needs nothing else: the explorer.

The page holds the picture as JSON, what there is to say about each node, and a program that lays it out and
shows it (tools/explorer/, built into explorer/): the WebAssembly Graphviz, and a few files of our own.
"""

from __future__ import annotations

import base64
import html
import json
from importlib.resources import files
from typing import Any

import numpy as np

from .. import engine
from ..errors import GraphError
from ..tape import Node
from .explain import array_data, explain, tensor_of
from .fold import parameters
from .images import thumbnail
from .picture import Box, Item, Picture, dims
from .watching import WatchedNode

__all__ = ["data", "write"]

_TILES = 8  # feature maps in an image

# Nothing may be loaded from anywhere, whatever somebody's names look like.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<noscript>This page draws its graph by itself, and needs JavaScript for that.</noscript>
<script type="application/json" id="graph">{data}</script>
<script type="module">
{program}</script>
</body>
</html>
"""


def write(picture: Picture, direction: str = "TB", depth: int | None = None) -> str:
    """The page; at first with the modules below a depth folded, or as many as leave something to see."""
    # No "<" may end the script element or begin a comment, whatever a module or a docstring is called.
    text = json.dumps(data(picture, direction, depth), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return _PAGE.format(
        policy=_POLICY, title=html.escape(picture.title), data=text,
        style=_part("explorer.css"), program=_part("explorer.js"),
    )  # fmt: skip


def _part(name: str) -> str:
    return (files(__package__) / "explorer" / name).read_text(encoding="utf-8")


def data(picture: Picture, direction: str = "TB", depth: int | None = None) -> dict[str, Any]:
    """The picture, and what there is to say about each node, as plain dicts, lists and strings."""
    found: list[Box] = [picture.page]
    for box in found:  # grows
        found += [part for part in box.content if isinstance(part, Box)]
    boxes = {box: at - 1 for at, box in enumerate(found)}  # the page is -1
    ids = {item: at for at, item in enumerate(picture.page.items())}
    gradients = _gradients(list(ids))
    forward = any(arrow.kind == "data" for arrow in picture.arrows)
    back = picture.backward() if forward else set()  # .grad is no parameter, unless there is nothing else
    return {
        "title": picture.title,
        "direction": direction,
        "depth": depth,
        "boxes": [
            {
                "id": boxes[box], "parent": boxes[box.parent], "title": box.title, "path": box.path,
                "level": box.level,
                "parameters": parameters(item for item in box.items() if item not in back),
            }
            for box in found[1:]
            if box.parent is not None
        ],
        "items": [
            {"id": at, "box": boxes[item.box]} | _item(item, gradients) for item, at in ids.items()
        ],
        "arrows": [
            {
                "tail": ids[arrow.tail], "head": ids[arrow.head], "kind": arrow.kind,
                "label": "" if arrow.shape is None else dims(arrow.shape), "story": arrow.story,
            }
            for arrow in picture.arrows
        ],
    }  # fmt: skip


def _item(item: Item, gradients: dict[Node, np.ndarray]) -> dict[str, Any]:
    known: dict[str, Any] = {
        "kind": item.kind, "title": item.title, "small": item.small, "family": item.family,
        "story": item.story, "note": item.note.replace("\n", " · "), "heat": item.heat,
        "shape": None if item.shape is None else dims(item.shape), "images": [], "numbers": [],
    }  # fmt: skip
    if item.image is not None:
        known["images"].append({"caption": item.note, "png": base64.b64encode(item.image).decode()})
    node = item.node
    if not isinstance(node, Node) or item.kind == "output":
        return known
    known["explained"] = explain(node).data()
    if isinstance(node, WatchedNode):
        known["numbers"].append({"name": "result"} | array_data(node.result))
        known["seconds"], known["rule_seconds"] = node.seconds, node.rule_seconds
        _show(known, "result, first example", node.result)
    elif node.op is None and node.sink is not None and (leaf := node.sink()) is not None and leaf.ndim == 4:
        _show(known, "filters, first channel", leaf.array[None, :, 0])
    if node in gradients:
        known["numbers"].append({"name": "gradient"} | array_data(gradients[node]))
        g = gradients[node]
        _show(known, *(("gradient, first example", g) if node.op else ("gradient", g[None])))
    return known


def _show(known: dict[str, Any], caption: str, array: np.ndarray) -> None:
    if array.dtype.kind == "f" and array.ndim > 1 and array[:1].size >= 4:
        image = base64.b64encode(thumbnail(array, _TILES, clear=True)).decode()
        known["images"].append({"caption": caption, "png": image})


def _gradients(items: list[Item]) -> dict[Node, np.ndarray]:
    """d(output)/d(result) of every node, where the output is one number whose graph is still there."""
    roots = [item.node for item in items if item.kind == "output" and item.node is not None]
    if not roots or any(root.shape for root in roots):
        return {}
    try:
        return engine.gradients_at(
            [tensor_of(root) for root in roots], {item.node for item in items if item.node is not None}
        )
    except GraphError:  # backward has used it up
        return {}

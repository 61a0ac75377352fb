"""Pictures of the tape: what was computed, by which module, on which shapes.

    graph(loss, names={"x": x})               a Drawing: shows itself in notebooks, has .dot and .save(path)
    graph.draw(loss)                          the same
    graph.render(loss, "graph.svg")           the same, straight into a file
    graph.to_dot(loss, names={"loss": loss})  the text in Graphviz's language
    graph.save_html(loss, "graph.html")       a page to explore it in: fold, search, click for the numbers
    graph.explain(h, loss)                    one op: its formula, its rule's source, the numbers
    graph.summary(model, (1, 1, 28, 28))      a table: shapes, parameters, multiply-adds, receptive fields

`dot.py` and `explain.py` read the tape, `source.py` the sources; `render.py` runs Graphviz.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .drawing import Drawing, draw, draw_call, render, save_html, to_dot
from .explain import Explanation, explain
from .layers import SummaryRow
from .summary import Summary, summary
from .watching import watched

__all__ = [
    "Drawing", "Explanation", "Summary", "SummaryRow", "draw", "draw_call", "explain", "render", "save_html",
    "summary", "to_dot", "watched",
]  # fmt: skip


class _Room(ModuleType):
    """A module that is called as its main function."""

    def __call__(self, tensors: Any, **options: Any) -> Drawing:
        return draw(tensors, **options)


sys.modules[__name__].__class__ = _Room

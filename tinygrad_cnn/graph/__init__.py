"""Pictures of the tape: what was computed, by which module, on which shapes.

    graph.draw(loss)                          a Drawing: shows itself in notebooks, has .dot and .save(path)
    graph.render(loss, "graph.svg")           the same, straight into a file
    graph.to_dot(loss, names={"loss": loss})  the text in Graphviz's language
    graph.save_html(loss, "graph.html")       a page to explore it in: fold, search, click for the numbers
    graph.explain(h, loss)                    one op: its formula, its rule's source, the numbers
    graph.summary(model, (1, 1, 28, 28))      a table: shapes, parameters, multiply-adds, receptive fields

`dot.py` and `explain.py` read the tape, `source.py` the sources; `render.py` runs Graphviz.
"""

from __future__ import annotations

from .drawing import Drawing, draw, draw_call, render, save_html, to_dot
from .explain import Explanation, explain
from .layers import SummaryRow
from .summary import Summary, summary
from .watching import watched

__all__ = [
    "Drawing", "Explanation", "Summary", "SummaryRow", "draw", "draw_call", "explain", "render", "save_html",
    "summary", "to_dot", "watched",
]  # fmt: skip

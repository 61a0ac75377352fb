"""Pictures of the tape: what was computed, by which module, on which shapes.

    graph.draw(loss)                          a Drawing: shows itself in notebooks, has .dot and .save(path)
    graph.render(loss, "graph.svg")           the same, straight into a file
    graph.to_dot(loss, names={"loss": loss})  the text in Graphviz's language

`dot.py` reads the tape, `render.py` runs Graphviz; neither computes anything.
"""

from __future__ import annotations

from .drawing import Drawing, draw, draw_call, render, to_dot
from .watching import watched

__all__ = ["Drawing", "draw", "draw_call", "render", "to_dot", "watched"]

"""The table of docs/kinks.md: what gradcheck says at kinks and ties, PyTorch's and ours, each by being asked.

    python tests/parity/kinks_page.py

test_gradcheck_parity.py holds the page to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "kinks.md"
TABLE = re.compile(r"(?<=<!-- table -->\n\n).*?(?=\n\n<!-- end -->)", re.S)


def with_gradient(t: Any, forward: Callable[[Any], Any], gradient: list[float]) -> Callable[[Any], Any]:
    """A function that claims these numbers, times g, to be its gradient; in either library."""

    class Claimed(t.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return forward(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * t.tensor(gradient, dtype=t.float64)

    return Claimed.apply


def F(t: Any) -> Any:
    return t.nn.functional


# what -> (function of a library that makes the function of x, x, why)
Made = Callable[[Any], Callable[[Any], Any]]
ROWS: dict[str, tuple[Made, list[Any], str]] = {
    "`relu` at 0": (lambda t: t.relu, [0.0, 1.0], "0 is a slope between 0 and 1"),
    "`abs` at 0": (lambda t: t.abs, [0.0, 1.0], "0 is between -1 and 1"),
    "`leaky_relu` at 0": (lambda t: F(t).leaky_relu, [0.0, 1.0], "0.01 is the left slope"),
    "`hardtanh` at 1": (lambda t: F(t).hardtanh, [1.0, 0.5], "0 is the right slope"),
    "`clamp(max=1)` at 1": (lambda t: lambda x: x.clamp(max=1), [1.0, 0.5], "1 is the left slope"),
    "`l1_loss` without error": (
        lambda t: lambda x: F(t).l1_loss(x, t.zeros_like(x)),
        [0.0, 1.0],
        "0 is between -1/2 and 1/2",
    ),
    "`norm` of zeros": (lambda t: lambda x: x.norm(), [0.0, 0.0, 0.0], "0 is in the unit ball"),
    "`max_pool1d` of equals": (
        lambda t: lambda x: F(t).max_pool1d(x, 2),
        [[[1.0, 1.0, 2.0, 2.0]]],
        "all to one winner",
    ),
    "`amax` of equals": (lambda t: lambda x: x.amax(), [1.0, 1.0, 1.0, 0.0], "a third to each winner"),
    "`amax` of two equals": (lambda t: lambda x: x.amax(), [1.0, 1.0, 0.0], "half to each: the mean slope"),
    "`max(dim=0)` of equals": (lambda t: lambda x: x.max(dim=0)[0], [1.0, 1.0, 0.0], "all to one winner"),
    "`minimum` of equals": (
        lambda t: lambda x: t.minimum(x[:1], x[1:]),
        [1.0, 1.0],
        "half to each: the mean slope",
    ),
    "`median` of equals": (lambda t: lambda x: x.median(), [1.0, 1.0, 1.0], "all to one of them"),
    "`sort` of equals": (lambda t: lambda x: x.sort()[0], [1.0, 1.0, 0.0], "each to one of them"),
    "`x ** 1.5` at 0": (lambda t: lambda x: x**1.5, [0.0, 1.0], "0 is the slope on the side where it is"),
    "slope 1/2 of `relu` at 0": (
        lambda t: with_gradient(t, t.relu, [0.5, 1.0]),
        [0.0, 1.0],
        "between 0 and 1",
    ),
    "slope 2 of `relu` at 0": (lambda t: with_gradient(t, t.relu, [2.0, 1.0]), [0.0, 1.0], "**wrong**"),
    "1 to each of two winners": (
        lambda t: with_gradient(t, lambda x: x.max(), [1.0, 1.0, 0.0]),
        [1.0, 1.0, 0.0],
        "**wrong**: the shares add up to 2",
    ),
    "1/2 to each of three winners": (
        lambda t: with_gradient(t, lambda x: x.max(), [0.5, 0.5, 0.5]),
        [1.0, 1.0, 1.0],
        "**wrong**: the shares add up to 3/2; each coordinate's mean slope is 1/2",
    ),
    "nothing for a `median` of equals": (
        lambda t: with_gradient(t, lambda x: x.median(), [0.0, 0.0, 0.0]),
        [1.0, 1.0, 1.0],
        "**wrong**: all together move it; each alone does not",
    ),
    "`relu(x) - relu(-x)` at 0": (
        lambda t: lambda x: t.relu(x) - t.relu(-x),
        [0.0, 1.0],
        "**wrong**: it is x, and the chain rule gives 0",
    ),
    "`sqrt` at 0": (lambda t: t.sqrt, [0.0, 1.0], "the slope has no bound"),
    "`round` at 1/2": (lambda t: t.round, [0.5, 0.2], "it jumps"),
}


def verdicts(made: Made, x: list[Any]) -> tuple[bool, bool, bool]:
    """(PyTorch's gradcheck, ours, ours of PyTorch's function); without their warnings."""
    import torch

    import tinygrad_cnn as tg
    from tinygrad_cnn.testing import gradcheck

    def theirs() -> Any:
        return torch.tensor(x, dtype=torch.float64, requires_grad=True)

    return (
        torch.autograd.gradcheck(made(torch), theirs(), raise_exception=False),
        gradcheck(made(tg), np.array(x), raise_exception=False),
        gradcheck(made(torch), theirs(), raise_exception=False),
    )


def table() -> str:
    """The table in Markdown."""
    lines = ["| Gradient | PyTorch's gradcheck | Ours | Why |", "|---|---|---|---|"]
    for what, (made, x, why) in ROWS.items():
        said = ["passes" if verdict else "fails" for verdict in verdicts(made, x)]
        lines.append(f"| {what} | {said[0]} | {said[1]} | {why} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path[:0] = [str(PAGE.parents[1])]
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")

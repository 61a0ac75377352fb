"""One node of the tape, for a reader: what it computed, its rule as it stands in the sources, the numbers.

`explain` gathers the facts, once, as rows; the terminal and the notebook show the same rows.
"""

from __future__ import annotations

import html
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log10
from typing import Any, cast

import numpy as np

from ..engine import grad, pulled_through
from ..errors import GraphError
from ..geometry import Windows
from ..op import Op, wrap
from ..tape import Node, Scope
from ..tensor import Parameter, Tensor, _tensor
from ..tensor.text import numbers
from .forward import details, input_name, saved
from .source import rule_source

__all__ = ["Explanation", "array_data", "explain", "tensor_of"]

WIDTH = 80
_SMALL = 64  # numbers that are shown in full
_MANY = 6  # inputs, of which all are shown
_BINS = 16
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _Row:
    """A named thing: what it is, and the array or the code."""

    name: str
    what: str
    array: Any = None
    code: str | None = None


@dataclass(frozen=True)
class Explanation:
    """What `explain` found out; it shows itself in a terminal and in a notebook.

    Attributes:
        title: the op.
        where: the module that ran it, or "".
        about: what the op does.
        call: the op with its inputs.
        facts: the options worth seeing; how the sizes of windows come about.
        sections: (heading, rows).
    """

    title: str
    where: str
    about: str
    call: str
    facts: tuple[str, ...]
    sections: tuple[tuple[str, tuple[_Row, ...]], ...]

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        yield _ruled(self.title, self.where)
        yield from textwrap.wrap(self.about, WIDTH)
        if self.call:
            yield from ("", self.call, *(f"  {fact}" for fact in self.facts))
        margin = 2 + max([len(row.name) for _, rows in self.sections for row in rows], default=0) + 2
        for heading, rows in self.sections:
            yield from ("", _ruled(heading))
            for row in rows:
                first, *more = _text_of(row, WIDTH - margin)
                yield f"  {row.name}".ljust(margin) + first
                yield from (" " * margin + line for line in more)

    def data(self) -> dict[str, Any]:
        """The same as plain dicts, lists and strings, for `json.dumps`."""
        sections = [
            {"heading": heading, "rows": [_data_of(row) for row in rows]} for heading, rows in self.sections
        ]
        return {
            "title": self.title, "where": self.where, "about": self.about, "call": self.call,
            "facts": list(self.facts), "sections": sections,
        }  # fmt: skip

    def _repr_html_(self) -> str:
        head = f"<header><b>{_e(self.title)}</b><span>{_e(self.where)}</span></header>"
        parts = [head, f"<p>{_e(self.about)}</p>"]
        if self.call:
            parts.append("<pre>" + _e("\n  ".join([self.call, *self.facts])) + "</pre>")
        for heading, rows in self.sections:
            cells = "".join(
                f"<tr><th>{_e(row.name)}</th><td>{'<br>'.join(_html_of(row))}</td></tr>" for row in rows
            )
            parts.append(f"<h4>{_e(heading)}</h4><table>{cells}</table>")
        return f'<div class="tg-explain"><style>{_STYLE}</style>{"".join(parts)}</div>'


def explain(tensor: Tensor | Node, loss: Tensor | None = None) -> Explanation:
    """Explain how a tensor was computed, and how a gradient goes back through that.

    Shows the op's formula, the sizes, the rule of each input as it stands in the sources, what is kept for
    backward and how many bytes, and the numbers: small arrays in full, of large ones range and histogram.

    Args:
        tensor: what to explain: the one op that made it.  For the op before it, give that op's node:
            `x.node.parents[0]`.
        loss: what to differentiate; then the gradient that arrives and those that leave are shown as well.
            No `.grad` changes, and the graph is kept.

    Raises:
        DtypeError: something that is no Tensor.
        GraphError: a loss that does not depend on this tensor, or whose graph has been used up already.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 2.0], requires_grad=True)
    >>> explain(x.relu())
    ─ relu ─────────────────────────────────────────────────────────────────────────
    max(x, 0); the derivative at 0 is taken as 0.
    <BLANKLINE>
    out = relu(x)
    <BLANKLINE>
    ─ forward ──────────────────────────────────────────────────────────────────────
      x    (2,) float32 · not kept, no rule asks for it
           [-1.,  2.]
      out  (2,) float32 · kept for backward, 8 bytes
           [0., 2.]
    <BLANKLINE>
    ─ backward ─────────────────────────────────────────────────────────────────────
      x    lambda g, out: relu_grad(g, out)
    """
    gone = False  # the result: of a node alone, nobody may have it any more
    if isinstance(tensor, Node):
        gone = tensor.op is not None and saved(tensor, len(tensor.parents)) is None
        tensor = tensor_of(tensor)
    for name, x in (("tensor", tensor), ("loss", loss)):
        if name == "tensor" or x is not None:
            _tensor("explain", x, name)
    node = tensor.node
    if node is None or node.op is None:
        return _of_leaf(tensor, loss)
    op = node.op
    names = [input_name(node, index) for index in range(len(node.parents))]
    shown = _some(names)
    rows = [
        _Row(name, f"{len(names) - 4} more")
        if name == "..."
        else _Row(name, *_input(node, names.index(name)))
        for name in shown
    ]
    rows += [
        _Row(name, f"{_array(x)} · kept for backward, {x.nbytes:,} bytes", x)
        for name, x in node.attrs.items()
        if isinstance(x, np.ndarray)
    ]
    rows.append(_Row("out", _array(tensor) + _kept(node, len(names)), None if gone else tensor.array))
    sections = [("forward", tuple(rows)), ("backward", tuple(_rules(node, names)))]
    if loss is not None:
        sections.append(("the gradient of the loss", tuple(_gradients(tensor, node, names, loss))))
    return Explanation(
        title=op.name,
        where="" if node.scope is None else str(node.scope),
        about=_summary(op),
        call=f"out = {op.name}({', '.join(shown)})",
        facts=(*textwrap.wrap(details(node), WIDTH - 2), *_sizes(node.attrs.get("geom"))),
        sections=tuple(sections),
    )


def tensor_of(node: Node) -> Tensor:
    """A tensor at this place on the tape: with its value where a rule keeps it, else with zeros."""
    if node.op is None and node.sink is not None and (leaf := node.sink()) is not None:
        return cast(Tensor, leaf)
    value = saved(node, len(node.parents))
    return wrap(np.broadcast_to(np.zeros((), node.dtype), node.shape) if value is None else value, node)


def _of_leaf(tensor: Tensor, loss: Tensor | None) -> Explanation:
    """A tensor that no op made, or none that was recorded."""
    kind = "parameter" if isinstance(tensor, Parameter) else "leaf" if tensor.node else "no node"
    about = (
        "No op made it: backward ends here, and adds what arrives into .grad."
        if tensor.node
        else "It is not on the tape: nothing that it was computed from requires grad, or it was computed "
        "inside no_grad(). Backward does not come here."
    )
    rows = [_Row("value", _array(tensor), tensor.array)]
    if tensor.grad is not None:
        rows.append(_Row(".grad", _array(tensor.grad), tensor.grad.array))
    sections = [("numbers", tuple(rows))]
    if loss is not None:
        (g,) = grad(loss, tensor, retain_graph=True)
        sections.append(("the gradient of the loss", (_Row("g", _array(g), g.array),)))
    return Explanation(kind, "", about, "", (), tuple(sections))


# --- facts about a node ----------------------------------------------------------------------------------


def _summary(op: Op) -> str:
    """The first paragraph of the docstring."""
    return " ".join(inspect.cleandoc(op.__doc__ or "").partition("\n\n")[0].split())


def _array(x: Any) -> str:
    return f"{x.shape} {x.dtype}"


def _kept(node: Node, index: int) -> str:
    """Whether the rules keep an input, or the result."""
    if node.plan is None or index not in node.plan.save:
        return " · not kept, no rule asks for it"
    if type(node.saved) is not tuple:
        return " · was kept, and released by backward"
    return f" · kept for backward, {getattr(saved(node, index), 'nbytes', 0):,} bytes"


def _input(node: Node, index: int) -> tuple[str, Any]:
    """What an input is, and its array where somebody still has it."""
    parent, value = node.parents[index], saved(node, index)
    tensor = parent.sink() if parent is not None and parent.op is None and parent.sink is not None else None
    if value is None and tensor is not None:
        value = tensor.array
    if parent is not None:
        what = f"{parent.shape} {parent.dtype}"
    elif isinstance(value, np.ndarray):
        what = f"{_array(value)}, needs no gradient"
    else:
        shape = node.attrs.get(f"{input_name(node, index)}_shape", "")
        return f"{shape} a number" if value is not None else f"{shape} needs no gradient".lstrip(), value
    result_of_an_op = parent is not None and parent.op is not None
    if not result_of_an_op and (name := _member(node.scope, tensor, value)):
        what += f" · {name}"
    return what + _kept(node, index), value


def _member(scope: Scope | None, tensor: Any, array: Any) -> str | None:
    """What a running module calls this parameter or buffer."""
    while scope is not None:
        module = scope.module()
        for name, member in (*module.named_parameters(), *module.named_buffers()) if module else ():
            if member is tensor or member.array is array:
                return str(name)
        scope = scope.parent
    return None


def _some(names: list[str]) -> list[str]:
    """Of many inputs, such as `cat` has, the first and the last."""
    return names if len(names) <= _MANY else [*names[:3], "...", names[-1]]


def _rules(node: Node, names: list[str]) -> Iterator[_Row]:
    """The rule of each input that needs a gradient; one that several share is shown once."""
    op = cast(Op, node.op)
    own = getattr(op.function, "backward", None)  # of an autograd.Function
    for indices, rule, _ in node.plan.rows:
        rule = own or getattr(rule, "rule", rule)  # what detect_anomaly put around it
        asked = [names[i] for i in indices if node.parents[i] is not None]
        name = ", ".join(asked) if len(asked) < 4 else f"{asked[0]} .. {asked[-1]}"
        yield _Row(name, "", code=rule_source(rule) or "(no source: it was typed at a prompt)")
    for index, name in enumerate(names):
        if node.parents[index] is None and name in _some(names):
            yield _Row(name, "needs no gradient")


def _gradients(tensor: Tensor, node: Node, names: list[str], loss: Tensor) -> Iterator[_Row]:
    (g,) = grad(loss, tensor, retain_graph=True, allow_unused=True)
    if g is None:
        raise GraphError(
            f"explain: the loss {loss.shape} does not depend on this tensor {tensor.shape}; pass the loss "
            "that was computed from it"
        )
    yield _Row("g", f"{_array(g)} · arrives", g.array)
    for index, part in pulled_through(node, g.array):
        if names[index] in _some(names):
            yield _Row(names[index], f"{_array(part)} · leaves", part)


def _sizes(geom: Any) -> Iterator[str]:
    """How many windows fit, axis by axis: the formula with its numbers."""
    if not isinstance(geom, Windows):
        return
    lines = []
    for n, f, s, (before, after), d, out in geom.axes():
        span = f"{f}" if d == 1 else f"({d}·({f} - 1) + 1)"
        lines.append(f"⌊({n} + {before} + {after} - {span}) / {s}⌋ + 1 = {out}")
    yield "windows ⌊(n + p + p' - f) / s⌋ + 1"
    for axis, line in zip("DHW"[-len(lines) :], lines, strict=True):
        yield f"  {axis}  {line}"


# --- arrays ----------------------------------------------------------------------------------------------


def _is_small(a: np.ndarray) -> bool:
    return a.size <= _SMALL


def _statistics(a: np.ndarray) -> list[str]:
    """Range, mean, shares of zeros and of what is not finite."""
    parts = []
    finite = a[np.isfinite(a)].astype(np.float64)
    if finite.size:
        parts = [f"{f.__name__} {f(finite):.4g}" for f in (np.min, np.mean, np.max)]
    zeros = np.count_nonzero(a == 0) / a.size
    if zeros:
        parts.append(f"{zeros:.0%} zeros")
    parts += [f"{n} {what}" for what, f in (("NaN", np.isnan), ("Inf", np.isinf)) if (n := int(f(a).sum()))]
    return parts


def _histogram(a: np.ndarray) -> list[int]:
    finite = a[np.isfinite(a)].astype(np.float64)
    if not finite.size or finite.min() == finite.max():
        return []
    return [int(n) for n in np.histogram(finite, _BINS)[0]]


def _text_of(row: _Row, width: int) -> Iterator[str]:
    if row.code is not None:
        yield from (piece for line in row.code.splitlines() for piece in _folded(line, width))
        return
    if row.what:
        yield row.what
    if not isinstance(row.array, (np.ndarray, np.generic)):
        if row.array is not None:
            yield f"{row.array}"
        return
    a = np.asarray(row.array)
    if not a.size:
        return
    lines = numbers(a, width).splitlines()
    if _is_small(a) and max(map(len, lines)) <= width and len(lines) <= 24:
        yield from lines
        return
    counts = _histogram(a)
    highest = max(counts, default=1)
    bars = "".join(_BARS[ceil(n / highest * 8) - 1] if n else " " for n in counts)
    words = "  ".join(_statistics(a))
    if not bars:
        yield words
    elif len(words) + _BINS + 4 <= width:
        yield f"{words}  ▏{bars}▕"
    else:
        yield from (words, f"▏{bars}▕")


def _data_of(row: _Row) -> dict[str, Any]:
    found: dict[str, Any] = {"name": row.name, "what": row.what}
    if row.code is not None:
        found["code"] = row.code
    elif row.array is not None:
        found |= array_data(row.array)
    return found


def array_data(array: Any) -> dict[str, Any]:
    """Small arrays in full as `numbers`, of large ones `words` (range, mean, ...) and `bars`, the histogram.

    >>> array_data(np.array([1.0, 2.0]))
    {'numbers': '[1., 2.]'}
    >>> array_data(np.arange(99.0))["words"]
    'min 0, mean 49, max 98, 1% zeros'
    """
    a = np.asarray(array)
    if not a.size:
        return {}
    if _is_small(a):
        return {"numbers": numbers(a, 48)}
    return {"words": ", ".join(_statistics(a)), "bars": _histogram(a)}


def _folded(line: str, width: int) -> list[str]:
    indent = len(line) - len(line.lstrip())
    return textwrap.wrap(
        line, width, initial_indent="", subsequent_indent=" " * (indent + 4), drop_whitespace=True,
        break_long_words=False, break_on_hyphens=False,
    ) or [""]  # fmt: skip


def _ruled(left: str, right: str = "") -> str:
    head = f"─ {left} "
    tail = f" {right} ─" if right else ""
    return head + "─" * max(1, WIDTH - len(head) - len(tail)) + tail


# --- notebooks -------------------------------------------------------------------------------------------
# No colour of its own for text or background, so that the page may be light or dark: rules and tints are
# half transparent.

_STYLE = """
.tg-explain{font:13px/1.5 system-ui,sans-serif;max-width:52em;margin:.6em 0;
border:1px solid #8886;border-radius:6px;padding:.6em 1em}
.tg-explain header{display:flex;justify-content:space-between;border-bottom:2px solid #e69f00;
padding-bottom:.2em}
.tg-explain header b{font-size:1.25em}.tg-explain header span{opacity:.7}
.tg-explain p{margin:.5em 0}
.tg-explain h4{margin:.9em 0 .2em;font-size:.8em;letter-spacing:.06em;text-transform:uppercase;opacity:.65}
.tg-explain pre,.tg-explain code{font:12px/1.45 ui-monospace,Menlo,Consolas,monospace;background:#8881;
white-space:pre-wrap;border-radius:4px;padding:.3em .5em;margin:.2em 0;display:block;text-align:left}
.tg-explain table{border-collapse:collapse;margin:0;width:100%}
.tg-explain tr{background:none!important}
.tg-explain>table>tbody>tr{border-top:1px solid #8883}
.tg-explain>table>tbody>tr>th{font:600 12px ui-monospace,Menlo,monospace;vertical-align:baseline;
text-align:left;padding:.4em 1em .4em 0;white-space:nowrap;width:3em}
.tg-explain td{text-align:left!important;padding:.35em 0;vertical-align:baseline}
.tg-explain small{opacity:.75;font-size:12px}
.tg-explain .tg-planes{display:flex;flex-wrap:wrap;gap:.7em;margin:.25em 0}
.tg-explain .tg-planes table{width:auto}
.tg-explain .tg-planes td{font:12px ui-monospace,Menlo,monospace;text-align:right!important;
padding:.15em .5em;border:1px solid #8883}
.tg-explain .tg-bars{display:inline-flex;align-items:flex-end;height:26px;gap:1px;margin-left:1em;
vertical-align:bottom}
.tg-explain .tg-bars i{width:7px;background:#3d9bdc;border-radius:1px 1px 0 0}
"""


def _e(text: Any) -> str:
    return html.escape(str(text))


def _html_of(row: _Row) -> Iterator[str]:
    if row.code is not None:
        yield f"<code>{_e(row.code)}</code>"
        return
    if row.what:
        yield f"<small>{_e(row.what)}</small>"
    if not isinstance(row.array, (np.ndarray, np.generic)):
        if row.array is not None:
            yield _e(row.array)
        return
    a = np.asarray(row.array)
    if not a.size:
        return
    if _is_small(a):
        yield _planes(a)
        return
    counts = _histogram(a)
    highest = max(counts, default=1)
    bars = "".join(f'<i style="height:{max(1, round(26 * n / highest)) if n else 0}px"></i>' for n in counts)
    words = f"<small>{_e(' · '.join(_statistics(a)))}</small>"
    yield words + (f'<span class="tg-bars">{bars}</span>' if bars else "")


def _planes(a: np.ndarray) -> str:
    """The last two axes as tables, side by side; the larger a number, the deeper its tint."""
    rows = a.reshape((-1, *(1, 1, *a.shape)[-2:]))
    finite = np.abs(a[np.isfinite(a)].astype(np.float64))
    top = finite.max(initial=0) or 1.0
    whole = a.dtype.kind != "f" or bool((finite == np.trunc(finite)).all())
    digits = 0 if whole else max(0, 3 - ceil(log10(top)))
    form = f"{{:.{digits}f}}" if digits < 6 and top < 1e6 else "{:.2e}"

    def cell(x: Any) -> str:
        if a.dtype.kind == "b" or not np.isfinite(x):
            return f"<td>{x}</td>"
        hue = "230,159,0" if x > 0 else "61,155,220"
        return f'<td style="background:rgba({hue},{abs(x) / top * 0.6:.2f})">{form.format(x)}</td>'

    tables = (
        "<table>" + "".join("<tr>" + "".join(map(cell, line)) + "</tr>" for line in plane) + "</table>"
        for plane in rows
    )
    return f'<div class="tg-planes">{"".join(tables)}</div>'

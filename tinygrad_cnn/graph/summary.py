"""What a model is made of, layer by layer: shapes, parameters, costs, how far each layer sees, memory, time.

    summary(model, (1, 1, 28, 28))          print it, or let a notebook show it; `.rows` has the numbers

The model runs once on the tape, and everything is read off there (`measures.py` counts), so what is shown
is what ran: functions without a module of their own, shared layers, ways that part and join.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, DtypeError
from ..nn import Module
from ..op import get_default_dtype
from ..random import default_generator, seeded
from ..tape import enable_grad
from ..tensor import Tensor
from .layers import Run, SummaryRow
from .overlays import size
from .watching import as_it_was, watched

__all__ = ["Summary", "summary"]

WIDTH = 100
_LEAST = 16  # columns for the names


@dataclass(frozen=True)
class Summary:
    """What `summary` found out; `print` shows it, and so does a notebook.

    Attributes:
        rows: one for each call of a module in order, the model first, and each function with connections.
        columns: those to show.
        depth: how deep to show.
        unreached: (name, size) of each parameter that asks for a gradient, and gets none from the outputs.
    """

    rows: tuple[SummaryRow, ...]
    columns: tuple[str, ...]
    depth: int | None = None
    unreached: tuple[tuple[str, int], ...] = ()

    @property
    def total_params(self) -> int:
        return self.rows[0].params

    @property
    def trainable_params(self) -> int:
        return self.rows[0].trainable

    @property
    def total_mult_adds(self) -> int:
        return self.rows[0].mult_adds

    def __str__(self) -> str:
        rows = self._shown()
        heads = [_COLUMNS[name].heading.split("\n") for name in self.columns]
        cells = [[_COLUMNS[name].text(row) for row in rows] for name in self.columns]
        widths = [max(map(len, (*head, *column))) for head, column in zip(heads, cells, strict=True)]
        room = max(_LEAST, WIDTH - sum(widths) - 2 * len(widths))
        tree = [f"{branch}{row.title}" for branch, row in zip(_branches(rows), rows, strict=True)]
        first = min(room, max(map(len, tree)))
        lines = [
            self._line("layer"[: 5 * at], [("", *head)[len(head) - 1 + at] for head in heads], first, widths)
            for at in (0, 1)
        ]
        rule = "─" * (first + sum(widths) + 2 * len(widths))
        lines += [rule]
        for at, name in enumerate(tree):
            short = name if len(name) <= first else f"{name[: first - 1]}…"
            lines.append(self._line(short, [column[at] for column in cells], first, widths))
        return "\n".join((*lines, rule, *self._totals()))

    __repr__ = __str__

    def _line(self, name: str, cells: Sequence[str], first: int, widths: Sequence[int]) -> str:
        parts = [
            cell.ljust(width) if column in _LEFT else cell.rjust(width)
            for column, cell, width in zip(self.columns, cells, widths, strict=True)
        ]
        return "  ".join((name.ljust(first), *parts)).rstrip()

    def _repr_html_(self) -> str:
        rows = self._shown()
        heads = "".join(f"<th{_side(name)}>{_COLUMNS[name].line}</th>" for name in self.columns)
        lines = []
        for branch, row in zip(_branches(rows), rows, strict=True):
            kind = "" if row.kind in ("", row.name) else f" <i>{html.escape(row.kind)}</i>"
            cells = "".join(f"<td{_side(name)}>{_COLUMNS[name].text(row)}</td>" for name in self.columns)
            lines.append(f"<tr><th><s>{branch}</s>{html.escape(row.name)}{kind}</th>{cells}</tr>")
        totals = "<br>".join(html.escape(line) for line in self._totals())
        table = f"<table><tr><th>layer</th>{heads}</tr>{''.join(lines)}</table>"
        return f'<div class="tg-summary"><style>{_STYLE}</style>{table}<pre>{totals}</pre></div>'

    def _shown(self) -> list[SummaryRow]:
        return [row for row in self.rows if self.depth is None or row.depth <= self.depth]

    def _totals(self) -> Iterator[str]:
        model, frozen = self.rows[0], self.total_params - self.trainable_params
        yield f"parameters     {model.params:,}: {model.trainable:,} trainable, {frozen:,} frozen"
        if self.unreached:
            names = ", ".join(name for name, _ in self.unreached[:3])
            more = f" and {len(self.unreached) - 3} more" if len(self.unreached) > 3 else ""
            count = sum(size for _, size in self.unreached)
            yield f"no gradient    {count:,}, unused by the outputs: {names}{more}"
        yield f"multiply-adds  {model.mult_adds:,}"
        yield f"kept           {size(model.kept)} for backward, parameters aside"
        if model.forward_ms is not None:
            yield f"measured       forward {model.forward_ms:.1f} ms, backward {model.backward_ms:.1f} ms"
        below = zip(self.rows, (*self.rows[1:], None), strict=True)
        convs = [
            row for row, after in below if row.dense_params and (after is None or after.depth <= row.depth)
        ]
        own = sum(row.params for row in convs)
        if own:
            times = f"{model.dense_params / own:,.0f} times as many"
            yield (
                f"as dense       the {_count(own)} of the convolutions would be "
                f"{_count(model.dense_params)}: {times}"
            )


def summary(
    model: Module,
    input_size: Any = None,
    *,
    input: Any = None,
    columns: Sequence[str] | None = None,
    depth: int | None = 3,
    time: bool = False,
    dtype: Any = None,
) -> Summary:
    """Run a model once, in the mode that it is in, and tell what each layer is and takes.

    Nothing changes for it: buffers such as running statistics, the state of the random numbers and every
    `.grad` are as before.  (Lazy layers get their shapes, as by any first run.)

    Args:
        model: any Module.
        input_size: the shape of the input, the batch with it; several in a list.  The model then gets random
            numbers.
        input: or the input itself: a tensor, several in a tuple or list, or by name in a dict.
        columns: what to show, of the attributes of `SummaryRow`: by default what fits into 100 columns.
        depth: how deep to show modules in modules; None shows all.
        time: measure forward and backward as well: the best of three runs after one to warm up.
        dtype: of the random numbers; by default the first parameter's.  Integers are zeros.

    Returns:
        A Summary: a table when printed or last in a notebook's cell; its `.rows` has the numbers.  What they
        mean, formula by formula, is at the head of `tinygrad_cnn.graph.measures`.

    Raises:
        ArgumentError: no input or two of them, a shape that is none, an unknown column.
        DtypeError: a model that is no Module.

    >>> import tinygrad_cnn as tg
    >>> net = tg.nn.Sequential(tg.nn.Conv2d(1, 6, 5), tg.nn.ReLU(), tg.nn.MaxPool2d(2))
    >>> tg.summary(net, (1, 1, 28, 28), columns=["params", "receptive_field", "dense_params"])
                                receptive  would need
    layer           parameters      field    as dense
    ─────────────────────────────────────────────────
    Sequential             156          6   2,712,960
    ├ 0: Conv2d            156          5   2,712,960
    ├ 1: ReLU                           5
    └ 2: MaxPool2d                      6
    ─────────────────────────────────────────────────
    parameters     156: 156 trainable, 0 frozen
    multiply-adds  86,400
    kept           19.9 KB for backward, parameters aside
    as dense       the 156 of the convolutions would be 2,712,960: 17,391 times as many
    """
    if not isinstance(model, Module):
        raise DtypeError(
            f"summary: {type(model).__name__} is no Module; pass the model, then its input's shape"
        )
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ArgumentError(f"summary: depth is {depth!r}; 0 shows the model alone, None everything")
    if isinstance(columns, str):
        raise ArgumentError(f"summary: columns is {columns!r}; give a list, such as [{columns!r}]")
    names = _TIMED if columns is None and time else _USUAL if columns is None else tuple(columns)
    if unknown := [name for name in names if name not in _COLUMNS]:
        raise ArgumentError(f"summary: there is no column {unknown[0]!r}; there are {', '.join(_COLUMNS)}")
    best: list[SummaryRow] = []
    with as_it_was(model), seeded(0), enable_grad(), watched():
        args, kwargs = _inputs(model, input_size, input, dtype)
        for _ in range(4 if time else 1):
            run = Run(model, time)
            rows = run.rows(args, kwargs)
            if not best or _took(rows[0]) < _took(best[0]):
                best = rows
    return Summary(tuple(best), names, depth, run.unreached())


def _took(row: SummaryRow) -> float:
    return (row.forward_ms or 0.0) + (row.backward_ms or 0.0)


# --- the run -----------------------------------------------------------------------------------------------


def _inputs(model: Module, sizes: Any, given: Any, dtype: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if (sizes is None) == (given is None):
        raise ArgumentError(
            "summary: what the model runs on is needed once: input_size=(1, 3, 224, 224), or input=x"
        )
    if given is not None:
        if isinstance(given, Mapping):
            return (), dict(given)
        return (tuple(given) if isinstance(given, (tuple, list)) else (given,)), {}
    several = isinstance(sizes, (tuple, list)) and any(isinstance(part, (tuple, list)) for part in sizes)
    if dtype is None:
        floats = (p.dtype for p in model.parameters() if p.dtype.kind == "f")
        dtype = next(floats, get_default_dtype())
    tensors = []
    for shape in sizes if several else [sizes]:
        if not isinstance(shape, (tuple, list)) or not all(
            isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n > 0 for n in shape
        ):
            raise ArgumentError(
                f"summary: input_size {sizes!r:.60} is no shape; give ints, the batch first: (1, 3, 224, 224)"
            )
        values = (
            default_generator().standard_normal(shape) if np.dtype(dtype).kind == "f" else np.zeros(shape)
        )
        tensors.append(Tensor(values.astype(dtype)))
    return tuple(tensors), {}


# --- text --------------------------------------------------------------------------------------------------


def _branches(rows: Sequence[SummaryRow]) -> list[str]:
    """What stands before each name: the lines of the tree."""
    branches = [""] * len(rows)
    open_: set[int] = set()  # depths at which something follows
    for at in range(len(rows) - 1, -1, -1):
        depth = rows[at].depth
        open_ = {d for d in open_ if d <= depth}
        if depth:
            bars = ["│ " if d in open_ else "  " for d in range(1, depth)]
            branches[at] = "".join((*bars, "├ " if depth in open_ else "└ "))
        open_.add(depth)
    return branches


def _count(n: int) -> str:
    """A number as people say it: exact while it is short.

    >>> _count(122304), _count(1814073344), _count(0)
    ('122,304', '1.81 G', '')
    """
    if n < 10**7:
        return f"{n:,}" if n else ""
    power = min((len(str(n)) - 1) // 3, 5)
    return f"{n / 1000**power:.3g} {' kMGTP'[power]}"


def _axes(numbers: tuple[float, ...] | None) -> str:
    """One number if all axes have the same, else 3×5."""
    if numbers is None:
        return ""
    return "×".join(f"{n:g}" for n in (numbers[:1] if len(set(numbers)) == 1 else numbers))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "" if shape is None else str(shape)


@dataclass(frozen=True)
class _Column:
    heading: str  # in one or two lines
    text: Callable[[SummaryRow], str]

    @property
    def line(self) -> str:
        """The heading in one line."""
        return self.heading.replace("-\n", "-").replace("\n", " ")


_COLUMNS = {
    "input_shape": _Column("input shape", lambda row: _shape(row.input_shape)),
    "output_shape": _Column("output shape", lambda row: _shape(row.output_shape)),
    "kernel": _Column("window", lambda row: row.kernel),
    "params": _Column("parameters", lambda row: "shared" if row.shared else _count(row.params)),
    "trainable": _Column("trainable", lambda row: "shared" if row.shared else _count(row.trainable)),
    "mult_adds": _Column("multiply-\nadds", lambda row: _count(row.mult_adds)),
    "connections": _Column("connections", lambda row: _count(row.connections)),
    "dense_params": _Column("would need\nas dense", lambda row: _count(row.dense_params)),
    "receptive_field": _Column("receptive\nfield", lambda row: _axes(row.receptive_field)),
    "jump": _Column("jump", lambda row: _axes(row.jump)),
    "kept": _Column("kept", lambda row: size(row.kept) if row.kept else ""),
    "forward_ms": _Column("forward\nms", lambda row: _ms(row.forward_ms)),
    "backward_ms": _Column("backward\nms", lambda row: _ms(row.backward_ms)),
}
_USUAL = ("output_shape", "params", "mult_adds", "receptive_field", "kept", "dense_params")
_TIMED = ("output_shape", "params", "mult_adds", "kept", "forward_ms", "backward_ms")
_LEFT = ("input_shape", "output_shape", "kernel")


def _side(column: str) -> str:
    return ' class="left"' if column in _LEFT else ""


# No colours of text or page of its own: the notebook may be light or dark.
_STYLE = """
.tg-summary{font:13px/1.45 system-ui,sans-serif;overflow-x:auto}
.tg-summary table{border-collapse:collapse;margin:.4em 0}
.tg-summary tr{background:none!important}
.tg-summary tr:first-child>th{border-bottom:2px solid #e69f00;vertical-align:bottom;font-weight:600}
.tg-summary th,.tg-summary td{padding:.15em .7em;text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums;border:0;border-bottom:1px solid #8882}
.tg-summary th:first-child{text-align:left;font-weight:600;padding-left:0}
.tg-summary .left{text-align:left}
.tg-summary th i{font-weight:400;opacity:.7}
.tg-summary pre{font:12px/1.5 ui-monospace,Menlo,Consolas,monospace;margin:.6em 0}
.tg-summary s{text-decoration:none;font-family:ui-monospace,Menlo,monospace;opacity:.45;white-space:pre}
"""

"""A training on one page: how it went, what the network gets wrong, what it looks at.

The page is a single HTML file that needs nothing else: no network, no scripts, no matplotlib.  It is light or
dark as its reader's system is, and fits a phone.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..files import atomic_write
from ..graph.images import png
from ..graph.summary import summary
from ..nn import Module
from ..nn.conv import _ConvNd
from ..op import wrap
from ..ops.activation import softmax
from ..tape import no_grad
from .heat import overlay
from .inside import _at_rest, _images, _results, grad_cam
from .pictures import BLUE, COLOURS, VERMILION, _panels, _picture, _tiles

__all__ = ["report"]

_STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#222;--muted:#666;--rule:#ddd;--good:#0072b2;--bad:#b84a00}
@media (prefers-color-scheme:dark){
:root{--page:#16181c;--ink:#e6e6e6;--muted:#a0a4ab;--rule:#3a3e45;--good:#56b4e9;--bad:#f0955a}}
body{background:var(--page);color:var(--ink);font:15px/1.5 Arial,sans-serif;max-width:960px;margin:0 auto;
padding:16px}
h1{font-size:1.5em;margin:.2em 0}h2{font-size:1.15em;margin:1.8em 0 .5em}p,figcaption{color:var(--muted)}
.row{display:flex;flex-wrap:wrap;gap:10px}figure{margin:0}figcaption{font-size:12px;line-height:1.35}
figcaption b{color:var(--bad)}figcaption i{color:var(--good);font-style:normal}
img{image-rendering:pixelated;display:block;border-radius:3px}
.wide{overflow-x:auto}svg{max-width:100%;height:auto}svg text{font-size:12px}
table.confusion{border-collapse:separate;border-spacing:2px;font-size:13px}
.confusion td{min-width:2.4em;height:2.2em;text-align:center;border-radius:3px;
background:color-mix(in srgb,var(--good) calc(var(--share)*55%),transparent)}
.confusion th{font-weight:400;text-align:right;padding:0 6px;white-space:nowrap}
.confusion thead th{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left;padding:6px 0}
.confusion .right{font-weight:700}
.confusion td:last-child{background:none;color:var(--good);white-space:nowrap}
"""


def report(
    path: str | os.PathLike[str], model: Module, images: Any, labels: Any,
    classes: Sequence[str] | None = None,
    history: Mapping[str, Sequence[float]] | Sequence[Mapping[str, Any]] | None = None,
    title: str = "Training report", batch_size: int = 250,
) -> Path:  # fmt: skip
    """Write how a training went, and what came of it, as one HTML page.

    Curves, a confusion matrix, the mistakes the network was surest of and what it looked at (`grad_cam`),
    filters of the first convolution, feature maps of all of them for one image, and the `summary`.  The model
    is left as it was.

    Args:
        path: the file to write.
        model: from (n, 1 or 3, h, w) to (n, classes).
        images: to examine it with, scaled as in the training; better none that it was trained with.
        labels: (n,) the true classes.
        classes: their names; numbers by default.
        history: as for `training_curves`; None leaves the curves out.
        title: the heading.
        batch_size: images at a time.

    Raises:
        ShapeError: images of another kind, or not one label for each.
        ArgumentError: labels, names and outputs of the model that do not fit.

    >>> import tinygrad_cnn as tg
    >>> images, labels = tg.rand(20, 1, 28, 28), tg.randint(0, 10, (20,))
    >>> report("report.html", tg.models.LeNet5(), images, labels).name
    'report.html'
    """
    x, true = _images("report", images).array, np.asarray(labels)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ShapeError(f"report: images have shape {x.shape}; expected (n, 1 or 3, height, width)")
    if true.shape != (len(x),) or true.dtype.kind not in "iu":
        raise ShapeError(
            f"report: {len(x)} images, labels {true.dtype} {true.shape}; give a class for each image"
        )
    said = _answers(model, x, batch_size)
    names = [str(k) for k in range(said.shape[1])] if classes is None else [str(name) for name in classes]
    if len(names) != said.shape[1] or not 0 <= true.min() <= true.max() < len(names):
        raise ArgumentError(
            f"report: the model tells {said.shape[1]} classes apart, there are {len(names)} names "
            f"and labels from {true.min()} to {true.max()}; they must fit"
        )
    curves = [] if history is None else [("How it went", _curves(history))]
    guess = said.argmax(1)
    wrong = np.flatnonzero(guess != true)
    surest = wrong[np.argsort(-said[wrong, guess[wrong]], kind="stable")][:12]
    convolutions = [(name, m) for name, m in model.named_modules() if isinstance(m, _ConvNd)]
    sections = [*curves, ("What it takes for what", _confusion(true, guess, names))]
    if len(surest):
        shown = _examples(model, x, surest, true, said, names, bool(convolutions))
        sections.append((f"Mistakes: {len(wrong)} of {len(x)}, the surest first", shown))
    right = [int(k[0]) for c in range(len(names)) if len(k := np.flatnonzero((true == c) & (guess == c)))][
        :12
    ]
    if right and convolutions:
        sections.append(
            ("One of each class that it gets right", _examples(model, x, right, true, said, names, True))
        )
    if convolutions:
        sections.append((f"Filters of {convolutions[0][0]}", _filters(convolutions[0][1])))
        sections.append(("Feature maps of one image", _maps(model, x[:1], convolutions)))
    sections.append(("The model", summary(model, x[:1].shape)._repr_html_()))
    accuracy = 100 * (guess == true).mean()
    count = sum(p.numel() for p in model.parameters())
    lead = f"{accuracy:.2f} % of {len(x):,} images right · {type(model).__name__}, {count:,} parameters"
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as file:
        file.write("\n".join(_page(title, lead, sections)).encode())
    return target


def _page(title: str, lead: str, sections: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(title)}</h1><p>{escape(lead)}</p>"
    for heading, body in sections:
        yield f"<section><h2>{escape(heading)}</h2>{body}</section>"
    yield "</body></html>\n"


def _answers(model: Module, x: np.ndarray, batch_size: int) -> np.ndarray:
    """(n, classes) probabilities."""
    found = []
    with _at_rest(model), no_grad():
        for first in range(0, len(x), batch_size):
            out = model(wrap(x[first : first + batch_size]))
            if getattr(out, "ndim", 0) != 2:
                raise ShapeError(
                    f"report: the model returned {getattr(out, 'shape', out)!s:.40}; need (n, classes)"
                )
            found.append(softmax(out, dim=1).array)
    return np.concatenate(found)


# --- sections --------------------------------------------------------------------------------------


def _curves(history: Any) -> str:
    """One small SVG for each quantity; each curve is named at its end."""
    panels, steps = _panels("report", history, ("loss", "accuracy", "lr"), "epoch")
    wide, tall, side, top = 290, 170, 100, 24
    drawn = []
    for quantity, curves in panels.items():
        every = np.concatenate([v[np.isfinite(v)] for v in curves.values()])
        low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
        x = 8 + (wide - side - 8) * (steps - steps[0]) / (float(np.ptp(steps)) or 1.0)
        lines, ends = [], []
        for colour, (name, values) in zip(COLOURS * len(curves), curves.items(), strict=False):
            known = np.isfinite(values)
            y = tall - 18 - (tall - 18 - top - 8) * (values[known] - low) / ((high - low) or 1.0)
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[known], y, strict=True))
            lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
            last = values[known][-1]
            words = f"{name} {100 * last:.2f} %" if quantity == "accuracy" else f"{name} {last:.3g}"
            ends.append((y[-1], words.strip(), colour))
        at = -1e9
        for y_end, words, colour in sorted(ends):
            at = max(y_end, at + 15)
            lines.append(f'<circle cx="{wide - side + 8}" cy="{at:.1f}" r="3" fill="{colour}"/>')
            place = f'x="{wide - side + 15}" y="{at + 4:.1f}" fill="var(--ink)"'
            lines.append(f"<text {place}>{escape(words)}</text>")
        lines.append(f'<path d="M8 {tall - 12}H{wide - side}" stroke="var(--rule)"/>')
        lines.append(f'<text x="8" y="{tall - 0.5}" fill="var(--muted)">{steps[0]:g}</text>')
        end = f'x="{wide - side}" y="{tall - 0.5}" text-anchor="end" fill="var(--muted)"'
        lines.append(f"<text {end}>epoch {steps[-1]:g}</text>")
        head = {"lr": "learning rate"}.get(quantity, quantity)
        drawn.append(
            f'<svg width="{wide}" height="{tall + 4}" viewBox="0 0 {wide} {tall + 4}" role="img">'
            f'<title>{head}</title><text x="8" y="13" fill="var(--ink)" font-weight="bold">{head}</text>'
            f"{''.join(lines)}</svg>"
        )
    return f'<div class="row">{"".join(drawn)}</div>'


def _confusion(true: np.ndarray, guess: np.ndarray, names: Sequence[str]) -> str:
    """A table; rows are what it is, columns what it was taken for."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (true, guess), 1)
    rows = []
    for t, name in enumerate(names):
        total = max(int(counts[t].sum()), 1)
        cells = "".join(
            f'<td{" class=right" if t == p else ""} style="--share:{n / total:.3f}">{n or ""}</td>'
            for p, n in enumerate(counts[t].tolist())
        )
        rows.append(f"<tr><th>{escape(name)}</th>{cells}<td>{100 * counts[t, t] / total:.0f} %</td></tr>")
    heads = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        "<p>Rows: what it is. Columns: what it was taken for. At the right, the share that was right.</p>"
        f'<div class="wide"><table class="confusion"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _examples(
    model: Module, x: np.ndarray, which: Sequence[int] | np.ndarray, true: np.ndarray, said: np.ndarray,
    names: Sequence[str], explained: bool,
) -> str:  # fmt: skip
    """Images; under each what it was taken for, how surely, and what it is; beside it what that rests on."""
    which = np.asarray(which)
    guess = said[which].argmax(1)
    heat = grad_cam(model, x[which], guess) if explained else [None] * len(which)
    figures = []
    for index, answer, map in zip(which.tolist(), guess.tolist(), heat, strict=True):
        pair = _img(_bytes(_picture("report", x[index])), 84, "image")
        if map is not None:
            pair += _img(overlay(x[index], map), 84, "what it looked at")
        kind = "i" if answer == true[index] else "b"
        words = f"<{kind}>{escape(names[answer])}</{kind}> {100 * said[index, answer]:.0f} %"
        really = "" if answer == true[index] else f"<br>really {escape(names[true[index]])}"
        figures.append(
            f'<figure><div class="row" style="gap:2px">{pair}</div>'
            f"<figcaption>{words}{really}</figcaption></figure>"
        )
    note = "<p>Beside each image, what the answer rests on (Grad-CAM of the last convolution).</p>"
    return f'{note if explained else ""}<div class="row">{"".join(figures)}</div>'


def _filters(layer: _ConvNd) -> str:
    w = np.asarray(layer.weight.array, np.float64)
    if w.ndim != 4:
        return f"<p>{w.shape}</p>"
    limit = float(np.abs(w).max()) or 1.0
    tiles, _, shown = _tiles(w / limit, 8)
    key = f"Blue pulls down, red pushes up, white is 0; full colour is ±{limit:.2g}."
    note = f"<p>{shown[0]} of {len(w)} filters. {key}</p>"
    images = "".join(_img(_bytes(t) if t.ndim == 3 else _signed(t), 40, "filter") for t in tiles)
    return f'{note if w.shape[1] != 3 else ""}<div class="row" style="gap:4px">{images}</div>'


def _maps(model: Module, x: np.ndarray, layers: Sequence[tuple[str, Module]]) -> str:
    names = {id(module): name for name, module in layers}
    with _results([module for _, module in layers]) as found, _at_rest(model), no_grad():
        model(wrap(x))
    parts = [f'<div class="row">{_img(_bytes(_picture("report", x[0])), 84, "the image")}</div>']
    for module, _, a in found[:6]:
        if a is None or a.ndim != 4:
            continue
        shown = a[0, :24]
        low, high = float(shown.min()), float(shown.max())
        images = "".join(_img(_bytes((each - low) / ((high - low) or 1.0)), 56, "channel") for each in shown)
        note = (
            f"{escape(names[id(module)])}, {len(shown)} of {a.shape[1]} channels, {a.shape[2]} × {a.shape[3]}"
        )
        parts.append(f'<p>{note}</p><div class="row" style="gap:4px">{images}</div>')
    return "".join(parts)


# --- pixels ----------------------------------------------------------------------------------------


def _img(pixels: np.ndarray, width: int, alt: str) -> str:
    data = base64.b64encode(png(pixels)).decode()
    return f'<img width="{width}" alt="{alt}" src="data:image/png;base64,{data}">'


def _bytes(picture: np.ndarray) -> np.ndarray:
    """From numbers, whose smallest and largest become black and white unless they are of 0 to 1."""
    low, high = min(float(picture.min()), 0.0), max(float(picture.max()), 1.0)
    if low < 0 or high > 1:
        low, high = float(picture.min()), float(picture.max())
    return np.rint((picture - low) / ((high - low) or 1.0) * 255).astype(np.uint8)


def _signed(tile: np.ndarray) -> np.ndarray:
    """White at 0, blue below, red above; from -1 to 1."""
    ends = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (BLUE, VERMILION)])
    share = np.abs(tile)[..., None]
    return np.rint(255 * (1 - share) + ends[(tile > 0).astype(int)] * share).astype(np.uint8)

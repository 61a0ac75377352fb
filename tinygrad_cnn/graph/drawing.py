"""From tensors to a drawing: read the tape, fold what is too much, write it down."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, MissingToolError
from ..files import atomic_write
from ..op import is_tensor
from ..random import seeded
from . import backward, dot, forward, page, text
from .fold import effort, ends, fold_middle, fold_modules, fold_repeats
from .overlays import lay_over, overlays
from .picture import Picture
from .render import run
from .watching import as_it_was, watched

__all__ = ["Drawing", "draw", "draw_call", "picture", "render", "save_html", "to_dot"]

_FORMATS = ("svg", "png", "pdf", "dot", "txt", "html")
_LONGEST = 300  # parts in one box, on a page to explore
_MOST = 2_000  # of effort, in the sense of fold.py
_LINES = 500  # of text in a notebook
_PASSES = ("forward", "backward", "both")


class Drawing:
    """A drawn graph: DOT text that knows how to become a picture.

    The last expression of a notebook cell, it shows itself.

    Attributes:
        dot: the text.
        text: the same for the terminal; `print(drawing)` shows it.
        files: small pictures that the DOT text shows, by name.
        small: what is laid out instead if the graph is so large that Graphviz would need minutes: repeats are
            shown once, modules folded, and the middle left out, as far as it takes; None if it is not.
        shown: what the texts say, without the tape, for .html; None for a drawing of DOT text alone.

    >>> Drawing("digraph { a -> b }").svg().count("<path")
    1
    """

    def __init__(self, dot: str, text: str = "", files: Mapping[str, bytes] | None = None):
        self.dot, self.text, self.files = dot, text, dict(files or {})
        self.small: str | None = None
        self.shown: Picture | None = None
        self.direction = "TB"

    def svg(self) -> str:
        """The picture as SVG text.

        Raises:
            MissingToolError: neither `dot` nor `graphviz-pure` is installed.
        """
        return self._run("svg").decode()

    def _run(self, kind: str) -> bytes:
        return run(self.small or self.dot, kind, self.files)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, in the format that the suffix says: .svg, .png, .pdf, .dot, .txt or .html.

        The small pictures that a .dot file shows are written beside it.  An .html file is a page to explore,
        with all that the drawing says; `save_html` writes it with the numbers as well.

        Raises:
            ArgumentError: another suffix, or .html for a drawing of DOT text alone.
            MissingToolError: nothing that can draw this format is installed.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in _FORMATS:
            suffixes = ", ".join(f".{name}" for name in _FORMATS)
            raise ArgumentError(f"graph: cannot write {path.name}; the name must end in one of {suffixes}")
        if kind == "dot":
            for name, content in self.files.items():
                (path.parent / name).write_bytes(content)
        texts = {"dot": self.dot, "txt": self.text + "\n"}
        if kind == "html":
            if self.shown is None:
                raise ArgumentError(f"graph: {path.name} cannot be made of DOT text alone; draw a tensor")
            texts[kind] = page.write(self.shown, self.direction)
        data = texts[kind].encode() if kind in texts else self._run(kind)
        with atomic_write(path) as file:
            file.write(data)
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the picture, or its text where nothing can draw."""
        said = str(self) if self.text.count("\n") < _LINES else repr(self)
        try:
            return {"image/svg+xml": self.svg(), "text/plain": said}
        except MissingToolError as error:
            return {"text/plain": f"{said}\n\n{error}"}

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def __str__(self) -> str:
        return self.text or repr(self)

    def __repr__(self) -> str:
        folded = ", folded in the picture" if self.small else ""
        lines = self.dot.count("\n")
        return f"<Drawing, {lines} lines of DOT{folded}; .save('graph.svg') writes the picture>"


def picture(
    tensors: Any,
    *,
    module: Any = None,
    names: Mapping[str, Any] | None = None,
    passes: str = "forward",
    overlay: str | Iterable[str] | None = None,
    depth: int | None = None,
    repeats: bool = False,
    most: int | None = None,
) -> Picture:
    """What `to_dot` writes down; arguments and errors as there.

    Args:
        most: fold until it is no more effort than that.
    """
    if passes not in _PASSES:
        raise ArgumentError(f"graph: passes is {passes!r}; it can be {', '.join(map(repr, _PASSES))}")
    if depth is not None and depth < 0:
        raise ArgumentError(f"graph: depth is {depth}; 0 shows the model as one item, 1 its parts, ...")
    chosen = overlays(overlay)
    outputs = forward.checked(tensors, names or {})
    reader = forward.Reader(module, names or {})
    made = reader.read(outputs)
    if passes != "forward":
        made = backward.read(reader, outputs, made if passes == "both" else None)
    if depth is not None:
        made = fold_modules(made, depth)
    if repeats:
        made = fold_repeats(made)
    if most is not None:
        made = _smaller(made, most)
    if chosen:
        lay_over(made, chosen, outputs)
    return made


def _smaller(made: Picture, most: int) -> Picture:
    """Repeats once, then fewer and fewer modules open, then the ends."""
    made = fold_repeats(made)
    depth = max((item.box.level for item in made.page.items()), default=0)
    while effort(made) > most and depth >= 0:
        made = fold_repeats(fold_modules(made, depth))
        depth -= 1
    return fold_middle(made, ends(made, most)) if effort(made) > most else made


def to_dot(tensors: Any, *, direction: str = "TB", **options: Any) -> str:
    """The graph that led to a tensor, as DOT text.

    Args:
        tensors: a Tensor, or several in a list or tuple: the outputs.
        direction: "TB" (top to bottom), "LR" (left to right) or "U" (down, and up again from where most
            arrows bridge, as U-Nets are drawn).
        module: the model; it names parameters that were used outside of its recorded calls.
        names: what you call your variables: {"loss": loss, "x": x}.
        passes: "forward", "backward" (the rules that backward would call, in the engine's order), or "both",
            side by side, with what the forward pass keeps for the rules.
        overlay: what to show on top: "memory" (bytes that each op keeps for backward), "gradients" (norms),
            "nan" (where NaN and Inf are), and of a run inside of `graph.watched()` "time" and "activations".
            Several in a list: each says its own, and the first gives the colours.
        depth: show the modules below this depth as one item each; 0 shows the model as one.
        repeats: show what repeats once, with how often.

    Raises:
        DtypeError: something that is no Tensor.
        GraphError: a tensor that was not recorded, or an overlay of a run that was not watched.
        ArgumentError: another direction, pass, overlay or depth.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> dot = to_dot(x.relu(), names={"x": x})
    >>> print(*(line.strip() for line in dot.splitlines() if "->" in line), sep="\\n")
    n0 -> n1 [weight=8 tooltip="x: 2 float32"]
    n1 -> n2 [weight=8 tooltip="2 float32"]
    """
    return draw(tensors, direction=direction, **options).dot


def draw(tensors: Any, *, direction: str = "TB", **options: Any) -> Drawing:
    """Draw what led to a tensor, or to several; arguments and errors as in `to_dot`.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> draw((x * x).sum(), names={"x": x}).svg().startswith("<?xml")
    True
    """
    if direction not in ("TB", "LR", "U"):
        raise ArgumentError(f'graph: direction is {direction!r}; it can be "TB" (top to bottom), "LR" or "U"')
    made = picture(tensors, **options)
    lines, files = dot.write(made, direction)
    drawing = Drawing(lines, text.write(made), files)
    if effort(made) > _MOST:
        drawing.small, drawing.files = dot.write(picture(tensors, **options, most=_MOST), direction)
    for item in made.page.items():
        item.node = None  # a drawing keeps no tape alive
    drawing.shown, drawing.direction = made, direction
    return drawing


def draw_call(module: Any, inputs: Any, **options: Any) -> Drawing:
    """Run a model and draw what was recorded; the model and the random numbers stay as they are.

    The forward pass is drawn whole: the inputs are taken as if they needed gradients, or what happens to them
    before they meet a parameter would not be on the tape.  Where the cost of backward is to be seen, or its
    rules, all is as it is.
    """
    chosen = overlays(options.get("overlay"))
    names = dict(options.pop("names", None) or {})
    if options.get("passes", "forward") == "forward" and not {"memory", "gradients", "time"} & {*chosen}:
        inputs = [_recorded(x) for x in inputs]
    if len(inputs) > 1:
        known = {id(tensor.array) for tensor in names.values() if is_tensor(tensor)}
        for name, x in zip(_names(module, len(inputs)), inputs, strict=True):
            if is_tensor(x) and id(x.array) not in known:
                names.setdefault(name, x)
    with as_it_was(module), seeded(0), watched():
        out = module(*inputs)
        return draw(out, module=module, names=names, **options)


def _recorded(x: Any) -> Any:
    """The same array, in a tensor that needs a gradient if it can."""
    return x.detach().requires_grad_() if is_tensor(x) and x.dtype.kind == "f" and not x.requires_grad else x


def _names(module: Any, count: int) -> list[str]:
    """What the model's author calls its inputs."""
    taken = inspect.signature(module.forward).parameters.values()
    names = [p.name for p in taken if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + [f"input {at}" for at in range(len(names), count)]


def render(tensors: Any, path: str | os.PathLike[str], **options: Any) -> Path:
    """Draw into a file (.svg, .png, .pdf, .dot, .txt, .html) and return its path; options as in `to_dot`."""
    if Path(path).suffix.lower() == ".html":
        return save_html(tensors, path, **options)
    return draw(tensors, **options).save(path)


def save_html(
    what: Any,
    path: str | os.PathLike[str],
    *,
    direction: str = "TB",
    depth: int | None = None,
    **options: Any,
) -> Path:
    """Write a page to explore a graph in, and return its path: one file that needs no network.

    It pans, zooms, searches, folds and unfolds modules, and tells of each node its formula, the source of
    its rules, shapes, bytes, and numbers with their histogram.  Of a run inside of `graph.watched()` it shows
    feature maps and time; and where the output is one number whose graph has not been used up, gradients.

    Args:
        what: a Tensor or several, as in `to_dot`; or a Drawing, which knows no numbers.
        depth: modules below it are folded at first; by default as many as leave something to see.
        options: as in `to_dot`.

    >>> import tempfile, tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_html(x.relu().sum(), folder + "/graph.html", names={"x": x}).stat().st_size > 100_000
    True
    """
    if isinstance(what, Drawing):
        return what.save(path)
    if direction not in ("TB", "LR"):
        raise ArgumentError(f'graph: direction is {direction!r}; it can be "TB" (top to bottom) or "LR"')
    if depth is not None and depth < 0:
        raise ArgumentError(f"graph: depth is {depth}; 0 shows the model as one item, 1 its parts, ...")
    made = picture(what, **options)
    if _longest(made) > _LONGEST:  # a browser can fold modules, and nothing else
        made = picture(what, **{**options, "repeats": True})
    if _longest(made) > _LONGEST:
        made = fold_middle(made, _LONGEST)
    with atomic_write(Path(path)) as file:
        file.write(page.write(made, direction, depth).encode())
    return Path(path)


def _longest(made: Picture) -> int:
    """How many parts stand in one box."""
    return max(Counter(item.box for item in made.page.items()).values(), default=0)

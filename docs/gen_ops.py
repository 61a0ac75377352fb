"""The reference page of the ops, written from the registry whenever the site is built (a MkDocs hook).

Nothing of it is committed, so nothing of it can be stale.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

FAMILIES = {
    "shape": "Shape and indexing",
    "elementwise": "Elementwise",
    "reduce": "Reductions",
    "linalg": "Matrices and bias",
    "conv": "Convolution",
    "pool": "Pooling",
    "resample": "Borders and resampling",
    "activation": "Activations",
    "norm": "Normalization and dropout",
    "loss": "Losses",
}

HEAD = """# Ops

Every differentiable function of the package, as it stands in the sources: what it computes, and under it
the backward rule of each input. `g` is the gradient of the loss by the op's result; a rule returns the
gradient by one input, and whatever else its parameters name (`x`, `out`, an attribute) is kept on the tape
until then. These are the ops that the tape records and a drawing shows; models are written with
[`Tensor`'s methods](tensor.md) and [`nn.functional`](functional.md), which prepare the arguments.
"""


def on_files(files: Any, config: Any) -> Any:
    """MkDocs calls this when it has gathered the pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference/ops.md", content=page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this for every page.

    `<!-- rules: relu conv -->` becomes the rules of these ops, `<!-- layers: module -->` the layers that this
    module makes from a table, where mkdocstrings, which reads the sources, finds no classes; and
    `<!-- methods -->` the methods of a tensor that come from one.
    """
    markdown = markdown.replace("<!-- methods -->", methods())
    markdown = re.sub(r"<!-- layers: ([\w.]+) -->", lambda found: layers(found[1]), markdown)
    return re.sub(r"<!-- rules: ([\w ]+) -->", lambda found: _rules_of(found[1].split()), markdown)


def layers(module: str) -> str:
    """Each layer that this module makes from a table, with its arguments and its formula."""
    parts = []
    for name in importlib.import_module(module).__all__:
        layer = getattr(importlib.import_module(module), name)
        if "signature" in vars(layer):
            arguments = str(layer.signature)
            parts.append(f"### {name}\n\n```python\n{name}{arguments}\n```\n\n{prose(layer.__doc__ or '')}\n")
    return "\n".join(parts)


def methods() -> str:
    """Each method of a tensor that comes from a table, and what it does."""
    from tinygrad_cnn import Tensor

    rows = [
        f"| `{name}` | {prose(method.__doc__ or '')} |"
        for name, method in inspect.getmembers(Tensor, inspect.isfunction)
        if not name.startswith("_") and inspect.unwrap(method).__code__.co_filename.endswith("table.py")
    ]
    return "\n".join(["| method | |", "|---|---|", *rows])


def _rules_of(names: list[str]) -> str:
    from tinygrad_cnn.graph.source import vjp_sources
    from tinygrad_cnn.op import registry

    rules = [text for name in names for text in vjp_sources(registry[name])]
    return "```python\n" + "\n".join(rules) + "\n```"


def page() -> str:
    """The whole page as Markdown."""
    from tinygrad_cnn.op import registry

    parts = [HEAD]
    for family, title in FAMILIES.items():
        module = f"tinygrad_cnn.ops.{family}"
        ops = [op for op in registry.values() if op.__module__ == module]
        if ops:
            summary = inspect.getdoc(importlib.import_module(module)) or ""
            parts.append(f"## {title}\n\n{prose(summary)}\n")
            parts += [entry(op) for op in ops]
    return "\n".join(parts)


def entry(op: Any) -> str:
    """One op: its docstring, inputs and attributes, and the source of the forward and of the rules."""
    from tinygrad_cnn.graph.source import op_source

    facts = [f"inputs `{'`, `'.join(op.inputs)}`"]
    if op.variadic:
        facts = [f"any number of inputs `{op.inputs[0]}`"]
    if op.attrs:
        facts.append("attributes " + ", ".join(_attribute(*item) for item in op.attrs.items()))
    if op.elementwise:
        facts.append("inputs broadcast and are promoted to one dtype")
    if op.view:
        facts.append("may share memory with the input")
    if not op.rows:
        facts.append("no gradient")
    text = prose(inspect.cleandoc(op.__doc__ or ""))
    lines = [f"### {op.name}", "", text, "", "; ".join(facts) + ".", ""]
    return "\n".join([*lines, "```python", op_source(op), "```", ""])


def _attribute(name: str, default: Any) -> str:
    return f"`{name}`" if default is inspect.Parameter.empty else f"`{name}={default!r}`"


def prose(docstring: str) -> str:
    r"""A docstring as Markdown: examples become blocks of code; stars and brackets stay what they are.

    >>> print(prose("(n, *size) -> `*y`"))
    (n, \*size) -> `*y`
    """
    out = []
    example = section = False
    for line in docstring.rstrip().splitlines():
        if line[:1].strip():
            section = bool(re.fullmatch(r"(Args|Attributes|Raises|Returns|Yields):", line))
        if line.lstrip().startswith(">>>") and not example:
            example = True
            out.append("```pycon")
        elif example and not line.strip():
            example = False
            out.append("```")
        if not example and (section or not line.startswith("    ")):  # else it is code already
            pieces = line.split("`")
            pieces[::2] = [re.sub(r"([*\[\]])", r"\\\1", piece.replace("<", "&lt;")) for piece in pieces[::2]]
            line = "`".join(pieces)
        out.append(line)
    return "\n".join([*out, "```"] if example else out)

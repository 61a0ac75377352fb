"""Run Graphviz on DOT text: the system's `dot`, or `graphviz-pure`, which pip can install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, Error, MissingToolError
from ..files import atomic_write
from .dot import to_dot

__all__ = ["Drawing", "draw", "render"]

_FORMATS = ("svg", "png", "pdf", "dot")


class Drawing:
    """A drawn graph: DOT text that knows how to become a picture.

    The last expression of a notebook cell, it shows itself.

    Attributes:
        dot: the text.

    >>> Drawing("digraph { a -> b }").svg().count("<path")
    1
    """

    def __init__(self, dot: str):
        self.dot = dot

    def svg(self) -> str:
        """The picture as SVG text.

        Raises:
            MissingToolError: neither `dot` nor `graphviz-pure` is installed.
        """
        return _run(self.dot, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, in the format that the suffix says: .svg, .png, .pdf or .dot.

        Raises:
            ArgumentError: another suffix.
            MissingToolError: nothing that can draw this format is installed.
        """
        path = Path(path)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in _FORMATS:
            suffixes = ", ".join(f".{name}" for name in _FORMATS)
            raise ArgumentError(f"graph: cannot write {path.name}; the name must end in one of {suffixes}")
        data = self.dot.encode() if kind == "dot" else _run(self.dot, kind)
        with atomic_write(path) as file:
            file.write(data)
        return path

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Drawing, {self.dot.count(chr(10))} lines of DOT; .save('graph.svg') writes the picture>"


def draw(tensors: Any, *, module: Any = None, **options: Any) -> Drawing:
    """Draw what led to a tensor, or to several; arguments and errors as in `to_dot`.

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> draw((x * x).sum(), names={"x": x}).svg().startswith("<?xml")
    True
    """
    return Drawing(to_dot(tensors, module=module, **options))


def render(tensors: Any, path: str | os.PathLike[str], **options: Any) -> Path:
    """Draw into a file (.svg, .png, .pdf or .dot) and return its path; options as in `to_dot`."""
    return draw(tensors, **options).save(path)


def _run(dot: str, kind: str) -> bytes:
    """The picture that Graphviz makes of the text."""
    if kind == "png":
        dot = dot.replace("{", "{ graph [dpi=144]", 1)  # sharp on today's screens
    try:
        if shutil.which("dot"):
            import graphviz  # here, because importing it takes time that only a drawing should cost

            return bytes(graphviz.pipe("dot", kind, dot.encode(), quiet=True))
        program = _pure()
        if program is None:
            raise MissingToolError(
                "graph: nothing here can draw; pip install graphviz-pure, or install Graphviz "
                "(apt install graphviz, brew install graphviz)"
            )
        if kind == "pdf":
            raise MissingToolError(
                "graph: graphviz-pure cannot write .pdf; save .svg or .png, or install Graphviz "
                "(apt install graphviz, brew install graphviz)"
            )
        command = [program, f"-T{kind}"]
        return subprocess.run(command, input=dot.encode(), capture_output=True, check=True).stdout
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise Error(f"graph: Graphviz failed with status {error.returncode}: {said[:500]}") from None


def _pure() -> str | None:
    """The graphviz-pure program: on the path, or beside a Python whose environment is not activated."""
    return shutil.which("graphviz-pure") or shutil.which("graphviz-pure", path=sysconfig.get_path("scripts"))

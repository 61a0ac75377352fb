"""Run Graphviz on DOT text: the system's `dot`, or `graphviz-pure`, which pip can install."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import Error, MissingToolError
from . import svg

__all__ = ["run"]


def run(dot: str, kind: str, files: Mapping[str, bytes] | None = None) -> bytes:
    """The picture that Graphviz makes of the text: "svg", "png" or "pdf"; with files that it shows.

    Raises:
        MissingToolError: nothing that can draw this format is installed.
        Error: Graphviz failed.
    """
    if kind == "png":
        dot = dot.replace("{", "{ graph [dpi=144]", 1)  # sharp on today's screens
    if files:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            dot = dot.replace("{", f"{{ graph [imagepath={json.dumps(folder)}]", 1)
            return _embedded(run(dot, kind), files) if kind == "svg" else run(dot, kind)
    try:
        if shutil.which("dot"):
            import graphviz  # here, because importing it takes time that only a drawing should cost

            return _finished(bytes(graphviz.pipe("dot", kind, dot.encode(), quiet=True)), kind)
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
        made = subprocess.run(command, input=dot.encode(), capture_output=True, check=True).stdout
        return _finished(made, kind)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise Error(f"graph: Graphviz failed with status {error.returncode}: {said[:500]}") from None


def _finished(picture: bytes, kind: str) -> bytes:
    return svg.finished(picture.decode()).encode() if kind == "svg" else picture


def _embedded(made: bytes, files: Mapping[str, bytes]) -> bytes:
    """The SVG with its small pictures inside."""
    for name, content in files.items():
        data = b"data:image/png;base64," + base64.b64encode(content)
        made = re.sub(rb'href="[^"]*\b' + re.escape(name.encode()) + b'"', b'href="' + data + b'"', made)
    return made


def _pure() -> str | None:
    """The graphviz-pure program: on the path, or beside a Python whose environment is not activated."""
    return shutil.which("graphviz-pure") or shutil.which("graphviz-pure", path=sysconfig.get_path("scripts"))

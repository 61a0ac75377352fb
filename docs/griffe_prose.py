"""Docstrings read as Markdown, and no private bases (an extension of mkdocstrings' griffe)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from gen_ops import prose


class Prose(griffe.Extension):
    """Hands each docstring through `gen_ops.prose`."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = prose(obj.docstring.value)

    def on_class(self, *, cls: Any, **_: Any) -> None:
        cls.bases = [base for base in cls.bases if not str(base).startswith("_")]

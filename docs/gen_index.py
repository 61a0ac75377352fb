"""The first page of the site is the README (a MkDocs hook), with its links seen from docs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"


def on_files(files: Any, config: Any) -> Any:
    """MkDocs calls this when it has gathered the pages."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "index.md", content=page(README.read_text(encoding="utf-8"))))
    return files


def page(readme: str) -> str:
    """Links into docs/ lead there from inside; links to other files of the project become plain text.

    >>> page("[a](docs/architecture.md), [b](examples/b.py), [c](https://example.org), `d[e](f)`")
    '[a](architecture.md), b, [c](https://example.org), `d[e](f)`'
    """
    parts = re.split(r"(^```.*?^```$|`[^`\n]*`)", readme, flags=re.M | re.S)  # every other one is code
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(\]\(|src=\"|srcset=\"|href=\")docs/", r"\1", parts[i])
        parts[i] = re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#:]+)\)", _link, parts[i])
    return "".join(parts)


def _link(found: re.Match[str]) -> str:
    return found[0] if (README.parent / "docs" / found[2]).exists() else found[1]

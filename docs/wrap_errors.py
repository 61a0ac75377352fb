"""Error messages are sentences: where they are printed, lines break at the page's end (a MkDocs hook)."""

from __future__ import annotations

import re
from typing import Any

BLOCK = re.compile(r"<pre>(.*?)</pre>", re.S)
TAG = re.compile(r"<[^>]*>")
MESSAGE = re.compile(r"^[\w.]*Error: ", re.M)


def on_page_content(html: str, **_: Any) -> str:
    """MkDocs calls this with the content of each page; `pages.css` knows what to do with the class.

    >>> on_page_content("<pre><code><span>ShapeError</span>: too large</code></pre><pre>1</pre>")
    '<pre class="sentence"><code><span>ShapeError</span>: too large</code></pre><pre>1</pre>'
    """
    return BLOCK.sub(_marked, html)


def _marked(block: re.Match[str]) -> str:
    is_error = MESSAGE.search(TAG.sub("", block[1]))
    return block[0].replace("<pre>", '<pre class="sentence">') if is_error else block[0]

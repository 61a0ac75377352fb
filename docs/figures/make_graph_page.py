"""Draw what docs/graphs.md shows: python docs/figures/make_graph_page.py.

The screenshot of the explorer needs chromium and chromedriver; without them it stays as it is.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn import graph, nn

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

from browser import browser  # noqa: E402
from gen_explorer import lenet  # noqa: E402


class Small(nn.Module):
    """A convolution with a way around its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        h = self.conv(x)
        return (h + h.relu()).mean()


def screenshot(page: Path) -> bytes:
    """The explorer with a convolution selected."""
    with browser() as window:
        window.size(1200, 860)
        window.open(page.as_uri())
        window.wait("document.documentElement.dataset.ready")
        found = "[...document.querySelectorAll('g.node')].find(g => g.textContent.includes('conv2d'))"
        window.click("#" + window.run(f"return {found}.id"))
        return window.screenshot()


if __name__ == "__main__":
    tg.manual_seed(0)
    small, x = Small(), tg.rand(1, 1, 8, 8)
    y = small(x)
    graph.render(y, HERE / "graph-both.svg", names={"x": x, "y": y}, passes="both")
    model, x, loss = lenet()
    graph.render(model(x), HERE / "graph-memory.svg", depth=1, overlay="memory")
    deep = nn.Sequential(*(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()) for _ in range(6)))
    graph.render(deep(tg.zeros(1, 8, 32, 32)), HERE / "graph-repeats.svg", repeats=True)
    with tempfile.TemporaryDirectory() as folder:
        page = graph.save_html(loss, Path(folder) / "lenet.html", names={"x": x, "loss": loss}, module=model)
        image = Image.open(io.BytesIO(screenshot(page)))
        image.convert("RGB").save(HERE / "explorer.webp", quality=85, method=6)

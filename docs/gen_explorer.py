"""The site has a page of the explorer to try, lenet.html (a MkDocs hook)."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_post_build(config: Any) -> None:
    """MkDocs calls this when the site is there."""
    write(Path(config["site_dir"]) / "lenet.html")


def write(path: Path) -> None:
    """LeNet, its numbers and its gradients."""
    import tinygrad_cnn as tg
    from tinygrad_cnn import graph, models, nn

    with tg.random.fork_rng():
        tg.manual_seed(0)
        model, x = models.LeNet5(), tg.rand(2, 1, 28, 28)
        with graph.watched():
            loss = nn.functional.cross_entropy(model(x), tg.tensor([3, 8]))
    graph.save_html(loss, path, names={"x": x, "loss": loss}, module=model)

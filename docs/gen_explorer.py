"""The site has a page of the explorer to try, lenet.html (a MkDocs hook)."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_post_build(config: Any) -> None:
    """MkDocs calls this when the site is there."""
    write(Path(config["site_dir"]) / "lenet.html")


def lenet() -> tuple[Any, Any, Any]:
    """(model, x, loss): two photographs of clothes, watched in a LeNet that has seen 6,000 others once."""
    import tinygrad_cnn as tg
    from tinygrad_cnn import graph, models, nn, optim, training
    from tinygrad_cnn.data import DataLoader, FashionMNIST

    with tg.random.fork_rng():
        tg.manual_seed(0)
        model, unseen = models.LeNet5(), FashionMNIST(train=False)
        loader = DataLoader(FashionMNIST(train=True), batch_size=50, shuffle=True)
        optimizer = optim.AdamW(model.parameters(), lr=3e-3)
        training.fit(model, loader, nn.functional.cross_entropy, optimizer, epochs=1, progress=False)
        optimizer.zero_grad()
        x, labels = next(iter(DataLoader(unseen, batch_size=2)))
    with graph.watched():
        return model, x, nn.functional.cross_entropy(model(x), labels)


def write(path: Path) -> None:
    """LeNet, its numbers and its gradients."""
    from tinygrad_cnn import graph

    model, x, loss = lenet()
    graph.save_html(loss, path, names={"x": x, "loss": loss}, module=model)

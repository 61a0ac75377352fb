"""How exact Winograd is, beside plain sums and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

SHAPES = [  # images, channels, filters, size; windows of 3x3 with padding 1
    (16, 32, 32, 32),
    (2, 64, 64, 56),
    (8, 64, 128, 16),
    (4, 256, 256, 14),
    (8, 512, 512, 7),
]
RESULTS = ["forward", "input_grad", "weight_grad"]


def errors(shapes: list[tuple[int, int, int, int]] = SHAPES, seeds: int = 3) -> list[dict[str, Any]]:
    """max |error| / max |result| of each result, against sums in float64; of normal numbers."""
    rows = []
    for (n, c, o, size), seed in ((shape, seed) for shape in shapes for seed in range(seeds)):
        rng = np.random.default_rng(seed)
        wanted = (n, c, size, size), (o, c, 3, 3), (n, o, size, size)
        x, w, y = (rng.standard_normal(shape, np.float32) for shape in wanted)
        exact = ours("columns", *(array.astype(np.float64) for array in (x, w, y)))
        found = {plan: ours(plan, x, w, y) for plan in ("winograd", "columns")} | {"torch": torchs(x, w, y)}
        for result, right, *parts in zip(RESULTS, exact, *found.values(), strict=True):
            far = [float(np.abs(part - right).max() / np.abs(right).max()) for part in parts]
            row = {"shape": [n, c, o, size], "seed": seed, "result": result}
            rows.append({**row, "errors": dict(zip(found, far, strict=True))})
    return rows


def ours(plan: str, x: np.ndarray, w: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """The three results by this plan."""
    from tinygrad_cnn.geometry import conv_geometry
    from tinygrad_cnn.kernels import conv

    geom = conv_geometry(x.shape, w.shape, padding=1)
    with conv.conv_plans(plan):
        assert conv.plan_for(geom, len(x), x.dtype) == plan
        return [conv.forward(x, w, geom), conv.input_grad(y, w, geom), conv.weight_grad(y, x, geom)]


def torchs(*arrays: np.ndarray) -> list[np.ndarray]:
    """The three results by PyTorch."""
    import torch
    from torch.nn.functional import conv2d
    from torch.nn.grad import conv2d_input, conv2d_weight

    x, w, y = map(torch.from_numpy, arrays)
    backward = conv2d_input(x.shape, w, y, padding=1), conv2d_weight(x, w.shape, y, padding=1)
    return [part.numpy() for part in (conv2d(x, w, padding=1), *backward)]

"""How a tensor is printed."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__: list[str] = []


def _text(a: np.ndarray) -> str:
    """The numbers as PyTorch prints them: 4 digits, all alike; an exponent where they differ 1000-fold."""
    options: dict[str, Any] = {"separator": ", ", "prefix": "tensor("}
    if a.dtype.kind == "f":
        shown = a
        if a.size > 1000:
            for axis, n in enumerate(a.shape):
                if n > 6:
                    shown = shown.take([0, 1, 2, -3, -2, -1], axis)
        sizes = np.abs(shown[np.isfinite(shown) & (shown != 0)], dtype=np.float64)
        whole = bool((sizes == np.trunc(sizes)).all())
        low, high = sizes.min(initial=np.inf), sizes.max(initial=0)
        if high > 1000 * low or high > 1e8 or (low < 1e-4 and not whole):
            form = "{:.4e}"
        else:
            form = "{:.0f}." if whole else "{:.4f}"

        def one(x: Any) -> str:
            return form.format(x) if np.isfinite(x) else f"{x:.0f}"

        width = max((len(one(x)) for x in shown.flat if np.isfinite(x)), default=0)
        options["formatter"] = {"float_kind": lambda x: one(x).rjust(width)}
    # A row holds what fits into 80 columns; NumPy wants room for one more character.
    text = np.array2string(a, max_line_width=81, **options)
    return text.replace(", ..., ", ",  ..., ")

"""How a tensor is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .core import Tensor

__all__: list[str] = []

WIDTH = 80


def _text(x: Tensor) -> str:
    """As PyTorch prints it: what is not said is float32, or int64 or bool where the numbers show it."""
    more = []
    if x.array.size == 0 and x.ndim != 1:
        more.append(f"size={x.shape}")
    if x.dtype != np.float32 and (x.array.size == 0 or x.dtype not in (np.int64, np.bool_)):
        more.append(f"dtype={x.dtype}")
    if x.grad_fn is not None and x.grad_fn.op is not None:
        words = x.grad_fn.op.name.split("_")
        more.append(f"grad_fn=<{''.join(word[:1].upper() + word[1:] for word in words)}Backward0>")
    elif x.requires_grad:
        more.append("requires_grad=True")
    text = f"tensor({_numbers(x.array) if x.array.size else '[]'}"
    for part in more:
        line = len(text) - text.rfind("\n") - 1
        text += ",\n       " if line + len(part) + 4 > WIDTH else ", "
        text += part
    return f"{text})"


def _numbers(a: np.ndarray) -> str:
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
    # NumPy wants room for one more character.
    text = np.array2string(a, max_line_width=WIDTH + 1, **options)
    return text.replace(", ..., ", ",  ..., ")

"""How a tensor is printed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from ..op import get_default_dtype

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["set_printoptions"]

PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options: dict[str, Any] = {**PROFILES["default"], "sci_mode": None}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """Say how tensors are printed; what is not given stays as it is.

    Args:
        precision: digits behind the point, 4 at first.
        threshold: of more elements than this, 1000 at first, only those at the ends are shown.
        edgeitems: how many at each end, 3 at first.
        linewidth: characters in a line, 80 at first.
        profile: "default", "short" or "full"; sets all of these.
        sci_mode: always an exponent, or never; None, where the numbers ask for it.

    >>> import tinygrad_cnn as tg
    >>> set_printoptions(precision=2)
    >>> tg.tensor([3.14159])
    tensor([3.14])
    >>> set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in PROFILES:
            raise ArgumentError(f"set_printoptions: profile {profile!r:.40} is none of {', '.join(PROFILES)}")
        _options.update(PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    for name, value in given.items():
        if value is not None and not (isinstance(value, (int, float)) and value >= 0):
            raise ArgumentError(f"set_printoptions: {name} is {value!r:.40}; it must be a number from 0 on")
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def _text(x: Tensor) -> str:
    """As PyTorch prints it: what is not said is the default dtype, or int64 or bool, which one can see."""
    more = []
    if x.array.size == 0 and x.ndim != 1:
        more.append(f"size={x.shape}")
    if x.dtype != get_default_dtype() and (x.array.size == 0 or x.dtype not in (np.int64, np.bool_)):
        more.append(f"dtype={x.dtype}")
    if x.grad_fn is not None and x.grad_fn.op is not None:
        words = x.grad_fn.op.name.split("_")
        more.append(f"grad_fn=<{''.join(word[:1].upper() + word[1:] for word in words)}Backward0>")
    elif x.requires_grad:
        more.append("requires_grad=True")
    text = f"tensor({numbers(x.array, prefix='tensor(') if x.array.size else '[]'}"
    for part in more:
        line = len(text) - text.rfind("\n") - 1
        text += ",\n       " if line + len(part) + 4 > _options["linewidth"] else ", "
        text += part
    return f"{text})"


def numbers(a: np.ndarray, width: int | None = None, prefix: str = "") -> str:
    """The numbers as PyTorch prints them: 4 digits, all alike; an exponent where they differ 1000-fold."""
    ends, threshold, exponent = _options["edgeitems"], _options["threshold"], _options["sci_mode"]
    options: dict[str, Any] = {"separator": ", ", "prefix": prefix}
    if a.dtype.kind == "f":
        shown = a
        if a.size > threshold:
            for axis, n in enumerate(a.shape):
                if n > 2 * ends:
                    shown = shown.take([*range(ends), *range(-ends, 0)], axis)
        sizes = np.abs(shown[np.isfinite(shown) & (shown != 0)], dtype=np.float64)
        whole = bool((sizes == np.trunc(sizes)).all())
        low, high = sizes.min(initial=np.inf), sizes.max(initial=0)
        if exponent is None:
            exponent = high > 1000 * low or high > 1e8 or (low < 1e-4 and not whole)
        if exponent:
            form = f"{{:.{_options['precision']}e}}"
        else:
            form = "{:.0f}." if whole else f"{{:.{_options['precision']}f}}"

        def one(x: Any) -> str:
            return form.format(x) if np.isfinite(x) else f"{x:.0f}"

        digits = max((len(one(x)) for x in shown.flat if np.isfinite(x)), default=0)
        options["formatter"] = {"float_kind": lambda x: one(x).rjust(digits)}
    # NumPy takes one character off a line for each bracket around it, and wants a number as threshold.
    room = (_options["linewidth"] if width is None else width) + a.ndim - 1
    most = a.size if threshold >= a.size else threshold
    text = np.array2string(a, max_line_width=room, threshold=int(most), edgeitems=ends, **options)
    return text.replace(", ..., ", ",  ..., ")

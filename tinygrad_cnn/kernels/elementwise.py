"""relu and its gradient: the elementwise loops that a CNN runs most, in the forms that NumPy runs fastest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .memory import like
from .runtime import parts, share

__all__ = ["in_parts", "relu", "relu_grad"]

SMALL = 1 << 10  # elements, up to which the number of calls is what counts
LARGE = 1 << 20  # elements, times the passes over them, from which on threads share a loop

try:  # np.clip without its preparations, which take longer than a small array
    from numpy._core.umath import clip  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover - another NumPy
    clip = np.clip


def in_parts(
    loop: Callable[..., Any], *arrays: np.ndarray, passes: int = 1, common: int | None = None
) -> None:
    """Call `loop`, which passes over the arrays so often; large ones part by part, shared among threads.

    They are cut along the axis that lies outermost in memory, of all or of the first `common` ones: where a
    result depends on its neighbours, only images and channels are apart.
    """
    first = max(arrays, key=lambda array: array.size)
    if first.size * passes < LARGE or first.ndim < 2:
        loop(*arrays)
        return
    axis = max(range(common or first.ndim), key=lambda i: abs(first.strides[i]) * (first.shape[i] > 1))
    if abs(first.strides[axis]) == first.itemsize:
        loop(*arrays)
        return

    def work(mine: Iterator[slice]) -> None:
        for part in mine:
            index = (slice(None),) * axis + (part,)
            loop(*(array[index] for array in arrays))

    share(work, parts(first.shape[axis], 2 * -(-first.size // (2 * LARGE))))


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0), with nan where x has one."""
    if x.size < SMALL or x.dtype.kind != "f":
        return np.maximum(x, 0)
    out = np.empty_like(x)
    in_parts(lambda x, out: clip(x, 0, np.inf, out), x, out)  # np.maximum with a number is 4 times slower
    return out


def relu_grad(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """y where x > 0, else 0, even if y is not finite there; nan counts as positive, -nan as negative."""
    if x.shape != y.shape or x.dtype != y.dtype or x.dtype.char not in "efd" or not x.dtype.isnative:
        return np.where(x > 0, y, y.dtype.type(0))
    # As integers floats have the same sign and order: cut off at 0 and 1 they are a mask, and a product with
    # it keeps or clears all bits.
    y, integer = like(y, x), np.dtype(f"i{x.itemsize}")
    out = np.empty_like(x)

    def loop(y: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
        np.multiply(y.view(integer), clip(x.view(integer), 0, 1), out.view(integer))

    in_parts(loop, y, x, out)
    return out

"""Matrix products, cut so that BLAS computes them fast and threads can share them.

Where m n k is below a million, OpenBLAS multiplies without copying its operands into packed panels first (on
x86 with AVX-512; elsewhere it makes no difference).  For matrices as small as a narrow layer's weight that
doubles the speed, so the wide matrix is multiplied in steps, which NumPy's matmul takes in one call.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .runtime import parts, share

__all__ = ["matmul", "times", "times_transposed"]

ALONE = 1 << 18  # multiplications that BLAS itself does not share among threads of its own
SHARED = 1 << 24  # from here on we do

SMALL = 1_000_000  # multiplications
STEPS = 64, 2048  # columns: fewer are not worth a call, more do not stay in the cache


def matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x y, for x (..., m, k) and y (..., k, n); leading axes broadcast, or else a ValueError is raised."""
    count = x.size * y.shape[-1]
    if y.ndim == 2 and count <= ALONE:
        return np.matmul(x, y)
    (m, k), n = x.shape[-2:], y.shape[-1]
    leading = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = np.empty((*leading, m, n), np.result_type(x, y))

    def work(mine: Iterator[slice]) -> None:
        for part in mine:
            if m > n:
                np.matmul(x[..., part, :], y, out=out[..., part, :])
            else:
                np.matmul(x, y[..., part], out=out[..., part])

    share(work, parts(max(m, n), 2 if out.size * k > SHARED else 1))
    return out


def times(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """out = a b, for a (..., m, k) and b (..., k, n)."""
    n, step = b.shape[-1], _step(a.shape[-2] * a.shape[-1], b.shape[-1])
    whole = n // step * step if step else 0
    if whole:
        np.matmul(a[..., None, :, :], _cut(b[..., :whole], step), out=_cut(out[..., :whole], step))
    if whole < n:
        np.matmul(a, b[..., whole:], out=out[..., whole:])


def times_transposed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b^T, for a (..., m, n) and b (..., k, n): sums over n."""
    (m, n), k = a.shape[-2:], b.shape[-2]
    if k > m:  # BLAS likes the longer one first
        return times_transposed(b, a).swapaxes(-1, -2)
    step = _step(m * k, n)
    whole = n // step * step if step else 0
    rest = np.matmul(a[..., whole:], b[..., whole:].swapaxes(-1, -2))
    if whole:
        products = np.matmul(_cut(a[..., :whole], step), _cut(b[..., :whole], step).swapaxes(-1, -2))
        rest += products.sum(-3)
    return rest


def _step(size: int, n: int) -> int:
    """How many columns to take at a time with a matrix of this size; 0 for all."""
    least, most = STEPS
    step = min(SMALL // max(1, size), most)
    return step if least <= step < n else 0


def _cut(x: np.ndarray, step: int) -> np.ndarray:
    """(..., m, n) as (..., n / step, m, step), a view."""
    return x.reshape(*x.shape[:-1], x.shape[-1] // step, step).swapaxes(-2, -3)

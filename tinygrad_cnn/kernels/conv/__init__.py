"""Convolution: three kernels which are the three partial derivatives of one trilinear form.

    T(x, w, y) = <y, forward(x, w)> = <x, input_grad(y, w)> = <w, weight_grad(y, x)>

A file here is a plan: one way of computing the three.  Callers use these names and need not know which.
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np

from ...geometry import ConvGeometry
from ..runtime import one_blas_thread
from . import columns, pointwise, winograd

__all__ = ["forward", "input_grad", "weight_grad"]

#: The first that fits is taken; the last fits everything.
PLANS = (pointwise, winograd, columns)


@lru_cache(maxsize=4096)
def plan(geom: ConvGeometry, images: int, dtype: np.dtype) -> ModuleType:
    """The plan for a convolution of so many images."""
    return next(plan for plan in PLANS if plan.fits(geom, images, dtype))


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, s i + d a - p] -> (N, O, *out)."""
    with one_blas_thread():
        return plan(geom, len(x), np.result_type(x, w)).forward(x, w, geom)


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, s i + d a - p] = sum over o, a and i of w[o, c, a] y[n, o, i] -> (N, C, *size)."""
    with one_blas_thread():
        return plan(geom, len(y), np.result_type(y, w)).input_grad(y, w, geom)


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c, a] = sum over n, i of y[n, o, i] x[n, c, s i + d a - p] -> (O, C/groups, *kernel)."""
    with one_blas_thread():
        return plan(geom, len(x), np.result_type(x, y)).weight_grad(y, x, geom)

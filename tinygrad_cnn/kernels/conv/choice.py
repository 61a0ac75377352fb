"""Which plan computes a convolution: one table, and a switch for those who want to decide themselves."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np

from ...errors import ArgumentError
from ...geometry import ConvGeometry
from ..runtime import one_blas_thread
from . import columns, depthwise, pointwise, winograd

__all__ = ["conv_plans", "forward", "input_grad", "plan_for", "weight_grad"]

#: The first that fits is taken; the last fits everything.
_PLANS: dict[str, ModuleType] = {
    "pointwise": pointwise,  # windows of one pixel: a matrix product
    "depthwise": depthwise,  # every channel on its own: sums of products
    "winograd": winograd,  # 3x3 windows of float32: fewer products, somewhat less exact
    "columns": columns,  # everything: what a window sees becomes a column of a matrix
}
_allowed = tuple(_PLANS)


class conv_plans:
    """Let convolutions be computed by these plans only: from now on, or inside a `with`; in all threads.

    Args:
        plans: of "pointwise", "depthwise", "winograd" and "columns".  The first of them that fits is taken,
            in this order, and "columns", which fits everything, if none does.  None at all allows all four,
            as at the start.

    "winograd" computes 3x3 convolutions in float32 (never in float64) with a quarter of the products, and
    is off by up to 3e-5 of the largest result; plain sums are off by 1e-6.

    Raises ArgumentError for a plan that there is not.

    >>> import tinygrad_cnn as tg
    >>> conv = tg.nn.Conv2d(32, 32, 3)
    >>> with tg.conv_plans("pointwise", "depthwise", "columns"):  # all but "winograd"
    ...     exact = conv(tg.zeros(1, 32, 16, 16))
    """

    def __init__(self, *plans: str):
        if unknown := set(plans) - set(_PLANS):
            names = ", ".join(map(repr, _PLANS))
            raise ArgumentError(f"conv_plans: there is no plan {unknown.pop()!r}; the plans are {names}")
        global _allowed
        self.before = _allowed
        _allowed = tuple(name for name in _PLANS if name in plans or not plans)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        global _allowed
        _allowed = self.before


@lru_cache(maxsize=4096)
def _choose(geom: ConvGeometry, images: int, dtype: np.dtype, allowed: tuple[str, ...]) -> str:
    return next((name for name in allowed if _PLANS[name].fits(geom, images, dtype)), "columns")


def plan_for(geom: ConvGeometry, images: int, dtype: np.dtype) -> str:
    """The name of the plan for a convolution of so many images."""
    return _choose(geom, images, dtype, _allowed)


def forward(x: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """y[n, o, i] = sum over c, a of w[o, c, a] x[n, c, s i + d a - p] -> (N, O, *out)."""
    with one_blas_thread():
        return _PLANS[plan_for(geom, len(x), np.result_type(x, w))].forward(x, w, geom)


def input_grad(y: np.ndarray, w: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dx[n, c, s i + d a - p] = sum over o, a and i of w[o, c, a] y[n, o, i] -> (N, C, *size)."""
    with one_blas_thread():
        return _PLANS[plan_for(geom, len(y), np.result_type(y, w))].input_grad(y, w, geom)


def weight_grad(y: np.ndarray, x: np.ndarray, geom: ConvGeometry) -> np.ndarray:
    """dw[o, c, a] = sum over n, i of y[n, o, i] x[n, c, s i + d a - p] -> (O, C/groups, *kernel)."""
    with one_blas_thread():
        return _PLANS[plan_for(geom, len(x), np.result_type(x, y))].weight_grad(y, x, geom)

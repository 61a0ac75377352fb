"""Slopes without calculus: finite differences of a function of many numbers around one point.

With eps the precision of the arithmetic, the central difference

    (f(x + h d) - f(x - h d)) / 2h  =  f'(x; d) + O(h^2 f''') + O(eps f / h)

is best at h = eps^(1/3) and then has two thirds of the digits: enough to tell a rule that is wrong from one
that is right, and short enough a step that few kinks lie within it.  Where it does not agree, the same
difference is taken at several scales and extrapolated to h = 0 (Richardson 1911): two more orders of h^2 per
halving, an estimate of the error from what that changed, and the scale that has the least error.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["Neighbourhood"]

Vector = np.ndarray


class Neighbourhood:
    """A function f of n numbers around a point x, seen along directions.

    Attributes:
        eps: the precision that f is computed in.
        h: the step of a first look.
        scale: of each coordinate, so that steps fit large ones; a power of 2, which rounds nothing.
        f0: f(x), a vector of m numbers.
        rounding: what rounding does to f: to its result, or, where large numbers cancel on the way, what is
            seen when x is moved by a little more than its last digit.
    """

    def __init__(
        self, f: Callable[[Vector], Vector], x: Vector, eps: float = 2.0**-52, step: float | None = None
    ):
        self.f, self.x, self.eps = f, x, eps
        self.h = step or 2.0 ** round(math.log2(eps) / 3)
        self.scale = np.ones(x.shape)
        if step is None and x.size:
            self.scale = 2.0 ** np.maximum(0, np.ceil(np.log2(np.abs(x) + 1e-300)))
        self.f0 = f(x)
        ahead, behind = (
            np.array([self.at(sign * k * 128 * eps * np.cos(k + np.arange(x.size))) for k in (1, 2)])
            for sign in (1, -1)
        )
        seen = 2 * np.abs(ahead - 2 * self.f0 + behind).max(axis=0, initial=0)
        most = 1024 * eps * (np.abs(self.f0) + np.abs(x).max(initial=0))  # beyond that it is a jump
        self.rounding = 16 * eps * np.abs(self.f0) + np.where(seen < most, seen, 0)

    def at(self, move: Vector) -> Vector:
        """f(x + scale * move)."""
        return self.f(self.x + self.scale * move)

    def look(self, d: Vector, c: Vector) -> float:
        """The central difference of <c, f> along d."""
        return float(c @ self.central(d, np.zeros_like(d), self.h))

    def noise(self, c: Vector, h: float | None = None) -> float:
        """What rounding in f can do to a difference of <c, f>."""
        return float(np.linalg.norm(c * self.rounding)) / (h or self.h)

    def slope(self, d: Vector, c: Vector) -> tuple[float, float]:
        """The derivative of <c, f> along d, and the error that it may have."""
        digits = -math.log2(self.eps)
        best, used = (math.nan, math.inf), c != 0
        for part in range(1, 6):
            h = 2.0 ** round(-digits * part / 13)
            rows = [self.central(d, np.zeros_like(d), h / 2**k)[used] @ c[used] for k in range(3)]
            first = [(4 * rows[k + 1] - rows[k]) / 3 for k in range(2)]
            second = (16 * first[1] - first[0]) / 15
            error = 2 * abs(second - rows[2]) + self.noise(c, h / 4)
            if error < best[1]:
                best = float(second), float(error)
        return best

    def central(self, d: Vector, move: Vector, h: float) -> Vector:
        """The central difference of all of f along d, at x + move."""
        return (self.at(move + h * d) - self.at(move - h * d)) / (2 * h)

    def limit(self, d: Vector, ray: Vector) -> tuple[Vector, Vector]:
        """The slopes of all of f along d at x + t ray, for t to 0, and what they may be off by."""
        t = 2 * self.h
        far, near = (self.central(d, s * ray, s / 8) for s in (t, t / 2))
        return 2 * near - far, 2 * np.abs(near - far)

    def jumps(self, d: Vector) -> Vector:
        """How far each of f's numbers jumps at x along d; 0 where it is continuous."""
        t = 2 * self.h
        jump = np.zeros(self.f0.shape)
        for sign in (1, -1):
            far, near = (self.at(sign * s * d) for s in (t, t / 4))
            off, close = np.abs(far - self.f0), np.abs(near - self.f0)
            large = 64 * self.rounding + np.sqrt(self.eps) * np.abs(near)
            jump = np.where((close > 0.7 * off) & (close > large), np.maximum(jump, close), jump)
        return jump

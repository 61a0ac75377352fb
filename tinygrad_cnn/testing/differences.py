"""Slopes without calculus: finite differences of a function of many numbers around one point.

With eps the precision of the arithmetic, the central difference

    (f(x + h d) - f(x - h d)) / 2h  =  f'(x; d) + O(h^2 f''') + O(eps f / h)

is best at h = eps^(1/3) and then has two thirds of the digits: enough to tell a rule that is wrong from one
that is right, and short enough a step that few kinks lie within it.  Where it does not agree, the same
difference is taken at several scales and extrapolated to h = 0 (Richardson 1911): two more orders of h^2 per
halving, an estimate of the error from what that changed, and the scale that has the least error.  Where f
turns within the first step, as log does at 1e-8, that is a small one: slopes are large there, and what
rounding does is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Neighbourhood", "Slope"]

Vector = np.ndarray


@dataclass(frozen=True)
class Slope:
    """A derivative as differences see it.

    Attributes:
        error: what it may be off by.
        step: the longest that was taken.
        doubt: how far away another scale saw it that seemed to be good as well, and what rounding does if f
            computes with numbers as large as x on its way.
    """

    value: float
    error: float
    step: float
    doubt: float = 0.0


class Neighbourhood:
    """A function f of n numbers around a point x, seen along directions.

    Attributes:
        eps: the precision that f is computed in.
        h: the step of a first look.
        scale: of each coordinate, so that steps fit large ones; a power of 2, which rounds nothing.
        f0: f(x), a vector of m numbers.
        rounding: what rounding does to f: to its result, or, where large numbers cancel on the way, what is
            seen when x is moved by a few of its last digits.
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
        self.rounding = 16 * eps * np.abs(self.f0) + 2 * self.scatter(16 * eps)

    def scatter(self, step: float) -> Vector:
        """By how much f is no smooth curve a few steps away from x, on the side where it is less: a jump or a
        kink at x is nothing that rounding does."""
        way = step * np.cos(1.0 + np.arange(self.x.size))
        sides = [np.array([self.at(k * sign * way) for k in range(1, 6)]) for sign in (1, -1)]
        return np.fmin(*(np.abs(np.diff(side, 3, axis=0)).max(axis=0, initial=0) for side in sides))

    def at(self, move: Vector) -> Vector:
        """f(x + scale * move); NaN where f refuses it, for there its domain ends."""
        try:
            return self.f(self.x + self.scale * move)
        except (ArithmeticError, ValueError, RuntimeError):
            return np.full(self.f0.shape, np.nan)

    def look(self, d: Vector, c: Vector) -> float:
        """The central difference of <c, f> along d."""
        return float(c @ self.central(d, np.zeros_like(d), self.h))

    def noise(self, c: Vector, h: float | None = None) -> float:
        """What rounding in f can do to a difference of <c, f>."""
        return float(np.linalg.norm(c * self.rounding)) / (h or self.h)

    def unseen(self, c: Vector, h: float) -> float:
        """What rounding can do to it if f computes with numbers as large as x on its way."""
        return float(self.eps * np.linalg.norm(c) * np.abs(self.x).max(initial=0)) / h

    def slope(self, d: Vector, c: Vector, got: float = math.nan, size: float = 0.0) -> Slope:
        """The derivative of <c, f> along d, if it is `got` or not; digits of it, or of `size`, are wanted.

        Where two scales contradict each other, f turns in between, or its digits are lost in the finer one.
        The one that says `got` is believed; if none does, the finer, with a doubt.
        """
        digits = -math.log2(self.eps)
        best, least, used = Slope(math.nan, math.inf, self.h), math.inf, c != 0
        sure: list[Slope] = []
        moved = 4 * self.eps * np.abs(self.x / self.scale)[d != 0].max(initial=0)  # what rounds x + h d
        for part in range(1, 14):
            h = 2.0 ** round(-digits * part / 13)
            rows = [self.central(d, np.zeros_like(d), h / 2**k)[used] @ c[used] for k in range(3)]
            first = [(4 * rows[k + 1] - rows[k]) / 3 for k in range(2)]
            found = float(16 * first[1] - first[0]) / 15
            large = max(abs(found), size)
            seen, noise = max(2 * abs(found - rows[2]), abs(found - first[0])), self.noise(c, h / 4)
            error = seen + noise + moved / h * large
            if not np.isfinite(error):
                continue
            unsure = error + self.unseen(c, h)
            ratio = unsure / large if large else unsure
            turned = abs(found - best.value) > unsure + best.error and ratio < 0.05
            if (ratio < least or turned) if min(ratio, least) < 0.05 else error < best.error:
                best, least = Slope(found, error, h), ratio
            if unsure <= 0.3 * abs(found):
                sure.append(Slope(found, error, h))
            if unsure <= 1e-3 * abs(found):
                if abs(found - got) <= error + math.sqrt(self.eps) * large:
                    return sure[-1]
                if len(sure) > 1 and (unsure <= self.eps**0.6 * abs(found) or seen <= noise):
                    break  # smaller steps can only be worse
        far = [(abs(best.value - other.value), 3 * (other.error + best.error)) for other in sure]
        return replace(best, doubt=max(self.unseen(c, best.step), *(x for x, y in far if x > y), 0.0))

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
        jump = np.zeros(self.f0.shape)
        large = 64 * self.rounding + np.sqrt(self.eps) * np.abs(self.f0) + 1024 * self.unseen(np.ones(1), 1.0)
        for sign in (1, -1):
            moves = [sign * self.h * t * d for t in (2.0, 0.5, 2.0**-8)]
            far, near, close = (np.abs(self.at(move) - self.f0) for move in moves)
            stays = (near > 0.7 * far) & (close > 0.7 * near) & (close > large)
            jump = np.where(stays, np.maximum(jump, near), jump)
        return jump

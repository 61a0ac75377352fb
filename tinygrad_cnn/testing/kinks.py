"""Gradients where there is none: the generalized gradient at kinks and ties.

Where f has a kink at x, its slopes near x come in several pieces.  Clarke's generalized gradient (1983,
"Optimization and Nonsmooth Analysis") is the convex hull of the limits of the gradients around: [0, 1] for
relu at 0, all weighted means of the winners for a maximum that is reached twice.  A vector g lies in it if
and only if for every direction d

    least slope of f along d near x  <=  <g, d>  <=  greatest slope of f along d near x.

That is what is tested, for directions which tell most: each coordinate; from the mean slopes to g, where a
plane that separates g from the set would stand; all coordinates together; one at random.  The slopes are
limits along rays: from both sides of d (which is all there is to see if f is convex or concave), from
random sides, and then, while <g, d> is still outside, from wherever the slope comes closer to it.

What this rule cannot know: a pass is no proof, for directions are infinitely many; and a function of very
many kinks may hide a slope which the search does not find.
"""

from __future__ import annotations

import numpy as np

from .differences import Neighbourhood, Vector

__all__ = ["Kinks"]

RAYS, SEARCH = 8, 1000  # random sides that are looked from; attempts to come closer


class Kinks:
    """The pieces of f around x.

    Args:
        near: f around x.
        directions: along which f is looked at; rows.
        rng: of the random rays.
    """

    def __init__(self, near: Neighbourhood, directions: Vector, rng: np.random.Generator):
        self.near, self.directions, self.rng = near, directions, rng
        self.rays = [rng.standard_normal(near.x.shape) for _ in range(RAYS)]
        found = [self.slopes(d) for d in directions]
        self.least, self.most, self.error, self.ends = map(np.array, zip(*found, strict=True))

    def slopes(self, d: Vector) -> tuple[Vector, Vector, Vector, Vector]:
        """Of each number of f, the slopes along d: (least, greatest, how far off, some missing).

        They are missing from sides where f is not finite: there its domain ends.
        """
        limits = [self.near.limit(d, ray) for ray in (d, -d, *self.rays)]
        found, error = map(np.array, zip(*limits, strict=True))
        finite = np.isfinite(found)
        least = np.where(finite, found, np.inf).min(axis=0)
        most = np.where(finite, found, -np.inf).max(axis=0)
        scale = np.where(finite, np.abs(found), 0).max(axis=0)
        rounding = 16 * self.near.rounding / self.near.h
        error = np.where(finite, error, 0).max(axis=0) + self.near.eps**0.3 * scale + rounding
        return least, most, error, ~finite.all(axis=0) & finite.any(axis=0)

    @property
    def kinked(self) -> Vector:
        """(direction, number of f): where it matters from which side one looks."""
        return (self.most - self.least > 2 * self.error) | self.ends

    def outside(self, j: int, d: Vector, value: float) -> tuple[float, float] | None:
        """None if `value` lies among the slopes of f[j] along d; else the least and the greatest of them."""
        low, high, error = (float(part[j]) for part in self.slopes(d)[:3])
        if low - error <= value <= high + error:
            return None
        if np.isfinite(value) and low <= high:
            sign = 1.0 if value > high else -1.0
            best = sign * self._climb(j, d, sign, value - sign * error)
            low, high = min(low, best), max(high, best)
            if low - error <= value <= high + error:
                return None
        return low, high

    def _climb(self, j: int, d: Vector, sign: float, goal: float) -> float:
        """The greatest of sign * slope that is found, until it reaches sign * goal.

        First from many random sides, which finds one order of ties among others; then from the best of them
        by moving coordinates to the one or the other side, half of them, in the end each alone, which reaches
        each piece of a sum of functions that have kinks of their own.
        """

        def slope(ray: Vector) -> float:
            return sign * float(self.near.limit(d, ray)[0][j])

        more = (self.rng.standard_normal(d.shape) for _ in range(min(256, 8 + 8 * d.size)))
        ray, best = d, -np.inf
        for start in (d, -d, *self.rays, *more):
            ray, best = max((ray, best), (start, slope(start)), key=lambda pair: pair[1])
            if best >= sign * goal:
                return best
        support = self.rng.permutation(np.nonzero(d)[0])
        parts, attempts = 2, 0
        while parts < 2 * support.size and attempts < SEARCH and best < sign * goal:
            for block in np.array_split(support, min(parts, support.size)):
                for side in (1.0, -1.0):
                    moved = ray.copy()
                    moved[block] = (
                        side * np.sign(d[block]) * (3 + self.rng.random(block.size))
                    )  # beyond the others
                    ray, best = max((ray, best), (moved, slope(moved)), key=lambda pair: pair[1])
                    attempts += 1
            parts *= 2
        return best

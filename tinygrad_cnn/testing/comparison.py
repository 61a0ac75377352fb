"""The gradient of <c, f> beside the slopes of f: by every coordinate, and in one direction across all.

First a look: central differences with one step.  Where they differ from the gradient, the best slopes
that can be had.  Where these differ too, the pieces that meet there, for one number of f after the other; the
numbers without a kink are compared once more without the others.

A gradient that agrees with central differences needs no look at the pieces, even at a kink: there they are
the mean of the slopes on both sides, and if that is linear, the rest of f has the same gradients on opposite
sides with opposite signs, whose hull has 0 in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import report
from .differences import Neighbourhood, Vector
from .kinks import Kinks
from .report import Fault
from .subject import Arrays, Subject, row, unrow

__all__ = ["Comparison", "Options", "rough"]

MOST = 32  # directions, and numbers of f, that are looked at where there is a kink


@dataclass(frozen=True)
class Options:
    """What the user may say about the comparison; None is derived."""

    eps: float | None = None
    atol: float | None = None
    rtol: float | None = None
    fast: bool = False


class Comparison:
    """Attributes:
    units: the coordinates that are compared.
    across: a random direction; the last of all directions, and in fast mode the only one.
    got, slopes, errors, doubts: along each direction, by the gradient, by differences, what these may be off
        by, and how far they are from what other steps say.
    """

    def __init__(
        self,
        subject: Subject,
        cotangents: Arrays,
        gradients: Arrays,
        options: Options,
        rng: np.random.Generator,
        free: Vector,
    ):
        self.subject, self.cotangents, self.options, self.rng = subject, cotangents, options, rng
        self.near = Neighbourhood(subject.flat, row(subject.arrays), subject.eps, options.eps)
        self.units: list[int] = [] if options.fast else np.nonzero(free)[0].tolist()
        self.across = rng.standard_normal(free.size) * free
        self.count = len(self.units) + 1
        self.take(row(cotangents), row(gradients))
        self.slopes = np.zeros(self.count)
        self.errors = np.full(self.count, self.near.noise(self.c))
        self.doubts = np.zeros(self.count)

    def take(self, c: Vector, gradient: Vector) -> None:
        """Compare this gradient of <c, f> from now on."""
        self.c, self.gradient = c, gradient * self.near.scale
        self.got = np.array([*self.gradient[self.units], self.across @ self.gradient])

    def run(self) -> None:
        """Raise a Fault if the gradient is wrong."""
        self.slopes = np.array([self.near.look(self.direction(k), self.c) for k in range(self.count)])
        plain = self.errors <= self.near.eps**0.4 * self.size().max()  # else noise would let anything pass
        right = self.agree_best(self.agree() & plain)
        if right.all():
            return
        numbers = self.at_kinks(right)
        if numbers.size:
            self.without(numbers)
            right = self.agree_best(right)
        if right.all():
            return
        known = ~right & (4 * np.maximum(self.errors, self.doubts) <= np.abs(self.got - self.slopes))
        raise Fault(self.report(known) if known.any() else self.report_unknown(int(np.argmin(right))))

    def direction(self, k: int) -> Vector:
        """Direction number k."""
        if k == self.count - 1:
            return self.across
        unit = np.zeros(self.across.shape)
        unit[self.units[k]] = 1.0
        return unit

    def size(self) -> Vector:
        """How large gradients are: by a coordinate, the largest of that input; across all, the norm."""
        largest = np.abs(self.gradient)
        largest[self.units] = np.fmax(largest[self.units], np.abs(self.slopes[:-1]))
        each = np.zeros(largest.shape)
        for span in self.subject.spans:
            each[span] = largest[span].max(initial=0)
        return np.array([*each[self.units], np.linalg.norm(self.across * largest)])

    def agree(self) -> Vector:
        """Along which directions the gradient is the slope."""
        atol, rtol = self.options.atol, self.options.rtol
        if atol is None and rtol is None:
            allowed = np.sqrt(self.near.eps) * self.size() + self.errors
        else:
            allowed = (1e-5 if atol is None else atol) + (1e-3 if rtol is None else rtol) * np.abs(
                self.slopes
            )
        nothing = np.maximum(np.abs(self.got), np.abs(self.slopes)) <= 64 * self.near.unseen(self.c, 1.0)
        return (np.abs(self.got - self.slopes) <= allowed) | nothing

    def agree_best(self, right: Vector) -> Vector:
        """The same, with the best slopes that can be had where it was not so."""
        self.slopes[~right] = 0  # a first look may be far off
        size = self.size()
        for k in np.nonzero(~right)[0].tolist():
            best = self.near.slope(self.direction(k), self.c, self.got[k], size[k])
            self.slopes[k], self.errors[k], self.doubts[k] = best.value, best.error, best.doubt
            self.near.h = min(self.near.h, best.step)
        return right | self.agree()

    def without(self, numbers: Vector) -> None:
        """Leave these numbers of f out."""
        c = np.where(np.isin(np.arange(self.c.size), numbers), 0.0, self.c)
        self.take(c, self.pulled(c, self.cotangents))

    def pulled(self, c: Vector, like: Arrays) -> Vector:
        """The gradient of <c, f>."""
        return row(self.subject.pull(self.subject.arrays, [unrow(c, like)])[1][0])

    # --- kinks -----------------------------------------------------------------------------------------

    def at_kinks(self, right: Vector) -> Vector:
        """Look at what meets along the directions that are not right; returns the numbers of f that have a
        kink there, and a gradient that belongs to it."""
        asked = np.nonzero(~right)[0].tolist()[:MOST]
        if self.count - 1 not in asked:
            asked.append(self.count - 1)
        kinks = Kinks(self.near, np.array([self.direction(k) for k in asked]), self.rng)
        for k in asked:
            jump = 0 if right[k] else (self.near.jumps(self.direction(k)) * (self.c != 0)).max(initial=0)
            if jump:
                raise Fault(
                    f"{self.subject.text} is not continuous{self.place(k)}: it jumps by {jump:.6g} there"
                )
        numbers = np.nonzero(kinks.kinked.any(axis=0))[0]
        for j in self.rng.permutation(numbers)[:MOST].tolist():
            self.one_number(kinks, asked, j)
        return numbers

    def one_number(self, kinks: Kinks, asked: list[int], j: int) -> None:
        """Whether the gradient of number j of f lies in the generalized gradient."""
        unit = np.zeros(self.c.shape)
        unit[j] = 1.0
        gradient = self.pulled(unit, self.cotangents) * self.near.scale
        tried = [(kinks.directions[i], k) for i, k in enumerate(asked)]
        apart = np.zeros(gradient.shape)
        for i, k in enumerate(asked):
            if kinks.kinked[i, j] and k < self.count - 1:
                at = self.units[k]
                apart[at] = gradient[at] - (kinks.least[i, j] + kinks.most[i, j]) / 2
        if self.options.fast:
            apart = gradient
        for d in (apart, self.across != 0, self.rng.standard_normal(gradient.shape)):
            size = float(np.abs(d).max(initial=0))
            if np.isfinite(size) and size > 0:
                tried.append((d / size, self.count - 1))
        for d, k in tried:
            value = float(d @ gradient)
            slopes = kinks.outside(j, d, value)
            if slopes is not None:
                raise Fault(self.report_kink(j, k, value, slopes))

    # --- words -----------------------------------------------------------------------------------------

    def report(self, wrong: Vector) -> str:
        """A gradient that is wrong where nothing is special; of several inputs, the first of an op's."""
        subject = self.subject
        if not wrong[:-1].any():
            return (
                f"the gradient of {subject.text} is wrong along a random direction: "
                f"expected {self.slopes[-1]:.6g} (central difference), got {self.got[-1]:.6g}"
            )
        whole = np.zeros((3, self.near.x.size))
        whole[:, self.units] = self.got[:-1], self.slopes[:-1], wrong[:-1]
        whole[:2] /= self.near.scale
        counts = [int(whole[2, span].sum()) for span in subject.spans]
        i = next(i for i, n in enumerate(counts) if n) if subject.op else int(np.argmax(counts))
        got, slopes, bad = whole[:, subject.spans[i]].reshape(3, *subject.arrays[i].shape)
        return report.compared(subject, i, got, slopes, bad > 0)

    def report_unknown(self, k: int) -> str:
        """Differences say nothing of a function that is too steep, too rough or too badly conditioned."""
        off = max(self.errors[k], self.doubts[k])
        return (
            f"the numerical derivative of {self.subject.text} cannot be trusted here{self.place(k)}: "
            f"its best estimate is {self.slopes[k]:.6g} and may be off by {off:.2g}, the gradient says "
            f"{self.got[k]:.6g}; check at a point where it is less steep, or where less cancels"
        )

    def report_kink(self, j: int, k: int, value: float, slopes: tuple[float, float]) -> str:
        """A gradient that is outside of what it may be at a kink."""
        low, high, got = (*slopes, value)
        what = f"the gradient of {self.element(j)}{self.subject.text} is outside of the generalized gradient"
        lines = [f"{what}{self.place(k)}"]
        if k < self.count - 1:
            low, high, got = (v / float(self.near.scale[self.units[k]]) for v in (low, high, got))
            lines += report.rule(self.subject, self.name(k))
        lines.append(f"  at a kink: the slopes go from {low:.6g} to {high:.6g}, got {got:.6g}")
        return "\n".join(lines)

    def name(self, k: int) -> str:
        """The input that coordinate k belongs to."""
        return self.subject.names[self.subject.wanted[self.input(k)]]

    def input(self, k: int) -> int:
        return next(i for i, s in enumerate(self.subject.spans) if self.units[k] < s.stop)

    def place(self, k: int) -> str:
        """Where a direction goes: " at x[0, 1]"."""
        if k == self.count - 1:
            return " along several inputs at once"
        i = self.input(k)
        index = np.unravel_index(self.units[k] - self.subject.spans[i].start, self.subject.arrays[i].shape)
        return f" at {self.name(k)}{[int(n) for n in index] if index else ''}"

    def element(self, j: int) -> str:
        """Which number of f: "element [0, 1] of "; nothing where it has one only."""
        for o, out in enumerate(self.cotangents):
            if j < out.size:
                index = [int(n) for n in np.unravel_index(j, out.shape)]
                which = f" of result {o}" if len(self.cotangents) > 1 else ""
                return f"element {index}{which} of " if index or which else ""
            j -= out.size
        raise AssertionError(j)


def rough(subject: Subject, rng: np.random.Generator) -> Vector:
    """By which coordinates the function has a kink."""
    near = Neighbourhood(subject.flat, row(subject.arrays), subject.eps)
    if not near.x.size or not near.f0.size:
        return np.zeros(near.x.shape, bool)
    return np.array([Kinks(near, d[None], rng).kinked.any() for d in np.eye(near.x.size)])

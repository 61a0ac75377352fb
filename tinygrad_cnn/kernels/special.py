"""The error function, which NumPy lacks, and gelu: block by block, as they take many passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from .runtime import parts, share

__all__ = ["erf", "gelu"]

BLOCK = 1 << 15  # elements that stay in the cache, with what is computed of them
SHARED = 1 << 17  # elements from which on threads share them


def _in_blocks(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray) -> np.ndarray:
    """function(x), elementwise, in the memory order of x."""
    out = np.array(x, order="K")
    flat = out.ravel("K")
    if not np.may_share_memory(flat, out):  # order "K" found no order
        out = np.array(x, order="C")
        flat = out.ravel()

    def work(mine: Iterator[slice]) -> None:
        for part in mine:
            for start in range(part.start, part.stop, BLOCK):
                block = flat[start : min(start + BLOCK, part.stop)]
                block[...] = function(block)

    share(work, parts(flat.size, -(-flat.size // SHARED)))
    return out


def erf(x: np.ndarray) -> np.ndarray:
    """erf(x) of any shape; error under 4e-7 of the value for float32, and under 3e-15 for float64."""
    return _in_blocks(_erf, x)


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x, (1 + erf(x / sqrt(2))) / 2."""
    return _in_blocks(lambda x: (_erf(x * math.sqrt(0.5)) + 1) * x * 0.5, x)


def _erf(x: np.ndarray) -> np.ndarray:
    return _double(x) if x.dtype == np.float64 else _single(x.astype(np.float32, copy=False))


# --- float32: x p(x^2) / q(x^2) ----------------------------------------------------------------------------

_TO_ONE = 4.0  # where erf is 1 in float32


@cache
def _ratio(degree: int) -> tuple[list[float], list[float]]:
    """p and q, polynomials in u = (x / 4)^2 with q(0) = 1, highest power first: a fit to Python's own erf.

    Least squares of (p - q erf(x) / x) times a weight, which is 1 over q erf(x) / x of the round before
    (Sanathanan & Koerner 1963).
    """
    u = (np.polynomial.chebyshev.chebpts1(200) + 1) / 2
    f = np.array([math.erf(x) / x for x in np.sqrt(u) * _TO_ONE])
    powers = np.vander(u, degree + 1, increasing=True)
    q = np.ones_like(u)
    for _ in range(12):
        weight = 1 / (f * q)
        system = np.hstack([powers, -f[:, None] * powers[:, 1:]]) * weight[:, None]
        found = np.linalg.lstsq(system, f * weight, rcond=None)[0]
        q = 1 + powers[:, 1:] @ found[degree + 1 :]
    return found[degree::-1].tolist(), [*found[:degree:-1].tolist(), 1.0]


def _single(x: np.ndarray) -> np.ndarray:
    x = np.minimum(np.maximum(x, -_TO_ONE), _TO_ONE)
    u = x * x
    u *= 1 / _TO_ONE**2
    top, bottom = (_horner(coefficients, u) for coefficients in _ratio(5))
    top *= x
    top /= bottom
    return np.minimum(np.maximum(top, -1, out=top), 1, out=top)


def _horner(coefficients: list[float], u: np.ndarray) -> np.ndarray:
    first, *more = coefficients
    out = np.full_like(u, first)
    for c in more:
        out *= u
        out += c
    return out


# --- float64 -----------------------------------------------------------------------------------------------


@cache
def _coefficients(terms: int) -> np.ndarray:
    """Chebyshev coefficients of P in erfc(z) = t exp(P(t) - z^2), t = 2 / (2 + z), for 0 <= z <= 26.

    This form is smooth in t over the whole range (Press et al., Numerical Recipes, 6.2.2); the
    coefficients are fitted here to Python's own erfc.
    """

    def p(u: np.ndarray) -> np.ndarray:
        z = [2 / t - 2 for t in (u + 1) * (1 - _LAST) / 2 + _LAST]
        return np.array([math.log(math.erfc(v)) + v * v - math.log(2 / (2 + v)) for v in z])

    return np.polynomial.chebyshev.chebinterpolate(p, terms - 1)


_LAST = 2 / (2 + 26)


def _double(x: np.ndarray) -> np.ndarray:
    z = np.minimum(np.abs(x), x.dtype.type(26))
    t = 2 / (2 + z)
    u = (t - _LAST) * (2 / (1 - _LAST)) - 1
    # Clenshaw's recurrence: sum c_k T_k(u)
    c = _coefficients(36).tolist()
    two_u, b1, b2 = 2 * u, np.zeros_like(u), np.zeros_like(u)
    for coefficient in reversed(c[1:]):
        b1, b2 = two_u * b1 - b2 + coefficient, b1
    erfc = t * np.exp(u * b1 - b2 + c[0] - z * z)
    return np.copysign((1 - erfc) * (z != 0), x)

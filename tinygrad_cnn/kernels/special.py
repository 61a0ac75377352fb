"""The error function, which NumPy lacks."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

__all__ = ["erf"]


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


def erf(x: np.ndarray) -> np.ndarray:
    """erf(x) of any shape; absolute error under 3e-7 for float32 and 2e-15 for float64."""
    z = np.minimum(np.abs(x), x.dtype.type(26))
    t = 2 / (2 + z)
    u = (t - _LAST) * (2 / (1 - _LAST)) - 1
    # Clenshaw's recurrence: sum c_k T_k(u)
    c = _coefficients(12 if x.dtype == np.float32 else 36).tolist()
    two_u, b1, b2 = 2 * u, np.zeros_like(u), np.zeros_like(u)
    for coefficient in reversed(c[1:]):
        b1, b2 = two_u * b1 - b2 + coefficient, b1
    erfc = t * np.exp(u * b1 - b2 + c[0] - z * z)
    return np.copysign((1 - erfc) * (z != 0), x)

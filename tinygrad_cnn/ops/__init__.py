"""The ops: one file per family, kernel call and backward rule together.

Order of the files, each using only those before it: shape, elementwise, reduce, linalg, conv, pool,
activation, norm, loss.
"""

from . import activation, conv, elementwise, linalg, loss, norm, pool, reduce, shape

__all__ = ["activation", "conv", "elementwise", "linalg", "loss", "norm", "pool", "reduce", "shape"]

"""The ops: one file per family, kernel call and backward rule together.

Order of the files, each using only those before it: shape, elementwise, reduce, linalg, conv, pool,
resample, activation, norm, loss.  Rules here are written in ops, operators and `values(x)` alone, so they
work on Tensors (when gradients are recorded) and on plain arrays (when not) alike.
"""

from ..op import registry as _registry
from . import activation, conv, elementwise, linalg, loss, norm, pool, reduce, resample, shape

__all__ = [
    "activation", "conv", "elementwise", "linalg", "loss", "norm", "pool", "reduce", "resample", "shape",
]  # fmt: skip

for _op in _registry.values():
    _op.on_arrays = True

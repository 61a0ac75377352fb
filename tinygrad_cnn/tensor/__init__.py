"""The Tensor: an array, its place on the tape, and PyTorch's spellings of the ops.

A method turns PyTorch's arguments (negative axes, optional axes, lists) into an op's and calls it; the
same functions stand in the package's namespace (`tg.exp(x)` is `x.exp()`).  `core` has what a tensor is;
the methods stand in one file for each kind, and `arguments` reads what they are given.
"""

from .arguments import (  # noqa: I001  (isort would write one import for each)
    _axis as _axis,
    _dims as _dims,
    _dtype as _dtype,
    _floating as _floating,
    _gap as _gap,
    _mask as _mask,
    _number as _number,
    _operand as _operand,
    _sizes as _sizes,
    _tensor as _tensor,
    _whole as _whole,
)
from .core import Tensor
from .parameter import Parameter
from .reductions import _vector_norm as _vector_norm

__all__ = ["Parameter", "Tensor"]

"""Linear algebra under PyTorch's names: norms, and equations of square matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError, DtypeError, ShapeError
from .ops import elementwise
from .ops import linalg as _ops
from .tensor import Tensor, _dims, _floating, _number, _tensor, _vector_norm
from .tensor.names import numpy_names

__all__ = [
    "cholesky", "det", "diagonal", "inv", "matmul", "matrix_exp", "matrix_norm", "matrix_power",
    "multi_dot", "norm", "slogdet", "solve", "vecdot", "vector_norm",
]  # fmt: skip

det = Tensor.det
inv = Tensor.inverse
matmul = Tensor.matmul
matrix_exp = Tensor.matrix_exp
matrix_power = Tensor.matrix_power
slogdet = Tensor.slogdet


@numpy_names
def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over all axes, or those of `dim`; the gradient at 0 is 0.

    inf is the largest |x|, -inf the smallest, 0 counts what is not 0.

    >>> import tinygrad_cnn as tg
    >>> tg.linalg.vector_norm(tg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return _vector_norm("vector_norm", x, ord, dim, keepdim, dtype)


@numpy_names
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of each matrix: "fro", the root of the sum of squares; 1 and inf, the largest sum of |a| in a
    column or a row; -1 and -inf, the smallest.
    """
    x = _floating("matrix_norm", A)
    if x.ndim < 2 or not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ShapeError(f"matrix_norm: A {x.shape} has no matrices along dim={dim}; two axes are needed")
    rows, columns = (d % x.ndim if isinstance(d, int) and -x.ndim <= d < x.ndim else d for d in dim)
    dims = _dims("matrix_norm", x, dim, keepdim)
    if ord == "fro":
        return _vector_norm("matrix_norm", x, 2, dims, keepdim, dtype)
    if isinstance(ord, str) or abs(_number("matrix_norm", "ord", ord)) not in (1, math.inf):
        raise ArgumentError(f'matrix_norm: ord is {ord!r:.40}; it can be "fro", 1, -1, inf or -inf')
    x = x if dtype is None else _floating("matrix_norm", x.to(dtype))
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = x.abs().sum(first, True)
    out = sums.amax(second, True) if ord > 0 else sums.amin(second, True)
    return out if keepdim else out.squeeze(dims)


@numpy_names
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`vector_norm` along one axis, `matrix_norm` along two; without `ord` the root of the sum of squares."""
    x = _tensor("norm", A)
    if ord is not None and dim is None:
        if x.ndim not in (1, 2):
            raise ShapeError(f"norm: A {x.shape} is neither a vector nor a matrix; say along which dim")
        dim = tuple(range(x.ndim))
    matrix = isinstance(ord, str) or (ord is not None and isinstance(dim, (tuple, list)) and len(dim) == 2)
    if matrix:
        return matrix_norm(x, ord, dim, keepdim, dtype=dtype)
    return _vector_norm("norm", x, 2 if ord is None else ord, dim, keepdim, dtype)


@numpy_names
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum of x y along an axis; the others broadcast."""
    return elementwise.mul(_floating("vecdot", x), _floating("vecdot", y, "y")).sum(dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of each matrix; a view."""
    return _tensor("diagonal", A, "A").diagonal(offset, dim1, dim2)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B, or with X A = B where not `left`; B is a matrix or a vector, or a batch of them.

    >>> import tinygrad_cnn as tg
    >>> tg.linalg.solve(tg.tensor([[2.0, 0.0], [0.0, 4.0]]), tg.tensor([1.0, 1.0]))
    tensor([0.5000, 0.2500])
    """
    a, b = _floating("solve", A, "A"), _floating("solve", B, "B")
    if a.dtype != b.dtype:
        raise DtypeError(f"solve: A is {a.dtype}, B is {b.dtype}; convert one with .to(dtype)")
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"solve: A {a.shape} must be a square matrix, or a batch of them")
    vector = b.ndim == 1 or b.shape == a.shape[:-1]  # PyTorch's rule
    if vector and not left:
        raise ShapeError(f"solve: B {b.shape} must be a matrix where A stands on the right")
    b = b.unsqueeze(-1) if vector else b
    n = a.shape[-1]
    if b.ndim < 2 or b.shape[-2 if left else -1] != n:
        raise ShapeError(f"solve: A {A.shape} and B {B.shape} do not fit; the sizes of A and B must agree")
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ShapeError(f"solve: leading axes of A {A.shape} and B {B.shape} do not broadcast") from None
    out = _ops.solve(a, b) if left else _ops.mT(_ops.solve(_ops.mT(a), _ops.mT(b)))
    return out.squeeze(-1) if vector else out


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with L L^T = A, lower triangular, of each symmetric positive definite matrix; or its transpose."""
    x = _floating("cholesky", A, "A")
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"cholesky: A {x.shape} must be a square matrix, or a batch of them")
    out = _ops.cholesky(x)
    return _ops.mT(out) if upper else out


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of two or more matrices, from the left; the first and the last may be vectors."""
    if not isinstance(tensors, (list, tuple)) or len(tensors) < 2:
        raise ArgumentError("multi_dot: a list of at least two matrices is needed")
    for i, t in enumerate(tensors):
        least = 1 if i in (0, len(tensors) - 1) else 2
        if not least <= _tensor("multi_dot", t).ndim <= 2:
            raise ShapeError(f"multi_dot: tensor {i} {t.shape} is no matrix")
    out = tensors[0]
    for t in tensors[1:]:
        out = out.matmul(t)
    return out

"""Products of matrices, diagonals and triangles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import return_types
from ..errors import ArgumentError, DtypeError, ShapeError
from ..op import is_tensor, wrap
from ..ops import elementwise, linalg, shape
from .arguments import _axis, _floating, _number, _tensor, _whole

if TYPE_CHECKING:
    from .core import Tensor

__all__ = ["Matrices"]


class Matrices:
    """Products of matrices, diagonals and triangles."""

    __slots__ = ()

    def __matmul__(self: Tensor, other: Any) -> Tensor:
        return self.matmul(other)

    def __rmatmul__(self: Tensor, other: Any) -> Tensor:
        return wrap(np.asarray(other)).matmul(self)

    def matmul(self: Tensor, other: Any) -> Tensor:
        """Matrix product; leading axes broadcast; a 1-d tensor is a row on the left, a column else."""
        if not is_tensor(other):
            other = wrap(np.asarray(other))
        if _tensor("matmul", self).ndim == 0 or other.ndim == 0:
            raise ShapeError(
                f"matmul: x {self.shape} and y {other.shape} need at least one axis each; use * for numbers"
            )
        if self.dtype != other.dtype:
            raise DtypeError(f"matmul: x is {self.dtype}, y is {other.dtype}; convert one with .to(dtype)")
        x = self.reshape(1, -1) if self.ndim == 1 else self
        y = other.reshape(-1, 1) if other.ndim == 1 else other
        out = linalg.matmul(x, y)
        if other.ndim == 1:
            out = out.squeeze(-1)
        return out.squeeze(-1 if other.ndim == 1 else -2) if self.ndim == 1 else out

    def mm(self: Tensor, mat2: Tensor) -> Tensor:
        """Product of two matrices."""
        return _product("mm", self, mat2, 2, 2)

    def bmm(self: Tensor, mat2: Tensor) -> Tensor:
        """Products of as many pairs of matrices: (n, a, b) and (n, b, c) -> (n, a, c)."""
        if _axes("bmm", self, 3).shape[0] != _axes("bmm", mat2, 3, "mat2").shape[0]:
            raise ShapeError(f"bmm: x {self.shape} and mat2 {mat2.shape} must be equally many matrices")
        return _product("bmm", self, mat2, 3, 3)

    def mv(self: Tensor, vec: Tensor) -> Tensor:
        """Product of a matrix and a vector."""
        return _product("mv", self, vec, 2, 1)

    def dot(self: Tensor, tensor: Tensor) -> Tensor:
        """sum_i x_i y_i of two vectors."""
        return _product("dot", self, tensor, 1, 1)

    def vdot(self: Tensor, other: Tensor) -> Tensor:
        """sum_i x_i y_i of two vectors."""
        return _product("vdot", self, other, 1, 1)

    def inner(self: Tensor, other: Tensor) -> Tensor:
        """Sum of products along the last axis of both, for every pair of rows."""
        _same_dtype("inner", _tensor("inner", self), _tensor("inner", other, "other"))
        if self.ndim == 0 or other.ndim == 0:
            return elementwise.mul(self, other)
        if self.shape[-1] != other.shape[-1]:
            raise ShapeError(f"inner: the last axes of x {self.shape} and y {other.shape} must be equal")
        rows, columns = [("x", i) for i in range(self.ndim - 1)], [("y", i) for i in range(other.ndim - 1)]
        return linalg.einsum([self, other], [[*rows, "sum"], [*columns, "sum"]], [*rows, *columns])

    def outer(self: Tensor, vec2: Tensor) -> Tensor:
        """out_ij = x_i y_j of two vectors."""
        return elementwise.mul(_axes("outer", self, 1).unsqueeze(1), _axes("outer", vec2, 1, "vec2"))

    ger = outer

    def kron(self: Tensor, other: Tensor) -> Tensor:
        """Kronecker's product: each element of x times the whole of y, in its place.

        >>> import tinygrad_cnn as tg
        >>> tg.eye(2).kron(tg.ones(1, 2))
        tensor([[1., 1., 0., 0.],
                [0., 0., 1., 1.]])
        """
        n = max(_tensor("kron", self).ndim, _tensor("kron", other, "other").ndim)
        a, b = ((1,) * (n - x.ndim) + x.shape for x in (self, other))
        x = self.reshape([size for m in a for size in (m, 1)])
        y = other.reshape([size for m in b for size in (1, m)])
        return elementwise.mul(x, y).reshape([i * j for i, j in zip(a, b, strict=True)])

    def addmm(self: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta x + alpha (mat1 mat2); with beta = 0 nothing of x counts, not even a nan."""
        return _sum("addmm", self, _tensor("addmm", mat1, "mat1").mm(mat2), beta, alpha)

    def addmv(self: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta x + alpha (mat vec)."""
        return _sum("addmv", self, _tensor("addmv", mat, "mat").mv(vec), beta, alpha)

    def addr(self: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta x + alpha (vec1 outer vec2)."""
        return _sum("addr", self, _tensor("addr", vec1, "vec1").outer(vec2), beta, alpha)

    def baddbmm(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta x + alpha (batch1 batch2), for each pair of matrices."""
        return _sum("baddbmm", self, _tensor("baddbmm", batch1, "batch1").bmm(batch2), beta, alpha)

    def addbmm(self: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        """beta x + alpha (sum of batch1 batch2 over all pairs of matrices)."""
        return _sum("addbmm", self, _tensor("addbmm", batch1, "batch1").bmm(batch2).sum(0), beta, alpha)

    # --- square matrices --------------------------------------------------------------------------------

    def inverse(self: Tensor) -> Tensor:
        """The inverse of each square matrix."""
        return linalg.inv(_square("inverse", self))

    def det(self: Tensor) -> Tensor:
        """The determinant of each square matrix."""
        return linalg.det(_square("det", self))

    def slogdet(self: Tensor) -> return_types.slogdet:
        """(sign, logabsdet) of the determinant of each square matrix."""
        x = _square("slogdet", self)
        return return_types.slogdet(wrap(np.asarray(np.linalg.slogdet(x.array)[0])), linalg.logabsdet(x))

    def logdet(self: Tensor) -> Tensor:
        """The logarithm of the determinant of each square matrix; nan where that is negative."""
        sign, size = self.slogdet()
        return elementwise.where(size, np.nan, mask=sign.array >= 0)

    def matrix_exp(self: Tensor) -> Tensor:
        """1 + x + x^2 / 2 + ... of a square matrix, or of each of a batch.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([[0.0, 2.0], [0.0, 0.0]]).matrix_exp()
        tensor([[1., 2.],
                [0., 1.]])
        """
        return linalg.matrix_exp(_square("matrix_exp", self))

    def matrix_power(self: Tensor, n: int) -> Tensor:
        """Each square matrix, n times multiplied by itself; its inverse where n is negative."""
        x, times = _square("matrix_power", self), abs(_whole("matrix_power", "n", n))
        x = linalg.inv(x) if n < 0 else x
        out = wrap(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy())
        while times:
            out = out.matmul(x) if times % 2 else out
            times //= 2
            x = x.matmul(x) if times else x
        return out

    # --- diagonals and triangles -------------------------------------------------------------------------

    def diagonal(self: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        """The elements whose index along dim2 is that along dim1 plus offset, in a new last axis; a view."""
        a, b = _two("diagonal", self, dim1, dim2)
        return shape.diagonal(self, offset=_whole("diagonal", "offset", offset), dim1=a, dim2=b)

    def diag_embed(self: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
        """Zeros with the last axis of x on a diagonal of the new axes dim1 and dim2."""
        x = _tensor("diag_embed", self)
        if x.ndim == 0:
            raise ShapeError("diag_embed: x () has no axis to put on a diagonal")
        side = x.shape[-1] + abs(_whole("diag_embed", "offset", offset))
        a, b = _two("diag_embed", x.unsqueeze(0), dim1, dim2)
        size = list(x.shape[:-1])
        for axis in sorted((a, b)):
            size.insert(axis, side)
        return shape.diag_embed(x, offset=offset, dim1=a, dim2=b, shape=tuple(size))

    def diag(self: Tensor, diagonal: int = 0) -> Tensor:
        """The diagonal of a matrix, or the matrix with this diagonal and zeros elsewhere.

        >>> import tinygrad_cnn as tg
        >>> tg.tensor([1, 2]).diag()
        tensor([[1, 0],
                [0, 2]])
        """
        if _tensor("diag", self).ndim not in (1, 2):
            raise ShapeError(
                f"diag: x {self.shape} is neither a vector nor a matrix; see diagonal, diag_embed"
            )
        return self.diag_embed(diagonal) if self.ndim == 1 else self.diagonal(diagonal).clone()

    def trace(self: Tensor) -> Tensor:
        """Sum of the diagonal of a matrix."""
        return _axes("trace", self, 2).diagonal().sum()

    def tril(self: Tensor, diagonal: int = 0) -> Tensor:
        """The lower triangle of each matrix, up to a diagonal; zeros above.

        >>> import tinygrad_cnn as tg
        >>> tg.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
        """
        return elementwise.where(self, False, mask=_lower("tril", self, diagonal))

    def triu(self: Tensor, diagonal: int = 0) -> Tensor:
        """The upper triangle of each matrix, from a diagonal on; zeros below."""
        return elementwise.where(False, self, mask=_lower("triu", self, diagonal, 1))

    def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
        """Set the diagonal; with `wrap` it begins anew below the end of a tall matrix."""
        name = "fill_diagonal_"
        if _tensor(name, self).ndim < 2 or (self.ndim > 2 and len(set(self.shape)) > 1):
            raise ShapeError(f"{name}: x {self.shape} must be a matrix, or have axes of one size")
        columns = self.shape[-1]
        step = sum(columns**i for i in range(self.ndim))
        last = self.numel() if wrap or self.ndim > 2 else min(self.numel(), columns * columns)
        self[np.unravel_index(np.arange(0, last, max(step, 1)), self.shape)] = fill_value
        return self


def _square(name: str, x: Any) -> Tensor:
    if _floating(name, x).ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: x {x.shape} must be a square matrix, or a batch of them")
    return x


def _axes(name: str, x: Any, ndim: int, role: str = "x") -> Tensor:
    if _tensor(name, x, role).ndim != ndim:
        what = {1: "a vector", 2: "a matrix", 3: "a batch of matrices"}[ndim]
        raise ShapeError(
            f"{name}: {role} {x.shape} must be {what}, with {ndim} {'axis' if ndim == 1 else 'axes'}"
        )
    return x


def _product(name: str, x: Any, y: Any, left: int, right: int) -> Tensor:
    """`matmul` of just these numbers of axes."""
    _axes(name, x, left), _axes(name, y, right, "the other")
    if x.shape[-1] != y.shape[max(0, right - 2)]:
        raise ShapeError(f"{name}: x {x.shape} and y {y.shape} do not fit; the inner sizes must be equal")
    _same_dtype(name, x, y)
    return x.matmul(y)


def _sum(name: str, x: Any, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    x, beta, alpha = _tensor(name, x), _number(name, "beta", beta), _number(name, "alpha", alpha)
    if name != "addr":
        _same_dtype(name, x, product)
    if product.dtype.kind != "f" and isinstance(beta + alpha, float):
        raise ArgumentError(
            f"{name}: beta={beta} and alpha={alpha} for {product.dtype}; they must be integers"
        )
    if x.ndim > product.ndim or any(
        m not in (1, n) for m, n in zip(x.shape[::-1], product.shape[::-1], strict=False)
    ):
        raise ShapeError(f"{name}: x {x.shape} cannot be broadcast to the product {product.shape}")
    out = product if alpha == 1 else product * alpha
    return out if beta == 0 else elementwise.add(x if beta == 1 else x * beta, out)


def _same_dtype(name: str, x: Tensor, y: Tensor) -> None:
    if x.dtype != y.dtype:
        raise DtypeError(f"{name}: x is {x.dtype}, y is {y.dtype}; convert one with .to(dtype)")


def _two(name: str, x: Tensor, dim1: Any, dim2: Any) -> tuple[int, int]:
    a, b = _axis(name, x, dim1), _axis(name, x, dim2)
    if a == b:
        raise ArgumentError(f"{name}: dim1={dim1} and dim2={dim2} are the same axis of x {x.shape}")
    return a, b


def _lower(name: str, x: Tensor, diagonal: Any, less: int = 0) -> np.ndarray:
    """True on and below a diagonal."""
    if _tensor(name, x).ndim < 2:
        raise ShapeError(f"{name}: x {x.shape} has no matrices; at least 2 axes are needed")
    return np.tri(x.shape[-2], x.shape[-1], _whole(name, "diagonal", diagonal) - less, dtype=np.bool_)

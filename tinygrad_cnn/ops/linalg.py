"""Matrix products."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..kernels import products
from ..op import op
from .elementwise import where
from .reduce import sum
from .shape import diagonal, getitem, pad, permute, reshape, sum_to

__all__ = [
    "add_bias", "cholesky", "det", "einsum", "inv", "linear", "logabsdet", "mT", "matmul",
    "matrix_exp", "solve",
]  # fmt: skip

Labels = Sequence[Hashable]


def mT(x: Any) -> Any:
    """Swap the last two axes."""
    n = len(x.shape)
    return permute(x, dims=(1, 0) if n == 2 else (*range(n - 2), n - 1, n - 2))


@op
def matmul(x, y):
    """out[.., i, j] = sum_k x[.., i, k] y[.., k, j], leading axes broadcast; both have at least 2 axes."""
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            f"matmul: x {x.shape} has {x.shape[-1]} columns, y {y.shape} has {y.shape[-2]} rows; they "
            "must be equal (transpose one of them?)"
        )
    try:
        return products.matmul(x, y)
    except ValueError:
        raise ShapeError(f"matmul: leading axes of x {x.shape} and y {y.shape} do not broadcast") from None


matmul.vjp(
    x=lambda g, y, x_shape: sum_to(matmul(g, mT(y)), shape=x_shape),
    y=lambda g, x, y_shape: sum_to(matmul(mT(x), g), shape=y_shape),
)


@op
def linear(x, w, b):
    """out = x w^T + b: x (n, features), w (outputs, features), b (outputs) or None -> (n, outputs)."""
    out = products.matmul(x, w.T)
    if b is not None:
        out += b
    return out


linear.vjp(x=lambda g, w: matmul(g, w), w=lambda g, x: matmul(mT(g), x), b=lambda g: sum(g, dim=(0,)))


@op
def add_bias(x, b, *, axis):
    """x + b, one b per channel: b[c] is added to everything at index c of `axis`.

    db[c] is the sum of g over all other axes.
    """
    return x + b.reshape(b.shape + (1,) * (x.ndim - axis - 1))


add_bias.vjp(
    x=lambda g: g,
    b=lambda g, axis: sum(g, dim=tuple(i for i in range(len(g.shape)) if i != axis)),
)


# --- square matrices, and batches of them ---------------------------------------------------------------


def _singular(name: str, cure: str = "add a small multiple of eye(n)?") -> ArgumentError:
    return ArgumentError(f"{name}: the matrix (or one of the batch) is singular; {cure}")


@op
def inv(x):
    """The inverse of each matrix."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        raise _singular("inv") from None


inv.vjp(x=lambda g, out: -matmul(matmul(mT(out), g), mT(out)))


@op
def solve(x, y):
    """x^-1 y for each pair of matrices; leading axes broadcast."""
    try:
        return np.linalg.solve(x, y)
    except np.linalg.LinAlgError:
        raise _singular("solve") from None


def _solve(g: Any, x: Any, out: Any, x_shape: Any, y_shape: Any) -> tuple[Any, Any]:
    back = solve(mT(x), g)
    return sum_to(-matmul(back, mT(out)), shape=x_shape), sum_to(back, shape=y_shape)


solve.vjp(_solve)


@op
def det(x):
    """The determinant of each matrix; it has a gradient where it is not 0."""
    return np.linalg.det(x)


det.vjp(x=lambda g, x, out: reshape(g * out, shape=(*out.shape, 1, 1)) * mT(inv(x)))


@op
def logabsdet(x):
    """log |det x| of each matrix, which does not overflow; -inf where it is singular."""
    return np.linalg.slogdet(x)[1]


logabsdet.vjp(x=lambda g, x: reshape(g, shape=(*x.shape[:-2], 1, 1)) * mT(inv(x)))


@op
def cholesky(x):
    """The lower triangle L with L L^T = (x + x^T) / 2, of each positive definite matrix."""
    try:
        return np.linalg.cholesky((x + mT(x)) / 2)
    except np.linalg.LinAlgError:
        raise ArgumentError("cholesky: the matrix (or one of the batch) is not positive definite") from None


def _cholesky_x(g: Any, out: Any) -> Any:
    """L^-T P L^-1 / 2, P symmetric with the lower half of L^T g (Murray 2016, arXiv:1602.07527)."""
    below, on = (np.tri(out.shape[-1], k=k, dtype=np.bool_) for k in (-1, 0))
    lower = where(matmul(mT(out), where(g, 0.0, mask=on)), 0.0, mask=on)
    both = lower + mT(where(lower, 0.0, mask=below))
    half = solve(mT(out), both)
    return mT(solve(mT(out), mT(half))) / 2


cholesky.vjp(x=_cholesky_x)


@op
def matrix_exp(x):
    """1 + x + x^2 / 2 + ... of each matrix: the solution of y' = x y, y(0) = 1, at 1."""
    return np.asarray(_matrix_exp(np.asarray(x, np.float64)), x.dtype)


# p(x) / p(-x) is e^x to all digits where the 1-norm of x is at most _NEAR (Higham 2005, "The scaling and
# squaring method for the matrix exponential revisited", SIAM J. Matrix Anal. Appl. 26).
_PADE = [math.comb(13, k) * math.factorial(26 - k) / math.factorial(26) for k in range(14)]
_NEAR = 5.37


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Of a small part of each matrix, squared again."""
    size = abs(x).sum(-2).max(-1, initial=0)[..., None, None]
    if not np.isfinite(size).all():
        return np.where(np.isfinite(size), _matrix_exp(np.where(np.isfinite(size), x, 0)), np.nan)
    halvings = np.maximum(np.ceil(np.log2(np.maximum(size, _NEAR) / _NEAR)), 0)
    x = x / 2**halvings
    square, power = x @ x, np.broadcast_to(np.eye(x.shape[-1]), x.shape)
    even = odd = np.zeros(x.shape)
    for k in range(0, 14, 2):
        even, odd, power = even + _PADE[k] * power, odd + _PADE[k + 1] * power, power @ square
    odd = x @ odd
    out = np.linalg.solve(even - odd, even + odd)
    for k in range(int(halvings.max(initial=0))):
        out = np.where(k < halvings, out @ out, out)
    return out


def _matrix_exp_x(g: Any, x: Any) -> Any:
    """The upper right block of e^B, B = ((x^T, g), (0, x^T)) (Najfeld & Havel 1995, Adv. Appl. Math. 16)."""
    n, turned, still = x.shape[-1], mT(x), [(0, 0)] * (len(x.shape) - 2)
    corners = ((turned, 0, 0), (g, 0, 1), (turned, 1, 1))
    blocks = [
        pad(block, widths=(*still, (n * row, n - n * row), (n * column, n - n * column)))
        for block, row, column in corners
    ]
    return getitem(matrix_exp(blocks[0] + blocks[1] + blocks[2]), index=(..., slice(0, n), slice(n, 2 * n)))


matrix_exp.vjp(x=_matrix_exp_x)


# --- sums of products: made of the ops above, so that no rule has to be written ----------------------------


def einsum(xs: Sequence[Any], labels: Sequence[Labels], out: Labels) -> Any:
    """Sum of the product of all xs over every label that is not in `out` (Einstein 1916).

    Each axis has a label; axes of one label have one size, or size 1.  Two arrays at a time, from the left.
    """
    size: dict[Hashable, int] = {}
    for x, own in zip(xs, labels, strict=True):
        for label, n in zip(own, x.shape, strict=True):
            size[label] = n if size.get(label, 1) == 1 else size[label]
    terms = [_distinct(x, own, size) for x, own in zip(xs, labels, strict=True)]
    x, a = terms[0]
    for i, (y, b) in enumerate(terms[1:], 2):
        later = {*out}.union(*(own for _, own in terms[i:]))
        x, a = _contract(x, a, y, b, later)
    x, a = _sum_out(x, a, {*out})
    return permute(x, dims=tuple(a.index(label) for label in out))


def _distinct(x: Any, labels: Labels, size: dict[Hashable, int]) -> tuple[Any, list[Hashable]]:
    """The diagonal along axes that share a label; an axis of size 1 that is longer elsewhere says nothing."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while (first := labels.index(label)) != (last := len(labels) - 1 - labels[::-1].index(label)):
            x = diagonal(x, offset=0, dim1=first, dim2=last)  # the diagonal becomes the last axis
            labels = [*labels[:first], *labels[first + 1 : last], *labels[last + 1 :], label]
    kept = [label for label, n in zip(labels, x.shape, strict=True) if n == size[label]]
    if len(kept) < len(labels):
        x = reshape(x, shape=tuple(size[label] for label in kept))
    return x, kept


def _sum_out(x: Any, a: list[Hashable], needed: set[Hashable]) -> tuple[Any, list[Hashable]]:
    dims = tuple(i for i, label in enumerate(a) if label not in needed)
    return (sum(x, dim=dims), [label for label in a if label in needed]) if dims else (x, a)


def _contract(
    x: Any, a: list[Hashable], y: Any, b: list[Hashable], later: set[Hashable]
) -> tuple[Any, list[Hashable]]:
    """The product of two as one matrix product: (batch, rows, summed) with (batch, summed, columns)."""
    x, a = _sum_out(x, a, later.union(b))
    y, b = _sum_out(y, b, later.union(a))
    size = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    batch = [label for label in a if label in b and label in later]
    summed = [label for label in a if label in b and label not in later]
    rows, columns = [label for label in a if label not in b], [label for label in b if label not in a]

    def sizes(group: list[Hashable]) -> tuple[int, ...]:
        return tuple(size[label] for label in group)

    def folded(z: Any, own: list[Hashable], *groups: list[Hashable]) -> Any:
        z = permute(z, dims=tuple(own.index(label) for group in (batch, *groups) for label in group))
        return reshape(z, shape=(*sizes(batch), *(math.prod(sizes(group)) for group in groups)))

    left, right = folded(x, a, rows, summed), folded(y, b, summed, columns)
    product = matmul(left, right) if summed else left * right  # a column times a row broadcasts
    return reshape(product, shape=sizes(batch + rows + columns)), batch + rows + columns

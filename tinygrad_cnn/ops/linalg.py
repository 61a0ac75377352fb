"""Matrix products."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..kernels import products
from ..op import op
from .reduce import sum
from .shape import permute, sum_to

__all__ = ["add_bias", "linear", "mT", "matmul"]


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

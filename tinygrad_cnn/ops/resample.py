"""Images read at other places: beyond their borders, on another grid, at any points.

Each of these is linear in the image, and says of every new pixel from which old ones it is made.  The adjoint
adds back to where the values came from.
"""

from __future__ import annotations

from ..kernels import borders
from ..kernels import resample as kernels
from ..op import op

__all__ = ["extend", "extend_adjoint", "resample", "sample", "sample_w_grad", "sample_x_grad"]


@op
def extend(x, *, widths, mode):
    """Surround with x itself: widths holds one (before, after) pair per axis, mode is how x goes on.

    "reflect" mirrors it at its first and last values, "replicate" repeats these, "circular" starts again.
    """
    return borders.extend(x, widths, mode)


@op
def extend_adjoint(y, *, widths, mode):
    """The inside of y, with each border added to the pixels it was made of."""
    return borders.extend_adjoint(y, widths, mode)


extend.vjp(x=lambda g, widths, mode: extend_adjoint(g, widths=widths, mode=mode))
extend_adjoint.vjp(y=lambda g, widths, mode: extend(g, widths=widths, mode=mode))


@op
def resample(x, *, maps):
    """Multiply each of the last axes by a sparse matrix, its map (None leaves the axis): interpolation."""
    return kernels.resample(x, maps)


resample.vjp(x=lambda g, maps: resample(g, maps=tuple(m and m.T for m in maps)))


# <y, sample(x, w)> is linear in each of its three arguments; the three ops are its partial derivatives.


@op
def sample(x, w, *, index):
    """out[n,c,q] = sum_k w[n,k,q] x[n, c, index[n,k,q]], pixels counted in row-major order, -1 being 0."""
    return kernels.sample(x, w, index)


@op
def sample_x_grad(y, w, *, index, size):
    """Each y[n,c,q] w[n,k,q] added to pixel index[n,k,q]: y (n, c, points) -> (n, c, *size)."""
    return kernels.sample_x_grad(y, w, index, size)


@op
def sample_w_grad(y, x, *, index):
    """out[n,k,q] = sum_c y[n,c,q] x[n, c, index[n,k,q]]."""
    return kernels.sample_w_grad(y, x, index)


sample.vjp(
    x=lambda g, w, index, x_shape: sample_x_grad(g, w, index=index, size=x_shape[2:]),
    w=lambda g, x, index: sample_w_grad(g, x, index=index),
)
sample_x_grad.vjp(
    y=lambda g, w, index: sample(g, w, index=index),
    w=lambda g, y, index: sample_w_grad(y, g, index=index),
)
sample_w_grad.vjp(
    y=lambda g, x, index: sample(x, g, index=index),
    x=lambda g, y, index, x_shape: sample_x_grad(y, g, index=index, size=x_shape[2:]),
)

"""Convolution (cross-correlation, as every CNN library) over any number of spatial axes.

T(x, w, y) = <y, conv(x, w)> is linear in each of its three arguments.  The three ops are its partial
derivatives, so the rule of each is made of the other two: no order of differentiation ever leaves the
family, and one frozen geometry serves them all.

    conv              y[n,o,i]   = sum_{c,a}   x[n, c, s i + d a - p] w[o, c, a]
    conv_input_grad   x[n,c,j]   = sum_{o,i,a} y[n, o, i] w[o, c, a]          where s i + d a - p = j
    conv_weight_grad  w[o,c,a]   = sum_{n,i}   y[n, o, i] x[n, c, s i + d a - p]

for stride s, dilation d and padding p; c runs within the group of o.  conv_input_grad is also known as
the transposed convolution.  Written with the weight rotated by 180 degrees it is a "full" convolution
of y (Dumoulin & Visin 2016, arXiv:1603.07285).
"""

from __future__ import annotations

from ..kernels import conv as kernels
from ..op import op

__all__ = ["conv", "conv_input_grad", "conv_weight_grad"]


@op
def conv(x, w, *, geom):
    """Slide w over x: x (n, c, *size), w (o, c / groups, *kernel) -> (n, o, *out)."""
    return kernels.forward(x, w, geom)


@op
def conv_input_grad(y, w, *, geom):
    """Spread y back over the windows it came from: y (n, o, *out), w as in conv -> (n, c, *size)."""
    return kernels.input_grad(y, w, geom)


@op
def conv_weight_grad(y, x, *, geom):
    """Correlate y with the windows of x: y (n, o, *out), x (n, c, *size) -> (o, c / groups, *kernel)."""
    return kernels.weight_grad(y, x, geom)


conv.vjp(
    x=lambda g, w, geom: conv_input_grad(g, w, geom=geom),
    w=lambda g, x, geom: conv_weight_grad(g, x, geom=geom),
)
conv_input_grad.vjp(
    y=lambda g, w, geom: conv(g, w, geom=geom),
    w=lambda g, y, geom: conv_weight_grad(y, g, geom=geom),
)
conv_weight_grad.vjp(
    y=lambda g, x, geom: conv(x, g, geom=geom),
    x=lambda g, y, geom: conv_input_grad(y, g, geom=geom),
)

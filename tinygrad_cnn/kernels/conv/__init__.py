"""Convolution: three kernels which are the three partial derivatives of one trilinear form.

    T(x, w, y) = <y, forward(x, w)> = <x, input_grad(y, w)> = <w, weight_grad(y, x)>

A file here is a plan: one way of computing the three.  Callers use these names and need not know which.
"""

from .columns import forward, input_grad, weight_grad

__all__ = ["forward", "input_grad", "weight_grad"]

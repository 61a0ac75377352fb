"""Convolution: three kernels which are the three partial derivatives of one trilinear form.

    T(x, w, y) = <y, forward(x, w)> = <x, input_grad(y, w)> = <w, weight_grad(y, x)>

`choice` takes one of the plans, which are one file each: one way of computing the three.  Callers need not
know which.
"""

from .choice import conv_plans, forward, input_grad, plan_for, weight_grad

__all__ = ["conv_plans", "forward", "input_grad", "plan_for", "weight_grad"]

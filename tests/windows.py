"""Windows for the tests of kernels: the kit's, over one to three axes, and those that only some plans fit."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn.testing.strategies import (
    LAYOUTS,
    conv_configs,
    generators,
    laid_out,
    layouts,
    pool_configs,
    whole,
)

__all__ = ["LAYOUTS", "generators", "laid_out", "layouts"]

dtypes = st.sampled_from((np.float32, np.float64))


def whole_numbers(rng, shape, dtype, layout="C"):
    """Small whole numbers: sums of their products are exact even in float32, so tests compare with ==."""
    return laid_out(whole(rng, shape).astype(dtype), layout)


def paddings(most):
    """(before, after), of so many pixels at most."""
    return st.tuples(st.integers(0, most), st.integers(0, most))


def _parts(config):
    """(shapes..., options): what the loops take, nothing left out."""
    known = vars(config)
    shapes = [known[name] for name in ("x_shape", "w_shape") if name in known]
    return *shapes, {name: value for name, value in known.items() if not name.endswith("_shape")}


def conv_cases():
    """(x_shape, w_shape, options); groups range from one to depthwise, the batch may be empty."""
    return st.integers(1, 3).flatmap(lambda ndim: conv_configs(ndim, edges=True)).map(_parts)


def pool_cases(dilated=True):
    """(x_shape, options)"""
    configs = st.integers(1, 3).flatmap(lambda ndim: pool_configs(ndim, edges=True, dilated=dilated))
    return configs.map(_parts)


@st.composite
def pointwise_cases(draw):
    """The same, with windows of one pixel."""
    axes = draw(st.integers(1, 3))
    size, steps = st.integers(1, {1: 19, 2: 7, 3: 4}[axes]), st.integers(1, 4)
    size, stride, dilation = (tuple(draw(sizes) for _ in range(axes)) for sizes in (size, steps, steps))
    channels, filters = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    options = {"stride": stride, "padding": ((0, 0),) * axes, "dilation": dilation, "groups": 1}
    return (draw(st.integers(0, 3)), channels, *size), (filters, channels, *(1,) * axes), options


@st.composite
def depthwise_cases(draw):
    """The same, with two axes, stride 1, and one filter to each channel."""
    channels, axes = draw(st.integers(2, 4)), []
    for _ in range(2):
        f, d, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(paddings(4))
        least = max(1, d * (f - 1) + 1 - sum(padding))
        axes.append((draw(st.integers(least, least + 5)), f, padding, d))
    size, kernel, padding, dilation = zip(*axes, strict=True)
    options = {"stride": (1, 1), "padding": padding, "dilation": dilation, "groups": channels}
    return (draw(st.integers(1, 3)), channels, *size), (channels, 1, *kernel), options


@st.composite
def winograd_cases(draw):
    """The same, with 3x3 windows, stride 1, and at least 24 channels and filters."""
    padding = draw(paddings(2)), draw(paddings(2))
    size = (draw(st.integers(max(1, 3 - sum(p)), 19)) for p in padding)
    channels, filters = draw(st.integers(24, 40)), draw(st.integers(24, 40))
    options = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}
    return (draw(st.integers(1, 3)), channels, *size), (filters, channels, 3, 3), options

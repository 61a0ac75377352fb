"""Hypothesis strategies for the tests of windows: valid by construction, so nothing is filtered away."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

LAYOUTS = ("contiguous", "channels_last", "batch_last", "channels_first", "stepped", "reversed")


def laid_out(array, layout):
    """The same values, with other strides."""
    if layout == "channels_last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    if layout == "batch_last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, -1)), -1, 0)
    if layout == "channels_first":
        return np.ascontiguousarray(array.swapaxes(0, 1)).swapaxes(0, 1)
    if layout == "stepped":
        wide = np.full([2 * n + 1 for n in array.shape], 99, array.dtype)
        view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
        view[...] = array
        return view
    if layout == "reversed":
        back = (slice(None, None, -1),) * array.ndim
        return array[back].copy()[back]
    return np.ascontiguousarray(array)


def whole_numbers(rng, shape, dtype, layout="contiguous"):
    """Small whole numbers: sums of their products are exact even in float32, so tests compare with ==."""
    return laid_out(rng.integers(-4, 5, shape).astype(dtype), layout)


def paddings(most):
    """(before, after), of so many pixels at most."""
    return st.tuples(st.integers(0, most), st.integers(0, most))


@st.composite
def axis_windows(draw, most_taps, pooling, most_dilation):
    """(n, f, s, (before, after), d) of one axis; windows as large as the image and remainders are common."""
    f, s, d = draw(st.integers(1, most_taps)), draw(st.integers(1, 4)), draw(st.integers(1, most_dilation))
    span = d * (f - 1) + 1
    most = span // 2 if pooling else 3
    before, after = draw(st.integers(0, most)), draw(st.integers(0, most))
    least = max(1, span - before - after, d if pooling else 1)  # of pooling no window sees only padding
    return draw(st.integers(least, least + 3)), f, s, (before, after), d


@st.composite
def window_options(draw, pooling=False, most_dilation=3):
    """(size, kernel, stride, padding, dilation) over one to three axes."""
    axes = draw(st.integers(1, 3))
    most_taps = {1: 4, 2: 3, 3: 2}[axes]
    return tuple(
        zip(*[draw(axis_windows(most_taps, pooling, most_dilation)) for _ in range(axes)], strict=True)
    )


@st.composite
def conv_cases(draw):
    """(x_shape, w_shape, options); groups range from one to depthwise, the batch may be empty."""
    size, kernel, stride, padding, dilation = draw(window_options())
    groups, per_group, filters = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    x_shape = (draw(st.integers(0, 2)), groups * per_group, *size)
    w_shape = (groups * filters, per_group, *kernel)
    return x_shape, w_shape, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


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


@st.composite
def pool_cases(draw, most_dilation=3):
    """(x_shape, options)"""
    size, kernel, stride, padding, dilation = draw(window_options(True, most_dilation))
    x_shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size)
    options = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return x_shape, options | {"ceil_mode": draw(st.booleans())}


layouts = st.sampled_from(LAYOUTS)
dtypes = st.sampled_from((np.float32, np.float64))
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)

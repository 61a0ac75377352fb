from __future__ import annotations

import tracemalloc

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from windows import LAYOUTS, conv_cases, dtypes, generators, layouts, whole_numbers

from tinygrad_cnn.geometry import conv_geometry, conv_transpose_geometry
from tinygrad_cnn.kernels import conv, runtime
from tinygrad_cnn.kernels.conv import columns


@st.composite
def problems(draw):
    """(x, w, y, geom, options): three arrays in any layout, and the windows between them."""
    x_shape, w_shape, options = draw(conv_cases())
    geom = conv_geometry(x_shape, w_shape, **options)
    rng, dtype = draw(generators), draw(dtypes)
    shapes = (x_shape, w_shape, (x_shape[0], w_shape[0], *geom.out))
    x, w, y = (whole_numbers(rng, shape, dtype, draw(layouts)) for shape in shapes)
    return x, w, y, geom, options


def checked(kernel, a, b, geom):
    """The kernel's result, once it is known to keep the dtype, its inputs, and its memory to itself."""
    before = a.copy(), b.copy()
    result = kernel(a, b, geom)
    assert result.dtype == a.dtype
    assert_array_equal(a, before[0])
    assert_array_equal(b, before[1])
    assert not np.shares_memory(result, a) and not np.shares_memory(result, b)
    assert not np.shares_memory(result, kernel(a, b, geom))
    return result


@given(problems())
def test_forward_is_the_textbook_sum(problem):
    x, w, y, geom, options = problem
    result = checked(conv.forward, x, w, geom)
    assert result.shape == y.shape
    assert_array_equal(result, oracle.conv(x, w, **options))


@given(problems())
def test_input_grad_is_the_textbook_sum(problem):
    x, w, y, geom, options = problem
    result = checked(conv.input_grad, y, w, geom)
    assert_array_equal(result, oracle.conv_input_grad(y, w, x.shape[2:], **options))
    assert result.shape == x.shape


@given(problems())
def test_weight_grad_is_the_textbook_sum(problem):
    x, w, y, geom, options = problem
    result = checked(conv.weight_grad, y, x, geom)
    assert_array_equal(result, oracle.conv_weight_grad(y, x, w.shape[2:], **options))
    assert result.shape == w.shape


@given(problems())
def test_the_three_are_adjoint(problem):
    x, w, y, geom, _ = problem
    form = np.vdot(y, conv.forward(x, w, geom))
    assert form == np.vdot(x, conv.input_grad(y, w, geom)) == np.vdot(w, conv.weight_grad(y, x, geom))


@given(conv_cases(), st.data())
def test_transposed_convolution_is_an_input_gradient(case, data):
    _, w_shape, options = case
    axes = len(w_shape) - 2
    x_shape = (data.draw(st.integers(0, 2)), w_shape[0], *[data.draw(st.integers(1, 3)) for _ in range(axes)])
    stride, dilation = options["stride"], options["dilation"]
    extra = tuple(data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    halves = [d * (f - 1) // 2 for f, d in zip(w_shape[2:], dilation, strict=True)]  # more may leave no pixel
    options["padding"] = tuple(
        (min(p, h), min(q, h)) for (p, q), h in zip(options["padding"], halves, strict=True)
    )
    rng = data.draw(generators)
    x, w = whole_numbers(rng, x_shape, np.float64), whole_numbers(rng, w_shape, np.float64)
    geom = conv_transpose_geometry(x_shape, w_shape, output_padding=extra, **options)
    result = conv.input_grad(x, w, geom)
    assert result.shape == (x_shape[0], geom.in_channels, *geom.size)
    assert_array_equal(result, oracle.conv_transpose(x, w, output_padding=extra, **options))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("piece", [1, 5000])
def test_blocks_of_images_make_no_difference(monkeypatch, layout, groups, piece):
    rng = np.random.default_rng(0)
    x = whole_numbers(rng, (7, 4, 6, 5), np.float32, layout)
    w = whole_numbers(rng, (4, 4 // groups, 3, 2), np.float32, layout)
    geom = conv_geometry(x.shape, w.shape, stride=(1, 2), padding=1, groups=groups)
    y = whole_numbers(rng, (7, 4, *geom.out), np.float32, layout)
    whole = conv.forward(x, w, geom), conv.input_grad(y, w, geom), conv.weight_grad(y, x, geom)
    monkeypatch.setattr(columns, "PIECE", piece)
    blocked = conv.forward(x, w, geom), conv.input_grad(y, w, geom), conv.weight_grad(y, x, geom)
    for a, b in zip(whole, blocked, strict=True):
        assert_array_equal(a, b)


@pytest.mark.usefixtures("threads_are_as_before")
def test_a_large_batch_does_not_hold_all_its_columns():
    runtime.set_num_threads(1)
    x, w = np.zeros((64, 8, 32, 32), np.float32), np.zeros((8, 8, 3, 3), np.float32)
    geom = conv_geometry(x.shape, w.shape, padding=1)
    tracemalloc.start()
    try:
        conv.forward(x, w, geom)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * x.nbytes + 2 * columns.PIECE  # y, x in its order; the columns of all would be 9 times x


def test_a_broadcast_input_and_mixed_dtypes():
    x = np.broadcast_to(np.float32(1), (2, 3, 5, 5))
    w = np.ones((4, 3, 3, 3), np.float64)
    result = conv.forward(x, w, conv_geometry(x.shape, w.shape))
    assert result.dtype == np.float64
    assert_array_equal(result, np.full((2, 4, 3, 3), 27.0))


def test_nan_and_inf_stay_where_windows_see_them():
    x = np.zeros((1, 1, 1, 6), np.float32)
    x[..., 1] = np.nan
    x[..., 4] = np.inf
    w = np.ones((1, 1, 1, 2), np.float32)
    result = conv.forward(x, w, conv_geometry(x.shape, w.shape))
    assert_array_equal(result.ravel(), np.array([np.nan, np.nan, 0, np.inf, np.inf], np.float32))

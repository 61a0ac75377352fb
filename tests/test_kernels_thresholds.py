"""Thresholds decide how fast a kernel is, never what comes out: small problems take every way there is.

Each way has a size from which on it pays.  Here these sizes are drawn as well, so that an image of a few
pixels is cut into pieces, shared among threads, and computed by what is otherwise for large ones only.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from test_kernels_plans import assert_nearly_equal, by_taps, normal_numbers, problems, three
from windows import dtypes, generators, laid_out, layouts, pool_cases, whole_numbers, winograd_cases

from tinygrad_cnn.geometry import conv_geometry, pool_geometry
from tinygrad_cnn.kernels import elementwise, norm, pool, products, resample, runtime
from tinygrad_cnn.kernels.conv import columns, depthwise, pointwise, winograd

pytestmark = pytest.mark.usefixtures("threads_are_as_before")

sizes = st.sampled_from([1, 2, 3, 5, 8, 24, 100, 1000, 1 << 40])
runs = st.sampled_from([1, 2, 3, 8, 100])
few = st.sampled_from([1, 2, 3, 4])
steps = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([2, 3, 8, 2048]))
THRESHOLDS = {
    columns: {"PIECE": sizes, "SUMS": few, "SHARED": sizes, "ENOUGH": sizes, "FEW": sizes, "WIDE": sizes},
    depthwise: {"PIECE": sizes, "SUMS": few},
    pointwise: {"PIECE": sizes, "SUMS": few},
    winograd: {"PIECE": sizes, "WEIGHTS": sizes, "PART": st.sampled_from([1, 2, 3, 8, 100]), "SUMS": few},
    elementwise: {"SMALL": sizes, "LARGE": sizes},
    norm: {"SHARED": sizes, "PIECE": sizes, "RUN": runs, "LONG_RUN": runs},
    products: {"ALONE": sizes, "SHARED": sizes, "SMALL": sizes, "STEPS": steps},
    resample: {"DENSE": sizes, "SMALL": sizes, "LARGE": sizes},
}
MODULES = {module.__name__.rpartition(".")[2]: module for module in THRESHOLDS}
every_threshold = st.fixed_dictionaries(
    {
        f"{short}.{name}": values
        for short, module in MODULES.items()
        for name, values in THRESHOLDS[module].items()
    }
)


@contextmanager
def moved(thresholds):
    with pytest.MonkeyPatch.context() as patch:
        for key, value in thresholds.items():
            short, _, name = key.partition(".")
            patch.setattr(MODULES[short], name, value)
        yield


@pytest.mark.parametrize("plan", ["pointwise", "depthwise", "columns"])
@given(data=st.data(), thresholds=every_threshold)
def test_convolutions(plan, data, thresholds):
    x, w, y, geom, options = data.draw(problems(plan))
    windows = (..., *map(slice, geom.out))
    with moved(thresholds):
        forward, input_grad, weight_grad = three(x, w, y, geom, plan)
    assert_array_equal(forward, oracle.conv(x, w, **options)[windows])
    assert_array_equal(input_grad, oracle.conv_input_grad(y, w, geom.size, **options))
    assert_array_equal(weight_grad, oracle.conv_weight_grad(y, x, geom.kernel, **options))


@given(winograd_cases(), generators, st.tuples(layouts, layouts, layouts), every_threshold)
def test_winograd(case, rng, orders, thresholds):
    x_shape, w_shape, options = case
    geom = conv_geometry(x_shape, w_shape, **options)
    x, w, y = map(laid_out, normal_numbers(rng, x_shape[0], geom), orders)
    with moved(thresholds):
        results = (
            winograd.forward(x, w, geom),
            winograd.input_grad(y, w, geom),
            winograd.weight_grad(y, x, geom),
        )
    for result, expected in zip(results, by_taps(x, w, y, options), strict=True):
        assert_nearly_equal(result, expected)


def one_and_three(kernel, *arguments):
    """The same bits from one thread and from three, which leave the arguments alone."""
    before, found = [a.copy() for a in arguments if isinstance(a, np.ndarray)], []
    for number in (1, 3):
        runtime.set_num_threads(number)
        found.append(kernel(*arguments))
    assert_array_equal(*found)
    for now, then in zip((a for a in arguments if isinstance(a, np.ndarray)), before, strict=True):
        assert_array_equal(now, then)
    return found[0]


arrays = st.tuples(
    st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple), generators, dtypes, layouts, layouts
)


@given(arrays, every_threshold)
def test_relu_and_its_gradient(array, thresholds):
    shape, rng, dtype, layout, other = array
    x, y = whole_numbers(rng, shape, dtype, layout), whole_numbers(rng, shape, dtype, other)
    with moved(thresholds):
        assert_array_equal(one_and_three(elementwise.relu, x), np.maximum(x, 0))
        assert_array_equal(one_and_three(elementwise.relu_grad, y, x), np.where(x > 0, y, 0))


@given(arrays, st.integers(1, 4), every_threshold)
def test_sums_and_scales_of_channels(array, repeated, thresholds):
    shape, rng, dtype, layout, other = array
    shape = (shape[0] * repeated, *shape[1:])
    x, y = whole_numbers(rng, shape, dtype, layout), whole_numbers(rng, shape, dtype, other)
    a, b, shift = (whole_numbers(rng, shape[1:2], np.float64) for _ in range(3))
    axes, along = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
    with moved(thresholds):
        total, dots = norm.sums_and_dots(x, y)
        mean, variance = norm.moments(x)
        assert_array_equal(one_and_three(norm.sums, x), x.sum(axes))
        scaled = one_and_three(norm.scale_shift, x, a, shift)
        combined = one_and_three(norm.combine, x, a, y, b, shift)
    assert_array_equal(total, x.sum(axes))
    assert_array_equal(dots, (x * y).sum(axes))
    assert_allclose(mean, x.mean(axes), atol=1e-12, rtol=1e-6 if dtype == np.float32 else 1e-12)
    assert_allclose(variance, x.astype(float).var(axes), atol=1e-5 if dtype == np.float32 else 1e-12)
    a, b, shift = (each.reshape(along) for each in (a, b, shift))
    assert_array_equal(scaled, x * a + shift)
    assert_array_equal(combined, x * a + y * b + shift)


@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 30)),
    st.lists(st.integers(1, 3), max_size=2),
    generators,
    dtypes,
    every_threshold,
)
def test_matrix_products(shape, leading, rng, dtype, thresholds):
    (m, k, n), leading = shape, tuple(leading)
    a, b = whole_numbers(rng, (*leading, m, k), dtype), whole_numbers(rng, (*leading, k, n), dtype)
    c, out = whole_numbers(rng, (*leading, m, n), dtype), np.full((*leading, m, n), np.nan, dtype)
    with moved(thresholds):
        assert_array_equal(one_and_three(products.matmul, a, b), a @ b)
        assert_array_equal(
            one_and_three(products.matmul, a, b[(0,) * len(leading)]), a @ b[(0,) * len(leading)]
        )
        products.times(a, b, out)
        assert_array_equal(out, a @ b)
        assert_array_equal(products.times_transposed(c, b), c @ b.swapaxes(-1, -2))
        assert_array_equal(products.times_transposed(b, c), b @ c.swapaxes(-1, -2))


@given(pool_cases(), generators, dtypes, layouts, layouts, every_threshold)
def test_pools(case, rng, dtype, layout, other, thresholds):
    x_shape, options = case
    geom = pool_geometry(x_shape, **options)
    x = whole_numbers(rng, x_shape, dtype, layout)
    y = whole_numbers(rng, (*x_shape[:2], *geom.out), dtype, other)
    top, where = oracle.max_pool(x, **options)
    with moved(thresholds):
        out = one_and_three(pool.max_forward, x, geom)
        taps = one_and_three(pool.winners, x, out, geom)
        grad = one_and_three(pool.max_grad, y, x, out, geom)
        scattered = one_and_three(pool.scatter, y, taps, geom)
        form = np.vdot(y, one_and_three(pool.window_sum, x, geom))
        spread = one_and_three(pool.window_spread, y, geom)
    assert_array_equal(out, top)
    assert_array_equal(pool.flat_indices(taps, geom), where)
    assert_array_equal(grad, oracle.max_pool_grad(y, where, geom.size))
    assert_array_equal(scattered, grad)
    assert form == np.vdot(x, spread)


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.sampled_from([resample.nearest, resample.linear, resample.cubic, resample.area, resample.smooth]),
    generators,
    layouts,
    every_threshold,
)
def test_resampled_images(size, out, make, rng, layout, thresholds):
    maps = [make(n, m) for n, m in zip(size, out, strict=True)]
    a, b = (m.matrix(np.dtype(float)) for m in maps)
    x = laid_out(rng.standard_normal((2, 3, *size)), layout)
    with moved(thresholds):
        y = one_and_three(resample.resample, x, maps)
        assert_allclose(y, np.einsum("ih,jw,nchw->ncij", a, b, x), atol=1e-12)
        back = one_and_three(resample.resample, y, [m.T for m in maps])
    assert_allclose(back, np.einsum("ih,jw,ncij->nchw", a, b, y), atol=1e-12)

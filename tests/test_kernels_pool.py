from __future__ import annotations

import numpy as np
import oracle
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from windows import dtypes, generators, layouts, pool_cases, whole_numbers

from tinygrad_cnn.geometry import pool_geometry
from tinygrad_cnn.kernels import pool


@st.composite
def problems(draw):
    """(x, y, geom, options); x is full of ties, and sometimes of NaN and -inf."""
    x_shape, options = draw(pool_cases())
    geom = pool_geometry(x_shape, **options)
    rng, dtype = draw(generators), draw(dtypes)
    x = whole_numbers(rng, x_shape, dtype, draw(layouts))
    for odd in draw(st.sampled_from([(), (np.nan,), (-np.inf,), (np.nan, -np.inf, np.inf)])):
        x[rng.random(x_shape) < 0.3] = odd
    return x, whole_numbers(rng, (*x_shape[:2], *geom.out), dtype, draw(layouts)), geom, options


def winners_of(x, geom):
    return pool.winners(x, pool.max_forward(x, geom), geom)


@given(problems())
def test_max_and_its_indices(problem):
    x, y, geom, options = problem
    before = x.copy()
    result = pool.max_forward(x, geom)
    indices = pool.flat_indices(pool.winners(x, result, geom), geom)
    best, where = oracle.max_pool(x, **options)
    assert result.dtype == x.dtype and indices.dtype == np.int64
    assert result.shape == indices.shape == y.shape
    assert_array_equal(result, best)
    assert_array_equal(indices, where)
    assert_array_equal(x, before)
    assert not np.shares_memory(result, x)


@given(problems())
def test_scatter_and_gather(problem):
    x, y, geom, options = problem
    taps, before = winners_of(x, geom), y.copy()
    _, where = oracle.max_pool(x, **options)
    spread, taken = pool.scatter(y, taps, geom), pool.gather(x, taps, geom)
    assert spread.dtype == y.dtype and spread.shape == x.shape
    assert_array_equal(spread, oracle.max_pool_grad(y, where, x.shape[2:]))
    assert_array_equal(taken, pool.max_forward(x, geom))
    assert_array_equal(y, before)
    assert not np.shares_memory(spread, y) and not np.shares_memory(taken, x)


@given(problems(), generators)
def test_scatter_and_gather_are_adjoint(problem, rng):
    x, y, geom, _ = problem
    taps, v = winners_of(x, geom), whole_numbers(rng, x.shape, x.dtype)
    assert np.vdot(pool.scatter(y, taps, geom), v) == np.vdot(y, pool.gather(v, taps, geom))


@given(pool_cases(), generators, dtypes, layouts)
def test_window_sum_and_spread(case, rng, dtype, layout):
    x_shape, options = case
    geom = pool_geometry(x_shape, **options)
    x = whole_numbers(rng, x_shape, dtype, layout)
    y = whole_numbers(rng, (*x_shape[:2], *geom.out), dtype, layout)
    before = x.copy(), y.copy()
    total, spread = pool.window_sum(x, geom), pool.window_spread(y, geom)
    assert total.dtype == spread.dtype == dtype
    assert total.shape == y.shape and spread.shape == x_shape
    expected_total, expected_spread = np.zeros(total.shape), np.zeros(x_shape)
    for i, _, pixel in oracle.visits(
        geom.size, geom.kernel, geom.stride, geom.padding, geom.dilation, geom.out
    ):
        expected_total[(..., *i)] += x[(..., *pixel)]
        expected_spread[(..., *pixel)] += y[(..., *i)]
    assert_array_equal(total, expected_total)
    assert_array_equal(spread, expected_spread)
    assert_array_equal(x, before[0])
    assert_array_equal(y, before[1])
    assert not np.shares_memory(total, x) and not np.shares_memory(spread, y)
    assert np.vdot(total, y) == np.vdot(x, spread)


@given(pool_cases(dilated=False), generators, st.booleans(), layouts)
def test_averages(case, rng, count_include_pad, layout):
    x_shape, options = case
    geom = pool_geometry(x_shape, **options)
    x = whole_numbers(rng, x_shape, np.float64, layout)
    y = whole_numbers(rng, (*x_shape[:2], *geom.out), np.float64, layout)
    divisors = pool.window_sizes(geom, count_include_pad)
    assert divisors.shape == geom.out and (divisors > 0).all()
    del options["dilation"]
    average = pool.window_sum(x, geom) / divisors
    assert_allclose(average, oracle.avg_pool(x, **options, count_include_pad=count_include_pad), atol=1e-12)
    spread = pool.window_spread(y / divisors, geom)
    expected = oracle.avg_pool_grad(y, x_shape[2:], **options, count_include_pad=count_include_pad)
    assert_allclose(spread, expected, atol=1e-12)


def test_window_sizes_leave_out_what_hangs_over():
    geom = pool_geometry((1, 1, 4), 3, stride=2, padding=1, ceil_mode=True)
    assert geom.overhang == (1,)
    assert pool.window_sizes(geom, True).tolist() == [3, 3, 2]
    assert pool.window_sizes(geom, False).tolist() == [2, 3, 1]
    dilated = pool_geometry((1, 1, 5), 2, stride=1, padding=1, dilation=2)
    assert pool.window_sizes(dilated, False).tolist() == [1, 2, 2, 2, 1]


def test_ties_go_to_the_first_tap_and_nan_to_the_last():
    nan = np.nan
    x = np.array([[[[1, 1, nan, 2], [1, 1, 3, nan]]]], np.float32)
    geom = pool_geometry(x.shape, 2)
    assert winners_of(x, geom).tolist() == [[[[0, 3]]]]
    assert pool.flat_indices(winners_of(x, geom), geom).tolist() == [[[[0, 7]]]]


def test_padding_never_wins_even_against_minus_infinity():
    x = np.full((1, 1, 2, 2), -np.inf)
    geom = pool_geometry(x.shape, 3, stride=1, padding=1)
    assert pool.flat_indices(winners_of(x, geom), geom).tolist() == [[[[0, 0], [0, 0]]]]


def test_an_infinite_gradient_does_not_become_nan():
    x = np.arange(4.0).reshape(1, 1, 4)
    geom = pool_geometry(x.shape, 2)
    spread = pool.scatter(np.full((1, 1, 2), np.inf), winners_of(x, geom), geom)
    assert_array_equal(spread.ravel(), [0, np.inf, 0, np.inf])


def test_integers_have_a_maximum_too():
    x = np.array([[[-128, -128, -5, 7, 7]]], np.int8)
    geom = pool_geometry(x.shape, 2, stride=1, padding=1)
    result = pool.max_forward(x, geom)
    assert result.dtype == np.int8
    assert result.tolist() == [[[-128, -128, -5, 7, 7, 7]]]
    assert pool.flat_indices(pool.winners(x, result, geom), geom).tolist() == [[[0, 0, 2, 3, 3, 4]]]


def test_more_taps_than_a_byte_can_count():
    x = np.zeros((1, 1, 20, 20), np.float32)
    x[..., -1, -1] = 1
    geom = pool_geometry(x.shape, 20)
    assert winners_of(x, geom).tolist() == [[[[399]]]]
    assert pool.scatter(np.ones((1, 1, 1, 1)), winners_of(x, geom), geom)[..., -1, -1] == 1


def test_results_keep_the_memory_order_of_their_input():
    x = np.moveaxis(np.zeros((2, 8, 8, 3), np.float32), -1, 1)
    geom = pool_geometry(x.shape, 2)
    for result in (pool.max_forward(x, geom), pool.window_sum(x, geom)):
        assert np.moveaxis(result, 1, -1).flags.c_contiguous


def test_a_large_image_is_not_cut_where_windows_overlap():
    """One channel with the batch innermost: rows lie outermost, and results are as large as images."""
    x = np.moveaxis(np.random.default_rng(0).standard_normal((1, 600, 600, 2)).astype(np.float32), -1, 0)
    geom = pool_geometry(x.shape, 3, 1, 1)
    plain = np.ascontiguousarray(x)
    out = pool.max_forward(x, geom)
    assert_array_equal(out, pool.max_forward(plain, geom))
    assert_array_equal(pool.max_grad(x, x, out, geom), pool.max_grad(plain, plain, out, geom))
    assert_array_equal(pool.winners(x, out, geom), pool.winners(plain, out, geom))

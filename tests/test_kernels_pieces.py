"""How work is cut, and which way is taken where each gives the same: what makes kernels fast is held too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from windows import laid_out, whole_numbers

from tinygrad_cnn.geometry import pool_geometry
from tinygrad_cnn.kernels import elementwise, memory, norm, pool, products, special


@pytest.fixture
def watch(monkeypatch):
    """watch(module, name, seen): the list of what `seen` makes of the arguments of each call."""

    def watching(module, name, seen):
        calls, function = [], getattr(module, name)

        def watched(*args, **options):
            calls.append(seen(*args, **options))
            return function(*args, **options)

        monkeypatch.setattr(module, name, watched)
        return calls

    return watching


@pytest.fixture
def pieces(watch):
    """pieces(module): how many of them were shared in each call of `share`."""
    return lambda module: watch(module, "share", lambda work, pieces: len(pieces))


# --- elementwise loops -----------------------------------------------------------------------------------

CUTS = [  # shape, layout, options, where LARGE is 24: (axis, lengths of the parts)
    ((4, 6), "C", {}, (0, [2, 2])),
    ((4, 6), "F", {}, (1, [3, 3])),
    ((4, 3, 4), "channels_last", {}, (0, [2, 2])),
    ((4, 3, 4), "batch_last", {}, (1, [1, 2])),
    ((2, 3, 8), "stepped", {}, (0, [1, 1])),
    ((4, 6), "reversed", {}, (0, [2, 2])),
    ((8, 6), "C", {}, (0, [4, 4])),  # of 24 elements each
    ((7, 7), "C", {}, (0, [1, 2, 2, 2])),
    ((2, 49), "C", {}, (0, [1, 1])),  # no more than there are
    ((24,), "stepped", {}, None),  # one axis is not cut
    ((23, 1), "C", {}, None),  # too small
    ((4, 3), "C", {}, None),
    ((4, 3), "C", {"passes": 2}, (0, [2, 2])),  # unless it is passed over twice
    ((1, 4, 6), "C", {}, (1, [2, 2])),  # nor is an axis of one
    ((1, 24), "C", {}, None),  # nor one whose elements lie side by side
    ((24, 1), "C", {}, None),
    ((4, 3, 2), "F", {"common": 2}, (1, [1, 2])),  # the outermost one of those in common
    ((2, 2, 6), "F", {"common": 1}, None),
]  # fmt: skip


@pytest.mark.parametrize("shape, layout, options, cut", CUTS)
def test_large_loops_are_cut_where_the_array_lies_outermost(monkeypatch, shape, layout, options, cut):
    monkeypatch.setattr(elementwise, "LARGE", 24)
    x, seen = laid_out(np.zeros(shape), layout), []

    def loop(x):
        x += 1
        seen.append(x.shape)

    elementwise.in_parts(loop, x, **options)
    assert (x == 1).all()
    if cut is None:
        assert seen == [shape]
    else:
        axis, lengths = cut
        assert sorted(seen) == [(*shape[:axis], n, *shape[axis + 1 :]) for n in sorted(lengths)]


def test_the_largest_array_says_whether_a_loop_is_cut(monkeypatch):
    monkeypatch.setattr(elementwise, "LARGE", 24)
    small, large, seen = np.zeros((4, 2)), np.zeros((4, 6)), []
    for arrays in ((small, large), (large, small)):
        elementwise.in_parts(lambda *parts: seen.append({part.shape for part in parts}), *arrays)
    assert seen == [{(2, 2), (2, 6)}] * 4


@pytest.mark.parametrize(
    "dtype, size, clipped", [("f4", 8, True), ("f8", 9, True), ("f4", 7, False), ("i4", 8, False)]
)
def test_large_floats_are_clipped(monkeypatch, watch, dtype, size, clipped):
    monkeypatch.setattr(elementwise, "SMALL", 8)
    calls = watch(elementwise, "clip", lambda *args: args)
    x = np.arange(size, dtype=dtype) - 4
    assert_array_equal(elementwise.relu(x), np.maximum(x, 0))
    assert len(calls) == clipped


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", "f2", "g", "i4"])
def test_the_gradient_of_relu_of_any_kind_of_number(dtype):
    x = np.array([-2, -1, 0, 1, 2, 3]).astype(dtype)
    y = np.array([1, -2, 3, -4, 5, -6]).astype(dtype)
    assert elementwise.relu_grad(y, x).tolist() == [0, 0, 0, -4, 5, -6]
    assert elementwise.relu_grad(y[:1], x).tolist() == [0, 0, 0, 1, 1, 1]


def test_a_contiguous_array_is_like_another_whatever_the_strides_of_an_axis_of_one():
    x, model = np.zeros((3, 4))[None], np.ones((1, 3, 4))
    assert x.strides != model.strides
    assert memory.like(x, model) is x and memory.like(model, x) is model


# --- pooling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, grad",
    [
        ({"dilation": 2, "ceil_mode": True}, [1, 0, 2, 0, 4, 0]),  # pixels 0 and 2, 2 and 4, 4
        ({"padding": ((1, 0),)}, [1, 2, 0, 4, 0, 0]),  # pixels 0, 1 and 2, 3 and 4
        ({"padding": ((0, 1),)}, [1, 0, 2, 0, 4, 0]),
        ({}, [1, 0, 2, 0, 4, 0]),
    ],
)
def test_windows_that_are_as_many_as_tiles_may_leave_pixels_out(monkeypatch, options, grad):
    monkeypatch.setattr(np, "empty_like", lambda *args, **options: np.full_like(*args, np.nan, **options))
    x, y = np.arange(6.0)[::-1].reshape(1, 1, 6), np.array([[[1.0, 2.0, 4.0]]])
    geom = pool_geometry(x.shape, 2, **options)
    assert pool.max_grad(y, x, pool.max_forward(x, geom), geom).tolist() == [[grad]]


# --- channels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout, axes",
    [
        ("C", (0, 1, 2, 3)),
        ("channels_last", (0, 2, 3, 1)),
        ("batch_last", (1, 2, 3, 0)),
        ("channels_first", (1, 0, 2, 3)),
        ("stepped", (0, 1, 2, 3)),
    ],
)
def test_channels_are_added_up_as_they_lie(layout, axes):
    assert norm._axes(laid_out(np.zeros((2, 3, 4, 5)), layout)) == axes


@pytest.mark.parametrize(
    "shape, outer, channels",
    [
        ((5, 2, 2), [5], [2]),
        ((6, 2, 2), [3, 3], [2]),  # of 24 numbers on
        ((8, 2, 4), [2, 2, 2, 2], [2]),  # of 16 at most, two at a time
        ((12, 2, 4), [2, 2, 2, 2, 2, 2], [2]),
        ((2, 8, 8), [1, 1], [8]),  # no more than there are
        ((1, 6, 4), [1], [3, 3]),
        ((1, 2, 99), [1], [1, 1]),
        ((1, 5, 4), [1], [5]),
    ],
)
def test_large_images_are_worked_on_piece_by_piece(monkeypatch, shape, outer, channels):
    monkeypatch.setattr(norm, "SHARED", 24)
    monkeypatch.setattr(norm, "PIECE", 16)
    x = np.zeros(shape)
    sizes = [x[piece].shape for piece in norm._pieces(x)]
    assert sizes == [(a, b, shape[2]) for a, b in itertools.product(outer, channels)]


@pytest.mark.parametrize(
    "n, most, divisor", [(12, 5, 4), (12, 12, 12), (12, 99, 12), (7, 6, 1), (1, 9, 1), (0, 3, 1)]
)
def test_the_largest_divisor(n, most, divisor):
    assert norm._divisor(n, most) == divisor


@pytest.mark.parametrize(
    "shape, times",
    [
        ((240 * 241, 17), 240),  # 17 * 240 is the largest multiple up to 4096
        ((2, 5000), 1),
        ((6, 4, 2), 1),  # channels that do not lie innermost
        ((6, 4, 1), 6),
    ],
)
def test_innermost_channels_are_repeated_until_a_row_is_long(watch, shape, times):
    calls = watch(norm, "_repeated", lambda factor, times, dtype: times)
    norm.scale_shift(np.zeros(shape, np.float32), np.ones(shape[1]), np.ones(shape[1]))
    assert calls == [times, times]


def test_a_single_piece_is_not_shared(pieces, monkeypatch):
    counts, ones = pieces(norm), np.ones(2)
    x = np.zeros((4, 2, 3))
    norm.scale_shift(x, ones, ones)
    assert counts == []
    monkeypatch.setattr(norm, "SHARED", 1)
    monkeypatch.setattr(norm, "PIECE", 12)
    norm.scale_shift(x, ones, ones)
    assert counts == [2]


def test_numbers_are_added_up_with_their_neighbours_first(monkeypatch):
    monkeypatch.setattr(norm, "RUN", 2)
    big = 2.0**24  # to which float32 adds no 1
    x = np.array([1, 0, big, 0, 0, 0, -big, 0, 1, 0, 0, 0], np.float32).reshape(-1, 1)
    y = np.ones_like(x)
    assert norm.sums(x).tolist() == [2]
    assert norm.sums_and_dots(x, y)[1].tolist() == [2]


@pytest.mark.parametrize("mean, again", [(1, False), (10, False), (10.02, True), (50, True), (np.nan, True)])
def test_moments_are_taken_again_where_most_digits_were_lost(watch, mean, again):
    calls = watch(norm, "scale_shift", lambda *args: args)
    norm.moments(np.array([[mean - 1], [mean + 1]]))  # of variance 1
    assert len(calls) == again


# --- matrix products -------------------------------------------------------------------------------------


@pytest.mark.parametrize("small, size, n, step", [
    (24, 6, 9, 4),
    (24, 3, 9, 8), (24, 2, 9, 8), (24, 1, 9, 8), (24, 0, 9, 8),  # 8 at most
    (24, 3, 8, 0),  # all at once
    (24, 12, 9, 2), (24, 13, 9, 0), (24, 25, 9, 0),  # fewer than 2 are not worth it
    (24, 12, 2, 0), (24, 12, 3, 2),
    (6, 1, 9, 6), (6, 2, 9, 3), (6, 0, 9, 6),
])  # fmt: skip
def test_columns_at_a_time(monkeypatch, small, size, n, step):
    monkeypatch.setattr(products, "SMALL", small)
    monkeypatch.setattr(products, "STEPS", (2, 8))
    assert products._step(size, n) == step


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_wide_matrices_are_multiplied_in_steps(monkeypatch, watch, batch):
    monkeypatch.setattr(products, "SMALL", 24)
    monkeypatch.setattr(products, "STEPS", (2, 8))
    steps, rng = watch(products, "_cut", lambda x, step: (x.shape[-1], step)), np.random.default_rng(0)
    for m, k, n in itertools.product(range(7), range(7), (0, 1, 2, 3, 4, 5, 9, 18)):
        a, b, c = (whole_numbers(rng, (*batch, *shape), np.float64) for shape in ((m, k), (k, n), (m, n)))
        out = np.full((*batch, m, n), np.nan)
        products.times(a, b, out)
        assert_array_equal(out, a @ b)
        step = products._step(m * k, n)
        assert set(steps) == ({(n // step * step, step)} if step else set())
        steps.clear()
        assert_array_equal(products.times_transposed(c, b), c @ b.swapaxes(-1, -2))
        assert set(steps) == ({(n // step * step, step)} if step else set())
        steps.clear()


@pytest.mark.parametrize(
    "x, y, alone, large, shared",
    [
        ((2, 3), (3, 5), 30, 1, []),  # 30 multiplications
        ((2, 3), (3, 5), 29, 30, [1]),
        ((2, 3), (3, 5), 29, 29, [2]),
        ((5, 3), (3, 2), 29, 29, [2]),
        ((4, 2, 3), (3, 5), 120, 1, []),
        ((4, 2, 3), (4, 3, 5), 120, 120, [1]),  # a stack of them
        ((4, 2, 3), (4, 3, 5), 120, 119, [2]),
        ((3, 5), (4, 5, 2), 500, 119, [2]),
    ],
)
def test_large_products_are_shared_in_two(monkeypatch, pieces, x, y, alone, large, shared):
    monkeypatch.setattr(products, "ALONE", alone)
    monkeypatch.setattr(products, "SHARED", large)
    counts, rng = pieces(products), np.random.default_rng(0)
    x, y = whole_numbers(rng, x, np.float64), whole_numbers(rng, y, np.float64)
    assert_array_equal(products.matmul(x, y), x @ y)
    assert counts == shared


# --- the error function ------------------------------------------------------------------------------------


def test_erf_goes_block_by_block_and_large_ones_are_shared(pieces, watch):
    shared, blocks = pieces(special), watch(special, "_erf", lambda x: x.size)
    special.erf(np.zeros(special.SHARED))
    special.erf(np.zeros(2 * special.SHARED + 1))
    assert shared == [1, 3]
    assert max(blocks) == special.BLOCK == 32_768 and special.SHARED == 131_072
    assert sum(blocks) == 3 * special.SHARED + 1

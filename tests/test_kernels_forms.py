"""The fast form of a sum or a loop is worth what its plain form is: for every layout, size and number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from windows import LAYOUTS, dtypes, generators, laid_out, layouts, whole_numbers

from tinygrad_cnn.geometry import pool_geometry
from tinygrad_cnn.kernels import elementwise, memory, norm, pool, products, remember, runtime
from tinygrad_cnn.kernels.remember import remembered

LARGE = (16, 20, 64, 65)  # more than a million: threads share it
every_layout = pytest.mark.parametrize("layout", LAYOUTS)

pytestmark = pytest.mark.usefixtures("threads_are_as_before")


def checked(kernel, *arrays, others=()):
    """The kernel's result: the same bits from one thread and from three; inputs and results stay apart."""
    before, found = [array.copy() for array in arrays], []
    for number in (1, 3):
        runtime.set_num_threads(number)
        found.append(kernel(*arrays, *others))
    assert_array_equal(*found)
    assert found[0].dtype == found[1].dtype and not np.may_share_memory(*found)
    for array, then in zip(arrays, before, strict=True):
        assert_array_equal(array, then)
        assert not np.may_share_memory(found[0], array)
    return found[0]


def shapes(least=0):
    """(N, C, ...) of some 1000 numbers or less, and often none."""
    most = {0: 70, 1: 20, 2: 9}
    return st.integers(0, 2).flatmap(
        lambda axes: st.tuples(st.integers(least, most[axes]), *[st.integers(1, most[axes])] * (1 + axes))
    )


def sprinkled(rng, shape, dtype, layout, odd):
    """Normal numbers, and among them those given."""
    x = rng.standard_normal(shape).astype(dtype)
    x[rng.random(shape) < 0.3] = 0
    for value in odd:
        x[rng.random(shape) < 0.1] = value
    return laid_out(x, layout)


# --- relu ------------------------------------------------------------------------------------------------

INF, NAN, TINY = np.inf, np.nan, np.finfo(np.float32).smallest_subnormal


def check_relu(x):
    result = checked(elementwise.relu, x)
    assert result.dtype == x.dtype
    assert_array_equal(result, np.where(x <= 0, 0, x))


@given(shapes(), generators, dtypes, layouts)
def test_relu_is_zero_or_x(shape, rng, dtype, layout):
    check_relu(sprinkled(rng, shape, dtype, layout, [INF, -INF, NAN, TINY, -TINY, -0.0]))


@every_layout
def test_relu_of_a_large_array(layout):
    check_relu(sprinkled(np.random.default_rng(0), LARGE, np.float32, layout, [INF, -INF, NAN]))


@pytest.mark.parametrize("x", [np.float32(-2), np.arange(-3, 3), np.arange(-2000, 2000, dtype=np.int16)])
def test_relu_of_numbers_and_integers(x):
    result = elementwise.relu(np.asarray(x))
    assert result.dtype == x.dtype
    assert_array_equal(result, np.maximum(x, 0))


def check_relu_grad(y, x):
    result = checked(elementwise.relu_grad, y, x)
    assert result.dtype == y.dtype
    assert_array_equal(result, np.where(x > 0, y, 0))


@given(shapes(), generators, dtypes, layouts, layouts)
def test_the_gradient_of_relu_is_y_where_x_is_positive_and_else_zero(shape, rng, dtype, of_y, of_x):
    x = sprinkled(rng, shape, dtype, of_x, [INF, -INF, TINY, -TINY, -0.0])
    check_relu_grad(sprinkled(rng, shape, dtype, of_y, [INF, -INF, NAN]), x)
    check_relu_grad(np.broadcast_to(dtype(NAN), shape), x)
    check_relu_grad(sprinkled(rng, shape, np.float64, of_y, [INF, NAN]), x.astype(np.float32))


@pytest.mark.parametrize("of_y", ["C", "channels_last"])
@every_layout
def test_the_gradient_of_relu_of_a_large_array(layout, of_y):
    rng = np.random.default_rng(0)
    x = sprinkled(rng, LARGE, np.float32, layout, [INF, -INF])
    check_relu_grad(sprinkled(rng, LARGE, np.float32, of_y, [INF, -INF, NAN]), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", [4, 1200])
def test_the_gradient_of_relu_passes_at_nan_and_stops_at_its_negative(side, dtype):
    x, y = np.full((side, side), NAN, dtype), np.ones((side, side), dtype)
    assert_array_equal(elementwise.relu_grad(y, x), y)
    assert_array_equal(elementwise.relu_grad(y, -x), 0 * y)


# --- batch norm ------------------------------------------------------------------------------------------

RUN = 512  # numbers at most are added up in their own precision; sums go on in float64


@st.composite
def batches(draw, kinds=dtypes):
    """(shape, generator, dtype, layout) of (N, C, ...), often of about as many numbers as a piece has."""
    rest = draw(st.sampled_from([(), (1,), (7,), (3, 5), (16, 16)]))
    channels = draw(st.sampled_from([1, 2, 5, 64]))
    inner = channels * int(np.prod(rest))
    about = [0, 512, 1024] + [k * 2**18 // inner for k in (1, 2, 3) if k * 2**18 // inner < 5000]
    images = max(1, draw(st.sampled_from(about)) + draw(st.integers(-2, 2)))
    images = min(images, 2**20 // inner)
    return (images, channels, *rest), draw(generators), draw(kinds), draw(layouts)


def but_channels(x):
    return (0, *range(2, x.ndim))


def along_channels(a, x):
    return a.reshape(-1, *(1,) * (x.ndim - 2))


@given(batches(), layouts)
def test_sums_over_channels_of_whole_numbers_are_exact(batch, other_layout):
    shape, rng, dtype, layout = batch
    x, y = (whole_numbers(rng, shape, dtype, order) for order in (layout, other_layout))
    total, (again, dots) = checked(norm.sums, x), norm.sums_and_dots(x, y)
    assert_array_equal(total, again)
    assert total.dtype == dots.dtype == np.float64
    assert_array_equal(total, x.sum(but_channels(x), np.float64))
    assert_array_equal(dots, (x.astype(float) * y).sum(but_channels(x)))


@given(batches(), layouts)
def test_scaled_and_shifted_whole_numbers_are_exact(batch, other_layout):
    shape, rng, dtype, layout = batch
    x, y = (whole_numbers(rng, shape, dtype, order) for order in (layout, other_layout))
    a, b, shift = (whole_numbers(rng, shape[1:2], np.float64) for _ in range(3))
    scaled, combined = checked(norm.scale_shift, x, a, shift), checked(norm.combine, x, a, y, b, shift)
    assert scaled.dtype == combined.dtype == dtype
    a, b, shift = (along_channels(each, x) for each in (a, b, shift))
    assert_array_equal(scaled, x * a + shift)
    assert_array_equal(combined, x * a + y * b + shift)


@given(batches(), st.sampled_from([0, 1, -10, 1e3, 1e5]))
def test_moments_are_mean_and_variance_even_far_from_zero(batch, mean):
    shape, rng, dtype, layout = batch
    x = laid_out((rng.standard_normal(shape) + mean).astype(dtype), layout)
    found, exact = np.stack(norm.moments(x)), x.astype(float)
    expected = np.stack([exact.mean(but_channels(x)), exact.var(but_channels(x))])
    eps = np.finfo(dtype).eps
    assert_allclose(found[0], expected[0], rtol=0, atol=2 * RUN * eps * max(1, abs(mean)))
    assert_allclose(found[1], expected[1], rtol=10_000 * eps, atol=eps)
    assert_array_equal(checked(lambda x: np.stack(norm.moments(x)), x), found)


@every_layout
@pytest.mark.parametrize("far", [[0, 1e4], [1e4, 0], [0, 0], [-3e4, 1e4]])
def test_moments_of_one_channel_do_not_suffer_from_another(layout, far):
    x = np.random.default_rng(0).standard_normal((64, 2, 8, 8)) + np.reshape(far, (2, 1, 1))
    x = laid_out(x.astype(np.float32), layout)
    mean, variance = norm.moments(x)
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean((0, 2, 3)), rtol=0, atol=1e-6)
    assert_allclose(variance, exact.var((0, 2, 3)), rtol=1e-5)


@given(batches(), st.sampled_from([0, 1, -0.1, 1e3, 12345.678]))
def test_the_variance_of_a_constant_is_zero(batch, value):
    shape, _, dtype, layout = batch
    _, variance = norm.moments(laid_out(np.full(shape, value, dtype), layout))
    assert_allclose(variance, 0, atol=(100 * np.finfo(dtype).eps * value) ** 2)


@every_layout
def test_sums_of_many_numbers_lose_no_more_digits_than_sums_of_a_few(layout):
    x = laid_out(np.full((4, 2, 512, 512), 0.1, np.float32), layout)
    exact = x[0, 0, 0, 0].astype(float)
    few = RUN * np.finfo(np.float32).eps / 2
    assert_allclose(norm.sums(x), 4 * 512 * 512 * exact, rtol=few)
    assert_allclose(norm.sums_and_dots(x, x)[1], 4 * 512 * 512 * exact * exact, rtol=few)


@every_layout
@pytest.mark.parametrize("odd", [NAN, INF])
def test_a_channel_that_is_not_finite_spoils_no_other(layout, odd):
    x = laid_out(np.random.default_rng(0).standard_normal((600, 3, 2, 2)), layout)
    x[5, 1, 0, 1] = odd
    with np.errstate(all="ignore"):
        mean, variance = norm.moments(x)
        scaled = norm.scale_shift(x, np.ones(3), np.zeros(3))
    assert np.isfinite(mean).tolist() == np.isfinite(variance).tolist() == [True, False, True]
    assert_allclose(variance[::2], x[:, ::2].var((0, 2, 3)), rtol=1e-12)
    assert_array_equal(scaled, x)


@pytest.mark.parametrize("shape", [(3, 5000), (3, 5000, 2), (1031, 3, 1, 1)])
@every_layout
def test_more_channels_than_a_row_is_long_and_a_prime_number_of_rows(shape, layout):
    rng = np.random.default_rng(0)
    x, scale = whole_numbers(rng, shape, np.float32, layout), whole_numbers(rng, shape[1:2], np.float64)
    assert_array_equal(checked(norm.scale_shift, x, scale, scale), (x + 1) * along_channels(scale, x))
    assert_array_equal(norm.sums(x), x.sum(but_channels(x)))


@pytest.mark.parametrize("layout", ["C", "channels_last"])
@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4), (0, 3, 4, 4)])
def test_batch_norm_of_an_empty_batch(shape, layout):
    x, ones = laid_out(np.zeros(shape, np.float32), layout), np.ones(3)
    assert norm.sums(x).tolist() == norm.sums_and_dots(x, x)[1].tolist() == [0, 0, 0]
    assert norm.scale_shift(x, ones, ones).shape == norm.combine(x, ones, x, ones, ones).shape == shape


# --- matrix products -------------------------------------------------------------------------------------


@st.composite
def matrix_shapes(draw):
    """(batch, m, k, n); n is often near one, two or three steps, whose length follows from m and k."""
    sizes = st.integers(1, 12) | st.sampled_from([16, 31, 64, 130])
    m, k, batch = draw(sizes), draw(sizes), draw(st.sampled_from([(), (1,), (3,)]))
    step = min(2048, 1_000_000 // (m * k))
    near = draw(st.integers(1, 3)) * step + draw(st.integers(-2, 2))
    return batch, m, k, draw(st.sampled_from([1, 63, 64, 65, 200, near]))


def matrix(rng, shape, dtype, layout):
    """Whole numbers in a matrix, or several; "columns" lays it out column by column."""
    if layout == "columns":
        return whole_numbers(rng, (*shape[:-2], *shape[:-3:-1]), dtype).swapaxes(-1, -2)
    return whole_numbers(rng, shape, dtype, layout)


orders = st.sampled_from(["C", "columns", "stepped", "reversed"])


@given(matrix_shapes(), generators, dtypes, orders, orders, orders, st.booleans())
def test_times_is_the_matrix_product(shape, rng, dtype, of_a, of_b, of_out, one_for_all):
    batch, m, k, n = shape
    a = matrix(rng, (m, k) if one_for_all else (*batch, m, k), dtype, of_a)
    b, out = matrix(rng, (*batch, k, n), dtype, of_b), matrix(rng, (*batch, m, n), dtype, of_out)
    before = a.copy(), b.copy()
    products.times(a, b, out)
    assert_array_equal(out, before[0] @ before[1])
    assert_array_equal(a, before[0])
    assert_array_equal(b, before[1])


def test_times_writes_nothing_but_the_product():
    whole = np.full((7, 9000), 99.0)
    products.times(np.ones((3, 2)), np.ones((2, 4400)), whole[1:7:2, 50:8850:2])
    assert (whole[1:7:2, 50:8850:2] == 2).all()
    assert np.count_nonzero(whole == 99) == whole.size - 3 * 4400


@given(matrix_shapes(), generators, dtypes, orders, orders)
def test_times_transposed_is_the_matrix_product(shape, rng, dtype, of_a, of_b):
    batch, m, k, n = shape
    a, b = matrix(rng, (*batch, m, n), dtype, of_a), matrix(rng, (*batch, k, n), dtype, of_b)
    result = checked(products.times_transposed, a, b)
    assert result.dtype == dtype
    assert_array_equal(result, a @ b.swapaxes(-1, -2))


@given(matrix_shapes(), generators, dtypes, orders, orders, st.booleans())
def test_matmul_is_the_matrix_product(shape, rng, dtype, of_a, of_b, one_for_all):
    batch, m, k, n = shape
    a = matrix(rng, (*batch, n, k), dtype, of_a)
    b = matrix(rng, (k, m) if one_for_all else (*batch, k, m), dtype, of_b)
    assert_array_equal(checked(products.matmul, a, b), a @ b)
    assert_array_equal(
        checked(products.matmul, b.swapaxes(-1, -2), a.swapaxes(-1, -2)), (a @ b).swapaxes(-1, -2)
    )


@pytest.mark.parametrize("shape", [(700, 300, 200), (200, 300, 700), (1, 5000, 4000), (4000, 5000, 1)])
def test_threads_share_a_large_matrix_product(shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = whole_numbers(rng, (m, k), np.float32), whole_numbers(rng, (k, n), np.float32)
    assert_array_equal(checked(products.matmul, a, b), a.astype(float) @ b.astype(float))


# --- what is remembered ----------------------------------------------------------------------------------


@pytest.fixture
def remembering(monkeypatch):
    """Nothing is remembered yet; (negative, the list of what it was called with)."""
    monkeypatch.setattr(remember, "_entries", {})
    made = []

    def negative(w):
        made.append(w)
        return -w

    return negative, made


def test_what_does_not_change_is_made_twice_and_no_more(remembering):
    negative, made = remembering
    a, b = np.ones((10, 100)), np.full((10, 100), 2.0)
    for _ in range(4):
        for w in (a, b):
            assert_array_equal(remembered(negative, w), -w)
    assert len(made) == 4
    a[0, 0] = 1 / 3  # one of the few numbers that are looked at first
    for _ in range(4):
        assert_array_equal(remembered(negative, a), -a)
    assert len(made) == 6
    a[0, 1] = 6  # another
    assert_array_equal(remembered(negative, a), -a)
    assert_array_equal(remembered(negative, a), -a)
    assert len(made) == 7
    assert remembered(negative, a) is remembered(negative, a)


def test_what_changes_all_the_time_is_not_kept(remembering):
    negative, made = remembering
    w = np.zeros(8)
    for n in range(5):
        w[:] = n
        assert_array_equal(remembered(negative, w), -w)
    assert len(made) == 5
    assert [entry.size for entry in remember._entries.values()] == [0]


@pytest.mark.parametrize(("name", "limit"), [("CAP", 2 * 2 * 80), ("MOST", 2)])
def test_no_more_is_kept_than_is_allowed_and_the_oldest_goes_first(remembering, monkeypatch, name, limit):
    negative, made = remembering
    monkeypatch.setattr(remember, name, limit)
    a, b, c = (np.full(10, float(n)) for n in range(3))  # of 80 bytes, as what is made of them
    for w in (a, b, c):
        for _ in range(2):
            remembered(negative, w)
    assert [entry.size for entry in remember._entries.values()] == [160, 160]
    assert len(made) == 6
    remembered(negative, c), remembered(negative, b)
    assert len(made) == 6
    b[:] = 7  # kept anew, so that c is the oldest now
    for w in (b, b, a, a):
        remembered(negative, w)
    assert len(made) == 10
    remembered(negative, b), remembered(negative, a)
    assert len(made) == 10
    remembered(negative, c)
    assert len(made) == 11


def test_one_thread_at_a_time_keeps_something(remembering, monkeypatch):
    negative, _ = remembering
    held, kept = [], []

    class Lock:
        def __enter__(self):
            held.append(True)

        def __exit__(self, *error):
            held.pop()

    class Entries(dict):
        def __setitem__(self, key, entry):
            kept.append(len(held))
            super().__setitem__(key, entry)

    monkeypatch.setattr(remember, "_lock", Lock())
    monkeypatch.setattr(remember, "_entries", Entries())
    w = np.ones(3)
    for _ in range(3):
        remembered(negative, w)
    assert kept == [1, 1] and not held


@given(st.integers(1, 300), st.lists(st.integers(0, 299), max_size=6), generators, st.sampled_from([1, 2]))
def test_what_is_remembered_is_what_would_be_made(size, changes, rng, step):
    w = rng.standard_normal(2 * size).astype(np.float32)[::step]
    for place in (None, None, None, *changes, None):
        if place is not None:
            w[place % size] += 1
        assert_array_equal(remembered(np.negative, w), -w)
        assert_array_equal(remembered(np.exp, w), np.exp(w))


# --- memory orders ---------------------------------------------------------------------------------------

ORDERS = {"pixels": "C", "channels": "channels_last", "batch": "batch_last"}
memory_orders = st.sampled_from(list(ORDERS))
images = st.integers(1, 3).flatmap(lambda axes: st.tuples(*[st.integers(2, 5)] * (2 + axes)))


@given(images, memory_orders, dtypes)
def test_memory_is_in_the_order_that_was_asked_for_and_has_no_gaps(shape, order, dtype):
    x = memory.empty(shape, dtype, order)
    assert (x.shape, x.dtype) == (shape, dtype)
    assert memory.innermost(x) == order
    axes = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    assert x.transpose(axes).flags.c_contiguous


@given(shapes(), memory_orders, dtypes)
def test_memory_for_images_without_extent(shape, order, dtype):
    x = memory.empty((*shape, 1), dtype, order)
    assert (x.shape, x.dtype) == ((*shape, 1), dtype)


@given(images, generators, layouts, memory_orders)
def test_an_array_is_copied_only_if_its_order_is_another(shape, rng, layout, order):
    x = whole_numbers(rng, shape, np.float32, layout)
    result = memory.in_order(x, order)
    assert memory.innermost(result) == order
    assert_array_equal(result, x)
    assert (result is x) == (memory.innermost(x) == order)
    assert result is x or not np.may_share_memory(result, x)


@pytest.mark.parametrize("layout, order", [*zip(ORDERS.values(), ORDERS, strict=True), ("stepped", "pixels")])
def test_innermost_is_what_has_the_smallest_strides(layout, order):
    x = laid_out(np.zeros((2, 3, 4, 5)), layout)
    assert memory.innermost(x) == memory.innermost(x[::-1, :, ::-1]) == order


def test_innermost_looks_at_axes_of_some_length_and_at_the_last_of_equals():
    assert memory.innermost(np.moveaxis(np.zeros((2, 5, 5, 4)), -1, 1)[:, :1]) == "pixels"
    assert memory.innermost(np.broadcast_to(0.0, (2, 3, 4, 4))) == "pixels"
    assert memory.innermost(np.zeros((2, 3, 1, 1))) == "channels"


@given(images, generators)
def test_channels_and_batch_last_are_views(shape, rng):
    x = whole_numbers(rng, shape, np.float32)
    channels, batch = memory.as_channels(x), memory.as_batch(x)
    assert channels.base is x and batch.base is x
    assert_array_equal(channels, np.moveaxis(x, 1, -1))
    assert_array_equal(batch, np.moveaxis(x, 0, -1))


@given(images, generators, layouts, layouts, dtypes)
def test_like_is_the_same_array_in_the_order_of_another(shape, rng, layout, other, dtype):
    x, model = whole_numbers(rng, shape, np.float32, layout), whole_numbers(rng, shape, dtype, other)
    result = memory.like(x, model)
    assert result.dtype == np.float32
    assert_array_equal(result, x)
    assert result is x or not np.may_share_memory(result, x)
    if layout == other and dtype == np.float32:
        assert result is x
    ordered = result.strides == np.empty_like(model, np.float32).strides
    assert ordered or (result is x and x.strides == model.strides)


# --- pooling ---------------------------------------------------------------------------------------------


def one_by_one(kernel, *arrays, others=()):
    """The kernel's results for each image alone: too small to be shared among threads."""
    each = zip(*arrays, strict=True)
    return np.concatenate([kernel(*(image[None].copy() for image in images), *others) for images in each])


@every_layout
@pytest.mark.parametrize(
    "options",
    [
        {"kernel": 2},
        {"kernel": 3, "stride": 2, "padding": 1},
        {"kernel": (2, 3), "stride": (1, 2), "dilation": (2, 1), "ceil_mode": True},
    ],
    ids=["tiled", "overlapping", "dilated"],
)
def test_threads_pool_a_large_batch_as_its_images_one_by_one(options, layout):
    rng, shape = np.random.default_rng(0), (16, 20, 64, 64)
    geom = pool_geometry(shape, **options)
    x = whole_numbers(rng, shape, np.float32, layout)
    y = laid_out(rng.standard_normal((*shape[:2], *geom.out)).astype(np.float32), layout)
    x[rng.random(shape) < 0.001] = NAN

    def same(kernel, *arrays):
        result = checked(kernel, *arrays, others=[geom])
        assert_array_equal(result, one_by_one(kernel, *arrays, others=[geom]))
        return result

    best = same(pool.max_forward, x)
    taps = same(pool.winners, x, best)
    same(pool.scatter, y, taps)
    same(pool.gather, x, taps)
    same(pool.window_sum, x)
    same(pool.window_spread, y)

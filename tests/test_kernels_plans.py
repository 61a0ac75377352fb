"""Every plan computes the same three sums, wherever its operands lie and however many threads there are."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from windows import (
    LAYOUTS,
    conv_cases,
    depthwise_cases,
    dtypes,
    generators,
    laid_out,
    layouts,
    pointwise_cases,
    whole_numbers,
    winograd_cases,
)

from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import conv_geometry, conv_transpose_geometry
from tinygrad_cnn.kernels import conv, runtime
from tinygrad_cnn.kernels.conv import columns

CASES = {"pointwise": pointwise_cases(), "depthwise": depthwise_cases(), "columns": conv_cases()}
EXACT = tuple(CASES)  # on whole numbers; Winograd's constants are not whole
LIMIT = 3e-5  # of the largest number in a result of Winograd: the documented error

every_exact_plan = pytest.mark.parametrize("plan", EXACT)

pytestmark = pytest.mark.usefixtures("threads_are_as_before")


def three(x, w, y, geom, plan):
    """The results of all three kernels by this plan: the same bits from one thread and from three.

    They keep the dtype, their inputs, and their memory to themselves.
    """
    inputs, before, found = (x, w, y), (x.copy(), w.copy(), y.copy()), []
    with conv.conv_plans(plan):
        assert conv.plan_for(geom, len(x), x.dtype) == plan
        for number in (1, 3):
            runtime.set_num_threads(number)
            found.append(
                (conv.forward(x, w, geom), conv.input_grad(y, w, geom), conv.weight_grad(y, x, geom))
            )
    for alone, shared, like in zip(*found, (y, x, w), strict=True):
        assert alone.dtype == x.dtype and alone.shape == like.shape
        assert_array_equal(alone, shared)
        assert not any(np.may_share_memory(alone, other) for other in (*inputs, shared))
    for now, then in zip(inputs, before, strict=True):
        assert_array_equal(now, then)
    return found[0]


def forms(x, w, y, results):
    """<y, forward> = <x, input_grad> = <w, weight_grad>, and a bound for all: Cauchy and Schwarz'."""
    pairs = [(a.astype(float), b.astype(float)) for a, b in zip((y, x, w), results, strict=True)]
    return [np.vdot(a, b) for a, b in pairs], max(np.linalg.norm(a) * np.linalg.norm(b) for a, b in pairs)


@st.composite
def problems(draw, plan):
    """(x, w, y, geom, options): three arrays in any layout, and windows between them which the plan fits.

    The last window may leave pixels over, even more than a stride of them, as in a transposed convolution.
    """
    x_shape, w_shape, options = draw(CASES[plan])
    out = conv_geometry(x_shape, w_shape, **options).out
    axes = list(zip(w_shape[2:], options["stride"], options["padding"], options["dilation"], strict=True))
    reached = [s * (n - 1) + d * (f - 1) + 1 - sum(p) for n, (f, s, p, d) in zip(out, axes, strict=True)]
    left_over = tuple(
        draw(st.integers(max(0, 1 - n), max(s, d) - 1)) for n, (_, s, _, d) in zip(reached, axes, strict=True)
    )
    y_shape = (x_shape[0], w_shape[0], *out)
    geom = conv_transpose_geometry(y_shape, w_shape, output_padding=left_over, **options)
    rng, dtype = draw(generators), draw(dtypes)
    shapes = (*x_shape[:2], *geom.size), w_shape, y_shape
    return *(whole_numbers(rng, shape, dtype, draw(layouts)) for shape in shapes), geom, options


def check_against_loops(problem, plan):
    x, w, y, geom, options = problem
    results = forward, input_grad, weight_grad = three(x, w, y, geom, plan)
    windows = (..., *map(slice, geom.out))  # one more may fit in what is left over
    assert_array_equal(forward, oracle.conv(x, w, **options)[windows])
    assert_array_equal(input_grad, oracle.conv_input_grad(y, w, geom.size, **options))
    assert_array_equal(weight_grad, oracle.conv_weight_grad(y, x, geom.kernel, **options))
    (form, *same), _ = forms(x, w, y, results)
    assert same == [form, form]


# --- small problems, against loops -----------------------------------------------------------------------


@every_exact_plan
@given(data=st.data())
def test_each_plan_is_the_textbook_sum(plan, data):
    check_against_loops(data.draw(problems(plan)), plan)


@given(problems("columns"), st.sampled_from([1, 1000]))
def test_columns_of_any_piece_of_the_images(problem, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "PIECE", piece)
        check_against_loops(problem, "columns")


@every_exact_plan
def test_an_empty_batch(plan):
    x_shape, w_shape = (0, 2, 4, 4), (2, 2, 1, 1) if plan == "pointwise" else (2, 1, 3, 3)
    geom = conv_geometry(x_shape, w_shape, groups=2 // w_shape[1])
    x, w, y = np.ones(x_shape), np.ones(w_shape), np.ones((0, 2, *geom.out))
    with conv.conv_plans(plan):  # a plan that wants images leaves this to columns
        assert conv.forward(x, w, geom).shape == y.shape
        assert conv.input_grad(y, w, geom).shape == x.shape
        assert_array_equal(conv.weight_grad(y, x, geom), np.zeros(w_shape))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 6)])
def test_winograd_is_nearly_the_textbook_sum(size):
    x_shape, w_shape, padding = (1, 24, *size), (25, 24, 3, 3), ((1, 1), (1, 1))
    geom = conv_geometry(x_shape, w_shape, padding=padding)
    x, w, y = normal_numbers(np.random.default_rng(0), fewest_images(geom), geom)
    options = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}
    forward, input_grad, weight_grad = three(x, w, y, geom, "winograd")
    assert_nearly_equal(forward, oracle.conv(x, w, **options))
    assert_nearly_equal(input_grad, oracle.conv_input_grad(y, w, size, **options))
    assert_nearly_equal(weight_grad, oracle.conv_weight_grad(y, x, (3, 3), **options))


def fewest_images(geom):
    """Winograd wants enough to do: so many images of this geometry."""
    with conv.conv_plans("winograd"):
        return next(n for n in range(1, 99) if conv.plan_for(geom, n, np.dtype(np.float32)) == "winograd")


def normal_numbers(rng, images, geom):
    """x, w and y"""
    channels, filters = geom.in_channels, geom.out_channels
    shapes = (images, channels, *geom.size), (filters, channels, 3, 3), (images, filters, *geom.out)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def assert_nearly_equal(result, expected):
    assert np.abs(result - expected).max() <= LIMIT * np.abs(expected).max()


# --- larger ones, against sums tap by tap ----------------------------------------------------------------


def by_taps(x, w, y, options):
    return (
        oracle.conv_by_taps(x, w, **options),
        oracle.conv_input_grad_by_taps(y, w, x.shape[2:], **options),
        oracle.conv_weight_grad_by_taps(y, x, w.shape[2:], **options),
    )


@given(conv_cases(), generators)
def test_sums_tap_by_tap_are_the_textbook_sums(case, rng):
    x_shape, w_shape, options = case
    y_shape = (x_shape[0], w_shape[0], *conv_geometry(x_shape, w_shape, **options).out)
    x, w, y = (whole_numbers(rng, shape, np.float64) for shape in (x_shape, w_shape, y_shape))
    forward, input_grad, weight_grad = by_taps(x, w, y, options)
    assert_array_equal(forward, oracle.conv(x, w, **options))
    assert_array_equal(input_grad, oracle.conv_input_grad(y, w, x_shape[2:], **options))
    assert_array_equal(weight_grad, oracle.conv_weight_grad(y, x, w_shape[2:], **options))


@given(winograd_cases(), generators, st.tuples(layouts, layouts, layouts))
def test_winograd_is_nearly_the_plain_sum(case, rng, orders):
    (more, *image), w_shape, options = case
    geom = conv_geometry((more, *image), w_shape, **options)
    x, w, y = map(laid_out, normal_numbers(rng, fewest_images(geom) - 1 + more, geom), orders)
    results = three(x, w, y, geom, "winograd")
    for result, expected in zip(results, by_taps(x, w, y, options), strict=True):
        assert_nearly_equal(result, expected)
    values, bound = forms(x, w, y, results)
    assert np.ptp(values) <= 1e-6 * bound


LARGE = {
    "pointwise": ("pointwise", (8, 64, 32, 32), (65, 64, 1, 1), {}),
    "pointwise, one image": ("pointwise", (1, 72, 90, 91), (65, 72, 1, 1), {}),
    "pointwise, with strides": ("pointwise", (4, 64, 63, 65), (130, 64, 1, 1), {"stride": 2}),
    "depthwise": ("depthwise", (6, 24, 41, 33), (24, 1, 3, 3), {"padding": 1, "groups": 24}),
    "depthwise, one image": (
        "depthwise", (1, 16, 120, 77), (16, 1, 5, 2),
        {"padding": ((0, 2), (1, 0)), "dilation": (1, 2), "groups": 16},
    ),
    "columns": ("columns", (8, 16, 32, 32), (25, 16, 3, 3), {"padding": 1}),
    "columns, few filters": ("columns", (50, 3, 28, 28), (6, 3, 5, 5), {}),
    "columns, one image": (
        "columns", (1, 16, 99, 90), (25, 16, 3, 3), {"stride": (1, 2), "padding": ((0, 2), (1, 0))}
    ),
    "columns, in groups": ("columns", (8, 12, 40, 40), (8, 6, 3, 3), {"padding": 1, "groups": 2}),
    "winograd": ("winograd", (6, 32, 21, 18), (40, 32, 3, 3), {"padding": ((1, 0), (2, 1))}),
    "winograd, one image": ("winograd", (1, 24, 61, 50), (36, 24, 3, 3), {"padding": 1}),
    "winograd, one row": ("winograd", (2, 24, 1, 99), (24, 24, 3, 3), {"padding": 1}),
    "winograd, many weights": ("winograd", (40, 192, 4, 4), (192, 192, 3, 3), {"padding": 1}),
    "winograd, many weights, partial tiles": (
        "winograd", (6, 200, 9, 11), (170, 200, 3, 3), {"padding": ((2, 1), (0, 2))}
    ),
    "winograd, many filters": ("winograd", (30, 48, 7, 7), (700, 48, 3, 3), {}),
    "winograd, many channels": ("winograd", (7, 700, 13, 14), (48, 700, 3, 3), {"padding": 1}),
}  # fmt: skip


@cache
def large_problem(name):
    """(plan, geom, (x, w, y), expected)"""
    plan, x_shape, w_shape, options = LARGE[name]
    geom, rng = conv_geometry(x_shape, w_shape, **options), np.random.default_rng(1)
    if plan == "winograd":
        arrays = normal_numbers(rng, x_shape[0], geom)
    else:
        shapes = x_shape, w_shape, (x_shape[0], w_shape[0], *geom.out)
        arrays = [whole_numbers(rng, shape, np.float32) for shape in shapes]
    full = {name: getattr(geom, name) for name in ("stride", "padding", "dilation", "groups")}
    return plan, geom, arrays, by_taps(*arrays, full)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LARGE)
def test_threads_share_large_ones_and_change_nothing(name, layout):
    plan, geom, arrays, expected = large_problem(name)
    results = three(*(laid_out(array, layout) for array in arrays), geom, plan)
    for result, sums in zip(results, expected, strict=True):
        if plan == "winograd":
            assert_nearly_equal(result, sums)
        else:
            assert_array_equal(result, sums)
    assert "tinygrad_cnn" in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("name", [name for name in LARGE if "winograd" not in name])
def test_large_ones_in_float64(name):
    plan, geom, arrays, expected = large_problem(name)
    results = three(*(array.astype(float) for array in arrays), geom, plan)
    for result, sums in zip(results, expected, strict=True):
        assert_array_equal(result, sums)


@pytest.mark.parametrize("name", LARGE)
def test_a_weight_that_changes_in_place_is_seen_to_change(name):
    plan, geom, (x, w, y), _ = large_problem(name)
    with conv.conv_plans(plan):
        assert conv.plan_for(geom, len(x), x.dtype) == plan
        for kernel, image in ((conv.forward, x), (conv.input_grad, y)):
            weight = w.copy()
            first = kernel(image, weight, geom)
            for _ in range(3):  # nothing has changed, as in inference
                assert_array_equal(kernel(image, weight, geom), first)
            weight *= 2
            assert_array_equal(kernel(image, weight, geom), 2 * first)
            weight.flat[weight.size // 2 + 1] += 1
            assert_array_equal(kernel(image, weight, geom), kernel(image, weight.copy(), geom))
            weight[...] = 0
            assert not kernel(image, weight, geom).any()


def test_a_weight_is_not_taken_for_one_that_lay_in_the_same_place():
    _, geom, (x, w, _), _ = large_problem("winograd")
    assert conv.plan_for(geom, len(x), x.dtype) == "winograd"
    first = conv.forward(x, w, geom)
    for factor in (2, 4, 8, 16):
        assert_array_equal(conv.forward(x, factor * w, geom), factor * first)  # freed before the next is made


# --- the choice ------------------------------------------------------------------------------------------


def spoiled(case, what):
    """A case that was made for Winograd, but for one thing; images are many, and large enough for it."""
    (_, channels, *size), (filters, *_), options = case
    size, kernel = [n + 4 for n in size], {"kernel": (3, 2), "larger kernel": (5, 5)}.get(what, (3, 3))
    groups = 2 if what == "groups" else 1
    new = {"stride": (1, 2), "dilation": (2, 1)}
    options = options | {"groups": groups} | ({what: new[what]} if what in new else {})
    return (100, 2 * channels, *size), (2 * filters, 2 * channels // groups, *kernel), options


@pytest.mark.parametrize("what", ["dtype", "kernel", "larger kernel", "stride", "dilation", "groups"])
@given(case=winograd_cases(), only=st.booleans())
def test_winograd_is_for_plain_3x3_windows_of_float32(what, case, only):
    x_shape, w_shape, options = spoiled(case, what)
    dtype = np.dtype(np.float64 if what == "dtype" else np.float32)
    with conv.conv_plans(*["winograd"] * only):
        assert conv.plan_for(conv_geometry(x_shape, w_shape, **options), x_shape[0], dtype) != "winograd"
        plain = conv_geometry(x_shape, (*w_shape[:1], x_shape[1], 3, 3))
        assert conv.plan_for(plain, x_shape[0], np.dtype(np.float32)) == "winograd"


@given(winograd_cases(), generators)
def test_sums_in_float64_are_plain_even_where_winograd_is_asked_for(case, rng):
    x_shape, w_shape, options = case
    x, w = (whole_numbers(rng, shape, np.float64) for shape in (x_shape, w_shape))
    with conv.conv_plans("winograd"):
        result = conv.forward(x, w, conv_geometry(x_shape, w_shape, **options))
    assert_array_equal(result, oracle.conv_by_taps(x, w, **options))


def chosen(x_shape=(64, 32, 8, 8), w_shape=(32, 32, 3, 3), **options):
    geom = conv_geometry(x_shape, w_shape, **options)
    return conv.plan_for(geom, x_shape[0], np.dtype(np.float32))


def test_the_first_plan_that_fits_is_chosen():
    assert chosen() == "winograd"
    assert chosen(w_shape=(32, 32, 1, 1)) == "pointwise"
    assert chosen(w_shape=(32, 1, 3, 3), groups=32) == "depthwise"
    assert chosen(stride=2) == "columns"


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "options"),
    [
        # of one pixel, but with a border: pointwise would not know where the windows lie
        ((2, 4, 5, 6), (3, 4, 1, 1), {"padding": (0, 1)}),
        ((2, 4, 5, 6), (3, 4, 1, 1), {"padding": (1, 0)}),
        ((2, 4, 5, 6), (4, 2, 1, 1), {"groups": 2}),
        ((2, 4, 5, 6), (3, 4, 1, 2), {}),
        # a filter to each channel, but not two axes, more filters, or strides
        ((2, 4, 9), (4, 1, 3), {"groups": 4}),
        ((2, 4, 5, 6, 3), (4, 1, 3, 3, 3), {"groups": 4}),
        ((2, 4, 5, 6), (8, 1, 3, 3), {"groups": 4}),
        ((2, 4, 5, 6), (4, 2, 3, 3), {"groups": 2}),
        ((2, 4, 5, 6), (4, 1, 3, 3), {"groups": 4, "stride": (1, 2)}),
        ((0, 4, 5, 6), (4, 1, 3, 3), {"groups": 4}),
        # 3x3, but with strides, gaps, groups, a wide border on one side, or few channels
        ((64, 32, 8, 8), (32, 32, 3, 3), {"stride": (1, 2)}),
        ((64, 32, 8, 8), (32, 32, 3, 3), {"dilation": (1, 2)}),
        ((64, 48, 8, 8), (48, 24, 3, 3), {"groups": 2}),
        ((64, 32, 8, 8), (32, 32, 3, 3), {"padding": ((0, 3), (0, 0))}),
        ((64, 32, 8, 8), (32, 32, 3, 3), {"padding": ((0, 0), (3, 0))}),
        ((64, 32, 8, 8), (23, 32, 3, 3), {}),
        ((64, 23, 8, 8), (32, 23, 3, 3), {}),
    ],
)
def test_what_no_other_plan_fits_is_for_columns(x_shape, w_shape, options):
    geom = conv_geometry(x_shape, w_shape, **options)
    rng = np.random.default_rng(0)
    x, w = (whole_numbers(rng, shape, np.float32) for shape in (x_shape, w_shape))
    y = whole_numbers(rng, (x_shape[0], w_shape[0], *geom.out), np.float32)
    full = {name: getattr(geom, name) for name in ("stride", "padding", "dilation", "groups")}
    assert conv.plan_for(geom, x_shape[0], x.dtype) == "columns"
    for result, expected in zip(
        (conv.forward(x, w, geom), conv.input_grad(y, w, geom), conv.weight_grad(y, x, geom)),
        by_taps(x, w, y, full),
        strict=True,
    ):
        assert_array_equal(result, expected)


def test_plans_hold_inside_a_with_and_nest():
    with conv.conv_plans("columns"):
        assert chosen() == chosen(w_shape=(32, 32, 1, 1)) == "columns"
        with conv.conv_plans("pointwise", "winograd"):
            assert chosen() == "winograd" and chosen(w_shape=(32, 32, 1, 1)) == "pointwise"
            with conv.conv_plans():
                assert chosen(w_shape=(32, 1, 3, 3), groups=32) == "depthwise"
            assert chosen(w_shape=(32, 1, 3, 3), groups=32) == "columns"
        assert chosen() == "columns"
    assert chosen() == "winograd"


def test_plans_are_as_before_after_an_exception():
    with pytest.raises(KeyError), conv.conv_plans("columns"):
        raise KeyError
    assert chosen() == "winograd"


def test_without_a_with_plans_hold_until_all_are_allowed_again():
    try:
        conv.conv_plans("columns")
        assert chosen() == "columns"
    finally:
        conv.conv_plans()
    assert chosen() == "winograd"


def test_a_plan_that_there_is_not():
    with conv.conv_plans("columns"):
        with pytest.raises(ArgumentError) as raised:
            conv.conv_plans("winograd", "fft")
        assert chosen() == "columns"
    for name in ("'fft'", "'pointwise'", "'depthwise'", "'winograd'", "'columns'"):
        assert name in str(raised.value)

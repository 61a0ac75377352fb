# ruff: noqa: E501
from __future__ import annotations

import re
from dataclasses import FrozenInstanceError

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows import conv_cases, pool_cases

from tinygrad_cnn.errors import ArgumentError, Error, ShapeError
from tinygrad_cnn.geometry import conv_geometry, conv_transpose_geometry, pool_geometry

sizes = st.integers(1, 12)


@given(conv_cases())
def test_conv_counts_the_windows_that_fit(case):
    x, w, options = case
    geom = conv_geometry(x, w, **options)
    windows = {name: options[name] for name in ("stride", "padding", "dilation")}
    assert geom.out == oracle.out_sizes(x[2:], w[2:], **windows)
    assert (geom.size, geom.kernel, geom.in_channels, geom.out_channels) == (x[2:], w[2:], x[1], w[0])


@given(pool_cases())
def test_pool_counts_the_windows_that_fit(case):
    x, options = case
    geom = pool_geometry(x, **options)
    assert geom.out == oracle.out_sizes(x[2:], **options)
    if not options["ceil_mode"]:
        assert not any(geom.overhang)


@given(conv_cases())
def test_taps_name_the_pixels_which_the_windows_see(case):
    (_, _, *size), (_, _, *kernel), options = case
    stride, padding, dilation = (options[name] for name in ("stride", "padding", "dilation"))
    geom = conv_geometry((1, 1, *size), (1, 1, *kernel), stride, padding, dilation)
    pixels = np.arange(np.prod(size)).reshape(size)
    seen = np.full((len(geom.taps), *geom.out), -1)
    for tap, (windows, source) in enumerate(geom.taps):
        seen[tap][windows] = pixels[source]
    expected = np.full((*kernel, *geom.out), -1)
    for i, a, pixel in oracle.visits(size, kernel, stride, padding, dilation, geom.out):
        expected[(*a, *i)] = pixels[pixel]
    assert (seen == expected.reshape(seen.shape)).all()


@given(sizes, st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
def test_words_for_padding(n, f, s, d):
    x, w = (1, 1, n), (1, 1, f)
    span = d * (f - 1) + 1
    same = conv_geometry(x, w, s, "same", d)
    assert same.out == (-(-n // s),)
    assert 0 <= same.padding[0][1] - same.padding[0][0] <= 1
    assert conv_geometry(x, w, s, "full", d).padding == ((span - 1, span - 1),)
    assert conv_geometry(x, w, 1, "full", d).out == (n + span - 1,)
    if n >= span:
        assert conv_geometry(x, w, s, "valid", d) == conv_geometry(x, w, s, 0, d)
    if s <= span:
        assert conv_transpose_geometry(x, w, s, "same", dilation=d).size == (s * n,)


@given(conv_cases())
def test_a_transposed_convolution_undoes_the_size_of_a_convolution(case):
    x, w, options = case
    geom = conv_geometry(x, w, **options)
    y = (x[0], w[0], *geom.out)
    spans = [d * (f - 1) + 1 for f, d in zip(geom.kernel, geom.dilation, strict=True)]
    axes = zip(geom.size, geom.padding, geom.out, geom.stride, spans, strict=True)
    remainder = [n + sum(p) - s * (n_out - 1) - span for n, p, n_out, s, span in axes]
    assert conv_transpose_geometry(y, w, output_padding=remainder, **options) == geom


def test_one_value_a_tuple_a_list_or_a_numpy_int_mean_the_same():
    x, w = (2, 3, 8, 8), (4, 3, 3, 3)
    geom = conv_geometry(x, w, 2, 1)
    assert geom == conv_geometry(list(x), list(w), [2, 2], ((1, 1), [1, 1]))
    assert geom == conv_geometry(x, w, np.int64(2), (1, np.int32(1)), dilation=np.int8(1))
    assert all(type(n) is int for n in conv_geometry(x, w, np.int64(3)).stride)
    assert conv_geometry(x, w, padding=("same", 2)).padding == ((1, 1), (2, 2))


def test_a_geometry_is_cached_hashable_and_frozen():
    make = (2, 3, 8, 8), (4, 3, 3, 3), 2, 1
    geom = conv_geometry(*make)
    assert conv_geometry(*make) is geom
    assert hash(geom) == hash(conv_geometry((9, 3, 8, 8), (4, 3, 3, 3), 2, 1))
    assert geom != conv_geometry((2, 3, 8, 8), (4, 3, 3, 3), 2, 2)
    with pytest.raises(FrozenInstanceError):
        geom.stride = (1, 1)


def test_ceil_mode_drops_a_window_that_would_begin_in_the_padding():
    assert pool_geometry((1, 1, 3), 2, stride=2, padding=1).out == (2,)
    assert pool_geometry((1, 1, 3), 2, stride=3, padding=1, ceil_mode=True).out == (2,)
    assert pool_geometry((1, 1, 2), 2, stride=3, padding=1, ceil_mode=True).out == (1,)
    assert pool_geometry((1, 1, 2), 3, stride=2, ceil_mode=True).overhang == (1,)


X, W = (2, 3, 8, 8), (4, 3, 3, 3)


def conv(x=X, w=W, **options):
    return conv_geometry(x, w, **options)


def transposed(x=(2, 4, 8, 8), w=W, **options):
    return conv_transpose_geometry(x, w, **options)


def pool(x=X, kernel=2, **options):
    return pool_geometry(x, kernel, op="max_pool2d", axes=2, **options)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        # rank and layout of x
        (lambda: conv((3, 8, 8)), ShapeError, "conv2d: x (3, 8, 8) has 3 axes where (N, C, H, W) is needed; x.unsqueeze(0)"),
        (lambda: conv((2, 192)), ShapeError, "conv2d: x (2, 192) has 2 axes where (N, C, H, W) is needed; reshape x"),
        (lambda: conv((2, 3, 8), (4, 3, 3, 3)), ShapeError, "(N, C, H, W)"),
        (lambda: conv((2, 3), (4, 3, 3)), ShapeError, "conv1d: x (2, 3) has 2 axes where (N, C, L) is needed"),
        (lambda: conv((2, 3, 8, 8), (4, 3, 3, 3, 3)), ShapeError, "conv3d: x (2, 3, 8, 8) has 4 axes where (N, C, D, H, W)"),
        (lambda: conv((2, 3), (4, 3, 3, 3, 3, 3)), ShapeError, "(N, C, S0, S1, S2, S3)"),
        (lambda: pool((3, 8, 8)), ShapeError, "max_pool2d: x (3, 8, 8) has 3 axes where (N, C, H, W) is needed"),
        (lambda: pool_geometry((8, 8), 2), ShapeError, "has 2 axes"),
        (lambda: transposed((4, 8, 8)), ShapeError, "conv_transpose2d: x (4, 8, 8) has 3 axes"),
        (lambda: conv((2, 3, 0, 8), padding=3), ShapeError, "x (2, 3, 0, 8) has no pixels; only its batch may be empty"),
        (lambda: pool((2, 3, 8, 0)), ShapeError, "no pixels"),
        (lambda: transposed((2, 4, 8, 0)), ShapeError, "no pixels"),
        # the weight
        (lambda: conv(w=(4, 3)), ShapeError, "weight (4, 3) has 2 axes; give it 3"),
        (lambda: conv(w=(4, 3, 3), axes=2), ShapeError, "conv2d: weight (4, 3, 3) has 3 axes; give it 4, as in (O, C/groups, *kernel)"),
        (lambda: transposed(w=(4, 3, 3), axes=2), ShapeError, "as in (C, O/groups, *kernel)"),
        (lambda: conv(w=(4, 3, 3, 0)), ShapeError, "weight (4, 3, 3, 0) has no taps"),
        # channels and groups
        (lambda: conv((2, 1, 8, 8)), ShapeError, "x has 1 channels, weight expects 3 (x (2, 1, 8, 8), weight (4, 3, 3, 3)); with this x use in_channels=1"),
        (lambda: conv((2, 8, 8, 3)), ShapeError, "x looks channels-last: use x.permute(0, 3, 1, 2)"),
        (lambda: conv((2, 8, 7, 8, 3), (4, 3, 3, 3, 3)), ShapeError, "use x.permute(0, 4, 1, 2, 3)"),
        (lambda: conv(w=(4, 3, 3, 3), groups=2), ShapeError, "weight expects 6 (x (2, 3, 8, 8), weight (4, 3, 3, 3), groups=2); 2 groups need a multiple of 2 channels"),
        (lambda: conv((2, 6, 8, 8), (4, 2, 3, 3), groups=3), ShapeError, "groups=3 must divide axis 0 of the weight, which has 4"),
        (lambda: transposed((2, 3, 8, 8)), ShapeError, "x has 3 channels, weight expects 4"),
        (lambda: conv(groups=0), ArgumentError, "groups must be an int, at least 1, not 0"),
        (lambda: conv(groups=True), ArgumentError, "groups must be an int, at least 1, not True"),
        (lambda: conv(groups=1.0), ArgumentError, "not 1.0"),
        # stride, dilation, kernel
        (lambda: conv(stride=0), ArgumentError, "conv2d: stride must be an int, at least 1, not 0"),
        (lambda: conv(stride=(1, -2)), ArgumentError, "stride must be an int, at least 1, not -2"),
        (lambda: conv(stride=1.5), ArgumentError, "not 1.5"),
        (lambda: conv(stride=True), ArgumentError, "not True"),
        (lambda: conv(stride="2"), ArgumentError, "not '2'"),
        (lambda: conv(stride=None), ArgumentError, "not None"),
        (lambda: conv(stride=(1, 2, 3)), ArgumentError, "stride (1, 2, 3) has 3 entries; give one value, or 2"),
        (lambda: conv(stride=()), ArgumentError, "has 0 entries"),
        (lambda: conv(dilation=0), ArgumentError, "dilation must be an int, at least 1, not 0"),
        (lambda: pool(kernel=0), ArgumentError, "max_pool2d: kernel_size must be an int, at least 1, not 0"),
        (lambda: pool(kernel=(2, 2, 2)), ArgumentError, "kernel_size (2, 2, 2) has 3 entries; give one value, or 2"),
        (lambda: pool(kernel=2.0), ArgumentError, "kernel_size must be an int"),
        (lambda: pool(stride=0), ArgumentError, "stride must be an int, at least 1, not 0"),
        # padding
        (lambda: conv(padding=-1), ArgumentError, "padding must be an int, at least 0, not -1"),
        (lambda: conv(padding="sme"), ArgumentError, "padding 'sme' is unknown; use 'valid', 'same', 'full', ints or pairs"),
        (lambda: conv(padding=(1, 2, 3, 4)), ArgumentError, "padding (1, 2, 3, 4) has 4 entries"),
        (lambda: conv(padding=((1, 2, 3), 0)), ArgumentError, "a pair of padding (1, 2, 3) has 3 entries; give one value, or 2"),
        (lambda: conv(padding=((1, -1), 0)), ArgumentError, "a pair of padding must be an int, at least 0, not -1"),
        (lambda: conv(padding=0.5), ArgumentError, "padding must be an int, at least 0, not 0.5"),
        (lambda: pool(kernel=3, padding=2), ArgumentError, "max_pool2d: padding (2, 2) along H is more than half of the window, which spans 3; use at most 1"),
        (lambda: pool(kernel=2, padding=(1, (0, 2))), ArgumentError, "padding (0, 2) along W is more than half"),
        # windows that do not fit
        (lambda: conv((2, 3, 8, 2)), ShapeError, "conv2d: along W a window spans 3 (kernel 3, dilation 1), the padded image only 2 (x (2, 3, 8, 2), padding (0, 0)); pad by 1 more"),
        (lambda: conv(padding=1, dilation=(1, 5)), ShapeError, "along W a window spans 11 (kernel 3, dilation 5), the padded image only 10"),
        (lambda: conv((2, 3, 4), (1, 3, 5)), ShapeError, "conv1d: along L a window spans 5"),
        (lambda: pool(kernel=9), ShapeError, "max_pool2d: along H a window spans 9 (kernel 9, dilation 1), the padded image only 8"),
        (lambda: pool(kernel=12, stride=2, ceil_mode=True), ShapeError, "along H a window spans 12"),
        (lambda: pool((1, 1, 2, 2), dilation=4, padding=2), ShapeError, "along H a window sees only padding (x (1, 1, 2, 2), dilation 4); dilate by 2 or less"),
        # transposed
        (lambda: transposed(output_padding=1), ArgumentError, "conv_transpose2d: output_padding 1 along H must be less than the stride or the dilation, here at most 0"),
        (lambda: transposed(stride=2, output_padding=(0, 2)), ArgumentError, "output_padding 2 along W must be less than"),
        (lambda: transposed(stride=2, output_padding=-1), ArgumentError, "output_padding must be an int, at least 0, not -1"),
        (lambda: transposed((2, 4, 1, 1), padding=2), ShapeError, "along H the result would have size -1 (x (2, 4, 1, 1), weight (4, 3, 3, 3), padding (2, 2)); take at least 2 off"),
    ],
)  # fmt: skip
def test_errors_name_the_op_the_axis_the_shapes_and_the_cure(call, error, said):
    with pytest.raises(error, match=re.escape(said)) as caught:
        call()
    assert type(caught.value) is error and isinstance(caught.value, Error)
    assert re.match(r"(conv|conv_transpose|pool|max_pool)\dd: ", str(caught.value))


def test_a_wrong_type_is_refused_even_when_an_equal_value_is_cached():
    conv(stride=1)
    for wrong in (True, 1.0):
        with pytest.raises(ArgumentError):
            conv(stride=wrong)


def test_the_cures_cure():
    assert conv((1, 3, 8, 2), padding=(0, (0, 1))).out == (6, 1)
    assert pool(kernel=3, padding=1).out == (3, 3)
    assert transposed((2, 4, 1, 1), padding=1).size == (1, 1)
    assert transposed(stride=2, output_padding=1).size == (18, 18)
    assert pool((1, 1, 2, 2), dilation=2, padding=1).out == (1, 1)

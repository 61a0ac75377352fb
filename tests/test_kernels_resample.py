"""Resampling: both ways of computing a map, its transpose, any memory order, any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import borders, resample
from tinygrad_cnn.testing.strategies import LAYOUTS, laid_out

MAKERS = {
    "nearest": resample.nearest,
    "exact": lambda n, out: resample.nearest(n, out, exact=True),
    "linear": resample.linear,
    "corners": lambda n, out: resample.linear(n, out, align_corners=True),
    "cubic": resample.cubic,
    "area": resample.area,
    "smooth": resample.smooth,
    "lanczos": lambda n, out: resample.smooth(n, out, kind="lanczos"),
    "windows": resample.windows,
}
makers = st.sampled_from(sorted(MAKERS))
sides = st.integers(1, 9)


@pytest.mark.parametrize("name", MAKERS)
@given(n=sides, out=sides)
def test_rows_add_up_to_one_and_the_transpose_is_one(name, n, out):
    m = MAKERS[name](n, out)
    matrix = m.matrix(np.dtype(np.float64))
    assert matrix.shape == (m.out, n) and m.T.T is m
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(m.T.matrix(np.dtype(np.float64)), matrix.T, atol=1e-15)


@pytest.mark.parametrize("name", ["linear", "cubic", "area", "smooth", "lanczos"])
@given(n=sides)
def test_nothing_changes_at_the_same_size(name, n):
    np.testing.assert_allclose(MAKERS[name](n, n).matrix(np.dtype(np.float64)), np.eye(n), atol=1e-15)


@pytest.mark.parametrize("dense", [0, 1 << 20], ids=["taps", "matrix"])
@given(
    name=makers, size=st.tuples(sides, sides), out=st.tuples(sides, sides), layout=st.sampled_from(LAYOUTS)
)
def test_both_ways_of_computing_it_are_the_product_with_the_matrix(dense, name, size, out, layout):
    maps = [MAKERS[name](n, m) for n, m in zip(size, out, strict=True)]
    a, b = (m.matrix(np.dtype(np.float64)) for m in maps)
    x = laid_out(np.random.default_rng(0).standard_normal((2, 3, *size)), layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "DENSE", dense)
        y = resample.resample(x, maps)
        np.testing.assert_allclose(y, np.einsum("ih,jw,nchw->ncij", a, b, x), atol=1e-12)
        back = resample.resample(y, [m.T for m in maps])
        np.testing.assert_allclose(back, np.einsum("ih,jw,ncij->nchw", a, b, y), atol=1e-12)


@pytest.mark.parametrize("name", ["nearest", "linear", "cubic"])
def test_what_is_not_finite_reaches_its_own_new_pixels_only(name):
    m = MAKERS[name](5, 11)
    for value in (np.inf, np.nan):
        x = np.arange(10.0).reshape(1, 2, 5)
        x[0, 1, 2] = value
        touched = (np.where(m.index == 2, m.weight, 0) != 0).any(1)
        y = resample.resample(x, [m])
        assert np.isfinite(y[0, 0]).all() and (np.isfinite(y[0, 1]) == ~touched).all()


@pytest.mark.parametrize("name", MAKERS)
@given(n=sides, out=sides)
def test_what_is_not_finite_comes_back_to_where_it_came_from_only(name, n, out):
    m = MAKERS[name](n, out)
    matrix = m.matrix(np.dtype(float)) != 0
    for at in range(m.out):
        y = np.zeros((1, 1, m.out))
        y[..., at] = np.inf
        with np.errstate(invalid="ignore"):
            back = resample.resample(y, [m.T])[0, 0]
        assert np.isfinite(back[~matrix[at]]).all() and not np.isfinite(back[matrix[at]]).any()


def test_a_map_says_how_many_pixels_become_how_many():
    assert repr(resample.linear(2, 4)) == "Map(2 -> 4)"


def test_results_do_not_depend_on_the_number_of_threads():
    x = np.random.default_rng(0).standard_normal((4, 16, 60, 70)).astype(np.float32)
    large = [resample.cubic(60, 130), resample.linear(70, 150)]
    before, results = tg.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            tg.set_num_threads(threads)
            y = resample.resample(x, large)
            results.append((y, resample.resample(y, [m.T for m in large])))
    finally:
        tg.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_nothing_to_do_is_a_copy():
    x = np.ones((1, 2, 3, 4))
    for y in (
        resample.resample(x, [None, None]),
        resample.resample(x, [resample.linear(3, 3), None]),
        borders.extend(x, ((0, 0),) * 4, "reflect"),
        borders.extend_adjoint(x, ((0, 0),) * 4, "circular"),
    ):
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, y)


def test_integers_can_be_picked():
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    y = resample.resample(x, [None, resample.nearest(3, 6)])
    assert y.dtype == np.uint8 and y[0, 0].tolist() == [[0, 0, 1, 1, 2, 2], [3, 3, 4, 4, 5, 5]]


def test_smooth_maps_are_pillows():
    Image = pytest.importorskip("PIL.Image")
    x = np.random.default_rng(0).random((37, 29)).astype(np.float32)
    kinds = {"linear": Image.BILINEAR, "cubic": Image.BICUBIC, "lanczos": Image.LANCZOS}
    for kind, method in kinds.items():
        for height, width in ((12, 40), (80, 9)):
            wanted = np.asarray(Image.fromarray(x).resize((width, height), method))
            maps = [resample.smooth(37, height, kind=kind), resample.smooth(29, width, kind=kind)]
            np.testing.assert_allclose(resample.resample(x, maps), wanted, atol=1e-5)

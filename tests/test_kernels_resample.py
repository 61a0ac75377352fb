"""Resampling: both ways of computing a map, its transpose, any memory order, any number of threads."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import oracle
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


# --- maps ------------------------------------------------------------------------------------------------

DOUBLE = np.dtype(float)
PAIRS = list(itertools.product(range(1, 10), repeat=2))
BY_NAME = {  # as the loops call them; some know no corners
    "nearest": lambda n, out, scale, align: resample.nearest(n, out, scale),
    "exact": lambda n, out, scale, align: resample.nearest(n, out, scale, exact=True),
    "linear": resample.linear,
    "cubic": resample.cubic,
    "area": lambda n, out, scale, align: resample.area(n, out),
    "wide linear": resample.smooth,
    "wide cubic": lambda *asked: resample.smooth(*asked, kind="cubic"),
    "wide lanczos": lambda *asked: resample.smooth(*asked, kind="lanczos"),
}


@pytest.mark.parametrize("align_corners", [False, True], ids=["edges", "corners"])
@pytest.mark.parametrize("name", BY_NAME)
def test_maps_are_those_of_the_textbook(name, align_corners):
    for n, out in PAIRS:
        for scale in (None, (out + 0.4) / n, (out + 0.9) / n):
            asked = n, out, scale, align_corners
            matrix = BY_NAME[name](*asked).matrix(DOUBLE)
            np.testing.assert_allclose(
                matrix, oracle.resampling(name, *asked), atol=1e-14, err_msg=str(asked)
            )


def test_nearest_stays_in_the_image_where_rounding_would_leave_it():
    out = 4_535_839  # from 2**22 on i + 1/2 is rounded
    assert np.float32(out - 0.5) * np.float32(9 / out) == 9
    assert resample.nearest.__wrapped__(9, out, exact=True).index[-1] == 8


@pytest.mark.parametrize("kind", oracle.WIDE)
def test_filters_end_where_they_say(kind):
    (weight, reach), (wanted, end) = resample.FILTERS[kind], oracle.WIDE[kind]
    assert reach == end
    t = np.linspace(0, 5, 101)
    np.testing.assert_allclose(weight(t), [wanted(each) for each in t], atol=1e-14)
    assert (weight(t[t >= end]) == 0).all()


@pytest.mark.parametrize("kind", oracle.WIDE)
def test_smooth_maps_have_a_tap_for_each_pixel_in_reach(kind):
    for n, out in PAIRS:
        wide = oracle.WIDE[kind][1] * max(Fraction(n, out), 1)
        centres = [Fraction(n, out) * (i + Fraction(1, 2)) for i in range(out)]
        near = [sum(-wide < j + Fraction(1, 2) - centre <= wide for j in range(n)) for centre in centres]
        taps = resample.smooth(n, out, kind=kind).weight.shape[1]
        assert taps == (1 if n == out else max(near)), (n, out)


def test_areas_and_windows_have_as_many_pixels_as_the_widest():
    for n, out in PAIRS:
        each = [list(oracle.window_of(n, out, i)) for i in range(out)]
        most = max(map(len, each))
        assert resample.area(n, out).weight.shape == (out, most)
        filled = [window + window[-1:] * (most - len(window)) for window in each]
        m = resample.windows(n, out)
        assert m.index.reshape(out, -1).tolist() == filled and m.plain is True


@pytest.mark.parametrize("name", MAKERS)
def test_transposes_have_no_tap_too_many(name):
    for n, out in PAIRS:
        m = MAKERS[name](n, out)
        used = np.zeros(n, int)
        np.add.at(used, m.index[m.weight != 0], 1)
        assert m.T.weight.shape == (n, max(1, used.max()))


@pytest.mark.parametrize("name", MAKERS)
def test_places_are_the_indices_and_slices_where_these_are_regular(name):
    for n, out in PAIRS:
        for m in (MAKERS[name](n, out), MAKERS[name](n, out).T):
            for at, place in zip(m.index.T.tolist(), m.places, strict=True):
                steps = {b - a for a, b in itertools.pairwise(at)} or {1}
                if len(steps) == 1 and min(steps) > 0:
                    assert place == slice(at[0], at[-1] + 1, *steps)
                else:
                    assert place.tolist() == at


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


# --- images ----------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("maps", [(3, 0), (0, 0), (0, 3)])
def test_images_without_pixels(maps):
    """An adaptive pool may ask for none, and its gradient comes from none."""
    maps = [resample.area(4, n) for n in maps]
    y = resample.resample(np.ones((2, 3, 4, 4), np.float32), maps)
    assert y.shape == (2, 3, *(m.out for m in maps)) and y.dtype == np.float32
    back = resample.resample(y, [m.T for m in maps])
    assert back.shape == (2, 3, 4, 4) and not back.any() and not np.signbit(back).any()
    assert resample.resample(y[:0], maps).shape == (0, *y.shape[1:])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_new_images_lie_in_memory_as_the_old_ones(layout):
    x = laid_out(np.random.default_rng(0).standard_normal((2, 3, 4, 5)), layout)
    y = resample.resample(x, [resample.linear(4, 8), resample.linear(5, 3)])
    assert np.argsort(y.strides).tolist() == np.argsort(np.abs(x.strides)).tolist()


@pytest.mark.parametrize(
    "size, order",
    [
        ((3, 20), "rows first"),  # what shrinks
        ((12, 5), "columns first"),
        ((5, 2), "columns first"),  # what shrinks more
        ((24, 20), "columns first"),  # what grows less
        ((12, 40), "rows first"),
        ((3, 5), "rows first"),  # of equals the columns see the smaller image: they are innermost
        ((12, 20), "columns first"),
    ],
)
def test_axes_are_taken_in_the_order_that_costs_least(monkeypatch, size, order):
    seen, along = [], resample._along

    def watched(x, m, finite):
        seen.append(m)
        return along(x, m, finite)

    monkeypatch.setattr(resample, "_along", watched)
    rows, columns = resample.cubic(6, size[0]), resample.cubic(10, size[1])
    resample.resample(np.ones((2, 3, 6, 10)), [rows, columns])
    assert seen == ([rows, columns] if order == "rows first" else [columns, rows])


def test_a_matrix_is_made_where_it_is_small_and_meets_finite_numbers(monkeypatch):
    monkeypatch.setattr(resample, "DENSE", 3)

    def makes_one(name, n, value=1.0):
        m = MAKERS[name](n, 5)
        m.matrices.clear()
        resample.resample(np.full((1, 2, n), value), [m])
        return bool(m.matrices)

    assert makes_one("linear", 6) and not makes_one("linear", 7)  # three pixels for each of two taps
    assert makes_one("cubic", 12) and not makes_one("cubic", 13)
    assert not makes_one("nearest", 3)  # which multiplies nothing
    assert not makes_one("linear", 6, np.inf) and not makes_one("linear", 6, np.nan)


@pytest.mark.parametrize("rows, pieces", [(1, []), (2, [1]), (9, [1]), (10, [2]), (11, [4]), (20, [4])])
def test_large_results_are_cut_into_pieces(monkeypatch, rows, pieces):
    monkeypatch.setattr(resample, "SMALL", 10)
    monkeypatch.setattr(resample, "LARGE", 100)
    shared, share = [], resample.share

    def watched(work, parts):
        shared.append(len(parts))
        share(work, parts)

    monkeypatch.setattr(resample, "share", watched)
    resample.resample(np.ones((1, rows, 5)), [resample.linear(5, 10)])
    assert shared == pieces


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

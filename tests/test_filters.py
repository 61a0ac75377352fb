"""The filters are what they are said to be, and `apply` is the formula, on every kind of image."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tinygrad_cnn as tg
from docs.figures import make_filters
from tinygrad_cnn import vision
from tinygrad_cnn.errors import ArgumentError, DtypeError, MissingToolError, ShapeError
from tinygrad_cnn.testing import gradcheck
from tinygrad_cnn.vision import filters
from tinygrad_cnn.vision.filters import apply, edges, slopes

RNG = np.random.default_rng(0)
BANK = filters.bank()
MODES = ["correlation", "convolution"]
SLOPES = ["sobel", "prewitt", "scharr", "roberts"]
KEEP = ["identity", "box", "gaussian", "motion blur", "sharpen", "unsharp", "emboss"]


def by_the_formula(f: np.ndarray, h: np.ndarray, mode: str) -> np.ndarray:
    """G[m, n] = sum_jk h[j, k] f[m +- j, n +- k], j and k from the middle, f repeated beyond its border."""
    sign = {"correlation": 1, "convolution": -1}[mode]
    G = np.zeros(f.shape)
    for m, n in np.ndindex(*f.shape):
        for j, k in np.ndindex(*h.shape):
            row = m + sign * (j - (h.shape[0] - 1) // 2)
            column = n + sign * (k - (h.shape[1] - 1) // 2)
            row, column = min(max(row, 0), f.shape[0] - 1), min(max(column, 0), f.shape[1] - 1)
            G[m, n] += h[j, k] * f[row, column]
    return G


# --- apply -----------------------------------------------------------------------------------------


@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    taps=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    mode=st.sampled_from(MODES),
)  # fmt: skip
def test_apply_is_the_formula(size, taps, mode):
    f, h = RNG.normal(size=size), RNG.normal(size=taps)
    np.testing.assert_allclose(apply(f, h, mode), by_the_formula(f, h, mode), atol=1e-12)


@given(taps=st.tuples(st.integers(1, 4), st.integers(1, 4)), mode=st.sampled_from(MODES))
def test_full_is_every_place_where_the_filter_meets_the_image(taps, mode):
    """And a full convolution is the product of polynomials."""
    f, h = RNG.normal(size=(5, 6)), RNG.normal(size=taps)
    turned = h if mode == "convolution" else h[::-1, ::-1]
    expected = np.zeros((5 + taps[0] - 1, 6 + taps[1] - 1))
    for m, n in np.ndindex(5, 6):
        expected[m : m + taps[0], n : n + taps[1]] += f[m, n] * turned
    found = apply(f, h, mode, padding="full", padding_mode="zeros")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_convolutions_can_be_joined_and_correlations_cannot():
    f, g, h = RNG.normal(size=(9, 9)), RNG.normal(size=(3, 3)), RNG.normal(size=(2, 4))
    how = {"padding": "full", "padding_mode": "zeros"}

    def joined(mode: str) -> float:
        one_by_one = apply(apply(f, g, mode, **how), h, mode, **how)
        at_once = apply(f, apply(g, h, mode, **how), mode, **how)
        return float(np.abs(one_by_one - at_once).max())

    assert joined("convolution") < 1e-12
    assert joined("correlation") > 0.1


@pytest.mark.parametrize("padding", ["same", "valid", "full", 2, (0, 1), ((1, 0), (0, 2)), ("same", "valid")])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_is_that_of_numpy(padding, padding_mode):
    f, h = RNG.normal(size=(6, 7)), RNG.normal(size=(3, 2))
    word = {
        "valid": ((0, 0), (0, 0)),
        "full": ((2, 2), (1, 1)),
        "same": ((1, 1), (0, 1)),
        2: ((2, 2), (2, 2)),
    }
    pairs = {(0, 1): ((0, 0), (1, 1)), ("same", "valid"): ((1, 1), (0, 0))}
    widths = {**word, **pairs}.get(padding, padding)
    names = {"zeros": "constant", "replicate": "edge", "circular": "wrap"}
    padded = np.pad(f, widths, mode=names.get(padding_mode, padding_mode))
    windows = np.lib.stride_tricks.sliding_window_view(padded, h.shape)
    expected = (windows * h).sum((2, 3))
    np.testing.assert_allclose(apply(f, h, padding=padding, padding_mode=padding_mode), expected)


def test_every_kind_of_image_comes_back_as_it_was():
    pixels = RNG.integers(0, 256, (8, 9, 3)).astype(np.uint8)
    blurred = np.stack(
        [by_the_formula(c, filters.gaussian(), "correlation") for c in pixels.transpose(2, 0, 1)]
    )
    rounded = np.rint(blurred).astype(np.uint8)

    array = apply(pixels, "gaussian")
    np.testing.assert_array_equal(array, rounded.transpose(1, 2, 0))
    image = apply(Image.fromarray(pixels), "gaussian")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), array)
    integers = apply(tg.from_numpy(pixels.transpose(2, 0, 1).copy()), "gaussian")
    assert integers.dtype == tg.uint8
    np.testing.assert_array_equal(integers.array, rounded)
    floats = apply(tg.from_numpy(pixels.transpose(2, 0, 1)[None] / 255), "gaussian")
    assert (floats.dtype, floats.shape) == (tg.float64, (1, 3, 8, 9))
    np.testing.assert_allclose(floats.array[0], blurred / 255)
    batch = apply(np.stack([pixels, pixels]).astype(np.float32), "gaussian")
    np.testing.assert_allclose(batch[1], blurred.transpose(1, 2, 0), rtol=1e-5)
    gray = apply(Image.fromarray(pixels[..., 0]), "gaussian")
    assert gray.mode == "L"
    np.testing.assert_array_equal(np.asarray(gray), rounded[0])


def test_integers_are_cut_off_where_their_range_ends():
    step = np.array([[0, 0, 200, 0]], np.uint8)
    np.testing.assert_array_equal(apply(step, [[-1, 0, 2]]), [[0, 255, 0, 0]])
    np.testing.assert_array_equal(apply(step.astype(np.int16), [[-1, 0, 2]]), [[0, 400, 0, -200]])
    np.testing.assert_array_equal(apply(step > 0, [[0, 0, 1]]), [[False, True, False, False]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_precision(dtype):
    pixels = RNG.random((6, 5))
    for image in (pixels.astype(dtype), tg.tensor(pixels[None], dtype=dtype)):
        blurred = apply(image, "gaussian")
        assert blurred.dtype == dtype
        wanted = by_the_formula(pixels, filters.gaussian(), "correlation").reshape(blurred.shape)
        np.testing.assert_allclose(np.asarray(blurred), wanted, atol=8 * np.finfo(dtype).eps)


def test_a_batch_may_be_empty():
    assert apply(tg.zeros(0, 3, 4, 4), "box").shape == (0, 3, 4, 4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding_mode", ["zeros", "replicate", "reflect"])
def test_gradients_by_the_image_and_by_the_filter(mode, padding_mode):
    def run(x, w):
        return apply(x, w, mode, padding_mode=padding_mode)

    x = tg.tensor(RNG.normal(size=(2, 5, 4)), requires_grad=True)
    w = tg.tensor(RNG.normal(size=(3, 2)), requires_grad=True)
    assert gradcheck(run, (x, w), order=2)


def test_a_filter_can_be_learned():
    """Shown what Sobel's filter makes of the photo, descent finds Sobel's filter."""
    x = vision.photo().mean(0, keepdim=True)[:, ::4, ::4]
    wanted = apply(x, "sobel x")
    w = tg.zeros(3, 3, requires_grad=True)
    optimizer = tg.optim.LBFGS([w], max_iter=200)

    def closure():
        optimizer.zero_grad()
        loss = ((apply(x, w) - wanted) ** 2).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(w.detach().numpy(), filters.sobel("x"), atol=0.02)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda x: apply(x, "sobell"), ArgumentError, "apply: there is no filter 'sobell'; there are"),
        (lambda x: apply(x, "box", "conv"), ArgumentError, "mode 'conv' is unknown; use 'correlation'"),
        (lambda x: apply(x, "box", padding="some"), ArgumentError, "apply: padding 'some' is unknown"),
        (lambda x: apply(x, "box", padding_mode="edge"), ArgumentError, "apply: padding_mode 'edge'"),
        (lambda x: apply(x, [1, 2]), ShapeError, "apply: the filter has shape (2,); give it two axes"),
        (lambda x: apply(x, [[1, 2], [3]]), ShapeError, "apply: the rows of the filter differ in length"),
        (lambda x: apply(x, [[]]), ShapeError, "apply: the filter has shape (1, 0); give it two axes"),
        (lambda x: apply(x, [[1j]]), DtypeError, "apply: the filter is complex128; give real numbers"),
        (lambda x: apply(x[0], "box"), ShapeError, "apply: the image has shape (4, 4); expected (C, H, W)"),
        (lambda x: apply("photo", "box"), DtypeError, "apply: takes a Tensor, an array or a Pillow image"),
        (lambda x: apply(x, np.ones((5, 5)), padding="valid"), ShapeError, "apply: along H a window spans"),
        (lambda x: slopes(x, "canny"), ArgumentError, "slopes: there is no operator 'canny'; there are"),
        (lambda x: edges(x[0]), ShapeError, "edges: the image has shape (4, 4)"),
        (lambda x: filters.sobel("z"), ArgumentError, "sobel: axis must be 'x' or 'y', not 'z'"),
        (lambda x: filters.laplacian(6), ArgumentError, "laplacian: a pixel has 4 or 8 neighbours, not 6"),
        (lambda x: filters.gaussian(0), ArgumentError, "gaussian: sigma must be a positive number, not 0"),
        (lambda x: filters.gaussian(1, 0), ArgumentError, "gaussian: size must be an int, at least 1, not 0"),
        (lambda x: filters.gabor(-1), ArgumentError, "gabor: wavelength must be a positive number, not -1"),
        (lambda x: filters.motion_blur(3, "up"), ArgumentError, "motion_blur: angle must be a finite number"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        call(tg.ones(1, 4, 4))


# --- the bank --------------------------------------------------------------------------------------


def test_the_bank_has_each_filter_of_this_module_under_its_name():
    made = set(filters.__all__) - {"apply", "bank", "edges", "slopes"}
    assert {re.sub(" ([xy]|[0-9]+)$", "", name).replace(" ", "_") for name in BANK} == made


@pytest.mark.parametrize("name", BANK)
def test_a_filter_keeps_brightness_or_is_silent_on_flat_images(name):
    w = BANK[name]
    assert w.dtype == np.float64
    if name in KEEP:
        assert w.sum() == pytest.approx(1)
    elif name.startswith("gabor"):
        assert abs(w.sum()) < 0.02 * np.abs(w).sum()  # exactly 0 only for a Gaussian without end
    else:
        assert w.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["box", "gaussian", "laplacian", "laplacian of gaussian", "sharpen", "unsharp"]
)
def test_filters_without_a_direction_look_the_same_from_all_sides(name):
    w = BANK[name]
    np.testing.assert_allclose(w, w.T, atol=1e-12)
    np.testing.assert_allclose(w, w[::-1], atol=1e-12)


def test_the_bank_cannot_be_spoiled():
    filters.bank()["sobel x"][:] = 0
    np.testing.assert_array_equal(filters.bank()["sobel x"], filters.sobel("x"))


@given(sigma=st.floats(1, 4))
def test_a_gaussian_is_as_wide_as_it_says(sigma):
    w = filters.gaussian(sigma, size=2 * math.ceil(6 * sigma) + 1)
    away = np.arange(len(w)) - (len(w) - 1) / 2
    assert (w.sum(0) * away**2).sum() == pytest.approx(sigma**2, rel=1e-3)


@given(angle=st.floats(-360, 360))
def test_motion_blur_is_a_line_in_its_direction(angle):
    w = filters.motion_blur(9, angle)
    y, x = np.mgrid[4:-5:-1, -4:5]  # y upwards, as angles are counted
    axis = 0.5 * math.degrees(math.atan2(2 * (w * x * y).sum(), (w * (x**2 - y**2)).sum()))
    assert abs((axis - angle + 90) % 180 - 90) < 3
    long, thin = np.linalg.eigvalsh([[(w * a * b).sum() for a in (x, y)] for b in (x, y)])[::-1]
    assert 5.5 < long < 7  # 20/3 for nine points in a row
    assert thin < 0.25


def test_the_laplacian_of_gaussian_is_the_laplacian_of_the_gaussian():
    """Its continuous formula against the discrete one, which differ by the size of a pixel."""
    w = filters.laplacian_of_gaussian(3.0, 31)
    by_steps = apply(filters.gaussian(3.0, 31), "laplacian", padding_mode="zeros")
    assert np.abs(w - by_steps).max() < 0.06 * np.abs(w).max()


def test_gabor_prefers_stripes_of_its_width_and_direction():
    y, x = np.mgrid[:60, :60]

    def answer(wavelength, degrees):
        turn = math.radians(degrees)
        stripes = np.cos(2 * math.pi * (x * math.cos(turn) - y * math.sin(turn)) / wavelength)
        return np.abs(apply(stripes, filters.gabor(6, 30), padding="valid")).max()

    best = answer(6, 30)
    assert best > 3 * max(answer(6, 75), answer(6, 120), answer(6, -15), answer(18, 30), answer(2.5, 30))


# --- slopes and edges ------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", SLOPES)
@given(slope=st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
def test_on_a_ramp_all_operators_say_the_same(operator, slope):
    y, x = np.mgrid[:6, :5]
    ramp = slope[0] * x + slope[1] * y + 7.0
    found = slopes(ramp, operator, padding="valid")
    magnitude, direction = edges(ramp, operator, padding="valid")
    for got, expected in zip((*found, magnitude), (*slope, math.hypot(*slope)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-12)
    if math.hypot(*slope) > 1e-3:
        turn = np.exp(1j * (direction - math.atan2(slope[1], slope[0])))  # -pi and pi are one direction
        np.testing.assert_allclose(turn, 1, atol=1e-9)


def test_edges_of_every_kind_of_image():
    pixels = RNG.integers(0, 256, (8, 9, 3)).astype(np.uint8)
    expected, _ = edges(pixels / 255)
    for image in (pixels, Image.fromarray(pixels)):
        found = edges(image)
        assert [type(a) for a in found] == [np.ndarray] * 2
        np.testing.assert_allclose(found[0], expected, atol=1e-6)
    for tensor in (
        tg.from_numpy(pixels.transpose(2, 0, 1).copy()),
        tg.tensor(pixels.transpose(2, 0, 1) / 255),
    ):
        found, _ = edges(tensor)
        np.testing.assert_allclose(found.array, expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("operator", SLOPES)
def test_edges_have_gradients_where_it_is_steep_and_none_where_it_is_flat(operator):
    x = tg.tensor(RNG.normal(size=(1, 5, 4)), requires_grad=True)
    assert gradcheck(lambda x: edges(x, operator), (x,))
    flat = tg.full((1, 5, 4), 0.5, requires_grad=True)
    edges(flat, operator)[0].sum().backward()
    assert flat.grad is not None
    np.testing.assert_array_equal(flat.grad.numpy(), 0)


# --- the photo -----------------------------------------------------------------------


def test_the_photo_is_a_photo():
    photo = vision.photo()
    assert (photo.shape, photo.dtype) == ((3, 256, 256), tg.float32)
    assert 0 <= photo.min().item() < 0.05 < 0.95 < photo.max().item() <= 1
    red, _, blue = photo.mean((1, 2)).tolist()
    assert red > 2 * blue  # wood and a red saucer


def test_without_pillow_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingToolError, match="photo: needs Pillow; install it"):
        vision.photo()


# --- the figures of the chapter --------------------------------------------------------------------


@pytest.mark.parametrize("name", make_filters.drawings())
def test_a_figure_is_what_its_script_draws(name):
    committed = (make_filters.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == make_filters.drawings()[name].svg(), "run: python docs/figures/make_filters.py"


@pytest.mark.parametrize(("word", "p"), [("valid", 0), ("same", 1), ("full", 2)])
def test_uses_are_counted_right(word, p):
    """By hand: walk over all windows, and mark what each of them sees."""
    seen = np.zeros((6 + 2 * p, 6 + 2 * p), int)
    for i, j in np.ndindex(4 + 2 * p, 4 + 2 * p):
        seen[i : i + 3, j : j + 3] += 1
    inside = seen[p : 6 + p, p : 6 + p]
    title, *words = make_filters.uses(word).words()
    assert title == f"{word}: 6 → {4 + 2 * p}"
    assert sorted(words) == sorted(map(str, inside.flat))


def test_the_pictures_of_photos_can_be_drawn():
    for picture, width in ((make_filters.embossed(), 784), (make_filters.edges(), 520)):
        assert picture.size == (width, 256)
        assert np.asarray(picture)[:, 256:264, 3].max() == 0  # the page shows through between them
    _, as_printed, turned = np.split(np.asarray(make_filters.embossed())[..., 0], [264, 528], axis=1)
    assert np.abs(as_printed[:, :256].astype(int) - turned[:, :256]).max() > 100

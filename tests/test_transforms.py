"""Transforms: against Pillow, PyTorch and NumPy where these compute the same, elsewhere by their own laws."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.creation import from_numpy
from tinygrad_cnn.data import DataLoader, FashionMNIST, default_collate, transforms
from tinygrad_cnn.data.transforms import InterpolationMode as Mode
from tinygrad_cnn.data.transforms import functional as F
from tinygrad_cnn.data.transforms.functional.moving import PAD_MODES
from tinygrad_cnn.errors import ArgumentError, DtypeError, MissingToolError, ShapeError
from tinygrad_cnn.random import Generator, seeded
from tinygrad_cnn.tensor import Tensor

PIL_Image = pytest.importorskip("PIL.Image")
from PIL import ImageEnhance, ImageOps  # noqa: E402

T = transforms


def random_images(*shape, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype) == np.uint8:
        return from_numpy(rng.integers(0, 256, shape).astype(np.uint8))
    return from_numpy(rng.random(shape).astype(dtype))


def pillow_of(x):
    """A Tensor (C, H, W) of bytes as a Pillow image, not by our own hand."""
    a = np.moveaxis(x.array, 0, -1)
    return PIL_Image.fromarray(a[..., 0] if a.shape[-1] == 1 else np.ascontiguousarray(a))


def pixels(image):
    """The bytes of a Pillow image, (C, H, W)."""
    a = np.asarray(image)
    return a[None] if a.ndim == 2 else np.moveaxis(a, -1, 0)


channels = st.sampled_from([1, 3])
sides = st.integers(1, 12)
seeds = st.integers(0, 999)
dtypes = st.sampled_from(["float32", "float64", "uint8"])


# ---------------------------------------------------------------- kinds of images


def test_to_tensor():
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    x = T.ToTensor()(gray).array
    assert x.shape == (1, 16, 16) and x.dtype == np.float32 and np.array_equal(x[0], gray / np.float32(255))
    color = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    batch = T.ToTensor()(color).array
    assert batch.shape == (2, 3, 5, 7) and batch.flags.c_contiguous
    assert np.array_equal(batch[1], T.ToTensor()(color[1]).array)
    assert np.array_equal(batch[0, 2], color[0, :, :, 2] / np.float32(255))
    assert T.ToTensor()(np.full((2, 2), 7.0)).array.tolist() == [[[7.0, 7.0], [7.0, 7.0]]]
    same = random_images(1, 2, 2)
    assert T.ToTensor()(same) is same


@given(st.sampled_from([1, 2, 3, 4]), sides, sides, seeds)
def test_pillow_images_there_and_back(c, h, w, seed):
    x = random_images(c, h, w, seed=seed, dtype=np.uint8)
    image = T.ToPILImage()(x)
    assert image.size == (w, h) and image.mode == ["L", "LA", "RGB", "RGBA"][c - 1]
    assert np.array_equal(pixels(image), x.array)
    for back in (T.PILToTensor()(image), T.ToImage()(image), T.PILToTensor()(np.moveaxis(x.array, 0, -1))):
        assert back.array.dtype == np.uint8 and np.array_equal(back.array, x.array)
    floats = T.ToTensor()(image)
    assert np.array_equal(floats.array, x.array / np.float32(255))
    assert np.array_equal(pixels(T.ToPILImage()(floats)), x.array)


def test_modes_of_pillow_images():
    gray = random_images(1, 3, 4)
    image = T.ToPILImage("F")(gray)
    assert image.mode == "F" and np.array_equal(T.PILToTensor()(image).array, gray.array)
    assert T.ToPILImage("HSV")(random_images(3, 2, 2, dtype=np.uint8)).mode == "HSV"
    palette = PIL_Image.new("P", (4, 2), 3)
    palette.putpalette(range(30))
    flipped = T.RandomHorizontalFlip(1)(palette)
    assert flipped.mode == "P" and flipped.getpalette()[:30] == list(range(30))
    assert T.Resize((4, 8), Mode.NEAREST)(palette).mode == "P"
    with pytest.raises(DtypeError, match=r'mode P.*convert\("RGB"\)'):
        T.ColorJitter(0.5)(palette)
    with pytest.raises(DtypeError, match="mode 1"):
        T.Pad(1)(PIL_Image.new("1", (2, 2)))


def test_pillow_is_not_imported_for_tensors():
    code = (
        "import sys, numpy as np, tinygrad_cnn as tg; from tinygrad_cnn.data import transforms as T;"
        "x = tg.rand(2, 3, 9, 9); a = x.array[0].transpose(1, 2, 0);"
        "ts = T.Resize(4), T.ColorJitter(.1), T.RandomRotation(3), T.Pad(1);"
        "[t(i) for i in (x, x[0], a) for t in ts];"
        "assert 'PIL' not in sys.modules; sys.modules['PIL'] = None\n"
        "try: T.ToPILImage()(x[0])\n"
        "except tg.errors.MissingToolError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install pillow" in out.stdout
    assert issubclass(MissingToolError, ImportError)


# Every transform that makes images of images, with options under which it surely does something.
SHAPED = {
    "Resize": T.Resize((5, 4)),
    "CenterCrop": T.CenterCrop((5, 9)),
    "Pad": T.Pad((1, 2), 0, "edge"),
    "RandomCrop": T.RandomCrop((4, 3), 1),
    "RandomResizedCrop": T.RandomResizedCrop(4),
}
UNSHAPED = {
    "RandomHorizontalFlip": T.RandomHorizontalFlip(0.7),
    "RandomVerticalFlip": T.RandomVerticalFlip(0.7),
    "RandomRotation": T.RandomRotation(90),
    "RandomRotation bilinear": T.RandomRotation(90, "bilinear", fill=0.5),
    "RandomAffine": T.RandomAffine(30, (0.2, 0.3), (0.7, 1.4), (-10, 10, -5, 5), Mode.BILINEAR),
    "RandomPerspective": T.RandomPerspective(0.6, 0.8),
    "ColorJitter": T.ColorJitter(0.4, 0.4, 0.4, 0.3),
    "RandomGrayscale": T.RandomGrayscale(0.6),
    "GaussianBlur": T.GaussianBlur((3, 5)),
    "RandomInvert": T.RandomInvert(0.6),
    "RandomSolarize": T.RandomSolarize(0.4, 0.6),
    "RandomAutocontrast": T.RandomAutocontrast(0.6),
    "RandomAdjustSharpness": T.RandomAdjustSharpness(2, 0.6),
    "RandomErasing": T.RandomErasing(0.8),
    "TrivialAugmentWide": T.TrivialAugmentWide(),
    "RandAugment": T.RandAugment(),
    "RandomApply": T.RandomApply([T.ColorJitter(0.5), T.RandomInvert(1)], 0.6),
    "RandomChoice": T.RandomChoice([T.RandomInvert(1), T.RandomRotation(45)], [0.3, 0.7]),
    "RandomOrder": T.RandomOrder([T.ColorJitter(0.5), T.RandomRotation(45), T.RandomSolarize(0.4)]),
}
BYTES = {"RandomPosterize": T.RandomPosterize(3, 0.6), "RandomEqualize": T.RandomEqualize(0.6)}


@pytest.mark.parametrize("name", {**SHAPED, **UNSHAPED, **BYTES})
@given(st.integers(1, 4), channels, st.integers(6, 12), st.integers(6, 12), dtypes, seeds)
def test_what_comes_out_is_of_the_kind_that_went_in(name, n, c, h, w, dtype, seed):
    transform = {**SHAPED, **UNSHAPED, **BYTES}[name]
    x = random_images(n, c, h, w, seed=seed, dtype="uint8" if name in BYTES else dtype)
    before = x.array.copy()
    with seeded(seed):
        y = transform(x)
    assert isinstance(y, Tensor) and y.array.dtype == x.array.dtype and np.array_equal(x.array, before)
    assert y.shape == ((n, c, *y.shape[2:]) if name in SHAPED else x.shape)
    assert y.array.min() >= 0 and y.array.max() <= (255 if x.array.dtype == np.uint8 else 1 + 1e-6)
    with seeded(seed):
        assert np.array_equal(transform(x).array, y.array), "the seed decides"
    # the same images as an array (N, H, W, C)
    with seeded(seed):
        last = transform(np.moveaxis(x.array, 1, -1))
    assert isinstance(last, np.ndarray) and np.array_equal(np.moveaxis(last, -1, 1), y.array)
    # one image, as Tensor, array and Pillow image
    with seeded(seed):
        one = transform(x[0])
    assert one.shape == y.shape[1:]
    with seeded(seed):
        array = transform(np.moveaxis(x.array[0], 0, -1))
    assert np.array_equal(np.moveaxis(array, -1, 0), one.array)
    if x.array.dtype == np.uint8:
        with seeded(seed):
            image = transform(pillow_of(x[0]))
        assert isinstance(image, PIL_Image.Image)
        # Pillow's versions differ in which axis is resized, and rounded, first
        near(pixels(image), one.array, 2 if "Resize" in name else 0)


@pytest.mark.parametrize("name", UNSHAPED)
def test_images_of_a_batch_are_drawn_for_themselves(name):
    x = from_numpy(np.broadcast_to(random_images(3, 9, 8).array, (64, 3, 9, 8)).copy())
    with seeded(0):
        out = UNSHAPED[name](x).array
    assert len(np.unique(out.reshape(64, -1), axis=0)) > 1 and (out != x.array).any()


@pytest.mark.parametrize("name", {**SHAPED, **UNSHAPED})
def test_threads_do_not_change_the_images(name):
    transform = {**SHAPED, **UNSHAPED}[name]
    for pipeline in (transform, T.Compose([transform, T.Lambda(lambda x: x)])):
        data = FashionMNIST(train=False, transform=pipeline)
        data.data, data.targets = data.data[:40], data.targets[:40]
        epochs = [
            np.concatenate(
                [x.array for x, _ in DataLoader(data, 7, True, num_workers=k, generator=Generator(1))]
            )
            for k in (0, 1, 3)
        ]
        assert np.array_equal(epochs[0], epochs[1]) and np.array_equal(epochs[0], epochs[2])


@pytest.mark.parametrize("name", {**SHAPED, **UNSHAPED, **BYTES})
def test_a_generator_of_its_own(name):
    transform = {**SHAPED, **UNSHAPED, **BYTES}[name]
    if "generator" not in inspect.signature(type(transform)).parameters:
        return
    x = random_images(8, 3, 9, 9, dtype=np.uint8)
    drawn = []
    for _ in range(2):
        transform.generator = Generator(3)
        drawn.append(transform(x).array)
        if hasattr(transform, "transforms"):
            return  # its parts draw from the default one
    transform.generator = None
    assert np.array_equal(*drawn)


# One number for all, or one for each: the functions with such numbers.
EACH = {
    "adjust_brightness": (0.0, 3.0),
    "adjust_contrast": (0.0, 3.0),
    "adjust_saturation": (0.0, 3.0),
    "adjust_hue": (-0.5, 0.5),
    "adjust_gamma": (0.1, 3.0),
    "adjust_sharpness": (0.0, 3.0),
    "rotate": (-400.0, 400.0),
    "solarize": (0.0, 1.0),
}


@pytest.mark.parametrize("name", EACH)
@given(st.integers(1, 4), channels, sides, sides, dtypes, seeds)
def test_a_batch_is_image_by_image(name, n, c, h, w, dtype, seed):
    x = random_images(n, c, h, w, seed=seed, dtype=dtype)
    numbers = np.random.default_rng(seed).uniform(*EACH[name], n)
    function = getattr(F, name)
    together = function(x, numbers).array
    for i in range(n):
        alone = function(x[i], float(numbers[i])).array
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=0 if dtype == "uint8" else 1e-6)


@given(st.integers(1, 4), channels, sides, sides, dtypes, st.sampled_from(Mode), st.booleans(), seeds)
def test_windows_of_a_batch_are_resized_image_by_image(n, c, h, w, dtype, mode, antialias, seed):
    x = random_images(n, c, h, w, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, h + 1, n), rng.integers(1, w + 1, n)
    top, left = rng.integers(0, h - height + 1), rng.integers(0, w - width + 1)
    together = F.resized_crop(x, top, left, height, width, (5, 4), mode, antialias).array
    for i in range(n):
        window = F.crop(x[i], top[i], left[i], int(height[i]), int(width[i]))
        alone = F.resize(window, (5, 4), mode, antialias=antialias).array
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=0 if dtype == "uint8" else 1e-6)


# ---------------------------------------------------------------- against Pillow


@given(channels | st.sampled_from([2, 4]), sides, sides, sides, sides, st.sampled_from(Mode), seeds)
def test_pillow_images_are_resized_by_pillow(c, h, w, height, width, mode, seed):
    image = T.ToPILImage()(random_images(c, h, w, seed=seed, dtype=np.uint8))
    number = {"nearest": 0, "nearest-exact": 0, "bilinear": 2, "bicubic": 3}[mode.value]
    wanted = np.asarray(image.resize((width, height), number))
    for antialias in (True, False, None):
        assert np.array_equal(np.asarray(F.resize(image, (height, width), mode, antialias=antialias)), wanted)
    assert np.array_equal(np.asarray(F.resize(image, (height, width), number)), wanted)


@given(
    channels, st.integers(1, 80), st.integers(1, 80), st.integers(1, 40), st.integers(1, 40),
    st.sampled_from(["bilinear", "bicubic"]), seeds,
)  # fmt: skip
def test_bytes_are_resized_as_pillow_does(c, h, w, height, width, mode, seed):
    x = random_images(c, h, w, seed=seed, dtype=np.uint8)
    number = {"bilinear": 2, "bicubic": 3}[mode]
    # to the bit; which axis comes first depends on Pillow's version
    wanted = pillow_of(x).resize((width, h), number).resize((width, height), number)
    assert np.array_equal(F.resize(x, (height, width), mode).array, pixels(wanted))


def near(ours, theirs, levels, share=1.0):
    """Bytes that are as near as `levels`, for a share of all pixels."""
    gap = np.abs(ours.astype(int) - theirs.astype(int))
    assert (gap <= levels).mean() >= share, (gap.max(), (gap <= levels).mean())


ENHANCED = {
    "brightness": (ImageEnhance.Brightness, 1),
    "contrast": (ImageEnhance.Contrast, 2),  # Pillow rounds the gray image, and its mean, to whole numbers
    "saturation": (ImageEnhance.Color, 1),
    "sharpness": (ImageEnhance.Sharpness, 1),
}


@pytest.mark.parametrize("name", ENHANCED)
@given(st.integers(2, 12), st.integers(2, 12), st.floats(0, 3), seeds)
def test_adjustments_are_near_pillows(name, h, w, factor, seed):
    x = random_images(3, h, w, seed=seed, dtype=np.uint8)
    Enhance, levels = ENHANCED[name]
    wanted = pixels(Enhance(pillow_of(x)).enhance(factor))
    # the gray one's difference counts |1 - factor| times, and at the end fractions are cut off
    near(getattr(F, f"adjust_{name}")(x, factor).array, wanted, 1 + levels * max(1, abs(1 - factor)))


@given(st.integers(1, 12), st.integers(1, 12), seeds)
def test_colours_are_pillows(h, w, seed):
    x = random_images(3, h, w, seed=seed, dtype=np.uint8)
    image = pillow_of(x)
    assert np.array_equal(F.invert(x).array, pixels(ImageOps.invert(image)))
    assert np.array_equal(F.equalize(x).array, pixels(ImageOps.equalize(image)))
    near(F.autocontrast(x).array, pixels(ImageOps.autocontrast(image)), 1)
    near(F.rgb_to_grayscale(x).array, pixels(image.convert("L")), 1)


@given(st.integers(0, 256), st.integers(1, 8), seeds)
def test_tables_are_pillows(threshold, bits, seed):
    x = random_images(3, 9, 7, seed=seed, dtype=np.uint8)
    image = pillow_of(x)
    assert np.array_equal(F.posterize(x, bits).array, pixels(ImageOps.posterize(image, bits)))
    if threshold < 256:
        assert np.array_equal(F.solarize(x, threshold).array, pixels(ImageOps.solarize(image, threshold)))


def test_hues_turn_as_pillows_do():
    x = random_images(3, 30, 30, dtype=np.uint8)
    for turn in (-0.5, -0.2, 0.1, 0.4):
        h, s, v = pillow_of(x).convert("HSV").split()
        turned = PIL_Image.fromarray((np.asarray(h).astype(int) + round(turn * 255) & 255).astype(np.uint8))
        wanted = pixels(PIL_Image.merge("HSV", (turned, s, v)).convert("RGB"))
        near(F.adjust_hue(x, turn).array, wanted, 12)  # its circle has 256 steps


@given(st.integers(2, 16), st.integers(2, 16), st.integers(-800, 800), seeds)
def test_turns_are_pillows(h, w, angle, seed):
    angle /= 2
    x = random_images(1, h, w, seed=seed, dtype=np.uint8)
    wanted = pillow_of(x).rotate(angle, expand=True)
    ours = F.rotate(x, angle, expand=True)
    assert ours.shape[1:] == wanted.size[::-1]
    if angle % 90 == 0 and (h + w) % 2:
        return  # every pixel lies half way between others, and either may be taken
    # here, some may
    near(F.rotate(x, angle).array, pixels(pillow_of(x).rotate(angle)), 0, 1 - 2 / min(h, w))


# ---------------------------------------------------------------- against NumPy


@given(channels, sides, sides, st.integers(-5, 5), st.sampled_from(["nearest", "bilinear"]), dtypes, seeds)
def test_quarter_turns_are_numpys(c, h, w, quarters, mode, dtype, seed):
    x = random_images(c, h, w, seed=seed, dtype=dtype)
    wanted = np.rot90(x.array, quarters, axes=(1, 2))
    turned = F.rotate(x, 90 * quarters, mode, expand=True).array
    np.testing.assert_allclose(turned, wanted, rtol=0, atol=1e-6 * (dtype != "uint8"))


@given(channels, sides, sides, st.tuples(*[st.integers(0, 4)] * 4), st.sampled_from(PAD_MODES), dtypes, seeds)
def test_margins_are_numpys(c, h, w, margin, mode, dtype, seed):
    x = random_images(2, c, h, w, seed=seed, dtype=dtype)
    left, top, right, bottom = margin
    places = [(0, 0), (0, 0), (top, bottom), (left, right)]
    room = {"reflect": -1, "symmetric": 0}.get(mode, 99)
    if max(top, bottom) > h + room or max(left, right) > w + room:
        with pytest.raises(ShapeError, match="make it smaller"):
            F.pad(x, margin, 0, mode)
        return
    assert np.array_equal(F.pad(x, margin, 0, mode).array, np.pad(x.array, places, mode))
    if mode == "constant":
        fill = list(range(c))
        padded = F.pad(x, margin, fill).array
        for k in fill:
            assert np.array_equal(
                padded[:, k], np.pad(x.array[:, k], [places[0], *places[2:]], constant_values=k)
            )
    assert np.array_equal(F.pad(x, (left, top)).array, F.pad(x, (left, top, left, top)).array)
    assert np.array_equal(F.pad(x, left).array, F.pad(x, [left] * 4).array)


@given(st.integers(1, 4), channels, sides, sides, dtypes, seeds)
def test_flips(n, c, h, w, dtype, seed):
    x = random_images(n, c, h, w, seed=seed, dtype=dtype)
    assert np.array_equal(F.hflip(x).array, x.array[..., ::-1])
    assert np.array_equal(F.vflip(x).array, x.array[..., ::-1, :])
    for flip, Flip in ((F.hflip, T.RandomHorizontalFlip), (F.vflip, T.RandomVerticalFlip)):
        assert np.array_equal(flip(flip(x)).array, x.array)
        assert np.array_equal(Flip(1)(x).array, flip(x).array) and np.array_equal(Flip(0)(x).array, x.array)
        some = Flip(generator=Generator(seed))(x).array
        for before, after in zip(x.array, some, strict=True):
            assert np.array_equal(after, before) or np.array_equal(
                after, flip(from_numpy(before.copy())).array
            )


@given(st.integers(1, 4), channels, st.integers(1, 7), st.integers(1, 7), st.data())
def test_crops_are_windows_of_the_padded_image(n, c, h, w, data):
    margin = left, top, right, bottom = data.draw(st.tuples(*[st.integers(0, 3)] * 4))
    size = (data.draw(st.integers(1, h + top + bottom)), data.draw(st.integers(1, w + left + right)))
    mode = data.draw(st.sampled_from(["constant", "edge"]))
    x = random_images(n, c, h, w)
    padded = F.pad(x, margin, -1.0, mode).array
    generator = Generator(data.draw(seeds))
    crop = T.RandomCrop(size, margin, fill=-1.0, padding_mode=mode, generator=generator)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))
    for i, image in enumerate(crop(x).array):
        assert image.shape == (c, *size)
        assert (windows[i].transpose(1, 2, 0, 3, 4) == image).all(axis=(2, 3, 4)).any()
    assert crop(x[0]).shape == (c, *size)


@given(sides, sides, sides, sides, seeds)
def test_crops_of_small_images(h, w, height, width, seed):
    x = random_images(2, 1, h, w)
    with seeded(seed):
        y = T.RandomCrop((height, width), pad_if_needed=True, fill=7)(x)
    assert y.shape == (2, 1, height, width)
    seen = np.isin(y.array[0], x.array[0]).sum()
    assert seen == min(h, height) * min(w, width) or height > h or width > w
    centre = F.center_crop(x, (height, width)).array
    assert (centre[0] != 0).sum() == min(h, height) * min(w, width)
    # a margin or a cut, the middle stays the middle
    both = F.center_crop(F.center_crop(x, (h + 2 * height, w + 2 * width)), (h, w)).array
    assert np.array_equal(both, x.array)


def test_the_middle_and_the_corners():
    x = from_numpy(np.arange(20.0).reshape(1, 4, 5))
    assert F.center_crop(x, 2).array.tolist() == [[[7, 8], [12, 13]]]  # 1.5 columns aside are 2
    assert F.center_crop(x, (2, 3)).array[0, 0].tolist() == [6, 7, 8]
    corners = T.FiveCrop(1)(x)
    assert [y.item() for y in corners] == [0, 4, 15, 19, F.center_crop(x, 1).item()]
    assert [y.item() for y in T.TenCrop(1)(x)[5:9]] == [4, 0, 19, 15]
    assert [y.item() for y in T.TenCrop(1, True)(x)[5:9]] == [15, 19, 0, 4]
    batch = from_numpy(np.stack([x.array, -x.array]))
    assert F.crop(batch, np.array([0, 3]), np.array([1, 4]), 1, 1).array.ravel().tolist() == [1, -19]
    assert F.crop(batch, -1, 4, 2, 2).array[0].tolist() == [[[0, 0], [4, 0]]]


def test_random_transforms_reach_every_outcome_and_draw_per_image():
    x = from_numpy(np.tile(np.arange(5, dtype=np.float32), (400, 1, 5, 1)))
    first = T.RandomCrop(3, generator=Generator(0))(x).array[:, 0, 0, 0]
    assert set(first.tolist()) == {0.0, 1.0, 2.0}
    flips = T.RandomHorizontalFlip(generator=Generator(0))(x).array[:, 0, 0, 0] > 0
    assert 150 < flips.sum() < 250
    gray = T.RandomChoice([T.RandomInvert(1), T.Pad(0)], [3, 1], generator=Generator(0))(x).array
    assert 250 < (gray != x.array).any(axis=(1, 2, 3)).sum() < 350


@given(
    st.integers(1, 30), st.integers(1, 30), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.2, 1), seeds
)
def test_windows_of_random_area_and_shape(h, w, a, b, low, seed):
    scale, ratio = sorted((a, b)), (low, 1 / low)
    crop = T.RandomResizedCrop(3, scale, ratio, generator=Generator(seed))
    top, left, height, width = crop.windows(50, h, w)
    assert (height >= 1).all() and (width >= 1).all() and (top >= 0).all() and (left >= 0).all()
    assert (top + height <= h).all() and (left + width <= w).all()
    assert crop(random_images(2, 3, h, w)).shape == (2, 3, 3, 3)
    # within the rounding of the sides, areas and shapes are what was asked for, or the whole in the middle
    small, large = (height - 0.5) * (width - 0.5), (height + 0.5) * (width + 0.5)
    fits = (small <= scale[1] * h * w) & (large >= scale[0] * h * w)
    middle = (np.abs(2 * top + height - h) <= 1) & (np.abs(2 * left + width - w) <= 1)
    assert (fits | middle).all()
    assert (((width + 0.5) / (height - 0.5) >= low - 1e-9) | (width == w) | (height == 1)).all()


def test_one_window_for_an_image_and_its_mask():
    x = random_images(3, 9, 7)
    for _ in range(20):
        i, j, h, w = T.RandomCrop.get_params(x, (4, 5))
        assert F.crop(x, i, j, h, w).shape == (3, 4, 5) and 0 <= i <= 5 and 0 <= j <= 2
        i, j, h, w = T.RandomResizedCrop.get_params(x, (0.1, 0.9), (0.5, 2))
        assert F.resized_crop(x, i, j, h, w, (4, 4)).shape == (3, 4, 4)
    with seeded(0):
        window = T.RandomCrop.get_params(x, (4, 5))
    with seeded(0):
        assert np.array_equal(T.RandomCrop((4, 5))(x).array, F.crop(x, *window).array)


def test_policies_do_what_their_table_says():
    x = random_images(400, 3, 12, 12, dtype=np.uint8)
    x = from_numpy(np.broadcast_to(x.array[0], x.shape).copy())
    for policy, nothing, kinds in ((T.TrivialAugmentWide(), 1, 40), (T.RandAugment(1, 0), 9, 2)):
        with seeded(0):
            out = policy(x).array
        # of 14 changes, those that surely do nothing: the identity, and without strength all that turn, shift
        # and adjust
        assert (out == x.array).all(axis=(1, 2, 3)).sum() > 400 * nothing / 14 - 20
        assert len(np.unique(out.reshape(400, -1), axis=0)) >= kinds
    with seeded(0):
        strong = T.RandAugment(1, 30)(x).array
    assert (strong != x.array).any(axis=(1, 2, 3)).sum() > 300
    # a policy draws among its changes; the strongest are these
    table = T.RandAugment()._strengths(331, 662)
    assert table["TranslateX"][-1] == pytest.approx(300) and table["TranslateY"][-1] == pytest.approx(150)
    assert table["Rotate"][-1] == 30 and table["Posterize"][[0, -1]].tolist() == [8, 4]
    table = T.TrivialAugmentWide()._strengths(9, 9)
    assert table["Rotate"][-1] == 135 and table["TranslateX"][-1] == 32 and table["Posterize"][-1] == 2
    assert len(table) == 14 and {len(row) for row in table.values()} == {31}


def test_windows_reach_everywhere():
    crop = T.RandomResizedCrop(3, (0.2, 0.5), (1, 1), generator=Generator(0))
    top, left, height, width = crop.windows(4000, 6, 6)
    assert set(height.tolist()) == {3.0, 4.0} and (height == width).all()
    assert set(zip(top[height == 4].tolist(), left[height == 4].tolist(), strict=True)) == {
        (i, j) for i in range(3) for j in range(3)
    }


# ---------------------------------------------------------------- laws


@given(channels, sides, sides, dtypes, seeds)
def test_factors_that_change_nothing(c, h, w, dtype, seed):
    x = random_images(c, h, w, seed=seed, dtype=dtype)
    exact = {"rtol": 0, "atol": 0 if dtype == "uint8" else 1e-6}
    for y in (
        F.adjust_brightness(x, 1), F.adjust_contrast(x, 1), F.adjust_saturation(x, 1), F.adjust_hue(x, 0),
        F.adjust_gamma(x, 1), F.adjust_sharpness(x, 1), F.rotate(x, 0), F.rotate(x, 360, "bilinear"),
        F.affine(x, 0, (0, 0), 1, 0, "bilinear"), F.invert(F.invert(x)), F.resize(x, (h, w)),
        F.gaussian_blur(x, 1), F.crop(x, 0, 0, h, w), F.pad(x, 0), F.convert_image_dtype(x, dtype),
        F.perspective(x, [[0, 0], [w, 0], [w, h], [0, h]], [[0, 0], [w, 0], [w, h], [0, h]]),
    ):  # fmt: skip
        np.testing.assert_allclose(y.array, x.array, **exact)
    assert not F.adjust_brightness(x, 0).array.any()
    assert len(np.unique(F.adjust_contrast(x, 0).array)) == 1


@given(sides, sides, st.floats(-0.5, 0.5), seeds)
def test_a_hue_there_and_back(h, w, turn, seed):
    x = random_images(3, h, w, seed=seed)
    there = F.adjust_hue(x, turn)
    np.testing.assert_allclose(F.adjust_hue(there, -turn).array, x.array, atol=1e-5)
    # value and chroma stay
    for extreme in (np.max, np.min):
        np.testing.assert_allclose(extreme(there.array, axis=0), extreme(x.array, axis=0), atol=1e-6)
    third = F.adjust_hue(x, 1 / 3).array  # red becomes green, green blue, blue red
    np.testing.assert_allclose(third, np.roll(x.array, 1, axis=0), atol=1e-5)


@given(channels, sides, sides, st.integers(-6, 6), st.integers(-6, 6), dtypes, seeds)
def test_shifts(c, h, w, right, down, dtype, seed):
    x = random_images(c, h, w, seed=seed, dtype=dtype)
    for mode in ("nearest", "bilinear"):
        shifted = F.affine(x, 0, (right, down), 1, 0, mode, fill=1).array
        wanted = F.pad(x, 7, 1).array[:, 7 - down : 7 - down + h, 7 - right : 7 - right + w]
        np.testing.assert_allclose(shifted, wanted, atol=1e-6)


def test_a_turn_around_a_corner_and_a_shear():
    dot = np.zeros((1, 5, 5), np.float32)
    dot[0, 0, 2] = 1
    x = from_numpy(dot)
    turned = F.rotate(x, 90, center=(0.5, 0.5)).array  # what was right of the corner is above it now
    assert not turned.any()
    turned = F.rotate(x, -90, center=(0.5, 0.5)).array
    assert np.argwhere(turned[0]).tolist() == [[2, 0]]
    sheared = F.affine(x, 0, (0, 0), 1, (45, 0)).array
    assert np.argwhere(sheared[0]).tolist() == [[0, 4]]  # above the middle to the right
    larger = F.affine(x, 0, (0, 0), 2, 0).array
    assert np.argwhere(larger[0])[:, 1].tolist() == []
    assert F.affine(x, 0, (0, 2), 2, 0).array.sum() > 1


@given(st.integers(1, 3), channels, st.integers(4, 12), st.integers(4, 12), seeds)
def test_blurs(n, c, h, w, seed):
    flat = from_numpy(np.full((n, c, h, w), 0.25, np.float32))
    np.testing.assert_allclose(F.gaussian_blur(flat, 5, 1.3).array, 0.25, atol=1e-6)
    x = random_images(n, c, h, w, seed=seed)
    sigma = np.linspace(0.5, 2, n)
    together = F.gaussian_blur(x, (5, 3), sigma).array
    for i in range(n):
        np.testing.assert_allclose(together[i], F.gaussian_blur(x[i], (5, 3), sigma[i]).array, atol=1e-6)
    assert (together.std(axis=(2, 3)) < x.array.std(axis=(2, 3))).all()


@given(st.integers(1, 5), channels, st.integers(1, 12), st.integers(1, 12), seeds)
def test_what_is_erased_is_a_window(n, c, h, w, seed):
    x = from_numpy(1 + random_images(n, c, h, w, seed=seed).array)
    erase = T.RandomErasing(1, (0.1, 0.4), (0.5, 2), value=0, generator=Generator(seed))
    gone = erase(x).array == 0
    for image in gone:
        assert (image == image[0]).all(), "the same in all channels"
        rows, columns = image[0].any(axis=1), image[0].any(axis=0)
        assert np.array_equal(image[0], rows[:, None] & columns)
        for side in (rows, columns):
            assert (np.diff(np.flatnonzero(side)) == 1).all() and (not side.all() or len(side) == 1)
        assert image[0].sum() <= 0.4 * h * w + h + w
    assert np.array_equal(erase(x).array[erase(x).array > 0].dtype, x.array.dtype)


def test_values_to_erase_with():
    x = random_images(6, 3, 12, 12)
    y = T.RandomErasing(1, value=(2, 3, 4), generator=Generator(0))(x).array
    for k, value in enumerate((2, 3, 4)):
        assert (y[:, k] == value).any(axis=(1, 2)).all()
    noise = T.RandomErasing(1, value="random", generator=Generator(0))(x).array
    assert (noise < 0).any() and (noise > 1).any()
    assert F.erase(x[0], 1, 2, 3, 4, 9.0).array[:, 1:4, 2:6].ravel().tolist() == [9.0] * 36
    assert np.array_equal(
        F.erase(x[0], 1, 2, 3, 4, x[1][:, :3, :4]).array[:, 1:4, 2:6], x.array[1, :, :3, :4]
    )


# ---------------------------------------------------------------- numbers


@given(sides, sides, dtypes, seeds)
def test_dtypes_of_images(h, w, dtype, seed):
    x = random_images(2, h, w, seed=seed, dtype=np.uint8)
    for wide in ("float32", "float64", "int16", "int32", "uint8"):
        there = T.ConvertImageDtype(wide)(x)
        assert there.array.dtype == wide and np.array_equal(
            F.convert_image_dtype(there, np.uint8).array, x.array
        )
    floats = F.convert_image_dtype(x, dtype)
    assert np.array_equal(T.ToDtype(dtype, scale=True)(x).array, floats.array)
    assert np.array_equal(T.ToDtype(np.float32)(x).array, x.array.astype(np.float32))


def test_floats_share_the_integers_evenly():
    x = from_numpy(np.linspace(0, 1, 25601, dtype=np.float64)[None, None])
    counts = np.bincount(F.convert_image_dtype(x, np.uint8).array.ravel(), minlength=256)
    assert counts.min() >= 99 and counts.max() <= 101


def test_normalize_broadcasts_over_channels():
    x = random_images(2, 3, 4, 4)
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    out = T.Normalize(mean, std)(x).array
    assert out.dtype == np.float32
    for c in range(3):
        np.testing.assert_allclose(out[:, c], (x.array[:, c] - mean[c]) / std[c], rtol=1e-6)
    assert T.Normalize(0, 1)(from_numpy(x.array.astype(np.float64))).array.dtype == np.float64
    assert T.Normalize(0, 1)(random_images(3, 2, 2, dtype=np.uint8)).array.dtype == np.float32


# ---------------------------------------------------------------- transforms of transforms, and of batches


def test_compose_takes_a_batch_if_all_parts_do():
    parts = [T.RandomCrop(28, 2), T.RandomHorizontalFlip(), T.Normalize(0.5, 0.5)]
    pipeline = T.Compose(parts)
    assert pipeline.batched and not T.Compose([*parts, lambda x: x]).batched
    data = FashionMNIST(train=False, transform=pipeline)
    with seeded(1):
        images, labels = data.get_batch(np.arange(64))
    with seeded(1):
        again, _ = data.get_batch(np.arange(64))
    assert images.shape == (64, 1, 28, 28) and images.array.dtype == np.float32
    assert np.array_equal(images.array, again.array) and labels.array.tolist() == data.targets[:64].tolist()
    assert repr(pipeline).splitlines()[1:4] == [f"    {part!r}" for part in parts]


def test_parts_that_take_single_images_only():
    for several in (
        T.RandomApply([lambda x: x]),
        T.RandomChoice([T.Pad(1), T.Lambda(abs)]),
        T.RandomOrder([T.Lambda(abs)]),
        T.RandomRotation(30, expand=True),
    ):
        assert not several.batched
    assert T.RandomApply([T.Pad(1)]).batched and T.RandomRotation(30).batched
    with pytest.raises(ShapeError, match="use it on single images"), seeded(0):
        T.RandomApply([T.Pad(1)])(random_images(16, 1, 3, 3))
    with pytest.raises(ShapeError, match="one by one"):
        T.RandomRotation((10, 80), expand=True, generator=Generator(0))(random_images(4, 1, 9, 9))


def test_orders_and_probabilities():
    add, double = T.Lambda(lambda x: x + 1), T.Lambda(lambda x: x * 2)
    order = T.RandomOrder([add, double])
    with seeded(0):
        assert {order(1) for _ in range(50)} == {3, 4}
        assert T.RandomApply([add, double], 1)(1) == 4 and T.RandomApply([add, double], 0)(1) == 1
        assert {T.RandomChoice([add, double], (0, 1))(5) for _ in range(20)} == {10}


@pytest.mark.parametrize("Mix", [T.MixUp, T.CutMix])
@given(st.integers(1, 6), st.integers(2, 9), st.integers(2, 9), st.floats(0.2, 3), seeds)
def test_mixtures(Mix, n, h, w, alpha, seed):
    images = from_numpy(
        np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, h, w), np.float32)
    )
    labels = from_numpy(np.arange(n))
    mix = Mix(alpha=alpha, num_classes=n, generator=Generator(seed))
    x, y = mix(images, labels)
    assert x.shape == images.shape and y.shape == (n, n) and y.array.dtype == np.float32
    np.testing.assert_allclose(y.array.sum(axis=1), 1, atol=1e-6)
    # labels are the mixture of the images: here, their mean values are their labels
    np.testing.assert_allclose(x.array.mean(axis=(1, 2, 3)), y.array @ np.arange(n), atol=1e-4)
    own = np.diag(y.array)
    assert (own >= 0).all() and (own <= 1 + 1e-6).all()
    if Mix is T.CutMix:
        assert np.isin(x.array, np.arange(n)).all()
    # a list gives a list; probabilities pass
    mix.generator.manual_seed(seed)
    listed = mix([images, from_numpy(np.eye(n, dtype=np.float32))])
    assert isinstance(listed, list) and np.array_equal(listed[1].array, y.array)


def test_mixtures_in_a_loader():
    mix = T.RandomChoice([T.MixUp(num_classes=10), T.CutMix(num_classes=10)])

    def epoch(num_workers):
        loader = DataLoader(
            FashionMNIST(train=False), 100, True, num_workers=num_workers, generator=Generator(0),
            collate_fn=lambda items: mix(*default_collate(items)),
        )  # fmt: skip
        return [(x.array, y.array) for x, y in loader]

    epochs = [epoch(k) for k in (0, 3)]
    assert all(np.array_equal(a, b) for e in zip(*epochs, strict=True) for a, b in zip(*e, strict=True))
    assert tg.nn.functional.cross_entropy(
        tg.zeros(100, 10), from_numpy(epochs[0][0][1])
    ).item() == pytest.approx(math.log(10), rel=1e-4)


def test_reprs_say_how_it_was_made():
    assert repr(T.Resize(4)) == "Resize(size=4, interpolation=bilinear, max_size=None, antialias=True)"
    assert repr(T.RandomHorizontalFlip()) == "RandomHorizontalFlip(p=0.5)"
    assert repr(T.Normalize(0.5, (1, 2))) == "Normalize(mean=[0.5], std=[1, 2], inplace=False)"
    for transform in (*SHAPED.values(), *UNSHAPED.values(), *BYTES.values()):
        assert repr(transform).startswith(type(transform).__name__ + "(")


# Written down from torchvision's documentation: the parameters of each, and their defaults.
SIGNATURES = {
    "CenterCrop": "(size)",
    "ColorJitter": "(brightness=0, contrast=0, saturation=0, hue=0)",
    "Compose": "(transforms)",
    "ConvertImageDtype": "(dtype)",
    "FiveCrop": "(size)",
    "GaussianBlur": "(kernel_size, sigma=(0.1, 2.0))",
    "Grayscale": "(num_output_channels=1)",
    "Lambda": "(lambd)",
    "Normalize": "(mean, std, inplace=False)",
    "Pad": "(padding, fill=0, padding_mode='constant')",
    "RandAugment": "(num_ops=2, magnitude=9, num_magnitude_bins=31, interpolation=nearest, fill=None)",
    "RandomAdjustSharpness": "(sharpness_factor, p=0.5)",
    "RandomAffine": "(degrees, translate=None, scale=None, shear=None, interpolation=nearest, fill=0, "
    "center=None)",
    "RandomApply": "(transforms, p=0.5)",
    "RandomAutocontrast": "(p=0.5)",
    "RandomChoice": "(transforms, p=None)",
    "RandomCrop": "(size, padding=None, pad_if_needed=False, fill=0, padding_mode='constant')",
    "RandomEqualize": "(p=0.5)",
    "RandomErasing": "(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)",
    "RandomGrayscale": "(p=0.1)",
    "RandomHorizontalFlip": "(p=0.5)",
    "RandomInvert": "(p=0.5)",
    "RandomOrder": "(transforms)",
    "RandomPerspective": "(distortion_scale=0.5, p=0.5, interpolation=bilinear, fill=0)",
    "RandomPosterize": "(bits, p=0.5)",
    "RandomResizedCrop": "(size, scale=(0.08, 1.0), ratio=(0.75, 1.3333333333333333), "
    "interpolation=bilinear, antialias=True)",
    "RandomRotation": "(degrees, interpolation=nearest, expand=False, center=None, fill=0)",
    "RandomSolarize": "(threshold, p=0.5)",
    "RandomVerticalFlip": "(p=0.5)",
    "Resize": "(size, interpolation=bilinear, max_size=None, antialias=True)",
    "TenCrop": "(size, vertical_flip=False)",
    "ToPILImage": "(mode=None)",
    "TrivialAugmentWide": "(num_magnitude_bins=31, interpolation=nearest, fill=None)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_torchvisions(name):
    said = []
    for parameter in inspect.signature(getattr(T, name)).parameters.values():
        if parameter.name == "generator":
            assert parameter.kind is parameter.KEYWORD_ONLY
            continue
        default = parameter.default
        shown = default.value if isinstance(default, Mode) else repr(default)
        said.append(parameter.name + ("" if default is parameter.empty else f"={shown}"))
    assert f"({', '.join(said)})" == SIGNATURES[name]


# ---------------------------------------------------------------- what is refused

IMAGE = np.zeros((3, 8, 8), np.float32)
X = from_numpy(IMAGE.copy())
B = from_numpy(np.zeros((2, 3, 8, 8), np.uint8))
LABELS = from_numpy(np.array([0, 1]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: T.Normalize([1, 2], [1, 2])(X), ShapeError, "has 3 channels"),
        (lambda: T.Normalize([1, 2], [1, 2, 3]), ShapeError, "2 means and 3"),
        (lambda: T.Normalize(0, [1, 0]), ArgumentError, "cannot be 0"),
        (lambda: T.Normalize(0, 1)(IMAGE), DtypeError, r"put ToTensor\(\) before"),
        (lambda: T.RandomHorizontalFlip(1.5), ArgumentError, "between 0 and 1"),
        (lambda: T.RandomHorizontalFlip(float("nan")), ArgumentError, "between 0 and 1"),
        (lambda: T.RandomCrop(0), ArgumentError, "size is 0"),
        (lambda: T.RandomCrop((1, 2, 3)), ArgumentError, "height, width"),
        (lambda: T.RandomCrop(2.5), ArgumentError, "size is 2.5"),
        (lambda: T.RandomCrop(4, padding=1.5), ArgumentError, "padding is 1.5"),
        (lambda: T.Pad("a"), ArgumentError, "padding is a"),
        (lambda: T.RandomCrop(4, (1, 2, 3)), ArgumentError, "1, 2 or 4"),
        (lambda: T.RandomCrop(4, -1), ArgumentError, "at least 0"),
        (lambda: T.RandomCrop(4, padding_mode="zeros"), ArgumentError, "no padding_mode 'zeros'"),
        (lambda: T.RandomCrop(11, 1)(X), ShapeError, r"exceeds the padded \(10, 10\)"),
        (lambda: T.RandomCrop(4)(IMAGE), ShapeError, "at most 4 channels"),
        (lambda: T.RandomCrop(4)("image"), DtypeError, r"use ToTensor\(\) first"),
        (lambda: T.RandomCrop(4)(from_numpy(IMAGE[0].copy())), ShapeError, r"expected \(C, H, W\)"),
        (lambda: T.RandomCrop(4, 1, fill=(1, 2))(X), ArgumentError, "3 channels"),
        (lambda: T.Pad(1, fill=300)(B), ArgumentError, "no value of uint8"),
        (lambda: T.ToTensor()("image.png"), DtypeError, "the image is <U9"),
        (lambda: T.ToTensor()(np.zeros(3)), ShapeError, r"expected \(H, W\)"),
        (lambda: T.ToTensor()(None), DtypeError, "object"),
        (lambda: T.PILToTensor()(X), DtypeError, "a Tensor already"),
        (lambda: T.ToPILImage()(B), ShapeError, "one image"),
        (lambda: T.ToPILImage()(from_numpy(IMAGE - 1)), ArgumentError, "within 0..1"),
        (lambda: T.ToPILImage("L")(X), ArgumentError, "mode L"),
        (lambda: T.ToPILImage()(from_numpy(np.zeros((5, 2, 2), np.uint8))), ShapeError, "4 channels"),
        (lambda: T.Resize(0), ArgumentError, "size"),
        (lambda: T.Resize((2, 3, 4)), ArgumentError, "size"),
        (lambda: T.Resize((2, 3), max_size=9), ArgumentError, "leave out max_size"),
        (lambda: T.Resize(5, max_size=5), ArgumentError, "more than size"),
        (lambda: T.Resize(5, "lanczos"), ArgumentError, "'lanczos'"),
        (lambda: T.Resize(5, 1), ArgumentError, "InterpolationMode"),
        (lambda: T.RandomRotation(5, Mode.BICUBIC)(X), ArgumentError, "bicubic"),
        (lambda: T.RandomRotation(-5), ArgumentError, "at least 0"),
        (lambda: T.RandomRotation((5, 3)), ArgumentError, "smallest, largest"),
        (lambda: T.RandomAffine(5, (0.5, 2)), ArgumentError, "translate"),
        (lambda: T.RandomAffine(5, scale=(0, 1)), ArgumentError, "scale"),
        (lambda: T.RandomAffine(5, shear=(1, 2, 3)), ArgumentError, "shear"),
        (lambda: F.affine(X, 0, (1, 2, 3), 1, 0), ArgumentError, "translate"),
        (lambda: F.affine(X, 0, (0, 0), 0, 0), ArgumentError, "scale"),
        (lambda: F.rotate(X, "a"), ArgumentError, "angle"),
        (lambda: F.rotate(B, [1, 2, 3]), ArgumentError, "angle"),
        (lambda: T.RandomPerspective(2), ArgumentError, "distortion_scale"),
        (lambda: F.perspective(X, np.zeros((4, 2)), np.zeros((4, 2))), ArgumentError, "one line"),
        (lambda: F.perspective(X, np.zeros((3, 2)), np.zeros((4, 2))), ArgumentError, r"give \(4, 2\)"),
        (lambda: T.RandomResizedCrop(4, (0.5, 0.1)), ArgumentError, "scale"),
        (lambda: T.RandomResizedCrop(4, ratio=(0, 1)), ArgumentError, "ratio"),
        (lambda: F.resized_crop(X, 1, 1, 8, 2, (4, 4)), ShapeError, "not within"),
        (lambda: F.crop(X, 0.5, 0, 2, 2), ArgumentError, "a place is an integer"),
        (lambda: F.five_crop(X, 9), ShapeError, "exceeds"),
        (lambda: T.ColorJitter(-1), ArgumentError, "brightness"),
        (lambda: T.ColorJitter(hue=0.6), ArgumentError, "hue"),
        (lambda: F.adjust_hue(X, 0.6), ArgumentError, "-0.5..0.5"),
        (lambda: F.adjust_contrast(X, -1), ArgumentError, "at least 0"),
        (lambda: F.adjust_contrast(from_numpy(np.zeros((2, 4, 4), np.float32)), 1), ShapeError, "2 channels"),
        (lambda: T.Grayscale(2), ArgumentError, "use 1 or 3"),
        (lambda: T.GaussianBlur(4), ArgumentError, "odd"),
        (lambda: T.GaussianBlur(3, 0), ArgumentError, "sigma"),
        (lambda: T.GaussianBlur(17)(X), ShapeError, "margin"),
        (lambda: T.RandomPosterize(3, 1)(X), DtypeError, "takes bytes"),
        (lambda: T.RandomPosterize(9, 1)(B), ArgumentError, "within 0..8"),
        (lambda: T.RandomEqualize(1)(X), DtypeError, "takes bytes"),
        (lambda: T.RandomSolarize(2, 1)(X), ArgumentError, "above the largest"),
        (lambda: T.RandomErasing(scale=(0.5, 2)), ArgumentError, "scale"),
        (lambda: T.RandomErasing(value="noise"), ArgumentError, "random"),
        (lambda: T.RandomErasing(1, value="random")(B), DtypeError, "normal noise"),
        (lambda: T.RandomErasing(1, value=(1, 2))(X), ArgumentError, "2 values for 3"),
        (lambda: T.RandomApply(T.Pad(1)), DtypeError, "list of transforms"),
        (lambda: T.Compose([1]), DtypeError, "list of transforms"),
        (lambda: T.RandomChoice([T.Pad(1)], [1, 2]), ArgumentError, "p is"),
        (lambda: T.RandomChoice([]), ArgumentError, "p is"),
        (lambda: T.RandAugment(magnitude=31), ArgumentError, "magnitude"),
        (lambda: T.TrivialAugmentWide(0), ArgumentError, "num_magnitude_bins"),
        (lambda: T.MixUp(alpha=0), ArgumentError, "alpha"),
        (lambda: T.MixUp()(X), ArgumentError, "after collation"),
        (lambda: T.MixUp()(X, tg.tensor([1])), ShapeError, "expected floats"),
        (lambda: T.MixUp()(tg.zeros(2, 1, 2, 2), LABELS), ArgumentError, "num_classes"),
        (lambda: T.MixUp(num_classes=1)(tg.zeros(2, 1, 2, 2), LABELS), ArgumentError, "from 0 to 1"),
        (lambda: F.convert_image_dtype(X, np.int32), DtypeError, "too coarse"),
        (lambda: F.convert_image_dtype(X, bool), DtypeError, "no image is"),
    ],
)  # fmt: skip
def test_wrong_transforms_say_so(call, error, message):
    with pytest.raises(error, match=message):
        call()

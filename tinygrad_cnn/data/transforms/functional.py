"""The transforms as functions, of images of every kind (see `images`) and of batches of them.

Names, arguments and arithmetic are those of torchvision's functions on tensors.  Where the numbers of a
transform may differ from image to image (a factor, an angle, a corner), an array gives one for each image
of a batch.  Pillow images are resized by Pillow itself; everything else is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...creation import from_numpy
from ...errors import ArgumentError, DtypeError, ShapeError
from ...tensor import Tensor
from . import resample
from .images import InterpolationMode as Mode
from .images import bound, fill_of, is_pillow, numbers_of, of_images, pair, per_image, pillow, unpack

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

PAD_MODES = ("constant", "edge", "reflect", "symmetric")


# --- kinds and dtypes ------------------------------------------------------------------------------


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width] of an image, or of the images of a batch."""
    return list(unpack(img, "get_dimensions", moves=True)[0].shape[1:])


def to_tensor(pic: Any) -> Tensor:
    """An array or a Pillow image as a float32 Tensor: (H, W) or (H, W, C) to (C, H, W), uint8 to 0..1.

    A batch of arrays is (N, H, W, C).  Other numbers keep their values.  A Tensor passes unchanged: the
    images of FashionMNIST are Tensors already.
    """
    if isinstance(pic, Tensor):
        return pic
    array = np.asarray(pic)
    if array.dtype.kind not in "buif":
        raise DtypeError(f"ToTensor: the image is {array.dtype}; convert it to uint8 or float32")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim not in (3, 4):
        raise ShapeError(
            f"ToTensor: the image has shape {array.shape}; expected (H, W), (H, W, C), or (N, H, W, C) "
            "for a batch"
        )
    pixels = np.moveaxis(array, -1, -3)
    if array.dtype == np.uint8:
        return from_numpy(np.divide(pixels, np.float32(255), dtype=np.float32, order="C"))
    return from_numpy(pixels.astype(np.float32, order="C"))


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image (or an array) as a Tensor (C, H, W) of its own dtype, its values unchanged."""
    if isinstance(pic, Tensor):
        raise DtypeError("pil_to_tensor: the image is a Tensor already; leave out the conversion")
    x, _ = unpack(pic, "pil_to_tensor", moves=True)
    return from_numpy((x if np.ndim(pic) == 4 else x[0]).copy(order="C"))


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A Tensor (C, H, W) or an array (H, W, C) as a Pillow image; floats 0..1 become bytes, cut off.

    One channel gives mode L, two LA, three RGB, four RGBA, unless another `mode` of as many is named.
    """
    x, _ = unpack(pic, "to_pil_image")
    x = x[0] if len(x) == 1 and np.ndim(pic if isinstance(pic, np.ndarray) else x[0]) != 4 else x
    if x.ndim != 3 or x.shape[0] > 4:
        raise ShapeError(
            f"to_pil_image: the image has shape {tuple(pic.shape)}; give one image of at most 4 channels"
        )
    if x.dtype.kind == "f" and mode != "F":
        if x.size and (np.isnan(x).any() or x.min() < 0 or x.max() > 1):
            raise ArgumentError("to_pil_image: the floats are not within 0..1; undo the normalization first")
        x = (x * 255).astype(np.uint8)
    default = ("L", "LA", "RGB", "RGBA")[len(x) - 1]
    wanted = {"F": np.float32, "I": np.int32}.get(mode or default, np.uint8)
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "HSV": 3, "F": 1, "I": 1}
    if channels.get(mode or default) != len(x) or x.dtype != wanted:
        raise ArgumentError(
            f"to_pil_image: {len(x)} channels of {x.dtype} make no image of mode {mode or default}; "
            "convert the image, or name another mode"
        )
    made = np.moveaxis(x, 0, -1)
    return pillow("to_pil_image").frombytes(mode or default, x.shape[:0:-1], made.tobytes())


def convert_image_dtype(image: Any, dtype: Any = np.float32) -> Any:
    """The image in another dtype, scaled: floats span 0..1, integers the range of their dtype.

    Raises:
        DtypeError: floats to integers that they are too coarse for.
    """
    wanted = np.dtype(dtype)

    @of_images
    def convert_image_dtype(x: np.ndarray) -> np.ndarray:
        if x.dtype == wanted:
            return x
        if wanted.kind not in "iuf" or x.dtype.kind not in "iuf":
            raise DtypeError(f"convert_image_dtype: no image is {x.dtype} or {wanted}; use float32 or uint8")
        if wanted.kind == "f":
            y = x.astype(wanted)
            return y if x.dtype.kind == "f" else y / wanted.type(bound(x.dtype))
        if x.dtype.kind == "f":
            if np.finfo(x.dtype).nmant + 1 < np.iinfo(wanted).bits - (wanted.kind == "i"):
                raise DtypeError(
                    f"convert_image_dtype: {x.dtype} is too coarse for {wanted}; use a smaller integer"
                )
            # a little less than one more than the largest: all integers get an equal share of 0..1
            return (x * x.dtype.type(bound(wanted) + 1 - 1e-3)).astype(wanted)
        have, want = int(bound(x.dtype)) + 1, int(bound(wanted)) + 1
        return (x // (have // want)).astype(wanted) if have > want else x.astype(wanted) * (want // have)

    return convert_image_dtype(image)


def normalize(tensor: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """(x - mean) / std, channel by channel; mean and std are numbers or one number per channel.

    A float image keeps its dtype; integers become float32.  `inplace` changes nothing.
    """
    means, stds = np.atleast_1d(np.asarray(mean, np.float64)), np.atleast_1d(np.asarray(std, np.float64))
    if means.ndim != 1 or stds.ndim != 1 or (len(means) != len(stds) and 1 not in (len(means), len(stds))):
        raise ShapeError(f"Normalize: {means.size} means and {stds.size} deviations; give as many")
    if (stds == 0).any():
        raise ArgumentError(f"Normalize: std is {stds.tolist()}; a standard deviation cannot be 0")
    if not isinstance(tensor, Tensor):
        raise DtypeError(
            f"Normalize: takes a Tensor, not a {type(tensor).__name__}; put ToTensor() before it"
        )
    x, back = unpack(tensor, "Normalize")
    channels = max(len(means), len(stds))
    if channels not in (1, x.shape[1]):
        raise ShapeError(
            f"Normalize: {channels} means and deviations, but the image of shape {tuple(tensor.shape)} has "
            f"{x.shape[1]} channels; give one per channel"
        )
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    m, s = (values.astype(dtype)[:, None, None] for values in (means, stds))
    return back((x - m) / s)


# --- moving pixels ---------------------------------------------------------------------------------


@of_images(moves=True)
def hflip(x: Any) -> Any:
    """The image with left and right exchanged."""
    return x[..., ::-1].copy()


@of_images(moves=True)
def vflip(x: Any) -> Any:
    """The image upside down."""
    return x[..., ::-1, :].copy()


@of_images(moves=True)
def crop(x: Any, top: Any, left: Any, height: int, width: int) -> Any:
    """The window of this height and width whose corner is (top, left); zeros beyond the image.

    `top` and `left` may be arrays, one place for each image.
    """
    height, width = pair("crop", "(height, width)", (height, width))
    n, _, h, w = x.shape
    tops = _integers("crop", "top", top, n)
    lefts = _integers("crop", "left", left, n)
    if not n:
        return np.empty((*x.shape[:2], height, width), x.dtype)
    above, before = max(0, -int(tops.min())), max(0, -int(lefts.min()))
    below, behind = max(0, int(tops.max()) + height - h), max(0, int(lefts.max()) + width - w)
    if above or before or below or behind:
        x = _padded(x, (before, above, behind, below), 0, "constant")
        tops, lefts = tops + above, lefts + before
    t, q = int(tops[0]), int(lefts[0])
    if (tops == t).all() and (lefts == q).all():
        return x[..., t : t + height, q : q + width].copy()
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))
    return windows[np.arange(n), :, tops, lefts]


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The window of this size in the middle of the image; zeros beyond a smaller image."""
    height, width = pair("center_crop", "output_size", output_size)
    _, h, w = get_dimensions(img)
    missing_h, missing_w = max(height - h, 0), max(width - w, 0)
    # the odd row of a margin stands above, that of a cut as rounding to even has it
    top = -(missing_h // 2) if missing_h else round((h - height) / 2)
    left = -(missing_w // 2) if missing_w else round((w - width) / 2)
    return crop(img, top, left, height, width)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle, each of this size."""
    height, width = pair("five_crop", "size", size)
    _, h, w = get_dimensions(img)
    if height > h or width > w:
        raise ShapeError(f"five_crop: a window of {(height, width)} exceeds the image of {(h, w)}")
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    return (*(crop(img, *corner, height, width) for corner in corners), center_crop(img, (height, width)))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """The five crops of the image, and the five of its mirror image."""
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


@of_images(moves=True)
def pad(x: Any, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with a margin: of `fill`, of its "edge", or of its mirror image.

    "reflect" repeats the outermost pixel not, "symmetric" does.

    Args:
        padding: on all sides; or (left-right, top-bottom); or (left, top, right, bottom).
        fill: a number, or one for each channel.
    """
    return _padded(x, sides("pad", padding), fill, padding_mode)


def sides(who: str, padding: Any) -> tuple[int, int, int, int]:
    """A padding as (left, top, right, bottom)."""
    values = numbers_of(padding)
    if len(values) not in (1, 2, 4) or not all(isinstance(v, (int, np.integer)) and v >= 0 for v in values):
        raise ArgumentError(f"{who}: padding is {padding}; give 1, 2 or 4 integers of at least 0")
    left, top, right, bottom = (values * 4)[:4]
    return int(left), int(top), int(right), int(bottom)


def pad_mode(who: str, mode: str) -> str:
    """A padding mode that there is."""
    if mode not in PAD_MODES:
        raise ArgumentError(f"{who}: there is no padding_mode {mode!r}; use one of {', '.join(PAD_MODES)}")
    return mode


def _padded(x: np.ndarray, margin: tuple[int, int, int, int], fill: Any, mode: str) -> np.ndarray:
    left, top, right, bottom = margin
    pad_mode("pad", mode)
    n, c, h, w = x.shape
    if mode == "constant":
        out = np.empty((n, c, h + top + bottom, w + left + right), x.dtype)
        out[...] = fill_of("pad", fill, c, x.dtype)
        out[..., top : top + h, left : left + w] = x
        return out
    room = {"edge": math.inf, "reflect": -1, "symmetric": 0}[mode]
    if max(top, bottom) > h + room or max(left, right) > w + room or not h * w:
        raise ShapeError(
            f"pad: a margin of {margin} (left, top, right, bottom) is more than the image of {(h, w)} can "
            f"give in mode {mode}; make it smaller, or use another mode"
        )
    rows = _folded(np.arange(-top, h + bottom), h, mode)
    columns = _folded(np.arange(-left, w + right), w, mode)
    return x[..., rows[:, None], columns]


def _folded(at: np.ndarray, size: int, mode: str) -> np.ndarray:
    """Places beyond 0..size - 1, brought back as the padding mode says."""
    if mode == "edge":
        return np.clip(at, 0, size - 1)
    twice = mode == "symmetric"  # the outermost pixel stands twice
    at = np.where(at < 0, -at - twice, at)
    return np.where(at >= size, 2 * size - 2 + twice - at, at)


def _integers(who: str, name: str, value: Any, n: int) -> np.ndarray:
    places = per_image(who, name, value, n)
    if not np.array_equal(places, np.rint(places)):
        raise ArgumentError(f"{who}: {name} is {value!r}; a place is an integer")
    return places.astype(np.intp)


# --- resizing --------------------------------------------------------------------------------------


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: Any = Mode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size: (h, w), or the length of its shorter side.

    With `antialias`, what is made smaller is averaged over the pixels that come together: Tensors and arrays
    of floats as PyTorch's `interpolate(antialias=True)`, bytes in Pillow's arithmetic, first the width, then
    the height.  Pillow images are always resized by Pillow.

    Args:
        max_size: the longer side becomes no longer than that; with one number as size.
        antialias: None leaves it out on Tensors.
    """
    _, h, w = get_dimensions(img)
    height, width = output_size("resize", size, max_size, h, w)
    return _resize(img, None, (height, width), Mode(interpolation), antialias)


def output_size(who: str, size: Any, max_size: int | None, h: int, w: int) -> tuple[int, int]:
    """(height, width) of what is resized: as given, or with the shorter side as given."""
    values = numbers_of(size)
    if len(values) == 2:
        if max_size is not None:
            raise ArgumentError(f"{who}: with size {size}, both sides are given; leave out max_size")
        return pair(who, "size", values)
    short = pair(who, "size", size)[0]
    if max_size is not None and max_size <= short:
        raise ArgumentError(f"{who}: max_size {max_size} must be more than size {short}, of the shorter side")
    long = int(short * max(h, w) / min(h, w))
    if max_size is not None and long > max_size:
        short, long = max(1, int(max_size * short / long)), max_size
    return (long, short) if h > w else (short, long)


def resized_crop(
    img: Any,
    top: Any,
    left: Any,
    height: Any,
    width: Any,
    size: int | Sequence[int],
    interpolation: Any = Mode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """The window (top, left, height, width), which may be another for each image, resized to one size."""
    window = (top, left, height, width)
    values = numbers_of(size)
    if len(values) == 1 and all(np.ndim(v) == 0 for v in window):
        return resize(crop(img, *window), size, interpolation, antialias=antialias)
    return _resize(img, window, pair("resized_crop", "size", size), Mode(interpolation), antialias)


def _resize(
    img: Any, window: tuple[Any, ...] | None, size: tuple[int, int], mode: Mode, antialias: bool | None
) -> Any:
    if is_pillow(img):
        if window is not None:
            top, left, height, width = (int(np.ravel(v)[0]) for v in window)
            img = crop(img, top, left, height, width)
        filters = pillow("resize").Resampling
        exact = mode in (Mode.NEAREST, Mode.NEAREST_EXACT)
        return img.resize(size[::-1], filters.NEAREST if exact else filters[mode.name])
    return _resize_arrays(img, window, size, mode, bool(antialias))


@of_images
def _resize_arrays(
    x: Any, window: tuple[Any, ...] | None, size: tuple[int, int], mode: Mode, antialias: bool
) -> Any:
    n, _, h, w = x.shape
    if not h * w:
        raise ShapeError(f"resize: the image of {(h, w)} has no pixels to make {size} of")
    if window is None and size == (h, w):
        return x.copy()
    places: Any = window
    if window is not None:
        names = ("top", "left", "height", "width")
        places = [_integers("resized_crop", name, v, n) for name, v in zip(names, window, strict=True)]
        top, left, height, width = places
        inside = (top >= 0) & (left >= 0) & (top + height <= h) & (left + width <= w)
        if not (inside & (height > 0) & (width > 0)).all():
            raise ShapeError(f"resized_crop: a window is not within the image of {(h, w)}; make it smaller")
        if not n:
            return np.empty((*x.shape[:2], *size), x.dtype)
    if mode not in (Mode.NEAREST, Mode.NEAREST_EXACT):
        if window is None:
            return resample.resize(x, size, mode.value, antialias)
        return resample.resize_windows(x, places, size, mode.value, antialias)
    if window is None:
        top, left, height, width = ([number] for number in (0, 0, h, w))
    rows = resample.picked(top, height, size[0], mode.value)[:, None, :, None]
    columns = resample.picked(left, width, size[1], mode.value)[:, None, None, :]
    if window is None:
        return x[..., rows[0, 0], columns[0, 0]]
    return x[np.arange(n)[:, None, None, None], np.arange(x.shape[1])[:, None, None], rows, columns]


# --- turning and bending ---------------------------------------------------------------------------


def _grid(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    """The places (y, x) of the pixels, seen from the middle."""
    return np.arange(h)[:, None] - (h - 1) / 2, np.arange(w)[None, :] - (w - 1) / 2


def _sampling(who: str, interpolation: Any) -> str:
    mode = Mode(interpolation)
    if mode is Mode.BICUBIC:
        raise ArgumentError(f'{who}: there is no interpolation "bicubic" here; use "nearest" or "bilinear"')
    return "bilinear" if mode is Mode.BILINEAR else "nearest"


def inverse_matrix(
    centre: np.ndarray, angle: np.ndarray, translate: np.ndarray, scale: np.ndarray, shear: np.ndarray
) -> np.ndarray:
    """Where the pixels of turned, sheared, scaled and shifted images come from: (n, 2, 3).

    All (n,) or (n, 2), (x, y); angles in degrees, clockwise; centre and shift from the middle of the image.
    The image is sheared, turned and scaled around the centre, then shifted.
    """
    rot, (sx, sy) = np.radians(angle), np.radians(shear).T
    cos, sin = np.round(np.cos(rot - sy), 15), np.round(np.sin(rot - sy), 15)  # 90 degrees are exact
    a, c = cos / np.cos(sy), sin / np.cos(sy)
    b, d = -a * np.tan(sx) - np.round(np.sin(rot), 15), -c * np.tan(sx) + np.round(np.cos(rot), 15)
    turn = np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2) / scale[:, None, None]
    shift = centre[:, :, None] - turn @ (centre + translate)[:, :, None]
    return np.concatenate([turn, shift], axis=2)


def _warp(x: np.ndarray, matrix: np.ndarray, size: tuple[int, int], mode: str, fill: Any, who: str) -> Any:
    y0, x0 = _grid(*size)
    m = matrix[:, :, :, None, None]
    h, w = x.shape[2:]
    columns = m[:, 0, 0] * x0 + m[:, 0, 1] * y0 + m[:, 0, 2] + (w - 1) / 2
    rows = m[:, 1, 0] * x0 + m[:, 1, 1] * y0 + m[:, 1, 2] + (h - 1) / 2
    return resample.sample(x, rows, columns, mode, fill_of(who, fill, x.shape[1], x.dtype))


def _centre(who: str, center: Any, x: np.ndarray) -> np.ndarray:
    """Seen from the middle, (n, 2)."""
    n, _, h, w = x.shape
    if center is None:
        return np.zeros((n, 2))
    return per_image(who, "center", center, n, 2) - (w / 2, h / 2)


@of_images
def rotate(
    x: Any,
    angle: Any,
    interpolation: Any = Mode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """The image turned by an angle in degrees, counter-clockwise, around its middle or `center` (x, y).

    `expand` makes the result large enough for all of it (which is right for the middle as centre).
    """
    n, _, h, w = x.shape
    angles = per_image("rotate", "angle", angle, n)
    mode, nothing = _sampling("rotate", interpolation), np.zeros((n, 2))
    matrix = inverse_matrix(_centre("rotate", center, x), -angles, nothing, np.ones(n), nothing)
    size = (h, w)
    if expand and n:
        corners = np.array([[-w, w, w, -w], [-h, -h, h, h], [2, 2, 2, 2]]) / 2
        ends = matrix @ corners + np.array([[w / 2], [h / 2]])
        # a little more than nothing is nothing, as Pillow has it
        high = np.ceil(np.trunc(ends.max(axis=2) * 1e4) / 1e4)
        low = np.floor(np.trunc(ends.min(axis=2) * 1e4) / 1e4)
        extents = (high - low).astype(int)
        if center is None and not (angles % 90).any():  # quarters need no pixel more
            extents = np.where(angles[:, None] % 180 == 0, [w, h], [h, w])
        if (extents != extents[0]).any():
            raise ShapeError(
                "rotate: with expand=True images turned by different angles have different sizes; "
                "turn them one by one, or leave out expand"
            )
        size = (int(extents[0, 1]), int(extents[0, 0]))
    return _warp(x, matrix, size, mode, fill, "rotate")


@of_images
def affine(
    x: Any,
    angle: Any,
    translate: Any,
    scale: Any,
    shear: Any,
    interpolation: Any = Mode.NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """The image sheared, turned (degrees, clockwise), scaled around its middle or `center`, and shifted.

    Args:
        translate: (x, y) in pixels.
        shear: degrees, (x, y) or x alone.
    """
    n = len(x)
    scales = per_image("affine", "scale", scale, n)
    if not (scales > 0).all():
        raise ArgumentError(f"affine: scale is {scale!r}; it must be more than 0")
    if np.ndim(shear) == 0:
        shear = (shear, 0.0)
    elif np.shape(shear) == (1,):
        shear = (shear[0], 0.0)
    matrix = inverse_matrix(
        _centre("affine", center, x),
        per_image("affine", "angle", angle, n),
        per_image("affine", "translate", translate, n, 2),
        scales,
        per_image("affine", "shear", shear, n, 2),
    )
    return _warp(x, matrix, x.shape[2:], _sampling("affine", interpolation), fill, "affine")


@of_images
def perspective(
    x: Any, startpoints: Any, endpoints: Any, interpolation: Any = Mode.BILINEAR, fill: Any = None
) -> Any:
    """The image bent so that its four points `startpoints` come to lie at `endpoints`.

    Points are (x, y): top left, top right, bottom right, bottom left; (4, 2), or (N, 4, 2).
    """
    n, _, h, w = x.shape
    ends = [np.asarray(points, np.float64) for points in (startpoints, endpoints)]
    if any(points.shape not in ((4, 2), (n, 4, 2)) for points in ends):
        raise ArgumentError(f"perspective: the points have shapes {[p.shape for p in ends]}; give (4, 2)")
    start, end = (np.broadcast_to(points, (n, 4, 2)) for points in ends)
    # start = (a x + b y + c, d x + e y + f) / (g x + h y + 1) at each end point (x, y)
    at, one, none = end, np.ones((n, 4, 1)), np.zeros((n, 4, 3))
    first = np.concatenate([at, one, none, -at * start[..., :1]], axis=2)
    second = np.concatenate([none, at, one, -at * start[..., 1:]], axis=2)
    try:
        found = np.linalg.solve(
            np.concatenate([first, second], axis=1),
            np.concatenate([start[..., 0], start[..., 1]], axis=1)[..., None],
        )
    except np.linalg.LinAlgError:
        raise ArgumentError("perspective: three of the end points lie on one line") from None
    a, b, c, d, e, f, g, k = (found[:, i, :, None] for i in range(8))
    y0, x0 = np.arange(h)[:, None] + 0.5, np.arange(w)[None, :] + 0.5
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = g * x0 + k * y0 + 1
        columns, rows = (a * x0 + b * y0 + c) / depth - 0.5, (d * x0 + e * y0 + f) / depth - 0.5
    mode = _sampling("perspective", interpolation)
    return resample.sample(x, rows, columns, mode, fill_of("perspective", fill, x.shape[1], x.dtype))


# --- colours ---------------------------------------------------------------------------------------


def _colours(x: np.ndarray, who: str) -> np.ndarray:
    if x.shape[1] not in (1, 3):
        raise ShapeError(
            f"{who}: the image has {x.shape[1]} channels; it takes 1 (gray) or 3 (red, green, blue)"
        )
    if x.dtype.kind not in "uif":
        raise DtypeError(f"{who}: the image is {x.dtype}; convert it to uint8 or float32")
    return x


def _bytes(x: np.ndarray, who: str) -> np.ndarray:
    if x.dtype != np.uint8:
        raise DtypeError(f"{who}: takes bytes (uint8), not {x.dtype}; use convert_image_dtype first")
    return _colours(x, who)


def _factors(who: str, name: str, value: Any, x: np.ndarray, low: float = 0.0, high: float = math.inf) -> Any:
    """One factor for each image, (n, 1, 1, 1), in the dtype of the arithmetic."""
    factors = per_image(who, name, value, len(x))
    if not ((factors >= low) & (factors <= high)).all():
        within = f"at least {low:g}" if math.isinf(high) else f"within {low:g}..{high:g}"
        raise ArgumentError(f"{who}: {name} is {value!r}; it must be {within}")
    return factors.astype(_float(x.dtype))[:, None, None, None]


def _float(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float32)


def _cut(y: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values within the range of the dtype, fractions cut off."""
    return np.clip(y, 0, bound(dtype)).astype(dtype)


def _blend(x: np.ndarray, other: Any, ratio: np.ndarray) -> np.ndarray:
    """ratio x + (1 - ratio) other."""
    return _cut(ratio * x + (1 - ratio) * other, x.dtype)


def _gray(x: np.ndarray) -> np.ndarray:
    """The luminance of ITU-R 601-2, as torchvision has it."""
    if x.shape[1] == 1:
        return x
    r, g, b = (x[:, i : i + 1].astype(_float(x.dtype), copy=False) for i in range(3))
    return (0.2989 * r + 0.587 * g + 0.114 * b).astype(x.dtype)


@of_images
def rgb_to_grayscale(x: Any, num_output_channels: int = 1) -> Any:
    """0.2989 red + 0.587 green + 0.114 blue, in one channel or three that are equal."""
    if num_output_channels not in (1, 3):
        raise ArgumentError(f"rgb_to_grayscale: num_output_channels is {num_output_channels}; use 1 or 3")
    gray = _gray(_colours(x, "rgb_to_grayscale"))
    return np.repeat(gray, num_output_channels, axis=1)


@of_images
def adjust_brightness(x: Any, brightness_factor: Any) -> Any:
    """Factor times the image: 0 is black, 1 the image."""
    x = _colours(x, "adjust_brightness")
    return _blend(x, 0, _factors("adjust_brightness", "brightness_factor", brightness_factor, x))


@of_images
def adjust_contrast(x: Any, contrast_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the mean of the gray image."""
    x = _colours(x, "adjust_contrast")
    factor = _factors("adjust_contrast", "contrast_factor", contrast_factor, x)
    return _blend(x, _gray(x).mean(axis=(1, 2, 3), dtype=_float(x.dtype), keepdims=True), factor)


@of_images
def adjust_saturation(x: Any, saturation_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the gray image."""
    x = _colours(x, "adjust_saturation")
    factor = _factors("adjust_saturation", "saturation_factor", saturation_factor, x)
    return x.copy() if x.shape[1] == 1 else _blend(x, _gray(x), factor)


@of_images
def adjust_hue(x: Any, hue_factor: Any) -> Any:
    """The colours turned on their circle, by a fraction of it within -0.5..0.5."""
    x = _colours(x, "adjust_hue")
    turn = _factors("adjust_hue", "hue_factor", hue_factor, x, -0.5, 0.5)[:, 0]
    if x.shape[1] == 1:
        return x.copy()
    top = bound(x.dtype)
    dtype = _float(x.dtype)
    r, g, b = (x[:, i].astype(dtype) / dtype.type(top) for i in range(3))
    value = np.maximum(np.maximum(r, g), b)
    chroma = value - np.minimum(np.minimum(r, g), b)
    width = np.where(chroma == 0, 1, chroma)
    sixth = np.where(
        value == r, (g - b) / width, np.where(value == g, 2 + (b - r) / width, 4 + (r - g) / width)
    )
    sixth = (sixth + 6 * turn) % 6
    # in each sixth of the circle one channel is full, one empty, and one on its way
    out = np.empty(x.shape, dtype)
    for i, shift in enumerate((5, 3, 1)):
        k = (shift + sixth) % 6
        out[:, i] = value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1)
    return out.clip(0, 1) if x.dtype.kind == "f" else (out * dtype.type(top + 1 - 1e-3)).astype(x.dtype)


@of_images
def adjust_gamma(x: Any, gamma: Any, gain: float = 1) -> Any:
    """gain x^gamma, of the image in 0..1."""
    x = _colours(x, "adjust_gamma")
    power = _factors("adjust_gamma", "gamma", gamma, x)
    dtype, top = _float(x.dtype), bound(x.dtype)
    y = np.clip(gain * (x.astype(dtype) / dtype.type(top)) ** power, 0, 1)
    return y if x.dtype.kind == "f" else (y * dtype.type(top + 1 - 1e-3)).astype(x.dtype)


@of_images
def adjust_sharpness(x: Any, sharpness_factor: Any) -> Any:
    """Away from (or for factors below 1 towards) the image smoothed over 3 x 3 pixels; the rim stays."""
    x = _colours(x, "adjust_sharpness")
    factor = _factors("adjust_sharpness", "sharpness_factor", sharpness_factor, x)
    if min(x.shape[2:]) <= 2:
        return x.copy()
    y = x.astype(_float(x.dtype), copy=False)
    rows = y[..., :-2, :] + y[..., 1:-1, :] + y[..., 2:, :]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * y[..., 1:-1, 1:-1]
    smooth = x.copy()
    smooth[..., 1:-1, 1:-1] = resample.rounded(sums / 13, x.dtype)
    return _blend(x, smooth, factor)


@of_images
def gaussian_blur(x: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """The image smoothed by a Gaussian over `kernel_size` (odd) pixels, its margin being its mirror image.

    Args:
        kernel_size: one number, or (x, y).
        sigma: the deviation in pixels, or (x, y); an array is one number for each image.  None is
            0.15 kernel_size + 0.35.
    """
    across, down = odd("gaussian_blur", kernel_size)
    if sigma is None:
        sigma = (0.15 * across + 0.35, 0.15 * down + 0.35)
    each = sigma if isinstance(sigma, (tuple, list)) and len(sigma) == 2 else (sigma, sigma)
    n = len(x)
    deviations = [per_image("gaussian_blur", "sigma", s, n) for s in each]
    if any((s <= 0).any() for s in deviations):
        raise ArgumentError(f"gaussian_blur: sigma is {sigma!r}; it must be more than 0")
    margin = (across // 2, down // 2, across // 2, down // 2)
    y = _padded(x, margin, 0, "reflect").astype(_float(x.dtype), copy=False)
    for axis, size, s in zip((3, 2), (across, down), deviations, strict=True):
        d = (np.arange(size) - (size - 1) / 2) / s[:, None]
        weights = np.exp(-0.5 * d * d)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(y.dtype)[:, :, None, None, None]
        y = y.swapaxes(axis, 3)
        length = y.shape[3] - size + 1
        y = sum(weights[:, k] * y[..., k : k + length] for k in range(size)).swapaxes(axis, 3)
    return resample.rounded(y, x.dtype)


def odd(who: str, kernel_size: Any) -> tuple[int, int]:
    """A kernel size, (x, y): odd and positive."""
    sizes = pair(who, "kernel_size", kernel_size)
    if sizes[0] % 2 == 0 or sizes[1] % 2 == 0:
        raise ArgumentError(f"{who}: kernel_size is {kernel_size}; it must be odd")
    return sizes


@of_images
def invert(x: Any) -> Any:
    """The negative: largest value - x."""
    x = _colours(x, "invert")
    return x.dtype.type(bound(x.dtype)) - x


@of_images
def posterize(x: Any, bits: Any) -> Any:
    """Only the highest `bits` (0 to 8) of each byte."""
    x = _bytes(x, "posterize")
    kept = _integers("posterize", "bits", bits, len(x))
    if not ((kept >= 0) & (kept <= 8)).all():
        raise ArgumentError(f"posterize: bits is {bits!r}; it must be within 0..8")
    return x & ((0xFF << (8 - kept)) & 0xFF).astype(np.uint8)[:, None, None, None]


@of_images
def solarize(x: Any, threshold: Any) -> Any:
    """The negative of all values of at least the threshold."""
    x = _colours(x, "solarize")
    limits = per_image("solarize", "threshold", threshold, len(x))
    if (limits > bound(x.dtype)).any():
        raise ArgumentError(f"solarize: threshold {threshold!r} is above the largest value of {x.dtype}")
    limits = limits.astype(_float(x.dtype))[:, None, None, None]
    return np.where(x >= limits, x.dtype.type(bound(x.dtype)) - x, x)


@of_images
def autocontrast(x: Any) -> Any:
    """Each channel stretched over the whole range of values."""
    x = _colours(x, "autocontrast")
    dtype, top = _float(x.dtype), bound(x.dtype)
    low, high = (f(x, axis=(2, 3), keepdims=True).astype(dtype) for f in (np.min, np.max))
    flat = low == high
    scale = dtype.type(top) / np.where(flat, dtype.type(top), high - low)
    return _cut((x - np.where(flat, 0, low)) * scale, x.dtype)


@of_images
def equalize(x: Any) -> Any:
    """Each channel of bytes with a histogram as even as can be, by Pillow's rule."""
    x = _bytes(x, "equalize")
    n, c, h, w = x.shape
    if not x.size:
        return x.copy()
    of_channel = np.arange(n * c)[:, None]
    counts = np.bincount((x.reshape(n * c, -1) + 256 * of_channel).ravel(), minlength=256 * n * c)
    counts = counts.reshape(n * c, 256)
    highest = 255 - np.argmax(counts[:, ::-1] > 0, axis=1)
    step = (h * w - counts[np.arange(n * c), highest]) // 255
    below = np.cumsum(counts, axis=1) - counts  # how many are darker
    table = np.minimum((below + (step // 2)[:, None]) // np.maximum(step, 1)[:, None], 255)
    table = np.where(step[:, None] == 0, np.arange(256), table).astype(np.uint8)
    return table[of_channel, x.reshape(n * c, -1)].reshape(x.shape)


@of_images
def erase(x: Any, i: Any, j: Any, h: Any, w: Any, v: Any, inplace: bool = False) -> Any:
    """The image with the window (top i, left j, height h, width w) replaced by v.

    v is a number, one for each channel (C, 1, 1), or as large as the image or the window.  `inplace`
    changes nothing.
    """
    n, _, height, width = x.shape
    window = {"i": i, "j": j, "h": h, "w": w}
    top, left, high, wide = (_integers("erase", name, value, n)[:, None] for name, value in window.items())
    values = np.asarray(v.array if isinstance(v, Tensor) else v)
    if all(np.ndim(value) == 0 for value in window.values()):
        out = x.copy()
        hole = out[..., i : i + h, j : j + w]
        if not _broadcasts(values.shape, hole.shape):
            raise ShapeError(f"erase: v {values.shape} does not fit the window {hole.shape}; give one number")
        hole[...] = values
        return out
    if not _broadcasts(values.shape, x.shape):
        raise ShapeError(f"erase: v {values.shape} does not fit the images {x.shape}; give one number")
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top) & (rows < top + high)
    in_columns = (columns >= left) & (columns < left + wide)
    return np.where((in_rows[:, :, None] & in_columns[:, None, :])[:, None], values.astype(x.dtype), x)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    return len(small) <= len(large) and all(
        a in (1, b) for a, b in zip(small[::-1], large[::-1], strict=False)
    )

"""Transforms of Tensors against what PyTorch computes of the same: interpolate, grid_sample, pad, conv2d.

torchvision, whose names and arithmetic these are, is made of these functions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tinygrad_cnn.creation import from_numpy  # noqa: E402
from tinygrad_cnn.data.transforms import functional as F  # noqa: E402

TF = torch.nn.functional
COVERED: dict[str, set[str]] = {}  # nothing here is in PyTorch under these names

sides = st.integers(1, 20)
wide = st.integers(
    2, 20
)  # with antialiasing, PyTorch 2.13 resizes to one column wrongly: every row is the first
channels = st.sampled_from([1, 3])
seeds = st.integers(0, 999)
dtypes = st.sampled_from(["float32", "float64"])


def both(shape, dtype, seed):
    x = np.random.default_rng(seed).random(shape).astype(dtype)
    return from_numpy(x.copy()), torch.from_numpy(x)


def close(mine, wanted, factor=64.0):
    assert mine.shape == tuple(wanted.shape) and str(mine.array.dtype) == str(wanted.numpy().dtype)
    np.testing.assert_allclose(
        mine.array, wanted.numpy(), rtol=0, atol=factor * np.finfo(mine.array.dtype).eps
    )


@given(
    channels,
    sides,
    sides,
    sides,
    wide,
    st.sampled_from(["bilinear", "bicubic"]),
    st.booleans(),
    dtypes,
    seeds,
)
def test_resize(c, h, w, height, width, mode, antialias, dtype, seed):
    mine, theirs = both((2, c, h, w), dtype, seed)
    wanted = TF.interpolate(theirs, (height, width), mode=mode, align_corners=False, antialias=antialias)
    close(F.resize(mine, (height, width), mode, antialias=antialias), wanted)


@given(channels, sides, sides, sides, st.sampled_from(["bilinear", "bicubic"]), seeds)
def test_one_column_is_that_of_two(c, h, w, height, mode, seed):
    mine, theirs = both((2, c, h, w), "float64", seed)
    twice = TF.interpolate(torch.cat([theirs.mean(3, keepdim=True)] * 4, dim=3), (height, 2), mode=mode,
                           align_corners=False, antialias=True)  # fmt: skip
    if w == 1:
        close(F.resize(mine, (height, 1), mode), twice[..., :1])
    flat = np.repeat(theirs.numpy().mean(axis=3, keepdims=True), 4, axis=3)
    close(F.resize(from_numpy(flat), (height, 1), mode), twice[..., :1])


@given(channels, sides, sides, sides, sides, st.sampled_from(["nearest", "nearest-exact"]), seeds)
def test_resize_to_the_nearest(c, h, w, height, width, mode, seed):
    mine, theirs = both((2, c, h, w), "float32", seed)
    wanted = TF.interpolate(theirs, (height, width), mode=mode)
    assert np.array_equal(F.resize(mine, (height, width), mode).array, wanted.numpy())


@given(channels, sides, sides, sides, wide, st.sampled_from(["bilinear", "bicubic"]), seeds)
def test_bytes(c, h, w, height, width, mode, seed):
    x = np.random.default_rng(seed).integers(0, 256, (1, c, h, w)).astype(np.uint8)
    mine, theirs = from_numpy(x.copy()), torch.from_numpy(x)
    # as floats, and rounded
    floats = TF.interpolate(theirs.float(), (height, width), mode=mode, align_corners=False).clamp(0, 255)
    assert (
        np.abs(F.resize(mine, (height, width), mode, antialias=False).array - floats.numpy()).max() <= 0.501
    )
    # PyTorch's weights of bytes have 16 bits, ours and Pillow's have 22: that may be a level in the first
    # axis, which the second one's cubics enlarge
    wanted = TF.interpolate(theirs, (height, width), mode=mode, align_corners=False, antialias=True).numpy()
    gap = np.abs(F.resize(mine, (height, width), mode).array.astype(int) - wanted)
    assert gap.max() <= (1 if mode == "bilinear" else 2)


@given(channels, st.integers(1, 12), st.integers(1, 12), st.integers(1, 9), st.integers(1, 12), seeds)
def test_sizes_of_the_shorter_side(c, h, w, size, more, seed):
    mine, _ = both((c, h, w), "float32", seed)
    short, long = size, int(size * max(h, w) / min(h, w))
    assert F.resize(mine, size).shape[1:] == ((long, short) if h > w else (short, long))
    limited = F.resize(mine, size, max_size=size + more).shape[1:]
    assert max(limited) <= size + more and (
        max(limited) == size + more or limited == F.resize(mine, size).shape[1:]
    )


def sampled(theirs, matrix, size, mode, fill):
    """By PyTorch's grids; the matrix says where the pixels come from, seen from the middle of both."""
    n, c, h, w = theirs.shape
    height, width = size
    # affine_grid speaks of places in -1..1
    theta = torch.from_numpy(matrix).to(theirs.dtype).clone()
    theta[:, 0] *= torch.tensor([width / w, height / w, 2 / w], dtype=theirs.dtype)
    theta[:, 1] *= torch.tensor([width / h, height / h, 2 / h], dtype=theirs.dtype)
    grid = TF.affine_grid(theta, [n, c, height, width], align_corners=False)
    inside = TF.grid_sample(torch.ones_like(theirs), grid, mode=mode, align_corners=False)
    out = TF.grid_sample(theirs, grid, mode=mode, align_corners=False)
    return out + (1 - inside) * fill


def inverse(angle, translate, scale, shear, centre):
    """The map that shears, turns (clockwise), scales and shifts, as products of matrices, inverted."""
    a, (sx, sy) = math.radians(angle), map(math.radians, shear)
    turn = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    down = np.array([[1, 0], [-math.tan(sy), 1]])
    across = np.array([[1, -math.tan(sx)], [0, 1]])
    whole = np.eye(3)
    whole[:2, :2] = scale * turn @ down @ across
    back, there, shift = np.eye(3), np.eye(3), np.eye(3)
    back[:2, 2], there[:2, 2], shift[:2, 2] = np.negative(centre), centre, translate
    return np.linalg.inv(shift @ there @ whole @ back)[:2]


some = st.integers(2, 12)
modes = st.sampled_from(["nearest", "bilinear"])


@given(st.integers(1, 3), channels, some, some, modes, st.sampled_from([0.0, 0.5]), st.booleans(), seeds)
def test_affine(n, c, h, w, mode, fill, centred, seed):
    mine, theirs = both((n, c, h, w), "float64", seed)
    rng = np.random.default_rng(seed)
    angle, shear = rng.uniform(-180, 180, n), rng.uniform(-40, 40, (n, 2))
    shift, scale = rng.uniform(-3, 3, (n, 2)), rng.uniform(0.4, 2, n)
    centre = rng.uniform(0, 10, 2) if centred else np.array([w / 2, h / 2])
    each = zip(angle, shift, scale, shear, strict=True)
    matrices = np.stack([inverse(*numbers, centre - (w / 2, h / 2)) for numbers in each])
    out = F.affine(mine, angle, shift, scale, shear, mode, fill, tuple(centre) if centred else None)
    close(out, sampled(theirs, matrices, (h, w), mode, fill), 2**16)


@given(channels, some, some, st.floats(-360, 360), modes, st.booleans(), seeds)
def test_rotate(c, h, w, angle, mode, expand, seed):
    angle += 0.0123  # of pixels half way between two, which one is taken is up to rounding
    mine, theirs = both((1, c, h, w), "float64", seed)
    out = F.rotate(mine, angle, mode, expand)
    matrix = inverse(-angle, (0, 0), 1, (0, 0), (0, 0))[None]
    close(out, sampled(theirs, matrix, out.shape[2:], mode, 0), 2**16)


@given(channels, some, some, modes, seeds)
def test_perspective(c, h, w, mode, seed):
    mine, theirs = both((1, c, h, w), "float64", seed)
    rng = np.random.default_rng(seed)
    start = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], float)
    end = start + rng.uniform(-0.24, 0.24, (4, 2)) * (w - 1, h - 1)
    out = F.perspective(mine, start, end, mode)
    # by solving, for each pixel, where it comes from: the map that takes the ends to the starts
    rows, right = [], []
    for (x, y), (u, v) in zip(end, start, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    a, b, d, e, f, g, k, m = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    y, x = np.meshgrid(np.arange(h) + 0.5, np.arange(w) + 0.5, indexing="ij")
    depth = k * x + m * y + 1
    grid = np.stack(
        [(a * x + b * y + d) / depth * 2 / w - 1, (e * x + f * y + g) / depth * 2 / h - 1], axis=2
    )
    wanted = TF.grid_sample(theirs, torch.from_numpy(grid[None]), mode=mode, align_corners=False)
    close(out, wanted, 2**20)


@given(st.integers(1, 3), channels, st.integers(4, 12), st.integers(4, 12), st.sampled_from([1, 3, 5, 7]),
       st.sampled_from([1, 3, 5, 7]), st.floats(0.2, 3), st.floats(0.2, 3), dtypes, seeds)  # fmt: skip
def test_gaussian_blur(n, c, h, w, across, down, sx, sy, dtype, seed):
    mine, theirs = both((n, c, h, w), dtype, seed)

    def kernel(size, sigma):
        k = torch.exp(
            -0.5 * (torch.linspace(-(size - 1) / 2, (size - 1) / 2, size, dtype=theirs.dtype) / sigma) ** 2
        )
        return k / k.sum()

    whole = torch.outer(kernel(down, sy), kernel(across, sx)).expand(c, 1, down, across)
    padded = TF.pad(theirs, [across // 2, across // 2, down // 2, down // 2], mode="reflect")
    close(F.gaussian_blur(mine, (across, down), (sx, sy)), TF.conv2d(padded, whole, groups=c))


@given(channels, st.integers(2, 9), st.integers(2, 9), st.tuples(*[st.integers(0, 4)] * 4), seeds)
def test_pad(c, h, w, margin, seed):
    mine, theirs = both((2, c, h, w), "float32", seed)
    left, top, right, bottom = margin
    for ours, mode in (("constant", "constant"), ("edge", "replicate"), ("reflect", "reflect")):
        try:
            wanted = TF.pad(theirs, (left, right, top, bottom), mode=mode)
        except RuntimeError:
            with pytest.raises(ValueError):
                F.pad(mine, margin, 0, ours)
        else:
            close(F.pad(mine, margin, 0, ours), wanted, 0)

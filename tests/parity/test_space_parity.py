"""Borders, folding, resampling and reading at points against PyTorch 2.13."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, ours, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import arrays, generators  # noqa: E402

dtypes = st.sampled_from(DTYPES)
spatial = st.sampled_from((1, 2, 3))
MODES = ("reflect", "replicate", "circular")


def run(name: str) -> Callable[..., Any]:
    """The function of that name, of either library."""
    return lambda t, *args, **options: getattr(t.nn.functional, name)(*args, **options)


def sizes(draw: Any, axes: int, least: int = 1, most: int = 5) -> tuple[int, ...]:
    return tuple(draw(st.integers(least, most)) for _ in range(axes))


def once(draw: Any, values: Any) -> Any:
    """One number for all axes where they agree and the coin says so, else one per axis."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else tuple(values)


# --- borders ---------------------------------------------------------------------------------------------


@given(st.data(), spatial, st.sampled_from(MODES), dtypes)
def test_pad(data: Any, axes: int, mode: str, dtype: str) -> None:
    """As wide as each mode allows, with and without axis n, some sides cut off."""
    draw = data.draw
    size = sizes(draw, axes)
    widths: list[int] = []
    for n in reversed(size):
        before, after = (
            draw(st.integers(-n, {"reflect": n - 1, "replicate": 3, "circular": n}[mode])) for _ in range(2)
        )
        if n + before + after < 1:
            before, after = max(before, 0), max(after, 0)
        if mode == "circular":  # PyTorch reads memory it has not written where more is wrapped than is left
            before, after = min(before, n + min(after, 0)), min(after, n + min(before, 0))
        widths += [before, after]
    x = draw(arrays((*draw(st.sampled_from(((), (2,), (0,)))), 2, *size), dtype=dtype))
    agree(run("pad"), [x], tuple(widths), mode=mode, order=2)


@given(st.data(), dtypes)
def test_pad_of_any_axes_with_a_constant(data: Any, dtype: str) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    widths: list[int] = []
    for n in reversed(shape[data.draw(st.integers(0, len(shape))) :]):
        before = data.draw(st.integers(-n, 2))
        widths += [before, data.draw(st.integers(-min(n, n + before), 2))]
    x = data.draw(arrays(tuple(shape), dtype=dtype))
    agree(run("pad"), [x], tuple(widths), value=data.draw(st.sampled_from((None, 0.0, 1.5, 3))), order=2)


def test_pad_of_integers() -> None:
    for mode in ("constant", *MODES):
        agree(run("pad"), [np.arange(6).reshape(1, 6)], (2, 1), mode=mode)


# --- folding ---------------------------------------------------------------------------------------------


@st.composite
def windows(draw: Any) -> Any:
    """(size of an image, options of unfold)."""
    kernel, stride = sizes(draw, 2, 1, 3), sizes(draw, 2, 1, 3)
    dilation, padding = sizes(draw, 2, 1, 2), sizes(draw, 2, 0, 2)
    size = tuple(
        max(1, d * (f - 1) + 1 - 2 * p) + draw(st.integers(0, 3))
        for f, d, p in zip(kernel, dilation, padding, strict=True)
    )
    names = ("kernel_size", "dilation", "padding", "stride")
    values = (kernel, dilation, padding, stride)
    return size, {name: once(draw, value) for name, value in zip(names, values, strict=True)}


@given(windows(), st.sampled_from(((), (2,), (0,))), dtypes, generators)
def test_unfold_and_fold(case: Any, batch: tuple[int, ...], dtype: str, rng: np.random.Generator) -> None:
    size, options = case
    x = rng.standard_normal((*batch, 2, *size)).astype(dtype)
    agree(run("unfold"), [x], order=2, terms=2 * x.size, **options)
    columns = rng.standard_normal(run("unfold")(torch, theirs(x), **options).shape).astype(dtype)
    agree(run("fold"), [columns], size, order=2, **options)


@given(st.data(), dtypes)
def test_shuffles(data: Any, dtype: str) -> None:
    r, c, h, w = (data.draw(st.integers(1, 3)) for _ in range(4))
    lead = tuple(data.draw(st.lists(st.integers(1, 2), max_size=2)))  # PyTorch fails to go back through none
    agree(run("pixel_shuffle"), [data.draw(arrays((*lead, c * r * r, h, w), dtype=dtype))], r, order=2)
    agree(run("pixel_unshuffle"), [data.draw(arrays((*lead, c, h * r, w * r), dtype=dtype))], r, order=2)
    agree(run("channel_shuffle"), [data.draw(arrays((2, c * r, h, w), dtype=dtype))], r, order=2)


# --- resampling ------------------------------------------------------------------------------------------

RESAMPLED = [
    (mode, axes)
    for mode, all_axes in {
        "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3),
        "linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,),
    }.items()
    for axes in all_axes
]  # fmt: skip


@st.composite
def resizings(draw: Any, mode: str, axes: int, least: int = 1) -> Any:
    """(arrays, options): to sizes of `least` or more, or by factors, up and down."""
    size = sizes(draw, axes, least, 6)
    options: dict[str, Any] = {"mode": mode}
    if draw(st.booleans()):
        options["size"] = once(draw, sizes(draw, axes, least, 9))
    else:
        factors = [draw(st.sampled_from((2.0, 1.0, 3, 1.5, 0.5, 0.3, 2.7, 1.1))) for _ in range(axes)]
        for i, n in enumerate(size):  # where a size stays as it is: see test_differences.py
            same = int(n * factors[i]) == n and (least > 1 or mode not in ("linear", "bilinear", "trilinear"))
            factors[i] = 1.0 if same or int(n * factors[i]) < least else factors[i]
        options["scale_factor"] = once(draw, factors)
        options["recompute_scale_factor"] = draw(st.sampled_from((None, True, False)))
    if mode not in ("nearest", "nearest-exact", "area"):
        options["align_corners"] = draw(st.sampled_from((None, True, False)))
    x = draw(arrays((draw(st.sampled_from((1, 2, 0))), draw(st.integers(1, 2)), *size), dtype=draw(dtypes)))
    return [x], options


@pytest.mark.parametrize("mode, axes", RESAMPLED)
@given(data=st.data())
def test_interpolate(mode: str, axes: int, data: Any) -> None:
    inputs, options = data.draw(resizings(mode, axes))
    agree(run("interpolate"), inputs, order=2, terms=8 * inputs[0].size, **options)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "lanczos"])
@given(data=st.data())
def test_interpolate_smoothly(mode: str, data: Any) -> None:
    inputs, options = data.draw(resizings(mode, 2, least=2))  # see test_differences.py for 1
    if mode == "lanczos":
        options.pop("align_corners")
    agree(run("interpolate"), inputs, order=1, antialias=True, terms=8 * inputs[0].size, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic", "area"])
def test_interpolate_large(mode: str, dtype: str) -> None:
    """Where other ways of computing it are chosen."""
    rng = np.random.default_rng(0)
    for size, out in (((150, 40), (300, 80)), ((130, 9), (50, 400)), ((40, 200), (40, 203))):
        x = rng.standard_normal((2, 3, *size)).astype(dtype)
        for array in (x, np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):
            if mode != "nearest" or dtype == "float32":  # see test_differences.py
                agree(run("interpolate"), [array], out, mode=mode, order=1, terms=1000)


def test_interpolate_what_is_not_finite() -> None:
    """An infinite pixel reaches its neighbours, and nobody else."""
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    x[0, 0, 1, 1] = np.inf
    for mode in ("nearest", "bilinear", "area"):
        mine, wanted = (
            run("interpolate")(t, make(x), (6, 9), mode=mode) for t, make in ((tg, ours), (torch, theirs))
        )
        np.testing.assert_array_equal(np.isfinite(mine.array), np.isfinite(wanted.numpy()))


# --- points ----------------------------------------------------------------------------------------------

READ = [("bilinear", 2), ("bilinear", 3), ("nearest", 2), ("nearest", 3), ("bicubic", 2)]


@pytest.mark.parametrize("mode, axes", READ)
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@few
@given(data=st.data(), align=st.booleans(), dtype=dtypes, rng=generators)
def test_grid_sample(
    mode: str, axes: int, padding_mode: str, data: Any, align: bool, dtype: str, rng: np.random.Generator
) -> None:
    draw = data.draw
    n, c, size, out = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, 3)),
        sizes(draw, axes),
        sizes(draw, axes, 1, 3),
    )
    x = draw(arrays((n, c, *size), dtype=dtype))
    grid = (rng.standard_normal((n, *out, axes)) * draw(st.sampled_from((0.5, 1.0, 3.0)))).astype(dtype)
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align}
    agree(run("grid_sample"), [x, grid], order=2, terms=32 * x.size, **options)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [True, False])
def test_grid_sample_at_edges(padding_mode: str, align: bool) -> None:
    """Exactly on pixels, on the edges and far outside."""
    at = np.array([-1.0, 1.0, -0.75, 0.0, 0.25, 1.25, -1.5, 2.0, -3.0, 9.0, -50.0])
    grid = np.stack(np.meshgrid(at, at), -1)[None]
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    for mode in ("bilinear", "bicubic"):
        agree(run("grid_sample"), [x, grid], mode, padding_mode, align_corners=align, terms=1000)


@given(st.data(), st.sampled_from((2, 3)), st.booleans(), dtypes)
def test_affine_grid(data: Any, axes: int, align: bool, dtype: str) -> None:
    n, size = data.draw(st.integers(1, 3)), sizes(data.draw, axes, 2 if align else 1, 4)
    theta = data.draw(arrays((n, axes, axes + 1), dtype=dtype))
    agree(run("affine_grid"), [theta], (n, 2, *size), align_corners=align, order=2, terms=theta.size)


COVERED: dict[str, set[str]] = {
    "nn.functional": {
        "affine_grid", "channel_shuffle", "fold", "grid_sample", "interpolate", "pixel_shuffle",
        "pixel_unshuffle", "unfold",
    },
}  # fmt: skip

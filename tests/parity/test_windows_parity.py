"""Pooling beyond max and average, options of convolution layers, what is refused: against PyTorch 2.13."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import agree, few, ours, outcome, refused_here, same, theirs  # noqa: E402
from parity.test_space_parity import dtypes, once, run, sizes, spatial  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import apart, arrays, away_from, generators, uniform  # noqa: E402

batches = st.sampled_from(((), (2,), (0,)))


# --- pooling ---------------------------------------------------------------------------------------------


@given(st.data(), spatial, batches, dtypes, generators)
def test_adaptive_pooling(
    data: Any, axes: int, batch: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    """Windows of one size or of several, overlapping or not, none at all; ties and nan."""
    shape = (*batch, 2, *sizes(data.draw, axes, 1, 6))
    wanted = once(data.draw, sizes(data.draw, axes, 0, 7))
    if axes > 1 and isinstance(wanted, tuple) and data.draw(st.booleans()):
        wanted = (None, *wanted[1:])
    order = 0 if wanted == 0 or (isinstance(wanted, tuple) and 0 in wanted) else 2  # PyTorch cannot go back
    agree(run(f"adaptive_avg_pool{axes}d"), [apart(rng, shape).astype(dtype)], wanted, order=order)
    ties = rng.integers(-1, 2, shape)
    for x in (apart(rng, shape), ties, np.where(rng.random(shape) < 0.2, np.nan, ties)):
        name, x = f"adaptive_max_pool{axes}d", x.astype(dtype)
        agree(run(name), [x], wanted, order=min(order, 1 if np.isnan(x).any() else 2))
        agree(run(name), [x], wanted, return_indices=True, order=min(order, 1))


@st.composite
def windows(draw: Any, axes: int, least: int = 0) -> Any:
    """(size, kernel, stride or None)."""
    kernel = sizes(draw, axes, 1, 3)
    stride = draw(st.one_of(st.none(), st.tuples(*(st.integers(1, 3),) * axes)))
    size = tuple(f + draw(st.integers(least, 4)) for f in kernel)
    return size, once(draw, kernel), stride


@given(st.data(), spatial, batches, dtypes, st.booleans())
def test_lp_pooling(data: Any, axes: int, batch: tuple[int, ...], dtype: str, ceil_mode: bool) -> None:
    size, kernel, stride = data.draw(windows(axes))
    kernel, stride = (
        (kernel[0], stride and stride[0]) if axes == 1 and isinstance(kernel, tuple) else (kernel, stride)
    )
    p = data.draw(st.sampled_from((2, 2.0, 1.5, 4, 3.0, 1, -1, np.inf, -np.inf)))
    positive = p not in (2, 4)  # no roots of negative sums
    x = data.draw(arrays((*batch, 2, *size), uniform(0.5, 2) if positive else away_from(0), dtype=dtype))
    order = 1 if np.isinf(p) else 2
    agree(run(f"lp_pool{axes}d"), [x], p, kernel, stride, ceil_mode, order=order, terms=100 * x.size)


def test_lp_pooling_of_zeros() -> None:
    agree(run("lp_pool1d"), [np.zeros((1, 1, 4))], 2, 2)


@given(st.data(), spatial, st.sampled_from(((), (2,))), dtypes)
def test_max_unpooling(data: Any, axes: int, batch: tuple[int, ...], dtype: str) -> None:
    """Back to the size that it was, and to the one that is taken without being told."""
    size, kernel, stride = data.draw(windows(axes))
    kernel = kernel if isinstance(kernel, tuple) else (kernel,) * axes
    padding = tuple(data.draw(st.integers(0, f // 2)) for f in kernel)
    x = data.draw(arrays((*batch, 2, *size), apart, dtype=dtype))
    steps = stride or kernel
    y, indices = (
        t.numpy()
        for t in run(f"max_pool{axes}d")(torch, theirs(x), kernel, stride, padding, return_indices=True)
    )
    unpool = run(f"max_unpool{axes}d")
    back = tuple(
        (n - 1) * s + f - 2 * p for n, s, f, p in zip(y.shape[-axes:], steps, kernel, padding, strict=True)
    )
    near = all(abs(n - b) < s for n, b, s in zip(size, back, steps, strict=True))
    wanted = size if near else back
    if near and data.draw(st.booleans()) and batch:
        wanted = x.shape
    agree(unpool, [y, indices], kernel, stride, padding, wanted, order=2)
    if indices.max(initial=0) < np.prod(back):
        agree(unpool, [y, indices], kernel, stride, padding, order=2)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_max_unpool_layer(axes: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *(5, 6, 4)[:axes]))
    modules = [getattr(t.nn, f"MaxUnpool{axes}d")(2, 2) for t in (tg, torch)]
    assert repr(modules[0]) == repr(modules[1])
    results = []
    for t, make, module in zip((tg, torch), (ours, theirs), modules, strict=True):
        y, indices = getattr(t.nn, f"MaxPool{axes}d")(2, 2, return_indices=True)(make(x))
        results.append(module(y, indices, output_size=x.shape))
        results.append(getattr(t.nn, f"AdaptiveMaxPool{axes}d")(2, return_indices=True)(make(x))[1])
    same(results[0], results[2])
    same(results[1], results[3])


@given(st.data(), st.sampled_from((2, 3)), st.sampled_from(((), (2,), (0,))), dtypes, generators)
def test_fractional_max_pooling(
    data: Any, axes: int, batch: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    """With the same random numbers."""
    kernel, out = sizes(data.draw, axes, 1, 3), sizes(data.draw, axes, 1, 3)
    # PyTorch refuses volumes that hold just one such sequence of windows
    size = tuple(f + n - 1 + data.draw(st.integers(axes - 2, 3)) for f, n in zip(kernel, out, strict=True))
    shape = (*batch, 2, *size)
    samples = rng.random(((*batch, 1)[0], 2, axes)).astype(dtype)
    options: dict[str, Any] = {"output_size": once(data.draw, out)}
    if data.draw(st.booleans()):
        options = {"output_ratio": tuple((n + 0.5) / m for n, m in zip(out, size, strict=True))}

    def call(t: Any, x: Any, return_indices: bool) -> Any:
        pool = getattr(t.nn.functional, f"fractional_max_pool{axes}d")
        return pool(x, kernel, **options, return_indices=return_indices, _random_samples=t.tensor(samples))

    for x in (apart(rng, shape), rng.integers(-1, 2, shape)):
        agree(call, [x.astype(dtype)], False, order=2 if 0 not in batch else 1)
        agree(call, [x.astype(dtype)], True)


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_max_pool_layer(axes: int) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, *(7, 6, 8)[:axes]))
    results = []
    for t, make in ((tg, ours), (torch, theirs)):
        samples = make(np.random.default_rng(1).random((2, 3, axes)))
        layer = getattr(t.nn, f"FractionalMaxPool{axes}d")(2, output_ratio=0.5, _random_samples=samples)
        results.append((layer(make(x)), repr(layer), list(layer.state_dict())))
    same(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]
    tg.manual_seed(0)
    layer = getattr(tg.nn, f"FractionalMaxPool{axes}d")(2, output_size=3)
    assert any((layer(ours(x)).array != layer(ours(x)).array).any() for _ in range(9))  # left to chance


# --- convolution layers ----------------------------------------------------------------------------------


def layers(name: str, *args: Any, **options: Any) -> list[Any]:
    """The layer in both libraries, with the same weights."""
    mine, wanted = (getattr(t.nn, name)(*args, **options).double() for t in (tg, torch))
    mine.load_state_dict({key: value.numpy() for key, value in wanted.state_dict().items()})
    return [mine, wanted]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@few
@given(data=st.data(), axes=spatial, mode=st.sampled_from(("zeros", "reflect", "replicate", "circular")))
def test_padding_mode(data: Any, axes: int, mode: str) -> None:
    kernel, dilation = sizes(data.draw, axes, 1, 3), sizes(data.draw, axes, 1, 2)
    padding = data.draw(
        st.one_of(st.sampled_from(("same", "valid")), st.tuples(*(st.integers(0, 2),) * axes))
    )
    stride = 1 if padding == "same" else data.draw(st.integers(1, 2))
    size = tuple(
        d * (f - 1) + 1 + data.draw(st.integers(2, 3)) for f, d in zip(kernel, dilation, strict=True)
    )
    options = {"dilation": dilation, "padding": padding, "padding_mode": mode, "stride": stride}
    pair = layers(f"Conv{axes}d", 2, 3, kernel, **options)
    x = data.draw(arrays((*data.draw(st.sampled_from(((), (2,)))), 2, *size)))
    agree(lambda t, x: pair[t is torch](x), [x], order=2, terms=200 * x.size)


@few
@given(data=st.data(), axes=spatial)
def test_output_size_of_a_transposed_convolution(data: Any, axes: int) -> None:
    kernel, stride = sizes(data.draw, axes, 1, 3), sizes(data.draw, axes, 1, 3)
    padding, dilation = sizes(data.draw, axes, 0, 1), sizes(data.draw, axes, 1, 2)
    size = sizes(data.draw, axes, 2, 4)
    pair = layers(f"ConvTranspose{axes}d", 2, 3, kernel, stride, padding, dilation=dilation)
    batch = data.draw(st.sampled_from(((), (2,))))
    x = data.draw(arrays((*batch, 2, *size)))
    least = [
        (n - 1) * s - 2 * p + d * (f - 1) + 1
        for n, s, p, d, f in zip(size, stride, padding, dilation, kernel, strict=True)
    ]
    wanted = tuple(n + data.draw(st.integers(-1, s)) for n, s in zip(least, stride, strict=True))
    wanted = (*batch, 3, *wanted) if data.draw(st.booleans()) else wanted
    results = [
        outcome(lambda m=m, make=make: m(make(x), wanted))
        for m, make in zip(pair, (ours, theirs), strict=True)
    ]
    if isinstance(results[1], Exception):
        assert refused_here(results[0]), results
    else:
        agree(lambda t, x: pair[t is torch](x, output_size=wanted), [x], terms=200 * x.size)


# --- what is refused -------------------------------------------------------------------------------------

# A call of (t, F, nn); zeros of some shape unless it matters.
REFUSED: dict[str, list[Any]] = {
    "pad": [
        lambda t, F: F.pad(t.zeros(1, 2, 4), (1, 1, 1)),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (0,) * 8),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (-3, -2)),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (1, 1), mode="mirror"),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (1.5, 1)),
        *(
            lambda t, F, m=m, shape=shape, widths=widths: F.pad(t.zeros(*shape), widths, mode=m)
            for m in ("reflect", "replicate", "circular")
            for shape, widths in (
                ((4,), (1, 1)), ((1, 2, 3, 4), (1, 1)), ((1, 1, 2, 3, 4), (1, 1)), ((2, 4), (1, 1, 1, 1)),
                ((1, 2, 4), ()), ((1, 2, 4), (1,)), ((1, 2, 4), (-5, 0)), ((1, 2, 0), (1, 1)),
            )
        ),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (4, 0), mode="reflect"),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (-4, 4), mode="reflect"),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (-4, 0), mode="reflect"),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (0, 5), mode="circular"),
        lambda t, F: F.pad(t.zeros(1, 2, 4), (1, 1), mode="reflect", value=1.0),
    ],
    "unfold": [
        lambda t, F: F.unfold(t.zeros(5, 5), 3),
        lambda t, F: F.unfold(t.zeros(1, 1, 5, 5, 5), 3),
        lambda t, F: F.unfold(t.zeros(1, 2, 2, 5), 3),
        lambda t, F: F.unfold(t.zeros(1, 0, 5, 5), 3),
        lambda t, F: F.unfold(t.zeros(1, 2, 5, 5), 3, stride=0),
        lambda t, F: F.unfold(t.zeros(1, 2, 5, 5), 3, padding=-1),
        lambda t, F: F.unfold(t.zeros(1, 2, 5, 5), 3, dilation=0),
        lambda t, F: F.unfold(t.zeros(1, 2, 5, 5), (3, 3, 3)),
        lambda t, F: F.unfold(t.zeros(1, 2, 5, 5), 0),
    ],
    "fold": [
        lambda t, F: F.fold(t.zeros(18, 8), 5, 3),
        lambda t, F: F.fold(t.zeros(17, 9), 5, 3),
        lambda t, F: F.fold(t.zeros(1, 0, 9), 5, 3),
        lambda t, F: F.fold(t.zeros(1, 2, 18, 9), 5, 3),
        lambda t, F: F.fold(t.zeros(1, 18, 9), 2, 3),
        lambda t, F: F.fold(t.zeros(1, 18, 9), (5, 5, 5), 3),
        lambda t, F: F.fold(t.zeros(1, 18, 9), 5, 3, stride=-1),
    ],
    "pixel_shuffle": [
        lambda t, F: F.pixel_shuffle(t.zeros(6, 2, 2), 2),
        lambda t, F: F.pixel_shuffle(t.zeros(4, 2), 2),
        lambda t, F: F.pixel_shuffle(t.zeros(4, 2, 2), 0),
        lambda t, F: F.pixel_shuffle(t.zeros(4, 2, 2), -2),
        lambda t, F: F.pixel_unshuffle(t.zeros(1, 3, 4), 2),
        lambda t, F: F.pixel_unshuffle(t.zeros(3, 4), 1),
        lambda t, F: F.pixel_unshuffle(t.zeros(1, 4, 4), 0),
        lambda t, F: F.channel_shuffle(t.zeros(1, 4, 4), 3),
        lambda t, F: F.channel_shuffle(t.zeros(1, 4, 4), 0),
        lambda t, F: F.channel_shuffle(t.zeros(1, 4), 2),
    ],
    "interpolate": [
        lambda t, F: F.interpolate(t.zeros(1, 2, 4)),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, 2.0),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), (3, 3)),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), scale_factor=(2.0, 2.0)),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, align_corners=False),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, mode="area", align_corners=True),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, recompute_scale_factor=True),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, mode="bilinear"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, mode="linear"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, mode="trilinear"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4, 4), 3, mode="bicubic"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, mode="cubic"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, mode="lanczos"),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, None, "lanczos", True, antialias=True),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4, 4), 3, antialias=True),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 3, mode="linear", antialias=True),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 0),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), -1),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), 2.5),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), scale_factor=0.1),
        lambda t, F: F.interpolate(t.zeros(1, 2, 4), scale_factor=-1.0),
        lambda t, F: F.interpolate(t.zeros(1, 2, 0), 3),
        lambda t, F: F.interpolate(t.zeros(2, 4), 3),
        lambda t, F: F.interpolate(t.zeros(4), 3),
        lambda t, F: F.interpolate(t.zeros(1, 1, 2, 2, 2, 2), 3),
    ],
    "grid_sample": [
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4), t.zeros(1, 2, 1), align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 3), align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(2, 2, 2, 2), align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2, 2), align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 0, 4), t.zeros(1, 2, 2, 2), align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), "cubic", align_corners=False),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), "nearest", "edge", False),
        lambda t, F: F.grid_sample(
            t.zeros(1, 1, 2, 2, 2), t.zeros(1, 1, 1, 1, 3), "bicubic", align_corners=False
        ),
        lambda t, F: F.grid_sample(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2).double(), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(1, 2, 3), (1, 1, 4), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(1, 3, 4), (1, 1, 4, 4), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(2, 3), (1, 1, 4, 4), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(2, 2, 3), (1, 1, 4, 4), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(1, 2, 3), (1, 1, 0, 4), align_corners=False),
        lambda t, F: F.affine_grid(t.zeros(1, 2, 3).int(), (1, 1, 4, 4), align_corners=False),
    ],
    "adaptive pooling": [
        lambda t, F: F.adaptive_max_pool1d(t.zeros(1, 1, 4), -1),
        lambda t, F: F.adaptive_avg_pool1d(t.zeros(1, 1, 4), -1),
        lambda t, F: F.adaptive_max_pool1d(t.zeros(1, 0, 4), 2),
        lambda t, F: F.adaptive_max_pool1d(t.zeros(1, 1, 0), 2),
        lambda t, F: F.adaptive_max_pool2d(t.zeros(1, 1, 4, 4), (2, 2, 2)),
        lambda t, F: F.adaptive_max_pool2d(t.zeros(1, 1, 4, 4), 2.5),
        lambda t, F: F.adaptive_max_pool2d(t.zeros(4, 4), 2),
        lambda t, F: F.adaptive_max_pool3d(t.zeros(1, 4, 4), 2),
    ],
    "lp pooling": [
        lambda t, F: F.lp_pool1d(t.zeros(1, 1, 4), 0, 2),
        lambda t, F: F.lp_pool2d(t.zeros(1, 4), 2, 2),
        lambda t, F: F.lp_pool2d(t.zeros(1, 1, 1, 4), 2, 2),
        lambda t, F: F.lp_pool1d(t.zeros(1, 1, 4), 2, 0),
        lambda t, F: F.lp_pool1d(t.zeros(1, 1, 4), 2, 2, 0),
    ],
    "fractional pooling": [
        lambda t, F: F.fractional_max_pool2d(t.zeros(1, 1, 6, 8), 2),
        lambda t, F: F.fractional_max_pool2d(t.zeros(1, 1, 6, 8), 2, 6),
        lambda t, F: F.fractional_max_pool2d(t.zeros(1, 1, 6, 8), 7, 1),
        lambda t, F: F.fractional_max_pool2d(t.zeros(6, 8), 2, 3),
        lambda t, F: F.fractional_max_pool2d(t.zeros(1, 1, 6, 8), 2, 3, _random_samples=t.zeros(1, 2)),
        lambda t, F: t.nn.FractionalMaxPool2d(2),
        lambda t, F: t.nn.FractionalMaxPool2d(2, 3, 0.5),
        lambda t, F: t.nn.FractionalMaxPool2d(2, output_ratio=1.5),
    ],
    "unpooling": [
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 2).long(), 2),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3), 2),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long() + 6, 2),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long() - 1, 2),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long(), 2, output_size=(8,)),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long(), 2, output_size=(4,)),
        lambda t, F: F.max_unpool1d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long(), 2, output_size=(6, 6)),
        lambda t, F: F.max_unpool2d(t.zeros(1, 1, 3), t.zeros(1, 1, 3).long(), (2, 2, 2)),
        lambda t, F: F.max_unpool2d(t.zeros(3, 3), t.zeros(3, 3).long(), 2),
    ],
    "convolution": [
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 3, 2, 2)),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2)),
        lambda t, F: F.conv2d(t.zeros(4, 4), t.zeros(1, 2, 2, 2)),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 5, 5)),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), t.zeros(2)),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), stride=0),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), stride=-1),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), padding=-1),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), dilation=0),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(3, 1, 2, 2), groups=2),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), padding="nearly"),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2), stride=(1, 1, 1)),
        lambda t, F: F.conv2d(t.zeros(1, 2, 4, 4), t.zeros(1, 2, 2, 2).double()),
        lambda t, F: F.conv_transpose2d(t.zeros(1, 2, 4, 4), t.zeros(3, 1, 2, 2)),
        lambda t, F: F.conv_transpose2d(t.zeros(1, 2, 4, 4), t.zeros(2, 1, 2, 2), output_padding=1),
        lambda t, F: F.conv_transpose2d(t.zeros(1, 2, 4, 4), t.zeros(2, 1, 2, 2), padding=4),
    ],
    "layers": [
        lambda t, F: t.nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
        lambda t, F: t.nn.Conv2d(1, 1, 3, padding_mode="nearest"),
        lambda t, F: t.nn.Conv2d(1, 1, 3, padding=5, padding_mode="reflect")(t.zeros(1, 1, 5, 5)),
        lambda t, F: t.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")(t.zeros(5, 5)),
        lambda t, F: t.nn.ConvTranspose2d(1, 1, 3, 2)(t.zeros(1, 1, 4, 4), (8, 8)),
        lambda t, F: t.nn.ConvTranspose2d(1, 1, 3, 2)(t.zeros(1, 1, 4, 4), (11, 11)),
        lambda t, F: t.nn.ConvTranspose2d(1, 1, 3, 2)(t.zeros(1, 1, 4, 4), (9, 9, 9)),
        lambda t, F: t.nn.ReflectionPad2d((1, 2, 3))(t.zeros(1, 1, 5, 5)),
        lambda t, F: t.nn.ReflectionPad2d(1)(t.zeros(1, 5)),
        lambda t, F: t.nn.ReflectionPad1d(1)(t.zeros(1, 1, 1, 5)),
        lambda t, F: t.nn.CircularPad2d(1)(t.zeros(5)),
        lambda t, F: t.nn.ZeroPad2d(1)(t.zeros(5)),
        lambda t, F: t.nn.Upsample(scale_factor=2, mode="linear")(t.zeros(1, 1, 4, 4)),
        lambda t, F: t.nn.UpsamplingBilinear2d(4)(t.zeros(1, 1, 4)),
        lambda t, F: t.nn.PixelShuffle(2)(t.zeros(1, 3, 4, 4)),
    ],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name, at", [(name, i) for name, calls in REFUSED.items() for i in range(len(calls))]
)
def test_refused(name: str, at: int) -> None:
    call = REFUSED[name][at]
    mine, wanted = (outcome(lambda t=t: call(t, t.nn.functional)) for t in (tg, torch))
    assert isinstance(wanted, Exception)
    assert refused_here(mine), mine
    assert str(mine).count("\n") == 0


COVERED: dict[str, set[str]] = {
    "nn.functional": {
        *(f"{name}{axes}d" for name in ("adaptive_max_pool", "lp_pool", "max_unpool") for axes in (1, 2, 3)),
        "fractional_max_pool2d",
        "fractional_max_pool3d",
    },
    "nn": {"FractionalMaxPool2d", "FractionalMaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"},
}

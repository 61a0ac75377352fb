"""`nn.functional` against PyTorch 2.13: values, all gradients, dtypes, shapes, over drawn configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, ours, outcome, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import (  # noqa: E402
    Values,
    apart,
    arrays,
    away_from,
    generators,
    normal,
    shapes,
    uniform,
)

F = tg.nn.functional
dtypes = st.sampled_from(DTYPES)
spatial = st.sampled_from((1, 2, 3))
nan, inf = np.nan, np.inf


def run(name: str) -> Callable[..., Any]:
    """The function of that name, of either library."""
    return lambda t, *args, **options: getattr(t.nn.functional, name)(*args, **options)


# --- convolution -----------------------------------------------------------------------------------------


def once(draw: Any, values: tuple[int, ...]) -> Any:
    """One number for all axes where they agree and the coin says so, else one per axis."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else values


def batched(draw: Any, channels: int, size: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one image, of a batch, or of an empty one."""
    return (*draw(st.sampled_from(((), (2,), (1,), (0,)))), channels, *size)


@st.composite
def convolutions(draw: Any, transposed: bool = False) -> Any:
    """(number of axes, arrays x w b, options)."""
    axes = draw(spatial)
    groups, own, filters = (draw(st.integers(1, 2)) for _ in range(3))
    most = {1: 4, 2: 3, 3: 2}[axes]
    kernel, stride, dilation = (tuple(draw(st.integers(1, n)) for _ in range(axes)) for n in (most, 3, 2))
    span = [d * (f - 1) + 1 for f, d in zip(kernel, dilation, strict=True)]
    options: dict[str, Any] = {"groups": groups, "dilation": once(draw, dilation)}
    words = () if transposed else ("valid", "same")
    padding = draw(st.one_of(st.sampled_from((None, *words)), st.tuples(*(st.integers(0, 2),) * axes)))
    if padding == "same":
        stride = (1,) * axes  # PyTorch refuses others
    pads = padding if isinstance(padding, tuple) else tuple(s // 2 if padding == "same" else 0 for s in span)
    if padding is not None:
        options["padding"] = once(draw, padding) if isinstance(padding, tuple) else padding
    if stride != (1,) * axes or draw(st.booleans()):
        options["stride"] = once(draw, stride)
    if transposed:
        extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        options["output_padding"] = once(draw, extra)
        size = []
        for s, p, k, more in zip(stride, pads, span, extra, strict=True):
            least = max(1, -(-(1 + 2 * p - k - more) // s) + 1)
            size.append(least + draw(st.integers(0, 2)))
        w_shape = (groups * own, filters, *kernel)
    else:
        size = [max(1, k - 2 * p) + draw(st.integers(0, 3)) for k, p in zip(span, pads, strict=True)]
        w_shape = (groups * filters, own, *kernel)
    dtype = draw(dtypes)
    x = draw(arrays(batched(draw, groups * own, tuple(size)), dtype=dtype))
    w = draw(arrays(w_shape, dtype=dtype))
    bias = [draw(arrays((groups * filters,), dtype=dtype))] if draw(st.booleans()) else []
    return axes, [x, w, *bias], options


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(convolutions())
def test_convolution(case: Any) -> None:
    axes, inputs, options = case
    agree(run(f"conv{axes}d"), inputs, order=1, terms=2 * inputs[0].size + inputs[1].size, **options)


@given(convolutions(transposed=True))
def test_transposed_convolution(case: Any) -> None:
    axes, inputs, options = case
    agree(run(f"conv_transpose{axes}d"), inputs, terms=2 * inputs[0].size + inputs[1].size, **options)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@few
@given(st.one_of(convolutions(), convolutions()))
def test_second_derivatives_of_convolution(case: Any) -> None:
    axes, inputs, options = case
    agree(run(f"conv{axes}d"), inputs, order=2, terms=4 * (inputs[0].size + inputs[1].size), **options)


@given(st.data(), shapes(max_dims=3), dtypes)
def test_linear(data: Any, lead: tuple[int, ...], dtype: str) -> None:
    features, outputs = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 3))
    inputs = [data.draw(arrays(s, dtype=dtype)) for s in ((*lead, features), (outputs, features), (outputs,))]
    agree(run("linear"), inputs[: data.draw(st.sampled_from((2, 3)))], order=2)


# --- pooling ---------------------------------------------------------------------------------------------


@st.composite
def poolings(draw: Any, dilate: bool) -> Any:
    """(number of axes, shape of x, options)."""
    axes = draw(spatial)
    most = {1: 4, 2: 3, 3: 2}[axes]
    kernel = tuple(draw(st.integers(1, most)) for _ in range(axes))
    stride = tuple(draw(st.integers(1, 3)) for _ in range(axes))
    dilation = tuple(draw(st.integers(1, 2)) if dilate else 1 for _ in range(axes))
    padding = tuple(draw(st.integers(0, f // 2)) for f in kernel)
    counted = (0,) * axes if axes == 3 and not dilate else padding  # torch's avg_pool3d forgets its padding
    size = tuple(
        max(d, d * (f - 1) + 1 - 2 * p) + draw(st.integers(0, 4))
        for f, p, d in zip(kernel, counted, dilation, strict=True)
    )
    options: dict[str, Any] = {"kernel_size": once(draw, kernel), "padding": once(draw, padding)}
    if draw(st.booleans()):
        options["stride"] = once(draw, stride)
    if dilate:
        options["dilation"] = once(draw, dilation)
    options["ceil_mode"] = draw(st.booleans())
    return axes, batched(draw, draw(st.integers(1, 2)), size), options


@given(poolings(dilate=True), generators, dtypes)
def test_max_pooling(case: Any, rng: np.random.Generator, dtype: str) -> None:
    axes, shape, options = case
    name = f"max_pool{axes}d"
    for values in (apart(rng, shape), rng.integers(-1, 2, shape)):  # without ties, and with
        x = np.asarray(values, dtype)
        agree(run(name), [x], order=2, return_indices=False, **options)
        agree(run(name), [x], order=1, return_indices=True, **options)
    x = np.where(rng.random(shape) < 0.2, nan, values).astype(dtype)
    agree(run(name), [x], order=1, return_indices=True, **options)


@given(poolings(dilate=False), st.booleans(), st.sampled_from((None, 3, -2)), generators, dtypes)
def test_average_pooling(
    case: Any, counted: bool, divisor: Any, rng: np.random.Generator, dtype: str
) -> None:
    axes, shape, options = case
    if axes > 1 and divisor:
        options["divisor_override"] = divisor
    x = np.asarray(rng.standard_normal(shape), dtype)
    agree(run(f"avg_pool{axes}d"), [x], order=2, count_include_pad=counted, **options)


@given(spatial, st.data(), dtypes)
def test_adaptive_average_pooling(axes: int, data: Any, dtype: str) -> None:
    size = tuple(data.draw(st.integers(1, 5)) for _ in range(axes))
    x = data.draw(arrays(batched(data.draw, 2, size), dtype=dtype))
    each = st.integers(1, 6) if axes == 1 else st.one_of(st.none(), st.integers(1, 6))
    wanted = data.draw(st.one_of(st.integers(1, 6), st.tuples(*(each,) * axes)))
    agree(run(f"adaptive_avg_pool{axes}d"), [x], wanted, order=2)


# --- activations -----------------------------------------------------------------------------------------

# (function, options, values, order)
ACTIVATIONS: list[tuple[str, dict[str, Any], Values, int]] = [
    ("relu", {}, away_from(0.0), 2),
    ("relu", {"inplace": False}, normal, 1),
    ("leaky_relu", {}, away_from(0.0), 2),
    ("leaky_relu", {"negative_slope": 0.3}, normal, 1),
    ("elu", {}, away_from(0.0), 2),
    ("elu", {"alpha": 1.7}, normal, 1),
    ("gelu", {}, normal, 2),
    ("gelu", {"approximate": "tanh"}, normal, 2),
    ("silu", {}, normal, 2),
    ("softplus", {}, normal, 2),
    ("softplus", {"beta": 2.5, "threshold": 1.0}, away_from(0.4), 2),
    ("logsigmoid", {}, normal, 2),
    ("sigmoid", {}, normal, 2),
    ("tanh", {}, normal, 2),
    ("hardtanh", {}, away_from(-1.0, 1.0), 2),
    ("hardtanh", {"min_val": -0.5, "max_val": 2.0}, normal, 1),
]
EXTREME = np.array([0.0, -0.0, 1e4, -1e4, 100.0, -100.0, 20.0, 1.0, -1.0, inf, -inf])


@pytest.mark.parametrize("name, options, values, order", ACTIVATIONS)
@few
@given(data=st.data(), dtype=dtypes)
def test_activation(
    name: str, options: dict[str, Any], values: Values, order: int, data: Any, dtype: str
) -> None:
    agree(run(name), [data.draw(arrays(shapes(), values, dtype=dtype))], order=order, terms=4, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, options, values, order", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_activation_far_out(name: str, options: Any, values: Any, order: int, dtype: str) -> None:
    x = EXTREME.astype(dtype)
    if name in ("gelu", "silu"):  # at -inf PyTorch gives nan, and so do the derivatives at both ends
        x = x[np.isfinite(x)]
    agree(run(name), [x], order=1, terms=4, **options)


@pytest.mark.parametrize("name", [row[0] for row in ACTIVATIONS])
def test_activation_of_nan(name: str) -> None:
    agree(run(name), [np.array([nan])], order=0)


@few
@given(st.data(), dtypes)
def test_prelu(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), away_from(0.0), dtype=dtype))
    slopes = data.draw(st.sampled_from((1, x.shape[1] if x.ndim > 1 else 1)))
    agree(run("prelu"), [x, data.draw(arrays((slopes,), dtype=dtype))], order=2)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@few
@given(data=st.data(), dtype=dtypes)
def test_softmax(name: str, data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1), dtype=dtype))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    agree(run(name), [x], dim=dim, order=2)
    agree(lambda t, x: run(name)(t, x, dim=dim, dtype=t.float64), [x], order=1)


# --- normalization ---------------------------------------------------------------------------------------


@given(st.data(), dtypes)
def test_batch_norm(data: Any, dtype: str) -> None:
    """Results, gradients, and the running statistics left behind."""
    channels = data.draw(st.integers(1, 3))
    size = data.draw(shapes(max_dims=3, min_side=1))
    x = data.draw(arrays((data.draw(st.integers(2, 3)), channels, *size), apart, dtype=dtype))
    affine, training = data.draw(st.booleans()), data.draw(st.booleans())
    tracked = data.draw(st.booleans()) or not training
    momentum, eps = data.draw(st.sampled_from((0.1, 0.0, 1.0, 0.3))), data.draw(st.sampled_from((1e-5, 0.1)))
    rng = data.draw(generators)
    mean, var = rng.standard_normal(channels).astype(dtype), rng.uniform(0.5, 2, channels).astype(dtype)
    weights = [rng.standard_normal(channels).astype(dtype) for _ in range(2 if affine else 0)]

    def call(t: Any, x: Any, *wb: Any) -> Any:
        stats = [t.tensor(mean), t.tensor(var)] if tracked else [None, None]
        w, b = wb or (None, None)
        out = t.nn.functional.batch_norm(x, *stats, w, b, training, momentum, eps)
        return (out, *stats) if tracked else out

    agree(call, [x, *weights], order=1, terms=8 * x.size)
    agree(call, [x, *weights], order=2, terms=100 * x.size)


@given(st.data(), dtypes)
def test_layer_norm(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=2), apart, dtype=dtype))
    last = x.shape[data.draw(st.integers(0, x.ndim - 1)) :]
    parts = [data.draw(arrays(last, dtype=dtype)) for _ in range(data.draw(st.integers(0, 2)))]
    eps = data.draw(st.sampled_from((1e-5, 0.1)))
    agree(lambda t, x, *wb: t.nn.functional.layer_norm(x, last, *wb, eps=eps), [x, *parts], terms=8 * x.size)
    agree(
        lambda t, x, *wb: t.nn.functional.layer_norm(x, last, *wb, eps=eps),
        [x, *parts], order=2, terms=100 * x.size,
    )  # fmt: skip


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout(p: float) -> None:
    """What is dropped is left to chance; how often, by how much the rest grows and the gradient are not."""
    x = tg.ones(200, 500, requires_grad=True)
    out = F.dropout(x, p)
    out.sum().backward()
    same(x.grad, out.detach())
    wanted = np.unique(torch.nn.functional.dropout(torch.ones(200, 500), p).numpy())
    np.testing.assert_allclose(np.unique(out.array), wanted, rtol=1e-6)
    kept = float((out.array > 0).mean())
    assert abs(kept - (1 - p)) <= 5 * (p * (1 - p) / x.numel()) ** 0.5
    assert F.dropout(x, p, training=False) is x


# --- shapes ----------------------------------------------------------------------------------------------


@given(st.data(), dtypes)
def test_pad(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), dtype=dtype))
    pad = []
    for n in x.shape[::-1][: data.draw(st.integers(0, x.ndim))]:
        before = data.draw(st.integers(-n, 2))
        pad += [before, data.draw(st.integers(-n - min(before, 0), 2))]
    agree(run("pad"), [x], tuple(pad), order=2)
    agree(run("pad"), [x], pad, "constant", 1.5)


@few
@given(arrays(shapes(), lambda rng, shape: rng.integers(0, 4, shape), dtype=np.int64))
def test_one_hot(classes: np.ndarray) -> None:
    agree(run("one_hot"), [classes], 4)
    agree(run("one_hot"), [classes], num_classes=7)
    if classes.size:
        agree(run("one_hot"), [classes])


# --- losses ----------------------------------------------------------------------------------------------

reductions = st.sampled_from(("mean", "sum", "none"))


@st.composite
def classifications(draw: Any) -> Any:
    """(logits, targets, weights or none of them, options); some targets are ignored, sometimes all."""
    dtype, classes = draw(dtypes), draw(st.integers(1, 4))
    batch = draw(st.sampled_from(((), (3,), (1,), (2, 2), (2, 1, 3), (0,))))
    logits = draw(arrays((*batch[:1], classes, *batch[1:]), dtype=dtype))
    rng = draw(generators)
    ignore = draw(st.sampled_from((-100, 0, classes - 1, -1)))
    target = rng.integers(0, classes, batch)
    share = draw(st.sampled_from((0.0, 0.0, 0.4, 1.0)))
    target = np.where(rng.random(batch) < share, ignore, target)
    weight = [rng.uniform(0.5, 2, classes).astype(dtype)] if draw(st.booleans()) else []
    return logits, target, weight, {"ignore_index": ignore, "reduction": draw(reductions)}


@given(classifications(), st.sampled_from((0.0, 0.1, 1.0)))
def test_cross_entropy(case: Any, smoothing: float) -> None:
    logits, target, weight, options = case

    def call(t: Any, x: Any, y: Any) -> Any:
        w = t.tensor(weight[0]) if weight else None
        return t.nn.functional.cross_entropy(x, y, w, label_smoothing=smoothing, **options)

    agree(call, [logits, target], order=2, terms=4 * logits.size)


@given(classifications())
def test_nll_loss(case: Any) -> None:
    logits, target, weight, options = case

    def call(t: Any, x: Any, y: Any) -> Any:
        w = t.tensor(weight[0]) if weight else None
        return t.nn.functional.nll_loss(x, y, w, **options)

    agree(call, [logits, target], order=1, terms=4 * logits.size)


@given(st.data(), dtypes, st.sampled_from((0.0, 0.2)), reductions)
def test_cross_entropy_of_probabilities(data: Any, dtype: str, smoothing: float, reduction: str) -> None:
    """By the logits, and by the probabilities too."""
    shape = data.draw(st.sampled_from(((3,), (2, 3), (2, 3, 2), (0, 3), (1, 1))))
    x, p = data.draw(arrays(shape, dtype=dtype)), data.draw(arrays(shape, uniform(0, 1), dtype=dtype))
    classes = shape[min(1, len(shape) - 1)]
    weight = data.draw(st.one_of(st.none(), arrays((classes,), uniform(0.5, 2), dtype=dtype)))

    def call(t: Any, x: Any, p: Any) -> Any:
        w = None if weight is None else t.tensor(weight.copy())
        options = {"reduction": reduction, "label_smoothing": smoothing}
        return t.nn.functional.cross_entropy(x, p, w, **options)

    agree(call, [x, p], order=2, terms=4 * x.size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_extreme_logits(dtype: str, reduction: str) -> None:
    x = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [0, 0, 0], [1e4, 1e4, 1e4]], dtype)
    for target in ([0, 0, 0, 0], [1, 1, 1, 1], [2, 2, -100, 2]):
        agree(run("cross_entropy"), [x, np.array(target)], reduction=reduction)
    x[0] = [0.0, -inf, -inf]
    agree(run("cross_entropy"), [x[:1], np.array([0])], reduction=reduction)


# name: (values of x, values of the target, options of its own, order)
PAIRED: dict[str, tuple[Values, Values, Any, int]] = {
    "mse_loss": (normal, normal, st.just({}), 2),
    "l1_loss": (normal, normal, st.just({}), 1),
    "smooth_l1_loss": (normal, normal, st.sampled_from(({}, {"beta": 0.3}, {"beta": 0.0}, {"beta": 2.0})), 1),
    # PyTorch's second derivative adds 1e-12 to a denominator, which shows in float64.
    "binary_cross_entropy": (uniform(0.1, 0.9), uniform(0, 1), st.just({}), 1),
    "binary_cross_entropy_with_logits": (normal, uniform(0, 1), st.just({}), 2),
}


@pytest.mark.parametrize("name", PAIRED)
@given(data=st.data(), dtype=dtypes, reduction=reductions)
def test_losses_of_pairs(name: str, data: Any, dtype: str, reduction: str) -> None:
    values, wanted, options, order = PAIRED[name]
    x = data.draw(arrays(shapes(), values, dtype=dtype))
    y = data.draw(arrays(x.shape, wanted, dtype=dtype))
    own = dict(data.draw(options))
    rng = data.draw(generators)
    extra = {}
    if name.startswith("binary"):
        if data.draw(st.booleans()):
            extra["weight"] = rng.uniform(0.5, 2, x.shape).astype(dtype)
        if name.endswith("logits") and x.ndim and data.draw(st.booleans()):
            extra["pos_weight"] = rng.uniform(0.5, 2, x.shape[-1:]).astype(dtype)

    def call(t: Any, x: Any, y: Any) -> Any:
        more = {key: t.tensor(value) for key, value in extra.items()}
        return getattr(t.nn.functional, name)(x, y, reduction=reduction, **own, **more)

    agree(call, [x, y], order=order, terms=8 * x.size)


SPECIAL: dict[str, tuple[str, list[float], list[float], dict[str, Any]]] = {
    "bce at 0 and 1": ("binary_cross_entropy", [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0], {}),
    "bce soft at 0 and 1": ("binary_cross_entropy", [0.0, 1.0], [0.25, 0.25], {"reduction": "sum"}),
    "bce with logits far out": (
        "binary_cross_entropy_with_logits", [1e4, -1e4, 1e4, -1e4, 0.0], [0.0, 0.0, 1.0, 1.0, 0.5], {},
    ),
    "l1 of equals": ("l1_loss", [1.0, 2.0], [1.0, 3.0], {}),
    "smooth l1 at beta": ("smooth_l1_loss", [0.0, 1.0, -1.0], [0.0, 0.0, 0.0], {}),
    "smooth l1 of equals, beta 0": ("smooth_l1_loss", [1.0], [1.0], {"beta": 0.0}),
    "mse of nothing": ("mse_loss", [], [], {}),
    "l1 of nothing": ("l1_loss", [], [], {"reduction": "sum"}),
    "mse of nan": ("mse_loss", [nan, 1.0], [0.0, 1.0], {"reduction": "none"}),
}  # fmt: skip


@pytest.mark.parametrize("case", SPECIAL)
def test_special_pairs(case: str) -> None:
    """In float32: PyTorch's bound 1e-12 on the slope of BCE at 0 and 1 is a float32 in float64 too."""
    name, x, y, options = SPECIAL[case]
    target = np.array(y, np.float32)
    agree(lambda t, x: run(name)(t, x, t.tensor(target), **options), [np.array(x, np.float32)])


# --- what is refused -------------------------------------------------------------------------------------


def z(t: Any, *size: int, dtype: str = "float32") -> Any:
    return t.zeros(*size, dtype=getattr(t, dtype))


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "conv rank": lambda t, f: f.conv2d(z(t, 3, 3), z(t, 1, 1, 1, 1)),
    "conv rank 5": lambda t, f: f.conv2d(z(t, 1, 1, 1, 3, 3), z(t, 1, 1, 1, 1)),
    "conv channels": lambda t, f: f.conv2d(z(t, 1, 3, 5, 5), z(t, 2, 4, 3, 3)),
    "conv weight rank": lambda t, f: f.conv2d(z(t, 1, 3, 5, 5), z(t, 2, 3, 3)),
    "conv groups": lambda t, f: f.conv2d(z(t, 1, 3, 5, 5), z(t, 4, 1, 3, 3), groups=2),
    "conv groups of filters": lambda t, f: f.conv2d(z(t, 1, 4, 5, 5), z(t, 3, 2, 3, 3), groups=2),
    "conv groups 0": lambda t, f: f.conv2d(z(t, 1, 4, 5, 5), z(t, 4, 4, 3, 3), groups=0),
    "conv kernel too large": lambda t, f: f.conv2d(z(t, 1, 1, 2, 2), z(t, 1, 1, 3, 3)),
    "conv stride 0": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), stride=0),
    "conv stride -1": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), stride=-1),
    "conv padding -1": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), padding=-1),
    "conv padding word": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), padding="some"),
    "conv dilation 0": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), dilation=0),
    "conv three strides": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), stride=(1, 1, 1)),
    "conv bias": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 2, 1, 3, 3), z(t, 3)),
    "conv dtypes": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3, dtype="float64")),
    "conv bias dtype": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), z(t, 1, dtype="float64")),
    "conv fraction stride": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 3, 3), stride=1.5),
    "conv empty kernel": lambda t, f: f.conv2d(z(t, 1, 1, 5, 5), z(t, 1, 1, 0, 3)),
    "conv_transpose output_padding": lambda t, f: f.conv_transpose2d(
        z(t, 1, 1, 3, 3), z(t, 1, 1, 3, 3), stride=2, output_padding=2
    ),
    "conv_transpose channels": lambda t, f: f.conv_transpose2d(z(t, 1, 2, 3, 3), z(t, 1, 2, 3, 3)),
    "conv_transpose too much padding": lambda t, f: f.conv_transpose2d(
        z(t, 1, 1, 1, 1), z(t, 1, 1, 3, 3), padding=2
    ),
    "linear features": lambda t, f: f.linear(z(t, 2, 3), z(t, 4, 5)),
    "linear bias": lambda t, f: f.linear(z(t, 2, 3), z(t, 4, 3), z(t, 3)),
    "linear dtypes": lambda t, f: f.linear(z(t, 2, 3), z(t, 4, 3, dtype="float64")),
    "max_pool rank": lambda t, f: f.max_pool2d(z(t, 3, 3), 2),
    "max_pool too large": lambda t, f: f.max_pool2d(z(t, 1, 1, 2, 2), 3),
    "max_pool padding": lambda t, f: f.max_pool2d(z(t, 1, 1, 5, 5), 3, padding=2),
    "max_pool stride -1": lambda t, f: f.max_pool2d(z(t, 1, 1, 5, 5), 3, stride=-1),
    "max_pool kernel 0": lambda t, f: f.max_pool2d(z(t, 1, 1, 5, 5), 0),
    "max_pool no pixels": lambda t, f: f.max_pool2d(z(t, 1, 1, 0, 5), 1),
    "avg_pool too large": lambda t, f: f.avg_pool2d(z(t, 1, 1, 2, 2), 3),
    "avg_pool padding": lambda t, f: f.avg_pool2d(z(t, 1, 1, 5, 5), 3, padding=2),
    "avg_pool divisor 0": lambda t, f: f.avg_pool2d(z(t, 1, 1, 5, 5), 3, divisor_override=0),
    "avg_pool ints": lambda t, f: f.avg_pool2d(z(t, 1, 1, 5, 5, dtype="int32"), 2),
    "adaptive size": lambda t, f: f.adaptive_avg_pool2d(z(t, 1, 1, 5, 5), (2, 2, 2)),
    "adaptive negative": lambda t, f: f.adaptive_avg_pool2d(z(t, 1, 1, 5, 5), -1),
    "adaptive rank": lambda t, f: f.adaptive_avg_pool2d(z(t, 5, 5), 2),
    "adaptive no pixels": lambda t, f: f.adaptive_avg_pool2d(z(t, 1, 1, 0, 5), 2),
    "batch_norm one value": lambda t, f: f.batch_norm(z(t, 1, 3), z(t, 3), z(t, 3), training=True),
    "batch_norm channels": lambda t, f: f.batch_norm(z(t, 2, 3), z(t, 4), z(t, 4)),
    "batch_norm weight": lambda t, f: f.batch_norm(z(t, 2, 3), z(t, 3), z(t, 3), z(t, 4)),
    "batch_norm without statistics": lambda t, f: f.batch_norm(z(t, 2, 3), None, None),
    "batch_norm rank": lambda t, f: f.batch_norm(z(t, 3), z(t, 3), z(t, 3)),
    "layer_norm shape": lambda t, f: f.layer_norm(z(t, 2, 3), (4,)),
    "layer_norm weight": lambda t, f: f.layer_norm(z(t, 2, 3), (3,), z(t, 2)),
    "layer_norm nothing": lambda t, f: f.layer_norm(z(t, 2, 3), ()),
    "dropout p": lambda t, f: f.dropout(z(t, 2), 1.5),
    "dropout negative p": lambda t, f: f.dropout(z(t, 2), -0.1),
    "softmax dim": lambda t, f: f.softmax(z(t, 2, 3), 2),
    "softmax ints": lambda t, f: f.softmax(z(t, 2, dtype="int64"), 0),
    "gelu word": lambda t, f: f.gelu(z(t, 2), approximate="some"),
    "gelu ints": lambda t, f: f.gelu(z(t, 2, dtype="int64")),
    "hardtanh upside down": lambda t, f: f.hardtanh(z(t, 2), 1.0, -1.0),
    "prelu slopes": lambda t, f: f.prelu(z(t, 2, 3), z(t, 2)),
    "pad odd": lambda t, f: f.pad(z(t, 2, 3), (1,)),
    "pad too many": lambda t, f: f.pad(z(t, 2), (1, 1, 1, 1)),
    "pad below nothing": lambda t, f: f.pad(z(t, 2), (-2, -1)),
    "pad mode": lambda t, f: f.pad(z(t, 1, 2, 3), (1, 1), mode="some"),
    "one_hot out of range": lambda t, f: f.one_hot(t.tensor([3]), 3),
    "one_hot negative": lambda t, f: f.one_hot(t.tensor([-1])),
    "one_hot floats": lambda t, f: f.one_hot(t.tensor([1.0])),
    "cross_entropy out of range": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([0, 3])),
    "cross_entropy negative": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([0, -1])),
    "cross_entropy batch": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([0, 1, 2])),
    "cross_entropy target axis": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([[0], [1]])),
    "cross_entropy float classes": lambda t, f: f.cross_entropy(z(t, 2, 3), z(t, 2)),
    "cross_entropy one-hot ints": lambda t, f: f.cross_entropy(z(t, 2, 3), z(t, 2, 3, dtype="int64")),
    "cross_entropy weight": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([0, 1]), z(t, 2)),
    "cross_entropy reduction": lambda t, f: f.cross_entropy(z(t, 2, 3), t.tensor([0, 1]), reduction="some"),
    "cross_entropy smoothing": lambda t, f: f.cross_entropy(
        z(t, 2, 3), t.tensor([0, 1]), label_smoothing=1.5
    ),
    "cross_entropy int logits": lambda t, f: f.cross_entropy(z(t, 2, 3, dtype="int64"), t.tensor([0, 1])),
    "cross_entropy 0-d": lambda t, f: f.cross_entropy(t.tensor(1.0), t.tensor(0)),
    "nll_loss floats": lambda t, f: f.nll_loss(z(t, 2, 3), z(t, 2)),
    "nll_loss out of range": lambda t, f: f.nll_loss(z(t, 2, 3), t.tensor([0, 5])),
    "mse reduction": lambda t, f: f.mse_loss(z(t, 2), z(t, 2), reduction="some"),
    "mse shapes": lambda t, f: f.mse_loss(z(t, 2), z(t, 3)),
    "smooth_l1 beta": lambda t, f: f.smooth_l1_loss(z(t, 2), z(t, 2), beta=-1.0),
    "bce beyond 1": lambda t, f: f.binary_cross_entropy(t.tensor([1.5]), t.tensor([1.0])),
    "bce below 0": lambda t, f: f.binary_cross_entropy(t.tensor([-0.5]), t.tensor([1.0])),
    "bce shapes": lambda t, f: f.binary_cross_entropy(z(t, 2), z(t, 2, 1)),
    "bce with logits shapes": lambda t, f: f.binary_cross_entropy_with_logits(z(t, 2), z(t, 2, 1)),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_refused_by_both(name: str) -> None:
    """A mistake that PyTorch does not let pass, does not pass here."""
    assert isinstance(outcome(lambda: REFUSED[name](torch, torch.nn.functional)), Exception)
    error = outcome(lambda: REFUSED[name](tg, F))
    assert refused_here(error), error


# --- nothing forgotten -----------------------------------------------------------------------------------

COVERED = {
    "nn.functional": {
        *(row[0] for row in ACTIVATIONS),
        *PAIRED,
        *(
            f"{kind}{axes}d"
            for kind in ("adaptive_avg_pool", "avg_pool", "conv", "conv_transpose", "max_pool")
            for axes in (1, 2, 3)
        ),
        *(
            "linear",
            "prelu",
            "softmax",
            "log_softmax",
            "batch_norm",
            "layer_norm",
            "dropout",
            "pad",
            "one_hot",
        ),
        *("cross_entropy", "nll_loss"),
    }
}


def test_the_same_arrays_in_both() -> None:
    """What the helpers promise: the arrays as they are here, a copy for PyTorch."""
    array = np.arange(6.0).reshape(2, 3)[:, ::-1]
    same(ours(array), theirs(array))

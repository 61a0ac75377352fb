"""Activations, dropouts and normalizations against PyTorch 2.13; what runs pixel by pixel or per channel."""

from __future__ import annotations

import inspect
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

F, TF = tg.nn.functional, torch.nn.functional
dtypes = st.sampled_from(DTYPES)
nan, inf = np.nan, np.inf


def run(name: str) -> Callable[..., Any]:
    """The function of that name, of either library."""
    return lambda t, *args, **options: getattr(t.nn.functional, name)(*args, **options)


# --- activations -----------------------------------------------------------------------------------------

# (function, options, values, order, kinks)
ACTIVATIONS: list[tuple[str, dict[str, Any], Values, int, tuple[float, ...]]] = [
    ("relu6", {}, away_from(0.0, 6.0), 2, (0, 6)),
    ("relu6", {"inplace": False}, normal, 1, (0, 6)),
    ("selu", {}, away_from(0.0), 2, (0,)),
    ("celu", {}, away_from(0.0), 2, (0,)),
    ("celu", {"alpha": 0.25}, normal, 1, (0,)),
    ("celu", {"alpha": -2.0}, normal, 1, ()),
    ("elu", {"alpha": -0.7}, away_from(0.0), 2, ()),
    ("mish", {}, normal, 2, ()),
    ("mish", {}, uniform(-40, 12), 2, ()),
    ("hardswish", {}, away_from(-3.0, 3.0), 2, (-3, 3)),
    ("hardswish", {}, uniform(-5, 5), 1, ()),
    ("hardsigmoid", {}, away_from(-3.0, 3.0), 2, (-3, 3)),
    ("hardsigmoid", {}, uniform(-5, 5), 1, ()),
    ("softsign", {}, away_from(0.0), 2, ()),
    ("tanhshrink", {}, normal, 2, ()),
    ("softshrink", {}, away_from(-0.5, 0.5), 2, (-0.5, 0.5)),
    ("softshrink", {"lambd": 0.25}, normal, 1, (-0.25, 0.25)),
    ("softshrink", {"lambd": 0.0}, normal, 1, (0,)),
    ("hardshrink", {}, away_from(-0.5, 0.5), 2, (-0.5, 0.5)),
    ("hardshrink", {"lambd": 1.25}, normal, 1, (-1.25, 1.25)),
    ("hardshrink", {"lambd": -1.0}, normal, 1, ()),
    ("threshold", {"threshold": 0.5, "value": 7.0}, away_from(0.5), 2, (0.5,)),
    ("threshold", {"threshold": -0.5, "value": 0}, normal, 1, (-0.5,)),
    ("rrelu", {}, away_from(0.0), 2, (0,)),
    ("rrelu", {"lower": 0.25, "upper": 0.5, "training": False}, normal, 1, (0,)),
    ("rrelu", {"lower": 0.25, "upper": 0.25, "training": True}, normal, 1, ()),
    ("hardtanh", {"min_val": -0.5, "max_val": 0.5}, normal, 1, (-0.5, 0.5)),
]
# PyTorch's slope 1 / 6 is a float32 in float64 too (and so is celu's 1 / alpha); see test_differences.py
ROUNDED = {("hardsigmoid", "float64")}
EXTREME = np.array([0.0, -0.0, 1e4, -1e4, 100.0, -100.0, 20.0, 21.0, 1.0, -1.0, inf, -inf])


@pytest.mark.parametrize("name, options, values, order, kinks", ACTIVATIONS)
@few
@given(data=st.data(), dtype=dtypes)
def test_activation(
    name: str, options: Any, values: Values, order: int, kinks: Any, data: Any, dtype: str
) -> None:
    order = 0 if (name, dtype) in ROUNDED else order
    agree(run(name), [data.draw(arrays(shapes(), values, dtype=dtype))], order=order, terms=4, **options)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, options, values, order, kinks", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_activation_at_kinks_and_far_out(
    name: str, options: Any, values: Any, order: int, kinks: Any, dtype: str
) -> None:
    order = 0 if (name, dtype) in ROUNDED else 1
    agree(run(name), [np.array(kinks, dtype)], order=order, terms=4, **options)
    x = EXTREME.astype(dtype)
    if name in ("mish", "tanhshrink", "softsign", "hardswish"):  # the limits are inf / inf, or 0 times inf
        x = x[np.isfinite(x)]
    agree(run(name), [x], order=order, terms=4, **options)
    agree(run(name), [np.array([nan], dtype)], order=0, **options)


@pytest.mark.parametrize("name", ["relu6", "hardtanh", "softsign", "tanhshrink"])
@pytest.mark.parametrize("dtype", ["int64", "int32", "int16"])
def test_activation_of_integers(name: str, dtype: str) -> None:
    agree(run(name), [np.array([-7, -1, 0, 1, 3, 6, 9], dtype)])
    agree(run("threshold"), [np.array([-7, -1, 0, 1, 3, 6, 9], dtype)], 1, 4)


@given(st.data(), dtypes)
def test_glu(data: Any, dtype: str) -> None:
    shape = data.draw(shapes(min_dims=1))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape = tuple(2 * n if i == dim % len(shape) else n for i, n in enumerate(shape))
    x = data.draw(arrays(shape, dtype=dtype))
    agree(run("glu"), [x], dim, order=2)
    if dim == -1:
        agree(run("glu"), [x], order=1)


@few
@given(st.data(), dtypes)
def test_softmin(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1), dtype=dtype))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    agree(run("softmin"), [x], dim=dim, order=2)
    agree(lambda t, x: t.nn.functional.softmin(x, dim=dim, dtype=t.float64), [x], order=1)


def test_slopes_of_rrelu_are_drawn() -> None:
    """Evenly between the bounds, one for each element that is not positive; the gradient is the slope."""
    tg.manual_seed(0)
    torch.manual_seed(0)
    slopes = []
    for t in (tg, torch):
        x = t.full((200, 500), -2.0, requires_grad=True)
        out = t.nn.functional.rrelu(x, 0.2, 0.6, training=True)
        out.sum().backward()
        np.testing.assert_array_equal(out.detach().numpy(), -2 * x.grad.numpy())
        slopes.append(np.array(x.grad.numpy()))
        assert t.nn.functional.rrelu(t.ones(3), training=True).tolist() == [1, 1, 1]
    mine, wanted = slopes
    assert mine.min() >= np.float32(0.2) and mine.max() <= np.float32(0.6)
    for q in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert abs(np.quantile(mine, q) - np.quantile(wanted, q)) < 0.01


@pytest.mark.parametrize("tau", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("dim", [-1, 0])
def test_gumbel_softmax(tau: float, dim: int) -> None:
    """Classes come as often as softmax says, and as soft as `tau` says; hard ones have the soft gradient."""
    tg.manual_seed(0)
    torch.manual_seed(0)
    p = np.array([0.1, 0.2, 0.7])
    logits = (
        np.broadcast_to(np.log(p), (40_000, 3)).T if dim == 0 else np.broadcast_to(np.log(p), (40_000, 3))
    )
    logits = np.ascontiguousarray(logits)
    soft, hard = [], []
    for t, make in ((tg, ours), (torch, theirs)):
        x = make(logits, True)
        y = t.nn.functional.gumbel_softmax(x, tau, hard=True, dim=dim)
        hard.append(np.array(y.detach().numpy()).mean(1 - (dim % 2)))
        (y * y.detach()).sum().backward()
        assert np.abs(x.grad.numpy()).max() > 1e-4
        np.testing.assert_allclose(x.grad.numpy().sum(dim % 2), 0, atol=1e-12)
        soft.append(np.sort(t.nn.functional.gumbel_softmax(make(logits), tau=tau, dim=dim).numpy().ravel()))
    np.testing.assert_allclose(hard[0], p, atol=0.015)
    np.testing.assert_allclose(hard[0], hard[1], atol=0.02)
    np.testing.assert_allclose(soft[0][::1000], soft[1][::1000], atol=0.02)


IN_PLACE: dict[str, tuple[Any, ...]] = {
    "relu_": (), "elu_": (0.5,), "celu_": (0.5,), "selu_": (), "leaky_relu_": (0.3,), "rrelu_": (0.1, 0.3),
    "hardtanh_": (-0.5, 0.7), "threshold_": (0.2, 5.0),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_activation_in_place(name: str) -> None:
    """The input itself becomes the result, on the tape as well."""
    array = np.random.default_rng(0).standard_normal((3, 4))

    def call(t: Any, x: Any) -> Any:
        y = x * 2
        assert getattr(t.nn.functional, name)(y, *IN_PLACE[name]) is y
        return y * y

    agree(call, [array], order=2)
    for t, make in ((tg, ours), (torch, theirs)):
        with pytest.raises(RuntimeError, match="leaf"):
            getattr(t.nn.functional, name)(make(array, True), *IN_PLACE[name])
    mine = tg.tensor(array)
    view = mine.view(-1)
    getattr(F, name)(mine, *IN_PLACE[name])
    assert view.tolist() == mine.flatten().tolist() != array.ravel().tolist()
    plain = inspect.signature(getattr(F, name[:-1]))
    assert list(inspect.signature(getattr(F, name)).parameters) == [
        p for p in plain.parameters if p != "inplace"
    ]


# --- dropout ---------------------------------------------------------------------------------------------

# name: (shape, axes that share one decision)
DROPOUTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "dropout": ((200, 300), ()),
    "dropout1d": ((200, 300, 3), (2,)),
    "dropout2d": ((200, 300, 2, 3), (2, 3)),
    "dropout3d": ((200, 300, 2, 1, 2), (2, 3, 4)),
    "alpha_dropout": ((200, 300), ()),
    "feature_alpha_dropout": ((200, 300, 2, 3), (2, 3)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout(name: str, p: float, dtype: str) -> None:
    """What is dropped is left to chance; how often, what becomes of x and the gradient are not."""
    shape, together = DROPOUTS[name]
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    found = []
    for t, make in ((tg, ours), (torch, theirs)):
        t.manual_seed(1)
        leaf = make(x, True)
        out = getattr(t.nn.functional, name)(leaf, p, True)
        out.sum().backward()
        found.append((np.array(out.detach().numpy()), np.array(leaf.grad.numpy())))
    (out, slope), (out_, slope_) = found
    assert out.dtype == out_.dtype and slope.dtype == slope_.dtype
    # out is slope x + shift, with two values of both
    values = [np.unique(a.round(5)) for a in (slope, slope_, out - slope * x, out_ - slope_ * x)]
    np.testing.assert_allclose(values[0], values[1], atol=2e-5)
    np.testing.assert_allclose(
        [values[2].min(), values[2].max()], [values[3].min(), values[3].max()], atol=4e-5
    )
    kept = slope != 0
    assert (kept == kept.max(together, keepdims=True)).all() if together else True
    count = kept.size // int(np.prod([shape[axis] for axis in together]))
    assert abs(kept.mean() - (1 - p)) <= 5 * (p * (1 - p) / count) ** 0.5
    leaf = ours(x)
    assert getattr(F, name)(leaf, p, training=False) is leaf


@pytest.mark.parametrize("name", ["dropout1d", "dropout2d", "dropout3d"])
def test_dropout_of_one_image(name: str) -> None:
    axes = int(name[-2])
    x = tg.ones(1000, *(2,) * axes)
    kept = getattr(F, name)(x, 0.5).array != 0
    assert (kept == kept.reshape(1000, -1)[:, 0].reshape(-1, *(1,) * axes)).all()
    assert 400 < kept.sum() / 2**axes < 600


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_twice_differentiated(name: str) -> None:
    """It is linear in x: the second derivative is that of what comes after."""
    x = tg.rand(2, 3, *(2,) * (len(DROPOUTS[name][0]) - 2), requires_grad=True)
    out = getattr(F, name)(x, 0.4, True)
    (slope,) = tg.autograd.grad(out.sum(), x, retain_graph=True)
    (first,) = tg.autograd.grad((out**3).sum(), x, create_graph=True)
    (second,) = tg.autograd.grad(first.sum(), x)
    np.testing.assert_allclose(second.array, (out * 6 * slope**2).array, rtol=1e-5)


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_alpha_dropout_keeps_mean_and_variance(name: str) -> None:
    tg.manual_seed(0)
    x = tg.randn(2000, 200)
    out = getattr(F, name)(x, 0.3, True)
    assert abs(out.mean().item()) < 0.01 and abs(out.std().item() - 1) < 0.01
    assert inspect.signature(getattr(F, name)).parameters["training"].default is False


# --- normalization ---------------------------------------------------------------------------------------


@st.composite
def grouped(draw: Any, groups: Any) -> Any:
    """(images with at least two values per group, number of groups, weight and bias or less)."""
    n_groups, each = draw(groups), draw(st.integers(1, 3))
    size = draw(shapes(max_dims=3, min_side=1))
    if each * int(np.prod(size, dtype=int)) < 2:
        size = (*size, 2)
    dtype = draw(dtypes)
    x = draw(arrays((draw(st.sampled_from((1, 2, 3))), n_groups * each, *size), apart, dtype=dtype))
    count = draw(st.integers(0, 2))
    return x, n_groups, [draw(arrays(x.shape[1:2], dtype=dtype)) for _ in range(count)]


@given(grouped(st.integers(1, 3)), st.sampled_from((1e-5, 0.1)))
def test_group_norm(case: Any, eps: float) -> None:
    x, groups, wb = case
    # Groups of two values have slopes of nearly 0: what is left when 1 / deviation, up to 20, is multiplied
    # with the incoming gradient, and most of it cancels.
    agree(lambda t, x, *wb: t.nn.functional.group_norm(x, groups, *wb, eps=eps), [x, *wb], terms=32 * x.size)
    if eps == 0.1:
        agree(
            lambda t, x, *wb: t.nn.functional.group_norm(x, groups, *wb, eps=eps),
            [x, *wb], order=2, terms=100 * x.size,
        )  # fmt: skip


@pytest.mark.parametrize("shape", [(0, 4), (2, 4, 0), (0, 4, 3, 3), (2, 4), (3, 4, 1)])
def test_group_norm_of_little(shape: tuple[int, ...]) -> None:
    """Nothing, or groups of one value (each is then its own mean)."""
    agree(run("group_norm"), [np.ones(shape)], 4 if shape[0] > 1 else 2, order=0)


@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 2, 2), (2, 4, 0)])
def test_group_norm_of_nothing_still_depends_on_its_weights(shape: tuple[int, ...]) -> None:
    w = np.ones(4)
    if not shape[0]:  # of no pixels PyTorch makes gradients of NaN
        agree(lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b), [np.ones(shape), w, w], order=1)
    x, weight, bias = tg.zeros(*shape), tg.ones(4, requires_grad=True), tg.ones(4, requires_grad=True)
    tg.nn.functional.group_norm(x, 2, weight, bias).sum().backward()
    assert weight.grad.tolist() == bias.grad.tolist() == [0.0] * 4


@given(st.data(), dtypes)
def test_instance_norm(data: Any, dtype: str) -> None:
    """Results, gradients, and the running statistics left behind."""
    channels = data.draw(st.integers(1, 3))
    size = data.draw(st.sampled_from(((2,), (3,), (1, 2), (2, 2), (2, 1, 2))))
    x = data.draw(arrays((data.draw(st.integers(1, 3)), channels, *size), apart, dtype=dtype))
    of_images = data.draw(st.booleans())
    tracked = data.draw(st.booleans()) or not of_images
    momentum, eps = data.draw(st.sampled_from((0.1, 0.0, 1.0, 0.3))), data.draw(st.sampled_from((1e-5, 0.1)))
    rng = data.draw(generators)
    mean, var = rng.standard_normal(channels).astype(dtype), rng.uniform(0.5, 2, channels).astype(dtype)
    weights = [rng.standard_normal(channels).astype(dtype) for _ in range(data.draw(st.sampled_from((0, 2))))]

    def call(t: Any, x: Any, *wb: Any) -> Any:
        stats = [t.tensor(mean), t.tensor(var)] if tracked else [None, None]
        w, b = wb or (None, None)
        out = t.nn.functional.instance_norm(x, *stats, w, b, of_images, momentum, eps)
        return (out, *stats) if tracked else out

    agree(call, [x, *weights], order=1, terms=32 * x.size)  # as in group_norm
    if eps == 0.1:
        agree(call, [x, *weights], order=2, terms=100 * x.size)


@given(st.data(), dtypes)
def test_local_response_norm(data: Any, dtype: str) -> None:
    shape = data.draw(shapes(min_dims=3, max_dims=5, min_side=1))
    x = data.draw(arrays(shape, dtype=dtype))
    options = data.draw(st.sampled_from(({}, {"alpha": 0.5}, {"alpha": 0.3, "beta": 0.5, "k": 2.0})))
    agree(run("local_response_norm"), [x], data.draw(st.integers(1, 7)), order=2, terms=8 * x.size, **options)
    agree(run("local_response_norm"), [x[:0]], 3, order=0)


@given(st.data(), dtypes)
def test_rms_norm(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), apart, dtype=dtype))
    last = x.shape[data.draw(st.integers(0, x.ndim - 1)) :]
    weight = [data.draw(arrays(last, dtype=dtype))] if data.draw(st.booleans()) else []
    eps = data.draw(st.sampled_from((None, 1e-5, 0.1)))

    def call(t: Any, x: Any, *w: Any) -> Any:
        return t.nn.functional.rms_norm(x, last, *w, eps=eps)

    agree(call, [x, *weight], terms=32 * x.size)  # as in group_norm, of rows with one value
    if eps == 0.1:
        agree(call, [x, *weight], order=2, terms=100 * x.size)


@pytest.mark.parametrize("dtype", DTYPES)
def test_default_eps_of_rms_norm(dtype: str) -> None:
    """It shows in x of its root's size: 3e-4 in float32, 1e-8 in float64."""
    x = np.array([[1.0, -2.0, 3.0]], dtype) * np.sqrt(np.finfo(dtype).eps)
    agree(run("rms_norm"), [x.astype(dtype)], (3,), order=0)
    agree(run("rms_norm"), [np.zeros((2, 0), dtype)], (0,), order=0)


# --- what is refused -------------------------------------------------------------------------------------


def z(t: Any, *size: int, dtype: str = "float32") -> Any:
    return t.zeros(*size, dtype=getattr(t, dtype))


FLOATS_ONLY = ["selu", "celu", "mish", "hardswish", "hardsigmoid", "softshrink", "hardshrink", "rrelu", "glu"]
REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    **{
        f"{name} of ints": lambda t, f, name=name: getattr(f, name)(z(t, 2, dtype="int64"))
        for name in FLOATS_ONLY
    },
    **{
        f"{name} of a list": lambda t, f, name=name: getattr(f, name)([1.0])
        for name in ("relu6", "mish", "glu")
    },
    "hardtanh of bools": lambda t, f: f.hardtanh(t.tensor([True])),
    "celu alpha": lambda t, f: f.celu(z(t, 2), 0.0),
    "softshrink lambd": lambda t, f: f.softshrink(z(t, 2), -1.0),
    "softshrink lambd nan": lambda t, f: f.softshrink(z(t, 2), nan),
    "rrelu bounds": lambda t, f: f.rrelu(z(t, 2), 1.0, 0.5),
    "rrelu bounds in training": lambda t, f: f.rrelu(z(t, 2), 1.0, 0.5, True),
    "threshold without value": lambda t, f: f.threshold(z(t, 2), 1.0),
    "threshold of a word": lambda t, f: f.threshold(z(t, 2), "1", 1),
    "glu odd": lambda t, f: f.glu(z(t, 3)),
    "glu 0-d": lambda t, f: f.glu(t.tensor(1.0)),
    "glu dim": lambda t, f: f.glu(z(t, 2), 1),
    "softmin dim": lambda t, f: f.softmin(z(t, 2), 1),
    "softmin ints": lambda t, f: f.softmin(z(t, 2, dtype="int64"), 0),
    "gumbel ints": lambda t, f: f.gumbel_softmax(z(t, 2, dtype="int64")),
    "gumbel dim": lambda t, f: f.gumbel_softmax(z(t, 2), dim=1),
    "dropout1d p": lambda t, f: f.dropout1d(z(t, 2, 3, 4), 1.5),
    "dropout1d rank": lambda t, f: f.dropout1d(z(t, 3)),
    "dropout1d rank 4": lambda t, f: f.dropout1d(z(t, 1, 1, 1, 3)),
    "dropout2d p": lambda t, f: f.dropout2d(z(t, 2, 3, 4, 4), -0.5),
    "dropout2d ints": lambda t, f: f.dropout2d(z(t, 2, 3, 4, 4, dtype="int64")),
    "dropout3d p": lambda t, f: f.dropout3d(z(t, 2, 3, 4, 4, 4), -0.5),
    "alpha_dropout p": lambda t, f: f.alpha_dropout(z(t, 2), 2.0),
    "alpha_dropout ints": lambda t, f: f.alpha_dropout(z(t, 2, dtype="int64"), 0.5, True),
    "feature_alpha_dropout p": lambda t, f: f.feature_alpha_dropout(z(t, 2, 3), 2.0),
    "feature_alpha_dropout rank": lambda t, f: f.feature_alpha_dropout(z(t, 2), 0.5, True),
    "group_norm groups": lambda t, f: f.group_norm(z(t, 2, 3), 2),
    "group_norm groups 0": lambda t, f: f.group_norm(z(t, 2, 3), 0),
    "group_norm groups -1": lambda t, f: f.group_norm(z(t, 2, 3), -1),
    "group_norm rank": lambda t, f: f.group_norm(z(t, 4), 2),
    "group_norm weight": lambda t, f: f.group_norm(z(t, 2, 4), 2, z(t, 2)),
    "group_norm bias": lambda t, f: f.group_norm(z(t, 2, 4), 2, z(t, 4), z(t, 1)),
    "group_norm dtypes": lambda t, f: f.group_norm(z(t, 2, 4, dtype="float64"), 2, z(t, 4, dtype="int64")),
    "group_norm ints": lambda t, f: f.group_norm(z(t, 2, 4, dtype="int64"), 2),
    "group_norm one value": lambda t, f: f.group_norm(z(t, 1, 4), 4),
    "instance_norm one value": lambda t, f: f.instance_norm(z(t, 2, 3, 1)),
    "instance_norm no pixels": lambda t, f: f.instance_norm(z(t, 2, 3)),
    "instance_norm statistics": lambda t, f: f.instance_norm(z(t, 2, 3, 2), z(t, 4), z(t, 4)),
    "instance_norm weight": lambda t, f: f.instance_norm(z(t, 2, 3, 2), weight=z(t, 4)),
    "instance_norm without statistics": lambda t, f: f.instance_norm(z(t, 2, 3, 2), use_input_stats=False),
    "local_response_norm rank": lambda t, f: f.local_response_norm(z(t, 2, 3), 2),
    "local_response_norm size": lambda t, f: f.local_response_norm(z(t, 2, 3, 2), 0),
    "rms_norm shape": lambda t, f: f.rms_norm(z(t, 2, 3), (4,)),
    "rms_norm nothing": lambda t, f: f.rms_norm(z(t, 2, 3), ()),
    "rms_norm weight": lambda t, f: f.rms_norm(z(t, 2, 3), (3,), z(t, 2)),
    "rms_norm ints": lambda t, f: f.rms_norm(z(t, 2, 3, dtype="int64"), (3,)),
    "in place of ints": lambda t, f: f.selu_(z(t, 2, dtype="int64")),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    """A mistake that PyTorch does not let pass, does not pass here."""
    assert isinstance(outcome(lambda: REFUSED[name](torch, TF)), Exception)
    error = outcome(lambda: REFUSED[name](tg, F))
    assert refused_here(error), error


# --- options of layers that change while they run -----------------------------------------------------------


def test_options_of_a_layer_may_change() -> None:
    x = np.array([-1.0, 2.0])
    for t in (tg, torch):
        layer = t.nn.LeakyReLU(0.5)
        layer.negative_slope = 0.25
        assert layer(t.tensor(x)).tolist() == [-0.25, 2.0]
        assert repr(layer) == "LeakyReLU(negative_slope=0.25)"


def test_rrelu_layer_knows_whether_it_trains() -> None:
    for t in (tg, torch):
        layer = t.nn.RReLU(0.25, 0.75)
        x = t.full((1000,), -1.0)
        assert len(set(layer(x).tolist())) > 500
        assert set(layer.eval()(x).tolist()) == {-0.5}


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("tracked", [True, False])
def test_instance_norm_layer_keeps_statistics(affine: bool, tracked: bool) -> None:
    rng = np.random.default_rng(0)
    layers = [
        t.nn.InstanceNorm2d(3, affine=affine, track_running_stats=tracked).double() for t in (tg, torch)
    ]
    for training in (True, True, False):
        x = rng.standard_normal((2, 3, 4, 4))
        same(layers[0].train(training)(ours(x)), layers[1].train(training)(theirs(x)), 100)
        assert list(layers[0].state_dict()) == list(layers[1].state_dict())
        for mine, wanted in zip(layers[0].buffers(), layers[1].buffers(), strict=True):
            same(mine, wanted, 100)


COVERED = {
    "nn.functional": {
        *(row[0] for row in ACTIVATIONS), *IN_PLACE, *DROPOUTS, "glu", "softmin", "gumbel_softmax",
        "group_norm", "instance_norm", "local_response_norm", "rms_norm",
    }
}  # fmt: skip

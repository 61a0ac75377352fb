"""Layers, containers, initialization and whole models against PyTorch 2.13."""

from __future__ import annotations

import copy
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import few, ours, outcome, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

LIBRARIES = (tg, torch)

# name: [(positional arguments, keyword arguments, shape of the input)]
LAYERS: dict[str, list[tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]]] = {
    "Linear": [((3, 2), {}, (4, 3)), ((3, 2, False), {}, (2, 4, 3)), ((3, 2), {"bias": True}, (3,))],
    "Conv1d": [
        ((2, 4, 3), {}, (2, 2, 7)),
        ((2, 4, 3, 2), {"padding": 1, "dilation": 2, "groups": 2, "bias": False}, (2, 9)),
        ((2, 3, 3), {"padding": "same", "padding_mode": "reflect", "bias": False}, (2, 5)),
    ],
    "Conv2d": [
        ((2, 4, 3), {}, (2, 2, 6, 5)),
        ((2, 4, (3, 1), (2, 1)), {"padding": (1, 0)}, (2, 2, 6, 5)),
        ((4, 4, 3), {"padding": "same", "groups": 4, "padding_mode": "zeros"}, (1, 4, 5, 5)),
        ((2, 2, 3), {"padding": "valid", "dilation": (1, 2), "bias": False}, (2, 6, 6)),
        ((2, 4, 3), {"padding": 1, "padding_mode": "reflect", "groups": 2}, (2, 2, 6, 5)),
        ((2, 2, 4), {"padding": "same", "padding_mode": "circular", "dilation": (1, 2)}, (2, 2, 6, 7)),
        ((2, 2, 3, 2), {"padding": (2, 0), "padding_mode": "replicate"}, (2, 6, 5)),
    ],
    "Conv3d": [
        ((1, 2, 2), {"stride": (1, 2, 1)}, (2, 1, 3, 4, 3)),
        ((1, 1, 3), {"padding": (1, 2, 0), "padding_mode": "circular"}, (2, 1, 3, 4, 3)),
    ],
    "ConvTranspose1d": [((2, 3, 3), {"stride": 2, "output_padding": 1}, (2, 2, 4))],
    "ConvTranspose2d": [
        ((2, 4, 2), {"stride": 2}, (2, 2, 3, 3)),
        ((4, 2, 3, 2, 1, 1), {"groups": 2, "bias": False, "dilation": 2}, (1, 4, 3, 3)),
        ((2, 2, 3), {"padding": (1, 0)}, (2, 3, 3)),
    ],
    "ConvTranspose3d": [((1, 2, 2), {}, (1, 1, 2, 2, 2))],
    "MaxPool1d": [((2,), {}, (2, 2, 5)), ((3, 1, 1), {}, (2, 5))],
    "MaxPool2d": [
        ((2,), {}, (2, 2, 6, 5)),
        ((3, 2, 1), {"ceil_mode": True}, (1, 2, 6, 6)),
        (((2, 3),), {"dilation": (2, 1)}, (2, 2, 6, 6)),
        ((2,), {"stride": (1, 2)}, (2, 6, 6)),
    ],
    "MaxPool3d": [((2,), {}, (1, 2, 4, 4, 4))],
    "AvgPool1d": [((2,), {}, (2, 2, 5))],
    "AvgPool2d": [
        ((2,), {}, (2, 2, 6, 5)),
        ((3,), {"padding": 1, "count_include_pad": False, "ceil_mode": True}, (2, 2, 6, 5)),
        (((2, 3), 1), {"divisor_override": 5}, (2, 6, 5)),
    ],
    "AvgPool3d": [((2,), {}, (1, 2, 4, 4, 4))],
    "AdaptiveAvgPool1d": [((3,), {}, (2, 2, 7))],
    "AdaptiveAvgPool2d": [
        ((1,), {}, (2, 2, 7, 5)),
        (((3, None),), {}, (2, 2, 7, 5)),
        (((2, 3),), {}, (2, 7, 5)),
    ],
    "AdaptiveAvgPool3d": [((2,), {}, (1, 1, 3, 4, 5))],
    "AdaptiveMaxPool1d": [((3,), {}, (2, 2, 7)), ((2,), {}, (2, 5))],
    "AdaptiveMaxPool2d": [((1,), {}, (2, 2, 7, 5)), (((3, None),), {}, (2, 2, 7, 5)), ((2,), {}, (2, 6, 6))],
    "AdaptiveMaxPool3d": [((2,), {}, (1, 1, 3, 4, 5))],
    "LPPool1d": [((2, 3), {}, (2, 2, 7)), ((2, 3, 2, True), {}, (2, 8))],
    "LPPool2d": [((2, 2), {}, (2, 2, 6, 5)), ((4.0, (2, 3)), {"stride": (1, 2)}, (2, 6, 5))],
    "LPPool3d": [((2, 2), {}, (1, 2, 4, 4, 4))],
    "ConstantPad1d": [((1, 2.5), {}, (2, 2, 4)), (((2, -1), -1), {}, (2, 4))],
    "ConstantPad2d": [((1, 0.5), {}, (2, 2, 4, 3)), (((1, 0, -1, 2), 3.0), {}, (2, 4, 3))],
    "ConstantPad3d": [((1, 0.0), {}, (1, 2, 2, 3, 2))],
    "ZeroPad1d": [((1,), {}, (2, 2, 4))],
    "ZeroPad2d": [((1,), {}, (2, 2, 4, 3)), (((1, 2, 0, 3),), {}, (2, 2, 4, 3))],
    "ZeroPad3d": [((1,), {}, (1, 2, 2, 3, 2))],
    "ReflectionPad1d": [((2,), {}, (2, 2, 4)), (((1, 3),), {}, (2, 4))],
    "ReflectionPad2d": [((2,), {}, (2, 2, 4, 3)), (((1, 2, 0, 3),), {}, (2, 4, 3))],
    "ReflectionPad3d": [((1,), {}, (1, 2, 2, 3, 2)), (((1, 0, 2, 1, 0, 1),), {}, (2, 2, 3, 2))],
    "ReplicationPad1d": [((5,), {}, (2, 2, 4)), (((1, 3),), {}, (2, 4))],
    "ReplicationPad2d": [((2,), {}, (2, 2, 4, 3)), (((1, 2, 0, 7),), {}, (2, 4, 3))],
    "ReplicationPad3d": [((1,), {}, (1, 2, 2, 3, 2))],
    "CircularPad1d": [((2,), {}, (2, 2, 4)), (((1, 4),), {}, (2, 4))],
    "CircularPad2d": [((2,), {}, (2, 2, 4, 3)), (((1, 2, 0, 3),), {}, (2, 4, 3))],
    "CircularPad3d": [((1,), {}, (1, 2, 2, 3, 2))],
    "Unfold": [((2,), {}, (2, 2, 4, 3)), (((3, 2), 1, (1, 0), 2), {}, (2, 5, 4))],
    "Fold": [(((3, 4), 2), {}, (2, 8, 6)), ((4, (3, 2)), {"padding": 1, "stride": 2}, (6, 6))],
    "PixelShuffle": [((2,), {}, (2, 8, 3, 2))],
    "PixelUnshuffle": [((2,), {}, (2, 2, 4, 6))],
    "ChannelShuffle": [((3,), {}, (2, 6, 3, 2))],
    "Upsample": [
        ((), {"scale_factor": 2}, (2, 2, 3)),
        (((5, 7),), {"mode": "bilinear", "align_corners": True}, (2, 2, 3, 4)),
        ((), {"scale_factor": (1.5, 2), "mode": "bicubic"}, (2, 2, 4, 3)),
        ((5,), {"mode": "trilinear"}, (1, 1, 3, 2, 4)),
        ((), {"scale_factor": 1.7, "mode": "linear", "recompute_scale_factor": True}, (1, 1, 6)),
    ],
    "UpsamplingNearest2d": [((5,), {}, (2, 2, 3, 4)), ((), {"scale_factor": 3}, (2, 2, 3, 4))],
    "UpsamplingBilinear2d": [((5,), {}, (2, 2, 3, 4)), ((), {"scale_factor": 2}, (2, 2, 3, 4))],
    "BatchNorm1d": [((3,), {}, (4, 3)), ((3,), {"affine": False}, (4, 3, 5))],
    "BatchNorm2d": [
        ((3,), {}, (2, 3, 4, 4)),
        ((3, 1e-3, 0.3), {}, (2, 3, 4, 4)),
        ((3,), {"track_running_stats": False}, (2, 3, 2, 2)),
        ((3,), {"momentum": None}, (2, 3, 2, 2)),
    ],
    "BatchNorm3d": [((2,), {}, (2, 2, 2, 2, 2))],
    "LayerNorm": [
        ((3,), {}, (4, 3)),
        (((2, 3),), {"eps": 1e-3}, (4, 2, 3)),
        ((3,), {"elementwise_affine": False}, (4, 3)),
        (([3],), {"bias": False}, (4, 3)),
    ],
    "GroupNorm": [
        ((2, 4), {}, (3, 4)),
        ((2, 4, 1e-3), {}, (3, 4, 5)),
        ((1, 4), {"bias": False}, (3, 4, 2, 3)),
        ((4, 4), {"affine": False}, (3, 4, 2, 3)),
    ],
    "InstanceNorm1d": [((3,), {}, (4, 3, 5)), ((3,), {"affine": True}, (3, 5))],
    "InstanceNorm2d": [
        ((3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 4)),
        ((3, 1e-3, 0.3), {"track_running_stats": True}, (3, 4, 4)),
        ((3,), {"affine": True, "bias": False, "momentum": 0.5}, (2, 3, 4, 4)),
    ],
    "InstanceNorm3d": [((2,), {}, (2, 2, 2, 2, 2)), ((2,), {"affine": True}, (2, 2, 2, 2))],
    "LocalResponseNorm": [((3,), {}, (2, 4, 3)), ((2, 0.1, 0.5, 2.0), {}, (2, 4, 3, 3))],
    "RMSNorm": [
        ((3,), {}, (4, 3)),
        (((2, 3),), {"eps": 1e-3}, (4, 2, 3)),
        (([3],), {"elementwise_affine": False}, (4, 3)),
    ],
    "ReLU6": [((), {}, (3, 4)), ((True,), {}, (3, 4))],
    "CELU": [((), {}, (3, 4)), ((0.5,), {}, (3, 4)), ((0.5, True), {}, (3, 4))],
    "SELU": [((), {}, (3, 4)), ((), {"inplace": True}, (3, 4))],
    "Mish": [((), {}, (3, 4)), ((), {"inplace": True}, (3, 4))],
    "Hardswish": [((), {}, (3, 4))],
    "Hardsigmoid": [((), {}, (3, 4))],
    "Hardshrink": [((), {}, (3, 4)), ((0.25,), {}, (3, 4))],
    "Softshrink": [((), {}, (3, 4)), ((), {"lambd": 0.25}, (3, 4))],
    "Softsign": [((), {}, (3, 4))],
    "Tanhshrink": [((), {}, (3, 4))],
    "Threshold": [
        ((0.1, 20), {}, (3, 4)),
        ((0.1, 2.0, True), {}, (3, 4)),
        ((), {"threshold": 0, "value": 0}, (3,)),
    ],
    "RReLU": [((0.25, 0.25), {}, (3, 4)), ((), {"lower": 0.5, "upper": 0.5, "inplace": True}, (3, 4))],
    "GLU": [((), {}, (3, 4)), ((0,), {}, (4, 3))],
    "Softmin": [((1,), {}, (3, 4)), ((), {"dim": 0}, (3, 4))],
    "Softmax2d": [((), {}, (2, 3, 4, 4)), ((), {}, (3, 4, 4))],
    "ReLU": [((), {}, (3, 4)), ((), {"inplace": True}, (3, 4))],
    "LeakyReLU": [((), {}, (3, 4)), ((0.2,), {}, (3, 4)), ((0.2, True), {}, (3, 4))],
    "ELU": [((), {}, (3, 4)), ((0.5,), {}, (3, 4))],
    "GELU": [((), {}, (3, 4)), ((), {"approximate": "tanh"}, (3, 4))],
    "SiLU": [((), {}, (3, 4))],
    "Softplus": [((), {}, (3, 4)), ((2.0, 10.0), {}, (3, 4))],
    "Sigmoid": [((), {}, (3, 4))],
    "LogSigmoid": [((), {}, (3, 4))],
    "Tanh": [((), {}, (3, 4))],
    "Hardtanh": [((), {}, (3, 4)), ((-0.5, 2.0), {}, (3, 4))],
    "Softmax": [((1,), {}, (3, 4)), ((), {"dim": 0}, (3, 4))],
    "LogSoftmax": [((), {"dim": -1}, (3, 4))],
    "PReLU": [((), {}, (3, 4)), ((4, 0.1), {}, (3, 4, 2))],
    "Dropout": [((0.0,), {}, (3, 4)), ((1.0,), {}, (3, 4))],
    "Dropout1d": [((0.0,), {}, (3, 4, 2)), ((1.0,), {}, (3, 4))],
    "Dropout2d": [((0.0, True), {}, (3, 4, 2, 2)), ((1.0,), {}, (3, 4, 2, 2))],
    "Dropout3d": [((0.0,), {}, (3, 4, 2, 2, 2)), ((1.0,), {"inplace": False}, (3, 4, 2, 2, 2))],
    "AlphaDropout": [((0.0,), {}, (3, 4)), ((1.0,), {}, (3, 4))],
    "FeatureAlphaDropout": [((0.0,), {}, (3, 4)), ((1.0,), {}, (3, 4))],
    "Flatten": [((), {}, (2, 3, 4)), ((0, 1), {}, (2, 3, 4)), ((2,), {}, (2, 3, 4))],
    "Unflatten": [((1, (2, 3)), {}, (2, 6)), ((-1, (-1, 2)), {}, (2, 3, 4))],
    "Identity": [((), {}, (2, 3)), ((54,), {"anything": 1}, (2, 3))],
}
CASES = [
    pytest.param(name, *row, id=f"{name}-{i}") for name, rows in LAYERS.items() for i, row in enumerate(rows)
]


def pair(make: Callable[[Any], Any], dtype: str = "float64") -> tuple[Any, Any]:
    """The same module in both libraries, with PyTorch's weights."""
    mine, wanted = make(tg), make(torch)
    if dtype == "float64":
        mine, wanted = mine.double(), wanted.double()
    keys = mine.load_state_dict({key: value.numpy() for key, value in wanted.state_dict().items()})
    assert not keys.missing_keys and not keys.unexpected_keys
    return mine, wanted


def same_state(mine: Any, wanted: Any, terms: int = 1) -> None:
    """Equal parameters and buffers: keys in order, shapes, dtypes, values."""
    a, b = mine.state_dict(), wanted.state_dict()
    assert list(a) == list(b)
    for key, value in a.items():
        same(value, b[key], terms, key)


def same_gradients(mine: Any, wanted: Any, terms: int) -> None:
    others = dict(wanted.named_parameters())
    assert [name for name, _ in mine.named_parameters()] == list(others)
    for name, parameter in mine.named_parameters():
        if parameter.grad is None or others[name].grad is None:
            assert parameter.grad is others[name].grad is None
        else:
            same(parameter.grad, others[name].grad, terms, name)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name, args, options, shape", CASES)
def test_layer(name: str, args: Any, options: Any, shape: Any) -> None:
    """Forward, all gradients and buffers, in training (three times) and evaluation, in both dtypes."""
    rng = np.random.default_rng(0)
    in_place = options.get("inplace") or True in args[-1:]
    # PyTorch's slope of hardsigmoid is a float32 in float64, too; see test_differences.py
    for dtype in ("float32",) if name == "Hardsigmoid" else ("float32", "float64"):
        mine, wanted = pair(lambda t: getattr(t.nn, name)(*args, **options), dtype)
        for mode in (True, True, True, False):
            array = rng.standard_normal(shape).astype(dtype)
            x, y = ours(array, True), theirs(array, True)
            # in place PyTorch writes into what it is given, which must not be a leaf then
            out = mine.train(mode)(x * 1 if in_place else x)
            expected = wanted.train(mode)(y * 1 if in_place else y)
            same(out, expected, 8 * x.numel())
            g = rng.integers(-3, 4, out.shape).astype(dtype)
            out.backward(ours(g))
            expected.backward(theirs(g))
            same(x.grad, y.grad, 8 * x.numel())
            same_state(mine, wanted, 8 * x.numel())
            same_gradients(mine, wanted, 32 * x.numel())


# Attributes of PyTorch's layers that no user's code reads.
INTERNAL = {"training", "transposed", "output_padding", "init", "name", "ReLU6.min_val", "ReLU6.max_val"}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name, args, options, shape", CASES)
def test_layer_looks_alike(name: str, args: Any, options: Any, shape: Any) -> None:
    mine, wanted = (getattr(t.nn, name)(*args, **options) for t in LIBRARIES)
    assert repr(mine) == repr(wanted)
    assert {k: (v.shape, str(v.dtype)) for k, v in mine.state_dict().items()} == {
        k: (tuple(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in wanted.state_dict().items()
    }
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in wanted.named_parameters()]
    assert [n for n, _ in mine.named_buffers()] == [n for n, _ in wanted.named_buffers()]
    for attribute, value in vars(wanted).items():
        internal = attribute.startswith("_") or INTERNAL & {attribute, f"{name}.{attribute}"}
        if not internal and isinstance(value, (int, float, str, tuple)):
            assert getattr(mine, attribute) == value, attribute


# Arguments of PyTorch's that are left out: what they would choose does not exist, or they are deprecated.
LEFT_OUT = {
    "device": "there is one device",
    "dtype": "module.double() converts",
    "size_average": "deprecated since 2018; reduction",
    "reduce": "deprecated since 2018; reduction",
    "min_value": "deprecated; min_val",
    "max_value": "deprecated; max_val",
}
# Signatures that differ otherwise; test_differences.py says why.
OTHERWISE = {"Softmax", "Softmin", "LogSoftmax", "Sequential", "ModuleList", "Parameter", "Module"}
OTHERWISE |= {"DiceLoss", "FocalLoss", "GeneralizedDiceLoss", "JaccardLoss", "TverskyLoss"}  # not in PyTorch
# Which swallow any arguments in PyTorch.
OTHERWISE |= {"LogSigmoid", "Sigmoid", "Softmax2d", "Softsign", "Tanh", "Tanhshrink"}
OTHERWISE |= {"UninitializedBuffer"}  # `persistent` is said when it is registered


def classes() -> list[str]:
    return [name for name in tg.nn.__all__ if inspect.isclass(getattr(tg.nn, name))]


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, default, kind), without what is left out on purpose; a function as default by its name."""
    return [
        (p.name, p.default.__name__ if inspect.isroutine(p.default) else p.default, p.kind)
        for p in inspect.signature(function).parameters.values()
        if p.name not in LEFT_OUT
    ]


@pytest.mark.parametrize("name", [name for name in classes() if name not in OTHERWISE])
def test_constructor(name: str) -> None:
    """The same arguments in the same order with the same defaults."""
    mine, wanted = parameters(getattr(tg.nn, name)), parameters(getattr(torch.nn, name))
    if name.endswith("Loss"):  # after `weight` PyTorch has the deprecated ones, so here they are keyword-only
        assert [p[:2] for p in mine] == [p[:2] for p in wanted]
    else:
        assert mine == wanted


# --- losses ----------------------------------------------------------------------------------------------

LOSSES: dict[str, list[dict[str, Any]]] = {
    "CrossEntropyLoss": [
        {},
        {"reduction": "sum", "label_smoothing": 0.1, "ignore_index": 1},
        {"weight": True},
    ],
    "NLLLoss": [{}, {"reduction": "none"}, {"weight": True, "ignore_index": 0}],
    "MSELoss": [{}, {"reduction": "sum"}],
    "L1Loss": [{}, {"reduction": "none"}],
    "SmoothL1Loss": [{}, {"beta": 0.5}],
    "HuberLoss": [{}, {"delta": 0.25, "reduction": "sum"}],
    "BCELoss": [{}, {"weight": True}],
    "BCEWithLogitsLoss": [{}, {"pos_weight": True, "reduction": "sum"}],
    "KLDivLoss": [{"reduction": "batchmean"}, {"reduction": "sum", "log_target": True}],
    "PoissonNLLLoss": [{}, {"log_input": False, "full": True, "eps": 0.1, "reduction": "none"}],
    "GaussianNLLLoss": [{}, {"full": True, "eps": 0.5, "reduction": "sum"}],
    "HingeEmbeddingLoss": [{}, {"margin": 0.4, "reduction": "sum"}],
    "MarginRankingLoss": [{}, {"margin": 0.4, "reduction": "none"}],
    "SoftMarginLoss": [{}, {"reduction": "sum"}],
    "MultiLabelSoftMarginLoss": [{}, {"weight": True, "reduction": "none"}],
    "MultiMarginLoss": [{}, {"p": 2, "margin": 0.3, "weight": True}, {"reduction": "none"}],
    "MultiLabelMarginLoss": [{}, {"reduction": "none"}],
    "CosineEmbeddingLoss": [{}, {"margin": 0.5, "reduction": "sum"}],
    "TripletMarginLoss": [{}, {"margin": 0.3, "p": 3.0, "eps": 1e-3, "swap": True, "reduction": "none"}],
    "TripletMarginWithDistanceLoss": [
        {}, {"distance_function": lambda a, b: (a - b).abs().sum(-1), "margin": 0.3, "swap": True},
    ],
    "CosineSimilarity": [{}, {"dim": 0, "eps": 1.0}],
    "PairwiseDistance": [{}, {"p": 1.0, "eps": 1e-3, "keepdim": True}],
}  # fmt: skip
LOSS_CASES = [
    pytest.param(name, o, id=f"{name}-{i}") for name, rows in LOSSES.items() for i, o in enumerate(rows)
]


def like_x(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, 1, (4, 3))


def signs(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], (4, 3))


def classes_of(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 3, 4)


# What a loss is called with after x, if it is not one more array like x.
TARGETS: dict[str, tuple[Callable[[np.random.Generator], np.ndarray], ...]] = {
    **dict.fromkeys(("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"), (classes_of,)),
    **dict.fromkeys(("HingeEmbeddingLoss", "SoftMarginLoss"), (signs,)),
    **dict.fromkeys(
        ("GaussianNLLLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"), (like_x, like_x)
    ),
    "PoissonNLLLoss": (lambda rng: rng.integers(0, 5, (4, 3)) + 0.0,),
    "MarginRankingLoss": (like_x, signs),
    "MultiLabelMarginLoss": (lambda rng: np.array([[0, -1, 1], [2, 1, -1], [-1, 0, 0], [1, 2, 0]]),),
    "CosineEmbeddingLoss": (like_x, lambda rng: np.array([1.0, -1.0, -1.0, 1.0])),
}


@pytest.mark.parametrize("name, options", LOSS_CASES)
def test_loss(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.9, (4, 3))
    others = [make(rng) for make in TARGETS.get(name, (like_x,))]
    weight = rng.uniform(0.5, 2, 3)
    results = []
    for t, make in ((tg, ours), (torch, theirs)):
        mine = {k: t.tensor(weight) if v is True and "weight" in k else v for k, v in options.items()}
        criterion, leaf = getattr(t.nn, name)(**mine), make(x, True)
        loss = criterion(leaf, *map(make, others))
        loss.sum().backward()
        results.append((loss, leaf.grad, repr(criterion), list(criterion.state_dict())))
    (loss, grad, text, keys), (loss_, grad_, text_, keys_) = results
    same(loss, loss_, 12)
    same(grad, grad_, 12)
    assert text == text_ and keys == keys_


# --- initial values --------------------------------------------------------------------------------------

LARGE: dict[str, tuple[Any, ...]] = {
    "Linear": (300, 200),
    "Conv1d": (40, 60, 9),
    "Conv2d": (20, 50, 5),
    "Conv3d": (10, 30, 4),
    "ConvTranspose1d": (60, 40, 9),
    "ConvTranspose2d": (50, 20, 5),
    "ConvTranspose3d": (30, 10, 4),
}


@pytest.mark.parametrize("name", LARGE)
def test_default_initialization(name: str) -> None:
    """Uniform within PyTorch's bounds, which its own draws show: the extremes nearly touch them."""
    tg.manual_seed(0)
    torch.manual_seed(0)
    mine, wanted = (getattr(t.nn, name)(*LARGE[name]) for t in LIBRARIES)
    for key, value in mine.state_dict().items():
        alike(value.array, wanted.state_dict()[key].numpy())


def alike(a: np.ndarray, b: np.ndarray) -> None:
    """Two samples of one distribution: quantiles, ends, mean and deviation within five standard errors."""
    n, std = a.size, b.std()
    assert a.shape == b.shape and a.dtype == b.dtype
    if (b == b.flat[0]).all():
        assert (a == b).all()
        return
    error = 5 * np.sqrt(2 / n)
    assert abs(a.mean() - b.mean()) <= error * std
    assert abs(a.std() - std) <= error * std
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert abs((a <= np.quantile(b, q)).mean() - q) <= error
    if n > 1000:
        np.testing.assert_allclose([a.min(), a.max()], [b.min(), b.max()], atol=10 * std / np.sqrt(n) + std)


INITS: dict[str, list[dict[str, Any]]] = {
    "uniform_": [{}, {"a": -2.0, "b": 3.0}],
    "normal_": [{}, {"mean": 2.0, "std": 0.5}],
    "trunc_normal_": [{}, {"mean": 1.0, "std": 2.0, "a": -1.0, "b": 1.5}],
    "constant_": [{"val": 0.3}],
    "ones_": [{}],
    "zeros_": [{}],
    "kaiming_uniform_": [{}, {"a": 1.0, "mode": "fan_out"}, {"nonlinearity": "relu"}],
    "kaiming_normal_": [{}, {"mode": "fan_out", "nonlinearity": "tanh"}],
    "xavier_uniform_": [{}, {"gain": 2.0}],
    "xavier_normal_": [{}, {"gain": 0.5}],
    "orthogonal_": [{}, {"gain": 3.0}],
}
INIT_CASES = [
    pytest.param(name, o, id=f"{name}-{i}") for name, rows in INITS.items() for i, o in enumerate(rows)
]


@pytest.mark.parametrize("shape", [(120, 150), (40, 30, 3, 3)], ids=str)
@pytest.mark.parametrize("name, options", INIT_CASES)
def test_init(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    tg.manual_seed(1)
    torch.manual_seed(1)
    mine, wanted = (t.zeros(*shape, requires_grad=True) for t in LIBRARIES)
    for t, tensor in ((tg, mine), (torch, wanted)):
        assert getattr(t.nn.init, name)(tensor, **options) is tensor
        assert tensor.is_leaf and tensor.requires_grad
    alike(mine.array, wanted.detach().numpy())
    if name == "orthogonal_":
        rows = mine.array.reshape(shape[0], -1).astype(np.float64)
        gain = options.get("gain", 1.0)
        np.testing.assert_allclose(rows @ rows.T, gain**2 * np.eye(shape[0]), atol=1e-4)


@pytest.mark.parametrize(
    "args", [(name,) for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")]
    + [("leaky_relu", 0.3), ("conv_transpose2d",), ("some",)],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_gain(args: Any) -> None:
    mine, wanted = (outcome(lambda t=t: t.nn.init.calculate_gain(*args)) for t in LIBRARIES)
    if isinstance(wanted, Exception):
        assert refused_here(mine)
    else:
        assert mine == pytest.approx(wanted, rel=1e-15)


# --- containers ------------------------------------------------------------------------------------------


def block(t: Any) -> Any:
    """A module of every kind of part."""

    class Block(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = t.nn.Linear(3, 4)
            self.scale = t.nn.Parameter(t.ones(4))
            self.layers = t.nn.ModuleList([t.nn.Linear(4, 4), t.nn.ReLU()])
            self.heads = t.nn.ModuleDict({"a": t.nn.Linear(4, 2), "b": t.nn.Linear(4, 1)})
            self.tail = t.nn.Sequential(OrderedDict(norm=t.nn.LayerNorm(2), drop=t.nn.Dropout(0.0)))
            self.register_buffer("shift", t.zeros(4))
            self.register_buffer("secret", t.zeros(1), persistent=False)
            self.register_buffer("nothing", None)
            self.register_parameter("absent", None)
            self.shared = self.first

        def forward(self, x: Any) -> Any:
            x = self.shared(x) * self.scale + self.shift
            for layer in self.layers:
                x = layer(x)
            return self.tail(self.heads["a"](x)) + self.heads["b"](x)

    return Block()


def applied(module: Any) -> list[str]:
    seen: list[str] = []
    assert module.apply(lambda part: seen.append(type(part).__name__)) is module
    return seen


TREE: dict[str, Callable[[Any], Any]] = {
    "named_parameters": lambda m: [n for n, _ in m.named_parameters()],
    "named_parameters of its own": lambda m: [n for n, _ in m.named_parameters(recurse=False)],
    "named_parameters with prefix": lambda m: [n for n, _ in m.named_parameters("p")],
    "named_parameters, all": lambda m: [n for n, _ in m.named_parameters(remove_duplicate=False)],
    "parameters": lambda m: [tuple(p.shape) for p in m.parameters()],
    "named_buffers": lambda m: [n for n, _ in m.named_buffers()],
    "buffers": lambda m: len(list(m.buffers())),
    "named_modules": lambda m: [(n, type(x).__name__) for n, x in m.named_modules()],
    "named_modules, all": lambda m: [n for n, _ in m.named_modules(remove_duplicate=False)],
    "modules": lambda m: len(list(m.modules())),
    "named_children": lambda m: [n for n, _ in m.named_children()],
    "children": lambda m: [type(x).__name__ for x in m.children()],
    "state_dict": lambda m: list(m.state_dict()),
    "repr": repr,
    "get_submodule": lambda m: repr(m.get_submodule("heads.a")),
    "get_submodule ''": lambda m: m.get_submodule("") is m,
    "get_parameter": lambda m: tuple(m.get_parameter("layers.0.bias").shape),
    "train": lambda m: (m.eval() is m, m.training, m.tail[1].training, m.train().training),
    "requires_grad_": lambda m: [p.requires_grad for p in m.requires_grad_(False).parameters()],
    "ModuleList": lambda m: (len(m.layers), repr(m.layers[-1]), list(map(repr, m.layers))),
    "ModuleList slice": lambda m: repr(m.layers[:1]),
    "ModuleList append": lambda m: repr(m.layers.append(copy.deepcopy(m.first)).extend([m.tail])),
    "ModuleList insert": lambda m: (m.layers.insert(1, m.first), repr(m.layers)),
    "ModuleList set": lambda m: (m.layers.__setitem__(0, m.tail), repr(m.layers)),
    "ModuleList del": lambda m: (m.layers.__delitem__(0), repr(m.layers)),
    "ModuleDict": lambda m: (list(m.heads), len(m.heads), "a" in m.heads, list(m.heads.keys())),
    "ModuleDict items": lambda m: [(k, repr(v)) for k, v in m.heads.items()],
    "ModuleDict set": lambda m: (m.heads.update({"c": m.first}), m.heads.__delitem__("a"), repr(m.heads)),
    "Sequential": lambda m: (len(m.tail), repr(m.tail[0]), repr(m.tail[1:]), [repr(x) for x in m.tail]),
    "apply": lambda m: applied(m),
    "reassign keeps the place": lambda m: (
        setattr(m, "scale", type(m.scale)(m.scale.detach() * 2)), [n for n, _ in m.named_parameters()],
    ),
    "deepcopy": lambda m: repr(copy.deepcopy(m)),
    "double": lambda m: [str(v.dtype).removeprefix("torch.") for v in m.double().state_dict().values()],
    "zero_grad": lambda m: (m.zero_grad(), [p.grad for p in m.parameters()]),
}  # fmt: skip


@pytest.mark.parametrize("what", TREE)
def test_tree(what: str) -> None:
    assert TREE[what](block(tg)) == TREE[what](block(torch))


def test_block_computes_alike() -> None:
    mine, wanted = pair(block)
    x = np.random.default_rng(0).standard_normal((5, 3))
    out, expected = mine(ours(x)), wanted(theirs(x))
    same(out, expected, 20)
    out.sum().backward()
    expected.sum().backward()
    same_gradients(mine, wanted, 100)


# --- whole models ----------------------------------------------------------------------------------------


def lenet(t: Any) -> Any:
    class LeNet(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = t.nn.Conv2d(1, 3, 5, padding=2)
            self.conv2 = t.nn.Conv2d(3, 4, 3)
            self.pool = t.nn.MaxPool2d(2)
            self.fc1 = t.nn.Linear(4 * 2 * 2, 8)
            self.fc2 = t.nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = self.pool(t.relu(self.conv1(x)))
            x = self.pool(t.nn.functional.relu(self.conv2(x)))
            return self.fc2(t.tanh(self.fc1(x.flatten(1))))

    return LeNet()


def resnet(t: Any) -> Any:
    nn = t.nn

    class Residual(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.down = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(t.relu(self.bn1(self.conv1(x)))))
            return t.relu(y + self.down(x))

    return nn.Sequential(
        Residual(1, 3, 1), Residual(3, 4, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


def unet(t: Any) -> Any:
    nn = t.nn

    def double(channels: int, out: int) -> Any:
        return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.LeakyReLU(0.1))

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.bottom = double(1, 3), double(3, 4)
            self.down, self.up = nn.MaxPool2d(2), nn.ConvTranspose2d(4, 3, 2, stride=2)
            self.right, self.head = double(6, 3), nn.Conv2d(3, 3, 1)

        def forward(self, x: Any) -> Any:
            skip = self.left(x)
            return self.head(self.right(t.cat([skip, self.up(self.bottom(self.down(skip)))], dim=1)))

    return UNet()


# name: (model, shape of a target)
MODELS = {"lenet": (lenet, (4,)), "resnet": (resnet, (4,)), "unet": (unet, (4, 12, 12))}


@pytest.mark.parametrize("name", MODELS)
def test_model_trains_alike(name: str) -> None:
    """Five steps of SGD with momentum in float64; then the same loss, weights, statistics and predictions."""
    make, labels = MODELS[name]
    mine, wanted = pair(make)
    assert repr(mine) == repr(wanted)
    rng = np.random.default_rng(0)
    optimizers = [
        t.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
        for t, m in ((tg, mine), (torch, wanted))
    ]
    for _ in range(5):
        x, y = rng.standard_normal((4, 1, 12, 12)), rng.integers(0, 3, labels)
        losses = []
        for t, make_tensor, model, optimizer in zip(
            LIBRARIES, (ours, theirs), (mine, wanted), optimizers, strict=True
        ):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(make_tensor(x)), make_tensor(y))
            loss.backward()
            optimizer.step()
            losses.append(loss)
        same(*losses, 10_000)
        same_gradients(mine, wanted, 10_000)
    same_state(mine, wanted, 10_000)
    x = rng.standard_normal((2, 1, 12, 12))
    with tg.no_grad(), torch.no_grad():
        same(mine.eval()(ours(x)), wanted.eval()(theirs(x)), 10_000)


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(MODELS)))
def test_gradients_of_models_in_float32(seed: int, name: str) -> None:
    make, labels = MODELS[name]
    mine, wanted = pair(make, "float32")
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((4, 1, 12, 12)).astype(np.float32), rng.integers(0, 3, labels)
    out, expected = mine(ours(x)), wanted(theirs(x))
    same(out, expected, 100)
    tg.nn.functional.cross_entropy(out, ours(y)).backward()
    torch.nn.functional.cross_entropy(expected, theirs(y)).backward()
    same_gradients(mine, wanted, 1000)


# --- what is refused -------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "Conv2d groups": lambda t, nn: nn.Conv2d(3, 4, 3, groups=2),
    "Conv2d groups of filters": lambda t, nn: nn.Conv2d(4, 3, 3, groups=2),
    "Conv2d groups 0": lambda t, nn: nn.Conv2d(4, 4, 3, groups=0),
    "Conv2d padding word": lambda t, nn: nn.Conv2d(4, 4, 3, padding="some"),
    "Conv2d padding_mode": lambda t, nn: nn.Conv2d(4, 4, 3, padding_mode="some"),
    "Conv2d channels": lambda t, nn: nn.Conv2d(3, 4, 3)(t.zeros(1, 2, 5, 5)),
    "Conv2d rank": lambda t, nn: nn.Conv2d(3, 4, 3)(t.zeros(5, 5)),
    "Conv2d ints": lambda t, nn: nn.Conv2d(3, 4, 3)(t.zeros(1, 3, 5, 5, dtype=t.int64)),
    "Conv2d double": lambda t, nn: nn.Conv2d(3, 4, 3)(t.zeros(1, 3, 5, 5, dtype=t.float64)),
    "Conv2d stride": lambda t, nn: nn.Conv2d(3, 4, 3, stride=-1)(t.zeros(1, 3, 5, 5)),
    "Linear features": lambda t, nn: nn.Linear(3, 4)(t.zeros(2, 4)),
    "Linear double": lambda t, nn: nn.Linear(3, 4)(t.zeros(2, 3, dtype=t.float64)),
    "MaxPool2d rank": lambda t, nn: nn.MaxPool2d(2)(t.zeros(4, 4)),
    "MaxPool2d padding": lambda t, nn: nn.MaxPool2d(2, padding=2)(t.zeros(1, 1, 4, 4)),
    "BatchNorm1d rank": lambda t, nn: nn.BatchNorm1d(3)(t.zeros(2, 3, 4, 4)),
    "BatchNorm2d rank": lambda t, nn: nn.BatchNorm2d(3)(t.zeros(2, 3)),
    "BatchNorm2d channels": lambda t, nn: nn.BatchNorm2d(3)(t.zeros(2, 4, 5, 5)),
    "BatchNorm2d one value": lambda t, nn: nn.BatchNorm2d(3)(t.zeros(1, 3, 1, 1)),
    "LayerNorm shape": lambda t, nn: nn.LayerNorm(3)(t.zeros(2, 4)),
    "Dropout p": lambda t, nn: nn.Dropout(1.5),
    "Flatten dims": lambda t, nn: nn.Flatten(2, 1)(t.zeros(1, 2, 3)),
    "Unflatten sizes": lambda t, nn: nn.Unflatten(1, (2, 2))(t.zeros(1, 6)),
    "Sequential of functions": lambda t, nn: nn.Sequential(nn.Linear(2, 2), t.relu)(t.zeros(1, 2)),
    "ModuleList of functions": lambda t, nn: nn.ModuleList([t.relu]),
    "ModuleList out of range": lambda t, nn: nn.ModuleList([nn.ReLU()])[1],
    "ModuleDict missing": lambda t, nn: nn.ModuleDict({"a": nn.ReLU()})["b"],
    "ModuleDict of a method's name": lambda t, nn: nn.ModuleDict({"keys": nn.ReLU()}),
    "unknown argument": lambda t, nn: nn.ReLU(slope=1),
    "too many arguments": lambda t, nn: nn.ReLU(True, 1),
    "missing attribute": lambda t, nn: nn.ReLU().slope,
    "no forward": lambda t, nn: nn.Module()(1),
    "load missing": lambda t, nn: nn.Linear(2, 2).load_state_dict({"weight": t.zeros(2, 2)}),
    "load unexpected": lambda t, nn: nn.ReLU().load_state_dict({"weight": t.zeros(2, 2)}),
    "load shape": lambda t, nn: nn.Linear(2, 2, bias=False).load_state_dict(
        {"weight": t.zeros(2, 3)}, strict=False
    ),
    "get_submodule": lambda t, nn: nn.Sequential(nn.ReLU()).get_submodule("1"),
    "fans of a vector": lambda t, nn: nn.init.kaiming_uniform_(t.zeros(3)),
    "xavier of a vector": lambda t, nn: nn.init.xavier_normal_(t.zeros(3)),
    "kaiming mode": lambda t, nn: nn.init.kaiming_normal_(t.zeros(3, 3), mode="some"),
    "orthogonal vector": lambda t, nn: nn.init.orthogonal_(t.zeros(3)),
    "step before assignment": lambda t, nn: nn.Parameter(t.ones(2, dtype=t.int64)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    wanted, mine = (outcome(lambda t=t: REFUSED[name](t, t.nn)) for t in (torch, tg))
    assert isinstance(wanted, Exception)
    usual = (AttributeError, IndexError, KeyError, NotImplementedError)  # Python's own, as PyTorch
    assert refused_here(mine) or (type(mine) is type(wanted) and isinstance(mine, usual)), mine


COVERED = {
    "nn": {*LAYERS, *LOSSES, "Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"},
    "nn.init": {*INITS, "calculate_gain"},
}

"""More of `nn` against PyTorch 2.13: bags of embeddings, the whole transformer, pruning, and what programs
read and import besides the layers."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")  # which PyTorch loads only when asked

from parity.both import agree, ours, same, theirs  # noqa: E402
from parity.rows import disagreements  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

LIBRARIES = (tg, torch)
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # PyTorch, of its own ways
DTYPES = st.sampled_from(("float32", "float64"))


def alike(make: Any) -> list[Any]:
    """The same module in both libraries, with the same weights."""
    mine, wanted = (make(t) for t in LIBRARIES)
    assert [(k, tuple(v.shape)) for k, v in mine.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in wanted.state_dict().items()
    ]
    mine.load_state_dict({k: v.numpy() for k, v in wanted.state_dict().items()})
    return [mine, wanted]


# --- bags of embeddings ------------------------------------------------------------------------------------


@st.composite
def bags(draw: st.DrawFn) -> Any:
    """(input, weight, the factors or None, offsets or None, options)."""
    rows, features = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    options: dict[str, Any] = {"mode": draw(st.sampled_from(("sum", "mean", "max")))}
    if draw(st.booleans()):
        index, offsets = rng.integers(0, rows, (draw(st.integers(1, 4)), draw(st.integers(1, 4)))), None
    else:
        sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
        offsets = np.cumsum([0, *sizes])
        index = rng.integers(0, rows, offsets[-1])
        options["include_last_offset"] = draw(st.booleans())
        offsets = offsets if options["include_last_offset"] else offsets[:-1]
    if draw(st.booleans()):
        options["padding_idx"] = draw(st.integers(-rows, rows - 1))
    dtype = draw(DTYPES)
    weight = (
        rng.integers(-3, 4, (rows, features)) if draw(st.booleans()) else rng.normal(size=(rows, features))
    )
    factors = None
    if options["mode"] == "sum" and draw(st.booleans()):
        factors = rng.normal(size=index.shape).astype(dtype)
    return index, weight.astype(dtype), factors, offsets, options


@given(bags())
def test_embedding_bag(case: Any) -> None:
    index, weight, factors, offsets, options = case
    places = [array for array in (index, offsets) if array is not None]

    def call(t: Any, w: Any, *rest: Any) -> Any:
        f = None if factors is None else rest[0]
        i, o = (*rest[factors is not None :], None)[:2]
        return t.nn.functional.embedding_bag(i, w, o, per_sample_weights=f, **options)

    agree(call, [weight, *([] if factors is None else [factors]), *places])


@given(times=st.integers(1, 3), rows=st.integers(1, 4), mode=st.sampled_from(("sum", "mean")))
def test_bags_by_frequency(times: int, rows: int, mode: str) -> None:
    """Each row as often as the others: else PyTorch divides by how often another one occurs."""
    index = np.random.default_rng(rows).permutation(np.arange(rows).repeat(times)).reshape(times, rows)
    weight = np.arange(5.0 * rows).reshape(rows, 5)

    def call(t: Any, w: Any, i: Any) -> Any:
        return t.nn.functional.embedding_bag(i, w, mode=mode, scale_grad_by_freq=True)

    agree(call, [weight, index])


@given(seed=st.integers(0, 2**32 - 1))
def test_second_derivatives_of_embedding_bag(seed: int) -> None:
    rng = np.random.default_rng(seed)
    index, weight = rng.integers(0, 4, (3, 2)), rng.normal(size=(4, 2))
    agree(lambda t, w, i: t.nn.functional.embedding_bag(i, w * w, mode="mean"), [weight, index], order=2)


def test_rows_that_are_too_long_are_shortened_in_place() -> None:
    index, weight = np.array([[0, 2], [2, 2]]), np.arange(12.0).reshape(4, 3)
    tables = [make(weight.copy()) for make in (ours, theirs)]
    for t, make, table in zip(LIBRARIES, (ours, theirs), tables, strict=True):
        t.nn.functional.embedding_bag(make(index), table, max_norm=2.0, norm_type=1)
    same(*tables)


@pytest.mark.parametrize(
    "options", [{}, {"mode": "max", "padding_idx": -1}, {"mode": "sum", "max_norm": 2.0}]
)
def test_embedding_bag_layer(options: dict[str, Any]) -> None:
    mine, wanted = alike(lambda t: t.nn.EmbeddingBag(6, 3, **options))
    assert repr(mine) == repr(wanted)
    index, offsets = np.array([1, 5, 5, 0]), np.array([0, 2, 2])
    same(mine(ours(index), ours(offsets)), wanted(theirs(index), theirs(offsets)))
    assert mine.padding_idx == wanted.padding_idx
    if "padding_idx" in options:
        assert not tg.nn.EmbeddingBag(6, 3, **options).weight[5].any()


def test_bags_over_given_rows() -> None:
    table = np.arange(6.0).reshape(3, 2)
    mine, wanted = (
        t.nn.EmbeddingBag.from_pretrained(make(table.copy()), mode="sum", include_last_offset=True)
        for t, make in zip(LIBRARIES, (ours, theirs), strict=True)
    )
    index, offsets = np.array([2, 1]), np.array([0, 0, 2])
    same(mine(ours(index), ours(offsets)), wanted(theirs(index), theirs(offsets)))
    assert mine.weight.requires_grad == wanted.weight.requires_grad is False
    assert tg.nn.EmbeddingBag.from_pretrained(tg.ones(2, 2), freeze=False).weight.requires_grad


# --- transformer -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("bias", [False, True])
def test_transformer(norm_first: bool, batch_first: bool, activation: str, bias: bool) -> None:
    mine, wanted = alike(
        lambda t: t.nn.Transformer(
            8, 2, 2, 1, 12, 0.0, activation, batch_first=batch_first, norm_first=norm_first, bias=bias
        ).double()
    )
    rng = np.random.default_rng(0)
    shapes = ((3, 5, 8), (3, 4, 8)) if batch_first else ((5, 3, 8), (4, 3, 8))
    hidden = np.zeros((3, 5), bool)
    hidden[1, 3:] = True

    def call(t: Any, src: Any, tgt: Any, padding: Any) -> Any:
        model = mine if t is tg else wanted
        mask = model.generate_square_subsequent_mask(4, dtype=src.dtype)
        return model(
            src, tgt, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding,
            tgt_is_causal=True,
        )  # fmt: skip

    agree(call, [*(rng.normal(size=s) for s in shapes), hidden])
    agree(lambda t, a, b: (mine if t is tg else wanted)(a, b), [rng.normal(size=s) for s in ((5, 8), (4, 8))])
    with torch.no_grad():  # where PyTorch may take another way
        agree(call, [*(rng.normal(size=s) for s in shapes), hidden], order=0)


def test_initial_weights_of_a_transformer() -> None:
    drawn = [
        np.concatenate(
            [np.asarray(p.detach()).ravel() for p in t.nn.Transformer(32, 4, 1, 1, 64).parameters()]
        )
        for t in LIBRARIES
    ]
    assert drawn[0].size == drawn[1].size
    assert abs(drawn[0].std() / drawn[1].std() - 1) < 0.05


def test_parts_of_ones_own_in_a_transformer() -> None:
    class Twice(tg.nn.Module):
        def forward(self, src: Any, *rest: Any) -> Any:
            return src * 2

    twice = Twice()
    model = tg.nn.Transformer(4, 2, custom_encoder=twice, num_decoder_layers=1, dim_feedforward=4)
    assert model.encoder is twice and model.d_model == 4 and model.nhead == 2 and not model.batch_first
    assert len(model.decoder.layers) == 1


# --- what programs look into -------------------------------------------------------------------------------
# A scene is written once, as a function of the library, and returns what a user would look at.

SCENES: dict[str, Callable[[Any], Any]] = {}


def scene(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    SCENES[function.__name__] = function
    return function


def small(t: Any) -> Any:
    """A network with something of every kind."""

    class Net(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = t.nn.Sequential(t.nn.Conv2d(1, 2, 3), t.nn.BatchNorm2d(2), t.nn.ReLU())
            self.scale = t.nn.Parameter(t.ones(1))
            self.again = self.features[2]
            self.register_buffer("grid", t.zeros(2))
            self.register_buffer("scratch", t.zeros(3), persistent=False)
            self.register_buffer("nothing", None)
            self.fc = t.nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.fc(self.again(self.features(x)).mean((2, 3)) * self.scale)

    return Net()


@scene
def dicts_of_a_module(t: Any) -> Any:
    net = small(t)
    modules = net._modules
    return (
        list(modules), [type(m).__name__ for m in modules.values()], list(net._parameters),
        list(net._buffers), net._buffers["nothing"], len(modules), "fc" in modules, "fc" in net._parameters,
        modules.get("none"),
        list(reversed(modules)), list(net.features._modules.keys())[-1], list(net.features[1]._buffers),
        bool(t.nn.ReLU()._modules), net.fc._parameters["bias"] is net.fc.bias,
        t.nn.Linear(1, 1, bias=False)._parameters["bias"], repr(t.nn.Sequential(t.nn.ReLU())._modules["0"]),
    )  # fmt: skip


@scene
def layers_replaced_all_over(t: Any) -> Any:
    def convert(module: Any) -> None:
        for name, part in module._modules.items():
            if isinstance(part, t.nn.ReLU):
                module._modules[name] = t.nn.LeakyReLU()
            convert(part)

    net = small(t)
    convert(net)
    return repr(net), [name for name, _ in net.named_modules()]


@scene
def parts_taken_out_and_put_back(t: Any) -> Any:
    net, log = small(t), []
    del net._modules["fc"]
    log += [hasattr(net, "fc"), [name for name, _ in net.named_children()]]
    net._modules["fc"] = t.nn.Identity()
    log += [type(net.fc).__name__, type(net.features._modules.pop("2")).__name__, len(net.features)]
    net.features._modules.popitem()
    log += [[name for name, _ in net.features.named_children()]]
    net._parameters["scale"] = t.nn.Parameter(t.zeros(2))
    net._parameters["shift"] = None
    net._buffers["grid"], net._buffers["scratch"] = t.ones(2), t.ones(1)
    net._buffers["more"] = t.ones(4)
    log += [net.scale.tolist(), net.shift, net.grid.tolist(), list(net.state_dict())]
    del net._buffers["grid"]
    log += [net._parameters.pop("scale").tolist(), list(net.state_dict())]
    net.features._modules.clear()
    return [*log, repr(net), [name for name, _ in net.named_buffers()]]


@scene
def whole_trees_are_converted_by_what_modules_say(t: Any) -> Any:
    class Grid(t.nn.Linear):
        def _apply(self, fn: Any, *rest: Any) -> Any:
            super()._apply(fn, *rest)
            self.grid = fn(t.ones(2))
            return self

    net = t.nn.Sequential(Grid(1, 1), t.nn.BatchNorm1d(1))
    net[0].weight.grad = t.ones(1, 1)
    net.double()
    tensors = [net[0].grid, net[0].weight, net[0].weight.grad, net[1].running_var, net[1].num_batches_tracked]
    net._apply(lambda x: x * 2)
    found = net[1].weight.tolist(), net[0].grid.tolist()
    assert net.share_memory() is net.to_empty(device="cpu") is net
    return found, [str(x.dtype).removeprefix("torch.") for x in tensors]


@scene
def old_names_of_keys(t: Any) -> Any:
    class Renamed(t.nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            if prefix + "kernel" in state_dict:
                state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)

        def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "note"] = t.zeros(1)

    net = t.nn.Sequential(Renamed(1, 2, bias=False))
    given = {"0.kernel": t.tensor([[1.0], [2.0]])}
    net.load_state_dict(given)
    log: list[Any] = [net[0].weight.tolist(), list(given), list(net.state_dict())]
    old = t.nn.Linear(1, 1)

    def rename(state_dict: Any, prefix: str, *rest: Any) -> None:
        log.append((sorted(state_dict), prefix, len(rest)))

    old._register_load_state_dict_pre_hook(rename)
    old._register_load_state_dict_pre_hook(lambda m, *rest: log.append(type(m).__name__), with_module=True)
    old._register_state_dict_hook(lambda m, state, prefix, meta: state.pop("bias") and None)
    old.load_state_dict(old.state_dict(), strict=False)
    return log


@scene
def small_methods(t: Any) -> Any:
    net, log = small(t), []
    net.register_module("head", t.nn.Tanh())
    net.fc.register_backward_hook(lambda m, gi, go: log.append([tuple(g.shape) for g in go]))
    net(t.ones(2, 1, 4, 4)).sum().backward()
    assert net.train() is net.eval() is net.apply(lambda m: log.append(m._get_name())) is net.cpu() is net
    assert net.float() is net.type(t.float32) is net.requires_grad_(False) is net.half() is net
    log += [net.training, net.fc.extra_repr(), str(net.fc.weight.dtype).removeprefix("torch.")]
    return [*log, any(p.requires_grad for p in net.parameters())]


# --- pruning -----------------------------------------------------------------------------------------------


def pruner(t: Any) -> Any:
    """A convolution with weights that are told apart, and t's functions."""
    layer = t.nn.Conv2d(2, 4, 2)
    values = np.cos(np.arange(32.0) ** 2).reshape(4, 2, 2, 2)
    layer.weight.data = t.tensor(values.astype(np.float32).tolist())
    layer.bias.data = t.tensor([0.5, -0.25, 1.0, 2.0])
    return layer, t.nn.utils.prune


def state(module: Any) -> Any:
    return {key: value.tolist() for key, value in module.state_dict().items()}


@scene
def pruned_one_way(t: Any) -> Any:
    layer, prune = pruner(t)
    parameter = layer.weight
    assert prune.l1_unstructured(layer, "weight", amount=0.3) is layer and layer.weight_orig is parameter
    log = [
        state(layer),
        layer.weight.tolist(),
        prune.is_pruned(layer),
        prune.is_pruned(t.nn.Sequential(layer)),
    ]
    layer(t.ones(1, 2, 3, 3)).sum().backward()
    log += [
        [n for n, _ in layer.named_parameters()],
        layer.weight_orig.grad.tolist(),
        layer.weight_orig.is_leaf,
    ]
    layer.weight_orig.data = layer.weight_orig.data * 2
    log += [layer(t.ones(1, 2, 2, 2)).detach().numpy().round(4).tolist(), layer.weight.tolist()]
    assert prune.remove(layer, "weight") is layer and layer.weight is parameter
    return [*log, state(layer), prune.is_pruned(layer)]


@scene
def pruned_again_and_again(t: Any) -> Any:
    layer, prune = pruner(t)
    prune.ln_structured(layer, "weight", amount=1, n=2, dim=0)
    first = layer.weight_mask.tolist()
    prune.l1_unstructured(layer, "weight", amount=5)
    second = layer.weight_mask.tolist()
    prune.ln_structured(layer, "weight", amount=0.5, n=float("inf"), dim=1)
    prune.ln_structured(layer, "weight", 2, 1, -1, importance_scores=-(layer.weight_orig.detach() ** 2))
    prune.l1_unstructured(layer, "bias", 0.5, importance_scores=t.tensor([4.0, 3.0, 2.0, 1.0]))
    prune.identity(layer, "bias")
    return first, second, state(layer), layer.weight.tolist(), layer.bias.tolist()


@scene
def pruned_by_a_mask(t: Any) -> Any:
    layer, prune = pruner(t)
    prune.custom_from_mask(layer, "bias", t.tensor([1, 0, 1, 1]))
    prune.custom_from_mask(layer, "bias", mask=t.tensor([1.0, 1.0, 0.0, 1.0]))
    again = pruner(t)[0]
    prune.identity(again, "bias")
    again.load_state_dict(layer.state_dict())
    return state(layer), layer.bias.tolist(), again(t.zeros(1, 2, 2, 2)).flatten().tolist()


@scene
def pruned_as_if_they_were_one(t: Any) -> Any:
    layer, prune = pruner(t)
    prune.l1_unstructured(layer, "bias", 1)
    places = [(layer, "weight"), (layer, "bias")]
    prune.global_unstructured(places, prune.L1Unstructured, amount=0.4)
    first = state(layer)
    scores = {(layer, "bias"): t.tensor([0.0, 0.0, 0.0, 0.0])}
    prune.global_unstructured(places, pruning_method=prune.L1Unstructured, importance_scores=scores, amount=2)
    return first, layer.bias_mask.tolist(), int((layer.weight_mask == 0).sum())


@scene
def pruned_in_a_way_of_ones_own(t: Any) -> Any:
    layer, prune = pruner(t)

    class Negative(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def __init__(self, below: float = 0.0) -> None:
            self.below = below

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            mask = default_mask.clone()
            mask.view(-1)[t.view(-1) < self.below] = 0
            return mask

    Negative.apply(layer, "bias", 0.0)
    Negative.apply(layer, "bias", below=1.0)
    pruned = prune.L1Unstructured(amount=2).prune(t.tensor([3.0, 1.0, 2.0, 4.0]))
    return (
        state(layer),
        pruned.tolist(),
        prune.LnStructured(1, 2, 0).prune(t.eye(2) * t.tensor([[1.0], [2.0]]))[0].tolist(),
    )


def test_pruned_at_random() -> None:
    """The right number goes, of what was left, and not always the same ones."""
    for t in LIBRARIES:
        masks = set()
        for seed in range(20):
            t.manual_seed(seed)
            layer, prune = pruner(t)
            prune.random_unstructured(layer, "weight", 0.5)
            prune.random_unstructured(layer, "weight", 0.5)
            assert int(layer.weight_mask.sum()) == 8
            prune.random_structured(layer, "weight", amount=1, dim=1)
            gone = [not layer.weight_mask[:, i].any() for i in range(2)]
            assert any(gone)
            masks.add(tuple(gone))
        assert len(masks) > 1


# --- sequences, prefixes, paths -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.booleans(), st.sampled_from(("left", "right")))
def test_pad_sequence(lengths: list[int], batch_first: bool, side: str) -> None:
    rng = np.random.default_rng(sum(lengths))
    rows = [rng.normal(size=(n, 2)) for n in lengths]

    def call(t: Any, *xs: Any) -> Any:
        return t.nn.utils.rnn.pad_sequence(xs, batch_first, -1.5, side)

    agree(call, rows)
    for t, make in zip(LIBRARIES, (ours, theirs), strict=True):
        xs = [make(row) for row in rows]
        padded = t.nn.utils.rnn.pad_sequence(xs, batch_first)
        again = t.nn.utils.rnn.unpad_sequence(padded, t.tensor(lengths), batch_first)
        assert all((a == b).all() and a.shape == b.shape for a, b in zip(xs, again, strict=True))


@scene
def the_order_of_parameters_in_a_dict(t: Any) -> Any:
    parts = {"b": t.ones(1), "a": t.zeros(1)}
    held = t.nn.ParameterDict(parts)
    more = t.nn.ParameterDict(list(parts.items()))
    more.update({"z": t.ones(1), "y": t.ones(1)})
    ordered = t.nn.ParameterDict(OrderedDict(parts))
    return list(held), list(more), list(ordered), list(held | more), list(held.copy())


@scene
def where_modules_are_put_in(t: Any) -> Any:
    log = []
    for index in (0, 1, 3):
        layers = t.nn.ModuleList([t.nn.ReLU(), t.nn.Tanh(), t.nn.Sigmoid()])
        layers.insert(index, t.nn.ELU())
        log.append([(name, type(m).__name__) for name, m in layers.named_children()])
    for index in (-3, -1, 0, 3):
        log.append(repr(t.nn.Sequential(t.nn.ReLU(), t.nn.Tanh(), t.nn.Sigmoid()).insert(index, t.nn.ELU())))
    return log


@scene
def helpers_of_layers(t: Any) -> Any:
    utils = t.nn.modules.utils
    found = {"module.a.b": 1, "c": 2, "module.d": 3}
    utils.consume_prefix_in_state_dict_if_present(found, "module.")
    layer = t.nn.utils.skip_init(t.nn.Linear, 2, 3, bias=False)
    return (
        found, utils._single(1), utils._pair(2), utils._pair((1, 3)), utils._triple([1, 2, 3]),
        utils._quadruple(0), utils._ntuple(5)(1), utils._reverse_repeat_tuple((1, 2), 2), repr(layer),
    )  # fmt: skip


def test_old_names_of_init() -> None:
    arguments = {"constant": (2.0,), "sparse": (0.5,)}
    old = "constant dirac eye kaiming_normal kaiming_uniform normal orthogonal sparse uniform xavier_normal"
    for name in (*old.split(), "xavier_uniform"):
        for t in LIBRARIES:
            weight = t.zeros((2, 2, 3) if name == "dirac" else (3, 2))
            with pytest.warns(FutureWarning, match=name):
                filled = getattr(t.nn.init, name)(weight, *arguments.get(name, ()))
            assert filled is weight and weight.any()
    for t in LIBRARIES:
        assert not hasattr(t.nn.init, "trunc_normal")
        assert t.nn.init._calculate_fan_in_and_fan_out(t.zeros(4, 2, 3)) == (6, 12)


#: what programs import, by the path
PATHS = {
    "nn.common_types": "_size_1_t _size_2_t _size_3_t _size_any_t _size_2_opt_t _ratio_2_t",
    "nn.modules": "Conv2d Module Sequential BatchNorm2d conv batchnorm utils",
    "nn.modules.activation": "ReLU MultiheadAttention PReLU",
    "nn.modules.batchnorm": "BatchNorm2d _BatchNorm _NormBase",
    "nn.modules.channelshuffle": "ChannelShuffle",
    "nn.modules.container": "ModuleList Sequential ModuleDict ParameterList",
    "nn.modules.conv": "Conv2d ConvTranspose2d LazyConv2d _ConvNd _ConvTransposeNd",
    "nn.modules.distance": "PairwiseDistance CosineSimilarity",
    "nn.modules.dropout": "Dropout2d _DropoutNd",
    "nn.modules.flatten": "Flatten Unflatten",
    "nn.modules.fold": "Fold Unfold",
    "nn.modules.instancenorm": "InstanceNorm2d _InstanceNorm",
    "nn.modules.lazy": "",
    "nn.modules.linear": "Linear Identity Bilinear LazyLinear",
    "nn.modules.loss": "CrossEntropyLoss MSELoss _Loss _WeightedLoss",
    "nn.modules.module": "Module",
    "nn.modules.normalization": "GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "nn.modules.padding": "ReflectionPad2d ZeroPad2d",
    "nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "nn.modules.pooling": "MaxPool2d _MaxPoolNd _AvgPoolNd _AdaptiveAvgPoolNd _AdaptiveMaxPoolNd _LPPoolNd",
    "nn.modules.sparse": "Embedding EmbeddingBag",
    "nn.modules.transformer": "Transformer TransformerEncoder",
    "nn.modules.upsampling": "Upsample UpsamplingNearest2d",
    "nn.modules.utils": "_single _pair _triple _quadruple _ntuple",
    "nn.parameter": "Parameter Buffer UninitializedParameter",
    "nn.utils.clip_grad": "clip_grad_norm_ clip_grad_value_",
    "nn.utils.convert_parameters": "parameters_to_vector vector_to_parameters",
    "nn.utils.fusion": "fuse_conv_bn_eval",
    "nn.utils.init": "skip_init",
    "nn.utils.rnn": "pad_sequence",
    "optim.adam": "Adam",
    "optim.lr_scheduler": "LRScheduler StepLR _LRScheduler",
    "optim.optimizer": "Optimizer",
    "optim.sgd": "SGD",
    "optim.swa_utils": "AveragedModel",
    "utils.data.dataloader": "DataLoader default_collate",
    "utils.data.dataset": "Dataset Subset TensorDataset random_split",
    "utils.data.sampler": "Sampler RandomSampler BatchSampler WeightedRandomSampler",
}


def test_paths() -> None:
    """The same names on the same paths, in a program that has imported nothing else."""
    imports = [
        f"from {{}}.{path} import {', '.join(names.split())}" if names else f"import {{}}.{path}"
        for path, names in PATHS.items()
    ]
    for package in ("torch", "tinygrad_cnn"):
        code = "\n".join(imports).replace("{}", package)
        subprocess.run([sys.executable, "-c", code], check=True)


def test_paths_are_attributes() -> None:
    for path, names in PATHS.items():
        place = reduce(getattr, path.split("."), tg)
        assert [name for name in names.split() if not hasattr(place, name)] == []


def test_bases_of_layers() -> None:
    """What is an instance of PyTorch's base classes there is one here, and no more."""
    layers = {
        "Conv2d": (1, 1, 1), "ConvTranspose1d": (1, 1, 1), "BatchNorm3d": (1,), "InstanceNorm2d": (1,),
        "GroupNorm": (1, 1), "MaxPool2d": (1,), "AvgPool1d": (1,), "AdaptiveAvgPool2d": (1,),
        "AdaptiveMaxPool3d": (1,), "Dropout2d": (), "CrossEntropyLoss": (), "MSELoss": (), "NLLLoss": (),
        "PairwiseDistance": (), "TripletMarginLoss": (), "Linear": (1, 1), "LazyConv2d": (1, 1),
        "LazyBatchNorm2d": (), "LPPool2d": (1, 1),
    }  # fmt: skip
    bases = {
        path: [n for n in names.split() if n[0] == "_" and n[1].isupper()] for path, names in PATHS.items()
    }
    bases = {path: names for path, names in bases.items() if path.startswith("nn.modules.")}
    warned = warnings.catch_warnings()
    with warned:
        warnings.simplefilter("ignore")  # that lazy modules are young
        for name, args in layers.items():
            rows = []
            for t, package in ((tg, "tinygrad_cnn"), (torch, "torch")):
                layer = getattr(t.nn, name)(*args)
                rows.append(
                    [
                        (base, isinstance(layer, getattr(importlib.import_module(f"{package}.{path}"), base)))
                        for path, names in bases.items()
                        for base in names
                    ]
                )
            assert rows[0] == rows[1], name
    assert isinstance(tg.nn.BatchNorm2d(1), tg.nn.modules.batchnorm._BatchNorm)


@scene
def losses_of_ones_own(t: Any) -> Any:
    from_path = t.nn.modules.loss

    class Mine(from_path._Loss):
        def forward(self, x: Any) -> Any:
            return x.sum() if self.reduction == "sum" else x.mean()

    class Weighing(from_path._WeightedLoss):
        def forward(self, x: Any) -> Any:
            return (x * self.weight).sum()

    x = t.tensor([1.0, 2.0])
    mine, weighing = Mine(reduction="sum"), Weighing(t.tensor([2.0, 3.0]))
    return (
        mine(x).item(), Mine()(x).item(), weighing(x).item(), list(weighing.state_dict()), Mine().reduction,
        Weighing().weight, Mine(None, None, "none").reduction,
    )  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.filterwarnings("ignore:Using a non-full backward hook")
def test_scene(name: str) -> None:
    assert SCENES[name](tg) == SCENES[name](torch)


def test_what_is_not_there() -> None:
    for t in LIBRARIES:
        for held in (small(t)._modules, small(t)._parameters, small(t)._buffers):
            for ask in (held.__getitem__, held.__delitem__, held.pop):
                with pytest.raises(KeyError):
                    ask("features.0")
        with pytest.raises(KeyError):
            t.nn.ReLU()._modules.popitem()


# --- what both refuse --------------------------------------------------------------------------------------

REFUSED = {
    "a bag of floats": lambda t: t.nn.functional.embedding_bag(t.zeros(2, 2), t.zeros(3, 2)),
    "a bag beyond": lambda t: t.nn.functional.embedding_bag(t.tensor([[3]]), t.zeros(3, 2)),
    "bags without offsets": lambda t: t.nn.functional.embedding_bag(t.tensor([0]), t.zeros(3, 2)),
    "rows of bags with offsets": lambda t: t.nn.functional.embedding_bag(
        t.tensor([[0]]), t.zeros(3, 2), t.tensor([0])
    ),
    "bags in 3 axes": lambda t: t.nn.functional.embedding_bag(t.tensor([[[0]]]), t.zeros(3, 2)),
    "an offset after 0": lambda t: t.nn.functional.embedding_bag(
        t.tensor([0, 1]), t.zeros(3, 2), t.tensor([1])
    ),
    "offsets beyond": lambda t: t.nn.functional.embedding_bag(
        t.tensor([0, 1]), t.zeros(3, 2), t.tensor([0, 3])
    ),
    "an unknown mode": lambda t: t.nn.functional.embedding_bag(t.tensor([[0]]), t.zeros(3, 2), mode="min"),
    "a maximum by frequency": lambda t: t.nn.functional.embedding_bag(
        t.tensor([[0]]), t.zeros(3, 2, requires_grad=True), mode="max", scale_grad_by_freq=True
    ),
    "factors of a mean": lambda t: t.nn.functional.embedding_bag(
        t.tensor([[0]]), t.zeros(3, 2), per_sample_weights=t.ones(1, 1)
    ),
    "too many factors": lambda t: t.nn.functional.embedding_bag(
        t.tensor([[0]]), t.zeros(3, 2), mode="sum", per_sample_weights=t.ones(1, 2)
    ),
    "padding beyond": lambda t: t.nn.EmbeddingBag(3, 2, padding_idx=3),
    "rows of another size": lambda t: t.nn.EmbeddingBag(3, 2, _weight=t.zeros(2, 2)),
    "rows without features": lambda t: t.nn.EmbeddingBag.from_pretrained(t.zeros(2)),
    "a transformer of another width": lambda t: t.nn.Transformer(4, 2, 1, 1, 4)(
        t.zeros(3, 1, 4), t.zeros(3, 1, 6)
    ),
    "a transformer with two batches": lambda t: t.nn.Transformer(4, 2, 1, 1, 4)(
        t.zeros(3, 1, 4), t.zeros(3, 2, 4)
    ),
    "a transformer of ranks": lambda t: t.nn.Transformer(4, 2, 1, 1, 4)(t.zeros(3, 1, 4), t.zeros(3, 4)),
    "pruning nothing": lambda t: t.nn.utils.prune.remove(t.nn.Linear(1, 1), "weight"),
    "pruning what is not there": lambda t: t.nn.utils.prune.identity(t.nn.Linear(1, 1), "none"),
    "pruning too many": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(1, 2), "weight", 3),
    "pruning too much": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(1, 2), "weight", 1.5),
    "pruning less than none": lambda t: t.nn.utils.prune.random_unstructured(t.nn.Linear(1, 2), "weight", -1),
    "pruning a word": lambda t: t.nn.utils.prune.l1_unstructured(t.nn.Linear(1, 2), "weight", "all"),
    "channels of a vector": lambda t: t.nn.utils.prune.ln_structured(t.nn.Linear(1, 2), "bias", 1, 2, 0),
    "channels beyond": lambda t: t.nn.utils.prune.random_structured(t.nn.Linear(1, 2), "weight", 1, 2),
    "scores of another shape": lambda t: t.nn.utils.prune.l1_unstructured(
        t.nn.Linear(1, 2), "weight", 1, t.ones(3)
    ),
    "a mask of another shape": lambda t: t.nn.utils.prune.custom_from_mask(
        t.nn.Linear(1, 2), "weight", t.ones(3)
    ),
    "channels of all": lambda t: t.nn.utils.prune.global_unstructured(
        [(t.nn.Linear(1, 2), "weight")], t.nn.utils.prune.LnStructured, amount=1, n=2
    ),
    "no sequences": lambda t: t.nn.utils.rnn.pad_sequence([]),
    "sequences of other features": lambda t: t.nn.utils.rnn.pad_sequence([t.ones(1, 2), t.ones(1, 3)]),
    "sequences that are no list": lambda t: t.nn.utils.rnn.pad_sequence(3),
    "sequences on another side": lambda t: t.nn.utils.rnn.pad_sequence([t.ones(1)], padding_side="top"),
    "numbers as sequences": lambda t: t.nn.utils.rnn.pad_sequence([t.tensor(1.0)]),
    "nothing to initialize": lambda t: t.nn.utils.skip_init(dict),
    "heads that do not fit": lambda t: t.nn.Transformer(5, 2),
}  # fmt: skip


def test_refused_by_both() -> None:
    assert disagreements(REFUSED) == []


COVERED = {
    "nn.Module": {name for name in dir(tg.nn.Module) if not name.startswith("_")} - {"graph", "training"},
    "nn": {"EmbeddingBag", "Transformer"},
    "nn.functional": {"embedding_bag"},
    "nn.modules": {path.rpartition(".")[2] for path in PATHS if path.startswith("nn.modules.")},
    "nn.modules.utils": {"consume_prefix_in_state_dict_if_present"},
    "nn.utils": {"skip_init"},
    "nn.utils.prune": {name for name in dir(tg.nn.utils.prune) if name in tg.nn.utils.prune.__all__},
    "nn.utils.rnn": {"pad_sequence", "unpad_sequence"},
}

"""Attention, transformer layers, embedding and bilinear products against PyTorch 2.13."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import agree, ours, outcome, refused_here, same, theirs  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

LIBRARIES = (tg, torch)
dtypes = st.sampled_from(["float32", "float64"])
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def quietly() -> Any:
    """PyTorch tells which of its ways it takes, and of masks of two kinds."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "enable_nested_tensor is True")
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask and attn_mask")
        warnings.filterwarnings("ignore", "The PyTorch API of nested tensors")
        yield


# --- scaled_dot_product_attention ------------------------------------------------------------------------


@st.composite
def attentions(draw: st.DrawFn) -> Any:
    """(arrays, options): queries, keys, values and perhaps a mask with some dead rows."""
    length, keys, size, wide = (draw(st.integers(1, 4)) for _ in range(4))
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    options: dict[str, Any] = {"scale": draw(st.sampled_from([None, 0.3, 2.0]))}
    heads = lead
    if len(lead) == 2 and draw(st.booleans()):
        heads, options["enable_gqa"] = (lead[0], lead[1] * draw(st.integers(1, 2))), True
    dtype, rng = draw(dtypes), np.random.default_rng(draw(seeds))
    shapes = [(*heads, length, size), (*lead, keys, size), (*lead, keys, wide)]
    arrays = [rng.standard_normal(s).astype(dtype) for s in shapes]
    mask = draw(st.sampled_from(["none", "causal", "bool", "float", "dead"]))
    if mask == "causal":
        options["is_causal"] = True
    elif mask != "none":
        rows = (*heads, length, keys)[draw(st.integers(0, len(heads))) :]
        allowed = rng.random(rows) < 0.7
        if mask != "dead":
            allowed[..., 0] = True
        if mask == "float":
            arrays.append(rng.standard_normal(rows).astype(dtype))
        else:
            arrays.append(allowed)
    return arrays, options


@given(attentions())
def test_scaled_dot_product_attention(case: Any) -> None:
    arrays, options = case

    def call(t: Any, q: Any, k: Any, v: Any, *mask: Any) -> Any:
        return t.nn.functional.scaled_dot_product_attention(q, k, v, *mask, **options)

    agree(call, arrays)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # which has second derivatives
        agree(call, arrays, order=2)


def test_infinite_masks_and_nothing_to_look_at() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2))
    mask = np.array([[0.0, -np.inf, 1.0], [-np.inf] * 3, [0.5, 0.0, -np.inf]])

    def call(t: Any, q: Any, k: Any, mask: Any = None) -> Any:
        mask = None if mask is None else t.tensor(mask.tolist(), dtype=t.float64)
        return t.nn.functional.scaled_dot_product_attention(q, k, k, mask)

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        agree(call, [x, x], mask, order=2)
    agree(call, [x, np.zeros((0, 2))], order=1)


def test_dropout_in_attention() -> None:
    x = np.ones((400, 4), np.float32)
    value = np.eye(4, dtype=np.float32)
    for t, make in ((tg, ours), (torch, theirs)):
        t.manual_seed(0)
        out = t.nn.functional.scaled_dot_product_attention(make(x), make(value), make(value), dropout_p=0.25)
        weights = np.asarray(out)
        assert set(np.unique(weights.round(5))) == {0.0, np.float32(round(0.25 / 0.75, 5))}
        assert abs((weights == 0).mean() - 0.25) < 0.05
        assert not np.asarray(
            t.nn.functional.scaled_dot_product_attention(*map(make, (x, value, value)), dropout_p=1.0)
        ).any()


# --- MultiheadAttention ----------------------------------------------------------------------------------


def pair(make: Callable[[Any], Any], dtype: str = "float64") -> Any:
    """The same module in both libraries, with PyTorch's weights, all of them random."""
    torch.manual_seed(0)
    mine, wanted = make(tg), make(torch)
    with torch.no_grad():
        for p in wanted.parameters():
            p.normal_()
    if dtype == "float64":
        mine, wanted = mine.double(), wanted.double()
    assert [n for n, _ in mine.named_parameters()] == [n for n, _ in wanted.named_parameters()]
    mine.load_state_dict({k: v.numpy() for k, v in wanted.state_dict().items()})
    return mine, wanted


def compare(
    mine: Any, wanted: Any, call: Callable[..., Any], arrays: list[np.ndarray], terms: int = 500
) -> None:
    """Results, then the gradients of inputs and parameters; nan for nan."""
    inputs = [[make(a, a.dtype.kind == "f") for a in arrays] for make in (ours, theirs)]
    outs = [call(t, m, *xs) for t, m, xs in zip(LIBRARIES, (mine, wanted), inputs, strict=True)]
    outs = [[o for o in (out if isinstance(out, tuple) else (out,)) if o is not None] for out in outs]
    assert len(outs[0]) == len(outs[1])
    rng = np.random.default_rng(0)
    total: list[Any] = [0, 0]
    for a, b in zip(*outs, strict=True):
        same(a, b, terms)
        g = rng.integers(-3, 4, tuple(b.shape)).astype(a.dtype)
        total = [total[0] + (a * ours(g)).sum(), total[1] + (b * theirs(g)).sum()]
    for loss in total:
        loss.backward()
    for x, y in zip(*inputs, strict=True):
        if y.grad is not None:
            same(x.grad, y.grad, terms * 20)
    for (name, p), q in zip(mine.named_parameters(), wanted.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            same(p.grad, q.grad, terms * 20, name)


@st.composite
def heads(draw: st.DrawFn) -> Any:
    """(constructor's arguments, call's options, arrays, kinds of the masks)."""
    count, size = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    embed = count * size
    flag = st.booleans()
    made = {
        "bias": draw(flag), "add_bias_kv": draw(flag), "add_zero_attn": draw(flag), "batch_first": draw(flag),
        "kdim": draw(st.sampled_from([None, embed, 5])), "vdim": draw(st.sampled_from([None, 4])),
    }  # fmt: skip
    n, length = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    alike = made["kdim"] in (None, embed) and made["vdim"] in (None, embed) and draw(flag)
    keys = length if alike else draw(st.integers(1, 4))
    single = draw(flag)
    rng, dtype = np.random.default_rng(draw(seeds)), draw(dtypes)

    def array(steps: int, features: int | None) -> np.ndarray:
        features = embed if features is None else features
        shape = (
            (steps, features)
            if single
            else (n, steps, features)
            if made["batch_first"]
            else (steps, n, features)
        )
        return rng.standard_normal(shape).astype(dtype)

    arrays = [array(length, embed)]
    if not alike:
        arrays += [array(keys, made["kdim"]), array(keys, made["vdim"])]
    options = {"need_weights": draw(flag), "average_attn_weights": draw(flag)}
    masks: dict[str, np.ndarray] = {}
    rows = (keys,) if single else (n, keys)
    pairs = draw(st.sampled_from([(length, keys), ((1 if single else n) * count, length, keys)]))
    for role, shape in (("key_padding_mask", rows), ("attn_mask", pairs)):
        kind = draw(st.sampled_from(["none", "bool", "float"]))
        if kind == "float":
            masks[role] = rng.standard_normal(shape).astype(dtype)
        elif kind == "bool":
            masks[role] = rng.random(shape) < 0.4
            masks[role][..., 0] &= role != "attn_mask"
    if "key_padding_mask" in masks and masks["key_padding_mask"].dtype == bool:
        masks["key_padding_mask"][..., 0] = False
    return (embed, count), made, arrays, options, masks


@given(heads())
def test_multihead_attention(case: Any) -> None:
    args, made, arrays, options, masks = case
    mine, wanted = pair(lambda t: t.nn.MultiheadAttention(*args, **made), str(arrays[0].dtype))

    def call(t: Any, module: Any, *xs: Any) -> Any:
        make = ours if t is tg else theirs
        given = {role: make(mask) for role, mask in masks.items()}
        return module(*(xs if len(xs) == 3 else xs * 3), **given, **options)

    compare(mine, wanted, call, arrays)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("padding", [True, False])
def test_causal_hint(need_weights: bool, padding: bool) -> None:
    mine, wanted = pair(lambda t: t.nn.MultiheadAttention(4, 2))
    x = np.random.default_rng(0).standard_normal((3, 2, 4))
    mask, keys = ~np.tri(3, dtype=bool), np.array([[False, False, True], [False] * 3])

    def call(t: Any, module: Any, x: Any) -> Any:
        make = ours if t is tg else theirs
        given = {"key_padding_mask": make(keys)} if padding else {}
        return module(x, x, x, attn_mask=make(mask), need_weights=need_weights, is_causal=True, **given)

    compare(mine, wanted, call, [x])


@pytest.mark.parametrize("need_weights", [True, False])
def test_queries_that_may_look_nowhere(need_weights: bool) -> None:
    """nan with weights, zeros without: PyTorch computes them by two ways, and so do we."""
    mine, wanted = pair(lambda t: t.nn.MultiheadAttention(4, 2))
    x, keys = np.ones((3, 2, 4)), np.array([[True] * 3, [False] * 3])
    outs = [
        m(make(x), make(x), make(x), key_padding_mask=make(keys), need_weights=need_weights)
        for m, make in ((mine, ours), (wanted, theirs))
    ]
    for a, b in zip(*outs, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            same(a, b, 50)


def test_dropout_of_heads() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3, 8)).astype(np.float32)
    for t, make in ((tg, ours), (torch, theirs)):
        t.manual_seed(0)
        module = t.nn.MultiheadAttention(8, 2, dropout=0.5)
        _, weights = module(make(x), make(x), make(x), average_attn_weights=False)
        assert abs((np.asarray(weights.detach()) == 0).mean() - 0.5) < 0.05
        _, weights = module.eval()(make(x), make(x), make(x))
        np.testing.assert_allclose(np.asarray(weights.detach()).sum(-1), 1, rtol=1e-5)


# --- transformers ----------------------------------------------------------------------------------------

# what: (module, shapes of its inputs, options of the call: arrays are made tensors)
CAUSAL = ~np.tri(4, dtype=bool)
PADDED = np.array([[False, False, False, True], [False, False, False, False]])
TRANSFORMERS: dict[str, Any] = {
    "encoder layer": (lambda nn: nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0), [(4, 2, 6)], {}),
    "encoder layer, first": (
        lambda nn: nn.TransformerEncoderLayer(6, 3, 8, 0.0, "gelu", norm_first=True, batch_first=True),
        [(2, 4, 6)], {"src_mask": CAUSAL, "src_key_padding_mask": PADDED},
    ),
    "encoder layer, causal": (
        lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0, bias=False, layer_norm_eps=0.1), [(4, 2, 6)],
        {"src_mask": CAUSAL, "is_causal": True},
    ),
    "encoder layer, single": (lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0), [(4, 6)], {}),
    "encoder layer, module": (lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0, nn.ELU()), [(4, 2, 6)], {}),
    "encoder layer, function": (
        lambda nn: nn.TransformerEncoderLayer(6, 2, 8, 0.0, nn.functional.silu), [(4, 2, 6)], {},
    ),
    "encoder": (
        lambda nn: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0), 2), [(4, 2, 6)],
        {"mask": np.where(CAUSAL, -np.inf, 0.0), "is_causal": True},
    ),
    "encoder, normalized": (
        lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(6, 2, 8, 0.0, batch_first=True), 3, nn.LayerNorm(6), False
        ),
        [(2, 4, 6)], {"src_key_padding_mask": PADDED},
    ),
    "decoder layer": (lambda nn: nn.TransformerDecoderLayer(6, 2, 8, 0.0), [(4, 2, 6), (3, 2, 6)], {}),
    "decoder layer, first": (
        lambda nn: nn.TransformerDecoderLayer(6, 2, 8, 0.0, "gelu", norm_first=True, batch_first=True),
        [(2, 4, 6), (2, 4, 6)],
        {"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_mask": CAUSAL, "memory_key_padding_mask": PADDED,
         "tgt_key_padding_mask": PADDED},
    ),
    "decoder": (
        lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(6, 2, 8, 0.0), 2, nn.LayerNorm(6)),
        [(4, 2, 6), (3, 2, 6)], {"tgt_mask": CAUSAL},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformer(name: str, mode: bool) -> None:
    make_module, shapes, options = TRANSFORMERS[name]
    mine, wanted = pair(lambda t: make_module(t.nn))
    assert repr(mine) == repr(wanted).replace("NonDynamicallyQuantizableLinear", "Linear")
    rng = np.random.default_rng(0)

    def call(t: Any, module: Any, *xs: Any) -> Any:
        make = ours if t is tg else theirs
        given = {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return module.train(mode)(*xs, **given)

    compare(mine, wanted, call, [rng.standard_normal(shape) for shape in shapes], 2000)


@pytest.mark.parametrize("name", ["MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_signatures(name: str) -> None:
    for method in ("__init__", "forward"):
        mine, wanted = (
            [
                (p.name, None if callable(p.default) else p.default)
                for p in inspect.signature(getattr(getattr(t.nn, name), method)).parameters.values()
                if p.name not in ("device", "dtype")
            ]
            for t in LIBRARIES
        )
        assert mine == wanted


@pytest.mark.parametrize("options", [{}, {"kdim": 40, "add_bias_kv": True}])
def test_initial_values(options: Any) -> None:
    torch.manual_seed(0)
    tg.manual_seed(0)
    mine, wanted = (t.nn.MultiheadAttention(80, 4, **options).state_dict() for t in LIBRARIES)
    assert list(mine) == list(wanted)
    for key, value in mine.items():
        a, b = value.array, wanted[key].numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        assert abs(a.std() - b.std()) <= 5 * b.std() / math.sqrt(a.size), key
        if a.size > 1000:
            assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.02), key


# --- embedding -------------------------------------------------------------------------------------------


@st.composite
def embeddings(draw: st.DrawFn) -> Any:
    rows, features = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3, 16, 20]))
    rng = np.random.default_rng(draw(seeds))
    shape = draw(
        st.one_of(st.lists(st.integers(1, 4), min_size=1, max_size=2), st.sampled_from([(), (2, 0)]))
    )
    index = rng.integers(0, rows, shape)
    options = {
        "padding_idx": draw(st.one_of(st.none(), st.integers(-rows, rows - 1))),
        "scale_grad_by_freq": draw(st.booleans()),
    }
    if draw(st.booleans()):
        options |= {
            "max_norm": draw(st.sampled_from([0.5, 2.0])),
            "norm_type": draw(st.sampled_from([1.0, 2.0, 3.0])),
        }
    return (
        rng.standard_normal((rows, features)).astype(draw(dtypes)),
        np.asarray(index, draw(st.sampled_from([np.int32, np.int64]))),
        options,
    )


@given(embeddings())
def test_embedding(case: Any) -> None:
    weight, index, options = case
    grads, rows = [], []
    for t, make in ((tg, ours), (torch, theirs)):
        w = make(weight.copy(), True)
        out = t.nn.functional.embedding(make(index), w * 1 if "max_norm" not in options else w, **options)
        out.backward(
            make(
                np.arange(out.numel() if t is torch else out.array.size)
                .reshape(out.shape)
                .astype(weight.dtype)
            )
        )
        grads.append((out, w.grad, w.detach()))
        rows.append(out)
    for mine, wanted in zip(*grads, strict=True):
        same(mine, wanted, 50)


@given(st.integers(1, 4), st.integers(1, 3), seeds)
def test_second_derivative_of_embedding(rows: int, features: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, index = rng.standard_normal((rows, features)), rng.integers(0, rows, (2, 3))
    agree(lambda t, w, i: t.nn.functional.embedding(i, w) ** 2, [weight, index], order=2)
    agree(lambda t, w, i: t.nn.functional.embedding(i, w * w, padding_idx=0), [weight, index], order=2)


EMBEDDINGS: list[Any] = [
    ((5, 3), {}),
    ((5, 3, -1), {"scale_grad_by_freq": True}),
    ((5, 3), {"max_norm": 1.0, "norm_type": 1.0}),
]


@pytest.mark.parametrize("args, options", EMBEDDINGS)
def test_embedding_layer(args: Any, options: Any) -> None:
    mine, wanted = (t.nn.Embedding(*args, **options) for t in LIBRARIES)
    assert repr(mine) == repr(wanted) and mine.padding_idx == wanted.padding_idx
    if mine.padding_idx is not None:
        assert not mine.weight.array[mine.padding_idx].any()
    mine.load_state_dict({k: v.numpy() for k, v in wanted.state_dict().items()})
    index = np.array([[0, 4, 4], [1, 1, 4]])
    outs = [m(make(index)) for m, make in ((mine, ours), (wanted, theirs))]
    same(*outs, 10)
    for out in outs:
        (out * out).sum().backward()
    same(mine.weight.grad, wanted.weight.grad, 50)
    same(mine.weight.detach(), wanted.weight.detach(), 10)


def test_embeddings_from_elsewhere() -> None:
    table = np.arange(6.0, dtype=np.float32).reshape(3, 2)
    layers = [
        t.nn.Embedding.from_pretrained(make(table.copy()), padding_idx=1)
        for t, make in ((tg, ours), (torch, theirs))
    ]
    assert repr(layers[0]) == repr(layers[1])
    same(layers[0].weight.detach(), layers[1].weight.detach())
    assert [layer.weight.requires_grad for layer in layers] == [False, False]
    assert tg.nn.Embedding.from_pretrained(tg.ones(2, 2), freeze=False).weight.requires_grad
    drawn = [np.asarray(t.nn.Embedding(400, 50).weight.detach()) for t in LIBRARIES]
    assert all(abs(a.mean()) < 0.03 and abs(a.std() - 1) < 0.03 for a in drawn)


# --- bilinear --------------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 3), max_size=2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 3),
    st.booleans(),
    seeds,
)
def test_bilinear(lead: Any, first: int, second: int, outputs: int, bias: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [(*lead, first), (*lead, second), (outputs, first, second), (outputs,)]
    arrays = [rng.standard_normal(s) for s in shapes[: 3 + bias]]
    agree(lambda t, *xs: t.nn.functional.bilinear(*xs), arrays, order=2, terms=200)


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_layer(bias: bool) -> None:
    mine, wanted = pair(lambda t: t.nn.Bilinear(2, 3, 4, bias))
    assert repr(mine) == repr(wanted)
    rng = np.random.default_rng(0)
    compare(
        mine, wanted, lambda t, m, x, y: m(x, y), [rng.standard_normal((5, 2)), rng.standard_normal((5, 3))]
    )
    drawn = [t.nn.Bilinear(30, 40, 50).state_dict() for t in LIBRARIES]
    for key in drawn[1]:
        a, b = drawn[0][key].array, drawn[1][key].numpy()
        assert abs(a).max() == pytest.approx(abs(b).max(), rel=0.1) and abs(a.mean()) < 0.05


# --- what is refused -------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "sdpa 1-d": lambda t, F: F.scaled_dot_product_attention(t.zeros(3), t.zeros(3), t.zeros(3)),
    "sdpa features": lambda t, F: F.scaled_dot_product_attention(t.zeros(2, 3), t.zeros(4, 2), t.zeros(4, 5)),
    "sdpa values": lambda t, F: F.scaled_dot_product_attention(t.zeros(2, 3), t.zeros(4, 3), t.zeros(5, 5)),
    "sdpa mask": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 3), t.zeros(4, 3), t.zeros(4, 5), attn_mask=t.zeros(3, 4)
    ),
    "sdpa mask of ints": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 3), t.zeros(4, 3), t.zeros(4, 5), attn_mask=t.zeros(2, 4, dtype=t.int64)
    ),
    "sdpa mask of doubles": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 3), t.zeros(4, 3), t.zeros(4, 5), attn_mask=t.zeros(2, 4, dtype=t.float64)
    ),
    "sdpa two masks": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 3), t.zeros(2, 3), t.zeros(2, 5), attn_mask=t.zeros(2, 2), is_causal=True
    ),
    "sdpa dtypes": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 3), t.zeros(4, 3).double(), t.zeros(4, 5)
    ),
    "sdpa ints": lambda t, F: F.scaled_dot_product_attention(*[t.ones(2, 2, dtype=t.int64)] * 3),
    "sdpa gqa": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 4, 2, 3), t.zeros(2, 3, 4, 3), t.zeros(2, 3, 4, 5), enable_gqa=True
    ),
    "sdpa dropout": lambda t, F: F.scaled_dot_product_attention(*[t.zeros(2, 2)] * 3, dropout_p=1.5),
    "sdpa batches": lambda t, F: F.scaled_dot_product_attention(
        t.zeros(2, 2, 2), t.zeros(3, 2, 2), t.zeros(3, 2, 2)
    ),
    "heads": lambda t, F: t.nn.MultiheadAttention(4, 3),
    "no heads": lambda t, F: t.nn.MultiheadAttention(4, 0),
    "no features": lambda t, F: t.nn.MultiheadAttention(0, 1),
    "mha values": lambda t, F: mha(t)(t.zeros(3, 2, 4), t.zeros(3, 2, 4), t.zeros(3, 2, 5)),
    "mha query": lambda t, F: mha(t)(*[t.zeros(3, 2, 5)] * 3),
    "mha as many values": lambda t, F: mha(t)(t.zeros(3, 2, 4), t.zeros(5, 2, 4), t.zeros(4, 2, 4)),
    "mha batch": lambda t, F: mha(t)(t.zeros(3, 2, 4), t.zeros(5, 1, 4), t.zeros(5, 1, 4)),
    "mha rank": lambda t, F: mha(t)(*[t.zeros(4)] * 3),
    "mha ranks": lambda t, F: mha(t)(t.zeros(3, 2, 4), t.zeros(3, 4), t.zeros(3, 4)),
    "mha double": lambda t, F: mha(t)(*[t.zeros(3, 2, 4).double()] * 3),
    "mha mask": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, attn_mask=t.zeros(3, 4)),
    "mha mask of heads": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, attn_mask=t.zeros(2, 3, 3)),
    "mha mask rank": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, attn_mask=t.zeros(2, 2, 3, 3)),
    "mha mask of ints": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, attn_mask=t.zeros(3, 3).long()),
    "mha padding": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, key_padding_mask=t.zeros(3, 2)),
    "mha padding of ints": lambda t, F: mha(t)(
        *[t.zeros(3, 2, 4)] * 3, key_padding_mask=t.zeros(2, 3).long()
    ),
    "mha padding rank": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, key_padding_mask=t.zeros(6)),
    "mha causal": lambda t, F: mha(t)(*[t.zeros(3, 2, 4)] * 3, is_causal=True),
    "transformer activation": lambda t, F: t.nn.TransformerEncoderLayer(4, 2, activation="tanh"),
    "transformer heads": lambda t, F: t.nn.TransformerEncoderLayer(4, 3),
    "transformer features": lambda t, F: t.nn.TransformerEncoderLayer(4, 2)(t.zeros(3, 2, 5)),
    "transformer causal": lambda t, F: t.nn.TransformerEncoderLayer(4, 2)(t.zeros(3, 2, 4), is_causal=True),
    "transformer mask": lambda t, F: t.nn.TransformerEncoderLayer(4, 2)(t.zeros(3, 2, 4), t.zeros(2, 2)),
    "embedding beyond": lambda t, F: F.embedding(t.tensor([0, 3]), t.zeros(3, 2)),
    "embedding negative": lambda t, F: F.embedding(t.tensor([-1]), t.zeros(3, 2)),
    "embedding of floats": lambda t, F: F.embedding(t.tensor([0.0]), t.zeros(3, 2)),
    "embedding of bools": lambda t, F: F.embedding(t.tensor([True]), t.zeros(3, 2)),
    "embedding rank": lambda t, F: F.embedding(t.tensor([0]), t.zeros(3)),
    "embedding rank 3": lambda t, F: F.embedding(t.tensor([0]), t.zeros(3, 2, 1)),
    "embedding padding": lambda t, F: F.embedding(t.tensor([0]), t.zeros(3, 2), padding_idx=3),
    "embedding padding below": lambda t, F: F.embedding(t.tensor([0]), t.zeros(3, 2), padding_idx=-4),
    "Embedding sizes": lambda t, F: t.nn.Embedding(-1, 3),
    "Embedding padding": lambda t, F: t.nn.Embedding(3, 2, padding_idx=5),
    "Embedding weight": lambda t, F: t.nn.Embedding(3, 2, _weight=t.zeros(2, 2)),
    "Embedding from a vector": lambda t, F: t.nn.Embedding.from_pretrained(t.zeros(3)),
    "bilinear batches": lambda t, F: F.bilinear(t.zeros(2, 3), t.zeros(1, 4), t.zeros(5, 3, 4)),
    "bilinear features": lambda t, F: F.bilinear(t.zeros(2, 3), t.zeros(2, 4), t.zeros(5, 3, 3)),
    "bilinear bias": lambda t, F: F.bilinear(t.zeros(2, 3), t.zeros(2, 4), t.zeros(5, 3, 4), t.zeros(4)),
    "bilinear dtypes": lambda t, F: F.bilinear(t.zeros(2, 3).double(), t.zeros(2, 4), t.zeros(5, 3, 4)),
    "bilinear weight": lambda t, F: F.bilinear(t.zeros(2, 3), t.zeros(2, 4), t.zeros(3, 4)),
    "Bilinear sizes": lambda t, F: t.nn.Bilinear(0, 2, 3),
}


def mha(t: Any) -> Any:
    return t.nn.MultiheadAttention(4, 2)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_both(name: str) -> None:
    wanted, mine = (outcome(lambda t=t: REFUSED[name](t, t.nn.functional)) for t in (torch, tg))
    assert isinstance(wanted, Exception), wanted
    assert refused_here(mine), repr(mine)


COVERED = {
    "nn": {
        "Bilinear", "Embedding", "MultiheadAttention", "TransformerDecoder", "TransformerDecoderLayer",
        "TransformerEncoder", "TransformerEncoderLayer",
    },
    "nn.functional": {"bilinear", "embedding", "scaled_dot_product_attention"},
}  # fmt: skip

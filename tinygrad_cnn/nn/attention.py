"""Attention with several heads, and the transformer layers that are made of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..creation import cat, full
from ..errors import ArgumentError, DtypeError, ShapeError
from ..geometry import _int
from ..tensor import Tensor, _number, _tensor
from . import functional as F
from . import init
from .containers import ModuleList
from .dropout import Dropout
from .functional.attention import _added, _attention_weights
from .linear import Linear, new_parameter
from .module import Module
from .norm import LayerNorm

__all__ = [
    "MultiheadAttention", "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
    "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip


class MultiheadAttention(Module):
    """Queries look at keys with several heads: Vaswani et al. 2017, arXiv:1706.03762.

        head_i = softmax(q W_q,i (k W_k,i)^T / sqrt(e / heads)) v W_v,i;  all heads side by side times W_out

    Shapes: query (l, n, e), key (s, n, kdim), value (s, n, vdim) -> (l, n, e); with `batch_first` n comes
    first, and a single sequence has no n.

    Parameters: in_proj_weight (3 e, e) of queries, keys and values (q_proj_weight, k_proj_weight and
    v_proj_weight where kdim or vdim differ), in_proj_bias (3 e,), out_proj; bias_k and bias_v (1, 1, e), one
    more key and value, with `add_bias_kv`.

    >>> import tinygrad_cnn as tg
    >>> x = tg.zeros(5, 2, 8)
    >>> out, weights = tg.nn.MultiheadAttention(8, num_heads=4)(x, x, x)
    >>> out.shape, weights.shape
    ((5, 2, 8), (2, 5, 5))
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False,
    ):  # fmt: skip
        super().__init__()
        name = "MultiheadAttention"
        self.embed_dim, self.num_heads = (
            _int(name, "embed_dim", embed_dim),
            _int(name, "num_heads", num_heads),
        )
        if embed_dim % num_heads:
            raise ArgumentError(f"{name}: embed_dim={embed_dim} must be divisible by num_heads={num_heads}")
        self.kdim = embed_dim if kdim is None else _int(name, "kdim", kdim)
        self.vdim = embed_dim if vdim is None else _int(name, "vdim", vdim)
        self.dropout = _number(name, "dropout", dropout, 0)
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self.head_dim = embed_dim // num_heads
        packed = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = new_parameter(3 * embed_dim, embed_dim) if packed else None
        self.q_proj_weight = None if packed else new_parameter(embed_dim, embed_dim)
        self.k_proj_weight = None if packed else new_parameter(embed_dim, self.kdim)
        self.v_proj_weight = None if packed else new_parameter(embed_dim, self.vdim)
        self.in_proj_bias = new_parameter(3 * embed_dim) if bias else None
        self.bias_k = new_parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = new_parameter(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """(result, attention weights or None).

        Args:
            key_padding_mask: (n, s): keys not to look at (bool, True), or floats to add to the scores.
            need_weights: return the weights (n, l, s), too.
            attn_mask: (l, s) or (n heads, l, s): pairs not to look at (bool, True), or floats to add.
            average_attn_weights: of all heads; else the weights are (n, heads, l, s).
            is_causal: attn_mask is the causal one; it must be given all the same.
        """
        self._check(query, key, value, key_padding_mask, attn_mask, is_causal)
        single = query.ndim == 2
        same = query is key and key is value
        if single or not self.batch_first:
            query, key, value = (x.unsqueeze(0) if single else x.transpose(0, 1) for x in (query, key, value))
        q, k, v = self._projected(query, key, value, same)
        n, heads, length, _ = q.shape
        keys, bias = key.shape[1], not (is_causal and key_padding_mask is None and not need_weights)
        mask = None
        if attn_mask is not None and bias:
            mask = _hidden(attn_mask, q.dtype)
            mask = mask.reshape(n, heads, length, keys) if mask.ndim == 3 else mask
        if key_padding_mask is not None:
            padding = _hidden(key_padding_mask, q.dtype).reshape(n, 1, 1, keys)
            mask = padding if mask is None else mask + padding
        if mask is not None and k.shape[2] > keys:  # what was added may always be seen
            mask = F.pad(mask, (0, k.shape[2] - keys))
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = _attention_weights("MultiheadAttention", q * self.head_dim**-0.5, k, mask)
            weights = F.dropout(weights, dropout)
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights.squeeze(0) if single else weights
        else:
            out = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=not bias)
        out = self.out_proj(out.transpose(1, 2).reshape(n, length, self.embed_dim))
        if single or not self.batch_first:
            out = out.squeeze(0) if single else out.transpose(0, 1)
        return out, weights

    def _projected(self, query: Tensor, key: Tensor, value: Tensor, same: bool) -> list[Tensor]:
        """Queries, keys and values of each head: (n, heads, steps, head_dim)."""
        if same and self.in_proj_weight is not None:
            found = list(F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        else:
            packed = self.in_proj_weight
            weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
            weights = weights if packed is None else packed.chunk(3)
            biases: Any = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
            found = [F.linear(*row) for row in zip((query, key, value), weights, biases, strict=True)]
        n = query.shape[0]
        for i, more in ((1, self.bias_k), (2, self.bias_v)):
            if more is not None:
                found[i] = _longer(found[i], more.expand(n, 1, self.embed_dim))
            if self.add_zero_attn:
                found[i] = _longer(found[i], Tensor(np.zeros((n, 1, self.embed_dim), found[i].dtype)))
        return [x.reshape(n, x.shape[1], self.num_heads, self.head_dim).transpose(1, 2) for x in found]

    def _check(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None,
        is_causal: bool,
    ) -> None:  # fmt: skip
        name = "MultiheadAttention"
        for role, x in (("query", query), ("key", key), ("value", value)):
            _tensor(name, x, role)
        shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
        wanted = f"(.., {self.embed_dim}), (.., {self.kdim}) and (.., {self.vdim})"
        if not query.ndim == key.ndim == value.ndim or query.ndim not in (2, 3):
            raise ShapeError(f"{name}: {shapes}; all need 3 axes, or 2 without a batch")
        if (query.shape[-1], key.shape[-1], value.shape[-1]) != (self.embed_dim, self.kdim, self.vdim):
            raise ShapeError(f"{name}: {shapes}; they must be {wanted}")
        steps, batch = (1, 0) if self.batch_first and query.ndim == 3 else (0, 1)
        if key.shape[:-1] != value.shape[:-1]:
            raise ShapeError(f"{name}: {shapes}; each key has one value")
        n = query.shape[batch] if query.ndim == 3 else 1
        if query.ndim == 3 and key.shape[batch] != n:
            raise ShapeError(f"{name}: {shapes}; all have the same number of sequences on axis {batch}")
        length, keys = query.shape[steps], key.shape[steps]
        if is_causal and mask is None:
            raise ArgumentError(
                f"{name}: is_causal says what attn_mask is, which is missing; pass the mask as well"
            )
        rows = (n, keys) if query.ndim == 3 else (keys,)
        if padding is not None and _tensor(name, padding, "key_padding_mask").shape != rows:
            raise ShapeError(f"{name}: key_padding_mask {padding.shape}; with {shapes} it must be {rows}")
        pairs = ((length, keys), (n * self.num_heads, length, keys))
        if mask is not None and _tensor(name, mask, "attn_mask").shape not in pairs:
            raise ShapeError(
                f"{name}: attn_mask {mask.shape}; with {shapes} it must be {pairs[0]} or {pairs[1]}"
            )
        for role, m in (("key_padding_mask", padding), ("attn_mask", mask)):
            if m is not None and m.dtype.kind not in "fb":
                raise DtypeError(f"{name}: {role} is {m.dtype}; it must be bool, or floats to add")


def _longer(x: Tensor, more: Tensor) -> Tensor:
    return cat([x, more], 1)


def _hidden(mask: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """A mask that is True where nobody may look, as what is added to the scores."""
    return _added("MultiheadAttention", ~mask if mask.dtype == np.bool_ else mask, dtype)


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class _Layer(Module):
    """Attentions, then two linear layers; each of these steps is added to what it was given."""

    attentions: ClassVar[tuple[str, ...]]
    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    activation: Callable[[Tensor], Tensor]

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu, layer_norm_eps: float = 1e-5,
        batch_first: bool = False, norm_first: bool = False, bias: bool = True,
    ):  # fmt: skip
        super().__init__()
        for name in self.attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first))
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm_first = norm_first
        steps = range(1, len(self.attentions) + 2)
        for i in steps:
            setattr(self, f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for i in steps:
            setattr(self, f"dropout{i}", Dropout(dropout))
        if isinstance(activation, str):
            if activation not in _ACTIVATIONS:
                known = " or ".join(map(repr, _ACTIVATIONS))
                raise ArgumentError(
                    f"{type(self).__name__}: activation must be {known} or a function, not {activation!r}"
                )
            activation = _ACTIVATIONS[activation]
        self.activation = activation

    def _step(self, i: int, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        return x + dropout(function(norm(x))) if self.norm_first else norm(x + dropout(function(x)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention to oneself, then two linear layers; each is added to its input, and normalized.

    Shapes: (l, n, d_model), with `batch_first` (n, l, d_model), or (l, d_model) -> the same.  activation is
    "relu", "gelu" or any function; norm_first normalizes before each step instead of after it.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)(tg.zeros(5, 3, 8)).shape
    (5, 3, 8)
    """

    attentions = ("self_attn",)

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        def look(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)[0]

        return self._step(2, self._step(1, src, look), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Attention to oneself, attention to `memory`, then two linear layers; see `TransformerEncoderLayer`."""

    attentions = ("self_attn", "multihead_attn")

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        def look(x: Tensor) -> Tensor:
            return self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)[0]

        def remember(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )[0]

        return self._step(3, self._step(2, self._step(1, tgt, look), remember), self._feed_forward)


class _Stack(Module):
    """Copies of one layer, one after another."""

    def __init__(self, layer: Module, num_layers: int, norm: Module | None):
        super().__init__()
        self.num_layers = _int(type(self).__name__, "num_layers", num_layers, 0)
        self.layers = ModuleList(copy.deepcopy(layer) for _ in range(num_layers))
        self.norm = norm

    def _through(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        for layer in self.layers:
            x = layer(x, *args, **kwargs)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """num_layers copies of a `TransformerEncoderLayer`, and a normalization at the end if there is one.

    enable_nested_tensor and mask_check choose between PyTorch's ways to compute it; here there is one.
    """

    def __init__(
        self, encoder_layer: Module, num_layers: int, norm: Module | None = None,
        enable_nested_tensor: bool = True, mask_check: bool = True,
    ):  # fmt: skip
        super().__init__(encoder_layer, num_layers, norm)
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:  # fmt: skip
        return self._through(src, mask, src_key_padding_mask, bool(is_causal))


class TransformerDecoder(_Stack):
    """num_layers copies of a `TransformerDecoderLayer`, and a normalization at the end if there is one."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None):
        super().__init__(decoder_layer, num_layers, norm)

    def forward(
        self, tgt: Tensor, memory: Tensor, tgt_mask: Tensor | None = None, memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        return self._through(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            bool(tgt_is_causal), memory_is_causal,
        )  # fmt: skip


class Transformer(Module):
    """An encoder of `src`, and a decoder of `tgt` that attends to it: Vaswani et al. 2017, arXiv:1706.03762.

    Shapes: src (s, n, d_model), tgt (t, n, d_model) -> (t, n, d_model); with `batch_first` n comes first, and
    a single pair has no n.  custom_encoder and custom_decoder take the place of the stacks made here.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Transformer(8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> model(tg.zeros(5, 3, 8), tg.zeros(4, 3, 8)).shape
    (4, 3, 8)
    """

    def __init__(
        self, d_model: int = 512, nhead: int = 8, num_encoder_layers: int = 6, num_decoder_layers: int = 6,
        dim_feedforward: int = 2048, dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = F.relu, custom_encoder: Module | None = None,
        custom_decoder: Module | None = None, layer_norm_eps: float = 1e-5, batch_first: bool = False,
        norm_first: bool = False, bias: bool = True,
    ):  # fmt: skip
        super().__init__()
        options: Any = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first,
            bias,
        )  # fmt: skip

        def norm() -> Module:
            return LayerNorm(d_model, layer_norm_eps, bias=bias)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*options), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*options), num_decoder_layers, norm()
        )
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def forward(
        self, src: Tensor, tgt: Tensor, src_mask: Tensor | None = None, tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None, memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None, tgt_is_causal: bool | None = None, memory_is_causal: bool = False,
    ) -> Tensor:  # fmt: skip
        for role, x in (("src", src), ("tgt", tgt)):
            if not _tensor("Transformer", x, role).ndim or x.shape[-1] != self.d_model:
                raise ShapeError(f"Transformer: {role} {x.shape} must end with d_model={self.d_model}")
        batch = 1 - self.batch_first
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ShapeError(f"Transformer: src {src.shape}, tgt {tgt.shape}; the batch must be the same")
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
            memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz) to add to scores: -inf above the diagonal, so that no step sees those after it.

        >>> Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return full((sz, sz), float("-inf"), dtype=dtype, device=device).triu(1)

"""Attention: every query looks at all keys, and takes a weighted mean of their values."""

from __future__ import annotations

import math

import numpy as np

from ...errors import ArgumentError, DtypeError, ShapeError
from ...tensor import Tensor, _mask, _number, _tensor
from ._checks import _check_dtypes
from .dropout import dropout

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q k^T scale + mask) v: Vaswani et al. 2017, arXiv:1706.03762.

    Args:
        query: (..., l, e).
        key: (..., s, e).
        value: (..., s, v); the result is (..., l, v).
        attn_mask: broadcasts to (..., l, s): bool, True where a query may look, or floats to be added.
            A query that may look nowhere gets zeros.
        dropout_p: the probability with which a weight is dropped; pass 0 in evaluation.
        is_causal: query i looks at keys 0 to i only.
        scale: 1 / sqrt(e) by default.
        enable_gqa: several heads of the queries share one of keys and values (axis -3).

    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[0.0, 0.0], [2.0, 4.0]])
    >>> scaled_dot_product_attention(tg.zeros(1, 2), x, x)
    tensor([[1., 2.]])
    """
    name = "scaled_dot_product_attention"
    _check_dtypes(name, x=query, key=_tensor(name, key, "key"), value=_tensor(name, value, "value"))
    _number(name, "dropout_p", dropout_p, 0, 1)
    shapes = f"query {query.shape}, key {key.shape}, value {value.shape}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(f"{name}: {shapes}; each needs at least 2 axes, (..., steps, features)")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"{name}: {shapes}; queries are as long as keys, and each key has one value")
    if enable_gqa:
        heads, groups = query.shape[-3:-2], key.shape[-3:-2]
        if not heads or groups != value.shape[-3:-2] or heads[0] % groups[0]:
            raise ShapeError(
                f"{name}: {shapes}; heads of queries must be a multiple of those of keys (axis -3)"
            )
        key, value = (_repeated(x, heads[0] // groups[0]) for x in (key, value))
    if is_causal:
        if attn_mask is not None:
            raise ArgumentError(f"{name}: is_causal makes a mask of its own; pass it or attn_mask, not both")
        attn_mask = Tensor(np.tri(query.shape[-2], key.shape[-2], dtype=np.bool_))
    scale = 1 / math.sqrt(max(1, query.shape[-1])) if scale is None else _number(name, "scale", scale)
    weights = _attention_weights(name, query * scale, key, attn_mask, blank=True)
    return dropout(weights, dropout_p) @ value


def _repeated(x: Tensor, times: int) -> Tensor:
    """Each head `times` times, one after the other."""
    *lead, heads, steps, size = x.shape
    return x.unsqueeze(-3).expand(*lead, heads, times, steps, size).reshape(*lead, heads * times, steps, size)


def _attention_weights(
    name: str, query: Tensor, key: Tensor, mask: Tensor | None, blank: bool = False
) -> Tensor:
    """softmax(q k^T + mask); where a query may look nowhere, zeros if `blank`, else nan."""
    scores = query @ key.transpose(-2, -1)
    if mask is None:
        return scores.softmax(-1)
    mask = _added(name, mask, scores.dtype)
    try:
        np.broadcast_to(mask.array, scores.shape)
    except ValueError:
        raise ShapeError(
            f"{name}: attn_mask {mask.shape} does not broadcast to (..., queries, keys), {scores.shape}"
        ) from None
    nowhere = np.isneginf(mask.array).all(-1, keepdims=True) if blank else np.False_
    if not nowhere.any():
        return (scores + mask).softmax(-1)
    somewhere = Tensor(~nowhere)
    return (scores + mask.masked_fill(Tensor(nowhere), 0.0)).softmax(-1) * somewhere


def _added(name: str, mask: Tensor, dtype: np.dtype) -> Tensor:
    """A mask as what is added to the scores."""
    if _tensor(name, mask, "attn_mask").dtype == np.bool_:
        return Tensor(np.where(_mask(name, mask), dtype.type(0), dtype.type(-math.inf)))
    if mask.dtype != dtype:
        raise DtypeError(
            f"{name}: attn_mask is {mask.dtype}, query {dtype}; the mask must be bool or of that dtype"
        )
    return mask

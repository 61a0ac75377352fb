"""Clipping gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import ArgumentError, GraphError
from ...tensor import Tensor
from .convert_parameters import _tensors

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that together they are no longer than max_norm: Pascanu et al.
    (2012), "On the difficulty of training recurrent neural networks", https://arxiv.org/abs/1211.5063.

        total = (sum |g|^norm_type)^(1 / norm_type)      over all elements of all gradients
        g = g min(1, max_norm / (total + 1e-6))

    Args:
        parameters: a tensor or several; those without a gradient are passed over.
        max_norm: the largest length; inf only measures.
        norm_type: p of the p-norm, above 0; `inf` (or "inf") for the largest absolute value.
        error_if_nonfinite: refuse an infinite or nan norm.  Otherwise it makes nan of the gradients.
        foreach: accepted for PyTorch's sake, here and below; changes nothing.

    Returns:
        The norm before clipping, a 0-d tensor of the gradients' dtype; 0 if there are none.

    Raises:
        ArgumentError: a negative max_norm, a norm_type that is no norm, something that is no Tensor.
        GraphError: a norm that is not finite, with error_if_nonfinite; nothing is changed.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.zeros(2))
    >>> w.grad = tg.tensor([30.0, 40.0])
    >>> tg.nn.utils.clip_grad_norm_([w], max_norm=1.0), w.grad
    (tensor(50.), tensor([0.6000, 0.8000]))
    """
    grads = _grads("clip_grad_norm_", parameters)
    max_norm = _bound("clip_grad_norm_", "max_norm", max_norm)
    total = _total("clip_grad_norm_", grads, norm_type, error_if_nonfinite)
    _scale(grads, max_norm, total)
    return Tensor(np.array(total, grads[0].dtype if grads else np.float32))


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The p-norm of all elements of all tensors together; arguments as in `clip_grad_norm_`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.utils.get_total_norm([tg.tensor([3.0]), tg.tensor([4.0])])
    tensor(5.)
    """
    found = _tensors("get_total_norm", tensors)
    total = _total("get_total_norm", found, norm_type, error_if_nonfinite)
    return Tensor(np.array(total, found[0].dtype if found else np.float32))


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor | float,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients, in place, by min(1, max_norm / (total_norm + 1e-6)).

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.zeros(2))
    >>> w.grad = tg.tensor([30.0, 40.0])
    >>> tg.nn.utils.clip_grads_with_norm_([w], 1.0, total_norm=100.0)
    >>> w.grad
    tensor([0.3000, 0.4000])
    """
    max_norm = _bound("clip_grads_with_norm_", "max_norm", max_norm)
    _scale(_grads("clip_grads_with_norm_", parameters), max_norm, float(total_norm))


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value], in place.

    Raises ArgumentError for a negative clip_value or something that is no Tensor.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.zeros(3))
    >>> w.grad = tg.tensor([-5.0, 0.5, 5.0])
    >>> tg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([-1.0000, 0.5000, 1.0000])
    """
    clip_value = _bound("clip_grad_value_", "clip_value", clip_value)
    for g in _grads("clip_grad_value_", parameters):
        array = g._writable()
        np.clip(array, -clip_value, clip_value, out=array)


def _grads(caller: str, parameters: Any) -> list[Tensor]:
    """Each gradient once, though two parameters may hold the same."""
    grads = [p.grad for p in _tensors(caller, parameters) if p.grad is not None]
    return list(dict.fromkeys(grads))


def _bound(caller: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise ArgumentError(f"{caller}: {name} is {value}; a length is 0 or more")
    return number


def _total(caller: str, tensors: list[Tensor], norm_type: Any, error_if_nonfinite: bool) -> float:
    norm_type = float(norm_type)
    if not norm_type > 0:
        raise ArgumentError(f"{caller}: norm_type is {norm_type}; it must be above 0, such as 2 or inf")
    with np.errstate(all="ignore"):
        total = _norm([_norm_of(t.array, norm_type) for t in tensors], norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise GraphError(
            f"{caller}: the norm of the gradients is {total}; look for the layer where it "
            "arises, or pass error_if_nonfinite=False"
        )
    return total


def _scale(grads: list[Tensor], max_norm: float, total: float) -> None:
    with np.errstate(all="ignore"):
        scale = max_norm / (total + 1e-6)
        if not scale >= 1:  # nan goes on
            for g in grads:
                array = g._writable()
                array *= scale


def _norm_of(x: np.ndarray, p: float) -> float:
    """The p-norm of all elements, in the precision of x unless that overflows."""
    if x.size == 0:
        return 0.0
    if p == math.inf:
        return float(np.abs(x).max())
    flat = x.ravel(order="K")
    if p != 2:
        return _norm(np.abs(flat), p)
    squares = float(np.dot(flat, flat))
    return math.sqrt(squares) if math.isfinite(squares) else _norm(flat, 2)


def _norm(values: Any, p: float) -> float:
    """The p-norm of a vector, in double precision."""
    values = np.abs(np.asarray(values, np.float64))
    if p == math.inf:
        return float(values.max(initial=0.0))
    return float((values**p).sum() ** (1 / p))

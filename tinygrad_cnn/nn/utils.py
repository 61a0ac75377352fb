"""Clipping gradients, and all parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..creation import cat
from ..errors import ArgumentError, DtypeError, GraphError, ShapeError
from ..tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
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
    max_norm, norm_type = float(max_norm), float(norm_type)
    if not max_norm >= 0:
        raise ArgumentError(f"clip_grad_norm_: max_norm is {max_norm}; a length is 0 or more")
    if not norm_type > 0:
        raise ArgumentError(
            f"clip_grad_norm_: norm_type is {norm_type}; it must be above 0, such as 2 or inf"
        )
    with np.errstate(all="ignore"):
        total = _norm([_norm_of(g.array, norm_type) for g in grads], norm_type)
        if error_if_nonfinite and not math.isfinite(total):
            raise GraphError(
                f"clip_grad_norm_: the norm of the gradients is {total}; look for the layer where it "
                "arises, or pass error_if_nonfinite=False"
            )
        scale = max_norm / (total + 1e-6)
        if not scale >= 1:  # nan goes on
            for g in grads:
                array = g._writable()
                array *= scale
    return Tensor(np.array(total, grads[0].dtype if grads else np.float32))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value], in place.

    Raises ArgumentError for a negative clip_value or something that is no Tensor.

    >>> import tinygrad_cnn as tg
    >>> w = tg.nn.Parameter(tg.zeros(3))
    >>> w.grad = tg.tensor([-5.0, 0.5, 5.0])
    >>> tg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([-1.0000, 0.5000, 1.0000])
    """
    clip_value = float(clip_value)
    if not clip_value >= 0:
        raise ArgumentError(f"clip_grad_value_: clip_value is {clip_value}; a bound is 0 or more")
    for g in _grads("clip_grad_value_", parameters):
        array = g._writable()
        np.clip(array, -clip_value, clip_value, out=array)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after the other: (sum of sizes,); gradients flow through it.

    Raises ArgumentError if there are none, or something is no Tensor.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.utils.parameters_to_vector([tg.ones(2), tg.zeros(1, 2)])
    tensor([1., 1., 0., 0.])
    """
    params = _tensors("parameters_to_vector", parameters)
    if not params:
        raise ArgumentError("parameters_to_vector: there are no parameters; pass model.parameters()")
    return cat([p.reshape(-1) for p in params])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the pieces of a vector into parameters, in place; the way back from `parameters_to_vector`.

    Raises:
        ShapeError: vec has not as many elements as the parameters together; nothing is changed.
        DtypeError: vec is no Tensor.
        ArgumentError: something else is no Tensor.

    >>> import tinygrad_cnn as tg
    >>> w, b = tg.nn.Parameter(tg.zeros(1, 2)), tg.nn.Parameter(tg.zeros(1))
    >>> tg.nn.utils.vector_to_parameters(tg.tensor([1.0, 2.0, 3.0]), [w, b])
    >>> w.detach(), b.detach()
    (tensor([[1., 2.]]), tensor([3.]))
    """
    params = _tensors("vector_to_parameters", parameters)
    if not isinstance(vec, Tensor):
        raise DtypeError(f"vector_to_parameters: vec is a {type(vec).__name__}; pass a Tensor")
    total = sum(p.numel() for p in params)
    if vec.shape != (total,):
        raise ShapeError(
            f"vector_to_parameters: vec is {vec.shape}, the parameters together have {total} elements"
        )
    start = 0
    for p in params:
        p._writable()[...] = vec.array[start : start + p.numel()].reshape(p.shape)
        start += p.numel()


def _tensors(caller: str, parameters: Any) -> list[Tensor]:
    params = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise ArgumentError(f"{caller}: parameter {i} is a {type(p).__name__}; pass model.parameters()")
    return params


def _grads(caller: str, parameters: Any) -> list[Tensor]:
    """Each gradient once, though two parameters may hold the same."""
    grads = [p.grad for p in _tensors(caller, parameters) if p.grad is not None]
    return list(dict.fromkeys(grads))


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

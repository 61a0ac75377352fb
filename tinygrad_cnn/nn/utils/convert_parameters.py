"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...creation import cat
from ...errors import ArgumentError, DtypeError, ShapeError
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


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

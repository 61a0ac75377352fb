"""Ready-made parametrizations: a weight by length and direction, a weight of spectral norm 1."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...geometry import _int
from ...random import default_generator
from ...tensor import Tensor, _number
from ..conv import _ConvTransposeNd
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


# --- weight norm -----------------------------------------------------------------------------------------


def _lengths(v: Tensor, dim: int | None) -> Tensor:
    """The norm over all axes but `dim`, which stays; over all if it is None."""
    if dim is None or dim == -1:
        return (v * v).sum().sqrt()
    return (v * v).sum([i for i in range(v.ndim) if i != dim % v.ndim] or None, keepdim=v.ndim > 1).sqrt()


def _directed(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    return v * (g / _lengths(v, dim))


class _WeightNorm(Module):
    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return _directed(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _lengths(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """w = g v / |v|: length and direction are learned apart (Salimans & Kingma 2016, arXiv:1602.07868).

    g is `module.parametrizations.<name>.original0`, one length for each index of axis `dim` (one in all if
    it is None), v is `.original1`.  State dicts of the older `nn.utils.weight_norm` can be loaded.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.utils.parametrizations.weight_norm(tg.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    (40, 1)
    """
    register_parametrization(
        module, name, _WeightNorm(_dim_of("weight_norm", module, name, dim)), unsafe=True
    )

    module.register_load_state_dict_pre_hook(partial(_rename, name))
    return module


def _rename(name: str, module: Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Accept what the older weight_norm called its parameters."""
    for i, letter in enumerate("gv"):
        if (old := f"{prefix}{name}_{letter}") in state:
            state[f"{prefix}parametrizations.{name}.original{i}"] = state.pop(old)


def _dim_of(caller: str, module: Module, name: str, dim: int | None) -> int | None:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ArgumentError(f"{caller}: {type(module).__name__} has no tensor {name!r}")
    if dim is not None and not -weight.ndim <= dim < weight.ndim:
        raise ShapeError(f"{caller}: {name} {weight.shape} has no axis {dim}")
    return dim


# --- spectral norm ---------------------------------------------------------------------------------------


def _unit(x: np.ndarray, eps: float) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), eps)


def _matrix(weight: Tensor, dim: int) -> Tensor:
    """Axis `dim` first, all others flattened."""
    return weight.permute(dim, *(i for i in range(weight.ndim) if i != dim)).flatten(1)


def _iterate(matrix: np.ndarray, u: Tensor, v: Tensor, times: int, eps: float) -> None:
    """Bring u and v closer to the first singular vectors, in place (by the power method)."""
    for _ in range(times):
        u._writable()[...] = _unit(matrix @ v.array, eps)
        v._writable()[...] = _unit(matrix.T @ u.array, eps)


def _sigma(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The largest singular value, by its vectors."""
    u, v = u.detach().clone(), v.detach().clone()  # the next call writes into them
    return (u * (matrix @ v)).sum()


def _vectors(matrix: Tensor, eps: float) -> list[Tensor]:
    draw = default_generator()
    return [Tensor(_unit(draw.standard_normal(n).astype(matrix.dtype), eps)) for n in matrix.shape]


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim, eps
        if weight.ndim > 1:
            matrix = _matrix(weight.detach(), dim)
            for name, vector in zip(("_u", "_v"), _vectors(matrix, eps), strict=True):
                self.register_buffer(name, vector)
            _iterate(matrix.array, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return weight / (weight * weight).sum().sqrt().clamp(min=self.eps)
        matrix = _matrix(weight, self.dim)
        if self.training:
            _iterate(matrix.array, self._u, self._v, self.n_power_iterations, self.eps)
        return weight / _sigma(matrix, self._u, self._v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def _options(module: Module, name: str, n_power_iterations: int, dim: int | None) -> tuple[Tensor, int]:
    """The weight, and which axis counts its filters."""
    dim = int(isinstance(module, _ConvTransposeNd)) if dim is None else dim
    _int("spectral_norm", "n_power_iterations", n_power_iterations)
    _dim_of("spectral_norm", module, name, dim)
    weight = getattr(module, name)
    return weight, dim % weight.ndim


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Module:  # fmt: skip
    """w = v / (largest singular value of v): Miyato et al. 2018, arXiv:1802.05957.

    In training each call improves the estimate of the singular vectors, the buffers `_u` and `_v`.

    Args:
        module: what holds the weight.
        name: of the weight.
        n_power_iterations: how often at each call.
        eps: keeps lengths away from 0.
        dim: the axis of the filters: 0, and 1 for transposed convolutions.
    """
    weight, dim = _options(module, name, n_power_iterations, dim)
    parametrization = _SpectralNorm(weight, n_power_iterations, dim, _number("spectral_norm", "eps", eps, 0))
    return register_parametrization(module, name, parametrization)

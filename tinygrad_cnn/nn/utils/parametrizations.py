"""Ready-made parametrizations: a weight by length and direction, of spectral norm 1, orthogonal."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ...creation import cat, eye, randn
from ...errors import ArgumentError, ShapeError
from ...geometry import _int
from ...ops.linalg import solve
from ...random import default_generator
from ...tensor import Tensor, _number
from ..conv import _ConvTransposeNd
from ..module import Module
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


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


# --- orthogonal ------------------------------------------------------------------------------------------


def _one(x: Tensor, *sizes: int) -> Tensor:
    return eye(*sizes, dtype=x.dtype)


def _skew(x: Tensor) -> Tensor:
    """(n, n) with a = -a^T, of the lower triangle of x (n, k)."""
    lower, missing = x.tril(), x.shape[-2] - x.shape[-1]
    wide = cat([lower, x.new_zeros(*x.shape[:-1], missing)], -1)
    return wide - wide.mT


def _exponential(x: Tensor) -> Tensor:
    return _skew(x).matrix_exp()[..., : x.shape[-1]]


def _cayley(x: Tensor) -> Tensor:
    """(1 - a / 2)^-1 (1 + a / 2)"""
    half, one = _skew(x) / 2, _one(x, x.shape[-2])
    return solve(one - half, one + half)[..., : x.shape[-1]]


def _reflections(x: Tensor) -> Tensor:
    """H_1 H_2 ... H_k, where H_i = 1 - 2 v_i v_i^T / |v_i|^2 and v_i stands below the diagonal of column i.

    All at once: 1 - V S^-1 V^T, where S is the upper triangle of V^T V, its diagonal halved (Joffrain et al.
    2006, "Accumulating Householder transformations, revisited", ACM TOMS 32).
    """
    n, k = x.shape[-2:]
    v = x.tril(-1) + _one(x, n, k)
    s = (v.mT @ v).triu() * (1 - _one(x, k) / 2)
    signs = 1 - 2 * (x.detach().diagonal(0, -2, -1) < 0).to(x.dtype)
    return (_one(x, n, k) - v @ solve(s, v[..., :k, :].mT)) * signs.unsqueeze(-2)


_MAPS = {"matrix_exp": _exponential, "cayley": _cayley, "householder": _reflections}


class _Orthogonal(Module):
    base: Tensor

    def __init__(self, orthogonal_map: str, use_trivialization: bool):
        super().__init__()
        self.orthogonal_map, self.use_trivialization = orthogonal_map, use_trivialization

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        out = _MAPS[self.orthogonal_map](x.mT if wide else x)
        out = self.base @ out if self.use_trivialization else out
        return out.mT if wide else out

    def right_inverse(self, value: Tensor) -> Tensor:
        """With a base, the point at which the map gives 1; the base is the nearest that is orthogonal."""
        wide = value.shape[-2] < value.shape[-1]
        tall = value.mT if wide else value
        if self.use_trivialization:
            self.register_buffer("base", _basis(tall))
            return _one(value, *value.shape[-2:]).expand(value.shape) * -1.0
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                f"orthogonal: the map {self.orthogonal_map!r} has no inverse; use_trivialization=True has"
            )
        out = _reflectors(tall)
        return out.mT if wide else out


def _basis(tall: Tensor) -> Tensor:
    """(n, n), orthogonal, whose first columns span what those of (n, k) do."""
    n, k = tall.shape[-2:]
    if n == k:
        far = (tall.mT @ tall - _one(tall, n)).abs()
        if (far.array <= 10 * n * np.finfo(tall.dtype).eps).all():
            return tall.detach().clone()
    whole = cat([tall, randn(*tall.shape[:-1], n - k, dtype=tall.dtype)], -1)
    q, r = np.linalg.qr(whole.array)
    return Tensor(q * np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1)[..., None, :].astype(q.dtype))


def _reflectors(tall: Tensor) -> Tensor:
    """What `_reflections` makes tall of, if its columns are orthonormal."""
    raw, factors = np.linalg.qr(tall.array, mode="raw")
    out = np.swapaxes(raw, -1, -2).astype(tall.dtype)
    on = np.arange(out.shape[-1])
    signs = np.where(out[..., on, on] < 0, -1, 1)
    out[..., on, on] = np.where(factors == 0, -signs, signs)  # nothing to reflect
    return Tensor(out)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *,
    use_trivialization: bool = True,
) -> Module:  # fmt: skip
    """A weight whose columns (or rows, if there are fewer) are orthonormal, whatever is learned.

    Lezcano-Casado & Martinez-Rubio 2019, arXiv:1901.08428; the base: Lezcano-Casado 2019, arXiv:1909.09501.

    Args:
        module: what holds the weight, a matrix or a batch of them.
        name: of the weight.
        orthogonal_map: of a free matrix to an orthogonal one: "matrix_exp" (of a square one), "cayley", or
            "householder" (of any other).
        use_trivialization: count from a `base`, the weight as it is, or as it is assigned.

    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.utils.parametrizations.orthogonal(tg.nn.Linear(20, 40))
    >>> tg.allclose(layer.weight.T @ layer.weight, tg.eye(20), atol=1e-5)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ArgumentError(f"orthogonal: {type(module).__name__} has no tensor {name!r}")
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: {name} {weight.shape} is no matrix; it has to have rows and columns")
    square = weight.shape[-2] == weight.shape[-1]
    chosen = orthogonal_map or ("matrix_exp" if square else "householder")
    if chosen not in _MAPS:
        raise ArgumentError(
            f'orthogonal: orthogonal_map is {chosen!r:.40}; use "matrix_exp", "cayley" or "householder"'
        )
    return register_parametrization(module, name, _Orthogonal(chosen, use_trivialization), unsafe=True)

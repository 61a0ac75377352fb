"""The older spellings of weight norm and spectral norm, which compute a weight before each forward.

What they write into a state dict (weight_g and weight_v; weight_orig, weight_u and weight_v) is what older
models have.  New code uses `nn.utils.parametrizations`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import ArgumentError
from ...tape import no_grad
from ...tensor import Parameter, Tensor
from ..module import Module
from .parametrizations import _dim_of, _directed, _iterate, _lengths, _matrix, _options, _sigma, _vectors

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class _Before:
    """A hook that computes an attribute before each forward."""

    def __init__(
        self, kind: str, name: str, made_of: tuple[str, ...], compute: Callable[[Any, bool], Tensor]
    ):
        self.kind, self.name, self.made_of, self.compute = kind, name, made_of, compute

    def __call__(self, module: Any, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))

    def register(self, module: Any) -> None:
        if any(hook.function.kind == self.kind for hook in _those(module, self.name).values()):
            raise ArgumentError(f"{self.kind}: {self.name} has one already; remove_{self.kind} takes it away")
        module.register_forward_pre_hook(self)
        setattr(module, self.name, self.compute(module, False).detach())


def _those(module: Module, name: str) -> dict[int, Any]:
    hooks = module._hooks.items()
    return {k: h for k, h in hooks if isinstance(h.function, _Before) and h.function.name == name}


def _remove(module: Any, kind: str, name: str) -> None:
    for key, hook in _those(module, name).items():
        before = hook.function
        if before.kind == kind:
            with no_grad():
                weight = before.compute(module, False)
            for attribute in (name, *before.made_of):
                delattr(module, attribute)
            setattr(module, name, Parameter(weight.detach()))
            del module._hooks[key]
            return
    raise ArgumentError(f"remove_{kind}: {type(module).__name__} has no {kind} of {name!r}")


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """w = g v / |v| as parameters `weight_g` and `weight_v`; see `parametrizations.weight_norm`.

    >>> import tinygrad_cnn as tg
    >>> list(tg.nn.utils.weight_norm(tg.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    dim = _dim_of("weight_norm", module, name, dim)
    g, v = f"{name}_g", f"{name}_v"

    def compute(module: Any, training: bool) -> Tensor:
        return _directed(getattr(module, g), getattr(module, v), dim)

    before = _Before("weight_norm", name, (g, v), compute)
    weight = getattr(module, name).detach()
    delattr(module, name)
    setattr(module, g, Parameter(_lengths(weight, dim)))
    setattr(module, v, Parameter(weight))
    before.register(module)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a plain parameter of the weight again."""
    _remove(module, "weight_norm", name)
    return module


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """w = v / (largest singular value of v), as the parameter `weight_orig` and the buffers `weight_u` and
    `weight_v`; see `parametrizations.spectral_norm`.

    >>> import tinygrad_cnn as tg
    >>> list(tg.nn.utils.spectral_norm(tg.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    weight, axis = _options(module, name, n_power_iterations, dim)
    original, u, v = (f"{name}_{word}" for word in ("orig", "u", "v"))

    def compute(module: Any, training: bool) -> Tensor:
        weight, vectors = getattr(module, original), (getattr(module, u), getattr(module, v))
        matrix = _matrix(weight, axis)
        if training:
            _iterate(matrix.array.T, *vectors[::-1], n_power_iterations, eps)  # here v comes first
        return weight / _sigma(matrix, *vectors)

    before = _Before("spectral_norm", name, (original, u, v), compute)
    delattr(module, name)
    setattr(module, original, weight)
    for attribute, vector in zip((u, v), _vectors(_matrix(weight.detach(), axis), eps), strict=True):
        module.register_buffer(attribute, vector)
    before.register(module)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a plain parameter of the weight again."""
    _remove(module, "spectral_norm", name)
    return module

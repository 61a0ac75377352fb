"""Pruning: weights that are multiplied by a mask of zeros and ones.

A pruned parameter `weight` is the parameter `weight_orig` times the buffer `weight_mask`, computed before
each forward.  Pruning again takes from what is left.  Han et al. 2015, arXiv:1506.02626.

>>> import tinygrad_cnn as tg
>>> layer = l1_unstructured(tg.nn.Linear(4, 2), "weight", amount=0.25)
>>> list(layer.state_dict()), int((layer.weight == 0).sum())
(['bias', 'weight_orig', 'weight_mask'], 2)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from ...errors import ArgumentError, ShapeError
from ...random import default_generator
from ...tape import no_grad
from ...tensor import Tensor, _axis
from ..module import Module
from .convert_parameters import parameters_to_vector
from .parametrizations import _dim_of
from .reparametrize import _Before, _those

__all__ = [
    "BasePruningMethod", "CustomFromMask", "Identity", "L1Unstructured", "LnStructured", "RandomStructured",
    "RandomUnstructured", "custom_from_mask", "global_unstructured", "identity", "is_pruned",
    "l1_unstructured", "ln_structured", "random_structured", "random_unstructured", "remove",
]  # fmt: skip

M = TypeVar("M", bound=Module)


# --- methods ---------------------------------------------------------------------------------------------


class BasePruningMethod:
    """How a mask is made; subclass it, say its PRUNING_TYPE, and define `compute_mask`.

    PRUNING_TYPE is what `compute_mask` sees: "unstructured", the elements that are left in a row (n,);
    "structured", the channels of axis `self.dim` of which anything is left; "global", everything.
    """

    PRUNING_TYPE: ClassVar[str] = "unstructured"
    dim: int

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The new mask of `t`, whose mask has been `default_mask` until now."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define compute_mask(self, t, default_mask)"
        )

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> Self:
        """Prune a parameter by `cls(*args, **kwargs)`; `importance_scores` stand in for its values."""
        method = cls(*args, **kwargs)
        weight, mask = _weight(module, name)
        scores = _same_shape(
            "importance_scores", weight if importance_scores is None else importance_scores, mask
        )
        _put(module, name, method._mask(scores.detach(), mask))
        return method

    def prune(
        self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None
    ) -> Tensor:
        """A pruned copy of `t`."""
        mask = Tensor(np.ones_like(t.array)) if default_mask is None else default_mask
        scores = t if importance_scores is None else importance_scores
        return t * self._mask(
            _same_shape("importance_scores", scores, t).detach(), _same_shape("mask", mask, t)
        )

    def _mask(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The whole new mask, made of what this method sees."""
        new, where = np.array(mask.array, scores.dtype), self._where(mask)
        new[where] = self.compute_mask(Tensor(scores.array[where]), Tensor(new[where])).array
        return Tensor(new)

    def _where(self, mask: Tensor) -> Any:
        if self.PRUNING_TYPE == "unstructured":
            return mask.array == 1
        if self.PRUNING_TYPE == "structured":
            if mask.ndim < 2:
                raise ShapeError(f"prune: {mask.shape} has one axis, and no channels; prune it unstructured")
            dim = _axis("prune", mask, self.dim)
            alive = mask.array.any(tuple(i for i in range(mask.ndim) if i != dim))
            return (slice(None),) * dim + (alive,)
        if self.PRUNING_TYPE == "global":
            return ...
        raise ArgumentError(
            f"{type(self).__name__}: PRUNING_TYPE is {self.PRUNING_TYPE!r}; "
            'it must be "unstructured", "structured" or "global"'
        )


class _Amount(BasePruningMethod):
    """Takes away the least important: a share from 0 to 1, or a whole number."""

    def __init__(self, amount: float):
        if isinstance(amount, bool) or not isinstance(amount, Real):
            raise ArgumentError(f"prune: amount {amount!r:.40} must be a number")
        whole = isinstance(amount, Integral)
        if not (amount >= 0 if whole else 0 <= amount <= 1):
            raise ArgumentError(f"prune: amount {amount} must be a share from 0 to 1, or a whole number")
        self.amount: Any = amount

    def _least(self, importance: np.ndarray) -> np.ndarray:
        """The indices of those that go."""
        n = len(importance)
        k = int(self.amount) if isinstance(self.amount, Integral) else round(self.amount * n)
        if k > n:
            raise ArgumentError(f"prune: amount {self.amount} of {n} that are left; take less")
        return np.argsort(importance, kind="stable")[:k]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask with zeros for the elements, or channels, of least importance."""
        mask = default_mask.array.copy()
        if self.PRUNING_TYPE == "unstructured":
            mask.reshape(-1)[self._least(self._importance(t.array.reshape(-1, 1)))] = 0
        else:
            channels = np.moveaxis(t.array, self.dim, 0).reshape(t.shape[self.dim], -1)
            np.moveaxis(mask, self.dim, 0)[self._least(self._importance(channels))] = 0
        return Tensor(mask)

    def _importance(self, rows: np.ndarray) -> np.ndarray:
        """Of elements (n, 1) or channels (n, what is in them): (n,)."""
        return default_generator().random(len(rows))


class Identity(BasePruningMethod):
    """Takes nothing away; but there is a mask."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask that was."""
        return default_mask


class RandomUnstructured(_Amount):
    """Takes any elements away."""


class L1Unstructured(_Amount):
    """Takes the elements nearest to 0 away."""

    def _importance(self, rows: np.ndarray) -> np.ndarray:
        return np.abs(rows[:, 0])


class RandomStructured(_Amount):
    """Takes any channels of one axis away."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1):
        super().__init__(amount)
        self.dim = dim


class LnStructured(_Amount):
    """Takes the channels of one axis with the smallest n-norm away."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1):
        super().__init__(amount)
        if n != "fro" and (isinstance(n, bool) or not isinstance(n, Real)):
            raise ArgumentError(f'prune: n {n!r} must be a number, inf, -inf or "fro"')
        self.n, self.dim = n, dim

    def _importance(self, rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows, None if self.n == "fro" else self.n, axis=1)


class CustomFromMask(BasePruningMethod):
    """Takes away what a mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor):
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The given mask, on top of what was."""
        return default_mask * _same_shape("mask", self.mask, default_mask).to(default_mask.dtype)


# --- modules ---------------------------------------------------------------------------------------------


def _weight(module: Any, name: str) -> tuple[Tensor, Tensor]:
    """The values of a parameter, and its mask."""
    _dim_of("prune", module, name, None)
    weight = getattr(module, f"{name}_orig", getattr(module, name))
    return weight, getattr(module, f"{name}_mask", Tensor(np.ones_like(weight.array)))


def _same_shape(role: str, given: Tensor, like: Tensor) -> Tensor:
    if not isinstance(given, Tensor) or given.shape != like.shape:
        raise ShapeError(f"prune: {role} {getattr(given, 'shape', given)!r:.40} must be {like.shape}")
    return given


def _put(module: Any, name: str, mask: Tensor) -> None:
    original, masked = f"{name}_orig", f"{name}_mask"

    def compute(module: Any, training: bool) -> Tensor:
        return getattr(module, original) * getattr(module, masked)

    if not _pruned(module, name):
        weight = getattr(module, name)
        delattr(module, name)
        setattr(module, original, weight)
        module.register_buffer(masked, mask)
        _Before("pruning", name, (original, masked), compute).register(module)
    setattr(module, masked, mask)
    setattr(module, name, compute(module, False))


def _pruned(module: Module, name: str) -> list[int]:
    return [key for key, hook in _those(module, name).items() if hook.function.kind == "pruning"]


def identity(module: M, name: str) -> M:
    """Give a parameter a mask of ones; returns the module, as all of these do."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: float) -> M:
    """Set some elements to 0: a share of them, or a number."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: M, name: str, amount: float, importance_scores: Tensor | None = None) -> M:
    """Set the elements nearest to 0 to 0: a share of them, or a number."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: float, dim: int) -> M:
    """Set some channels of axis `dim` to 0: a share of them, or a number."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> M:
    """Set the channels of axis `dim` with the smallest n-norm to 0: a share of them, or a number."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Set the elements where `mask` is 0 to 0."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: type[BasePruningMethod],
    importance_scores: Mapping[tuple[Module, str], Tensor] | None = None, **kwargs: Any,
) -> None:  # fmt: skip
    """Prune several parameters as if they were one: the least important of all of them go.

    Args:
        parameters: (module, name) of each.
        pruning_method: an unstructured one, such as L1Unstructured.
        importance_scores: for (module, name), what stands in for the values.
        kwargs: what the method takes, such as amount.
    """
    method, places, given = pruning_method(**kwargs), list(parameters), importance_scores or {}
    if method.PRUNING_TYPE != "unstructured":
        raise ArgumentError(
            f"global_unstructured: {pruning_method.__name__} is {method.PRUNING_TYPE}; "
            "take an unstructured one"
        )
    weights, masks = zip(*(_weight(module, name) for module, name in places), strict=True)
    scores = [
        _same_shape("importance_scores", given.get(place, weight * mask), mask)
        for place, weight, mask in zip(places, weights, masks, strict=True)
    ]
    whole = method._mask(parameters_to_vector(scores).detach(), parameters_to_vector(masks))
    pieces = whole.split([mask.numel() for mask in masks])
    for (module, name), mask, piece in zip(places, masks, pieces, strict=True):
        _put(module, name, piece.clone().reshape(mask.shape))


def remove(module: M, name: str) -> M:
    """Make a plain parameter of the pruned one, with its zeros; the mask goes."""
    found = _pruned(module, name)
    if not found:
        raise ArgumentError(f"prune.remove: {type(module).__name__} has no pruned parameter {name!r}")
    weight, mask = _weight(module, name)
    with no_grad():
        weight.data = weight.data * mask
    for attribute in (name, f"{name}_orig", f"{name}_mask"):
        delattr(module, attribute)
    setattr(module, name, weight)
    del module._hooks[found[0]]  # type: ignore[attr-defined]
    return module


def is_pruned(module: Module) -> bool:
    """Whether anything in the module is pruned."""
    return any(
        isinstance(hook.function, _Before) and hook.function.kind == "pruning"
        for part in module.modules()
        for hook in part._hooks.values()
    )

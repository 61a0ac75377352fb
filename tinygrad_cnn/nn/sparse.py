"""Layers for integers that stand for vectors."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..tensor import Parameter, Tensor, _floating
from . import functional as F
from . import init
from .functional.sparse import _padding_row
from .linear import new_parameter
from .module import Module

__all__ = ["Embedding", "EmbeddingBag"]


class _Rows(Module):
    """A learned vector for each integer, and the options of a function that picks some."""

    _shown: ClassVar[dict[str, Any]]  # options and their usual values
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool

    def __init__(
        self, num_embeddings: int, embedding_dim: int, weight: Tensor | None, freeze: bool, **options: Any
    ):  # fmt: skip
        super().__init__()
        kind, padding_idx = type(self).__name__, options["padding_idx"]
        self.num_embeddings = _int(kind, "num_embeddings", num_embeddings, 0)
        self.embedding_dim = _int(kind, "embedding_dim", embedding_dim, 0)
        if padding_idx is not None:
            options["padding_idx"] = _padding_row(kind, padding_idx, num_embeddings)
        if options["sparse"]:
            raise ArgumentError(f"{kind}: there are no sparse gradients; leave out sparse=True")
        vars(self).update(options)
        if weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim).requires_grad_(not freeze)
            self.reset_parameters()
        elif _floating(kind, weight).shape != (num_embeddings, embedding_dim):
            raise ShapeError(f"{kind}: _weight {weight.shape} is not {(num_embeddings, embedding_dim)}")
        else:
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight._writable()[self.padding_idx] = 0

    def extra_repr(self) -> str:
        shown = ((name, getattr(self, name), usual) for name, usual in self._shown.items())
        more = "".join(f", {name}={value!r}" for name, value, usual in shown if value != usual)
        return f"{self.num_embeddings}, {self.embedding_dim}{more}"


def _size(kind: str, embeddings: Tensor) -> tuple[int, ...]:
    if _floating(kind, embeddings).ndim != 2:
        raise ShapeError(f"{kind}: embeddings {embeddings.shape} must have 2 axes, (rows, features)")
    return embeddings.shape


class Embedding(_Rows):
    """A learned vector for each integer from 0 to num_embeddings - 1: (...) -> (..., embedding_dim).

    Parameter: weight (num_embeddings, embedding_dim), standard normal at first, zeros at padding_idx.
    Options as in `functional.embedding`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Embedding(10, 3)(tg.tensor([[1, 2], [4, 0]])).shape
    (2, 2, 3)
    """

    _shown: ClassVar[dict[str, Any]] = {
        "padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False,
    }  # fmt: skip

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
    ):  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, _weight, _freeze, padding_idx=padding_idx, max_norm=max_norm,
            norm_type=norm_type, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse,
        )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:  # fmt: skip
        """One over the rows of a tensor; frozen unless told otherwise."""
        rows, features = _size("Embedding", embeddings)
        return cls(
            rows, features, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze
        )

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )


class EmbeddingBag(_Rows):
    """Sum, mean or maximum of the vectors of each bag of integers: (bags, n) -> (bags, embedding_dim).

    Parameter: weight (num_embeddings, embedding_dim), as in `Embedding`.  Options, and what forward is given,
    as in `functional.embedding_bag`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.EmbeddingBag(10, 3)(tg.tensor([1, 2, 4, 0]), tg.tensor([0, 3])).shape
    (2, 3)
    """

    _shown: ClassVar[dict[str, Any]] = {
        "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": None, "padding_idx": None,
    }  # fmt: skip
    mode: str
    include_last_offset: bool

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
        _weight: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
    ):  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, _weight, False, max_norm=max_norm, norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq, mode=mode, sparse=sparse,
            include_last_offset=include_last_offset, padding_idx=padding_idx,
        )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
        include_last_offset: bool = False, padding_idx: int | None = None,
    ) -> Self:  # fmt: skip
        """One over the rows of a tensor; frozen unless told otherwise."""
        rows, features = _size("EmbeddingBag", embeddings)
        made = cls(
            rows, features, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings,
            include_last_offset, padding_idx,
        )  # fmt: skip
        made.weight.requires_grad_(not freeze)
        return made

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

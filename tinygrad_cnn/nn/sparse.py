"""Layers for integers that stand for vectors."""

from __future__ import annotations

from typing import Self

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..tensor import Parameter, Tensor, _floating
from . import functional as F
from . import init
from .functional.sparse import _padding_row
from .linear import new_parameter
from .module import Module

__all__ = ["Embedding"]


class Embedding(Module):
    """A learned vector for each integer from 0 to num_embeddings - 1: (...) -> (..., embedding_dim).

    Parameter: weight (num_embeddings, embedding_dim), standard normal at first, zeros at padding_idx.
    Options as in `functional.embedding`.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Embedding(10, 3)(tg.tensor([[1, 2], [4, 0]])).shape
    (2, 2, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False, _weight: Tensor | None = None, _freeze: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.num_embeddings = _int("Embedding", "num_embeddings", num_embeddings, 0)
        self.embedding_dim = _int("Embedding", "embedding_dim", embedding_dim, 0)
        self.padding_idx = padding_idx
        if padding_idx is not None:
            self.padding_idx = _padding_row("Embedding", padding_idx, num_embeddings)
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        if sparse:
            raise ArgumentError("Embedding: there are no sparse gradients; leave out sparse=True")
        self.sparse = sparse
        if _weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim).requires_grad_(not _freeze)
            self.reset_parameters()
        elif _floating("Embedding", _weight).shape != (num_embeddings, embedding_dim):
            raise ShapeError(f"Embedding: _weight {_weight.shape} is not {(num_embeddings, embedding_dim)}")
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None,
        max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:  # fmt: skip
        """One over the rows of a tensor; frozen unless told otherwise."""
        if _floating("Embedding", embeddings).ndim != 2:
            raise ShapeError(f"Embedding: embeddings {embeddings.shape} must have 2 axes, (rows, features)")
        rows, features = embeddings.shape
        return cls(
            rows, features, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, embeddings, freeze
        )

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight._writable()[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        shown = {name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value}
        more = "".join(f", {name}={value}" for name, value in shown.items())
        return f"{self.num_embeddings}, {self.embedding_dim}{more}"

"""Losses as modules: call one with (input, target); see the functions in `functional`.

Made from one table: a row says the class's name, the function, and PyTorch's arguments with their defaults.
Those that stand behind PyTorch's deprecated `size_average` and `reduce`, which are left out, must be named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from ..tensor import Tensor
from . import functional as F
from .module import Module
from .table import FunctionLayer, layer

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CosineSimilarity",
    "CrossEntropyLoss", "DiceLoss", "FocalLoss", "GaussianNLLLoss", "GeneralizedDiceLoss",
    "HingeEmbeddingLoss", "HuberLoss", "JaccardLoss", "KLDivLoss", "L1Loss", "MSELoss",
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss",
    "PairwiseDistance", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss", "TverskyLoss",
]  # fmt: skip


class _Loss(Module):
    """Base of the losses that are reduced, also for those of programs."""

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean"):
        super().__init__()
        if size_average is not None or reduce is not None:
            raise ArgumentError(f"{type(self).__name__}: size_average and reduce are gone; use reduction=...")
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """Base of the losses that weigh classes (or elements)."""

    def __init__(
        self, weight: Tensor | None = None, size_average: None = None, reduce: None = None,
        reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class _Distance(FunctionLayer):
    pass


class _Reduced(FunctionLayer, _Loss):
    pass


class _Weighted(FunctionLayer, _WeightedLoss):
    pass


def _loss(name: str, function: Callable[..., Tensor], positional: str = "", /, **options: Any) -> Any:
    """`positional` are the options that may be given without their name."""
    base = _Weighted if "weight" in options else _Reduced if "reduction" in options else _Distance
    return layer(base, name, function, positional=positional, options=options)


CrossEntropyLoss = _loss(
    "CrossEntropyLoss", F.cross_entropy, "weight", weight=None, ignore_index=-100, reduction="mean",
    label_smoothing=0.0,
)  # fmt: skip
NLLLoss = _loss("NLLLoss", F.nll_loss, "weight", weight=None, ignore_index=-100, reduction="mean")
MSELoss = _loss("MSELoss", F.mse_loss, reduction="mean")
L1Loss = _loss("L1Loss", F.l1_loss, reduction="mean")
SmoothL1Loss = _loss("SmoothL1Loss", F.smooth_l1_loss, reduction="mean", beta=1.0)
HuberLoss = _loss("HuberLoss", F.huber_loss, "reduction delta", reduction="mean", delta=1.0)
BCELoss = _loss("BCELoss", F.binary_cross_entropy, "weight", weight=None, reduction="mean")
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, "weight", weight=None, reduction="mean",
    pos_weight=None,
)  # fmt: skip
KLDivLoss = _loss("KLDivLoss", F.kl_div, reduction="mean", log_target=False)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss", F.poisson_nll_loss, "log_input full", log_input=True, full=False, eps=1e-8,
    reduction="mean",
)  # fmt: skip
GaussianNLLLoss = _loss("GaussianNLLLoss", F.gaussian_nll_loss, full=False, eps=1e-6, reduction="mean")
CTCLoss = _loss(
    "CTCLoss", F.ctc_loss, "blank reduction zero_infinity", blank=0, reduction="mean", zero_infinity=False
)
HingeEmbeddingLoss = _loss(
    "HingeEmbeddingLoss", F.hinge_embedding_loss, "margin", margin=1.0, reduction="mean"
)
MarginRankingLoss = _loss("MarginRankingLoss", F.margin_ranking_loss, "margin", margin=0.0, reduction="mean")
SoftMarginLoss = _loss("SoftMarginLoss", F.soft_margin_loss, reduction="mean")
MultiLabelSoftMarginLoss = _loss(
    "MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, "weight", weight=None, reduction="mean"
)
MultiMarginLoss = _loss(
    "MultiMarginLoss", F.multi_margin_loss, "p margin weight", p=1, margin=1.0, weight=None, reduction="mean"
)
MultiLabelMarginLoss = _loss("MultiLabelMarginLoss", F.multilabel_margin_loss, reduction="mean")
CosineEmbeddingLoss = _loss(
    "CosineEmbeddingLoss", F.cosine_embedding_loss, "margin", margin=0.0, reduction="mean"
)
TripletMarginLoss = _loss(
    "TripletMarginLoss", F.triplet_margin_loss, "margin p eps swap", margin=1.0, p=2.0, eps=1e-6, swap=False,
    reduction="mean",
)  # fmt: skip
CosineSimilarity = _loss("CosineSimilarity", F.cosine_similarity, "dim eps", dim=1, eps=1e-8)
PairwiseDistance = _loss(
    "PairwiseDistance", F.pairwise_distance, "p eps keepdim", p=2.0, eps=1e-6, keepdim=False
)


_WithDistance: Any = _loss(
    "_WithDistance", F.triplet_margin_with_distance_loss, distance_function=None, margin=1.0, swap=False,
    reduction="mean",
)  # fmt: skip


class TripletMarginWithDistanceLoss(_WithDistance):  # type: ignore[misc]
    """`TripletMarginLoss` with a distance of your own, a function of two tensors or a module."""

    distance_function: Any

    def __init__(self, **options: Any):
        super().__init__(**options)
        if self.distance_function is None:
            self.distance_function = PairwiseDistance()


# Of segmentation; PyTorch has none of these.
FocalLoss = _loss(
    "FocalLoss", F.focal_loss, "weight gamma alpha", weight=None, gamma=2.0, alpha=None, ignore_index=-100,
    reduction="mean",
)  # fmt: skip
TverskyLoss = _loss(
    "TverskyLoss", F.tversky_loss, "alpha beta smooth", alpha=0.5, beta=0.5, smooth=1.0, ignore_index=-100,
    reduction="mean",
)  # fmt: skip
DiceLoss = _loss("DiceLoss", F.dice_loss, "smooth", smooth=1.0, ignore_index=-100, reduction="mean")
JaccardLoss = _loss("JaccardLoss", F.jaccard_loss, "smooth", smooth=1.0, ignore_index=-100, reduction="mean")
GeneralizedDiceLoss = _loss(
    "GeneralizedDiceLoss", F.generalized_dice_loss, ignore_index=-100, reduction="mean"
)

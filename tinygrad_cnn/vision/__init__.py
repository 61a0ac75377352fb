"""Looking at what a network does: pictures of a training, of weights and features; filters for photos."""

from __future__ import annotations

from ..data.photos import photo
from . import filters
from .pictures import confusion_matrix, feature_maps, learning_rates, mistakes, training_curves, weights
from .sheet import contact_sheet

__all__ = [
    "confusion_matrix",
    "contact_sheet",
    "feature_maps",
    "filters",
    "learning_rates",
    "mistakes",
    "photo",
    "training_curves",
    "weights",
]

"""Looking at what a network does: pictures of its training, its filters, its features and its mistakes."""

from __future__ import annotations

from .pictures import confusion_matrix, feature_maps, filters, learning_rates, mistakes, training_curves

__all__ = ["confusion_matrix", "feature_maps", "filters", "learning_rates", "mistakes", "training_curves"]

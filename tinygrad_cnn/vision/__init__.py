"""Looking at what a network does: pictures of a training, of weights and features; filters for photos."""

from __future__ import annotations

from ..data.photos import photo
from . import filters
from .animation import animate_conv
from .canvas import Animation
from .heat import heat_maps, overlay
from .inside import grad_cam, guided_backprop, occlusion, saliency
from .pictures import confusion_matrix, feature_maps, learning_rates, mistakes, training_curves, weights
from .report import report
from .sheet import contact_sheet

__all__ = [
    "Animation",
    "animate_conv",
    "confusion_matrix",
    "contact_sheet",
    "feature_maps",
    "filters",
    "grad_cam",
    "guided_backprop",
    "heat_maps",
    "learning_rates",
    "mistakes",
    "occlusion",
    "overlay",
    "photo",
    "report",
    "saliency",
    "training_curves",
    "weights",
]

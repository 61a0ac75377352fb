"""Transforms of images: of one (C, H, W), or of a whole batch (N, C, H, W) at once.

A transform is a callable from image to image: from Tensor to Tensor, from array (H, W, C) to array, from
Pillow image to Pillow image.  Those here have `batched = True`: given a batch they draw for every image
independently and move all pixels in a few indexing operations, so that augmenting a batch costs little
more than copying it.  A callable without that mark is applied image by image.

Random transforms draw from `generator`, or from the default one.  Inside a `DataLoader` leave it out:
the loader gives every batch its own seed, so threads do not change the images.  All channels of an image see
the same choice.  Names, arguments and arithmetic are torchvision's; the same as functions, without chance,
stand in `transforms.functional`.
"""

from __future__ import annotations

from . import functional
from .auto import RandAugment, TrivialAugmentWide
from .base import Transform
from .color import (
    ColorJitter,
    GaussianBlur,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from .compose import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from .convert import ConvertImageDtype, Normalize, PILToTensor, ToDtype, ToImage, ToPILImage, ToTensor
from .geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)
from .images import InterpolationMode
from .mix import CutMix, MixUp

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "FiveCrop",
    "GaussianBlur",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "MixUp",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomApply",
    "RandomAutocontrast",
    "RandomChoice",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToTensor",
    "Transform",
    "TrivialAugmentWide",
    "functional",
]

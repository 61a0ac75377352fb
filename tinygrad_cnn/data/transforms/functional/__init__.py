"""The transforms as functions, of images of every kind (see `images`) and of batches of them.

Names, arguments and arithmetic are those of torchvision's functions on tensors.  Where the numbers of a
transform may differ from image to image (a factor, an angle, a corner), an array gives one for each image
of a batch.  Pillow images are resized by Pillow itself; everything else is computed here.
"""

from __future__ import annotations

from .colours import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from .kinds import convert_image_dtype, get_dimensions, normalize, pil_to_tensor, to_pil_image, to_tensor
from .moving import center_crop, crop, erase, five_crop, hflip, pad, ten_crop, vflip
from .resizing import resize, resized_crop
from .turning import affine, perspective, rotate

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

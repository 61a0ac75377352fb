"""One real photograph, to try filters and networks on."""

from __future__ import annotations

from pathlib import Path

from ..tensor import Tensor
from .transforms.functional import to_tensor
from .transforms.images import pillow

__all__ = ["photo"]


def photo() -> Tensor:
    """A cup of coffee on a wooden table: float32 (3, 256, 256) in 0..1.

    Photograph by Rachel Michetti, CC0.  It has edges in all directions, round and straight, sharp and
    blurred, and the grain of wood.  `data.transforms.functional.to_pil_image` makes a Pillow image of it.

    Raises:
        MissingToolError: there is no Pillow to read it.

    >>> photo().shape
    (3, 256, 256)
    """
    with pillow("photo").open(Path(__file__).with_name("coffee.jpg")) as image:
        return to_tensor(image)

"""Make tinygrad_cnn/data/coffee.jpg of the coffee.png of scikit-image.

python tools/pack_photo.py path/to/skimage/data/coffee.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parent.parent / "tinygrad_cnn" / "data" / "coffee.jpg"


def main(source: str) -> None:
    """The cup and its saucer, 256 x 256, colours at full resolution."""
    with Image.open(source) as photo:
        cut = photo.convert("RGB").crop((86, 0, 486, 400)).resize((256, 256), Image.Resampling.LANCZOS)
    cut.save(TARGET, quality=92, subsampling=0, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])

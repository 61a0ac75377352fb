"""Draw the figures of the first three pages of the chapter, of what the library computes.

python docs/figures/make_filters.py
"""

from __future__ import annotations

import colorsys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn import vision
from tinygrad_cnn.data.transforms.functional import rgb_to_grayscale, to_pil_image
from tinygrad_cnn.geometry import conv_geometry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.vision import filters
from tinygrad_cnn.vision.canvas import INK, MUTED, PLAIN, SEEN, Animation, Boxes, Mark, Words, grid, heading

HERE = Path(__file__).parent
EDGE, CELL, BIG, SMALL = 4, 24, 36, 12
PAD = "#e3e6e8"
# From white to sky blue, of Okabe and Ito.
TINTS = ("#f3f9fd", "#dbeef9", "#c3e3f5", "#abd8f1", "#93cded", "#7bc2ea", "#63b7e6")

# The worked example of the page on convolution.
IMAGE = [[1, 2, 0, 1], [0, 1, 3, 2], [2, 1, 0, 1], [1, 0, 2, 3]]
KERNEL = [[1, 2, 0], [0, 1, 0], [0, 0, -1]]


def side_by_side(*images: np.ndarray) -> Image.Image:
    """Images (H, W) or (H, W, 3) of one size in 0..1, with a transparent gap between them."""
    parts = [to_pil_image(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)) for image in images]
    width, height = parts[0].size
    sheet = Image.new("RGBA", (len(parts) * (width + 8) - 8, height))
    for k, part in enumerate(parts):
        sheet.paste(part.convert("RGBA"), (k * (width + 8), 0))
    return sheet


def embossed() -> Image.Image:
    """The photo; with emboss laid on it; with emboss turned."""
    gray = rgb_to_grayscale(vision.photo())
    both = [filters.apply(gray, "emboss", mode) for mode in ("correlation", "convolution")]
    return side_by_side(*(image.array[0] for image in (gray, *both)))


def edges() -> Image.Image:
    """How steep the photo is, dark on light; and where to, as a colour."""
    magnitude, direction = (t.array[0] for t in filters.edges(rgb_to_grayscale(vision.photo())))
    steep = np.clip(magnitude / np.quantile(magnitude, 0.995), 0, 1) ** 0.7
    hue = direction / (2 * np.pi) % 1
    wheel = np.array([colorsys.hsv_to_rgb(h, 0.85, 1) for h in np.linspace(0, 1, 361)])
    colours = wheel[np.rint(360 * hue).astype(int)]
    return side_by_side(1 - steep, colours * steep[..., None])


def sheet() -> Image.Image:
    """The contact sheet of the whole bank, as wide as a page."""
    with TemporaryDirectory() as folder:
        drawn = Image.open(vision.contact_sheet(vision.photo(), Path(folder) / "sheet.png")).convert("RGB")
    return drawn.resize((1120, round(1120 * drawn.height / drawn.width)), Image.Resampling.LANCZOS)


def uses(word: str, n: int = 6, f: int = 3) -> Animation:
    """How many windows see each pixel of n x n: the gradient of the sum, if all taps are 1."""
    image = tg.zeros(1, 1, n, n, requires_grad=True)
    out = F.conv2d(image, tg.ones(1, 1, f, f), padding=word)
    out.sum().backward()
    assert image.grad is not None
    counts = image.grad.numpy()[0, 0]
    p = conv_geometry((1, 1, n, n), (1, 1, f, f), padding=word).padding[0][0]
    wide, top = (n + 2 * p) * CELL, EDGE + 30
    marks = heading(EDGE, EDGE, wide, f"{word}: {n} → {out.shape[2]}", SMALL)
    if p:
        marks += grid(EDGE, top, np.full((n + 2 * p,) * 2, np.nan), PAD, cell=CELL)
    for count in np.unique(counts):
        tint = TINTS[round((count - 1) / (f * f - 1) * (len(TINTS) - 1))]
        where = [(EDGE + (p + j) * CELL, top + (p + i) * CELL) for i, j in np.argwhere(counts == count)]
        marks.append(Boxes(tuple((x + 1, y + 1) for x, y in where), CELL - 2, CELL - 2, tint))
        marks += [Words(x + CELL / 2, y + CELL / 2, f"{count:.0f}", SMALL) for x, y in where]
    title = f"How often each pixel of {n}×{n} is used by a kernel of {f}×{f}, padding {word}"
    return Animation(title, wide + 2 * EDGE, top + wide + EDGE, marks)


def windows(n: int = 6, f: int = 3, s: int = 2) -> Animation:
    """Along one axis: where the windows lie with "same", and with p = (f - 1) / 2, if the stride is s."""
    marks: list[Mark] = []
    most = (f - 1) // 2
    y, wide = EDGE, (n + 2 * most) * BIG
    for word, padding in (("same", "same"), (f"p = {most}", most)):
        geom = conv_geometry((1, 1, n, n), (1, 1, f, f), s, padding)
        before, after = geom.padding[0]
        marks += heading(EDGE, y, wide, f"{word}, stride {s}: {before} before, {after} after", SMALL)
        y += 30
        for place in range(-before, n + after):
            x = EDGE + (most + place) * BIG
            inside = 0 <= place < n
            marks.append(Boxes(((x + 1, y + 1),), BIG - 2, BIG - 2, PLAIN if inside else PAD))
            marks.append(
                Words(x + BIG / 2, y + BIG / 2, str(place) if inside else "0", 15, INK if inside else MUTED)
            )
        y += BIG + 4
        for window in range(geom.out[0]):
            x = EDGE + (most + s * window - before) * BIG
            marks.append(Boxes(((x + 3, y),), f * BIG - 6, 14, SEEN))
            marks.append(Words(x + f * BIG / 2, y + 7, f"window {window}", 11))
            y += 18
        y += 14
    title = f"Where {f} taps with stride {s} lie on {n} pixels, with same padding and with p = {most}"
    return Animation(title, wide + 2 * EDGE, y - 14 + EDGE, marks)


def drawings() -> dict[str, Animation]:
    """Those that are text, by the names of their files."""
    return {
        **{kind: vision.animate_conv(IMAGE, KERNEL, kind=kind) for kind in ("correlation", "convolution")},
        **{f"uses-{word}": uses(word) for word in ("valid", "same", "full")},
        "same-stride": windows(),
    }


if __name__ == "__main__":
    for name, drawing in drawings().items():
        drawing.save(HERE / f"{name}.svg")
    for name, picture in (("emboss", embossed()), ("edges", edges()), ("filters", sheet())):
        picture.save(HERE / f"{name}.webp", quality=70, method=6)

"""The gallery's pictures are those of its script, and show what its page says of them."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from docs.figures import make_gallery

PAGE = Path(__file__).parent.parent / "docs" / "gallery.md"


@pytest.mark.parametrize("name", make_gallery.PICTURES)
def test_committed_pictures_are_the_scripts(name):
    committed = (make_gallery.HERE / f"{name}.dot").read_text(encoding="utf-8")
    made = make_gallery.dot(make_gallery.PICTURES[name]())
    if name in ("lenet-gradients", "lenet-activations"):  # the last digits are those of the BLAS
        measured = re.compile(r'[-\d.e]+ to [-\d.e]+|\|g\| [^<]*| fillcolor="#\w+"')
        committed, made = measured.sub("", committed), measured.sub("", made)
    assert committed == made, "run: python docs/figures/make_gallery.py"
    root = ET.parse(make_gallery.HERE / f"{name}.svg").getroot()
    words = {"".join(text.itertext()).strip() for text in root.iter("{http://www.w3.org/2000/svg}text")}
    titles = re.findall(r"\bn\d+ \[label=<(?:<table[^>]*><tr><td>)?([^<>]+)", committed)
    assert titles and set(titles) <= words


def test_all_are_small_and_on_the_page():
    files = [path.name for path in make_gallery.HERE.glob("*.svg")]
    assert sorted(files) == sorted(f"{name}.svg" for name in make_gallery.PICTURES)
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"figures/gallery/{name}" in page for name in files)
    assert sum(path.stat().st_size for path in make_gallery.HERE.iterdir()) < 700_000
    assert max(path.stat().st_size for path in make_gallery.HERE.iterdir()) < 100_000
    assert "figures/gallery/heat.webp" in page


def test_pictures_of_others_are_on_their_page():
    folder = make_gallery.HERE.parent / "compared"
    page = (PAGE.parent / "compared.md").read_text(encoding="utf-8")
    files = sorted(folder.iterdir())
    assert len(files) == 10 and sum(path.stat().st_size for path in files) < 400_000
    assert all(f"figures/compared/{path.name}" in page and ET.parse(path) for path in files)

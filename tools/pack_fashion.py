"""Pack the subset of Fashion-MNIST that comes with the package.

    python tools/pack_fashion.py FOLDER

FOLDER holds the four original .gz files: from https://github.com/zalandoresearch/fashion-mnist, or from
Debian's package dataset-fashion-mnist.  The two differ in the gzip header only; the checksums below are
those of the unpacked IDX files.

The choice: going through each file in order, an image is kept while fewer than 600 (training) or 100
(test) of its class have been kept; what is kept stays in file order.  The archive has fixed time stamps,
so that the same zlib always gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "tinygrad_cnn" / "data"
ARCHIVE = FOLDER / "fashion_mnist_subset.npz"
LICENSE = FOLDER / "FASHION_MNIST_LICENSE"

PER_CLASS = {"train": 600, "test": 100}
SOURCES = {  # SHA-256 of the unpacked files
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

LICENSE_TEXT = """\
fashion_mnist_subset.npz holds 7,000 images of Fashion-MNIST: of each of the ten classes the first 600
training and the first 100 test images, in file order, packed by tools/pack_fashion.py.

Source: https://github.com/zalandoresearch/fashion-mnist
Paper: Han Xiao, Kashif Rasul, Roland Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking
Machine Learning Algorithms (2017), https://arxiv.org/abs/1708.07747

SHA-256 of the unpacked source files:
{sources}
SHA-256 of fashion_mnist_subset.npz:
{archive}

The MIT License (MIT)

Copyright © 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO
EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR
THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def unpack(folder: Path, name: str, header: int) -> np.ndarray:
    """The bytes after the header of an IDX file whose checksum is right."""
    data = gzip.decompress((folder / name).read_bytes())
    found = hashlib.sha256(data).hexdigest()
    if found != SOURCES[name]:
        raise SystemExit(f"{folder / name}: the unpacked file has SHA-256 {found}, expected {SOURCES[name]}")
    return np.frombuffer(data, np.uint8, offset=header)


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """The positions of the first `per_class` of each label, in file order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == label)[:per_class] for label in range(10)]))


def subset(folder: Path) -> dict[str, np.ndarray]:
    """The four arrays of the archive."""
    arrays = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        labels = unpack(folder, f"{prefix}-labels-idx1-ubyte.gz", 8)
        images = unpack(folder, f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        kept = choose(labels, PER_CLASS[split])
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images[kept], labels[kept]
    return arrays


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz file whose bytes depend on the arrays (and zlib) only."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(info, entry.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def main() -> None:
    """Write the archive and its licence, and print the archive's checksum."""
    parser = argparse.ArgumentParser(description="Pack the embedded subset of Fashion-MNIST.")
    parser.add_argument("folder", type=Path, help="folder with the four original .gz files")
    archive = pack(subset(parser.parse_args().folder))
    digest = hashlib.sha256(archive).hexdigest()
    sources = "".join(f"  {checksum}  {name.removesuffix('.gz')}\n" for name, checksum in SOURCES.items())
    ARCHIVE.write_bytes(archive)
    LICENSE.write_text(LICENSE_TEXT.format(sources=sources, archive=f"  {digest}"), encoding="utf-8")
    print(f"{digest}  {ARCHIVE.name}  {len(archive):,} bytes")


if __name__ == "__main__":
    main()

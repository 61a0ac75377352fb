"""Data sets of images: CIFAR's archives, folders of files, made-up images."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.data import (
    CIFAR10,
    CIFAR100,
    KMNIST,
    DataLoader,
    DatasetFolder,
    FakeData,
    ImageFolder,
    default_collate,
    transforms,
)
from tinygrad_cnn.data.collate import try_batch
from tinygrad_cnn.errors import ArgumentError, FileFormatError

PIL_Image = pytest.importorskip("PIL.Image")


def records(cls, n, seed=0):
    """The bytes of n records, their labels, and their pixels (n, 3, 32, 32)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(cls.classes), n)
    pixels = rng.integers(0, 256, (n, 3, 32, 32))
    head = [rng.integers(0, 20, n), labels] if cls is CIFAR100 else [labels]
    return np.column_stack([*head, pixels.reshape(n, -1)]).astype(np.uint8).tobytes(), labels, pixels


def files(cls):
    """name -> bytes, of all files of the set, with a few records in each."""
    return {name: records(cls, 3, seed)[0] for seed, name in enumerate(cls.files[0] + cls.files[1])}


def packed(contents):
    """A .tar.gz of these."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("cls", [CIFAR10, CIFAR100])
@pytest.mark.parametrize("where", [".", "folder", "archive"])
def test_cifar_from_files_and_archives(tmp_path, cls, where):
    contents = files(cls)
    if where == "archive":
        whole = {"readme.html": b"hello"} | {f"{cls.folder}/{name}": data for name, data in contents.items()}
        (tmp_path / cls.archive).write_bytes(packed(whole))
    else:
        folder = tmp_path / (cls.folder if where == "folder" else ".")
        folder.mkdir(exist_ok=True)
        for name, data in contents.items():
            (folder / name).write_bytes(data)
    for train in (True, False):
        data = cls(tmp_path, train, mirrors=["http://127.0.0.1:9"])
        seeds = range(len(cls.files[0])) if train else [len(cls.files[0])]
        labels = np.concatenate([records(cls, 3, seed)[1] for seed in seeds])
        pixels = np.concatenate([records(cls, 3, seed)[2] for seed in seeds])
        assert data.data.shape == (len(labels), 32, 32, 3) and data.data.dtype == np.uint8
        assert np.array_equal(data.targets, labels) and data.targets.dtype == np.int64
        image, label = data[1]
        assert image.shape == (3, 32, 32) and image.dtype == np.float32 and label == labels[1]
        assert np.array_equal(image.array, pixels[1].astype(np.float32) / np.float32(255))
        batch = try_batch(data, [2, 0])
        by_items = default_collate([data[2], data[0]])
        assert all(np.array_equal(a.array, b.array) for a, b in zip(batch, by_items, strict=True))
        assert batch[0].array.flags.c_contiguous
        assert f"{len(labels)} {'training' if train else 'test'} images" in repr(data)
    assert len(set(cls.classes)) == len(cls.classes) == (10 if cls is CIFAR10 else 100)
    assert list(cls.classes) == sorted(cls.classes) and data.class_to_idx[cls.classes[7]] == 7


def test_cifar_augmented_a_batch_at_a_time(tmp_path):
    for name, data in files(CIFAR10).items():
        (tmp_path / name).write_bytes(data)
    pipeline = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    epochs = [
        np.concatenate(
            [x.array for x, _ in DataLoader(CIFAR10(tmp_path, transform=pipeline), 4, num_workers=k)]
        )
        for k in (0, 2)
        if tg.manual_seed(0)
    ]
    assert np.array_equal(*epochs) and epochs[0].shape == (15, 3, 32, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda whole: b"<html>not found</html>", "damaged"),
        (lambda whole: whole[: len(whole) // 2], "damaged"),
        (lambda whole: whole[:-8] + bytes(8), "damaged"),
        (lambda whole: gzip.compress(b"hello"), "damaged|has no"),
        (lambda whole: packed({"readme.html": b""}), "has no cifar-10-batches-bin/test_batch.bin"),
        (lambda whole: packed({"cifar-10-batches-bin/test_batch.bin": b""}), "has 0 bytes"),
        (lambda whole: packed({"cifar-10-batches-bin/test_batch.bin": bytes(3074)}), "records of 3073"),
        (lambda whole: packed({"cifar-10-batches-bin/test_batch.bin": b"\x0a" + bytes(3072)}), "a label 10"),
    ],
)
def test_a_damaged_archive_says_so(tmp_path, change, message):
    noise = np.random.default_rng(0).bytes(100_000)  # so that half of it is not all of it
    whole = packed(
        {"noise": noise, **{f"{CIFAR10.folder}/{name}": data for name, data in files(CIFAR10).items()}}
    )
    path = tmp_path / CIFAR10.archive
    path.write_bytes(change(whole))
    with pytest.raises(FileFormatError, match=message) as caught:
        CIFAR10(tmp_path, train=False)
    assert str(path) in str(caught.value)


def test_an_archive_that_lies_about_its_sizes(tmp_path):
    member = tarfile.TarInfo("zeros")
    member.size = 1 << 40
    (tmp_path / CIFAR10.archive).write_bytes(gzip.compress(member.tobuf()))
    with pytest.raises(FileFormatError, match="far more than a file of CIFAR"):
        CIFAR10(tmp_path)


def test_a_link_in_an_archive_is_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(3073))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        link = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
    (tmp_path / CIFAR10.archive).write_bytes(out.getvalue())
    with pytest.raises(FileFormatError, match="has no"):
        CIFAR10(tmp_path, train=False)


def test_nothing_there(tmp_path):
    with pytest.raises(ArgumentError, match=r"cifar-10-binary\.tar\.gz.*download=True"):
        CIFAR10(tmp_path)
    (tmp_path / "cifar-100-python").mkdir()
    with pytest.raises(ArgumentError, match="cifar-100-python is pickled"):
        CIFAR100(tmp_path)
    with pytest.raises(ArgumentError, match="KMNIST/raw"):
        KMNIST(tmp_path)


def test_a_right_download_is_kept(tmp_path, monkeypatch):
    whole = packed({f"{CIFAR10.folder}/{name}": data for name, data in files(CIFAR10).items()})
    monkeypatch.setattr(CIFAR10, "checksum", (hashlib.sha256(whole).hexdigest(), len(whole)))
    (tmp_path / CIFAR10.archive).write_bytes(whole)
    assert len(CIFAR10(tmp_path, download=True, mirrors=["http://127.0.0.1:9"])) == 15


# ---------------------------------------------------------------- folders


@pytest.fixture
def photos(tmp_path):
    for path, value in {"cat/b.png": 10, "cat/deep/a.PNG": 20, "dog/c.bmp": 30}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL_Image.new("L", (4, 3), value).save(file)
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "list.txt").write_text("no class")
    return tmp_path


def test_folders_of_images(photos):
    data = ImageFolder(photos)
    assert data.classes == ["cat", "dog"] and data.class_to_idx == {"cat": 0, "dog": 1}
    assert [path.removeprefix(str(photos)) for path, _ in data.samples] == [
        "/cat/b.png", "/cat/deep/a.PNG", "/dog/c.bmp",
    ]  # fmt: skip
    assert data.targets == [0, 0, 1] and data.imgs is data.samples and len(data) == 3
    image, label = data[2]
    assert (
        image.mode == "RGB" and image.size == (4, 3) and image.getpixel((0, 0)) == (30, 30, 30) and label == 1
    )
    data = ImageFolder(
        str(photos), transforms.Compose([transforms.Resize((2, 2)), transforms.ToTensor()]), str
    )
    x, y = next(iter(DataLoader(data, 3, num_workers=2)))
    assert x.shape == (3, 3, 2, 2) and y == ("0", "0", "1")
    assert (x.array[:, 0, 0, 0] * 255).round().tolist() == [10, 20, 30]


def test_folders_of_anything(photos):
    texts = DatasetFolder(photos, lambda path: Path(path).read_text(), (".TXT",), allow_empty=True)
    assert list(texts) == [("no image", 0)] and texts.classes == ["cat", "dog"]
    big = ImageFolder(photos, is_valid_file=lambda path: path.endswith("c.bmp"), allow_empty=True)
    assert [label for _, label in big.samples] == [1]
    with pytest.raises(ArgumentError, match=r"dog has no file of the class \(\.txt\)"):
        DatasetFolder(photos, open, [".txt"])
    with pytest.raises(ArgumentError, match="one of both"):
        DatasetFolder(photos, open)
    with pytest.raises(ArgumentError, match="one folder per class"):
        ImageFolder(photos / "dog")
    with pytest.raises(FileNotFoundError):
        ImageFolder(photos / "nowhere")
    (photos / "dog" / "c.bmp").write_bytes(b"broken")
    with pytest.raises(OSError):
        ImageFolder(photos)[2]


def test_made_up_images():
    data = FakeData(5, (1, 4, 6), 3, target_transform=str)
    assert len(data) == len(list(data)) == 5
    image, label = data[4]
    assert image.shape == (1, 4, 6) and image.dtype == np.float32 and label in "012"
    assert image.array.min() >= 0 and image.array.max() < 1
    assert np.array_equal(image.array, data[4][0].array) and not np.array_equal(image.array, data[3][0].array)
    assert np.array_equal(FakeData(image_size=(1, 4, 6), random_offset=4)[0][0].array, image.array)

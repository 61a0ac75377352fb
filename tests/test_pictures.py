"""The pictures are written, show what they are given, and refuse what makes no sense.

What a picture looks like is for the eye; here the drawn numbers and words are read back from the SVG,
where matplotlib can be told to keep text as text.
"""

from __future__ import annotations

import re
import sys
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, MissingToolError, ShapeError
from tinygrad_cnn.vision import (
    confusion_matrix,
    contact_sheet,
    feature_maps,
    filters,
    mistakes,
    pictures,
    training_curves,
    weights,
)
from tinygrad_cnn.vision.sheet import _shown

RNG = np.random.default_rng(0)
HISTORY = [
    {"epoch": 1, "train_loss": 0.9, "test_loss": 0.8, "test_accuracy": 0.75, "lr": 0.1},
    {"epoch": 2, "train_loss": 0.5, "test_loss": 0.6, "test_accuracy": 0.8125, "lr": 0.01},
]


def words(svg: Path) -> list[str]:
    return [t.text or "" for t in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.fixture
def as_text():
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        yield


def draw_all(folder: Path, kind: str) -> list[Path]:
    images = RNG.random((5, 28, 28))
    return [
        training_curves(HISTORY, folder / f"curves.{kind}"),
        weights(RNG.normal(size=(6, 1, 5, 5)), folder / f"filters.{kind}"),
        feature_maps({"conv1": RNG.random((1, 6, 9, 9))}, folder / f"maps.{kind}", image=images[0]),
        confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"], folder / f"matrix.{kind}"),
        mistakes(
            images,
            [0, 1, 1, 0, 1],
            [0, 0, 1, 1, 0],
            RNG.random(5),
            ["cat", "dog"],
            folder / f"mistakes.{kind}",
        ),
    ]


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_each_picture_is_written_into_a_new_folder(tmp_path, kind, magic):
    for path in draw_all(tmp_path / "new" / "folder", kind):
        assert path.read_bytes().startswith(magic)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 5  # and no temporary file beside them


def test_no_global_state_is_touched(tmp_path):
    before = dict.copy(matplotlib.rcParams)
    pyplot = sys.modules.get("matplotlib.pyplot")
    errors = []

    def work(i: int) -> None:
        try:
            draw_all(tmp_path / str(i), "png")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert dict.copy(matplotlib.rcParams) == before
    assert sys.modules.get("matplotlib.pyplot") is pyplot


def test_a_file_that_exists_survives_a_failure(tmp_path):
    path = tmp_path / "matrix.xyz"
    path.write_text("mine")
    with pytest.raises(ArgumentError, match=r"'matrix\.xyz'; name a file that ends in \.png"):
        confusion_matrix([[1]], ["cat"], path)
    assert path.read_text() == "mine"


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingToolError, match=r"pip install 'tinygrad-cnn\[viz\]'"):
        confusion_matrix([[1]], ["cat"], tmp_path / "a.png")


# --- training curves -------------------------------------------------------------------------------


def test_curves_are_named_at_their_ends(tmp_path, as_text):
    text = words(training_curves(HISTORY, tmp_path / "a.svg"))
    for expected in (
        "train 0.5",
        "test 0.6",
        "test 81.25 %",
        "learning rate",
        "loss",
        "accuracy (%)",
        "epoch",
    ):
        assert expected in text


def test_rows_as_a_csv_file_gives_them_and_columns_draw_the_same(tmp_path, as_text):
    strings = [{name: str(value) for name, value in row.items()} for row in HISTORY]
    columns = {name: [row[name] for row in HISTORY] for name in HISTORY[0]}
    drawn = [words(training_curves(h, tmp_path / "a.svg")) for h in (HISTORY, strings, columns)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_what_is_missing_is_left_out(tmp_path, as_text):
    rows = [
        {"loss": 1.0, "note": "warm-up"},
        {"loss": "", "accuracy": 0.5},
        {"loss": float("nan"), "accuracy": None},
    ]
    text = words(training_curves(rows, tmp_path / "a.svg"))
    assert "1" in text
    assert "50.00 %" in text
    assert "note" not in text


def test_only_the_quantities_asked_for(tmp_path, as_text):
    text = words(training_curves(HISTORY, tmp_path / "a.svg", quantities=["lr"]))
    assert "learning rate" in text
    assert "loss" not in text


@pytest.mark.parametrize(
    ("history", "error", "sentence"),
    [
        ([], ArgumentError, "none of loss, accuracy, lr has a number in the columns (none)"),
        ([{"loss": None}], ArgumentError, "in the columns loss; name the quantities"),
        ({"loss": [1, 2], "lr": [1]}, ShapeError, "different lengths, {'loss': 2, 'lr': 1}"),
    ],
)
def test_a_history_with_nothing_to_draw(tmp_path, history, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        training_curves(history, tmp_path / "a.png")


# --- filters and feature maps ----------------------------------------------------------------------


@given(o=st.integers(1, 70), i=st.integers(1, 20), size=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_the_filters_of_any_convolution_can_be_laid_out(o, i, size):
    tiles, columns, shown = pictures._tiles(RNG.normal(size=(o, i, *size)), 8)
    assert len(tiles) == shown[0] * (1 if i in (1, 3) else shown[1])
    assert 1 <= columns <= 16
    assert all(tile.shape == (size if i != 3 else (*size, 3)) for tile in tiles)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (65, 1, 3, 3), (4, 3, 5, 2), (4, 20, 3, 3)])
def test_filters_of_all_kinds(tmp_path, shape, as_text):
    text = words(weights(RNG.normal(size=shape), tmp_path / "a.svg"))
    assert f"{shape[0]} filters" in text
    cut = shape[0] > 64 or shape[1] > 16
    assert any(("the first" in t) == cut for t in text if "×" in t)


def test_filters_that_are_all_zero(tmp_path):
    assert weights(np.zeros((2, 1, 3, 3)), tmp_path / "a.png").exists()


def test_feature_maps_name_layers_and_shapes(tmp_path, as_text):
    layers = {"conv1": RNG.random((3, 9, 8)), "conv2": RNG.random((40, 4, 4))}
    text = words(feature_maps(layers, tmp_path / "a.svg", image=RNG.random((3, 9, 8))))
    for expected in ("input", "conv1", "3 × 9 × 8", "conv2", "40 × 4 × 4, the first 32"):
        assert expected in text
    assert "feature maps" in words(feature_maps(RNG.random((1, 2, 4, 4)), tmp_path / "b.svg"))


@pytest.mark.parametrize(
    ("draw", "sentence"),
    [
        (lambda path: weights(RNG.random((3, 3)), path), "weights: the weight has shape (3, 3)"),
        (lambda path: feature_maps(RNG.random((2, 3, 4, 4)), path), "got an array of shape (2, 3, 4, 4)"),
        (lambda path: feature_maps(RNG.random((4, 4)), path), "got an array of shape (4, 4)"),
        (
            lambda path: feature_maps(RNG.random((1, 4, 4)), path, image=RNG.random((2, 4, 4))),
            "an image has shape (2, 4, 4)",
        ),
        (lambda path: confusion_matrix(np.eye(2), ["cat"], path), "shape (2, 2); for 1 classes give (1, 1)"),
    ],
)
def test_shapes_that_do_not_fit(tmp_path, draw, sentence):
    with pytest.raises(ShapeError, match=re.escape(sentence)):
        draw(tmp_path / "a.png")


# --- confusion matrix and mistakes -----------------------------------------------------------------


def test_confusion_matrix_shows_counts_and_shares(tmp_path, as_text):
    text = words(confusion_matrix([[9, 1], [0, 30]], ["cat", "dog"], tmp_path / "a.svg"))
    for expected in ("9", "1", "30", "90 %", "100 %", "97.50 % right", "39 of 40", "cat", "dog"):
        assert expected in text
    assert "0" not in text  # an empty cell stays empty


def test_confusion_matrix_of_nothing(tmp_path, as_text):
    assert "no images" in words(confusion_matrix(np.zeros((2, 2), int), ["cat", "dog"], tmp_path / "a.svg"))


def test_mistakes_come_surest_first(tmp_path, as_text):
    images, labels, said = RNG.random((4, 1, 8, 8)), [0, 1, 0, 1], [1, 0, 0, 0]
    text = words(
        mistakes(images, labels, said, [0.5, 0.9, 1.0, 0.7], ["cat", "dog"], tmp_path / "a.svg", count=2)
    )
    assert [t for t in text if t.endswith(" %")] == ["cat 90 %", "cat 70 %"]
    assert any(t.startswith("3 of 4 wrong, the 2 it was surest of") for t in text)


def test_mistakes_read_the_confidence_from_all_probabilities(tmp_path, as_text):
    p = np.array([[0.25, 0.75], [0.6, 0.4]])
    text = words(mistakes(RNG.random((2, 3, 8, 8)), [0, 0], [1, 0], p, ["cat", "dog"], tmp_path / "a.svg"))
    assert "dog 75 %" in text


@pytest.mark.parametrize("n", [0, 3])
def test_no_mistakes(tmp_path, n, as_text):
    text = words(mistakes(RNG.random((n, 8, 8)), [0] * n, [0] * n, [1.0] * n, ["cat"], tmp_path / "a.svg"))
    assert "No mistakes" in text


@pytest.mark.parametrize(
    ("labels", "predictions", "probabilities", "error", "sentence"),
    [
        ([0], [1, 1], [1, 1], ShapeError, "2 images but labels of shape (1,)"),
        ([0, 0], [[1, 1]], [1, 1], ShapeError, "predictions of shape (1, 2)"),
        ([0, 0], [1, 2], [1, 1], ArgumentError, "predictions from 1 to 2 but 2 names"),
        ([0, -1], [1, 1], [1, 1], ArgumentError, "labels from -1 to 0 but 2 names"),
        ([0, 0], [1, 1], [[1, 1, 1]], ShapeError, "probabilities of shape (1, 3) for 2 images of 2 classes"),
    ],
)
def test_mistakes_that_do_not_fit(tmp_path, labels, predictions, probabilities, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        mistakes(
            RNG.random((2, 8, 8)), labels, predictions, probabilities, ["cat", "dog"], tmp_path / "a.png"
        )


# --- contact sheets --------------------------------------------------------------------------------


def test_the_sheet_names_its_filters(tmp_path, as_text):
    said = words(contact_sheet(RNG.random((12, 10, 3)), tmp_path / "a.svg"))
    assert [name for name in filters.bank() if name not in said] == []
    assert "21 filters" in said
    said = words(contact_sheet(tg.ones(1, 9, 9), tmp_path / "b.svg", {"mine": [[1, -1]]}, "convolution"))
    assert {"1 filter", "convolution", "mine"} <= set(said)


def test_what_the_sheet_shows():
    colour = RNG.normal(size=(3, 4, 5))
    np.testing.assert_array_equal(_shown(colour, filters.box()), np.clip(colour, 0, 1).transpose(1, 2, 0))
    signed = _shown(colour, filters.sobel())
    assert signed.shape == (4, 5)
    np.testing.assert_array_equal(signed > 0.5, colour.mean(0) > 0)
    np.testing.assert_array_equal(_shown(np.zeros((1, 4, 4)), filters.sobel()), 0.5)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda p: contact_sheet(tg.ones(2, 3, 4, 4), p), ShapeError, "got shape (2, 3, 4, 4); give a"),
        (lambda p: contact_sheet(Image.new("RGBA", (4, 4)), p), ShapeError, "a Pillow image of mode RGBA"),
        (lambda p: contact_sheet(np.ones((4, 4)), p, []), ArgumentError, "contact_sheet: give one filter"),
        (lambda p: contact_sheet(np.ones((4, 4)), p, ["x"]), ArgumentError, "there is no filter 'x'"),
    ],
)  # fmt: skip
def test_a_sheet_that_cannot_be_made(tmp_path, call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        call(tmp_path / "a.png")

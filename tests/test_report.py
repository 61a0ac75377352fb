"""The report of a training says what is so, and needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.vision import report

HISTORY = [
    {"epoch": 1, "train_loss": 0.9, "test_accuracy": 0.5},
    {"epoch": 2, "train_loss": 0.25, "test_accuracy": 0.75},
]


class Page(HTMLParser):
    """Headings, words, and whether every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_data(self, data):
        if self.open and self.open[-1] != "style" and data.strip():
            self.words.append(data.strip())


class Brightest(nn.Module):
    """Class 0 if the left half is brighter, class 1 if the right one is."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        with tg.no_grad():
            self.conv.weight.fill_(1)

    def forward(self, x):
        x = self.conv(x)
        return tg.stack([x[..., :2].sum((1, 2, 3)), x[..., 2:].sum((1, 2, 3))], 1)


def images(*sides):
    x = np.zeros((len(sides), 1, 4, 4), np.float32)
    for each, side in zip(x, sides, strict=True):
        each[..., 2 * side : 2 * side + 2] = 1
    return x


def written(path, *args, **options):
    text = report(path, *args, **options).read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    return text, page


def test_the_report_says_what_is_so(tmp_path):
    model = Brightest().train()
    x, labels = images(0, 0, 0, 1, 1), [0, 0, 1, 1, 1]
    _, page = written(tmp_path / "new" / "r.html", model, x, labels, ["left <", "right"], HISTORY)
    words = page.words
    assert "80.00 % of 5 images right · Brightest, 1 parameters" in words
    table = words[words.index("What it takes for what") :][2:]  # the rule how to read it stands between
    assert table[:9] == ["left <", "right", "left <", "2", "100 %", "right", "1", "2", "67 %"]
    assert "Mistakes: 1 of 5, the surest first" in words
    assert words[words.index("left <", words.index("Mistakes: 1 of 5, the surest first")) :][1:3] == [
        "100 %",
        "really right",
    ]
    assert {"train 0.25", "test 75.00 %", "epoch 2", "Filters of conv", "Feature maps of one image"} <= set(
        words
    )
    assert model.training and not model.conv._hooks and model.conv.weight.grad is None


def test_it_needs_nothing_else_and_is_the_same_each_time(tmp_path):
    args = Brightest(), images(0, 1, 1), [0, 1, 0]
    text, page = written(tmp_path / "a.html", *args)
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert sources and all(value.startswith("data:image/png;base64,") for value in sources)
    assert "prefers-color-scheme:dark" in text
    assert written(tmp_path / "b.html", *args)[0] == text


def test_what_there_is_not_is_left_out(tmp_path):
    dense = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    words = written(tmp_path / "a.html", dense, images(0, 1), [0, 1])[1].words
    assert "How it went" not in words
    assert not any(word.startswith(("Filters", "Feature maps")) for word in words)
    right = written(tmp_path / "b.html", Brightest(), images(0, 1), [0, 1])[1].words
    assert not any(word.startswith("Mistakes") for word in right)


def test_three_channels_and_many_batches(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    x = tg.randn(10, 3, 9, 9)
    one = written(tmp_path / "a.html", model.eval(), x, np.arange(10) % 3, batch_size=10)[0]
    assert written(tmp_path / "b.html", model, x, np.arange(10) % 3, batch_size=3)[1].words == Page(one).words


@pytest.mark.parametrize(
    ("x", "labels", "classes", "error", "sentence"),
    [
        (images(0), [0, 1], None, ShapeError, "1 images, labels int64 (2,); give a class for each image"),
        (images(0), [0.5], None, ShapeError, "1 images, labels float64 (1,)"),
        (
            images(0).repeat(2, 1),
            [0],
            None,
            ShapeError,
            "images have shape (1, 2, 4, 4); expected (n, 1 or 3,",
        ),
        (images(0), [2], None, ArgumentError, "there are 2 names and labels from 2 to 2; they must fit"),
        (images(0), [0], ["one"], ArgumentError, "the model tells 2 classes apart, there are 1 names"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, x, labels, classes, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        report(tmp_path / "a.html", Brightest(), x, labels, classes)
    assert not list(tmp_path.iterdir())


def test_a_model_that_gives_no_classes_is_refused(tmp_path):
    with pytest.raises(ShapeError, match=re.escape("the model returned (1, 2, 4, 4); need (n, classes)")):
        report(tmp_path / "a.html", nn.Conv2d(1, 2, 1), images(0), [0])

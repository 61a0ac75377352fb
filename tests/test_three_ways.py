"""Backprop of convolution by loops, by convolutions with the turned weight, by the library: all the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows import whole_numbers

import tinygrad_cnn as tg
from docs.figures import make_three_ways
from examples import three_ways
from tinygrad_cnn.testing.strategies import arrays, conv_configs


def whole(shape):
    return arrays(shape, lambda rng, size: whole_numbers(rng, size, np.float64))


def turned_by_group(x, w, dz, groups, **options):
    """Groups do not see each other: each is a convolution of its own."""
    split = [t.chunk(groups, axis) for t, axis in ((x, 1), (w, 0), (dz, 1))]
    parts = [three_ways.turned(*group, **options) for group in zip(*split, strict=True)]
    return [tg.cat(part, axis) for part, axis in zip(zip(*parts, strict=True), (1, 0, 0), strict=True)]


@given(conv_configs(), st.data())
def test_the_three_ways_are_one(config, data):
    """For any stride, padding, dilation and number of groups, equal to the last digit."""
    out = config.x_shape[0], config.w_shape[0], *config.geometry.out
    x, w, dz = (data.draw(whole(shape)) for shape in (config.x_shape, config.w_shape, out))
    options = {"stride": config.stride, "padding": config.padding, "dilation": config.dilation}
    tensors = [tg.from_numpy(a) for a in (x, w, dz)]
    ways = [
        (
            oracle.conv_input_grad(dz, w, x.shape[2:], **options, groups=config.groups),
            oracle.conv_weight_grad(dz, x, w.shape[2:], **options, groups=config.groups),
            dz.sum((0, 2, 3)),
        ),
        [t.numpy() for t in turned_by_group(*tensors, config.groups, **options)],
        [t.numpy() for t in three_ways.by_the_library(*tensors, **options, groups=config.groups)],
    ]
    for by_loops, by_turning, by_library in zip(*ways, strict=True):
        np.testing.assert_array_equal(by_turning, by_loops)
        np.testing.assert_array_equal(by_library, by_loops)


@given(st.integers(0, 2**32 - 1).map(np.random.default_rng))
def test_the_textbook_loops_are_those_of_one_loop_per_letter(rng):
    (A_prev, W, dZ), options = three_ways.random_problem(rng)
    dA_prev, dW, db = three_ways.loops(A_prev, W, dZ, **options)
    x, w, dz = (t.numpy() for t in three_ways.to_library(A_prev, W, dZ))
    s, p = options["stride"], options["pad"]
    windows = {"stride": (s, s), "padding": ((p, p), (p, p)), "dilation": (1, 1), "groups": 1}
    np.testing.assert_array_equal(
        dA_prev.transpose(0, 3, 1, 2), oracle.conv_input_grad(dz, w, x.shape[2:], **windows)
    )
    np.testing.assert_array_equal(
        dW.transpose(3, 2, 0, 1), oracle.conv_weight_grad(dz, x, w.shape[2:], **windows)
    )
    np.testing.assert_array_equal(db, dz.sum((0, 2, 3)))


def test_the_example_notices_a_weight_that_is_not_turned(monkeypatch, capsys):
    right = three_ways.turned
    monkeypatch.setattr(three_ways, "turned", lambda x, w, dz, **o: right(x, w.flip((2, 3)), dz, **o))
    assert three_ways.main(["--smoke"]) == 1
    assert "not equal for A_prev, W, dZ of" in capsys.readouterr().out


# --- the picture -----------------------------------------------------------------------------------------


def test_the_picture_is_drawn_from_the_example():
    committed = (make_three_ways.HERE / "three-ways.svg").read_text(encoding="utf-8")
    assert committed == make_three_ways.svg(), "run: python docs/figures/make_three_ways.py"


def luminance(colour: str) -> float:
    """As WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_every_text_of_the_picture_stands_on_a_colour_on_which_it_can_be_read():
    boxes, texts = [], 0
    for element in ET.fromstring(make_three_ways.svg()):
        if element.tag.endswith("}rect") and element.get("fill") != "none":
            x, y, width, height = (float(element.attrib[k]) for k in ("x", "y", "width", "height"))
            boxes.append((x, y, x + width, y + height, element.get("fill")))
        if element.tag.endswith("}text"):
            x, y, size = (float(element.attrib[k]) for k in ("x", "y", "font-size"))
            left, top, right, bottom, fill = boxes[-1]
            half = len(element.text) * size * 0.3  # the mean width of letters is 0.6 of their height, at most
            assert left <= x - half and x + half <= right and top <= y <= bottom, element.text
            dark, light = sorted((luminance(fill), luminance(element.get("fill"))))
            assert (light + 0.05) / (dark + 0.05) >= 4.5
            texts += 1
    assert texts > 100


@pytest.mark.parametrize("pad, stride", [(0, 1), (1, 2)])
def test_the_picture_shows_what_the_loops_find(stride, pad):
    """In each row, the green numbers."""
    svg = make_three_ways.svg()
    green = re.findall(rf'fill="{make_three_ways.RESULT}"/>\n<text[^>]*>(−?\d+)<', svg)
    numbers = [int(n.replace("−", "-")) for n in green]
    rows = {1: numbers[:16], 2: numbers[16:]}
    assert rows[stride] == three_ways.by_hand(stride, pad)[1]["loops"][0].ravel().tolist()

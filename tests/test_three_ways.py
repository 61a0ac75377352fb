"""Backprop of convolution by loops, by convolutions with the turned weight, by the library: all the same."""

from __future__ import annotations

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
from tinygrad_cnn.vision.canvas import CELL, RESULT, Boxes, Words


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


# --- the pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", make_three_ways.FIGURES)
def test_the_picture_is_drawn_from_the_example(name):
    committed = (make_three_ways.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == make_three_ways.FIGURES[name]().svg(), "run: python docs/figures/make_three_ways.py"


@pytest.mark.parametrize("name, pad, stride", [("three-ways", 0, 1), ("three-ways-stride", 1, 2)])
def test_the_picture_shows_what_the_loops_find(name, stride, pad):
    """The green numbers of the last step."""
    marks = make_three_ways.FIGURES[name]().frame(-1).marks
    green = [m.corners[0] for m in marks if isinstance(m, Boxes) and m.fill == RESULT]
    words = {(m.x, m.y): m.text.replace("−", "-") for m in marks if isinstance(m, Words)}
    numbers = [int(words[x - 1 + CELL / 2, y - 1 + CELL / 2]) for x, y in green]
    assert numbers == three_ways.by_hand(stride, pad)[1]["loops"][0].ravel().tolist()

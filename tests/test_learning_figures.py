"""The figures of the pages on sharing and gradient descent are what the library computes."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from docs.figures import make_learning
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.vision.canvas import Line


@pytest.mark.parametrize("name", make_learning.FIGURES)
def test_the_figure_is_the_one_that_is_drawn(name):
    committed = (make_learning.HERE / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == make_learning.FIGURES[name]().svg(), "run: python docs/figures/make_learning.py"


def test_the_drawn_matrix_is_that_of_the_convolution():
    """Its numbers, read back from the picture, times an image."""
    words = [int(word) for word in make_learning.shared().words() if word.isdigit()]
    zeros, taps = 28, 36
    assert words[:zeros] == [0] * zeros
    assert sorted(words[zeros : zeros + taps]) == sorted(list(range(1, 10)) * 4)
    matrix = make_learning.as_matrix(lambda x: F.conv2d(x, tg.arange(1.0, 10).reshape(1, 1, 3, 3)), 4, 4)
    x = np.arange(16.0, dtype=np.float32)
    z = F.conv2d(tg.tensor(x.reshape(1, 1, 4, 4)), tg.arange(1.0, 10).reshape(1, 1, 3, 3))
    np.testing.assert_array_equal(matrix @ x, z.numpy().ravel())


def test_the_ways_down_begin_and_end_where_the_optimizers_do():
    ways = [mark.points for mark in make_learning.descent().marks if isinstance(mark, Line)]
    ways = [points for points in ways if len(points) == 31]
    assert len(ways) == 3
    assert len({points[0][0] for points in ways}) == 1
    sgd = make_learning.path(make_learning.OPTIMIZERS["SGD, lr 0.09"][1])
    by_hand = np.stack([-4 * 0.91 ** np.arange(31), (-0.8) ** np.arange(31)], 1)
    np.testing.assert_allclose(sgd, by_hand, atol=1e-4)


def test_a_schedule_is_drawn_at_the_rates_it_gives():
    step, exponential, *_ = (make_learning.rates(make) for _, make in make_learning.SCHEDULES.values())
    np.testing.assert_allclose(step, [0.3 ** (i // 30) for i in range(101)])
    np.testing.assert_allclose(exponential, [0.97**i for i in range(101)])

"""What the strategies draw is valid, is what it says, and shrinks to the smallest that fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import strategies as s

rng = np.random.default_rng


@given(
    st.integers(1, 3).flatmap(lambda n: st.tuples(s.conv_configs(n, edges=True), s.conv_transpose_configs(n)))
)
def test_convolutions_are_valid(configs):
    for config, kind in zip(configs, ("conv", "conv_transpose"), strict=True):
        geom = config.geometry
        call = getattr(F, f"{kind}{len(geom.kernel)}d")
        y = call(tg.ones(config.x_shape), tg.ones(config.w_shape), **config.options)
        assert y.shape[2:] == (geom.out if kind == "conv" else geom.size)


@given(st.integers(1, 3).flatmap(lambda n: s.pool_configs(n, edges=True)))
def test_poolings_are_valid(config):
    call = getattr(F, f"max_pool{len(config.kernel)}d")
    assert call(tg.ones(config.x_shape), **config.options).shape[2:] == config.geometry.out


@pytest.mark.parametrize("axis", [0, 1])
def test_what_fails_shrinks_to_the_smallest_convolution(axis):
    """A convolution that takes the other axis' stride differs first on two pixels under one tap."""

    def wrong(config):
        x = rng(0).standard_normal(config.x_shape)
        w = rng(1).standard_normal(config.w_shape)
        options = config.options | {"stride": (config.stride[1 - axis],) * 2}
        y, z = (F.conv2d(tg.tensor(x), tg.tensor(w), **o).numpy() for o in (config.options, options))
        return y.shape != z.shape or not np.allclose(y, z)

    config = find(s.conv_configs(2), wrong)
    assert (config.w_shape, config.padding, config.dilation, config.groups) == (
        (1,) * 4,
        ((0, 0),) * 2,
        (1, 1),
        1,
    )
    assert sorted(config.x_shape) == [1, 1, 1, 2] and sorted(config.stride) == [1, 2]


@pytest.mark.parametrize("edge", s.EDGES)
def test_every_edge_is_drawn(edge):
    def has(config):
        rows = zip(
            config.x_shape[2:],
            config.w_shape[2:],
            config.stride,
            config.padding,
            config.dilation,
            strict=True,
        )
        return any(s.EDGES[edge](*row) == row for row in rows)

    assert has(find(s.conv_configs(1, edges=True), has))


def test_values_are_what_they_say():
    shape = (4, 5, 6)
    assert np.diff(np.sort(s.apart(rng(0), shape).ravel())).min() > 0.09
    assert len(np.unique(s.tied(rng(0), shape))) == 3
    assert {0.0, 6.0} <= set(s.at(0.0, 6.0)(rng(0), shape).ravel().tolist())
    odd = s.special()(rng(0), shape)
    assert np.isnan(odd).any() and np.isinf(odd).any() and (odd == 5e-324).any() and np.isfinite(odd).any()
    assert (np.signbit(odd) & (odd == 0)).any()
    np.testing.assert_allclose(s.probabilities(1)(rng(0), shape).sum(1), 1)
    np.testing.assert_array_equal(s.whole(rng(0), shape), np.round(s.whole(rng(0), shape)))


@given(s.shapes(max_dims=4), s.layouts)
def test_layouts_keep_the_values(shape, layout):
    x = rng(0).standard_normal(shape)
    np.testing.assert_array_equal(s.laid_out(x, layout), x)


@pytest.mark.parametrize(
    "has",
    [
        lambda x: not x.flags.writeable and 0 in x.strides,
        lambda x: not x.flags.aligned,
        lambda x: min(x.strides) < 0,
        lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
        lambda x: min(x.strides) > x.itemsize,
    ],
)
def test_every_kind_of_memory_is_drawn(has):
    find(s.arrays((2, 3), layout=s.any_layout), has)


def test_labels_and_tensors():
    ignored = find(s.labels((3,), 4, ignore_index=-100), lambda x: (x == -100).any())
    assert ignored.dtype == np.int64
    x = find(s.tensors((2,), requires_grad=True), lambda x: True)
    assert x.requires_grad and x.dtype == tg.float32
    assert {
        find(s.arrays((2,), dtype=s.dtypes), lambda x, k=k: x.dtype.kind == k).dtype.kind for k in "fiub"
    } == set("fiub")

"""Ops that move values: each way of adding back gives the same sums, and what does not fit says why."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DtypeError, IndexingError, ShapeError
from tinygrad_cnn.kernels import norm
from tinygrad_cnn.op import registry as ops
from tinygrad_cnn.ops import shape as shapes

rng = np.random.default_rng(0)
INDICES = [
    3,
    (slice(1, 4), 2),
    np.array([0, 2, 2, -1, 0]),
    np.array([1]),
    np.array([], np.int64),
    np.array([[0, 1], [1, 0]]),
    [4, 4, 0],
    (np.array([0, 0, 3]), np.array([1, 1, 2])),
    (slice(None), np.array([2, 2])),
    (np.array([1, 1]), slice(None), 0),
    np.array([True, False, True, True, False]),
    (slice(None), np.array([True, False, True])),
    (np.array([True, False, True, False, False]), np.array([1, 1])),
    (None, 2, ...),
]


@pytest.mark.parametrize("last", [1, 2, 40])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_put_adds_up_where_places_repeat(index, last):
    shape = (5, 3, last)
    x = rng.integers(-4, 5, np.zeros(shape)[index].shape).astype(np.float64)
    expected = np.zeros(shape)
    np.add.at(expected, index, x)
    assert_array_equal(ops["put"](tg.from_numpy(x), index=index, shape=shape).array, expected)


@pytest.fixture
def calls(monkeypatch):
    """calls(module, name): for each time that this function is called, its arguments."""

    def watch(module, name):
        seen, function = [], getattr(module, name)

        def watched(*args, **options):
            seen.append(args)
            return function(*args, **options)

        monkeypatch.setattr(module, name, watched)
        return seen

    return watch


@pytest.mark.parametrize(
    ("index", "shape", "way"),
    [
        (np.array([1, 1, 0]), (5, 16), "rows"),  # from here on it is worth sorting them
        (np.array([1, 1, 0]), (2, 15), "in one row"),
        (np.array([], np.int64), (0, 15), "in one row"),
        (np.array([[1, 1, 0]], np.uint8), (2, 4, 4), "rows"),
        (np.array([1, 1, 0]), (12,), "in one row"),  # four times what is added
        (np.array([1, 1, 0]), (13,), "number by number"),
        ([1, 1, 0], (3, 16), "in one row"),  # a list
        (slice(1, 3), (3, 2), "nothing twice"),
        ((1, 0), (3, 2), "nothing twice"),
        (np.array([True, False, True]), (3, 2), "nothing twice"),
        ([True, False, True], (3, 2), "nothing twice"),
    ],
)
def test_how_what_is_put_in_its_places_is_added_up(index, shape, way, calls):
    """Each is the fastest for its sizes; what comes out is tested above."""
    sorts, rows = calls(shapes, "_add_rows"), calls(np, "arange")
    ops["put"](np.ones(np.zeros(shape)[index].shape), index=index, shape=shape)
    found = {(1, 0): "rows", (0, 1): "in one row"}.get((len(sorts), len(rows)))
    assert found == (way if way in ("rows", "in one row") else None)


@pytest.mark.parametrize(
    ("shape", "to", "short"),
    [
        ((3, 2), (3, 1), True),
        ((3, 7), (3, 1), True),
        ((3, 8), (3, 1), False),
        ((1, 3), (3,), False),
        ((1, 3), (1, 1), True),  # the axis of one is none to add along
        ((2, 3), (1, 1), False),
    ],
)
def test_short_axes_are_added_up_number_by_number(shape, to, short, calls):
    seen = calls(shapes, "reduce")
    assert ops["sum_to"](np.ones(shape), shape=to).sum() == np.prod(shape)
    assert len(seen) == short


@pytest.mark.parametrize(
    ("shape", "dim", "dtype", "keepdim", "of_channels"),
    [
        ((2, 3, 4, 5), (0, 2, 3), "f4", False, True),
        ((2, 3, 4), (0, 2), "f8", False, True),
        ((2, 3), (0,), "f4", False, False),
        ((2, 3, 4, 5), (0, 2), "f4", False, False),
        ((2, 3, 4, 5), (0, 2, 3), "f4", True, False),
        ((2, 3, 4, 5), (0, 2, 3), "i4", False, False),
    ],
)
def test_sums_of_channels_are_those_of_norms(shape, dim, dtype, keepdim, of_channels, calls):
    seen = calls(norm, "sums")
    found = ops["sum"](np.ones(shape, dtype), dim=dim, keepdim=keepdim)
    assert_array_equal(found, np.ones(shape).sum(dim, keepdims=keepdim))
    assert len(seen) == of_channels


@pytest.mark.parametrize("order", ["C", "F"])
def test_gather_reads_in_one_row_where_memory_is_one(order, calls):
    seen, index = calls(shapes, "_flat"), np.array([[0, 0, 1]])
    ops["gather"](np.ones((2, 3), order=order), dim=0, index=index)
    assert len(seen) == (order == "C")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gather_takes_along_an_axis_of_any_layout(order, dim):
    x = np.array(rng.standard_normal((3, 4, 5)), order=order)
    for shape in [(3, 4, 5), (2, 1, 3), (1, 2, 7), (0, 2, 2)]:
        if any(n > m for i, (n, m) in enumerate(zip(shape, x.shape, strict=True)) if i != dim):
            continue
        index = rng.integers(0, x.shape[dim], shape)
        expected = np.zeros(shape)
        for at in np.ndindex(shape):
            source = list(at)
            source[dim] = index[at]
            expected[at] = x[tuple(source)]
        found = ops["gather"](tg.from_numpy(x), dim=dim, index=index)
        assert_array_equal(found.array, expected)
        back = ops["scatter_add"](found, dim=dim, index=index, shape=x.shape).array
        assert np.vdot(back, x) == pytest.approx((expected**2).sum())


@pytest.mark.parametrize("shape", [(3, 1), (1,), (1, 7), (3, 7), (), (2, 1, 1), (1, 3, 7), (1, 1, 1)])
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9])
def test_sum_to_undoes_a_broadcast(shape, n):
    shape = tuple(n if size == 7 else size for size in shape)
    x = rng.integers(-4, 5, (2, 3, n)).astype(float)
    out = ops["sum_to"](tg.from_numpy(x), shape=shape)
    assert out.shape == shape
    y = rng.integers(-4, 5, shape).astype(float)
    assert np.vdot(out.array, y) == np.vdot(x, np.broadcast_to(y, x.shape))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda x: ops["reshape"](x, shape=(4, 2)), ShapeError, r"has 6 elements, shape \(4, 2\) needs 8"),
        (lambda x: ops["reshape"](x, shape=(4, -1)), ShapeError, r"shape \(4, -1\) needs a multiple of 4"),
        (lambda x: ops["expand"](x, shape=(4, 3)), ShapeError, r"expand: x \(2, 3\) cannot become \(4, 3\)"),
        (lambda x: ops["getitem"](x, index=5), IndexingError, "an axis of n takes -n to n - 1"),
        (lambda x: ops["getitem"](x, index=(0, 0, 0)), IndexingError, "; x has 2 axes"),
        (lambda x: ops["setitem"](x, np.array("a"), index=0), DtypeError, "cannot hold a ndarray; assign"),
        (
            lambda x: ops["setitem"](x, 1.0, index=9),
            IndexingError,
            r"assignment: x \(2, 3\), value \(\): index 9",
        ),
        (
            lambda x: ops["setitem"](x, np.ones(2), index=0),
            ShapeError,
            r"value \(2,\): .* the value is broadcast",
        ),
        (
            lambda x: x.__setitem__(0, [[1], [2, 3]]),
            ShapeError,
            r"assignment: rows of different lengths in \[\[1\], \[2, 3\]\]; pad",
        ),
        (lambda x: x.__setitem__(0, {1}), DtypeError, "cannot hold a set; assign numbers"),
        (
            lambda x: x.to(tg.int8).__setitem__(0, 300),
            ArgumentError,
            "assignment: 300 does not fit into int8; use a larger dtype",
        ),
        (lambda x: ops["pad"](x, widths=((0, 0), (-2, -2))), ShapeError, "a size would be negative"),
        (lambda x: ops["pad"](x, widths=((-3, 0), (1, 1))), ShapeError, r"pad: x \(2, 3\) cannot be cut by"),
        (
            lambda x: ops["pad"](tg.ones(2, dtype=tg.int8), widths=((1, 0),), value=300),
            ArgumentError,
            "pad: 300 does not fit into int8; use a larger dtype",
        ),
    ],
)
def test_what_does_not_fit_says_why(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call(tg.ones(2, 3))
    assert type(caught.value) is error


def test_pads_of_nothing():
    assert ops["pad"](tg.tensor(2.0), widths=()).item() == 2
    assert ops["pad"](tg.zeros(2, 0), widths=((0, 0), (1, 0))).shape == (2, 1)

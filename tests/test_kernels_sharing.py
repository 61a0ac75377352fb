"""How plans cut their work, and in which order of memory results lie.

No result depends on it, but time and memory do: a piece of columns is to stay in the cache, two threads are
to have as many pieces each, small work is to wake nobody, and memory that lies as the next layer wants it is
not copied.  So what is cut is asked of the plans themselves, with thresholds moved to where small problems
cross them; the thresholds' own values are asked for once.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows import conv_cases, depthwise_cases, laid_out

from tinygrad_cnn.geometry import conv_geometry
from tinygrad_cnn.kernels import conv, runtime
from tinygrad_cnn.kernels.conv import columns, depthwise, pointwise, winograd
from tinygrad_cnn.kernels.memory import empty, innermost

ORDERS = "pixels", "channels", "batch"
MANY = 1 << 40
ROWS = slice(0, 4)  # all rows of results below


@contextmanager
def watched(module, **thresholds):
    """Lists of the pieces that this plan gives to threads, with its thresholds moved."""
    given_out = []

    def share(work, pieces):
        given_out.append([*pieces])
        runtime.share(work, pieces)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "share", share)
        for name, value in thresholds.items():
            patch.setattr(module, name, value)
        yield given_out


def three_kernels(plan, x_shape, w_shape, dtype=np.float64, layout="pixels", **options):
    """{name: call it} for the kernels of a plan, on arrays that lie in one order."""
    geom = conv_geometry(x_shape, w_shape, **options)
    shapes = x_shape, (x_shape[0], w_shape[0], *geom.out)
    x, y = (np.ones_like(empty(shape, dtype, layout)) for shape in shapes)
    w = np.ones(w_shape, dtype)
    return {
        "forward": lambda: plan.forward(x, w, geom),
        "input_grad": lambda: plan.input_grad(y, w, geom),
        "weight_grad": lambda: plan.weight_grad(y, x, geom),
    }


def cut(plan, kernel, x_shape, w_shape, layout="pixels", dtype=np.float64, groups=1, **thresholds):
    """What is given to threads, in one list for each time."""
    with watched(plan, **thresholds) as given_out:
        three_kernels(plan, x_shape, w_shape, dtype, layout, groups=groups)[kernel]()
    return given_out


def from_to(*ends):
    return [slice(start, stop) for start, stop in pairwise(ends)]


# --- columns: how many bytes at a time, how many multiplications for a thread ----------------------------

# Of 6 images, 2 channels and windows of 3x3, which are 4x5 to an image:
IMAGES, WEIGHT = (6, 2, 6, 7), (3, 2, 3, 3)
BYTES, PRODUCTS, WINDOWS = 20 * 2 * 9 * 8, 20 * 2 * 9 * 3, 20  # in an image
ALL_ROWS = {"PIECE": MANY, "SHARED": MANY}


def of_images(*ends):
    return [(images, ROWS) for images in from_to(*ends)]


@pytest.mark.parametrize(
    ("expected", "thresholds"),
    [
        (of_images(0, 3, 6), {"PIECE": 6 * BYTES - 1}),
        (of_images(0, 1, 3, 4, 6), {"PIECE": 2 * BYTES}),  # three would be enough, but are not even
        (of_images(*range(7)), {"PIECE": BYTES}),
        (
            [(slice(i, i + 1), rows) for i in range(6) for rows in from_to(0, 2, 4)],
            {"PIECE": BYTES // 2},
        ),
        # in one piece, for its bytes; but in two if each has enough to do and enough windows
        (of_images(0, 3, 6), {"SHARED": 6 * PRODUCTS - 1, "ENOUGH": 3 * WINDOWS}),
        # else the filters are shared
        (from_to(0, 1, 3), {"SHARED": 6 * PRODUCTS - 1, "ENOUGH": 3 * WINDOWS + 1}),
        (from_to(0, 3), {"SHARED": 6 * PRODUCTS, "ENOUGH": 1}),
        (from_to(0, 3), {"PIECE": 6 * BYTES}),
    ],
)
def test_columns_are_cut_into_pieces_of_images_or_rows(expected, thresholds):
    thresholds = {**ALL_ROWS, **thresholds}
    assert cut(columns, "forward", IMAGES, WEIGHT, **thresholds) == [expected]
    sums = [*range(len(expected) if isinstance(expected[0], tuple) else 1)]
    assert cut(columns, "weight_grad", IMAGES, WEIGHT, **thresholds) == [sums[:4]]


@pytest.mark.parametrize("piece, ends", [(1, 4), (2, 4), (3, 2), (6, 1)])
def test_with_the_batch_innermost_rows_are_cut(piece, ends):
    found = cut(columns, "forward", IMAGES, WEIGHT, layout="batch", SHARED=MANY, PIECE=piece * BYTES)
    if ends == 1:
        assert found == [from_to(0, 3)]
    else:
        assert found == [[(slice(0, 6), rows) for rows in from_to(*range(0, 5, 4 // ends))]]


def test_what_a_group_has_to_do_decides_who_shares_it():
    shapes, products = ((6, 4, 6, 7), (6, 2, 3, 3)), 6 * 20 * 9 * 2 * 6
    for shared, expected in ((products, of_images(0, 6)), (products - 1, of_images(0, 3, 6))):
        found = cut(columns, "forward", *shapes, groups=2, PIECE=MANY, ENOUGH=1, SHARED=shared)
        assert found == [expected]


@pytest.mark.parametrize(
    ("images", "thresholds", "expected"),
    [
        (6, {"SHARED": 6 * PRODUCTS}, from_to(0, 2)),
        (6, {"SHARED": 6 * PRODUCTS - 1, "ENOUGH": MANY}, from_to(0, 1, 2)),  # channels
        (1, {"PIECE": BYTES // 4, "SHARED": 0}, from_to(0, 1, 2)),
        (2, {"PIECE": 1}, [[(slice(i, i + 1), rows) for rows in from_to(*range(5))] for i in range(2)]),
        (2, {"PIECE": 2 * BYTES - 1}, [of_images(0, 1), of_images(1, 2)]),
        (6, {"PIECE": 2 * BYTES}, [[piece] for piece in of_images(0, 1, 3, 4, 6)]),
    ],
)
def test_pieces_of_one_image_go_to_one_thread(images, thresholds, expected):
    """They overlap in it; what is shared instead are its channels."""
    shape, thresholds = (images, *IMAGES[1:]), {**ALL_ROWS, **thresholds}
    assert cut(columns, "input_grad", shape, WEIGHT, **thresholds) == [expected]


def test_one_image_with_channels_innermost_is_worked_on_by_one_thread():
    shapes = (1, 8, 12, 12), (9, 8, 3, 3)
    found = cut(columns, "input_grad", *shapes, layout="channels", PIECE=1, SHARED=0)
    assert found == [[[(slice(0, 1), rows) for rows in from_to(*range(11))]]]
    rng, geom = np.random.default_rng(0), conv_geometry(*shapes)
    y, w = rng.integers(-3, 4, (1, 9, 10, 10)).astype(float), rng.integers(-3, 4, shapes[1]).astype(float)
    with watched(columns, PIECE=1, SHARED=0):
        grad = columns.input_grad(laid_out(y, "channels_last"), w, geom)
    np.testing.assert_array_equal(grad, columns.input_grad(y, w, geom))


@given(conv_cases(), st.sampled_from([1, 100, 1000, 10_000]), st.sampled_from(ORDERS))
def test_columns_take_little_more_memory_than_a_piece(case, piece, layout):
    """By no more than what cannot be cut, or is not cut evenly: an image, or a row of it."""
    x_shape, w_shape, options = case
    taken, padded = [], []

    class Watched(columns._Columns):
        def empty(self, images, rows):
            out = super().empty(images, rows)
            row = self.memory.nbytes // max(1, images * (rows.stop - rows.start))
            whole = rows.stop - rows.start == self.geom.out[0] and self.order != "batch"
            least = row * (self.geom.out[0] if whole else images if self.order == "batch" else 1)
            taken.append((self.memory.nbytes, least))
            return out

        def of(self, x, piece):
            found = super().of(x, piece)
            padded.append(self.padded.size)
            return found

    kernels = three_kernels(columns, x_shape, w_shape, layout=layout, **options)
    with watched(columns, PIECE=piece, _Columns=Watched):
        for kernel in kernels.values():
            kernel()
    assert all(nbytes < piece + least for nbytes, least in taken)
    if not any(map(sum, options["padding"])):  # then columns are made of the images as they are
        assert not any(padded)


def test_sizes_of_pieces_of_columns():
    """The values of the thresholds: measured once, so nobody is to change them unawares."""
    weight, single = (64, 64, 1, 1), {"dtype": np.float32}
    assert cut(columns, "forward", (1, 64, 64, 64), weight, **single) == [from_to(0, 64)]  # 2^24 products
    found = cut(columns, "forward", (1, 64, 64, 65), weight, **single)
    assert found == [[(slice(0, 1), rows) for rows in from_to(0, 32, 64)]]
    for width, kind in ((16, tuple), (15, slice)):  # two threads want 2 x 192 windows, or share filters
        found = cut(columns, "forward", (1, 88, 26, width + 2), (64, 88, 3, 3), **single)
        assert [list(map(type, pieces)) for pieces in found] == [[kind, kind]]
    for height, count in ((33, 2), (34, 4)):  # two pieces of 2^21 bytes, or more
        (found,) = cut(columns, "forward", (32, 8, height, 33), (2, 8, 2, 2), **single)
        assert len(found) == count


# --- columns: orders of memory ---------------------------------------------------------------------------


def orders(kernel, x, y, filters, groups=1):
    """(how columns lie, how the result lies), for x and y given as (order, shape)."""
    found = []

    class Watched(columns._Columns):
        def __init__(self, geom, order, *rest):
            found.append(order)
            super().__init__(geom, order, *rest)

    (x_order, x_shape), y_order = x, y
    w_shape = (filters, x_shape[1] // groups, 3, 3)
    geom = conv_geometry(x_shape, w_shape, groups=groups)
    x = np.ones_like(empty(x_shape, np.float32, x_order))
    y = np.ones_like(empty((x_shape[0], filters, *geom.out), np.float32, y_order))
    w = np.ones(w_shape, np.float32)
    with watched(columns, _Columns=Watched):
        pair = {"forward": (x, w), "weight_grad": (y, x), "input_grad": (y, w)}[kernel]
        result = getattr(columns, kernel)(*pair, geom)
    assert len({*found}) == 1
    return found[0], innermost(result)


FEW, FULL, EQUAL, HEAVY = (1, 2, 8, 8), (12, 2, 8, 8), (1, 2, 12, 18), (1, 2, 12, 17)


@pytest.mark.parametrize(
    ("x", "filters", "groups", "expected"),
    [
        (("pixels", FEW), 7, 1, ("pixels", "pixels")),
        (("pixels", (11, *FEW[1:])), 23, 1, ("pixels", "pixels")),
        (("pixels", FULL), 23, 1, ("batch", "batch")),  # few filters, many images
        (("pixels", FULL), 24, 1, ("pixels", "channels")),  # many filters
        (("pixels", EQUAL), 24, 1, ("pixels", "channels")),
        (("pixels", HEAVY), 24, 1, ("pixels", "pixels")),  # more weights than pixels
        (("channels", EQUAL), 24, 1, ("channels", "channels")),
        (("channels", HEAVY), 24, 1, ("pixels", "pixels")),
        (("channels", FULL), 23, 1, ("channels", "channels")),
        (("batch", (2, *FEW[1:])), 7, 1, ("batch", "batch")),
        (("batch", (2, *FEW[1:])), 40, 1, ("batch", "batch")),
        (("channels", FULL), 24, 2, ("pixels", "pixels")),  # groups are a batch of matrices
        (("batch", FULL), 6, 2, ("pixels", "pixels")),
        (("pixels", FULL), 6, 2, ("pixels", "pixels")),
        (("pixels", FULL), 24, 2, ("pixels", "pixels")),
    ],
)
def test_columns_lie_as_the_image_does_and_results_as_they_are_wanted_next(x, filters, groups, expected):
    assert orders("forward", x, "pixels", filters, groups) == expected


@pytest.mark.parametrize(
    ("x", "y", "groups", "expected"),
    [
        ("pixels", "pixels", 1, "pixels"),
        ("pixels", "batch", 1, "batch"),
        ("pixels", "channels", 1, "pixels"),
        ("channels", "batch", 1, "channels"),
        ("batch", "pixels", 1, "batch"),
        ("pixels", "batch", 2, "pixels"),
        ("channels", "batch", 2, "pixels"),
    ],
)
def test_columns_for_the_weights_gradient_lie_as_the_image_does(x, y, groups, expected):
    assert orders("weight_grad", (x, FULL), y, 4, groups)[0] == expected


@pytest.mark.parametrize(
    ("channels", "y", "groups", "expected"),
    [
        (8, "channels", 1, "channels"),
        (7, "channels", 1, "pixels"),  # so few are not worth it
        (7, "batch", 1, "batch"),
        (8, "batch", 1, "batch"),
        (8, "pixels", 1, "pixels"),
        (8, "channels", 2, "pixels"),
    ],
)
def test_the_images_gradient_lies_as_the_results_does(channels, y, groups, expected):
    x = "pixels", (3, channels, 14, 14)
    assert orders("input_grad", x, y, 4, groups) == (expected, expected)


@given(conv_cases())
def test_columns_fit_everything(case):
    x_shape, w_shape, options = case
    assert columns.fits(conv_geometry(x_shape, w_shape, **options), x_shape[0], np.dtype(float))


# --- windows of one pixel --------------------------------------------------------------------------------

POINTS, ONE = (6, 2, 4, 5), (3, 2, 1, 1)  # 20 pixels, 6 weights
EVERYTHING = slice(None)


@pytest.mark.parametrize(
    ("images", "layout", "piece", "expected"),
    [
        (6, "pixels", 720, [(slice(0, 6), EVERYTHING)]),
        (6, "pixels", 719, [(part, EVERYTHING) for part in from_to(0, 3, 6)]),
        (6, "pixels", 180, [(part, EVERYTHING) for part in from_to(0, 1, 3, 4, 6)]),
        (6, "pixels", 179, [(part, EVERYTHING) for part in from_to(*range(7))]),
        (6, "pixels", 1, [(part, EVERYTHING) for part in from_to(*range(7))]),
        (2, "pixels", 1, [(part, EVERYTHING) for part in from_to(0, 1, 2)]),
        (1, "pixels", 60, [(EVERYTHING, part) for part in from_to(0, 10, 20)]),
        (1, "pixels", 1, [(EVERYTHING, part) for part in from_to(*range(21))]),
        (6, "channels", 180, [(EVERYTHING, part) for part in from_to(0, 30, 60, 90, 120)]),
        (6, "batch", 180, [(EVERYTHING, part) for part in from_to(0, 30, 60, 90, 120)]),
    ],
)
def test_pixels_are_shared_in_pieces_of_images_or_else_of_pixels(images, layout, piece, expected):
    shape = (images, *POINTS[1:])
    for kernel in ("forward", "input_grad"):
        assert cut(pointwise, kernel, shape, ONE, layout=layout, PIECE=piece) == [expected]
    assert cut(pointwise, "weight_grad", shape, ONE, layout=layout, PIECE=piece) == [
        [*range(min(4, len(expected)))]
    ]


def test_sizes_of_pieces_of_pixels():
    for width, pieces in ((64, 1), (65, 2)):  # of 64 channels and filters: 2^24 products, and more
        (found,) = cut(pointwise, "forward", (1, 64, 64, width), (64, 64, 1, 1), dtype=np.float32)
        assert len(found) == pieces


def test_images_in_one_order_are_one_matrix_without_a_copy():
    for order in ORDERS:
        x, y = empty((4, 3, 5, 6), float, order), empty((4, 2, 5, 6), float, order)
        xs, ys = pointwise._matrices(x, y)
        many = (4, 30) if order == "pixels" else (1, 120)
        assert (xs.shape, ys.shape) == ((many[0], 3, many[1]), (many[0], 2, many[1]))
        assert np.shares_memory(xs, x) and np.shares_memory(ys, y)
    x, y = np.zeros((4, 3, 5, 6)), empty((4, 2, 5, 6), float, "channels")
    for a, b in ((x, y), (y, x), (x, x)):
        assert all(map(np.shares_memory, pointwise._matrices(a, b), (a, b)))


# --- depthwise -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (6 * 360, of_images(0, 6)),  # 20 pixels, 2 channels and 9 taps
        (6 * 360 - 1, of_images(0, 3, 6)),
        (2 * 360, of_images(0, 2, 4, 6)),
        (180, [(slice(i, i + 1), rows) for i in range(6) for rows in from_to(0, 2, 4)]),
    ],
)
def test_channels_on_their_own_are_shared_in_pieces_of_images_or_rows(piece, expected):
    shapes = (6, 2, 6, 7), (2, 1, 3, 3)
    assert cut(depthwise, "forward", *shapes, groups=2, PIECE=piece) == [expected]
    assert cut(depthwise, "weight_grad", *shapes, groups=2, PIECE=piece) == [[*range(4)]]


def test_sizes_of_pieces_of_channels():
    for width, pieces in ((256, 1), (257, 2)):  # 4096 pixels of 16 filters of 4x4: 2^20 products
        (found,) = cut(
            depthwise, "forward", (1, 16, 19, width + 3), (16, 1, 4, 4), dtype=np.float32, groups=16
        )
        assert len(found) == pieces


@given(depthwise_cases())
def test_images_get_the_border_that_windows_see_and_no_more(case):
    x_shape, w_shape, options = case
    geom, seen = conv_geometry(x_shape, w_shape, **options), []
    windows = depthwise._windows

    def watch(*args):
        seen.append(windows(*args))
        return seen[-1]

    with watched(depthwise, PIECE=MANY, _windows=watch):
        depthwise.forward(np.ones(x_shape), np.ones(w_shape), geom)
    (n, c, *size), (view,) = x_shape, seen
    assert view.base.shape == (n, *(m + sum(p) for m, p in zip(size, geom.padding, strict=True)), c)


def test_one_channel_is_no_work_for_depthwise():
    for channels, plan in ((1, "columns"), (2, "depthwise")):
        geom = conv_geometry((3, channels, 8, 8), (channels, 1, 3, 3), groups=channels)
        assert conv.plan_for(geom, 3, np.dtype(float)) == plan
        assert conv.plan_for(geom, 0, np.dtype(float)) == "columns"  # nor is no image


# --- winograd --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "size", "channels", "filters", "fits"),
    [
        (16, (4, 4), 24, 24, True),
        (15, (4, 4), 24, 24, False),  # 16 tiles at least
        (4, (5, 5), 24, 24, True),
        (3, (8, 8), 24, 24, False),
        (1, (1, 61), 24, 24, True),
        (1, (1, 60), 24, 24, False),
        (20, (4, 4), 320, 24, True),
        (19, (4, 4), 320, 24, False),  # and one to 16 channels,
        (19, (4, 4), 24, 320, False),  # or filters
        (99, (4, 4), 23, 24, False),
        (99, (4, 4), 24, 23, False),
    ],
)
def test_winograd_wants_enough_to_do(images, size, channels, filters, fits):
    geom = conv_geometry((images, channels, *size), (filters, channels, 3, 3), padding=1)
    assert (conv.plan_for(geom, images, np.dtype(np.float32)) == "winograd") is fits


def tiles(images, filters, rows=2, cols=2, kernel="forward", channels=2, **thresholds):
    """How many pieces threads get each time, for images of so many tiles, and which the last time."""
    x_shape, w_shape = (images, channels, 4 * rows + 2, 4 * cols + 2), (filters, channels, 3, 3)
    thresholds["remembered"] = lambda transform, w: transform(w)  # never the last test's
    found = cut(winograd, kernel, x_shape, w_shape, dtype=np.float32, **thresholds)
    return [len(pieces) for pieces in found], found[-1]


@pytest.mark.parametrize(
    ("images", "cols", "piece", "pieces"),
    [
        (24, 2, 6 * 24, 4),  # 96 tiles of 6 channels, 24 at a time
        (24, 2, 6 * 23, 6),  # which would be five pieces, but is even
        (24, 2, 6, 6),  # 16 at least
        (33, 1, 6, 6),
        (32, 1, 6, 4),
        (1, 2, MANY, 2),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_tiles_are_worked_on_in_an_even_number_of_pieces(images, cols, piece, pieces, swapped):
    channels, filters = (6, 2) if swapped else (2, 6)
    sizes = {"images": images, "cols": cols, "channels": channels, "filters": filters}
    numbers, found = tiles(**sizes, PIECE=piece)
    assert numbers == [1, pieces]  # for the weight, and for the tiles
    assert found == runtime.images_or_rows(images, 2, pieces)
    assert tiles(**sizes, PIECE=piece, kernel="weight_grad")[0] == [min(4, pieces)]


@pytest.mark.parametrize("weights, parts", [(10, None), (9, [0, 1, 3, 5])])
def test_many_weights_are_worked_on_part_by_part(weights, parts):
    forward, last = tiles(24, 5, PIECE=2 * 24, WEIGHTS=weights, PART=2)
    grad, part = tiles(24, 5, PIECE=2 * 24, WEIGHTS=weights, PART=2, kernel="weight_grad")
    if parts is None:
        assert (forward, grad) == ([1, 6], [4])
    else:
        assert (forward, grad) == ([2, 4, 3], [4, 3])
        assert last == part == from_to(*parts)


def test_sizes_of_pieces_of_tiles():
    channels, filters = 128, 256
    assert tiles(2, filters, channels=channels)[0] == [1, 2]  # 2^15 weights at once
    assert tiles(2, filters + 1, channels=channels)[0] == [2, 2, 5]  # more in parts of 64 filters
    numbers, _ = tiles(64, 64, rows=4, cols=4, channels=64)
    assert numbers == [1, 8]  # 1024 tiles, 8192 / 64 at a time
    assert tiles(64, 64, rows=4, cols=4, channels=64, kernel="weight_grad")[0] == [4]


@pytest.mark.parametrize("weights", [0, MANY])
def test_pieces_of_tiles_cover_more_images_than_there_are_channels(weights):
    x_shape, w_shape = (40, 3, 9, 6), (2, 3, 3, 3)
    geom, rng = conv_geometry(x_shape, w_shape), np.random.default_rng(0)
    x, w, y = (rng.standard_normal(shape).astype(np.float32) for shape in (x_shape, w_shape, (40, 2, 7, 4)))
    with watched(winograd, WEIGHTS=weights, PART=1):
        for kernel, pair in (("forward", (x, w)), ("input_grad", (y, w)), ("weight_grad", (y, x))):
            result, plain = (getattr(plan, kernel)(*pair, geom) for plan in (winograd, columns))
            assert np.abs(result - plain).max() <= 3e-5 * np.abs(plain).max()


def test_a_chain_of_products_goes_back_and_forth_in_as_much_memory_as_it_needs():
    grid = winograd._Grid.of((9, 6), 1, 1)  # 3 x 2 tiles
    pieces = [(slice(0, 2), slice(0, 1)), (slice(2, 5), slice(0, 2)), (slice(5, 7), slice(1, 3))]
    memory = winograd._Memory(grid, pieces, 5)
    assert memory.here.size == memory.there.size == 36 * (3 * 2 * 2) * 5  # three images, two rows of tiles
    assert memory.padded.size == 3 * (4 * 2 + 2) * (4 * 2 + 2) * 5
    first, second, third = memory.next(2, 3), memory.next(3, 2), memory.next(6)
    assert not np.shares_memory(first, second) and np.shares_memory(first, third)

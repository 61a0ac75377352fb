"""Indexing and shapes against PyTorch: values, dtypes, shapes, derivatives, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, ours, same, theirs  # noqa: E402
from parity.rows import Row, axis, check, check_dtypes, disagreements, integers  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import arrays, broadcastable, shapes  # noqa: E402

inf, nan = np.inf, np.nan
dtypes = st.sampled_from(DTYPES)
filled = shapes(min_dims=1, min_side=1)
flags = st.booleans()


# --- at an index of the tensor's own axes ----------------------------------------------------------------


@st.composite
def aimed(draw: Any, unique: bool = False, dtype: str = "float64") -> Any:
    """x, an axis, an index along it that is nowhere longer than x, and as much or more to put there."""
    shape = draw(filled)
    dim = draw(axis(len(shape)))
    at = dim % len(shape)
    sizes = [draw(st.integers(0, n if unique or a != at else 4)) for a, n in enumerate(shape)]
    x = draw(arrays(shape, dtype=dtype))
    index = draw(integers(tuple(sizes), 0, shape[at]))
    if unique:
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        order = rng.permuted(
            np.broadcast_to(np.arange(shape[at]), (*sizes[:at], *sizes[at + 1 :], shape[at])), axis=-1
        )
        index = np.moveaxis(order[..., : sizes[at]], -1, at)
    src = draw(arrays(tuple(n + draw(st.integers(0, 1)) for n in sizes), dtype=dtype))
    return x, dim, index, src


def head(src: np.ndarray, index: np.ndarray) -> np.ndarray:
    """What of src is used: PyTorch has no gradient of a larger one."""
    return src[tuple(slice(n) for n in index.shape)]


@given(st.data(), dtypes)
def test_scatter(data: Any, dtype: str) -> None:
    x, dim, index, src = data.draw(aimed(unique=True, dtype=dtype))
    agree(lambda t, x, i, s: t.scatter(x, dim, i, s), [x, index, src], order=0)
    src = head(src, index)
    agree(lambda t, x, i, s: t.scatter(x, dim, i, s), [x, index, src], order=2)
    agree(lambda t, x, i, s: (x * 1).scatter_(dim, index=i, src=s) ** 2, [x, index, src], order=2)
    agree(lambda t, x, i: x.scatter(dim, i, 2.5), [x, index], order=2)
    agree(lambda t, x, i: x.scatter(dim, i, value=-1), [x, index], order=2)


@given(st.data(), dtypes)
def test_scatter_add(data: Any, dtype: str) -> None:
    x, dim, index, src = data.draw(aimed(dtype=dtype))
    agree(lambda t, x, i, s: t.scatter_add(x, dim, i, s), [x, index, src], order=0)
    agree(lambda t, x, i: x.detach().scatter(dim, i, 2.5, reduce="add"), [x, index], order=0)
    src = head(src, index)
    agree(lambda t, x, i, s: t.scatter_add(x, dim, i, s), [x, index, src], order=2)
    agree(lambda t, x, i, s: (x * 1).scatter_add_(dim, i, s) ** 2, [x, index, src], order=2)
    same(
        ours(x).scatter(dim, ours(index), ours(src), reduce="add"),
        theirs(x).scatter_add(dim, theirs(index), theirs(src)),
        terms=x.size + src.size,
    )


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin"])
@few
@given(data=st.data(), dtype=dtypes)
def test_scatter_reduce(reduce: str, data: Any, dtype: str) -> None:
    x, dim, index, src = data.draw(aimed(dtype=dtype))
    include = data.draw(flags)
    x, src = x if include else x + 100, head(src, index)  # test_differences.py: equals that do not count
    options = {"reduce": reduce, "include_self": include}
    order = 1 if reduce in ("amax", "amin") else 2  # PyTorch has no second derivative of the extremes
    agree(lambda t, x, i, s: t.scatter_reduce(x, dim, i, s, **options), [x, index, src], order=order)
    agree(lambda t, x, i, s: (x * 1).scatter_reduce_(dim, i, s, **options), [x, index, src], order=order)
    tied = [np.asarray(np.round(x)), index, np.asarray(np.round(src))]
    agree(lambda t, x, i, s: x.scatter_reduce(dim, i, s, **options), tied, order=1)


@given(st.data(), dtypes)
def test_take_along_dim(data: Any, dtype: str) -> None:
    shape = data.draw(filled)
    dim = data.draw(axis(len(shape)))
    at, n = dim % len(shape), shape[dim]
    wide = tuple(data.draw(st.sampled_from((1, m))) for m in shape)
    x = data.draw(
        arrays(
            tuple(m if a == at else data.draw(st.sampled_from((m, m, 1))) for a, m in enumerate(shape)),
            dtype=dtype,
        )
    )
    index = data.draw(integers((*wide[:at], data.draw(st.integers(1, 4)), *wide[at + 1 :]), -n, n))
    agree(lambda t, x, i: t.take_along_dim(x, i, dim), [x, index], order=2)
    agree(lambda t, x, i: x.take_along_dim(i), [x, data.draw(integers((3,), 0, x.size))], order=2)


@given(st.data())
def test_gather_of_a_number(data: Any) -> None:
    x, index = np.array(2.5), data.draw(integers(shapes(max_dims=1), 0, 1))
    agree(lambda t, x, i: x.gather(0, i), [x, index], order=2)
    agree(lambda t, x, i: x.gather(-1, i * 1), [x, index], order=0)


# --- at a row of indices ---------------------------------------------------------------------------------


@st.composite
def rows_of(draw: Any, unique: bool = False, low: int = 0, dtype: str = "float64") -> Any:
    """x, an axis, a row of indices along it, and as many slices."""
    shape = draw(shapes(min_side=1))
    dim = draw(axis(len(shape)))
    n = shape[dim] if shape else 1
    count = draw(st.integers(0, n if unique else 4)) if shape else 1
    index = draw(integers((count,), low * n, n))
    if unique:
        index = np.random.default_rng(draw(st.integers(0, 99))).permutation(n)[:count]
    x = draw(arrays(shape, dtype=dtype))
    at = dim % max(1, len(shape))
    source = draw(arrays((*shape[:at], count, *shape[at + 1 :]) if shape else (), dtype=dtype))
    return x, dim, index, source


@given(st.data(), dtypes)
def test_index_select_and_fill(data: Any, dtype: str) -> None:
    x, dim, index, _ = data.draw(rows_of(dtype=dtype))
    agree(lambda t, x, i: t.index_select(x, dim, i), [x, index], order=2)
    agree(lambda t, x, i: x.index_select(dim, i[:1].reshape(()) if len(i) else i), [x, index], order=2)
    x, dim, index, _ = data.draw(rows_of(low=-1, dtype=dtype))
    agree(lambda t, x, i: t.index_fill(x, dim, i, 2), [x, index], order=2)
    agree(lambda t, x, i: (x * 1).index_fill_(dim, i, -0.5) ** 2, [x, index], order=2)
    agree(lambda t, x, i: x.index_fill(dim, i, t.tensor(3.0)), [x, index], order=2)


@given(st.data(), dtypes)
def test_index_add_and_copy(data: Any, dtype: str) -> None:
    x, dim, index, source = data.draw(rows_of(dtype=dtype))
    agree(lambda t, x, i, s: t.index_add(x, dim, i, s), [x, index, source], order=2)
    agree(lambda t, x, i, s: x.index_add(dim, i, s, alpha=-2), [x, index, source], order=2)
    agree(lambda t, x, i, s: (x * 1).index_add_(dim, i, s) ** 2, [x, index, source], order=2)
    x, dim, index, source = data.draw(rows_of(unique=True, dtype=dtype))
    agree(lambda t, x, i, s: t.index_copy(x, dim, i, s), [x, index, source], order=2)
    agree(lambda t, x, i, s: (x * 1).index_copy_(dim, i, s) ** 2, [x, index, source], order=2)


@given(st.data(), dtypes)
def test_index_put(data: Any, dtype: str) -> None:
    """Anywhere, each place once; or added, as often as it comes."""
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), dtype=dtype))
    some = data.draw(st.integers(1, x.ndim))
    count = data.draw(st.integers(0, 4))
    index = [data.draw(integers((count,), -n, n)) for n in x.shape[:some]]
    y = data.draw(arrays((count, *x.shape[some:])[data.draw(st.integers(0, 1)) :], dtype=dtype))
    agree(lambda t, x, y, *i: t.index_put(x, i, y, True), [x, y, *index], order=2)
    agree(lambda t, x, y, *i: (x * 1).index_put_(i, y, accumulate=True) ** 2, [x, y, *index], order=2)
    index = [np.asarray(i[:1]) for i in index]
    y = y[:1] if y.ndim > x.ndim - some else y
    agree(lambda t, x, y, *i: x.index_put(i, y), [x, y, *index], order=2)
    agree(lambda t, x, y, *i: (x * 1).index_put_(i, y) ** 2, [x, y, *index], order=2)


# --- in the flattened tensor, where something holds ------------------------------------------------------


@given(st.data(), dtypes)
def test_take(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_side=1), dtype=dtype))
    index = data.draw(integers(shapes(max_dims=2), -x.size, x.size))
    agree(lambda t, x, i: t.take(x, i), [x, index], order=2)
    agree(lambda t, x, i: x.take(i), [x, index], order=0)


@given(st.data(), dtypes)
def test_masked_select_and_scatter(data: Any, dtype: str) -> None:
    a, b = data.draw(broadcastable())
    x, mask = data.draw(arrays(a, dtype=dtype)), np.asarray(data.draw(arrays(b)) > 0)
    agree(lambda t, x, m: t.masked_select(x, m), [x, mask], order=2)
    agree(lambda t, x, m: x.masked_select(m), [x, mask], order=0)
    source = data.draw(arrays((2, np.broadcast(x, mask).size), dtype=dtype))
    agree(lambda t, x, m, s: t.masked_scatter(x, m, s), [x, mask, source], order=2)
    full, source = np.asarray(data.draw(arrays(a)) > 0), data.draw(arrays((2, *a), dtype=dtype))
    agree(lambda t, x, m, s: (x * 1).masked_scatter_(m, s) ** 2, [x, full, source], order=2)


@given(st.data(), st.sampled_from(("float32", "int64", "bool")))
def test_nonzero(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(), lambda rng, s: rng.integers(0, 2, s), dtype=dtype))
    agree(lambda t, x: t.nonzero(x), [x], order=0)
    agree(lambda t, x: x.nonzero(as_tuple=True), [x], order=0)
    agree(lambda t, x: t.argwhere(x), [x], order=0)
    agree(lambda t, x: t.where(x), [x], order=0)


@given(st.data(), st.sampled_from(("float32", "float64", "int64", "uint8")), flags)
def test_searchsorted(data: Any, dtype: str, right: bool) -> None:
    """In one row, in a row for each, by an order, and between boundaries; many values are equal."""

    def few_values(rng: Any, shape: Any) -> Any:
        return rng.integers(0, 6, shape)

    batch = data.draw(shapes(max_dims=2, min_side=1))
    n, m = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 4))
    line = np.asarray(np.sort(data.draw(arrays((*batch, n), few_values, dtype=dtype)), -1))
    x = data.draw(arrays((*batch, m), few_values, dtype=dtype))
    small, side = data.draw(flags), data.draw(st.sampled_from((None, "right" if right else "left")))
    options = {"right": right, "side": side, "out_int32": small}
    agree(lambda t, a, x: t.searchsorted(a.detach(), x.detach(), **options), [line, x], order=0)
    flat = line.reshape(-1)
    flat.sort()
    agree(lambda t, a, x: t.searchsorted(a.detach(), x.detach(), **options), [flat, x], order=0)
    agree(lambda t, a: t.searchsorted(a.detach(), 3, right=right), [flat], order=0)
    agree(
        lambda t, a, x: t.bucketize(x.detach(), a.detach(), right=right, out_int32=small), [flat, x], order=0
    )
    agree(lambda t, a: t.bucketize(2.0, a.detach()), [flat], order=0)
    shuffled = data.draw(arrays((*batch, n), few_values, dtype=dtype))
    agree(
        lambda t, a, x: t.searchsorted(a.detach(), x.detach(), right=right, sorter=a.detach().argsort()),
        [shuffled, x],
        order=0,
    )


@pytest.mark.parametrize("index", [3, -4])
def test_beyond_the_axis_is_refused(index: int) -> None:
    """PyTorch reads what happens to lie there."""
    with pytest.raises(tg.errors.ArgumentError, match="indices run from"):
        tg.ones(2, 3).take_along_dim(tg.tensor([[index]]), 1)


# --- shapes ----------------------------------------------------------------------------------------------


def along(shape: Any) -> Any:
    return st.tuples(axis(len(shape)))


def two(shape: Any) -> Any:
    return st.tuples(axis(len(shape)), axis(len(shape)))


def two_different(shape: Any) -> Any:
    ndim = len(shape)
    return st.permutations(range(ndim)).flatmap(
        lambda p: st.tuples(st.tuples(*(st.sampled_from((d, d - ndim)) for d in p[:2])))
    )


def a_piece(shape: Any) -> Any:
    """(dim, start, length) within that axis."""
    return st.integers(-len(shape), len(shape) - 1).flatmap(
        lambda d: st.integers(0, shape[d]).flatmap(
            lambda a: st.tuples(
                st.just(d),
                st.sampled_from((a, a - shape[d]) if a < shape[d] else (a,)),
                st.integers(0, shape[d] - a),
            )
        )
    )


def a_slice(shape: Any) -> Any:
    """(dim, index) of an element."""
    return axis(len(shape)).flatmap(lambda d: st.tuples(st.just(d), st.integers(-shape[d], shape[d] - 1)))


def windows(shape: Any) -> Any:
    """(dim, size, step) of windows that fit."""
    return axis(len(shape)).flatmap(
        lambda d: st.tuples(st.just(d), st.integers(1, shape[d] if shape else 1), st.integers(1, 3))
    )


def counts(shape: Any) -> Any:
    return st.tuples(st.lists(st.integers(0, 2), min_size=len(shape), max_size=len(shape) + 2).map(tuple))


def tiles(shape: Any) -> Any:
    return st.tuples(st.lists(st.integers(0, 2), max_size=4).map(tuple))


def moves(shape: Any) -> Any:
    """(shifts, dims), several of each; the same axis may come twice."""
    move = st.tuples(st.integers(-4, 4), axis(len(shape)))
    return st.lists(move, min_size=1, max_size=3).map(lambda ms: tuple(zip(*ms, strict=True)))


def cuts(shape: Any) -> Any:
    """(number of pieces or places to cut, dim)."""
    places = st.lists(st.integers(-4, 5), max_size=3)
    return st.tuples(st.one_of(st.integers(1, 4), places.map(tuple)), axis(len(shape)))


def factors(shape: Any) -> Any:
    """(dim, sizes) whose product is that axis, one of them perhaps -1."""
    return axis(len(shape)).flatmap(
        lambda d: st.tuples(
            st.just(d), st.sampled_from(((shape[d],), (1, shape[d]), (shape[d], 1, 1), (-1, 1), (1, -1)))
        )
    )


def turns(shape: Any) -> Any:
    return two_different(shape).flatmap(lambda d: st.tuples(st.integers(-5, 5), st.just(d[0])))


def wider(shape: Any) -> Any:
    lead = shapes(max_dims=1)
    return lead.flatmap(
        lambda new: st.tuples(
            st.tuples(*map(st.just, new), *(st.sampled_from((n, -1) if n != 1 else (1, 3)) for n in shape))
        )
    )


def repeated(t: Any, x: Any, repeats: Any, dim: Any) -> Any:
    repeats = t.tensor(repeats) if isinstance(repeats, list) else repeats
    return t.repeat_interleave(x, repeats, dim)


def repeats(shape: Any) -> Any:
    """(repeats, dim): one number for all, a row with one, or one for each slice."""
    times = st.integers(0, 3)
    if not shape:
        return st.tuples(times, st.none())

    def each(dim: Any) -> Any:
        n = int(np.prod(shape)) if dim is None else shape[dim]
        return st.tuples(
            st.one_of(times, times.map(lambda k: [k]), st.lists(times, min_size=n, max_size=n)), st.just(dim)
        )

    return st.one_of(st.none(), axis(len(shape))).flatmap(each)


def grid_of(indexing: Any) -> Callable[..., Any]:
    return lambda t, x, *more: t.meshgrid(x, *more, indexing=indexing)


vectors = shapes(max_dims=1)
lines = shapes(min_dims=1, max_dims=1, min_side=1)
blocks = shapes(max_dims=2, min_side=1)
more_vectors = lambda s: st.lists(shapes(max_dims=1, min_side=1), max_size=2)  # noqa: E731
more_lines = lambda s: st.lists(lines, max_size=2)  # noqa: E731
more_blocks = lambda s: st.lists(blocks, max_size=2)  # noqa: E731
at_least_2 = shapes(min_dims=2)
same_twice = lambda s: st.just((s, s))  # noqa: E731
once_more = lambda s: st.just((s,))  # noqa: E731
but_for_one = lambda s: st.just((s[1:],))  # noqa: E731
columns = lambda s: st.just((s[:1] if len(s) < 3 else s,))  # noqa: E731

ROWS = {
    "reshape_as": Row(lambda t, x: x.reshape_as(t.zeros(tuple(x.shape)[::-1]))),
    "ravel": Row(lambda t, x: t.ravel(x)),
    "unflatten": Row(lambda t, x, d, s: t.unflatten(x, d, s), factors, shapes(min_dims=1, min_side=1)),
    "swapaxes": Row(lambda t, x, a, b: t.swapaxes(x, a, b), two),
    "swapdims": Row(lambda t, x, a, b: t.swapdims(x, a, b), two),
    "transpose of a number": Row(lambda t, x, a, b: x.transpose(a, b), two, shapes(max_dims=1)),
    "moveaxis": Row(lambda t, x, a, b: t.moveaxis(x, a, b), two),
    "t": Row(lambda t, x: t.t(x), None, shapes(max_dims=2)),
    "H": Row(lambda t, x: x.H, None, shapes(min_dims=2, max_dims=2)),
    "mT": Row(lambda t, x: x.mT, None, at_least_2),
    "adjoint": Row(lambda t, x: t.adjoint(x), None, at_least_2),
    "broadcast_to": Row(lambda t, x, s: t.broadcast_to(x, s), wider),
    "broadcast_tensors": Row(lambda t, x, y: t.broadcast_tensors(x, y), None, more=but_for_one),
    "repeat": Row(lambda t, x, c: x.repeat(c), counts),
    "repeat *": Row(lambda t, x, c: x.repeat(*c), counts, filled),
    "tile": Row(lambda t, x, c: t.tile(x, c), tiles),
    "repeat_interleave": Row(repeated, repeats, shapes(min_side=1)),
    "squeeze none": Row(lambda t, x: x.squeeze(())),
    "split 0": Row(lambda t, x: x[:0].split(0), None, filled, order=0),
    "split_with_sizes": Row(lambda t, x: t.split_with_sizes(x, (x.shape[0] - 1, 1)), None, filled),
    "tensor_split": Row(lambda t, x, p, d: t.tensor_split(x, p, d), cuts, shapes(min_dims=1)),
    "tensor_split by tensor": Row(lambda t, x: x.tensor_split(t.tensor([1, 2])), None, shapes(min_dims=1)),
    "hsplit": Row(lambda t, x: t.hsplit(x, (1,)), None, shapes(min_dims=1)),
    "vsplit": Row(lambda t, x: t.vsplit(x, x.shape[0]), None, shapes(min_dims=2, min_side=1)),
    "dsplit": Row(lambda t, x: t.dsplit(x, 1), None, shapes(min_dims=3)),
    "select": Row(lambda t, x, d, i: t.select(x, d, i), a_slice, filled),
    "narrow": Row(lambda t, x, d, a, n: t.narrow(x, d, a, n), a_piece, shapes(min_dims=1)),
    "narrow by tensor": Row(lambda t, x: x.narrow(0, t.tensor(0), 1), None, filled),
    "unfold": Row(lambda t, x, d, n, s: x.unfold(d, n, s), windows, shapes(min_side=1, max_side=5)),
    "unfold twice": Row(lambda t, x: x.unfold(0, 2, 1).unfold(1, 2, 2), None, shapes(2, 3, 2, 5)),
    "flip none": Row(lambda t, x: x.flip(()), None),
    "fliplr": Row(lambda t, x: t.fliplr(x), None, at_least_2),
    "flipud": Row(lambda t, x: t.flipud(x), None, shapes(min_dims=1)),
    "rot90": Row(lambda t, x, k, d: t.rot90(x, k, d), turns, at_least_2),
    "rot90 once": Row(lambda t, x: x.rot90(), None, at_least_2),
    "roll": Row(lambda t, x, s, d: t.roll(x, s, d), moves, shapes(min_dims=1)),
    "roll all": Row(lambda t, x: x.roll(2)),
    "atleast_1d": Row(lambda t, x: t.atleast_1d(x)),
    "atleast_2d": Row(lambda t, x: t.atleast_2d(x)),
    "atleast_3d": Row(lambda t, x: t.atleast_3d(x)),
    "atleast_2d of several": Row(lambda t, x, y: t.atleast_2d(x, y), more=but_for_one),
    "atleast_1d of a list": Row(lambda t, x, y: t.atleast_1d([x, y]), more=but_for_one),
    "hstack": Row(lambda t, x, y, z: t.hstack([x, y, z]), more=same_twice),
    "vstack": Row(lambda t, x, y, z: t.vstack((x, y, z)), more=same_twice),
    "row_stack": Row(lambda t, x, y, z: t.row_stack((x, y, z)), more=same_twice),
    "dstack": Row(lambda t, x, y, z: t.dstack((x, y, z)), more=same_twice),
    "column_stack": Row(lambda t, x, y: t.column_stack((x, y)), None, filled, more=columns),
    "concat": Row(lambda t, x, y, d: t.concat([x, y], d), along, filled, more=once_more),
    "concatenate": Row(lambda t, x, y, d: t.concatenate([x, y], d), along, filled, more=once_more),
    "block_diag": Row(lambda t, *xs: t.block_diag(*xs), None, blocks, more=more_blocks),
    "meshgrid": Row(grid_of("ij"), None, vectors, more=more_vectors),
    "meshgrid xy": Row(grid_of("xy"), None, vectors, more=more_vectors),
    "meshgrid list": Row(lambda t, *xs: t.meshgrid(xs, indexing="ij"), None, vectors, more=more_vectors),
    "cartesian_prod": Row(lambda t, *xs: t.cartesian_prod(*xs), None, lines, more=more_lines),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@few
@given(data=st.data(), dtype=dtypes)
def test_rows(name: str, data: Any, dtype: str) -> None:
    check(ROWS[name], data, dtype)


@given(st.lists(shapes(max_side=2), min_size=1, max_size=3))
def test_broadcast_shapes(given_shapes: Any) -> None:
    try:
        wanted = tuple(torch.broadcast_shapes(*given_shapes))
    except RuntimeError:
        with pytest.raises(tg.errors.ShapeError):
            tg.broadcast_shapes(*given_shapes)
    else:
        assert tg.broadcast_shapes(*given_shapes) == wanted


@given(st.integers(0, 4), st.integers(0, 4), st.integers(-5, 5))
def test_triangles(rows: int, columns: int, offset: int) -> None:
    for name in ("tril_indices", "triu_indices"):
        same(getattr(tg, name)(rows, columns, offset), getattr(torch, name)(rows, columns, offset))
        same(
            getattr(tg, name)(rows, columns, dtype=tg.int32),
            getattr(torch, name)(rows, columns, dtype=torch.int32),
        )


TURNED: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "squeeze_": (0, 3, ()),
    "unsqueeze_": (0, 3, (-1,)),
    "transpose_": (2, 3, (0, -1)),
    "swapaxes_": (2, 3, (1, 0)),
    "swapdims_": (2, 3, (1, 0)),
    "t_": (0, 2, ()),
}


@pytest.mark.parametrize("name", TURNED)
@few
@given(data=st.data())
def test_turned_in_place(name: str, data: Any) -> None:
    """On the tape, through a view, and on a leaf under no_grad."""
    least, most, arguments = TURNED[name]
    x = data.draw(arrays(shapes(least, most)))

    def on_the_tape(t: Any, x: Any) -> Any:
        y = x * 2
        assert getattr(y, name)(*arguments) is y
        y += 1
        return y * y

    def on_a_leaf(t: Any, x: Any) -> Any:
        x = x.detach().clone().requires_grad_()
        with t.no_grad():
            getattr(x, name)(*arguments)
        assert x.is_leaf
        (x * x).sum().backward()
        assert x.grad.shape == x.shape
        return x

    agree(on_the_tape, [x], order=2)
    agree(on_a_leaf, [x], order=0)
    agree(lambda t, x: getattr(x.detach()[...], name)(*arguments), [x], order=0)


def test_unfold_is_a_view() -> None:
    for t in (tg, torch):
        x = t.zeros(5)
        x.unfold(0, 2, 3)[1, 0] = 7
        assert x.tolist() == [0, 0, 0, 7, 0]
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    h = x * 1
    pieces = h.unfold(0, 2, 1)
    with pytest.raises(tg.errors.GraphError, match="shares memory"):
        pieces += 1


# --- dtypes ----------------------------------------------------------------------------------------------

ANY_DTYPE = {
    "scatter": lambda t, x: x.scatter(0, t.tensor([0, 2]), x[:2]),
    "scatter value": lambda t, x: x.scatter(0, t.tensor([0, 2]), 4.75),
    "scatter_add": lambda t, x: x.scatter_add(0, t.tensor([0, 0]), x[:2]),
    "scatter_reduce sum": lambda t, x: x.scatter_reduce(0, t.tensor([0, 2]), x[:2], "sum"),
    "scatter_reduce mean": lambda t, x: x.scatter_reduce(0, t.tensor([0, 0]), x[1:], "mean"),
    "scatter_reduce amax": lambda t, x: x.scatter_reduce(0, t.tensor([0, 0]), x[1:], "amax"),
    "index_select": lambda t, x: x.index_select(0, t.tensor([2, 0])),
    "index_add": lambda t, x: x.index_add(0, t.tensor([2, 2]), x[:2]),
    "index_copy": lambda t, x: x.index_copy(0, t.tensor([2, 1]), x[:2]),
    "index_fill": lambda t, x: x.index_fill(0, t.tensor([2]), 3.5),
    "index_add_": lambda t, x: x.index_add_(0, t.tensor([2, 2]), x[:2].clone()),
    "take": lambda t, x: x.take(t.tensor([[2]])),
    "masked_select": lambda t, x: x.masked_select(t.tensor([True, False, True])),
    "masked_scatter": lambda t, x: x.masked_scatter(t.tensor([True, False, True]), x),
    "nonzero": lambda t, x: x.nonzero(),
    "argwhere": lambda t, x: x.argwhere(),
    "roll": lambda t, x: x.roll(1),
    "repeat": lambda t, x: x.repeat(2),
    "block_diag": lambda t, x: t.block_diag(x, x),
    "masked_select by it": lambda t, x: t.ones(3).masked_select(x),
    "repeat_interleave by it": lambda t, x: t.ones(3).repeat_interleave(x),
}  # fmt: skip


@pytest.mark.parametrize("name", ANY_DTYPE)
def test_each_dtype(name: str) -> None:
    check_dtypes(ANY_DTYPE[name])


FACTS: dict[str, Any] = {
    "scatter twice": (lambda t, x: x.scatter(0, t.tensor([0, 0]), x[1:].detach()), [1.0, 2.0, 3.0]),
    "scatter_add twice": (lambda t, x: x.scatter_add(0, t.tensor([0, 0]), x[1:]), [1.0, 2.0, 3.0]),
    "amax of equals": (lambda t, x: x.scatter_reduce(0, t.tensor([0, 0]), x[1:], "amax"), [2.0, 2.0, 2.0]),
    "amin without self": (
        lambda t, x: x.scatter_reduce(0, t.tensor([0, 0]), x[1:], "amin", include_self=False),
        [0.0, 2.0, 2.0],
    ),
    "amax of nan": (
        lambda t, x: x.detach().scatter_reduce(0, t.tensor([0, 0]), x[1:].detach(), "amax"),
        [0.0, nan, 2.0],
    ),
    "mean twice": (lambda t, x: x.scatter_reduce(0, t.tensor([0, 0]), x[1:], "mean"), [1.0, 2.0, 3.0]),
    "index_add twice": (lambda t, x: x.index_add(0, t.tensor([1, 1]), x[1:]), [1.0, 2.0, 3.0]),
    "take twice": (lambda t, x: x.take(t.tensor([0, 0, -1])), [1.0, 2.0, 3.0]),
    "nonzero of nan": (lambda t, x: x.detach().nonzero(), [0.0, nan, -0.0]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str, dtype: str) -> None:
    call, values = FACTS[name]
    agree(call, [np.array(values, dtype)])


# --- refusals --------------------------------------------------------------------------------------------

REFUSED: dict[str, Callable[[Any], Any]] = {
    "gather negative": lambda t: t.ones(2, 3).gather(1, t.tensor([[-1]])),
    "gather beyond": lambda t: t.ones(3).gather(0, t.tensor([3])),
    "gather axes": lambda t: t.ones(2, 3).gather(1, t.tensor([0])),
    "gather by floats": lambda t: t.ones(3).gather(0, t.ones(1)),
    "gather of a number": lambda t: t.tensor(1.0).gather(0, t.tensor([1])),
    "take_along_dim axes": lambda t: t.ones(2, 3).take_along_dim(t.tensor([0]), 1),
    "take_along_dim sizes": lambda t: t.ones(2, 3).take_along_dim(t.tensor([[0], [0], [0]]), 1),
    "take_along_dim floats": lambda t: t.ones(2, 3).take_along_dim(t.ones(2, 3), 1),
    "scatter negative": lambda t: t.ones(2).scatter(0, t.tensor([-1]), 1.0),
    "scatter beyond": lambda t: t.ones(2).scatter(0, t.tensor([2]), 1.0),
    "scatter longer": lambda t: t.ones(2, 3).scatter(1, t.zeros(3, 1).long(), 1.0),
    "scatter short src": lambda t: t.ones(3).scatter(0, t.tensor([0, 1]), t.ones(1)),
    "scatter src axes": lambda t: t.ones(3).scatter(0, t.tensor([0, 1]), t.ones(2, 1)),
    "scatter dtype": lambda t: t.ones(3).scatter(0, t.tensor([0, 1]), t.tensor([1, 2])),
    "scatter axis": lambda t: t.ones(3).scatter(1, t.tensor([0]), 1.0),
    "scatter reduce": lambda t: t.ones(3).scatter(0, t.tensor([0]), 1.0, reduce="mean"),
    "scatter nothing": lambda t: t.ones(3).scatter(0, t.tensor([0])),
    "scatter_add dtype": lambda t: t.ones(3).scatter_add(0, t.tensor([0]), t.tensor([1])),
    "scatter_add short": lambda t: t.ones(3).scatter_add(0, t.tensor([0, 1]), t.ones(1)),
    "scatter_add number": lambda t: t.ones(3).scatter_add(0, t.tensor([0, 1]), 1.0),
    "scatter_reduce word": lambda t: t.ones(3).scatter_reduce(0, t.tensor([0]), t.ones(1), "median"),
    "scatter_reduce dtype": lambda t: t.ones(3).scatter_reduce(0, t.tensor([0]), t.tensor([1]), "sum"),
    "index_select negative": lambda t: t.ones(2).index_select(0, t.tensor([-1])),
    "index_select beyond": lambda t: t.ones(2).index_select(0, t.tensor([2])),
    "index_select matrix": lambda t: t.ones(2).index_select(0, t.tensor([[0]])),
    "index_select floats": lambda t: t.ones(2).index_select(0, t.ones(1)),
    "index_select mask": lambda t: t.ones(2).index_select(0, t.tensor([True, False])),
    "index_select axis": lambda t: t.ones(2).index_select(1, t.tensor([0])),
    "index_add negative": lambda t: t.ones(2).index_add(0, t.tensor([-1]), t.ones(1)),
    "index_add sizes": lambda t: t.ones(2, 3).index_add(1, t.tensor([0]), t.ones(1, 1)),
    "index_add count": lambda t: t.ones(2).index_add(0, t.tensor([0, 1]), t.ones(1)),
    "index_add dtype": lambda t: t.ones(2).index_add(0, t.tensor([0]), t.ones(1, dtype=t.float64)),
    "index_copy negative": lambda t: t.ones(2).index_copy(0, t.tensor([-1]), t.ones(1)),
    "index_copy dtype": lambda t: t.ones(2).index_copy(0, t.tensor([0]), t.tensor([1])),
    "index_fill beyond": lambda t: t.ones(2).index_fill(0, t.tensor([2]), 1),
    "index_fill tensor": lambda t: t.ones(2).index_fill(0, t.tensor([0]), t.ones(1)),
    "index_put number": lambda t: t.ones(2).index_put((t.tensor([0]),), 1.0),
    "index_put dtype": lambda t: t.ones(2).index_put((t.tensor([0]),), t.tensor(1)),
    "index_put none": lambda t: t.ones(2, 2).index_put((None, t.tensor([0])), t.ones(1)),
    "index_put beyond": lambda t: t.ones(2).index_put((t.tensor([2]),), t.tensor(1.0)),
    "index_put sizes": lambda t: t.ones(2).index_put((t.tensor([0, 1]),), t.ones(3)),
    "index_put added sizes": lambda t: t.ones(2).index_put((t.tensor([0, 1]),), t.ones(3), True),
    "index_put by floats": lambda t: t.ones(2).index_put((t.ones(1),), t.ones(1)),
    "unsqueeze_ of a leaf": lambda t: t.ones(2, requires_grad=True).unsqueeze_(0),
    "transpose_ axis": lambda t: t.ones(2, 2).transpose_(0, 2),
    "take beyond": lambda t: t.ones(2).take(t.tensor([2])),
    "take floats": lambda t: t.ones(2).take(t.ones(1)),
    "masked_select ints": lambda t: t.ones(2).masked_select(t.tensor([1, 0])),
    "masked_select sizes": lambda t: t.ones(2).masked_select(t.tensor([True, False, True])),
    "masked_scatter few": lambda t: t.ones(2).masked_scatter(t.tensor([True, True]), t.ones(1)),
    "masked_scatter dtype": lambda t: t.ones(2).masked_scatter(t.tensor([True, True]), t.tensor([1, 2])),
    "masked_scatter_ grows": lambda t: t.ones(2).masked_scatter_(t.ones(2, 2).bool(), t.ones(4)),
    "searchsorted rows": lambda t: t.searchsorted(t.ones(2, 3), t.ones(3, 2)),
    "searchsorted sides": lambda t: t.searchsorted(t.ones(3), t.ones(3), side="left", right=True),
    "searchsorted side": lambda t: t.searchsorted(t.ones(3), t.ones(3), side="middle"),
    "searchsorted sorter": lambda t: t.searchsorted(t.ones(3), t.ones(3), sorter=t.tensor([0])),
    "searchsorted sorter beyond": lambda t: t.searchsorted(t.ones(2), t.ones(3), sorter=t.tensor([0, 2])),
    "searchsorted number": lambda t: t.searchsorted(t.ones(2, 2), 1.0),
    "bucketize rows": lambda t: t.bucketize(t.ones(2), t.ones(2, 2)),
    "unflatten sizes": lambda t: t.ones(2, 6).unflatten(1, (4, 2)),
    "unflatten rest": lambda t: t.ones(2, 6).unflatten(1, (4, -1)),
    "unflatten two rests": lambda t: t.ones(2, 6).unflatten(1, (-1, -1)),
    "unflatten none": lambda t: t.ones(2, 6).unflatten(1, ()),
    "unflatten axis": lambda t: t.ones(2, 6).unflatten(2, (6,)),
    "H of 3 axes": lambda t: t.ones(2, 3, 4).H,
    "mT of a vector": lambda t: t.ones(2).mT,
    "adjoint of a vector": lambda t: t.ones(2).adjoint(),
    "repeat few": lambda t: t.ones(2, 3).repeat(2),
    "repeat negative": lambda t: t.ones(2, 3).repeat(-1, 2),
    "repeat_interleave counts": lambda t: t.ones(3).repeat_interleave(t.tensor([1, 2]), 0),
    "repeat_interleave negative": lambda t: t.ones(3).repeat_interleave(-1),
    "repeat_interleave floats": lambda t: t.ones(3).repeat_interleave(t.ones(3)),
    "repeat_interleave size": lambda t: t.ones(3).repeat_interleave(2, 0, output_size=5),
    "split too small": lambda t: t.ones(3).split(0),
    "split negative": lambda t: t.ones(3).split(-1),
    "tensor_split none": lambda t: t.ones(3).tensor_split(0),
    "tensor_split of a number": lambda t: t.tensor(1.0).tensor_split(1),
    "hsplit uneven": lambda t: t.ones(2, 3).hsplit(2),
    "vsplit of a vector": lambda t: t.ones(3).vsplit(1),
    "dsplit of a matrix": lambda t: t.ones(3, 3).dsplit(1),
    "select beyond": lambda t: t.ones(3).select(0, 3),
    "select of a number": lambda t: t.tensor(1.0).select(0, 0),
    "narrow beyond": lambda t: t.ones(3).narrow(0, 2, 2),
    "narrow negative": lambda t: t.ones(3).narrow(0, 0, -1),
    "narrow before": lambda t: t.ones(3).narrow(0, -4, 1),
    "unfold too large": lambda t: t.ones(3).unfold(0, 4, 1),
    "unfold step": lambda t: t.ones(3).unfold(0, 1, 0),
    "unfold negative": lambda t: t.ones(3).unfold(0, -1, 1),
    "flip twice": lambda t: t.ones(3, 3).flip(0, 0),
    "flip axis": lambda t: t.ones(3).flip(1),
    "fliplr of a vector": lambda t: t.ones(3).fliplr(),
    "flipud of a number": lambda t: t.tensor(1.0).flipud(),
    "rot90 one axis": lambda t: t.ones(3, 3).rot90(1, (0, 0)),
    "rot90 axes": lambda t: t.ones(3, 3).rot90(1, (0, 1, 1)),
    "rot90 of a vector": lambda t: t.ones(3).rot90(),
    "roll shifts": lambda t: t.ones(3, 3).roll((1, 2)),
    "roll dims": lambda t: t.ones(3, 3).roll(1, (0, 1)),
    "roll axis": lambda t: t.ones(3, 3).roll(1, 2),
    "squeeze twice": lambda t: t.ones(1, 1).squeeze((0, 0)),
    "broadcast_to smaller": lambda t: t.ones(2, 3).broadcast_to((3,)),
    "broadcast_tensors": lambda t: t.broadcast_tensors(t.ones(2), t.ones(3)),
    "hstack nothing": lambda t: t.hstack([]),
    "hstack sizes": lambda t: t.hstack([t.ones(2, 2), t.ones(3, 2)]),
    "vstack sizes": lambda t: t.vstack([t.ones(2), t.ones(3)]),
    "dstack sizes": lambda t: t.dstack([t.ones(2), t.ones(3)]),
    "column_stack sizes": lambda t: t.column_stack([t.ones(2), t.ones(3)]),
    "block_diag of 3 axes": lambda t: t.block_diag(t.ones(1, 1, 1)),
    "meshgrid matrix": lambda t: t.meshgrid(t.ones(2, 2), indexing="ij"),
    "meshgrid dtypes": lambda t: t.meshgrid(t.ones(2), t.arange(2), indexing="ij"),
    "meshgrid order": lambda t: t.meshgrid(t.ones(2), indexing="yx"),
    "meshgrid nothing": lambda t: t.meshgrid(indexing="ij"),
    "cartesian_prod matrix": lambda t: t.cartesian_prod(t.ones(2, 2)),
    "tril_indices negative": lambda t: t.tril_indices(-1, 2),
    "atleast_1d": lambda t: t.atleast_1d(1.0),
}  # fmt: skip


def test_refused() -> None:
    assert disagreements(REFUSED) == []


_names = {name.split()[0] for table in (ROWS, ANY_DTYPE) for name in table}
_names |= {"index_put", "index_put_", *TURNED} | {
    "scatter_", "scatter_add_", "scatter_reduce_", "index_fill_", "index_copy_", "masked_scatter_", "gather",
    "take_along_dim", "searchsorted", "bucketize", "broadcast_shapes", "tril_indices", "triu_indices",
}  # fmt: skip
COVERED = {
    "Tensor": {name for name in _names if hasattr(tg.Tensor, name)},
    "": {name for name in _names if name in tg.__all__},
}

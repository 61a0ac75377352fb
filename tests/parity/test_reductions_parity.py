"""Reductions, running sums and sorting against PyTorch: values, dtypes, shapes, derivatives, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few, same, theirs  # noqa: E402
from parity.rows import Row, axis, check, check_dtypes, disagreements, integers, some_axes  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import apart, arrays, away_from, shapes, uniform  # noqa: E402

inf, nan = np.inf, np.nan
dtypes = st.sampled_from(DTYPES)
nonempty = shapes(min_side=1)
with_axes = shapes(min_dims=1)
filled = shapes(min_dims=1, min_side=1)
spread = shapes(min_dims=1, min_side=2)
flags = st.booleans()


def one(shape: Any) -> Any:
    """(dim, keepdim) of one axis."""
    return st.tuples(axis(len(shape)), flags)


def many(shape: Any) -> Any:
    """(dim, keepdim) of some axes, one, or all."""
    ndim = len(shape)
    return st.tuples(st.one_of(st.none(), axis(ndim), some_axes(ndim)), flags)


def along(shape: Any) -> Any:
    return st.tuples(axis(len(shape)))


def whole(rng: Any, shape: Any) -> Any:
    """Small whole numbers: many zeros and many equals."""
    return rng.integers(-1, 3, shape)


def holes(rng: Any, shape: Any) -> Any:
    """Numbers with a nan here and there."""
    return np.where(rng.random(shape) < 0.3, nan, rng.standard_normal(shape))


def norm_of(shape: Any) -> Any:
    p = st.sampled_from((1, 2, 2.0, 3, 1.5, 0.5, -1, -2, inf, -inf))
    return st.tuples(p, st.one_of(st.none(), axis(len(shape)), some_axes(len(shape))), flags)


def neighbours(shape: Any) -> Any:
    return st.tuples(st.integers(0, 3), axis(len(shape)))


def a_part(shape: Any) -> Any:
    """(k, dim) with k elements along that axis."""
    return axis(len(shape)).flatmap(
        lambda d: st.tuples(st.integers(0, shape[d]) if shape else st.just(1), st.just(d), flags)
    )


def a_rank(shape: Any) -> Any:
    """(k, dim, keepdim) with the k-th of that axis."""
    return axis(len(shape)).flatmap(
        lambda d: st.tuples(st.integers(1, shape[d] if shape else 1), st.just(d), flags)
    )


def order_of(shape: Any) -> Any:
    return st.tuples(axis(len(shape)), flags)


def quantiles(shape: Any) -> Any:
    q = st.sampled_from((0.0, 0.25, 0.5, 0.8, 1.0))
    ways = st.sampled_from(("linear", "lower", "higher", "midpoint", "nearest"))
    return st.tuples(
        st.one_of(q, st.lists(q, min_size=1, max_size=3)), st.one_of(st.none(), axis(len(shape))), flags, ways
    )


def _quantile(t: Any, x: Any, q: Any, dim: Any, keepdim: bool, interpolation: str) -> Any:
    q = t.tensor(q, dtype=x.dtype) if isinstance(q, list) else q
    return t.quantile(x, q, dim, keepdim, interpolation=interpolation)


def joined(t: Any, x: Any, before: Any, behind: Any, n: int, dim: int) -> Any:
    return t.diff(x, n, dim, before, behind)


def stable_sort(t: Any, x: Any, dim: int, descending: bool) -> Any:
    assert x.argsort(stable=True, dim=dim, descending=descending).shape == x.shape
    return x.sort(stable=True, dim=dim, descending=descending)


ROWS = {
    "sum": Row(lambda t, x, d, k: t.sum(x, d, k), many),
    "nansum": Row(lambda t, x, d, k: t.nansum(x, d, k), many, values=holes),
    "nansum all": Row(lambda t, x: x.nansum(), values=holes),
    "nanmean": Row(lambda t, x, d, k: t.nanmean(x, d, k), many),
    "nanmean of nan": Row(lambda t, x, d, k: x.nanmean(d, keepdim=k), many, values=holes, order=0),
    # PyTorch divides the product by each factor, which leaves its rounding where one is nearly 0.
    "prod": Row(lambda t, x, d, k: t.prod(x, d, k), one, values=away_from(0.0, margin=0.5)),
    "prod with zeros": Row(lambda t, x, d, k: x.prod(d, keepdim=k), one, values=whole),
    "prod all": Row(lambda t, x: x.prod(), values=whole),
    "norm": Row(lambda t, x, p, d, k: t.norm(x, p, d, k), norm_of, nonempty, away_from(0.0, margin=0.5)),
    "norm all": Row(lambda t, x: x.norm(), None, nonempty, away_from(0.0)),
    "dist": Row(lambda t, x, y: t.dist(x, y), None, nonempty, more=lambda s: st.just((s[1:],)), order=1),
    "dist p": Row(lambda t, x, y: x.dist(y * 1 + 9, 3), None, nonempty, more=lambda s: st.just((s,))),
    "norm count": Row(lambda t, x, d, k: x.norm(0, d, k), many, nonempty, whole, order=1),
    "count_nonzero": Row(lambda t, x: t.count_nonzero(x), values=whole, order=0),
    "count_nonzero dim": Row(lambda t, x, d, k: x.count_nonzero(d), many, values=whole, order=0),
    "aminmax": Row(lambda t, x, d, k: t.aminmax(x, dim=d, keepdim=k), one, nonempty, whole),
    "aminmax all": Row(lambda t, x: x.aminmax(), None, nonempty, whole),
    "var by bool": Row(lambda t, x: x.var(False), None, spread, apart),
    "std_mean": Row(lambda t, x, d, k: t.std_mean(x, d, keepdim=k), many, spread, apart),
    "std_mean correction": Row(
        lambda t, x, d, k: t.std_mean(x, d, correction=0, keepdim=k), many, spread, apart
    ),
    "var_mean": Row(lambda t, x, d, k: t.var_mean(x, d, keepdim=k), many, spread, apart),
    "var_mean by bool": Row(lambda t, x: t.var_mean(x, False), None, spread, apart),
    "cumsum": Row(lambda t, x, d: t.cumsum(x, d), along),
    "cumsum method": Row(lambda t, x, d: x.cumsum(d), along),
    "cumprod": Row(lambda t, x, d: t.cumprod(x, d), along, shapes(max_side=6), away_from(0.0, margin=0.5)),
    "cumprod with zeros": Row(lambda t, x, d: x.cumprod(d), along, shapes(max_side=6), whole),
    "logcumsumexp": Row(lambda t, x, d: t.logcumsumexp(x, d), along, shapes(max_side=6)),
    "logcumsumexp far out": Row(lambda t, x, d: (x * 20).logcumsumexp(d), along, filled, apart, order=1),
    "cummax": Row(lambda t, x, d: t.cummax(x, d), along, nonempty, whole),
    "cummin": Row(lambda t, x, d: x.cummin(d), along, nonempty, whole),
    "cummax with nan": Row(lambda t, x, d: x.detach().cummax(d), along, nonempty, holes, order=0),
    "cummin with nan": Row(lambda t, x, d: x.detach().cummin(d), along, nonempty, holes, order=0),
    "diff": Row(lambda t, x, n, d: t.diff(x, n, d), neighbours, with_axes),
    "diff joined": Row(joined, neighbours, with_axes, more=lambda s: st.just((s, s))),
    "sort": Row(lambda t, x, d, k: t.sort(x, d, k), order_of, values=apart),
    "sort stable": Row(stable_sort, order_of, values=whole),
    "sort with nan": Row(stable_sort, order_of, values=holes, order=1),
    "argsort": Row(lambda t, x, d, k: t.argsort(x, d, k), order_of, values=apart, order=0),
    "argsort stable": Row(lambda t, *a: stable_sort(t, *a)[1], order_of, values=whole, order=0),
    "msort": Row(lambda t, x: t.msort(x), None, with_axes, apart),
    "topk": Row(lambda t, x, k, d, big: t.topk(x, k, d, big), a_part, values=apart),
    "topk method": Row(lambda t, x, k, d, big: x.topk(k, dim=d, largest=big), a_part, values=apart),
    "kthvalue": Row(lambda t, x, k, d, keep: t.kthvalue(x, k, d, keep), a_rank, nonempty, apart),
    "median": Row(lambda t, x, d, k: t.median(x, d, k), one, nonempty, apart),
    "median all": Row(lambda t, x: x.median(), None, nonempty, whole),
    "median with nan": Row(lambda t, x, d, k: x.median(d, keepdim=k), one, nonempty, holes, order=1),
    "mode": Row(lambda t, x, d, k: t.mode(x, d, k), one, nonempty, whole, order=1),
    "quantile": Row(_quantile, quantiles, nonempty, apart),
    "quantile with nan": Row(_quantile, quantiles, nonempty, holes, order=0),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@few
@given(data=st.data(), dtype=dtypes)
def test_rows(name: str, data: Any, dtype: str) -> None:
    check(ROWS[name], data, dtype)


@given(st.data(), dtypes)
def test_quantile_by_its_part(data: Any, dtype: str) -> None:
    """A tensor of parts has a gradient as well."""
    x = data.draw(arrays(shapes(min_dims=1, max_dims=1, min_side=2), apart, dtype=dtype))
    q = data.draw(arrays(shapes(max_dims=1), uniform(0.05, 0.95), dtype=dtype))
    agree(lambda t, x, q: t.quantile(x, q), [x, q])


# --- whole numbers ---------------------------------------------------------------------------------------


ANY_DTYPE = {
    "prod": lambda t, x: x.prod(),
    "prod(0)": lambda t, x: x.prod(0),
    "prod dtype": lambda t, x: x.prod(dtype=t.float64),
    "nansum": lambda t, x: x.nansum(),
    "nansum dtype": lambda t, x: x.nansum(dtype=t.float32),
    "nanmean": lambda t, x: x.nanmean(),
    "cumsum": lambda t, x: x.cumsum(0),
    "cumsum dtype": lambda t, x: x.cumsum(0, dtype=t.float32),
    "cumprod": lambda t, x: x.cumprod(0),
    "cumprod dtype": lambda t, x: x.cumprod(0, dtype=t.float64),
    "logcumsumexp": lambda t, x: x.logcumsumexp(0),
    "cummax": lambda t, x: x.cummax(0),
    "cummin": lambda t, x: x.cummin(0),
    "diff": lambda t, x: x.diff(),
    "sort": lambda t, x: x.sort(descending=True, stable=True),
    "argsort": lambda t, x: x.argsort(),
    "topk": lambda t, x: x.topk(1),
    "kthvalue": lambda t, x: x.kthvalue(2),
    "median": lambda t, x: x.median(),
    "median(0)": lambda t, x: x.median(0),
    "mode": lambda t, x: x.mode(),
    "quantile": lambda t, x: x.quantile(0.5),
    "norm": lambda t, x: x.norm(),
    "norm dtype": lambda t, x: x.norm(dtype=t.float64),
    "count_nonzero": lambda t, x: x.count_nonzero(),
    "aminmax": lambda t, x: x.aminmax(),
    "unique": lambda t, x: x.unique(return_inverse=True, return_counts=True),
    "unique_consecutive": lambda t, x: x.unique_consecutive(return_counts=True),
    "bincount": lambda t, x: x.bincount(minlength=5),
    "histc": lambda t, x: x.histc(3),
    "cumsum_": lambda t, x: x.cumsum_(0),
    "cumprod_": lambda t, x: x.cumprod_(0),
}


@pytest.mark.parametrize("name", ANY_DTYPE)
def test_each_dtype(name: str) -> None:
    check_dtypes(ANY_DTYPE[name])


# --- counting --------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(("float32", "int64", "uint8")))
def test_unique(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_side=1), lambda rng, s: rng.integers(0, 3, s), dtype=dtype))
    dims = st.one_of(st.none(), axis(x.ndim)) if x.ndim else st.none()
    options = {"return_inverse": data.draw(flags), "return_counts": data.draw(flags), "dim": data.draw(dims)}
    for name in ("unique", "unique_consecutive"):
        agree(lambda t, x, name=name: getattr(t, name)(x, **options), [x], order=0)
        agree(lambda t, x, name=name: getattr(x, name)(**options), [x], order=0)


@given(arrays(shapes(max_dims=2), holes))
def test_every_nan_is_unique(x: np.ndarray) -> None:
    agree(lambda t, x: x.detach().unique(return_counts=True), [x], order=0)
    agree(lambda t, x: x.detach().unique_consecutive(return_counts=True), [x], order=0)


@given(st.data(), dtypes)
def test_bincount(data: Any, dtype: str) -> None:
    x = data.draw(integers(shapes(min_dims=1, max_dims=1, min_side=1, max_side=9), 0, 6))
    w, least = data.draw(arrays(x.shape, dtype=dtype)), data.draw(st.integers(0, 9))
    agree(lambda t, x: t.bincount(x, minlength=least), [x], order=0)
    agree(lambda t, x, w: x.bincount(w.detach(), least), [x, w], order=0)
    agree(lambda t, x: x.bincount(x), [x], order=0)


@given(st.data(), dtypes)
def test_histc(data: Any, dtype: str) -> None:
    x = data.draw(arrays(shapes(min_side=1, max_side=5), dtype=dtype))
    bins = data.draw(st.integers(1, 9))
    low, high = data.draw(st.sampled_from(((0, 0), (-1, 1), (-0.5, 2.25), (1, 1))))
    agree(lambda t, x: t.histc(x.detach(), bins, low, high), [x], order=0)
    agree(lambda t, x: (x.detach() * 0 + 2).histc(bins), [x], order=0)
    whole = np.asarray(np.round(x))
    agree(lambda t, x: x.detach().histc(3, -1, 2), [whole], order=0)


# --- ties, zeros, nan, nothing -----------------------------------------------------------------------------

FACTS: dict[str, Any] = {
    "prod of one zero": (lambda t, x: x.prod(), [2.0, 0.0, 3.0]),
    "prod of two zeros": (lambda t, x: x.prod(), [2.0, 0.0, 0.0]),
    "prod of nan": (lambda t, x: x.detach().prod(), [2.0, nan, 3.0]),
    "prod of nothing": (lambda t, x: x.prod(), []),
    "cumprod over zeros": (lambda t, x: x.cumprod(0), [2.0, 0.0, 3.0, 0.0, 4.0]),
    "cumsum of nan": (lambda t, x: x.cumsum(0), [1.0, nan, 2.0]),
    "cumsum of nothing": (lambda t, x: x.cumsum(0), []),
    "logcumsumexp of -inf": (lambda t, x: x.logcumsumexp(0), [-inf, -inf, 1.0, -inf]),
    "logcumsumexp large": (lambda t, x: x.logcumsumexp(0), [128.0, 128.0, -128.0]),
    "cummax of equals": (lambda t, x: x.cummax(0), [1.0, 1.0, 0.0, 1.0]),
    "cummin of equals": (lambda t, x: x.cummin(0), [1.0, 1.0, 2.0, 1.0]),
    "cummax of nan": (lambda t, x: x.cummax(0), [1.0, nan, 3.0, nan]),
    "norm at 0": (lambda t, x: x.norm(), [0.0, 0.0]),
    "norm p=1 at 0": (lambda t, x: x.norm(1), [0.0, -2.0]),
    "norm p=3 at 0": (lambda t, x: x.norm(3), [0.0, -2.0]),
    "norm p=1.5 at 0": (lambda t, x: x.norm(1.5), [0.0, -2.0]),
    "norm p=0.5 at 0": (lambda t, x: x.norm(0.5), [0.0, -2.0, 1.0]),
    "norm p=-1 at 0": (lambda t, x: x.norm(-1), [0.0, 1.0, -2.0]),
    "norm of equals, inf": (lambda t, x: x.norm(inf), [3.0, 1.0, -3.0]),
    "norm of equals, -inf": (lambda t, x: x.norm(-inf), [3.0, 1.0, -1.0]),
    "norm p=inf at 0": (lambda t, x: x.norm(inf), [0.0, 0.0]),
    "norm p=0": (lambda t, x: x.norm(0), [0.0, 2.0, nan]),
    "norm of nothing": (lambda t, x: x.norm(), []),
    "norm by names": (lambda t, x: x.norm("fro", dim=0) + x.norm(None), [3.0, 4.0]),
    "median of equals": (lambda t, x: x.median(), [1.0, 2.0, 2.0, 3.0]),
    "median of two": (lambda t, x: x.median(), [2.0, 1.0]),
    "median of nans": (lambda t, x: x.median(), [1.0, nan, 2.0, nan]),
    "median of nothing": (lambda t, x: x.median(), []),
    "median along nan": (lambda t, x: x.median(0), [1.0, nan, 2.0, nan]),
    "aminmax of equals": (lambda t, x: x.aminmax(), [1.0, 3.0, 3.0, 1.0]),
    "sort of equals": (lambda t, x: x.sort(stable=True), [2.0, 1.0, 2.0]),
    "sort down of equals": (lambda t, x: x.sort(stable=True, descending=True), [2.0, 1.0, 2.0]),
    "sort of nan": (lambda t, x: x.sort(descending=True), [1.0, nan, -inf, inf]),
    "topk of nan": (lambda t, x: x.topk(2), [1.0, nan, 3.0]),
    "topk smallest of nan": (lambda t, x: x.topk(3, largest=False), [1.0, nan, 3.0]),
    "topk of none": (lambda t, x: x.topk(0), [1.0, 2.0]),
    "kthvalue of nan": (lambda t, x: x.kthvalue(3), [3.0, nan, 2.0]),
    "mode": (lambda t, x: x.mode(), [2.0, 1.0, 2.0, 1.0, 3.0]),
    "quantile of nan": (lambda t, x: x.detach().quantile(0.5), [1.0, nan]),
    "nanmean with nan": (lambda t, x: x.nanmean(), [1.0, nan, 3.0]),
    "nansum of nan": (lambda t, x: x.nansum(), [nan, nan]),
    "count_nonzero of nan": (lambda t, x: x.count_nonzero(), [nan, 0.0, -0.0]),
    "diff too often": (lambda t, x: x.diff(n=5), [1.0, 2.0]),
    "diff never": (lambda t, x: x.diff(n=0), [1.0, 2.0]),
    "var of few": (lambda t, x: x.var(correction=0.5), [1.0, 2.0, 4.0]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FACTS)
def test_ties_zeros_and_nan(name: str, dtype: str) -> None:
    call, values = FACTS[name]
    agree(call, [np.array(values, dtype)])


def test_results_have_names() -> None:
    """(values, indices) by name, as in PyTorch."""
    x = [3.0, 1.0, 2.0]
    for name, arguments in {
        "sort": (),
        "topk": (2,),
        "kthvalue": (1,),
        "cummax": (0,),
        "cummin": (0,),
        "mode": (),
        "median": (0,),
    }.items():
        mine, wanted = getattr(tg.tensor(x), name)(*arguments), getattr(torch.tensor(x), name)(*arguments)
        assert mine._fields == ("values", "indices")
        same(mine.values, wanted.values)
        same(mine.indices, wanted.indices)
    mine, wanted = tg.tensor(x).aminmax(), torch.tensor(x).aminmax()
    same(mine.min, wanted.min)
    same(mine.max, wanted.max)


@given(st.data())
def test_topk_of_equals_takes_the_first(data: Any) -> None:
    """PyTorch promises nothing; the values agree, and here the earliest indices win."""
    x = data.draw(arrays(shapes(min_dims=1, max_dims=1, min_side=1, max_side=9), whole))
    k = data.draw(st.integers(0, len(x)))
    mine, wanted = tg.tensor(x).topk(k), theirs(x).topk(k)
    same(mine.values, wanted.values)
    assert mine.indices.tolist() == sorted(range(len(x)), key=lambda i: (-x[i], i))[:k]


# --- refusals ----------------------------------------------------------------------------------------------


REFUSED = {
    "prod of two axes": lambda t: t.ones(2, 2).prod((0, 1)),
    "prod axis": lambda t: t.ones(2, 2).prod(2),
    "cumsum without dim": lambda t: t.ones(2).cumsum(),
    "cumsum axis": lambda t: t.ones(2).cumsum(1),
    "cumprod axis": lambda t: t.ones(2).cumprod(-2),
    "logcumsumexp axis": lambda t: t.ones(2).logcumsumexp(1),
    "logcumsumexp of ints": lambda t: t.arange(2).logcumsumexp(0),
    "cummax axis": lambda t: t.ones(2).cummax(1),
    "cummin axis": lambda t: t.ones(2).cummin(None),
    "diff of a number": lambda t: t.tensor(1.0).diff(),
    "diff negative": lambda t: t.ones(2).diff(n=-1),
    "diff prepend": lambda t: t.ones(2, 2).diff(prepend=t.ones(3, 1)),
    "diff prepend axes": lambda t: t.ones(2, 2).diff(prepend=t.ones(2)),
    "sort axis": lambda t: t.ones(2).sort(1),
    "argsort axis": lambda t: t.ones(2).argsort(-2),
    "topk too many": lambda t: t.ones(2).topk(3),
    "topk negative": lambda t: t.ones(2).topk(-1),
    "topk axis": lambda t: t.ones(2).topk(1, 1),
    "topk float": lambda t: t.ones(2).topk(1.5),
    "kthvalue 0": lambda t: t.ones(2).kthvalue(0),
    "kthvalue too large": lambda t: t.ones(2).kthvalue(3),
    "median of an empty axis": lambda t: t.zeros(0, 2).median(0),
    "median axis": lambda t: t.ones(2).median(1),
    "mode of an empty axis": lambda t: t.zeros(0, 2).mode(0),
    "quantile beyond 1": lambda t: t.ones(2).quantile(1.5),
    "quantile below 0": lambda t: t.ones(2).quantile(t.tensor([0.5, -0.1])),
    "quantile of ints": lambda t: t.arange(2).quantile(0.5),
    "quantile of nothing": lambda t: t.zeros(0).quantile(0.5),
    "quantile dtype": lambda t: t.ones(2).quantile(t.tensor(0.5, dtype=t.float64)),
    "quantile matrix": lambda t: t.ones(2).quantile(t.ones(2, 2)),
    "quantile word": lambda t: t.ones(2).quantile("half"),
    "quantile way": lambda t: t.ones(2).quantile(0.5, interpolation="cubic"),
    "norm of ints": lambda t: t.arange(2).norm(),
    "norm axis": lambda t: t.ones(2).norm(dim=1),
    "norm twice": lambda t: t.ones(2, 2).norm(2, dim=(0, 0)),
    "norm word": lambda t: t.ones(2, 2).norm("max"),
    "norm of nothing": lambda t: t.zeros(0).norm(inf),
    "norm of nothing, negative": lambda t: t.zeros(0).norm(-1),
    "nanmean of ints": lambda t: t.arange(2).nanmean(),
    "aminmax of nothing": lambda t: t.zeros(0).aminmax(),
    "aminmax axis": lambda t: t.ones(2).aminmax(dim=1),
    "aminmax positional": lambda t: t.ones(2).aminmax(0),
    "bincount of a matrix": lambda t: t.ones(2, 2).long().bincount(),
    "bincount negative": lambda t: t.tensor([-1]).bincount(),
    "bincount of floats": lambda t: t.ones(2).bincount(),
    "bincount weights": lambda t: t.tensor([1, 2]).bincount(t.ones(3)),
    "bincount minlength": lambda t: t.tensor([1, 2]).bincount(minlength=-1),
    "histc bins": lambda t: t.ones(2).histc(0),
    "histc upside down": lambda t: t.ones(2).histc(4, 3, 1),
    "histc nan": lambda t: t.tensor([1.0, nan]).histc(4),
    "histc inf": lambda t: t.ones(2).histc(4, 0, inf),
    "unique axis": lambda t: t.ones(2).unique(dim=1),
    "sum dtype by place": lambda t: t.ones(2).sum(0, False, t.float64),
    "std_mean axis": lambda t: t.std_mean(t.ones(2), 1),
}  # fmt: skip


def test_refused() -> None:
    assert disagreements(REFUSED) == []


_names = {name.split()[0].split("(")[0] for table in (ROWS, ANY_DTYPE) for name in table}
COVERED = {
    "Tensor": {name for name in _names if hasattr(tg.Tensor, name)},
    "": {name for name in _names if name in tg.__all__},
}

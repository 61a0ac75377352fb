"""Products of matrices, einsum and linear algebra against PyTorch: values, dtypes, derivatives, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, few  # noqa: E402
from parity.rows import Row, axis, check, check_dtypes, disagreements, some_axes  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import arrays, away_from, normal, shapes  # noqa: E402

inf, nan = np.inf, np.nan
dtypes = st.sampled_from(DTYPES)
flags = st.booleans()
vectors = shapes(min_dims=1, max_dims=1)
matrices = shapes(min_dims=2, max_dims=2)
batches = shapes(min_dims=3, max_dims=3)
at_least_2 = shapes(min_dims=2)
sides = st.integers(0, 3)


def fitting(shape: Any) -> Any:
    """A matrix that can stand on the right of one of this shape."""
    return sides.map(lambda n: ((*shape[:-2], shape[-1], n),))


def broadcast_to(shape: Any) -> Any:
    """A shape that is broadcast to this one."""
    kept = st.tuples(*(st.sampled_from((n, 1)) for n in shape))
    return st.integers(0, len(shape)).flatmap(lambda k: kept.map(lambda s: s[k:]))


@st.composite
def sums(draw: Any, kind: str) -> Any:
    """(input, left, right) of a product with something added."""
    n, k = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    m, batch = draw(sides), draw(sides)
    left, right, out = {
        "addmm": ((n, k), (k, m), (n, m)),
        "addmv": ((n, k), (k,), (n,)),
        "addr": ((n,), (m,), (n, m)),
        "baddbmm": ((batch, n, k), (batch, k, m), (batch, n, m)),
        "addbmm": ((batch, n, k), (batch, k, m), (n, m)),
    }[kind]
    return draw(broadcast_to(out)), left, right


@pytest.mark.parametrize("name", ["addmm", "addmv", "addr", "baddbmm", "addbmm"])
@few
@given(data=st.data(), dtype=dtypes)
def test_products_added(name: str, data: Any, dtype: str) -> None:
    xs = [data.draw(arrays(shape, dtype=dtype)) for shape in data.draw(sums(name))]
    options = {
        "beta": data.draw(st.sampled_from((1, 0, 0.5))),
        "alpha": data.draw(st.sampled_from((1, 2, -0.5))),
    }
    agree(lambda t, *xs: getattr(t, name)(*xs, **options), xs, order=2)
    agree(lambda t, x, *ys: getattr(x, name)(*ys), xs, order=2)
    if name != "addbmm":
        full = np.asarray(np.broadcast_to(xs[0], np.shape(tg_result(name, xs))).copy())
        agree(lambda t, x, *ys: getattr(x * 1, name + "_")(*ys, **options) ** 2, [full, *xs[1:]], order=1)


def tg_result(name: str, xs: Any) -> Any:
    return getattr(torch, name)(*(torch.from_numpy(np.array(x, order="C")) for x in xs)).numpy()


def diagonals(shape: Any) -> Any:
    """(offset, dim1, dim2)"""
    ndim = len(shape)
    return st.permutations(range(ndim)).flatmap(
        lambda p: st.tuples(st.integers(-3, 3), *(st.sampled_from((d, d - ndim)) for d in p[:2]))
    )


def embedded(shape: Any) -> Any:
    return diagonals((*shape, 1))


def offsets(shape: Any) -> Any:
    return st.tuples(st.integers(-3, 3))


def norms(shape: Any) -> Any:
    """(ord, dim, keepdim)"""
    order = st.sampled_from((2, 1, 3.0, 0.5, inf, -inf))
    return st.tuples(order, st.one_of(st.none(), axis(len(shape)), some_axes(len(shape))), flags)


def matrix_norms(shape: Any) -> Any:
    """(ord, dim, keepdim)"""
    order = st.sampled_from(("fro", 1, -1, inf, -inf))
    return diagonals(shape).flatmap(lambda d: st.tuples(order, st.just(d[1:]), flags))


off_zero = away_from(0.0, margin=0.5)
nonempty = shapes(min_side=1)
ROWS = {
    "mm": Row(lambda t, x, y: t.mm(x, y), None, matrices, more=fitting),
    "bmm": Row(lambda t, x, y: t.bmm(x, y), None, batches, more=fitting),
    "mv": Row(lambda t, x, y: t.mv(x, y), None, matrices, more=lambda s: st.just((s[1:],))),
    "dot": Row(lambda t, x, y: t.dot(x, y), None, vectors, more=lambda s: st.just((s,))),
    "vdot": Row(lambda t, x, y: t.vdot(x, y), None, vectors, more=lambda s: st.just((s,))),
    "outer": Row(lambda t, x, y: t.outer(x, y), None, vectors, more=lambda s: st.tuples(vectors)),
    "ger": Row(lambda t, x, y: t.ger(x, y), None, vectors, more=lambda s: st.tuples(vectors)),
    "inner": Row(
        lambda t, x, y: t.inner(x, y), None, shapes(min_dims=1),
        more=lambda s: shapes(max_dims=2).map(lambda lead: ((*lead, s[-1]),)),
    ),
    "inner with a number": Row(lambda t, x, y: x.inner(y), None, more=lambda s: st.just(((),))),
    "kron": Row(lambda t, x, y: t.kron(x, y), None, nonempty, more=lambda s: st.tuples(nonempty)),
    "diagonal": Row(lambda t, x, *a: t.diagonal(x, *a), diagonals, at_least_2),
    "diag_embed": Row(lambda t, x, *a: t.diag_embed(x, *a), embedded, shapes(min_dims=1, max_dims=2)),
    "diag": Row(lambda t, x, k: t.diag(x, k), offsets, shapes(min_dims=1, max_dims=2)),
    "diag alone": Row(lambda t, x: x.diag(), None, shapes(min_dims=1, max_dims=2)),
    "trace": Row(lambda t, x: t.trace(x), None, matrices),
    "tril": Row(lambda t, x, k: t.tril(x, k), offsets, at_least_2),
    "triu": Row(lambda t, x, k: t.triu(x, k), offsets, at_least_2),
    "tril_": Row(lambda t, x, k: (x * 1).tril_(k) ** 2, offsets, at_least_2),
    "triu_": Row(lambda t, x: (x * 1).triu_() ** 2, None, at_least_2),
    "fill_diagonal_": Row(lambda t, x: (x * 1).fill_diagonal_(2) ** 2, None, shapes(2, 2, 1, 4)),
    "fill_diagonal_ wrapped": Row(lambda t, x: (x * 1).fill_diagonal_(2, True), None, shapes(2, 2, 1, 6)),
    "linalg.diagonal": Row(
        lambda t, x, o, a, b: t.linalg.diagonal(x, offset=o, dim1=a, dim2=b), diagonals, at_least_2
    ),
    "linalg.vector_norm": Row(
        lambda t, x, p, d, k: t.linalg.vector_norm(x, p, d, k), norms, nonempty, off_zero
    ),
    "linalg.matrix_norm": Row(
        lambda t, x, p, d, k: t.linalg.matrix_norm(x, p, d, k), matrix_norms, shapes(2, 3, 1), off_zero
    ),
    "linalg.norm": Row(lambda t, x: t.linalg.norm(x), None, nonempty, off_zero),
    "linalg.norm along": Row(
        lambda t, x, p, d, k: t.linalg.norm(x, dim=d, keepdim=k), norms, shapes(1, 2, 1), off_zero
    ),
    "linalg.norm of a vector": Row(
        lambda t, x, p, d, k: t.linalg.norm(x, p), norms, shapes(1, 1, 1), off_zero
    ),
    "linalg.norm of matrices": Row(
        lambda t, x, p, d, k: t.linalg.norm(x, p, d, k), matrix_norms, shapes(2, 3, 1), off_zero
    ),
    "linalg.norm of one matrix": Row(
        lambda t, x, p, d, k: t.linalg.norm(x, p), matrix_norms, shapes(2, 2, 1), off_zero
    ),
    "linalg.vecdot": Row(
        lambda t, x, y, d: t.linalg.vecdot(x, y, dim=d),
        lambda s: st.tuples(axis(len(s))), shapes(min_dims=1), more=lambda s: st.just((s,)),
    ),
    "linalg.matmul": Row(lambda t, x, y: t.linalg.matmul(x, y), None, at_least_2, more=fitting),
    "linalg.multi_dot": Row(
        lambda t, x, y, z: t.linalg.multi_dot([x, y, z]), None, shapes(2, 2, 1),
        more=lambda s: st.just(((s[1], 2), (2, 3))),
    ),
    "linalg.multi_dot of vectors": Row(
        lambda t, x, y, z: t.linalg.multi_dot((x[0], y, z[:, 0])), None, shapes(2, 2, 1),
        more=lambda s: st.just(((s[1], 2), (2, 3))),
    ),
    "cdist": Row(
        lambda t, x, y, p: t.cdist(x, y, p),
        lambda s: st.tuples(st.sampled_from((2.0, 1.0, 3.0, inf))), shapes(2, 3, 1), normal,
        more=lambda s: st.integers(1, 3).map(lambda n: ((*s[:-2], n, s[-1]),)), order=1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@few
@given(data=st.data(), dtype=dtypes)
@pytest.mark.filterwarnings("ignore:torch.ger:UserWarning")
def test_rows(name: str, data: Any, dtype: str) -> None:
    check(ROWS[name], data, dtype)


# --- einsum ----------------------------------------------------------------------------------------------


@st.composite
def equations(draw: Any) -> Any:
    """(equation, shapes): repeated letters, an ellipsis, sizes of 1 that are broadcast, implicit results."""
    letters = "abcdA"
    size = {letter: draw(st.integers(0, 3)) for letter in letters}
    dots = draw(shapes(max_dims=2))
    terms, given_shapes = [], []
    count = draw(st.integers(1, 3))
    for _ in range(count):
        term = draw(st.lists(st.sampled_from(letters), max_size=3))
        sizes = [size[c] for c in term]
        if count > 1:  # a letter that is repeated keeps its size
            sizes = [
                1 if term.count(c) == 1 and draw(st.integers(0, 5)) == 0 else n
                for c, n in zip(term, sizes, strict=True)
            ]
        if draw(st.integers(0, 2)) == 0:
            at, kept = draw(st.integers(0, len(term))), dots[draw(st.integers(0, len(dots))) :]
            term[at:at], sizes[at:at] = ["..."], kept
        terms.append("".join(term))
        given_shapes.append(tuple(sizes))
    text = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set(text) - set(",."))
        out = [c for c in draw(st.permutations(used)) if draw(st.booleans())]
        if "..." in text and draw(st.booleans()):
            out.insert(draw(st.integers(0, len(out))), "...")
        text += "->" + "".join(out)
    if draw(st.integers(0, 3)) == 0:
        text = text.replace(",", " , ").replace("->", " -> ")
    return text, given_shapes


@given(st.data(), dtypes)
def test_einsum(data: Any, dtype: str) -> None:
    text, given_shapes = data.draw(equations())
    xs = [data.draw(arrays(shape, dtype=dtype)) for shape in given_shapes]
    terms = int(np.prod([max(1, x.size) for x in xs]))
    agree(lambda t, *xs: t.einsum(text, *xs), xs, order=2, terms=terms)


EQUATIONS = {
    "matrix product": ("ij,jk->ik", (2, 3), (3, 4)),
    "batch": ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)),
    "attention": ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    "trace": ("ii", (3, 3)),
    "diagonal": ("ii->i", (3, 3)),
    "three on a diagonal": ("iii->i", (3, 3, 3)),
    "two diagonals": ("iijj->ij", (2, 2, 3, 3)),
    "transposed": ("ba", (2, 3)),
    "capitals first": ("aB", (2, 3)),
    "sum": ("ij->", (2, 3)),
    "outer": ("i,j->ij", (2,), (3,)),
    "three": ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    "bilinear": ("bi,oij,bj->bo", (4, 2), (5, 2, 3), (4, 3)),
    "dots": ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    "dots summed": ("...i->i", (2, 3)),
    "dots in the middle": ("i...j->j...i", (2, 3, 4)),
    "dots of both": ("...i,i...->...", (2, 3), (3, 2)),
    "broadcast 1": ("ij,ij->i", (2, 3), (2, 1)),
    "numbers": (",->", (), ()),
    "nothing": ("ij,jk->ik", (2, 0), (0, 3)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_equations(name: str, dtype: str) -> None:
    text, *given_shapes = EQUATIONS[name]
    xs = [
        np.random.default_rng(i).standard_normal(shape).astype(dtype) for i, shape in enumerate(given_shapes)
    ]
    agree(lambda t, *xs: t.einsum(text, *xs), xs, order=2)
    agree(lambda t, *xs: t.einsum(text, list(xs)), xs, order=0)


def test_einsum_by_numbers() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    agree(lambda t, x, y: t.einsum(x, [0, 1], y, [1, 2], [2, 0]), [x, y], order=2)
    agree(lambda t, x, y: t.einsum(x, [0, 1], y, [1, 2]), [x, y])
    agree(lambda t, x, y: t.einsum(x, [..., 1], y, [1, 30], [..., 30]), [x, y])
    agree(lambda t, x: t.einsum("ij->j", t.arange(6).reshape(2, 3)) + 0 * x.sum(), [x])


@st.composite
def contractions(draw: Any) -> Any:
    """(a shape, b shape, dims) for tensordot."""
    pairs = draw(st.integers(0, 2))
    shared = [draw(sides) for _ in range(pairs)]
    own_a, own_b = ([draw(sides) for _ in range(draw(st.integers(0, 2)))] for _ in range(2))
    if draw(flags):
        return (*own_a, *shared), (*shared, *own_b), pairs
    a = draw(st.permutations([*range(len(own_a)), *(("s", i) for i in range(pairs))]))
    b = draw(st.permutations([*range(len(own_b)), *(("s", i) for i in range(pairs))]))
    size_a = tuple(shared[k[1]] if isinstance(k, tuple) else own_a[k] for k in a)
    size_b = tuple(shared[k[1]] if isinstance(k, tuple) else own_b[k] for k in b)
    return (
        size_a,
        size_b,
        ([a.index(("s", i)) for i in range(pairs)], [b.index(("s", i)) - len(b) for i in range(pairs)]),
    )


@given(st.data(), dtypes)
def test_tensordot(data: Any, dtype: str) -> None:
    a, b, dims = data.draw(contractions())
    pair = [data.draw(arrays(a, dtype=dtype)), data.draw(arrays(b, dtype=dtype))]
    agree(lambda t, x, y: t.tensordot(x, y, dims), pair, order=2)


# --- square matrices -------------------------------------------------------------------------------------


@st.composite
def squares(draw: Any, dtype: str, positive: bool = False) -> Any:
    """A batch of matrices far from singular."""
    n = draw(st.integers(0, 4))
    size = (*draw(shapes(max_dims=2)), n, n)
    x = draw(arrays(size, lambda rng, s: rng.uniform(-0.5, 0.5, s))) + 2 * np.eye(n)
    return np.asarray(x @ np.swapaxes(x, -1, -2) if positive else x, dtype)


SQUARE: dict[str, Callable[..., Any]] = {
    "inverse": lambda t, x: t.inverse(x),
    "inv": lambda t, x: t.linalg.inv(x),
    "det": lambda t, x: t.det(x),
    "linalg det": lambda t, x: t.linalg.det(-x),
    "logdet": lambda t, x: t.logdet(x),
    "slogdet": lambda t, x: t.slogdet(-x).logabsdet,
    "slogdet's sign": lambda t, x: t.slogdet(-x.detach()).sign,
    "linalg slogdet": lambda t, x: t.linalg.slogdet(x).logabsdet,
    "matrix_exp": lambda t, x: t.matrix_exp(x),
    "matrix_exp of a turn": lambda t, x: (x - x.mT).matrix_exp(),
    "linalg matrix_exp": lambda t, x: t.linalg.matrix_exp(x * 3),
    "matrix_power 3": lambda t, x: t.matrix_power(x, 3),
    "matrix_power 1": lambda t, x: x.matrix_power(1),
    "matrix_power -2": lambda t, x: t.linalg.matrix_power(x, -2),
    "matrix_power 0": lambda t, x: x.detach().matrix_power(0),
}


@pytest.mark.parametrize("name", SQUARE)
@few
@given(data=st.data(), dtype=dtypes)
def test_square_matrices(name: str, data: Any, dtype: str) -> None:
    x = data.draw(squares(dtype))
    agree(SQUARE[name], [x], order=2, terms=50 + x.size)


@given(st.data(), dtypes, flags)
def test_cholesky(data: Any, dtype: str, upper: bool) -> None:
    x = data.draw(squares(dtype, positive=True))
    agree(lambda t, x: t.linalg.cholesky(x, upper=upper), [x], order=2, terms=50 + x.size)


@given(st.data(), dtypes, flags)
def test_solve(data: Any, dtype: str, left: bool) -> None:
    x = data.draw(squares(dtype))
    n, m = x.shape[-1], data.draw(st.integers(1, 3))
    lead = data.draw(broadcast_to(x.shape[:-2]))
    b = data.draw(arrays((*lead, n, m) if left else (*lead, m, n), dtype=dtype))
    if b.shape != x.shape[:-1]:
        agree(lambda t, x, b: t.linalg.solve(x, b, left=left), [x, b], order=2, terms=50 + x.size)
    b = data.draw(arrays(data.draw(st.sampled_from([(n,), x.shape[:-1]])), dtype=dtype))
    agree(lambda t, x, b: t.linalg.solve(x, b), [x, b], order=2, terms=50 + x.size)


# --- corners ---------------------------------------------------------------------------------------------

ANY_DTYPE = {
    "mm": lambda t, x: x.reshape(1, 3).mm(x.reshape(3, 1)),
    "dot": lambda t, x: x.dot(x),
    "outer": lambda t, x: x.outer(x),
    "outer mixed": lambda t, x: x.outer(t.ones(2)),
    "inner": lambda t, x: x.inner(x),
    "kron": lambda t, x: x.kron(x),
    "kron mixed": lambda t, x: x.kron(t.ones(2)),
    "trace": lambda t, x: x.diag().trace(),
    "diag": lambda t, x: x.diag(),
    "tril": lambda t, x: x.diag().tril(),
    "triu": lambda t, x: x.outer(x).triu(),
    "fill_diagonal_": lambda t, x: x.outer(x).fill_diagonal_(3),
    "addmm": lambda t, x: x.addmm(x.reshape(3, 1), x.reshape(1, 3)),
    "addmm doubled": lambda t, x: x.addmm(x.reshape(3, 1), x.reshape(1, 3), beta=2, alpha=3),
    "einsum": lambda t, x: t.einsum("i,j->ij", x, x),
    "tensordot": lambda t, x: t.tensordot(x, x, 1),
    "det": lambda t, x: x.diag().det(),
    "inverse": lambda t, x: x.diag().inverse(),
    "vector_norm": lambda t, x: t.linalg.vector_norm(x),
    "matrix_norm": lambda t, x: t.linalg.matrix_norm(x.diag()),
    "vecdot": lambda t, x: t.linalg.vecdot(x, x),
}


@pytest.mark.parametrize("name", ANY_DTYPE)
def test_each_dtype(name: str) -> None:
    check_dtypes(ANY_DTYPE[name])


FACTS: dict[str, Any] = {
    "beta 0 leaves nan out": (
        lambda t, x: x.detach().addmm(t.ones_like(x).unsqueeze(1), t.ones_like(x).unsqueeze(0), beta=0),
        [nan, 1.0, inf],
    ),
    "cdist of equals": (lambda t, x: t.cdist(x.reshape(3, 1), x.reshape(3, 1)), [1.0, 1.0, 2.0]),
    "norm at 0": (lambda t, x: t.linalg.vector_norm(x), [0.0, 0.0]),
    "matrix norm at 0": (lambda t, x: t.linalg.matrix_norm(x.reshape(2, 2)), [0.0] * 4),
    "triangle of nan": (lambda t, x: x.reshape(2, 2).tril(), [1.0, nan, 2.0, inf]),
    "slogdet of a singular one": (lambda t, x: tuple(t.slogdet(x.detach().reshape(2, 2))), [1.0] * 4),
    "logdet of a negative one": (lambda t, x: x.detach().reshape(2, 2).logdet(), [0.0, 1.0, 1.0, 0.0]),
    "det of a singular matrix": (lambda t, x: x.detach().reshape(2, 2).det(), [1.0] * 4),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str, dtype: str) -> None:
    call, values = FACTS[name]
    agree(call, [np.array(values, dtype)])


REFUSED: dict[str, Callable[[Any], Any]] = {
    "mm of 3 axes": lambda t: t.ones(1, 2, 2).mm(t.ones(2, 2)),
    "mm by a vector": lambda t: t.ones(2, 2).mm(t.ones(2)),
    "mm sizes": lambda t: t.ones(2, 3).mm(t.ones(2, 3)),
    "mm dtypes": lambda t: t.ones(2, 2).mm(t.ones(2, 2, dtype=t.float64)),
    "bmm of matrices": lambda t: t.ones(2, 2).bmm(t.ones(2, 2)),
    "bmm batches": lambda t: t.ones(1, 2, 2).bmm(t.ones(3, 2, 2)),
    "bmm sizes": lambda t: t.ones(3, 2, 1).bmm(t.ones(3, 2, 2)),
    "mv sizes": lambda t: t.ones(2, 3).mv(t.ones(2)),
    "mv of a vector": lambda t: t.ones(2).mv(t.ones(2)),
    "dot sizes": lambda t: t.ones(2).dot(t.ones(3)),
    "dot of matrices": lambda t: t.ones(2, 2).dot(t.ones(2, 2)),
    "dot dtypes": lambda t: t.ones(2).dot(t.ones(2, dtype=t.float64)),
    "vdot of matrices": lambda t: t.ones(2, 2).vdot(t.ones(2, 2)),
    "outer of matrices": lambda t: t.ones(2, 2).outer(t.ones(2)),
    "inner sizes": lambda t: t.ones(2, 3).inner(t.ones(2)),
    "inner dtypes": lambda t: t.ones(2).inner(t.ones(2, dtype=t.float64)),
    "addmm sizes": lambda t: t.ones(2, 2).addmm(t.ones(3, 1), t.ones(1, 3)),
    "addmm axes": lambda t: t.ones(1, 3, 3).addmm(t.ones(3, 1), t.ones(1, 3)),
    "addmm dtype": lambda t: t.ones(3, 3).addmm(t.ones(3, 1).long(), t.ones(1, 3).long()),
    "addmv sizes": lambda t: t.ones(2).addmv(t.ones(3, 1), t.ones(1)),
    "addr of matrices": lambda t: t.ones(2).addr(t.ones(3, 1), t.ones(1)),
    "baddbmm sizes": lambda t: t.ones(2).baddbmm(t.ones(2, 3, 1), t.ones(2, 1, 3)),
    "addbmm sizes": lambda t: t.ones(2).addbmm(t.ones(2, 3, 1), t.ones(2, 1, 3)),
    "diag of 3 axes": lambda t: t.ones(2, 2, 2).diag(),
    "diag of a number": lambda t: t.tensor(1.0).diag(),
    "diagonal of one axis": lambda t: t.ones(2, 2).diagonal(0, 1, 1),
    "diagonal axis": lambda t: t.ones(2, 2).diagonal(0, 0, 2),
    "diagonal of a vector": lambda t: t.ones(2).diagonal(),
    "diag_embed of a number": lambda t: t.tensor(1.0).diag_embed(),
    "diag_embed of one axis": lambda t: t.ones(2).diag_embed(0, 1, 1),
    "trace of a vector": lambda t: t.ones(2).trace(),
    "tril of a vector": lambda t: t.ones(2).tril(),
    "triu of a vector": lambda t: t.ones(2).triu(),
    "fill_diagonal_ of a vector": lambda t: t.ones(2).fill_diagonal_(1),
    "fill_diagonal_ uneven": lambda t: t.ones(2, 3, 2).fill_diagonal_(1),
    "einsum operands": lambda t: t.einsum("i,j", t.ones(2)),
    "einsum too many operands": lambda t: t.einsum("i", t.ones(2), t.ones(2)),
    "einsum axes": lambda t: t.einsum("i", t.ones(2, 3)),
    "einsum more axes": lambda t: t.einsum("ijk", t.ones(2, 3)),
    "einsum sizes": lambda t: t.einsum("i,i", t.ones(2), t.ones(3)),
    "einsum diagonal": lambda t: t.einsum("ii", t.ones(2, 3)),
    "einsum diagonal of 1": lambda t: t.einsum("ii", t.ones(1, 3)),
    "einsum twice": lambda t: t.einsum("ij->ii", t.ones(2, 3)),
    "einsum unknown": lambda t: t.einsum("ij->k", t.ones(2, 3)),
    "einsum character": lambda t: t.einsum("i+", t.ones(2)),
    "einsum two dots": lambda t: t.einsum("..i", t.ones(2)),
    "einsum twice dots": lambda t: t.einsum("...i...", t.ones(2)),
    "einsum nothing": lambda t: t.einsum("i"),
    "einsum number": lambda t: t.einsum(5, t.ones(2)),
    "tensordot floats": lambda t: t.tensordot(t.ones(2), t.ones(2), dims=([0.5], [0])),
    "einsum dots sizes": lambda t: t.einsum("...i,...i", t.ones(2, 3), t.ones(4, 3)),
    "tensordot sizes": lambda t: t.tensordot(t.ones(2, 3), t.ones(2, 3), dims=1),
    "tensordot too many": lambda t: t.tensordot(t.ones(2), t.ones(2), dims=2),
    "tensordot negative": lambda t: t.tensordot(t.ones(2), t.ones(2), dims=-1),
    "tensordot axes": lambda t: t.tensordot(t.ones(2), t.ones(2), dims=([0], [1])),
    "tensordot twice": lambda t: t.tensordot(t.ones(2, 2), t.ones(2, 2), dims=([0, 0], [0, 1])),
    "tensordot counts": lambda t: t.tensordot(t.ones(2, 2), t.ones(2, 2), dims=([0, 1], [0])),
    "tensordot dtypes": lambda t: t.tensordot(t.ones(2), t.ones(2, dtype=t.float64), dims=1),
    "cdist sizes": lambda t: t.cdist(t.ones(2, 3), t.ones(2, 2)),
    "cdist of vectors": lambda t: t.cdist(t.ones(2), t.ones(2)),
    "cdist p": lambda t: t.cdist(t.ones(2, 3), t.ones(2, 3), -1.0),
    "inverse of a rectangle": lambda t: t.ones(2, 3).inverse(),
    "inverse of a vector": lambda t: t.ones(2).inverse(),
    "inverse of ints": lambda t: t.ones(2, 2).long().inverse(),
    "inverse of a singular matrix": lambda t: t.ones(2, 2).inverse(),
    "det of a rectangle": lambda t: t.ones(2, 3).det(),
    "det of ints": lambda t: t.ones(2, 2).long().det(),
    "slogdet of a rectangle": lambda t: t.linalg.slogdet(t.ones(2, 3)),
    "matrix_exp of a rectangle": lambda t: t.ones(2, 3).matrix_exp(),
    "matrix_exp of ints": lambda t: t.ones(2, 2).long().matrix_exp(),
    "matrix_power of a rectangle": lambda t: t.ones(2, 3).matrix_power(2),
    "matrix_power float": lambda t: t.ones(2, 2).matrix_power(0.5),
    "cholesky of a negative one": lambda t: t.linalg.cholesky(-t.eye(2)),
    "cholesky of a rectangle": lambda t: t.linalg.cholesky(t.ones(2, 3)),
    "solve of a singular matrix": lambda t: t.linalg.solve(t.ones(2, 2), t.ones(2)),
    "solve sizes": lambda t: t.linalg.solve(t.eye(2), t.ones(3)),
    "solve batches": lambda t: t.linalg.solve(t.eye(2).expand(3, 2, 2), t.ones(2, 2, 2)),
    "solve dtypes": lambda t: t.linalg.solve(t.eye(2), t.ones(2, dtype=t.float64)),
    "solve of a rectangle": lambda t: t.linalg.solve(t.ones(2, 3), t.ones(2)),
    "vector_norm of ints": lambda t: t.linalg.vector_norm(t.arange(2)),
    "vector_norm word": lambda t: t.linalg.vector_norm(t.ones(2), "fro"),
    "matrix_norm of a vector": lambda t: t.linalg.matrix_norm(t.ones(2)),
    "matrix_norm of ints": lambda t: t.linalg.matrix_norm(t.ones(2, 2).long()),
    "matrix_norm axis": lambda t: t.linalg.matrix_norm(t.ones(2, 2), dim=(0, 2)),
    "matrix_norm one axis": lambda t: t.linalg.matrix_norm(t.ones(2, 2), dim=(0, 0)),
    "matrix_norm word": lambda t: t.linalg.matrix_norm(t.ones(2, 2), "max"),
    "matrix_norm p": lambda t: t.linalg.matrix_norm(t.ones(2, 2), 3),
    "norm of 3 axes": lambda t: t.linalg.norm(t.ones(2, 2, 2), 2),
    "norm of a vector as a matrix": lambda t: t.linalg.norm(t.ones(2), "fro"),
    "multi_dot of one": lambda t: t.linalg.multi_dot([t.ones(2, 2)]),
    "multi_dot of 3 axes": lambda t: t.linalg.multi_dot([t.ones(1, 2, 2), t.ones(2, 2)]),
    "multi_dot sizes": lambda t: t.linalg.multi_dot([t.ones(2, 3), t.ones(2, 3)]),
    "multi_dot vector within": lambda t: t.linalg.multi_dot([t.ones(2, 2), t.ones(2), t.ones(2)]),
    "vecdot sizes": lambda t: t.linalg.vecdot(t.ones(2), t.ones(3)),
}  # fmt: skip


def test_refused() -> None:
    assert disagreements(REFUSED) == []


_names = {name.split()[0] for table in (ROWS, SQUARE, ANY_DTYPE) for name in table}
_names |= {"addmm", "addmv", "addr", "baddbmm", "addbmm", "addmm_", "addmv_", "addr_", "baddbmm_"}
_names |= {"einsum", "tensordot"}
COVERED = {
    "Tensor": {name for name in _names if hasattr(tg.Tensor, name)},
    "": (_names & {*tg.__all__}) - {"linalg"},
    "linalg": {
        name.removeprefix("linalg.") for name in _names if hasattr(tg.linalg, name.removeprefix("linalg."))
    }
    & set(tg.linalg.__all__)
    | {"cholesky", "solve"},
}

"""Losses and distances against PyTorch 2.13; those of segmentation against plain formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from parity.both import DTYPES, agree, ours, outcome, refused_here  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402
from tinygrad_cnn.testing.strategies import (  # noqa: E402
    Values,
    arrays,
    away_from,
    broadcastable,
    generators,
    normal,
    shapes,
    uniform,
)

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
F, TF = tg.nn.functional, torch.nn.functional
dtypes, reductions = st.sampled_from(DTYPES), st.sampled_from(("mean", "sum", "none"))
nan, inf = np.nan, np.inf


def run(name: str) -> Callable[..., Any]:
    """The function of that name, of either library."""
    return lambda t, *args, **options: getattr(t.nn.functional, name)(*args, **options)


def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice([-1.0, 1.0], shape)


def odd_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Targets that are neither 1 nor -1 as well."""
    return rng.choice([-1.0, 1.0, 0.0, 0.5], shape)


def counts(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, 6, shape) + rng.choice([0.0, 0.25], shape)


# --- losses of arrays of one shape -------------------------------------------------------------------------

# name: (values of each array, options to draw from, order)
ALIKE: dict[str, tuple[tuple[Values, ...], list[dict[str, Any]], int]] = {
    "huber_loss": ((normal, normal), [{}, {"delta": 0.3}, {"delta": 2.0}], 1),
    "kl_div": ((normal, uniform(0.05, 1)), [{}, {"log_target": False}], 2),
    "kl_div in logarithms": ((normal, normal), [{"log_target": True}], 2),
    "poisson_nll_loss": ((normal, uniform(0.1, 6)), [{}, {"full": True}, {"eps": 0.1}], 1),
    "poisson_nll_loss of means": (
        (uniform(0.5, 3), normal), [{"log_input": False}, {"log_input": False, "eps": 0.1}], 2,
    ),
    "gaussian_nll_loss": ((normal, normal, uniform(0.1, 2)), [{}, {"full": True}, {"eps": 0.5}], 1),
    "hinge_embedding_loss": ((normal, odd_signs), [{}, {"margin": 0.3}, {"margin": -0.5}], 1),
    "margin_ranking_loss": ((normal, normal, signs), [{}, {"margin": 0.7}], 1),
    "soft_margin_loss": ((normal, signs), [{}], 2),
    "triplet_margin_loss": (
        (normal, normal, normal),
        [{}, {"margin": 3.0}, {"p": 1.0}, {"p": 3.0, "eps": 0.1}, {"swap": True, "margin": 2.0}],
        1,
    ),
    "triplet_margin_with_distance_loss": ((normal, normal, normal), [{}, {"margin": 3.0, "swap": True}], 1),
}  # fmt: skip
# So many of the arrays get a gradient; PyTorch has none by these targets, or flat ones.
HELD = {"hinge_embedding_loss": 1, "margin_ranking_loss": 2, "soft_margin_loss": 1}
VECTORS = ("triplet_margin_loss", "triplet_margin_with_distance_loss")  # need an axis


@pytest.mark.parametrize("row", ALIKE)
@given(data=st.data(), dtype=dtypes, reduction=reductions)
def test_losses_of_one_shape(row: str, data: Any, dtype: str, reduction: str) -> None:
    values, options, order = ALIKE[row]
    name = row.partition(" ")[0]
    shape = data.draw(shapes(min_dims=int(name in VECTORS), min_side=int(name in VECTORS)))
    inputs = [data.draw(arrays(shape, v, dtype=dtype)) for v in values]
    held = HELD.get(name, len(inputs))
    own = data.draw(st.sampled_from(options))

    def call(t: Any, *xs: Any) -> Any:
        rest = [t.tensor(np.array(a)) for a in inputs[len(xs) :]]
        return getattr(t.nn.functional, name)(*xs, *rest, reduction=reduction, **own)

    agree(call, inputs[:held], order=order, terms=8 * inputs[0].size)


@given(st.data(), dtypes, reductions)
def test_weighted_losses(data: Any, dtype: str, reduction: str) -> None:
    shape = data.draw(shapes(min_side=1))
    x, y, w = (data.draw(arrays(shape, v, dtype=dtype)) for v in (normal, normal, uniform(0.5, 2)))
    for name in ("mse_loss", "l1_loss", "huber_loss"):
        call = run(name)
        agree(
            lambda t, x, y, w, call=call: call(t, x, y, reduction=reduction, weight=w), [x, y, w],
            terms=8 * x.size,
        )  # fmt: skip


@given(st.data(), dtypes, st.booleans())
def test_kl_div_by_rows(data: Any, dtype: str, logarithms: bool) -> None:
    x = data.draw(arrays(shapes(), dtype=dtype))
    y = data.draw(arrays(x.shape, normal if logarithms else uniform(0.05, 1), dtype=dtype))
    agree(run("kl_div"), [x, y], reduction="batchmean", log_target=logarithms, order=2, terms=8 * x.size)


@given(st.data(), dtypes, reductions)
def test_variances_of_gaussian_nll_loss(data: Any, dtype: str, reduction: str) -> None:
    """One for each element, for each row, for all along an axis, or a number."""
    x, y = (data.draw(arrays((2, 3, 2), dtype=dtype)) for _ in "xy")
    shape = data.draw(st.sampled_from(((2, 3, 2), (2, 3), (2, 3, 1), (2, 1, 2), (1, 3, 2))))
    var = data.draw(arrays(shape, uniform(0, 2), dtype=dtype))
    agree(run("gaussian_nll_loss"), [x, y, var], eps=0.3, reduction=reduction, order=1, terms=100)
    agree(lambda t, x, y: run("gaussian_nll_loss")(t, x, y, 0.7, reduction=reduction), [x, y], terms=100)


# --- classes and margins -----------------------------------------------------------------------------------


@st.composite
def rows_of_classes(draw: Any, values: Values = normal) -> Any:
    """(x (n, classes) or one row, number of classes, generator)."""
    classes = draw(st.integers(1, 4))
    lead = draw(st.sampled_from(((), (1,), (3,))))
    return draw(arrays((*lead, classes), values, dtype=draw(dtypes))), classes, draw(generators)


@given(
    rows_of_classes(), reductions, st.sampled_from(({}, {"p": 2}, {"margin": 0.3}, {"p": 2, "margin": -0.5}))
)
def test_multi_margin_loss(case: Any, reduction: str, options: Any) -> None:
    x, classes, rng = case
    target = rng.integers(0, classes, x.shape[:-1])
    weight = rng.uniform(0.5, 2, classes).astype(x.dtype) if rng.random() < 0.5 else None

    def call(t: Any, x: Any, y: Any) -> Any:
        w = None if weight is None else t.tensor(weight.copy())
        return t.nn.functional.multi_margin_loss(x, y, weight=w, reduction=reduction, **options)

    agree(call, [x, np.asarray(target)], order=1, terms=8 * x.size)


@given(rows_of_classes(), reductions)
def test_multilabel_margin_loss(case: Any, reduction: str) -> None:
    x, classes, rng = case
    target = rng.integers(-1, classes, x.shape)
    agree(run("multilabel_margin_loss"), [x, target], reduction=reduction, order=1, terms=8 * x.size)


@given(st.data(), dtypes, reductions)
def test_multilabel_soft_margin_loss(data: Any, dtype: str, reduction: str) -> None:
    shape = data.draw(shapes(min_dims=1, min_side=1))
    x, y = (data.draw(arrays(shape, v, dtype=dtype)) for v in (normal, uniform(0, 1)))
    weight = data.draw(st.one_of(st.none(), arrays(shape[-1:], uniform(0.5, 2), dtype=dtype)))

    def call(t: Any, x: Any, y: Any) -> Any:
        w = None if weight is None else t.tensor(np.array(weight))
        return t.nn.functional.multilabel_soft_margin_loss(x, y, w, reduction=reduction)

    agree(call, [x, y], order=2, terms=8 * x.size)


# --- distances ---------------------------------------------------------------------------------------------


@given(st.data(), dtypes, reductions, st.sampled_from((0.0, 0.5, -0.5)))
def test_cosine_embedding_loss(data: Any, dtype: str, reduction: str, margin: float) -> None:
    lead = data.draw(st.sampled_from(((), (3,), (1,))))
    x, y = (data.draw(arrays((*lead, data.draw(st.just(3))), dtype=dtype)) for _ in "xy")
    target = np.asarray(odd_signs(data.draw(generators), lead), dtype)

    def call(t: Any, x: Any, y: Any) -> Any:
        target_ = t.tensor(target.copy())
        return t.nn.functional.cosine_embedding_loss(x, y, target_, margin, reduction=reduction)

    agree(call, [x, y], order=1, terms=100)


@given(st.data(), dtypes)
def test_cosine_similarity(data: Any, dtype: str) -> None:
    """Of shapes that broadcast; of short vectors, whose lengths count as eps."""
    a, b = data.draw(broadcastable(2))
    ndim = max(len(a), len(b))
    if ndim == 0:
        a, ndim = (3,), 1
    dim = data.draw(st.integers(-ndim, ndim - 1))
    x, y = (
        data.draw(arrays(a, away_from(0.0), dtype=dtype)),
        data.draw(arrays(b, away_from(0.0), dtype=dtype)),
    )
    eps = data.draw(st.sampled_from((1e-8, 1.0)))
    agree(run("cosine_similarity"), [x, y], dim=dim, eps=eps, order=1, terms=100)
    if eps == 1e-8:
        agree(run("cosine_similarity"), [x, y], dim=dim, order=2, terms=1000)


@given(st.data(), dtypes, st.sampled_from((2.0, 1.0, 3.0, 0.5, 0.0, inf)), st.booleans())
def test_pairwise_distance(data: Any, dtype: str, p: float, keepdim: bool) -> None:
    a, b = data.draw(broadcastable(2))
    a = a if a or b else (2,)
    x, y = (data.draw(arrays(s, dtype=dtype)) for s in (a, b))
    if p == inf and 0 in np.broadcast_shapes(a, b):
        return
    agree(run("pairwise_distance"), [x, y], p=p, keepdim=keepdim, order=1, terms=1000)


@given(st.data(), dtypes, st.sampled_from((2.0, 1.0, 3.0, inf, 2)))
def test_normalize(data: Any, dtype: str, p: float) -> None:
    x = data.draw(arrays(shapes(min_dims=1, min_side=1), away_from(0.0), dtype=dtype))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    agree(run("normalize"), [x], p=p, dim=dim, order=1, terms=100)
    agree(run("normalize"), [x * 1e-3], p=p, dim=dim, eps=0.1, order=1, terms=100)
    agree(run("normalize"), [x * 0], p=p, dim=dim, order=1, terms=100)


# --- sequences ---------------------------------------------------------------------------------------------


@st.composite
def sequences(draw: Any) -> Any:
    """(logits, targets padded or in a row, lengths of both, which class is blank); some do not fit."""
    steps, n, classes = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(2, 4))
    blank, rng = draw(st.integers(0, classes - 1)), draw(generators)
    known, sizes = rng.integers(0, steps + 1, n), rng.integers(0, 4, n)
    labels = np.array([c for c in range(classes) if c != blank])
    targets = labels[rng.integers(0, classes - 1, (n, int(sizes.max(initial=0)) + draw(st.integers(0, 1))))]
    if draw(st.booleans()):
        targets = np.concatenate([row[:size] for row, size in zip(targets, sizes, strict=True)])
    return draw(arrays((steps, n, classes), dtype=draw(dtypes))), targets, known, sizes, blank


@given(sequences(), reductions, st.booleans())
def test_ctc_loss(case: Any, reduction: str, zero_infinity: bool) -> None:
    """By the logits: the derivative by probabilities that do not add up to 1 is not meant to agree."""
    x, targets, known, sizes, blank = case

    def call(t: Any, x: Any, order: int) -> Any:
        options = {"blank": blank, "reduction": reduction, "zero_infinity": zero_infinity}
        lengths = t.tensor(known.copy()), t.tensor(sizes.copy())
        args = x.log_softmax(2), t.tensor(targets.copy()), *lengths
        out = t.nn.functional.ctc_loss(*args, **options)
        module = t.nn.CTCLoss(**options)
        np.testing.assert_array_equal(module(*args).detach().numpy(), out.detach().numpy())
        assert repr(module) == "CTCLoss()"
        return out

    fits = np.isfinite(call(tg, ours(x), 0).array).all()
    agree(call, [x], 0, order=int(fits), terms=20 * x.size)


def test_ctc_loss_of_one_sequence() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    for reduction in ("mean", "sum", "none"):
        agree(
            lambda t, x, r=reduction: t.nn.functional.ctc_loss(
                x.log_softmax(1), t.tensor([1, 2]), t.tensor(5), t.tensor(2), reduction=r
            ),
            [x],
        )
    agree(
        lambda t, x: t.nn.functional.ctc_loss(x.unsqueeze(1).log_softmax(2), t.tensor([[1, 2]]), (5,), (2,)),
        [x],
    )


def test_ctc_loss_is_the_sum_over_alignments() -> None:
    """All of them, one by one; and twice differentiated, which PyTorch cannot."""
    from itertools import groupby, product

    from tinygrad_cnn.testing import gradcheck

    p = np.random.default_rng(0).dirichlet(np.ones(3), 4)
    for target in ([1], [1, 2], [1, 1], [2, 1, 2], []):
        total = sum(
            np.prod([p[step, c] for step, c in enumerate(path)])
            for path in product(range(3), repeat=4)
            if [c for c, _ in groupby(path) if c != 0] == target
        )
        logp = tg.tensor(np.log(p)).unsqueeze(1)
        held = tg.tensor(np.array(target, np.int64))
        loss = F.ctc_loss(logp, held, (4,), (len(target),), reduction="sum")
        assert loss.item() == pytest.approx(-np.log(total), rel=1e-12)
        gradcheck(lambda x, y=held: F.ctc_loss(x, y, (4,), (len(y),), reduction="sum"), [logp.array], order=2)


def test_ctc_loss_of_impossible_classes() -> None:
    x = np.array([[0.0, -inf], np.log([0.5, 0.5])])[:, None]
    for target in ([[1]], [[1, 1]]):
        agree(
            lambda t, x, y=target: t.nn.functional.ctc_loss(x, t.tensor(y), (2,), (len(y[0]),)), [x], order=0
        )
    mine = ours(x, True)
    F.ctc_loss(mine, tg.tensor([[1]]), (2,), (1,)).backward()
    assert np.isfinite(mine.grad.array).all()


# --- edges -------------------------------------------------------------------------------------------------

# what: (function, arrays, options)
EDGES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "huber at delta": ("huber_loss", [[0.0, 1.0, -1.0, 1e30], [0.0, 0.0, 0.0, 0.0]], {}),
    "huber of nan": ("huber_loss", [[nan, 1.0], [0.0, 1.0]], {"reduction": "none"}),
    "huber of nothing": ("huber_loss", [[], []], {}),
    "kl_div of nothing": ("kl_div", [[], []], {"reduction": "sum"}),
    "poisson far out": ("poisson_nll_loss", [[-100.0, 80.0], [0.0, 5.0]], {"reduction": "none"}),
    "hinge at its margin": ("hinge_embedding_loss", [[1.0, 0.0, 2.0], [-1.0, 1.0, -1.0]], {}),
    "ranking at its margin": ("margin_ranking_loss", [[1.0, 2.0], [1.0, 1.0], [1.0, 1.0]], {"margin": 1.0}),
    "triplet at its margin": ("triplet_margin_loss", [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], {"eps": 0.0}),
    "triplet of equals": ("triplet_margin_loss", [[1.0, 2.0]] * 3, {"eps": 0.0}),
    "triplet swapped": ("triplet_margin_loss", [[0.0], [1.0], [2.0]], {"eps": 0.0, "swap": True}),
    "distance of equals": ("pairwise_distance", [[1.0, 2.0], [1.0, 2.0]], {"eps": 0.0}),
    "distance at a tie": ("pairwise_distance", [[1.0, -1.0], [0.0, 0.0]], {"eps": 0.0, "p": inf}),
    "cosine of 0": ("cosine_similarity", [[[0.0, 0.0], [1.0, 0.0]], [[1.0, 2.0], [0.0, 0.0]]], {}),
    "cosine of little": ("cosine_similarity", [[[1e-3, 1e-3]], [[1.0, 2.0]]], {"eps": 0.1}),
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_edges(edge: str, dtype: str) -> None:
    name, values, options = EDGES[edge]
    inputs = [np.array(v, dtype) for v in values]
    held = HELD.get(name, 2)

    def call(t: Any, *xs: Any) -> Any:
        return run(name)(t, *xs, *(t.tensor(a.copy()) for a in inputs[held:]), **options)

    agree(call, inputs[:held], terms=4)


@pytest.mark.parametrize("name, options, target", [
    ("multi_margin_loss", {}, [1, 0]), ("multi_margin_loss", {"p": 2}, [1, 0]),
    ("multilabel_margin_loss", {}, [[1, -1, 0], [0, 2, -1]]),
])  # fmt: skip
def test_margins_at_their_kinks(name: str, options: Any, target: Any) -> None:
    x = np.array([[0.5, 1.5, 0.5], [1.0, 0.0, 0.0]])
    agree(run(name), [x, np.array(target)], order=1, **options)


def test_kl_div_where_the_target_is_0() -> None:
    for target in ([0.0, 0.5, 1.0], [-1.0, 0.5, 0.5]):
        x = np.array([-1.0, -0.5, -inf if target[0] else 0.0])
        agree(lambda t, x: run("kl_div")(t, x, t.tensor(np.array(target)), reduction="none"), [x])  # noqa: B023


@pytest.mark.parametrize("full", [False, True])
def test_poisson_nll_loss_of_counts(full: bool) -> None:
    target = np.array([0.0, 1.0, 2.0, 7.0])
    for values, log_input in (([-1.0, 0.5, 0.0, 2.0], True), ([0.5, 1.0, 2.0, 8.0], False)):

        def call(t: Any, x: Any, log_input: bool = log_input) -> Any:
            return t.nn.functional.poisson_nll_loss(x, t.tensor(target), log_input, full)

        agree(call, [np.array(values)], order=2)


# --- segmentation ------------------------------------------------------------------------------------------
# PyTorch has none of them: these are the formulas of the papers, in PyTorch.


def probabilities(x: Any, target: Any, ignore: int = -100) -> tuple[Any, Any]:
    """p and t as (n, classes, pixels)."""
    if target.shape == x.shape:
        return rows(torch.sigmoid(x)), rows(target.to(x.dtype))
    valid = (target != ignore).unsqueeze(1).to(x.dtype)
    t = TF.one_hot(torch.where(target == ignore, 0, target), x.shape[1]).movedim(-1, 1).to(x.dtype)
    return rows(torch.softmax(x, 1) * valid), rows(t * valid)


def rows(x: Any) -> Any:
    return x.reshape(*x.shape[:2], -1)


def reduced(losses: Any, reduction: str) -> Any:
    return losses if reduction == "none" else getattr(losses, reduction)()


def tversky(x: Any, y: Any, alpha: float, beta: float, smooth: float, ignore: int) -> Any:
    p, t = probabilities(x, y, ignore)
    tp = (p * t).sum(2)
    valid = torch.ones_like(p[:, :1]) if y.shape == x.shape else (y != ignore).reshape(len(y), 1, -1)
    fp, fn = (p * (1 - t) * valid).sum(2), ((1 - p) * t * valid).sum(2)
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


def dice(x: Any, y: Any, smooth: float, ignore: int) -> Any:
    p, t = probabilities(x, y, ignore)
    return 1 - (2 * (p * t).sum(2) + smooth) / (p.sum(2) + t.sum(2) + smooth)


def jaccard(x: Any, y: Any, smooth: float, ignore: int) -> Any:
    p, t = probabilities(x, y, ignore)
    both = (p * t).sum(2)
    return 1 - (both + smooth) / (p.sum(2) + t.sum(2) - both + smooth)


def generalized_dice(x: Any, y: Any, ignore: int) -> Any:
    p, t = probabilities(x, y, ignore)
    w = 1 / t.sum(2).clamp(min=1) ** 2
    return 1 - 2 * (w * (p * t).sum(2)).sum(1) / (w * (p + t).sum(2)).sum(1)


def sigmoid_focal(x: Any, y: Any, alpha: float, gamma: float) -> Any:
    p = torch.sigmoid(x)
    p_true = p * y + (1 - p) * (1 - y)
    losses = TF.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - p_true) ** gamma
    return losses * (alpha * y + (1 - alpha) * (1 - y)) if alpha >= 0 else losses


def focal(x: Any, y: Any, weight: Any, gamma: float, ignore: int, reduction: str) -> Any:
    nll = TF.cross_entropy(x, y, ignore_index=ignore, reduction="none")
    weighted = TF.cross_entropy(x, y, weight, ignore_index=ignore, reduction="none")
    losses = weighted * (1 - torch.exp(-nll)) ** gamma
    if reduction != "mean":
        return reduced(losses, reduction)
    w = torch.ones(x.shape[1], dtype=x.dtype) if weight is None else weight
    return losses.sum() / w[y[y != ignore]].sum()


@st.composite
def segmented(draw: Any) -> Any:
    """(logits (n, classes, ...), classes (n, ...) of which some are ignored, or masks; which is ignored)."""
    n, classes = draw(st.integers(1, 2)), draw(st.integers(2, 3))
    size = draw(st.sampled_from(((2, 3), (4,), (1, 2, 2), ())))
    x = draw(arrays((n, classes, *size), dtype=draw(dtypes)))
    rng, ignore = draw(generators), draw(st.sampled_from((-100, 255, 1)))
    if draw(st.booleans()):
        return (
            x,
            rng.integers(0, 2, x.shape).astype(draw(st.sampled_from((x.dtype, "int64", "bool")))),
            ignore,
        )
    target = rng.integers(0, classes, (n, *size))
    return x, np.where(rng.random(target.shape) < 0.3, ignore, target), ignore


OVERLAPS: dict[str, tuple[Callable[..., Any], list[dict[str, float]]]] = {
    "tversky_loss": (
        tversky, [{"alpha": 0.3, "beta": 0.7, "smooth": 1.0}, {"alpha": 1.0, "beta": 0.0, "smooth": 0.5}],
    ),
    "dice_loss": (dice, [{"smooth": 1.0}, {"smooth": 0.1}]),
    "jaccard_loss": (jaccard, [{"smooth": 1.0}, {"smooth": 0.1}]),
    "generalized_dice_loss": (generalized_dice, [{}]),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERLAPS)
@given(case=segmented(), reduction=reductions, which=st.integers(0, 1))
def test_losses_of_overlap(name: str, case: Any, reduction: str, which: int) -> None:
    """The function, the module, and the formula."""
    x, target, ignore = case
    formula, choices = OVERLAPS[name]
    options = choices[which % len(choices)]
    module = getattr(tg.nn, "".join(word.capitalize() for word in name.split("_")))

    def call(t: Any, x: Any, y: Any) -> Any:
        if t is torch:
            return reduced(formula(x, y, *options.values(), ignore), reduction)
        given_ = {**options, "ignore_index": ignore, "reduction": reduction}
        out = getattr(t.nn.functional, name)(x, y, **given_)
        np.testing.assert_array_equal(module(**given_)(x, y).array, out.array)
        return out

    held = np.array(target)
    agree(lambda t, x: call(t, x, t.tensor(held)), [x], order=2, terms=20 * x.size)


@given(
    st.data(), dtypes, reductions, st.sampled_from((0.25, 0.8, -1.0)), st.sampled_from((2.0, 0.0, 1.0, 3.5))
)
def test_sigmoid_focal_loss(data: Any, dtype: str, reduction: str, alpha: float, gamma: float) -> None:
    x = data.draw(arrays(shapes(), dtype=dtype))
    y = data.draw(generators).integers(0, 2, x.shape).astype(dtype)

    def call(t: Any, x: Any) -> Any:
        target = t.tensor(np.array(y))
        if t is torch:
            return reduced(sigmoid_focal(x, target, alpha, gamma), reduction)
        return t.nn.functional.sigmoid_focal_loss(x, target, alpha, gamma, reduction)

    agree(call, [x], order=2, terms=20 * x.size)


@given(segmented(), reductions, st.sampled_from((2.0, 0.0, 1.0)), st.booleans())
def test_focal_loss(case: Any, reduction: str, gamma: float, weighted: bool) -> None:
    """Of classes and of masks, as a function and as a module; gamma = 0 is cross entropy."""
    x, target, ignore = case
    masks, held = target.shape == x.shape, np.array(target)
    weight = np.array([0.5, 1.0, 2.0][: x.shape[1]], x.dtype)

    def call(t: Any, x: Any) -> Any:
        y, w = t.tensor(held), t.tensor(weight)
        if t is torch:
            if masks:
                return reduced(sigmoid_focal(x, y.to(x.dtype), 0.3 if weighted else -1, gamma), reduction)
            return focal(x, y, w if weighted else None, gamma, ignore, reduction)
        chosen = ({"alpha": 0.3} if masks else {"weight": w}) if weighted else {}
        given_ = {"gamma": gamma, "ignore_index": ignore, "reduction": reduction, **chosen}
        out = t.nn.functional.focal_loss(x, y, **given_)
        np.testing.assert_array_equal(t.nn.FocalLoss(**given_)(x, y).array, out.array)
        if gamma == 0 and not masks:
            wanted = t.nn.functional.cross_entropy(x, y, chosen.get("weight"), ignore, reduction)
            np.testing.assert_allclose(out.array, wanted.array, rtol=1e-5)
        return out

    agree(call, [x], order=2, terms=20 * x.size)


def test_focal_loss_far_out() -> None:
    """What is surely right costs nothing and has no gradient, at any gamma."""
    for gamma in (0.5, 1.0, 2.0):
        x = tg.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
        masks = tg.tensor([[1.0, 0.0], [0.0, 1.0]])
        for loss in (
            F.sigmoid_focal_loss(x, masks, 0.25, gamma, "sum"),
            F.focal_loss(x, tg.tensor([0, 1]), gamma=gamma),
        ):
            x.grad = None
            loss.backward()
            assert loss.item() == 0 and (x.grad.array == 0).all()


@pytest.mark.parametrize("name", [*OVERLAPS, "focal_loss"])
def test_a_better_segmentation_costs_less(name: str) -> None:
    tg.manual_seed(0)
    target = tg.randint(0, 3, (2, 5, 5))
    logits = F.one_hot(target, 3).movedim(-1, 1).float() * 2 - 1
    costs = [getattr(F, name)(logits * scale, target).item() for scale in (-10, -1, 0, 1, 10)]
    assert costs == sorted(costs, reverse=True) and costs[-1] < 0.01


SEGMENTATION_REFUSED: dict[str, Callable[[Any, str], Any]] = {
    "target shape": lambda x, name: getattr(F, name)(x, tg.zeros(2, 4, 5, dtype=tg.int64)),
    "target of another class count": lambda x, name: getattr(F, name)(x, tg.zeros(2, 2, 4, 4)),
    "class out of range": lambda x, name: getattr(F, name)(x, tg.full((2, 4, 4), 3, dtype=tg.int64)),
    "negative class": lambda x, name: getattr(F, name)(x, tg.full((2, 4, 4), -1, dtype=tg.int64)),
    "float classes": lambda x, name: getattr(F, name)(x, tg.zeros(2, 4, 4)),
    "ints": lambda x, name: getattr(F, name)(x.long(), tg.zeros(2, 4, 4, dtype=tg.int64)),
    "one channel": lambda x, name: getattr(F, name)(x[:, :1], tg.zeros(2, 4, 4, dtype=tg.int64)),
    "rank": lambda x, name: getattr(F, name)(x[0, 0, 0], tg.zeros(4)),
    "reduction": lambda x, name: getattr(F, name)(x, tg.zeros(2, 4, 4, dtype=tg.int64), reduction="some"),
    "None": lambda x, name: getattr(F, name)(x, None),
}


@pytest.mark.parametrize("what", SEGMENTATION_REFUSED)
@pytest.mark.parametrize("name", [*OVERLAPS, "focal_loss"])
def test_segmentation_refuses(name: str, what: str) -> None:
    error = outcome(lambda: SEGMENTATION_REFUSED[what](tg.zeros(2, 3, 4, 4), name))
    assert refused_here(error), error


def test_segmentation_refuses_options() -> None:
    x, classes, masks = tg.zeros(1, 2, 3), tg.zeros(1, 3, dtype=tg.int64), tg.zeros(1, 2, 3)
    for call in (
        lambda: F.dice_loss(x, classes, smooth=-1.0),
        lambda: F.tversky_loss(x, classes, alpha=-0.5),
        lambda: F.focal_loss(x, classes, alpha=0.5),
        lambda: F.focal_loss(x, masks, weight=tg.ones(2)),
        lambda: F.focal_loss(x, classes, weight=tg.ones(3)),
        lambda: F.focal_loss(x, classes, gamma=-1.0),
        lambda: F.sigmoid_focal_loss(x, masks, alpha=1.5),
        lambda: F.sigmoid_focal_loss(x, masks, reduction="some"),
        lambda: F.sigmoid_focal_loss(x, classes),
    ):
        assert refused_here(outcome(call)), call


# --- what is refused ---------------------------------------------------------------------------------------


def z(t: Any, *size: int, dtype: str = "float32") -> Any:
    return t.zeros(*size, dtype=getattr(t, dtype))


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    **{
        f"{name} reduction": lambda t, f, name=name: getattr(f, name)(
            z(t, 2, 2), t.ones(2, 2), reduction="some"
        )
        for name in (
            "huber_loss", "kl_div", "poisson_nll_loss", "hinge_embedding_loss", "soft_margin_loss",
            "multilabel_soft_margin_loss",
        )
    },
    **{
        f"{name} batchmean": lambda t, f, name=name: getattr(f, name)(
            z(t, 2), t.ones(2), reduction="batchmean"
        )
        for name in ("mse_loss", "huber_loss", "hinge_embedding_loss", "soft_margin_loss")
    },
    **{
        f"{name} shapes": lambda t, f, name=name: getattr(f, name)(z(t, 2), t.ones(3))
        for name in ("huber_loss", "kl_div", "poisson_nll_loss", "hinge_embedding_loss", "soft_margin_loss")
    },
    "huber delta": lambda t, f: f.huber_loss(z(t, 2), z(t, 2), delta=0.0),
    "huber negative delta": lambda t, f: f.huber_loss(z(t, 2), z(t, 2), delta=-1.0),
    "huber weight": lambda t, f: f.huber_loss(z(t, 2), z(t, 2), weight=z(t, 1)),
    "mse weight": lambda t, f: f.mse_loss(z(t, 2), z(t, 2), weight=z(t, 1)),
    "l1 weight": lambda t, f: f.l1_loss(z(t, 2), z(t, 2), weight=z(t, 3)),
    "gaussian negative variance": lambda t, f: f.gaussian_nll_loss(z(t, 2), z(t, 2), t.tensor([1.0, -1.0])),
    "gaussian negative number": lambda t, f: f.gaussian_nll_loss(z(t, 2), z(t, 2), -1.0),
    "gaussian variance": lambda t, f: f.gaussian_nll_loss(z(t, 2, 3), z(t, 2, 3), z(t, 3)),
    "gaussian variance of two axes": lambda t, f: f.gaussian_nll_loss(z(t, 2, 3), z(t, 2, 3), z(t, 1, 1)),
    "gaussian reduction": lambda t, f: f.gaussian_nll_loss(z(t, 2), z(t, 2), z(t, 2), reduction="some"),
    "ranking axes": lambda t, f: f.margin_ranking_loss(z(t, 2), z(t, 2), z(t, 2, 1)),
    "ranking shapes": lambda t, f: f.margin_ranking_loss(z(t, 2), z(t, 3), z(t, 2)),
    "multi_margin p": lambda t, f: f.multi_margin_loss(z(t, 2, 3), t.tensor([0, 1]), p=3),
    "multi_margin weight": lambda t, f: f.multi_margin_loss(z(t, 2, 3), t.tensor([0, 1]), weight=z(t, 2)),
    "multi_margin weight axes": lambda t, f: f.multi_margin_loss(
        z(t, 2, 3), t.tensor([0, 1]), weight=z(t, 3, 1)
    ),
    "multi_margin batch": lambda t, f: f.multi_margin_loss(z(t, 2, 3), t.tensor([0])),
    "multi_margin out of range": lambda t, f: f.multi_margin_loss(z(t, 2, 3), t.tensor([0, 3])),
    "multi_margin negative": lambda t, f: f.multi_margin_loss(z(t, 2, 3), t.tensor([0, -1])),
    "multi_margin floats": lambda t, f: f.multi_margin_loss(z(t, 2, 3), z(t, 2)),
    "multi_margin axes": lambda t, f: f.multi_margin_loss(z(t, 2, 3, 2), t.tensor([0, 1])),
    "multilabel_margin shape": lambda t, f: f.multilabel_margin_loss(z(t, 2, 3), t.tensor([[0, 1, -1]])),
    "multilabel_margin out of range": lambda t, f: f.multilabel_margin_loss(z(t, 3), t.tensor([0, 3, -1])),
    "multilabel_margin below -1": lambda t, f: f.multilabel_margin_loss(z(t, 3), t.tensor([0, -2, -1])),
    "multilabel_margin floats": lambda t, f: f.multilabel_margin_loss(z(t, 3), z(t, 3)),
    "multilabel_soft shapes": lambda t, f: f.multilabel_soft_margin_loss(z(t, 2, 3), z(t, 2, 4)),
    "multilabel_soft weight": lambda t, f: f.multilabel_soft_margin_loss(z(t, 2, 3), z(t, 2, 3), z(t, 2)),
    "cosine_embedding target": lambda t, f: f.cosine_embedding_loss(z(t, 2, 3), z(t, 2, 3), z(t, 3)),
    "cosine_embedding target axes": lambda t, f: f.cosine_embedding_loss(z(t, 3), z(t, 3), z(t, 1)),
    "cosine_embedding axes": lambda t, f: f.cosine_embedding_loss(z(t, 2, 3, 2), z(t, 2, 3, 2), z(t, 2)),
    "cosine_embedding shapes": lambda t, f: f.cosine_embedding_loss(z(t, 2, 3), z(t, 2, 4), z(t, 2)),
    "triplet margin": lambda t, f: f.triplet_margin_loss(z(t, 2), z(t, 2), z(t, 2), margin=0.0),
    "triplet shapes": lambda t, f: f.triplet_margin_loss(z(t, 2), z(t, 2), z(t, 3)),
    "triplet axes": lambda t, f: f.triplet_margin_loss(z(t, 2), z(t, 2), z(t, 2, 2)),
    "triplet reduction": lambda t, f: f.triplet_margin_loss(z(t, 2), z(t, 2), z(t, 2), reduction="some"),
    "triplet with distance margin": lambda t, f: f.triplet_margin_with_distance_loss(
        z(t, 2), z(t, 2), z(t, 2), margin=-1.0
    ),
    "triplet with distance axes": lambda t, f: f.triplet_margin_with_distance_loss(
        z(t, 2), z(t, 2), z(t, 2, 2)
    ),
    "triplet with distance shapes": lambda t, f: f.triplet_margin_with_distance_loss(
        z(t, 2), z(t, 2), z(t, 3)
    ),
    "pairwise shapes": lambda t, f: f.pairwise_distance(z(t, 2, 3), z(t, 2, 4)),
    "cosine_similarity shapes": lambda t, f: f.cosine_similarity(z(t, 2, 3), z(t, 2, 4)),
    "cosine_similarity dim": lambda t, f: f.cosine_similarity(z(t, 3), z(t, 3)),
    "cosine_similarity ints": lambda t, f: f.cosine_similarity(
        z(t, 2, 3, dtype="int64"), z(t, 2, 3, dtype="int64")
    ),
    "ctc_loss ints": lambda t, f: f.ctc_loss(z(t, 2, 1, 2, dtype="int64"), t.tensor([[1]]), (2,), (1,)),
    "ctc_loss axes": lambda t, f: f.ctc_loss(z(t, 2), t.tensor([[1]]), (2,), (1,)),
    "ctc_loss blank": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([[1]]), (2,), (1,), blank=2),
    "ctc_loss input too long": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([[1]]), (3,), (1,)),
    "ctc_loss target too long": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([[1]]), (2,), (2,)),
    "ctc_loss batch": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([[1], [1]]), (2,), (1,)),
    "ctc_loss lengths": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([[1]]), (2, 2), (1,)),
    "ctc_loss targets in a row": lambda t, f: f.ctc_loss(z(t, 2, 1, 2), t.tensor([1]), (2,), (2,)),
    "ctc_loss reduction": lambda t, f: f.ctc_loss(
        z(t, 2, 1, 2), t.tensor([[1]]), (2,), (1,), reduction="some"
    ),
    "normalize ints": lambda t, f: f.normalize(z(t, 2, 3, dtype="int64")),
    "normalize dim": lambda t, f: f.normalize(z(t, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_refused_by_both(name: str) -> None:
    """A mistake that PyTorch does not let pass, does not pass here."""
    assert isinstance(outcome(lambda: REFUSED[name](torch, TF)), Exception)
    error = outcome(lambda: REFUSED[name](tg, F))
    assert refused_here(error), error


COVERED = {
    "nn.functional": {
        *(row.partition(" ")[0] for row in ALIKE), "multi_margin_loss", "multilabel_margin_loss",
        "multilabel_soft_margin_loss", "cosine_embedding_loss", "cosine_similarity", "pairwise_distance",
        "normalize", "ctc_loss",
    },
    "nn": {"CTCLoss"},
}  # fmt: skip

"""Run one call in PyTorch and here, on the same numbers, and compare everything that comes out.

A call is written once, as a function of (t, *tensors): `t` is `torch` in one run and `tinygrad_cnn` in the
other.  Compared are the results' dtypes, shapes, values and need of a gradient, then the gradients of all
float inputs, and on demand the gradients of a product with these gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from hypothesis import settings

import tinygrad_cnn as tg

torch.set_num_threads(1)

# Of many rows each is tried a few times; together they see as many shapes as one test elsewhere.
few = settings(max_examples=max(10, settings.default.max_examples // 5))

DTYPES = ("float32", "float64")


def theirs(array: np.ndarray, requires_grad: bool = False) -> torch.Tensor:
    """A torch tensor with a copy of the values."""
    return torch.from_numpy(np.array(array, order="C")).requires_grad_(requires_grad)


def ours(array: np.ndarray, requires_grad: bool = False) -> tg.Tensor:
    """A tensor over the array itself, whatever its strides."""
    return tg.from_numpy(array.view()).requires_grad_(requires_grad)


def numpy(tensor: Any) -> np.ndarray:
    """The values of either library's tensor."""
    if isinstance(tensor, tg.Tensor):
        return tensor.array
    tensor = tensor.detach()
    return (tensor.clone() if tensor._is_zerotensor() else tensor).numpy()  # zeros without memory


def same(mine: Any, wanted: Any, terms: int = 1, what: str = "result", slack: float = 0.0) -> None:
    """Equal dtype, shape and values.

    Floats may differ by rounding: by a few units in the last place for each of the `terms` that were added
    up, at the scale of the largest value (adding in another order cannot be told from it), and `slack`.
    """
    a, b = numpy(mine), numpy(wanted)
    assert isinstance(mine, tg.Tensor), what
    assert str(a.dtype) == str(b.dtype), what
    assert a.shape == b.shape, what
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, err_msg=what)
        return
    scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
    atol = 32 * np.finfo(a.dtype).eps * max(1, terms) * scale + slack
    np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=what)


def results(out: Any) -> list[Any]:
    """The tensors of a result that may be a tuple."""
    return list(out) if isinstance(out, (tuple, list)) else [out]


def agree(
    call: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    *args: Any,
    order: int = 1,
    terms: int | None = None,
    **options: Any,
) -> None:
    """Compare `call(t, *tensors, *args, **options)`, and `order` derivatives of it.

    Args:
        arrays: the tensors' values; floats get a gradient.
        order: 0 compares values only, 2 second derivatives too.
        terms: how many numbers at most are added up; without it, all of an array.
    """

    def compared(
        arrays: Sequence[np.ndarray], mine: Library, wanted: Library, check: Callable[..., None]
    ) -> None:
        _compare(partial(call, **options), arrays, args, (mine, wanted), order, terms, check)

    try:
        compared(arrays, (tg, ours), (torch, theirs), same)
    except AssertionError:
        if not any(a.dtype.kind == "f" for a in arrays):
            raise
        # Where large terms cancel, neither library is near: as far as PyTorch in float32 is from PyTorch in
        # float64, and a few times that, they may be apart as well; in float64, as many of its smaller units.
        coarse = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in arrays]
        units: dict[str, float] = {}

        def note(double: Any, single: Any, _: int, what: str) -> None:
            far = _distance(double, single) / np.finfo(np.float32).eps
            units[what] = max(units.get(what, 0.0), 4 * far)

        def check(mine: Any, wanted: Any, terms: int, what: str) -> None:
            kind = numpy(wanted).dtype
            same(
                mine,
                wanted,
                terms,
                what,
                units.get(what, 0.0) * np.finfo(kind).eps if kind.kind == "f" else 0.0,
            )

        compared(coarse, (torch, in_double), (torch, theirs), note)
        compared(arrays, (tg, ours), (torch, theirs), check)


Library = tuple[Any, Callable[..., Any]]


def in_double(array: np.ndarray, requires_grad: bool = False) -> torch.Tensor:
    """A torch tensor of float64 if the array is float32."""
    return theirs(array.astype(np.float64) if array.dtype == np.float32 else array, requires_grad)


def _distance(a: Any, b: Any) -> float:
    a, b = numpy(a), numpy(b)
    if b.dtype.kind != "f":
        return 0.0
    finite = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[finite] - b[finite]).max(initial=0))


def _compare(
    call: Callable[..., Any],
    arrays: Sequence[np.ndarray],
    args: Sequence[Any],
    runs: tuple[Library, Library],
    order: int,
    terms: int | None,
    check: Callable[..., None],
) -> None:
    terms = terms or sum(a.size for a in arrays)
    rng = np.random.default_rng(sum(a.size for a in arrays))
    inputs = [[make(a, a.dtype.kind == "f") for a in arrays] for _, make in runs]
    outputs = [results(call(t, *xs, *args)) for (t, _), xs in zip(runs, inputs, strict=True)]
    assert len(outputs[0]) == len(outputs[1])
    for mine, wanted in zip(*outputs, strict=True):
        check(mine, wanted, terms, "result")
        assert mine.requires_grad == wanted.requires_grad or not order

    wrt = [[x for x in xs if x.requires_grad] for xs in inputs]
    for depth in range(order):
        live = [i for i, out in enumerate(outputs[1]) if out is not None and out.requires_grad]
        if not live or not wrt[0]:
            return
        # Small whole numbers as incoming gradients: products with them add no rounding.
        seeds = [rng.integers(-3, 4, tuple(outputs[1][i].shape)) for i in live]
        grads = []
        for (t, make), xs, outs in zip(runs, wrt, outputs, strict=True):
            gs = [make(np.asarray(s, numpy(outs[i]).dtype)) for i, s in zip(live, seeds, strict=True)]
            more = depth + 1 < order
            grads.append(
                list(t.autograd.grad([outs[i] for i in live], xs, gs, create_graph=more, allow_unused=True))
            )
        for i, (mine, wanted) in enumerate(zip(*grads, strict=True)):
            what = f"derivative {depth + 1} by input {i}"
            # An input that a result does not depend on has None here and there, or zeros.
            if mine is None or wanted is None:
                known = wanted if mine is None else mine
                assert known is None or not numpy(known).any(), what
            else:
                check(mine, wanted, terms * (depth + 1), what)
        # A derivative that is constant in one library may be an untracked zero in the other.
        outputs = [
            [g if a and b else None for g, a, b in zip(gs, *_tracked(grads), strict=True)] for gs in grads
        ]


def _tracked(grads: list[list[Any]]) -> list[list[bool]]:
    return [[g is not None and g.requires_grad for g in gs] for gs in grads]


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the exception that it raises."""
    try:
        return call()
    except Exception as error:
        return error


def refused(error: Any) -> bool:
    """Whether PyTorch refused on principle, not because nobody has written a kernel for that dtype (or an
    overload for a number in the place of a tensor) yet."""
    gaps = ("not implemented for", "must be Tensor, not", "not supported for", "does not support bool")
    return isinstance(error, Exception) and not any(gap in str(error) for gap in gaps)


def refused_here(error: Any) -> bool:
    """Whether the call failed with an error made for the user."""
    return isinstance(error, (tg.errors.Error, TypeError))

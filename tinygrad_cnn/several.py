"""Functions that are no methods: they take several tensors, or give several."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .creation import cat, stack
from .errors import ArgumentError, DtypeError, ShapeError
from .geometry import _int
from .op import get_default_dtype, promote, wrap
from .ops import linalg, shape
from .tensor import Tensor, _dtype, _floating, _number, _sizes, _tensor, _whole
from .tensor.names import numpy_names

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors",
    "bucketize", "cartesian_prod", "cdist", "column_stack", "concat", "concatenate", "dstack", "einsum",
    "hstack", "meshgrid", "row_stack", "searchsorted", "std_mean", "tensordot", "tril_indices",
    "triu_indices", "var_mean", "vstack",
]  # fmt: skip

concat = concatenate = cat


# --- side by side ----------------------------------------------------------------------------------------


def _at_least(name: str, tensors: Sequence[Any], widen: Any) -> Any:
    """One for one, a tuple for several, or for a list."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return widen(tensors[0])
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    return tuple(widen(_tensor(name, t)) for t in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """As they are, but numbers as vectors."""
    return _at_least("atleast_1d", tensors, lambda t: t if t.ndim else t.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """As they are, but vectors as rows of a matrix."""
    return _at_least("atleast_2d", tensors, lambda t: t if t.ndim > 1 else t.reshape(1, -1))


def atleast_3d(*tensors: Any) -> Any:
    """As they are, but vectors as (1, n, 1) and matrices as (n, m, 1)."""
    return _at_least("atleast_3d", tensors, lambda t: t if t.ndim > 2 else atleast_2d(t).unsqueeze(-1))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side along the second axis; vectors one after another."""
    wide = atleast_1d(_several("hstack", tensors))
    return cat(wide, 0 if wide[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One above another along the first axis; vectors are rows.

    >>> import tinygrad_cnn as tg
    >>> tg.vstack([tg.ones(2), tg.zeros(2)])
    tensor([[1., 1.],
            [0., 0.]])
    """
    return cat(atleast_2d(_several("vstack", tensors)), 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """One behind another along the third axis."""
    return cat(atleast_3d(_several("dstack", tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side along the second axis; vectors are columns."""
    tensors = _several("column_stack", tensors)
    return cat([t if t.ndim > 1 else t.reshape(-1, 1) for t in tensors], 1)


def block_diag(*tensors: Tensor) -> Tensor:
    """One matrix with these on its diagonal; numbers and vectors are matrices of one row.

    >>> import tinygrad_cnn as tg
    >>> tg.block_diag(tg.tensor(1), tg.tensor([2, 3]))
    tensor([[1, 0, 0],
            [0, 2, 3]])
    """
    if not tensors:
        return wrap(np.zeros((1, 0), get_default_dtype()))
    blocks = atleast_2d(list(tensors))
    for i, block in enumerate(blocks):
        if block.ndim > 2:
            raise ShapeError(f"block_diag: tensor {i} {block.shape} is no matrix")
    dtype = promote(shape.cat, [t.array for t in tensors])[0].dtype
    columns, start, rows = sum(block.shape[1] for block in blocks), 0, []
    for block in blocks:
        stop = start + block.shape[1]
        rows.append(shape.pad(block.to(dtype), widths=((0, 0), (start, columns - stop))))
        start = stop
    return cat(rows, 0)


# --- of one shape ----------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape to which these broadcast."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"broadcast_shapes: {' and '.join(map(str, shapes))} do not broadcast; sizes must be equal or 1"
        ) from None


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All of them expanded to one shape."""
    tensors = tuple(_several("broadcast_tensors", tensors))
    size = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(size) for t in tensors)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid: out_k[i_0, i_1, ...] = x_k[i_k].

    indexing="ij" (the default) has one axis for each vector, in order; "xy" swaps the first two.

    >>> import tinygrad_cnn as tg
    >>> tg.meshgrid(tg.arange(2), tg.arange(3), indexing="ij")[1]
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    given = _several("meshgrid", given)
    if indexing not in (None, "ij", "xy"):
        raise ArgumentError(f'meshgrid: indexing is {indexing!r:.40}; use "ij" or "xy"')
    for t in given:
        if t.ndim > 1 or t.dtype != given[0].dtype:
            raise ShapeError(
                f"meshgrid: vectors of one dtype are needed, not {t.shape} {t.dtype} (the first is "
                f"{given[0].dtype})"
            )
    order = list(range(len(given)))
    if indexing == "xy" and len(given) > 1:
        order[:2] = [1, 0]
    size = [given[i].numel() for i in order]
    return tuple(
        t.reshape([-1 if axis == order[i] else 1 for axis in range(len(size))]).expand(size)
        for i, t in enumerate(given)
    )


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element of each vector, one in a row; of a single vector, the vector."""
    grid = meshgrid(*tensors, indexing="ij")
    return stack([t.flatten() for t in grid], -1) if len(grid) > 1 else grid[0]


# --- two results -----------------------------------------------------------------------------------------


@numpy_names
def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(`x.std(...)`, `x.mean(...)`)"""
    return input.std(dim, unbiased, keepdim, correction), _mean(input, dim, keepdim)


@numpy_names
def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, correction: Any = None
) -> tuple[Tensor, Tensor]:
    """(`x.var(...)`, `x.mean(...)`)"""
    return input.var(dim, unbiased, keepdim, correction), _mean(input, dim, keepdim)


def _mean(x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    return x.mean(None if isinstance(dim, bool) else dim, keepdim)


# --- sums of products ------------------------------------------------------------------------------------


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sum of the products of all operands over every letter that the result does not name (Einstein 1916).

    "ij,jk->ik" is a matrix product, "ii" a trace, "...ij->...ji" turns matrices; without an arrow the result
    has the letters that occur once, sorted.  Lists of numbers do as well: `einsum(x, [0, 1], y, [1, 2])`.

    >>> import tinygrad_cnn as tg
    >>> tg.einsum("ij,ij->i", tg.ones(2, 3), tg.ones(2, 3))
    tensor([3., 3.])
    """
    if isinstance(equation, Tensor):
        equation, operands = _spelled(equation, *operands)
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not isinstance(equation, str):
        raise ArgumentError(f"einsum: the equation must be text such as 'ij,jk->ik', not {equation!r:.40}")
    xs = _several("einsum", operands)
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(xs):
        raise ArgumentError(f"einsum: {text!r} names {len(terms)} operands, there are {len(xs)}")
    for term in (*terms, right):
        if not re.fullmatch(r"[a-zA-Z]*(\.\.\.)?[a-zA-Z]*", term):
            raise ArgumentError(f"einsum: {term!r} in {text!r} is not made of letters and at most one '...'")
    labels, sizes = [], dict[Hashable, int]()
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        rest = x.ndim - len(term.replace("...", ""))
        if rest < 0 or (rest and "..." not in term):
            raise ShapeError(f"einsum: operand {i} {x.shape} has {x.ndim} axes, {term!r} names others")
        if x.dtype != xs[0].dtype:
            raise DtypeError(f"einsum: operand {i} is {x.dtype}, operand 0 {xs[0].dtype}; use .to(dtype)")
        before, _, after = term.partition("...")
        own: list[Hashable] = [*before, *range(-rest, 0), *after]
        labels.append(own)
        for label, n in zip(own, x.shape, strict=True):
            m = sizes.setdefault(label, n)
            twice = own.count(label) > 1 and n != x.shape[own.index(label)]
            if twice or (n != m and 1 not in (n, m)):
                raise ShapeError(
                    f"einsum: {_named(label)} of {text!r} has size {n} in operand {i}, {m} before"
                )
            sizes[label] = max(n, m) if 0 not in (n, m) else 0
    dots: list[Hashable] = [*range(min((n for n in sizes if isinstance(n, int)), default=0), 0)]
    if arrow:
        before, _, after = right.partition("...")
        out: list[Hashable] = [*before, *(dots if "..." in right else ()), *after]
        for label in out:
            if label not in sizes or out.count(label) > 1:
                raise ArgumentError(
                    f"einsum: the result of {text!r} names {label!r} twice, or nothing has it"
                )
    else:
        once = [letter for letter in sizes if isinstance(letter, str) and left.count(letter) == 1]
        out = [*dots, *sorted(once)]
    return linalg.einsum(xs, labels, out)


def _named(label: Hashable) -> str:
    return f"{label!r}" if isinstance(label, str) else "'...'"


def _spelled(*arguments: Any) -> tuple[str, tuple[Tensor, ...]]:
    """einsum(x, [0, 1], y, [1, 2], [0, 2]) as letters."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def word(numbers: Any) -> str:
        try:
            return "".join("..." if n is ... else letters[n] for n in numbers)
        except (TypeError, IndexError):
            raise ArgumentError(f"einsum: {numbers!r:.60} must be a list of numbers from 0 to 51") from None

    text = ",".join(word(numbers) for numbers in arguments[1::2][: len(arguments) // 2])
    if len(arguments) % 2:
        text += "->" + word(arguments[-1])
    return text, tuple(arguments[: len(arguments) // 2 * 2 : 2])


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over pairs of axes: the last `dims` of a and the first of b, or two lists of axes.

    >>> import tinygrad_cnn as tg
    >>> tg.tensordot(tg.ones(2, 3), tg.ones(3, 4), dims=1).shape
    (2, 4)
    """
    x, y = _tensor("tensordot", a, "a"), _tensor("tensordot", b, "b")
    if x.dtype != y.dtype:
        raise DtypeError(f"tensordot: a is {x.dtype}, b is {y.dtype}; convert one with .to(dtype)")
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, (list, tuple)):
        if len(dims) != 2:
            raise ArgumentError(f"tensordot: dims {dims!r:.60} must be a number, or a list of axes for each")
        pairs = [list(_sizes("tensordot", d if isinstance(d, (list, tuple)) else (d,))) for d in dims]
    else:
        count = _int("tensordot", "dims", dims, 0)
        if count > min(x.ndim, y.ndim):
            raise ShapeError(f"tensordot: {count} axes of a {x.shape} and b {y.shape}")
        pairs = [list(range(x.ndim - count, x.ndim)), list(range(count))]
    for t, own in zip((x, y), pairs, strict=True):
        if any(not -t.ndim <= d < t.ndim for d in own) or len({d % t.ndim for d in own}) < len(own):
            raise ShapeError(f"tensordot: dims {own} are not different axes of {t.shape}")
    left, right = [d % x.ndim for d in pairs[0]], [d % y.ndim for d in pairs[1]]
    if len(left) != len(right) or any(
        x.shape[i] != y.shape[j] and 1 not in (x.shape[i], y.shape[j])
        for i, j in zip(left, right, strict=True)
    ):
        raise ShapeError(f"tensordot: axes {left} of a {x.shape} do not fit axes {right} of b {y.shape}")
    own_x: list[Hashable] = [("a", i) for i in range(x.ndim)]
    own_y: list[Hashable] = [("b", j) for j in range(y.ndim)]
    for i, j in zip(left, right, strict=True):
        own_y[j] = own_x[i]
    kept = [n for i, n in enumerate(own_x) if i not in left] + [
        n for j, n in enumerate(own_y) if j not in right
    ]
    return linalg.einsum([x, y], [own_x, own_y], kept)


def cdist(x1: Tensor, x2: Tensor, p: Any = 2.0) -> Tensor:
    """The p-norm of the difference of each row of x1 (.., n, d) and each of x2 (.., m, d): (.., n, m).

    Where two rows are equal the gradient is 0.
    """
    x, y = _floating("cdist", x1, "x1"), _floating("cdist", x2, "x2")
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1] or x.dtype != y.dtype:
        raise ShapeError(
            f"cdist: x1 {x.shape} {x.dtype} and x2 {y.shape} {y.dtype} must be matrices of one dtype with "
            "rows of one length"
        )
    p = _number("cdist", "p", p, 0)
    distance = x.unsqueeze(-2) - y.unsqueeze(-3)
    return distance.norm(p, -1) if x.shape[-1] else distance.sum(-1)


# --- places ----------------------------------------------------------------------------------------------


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """How many elements of the ascending sequence stand before each value: where it would be put in.

    Before equals, or with `right` (or side="right") behind them.  The sequence is a vector, or has one row
    for each row of values.  `sorter` says in which order an unsorted sequence ascends.

    >>> import tinygrad_cnn as tg
    >>> tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([3, 4]))
    tensor([1, 2])
    """
    name = "searchsorted"
    line = _tensor(name, sorted_sequence, "the sequence").array
    x = input.array if isinstance(input, Tensor) else np.asarray(_number(name, "the value", input))
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ArgumentError(
            f'{name}: side is {side!r:.40} and right {right}; use one of them ("left", "right")'
        )
    if line.ndim == 0 or (line.ndim > 1 and (x.ndim != line.ndim or x.shape[:-1] != line.shape[:-1])):
        raise ShapeError(
            f"{name}: a sequence {line.shape} for values {x.shape}; it must be a vector, or have the axes of "
            "the values, equal but for the last"
        )
    if sorter is not None:
        order = np.asarray(sorter)
        if order.shape != line.shape or order.dtype.kind not in "iu":
            raise ShapeError(f"{name}: a sorter {order.shape} {order.dtype} for a sequence {line.shape}")
        if order.size and (order.min() < 0 or order.max() >= line.shape[-1]):
            raise ArgumentError(f"{name}: the sorter has indices beyond 0 to {line.shape[-1] - 1}")
        line = np.take_along_axis(line, order, -1)
    behind = right or side == "right"
    if line.ndim == 1:
        found = np.searchsorted(line, x, "right" if behind else "left")
    else:  # sort values and sequence together: before a value stand so many of the sequence
        both = np.concatenate((line, x) if behind else (x, line), -1)
        order = np.argsort(both, -1, kind="stable")
        n, first = line.shape[-1], 0 if behind else x.shape[-1]
        of_line = (order >= first) & (order < first + n)
        found = np.empty(both.shape, np.int64)
        np.put_along_axis(found, order, np.cumsum(of_line, -1), -1)
        found = found[..., n:] if behind else found[..., : x.shape[-1]]
    return wrap(np.asarray(found, np.int32 if out_int32 else np.int64))


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """Between which of the ascending boundaries each value lies: `searchsorted`, the other way round."""
    if _tensor("bucketize", boundaries, "boundaries").ndim != 1:
        raise ShapeError(f"bucketize: boundaries {boundaries.shape} must be a vector")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64) -> Tensor:
    """(rows, columns) of the lower triangle of a matrix (row, col), up to a diagonal."""
    return _triangle("tril_indices", row, col, offset, dtype, lambda low: low)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64) -> Tensor:
    """(rows, columns) of the upper triangle of a matrix (row, col), from a diagonal on."""
    return _triangle("triu_indices", row, col, _whole("triu_indices", "offset", offset) - 1, dtype, np.invert)


def _triangle(name: str, row: Any, col: Any, offset: Any, dtype: Any, part: Any) -> Tensor:
    n, m = _int(name, "row", row, 0), _int(name, "col", col, 0)
    low = np.tri(n, m, _whole(name, "offset", offset), dtype=np.bool_)
    return wrap(np.stack(np.nonzero(part(low))).astype(_dtype(name, dtype)))


def _several(name: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, (list, tuple)) or not tensors:
        raise ArgumentError(f"{name}: a list of at least one tensor is needed, not {tensors!r:.40}")
    return [_tensor(name, t) for t in tensors]

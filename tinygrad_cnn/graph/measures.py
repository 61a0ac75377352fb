"""What an op costs, and how far it sees: multiply-adds, connections, receptive fields.

Counted from the tape, op by op, so a layer and the function it calls count alike.

    multiply-adds     of the products alone: one for each weight and place it is used at, padding included.
                      A bias, a norm, an activation has none.
    connections       of one example: each result of a convolution, a pooling or a matrix product is joined
                      to the values it is made of; a bias is one more.
    dense parameters  a layer that joins everything to everything, from the same values to the same results,
                      for convolutions: n_in n_out, and n_out for a bias.
    receptive field   r, the pixels of the input along one axis that a result can see, and the jump j, how
                      many pixels lie between what two neighbours see.  The input has r = 1, j = 1, and a
                      window of k taps, stride s and dilation d makes of them

                          r + (k - 1) d j     and     j s.

                      A transposed convolution makes r + (ceil(((k - 1) d + 1) / s) - 1) j and j / s, and
                      interpolation the same with its own taps.  Where ways join, the larger r counts.
                      A mean over an axis sees all of it.  Statistics of a norm are left out, as is usual.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np

from ..op import Op
from ..tape import Node
from .forward import family_of
from .watching import WatchedNode

__all__ = ["Cost", "Field", "cost", "fields"]


@dataclass(frozen=True)
class Cost:
    """What one op, or several together, take; see the head of this file."""

    mult_adds: int = 0
    connections: int = 0
    dense_params: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.mult_adds + other.mult_adds,
            self.connections + other.connections,
            self.dense_params + other.dense_params,
        )


def cost(node: Node) -> Cost:
    """What an op of the tape takes.

    >>> import tinygrad_cnn as tg
    >>> cost(tg.nn.Conv2d(1, 6, 5, bias=False)(tg.zeros(2, 1, 28, 28)).node)
    Cost(mult_adds=172800, connections=86400, dense_params=2709504)
    """
    name, examples = cast(Op, node.op).name, node.shape[0] if node.shape else 1
    geom: Any = node.attrs.get("geom")
    if name in ("conv", "conv_input_grad"):
        windows, taps = math.prod(geom.out), math.prod(geom.kernel)
        each = windows * geom.out_channels * geom.in_channels // geom.groups * taps
        small, large = windows * geom.out_channels, math.prod(geom.size) * geom.in_channels
        return Cost(each * examples, each, small * large)
    if name in ("max_pool", "window_sum"):
        return Cost(0, math.prod(node.shape[1:]) * math.prod(geom.kernel))
    if name == "add_bias":
        first = node.parents[0]
        dense = first is not None and first.op is not None and first.op.name in ("conv", "conv_input_grad")
        results = math.prod(node.shape[1:])
        return Cost(0, results, results if dense else 0)
    if name in ("linear", "matmul"):
        x, w = _shape(node, 0), _shape(node, 1)
        features = x[-1] if x is not None else (w or (0, 0))[-1 if name == "linear" else -2]
        products = math.prod(node.shape) * features
        if name == "matmul":
            return Cost(products)
        return Cost(products, node.shape[1] * (features + (_shape(node, 2) is not None)))
    return Cost()


def _shape(node: Node, index: int) -> tuple[int, ...] | None:
    """The shape of an input; None if there is none, or nobody knows it."""
    op, parent = cast(Op, node.op), node.parents[index] if index < len(node.parents) else None
    if parent is not None:
        return parent.shape
    if isinstance(node, WatchedNode):
        return node.shapes[index] if index < len(node.shapes) else None
    return node.attrs.get(f"{op.inputs[index]}_shape") if index < len(op.inputs) else None


# --- receptive fields --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """The receptive field of each result along the spatial axes, and the jump; see the head of this file.

    Attributes:
        size: of the image that it holds for; a reshaped one is none until it has this shape again.
        reach: r, axis by axis.
        jump: j, axis by axis; a fraction after upsampling.
    """

    size: tuple[int, ...]
    reach: tuple[Fraction, ...]
    jump: tuple[Fraction, ...]

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a result is an image of this size: (n, c, *size) or (c, *size)."""
        return 0 < len(shape) - len(self.size) < 3 and shape[-len(self.size) :] == self.size

    def through(self, size: tuple[int, ...], windows: Iterable[tuple[Any, Any]]) -> Field:
        """The field behind windows, given as (taps from end to end, step) axis by axis."""
        axes = [
            (r + (span - 1) * j, j * step)
            for r, j, (span, step) in zip(self.reach, self.jump, windows, strict=True)
        ]
        return Field(size, tuple(r for r, _ in axes), tuple(j for _, j in axes))


def fields(nodes: Iterable[Node], inputs: Iterable[Node]) -> dict[Node, Field]:
    """The field of each node, in the order of time, that has one; the inputs are images (n, c, *size)."""
    found: dict[Node, Field] = {}
    for node in inputs:
        if size := node.shape[2:]:
            ones = (Fraction(1),) * len(size)
            found[node] = Field(size, ones, ones)
    for node in nodes:
        if node.op is not None and node not in found:
            field = _field(node, [found[p] for p in node.parents if p in found])
            if field is not None:
                found[node] = field
    return found


def _field(node: Node, parents: list[Field]) -> Field | None:
    if not parents or len({len(field.size) for field in parents}) > 1:
        return None
    op, first = cast(Op, node.op), parents[0]
    parent = node.parents[0]
    name, size = op.name, node.shape[-len(first.size) :]
    image = parent is not None and first.fits(parent.shape)
    if "geom" in node.attrs:
        geom = node.attrs["geom"]
        spans = [(k - 1) * d + 1 for k, d in zip(geom.kernel, geom.dilation, strict=True)]
        if name in ("conv", "max_pool", "window_sum") and image:
            return first.through(size, zip(spans, geom.stride, strict=True))
        if name == "conv_input_grad" and image:
            pairs = zip(spans, geom.stride, strict=True)
            return first.through(size, [(-(-span // s), Fraction(1, s)) for span, s in pairs])
        return None
    if name == "resample":
        return first.through(size, [_taps(m) for m in node.attrs["maps"]]) if image else None
    if name in ("mean", "amax", "sum") and node.attrs["keepdim"]:
        return _reduced(node, first) if image else None
    if name in ("pad", "extend", "getitem") and image and len(node.shape) == len(parent.shape):  # type: ignore[union-attr]
        index = node.attrs.get("index", ())
        strided = any(isinstance(i, slice) and i.step not in (None, 1) for i in index if index != ())
        return None if strided else Field(size, first.reach, first.jump)
    if name == "add_bias" or family_of(op) in ("elementwise", "activation", "norm", "shape"):
        same = next((field for field in parents if field.fits(node.shape)), first)
        reach = tuple(max(each) for each in zip(*(field.reach for field in parents), strict=True))
        return Field(same.size, reach, same.jump)
    return None  # who knows what it mixes


def _taps(m: Any) -> tuple[int, Fraction]:
    """(pixels from the first to the last that one result reads, step) of a map of `resample`."""
    if m is None:
        return 1, Fraction(1)
    ends = [row[w != 0] for row, w in zip(m.index, np.broadcast_to(m.weight, m.index.shape), strict=True)]
    span = max((int(row.max() - row.min()) + 1 for row in ends if row.size), default=1)
    return span, Fraction(m.n, m.out)


def _reduced(node: Node, field: Field) -> Field:
    dims = node.attrs["dim"]
    dims = range(len(node.shape)) if dims is None else (dims,) if isinstance(dims, int) else dims
    spatial = {d % len(node.shape) - (len(node.shape) - len(field.size)) for d in dims}
    windows = [(n, n) if axis in spatial else (1, 1) for axis, n in enumerate(field.size)]
    return field.through(node.shape[-len(field.size) :], windows)

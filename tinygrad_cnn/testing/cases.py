"""For every op of the package: how it is called, and which laws it obeys beyond those of all.

The calls are valid and differentiable: kinks, ties and the ends of domains are kept at a distance by
construction.  Ops that are called alike share a family (`families`); the table says what is special about
each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ..op import registry, wrap
from . import families as f
from .strategies import apart, away_from, normal, uniform

__all__ = ["CASES", "LINEAR", "Case", "own_ops"]

Strategy = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Case:
    """One call of an op, or of a function of tensors.

    Attributes:
        op: what is called.
        inputs: arrays, tensors or Python numbers.
        attrs: keyword arguments; a function stands for a value computed from the input arrays.
    """

    op: Any
    inputs: tuple[Any, ...]
    attrs: dict[str, Any]

    @property
    def func(self) -> Any:
        """What is called, under the name that it has in a `functools.partial`."""
        return self.op

    @property
    def differentiable(self) -> bool:
        """Whether there is a rule at all; comparisons, argmax and other flat ones have none."""
        return bool(getattr(self.op, "rows", True))

    def __call__(self, *inputs: Any) -> Any:
        """Call the op on these instead of the case's own inputs: tensors, arrays or numbers."""
        attrs = self._attrs(inputs)
        return self.op(*(wrap(x) if isinstance(x, np.ndarray) else x for x in inputs), **attrs)

    def frozen(self) -> Case:
        """The same with attributes that stay as the case's own inputs make them."""
        return replace(self, attrs=self._attrs(self.inputs))

    def _attrs(self, inputs: tuple[Any, ...]) -> dict[str, Any]:
        arrays = [getattr(x, "array", x) for x in inputs]
        return {name: value(*arrays) if callable(value) else value for name, value in self.attrs.items()}


def own_ops() -> list[str]:
    """The names of the package's own ops, as opposed to a user's."""
    return [name for name, op in registry.items() if op.__module__.startswith("tinygrad_cnn.ops")]


# --- the table -----------------------------------------------------------------------------------------

off_zero = away_from(0.0)
positive = uniform(0.5, 2.0)
probability = uniform(0.2, 0.8)
between_integers = away_from(*np.arange(-4, 4.5, 0.5))
comparison = st.one_of(f.untied(), f.broadcast(normal, normal))

_calls: dict[str, Strategy] = {
    # shape
    "clone": f.unary(),
    "reshape": f.reshaped(),
    "permute": f.permuted(),
    "expand": f.expanded(),
    "sum_to": f.expanded(back=True),
    "getitem": f.indexed(),
    "put": f.put_back(),
    "setitem": f.assigned(),
    "flip": f.flipped(),
    "pad": f.padded(),
    "cat": f.joined(),
    "gather": f.gathered(),
    "scatter_add": f.gathered(back=True),
    "diagonal": f.diagonals(),
    "diag_embed": f.diagonals(back=True),
    "frames": f.framed(),
    "add_frames": f.framed(back=True),
    # elementwise
    "add": f.broadcast(normal, normal),
    "sub": f.broadcast(normal, normal),
    "mul": f.broadcast(normal, normal),
    "div": f.broadcast(normal, away_from(0.0, margin=0.5)),
    "neg": f.unary(),
    "pow": f.powers(),
    "abs": f.unary(off_zero),
    "sign": f.unary(off_zero),
    **dict.fromkeys(("floor", "ceil", "trunc", "round"), f.unary(between_integers)),
    **dict.fromkeys(("floor_divide", "trunc_divide"), f.broadcast(uniform(2.1, 2.6), uniform(0.9, 1.0))),
    "remainder": f.broadcast(uniform(-2.6, -2.1), uniform(0.9, 1.0)),
    "fmod": f.broadcast(uniform(-2.6, -2.1), uniform(0.9, 1.0)),
    **dict.fromkeys(
        ("exp", "exp2", "expm1", "erf", "sin", "cos", "sinh", "cosh", "asinh", "atan"), f.unary()
    ),
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"), f.unary(positive)),
    "log1p": f.unary(uniform(-0.5, 2.0)),
    **dict.fromkeys(("asin", "acos", "atanh", "tan"), f.unary(uniform(-0.8, 0.8))),
    "acosh": f.unary(uniform(1.2, 3.0)),
    "logit": f.unary(probability),
    **dict.fromkeys(("atan2", "hypot"), f.broadcast(off_zero, away_from(0.0, margin=0.5), number=False)),
    "logaddexp": f.broadcast(normal, normal),
    "maximum": f.untied(),
    "minimum": f.untied(),
    "clamp_min": f.untied(),
    "clamp_max": f.untied(),
    "clamp": f.bounds(),
    "where": f.choice(),
    "to": f.unary(dtype=st.just(lambda x: x.dtype)),  # what it is already: other dtypes round
    **dict.fromkeys(
        ("eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"), comparison
    ),
    "logical_not": f.unary(),
    # reduce
    "sum": f.reduction(),
    "mean": f.reduction(least=1),
    "var": f.reduction(least=1, correction=True),
    "std": f.spread_out(),
    "amax": f.reduction(apart, least=1),
    "amin": f.reduction(apart, least=1),
    "argmax": f.along_axis(apart, keepdim=True),
    "argmin": f.along_axis(apart, keepdim=True),
    "logsumexp": f.reduction(least=1),
    "scatter_extreme": f.scattered(),
    "median": f.unary(apart, f.nonempty),
    "p_norm": f.norms(),
    "cumsum": f.along_axis(),
    "cumprod": f.along_axis(),
    "logcumsumexp": f.along_axis(),
    "prod": f.one_axis(),
    # linalg
    "matmul": f.matrices(),
    "linear": f.dense(),
    "add_bias": f.biased(),
    "inv": f.squares(),
    "solve": f.squares(more=True),
    "det": f.squares(),
    "logabsdet": f.squares(),
    "cholesky": f.squares(positive=True),
    "matrix_exp": f.squares(),
    # conv
    "conv": f.convolution("xw"),
    "conv_input_grad": f.convolution("yw"),
    "conv_weight_grad": f.convolution("yx"),
    # pool
    "max_pool": f.pooling(apart),
    "max_pool_grad": f.pooled(incoming=True),
    "max_pool_winners": f.pooled(),
    "scatter_windows": f.pooling(back=True, taps=True),
    "gather_windows": f.pooling(taps=True),
    "window_sum": f.pooling(),
    "window_spread": f.pooling(back=True),
    "unfold": f.unfolded(),
    "fold": f.unfolded(back=True),
    "unpool": f.unpooled(),
    # resample
    "extend": f.extended(),
    "extend_adjoint": f.extended(back=True),
    "resample": f.resampled(),
    "sample": f.sampled("xw"),
    "sample_x_grad": f.sampled("yw"),
    "sample_w_grad": f.sampled("yx"),
    # activation
    "relu": f.unary(off_zero),
    "relu_grad": f.broadcast(normal, off_zero, number=False),
    "leaky_relu": f.unary(off_zero, negative_slope=st.sampled_from((0.01, 0.3))),
    "prelu": f.broadcast(off_zero, normal, number=False),
    "elu": f.unary(
        off_zero,
        alpha=st.sampled_from((1.0, 0.5)),
        scale=st.sampled_from((1.0, 1.5)),
        pace=st.sampled_from((1.0, 2.0)),
    ),
    "hardswish": f.unary(away_from(-3.0, 3.0)),
    "hardtanh": f.unary(away_from(-1.0, 0.5), min_val=st.just(-1.0), max_val=st.just(0.5)),
    "sigmoid": f.unary(),
    "tanh": f.unary(),
    "silu": f.unary(),
    "mish": f.unary(),
    "softplus": f.unary(
        away_from(0.5, 1.0), beta=st.sampled_from((1.0, 2.0)), threshold=st.sampled_from((20.0, 1.0))
    ),
    "gelu": f.unary(approximate=st.sampled_from(("none", "tanh"))),
    "softmax": f.along_axis(),
    "log_softmax": f.along_axis(),
    # norm
    "normalize": f.normalized(),
    "normalize_grad": f.normalized(incoming=True),
    "batch_norm": f.per_channel("x", "w", "b"),
    "batch_norm_sums": f.per_channel("y", "x"),
    "batch_norm_grad": f.per_channel("y", "x", "w"),
    "scale_shift": f.per_channel("x", "w", "b", normalizes=False),
    "dropout": f.mask_product(),
    # loss
    "binary_cross_entropy": f.broadcast(probability, probability, number=False),
}


def _cases(name: str, calls: Strategy) -> Strategy:
    def case(call: tuple[tuple[Any, ...], dict[str, Any]]) -> Case:
        return Case(registry[name], *call)

    return calls.map(case)


CASES: dict[str, Strategy] = {name: _cases(name, calls) for name, calls in _calls.items() if name in registry}

#: The inputs in which an op is linear: "x y" in both taken together, "x|y" in each while the other stays.
LINEAR: dict[str, str] = {
    **dict.fromkeys(
        ("clone", "reshape", "permute", "expand", "sum_to", "getitem", "put", "flip", "gather"), "x"
    ),
    **dict.fromkeys(
        ("scatter_add", "neg", "to", "sum", "mean", "dropout", "gather_windows", "window_sum"), "x"
    ),
    **dict.fromkeys(("diagonal", "diag_embed", "frames", "add_frames", "cumsum"), "x"),
    **dict.fromkeys(
        ("scatter_windows", "window_spread", "relu_grad", "max_pool_grad", "normalize_grad"), "y"
    ),
    **dict.fromkeys(("add", "sub", "where", "setitem"), "x y"),
    **dict.fromkeys(("mul", "matmul"), "x|y"),
    "cat": "xs",
    "batch_norm": "w b",
    "batch_norm_sums": "y",
    "batch_norm_grad": "w",
    "scale_shift": "w b",
    "add_bias": "x b",
    "div": "x",
    "linear": "x b|w b",
    "unfold": "x",
    "fold": "y",
    "unpool": "y",
    "extend": "x",
    "extend_adjoint": "y",
    "resample": "x",
    "sample": "x|w",
    "sample_x_grad": "y|w",
    "sample_w_grad": "y|x",
    "conv": "x|w",
    "conv_input_grad": "y|w",
    "conv_weight_grad": "y|x",
}

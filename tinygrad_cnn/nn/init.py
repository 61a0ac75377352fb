"""Initialization of weights, in place and outside the tape.

fan_in counts the inputs that reach one output, fan_out the outputs that one input reaches: for a weight
(o, i, *kernel), i and o times the size of the kernel.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..geometry import _int
from ..random import Generator, numpy_generator
from ..tape import no_grad
from ..tensor import Tensor, _floating, _number, _tensor

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_",
    "zeros_",
]  # fmt: skip


@no_grad()
def _fill(tensor: Tensor, values: Any) -> Tensor:
    return tensor.copy_(Tensor(np.asarray(values, tensor.dtype)))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in [a, b)."""
    if _number("uniform_", "a", a) > _number("uniform_", "b", b) or not math.isfinite(b - a):
        raise ArgumentError(
            f"uniform_: there is nothing to draw from between a={a} and b={b}; a <= b is needed"
        )
    return _fill(_floating("uniform_", tensor), numpy_generator(generator).uniform(a, b, tensor.shape))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Normal."""
    _number("normal_", "mean", mean)
    _number("normal_", "std", std, 0)
    return _fill(_floating("normal_", tensor), numpy_generator(generator).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal, drawn again where it falls outside [a, b]."""
    _floating("trunc_normal_", tensor)
    _number("trunc_normal_", "mean", mean)
    _number("trunc_normal_", "std", std, 0)
    if not _number("trunc_normal_", "a", a) < _number("trunc_normal_", "b", b):
        raise ArgumentError(f"trunc_normal_: a={a} must be below b={b}")
    draw = numpy_generator(generator)
    values = draw.normal(mean, std, tensor.shape)
    for _ in range(1000):
        outside = (values < a) | (values > b)
        if not outside.any():
            return _fill(tensor, values)
        values[outside] = draw.normal(mean, std, int(outside.sum()))
    raise ArgumentError(
        f"trunc_normal_: [{a}, {b}] lies too far from mean {mean} with std {std} to draw from"
    )


def constant_(tensor: Tensor, val: float) -> Tensor:
    """All `val`."""
    return _fill(_tensor("constant_", tensor), np.full(tensor.shape, _number("constant_", "val", val)))


def zeros_(tensor: Tensor) -> Tensor:
    """All 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """All 1."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal of a matrix, else 0: what goes in comes out."""
    if _tensor("eye_", tensor).ndim != 2:
        raise ShapeError(f"eye_: a tensor {tensor.shape} is no matrix; 2 axes are needed")
    rows, columns = tensor.shape
    return _fill(tensor, np.eye(rows, columns))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that passes on its input channels: 1 at the middle tap of channel i for filter i, else 0.

    >>> import tinygrad_cnn as tg
    >>> dirac_(tg.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    if _tensor("dirac_", tensor).ndim not in (3, 4, 5):
        raise ShapeError(
            f"dirac_: a tensor {tensor.shape} is no weight of a convolution; 3 to 5 axes are needed"
        )
    filters, channels, *window = tensor.shape
    if filters % _int("dirac_", "groups", groups):
        raise ArgumentError(f"dirac_: groups={groups} must divide the {filters} filters of {tensor.shape}")
    values = np.zeros(tensor.shape)
    each = filters // groups
    middle: tuple[Any, ...] = tuple(n // 2 for n in window)
    for i in range(min(each, channels)):
        values[(slice(i, None, each), i, *middle)] = 1
    return _fill(tensor, values)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal, but in each column of the matrix a share of `sparsity` is 0 (Martens 2010)."""
    if _floating("sparse_", tensor).ndim != 2:
        raise ShapeError(f"sparse_: a tensor {tensor.shape} is no matrix; 2 axes are needed")
    zeros = math.ceil(_number("sparse_", "sparsity", sparsity, 0, 1) * tensor.shape[0])
    draw = numpy_generator(generator)
    values = draw.normal(0, _number("sparse_", "std", std, 0), tensor.shape)
    np.put_along_axis(values, draw.random(tensor.shape).argsort(0)[:zeros], 0, 0)
    return _fill(tensor, values)


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out)."""
    if _floating("init", tensor).ndim < 2:
        raise ShapeError(
            f"init: a tensor {tensor.shape} has no fan_in and fan_out; at least 2 axes are needed"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


_calculate_fan_in_and_fan_out = fans  # what PyTorch's programs call it

_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2),
    "selu": 3 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By what a nonlinearity shrinks the standard deviation, inverted; `param` is leaky_relu's slope.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if param is not None:
        _number("calculate_gain", "param", param)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if not isinstance(nonlinearity, str) or nonlinearity not in _GAINS:
        raise ArgumentError(
            f"calculate_gain: {nonlinearity!r} is unknown; use one of leaky_relu, {', '.join(_GAINS)}"
        )
    return _GAINS[nonlinearity]


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"kaiming: mode must be 'fan_in' or 'fan_out', not {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fans(tensor)[mode == "fan_out"]))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Uniform in +-gain sqrt(3 / fan) (He et al. 2015, arXiv:1502.01852)."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Normal with standard deviation gain / sqrt(fan) (He et al. 2015, arXiv:1502.01852)."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in +-gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    bound = _number("xavier_uniform_", "gain", gain, 0) * math.sqrt(6 / max(1, sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    std = _number("xavier_normal_", "gain", gain, 0) * math.sqrt(2 / max(1, sum(fans(tensor))))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Rows (or columns, if fewer) orthonormal, times gain (Saxe et al. 2013, arXiv:1312.6120)."""
    fans(tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    drawn = numpy_generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform (Mezzadri 2006, arXiv:math-ph/0609050)
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


_OLD = {
    "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse",
    "uniform", "xavier_normal", "xavier_uniform",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """The names that these functions had before they ended with an underscore."""
    if name not in _OLD:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"init.{name} is an old name; use init.{name}_", FutureWarning, stacklevel=2)
    return globals()[f"{name}_"]

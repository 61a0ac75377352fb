"""tinygrad_cnn: convolutional networks on NumPy, written as in PyTorch, every backward rule in sight.

>>> import tinygrad_cnn as tg
>>> x = tg.tensor([[1.0, -2.0]], requires_grad=True)
>>> x.relu().sum().backward()
>>> x.grad
tensor([[1., 0.]])
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

import numpy as _np

from . import autograd, data, errors, nn, optim
from .creation import (
    arange,
    as_tensor,
    cat,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    stack,
    tensor,
    where,
    zeros,
    zeros_like,
)
from .errors import ArgumentError as _ArgumentError
from .kernels.conv import conv_plans
from .kernels.runtime import get_num_threads, set_num_threads
from .op import is_tensor, op
from .random import Generator, get_rng_state, manual_seed, set_rng_state
from .serialization import load, save
from .tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Parameter, Tensor

if TYPE_CHECKING:
    from . import graph, models, testing, training, vision

__version__ = "0.1.0"

# Dtypes are NumPy's.
bool = _np.dtype(_np.bool_)
double = _np.dtype(_np.float64)
float = _np.dtype(_np.float32)
float32 = _np.dtype(_np.float32)
float64 = _np.dtype(_np.float64)
int = _np.dtype(_np.int32)
int16 = _np.dtype(_np.int16)
int32 = _np.dtype(_np.int32)
int64 = _np.dtype(_np.int64)
int8 = _np.dtype(_np.int8)
long = _np.dtype(_np.int64)
uint8 = _np.dtype(_np.uint8)

# Functions are methods called by their first name: exp(x) is x.exp().
abs = Tensor.abs
add = Tensor.add
all = Tensor.all
amax = Tensor.amax
amin = Tensor.amin
any = Tensor.any
argmax = Tensor.argmax
argmin = Tensor.argmin
chunk = Tensor.chunk
clamp = Tensor.clamp
clip = Tensor.clip
clone = Tensor.clone
div = Tensor.div
eq = Tensor.eq
erf = Tensor.erf
exp = Tensor.exp
expand = Tensor.expand
flatten = Tensor.flatten
flip = Tensor.flip
gather = Tensor.gather
ge = Tensor.ge
gt = Tensor.gt
le = Tensor.le
log = Tensor.log
log1p = Tensor.log1p
log_softmax = Tensor.log_softmax
logical_and = Tensor.logical_and
logical_not = Tensor.logical_not
logical_or = Tensor.logical_or
logical_xor = Tensor.logical_xor
logsumexp = Tensor.logsumexp
lt = Tensor.lt
masked_fill = Tensor.masked_fill
matmul = Tensor.matmul
max = Tensor.max
maximum = Tensor.maximum
mean = Tensor.mean
min = Tensor.min
minimum = Tensor.minimum
movedim = Tensor.movedim
mul = Tensor.mul
ne = Tensor.ne
neg = Tensor.neg
numel = Tensor.numel
permute = Tensor.permute
pow = Tensor.pow
relu = Tensor.relu
reshape = Tensor.reshape
sigmoid = Tensor.sigmoid
sign = Tensor.sign
softmax = Tensor.softmax
split = Tensor.split
sqrt = Tensor.sqrt
square = Tensor.square
squeeze = Tensor.squeeze
std = Tensor.std
sub = Tensor.sub
sum = Tensor.sum
tanh = Tensor.tanh
transpose = Tensor.transpose
unbind = Tensor.unbind
unsqueeze = Tensor.unsqueeze
var = Tensor.var


def device(name: str = "cpu") -> str:
    """The one device there is, for code that asks: `torch.device("cpu")`.

    Raises ArgumentError for any other.
    """
    if str(name) != "cpu":
        raise _ArgumentError(f"device: there is no device {name!r}; tinygrad_cnn runs on the CPU")
    return "cpu"


def __getattr__(name: str) -> Any:
    """Rooms that few programs enter are opened on the first visit, which keeps the import short."""
    if name in ("graph", "models", "testing", "training", "vision"):
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Generator",
    "Parameter",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "as_tensor",
    "autograd",
    "bool",
    "cat",
    "chunk",
    "clamp",
    "clip",
    "clone",
    "conv_plans",
    "data",
    "device",
    "div",
    "double",
    "empty",
    "enable_grad",
    "eq",
    "erf",
    "errors",
    "exp",
    "expand",
    "eye",
    "flatten",
    "flip",
    "float",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_num_threads",
    "get_rng_state",
    "graph",
    "gt",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "is_tensor",
    "le",
    "linspace",
    "load",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "models",
    "movedim",
    "mul",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "numel",
    "ones",
    "ones_like",
    "op",
    "optim",
    "permute",
    "pow",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "relu",
    "reshape",
    "save",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "sigmoid",
    "sign",
    "softmax",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "tanh",
    "tensor",
    "testing",
    "training",
    "transpose",
    "uint8",
    "unbind",
    "unsqueeze",
    "var",
    "vision",
    "where",
    "zeros",
    "zeros_like",
]

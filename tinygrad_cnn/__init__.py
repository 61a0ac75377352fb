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

from . import autograd, data, errors, func, linalg, nn, optim
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
from .several import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_shapes,
    broadcast_tensors,
    bucketize,
    cartesian_prod,
    cdist,
    column_stack,
    concat,
    concatenate,
    dstack,
    einsum,
    hstack,
    meshgrid,
    row_stack,
    searchsorted,
    std_mean,
    tensordot,
    tril_indices,
    triu_indices,
    var_mean,
    vstack,
)
from .tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Parameter, Tensor

if TYPE_CHECKING:
    from . import graph, models, testing, training, utils, vision

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
addbmm = Tensor.addbmm
addmm = Tensor.addmm
addmv = Tensor.addmv
addr = Tensor.addr
adjoint = Tensor.adjoint
all = Tensor.all
amax = Tensor.amax
amin = Tensor.amin
aminmax = Tensor.aminmax
any = Tensor.any
argmax = Tensor.argmax
argmin = Tensor.argmin
argsort = Tensor.argsort
argwhere = Tensor.argwhere
baddbmm = Tensor.baddbmm
bincount = Tensor.bincount
bmm = Tensor.bmm
broadcast_to = Tensor.broadcast_to
chunk = Tensor.chunk
clamp = Tensor.clamp
clip = Tensor.clip
clone = Tensor.clone
count_nonzero = Tensor.count_nonzero
cummax = Tensor.cummax
cummin = Tensor.cummin
cumprod = Tensor.cumprod
cumsum = Tensor.cumsum
det = Tensor.det
diag = Tensor.diag
diag_embed = Tensor.diag_embed
diagonal = Tensor.diagonal
diff = Tensor.diff
div = Tensor.div
dot = Tensor.dot
dsplit = Tensor.dsplit
eq = Tensor.eq
erf = Tensor.erf
exp = Tensor.exp
expand = Tensor.expand
flatten = Tensor.flatten
flip = Tensor.flip
fliplr = Tensor.fliplr
flipud = Tensor.flipud
gather = Tensor.gather
ge = Tensor.ge
ger = Tensor.ger
gt = Tensor.gt
histc = Tensor.histc
hsplit = Tensor.hsplit
index_add = Tensor.index_add
index_copy = Tensor.index_copy
index_fill = Tensor.index_fill
index_select = Tensor.index_select
inner = Tensor.inner
inverse = Tensor.inverse
kron = Tensor.kron
kthvalue = Tensor.kthvalue
le = Tensor.le
log = Tensor.log
log1p = Tensor.log1p
log_softmax = Tensor.log_softmax
logcumsumexp = Tensor.logcumsumexp
logdet = Tensor.logdet
logical_and = Tensor.logical_and
logical_not = Tensor.logical_not
logical_or = Tensor.logical_or
logical_xor = Tensor.logical_xor
logsumexp = Tensor.logsumexp
lt = Tensor.lt
masked_fill = Tensor.masked_fill
masked_scatter = Tensor.masked_scatter
masked_select = Tensor.masked_select
matmul = Tensor.matmul
matrix_power = Tensor.matrix_power
max = Tensor.max
maximum = Tensor.maximum
mean = Tensor.mean
median = Tensor.median
min = Tensor.min
minimum = Tensor.minimum
mm = Tensor.mm
mode = Tensor.mode
moveaxis = Tensor.moveaxis
movedim = Tensor.movedim
msort = Tensor.msort
mul = Tensor.mul
mv = Tensor.mv
nanmean = Tensor.nanmean
nansum = Tensor.nansum
narrow = Tensor.narrow
ne = Tensor.ne
neg = Tensor.neg
nonzero = Tensor.nonzero
norm = Tensor.norm
numel = Tensor.numel
outer = Tensor.outer
permute = Tensor.permute
pow = Tensor.pow
prod = Tensor.prod
quantile = Tensor.quantile
ravel = Tensor.ravel
relu = Tensor.relu
repeat_interleave = Tensor.repeat_interleave
reshape = Tensor.reshape
roll = Tensor.roll
rot90 = Tensor.rot90
scatter = Tensor.scatter
scatter_add = Tensor.scatter_add
scatter_reduce = Tensor.scatter_reduce
select = Tensor.select
sigmoid = Tensor.sigmoid
sign = Tensor.sign
slogdet = Tensor.slogdet
softmax = Tensor.softmax
sort = Tensor.sort
split = Tensor.split
split_with_sizes = Tensor.split_with_sizes
sqrt = Tensor.sqrt
square = Tensor.square
squeeze = Tensor.squeeze
std = Tensor.std
sub = Tensor.sub
sum = Tensor.sum
swapaxes = Tensor.swapaxes
swapdims = Tensor.swapdims
t = Tensor.t
take = Tensor.take
take_along_dim = Tensor.take_along_dim
tanh = Tensor.tanh
tensor_split = Tensor.tensor_split
tile = Tensor.tile
topk = Tensor.topk
trace = Tensor.trace
transpose = Tensor.transpose
tril = Tensor.tril
triu = Tensor.triu
unbind = Tensor.unbind
unflatten = Tensor.unflatten
unique = Tensor.unique
unique_consecutive = Tensor.unique_consecutive
unsqueeze = Tensor.unsqueeze
var = Tensor.var
vdot = Tensor.vdot
vsplit = Tensor.vsplit


def device(name: str = "cpu") -> str:
    """The one device there is, for code that asks: `torch.device("cpu")`.

    Raises ArgumentError for any other.
    """
    if str(name) != "cpu":
        raise _ArgumentError(f"device: there is no device {name!r}; tinygrad_cnn runs on the CPU")
    return "cpu"


def __getattr__(name: str) -> Any:
    """Rooms that few programs enter are opened on the first visit, which keeps the import short."""
    if name in ("graph", "models", "testing", "training", "utils", "vision"):
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Generator",
    "Parameter",
    "Tensor",
    "__version__",
    "abs",
    "add",
    "addbmm",
    "addmm",
    "addmv",
    "addr",
    "adjoint",
    "all",
    "amax",
    "amin",
    "aminmax",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_tensor",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "autograd",
    "baddbmm",
    "bincount",
    "block_diag",
    "bmm",
    "bool",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "cartesian_prod",
    "cat",
    "cdist",
    "chunk",
    "clamp",
    "clip",
    "clone",
    "column_stack",
    "concat",
    "concatenate",
    "conv_plans",
    "count_nonzero",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "data",
    "det",
    "device",
    "diag",
    "diag_embed",
    "diagonal",
    "diff",
    "div",
    "dot",
    "double",
    "dsplit",
    "dstack",
    "einsum",
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
    "fliplr",
    "flipud",
    "float",
    "float32",
    "float64",
    "from_numpy",
    "full",
    "full_like",
    "func",
    "gather",
    "ge",
    "ger",
    "get_num_threads",
    "get_rng_state",
    "graph",
    "gt",
    "histc",
    "hsplit",
    "hstack",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "inner",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "inverse",
    "is_grad_enabled",
    "is_tensor",
    "kron",
    "kthvalue",
    "le",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log_softmax",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_power",
    "max",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "min",
    "minimum",
    "mm",
    "mode",
    "models",
    "moveaxis",
    "movedim",
    "msort",
    "mul",
    "mv",
    "nanmean",
    "nansum",
    "narrow",
    "ne",
    "neg",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "numel",
    "ones",
    "ones_like",
    "op",
    "optim",
    "outer",
    "permute",
    "pow",
    "prod",
    "quantile",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "relu",
    "repeat_interleave",
    "reshape",
    "roll",
    "rot90",
    "row_stack",
    "save",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "select",
    "set_grad_enabled",
    "set_num_threads",
    "set_rng_state",
    "sigmoid",
    "sign",
    "slogdet",
    "softmax",
    "sort",
    "split",
    "split_with_sizes",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "sum",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_dim",
    "tanh",
    "tensor",
    "tensor_split",
    "tensordot",
    "testing",
    "tile",
    "topk",
    "trace",
    "training",
    "transpose",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "uint8",
    "unbind",
    "unflatten",
    "unique",
    "unique_consecutive",
    "unsqueeze",
    "utils",
    "var",
    "var_mean",
    "vdot",
    "vision",
    "vsplit",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

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

from . import amp, autograd, errors, nn, random, return_types
from .amp import autocast
from .anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .creation import (
    arange,
    as_tensor,
    asarray,
    can_cast,
    cat,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    normal,
    ones,
    ones_like,
    poisson,
    promote_types,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    result_type,
    scalar_tensor,
    stack,
    tensor,
    where,
    zeros,
    zeros_like,
)
from .devices import accelerator, backends, cuda, device, version
from .kernels.conv import conv_plans
from .kernels.runtime import get_num_threads, set_num_threads
from .op import get_default_dtype, is_tensor, op, set_default_dtype
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
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
from .switches import (
    are_deterministic_algorithms_enabled,
    channels_last,
    channels_last_3d,
    compile,
    contiguous_format,
    get_float32_matmul_precision,
    memory_format,
    preserve_format,
    set_float32_matmul_precision,
    use_deterministic_algorithms,
)
from .tape import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .tensor import Parameter, Tensor
from .tensor.kinds import KINDS as _KINDS
from .tensor.table import as_function as _as_function
from .tensor.text import set_printoptions

if TYPE_CHECKING:
    from . import data, func, graph, linalg, models, optim, testing, training, utils, vision
    from .graph import explain, summary

__version__ = "0.1.0"

e, inf, nan, pi = _np.e, _np.inf, _np.nan, _np.pi

# Dtypes are NumPy's, a shape is a tuple.
Size: type[tuple[Any, ...]] = tuple
bool = _np.dtype(_np.bool_)
double = _np.dtype(_np.float64)
dtype = _np.dtype
finfo = _np.finfo
float = _np.dtype(_np.float32)
float16 = _np.dtype(_np.float16)
float32 = _np.dtype(_np.float32)
float64 = _np.dtype(_np.float64)
half = _np.dtype(_np.float16)
iinfo = _np.iinfo
int = _np.dtype(_np.int32)
int16 = _np.dtype(_np.int16)
int32 = _np.dtype(_np.int32)
int64 = _np.dtype(_np.int64)
int8 = _np.dtype(_np.int8)
long = _np.dtype(_np.int64)
short = _np.dtype(_np.int16)
uint8 = _np.dtype(_np.uint8)

# What these were called once.
BoolTensor = _KINDS["BoolTensor"]
ByteTensor = _KINDS["ByteTensor"]
CharTensor = _KINDS["CharTensor"]
DoubleTensor = _KINDS["DoubleTensor"]
FloatTensor = _KINDS["FloatTensor"]
HalfTensor = _KINDS["HalfTensor"]
IntTensor = _KINDS["IntTensor"]
LongTensor = _KINDS["LongTensor"]
ShortTensor = _KINDS["ShortTensor"]

# Functions are methods called by their first name: exp(x) is x.exp().
abs = Tensor.abs
absolute = Tensor.absolute
acos = Tensor.acos
acosh = Tensor.acosh
add = Tensor.add
addbmm = Tensor.addbmm
addcdiv = Tensor.addcdiv
addcmul = Tensor.addcmul
addmm = Tensor.addmm
addmv = Tensor.addmv
addr = Tensor.addr
adjoint = Tensor.adjoint
all = Tensor.all
allclose = Tensor.allclose
amax = Tensor.amax
amin = Tensor.amin
aminmax = Tensor.aminmax
any = Tensor.any
argmax = Tensor.argmax
argmin = Tensor.argmin
argsort = Tensor.argsort
argwhere = Tensor.argwhere
asin = Tensor.asin
asinh = Tensor.asinh
atan = Tensor.atan
atan2 = Tensor.atan2
atanh = Tensor.atanh
baddbmm = Tensor.baddbmm
bernoulli = Tensor.bernoulli
bincount = Tensor.bincount
bitwise_and = Tensor.bitwise_and
bitwise_left_shift = Tensor.bitwise_left_shift
bitwise_not = Tensor.bitwise_not
bitwise_or = Tensor.bitwise_or
bitwise_right_shift = Tensor.bitwise_right_shift
bitwise_xor = Tensor.bitwise_xor
bmm = Tensor.bmm
broadcast_to = Tensor.broadcast_to
ceil = Tensor.ceil
chunk = Tensor.chunk
clamp = Tensor.clamp
clamp_max = Tensor.clamp_max
clamp_min = Tensor.clamp_min
clip = Tensor.clip
clone = Tensor.clone
cos = Tensor.cos
cosh = Tensor.cosh
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
dist = Tensor.dist
div = Tensor.div
divide = Tensor.divide
dot = Tensor.dot
dsplit = Tensor.dsplit
eq = Tensor.eq
equal = Tensor.equal
erf = Tensor.erf
exp = Tensor.exp
exp2 = Tensor.exp2
expand = Tensor.expand
expm1 = Tensor.expm1
flatten = Tensor.flatten
flip = Tensor.flip
fliplr = Tensor.fliplr
flipud = Tensor.flipud
floor = Tensor.floor
floor_divide = Tensor.floor_divide
fmod = Tensor.fmod
frac = Tensor.frac
gather = Tensor.gather
ge = Tensor.ge
ger = Tensor.ger
greater = Tensor.greater
greater_equal = Tensor.greater_equal
gt = Tensor.gt
heaviside = Tensor.heaviside
histc = Tensor.histc
hsplit = Tensor.hsplit
hypot = Tensor.hypot
index_add = Tensor.index_add
index_copy = Tensor.index_copy
index_fill = Tensor.index_fill
index_put = Tensor.index_put
index_select = Tensor.index_select
inner = Tensor.inner
inverse = Tensor.inverse
is_floating_point = Tensor.is_floating_point
is_nonzero = Tensor.is_nonzero
isclose = Tensor.isclose
isfinite = Tensor.isfinite
isinf = Tensor.isinf
isnan = Tensor.isnan
kron = Tensor.kron
kthvalue = Tensor.kthvalue
le = Tensor.le
lerp = Tensor.lerp
less = Tensor.less
less_equal = Tensor.less_equal
log = Tensor.log
log10 = Tensor.log10
log1p = Tensor.log1p
log2 = Tensor.log2
log_softmax = Tensor.log_softmax
logaddexp = Tensor.logaddexp
logcumsumexp = Tensor.logcumsumexp
logdet = Tensor.logdet
logical_and = Tensor.logical_and
logical_not = Tensor.logical_not
logical_or = Tensor.logical_or
logical_xor = Tensor.logical_xor
logit = Tensor.logit
logsumexp = Tensor.logsumexp
lt = Tensor.lt
masked_fill = Tensor.masked_fill
masked_scatter = Tensor.masked_scatter
masked_select = Tensor.masked_select
matmul = Tensor.matmul
matrix_exp = Tensor.matrix_exp
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
multinomial = Tensor.multinomial
multiply = Tensor.multiply
mv = Tensor.mv
nan_to_num = Tensor.nan_to_num
nanmean = Tensor.nanmean
nansum = Tensor.nansum
narrow = Tensor.narrow
ne = Tensor.ne
neg = Tensor.neg
negative = Tensor.negative
nonzero = Tensor.nonzero
norm = Tensor.norm
not_equal = Tensor.not_equal
numel = Tensor.numel
outer = Tensor.outer
permute = Tensor.permute
positive = Tensor.positive
pow = Tensor.pow
prod = Tensor.prod
quantile = Tensor.quantile
ravel = Tensor.ravel
reciprocal = Tensor.reciprocal
relu = Tensor.relu
remainder = Tensor.remainder
repeat_interleave = Tensor.repeat_interleave
reshape = Tensor.reshape
roll = Tensor.roll
rot90 = Tensor.rot90
round = Tensor.round
rsqrt = Tensor.rsqrt
scatter = Tensor.scatter
scatter_add = Tensor.scatter_add
scatter_reduce = Tensor.scatter_reduce
select = Tensor.select
sigmoid = Tensor.sigmoid
sign = Tensor.sign
sin = Tensor.sin
sinh = Tensor.sinh
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
subtract = Tensor.subtract
sum = Tensor.sum
swapaxes = Tensor.swapaxes
swapdims = Tensor.swapdims
t = Tensor.t
take = Tensor.take
take_along_dim = Tensor.take_along_dim
tan = Tensor.tan
tanh = Tensor.tanh
tensor_split = Tensor.tensor_split
tile = Tensor.tile
topk = Tensor.topk
trace = Tensor.trace
transpose = Tensor.transpose
tril = Tensor.tril
triu = Tensor.triu
true_divide = Tensor.true_divide
trunc = Tensor.trunc
unbind = Tensor.unbind
unflatten = Tensor.unflatten
unique = Tensor.unique
unique_consecutive = Tensor.unique_consecutive
unsqueeze = Tensor.unsqueeze
var = Tensor.var
vdot = Tensor.vdot
vsplit = Tensor.vsplit

globals().update({
    name: _as_function(getattr(Tensor, name), name)
    for name, method in globals().items()
    if callable(method) and method is getattr(Tensor, name, None)
})  # fmt: skip

_ROOMS = {
    "data", "func", "graph", "linalg", "models", "optim", "testing", "training", "utils", "vision",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Rooms that not every program enters are opened on the first visit, which keeps the import short."""
    if name in _ROOMS:
        return _import_module(f"{__name__}.{name}")
    if name in ("explain", "summary"):
        return getattr(_import_module(f"{__name__}.graph"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "Generator",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "Parameter",
    "ShortTensor",
    "Size",
    "Tensor",
    "__version__",
    "abs",
    "absolute",
    "accelerator",
    "acos",
    "acosh",
    "add",
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "adjoint",
    "all",
    "allclose",
    "amax",
    "amin",
    "aminmax",
    "amp",
    "any",
    "arange",
    "are_deterministic_algorithms_enabled",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_tensor",
    "asarray",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "autocast",
    "autograd",
    "backends",
    "baddbmm",
    "bernoulli",
    "bincount",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "block_diag",
    "bmm",
    "bool",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "can_cast",
    "cartesian_prod",
    "cat",
    "cdist",
    "ceil",
    "channels_last",
    "channels_last_3d",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "column_stack",
    "compile",
    "concat",
    "concatenate",
    "contiguous_format",
    "conv_plans",
    "cos",
    "cosh",
    "count_nonzero",
    "cuda",
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
    "dist",
    "div",
    "divide",
    "dot",
    "double",
    "dsplit",
    "dstack",
    "dtype",
    "e",
    "einsum",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "errors",
    "exp",
    "exp2",
    "expand",
    "explain",
    "expm1",
    "eye",
    "finfo",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "fmod",
    "frac",
    "from_numpy",
    "full",
    "full_like",
    "func",
    "gather",
    "ge",
    "ger",
    "get_default_dtype",
    "get_float32_matmul_precision",
    "get_num_threads",
    "get_rng_state",
    "graph",
    "greater",
    "greater_equal",
    "gt",
    "half",
    "heaviside",
    "histc",
    "hsplit",
    "hstack",
    "hypot",
    "iinfo",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "inf",
    "inference_mode",
    "initial_seed",
    "inner",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "inverse",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "is_floating_point",
    "is_grad_enabled",
    "is_nonzero",
    "is_tensor",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kron",
    "kthvalue",
    "le",
    "lerp",
    "less",
    "less_equal",
    "linalg",
    "linspace",
    "load",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_softmax",
    "logaddexp",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logspace",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_exp",
    "matrix_power",
    "max",
    "maximum",
    "mean",
    "median",
    "memory_format",
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
    "multinomial",
    "multiply",
    "mv",
    "nan",
    "nan_to_num",
    "nanmean",
    "nansum",
    "narrow",
    "ne",
    "neg",
    "negative",
    "nn",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "op",
    "optim",
    "outer",
    "permute",
    "pi",
    "poisson",
    "positive",
    "pow",
    "preserve_format",
    "prod",
    "promote_types",
    "quantile",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "random",
    "randperm",
    "ravel",
    "reciprocal",
    "relu",
    "remainder",
    "repeat_interleave",
    "reshape",
    "result_type",
    "return_types",
    "roll",
    "rot90",
    "round",
    "row_stack",
    "rsqrt",
    "save",
    "scalar_tensor",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "seed",
    "select",
    "set_default_dtype",
    "set_float32_matmul_precision",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
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
    "subtract",
    "sum",
    "summary",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_dim",
    "tan",
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
    "true_divide",
    "trunc",
    "uint8",
    "unbind",
    "unflatten",
    "unique",
    "unique_consecutive",
    "unsqueeze",
    "use_deterministic_algorithms",
    "utils",
    "var",
    "var_mean",
    "vdot",
    "version",
    "vision",
    "vsplit",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]

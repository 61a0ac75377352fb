"""The paths on which programs find PyTorch's layers: `nn.modules.conv`, `nn.modules.batchnorm`, and so on.

Each is a name for what lies in a file of `nn`, with the base classes: `nn.modules.batchnorm._BatchNorm`.

>>> from tinygrad_cnn.nn.modules.conv import Conv2d, _ConvNd
>>> issubclass(Conv2d, _ConvNd)
True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from ... import nn as _nn
from .. import (
    activation as _activation,
)
from .. import (
    attention as _attention,
)
from .. import (
    containers as _containers,
)
from .. import (
    conv as _conv,
)
from .. import (
    dropout as _dropout,
)
from .. import (
    folding as _folding,
)
from .. import (
    lazy as _lazy,
)
from .. import (
    linear as _linear,
)
from .. import (
    loss as _loss,
)
from .. import (
    module as _module,
)
from .. import (
    norm as _norm,
)
from .. import (
    padding as _padding,
)
from .. import (
    pooling as _pooling,
)
from .. import (
    sparse as _sparse,
)
from .. import (
    upsampling as _upsampling,
)
from . import utils

__all__ = [
    "activation", "batchnorm", "channelshuffle", "container", "conv", "distance", "dropout", "flatten",
    "fold", "instancenorm", "lazy", "linear", "loss", "module", "normalization", "padding",
    "pixelshuffle", "pooling", "sparse", "transformer", "upsampling", "utils",
]  # fmt: skip


def _place(name: str, *files: ModuleType) -> ModuleType:
    """What lies in the files, under another path."""
    place = ModuleType(f"{__name__}.{name}", f"See `{files[0].__name__}`.")
    for file in files:
        vars(place).update({key: held for key, held in vars(file).items() if not key.startswith("__")})
    sys.modules[place.__name__] = place  # where an import looks first
    return place


activation = _place("activation", _activation, _attention)
batchnorm = _place("batchnorm", _norm, _lazy)
channelshuffle = _place("channelshuffle", _folding)
container = _place("container", _containers)
conv = _place("conv", _conv, _lazy)
distance = _place("distance", _loss)
dropout = _place("dropout", _dropout)
flatten = _place("flatten", _linear)
fold = _place("fold", _folding)
instancenorm = _place("instancenorm", _norm, _lazy)
lazy = _place("lazy", _lazy)
linear = _place("linear", _linear, _lazy)
loss = _place("loss", _loss)
module = _place("module", _module)
normalization = _place("normalization", _norm)
padding = _place("padding", _padding)
pixelshuffle = _place("pixelshuffle", _folding)
pooling = _place("pooling", _pooling)
sparse = _place("sparse", _sparse)
transformer = _place("transformer", _attention)
upsampling = _place("upsampling", _upsampling)


def __getattr__(name: str) -> Any:
    """Every layer is here as well."""
    if name in _nn.__all__:
        return getattr(_nn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

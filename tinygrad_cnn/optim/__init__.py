"""Optimizers, learning-rate schedules, averages of weights; names, arguments and defaults are PyTorch's."""

from __future__ import annotations

from ..devices import importable as _importable
from . import adam as _adam
from . import adaptive as _adaptive
from . import lr_scheduler, swa_utils
from . import matrix as _matrix
from . import sgd as _sgd
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .matrix import Adafactor, Muon
from .optimizer import Optimizer
from .sgd import ASGD, SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]

# PyTorch has a file for each: `from tinygrad_cnn.optim.adamw import AdamW`.
for _file, _names in {
    _adam: "adamax adamw nadam radam",
    _adaptive: "adadelta adagrad rmsprop rprop",
    _matrix: "_adafactor _muon",
    _sgd: "asgd",
}.items():
    for _name in _names.split():
        globals()[_name] = _file
        _importable(f"optim.{_name}", _file)

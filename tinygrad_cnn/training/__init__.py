"""Training comfort: the loop, its metrics and checkpoints, and a learning rate to begin with.

history = fit(model, loader, loss_fn, optimizer, epochs=20, validation=test, metrics=[Accuracy()],
              callbacks=[EarlyStopping(patience=3), Checkpoint("run.safetensors")])
history = fit(..., resume="run.safetensors")      goes on, bit for bit, after whatever ended it
history.plot("curves.png")
"""

from __future__ import annotations

from .callbacks import Callback, Checkpoint, EarlyStopping
from .diagnosis import Diagnosis, Finding, diagnose
from .history import History
from .loop import Run, evaluate, fit
from .metrics import Accuracy, ConfusionMatrix, F1Score, Mean, MeanIoU, Metric, TopKAccuracy
from .rates import RateSweep, find_lr

__all__ = [
    "Accuracy",
    "Callback",
    "Checkpoint",
    "ConfusionMatrix",
    "Diagnosis",
    "EarlyStopping",
    "F1Score",
    "Finding",
    "History",
    "Mean",
    "MeanIoU",
    "Metric",
    "RateSweep",
    "Run",
    "TopKAccuracy",
    "diagnose",
    "evaluate",
    "find_lr",
    "fit",
]

"""Every error the package raises on purpose.

    Error
    ├── ShapeError       (ValueError)    sizes that do not fit together
    │   └── IndexingError (IndexError)   an index that is not there
    ├── ArgumentError    (ValueError)    an option that makes no sense, a label out of range
    ├── DtypeError       (TypeError)     integers where floats are needed, strings, objects
    ├── AnomalyError     (ArithmeticError, RuntimeError)  NaN or Inf, where `detect_anomaly` found it
    ├── GraphError       (RuntimeError)  the tape: backward twice, no gradient, changed in place
    ├── StateDictError   (RuntimeError)  missing, unexpected or mis-shaped entries of a state dict
    ├── FileFormatError  (ValueError)    a file that is truncated, corrupted or of another kind
    ├── DownloadError    (OSError)       a download that did not arrive whole
    └── MissingToolError (ImportError)   an optional package or program is not installed

Each is one sentence that names the op, the shapes and the cure.  An error raised while a Module was
running says which one: `Module.__call__` fills in `where`.

>>> error = ShapeError("linear: x has 3 features, weight expects 4")
>>> error.where = "LeNet.fc1 (Linear)"
>>> print(error)
LeNet.fc1 (Linear): x has 3 features, weight expects 4
"""

from __future__ import annotations

__all__ = [
    "AnomalyError",
    "ArgumentError",
    "DownloadError",
    "DtypeError",
    "Error",
    "FileFormatError",
    "GraphError",
    "IndexingError",
    "MissingToolError",
    "ShapeError",
    "StateDictError",
]


class Error(Exception):
    """Base of all errors raised on purpose; `where` is the module path, such as "LeNet.fc1 (Linear)"."""

    where: str | None = None

    def __str__(self) -> str:
        text = super().__str__()
        if self.where is None:
            return text
        op, colon, rest = text.partition(": ")
        # "LeNet.fc1 (Linear): linear: x has ..." says Linear twice
        kind = self.where[self.where.rfind("(") + 1 :].rstrip(")").lower()
        said = colon and kind.startswith(op.replace("_", ""))
        return f"{self.where}: {rest if said else text}"


class ShapeError(Error, ValueError):
    """Sizes do not fit together."""


class IndexingError(ShapeError, IndexError):
    """A tensor has no such index; as Python's IndexError it also ends a plain loop over a data set."""


class ArgumentError(Error, ValueError):
    """An option or a value makes no sense here."""


class DtypeError(Error, TypeError):
    """A value of the wrong type: integers where floats are needed, objects, strings."""


class GraphError(Error, RuntimeError):
    """The tape cannot do this: backward twice, nothing to differentiate, a saved array was changed."""


class AnomalyError(Error, ArithmeticError, RuntimeError):
    """NaN or Inf came into being here; `autograd.detect_anomaly` raises it."""


class StateDictError(Error, RuntimeError):
    """A state dict does not fit the module or the optimizer it is loaded into."""


class FileFormatError(Error, ValueError):
    """A file is truncated, corrupted or not of the expected format."""


class DownloadError(Error, OSError):
    """A download did not arrive whole; nothing half-written is left behind."""

    __str__ = Error.__str__  # OSError would print an errno


class MissingToolError(Error, ImportError):
    """An optional package or program is needed and is not installed."""

    __str__ = Error.__str__

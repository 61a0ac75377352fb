"""What the functions ask of their tensors before any work, and what several of them do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import DtypeError, ShapeError
from ...tensor import Tensor, _tensor

__all__: list[str] = []


def _check_dtypes(op: str, **tensors: Tensor | None) -> None:
    """Floats, and all of one kind; all but x may be None."""
    first = tensors["x"]
    dtype = first.array.dtype if isinstance(first, Tensor) else None
    if dtype is not None and dtype.kind == "f":
        for t in tensors.values():
            if t is not None and not (isinstance(t, Tensor) and t.array.dtype is dtype):
                break
        else:
            return
    dtypes = {n: _tensor(op, t, n).dtype for n, t in tensors.items() if t is not None or n == "x"}
    if len(set(dtypes.values())) > 1 or next(iter(dtypes.values())).kind != "f":
        said = ", ".join(f"{name} is {dtype}" for name, dtype in dtypes.items())
        cure = "x.float(), or model.double()" if dtypes["x"].kind == "f" else "x.float()"
        raise DtypeError(f"{op}: {said}; all must be the same float dtype ({cure})")


def _with_batch(x: Tensor, axes: int, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Lend a single image (c, *size) the axis n."""
    return function(x.unsqueeze(0)).squeeze(0) if x.ndim == axes + 1 else function(x)


def _at_least(x: Tensor, least: float) -> Tensor:
    """max(x, least), but with the derivative 1 below as well."""
    return x + Tensor(np.asarray(np.maximum(least - x.array, 0), x.dtype))


def _check_bias(name: str, b: Tensor, outputs: int) -> None:
    if b.array.shape != (outputs,):
        raise ShapeError(f"{name}: bias {b.shape} for {outputs} outputs; it needs shape ({outputs},)")

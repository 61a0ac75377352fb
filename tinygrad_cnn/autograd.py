"""PyTorch's `autograd` namespace: `grad`, `backward`, `detect_anomaly`, `gradcheck`, ops as `Function`s."""

from __future__ import annotations

import math
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .anomaly import detect_anomaly, set_detect_anomaly
from .engine import backward, grad
from .errors import DtypeError, GraphError
from .op import Op, Plan, record
from .ops import shape
from .tape import enable_grad, is_grad_enabled, no_grad, set_grad_enabled, state
from .tensor import Tensor

if TYPE_CHECKING:
    from .testing.gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "FunctionContext",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    """The checks stand further down, in a room that not every program enters."""
    if name in ("gradcheck", "gradgradcheck"):
        return getattr(import_module("tinygrad_cnn.testing"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """`data.detach()`: around a tensor, once, a Variable had to be wrapped for gradients.

    >>> import tinygrad_cnn as tg
    >>> Variable(tg.ones(1), requires_grad=True)
    tensor([1.], requires_grad=True)
    """
    if not isinstance(data, Tensor):
        raise DtypeError(f"Variable: data is of type {type(data).__name__}; make it a tensor(...) first")
    return data.detach().requires_grad_(requires_grad)


class FunctionContext:
    """What `Function.forward` leaves for `backward`: tensors by `save_for_backward`, the rest as "
    "attributes."""

    def __init__(self, args: tuple[Any, ...]):
        self.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        self._saved: tuple[Any, ...] = ()
        self._flat: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep arguments or results (or None) for backward."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept, back at its place on the tape."""
        return self._saved

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These results have no gradient."""
        self._flat = outputs


class Function:
    """A differentiable function in PyTorch's spelling, for those who bring one along.

    Subclass it with two static methods and call `Name.apply(...)`.  `forward(ctx, ...)` gets the arguments
    and is not recorded; `backward(ctx, g, ...)` gets one gradient per result and returns one (or None) per
    argument; under `create_graph` it is recorded.  A class that defines `setup_context(ctx, inputs, output)`
    has its ctx filled there, and its forward gets the arguments alone.  New ops are shorter with `@op`.

    >>> import tinygrad_cnn as tg
    >>> class Cube(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x * x
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    setup_context: Any = None

    @staticmethod
    def forward(*args: Any) -> Any:
        raise NotImplementedError("a Function defines forward(ctx, ...)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError("a Function defines backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward, and put one node on the tape."""
        ctx = FunctionContext(args)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(out, Tensor) for out in outputs):
            raise DtypeError(f"{cls.__name__}.forward must return tensors, not {type(result).__name__}")
        smooth = [
            i
            for i, out in enumerate(outputs)
            if out.dtype.kind == "f" and not any(out is flat for flat in ctx._flat)
        ]
        if not (state.recording and any(ctx.needs_input_grad) and smooth):
            return result

        # A node has one result.  Several are laid end to end, and cut out again by ordinary ops.
        lone = len(outputs) == 1
        whole = Tensor(
            outputs[0].array if lone else np.concatenate([outputs[i].array.ravel() for i in smooth])
        )
        kinds = [(out.shape, out.dtype) for out in outputs]
        stops = np.cumsum([outputs[i].numel() for i in smooth]).tolist()

        def cut(whole: Tensor) -> list[Tensor]:
            """The results (or their gradients), one by one; zeros for flat ones."""
            if lone:
                return [whole]
            pieces = {}
            for i, stop in zip(smooth, stops, strict=True):
                size = kinds[i][0]
                piece = shape.getitem(whole, index=slice(stop - math.prod(size), stop))
                pieces[i] = shape.reshape(piece, shape=size)
            return [pieces[i] if i in pieces else Tensor(np.zeros(*kind)) for i, kind in enumerate(kinds)]

        parents = tuple(x.node if isinstance(x, Tensor) else None for x in args)
        plan, saved, versions, where = _keep(ctx, args, {i: outputs[i] for i in smooth}, whole)

        def rule(g: Tensor, *kept: Any) -> tuple[Any, ...]:
            results = None
            tensors = []
            for kind, index, tensor in where:
                if kind == "out":
                    results = results or cut(kept[index])
                    tensors.append(results[tensor])
                else:
                    tensors.append(None if kind == "none" else kept[index])
            ctx._saved = tuple(tensors)
            try:
                grads = cls.backward(ctx, *cut(g))
            finally:
                ctx._saved = ()  # they lead back to this node, and a graph must not be a circle
            grads = grads if isinstance(grads, tuple) else (grads,)
            if len(grads) != len(args):
                raise GraphError(
                    f"{cls.__name__}.backward returned {len(grads)} gradients for {len(args)} "
                    "arguments of forward; "
                    "return one for each, None where there is none"
                )
            return grads

        plan.rows = ((tuple(range(len(args))), rule, tuple(range(1 + len(saved)))),)
        whole.node = record(
            _op_of(cast(Any, cls)), parents, {}, plan, saved, versions, whole.shape, whole.dtype
        )
        ctx._saved = ctx._flat = ()
        taped = cut(whole)
        for i in set(range(len(outputs))) - set(smooth):
            taped[i] = outputs[i]
        return tuple(taped) if isinstance(result, tuple) else taped[0]


@cache
def _op_of(cls: Any) -> Op:
    def apply(*args: Any) -> Any:
        raise NotImplementedError

    apply.__name__, apply.__doc__ = cls.__name__, cls.__doc__
    apply.backward = cls.backward  # type: ignore[attr-defined]  # for those who show it
    return Op(apply)


def _keep(ctx: FunctionContext, args: tuple[Any, ...], results: dict[int, Tensor], whole: Tensor) -> Any:
    """Sort what was saved: (plan, saved arrays, their versions, and for each saved tensor where it is)."""
    plan = Plan.__new__(Plan)
    plan.shapes, plan.attrs, plan.joint = (), (), True
    sources: list[int] = []
    saved: list[np.ndarray] = []
    versions: list[tuple[list[Any], int]] = []
    where: list[tuple[str, int, int]] = []
    for tensor in ctx._saved:
        if tensor is None:
            where.append(("none", 0, 0))
            continue
        argument = next((i for i, x in enumerate(args) if x is tensor), None)
        output = next((i for i, x in results.items() if x is tensor), None)
        if output is not None and argument is None:
            where.append(("out", len(saved), output))
            sources.append(len(args))
            tensor = whole
        else:
            where.append(("kept", len(saved), 0))
            sources.append(len(args) + 1 if argument is None else argument)  # or a constant
        saved.append(tensor.array)
        versions.append((tensor.writes, tensor.writes[0]))
    plan.save = tuple(sources)
    return plan, tuple(saved), tuple(versions), where

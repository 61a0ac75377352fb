"""Ops as PyTorch's `Function`s: forward and backward as two static methods of a class."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, cast

import numpy as np

from ..errors import DtypeError, GraphError
from ..op import Op, Plan, record
from ..ops import shape
from ..tape import is_grad_enabled, no_grad, state
from ..tensor import Tensor

__all__ = ["Function", "FunctionContext", "FunctionCtx", "once_differentiable"]


class FunctionContext:
    """What `forward` leaves for `backward`: tensors by `save_for_backward`, the rest as attributes."""

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


FunctionCtx = FunctionContext


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A `backward` that is not recorded: whoever differentiates its gradients again is told so.

    As in PyTorch this holds for gradients that depend on others; from a constant they come as constants.

    >>> import tinygrad_cnn as tg
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return tg.tensor(2 * g.numpy())
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> (slope,) = tg.autograd.grad(Double.apply(x) ** 2, x, create_graph=True)
    >>> slope.detach()
    tensor(24.)
    >>> slope.backward()
    Traceback (most recent call last):
    tinygrad_cnn.errors.GraphError: Double.backward is once_differentiable...
    """

    @wraps(fn)
    def backward(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = fn(ctx, *grads)
        if not is_grad_enabled() or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return found
        name = ".".join(fn.__qualname__.split(".")[-2:])
        marked = [
            _Once.apply(name, x.detach(), *grads) if isinstance(x, Tensor) and x.dtype.kind == "f" else x
            for x in (found if isinstance(found, tuple) else (found,))
        ]
        return tuple(marked) if isinstance(found, tuple) else marked[0]

    return backward


class _Once(Function):
    """A gradient that has none."""

    @staticmethod
    def forward(ctx: Any, name: str, x: Tensor, *grads: Any) -> Tensor:
        ctx.name = name
        return x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GraphError(
            f"{ctx.name} is once_differentiable, and its gradient is differentiated again; leave out the "
            "decorator and compute with tensors, or do not use create_graph=True"
        )

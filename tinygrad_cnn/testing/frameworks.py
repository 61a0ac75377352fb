"""Whose function is it?  What the checks need of a library, and nothing else knows which library it is.

The checks speak arrays.  To ask a function for its gradients they need six things of the library it is
written for: leaves, the arrays of
tensors, what a call returned and recorded, calls that record nothing, and gradients.  Here are ours and
PyTorch's; a plain array function with a backward of its own becomes one of ours (`from_arrays`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..autograd import Function
from ..errors import ArgumentError
from ..op import is_tensor, wrap
from ..tape import no_grad, walk

__all__ = ["Framework", "PyTorch", "from_arrays", "of"]


class Framework:
    """A library of differentiable functions; this one is our own, others are derived from it."""

    name = "tinygrad_cnn"

    def is_tensor(self, x: Any) -> bool:
        """Whether x is a tensor of this library."""
        return is_tensor(x)

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        """A tensor over this array, in its memory layout."""
        return wrap(array.view()).requires_grad_(requires_grad)

    def array(self, tensor: Any) -> np.ndarray:
        """The values of a tensor; no copy."""
        return tensor.array

    def no_grad(self) -> Any:
        """A context in which nothing is recorded."""
        return no_grad()

    def results(self, out: Any) -> list[Any]:
        """The tensors of floats among what a function returned: one tensor, or a sequence or dict of some."""
        if isinstance(out, dict):
            out = list(out.values())
        outs = [out] if self.is_tensor(out) else list(out) if isinstance(out, (tuple, list)) else [out]
        if strangers := [type(x).__name__ for x in outs if x is not None and not self.is_tensor(x)]:
            raise ArgumentError(
                f"gradcheck: the function returned a {strangers[0]}, not a tensor of {self.name}"
            )
        return [x for x in outs if x is not None and self.array(x).dtype.kind == "f"]

    def recorded(self, tensors: Sequence[Any], since: int = 0) -> list[Any]:
        """The nodes that these tensors depend on, recorded after step `since`; none of a foreign library."""
        roots = [t.node for t in tensors if t.node is not None]
        return [node for node in walk(*roots) if node.op is not None and node.seq > since]

    def grad(
        self, outs: Sequence[Any], inputs: Sequence[Any], grads: Sequence[Any], create_graph: bool = False
    ) -> list[Any]:
        """d(outs)/d(inputs), given the gradient of each out or None; None for an input they do not depend on.

        What the graph saved is kept for another time.
        """
        pairs = [(out, g) for out, g in zip(outs, grads, strict=True) if out.requires_grad and g is not None]
        if not pairs:
            return [None] * len(inputs)
        ys, gs = zip(*pairs, strict=True)
        return list(self._grad(ys, inputs, gs, create_graph))

    def _grad(self, ys: Any, inputs: Any, gs: Any, create_graph: bool) -> Any:
        return engine.grad(ys, inputs, list(gs), True, create_graph, allow_unused=True)


class PyTorch(Framework):
    """PyTorch, for those who have it: it is found among the loaded modules, and never imported."""

    name = "torch"

    def __init__(self) -> None:
        self.torch: Any = sys.modules["torch"]

    def is_tensor(self, x: Any) -> bool:
        return isinstance(x, self.torch.Tensor)

    def leaf(self, array: np.ndarray, requires_grad: bool = True) -> Any:
        if not array.flags.writeable or any(stride < 0 for stride in array.strides):  # which PyTorch has not
            array = array.copy()
        return self.torch.from_numpy(array).requires_grad_(requires_grad)

    def array(self, tensor: Any) -> np.ndarray:
        return tensor.detach().resolve_neg().numpy()

    def no_grad(self) -> Any:
        return self.torch.no_grad()

    def recorded(self, tensors: Sequence[Any], since: int = 0) -> list[Any]:
        return []

    def _grad(self, ys: Any, inputs: Any, gs: Any, create_graph: bool) -> Any:
        return self.torch.autograd.grad(ys, inputs, gs, True, create_graph, allow_unused=True)


def of(inputs: Sequence[Any]) -> Framework:
    """The library that these inputs belong to: PyTorch's if one is a torch tensor, else ours.

    >>> of([np.zeros(2)]).name
    'tinygrad_cnn'
    """
    foreign = any(_root(x) == "torch" and hasattr(x, "detach") for x in inputs)
    return PyTorch() if foreign else Framework()


def _root(x: Any) -> str:
    return type(x).__module__.partition(".")[0]


def from_arrays(function: Callable[..., Any], vjp: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Tensors, made of a function of arrays and its hand-written backward.

    Args:
        function: arrays in, an array or a tuple of arrays out.
        vjp: `vjp(g, *inputs)` returns the gradient by each input, or None; by the only input, it need not be
            in a tuple.  Where `function` returns several arrays, g is a tuple of their gradients.

    >>> import tinygrad_cnn as tg
    >>> square = from_arrays(lambda x: x * x, vjp=lambda g, x: g * 2 * x)
    >>> x = tg.tensor([1.0, 3.0], requires_grad=True)
    >>> square(x).sum().backward()
    >>> x.grad
    tensor([2., 6.])
    """

    def name(f: Any) -> str:
        return getattr(f, "__name__", type(f).__name__)

    def forward(ctx: Any, *inputs: Any) -> Any:
        ctx.inputs = tuple(x.array if is_tensor(x) else x for x in inputs)
        result = function(*ctx.inputs)
        ctx.several = isinstance(result, (tuple, list))
        return tuple(wrap(np.asarray(r)) for r in (result if ctx.several else (result,)))

    def backward(ctx: Any, *grads: Any) -> Any:
        gs = tuple(g.array for g in grads)
        found = vjp(gs if ctx.several else gs[0], *ctx.inputs)
        found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        if len(found) != len(ctx.inputs):
            raise ArgumentError(
                f"{name(vjp)} returned {len(found)} gradients for {len(ctx.inputs)} inputs of "
                f"{name(function)}; return one for each, None where there is none"
            )
        return tuple(
            None if d is None or not needed else wrap(np.asarray(d))
            for d, needed in zip(found, ctx.needs_input_grad, strict=True)
        )

    made: Any = type(
        name(function), (Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    )

    def call(*inputs: Any) -> Any:
        outs = made.apply(*inputs)
        return outs if len(outs) > 1 else outs[0]

    call.__name__ = name(function)
    call.__wrapped__ = function  # type: ignore[attr-defined]  # the names of its parameters
    return call

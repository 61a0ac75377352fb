"""What runs before and after a module's forward and backward.

`Module.__call__` comes here only for modules that have hooks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..autograd import Function
from ..errors import DtypeError, GraphError
from ..tape import Handle, is_grad_enabled
from ..tensor import Tensor

__all__ = ["BackwardHook", "Hook", "Hooked", "of_kind", "register", "run"]

Tensors = tuple[Any, ...]


class Hook(NamedTuple):
    """A function, when it is called, and how it wants to be called."""

    kind: str
    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


def register(hooks: dict[int, Hook], hook: Hook, prepend: bool = False) -> Handle:
    """Add a hook behind (or before) the others."""
    if not callable(hook.function):
        raise DtypeError(f"{hook.kind} hook: {hook.function!r:.40} cannot be called; pass a function")
    others = tuple(hooks)
    handle = Handle(hooks, hook)  # type: ignore[arg-type]
    if prepend:
        for key in others:
            hooks[key] = hooks.pop(key)
    return handle


def of_kind(hooks: Mapping[int, Hook], kind: str) -> list[Hook]:
    """Those to call now."""
    return [hook for hook in hooks.values() if hook.kind == kind]


class Hooked:
    """What can be hooked onto: the part of `Module` that is about forward and backward."""

    _hooks: Mapping[int, Hook] = {}  # the instance gets its own with the first hook

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments.

        Args:
            prepend: before the hooks that are there, not after them.
            with_kwargs: call `hook(module, args, kwargs)`, which returns None or (args, kwargs).
        """
        return self._hook("_hooks", Hook("forward_pre", hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> Handle:  # fmt: skip
        """Call `hook(module, args, output)` after forward; what it returns replaces the output.

        Args:
            prepend: before the hooks that are there, not after them.
            with_kwargs: call `hook(module, args, kwargs, output)`.
            always_call: call it (with None for the output) even where forward raised.
        """
        return self._hook("_hooks", Hook("forward", hook, with_kwargs, always_call), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when backward has left the module.

        Both are tuples: the gradients of the arguments (None for what needs none; keyword arguments do not
        count) and of the results.  What the hook returns replaces grad_input.

        >>> import tinygrad_cnn as tg
        >>> double = tg.nn.Linear(1, 1, bias=False)
        >>> tg.nn.init.constant_(double.weight, 2.0)
        Parameter containing:
        tensor([[2.]], requires_grad=True)
        >>> hook = double.register_full_backward_hook(lambda m, grad_input, grad_output: print(grad_input))
        >>> double(tg.ones(1, 1, requires_grad=True)).sum().backward()
        (tensor([[2.]]),)
        """
        return self._hook("_hooks", Hook("backward", hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """The older name of `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when backward enters; what it returns replaces the gradients."""
        return self._hook("_hooks", Hook("backward_pre", hook), prepend)

    def _hook(self, where: str, hook: Hook, prepend: bool = False) -> Handle:
        return register(vars(self).setdefault(where, {}), hook, prepend)


def run(module: Any, args: Tensors, kwargs: dict[str, Any]) -> Any:
    """`module.forward(*args, **kwargs)` with everything that is hooked onto it."""
    hooks: Mapping[int, Hook] = module._hooks
    called, out = set[int](), None
    try:
        for hook in of_kind(hooks, "forward_pre"):
            if hook.with_kwargs:
                changed = hook.function(module, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise GraphError(
                        "forward pre-hook: with with_kwargs it returns None or (args, kwargs), "
                        f"not {changed!r:.40}"
                    )
                args, kwargs = changed
            elif (changed := hook.function(module, args)) is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        backward = _Backward(module, of_kind(hooks, "backward_pre"), of_kind(hooks, "backward"))
        args = backward.inputs(args)
        out = module.forward(*args, **kwargs)
        for hook in of_kind(hooks, "forward"):
            called.add(id(hook))
            out = _after(hook, module, args, kwargs, out)
        return backward.outputs(out)
    except Exception:
        for hook in of_kind(hooks, "forward"):
            if hook.always_call and id(hook) not in called:
                try:
                    out = _after(hook, module, args, kwargs, out)
                except Exception as error:  # the first one is what the user must see
                    warnings.warn(f"a forward hook with always_call failed as well: {error}", stacklevel=2)
        raise


def _after(hook: Hook, module: Any, args: Tensors, kwargs: dict[str, Any], out: Any) -> Any:
    changed = (
        hook.function(module, args, kwargs, out) if hook.with_kwargs else hook.function(module, args, out)
    )
    return out if changed is None else changed


class BackwardHook(Function):
    """The same tensors; when backward has the gradients of all of them, a function may replace these."""

    @staticmethod
    def forward(ctx: Any, function: Callable[[Tensors], Tensors], *xs: Tensor) -> Tensors:
        ctx.function = function
        return xs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensors:
        return None, *ctx.function(grads)


class _Backward:
    """One call of a module between two `BackwardHook`s, one around its arguments, one around its results."""

    def __init__(self, module: Any, before: list[Hook], after: list[Hook]):
        self.module, self.before, self.after = module, before, after
        self.grad_output: Tensors | None = None  # between the two

    def inputs(self, args: Tensors) -> Tensors:
        if not self.before and not self.after:
            return args
        self.zeros = tuple(_zeros(x) for x in args)  # for tensors that get no gradient, as in PyTorch
        args, self.reached = _tapped(args, self.leave)
        return args

    def outputs(self, out: Any) -> Any:
        if not self.before and not self.after:
            return out
        if not isinstance(out, tuple):
            return _tapped((out,), self.enter)[0][0]
        results = _tapped(out, self.enter)[0]
        return type(out)(*results) if hasattr(out, "_fields") else results

    def enter(self, grad_output: Tensors) -> Tensors:
        for hook in self.before:
            grad_output = _replaced("pre-hook", grad_output, hook.function(self.module, grad_output))
        if self.reached:
            self.grad_output = grad_output
            return grad_output
        for hook in self.after:  # no argument asks for a gradient: this is the end of the way
            changed = hook.function(self.module, (None,) * len(self.zeros), grad_output)
            if any(g is not None for g in (changed if isinstance(changed, tuple) else (changed,))):
                raise GraphError(
                    "backward hook: no argument of the module requires a gradient, "
                    "so there is none to replace; return None"
                )
        return grad_output

    def leave(self, grad_input: Tensors) -> Tensors:
        grad_output, self.grad_output = self.grad_output, None
        if grad_output is not None:  # else the gradient came here by another way than the results
            grad_input = tuple(
                zero if g is None else g for g, zero in zip(grad_input, self.zeros, strict=True)
            )
            for hook in self.after:
                changed = hook.function(self.module, grad_input, grad_output)
                grad_input = _replaced("hook", grad_input, changed)
        return grad_input


def _zeros(x: Any) -> Tensor | None:
    return Tensor(np.zeros(x.shape, x.dtype)) if isinstance(x, Tensor) and x.dtype.kind == "f" else None


def _replaced(kind: str, grads: Tensors, changed: Any) -> Tensors:
    if changed is None:
        return grads
    changed = changed if isinstance(changed, tuple) else (changed,)
    if len(changed) != len(grads):
        raise GraphError(
            f"backward {kind}: it returned {len(changed)} gradients in the place of {len(grads)}"
        )
    return changed


def _tapped(values: Sequence[Any], function: Callable[[Tensors], Tensors]) -> tuple[Tensors, bool]:
    """The values with those that ask for gradients tapped, and whether any does.

    The function sees a gradient for each value, None where none arrives.
    """
    at = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    if not at or not is_grad_enabled():
        return tuple(values), False

    arrived = set[int]()

    def spread(grads: Tensors) -> Tensors:
        found = {i: g for i, g in zip(at, grads, strict=True) if i in arrived}
        arrived.clear()
        changed = function(tuple(found.get(i) for i in range(len(values))))
        return tuple(changed[i] for i in at)

    found = list(values)
    for i, x in zip(at, BackwardHook.apply(spread, *(values[i] for i in at)), strict=True):
        found[i] = x
        x.register_hook(lambda g, i=i: arrived.add(i))
    return tuple(found), True

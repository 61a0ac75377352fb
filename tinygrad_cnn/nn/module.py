"""Module: a tree of parts that holds parameters and knows how to compute forward.

Parameters, buffers and submodules are found by looking at the attributes (and into lists, tuples and
dicts among them) when somebody asks, so that nothing can get out of step.  Assignment only refuses to put
something else in the place of a parameter or a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import NoneType
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from ..errors import ArgumentError, DtypeError, Error, StateDictError
from ..tape import Handle, Scope, enable_grad, no_grad, state
from ..tensor import Parameter, Tensor, _tensor
from . import hooks
from .held import Held
from .parameter import Buffer, UninitializedBuffer, UninitializedParameter

__all__ = ["IncompatibleKeys", "Module"]

_EXTRA = "_extra_state"
_PLAIN = {bool, float, int, str, NoneType, np.ndarray, Tensor}
_LAZY = (UninitializedParameter, UninitializedBuffer)


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        kept = f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"
        return kept if any(self) else "<All keys matched successfully>"


class Module:
    """Base of all layers and models; subclass it and define `forward`.

    >>> import tinygrad_cnn as tg
    >>> class Scale(tg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = tg.nn.Parameter(tg.ones(1))
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> [name for name, _ in Scale().named_parameters()]
    ['weight']
    """

    training = True
    # Replaced by dicts of the instance's own as soon as there is something to put in.
    _persistent: Mapping[str, bool] = {}  # the buffers by name, and whether they go into a state dict
    _hooks: Mapping[int, hooks.Hook] = {}  # what runs with forward and backward
    _state_hooks: Mapping[int, hooks.Hook] = {}  # what runs with state_dict and load_state_dict
    _optional: ClassVar[tuple[str, ...]] = ()  # buffers that old state dicts lack

    def __init__(self) -> None:
        pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = state.scope = Scope(self, state.scope)
        try:
            if self._hooks:
                return hooks.run(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Error as error:
            if error.where is None:
                error.where = str(scope)
            raise
        finally:
            state.scope = scope.parent

    # --- looking ---------------------------------------------------------------------------------------

    def _parts(self) -> list[tuple[str, Any]]:
        """(name, part) of every module and parameter, also in lists, tuples and dicts: "layers.0".

        Lists under a name with an underscore stay closed: what is in them is nobody else's business.
        """
        found: list[tuple[str, Any]] = []
        for name, value in vars(self).items():
            if type(value) in _PLAIN:  # most are, and this is quickly told
                continue
            if isinstance(value, (Module, Parameter)):
                found.append((name, value))
            elif name[:1] != "_" and isinstance(value, (list, tuple, dict)):
                _open(name, value, found)
        return found

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules held directly, each once."""
        seen = set()
        for name, value in self._parts():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules held directly."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below it."""
        return ((path, module) for path, module, _ in self._tree(prefix, remove_duplicate))

    def _tree(self, path: str, once: bool) -> list[tuple[str, Module, list[tuple[str, Any]]]]:
        """(path, module, its parts) of this module and all below it."""
        found: list[tuple[str, Module, list[tuple[str, Any]]]] = []
        self._visit(path, once, set(), found)
        return found

    def _visit(self, path: str, once: bool, above: set[int], found: list[Any]) -> None:
        # With `once`, `above` is everything met so far, else only the way down here (which ends circles).
        if id(self) in above:
            return
        above = above if once else above.copy()
        above.add(id(self))
        parts = self._parts()
        found.append((path, self, parts))
        for name, value in parts:
            if isinstance(value, Module):
                value._visit(f"{path}.{name}" if path else name, once, above, found)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter): a module's own before its children's, a shared one once."""
        return self._named(Parameter, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, tensor) of what `register_buffer` registered."""
        return self._named(Buffer, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _own_parameters(self) -> list[tuple[str, Parameter]]:
        return [part for part in self._parts() if isinstance(part[1], Parameter)]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        return [(name, t) for name in self._persistent if (t := getattr(self, name)) is not None]

    def _own_state(self) -> list[tuple[str, Tensor]]:
        kept = [(name, tensor) for name, tensor in self._own_buffers() if self._persistent[name]]
        return [*self._own_parameters(), *kept]

    def _named(self, kind: type[Tensor], prefix: str, recurse: bool, once: bool) -> Iterator[Any]:
        tree = self._tree(prefix, once) if recurse else [(prefix, self, self._parts())]
        seen = set()
        for path, module, parts in tree:
            for name, tensor in parts if kind is Parameter else module._own_buffers():
                if isinstance(tensor, Module) or (once and id(tensor) in seen):
                    continue
                seen.add(id(tensor))
                yield f"{path}.{name}" if path else name, tensor

    # What PyTorch keeps in dicts under these names, for programs that look into them.

    @property
    def _modules(self) -> Held:
        return Held(self, lambda: self._held(Module), self.add_module)

    @property
    def _parameters(self) -> Held:
        return Held(self, lambda: self._held(Parameter), self.register_parameter)

    @property
    def _buffers(self) -> Held:
        def put(name: str, tensor: Tensor | None) -> None:
            self.register_buffer(name, tensor, self._persistent.get(name, True))

        return Held(self, lambda: {name: getattr(self, name) for name in self._persistent}, put)

    def _held(self, kind: type[Any]) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, kind)}

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "features.0"."""
        found = self if target == "" else self._find(target)
        if isinstance(found, Module):
            return found
        raise self._absent("get_submodule", "module", target, self.named_modules())

    def _find(self, target: str) -> Any:
        """The module or parameter at a path, or None; it goes only where the path leads."""
        if not isinstance(target, str):
            return None
        for name, part in self._parts():
            if name == target:
                return part
            if isinstance(part, Module) and target.startswith(f"{name}."):
                return part._find(target[len(name) + 1 :])
        return None

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "features.0.weight"."""
        if isinstance(found := self._find(target), Parameter):
            return found
        raise self._absent("get_parameter", "parameter", target, self.named_parameters())

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as "features.1.running_mean"."""
        for path, buffer in self.named_buffers(remove_duplicate=False):
            if path == target:
                return buffer
        raise self._absent("get_buffer", "buffer", target, self.named_buffers())

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module in the place of the one at a path; without `strict`, a new name works too."""
        parent, _, name = target.rpartition(".")
        owner = self.get_submodule(parent)
        held = getattr(owner, name, None)
        if not name or (strict and held is None) or not isinstance(held, (Module, NoneType)):
            raise self._absent("set_submodule", "module", target, self.named_modules())
        setattr(owner, name, _checked("set_submodule", module))

    def _absent(self, name: str, kind: str, target: Any, there: Iterable[tuple[str, Any]]) -> ArgumentError:
        paths = ", ".join(path for path, _ in there if path)
        return ArgumentError(f"{name}: {type(self).__name__} has no {kind} {target!r}; it has {paths:.200}")

    # --- registering: by assignment, and for names made at run time -------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self).get(name)
        kind = Parameter if isinstance(held, Parameter) else Module
        if isinstance(held, kind) and not isinstance(value, (Parameter, kind, NoneType)):
            raise DtypeError(
                f"{type(self).__name__}.{name}: a {type(value).__name__} in the place of a {kind.__name__}; "
                f"assign a {kind.__name__} or None, or delete the attribute first"
            )
        if isinstance(value, (Parameter, Module, Buffer)):
            if not isinstance(held, Parameter if isinstance(value, Parameter) else Module):
                vars(self).pop(name, None)  # its place in the order is where it became one
            if isinstance(value, Buffer):
                self._persistent = {**self._persistent, name: value.persistent}
            elif name in self._persistent:
                self._forget_buffer(name)
        elif name in self._persistent and not isinstance(value, (Tensor, NoneType)):
            raise DtypeError(
                f"{type(self).__name__}.{name}: a {type(value).__name__} in the place of a buffer; "
                "assign a Tensor or None"
            )
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if name in self._persistent:
            self._forget_buffer(name)

    def _forget_buffer(self, name: str) -> None:
        self._persistent = {key: kept for key, kept in self._persistent.items() if key != name}

    def _new(self, caller: str, name: str, there: Any) -> str:
        """A name that is free, or holds what may be replaced."""
        if not isinstance(name, str) or not name or "." in name:
            raise ArgumentError(
                f"{caller}: {name!r} cannot be a name, since it becomes part of a path; "
                "use a string without dots"
            )
        if hasattr(self, name) and not there:
            raise ArgumentError(
                f"{caller}: {type(self).__name__} has an attribute {name!r} of another kind; "
                "choose another name"
            )
        return name

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is no parameter but belongs to the state (unless not persistent)."""
        self._new("register_buffer", name, name in self._persistent)
        setattr(self, name, None if tensor is None else _tensor("register_buffer", tensor, str(name)))
        self._persistent = {**self._persistent, name: persistent}

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as assigning the attribute."""
        held = vars(self).get(name)
        self._new("register_parameter", name, name in vars(self) and isinstance(held, (Parameter, NoneType)))
        if param is not None and not isinstance(param, Parameter):
            raise DtypeError(
                f"register_parameter: {name} is of type {type(param).__name__}; make it an nn.Parameter(...)"
            )
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning the attribute."""
        held = vars(self).get(name)
        self._new("add_module", name, name in vars(self) and isinstance(held, (Module, NoneType)))
        setattr(self, name, module if module is None else _checked("add_module", module))

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    # --- hooks -------------------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments.

        Args:
            prepend: before the hooks that are there, not after them.
            with_kwargs: call `hook(module, args, kwargs)`, which returns None or (args, kwargs).
        """
        return self._hook("_hooks", hooks.Hook("forward_pre", hook, with_kwargs), prepend)

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
        return self._hook("_hooks", hooks.Hook("forward", hook, with_kwargs, always_call), prepend)

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
        return self._hook("_hooks", hooks.Hook("backward", hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """The older name of `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when backward enters; what it returns replaces the gradients."""
        return self._hook("_hooks", hooks.Hook("backward_pre", hook), prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, prefix, keep_vars)` before the module's part of a state dict is collected."""
        return self._hook("_state_hooks", hooks.Hook("save_pre", hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after that; it may change the dict."""
        return self._hook("_state_hooks", hooks.Hook("save_post", hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs)` before anything is loaded; the hook may change the (copied) dict, and rename keys."""
        return self._hook("_state_hooks", hooks.Hook("load_pre", hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, incompatible_keys)` after loading; what it takes out of them is forgiven."""
        return self._hook("_state_hooks", hooks.Hook("load_post", hook))

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> Handle:
        return self.register_state_dict_post_hook(hook)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> Handle:
        """The older spelling; without `with_module` the hook does not get the module."""
        return self.register_load_state_dict_pre_hook(
            hook if with_module else lambda module, *rest: hook(*rest)
        )

    def _hook(self, where: str, hook: hooks.Hook, prepend: bool = False) -> Handle:
        return hooks.register(vars(self).setdefault(where, {}), hook, prepend)

    def _run_state_hooks(self, kind: str, *args: Any) -> None:
        for hook in hooks.of_kind(self._state_hooks, kind):
            if hook.function(self, *args) is not None:
                raise ArgumentError(
                    f"{type(self).__name__}: a hook of its state dict returned something; "
                    "it must change what it is given, and return None"
                )

    # --- state -----------------------------------------------------------------------------------------

    def get_extra_state(self) -> Any:
        """What else belongs to the state: define it together with `set_extra_state` in a subclass."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_extra_state(self)")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise NotImplementedError(f"{type(self).__name__} does not define set_extra_state(self, state)")

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by path, sharing memory with the module; names are PyTorch's.

        Args:
            destination: the dict to fill; a new one by default.
            prefix: stands before every name, such as "model.".
            keep_vars: the parameters themselves instead of detached tensors.
        """
        found: dict[str, Any] = {} if destination is None else destination
        self._save(found, prefix, keep_vars, ())
        return found

    def _save(self, found: dict[str, Any], prefix: str, keep_vars: bool, above: tuple[Module, ...]) -> None:
        self._run_state_hooks("save_pre", prefix, keep_vars)
        self._save_to_state_dict(found, prefix, keep_vars)
        above = (*above, self)
        for name, part in self._parts():
            if isinstance(part, Module) and all(part is not m for m in above):
                part._save(found, f"{prefix}{name}.", keep_vars, above)
        self._run_state_hooks("save_post", found, prefix, {})

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add what is the module's own; a subclass may add to it, or rename."""
        for name, tensor in self._own_state():
            destination[prefix + name] = tensor if keep_vars or isinstance(tensor, _LAZY) else tensor.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Comes before anything is loaded; a subclass may change the (copied) dict first, and rename keys."""
        self._run_state_hooks("load_pre", state_dict, prefix, *rest)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers, all or nothing.

        Args:
            state_dict: arrays or tensors by path.
            strict: refuse missing and unexpected keys.
            assign: put the given tensors themselves (and so their dtypes) in the place of the module's.

        Raises:
            StateDictError: names every missing and unexpected key (with `strict`), and every entry of
                another shape (always), before anything is changed.
        """
        if not isinstance(state_dict, Mapping):
            raise StateDictError(
                f"load_state_dict: {state_dict!r:.40} is no dict of tensors; "
                "read a file with load(path) first, take a module's with .state_dict()"
            )
        given = dict(state_dict)
        result = IncompatibleKeys([], [])
        errors: list[str] = []
        modules = list(self.named_modules(remove_duplicate=False))
        for path, module in modules:
            module._load_from_state_dict(given, _join(path, ""), {}, strict, *result, errors)
        places = {_join(path, name): (m, name, t) for path, m in modules for name, t in m._own_state()}
        extra = {
            _join(path, _EXTRA): m
            for path, m in modules
            if type(m).set_extra_state is not Module.set_extra_state
        }
        needed = {k: m for k, (m, name, _) in places.items() if name not in m._optional} | extra
        result.missing_keys.extend(k for k in needed if k not in given)
        result.unexpected_keys.extend(k for k in given if k not in places and k not in extra)
        found = {k: v for k, v in given.items() if k in places}
        for key, value in found.items():
            found[key] = value if isinstance(value, (Tensor, np.ndarray)) else np.asarray(value)
            errors += _misfit(key, found[key], places[key][2], assign)

        def complain(loaded: str) -> None:
            complaints = []
            if strict and result.missing_keys:
                complaints.append("missing: " + ", ".join(result.missing_keys))
            if strict and result.unexpected_keys:
                complaints.append("unexpected: " + ", ".join(result.unexpected_keys))
            if errors:
                complaints.append("of another shape or kind:\n" + "\n".join(errors))
            if complaints:
                raise StateDictError(
                    f"load_state_dict: the state dict does not fit {type(self).__name__}, {loaded}; "
                    + ";\n".join(complaints)
                    + ("" if errors else "\n(strict=False loads what does fit)")
                )

        forgiving = [m for _, m in reversed(modules) if hooks.of_kind(m._state_hooks, "load_post")]
        if errors or not forgiving:
            complain("nothing was loaded")
        for key, value in found.items():
            _put(*places[key], value, assign)
        for key, module in extra.items():
            if key in given:
                module.set_extra_state(given[key])
        for module in forgiving:
            module._run_state_hooks("load_post", result)
        complain("though a hook looked at it")
        return result

    # --- acting on the whole tree ------------------------------------------------------------------------

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module, children first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Training mode: dropout drops, batch norm uses the batch's statistics."""
        if not isinstance(mode, bool):
            raise ArgumentError(f"train: mode must be True or False, not {mode!r:.40}")
        self.training = mode
        for module in self.children():
            module.train(mode)  # which a subclass may override, to keep a part as it is
        return self

    def eval(self) -> Self:
        """Evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for gradients of all parameters, or (False) freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to zeros."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad = Tensor(np.zeros_like(parameter.array))

    def to(
        self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False
    ) -> Self:  # fmt: skip
        """Convert floating parameters and buffers: `model.to(tg.float64)`; "cpu" is the only device."""
        args = args if device is None else (*args, device)

        def convert(tensor: Tensor) -> Tensor:
            converted = tensor.to(*args, dtype=dtype)
            if converted.dtype.kind != "f" and tensor.dtype.kind == "f":
                raise ArgumentError(f"to: parameters must stay floats, not {converted.dtype}")
            return converted if tensor.dtype.kind == "f" else tensor

        return self._apply(convert)

    def to_empty(self, *, device: Any = None, recurse: bool = True) -> Self:
        """The module itself: what it holds has its memory already."""
        return self if device is None else self.to(device)

    def share_memory(self) -> Self:
        """The module itself: threads share all there is."""
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Put fn(tensor) into every parameter, its gradient, and every buffer; a subclass may add its own."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for _, tensor in (*self._own_parameters(), *self._own_buffers()):
            before = tensor.data
            after = fn(before)
            if after is not before:
                tensor.data = after
                tensor.writes = after.writes
            if tensor.grad is not None:
                tensor.grad = fn(tensor.grad.detach())
        return self

    def type(self, dst_type: Any) -> Self:
        """The same as `to(dtype)`."""
        return self.to(dtype=dst_type)

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    def half(self) -> Self:
        """Convert to float16."""
        return self.to(np.float16)

    def cpu(self) -> Self:
        """The module itself; there is no other device."""
        return self

    # --- showing -----------------------------------------------------------------------------------------

    def graph(self, *inputs: Any, **options: Any) -> Any:
        """Run on the inputs and draw what was recorded; options as in `graph.to_dot`.

        Returns a Drawing, which shows itself in notebooks and has `.save("graph.svg")`.
        """
        drawing = import_module("tinygrad_cnn.graph")  # by name: the drawing stands on us, not we on it
        with enable_grad():
            return drawing.draw_call(self, inputs, **options)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses in the repr; layers override it."""
        return ""

    def __repr__(self) -> str:
        return self._text([(f"({name})", repr(m)) for name, m in self._parts() if isinstance(m, Module)])

    def _text(self, parts: Iterable[tuple[str, str]]) -> str:
        lines = [f"{name}: {text}".replace("\n", "\n  ") for name, text in parts]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        if extra := self.extra_repr():
            lines.insert(0, extra)
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[0].isdigit()]


def _open(name: str, held: Any, found: list[tuple[str, Any]]) -> None:
    if _PLAIN.issuperset(map(type, held.values() if isinstance(held, dict) else held)):
        return
    for key, value in held.items() if isinstance(held, dict) else enumerate(held):
        if isinstance(value, (Module, Parameter)):
            found.append((f"{name}.{key}", value))
        elif isinstance(value, (list, tuple, dict)):
            _open(f"{name}.{key}", value, found)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _checked(owner: str, module: Any) -> Module:
    if not isinstance(module, Module):
        cure = "functions go into forward, or use the layer's class"
        said = getattr(module, "__name__", None) or f"{module!r:.40}"
        if isinstance(module, (list, tuple)):
            said, cure = f"a {type(module).__name__}", f"unpack it: {owner}(*layers)"
        raise ArgumentError(f"{owner}: {said} is no Module; {cure}")
    return module


# --- loading -------------------------------------------------------------------------------------------


def _misfit(key: str, value: Any, own: Tensor, assign: bool) -> list[str]:
    """What is wrong with a value for this parameter or buffer."""
    if isinstance(value, _LAZY):
        return (
            [] if isinstance(own, _LAZY) else [f"  {key}: the file has no shape yet, the model {own.shape}"]
        )
    kinds = own.dtype.kind if assign else "fiub"
    fits = isinstance(own, _LAZY) or value.shape == own.shape
    if fits and value.dtype.kind in kinds:
        return []
    shape = "no shape yet" if isinstance(own, _LAZY) else own.shape
    return [f"  {key}: the file has {value.shape} {value.dtype}, the model {shape} {own.dtype}"]


def _put(module: Module, name: str, own: Tensor, value: Any, assign: bool) -> None:
    """Load one value that fits."""
    if isinstance(value, _LAZY):
        return
    if assign and "." not in name:  # what is in a list is written to
        value = value if isinstance(value, Tensor) else Tensor(np.asarray(value))
        if isinstance(own, Parameter):
            value = value if isinstance(value, Parameter) else Parameter(value)
            value.requires_grad_(own.requires_grad)
        setattr(module, name, value)
        return
    if isinstance(own, _LAZY):
        own.materialize(value.shape)
    with no_grad():
        own.copy_(value if isinstance(value, Tensor) else Tensor(value))


def _part_of(module: Module, name: str) -> tuple[Any, Any]:
    """(dict or list, key) of what is called so: "weight", or "layers.0" in a list."""
    holder: Any = vars(module)
    *way, last = name.split(".")
    for step in way:
        holder = holder[int(step) if isinstance(holder, (list, tuple)) else step]
    return holder, int(last) if isinstance(holder, list) else last

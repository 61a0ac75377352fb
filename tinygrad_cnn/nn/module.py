"""Module: a tree of parts that holds parameters and knows how to compute forward.

Parameters, buffers and submodules are found by looking at the attributes (and into lists, tuples and
dicts among them) when somebody asks, so assignment is plain Python and nothing can get out of step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Self

import numpy as np

from ..errors import ArgumentError, DtypeError, Error, StateDictError
from ..tape import Handle, Scope, enable_grad, no_grad, state
from ..tensor import Parameter, Tensor, _tensor

__all__ = ["IncompatibleKeys", "Module", "ModuleDict", "ModuleList", "Sequential"]


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


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
    _buffers: Mapping[str, bool] = {}  # name -> persistent
    _pre_hooks: Mapping[int, Any] = {}
    _hooks: Mapping[int, Any] = {}

    def __init__(self) -> None:
        pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = state.scope = Scope(self, state.scope)
        try:
            if self._pre_hooks:
                for pre_hook in tuple(self._pre_hooks.values()):
                    changed = pre_hook(self, args)
                    if changed is not None:
                        args = changed if isinstance(changed, tuple) else (changed,)
            out = self.forward(*args, **kwargs)
            if self._hooks:
                for hook in tuple(self._hooks.values()):
                    changed = hook(self, args, out)
                    out = out if changed is None else changed
            return out
        except Error as error:
            if error.where is None:
                path = scope.path
                error.where = path if path == scope.kind else f"{path} ({scope.kind})"
            raise
        finally:
            state.scope = scope.parent

    # --- looking ---------------------------------------------------------------------------------------

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of every attribute, with lists, tuples and dicts opened up: "layers.0"."""
        for name, value in vars(self).items():
            if not name.startswith("_"):
                yield from _open(name, value)

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
        return self._named_modules(prefix, remove_duplicate, set())

    def _named_modules(self, prefix: str, once: bool, above: set[int]) -> Iterator[tuple[str, Module]]:
        # With `once`, `above` is everything met so far, else only the way down here (which ends circles).
        if id(self) in above:
            return
        above = above if once else above.copy()
        above.add(id(self))
        yield prefix, self
        for name, value in self._parts():
            if isinstance(value, Module):
                yield from value._named_modules(_join(prefix, name), once, above)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter): a module's own before its children's, a shared one once."""
        return self._named(lambda m: m._own_parameters(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(path, tensor) of what `register_buffer` registered."""
        return self._named(lambda m: m._own_buffers(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return ((name, value) for name, value in self._parts() if isinstance(value, Parameter))

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        return ((name, t) for name in self._buffers if (t := getattr(self, name)) is not None)

    def _named(self, own: Callable[[Module], Any], prefix: str, recurse: bool, once: bool) -> Iterator[Any]:
        modules = self.named_modules(prefix, remove_duplicate=once) if recurse else [(prefix, self)]
        seen = set()
        for path, module in modules:
            for name, tensor in own(module):
                if not (once and id(tensor) in seen):
                    seen.add(id(tensor))
                    yield _join(path, name), tensor

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "features.0"."""
        for path, module in self.named_modules(remove_duplicate=False):
            if path == target:
                return module
        raise self._absent("get_submodule", "module", target, self.named_modules())

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "features.0.weight"."""
        for path, parameter in self.named_parameters(remove_duplicate=False):
            if path == target:
                return parameter
        raise self._absent("get_parameter", "parameter", target, self.named_parameters())

    def _absent(self, name: str, kind: str, target: Any, there: Iterable[tuple[str, Any]]) -> ArgumentError:
        paths = ", ".join(path for path, _ in there if path)
        return ArgumentError(f"{name}: {type(self).__name__} has no {kind} {target!r}; it has {paths:.200}")

    # --- registering: for names made at run time, and for buffers --------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is no parameter but belongs to the state (unless not persistent)."""
        setattr(self, name, None if tensor is None else _tensor("register_buffer", tensor, str(name)))
        self._buffers = {**self._buffers, name: persistent}

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as assigning the attribute."""
        if param is not None and not isinstance(param, Parameter):
            raise DtypeError(
                f"register_parameter: {name} is of type {type(param).__name__}; make it an nn.Parameter(...)"
            )
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning the attribute."""
        setattr(self, name, module if module is None else _checked("add_module", module))

    register_module = add_module

    def register_forward_hook(self, hook: Callable[[Any, Any, Any], Any]) -> Handle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output."""
        return Handle(vars(self).setdefault("_hooks", {}), hook)

    def register_forward_pre_hook(self, hook: Callable[[Any, Any], Any]) -> Handle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments."""
        return Handle(vars(self).setdefault("_pre_hooks", {}), hook)

    # --- state -----------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Parameters and persistent buffers by path, sharing memory with the module; names are PyTorch's."""
        found: dict[str, Tensor] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            kept = ((name, tensor) for name, tensor in module._own_buffers() if module._buffers[name])
            for name, tensor in (*module._own_parameters(), *kept):
                found[_join(path, name)] = tensor.detach()
        return found

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into parameters and buffers, all or nothing.

        Raises:
            StateDictError: names every missing and unexpected key (with `strict`), and every entry of
                another shape (always), before anything is changed.
        """
        if not isinstance(state_dict, Mapping):
            raise StateDictError(
                f"load_state_dict: {state_dict!r:.40} is no dict of tensors; "
                "read a file with load(path) first, take a module's with .state_dict()"
            )
        own = self.state_dict()
        arrays = {key: np.asarray(value) for key, value in state_dict.items()}
        result = IncompatibleKeys([k for k in own if k not in arrays], [k for k in arrays if k not in own])
        misfits = [
            f"  {key}: the file has {a.shape} {a.dtype}, the model {own[key].shape} {own[key].dtype}"
            for key, a in arrays.items()
            if key in own and (a.shape != own[key].shape or a.dtype.kind not in "fiub")
        ]
        complaints = []
        if strict and result.missing_keys:
            complaints.append("missing: " + ", ".join(result.missing_keys))
        if strict and result.unexpected_keys:
            complaints.append("unexpected: " + ", ".join(result.unexpected_keys))
        if misfits:
            complaints.append("of another shape or kind:\n" + "\n".join(misfits))
        if complaints:
            raise StateDictError(
                f"load_state_dict: the state dict does not fit {type(self).__name__}, nothing was loaded; "
                + ";\n".join(complaints)
                + ("" if misfits else "\n(strict=False loads what does fit)")
            )
        with no_grad():
            for key, tensor in own.items():
                if key in arrays:
                    tensor.copy_(arrays[key])
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
        for module in self.modules():
            module.training = mode
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

    def to(self, *args: Any, dtype: Any = None) -> Self:
        """Convert floating parameters and buffers: `model.to(tg.float64)`; "cpu" is the only device."""
        for tensor in (*self.parameters(), *self.buffers()):
            converted = tensor.detach().to(*args, dtype=dtype)
            if converted.dtype.kind != "f" and tensor.dtype.kind == "f":
                raise ArgumentError(f"to: parameters must stay floats, not {converted.dtype}")
            if tensor.dtype.kind == "f" and converted.dtype != tensor.dtype:
                tensor.data = converted
                tensor.writes = converted.writes
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(converted.dtype)
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

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
            return drawing.draw(self(*inputs), module=self, **options)

    def extra_repr(self) -> str:
        """What stands between the parentheses in the repr; layers override it."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): {module!r}".replace("\n", "\n  ")
            for name, module in self._parts()
            if isinstance(module, Module)
        ]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        if extra := self.extra_repr():
            lines.insert(0, extra)
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


def _open(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _open(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _open(f"{name}.{key}", item)
    else:
        yield name, value


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


class _Container(Module):
    """A module whose parts are its attributes, named by number or key."""

    def _items(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _replace(self, modules: Iterable[Module]) -> None:
        """Hold these, numbered from 0, and no others."""
        if not isinstance(modules, Iterable):
            raise ArgumentError(
                f"{type(self).__name__}: {modules!r:.40} is no list of modules; put it in a list"
            )
        modules = [_checked(type(self).__name__, module) for module in modules]
        for name in self._items():
            delattr(self, name)
        for i, module in enumerate(modules):
            setattr(self, str(i), module)

    def __len__(self) -> int:
        return len(self._items())


def _checked(owner: str, module: Any) -> Module:
    if not isinstance(module, Module):
        cure = "functions go into forward, or use the layer's class"
        said = getattr(module, "__name__", None) or f"{module!r:.40}"
        if isinstance(module, (list, tuple)):
            said, cure = f"a {type(module).__name__}", f"unpack it: {owner}(*layers)"
        raise ArgumentError(f"{owner}: {said} is no Module; {cure}")
    return module


class ModuleList(_Container):
    """A list of modules: indexing, slicing, append, extend, insert.

    >>> import tinygrad_cnn as tg
    >>> layers = tg.nn.ModuleList(tg.nn.ReLU() for _ in range(3))
    >>> len(layers[1:])
    2
    """

    def __init__(self, modules: Iterable[Module] = ()):
        super().__init__()
        self._replace(modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items().values())

    def __getitem__(self, index: Any) -> Any:
        modules = list(self)
        return type(self)(modules[index]) if isinstance(index, slice) else modules[index]

    def __setitem__(self, index: int, module: Module) -> None:
        modules = list(self)
        modules[index] = module
        self._replace(modules)

    def __delitem__(self, index: Any) -> None:
        modules = list(self)
        del modules[index]
        self._replace(modules)

    def append(self, module: Module) -> Self:
        """Add one at the end."""
        self._replace([*self, module])
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several at the end."""
        self._replace([*self, *modules])
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put one before position `index`."""
        modules = list(self)
        modules.insert(index, module)
        self._replace(modules)


class Sequential(ModuleList):
    """Modules called one after another, given one by one or in a dict with names.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(12, 2))
    >>> model(tg.zeros(5, 3, 2, 2)).shape
    (5, 2)
    """

    def __init__(self, *modules: Any):
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], Mapping) else None
        if named is None:
            super().__init__(modules)
        else:
            super().__init__()
            for name, module in named.items():
                setattr(self, name, _checked("Sequential", module))

    def __getitem__(self, index: Any) -> Any:
        items = self._items()
        if isinstance(index, slice):
            return Sequential(dict(list(items.items())[index]))
        return list(items.values())[index]

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleDict(_Container):
    """Modules by key."""

    def __init__(self, modules: Mapping[str, Module] | None = None):
        super().__init__()
        self.update({} if modules is None else modules)

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add or replace several."""
        if not isinstance(modules, Mapping):
            raise ArgumentError(f"ModuleDict: {modules!r:.40} is no dict; pass one of names and modules")
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, key: str) -> Module:
        return self._items()[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(key, str) or not key or "." in key:
            raise ArgumentError(
                f"ModuleDict: the key {key!r} must be a string without dots; it becomes part of a path"
            )
        if hasattr(type(self), key):
            raise ArgumentError(f"ModuleDict: the key {key!r} is the name of a method; choose another")
        setattr(self, key, _checked("ModuleDict", module))

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def __contains__(self, key: str) -> bool:
        return key in self._items()

    def keys(self) -> Iterable[str]:
        """The keys in order of insertion."""
        return self._items().keys()

    def values(self) -> Iterable[Module]:
        """The modules in order of insertion."""
        return self._items().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(key, module) in order of insertion."""
        return self._items().items()

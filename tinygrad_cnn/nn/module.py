"""Module: a tree of parts that holds parameters and knows how to compute forward.

What its hooks are stands in hooks.py, how its state is saved and loaded in state.py.

Parameters, buffers and submodules are found by looking at the attributes (and into lists, tuples and
dicts among them) when somebody asks, so that nothing can get out of step.  Assignment only refuses to put
something else in the place of a parameter or a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from types import NoneType
from typing import Any, Self

import numpy as np

from ..errors import ArgumentError, DtypeError, Error
from ..switches import check_format
from ..tape import Scope, enable_grad, state
from ..tensor import Parameter, Tensor, _tensor
from .held import Held
from .hooks import run
from .parameter import Buffer
from .state import Stateful

__all__ = ["Module"]

_PLAIN = {bool, float, int, str, NoneType, np.ndarray, Tensor}


class Module(Stateful):
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
    # The buffers by name, and whether they go into a state dict; the instance gets its own with the first.
    _persistent: Mapping[str, bool] = {}

    def __init__(self) -> None:
        pass

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope = state.scope = Scope(self, state.scope)
        try:
            if self._hooks:
                return run(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Error as error:
            if error.where is None:
                error.where = str(scope)
            raise
        finally:
            state.scope = scope.parent

    # --- looking ---------------------------------------------------------------------------------------

    def _parts(self) -> tuple[list[tuple[str, Parameter]], list[tuple[str, Module]]]:
        """(name, part) of every parameter and every module, also in lists, tuples and dicts: "layers.0".

        Lists under a name with an underscore stay closed: what is in them is nobody else's business.
        """
        parameters: list[tuple[str, Parameter]] = []
        modules: list[tuple[str, Module]] = []
        for name, value in vars(self).items():
            kind = type(value)
            if kind in _PLAIN:  # most are, and this is quickly told
                continue
            if kind is tuple:  # the next most: the sizes of windows
                for each in value:
                    if type(each) not in _PLAIN:
                        _open(name, value, parameters, modules)
                        break
            elif isinstance(value, Parameter):
                parameters.append((name, value))
            elif isinstance(value, Module):
                modules.append((name, value))
            elif isinstance(value, (list, tuple, dict)):
                _open(name, value, parameters, modules)
        return parameters, modules

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules held directly, each once."""
        seen = set()
        for name, module in self._parts()[1]:
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules held directly."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below it."""
        return ((path, module) for path, module, _ in self._tree(prefix, remove_duplicate))

    def _tree(self, path: str, once: bool) -> list[tuple[str, Module, list[tuple[str, Parameter]]]]:
        """(path, module, its parameters) of this module and all below it."""
        found: list[tuple[str, Module, list[tuple[str, Parameter]]]] = []
        self._visit(path, once, set(), found)
        return found

    def _visit(self, path: str, once: bool, above: set[int], found: list[Any]) -> None:
        # With `once`, `above` is everything met so far, else only the way down here (which ends circles).
        if id(self) in above:
            return
        above = above if once else above.copy()
        above.add(id(self))
        parameters, modules = self._parts()
        found.append((path, self, parameters))
        for name, module in modules:
            module._visit(f"{path}.{name}" if path else name, once, above, found)

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
        return self._parts()[0]

    def _own_buffers(self) -> list[tuple[str, Tensor]]:
        return [(name, t) for name in self._persistent if (t := getattr(self, name)) is not None]

    def _own_state(self) -> list[tuple[str, Tensor]]:
        kept = [(name, tensor) for name, tensor in self._own_buffers() if self._persistent[name]]
        return [*self._own_parameters(), *kept]

    def _named(self, kind: type[Tensor], prefix: str, recurse: bool, once: bool) -> Iterator[Any]:
        tree = self._tree(prefix, once) if recurse else [(prefix, self, self._own_parameters())]
        seen = set()
        for path, module, parameters in tree:
            for name, tensor in parameters if kind is Parameter else module._own_buffers():
                if once:
                    if id(tensor) in seen:
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
        parameters, modules = self._parts()
        for name, part in (*parameters, *modules):
            if name == target:
                return part
        for name, module in modules:
            if target.startswith(f"{name}."):
                return module._find(target[len(name) + 1 :])
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
        self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False,
        memory_format: Any = None,
    ) -> Self:  # fmt: skip
        """Convert floating parameters and buffers: `model.to(tg.float64)`; "cpu" is the only device."""
        check_format("to", memory_format)
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

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: there is no compiler, and the kernels underneath are compiled already."""

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
        return self._text([(f"({name})", repr(module)) for name, module in self._parts()[1]])

    def _text(self, parts: Iterable[tuple[str, str]]) -> str:
        lines = [f"{name}: {text}".replace("\n", "\n  ") for name, text in parts]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        if extra := self.extra_repr():
            lines.insert(0, extra)
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[0].isdigit()]


def _open(name: str, held: Any, parameters: list[Any], modules: list[Any]) -> None:
    if name[:1] == "_":
        return
    for key, value in held.items() if isinstance(held, dict) else enumerate(held):
        if type(value) in _PLAIN:
            continue
        if isinstance(value, Parameter):
            parameters.append((f"{name}.{key}", value))
        elif isinstance(value, Module):
            modules.append((f"{name}.{key}", value))
        elif isinstance(value, (list, tuple, dict)):
            _open(f"{name}.{key}", value, parameters, modules)


def _checked(owner: str, module: Any) -> Module:
    if not isinstance(module, Module):
        cure = "functions go into forward, or use the layer's class"
        said = getattr(module, "__name__", None) or f"{module!r:.40}"
        if isinstance(module, (list, tuple)):
            said, cure = f"a {type(module).__name__}", f"unpack it: {owner}(*layers)"
        raise ArgumentError(f"{owner}: {said} is no Module; {cure}")
    return module

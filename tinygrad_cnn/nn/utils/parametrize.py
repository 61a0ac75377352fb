"""Parameters that are computed from others.

A parametrization is a module: forward computes what the layer sees, right_inverse goes back when somebody
assigns.  The layer's class gets a property under the parameter's name, so that others pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ...errors import ArgumentError, ShapeError
from ...tape import no_grad
from ...tensor import Parameter, Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "type_before_parametrizations",
]  # fmt: skip

_cache: dict[tuple[int, str], Any] = {}
_caching = 0


@contextmanager
def cached() -> Iterator[None]:
    """Inside of `with cached():`, what was computed once is not computed again."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, first to last, and what they start from: `original`, or
    `original0`, `original1`, ... where right_inverse returns several."""

    def __init__(self, modules: Any, original: Tensor, unsafe: bool = False):
        super().__init__(modules)
        self.unsafe, self.ntensors = unsafe, None
        inverted = self._inverse(original, needed=False)
        self.ntensors = None if isinstance(inverted, Tensor) else len(inverted)
        for name, value in self._entries(inverted):
            if not isinstance(value, Tensor):
                raise ArgumentError(f"parametrize: right_inverse returned {value!r:.40}; it returns tensors")
            if not isinstance(original, Parameter):
                self.register_buffer(name, value)
            elif self.ntensors is None:
                with no_grad():
                    original.data = value.detach()
                setattr(self, name, original)  # the same object, which an optimizer may hold
            else:
                setattr(self, name, Parameter(value.detach(), original.requires_grad))

    def _entries(self, values: Any) -> list[tuple[str, Any]]:
        if isinstance(values, Tensor):
            return [("original", values)]
        return [(f"original{i}", value) for i, value in enumerate(values)]

    @property
    def is_tensor(self) -> bool:
        """Whether there is one original."""
        return self.ntensors is None

    def _items(self) -> dict[str, Any]:
        return {name: module for name, module in super()._items().items() if name.isdigit()}

    def _originals(self) -> list[Tensor]:
        names = ["original"] if self.ntensors is None else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    @no_grad()
    def _inverse(self, value: Any, needed: bool = True) -> Any:
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    if needed:
                        raise
            elif needed:
                raise ArgumentError(
                    f"parametrize: {type(module).__name__} does not define right_inverse(self, value), "
                    "so nothing can be assigned"
                )
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Let the originals be such that forward returns `value`."""
        inverted = self._inverse(value)
        values = [inverted] if self.is_tensor else list(inverted)
        for name, new, original in zip(["original"] * len(values), values, self._originals(), strict=True):
            if not isinstance(new, Tensor) or new.shape != original.shape:
                raise ShapeError(f"parametrize: {name} {original.shape} cannot become {new!r:.60}")
            original.data = new.detach()

    def forward(self) -> Tensor:
        value: Any = self._originals()
        first, *others = self
        value = first(*value)
        for module in others:
            value = module(value)
        return value


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        if not _caching:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set)


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Any:
    """Compute `module.<tensor_name>` by a module from now on; returns the (changed) module.

    The tensor itself is then `module.parametrizations.<tensor_name>.original`.  Several can be put one
    on another.

    Args:
        module: what holds the tensor.
        tensor_name: the name of a parameter or a buffer.
        parametrization: forward(original) gives what the module sees; right_inverse(value), if it has one,
            the original (or several) that gives value.
        unsafe: allow another shape or dtype than the original's.

    >>> import tinygrad_cnn as tg
    >>> class Symmetric(tg.nn.Module):
    ...     def forward(self, w):
    ...         return (w + w.T) / 2
    >>> layer = tg.nn.utils.parametrize.register_parametrization(tg.nn.Linear(3, 3), "weight", Symmetric())
    >>> (layer.weight == layer.weight.T).all(), list(layer.state_dict())
    (tensor(True), ['bias', 'parametrizations.weight.original'])
    """
    caller = "register_parametrization"
    if not isinstance(parametrization, Module):
        raise ArgumentError(
            f"{caller}: {parametrization!r:.40} is no Module; subclass Module and define forward"
        )
    if is_parametrized(module, tensor_name):
        parts = module.parametrizations[tensor_name]
        if not (unsafe or parts.unsafe):
            value = getattr(module, tensor_name)
            _same(caller, tensor_name, value, parametrization(value))
        parts.append(parametrization)
        parts.unsafe |= unsafe
        return module
    held = vars(module).get(tensor_name)
    if not isinstance(held, Tensor) or not (isinstance(held, Parameter) or tensor_name in module._persistent):
        raise ArgumentError(f"{caller}: {type(module).__name__} has no parameter or buffer {tensor_name!r}")
    before = held.detach()
    parametrization.train(module.training)
    parts = ParametrizationList([parametrization], held, unsafe)
    if not unsafe:
        with no_grad():
            computed = parts()
        try:
            _same(caller, tensor_name, before, computed)
        except Exception:
            held.data = before
            raise
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = parts
    _reclass(module)
    return module


def _reclass(module: Any) -> None:
    """Give the module a class with the properties that it needs."""
    names = tuple(module.parametrizations) if is_parametrized(module) else ()
    plain = type_before_parametrizations(module)
    module.__class__ = _parametrized(plain, names) if names else plain


@cache
def _parametrized(plain: Any, names: tuple[str, ...]) -> type[Module]:
    """A class does not change once it is made, since copies of a module share it."""
    body: dict[str, Any] = {name: _property(name) for name in names}
    body |= {
        "_plain": plain,
        "__reduce_ex__": _reduce,
        "__module__": plain.__module__,
        "__doc__": plain.__doc__,
    }
    return type(f"Parametrized{plain.__name__}", (plain,), body)


def _reduce(self: Any, protocol: Any) -> Any:
    return _again, (type_before_parametrizations(self), tuple(self.parametrizations)), vars(self)


def _again(plain: Any, names: tuple[str, ...]) -> Any:
    cls = _parametrized(plain, names)
    return cls.__new__(cls)


def _same(caller: str, name: str, before: Tensor, after: Any) -> None:
    if not isinstance(after, Tensor) or (after.shape, after.dtype) != (before.shape, before.dtype):
        said = f"{after.shape} {after.dtype}" if isinstance(after, Tensor) else repr(after)[:40]
        raise ShapeError(
            f"{caller}: {name} is {before.shape} {before.dtype}, the parametrization makes {said} of it; "
            "they must be alike, or pass unsafe=True"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations (of this tensor)."""
    parts = vars(module).get("parametrizations")
    return isinstance(parts, ModuleDict) and (bool(parts) if tensor_name is None else tensor_name in parts)


def type_before_parametrizations(module: Module) -> Any:
    """The module's class without parametrizations."""
    return getattr(type(module), "_plain", type(module))


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a plain tensor again of what was computed; with `leave_parametrized=False`, of the original."""
    if not is_parametrized(module, tensor_name):
        raise ArgumentError(
            f"remove_parametrizations: {type(module).__name__}.{tensor_name} has no parametrization"
        )
    parts = module.parametrizations[tensor_name]
    if not leave_parametrized and not parts.is_tensor:
        raise ArgumentError(
            f"remove_parametrizations: {tensor_name} is computed from {parts.ntensors} tensors, "
            "none of which could be left; use leave_parametrized=True"
        )
    first = parts._originals()[0]
    with no_grad():
        value = getattr(module, tensor_name).detach() if leave_parametrized else first.detach()
    if isinstance(first, Parameter):
        tensor: Any = first if parts.is_tensor else Parameter(value, first.requires_grad)
        tensor.data = value
    del module.parametrizations[tensor_name]
    _reclass(module)
    if not module.parametrizations:
        del module.parametrizations
    if isinstance(first, Parameter):
        module.register_parameter(tensor_name, tensor)
    else:
        module.register_buffer(tensor_name, value)
    return module

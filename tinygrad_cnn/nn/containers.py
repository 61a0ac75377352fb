"""Modules that hold modules or parameters: lists, dicts, and one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import groupby
from operator import index
from typing import Any, Self

from ..errors import ArgumentError
from ..tensor import Parameter, Tensor
from .module import Module, _checked

__all__ = ["DataParallel", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Parts(Module):
    """A module whose parts are its attributes, named by number or key."""

    def _items(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def __len__(self) -> int:
        return len(self._items())


class _Numbered(_Parts):
    """Parts in a row."""

    def _part(self, part: Any) -> Any:
        """What is kept of what is given."""
        return _checked(type(self).__name__, part)

    def _replace(self, parts: Iterable[Any]) -> None:
        """Hold these, numbered from 0, and no others."""
        if not isinstance(parts, Iterable):
            kind = type(self).__name__
            raise ArgumentError(f"{kind}: {parts!r:.40} is no list of modules; put it in a list")
        parts = [self._part(part) for part in parts]
        for name in self._items():
            delattr(self, name)
        for i, part in enumerate(parts):
            setattr(self, str(i), part)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items().values())

    def __getitem__(self, index: Any) -> Any:
        parts = list(self)[index]
        kind: Any = type(self)
        return kind(parts) if isinstance(index, slice) else parts

    def __setitem__(self, index: Any, part: Any) -> None:
        setattr(self, list(self._items())[index], self._part(part))

    def __delitem__(self, index: Any) -> None:
        parts = list(self)
        del parts[index]
        self._replace(parts)

    def __iadd__(self, parts: Iterable[Any]) -> Self:
        return self.extend(parts)

    def append(self, part: Any) -> Self:
        """Add one at the end."""
        setattr(self, str(len(self)), self._part(part))
        return self

    def extend(self, parts: Iterable[Any]) -> Self:
        """Add several at the end."""
        if not isinstance(parts, Iterable):
            raise ArgumentError(f"{type(self).__name__}.extend: {parts!r:.40} is no list; put it in one")
        for part in list(parts):
            self.append(part)
        return self

    def insert(self, index: int, part: Any) -> Any:
        """Put one before position `index`; all are numbered again."""
        parts = list(self)
        parts.insert(index, part)
        self._replace(parts)

    def pop(self, key: Any) -> Any:
        """Take one (or a slice) out, and return it; all are numbered again."""
        part = self[key]
        del self[key]
        return part


class ModuleList(_Numbered):
    """A list of modules, and of None where there is none: indexing, slicing, append, extend, insert, pop, +.

    >>> import tinygrad_cnn as tg
    >>> layers = tg.nn.ModuleList(tg.nn.ReLU() for _ in range(3))
    >>> len(layers[1:])
    2
    >>> layers
    ModuleList(
      (0-2): 3 x ReLU()
    )
    """

    def __init__(self, modules: Iterable[Module | None] | None = None):
        super().__init__()
        self._replace(() if modules is None else modules)

    def _part(self, part: Any) -> Any:
        return None if part is None else super()._part(part)

    def _items(self) -> dict[str, Any]:
        own = vars(self).items()
        return {name: x for name, x in own if isinstance(x, Module) or (x is None and name.isdigit())}

    def __add__(self, other: Iterable[Module | None]) -> Self:
        return type(self)([*self, *other])

    def __repr__(self) -> str:
        rows, first = [], 0
        for text, same in groupby(map(repr, self)):
            n = len(list(same))
            rows.append((f"({first})", text) if n == 1 else (f"({first}-{first + n - 1})", f"{n} x {text}"))
            first += n
        return self._text(rows)


class Sequential(_Numbered):
    """Modules called one after another, given one by one or in a dict with names.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(12, 2))
    >>> model(tg.zeros(5, 3, 2, 2)).shape
    (5, 2)
    """

    def __init__(self, *modules: Any):
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, _checked("Sequential", module))
        else:
            self._replace(modules)

    def __getitem__(self, index: Any) -> Any:
        items = list(self._items().items())[index]
        return type(self)(dict(items)) if isinstance(index, slice) else items[1]

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *self._sequence(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(self._sequence(other))

    def __mul__(self, times: int) -> Sequential:
        """The same modules over and over, with the same weights."""
        return Sequential(*list(self) * self._times(times))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend(list(self) * (self._times(times) - 1))

    def insert(self, index: int, part: Any) -> Self:
        """Put one before position `index`, and return the whole; all are numbered again."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Sequential.insert: {index} is outside of {-len(self)} to {len(self)}")
        super().insert(index, part)
        return self

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    @staticmethod
    def _sequence(other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            raise ArgumentError(
                f"Sequential: + takes another Sequential, not {other!r:.40}; append(module) one"
            )
        return other

    @staticmethod
    def _times(times: Any) -> int:
        if index(times) < 1:
            raise ArgumentError(f"Sequential: {times} times its modules are none; repeat it at least once")
        return index(times)


class DataParallel(Module):
    """The module itself, on the one device there is; paths of its parameters begin with "module."

    >>> import tinygrad_cnn as tg
    >>> list(DataParallel(tg.nn.Linear(1, 1)).state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0):
        super().__init__()
        self.module = _checked("DataParallel", module)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class _Keyed(_Parts, MutableMapping[str, Any]):
    """Parts by key."""

    __eq__, __hash__ = object.__eq__, object.__hash__  # a module is equal to itself only

    def __getitem__(self, key: str) -> Any:
        return self._items()[key]

    def __setitem__(self, key: str, part: Any) -> None:
        kind = type(self).__name__
        if not isinstance(key, str) or not key or "." in key:
            raise ArgumentError(
                f"{kind}: the key {key!r} must be a string without dots; it becomes part of a path"
            )
        if hasattr(type(self), key):
            raise ArgumentError(f"{kind}: the key {key!r} is the name of a method; choose another")
        setattr(self, key, part)

    def __delitem__(self, key: str) -> None:
        self[key]
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())

    def update(self, parts: Any = (), /, **more: Any) -> None:
        """Add or replace several: a dict, or pairs of key and part."""
        if not isinstance(parts, Iterable):
            kind = type(self).__name__
            raise ArgumentError(f"{kind}: {parts!r:.40} is no dict; pass one of names and modules")
        super().update(parts, **more)


class ModuleDict(_Keyed):
    """Modules by key: what a dict can do.

    >>> import tinygrad_cnn as tg
    >>> heads = tg.nn.ModuleDict({"a": tg.nn.ReLU(), "b": tg.nn.Tanh()})
    >>> heads.pop("a"), list(heads)
    (ReLU(), ['b'])
    """

    def __init__(self, modules: Mapping[str, Module] | None = None):
        super().__init__()
        self.update({} if modules is None else modules)

    def __setitem__(self, key: str, module: Any) -> None:
        super().__setitem__(key, _checked("ModuleDict", module))


def _parameter(value: Any) -> Any:
    """Tensors become parameters, other things stay what they are."""
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


class _Anything(_Parts):
    """Parts need not be modules, nor even parameters."""

    def _items(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("training", *_MACHINERY)}

    def __repr__(self) -> str:
        lines = []
        for name, value in self._items().items():
            if isinstance(value, Tensor):
                size = "x".join(map(str, value.shape))
                text = f"{type(value).__name__} containing: [{value.dtype} of size {size}]"
            elif isinstance(value, Module):
                text = repr(value)
            else:
                text = f"Object of type: {type(value).__name__}"
            lines.append(f"\n    ({name}): {text}")
        return f"{type(self).__name__}({''.join(lines)}" + "\n)" * bool(lines) + ")" * (not lines)


_MACHINERY = ("_persistent", "_hooks", "_state_hooks")


class ParameterList(_Anything, _Numbered):
    """A list of parameters: tensors become parameters, other objects are kept as they are.

    >>> import tinygrad_cnn as tg
    >>> scales = tg.nn.ParameterList([tg.ones(2), tg.zeros(3)])
    >>> [name for name, _ in scales.named_parameters()]
    ['0', '1']
    """

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(() if values is None else values)

    def _part(self, part: Any) -> Any:
        return _parameter(part)

    def __setitem__(self, index: Any, part: Any) -> None:
        if isinstance(part, Tensor):
            super().__setitem__(index, part)
            return
        name = list(self._items())[index]
        vars(self)[name] = part


class ParameterDict(_Anything, _Keyed):
    """Parameters by key: what a dict can do; tensors become parameters, other objects stay as they are.

    >>> import tinygrad_cnn as tg
    >>> scales = tg.nn.ParameterDict({"left": tg.ones(2)})
    >>> scales["right"] = tg.zeros(2)
    >>> list(scales.state_dict())
    ['left', 'right']
    """

    def __init__(self, parameters: Any = None):
        super().__init__()
        self.update({} if parameters is None else parameters)

    def __setitem__(self, key: str, part: Any) -> None:
        if not isinstance(part, Tensor):
            vars(self).pop(key, None)
        super().__setitem__(key, _parameter(part))

    def update(self, parts: Any = (), /, **more: Any) -> None:
        """Add or replace several: pairs in their order, a plain dict in the order of its keys."""
        super().update(dict(sorted(parts.items())) if type(parts) is dict else parts, **more)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._items())

    def __or__(self, other: Any) -> ParameterDict:
        return ParameterDict(self._items() | dict(other))

    def __ror__(self, other: Any) -> ParameterDict:
        return ParameterDict(dict(other) | self._items())

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def popitem(self) -> tuple[str, Any]:
        """Take out the last one: (key, value)."""
        if not self:
            raise KeyError("ParameterDict: there is nothing left to pop")
        key = next(reversed(self))
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Another dict of the same parameters."""
        return ParameterDict(self._items())

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new one with `default` under every key."""
        return ParameterDict(dict.fromkeys(keys, default))

"""What a module holds, as the dicts that programs for PyTorch read and write: `_modules` and its like.

The module itself has no such dicts; these look when they are asked, and set or delete its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

__all__ = ["Held"]


class Held(MutableMapping[str, Any]):
    """Attributes of one kind by name, in the order in which they came.

    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(2, 2), tg.nn.ReLU())
    >>> model._modules["1"] = tg.nn.Tanh()
    >>> model._modules
    {'0': Linear(in_features=2, out_features=2, bias=True), '1': Tanh()}
    """

    def __init__(self, module: Any, read: Callable[[], dict[str, Any]], put: Callable[[str, Any], None]):
        self._module, self._read, self._put = module, read, put

    def __getitem__(self, name: str) -> Any:
        held = self._read()
        if name in held:
            return held[name]
        if vars(self._module).get(name, self) is None:  # such as the bias of a layer without one
            return None
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._put(name, value)

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def popitem(self) -> tuple[str, Any]:
        """Take out the last one: (name, value)."""
        for name in reversed(self):
            return name, self.pop(name)
        raise KeyError("there is nothing left to pop")

    def __repr__(self) -> str:
        return repr(self._read())

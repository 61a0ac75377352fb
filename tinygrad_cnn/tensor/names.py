"""NumPy's words for PyTorch's: `axis` is `dim`, `keepdims` is `keepdim`, where PyTorch takes them too."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import isfunction
from typing import Any, TypeVar, cast

from ..errors import ArgumentError

__all__ = ["WORDS", "numpy_names", "numpy_names_of"]

F = TypeVar("F", bound=Callable[..., Any])

WORDS = {"axis": "dim", "keepdims": "keepdim"}

# Methods that know PyTorch's words alone: there as here, and two that are too short for a second call.
STRICT = {"norm", "split", "unflatten", "unique", "unique_consecutive"} | {"size", "stride"}


def numpy_names(function: F, takes: Callable[..., Any] | None = None) -> F:
    """The same function, whose `dim` may be called `axis`, and its `keepdim` `keepdims`.

    What stands at its place costs nothing but the call.  `takes` has the parameters, if `function` hands on
    whatever it is given; where there is neither dim nor keepdim, the function stays as it is.

    >>> import tinygrad_cnn as tg
    >>> tg.ones(2, 3).sum(axis=1, keepdims=True).shape
    (2, 1)
    """
    code = (takes or function).__code__
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    words = [(word, name, parameters.index(name)) for word, name in WORDS.items() if name in parameters]
    if not words:
        return function

    @wraps(function)
    def renamed(*args: Any, **options: Any) -> Any:
        if options:
            for word, name, place in words:
                if word in options:
                    if name in options or len(args) > place:
                        raise ArgumentError(
                            f"{function.__name__}: {word} is another word for {name}, and both are given; "
                            "leave one out"
                        )
                    options[name] = options.pop(word)
        return function(*args, **options)

    return cast(F, renamed)


def numpy_names_of(cls: type) -> None:
    """Let the methods of a class take NumPy's words; `x.name_` takes what `x.name` does."""
    plain = {name: method for name in dir(cls) if isfunction(method := getattr(cls, name))}
    for name, method in plain.items():
        takes = plain.get(name.rstrip("_"))
        if takes is not None and name.rstrip("_") not in STRICT and not name.startswith("_"):
            setattr(cls, name, numpy_names(method, takes))

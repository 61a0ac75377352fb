"""A module as a function of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ArgumentError
from ...tensor import Tensor
from ..module import Module
from ..state import join

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None, kwargs: Mapping[str, Any] | None = None, *, tie_weights: bool = True,
    strict: bool = False,
) -> Any:  # fmt: skip
    """`module(*args, **kwargs)` with other tensors in the place of its parameters and buffers, for this call.

    Args:
        module: is left as it was.
        parameter_and_buffer_dicts: tensors by path, in one dict or several; gradients flow to them.
        args: a tuple, or the one argument.
        kwargs: keyword arguments.
        tie_weights: what stands in for a shared parameter does so in all its places.
        strict: all parameters and buffers must be given, and nothing else.

    >>> import tinygrad_cnn as tg
    >>> weight = tg.full((1, 2), 3.0, requires_grad=True)
    >>> layer = tg.nn.Linear(2, 1, bias=False)
    >>> tg.func.functional_call(layer, {"weight": weight}, tg.ones(1, 2))
    tensor([[6.]], grad_fn=<LinearBackward0>)
    """
    dicts = parameter_and_buffer_dicts
    given: dict[str, Tensor] = {}
    for several in (dicts,) if isinstance(dicts, Mapping) else dicts:
        if twice := given.keys() & several.keys():
            raise ArgumentError(f"functional_call: {', '.join(sorted(twice))} stands in two of the dicts")
        given |= several
    places = {
        join(path, name): (*_part_of(owner, name), tensor)
        for path, owner in module.named_modules(remove_duplicate=False)
        for name, tensor in (*owner._own_parameters(), *owner._own_buffers())
    }
    missing, unknown = places.keys() - given.keys(), given.keys() - places.keys()
    given = {key: value for key, value in given.items() if key in places}
    if strict and (unknown or missing):
        said = (
            f"has no {', '.join(sorted(unknown))}" if unknown else f"also needs {', '.join(sorted(missing))}"
        )
        raise ArgumentError(f"functional_call: {type(module).__name__} {said}")
    instead = {id(places[key][2]): value for key, value in given.items()} if tie_weights else {}
    for key, value in given.items():
        if tie_weights and instead[id(places[key][2])] is not value:
            raise ArgumentError(
                f"functional_call: {key} is shared, and gets two different tensors; "
                "give one, or pass tie_weights=False"
            )
    swapped = []
    try:
        for key, (holder, name, tensor) in places.items():
            new = given.get(key, instead.get(id(tensor)))
            if new is not None:
                swapped.append((holder, name, tensor))
                holder[name] = new
        return module(
            *(args if isinstance(args, tuple) else () if args is None else (args,)), **(kwargs or {})
        )
    finally:
        for holder, name, tensor in reversed(swapped):
            holder[name] = tensor


def _part_of(module: Module, name: str) -> tuple[Any, Any]:
    """(dict or list, key) of what is called so: "weight", or "layers.0" in a list."""
    holder: Any = vars(module)
    *way, last = name.split(".")
    for step in way:
        holder = holder[int(step) if isinstance(holder, (list, tuple)) else step]
    return holder, int(last) if isinstance(holder, list) else last

"""Nested state as named arrays and a *skeleton*: what .npz and .safetensors make of a checkpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..creation import from_numpy
from ..errors import ArgumentError, DtypeError, FileFormatError
from ..tensor import Tensor
from .arrays import CURE, storable

__all__ = ["SKELETON", "enter", "no_place", "parse_json", "put_together", "simple", "take_apart"]

SKELETON = "tinygrad_cnn"


def take_apart(obj: Any) -> tuple[dict[str, np.ndarray], str | None]:
    """The arrays of a tree by name, and the JSON of the rest; None for a flat dict of arrays."""
    if isinstance(obj, Mapping) and all(
        isinstance(key, str) and _is_plain(key) and isinstance(value, (Tensor, np.ndarray))
        for key, value in obj.items()
    ):
        return {key: storable(value, f"[{key!r}]") for key, value in obj.items()}, None
    tensors: dict[str, np.ndarray] = {}
    try:
        tree = _skeleton(obj, "", "", tensors, frozenset())
        skeleton = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ArgumentError("save: the tree is nested too deeply; flatten it") from None
    return tensors, skeleton


def _skeleton(
    value: Any, where: str, name: str, tensors: dict[str, np.ndarray], outer: frozenset[int]
) -> Any:
    if isinstance(value, (Tensor, np.ndarray)):
        if not _is_plain(name) or name in tensors:
            name = next(f"tensor.{i}" for i in range(len(tensors) + 1) if f"tensor.{i}" not in tensors)
        tensors[name] = storable(value, where)
        return {"tensor": name}
    value = simple(value)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if not isinstance(value, (Mapping, list, tuple)):
        raise no_place(value, where)
    outer = enter(value, where, outer)

    def inner(key: Any, entry: Any) -> Any:
        return _skeleton(entry, f"{where}[{key!r}]", f"{name}.{key}".lstrip("."), tensors, outer)

    if not isinstance(value, Mapping):
        entries = [inner(i, entry) for i, entry in enumerate(value)]
        return entries if isinstance(value, list) else {"tuple": entries}
    for key in value:
        if not isinstance(key, (str, int)):
            raise DtypeError(
                f"save: the dict at {where or 'the top'} has the key {key!r} of type {type(key).__name__}; "
                "use strings or integers"
            )
    if all(isinstance(key, str) for key in value):
        return {"dict": {key: inner(key, entry) for key, entry in value.items()}}
    return {"items": [[key, inner(key, entry)] for key, entry in value.items()]}


def simple(value: Any) -> Any:
    """Python's number in the place of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def no_place(value: Any, where: str) -> DtypeError:
    """The error for what no format stores, with the cure."""
    cure = "use Tensors, arrays, numbers, strings, None, and dicts, lists and tuples of them"
    if hasattr(value, "state_dict"):
        cure = "save its state_dict(), and make it by calling its class"
    return DtypeError(
        f"save: the value at {where or 'the top'} is a {type(value).__name__}, which needs pickle; {cure}"
    )


def enter(value: Any, where: str, outer: frozenset[int]) -> frozenset[int]:
    """The containers around what is in `value`, which must not be one of those around itself."""
    if id(value) in outer:
        raise ArgumentError(f"save: the {type(value).__name__} at {where} contains itself; a file cannot")
    return outer | {id(value)}


def put_together(arrays: dict[str, np.ndarray], skeleton: str | None, path: str) -> Any:
    """The tree again, with Tensors over these arrays."""
    tensors = {name: from_numpy(array) for name, array in arrays.items()}
    if skeleton is None:
        return tensors
    unused = set(tensors)

    def build(node: Any) -> Any:
        if isinstance(node, list):
            return [build(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            kind, value = next(iter(node.items()))
            if kind == "tensor" and isinstance(value, str) and value in tensors:
                unused.discard(value)
                return tensors[value]
            if kind == "float" and value in ("nan", "inf", "-inf"):
                return float(value)
            if kind == "tuple" and isinstance(value, list):
                return tuple(build(entry) for entry in value)
            if kind == "dict" and isinstance(value, dict):
                return {key: build(entry) for key, entry in value.items()}
            if kind == "items" and isinstance(value, list):
                pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
                if len(pairs) == len(value) and all(isinstance(key, (str, int)) for key, _ in pairs):
                    return {key: build(entry) for key, entry in pairs}
        raise FileFormatError(
            f"{path}: its skeleton has the unknown or dangling entry {str(node)[:80]}; {CURE}"
        )

    try:
        tree = build(parse_json(skeleton, path))
    except RecursionError:
        raise FileFormatError(f"{path}: its skeleton is nested too deeply; {CURE}") from None
    if unused:
        raise FileFormatError(
            f"{path}: its skeleton does not mention the tensors {sorted(unused)[:5]}; {CURE}"
        )
    return tree


def _is_plain(name: str) -> bool:
    """Whether both formats keep this name as it is."""
    return (
        name not in ("", "__metadata__")
        and name.isprintable()  # neither NUL, which ends a name in an archive, nor half of a surrogate pair
        and "\\" not in name  # an archive on Windows turns it into a slash
        and len(name.encode()) < 60_000  # an archive's names are shorter than 64 KiB
    )


def parse_json(text: str | bytes, path: str) -> Any:
    """Strictly: no name twice, no NaN.  FileFormatError for anything else."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) != len(dict(pairs)):
            raise ValueError("a name appears twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:  # ValueError: also bad UTF-8, and integers of 5,000 digits
        raise FileFormatError(f"{path}: its JSON header is damaged ({error}); {CURE}") from None

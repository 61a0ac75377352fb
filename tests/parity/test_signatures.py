"""Parameters have PyTorch's names, order and defaults, wherever PyTorch says what its own are.

Functions of Python's have a signature, those of C++ one schema for each way to call them.  What is left out
or called otherwise is in OTHERWISE, with the reason; nothing else may be.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from parity.test_coverage import NAMESPACES, at, covered  # noqa: E402

import tinygrad_cnn as tg  # noqa: E402

P = inspect.Parameter

# Parameters of devices, dtypes and memory stand behind the others here and are tested where they are used.
EVERYWHERE = {
    "self", "device", "dtype", "generator", "layout", "memory_format", "non_blocking", "out", "pin_memory",
    "reduce", "size_average", "stable", "_stacklevel",
}  # fmt: skip

# Ways to call that a program does not write: of Python's numbers alone, of lists, of names of axes.
INNER = {"Scalar_Scalar", "Tensor_list", "left_t", "right_"}

OTHERWISE = {
    "no file can run code, so nothing is pickled": ("load save"),
    "one function for what are two there, or of numbers as well as of tensors": (
        "hsplit vsplit dsplit tensor_split split max min result_type std std_mean var var_mean "
        "Tensor.hsplit Tensor.vsplit Tensor.dsplit Tensor.tensor_split Tensor.split Tensor.max "
        "Tensor.min Tensor.std Tensor.var scatter Tensor.scatter where"
    ),
    "with fewer numbers the last stands first": ("randint_like"),
    "`from` is a word of Python's": ("Tensor.random_ Tensor.uniform_"),
    "the matrix is x, as everywhere": ("linalg.det linalg.inv linalg.slogdet"),
    "`other` and `alpha` as they are documented": ("add sub subtract Tensor.add Tensor.sub Tensor.subtract"),
    "there is one precision": ("addmm baddbmm bmm mm Tensor.addmm Tensor.baddbmm Tensor.bmm Tensor.mm"),
    "there is one algorithm, and nothing is sparse": ("cdist gather Tensor.gather"),
    "what is left out is documented, and the same": ("nan_to_num Tensor.nan_to_num sort Tensor.sort"),
    "dim is asked for, or the last": (
        "nn.Softmax nn.Softmin nn.LogSoftmax nn.functional.log_softmax nn.functional.softmax "
        "nn.functional.softmin"
    ),
    "a parameter is one of something": ("nn.Parameter nn.parameter.Parameter"),
    "schemas of another use": ("tensor Tensor.copy_"),
    "names of long ago": ("nn.Hardtanh"),
    "a walk without notes of one's own": ("nn.Module.modules nn.Module.named_modules"),
    "it is a parameter, and kept": ("nn.UninitializedBuffer nn.parameter.UninitializedBuffer"),
}
EXCUSED = {name for names in OTHERWISE.values() for name in names.split()}

Row = tuple[str, bool, bool, Any]  # name, by name only, has a default, the default


def by_inspection(function: Any) -> list[P] | None:
    """The parameters, where Python knows them."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    return None if found and all(p.kind in (P.VAR_POSITIONAL, P.VAR_KEYWORD) for p in found) else found


def by_schema(namespace: str, name: str) -> Iterator[list[Row]]:
    """The parameters of each way to call a function of C++ with tensors."""
    operator = f"aten::{'linalg_' if namespace == 'linalg' else ''}{name}"
    schemas = torch._C._jit_get_schemas_for_operator(operator)
    of_tensors = [s for s in schemas if any("Tensor" in str(a.type) for a in s.arguments)]
    for schema in of_tensors or [s for s in schemas if "a" not in [x.name for x in s.arguments]]:
        if any(a.is_out for a in schema.arguments) or schema.overload_name in INNER:
            continue
        if namespace == "Tensor" and schema.arguments[0].name != "self":
            continue
        yield [(a.name, a.kwarg_only, a.has_default_value(), a.default_value) for a in schema.arguments]


def plain(default: Any) -> Any:
    """A default that can be compared: lists as tuples, functions by name; no axes are all axes."""
    default = tuple(default) if isinstance(default, list) else default
    return None if default == () else getattr(default, "__name__", default)


def misfits(mine: list[P], wanted: list[Row]) -> list[str]:
    """In what a signature differs from what is wanted."""
    first, of_one = mine, bool(wanted) and wanted[0][0] in ("self", "input")
    if (mine and mine[0].name == "self") or of_one:
        first = mine[1:]  # what it is a function of has no name
        wanted = wanted[of_one:]
    names = [p.name for p in first if p.name not in EVERYWHERE]
    if "size_average" in [row[0] for row in wanted]:  # which nobody should give, nor what stands behind it
        behind = next(i for i, row in enumerate(wanted) if row[0] == "size_average")
        wanted = [*wanted[:behind], *((name, True, has, value) for name, _, has, value in wanted[behind:])]
    wanted = [row for row in wanted if row[0] not in EVERYWHERE]
    if any(p.kind is P.VAR_KEYWORD for p in first):
        return []
    open_ended = any(p.kind is P.VAR_POSITIONAL for p in first)
    by_place = [name for name, by_name, *_ in wanted if not by_name]
    found = []
    for name, by_name, has_default, default in wanted:
        if name not in names:
            found += [] if open_ended else [f"no {name}"]
            continue
        p = next(p for p in first if p.name == name)
        moved = not by_name and (p.kind is P.KEYWORD_ONLY or names.index(name) != by_place.index(name))
        if moved and not open_ended:
            found.append(f"{name} stands elsewhere")
        if has_default and p.default is not P.empty and plain(p.default) != plain(default):
            found.append(f"{name}={p.default!r}, there {default!r}")
        if has_default and p.default is P.empty:
            found.append(f"{name} has no default")
    return found


def deviations(namespace: str) -> dict[str, list[str]]:
    """Name -> in what its signature differs, for what a namespace has in common with PyTorch's."""
    found = {}
    for name in sorted(covered(namespace)):
        mine, theirs = getattr(at(tg, namespace), name), getattr(at(torch, NAMESPACES[namespace]), name)
        if not (callable(mine) and callable(theirs)):
            continue
        own, other = by_inspection(mine), by_inspection(theirs)
        if own is None:
            continue
        if other is None:
            if namespace not in ("", "Tensor", "linalg"):
                continue
            ways = list(by_schema(namespace, name))
        else:
            kinds = (P.VAR_POSITIONAL, P.VAR_KEYWORD)
            ways = [
                [
                    (p.name, p.kind is P.KEYWORD_ONLY, p.default is not P.empty, p.default)
                    for p in other
                    if p.kind not in kinds
                ]
            ]
        wrong = sorted({text for way in ways for text in misfits(own, way)})
        if wrong:
            found[f"{namespace}.{name}".removeprefix(".")] = wrong
    return found


FOUND = {namespace: deviations(namespace) for namespace in NAMESPACES}


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_signatures_are_pytorchs(namespace: str) -> None:
    assert {name: wrong for name, wrong in FOUND[namespace].items() if name not in EXCUSED} == {}


def test_excuses_are_needed() -> None:
    assert sorted(EXCUSED - {name for found in FOUND.values() for name in found}) == []


def test_the_comparison_sees_what_is_wrong() -> None:
    def mine(self: Any, dim: int = 0, *, keep: bool = False) -> None: ...

    own = by_inspection(mine)
    assert own is not None
    row = ("dim", False, True, 0)
    assert misfits(own, [row]) == []
    assert misfits(own, [("axis", False, False, None)]) == ["no axis"]
    assert misfits(own, [("dim", False, True, 1)]) == ["dim=0, there 1"]
    assert misfits(own, [row, ("keep", False, True, False)]) == ["keep stands elsewhere"]
    assert misfits(own, [("first", False, False, None), row]) == ["no first", "dim stands elsewhere"]
    assert sum(1 for name in covered("Tensor") for _ in by_schema("Tensor", name)) > 300

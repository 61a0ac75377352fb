"""Parameters have PyTorch's names, order and defaults, wherever PyTorch says what its own are.

Functions of Python's have a signature, those of C++ one schema for each way to call them.  What is left out
or called otherwise is in OTHERWISE, with the reason; nothing else may be.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parity.both import same  # noqa: E402
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
        "hsplit vsplit dsplit tensor_split max min result_type std std_mean var var_mean "
        "Tensor.hsplit Tensor.vsplit Tensor.dsplit Tensor.tensor_split Tensor.max "
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
    if (mine and mine[0].name in ("self", "input")) or of_one:
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


def test_forward_takes_its_arguments_by_pytorchs_names() -> None:
    found, base = {}, tg.nn.Module
    for name in sorted(covered("nn")):
        mine, theirs = getattr(tg.nn, name), getattr(torch.nn, name)
        if inspect.isclass(mine) and issubclass(mine, base) and mine.forward is not base.forward:
            own, wanted = (list(inspect.signature(m.forward).parameters) for m in (mine, theirs))
            if own[: len(wanted)] != wanted and own[-1] != "named":  # who hands on whatever has a name
                found[name] = (own, wanted)
    assert found == {}


def test_what_a_function_is_a_function_of_has_pytorchs_name() -> None:
    """Given that alone, PyTorch misses nothing, or something else."""
    functions = [name for name in sorted(covered("")) if inspect.isfunction(getattr(tg, name))]
    functions = [name for name in functions if callable(getattr(tg.Tensor, name, None))]
    assert len(functions) > 180
    for name in functions:
        first = next(iter(inspect.signature(getattr(tg, name)).parameters))
        try:
            getattr(torch, name)(**{first: torch.ones(2, 2)})
        except TypeError as error:
            said = str(error)
            assert (
                ("missing" in said and f'"{first}"' not in said)
                or f"(Tensor {first}" in said
                or ("unrecognized" in said and f"{name}(input=x" in " ".join(BY_NAME))
            ), (name, said)
        except RuntimeError:
            pass  # of the shape, or the dtype


# Calls of two tensors, x of (2, 3) and y of (2, 3), that name their arguments.
BY_NAME = """
x.reshape(shape=(3, 2))  t.reshape(x, shape=(3, 2))  t.reshape(input=x, shape=(6,))  x.view(size=(3, 2))
x.repeat(repeats=(2, 1))  x[:1].expand(size=(4, 3))  x[:1].broadcast_to(size=(2, 3))  x.tile(dims=(2,))
t.broadcast_to(x, size=(2, 2, 3))  t.broadcast_to(input=x, size=(2, 3))  x.permute(dims=(1, 0))
t.zeros(size=(2, 3))  t.ones(size=[2, 3])  t.empty(size=(2, 0))  t.zeros(size=())
t.rand(size=(2, 3)) * 0  t.randn(size=(2, 3)) * 0  t.randint(high=3, size=(2, 3)) * 0
x.new_zeros(size=(2,))  x.new_ones(size=(2,))  x.new_empty(size=(0,))  x.new_full(size=(2,), fill_value=3)
t.arange(end=4)  t.arange(end=4, start=1)  t.arange(start=0, end=1, step=0.25)
t.linspace(start=0, end=1, steps=3)  t.logspace(start=0, end=1, steps=3)
x.split(split_size=1, dim=1)[2]  t.split(tensor=x, split_size_or_sections=[1, 2], dim=1)[1]
t.relu(input=x)  t.sum(input=x, dim=0)  t.max(input=x, dim=1).indices  t.softmax(input=x, dim=1)
t.matmul(input=x, other=y.T)  t.mm(input=x, mat2=y.T)  t.clamp(input=x, min=0)  t.pow(input=x, exponent=2)
t.add(input=x, other=y, alpha=2)  t.sub(input=x, other=y)  t.mul(input=x, other=y)  t.eq(input=x, other=y)
t.addmm(input=x[:, :2], mat1=x, mat2=y.T)  t.addcmul(input=x, tensor1=x, tensor2=y, value=2)
t.addcdiv(input=x, tensor1=x, tensor2=y)  t.addmv(input=x[:, 0], mat=x, vec=y[0])
t.addr(input=x, vec1=x[:, 0], vec2=y[0])  t.addbmm(input=x[:, :2], batch1=x[None], batch2=y.T[None])
t.baddbmm(input=x[None, :, :2], batch1=x[None], batch2=y.T[None])
t.gather(input=x, dim=1, index=t.tensor([[0], [1]]))  t.where(condition=x > 0, input=x, other=y)
t.flatten(input=x, start_dim=0)  t.unsqueeze(input=x, dim=0)  t.transpose(input=x, dim0=0, dim1=1)
t.std(input=x, dim=0)  t.topk(input=x, k=2).values  t.norm(input=x, p=2)  t.cumsum(input=x, dim=1)
t.nn.ReLU()(input=x)  t.nn.Flatten(0)(input=x)  t.nn.MSELoss()(input=x, target=y)  t.nn.MaxPool1d(2)(input=x)
""".replace("\n", "  ").split("  ")


@pytest.mark.parametrize("call", [call for call in BY_NAME if call])
def test_arguments_by_name(call: str) -> None:
    values = np.random.default_rng(0).standard_normal((2, 2, 3)).astype(np.float32)
    results = [eval(call, {"t": t, "x": t.tensor(values[0]), "y": t.tensor(values[1])}) for t in (tg, torch)]
    same(*results)


def test_sizes_are_given_once() -> None:
    for call in (
        lambda: tg.zeros(2, size=(2,)),
        lambda: tg.ones(2).reshape(2, shape=(2,)),
        lambda: tg.ones(2).repeat(2, repeats=(2,)),
    ):
        with pytest.raises(tg.errors.ArgumentError, match="given twice"):
            call()


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

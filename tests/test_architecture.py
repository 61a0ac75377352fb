"""The house keeps its own rules: one direction of imports, complete public names, nothing without a proof."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import tinygrad_cnn
from docs import gen_ops
from docs.figures import make_layers
from tinygrad_cnn.op import Op, registry
from tinygrad_cnn.testing.cases import CASES

MODULES = sorted(
    ["tinygrad_cnn", *(info.name for info in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn."))]
)
FAMILIES = [
    "shape",
    "elementwise",
    "reduce",
    "linalg",
    "conv",
    "pool",
    "resample",
    "activation",
    "norm",
    "loss",
]
OPS = {name: op for name, op in registry.items() if op.__module__.startswith("tinygrad_cnn.ops.")}


# --- imports point one way -------------------------------------------------------------------------


def test_every_module_has_its_place_in_the_order():
    found = {file.stem for file in make_layers.PACKAGE.iterdir() if (file.suffix == ".py" or file.is_dir())}
    assert {name for name in found if not name.startswith("_")} == set(make_layers.ORDER)


@pytest.mark.parametrize("module", make_layers.ORDER)
def test_a_module_imports_only_from_those_before_it(module):
    rank = make_layers.ORDER.index(module)
    below = set(make_layers.ORDER[:rank])
    assert make_layers.layer_imports()[module] <= below


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_ops_uses_only_those_before_it(family):
    used = make_layers.imports(make_layers.PACKAGE / "ops" / f"{family}.py")
    assert {path.removeprefix("ops.") for path in used if path.startswith("ops.")} <= set(
        FAMILIES[: FAMILIES.index(family)]
    )


def test_the_families_are_all_there():
    assert {file.stem for file in (make_layers.PACKAGE / "ops").glob("[!_]*.py")} == set(FAMILIES)


def test_kernels_know_no_tensors():
    assert make_layers.layer_imports()["kernels"] <= {"errors", "geometry"}


def test_the_drawn_layers_are_the_real_ones():
    committed = (make_layers.HERE / "layers.dot").read_text(encoding="utf-8")
    assert committed == make_layers.dot(), "run: python docs/figures/make_layers.py"


def test_importing_the_package_leaves_the_heavy_ones_alone():
    heavy = ["matplotlib", "graphviz", "tqdm", "PIL", "hypothesis", "pytest", "torch", "numpy.random"]
    heavy += ["threadpoolctl"]
    code = f"import sys, tinygrad_cnn; print(*[name for name in {heavy} if name in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert out == []


# --- public names ----------------------------------------------------------------------------------


def as_ruff_sorts(name: str) -> tuple[int, list[str | int]]:
    """CONSTANTS, Classes, functions; int8 before int16 (ruff's RUF022, which can mend a list by itself)."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_listed_and_sorted(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__, key=as_ruff_sorts) == module.__all__
    assert len(set(module.__all__)) == len(module.__all__)
    assert [n for n in module.__all__ if not hasattr(module, n)] == []


@pytest.mark.parametrize(
    "name", [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")]
)
def test_a_package_lists_all_that_it_gathers(name):
    """And nothing by accident: what is not public is imported under a name with an underscore."""
    module = importlib.import_module(name)
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    gathered = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            gathered |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            gathered.add(node.name)
    assert sorted(n for n in gathered if not n.startswith("_") and n not in module.__all__) == []


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_and_class_says_what_it_does(name):
    module = importlib.import_module(name)
    assert module.__doc__
    public = {n: getattr(module, n) for n in module.__all__}
    told = {
        n: x for n, x in public.items() if inspect.isroutine(x) or inspect.isclass(x) or isinstance(x, Op)
    }
    assert [n for n, x in told.items() if not (x.__doc__ or "").strip()] == []


# --- ops -------------------------------------------------------------------------------------------


def test_there_are_ops():
    assert len(OPS) > 50


def test_every_op_has_a_strategy():
    assert sorted(set(OPS) - set(CASES)) == []


def test_every_strategy_is_of_an_op():
    assert sorted(set(CASES) - set(registry)) == []


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_has_a_docs_entry_with_its_own_rule(name):
    op = OPS[name]
    entry = gen_ops.entry(op)
    assert entry.startswith(f"### {name}\n")
    assert gen_ops.prose(inspect.cleandoc(op.__doc__ or "")) in entry
    rules = entry.rpartition(".vjp(")[2]
    for row in op.rows:
        assert f"{row}=" in rules or (op.joint and op.joint.function.__name__ in rules)


def test_the_reference_lists_all_ops():
    page = gen_ops.page()
    assert [name for name in OPS if f"\n### {name}\n" not in page] == []


def test_every_module_with_public_names_has_its_place_in_the_reference():
    pages = "".join(
        page.read_text(encoding="utf-8") for page in (make_layers.HERE.parent / "reference").glob("*.md")
    )
    shown = set(re.findall(r"^::: ([\w.]+)", pages, re.M))
    told = {name for name in MODULES if any(name == s or name.startswith(f"{s}.") for s in shown)}
    generated = {"tinygrad_cnn", *(name for name in MODULES if name.startswith("tinygrad_cnn.ops"))}
    arrays = {name for name in MODULES if name.startswith("tinygrad_cnn.kernels")}
    assert sorted(set(MODULES) - told - generated - arrays) == []


def test_layers_made_from_a_table_are_in_the_reference():
    page = gen_ops.on_page_markdown(
        (make_layers.HERE.parent / "reference" / "nn.md").read_text(encoding="utf-8")
    )
    assert [n for n in ("ReLU", "GELU", "Softmax", "MSELoss", "DiceLoss") if f"### {n}\n" not in page] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_every_op_of_a_family_is_registered_and_public(family):
    """An op defined again under the same name would silently replace the first in the registry."""
    module = importlib.import_module(f"tinygrad_cnn.ops.{family}")
    own = {n: x for n, x in vars(module).items() if isinstance(x, Op) and x.__module__ == module.__name__}
    assert own
    for name, op in own.items():
        assert registry[op.name] is op
        assert name in module.__all__

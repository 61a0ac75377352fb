"""Draw docs/figures/layers.svg: the package from the ground up, and who really imports whom.

    python docs/figures/make_layers.py

LAYERS is the one direction of imports: a module imports from those before it, never from one after it.
tests/test_architecture.py holds the code to it, and this picture to both.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent.parent / "tinygrad_cnn"

# Bands from the ground up; in each, modules in the order of imports.
LAYERS: dict[str, dict[str, str]] = {
    "ground": {
        "errors": "every error on purpose",
        "devices": "the CPU, and no other",
        "switches": "what makes no difference",
        "random": "one seed, one place",
        "files": "written whole or not at all",
        "return_types": "several results, by name",
    },
    "arrays": {
        "geometry": "every window's integers",
        "kernels": "ndarray → ndarray",
    },
    "differentiation": {
        "tape": "what was computed, where",
        "op": "a function and its rules",
        "ops": "forward and rule, side by side",
        "engine": "backward, grad",
        "anomaly": "NaN, where it is born",
    },
    "tensors": {
        "tensor": "an array with a past",
        "creation": "tensor(), zeros(), cat()",
        "several": "einsum(), meshgrid()",
        "linalg": "norms, inverses",
        "autograd": "PyTorch's spelling",
        "amp": "no half precision",
    },
    "networks": {
        "nn": "modules, layers",
        "func": "modules as functions",
        "optim": "optimizers, schedules",
        "data": "images, batches",
        "utils": "data, checkpoints",
        "graph": "the tape, drawn",
        "serialization": "save, load",
        "vision": "pictures, filters, looking inside",
        "testing": "proofs for your ops",
        "models": "ResNet and others, known by name",
        "training": "fit, stop, go on",
    },
}
ORDER = [module for band in LAYERS.values() for module in band]
COLOURS = {
    "ground": "#eeeeee", "arrays": "#fde7c7", "differentiation": "#d5e8f5", "tensors": "#d3eee2",
    "networks": "#f3dcea",
}  # fmt: skip


@cache
def imports(file: Path) -> set[str]:
    """The modules of the package that this file imports when run, as dotted paths below the package.

    `from .x import y` counts as "x.y" where that is a module, else as "x".  Imports that only a type
    checker sees do not count; those inside functions do.
    """
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    found = set()
    for node in _running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            # one dot is the package the file is in, each further dot the one around it
            base = list(parts[: len(parts) - node.level]) if node.level else []
            names = (node.module or "").split(".") if node.module else []
            if not node.level:
                if names[:1] != [PACKAGE.name]:
                    continue
                names = names[1:]
            for alias in node.names:
                path = [*base, *names, alias.name]
                found.add(".".join(path if _is_module(path) else path[:-1]))
        elif isinstance(node, ast.Import):
            absolute = [
                alias.name.split(".")[1:] for alias in node.names if alias.name.split(".")[0] == PACKAGE.name
            ]
            found.update(".".join(path) for path in absolute)
    return found - {""}


def _running(node: ast.AST) -> list[ast.AST]:
    """All nodes below this one that are not under `if TYPE_CHECKING:`."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        found += [child, *_running(child)]
    return found


def _is_module(path: list[str]) -> bool:
    target = PACKAGE.joinpath(*path)
    return target.is_dir() or target.with_suffix(".py").is_file()


@cache
def layer_imports() -> dict[str, set[str]]:
    """For each module of ORDER, the ones it imports."""
    needs: dict[str, set[str]] = {module: set() for module in ORDER}
    for file in sorted(PACKAGE.rglob("*.py")):
        module = file.relative_to(PACKAGE).with_suffix("").parts[0]
        if module in needs:
            needs[module] |= {path.split(".")[0] for path in imports(file)} - {module}
    return needs


def without_shortcuts(needs: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out what is reached through another import anyway, so that the picture can be read."""
    reach: dict[str, set[str]] = {}
    for module in ORDER:
        reach[module] = needs[module].union(*(reach.get(other, set()) for other in needs[module]))
    return {
        module: {a for a in direct if not any(a in reach[b] for b in direct if b != a)}
        for module, direct in needs.items()
    }


def dot() -> str:
    """The picture as DOT text."""
    lines = [
        "digraph layers {",
        '  rankdir=BT; nodesep=0.25; ranksep=0.45; bgcolor="transparent"; pad=0.1',
        '  node [shape=box style="rounded,filled" penwidth=0 fontname="Helvetica" margin="0.16,0.09"]',
        '  edge [color="#9a9a9a" arrowsize=0.6]',
    ]
    for band, modules in LAYERS.items():
        for module, text in modules.items():
            label = f'<<b>{module}</b><br/><font point-size="9" color="#555555">{text}</font>>'
            lines.append(f'  "{module}" [label={label} fillcolor="{COLOURS[band]}"]')
    ground = list(LAYERS["ground"])  # everything may stand on it: arrows from there would hide the others
    lines.append("  { rank=min; " + "; ".join(f'"{module}"' for module in ground) + " }")
    for module, direct in without_shortcuts(layer_imports()).items():
        lines += [f'  "{other}" -> "{module}"' for other in sorted(direct - set(ground), key=ORDER.index)]
    # Where nothing visible is below a module, hold it in its band all the same.
    for module in ORDER[len(ground) :]:
        if not layer_imports()[module] - set(ground):
            below = ground[1] if module in (*LAYERS["arrays"], *LAYERS["differentiation"]) else "tensor"
            lines.append(f'  "{below}" -> "{module}" [style=invis]')
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    from tinygrad_cnn.graph import Drawing

    (HERE / "layers.dot").write_text(dot(), encoding="utf-8")
    Drawing(dot()).save(HERE / "layers.svg")

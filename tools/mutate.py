"""Break every backward rule in turn, and see whether the tests notice.

    python tools/mutate.py                     # every rule of ops/: some minutes
    python tools/mutate.py --only norm         # one family
    python tools/mutate.py --only engine       # backward itself

A mutant is the package with one expression of one rule, or of a helper that rules use, changed: a sign
flipped, a term dropped, operands swapped, a factor doubled, a comparison turned, keepdim or an axis off by
one.  Each lives in a process of its own (a fork, so not on Windows), where the changed file takes the place
of the right one in memory; nothing is written.  All tests of ops and engine run until one fails, those of
the op concerned first.  For control, every file also takes its own place unchanged: that must survive.

Prints a table, and the survivors with the reason why nobody can tell them apart from the right rule; exits
with 1 if one has no reason.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import os
import signal
import sys
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/test_ops_gradients.py", "tests/test_ops_values.py", "tests/test_engine.py")
PATIENCE = 600  # seconds for one mutant; one that takes longer is noticed
ENGINE = {"_pull", "_contributions", "_hooked", "_fit", "_leading_to", "_seed", "backward", "grad"}

#: "file: where: before -> after": why nobody can tell the difference.
EQUIVALENT: dict[str, str] = {
    "activation: prelu.vjp(w): values(x) > 0 -> values(x) >= 0": "x is 0 there, and so is g x",
    **{
        f"elementwise: {extreme}.vjp({x}): eq(x, y) -> eq(y, x)": "equality is symmetric"
        for extreme in ("maximum", "minimum")
        for x in "xy"
    },
    "elementwise: _pow_x: 0.0 -> 1.0": "differs in the mixed second derivative of 0**0, and there is none",
    "reduce: mean.vjp(x): max(1, _count(x_shape, dim)) -> max(_count(x_shape, dim), 1)": "max is symmetric",
    "reduce: _std_x: 1.0 -> 2.0": "the numerator is 0 there",
}


@dataclass(frozen=True)
class Mutant:
    file: Path  # below ROOT
    where: str  # the rule or the helper
    change: str
    source: str  # of the whole file
    ops: tuple[str, ...]  # whose checks should notice first

    @property
    def key(self) -> str:
        return f"{self.file.stem}: {self.where}: {self.change}"


# --- what to change ------------------------------------------------------------------------------------

FLIPPED: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,),
    ast.Gt: (ast.LtE, ast.GtE), ast.Lt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Lt, ast.Gt), ast.LtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Other nodes to put in the place of this one."""

    def altered(**fields: object) -> ast.AST:
        new = copy.copy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    match node:
        case ast.BinOp():
            yield from (altered(op=flipped()) for flipped in FLIPPED.get(type(node.op), ()))
            yield node.left
            yield node.right
        case ast.BoolOp():
            yield from (altered(op=flipped()) for flipped in FLIPPED[type(node.op)])
        case ast.UnaryOp():
            yield node.operand
        case ast.Compare(ops=[comparison]):
            yield from (altered(ops=[flipped()]) for flipped in FLIPPED[type(comparison)])
        case ast.Constant(value=bool()):
            yield altered(value=not node.value)
        case ast.Constant(value=int() | float()):
            yield altered(
                value=node.value * 2 if isinstance(node.value, float) and node.value else node.value + 1
            )
        case ast.Call(args=[first, second, *rest]) if not isinstance(first, ast.Starred):
            yield altered(args=[second, first, *rest])
        case ast.IfExp():
            yield altered(body=node.orelse, orelse=node.body)
        case ast.Lambda() | ast.Return() if body := getattr(node, "body", getattr(node, "value", None)):
            if not isinstance(body, (ast.List, ast.ListComp, ast.Tuple, ast.GeneratorExp, ast.Compare)):
                field = "body" if isinstance(node, ast.Lambda) else "value"
                yield altered(**{field: ast.UnaryOp(ast.USub(), body)})
        case ast.Continue():
            yield ast.Pass()


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is in it, except for messages, annotations, defaults, and zip(strict=True)."""
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return
    yield node
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.Raise) or (
            name in ("annotation", "returns", "args") and isinstance(node, ast.FunctionDef)
        ):
            continue
        if name == "args" and isinstance(node, ast.Lambda):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from inside(child)


class Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


# --- where -----------------------------------------------------------------------------------------------


def names_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def rules(tree: ast.Module) -> Iterator[tuple[str, str, ast.AST]]:
    """(op, label, lambda or name of a function) of every row given to .vjp(...)."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=op), attr="vjp"), keywords=rows):
                yield from ((op, f"{op}.vjp({row.arg})", row.value) for row in rows)


def targets(file: Path, tree: ast.Module) -> Iterator[tuple[str, ast.AST, tuple[str, ...]]]:
    """(label, node, ops) of all that is to be broken in a file."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    if file.stem == "engine":
        yield from ((name, function, ()) for name, function in functions.items() if name in ENGINE)
        return
    plain = {name: f for name, f in functions.items() if not f.decorator_list}
    users: dict[str, list[str]] = {name: [] for name in plain}
    for op, label, rule in rules(tree):
        if isinstance(rule, ast.Lambda):
            yield label, rule, (op,)
        reached, open_ = set(), names_in(rule)
        while open_:
            name = open_.pop()
            if name in plain and name not in reached:
                reached.add(name)
                open_ |= names_in(plain[name])
        for name in reached:
            users[name].append(op)
    yield from ((name, plain[name], tuple(dict.fromkeys(ops))) for name, ops in users.items() if ops)


def mutants(file: Path) -> Iterator[Mutant]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    seen = set()
    for label, target, ops in targets(file, tree):
        for node in inside(target):
            for new in changes(node):
                change = f"{short(node)} -> {short(new)}"
                # Nodes are looked for by identity, so the tree is changed, printed and changed back.
                changed = ast.unparse(Put(node, new).visit(tree))
                Put(new, node).visit(tree)
                if changed not in seen:
                    seen.add(changed)
                    yield Mutant(file, label, change, changed, ops)


def short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:67] + "..."


# --- run -----------------------------------------------------------------------------------------------


def take_over(mutant: Mutant) -> None:
    """Let the changed file replace the right one, in everything that has been imported from it."""
    from tinygrad_cnn.op import Op

    module = importlib.import_module(".".join(mutant.file.with_suffix("").parts))
    before = dict(vars(module))
    exec(compile(mutant.source, str(mutant.file), "exec"), vars(module))
    for name, old in before.items():
        new = vars(module)[name]
        if isinstance(old, Op) and old.__module__ == module.__name__:
            old.forward, old.rows = new.forward, new.rows
            old.plans.clear()
        elif isinstance(old, types.FunctionType) and old.__module__ == module.__name__:
            old.__code__ = new.__code__
        vars(module)[name] = old
    # Rules of other files and the registry know the old ops, which now behave like the new ones.
    vars(sys.modules["tinygrad_cnn.op"])["registry"].update(
        {op.name: op for op in before.values() if isinstance(op, Op)}
    )


class Nearest:
    """For pytest: what tests the broken op comes first, so that most mutants are noticed within seconds."""

    def __init__(self, ops: tuple[str, ...]):
        self.ops = ops

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        def far(item: Any) -> bool:
            return getattr(item, "callspec", None) is None or item.callspec.params.get("name") not in self.ops

        items.sort(key=far)


def survives(mutant: Mutant) -> bool:
    """To be called in a process of its own, which it spoils."""
    import pytest

    try:
        take_over(mutant)
    except Exception:
        return False
    options = ["-x", "-q", "-p", "no:cacheprovider", "--assert=plain"]
    return pytest.main([*options, *TESTS], plugins=[Nearest(mutant.ops)]) == 0


def start(mutant: Mutant) -> int:
    """Fork; the child's exit status is 0 if the mutant survives."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.alarm(PATIENCE)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        status = 0 if survives(mutant) else 1
    except BaseException:
        status = 1
    os._exit(status)


def run(made: list[Mutant], processes: int) -> list[Mutant]:
    """The survivors."""
    waiting, running, survivors = list(reversed(made)), dict[int, Mutant](), []
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            running[start(mutant)] = mutant
        pid, status = os.wait()
        mutant = running.pop(pid)
        if status == 0:
            survivors.append(mutant)
            if mutant.change:
                print(f"survived: {mutant.key}", flush=True)
        done = len(made) - len(waiting) - len(running)
        if sys.stderr.isatty():
            print(f"\r{done}/{len(made)} ", end="", file=sys.stderr, flush=True)
    return sorted(survivors, key=made.index)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="families to break, such as norm,reduce; engine for backward itself")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="show the mutants and run nothing")
    options = parser.parse_args(argv)

    package = Path("tinygrad_cnn")
    files = sorted(f.relative_to(ROOT) for f in (ROOT / package / "ops").glob("[!_]*.py"))
    if options.only:
        wanted = options.only.split(",")
        files = [f for f in [*files, package / "engine.py"] if f.stem in wanted]
    made = [mutant for file in files for mutant in mutants(file)]
    if options.list:
        print(*(m.key for m in made), f"{len(made)} mutants", sep="\n")
        return 0

    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    sys.dont_write_bytecode = True
    os.environ |= {"HYPOTHESIS_PROFILE": "ci", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    for name in ("pytest", "tinygrad_cnn", "tinygrad_cnn.testing.cases"):
        importlib.import_module(name)  # here once, rather than in every child
    controls = [
        Mutant(f, "control", "", ast.unparse(ast.parse((ROOT / f).read_text("utf-8"))), ()) for f in files
    ]
    if len(run(controls, options.processes)) < len(files):
        print("the tests fail without any mutant")
        return 2

    survivors = run(made, options.processes)
    total, left = Counter(m.file.stem for m in made), Counter(m.file.stem for m in survivors)
    print(f"{'file':14}{'mutants':>8}{'killed':>8}{'survived':>10}")
    for name in [*total, "all"]:
        n, alive = (len(made), len(survivors)) if name == "all" else (total[name], left[name])
        print(f"{name:14}{n:8}{n - alive:8}{alive:10}")
    unexplained = 0
    for mutant in survivors:
        reason = EQUIVALENT.get(mutant.key)
        unexplained += reason is None
        print(f"\n{mutant.key}\n    {reason or 'NOT EXPLAINED: a test is missing'}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())

"""What can be broken in a file, and how: its mutants.

A mutant is the file with one place changed: a sign flipped, a term dropped, operands swapped, a number off by
one, a comparison turned, a condition negated, a loop one short, a statement left out.  Messages, annotations
and `zip(strict=True)` stay as they are: they change no result.

Every statement, lambda and branch of an `a if b else c` has a number, its *probe*.  `with_probes` is the file
with a call in each of these places that says "somebody was here", so that a run of the tests tells which of
them reach what.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["REACHED", "Mutant", "Source"]

REACHED = "__reached__"  # what probes call
FUNCTIONS = ast.FunctionDef, ast.Lambda


@dataclass(frozen=True, eq=False)
class Mutant:
    source: Source
    where: str  # the rule, function or constant
    change: str
    probes: frozenset[int]  # reached by whoever may notice
    place: tuple[ast.AST, str, int | None]  # parent, field, index in the field
    new: ast.AST

    @property
    def key(self) -> str:
        return f"{self.source.label}: {self.where}: {self.change}"

    def code(self) -> Any:
        """The changed file, compiled; to be called in a process that needs no other mutant."""
        put(self.place, self.new)
        return self.source.code(self.source.tree)


class Source:
    """A file of the package and all that can be broken in it."""

    def __init__(self, file: Path, label: str, probes: Iterator[int]):
        self.file, self.label = file, label
        self.tree = ast.parse(file.read_text(encoding="utf-8"))
        self.probes: list[int] = []
        self.number(probes)

    @property
    def module(self) -> str:
        return f"tinygrad_cnn.{self.label.replace('/', '.')}"

    def code(self, tree: ast.Module) -> Any:
        return compile(ast.fix_missing_locations(tree), str(self.file), "exec")

    def number(self, probes: Iterator[int]) -> None:
        for function in ast.walk(self.tree):
            if isinstance(function, FUNCTIONS):
                for node in ast.walk(function):
                    if node is function and isinstance(node, ast.FunctionDef):
                        continue  # a definition at the top is reached by nobody
                    if isinstance(node, (ast.stmt, ast.Lambda)) and not hasattr(node, "probe"):
                        self.mark(node, probes)
                    if isinstance(node, ast.IfExp):
                        for branch in (node.body, node.orelse):
                            if not hasattr(branch, "probe"):
                                self.mark(branch, probes)

    def mark(self, node: Any, probes: Iterator[int]) -> None:
        node.probe = next(probes)
        self.probes.append(node.probe)

    def with_probes(self) -> Any:
        return self.code(Probes().visit(copy.deepcopy(self.tree)))

    def mutants(self) -> list[Mutant]:
        """Each of them once, under a key of its own."""
        found, keys = [], Counter[str]()
        for where, target, place, probes in self.targets():
            for at, node, reached in inside(target, place, probes):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and not isinstance(target, FUNCTIONS)
                ):
                    continue  # a name or a text
                for new in changes(node):
                    change = told(at, node, new)
                    keys[f"{where}: {change}"] += 1
                    if (again := keys[f"{where}: {change}"]) > 1:
                        change += f" (#{again})"
                    found.append(Mutant(self, where, change, reached, at, new))
        return found

    def control(self) -> Mutant:
        """The file as it is: no test may notice."""
        place = (self.tree, "body", 0)
        return Mutant(self, "control", "nothing", frozenset(self.probes), place, self.tree.body[0])

    def targets(self) -> Iterator[tuple[str, ast.AST, Any, frozenset[int]]]:
        """(name, node, place, probes) of all that is to be broken."""
        for index, node in enumerate(self.tree.body):
            place = (self.tree, "body", index)
            match node:
                case ast.FunctionDef() | ast.ClassDef():
                    yield from functions(node, place, node.name)
                case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=op), attr="vjp"))):
                    for row in node.value.keywords:
                        yield f"{op}.vjp({row.arg})", row.value, (row, "value", None), frozenset()
                case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=value):
                    name = ast.unparse(target)
                    if not name.startswith("__") and value is not None:
                        yield name, value, (node, "value", None), self.readers(target)

    def readers(self, target: ast.AST) -> frozenset[int]:
        """The probes of what reads a constant."""
        names, found = names_in(target), set[int]()
        for node in self.tree.body:  # and of constants made of it
            if isinstance(node, ast.Assign) and names & names_in(node.value):
                names |= names_in(node.targets[0])
        for node in ast.walk(self.tree):
            if isinstance(node, FUNCTIONS) and names & names_in(node):
                found.add((node if isinstance(node, ast.Lambda) else node.body[0]).probe)  # type: ignore[union-attr]
        return frozenset(found)


def functions(node: ast.AST, place: Any, name: str) -> Iterator[tuple[str, ast.AST, Any, frozenset[int]]]:
    """The functions of a class, and of these the classes; or the function itself."""
    if isinstance(node, ast.FunctionDef):
        yield name, node, place, frozenset({node.body[0].probe})  # type: ignore[attr-defined]
        return
    for index, child in enumerate(getattr(node, "body", [])):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            yield from functions(child, (node, "body", index), f"{name}.{child.name}")


def put(place: tuple[ast.AST, str, int | None], node: ast.AST) -> None:
    parent, field, index = place
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def told(place: tuple[ast.AST, str, int | None], old: ast.AST, new: ast.AST) -> str:
    """What was and what is; of a small thing with what stands around it."""
    around = place[0]
    if not isinstance(old, (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp)):
        return f"{short(old)} -> {short(new)}"
    if not isinstance(around, (ast.expr, ast.keyword)):
        return f"{short(old)} -> {short(new)}"
    before = short(around)
    put(place, new)
    after = short(around)
    put(place, old)
    return f"{before} -> {after}"


def names_in(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:67] + "..."


# --- where -----------------------------------------------------------------------------------------------


def inside(
    node: ast.AST, place: Any, probes: frozenset[int]
) -> Iterator[tuple[Any, ast.AST, frozenset[int]]]:
    """The node and what is in it, each with its place and the probes next to it."""
    if isinstance(node, (ast.JoinedStr, ast.Raise)) or (
        isinstance(node, ast.keyword) and node.arg == "strict"
    ):
        if isinstance(node, ast.Raise):
            yield place, node, frozenset({node.probe})  # type: ignore[attr-defined]
        return
    if hasattr(node, "probe"):
        probes = frozenset({node.probe})
    yield place, node, probes
    if ast.unparse(node) == "-1" and isinstance(place[0], ast.Call):  # -2 means the same to reshape
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "targets", "target", "handlers", "decorator_list"):
            if field == "handlers":
                for handler in value:
                    for i, child in enumerate(handler.body):
                        yield from inside(child, (handler, "body", i), probes)
            if field == "decorator_list":
                for call in value:  # @op(elementwise=True)
                    if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "op":
                        for option in call.keywords:
                            yield (option, "value", None), option.value, probes
            if field in ("targets", "target") and not isinstance(node, ast.AnnAssign):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, ast.Subscript):
                        yield from inside(part.slice, (part, "slice", None), probes)
            continue
        if isinstance(node, ast.arguments) and field not in ("defaults", "kw_defaults"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST) and not is_docstring(child, node):
                yield from inside(child, (node, field, i if isinstance(value, list) else None), probes)


def is_docstring(child: ast.AST, parent: ast.AST) -> bool:
    return (
        isinstance(parent, ast.FunctionDef)
        and isinstance(child, ast.Expr)
        and isinstance(child.value, ast.Constant)
    )


class Probes(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Lambda):
            node.body = self.told(node.probe, node.body)  # type: ignore[attr-defined]
        if isinstance(node, ast.IfExp):
            node.body, node.orelse = (
                self.told(branch.probe, branch)  # type: ignore[attr-defined]
                for branch in (node.body, node.orelse)
            )
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                new: list[ast.stmt] = []
                for statement in statements:
                    if hasattr(statement, "probe"):
                        new.append(ast.Expr(self.call(statement.probe)))
                    new.append(statement)
                setattr(node, field, new)
        return node

    def call(self, probe: int) -> ast.expr:
        return ast.Call(ast.Name(REACHED, ast.Load()), [ast.Constant(probe)], [])

    def told(self, probe: int, value: ast.expr) -> ast.expr:
        return ast.BoolOp(ast.Or(), [self.call(probe), value])  # the call gives None


# --- what to change ------------------------------------------------------------------------------------

FLIPPED: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,), ast.LShift: (ast.RShift,), ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.BitXor: (ast.BitOr,),
    ast.Gt: (ast.LtE, ast.GtE), ast.Lt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Lt, ast.Gt), ast.LtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
}  # fmt: skip
PLURAL = ast.List, ast.ListComp, ast.Tuple, ast.GeneratorExp, ast.Compare, ast.Constant  # have no sign
OTHERS = {"all": "any", "floor": "ceil", "maximum": "minimum", "min": "max", "zeros_like": "ones_like"}
SYMMETRIC = {  # in their first two arguments
    "add", "array_equal", "eq", "max", "maximum", "min", "minimum", "multiply", "promote_types",
    "result_type", "swapaxes",
}  # fmt: skip
OTHERS |= {other: name for name, other in OTHERS.items()}


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
            for i in range(len(node.values)):
                rest = node.values[:i] + node.values[i + 1 :]
                yield altered(values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp():
            yield node.operand
        case ast.Compare():
            for i, comparison in enumerate(node.ops):
                for flipped in FLIPPED[type(comparison)]:
                    yield altered(ops=[*node.ops[:i], flipped(), *node.ops[i + 1 :]])
        case ast.Constant(value=bool()):
            yield altered(value=not node.value)
        case ast.Constant(value=int() | float()):
            yield altered(
                value=node.value * 2 if isinstance(node.value, float) and node.value else node.value + 1
            )
        case ast.Constant(value=str()) if node.value and " " not in node.value:  # else it is a text
            yield altered(value="")
        case ast.Call(func=called, args=[first, second, *rest]) if not isinstance(first, ast.Starred):
            name = getattr(called, "attr", getattr(called, "id", ""))
            if name not in SYMMETRIC and ast.unparse(first) != ast.unparse(second):
                yield altered(args=[second, first, *rest])
        case ast.IfExp():
            yield altered(body=node.orelse, orelse=node.body)
        case ast.If() | ast.While() if not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            yield altered(test=ast.UnaryOp(ast.Not(), node.test))
        case ast.For():
            whole = ast.List([ast.Starred(node.iter, ast.Load())], ast.Load())
            for bounds in (
                ast.Slice(ast.Constant(1)),
                ast.Slice(None, ast.UnaryOp(ast.USub(), ast.Constant(1))),
            ):
                yield altered(iter=ast.Subscript(whole, bounds, ast.Load()))
        case ast.With():
            yield ast.If(ast.Constant(True), node.body, [])
        case ast.Lambda() | ast.Return() if body := getattr(node, "body", getattr(node, "value", None)):
            field = "body" if isinstance(node, ast.Lambda) else "value"
            if isinstance(body, ast.BoolOp):
                yield altered(**{field: ast.UnaryOp(ast.Not(), body)})
            elif not isinstance(body, PLURAL):
                yield altered(**{field: ast.UnaryOp(ast.USub(), body)})
        case ast.Name(id=name) if name in OTHERS:
            yield altered(id=OTHERS[name])
        case ast.Attribute(attr=name) if name in OTHERS:
            yield altered(attr=OTHERS[name])
        case ast.AugAssign():
            yield from (altered(op=flipped()) for flipped in FLIPPED.get(type(node.op), ()))
            yield ast.Pass()
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[target]) if not isinstance(target, ast.Name) or target.id in names_in(
            node.value
        ):
            yield ast.Pass()

"""The source of ops and of their rules, as it stands in the files: what `explain` and the reference show."""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import textwrap
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from ..op import Op

__all__ = ["op_source", "rule_source", "vjp_sources"]


@lru_cache(1000)
def rule_source(rule: Callable[..., Any]) -> str | None:
    """One rule: the lambda, out of the statement that it stands in, or the function without its docstring.

    None if there is no source, as for what was typed at a prompt.

    >>> from tinygrad_cnn.op import registry
    >>> rule_source(registry["mul"].rows["x"].function)
    'lambda g, y: g * y'
    """
    rule = inspect.unwrap(rule)  # of a watched run
    code = getattr(rule, "__code__", None)
    if code is None:
        return None
    if code.co_name != "<lambda>":
        try:
            return _without_docstring(textwrap.dedent(inspect.getsource(rule)).rstrip())
        except (OSError, TypeError):
            return None
    text = "".join(linecache.getlines(code.co_filename, getattr(rule, "__globals__", None)))
    try:
        tree = ast.parse(text)
    except SyntaxError:  # the file has changed since
        return None
    body = {(line, column) for line, _, column, _ in code.co_positions() if column}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Lambda)
            and node.lineno == code.co_firstlineno
            and tuple(a.arg for a in node.args.args) == code.co_varnames[: code.co_argcount]
            and any(_starts(part, body) for part in ast.walk(node.body))
        ):
            first, *more = (ast.get_source_segment(text, node) or "").splitlines()
            return "\n".join([first, *textwrap.dedent("\n".join(more)).splitlines()])
    return None


def _starts(node: ast.AST, places: set[tuple[int | None, int]]) -> bool:
    return isinstance(node, ast.expr) and (node.lineno, node.col_offset) in places


def op_source(op: Op) -> str:
    """The function under its `@op`, and the statement of its rules, with the helpers that it names."""
    segments, functions, made = _statements(op.__module__)
    forward = made.get(op.name) or _without_docstring(
        textwrap.dedent(inspect.getsource(op.function)).rstrip()
    )
    module = importlib.import_module(op.__module__)
    names = {name for name, value in vars(module).items() if value is op}
    parts = []
    for name, text, calls in segments:
        if name in names:
            parts += [functions[call] for call in sorted(calls & functions.keys()) if call.startswith("_")]
            parts.append(text)
    return "\n\n".join(dict.fromkeys([forward, *parts]))


def vjp_sources(op: Op) -> list[str]:
    """The statements `name.vjp(...)` of one op."""
    return [text for name, text, _ in _statements(op.__module__)[0] if name == op.name]


def _without_docstring(text: str) -> str:
    """It is shown beside it already."""
    lines, body = text.splitlines(), ast.parse(text).body
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and ast.get_docstring(body[0]):
        said = body[0].body[0]
        del lines[said.lineno - 1 : said.end_lineno]
    return "\n".join(lines)


@cache
def _statements(module: str) -> tuple[list[tuple[str, str, set[str]]], dict[str, str], dict[str, str]]:
    """Of a module: its `name.vjp(...)` statements with the names they use, its functions' sources, and the
    statements `name = _make(...)`."""
    text = inspect.getsource(importlib.import_module(module))
    tree = ast.parse(text)
    lines = text.splitlines()

    def of(node: ast.stmt) -> str:
        return "\n".join(lines[node.lineno - 1 : node.end_lineno])

    rules, made = [], {}
    for node in tree.body:
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "vjp"))):
                rules.append((name, of(node), {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}))
            case ast.Assign([ast.Name(name)], ast.Call()):
                made[name] = of(node)
    functions = {n.name: of(n) for n in tree.body if isinstance(n, ast.FunctionDef) and not n.decorator_list}
    return rules, functions, made

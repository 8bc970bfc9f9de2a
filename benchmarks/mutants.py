"""Small faults in source code: random ones by its syntax tree, and those picked by hand."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
TWINS = (
    ("max", "min"),
    ("amax", "amin"),
    ("argmax", "argmin"),
    ("maximum", "minimum"),
    ("clamp_min", "clamp_max"),
    ("any", "all"),
    ("ceil", "floor"),
    ("sum", "mean"),
    ("union1d", "intersect1d"),
)
NAMES = {one: other for pair in TWINS for one, other in (pair, pair[::-1])}
UNTOUCHED = (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        file: path in the repository.
        text: the whole file with the fault.
        function: qualified name of the innermost function that it is in; "" for the module.
        line: of the fault, from 1.
        old, new: the lines that differ, stripped and joined.
        kind: of the fault, or what a hand-picked one would do.
    """

    file: str
    text: str
    function: str
    line: int
    old: str
    new: str
    kind: str


def by_hand(path: Path, root: Path) -> list[Mutant]:
    """The faults of a YAML list of {file, old, new, does}.

    Raises:
        ValueError: ``old`` is not in its file just once, or the result is no Python.
    """
    found = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        source = (root / entry["file"]).read_text(encoding="utf-8")
        if source.count(entry["old"]) != 1:
            raise ValueError(
                f"{path.name}: {entry['old']!r} is {source.count(entry['old'])} times in "
                f"{entry['file']}; a fault stands for one place"
            )
        text = source.replace(entry["old"], entry["new"])
        try:
            found.append(mutant(entry["file"], source, text, entry["does"]))
        except SyntaxError as error:
            raise ValueError(f"{path.name}: {entry['new']!r} is no Python: {error}") from None
    return found


def by_syntax(sources: dict[str, str], count: int, rng: random.Random) -> list[Mutant]:
    """``count`` random faults of the known kinds in files, all places alike; all, if fewer."""
    places = [
        (file, node, edited, kind)
        for file, source in sources.items()
        for node, edited, kind in _edits(ast.parse(source))
    ]
    found: dict[tuple[str, str], Mutant] = {}
    for file, node, edited, kind in rng.sample(places, len(places)):
        if len(found) == count:
            break
        source = sources[file]
        text = _replaced(source, node, edited)
        try:
            if ast.dump(ast.parse(text)) != ast.dump(ast.parse(source)):
                found.setdefault((file, text), mutant(file, source, text, kind))
        except SyntaxError:
            continue  # such as an expression whose parentheses belonged to a statement
    return list(found.values())


def mutant(file: str, source: str, text: str, kind: str) -> Mutant:
    """The fault between two texts of a file."""
    ast.parse(text)
    one, other = source.splitlines(), text.splitlines()
    start = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
        min(len(one), len(other)),
    )
    tail = 0
    while tail < min(len(one), len(other)) - start and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    old, new = (" ".join(" ".join(x[start : len(x) - tail]).split()) for x in (one, other))
    return Mutant(file, text, function_at(source, start + 1), start + 1, old, new, kind)


def function_at(source: str, line: int) -> str:
    """Qualified name of the innermost function around a line; "" outside of all."""
    best, depth = "", 0
    for name, node in functions(ast.parse(source)):
        if node.lineno <= line <= node.end_lineno and name.count(".") >= depth:
            best, depth = name, name.count(".")
    return best


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Qualified names and nodes of all functions."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name, child
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from functions(child, f"{prefix}{child.name}.")
        else:
            yield from functions(child, prefix)


def _replaced(source: str, node: ast.AST, edited: ast.AST) -> str:
    lines = source.encode().splitlines(keepends=True)
    start, end = (
        sum(map(len, lines[: line - 1])) + column
        for line, column in (
            (node.lineno, node.col_offset),
            (node.end_lineno, node.end_col_offset),
        )
    )
    whole = source.encode()
    new = ast.unparse(edited)
    if isinstance(node, ast.expr) and not isinstance(edited, (ast.Constant, ast.Name, ast.Call)):
        new = f"({new})"
    return (whole[:start] + new.encode() + whole[end:]).decode()


def _edits(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST, str]]:
    """Places, what may stand there instead, and the kind of fault."""
    for node in _visited(tree):
        yield from ((node, edited, kind) for edited, kind in _of_node(node))
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            yield node.test, ast.UnaryOp(ast.Not(), node.test), "condition negated"
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield test, ast.UnaryOp(ast.Not(), test), "condition negated"


def _visited(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that compute something: no annotations, messages, docstrings or command lines."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, UNTOUCHED):
                continue
            if isinstance(child, ast.FunctionDef) and child.name == "main":
                continue
            if isinstance(child, ast.If) and "__name__" in ast.dump(child.test):
                continue
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not docstring:
                yield child
                yield from _visited(child)


def _of_node(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.Compare):
        for at, operator in enumerate(node.ops):
            edited = copy.deepcopy(node)
            edited.ops[at] = COMPARISONS[type(operator)]()
            yield edited, "comparison"
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield _with(node, op=OPERATORS[type(node.op)]()), "operator"
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield _with(node, op=OPERATORS[type(node.op)]()), "operator"
        yield ast.Pass(), "statement deleted"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand, "sign"
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And()), "operator"
    elif isinstance(node, ast.Constant):
        yield from _of_constant(node)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in NAMES:
            key = "id" if isinstance(node, ast.Name) else "attr"
            yield _with(node, **{key: NAMES[name]}), "name"
    elif isinstance(node, ast.Return) and node.value is not None:
        if not isinstance(node.value, ast.Constant):
            yield _with(node, value=ast.Constant(None)), "return"
    elif isinstance(node, ast.Expr) or (
        isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Name, ast.Tuple))
    ):
        yield ast.Pass(), "statement deleted"


def _of_constant(node: ast.Constant) -> Iterator[tuple[ast.AST, str]]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value), "constant"
    elif isinstance(value, int):
        yield ast.Constant(value + 1), "constant"
    elif isinstance(value, float):
        yield ast.Constant(2 * value if value else 1.0), "constant"


def _of_call(node: ast.Call) -> Iterator[tuple[ast.AST, str]]:
    plain = [argument for argument in node.args[:2] if not isinstance(argument, ast.Starred)]
    if len(plain) == 2 and ast.dump(plain[0]) != ast.dump(plain[1]):
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]]), "arguments swapped"


def _with(node: ast.AST, **changes: Any) -> ast.AST:
    edited = copy.deepcopy(node)
    for name, value in changes.items():
        setattr(edited, name, value)
    return edited

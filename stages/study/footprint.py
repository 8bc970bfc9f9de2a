"""The code that a function can run: the modules that it reaches, and a digest of each.

Modules are found in the source text, and nothing is imported: import statements at any depth, lazy
ones too, and strings that name a function as the catalogue does (``"stages.strategies.top:top"``).
What an installed distribution holds is pinned by requirements.lock and does not count; ours and the
user's does, wherever it lies. Comments and docstrings do not count either: they are cut out of the
text itself, so that a digest is the same on every Python.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import re
import sys
import sysconfig
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from stages.machine.errors import UserError

OURS = "stages"
# Settings, their tables and their checks: what they yield stands in recipe and protocol, by value.
BESIDE = (
    "stages.study.settings",
    "stages.study.schema",
    "stages.study.sections",
    "stages.study.checks",
    "stages.study.training",
    "stages.study.faults",
    "stages.study.data",
    "stages.study.task_code",
    "stages.machine.yaml_input",
    "stages.machine.hardware",
    "stages.protocol",
    "stages.recipes",
    "stages.study.footprint",
    "stages.catalogue.strategy",
    "stages.catalogue.architecture",
    "stages.catalogue.dataset",
    "stages.catalogue.named",
    "stages.catalogue.compose",
    "stages.catalogue.table",
    "stages.catalogue.kinds",
    "stages.catalogue.hybrids",
    "stages.catalogue.listing",
)
NAMES_CODE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*)?")


class Footprint:
    """Modules of ours and of the user's, read once."""

    def __init__(self, packages: Iterable[str] = ()) -> None:
        """``packages``: top-level packages that count although they may be installed."""
        self._packages = {OURS, *packages}
        self._named: dict[str, set[str]] = {}

    def reached(self, starts: Iterable[str]) -> dict[str, str]:
        """Every module that ``starts`` (dotted names) can reach, and its digest, sorted by name.

        Raises:
            UserError: a module among ``starts`` is not there, or one that is reached is no Python.
        """
        todo = list(starts)
        for module in todo:
            if self.file(module) is None:
                raise UserError(f"there is no module {module!r} on the search path")
        seen: set[str] = set()
        while todo:
            module = todo.pop()
            if module in seen or is_beside(module) or self.file(module) is None:
                continue
            seen.add(module)
            parent = module.rpartition(".")[0]  # a package's __init__ runs before its modules
            todo += [*self.named(module), *([parent] if parent else [])]
        return {module: digest(self.file(module)) for module in sorted(seen)}

    def file(self, module: str) -> Path | None:
        """The source of a module that counts; None for any other."""
        top = module.partition(".")[0]
        path = source_of(module)
        if path is None or (top not in self._packages and installed(path)):
            return None
        return path

    def named(self, module: str) -> set[str]:
        """What a module's text names that may be a module."""
        if module not in self._named:
            path = self.file(module)
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            self._named[module] = set(_named(_parsed(path), package))
        return self._named[module]


def is_beside(module: str) -> bool:
    """Whether a module holds or checks settings alone, and computes nothing."""
    return any(module == table or module.startswith(f"{table}.") for table in BESIDE)


@cache
def source_of(module: str) -> Path | None:
    """Where a module's source lies, found without importing it or its packages."""
    top, *rest = module.split(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    path = Path(found.origin) if found.origin and found.has_location else None
    for part in rest:
        path, folders = _inside(folders, part)
    return path if path is not None and path.suffix == ".py" else None


def _inside(folders: list[Path], part: str) -> tuple[Path | None, list[Path]]:
    """The module ``part`` of a package that lies in ``folders``: its source and its own folders."""
    for folder in folders:
        package = folder / part / "__init__.py"
        if package.is_file():
            return package, [folder / part]
        if (folder / f"{part}.py").is_file():
            return folder / f"{part}.py", []
    return None, [folder / part for folder in folders if (folder / part).is_dir()]


@cache
def installed(path: Path) -> bool:
    """Whether a file belongs to Python itself or to an installed distribution."""
    parts = path.resolve().parts
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return any(path.resolve().is_relative_to(Path(place).resolve()) for place in places)


def _named(tree: ast.AST, package: str) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name(
                "." * node.level + (node.module or ""), package if node.level else None
            )
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
        elif isinstance(node, ast.Constant) and NAMES_CODE.fullmatch(str(node.value)):
            yield str(node.value).partition(":")[0]


@cache
def _text(path: Path) -> str:
    try:
        with tokenize.open(path) as stream:
            return stream.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as Python ({error})") from None


@cache
def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(_text(path))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: not Python ({error})") from None


@cache
def digest(path: Path) -> str:
    """SHA-256 of a source file's :func:`code`, 64 hex digits."""
    return hashlib.sha256(code(path).encode()).hexdigest()


def code(path: Path) -> str:
    """A source file without its comments, docstrings and empty lines.

    Raises:
        UserError: the file cannot be read, or is no Python.
    """
    lines = [line.encode() for line in _text(path).split("\n")]  # ast counts columns in bytes
    for first, start, last, end in [*_docstrings(_parsed(path)), *_comments(lines)]:
        for row in range(first, last + 1):
            begin = start if row == first else 0
            until = end if row == last else len(lines[row])
            lines[row] = lines[row][:begin] + b" " * (until - begin) + lines[row][until:]
    inside = _rows_in_strings(_parsed(path))
    texts = [line.decode() for line in lines]
    kept = [text if row in inside else text.rstrip() for row, text in enumerate(texts)]
    return "".join(f"{text}\n" for row, text in enumerate(kept) if text or row in inside)


def _rows_in_strings(tree: ast.Module) -> set[int]:
    """Rows whose end lies within a string that goes on: blanks count there."""
    return {
        row
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
        for row in range(node.lineno - 1, node.end_lineno - 1)
    } - {row for first, _, last, _ in _docstrings(tree) for row in range(first, last)}


def _docstrings(tree: ast.Module) -> Iterable[tuple[int, int, int, int]]:
    """First row, column, last row and column of every docstring; rows from 0, columns in bytes."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if not isinstance(node, holders) or ast.get_docstring(node, clean=False) is None:
            continue
        text = node.body[0]
        yield text.lineno - 1, text.col_offset, text.end_lineno - 1, text.end_col_offset


def _comments(lines: list[bytes]) -> Iterable[tuple[int, int, int, int]]:
    """The same of every comment."""
    text = b"\n".join(lines).decode()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, start = token.start[0] - 1, len(token.line[: token.start[1]].encode())
            yield row, start, row, start + len(token.string.encode())


def loaded(packages: Iterable[str] = ()) -> list[str]:
    """The modules of ours and of ``packages`` that are imported in this process and count."""
    tops = {OURS, *packages}
    return [
        name
        for name in sorted(sys.modules)
        if name.partition(".")[0] in tops and not is_beside(name) and source_of(name) is not None
    ]

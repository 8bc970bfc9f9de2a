"""Every import goes from a room to one that its line in docs/code.md names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = re.findall(
    r"^\| `(\w+)` \|[^|]*\| ?([^|]*)\|$", (ROOT / "docs/code.md").read_text(), re.MULTILINE
)
ALLOWED = {room: set(re.findall(r"`(\w+)`", imports)) for room, imports in TABLE}
NEEDED = {"catalogue/hybrids.py": {"strategies"}}  # prints lines for params.yaml; nobody imports it
LAZY = {
    "datasets": {"models"},
    "learners": {"geometry", "models", "rounds"},
    "strategies": {"models", "rounds"},
}


def room_of(module: str, name: str) -> str:
    """The room that ``from module import name`` looks into; "" for the top of stages/."""
    parts = [*module.split("."), name]
    return parts[1] if (ROOT / "stages" / parts[1]).is_dir() else ""


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Rooms that a file imports from, and whether it does so when it is imported itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types:
            module = node.module or ""
            if module.partition(".")[0] == "stages":
                for alias in node.names:
                    yield room_of(module, alias.name), node in tree.body


FILES = sorted(path for room in ALLOWED for path in (ROOT / "stages" / room).rglob("*.py"))


def test_every_room_has_its_line() -> None:
    rooms = {path.parent.name for path in (ROOT / "stages").glob("*/__init__.py")}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "stages")))
def test_arrows_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT / "stages").parts[0]
    own = str(path.relative_to(ROOT / "stages"))
    allowed = ALLOWED[room] | {room} | NEEDED.get(own, set())
    later = allowed | LAZY.get(room, set())
    for other, at_once in imports(path):
        assert other in (allowed if at_once else later), f"{own} imports from {other or 'stages'}"


def test_there_is_no_way_round() -> None:
    """The rooms stand in an order in which each imports from those before it alone."""
    left, seen = dict(ALLOWED), set()
    while left:
        free = {room for room, needed in left.items() if needed <= seen}
        assert free, f"these rooms need each other: {sorted(left)}"
        seen |= free
        left = {room: needed for room, needed in left.items() if room not in free}


@pytest.mark.parametrize("room", sorted(set(ALLOWED) - {"farm"}))
def test_none_but_the_farm_knows_dvc(room: str) -> None:
    for path in (ROOT / "stages" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "dvc" for name in names), path
            studies = any(name.startswith("stages.study") for name in names)
            typed = room in ("models", "strategies", "learners", "geometry", "catalogue")
            assert not (studies and typed and _at_run_time(path, node)), path


def _at_run_time(path: Path, node: ast.AST) -> bool:
    """Whether an import is more than a name for types."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test):
            lines = range(block.lineno, (block.end_lineno or block.lineno) + 1)
            if node.lineno in lines:
                return False
    return True

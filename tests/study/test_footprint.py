"""Which code a function can run, and what of it counts."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from stages.machine.errors import UserError
from stages.study.footprint import Footprint, code, digest, installed, source_of

SAMPLE = '''"""Module."""
# a comment
import json  # why


def f(x: int = 1) -> str:
    """Say é.

    At length.
    """
    # inside
    text = """a

  # no comment
b  """  # but this is
    return f"# {x!r} é {text}"  # é


class Kept:
    """Only a docstring."""
'''
BARE = '''import json
def f(x: int = 1) -> str:
    text = """a

  # no comment
b  """
    return f"# {x!r} é {text}"
class Kept:
'''


def written(folder: Path, text: str, name: str = "sample") -> Path:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_comments_docstrings_and_empty_lines_are_cut_out(tmp_path: Path) -> None:
    path = written(tmp_path, SAMPLE)
    assert code(path) == BARE
    assert digest(path) == hashlib.sha256(BARE.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# a comment", "# another", True),
        ("# a comment\n", "", True),
        ("Say é.", "Tell é.", True),
        ("  # but this is", "", True),
        ("\n\n\nclass", "\n\nclass", True),
        ("x: int = 1", "x: int = 2", False),
        ("# no comment", "# a comment?", False),
        ('"""a\n\n', '"""a\n', False),
        ("b  ", "b ", False),
        ("    text =", "    texts =", False),
        ("return", "    return", False),
    ],
)
def test_what_changes_a_digest(tmp_path: Path, old: str, new: str, same: bool) -> None:
    assert old in SAMPLE
    before = digest(written(tmp_path, SAMPLE, "before"))
    edited = SAMPLE.replace(old, new, 1)
    try:
        compile(edited, "edited", "exec")
    except IndentationError:
        edited = SAMPLE.replace(old, "return 2\n    return", 1)
    assert (digest(written(tmp_path, edited, "after")) == before) is same


@pytest.fixture
def laboratory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a user's, named by nobody but its own strategies."""
    package = tmp_path / "footlab"
    written(package, "from footlab.deep import score\nimport numpy as np\n", "al")
    written(package, "", "__init__")
    written(package, "def score(pool):\n    from . import lazy\n    return lazy\n", "deep")
    written(package, 'BY_PATH = "footlab.named:thing"\n', "lazy")
    written(package, "import json\n", "named")
    written(package, "", "unused")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package


def test_lazy_relative_and_named_modules_are_reached_others_are_not(laboratory: Path) -> None:
    reached = Footprint().reached(["footlab.al"])
    names = ["", ".al", ".deep", ".lazy", ".named"]
    assert list(reached) == [f"footlab{name}" for name in names]
    assert reached["footlab.deep"] == digest(laboratory / "deep.py")
    assert "footlab" not in sys.modules  # nothing was imported


def test_packages_and_python_itself_do_not_count_unless_a_strategy_names_them() -> None:
    assert installed(source_of("numpy")) and installed(source_of("json"))
    assert Footprint().file("numpy.linalg") is None and Footprint().file("json") is None
    assert Footprint(["tqdm"]).file("tqdm.std") == source_of("tqdm.std")
    assert Footprint().file("stages.round") == source_of("stages.round")


def test_a_missing_module_is_said() -> None:
    with pytest.raises(UserError, match="no module 'footlab.nothing'"):
        Footprint().reached(["footlab.nothing"])


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="broken.py"):
        code(written(tmp_path, "def (:\n", "broken"))

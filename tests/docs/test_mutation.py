"""The mutation runner: faults are what they say, and it tells killed ones from survivors."""

from __future__ import annotations

import ast
import random
import shutil
import subprocess
import sys

import pytest
from study import REPO

from benchmarks.mutants import by_hand, by_syntax, function_at

SOURCE = '''
"""Not this 1."""


class Thing:
    """Nor this."""

    def size(self, a: int, b: int = 2) -> int:
        """Nor 3 here."""
        if a < b and not a == 7:
            raise ValueError(1 + 1)
        total = a * b - max(a, b)
        total += 1
        self.kept = total
        print(f"{a + b}")
        return -total


def even(values):
    return [value for value in values if value % 2 == 0]
'''


def every(source: str = SOURCE):
    return by_syntax({"stages/thing.py": source}, 10**6, random.Random(0))


def test_every_fault_picked_by_hand_still_has_its_place():
    """Where the code has changed, its fault in benchmarks/faults.yaml has to follow."""
    faults = by_hand(REPO / "benchmarks/faults.yaml", REPO)
    assert len(faults) >= 200 and len({one.text for one in faults}) == len(faults)
    rooms = {one.file.split("/")[1] for one in faults}
    assert rooms >= {"catalogue", "learners", "models", "rounds", "strategies", "geometry"}
    assert rooms >= {"statistics", "reporting", "study"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{file: a.py, old: x, new: y, does: z}", "'x' is 2 times in a.py"),
        ("{file: a.py, old: w, new: y, does: z}", "'w' is 0 times in a.py"),
        ("{file: a.py, old: '= 1', new: '= (', does: z}", r"'= \(' is no Python"),
    ],
)
def test_a_fault_without_a_place_is_named(tmp_path, entry, message):
    (tmp_path / "a.py").write_text("x = 1\nx += 2\n")
    (tmp_path / "faults.yaml").write_text(f"[{entry}]")
    with pytest.raises(ValueError, match=message):
        by_hand(tmp_path / "faults.yaml", tmp_path)


def test_random_faults_are_python_and_one_place_each():
    found = every()
    assert {one.kind for one in found} == {
        "arguments swapped", "comparison", "condition negated", "constant", "name", "operator",
        "return", "sign", "statement deleted",
    }  # fmt: skip
    for one in found:
        assert ast.dump(ast.parse(one.text)) != ast.dump(ast.parse(SOURCE))
        changed = [
            (old, new)
            for old, new in zip(SOURCE.split("\n"), one.text.split("\n"), strict=True)
            if old != new
        ]
        assert [(old.strip(), new.strip()) for old, new in changed] == [(one.old, one.new)]
        assert one.function in ("Thing.size", "even")
        assert "Not this" not in one.old and "raise" not in one.old and "print(f" not in one.new
    assert "if (a <= b) and not a == 7:" in {one.new for one in found}
    assert "return total" in {one.new.replace("(", "").replace(")", "") for one in found}


def test_a_seed_says_which():
    one, same, other = (
        [m.new for m in by_syntax({"a.py": SOURCE}, 5, random.Random(seed))] for seed in (0, 0, 1)
    )
    assert one == same != other and len(one) == 5


def test_the_function_around_a_line():
    assert [function_at(SOURCE, line) for line in (2, 8, 11, 20)] == [
        "", "Thing.size", "Thing.size", "even",
    ]  # fmt: skip


FAULTS = """
- {file: stages/toy.py, old: a + b, new: a - b, does: subtracts}
- {file: stages/toy.py, old: a * b, new: a / b, does: divides}
- {file: stages/toy.py, old: LIMIT = 3, new: LIMIT = 4, does: moves a limit}
- {file: stages/toy.py, old: range(n), new: 'iter(int, 1)', does: never ends}
- {file: stages/toy.py, old: a // b, new: a / b, does: is not seen}
- {file: stages/toy.py, old: '0 + a', new: a, does: nothing}
"""
TOY = """
LIMIT = 3


def add(a, b):
    return a + b


def times(a, b):
    return a * b


def limit():
    return LIMIT


def count(n):
    return sum(1 for _ in range(n))


def part(a, b):
    return a // b


def same(a):
    return 0 + a
"""
TESTS = """
import pytest
from stages import toy


@pytest.fixture(scope="module")
def product():
    return toy.times(2, 3)


def test_add():
    assert toy.add(1, 2) == 3


def test_product(product):
    assert product == 6


def test_limit():
    assert toy.limit() == 3


def test_count():
    assert toy.count(3) == 3


def test_part():
    assert toy.part(4, 2) == 2 and toy.same(1) == 1


def test_that_fails():
    assert toy.same(1) == 2
"""


def test_the_runner_tells_killed_from_survived(tmp_path):
    for name in ("__init__", "common", "covering", "forked", "mutants", "mutation"):
        (tmp_path / "benchmarks").mkdir(exist_ok=True)
        shutil.copy(REPO / f"benchmarks/{name}.py", tmp_path / "benchmarks")
    equivalent = "- {file: stages/toy.py, old: return 0 + a, new: return a, reason: adds 0}"
    files = {
        "benchmarks/faults.yaml": FAULTS,
        "benchmarks/equivalent.yaml": equivalent,
        "stages/__init__.py": "",
        "stages/toy.py": TOY,
        "tests/test_toy.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.mutation", "--faults", "--grace", "3", "--work", "work"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    said = done.stdout
    assert done.returncode == 1, said + done.stderr
    assert "test_that_fails" in said.partition("left out")[2]
    assert "| all | 6 | 4 | 1 | 1 | 80.0% |" in said
    assert said.count("killed") == 4 + 2 and "over 3 s" in said  # two in the head of the table
    assert "- stages/toy.py:22 (is not seen): `return a // b` -> `return a / b`" in said
    assert "- equivalent: stages/toy.py:26: `return 0 + a` -> `return a`: adds 0" in said
    for line, test in (("subtracts", "test_add"), ("divides", "test_product")):
        assert test in said.partition(line)[2].partition("stages/")[0]
    assert (tmp_path / "stages/toy.py").read_text() == TOY

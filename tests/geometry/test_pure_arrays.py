"""Geometry is arithmetic on NumPy arrays, and sums there as networks sum."""

from __future__ import annotations

import ast

import numpy as np
import pytest
import torch
from study import REPO

from stages.geometry.grid import exact_sum
from stages.models import exact

MODULES = sorted((REPO / "stages/geometry").glob("*.py"))
BELOW = ("stages.geometry", "stages.machine")


def imported(source: str) -> set[str]:
    """Every module that is imported anywhere in a source."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import"
            names.add(node.module)
            if node.module == "stages":
                names |= {f"stages.{name.name}" for name in node.names}
    return names - {"stages"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_geometry_needs_arrays_and_the_machine_alone(path):
    for name in imported(path.read_text()):
        assert name.partition(".")[0] not in ("torch", "torchvision"), name
        if name.startswith("stages"):
            assert ".".join(name.split(".")[:2]) in BELOW, name


def test_what_is_imported_is_found():
    source = "import torch.nn\ndef f():\n from stages import models\n from stages.rounds import x"
    assert imported(source) == {"torch.nn", "stages.models", "stages.rounds"}


def tables() -> dict[str, np.ndarray]:
    """Values of all magnitudes, shape (rows, columns)."""
    rng = np.random.default_rng(7)
    found = {}
    for rows in (1, 2, 3, 64, 65, 1000):
        normal = rng.standard_normal((rows, 7))
        found |= {
            f"random {rows}": normal,
            f"negative {rows}": -np.abs(normal),
            f"huge {rows}": normal * 1e265,
            f"tiny {rows}": normal * 1e-300,
            f"subnormal {rows}": normal * 1e-320,
            f"mixed {rows}": normal * 10.0 ** rng.integers(-30, 30, normal.shape),
            f"zero {rows}": np.zeros_like(normal),
            f"minus zero {rows}": -np.zeros_like(normal),
            f"halves {rows}": rng.integers(-9, 9, normal.shape) / 2 + 2.0**53 * (normal > 1),
        }
    return found


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", tables())
def test_sums_have_the_bits_of_those_of_networks(name, axis):
    values = tables()[name]
    kept = values.copy()
    expected = exact.exact_sum(torch.from_numpy(values), (axis,)).numpy()
    assert exact_sum(values, axis).tobytes() == expected.tobytes()
    assert values.tobytes() == kept.tobytes()


def test_a_sum_is_the_same_in_any_order():
    rng = np.random.default_rng(8)
    values = rng.standard_normal((999, 4)) * 10.0 ** rng.integers(-9, 9, (999, 4))
    shuffled = values[rng.permutation(999)]
    assert exact_sum(values).tobytes() == exact_sum(shuffled).tobytes()
    assert exact_sum(values).tobytes() == exact_sum(values[::-1].copy()).tobytes()

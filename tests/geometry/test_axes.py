"""What is the same to the last bit everywhere, against NumPy and under other instruction sets."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from oldest import CAPS
from study import REPO

from stages.geometry import axes, correct

DIGEST = """
import hashlib
import numpy as np
from stages.geometry import axes, bandit as exp4, correct
from stages.strategies import albl
total = hashlib.sha256()
for size in (1, 2, 7, 40, 128):
    x = np.maximum(np.random.default_rng(size).random((1500, size)) - 0.4, 0)
    x[:, size // 2 + 1 :] *= 1e-3
    for part in axes.principal(x[90:], x[:90], min(size, 9)):
        total.update(part.tobytes())
numbers = np.random.default_rng(0).random(2000) * 40
total.update(np.array([correct.exp(-x) for x in numbers]).tobytes())
total.update(np.array([correct.log(x) for x in numbers]).tobytes())
total.update(correct.sums(numbers.reshape(40, 50)).tobytes())
rng = np.random.default_rng(1)
bandit = exp4.Bandit.fresh(7, 500)
for n in range(20):
    advised = [rng.permutation(500)[:40] for _ in range(7)]
    chosen = albl.follow_advice(albl.Advised(advised, bandit, np.arange(500), 800, {}), 40, rng)
    bandit = exp4.Bandit.of(chosen.carry)
    gained = exp4.reward(bandit, rng.random(len(bandit.rows)) < 0.7, 800)
    weights = exp4.updated(bandit, gained, 800, 0.1)
    bandit = exp4.Bandit.of(bandit.arrays() | {"log_weights": weights})
    for value in bandit.arrays().values():
        total.update(value.tobytes())
print(total.hexdigest())
"""


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_bits_do_not_depend_on_the_instruction_set():
    found = set()
    for caps in ({}, CAPS, {"OPENBLAS_NUM_THREADS": "2"}):
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, **caps},
            cwd=REPO,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("scale", [1.0, 1e-120, 1e120])
def test_products_are_the_same_in_any_order_and_nearly_exact(scale):
    left, right = rng(1).normal(size=(6, 900)) * scale, rng(2).normal(size=(900, 5))
    order = rng(3).permutation(900)
    found = axes.product(left, right)
    assert (found == axes.product(left[:, order], right[order])).all()
    wanted = left.astype(np.longdouble) @ right.astype(np.longdouble)
    np.testing.assert_allclose(found, wanted.astype(float), atol=1e-10 * scale, rtol=0)


def test_a_square_is_the_product_with_itself():
    rows = rng().normal(size=(9, 300)) * np.geomspace(1, 1e9, 9)[:, None]
    assert (axes.square(rows) == axes.product(rows, rows.T)).all()


@pytest.mark.parametrize("size", [1, 2, 3, 10, 61])
@pytest.mark.parametrize("kind", ["any", "rank 2", "diagonal", "zero", "tiny", "huge", "equal"])
def test_eigenvectors_are_orthonormal_and_span_what_numpys_do(size, kind):
    matrix = rng(size).normal(size=(size, size))
    matrix = matrix @ matrix.T
    if kind == "rank 2":
        some = rng(1).normal(size=(size, 2))
        matrix = some @ some.T
    matrix = {
        "diagonal": np.diag(np.diagonal(matrix)),
        "zero": np.zeros((size, size)),
        "tiny": matrix * 1e-250,
        "huge": matrix * 1e250,
        "equal": np.eye(size) * 3,
    }.get(kind, matrix)
    count = max(1, size // 2)
    found = axes.leading(matrix, count)
    np.testing.assert_allclose(found.T @ found, np.eye(count), atol=1e-13)
    values = np.linalg.eigvalsh(matrix)[::-1][:count]
    scale = np.abs(matrix).max() or 1.0
    np.testing.assert_allclose(
        found.T @ (matrix / scale) @ found, np.diag(values / scale), atol=1e-12
    )


def test_rows_on_their_axes_keep_their_variance_in_order():
    x = rng().normal(size=(3000, 12)) @ rng(1).normal(size=(12, 12)) + 1e3
    pool, labeled = axes.principal(x[:2500], x[2500:], 4)
    both = np.concatenate([pool, labeled])
    spread = np.linalg.eigvalsh(np.cov(x.T, ddof=0))[::-1][:4]
    np.testing.assert_allclose(np.cov(both.T, ddof=0), np.diag(spread), atol=1e-9)
    np.testing.assert_allclose(both.mean(0), 0, atol=1e-9)
    assert axes.principal(x, x[:0], 2)[1].shape == (0, 2)


# numbers rounded correctly


def test_numbers_are_rounded_correctly():
    from decimal import Context, Decimal

    far = Context(prec=80)
    for value in (*rng().normal(size=50) * 20, 0.0, -1e6, 700.0):
        assert correct.exp(value) == float(far.exp(Decimal(float(value))))
    for value in (*rng(1).random(50) * 9, 1.0, 5e-324, 1.7e308):
        assert correct.log(value) == float(far.ln(Decimal(float(value))))
    assert correct.sums([[1e16, 1.0, -1e16], [0.1] * 10]).tolist() == [1.0, 1.0]
    assert correct.sums(np.empty((0, 3))).shape == (0,)

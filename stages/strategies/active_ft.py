"""ActiveFT: centres that move until they lie like the pool and apart; the nearest candidates."""

from __future__ import annotations

import numpy as np

from stages.catalogue.kinds import Amount, LearningRate, Positive, Steps
from stages.catalogue.strategy import Strategy
from stages.geometry.grid import blocks, exact_sum, unit_rows
from stages.geometry.kernels import decay
from stages.machine.errors import UserError
from stages.machine.progress import progress
from stages.strategies.handshake import Known

ENTRIES = {
    "active_ft": Strategy(
        scorer="stages.strategies.features:embedding_and_labeled",
        selector="stages.strategies.active_ft:spread",
        source="Xie et al. 2023 (ActiveFT), on the round's embeddings",
        family="diversity",
        cost="iterations N (L + b) D",
        formula="the candidates nearest to b unit vectors c that minimise -mean_x log(e^s / (e^s + "
        "balance sum_j e^(c_k . c_j / temperature))), s = max_k x . c_k / temperature, beside the "
        "labeled ones",
    ),
}
STEP = 2.0**-22  # of coordinates of unit vectors: products of two are exact, and so are their sums
BITS = 53 - 22  # left for a weight and for the number of terms
CELLS = 2**22  # cosines held at a time
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # of Adam


def spread(
    features: Known,
    b: int,
    rng: np.random.Generator,
    *,
    temperature: Positive = 0.07,
    balance: Amount = 1.0,
    iterations: Steps = 300,
    learning_rate: LearningRate = 0.001,
) -> np.ndarray:
    """Xie et al. 2023, Algorithm 1 (ActiveFT), with the loss and the settings of its code.

    b centres begin at candidates drawn uniformly and move by Adam. Each candidate belongs to its
    nearest centre and draws it on; each centre pushes others away, and has no gradient from being
    pushed by them. Then each centre in turn takes the nearest candidate that is left.

    The paper selects once, before anything is labeled. Here labeled rows are centres too, which do
    not move: candidates near them draw no other, and the others keep away from them.

    Rows and centres are unit vectors on one grid, weights count in steps of about 2^-15, so all
    sums are exact. Memory: N D, and blocks.

    Args:
        temperature: tau.
        balance: weight of the centres' distance from each other.
        iterations: over all candidates.
        learning_rate: of Adam.

    Raises:
        UserError: a feature is not finite, or b is larger than N.
    """
    pool, labeled = features
    if b > len(pool):
        raise UserError(f"cannot take {b} of {len(pool)} candidates")
    order = rng.permutation(len(pool))  # the first are centres; ties go to the first
    rows = _on_one_grid(unit_rows(pool[order], labeled))
    rows, fixed = rows[: len(pool)], rows[len(pool) :]
    centres = rows[:b].copy()
    mean, power = np.zeros_like(centres), np.zeros_like(centres)
    first, second = 1.0, 1.0
    for _ in progress(range(iterations if b else 0), "ActiveFT", "step"):
        change = gradient(rows, centres, fixed, temperature, balance)
        mean = FIRST * mean + (1 - FIRST) * change
        power = SECOND * power + (1 - SECOND) * (change * change)
        first, second = first * FIRST, second * SECOND
        scale = np.sqrt(power / (1 - second)) + TINY
        centres = centres - learning_rate * (mean / (1 - first)) / scale
    return order[_nearest(rows, _on_one_grid(unit_rows(centres)))]


def gradient(
    rows: np.ndarray, centres: np.ndarray, fixed: np.ndarray, temperature: float, balance: float
) -> np.ndarray:
    """Of the loss, with respect to ``centres`` (b, D), whose lengths do not matter.

    Args:
        rows: candidates, unit vectors on the grid, (N, D).
        fixed: further centres, unit vectors on the grid, (F, D).
    """
    units = _on_one_grid(unit_rows(centres))
    everyone = np.concatenate([units, fixed])
    # All powers are taken relative to e^(1 / temperature), which cancels.
    between = _rounded(decay(_apart(units @ everyone.T) / temperature), len(everyone))
    # A fixed centre's own sum is not needed but for the weights of the candidates near it, and
    # these draw nothing that moves.
    crowd = between.sum(1)
    own, nearness = _own(rows, everyone)
    drawn = own < len(units)
    own, powers = own[drawn], decay(_apart(nearness[drawn]) / temperature)
    pushes = balance * crowd[own]
    weights = _rounded(pushes / (powers + pushes), len(rows))
    attraction, total = np.zeros_like(units), np.zeros(len(units))
    np.add.at(total, own, weights)
    drawing = rows[drawn]
    sort = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[sort], np.arange(len(units) + 1))
    for k in range(len(units)):
        some = sort[starts[k] : starts[k + 1]]
        attraction[k] = weights[some] @ drawing[some]
    repulsion = (total / crowd)[:, None] * (between @ everyone)
    slope = (repulsion - attraction) / (temperature * len(rows))
    along = exact_sum(slope * units, 1)[:, None] * units
    lengths = np.sqrt(exact_sum(centres * centres, 1))
    return (slope - along) / np.where(lengths > 0, lengths, 1.0)[:, None]


def _own(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The centre with the largest cosine of each row, the first of equals, and that cosine."""
    own, nearness = np.empty(len(rows), np.int64), np.empty(len(rows))
    for part in blocks(len(rows), max(1, CELLS // len(centres))):
        cosines = rows[part] @ centres.T
        own[part] = cosines.argmax(1)
        nearness[part] = cosines.max(1)
    return own, nearness


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """For each centre in turn the nearest row that is left, int64, shape (b,)."""
    picks, free = np.empty(len(centres), np.int64), np.ones(len(rows), bool)
    for part in blocks(len(centres), max(1, CELLS // len(rows))):
        for at, cosines in enumerate(centres[part] @ rows.T, part.start):
            picks[at] = np.where(free, cosines, -np.inf).argmax()
            free[picks[at]] = False
    return picks


def _on_one_grid(units: np.ndarray) -> np.ndarray:
    return np.rint(units / STEP) * STEP


def _apart(cosines: np.ndarray) -> np.ndarray:
    """1 - cosine, 0 or more: lengths are 1 up to rounding."""
    return np.maximum(1.0 - cosines, 0.0)


def _rounded(weights: np.ndarray, terms: int) -> np.ndarray:
    """Weights in [0, 1] on a grid on which ``terms`` products with coordinates add up exactly."""
    step = 2.0 ** -(BITS - max(1, (terms - 1).bit_length()))
    return np.rint(weights / step) * step

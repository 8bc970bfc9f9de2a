"""Labels saved: how many more the baseline needs to be as accurate, seed by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from stages.statistics.finite import finite, finite_or_missing, level
from stages.statistics.measures import labels_needed

NAN, INF = float("nan"), float("inf")
NOISE = 1e-9
FEW = "fewer than two seeds in common"
SAME = "all seeds save the same"
NEVER = "the strategy never reaches it"
AT_LEAST = "a lower bound: the baseline never reaches it"
AT_MOST = "an upper bound: the strategy never reaches it"
OPEN = "neither is known: both miss it with some seeds"
COLUMNS = [
    "target", "n", "reached", "baseline_reached", "labels", "saved", "low", "high", "ratio",
    "ratio_low", "ratio_high", "reason",
]  # fmt: skip


def labels_saved(labeled, strategy, baseline, targets, *, alpha: float = 0.05) -> pd.DataFrame:
    """Labels that a strategy saves against the baseline on the way to given accuracies.

    With each seed, the labels that the baseline needs to reach the accuracy less those that the
    strategy needs (linear between rounds, where a curve first gets there), L_b - L_s. Where every
    seed of both gets there: the mean, its interval by a paired t test, and the share of labels
    mean(L_s)/mean(L_b) with Fieller's interval (1954), the shares r at which the paired t test of
    L_s - r L_b does not reject. A curve that does not get there by the last budget B needs more
    than B labels, which is a bound, and no interval is given:

    - the baseline misses it with some seeds: with B for those, the mean is a lower bound;
    - the strategy does: with B for those, an upper bound;
    - both do: nothing.

    A first crossing is the luckiest one of a jagged curve, for both alike.

    Args:
        labeled: (counts,) labeled images, increasing.
        strategy, baseline: (seeds, counts) accuracies, row s of both one seed; rows with a NaN are
            left out.
        targets: (m,) accuracies.
        alpha: one minus the level.

    Returns:
        DataFrame, a row for each target, with COLUMNS: target, n seeds, reached and
        baseline_reached (seeds that get there), labels (mean of the strategy, NaN if one does not),
        saved (mean or bound, in labels), low, high, ratio (labels over the baseline's), ratio_low,
        ratio_high (an unbounded side of Fieller's is infinite or 0), reason: what saved is, or why
        there is no interval.

    Raises:
        ValueError: an infinity, shapes that do not fit, or a level outside (0, 1).

    Examples:
        >>> slow = [[0.5, 0.6, 0.7], [0.5, 0.65, 0.7], [0.4, 0.6, 0.75]]
        >>> fast = [[0.5, 0.7, 0.8], [0.5, 0.7, 0.8], [0.4, 0.7, 0.8]]
        >>> table = labels_saved([10, 20, 30], fast, slow, [0.7, 0.8])
        >>> table["saved"].round(2).tolist()  # labels
        [8.89, 0.0]
        >>> table["reason"].tolist()
        ['', 'a lower bound: the baseline never reaches it']
    """
    level(alpha)
    x = finite(labeled, "labeled")
    own, base = (
        finite_or_missing(y, z) for y, z in ((strategy, "strategy"), (baseline, "baseline"))
    )
    if own.shape != base.shape or own.ndim != 2 or own.shape[1] != x.size:
        raise ValueError(f"strategy and baseline must both have the shape (seeds, {x.size})")
    whole = ~(np.isnan(own).any(1) | np.isnan(base).any(1))
    own, base = own[whole], base[whole]
    rows = [_of_target(x, own, base, float(at), alpha) for at in finite(targets, "targets")]
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_target(x, own, base, target: float, alpha: float) -> tuple:
    needs, base_needs = (
        np.array([labels_needed(x, curve, target) for curve in curves]) for curves in (own, base)
    )
    n = len(needs)
    here, there = ~np.isnan(needs), ~np.isnan(base_needs)
    head = (target, n, int(here.sum()), int(there.sum()))
    mean = float(needs.mean()) if n and here.all() else NAN
    none = (NAN,) * 5
    if n < 2:
        return (*head, mean, NAN, *none, FEW)
    if not here.any():
        return (*head, mean, NAN, *none, NEVER)
    if not (here.all() and there.all()):
        if not here.all() and not there.all():
            return (*head, mean, NAN, *none, OPEN)
        bound = np.where(there, base_needs, x[-1]) - np.where(here, needs, x[-1])
        return (*head, mean, float(bound.mean()), *none, AT_LEAST if here.all() else AT_MOST)
    saved = base_needs - needs
    ratio = mean / float(base_needs.mean())
    if np.ptp(saved) < NOISE:
        return (*head, mean, float(saved[0]), NAN, NAN, ratio, NAN, NAN, SAME)
    bound = -special.stdtrit(n - 1, alpha / 2)
    half = bound * saved.std(ddof=1) / np.sqrt(n)
    shares = fieller(needs, base_needs, alpha)
    return (*head, mean, saved.mean(), saved.mean() - half, saved.mean() + half, ratio, *shares, "")


def fieller(above, below, alpha: float = 0.05) -> tuple[float, float]:
    """Interval of the ratio of two paired means.

    Fieller 1954, "Some problems in interval estimation": all r at which the paired t test of
    above - r * below does not reject at alpha.

    Args:
        above, below: (n,) floats, n at least 2, below positive on mean.

    Returns:
        (low, high); (0, infinity) where the mean of ``below`` is not shown to differ from 0.

    Examples:
        >>> [round(float(x), 3) for x in fieller([3.0, 4.0, 5.0], [6.0, 7.0, 9.0])]
        [0.408, 0.611]
    """
    a, b = finite(above, "above"), finite(below, "below")
    n = a.size
    t2 = special.stdtrit(n - 1, level(alpha) / 2) ** 2 / n
    cov = np.cov(a, b)
    square = b.mean() ** 2 - t2 * cov[1, 1]
    if square <= 0:
        return 0.0, INF
    middle = a.mean() * b.mean() - t2 * cov[0, 1]
    root = np.sqrt(max(middle**2 - square * (a.mean() ** 2 - t2 * cov[0, 0]), 0.0))
    return max((middle - root) / square, 0.0), (middle + root) / square

"""Measures of one run and of several runs of one strategy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.statistics.finite import computed, finite, finite_or_missing


def aubc(labeled, accuracy) -> float:
    """Area under the accuracy-budget curve, as a mean accuracy over the budget range.

    With budgets x_0 < ... < x_m and accuracies y_0 ... y_m this is

        sum_i (x_i - x_(i-1)) (y_i + y_(i-1)) / 2  /  (x_m - x_0),

    the measure of Zhan et al. 2022 ("A Comparative Survey of Deep Active Learning"), taken over
    the real labeled counts with round 0 included, so that unequal batches are weighed rightly.

    Args:
        labeled: (rounds,) labeled images of each round, strictly increasing.
        accuracy: (rounds,) test accuracy of each round, a fraction in [0, 1].

    Returns:
        A float in [0, 1]; with a single budget, the accuracy at that budget.

    Raises:
        ValueError: for no rounds, lengths that differ, counts that do not increase, or a count or
            accuracy that is not finite.

    Examples:
        >>> round(aubc([10, 20, 40], [0.5, 0.7, 0.9]), 4)
        0.7333
    """
    x, y = finite(labeled, "labeled"), finite(accuracy, "accuracy")
    if x.ndim != 1 or x.shape != y.shape or x.size == 0:
        raise ValueError("labeled and accuracy must be vectors of one length, at least 1")
    if x.size == 1:
        return float(y[0])
    steps = np.diff(x)
    if not (steps > 0).all():
        raise ValueError("labeled counts must be strictly increasing")
    # Weights that sum to one keep a constant curve at its constant.
    return float(np.average((y[1:] + y[:-1]) / 2, weights=steps))


def improvement(labeled, accuracy, baseline_labeled, baseline_accuracy) -> float:
    """Average performance improvement (API) over a baseline.

    Li et al. 2022 ("An Empirical Study on the Efficacy of Deep Active Learning for Image
    Classification"), equation (1), over all N rounds, the first included:

        API = 1/N sum_i (acc_i - acc_i of the baseline).

    Args:
        labeled, accuracy: (rounds,) of the strategy.
        baseline_labeled, baseline_accuracy: (rounds,) of the baseline, same seed.

    Returns:
        The mean over the labeled counts that both have; NaN, undefined, where they have none in
        common.

    Raises:
        ValueError: for lengths that differ, or a count or accuracy that is not finite.

    Examples:
        >>> round(improvement([10, 20, 30], [0.5, 0.75, 0.9], [10, 20], [0.5, 0.5]), 4)
        0.125
    """
    for x, y in ((labeled, accuracy), (baseline_labeled, baseline_accuracy)):
        finite(x, "labeled"), finite(y, "accuracy")
    other = dict(zip(baseline_labeled, baseline_accuracy, strict=True))
    gains = [y - other[x] for x, y in zip(labeled, accuracy, strict=True) if x in other]
    return float(np.mean(gains)) if gains else float("nan")


def labels_needed(labeled, accuracy, target: float) -> float:
    """Labeled images with which a curve first reaches an accuracy.

    Linear between rounds: the smallest x at which the broken line through (labeled, accuracy) is
    at least `target`.

    Args:
        labeled: (rounds,) increasing counts.
        accuracy: (rounds,) fractions.
        target: accuracy to reach.

    Returns:
        A float between the first and the last count (the first count where the curve starts at
        or above the target, which may then need fewer); NaN if it is never reached.

    Raises:
        ValueError: for a count, accuracy or target that is not finite.

    Examples:
        >>> labels_needed([10, 20, 30], [0.25, 0.5, 0.75], 0.625)
        25.0
    """
    x, y = finite(labeled, "labeled"), finite(accuracy, "accuracy")
    finite(target, "target")
    reached = np.flatnonzero(y >= target - 1e-12)
    if not reached.size:
        return float("nan")
    at = int(reached[0])
    if at == 0:
        return float(x[0])
    share = (target - y[at - 1]) / (y[at] - y[at - 1])
    return float(x[at - 1] + min(max(share, 0.0), 1.0) * (x[at] - x[at - 1]))


def class_balance(per_class) -> tuple[float, float]:
    """How evenly the classes are labeled.

    Args:
        per_class: (classes,) labeled images of each class.

    Returns:
        (entropy, ratio): the entropy of the class shares divided by log(classes), 1 for equal
        counts and 0 for a single class; and the largest count over the smallest, infinite where a
        class has none. (NaN, NaN) without any label or with one class.

    Raises:
        ValueError: for a count that is negative or not finite.

    Examples:
        >>> [round(x, 4) for x in class_balance([9, 3])]
        [0.8113, 3.0]
    """
    counts = finite(per_class, "labeled images of a class")
    if (counts < 0).any():
        raise ValueError("labeled images of a class must not be negative")
    total = counts.sum()
    if counts.size < 2 or total == 0:
        return float("nan"), float("nan")
    shares = counts[counts > 0] / total
    entropy = float(-(shares * np.log(shares)).sum() / np.log(counts.size))
    ratio = float(counts.max() / counts.min()) if counts.min() > 0 else float("inf")
    return min(max(entropy, 0.0), 1.0), ratio


def jaccard(first, second) -> float:
    """Overlap of two sets of indices, |A and B| / |A or B|.

    Args:
        first, second: integers; NaN is returned where both are empty.

    Examples:
        >>> jaccard([1, 2, 3], [2, 3, 4])
        0.5
    """
    a, b = set(map(int, first)), set(map(int, second))
    return len(a & b) / len(a | b) if a or b else float("nan")


def group_accuracies(groups: Mapping[str, Mapping]) -> dict[str, float]:
    """Accuracy of each group of test images, of the worst one and of the mismatched ones.

    Zhan et al. 2022 report both for Waterbird, where the background of a mismatched group says
    another class than the bird.

    Args:
        groups: name -> {"test": images, "correct": right ones, "mismatch": whether the group is a
            mismatched one (optional)}.

    Returns:
        name -> accuracy (NaN for a group without images), "worst group" (of those with images)
        and, if any group is a mismatched one with images, "mismatch".

    Examples:
        >>> sea = {"test": 4, "correct": 1, "mismatch": True}
        >>> group_accuracies({"land": {"test": 8, "correct": 6}, "sea": sea})
        {'land': 0.75, 'sea': 0.25, 'worst group': 0.25, 'mismatch': 0.25}
    """
    found = {
        name: group["correct"] / group["test"] if group["test"] else float("nan")
        for name, group in groups.items()
    }
    known = [value for value in found.values() if not np.isnan(value)]
    wrong = [group for group in groups.values() if group.get("mismatch")]
    images = sum(group["test"] for group in wrong)
    if known:
        found["worst group"] = min(known)
    if images:
        found["mismatch"] = sum(group["correct"] for group in wrong) / images
    return found


def describe(values) -> tuple[float, float, int]:
    """Mean, sample standard deviation (ddof = 1) and number of values.

    Args:
        values: (n,) floats, in any unit; the results are in the same unit.

    Returns:
        (mean, std, n); the mean is NaN for n = 0, the deviation is NaN for n < 2, and exactly 0
        where all values are equal and only there.

    Raises:
        ValueError: for a value that is not finite.
        FloatingPointError: for a spread too small or too large to be squared.

    Examples:
        >>> describe([1.0, 2.0, 3.0])
        (2.0, 1.0, 3)
    """
    x = finite(values, "values")
    if x.size == 0:
        return float("nan"), float("nan"), 0
    if x.size > 1 and np.ptp(x) == 0:
        # The rounded mean of equal numbers can differ from them in the last bit.
        return float(x[0]), 0.0, int(x.size)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = computed(float(x.mean()), "the mean")
        if x.size == 1:
            return mean, float("nan"), 1
        std = computed(float(x.std(ddof=1)), "the standard deviation")
    if std == 0:
        raise FloatingPointError("the standard deviation cannot be computed in double precision")
    return mean, std, int(x.size)


def ranks(values, decimals: int = 6) -> pd.Series:
    """Competition ranks of values, 1 for the highest; equal values share the better rank.

    Args:
        values: (n,) floats or a Series; NaN gets no rank.
        decimals: digits after the point that count, so that float noise breaks no tie.

    Returns:
        Series of Int64 (missing where the value is NaN), with the index of `values`.

    Raises:
        ValueError: for an infinity.
        FloatingPointError: for a value too large to be rounded.

    Examples:
        >>> ranks([0.8, 0.9, 0.8, 0.7]).tolist()
        [2, 1, 2, 4]
    """
    finite_or_missing(values, "values")
    with np.errstate(over="raise"):
        rounded = pd.Series(values, dtype="float64").round(decimals)
    return rounded.rank(method="min", ascending=False).astype("Int64")

"""Level and power of the primary analysis, by simulated studies.

    python -m benchmarks.primary [--studies 10000] [--seeds 2 3 5 10 20 50] [--plan]

Six strategies; AUBC of a run = effect of its seed + effect of its strategy + normal noise. The
level is the share of studies without any effect in which some strategy is called better or worse;
the power, that of studies in which one strategy is better by two deviations of the noise and is
called so. With --plan: how often a study shows the difference that an earlier one of its size
stated as seen four times in five. Prints a Markdown table. All studies of a cell are computed at
once; a test holds the decisions against the analysis itself.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy import special

from stages.machine.progress import progress
from stages.statistics import planning, primary
from stages.statistics.dunnett import dunnett_critical
from stages.statistics.studentized import tail

STRATEGIES, EFFECT, ALPHA = 6, 2.0, 0.05
BLOCK = 100  # studies at a time whose signs are all tried
GAMES_HOWELL = "Games-Howell"
SCENES = {  # deviation of the seeds' effects; deviations of the strategies' noise
    "seeds differ": (2.0, [1.0] * STRATEGIES),
    "seeds are alike": (0.0, [1.0] * STRATEGIES),
    "one strategy is three times as noisy": (2.0, [1.0, 3.0, 1.0, 1.0, 1.0, 1.0]),
    "the baseline is three times as noisy": (2.0, [3.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
}


def called(method: str, values: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Which strategies of many studies are called better or worse than the first one.

    Args:
        method: of `primary.METHODS`, or "Games-Howell" over all pairs.
        values: (studies, seeds, strategies) floats, the baseline first.
        alpha: level of the family.

    Returns:
        (studies, strategies - 1) bool.
    """
    if method == GAMES_HOWELL:
        return _games_howell(values) < alpha
    d = values[:, :, 1:] - values[:, :, :1]
    n, m = d.shape[1:]
    if method == primary.FLIPS:
        return _flips(d) < alpha
    mean, df = d.mean(1), n - 1
    if method == primary.PAIRED:
        error = d.std(1, ddof=1) / np.sqrt(n)
        steps = [-special.stdtrit(df, alpha / left / 2) for left in range(m, 0, -1)]
    else:
        df *= m
        rest = values - values.mean(1, keepdims=True) - values.mean(2, keepdims=True)
        rest = rest + values.mean((1, 2), keepdims=True)
        error = np.sqrt(2 * (rest**2).sum((1, 2)) / df / n)[:, None]
        steps = [dunnett_critical(alpha, left, df) for left in range(m, 0, -1)]
    t = np.abs(mean / error)
    order = np.argsort(-t, axis=1)
    passed = np.logical_and.accumulate(np.take_along_axis(t, order, 1) > steps, axis=1)
    found = np.empty_like(passed)
    np.put_along_axis(found, order, passed, 1)
    return found


def _flips(d: np.ndarray) -> np.ndarray:
    """Adjusted p by signs, step-down from the largest."""
    n, m = d.shape[1:]
    signs = primary.all_signs(n)
    parts = []
    for at in range(0, len(d), BLOCK):
        own = d[at : at + BLOCK]
        own = own / np.sqrt((own**2).mean(1, keepdims=True))
        ratio = np.abs(np.einsum("sn,bnm->bsm", signs, own, optimize=True)) / n
        order = np.argsort(-ratio[:, 0], axis=1)
        ordered = np.take_along_axis(ratio, order[:, None], 2)
        # The largest among those that are left: from the last one up.
        largest = np.maximum.accumulate(ordered[:, :, ::-1], axis=2)[:, :, ::-1]
        p = (largest >= ordered[:, :1] - 1e-12).mean(1)
        found = np.empty_like(p)
        np.put_along_axis(found, order, np.maximum.accumulate(p, axis=1), 1)
        parts.append(found)
    return np.concatenate(parts)


def _games_howell(values: np.ndarray) -> np.ndarray:
    """p of each strategy against the first, over all pairs."""
    n, k = values.shape[1:]
    share = values.var(1, ddof=1) / n
    total = share[:, 1:] + share[:, :1]
    df = total**2 / (share[:, 1:] ** 2 + share[:, :1] ** 2) * (n - 1)
    mean = values.mean(1)
    t = np.abs(mean[:, 1:] - mean[:, :1]) / np.sqrt(total)
    return tail(t.ravel() * np.sqrt(2), k, df.ravel()).reshape(t.shape)


def simulated(scene: str, n: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Runs of studies without any effect of a strategy, (studies, seeds, strategies)."""
    spread, noise = SCENES[scene]
    values = rng.normal(size=(studies, n, STRATEGIES)) * noise
    return values + spread * rng.normal(size=(studies, n, 1))


def shares(method: str, n: int, scene: str, studies: int, seed: int) -> tuple[float, float]:
    """Level over the family and power for the last strategy, over simulated studies."""
    values = simulated(scene, n, studies, np.random.default_rng(seed))
    false = called(method, values).any(1).mean()
    values[:, :, -1] += EFFECT
    return float(false), float(called(method, values)[:, -1].mean())


def planned(method: str, n: int, scene: str, studies: int, seed: int) -> float:
    """Share of studies that show what an earlier one of their size stated as seen.

    The last strategy is better by the difference that the earlier study gives for it.
    """
    rng = np.random.default_rng(seed)
    earlier, later = (simulated(scene, n, studies, rng) for _ in range(2))
    m = STRATEGIES - 1
    if method == primary.BLOCKED:
        rest = earlier - earlier.mean(1, keepdims=True) - earlier.mean(2, keepdims=True)
        rest = rest + earlier.mean((1, 2), keepdims=True)
        df = m * (n - 1)
        error = np.sqrt(2 * (rest**2).sum((1, 2)) / df / n)
    else:
        df = n - 1
        error = (earlier[:, :, -1] - earlier[:, :, 0]).std(1, ddof=1) / np.sqrt(n)
    seen = planning.difference_seen(error, df, n, m, method=method, alpha=ALPHA)
    later[:, :, -1] += seen[:, None]
    return float(called(method, later)[:, -1].mean()) if np.isfinite(seen).all() else float("nan")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10, 20, 50])
    parser.add_argument("--methods", nargs="+", default=None)
    parser.add_argument("--plan", action="store_true")
    options = parser.parse_args()
    methods = options.methods or [*primary.METHODS, *([] if options.plan else [GAMES_HOWELL])]
    rows = []
    for scene, method in progress(
        [(scene, method) for scene in SCENES for method in methods], "simulate", "cell"
    ):
        if options.plan:
            cells = [f"{planned(method, n, scene, options.studies, n):.2f}" for n in options.seeds]
        else:
            both = [shares(method, n, scene, options.studies, n) for n in options.seeds]
            cells = [f"{level:.3f} / {power:.2f}" for level, power in both]
        rows.append([scene, method, *cells])
    heads = ["", "analysis", *(f"{n} seeds" for n in options.seeds)]
    print(pd.DataFrame(rows, columns=heads).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()

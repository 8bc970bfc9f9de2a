"""Level and power of the primary analysis, by simulated studies.

    python -m benchmarks.primary [--studies 10000] [--seeds 2 3 5 10 20 50]

Six strategies; AUBC of a run = effect of its seed + effect of its strategy + normal noise. The
level is the share of studies without any effect in which some strategy is called better or worse;
the power, that of studies in which one strategy is better by two deviations of the noise and is
called so. Prints a Markdown table.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from stages.machine.progress import progress
from stages.statistics import primary
from stages.statistics.comparisons import games_howell_from_summary

STRATEGIES, EFFECT, ALPHA = 6, 2.0, 0.05
SCENES = {  # deviation of the seeds' effects; deviations of the strategies' noise
    "seeds differ": (2.0, [1.0] * STRATEGIES),
    "seeds are alike": (0.0, [1.0] * STRATEGIES),
    "one strategy is three times as noisy": (2.0, [1.0, 3.0, 1.0, 1.0, 1.0, 1.0]),
    "the baseline is three times as noisy": (2.0, [3.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
}


def games_howell(values: np.ndarray) -> np.ndarray:
    """p of each strategy against the first, over all pairs."""
    names = [str(at) for at in range(values.shape[1])]
    n = len(values)
    table = games_howell_from_summary(
        names, values.mean(0), values.std(0, ddof=1), [n] * len(names), baseline="0", interval=False
    )
    return table["p"].to_numpy()


def p_values(method: str, values: np.ndarray) -> np.ndarray:
    """Adjusted p of each strategy against the first."""
    if method == "Games-Howell":
        return games_howell(values)
    return primary.FAMILIES[method](values[:, 1:] - values[:, :1], ALPHA)["p_adjusted"]


def shares(method: str, n: int, scene: str, studies: int, seed: int) -> tuple[float, float]:
    """Level over the family and power for the last strategy, over simulated studies."""
    rng = np.random.default_rng(seed)
    spread, noise = SCENES[scene]
    false = seen = 0
    for _ in range(studies):
        values = spread * rng.normal(size=(n, 1)) + rng.normal(size=(n, STRATEGIES)) * noise
        false += bool((p_values(method, values) < ALPHA).any())
        values[:, -1] += EFFECT
        seen += bool(p_values(method, values)[-1] < ALPHA)
    return false / studies, seen / studies


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10, 20, 50])
    parser.add_argument("--methods", nargs="+", default=[*primary.METHODS, "Games-Howell"])
    options = parser.parse_args()
    rows = []
    for scene, method in progress(
        [(scene, method) for scene in SCENES for method in options.methods], "simulate", "cell"
    ):
        cells = [shares(method, n, scene, options.studies, n) for n in options.seeds]
        rows.append([scene, method, *(f"{a:.3f} / {b:.2f}" for a, b in cells)])
    heads = ["", "analysis", *(f"{n} seeds" for n in options.seeds)]
    print(pd.DataFrame(rows, columns=heads).to_markdown(index=False))


if __name__ == "__main__":
    main()

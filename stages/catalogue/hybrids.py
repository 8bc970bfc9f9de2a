"""The 54 hybrids and the six single criteria, as lines of params.yaml.

``python -m stages.catalogue.hybrids`` prints the keys ``strategies``, ``tuned`` and ``strategy`` of
a study that has them all, each hybrid with the candidates of its weight that Li et al. 2022 try.
"""

from __future__ import annotations

import itertools
from typing import Any

from stages.strategies.hybrid import COMBINATIONS, DIVERSITIES, UNCERTAINTIES

WEIGHTS = [step / 10 for step in range(1, 10)]
RATIOS = [2, 3, 4, 5, 6]
PURE_LABELS = {"entropy": "entropy_dropout"}  # `entropy` is the one without dropout


def hybrids() -> dict[str, dict[str, Any]]:
    """label -> settings of all 54, with candidates for the setting that is tuned."""
    result = {}
    for combination, uncertainty, diversity in itertools.product(
        COMBINATIONS, UNCERTAINTIES, DIVERSITIES
    ):
        tuned = {"gamma": RATIOS} if combination.endswith("_first") else {"alpha": WEIGHTS}
        if combination.endswith("_decayed"):
            tuned = {"beta": WEIGHTS}
        result[f"{uncertainty}_{diversity}_{combination}"] = {
            "use": "hybrid",
            "uncertainty": uncertainty,
            "diversity": diversity,
            "combination": combination,
            **tuned,
        }
    return result


def single() -> dict[str, dict[str, Any]]:
    """label -> settings of the pure queries that the paper compares with."""
    by_uncertainty = {
        PURE_LABELS.get(name, name): {
            "use": "hybrid",
            "uncertainty": name,
            "combination": "uncertainty",
        }
        for name in UNCERTAINTIES
    }
    by_diversity = {
        name: {"use": "hybrid", "diversity": name, "combination": "diversity"}
        for name in DIVERSITIES
    }
    return by_uncertainty | by_diversity


def lines() -> str:
    """The three keys as YAML, one strategy a line."""
    everything = {"random": {}, **single(), **hybrids()}
    text = ["strategies:", *(f"  - {label}" for label in everything)]
    text += ["tuned:", *(f"  - {label}" for label in hybrids())]
    text.append("strategy:")
    for label, options in everything.items():
        inside = ", ".join(f"{key}: {value}" for key, value in options.items())
        text.append(f"  {label}: {{{inside}}}")
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    print(lines(), end="")

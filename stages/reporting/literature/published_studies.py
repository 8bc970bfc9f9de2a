"""Gashi et al. 2024, Munjal et al. 2022 and the hybrid strategies of Li et al. 2022."""

from __future__ import annotations

import pandas as pd

from stages.published import checks
from stages.published.simulated import munjal_simulated
from stages.reporting.literature.claims import ranking
from stages.reporting.numbers import p_text as p_of
from stages.reporting.write.grid import grid
from stages.statistics.ranking import block_ranks, friedman


def gashi() -> list[str]:
    """Sections of the report on `gashi`."""
    names = {"T2": "CIFAR10", "T3": "CIFAR100", "T4": "Caltech101", "T5": "Caltech256"}
    parts, areas, finals = [], {}, {}
    for table, dataset in names.items():
        held = checks.reality_verdicts(table)
        counts = held.groupby(["method", "verdict"], sort=False).size().unstack(fill_value=0)
        counts = counts.reindex(columns=["better", "undetermined", "worse"], fill_value=0)
        parts.append(counts.assign(data_set=dataset).reset_index())
        wide = checks.reality_check(table).pivot(index="labeled", columns="method", values="mean")
        areas[dataset] = wide.apply(lambda y: checks.area(y.index, y))
        finals[dataset] = wide.iloc[-1]
    verdicts = pd.concat(parts, ignore_index=True)
    verdicts.insert(0, "data_set", verdicts.pop("data_set"))
    scores = pd.DataFrame(areas).T
    return [
        "## Budgets at which a method is better or worse than Random (Games-Howell, n = 5 each, "
        "six methods)\n\n" + grid(verdicts),
        "## Final accuracy (%)\n\n" + grid(pd.DataFrame(finals).T.reset_index(names="data_set"), 2),
        "## Area under the curve (% accuracy)\n\n" + grid(scores.reset_index(names="data_set"), 2),
        "## Mean ranks of the area\n\n" + ranking(scores, "data sets"),
        '## "Diversity" (Table 8) beside "Entropy" (Table 2)\n\n' + grid(checks.same_numbers(), 2),
    ]


def munjal() -> list[str]:
    """Sections of the report on `munjal`."""
    held, omnibus = checks.munjal_verdicts(), checks.munjal_omnibus()
    return [
        "## Verdicts against RSB\n\n" + grid(held, {"labeled": 1, "difference": 3}),
        "## Tests over all seven methods\n\n"
        "Bartlett's test needs no single value but normal groups; Welch's analysis of variance "
        "neither single values nor equal variances.\n\n"
        + grid(omnibus, {"labeled": 1, "bartlett": 2, "welch_f": 3}),
        "## Kruskal-Wallis and Levene on drawn runs\n\n"
        "The 25 runs of a method are not printed. 2,000 times, runs were drawn normal within each "
        "of the five initial sets with exactly the printed means and deviations: the shares of "
        "draws in which each test rejects at 0.05, and Kruskal-Wallis's median p.\n\n"
        + grid(munjal_simulated(), {"labeled": 1}),
    ]


def hybrid() -> list[str]:
    """Sections of the report on `hybrid`."""
    parts = [
        f"## {dataset}\n\n{grid(checks.hybrid_scores(dataset).head(15), 2)}"
        for dataset in ("MNIST", "CIFAR10", "CIFAR10_extended")
    ]
    wide = pd.DataFrame(
        {
            name: checks.hybrid_scores(name).assign(
                strategy=lambda x: x["kind"] + ": " + x["method"]
            ).set_index("strategy")["mean"]
            for name in ("MNIST", "CIFAR10")
        }
    )  # fmt: skip
    ranks = block_ranks(wide.T).mean().sort_values(kind="stable").head(15)
    table = pd.DataFrame({"strategy": ranks.index, "mean_rank": ranks.to_numpy()})
    test = friedman(wide.T)
    text = (
        f"Friedman over {test['n']} data sets and {test['groups']} strategies: chi2 = "
        f"{test['chi2']:.2f}, df = {test['df']}, {p_of(test['p'])}; with two blocks it says "
        "next to nothing."
    )
    return [
        "**Caution.** The public code of the paper takes indices where its formulas take values in "
        "the two-stage queries and uses one initial pool for all repeats, so these rows are no "
        "targets for an implementation of the formulas.",
        *parts,
        f"## Mean rank over MNIST and CIFAR10, best fifteen\n\n{text}\n\n{grid(table, 1)}",
    ]

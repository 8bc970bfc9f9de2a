"""The two comparative surveys: Zhan et al. 2022 and Li et al. 2022."""

from __future__ import annotations

import numpy as np

from stages.published import STUDIES, checks, load, mixture
from stages.reporting.literature.claims import ALPHA, ranking
from stages.reporting.write.grid import grid
from stages.statistics.comparisons import games_howell_from_summary
from stages.statistics.paired import paired_table
from stages.statistics.wintieloss import win_tie_loss


def deepalplus() -> list[str]:
    """Sections of the report on `deepalplus`."""
    medical, standard = checks.table_9("medical-2"), checks.table_9("standard-8")
    mixtures = mixture.table_9_mixtures()
    facts = mixtures.attrs
    scores = checks.survey_scores((*checks.STANDARD, *checks.MEDICAL))
    others = [(name, "Random") for name in scores.columns if name != "Random"]
    pairs = paired_table(scores, others, ALPHA).drop(columns=["second", "reason", "low", "high"])
    better = pairs.query("p_holm < @ALPHA and difference > 0")["first"].tolist()
    uncertain = mixture.uncertainty_pairs().nsmallest(10, "p")
    columns = ["strategy", "wins", "ties", "losses", "points", "rank", "printed_wins",
               "printed_ties", "printed_losses", "printed_rank", "equal"]  # fmt: skip
    return [
        "## Table 9, medical tasks\n\n" + grid(medical[columns]),
        "## Table 9, standard tasks, from Tables 4-6\n\n" + grid(standard[columns]),
        "## Table 9, standard tasks, from a mixture\n\n"
        f"Table 1 and Tables 4-6 print another AUBC in these cells. Of the {facts['mixtures']} "
        f"ways to take each from one or the other, {facts['best']} give {facts['methods']} of 18 "
        "methods exactly the printed wins, ties and losses; those take each cell from:\n\n"
        + grid(mixtures, 4),
        "## Where Table 1 and Tables 4-7 differ\n\n" + grid(checks.survey_disagreements()),
        "## Uncertainty-based methods against each other, the ten least p of 45 (paired t over the "
        "standard tasks, Tables 4-6)\n\n" + grid(uncertain.drop(columns=["reason", "low", "high"])),
        "## Against Random over data sets\n\n"
        "A paired t test on AUBC over the ten data sets shows "
        f"{', '.join(better) if better else 'no method'} to be better than Random after Holm's "
        f"correction for {len(pairs)} tests (assumes normal differences, independent data sets)."
        "\n\n" + grid(pairs),
        "## Mean ranks of AUBC\n\n" + ranking(scores, "data sets"),
        "## Pairs with Random on the medical tasks\n\n" + _survey_pairs(),
    ]


def _survey_pairs() -> str:
    data = load("deepalplus")
    parts = []
    runs = STUDIES["deepalplus"].runs
    for dataset in checks.MEDICAL:
        own = data[(data["table"] == "T7") & (data["dataset"] == dataset)]
        own = own[(own["metric"] == "aubc") & own["std"].notna()]
        # The paper's deviations are those of a population of three runs.
        stds = own["std"].to_numpy() * np.sqrt(runs / (runs - 1))
        table = games_howell_from_summary(
            own["method"].tolist(), own["mean"], stds, [runs] * len(own), baseline="Random"
        )
        table = table[["first", "difference", "t", "df", "p", "low", "high", "g"]]
        parts.append(f"{dataset}, Games-Howell, n = {runs} each:\n\n{grid(table)}")
    note = "With three runs a method these tests see only large differences."
    return "\n\n".join([note, *parts])


def li() -> list[str]:
    """Sections of the report on `li`."""
    wide = checks.improvements()
    values = wide.drop(columns="kind")
    complete = values.dropna(axis=0)
    shown = values.copy()
    shown.insert(0, "kind", wide["kind"])
    shown["mean"] = values.mean(axis=1, skipna=False)
    shown["data_sets_above_random"] = (values > 0).sum(axis=1)
    shown["data_sets"] = values.notna().sum(axis=1)
    shown = shown.sort_values("mean", ascending=False, kind="stable", na_position="last")
    return [
        "## API over random (points of accuracy; mean over all five data sets or n/a)\n\n"
        + grid(shown.rename_axis("method").reset_index(), 2),
        "## Win, tie, loss on API, margin 0.5 points\n\n"
        + grid(win_tie_loss(values.T / 100, 0.005)),
        "## Mean ranks, methods with a value on every data set\n\n"
        + ranking(complete.T, "data sets"),
    ]

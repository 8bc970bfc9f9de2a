"""The two comparative surveys: Zhan et al. 2022 and Li et al. 2022."""

from __future__ import annotations

import numpy as np

from stages.published import STUDIES, checks, load
from stages.reporting.literature.claims import ALPHA, NO, OPEN, YES, claims, ranking
from stages.reporting.write.grid import grid
from stages.statistics.comparisons import games_howell_from_summary
from stages.statistics.paired import paired_table
from stages.statistics.wintieloss import win_tie_loss


def deepalplus() -> list[str]:
    """Sections of the report on `deepalplus`."""
    medical, standard = checks.table_9("medical-2"), checks.table_9("standard-8")
    wrong = medical[~medical["equal"]]
    vaal = medical.set_index("strategy").loc["VAAL"]
    counts = [int(vaal[name]) for name in ("wins", "ties", "losses")]
    printed = [int(vaal[f"printed_{name}"]) for name in ("wins", "ties", "losses")]
    points = standard.assign(
        printed_points=2 * standard["printed_wins"] + standard["printed_ties"]
    ).set_index("strategy")["printed_points"]
    disagreements = checks.survey_disagreements()
    first = checks.survey_scores(checks.STANDARD, ("T1",))
    alone = win_tie_loss(first).set_index("strategy").loc[standard["strategy"]]
    from_first = sum(
        tuple(a) == tuple(b)
        for a, b in zip(
            alone[["wins", "ties", "losses"]].to_numpy(),
            standard[["printed_wins", "printed_ties", "printed_losses"]].to_numpy(),
            strict=True,
        )
    )
    reproduced = list(wrong["strategy"]) == ["VAAL"]
    lines = [
        f"{YES if reproduced else NO} Table 9, medical tasks: {int(medical['equal'].sum())} of "
        f"{len(medical)} methods have exactly the printed wins, ties and losses (margin 0.005 in "
        "AUBC, compared in whole units of 0.0001). The exception is a misprint: VAAL is "
        f"{'-'.join(map(str, counts))} and printed {'-'.join(map(str, printed))}, which sums to "
        f"{sum(printed)} of {sum(counts)} comparisons.",
        f"{NO} Table 9, standard tasks: {int(standard['equal'].sum())} of {len(standard)} methods "
        f"agree when computed from Tables 4-6, {from_first} from Table 1. The two sources differ "
        f"in {len(disagreements)} cells of AUBC and final accuracy (all 11 data sets), and the "
        "printed counts come out only from a mixture of both.",
        f"{NO} The order of Table 9, standard tasks: by 2 x win + tie of its own counts, "
        f"LeastConfD ({points['LeastConfD']}) ranks above CEAL ({points['CEAL(Entropy)']}); they "
        "are printed the other way round.",
    ]
    scores = checks.survey_scores((*checks.STANDARD, *checks.MEDICAL))
    others = [(name, "Random") for name in scores.columns if name != "Random"]
    pairs = paired_table(scores, others, ALPHA).drop(columns=["second", "reason", "low", "high"])
    better = pairs.query("p_holm < @ALPHA and difference > 0")["first"].tolist()
    lines.append(
        "Over the ten data sets, a paired t test on AUBC shows "
        f"{', '.join(better) if better else 'no method'} to be better than Random after Holm's "
        f"correction for {len(pairs)} tests (assumes normal differences, independent data sets)."
    )
    columns = ["strategy", "wins", "ties", "losses", "points", "rank", "printed_wins",
               "printed_ties", "printed_losses", "printed_rank", "equal"]  # fmt: skip
    return [
        claims(lines),
        "## Table 9, medical tasks\n\n" + grid(medical[columns]),
        "## Table 9, standard tasks, from Tables 4-6\n\n" + grid(standard[columns]),
        "## Where Table 1 and Tables 4-7 differ\n\n" + grid(disagreements),
        "## Against Random over data sets\n\n" + grid(pairs),
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
    above = (values > 0) | values.isna()
    above.loc["RandomSampling"] = False
    three = ["MNIST", "CIFAR10", "GTSRB"]
    sal = wide.index[(wide["kind"] == "SAL") & (values[three] > 0).all(axis=1)].tolist()
    everywhere = values.index[above.all(axis=1)].tolist()
    semi = wide.index[wide["kind"] == "SSAL"].tolist()
    failing = [name for name in semi if name not in everywhere]
    worse = values.loc["WAAL"][values.loc["WAAL"] < 0]
    data = load("li")
    ratios = data[data["metric"] == "api_ratio_vs_SSLRandom"].set_index("dataset")["mean"]
    own = values.loc["SSLDiff2AugDirect"] / values.loc["SSLRandom"]
    known = own.reindex(ratios.index)
    close = ((known - ratios).abs() <= 0.011)[known.notna()]
    complete = values.dropna(axis=0)
    lines = [
        f'{NO if failing else YES} "Each SSAL method outperforms RandomSampling on all data sets" '
        f"is false for {', '.join(failing)} in the paper's own Table 3: its API is "
        + " and ".join(f"{worse[name]:.2f} on {name}" for name in worse.index)
        + f". The other {len(semi) - len(failing)} SSAL methods are above random wherever a value "
        "is printed.",
        f"{YES if len(sal) == 3 else NO} Three SAL methods are better than random on MNIST, "
        f"CIFAR10 and GTSRB: {', '.join(sal)}.",
        f"Above random on all five data sets, blanks not counted: {', '.join(everywhere)}.",
        f"{YES if close.all() else NO} Table 5, API of SSLDiff2AugDirect over SSLRandom: the "
        "ratios of Table 3 agree with the printed ones to 0.01 on "
        f"{', '.join(close[close].index)}. "
        f"{OPEN} On {', '.join(known[known.isna()].index)} the ratio is printed although the API "
        "it would come from is left blank.",
        f"{OPEN} No deviation is printed, so no difference can be tested on one data set; over "
        "data sets there are ranks.",
    ]
    shown = values.copy()
    shown.insert(0, "kind", wide["kind"])
    shown["mean"] = values.mean(axis=1, skipna=False)
    shown["data_sets_above_random"] = (values > 0).sum(axis=1)
    shown["data_sets"] = values.notna().sum(axis=1)
    shown = shown.sort_values("mean", ascending=False, kind="stable", na_position="last")
    return [
        claims(lines),
        "## API over random (points of accuracy; mean over all five data sets or n/a)\n\n"
        + grid(shown.rename_axis("method").reset_index(), 2),
        "## Win, tie, loss on API, margin 0.5 points\n\n"
        + grid(win_tie_loss(values.T / 100, 0.005)),
        "## Mean ranks, methods with a value on every data set\n\n"
        + ranking(complete.T, "data sets"),
    ]

"""What the published tables say when the statistics of this package are run on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.published import load
from stages.statistics.assumptions import bartlett_from_summary
from stages.statistics.comparisons import games_howell_from_summary, verdict
from stages.statistics.omnibus import welch_anova_from_summary
from stages.statistics.wintieloss import win_tie_loss

ALPHA = 0.05
STANDARD = (
    "MNIST", "FashionMNIST", "EMNIST", "SVHN", "CIFAR10", "CIFAR10-imb", "CIFAR100",
    "TinyImageNet",
)  # fmt: skip
MEDICAL = ("PneumoniaMNIST", "BreakHis")
RUNS_A_SET = 5


def survey_scores(datasets, tables=("T4", "T5", "T6", "T7"), metric="aubc") -> pd.DataFrame:
    """Means of the survey of Zhan et al., without pre-training.

    Args:
        datasets: names as printed.
        tables: of the paper.
        metric: "aubc" or "f_acc".

    Returns:
        (datasets, methods) DataFrame of fractions, NaN where nothing is printed; the methods are
        the 18 of Table 9 in its order.
    """
    data = load("deepalplus")
    methods = data.loc[data["table"] == "T9", "method"].unique()
    own = data[data["table"].isin(tables) & (data["metric"] == metric) & (data["variant"] == "")]
    wide = own.pivot(index="dataset", columns="method", values="mean")
    return wide.reindex(index=list(datasets), columns=list(methods))


def table_9(part: str) -> pd.DataFrame:
    """Win-tie-loss of the survey's Table 9, printed and computed from Tables 4-7.

    Args:
        part: "medical-2" or "standard-8".

    Returns:
        DataFrame in the printed order: strategy, wins, ties, losses, points and rank as computed,
        printed_wins, printed_ties, printed_losses, printed_rank, equal (whether the three counts
        agree).
    """
    data = load("deepalplus")
    printed = data[(data["table"] == "T9") & (data["dataset"] == part)]
    printed = printed.pivot(index="method", columns="metric", values="mean").astype("int64")
    printed = printed.sort_values("rank")[["win", "tie", "loss", "rank"]]
    printed.columns = ["printed_wins", "printed_ties", "printed_losses", "printed_rank"]
    scores = survey_scores(MEDICAL if part == "medical-2" else STANDARD)
    made = win_tie_loss(scores).set_index("strategy").loc[printed.index]
    table = pd.concat([made, printed], axis=1)
    table["equal"] = np.all(
        [table[name] == table[f"printed_{name}"] for name in ("wins", "ties", "losses")], axis=0
    )
    return table.rename_axis("strategy").reset_index()


def survey_disagreements() -> pd.DataFrame:
    """Cells in which the survey's Table 1 differs from its Tables 4-7.

    Returns:
        DataFrame with columns dataset, method, metric, table_1, detailed (NaN: not printed).
    """
    data = load("deepalplus")
    data = data[data["metric"].isin(["aubc", "f_acc"])]
    keys = ["dataset", "method", "metric"]
    first = data[data["table"] == "T1"][[*keys, "mean"]]
    rest = data[data["table"].isin(["T4", "T5", "T6", "T7"]) & (data["variant"] == "")]
    both = first.merge(rest[[*keys, "mean"]], on=keys, suffixes=("_1", "_2"))
    a, b = both["mean_1"], both["mean_2"]
    differs = (a.isna() != b.isna()) | ((a - b).abs() > 5e-5)
    both = both[differs].rename(columns={"mean_1": "table_1", "mean_2": "detailed"})
    return both.reset_index(drop=True)


def pooled(sets: pd.DataFrame) -> tuple[float, float, int]:
    """Mean, deviation and count of all runs, from the means and deviations of equal sets.

    With s sets of r runs, means m_i and deviations s_i (ddof = 1),

        variance = [(r - 1) sum s_i^2 + r sum (m_i - m)^2] / (s r - 1).

    Args:
        sets: rows with mean and std, each of five runs.
    """
    means, stds = sets["mean"].to_numpy(), sets["std"].to_numpy()
    count = RUNS_A_SET * len(means)
    within = (RUNS_A_SET - 1) * (stds**2).sum()
    between = RUNS_A_SET * ((means - means.mean()) ** 2).sum()
    return float(means.mean()), float(np.sqrt((within + between) / (count - 1))), count


def munjal_groups(dataset: str, labeled: float) -> pd.DataFrame:
    """The 25 runs of each method of Munjal et al. at one budget, from Tables 7-16.

    Args:
        dataset: "CIFAR10" or "CIFAR100".
        labeled: 0.2, 0.3 or 0.4, the labeled share.

    Returns:
        DataFrame with columns method, mean, std (ddof = 1), n; accuracy in %.
    """
    own = _munjal_sets(dataset, labeled)
    rows = [(name, *pooled(sets)) for name, sets in own.groupby("method", sort=False)]
    return pd.DataFrame(rows, columns=["method", "mean", "std", "n"])


def _munjal_sets(dataset: str, labeled: float) -> pd.DataFrame:
    data = load("munjal")
    tables = [f"S{n}" for n in (range(7, 12) if dataset == "CIFAR10" else range(12, 17))]
    own = data[data["table"].isin(tables) & (data["labeled"] == labeled)]
    return own[own["std"].notna() & (own["method"] != "base model")]


def munjal_tables() -> list[tuple[str, float, pd.DataFrame, float]]:
    """The six experiments: data set, labeled share, a row for each method and set, printed p."""
    data = load("munjal")
    printed = data[data["metric"] == "kruskal_wallis_p"]
    return [
        (dataset, labeled, _munjal_sets(dataset, labeled), p)
        for dataset, labeled, p in printed[["dataset", "labeled", "mean"]].itertuples(index=False)
    ]


def munjal_verdicts(alpha: float = ALPHA) -> pd.DataFrame:
    """Games-Howell against the random baseline for the six experiments of Munjal's Table 1.

    Returns:
        DataFrame: dataset, labeled, method, difference (points of accuracy, method - RSB), p,
        verdict, printed ("better", "worse", "undetermined" or "not printed"), equal.
    """
    data = load("munjal")
    printed = data[(data["table"] == "T1") & (data["metric"] == "vs_rsb")]
    words = {1.0: "better", 0.0: "undetermined", -1.0: "worse"}
    rows = []
    for (dataset, labeled), own in printed.groupby(["dataset", "labeled"], sort=False):
        groups = munjal_groups(dataset, labeled)
        table = games_howell_from_summary(
            groups["method"].tolist(), groups["mean"], groups["std"], groups["n"],
            alpha=alpha, baseline="RSB", interval=False,
        ).set_index("first")  # fmt: skip
        for method, value in zip(own["method"], own["mean"], strict=True):
            row = table.loc[method]
            word = verdict(row["difference"], row["standard_error"], row["p"], alpha)
            said = words.get(value, "not printed")
            rows.append((dataset, labeled, method, row["difference"], row["p"], word, said))
    columns = ["dataset", "labeled", "method", "difference", "p", "verdict", "printed"]
    table = pd.DataFrame(rows, columns=columns)
    table["equal"] = table["verdict"] == table["printed"]
    return table


def munjal_omnibus() -> pd.DataFrame:
    """Tests over all seven methods of Munjal et al. that need no single values.

    Returns:
        DataFrame: dataset, labeled, bartlett and bartlett_p (equal variances), welch_f and
        welch_p (equal means), kruskal_p (as printed).
    """
    data = load("munjal")
    printed = data[data["metric"] == "kruskal_wallis_p"]
    rows = []
    for dataset, labeled, p in printed[["dataset", "labeled", "mean"]].itertuples(index=False):
        groups = munjal_groups(dataset, labeled)
        anova = welch_anova_from_summary(groups["mean"], groups["std"], groups["n"])
        bartlett = bartlett_from_summary(groups["std"], groups["n"])
        rows.append((dataset, labeled, *bartlett, anova["f"], anova["p"], p))
    columns = ["dataset", "labeled", "bartlett", "bartlett_p", "welch_f", "welch_p", "kruskal_p"]
    return pd.DataFrame(rows, columns=columns)


def improvements() -> pd.DataFrame:
    """Average performance improvement over random of Li et al., Table 3.

    Returns:
        (methods, datasets) DataFrame in points of accuracy, with a first column "kind" (SAL or
        SSAL); NaN where the paper left the cell empty.
    """
    data = load("li")
    own = data[data["metric"] == "api"]
    wide = own.pivot(index="method", columns="dataset", values="mean")
    wide = wide.loc[own["method"].unique(), own["dataset"].unique()]
    wide.insert(0, "kind", own.drop_duplicates("method").set_index("method")["variant"])
    return wide


def reality_check(table: str) -> pd.DataFrame:
    """One table of Gashi et al.

    Args:
        table: "T2" ... "T13".

    Returns:
        DataFrame: method, labeled, mean, std (points), in the printed order, blanks left out.
    """
    data = load("gashi")
    own = data[(data["table"] == table) & data["mean"].notna()]
    return own[["method", "labeled", "mean", "std"]].reset_index(drop=True)


def reality_verdicts(table: str, baseline: str = "Random", runs: int = 5, alpha: float = ALPHA):
    """Games-Howell against a baseline at every budget of one table of Gashi et al.

    Args:
        table: "T2" ... "T13".
        baseline: a method in it.
        runs: behind each mean.

    Returns:
        DataFrame: labeled, method, difference (points), p, verdict.
    """
    rows = []
    for labeled, own in reality_check(table).groupby("labeled"):
        pairs = games_howell_from_summary(
            own["method"].tolist(), own["mean"], own["std"], [runs] * len(own),
            alpha=alpha, baseline=baseline, interval=False,
        )  # fmt: skip
        for row in pairs.rename(columns={"first": "method"}).itertuples():
            word = verdict(row.difference, row.standard_error, row.p, alpha)
            rows.append((labeled, row.method, row.difference, row.p, word))
    return pd.DataFrame(rows, columns=["labeled", "method", "difference", "p", "verdict"])


def area(labeled, values) -> float:
    """Area under a curve by trapezoids, divided by its range, in the unit of the values."""
    return float(np.trapezoid(values, labeled) / np.ptp(labeled))


def same_numbers() -> pd.DataFrame:
    """The method "Diversity" of Table 8 beside "Entropy" of Table 2 of Gashi et al.

    Returns:
        DataFrame: labeled, diversity, entropy, difference, diversity_std, entropy_std.
    """
    first = reality_check("T8").query("method == 'Diversity'").set_index("labeled")
    second = reality_check("T2").query("method == 'Entropy'").set_index("labeled")
    table = pd.DataFrame({"diversity": first["mean"], "entropy": second["mean"]})
    table["difference"] = (table["diversity"] - table["entropy"]).round(6)
    table["diversity_std"], table["entropy_std"] = first["std"], second["std"]
    return table.reset_index()


def hybrid_scores(dataset: str) -> pd.DataFrame:
    """Final accuracies of Li et al. (hybrid query strategies) on one data set.

    Args:
        dataset: "MNIST", "CIFAR10" or "CIFAR10_extended".

    Returns:
        DataFrame: kind ("baseline" or the combination), method, mean (%), best first; the best
        combinations that Table 1 repeats from the appendix stand once.
    """
    data = load("hybrid")
    own = data[(data["dataset"] == dataset) & data["mean"].notna()]
    if dataset != "CIFAR10_extended":
        own = own[own["variant"] != "hybrid"]
    own = own.rename(columns={"variant": "kind"})[["kind", "method", "mean"]]
    return own.sort_values("mean", ascending=False, kind="stable").reset_index(drop=True)

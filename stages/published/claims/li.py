"""Li et al. 2022, "An Empirical Study on the Efficacy of Deep Active Learning"."""

from __future__ import annotations

import pandas as pd

from stages.published import checks
from stages.published.claims import Outcome, claim, untested, value

NAME = "li"
FIGURE = "{} alone shows it"
STRONG = ["SSLConsistency", "SSLDiff2AugDirect", "SSLDiff2AugKmeans"]
THREE = ["BadgeSampling", "ClusterMargin", "LeastConfidence"]
MAIN = ["MNIST", "CIFAR10", "GTSRB"]


def gains(kind: str = "") -> pd.DataFrame:
    """API of Table 3, (methods, data sets), without random sampling."""
    table = checks.improvements()
    own = table[table["kind"] == kind] if kind else table
    return own.drop(columns="kind").drop(index="RandomSampling", errors="ignore")


def cost(kind: str, dataset: str) -> float:
    """Mean cost of Table 4 in units of random sampling."""
    return value(NAME, "T4", dataset, f"average over {kind} methods", "cost", kind)


@claim(NAME, "Abstract", "most SAL methods cannot achieve higher accuracy than random selection",
       "T3")  # fmt: skip
def _most_sal_below_random() -> Outcome:
    table = gains("SAL")
    above, known = (table > 0).sum(), table.notna().sum()
    found = "methods above random: " + ", ".join(
        f"{above[x]} of {known[x]} on {x}" for x in table.columns
    )
    return Outcome(bool((above < known / 2).all()), found)


@claim(NAME, "Section 4.1", "6/14, 3/14, and 6/14 methods perform worse than RandomSampling", "T3")
def _counts_below_random() -> Outcome:
    table = gains("SAL")[MAIN]
    below = (table < 0).sum().tolist()
    found = (
        f"{', '.join(map(str, below))} on {', '.join(MAIN)}; the 14 rows include random sampling "
        "itself"
    )
    return Outcome(below == [6, 3, 6], found)


@claim(NAME, "Section 4.1", "most methods perform worse than RandomSampling in at least one "
       "dataset", "T3")  # fmt: skip
def _somewhere_below_random() -> Outcome:
    table = gains("SAL")
    below = int((table < 0).any(axis=1).sum())
    return Outcome(below > len(table) / 2, f"{below} of {len(table)}")


@claim(NAME, "Section 4.1", "Only BadgeSampling, ClusterMargin, and LeastConfidence constantly "
       "perform better", "T3")  # fmt: skip
def _three_above_random() -> Outcome:
    table = gains("SAL")
    every = table.index[((table > 0) | table.isna()).all(axis=1)].tolist()
    printed = int(table.loc[every].notna().all(axis=1).sum())
    found = f"{', '.join(every)}; {printed} of them with a value on every data set"
    return Outcome(every == THREE, found)


@claim(NAME, "Section 4.1", "no SAL method that can outperform others on every dataset", "T3")
def _no_sal_method_always_best() -> Outcome:
    best = gains("SAL").idxmax()
    return Outcome(
        best.nunique() > 1, "best are " + ", ".join(f"{y} ({x})" for x, y in best.items())
    )


@claim(NAME, "Section 4.1", "BadgeSampling outperforms the other two on MNIST, but worse than "
       "LeastConfidence on GTSRB and CIFAR-10", "T3")  # fmt: skip
def _badge_against_two() -> Outcome:
    table = gains("SAL").loc[THREE]
    badge, least = table.loc["BadgeSampling"], table.loc["LeastConfidence"]
    right = table["MNIST"].idxmax() == "BadgeSampling" and bool(
        (badge[["GTSRB", "CIFAR10"]] < least[["GTSRB", "CIFAR10"]]).all()
    )
    found = (
        f"MNIST {badge['MNIST']:.2f}; {badge['GTSRB']:.2f} against {least['GTSRB']:.2f} and "
        f"{badge['CIFAR10']:.2f} against {least['CIFAR10']:.2f}"
    )
    return Outcome(right, found)


@claim(NAME, "Section 4.1", "SSLRandom has a 1.68, 4.57, and 1.11 average accuracy improvement",
       "T3")  # fmt: skip
def _ssl_random() -> Outcome:
    own = gains("SSAL").loc["SSLRandom", MAIN].tolist()
    return Outcome(own == [1.68, 4.57, 1.11], ", ".join(f"{x:.2f}" for x in own))


@claim(NAME, "Section 4.1", "SSAL improves the best method in SAL by 1.66, 3.88, 0.85", "T3")
def _ssal_above_the_best() -> Outcome:
    found = (gains("SSAL")[MAIN].max() - gains("SAL")[MAIN].max()).round(2).tolist()
    return Outcome(found == [1.66, 3.88, 0.85], ", ".join(f"{x:.2f}" for x in found))


@claim(NAME, "Section 4.1", "Each SSAL method outperforms the RandomSampling consistently on all "
       "datasets", "T3")  # fmt: skip
def _every_ssal_above_random() -> Outcome:
    cells = gains("SSAL").stack()
    below = [f"{m} {x:.2f} on {d}" for (m, d), x in cells.items() if x <= 0]
    return Outcome(not below, ", ".join(below) or "all above")


@claim(NAME, "Appendix A.2", "the SSAL methods consistently outperform SAL methods in all datasets",
       "T3")  # fmt: skip
def _every_ssal_above_every_sal() -> Outcome:
    table, most = gains("SSAL"), gains("SAL").max()
    below = [
        f"{' and '.join(table.index[table[x] <= most[x]])} on {x}"
        for x in table.columns
        if (table[x] <= most[x]).any()
    ]
    return Outcome(not below, f"below the best SAL method: {', '.join(below) or 'none'}")


@claim(NAME, "Section 4.1", "SSLConsistency, SSLDiff2AugDirect, and SSLDiff2AugKmeans are much "
       "better than SSLRandom", "T3")  # fmt: skip
def _chosen_above_ssl_random() -> Outcome:
    table = gains("SSAL")
    gap = table.loc[STRONG] - table.loc["SSLRandom"]
    least = gap.min()
    found = "least gaps: " + ", ".join(f"{least[x]:.2f} on {x}" for x in gap.columns)
    return Outcome(bool((least > 0.5).all()), found + "; much is taken as 0.5 points")


@claim(NAME, "Section 4.1", "WAAL sometimes performs worse than SSLRandom", "T3")
def _waal_below_ssl_random() -> Outcome:
    table = gains("SSAL")
    below = int((table.loc["WAAL"] < table.loc["SSLRandom"]).sum())
    return Outcome(below > 0, f"on {below} of {table.shape[1]} data sets")


@claim(NAME, "Section 4.1", "the performance difference between [these three] are negligibly small",
       "T3")  # fmt: skip
def _three_alike() -> Outcome:
    own = gains("SSAL").loc[STRONG]
    spread = own.max() - own.min()
    found = "largest less smallest: " + ", ".join(f"{spread[x]:.2f} on {x}" for x in own.columns)
    return Outcome(bool((spread <= 0.5).all()), found + "; negligible is taken as 0.5 points")


@claim(NAME, "Section 4.2", "SSAL methods consume around 4x energy than SAL methods on MNIST "
       "... GTSRB (e.g. around 3x)",
       "T4")  # fmt: skip
def _cost_ratio() -> Outcome:
    found = [cost("SSAL", x) / cost("SAL", x) for x in ("MNIST", "GTSRB")]
    return Outcome(
        [round(x) for x in found] == [4, 3], f"{found[0]:.2f} times and {found[1]:.2f} times"
    )


@claim(NAME, "Section 5.2", "3.49/1.68 = 2.07, 5.78/4.57 = 1.26, 1.19/1.11 = 1.07, and "
       "6.33/5.97 = 1.06", "T3", "T5")  # fmt: skip
def _ratios() -> Outcome:
    table = gains("SSAL")
    own = table.loc["SSLDiff2AugDirect"] / table.loc["SSLRandom"]
    printed = {x: value(NAME, "T5", x, "SSLDiff2AugDirect", "api_ratio_vs_SSLRandom")
               for x in (*MAIN, "TinyImageNet")}  # fmt: skip
    close = [abs(own[x] - printed[x]) <= 0.011 for x in MAIN]
    found = (
        f"{sum(close)} of 3 follow from Table 3 to 0.01; for Tiny-ImageNet that leaves the 6.33 "
        f"blank and prints {table.loc['SSLRandom', 'TinyImageNet']:.2f} where the ratio has 5.97"
    )
    return Outcome(all(close) and bool(pd.notna(own["TinyImageNet"])), found)


@claim(NAME, "Section 5.2", "the performance improvement is correlated to the number of unlabeled "
       "samples", "T5")  # fmt: skip
def _ratio_follows_samples() -> Outcome:
    order = [*MAIN, "TinyImageNet"]
    size, ratio = (
        pd.Series([value(NAME, "T5", x, "SSLDiff2AugDirect", y) for x in order])
        for y in ("avg_train_samples_per_class", "api_ratio_vs_SSLRandom")
    )
    correlation = size.corr(ratio, method="spearman")
    found = f"rank correlation {correlation:.0f} over 4 data sets (p = 0.083, the least there is)"
    return Outcome(correlation == 1, found)


for quote, where, figure in (
    ("performance is negatively correlated with the initial budget", "Figure 4", "Figure 4"),
    ("the performance gap increases with the increase of unlabeled data", "Section 5.2",
     "Figure 5"),
    ("the query size has little influence on SSAL performance", "Section 5.3", "Figure 6"),
    ("performance of each method does not change much with different initial budgets",
     "Appendix A.3", "Figure 8"),
    ("sample uncertainty is more important than sample diversity", "Section 4.1", "Figure 2"),
):  # fmt: skip
    untested(NAME, where, quote, FIGURE.format(figure))
untested(
    NAME,
    "Section 4.1",
    "improve the model performance consistently and significantly",
    "no deviation and no single run is printed, so nothing can be tested on one data set",
)

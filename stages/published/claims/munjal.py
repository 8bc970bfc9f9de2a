"""Munjal et al. 2022, "Towards Robust and Reproducible Active Learning Using Neural Networks"."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd

from stages.published import checks
from stages.published.claims import Outcome, claim, numbers, untested
from stages.published.simulated import munjal_simulated
from stages.statistics.comparisons import games_howell_from_summary

NAME = "munjal"
V, D = "Section 6.2", "Section 6.3"
SETS = tuple(f"S{n}" for n in range(7, 17))
METHODS = ["RSB", "Coreset", "DBAL", "BALD", "VAAL", "QBC", "UC"]
EXPERIMENTS = list(product(("CIFAR10", "CIFAR100"), (0.2, 0.3, 0.4)))
ALPHA = 0.05


def cell(table: str, dataset: str, variant: str, labeled: float) -> pd.Series:
    """Printed accuracies of one table at one budget, by method."""
    data = numbers(NAME)
    own = data[
        (data["table"] == table) & (data["dataset"] == dataset) & (data["labeled"] == labeled)
        & (data["variant"] == variant) & data["mean"].notna()
    ]  # fmt: skip
    return own.set_index("method")["mean"]


@lru_cache
def verdicts() -> pd.DataFrame:
    """Games-Howell against random in the six experiments."""
    return checks.munjal_verdicts()


@claim(NAME, "Table 1", "[Games-Howell against RSB] >RSB, <RSB, Undetermined", "T1", *SETS)
def _table_1() -> Outcome:
    held = verdicts()
    printed = held[held["printed"] != "not printed"]
    wrong = printed[~printed["equal"]]
    found = f"{int(printed['equal'].sum())} of {len(printed)} printed verdicts" + "".join(
        f"; {x.method} at {x.dataset} {100 * x.labeled:.0f}% is printed {x.printed}, its numbers "
        f"make it {x.verdict}"
        for x in wrong.itertuples()
    )
    return Outcome(len(wrong) <= 1, found + "; VAAL is in no column at CIFAR100 20%")


@claim(NAME, V, "at least one method stochastically dominated one other method in all 6 "
       "experiments", "T1", *SETS)  # fmt: skip
def _kruskal() -> Outcome:
    made = munjal_simulated()
    share = float(made["kruskal_share"].min())
    ratio = made["kruskal_p"] / made["kruskal_printed"]
    found = (
        f"Kruskal-Wallis on runs drawn to the printed means and deviations rejects in "
        f"{100 * share:.0f} % of 2,000 draws or more in each; median p is {ratio.min():.1f} to "
        f"{ratio.max():.0f} times the printed one"
    )
    return Outcome(share > 0.95, found, share)


@claim(NAME, V, "equality of variance was rejected at 0.05 in 4 out of 6 experiments", *SETS)
def _levene() -> Outcome:
    made = munjal_simulated()
    mean, median = made["levene_mean"], made["levene_median"]
    four = [_exactly(4, x.to_numpy()) for x in (mean, median)]
    found = (
        f"on drawn runs Levene's test rejects in {mean.sum():.1f} of 6 on average with the mean as "
        f"centre, in {median.sum():.1f} with the median; in exactly 4 in {100 * four[0]:.0f} % and "
        f"{100 * four[1]:.0f} % of draws"
    )
    return Outcome(max(four) > 0.05, found, max(four))


def _exactly(count: int, shares: np.ndarray) -> float:
    """P(exactly so many of independent events)."""
    ways = np.array([1.0])
    for share in shares:
        ways = np.convolve(ways, [1 - share, share])
    return float(ways[count])


@claim(NAME, V, "no AL method consistently outperforms random baseline", "T1", *SETS)
def _none_always_better() -> Outcome:
    held = verdicts()
    better = held[held["verdict"] == "better"].groupby("method").size().reindex(METHODS[1:])
    found = "better in " + ", ".join(f"{m} {n:.0f}" for m, n in better.fillna(0).items())
    return Outcome(bool((better.fillna(0) < 6).all()), found + " of 6 experiments")


@claim(
    NAME,
    V,
    "QBC was superior to RSB in 4 out of 6 experiments ... Coreset 2/6, DBAL 2/6, BALD 1/6",
    "T1",
    *SETS,
)
def _superior() -> Outcome:
    held = verdicts()
    counts = {
        m: int(((held["method"] == m) & (held["verdict"] == "better")).sum()) for m in METHODS[1:]
    }
    said = {"QBC": 4, "Coreset": 2, "DBAL": 2, "BALD": 1}
    found = ", ".join(f"{m} {counts[m]}" for m in said) + f"; UC {counts['UC']}, not mentioned"
    return Outcome(all(counts[m] == n for m, n in said.items()), found)


@claim(NAME, V, "equal mean accuracy could not be rejected for most pairwise comparisons", *SETS)
def _most_pairs_alike() -> Outcome:
    alike = total = 0
    for dataset, labeled in EXPERIMENTS:
        own = checks.munjal_groups(dataset, labeled)
        table = games_howell_from_summary(
            own["method"].tolist(), own["mean"], own["std"], own["n"], interval=False
        )
        alike += int((table["p"] >= ALPHA).sum())
        total += len(table)
    return Outcome(alike > total / 2, f"{alike} of {total} pairs")


@claim(NAME, "Section 6.1", "A standard deviation of 1-2% in accuracy among different AL methods",
       *SETS)  # fmt: skip
def _spread() -> Outcome:
    stds = pd.concat([checks.munjal_groups(*x)["std"] for x in EXPERIMENTS])
    inside = int(stds.between(1, 2).sum())
    found = (
        f"deviations of 25 runs are {stds.min():.2f} to {stds.max():.2f} points, {inside} of "
        f"{len(stds)} within 1 to 2, {int((stds < 1).sum())} below"
    )
    return Outcome(inside > len(stds) / 2, found)


@claim(
    NAME, "Section 6.1", "averaged over 25 runs ... no AL method performs consistently best", *SETS
)
def _none_best() -> Outcome:
    best = {
        f"{d} {100 * x:.0f}%": checks.munjal_groups(d, x).set_index("method")["mean"].idxmax()
        for d, x in EXPERIMENTS
    }
    found = ", ".join(f"{y} at {x}" for x, y in best.items())
    return Outcome(len(set(best.values())) > 1, found)


@claim(NAME, D, "RSB achieves a mean accuracy of 47.5%, 43.4%, and 46.7% ... 2%, 5% and 10% "
       "... 54.58%, 57.24%, and 55.06%", "T2")  # fmt: skip
def _validation_size() -> Outcome:
    found = [
        cell("T2", "CIFAR100", f"validation set {size}%", labeled)["RSB"]
        for labeled in (0.2, 0.4)
        for size in (2, 5, 10)
    ]
    said = [47.5, 43.4, 46.7, 54.58, 57.24, 55.06]
    close = all(abs(x - y) <= 0.05 for x, y in zip(found, said, strict=True))
    return Outcome(close, ", ".join(f"{x:.2f}" for x in found))


@claim(NAME, D, "no AL method was consistently better across AL iterations as size of V changes",
       "T2")  # fmt: skip
def _best_by_validation() -> Outcome:
    best = [
        cell("T2", "CIFAR100", f"validation set {size}%", labeled).idxmax()
        for size in (2, 5, 10)
        for labeled in (0.2, 0.3, 0.4)
    ]
    counts = pd.Series(best).value_counts()
    found = "best of nine: " + ", ".join(f"{x} {n}" for x, n in counts.items())
    return Outcome(len(counts) > 1, found)


@claim(NAME, D, "CIFAR10 at 40% labeled data and b = 10%, UC outperforms all other methods "
       "[with 5%] BALD performs the best", "S6", "S7")  # fmt: skip
def _annotation_batch() -> Outcome:
    ten = cell("S7", "CIFAR10", "initial set L0", 0.4)
    five = cell("S6", "CIFAR10", "annotation batch 5%", 0.4)
    found = (
        f"best with 10%: {ten.idxmax()} ({ten.max():.2f}), with 5%: {five.idxmax()} "
        f"({five.max():.2f}, BALD {five['BALD']:.2f})"
    )
    return Outcome(ten.idxmax() == "UC" and five.idxmax() == "BALD", found)


@claim(NAME, "Section 6.4", "RA & SWA show a significant combined gain of ~12% and ~5%", "T3")
def _combined_gain() -> Outcome:
    gains = []
    for dataset in ("CIFAR10", "CIFAR100"):
        own = cell("T3", dataset, "regularization ablation", 0.1)
        gains.append(own["RSB + SWA + RA"] - own["RSB"])
    found = f"{gains[0]:.2f} and {gains[1]:.2f} points, one trial each, so without a test"
    return Outcome([round(x) for x in gains] == [12, 5], found)


@claim(NAME, "Section 6.6", "on CIFAR10 with Resnet18, Coreset achieves consistently best", "T4")
def _coreset_on_resnet() -> Outcome:
    best = [cell("T4", "CIFAR10", "transfer R18 (target)", x).idxmax() for x in (0.2, 0.3, 0.4)]
    strong = [
        cell("T4", "CIFAR10", "transfer R18-SR (target)", x).idxmax() for x in (0.2, 0.3, 0.4)
    ]
    found = f"best are {', '.join(best)}; strongly regularized {', '.join(strong)}"
    return Outcome(set(best) == {"Coreset"} and set(strong) != {"Coreset"}, found)


@claim(NAME, "Section 6.6", "the RSB-SR model outperforms the best AL approach ... in all the "
       "AL iterations, though DBAL-SR appears at the top ... 93.34% at 40%", "T4")  # fmt: skip
def _strong_random() -> Outcome:
    gaps = []
    for labeled in (0.2, 0.3, 0.4):
        plain = cell("T4", "CIFAR10", "transfer R18 (target)", labeled).max()
        gaps.append(cell("T4", "CIFAR10", "transfer R18-SR (target)", labeled)["RSB"] - plain)
    top = cell("T4", "CIFAR10", "transfer R18-SR (target)", 0.4)
    found = (
        "ahead by " + ", ".join(f"{x:.2f}" for x in gaps)
        + f" points; top is {top.idxmax()} with {top.max():.2f}"
    )  # fmt: skip
    return Outcome(min(gaps) > 0 and (top.idxmax(), top.max()) == ("DBAL", 93.34), found)


@claim(NAME, "Section 7", "the drop for the strongly-regularized model was nearly half (3%) "
       "compared to (6%) on 30% and 40%", "T4", "T5", "S1")  # fmt: skip
def _noise() -> Outcome:
    clean = {
        "RSB": [cell("T4", "CIFAR10", "transfer VGG16 (source)", x)["RSB"] for x in (0.3, 0.4)],
        "RSB-SR": [
            cell("S1", "CIFAR10", "random baseline, VGG16", x)["RSB-SR(ours)"] for x in (0.3, 0.4)
        ],
    }
    drops = {
        method: [
            own - cell("T5", "CIFAR10", f"noisy oracle {noise}%", x)[method]
            for noise in (10, 20)
            for own, x in zip(clean[method], (0.3, 0.4), strict=True)
        ]
        for method in clean
    }
    shown = "; ".join(f"{m} " + ", ".join(f"{x:.2f}" for x in own) for m, own in drops.items())
    found = f"drops at 10% noise (30%, 40%), then at 20%: {shown}"
    means = {m: float(np.mean(own)) for m, own in drops.items()}
    return Outcome(round(means["RSB"]) == 6 and round(means["RSB-SR"]) == 3, found)


def _noisy() -> pd.DataFrame:
    """Table S4: noise, labeled, method, strong (whether strongly regularized), mean."""
    own = numbers(NAME)
    own = own[(own["table"] == "S4") & (own["labeled"] > 0.1)].copy()
    own["strong"] = own["method"].str.endswith("-SR")
    own["method"] = own["method"].str.removesuffix("-SR")
    return own[["variant", "labeled", "method", "strong", "mean"]].dropna()


@claim(NAME, "Supplement 1.6", "strongly-regularized model improves performance even in label "
       "corruptions scenarios", "S4")  # fmt: skip
def _noise_and_regularization() -> Outcome:
    wide = _noisy().pivot(index=["variant", "labeled", "method"], columns="strong", values="mean")
    wide = wide.dropna()
    better = int((wide[True] > wide[False]).sum())
    return Outcome(better == len(wide), f"in {better} of {len(wide)} cells")


@claim(NAME, "Supplement 1.6", "[noise] No AL method consistently outperforms the simple RSB", "S4")
def _noise_and_random() -> Outcome:
    wide = _noisy().pivot(index=["variant", "labeled", "strong"], columns="method", values="mean")
    ahead = wide.drop(columns="RSB").gt(wide["RSB"], axis=0).sum()
    found = f"above RSB in {ahead.min()} to {ahead.max()} of {len(wide)} cells"
    return Outcome(bool((ahead < len(wide)).all()), found)


@claim(NAME, "Supplement 1.6", "Strong-regularization help reduce the difference between RSB and "
       "best AL method", "S4")  # fmt: skip
def _noise_and_gap() -> Outcome:
    wide = _noisy().pivot(index=["variant", "labeled", "strong"], columns="method", values="mean")
    lead = (wide.drop(columns="RSB").max(axis=1) - wide["RSB"]).unstack("strong")
    less = int((lead[True] < lead[False]).sum())
    found = f"the lead is smaller in {less} of {len(lead)} cells"
    return Outcome(less > len(lead) / 2, found)


@claim(NAME, "Section 6.5", "VAAL outperforms all other methods at 15% data but both Coreset "
       "and Coreset-SR leads to the highest mean accuracy across other settings", "S5")  # fmt: skip
def _imagenet() -> Outcome:
    best = {
        (variant, x): cell("S5", "ImageNet", variant, x).idxmax()
        for variant in ("without RA+SWA", "RA+SWA")
        for x in (0.15, 0.2, 0.25)
    }
    others = [y for (v, x), y in best.items() if (v, x) != ("without RA+SWA", 0.15)]
    found = f"at 15% {best['without RA+SWA', 0.15]}; else " + ", ".join(others)
    right = all(y in ("Coreset", "Coreset-SR") for y in others)
    return Outcome(best["without RA+SWA", 0.15] == "VAAL" and right, found)


@claim(
    NAME,
    "Section 6.5",
    "RSB-SR model with 20% data exceeds the performance achieved by both RSB and VAAL using 25%",
    "S5",
)
def _imagenet_saving() -> Outcome:
    strong = cell("S5", "ImageNet", "RA+SWA", 0.2)["RSB-SR"]
    plain = cell("S5", "ImageNet", "without RA+SWA", 0.25)
    found = f"{strong:.2f} against {plain['RSB']:.2f} and {plain['VAAL']:.2f}"
    return Outcome(strong > max(plain["RSB"], plain["VAAL"]), found)


@claim(NAME, "Section 6.5", "both adam and sgd optimizer can sometimes work better", "S3")
def _optimizers() -> Outcome:
    own = numbers(NAME)
    own = own[own["table"] == "S3"].groupby("method")["mean"].sum()
    found = f"ADAM is chosen {own['ADAM']:.0f} times, SGD {own['SGD']:.0f} times of 84"
    return Outcome(bool((own > 0).all()), found)


@claim(NAME, "Supplement 1.1", "recent AL studies show baseline results that are lower than the "
       "ones reproduced", "S1")  # fmt: skip
def _baselines() -> Outcome:
    rows = []
    for x in (0.1, 0.2, 0.3, 0.4):
        own = cell("S1", "CIFAR10", "random baseline, VGG16", x)
        rows.append(own["RSB(ours)"] - own[["VAAL", "Coreset"]].max())
    found = "VGG16: ahead by " + ", ".join(f"{x:.2f}" for x in rows) + " points"
    return Outcome(min(rows) > 0, found)


@claim(NAME, "Section 6.4", "RSB-SR model with 20% of training data achieves 3% higher "
       "accuracy compared to RSB model trained using 40%", "S1")  # fmt: skip
def _strong_with_half() -> Outcome:
    strong = cell("S1", "CIFAR10", "random baseline, VGG16", 0.2)["RSB-SR(ours)"]
    plain = cell("S1", "CIFAR10", "random baseline, VGG16", 0.4)["RSB(ours)"]
    return Outcome(round(strong - plain) == 3, f"{strong:.2f} against {plain:.2f}")


untested(NAME, V, "normality could not be assumed for any of the six experiments",
         "needs the single runs; drawn ones would assume it")  # fmt: skip
untested(NAME, D, "[imbalance] the difference between RSB and the best AL method reduces",
         "Figure 4 alone shows it")  # fmt: skip
untested(NAME, "Section 6.4", "strongly-regularized models exhibit appreciably-smaller variance",
         "Figure 5 alone shows it")  # fmt: skip

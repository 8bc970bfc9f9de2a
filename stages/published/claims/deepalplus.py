"""Zhan et al. 2022, "A Comparative Survey of Deep Active Learning"."""

from __future__ import annotations

import pandas as pd

from stages.published import checks, mixture
from stages.published.claims import Outcome, claim, untested, value

NAME = "deepalplus"
S = "Section 3.2"
ALL_TASKS = (*checks.STANDARD, *checks.MEDICAL)
ORIGINAL = {"LeastConfD": "LeastConf", "MarginD": "Margin", "EntropyD": "Entropy"}
ALPHA = 0.05


def first(dataset: str, method: str, metric: str = "aubc") -> float:
    """A number of Table 1."""
    return value(NAME, "T1", dataset, method, metric)


def means(datasets) -> pd.DataFrame:
    """AUBC of Table 1, (datasets, methods)."""
    table = checks.survey_scores(datasets, ("T1",))
    table["KMeans(GPU)"] = [first(dataset, "KMeans(GPU)") for dataset in datasets]
    return table


@claim(NAME, S, "generally 1% ~ 3% higher than Random on average performance", "T1")
def _uncertainty_beats_random() -> Outcome:
    table = means(checks.STANDARD)
    gains = 100 * (table[list(mixture.UNCERTAINTY)].sub(table["Random"], axis=0)).mean()
    inside = int(gains.between(1, 3).sum())
    found = (
        f"means over 8 tasks are {gains.min():.2f} to {gains.max():.2f} points above Random, "
        f"{inside} of 10 methods within 1 to 3"
    )
    return Outcome(inside > 5, found)


@claim(NAME, S, "no method performs significantly better than the others (all p > 0.05)",
       "T1", "T4", "T5", "T6")  # fmt: skip
def _no_uncertain_pair_differs() -> Outcome:
    one, four = mixture.uncertainty_pairs(("T1",)), mixture.uncertainty_pairs()
    below = [int((x["p"] < ALPHA).sum()) for x in (one, four)]
    corrected = max(int((x["p_holm"] < ALPHA).sum()) for x in (one, four))
    found = (
        f"paired t tests have p < 0.05 in {below[1]} of {len(four)} pairs by Tables 4-6, in "
        f"{below[0]} by Table 1 (least p {four['p'].min():.3f}); in {corrected} after Holm's "
        "correction, which the text does not mention"
    )
    return Outcome(not any(below), found)


@claim(NAME, S, "On TinyImageNet, dropout versions are generally 1% ~ 3% higher", "T1", "T6")
def _dropout_helps_on_tiny() -> Outcome:
    gains = [100 * (first("TinyImageNet", d) - first("TinyImageNet", o))
             for d, o in ORIGINAL.items()]  # fmt: skip
    found = "LeastConf, Margin, Entropy: " + ", ".join(f"{x:+.2f}" for x in gains) + " points"
    return Outcome(sum(1 <= x <= 3 for x in gains) > len(gains) / 2, found)


@claim(NAME, S, "CEAL improved Entropy by an average of 0.5% on 8 datasets", "T1", "T4", "T5", "T6")
def _ceal_improves_entropy() -> Outcome:
    table = means(checks.STANDARD)
    gain = 100 * (table["CEAL(Entropy)"] - table["Entropy"]).mean()
    return Outcome(round(gain, 1) == 0.5, f"{gain:.2f} points on average")


@claim(NAME, S, "VarRatio is even 4.5% lower than Random [PneumoniaMNIST]", "T1", "T7")
def _varratio_below_random() -> Outcome:
    area, final = (
        100 * (first("PneumoniaMNIST", "VarRatio", x) - first("PneumoniaMNIST", "Random", x))
        for x in ("aubc", "f_acc")
    )
    found = f"{final:+.2f} points in final accuracy, {area:+.2f} in AUBC"
    return Outcome(round(-final, 1) == 4.5 or round(-area, 1) == 4.5, found)


@claim(NAME, S, "F-acc of many DAL algorithms are higher than full performance", "T1", "T7")
def _above_full() -> Outcome:
    full = first("PneumoniaMNIST", "Full", "f_acc")
    names = [*checks.survey_scores(["MNIST"], ("T1",)).columns, "KMeans(GPU)"]
    above = [n for n in names if first("PneumoniaMNIST", n, "f_acc") > full]
    found = f"{len(above)} of {len(names)} on PneumoniaMNIST, KCenter among them"
    return Outcome("KCenter" in above and len(above) > len(names) / 2, found)


@claim(NAME, S, "KMeans, KCenter and VAAL do not show much advantage", "T1")
def _representative_without_advantage() -> Outcome:
    table = means(checks.STANDARD).dropna(subset=["KCenter"])
    best = table[["KMeans", "KCenter", "VAAL"]].mean()
    others = table[list(mixture.UNCERTAINTY)].mean()
    found = (
        f"over the {len(table)} standard tasks that KCenter finished, mean AUBC is at most "
        f"{best.max():.4f} ({best.idxmax()}); of uncertainty-based methods {others.min():.4f} to "
        f"{others.max():.4f}"
    )
    return Outcome(bool(best.max() < others.mean()), found)


@claim(NAME, S, "KMeans (GPU) is more time-efficient ... and performs better", "T1", "T5")
def _gpu_kmeans_is_better() -> Outcome:
    table = means(ALL_TASKS)
    wins = table["KMeans(GPU)"] > table["KMeans"]
    lost = ", ".join(wins.index[~wins])
    mean = 100 * (table["KMeans(GPU)"] - table["KMeans"]).mean()
    found = f"on {int(wins.sum())} of {len(wins)} tasks, not on {lost}; {mean:+.2f} points on mean"
    return Outcome(bool(wins.sum() > len(wins) / 2), found)


@claim(NAME, S, "BADGE has 1% ~ 3% higher AUBC performance compared with single KMeans", "T1")
def _badge_above_kmeans() -> Outcome:
    table = means(ALL_TASKS)[["BADGE(KMeans++)", "KMeans"]].dropna()
    gains = 100 * (table["BADGE(KMeans++)"] - table["KMeans"])
    inside = int(gains.between(1, 3).sum())
    found = (
        f"{gains.min():+.2f} to {gains.max():+.2f} points on {len(gains)} tasks, {inside} of them "
        f"within 1 to 3, {gains.mean():.2f} on mean"
    )
    return Outcome(inside > len(gains) / 2, found)


@claim(NAME, S, "[BADGE has] higher AUBC on CIFAR100 dataset [than uncertainty-based]", "T1", "T5")
def _badge_on_cifar100() -> Outcome:
    others = {name: first("CIFAR100", name) for name in mixture.UNCERTAINTY}
    best = max(others, key=others.get)
    own = first("CIFAR100", "BADGE(KMeans++)")
    return Outcome(own > others[best], f"{own:.4f} against {others[best]:.4f} of {best}")


@claim(NAME, S, "LPL improves F-acc over full training on SVHN (0.9452 vs. 0.8793), ...", "T1")
def _lpl_above_full() -> Outcome:
    tasks = ("SVHN", "CIFAR10", "CIFAR100", "CIFAR10-imb")
    above = [first(t, "LPL", "f_acc") > first(t, "Full", "f_acc") for t in tasks]
    found = (
        f"above full training on {sum(above)} of 4; the 0.8793 is CIFAR10's, SVHN's is "
        f"{first('SVHN', 'Full', 'f_acc'):.4f}"
    )
    return Outcome(all(above), found)


@claim(NAME, S, "better performance of LPL compared to the non-pre-trained (0.9923 vs. 0.8913)",
       "T4")  # fmt: skip
def _lpl_with_pretraining() -> Outcome:
    after = value(NAME, "T4", "MNIST", "LPL", "aubc", "pretrain")
    before = value(NAME, "T4", "MNIST", "LPL", "aubc")
    return Outcome((after, before) == (0.9923, 0.8913), f"{after:.4f} against {before:.4f}")


@claim(
    NAME,
    "Appendix E.1.2",
    "all MC dropout based versions ... perform worse than original [medical]",
    "T7",
)
def _dropout_harms_on_medical() -> Outcome:
    below, odd = 0, []
    for dataset in checks.MEDICAL:
        for dropout, original in ORIGINAL.items():
            gain = value(NAME, "T7", dataset, dropout, "aubc") - value(
                NAME, "T7", dataset, original, "aubc"
            )
            below += gain < 0
            if gain >= 0:
                odd.append(f"{dropout} on {dataset} ({100 * gain:+.2f} points)")
    return Outcome(not odd, f"{below} of 6 pairs; not {', '.join(odd) or 'any'}")


@claim(
    NAME,
    "Appendix E.2",
    "Comparison of DAL methods using win-tie-loss [medical: counts]",
    "T7",
    "T9",
)
def _medical_counts() -> Outcome:
    table = checks.table_9("medical-2")
    wrong = table.loc[~table["equal"], "strategy"].tolist()
    found = (
        f"{int(table['equal'].sum())} of {len(table)} methods have the printed counts; "
        f"{', '.join(wrong)} is printed 16-9-12, which sums to 37 of 34"
    )
    return Outcome(wrong == ["VAAL"], found)


@claim(NAME, "Appendix E.2", "win-tie-loss across 8 datasets on standard image classification "
       "[counts]",
       "T1", "T4", "T5", "T6", "T9")  # fmt: skip
def _standard_counts() -> Outcome:
    table = mixture.table_9_mixtures()
    facts = table.attrs
    groups = {
        source: ", ".join(f"{row.method} on {row.dataset}" for row in own.itertuples())
        for source, own in table.groupby("source", sort=False)
    }
    found = (
        f"{facts['methods']} of 18 methods by {facts['best']} of {facts['mixtures']} mixtures of "
        f"the {len(table)} cells in which the sources differ: "
        + "; ".join(f"{names}: {source}" for source, names in groups.items())
    )
    return Outcome(facts["methods"] == 18, found)


@claim(NAME, "Appendix E.2", "Methods are ranked by 2 x win + tie [standard: order]", "T9")
def _standard_order() -> Outcome:
    table = checks.table_9("standard-8")
    points = (2 * table["printed_wins"] + table["printed_ties"]).tolist()
    names = table["strategy"].tolist()
    wrong = [
        f"{names[i]} ({points[i]}) before {names[i + 1]} ({points[i + 1]})"
        for i in range(len(points) - 1)
        if points[i] < points[i + 1]
    ]
    return Outcome(not wrong, "; ".join(wrong) or "in order")


@claim(NAME, "Appendix E.2", "both WAAL and LPL outperform other DAL approaches [medical]", "T7",
       "T9")  # fmt: skip
def _enhanced_on_medical() -> Outcome:
    scores = checks.survey_scores(checks.MEDICAL, ("T7",))
    others = scores.drop(columns=["WAAL", "LPL"]).max(axis=1)
    wins = {n: int((scores[n] > others).sum()) for n in ("WAAL", "LPL")}
    found = (
        "above all others in AUBC on both tasks: WAAL; LPL on "
        f"{wins['LPL']} of 2 (BreakHis: BADGE {others['BreakHis']:.4f}, LPL "
        f"{scores.loc['BreakHis', 'LPL']:.4f})"
    )
    return Outcome(min(wins.values()) == 2, found)


@claim(NAME, "Section 3.4", "the ranking across these methods is not change, e.g., Entropy > "
       "EntropyD > KMeans in both", "T4")  # fmt: skip
def _ranks_keep_with_pretraining() -> Outcome:
    with_it = [value(NAME, "T4", "MNIST", x, "aubc", "pretrain") for x in ("Entropy", "EntropyD")]
    found = (
        f"with pre-training Entropy {with_it[0]:.4f} is below EntropyD {with_it[1]:.4f}; KMeans "
        "is not printed there"
    )
    return Outcome(with_it[0] > with_it[1], found)


@claim(NAME, "Section 3.4", "On Waterbird, LPL and WAAL w/o pre-training has better performance",
       "T4")  # fmt: skip
def _enhanced_on_waterbird() -> Outcome:
    names = [*mixture.UNCERTAINTY, "Random", "KMeans", "KCenter", "VAAL", "BADGE(KMeans++)"]
    best = max(value(NAME, "T4", "Waterbird", x, "aubc") for x in names)
    own = [value(NAME, "T4", "Waterbird", x, "aubc") for x in ("LPL", "WAAL")]
    return Outcome(min(own) > best, f"{own[0]:.4f} and {own[1]:.4f} against at most {best:.4f}")


@claim(NAME, "Section 3.4", "[Entropy, EntropyD, CEAL and KMeans] return to normal when using "
       "the pre-trained", "T4")  # fmt: skip
def _back_to_normal() -> Outcome:
    base = value(NAME, "T4", "Waterbird", "Random", "aubc", "pretrain")
    own = {
        x: value(NAME, "T4", "Waterbird", x, "aubc", "pretrain")
        for x in ("Entropy", "EntropyD", "CEAL(Entropy)", "KMeans")
    }
    below = [f"{x} ({y:.4f})" for x, y in own.items() if y < base]
    return Outcome(not below, f"still below Random ({base:.4f}): {', '.join(below) or 'none'}")


@claim(NAME, "Section 3.4", "LPL and WAAL could not well learn worst group under both", "T8")
def _worst_group() -> Outcome:
    low = {}
    for variant in ("worst group", "worst group pretrain"):
        base = value(NAME, "T8", "Waterbird", "Random", "f_acc", variant)
        low[variant] = [
            value(NAME, "T8", "Waterbird", x, "f_acc", variant) for x in ("LPL", "WAAL")
        ]
        if max(low[variant]) >= base:
            return Outcome(False, f"{variant}: above Random")
    found = "final accuracy of the worst group is " + ", ".join(
        f"{x:.4f}" for own in low.values() for x in own
    )
    return Outcome(True, found + " (LPL, WAAL; without, with pre-training), all below Random")


@claim(NAME, "Appendix E.4", "w/o pre-train, most typical DAL methods perform even worse than "
       "Random", "T4")  # fmt: skip
def _below_random_on_waterbird() -> Outcome:
    base = value(NAME, "T4", "Waterbird", "Random", "aubc")
    names = [*mixture.UNCERTAINTY, "KMeans", "KCenter", "VAAL", "BADGE(KMeans++)"]
    below = [x for x in names if value(NAME, "T4", "Waterbird", x, "aubc") < base]
    found = f"{len(below)} of {len(names)} in AUBC; not KCenter, which the text names"
    return Outcome(len(below) > len(names) / 2, found)


@claim(NAME, "Section 3.3", "WAAL outperforms its counterparts (BADGE and Entropy)", "T5")
def _waal_on_cifar10() -> Outcome:
    own, badge, entropy = (
        value(NAME, "T5", "CIFAR10", x, "aubc") for x in ("WAAL", "BADGE(KMeans++)", "Entropy")
    )
    found = f"at 30 epochs {own:.4f} against {badge:.4f} and {entropy:.4f}; others are figures"
    return Outcome(own > max(badge, entropy), found)


untested(NAME, "Section 3.3", "Entropy boosts AUBC by around 1.5 when trained 30 epochs",
         "Figure 2 alone shows it")  # fmt: skip
untested(NAME, "Section 3.3", "AL batch size has less impact on the performance",
         "Figure 2 alone shows it")  # fmt: skip
untested(NAME, "Appendix E.2", "LPL is weak in the early stage of AL processes",
         "Figure 5 alone shows it")  # fmt: skip

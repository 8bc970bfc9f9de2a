"""Gashi et al. 2024, Munjal et al. 2022 and the hybrid strategies of Li et al. 2022."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.published import checks
from stages.reporting.literature.claims import ALPHA, NO, OPEN, YES, claims, ranking
from stages.reporting.numbers import p_text as p_of
from stages.reporting.write.grid import grid
from stages.statistics.ranking import block_ranks, friedman


def gashi() -> list[str]:
    """Sections of the report on `gashi`."""
    same = checks.same_numbers()
    equal = int((same["difference"].abs() <= 0.01).sum())
    odd = same[same["diversity_std"] != same["entropy_std"]]
    names = {"T2": "CIFAR10", "T3": "CIFAR100", "T4": "Caltech101", "T5": "Caltech256"}
    parts, areas = [], {}
    for table, dataset in names.items():
        held = checks.reality_verdicts(table)
        counts = held.groupby(["method", "verdict"], sort=False).size().unstack(fill_value=0)
        counts = counts.reindex(columns=["better", "undetermined", "worse"], fill_value=0)
        parts.append(counts.assign(data_set=dataset).reset_index())
        wide = checks.reality_check(table).pivot(index="labeled", columns="method", values="mean")
        areas[dataset] = wide.apply(lambda y: np.trapezoid(y, y.index) / np.ptp(y.index))
    verdicts = pd.concat(parts, ignore_index=True)
    verdicts.insert(0, "data_set", verdicts.pop("data_set"))
    scores = pd.DataFrame(areas).T
    best = scores.idxmax(axis=1)
    leads = [name for name in scores.index if best[name] == "Entropy"]
    held = {t: checks.reality_verdicts(t, "Diversity") for t in ("T8", "T9", "T10")}
    apart = {
        t: int(((x["method"] == "No diversity") & (x["verdict"] == "worse")).sum())
        for t, x in held.items()
    }
    tuned = checks.reality_verdicts("T7", "Scratch")
    words = tuned["verdict"].value_counts()
    lines = [
        f'**Found.** "Diversity" of Table 8 equals "Entropy" of Table 2 to 0.01 in {equal} of '
        f"{len(same)} rows, so the headline entropy results are those with the random "
        "pre-selection, not those of entropy over the whole pool."
        + "".join(
            f" The deviations differ at {row.labeled:.0f} labels ({row.diversity_std:g} and "
            f"{row.entropy_std:g})."
            for row in odd.itertuples()
        ),
        f"{YES if len(leads) == len(scores) else NO} That entropy is best throughout: it "
        f"has the highest area under the accuracy-budget curve on {len(leads)} of {len(scores)} "
        f"data sets ({', '.join(leads)})"
        + "".join(
            f"; on {name} {best[name]} has ({scores.loc[name, best[name]]:.2f} against "
            f"{scores.loc[name, 'Entropy']:.2f})"
            for name in scores.index
            if name not in leads
        )
        + ".",
        "Plain entropy without the pre-selection is significantly worse than with it at "
        f"{apart['T8']} of 20 budgets on CIFAR10, {apart['T9']} on CIFAR10x2 and {apart['T10']} on "
        "CIFAR10x5 (Games-Howell over the three methods of each table).",
        f"Fine-tuning against training from scratch (Table 7): better at {words.get('better', 0)}, "
        f"worse at {words.get('worse', 0)}, undetermined at {words.get('undetermined', 0)} of "
        f"{len(tuned)} budgets.",
        f"{OPEN} Normality and Levene's test need the single runs, which are not printed.",
    ]
    return [
        claims(lines),
        "## Budgets at which a method is better or worse than Random (Games-Howell, n = 5 each, "
        "six methods)\n\n" + grid(verdicts),
        "## Area under the curve (% accuracy)\n\n" + grid(scores.reset_index(names="data_set"), 2),
        "## Mean ranks of the area\n\n" + ranking(scores, "data sets"),
        '## "Diversity" (Table 8) beside "Entropy" (Table 2)\n\n' + grid(same, 2),
    ]


def munjal() -> list[str]:
    """Sections of the report on `munjal`."""
    held, omnibus = checks.munjal_verdicts(), checks.munjal_omnibus()
    printed = held[held["printed"] != "not printed"]
    wrong = printed[~printed["equal"]]
    missing = held[held["printed"] == "not printed"]
    only = [(row.dataset, row.labeled, row.method) for row in wrong.itertuples()]
    expected = only == [("CIFAR10", 0.4, "UC")]
    qbc = int(((held["method"] == "QBC") & (held["verdict"] == "better")).sum())
    groups = checks.munjal_groups("CIFAR10", 0.4).set_index("method")["mean"]
    always = [
        name for name, own in held.groupby("method", sort=False)
        if (own["verdict"] == "better").all()
    ]  # fmt: skip
    lines = [
        f"{YES if expected else NO} Table 1: {int(printed['equal'].sum())} of {len(printed)} "
        "printed verdicts against random (RSB) follow from Tables 7-16 by Games-Howell over seven "
        "methods with n = 25 (5 initial sets x 5 runs).",
        "".join(
            f"{NO} {row.dataset} {100 * row.labeled:.0f}%, {row.method}: printed {row.printed}, "
            f"but {row.verdict} by the paper's own numbers ("
            for row in wrong.itertuples()
        )
        + f"{groups['UC']:.2f} against {groups['RSB']:.2f}; {p_of(wrong['p'].iloc[0])}): a "
        "misprint.",
        "".join(
            f"{OPEN} {row.method} is listed in no column of the row {row.dataset} "
            f"{100 * row.labeled:.0f}%; its numbers make it {row.verdict} ({p_of(row.p)})."
            for row in missing.itertuples()
        ),
        f"{YES if qbc == 4 else NO} QBC is superior to RSB in {qbc} of 6 experiments (4 in the "
        "text).",
        f"{YES if not always else NO} No method beats RSB in all six experiments"
        + (f", but {', '.join(always)} does." if always else "."),
        f"{YES if (omnibus['welch_p'] < ALPHA).all() else NO} At least one method differs in all "
        "six experiments: by Welch's analysis of variance from the same numbers. "
        f"{OPEN} Kruskal-Wallis needs the 25 single values of each method; its p values stand as "
        "printed.",
        f"{OPEN} Levene's and the Kolmogorov-Smirnov test need the single values too. Bartlett's "
        "test, which needs none but assumes normal groups, rejects equal variances in "
        f"{int((omnibus['bartlett_p'] < ALPHA).sum())} of 6 experiments; the text reports that "
        "Levene's does in 4.",
    ]
    return [
        claims([line for line in lines if line]),
        "## Verdicts against RSB\n\n" + grid(held, {"labeled": 1, "difference": 3}),
        "## Tests over all seven methods\n\n"
        + grid(omnibus, {"labeled": 1, "bartlett": 2, "welch_f": 3}),
    ]


def hybrid() -> list[str]:
    """Sections of the report on `hybrid`."""
    parts, lines = [], []
    for dataset in ("MNIST", "CIFAR10", "CIFAR10_extended"):
        scores = checks.hybrid_scores(dataset)
        pure = scores[scores["kind"] == "baseline"]
        mixed = scores[scores["kind"] != "baseline"]
        uniform = float(pure.loc[pure["method"] == "Uniform", "mean"].iloc[0])
        best = pure.iloc[0]
        above = int((mixed["mean"] > best["mean"]).sum())
        lines.append(
            f"{dataset}: the best pure strategy is {best['method']} ({best['mean']:.2f} %); "
            f"{above} of {len(mixed)} printed hybrids are above it, "
            f"{int((mixed['mean'] > uniform).sum())} above Uniform ({uniform:.2f} %)."
        )
        parts.append(f"## {dataset}\n\n{grid(scores.head(15), 2)}")
    pure = checks.hybrid_scores("MNIST").query("kind == 'baseline'").set_index("method")["mean"]
    beats = {name: pure[name] > pure["Uniform"] for name in pure.index}
    right = all(beats[name] for name in ("Entropy", "BALD", "Variation ratio")) and (
        sum(beats[name] for name in ("Discriminator", "Posterior var", "Min distance")) == 1
    )
    lines += [
        f"{YES if right else NO} On MNIST all three uncertainty-based strategies and one of the "
        "three diversity-based ones end above Uniform.",
        f"{OPEN} No deviation and no single run is printed: no difference on one data set can be "
        "tested. The curves are figures only, so no area under them either.",
        "**Caution.** The public code of the paper takes indices where its formulas take values in "
        "the two-stage queries and uses one initial pool for all repeats, so these rows are no "
        "targets for an implementation of the formulas.",
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
        claims(lines),
        *parts,
        f"## Mean rank over MNIST and CIFAR10, best fifteen\n\n{text}\n\n{grid(table, 1)}",
    ]

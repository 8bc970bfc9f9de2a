"""Overlaps, comparisons of two studies and published tables, recomputed by other code."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from test_compare import ROWS, START, make_run
from test_report_shown import markdown_rows

from stages.published import checks, load
from stages.reporting import compare
from stages.reporting.literature import published
from stages.reporting.literature.claims import ranking
from stages.reporting.read.overlap import by_chance, read_overlap

pytestmark = pytest.mark.filterwarnings("error")

NAMES = ["badge", "random", "entropy"]  # the baseline is in the middle


def picks(rng):
    """What one run selects in two rounds."""
    chosen = rng.permutation(np.arange(START, 20))[:6].tolist()
    return [chosen[:3], chosen[3:]]


def jaccard(a, b):
    return len(set(a) & set(b)) / len(set(a) | set(b))


def test_overlap_of_three_strategies(tmp_path):
    rng = np.random.default_rng(2)
    chosen = {(name, seed): picks(rng) for name in NAMES for seed in (5, 2)}
    for (name, seed), rounds in chosen.items():
        make_run(tmp_path, name, seed, rounds, [0.5, 0.6, 0.7])
    settings = SimpleNamespace(
        tasks=["digits"], strategies=NAMES, seeds=[5, 2],
        rounds=[SimpleNamespace(next=name) for name in (1, 2, "end")],
        report=SimpleNamespace(baseline="random"),
    )  # fmt: skip
    found = read_overlap(settings, tmp_path)
    sets = {
        (*key, n): list(itertools.chain(*rounds[: n + 1]))
        for key, rounds in chosen.items()
        for n in range(2)
    }
    rows = found["overlap"]
    assert list(rows[["first", "second"]].itertuples(index=False)) == list(
        itertools.combinations(NAMES, 2)
    )
    for row in rows.to_dict("records"):
        values = [jaccard(*(sets[row[x], seed, 1] for x in ("first", "second"))) for seed in (5, 2)]
        assert row["jaccard"] == pytest.approx(np.mean(values))
        assert row["jaccard_std"] == pytest.approx(np.std(values, ddof=1))
        assert (row["labeled"], row["n"], row["task"]) == (START + 6, 2, "digits")
        assert row["by_chance"] == pytest.approx(by_chance(6, ROWS - START))
    rows = found["overlap_rounds"]
    assert list(rows[["strategy", "labeled"]].itertuples(index=False)) == [
        (name, START + count) for name in NAMES for count in (3, 6)
    ]
    for row in rows.to_dict("records"):
        n = int(row["labeled"] == START + 6)
        means = {
            other: np.mean(
                [jaccard(sets[row["strategy"], s, n], sets[other, s, n]) for s in (5, 2)]
            )
            for other in NAMES
            if other != row["strategy"]
        }
        assert row["with_baseline"] == pytest.approx(means.get("random", np.nan), nan_ok=True)
        assert row["with_others"] == pytest.approx(np.mean(list(means.values())))
        assert row["by_chance"] == pytest.approx(by_chance([3, 6][n], ROWS - START))
        assert row["n"] == 2


def test_differences_of_two_studies_by_hand(tmp_path):
    """Three strategies, so Holm tells; the second study has one more round."""
    rng = np.random.default_rng(9)
    curves = {}
    for which, rounds in (("one", 3), ("other", 4)):
        for s, name in enumerate(NAMES):
            for seed in range(4):
                start = 0.5 + 0.02 * seed + 0.004 * (which == "other") * (s + 1)
                curve = start + 0.1 * np.sqrt(range(rounds)) + rng.normal(0, 0.003, rounds)
                curve = np.round(curve, 3).tolist()
                curves[which, name, seed] = curve
                taken = [[10 + 3 * n, 11 + 3 * n, 12 + 3 * n] for n in range(rounds - 1)]
                make_run(tmp_path / which, name, seed, taken, curve)
    one, other = (compare.read_study(tmp_path / which) for which in ("one", "other"))
    table = compare.differences(one, other).set_index("strategy")
    assert list(table.index) == sorted(NAMES)

    def area(which, name, seed):
        y = curves[which, name, seed][:3]  # the labeled counts that both have
        return round(np.trapezoid(y) / 2, 9)

    p = {}
    for name in NAMES:
        a, b = ([area(x, name, seed) for seed in range(4)] for x in ("one", "other"))
        row, test = table.loc[name], stats.ttest_rel(b, a)
        assert [row["a"], row["b"]] == pytest.approx([np.mean(a), np.mean(b)])
        assert row["difference"] == pytest.approx(np.mean(b) - np.mean(a))
        assert row["p"] == pytest.approx(test.pvalue)
        assert row["wilcoxon_p"] == pytest.approx(stats.wilcoxon(b, a, method="exact").pvalue)
        assert row[["n_a", "n_b", "paired", "equal_runs"]].tolist() == [4, 4, 4, 0]
        p[name] = test.pvalue
    adjusted = dict(zip(p, multipletests(list(p.values()), method="holm")[1], strict=True))
    assert table["p_holm"].to_dict() == pytest.approx(adjusted)
    assert any(value < 0.05 <= adjusted[name] for name, value in p.items())
    found = re.search(r"differs significantly \(0\.05, Holm\) for (.*)\.",
                      compare.compare(tmp_path / "one", tmp_path / "other"))  # fmt: skip
    said = set(found[1].split(", ")) if found else set()
    assert said == {f"digits/{name}" for name, value in adjusted.items() if value < 0.05}


def test_unpaired_studies_are_tested_by_welch(tmp_path):
    a, b = [0.50, 0.55, 0.52, 0.51], [0.56, 0.60, 0.59]
    for which, values, first in (("one", a, 0), ("other", b, 10)):
        for seed, value in enumerate(values):
            make_run(tmp_path / which, "random", first + seed, [[10, 11, 12]], [value, value])
    row = compare.differences(*(compare.read_study(tmp_path / x) for x in ("one", "other"))).iloc[0]
    test = stats.ttest_ind(b, a, equal_var=False)
    assert (row["test"], row["n_a"], row["n_b"], row["paired"]) == ("Welch", 4, 3, 0)
    assert row["p"] == pytest.approx(test.pvalue, abs=1e-8)
    assert row["difference"] == pytest.approx(np.mean(b) - np.mean(a)) and row["reason"] == ""


# --- published tables -------------------------------------------------------------------------


def test_ranking_in_words_by_scipy():
    rng = np.random.default_rng(3)
    scores = pd.DataFrame(rng.normal(0, 1, (7, 4)) + [0, 0.5, 1, 3], columns=list("abcd"))
    scores.loc[2, "b"] = np.nan
    text, whole = ranking(scores, "data sets"), scores.dropna()
    test = stats.friedmanchisquare(*whole.to_numpy().T)
    n, k = whole.shape
    f = (n - 1) * test.statistic / (n * (k - 1) - test.statistic)
    p, f_p = test.pvalue, stats.f.sf(f, k - 1, (k - 1) * (n - 1))
    distance = stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2)
    distance *= np.sqrt(k * (k + 1) / (6 * n))
    assert (
        f"Friedman over 6 complete data sets (1 left out for blank cells), 4 methods: chi2 = "
        f"{test.statistic:.3f}, df = 3, p = {p:.4f}, equal ranks "
        f"{'rejected' if p < 0.05 else 'not rejected'}; Iman-Davenport F = {f:.3f}, "
        f"p = {f_p:.4f}. Nemenyi's critical difference of mean ranks is {distance:.3f}."
    ) in text
    means = whole.rank(axis=1, ascending=False).mean().sort_values(kind="stable")
    assert markdown_rows(text)[1] == [[x, f"{means[x]:.3f}"] for x in means.index]


def section(name, heading):
    text = published.report(name)
    at = text.index(f"## {heading}")
    return markdown_rows(text[at : text.find("\n## ", at + 3)])


def wide(name, table, metric):
    own = load(name).query("metric == @metric and variant == ''")
    return own[own["table"].isin(table)].pivot(index="dataset", columns="method", values="mean")


def test_survey_against_random_over_data_sets():
    header, rows = section("deepalplus", "Against Random over data sets")
    assert header == ["first", "n", "difference", "t", "df", "p", "p holm", "w", "wilcoxon p",
                      "wilcoxon p holm"]  # fmt: skip
    scores = wide("deepalplus", ["T4", "T5", "T6", "T7"], "aubc")
    scores = scores.loc[[*checks.STANDARD, *checks.MEDICAL]]
    p, ranked = [], []
    for cells in rows:
        pair = scores[[cells[0], "Random"]].dropna()
        test = stats.ttest_rel(pair[cells[0]], pair["Random"])
        assert int(cells[1]) == len(pair) and int(cells[4]) == len(pair) - 1
        gap = pair[cells[0]] - pair["Random"]
        assert [float(cells[2]), float(cells[3])] == pytest.approx(
            [gap.mean(), test.statistic], abs=6e-5
        )
        p.append(test.pvalue)
        d = gap.round(12)[gap.round(12) != 0]
        order = stats.rankdata(d.abs())
        sums = np.array([0.0])
        for rank in order:
            sums = np.concatenate([sums, sums + rank])
        w = min(order[d > 0].sum(), order[d < 0].sum())
        ranked.append(min(1, 2 * (sums <= w + 1e-9).mean()))
        assert float(cells[7]) == pytest.approx(w, abs=6e-5)
    for at, values in ((5, p), (6, holm(p)), (8, ranked), (9, holm(ranked))):
        for cells, value in zip(rows, values, strict=True):
            if cells[at] == "<0.0001":
                assert value < 0.0001
            else:
                assert float(cells[at]) == pytest.approx(value, abs=6e-5)
    better = [x[0] for x, q in zip(rows, holm(p), strict=True) if q < 0.05 and float(x[2]) > 0]
    assert f"shows {', '.join(better) or 'no method'} to be better" in published.report(
        "deepalplus"
    )


def holm(p):
    return multipletests(p, method="holm")[1]


def test_survey_pairs_with_random_on_medical_tasks():
    text = published.report("deepalplus")
    for dataset in checks.MEDICAL:
        rows = markdown_rows(text[text.index(f"{dataset}, Games-Howell, n = 3 each") :])[1]
        own = load("deepalplus").query("table == 'T7' and dataset == @dataset and metric == 'aubc'")
        own = own[own["std"].notna()].set_index("method")
        k, base = len(own), own.loc["Random"]
        for cells in rows:
            row = own.loc[cells[0]]
            a, b = (1.5 * x["std"] ** 2 / 3 for x in (row, base))
            df = (a + b) ** 2 / (a**2 / 2 + b**2 / 2)
            t = (row["mean"] - base["mean"]) / np.sqrt(a + b)
            q = stats.studentized_range.sf(abs(t) * np.sqrt(2), k, df)
            half = stats.studentized_range.ppf(0.95, k, df) * np.sqrt((a + b) / 2)
            gap = row["mean"] - base["mean"]
            expected = [gap, t, df, q, gap - half, gap + half]
            assert list(map(float, cells[1:7])) == pytest.approx(expected, abs=2e-4)


def test_munjal_groups_are_pooled_from_all_runs():
    data = load("munjal")
    for dataset, tables in (("CIFAR10", range(7, 12)), ("CIFAR100", range(12, 17))):
        names = [f"S{n}" for n in tables]
        for labeled in (0.2, 0.3, 0.4):
            found = checks.munjal_groups(dataset, labeled).set_index("method")
            assert len(found) == 7 and set(found["n"]) == {25}
            for method in found.index:
                own = data[data["table"].isin(names) & (data["labeled"] == labeled)
                           & (data["method"] == method)]  # fmt: skip
                # Five runs with this mean and deviation: two of them apart, three in the middle.
                runs = [
                    x["mean"] + x["std"] * np.sqrt(2) * np.array([1, -1, 0, 0, 0])
                    for _, x in own.iterrows()
                ]
                assert found.loc[method, "mean"] == pytest.approx(np.mean(runs))
                assert found.loc[method, "std"] == pytest.approx(np.std(runs, ddof=1))


def test_munjal_verdicts_by_scipy():
    held = checks.munjal_verdicts()
    for (dataset, labeled), own in held.groupby(["dataset", "labeled"]):
        groups = checks.munjal_groups(dataset, labeled).set_index("method")
        base = groups.loc["RSB"]
        for row in own.itertuples():
            mine = groups.loc[row.method]
            a, b = mine["std"] ** 2 / 25, base["std"] ** 2 / 25
            gap, df = mine["mean"] - base["mean"], (a + b) ** 2 * 24 / (a**2 + b**2)
            p = stats.studentized_range.sf(abs(gap) / np.sqrt((a + b) / 2), 7, df)
            assert row.difference == pytest.approx(gap) and row.p == pytest.approx(p, abs=1e-7)
            word = "undetermined" if p >= 0.05 else "better" if gap > 0 else "worse"
            assert row.verdict == word
    omnibus = checks.munjal_omnibus()
    for row in omnibus.itertuples():
        groups = checks.munjal_groups(row.dataset, row.labeled)
        rng = np.random.default_rng(0)
        samples = []
        for mean, std in zip(groups["mean"], groups["std"], strict=True):
            draw = rng.normal(size=25)
            samples.append(mean + std * (draw - draw.mean()) / draw.std(ddof=1))
        bartlett = stats.bartlett(*samples)
        assert [row.bartlett, row.bartlett_p] == pytest.approx(list(bartlett))
        welch = stats.f_oneway(*samples, equal_var=False)
        assert [row.welch_f, row.welch_p] == pytest.approx(list(welch))


def test_gashi_counts_and_areas():
    header, rows = section("gashi", "Budgets at which a method is better or worse than Random")
    assert header == ["data set", "method", "better", "undetermined", "worse"]
    names = {"CIFAR10": "T2", "CIFAR100": "T3", "Caltech101": "T4", "Caltech256": "T5"}
    found = {(x[0], x[1]): list(map(int, x[2:])) for x in rows}
    areas = dict(zip(*[iter([])] * 2, strict=True))
    head, shown = section("gashi", "Area under the curve")
    for cells in shown:
        areas |= {(cells[0], m): float(x) for m, x in zip(head[1:], cells[1:], strict=True)}
    for dataset, number in names.items():
        own = load("gashi")
        own = own[(own["table"] == number) & own["mean"].notna()]
        counts = {m: [0, 0, 0] for m in own["method"].unique() if m != "Random"}
        for _, at in own.groupby("labeled"):
            base = at.set_index("method").loc["Random"]
            for row in at.itertuples():
                if row.method == "Random":
                    continue
                a, b = row.std**2 / 5, base["std"] ** 2 / 5
                df = (a + b) ** 2 * 4 / (a**2 + b**2)
                gap = row.mean - base["mean"]
                p = stats.studentized_range.sf(abs(gap) / np.sqrt((a + b) / 2), len(at), df)
                counts[row.method][1 if p >= 0.05 else 0 if gap > 0 else 2] += 1
        for method, expected in counts.items():
            assert found[dataset, method] == expected, (dataset, method)
        for method, line in own.groupby("method"):
            x, y = line["labeled"].to_numpy(), line["mean"].to_numpy()
            order = np.argsort(x)
            area = np.trapezoid(y[order], x[order]) / (x.max() - x.min())
            assert areas[dataset, method] == pytest.approx(area, abs=0.006)


def test_hybrid_counts():
    text = published.report("hybrid")
    own = load("hybrid").query("dataset == 'CIFAR10' and mean == mean")
    pure = own[own["variant"] == "baseline"].set_index("method")["mean"]
    mixed = own[~own["variant"].isin(["baseline", "hybrid"])]["mean"]
    above = (mixed > pure.max()).sum()
    assert f"{above} of {len(mixed)} above {pure.max():.2f}, as means without a test" in text


def test_li_improvements_and_wins():
    data = load("li").query("metric == 'api'")
    values = data.pivot(index="method", columns="dataset", values="mean")
    header, rows = section("li", "API over random")
    for cells in rows:
        own = values.loc[cells[header.index("method")]]
        mean = own.mean(skipna=False)
        shown = cells[header.index("mean")]
        assert (shown == "n/a") if np.isnan(mean) else float(shown) == pytest.approx(mean, abs=6e-3)
        assert int(cells[header.index("data sets")]) == own.notna().sum()
        assert int(cells[header.index("data sets above random")]) == (own > 0).sum()
    header, rows = section("li", "Win, tie, loss on API")
    for cells in rows:
        won = tied = lost = 0
        for other, dataset in itertools.product(values.index, values.columns):
            if other == cells[0]:
                continue
            a, b = values.loc[cells[0], dataset], values.loc[other, dataset]
            if np.isnan(a) or np.isnan(b):
                gap = int(not np.isnan(a)) - int(not np.isnan(b))
            else:
                gap = int(np.sign(round(a - b, 6))) if abs(round(a - b, 6)) > 0.5 else 0
            won, tied, lost = won + (gap > 0), tied + (gap == 0), lost + (gap < 0)
        assert list(map(int, cells[1:5])) == [won, tied, lost, 2 * won + tied]


def test_table_9_by_hand():
    data = load("deepalplus")
    scores = wide("deepalplus", ["T4", "T5", "T6", "T7"], "aubc")
    for part, datasets in (("medical-2", checks.MEDICAL), ("standard-8", checks.STANDARD)):
        made = checks.table_9(part).set_index("strategy")
        methods = data.loc[data["table"] == "T9", "method"].unique()
        units = (scores.loc[list(datasets), methods] * 10_000).round()
        for name in methods:
            rest = units.drop(columns=name)
            gap = rest.rsub(units[name], axis=0)
            won = (gap > 50).sum().sum() + (rest.isna().T & units[name].notna()).sum().sum()
            lost = (gap < -50).sum().sum() + (rest.notna().T & units[name].isna()).sum().sum()
            assert made.loc[name, ["wins", "losses"]].tolist() == [won, lost]
            assert made.loc[name, "ties"] == rest.size - won - lost

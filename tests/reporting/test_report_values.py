"""Every column of every table of a report, recomputed from the study's numbers by other code."""

from __future__ import annotations

import itertools
import json
import math
import re
from io import StringIO

import known
import numpy as np
import pandas as pd
import pingouin
import pytest
import scikit_posthocs
from known import ALPHA, BASELINE, BUDGETS, MARGIN, SEEDS, STRATEGIES, TASKS
from scipy import stats
from statsmodels.stats.diagnostic import lilliefors
from statsmodels.stats.multitest import multipletests

from stages.published import load
from stages.reporting import gathered
from stages.reporting.read import frames, records
from stages.statistics.assumptions import kolmogorov_smirnov

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning"),
]
NUMBERS = known.numbers()
OTHERS = [name for name in STRATEGIES if name != BASELINE]
PAIRS = list(itertools.combinations(STRATEGIES, 2))
NA = "n/a"


@pytest.fixture(scope="module")
def written():
    """Path under reports/ -> text of the whole report."""
    return known.report()


@pytest.fixture(scope="module")
def read(written):
    """Name -> table as it lies in its CSV file, n/a as NaN."""

    def table(name):
        path = "curve.csv" if name == "curve" else f"tables/{name}.csv"
        return pd.read_csv(StringIO(written[path]), na_values=[NA], keep_default_na=name == "curve")

    return table


def same(found, expected, digits=6):
    """Numbers of a CSV column, rounded to its digits, n/a in the same places."""
    np.testing.assert_allclose(
        np.asarray(found, float), np.asarray(expected, float), rtol=0, atol=0.6 * 10**-digits
    )


def where(rows, **values):
    """Rows of a table with these values in these columns."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def curve(task, strategy, seed):
    """Labeled counts and accuracies of a run."""
    own = where(NUMBERS, task=task, strategy=strategy, seed=seed)
    return own["labeled"].tolist(), own["accuracy"].tolist()


def area(task, strategy, seed):
    x, y = curve(task, strategy, seed)
    return np.trapezoid(y, x) / (x[-1] - x[0])


def areas(task, strategy):
    return np.array([area(task, strategy, seed) for seed in SEEDS])


def finals(task, strategy):
    return np.array([curve(task, strategy, seed)[1][-1] for seed in SEEDS])


def accuracies(task, strategy, labeled):
    own = where(NUMBERS, task=task, strategy=strategy, labeled=labeled)
    return own.set_index("seed")["accuracy"][SEEDS].to_numpy()


def samples(task, measure, labeled):
    """strategy -> values of one measure: labeled is "all" or a count as text."""
    if measure == "accuracy":
        return {name: accuracies(task, name, int(labeled)) for name in STRATEGIES}
    of = areas if measure == "aubc" else finals
    return {name: of(task, name) for name in STRATEGIES}


def cells(task):
    return [("aubc", "all"), *(("accuracy", str(count)) for count in BUDGETS[task])]


def holm(p):
    return multipletests(p, method="holm")[1]


def games_howell(groups):
    long = pd.DataFrame(
        [(name, value) for name, values in groups.items() for value in values], columns=["s", "y"]
    )
    # Names by number keep the order of pairs.
    order = {name: f"{at}" for at, name in enumerate(groups)}
    found = pingouin.pairwise_gameshowell(long.assign(s=long["s"].map(order)), dv="y", between="s")
    names = list(groups)
    found["first"] = [names[int(a)] for a in found["A"]]
    found["second"] = [names[int(b)] for b in found["B"]]
    return found.set_index(["first", "second"])


# --- the tables -------------------------------------------------------------------------------


def test_there_are_no_other_tables_than_these(written):
    names = {path[7:-4] for path in written if re.fullmatch(r"tables/.*\.csv", path)}
    assert names == set(known.TABLES)


def test_curve(read):
    table = read("curve")
    expected = [
        (task, name, labeled) for task in TASKS for name in STRATEGIES for labeled in BUDGETS[task]
    ]
    assert list(table[["task", "strategy", "labeled"]].itertuples(index=False)) == expected
    values = [accuracies(*key) for key in expected]
    mean, std = np.mean(values, 1), np.std(values, 1, ddof=1)
    same(table["accuracy"], mean)
    same(table["std"], std)
    same(table["low"], np.maximum(mean - std, 0))
    same(table["high"], np.minimum(mean + std, 1))
    assert set(table["n"]) == {len(SEEDS)}


def test_bands_are_cut_to_fractions():
    rounds = NUMBERS.query("task == 'm' and round < 1").assign(accuracy=[0, 0, 0, 1, 1] * 4)
    made = frames.curve_table(rounds)
    mean, std = 0.4, np.std([0, 0, 0, 1, 1], ddof=1)
    assert mean - std < 0 and set(made["low"]) == {0}
    same(made["high"], [mean + std] * 4)
    rounds = rounds.assign(accuracy=[1, 1, 1, 0, 0] * 4)
    assert set(frames.curve_table(rounds)["high"]) == {1}


def test_runs(read):
    table = read("aubc")
    keys = list(itertools.product(TASKS, STRATEGIES, SEEDS))
    assert list(table[["task", "strategy", "seed"]].itertuples(index=False)) == keys
    same(table["aubc"], [area(*key) for key in keys])
    same(table["final_accuracy"], [curve(*key)[1][-1] for key in keys])


def test_summary(read, written):
    table = read("summary").set_index(["task", "strategy"])
    assert list(table.index) == [(task, x) for task in TASKS for x in [*STRATEGIES, "full"]]
    for task in TASKS:
        own = table.loc[task]
        for measure, of in (("aubc", areas), ("final", finals)):
            values = np.array([of(task, name) for name in STRATEGIES])
            part = own.loc[STRATEGIES]
            same(part[f"{measure}_mean"], values.mean(1))
            same(part[f"{measure}_std"], values.std(1, ddof=1))
            assert part[f"{measure}_rank"].tolist() == stats.rankdata(-values.mean(1)).tolist()
        full = np.array([known.full_numbers()[task, seed] for seed in SEEDS]) / 1000
        row = own.loc["full"]
        same(row[["final_mean", "final_std"]], [full.mean(), full.std(ddof=1)])
        assert row[["aubc_mean", "aubc_std", "aubc_rank", "final_rank"]].isna().all()
    assert set(table["n"]) == {len(SEEDS)}
    metrics = json.loads(written["metrics.json"])
    held = pd.read_csv(StringIO(written["tables/primary.csv"]))
    for task in TASKS:
        means = table.loc[task]["aubc_mean"].drop("full")
        words = held[held["task"] == task]["verdict"]
        expected = {"best": means.max(), "gain": means.max() - means[BASELINE]}
        expected |= {word: (words == word).sum() for word in ("better", "worse")}
        assert metrics[task] == pytest.approx(expected, abs=2e-6)
    assert set(metrics) == set(TASKS)


def test_win_tie_loss(read):
    table = read("win_tie_loss").set_index("strategy")
    assert list(table.index) == STRATEGIES
    means = {(task, name): round(areas(task, name).mean(), 4) for task in TASKS for name in OTHERS}
    means |= {(task, BASELINE): round(areas(task, BASELINE).mean(), 4) for task in TASKS}
    points = {}
    for name in STRATEGIES:
        gaps = [
            round(1e4 * (means[task, name] - means[task, other]))
            for task in TASKS
            for other in STRATEGIES
            if other != name
        ]
        won, lost = (
            sum(gap > 1e4 * MARGIN for gap in gaps),
            sum(gap < -1e4 * MARGIN for gap in gaps),
        )
        tied = len(gaps) - won - lost
        points[name] = 2 * won + tied
        assert table.loc[name, ["wins", "ties", "losses", "points"]].tolist() == [
            won, tied, lost, 2 * won + tied]  # fmt: skip
    # The margin matters here: with the default one there are other counts.
    assert table["ties"].sum() > 0 and table["wins"].sum() > 0
    for name in STRATEGIES:
        assert table.loc[name, "rank"] == 1 + sum(x > points[name] for x in points.values())


def test_improvement(read):
    table = read("improvement").set_index(["task", "strategy"])
    assert list(table.index) == list(itertools.product(TASKS, OTHERS))
    for task in TASKS:
        p = []
        for name in OTHERS:
            gains = [
                np.mean(np.subtract(curve(task, name, x)[1], curve(task, BASELINE, x)[1]))
                for x in SEEDS
            ]
            test = stats.ttest_1samp(gains, 0)
            row = table.loc[task, name]
            same(row[["api_mean", "api_std"]], [np.mean(gains), np.std(gains, ddof=1)])
            same([row["t"], row["df"]], [test.statistic, len(SEEDS) - 1], 4)
            assert row["n"] == len(SEEDS)
            p.append(test.pvalue)
        same(table.loc[task, "p"], p)
        same(table.loc[task, "p_holm"], holm(p))
        assert np.abs(np.subtract(p, holm(p))).max() > 1e-5


def test_labels_needed(read):
    table = read("labels_needed")
    rows = iter(table.itertuples(index=False))
    for task, share in itertools.product(TASKS, (0.8, 0.9, 0.95, 1.0)):
        x = BUDGETS[task]
        means = {name: [accuracies(task, name, count).mean() for count in x] for name in STRATEGIES}
        target = math.floor(share * means[BASELINE][-1] * 1e6) / 1e6
        needed = {}
        for name, y in means.items():
            fine = np.linspace(x[0], x[-1], 400_001)
            reached = fine[np.interp(fine, x, y) >= target - 1e-12]
            needed[name] = reached[0] if len(reached) else np.nan
        for name in STRATEGIES:
            row = next(rows)
            assert (row.task, row.share, row.strategy) == (task, share, name)
            same([row.target], [target])
            assert row.labels_needed == pytest.approx(needed[name], abs=0.06, nan_ok=True)
            saving = 1 - needed[name] / needed[BASELINE]
            assert row.saving == pytest.approx(saving, abs=2e-4, nan_ok=True)
            assert row.reason == ("not reached" if np.isnan(needed[name]) else "")
    assert next(rows, None) is None
    assert set(table["reason"]) == {"", "not reached"}


def last(task, strategy):
    return where(NUMBERS, task=task, strategy=strategy, round=3)


def test_calibration(read):
    table = read("calibration").set_index(["task", "strategy"])
    assert list(table.index) == list(itertools.product(TASKS, STRATEGIES))
    for key, row in table.iterrows():
        for name in ("ece", "nll"):
            values = last(*key)[name]
            same(row[[f"{name}_mean", f"{name}_std"]], [values.mean(), values.std(ddof=1)])
        assert row["n"] == len(SEEDS)


def test_classes_and_groups(read):
    classes = read("classes").set_index(["task", "strategy", "class"])
    groups = read("groups").set_index(["task", "strategy", "group"])
    keys = list(itertools.product(TASKS, STRATEGIES))
    assert list(classes.index) == [(*key, x) for key in keys for x in ("0", "1", "2", "worst")]
    assert list(groups.index) == [
        (*key, x) for key in keys for x in ("plain", "odd", "worst_group", "mismatch")
    ]
    for key in keys:
        shares = np.array(last(*key)["per_class"].tolist()) / known.CLASSES
        parts = np.column_stack([shares, shares.min(1)])
        same(classes.loc[key, "accuracy_mean"], parts.mean(0))
        same(classes.loc[key, "accuracy_std"], parts.std(0, ddof=1))
        shares = np.array(last(*key)["per_group"].tolist()) / list(known.GROUPS.values())
        parts = np.column_stack([shares, shares.min(1), shares[:, 1]])
        same(groups.loc[key, "group_accuracy_mean"], parts.mean(0))
        same(groups.loc[key, "group_accuracy_std"], parts.std(0, ddof=1))
    assert set(classes["n"]) | set(groups["n"]) == {len(SEEDS)}


def test_class_balance_and_selection(read):
    balance, selection = read("class_balance"), read("selection")
    keys = [(t, x, count) for t in TASKS for x in STRATEGIES for count in BUDGETS[t]]
    selecting = [key for key in keys if key[2] < BUDGETS[key[0]][-1]]
    for table, due in ((balance, keys), (selection, selecting)):
        assert list(table[["task", "strategy", "labeled"]].itertuples(index=False)) == due
        assert set(table["n"]) == {len(SEEDS)}
    chosen = selection.set_index(["task", "strategy", "labeled"])
    for at, (task, name, count) in enumerate(keys):
        own = where(NUMBERS, task=task, strategy=name, labeled=count)
        counts = np.array(own["labeled_per_class"].tolist())
        entropy = [stats.entropy(row) / np.log(3) for row in counts]
        same([balance["balance"][at]], [np.mean(entropy)])
        same([balance["ratio"][at]], [(counts.max(1) / counts.min(1)).mean()])
        for column in ("diversity", "uncertainty", "inconsistency"):
            if (task, name, count) in selecting:
                same([chosen[column][task, name, count]], [own[column].mean()])


def test_assumptions(read):
    table = read("assumptions").astype({"labeled": str})
    rows = iter(table.itertuples(index=False))
    words = set()
    for task in TASKS:
        for measure, labeled in cells(task):
            groups = samples(task, measure, labeled)
            for name, values in groups.items():
                row = next(rows)
                head = (row.task, row.measure, row.labeled, row.strategy, row.n)
                assert head == (task, measure, labeled, name, len(SEEDS))
                assert row.test == "shapiro_wilk"
                found = stats.shapiro(values)
                same([row.statistic, row.p], found)
                words.add(row.assumption)
                assert row.assumption == ("rejected" if found.pvalue < ALPHA else "not rejected")
                row = next(rows)
                assert (row.test, row.strategy) == ("kolmogorov_smirnov", name)
                d, p = lilliefors(values, pvalmethod="approx")
                same([row.statistic], [d])
                same([row.p], [p if p < 0.1 else kolmogorov_smirnov(values)[1]])
                assert row.assumption == ("rejected" if row.p < ALPHA else "not rejected")
                assert row.n == len(SEEDS) and row.reason == ""
            row = next(rows)
            assert (row.test, row.strategy, row.n) == (
                "levene_median", "all", len(SEEDS) * len(STRATEGIES))  # fmt: skip
            found = stats.levene(*groups.values(), center="median")
            same([row.statistic, row.p], found)
            assert row.assumption == ("rejected" if found.pvalue < ALPHA else "not rejected")
    assert next(rows, None) is None and words == {"rejected", "not rejected"}


def test_omnibus(read):
    kruskal = read("kruskal_wallis").astype({"labeled": str})
    welch = read("welch_anova").astype({"labeled": str})
    keys = [(task, *cell) for task in TASKS for cell in cells(task)]
    p = {"kruskal": [], "welch": []}
    for table in (kruskal, welch):
        assert list(table[["task", "measure", "labeled"]].itertuples(index=False)) == keys
        assert set(table["groups"]) == {4} and set(table["n_per_group"]) == {5}
        assert (table["reason"] == "").all()
    for at, key in enumerate(keys):
        groups = samples(*key)
        found = stats.kruskal(*groups.values())
        same([kruskal["h"][at]], [found.statistic], 4)
        assert kruskal["df"][at] == 3
        p["kruskal"].append(found.pvalue)
        long = [(name, value) for name, values in groups.items() for value in values]
        own = pingouin.welch_anova(pd.DataFrame(long, columns=["s", "y"]), dv="y", between="s")
        same([welch["f"][at]], own["F"])
        assert welch["df1"][at] == 3
        same([welch["df2"][at]], own["ddof2"], 6)
        p["welch"].append(float(own["p_unc" if "p_unc" in own else "p-unc"].iloc[0]))
    for name, table in (("kruskal", kruskal), ("welch", welch)):
        own = pd.Series(p[name])
        same(table["p"], own)
        for measure in ("aubc", "accuracy"):
            of = table["measure"] == measure
            same(table.loc[of, "p_holm"], holm(own[of]))
        # The verdict is by the p that is corrected, and that matters here.
        expected = np.where(table["p_holm"] < ALPHA, "differ", "not shown to differ")
        assert table["verdict"].tolist() == expected.tolist()
        assert len(set(expected)) == 2
        assert (expected != np.where(own < ALPHA, "differ", "not shown to differ")).any()
        # The families and the level matter here.
        assert not np.allclose(table["p_holm"], holm(own), atol=1e-4)
        assert own.between(0.05, ALPHA).any()


def test_games_howell(read):
    table = read("games_howell").set_index(["task", "measure", "first", "second"])
    keys = [(t, m, *pair) for t in TASKS for m in ("aubc", "final_accuracy") for pair in PAIRS]
    assert list(table.index) == keys
    for task, measure in itertools.product(TASKS, ("aubc", "final_accuracy")):
        groups = samples(task, measure, "all")
        own, theirs = table.loc[task, measure], games_howell(groups)
        same(own["difference"], theirs["diff"])
        same(own["standard_error"], theirs["se"])
        same(own["t"], theirs["T"], 4)
        same(own["df"], theirs["df"], 4)
        same(own["p"], theirs["pval"])
        for (first, second), row in own.iterrows():
            x, y = groups[first], groups[second]
            half = (
                stats.studentized_range.ppf(1 - ALPHA, 4, theirs.loc[(first, second), "df"])
                * theirs.loc[(first, second), "se"]
                / np.sqrt(2)
            )
            gap = x.mean() - y.mean()
            same(row[["low", "high"]], [gap - half, gap + half])
            g = pingouin.compute_effsize(x, y, eftype="hedges")
            a, b = x.var(ddof=1), y.var(ddof=1)
            pooled, j = (a + b) / 2, 1 - 3 / (4 * 10 - 9)
            d = gap / np.sqrt(pooled)
            error = np.sqrt(d**2 * (a**2 + b**2) / 4 / (8 * pooled**2) + (a + b) / 4 / pooled)
            z = stats.norm.isf(ALPHA / 2)
            same(row[["g", "g_low", "g_high"]], [g, j * (d - z * error), j * (d + z * error)])
            assert row["n_first"] == row["n_second"] == 5 and row["reason"] == ""


def test_verdicts_and_their_lists(read):
    table = read("verdicts").astype({"labeled": str})
    lists = read("verdict_lists").astype({"budget": str})
    rows, listed = iter(table.itertuples(index=False)), iter(lists.to_dict("records"))
    for task in TASKS:
        for measure, labeled in cells(task):
            groups = samples(task, measure, labeled)
            theirs = games_howell(groups)
            words = {"better": [], "undetermined": [], "worse": [], "not_available": []}
            for name in OTHERS:
                row = next(rows)
                assert (row.task, row.measure, row.labeled, row.strategy) == (
                    task, measure, labeled, name)  # fmt: skip
                pair = (name, BASELINE) if (name, BASELINE) in theirs.index else (BASELINE, name)
                gap = groups[name].mean() - groups[BASELINE].mean()
                p = theirs.loc[pair, "pval"]
                same([row.difference, row.p], [gap, p])
                word = "undetermined" if p >= ALPHA else "better" if gap > 0 else "worse"
                assert row.verdict == word
                assert (row.n, row.n_baseline, row.reason) == (5, 5, "")
                words[word].append(name)
            assert next(listed) == {
                "task": task, "measure": measure, "budget": labeled,
                **{word: ", ".join(names) or "none" for word, names in words.items()},
            }  # fmt: skip
    assert next(rows, None) is None and next(listed, None) is None
    assert set(table["verdict"]) == {"better", "undetermined", "worse"}
    assert table["p"].between(0.05, ALPHA).any()


def check_paired(own, columns):
    """Rows of a table of pairs against scipy; `columns`: strategy -> values."""
    p, ranked = [], []
    for (first, second), row in zip(PAIRS, own.to_dict("records"), strict=True):
        assert (row["first"], row["second"]) == (first, second)
        x, y = np.round(columns[first], 9), np.round(columns[second], 9)
        test = stats.ttest_rel(x, y)
        interval = test.confidence_interval(1 - ALPHA)
        same([row["difference"], row["low"], row["high"]], [(x - y).mean(), *interval])
        same([row["t"], row["df"]], [test.statistic, len(x) - 1], 4)
        other = stats.wilcoxon(x, y, method="exact")
        assert row["w"] == other.statistic and row["n"] == len(x) and row["reason"] == ""
        p.append(test.pvalue)
        ranked.append(other.pvalue)
    same(own["p"], p)
    same(own["p_holm"], holm(p))
    same(own["wilcoxon_p"], ranked)
    same(own["wilcoxon_p_holm"], holm(ranked))
    assert np.abs(np.subtract(p, holm(p))).max() > 1e-5


def test_pairs_over_tasks(read):
    means = {name: [areas(task, name).mean() for task in TASKS] for name in STRATEGIES}
    check_paired(read("paired_tasks"), means)


def test_pairs_over_seeds(read):
    table = read("paired_seeds")
    assert table["task"].tolist() == [task for task in TASKS for _ in PAIRS]
    for task in TASKS:
        own = {name: areas(task, name) for name in STRATEGIES}
        check_paired(table[table["task"] == task], own)


def test_penalty(read):
    table = read("penalty").set_index(["strategy", "against"])
    assert list(table.index) == list(itertools.permutations(STRATEGIES, 2))
    budgets = [(task, count) for task in TASKS for count in BUDGETS[task]]
    for (name, other), row in table.iterrows():
        wins = 0
        for task, count in budgets:
            x, y = accuracies(task, name, count), accuracies(task, other, count)
            wins += stats.ttest_rel(x, y).pvalue < ALPHA and x.mean() > y.mean()
        same([row["penalty"]], [wins / len(budgets)])
        assert row["tested"] == row["cells"] == len(budgets)
    assert table["penalty"].nunique() > 2


def blocks():
    """(task, blocks) -> table of AUBC."""
    means = pd.DataFrame({x: [areas(t, x).mean() for t in TASKS] for x in STRATEGIES})
    found = {("all tasks", "tasks"): means}
    for task in TASKS:
        found[task, "seeds"] = pd.DataFrame({x: areas(task, x) for x in STRATEGIES}).round(9)
    return found


def test_friedman_ranks_and_nemenyi(read):
    friedman = read("friedman").set_index(["task", "blocks"])
    ranks, nemenyi = read("mean_ranks"), read("nemenyi")
    assert list(friedman.index) == list(blocks())
    for (task, kind), scores in blocks().items():
        row, n, k = friedman.loc[task, kind], len(scores), 4
        found = stats.friedmanchisquare(*scores.to_numpy().T) if n > 2 else None
        order = scores.rank(axis=1, ascending=False)
        chi2 = 12 * n / (k * (k + 1)) * ((order.mean() - (k + 1) / 2) ** 2).sum()
        same([row["chi2"]], [chi2 if found is None else found.statistic])
        assert row["measure"] == "aubc" and row["df"] == k - 1
        assert (row["n"], row["left_out"], row["groups"]) == (n, 0, k)
        same([row["p"]], [stats.chi2.sf(chi2, k - 1)])
        rest = n * (k - 1) - chi2
        f = (n - 1) * chi2 / rest if rest > 1e-9 else np.inf
        f_p = stats.f.sf(f, k - 1, (k - 1) * (n - 1)) if rest > 1e-9 else 24.0 ** (1 - n)
        same([row["f_p"]], [f_p])
        assert row["f"] == pytest.approx(f, abs=1e-5)
        assert row["verdict"] == ("differ" if f_p < ALPHA else "not shown to differ")
        q = stats.studentized_range.ppf(1 - ALPHA, k, np.inf)
        distance = q / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
        same([row["cd"]], [distance])
        own = ranks[ranks["task"] == task].set_index("strategy")
        same(own.loc[STRATEGIES, "mean_rank"], order.mean())
        assert set(own["n"]) == {n}
        together = {
            name: {x for x in STRATEGIES if set(str(own.loc[x, "cliques"]).split())
                   & set(str(own.loc[name, "cliques"]).split()) - {"none"}} | {name}
            for name in STRATEGIES
        }  # fmt: skip
        for first, second in PAIRS:
            near = abs(order[first].mean() - order[second].mean()) < distance
            assert (second in together[first]) == near
        pairs = nemenyi[nemenyi["task"] == task]
        assert list(pairs[["first", "second"]].itertuples(index=False)) == PAIRS
        same(pairs["difference"], [order[a].mean() - order[b].mean() for a, b in PAIRS])
        theirs = scikit_posthocs.posthoc_nemenyi_friedman(scores.to_numpy())
        place = {name: at for at, name in enumerate(STRATEGIES)}
        p = [theirs.iloc[place[a], place[b]] for a, b in PAIRS]
        same(pairs["p"], p, 5)
        expected = ["differ" if x < ALPHA else "not shown to differ" for x in p]
        assert pairs["verdict"].tolist() == expected
    assert len(set(nemenyi["verdict"])) == 2


def test_bootstrap(read):
    table = read("bootstrap").set_index(["task", "strategy"])
    assert list(table.index) == list(itertools.product(TASKS, STRATEGIES))
    for key, row in table.iterrows():
        values = np.round(areas(*key), 9)
        theirs = stats.ttest_1samp(values, 0).confidence_interval(1 - ALPHA)
        same(row[["t_low", "t_high"]], list(theirs))
        # Five runs are too few for a bootstrap.
        assert row[["low", "high", "bca_low", "bca_high"]].isna().all()
        same([row["aubc"]], [values.mean()])
        assert row["n"] == 5 and row["reason"] == "fewer than 10 runs"


def power(gap, spread, n):
    """Of the first step of Holm, over what the deviation may be: by midpoints."""
    bound = stats.t.isf(ALPHA / 2 / len(OTHERS), n - 1)
    shift = abs(gap) / spread * np.sqrt(n)

    shares = (np.arange(400) + 0.5) / 400
    moved = shift * np.sqrt(stats.chi2.ppf(shares, 4) / 4)[:, None]  # five seeds estimate it
    edge = bound * np.sqrt(stats.chi2.ppf(shares, n - 1) / (n - 1))
    return (stats.norm.cdf(moved - edge) + stats.norm.cdf(-moved - edge)).mean()


def test_primary_analysis(read):
    table = read("primary").set_index(["task", "strategy"])
    assert list(table.index) == list(itertools.product(TASKS, OTHERS))
    for task in TASKS:
        own = table.loc[task]
        d = {name: areas(task, name) - areas(task, BASELINE) for name in OTHERS}
        p = [stats.ttest_1samp(d[name], 0).pvalue for name in OTHERS]
        inside = [
            max(
                stats.ttest_1samp(d[name], -MARGIN, alternative="greater").pvalue,
                stats.ttest_1samp(d[name], MARGIN, alternative="less").pvalue,
            )
            for name in OTHERS
        ]
        same(own["difference"], [d[name].mean() for name in OTHERS])
        same(own["p"], p)
        same(own["p_adjusted"], multipletests(p, method="holm")[1])
        same(own["p_equivalent"], multipletests(inside, method="holm")[1])
        level = 1 - ALPHA / len(OTHERS)
        bounds = [stats.ttest_1samp(d[name], 0).confidence_interval(level) for name in OTHERS]
        same(own["low"], [bound.low for bound in bounds])
        same(own["high"], [bound.high for bound in bounds])
        for name in OTHERS:
            row = own.loc[name]
            word = "better" if row["difference"] > 0 else "worse"
            expected = (
                "equivalent" if row["p_equivalent"] < ALPHA
                else word if row["p_adjusted"] < ALPHA else "undetermined"
            )  # fmt: skip
            assert (row["verdict"], row["analysis"], row["n"]) == (expected, "paired", 5)


def test_seeds_needed(read):
    table = read("seeds_needed").set_index(["task", "strategy"])
    assert list(table.index) == list(itertools.product(TASKS, OTHERS))
    for (task, name), row in table.iterrows():
        d = areas(task, name) - areas(task, BASELINE)
        spread = d.std(ddof=1)
        same(row[["difference", "deviation"]], [d.mean(), spread])
        assert row["n"] == 5 and row["reason"] == ""
        for column, gap in (("seeds_needed", d.mean()), ("seeds_for_margin", MARGIN)):
            n = int(row[column])
            if n > 5:
                assert power(gap, spread, n - 1) < 0.8 < power(gap, spread, n) + 1e-3
        assert power(row["difference_seen"], spread, 5) == pytest.approx(0.8, abs=1e-3)


def test_literature(read):
    table = read("literature").astype({"labeled": str, "published_labeled": str})
    survey, gashi = load("deepalplus"), load("gashi")
    names = {"badge": "BADGE(KMeans++)", "random": "Random", "kcenter": "KCenter",
             "entropy": "Entropy", "full": "Full"}  # fmt: skip
    for task, dataset, source, there_too, why in (
        ("m", "MNIST", "T4", "500 to 10500", "unequal labels a round here, 250 there"),
        ("c", "CIFAR10", "T5", "1000 to 41000", "taken over other labeled counts"),
    ):
        for measure, metric, of in (("aubc", "aubc", areas), ("final_accuracy", "f_acc", finals)):
            own = where(table, task=task, paper="deepalplus", measure=measure).set_index("strategy")
            there = where(survey, table=source, dataset=dataset, metric=metric, variant="")
            there = there.set_index("method")
            assert set(STRATEGIES) <= set(own.index)
            for name in STRATEGIES:
                row, printed, mine = own.loc[name], there.loc[names[name]], of(task, name).mean()
                assert (row["method"], row["table"], row["n"]) == (names[name], source, 5)
                same([row["ours"], row["published"]], [mine, printed["mean"]])
                x = BUDGETS[task]
                assert row["labeled"] == f"{x[0]} to {x[-1]}"
                same([row["published_std"]], [printed["std"] * np.sqrt(1.5)])
                # The same range in other steps, or another range: not the same quantity.
                assert np.isnan(row["difference"]) and np.isnan(row["in_stds"])
                assert row["note"].startswith(f"not comparable: {why}")
                assert row["published_labeled"] == there_too
    full = table.query("task == 'm' and strategy == 'full'").iloc[0]
    mine = np.mean([known.full_numbers()["m", seed] for seed in SEEDS]) / 1000
    same([full["ours"], full["difference"]], [mine, mine - full["published"]])
    assert full["labeled"] == "60000"
    # Trained on 50,000 as published, so Full compares there too.
    full = table.query("task == 'c' and strategy == 'full'").iloc[0]
    assert full["labeled"] == full["published_labeled"] == "50000"
    single = table.query("paper == 'gashi'")
    assert set(single["labeled"]) == {"1000", "2000", "8000", "20000"}
    gashi = gashi.query("dataset == 'CIFAR10' and variant == 'main' and metric == 'accuracy'")
    theirs = {"random": "Random", "kcenter": "CoreSet", "entropy": "Entropy"}
    assert len(single) == 4 * len(theirs)
    for row in single.itertuples():
        printed = gashi[(gashi["method"] == theirs[row.strategy])
                        & (gashi["labeled"] == int(row.labeled))].iloc[0]  # fmt: skip
        mine = accuracies("c", row.strategy, int(row.labeled)).mean()
        same([row.ours, row.published], [mine, printed["mean"] / 100])
        same([row.difference], [mine - printed["mean"] / 100])
        assert row.in_stds == pytest.approx(
            (mine - printed["mean"] / 100) / (printed["std"] / 100), abs=1e-5
        )
    assert set(table.query("paper == 'munjal'")["labeled"]) == {"20000"}
    gains = table.query("measure == 'api'")
    assert set(gains["paper"]) == {"li"} and gains["difference"].isna().all()
    api = [np.mean([np.mean(np.subtract(curve(r.task, r.strategy, x)[1],
                                        curve(r.task, BASELINE, x)[1])) for x in SEEDS])
           for r in gains.itertuples()]  # fmt: skip
    same(gains["ours"], api)


def test_improvement_over_another_baseline_is_not_beside_that_over_random(tmp_path):
    known.write(tmp_path)
    settings = known.settings()
    settings.report.baseline = "entropy"
    rounds, full = records.read_rounds(settings, tmp_path), records.read_full(settings, tmp_path)
    made = gathered.build(rounds, full, settings)
    assert "api" not in set(made["literature"]["measure"])
    assert set(made["improvement"]["strategy"]) == {"badge", "random", "kcenter"}


def test_tests_are_described_as_they_came_out(read):
    table, assumptions = read("tests"), read("assumptions")
    for task in TASKS:
        own = table[table["task"] == task].set_index("test")
        for test, column, row in (
            ("shapiro_wilk", "Shapiro-Wilk: ", "Welch ANOVA"),
            ("kolmogorov_smirnov", "; Kolmogorov-Smirnov: ", "Games-Howell"),
            ("levene_median", "Levene: ", "(one-way ANOVA, not used)"),
        ):
            said = []
            for measure, words in (("aubc", "on AUBC"), ("accuracy", "at single budgets")):
                part = where(assumptions, task=task, test=test, measure=measure)
                rejected = (part["p"] < ALPHA).sum()
                said.append(f"rejected {words} in {rejected} of {len(part)}")
            assert f"{column}{'; '.join(said)}" in own.loc[row, "holds"]
        assert own.loc["Kruskal-Wallis", "n"] == "4 strategies x 5 seeds"
        for name in ("paired t", "Wilcoxon", "Friedman, Nemenyi", "bootstrap"):
            assert own.loc[name, "n"] == "5 seeds" and own.loc[name, "applied_to"] == "AUBC"
        assert own.loc["bootstrap", "holds"] == "too few runs"
    across = table[table["task"] == "all tasks"].set_index("test")
    assert across.loc["Friedman, Nemenyi", "n"] == "2 tasks"
    assert across.loc["penalty", "n"] == "4 strategies x 5 seeds"
    assert list(across.index) == ["paired t, Wilcoxon", "Friedman, Nemenyi", "penalty"]
    assert set(across["holds"][:2]) == {"as far as the tasks are unlike each other"}


def test_the_order_of_rows_changes_nothing():
    """Pairs are runs of one seed, wherever they stand."""
    extra = {
        name: np.nan for name in ("worst_class", "balance", "ratio", "worst_group", "mismatch")
    }
    rounds = NUMBERS.assign(test=1000, **extra, groups=None, per_class=None, training=None)
    full = pd.DataFrame(columns=["task", "seed", "labeled", "accuracy"])
    plain = gathered.build(rounds, full, known.settings())
    parts = [
        own.sample(frac=1, random_state=at)
        for at, (_, own) in enumerate(rounds.groupby(["task", "strategy"], sort=False))
    ]
    mixed = pd.concat(parts).sort_values("labeled", kind="stable")
    mixed["order"] = mixed["strategy"].map(STRATEGIES.index)
    mixed = mixed.sort_values("order", kind="stable").sort_values(
        "task", key=lambda x: x.map(list(TASKS).index), kind="stable"
    )
    turned = gathered.build(mixed.drop(columns="order"), full, known.settings())
    for name in ("improvement", "paired_seeds", "paired_tasks", "penalty", "friedman", "summary",
                 "games_howell", "verdicts", "seeds_needed", "bootstrap", "nemenyi"):  # fmt: skip
        declared = gathered.TABLES[name]
        one, two = (gathered.to_csv(made[name], declared) for made in (plain, turned))
        assert one == two, name

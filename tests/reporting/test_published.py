"""The published numbers, and what the statistics make of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.catalogue import STRATEGIES
from stages.machine.errors import UserError
from stages.published import COLUMNS, HERE, STUDIES, checks, load
from stages.published.against import OURS, against
from stages.published.budgets import published_range, published_step
from stages.published.names import DATASETS, METHODS
from stages.reporting.literature.published import report

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    "name, rows",
    [("deepalplus", 1516), ("li", 193), ("gashi", 783), ("munjal", 719), ("hybrid", 144)],
)
def test_tables_are_whole(name, rows):
    table = load(name)
    assert len(table) == rows and tuple(table.columns) == COLUMNS
    accuracies = table[table["metric"].isin(["accuracy", "f_acc", "aubc"])]["mean"].dropna()
    assert accuracies.between(0, STUDIES[name].unit).all()


@pytest.mark.parametrize(
    "line, word",
    [
        ("p,T1,D,v,m,,acc,x,,", "mean is not a number"),
        ("p,T1,D,v,m,,acc,1,-1,", "negative"),
        ("p,T1,D,v,m,,acc,,,", "no reason"),
        ("p,T1,D,v,,,acc,1,,", "method is blank"),
        ("p,T1,D,v,a,,acc,1,,", "repeats"),
        ("p,T1,D,v,m,,acc,,1,missing: x", "without a mean"),
    ],
)
def test_damaged_tables_are_named(tmp_path, line, word):
    path = tmp_path / "x.csv"
    path.write_text(",".join(COLUMNS) + f"\np,T1,D,v,a,,acc,1,,\n{line}\n")
    with pytest.raises(UserError, match=word) as caught:
        load("li", path)
    assert "x.csv:3" in str(caught.value)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="columns"):
        load("li", path)


def test_unknown_names_get_the_nearest():
    for function in (load, report):
        with pytest.raises(UserError, match="did you mean 'munjal'"):
            function("munjall")


def test_table_9_medical_is_exact_but_for_the_misprint():
    table = checks.table_9("medical-2").set_index("strategy")
    assert table.index[~table["equal"]].tolist() == ["VAAL"]
    vaal = table.loc["VAAL"]
    assert vaal[["wins", "ties", "losses"]].tolist() == [16, 6, 12]
    assert vaal[["printed_wins", "printed_ties", "printed_losses"]].tolist() == [16, 9, 12]
    assert (table[["wins", "ties", "losses"]].sum(axis=1) == 34).all()


def test_table_9_standard_and_table_1():
    table = checks.table_9("standard-8").set_index("strategy")
    assert table["equal"].sum() == 6
    points = 2 * table["printed_wins"] + table["printed_ties"]
    assert (points["LeastConfD"], points["CEAL(Entropy)"]) == (185, 183)
    assert len(checks.survey_disagreements()) == 27


def test_munjals_verdicts_but_for_the_misprint_and_the_missing_row():
    table = checks.munjal_verdicts()
    assert len(table) == 36
    odd = table[~table["equal"]]
    assert odd[["dataset", "labeled", "method", "verdict", "printed"]].values.tolist() == [
        ["CIFAR10", 0.4, "UC", "better", "worse"],
        ["CIFAR100", 0.2, "VAAL", "undetermined", "not printed"],
    ]
    groups = checks.munjal_groups("CIFAR10", 0.4)
    assert (groups["n"] == 25).all()
    assert groups.set_index("method").loc["RSB", ["mean", "std"]].tolist() == pytest.approx(
        [83.07, 0.9178], abs=5e-5
    )
    omnibus = checks.munjal_omnibus()
    assert (omnibus[["welch_p", "kruskal_p", "bartlett_p"]] < 0.05).all().all()


def test_pooling_equals_pooling_the_values():
    rng = np.random.default_rng(0)
    values = rng.normal(80, 1, (5, 5)) + rng.normal(0, 1, (5, 1))
    sets = pd.DataFrame({"mean": values.mean(1), "std": values.std(1, ddof=1)})
    assert checks.pooled(sets) == pytest.approx((values.mean(), values.std(ddof=1), 25))


def test_gashi_diversity_is_entropy():
    table = checks.same_numbers()
    assert len(table) == 20 and (table["difference"].abs() <= 0.01).all()
    assert table.loc[table["diversity_std"] != table["entropy_std"], "labeled"].tolist() == [3000]


@pytest.mark.parametrize(
    "name, sentences",
    [
        (
            "deepalplus",
            [
                "Of 26 claims 16 hold in the printed numbers, 7 do not, 3 cannot be tested",
                "17 of 18 methods have the printed counts; VAAL is printed 16-9-12, which sums to "
                "37 of 34",
                "18 of 18 methods by 4 of 256 mixtures",
                "CEAL(Entropy) (183) before LeastConfD (185)",
                "p < 0.05 in 6 of 45 pairs by Tables 4-6",
            ],
        ),
        (
            "munjal",
            [
                "34 of 35 printed verdicts; UC at CIFAR10 40% is printed worse",
                "VAAL is in no column at CIFAR100 20%",
                "QBC 4, Coreset 2, DBAL 2, BALD 1; UC 1, not mentioned",
                "(share of draws: 1.00)",
            ],
        ),
        (
            "li",
            [
                "WAAL -0.12 on CIFAR100, WAAL -3.64 on TinyImageNet",
                "BadgeSampling, ClusterMargin, LeastConfidence; 1 of them with a value on every",
                "against no claim: T2, T6",
            ],
        ),
        (
            "gashi",
            ["to 0.01 in 20 of 20 rows", "final accuracy: 4 of 4; area under the curve: 3 of 4"],
        ),
        ("hybrid", ["96.75 against 97.01 of variation ratio", "no targets"]),
    ],
)
def test_reports_say_what_holds(name, sentences):
    text = report(name)
    assert text == report(name)
    for sentence in sentences:
        assert sentence in text
    assert "nan" not in text.lower().replace("dominan", "").replace("nano", "")
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")


def rows(*values):
    return pd.DataFrame(values, columns=OURS)


def printed(name, table, dataset, method, metric):
    data = load(name)
    keys = {"table": table, "dataset": dataset, "method": method, "metric": metric}
    own = data[(data[list(keys)] == pd.Series(keys)).all(axis=1) & (data["variant"] == "")]
    assert len(own) == 1
    return own.iloc[0]


def test_ours_beside_theirs_by_hand():
    ours = rows(
        ("random", "aubc", 500, 10500, 250, 0.96, 3),
        ("nobody", "aubc", 500, 10500, 250, 0.9, 3),
        ("badge", "final_accuracy", 500, 10500, 250, 0.99, 3),
        ("badge", "api", 1200, 12000, 1200, 0.02, 4),
        ("full", "final_accuracy", 60000, 60000, 0, 0.995, 2),
    )
    found = against("deepalplus", "mnist", ours)
    assert found["strategy"].tolist() == ["random", "badge", "full"]
    assert found["method"].tolist() == ["Random", "BADGE(KMeans++)", "Full"]
    assert found["measure"].tolist() == ["aubc", "final_accuracy", "final_accuracy"]
    assert found["labeled"].tolist() == ["500 to 10500", "500 to 10500", "60000"]
    assert found["published_labeled"].tolist() == found["labeled"].tolist()
    assert set(found["paper"]) == {"deepalplus"} and set(found["table"]) == {"T4"}
    assert found["ours"].tolist() == [0.96, 0.99, 0.995] and found["n"].tolist() == [3, 3, 2]
    for row, metric in zip(found.itertuples(), ("aubc", "f_acc", "f_acc"), strict=True):
        there = printed("deepalplus", "T4", "MNIST", row.method, metric)
        assert row.published == there["mean"]
        assert row.difference == pytest.approx(row.ours - there["mean"])
        # Population deviations of three runs.
        deviation = there["std"] * np.sqrt(3 / 2)
        assert row.published_std == pytest.approx(deviation, nan_ok=True)
        assert row.in_stds == pytest.approx(row.difference / deviation, nan_ok=True)
        assert row.note == (
            "published with 20 epochs"
            if row.method == "Full"
            else "published with 500 labels at the start, 250 a round, quota 10000, 20 epochs"
        )
    assert np.isfinite(found["in_stds"][0])
    gain = against("li", "mnist", ours)
    assert gain["published"].tolist() == pytest.approx([0.0184])
    assert gain["difference"].tolist() == pytest.approx([0.02 - 0.0184])
    assert gain["in_stds"].isna().all() and gain["labeled"].tolist() == ["1200 to 12000"]
    for name in STUDIES:
        assert against(name, "digits", ours).empty


@pytest.mark.parametrize(
    "first, last, alike",
    [(500, 10500, True), (500, 10000, False), (250, 10500, False), (100, 3000, False)],
)
@pytest.mark.parametrize("measure", ["aubc", "final_accuracy"])
def test_measures_over_budgets_compare_over_the_same_range_only(measure, first, last, alike):
    row = against("deepalplus", "mnist", rows(("random", measure, first, last, 250, 0.9, 3))).iloc[
        0
    ]
    assert np.isfinite(row["difference"]) == alike
    assert np.isfinite(row["published"]) and row["ours"] == 0.9
    assert row["note"].startswith("not comparable: taken over other labeled counts; ") != alike
    assert row["note"].endswith("published with 500 labels at the start, 250 a round, quota 10000, "
                                "20 epochs")  # fmt: skip
    if not alike:
        assert np.isnan(row["in_stds"])
        assert row["labeled"] == f"{first} to {last}"
        assert row["published_labeled"] == "500 to 10500"


def test_training_on_everything_compares_where_everything_is_as_much():
    less = against(
        "deepalplus", "mnist", rows(("full", "final_accuracy", 59000, 59000, 0, 0.99, 3))
    )
    assert less["published_labeled"].tolist() == ["60000"]
    assert less["difference"].isna().all() and less["note"][0].startswith("not comparable")


def test_improvement_compares_over_the_same_range_only():
    for last, alike in ((12000, True), (6000, False)):
        row = against("li", "mnist", rows(("badge", "api", 1200, last, 1200, 0.02, 4))).iloc[0]
        assert np.isfinite(row["difference"]) == alike
        assert row["note"].startswith("not comparable: taken over other labeled counts") != alike


@pytest.mark.parametrize("measure", ["aubc", "final_accuracy"])
def test_measures_over_budgets_compare_in_the_same_steps_only(measure):
    for step, said in ((500, "500"), (float("nan"), "unequal")):
        row = against("deepalplus", "mnist", rows(("random", measure, 500, 10500, step, 0.9, 3)))
        assert row["difference"].isna().all() and row["in_stds"].isna().all()
        assert row["note"][0].startswith(f"not comparable: {said} labels a round here, 250 there; ")
    row = against("li", "mnist", rows(("badge", "api", 1200, 12000, 600, 0.02, 4))).iloc[0]
    assert row["note"].startswith("not comparable: 600 labels a round here, 1200 there")


def test_published_steps():
    found = [published_step("deepalplus", "CIFAR10", x) for x in ("WAAL", "Full")]
    assert found == [500, 0]
    # 2 % of 60,000 and 5 % of 50,000 images
    assert [published_step("li", x, "ALBL") for x in ("MNIST", "CIFAR10")] == [1200, 2500]
    assert published_step("gashi", "CIFAR10", "Random") is None


@pytest.mark.parametrize(
    "name, dataset, method, expected",
    [
        ("deepalplus", "MNIST", "Random", (500, 10500)),
        ("deepalplus", "CIFAR10", "WAAL", (1000, 41000)),
        ("deepalplus", "TinyImageNet", "Full", (100_000, 100_000)),
        ("li", "MNIST", "ALBL", (1200, 12000)),
        ("li", "GTSRB", "ALBL", (3921, 27446)),
        ("gashi", "CIFAR10", "Random", None),
    ],
)
def test_published_ranges(name, dataset, method, expected):
    assert published_range(name, dataset, method) == expected


def test_every_comparable_data_set_has_a_range():
    for name in ("deepalplus", "li"):
        data = load(name)
        results = data[data["metric"].isin(["aubc", "f_acc", "api"])]
        for dataset in set(results["dataset"]) & set(DATASETS.values()):
            first, last = published_range(name, dataset, "Random")
            assert 0 < first < last


def test_single_budgets_match_only_at_the_same_count():
    ours = rows(
        *(("entropy", "accuracy", n, n, 0, 0.7, 5) for n in (1000, 1500, 2000)),
        ("kcenter", "accuracy", 20000, 20000, 0, 0.84, 5),
    )
    found = against("gashi", "cifar10", ours)
    assert found["labeled"].tolist() == ["1000", "2000", "20000"]
    assert found["published_labeled"].tolist() == found["labeled"].tolist()
    data = load("gashi").query("variant == 'main' and dataset == 'CIFAR10' and labeled == 2000")
    there = data.set_index("method").loc["Entropy"]
    assert found["published"][1] == pytest.approx(there["mean"] / 100)
    assert found["published_std"][1] == pytest.approx(there["std"] / 100)
    assert found["difference"][1] == pytest.approx(0.7 - there["mean"] / 100)
    assert (found["note"] == "").all()
    row = against("munjal", "cifar10", ours).iloc[0]
    assert (row["method"], row["table"]) == ("Coreset", "S7-S11")
    assert row["in_stds"] == pytest.approx((0.84 - 0.83236) / 0.013085, abs=1e-3)


def test_every_mapped_name_is_in_the_tables():
    published = {name: load(name) for name in STUDIES}
    for name, methods in METHODS.items():
        assert set(methods.values()) <= set(published[name]["method"])
        assert len(set(methods.values())) == len(methods)
    everywhere = set().union(*(table["dataset"] for table in published.values()))
    assert set(DATASETS.values()) <= everywhere
    mapped = set().union(*METHODS.values())
    assert {"random", "entropy", "badge", "kcenter", "bald"} <= mapped & set(STRATEGIES)


def test_only_facts_are_shipped():
    assert {path.name for path in HERE.glob("*.csv")} == {
        *(f"{name}.csv" for name in STUDIES),
        "deepalplus_protocols.csv",
    }

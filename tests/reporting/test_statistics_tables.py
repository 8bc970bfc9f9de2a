"""The tables of measures and tests, built from result rows in memory."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stages.machine.errors import UserError
from stages.reporting import cost, gathered
from stages.reporting.read import records
from stages.reporting.read.frames import SHARED
from stages.study.layout import Layout

pytestmark = pytest.mark.filterwarnings("error")
EXTRAS = [*records.CALIBRATION, *records.CLASSES, *records.GROUPS, *records.SELECTION]
NO_FULL = pd.DataFrame(columns=["task", "seed", "labeled", "accuracy"])
NAN = float("nan")


def make_settings(tasks, strategies, seeds, rounds=3, baseline="random", dataset="digits"):
    return SimpleNamespace(
        tasks=list(tasks), strategies=list(strategies), seeds=list(seeds), tuned=[],
        rounds=[SimpleNamespace(n=n, next=n + 1 if n + 1 < rounds else "end")
                for n in range(rounds)],
        report=SimpleNamespace(margin=0.005, alpha=0.05, baseline=baseline, primary="auto"),
        task={task: SimpleNamespace(dataset=SimpleNamespace(name=dataset)) for task in tasks},
    )  # fmt: skip


def make_rounds(settings, accuracy, skip=()):
    """`accuracy(task number, strategy number, seed, round)`; `skip`: (strategy, seed) left out."""
    rows = []
    for t, task in enumerate(settings.tasks):
        for s, strategy in enumerate(settings.strategies):
            for seed in settings.seeds:
                if (strategy, seed) in skip:
                    continue
                for item in settings.rounds:
                    value = accuracy(t, s, seed, item.n)
                    rows.append((task, strategy, seed, item.n, 10 * (item.n + 1), 1000,
                                 round(1000 * value), value))  # fmt: skip
    table = pd.DataFrame(rows, columns=records.COLUMNS)
    return table.assign(**dict.fromkeys(EXTRAS, NAN), per_class=None, groups=None, training=None)


def build(settings, accuracy, skip=()):
    return gathered.build(make_rounds(settings, accuracy, skip), NO_FULL, settings)


def noise(t, s, seed, n):
    rng = np.random.default_rng([t, s, seed, n])
    return float(np.round(0.5 + 0.1 * n + 0.02 * s + rng.normal(0, 0.01), 3))


def check(made):
    """Every table has a title, prints without nan, and n/a tests have a reason."""
    for name, table in made.items():
        declared = gathered.TABLES[name]
        assert len(table) or declared.always, name
        # Every column that is computed is declared, in the same order.
        assert list(table.columns) == [x for x in declared.fields(table) if x in table.columns], (
            name
        )
        text = gathered.to_csv(table, declared)
        assert "nan" not in text.lower().replace("dominan", ""), name
        if "reason" in table and "p" in table:
            assert (table["p"].isna() == (table["reason"] != "")).all(), name
    return made


FIVE = ("random", "entropy", "badge", "margin", "kcenter")
CASES = {
    "plain": (make_settings(["a", "b", "c"], FIVE, range(5)), noise, ()),
    "one seed": (make_settings(["a", "b"], FIVE, [3]), noise, ()),
    "two seeds": (make_settings(["a"], FIVE, [0, 1]), noise, ()),
    "one strategy": (make_settings(["a"], ["random"], range(3)), noise, ()),
    "two strategies": (make_settings(["a", "b"], FIVE[:2], range(3)), noise, ()),
    "no baseline": (make_settings(["a"], FIVE[1:], range(3)), noise, ()),
    "all equal": (make_settings(["a", "b"], FIVE, range(4)), lambda *_: 0.7, ()),
    "no variance": (make_settings(["a"], FIVE, range(4)), lambda t, s, k, n: 0.5 + s / 50, ()),
    "one flat": (make_settings(["a"], FIVE, range(4)),
                 lambda t, s, k, n: 0.6 if s == 1 else noise(t, s, k, n), ()),
    "missing runs": (make_settings(["a", "b"], FIVE, range(4)), noise,
                     (("badge", 0), ("badge", 1), ("badge", 2), ("margin", 3))),
    "one round": (make_settings(["a"], FIVE, range(3), rounds=1), noise, ()),
    "perfect": (make_settings(["a"], FIVE, range(3)), lambda *_: 1.0, ()),
    "sixty": (make_settings(["a"], ["random", *(f"s{i}" for i in range(59))], range(3)), noise,
              ()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_study_gets_its_tables(name):
    check(build(*CASES[name]))


def test_a_study_without_differences_shows_none():
    made = build(*CASES["all equal"])
    assert set(made["kruskal_wallis"]["reason"]) == {"all values are equal", SHARED}
    assert set(made["paired_seeds"]["reason"]) == {"all pairs are equal"}
    assert set(made["seeds_needed"]["reason"]) == {"all differences are equal"}
    assert (made["penalty"]["penalty"] == 0).all() and (made["penalty"]["tested"] == 0).all()
    assert set(made["friedman"]["reason"]) == {"all scores are equal"}
    chosen = made["verdict_lists"].query("budget != '10'")  # the first, which all share
    assert chosen["undetermined"].unique().tolist() == [
        "entropy, badge, margin, kcenter"]  # fmt: skip


def test_one_seed_says_so_everywhere():
    made = build(*CASES["one seed"])
    assert set(made["bootstrap"]["reason"]) == {"fewer than two runs"}
    assert set(made["welch_anova"]["reason"]) == {"a strategy has fewer than two runs"}
    assert set(made["improvement"]["reason"]) == {"fewer than two pairs"}
    assert set(made["seeds_needed"]["reason"]) == {"fewer than two seeds in common"}


def test_strategy_order_turns_pairs_and_nothing_else():
    settings, accuracy, _ = CASES["plain"]
    turned = make_settings(settings.tasks, FIVE[::-1], settings.seeds)
    one = build(settings, accuracy)
    two = build(turned, lambda t, s, k, n: accuracy(t, 4 - s, k, n))
    for name in one:
        if {"first", "second"} <= set(one[name].columns):
            keys = [key for key in ("task", "measure") if key in one[name]]
            a = one[name].set_index([*keys, "first", "second"])
            b = two[name].set_index([*keys, "second", "first"])
            for key, row in a.iterrows():
                twin = b.loc[key]
                assert row["difference"] == pytest.approx(-twin["difference"], abs=1e-12), name
                assert row["p"] == pytest.approx(twin["p"], rel=1e-6, abs=1e-9), name
        elif name not in ("verdict_lists",):
            lines = [
                sorted(gathered.to_csv(made[name], gathered.TABLES[name]).splitlines())
                for made in (one, two)
            ]
            assert lines[0] == lines[1], name


def test_improvement_and_labels_by_hand():
    settings = make_settings(["a"], ["random", "entropy"], [0, 1])
    level = {0: (0.5, 0.6, 0.7), 1: (0.5, 0.7, 0.8)}
    made = build(settings, lambda t, s, k, n: level[s][n] + 0.01 * k * s)
    row = made["improvement"].iloc[0]
    # Seed 0 gains 0, 0.1, 0.1; seed 1 gains 0.01 more in every round.
    assert row["api_mean"] == pytest.approx(0.2 / 3 + 0.005) and row["n"] == 2
    labels = made["labels_needed"].set_index(["share", "strategy"])
    assert labels.loc[(1.0, "random"), "labels_needed"] == pytest.approx(30)
    # Entropy's mean curve is 0.505, 0.705, 0.805: it reaches 0.7 at 19.75 labels.
    found = labels.loc[(1.0, "entropy")]
    assert found["labels_needed"] == pytest.approx(19.75)
    assert found["saving"] == pytest.approx(1 - 19.75 / 30)


def test_never_reached_is_said():
    settings = make_settings(["a"], ["random", "entropy"], [0, 1])
    made = build(settings, lambda t, s, k, n: 0.5 + 0.1 * n * (1 - s))
    row = made["labels_needed"].query("strategy == 'entropy' and share == 1").iloc[0]
    assert row["reason"] == "not reached" and np.isnan(row["labels_needed"])


def test_optional_measures_make_tables(tmp_path):
    settings = make_settings(["a"], ["random", "entropy"], [0, 1], rounds=2)
    for strategy in settings.strategies:
        for seed in settings.seeds:
            for n in range(2):
                path = Layout(tmp_path).result("a", strategy, seed, n)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({
                    "format": 1, "task": "a", "strategy": strategy, "seed": seed, "round": n,
                    "labeled": 10 * (n + 1), "test": 10, "correct": 6, "accuracy": 0.6,
                    "labeled_per_class": [5 * (n + 1), 5 * (n + 1)], "ece": (10 + 2 * seed) / 100,
                    "nll": 0.7, "per_class_test": [5, 5], "per_class_correct": [4 + seed, 2 - seed],
                    "groups": {"x": {"test": 4, "correct": 4},
                               "y": {"test": 6, "correct": 2, "mismatch": True}},
                    "selection": {"diversity": 1.5 * (n + 1), "uncertainty": 0.2}}))  # fmt: skip
    rounds = records.read_rounds(settings, tmp_path)
    made = check(gathered.build(rounds, NO_FULL, settings))
    assert made["calibration"]["ece_mean"].tolist() == pytest.approx([0.11, 0.11])
    classes = made["classes"].set_index(["strategy", "class"])["accuracy_mean"]
    assert classes["random"].tolist() == pytest.approx([0.9, 0.3, 0.3])
    groups = made["groups"].set_index(["strategy", "group"])["group_accuracy_mean"]
    assert groups["entropy"].to_dict() == pytest.approx(
        {"x": 1, "y": 1 / 3, "worst_group": 1 / 3, "mismatch": 1 / 3})  # fmt: skip
    assert made["class_balance"]["balance"].tolist() == pytest.approx([1] * 4)
    assert made["selection"]["diversity"].tolist() == [1.5, 3, 1.5, 3]
    assert "inconsistency" not in made["selection"]
    path = Layout(tmp_path).result("a", "random", 0, 1)
    for change in ({"per_class_correct": [1]}, {"ece": "x"}, {"groups": {"x": 1}},
                   {"labeled_per_class": "ab"}, {"selection": {"diversity": True}}):  # fmt: skip
        kept = path.read_text()
        path.write_text(json.dumps(json.loads(kept) | change))
        with pytest.raises(UserError, match=r"random/seed-0/round-1\.json"):
            records.read_rounds(settings, tmp_path)
        path.write_text(kept)


def test_literature_is_beside_where_it_matches():
    settings = make_settings(["a", "b"], ["random", "badge", "mine"], [0, 1, 2], dataset="mnist")
    settings.task["b"].dataset.name = "digits"
    table = build(settings, noise)["literature"]
    assert set(table["task"]) == {"a"} and set(table["strategy"]) == {"random", "badge"}
    assert {"deepalplus", "li"} <= set(table["paper"])
    assert "literature" not in build(*CASES["plain"])


def test_friedman_blocks_are_tasks_and_seeds():
    table = build(*CASES["plain"])["friedman"].set_index("task")
    assert table["blocks"].to_dict() == {"all tasks": "tasks", "a": "seeds", "b": "seeds",
                                         "c": "seeds"}  # fmt: skip
    assert table["n"].tolist() == [3, 5, 5, 5]
    # Each strategy adds two deviations of the noise, so the ranks are nearly the same everywhere.
    assert (table["f_p"] < 0.05).all() and set(table["verdict"]) == {"differ"}
    made = build(*CASES["plain"])["mean_ranks"].set_index(["task", "strategy"])
    assert made.loc[("a", "kcenter"), "mean_rank"] < 2 < 4 < made.loc[("a", "random"), "mean_rank"]


def test_cost_stands_beside_accuracy():
    times = pd.DataFrame(
        {"task": "a", "strategy": ["random", "fast", "good", "bad", "twin"],
         "total": [1.0, 0.5, 3.0, 4.0, 3.0]}
    )  # fmt: skip
    areas = {"random": 0.7, "fast": 0.6, "good": 0.9, "bad": 0.8, "twin": 0.9}
    runs = pd.DataFrame(
        [("a", name, seed, area + seed / 100) for name, area in areas.items() for seed in (0, 2)],
        columns=["task", "strategy", "seed", "aubc"],
    )
    table = cost.beside_accuracy(times, runs)
    assert table["aubc"].tolist() == pytest.approx([x + 0.01 for x in areas.values()])
    # Slower and worse than "good"; equal ones stand both.
    assert table["front"].tolist() == [True, True, True, False, True]


def test_cost_is_relative_to_the_baseline(tmp_path):
    settings = make_settings(["a"], ["random", "entropy"], [0, 1], rounds=2)
    assert "No times here" in cost.report(settings, tmp_path)
    for strategy, train, select in (("random", 2.0, 0.0), ("entropy", 2.0, 1.0)):
        for seed in (0, 1):
            for n in (0, 1):
                path = Layout(tmp_path).seconds("a", strategy, seed, n)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(
                    json.dumps(
                        {"train": train, "evaluate": 9, "score": select / 2, "select": select / 2}
                    )
                )
    table = cost.cost_table(records.read_seconds(settings, tmp_path), "random").set_index(
        "strategy"
    )
    assert table.loc["entropy", ["training", "selection", "total"]].tolist() == [2, 1, 3]
    assert table.loc["entropy", "total_ratio"] == 1.5
    assert np.isnan(table.loc["entropy", "selection_ratio"])
    assert "| a | entropy | 4 |" in cost.report(settings, tmp_path)
    path.write_text("[1]")
    with pytest.raises(UserError, match="seconds-1.json: not a JSON object"):
        cost.report(settings, tmp_path)

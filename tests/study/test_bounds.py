"""Every number of the catalogue has bounds; a value outside them is one line before computing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from stages.catalogue.bounds import CEILINGS, REAL, WHOLE, span
from study import tree, write_params

from stages import catalogue
from stages.catalogue import Strategy
from stages.machine.errors import UserError
from stages.study import settings

ENTRIES = catalogue.STRATEGIES


NUMBERS = [
    (name, key)
    for name, entry in ENTRIES.items()
    for key, default in entry.settings.items()
    if isinstance(default, (int, float)) and not isinstance(default, bool)
]


def just(value: float, way: float, whole: bool) -> float:
    """The next number above (way 1) or below (-1)."""
    return int(value) + int(way) if whole else math.nextafter(value, way * math.inf)


def edges(name: str, key: str) -> tuple[list[float], list[float]]:
    """Values at the bounds that are allowed, and values just outside that are not."""
    entry = ENTRIES[name]
    whole = isinstance(entry.settings[key], int)
    step = 2 if key in entry.even else 1
    good, bad = [entry.settings[key]], []
    if key in entry.above:
        good.append(just(entry.above[key], 1, whole))
        bad += [entry.above[key], just(entry.above[key], -1, whole)]
    else:
        least = entry.least.get(key, 0)
        good += [least, least + step] if whole else [least, just(least, 1, whole)]
        bad.append(just(least, -1, whole))
    if key in entry.below:
        good.append(just(entry.below[key], -1, whole))
        bad += [entry.below[key], just(entry.below[key], 1, whole)]
    else:
        most = entry.most.get(key, CEILINGS.get(key, WHOLE if whole else REAL))
        good.append(most)
        bad.append(just(most, 1, whole))
    if key in entry.zero:
        good.append(0)
        bad = [value for value in bad if value != 0]
    if key in entry.even:
        bad.append(entry.least.get(key, 0) + 1)
    return good, [*bad, math.nan, math.inf, -math.inf, True, "1", None, 10**30, -(10**30)]


def alone(name: str) -> Strategy:
    """The entry without the order of its settings, which is tested apart."""
    return replace(ENTRIES[name], ordered=())


@pytest.mark.parametrize(("name", "key"), NUMBERS)
def test_a_bound_holds_and_what_is_outside_fails_in_one_line(name, key):
    good, bad = edges(name, key)
    for value in good:
        assert catalogue.complete(name, alone(name), {key: value})[key] == value
    for value in bad:
        with pytest.raises(UserError) as caught:
            catalogue.complete(name, alone(name), {key: value})
        said = str(caught.value)
        assert said.startswith(f"strategy.{name}.{key} is {value!r}; allowed: a ")
        assert "\n" not in said and f"such as {ENTRIES[name].settings[key]!r}" in said


@pytest.mark.parametrize(("name", "key"), NUMBERS)
def test_a_whole_number_is_whole(name, key):
    if isinstance(ENTRIES[name].settings[key], int):
        with pytest.raises(UserError, match="allowed: a whole number"):
            catalogue.complete(name, ENTRIES[name], {key: float(ENTRIES[name].settings[key])})


@pytest.mark.parametrize("name", ENTRIES)
def test_bounds_are_of_settings_that_there_are(name):
    entry = ENTRIES[name]
    named = {*entry.least, *entry.most, *entry.above, *entry.below, *entry.choices, *entry.zero}
    named |= {*entry.even, *entry.drawn, *(key for pair in entry.ordered for key in pair)}
    assert named <= set(entry.settings)
    assert not set(entry.least) & set(entry.above) and not set(entry.most) & set(entry.below)
    words = {key for key, value in entry.settings.items() if isinstance(value, str)}
    assert words == set(entry.choices)


# Values that make no sense, whatever the catalogue says of them.
NONSENSE = [
    ("bald", "passes", 1),  # 0 everywhere
    ("mean_std", "passes", 1),
    ("variation_ratio", "passes", 1),
    ("entropy_dropout", "passes", 0),
    ("bald_ensemble", "members", 1),
    ("batchbald", "passes", 1),
    ("adversarial_bim", "step", 0),
    ("adversarial_bim", "iterations", 0),
    ("deepfool", "top_classes", 1),
    ("deepfool", "overshoot", -0.1),
    ("kmeans", "iterations", 0),
    ("kcenter", "pca", -1),
    ("coreset", "outliers", 1),
    ("coreset", "time_limit", 0),
    ("coreset", "nodes", 0),
    ("kdpp", "gamma", -1),
    ("kdpp", "rank", 7),
    ("kdpp", "kernel", "cosine"),
    ("dal", "accuracy", 0),
    ("dal", "accuracy", 1.5),
    ("dal", "learning_rate", 0),
    ("dal", "batch_size", 0),
    ("dal", "mini_queries", 0),
    ("uncertain_gcn", "dropout", 1),
    ("uncertain_gcn", "margin", 1.1),
    ("core_gcn", "loss_weight", 0),
    ("core_gcn", "learning_rate", 0),
    ("typiclust", "clusters", 0),
    ("typiclust", "neighbours", 0),
    ("probcover", "purity", 0),
    ("probcover", "purity", 1.01),
    ("probcover", "delta", 2.01),
    ("diverse_minibatch", "beta", 0.5),
    ("cluster_margin", "part", 1),
    ("cluster_margin", "margin_factor", 0.9),
    ("cluster_margin", "cluster_size", 0),
    ("exploitation_exploration", "first_share", 1.1),
    ("exploitation_exploration", "growth", -0.1),
    ("exploitation_exploration", "most", 2),
    ("exploitation_exploration", "redundancy", -1),
    ("mcadl", "alpha", 1.1),
    ("mcadl", "beta", -0.1),
    ("mcadl", "neighbours", 0),
    ("albl", "delta", 0),
    ("albl", "delta", 1.1),
    ("albl", "horizon", 0),
    ("bait", "regularisation", 0),
    ("bait", "oversample", 0.5),
    ("bait", "memory", 0),
    ("hybrid", "alpha", 1.1),
    ("hybrid", "beta", -0.1),
    ("hybrid", "gamma", 0),
    ("hybrid", "passes", 1),
    ("hybrid", "jitter", 0),
    ("hybrid", "discriminator_dropout", 1),
    ("hybrid", "discriminator_learning_rate", 0),
]


@pytest.mark.parametrize(("name", "key", "value"), NONSENSE)
def test_nonsense_is_refused_when_settings_are_read(name, key, value, tmp_path):
    study = tree(strategies=[name], strategy={name: {key: value}})
    with pytest.raises(UserError) as caught:
        settings.load(write_params(tmp_path, study))
    assert f"strategy.{name}.{key} is {value!r}; " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        (
            "batchbald",
            {"passes": 20, "samples": 19},
            "strategy.batchbald.samples is 19, but passes is 20; allowed: 20 or more",
        ),
        (
            "exploitation_exploration",
            {"first_share": 0.5, "most": 0.4},
            "strategy.exploitation_exploration.most is 0.4, but first_share is 0.5; "
            "allowed: 0.5 or more",
        ),
    ],
)
def test_settings_that_contradict_each_other(name, given, said):
    with pytest.raises(UserError) as caught:
        catalogue.complete(name, ENTRIES[name], given)
    assert str(caught.value) == said
    smaller, larger = given
    catalogue.complete(name, ENTRIES[name], {**given, larger: given[smaller]})


@pytest.mark.parametrize("name", ["uncertain_gcn", "core_gcn", "probcover"])
def test_fewer_nodes_than_a_query_are_refused_when_settings_are_read(name, tmp_path):
    with pytest.raises(UserError, match=f"strategy.{name}.subset is 5, but task.digits.query_si"):
        settings.load(
            write_params(tmp_path, tree(strategies=[name], strategy={name: {"subset": 5}}))
        )
    for subset in (0, 6):
        strategy = {name: {"subset": subset}}
        settings.load(write_params(tmp_path, tree(strategies=[name], strategy=strategy)))


def test_candidates_of_tuned_settings_are_checked_together(tmp_path):
    """Contradictions count between what is tried together, not against defaults."""
    common = {"strategies": ["batchbald"], "tuned": ["batchbald"]}
    fine = {"passes": [2, 3], "samples": 5}
    study = settings.load(write_params(tmp_path, tree(**common, strategy={"batchbald": fine})))
    assert study.chosen("batchbald")[1] == {"passes": 10, "samples": 5}
    bad = {"passes": [2, 6], "samples": 5}
    with pytest.raises(UserError, match="batchbald.samples is 5, but passes is 6"):
        settings.load(write_params(tmp_path, tree(**common, strategy={"batchbald": bad})))


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({}, "from 0 to 1e9"),
        ({"least": {"x": 2}}, "from 2 to 1e9"),
        ({"most": {"x": 1}}, "from 0 to 1"),
        ({"above": {"x": 0}}, "above 0 to 1e9"),
        ({"above": {"x": 0}, "most": {"x": 1}}, "above 0 to 1"),
        ({"below": {"x": 1}}, "from 0 and below 1"),
        ({"above": {"x": 0}, "below": {"x": 1}}, "above 0 and below 1"),
        ({"least": {"x": 2}, "zero": ("x",)}, "from 2 to 1e9, or 0"),
        ({"even": ("x",)}, "from 0 to 1e9 and even"),
    ],
)
def test_bounds_in_words(bounds, words):
    entry = Strategy("", "", "", "", "", "", {"x": 1}, **bounds)
    assert span(entry, "x") == words


def test_numbers_of_the_users_own_strategies_have_bounds_too():
    entry = Strategy("", "", "", "", "", "", {"x": 1, "y": 1.0})
    catalogue.complete("mine", entry, {"x": 10**9, "y": 1e12})
    for key, value in (("x", 10**9 + 1), ("y", 1.1e12), ("x", 10**400), ("y", 10**400)):
        with pytest.raises(UserError, match=rf"strategy.mine.{key} is .* allowed: a (whole )?num"):
            catalogue.complete("mine", entry, {key: value})


def test_every_ceiling_is_of_a_setting_that_there_is():
    assert set(CEILINGS) <= {key for _, key in NUMBERS}


@pytest.mark.parametrize(("name", "key"), [("bald", "candidates"), ("random", "candidates")])
def test_candidates_have_a_ceiling(name, key):
    catalogue.complete(name, ENTRIES[name], {key: 10**9})
    with pytest.raises(UserError, match="candidates is 1000000001; allowed: a whole number from 0"):
        catalogue.complete(name, ENTRIES[name], {key: 10**9 + 1})


def test_all_faults_of_a_strategy_are_told_together():
    with pytest.raises(UserError) as caught:
        catalogue.complete("bald", ENTRIES["bald"], {"passes": 1, "pases": 2, "candidates": -1})
    assert [fault.split(" is ")[0].split("; ")[0] for fault in caught.value.faults] == [
        "strategy.bald.passes",
        "strategy.bald: unknown key 'pases'",
        "strategy.bald.candidates",
    ]


def test_ceilings_by_value():
    """As docs/settings.md has them: a change of one is a change of what users may write."""
    assert CEILINGS == {
        "members": 1000, "passes": 10_000, "samples": 10**8, "mini_queries": 10_000,
        "iterations": 10**6, "epochs": 10**6, "discriminator_epochs": 10**6, "hidden": 10**5,
        "rank": 10**5, "learning_rate": 1000, "discriminator_learning_rate": 1000,
        "weight_decay": 1000, "memory": 10**6, "time_limit": 10**7,
    }  # fmt: skip
    assert (WHOLE, REAL) == (10**9, 1e12)

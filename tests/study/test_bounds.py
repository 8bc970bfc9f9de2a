"""Every number of the catalogue has bounds; a value outside them is one line before computing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from study import tree, write_params

from stages import catalogue
from stages.catalogue import Strategy, kinds
from stages.machine.errors import UserError
from stages.study import settings

ENTRIES = catalogue.STRATEGIES

MC = {"passes": (10, "from 1 to 10000")}
DISAGREEMENT = {"passes": (10, "from 2 to 10000")}  # of one pass it is 0 everywhere
COMMITTEE = {"members": (5, "from 2 to 1000")}
BIM = {
    "iterations": (50, "from 1 to 1e6"),
    "step": (0.05, "above 0 to 1e12"),
    "train_on_adversarial": (False, bool),
}
GCN = {
    "subset": (10_000, "from 0 to 1e9"),
    "hidden": (128, "from 1 to 100000"),
    "dropout": (0.3, "from 0 and below 1"),
    "epochs": (200, "from 1 to 1e6"),
    "learning_rate": (0.001, "above 0 to 1000"),
    "weight_decay": (0.0005, "from 0 to 1000"),
    "loss_weight": (1.2, "above 0 to 1e12"),
}
HERDING = {
    "kernel": ("gaussian", ("gaussian", "top_hat")),
    "sigma": (0.0, "from 0 to 1e12"),
    "subset": (35_000, "from 0 to 1e9"),
}
NOISY = {
    "beta": (1.0, "above 0 to 1e12"),
    "form": ("power", ("power", "softmax", "softrank")),
}
LLOYD = {"iterations": (20, "from 1 to 1e6")}
MIXMATCH = {
    "augmentations": (2, "from 1 to 100"),
    "temperature": (0.5, "above 0 to 1e12"),
    "alpha": (0.75, "above 0 to 1e12"),
    "unlabeled_weight": (75.0, "from 0 to 1e12"),
    "ramp": (16_384, "from 0 to 1e9"),
    "ema": (0.999, "from 0 and below 1"),
    "steps": (0, "from 0 to 1e9"),
    "augmentation": ("task", ("task", "none", "crop", "crop_flip")),
}
VIEW = {"view": ("task", ("task", "crop", "crop_flip"))}
# Defaults, and what may stand in their place: a change here is one of what users may write.
SETTINGS: dict[str, dict[str, tuple[Any, Any]]] = {
    "random": {},
    "least_confidence": {},
    "margin": {},
    "entropy": {},
    "ceal": {"delta": (0.05, "from 0 to 1e12"), "decay": (0.0033, "from 0 to 1e12")},
    "least_confidence_dropout": MC,
    "margin_dropout": MC,
    "entropy_dropout": MC,
    "bald": DISAGREEMENT,
    "mean_std": DISAGREEMENT,
    "variation_ratio": DISAGREEMENT,
    "least_confidence_ensemble": COMMITTEE,
    "margin_ensemble": COMMITTEE,
    "entropy_ensemble": COMMITTEE,
    "bald_ensemble": COMMITTEE,
    "mean_std_ensemble": COMMITTEE,
    "variation_ratio_ensemble": COMMITTEE,
    "gradient_norm": {},
    "batchbald": {"passes": (10, "from 2 to 10000"), "samples": (10_000, "from 2 to 1e8")},
    "adversarial_bim": BIM,
    "advbim": BIM,
    "deepfool": {
        "iterations": (50, "from 1 to 1e6"),
        "overshoot": (0.02, "from 0 to 1e12"),
        "top_classes": (10, "from 2 to 1e9, or 0"),
        "train_on_adversarial": (False, bool),
    },
    "kmeans": {
        "iterations": (20, "from 1 to 1e6"),
        "backend": ("auto", ("auto", "exact", "faiss", "scipy", "sklearn")),
    },
    "kcenter": {"pca": (32, "from 0 to 1e9")},
    "coreset": {
        "pca": (0, "from 0 to 1e9"),
        "outliers": (0.0001, "from 0 and below 1"),
        "steps": (10, "from 0 to 1e9"),
        "moves": (10_000, "from 0 to 1e9"),
        "nodes": (100, "from 1 to 1e9"),
        "nonzeros": (10_000, "from 1 to 1e9"),
        "programs": (50, "from 1 to 1e9"),
        "time_limit": (3600.0, "above 0 to 1e7"),
    },
    "kdpp": {
        "kernel": ("rbf", ("rbf", "linear")),
        "rank": (0, "from 0 to 100000 and even"),
        "gamma": (0.0, "from 0 to 1e12"),
    },
    "dal": {
        "mini_queries": (10, "from 1 to 10000"),
        "ratio": (10, "from 0 to 1e9"),
        "epochs": (500, "from 1 to 1e6"),
        "batch_size": (1024, "from 1 to 1e9"),
        "learning_rate": (0.0002, "above 0 to 1000"),
        "accuracy": (0.98, "above 0 to 1"),
    },
    "uncertain_gcn": {
        **GCN,
        "margin": (0.1, "from 0 to 1"),
        "rule": ("nearest", ("nearest", "farthest")),
    },
    "core_gcn": GCN,
    "typiclust": {
        "clusters": (500, "from 1 to 1e9"),
        "neighbours": (20, "from 1 to 1e9"),
        "iterations": (20, "from 1 to 1e6"),
    },
    "probcover": {
        "delta": (0.0, "from 0 to 2"),
        "purity": (0.95, "above 0 to 1"),
        "subset": (0, "from 0 to 1e9"),
    },
    "badge": {},
    "diverse_minibatch": {"beta": (10.0, "from 1 to 1e12"), "iterations": (20, "from 1 to 1e6")},
    "cluster_margin": {
        "margin_factor": (10.0, "from 1 to 1e12"),
        "cluster_size": (10.0, "from 1 to 1e12"),
        "part": (2000, "from 2 to 1e9, or 0"),
    },
    "exploitation_exploration": {
        "redundancy": (1.0, "from 0 to 1e12"),
        "first_share": (0.5, "from 0 to 1"),
        "growth": (0.1, "from 0 to 1"),
        "most": (0.9, "from 0 to 1"),
    },
    "mcadl": {
        "alpha": (0.9, "from 0 to 1"),
        "beta": (0.9, "from 0 to 1"),
        "neighbours": (5, "from 1 to 1e9"),
        "features": ("pixels", ("pixels", "embedding")),
        "uncertainty": ("margin", ("margin", "leading")),
    },
    "albl": {
        "over": (["random", "entropy", "kcenter"], list),
        "horizon": (10, "from 1 to 1e9"),
        "delta": (0.1, "above 0 to 1"),
    },
    "bait": {
        "fisher": ("full", ("full", "binary")),
        "regularisation": (1.0, "above 0 to 1e12"),
        "oversample": (2.0, "from 1 to 1e12"),
        "memory": (4.0, "above 0 to 1e6"),
    },
    "learning_loss": {
        "margin": (1.0, "above 0 to 1e12"),
        "weight": (1.0, "from 0 to 1e12"),
        "detach": (0.6, "from 0 to 1"),
        "width": (128, "from 1 to 100000"),
        "candidates": (10_000, "from 0 to 1e9"),
    },
    "ssl_random": MIXMATCH,
    "ssl_consistency": {**MIXMATCH, **VIEW, "draws": (50, "from 2 to 10000")},
    "ssl_inconsistency": {**MIXMATCH, **VIEW},
    "ssl_diff2aug_direct": {**MIXMATCH, **VIEW},
    "ssl_diff2aug_kmeans": {**MIXMATCH, **VIEW, **LLOYD, "clusters": (20, "from 1 to 1e9")},
    "waal": {
        "alpha": (0.002, "from 0 to 1e12"),
        "gamma": (0.0, "from 0 to 1e12"),
        "unlabeled": (1, "from 1 to 1e9"),
        "critic_steps": (5, "from 1 to 1e9"),
        "critic_width": (50, "from 1 to 100000"),
        "critic_rate": (0.003, "above 0 to 1000"),
        "penalty": (10.0, "from 0 to 1e12"),
        "held_out": (0.1, "from 0 and below 1"),
        "diversity": (10.0, "from 0 to 1e12"),
    },
    "vaal": {
        "latent": (32, "from 1 to 100000"),
        "width": (128, "from 1 to 100000"),
        "beta": (1.0, "from 0 to 1e12"),
        "adversary": (1.0, "from 0 to 1e12"),
        "vae_steps": (2, "from 1 to 1e9"),
        "discriminator_steps": (1, "from 1 to 1e9"),
        "rate": (0.0005, "above 0 to 1000"),
        "steps": (0, "from 0 to 1e9"),
        "held_out": (0.1, "from 0 and below 1"),
    },
    "bgadl": {
        "generated": (1.0, "from 0 to 1e12"),
        "restored": (1.0, "from 0 to 1e12"),
        "latent": (100, "from 1 to 100000"),
        "width": (64, "from 1 to 100000"),
        "rate": (0.0005, "above 0 to 1000"),
        "beta": (1.0, "from 0 to 1e12"),
        "reconstruction": (0.75, "from 0 to 1e12"),
        "passes": (10, "from 2 to 10000"),
        "candidates": (2_000, "from 0 to 1e9"),
    },
    "hybrid": {
        "uncertainty": ("variation_ratio", ("entropy", "bald", "variation_ratio")),
        "diversity": (
            "posterior_variance",
            ("discriminator", "posterior_variance", "minimum_distance"),
        ),
        "combination": (
            "geometric_mean_decayed",
            (
                *("mean", "mean_decayed", "geometric_mean", "geometric_mean_decayed"),
                *("uncertainty_first", "diversity_first", "uncertainty", "diversity"),
            ),
        ),
        "alpha": (0.5, "from 0 to 1"),
        "beta": (0.6, "from 0 to 1"),
        "gamma": (3, "from 1 to 1e9"),
        "passes": (100, "from 2 to 10000"),
        "candidates": (2000, "from 0 to 1e9"),
        "space": ("logits", ("logits", "embedding")),
        "jitter": (1e-8, "from 1e-12 to 1"),
        "discriminator_epochs": (50, "from 1 to 1e6"),
        "discriminator_batch_size": (128, "from 1 to 1e9"),
        "discriminator_learning_rate": (0.001, "above 0 to 1000"),
        "discriminator_dropout": (0.25, "from 0 and below 1"),
    },
    "max_herding": HERDING,
    "uherding": {"held_out": (0.3, "from 0 and below 1"), **HERDING},
    "power_bald": {**DISAGREEMENT, **NOISY},
    "power_entropy": NOISY,
    "falcun": {"gamma": (10.0, "from 0 to 1e12")},
    "clue": {"temperature": (1.0, "above 0 to 1e12"), **LLOYD},
    "dropquery": {
        "masks": (3, "from 1 to 10000"),
        "rate": (0.75, "above 0 and below 1"),
        "iterations": (100, "from 1 to 1e6"),
    },
    "alfa_mix": {"epsilon": (0.2, "above 0 to 1"), **LLOYD},
    "noise_stability": {
        "perturbations": (30, "from 1 to 10000"),
        "magnitude": (0.001, "above 0 to 1e12"),
        "output": ("probabilities", ("probabilities", "embedding")),
        "candidates": (25_000, "from 0 to 1e9"),
    },
    "vessal": {"regularisation": (0.01, "above 0 to 1e12")},
    "dcom": {
        "delta": (0.0, "from 0 to 2"),
        "purity": (0.95, "above 0 to 1"),
        "centre": (0.9, "from 0 to 1"),
        "steepness": (30.0, "above 0 to 1e12"),
    },
    "active_ft": {
        "temperature": (0.07, "above 0 to 1e12"),
        "balance": (1.0, "from 0 to 1e12"),
        "iterations": (300, "from 1 to 1e6"),
        "learning_rate": (0.001, "above 0 to 1000"),
    },
    "tcm": {
        "switch": (5.0, "from 0 to 1e12"),
        "clusters": (500, "from 1 to 1e9"),
        "neighbours": (20, "from 1 to 1e9"),
        **LLOYD,
    },
}
DRAWN = {
    **dict.fromkeys(("uncertain_gcn", "core_gcn", "probcover"), "subset"),
    **dict.fromkeys(("max_herding", "uherding"), "subset"),
    "kdpp": "rank",
}

EACH = [(name, key) for name, known in SETTINGS.items() for key in known]
NUMBERS = [(name, key) for name, key in EACH if isinstance(SETTINGS[name][key][1], str)]
WORDS = [(name, key) for name, key in EACH if isinstance(SETTINGS[name][key][1], tuple)]
FLAGS = [(name, key) for name, key in EACH if SETTINGS[name][key][1] is bool]


def test_the_table_has_every_strategy():
    assert set(SETTINGS) == set(ENTRIES)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_those_of_the_table(name):
    entry = ENTRIES[name]
    assert entry.settings == {key: default for key, (default, _) in SETTINGS[name].items()}
    assert {key: type(value) for key, value in entry.settings.items()} == {
        key: type(default) for key, (default, _) in SETTINGS[name].items()
    }
    allowed = {key: words for key, (_, words) in SETTINGS[name].items()}
    assert said_of(entry) == {"candidates": "from 0 to 1e9"} | allowed
    assert set(entry.drawn()) == {"candidates", *([DRAWN[name]] if name in DRAWN else [])}


def said_of(entry: Strategy) -> dict[str, Any]:
    """What may stand for each setting, as the table says it."""
    numbers = {key for key, kind in entry.kinds.items() if kind.base in (int, float)}
    return {
        key: kind.span() if key in numbers else kind.choices or kind.base
        for key, kind in entry.kinds.items()
    }


def just(value: float, way: float, whole: bool) -> float:
    """The next number above (way 1) or below (-1)."""
    return int(value) + int(way) if whole else math.nextafter(value, way * math.inf)


def edges(words: str, whole: bool) -> tuple[list[float], list[float]]:
    """Values at the bounds that are allowed, and values just outside that are not."""
    kind = int if whole else float
    tokens = words.replace(", or 0", "").replace(" and even", "").split()
    good, bad = [], []
    least = kind(float(tokens[1]))
    if tokens[0] == "above":
        good.append(just(least, 1, whole))
        bad += [least, just(least, -1, whole)]
    else:
        good += [least, just(least, 2 if "even" in words else 1, whole)]
        bad.append(just(least, -1, whole))
    most = kind(float(tokens[-1]))
    if tokens[-2] == "below":
        good.append(just(most, -1, whole))
        bad += [most, just(most, 1, whole)]
    else:
        good.append(most)
        bad.append(just(most, 1, whole))
    if words.endswith(", or 0"):
        good.append(0)
        bad = [value for value in bad if value != 0]
    if "even" in words:
        bad.append(least + 1)
    return good, [*bad, math.nan, math.inf, -math.inf, True, "1", None, 10**30, -(10**30)]


def alone(name: str) -> Strategy:
    """The entry without the order of its settings, which is tested apart."""
    return replace(ENTRIES[name], ordered=())


def refused(name: str, entry: Strategy, given: dict[str, Any]) -> str:
    """The one line about these settings."""
    with pytest.raises(UserError) as caught:
        catalogue.complete(name, entry, given)
    assert len(caught.value.faults) == 1 and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "key"), NUMBERS)
def test_a_bound_holds_and_what_is_outside_fails_in_one_line(name, key):
    default, words = SETTINGS[name][key]
    whole = isinstance(default, int)
    good, bad = edges(words, whole)
    for value in (default, *good):
        assert catalogue.complete(name, alone(name), {key: value})[key] == value
    allowed = f"allowed: a {'whole ' if whole else ''}number {words}, such as "
    for value in bad:
        said = refused(name, alone(name), {key: value})
        assert said == f"strategy.{name}.{key} is {value!r}; {allowed}{default!r}"


@pytest.mark.parametrize(("name", "key"), NUMBERS)
def test_a_whole_number_is_whole_and_another_may_be(name, key):
    default = SETTINGS[name][key][0]
    if isinstance(default, int):
        said = refused(name, ENTRIES[name], {key: float(default)})
        assert "allowed: a whole number" in said
    else:
        value = max(1, math.ceil(default))
        if "below 1" not in SETTINGS[name][key][1]:
            assert catalogue.complete(name, alone(name), {key: value})[key] == value


@pytest.mark.parametrize(("name", "key"), WORDS)
def test_a_word_is_one_of_those_that_there_are(name, key):
    words = SETTINGS[name][key][1]
    for word in words:
        assert catalogue.complete(name, ENTRIES[name], {key: word})[key] == word
    for word in (words[0].upper(), words[0] + "s", "", 7, True, None, [words[0]]):
        said = refused(name, ENTRIES[name], {key: word})
        assert said.startswith(f"strategy.{name}.{key} is {word!r}; ")
        assert said.endswith(f"allowed: {', '.join(words)}")
    assert f"did you mean {words[0]!r}?" in refused(name, ENTRIES[name], {key: words[0] + "s"})


@pytest.mark.parametrize(("name", "key"), FLAGS)
def test_a_flag_is_true_or_false(name, key):
    for flag in (True, False):
        assert catalogue.complete(name, ENTRIES[name], {key: flag})[key] is flag
    for value in (0, 1, "yes", None):
        said = refused(name, ENTRIES[name], {key: value})
        assert said == f"strategy.{name}.{key} is {value!r}; allowed: a bool such as False"


@pytest.mark.parametrize("name", SETTINGS)
def test_order_is_of_settings_that_there_are(name):
    assert {key for pair in ENTRIES[name].ordered for key in pair} <= set(SETTINGS[name])


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
    assert refused(name, ENTRIES[name], given) == said
    smaller, larger = given
    catalogue.complete(name, ENTRIES[name], {**given, larger: given[smaller]})


@pytest.mark.parametrize("name", ["uncertain_gcn", "core_gcn", "probcover", "kdpp"])
def test_fewer_nodes_than_a_query_are_refused_when_settings_are_read(name, tmp_path):
    key = DRAWN[name]
    with pytest.raises(UserError, match=f"strategy.{name}.{key} is 4, but task.digits.query_si"):
        settings.load(write_params(tmp_path, tree(strategies=[name], strategy={name: {key: 4}})))
    for value in (0, 6):
        strategy = {name: {key: value}}
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
    ("annotation", "words"),
    [
        (int, "from -1e9 to 1e9"),
        (float, "from -1e12 to 1e12"),
        (kinds.Whole, "from 0 to 1e9"),
        (kinds.Amount, "from 0 to 1e12"),
        (Annotated[int, Field(ge=2)], "from 2 to 1e9"),
        (Annotated[float, Field(le=1)], "from -1e12 to 1"),
        (Annotated[int, Field(ge=0, le=1)], "from 0 to 1"),
        (Annotated[int, Field(gt=0)], "above 0 to 1e9"),
        (Annotated[float, Field(gt=0, le=1)], "above 0 to 1"),
        (Annotated[float, Field(ge=0, lt=1)], "from 0 and below 1"),
        (Annotated[float, Field(gt=0, lt=1)], "above 0 and below 1"),
        (Annotated[float, Field(ge=1e-12, le=0.5)], "from 1e-12 to 0.5"),
        (Annotated[int, Field(ge=2)] | Literal[0], "from 2 to 1e9, or 0"),
        (Literal[0] | Annotated[int, Field(ge=2, le=9)], "from 2 to 9, or 0"),
        (Annotated[int, Field(ge=0, multiple_of=2)], "from 0 to 1e9 and even"),
        (Annotated[kinds.Whole, Field(le=5)], "from 0 to 5"),
    ],
)
@pytest.mark.parametrize("with_all", [False, True])
def test_bounds_in_words(annotation, words, with_all):
    assert kinds.kind_of(kinds.bounded(annotation) if with_all else annotation).span() == words


def score(pool, *, x: int = 1, y: float = 1.0, z: Annotated[int, Field(ge=2)] | Literal[0] = 0):
    """A scorer of a user's own."""


def test_numbers_of_the_users_own_strategies_have_bounds_too():
    entry = Strategy(scorer=f"{__name__}:score", family="hybrid")
    for good in ({"x": 10**9, "y": 1e12}, {"x": -(10**9), "y": -1e12}, {"z": 0}, {"z": 10**9}):
        assert good.items() <= catalogue.complete("mine", entry, good).items()
    for key, value in [
        *(("x", 10**9 + 1), ("y", 1.1e12), ("x", 10**400), ("y", 10**400), ("y", -(10**400))),
        *(("z", 1), ("z", -1), ("z", 10**9 + 1), ("z", 2.0), ("z", 0.0), ("z", True), ("z", False)),
    ]:
        said = refused("mine", entry, {key: value})
        assert said.startswith(f"strategy.mine.{key} is ") and "; allowed: a " in said


@pytest.mark.parametrize("name", ["bald", "random", "hybrid"])
def test_candidates_have_a_ceiling(name):
    assert catalogue.complete(name, ENTRIES[name], {"candidates": 10**9})["candidates"] == 10**9
    for value in (10**9 + 1, -1, 1.0, True, "9", None):
        said = refused(name, ENTRIES[name], {"candidates": value})
        assert said == (
            f"strategy.{name}.candidates is {value!r}; allowed: a whole number from 0 to 1e9, "
            f"such as {2000 if name == 'hybrid' else 0}"
        )


@pytest.mark.parametrize("name", ["bald", "hybrid"])
def test_candidates_are_among_the_settings_where_they_are_given_or_have_a_default(name):
    found = catalogue.complete(name, ENTRIES[name], {})
    assert found.get("candidates") == (2000 if name == "hybrid" else None)
    assert catalogue.complete(name, ENTRIES[name], {"candidates": 0})["candidates"] == 0


def test_all_faults_of_a_strategy_are_told_together():
    with pytest.raises(UserError) as caught:
        catalogue.complete("bald", ENTRIES["bald"], {"passes": 1, "pases": 2, "candidates": -1})
    assert [fault.split(" is ")[0].split("; ")[0] for fault in caught.value.faults] == [
        "strategy.bald.passes",
        "strategy.bald: unknown key 'pases'",
        "strategy.bald.candidates",
    ]


def test_faults_of_several_parts_are_told_together():
    given = {"time_limit": 0, "learner.x": 1, "pca": -1, "steps": 1.5}
    with pytest.raises(UserError) as caught:
        catalogue.complete("coreset", ENTRIES["coreset"], given)
    assert [fault.split(" is ")[0].split("; ")[0] for fault in caught.value.faults] == [
        "strategy.coreset.time_limit",
        "strategy.coreset: unknown key 'learner.x'",
        "strategy.coreset.pca",
        "strategy.coreset.steps",
    ]
    with pytest.raises(UserError) as caught:
        catalogue.complete("bald_ensemble", ENTRIES["bald_ensemble"], {"members": 1, "passes": 2})
    assert len(caught.value.faults) == 2


def test_ceilings_by_value():
    """As docs/settings.md has them."""
    assert (kinds.WHOLE, kinds.REAL, kinds.SIDE) == (10**9, 1e12, 10**5)
    assert (kinds.TRAININGS, kinds.STEEP) == (10**6, 1000.0)

"""The greedy oracle: it is what it says, nobody gets it by accident, and no ranking has it."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from types import SimpleNamespace

import known
import numpy as np
import pytest
from pools import trained
from study import tree, write_params

from stages.catalogue import BOUNDS, STRATEGIES, Strategy, composed
from stages.datasets.prepared import Prepared
from stages.datasets.sources import load
from stages.learners import supervised
from stages.machine.errors import UserError
from stages.machine.files import write_array, write_json
from stages.machine.randomness import Purpose
from stages.report import render
from stages.reporting.figures import gallery
from stages.reporting.read import coverage
from stages.round import run_round
from stages.rounds.evaluation import on_test_set
from stages.rounds.opening import Run, open_round, training_images
from stages.rounds.oracle import Oracle, Revealed, reveal
from stages.rounds.selection import score
from stages.split import split
from stages.start import start
from stages.strategies import greedy_oracle
from stages.study import ledger, settings
from stages.study.layout import Layout

ALLOWED = {"may_see_test_labels": True}


def study(tmp_path, **changes):
    given = {"strategies": ["greedy_oracle", "random"], "strategy__greedy_oracle": ALLOWED}
    return settings.load(write_params(tmp_path, tree(**given | changes)))


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Two rounds of it, of three batches each."""
    root = tmp_path_factory.mktemp("bound")
    read = study(root, strategy__greedy_oracle={**ALLOWED, "batches": 3}, task__digits__epochs=3)
    whole = load(settings.Dataset(name="digits"))
    content = dataclasses.replace(
        whole,
        train_images=whole.train_images[:150],
        train_labels=whole.train_labels[:150],
        test_images=whole.test_images[:90],
        test_labels=whole.test_labels[:90],
    )
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        write_array(root / f"data/digits/{part}.npy", getattr(content, part))
    write_json(root / "data/digits/manifest.json", content.manifest())
    split(read, root, "digits", 0)
    start(read, root, "digits", "greedy_oracle", 0)
    for item in read.rounds[:2]:
        run_round(Run(read, Layout(root), "digits", "greedy_oracle", 0), item.n, item.next)
    return root, read


def test_the_next_round_has_the_best_accuracy_that_was_tried(grown):
    root, read = grown
    layout = Layout(root)
    chain = ledger.walk(layout.link("digits", "greedy_oracle", 0, 1))
    data = Prepared(layout.data("digits"))
    batches = training_images(read, data)
    first, picks = chain.labeled[:12], chain.labeled[12:]

    def opened(n, labeled):
        validation = chain.validation.indices
        return open_round(
            *(read, "digits", 0, n), data=data, batches=batches, labeled=labeled,
            validation=validation,
        )  # fmt: skip

    given, tried = opened(0, first), {}
    draws = given.generator(Purpose.SCORER)
    for _ in range(3):
        rows = given.unlabeled[draws.choice(len(given.unlabeled), len(picks), replace=False)]
        learned = supervised.train(opened(1, np.concatenate([first, rows])))
        tried[tuple(rows)] = on_test_set(learned.network, data, batches)["correct"]
    assert len(tried) == 3 and tuple(picks) in tried
    assert tried[tuple(picks)] == max(tried.values()) > min(tried.values())
    record = json.loads(layout.result("digits", "greedy_oracle", 0, 1).read_text())
    assert record["correct"] == max(tried.values())


def test_only_a_bound_is_shown_anything(grown):
    root, read = grown
    data = Prepared(Layout(root).data("digits"))
    batches = training_images(read, data)
    assert all(reveal(entry, data, batches) is None for entry in STRATEGIES.values())
    assert not any(entry.bound for entry in STRATEGIES.values()) and not Strategy().bound
    shown = reveal(BOUNDS["greedy_oracle"], data, batches)
    rows = np.array([3, 99])
    assert (shown.labels(rows) == Oracle(data).labels(rows)).all()


def test_a_scorer_of_a_strategy_is_given_the_pool_alone():
    """Whatever is handed to the function that calls it."""
    seen = []

    def scorer(*given):
        seen.append(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(greedy_oracle, "best_batch", scorer)
        path = "stages.strategies.greedy_oracle:best_batch"
        score("pool", Strategy(scorer=path), {}, "labels")
        score("pool", Strategy(scorer=path, bound=True), {}, "labels")
    assert seen == [("pool",), ("pool", "labels")]


def test_every_bound_says_so():
    assert set(BOUNDS) == {"greedy_oracle"} and not set(BOUNDS) & set(STRATEGIES)
    assert all(entry.bound and entry.family == "bound" for entry in BOUNDS.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "strategy.greedy_oracle.may_see_test_labels is missing"),
        (None, "strategy.greedy_oracle.may_see_test_labels is missing"),
        ({"may_see_test_labels": False}, "may_see_test_labels is False; allowed: True"),
        ({**ALLOWED, "selector": "top"}, "'greedy_oracle' is a bound, and has no parts but its"),
        ({**ALLOWED, "learner": "ceal"}, "'greedy_oracle' is a bound, and has no parts but its"),
    ],
)
def test_nobody_gets_it_by_accident(tmp_path, given, said):
    with pytest.raises(UserError) as caught:
        study(tmp_path, strategy__greedy_oracle=given)
    assert said in str(caught.value) and len(caught.value.faults) == 1


def test_no_strategy_is_made_of_it(tmp_path):
    path = "stages.strategies.greedy_oracle:best_batch"
    with pytest.raises(UserError, match="needs 'labels of the test set', which learner"):
        composed("mine", {"scorer": path})
    with pytest.raises(UserError, match="unknown scorer 'greedy_oracle'"):
        composed("mine", {"scorer": "greedy_oracle"})
    with pytest.raises(UserError, match="'greedy_oracle' is a bound: it sees labels of the test"):
        study(tmp_path, strategies=["albl"], strategy__albl={"over": ["greedy_oracle"]})
    with pytest.raises(UserError, match="tuned: 'greedy_oracle' is a bound, and bounds are not"):
        study(
            tmp_path,
            tuned=["greedy_oracle"],
            strategy__greedy_oracle={**ALLOWED, "batches": [2, 3]},
            task__digits__split__validation=5,
        )


def test_it_refuses_without_leave():
    with pytest.raises(UserError, match="sees labels of the test set; it needs to be allowed to"):
        greedy_oracle.best_batch(None, None, may_see_test_labels=False)


@pytest.mark.parametrize(("right", "taken"), [([5, 5], 0), ([5, 6], 1), ([6, 5], 0)])
def test_of_equally_good_batches_the_first(right, taken):
    pool, left = trained(), iter(right)
    revealed = Revealed(lambda rows: np.zeros(len(rows), np.int64), lambda _: next(left))
    found = greedy_oracle.best_batch(pool, revealed, may_see_test_labels=True, batches=2)
    draws = pool.generator(Purpose.SCORER)
    both = [draws.choice(len(pool.candidates), pool.query_size, replace=False) for _ in right]
    assert found.tolist() == both[taken].tolist()


# the report


def chosen_of(bounds: set[str]):
    return lambda label: (
        SimpleNamespace(bound=label in bounds, replays=False),
        {},
    )


def undrawn(drawn: dict) -> dict:
    """What each figure would have lines or rows of, in place of it."""
    return {
        name: {"svg": str(one.keywords.get("strategies")).encode(), "pdf": b"", "png": b""}
        for name, one in drawn.items()
    }


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> tuple[dict, dict, str]:
    """Of the same results: with one strategy as a bound, and without it; its label."""
    root = tmp_path_factory.mktemp("report")
    known.write(root)
    plain = known.settings()
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(gallery, "draw_all", undrawn)
    label = next(one for one in plain.strategies if one != plain.report.baseline)
    marked = known.settings()
    marked.chosen = chosen_of({label})
    without = known.settings()
    without.strategies = [one for one in plain.strategies if one != label]
    found = render(marked, root), render(without, root), label
    monkeypatch.undo()
    return found


def test_a_bound_is_in_no_ranking_and_no_test(reports):
    marked, without, label = reports
    with_it = ("curve", "fingerprints")
    tables = [path for path in without if path.endswith(".csv")]
    assert len(tables) > 15
    for path in tables:
        if path.removeprefix("tables/").removesuffix(".csv") not in with_it:
            assert marked[path] == without[path], path
    assert marked["metrics.json"] == without["metrics.json"]
    for name in ("win_tie_loss", "mean_ranks", "games_howell", "summary"):
        assert label not in marked[f"tables/{name}.csv"]


def test_a_bound_has_its_curve(reports):
    marked, without, label = reports
    curves = [list(csv.DictReader(io.StringIO(one["curve.csv"]))) for one in (marked, without)]
    own = [row for row in curves[0] if row["strategy"] == label]
    assert own and [row for row in curves[0] if row["strategy"] != label] == curves[1]
    assert not any(row["strategy"] == label for row in curves[1])
    for path in marked:
        if path.endswith("svg"):
            assert (label.encode() in marked[path]) == path.startswith("figures/accuracy"), path
    assert f"Bounds, not strategies: `{label}`." in marked["report.md"]
    assert "Bounds, not strategies" in marked["index.html"]
    page = json.loads(marked["index.html"].partition('id="data">')[2].partition("</script>")[0])
    assert page["strategies"][-1] == label and len(page["looks"]) == len(page["strategies"])
    assert page["strategies"][-1] not in [page["strategies"][at] for at in page["best"]]
    assert any(line["s"] == len(page["strategies"]) - 1 for line in page["charts"][1]["lines"])


def test_settings_without_a_bound_stay_as_they_are():
    plain = known.settings()
    assert coverage.without_bounds(plain) == (plain, [], [])
    plain.chosen = chosen_of(set(plain.strategies))
    with pytest.raises(UserError, match="nothing to report: .* are bounds, not strategies"):
        coverage.without_bounds(plain)

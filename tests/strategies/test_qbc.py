"""Query by committee with strong regularisation (Munjal et al. 2022), from settings alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from halves import problem, same
from study import tree, write_params

from stages import catalogue
from stages.learners import supervised
from stages.models import state
from stages.rounds.context import Learned
from stages.rounds.selection import choose, pool_of, score
from stages.study import settings

STRONG = {
    "augmentation": ["crop", "flip", {"randaugment": {"variant": "munjal", "magnitude": 5}}],
    "averaging": "swa",
    "swa_epochs": 2,
    "swa_every": 2,
    "epochs": 2,
    "padding": 1,
    "query_size": 6,
}
# Whichever of these the catalogue has: the second draws numbers of its own in each step.
MODELS = [name for name in ("small_cnn", "shake_shake") if name in catalogue.ARCHITECTURES]
QBC = "variation_ratio_ensemble"


def options(members: int) -> tuple[catalogue.Strategy, dict]:
    entry, given = catalogue.composed("qbc", {"use": QBC, "members": members})
    return entry, catalogue.complete("qbc", entry, given)


def trained(given, members: int) -> Learned:
    entry, chosen = options(members)
    return catalogue.bind(entry.learner, chosen)(given)


def test_a_committee_has_five_members_beside_the_model_that_is_evaluated():
    entry = catalogue.STRATEGIES[QBC]
    assert entry.settings == {"members": 5}
    learned = trained(problem(rows=10, how="machine", epochs=1), 5)
    networks = [learned.network, *learned.parts["members"]]
    assert len({state(one)["classifier.weight"].tobytes() for one in networks}) == 6


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("how", ["portable", "machine"])
def test_members_are_trained_as_the_task_says_each_from_its_own_draws(model, how):
    given = problem(rows=10, how=how, model={"name": model}, **STRONG)
    learned = trained(given, 2)
    for part, member in enumerate((learned.network, *learned.parts["members"])):
        alone = supervised.train(dataclasses.replace(given, part=part)).network
        assert same(state(member), state(alone))


@pytest.mark.parametrize(
    "without", [{"averaging": "none"}, {"augmentation": ["crop", "flip"]}, {"swa_every": 1}]
)
def test_what_makes_regularisation_strong_reaches_every_member(without):
    strong = trained(problem(rows=10, how="machine", **STRONG), 2)
    other = trained(problem(rows=10, how="machine", **{**STRONG, **without}), 2)
    networks = [(one.network, *one.parts["members"]) for one in (strong, other)]
    for one, another in zip(*networks, strict=True):
        assert not same(state(one), state(another))


def votes_for(one: int, rows: int) -> np.ndarray:
    """Chances of five members for ``rows`` candidates of two classes; the first is disputed."""
    chances = np.tile([0.9, 0.1], (5, rows, 1))
    chances[:one, 0] = [0.1, 0.9]
    return chances


def test_ties_are_broken_by_the_generator(monkeypatch):
    """Members agree on all candidates but one: that one comes first, any of the others next."""
    entry, chosen = options(5)
    given = problem(rows=10, how="machine", epochs=1, query_size=3)
    learned = supervised.train(given)
    members = Learned(learned.network, {"members": (learned.network,) * 5})
    seen = set()
    for seed in range(12):
        pool = pool_of(dataclasses.replace(given, seed=seed), members, {})
        monkeypatch.setattr(pool, "committee_blocks", lambda: [votes_for(2, 50)], raising=False)
        scored = score(pool, entry, chosen)
        assert scored.value.tolist() == pytest.approx([0.4] + [0.0] * 49)
        picks = choose("qbc", scored, pool, entry, chosen).positions
        assert picks[0] == 0
        seen |= set(picks[1:].tolist())
    assert len(seen) > 15 and max(seen) > 40  # 24 draws of 49


def test_a_study_names_it_beside_random_sampling_with_the_same_task(tmp_path):
    strategies = {"qbc": {"use": QBC, "members": 2}, "random": {}}
    task = {f"task__digits__{key}": value for key, value in STRONG.items() if key != "query_size"}
    study = settings.load(
        write_params(tmp_path, tree(strategies=list(strategies), strategy=strategies, **task))
    )
    entry, chosen = study.chosen("qbc")
    assert chosen == {"members": 2} and entry.scorer.endswith("committee:variation_ratio")
    assert study.task["digits"].averaging == "swa"

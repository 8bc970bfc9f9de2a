"""Strategies from parts: names, sections, import paths, and what does not go together."""

from __future__ import annotations

import dataclasses
import functools
import pkgutil
import subprocess
import sys
import warnings
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from pydantic import Field
from study import REPO, tree, write_params

from stages import catalogue, learners, strategies
from stages.catalogue import (
    LEARNERS,
    STRATEGIES,
    SUPERVISED,
    TOP,
    Strategy,
    complete,
    composed,
    kinds,
    parts,
)
from stages.catalogue.kinds import Amount, Count, Names, Passes, Pixels, Size
from stages.catalogue.parts import makes, needs
from stages.machine.errors import UserError
from stages.strategies.handshake import Embeddings, Scores
from stages.study import settings

HERE = __name__
COMMITTEE = "stages.learners.committee:train"


# parts of a user's own


@makes("critic")
def learner(round, *, passes: Count = 3, rate: Amount = 0.5):
    """Shares ``passes`` with the scorer."""
    return "learned", passes, rate


@needs("critic", dropout=lambda settings: settings.get("passes", 7) > 2)
def scorer(pool, *, passes: Passes = 7, weight: Amount = 1.0) -> Scores:
    return "scored", passes, weight


def selector(scores: Scores, b, rng, carry=None, *, candidates: Count = 9):
    return "selected", candidates


class Peculiar(tuple):
    """What one scorer alone gives."""


def peculiar(pool) -> Peculiar | Scores:
    """No setting."""


def of_peculiar(scored: Peculiar, b, rng):
    """No setting."""


def anything(scored, b, rng):
    """No annotation."""


def of_array(pool) -> np.ndarray:
    """No name."""


def required(pool, *, size: Count, name: Literal["a", "b"]) -> Scores:
    """No defaults."""


def consulting(pool, *, over: Names = ("entropy",)) -> Scores:
    """A strategy over strategies."""


MINE = Strategy(
    f"{HERE}:learner", f"{HERE}:scorer", f"{HERE}:selector", family="hybrid", candidates=50
)
NO_STRATEGY = 5


def own(name: str) -> str:
    return f"{HERE}:{name}"


def refused(given: dict[str, Any] | None, label: str = "mine") -> str:
    """The one line about what stands under ``strategy.<label>``."""
    with pytest.raises(UserError) as caught:
        complete(label, *composed(label, given))
    assert len(caught.value.faults) == 1 and "\n" not in str(caught.value)
    return str(caught.value)


def finished(given: dict[str, Any] | None, label: str = "mine") -> dict[str, Any]:
    return complete(label, *composed(label, given))


# entries


@pytest.mark.parametrize("given", [None, {}])
def test_a_label_is_the_entry_of_its_name(given):
    assert composed("entropy", given) == (STRATEGIES["entropy"], {})


def test_use_names_an_entry_and_leaves_the_label_free():
    entry, given = composed("mine", {"use": "bald", "passes": 3})
    assert (entry, given) == (STRATEGIES["bald"], {"passes": 3})
    assert composed("entropy", {"use": "margin"})[0] == STRATEGIES["margin"]
    assert composed("mine", {"use": own("MINE")})[0] is MINE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "unknown strategy 'mine'; "),
        ({"learner": "committee"}, "strategy.mine has neither a scorer nor 'use'; allowed: "),
        ({"use": "entopy"}, "unknown strategy 'entopy'; did you mean 'entropy'? allowed: "),
        ({"use": "entopy", "scorer": "bald"}, "unknown strategy 'entopy'; did you mean 'entropy'"),
        ({"use": 7}, "strategy.mine.use is 7; allowed: a strategy's name, or 'module:name'"),
        ({"use": own("NO_STRATEGY")}, f"'{HERE}:NO_STRATEGY' is a int, not a Strategy"),
        ({"use": own("missing")}, f"'{HERE}:missing': '{HERE}' has no 'missing'"),
        ({"use": "nowhere.at:all"}, "'nowhere.at:all': there is no module 'nowhere.at'"),
        ({"use": "no path:x"}, "'no path:x' is not an import path; allowed: 'module:name'"),
    ],
)
def test_an_entry_that_there_is_not(given, said):
    assert refused(given).startswith(said)


# parts


def test_parts_take_the_place_of_the_entrys_own():
    entry, given = composed("bald_ensemble", {"learner": own("learner"), "scorer": own("scorer")})
    assert entry == dataclasses.replace(
        STRATEGIES["bald_ensemble"], learner=own("learner"), scorer=own("scorer")
    )
    assert given == {}


def test_parts_alone_are_a_strategy():
    entry, _ = composed("mine", {"scorer": "bald", "selector": "top"})
    assert (entry.learner, entry.selector) == (SUPERVISED, TOP)
    assert entry.scorer == STRATEGIES["bald"].scorer
    assert (entry.family, entry.source) == ("hybrid", "put together in strategy.mine")
    entry, _ = composed(
        "mine", {"learner": "committee", "scorer": "bald_ensemble", "selector": "random"}
    )
    assert (entry.learner, entry.selector) == (COMMITTEE, TOP)


def test_names_of_learners_are_those_of_their_modules():
    assert LEARNERS["committee"] == COMMITTEE and LEARNERS["supervised"] == SUPERVISED
    assert set(LEARNERS) >= {"adversarial", "committee", "supervised"}
    assert all(path == f"stages.learners.{name}:train" for name, path in LEARNERS.items())
    for path in LEARNERS.values():
        assert callable(parts.load(path))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scorer": "bold"}, "strategy.mine.scorer: unknown scorer 'bold'; did you mean 'bald'?"),
        (
            {"scorer": "bald", "selector": "tob"},
            "strategy.mine.selector: unknown selector 'tob'; did you mean 'top'? allowed: top, ",
        ),
        (
            {"scorer": "bald", "learner": "comittee"},
            "strategy.mine.learner: unknown learner 'comittee'; did you mean 'committee'? allowed:",
        ),
        ({"scorer": "committee"}, "strategy.mine.scorer: unknown scorer 'committee'; "),
        ({"scorer": "bald", "learner": "entropy"}, "strategy.mine.learner: unknown learner"),
        ({"scorer": 7}, "strategy.mine.scorer is 7; allowed: a name, or 'module:name'"),
        ({"scorer": None}, "strategy.mine.scorer is None; allowed: a name, or 'module:name'"),
        ({"scorer": ["bald"]}, "strategy.mine.scorer is ['bald']; allowed: a name"),
        ({"scorer": {"use": 7}}, "strategy.mine.scorer is 7; allowed: a name, or 'module:name'"),
        ({"scorer": {}}, "strategy.mine has neither a scorer nor 'use'; allowed: "),
        ({"scorer": own("missing")}, f"'{HERE}:missing': '{HERE}' has no 'missing'"),
        ({"scorer": own("NO_STRATEGY")}, f"'{HERE}:NO_STRATEGY' is a int, not a function"),
    ],
)
def test_a_part_that_there_is_not(given, said):
    assert refused(given).startswith(said)


def test_parts_that_do_not_fit_together():
    said = refused({"scorer": "entropy", "selector": "kmeans"})
    assert said == (
        "strategy.mine: selector stages.strategies.kmeans:nearest_to_centres cannot use what "
        "scorer stages.strategies.uncertainty:entropy gives; allowed with it: top, adversarial_bim"
    )
    assert "cannot use what scorer" in refused({"scorer": "kcenter"})
    assert "cannot use what scorer" in refused({"selector": "kcenter"}, "entropy")
    assert "cannot use what scorer" in refused(
        {"scorer": "entropy", "selector": own("of_peculiar")}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("peculiar", "of_peculiar"),
        ("peculiar", "selector"),
        ("scorer", "anything"),
        ("of_array", "selector"),
        ("of_array", "anything"),
    ],
)
def test_what_fits_or_has_no_name_goes_together(one, other):
    assert parts.fit_together(own(one), own(other))
    assert parts.fit_together(own("of_array"), TOP)


def test_without_future_annotations_the_name_of_an_array_is_lost():
    def bare(pool):
        """Scores."""

    bare.__annotations__["return"] = Scores  # what such a module's `-> Scores` leaves
    sys.modules[HERE].bare = bare
    assert parts.fit_together(own("bare"), TOP)


def test_a_learner_that_does_not_make_what_the_scorer_needs():
    said = refused({"learner": "supervised"}, "bald_ensemble")
    assert said == (
        "strategy.bald_ensemble: scorer stages.strategies.committee:bald needs "
        f"'members', which learner {SUPERVISED} does not make"
    )
    assert "needs 'members'" in refused({"scorer": "bald_ensemble"})
    assert "needs 'critic'" in refused({"scorer": own("scorer"), "learner": "committee"})
    assert composed("mine", {"scorer": own("scorer"), "learner": own("learner")})


def test_every_entry_fits_itself():
    for name, entry in STRATEGIES.items():
        assert parts.fit_together(entry.scorer, entry.selector), name
        assert parts.missing_parts(entry.learner, entry.scorer) == [], name


# settings


def test_a_setting_beside_the_parts_or_in_a_section_is_the_same():
    for given in (
        {"scorer": "bald", "passes": 3},
        {"scorer": {"use": "bald", "passes": 3}},
        {"use": "bald", "passes": 3},
        {"use": "bald", "scorer": {"passes": 3}},
    ):
        assert finished(given) == {"passes": 3}
    assert finished({"scorer": {"passes": 3}}, "bald") == {"passes": 3}
    assert finished({"scorer": {}}, "bald") == {"passes": 10}
    nested = {"learner": {"members": 4}, "scorer": {}, "selector": {"use": "top"}}
    assert finished(nested, "bald_ensemble") == {"members": 4}


SHARED = {"learner": own("learner"), "scorer": own("scorer")}


def test_a_setting_that_two_parts_have_stands_in_their_sections():
    given = {"learner": {"use": own("learner"), "passes": 5}, "scorer": SHARED["scorer"]}
    assert finished(given) == {
        "learner.passes": 5,
        "rate": 0.5,
        "scorer.passes": 7,
        "weight": 1.0,
    }
    both = {**given, "scorer": {"use": own("scorer"), "passes": 2, "weight": 2.0}, "rate": 0.0}
    found = finished(both)
    assert found == {"learner.passes": 5, "rate": 0.0, "scorer.passes": 2, "weight": 2.0}
    entry, _ = composed("mine", both)
    assert parts.bind(entry.learner, found, "learner")(None) == ("learned", 5, 0.0)
    assert parts.bind(entry.scorer, found, "scorer")(None) == ("scored", 2, 2.0)
    assert parts.bind(entry.selector, found, "selector").keywords == {}
    assert finished({**SHARED, "scorer.passes": 3})["scorer.passes"] == 3


def test_a_setting_that_two_parts_have_is_nobodys_beside_them():
    assert refused({**SHARED, "passes": 4}) == (
        "strategy.mine.passes is a setting of learner and of scorer; write it in a section: "
        "learner: {passes: ...}"
    )


def test_a_bound_of_a_shared_setting_is_told_by_its_name():
    given = {"learner": {"use": own("learner"), "passes": 0}, "scorer": own("scorer")}
    assert refused(given) == (
        "strategy.mine.learner.passes is 0; allowed: a whole number from 1 to 1e9, such as 3"
    )


def test_candidates_belong_to_no_part():
    entry, given = composed("mine", {"use": own("MINE"), "candidates": 20})
    assert complete("mine", entry, given)["candidates"] == 20
    assert complete("mine", entry, given)["selector.candidates"] == 9
    given = {"use": own("MINE"), "selector": {"candidates": 4}}
    found = finished(given)
    assert (found["candidates"], found["selector.candidates"]) == (50, 4)
    assert parts.bind(entry.selector, found, "selector")(None, 1, None) == ("selected", 4)
    assert set(entry.drawn()) == {"candidates"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scorer": "bald", "pases": 3}, "strategy.mine: unknown key 'pases'; did you mean 'pas"),
        ({"scorer": {"use": "bald", "pases": 3}}, "strategy.mine: unknown key 'pases'; did you"),
        ({"scorer": "bald", "members": 3}, "strategy.mine: unknown key 'members'; "),
        ({"scorer": {"use": "entropy", "passes": 3}}, "strategy.mine: unknown key 'passes'; "),
        (
            {"use": "bald_ensemble", "scorer": {"members": 3}},
            "strategy.mine: unknown key 'scorer.members'; did you mean 'members'?",
        ),
        ({"scorer": "bald", 5: 1}, "strategy.mine: unknown key 5; "),
        ({"scorer": {"use": "bald", "passes": "x"}}, "strategy.mine.passes is 'x'; allowed: a wh"),
        (
            {"scorer": {"use": "bald", "passes": 3}, "passes": 3},
            "strategy.mine: 'passes' stands there twice, once in scorer",
        ),
    ],
)
def test_settings_that_there_are_not(given, said):
    assert refused(given).startswith(said)


def test_settings_without_a_default_must_be_given():
    assert finished({"scorer": own("required"), "size": 3, "name": "b"}) == {"size": 3, "name": "b"}
    assert refused({"scorer": own("required"), "size": 3}) == "strategy.mine.name is missing"
    said = refused({"scorer": own("required"), "size": 0, "name": "a"})
    assert said == "strategy.mine.size is 0; allowed: a whole number from 1 to 1e9"
    said = refused({"scorer": own("required"), "size": 1, "name": "c"})
    assert said.endswith("allowed: a, b")
    with pytest.raises(UserError) as caught:
        finished({"scorer": own("required"), "sise": 3})
    assert [line.split("; ")[0] for line in caught.value.faults] == [
        "strategy.mine: unknown key 'sise'",
        "strategy.mine.size is missing",
        "strategy.mine.name is missing",
    ]
    with pytest.raises(UserError) as caught:
        parts.checked("here", own("required"), {"sise": 3, "size": 0})
    assert [line.split("; ")[0] for line in caught.value.faults] == [
        "here: unknown key 'sise'",
        "here.size is 0",
        "here.name is missing",
    ]
    assert parts.checked("here", own("scorer"), {"passes": 4}) == {"passes": 4, "weight": 1.0}


def test_an_order_of_settings_that_another_part_has_not_is_none():
    entry, given = composed("mine", {"use": "batchbald", "scorer": own("of_array")})
    assert entry.ordered and complete("mine", entry, given) == {"samples": 10_000}


def test_a_study_tunes_settings_in_sections(tmp_path):
    given = {
        "learner": {"use": "committee", "members": [2, 3]},
        "scorer": "bald_ensemble",
        "candidates": [0, 20],
    }
    changes = {"strategies": ["mine"], "tuned": ["mine"], "strategy": {"mine": given}}
    study = settings.load(write_params(tmp_path, tree(**changes)))
    assert [tuple(tried.values()) for tried in study.grid("mine")] in (
        [(2, 0), (2, 20), (3, 0), (3, 20)],
        [(0, 2), (0, 3), (20, 2), (20, 3)],
    )
    assert study.chosen("mine")[1]["members"] == 5


# what a part says of its settings


def embedded(pool, *, kernel: Literal["linear", "cubic"] = "cubic") -> Embeddings:
    """Shares a setting's name with the k-DPP."""


@pytest.mark.parametrize("linear", [False, True])
def test_a_kernel_of_two_parts_is_checked_by_its_name(tmp_path, linear):
    """Embeddings of small_cnn have 128 numbers; it is the selector's kernel that counts."""
    kernels = {"scorer": {"use": own("embedded"), "kernel": "cubic" if linear else "linear"}}
    kernels["selector"] = {"use": "kdpp", "kernel": "linear" if linear else "rbf"}
    changes = {"strategies": ["mine"], "strategy__mine": kernels, "task__digits__query_size": 129}
    path = write_params(tmp_path, tree(**changes))
    if not linear:
        settings.load(path)
        return
    with pytest.raises(UserError, match="strategy.mine.selector.kernel is 'linear', but task.digi"):
        settings.load(path)


def basic(pool, weight: Amount = 2.0, *, passes: Passes = 5):
    return weight, passes


@parts.with_settings_of(basic)
def further(pool, *, rate: Amount = 0.5, **settings: Any):
    return rate, basic(pool, **settings)


def test_settings_of_another_function_are_declared_there_alone():
    found = parts.section(own("further"))
    assert found.defaults == {"weight": 2.0, "passes": 5, "rate": 0.5}
    assert parts.bind(own("further"), {"weight": 3.0, "rate": 1.0})(None) == (1.0, (3.0, 5))
    _, wrong = parts.check("here", own("further"), {"passes": 1, "settings": 3})
    assert set(wrong) == {"passes", "settings"}


def test_only_some_parameters_are_settings():
    assert list(parts.section(own("selector")).kinds) == ["candidates"]  # not b, rng, carry
    assert parts.section(own("required")).defaults == {}
    assert parts.section(SUPERVISED).kinds == {}


def no_kind(pool, *, table: dict = None):  # type: ignore[assignment]
    """A setting of no kind."""


def two_kinds(pool, *, x: int | str = 1):
    """A number or a word."""


def nothing(pool, *, x=None):
    """Neither an annotation nor a value."""


def bare_setting(pool, *, x):
    """Nothing said of it."""


def unknown_name(pool, *, x: Nowhere = 1):  # noqa: F821
    """An annotation that cannot be read."""


def failing(pool, *, x: Annotated[int, 1 / 0] = 1):
    """An annotation that fails."""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_kind", "<class 'dict'> is no kind of setting"),
        ("two_kinds", "(<class 'int'>, <class 'str'>) is no kind of setting"),
        ("nothing", "<class 'NoneType'> is no kind of setting"),
        ("bare_setting", "'x' has neither an annotation nor a default"),
        ("unknown_name", "name 'Nowhere' is not defined"),
        ("failing", "division by zero"),
    ],
)
def test_annotations_that_are_no_kind(name, why):
    said = refused({"scorer": own(name)})
    assert said.startswith(f"'{HERE}:{name}': its settings cannot be read: ")
    assert why in said


@pytest.mark.parametrize(
    "annotation",
    [
        *(dict, set[int], tuple[int, ...], None, int | float, int | str | None, np.ndarray),
        *(str | Literal[0], bool | Literal[0], int | Literal[1], Literal[0] | Literal[1]),
    ],
)
def test_what_is_no_kind(annotation):
    with pytest.raises(TypeError, match="is no kind of setting"):
        kinds.kind_of(annotation)


def odd_names(pool, *, copy: int = 1, schema: bool = False, model_size: str = "a", json: int = 2):
    """Settings with names that pydantic has too."""


def test_settings_may_have_names_that_pydantic_has():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = parts.checked("here", own("odd_names"), {"copy": 5, "model_size": "b"})
    assert found == {"copy": 5, "schema": False, "model_size": "b", "json": 2}


def test_a_word_without_choices_is_any():
    assert parts.checked("here", own("odd_names"), {"model_size": "x"})["model_size"] == "x"
    with pytest.raises(UserError, match="here.model_size is 1; allowed: a str such as 'a'$"):
        parts.checked("here", own("odd_names"), {"model_size": 1})


def sizes(
    pool,
    *,
    side: Pixels | None = None,
    share: float | None = None,
    size: Size | None = None,
    root: str | None = None,
    rank: Annotated[int, Field(ge=2)] | Literal[0] | None = 3,
):
    """Settings that may be nothing."""


@pytest.mark.parametrize(
    ("key", "good", "bad", "allowed"),
    [
        ("side", [1, 4096], [0, 4097, True, 1.0, "1"], "a whole number from 1 to 4096, or null"),
        (
            *("share", [1, 0.5, -1e12], [True, 2e12, "x", float("nan")]),
            "a number from -1e12 to 1e12, or null",
        ),
        ("root", ["x", ""], [1, True, ["x"]], "a str or null"),
        ("rank", [0, 2, 10**9], [1, False, 0.0, 10**9 + 1, -1], "a whole number from 2 to 1e9, "),
        (
            *("size", [(3, 4)], [(3,), (0, 3), (3, 4, 5), 3, "ab"]),
            "a list of 2, each a whole number from 1 to 4096, or null",
        ),
    ],
)
def test_settings_that_may_be_nothing(key, good, bad, allowed):
    for value in (None, *good):
        assert parts.checked("here", own("sizes"), {key: value})[key] == value
    for value in bad:
        with pytest.raises(UserError) as caught:
            parts.checked("here", own("sizes"), {key: value})
        assert str(caught.value).startswith(f"here.{key} is {value!r}; allowed: {allowed}")


class Object:
    """A part may be anything that can be called."""

    def __call__(self, pool, *, passes: Passes = 4) -> Scores:
        return "object", passes

    def method(self, pool, *, passes: Passes = 5) -> Scores:
        return "method", passes


def noisy(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


thing = Object()
method = thing.method
part = functools.partial(scorer, weight=3.0)
wrapped = noisy(scorer)


@pytest.mark.parametrize(
    ("name", "defaults", "given"),
    [
        ("thing", {"passes": 4}, ("object", 6)),
        ("method", {"passes": 5}, ("method", 6)),
        ("part", {"passes": 7, "weight": 3.0}, ("scored", 6, 3.0)),
        ("wrapped", {"passes": 7, "weight": 1.0}, ("scored", 6, 1.0)),
    ],
)
def test_what_can_be_called_is_a_part(name, defaults, given):
    assert parts.section(own(name)).defaults == defaults
    assert parts.bind(own(name), {"passes": 6})(None) == given
    with pytest.raises(UserError, match="here.passes is 1; allowed: a whole number from 2 to 1000"):
        parts.checked("here", own(name), {"passes": 1})


def test_whether_masks_are_drawn_may_depend_on_settings():
    entry = Strategy(scorer=own("scorer"))
    assert entry.draws_masks({}) and not entry.draws_masks({"passes": 2})
    assert not entry.draws_masks({"scorer.passes": 2, "learner.passes": 9})
    assert STRATEGIES["bald"].draws_masks({}) and not STRATEGIES["entropy"].draws_masks({})


# strategies over strategies


def test_names_of_consulted_strategies():
    entry = Strategy(scorer=own("consulting"), family="hybrid")
    assert entry.consulted() == ["over"]

    def said(names: Any) -> str:
        with pytest.raises(UserError) as caught:
            complete("mine", entry, {"over": names})
        return str(caught.value)

    whole = "allowed: a list of different strategies' names"
    for bad in ([], ["entropy", "entropy"], "entropy", [1], None, [["entropy"]]):
        assert said(bad) == f"strategy.mine.over is {bad!r}; {whole}"
    assert said(["entopy"]).startswith("strategy.mine.over: unknown strategy 'entopy'; did you")
    assert said(["bald_ensemble"]) == (
        f"strategy.mine.over: 'bald_ensemble' trains its model in another way ({COMMITTEE})"
    )
    assert said([own("MINE")]).endswith(f"trains its model in another way ({HERE}:learner)")
    sys.modules[HERE].OVER = entry
    assert said([own("OVER")]).endswith("is itself a strategy over strategies")
    found = complete("mine", entry, {"over": ["bald", "hybrid"]})
    assert [one.place for one in catalogue.involved(entry, found)] == [
        *("", "over (bald): ", "over (hybrid): ")
    ]
    last = catalogue.involved(entry, found)[-1]
    assert ("over (hybrid): candidates", 2000) in last.drawn() and last.draws_masks()


# the tables


def test_no_name_stands_in_two_files():
    names = [
        name
        for package in (strategies, learners)
        for found in pkgutil.iter_modules(package.__path__)
        for name in getattr(sys.modules.get(f"{package.__name__}.{found.name}"), "ENTRIES", {})
    ]
    assert len(STRATEGIES) == len(set(STRATEGIES)) == len(names)


def test_strategies_are_in_the_order_of_their_families():
    families = [entry.family for entry in STRATEGIES.values()]
    order = ["baseline", "uncertainty", "diversity", "hybrid"]
    assert families == sorted(families, key=order.index) and set(families) == set(order)
    assert next(iter(STRATEGIES)) == "random"


LIGHT = """
import sys
from stages import catalogue
for entry in catalogue.STRATEGIES.values():
    assert entry.kinds and catalogue.complete("x", entry, {}) is not None
heavy = "torch faiss sklearn scipy.optimize scipy.sparse scipy.linalg scipy.special".split()
print([name for name in heavy if name in sys.modules])
"""


def test_reading_the_catalogue_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

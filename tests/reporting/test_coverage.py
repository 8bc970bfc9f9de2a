"""What a report is about and what it leaves out."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import known
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.machine.errors import UserError
from stages.report import render
from stages.reporting.read.coverage import _largest, covered

RUN = "reports/rounds/{}/{}/seed-{}"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    known.write(tmp_path)
    return tmp_path


def test_a_finished_study_is_covered_as_it_is(study: Path) -> None:
    settings = known.settings()
    assert covered(settings, study) == (settings, [])


def test_what_is_not_finished_is_left_out_and_said(study: Path) -> None:
    (study / RUN.format("c", "entropy", 4) / "round-3.json").unlink()
    kept, said = covered(known.settings(), study)
    assert kept.strategies == ["badge", "random", "kcenter", "entropy"]  # 4 x 4 beats 3 x 5
    assert kept.seeds == [3, 1, 0, 7] and known.settings().seeds == known.SEEDS
    assert said[0].startswith("**Unfinished study: 39 of 40 runs are finished.**")
    assert said[0].endswith("Not finished: `c/entropy/seed-4`.")
    assert len(said) == 2 and "`m/entropy/seed-4`" in said[1] and "`c/badge/seed-4`" in said[1]


def test_a_strategy_that_lags_is_left_out_whole(study: Path) -> None:
    for seed in (3, 1, 4):
        shutil.rmtree(study / RUN.format("m", "kcenter", seed))
    kept, said = covered(known.settings(), study)
    assert kept.strategies == ["badge", "random", "entropy"] and kept.seeds == known.SEEDS
    assert "about 3 strategies with 5 seeds each" in said[0]
    assert "`c/kcenter/seed-0`" in said[1] and "`m/kcenter/seed-7`" in said[1]


def test_runs_that_nobody_asks_for_and_runs_without_a_seal_are_named(study: Path) -> None:
    shutil.copytree(study / RUN.format("m", "badge", 3), study / RUN.format("m", "margin", 9))
    shutil.copytree(study / RUN.format("m", "badge", 3), study / RUN.format("m", "badge", 9))
    (study / "splits/c/random/seed-0/round-end.txt").unlink()
    _, said = covered(known.settings(), study)
    assert said == [
        "**Dropped strategies:** results lie in `reports/rounds` for `margin`, which the settings "
        "name no longer; they are in no table, no ranking and no count of tests.",
        "Left out, since the settings do not name them: `m/badge/seed-9`.",
        "Without a seal, so that nothing pins their results: `c/random/seed-0`.",
    ]


def test_nothing_finished_is_an_error(study: Path) -> None:
    shutil.rmtree(study / "reports/rounds")
    with pytest.raises(UserError, match="is missing .160 of 160"):
        render(known.settings(), study)
    with pytest.raises(UserError, match="is missing"):  # named by path, first to last
        render(known.settings(strategies=["badge"]), study)


def test_the_report_of_an_unfinished_study_says_so_first(study: Path) -> None:
    for seed in (3, 1, 4):
        shutil.rmtree(study / RUN.format("m", "kcenter", seed))
    made = render(known.settings(), study)
    text = made["report.md"]
    assert text.index("**Unfinished study: 37 of 40") < text.index("## Main findings")
    assert "<strong>Unfinished study: 37 of 40 runs are finished.</strong>" in made["index.html"]
    assert "kcenter" not in made["tables/summary.csv"]


@given(st.sets(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3))))
def test_the_largest_part_is_all_done_and_none_is_larger(done: set) -> None:
    settings = SimpleNamespace(tasks=["a", "b"], strategies=["x", "y", "z"], seeds=[0, 1, 2, 3])
    strategies, seeds = _largest(settings, done)
    assert all(run in done for run in product("ab", strategies, seeds))
    subsets = [[x for at, x in enumerate("xyz") if mask >> at & 1] for mask in range(8)]
    largest = max(
        len(names) * sum(all(run in done for run in product("ab", names, [s])) for s in range(4))
        for names in subsets
    )
    assert len(strategies) * len(seeds) == largest

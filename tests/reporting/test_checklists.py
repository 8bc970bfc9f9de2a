"""Checklists say what the study says, and what nobody wrote down is not made up."""

from __future__ import annotations

import json

import pytest
from study import REPO, tree, write_params
from test_reporting import make_settings, make_study

from stages.report import render
from stages.reporting import checklists
from stages.reporting.checklists import NOT_RECORDED, Compute, items, markdown
from stages.study.settings import load


def answers(study, manifests=None, compute=None) -> dict[str, str]:
    found = items(study, manifests or dict.fromkeys(study.tasks), compute)
    assert len({item.question for item in found}) == len(found)
    return {item.question: item.answer for item in found}


@pytest.fixture
def study(tmp_path):
    return load(write_params(tmp_path, tree(seeds=list(range(14)), full=[0])))


def test_of_the_default_study():
    study = load(REPO / "params.yaml")
    manifest = json.loads((REPO / "data/digits/manifest.json").read_text())
    said = answers(study, {"digits": manifest})
    assert "20 (0, 1, 2" in said["Seeds"] and "and 8 more" in said["Seeds"]
    assert "1438 training and 359 test" in said["Splits"] and "drawn uniformly" in said["Splits"]
    assert "CC BY 4.0" in said["Licenses of what was used"]
    assert "small_cnn, adam, learning rate 0.005" in said["Training settings"]
    assert said["How settings were chosen"].startswith(NOT_RECORDED)
    assert "20 seeds" in said["Error bars"] and "(n - 1)" in said["Error bars"]
    assert "any x86-64 CPU" in said["Results reproduced"]
    assert "of digits" in said["People's data, consent, privacy"]


def test_what_nobody_wrote_down(study):
    found = items(study, {"digits": None})
    unknown = {item.question for item in found if not item.known}
    expected = {"Hardware", "Compute of a run and in total", "Available"}
    expected |= {"Runs that failed or were thrown away", "Results replicated by others"}
    assert expected <= unknown
    assert NOT_RECORDED in answers(study)["Splits"] and "5 set aside" in answers(study)["Splits"]


def test_compute_is_of_what_was_timed(study):
    said = answers(study, compute=Compute(rounds=30, seconds=7200.0, runs=10))
    assert said["Compute of a run and in total"].startswith(
        "2.00 hours of wall clock in all, 720.0 s"
    )
    assert "30 rounds of 10 runs" in said["Compute of a run and in total"]
    assert "failed runs are not recorded" in said["Compute of a run and in total"]


def test_tuned_settings_and_imports_are_named(tmp_path):
    changes = {"strategy__mixed": {"use": "hybrid", "alpha": [0.1, 0.5], "combination": "mean"}}
    changes |= {"strategies": ["random", "mixed"], "tuned": ["mixed"], "seeds": [3]}
    changes |= {"task__digits__split__imported": "theirs"}
    said = answers(load(write_params(tmp_path, tree(**changes))))
    assert "mixed: from the candidates" in said["How settings were chosen"]
    assert "those of the import theirs" in said["Splits"]
    assert said["Error bars"] == "None: 1 seed."


def test_they_are_in_the_report_and_on_the_page(tmp_path):
    settings = make_settings()
    make_study(tmp_path, settings)
    made = render(settings, tmp_path)
    text = made["report.md"].partition("## Checklists")[2]
    assert checklists.PAPER in text and checklists.BADGES in text
    assert "<h2>Checklists</h2>" in made["index.html"] and "Error bars" in made["index.html"]
    assert markdown(items(settings, dict.fromkeys(settings.tasks))).count("\n- ") >= 14

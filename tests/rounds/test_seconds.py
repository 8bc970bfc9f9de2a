"""Seconds lie beside the folders that DVC hashes, never in them."""

from __future__ import annotations

import json
from pathlib import Path

from study import grow

from stages.full import full
from stages.reporting.read import records
from stages.study import settings
from stages.study.layout import Layout


def test_no_hashed_folder_knows_the_time(study_copy: Path) -> None:
    study, layout = settings.load(study_copy / "params.yaml"), Layout(study_copy)
    grow(study, study_copy, "digits", "entropy", 0)
    full(study, study_copy, "digits", 0)
    hashed = [layout.artifacts("digits", "entropy", 0, n) for n in (0, 1, 2, "end")]
    hashed.append(layout.full_artifacts("digits", 0))
    held = {path.name for folder in hashed for path in folder.iterdir()}
    assert held == {"carry.npz", "model.npz", "scores.npy"}
    times = records.read_seconds(study, study_copy)
    assert times[["strategy", "seed", "round"]].values.tolist() == [
        ["entropy", 0, n] for n in (0, 1, 2)
    ]
    assert (times[["training", "evaluation"]] > 0).all().all()
    assert json.loads(layout.full_seconds("digits", 0).read_text())["train"] > 0

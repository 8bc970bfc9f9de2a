"""A random part of the pool in front of any strategy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from study import grow, tree, write_params

from stages import catalogue
from stages.machine.errors import UserError
from stages.machine.randomness import Purpose, generator
from stages.round import Run, run_round
from stages.start import start
from stages.study import carry, ledger, settings
from stages.study.layout import Layout


def study_with(root, **strategies):
    write_params(root, tree(strategies=list(strategies), strategy=strategies))
    return settings.load(root / "params.yaml")


def picks_of(root, study, label: str, seed: int = 0) -> np.ndarray:
    start(study, root, "digits", label, seed)
    run_round(Run(study, Layout(root), "digits", label, seed), 0, 1)
    return ledger.read(Layout(root).link("digits", label, seed, 1)).indices


def pool_of(root) -> np.ndarray:
    shared = Layout(root).shared_split("digits", 0)
    used = [ledger.read(shared / f"{name}.txt").indices for name in ("initial", "validation")]
    rows = len(np.load(Layout(root).data("digits") / "train_labels.npy"))
    return np.setdiff1d(np.arange(rows), np.concatenate(used))


def test_only_the_drawn_part_is_selected_from(study_copy):
    study = study_with(
        study_copy,
        entropy={},
        few={"use": "entropy", "candidates": 30},
        exact={"use": "random", "candidates": 6},
    )
    pool = pool_of(study_copy)
    drawn = np.sort(generator(0, Purpose.CANDIDATES).choice(len(pool), 30, replace=False))
    scores = np.load
    whole, few = picks_of(study_copy, study, "entropy"), picks_of(study_copy, study, "few")
    layout = Layout(study_copy)
    of_all = scores(layout.artifacts("digits", "entropy", 0, 1) / "scores.npy")
    of_few = scores(layout.artifacts("digits", "few", 0, 1) / "scores.npy")
    assert of_few.shape == of_all.shape == pool.shape
    assert np.flatnonzero(np.isfinite(of_few)).tolist() == drawn.tolist()
    np.testing.assert_allclose(of_few[drawn], of_all[drawn], rtol=1e-9)
    assert few.tolist() == pool[drawn[np.argsort(-of_all[drawn])[:6]]].tolist()
    assert set(few.tolist()) != set(whole.tolist())
    # b of b: all that was drawn, in some order.
    every = np.sort(generator(0, Purpose.CANDIDATES).choice(len(pool), 6, replace=False))
    assert sorted(picks_of(study_copy, study, "exact").tolist()) == pool[every].tolist()


def test_what_is_shown_is_what_was_selected(study_copy):
    """Properties and thumbnails are of the selected rows, not of rows at those positions."""
    study = study_with(study_copy, few={"use": "margin", "candidates": 40})
    few = picks_of(study_copy, study, "few")
    result = json.loads(Layout(study_copy).result("digits", "few", 0, 0).read_text())
    import base64
    import io

    from PIL import Image

    shown = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        for text in result["first_selected"]
    ]
    images = np.load(Layout(study_copy).data("digits") / "train_images.npy")
    for picture, row in zip(shown, few, strict=True):
        assert (picture == images[row, 0]).all()


def test_a_pool_smaller_than_the_part_is_taken_whole(study_copy):
    study = study_with(study_copy, entropy={}, many={"use": "entropy", "candidates": 100_000})
    whole, many = picks_of(study_copy, study, "entropy"), picks_of(study_copy, study, "many")
    assert whole.tolist() == many.tolist()


def test_cluster_margin_clusters_the_whole_pool_and_keeps_it(study_copy):
    study = study_with(study_copy, cm={"use": "cluster_margin", "candidates": 50, "part": 300})
    grow(study, study_copy, "digits", "cm", 0)
    first, second = (
        carry.read(Layout(study_copy).artifacts("digits", "cm", 0, n))["selector"] for n in (1, 2)
    )
    assert first["rows"].tolist() == pool_of(study_copy).tolist()
    for name in ("rows", "clusters"):
        assert (first[name] == second[name]).all()


@pytest.mark.parametrize("name", catalogue.STRATEGIES)
def test_every_strategy_has_the_setting(name):
    entry = catalogue.STRATEGIES[name]
    given = catalogue.complete(name, entry, {"candidates": 500})
    assert given == {**entry.settings, "candidates": 500}
    for bad in (-1, 2.5, True, "all"):
        with pytest.raises(UserError, match=rf"strategy.{name}.candidates is "):
            catalogue.complete(name, entry, {"candidates": bad})


def test_fewer_candidates_than_a_batch_is_an_error(tmp_path):
    with pytest.raises(UserError) as caught:
        study_with(tmp_path, few={"use": "entropy", "candidates": 5})
    assert str(caught.value).endswith(
        "strategy.few.candidates is 5, but task.digits.query_size is 6; allowed: 0, or 6 or more"
    )
    study_with(tmp_path, few={"use": "entropy", "candidates": 0})

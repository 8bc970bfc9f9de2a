"""The data set of one's own on the page about data, run as it stands there."""

from __future__ import annotations

import sys

import numpy as np
import yaml
from study import REPO, tree, write_params

from stages import prepare
from stages.catalogue import Facts
from stages.datasets.prepared import Prepared
from stages.study import data, settings


def test_the_data_set_on_the_page_is_one(tmp_path, monkeypatch):
    section = (REPO / "docs/data.md").read_text().partition("## A data set of your own")[2]
    blocks = [block.partition("```")[0] for block in section.split("```python\n")[1:3]]
    given = yaml.safe_load(section.partition("```yaml\n")[2].partition("```")[0])
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab/__init__.py").write_text("")
    (tmp_path / "mylab/data.py").write_text("".join(blocks))
    images = np.random.default_rng(0).integers(0, 256, (650, 1, 9, 9)).astype(np.uint8)
    labels = np.arange(650) % 2
    whole = {
        "train_images": images[:600],
        "train_labels": labels[:600],
        "test_images": images[600:],
        "test_labels": labels[600:],
    }
    np.savez(tmp_path / "half.npz", **whole)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert given["code"] == ["mylab"]
    dataset = given["task"]["stripes"]["dataset"] | {"root": str(tmp_path)}
    for name in (dataset["name"], "mylab.data:stripes"):
        changes = {"task__digits__dataset": dataset | {"name": name}}
        study = settings.load(write_params(tmp_path, tree(**changes)))
        prepare.prepare(study, tmp_path, "digits")
        prepared = Prepared(tmp_path / "data/digits")
        assert (prepared.array("train_images") == images[:600]).all()
        assert prepared.manifest["source"] == "our laboratory"
    assert data.known(study.task["digits"].dataset) == Facts(600, (1, 9, 9), 2)
    for module in ("mylab.data", "mylab"):
        del sys.modules[module]

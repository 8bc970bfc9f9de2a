"""The package of docs/own.md, run as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import plain
import pytest
import torch
import torch.nn.functional as F
import yaml
from study import REPO, grow

from stages.full import full
from stages.machine.errors import UserError
from stages.prepare import prepare
from stages.protocol import protocol
from stages.recipes import recipes
from stages.report import report
from stages.split import split
from stages.study import settings
from stages.verify import verify

PAGE = (REPO / "docs/own.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(mylab/\w+\.py)`\n\n```python\n(.*?)```", PAGE, re.DOTALL))
STUDY = PAGE.partition("```yaml\n")[2].partition("```")[0]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The study with the package beside it, on the search path as for ``python -m``."""
    for name, text in {"mylab/__init__.py": "", **FILES, "params.yaml": STUDY}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mylab"]:
        del sys.modules[name]


def test_the_page_has_the_files_that_it_names() -> None:
    assert sorted(FILES) == ["mylab/al.py", "mylab/learn.py", "mylab/nets.py"]


def test_the_package_runs_from_settings_to_report(root: Path) -> None:
    study = settings.load(root / "params.yaml")
    prepare(study, root, "digits")
    protocol(study, root, "digits")
    recipes(study, root)
    split(study, root, "digits", 0)
    full(study, root, "digits", 0)
    for strategy in study.strategies:
        grow(study, root, "digits", strategy, 0)
    found = verify(root)
    assert len(found.fingerprints) == 6 and not found.faults
    report(study, root)
    results = {
        name: json.loads((root / f"reports/rounds/digits/{name}/seed-0/round-0.json").read_text())
        for name in study.strategies
    }
    # The same learner gives the same model, whatever the query; another learner another.
    assert results["steady"]["nll"] == results["steady_power"]["nll"]
    assert len({results[name]["nll"] for name in ("random", "steady", "steady_random")}) == 3
    assert results["random"]["nll"] == results["power"]["nll"]


def test_recipes_name_the_package_where_it_is_used_and_nowhere_else(root: Path) -> None:
    study = settings.load(root / "params.yaml")
    recipes(study, root)
    used = {
        name: {
            module
            for module in json.loads((root / f"data/recipes/{name}.json").read_text())["code"]
            if module.startswith("mylab.")
        }
        for name in study.strategies
    }
    assert used == {
        "random": set(),
        "power": {"mylab.al"},
        "steady": {"mylab.learn"},
        "steady_random": {"mylab.learn"},
        "steady_power": {"mylab.al", "mylab.learn"},
        "ceal": set(),
    }


def test_the_line_about_a_wrong_value_is_the_pages(root: Path) -> None:
    wrong = yaml.safe_load(STUDY)
    wrong["strategy"]["power"]["beta"] = -1
    (root / "params.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        settings.load(root / "params.yaml")
    line = str(caught.value).partition("params.yaml: ")[2]
    assert f"`{line}`" in " ".join(PAGE.split())


def test_the_learner_minimises_what_it_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of plain SGD on a linear model, its gradient by torch's own autograd."""
    from mylab import learn

    from stages.machine.randomness import Purpose
    from stages.models import state
    from stages.models.batches import Batches
    from stages.models.compute import configure
    from stages.rounds.context import Round

    task = settings.load(root / "params.yaml").task["digits"]
    task = task.model_copy(
        update={"epochs": 1, "optimizer": "sgd", "learning_rate": 0.1, "batch_size": 50}
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    batches = Batches(images, [0.5], [0.25], configure("portable", "cpu", 1))
    known = Round(
        batches=batches,
        labeled=np.arange(8),
        labels=np.arange(8) % 3,
        unlabeled=np.arange(8, 20),
        classes=3,
        shape=(1, 8, 8),
        task=task,
        seed=1,
        n=0,
        compute=batches.compute,
    )
    begin = learn.fresh(known)
    weights = [torch.from_numpy(value.copy()).requires_grad_() for value in state(begin).values()]

    def logits(values: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(F.linear(values.flatten(1), weights[0], weights[1]))
        return F.linear(hidden, weights[2], weights[3])

    def normal(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((pixels / 255 - 0.5) / 0.25)

    others = known.generator(Purpose.UNLABELED_BATCHES).permutation(known.unlabeled)[:8]
    place = (int(Purpose.UNLABELED_VIEWS), 0, *b"shifted")
    key = np.random.SeedSequence(1, spawn_key=place).generate_state(2).tolist()
    words = [plain.philox([row, 0, 0, 0], key)[:2] for row in others.tolist()]
    draws = np.array(words).T * 3 // 2**32
    padded = np.pad(images[others], ((0, 0), (0, 0), (1, 1), (1, 1)))
    shifted = np.stack(
        [
            one[:, top : top + 8, left : left + 8]
            for one, top, left in zip(padded, *draws, strict=True)
        ]
    )
    believed = F.softmax(logits(normal(images[others])), 1).detach()
    loss = F.cross_entropy(logits(normal(images[:8])), torch.from_numpy(known.labels))
    loss = loss + 0.5 * F.cross_entropy(logits(normal(shifted)), believed)
    wanted = [
        (weight - 0.1 * slope).detach().numpy()
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True)
    ]
    found = state(learn.train(known, weight=0.5).network)
    for value, expected in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_package_runs_under_dvc(root: Path) -> None:
    """In a repository of its own: an edit of the learner runs its strategies again, alone."""
    import shutil

    for name in ("dvc.yaml", ".dvcignore", "stages", "requirements.lock", "CITATION.cff"):
        source = REPO / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, root / name)
    for name in ("reports/tuned", "data/code"):
        shutil.copytree(REPO / name, root / name)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=root, check=True)
    subprocess.run([*dvc, "repro", "-q"], cwd=root, check=True)
    assert (root / "reports/report.md").exists()
    learner = root / "mylab/learn.py"
    learner.write_text(learner.read_text().replace("weight * entropy", "2 * weight * entropy"))
    subprocess.run([*dvc, "repro", "-q", "code", "recipes"], cwd=root, check=True)
    said = subprocess.run(
        [*dvc, "status", "--json"], cwd=root, check=True, capture_output=True, text=True
    )
    stale = {
        name.split("@")[1].split("-")[1] for name in json.loads(said.stdout) if "round" in name
    }
    assert stale == {"steady", "steady_random", "steady_power"}

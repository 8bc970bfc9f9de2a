"""The example of the README, run as it stands there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits
from study import REPO, grow

from stages.full import full
from stages.prepare import prepare
from stages.protocol import protocol
from stages.report import report
from stages.split import split
from stages.study import settings
from stages.verify import verify


def example() -> str:
    """The one YAML block of the README."""
    blocks = (REPO / "README.md").read_text(encoding="utf-8").split("```yaml\n")[1:]
    assert len(blocks) == 1
    return blocks[0].partition("```")[0]


def write_digits(root: Path) -> None:
    """Real digits as a user's folders of pictures: 60 to learn from and 20 to test on."""
    images, labels = load_digits(n_class=4, return_X_y=True)
    for part, rows in (("train", range(60)), ("test", range(60, 80))):
        for row in rows:
            picture = Image.fromarray((images[row].reshape(8, 8) * 15).astype(np.uint8))
            path = root / part / f"class {labels[row]}" / f"{row}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study with the README's settings on real pictures; its training is shortened."""
    write_digits(tmp_path / "images")
    text = example()
    assert "/data/mine" in text
    text = text.replace("/data/mine", str(tmp_path / "images")).replace("epochs: 30", "epochs: 1")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_example_is_whole_and_valid(study: Path) -> None:
    loaded = settings.load(study / "params.yaml")
    assert loaded.tasks == ["mine"] and loaded.task["mine"].dataset.name == "folder"
    named = set(yaml.safe_load(example()))
    wanted = set(yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8")))
    assert named == wanted  # dvc.yaml needs them all


@pytest.mark.slow
def test_the_example_runs_from_pictures_to_report(study: Path) -> None:
    loaded = settings.load(study / "params.yaml")
    prepare(loaded, study, "mine")
    protocol(loaded, study, "mine")
    for seed in loaded.seeds:
        split(loaded, study, "mine", seed)
        full(loaded, study, "mine", seed)
        for strategy in loaded.strategies:
            grow(loaded, study, "mine", strategy, seed)
    found = verify(study)
    assert len(found.fingerprints) == 9 and not found.faults
    report(loaded, study)
    assert "badge" in (study / "reports/report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_dvc_reads_the_example(study: Path) -> None:
    for name in ("dvc.yaml", ".dvcignore", "stages", "requirements.lock", "CITATION.cff"):
        source = REPO / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, study / name)
    dvc = [sys.executable, "-m", "dvc"]
    for name in ("reports/tuned", "data/code"):
        shutil.copytree(REPO / name, study / name)
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=study, check=True)
    done = subprocess.run(
        [*dvc, "stage", "list", "--name-only"],
        cwd=study,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    stages = done.stdout.split()
    assert len(stages) == 1 + 1 + 1 + 3 + 9 + 27 + 3 + 1
    assert "round@mine-badge-2-round2" in stages

"""What settings name no longer is listed, removed when asked to, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from study import rounds, tree, write_params

from stages import mend
from stages.study import settings
from stages.study.leftover import leftovers

KEPT = """data/digits/manifest.json
data/recipes/random.json
data/code/README.md
splits/digits/seed-0/initial.txt
splits/digits/random/seed-1/round-0.txt
splits/digits/random/seed-1/round-1.txt
splits/digits/random/seed-1/round-end.txt
splits/digits/random/seed-1/notes.md
reports/rounds/digits/random/seed-0/round-1.json
reports/rounds/digits/seed-0/full.json
reports/tuned/README.md
reports/tuned/digits/random/seed-0.json
reports/index.html
artifacts/.locks/digits-random-0.lock
artifacts/digits/random/seed-0/round-end/model.npz
artifacts/digits/random/seed-0/seconds-1.json
artifacts/digits/seed-0/full/model.npz
studies/old/splits/digits/badge/seed-9/round-0.txt"""
GONE = """data/mnist/manifest.json
splits/mnist/seed-0/initial.txt
splits/digits/seed-7/initial.txt
splits/digits/badge/seed-0/round-0.txt
splits/digits/random/seed-7/round-0.txt
splits/digits/random/seed-1/round-2.txt
reports/rounds/digits/random/seed-0/round-2.json
reports/rounds/digits/seed-7/full.json
reports/tuned/digits/random/seed-7.json
artifacts/digits/badge/seed-0/round-1/model.npz
artifacts/digits/random/seed-0/round-2/model.npz
artifacts/digits/random/seed-0/seconds-2.json"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    changes = {"strategies": ["random"], "rounds": rounds(2)}
    write_params(tmp_path, tree(**changes))
    monkeypatch.setattr(mend, "mend", lambda root: [])  # there is no DVC here
    for name in (*KEPT.splitlines(), *GONE.splitlines()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


def there(root: Path) -> set[str]:
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return found - {"params.yaml"}


def test_leftovers_are_listed_and_stay(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mend.main(["--root", str(study)])
    said = capsys.readouterr().out.splitlines()
    assert "splits/digits/badge" in said and "artifacts/digits/random/seed-0/round-2" in said
    assert said[-1].startswith("params.yaml names none of these 12 files and folders")
    assert there(study) == {*KEPT.splitlines(), *GONE.splitlines()}


def test_leftovers_are_removed_and_nothing_else(study: Path) -> None:
    mend.main(["--root", str(study), "--remove"])
    assert there(study) == set(KEPT.splitlines())
    assert leftovers(settings.load(study / "params.yaml"), study) == []


def test_links_are_removed_not_followed(
    study: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("x")
    (study / "splits/digits/margin").symlink_to(elsewhere)
    mend.main(["--root", str(study), "--remove"])
    assert (elsewhere / "precious").exists() and not (study / "splits/digits/margin").is_symlink()

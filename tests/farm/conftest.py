"""A small study grown by plain DVC; made once, copied by whoever changes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from repository import commit, dvc, make_repository

from stages import mend


@pytest.fixture(scope="session")
def made_bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all runs start from, and no run."""
    root = tmp_path_factory.mktemp("farm") / "bare"
    make_repository(root)
    dvc(root, "repro", "recipes", "prepare", "protocol", "split")
    commit(root)
    return root


@pytest.fixture(scope="session")
def made_grown(made_bare: Path) -> Path:
    """The same, after ``dvc repro``."""
    root = made_bare.with_name("grown")
    shutil.copytree(made_bare, root, symlinks=True)
    dvc(root, "repro")
    mend.tidy(root)
    commit(root)
    return root


@pytest.fixture
def bare(made_bare: Path, tmp_path: Path) -> Path:
    """A copy of the study without a run; file times are kept, so that DVC trusts them."""
    return Path(shutil.copytree(made_bare, tmp_path / "bare", symlinks=True))


@pytest.fixture
def grown(made_grown: Path, tmp_path: Path) -> Path:
    """A copy of the finished study."""
    return Path(shutil.copytree(made_grown, tmp_path / "grown", symlinks=True))

"""dvc.yaml without DVC: the same stages by the same names, and what is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from study import REPO, tree, write_params

from stages.farm.without_dvc import WithoutDvc, needs_of, stages_of
from stages.machine.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The repository's pipeline with a small study and nothing done."""
    write_params(tmp_path, tree(tuned=["entropy"], code=["mylab"]))
    (tmp_path / "dvc.yaml").write_text((REPO / "dvc.yaml").read_text())
    return tmp_path


def test_stages_and_what_they_wait_for_are_those_of_dvc(root: Path) -> None:
    from dvc.repo import Repo

    (root / ".dvc").mkdir()
    with Repo(str(root), config={"core": {"no_scm": True}}) as repo:
        graph = repo.index.graph
        expected = {
            stage.name: (
                stage.cmd,
                {other.name for other in graph.successors(stage)},
                {str(Path(out.fs_path).relative_to(root)) for out in stage.outs},
            )
            for stage in repo.index.stages
        }
    stages = stages_of(root)
    needs = needs_of(stages)
    found = {
        name: (stage.command, needs[name], {*stage.kept, *stage.cached})
        for name, stage in stages.items()
    }
    assert found == expected and len(found) == 1 + 1 + 2 + 2 * (1 + 1 + 1 + 2 * 4) + 1


def touch(root: Path, *names: str) -> None:
    for name in names:
        stage = stages_of(root)[name]
        for path in (*stage.kept, *stage.cached):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()


CHAIN = ["start@digits-random-0", *(f"round@digits-random-0-round{n}" for n in range(3))]


def test_done_is_what_is_there_or_needed_no_more(root: Path) -> None:
    assert WithoutDvc(root, []).done() == set()
    touch(root, *CHAIN)
    assert WithoutDvc(root, []).done() == set(CHAIN)
    weights = root / "artifacts/digits/random/seed-0/round-1"
    weights.unlink()  # as in a clone: nobody needs it any more
    assert WithoutDvc(root, []).done() == set(CHAIN)
    (root / "splits/digits/random/seed-0/round-end.txt").unlink()
    assert WithoutDvc(root, []).done() == set(CHAIN[:3])  # the last one needs what is there
    (root / "artifacts/digits/random/seed-0/round-2").unlink()
    assert WithoutDvc(root, []).done() == {CHAIN[0]}


def test_a_stage_takes_its_outputs_away_and_must_write_them(root: Path) -> None:
    work = WithoutDvc(root, ["round@digits-random-0-round0"])
    assert {*CHAIN[:2], "recipes", "protocol@digits"} < set(work.names)
    assert CHAIN[2] not in work.names
    touch(root, *CHAIN[:2])
    with pytest.raises(UserError, match=r"needs data/recipes/random.json"):
        work.begin(CHAIN[1])
    for name in ("data/recipes/random.json", "data/digits/protocol.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    carry = root / "artifacts/digits/random/seed-0/round-0"
    carry.unlink()
    carry.mkdir()
    (carry / "carry.npz").touch()
    assert work.begin(CHAIN[1])[0].startswith("python -m stages.round --task digits")
    assert not any(path.exists() for path in work.outputs(CHAIN[1]))
    with pytest.raises(UserError, match="has not written"):
        work.record(CHAIN[1])


def test_targets_are_stages_or_groups_of_them(root: Path) -> None:
    names = WithoutDvc(root, ["split"]).names
    assert names == ["code@mylab", "recipes", "prepare@digits", "split@digits-0", "split@digits-1"]
    with pytest.raises(UserError, match="'rond' is no stage; did you mean 'round'"):
        WithoutDvc(root, ["rond"])


def test_what_the_reader_does_not_know_is_a_line(root: Path) -> None:
    pipeline = yaml.safe_load((root / "dvc.yaml").read_text())
    pipeline["stages"]["report"]["cmd"] = "echo ${unknown}"
    pipeline["stages"]["split"]["matrix"]["task"] = "${nothing}"
    (root / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    with pytest.raises(UserError, match="not read without DVC"):
        stages_of(root)
    (root / "dvc.yaml").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        stages_of(root)


def test_neither_dvc_nor_dask_nor_faiss_is_needed() -> None:
    code = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("dvc", "dvc_data", "ruamel", "dask", "distributed", "faiss"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
import stages.grow, stages.status, stages.round, stages.report
from stages import catalogue
"""
    subprocess.run([sys.executable, "-c", code], cwd=REPO, check=True)

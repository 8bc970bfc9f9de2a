"""The pipeline end to end with real DVC, in a git repository of its own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from repository import TINY, commit, contents, dvc, environment, git, make_repository, ran
from study import tree, write_params

from stages.farm.atwork import at_work
from stages.verify import verify

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """A repository after ``dvc repro`` from nothing, committed, and what DVC said."""
    root = tmp_path_factory.mktemp("pipeline") / "finished"
    make_repository(root)
    said = dvc(root, "repro")
    commit(root)
    return root, said


@pytest.fixture
def repository(finished, tmp_path) -> Path:
    """A copy that a test may change; file times are kept, so that DVC trusts them."""
    root = tmp_path / "repository"
    shutil.copytree(finished[0], root, symlinks=True)
    return root


def test_everything_runs_from_nothing(finished):
    root, said = finished
    assert ran(said) == sorted(
        [
            "prepare@digits",
            "protocol@digits",
            "split@digits-0",
            "start@digits-random-0",
            "start@digits-entropy-0",
            "full@digits-0",
            "recipes",
            "report",
            *(f"round@digits-{name}-0-round{n}" for name in ("random", "entropy") for n in (0, 1)),
        ]
    )
    found = verify(root)
    assert found.faults == [] and len(found.fingerprints) == 2
    assert (root / "reports/report.md").exists()


def growing(root: Path, *arguments: str) -> subprocess.Popen[str]:
    """``python -m stages.grow``, on its way, as the leader of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.grow", "--workers", "2", *arguments],
        cwd=root,
        text=True,
        env=environment(root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def grown(root: Path, *arguments: str) -> str:
    """What it says when it is done."""
    process = growing(root, *arguments)
    said = process.communicate()[0]
    assert process.returncode == 0 and "rror" not in said, said
    return said


def results(root: Path) -> dict[str, str]:
    """All that the stages write but seconds and logs."""
    found = contents(root, "splits", "reports", "data", "artifacts")
    return {name: at for name, at in found.items() if "seconds-" not in name and "/." not in name}


@pytest.mark.parametrize("engine", ["serial", "dask"])
def test_a_coordinator_writes_what_plain_dvc_writes(engine, finished, tmp_path):
    root = tmp_path / "grown"
    make_repository(root)
    assert grown(root, "--engine", engine).endswith("12 stages ran, 0 had nothing to do\n")
    assert (root / "dvc.lock").read_bytes() == (finished[0] / "dvc.lock").read_bytes()
    assert results(root) == results(finished[0])
    assert dvc(root, "status", "-q") == "" and ran(dvc(root, "repro")) == []
    assert grown(root).endswith("0 stages ran, 12 had nothing to do\n")


def test_the_same_without_dvc(finished, tmp_path):
    root = tmp_path / "without"
    make_repository(root)
    said = grown(root, "--without-dvc", "--engine", "serial")
    assert said.endswith("12 stages ran, 0 had nothing to do\n")
    assert results(root) == results(finished[0]) and not (root / "dvc.lock").exists()
    status = subprocess.run(
        [sys.executable, "-m", "stages.status"],
        cwd=root,
        env=environment(root),
        text=True,
        capture_output=True,
    )
    assert "11 of 11 stages done" in status.stdout and "nobody is at work" in status.stdout
    assert "12 from what lies here" not in (said := grown(root)) and "1 stages ran, 11" in said
    assert (root / "dvc.lock").read_bytes() == (finished[0] / "dvc.lock").read_bytes()


def test_a_lock_that_was_cut_costs_no_training(repository):
    lock = repository / "dvc.lock"
    before = lock.read_text()
    git(repository, "rm", "--quiet", "--cached", "dvc.lock")
    git(repository, "commit", "--quiet", "--message", "without dvc.lock")
    lock.write_text(before[: len(before) // 2])
    said = grown(repository)
    assert "from what lies here, 1 to be run" in said and "1 stages ran" in said
    assert lock.read_text() == before
    assert git(repository, "status", "--porcelain", "splits", "reports") == ""


def test_interrupted_growth_says_a_line_and_goes_on_later(repository):
    before, lock = results(repository), (repository / "dvc.lock").read_bytes()
    for path in (repository / "artifacts/digits").iterdir():
        shutil.rmtree(path)  # so that all runs are to be made again
    process = growing(repository)
    await_run(repository, "round@digits-random-0-round0")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130 and "Traceback" not in said
    assert said.endswith("interrupted (SIGINT); `make repro` goes on from here\n")
    assert at_work(repository) == []
    shutil.rmtree(repository / "artifacts/.logs")  # what begins from now on has a new one
    process = growing(repository)
    await_run(repository, "round@*")  # whichever the first has left to do
    second = growing(repository)  # waits for the first, and then for its workers
    assert second.stdout.readline() == (
        f"waiting for process {process.pid} (make repro), which is at work in this folder\n"
    )
    process.kill()
    process.wait()
    said = second.communicate(timeout=120)[0]
    assert second.returncode == 0, said
    assert results(repository) == before and (repository / "dvc.lock").read_bytes() == lock
    assert dvc(repository, "status", "-q") == ""


def await_run(root: Path, name: str) -> None:
    """Wait until a run of a stage has begun that no log is of yet."""
    until = time.monotonic() + 60
    while not list((root / "artifacts/.logs").glob(f"{name}.log")):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_git_holds_index_sets_and_results_but_no_arrays(finished):
    held = git(finished[0], "ls-files").splitlines()
    assert "splits/digits/random/seed-0/round-end.txt" in held
    assert "reports/rounds/digits/entropy/seed-0/round-0.json" in held
    assert "data/digits/manifest.json" in held
    assert not [name for name in held if name.endswith((".npy", ".npz")) or "artifacts" in name]


def test_a_second_time_does_nothing(repository):
    said = dvc(repository, "repro")
    assert ran(said) == []
    assert git(repository, "status", "--porcelain") == ""
    assert "up to date" in dvc(repository, "status")


def test_a_clone_is_up_to_date_from_the_committed_files_alone(finished, tmp_path):
    git(tmp_path, "clone", "--quiet", str(finished[0]), "clone")
    clone = tmp_path / "clone"
    assert not (clone / "artifacts").exists()
    assert ran(dvc(clone, "repro", "--allow-missing", "--dry")) == []
    assert verify(clone).fingerprints == verify(finished[0]).fingerprints


def test_two_clean_runs_give_the_same_bytes(finished, tmp_path):
    git(tmp_path, "clone", "--quiet", str(finished[0]), "again")
    root = tmp_path / "again"
    git(root, "checkout", "--quiet", "HEAD~1")
    assert not (root / "splits").exists() and not (root / "reports/rounds").exists()
    dvc(root, "repro", "--no-run-cache")
    folders = ("splits", "reports", "data")
    assert contents(root, *folders) == contents(finished[0], *folders)
    assert (root / "dvc.lock").read_bytes() == (finished[0] / "dvc.lock").read_bytes()


def test_a_new_strategy_runs_alone(repository):
    before = contents(repository, "splits")
    said = dvc(repository, "exp", "run", "-S", "strategies=[random,entropy,margin]")
    assert ran(said) == [
        "recipes",
        "report",
        "round@digits-margin-0-round0",
        "round@digits-margin-0-round1",
        "start@digits-margin-0",
    ]
    after = contents(repository, "splits")
    assert {name: digest for name, digest in after.items() if "margin" not in name} == before
    assert "margin" in (repository / "reports/report.md").read_text()


def test_a_changed_setting_runs_what_depends_on_it(repository):
    said = dvc(repository, "exp", "run", "-S", "strategies=[random]", "-S", "task.digits.epochs=2")
    assert ran(said) == [
        "full@digits-0",
        "protocol@digits",
        "recipes",
        "report",
        "round@digits-random-0-round0",
        "round@digits-random-0-round1",
    ]
    shown = dvc(repository, "exp", "show", "--md")
    assert "task.digits.epochs" in shown


def test_a_bad_setting_is_one_line_and_the_results_can_be_had_back(repository):
    write_params(repository, tree(**TINY, task__digits__optimizer="adma"))
    said = dvc(repository, "repro", fails=True)
    line = "error: params.yaml: task.digits.optimizer is 'adma'; did you mean 'adam'? allowed: sgd"
    assert said.count(line) == 1
    assert "Traceback" not in said
    # DVC takes the outputs of a stage away before it runs it; nothing new is in their place.
    changed = [line.split() for line in git(repository, "status", "--porcelain").splitlines()]
    assert all(kind == "D" or name == "params.yaml" for kind, name in changed)
    git(repository, "checkout", "--quiet", "--", ".")
    dvc(repository, "checkout")
    assert ran(dvc(repository, "repro")) == []


def test_a_lost_and_an_edited_link_are_noticed_and_come_back(repository):
    before = contents(repository, "splits", "reports")
    lost = repository / "splits/digits/random/seed-0/round-1.txt"
    edited = repository / "splits/digits/entropy/seed-0/round-1.txt"
    lost.unlink()
    lines = edited.read_text().split("\n")
    lines[-3:-1] = lines[-2:-4:-1]
    edited.write_text("\n".join(lines))
    faults = verify(repository).faults
    assert len(faults) == 2
    assert faults[0].startswith(f"{edited}: changed after round-end.txt was written")
    assert faults[1] == f"{lost}: missing link"
    status = dvc(repository, "status")
    assert re.search(r"deleted:\s+splits/digits/random/seed-0/round-1.txt", status)
    assert re.search(r"modified:\s+splits/digits/entropy/seed-0/round-1.txt", status)
    said = dvc(repository, "repro")
    assert "full@digits-0" not in ran(said) and "prepare@digits" not in ran(said)
    assert contents(repository, "splits", "reports") == before
    assert verify(repository).faults == []


def test_metrics_plots_and_graph_can_be_shown(repository):
    assert "digits.best" in dvc(repository, "metrics", "show", "--md")
    said = dvc(repository, "plots", "show")
    page = repository / "dvc_plots/index.html"
    assert page.exists(), said
    assert "accuracy" in page.read_text().lower()
    graph = dvc(repository, "dag", "--dot")
    assert '"prepare@digits" -> "split@digits-0"' in graph

"""What kills and merges leave of DVC's files is mended; nothing is blessed that nobody knows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import psutil
import pytest
import yaml
from study import write_chain

from stages import mend
from stages.farm import atwork, lockfile
from stages.machine.errors import UserError

ENTRY = {
    "cmd": "python -m stages.prepare --task digits",
    "deps": [{"path": "stages/prepare.py", "hash": "md5", "md5": "76" * 16, "size": 22}],
    "params": {"params.yaml": {"task.digits.dataset": {"name": "digits"}}},
    "outs": [
        {"path": "data/digits", "hash": "md5", "md5": "59" * 16 + ".dir", "size": 9, "nfiles": 2},
        {"path": "data/manifest.json", "hash": "md5", "md5": "60" * 16, "size": 1234},
    ],
}
ENTRIES = {f"prepare@{name}": {**deepcopy(ENTRY), "cmd": f"prepare {name}"} for name in "abc"}
# Two stages that cost nothing; what they make is counted in runs.log.
PIPELINE = {
    "stages": {
        "first": {
            "cmd": "echo first >> runs.log && cat in.json in.json > one.json",
            "params": ["speed"],
            "deps": ["in.json"],
            "outs": [{"one.json": {"cache": False}}],
        },
        "second": {
            "cmd": "echo second >> runs.log && mkdir two && cat one.json one.json > two/model.json",
            "deps": ["one.json"],
            "outs": ["two"],
        },
        "report": {
            "cmd": "echo report >> runs.log && cat one.json two/model.json > report.json",
            "deps": ["one.json", "two"],
            "outs": [{"report.json": {"cache": False}}],
        },
    }
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("lock") / "dvc.lock"
    lockfile.write(path, ENTRIES, list(ENTRIES))
    return path.read_text()


def test_the_bytes_are_those_of_dvc(text: str, tmp_path: Path) -> None:
    from dvc.utils.serialize import modify_yaml

    (tmp_path / "dvc.lock").write_text(text)
    with modify_yaml(tmp_path / "dvc.lock") as data:
        data["stages"].update({})
    assert (tmp_path / "dvc.lock").read_text() == text
    assert lockfile.load(text) == ENTRIES


def test_of_a_file_cut_anywhere_only_whole_entries_are_taken(text: str, tmp_path: Path) -> None:
    outs = {"stages": {"prepare": {"outs": ["data/x", "data/manifest.json"]}}}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(outs))
    whole = 0
    for end in range(len(text)):
        cut = text[:end]
        assert lockfile.salvage(cut).items() <= ENTRIES.items()
        if mend._whole(cut, tmp_path):
            whole += 1
            assert lockfile.load(cut).items() <= ENTRIES.items()
    assert whole == 2  # after the first entry and after the second; nobody can see that


@pytest.mark.parametrize("tail", ["\0\0\n", "    deps: [\n", "  x: 3\n", "- a\n", "    outs: {}\n"])
def test_damage_of_other_kinds_is_seen(text: str, tail: str) -> None:
    assert lockfile.load(text + tail) is None
    assert list(lockfile.salvage(text + tail))[:2] == ["prepare@a", "prepare@b"]


def test_both_sides_of_a_merge(text: str) -> None:
    ours = {**ENTRIES, "prepare@b": {**ENTRY, "cmd": "ours"}, "only@ours": ENTRY}
    theirs = {**ENTRIES, "prepare@b": {**ENTRY, "cmd": "theirs"}, "only@theirs": ENTRY}
    merged, differ = lockfile.merge(ours, theirs)
    assert differ == ["prepare@b"]
    assert set(merged) == {"prepare@a", "prepare@c", "only@ours", "only@theirs"}
    marked = "a\n<<<<<<< HEAD\nb\n||||||| base\nold\n=======\nc\n>>>>>>> other\nd\n"
    assert lockfile.conflicted(marked) and not lockfile.conflicted(text)
    assert lockfile.sides(marked) == ("a\nb\nd\n", "a\nc\nd\n")


def call(root: Path, *command: str) -> str:
    variables = {**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        variables |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@example.org"}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def repro(root: Path) -> list[str]:
    """``dvc repro``: the stages that ran."""
    log = root / "runs.log"
    log.unlink(missing_ok=True)
    call(root, sys.executable, "-m", "dvc", "repro")
    return log.read_text().split() if log.exists() else []


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of three stages that have run; nothing committed but its beginning."""
    root = tmp_path_factory.mktemp("mend") / "pipeline"
    root.mkdir()
    (root / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE, sort_keys=False))
    (root / "params.yaml").write_text("speed: 1\n")
    (root / "in.json").write_text("{}\n")
    (root / ".gitignore").write_text("/two\nruns.log\ndvc.lock.*\n")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").touch()
    call(root, "git", "init", "--quiet")
    commit(root)
    assert repro(root) == ["first", "second", "report"]
    return root


@pytest.fixture
def pipeline(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; file times are kept."""
    return Path(shutil.copytree(finished, tmp_path / "pipeline"))


def commit(root: Path) -> None:
    call(root, "git", "add", "--all")
    call(root, "git", "commit", "--quiet", "--message", "all")


def test_a_lost_lock_comes_back_from_what_lies_here(pipeline: Path) -> None:
    before = (pipeline / "dvc.lock").read_text()
    (pipeline / "dvc.lock").unlink()
    said = mend.mend(pipeline)
    assert said == [f"{pipeline}/dvc.lock was missing; stages: 2 from what lies here, 1 to be run"]
    assert repro(pipeline) == ["report"]
    assert (pipeline / "dvc.lock").read_text() == before


def test_a_cut_lock_keeps_what_is_whole(pipeline: Path) -> None:
    lock = pipeline / "dvc.lock"
    before = lock.read_text()
    cut = before[: before.index("  report:") - 20]
    lock.write_text(cut)
    said = mend.mend(pipeline)
    assert "half-written (kept as dvc.lock.damaged)" in said[0]
    assert "stages: 1 from the file itself, 1 from what lies here, 1 to be run" in said[0]
    assert (pipeline / "dvc.lock.damaged").read_text() == cut
    lock.write_text("")  # once more: the first copy stays, and the last whole file is known by now
    assert mend.mend(pipeline)[0].endswith("2 from what lies here, 1 to be run")
    assert (pipeline / "dvc.lock.damaged").read_text() == cut
    assert (pipeline / "dvc.lock.damaged.1").read_text() == ""
    assert repro(pipeline) == ["report"] and lock.read_text() == before
    assert mend.mend(pipeline) == []  # keeps a copy
    lock.write_text("")
    assert mend.mend(pipeline)[0].endswith("3 from the last whole file, 0 to be run")
    assert repro(pipeline) == [] and lock.read_text() == before


def test_what_is_older_than_the_settings_is_not_taken(pipeline: Path) -> None:
    (pipeline / "dvc.lock").unlink()
    (pipeline / "params.yaml").write_text("speed: 2\n")
    assert mend.mend(pipeline)[0].endswith("1 from what lies here, 2 to be run")
    assert repro(pipeline) == ["first", "report"]


def test_what_was_recorded_of_other_settings_stays_stale(pipeline: Path) -> None:
    commit(pipeline)
    (pipeline / "params.yaml").write_text("speed: 2\n")
    (pipeline / "dvc.lock").unlink()
    assert mend.mend(pipeline)[0].endswith("3 from git's HEAD, 0 to be run")
    assert repro(pipeline) == ["first"]


def test_what_has_been_made_since_is_taken_from_here(pipeline: Path) -> None:
    commit(pipeline)
    (pipeline / "in.json").write_text('{"a": 1}\n')
    assert repro(pipeline) == ["first", "second", "report"]
    (pipeline / "dvc.lock").unlink()
    assert mend.mend(pipeline)[0].endswith("2 from what lies here, 1 to be run")
    assert repro(pipeline) == ["report"]


def test_an_edited_output_is_not_blessed(pipeline: Path) -> None:
    commit(pipeline)
    (pipeline / "one.json").write_text('{"edited": 1}\n')
    (pipeline / "dvc.lock").unlink()
    assert "git's HEAD" in mend.mend(pipeline)[0]
    assert repro(pipeline) == ["first"]


def test_a_link_of_a_broken_chain_is_not_taken(pipeline: Path) -> None:
    links = write_chain(pipeline, [[1], [2]], validation=[], initial=[0])
    stage = {"cmd": "exit 1", "deps": ["in.json"], "outs": []}
    for name in ("random",):
        stage["outs"].append({f"splits/toy/{name}/seed-0/round-1.txt": {"cache": False}})
    whole = {"stages": {**PIPELINE["stages"], "round": stage}}
    (pipeline / "dvc.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    (pipeline / "dvc.lock").unlink()
    assert mend.mend(pipeline)[0].endswith("3 from what lies here, 1 to be run")
    (pipeline / "dvc.lock").unlink()
    links[2].path.write_text(links[2].path.read_text().replace("total: 1", "total: 2"))
    assert mend.mend(pipeline)[0].endswith("2 from what lies here, 2 to be run")


def test_nothing_is_made_up_where_nothing_lies(pipeline: Path) -> None:
    commit(pipeline)
    for name in ("one.json", "two/model.json", "report.json", "dvc.lock"):
        (pipeline / name).unlink()
    assert mend.mend(pipeline) == []
    assert not (pipeline / "dvc.lock").exists()


def test_a_conflict_keeps_both_sides(pipeline: Path) -> None:
    commit(pipeline)
    lock = pipeline / "dvc.lock"
    common = lock.read_text()
    call(pipeline, "git", "checkout", "--quiet", "-b", "theirs")
    lock.write_text(common.replace("speed: 1", "speed: 7") + "  gone:\n" + entry_of(common))
    commit(pipeline)
    call(pipeline, "git", "checkout", "--quiet", "-")
    lock.write_text(common.replace("speed: 1", "speed: 8"))
    commit(pipeline)
    merged = subprocess.run(["git", "merge", "theirs"], cwd=pipeline, capture_output=True)
    assert merged.returncode and lockfile.conflicted(marked := lock.read_text())
    (said,) = mend.mend(pipeline)
    assert "conflict markers (kept as dvc.lock.conflict)" in said and "half" not in said
    assert said.endswith(
        "2 from both sides or the only one, 1 to be run; the sides differ in first"
    )
    assert (pipeline / "dvc.lock.conflict").read_text() == marked
    assert set(lockfile.load(lock.read_text())) == {"second", "report", "gone"}
    lock.write_text(marked.replace("speed: 8", "speed: 1"))
    call(pipeline, "git", "add", "dvc.lock")  # git's own copies of the sides are gone
    (said,) = mend.mend(pipeline)
    assert "stages: 1 from the side that lies here, 2 from both" in said and "differ" not in said
    assert repro(pipeline) == []


def entry_of(text: str) -> str:
    """The lines of the last entry."""
    return text[text.index("  report:\n") + len("  report:\n") :]


def test_entries_get_the_order_of_dvc_yaml(pipeline: Path) -> None:
    lock = pipeline / "dvc.lock"
    before = lock.read_text()
    entries = lockfile.load(before)
    lockfile.write(lock, entries, ["report", "second", "first"])
    assert lock.read_text() != before
    mend.main(["--root", str(pipeline)])
    assert lock.read_text() == before
    lockfile.write(lock, {"old@x": ENTRY, **entries}, ["old@x"])
    mend.main(["--root", str(pipeline)])
    assert list(lockfile.load(lock.read_text())) == ["first", "second", "report", "old@x"]


def test_what_dvc_says_of_a_broken_pipeline_is_one_line(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pipeline / "dvc.yaml").write_text("stages: 3\n")
    (pipeline / "dvc.lock").unlink()
    with pytest.raises(SystemExit, match="1"):
        mend.main(["--root", str(pipeline)])
    assert capsys.readouterr().err.startswith("error: DVC says: ")


@pytest.mark.parametrize("content", ["", '{"write": {"a', "[]", '{"write": {"a": {"pid": "x"}}}'])
def test_a_half_written_rwlock_is_removed(pipeline: Path, content: str) -> None:
    rwlock = pipeline / ".dvc/tmp/rwlock"
    rwlock.write_text(content)
    said = mend.mend(pipeline)
    assert len(said) == 1 and "rwlock was half-written" in said[0]
    assert repro(pipeline) == []


def test_the_dead_hold_nothing_and_the_living_are_named(pipeline: Path) -> None:
    rwlock = pipeline / ".dvc/tmp/rwlock"
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        holder = {"pid": sleeper.pid, "cmd": "dvc repro of somebody"}
        rwlock.write_text(json.dumps({"write": {"a": holder}, "read": {"b": [holder]}}))
        assert atwork.at_work(pipeline) == [f"process {sleeper.pid} (dvc repro of somebody)"]
        assert mend.mend(pipeline) == [] and rwlock.exists()
        with pytest.raises(SystemExit):
            mend.main(["--root", str(pipeline)])
        os.utime(rwlock, (1, 1))  # written before that process began: the number is used again
        assert atwork.at_work(pipeline) == []
    finally:
        sleeper.kill()
    os.utime(rwlock)
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        pass  # killed and not waited for: DVC takes it for alive
    assert atwork.at_work(pipeline) == []
    mend.mend(pipeline)
    assert not rwlock.exists()
    sleeper.wait()


def test_a_stage_without_its_dvc_is_waited_for(pipeline: Path) -> None:
    code = "import time; print('here', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code, "-m", "stages.round"]
    stage = subprocess.Popen(command, cwd=pipeline, stdout=subprocess.PIPE)
    try:
        stage.stdout.readline()
        assert atwork._program(["python", "-m", "stages.round", "--task"]) == (
            "python -m stages.round"
        )
        assert atwork.at_work(pipeline) == [f"process {stage.pid} (python -m stages.round)"]
        assert atwork.at_work(pipeline.parent) == []
    finally:
        stage.kill()
        stage.wait()


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ("/x/bin/python /x/bin/dvc repro -s a", "dvc repro"),
        ("python -m dvc --wait-for-lock repro", "dvc repro"),
        ("python -m dvc exp run -S a=1", "dvc exp run"),
        ("python -m dvc exp show", ""),
        ("python -m dvc status -q", ""),
        ("python -m dvc daemon analytics x", ""),
        ("python -m stages.verify", ""),
        ("vi dvc.lock", ""),
    ],
)
def test_who_writes(words: str, program: str) -> None:
    assert atwork._program(words.split()) == program


def test_two_at_once_wait_for_each_other(pipeline: Path) -> None:
    said: list[str] = []
    with atwork.alone(pipeline, said.append, lambda: False) as first:
        assert first
        with atwork.alone(pipeline, said.append, lambda: bool(said)) as second:
            assert not second
    assert said == [
        f"waiting for process {os.getpid()} (make repro), which is at work in this folder"
    ]
    with atwork.alone(pipeline, said.append, lambda: False) as third:
        assert third


def test_left_over_parts_of_files_are_removed(pipeline: Path) -> None:
    part, other = (pipeline / "splits/a" / name for name in (".round-1.txt.abc.part", "b.txt"))
    part.parent.mkdir(parents=True)
    part.touch(), other.touch()
    mend.mend(pipeline)
    assert not part.exists() and other.exists()


def test_a_bad_root_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="DVC says"):
        mend.mend(tmp_path)


def test_nobody_mends_while_a_study_grows(
    pipeline: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert atwork.growing(pipeline) == []
    with atwork.alone(pipeline, print, lambda: False):
        assert atwork.growing(pipeline) == [f"process {os.getpid()} (make repro)"]
        with pytest.raises(SystemExit):
            mend.main(["--root", str(pipeline)])
    assert "(make repro) is at work in this folder" in capsys.readouterr().err
    assert atwork.growing(pipeline) == []


def test_a_worker_whose_coordinator_was_killed_is_at_work(pipeline: Path) -> None:
    code = "import time; print('here', flush=True); time.sleep(600)"
    environment = {**os.environ, atwork.WORKER: str(pipeline)}
    worker = subprocess.Popen(
        [sys.executable, "-c", code], cwd=pipeline, env=environment, stdout=subprocess.PIPE
    )
    try:
        worker.stdout.readline()
        assert atwork.at_work(pipeline) == [f"process {worker.pid} (a worker of make repro)"]
    finally:
        worker.kill()
        worker.wait()

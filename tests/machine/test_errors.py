"""Whatever happens, a command line ends in lines that say what, and nothing is half-written."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from study import REPO, tree, write_params

from stages.machine import errors, files
from stages.machine.errors import UserError, command_line, one_line, shown


@command_line
def failing(error: BaseException) -> None:
    raise error


def said_by(error: BaseException, capsys) -> list[str]:
    with pytest.raises(SystemExit) as stop:
        failing(error)
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def test_each_fault_is_a_line(capsys):
    assert said_by(UserError("one", "two\nlines\tof it"), capsys) == [
        "error: one",
        "error: two lines of it",
    ]
    assert str(UserError("one", "two")) == "one; and two" and str(UserError("one")) == "one"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("what\nnobody\nforesaw"),
        MemoryError(),
        RecursionError("maximum recursion depth exceeded"),
        OSError(errno.ENOSPC, "No space left on device", "data/x.npy"),
        KeyError("x" * 100_000),
        AssertionError("\x1b[2J"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_foresaw_is_one_line_and_a_log(error, capsys, tmp_path, monkeypatch):
    (tmp_path / "artifacts").mkdir()
    monkeypatch.chdir(tmp_path)
    (said,) = said_by(error, capsys)
    kind = type(error).__name__
    assert said.startswith(f"error: unexpected {kind}: ")
    assert len(said) < 1300 and said.isprintable()
    head, _, log = said.rpartition("; traceback in ")
    assert head.endswith("this is a fault of aledger or of the machine")
    assert Path(log).parent == tmp_path / "artifacts/.logs"
    text = Path(log).read_text(encoding="utf-8")
    assert text.startswith("Traceback") and kind in text and "in failing" in text


def test_where_no_log_can_lie_here_it_lies_among_the_systems(capsys, tmp_path, monkeypatch):
    (tmp_path / "artifacts").write_text("a file where a folder should be")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (said,) = said_by(ValueError("x"), capsys)
    assert Path(said.rpartition("; traceback in ")[2]).parent == tmp_path


def test_where_nothing_can_be_written_the_line_still_comes(capsys, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.mkstemp", full)
    (said,) = said_by(ValueError("x"), capsys)
    assert said.endswith("its traceback could not be written: ALEDGER_TRACEBACK=1 shows it")


def test_whoever_asks_sees_the_traceback(monkeypatch):
    monkeypatch.setenv("ALEDGER_TRACEBACK", "1")
    with pytest.raises(ValueError, match="x"):
        failing(ValueError("x"))


def test_from_the_shell_what_nobody_foresaw_is_one_line(tmp_path):
    """A disk that fails while images are written, in a process of its own."""
    write_params(tmp_path, tree())
    code = (
        "import numpy, stages.prepare as stage\n"
        "def fail(*_, **__): raise RuntimeError('out of\\nsomething')\n"
        "numpy.save = fail\n"
        "stage.main(['--task', 'digits', '--root', '.'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: unexpected RuntimeError: out of something; this is a ")
    assert done.stderr.count("\n") == 1
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


RUNNABLE = [
    path
    for path in sorted(REPO.glob("stages/*.py"))
    if "\n    main()" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_every_command_line_is_guarded(path):
    assert "@command_line\ndef main(" in path.read_text(encoding="utf-8")


HOSTILE = [
    "",
    "../..",
    "/",
    "a\x1b[2J",
    "digits ",
    "9" * 5000,
    "-1",
    "1e9",
    "²",
    "\udcff",
    "x" * 300,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize(
    "option", ["--task", "--strategy", "--seed", "--root", "--round", "--next"]
)
def test_hostile_arguments_end_in_lines(option, value, tmp_path, capsys, monkeypatch):
    from stages.round import main

    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, tree())
    given = {"--task": "digits", "--strategy": "random", "--seed": "0", "--root": "."}
    given |= {"--round": "0", "--next": "1", option: value}
    with pytest.raises(SystemExit) as stop:
        main([f"{key}={text}" for key, text in given.items()])
    assert stop.value.code in (1, 2)  # 2: argparse, for what is no whole number
    said = capsys.readouterr().err
    assert "Traceback" not in said and "unexpected" not in said
    assert said.splitlines()[-1].split(": ")[0] in ("error", "python -m stages.round")
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        ["params.yaml"], ["artifacts", "params.yaml"]  # its locks
    )  # fmt: skip


def test_values_are_shown_short():
    assert shown("short") == "'short'"
    assert len(shown("x" * 1000)) <= 80 and shown("x" * 1000).startswith("'xxx")
    assert len(shown(10**400)) <= 80
    assert shown(10**6000) == "a number of more than 80 digits"
    assert len(shown([[1] * 50] * 50)) <= 80


def test_lines_hold_nothing_that_a_terminal_acts_on():
    assert one_line("a\n b\x1b[31m\u202e\x00é") == "a b\\x1b[31m\\u202e\\x00é"


def test_nearest_names_are_found_in_time_and_length():
    names = ["n" * 100_000, *(f"name_{n}" for n in range(5000))]
    said = errors.nearest("x" * 100_000, names)
    assert len(said) < 5000 and said.endswith("and 4901 more")
    assert errors.nearest("x", ["a\nb"]) == "allowed: a b"


# files


def broken(code: int):
    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("at", ["os.fsync", "os.replace", "tempfile.mkstemp", "pathlib.Path.mkdir"])
def test_a_disk_that_refuses_is_one_line_and_leaves_what_was_there(code, at, tmp_path, monkeypatch):
    path = tmp_path / "deep/x.json"
    files.write_text(path, "before\n")
    with monkeypatch.context() as patch:
        patch.setattr(at, broken(code))
        with pytest.raises(UserError) as raised:
            files.write_json(path, {"a": 1})
    assert str(raised.value) == f"{path}: cannot be written: {os.strerror(code)}"
    assert path.read_text() == "before\n"
    assert [found.name for found in path.parent.iterdir()] == ["x.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    """/dev/full in place of the temporary file: the kernel itself says that there is no space."""
    monkeypatch.setattr(
        "tempfile.mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "t"))
    )
    with pytest.raises(UserError, match=r"x.npy: cannot be written: No space left on device"):
        files.write_array(tmp_path / "x.npy", np.zeros(100_000))
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "data").write_text("x")
    with pytest.raises(UserError) as raised:
        files.write_text(tmp_path / "data/digits/x.json", "y")
    said = str(raised.value)
    assert said.startswith(f"{tmp_path / 'data/digits/x.json'}: cannot be written: ")
    assert f"{tmp_path / 'data'}" in said and "\n" not in said


def test_a_folder_where_a_file_should_be_is_named(tmp_path):
    (tmp_path / "x.json").mkdir()
    with pytest.raises(UserError, match=r"x.json: cannot be written: Is a directory"):
        files.write_text(tmp_path / "x.json", "y")
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("stage", ["prepare", "protocol", "split", "start"])
def test_every_early_stage_names_what_it_cannot_write(stage, study_copy, capsys, monkeypatch):
    import importlib

    main = importlib.import_module(f"stages.{stage}").main
    arguments = ["--task", "digits", "--root", str(study_copy)]
    arguments += ["--seed", "0"] if stage in ("split", "start") else []
    arguments += ["--strategy", "random"] if stage == "start" else []
    monkeypatch.setattr("os.replace", broken(errno.ENOSPC))
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"error: {study_copy}" in said
    assert said.endswith("cannot be written: No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_files_are_everybodys_to_read_and_not_a_temporary_files(tmp_path):
    files.write_text(tmp_path / "x", "y")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644

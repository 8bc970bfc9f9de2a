"""``verify --committed``: a folder is held against its commit, and nothing of it is ever run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from sealed import write_run, write_study
from study import REPO

from stages.checking import commit
from stages.machine.errors import UserError
from stages.verify import main


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    root = write_study(tmp_path_factory.mktemp("committed") / "study")
    (root / ".gitignore").write_text("*.npy\n")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "study")
    return root


@pytest.fixture
def root(model: Path, tmp_path: Path) -> Path:
    """A sound study in a repository of its own, committed."""
    shutil.copytree(model, tmp_path / "study", symlinks=True)
    return tmp_path / "study"


def run(root: Path, capsys) -> tuple[int, str, str]:
    """Exit code, stdout's last line, stderr of ``verify --committed``."""
    try:
        main(["--root", str(root), "--committed"])
        code = 0
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    return code, said.out.splitlines()[-1], said.err


def test_equal_to_the_commit(root, capsys):
    code, last, errors = run(root, capsys)
    assert (code, errors) == (0, "")
    assert last.startswith("index sets and records equal the committed ones, byte for byte (")
    tracked = git(root, "ls-files", "splits", "reports", "data", "params.yaml").splitlines()
    assert last.endswith(f"({len(tracked)} files)")


@pytest.mark.parametrize(
    "path",
    [
        "splits/toy/random/seed-0/round-end.txt",
        "reports/rounds/toy/random/seed-0/round-1.json",
        "reports/tuned/toy/hybrid/seed-0.json",
        "data/toy/manifest.json",
        "data/toy/protocol.json",
        "params.yaml",
    ],
)
def test_a_changed_file_fails(root, capsys, path):
    (root / path).write_bytes((root / path).read_bytes() + b" ")
    code, last, errors = run(root, capsys)
    assert code == 1 and f"{root / path}: DIFFERS from the committed one" in errors
    assert "DIFFER from the committed ones in 1 files" in last


def test_a_file_that_is_gone_or_no_file_fails(root, capsys):
    one, other = (root / f"reports/rounds/toy/random/seed-{seed}/round-1.json" for seed in (0, 1))
    one.unlink()
    other.rename(root / "elsewhere.json")
    other.symlink_to(root / "elsewhere.json")
    code, last, errors = run(root, capsys)
    assert code == 1 and f"{one}: is in the commit, but not here" in errors
    assert f"{other}: is a link" in errors and "in 2 files" in last


def test_a_new_run_is_noticed(root, capsys):
    write_run(root, "margin", 0)
    code, last, errors = run(root, capsys)
    assert code == 0 and "7 files are not in the commit, the first " in errors
    shutil.copytree(root / "reports/tuned/toy/hybrid", root / "reports/tuned/toy/margin")
    assert "9 files are not in the commit" in run(root, capsys)[2]


def test_without_a_repository_there_is_nothing_to_compare(root, capsys):
    shutil.rmtree(root / ".git")
    assert run(root, capsys)[:2] == (
        0,
        "no committed index sets to compare with (no git repository)",
    )


def test_without_a_commit_there_is_nothing_to_compare(root, capsys):
    shutil.rmtree(root / ".git")
    git(root, "init", "--quiet")
    assert run(root, capsys)[1].endswith("(no commit yet)")


def test_a_study_in_a_folder_of_a_repository(root, tmp_path, capsys):
    git(root, "mv", "splits", "reports", "data", "params.yaml", "-k", ".")
    outer = tmp_path / "outer"
    shutil.copytree(root, outer / "studies/mine", ignore=shutil.ignore_patterns(".git"))
    git(outer, "init", "--quiet")
    git(outer, "add", ".")
    git(outer, "commit", "--quiet", "-m", "studies")
    assert "equal the committed ones" in run(outer / "studies/mine", capsys)[1]
    os.remove(outer / "studies/mine/splits/toy/random/seed-0/round-end.txt")
    assert run(outer / "studies/mine", capsys)[0] == 1
    shutil.copytree(root, outer / "theirs", ignore=shutil.ignore_patterns(".git"))
    assert run(outer / "theirs", capsys)[1].endswith("(the commit has nothing of this study)")


def packed(root: Path, tmp_path: Path) -> Path:
    git(root, "gc", "--quiet")
    git(root, "pack-refs", "--all")
    assert not (root / ".git/refs/heads/main").exists()
    return root


def worktree(root: Path, tmp_path: Path) -> Path:
    git(root, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert (tmp_path / "tree/.git").is_file()
    return tmp_path / "tree"


def detached(root: Path, tmp_path: Path) -> Path:
    git(root, "checkout", "--quiet", "--detach")
    return root


def shallow(root: Path, tmp_path: Path) -> Path:
    git(root, "commit", "--quiet", "--allow-empty", "-m", "more")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", "clone")
    return tmp_path / "clone"


def shared(root: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", "--shared", str(root), "clone")
    assert (tmp_path / "clone/.git/objects/info/alternates").exists()
    return tmp_path / "clone"


def separate(root: Path, tmp_path: Path) -> Path:
    git(root, "init", "--quiet", f"--separate-git-dir={tmp_path / 'git'}")
    assert (root / ".git").is_file()
    return root


def linked(root: Path, tmp_path: Path) -> Path:
    (root / ".git").rename(tmp_path / "git")
    (root / ".git").symlink_to(tmp_path / "git")
    return root


@pytest.mark.parametrize("make", [packed, worktree, detached, shallow, shared, separate, linked])
def test_repositories_of_all_kinds(root, tmp_path, capsys, make):
    found = make(root, tmp_path)
    code, last, _ = run(found, capsys)
    assert code == 0 and "equal the committed ones" in last
    path = found / "splits/toy/random/seed-0/round-1.txt"
    path.write_text(path.read_text().replace("\n7\n", "\n47\n"))
    assert run(found, capsys)[0] == 1


def test_git_is_not_needed(root, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "equal the committed ones" in run(root, capsys)[1]


def test_nothing_that_the_repository_names_is_run(root, tmp_path, capsys):
    mark = tmp_path / "executed"
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.gitProxy",
        "filter.x.clean",
        "filter.x.smudge",
        "filter.x.process",
        "diff.external",
        "diff.x.textconv",
        "diff.x.command",
        "credential.helper",
        "gpg.program",
        "uploadpack.packObjectsHook",
        "remote.origin.uploadpack",
        "core.alternateRefsCommand",
    ):
        git(root, "config", key, str(program))
    git(root, "config", "remote.origin.url", f"ext::{program}")
    git(root, "config", "remote.origin.promisor", "true")
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/attributes").write_text("* filter=x diff=x\n")
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    (root / ".git/hooks").mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "pre-commit", "fsmonitor-watchman"):
        shutil.copy(program, root / ".git/hooks" / name)
    plain = (root / ".git/config").read_bytes()
    (root / ".git/config").write_bytes(plain + f"[include]\npath = {program}\n".encode())
    assert "equal the committed ones" in run(root, capsys)[1]
    path = root / "splits/toy/random/seed-0/round-1.txt"
    path.touch()
    assert run(root, capsys)[0] == 0
    path.write_text("x")
    assert run(root, capsys)[0] == 1
    assert not mark.exists()
    (root / ".git/config").write_bytes(plain)
    # The same repository does run the program when git looks at it.
    git(root, "status", "--porcelain")
    assert mark.exists()


def fifo(git_folder: Path, name: str) -> None:
    (git_folder / name).unlink(missing_ok=True)
    (git_folder / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(git_folder / name)


def head_tree(git_folder: Path) -> Path:
    """The loose object of HEAD's tree."""
    name = git(git_folder.parent, "rev-parse", "HEAD^{tree}").strip()
    return git_folder / "objects" / name[:2] / name[2:]


def bomb(git_folder: Path) -> None:
    path = head_tree(git_folder)
    path.chmod(0o644)
    packer = zlib.compressobj(1)
    with path.open("wb") as stream:
        stream.write(packer.compress(b"tree %d\0" % (1 << 30)))
        block = bytes(1 << 24)
        for _ in range(64):
            stream.write(packer.compress(block))
        stream.write(packer.flush())


def alternates(git_folder: Path) -> None:
    (git_folder / "objects/info").mkdir(exist_ok=True)
    (git_folder / "objects/info/alternates").write_text("../objects\n")


def replace_tree(git_folder: Path, content: bytes) -> None:
    path = head_tree(git_folder)
    path.chmod(0o644)
    path.write_bytes(content)


def in_itself(git_folder: Path) -> None:
    """A tree object that has itself as folder, under a name that is looked into."""
    path = head_tree(git_folder)
    name = bytes.fromhex(path.parent.name + path.name)
    body = b"40000 splits\0" + name
    replace_tree(git_folder, zlib.compress(b"tree %d\0" % len(body) + body))


def branching(git_folder: Path) -> None:
    """Forty folders in each other, each twice in the one above: 2^40 paths."""
    root, name = git_folder.parent, ""
    made = ["git", "-C", str(root), "mktree"]
    for _ in range(40):
        lines = "".join(f"040000 tree {name}\t{at}\n" for at in "ab") if name else ""
        name = subprocess.run(made, input=lines, capture_output=True, text=True).stdout.strip()
    top = subprocess.run(
        made, input=f"040000 tree {name}\tsplits\n", capture_output=True, text=True
    ).stdout.strip()
    git(root, "update-ref", "HEAD", git(root, "commit-tree", "-m", "bomb", top).strip())


HOSTILE = {
    "a tree of many branches": branching,
    "HEAD is a FIFO": lambda at: fifo(at, "HEAD"),
    "packed-refs is a FIFO": lambda at: fifo(at, "packed-refs"),
    "a pack is a FIFO": lambda at: fifo(at, "objects/pack/pack-0.idx"),
    "alternates is a FIFO": lambda at: fifo(at, "objects/info/alternates"),
    "HEAD is a device": lambda at: ((at / "HEAD").unlink(), (at / "HEAD").symlink_to("/dev/zero")),
    "HEAD is random": lambda at: (at / "HEAD").write_bytes(bytes(range(256)) * 100),
    "HEAD names itself": lambda at: (at / "HEAD").write_text("ref: HEAD\n"),
    "HEAD leads out": lambda at: (at / "HEAD").write_text("ref: ../../../../etc/passwd\n"),
    "HEAD names no object": lambda at: (at / "HEAD").write_text("0" * 40 + "\n"),
    "alternates in a circle": alternates,
    "no tree": lambda at: head_tree(at).unlink(),
    "a broken tree": lambda at: replace_tree(at, b"\x00" * 100),
    "a tree in itself": in_itself,
    "a tree of a gigabyte": bomb,
    "a broken pack": lambda at: (
        head_tree(at).unlink(),
        (at / "objects/pack/pack-1.idx").write_bytes(b"\xfftOc" * 99),
        (at / "objects/pack/pack-1.pack").write_bytes(b"PACK" * 99),
    ),
    "objects in a circle": lambda at: (
        shutil.rmtree(at / "objects"),
        (at / "objects").symlink_to("objects"),
    ),
    "commondir in a circle": lambda at: (at / "commondir").write_text("commondir\n"),
    "empty": lambda at: [shutil.rmtree(at), at.mkdir()],
    ".git is text": lambda at: [shutil.rmtree(at), at.write_text("hello\n")],
    ".git is a FIFO": lambda at: [shutil.rmtree(at), os.mkfifo(at)],
    ".git names itself": lambda at: [shutil.rmtree(at), at.write_text("gitdir: .git\n")],
    ".git is a loop": lambda at: [shutil.rmtree(at), at.symlink_to(".git")],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_repository_is_one_line(root, capsys, monkeypatch, name):
    monkeypatch.setattr(commit, "SECONDS", 20)
    HOSTILE[name](root / ".git")
    code, last, errors = run(root, capsys)
    assert "equal" not in last
    if code == 0:  # there is no commit to be wrong about
        assert name in ("HEAD names itself", "HEAD leads out", "HEAD is random", "empty"), last
        assert errors == "" and last.startswith("no committed index sets to compare with (")
    else:
        assert errors.startswith(f"error: {root / '.git'}: ") and errors.count("\n") == 1
        assert ("too deep" in errors) == (name == "alternates in a circle")
        assert ("in each other" in errors) == (name == "a tree of many branches")
        assert len(errors) < 600 and "Traceback" not in errors


def test_a_reader_that_takes_too_long_is_ended(root, monkeypatch):
    monkeypatch.setattr(commit, "SECONDS", 0.001)
    with pytest.raises(UserError, match="was not read in 0.001 seconds"):
        commit.compare(root)


def test_a_lacking_library_is_named(root, tmp_path):
    script = REPO / "stages/checking/head.py"
    code = "import sys; sys.modules['dulwich'] = None; sys.path.insert(0, sys.argv[1]); " \
        "import head; head.main(sys.argv[2], '', 10**9)"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code, str(script.parent), str(root / ".git")],
        capture_output=True,
        text=True,
    )
    assert "needs dulwich" in done.stdout

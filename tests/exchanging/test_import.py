"""What is imported is what the source says, whichever way it comes."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
from sources import INITIAL, QUERY, bring, contents, ledger_of, refused, tarred, zipped

from stages.exchanging import imports
from stages.exchanging.arrays import rows_of
from stages.machine.errors import UserError
from stages.study import imported, ledger
from stages.study.layout import Layout


@pytest.fixture
def source(tmp_path: Path, prepared_study: Path) -> Path:
    ledger_of(tmp_path / "theirs", prepared_study / "data/digits")
    return tmp_path / "theirs"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_ledger_comes_byte_for_byte(tmp_path, source, capsys):
    root = tmp_path / "here"
    bring(root, source)
    here = contents(root / "imported/theirs")
    said = json.loads(here.pop("source.json"))
    assert here == contents(source)
    assert said["seeds"] == [0, 1] and said["strategies"] == ["margin"]
    assert said["selections"] == 2 and said["task"] == "digits" and said["source"] == "theirs"
    assert "{use: replay, source: theirs}" in capsys.readouterr().out
    note = (root / "data/code/imported-theirs.digests").read_text().splitlines()
    assert len(note) == len(here) + 1
    for line in note:
        digest, path = line.split("  ")
        assert ledger.digest((root / path).read_bytes()) == digest


@pytest.mark.parametrize("top", ["", "theirs-main/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_an_archive_is_its_folder(tmp_path, source, kind, top):
    files = {f"{top}{name}": content for name, content in contents(source).items()}
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        zipped(path, files)
    else:
        tarred(path, files, mode=f"w:{kind[4:]}")
    bring(tmp_path / "here", path)
    here = contents(tmp_path / "here/imported/theirs")
    assert json.loads(here.pop("source.json"))["source"] == f"a.{kind}"
    assert here == contents(source)


def test_a_revision_of_a_repository(tmp_path, source):
    git(source, "init", "--quiet")
    git(source, "add", ".")
    git(source, "commit", "--quiet", "-m", "one")
    first, before = git(source, "rev-parse", "HEAD"), contents(source / "splits")
    (source / "splits/digits/margin/seed-0/round-1.txt").write_text("spoilt\n")
    git(source, "commit", "--quiet", "-am", "two")
    bring(tmp_path / "here", source, "--revision", "HEAD~1")
    here = tmp_path / "here/imported/theirs"
    assert contents(here / "splits") == before
    assert json.loads((here / "source.json").read_text())["commit"] == first
    bring(tmp_path / "here", f"file://{source}", "--revision", first, name="again")
    assert contents(tmp_path / "here/imported/again/splits") == before
    said = json.loads((tmp_path / "here/imported/again/source.json").read_text())
    assert said["source"] == "theirs"  # not where it lies


def test_a_repository_says_no_more_than_one_line(tmp_path, source, capsys):
    line = refused(capsys, tmp_path / "here", source, "--revision", "HEAD")
    assert "git cannot read it" in line
    line = refused(capsys, tmp_path / "here", "ext::sh -c touch% /tmp/x", "--revision", "HEAD")
    assert "git cannot read it" in line
    with pytest.raises(UserError, match="not the address of a git repository"):
        imports.bring(imports.Asked("--upload-pack=x.git", "theirs"), tmp_path / "here")


def test_accuracies_come_with_sealed_records(tmp_path, prepared_study):
    root = tmp_path / "theirs"
    parts = ledger_of(root, prepared_study / "data/digits", seeds=[0])[0]
    for n, labeled in enumerate((INITIAL, INITIAL + QUERY, INITIAL + 2 * QUERY)):
        record = {"format": 1, "task": "digits", "strategy": "margin", "seed": 0, "round": n}
        record |= {"labeled": labeled, "test": 10, "correct": n, "accuracy": n / 10}
        path = Layout(root).result("digits", "margin", 0, n)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    assert parts
    ledger_of(root, prepared_study / "data/digits", seeds=[0])  # sealed with the records now
    (root / "params.yaml").write_text("task: {digits: {model: {name: lenet}}}\n")
    bring(tmp_path / "here", root)
    said = json.loads((tmp_path / "here/imported/theirs/source.json").read_text())
    assert said["accuracies"] == {"margin": {"0": [0.0, 0.1, 0.2]}} and said["model"] == "lenet"
    assert not list((tmp_path / "here/imported").rglob("round-*.json"))  # nor their pictures


def test_a_record_that_was_changed_is_refused(tmp_path, prepared_study, capsys):
    test_accuracies_come_with_sealed_records(tmp_path, prepared_study)
    path = Layout(tmp_path / "theirs").result("digits", "margin", 0, 1)
    path.write_text(path.read_text().replace('"accuracy": 0.1', '"accuracy": 0.9'))
    line = refused(capsys, tmp_path / "other", tmp_path / "theirs")
    assert "round-1.json: changed after the run was sealed" in line


ROWS = {"validation": [3, 1], "initial": [10, 9, 8], "round-1": [20, 7], "round-10": [30, 31],
        "round-9": [5, 6]}  # fmt: skip


def lines(rows: list[int]) -> str:
    return "".join(f"{row}\n" for row in rows)


def links(root: Path, seed: int = 0, strategy: str = "imported") -> list[list[int]]:
    found = imported.find(root, "theirs").chain(seed)
    assert found.initial.header["strategy"] == "shared"
    assert {link.header["strategy"] for link in found.links} == {strategy}
    parts = [found.validation, found.initial, *found.links[1:]]
    return [link.indices.tolist() for link in parts]


def test_lists_one_file_a_round(study_copy, tmp_path):
    for name, rows in ROWS.items():
        path = tmp_path / "lists" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(lines(rows))
    bring(study_copy, tmp_path / "lists", "--task", "digits")
    assert links(study_copy) == [[3, 1], [10, 9, 8], [20, 7], [5, 6], [30, 31]]


def test_a_file_with_rounds(study_copy, tmp_path):
    text = "# initial\n1\n2\n\n# round 0\n5\n4\n\n\n7\n"
    (tmp_path / "all.txt").write_text(text)
    bring(study_copy, tmp_path / "all.txt", "--task", "digits", "--seed", "1", "--strategy", "mine")
    assert links(study_copy, 1, "mine") == [[], [1, 2], [5, 4], [7]]


def test_npy_files_and_folders_of_seeds(study_copy, tmp_path):
    for seed in (0, 3):
        folder = tmp_path / f"lists/seed-{seed}"
        folder.mkdir(parents=True)
        np.save(folder / "rounds.npy", np.arange(6, dtype=np.int32).reshape(3, 2) + seed)
    bring(study_copy, tmp_path / "lists", "--task", "digits")
    assert links(study_copy, 3) == [[], [3, 4], [5, 6], [7, 8]]
    assert imported.read(study_copy, "theirs").seeds == [0, 3]


def test_the_two_files_of_a_seed_must_be_of_one_folder(study_copy, tmp_path, capsys):
    for top in ("a", "b"):
        (tmp_path / f"lists/{top}/seed-0").mkdir(parents=True)
        (tmp_path / f"lists/{top}/seed-0/1.txt").write_text("1\n")
    line = refused(capsys, study_copy, tmp_path / "lists", "--task", "digits")
    assert "a/seed-0 and b/seed-0 are both of seed 0" in line
    bring(study_copy, tmp_path / "lists", "--task", "digits", "--inside", "a")


def object_file(rows: list, protocol: int = 4, module: str = "numpy.core.multiarray") -> bytes:
    """np.save of an object array, as old and new numpy write it."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": (len(rows),)}
    np.lib.format.write_array_header_1_0(stream, header)
    pickled = pickle.dumps(np.array(rows, dtype=object), protocol=protocol)
    old = b"numpy._core.multiarray"
    if protocol < 4:  # where names have no length
        pickled = pickled.replace(old, module.encode())
    return stream.getvalue() + pickled


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_object_arrays_are_read_without_numpy(protocol):
    rows = [5, np.int64(3), 1 << 40, np.uint8(7)]
    content = object_file(rows, protocol)
    assert rows_of(content, "lSet.npy", pickled=True).tolist() == [int(row) for row in rows]
    assert rows_of(content, "lSet.npy", pickled=True).dtype == np.int64


def torchal(folder: Path, sets: dict[str, list[int]], end: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in sets.items():
        (folder / f"{name}{end}.npy").write_bytes(object_file(rows, 2))


def test_files_of_torchal(study_copy, tmp_path):
    pool = [row for row in range(1438) if row not in (1, 2, 8, 9)]
    for k in (1, 2):
        sets = {"lSet": [9, 8], "uSet": pool, "valSet": [2, 1]}
        torchal(tmp_path / f"idx/partition_{k}", sets, "_CIFAR10")
    torchal(tmp_path / "idx/partition_1/episode_0", {"activeSet": [20, 10], "lSet": [9, 8, 20, 10]})
    torchal(tmp_path / "idx/partition_1/episode_1", {"activeSet": [30, 5]})
    bring(study_copy, tmp_path / "idx", "--task", "digits")
    assert links(study_copy, 1) == [[2, 1], [9, 8], [20, 10], [30, 5]]
    assert links(study_copy, 2) == [[2, 1], [9, 8]]


def test_episodes_alone_say_the_initial_set(study_copy, tmp_path):
    torchal(tmp_path / "run/episode_0", {"activeSet": [7, 6], "lSet": [3, 2, 7, 6]})
    torchal(tmp_path / "run/episode_1", {"activeSet": [1], "lSet": [3, 2, 7, 6, 1]})
    bring(study_copy, tmp_path / "run", "--task", "digits")
    assert links(study_copy) == [[], [3, 2], [7, 6], [1]]


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"lSet": [1, 2], "uSet": [2, 3]}, "row 2 is in the lSet too"),
        ({"lSet": [1], "uSet": [3], "valSet": [3]}, "row 3 is in the valSet too"),
        ({"lSet": [1, 4], "valSet": [4]}, "row 4 is in the validation set"),
        ({"uSet": [1]}, "there is no lSet beside it"),
        ({"lSet": [1, 2, 1]}, "row 1 was already taken"),
        ({"lSet": [1, -2]}, "a row number below 0"),
        ({"lSet": [1, 1438]}, "row 1438 is out of range"),
        ({"lSet": [1, "2"]}, "is no row number"),
        ({"lSet": [1, True]}, "is no row number"),
        ({"lSet": [1, [2, 3]]}, "is no row number"),
    ],
)
def test_files_of_torchal_that_contradict_themselves(study_copy, tmp_path, capsys, sets, message):
    torchal(tmp_path / "idx", sets)
    assert message in refused(capsys, study_copy, tmp_path / "idx", "--task", "digits")


def test_an_episode_must_add_what_it_says(study_copy, tmp_path, capsys):
    torchal(tmp_path / "run", {"lSet": [1, 2]})
    torchal(tmp_path / "run/episode_0", {"activeSet": [5], "lSet": [1, 2, 6]})
    line = refused(capsys, study_copy, tmp_path / "run", "--task", "digits")
    assert "episode_0/lSet.npy: not what was labeled before and the activeSet" in line


def test_what_must_be_chosen_is_asked_for(tmp_path, source, prepared_study, capsys):
    ledger_of(source, prepared_study / "data/digits", strategy="bald", task="other")
    here = tmp_path / "here"
    assert "several tasks here; say with --task" in refused(capsys, here, source)
    assert "did you mean 'digits'" in refused(capsys, here, source, "--task", "digit")
    line = refused(capsys, here, source, "--task", "other", "--strategy", "margin")
    assert "no strategy 'margin' here" in line
    bring(here, source, "--task", "other")
    line = refused(capsys, here, source, "--task", "other")
    assert "is there already; --replace" in line
    bring(here, source, "--task", "digits", "--replace")
    assert imported.find(here, "theirs").strategy == "margin"
    assert not list((here / "imported").glob(".*"))


def test_several_strategies_need_a_name(tmp_path, source, prepared_study):
    ledger_of(source, prepared_study / "data/digits", strategy="bald", seeds=[0, 1])
    bring(tmp_path / "here", source)
    with pytest.raises(Exception, match="several strategies, say which by 'of'"):
        imported.find(tmp_path / "here", "theirs")
    one = imported.find(tmp_path / "here", "theirs", "bald")
    other = imported.find(tmp_path / "here", "theirs", "margin")
    shared = imported.read(tmp_path / "here", "theirs")
    assert len({one.digest, other.digest, shared.digest}) == 3


def test_lists_of_no_data_are_refused(study_copy, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("1\n")
    assert "say not of which data" in refused(capsys, study_copy, tmp_path / "a.txt")
    line = refused(capsys, study_copy, tmp_path / "a.txt", "--task", "other")
    assert "manifest.json: missing" in line

"""Sources that bite: each ends in one line and exit code 1, and nothing is written."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sources import contents, ledger_of, refused, tarred, zipped
from test_import import object_file

from stages.exchanging import archives
from stages.exchanging.arrays import rows_of
from stages.machine.errors import UserError

NAMES = ["../up.txt", "a/../../up.txt", "/etc/up.txt", "a\\up.txt", "C:/up.txt", "a\x1b[31m.txt",
         "a\n.txt", "a/" * 20 + "deep.txt", "x" * 300 + ".txt"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_in_archives_that_lead_elsewhere(tmp_path, capsys, name):
    here = tmp_path / "here"
    here.mkdir()
    files = {"splits/a/seed-0/initial.txt": b"1\n", name: b"1\n"}
    line = refused(capsys, here, tarred(tmp_path / "a.tar", files, mode="w:"))
    assert "is no name that a file here may have" in line
    if "\\" not in name:  # zipfile turns them round where it writes
        line = refused(capsys, here, zipped(tmp_path / "a.zip", files))
        assert "is no name that a file here may have" in line
    assert not list(tmp_path.rglob("up.txt"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_members_of_a_tar_that_are_no_files(tmp_path, capsys, kind):
    member = tarfile.TarInfo("splits/a/seed-0/initial.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    line = refused(capsys, tmp_path / "here", tarred(tmp_path / "a.tgz", {}, member))
    assert "is a link" in line or "is no plain file" in line


def test_a_link_in_a_zip(tmp_path, capsys):
    info = zipfile.ZipInfo("splits/a/seed-0/initial.txt")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert "is a link, no file" in refused(capsys, tmp_path / "here", tmp_path / "a.zip")


@pytest.mark.parametrize("what", ["link", "fifo"])
def test_a_folder_is_not_followed_out_of_itself(tmp_path, capsys, what):
    folder = tmp_path / "source/splits/digits/seed-0"
    folder.mkdir(parents=True)
    if what == "link":
        (folder / "initial.txt").symlink_to("/etc/hostname")
    else:
        os.mkfifo(folder / "initial.txt")
    line = refused(capsys, tmp_path / "here", tmp_path / "source")
    assert ("is a link" if what == "link" else "is a FIFO") in line


def test_bombs(tmp_path, capsys, monkeypatch):
    here, zeros = tmp_path / "here", bytes(1 << 25)
    path = zipped(tmp_path / "ratio.zip", {"a.txt": zeros})
    assert "times as many" in refused(capsys, here, path)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"ustar" + zeros, 9))
    assert "unpack to more than" in refused(capsys, here, tmp_path / "a.tar.gz")
    monkeypatch.setattr(archives, "MOST_FILES", 20)
    path = zipped(tmp_path / "many.zip", {f"{at}.txt": b"1\n" for at in range(30)})
    assert "more than 20 files" in refused(capsys, here, path)
    path = tarred(tmp_path / "many.tar", {f"{at}.txt": b"1\n" for at in range(30)}, mode="w:")
    assert "more than 20 files" in refused(capsys, here, path)
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 16)
    noise = os.urandom(1 << 15)
    path = tarred(tmp_path / "a.tar", {f"{at}.npy": noise for at in range(3)}, mode="w:")
    assert f"larger than {1 << 16} bytes" in refused(capsys, here, path)
    path = zipped(tmp_path / "b.zip", {f"{at}.txt": b"1\n" * 12000 for at in range(3)})
    assert "more than 0 MiB in all" in refused(capsys, here, path)


def test_a_zip_that_lies_about_a_size(tmp_path, capsys):
    content = zipped(tmp_path / "a.zip", {"a.txt": b"1\n" * 5000}).read_bytes()
    for size in (2, 1 << 31):
        lied = content.replace(struct.pack("<L", 10_000), struct.pack("<L", size))
        (tmp_path / "b.zip").write_bytes(lied)
        line = refused(capsys, tmp_path / "here", tmp_path / "b.zip")
        assert "damaged zip" in line or "times as many" in line


def test_the_same_name_twice(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning):
        for _ in range(2):
            archive.writestr("splits/a/seed-0/initial.txt", "1\n")
    assert "holds splits/a/seed-0/initial.txt twice" in refused(
        capsys, tmp_path / "here", tmp_path / "a.zip"
    )


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ", b""])
def test_damaged_archives(tmp_path, capsys, start):
    (tmp_path / "a.zip").write_bytes(start + b"\0" * 40)
    assert "a.zip: a damaged" in refused(capsys, tmp_path / "here", tmp_path / "a.zip")


class Runs:
    """A pickle of it calls os.system when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch /tmp/aledger-was-here",)


def npy(pickled: bytes, shape: tuple[int, ...] = (1,)) -> bytes:
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + pickled


HOSTILE = {
    "a call": pickle.dumps(Runs()),
    "a call in an array": object_file([1])[128:].replace(b"K\x01a", b"cos\nsystem\n(S'true'\ntRa"),
    "eval": b"cbuiltins\neval\n(S'1'\ntR.",
    "getattr of ours": b"cstages.exchanging.arrays\nrows_of\n.",
    "numpy's loader": b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
    "numpy's runner": b"cnumpy.testing\nrunstring\n.",
    "a file": b"cnumpy\nmemmap\n(S'/tmp/aledger-was-here'\ntR.",
    "instance": b"(S'true'\nios\nsystem\n.",
    "an extension": b"\x82\x01.",
    "a persistent name": b"Pthing\n.",
    "a stand-in changed": b"cnumpy\ndtype\n}S'numpy'\nI5\nsb.",
    "another one changed": b"c_codecs\nencode\n(N}S'x'\nI5\nstb.",
    "huge memory": b"\x80\x04r\xff\xff\xff\x7f.",
    "huge bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\x00\x00.",
    "huge shape": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    b"(I1\n(I999999999999\ntcnumpy\ndtype\n(S'i8'\ntRI00\nC\x00tb.",
    "cut": object_file([1, 2])[128:-5],
    "nothing": b"",
    "deep": b"(" * 100_000 + b"l." * 3,
    "itself": b"]q\x00h\x00a.",
    "a list": pickle.dumps([1, 2, 3]),
    "text": pickle.dumps(np.array(["1"], dtype=object)),
    "floats": pickle.dumps(np.array([1.0], dtype=object)),
    "float numbers": pickle.dumps(np.array([np.float64(1)], dtype=object)),
    "more than it says": object_file([1, 2])[128:],
}


@pytest.mark.parametrize("what", HOSTILE)
def test_pickles(tmp_path, study_copy, capsys, what):
    (tmp_path / "lSet.npy").write_bytes(npy(HOSTILE[what]))
    line = refused(capsys, study_copy, tmp_path / "lSet.npy", "--task", "digits")
    assert "lSet.npy: not a .npy file of row numbers" in line or "a pickle of something" in line
    assert not Path("/tmp/aledger-was-here").exists()


def test_stand_ins_stay_as_they_are():
    content = object_file([1, np.int64(2)], 2)
    for bad in HOSTILE.values():
        with pytest.raises(UserError):
            rows_of(npy(bad), "a.npy", pickled=True)
    assert rows_of(content, "a.npy", pickled=True).tolist() == [1, 2]


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(np.array([1, 2], object)), "an array of objects, which is a pickle"),
        (saved(np.array([[1, -2]])), "a row number below 0"),
        (saved(np.array([1.5])), "an array of float64; allowed: integers"),
        (saved(np.array(["1"])), "allowed: integers"),
        (saved(np.array([True])), "allowed: integers"),
        (saved(np.array([1], "M8[s]")), "allowed: integers"),
        (saved(np.array([2**63], np.uint64)), "beyond all data sets"),
        (saved(np.zeros((2, 2, 2), int)), "allowed: one or two sides"),
        (saved(np.array(5)), "allowed: one or two sides"),
        (saved(np.arange(4))[:-3], "it holds 29 bytes"),
        (saved(np.arange(4)).replace(b"(4,)", b"(9,)"), "its header says 9 numbers"),
        (saved(np.arange(4)).replace(b"(4,), }    ", b"(4**9**9,)}"), "not a .npy file"),
        (saved(np.arange(4)).replace(b"(4,), }          ", b"(9999999999999,)}"), "30000000 rows"),
        (saved(np.arange(4)).replace(b"(4,), }  ", b"(-4,), } "), "its header says -4 numbers"),
        (b"\x93NUMPY\x09\x00" + bytes(90), "version 1 to 3"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(90), "not a .npy file"),
        (b"", "not a .npy file"),
    ],
)
def test_arrays(tmp_path, study_copy, capsys, content, message):
    (tmp_path / "round-1.npy").write_bytes(content)
    line = refused(capsys, study_copy, tmp_path / "round-1.npy", "--task", "digits")
    assert "round-1.npy: " in line and message in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\n1\n", "row 1 was already taken"),
        ("1\n\n2\n\n1\n", "row 1 was already taken in an earlier round"),
        ("1\n-2\n", "a.txt:2: '-2' is not a row number"),
        ("1\n1438\n", "row 1438 is out of range"),
        ("1\n99999999999999999999999\n", "a.txt:2: '99999999999999999999999' is not a row"),
        ("1\n\x1b[2J\n", "a.txt:2: '\\x1b[2J' is not a row number"),
        ("1\n2.0\n", "is not a row number"),
        ("1\n٣\n", "not a text file of plain ASCII"),
        ("# nothing\n", "holds no row numbers"),
        ("1\x00\n", "is not a row number"),
    ],
)
def test_lists(tmp_path, study_copy, capsys, text, message):
    (tmp_path / "a.txt").write_text(text)
    assert message in refused(capsys, study_copy, tmp_path / "a.txt", "--task", "digits")


@pytest.fixture
def source(tmp_path, prepared_study) -> Path:
    ledger_of(tmp_path / "theirs", prepared_study / "data/digits", seeds=[0])
    return tmp_path / "theirs"


BILLION = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("params.yaml", BILLION, "more than 100000 values, aliases written out"),
        ("params.yaml", "a: !!python/object/apply:os.system ['true']\n", "tag"),
        ("params.yaml", "[" * 100 + "]" * 100, "levels"),
        ("params.yaml", "a" * 300_000, "larger than"),
        ("params.yaml", "task: {digits: {model: {name: \"a\\e[2J\"}}}", "U+001B"),
        ("data/digits/manifest.json", "[" * 100_000, "not valid JSON"),
        ("data/digits/manifest.json", "{}", "not a manifest"),
        ("data/digits/manifest.json", '{"name": 1e999}', "not valid JSON"),
    ],
)  # fmt: skip
def test_settings_and_manifests_of_others(tmp_path, source, capsys, name, text, message):
    (source / name).parent.mkdir(parents=True, exist_ok=True)
    (source / name).write_text(text)
    line = refused(capsys, tmp_path / "here", source)
    assert message in line and name in line and "aledger-" not in line


def test_a_manifest_of_other_data(tmp_path, source, prepared_study, capsys):
    text = (prepared_study / "data/digits/manifest.json").read_text()
    path = source / "data/digits/manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        text.replace('"digest": "', '"digest": "0').replace('8",\n "train"', '",\n "train"')
    )
    assert "is about digits sha256:0" in refused(capsys, tmp_path / "here", source)


LINK = "splits/digits/margin/seed-0/round-1.txt"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (LINK, "# strategy: margin", "# strategy: \x1b[2Jmargin", "strategy is "),
        (LINK, "# parent: round-0.txt", "# parent: ../../../../../etc/passwd", "is not '<file>"),
        (LINK, "# count: 6", "# count: 999999999999", "its header says 999999999999"),
        (LINK, "# rows: 1438", "# rows: 999999999999999999", "rows is "),
        (LINK, "# total: 18", "# total: 19", "total is 19"),
        (LINK, "# task: digits", "# task: ../up", "task is '../up'"),
        (LINK, "# format: aledger 1", "# format: aledger 2", "first line must be"),
        (LINK, "\n# round: 1", "\n# round: 1\n# round: 1", "stands there twice"),
        ("splits/digits/seed-0/initial.txt", "# count: 12", "# count: 13", "its header says 13"),
    ],
)
def test_links(tmp_path, source, capsys, name, old, new, message):
    for last in ("round-2.txt", "round-end.txt"):  # which would say first that it has changed
        (source / LINK).with_name(last).unlink()
    text = (source / name).read_text()
    assert old in text
    (source / name).write_text(text.replace(old, new, 1))
    line = refused(capsys, tmp_path / "here", source)
    assert message in line and "aledger-" not in line


def test_headers_that_agree_and_are_no_names(tmp_path, capsys, prepared_study):
    """A chain that is sound by itself, with a terminal's commands in what it says of its data."""
    from study import write_chain

    root = tmp_path / "bad"
    bad = "dig\x1b[31mits sha256:" + "0" * 64
    write_chain(root, [[5]], validation=[], initial=[1], task="digits", strategy="a", data=bad)
    line = refused(capsys, tmp_path / "here", root)
    assert "header data holds a control character" in line
    for task, strategy in (("a b", "x"), ("full", "x"), ("x", "con;rm")):
        other = tmp_path / f"{task}{strategy}"
        write_chain(other, [[5]], validation=[], initial=[1], task=task, strategy=strategy)
        assert "cannot be a name here" in refused(capsys, tmp_path / "here", other)


@pytest.mark.parametrize("name", ["../up", "a/b", "", "full", "seed-1", "a" * 65, "\x1b[2J", "."])
def test_names_of_imports(tmp_path, source, capsys, name):
    line = refused(capsys, tmp_path / "here", source, f"--name={name}")
    assert "--name: " in line and "cannot be a name" in line


def test_what_lies_beside_the_links(tmp_path, source, capsys):
    (source / "splits/digits/margin/seed-0/notes.txt").write_text("hello\n")
    assert "not part of the run" in refused(capsys, tmp_path / "here", source)


def test_a_run_of_another_folder(tmp_path, source, capsys):
    (source / "splits/digits/margin").rename(source / "splits/digits/entropy")
    line = refused(capsys, tmp_path / "here", source)
    assert "says strategy 'margin', lies in entropy" in line


def test_a_source_that_is_nothing(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "no index sets here" in refused(capsys, tmp_path / "here", tmp_path / "empty")
    assert "missing" in refused(capsys, tmp_path / "here", tmp_path / "nowhere")
    assert contents(tmp_path / "empty") == {}

"""Index files: what is written is read back, and what is wrong is named with file and line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study import DATA, write_chain

from stages.machine import files
from stages.machine.errors import UserError
from stages.study import ledger

ROWS = 60


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[int], list[int], list[list[int]]]:
    """A validation set, an initial set and selections: disjoint, in any order."""
    order = draw(st.permutations(range(ROWS)))
    cuts = sorted(draw(st.lists(st.integers(0, ROWS), min_size=3, max_size=6)))
    parts = [list(order[a:b]) for a, b in zip([0, *cuts], cuts, strict=False)]
    return parts[0], parts[1], parts[2:]


@pytest.fixture
def chain(tmp_path: Path) -> list[ledger.Link]:
    return write_chain(tmp_path, [[7, 3, 9], [30, 20, 10]], validation=[40, 41], initial=[5, 1])


def write_one(path: Path, indices: list[int], **changes: object) -> ledger.Link:
    header = {
        "data": DATA,
        "rows": ROWS,
        "task": "toy",
        "strategy": "random",
        "seed": 0,
        "round_n": 0,
        "parent": None,
        "total": len(indices),
    }
    return ledger.write(path, np.array(indices, np.int64), **{**header, **changes})


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@given(chains())
def test_any_disjoint_sets_read_back_in_order(tmp_path_factory, sets):
    validation, initial, selections = sets
    links = write_chain(
        tmp_path_factory.mktemp("chain"),
        selections,
        rows=ROWS,
        validation=validation,
        initial=initial,
    )
    walked = ledger.walk(links[-1].path)
    assert walked.validation.indices.tolist() == validation
    assert walked.labeled.tolist() == initial + [row for part in selections for row in part]
    assert [link.indices.tolist() for link in walked.links[1:-1]] == selections
    assert walked.sealed
    assert walked.links[-1].total == len(walked.labeled)
    for link in links:
        assert ledger.read(link.path).digest == link.digest


@given(chains())
def test_the_same_sets_give_the_same_bytes_anywhere(tmp_path_factory, sets):
    validation, initial, selections = sets
    seals = [
        write_chain(
            tmp_path_factory.mktemp("chain"),
            selections,
            rows=ROWS,
            validation=validation,
            initial=initial,
        )[-1].digest
        for _ in range(2)
    ]
    assert seals[0] == seals[1]


def test_numpy_reads_the_files(chain):
    by_numpy = np.loadtxt(chain[3].path, dtype=np.int64)
    assert by_numpy.tolist() == [7, 3, 9] == chain[3].indices.tolist()


def test_a_file_is_header_lines_and_one_integer_a_line(chain):
    lines = chain[3].path.read_text().split("\n")
    assert lines[:3] == ["# format: aledger 1", f"# data: {DATA}", "# rows: 50"]
    assert lines[7] == f"# parent: round-0.txt sha256:{chain[2].digest}"
    assert lines[8:] == ["# count: 3", "# total: 5", "7", "3", "9", ""]


def test_parents_are_named_relative_to_the_file(chain):
    assert chain[2].header["parent"].startswith("../../seed-0/initial.txt sha256:")


def test_an_unfinished_chain_can_be_walked(chain):
    walked = ledger.walk(chain[3].path)
    assert not walked.sealed
    assert walked.labeled.tolist() == [5, 1, 7, 3, 9]


def test_large_rows_keep_their_value(tmp_path):
    link = write_one(tmp_path / "a.txt", [2**40, 0], rows=2**41)
    assert link.indices.tolist() == [2**40, 0]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("\n3\n", "\n7\n", 12, "row 7 was already taken in an earlier line"),
        ("\n3\n", "\n50\n", 12, "row 50 is out of range (the data set has 50 rows)"),
        ("\n3\n", "\n-3\n", 12, "'-3' is not a row number"),
        ("\n3\n", "\n3.0\n", 12, "'3.0' is not a row number"),
        ("\n3\n", "\n03\n", 12, "'03' is not a row number"),
        ("\n3\n", "\n\n", 12, "'' is not a row number"),
        ("\n3\n", "\n# note\n", 12, "'# note' is not a row number"),
        ("\n3\n", "\n3 # mine\n", 12, "'3 # mine' is not a row number"),
        ("\n3\n", "\n", None, "holds 2 indices, its header says 3"),
        ("count: 3", "count: 4", None, "holds 3 indices, its header says 4"),
        ("count: 3", "count: x", None, "header count: 'x' is not a number"),
        ("# format: aledger 1\n", "", None, "first line must be '# format: aledger 1'"),
        ("aledger 1", "aledger 2", None, "first line must be '# format: aledger 1'"),
        ("# total: 5\n", "", None, "header lacks total"),
        ("# rows: 50\n", "# rows: 50\n# rows: 50\n", 4, "rows stands there twice"),
        ("# total: 5\n", "# total: 5\n# note: x\n", None, "header has format, data, rows"),
        ("# rows: 50\n# task: toy\n", "# task: toy\n# rows: 50\n", None, "header has format"),
        ("rows: 50", "rows: 050", None, "header rows: '050' is not a number"),
        ("seed: 0", "seed: 00", None, "header seed: '00' is not a number"),
        ("seed: 0", "seed: -1", None, "header seed: '-1' is not a number"),
        ("round: 1", "round: one", None, "header round: 'one' is no round"),
        ("# total: 5\n", "# total: 5\n# tuned: {}\n", None, "allowed: in the first link"),
        ("\n9\n", "\n9", None, "half-written (no newline at the end)"),
        ("9", "\u0669", None, "not a text file of plain ASCII"),
    ],
)
def test_a_fault_within_one_file_is_named(chain, old, new, line, message):
    path = chain[3].path
    rewrite(path, old, new)
    with pytest.raises(UserError) as fault:
        ledger.read(path)
    place = f"{path}:{line}: " if line else f"{path}: "
    assert str(fault.value).startswith(place)
    assert message in str(fault.value)


def test_line_ends_of_another_system_are_refused(chain):
    path = chain[3].path
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(UserError, match=re.escape(str(path))):
        ledger.read(path)


@pytest.mark.parametrize("kept", [0, 1, 30, 120, 200])
def test_a_half_written_file_is_refused(chain, kept):
    path = chain[3].path
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=re.escape(str(path))):
        ledger.read(path)


def test_a_missing_link_is_named(chain):
    chain[3].path.unlink()
    with pytest.raises(UserError, match=re.escape(f"{chain[3].path}: missing link")):
        ledger.walk(chain[-1].path)


def test_an_edited_link_is_named_by_its_successor(chain):
    rewrite(chain[3].path, "\n3\n", "\n4\n")
    with pytest.raises(UserError, match=r"round-1\.txt: changed after round-2\.txt was written"):
        ledger.walk(chain[-1].path)


def forge(links: list[ledger.Link], name: int | str, indices: list[int], **changes) -> Path:
    """A link on top of ``links`` whose own digests are right."""
    path = links[-1].path.parent / f"round-{name}.txt"
    total = links[-1].total + len(indices)
    return write_one(
        path,
        indices,
        **{"rows": 50, "round_n": name, "parent": links[-1], "total": total, **changes},
    ).path


@pytest.mark.parametrize(
    ("indices", "line", "message"),
    [
        ([25, 3], 12, "row 3 was already taken in an earlier round"),
        ([25, 1], 12, "row 1 was already taken in an earlier round"),
        ([41, 25], 11, "row 41 is in the validation set"),
    ],
)
def test_a_row_of_an_earlier_set_is_named(chain, indices, line, message):
    path = forge(chain[:5], 3, indices)
    with pytest.raises(UserError) as fault:
        ledger.walk(path)
    assert str(fault.value).startswith(f"{path}:{line}: {message}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "other sha256:" + "0" * 64}, "data is 'other sha256:"),
        ({"rows": 51}, "rows is '51'"),
        ({"task": "elsewhere"}, "task is 'elsewhere'"),
        ({"strategy": "entropy"}, "strategy is 'entropy'"),
        ({"seed": 1}, "seed is '1'"),
        ({"round_n": 4}, "round 4 cannot follow round 2"),
        ({"round_n": "initial"}, "round initial cannot follow round 2"),
        ({"total": 9}, "total is 9, the chain holds 10"),
        ({"round_n": "end"}, "a seal holds no indices"),
    ],
)
def test_a_header_that_disagrees_with_the_parent_is_named(chain, changes, message):
    path = forge(chain[:5], 3, [25, 26], **changes)
    with pytest.raises(UserError) as fault:
        ledger.walk(path)
    assert str(fault.value).startswith(f"{path}: {message}")


def test_nothing_can_follow_a_seal(chain):
    path = forge(chain, 3, [25])
    with pytest.raises(UserError, match="round 3 cannot follow round end"):
        ledger.walk(path)


def test_a_chain_must_begin_with_the_shared_sets(tmp_path):
    path = write_one(tmp_path / "round-0.txt", []).path
    with pytest.raises(UserError, match="does not begin with a validation and an initial set"):
        ledger.walk(path)


@pytest.mark.parametrize(
    "named",
    [
        "round-0.txt",
        "sha256:" + "0" * 64,
        "/etc/x sha256:" + "0" * 64,
        "a/../b sha256:" + "0" * 63,
        "../../../seed-0/initial.txt sha256:" + "0" * 64,
        "../seed-0/initial.txt sha256:" + "0" * 64,
        "../../seed-0/round-0.txt sha256:" + "0" * 64,
        "",
    ],
)
def test_an_odd_parent_line_is_refused(chain, named):
    path = chain[3].path
    text = path.read_text().split("\n")
    text[7] = f"# parent: {named}"
    path.write_text("\n".join(text))
    with pytest.raises(UserError, match=re.escape(f"{path}: parent ")):
        ledger.walk(path)


def test_a_failing_writer_leaves_no_file(tmp_path):
    def fail(stream):
        stream.write(b"half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        files.write_atomically(tmp_path / "new.txt", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "a.txt", "old\n")

    def fail(stream):
        stream.write(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(tmp_path / "a.txt", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old\n"


def test_written_files_are_readable_by_everybody(tmp_path):
    files.write_text(tmp_path / "deep" / "a.txt", "x\n")
    assert (tmp_path / "deep" / "a.txt").stat().st_mode & 0o777 == 0o644


def test_json_refuses_what_json_has_no_word_for(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"nll": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_never_pickled(tmp_path):
    with pytest.raises(ValueError):
        files.write_array(tmp_path / "a.npy", np.array([object()]))
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_be_as_long_as_its_rows_need(tmp_path):
    path = write_one(tmp_path / "round-0.txt", list(range(9)), rows=9).path
    content = path.read_bytes()
    path.write_bytes(content + b"7\n" * 40_000)
    with pytest.raises(UserError, match="larger than 65554 bytes, more than its rows need"):
        ledger.read(path)
    every = np.arange(200_000)
    link = ledger.write(
        tmp_path / "round-1.txt", every, data=DATA, rows=200_000, task="toy", strategy="random",
        seed=0, round_n=1, parent=None, total=200_000,
    )  # fmt: skip
    assert link.path.stat().st_size > 1 << 20 and np.array_equal(link.indices, every)


def test_a_long_header_is_no_reason_to_read_on(tmp_path):
    path = tmp_path / "round-0.txt"
    path.write_bytes(b"# data: " + b"x" * 200_000 + b"\n# rows: 999999999\n")
    with pytest.raises(UserError, match="larger than 65536 bytes"):
        ledger.read(path)

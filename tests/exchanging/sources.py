"""Sources of index sets for the tests: a grown study, lists, archives, and files that bite."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from study import write_chain

from stages import exchange
from stages.datasets.prepared import Prepared

SEEDS = (0, 1)
INITIAL, QUERY, ROUNDS = 12, 6, 3


def ledger_of(
    root: Path, data: Path, *, task: str = "digits", strategy: str = "margin", seeds=SEEDS
) -> dict[int, list[list[int]]]:
    """Sealed runs about the prepared ``data`` that nobody trained for; what they selected."""
    prepared, found = Prepared(data), {}
    for seed in seeds:
        rows = np.random.default_rng(seed + 70).permutation(prepared.rows)
        parts = np.split(rows[: 5 + INITIAL + 2 * QUERY], [5, 5 + INITIAL, 5 + INITIAL + QUERY])
        lists = [part.tolist() for part in parts]
        write_chain(
            root,
            lists[2:],
            validation=lists[0],
            initial=lists[1],
            rows=prepared.rows,
            task=task,
            strategy=strategy,
            seed=seed,
            data=prepared.identity,
        )
        found[seed] = lists
    return found


def bring(root: Path, source: Path | str, *more: str, name: str = "theirs") -> None:
    """``python -m stages.exchange import`` in this process."""
    exchange.main(["import", str(source), "--name", name, "--root", str(root), *more])


def refused(capsys: pytest.CaptureFixture[str], root: Path, source: Path | str, *more: str) -> str:
    """The one line that refuses a source; nothing was written."""
    before = sorted(root.rglob("*"))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        bring(root, source, *more)
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert ended.value.code == 1 and not said.out
    assert len(lines) == 1 and lines[0].startswith("error: ") and "unexpected" not in lines[0]
    assert lines[0].isprintable() and len(lines[0]) < 600
    assert sorted(root.rglob("*")) == before
    return lines[0]


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], *odd: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    """A tar archive, with members that are no files."""
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in odd:
            archive.addfile(member)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

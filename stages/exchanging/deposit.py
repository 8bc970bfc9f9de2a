"""A deposit: a sound study's files, what describes them, and a zip of the same bytes always."""

from __future__ import annotations

import io
import itertools
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

import stages
from stages.checking import plan
from stages.checking.study import Study
from stages.exchanging import anonymous, crate, croissant, listed, metadata
from stages.farm import lockfile
from stages.farm.without_dvc import Stage, stages_of
from stages.machine.errors import UserError
from stages.machine.files import write_atomically
from stages.machine.reading import read_json, read_regular, shown
from stages.reporting import checklists
from stages.study import ledger
from stages.study.layout import Layout
from stages.study.settings import Settings, load

CODE = Path(stages.__file__).resolve().parents[1]
MOST = 1 << 30
FILES = ("params.yaml", "dvc.yaml", "dvc.lock", "pyproject.toml", "requirements.lock",
         "CITATION.cff", "LICENSE", "README.md")  # fmt: skip
FOLDERS = ("imported", "reports", "splits", "data/code", "data/recipes")
OF_DATA = ("manifest.json", "protocol.json")
ARRAYS = tuple(f"{part}_{kind}.npy" for part in ("train", "test") for kind in ("images", "labels"))
LEFT_OUT = {"__pycache__"}
MANIFEST = "manifest-sha256.txt"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
README = """This is a deposit of a deep active-learning study, written by aledger.

    python check.py

checks all of it without a network (Python 3.10 or newer, NumPy): index sets, seals, results, counts,
tables and fingerprint. Index sets are in splits/ and index_sets.csv, results in reports/ and
results.csv, the report in reports/report.md. ro-crate-metadata.json describes every stage that ran,
croissant.json the tables, checklists.md what reviewers ask; licenses.md says what may be used how.

To run one run again and compare it byte for byte (in an environment of requirements.lock; the stage
prepare may fetch the data):

    python -m stages.prepare --task {task}
    python -m stages.chain --task {task} --strategy {strategy} --seed {seed} --root again --inputs .
    diff -r again/splits/{task}/{strategy}/seed-{seed} splits/{task}/{strategy}/seed-{seed}
    diff -r again/reports/rounds/{task}/{strategy}/seed-{seed} reports/rounds/{task}/{strategy}/seed-{seed}
"""  # noqa: E501


@dataclass(frozen=True)
class Asked:
    """How a deposit is to be.

    Attributes:
        profile: version of Workflow Run RO-Crate.
        anonymous: without names of people, machines, folders and repositories.
        data: with the prepared arrays, as their licenses permit.
    """

    profile: str = crate.PROFILE
    anonymous: bool = False
    data: bool = False


def export(root: Path, target: Path, asked: Asked) -> int:
    """Write the deposit of the study in ``root``; gives the number of files.

    Raises:
        UserError: the study has faults, or the deposit cannot be anonymous, or not be written.
    """
    crate.check_profile(asked.profile)
    study = load(root / "params.yaml")
    _check(root)
    files = dict(gather(root, study, asked.data))
    if asked.anonymous:
        files = anonymous.scrubbed(files, anonymous.known(root, CODE))
    files = described(root, study, files, asked)
    if asked.anonymous:
        anonymous.check(files, anonymous.known(root, CODE))
    write_atomically(target, lambda stream: stream.write(zipped(files)))
    return len(files)


def _check(root: Path) -> None:
    found = Study(root, plan.read(root / "params.yaml")).check()
    if found.faults:
        raise UserError(
            f"the study has {len(found.faults)} faults (python -m stages.verify --list), the first:"
            f" {shown(found.faults[0])}"
        )
    if not found.fingerprints:
        raise UserError("the study has no finished run")


def gather(root: Path, study: Settings, data: bool) -> Iterator[tuple[str, bytes]]:
    """The study's own files, by path; where it brings no code, this package's."""
    for name in FILES:
        path = root / name
        if not path.is_file() and name not in ("params.yaml", "dvc.lock"):
            path = CODE / name
        if path.is_file():
            yield name, read_regular(path, MOST, follow=True)
    code = root if (root / "stages").is_dir() else CODE
    docs = root if (root / "docs").is_dir() else CODE
    places = [(code, "stages"), (docs, "docs")]
    places += [(root, name) for name in (*FOLDERS, *study.code)]
    for top, folder in places:
        for path in _files(top / folder):
            yield path.relative_to(top).as_posix(), read_regular(path, MOST)
    for task in study.tasks:
        for name in (*OF_DATA, *(ARRAYS if data else ())):
            path = root / "data" / task / name
            if path.is_file():
                yield f"data/{task}/{name}", read_regular(path, MOST, follow=True)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in LEFT_OUT for part in parts)
        if path.is_file() and not path.is_symlink() and not hidden and path.suffix != ".part":
            yield path


def described(
    root: Path, study: Settings, files: dict[str, bytes], asked: Asked
) -> dict[str, bytes]:
    """The files of a study, and beside them those that describe them."""
    first = (study.tasks[0], study.strategies[0], study.seeds[0])
    names = dict(zip(("task", "strategy", "seed"), first, strict=True))
    sets, results, seals = listed.tables(files)
    fingerprint = ledger.digest(listed.as_seals(seals).encode())
    made = files | {
        "index_sets.csv": sets,
        "results.csv": results,
        "data.csv": listed.data(files, study),
        "seals.txt": listed.as_seals(seals).encode(),
        "check.py": read_regular(Path(__file__).with_name("check.py"), MOST),
        "DEPOSIT.md": README.format(**names).encode(),
    }
    about = metadata.about(files, asked.anonymous)
    made["CITATION.cff"] = metadata.citation(about, fingerprint)
    made["codemeta.json"] = metadata.codemeta(about)
    made["licenses.md"] = metadata.licenses(files, study, about)
    made["checklists.md"] = _checklists(root, study, files)
    made["croissant.json"] = croissant.croissant(made, study, about, fingerprint)
    ran = _ran(root, made)
    lock = files.get("dvc.lock", b"").decode("utf-8", "replace")
    entries = lockfile.load(lock) or {} if lock else {}
    made[crate.NAME] = crate.crate(
        crate.Material(root, study, made, ran, entries, about, asked.profile)
    )
    lines = [f"{ledger.digest(content)}  {name}\n" for name, content in sorted(made.items())]
    made[MANIFEST] = "".join(lines).encode()
    return made


def _checklists(root: Path, study: Settings, files: dict[str, bytes]) -> bytes:
    """What reviewers ask, with the times that this machine still has."""
    layout, seconds, runs = Layout(root), [], set()
    for task, strategy, seed in itertools.product(study.tasks, study.strategies, study.seeds):
        for item in study.rounds:
            path = layout.seconds(task, strategy, seed, item.n)
            if path.is_file():
                seconds.append(sum(read_json(path).values()))
                runs.add((task, strategy, seed))
    manifests = {task: listed.manifest(files, task) for task in study.tasks}
    compute = checklists.Compute(len(seconds), sum(seconds), len(runs)) if seconds else None
    found = checklists.markdown(checklists.items(study, manifests, compute))
    return f"# Checklists\n\n{found}\n".encode()


def _ran(root: Path, files: dict[str, bytes]) -> list[Stage]:
    """Stages of dvc.yaml that have left all that git would hold of them."""
    pipeline = root / "dvc.yaml" if (root / "dvc.yaml").is_file() else CODE / "dvc.yaml"
    folders = {parent for name in files for parent in _parents(name)}
    try:
        every = stages_of(root, pipeline).values()
    except yaml.YAMLError as error:
        raise UserError(f"{pipeline}: not valid YAML ({error})") from None
    return [
        stage
        for stage in every
        if stage.kept and all(out in files or out in folders for out in stage.kept)
    ]


def _parents(name: str) -> Iterator[str]:
    while name := os.path.dirname(name):
        yield name


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of ``files``: sorted, of one time, and stored, since packers differ."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, content)
    return stream.getvalue()

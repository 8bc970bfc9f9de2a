"""Check every index set under splits/: ``python -m stages.verify [--root .] [--committed]``.

Needs numpy alone, so a stranger can check somebody else's index sets without installing the rest.
Every fault is named with file and line; exit code 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from stages import ledger
from stages.errors import UserError, command_line


@dataclass
class Findings:
    """What a walk over splits/ found."""

    fingerprints: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def verify(root: Path) -> Findings:
    """Walk every chain under ``root``/splits.

    Returns:
        the fingerprint (SHA-256 of the seal) of every sound chain, and a line for each fault.

    Raises:
        UserError: there are no index sets at all.
    """
    splits = root / "splits"
    folders = sorted({path.parent for path in splits.glob("**/*.txt")})
    if not folders:
        raise UserError(f"{splits}: no index sets here")
    found = Findings()
    for folder in folders:
        try:
            if (folder / "initial.txt").exists() or (folder / "validation.txt").exists():
                _check_shared(folder, root)
            else:
                key = folder.relative_to(splits).as_posix()
                found.fingerprints[key] = _check_run(folder, root)
        except UserError as fault:
            found.faults.append(str(fault))
    found.faults += _different_data(root, found.fingerprints)
    found.faults = list(dict.fromkeys(found.faults))
    return found


def _check_shared(folder: Path, root: Path) -> None:
    initial = ledger.read(folder / "initial.txt")
    validation = ledger.read(folder / "validation.txt")
    ledger.check_shared(validation, initial)
    said = Path(initial.header["task"], f"seed-{initial.header['seed']}")
    if folder.relative_to(root / "splits") != said:
        raise UserError(f"{initial.path}: its header belongs under splits/{said}")
    for path in sorted(folder.iterdir()):
        if path not in (initial.path, validation.path):
            raise UserError(f"{path}: not part of the shared sets")


def _check_run(folder: Path, root: Path) -> str:
    seal = folder / "round-end.txt"
    if not seal.exists():
        raise UserError(f"{folder}: no seal (round-end.txt): the run is not finished")
    chain = ledger.walk(seal)
    expected = {link.path.name for link in chain.links}
    for path in sorted(folder.iterdir()):
        if path.name not in expected:
            raise UserError(f"{path}: not part of the sealed chain")
    _check_place(chain, folder, root)
    return chain.links[-1].digest


def _check_place(chain: ledger.Chain, folder: Path, root: Path) -> None:
    """The folders' names must say what the header says."""
    header = chain.links[-1].header
    said = Path(header["task"], header["strategy"], f"seed-{header['seed']}")
    if folder.relative_to(root / "splits") != said:
        raise UserError(f"{chain.links[-1].path}: its header belongs under splits/{said}")
    shared = root / "splits" / header["task"] / f"seed-{header['seed']}"
    if chain.initial.path.resolve() != (shared / "initial.txt").resolve():
        raise UserError(f"{chain.links[0].path}: does not start from {shared / 'initial.txt'}")


def _different_data(root: Path, runs: dict[str, str]) -> list[str]:
    """Chains of one task must be about one data set: the manifest's, where there is one."""
    faults: list[str] = []
    known: dict[str, tuple[Path, str]] = {}
    for run in runs:
        link = ledger.read(root / "splits" / run / "round-end.txt")
        task, data = link.header["task"], link.header["data"]
        path, expected = known.setdefault(task, _manifest(root, task) or (link.path, data))
        if data != expected:
            faults.append(f"{link.path}: data set is {data!r}, {path} says {expected!r}")
    return faults


def _manifest(root: Path, task: str) -> tuple[Path, str] | None:
    """What the task's manifest says of the data set, if the manifest is here."""
    path = root / "data" / task / "manifest.json"
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_text())
        return path, f"{manifest['name']} sha256:{manifest['digest']}"
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a manifest") from None


def differs_from_commit(root: Path) -> list[str] | None:
    """Files under splits/ that differ from git's HEAD; None where there is no commit to compare."""
    command = ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all", "splits"]
    tracked = ["git", "-C", str(root), "ls-tree", "-r", "--name-only", "HEAD", "splits"]
    try:
        known = subprocess.run(tracked, capture_output=True, text=True, check=True).stdout
        status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [line[3:] for line in status.splitlines()] if known.strip() else None


def _say_committed(root: Path) -> None:
    changed = differs_from_commit(root)
    if changed is None:
        print("no committed index sets to compare with")
    elif changed:
        print(
            f"index sets DIFFER from the committed ones in {len(changed)} files, "
            f"the first {changed[0]}"
        )
    else:
        print("index sets equal the committed ones, byte for byte")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.verify", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds splits/")
    parser.add_argument("--committed", action="store_true", help="also compare with git's HEAD")
    parser.add_argument("--list", action="store_true", help="print each chain's fingerprint")
    options = parser.parse_args(arguments)
    found = verify(options.root)
    for fault in found.faults:
        print(f"error: {fault}", file=sys.stderr)
    if options.list:
        for run, fingerprint in found.fingerprints.items():
            print(f"{fingerprint}  {run}")
    print(f"{len(found.fingerprints)} chains are sound, {len(found.faults)} faults")
    if options.committed:
        _say_committed(options.root)
    if found.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

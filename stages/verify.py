"""Check a study: ``python -m stages.verify [--root .] [--params FILE] [--committed] [--list]``.

Every index set under splits/ and every record under reports/rounds is held against its neighbours,
the manifest of its data, and the settings (default: ROOT/params.yaml, else NAME.yaml beside the
folder NAME). Each fault is one line; exit code 1 if there is any. Nothing of the folder is imported
or executed. Needs numpy; PyYAML for settings, dulwich for --committed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from stages.checking import commit, plan
from stages.checking.study import Findings, Study
from stages.machine.errors import UserError, command_line
from stages.machine.reading import shown

MOST_LINES = 40


def verify(root: Path, params: Path | None = None) -> Findings:
    """Check the study in ``root``.

    Args:
        params: its settings; None: those that :func:`stages.checking.plan.find` finds.

    Raises:
        UserError: there are no index sets at all.
    """
    path, known, faults = params or plan.find(root), None, []
    if path is not None:
        try:
            known = plan.read(path)
        except UserError as fault:
            faults.append(str(fault))
    study = Study(root, known)
    if not (study.splits.runs or study.splits.stray or study.splits.faults):
        raise UserError(f"{study.splits.top}: no index sets here")
    found = study.check()
    found.faults = faults + found.faults
    if known is None:
        found.notices.insert(
            0,
            f"{root}: checked without settings, so a run, a seed or a round may be missing; "
            f"give them with --params",
        )
    return found


def _print(lines: Sequence[str], word: str, everything: bool) -> None:
    most = len(lines) if everything else MOST_LINES
    for line in lines[:most]:
        print(f"{word}: {shown(' '.join(line.split()), 400)}", file=sys.stderr)
    if len(lines) > most:
        print(f"{word}: ... and {len(lines) - most} more (--list: all)", file=sys.stderr)


def _compare(root: Path, found: Findings) -> str:
    """Compare with the commit, add what differs to ``found``, and sum up in a line."""
    try:
        compared = commit.compare(root)
    except UserError as fault:
        found.faults.append(str(fault))
        return "index sets and records could NOT be compared with the committed ones"
    if compared.none:
        return f"no committed index sets to compare with ({compared.none})"
    found.faults += compared.faults
    if compared.new:
        found.notices.append(
            f"{len(compared.new)} files are not in the commit, the first {compared.new[0]}"
        )
    if compared.faults:
        return (
            f"index sets or records DIFFER from the committed ones in {len(compared.faults)} files"
        )
    return (
        f"index sets and records equal the committed ones, byte for byte ({compared.equal} files)"
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.verify",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of the study")
    parser.add_argument("--params", type=Path, help="its settings")
    parser.add_argument("--committed", action="store_true", help="also compare with git's HEAD")
    parser.add_argument("--list", action="store_true", help="fingerprints, and all lines")
    options = parser.parse_args(arguments)
    found = verify(options.root, options.params)
    compared = _compare(options.root, found) if options.committed else None
    _print(found.faults, "error", options.list)
    _print(found.notices, "notice", options.list)
    if options.list:
        for run, fingerprint in found.fingerprints.items():
            print(f"{fingerprint}  {run}")
    print(
        f"{len(found.fingerprints)} chains are sound, {found.records} records agree, "
        f"{len(found.faults)} faults"
    )
    if compared:
        print(compared)
    if found.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""What a run was made from that was grown without DVC: ``artifacts/.grown`` says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.farm import runs
from stages.farm.runs import Run
from stages.machine.errors import UserError
from stages.machine.files import write_json
from stages.machine.reading import read_json
from stages.study import ledger, settings
from stages.study.layout import Layout

FORMAT = 1


def digests(layout: Layout, run: Run) -> dict[str, str]:
    """SHA-256 of a run's inputs by their path in the study.

    Raises:
        UserError: one is missing; DVC makes it.
    """
    try:
        found = {path: _digest(path) for path in runs.inputs(layout, run)}
    except OSError as error:
        raise UserError(
            f"{error.filename}: missing; run dvc repro recipes prepare protocol split, once"
        ) from None
    return {path.relative_to(layout.root).as_posix(): value for path, value in found.items()}


def finished(study: settings.Settings, layout: Layout, run: Run, said: dict[str, Any]) -> list[str]:
    """Digests of the links that were grown from today's inputs and lie here unchanged, in order."""
    task, strategy, seed = run
    found = []
    following = [0, *(item.next for item in study.rounds)]
    for n, expected in zip(following, _known(layout, run, said), strict=False):
        path = layout.link(task, strategy, seed, n)
        carried = layout.artifacts(task, strategy, seed, n) / "carry.npz"
        if not path.exists() or not carried.exists() or _digest(path) != expected:
            break
        found.append(expected)
    return found


def done_in_full(layout: Layout, run: Run, said: dict[str, Any]) -> bool:
    """The same of the run that is trained on everything."""
    result, known = layout.full_result(run[0], run[2]), _known(layout, run, said)
    return bool(known) and result.exists() and known == [_digest(result)]


def _known(layout: Layout, run: Run, said: dict[str, Any]) -> list[str]:
    """What a note says was done from the same inputs."""
    try:
        found = read_json(layout.grown(*run))
    except UserError:
        return []
    same = all(found.get(key) == said[key] for key in ("format", "inputs"))
    done = found.get("done")
    return done if same and isinstance(done, list) else []


def note(layout: Layout, run: Run, said: dict[str, Any], written: Path) -> None:
    """Write down that ``written`` is done."""
    said["done"].append(_digest(written))
    write_json(layout.grown(*run), said)


def _digest(path: Path) -> str:
    return ledger.digest(path.read_bytes())


def vouches(study: settings.Settings, layout: Layout, run: Run) -> bool:
    """Whether a note says that all of a run was grown from what lies here, and lies here so."""
    try:
        said = {"format": FORMAT, "inputs": digests(layout, run)}
    except UserError:
        return False  # an input is missing
    if run[1] is None:
        return done_in_full(layout, run, said)
    return len(finished(study, layout, run, said)) == len(study.rounds) + 1

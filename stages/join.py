"""Take finished runs from other clones or folders: ``python -m stages.join [A B ...]``.

Each run comes from the place that has finished it; one that is finished here stays. A run counts
if its chain and records are sound, its data, recipe and protocol are those of this folder, and
dvc.lock or the note of ``stages.chain`` there vouches for it; else a line says what differs. A run
that two places have finished differently is a conflict: nothing changes for it. Either ends with
exit code 1, after all others were taken. Without a place, runs that were grown here by
``stages.chain`` are taken into dvc.lock.

Ledger files, records, and weights as far as they are there (in the folder, or in its DVC cache) are
copied, dvc.lock gets each stage's entry from its owner, and the report is made once all is there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from stages import mend, recipes
from stages.checking import plan
from stages.farm import adopt, atwork, runs
from stages.farm.places import Place, difference
from stages.farm.runs import Run
from stages.machine.errors import UserError, command_line
from stages.study import settings

QUICK = ("recipes", "prepare", "protocol", "split")


@dataclass
class Joined:
    """What comes of a join.

    Attributes:
        owners: run -> the place that it is taken from.
        here: runs that were finished and recorded here.
        faults: a line for each thing that was refused.
        missing: runs that nobody has finished.
    """

    owners: dict[Run, Place] = field(default_factory=dict)
    here: list[Run] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    missing: list[Run] = field(default_factory=list)


class Join:
    """The decision whose run is whose; nothing is written.

    Args:
        commands: what dvc.yaml runs for each stage.
    """

    def __init__(self, here: Place, others: list[Place], commands: dict[str, str]) -> None:
        self.here, self.others, self.commands = here, others, commands
        self.inputs: dict[str, bytes] = {}  # by path: ours, else the first that was taken
        self.found = Joined()

    def decide(self) -> Joined:
        """Look at every run of the study in every place."""
        for run in runs.all_runs(self.here.study):
            self.inputs |= self.here.given(run)
        for run in runs.all_runs(self.here.study):
            self._decide(run)
        self.found.faults = list(dict.fromkeys(self.found.faults))
        return self.found

    def _decide(self, run: Run) -> None:
        mine = self.here.sealed(run) and not self._unvouched(self.here, run)
        owners = [self.here] if mine and not self.here.faults(run) else []
        for place in self.others:
            if place.sealed(run):
                if reason := self._refused(place, run):
                    self.found.faults.append(f"{place.name}: {reason}")
                else:
                    owners.append(place)
        if not owners:
            self.found.missing.append(run)
            return
        first = owners[0].contents(run)
        for other in owners[1:]:
            if path := _unequal(first, other.contents(run)):
                self.found.faults.append(
                    f"{runs.label(run)}: finished differently in {owners[0].name} and "
                    f"{other.name} ({path}); nothing changed for it"
                )
                return
        if owners[0] is self.here and self._recorded(self.here, run):
            self.found.here.append(run)
        else:
            self.found.owners[run] = owners[0]
        self.inputs |= {**owners[0].given(run), **self.inputs}

    def _refused(self, place: Place, run: Run) -> str:
        """Why a run of another place is not taken; empty if it is."""
        for path, content in place.given(run).items():
            if path in self.inputs and self.inputs[path] != content:
                return f"other inputs: {difference(self.inputs[path], content, path)}"
        if faults := place.faults(run):
            return faults[0]
        return self._unvouched(place, run)

    def _unvouched(self, place: Place, run: Run) -> str:
        if self._recorded(place, run) or place.noted(run):
            return ""
        names = runs.stages_of(self.here.study, run)
        reasons = (place.recorded(name, self.commands.get(name, "")) for name in names)
        return f"{runs.label(run)}: nobody vouches for it: {next(filter(None, reasons))}"

    def _recorded(self, place: Place, run: Run) -> bool:
        names = runs.stages_of(self.here.study, run)
        return not any(place.recorded(name, self.commands.get(name, "")) for name in names)


def _unequal(left: dict[str, bytes], right: dict[str, bytes]) -> str:
    """The first path in which two places differ."""
    return next((path for path in left if left[path] != right.get(path)), "")


def join(root: Path, places: list[Path]) -> Joined:
    """Join what ``places`` have finished into the study under ``root``.

    Raises:
        UserError: bad settings, a place that is no folder, or a dvc.lock that is damaged.
    """
    study = settings.load(root / "params.yaml")
    wanted = plan.read(root / "params.yaml")
    for folder in ("reports/tuned", "data/code"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    recipes.recipes(study, root)
    here = Place(root, study, wanted, "this folder")
    others = [Place(path, study, wanted) for path in places if path.resolve() != root.resolve()]
    commands = adopt.commands(root)
    found = Join(here, others, commands).decide()
    found.faults += adopt.adopt(here, others, found.owners)
    return found


def _sum_up(root: Path) -> None:
    """The stages that take seconds, and the report."""
    command = [sys.executable, "-m", "dvc", "repro", "-q", "-s", *QUICK, "report"]
    if subprocess.run(command, cwd=root).returncode:
        raise UserError("dvc repro: the report could not be made; what was joined stays")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.join",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("places", type=Path, nargs="*", help="clones or folders")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    if others := atwork.at_work(options.root):
        raise UserError(f"{others[0]} is at work in this folder; wait for it, or end it")
    found = join(options.root, options.places)
    for run, place in found.owners.items():
        print(f"{runs.label(run)}: from {place.name}")
    missing = len(found.missing)
    print(
        f"{len(found.owners)} runs joined, {len(found.here)} were here"
        + (f"; nobody has finished {missing}, make repro grows them" if missing else "")
    )
    if found.owners and not missing and not found.faults:
        _sum_up(options.root)
    mend.tidy(options.root)
    if found.faults:
        raise UserError(*found.faults)


if __name__ == "__main__":
    main()

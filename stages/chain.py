"""Grow one run from start to seal in this process, without DVC: ``python -m stages.chain``.

For machines that share no scheduler: nothing but this run's own files is written, so any number of
runs may grow at once, in one folder or each in its own (``--inputs`` names the study then).
`python -m stages.join` takes finished runs into dvc.lock. A run that was interrupted goes on after
its last finished round, if that was grown from what lies here now: `artifacts/.grown` says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from stages import full, protocol, recipes, round, start
from stages.farm import grown, runs
from stages.farm.runs import Run
from stages.machine.errors import command_line
from stages.machine.process import leave
from stages.machine.reading import MissingFile
from stages.study import settings
from stages.study.layout import Layout

# Beside a run's own inputs.
LIGHT = ("params.yaml", "data/recipes", "data/code", "reports/tuned", "imported")


def chain(study: settings.Settings, root: Path, run: Run) -> int:
    """Grow ``run`` (strategy None: train on everything); the number of stages that ran.

    Raises:
        UserError: bad settings, or an input that is missing; SystemExit: a stage has failed, and
            has said why.
    """
    task, strategy, seed = run
    study.check_names(task, strategy, seed)
    layout = Layout(root)
    said = {"format": grown.FORMAT, "inputs": grown.digests(layout, run), "done": []}
    protocol.check(study, root, task)
    if strategy is None:
        recipes.check_stage(layout, "full")
    else:
        recipes.check(study, layout, strategy)
    names = ["--root", str(root), "--task", task, "--seed", str(seed)]
    if strategy is None:
        if grown.done_in_full(layout, run, said):
            return 0
        full.main(names)
        grown.note(layout, run, said, layout.full_result(task, seed))
        return 1
    names += ["--strategy", strategy]
    done = grown.finished(study, layout, run, said)
    if not done:
        recipes.check_stage(layout, "start")
        start.main(names)
        grown.note(layout, run, said, layout.link(task, strategy, seed, 0))
    said["done"] = done or said["done"]
    ahead = study.rounds[max(len(done) - 1, 0) :]
    for item in ahead:
        round.main([*names, "--round", str(item.n), "--next", str(item.next)])
        grown.note(layout, run, said, layout.link(task, strategy, seed, item.next))
    return len(ahead) + (not done)


def furnish(study_root: Path, root: Path, run: Run) -> None:
    """Give a folder of its own what ``run`` needs of a study; arrays are linked to, not copied."""
    for path in [study_root / name for name in LIGHT] + runs.inputs(Layout(study_root), run):
        target = root / path.relative_to(study_root)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        elif path.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        elif path.name == "params.yaml":
            raise MissingFile(f"{path}: missing")
    for path in Layout(study_root).data(run[0]).glob("*.npy"):
        target = root / path.relative_to(study_root)
        if not os.path.lexists(target):
            target.symlink_to(path.resolve())


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.chain", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--strategy", required=True, help="'full': train on everything")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--inputs", type=Path, help="copy what is needed from this study to --root")
    options = parser.parse_args(arguments)
    strategy = None if options.strategy == "full" else options.strategy
    run = (options.task, strategy, options.seed)
    if options.inputs is not None:
        furnish(options.inputs, options.root, run)
    study = settings.load(options.root / "params.yaml")
    count = chain(study, options.root, run)
    print(f"{runs.label(run)}: {count} stages ran" if count else f"{runs.label(run)}: was finished")


if __name__ == "__main__":
    main()
    leave()

"""Write a script that grows a study on a cluster: ``python -m stages.plan slurm``.

One array task grows one run, from start to seal, by ``python -m stages.chain``: without DVC, so
that tasks share nothing that anybody writes. With DVC, every task would write dvc.lock after every
stage, under a lock over a file system whose locks are often not to be trusted. Afterwards
``python -m stages.join`` takes what has been grown into dvc.lock, once.

By default the tasks write into this folder, which all nodes must see. ``--folders DIR`` gives each
run a folder of its own under DIR instead; then ``python -m stages.join DIR/*``.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from stages import recipes
from stages.checking import plan
from stages.farm import adopt, grown, runs
from stages.farm.places import Place
from stages.farm.runs import Run
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_text
from stages.study import settings

MOST_TASKS = 1000  # Slurm's MaxArraySize is 1001 unless somebody has changed it
FORBIDDEN = ("\n", "\r", "\0")

SCRIPT = """\
#!/usr/bin/env bash
# Written by `python -m stages.plan slurm`: {count} runs, {each}.
# Submit it with `sbatch {name}`; run a failed task again with `sbatch --array=N {name}`.
#SBATCH --job-name=aledger
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cpus}
#SBATCH --output={logs}
{extra}set -uo pipefail
cd {root}
export OMP_NUM_THREADS={cpus}
runs=(
{runs}
)
failed=0
for ((at = SLURM_ARRAY_TASK_ID; at < ${{#runs[@]}}; at += {tasks})); do
    read -r task strategy seed <<< "${{runs[at]}}"
    {python} -m stages.chain --task "$task" --strategy "$strategy" --seed "$seed"{place} || failed=1
done
exit "$failed"
"""


def missing(study: settings.Settings, root: Path) -> list[Run]:
    """Runs that are to be grown: not recorded in dvc.lock as they lie here, and not grown since.

    Raises:
        UserError: what all runs start from is not there.
    """
    recipes.recipes(study, root)
    here = Place(root, study, plan.read(root / "params.yaml"))
    commands = adopt.commands(root)
    found = []
    for run in runs.all_runs(study):
        names = runs.stages_of(study, run)
        recorded = not any(here.recorded(name, commands.get(name, "")) for name in names)
        if not (here.sealed(run) and (recorded or here.noted(run))):
            grown.digests(here.layout, run)
            found.append(run)
    return found


def slurm(
    wanted: list[Run],
    root: Path,
    name: str,
    *,
    threads: int,
    folders: Path | None = None,
    options: list[str] | None = None,
) -> str:
    """The script of an array job that grows ``wanted`` in the study under ``root``.

    Args:
        name: what it will be called.
        threads: CPUs of a task.
        folders: give each run a folder of its own under this one.
        options: of sbatch, such as ``--time=1:00:00``.
    """
    tasks = min(len(wanted), MOST_TASKS)
    place = ""
    if folders is not None:
        own = shlex.quote(str(folders.resolve()))
        place = f' \\\n        --inputs . --root {own}/"$task-$strategy-$seed"'
    return SCRIPT.format(
        count=len(wanted),
        each="one a task" if tasks == len(wanted) else f"up to {-(-len(wanted) // tasks)} a task",
        name=name,
        last=tasks - 1,
        tasks=tasks,
        cpus=max(threads, 1),
        logs=shlex.quote(str(root.resolve() / "artifacts/.logs/slurm-%A-%a.log")),
        extra="".join(f"#SBATCH {option}\n" for option in options or []),
        root=shlex.quote(str(root.resolve())),
        python=shlex.quote(sys.executable),
        runs="\n".join(f'    "{task} {name or "full"} {seed}"' for task, name, seed in wanted),
        place=place,
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m stages.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scheduler", choices=["slurm"])
    parser.add_argument("--out", type=Path, default=Path("grow.sbatch"))
    parser.add_argument("--folders", type=Path, help="a folder for each run's own")
    parser.add_argument("--option", action="append", help="of sbatch: --option=--time=1:00:00")
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    for word in [str(options.root.resolve()), str(options.folders), *(options.option or [])]:
        if any(sign in word for sign in FORBIDDEN):
            raise UserError(f"{word!r}: a line end cannot stand in a script")
    study = settings.load(options.root / "params.yaml")
    for folder in ("reports/tuned", "data/code", "artifacts/.logs"):
        (options.root / folder).mkdir(parents=True, exist_ok=True)
    wanted = missing(study, options.root)
    if not wanted:
        print("nothing to grow: every run is finished")
        return
    text = slurm(
        wanted,
        options.root,
        options.out.name,
        threads=study.threads,
        folders=options.folders,
        options=options.option,
    )
    write_text(options.out, text)
    then = f" {shlex.quote(str(options.folders))}/*" if options.folders else ""
    print(f"{len(wanted)} runs: sbatch {options.out}, and then python -m stages.join{then}")


if __name__ == "__main__":
    main()

"""Stage protocol: what all rounds of a task have in common, in one small file.

The task's settings, and the code of its model's architecture.

A round depends on this file instead of on the dozens of settings that it sums up: DVC rewrites all
of dvc.lock after every stage, so a short entry is a fast one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stages.datasets.prepared import Prepared
from stages.machine import hardware
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_json
from stages.machine.reading import read_json
from stages.study import settings, task_code
from stages.study.data import Facts, faults
from stages.study.layout import Layout

AGAIN = "run dvc repro, or the stage protocol"


def protocol(study: settings.Settings, root: Path, task: str) -> list[str]:
    """Write the data's identity, how far results repeat, and the task's settings, defaults too.

    Returns:
        What was found out about pre-trained weights, a line each.

    Raises:
        UserError: the task is not in the settings, its data are missing or not what it needs, or
            this machine is not.
    """
    study.check_names(task)
    hardware.check(study.device, study.threads)
    prepared = Prepared(Layout(root).data(task))
    check_data(study, task, prepared)
    said = check_weights(study.task[task].model, prepared)
    write_json(Layout(root).protocol(task), content(study, task, prepared))
    return said


def content(study: settings.Settings, task: str, prepared: Prepared) -> dict[str, Any]:
    """What protocol.json says. Threads are no part of it where they cannot change a result."""
    keys = {"reproducible", "device"}
    if study.reproducible != "portable":
        keys.add("threads")
    shared = study.model_dump(mode="json", include=keys)
    # The data's digest says all about them; where their files lie is nobody else's business.
    about = study.task[task].model_dump(mode="json", exclude={"dataset"})
    if about.get("thumbnails") == "auto":
        del about["thumbnails"]  # which says nothing
    code = {"model": task_code.of_model(study.task[task].model)}
    return {"data": prepared.identity} | shared | about | _published(study, task) | {"code": code}


def _published(study: settings.Settings, task: str) -> dict[str, str]:
    """The file behind weights that torchvision names: it has its digest in its name."""
    model = study.task[task].model
    file = model.entry.published.get(model.weights)
    return {} if file is None else {"weights": file}


def check(study: settings.Settings, root: Path, task: str) -> None:
    """Raise unless protocol.json is that of params.yaml and of the prepared data."""
    path = Layout(root).protocol(task)
    said, due = read_json(path), content(study, task, Prepared(Layout(root).data(task)))
    if said == due:
        return
    if {**said, "code": None} != {**due, "code": None}:
        raise UserError(f"{path}: not that of params.yaml; {AGAIN}")
    named = task_code.in_protocol(Layout(root), task)
    other = [module for module, now in due["code"]["model"].items() if named.get(module) != now]
    what = other[0] if other else "code"
    raise UserError(f"{path}: {what} is not the code that it names; {AGAIN}")


def check_data(study: settings.Settings, task: str, prepared: Prepared) -> None:
    """Raise unless the prepared images have the size and the number that the task needs."""
    shape = tuple(prepared.manifest["shape"])
    facts = Facts(prepared.rows, shape, prepared.classes, prepared.features)
    if found := list(faults(task, study.task[task], study.budget_rounds, facts)):
        raise UserError(*(line for line, _ in found))


def check_weights(model: settings.Model, prepared: Prepared) -> list[str]:
    """Raise unless pre-trained weights are there and fit; says what of them is taken, a line."""
    if model.weights is None:
        return []
    from stages.models import build, weights

    network = build(model, tuple(prepared.manifest["shape"]), prepared.classes)
    left_out = weights.load(network, model)
    of_file = f"; {', '.join(left_out)} of the file left out" if left_out else ""
    return [f"weights {model.weights}: taken for the body; the classifier is drawn{of_file}"]


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.protocol", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    for line in protocol(settings.load(options.root / "params.yaml"), options.root, options.task):
        print(line)


if __name__ == "__main__":
    main()

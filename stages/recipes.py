"""Stage recipes: what a strategy is and which code it can run, one small file each.

A round depends on its recipe instead of on folders of code: an edit makes exactly those rounds
stale that can run it. ``data/recipes/<strategy>.json`` names learner, scorer and selector, all
settings with their defaults, and the digest of every module that they reach
(:mod:`stages.study.footprint`); of a replay, the digest of its index sets too;
``stage-<name>.json`` the code of a stage that no strategy belongs to.

``--folder`` (stage code) notes the digest of a folder that params.yaml's ``code`` names, so that
DVC notices an edit there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages import catalogue
from stages.machine.errors import UserError, command_line
from stages.machine.files import as_json, write_json, write_text
from stages.machine.reading import read_json
from stages.study import imported, settings, task_code
from stages.study.footprint import Footprint, digest, loaded
from stages.study.layout import Layout

FORMAT = 1
STAGES = ("split", "start", "full")
PARTS = ("learner", "scorer", "selector")
IMPORTED = "imported"  # digest of the index sets that a replay selects, or that a task begins with
AGAIN = "run dvc repro, or python -m stages.recipes"


def recipe(study: settings.Settings, label: str, root: Path = Path(".")) -> dict[str, Any]:
    """What the rounds of a strategy depend on beside their data and their task.

    Args:
        root: of the study; a replay's index sets lie there.

    Raises:
        UserError: bad settings, or code that is not there or is no Python.
    """
    entry, options = study.chosen(label)
    own, *others = catalogue.involved(entry, options)
    paths = [getattr(one.entry, part) for one in (own, *others) for part in PARTS]
    starts = ["stages.round", *(["stages.tune"] if label in study.tuned else [])]
    starts += [path.partition(":")[0] for path in paths]
    found = {
        "format": FORMAT,
        "strategy": label,
        **{part: getattr(entry, part) for part in PARTS},
        "settings": {catalogue.CANDIDATES: 0, **options},
        "consults": [
            {**{part: getattr(one.entry, part) for part in PARTS}, "settings": one.settings}
            for one in others
        ],
        "code": Footprint(packages(paths)).reached(starts),
    }
    found |= {"grid": study.grid(label)} if label in study.tuned else {}
    return found | ({IMPORTED: _replayed(study, label, root)} if entry.replays else {})


def _replayed(study: settings.Settings, label: str, root: Path) -> str:
    """The digest of what a replay selects.

    Raises:
        UserError: there is no such import, or it does not fit a task.
    """
    source = imported.replayed_by(root, study, label)
    for name in study.tasks:
        task = study.task[name]
        queries = [task.selects(n) for n in range(study.budget_rounds)]
        imported.fits(source, name, task.split.initial, queries, study.seeds)
    return source.digest


def of_stage(name: str) -> dict[str, Any]:
    """The recipe of a stage that no strategy belongs to."""
    return {"format": FORMAT, "stage": name, "code": Footprint().reached([f"stages.{name}"])}


def _of_split(study: settings.Settings, root: Path) -> dict[str, Any]:
    """That of the stage split: with the imports that tasks begin with, if any does."""
    names = {study.task[task].split.imported for task in study.tasks} - {None}
    found = {name: imported.read(root, name).digest for name in sorted(names)}
    return of_stage("split") | ({IMPORTED: found} if found else {})


def packages(paths: Iterable[str]) -> set[str]:
    """The top-level packages of import paths."""
    return {path.partition(":")[0].partition(".")[0] for path in paths}


def recipes(study: settings.Settings, root: Path) -> None:
    """Write the recipe of every strategy of the study and of every shared stage."""
    folder = Layout(root).recipes
    made = {label: recipe(study, label, root) for label in study.strategies}
    for name in STAGES:
        made[f"stage-{name}"] = of_stage(name)
    made["stage-split"] = _of_split(study, root)
    for task in study.tasks:
        made |= task_code.recipes(study, task)
        made[f"data-{task}"] |= _images(study.task[task].dataset, root, task)
    for name, content in made.items():
        path = folder / f"{name}.json"
        if not path.exists() or path.read_text(encoding="utf-8") != as_json(content):
            write_json(path, content)  # else its time stays, too
    for path in folder.glob("*.json"):
        if path.stem not in made:
            path.unlink()


def _images(dataset: settings.Dataset, root: Path, task: str) -> dict[str, Any]:
    """What lies in the folder of a task's images, for the recipe of its data; {} for no folder.

    Where the folder is not on this machine, what the recipe says of it already.
    """
    from stages.datasets import watched

    folders = watched.folders_of(dataset)
    if not folders:
        return {}
    said = watched.content(root, task, folders)
    if said is None:
        path = Layout(root).recipe(f"data-{task}")
        said = read_json(path).get("images") if path.exists() else None
    return {} if said is None else {"images": said}


def check(study: settings.Settings, layout: Layout, label: str) -> None:
    """Hold a strategy's recipe against params.yaml and the code that lies here.

    Raises:
        UserError: there is no recipe, or it is about other settings or other code.
    """
    _compare(layout.recipe(label), recipe(study, label, layout.root))


def check_stage(layout: Layout, name: str) -> None:
    """The same for a stage that no strategy belongs to."""
    _compare(layout.recipe(f"stage-{name}"), of_stage(name))


def _compare(path: Path, due: dict[str, Any]) -> None:
    said, due = read_json(path), json.loads(json.dumps(due))
    for key in sorted({*due, *said} - {"code"}):
        if said.get(key) != due.get(key):
            raise UserError(f"{path}: {key} is not that of params.yaml; {AGAIN}")
    code = said["code"] if isinstance(said.get("code"), dict) else {}
    for module, expected in due["code"].items():
        if code.get(module) != expected:
            raise UserError(f"{path}: {module} is not the code that it names; {AGAIN}")


def check_loaded(
    layout: Layout, label: str, task: str, before: frozenset[str] = frozenset()
) -> None:
    """Raise unless recipe or protocol name every module that counts and was loaded for this round.

    A module that no import statement names, since its name is put together, would be found here.

    Args:
        before: modules that were loaded when the round began, for whatever ran earlier.
    """
    path = layout.recipe(label)
    code = read_json(path)["code"] | task_code.in_protocol(layout, task)
    for module in loaded(packages(code)):
        if module not in code and module not in before:
            raise UserError(
                f"{path}: knows nothing of the module {module}, which ran; import it by a "
                f"statement, or name it by a string 'module:name' in full"
            )


def note(folder: str, root: Path) -> None:
    """Write data/code/<folder>.digests: a line for each Python file of a folder, with its digest.

    Raises:
        UserError: there is no such folder, or a file in it is no Python.
    """
    if not (root / folder).is_dir():
        raise UserError(f"code: {folder!r} is no folder here; allowed: folders beside params.yaml")
    files = sorted((root / folder).rglob("*.py"))
    lines = [f"{digest(path)}  {path.relative_to(root).as_posix()}\n" for path in files]
    lines += _pictures(folder, root)
    write_text(Layout(root).recipes.parent / "code" / f"{folder}.digests", "".join(lines))


def _pictures(folder: str, root: Path) -> list[str]:
    """A line for all images and tables of a folder; [] where it has none."""
    from stages.datasets import watched

    said = watched.content(root, f"code-{folder}", [root / folder])
    if said is None or not said["files"]:
        return []
    return [f"{said['sha256']}  {folder}/: {said['files']} images or tables\n"]


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.recipes", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--folder", help="note the digest of this folder instead")
    options = parser.parse_args(arguments)
    if options.folder:
        note(options.folder, options.root)
        return
    recipes(settings.load(options.root / "params.yaml"), options.root)


if __name__ == "__main__":
    main()

"""Stage recipes: what a strategy is and which code it can run, one small file each.

A round depends on its recipe instead of on folders of code: an edit makes exactly those rounds
stale that can run it. ``data/recipes/<strategy>.json`` names learner, scorer and selector, all
settings with their defaults, and the digest of every module that they reach
(:mod:`stages.footprint`); ``stage-<name>.json`` the code of a stage that no strategy belongs to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from stages import catalogue, settings
from stages.errors import UserError, command_line
from stages.files import write_json
from stages.footprint import Footprint, loaded
from stages.layout import Layout

FORMAT = 1
STAGES = ("split", "start", "full")
PARTS = ("learner", "scorer", "selector")


def recipe(study: settings.Settings, label: str) -> dict[str, Any]:
    """What the rounds of a strategy depend on beside their data and their task.

    Raises:
        UserError: bad settings, or code that is not there or is no Python.
    """
    entry, options = study.chosen(label)
    others = catalogue.consulted(options)
    paths = [getattr(one, part) for one in (entry, *others) for part in PARTS]
    starts = ["stages.round", *(["stages.tune"] if label in study.tuned else [])]
    starts += [path.partition(":")[0] for path in paths]
    found = {
        "format": FORMAT,
        "strategy": label,
        **{part: getattr(entry, part) for part in PARTS},
        "settings": {**catalogue.EVERYWHERE, **options},
        "consults": [
            {**{part: getattr(one, part) for part in PARTS}, "settings": one.settings}
            for one in others
        ],
        "code": Footprint(packages(paths)).reached(starts),
    }
    return found | ({"grid": study.grid(label)} if label in study.tuned else {})


def packages(paths: list[str]) -> set[str]:
    """The top-level packages of import paths."""
    return {path.partition(":")[0].partition(".")[0] for path in paths}


def recipes(study: settings.Settings, root: Path) -> None:
    """Write the recipe of every strategy of the study and of every shared stage."""
    folder = Layout(root).recipes
    made = {label: recipe(study, label) for label in study.strategies}
    for name in STAGES:
        code = Footprint().reached([f"stages.{name}"])
        made[f"stage-{name}"] = {"format": FORMAT, "stage": name, "code": code}
    for name, content in made.items():
        write_json(folder / f"{name}.json", content)
    for path in folder.glob("*.json"):
        if path.stem not in made:
            path.unlink()


def check(study: settings.Settings, layout: Layout, label: str) -> None:
    """Hold a recipe against the settings and the code of this process, before a round computes.

    Raises:
        UserError: there is no recipe, or it is about other settings or other code.
    """
    path = layout.recipe(label)
    again = "run dvc repro, or python -m stages.recipes"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        code = dict(said["code"])
    except OSError:
        raise UserError(f"{path}: missing; {again}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a recipe; {again}") from None
    due = json.loads(json.dumps(recipe(study, label)))
    for key in sorted({*due, *said} - {"code"}):
        if said.get(key) != due.get(key):
            raise UserError(f"{path}: {key} is not that of params.yaml; {again}")
    for module in sorted({*due["code"], *loaded(packages([due[part] for part in PARTS]))}):
        if module not in code:
            raise UserError(f"{path}: does not know the module {module}, which runs here; {again}")
        if code[module] != due["code"].get(module, code[module]):
            raise UserError(f"{path}: {module} was edited since; {again}")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.recipes", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    recipes(settings.load(options.root / "params.yaml"), options.root)


if __name__ == "__main__":
    main()

"""The code of a task: what builds its network, and what reads its data; and what its sets rest on.

A strategy's recipe knows nothing of tasks, so the model's code stands in the task's protocol.json.
``data/recipes/data-<task>.json`` and ``model-<task>.json`` are what the stages prepare and protocol
depend on: an edit elsewhere makes neither stale. ``split-<task>.json`` has the settings that the
stage split draws by, and no others.
"""

from __future__ import annotations

from typing import Any

from stages.machine.reading import read_json
from stages.study.footprint import Footprint
from stages.study.layout import Layout
from stages.study.sections import Dataset, Model, Named
from stages.study.settings import Settings

FORMAT = 1
DRAWN_BY = {"split", "query_size", "oracle", "pool"}  # keys of a task


def of_model(model: Model) -> dict[str, str]:
    """Every module that building the network can run, and its digest.

    Raises:
        UserError: code that is not there or is no Python.
    """
    return _reached(model)


def of_data(dataset: Dataset) -> dict[str, str]:
    """Every module that preparing the data can run, and its digest.

    Raises:
        UserError: code that is not there or is no Python.
    """
    inside = [one.entry.function.partition(":")[0] for one in dataset.inside.values()]
    return _reached(dataset, "stages.prepare", *inside)


def recipes(study: Settings, task: str) -> dict[str, dict[str, Any]]:
    """The recipes of a task, by name: that of its data, of its model and of its sets."""
    asked = study.task[task]
    code = {"data": of_data(asked.dataset), "model": of_model(asked.model)}
    made = {f"{part}-{task}": {"format": FORMAT, "task": task, "code": code[part]} for part in code}
    drawn_by = asked.model_dump(mode="json", include=DRAWN_BY)
    return made | {f"split-{task}": {"format": FORMAT, "task": task, "settings": drawn_by}}


def in_protocol(layout: Layout, task: str) -> dict[str, str]:
    """The modules that a task's protocol.json names beside those of a strategy's recipe."""
    said = read_json(layout.protocol(task)).get("code")
    model = said.get("model") if isinstance(said, dict) else None
    return model if isinstance(model, dict) else {}


def _reached(section: Named, *further: str) -> dict[str, str]:
    paths = {section.entry.function, *([section.name] if ":" in section.name else [])}
    starts = sorted({*further, *(path.partition(":")[0] for path in paths)})
    return Footprint(start.partition(".")[0] for start in starts).reached(starts)

"""params.yaml as a study's settings: the only place that reads it.

Everything that can be wrong without looking at data is found here, before any computing, and all of
it at once.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from stages.machine import yaml_input
from stages.machine.errors import MANY_FAULTS, UserError
from stages.study import checks, faults
from stages.study.schema import Dataset, Model, Report, Round, Settings, Split, Task

__all__ = ["Dataset", "Model", "Report", "Round", "Settings", "Split", "Task", "load"]


def load(path: Path | str = "params.yaml") -> Settings:
    """Read and check params.yaml.

    Raises:
        UserError: with all faults, each naming the key, the value, what is allowed and the nearest
            valid name; of more than 40 the first.
    """
    path = Path(path)
    document = yaml_input.read_document(path)
    if not isinstance(document.value, dict):
        raise UserError(f"{path}: expected settings as 'key: value' lines")
    found = faults.Faults()
    for place, line in document.faults:
        found.lines.setdefault(line)
        found.wrong.add(place)
    settings = None
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        wrong = faults.of_schema(error, found)
        if not found.enough:
            settings = faults.repaired(document.value, wrong)
    if settings is not None and not found.enough:
        checks.check(settings, found)
    if found.lines:
        lines = list(found.lines)
        more = ["more faults than are worth telling"] if len(lines) > MANY_FAULTS else []
        raise UserError(*(f"{path}: {line}" for line in [*lines[:MANY_FAULTS], *more]))
    return settings

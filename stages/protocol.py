"""Stage protocol: what all rounds of a task have in common, in one small file.

A round depends on this file instead of on the dozens of settings that it sums up: DVC rewrites all
of dvc.lock after every stage, so a short entry is a fast one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages import settings
from stages.datasets import Prepared
from stages.errors import command_line
from stages.files import write_json
from stages.layout import Layout


def protocol(study: settings.Settings, root: Path, task: str) -> None:
    """Write the data's identity, how far results repeat, and the task's settings, defaults too.

    Raises:
        UserError: the task is not in the settings, or its data are missing.
    """
    study.check_names(task)
    folder = Layout(root).data(task)
    shared = study.model_dump(mode="json", include={"reproducible", "device", "threads"})
    # The data's digest says all about them; where their files lie is nobody else's business.
    about = study.task[task].model_dump(mode="json", exclude={"dataset"})
    identity = {"data": Prepared(folder).identity}
    write_json(folder / "protocol.json", identity | shared | about)


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.protocol", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    protocol(settings.load(options.root / "params.yaml"), options.root, options.task)


if __name__ == "__main__":
    main()

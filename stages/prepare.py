"""Stage prepare: images of a task become arrays and a manifest under data/<task>/."""

from __future__ import annotations

import argparse
from pathlib import Path

from stages import datasets, settings
from stages.datasets.images import PARTS
from stages.errors import command_line
from stages.files import write_array, write_json
from stages.layout import Layout


def prepare(study: settings.Settings, root: Path, task: str) -> None:
    """Write uint8 images (N, C, H, W), int64 labels (N,), and last of all manifest.json."""
    study.check_names(task)
    images = datasets.load(study.task[task].dataset)
    folder = Layout(root).data(task)
    for part in PARTS:
        write_array(folder / f"{part}.npy", getattr(images, part))
    write_json(folder / "manifest.json", images.manifest())


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.prepare", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    prepare(settings.load(options.root / "params.yaml"), options.root, options.task)


if __name__ == "__main__":
    main()

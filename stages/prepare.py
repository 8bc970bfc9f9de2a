"""Stage prepare: images of a task become arrays and a manifest under data/<task>/."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from stages.datasets.images import PARTS, Images
from stages.datasets.listing import shown
from stages.datasets.room import arrays_in, is_in, unwritten
from stages.datasets.sources import load
from stages.datasets.summary import summary
from stages.machine.errors import UserError, command_line
from stages.machine.files import write_array, write_json
from stages.study import settings
from stages.study.layout import Layout

MANIFEST = "manifest.json"


def prepare(study: settings.Settings, root: Path, task: str) -> Images:
    """Write uint8 images (N, C, H, W), int64 labels (N,), and last of all manifest.json.

    All five files are whole, or those of before are: they are written in a folder beside
    ``data/<task>`` and moved there, and while they move there is no manifest.

    Returns:
        What was read and written.

    Raises:
        UserError: the images cannot be read, or the arrays cannot be written.
    """
    study.check_names(task)
    folder = Layout(root).data(task)
    shutil.rmtree(_beside(folder), ignore_errors=True)
    try:
        with arrays_in(_beside(folder)):
            images = load(study.task[task].dataset)
        write(images, folder)
    finally:
        shutil.rmtree(_beside(folder), ignore_errors=True)
    return images


def write(images: Images, folder: Path) -> None:
    """Put a data set's five files into ``folder``; see :func:`prepare`."""
    fresh = _beside(folder)
    names = [*(f"{part}.npy" for part in PARTS), MANIFEST]
    try:
        for part in PARTS:
            path, array = fresh / f"{part}.npy", getattr(images, part)
            if is_in(array, path):
                array.flush()
            else:
                write_array(path, array)
        write_json(fresh / MANIFEST, images.manifest())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in names:
            os.replace(fresh / name, folder / name)
    except OSError as error:
        needed = sum(getattr(images, part).nbytes for part in PARTS)
        raise UserError(f"{shown(folder)}: {unwritten(folder, needed, error)}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _beside(folder: Path) -> Path:
    """Where files of ``folder`` are written before they are moved there."""
    return folder.with_name(f".{folder.name}.new")


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point; prints what was read."""
    parser = argparse.ArgumentParser(prog="python -m stages.prepare", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    images = prepare(settings.load(options.root / "params.yaml"), options.root, options.task)
    text = "\n  ".join(summary(options.task, images))
    # A terminal that knows ASCII only must not turn a class name into an error.
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


if __name__ == "__main__":
    main()

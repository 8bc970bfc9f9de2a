"""Stage prepare: images of a task become arrays and a manifest under data/<task>/."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import sys
from pathlib import Path

from stages.datasets.images import PARTS, Images
from stages.datasets.limits import gib
from stages.datasets.listing import shown
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
    images = load(study.task[task].dataset)
    write(images, Layout(root).data(task))
    return images


def write(images: Images, folder: Path) -> None:
    """Put a data set's five files into ``folder``; see :func:`prepare`."""
    fresh = folder.with_name(f".{folder.name}.new")
    names = [*(f"{part}.npy" for part in PARTS), MANIFEST]
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for part in PARTS:
            write_array(fresh / f"{part}.npy", getattr(images, part))
        write_json(fresh / MANIFEST, images.manifest())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        for name in names:
            os.replace(fresh / name, folder / name)
    except OSError as error:
        raise UserError(f"{shown(folder)}: {_not_written(images, folder, error)}") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _not_written(images: Images, folder: Path, error: OSError) -> str:
    needed = sum(getattr(images, part).nbytes for part in PARTS)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    # numpy's own writer says how many items it wrote, and no error number.
    if error.errno in (errno.ENOSPC, errno.EDQUOT, None):
        reason = "no room on the disk"
    else:
        reason = error.strerror or str(error)
    return f"cannot be written ({reason}): {gib(needed)} needed, {gib(free)} free"


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

"""Put a damaged dvc.lock aside: ``python -m stages.mend``.

DVC rewrites dvc.lock in place after every stage, so a ``dvc repro`` that is killed in that moment
leaves half a file, which the next one refuses to read. Nothing is lost with it: DVC's run cache
knows every stage that has finished, and ``dvc repro`` writes the file anew without running them.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import yaml

from stages.errors import command_line


def damaged(path: Path) -> bool:
    """Whether ``path`` is there and not a whole lock file."""
    if not path.exists():
        return False
    try:
        content = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError):
        return True
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
        return True
    return not all(map(_whole, content["stages"].values()))


def _whole(stage: object) -> bool:
    """Whether a stage's entry has what DVC writes: a command, and paths with their hashes."""
    if not isinstance(stage, dict) or not isinstance(stage.get("cmd"), (str, list)):
        return False
    listed = [*(stage.get("deps") or []), *(stage.get("outs") or [])]
    return all(
        isinstance(item, dict)
        and "path" in item
        and re.fullmatch(r"[0-9a-f]{32}(\.dir)?", str(item.get("md5")))
        for item in listed
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.mend", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    lock = parser.parse_args(arguments).root / "dvc.lock"
    if damaged(lock):
        os.replace(lock, lock.with_suffix(".lock.damaged"))
        print(f"{lock} was half-written; put aside as {lock}.damaged, dvc repro writes it anew")


if __name__ == "__main__":
    main()

"""The images that each strategy chose first, and the classes of what it chose."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path

from stages.machine.errors import UserError
from stages.study.layout import Layout
from stages.study.problem import PLAIN

MOST_IMAGES = 10
FIRST_SELECTED = "first_selected"
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class First:
    """What one strategy chose first.

    Attributes:
        strategy: its name.
        images: up to ten PNG images as base64, in order of selection.
        counts: true class -> how many of the whole first choice; () where it is not known.
    """

    strategy: str
    images: list[str]
    counts: tuple[int, ...] = ()


def read_first_selected(settings, root: Path) -> dict[str, list[First]]:
    """The images that each strategy chose first, with the first seed.

    Args:
        settings: with `tasks`, `strategies`, `seeds` and `rounds`.
        root: folder that holds `reports/`.

    Returns:
        Task -> what each strategy chose; tasks without any, or whose ``thumbnails`` say no, are
        left out.

    Raises:
        UserError: for an entry that is not a list of PNG images.
    """
    found: dict[str, list[First]] = {}
    for task in settings.tasks:
        if not getattr(getattr(settings, "task", {}).get(task), "shows_pixels", True):
            continue
        # Under noise or with open classes records count what was bought, not what is shown.
        posed = getattr(getattr(settings.task[task], "problem", PLAIN), "facts", {})
        for strategy in settings.strategies:
            records = []
            for item in settings.rounds[:2]:
                path = Layout(root).result(task, strategy, settings.seeds[0], item.n)
                records.append(json.loads(path.read_bytes()))
            images = records[0].get(FIRST_SELECTED)
            if not images:
                continue
            if not isinstance(images, list) or not all(map(_is_png, images)):
                path = Layout(root).result(task, strategy, settings.seeds[0], settings.rounds[0].n)
                name = path.relative_to(root).as_posix()
                raise UserError(f"{name}: {FIRST_SELECTED} is not a list of PNG images in base64")
            found.setdefault(task, []).append(
                First(strategy, images[:MOST_IMAGES], () if posed else _chosen_classes(records))
            )
    return found


def _chosen_classes(records: list[dict]) -> tuple[int, ...]:
    """How many of each class the second round has more than the first."""
    counts = [record.get("labeled_per_class") for record in records]
    if len(counts) < 2 or not all(counts):
        return ()
    return tuple(after - before for before, after in zip(*counts, strict=True))


def _is_png(text) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG)
    except (binascii.Error, TypeError, ValueError):
        return False

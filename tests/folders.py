"""Image folders that several test files use."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from stages.datasets.images import Images
from stages.datasets.sources import load
from stages.study.settings import Dataset


def one_line(raised: pytest.ExceptionInfo) -> str:
    """The message of an error, which has no line end."""
    message = str(raised.value)
    assert "\n" not in message.strip()
    return message


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> None:
    """An RGB image of one colour; ``size`` is width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def read(folder: Path, **settings) -> Images:
    """What the data set ``folder`` makes of it."""
    return load(Dataset(name="folder", root=str(folder), **settings))


def animals(root: Path) -> Path:
    """Three classes, four training and two test images each, all different, and a text file."""
    for part, count in (("train", 4), ("test", 2)):
        for c, name in enumerate(("cat", "ant", "bee")):
            for at in reversed(range(count)):
                paint(
                    root / part / name / f"{at}.png", (10 * c, 20 * at + 7 * (part == "test"), 30)
                )
    (root / "train/cat/notes.txt").write_text("no image")
    return root

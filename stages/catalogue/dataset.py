"""What a data set is: data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Facts:
    """Of a data set; None for what is not known yet.

    Attributes:
        rows: number of training images.
        shape: of an image, (C, H, W).
        classes: number of classes.
        features: whether its images are features of a network, which have no pixels.
        portable: whether any processor makes the same arrays of the same files.
    """

    rows: int | None = None
    shape: tuple[int, int, int] | None = None
    classes: int | None = None
    features: bool = False
    portable: bool = True


@dataclass(frozen=True)
class DataSet:
    """A data set that a task can name.

    Attributes:
        load: import path of a function ``(root, *, settings) -> Images``; root is a Path or None.
        facts: what is known without its files, or a function of its settings that says so.
        root: what ``dataset.root`` has to name; empty where it can be left out.
        faults: a function of its settings and ``dataset.root`` that says, without the files, what
            is wrong with them: what follows the section's name in a message, or None.
        watched: gives, for ``dataset.root`` as a Path or None, the folders that people may change:
            what lies there is compared with what was prepared. None: nobody changes anything.
    """

    load: str
    facts: Facts | Callable[[dict[str, Any]], Facts] = Facts()
    root: str = ""
    faults: Callable[[dict[str, Any], str | None], str | None] = lambda *_: None
    watched: Callable[[Path | None], list[Path]] | None = None

    @property
    def function(self) -> str:
        """Import path of the function whose settings are the data set's."""
        return self.load

    def known(self, settings: dict[str, Any]) -> Facts:
        """What is known without its files, with these settings."""
        return self.facts(settings) if callable(self.facts) else self.facts

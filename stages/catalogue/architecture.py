"""What an architecture is: data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CLASSES = "classes"  # as many as there are classes
INPUTS = "inputs"  # as many as an image has numbers


@dataclass(frozen=True)
class Architecture:
    """A network that a task can name.

    Attributes:
        build: import path of a function ``(shape, classes, *, settings) -> Network``; shape is that
            of an image, (C, H, W).
        smallest: pixels a side that an image needs.
        largest: pixels a side that an image may have; None for any.
        width: numbers in an embedding, :data:`CLASSES` or :data:`INPUTS`, or a function of the
            settings that says so; None where nobody says.
        published: weights that others have trained: their name in torchvision -> its file, whose
            name ends with the first digits of its SHA-256.
        keys: how such a file calls what: the beginning of a name there -> that of ours.
    """

    build: str
    smallest: int = 1
    largest: int | None = None
    width: int | str | Callable[[dict[str, Any]], int] | None = None
    published: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def function(self) -> str:
        """Import path of the function whose settings are the model's."""
        return self.build

    def wide(
        self, settings: dict[str, Any], shape: tuple[int, ...] | None, classes: int | None
    ) -> int | None:
        """Numbers in an embedding; None where that depends on what is not known.

        Args:
            settings: of the architecture.
            shape: of an image; None: not known. So for ``classes``.
        """
        if self.width == CLASSES:
            return classes
        if self.width == INPUTS:
            return None if shape is None else math.prod(shape)
        return self.width(settings) if callable(self.width) else self.width

    def misfit(self, height: int, width: int) -> str | None:
        """Why images of this size are nothing for it; None if they fit."""
        small = min(height, width) < self.smallest
        large = self.largest is not None and max(height, width) > self.largest
        if not small and not large:
            return None
        sizes = f"{self.smallest} pixels or more"
        if self.largest is not None:
            sizes = f"{self.smallest} to {self.largest} pixels"
        return f"needs images of {sizes} a side; these have {height}x{width}"

"""What is to be grown, as the loop sees it: stages, and what they wait for."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from stages.farm.call import Job


class Work(Protocol):
    """A study's stages in the order of a run one by one, which is depth first.

    Attributes:
        names: all of them.
        needs: for each, those among them that it waits for.
    """

    names: list[str]
    needs: dict[str, set[str]]

    def fresh(self, name: str) -> bool:
        """Whether a stage, all that it needs being done, has nothing to do.

        Raises:
            UserError: what it depends on cannot be read.
        """

    def begin(self, name: str) -> tuple[str, ...]:
        """Take a stage's outputs away; its commands.

        Raises:
            UserError: it cannot run.
        """

    def record(self, name: str) -> None:
        """A stage has run: keep what it wrote.

        Raises:
            UserError: it has not written what it should have.
            Halt: nothing can be kept any more.
        """

    def outputs(self, name: str) -> list[Path]:
        """What a stage writes."""

    def rest(self) -> None:
        """Called between two stages: whatever has to be done now and then."""


class Halt(Exception):
    """Growing cannot go on, whatever stage comes next."""


class Jobs:
    """Jobs for the stages of a study."""

    def __init__(self, root: Path, limit: float) -> None:
        self.root, self.limit = str(root), limit
        self._mine, self._count = f"{os.getpid()}-{secrets.token_hex(4)}", itertools.count(1)

    def job(self, name: str, commands: Iterable[str]) -> Job:
        """A job that has a token of its own."""
        token = f"{name} {self._mine}-{next(self._count)}"
        return Job(name, tuple(commands), self.root, self.root, token, self.limit)

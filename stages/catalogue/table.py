"""The tables, gathered from the files of the code; reading them imports no torch."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import ModuleType
from typing import TypeVar

from stages.catalogue.architecture import Architecture
from stages.catalogue.dataset import DataSet
from stages.catalogue.strategy import Strategy

FAMILIES = ("baseline", "uncertainty", "diversity", "hybrid")
Entry = TypeVar("Entry")


class Entries(Mapping[str, Entry]):
    """name -> entry, as the modules of some rooms have them; read when it is first asked for."""

    def __init__(self, *rooms: str, table: str = "ENTRIES") -> None:
        self._rooms, self._table = rooms, table

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        return dict(
            item
            for room in self._rooms
            for module in modules(room)
            for item in getattr(module, self._table, {}).items()
        )

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Strategies(Entries[Strategy]):
    """By family."""

    @cached_property
    def _entries(self) -> dict[str, Strategy]:
        found = Entries(*self._rooms).items()
        return dict(sorted(found, key=lambda item: FAMILIES.index(item[1].family)))


class Learners(Mapping[str, str]):
    """name -> import path: each module of ``stages/learners`` that has a function ``train``."""

    @cached_property
    def _paths(self) -> dict[str, str]:
        return {
            module.__name__.rpartition(".")[2]: f"{module.__name__}:train"
            for module in modules("learners")
            if hasattr(module, "train")
        }

    def __getitem__(self, name: str) -> str:
        return self._paths[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def modules(room: str) -> Iterator[ModuleType]:
    """The modules of a package of ours, by name. No statement names them: none depends on all."""
    package = importlib.import_module(f"{__package__.partition('.')[0]}.{room}")
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        yield importlib.import_module(f"{package.__name__}.{found.name}")


STRATEGIES = Strategies("strategies", "learners")
BOUNDS: Entries[Strategy] = Entries("strategies", table="BOUNDS")  # they are no strategies
REPLAYS: Entries[Strategy] = Entries("strategies", table="REPLAYS")  # they need an import
LEARNERS = Learners()
ARCHITECTURES: Entries[Architecture] = Entries("models.architectures")
DATA_SETS: Entries[DataSet] = Entries("datasets")

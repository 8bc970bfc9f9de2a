"""The tables, gathered from the files of the code; reading them imports no torch."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import ModuleType

from stages.catalogue.strategy import Strategy

FAMILIES = ("baseline", "uncertainty", "diversity", "hybrid")
ROOMS = ("strategies", "learners")
LOOP = "fit"  # of training, beside the learners that use it; it needs torch


class Strategies(Mapping[str, Strategy]):
    """name -> entry, by family; read when it is first asked for."""

    @cached_property
    def _entries(self) -> dict[str, Strategy]:
        found = [
            (name, entry)
            for room in ROOMS
            for module in modules(room)
            for name, entry in getattr(module, "ENTRIES", {}).items()
        ]
        found.sort(key=lambda item: FAMILIES.index(item[1].family))
        return dict(found)

    def __getitem__(self, name: str) -> Strategy:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


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
        if found.name != LOOP:
            yield importlib.import_module(f"{package.__name__}.{found.name}")


STRATEGIES = Strategies()
LEARNERS = Learners()

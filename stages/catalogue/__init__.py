"""Every strategy in one table: name -> learner + scorer + selector + source.

A strategy is data. Its functions are named by import path and loaded when they are used, so the
table itself costs nothing to read. A strategy of your own lives outside this package and is used by
import path: ``strategy: {mine: {use: "mylab.al:my_strategy"}}``, where ``my_strategy`` is a
:class:`Strategy`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from stages.catalogue import bounds, diversity, hybrid, uncertainty
from stages.catalogue.strategy import SUPERVISED, TOP, Strategy
from stages.machine.errors import UserError, nearest, shown

__all__ = [
    "STRATEGIES",
    "SUPERVISED",
    "TOP",
    "Strategy",
    "bind",
    "complete",
    "find",
    "involved",
    "load",
]

STRATEGIES: dict[str, Strategy] = {
    **uncertainty.ENTRIES,
    **diversity.ENTRIES,
    **hybrid.ENTRIES,
}


class Involved(NamedTuple):
    """A strategy that takes part in another's choice, or in its own.

    Attributes:
        place: what stands before its settings' names in a message.
        settings: those it runs with.
    """

    place: str
    entry: Strategy
    settings: dict[str, Any]

    def drawn(self) -> list[tuple[str, int]]:
        """Its numbers of candidates, by their names in a message."""
        keys = (*EVERYWHERE, *self.entry.drawn)
        return [(self.place + key, self.settings.get(key, 0)) for key in keys]

    def samples_dropout(self) -> bool:
        """Whether it draws dropout masks."""
        return self.entry.samples_dropout(self.settings)


EVERYWHERE: dict[str, Any] = {"candidates": 0}  # settings that every strategy has


def find(name: str) -> Strategy:
    """The strategy of this name, or the one at an import path ``module:attribute``.

    Raises:
        UserError: neither a known name nor something that can be imported.
    """
    if ":" in name:
        entry = load(name)
        if not isinstance(entry, Strategy):
            raise UserError(f"{shown(name)} is a {type(entry).__name__}, not a Strategy")
        return entry
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy {shown(name)}; {nearest(name, STRATEGIES)}")
    return STRATEGIES[name]


def load(path: str) -> Any:
    """What ``module:attribute`` names.

    Raises:
        UserError: the module or the attribute does not exist, or importing it fails.
    """
    module, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise UserError(f"{shown(path)} is not an import path; allowed: 'module:name'")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise UserError(
                f"{shown(path)} needs the package {error.name!r}, which is not installed"
            ) from None
        raise UserError(f"{shown(path)}: there is no module {shown(module)}") from None
    except AttributeError as error:
        if module in sys.modules:
            raise UserError(f"{shown(path)}: {shown(module)} has no {shown(attribute)}") from None
        raise UserError(f"{shown(path)}: importing {shown(module)} fails: {error}") from None
    except (Exception, SystemExit) as error:  # it is a user's own code that runs
        kind = type(error).__name__
        raise UserError(
            f"{shown(path)}: importing {shown(module)} fails: {kind}: {error}"
        ) from None


def complete(label: str, entry: Strategy, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of an entry with defaults filled in, and those of EVERYWHERE that are given.

    Raises:
        UserError: all unknown keys, and values of another kind than the default's or out of bounds.
    """
    faults: list[str] = []
    for key, value in given.items():
        try:
            _check(label, key, value, entry)
        except UserError as error:
            faults += error.faults
    if faults:
        raise UserError(*faults)
    settings = {**entry.settings, **given}
    bounds.check_order(f"strategy.{label}", settings, entry)
    return settings


def _check(label: str, key: str, value: Any, entry: Strategy) -> None:
    if key not in entry.settings and key not in EVERYWHERE:
        allowed = [*entry.settings, *EVERYWHERE, "use"]
        raise UserError(f"strategy.{label}: unknown key {shown(key)}; {nearest(key, allowed)}")
    default = {**EVERYWHERE, **entry.settings}[key]
    if isinstance(default, list):
        _check_names(f"strategy.{label}.{key}", value, entry)
    else:
        bounds.check(f"strategy.{label}.{key}", key, value, default, entry)


def _check_names(where: str, names: Any, entry: Strategy) -> None:
    """Raise unless ``names`` are strategies that a strategy over strategies can consult."""
    right = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    if not right or len(set(names)) < len(names):
        raise UserError(
            f"{where} is {shown(names)}; allowed: a list of different strategies' names"
        )
    for name in names:
        try:
            other = find(name)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if other.learner != entry.learner:
            raise UserError(f"{where}: {name!r} trains its model in another way ({other.learner})")
        if len(involved(other, other.settings)) > 1:
            raise UserError(f"{where}: {name!r} is itself a strategy over strategies")


def involved(entry: Strategy, settings: dict[str, Any]) -> list[Involved]:
    """A strategy with these settings, and those that it consults; most consult none."""
    consulted = [
        Involved(f"{key} ({name}): ", find(name), find(name).settings)
        for key, value in settings.items()
        if isinstance(value, list)
        for name in value
    ]
    return [Involved("", entry, settings), *consulted]


def bind(path: str, settings: dict[str, Any]) -> Callable[..., Any]:
    """The function at ``path`` with those of ``settings`` that it has parameters for."""
    function = load(path)
    names = inspect.signature(function).parameters
    return functools.partial(function, **{k: v for k, v in settings.items() if k in names})

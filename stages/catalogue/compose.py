"""From what params.yaml says of a strategy to its entry and its complete settings."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from stages.catalogue import parts
from stages.catalogue.kinds import Drawn, Names, kind_of
from stages.catalogue.strategy import CANDIDATES, TOP, Strategy
from stages.catalogue.table import BOUNDS, LEARNERS, REPLAYS, STRATEGIES
from stages.machine.errors import UserError, nearest, shown

USE = "use"
OWN_FAMILY = "hybrid"  # of a strategy that params.yaml puts together


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
        return [(self.place + key, self.settings.get(key, 0)) for key in self.entry.drawn()]

    def draws_masks(self) -> bool:
        """Whether it draws dropout masks."""
        return self.entry.draws_masks(self.settings)


def find(name: str) -> Strategy:
    """The strategy of this name, or the one at an import path ``module:attribute``.

    Raises:
        UserError: neither a known name nor something that can be imported.
    """
    if ":" in name:
        entry = parts.load(name)
        if not isinstance(entry, Strategy):
            raise UserError(f"{shown(name)} is a {type(entry).__name__}, not a Strategy")
        return entry
    for table in (BOUNDS, REPLAYS):
        if name in table:
            return table[name]
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy {shown(name)}; {nearest(name, STRATEGIES)}")
    return STRATEGIES[name]


def composed(label: str, given: dict[str, Any] | None) -> tuple[Strategy, dict[str, Any]]:
    """The entry behind ``strategy.<label>``, and the settings that stand there, by their names.

    ``use`` names an entry, else ``label`` does; ``learner``, ``scorer`` and ``selector`` name parts
    that take the place of its own: a word, an import path, or a section with ``use`` and the
    part's settings. With a scorer and no entry a strategy is put together from parts alone.

    Raises:
        UserError: unknown names, and parts that do not fit together.
    """
    given = dict(given or {})
    where = f"strategy.{label}"
    asked, sections = {}, {}
    for role in parts.ROLES:
        if role in given:
            asked[role], sections[role] = _part(f"{where}.{role}", given.pop(role))
    name = given.pop(USE, None)
    if name is not None and not isinstance(name, str):
        raise UserError(
            f"{where}.use is {shown(name)}; allowed: a strategy's name, or 'module:name'"
        )
    known = any(label in table for table in (STRATEGIES, BOUNDS, REPLAYS))
    if name is None and not known and asked.get("scorer"):
        entry = Strategy(family=OWN_FAMILY, source=f"put together in {where}")
    elif name is None and not known and asked:
        raise UserError(
            f"{where} has neither a scorer nor 'use'; allowed: scorer: a strategy's name, or use: "
            f"the strategy whose scorer it has"
        )
    else:
        entry = find(name or label)
    replaced = {role: _path(f"{where}.{role}", role, one) for role, one in asked.items() if one}
    if replaced and entry.bound:
        raise UserError(f"{where}: {shown(name or label)} is a bound, and has no parts but its own")
    if replaced:
        entry = dataclasses.replace(entry, **replaced)
        _check_fit(where, entry)
    settings = {_name(where, entry, key): value for key, value in given.items()}
    for role, section in sections.items():
        own = {entry.name(role, key): value for key, value in section.items()}
        if twice := [name for name in own if name in settings]:
            raise UserError(f"{where}: {shown(twice[0])} stands there twice, once in {role}")
        settings |= own
    return entry, settings


def _part(where: str, given: Any) -> tuple[str | None, dict[str, Any]]:
    """The part that a value names, and the settings in it: ``ceal``, ``{use: ceal, delta: 0}``."""
    if isinstance(given, dict):
        section = dict(given)
        given = section.pop(USE, None)
        if given is None:
            return None, section
    else:
        section = {}
    if not isinstance(given, str):
        raise UserError(f"{where} is {shown(given)}; allowed: a name, or 'module:name'")
    return given, section


def _path(where: str, role: str, name: str) -> str:
    """Where the part lies that ``name`` stands for.

    A learner has the name of its module; scorers and selectors those of the strategies they are of.
    """
    if ":" in name:
        parts.section(name)
        return name
    known: dict[str, str] = dict(LEARNERS)
    if role != "learner":
        known = {one: getattr(entry, role) for one, entry in STRATEGIES.items()}
    if role == "selector":
        known = {"top": TOP, **known}
    if name not in known:
        raise UserError(f"{where}: unknown {role} {shown(name)}; {nearest(name, known)}")
    return known[name]


def _check_fit(where: str, entry: Strategy) -> None:
    """Raise unless the scorer gives what the selector takes, and the learner what the scorer needs.

    Raises:
        UserError: naming both parts.
    """
    if missing := parts.missing_parts(entry.learner, entry.scorer):
        raise UserError(
            f"{where}: scorer {entry.scorer} needs {missing[0]!r}, which learner {entry.learner} "
            f"does not make"
        )
    if not parts.fit_together(entry.scorer, entry.selector):
        raise UserError(
            f"{where}: selector {entry.selector} cannot use what scorer {entry.scorer} gives; "
            f"allowed with it: {', '.join(_selectors_of(entry.scorer))}"
        )


def _selectors_of(scorer: str) -> list[str]:
    """Names of the selectors that take what a scorer gives, each by the first that has it."""
    known = {TOP: "top"}
    for name, entry in STRATEGIES.items():
        known.setdefault(entry.selector, name)
    return [name for path, name in known.items() if parts.fit_together(scorer, path)]


def _name(where: str, entry: Strategy, key: str) -> str:
    """A setting that stands beside the parts: one part alone may have it."""
    owners = [role for role, path in entry.parts.items() if key in parts.section(path).kinds]
    if key != CANDIDATES and len(owners) > 1:
        raise UserError(
            f"{where}.{key} is a setting of {' and of '.join(owners)}; write it in a section: "
            f"{owners[0]}: {{{key}: ...}}"
        )
    return key


def complete(label: str, entry: Strategy, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of an entry with defaults filled in.

    Raises:
        UserError: all unknown keys, and values of another kind or out of bounds.
    """
    where, settings = f"strategy.{label}", {}
    allowed = [*entry.kinds, USE, *parts.ROLES]
    faults = {
        key: f"{where}: unknown key {shown(key)}; {nearest(key, allowed)}"
        for key in given
        if key not in allowed
    }
    for role, path in entry.parts.items():
        names = {key: entry.name(role, key) for key in parts.section(path).kinds}
        own = {key: given[name] for key, name in names.items() if name in given}
        values, wrong = parts.check(where, path, own, names)
        settings |= {names[key]: value for key, value in values.items()}
        faults |= {names[key]: line for key, line in wrong.items()}
    if CANDIDATES in given or entry.candidates:
        value = given.get(CANDIDATES, entry.candidates)
        settings[CANDIDATES] = value
        if not parts.allows(Drawn, value):
            faults[CANDIDATES] = kind_of(Drawn).fault(
                f"{where}.{CANDIDATES}", value, entry.candidates
            )
    if faults:
        raise UserError(*(faults[key] for key in dict.fromkeys([*given, *faults]) if key in faults))
    for small, large in entry.ordered:
        if {small, large} <= settings.keys() and settings[small] > settings[large]:
            raise UserError(
                f"{where}.{large} is {settings[large]!r}, but {small} is {settings[small]!r}; "
                f"allowed: {settings[small]!r} or more"
            )
    for key in entry.consulted():
        _check_names(f"{where}.{key}", settings[key], entry)
    return settings


def _check_names(where: str, names: list[str], entry: Strategy) -> None:
    """Raise unless ``names`` are strategies that a strategy over strategies can consult."""
    if not names or len(set(names)) < len(names):
        raise UserError(f"{where} is {shown(names)}; {kind_of(Names).allowed(names, None)}")
    for name in names:
        try:
            other = find(name)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
        if other.bound:
            raise UserError(f"{where}: {name!r} is a bound: it sees labels of the test set")
        if other.replays:
            raise UserError(f"{where}: {name!r} selects what an import says, and weighs nothing")
        if other.learner != entry.learner:
            raise UserError(f"{where}: {name!r} trains its model in another way ({other.learner})")
        if other.consulted():
            raise UserError(f"{where}: {name!r} is itself a strategy over strategies")


def involved(entry: Strategy, settings: dict[str, Any]) -> list[Involved]:
    """A strategy with these settings, and those that it consults; most consult none."""
    consulted = [
        Involved(f"{key} ({name}): ", find(name), find(name).settings)
        for key in entry.consulted()
        for name in settings[key]
    ]
    return [Involved("", entry, settings), *consulted]

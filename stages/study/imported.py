"""Index sets of somebody else: what `stages.exchange` has left in ``imported/<name>``.

``splits/<task>/...`` there is a ledger, as a study's own; ``source.json`` says where it is from. A
strategy that replays it names the folder, and its recipe names the digest of the files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.catalogue.parts import bind
from stages.machine.errors import UserError, nearest
from stages.machine.reading import read_json, read_regular, shown
from stages.study import ledger
from stages.study.layout import END, Layout

if TYPE_CHECKING:
    from stages.study.settings import Settings

FOLDER = "imported"
SOURCE = "source.json"
FORMAT = 1
NAME = re.compile(r"(?!(?:seed-.*|full|data)$)[A-Za-z0-9_]{1,64}")
TOOL = "stages.exchange"


@dataclass(frozen=True)
class Imported:
    """What was imported under one name, and perhaps whose runs of it are meant.

    Attributes:
        folder: ``imported/<name>``.
        said: what its source.json says.
        strategy: by the source's name; empty: none, the shared sets alone.
    """

    folder: Path
    said: dict[str, Any]
    strategy: str = ""

    @property
    def task(self) -> str:
        """The source's name of the task."""
        return self.said["task"]

    @property
    def seeds(self) -> list[int]:
        """Seeds that were imported."""
        return self.said["seeds"]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the files: of what ``sha256sum`` prints for them, sorted by path.

        With a strategy those of its runs too, else the shared sets alone.
        """
        top = self.folder / "splits" / self.task
        tops = dict.fromkeys([top, top / self.strategy])
        paths = [path for one in tops for k in self.seeds for path in one.glob(f"seed-{k}/*.txt")]
        lines = [
            f"{ledger.digest(read_regular(path, ledger.MOST))}  {name}\n"
            for name, path in sorted(
                (one.relative_to(self.folder).as_posix(), one) for one in paths
            )
        ]
        return ledger.digest("".join(lines).encode())

    def shared(self, seed: int) -> tuple[ledger.Link, ledger.Link]:
        """Validation and initial set of a seed, checked.

        Raises:
            UserError: they are damaged, or the seed was not imported.
        """
        self._check_seed(seed)
        folder = Layout(self.folder).shared_split(self.task, seed)
        found = ledger.read_shared(folder)
        return found.validation, found.initial

    def chain(self, seed: int) -> ledger.Chain:
        """The run of a seed, checked; a seal is left out.

        Raises:
            UserError: it is damaged, or the seed was not imported.
        """
        self._check_seed(seed)
        layout, n = Layout(self.folder), 0
        last = layout.link(self.task, self.strategy, seed, END)
        if not last.exists():
            while (path := layout.link(self.task, self.strategy, seed, n)).exists():
                last, n = path, n + 1
        chain = ledger.walk(last)
        return replace(chain, links=chain.links[: -1 if n == 0 else None])

    def _check_seed(self, seed: int) -> None:
        if seed not in self.seeds:
            raise UserError(f"{self.folder}: has no seed {seed}; {nearest(seed, self.seeds)}")


def read(root: Path, source: str) -> Imported:
    """What was imported under the name ``source``: the sets that all its strategies share.

    Raises:
        UserError: nothing was, or source.json is not what an import writes.
    """
    folder = root / FOLDER / source
    if not NAME.fullmatch(source) or not (folder / SOURCE).is_file():
        here = sorted(path.parent.name for path in (root / FOLDER).glob(f"*/{SOURCE}"))
        raise UserError(f"there is no import {shown(repr(source))}; {nearest(source, here)}")
    said = read_json(folder / SOURCE)
    strategies, seeds = said.get("strategies"), said.get("seeds")
    right = (
        said.get("format") == FORMAT
        and isinstance(said.get("task"), str)
        and isinstance(strategies, list)
        and isinstance(seeds, list)
        and all(type(seed) is int and seed >= 0 for seed in seeds)
        and all(isinstance(one, str) for one in strategies)
        and all(map(NAME.fullmatch, [said["task"], *strategies]))
    )
    if not right:
        raise UserError(f"{folder / SOURCE}: not what {TOOL} writes; import it again")
    return Imported(folder, said)


def find(root: Path, source: str, of: str = "") -> Imported:
    """The runs of a strategy that were imported under the name ``source``.

    Args:
        of: the source's name of the strategy; empty: the only one.

    Raises:
        UserError: as :func:`read`, or there is no such strategy.
    """
    found = read(root, source)
    names = found.said["strategies"]
    if of and of not in names:
        raise UserError(f"{found.folder}: has no strategy {shown(repr(of))}; {nearest(of, names)}")
    if not of and len(names) != 1:
        raise UserError(f"{found.folder}: has several strategies, say which by 'of'; "
                        f"{nearest('', names)}")  # fmt: skip
    return replace(found, strategy=of or names[0])


def replayed_by(root: Path, settings: Settings, label: str) -> Imported | None:
    """The runs that a strategy of a study replays; None where it replays none.

    Raises:
        UserError: as :func:`find`.
    """
    entry, options = settings.chosen(label)
    if not entry.replays:
        return None
    return find(root, **bind(entry.scorer, options, "scorer").keywords)


def fits(
    source: Imported, task: str, initial: int, queries: Sequence[int], seeds: Sequence[int]
) -> None:
    """Raise unless a study's task can replay what was imported.

    Args:
        task: its name, for messages.
        initial: rows of its initial set.
        queries: rows that each round selects, but for the last.
        seeds: those of the study.

    Raises:
        UserError: a seed is missing, a set has another size, or there are too few of them.
    """
    for seed in seeds:
        chain = source.chain(seed)
        if (found := len(chain.initial.indices)) != initial:
            raise UserError(
                f"{chain.initial.path}: holds {found} rows, task.{task}.split.initial is {initial}"
            )
        if (count := len(chain.links) - 1) < len(queries):
            raise UserError(
                f"{chain.links[-1].path}: the run selects {count} times, 'rounds' in params.yaml "
                f"select {len(queries)} times"
            )
        for link, query in zip(chain.links[1:], queries, strict=False):
            if len(link.indices) != query:
                raise UserError(
                    f"{link.path}: holds {len(link.indices)} rows, task.{task}.query_size is "
                    f"{query} there"
                )


def check_data(link: ledger.Link, identity: str, rows: int, where: Path) -> None:
    """Raise unless an imported link is about these data, which ``where`` holds or is about."""
    said = link.header["data"], int(link.header["rows"])
    if said != (identity, rows):
        raise UserError(
            f"{link.path}: these index sets are about {said[0]} ({said[1]} rows), {where} is about "
            f"{identity} ({rows} rows)"
        )


def following(source: Imported, own: ledger.Chain, seed: int) -> ledger.Link:
    """The imported link that comes after all that a run has labeled so far.

    Args:
        own: the run, up to the round that is to select.

    Raises:
        UserError: the run is about other data, or has labeled other rows, or none comes after; or
            a row is in the run's validation set.
    """
    chain, n = source.chain(seed), len(own.links) - 1
    last = own.links[-1]
    check_data(chain.initial, last.header["data"], int(last.header["rows"]), last.path)
    if own.initial.indices.tolist() != chain.initial.indices.tolist():
        raise UserError(
            f"{own.initial.path}: not the initial set of {chain.initial.path}; give the task "
            f"split.imported: {source.folder.name}"
        )
    if own.labeled.tolist() != chain.labeled[: len(own.labeled)].tolist():
        raise UserError(f"{last.path}: has labeled other rows than {chain.links[n].path}")
    if n + 1 >= len(chain.links):
        raise UserError(f"{chain.links[-1].path}: is the last, round {n} needs one more")
    link = chain.links[n + 1]
    for rows, where in (
        (own.validation.indices, f"in the validation set {own.validation.path}"),
        (own.left_out, "left out of the pool"),
    ):
        if len(both := link.indices[np.isin(link.indices, rows)]):
            raise UserError(f"{link.path}: row {both[0]} is {where}")
    return link

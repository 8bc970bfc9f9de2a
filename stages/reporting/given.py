"""What the tables of a report are made from: result rows, settings, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas as pd

from stages.reporting.read.frames import AUBC, Measured, curve_table, measured_groups, runs_table
from stages.reporting.table import Table

Made = TypeVar("Made")


class Given:
    """What is known of a study; what several tables need is computed once."""

    def __init__(
        self,
        rounds: pd.DataFrame,
        full: pd.DataFrame,
        settings,
        tables: Mapping[str, Table],
        *,
        root: Path | None = None,
        drawn: pd.DataFrame | None = None,
        whole=None,
    ) -> None:
        """Keep what was read.

        Args:
            rounds, full: as of `records.read_rounds` and `records.read_full`.
            settings: with `tasks`, `strategies`, `seeds`, `task` and `report` (`margin`, `alpha`,
                `baseline`).
            tables: name -> declaration, for tables made from other tables.
            root: folder that holds `splits/` and `reports/`; None: no table of files.
            drawn: rows with those of bounds, which have a curve and are in no test.
            whole: the settings with those bounds.
        """
        self.rounds, self.full, self.settings, self.root = rounds, full, settings, root
        self.drawn = rounds if drawn is None else drawn
        self.whole = settings if whole is None else whole
        self.tasks, self.strategies = list(settings.tasks), list(settings.strategies)
        self.alpha, self.baseline = settings.report.alpha, settings.report.baseline
        self._tables, self._made = tables, {}

    @cached_property
    def runs(self) -> pd.DataFrame:
        """AUBC and final accuracy of every run."""
        return runs_table(self.rounds)

    @cached_property
    def curve(self) -> pd.DataFrame:
        """Accuracy against labeled images over seeds, without bounds."""
        return curve_table(self.rounds)

    @cached_property
    def means(self) -> pd.DataFrame:
        """(tasks, strategies) mean AUBC."""
        runs = self.runs
        means = runs.groupby(["task", "strategy"], sort=False)[AUBC].mean().unstack("strategy")
        return means[self.strategies]

    @cached_property
    def cells(self) -> list[Measured]:
        """What tests are run on: AUBC and the accuracy at every budget of every task."""
        return [
            cell for task in self.tasks for cell in measured_groups(self.rounds, self.runs, task)
        ]

    def once(self, make: Callable[[Given], Made]) -> Made:
        """What a function makes of this, made once."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]

    def table(self, name: str) -> pd.DataFrame:
        """Another table, by name."""
        return self.once(self._tables[name].build)

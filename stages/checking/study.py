"""A whole study's folder: every chain and every record, by the settings where there are any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.checking import chains, metrics, records, tree, tuned
from stages.checking.answers import Answers, of_problem
from stages.checking.data import check_protocol, posed, read_labels, read_manifest
from stages.checking.plan import Plan
from stages.checking.tree import Run, Tree
from stages.machine.errors import UserError
from stages.machine.reading import MissingFile
from stages.study import ledger
from stages.study.layout import Layout
from stages.study.problem import Problem


@dataclass
class Findings:
    """What was found.

    Attributes:
        fingerprints: run ("task/strategy/seed-k") -> SHA-256 of the seal of a sound chain.
        records: how many records agree with everything.
        faults, notices: a line each; a notice is nothing wrong, but should be known.
    """

    fingerprints: dict[str, str] = field(default_factory=dict)
    records: int = 0
    faults: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Study:
    """One folder while it is checked."""

    def __init__(self, root: Path, plan: Plan | None) -> None:
        self.root, self.plan, self.layout = root, plan, Layout(root)
        self.found = Findings()
        self.splits, self.results, self.tunings = (
            tree.scan(root / name) for name in ("splits", "reports/rounds", "reports/tuned")
        )
        self.data: dict[str, records.Data] = {}
        self.labels: dict[str, np.ndarray] = {}
        self.shared: dict[tuple[str, int], ledger.Chain] = {}
        self.answers: dict[tuple[str, int], Answers | None] = {}
        self.first: dict[tuple[str, int], tuple[Path, list[int]]] = {}  # classes of initial sets
        self.best: dict[tuple[str, str], dict] | None = None  # as of _check_tuned, once it is known

    def check(self) -> Findings:
        """Check everything; see :class:`Findings`."""
        found = self.found
        found.faults += [*self.splits.faults, *self.results.faults, *self.tunings.faults]
        for path in (*self.splits.stray, *self.results.stray):
            found.faults.append(f"{path}: not part of a study")
        for task in dict.fromkeys([*self._tasks(), *(run[0] for run in self._runs(self.splits))]):
            self._check_data(task)
        for run in self._runs(self.splits, shared=True):
            self._check_shared(run)
        best = self._check_tuned()
        for run in self._runs(self.splits):
            chain = self._check_chain(run, best)
            self._check_records(run, chain)
        self._check_full()
        self._check_leftovers()
        found.faults = list(dict.fromkeys(found.faults))
        return found

    def check_run(self, run: Run) -> list[str]:
        """The faults of one run (strategy None: the Full row's), its shared sets and its data."""
        task, strategy, seed = run
        before, self.found = self.found, Findings()
        try:
            if self.best is None:
                self.best = self._check_tuned()
            self._check_data(task)
            self._check_shared((task, None, seed))
            if strategy is None:
                self._check_record(self.results.folder(run) / "full.json", self._full_place(run))
            else:
                self._check_records(run, self._check_chain(run, self.best))
            return list(dict.fromkeys(self.found.faults))
        finally:
            self.found = before

    def _tasks(self) -> list[str]:
        return list(self.plan.tasks) if self.plan else []

    def _runs(self, part: Tree, shared: bool = False) -> list[Run]:
        """Runs that are there, and runs that should be, sorted (of results, shared: Full rows)."""
        runs = {run for run in part.runs if (run[1] is None) == shared}
        if self.plan:
            names = [None] if shared else self.plan.strategies
            seeds = self.plan.full if shared and part is self.results else self.plan.seeds
            runs |= {
                (task, name, seed) for task in self.plan.tasks for name in names for seed in seeds
            }
        return sorted(runs, key=lambda run: (run[0], run[1] or "", run[2]))

    def _named(self, run: Run) -> bool:
        return self.plan is not None and self.plan.names(*run)

    def _check_data(self, task: str) -> None:
        path = self.layout.data(task) / "manifest.json"
        try:
            self.data[task] = read_manifest(path)
            labels = read_labels(self.layout, task, self.data[task])
            if labels is not None:
                self.labels[task] = labels
        except MissingFile as fault:
            if task in self._tasks():
                self.found.faults.append(str(fault))
        except UserError as fault:
            self.found.faults.append(str(fault))
        if self.plan and task in self.plan.tasks:
            protocol = self.layout.data(task) / "protocol.json"
            self.found.faults += check_protocol(protocol, task, self.plan, self.data.get(task))

    def _check_shared(self, run: Run) -> None:
        folder, names = self.splits.folder(run), self.splits.runs.get(run, [])
        if not names:
            self.found.faults.append(f"{folder}: missing, {self.plan.path} names it")
            return
        try:
            shared = chains.check_shared(folder, run)
        except UserError as fault:
            self._stray(folder, names, (*chains.SHARED_FILES, "pool.txt"), "the shared sets")
            self.found.faults.append(str(fault))
            return
        expected = (*chains.SHARED_FILES, *(["pool.txt"] if shared.pool else []))
        self._stray(folder, names, expected, "the shared sets")
        self.shared[run[0], run[2]] = shared
        self.found.faults += self._about_other_data(shared.initial, run[0], shared.problem)
        self.found.faults += self._redrawn(run[0], run[2], shared)
        if self._named(run):
            self.found.faults += chains.shared_against_plan(shared, self.plan, run[0])
        elif self.plan:
            self.found.notices.append(f"{folder}: not named by {self.plan.path}")

    def _about_other_data(self, link: ledger.Link, task: str, problem: Problem) -> list[str]:
        """A link is about its task's data; without a manifest, about the same as the others."""
        if task not in self.data:
            rows, identity = int(link.header["rows"]) // problem.copies, link.header["data"]
            self.data[task] = records.Data(link.path, identity, rows)
        return chains.against_data(link, self.data[task], problem.copies)

    def _redrawn(self, task: str, seed: int, shared: ledger.Chain) -> list[str]:
        """The rows that a pool leaves out are drawn again, where the labels are here."""
        if task not in self.labels:
            return []
        try:
            self.answers[task, seed] = answers = Answers.of(
                shared, self.labels[task], self.data[task], seed
            )
        except UserError as fault:
            return [str(fault)]
        return answers.faults()

    def _check_tuned(self) -> dict[tuple[str, str], dict]:
        """(task, strategy) -> what was chosen on the validation sets, {} where that is unclear."""
        best, expected = {}, {self.tunings.top / "README.md"}
        for task in self._tasks():
            for strategy in self.plan.tuned:
                paths = {seed: self.layout.tuned(task, strategy, seed) for seed in self.plan.seeds}
                expected |= set(paths.values())
                best[task, strategy], faults = tuned.chosen(self.plan, paths, task, strategy)
                self.found.faults += faults
        for path in sorted(set(self.tunings.stray) - expected):
            self.found.notices.append(f"{path}: no settings name it, it was not checked")
        return best

    def _check_chain(self, run: Run, best: dict[tuple[str, str], dict]) -> ledger.Chain | None:
        task, strategy, seed = run
        folder, names = self.splits.folder(run), self.splits.runs.get(run, [])
        if not names:
            self.found.faults.append(f"{folder}: no such run, {self.plan.path} names it")
            return None
        if self.plan and not self._named(run):
            self.found.notices.append(f"{folder}: a run that {self.plan.path} does not name")
        try:
            chain = chains.check_run(folder, run)
        except UserError as fault:
            self.found.faults.append(str(fault))
            return None
        expected = {link.path.name for link in chain.links}
        stray = self._stray(folder, names, expected, "the sealed chain")
        # Faults of its initial set are named already.
        wrong = bool(self._about_other_data(chain.links[-1], task, chain.problem))
        if self._named(run):
            asked = chains.against_plan(chain, self.plan, task, best.get((task, strategy)))
            self.found.faults += asked
            wrong = wrong or bool(asked)
        if not stray and not wrong:
            key = f"{task}/{strategy}/seed-{seed}"
            self.found.fingerprints[key] = chain.links[-1].digest
        return chain

    def _stray(self, folder: Path, names: list[str], expected: Iterable[str], what: str) -> int:
        stray = sorted(set(names) - set(expected))
        self.found.faults += [f"{folder / name}: not part of {what}" for name in stray]
        return len(stray)

    def _check_records(self, run: Run, chain: ledger.Chain | None) -> None:
        task, strategy, seed = run
        folder, names = self.results.folder(run), self.results.runs.get(run, [])
        if self._named(run):
            count = self.plan.rounds
        elif chain:
            count = len(chain.links) - 1
        else:
            count = sum(f"round-{n}.json" in names for n in range(len(names)))
        if not self.results.runs:
            return  # said once, for all of them
        if not names:
            if count:
                self.found.faults.append(f"{folder}: no records, {count} are due")
            return
        if chain and not ledger.pinned_results(chain.links[-1]):
            seal = chain.links[-1].path
            self.found.faults.append(f"{seal}: pins no results, so the run's records prove nothing")
            return
        before: list[int] = []
        told: dict[bool, Path] = {}  # whether a selecting round says what it selected -> the first
        for n in range(count):
            place = self._place(run, n, chain)
            record = self._check_record(folder / f"round-{n}.json", place)
            if record is None:
                before = []
                continue
            if chain and (fault := self._unsealed(chain, folder / f"round-{n}.json", n)):
                self.found.faults.append(fault)
                self.found.records -= 1
                before = []
                continue
            before = self._follow(folder / f"round-{n}.json", before, record, run)
            if record["selected"]:
                told.setdefault("selection" in record, folder / f"round-{n}.json")
        if len(told) == 2:
            self.found.faults.append(f"{told[False]}: has no selection, but {told[True]} has")
        self._stray(folder, names, {f"round-{n}.json" for n in range(count)}, "the run's records")

    def _unsealed(self, chain: ledger.Chain, path: Path, n: int) -> str | None:
        """Why a record is not the one that its run's seal pins, None where it is."""
        try:
            ledger.check_result(chain.links[-1], n, path)
        except UserError as fault:
            return str(fault)
        return None

    def _place(self, run: Run, n: int, chain: ledger.Chain | None) -> records.Place:
        task, strategy, seed = run
        labeled = selected = by_class = None
        shared = self.shared.get((task, seed))
        due = None if shared is None else of_problem(shared.problem)
        if chain and n < len(chain.links) - 1:
            labeled, selected = chain.links[n].total, len(chain.links[n + 1].indices)
            if labeled and (answers := self.answers.get((task, seed))):
                newest = len(chain.links[n].indices)
                by_class, due = answers.bought(chain.labeled[:labeled], n, newest)
        elif self._named(run):
            labeled = self.plan.total(task, n)
            last = n == self.plan.rounds - 1
            selected = 0 if last else self.plan.tasks[task].selects(n)
        return records.Place(
            task,
            strategy,
            seed,
            n,
            self._manifest(task, seed),
            labeled,
            selected,
            by_class,
            True,
            due,
            self._measures(task),
        )

    def _measures(self, task: str) -> tuple[str, ...] | None:
        """What the settings ask to be measured beside what every record has."""
        if not self.plan or task not in self.plan.tasks:
            return None
        return metrics.asked(self.plan.raw["task"][task])

    def _manifest(self, task: str, seed: int) -> records.Data | None:
        data, shared = self.data.get(task), self.shared.get((task, seed))
        if not (data and data.test):
            return None
        try:
            return data if shared is None else posed(data, shared.problem)
        except UserError:
            return None  # a fault that is named elsewhere

    def _check_record(self, path: Path, place: records.Place) -> dict | None:
        """The record where it agrees with everything, else None and its faults are noted."""
        try:
            record, faults = records.read(path, place)
        except UserError as fault:
            self.found.faults.append(str(fault))
            return None
        self.found.faults += faults
        self.found.records += not faults
        return None if faults else record

    def _follow(self, path: Path, before: list[int], record: dict, run: Run) -> list[int]:
        """Labeled classes only grow, and begin alike for all strategies of a (task, seed)."""
        classes, faults = record["labeled_per_class"], []
        if record["round"] == 0:
            other, same = self.first.setdefault((run[0], run[2]), (path, classes))
            if classes != same:
                faults.append(f"{path}: labeled_per_class is not that of {other}")
        shared = self.shared.get((run[0], run[2]))
        # Where only the newest labels are wrong, they are put right later.
        grows = shared is None or shared.problem.noise_as == "exact"
        if grows and any(now < then for now, then in zip(classes, before, strict=False)):
            faults.append(f"{path}: labeled_per_class is below that of the round before")
        self.found.faults += faults
        self.found.records -= bool(faults)
        return classes

    def _check_full(self) -> None:
        for run in self._runs(self.results, shared=True):
            folder, names = self.results.folder(run), self.results.runs.get(run, [])
            if not self.results.runs:
                return
            place = self._full_place(run)
            self._check_record(folder / "full.json", place)
            self._stray(folder, names, ["full.json"], "the records")
            if self.plan and not (self._named(run) and run[2] in self.plan.full):
                self.found.notices.append(f"{folder}: not named by {self.plan.path}")

    def _full_place(self, run: Run) -> records.Place:
        task, _, seed = run
        data, shared = self._manifest(task, seed), self.shared.get((task, seed))
        labeled = by_class = due = None
        if data and shared:
            aside = np.concatenate([shared.validation.indices, shared.left_out])
            labeled, due = data.train - len(aside), of_problem(shared.problem)
            if answers := self.answers.get((task, seed)):
                rest = np.setdiff1d(np.arange(data.train), aside)
                by_class, due = answers.bought(rest, 0, 0)
            elif not len(aside) and not shared.problem.facts:
                by_class = data.train_per_class
        return records.Place(
            task,
            records.FULL,
            seed,
            None,
            data,
            labeled,
            None,
            by_class,
            True,
            due,
            self._measures(task),
        )

    def _check_leftovers(self) -> None:
        """Records of which the index sets know nothing."""
        if not self.results.runs and (self.splits.runs or self.plan):
            line = f"{self.results.top}: no records here"
            (self.found.faults if self.plan else self.found.notices).append(line)
        known = set(self._runs(self.splits))
        for run in sorted(run for run in self.results.runs if run[1] and run not in known):
            line = f"{self.results.folder(run)}: records of a run that has no index sets"
            (self.found.notices if self.plan else self.found.faults).append(line)

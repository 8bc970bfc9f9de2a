"""Check this deposit, without a network: ``python check.py`` (Python 3.10 or newer, NumPy).

Every file is held against manifest-sha256.txt; every chain of index sets against itself (parents'
digests, rows taken twice, rows of the validation set, totals), its seal against the results, every
result against its own counts, the tables index_sets.csv and results.csv against what they sum up,
and the fingerprint of the study against CITATION.cff. Nothing is imported from the deposit. Exit
code 1 if anything disagrees.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np

MANIFEST = "manifest-sha256.txt"
SHOWN = 20
SEED = re.compile(r"splits/(\w+)/(?:(\w+)/)?seed-(\d+)")


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


class Link:
    """One index file: header, rows, digest."""

    def __init__(self, root: Path, name: str) -> None:
        content = (root / name).read_bytes()
        lines = content.decode("ascii").splitlines()
        pairs = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
        self.name, self.digest = name, digest(content)
        self.header = {key: value for key, _, value in pairs}
        rows = [line for line in lines if not line.startswith("#")]
        self.rows = np.array(rows, np.int64) if rows else np.empty(0, np.int64)

    def faults(self) -> list[str]:
        """What is wrong with it alone."""
        header, found = self.header, []
        if header.get("format") != "aledger 1":
            return [f"{self.name}: not a file of index sets"]
        if len(self.rows) != int(header["count"]):
            found.append(f"{self.name}: holds {len(self.rows)} rows, says {header['count']}")
        if len(np.unique(self.rows)) != len(self.rows):
            found.append(f"{self.name}: a row stands there twice")
        if len(self.rows) and not 0 <= self.rows.min() <= self.rows.max() < int(header["rows"]):
            found.append(f"{self.name}: a row is out of range")
        return found


class Deposit:
    """The folder that this file lies in."""

    def __init__(self, root: Path) -> None:
        self.root, self.faults = root, []
        self.runs: dict[tuple[str, str, int], list[Link]] = {}
        self.results: list[tuple] = []

    def say(self, fault: str) -> None:
        """Note a fault."""
        self.faults.append(fault)

    def check_files(self) -> int:
        """All files of the manifest are there, unchanged; how many."""
        lines = (self.root / MANIFEST).read_text(encoding="utf-8").splitlines()
        named = dict(reversed(line.split("  ", 1)) for line in lines)
        for name, due in named.items():
            path = self.root / name
            if not path.is_file():
                self.say(f"{name}: missing")
            elif digest(path.read_bytes()) != due:
                self.say(f"{name}: changed")
        for place in ("splits", "reports/rounds"):
            for path in sorted((self.root / place).rglob("*")):
                name = path.relative_to(self.root).as_posix()
                if path.is_file() and name not in named:
                    self.say(f"{name}: not part of the deposit")
        return len(named)

    def check_chains(self) -> None:
        """Every run, from its validation set to its seal."""
        for seal in sorted(self.root.glob("splits/*/*/seed-*/round-end.txt")):
            folder = seal.parent.relative_to(self.root).as_posix()
            task, strategy, seed = SEED.fullmatch(folder).groups()
            shared = f"splits/{task}/seed-{seed}"
            count = len(list(seal.parent.glob("round-*.txt"))) - 1
            names = [f"{shared}/validation.txt", f"{shared}/initial.txt"]
            names += [f"{folder}/round-{n}.txt" for n in (*range(count), "end")]
            try:
                links = [Link(self.root, name) for name in names]
                self._check_chain(links, task, strategy, seed)
                self._check_pool(f"{shared}/pool.txt", links)
            except (OSError, ValueError, KeyError) as error:
                self.say(f"{folder}: not a whole chain ({error!r})")
                continue
            self.runs[task, strategy, int(seed)] = links

    def _check_chain(self, links: list[Link], task: str, strategy: str, seed: str) -> None:
        total = 0
        for at, link in enumerate(links):
            for fault in link.faults():
                self.say(fault)
            header = link.header
            due = (task, "shared" if at < 2 else strategy, seed)
            if tuple(header[key] for key in ("task", "strategy", "seed")) != due:
                self.say(f"{link.name}: is about another run")
            if (header["data"], header["rows"]) != tuple(
                links[0].header[key] for key in ("data", "rows")
            ):
                self.say(f"{link.name}: is about other data")
            parent = header["parent"].rpartition("sha256:")[2]
            if at and parent != links[at - 1].digest:
                self.say(f"{link.name}: its parent has changed")
            total += len(link.rows) if at else 0
            if int(header["total"]) != total:
                self.say(f"{link.name}: total is {header['total']}, the chain holds {total}")
        labeled = np.concatenate([link.rows for link in links[1:]])
        if len(np.unique(labeled)) != len(labeled):
            self.say(f"{links[-1].name}: a row was taken twice in this chain")
        if np.isin(labeled, links[0].rows).any():
            self.say(f"{links[-1].name}: a row of the validation set was labeled")
        if len(links[-1].rows):
            self.say(f"{links[-1].name}: a seal holds no rows")

    def _check_pool(self, name: str, links: list[Link]) -> None:
        """What the pool leaves out, where it does, is in none of the sets."""
        parent = links[0].header["parent"].rpartition("sha256:")[2]
        if not (self.root / name).exists():
            if parent != "none":
                self.say(f"{name}: missing")
            return
        pool = Link(self.root, name)
        for fault in pool.faults():
            self.say(fault)
        if parent != pool.digest:
            self.say(f"{links[0].name}: its parent has changed")
        for link in links:
            if np.isin(link.rows, pool.rows).any():
                self.say(f"{link.name}: has a row that the pool leaves out")

    def check_results(self) -> None:
        """The results that the seals pin, and what each says of itself."""
        for (task, strategy, seed), links in sorted(self.runs.items()):
            pinned = links[-1].header.get("results", "").split()
            if len(pinned) != len(links) - 3:
                self.say(f"{links[-1].name}: pins {len(pinned)} results of {len(links) - 3} rounds")
            labeled = np.cumsum([len(link.rows) for link in links[1:]])
            for n, due in enumerate(pinned):
                name = f"reports/rounds/{task}/{strategy}/seed-{seed}/round-{n}.json"
                try:
                    content = (self.root / name).read_bytes()
                    if digest(content) != due:
                        self.say(f"{name}: changed after the run was sealed")
                    record = json.loads(content)
                    self._check_record(name, record, int(labeled[n + 1]))
                    row = (record["labeled"], record["correct"], record["test"], record["accuracy"])
                    self.results.append((task, strategy, seed, n, *row))
                except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
                    self.say(f"{name}: not a whole result ({error!r})")

    def _check_record(self, name: str, record: dict, labeled: int) -> None:
        right, tested = record["per_class_correct"], record["per_class_test"]
        others = record.get("none_of_these", 0)  # images of no class that was asked for
        sums = (
            ("labeled", labeled, record["labeled"]),
            ("labeled_per_class", sum(record["labeled_per_class"]) + others, record["labeled"]),
            ("per_class_correct", sum(right), record["correct"]),
            ("per_class_test", sum(tested), record["test"]),
            ("accuracy", round(sum(right) / sum(tested), 6), record["accuracy"]),
        )
        for what, found, said in sums:
            if found != said:
                self.say(f"{name}: {what} comes to {found}, it says {said}")
        if any(k > n for k, n in zip(right, tested, strict=True)):
            self.say(f"{name}: more right answers than images of a class")

    def check_tables(self) -> None:
        """index_sets.csv and results.csv, recomputed."""
        sets = []
        for (task, strategy, seed), links in sorted(self.runs.items()):
            for link in (links[0], links[1], *links[3:-1]):
                name = link.header["round"]
                part = name if name in ("validation", "initial") else f"round-{name}"
                rows = enumerate(link.rows.tolist())
                sets += [(task, strategy, seed, part, at, row) for at, row in rows]
        for name, rows in (("index_sets.csv", sets), ("results.csv", self.results)):
            text = (self.root / name).read_text(encoding="utf-8")
            said = [tuple(row) for row in list(csv.reader(io.StringIO(text)))[1:]]
            if said != [tuple(map(str, row)) for row in rows]:
                self.say(f"{name}: not what the chains and results say")

    def check_fingerprint(self) -> str:
        """The SHA-256 over all seals is the one to cite."""
        seals = [links[-1] for links in self.runs.values()]
        lines = "".join(
            f"{link.digest}  {link.name}\n" for link in sorted(seals, key=lambda link: link.name)
        )
        found = digest(lines.encode())
        if f"sha256:{found}" not in (self.root / "CITATION.cff").read_text(encoding="utf-8"):
            self.say(f"CITATION.cff: does not name the fingerprint of the study, {found}")
        return found


def main(root: Path) -> int:
    """Check the deposit in ``root``; the exit code."""
    deposit = Deposit(root)
    files = deposit.check_files()
    deposit.check_chains()
    deposit.check_results()
    deposit.check_tables()
    fingerprint = deposit.check_fingerprint()
    for fault in deposit.faults[:SHOWN]:
        print(f"error: {ascii(fault)[1:-1]}", file=sys.stderr)
    print(
        f"{files} files, {len(deposit.runs)} chains, {len(deposit.results)} results, "
        f"{len(deposit.faults)} faults; fingerprint {fingerprint}"
    )
    return 1 if deposit.faults or not deposit.runs else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(__file__).resolve().parent))

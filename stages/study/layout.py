"""Where everything lies in a study. The only place that builds these paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

END = "end"


@dataclass(frozen=True)
class Layout:
    """Paths of a study under ``root``."""

    root: Path = Path(".")

    def data(self, task: str) -> Path:
        """Prepared arrays and manifest of a task."""
        return self.root / "data" / task

    @property
    def recipes(self) -> Path:
        """What each strategy is and which code it can run."""
        return self.root / "data" / "recipes"

    def recipe(self, strategy: str) -> Path:
        """The recipe of one strategy; ``stage-<name>``: the code of a stage."""
        return self.recipes / f"{strategy}.json"

    def protocol(self, task: str) -> Path:
        """What all rounds of a task have in common."""
        return self.data(task) / "protocol.json"

    def shared_split(self, task: str, seed: int) -> Path:
        """validation.txt, initial.txt and pool.txt, which all strategies of (task, seed) share."""
        return self.root / "splits" / task / f"seed-{seed}"

    def chain(self, task: str, strategy: str, seed: int) -> Path:
        """The links of one run."""
        return self.root / "splits" / task / strategy / f"seed-{seed}"

    def link(self, task: str, strategy: str, seed: int, n: int | str) -> Path:
        """The link that round ``n`` starts from (``"end"``: the seal)."""
        return self.chain(task, strategy, seed) / f"round-{n}.txt"

    def result(self, task: str, strategy: str, seed: int, n: int) -> Path:
        """What round ``n`` measured."""
        return self.root / "reports/rounds" / task / strategy / f"seed-{seed}" / f"round-{n}.json"

    def tuned(self, task: str, strategy: str, seed: int) -> Path:
        """What the candidates of a tuned strategy's settings achieved on the validation set."""
        return self.root / "reports/tuned" / task / strategy / f"seed-{seed}.json"

    def full_result(self, task: str, seed: int) -> Path:
        """What the model trained on the whole training set measured."""
        return self.root / "reports/rounds" / task / f"seed-{seed}" / "full.json"

    def artifacts(self, task: str, strategy: str, seed: int, n: int | str) -> Path:
        """What the round before ``n`` left behind: weights, scores, and ``carry.npz``."""
        return self.root / "artifacts" / task / strategy / f"seed-{seed}" / f"round-{n}"

    def seconds(self, task: str, strategy: str, seed: int, n: int) -> Path:
        """What round ``n`` took. Beside the folders that DVC hashes: no two runs take the same."""
        return self.root / "artifacts" / task / strategy / f"seed-{seed}" / f"seconds-{n}.json"

    def trained(self, task: str, seed: int, name: str) -> Path:
        """What some weights were trained from, so that they need not be trained again."""
        return self.root / "artifacts" / ".trained" / task / f"seed-{seed}" / f"{name}.json"

    def full_artifacts(self, task: str, seed: int) -> Path:
        """Weights of the model trained on the whole training set."""
        return self.root / "artifacts" / task / f"seed-{seed}" / "full"

    def full_seconds(self, task: str, seed: int) -> Path:
        """What training on the whole training set took."""
        return self.root / "artifacts" / task / f"seed-{seed}" / "seconds-full.json"

    def grown(self, task: str, strategy: str | None, seed: int) -> Path:
        """What a run that was grown without DVC was grown from."""
        return self.root / "artifacts" / ".grown" / f"{task}-{strategy or 'full'}-{seed}.json"

    def lock(self, task: str, strategy: str, seed: int) -> Path:
        """Held by the process that grows a chain."""
        return self.root / "artifacts" / ".locks" / f"{task}-{strategy}-{seed}.lock"

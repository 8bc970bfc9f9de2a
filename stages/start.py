"""Stage start: the first link of a run, on top of the initial set that all strategies share.

The link of a tuned strategy names the settings that were chosen, so all later links depend
on them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from stages.machine import hardware
from stages.machine.errors import command_line
from stages.study import carry, ledger, settings, tuning
from stages.study.layout import Layout


def start(study: settings.Settings, root: Path, task: str, strategy: str, seed: int) -> None:
    """Write an empty carry, then round-0.txt (no indices of its own)."""
    study.check_names(task, strategy, seed)
    for tried in study.grid(strategy):
        hardware.check_packages(strategy, study.chosen(strategy)[1] | tried)
    layout = Layout(root)
    initial = ledger.read_shared(layout.shared_split(task, seed)).initial
    carry.write(layout.artifacts(task, strategy, seed, 0), {})
    ledger.write(
        layout.link(task, strategy, seed, 0),
        np.empty(0, np.int64),
        data=initial.header["data"],
        rows=int(initial.header["rows"]),
        task=task,
        strategy=strategy,
        seed=seed,
        round_n=0,
        parent=initial,
        total=initial.total,
        tuned=tuning.chosen(study, layout, task, strategy),
    )


@command_line
def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m stages.start", description=__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--root", type=Path, default=Path("."))
    options = parser.parse_args(arguments)
    study = settings.load(options.root / "params.yaml")
    start(study, options.root, options.task, options.strategy, options.seed)


if __name__ == "__main__":
    main()

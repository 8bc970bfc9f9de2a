"""Small studies for the tests: settings derived from the repository's own, data cut from digits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stages.study import ledger

REPO = Path(__file__).resolve().parents[1]
DATA = "toy sha256:" + "ab" * 32


def tree(**changes: Any) -> dict[str, Any]:
    """The repository's params.yaml with a tiny study in it; ``changes`` as in :func:`edit`."""
    settings = yaml.safe_load((REPO / "params.yaml").read_text(encoding="utf-8"))
    settings |= {
        "reproducible": "portable",
        "device": "cpu",
        "threads": 1,
        "tasks": ["digits"],
        "strategies": ["random", "entropy"],
        "seeds": [0, 1],
        "keep": "all",
        "rounds": rounds(3),
    }
    settings["task"] = {
        "digits": {
            "dataset": {"name": "digits"},
            "split": {"initial": 12, "validation": 5, "balanced": False},
            "query_size": 6,
            "model": {"name": "small_cnn", "dropout": 0.3},
            "epochs": 2,
            "batch_size": 8,
            "optimizer": "adam",
            "learning_rate": 0.003,
        }
    }
    settings = edit(settings, changes)
    if "full" not in changes:
        settings.pop("full", None)
        if _are_seeds(settings.get("seeds")):  # a fault of the seeds is told once
            settings["full"] = settings["seeds"]
    return settings


def _are_seeds(value: Any) -> bool:
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        return False
    return len(set(value)) == len(value) and all(0 <= one < 2**63 for one in value)


def rounds(count: int) -> list[dict[str, Any]]:
    """The chain of ``count`` rounds."""
    return [{"n": n, "next": n + 1 if n + 1 < count else "end"} for n in range(count)]


def edit(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with values set by path, ``task__digits__epochs=3``; ``DROP`` takes a key out."""
    settings = copy.deepcopy(settings)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = settings
        for part in parents:
            place = place.setdefault(part, {})
        if value is DROP:
            del place[last]
        else:
            place[last] = value
    return settings


DROP = object()


def write_params(root: Path, settings: dict[str, Any]) -> Path:
    """Write params.yaml under ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / "params.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def write_chain(
    root: Path,
    selections: list[list[int]],
    *,
    validation: list[int],
    initial: list[int],
    rows: int = 50,
    task: str = "toy",
    strategy: str = "random",
    seed: int = 0,
    data: str = DATA,
    tuned: dict[str, Any] | None = None,
) -> list[ledger.Link]:
    """A sealed chain: both shared files, round-0, a link for each selection, the seal. It pins the
    records that lie there already."""
    shared, own = root / "splits" / task / f"seed-{seed}", root / "splits" / task / strategy
    common = {"data": data, "rows": rows, "task": task, "seed": seed}
    links: list[ledger.Link] = []
    records = root / "reports/rounds" / task / strategy / f"seed-{seed}"
    paths = [records / f"round-{n}.json" for n in range(len(selections) + 1)]
    results = [ledger.digest(path.read_bytes()) for path in paths if path.exists()]

    def append(path: Path, name: int | str, by: str, indices: list[int], total: int) -> None:
        links.append(
            ledger.write(
                path,
                np.array(indices, np.int64),
                strategy=by,
                round_n=name,
                parent=links[-1] if links else None,
                total=total,
                tuned=tuned if name == 0 else None,
                results=results if name == "end" else (),
                **common,
            )
        )

    append(shared / "validation.txt", "validation", ledger.SHARED, validation, 0)
    append(shared / "initial.txt", "initial", ledger.SHARED, initial, len(initial))
    total, steps = len(initial), [[], *selections, []]
    for n, indices in enumerate(steps):
        total += len(indices)
        name = "end" if n == len(steps) - 1 else n
        append(own / f"seed-{seed}" / f"round-{name}.txt", name, strategy, indices, total)
    return links


def reseal(root: Path) -> None:
    """Write every seal anew, with the records as they lie there now."""
    for path in root.glob("splits/*/*/seed-*/round-end.txt"):
        seal = ledger.read(path)
        said = seal.header
        records = root / "reports/rounds" / said["task"] / said["strategy"] / path.parent.name
        count = len(list(path.parent.glob("round-*.txt"))) - 1
        paths = [records / f"round-{n}.json" for n in range(count)]
        ledger.write(
            path,
            seal.indices,
            data=said["data"],
            rows=int(said["rows"]),
            task=said["task"],
            strategy=said["strategy"],
            seed=int(said["seed"]),
            round_n="end",
            parent=ledger.read(path.parent / said["parent"].split()[0]),
            total=seal.total,
            results=[ledger.digest(one.read_bytes()) for one in paths if one.exists()],
        )


def grow(study: Any, root: Path, task: str, strategy: str, seed: int) -> None:
    """Run a chain from start to seal, without DVC."""
    from stages.round import Run, run_round
    from stages.start import start
    from stages.study.layout import Layout

    start(study, root, task, strategy, seed)
    for item in study.rounds:
        run_round(Run(study, Layout(root), task, strategy, seed), item.n, item.next)

"""A small sealed study without a network: settings, data, index sets, records, tuned settings."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from study import DATA, DROP, reseal, rounds, write_chain, write_params

ROWS, CLASSES, TEST, QUERY, ROUNDS = 60, 3, 30, 3, 3
INITIAL, VALIDATION = [0, 1, 2, 3, 4, 5], [50, 51, 52, 53]
LABELS = np.arange(ROWS) % CLASSES
SEEDS = (0, 1)
STRATEGIES = ("random", "entropy", "hybrid")
BETAS = [0.1, 0.5]
MANIFEST = {
    "format": 1,
    "name": "toy",
    "source": "nowhere",
    "license": "CC0",
    "digest": "ab" * 32,
    "train": ROWS,
    "test": TEST,
    "shape": [1, 8, 8],
    "classes": ["a", "b", "c"],
    "train_per_class": [20, 20, 20],
    "test_per_class": [10, 10, 10],
    "mean": [0.5],
    "std": [0.25],
}
TASK = {
    "dataset": {"name": "folder"},
    "split": {"initial": 6, "validation": 4, "balanced": False},
    "query_size": QUERY,
    "model": {"name": "small_cnn", "dropout": 0.3},
    "epochs": 2,
    "batch_size": 8,
    "optimizer": "adam",
    "learning_rate": 0.003,
}


def params() -> dict[str, Any]:
    """The study's settings."""
    return {
        "reproducible": "portable",
        "tasks": ["toy"],
        "strategies": list(STRATEGIES),
        "seeds": list(SEEDS),
        "tuned": ["hybrid"],
        "rounds": rounds(ROUNDS),
        "task": {"toy": TASK},
        "strategy": {"random": {}, "entropy": None, "hybrid": {"beta": BETAS, "over": ["x"]}},
    }


def put(path: Path, value: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; ``DROP`` takes one out."""
    record = json.loads(path.read_text()) | changes
    put(path, {key: value for key, value in record.items() if value is not DROP})


def thumbnail(shade: int = 0, side: int = 8) -> str:
    """A PNG in base64."""
    stream = io.BytesIO()
    Image.new("L", (side, side), shade).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def counts(rows: Any) -> list[int]:
    """Rows by class."""
    return np.bincount(LABELS[np.asarray(rows, int)], minlength=CLASSES).tolist()


def record(strategy: str, seed: int, n: int | None, rows: list[int], chosen: int) -> dict[str, Any]:
    """A record as the stages write it."""
    found: dict[str, Any] = {
        "format": 1,
        "task": "toy",
        "strategy": strategy,
        "seed": seed,
        "round": n,
        "labeled": len(rows),
        "labeled_per_class": counts(rows),
        "test": TEST,
        "correct": 20,
        "accuracy": round(20 / TEST, 6),
        "per_class_test": [10, 10, 10],
        "per_class_correct": [8, 7, 5],
        "nll": 0.9,
        "ece": 0.125,
    }
    if n is not None:
        found["selected"] = chosen
    if chosen:
        found["selection"] = {"diversity": 2.5, "uncertainty": 0.25, "inconsistency": 0.125}
    if n == 0:
        found["first_selected"] = [thumbnail(at) for at in range(chosen)]
    return found


def write_run(root: Path, strategy: str, seed: int, **changes: Any) -> None:
    """Chain and records of a run; ``changes`` as of `study.write_chain`."""
    start = 6 + 12 * STRATEGIES.index(strategy) if strategy in STRATEGIES else 42
    picks = [[start + 3 * n + k + seed for k in range(QUERY)] for n in range(ROUNDS - 1)]
    settings = {"rows": ROWS, "validation": VALIDATION, "initial": INITIAL} | changes
    tuned = {"beta": 0.5} if strategy == "hybrid" else None
    write_chain(root, picks, strategy=strategy, seed=seed, data=DATA, tuned=tuned, **settings)
    labeled = list(settings["initial"])
    for n, chosen in enumerate([*picks, []]):
        path = root / f"reports/rounds/toy/{strategy}/seed-{seed}/round-{n}.json"
        put(path, record(strategy, seed, n, labeled, len(chosen)))
        labeled = labeled + chosen
    reseal(root)


def write_study(root: Path) -> Path:
    """All of it under ``root``."""
    write_params(root, params())
    put(root / "data/toy/manifest.json", MANIFEST)
    protocol = {"data": DATA, "reproducible": "portable", "device": "auto"}
    protocol |= {key: value for key, value in TASK.items() if key != "dataset"}
    put(root / "data/toy/protocol.json", protocol | {"momentum": 0.0})
    np.save(root / "data/toy/train_labels.npy", LABELS)
    for seed in SEEDS:
        for strategy in STRATEGIES:
            write_run(root, strategy, seed)
        rest = [row for row in range(ROWS) if row not in VALIDATION]
        put(root / f"reports/rounds/toy/seed-{seed}/full.json", record("full", seed, None, rest, 0))
        tried = [{"values": {"beta": beta}, "correct": 2 + at} for at, beta in enumerate(BETAS)]
        put(
            root / f"reports/tuned/toy/hybrid/seed-{seed}.json",
            {
                "format": 1,
                "task": "toy",
                "strategy": "hybrid",
                "seed": seed,
                "labeled": 12,
                "validation": 4,
                "candidates": tried,
            },
        )
    return root

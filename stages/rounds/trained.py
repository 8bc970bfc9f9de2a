"""Training once what several rounds would train alike.

All strategies of a seed begin with the same labeled rows, so those that share a learner train one
and the same first model; and the last round of a run is trained again when its study is extended. A
learner that gives the task's network and nothing else says so
(:func:`stages.catalogue.parts.repeatable`): its weights are kept under a key of all that training
can depend on, and found by it. They are what training would give, so DVC need not know of them;
where ``artifacts/.trained`` is deleted, everything is trained.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from stages.catalogue import parts
from stages.machine.errors import UserError
from stages.machine.files import as_json, write_atomically, write_json
from stages.machine.reading import read_json, read_regular
from stages.models import restore, state
from stages.models.fit import fresh
from stages.rounds.context import Learned, Round
from stages.rounds.opening import Run
from stages.study.footprint import Footprint
from stages.study.layout import END

MOST = 2**34  # bytes of a file of weights


@dataclass(frozen=True)
class Trained:
    """What a learner gave.

    Attributes:
        learned: trained now, or found.
        seconds: that the training took, now or then.
        key: of all that it can depend on; None where the learner is not repeatable.
    """

    learned: Learned
    seconds: float
    key: str | None


def train(run: Run, round: Round, path: str, settings: dict[str, Any]) -> Trained:
    """Train with the learner at ``path``, or find what it gave for the same.

    Args:
        settings: of the strategy; the learner's are taken from them.

    Raises:
        UserError: training diverged, or whatever else the learner refuses.
    """
    learner = parts.bind(path, settings, "learner")
    own = {"learner": path, "settings": learner.keywords}
    known = parts.is_repeatable(path) and run.layout.protocol(run.task).exists()
    key = key_of(run, round, own) if known else None
    first = run.layout.trained(run.task, run.seed, f"first-{_digest(own)[:16]}")
    if key:
        ended = run.layout.artifacts(run.task, run.strategy, run.seed, END)
        for note, weights in (
            (first, first.with_suffix(".npz")),
            (_last(run), ended / "model.npz"),
        ):
            if found := _found(round, key, note, weights):
                return found
    began = time.perf_counter()
    learned = learner(round)
    if learned.parts or learned.carry:
        key = None  # there is more than weights to find again
    result = Trained(learned, time.perf_counter() - began, key)
    if key and round.n == run.study.rounds[0].n:
        weights, arrays = first.with_suffix(".npz"), state(result.learned.network)
        write_atomically(weights, lambda stream: np.savez(stream, **arrays))
        _note(first, result, weights)
    return result


def note_last(run: Run, trained: Trained) -> None:
    """Note what the weights that the last round has left were trained from, if there are any."""
    weights = run.layout.artifacts(run.task, run.strategy, run.seed, END) / "model.npz"
    if trained.key and weights.exists():
        _note(_last(run), trained, weights)


def key_of(run: Run, round: Round, learner: Mapping[str, Any]) -> str:
    """SHA-256 of all that training can depend on, 64 hex digits.

    The learner's settings and code, the task's protocol (which names its data, its settings and
    the code of its model), the seed, the round, its rows and labels, and what was handed on.
    """
    module = learner["learner"].partition(":")[0]
    refused = {"refused": _array(round.refused)} if len(round.refused) else {}
    rows = {name: _array(getattr(round, name)) for name in ("labeled", "unlabeled", "validation")}
    facts = {
        **learner,
        "code": Footprint([module.partition(".")[0]]).reached([module]),
        "protocol": _sha256(read_regular(run.layout.protocol(run.task), MOST)),
        "seed": round.seed,
        "round": round.n,
        **rows,
        **refused,
        "labels": _array(round.labels),
        "validation_labels": _array(round.validation_labels),
        "carry": {
            role: {name: _array(array) for name, array in own.items()}
            for role, own in round.carry.items()
        },
    }
    return _digest(facts)


def _found(round: Round, key: str, note: Path, weights: Path) -> Trained | None:
    """The model of these weights, if they were trained for this key and are whole."""
    if not (note.is_file() and weights.is_file()):
        return None
    try:
        said, content = read_json(note), read_regular(weights, MOST, follow=True)
    except UserError:
        return None
    if said.get("key") != key or said.get("weights") != _sha256(content):
        return None
    network = fresh(round)
    with np.load(BytesIO(content), allow_pickle=False) as stored:
        restore(network, dict(stored))
    return Trained(Learned(network), float(said["seconds"]), key)


def _note(note: Path, trained: Trained, weights: Path) -> None:
    digest = _sha256(read_regular(weights, MOST))
    seconds = round(trained.seconds, 4)
    write_json(note, {"key": trained.key, "weights": digest, "seconds": seconds})


def _last(run: Run) -> Path:
    return run.layout.trained(run.task, run.seed, f"last-{run.strategy}")


def _digest(value: Any) -> str:
    return _sha256(as_json(value).encode())


def _array(array: np.ndarray) -> list[Any]:
    array = np.ascontiguousarray(array)
    return [str(array.dtype), list(array.shape), _sha256(array.tobytes())]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

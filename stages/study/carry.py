"""What a round hands to the next beside its index set: named arrays in ``carry.npz``.

Pseudo-labels, adversarial images, the state of a bandit. Each of learner, scorer and selector has
names of its own: ``selector/rows`` is the selector's ``rows``. A part that starts afresh hands on
nothing. Never pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from stages.machine.errors import UserError
from stages.machine.files import write_atomically

Arrays = Mapping[str, Mapping[str, np.ndarray]]  # role -> name -> array


def write(folder: Path, arrays: Arrays) -> None:
    """Write ``arrays`` to ``folder``/carry.npz."""
    named = {f"{role}/{name}": value for role, own in arrays.items() for name, value in own.items()}
    write_atomically(folder / "carry.npz", lambda stream: np.savez(stream, **named))


def read(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What the last round handed on, by role and name.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / "carry.npz"
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with np.load(path, allow_pickle=False) as stored:
            for key in stored.files:
                role, _, name = key.partition("/")
                found.setdefault(role, {})[name] = stored[key]
    except OSError:
        raise UserError(f"{path}: missing; run dvc repro, or dvc checkout") from None
    except (ValueError, EOFError, BadZipFile):
        raise UserError(f"{path}: damaged") from None
    return found

"""What a round hands to the next beside its index set: named arrays in ``carry.npz``.

Weights for fine-tuning, the state of a bandit. A learner or selector that starts afresh hands on
nothing. Never pickled.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from stages.machine.errors import UserError
from stages.machine.files import write_atomically


def write(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write ``arrays`` to ``folder``/carry.npz."""
    write_atomically(folder / "carry.npz", lambda stream: np.savez(stream, **arrays))


def read(folder: Path) -> dict[str, np.ndarray]:
    """What the last round handed on.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / "carry.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except OSError:
        raise UserError(f"{path}: missing; run dvc repro, or dvc checkout") from None
    except (ValueError, EOFError, BadZipFile):
        raise UserError(f"{path}: damaged") from None

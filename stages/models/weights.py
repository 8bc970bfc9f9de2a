"""Weights that somebody else has trained, read from a file whose digest is known beforehand.

Nothing of a file is executed: arrays alone are read. A network gets all of its body from the file
or none; its classifier keeps what the seed has drawn.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from stages import catalogue
from stages.machine.errors import UserError, shown
from stages.machine.reading import MissingFile, open_regular
from stages.models.networks import Network

if TYPE_CHECKING:
    from stages.study.settings import Model

SITE = "https://download.pytorch.org/models/"
HEAD = "classifier."  # of a network of ours
HEADS = (HEAD, "fc.")  # and of those that torchvision has
COUNTER = ".num_batches_tracked"  # of batch norm; older files have none, and nothing here uses it
WRAPPED = ("state_dict", "model")  # what training programs put around weights
MOST_NAMED = 3  # arrays that a message lists


def load(network: Network, model: Model) -> list[str]:
    """Fill the body of ``network`` (on the CPU, float32) with ``model.weights``.

    Returns:
        Names of the arrays of the file that were left out: those of its head.

    Raises:
        UserError: the file is missing, has another digest, is none that can be read without running
            it, or lacks arrays, has further ones or some of another shape.
    """
    path, digest = located(model)
    arrays = read(path, digest)
    return fill(network, arrays, catalogue.find_architecture(model.name).keys, path)


def located(model: Model) -> tuple[Path, str]:
    """The file of ``model.weights``, and its SHA-256 or as much of it as was published.

    Raises:
        UserError: a published file is nowhere.
    """
    name = catalogue.find_architecture(model.name).published.get(model.weights)
    if name is None:
        return Path(model.weights).expanduser(), model.sha256
    digest = model.sha256 or name.rpartition("-")[2].partition(".")[0]
    places = [_data_root(), Path(torch.hub.get_dir()) / "checkpoints"]
    for place in places:
        if (place / name).is_file():
            return place / name, digest
    raise UserError(
        f"weights {model.weights} of {model.name}: {name} is neither in {places[0]} nor in "
        f"{places[1]}; download {SITE}{name} (by torchvision) and put it there"
    )


def _data_root() -> Path:
    return Path(os.environ.get("ALEDGER_DATA") or "~/.cache/aledger").expanduser()


def read(path: Path, digest: str) -> dict[str, Tensor]:
    """The arrays of a file by name; ``digest``: the first digits of its SHA-256, or all.

    Raises:
        UserError: see :func:`load`.
    """
    try:
        with open_regular(path, follow=True) as stream:
            content = stream.read()
    except MissingFile:
        raise UserError(f"weights {path}: missing") from None
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(digest):
        raise UserError(f"weights {path}: SHA-256 is {found}, not {digest}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(
            f"weights {path}: ending {path.suffix!r}; allowed: {', '.join(sorted(READERS))}"
        )
    try:
        arrays = reader(content)
    except UserError:
        raise
    except Exception as error:  # of a reader of somebody else's, on bytes that may be anything
        what = " ".join(str(error).split())[:100]
        raise UserError(f"weights {path}: not a file of plain arrays ({what})") from None
    _check_arrays(path, arrays)
    return arrays


def _numpys(content: bytes) -> dict[str, Tensor]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


def _torchs(content: bytes) -> Any:
    found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    for name in WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            return found[name]
    return found


def _safetensors(content: bytes) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load as parse
    except ModuleNotFoundError:
        raise UserError(
            "weights in a .safetensors file need the package 'safetensors', which is not installed"
        ) from None
    return parse(content)


READERS = {
    ".npz": _numpys,
    ".pt": _torchs,
    ".pth": _torchs,
    ".bin": _torchs,
    ".safetensors": _safetensors,
}


def _check_arrays(path: Path, arrays: Any) -> None:
    """Raise unless these are numbers by name, all of them finite."""
    if not isinstance(arrays, Mapping) or not arrays:
        raise UserError(f"weights {path}: holds a {type(arrays).__name__}, not arrays by name")
    for name, value in arrays.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise UserError(f"weights {path}: {shown(name)} is a {kind}, not an array")
        if value.is_complex() or not torch.isfinite(value).all():
            raise UserError(f"weights {path}: {shown(name)} has values that are no finite numbers")


def fill(
    network: Network, arrays: Mapping[str, Tensor], keys: Mapping[str, str], path: Path
) -> list[str]:
    """Put ``arrays`` into the body of ``network``; all of them fit, or none is taken.

    Args:
        keys: the beginning of a name in the file -> that of ours; for files that are not of ours.
        path: of the file, for messages.

    Returns, raises: see :func:`load`.
    """
    wanted = {name: v for name, v in network.state_dict().items() if not name.startswith(HEAD)}
    own = all(name.startswith(("body.", HEAD)) for name in arrays)
    given, left_out, unexpected = {}, [], []
    for name, value in arrays.items():
        place = name if own else _renamed(name, keys)
        if place in wanted:
            given[place] = value
        elif place.startswith(HEAD) or name.startswith(HEADS):
            left_out.append(name)
        else:
            unexpected.append(name)
    missing = [name for name in wanted if name not in given and not name.endswith(COUNTER)]
    other = [
        f"{name} of shape {tuple(value.shape)}, not {tuple(wanted[name].shape)}"
        for name, value in given.items()
        if value.shape != wanted[name].shape
    ]
    said = [_listed("has no", missing), _listed("has", other), _listed("has unknown", unexpected)]
    if any(said):
        raise UserError(
            f"weights {path}: not those of this model: it {'; it '.join(filter(None, said))}"
        )
    with torch.no_grad():
        for name, value in given.items():
            wanted[name].copy_(value)
    return left_out


def _renamed(name: str, keys: Mapping[str, str]) -> str:
    prefix = next((prefix for prefix in keys if name.startswith(prefix)), "")
    return keys.get(prefix, "") + name.removeprefix(prefix)


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{what} {', '.join(names[:MOST_NAMED])}{more}"

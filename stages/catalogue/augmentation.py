"""A task's ``augmentation``: a name, or operations one after another with their settings."""

from __future__ import annotations

from typing import Any

from stages.catalogue import parts
from stages.machine.errors import UserError, nearest, shown

CODE = "stages.models.augmentation.operations"
OPERATIONS = (
    "crop",
    "flip",
    "rotation",
    "affine",
    "resized_crop",
    "color_jitter",
    "grayscale",
    "cutout",
    "randaugment",
)
SHORT = {"none": (), "crop": ("crop",), "crop_flip": ("crop", "flip")}
MOST = 20  # operations of one task

Steps = tuple[dict[str, dict[str, Any]], ...]


def path(operation: str) -> str:
    """Import path of an operation's function."""
    return f"{CODE}:{operation}"


def complete(setting: Any) -> str | Steps:
    """The setting with the defaults of all operations: one of the short names stays as it is.

    ``[crop, {rotation: 15}]`` gives ``({"crop": {"padding": None, ...}}, {"rotation": {"degrees":
    15}})``: a single value is that of an operation's first setting.

    Raises:
        UserError: all that is wrong.
    """
    if isinstance(setting, str) and setting in SHORT:
        return setting
    if not isinstance(setting, list | tuple) or not 1 <= len(setting) <= MOST:
        words = f"{', '.join(SHORT)}, or a list of up to {MOST} of {', '.join(OPERATIONS)}"
        raise UserError(f"{shown(setting)} is no augmentation; allowed: {words}")
    found, wrong = [], []
    for item in setting:
        try:
            found.append(_step(item))
        except UserError as error:
            wrong += error.faults
    if wrong:
        raise UserError(*dict.fromkeys(wrong))
    return tuple(found)


def steps(setting: Any, padding: int) -> list[tuple[str, dict[str, Any]]]:
    """Operations and their settings, of a complete setting or not; crops have their padding.

    Raises:
        UserError: all that is wrong with the setting.
    """
    whole = complete(setting)
    if isinstance(whole, str):
        whole = tuple(_step(name) for name in SHORT[whole])
    pairs = [pair for step in whole for pair in step.items()]
    return [
        (name, given | {"padding": given["padding"] or padding} if name == "crop" else given)
        for name, given in pairs
    ]


def _step(item: Any) -> dict[str, dict[str, Any]]:
    """One operation with all its settings."""
    if isinstance(item, str):
        item = {item: {}}
    if not isinstance(item, dict) or len(item) != 1:
        raise UserError(f"{shown(item)} is no operation; allowed: a name, or {{name: settings}}")
    (name, given), *_ = item.items()
    if name not in OPERATIONS:
        raise UserError(f"unknown operation {shown(name)}; {nearest(str(name), OPERATIONS)}")
    if not isinstance(given, dict):
        given = {} if given is None else {next(iter(parts.section(path(name)).kinds)): given}
    settings = parts.checked(name, path(name), given)
    if said := parts.load(f"{CODE}:misfit")(name, settings):
        raise UserError(said)
    return {name: settings}

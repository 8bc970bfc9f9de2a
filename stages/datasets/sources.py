"""From what params.yaml says of a data set to :class:`Images`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stages import catalogue
from stages.datasets.images import Images
from stages.datasets.listing import path_of
from stages.machine.errors import UserError

if TYPE_CHECKING:
    from stages.study.settings import Dataset


def load(dataset: Dataset) -> Images:
    """The data set that the settings name.

    Raises:
        UserError: files are missing, unreadable, or not the ones that were published; a data set
            of somebody's own that is not what :class:`Images` says.
    """
    read = catalogue.bind(dataset.entry.load, dataset.settings)
    images = read(root_of(dataset))
    if not isinstance(images, Images):
        raise UserError(
            f"data set {dataset.name} is a {type(images).__name__}; "
            f"allowed: stages.datasets.images.Images"
        )
    if faults := images.faults():
        raise UserError(*(f"data set {dataset.name}: {fault}" for fault in faults))
    return images


def root_of(dataset: Dataset) -> Path | None:
    """``dataset.root`` as a path; None where it says nothing.

    Raises:
        UserError: no path.
    """
    return None if dataset.root is None else path_of(dataset.root)

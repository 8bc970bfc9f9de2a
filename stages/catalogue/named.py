"""The entry of an architecture or of a data set, by its name or by an import path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.catalogue import parts
from stages.catalogue.architecture import Architecture
from stages.catalogue.dataset import DataSet
from stages.catalogue.table import ARCHITECTURES, DATA_SETS
from stages.machine.errors import UserError, nearest, shown


def find_architecture(name: str) -> Architecture:
    """The architecture of this name, or at an import path: an Architecture, or its function.

    Raises:
        UserError: neither a known name nor something that can be imported.
    """
    return _find("model", name, ARCHITECTURES, Architecture)


def find_data_set(name: str) -> DataSet:
    """The data set of this name, or at an import path: a DataSet, or its function.

    Raises:
        UserError: neither a known name nor something that can be imported.
    """
    return _find("data set", name, DATA_SETS, DataSet)


def _find(what: str, name: str, known: Mapping[str, Any], kind: type) -> Any:
    if ":" not in name:
        if name not in known:
            raise UserError(f"unknown {what} {shown(name)}; {nearest(name, known)}")
        return known[name]
    found = parts.load(name)
    if isinstance(found, kind):
        return found
    if not callable(found):
        raise UserError(
            f"{shown(name)} is a {type(found).__name__}; "
            f"allowed: a function, or a stages.catalogue.{kind.__name__}"
        )
    return kind(name)

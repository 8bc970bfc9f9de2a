"""Every strategy in one table, and strategies put together from parts.

An entry stands in the file of its code: each module of ``stages/strategies`` and
``stages/learners`` may have ``ENTRIES``, name -> :class:`Strategy`; nothing else lists it. A
strategy of one's own lives outside this package and is used by import path:
``strategy: {mine: {use: "mylab.al:my_strategy"}}``, or is put together in params.yaml:
``mine: {learner: ceal, scorer: entropy, selector: top}``.

Architectures (``stages/models/architectures``) and data sets (``stages/datasets``) likewise:
``model: {name: "mylab.nets:wide"}``, ``dataset: {name: "mylab.data:load"}``.
"""

from __future__ import annotations

from stages.catalogue.architecture import CLASSES, Architecture
from stages.catalogue.compose import complete, composed, find, involved
from stages.catalogue.dataset import DataSet, Facts
from stages.catalogue.named import find_architecture, find_data_set
from stages.catalogue.parts import bind, load
from stages.catalogue.strategy import CANDIDATES, SUPERVISED, TOP, Strategy
from stages.catalogue.table import (
    ARCHITECTURES,
    BOUNDS,
    DATA_SETS,
    LEARNERS,
    REPLAYS,
    STRATEGIES,
)

__all__ = [
    "ARCHITECTURES",
    "BOUNDS",
    "CANDIDATES",
    "CLASSES",
    "DATA_SETS",
    "LEARNERS",
    "REPLAYS",
    "STRATEGIES",
    "SUPERVISED",
    "TOP",
    "Architecture",
    "DataSet",
    "Facts",
    "Strategy",
    "bind",
    "complete",
    "composed",
    "find",
    "find_architecture",
    "find_data_set",
    "involved",
    "load",
]

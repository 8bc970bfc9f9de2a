"""Every strategy in one table, and strategies put together from parts.

An entry stands in the file of its code: each module of ``stages/strategies`` and
``stages/learners`` may have ``ENTRIES``, name -> :class:`Strategy`; nothing else lists it. A
strategy of one's own lives outside this package and is used by import path:
``strategy: {mine: {use: "mylab.al:my_strategy"}}``, or is put together in params.yaml:
``mine: {learner: ceal, scorer: entropy, selector: top}``.
"""

from __future__ import annotations

from stages.catalogue.compose import complete, composed, find, involved
from stages.catalogue.parts import bind, load
from stages.catalogue.strategy import CANDIDATES, SUPERVISED, TOP, Strategy
from stages.catalogue.table import LEARNERS, STRATEGIES

__all__ = [
    "CANDIDATES",
    "LEARNERS",
    "STRATEGIES",
    "SUPERVISED",
    "TOP",
    "Strategy",
    "bind",
    "complete",
    "composed",
    "find",
    "involved",
    "load",
]

"""Uncertainty sampling: a measure of the network's prediction for each candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.catalogue.strategy import Strategy
from stages.geometry import measures
from stages.geometry.measures import Measure, over_blocks
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool


def _entry(name: str, formula: str) -> Strategy:
    return Strategy(
        scorer="stages.strategies.uncertainty:" + name,
        source="Settles 2009, section 3.1 (uncertainty sampling)",
        family="uncertainty",
        cost="N C",
        formula=formula,
    )


ENTRIES = {
    "least_confidence": _entry("least_confidence", measures.LEAST_CONFIDENCE),
    "margin": _entry("margin", measures.MARGIN),
    "entropy": _entry("entropy", measures.ENTROPY),
}


def _of(measure: Measure) -> Callable[[Pool], Scores]:
    def score(pool: Pool) -> Scores:
        return over_blocks(measure, (chances for _, chances in pool.in_blocks()))

    score.__doc__ = f"{measure.__doc__}\n\n    Over a pool, without dropout."
    return score


least_confidence = _of(measures.least_confidence_of)
margin = _of(measures.margin_of)
entropy = _of(measures.entropy_of)

"""Uncertainty by Monte-Carlo dropout: a measure over passes with units dropped at random.

Measures of one prediction take the mean over passes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from stages.catalogue.kinds import Passes
from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.geometry import measures
from stages.geometry.measures import Measure, of_mean, over_blocks
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

OneOrMore = Annotated[int, Field(ge=1, le=10_000)]  # passes: one is enough for a mean
GAL = "Gal et al. 2017, acquisition functions"
MEAN = "p = mean_t p_t over dropout passes"


def _entry(name: str, formula: str, source: str) -> Strategy:
    return Strategy(
        scorer="stages.strategies.dropout:" + name,
        source=source,
        family="uncertainty",
        cost="T N D C",
        formula=formula,
    )


ENTRIES = {
    "least_confidence_dropout": _entry(
        "least_confidence",
        f"{measures.LEAST_CONFIDENCE}, {MEAN}",
        "Zhan et al. 2022 (LeastConfD)",
    ),
    "margin_dropout": _entry("margin", f"{measures.MARGIN}; {MEAN}", "Zhan et al. 2022 (MarginD)"),
    "entropy_dropout": _entry("entropy", f"{measures.ENTROPY}, {MEAN}", f"{GAL} (Max Entropy)"),
    "bald": _entry("bald", measures.BALD, f"Houlsby et al. 2011; {GAL}"),
    "mean_std": _entry("mean_std", measures.MEAN_STD, f"{GAL} (Mean STD)"),
    "variation_ratio": _entry("variation_ratio", measures.VARIATION_RATIO, f"Freeman 1965; {GAL}"),
}


def _of_mean(measure: Measure) -> Callable[..., Scores]:
    @needs(dropout=True)
    def score(pool: Pool, *, passes: OneOrMore = 10) -> Scores:
        return over_blocks(of_mean(measure), pool.dropout_blocks(passes))

    score.__doc__ = f"{measure.__doc__}\n\n    Of the mean of ``passes`` dropout passes of a pool."
    return score


def _of_passes(measure: Measure) -> Callable[..., Scores]:
    @needs(dropout=True)
    def score(pool: Pool, *, passes: Passes = 10) -> Scores:
        return over_blocks(measure, pool.dropout_blocks(passes))

    score.__doc__ = f"{measure.__doc__}\n\n    Over ``passes`` dropout passes of a pool."
    return score


least_confidence = _of_mean(measures.least_confidence_of)
margin = _of_mean(measures.margin_of)
entropy = _of_mean(measures.entropy_of)
bald = _of_passes(measures.bald_of)
mean_std = _of_passes(measures.mean_std_of)
variation_ratio = _of_passes(measures.variation_ratio_of)

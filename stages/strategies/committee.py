"""Query by committee (Seung et al. 1992): a measure over independently trained networks.

Measures of one prediction take the mean over members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.catalogue.parts import needs
from stages.catalogue.strategy import Strategy
from stages.geometry import measures
from stages.geometry.measures import Measure, of_mean, over_blocks
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

BELUCH = "Beluch et al. 2018"
MEAN = "p = mean_t p_t over members"


def _entry(name: str, formula: str, source: str = BELUCH) -> Strategy:
    return Strategy(
        learner="stages.learners.committee:train",
        scorer="stages.strategies.committee:" + name,
        source=source,
        family="uncertainty",
        cost="T trainings; T N C",
        formula=formula,
    )


ENTRIES = {
    "least_confidence_ensemble": _entry("least_confidence", f"{measures.LEAST_CONFIDENCE}, {MEAN}"),
    "margin_ensemble": _entry(
        "margin",
        f"{measures.MARGIN}; {MEAN}",
        "Scheffer et al. 2001 (margin) of a committee's mean",
    ),
    "entropy_ensemble": _entry("entropy", f"{measures.ENTROPY}, {MEAN}"),
    "bald_ensemble": _entry("bald", f"{measures.BALD}, t over members"),
    "mean_std_ensemble": _entry(
        "mean_std",
        f"{measures.MEAN_STD}, t over members",
        "Gal et al. 2017, acquisition functions (Mean STD), over a committee",
    ),
    "variation_ratio_ensemble": _entry(
        "variation_ratio", measures.VARIATION_RATIO, f"{BELUCH}; QBC in Munjal et al. 2022"
    ),
}


def _of(measure: Measure, about: str | None = None) -> Callable[[Pool], Scores]:
    @needs("members")
    def score(pool: Pool) -> Scores:
        return over_blocks(measure, pool.committee_blocks())

    score.__doc__ = f"{about or measure.__doc__}\n\n    Over the members of a committee."
    return score


def _of_mean(measure: Measure) -> Callable[[Pool], Scores]:
    return _of(of_mean(measure), measure.__doc__)


least_confidence = _of_mean(measures.least_confidence_of)
margin = _of_mean(measures.margin_of)
entropy = _of_mean(measures.entropy_of)
bald = _of(measures.bald_of)
mean_std = _of(measures.mean_std_of)
variation_ratio = _of(measures.variation_ratio_of)

"""Uncertainty of single candidates: a measure times a source of probabilities.

A measure (``..._of``) is pure; the sources are the network as it is, its dropout passes (``mc_``),
and the members of a committee (``committee_``). Axes: T passes or members, N candidates, C classes.
Measures of one prediction take the mean over T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from stages.catalogue.kinds import Passes
from stages.catalogue.parts import needs
from stages.catalogue.strategy import SUPERVISED, Strategy
from stages.geometry import probabilities
from stages.strategies.handshake import Scores

if TYPE_CHECKING:
    from stages.rounds.context import Pool

Measure = Callable[[np.ndarray], np.ndarray]
OneOrMore = Annotated[int, Field(ge=1, le=10_000)]  # passes: one is enough for a mean

SETTLES = "Settles 2009, section 3.1 (uncertainty sampling)"
GAL = "Gal et al. 2017, acquisition functions"
BELUCH = "Beluch et al. 2018"
COMMITTEE = "stages.learners.committee:train"
MEAN = "p = mean_t p_t over dropout passes"
OF_MEMBERS = "p = mean_t p_t over members"
LEAST_CONFIDENCE, MARGIN = "1 - max_c p_c", "-(p_(1) - p_(2)), p_(k) the k-th largest p_c"
ENTROPY = "-sum_c p_c log p_c"
BALD = "H[mean_t p_t] - mean_t H[p_t], H the entropy"
MEAN_STD = "(1 / C) sum_c sqrt(mean_t p_tc^2 - (mean_t p_tc)^2)"
VARIATION_RATIO = "1 - f / T, f of the T predictions being of the most frequent class"


def _entry(
    scorer: str, formula: str, source: str, cost: str, learner: str = SUPERVISED
) -> Strategy:
    return Strategy(
        learner=learner,
        scorer="stages.strategies.uncertainty:" + scorer,
        source=source,
        family="uncertainty",
        cost=cost,
        formula=formula,
    )


def _single(name: str, formula: str) -> Strategy:
    return _entry(name, formula, SETTLES, "N C")


def _passes(name: str, formula: str, source: str = GAL) -> Strategy:
    """Over Monte-Carlo dropout passes, 10 of them in the surveys."""
    return _entry(name, formula, source, "T N D C")


def _ensemble(name: str, formula: str, source: str = BELUCH) -> Strategy:
    """Query by committee (Seung et al. 1992) over independently trained networks."""
    return _entry("committee_" + name, formula, source, "T trainings; T N C", COMMITTEE)


ENTRIES = {
    "least_confidence": _single("least_confidence", LEAST_CONFIDENCE),
    "margin": _single("margin", MARGIN),
    "entropy": _single("entropy", ENTROPY),
    "least_confidence_dropout": _passes(
        "mc_least_confidence", f"{LEAST_CONFIDENCE}, {MEAN}", "Zhan et al. 2022 (LeastConfD)"
    ),
    "margin_dropout": _passes("mc_margin", f"{MARGIN}; {MEAN}", "Zhan et al. 2022 (MarginD)"),
    "entropy_dropout": _passes("mc_entropy", f"{ENTROPY}, {MEAN}", f"{GAL} (Max Entropy)"),
    "bald": _passes("bald", BALD, f"Houlsby et al. 2011; {GAL}"),
    "mean_std": _passes("mean_std", MEAN_STD, f"{GAL} (Mean STD)"),
    "variation_ratio": _passes("variation_ratio", VARIATION_RATIO, f"Freeman 1965; {GAL}"),
    "least_confidence_ensemble": _ensemble("least_confidence", f"{LEAST_CONFIDENCE}, {OF_MEMBERS}"),
    "margin_ensemble": _ensemble(
        "margin", f"{MARGIN}; {OF_MEMBERS}", "Scheffer et al. 2001 (margin) of a committee's mean"
    ),
    "entropy_ensemble": _ensemble("entropy", f"{ENTROPY}, {OF_MEMBERS}"),
    "bald_ensemble": _ensemble("bald", f"{BALD}, t over members"),
    "mean_std_ensemble": _ensemble(
        "mean_std", f"{MEAN_STD}, t over members", f"{GAL} (Mean STD), over a committee"
    ),
    "variation_ratio_ensemble": _ensemble(
        "variation_ratio", VARIATION_RATIO, f"{BELUCH}; QBC in Munjal et al. 2022"
    ),
}


def least_confidence_of(p_N_C: np.ndarray) -> np.ndarray:
    """1 - max_c p_c, in [0, 1 - 1/C], shape (N,)."""
    return 1 - p_N_C.max(1)


def margin_of(p_N_C: np.ndarray) -> np.ndarray:
    """Minus the gap between the two largest probabilities, in [-1, 0], shape (N,)."""
    if p_N_C.shape[1] < 2:
        return np.zeros(len(p_N_C))
    two = np.partition(p_N_C, -2, axis=1)[:, -2:]
    return two[:, 0] - two[:, 1]


def entropy_of(p_N_C: np.ndarray) -> np.ndarray:
    """-sum_c p_c log p_c, in [0, log C] nats, shape (N,)."""
    return probabilities.entropy(p_N_C)


def bald_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mutual information of prediction and weights, H[mean p] - mean H[p], nats, shape (N,)."""
    total = probabilities.entropy(p_T_N_C.mean(0))
    expected = probabilities.entropy(p_T_N_C).mean(0)
    return np.maximum(total - expected, 0)  # rounding alone can make it negative


def mean_std_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """Mean over classes of the population standard deviation over passes, shape (N,)."""
    return p_T_N_C.std(0).mean(1)


def variation_ratio_of(p_T_N_C: np.ndarray) -> np.ndarray:
    """1 - (passes that vote for the most voted class) / T, in [0, 1 - 1/T], shape (N,)."""
    passes, _, classes = p_T_N_C.shape
    votes = p_T_N_C.argmax(2)
    most = np.stack([(votes == c).sum(0) for c in range(classes)]).max(0)
    return 1 - most / passes


def of_mean(measure: Measure) -> Measure:
    """``measure`` of the mean over passes."""
    return lambda p_T_N_C: measure(p_T_N_C.mean(0))


def over_blocks(measure: Measure, blocks: Iterable[np.ndarray]) -> np.ndarray:
    """``measure`` of consecutive candidates, block by block, shape (N,)."""
    return np.concatenate([measure(block) for block in blocks])


def _plain(measure: Measure) -> Callable[[Pool], Scores]:
    def score(pool: Pool) -> Scores:
        return over_blocks(measure, (chances for _, chances in pool.in_blocks()))

    score.__doc__ = f"{measure.__doc__}\n\n    Over a pool, without dropout."
    return score


def _mc_mean(measure: Measure) -> Callable[..., Scores]:
    @needs(dropout=True)
    def score(pool: Pool, *, passes: OneOrMore = 10) -> Scores:
        return over_blocks(of_mean(measure), pool.dropout_blocks(passes))

    score.__doc__ = f"{measure.__doc__}\n\n    Of the mean of ``passes`` dropout passes of a pool."
    return score


def _mc(measure: Measure) -> Callable[..., Scores]:
    @needs(dropout=True)
    def score(pool: Pool, *, passes: Passes = 10) -> Scores:
        return over_blocks(measure, pool.dropout_blocks(passes))

    score.__doc__ = f"{measure.__doc__}\n\n    Over ``passes`` dropout passes of a pool."
    return score


def _committee(measure: Measure, about: str | None = None) -> Callable[[Pool], Scores]:
    @needs("members")
    def score(pool: Pool) -> Scores:
        return over_blocks(measure, pool.committee_blocks())

    score.__doc__ = f"{about or measure.__doc__}\n\n    Over the members of a committee."
    return score


SINGLE = (least_confidence_of, margin_of, entropy_of)
least_confidence, margin, entropy = (_plain(measure) for measure in SINGLE)
mc_least_confidence, mc_margin, mc_entropy = (_mc_mean(measure) for measure in SINGLE)
committee_least_confidence, committee_margin, committee_entropy = (
    _committee(of_mean(measure), measure.__doc__) for measure in SINGLE
)

MANY = (bald_of, mean_std_of, variation_ratio_of)
bald, mean_std, variation_ratio = (_mc(measure) for measure in MANY)
committee_bald, committee_mean_std, committee_variation_ratio = (
    _committee(measure) for measure in MANY
)

"""Baselines and strategies by uncertainty."""

from __future__ import annotations

from stages.catalogue.strategy import SUPERVISED, TOP, UNCERTAINTY, Strategy

SETTLES = "Settles 2009, section 3.1"
GAL = "Gal et al. 2017"
BELUCH = "Beluch et al. 2018"
COMMITTEE = "stages.learners.committee:train"


def _uncertainty(name: str, source: str) -> Strategy:
    return Strategy(SUPERVISED, UNCERTAINTY + name, TOP, source, "uncertainty", "N C")


def _mc(name: str, source: str) -> Strategy:
    """Over Monte-Carlo dropout passes; 10 of them in the surveys."""
    return Strategy(
        SUPERVISED,
        UNCERTAINTY + name,
        TOP,
        source,
        "uncertainty",
        "T N D C",
        {"passes": 10},
        needs_dropout=True,
        least={"passes": 1},
    )


def _ensemble(name: str, source: str) -> Strategy:
    """Query by committee (Seung et al. 1992) over independently trained networks."""
    return Strategy(
        COMMITTEE,
        UNCERTAINTY + "committee_" + name,
        TOP,
        source,
        "uncertainty",
        "T trainings; T N C",
        {"members": 5},
        least={"members": 2},  # one alone never disagrees
    )


ENTRIES: dict[str, Strategy] = {
    "random": Strategy(
        SUPERVISED, "stages.scorers.trivial:constant", TOP, "uniform sampling", "baseline", "N"
    ),
    "least_confidence": _uncertainty("least_confidence", f"{SETTLES}.1: 1 - max_c p_c"),
    "margin": _uncertainty("margin", f"{SETTLES}.1: -(p_(1) - p_(2))"),
    "entropy": _uncertainty("entropy", f"{SETTLES}.1: -sum_c p_c log p_c"),
    "least_confidence_dropout": _mc("mc_least_confidence", f"{GAL}, section 3"),
    "margin_dropout": _mc("mc_margin", "Scheffer et al. 2001; margin of the mean over passes"),
    "entropy_dropout": _mc("mc_entropy", f"{GAL}, section 3: predictive entropy"),
    "bald": _mc("bald", "Houlsby et al. 2011, eq. (2): H[E p] - E H[p]"),
    "mean_std": _mc("mean_std", f"{GAL}, section 3: mean over classes of the std over passes"),
    "variation_ratio": _mc("variation_ratio", "Freeman 1965; Gal et al. 2017: 1 - f_mode / T"),
    "least_confidence_ensemble": _ensemble("least_confidence", f"{BELUCH}; of the mean"),
    "margin_ensemble": _ensemble("margin", "margin of the mean over members"),
    "entropy_ensemble": _ensemble("entropy", f"{BELUCH}: entropy of the mean"),
    "bald_ensemble": _ensemble("bald", f"{BELUCH}: H[E p] - E H[p]"),
    "mean_std_ensemble": _ensemble("mean_std", "mean over classes of the std over members"),
    "variation_ratio_ensemble": _ensemble(
        "variation_ratio", f"{BELUCH}: 1 - f_mode / T (QBC in Munjal et al. 2022)"
    ),
    "gradient_norm": Strategy(
        SUPERVISED,
        UNCERTAINTY + "gradient_norm",
        TOP,
        "Ash et al. 2020, eq. (1): norm of (p - onehot(argmax p)) z^T",
        "uncertainty",
        "N (C + D)",
    ),
}

"""Baselines and strategies by uncertainty."""

from __future__ import annotations

from typing import Any

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


def _adversarial(scorer: str, source: str, cost: str, settings: dict[str, Any]) -> Strategy:
    """By the length of an adversarial perturbation; DFAL trains on the adversarial images too."""
    return Strategy(
        "stages.learners.adversarial:train",
        "stages.scorers.adversarial:" + scorer,
        "stages.selectors.adversarial:top_with_images",
        source,
        "uncertainty",
        cost,
        {"iterations": 50, **settings, "train_on_adversarial": False},
        least={"iterations": 1, **({"step": 1e-6} if "step" in settings else {})},
    )


ADVERSARIAL_BIM = _adversarial(
    "adversarial_bim",
    "Zhan et al. 2022: basic iterative method (Kurakin et al. 2017) in place of DeepFool",
    "2 passes of the network an iteration",
    {"step": 0.05},
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
    "batchbald": Strategy(
        SUPERVISED,
        UNCERTAINTY + "passes_of_dropout",
        "stages.selectors.batchbald:greedy",
        "Kirsch et al. 2019, Algorithm 1: I(y_1, ..., y_b; weights)",
        "uncertainty",
        "T N D C + at most b N T C samples",
        {"passes": 10, "samples": 10_000},
        needs_dropout=True,
        least={"passes": 2, "samples": 2},
    ),
    "adversarial_bim": ADVERSARIAL_BIM,
    "advbim": ADVERSARIAL_BIM,  # its name in the tables of Zhan et al. 2022
    "deepfool": _adversarial(
        "deepfool",
        "Ducoffe & Precioso 2018 (DFAL); Moosavi-Dezfooli et al. 2016, Algorithm 2",
        "C passes of the network an iteration",
        {"overshoot": 0.02, "top_classes": 10},
    ),
}

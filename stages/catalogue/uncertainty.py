"""Baselines and strategies by uncertainty."""

from __future__ import annotations

from typing import Any

from stages.catalogue.strategy import SUPERVISED, TOP, UNCERTAINTY, Strategy

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


def _uncertainty(name: str, formula: str, source: str = SETTLES) -> Strategy:
    return Strategy(
        SUPERVISED, UNCERTAINTY + name, TOP, source, "uncertainty", "N C", formula=formula
    )


def _mc(name: str, formula: str, source: str = GAL, passes: int = 1) -> Strategy:
    """Over Monte-Carlo dropout passes, 10 of them in the surveys; ``passes``: at least."""
    return Strategy(
        SUPERVISED,
        UNCERTAINTY + name,
        TOP,
        source,
        "uncertainty",
        "T N D C",
        {"passes": 10},
        needs_dropout=True,
        least={"passes": passes},
        formula=formula,
    )


def _ensemble(name: str, formula: str, source: str = BELUCH) -> Strategy:
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
        formula=formula,
    )


def _adversarial(
    scorer: str, source: str, cost: str, settings: dict[str, Any], formula: str
) -> Strategy:
    """By the length of an adversarial perturbation; DFAL trains on the adversarial images too."""
    return Strategy(
        "stages.learners.adversarial:train",
        "stages.scorers.adversarial:" + scorer,
        "stages.selectors.adversarial:top_with_images",
        source,
        "uncertainty",
        cost,
        {"iterations": 50, **settings, "train_on_adversarial": False},
        least={"iterations": 1, **({"top_classes": 2} if "top_classes" in settings else {})},
        above={"step": 0} if "step" in settings else {},
        zero=("top_classes",) if "top_classes" in settings else (),
        formula=formula,
    )


ADVERSARIAL_BIM = _adversarial(
    "adversarial_bim",
    "Zhan et al. 2022: basic iterative method (Kurakin et al. 2017) in place of DeepFool",
    "2 passes of the network an iteration",
    {"step": 0.05},
    "-|r|; r grows by step sign(grad_x CE(x + r, y)) until the prediction y changes",
)

ENTRIES: dict[str, Strategy] = {
    "random": Strategy(
        SUPERVISED,
        "stages.scorers.trivial:constant",
        TOP,
        "Uniform sampling",
        "baseline",
        "N",
        formula="every set of b candidates is as likely as any other",
    ),
    "least_confidence": _uncertainty("least_confidence", LEAST_CONFIDENCE),
    "margin": _uncertainty("margin", MARGIN),
    "entropy": _uncertainty("entropy", ENTROPY),
    "least_confidence_dropout": _mc(
        "mc_least_confidence", f"{LEAST_CONFIDENCE}, {MEAN}", "Zhan et al. 2022 (LeastConfD)"
    ),
    "margin_dropout": _mc("mc_margin", f"{MARGIN}; {MEAN}", "Zhan et al. 2022 (MarginD)"),
    "entropy_dropout": _mc("mc_entropy", f"{ENTROPY}, {MEAN}", f"{GAL} (Max Entropy)"),
    "bald": _mc("bald", BALD, f"Houlsby et al. 2011; {GAL}", 2),  # one pass: 0 everywhere
    "mean_std": _mc("mean_std", MEAN_STD, f"{GAL} (Mean STD)", 2),
    "variation_ratio": _mc("variation_ratio", VARIATION_RATIO, f"Freeman 1965; {GAL}", 2),
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
    "gradient_norm": Strategy(
        SUPERVISED,
        UNCERTAINTY + "gradient_norm",
        TOP,
        "Ash et al. 2020: the length of BADGE's gradient embedding",
        "uncertainty",
        "N (C + D)",
        formula="|(p - onehot(argmax_c p_c)) x^T|, x the embedding",
    ),
    "batchbald": Strategy(
        SUPERVISED,
        UNCERTAINTY + "passes_of_dropout",
        "stages.selectors.batchbald:greedy",
        "Kirsch et al. 2019, Algorithm 1 (greedy BatchBALD)",
        "uncertainty",
        "T N D C + at most b N T C samples",
        {"passes": 10, "samples": 10_000},
        needs_dropout=True,
        least={"passes": 2, "samples": 2},
        ordered=(("passes", "samples"),),
        formula="I(y_1, ..., y_b; w) = H(y_1, ..., y_b) - sum_i mean_t H[y_i | w_t], "
        "one candidate after the other",
    ),
    "adversarial_bim": ADVERSARIAL_BIM,
    "advbim": ADVERSARIAL_BIM,  # its name in the tables of Zhan et al. 2022
    "deepfool": _adversarial(
        "deepfool",
        "Ducoffe & Precioso 2018 (DFAL); Moosavi-Dezfooli et al. 2016, Algorithm 2",
        "C passes of the network an iteration",
        {"overshoot": 0.02, "top_classes": 10},
        "-|r|; r grows by |f_l| w_l / |w_l|^2, l = argmin_k |f_k| / |w_k|, until the prediction y "
        "changes; f_k: logit k less logit y, w_k its gradient",
    ),
}

"""Strategies by both uncertainty and diversity."""

from __future__ import annotations

from stages.catalogue.strategy import FEATURES, SUPERVISED, Strategy

HYBRID = "stages.scorers.criteria:"
UNCERTAINTIES = ("entropy", "bald", "variation_ratio")
DIVERSITIES = ("discriminator", "posterior_variance", "minimum_distance")
COMBINATIONS = (
    "mean",
    "mean_decayed",
    "geometric_mean",
    "geometric_mean_decayed",
    "uncertainty_first",
    "diversity_first",
)

ENTRIES: dict[str, Strategy] = {
    "badge": Strategy(
        SUPERVISED,
        FEATURES + "gradient_factors",
        "stages.selectors.badge:kmeans_plus_plus",
        "Ash et al. 2020, Algorithm 1 (BADGE)",
        "hybrid",
        "N b (C + D)",
        formula="k-means++ draws, in proportion to the squared distance to those taken, of "
        "g = (p - onehot(argmax_c p_c)) x^T",
    ),
    "diverse_minibatch": Strategy(
        SUPERVISED,
        HYBRID + "embedding_and_margin",
        "stages.selectors.diverse_minibatch:weighted_kmeans",
        "Zhdanov 2019 (diverse mini-batches)",
        "hybrid",
        "iterations beta b^2 D",
        {"beta": 10.0, "iterations": 20},
        least={"beta": 1, "iterations": 1},
        formula="of the beta b of highest u = 1 - (p_(1) - p_(2)) the one nearest to each of the "
        "centres m_1, ..., m_b that minimise sum_i u_i min_j |x_i - m_j|^2",
    ),
    "cluster_margin": Strategy(
        SUPERVISED,
        HYBRID + "clustered_margins",
        "stages.selectors.cluster_margin:cluster_margin",
        "Citovsky et al. 2021 (Cluster-Margin); average linkage within parts",
        "hybrid",
        "N part D once a run, then N C",
        {"margin_factor": 10.0, "cluster_size": 10.0, "part": 2000},
        least={"margin_factor": 1, "cluster_size": 1, "part": 2},
        zero=("part",),
        formula="of the k_m = margin_factor b of smallest margin p_(1) - p_(2), one of each "
        "cluster in turn, small clusters first",
    ),
    "exploitation_exploration": Strategy(
        SUPERVISED,
        HYBRID + "exploration",
        "stages.selectors.exploitation:exploit_then_explore",
        "Yin et al. 2017 (exploitation, then exploration)",
        "hybrid",
        "N (L + b) D",
        {"redundancy": 1.0, "first_share": 0.5, "growth": 0.1, "most": 0.9},
        most={"first_share": 1, "growth": 1, "most": 1},
        ordered=(("first_share", "most"),),
        formula="a share of b to maximise sum_(i in S) H_i - (redundancy / |S|) sum_(i, j in S) "
        "cos(x_i, x_j); the rest argmin_i max_j cos(x_i, x_j), j labeled or taken",
    ),
    "mcadl": Strategy(
        SUPERVISED,
        "stages.scorers.mcadl:multi_criteria",
        "stages.selectors.remember:top_with_accuracies",
        "Yuan et al. 2019 (MCADL)",
        "hybrid",
        "N L (pixels or D)",
        {
            "alpha": 0.9,
            "beta": 0.9,
            "neighbours": 5,
            "features": "pixels",
            "uncertainty": "margin",
        },
        least={"neighbours": 1},
        most={"alpha": 1, "beta": 1},
        choices={"features": ("pixels", "embedding"), "uncertainty": ("margin", "leading")},
        formula="a (density + similarity) / 2 + (1 - a) (u uncertainty + (1 - u) label), "
        "a = alpha exp(-accuracy), u = beta exp(-accuracy)",
    ),
    "albl": Strategy(
        SUPERVISED,
        "stages.scorers.albl:advice",
        "stages.selectors.albl:follow_advice",
        "Hsu & Lin 2015 (ALBL, by EXP4.P)",
        "hybrid",
        "of all in over together",
        {"over": ["random", "entropy", "kcenter"], "horizon": 10, "delta": 0.1},
        least={"horizon": 1},
        above={"delta": 0},
        most={"delta": 1},
        formula="draws with q_i = sum_k p_k psi_k(i); p_k grows with the reward (1 / (n T)) "
        "sum_t [prediction t is right] / q_t",
    ),
    "bait": Strategy(
        SUPERVISED,
        HYBRID + "fisher_factors",
        "stages.selectors.bait:forward_backward",
        "Ash et al. 2021, Algorithm 1 (BAIT); fisher: binary as in Huseljic et al. 2024",
        "hybrid",
        "oversample N b C^2 (C + D)",
        {"fisher": "full", "regularisation": 1.0, "oversample": 2.0, "memory": 4.0},
        least={"oversample": 1},
        above={"regularisation": 0, "memory": 0},
        choices={"fisher": ("full", "binary")},
        formula="argmin_S tr((M_0 + sum_(x in S) I(x))^-1 F), greedily forward, then backward; "
        "I(x) = (diag p - p p^T) (x) x x^T",
    ),
    "hybrid": Strategy(
        SUPERVISED,
        "stages.scorers.hybrid:criteria",
        "stages.selectors.hybrid:choose",
        "Li et al. 2022 (hybrid), sections 3.2 and 3.3",
        "hybrid",
        "T N D C, and N L (C + L) or e (N + L) C^2",
        {
            "uncertainty": "variation_ratio",
            "diversity": "posterior_variance",
            "combination": "geometric_mean_decayed",
            "alpha": 0.5,
            "beta": 0.6,
            "gamma": 3,
            "passes": 100,
            "candidates": 2000,
            "space": "logits",
            "jitter": 1e-8,
            "discriminator_epochs": 50,
            "discriminator_batch_size": 128,
            "discriminator_learning_rate": 0.001,
            "discriminator_dropout": 0.25,
        },
        needs_dropout=True,
        spared=(("combination", "diversity"),),
        least={
            "gamma": 1,
            "passes": 2,
            "jitter": 1e-12,
            "discriminator_epochs": 1,
            "discriminator_batch_size": 1,
        },
        most={"alpha": 1, "beta": 1, "jitter": 1},
        above={"discriminator_learning_rate": 0},
        below={"discriminator_dropout": 1},
        formula="w U + (1 - w) D, or U^w D^(1 - w), w = alpha or 1 - exp(-beta t) at query t; or "
        "of the gamma b best by U the b best by D, or the other way round",
        choices={
            "uncertainty": UNCERTAINTIES,
            "diversity": DIVERSITIES,
            "combination": (*COMBINATIONS, "uncertainty", "diversity"),
            "space": ("logits", "embedding"),
        },
    ),
}

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
        "Ash et al. 2020, Algorithm 1 and eq. (1)",
        "hybrid",
        "N b (C + D)",
    ),
    "diverse_minibatch": Strategy(
        SUPERVISED,
        HYBRID + "embedding_and_margin",
        "stages.selectors.diverse_minibatch:weighted_kmeans",
        "Zhdanov 2019, Algorithm 1",
        "hybrid",
        "iterations beta b^2 D",
        {"beta": 10.0, "iterations": 20},
        least={"beta": 1, "iterations": 1},
    ),
    "cluster_margin": Strategy(
        SUPERVISED,
        HYBRID + "clustered_margins",
        "stages.selectors.cluster_margin:cluster_margin",
        "Citovsky et al. 2021, Algorithm 1; average linkage within parts",
        "hybrid",
        "N part D once a run, then N C",
        {"margin_factor": 10.0, "cluster_size": 10.0, "part": 2000},
        least={"margin_factor": 1, "cluster_size": 1},
    ),
    "exploitation_exploration": Strategy(
        SUPERVISED,
        HYBRID + "exploration",
        "stages.selectors.exploitation:exploit_then_explore",
        "Yin et al. 2017: sum H - (redundancy / b) sum cos, then farthest from the labeled",
        "hybrid",
        "N (L + b) D",
        {"redundancy": 1.0, "first_share": 0.5, "growth": 0.1, "most": 0.9},
    ),
    "mcadl": Strategy(
        SUPERVISED,
        "stages.scorers.mcadl:multi_criteria",
        "stages.selectors.remember:top_with_accuracies",
        "Yuan et al. 2019: density, similarity, uncertainty and label, adaptively weighted",
        "hybrid",
        "N L (pixels or D)",
        {"alpha": 0.9, "beta": 0.9, "neighbours": 5, "features": "pixels"},
        least={"neighbours": 1},
        choices={"features": ("pixels", "embedding")},
    ),
    "albl": Strategy(
        SUPERVISED,
        "stages.scorers.albl:advice",
        "stages.selectors.albl:follow_advice",
        "Hsu & Lin 2015, Algorithm 1 (EXP4.P, importance-weighted accuracy)",
        "hybrid",
        "of all in over together",
        {"over": ["random", "entropy", "kcenter"], "horizon": 10, "delta": 0.1},
        least={"horizon": 1, "delta": 1e-9},
    ),
    "bait": Strategy(
        SUPERVISED,
        HYBRID + "fisher_factors",
        "stages.selectors.bait:forward_backward",
        "Ash et al. 2021, Algorithm 1; fisher: binary as in Huseljic et al. 2024",
        "hybrid",
        "oversample N b C^2 (C + D)",
        {"fisher": "full", "regularisation": 1.0, "oversample": 2.0, "memory": 4.0},
        least={"regularisation": 1e-9, "oversample": 1},
        choices={"fisher": ("full", "binary")},
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
        least={
            "gamma": 1,
            "passes": 1,
            "jitter": 1e-12,
            "discriminator_epochs": 1,
            "discriminator_batch_size": 1,
        },
        most={"alpha": 1, "beta": 1, "discriminator_dropout": 0.99},
        choices={
            "uncertainty": UNCERTAINTIES,
            "diversity": DIVERSITIES,
            "combination": (*COMBINATIONS, "uncertainty", "diversity"),
            "space": ("logits", "embedding"),
        },
    ),
}

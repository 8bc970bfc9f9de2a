"""Strategies by both uncertainty and diversity."""

from __future__ import annotations

from stages.catalogue.strategy import FEATURES, SUPERVISED, Strategy

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

"""Strategies by both uncertainty and diversity."""

from __future__ import annotations

from stages.catalogue.strategy import FEATURES, SUPERVISED, Strategy

ENTRIES: dict[str, Strategy] = {
    "badge": Strategy(
        SUPERVISED,
        FEATURES + "gradient_factors",
        "stages.selectors.badge:kmeans_plus_plus",
        "Ash et al. 2020, Algorithm 1 and eq. (1)",
        "hybrid",
        "N b (C + D)",
    ),
}

"""Strategies by diversity and representation."""

from __future__ import annotations

from stages.catalogue.strategy import FEATURES, SUPERVISED, Strategy

ENTRIES: dict[str, Strategy] = {
    "kmeans": Strategy(
        SUPERVISED,
        FEATURES + "embedding",
        "stages.selectors.kmeans:nearest_to_centres",
        "k-means on embeddings, the candidate nearest to each centre (Zhan et al. 2022)",
        "diversity",
        "iterations N b D",
        {"iterations": 20, "backend": "auto"},
        least={"iterations": 1},
        choices={"backend": ("auto", "exact", "faiss", "scipy", "sklearn")},
    ),
    "kcenter": Strategy(
        SUPERVISED,
        FEATURES + "embedding_and_labeled",
        "stages.selectors.kcenter:greedy",
        "Sener & Savarese 2018, Algorithm 1 (k-center greedy); PCA as in Zhan et al. 2022",
        "diversity",
        "N (L + b) D",
        {"pca": 32},
    ),
}

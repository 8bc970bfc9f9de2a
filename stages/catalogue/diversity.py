"""Strategies by diversity and representation."""

from __future__ import annotations

from typing import Any

from stages.catalogue.strategy import FEATURES, SUPERVISED, TOP, Strategy

GCN = {
    "subset": 10000,
    "hidden": 128,
    "dropout": 0.3,
    "epochs": 200,
    "learning_rate": 0.001,
    "weight_decay": 0.0005,
    "loss_weight": 1.2,
}
GCN_BOUNDS: dict[str, Any] = {
    "least": {"hidden": 1, "epochs": 1},
    "below": {"dropout": 1},
    "above": {"learning_rate": 0, "loss_weight": 0},
    "drawn": ("subset",),
}

ENTRIES: dict[str, Strategy] = {
    "kmeans": Strategy(
        SUPERVISED,
        FEATURES + "embedding",
        "stages.selectors.kmeans:nearest_to_centres",
        "Zhan et al. 2022 (KMeans), from k-means++ (Arthur & Vassilvitskii 2007)",
        "diversity",
        "iterations N b D",
        {"iterations": 20, "backend": "auto"},
        least={"iterations": 1},
        choices={"backend": ("auto", "exact", "faiss", "scipy", "sklearn")},
        formula="the candidate nearest to each of the centres m_1, ..., m_b that minimise "
        "sum_i min_j |x_i - m_j|^2",
    ),
    "kcenter": Strategy(
        SUPERVISED,
        FEATURES + "embedding_and_labeled",
        "stages.selectors.kcenter:greedy",
        "Sener & Savarese 2018, Algorithm 1 (k-center greedy); PCA as in Zhan et al. 2022",
        "diversity",
        "N (L + b) D",
        {"pca": 32},
        formula="argmax_i min_j |x_i - x_j|, j labeled or taken, b times",
    ),
    "coreset": Strategy(
        SUPERVISED,
        FEATURES + "embedding_and_labeled",
        "stages.selectors.coreset:robust",
        "Sener & Savarese 2018, Algorithm 2 (robust k-center)",
        "diversity",
        "N (L + b) D + steps (searches, mixed-integer programs)",
        {
            "pca": 0,
            "outliers": 0.0001,
            "steps": 10,
            "moves": 10000,
            "nodes": 100,
            "nonzeros": 10000,
            "programs": 50,
            "time_limit": 3600.0,
        },
        least={"nodes": 1, "nonzeros": 1, "programs": 1},
        below={"outliers": 1},
        above={"time_limit": 0},
        formula="the b centres of the smallest radius d for which Feasible(b, labeled, d, "
        "outliers) holds: all points but a share outliers are within d of a centre or a labeled "
        "one",
    ),
    "kdpp": Strategy(
        SUPERVISED,
        FEATURES + "embedding",
        "stages.selectors.kdpp:sample",
        "Kulesza & Taskar 2011 (k-DPP); kernel as in Biyik et al. 2019",
        "diversity",
        "N R (R + b)",
        {"kernel": "rbf", "rank": 0, "gamma": 0.0},
        choices={"kernel": ("rbf", "linear")},
        even=("rank",),
        drawn=("rank",),
        formula="P(S) = det(K_S) / sum over |S'| = b of det(K_S'), "
        "K_ij = exp(-gamma |x_i - x_j|^2)",
    ),
    "dal": Strategy(
        SUPERVISED,
        "stages.scorers.discriminative:discriminative",
        TOP,
        "Gissin & Shalev-Shwartz 2019 (DAL on the learned representation)",
        "diversity",
        "mini_queries e ratio (L + b)",
        {
            "mini_queries": 10,
            "ratio": 10,
            "epochs": 500,
            "batch_size": 1024,
            "learning_rate": 0.0002,
            "accuracy": 0.98,
        },
        least={"mini_queries": 1, "epochs": 1, "batch_size": 1},
        above={"learning_rate": 0, "accuracy": 0},
        most={"accuracy": 1},
        formula="P(unlabeled | x), by a classifier of labeled against unlabeled embeddings that is "
        "trained anew in each mini-query",
    ),
    "uncertain_gcn": Strategy(
        SUPERVISED,
        "stages.scorers.gcn:uncertain",
        TOP,
        "Caramalau et al. 2021 (UncertainGCN)",
        "diversity",
        "e (M + L) D, M = subset",
        {**GCN, "margin": 0.1, "rule": "nearest"},
        most={"margin": 1},
        choices={"rule": ("nearest", "farthest")},
        formula="-|margin - f(x)|, f = sigmoid(A ReLU(A X W_0) W_1) the chance of being labeled, "
        "A = D^-1 (X X^T - 1) + 1, by the loss -mean log f over labeled nodes - loss_weight mean "
        "log(1 - f) over unlabeled ones",
        **GCN_BOUNDS,
    ),
    "core_gcn": Strategy(
        SUPERVISED,
        "stages.scorers.gcn:core",
        "stages.selectors.subset:kcenter_greedy",
        "Caramalau et al. 2021 (CoreGCN)",
        "diversity",
        "e (M + L) D, M = subset",
        GCN,
        formula="argmax_i min_j |h_i - h_j|, j labeled or taken, b times; h = ReLU(A X W_0) of the "
        "GCN of uncertain_gcn",
        **GCN_BOUNDS,
    ),
    "typiclust": Strategy(
        SUPERVISED,
        FEATURES + "embedding_and_labeled",
        "stages.selectors.typiclust:typical",
        "Hacohen et al. 2022 (TypiClust), on the round's embeddings",
        "diversity",
        "iterations N (L + b) D",
        {"clusters": 500, "neighbours": 20, "iterations": 20},
        least={"clusters": 1, "neighbours": 1, "iterations": 1},
        formula="from the clusters with fewest labels, large ones first, the candidate of the "
        "highest typicality ((1 / K) sum over its K nearest neighbours of |x - x_i|)^-1",
    ),
    "probcover": Strategy(
        SUPERVISED,
        FEATURES + "embedding_labeled_and_classes",
        "stages.selectors.probcover:covering",
        "Yehuda et al. 2022 (ProbCover), on the round's embeddings",
        "diversity",
        "N^2 D",
        {"delta": 0.0, "purity": 0.95, "subset": 0},
        most={"delta": 2, "purity": 1},  # unit vectors are at most 2 apart
        above={"purity": 0},
        drawn=("subset",),
        formula="argmax_x of the number of points within delta of x that no labeled or taken one "
        "covers, b times",
    ),
}

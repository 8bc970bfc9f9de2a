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

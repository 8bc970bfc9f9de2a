"""Our numbers beside the published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stages.published import STUDIES, load
from stages.published.budgets import (
    FULL,
    protocol,
    published_range,
    published_step,
    range_text,
)
from stages.published.checks import munjal_groups
from stages.published.names import DATASETS, METHODS

TRAINING_IMAGES = 50_000  # of CIFAR-10 and CIFAR-100, whose shares Munjal et al. label
COLUMNS = [
    "paper", "table", "strategy", "method", "measure", "labeled", "published_labeled", "ours", "n",
    "published", "published_std", "difference", "in_stds", "note",
]  # fmt: skip
OURS = ["strategy", "measure", "first", "last", "step", "mean", "n"]
AUBC, FINAL, ACCURACY, API = "aubc", "final_accuracy", "accuracy", "api"
OTHER_RANGE = "not comparable: taken over other labeled counts"
OTHER_STEP = "not comparable: {ours} labels a round here, {theirs} there"


def against(name: str, dataset: str, ours: pd.DataFrame) -> pd.DataFrame:
    """One study's numbers beside ours, where data set and method match.

    Accuracies match at equal labeled counts only. AUBC, final accuracy and API are taken over a
    range of budgets in steps: over another range, or in other steps, they are another quantity, so
    both stand there but neither difference nor in_stds, and the note says why.

    Args:
        name: a key of `stages.published.STUDIES`.
        dataset: our name of the data set (a key of `names.DATASETS`; others match nothing).
        ours: rows with OURS: strategy, measure ("aubc", "final_accuracy", "accuracy", "api"),
            first and last labeled count (the same for "accuracy"), step (labels a round, 0 for a
            single budget, NaN where rounds differ), mean (a fraction), n.

    Returns:
        DataFrame with COLUMNS: fractions; labeled and published_labeled are counts or ranges as
        text; difference = ours - published; in_stds = difference over the published standard
        deviation (brought to ddof = 1), NaN where none is printed or it is zero. Rows in the order
        of `ours`. A note says what else is known to differ.
    """
    theirs = _published(name, DATASETS.get(dataset, ""))
    methods = METHODS[name]
    mine = ours[ours["strategy"].isin(methods)].copy()
    if theirs.empty or mine.empty:
        return pd.DataFrame(columns=COLUMNS)
    mine["method"] = mine["strategy"].map(methods)
    mine["at"] = mine["last"].where(mine["measure"] == ACCURACY).astype("float64")
    both = mine.merge(theirs, on=["method", "measure", "at"], how="inner")
    both = both.rename(columns={"mean": "ours", "mean_published": "published"})
    both["paper"] = name
    ranges = [
        (row.first_, row.last) if row.measure == ACCURACY
        else published_range(name, DATASETS[dataset], row.method)
        for row in both.rename(columns={"first": "first_"}).itertuples()
    ]  # fmt: skip
    steps = [
        row.step if row.measure == ACCURACY else published_step(name, DATASETS[dataset], row.method)
        for row in both.itertuples()
    ]  # fmt: skip
    own = list(zip(both["first"], both["last"], strict=True))
    why = [
        _unlike(*row) for row in zip(own, ranges, both["step"], steps, both["measure"], strict=True)
    ]
    alike = pd.Series([not text for text in why], both.index, dtype=bool)
    both["labeled"] = [range_text(*x) for x in own]
    both["published_labeled"] = [range_text(*x) for x in ranges]
    both["difference"] = (both["ours"] - both["published"]).where(alike)
    both["in_stds"] = both["difference"] / both["published_std"].where(both["published_std"] > 0)
    both["note"] = [
        "; ".join(filter(None, (text, note))) for text, note in zip(why, both["note"], strict=True)
    ]
    return both[COLUMNS].reset_index(drop=True)


def _unlike(own: tuple, range_: tuple, step: float, their_step: float, measure: str) -> str:
    """Why two numbers are not the same quantity; empty where they are."""
    if own != range_:
        return OTHER_RANGE
    if measure == ACCURACY or step == their_step:
        return ""
    ours = "unequal" if np.isnan(step) else f"{step:.0f}"
    return OTHER_STEP.format(ours=ours, theirs=f"{their_step:.0f}")


def _published(name: str, dataset: str) -> pd.DataFrame:
    """Rows with table, method, measure, at, mean_published, published_std, note: fractions."""
    study, data = STUDIES[name], load(name)
    data = data[(data["dataset"] == dataset) & data["mean"].notna()]
    rows = {
        "deepalplus": _survey,
        "li": _improvements,
        "gashi": lambda own: own[own["variant"] == "main"].assign(measure=ACCURACY),
        "munjal": lambda _own: _munjal(dataset),
        "hybrid": lambda own: own[own["variant"] == "baseline"].assign(measure=ACCURACY),
    }[name](data)
    if rows.empty:
        return pd.DataFrame(columns=["method", "measure", "at"])
    rows = rows.rename(columns={"labeled": "at"})
    inflate = np.sqrt(study.runs / (study.runs - 1)) if study.ddof == 0 else 1.0
    rows["mean_published"] = rows["mean"] / study.unit
    rows["published_std"] = rows["std"] / study.unit * inflate
    if name == "deepalplus":
        rows["note"] = [_protocol(dataset, method) for method in rows["method"]]
    columns = ["table", "method", "measure", "at", "mean_published", "published_std", "note"]
    return rows[columns]


def _survey(own: pd.DataFrame) -> pd.DataFrame:
    own = own[own["table"].isin(["T4", "T5", "T6", "T7"]) & (own["variant"] == "")]
    measure = own["metric"].map({"aubc": AUBC, "f_acc": FINAL})
    return own.assign(measure=measure)[measure.notna()]


def _improvements(own: pd.DataFrame) -> pd.DataFrame:
    return own[own["metric"] == "api"].assign(measure=API)


def _munjal(dataset: str) -> pd.DataFrame:
    if dataset not in ("CIFAR10", "CIFAR100"):
        return pd.DataFrame()
    parts = []
    for share in (0.2, 0.3, 0.4):
        part = munjal_groups(dataset, share)
        part["labeled"] = float(round(share * TRAINING_IMAGES))
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    tables = "S7-S11" if dataset == "CIFAR10" else "S12-S16"
    return rows.assign(table=tables, measure=ACCURACY, note="")


def _protocol(dataset: str, method: str) -> str:
    row = protocol(dataset)
    if method == FULL:
        return f"published with {row['n_epochs']} epochs"
    return (
        f"published with {row['n_initial_labeled']} labels at the start, {row['batch_b']} a round, "
        f"quota {row['quota_Q']}, {row['n_epochs']} epochs"
    )

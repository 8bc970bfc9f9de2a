"""Our numbers beside the published ones."""

import numpy as np
import pandas as pd

from stages.published import HERE, STUDIES, load
from stages.published.checks import munjal_groups
from stages.published.names import DATASETS, METHODS

TRAINING_IMAGES = 50_000  # of CIFAR-10 and CIFAR-100, whose shares Munjal et al. label
COLUMNS = [
    "paper", "table", "strategy", "method", "measure", "labeled", "ours", "n", "published",
    "published_std", "difference", "in_stds", "note",
]  # fmt: skip
OURS = ["strategy", "measure", "labeled", "mean", "n"]
AUBC, FINAL, ACCURACY, API = "aubc", "final_accuracy", "accuracy", "api"


def against(name: str, dataset: str, ours: pd.DataFrame) -> pd.DataFrame:
    """One study's numbers beside ours, where data set and method match.

    Args:
        name: a key of `stages.published.STUDIES`.
        dataset: our name of the data set (a key of `names.DATASETS`; others match nothing).
        ours: rows with OURS: strategy, measure ("aubc", "final_accuracy", "accuracy" at
            `labeled`, "api"), labeled (NaN for measures over all budgets), mean (a fraction), n.

    Returns:
        DataFrame with COLUMNS: fractions; difference = ours - published; in_stds = difference
        over the published standard deviation (brought to ddof = 1), NaN where none is printed or
        it is zero. Rows in the order of `ours`. A note says what else is known to differ.
    """
    theirs = _published(name, DATASETS.get(dataset, ""))
    methods = METHODS[name]
    mine = ours[ours["strategy"].isin(methods)].copy()
    if theirs.empty or mine.empty:
        return pd.DataFrame(columns=COLUMNS)
    mine["method"] = mine["strategy"].map(methods)
    mine["labeled"] = mine["labeled"].astype("float64")
    both = mine.merge(theirs, on=["method", "measure", "labeled"], how="inner")
    both = both.rename(columns={"mean": "ours", "mean_published": "published"})
    both["paper"] = name
    both["difference"] = both["ours"] - both["published"]
    spread = both["published_std"].where(both["published_std"] > 0)
    both["in_stds"] = both["difference"] / spread
    return both[COLUMNS].reset_index(drop=True)


def _published(name: str, dataset: str) -> pd.DataFrame:
    """Rows with table, method, measure, labeled, mean_published, published_std, note: fractions."""
    study, data = STUDIES[name], load(name)
    data = data[(data["dataset"] == dataset) & data["mean"].notna()]
    rows = {
        "deepalplus": _survey,
        "li": _improvements,
        "gashi": lambda own: own[own["variant"] == "main"].assign(measure=ACCURACY),
        "munjal": lambda own: _munjal(dataset),
        "hybrid": lambda own: own[own["variant"] == "baseline"].assign(measure=ACCURACY),
    }[name](data)
    if rows.empty:
        return pd.DataFrame(columns=["method", "measure", "labeled"])
    rows = rows.copy()
    inflate = np.sqrt(study.runs / (study.runs - 1)) if study.ddof == 0 else 1.0
    rows["mean_published"] = rows["mean"] / study.unit
    rows["published_std"] = rows["std"] / study.unit * inflate
    if name == "deepalplus":
        rows["note"] = _protocol(dataset)
    columns = ["table", "method", "measure", "labeled", "mean_published", "published_std", "note"]
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
        part["labeled"] = round(share * TRAINING_IMAGES)
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    tables = "S7-S11" if dataset == "CIFAR10" else "S12-S16"
    return rows.assign(
        table=tables, measure=ACCURACY, labeled=rows["labeled"].astype("float64"), note=""
    )


def _protocol(dataset: str) -> str:
    table = pd.read_csv(HERE / "deepalplus_protocols.csv", dtype=str, keep_default_na=False)
    row = table[table["dataset"] == dataset].iloc[0]
    return (
        f"published with {row['n_initial_labeled']} labels at the start, {row['batch_b']} a round, "
        f"quota {row['quota_Q']}, {row['n_epochs']} epochs"
    )

"""The labeled counts between which the published measures over all budgets were taken."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from stages.published import HERE, load

# Li et al. 2022, "Training settings": start and end as shares of the training set, in percent.
LI_SHARES = {"MNIST": (2, 20)}
LI_OTHERS = (10, 70)
LI_STEPS = {"MNIST": 2}
LI_STEP = 5
FULL = "Full"


@lru_cache
def protocol(dataset: str) -> pd.Series:
    """The row of Table 3 of Zhan et al. 2022 on one data set, as text."""
    table = pd.read_csv(HERE / "deepalplus_protocols.csv", dtype=str, keep_default_na=False)
    return table[table["dataset"] == dataset].iloc[0]


def published_range(name: str, dataset: str, method: str) -> tuple[int, int] | None:
    """First and last labeled count of a published AUBC, final accuracy or API.

    Zhan et al. 2022 start with n_initial labels and query a quota Q of further ones, so they end at
    n_initial + Q; their "Full" is trained on every label. Li et al. 2022 go from 2 % to 20 % of
    MNIST and from 10 % to 70 % of the others.

    Args:
        name: a key of `stages.published.STUDIES`.
        dataset, method: as printed.

    Returns:
        (first, last), or None for a study that prints no such measure.
    """
    if name == "deepalplus":
        row = protocol(dataset)
        start = int(row["n_initial_labeled"])
        if method == FULL:
            return (start + int(row["n_unlabeled"]),) * 2
        return start, start + int(row["quota_Q"])
    if name == "li":
        data = load("li")
        size = data.loc[(data["dataset"] == dataset) & (data["metric"] == "n_train"), "mean"].iloc[
            0
        ]
        first, last = LI_SHARES.get(dataset, LI_OTHERS)
        return round(size * first / 100), round(size * last / 100)
    return None


def published_step(name: str, dataset: str, method: str) -> int | None:
    """Labels a round of a published AUBC, final accuracy or API, as for `published_range`.

    Args:
        name: a key of `stages.published.STUDIES`.
        dataset, method: as printed.

    Returns:
        A count; 0 for a model that is trained once on every label; None for a study that prints no
        such measure.
    """
    if name == "deepalplus":
        return 0 if method == FULL else int(protocol(dataset)["batch_b"])
    if name == "li":
        first, _ = published_range(name, dataset, method)
        return round(first * LI_STEPS.get(dataset, LI_STEP) / LI_SHARES.get(dataset, LI_OTHERS)[0])
    return None


def range_text(first: float, last: float) -> str:
    """A range of labeled counts as shown: "500 to 10500", or "500" for a single count."""
    return f"{first:.0f}" if first == last else f"{first:.0f} to {last:.0f}"

"""Claims of five studies: what is quoted, what is tested, and that the numbers decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stages.machine.errors import UserError
from stages.published import STUDIES, checks, claims, load, mixture, simulated
from stages.published.claims import FAILS, HOLDS, OPEN
from stages.statistics.wintieloss import win_tie_loss

pytestmark = pytest.mark.filterwarnings("error")
COUNTS = {  # claims: all, that hold, that do not, that cannot be tested
    "deepalplus": (26, 16, 7, 3),
    "li": (22, 9, 7, 6),
    "gashi": (27, 16, 10, 1),
    "munjal": (26, 19, 4, 3),
    "hybrid": (16, 14, 0, 2),
}


@pytest.mark.parametrize("study", STUDIES)
def test_every_claim_has_its_place_its_words_and_its_test(study):
    found = claims.claims_of(study)
    assert len({one.quote for one in found}) == len(found)
    tables = set(load(study)["table"])
    for one in found:
        assert one.where and 10 < len(one.quote) < 190
        assert (one.check is None) == bool(one.why)
        assert set(one.tables) <= tables and bool(one.tables) == (one.check is not None)
    table = claims.outcomes(study)
    assert (table["found"] != "").all() and set(table["outcome"]) <= {HOLDS, FAILS, OPEN}
    assert claims.tables_tested(study)["table"].tolist() == list(load(study)["table"].unique())


def test_the_tally():
    table = claims.tally().set_index("study")
    found = table[["claims", "holds", "fails", "open"]].to_numpy().tolist()
    assert dict(zip(table.index, map(tuple, found), strict=True)) == COUNTS
    assert table["untested"].to_dict() == {
        "deepalplus": "none", "li": "T2, T6", "gashi": "T1", "munjal": "S2, text", "hybrid": "none"
    }  # fmt: skip
    with pytest.raises(UserError, match="no claims of 'lee'; allowed: deepalplus, li"):
        claims.claims_of("lee")


def forget():
    """Whatever was computed from the tables is computed anew."""
    for cached in (claims._outcomes, claims.numbers, mixture.table_9_mixtures):
        cached.cache_clear()
    from stages.published.claims import gashi, munjal

    gashi.wide.cache_clear(), munjal.verdicts.cache_clear()


@pytest.mark.parametrize("study", ["li", "gashi", "hybrid"])
def test_other_numbers_have_other_outcomes(study, monkeypatch):
    before = claims.outcomes(study)["outcome"]
    data = load(study)
    rng = np.random.default_rng(0)
    printed = data["mean"].notna()
    for _, rows in data[printed].groupby(["table", "dataset", "metric"]).groups.items():
        data.loc[rows, "mean"] = rng.permutation(data.loc[rows, "mean"].to_numpy())
    for module in (checks, claims):
        monkeypatch.setattr(module, "load", lambda name: data)
    forget()
    try:
        after = claims.outcomes(study)["outcome"]
    finally:
        forget()
    held = (before == HOLDS) & (after != before)
    assert held.sum() >= 0.5 * (before == HOLDS).sum()
    assert (after[before == OPEN] == OPEN).all()


def test_mixtures_of_table_1_and_tables_4_to_6_give_table_9():
    table = mixture.table_9_mixtures()
    assert table.attrs == {"mixtures": 256, "methods": 18, "best": 4}
    sources = {(row.dataset, row.method): row.source for row in table.itertuples()}
    assert sources == {
        ("MNIST", "LeastConfD"): "Table 1",
        ("MNIST", "EntropyD"): "Table 1",
        ("FashionMNIST", "AdvBIM"): "Table 1",
        ("EMNIST", "CEAL(Entropy)"): "Table 1",
        ("EMNIST", "LPL"): "either",
        ("EMNIST", "LeastConfD"): "Tables 4-6",
        ("EMNIST", "KMeans"): "either",
        ("CIFAR100", "AdvBIM"): "Tables 4-6",
    }
    scores = checks.survey_scores(checks.STANDARD)
    for row in table[table["source"] == "Table 1"].itertuples():
        scores.loc[row.dataset, row.method] = row.table_1
    made = win_tie_loss(scores).set_index("strategy")
    printed = checks.table_9("standard-8").set_index("strategy").loc[made.index]
    for name in ("wins", "ties", "losses"):
        assert made[name].tolist() == printed[f"printed_{name}"].tolist()


def test_pairs_of_uncertainty_based_methods_by_scipy():
    table = mixture.uncertainty_pairs()
    assert len(table) == 45 and (table["p"] < 0.05).sum() == 6
    scores = checks.survey_scores(checks.STANDARD)
    for row in table.itertuples():
        first, second = scores[row[1]], scores[row[2]]
        assert row.p == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_drawn_runs_have_the_printed_moments():
    drawn = simulated.conditioned([80.0, 70.0], [1.0, 2.0], 5, 7, np.random.default_rng(0))
    assert drawn.mean(2) == pytest.approx(np.tile([80.0, 70.0], (7, 1)))
    assert drawn.std(2, ddof=1) == pytest.approx(np.tile([1.0, 2.0], (7, 1)))
    assert np.unique(drawn.round(6)).size == drawn.size


def test_many_studies_at_once_are_scipys_tests():
    values = np.random.default_rng(1).normal(size=(4, 3, 9)) * [[1], [2], [3]]
    for study, kruskal, mean, median in zip(
        values, simulated.kruskal_p(values), simulated.levene_p(values),
        simulated.levene_p(values, np.median), strict=True,
    ):  # fmt: skip
        assert kruskal == pytest.approx(stats.kruskal(*study).pvalue)
        assert mean == pytest.approx(stats.levene(*study, center="mean").pvalue)
        assert median == pytest.approx(stats.levene(*study, center="median").pvalue)


def test_kruskal_wallis_of_munjal_on_drawn_runs():
    table = simulated.munjal_simulated()
    assert len(table) == 6 and (table["kruskal_share"] == 1).all()
    # Within a factor of twenty of what is printed, over sixteen powers of ten.
    gap = np.log10(table["kruskal_p"] / table["kruskal_printed"])
    assert gap.abs().max() < 1.3
    assert table["levene_mean"].between(0, 1).all()
    pd.testing.assert_frame_equal(table, simulated.munjal_simulated.__wrapped__())


def test_the_tally_stands_in_the_docs():
    text = (Path(__file__).parents[2] / "docs/report.md").read_text(encoding="utf-8")
    for row in claims.tally().itertuples(index=False):
        assert f"| `{row[0]}` | {' | '.join(map(str, row[1:]))} |" in text

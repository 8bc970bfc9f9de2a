"""Differences along the budget against SciPy, worked numbers and simulated curves."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stages.statistics import along


def curves(seeds: int, counts: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    """Three strategies whose runs share their first count."""
    rng = np.random.default_rng(seed)
    base = np.cumsum(rng.normal(size=(seeds, counts)), 1)
    made = {"random": base}
    for name in ("a", "b"):
        made[name] = base + np.cumsum(rng.normal(size=(seeds, counts)), 1)
        made[name][:, 0] = base[:, 0]
    return made


@pytest.mark.parametrize("seeds", [2, 5, 12])
def test_each_count_is_scipys_paired_t_test(seeds):
    runs, labeled = curves(seeds), np.arange(10, 70, 10)
    found = along.differences_along(runs, labeled, "random")
    assert found["strategy"].tolist() == ["a"] * 6 + ["b"] * 6
    for row in found[found["labeled"] > 10].itertuples():
        at = row.labeled // 10 - 1
        test = stats.ttest_rel(runs[row.strategy][:, at], runs["random"][:, at])
        assert (row.t, row.p) == pytest.approx((test.statistic, test.pvalue))
        assert (row.low, row.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    first = found[found["labeled"] == 10]
    assert set(first["reason"]) == {along.SHARED} and set(first["difference"]) == {0.0}
    assert first[["p", "low", "band_low"]].isna().all(axis=None)


def test_few_seeds_have_bonferronis_band_over_the_counts_that_can_differ():
    runs = curves(4)
    found = along.differences_along(runs, np.arange(10, 70, 10), "random")
    tested = found[found["reason"] == ""]
    bound = stats.t.isf(0.05 / 5 / 2, 3)
    assert set(tested["band"]) == {along.BONFERRONI}
    half = (tested["band_high"] - tested["band_low"]) / 2
    assert half.to_numpy() == pytest.approx(bound * tested["standard_error"].to_numpy())


def test_many_seeds_have_a_narrower_band_by_signs():
    runs = curves(12)
    found = along.differences_along(runs, np.arange(10, 70, 10), "random")
    tested = found[found["reason"] == ""]
    ratio = (tested["band_high"] - tested["difference"]) / tested["standard_error"]
    assert set(tested["band"]) == {along.SIGNS}
    assert (ratio > stats.t.isf(0.025, 11)).all() and (ratio < stats.t.isf(0.005, 11)).all()
    again = along.differences_along(runs, np.arange(10, 70, 10), "random")
    pd.testing.assert_frame_equal(found, again)


@pytest.mark.parametrize("seeds", [5, 10, 20])
def test_the_band_holds_at_all_counts_together(seeds, monkeypatch):
    monkeypatch.setattr(along, "DRAWS", 499)
    rng = np.random.default_rng(seeds)
    held = []
    for _ in range(200):
        d = np.cumsum(rng.normal(size=(seeds, 12)), 1) + rng.normal(size=(seeds, 12))
        rows = along.differences_along({"r": d * 0, "a": d}, np.arange(12), "r")
        held.append(((rows["band_low"] < 0) & (rows["band_high"] > 0)).all())
    assert 0.91 <= np.mean(held) <= 1.0


def test_missing_runs_are_left_out_count_by_count():
    runs = curves(12)
    runs["a"][3, 2:] = np.nan
    found = along.differences_along(runs, np.arange(6), "random").query("strategy == 'a'")
    assert found["n"].tolist() == [12, 12, 11, 11, 11, 11]
    kept = np.delete(np.arange(12), 3)
    test = stats.ttest_rel(runs["a"][kept, 5], runs["random"][kept, 5])
    assert found["p"].iloc[-1] == pytest.approx(test.pvalue)
    runs["a"][:, 5] = np.nan
    last = along.differences_along(runs, np.arange(6), "random").query("strategy == 'a'").iloc[-1]
    assert (last["n"], last["reason"]) == (0, along.FEW) and np.isnan(last["difference"])


def test_what_cannot_be_compared_says_why():
    one = {"random": [[1.0, 2.0]], "a": [[1.0, 3.0]]}
    assert along.differences_along(one, [5, 10], "random")["reason"].tolist() == [
        along.SHARED, along.FEW
    ]  # fmt: skip
    flat = {"random": [[1.0], [2.0]], "a": [[2.0], [3.0]]}
    assert along.differences_along(flat, [5], "random")["reason"].tolist() == [along.FLAT]
    assert along.differences_along(one, [5, 10], "entropy").empty
    with pytest.raises(ValueError, match=r"shape \(seeds, 2\)"):
        along.differences_along({"random": [[1.0]]}, [5, 10], "random")
    with pytest.raises(ValueError, match="the same seeds"):
        along.differences_along({"r": [[1.0]], "a": [[1.0], [2.0]]}, [5], "r")


def test_the_band_is_the_largest_t_over_all_signs():
    runs = curves(12, counts=4, seed=3)
    d = runs["a"][:, 1:] - runs["random"][:, 1:]
    rest = d - d.mean(0)
    signs = np.array(list(product((1.0, -1.0), repeat=12)))
    flipped = signs[:, :, None] * rest
    t = flipped.mean(1) / (flipped.std(1, ddof=1) / np.sqrt(12))
    bound = np.quantile(np.abs(t).max(1), 0.95)
    found = along.differences_along(runs, range(4), "random").query("strategy == 'a'").iloc[1:]
    ratio = (found["band_high"] - found["difference"]) / found["standard_error"]
    assert ratio.to_numpy() == pytest.approx([bound] * 3, rel=0.03)

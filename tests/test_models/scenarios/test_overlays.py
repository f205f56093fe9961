"""What rare things are counted with: exact rates, windows without gaps, falls away from others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from models.base.units import HOUR_MS
from models.scenarios.overlays import (
    away_from_others,
    cluster_peaks,
    deepest,
    rate_bound,
    years,
)
from models.scenarios.paths import CoinHistory
from tests.test_models.scenarios.histories import garch_history


@pytest.mark.parametrize("events", [0, 1, 7, 120])
def test_rate_when_it_is_at_its_bound_then_so_few_events_are_as_rare_as_said(events: int) -> None:
    bound = rate_bound(events, 5.0, 0.95)
    assert poisson.cdf(events, 5.0 * bound) == pytest.approx(0.05)


def test_years_when_rows_are_hours_then_a_year_has_8766() -> None:
    assert years(garch_history(8_766)) == pytest.approx(1.0)


@pytest.mark.parametrize("candles", [1, 4, 5])
def test_deepest_when_windows_are_looked_at_one_by_one_then_it_is_the_same(candles: int) -> None:
    h = garch_history(60)
    keep = np.arange(60) != 30
    h = CoinHistory(
        coins=h.coins, candle_ms=h.candle_ms, time_ms=h.time_ms[keep], close=h.close[keep],
        low=h.low[keep], high=h.high[keep], funding=h.funding[keep],
    )  # fmt: skip
    got = deepest(h, candles)
    assert len(got) == 60 - candles
    for row in range(len(got)):
        rows = slice(row, row + candles)
        if h.time_ms[rows][-1] - h.time_ms[row] > (candles - 1) * HOUR_MS:
            assert np.isnan(got[row]).all()
            continue
        before = np.cumsum(h.close[rows], axis=0) - h.close[rows]
        np.testing.assert_allclose(got[row], (before + h.low[rows]).min(axis=0), atol=1e-12)
    assert np.isnan(got).any() == (candles > 1)


def test_away_when_coins_are_compared_one_by_one_then_it_is_the_same() -> None:
    x = np.random.default_rng(0).standard_normal((20, 5))
    for i in range(5):
        others = [sorted(row[j] for j in range(5) if j != i) for row in x]
        expected = [row[i] - 0.5 * (o[1] + o[2]) for row, o in zip(x, others, strict=True)]
        np.testing.assert_allclose(away_from_others(x)[:, i], expected)


def test_peaks_when_values_are_close_then_the_largest_counts() -> None:
    values = np.array([0.0, 3.0, 5.0, 4.0, 0.0, 0.0, 1.0, 0.0])
    time_ms = HOUR_MS * np.arange(8)
    assert cluster_peaks(values, time_ms, 3 * HOUR_MS).tolist() == [2, 6]
    assert cluster_peaks(values, time_ms, HOUR_MS).tolist() == [1, 2, 3, 6]
    assert cluster_peaks(np.zeros(8), time_ms, HOUR_MS).tolist() == []

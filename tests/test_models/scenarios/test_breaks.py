"""Breaks against what was planted, and against the closed forms of a compound Poisson process."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import ConfigError
from models.scenarios.breaks import FittedBreaks, IdiosyncraticBreaks
from models.scenarios.overlays import rate_bound
from models.scenarios.pareto import ParetoTail
from models.scenarios.paths import CHUNK, CoinHistory
from tests.test_models.scenarios.blocks import flat_block
from tests.test_models.scenarios.histories import garch_history

TAIL = ParetoTail(threshold=0.05, scale=0.02, shape=0.4, estimate=0.3, clusters=50, exceedances=100)
ROWS = 20_000


def planted() -> tuple[CoinHistory, np.ndarray]:
    """Return a calm history in which the third coin breaks forty times, half of it kept."""
    h = garch_history(ROWS)
    close, low = 0.05 * h.close, 0.05 * h.low
    at = 100 + 480 * np.arange(40)
    size = 0.06 + 0.03 * np.random.default_rng(0).exponential(size=40)
    low[at, 2] = low[at, :2].min(axis=1) - size
    close[at, 2] = np.median(close[at, :2], axis=1) - 0.5 * size
    high = np.maximum(0.05 * h.high, np.maximum(close, 0))
    return replace(h, close=close, low=np.minimum(low, close), high=high), at


def test_fit_when_breaks_are_planted_then_rates_and_what_is_kept_are_found() -> None:
    h, at = planted()
    fitted = IdiosyncraticBreaks(quantile=0.998).fit(h)
    assert fitted.tail is not None
    assert fitted.tail.threshold < 0.06  # between what is planted and all else
    assert fitted.tail.exceedances == 40
    calm = ROWS - np.ceil(ROWS * 0.001)
    stressed = int((np.median(h.low[at], axis=1) <= fitted.stress).sum())
    assert fitted.calm[2] == pytest.approx(rate_bound(40 - stressed, calm, 0.95), rel=1e-3)
    np.testing.assert_allclose(fitted.calm[:2], rate_bound(0, calm, 0.95), rtol=1e-3)
    assert 0.35 < np.median(fitted.kept) < 0.65
    assert "LTC/USDT:USDT" in fitted.notes[0]


def test_breaks_when_laid_over_a_calm_market_then_they_are_compound_poisson() -> None:
    """The largest of T candles: P(max > x) = 1 - (1 - p S(x))^T; counts are binomial."""
    p = np.array([0.002, 0.01, 0.0])
    fitted = FittedBreaks(
        tail=TAIL, calm=p, stressed=np.ones(3), stress=-1.0, kept=np.array([0.25, 0.75])
    )
    block = flat_block(100)
    runs = [fitted.laid_over(block, np.random.default_rng(seed)) for seed in range(8)]
    low = np.concatenate([b.low for b in runs])  # (P, T, A)
    n = 8 * CHUNK
    for i in range(2):
        hits = (low[:, :, i] < 0).sum(axis=1)
        error = np.sqrt(100 * p[i] * (1 - p[i]) / n)
        assert abs(hits.mean() - 100 * p[i]) < 4 * error
        assert hits.var() == pytest.approx(100 * p[i] * (1 - p[i]), rel=0.1)
        for x in (0.06, 0.1, 0.3):
            survival = (1 + TAIL.shape * (x - TAIL.threshold) / TAIL.scale) ** (-1 / TAIL.shape)
            expected = 1 - (1 - p[i] * survival) ** 100
            found = (low[:, :, i].min(axis=1) < -x).mean()
            assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
    assert (low[:, :, 2] == 0).all()
    close = np.concatenate([b.close for b in runs])
    share = close[low < 0] / low[low < 0]
    np.testing.assert_allclose(np.minimum(np.abs(share - 0.25), np.abs(share - 0.75)), 0, atol=1e-9)
    assert abs(share.mean() - 0.5) < 4 * 0.25 / np.sqrt(len(share))


def test_breaks_when_the_market_is_under_stress_then_they_have_the_other_rate() -> None:
    fitted = FittedBreaks(
        tail=TAIL, calm=np.zeros(3), stressed=np.array([0.5, 0.0, 0.0]), stress=-0.1,
        kept=np.ones(1),
    )  # fmt: skip
    block = flat_block(20)
    low = block.low.copy()
    low[:, 7, :2] = -0.1  # two of three coins, so their median too
    low[:, 9, 0] = -0.5  # one alone is no market
    got = fitted.laid_over(replace(block, low=low), np.random.default_rng(0))
    hit = got.low < low
    assert hit[:, 7, 0].mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(CHUNK))
    assert hit.sum() == hit[:, 7, 0].sum()


def test_breaks_when_there_is_one_coin_then_none_is_drawn_and_it_is_said() -> None:
    h = garch_history(2_000, coins=("BTC/USDT:USDT",))
    fitted = IdiosyncraticBreaks().fit(h)
    assert "need another coin" in fitted.notes[0]
    block = flat_block(10, coins=1)
    assert fitted.laid_over(block, np.random.default_rng(0)) is block


def test_breaks_when_settings_are_impossible_then_they_are_refused() -> None:
    with pytest.raises(ConfigError, match="apart_days"):
        IdiosyncraticBreaks(apart_days=0)

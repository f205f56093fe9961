"""The simulated market has the features of a real one that margin trading meets."""

from __future__ import annotations

import numpy as np
import pytest

from models.base.types import FloatArray
from models.base.units import HOUR_MS
from models.data.feeds.aggregation import aggregate
from models.data.feeds.candles import FUNDING_MS, check_candles, check_funding
from models.simulate.market_config import SimulatedMarketConfig
from models.simulate.simulated_market import SimulatedMarket, simulate_market

SEEDS = (7, 8)


@pytest.fixture(scope="module", params=SEEDS)
def market(request: pytest.FixtureRequest) -> SimulatedMarket:
    return simulate_market(SimulatedMarketConfig(candles=26_280, seed=request.param))


def returns(market: SimulatedMarket) -> FloatArray:
    """(A, N - 1) log returns."""
    return np.array([np.diff(np.log(p.candles.close)) for p in market.pairs.values()])


def autocorrelation(x: FloatArray, lag: int) -> float:
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).sum() / (x * x).sum())


def test_simulation_when_seed_repeats_then_equal_and_when_it_differs_then_not() -> None:
    one, again = (simulate_market(SimulatedMarketConfig(candles=500)) for _ in range(2))
    other = simulate_market(SimulatedMarketConfig(candles=500, seed=8))
    for pair, published in one.pairs.items():
        for column in ("open", "high", "low", "close", "volume"):
            first = getattr(published.candles, column)
            np.testing.assert_array_equal(first, getattr(again.pairs[pair].candles, column))
        np.testing.assert_array_equal(published.funding_rate, again.pairs[pair].funding_rate)
        assert not np.array_equal(published.candles.close, other.pairs[pair].candles.close)


def test_simulation_when_longer_then_it_begins_with_the_shorter_one() -> None:
    short, long = (simulate_market(SimulatedMarketConfig(candles=n)) for n in (400, 900))
    for pair, published in short.pairs.items():
        longer = long.pairs[pair]
        np.testing.assert_array_equal(published.candles.low, longer.candles.low[:400])
        np.testing.assert_array_equal(published.candles.volume, longer.candles.volume[:400])
        np.testing.assert_array_equal(published.mark.close, longer.mark.close[:400])
        np.testing.assert_array_equal(published.funding_rate, longer.funding_rate[:50])


def test_market_passes_the_checks_real_data_must_pass(market: SimulatedMarket) -> None:
    for pair, published in market.pairs.items():
        check_candles(published.candles, HOUR_MS, pair)
        check_candles(published.mark, HOUR_MS, f"{pair} mark")
        check_funding(published.funding_time_ms, published.funding_rate, f"{pair} funding")


def test_returns_have_fat_tails_and_clustered_volatility(market: SimulatedMarket) -> None:
    for r in returns(market):
        kurtosis = np.mean((r - r.mean()) ** 4) / np.var(r) ** 2
        assert kurtosis > 6
        assert all(autocorrelation(np.abs(r), lag) > 0.03 for lag in range(1, 25))
        assert abs(autocorrelation(r, 1)) < 0.08


def test_hourly_volatility_is_that_of_the_real_pairs(market: SimulatedMarket) -> None:
    for r, real in zip(returns(market), (0.0055, 0.0073, 0.0086), strict=True):
        assert 0.7 * real < r.std() < 1.4 * real


def test_assets_move_together(market: SimulatedMarket) -> None:
    correlation = np.corrcoef(returns(market))[np.triu_indices(3, 1)]
    assert correlation.min() > 0.5
    assert correlation.max() < 0.95


def test_cascades_move_price_and_volume_and_give_some_back(market: SimulatedMarket) -> None:
    truth = market.truth
    assert len(truth.cascade_index) > 30
    assert 0.55 < np.mean(truth.cascade_side < 0) < 0.9
    btc = next(iter(market.pairs.values())).candles
    log_close = np.log(btc.close)
    inner = (truth.cascade_index > 24) & (truth.cascade_index < len(btc) - 25)
    onset, side = truth.cascade_index[inner], truth.cascade_side[inner]
    move = side * (log_close[onset] - log_close[onset - 1])
    later = side * (log_close[onset + 12] - log_close[onset])
    assert np.median(move) > 0.015
    assert later.mean() < 0
    usual = np.array([np.median(btc.volume[i - 24 : i]) for i in onset])
    assert np.median(btc.volume[onset] / usual) > 3


def test_cascade_probability_is_calibrated_and_informative(market: SimulatedMarket) -> None:
    p, n = market.truth.cascade_probability, len(market.truth.cascade_index)
    assert abs(n - p.sum()) < 4 * np.sqrt(p.sum())
    assert p[market.truth.cascade_index].mean() > 2 * p.mean()


def test_volume_follows_moves_and_the_clock(market: SimulatedMarket) -> None:
    for published in market.pairs.values():
        volume = published.candles.volume[1:]
        r = np.abs(np.diff(np.log(published.candles.close)))
        assert np.corrcoef(np.log(r + 1e-5), np.log(volume))[0, 1] > 0.3
        hour = (published.candles.time_ms[1:] // HOUR_MS) % 24
        assert np.median(volume[hour == 14]) > 1.5 * np.median(volume[hour == 4])


def test_funding_is_paid_at_0_8_16_and_follows_past_returns(market: SimulatedMarket) -> None:
    for published in market.pairs.values():
        assert np.all(published.funding_time_ms % FUNDING_MS == 0)
        assert np.all(np.diff(published.funding_time_ms) == FUNDING_MS)
        close = np.log(published.candles.close)
        row = (published.funding_time_ms - published.candles.time_ms[0]) // HOUR_MS - 1
        row, rate = row[4:], published.funding_rate[4:]
        assert np.corrcoef(close[row] - close[row - 24], rate)[0, 1] > 0.3
        assert 0.5 < autocorrelation(rate, 1) < 0.95


def test_mark_is_near_the_last_price_and_smoother(market: SimulatedMarket) -> None:
    for published in market.pairs.values():
        last, mark = np.log(published.candles.close), np.log(published.mark.close)
        assert np.std(mark - last) < 0.0005
        assert np.diff(mark).std() < np.diff(last).std()
        spans = [np.mean(np.log(c.high / c.low)) for c in (published.mark, published.candles)]
        assert spans[0] < spans[1]


@pytest.mark.parametrize("minutes", [5, 15])
def test_shorter_candles_join_to_hours_like_the_hourly_market(minutes: int) -> None:
    config = SimulatedMarketConfig(candles=120 * 24 * 60 // minutes, candle_ms=minutes * 60_000)
    for pair, published in simulate_market(config).pairs.items():
        check_candles(published.candles, config.candle_ms, pair)
        hours = aggregate(published.candles, config.candle_ms, HOUR_MS)
        check_candles(hours, HOUR_MS, pair)
        assert len(hours) == 120 * 24
        assert 0.002 < np.diff(np.log(hours.close)).std() < 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        {"candle_ms": 7 * 60_000},
        {"candles": 1},
        {"start_ms": 1},
        {"tail_dof": 2},
        {"excitation": 1},
    ],
)
def test_config_when_out_of_range_then_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        SimulatedMarketConfig(**wrong)  # type: ignore[arg-type]

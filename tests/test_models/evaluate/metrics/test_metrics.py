"""Metrics: golden numbers, theorems, and intervals that know about dependence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss

from models.base.errors import InputError
from models.base.resampling import stationary_indices
from models.base.units import DAY_MS
from models.evaluate.metrics import (
    Forecasts,
    average_precision,
    circular_ratio,
    drawdown,
    equity_metrics,
    excess_return,
    forecast_metrics,
    hazard_metrics,
    trade_metrics,
    wilson,
)
from models.evaluate.metrics.equity import expected_shortfall, period_returns
from models.evaluate.metrics.forecast import calibration_error, interval_score, pinball

HOUR = 3_600_000


def forecasts(n: int, rng: np.random.Generator, skill: float = 0.0, horizon: int = 4) -> Forecasts:
    outcome = rng.integers(-1, 2, n).astype(float)
    signal = skill * outcome + 0.1 * rng.standard_normal(n)
    e = np.exp(np.column_stack((-signal, np.zeros(n), signal)))
    y = 0.01 * rng.standard_normal(n)
    z = np.array([-1.6449, -0.6745, 0.0, 0.6745, 1.6449]) * 0.01
    return Forecasts(
        time_ms=np.arange(n, dtype=np.int64) * HOUR,
        p=e / e.sum(axis=1, keepdims=True),
        outcome_class=outcome,
        quantiles=np.broadcast_to(z, (n, 5)),
        low=np.full(n, z[0]),
        high=np.full(n, z[-1]),
        sigma=np.full(n, 0.01),
        outcome_return=y,
        horizon_candles=horizon,
    )


def test_equity_metrics_when_curve_is_known_then_golden_numbers() -> None:
    # Three days: +10 %, -20 %, +25 %: 100 -> 110 -> 88 -> 110.
    time_ms = np.arange(3, dtype=np.int64) * DAY_MS
    m = equity_metrics(
        time_ms, np.array([110.0, 88.0, 110.0]), 100.0, DAY_MS, np.random.default_rng(0)
    )
    r = np.array([0.1, -0.2, 0.25])
    assert m["total_return_frac"]["value"] == pytest.approx(0.1)
    assert m["max_drawdown_frac"] == pytest.approx(0.2)
    assert m["longest_drawdown_days"] == 1.0
    assert m["worst_day_frac"] == pytest.approx(-0.2)
    assert m["worst_day_ms"] == DAY_MS
    assert m["sharpe"]["value"] == pytest.approx(r.mean() / r.std(ddof=1) * 365.25**0.5)
    assert m["sortino"] == pytest.approx(r.mean() / (0.2 / 3**0.5) * 365.25**0.5)
    assert np.isnan(m["cagr_frac"])  # three days are no year
    assert np.isnan(m["es99_hour_frac"])  # daily candles have no hours


def test_equity_metrics_when_growth_is_constant_then_cagr_is_exact_and_sharpe_unknown() -> None:
    days = 365
    equity = 100.0 * 1.001 ** np.arange(1, days + 1)
    m = equity_metrics(
        np.arange(days, dtype=np.int64) * DAY_MS, equity, 100.0, DAY_MS, np.random.default_rng(0)
    )
    assert m["cagr_frac"] == pytest.approx(1.001**365.25 - 1)
    assert m["max_drawdown_frac"] == 0.0
    assert np.isnan(m["sortino"])


def test_period_returns_when_ruined_then_loses_exactly_everything_once() -> None:
    r = period_returns(np.array([50.0, -10.0, 5.0]), 100.0)
    np.testing.assert_allclose(r, [-0.5, -1.0, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_drawdown_when_any_curve_then_bounded_and_blind_to_scale(seed: int) -> None:
    equity = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(seed).standard_normal(300)))
    fall = drawdown(equity, 100.0)
    assert ((fall >= 0) & (fall <= 1)).all()
    np.testing.assert_allclose(drawdown(7 * equity, 700.0), fall)


def test_drawdown_when_it_begins_at_once_or_ruins_then_the_start_counts_and_one_is_the_most() -> (
    None
):
    fall = drawdown(np.array([90.0, 95.0, 120.0, 60.0, -30.0]), 100.0)
    np.testing.assert_allclose(fall, [0.1, 0.05, 0.0, 0.5, 1.0])


def test_expected_shortfall_when_the_tail_is_no_whole_number_of_returns_then_one_more_counts() -> (
    None
):
    losses = np.array([-0.3, -0.2, -0.1])
    assert expected_shortfall(np.concatenate((losses, np.zeros(147)))) == pytest.approx(0.25)
    assert expected_shortfall(np.concatenate((losses, np.zeros(97)))) == pytest.approx(0.3)
    assert expected_shortfall(losses) == pytest.approx(0.3)  # never fewer than one
    # 7 % of 100 is 7.000000000000001 in binary, and still seven returns.
    seven = np.concatenate((np.full(7, -0.1), np.zeros(93)))
    assert expected_shortfall(seven, 0.07) == pytest.approx(0.1)
    assert np.isnan(expected_shortfall(np.empty(0)))


def test_expected_shortfall_when_tail_is_one_percent_then_mean_of_worst() -> None:
    r = np.concatenate((np.full(2, -0.1), np.full(198, 0.01)))
    assert expected_shortfall(r) == pytest.approx(0.1)
    assert expected_shortfall(r) >= expected_shortfall(r, 0.05)


def test_sharpe_interval_when_returns_are_noise_then_usually_holds_zero() -> None:
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        equity = 100 * np.cumprod(1 + 0.01 * rng.standard_normal(200))
        time_ms = np.arange(200, dtype=np.int64) * DAY_MS
        s = equity_metrics(time_ms, equity, 100.0, DAY_MS, rng, draws=300)["sharpe"]
        hits += s["low"] <= 0 <= s["high"]
    assert hits >= 34  # 38 of 40 expected; below 34 has probability 0.001


def test_excess_return_when_both_are_the_same_then_zero_without_doubt() -> None:
    r = 0.01 * np.random.default_rng(0).standard_normal(100)
    assert excess_return(r, r, np.random.default_rng(0)) == (0.0, 0.0, 0.0)


def test_stationary_indices_when_blocks_are_long_then_neighbours_stay_together() -> None:
    rows = stationary_indices(1000, 20, 50, np.random.default_rng(0))
    together = ((np.diff(rows, axis=1) % 1000) == 1).mean()
    assert together == pytest.approx(0.95, abs=0.01)
    assert rows.min() >= 0
    assert rows.max() < 1000
    with pytest.raises(InputError):
        stationary_indices(0, 5, 1, np.random.default_rng(0))


def test_circular_ratio_when_rows_overlap_then_interval_is_wider_than_for_single_rows() -> None:
    rng = np.random.default_rng(0)
    x = np.convolve(rng.standard_normal(2000), np.ones(12), mode="same")
    ones = np.ones(len(x))
    single = circular_ratio(x, ones, 1, np.random.default_rng(1))
    blocks = circular_ratio(x, ones, 48, np.random.default_rng(1))
    assert blocks.high - blocks.low > 2.5 * (single.high - single.low)


def test_wilson_when_eight_of_ten_then_textbook_interval() -> None:
    # R: binom::binom.confint(8, 10, methods = "wilson") gives 0.4901625, 0.9433178
    np.testing.assert_allclose(wilson(8, 10), (0.8, 0.4901625, 0.9433178), atol=1e-6)
    assert np.isnan(wilson(0, 0).value)


def test_trade_metrics_when_split_by_side_and_reason_then_parts_add_up() -> None:
    profit = np.array([10.0, -5.0, 2.5, -2.5])
    m = trade_metrics(
        profit,
        np.array([1, 1, -1, -1]),
        np.zeros(4, np.int64),
        np.array([1, 2, 3, 6]) * HOUR,
        ["a.b", "c", "c", "c"],
    )
    assert m["profit_factor"] == pytest.approx(12.5 / 7.5)
    assert m["win_rate"]["value"] == 0.5
    assert m["holding_hours_mean"] == 3.0
    assert m["holding_hours_median"] == 2.5
    assert m["by_side"]["long"]["profit_quote"] + m["by_side"]["short"]["profit_quote"] == 5.0
    assert {g["reason"]: g["count"] for g in m["by_exit_reason"]} == {"a.b": 1, "c": 3}


def test_trade_metrics_when_no_trades_then_nan_not_zero() -> None:
    none = np.empty(0, np.int64)
    m = trade_metrics(np.empty(0), none, none, none, [])
    assert m["count"] == 0
    assert np.isnan(m["win_rate"]["value"])
    assert np.isnan(m["profit_factor"])


def test_forecast_metrics_when_compared_with_scikit_learn_then_equal() -> None:
    f = forecasts(500, np.random.default_rng(2), skill=0.3)
    m = forecast_metrics(f, np.random.default_rng(0))["probability"]
    assert m["log_loss_nats"] == pytest.approx(log_loss(f.outcome_class, f.p, labels=[-1, 0, 1]))
    expected = sum(brier_score_loss(f.outcome_class == k, f.p[:, k + 1]) for k in (-1, 0, 1))
    assert m["brier"] == pytest.approx(expected)


def test_forecast_metrics_when_forecast_is_the_prior_then_gain_and_skill_are_zero() -> None:
    f = forecasts(600, np.random.default_rng(3))
    prior = np.array([(f.outcome_class == k).mean() for k in (-1, 0, 1)])
    constant = Forecasts(**{**f.__dict__, "p": np.broadcast_to(prior, (600, 3))})
    m = forecast_metrics(constant, np.random.default_rng(0))["probability"]
    assert m["gain_millibits"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert m["brier_skill"]["value"] == pytest.approx(0.0, abs=1e-9)


def test_forecast_metrics_when_skilled_then_gain_is_significant_and_accuracy_rises() -> None:
    m = forecast_metrics(
        forecasts(2000, np.random.default_rng(4), skill=0.2), np.random.default_rng(0)
    )
    assert m["probability"]["gain_millibits"]["low"] > 0
    assert m["direction"]["accuracy"]["low"] > 0.5


def test_forecast_metrics_when_every_side_is_a_coin_then_the_gain_is_volatility_alone() -> None:
    f = forecasts(2000, np.random.default_rng(4), skill=0.2)
    beyond = (f.p[:, 0] + f.p[:, 2]) / 2
    coin = Forecasts(**{**f.__dict__, "p": np.column_stack([beyond, f.p[:, 1], beyond])})
    m = forecast_metrics(coin, np.random.default_rng(0))["probability"]
    parts = m["gain_volatility_millibits"]["value"], m["gain_direction_millibits"]["value"]
    assert sum(parts) == pytest.approx(m["gain_millibits"]["value"])
    assert parts[1] == pytest.approx(0.0, abs=1.0)


def test_forecast_metrics_when_without_skill_then_accuracy_interval_holds_half() -> None:
    a = forecast_metrics(forecasts(2000, np.random.default_rng(5)), np.random.default_rng(0))
    assert a["direction"]["accuracy"]["low"] < 0.5 < a["direction"]["accuracy"]["high"]


def test_interval_when_quantiles_are_true_then_coverage_is_nominal_and_pinball_no_worse() -> None:
    m = forecast_metrics(forecasts(4000, np.random.default_rng(6)), np.random.default_rng(0))
    assert m["interval"]["coverage"]["low"] <= 0.9 <= m["interval"]["coverage"]["high"]
    assert m["quantiles"]["pinball_skill"]["value"] == pytest.approx(0.0, abs=0.005)
    assert m["interval"]["worst_30d_coverage"] <= m["interval"]["best_30d_coverage"]


def test_interval_when_too_narrow_at_one_time_of_day_then_that_block_alone_falls_short() -> None:
    f = forecasts(8000, np.random.default_rng(10))
    narrow = f.time_ms // HOUR % 24 // 3 == 4
    low, high = (np.where(narrow, 0.5 * end, end) for end in (f.low, f.high))
    wrong = Forecasts(**{**f.__dict__, "low": low, "high": high})
    blocks = forecast_metrics(wrong, np.random.default_rng(0))["interval"]["by_hour"]
    assert [b["hour_utc"] for b in blocks] == list(range(0, 24, 3))
    assert sum(b["rows"] for b in blocks) == len(f)
    assert blocks[4]["high"] < 0.7
    assert all(b["low"] <= 0.9 <= b["high"] for i, b in enumerate(blocks) if i != 4)


def test_interval_when_as_wide_in_any_weather_then_calm_is_held_too_often_and_wild_too_seldom() -> (
    None
):
    rng = np.random.default_rng(11)
    f, sigma = forecasts(8000, rng), 0.01 * np.exp(0.5 * rng.standard_normal(8000))
    y = f.outcome_return * sigma / 0.01  # as wild as `sigma` says; the interval is always alike
    wrong = Forecasts(**{**f.__dict__, "sigma": sigma, "outcome_return": y})
    deciles = forecast_metrics(wrong, np.random.default_rng(0))["interval"]["by_volatility_decile"]
    assert deciles[0]["low"] > 0.9 > deciles[-1]["high"]
    assert deciles[0]["sigma_bps"] < deciles[-1]["sigma_bps"]


def test_interval_score_when_the_ends_vary_then_lowest_at_the_true_quantiles() -> None:
    y = np.random.default_rng(12).standard_normal(20_000)
    grid = np.linspace(1.0, 2.4, 57)
    scores = [interval_score(y, np.full_like(y, -c), np.full_like(y, c), 0.9).mean() for c in grid]
    assert grid[int(np.argmin(scores))] == pytest.approx(1.6449, abs=0.08)


def test_forecast_metrics_when_model_has_no_quantiles_then_direction_is_still_measured() -> None:
    f = forecasts(500, np.random.default_rng(7))
    bare = Forecasts(**{**f.__dict__, "quantiles": np.full((500, 5), np.nan)})
    m = forecast_metrics(bare, np.random.default_rng(0))
    assert m["rows_return_known"] == 0
    assert m["direction"]["rows_moved"] > 0
    assert np.isnan(m["interval"]["coverage"]["value"])


def test_pinball_when_constant_varies_then_lowest_at_the_quantile() -> None:
    y = np.random.default_rng(8).standard_normal(2000)
    grid = np.linspace(-2, 2, 81)
    losses = [pinball(y, np.full((2000, 1), c), [0.25]).mean() for c in grid]
    assert grid[int(np.argmin(losses))] == pytest.approx(np.quantile(y, 0.25), abs=0.05)


def test_calibration_error_when_perfectly_calibrated_then_near_the_noise_floor() -> None:
    rng = np.random.default_rng(9)
    p = rng.random(20_000)
    assert calibration_error(p, (rng.random(20_000) < p).astype(float)) < 0.015


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_when_compared_with_scikit_learn_then_equal_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, event = rng.random(300).round(1), rng.random(300) < 0.1
    assert average_precision(score, event) == pytest.approx(average_precision_score(event, score))
    assert average_precision(np.ones(300), event) == pytest.approx(event.mean())


def test_hazard_metrics_when_no_onset_then_precision_unknown_and_base_rate_zero() -> None:
    m = hazard_metrics(np.full(100, 0.1), np.full(100, 25.0), 24, np.random.default_rng(0))
    assert m["onsets"] == 0
    assert m["base_rate"] == 0.0
    assert np.isnan(m["average_precision"]["value"])

"""The volatility ahead: which rows it reads, that live is the backtest, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import columns
from models.base.types import Float32Array, FloatArray, IntArray
from models.base.windows import hour_of_week
from models.evaluate.explain.forecast import WindowForecaster
from models.serve.predictor import Predictor
from models.serve.ranges import PARKINSON
from models.serve.volatility import VolatilityForecast
from tests.test_contract import echo, planted

REACH = max(echo.AHEAD_WINDOWS)
ROWS = 60
MANIFEST = echo.ahead_artifact().manifest
RANGE = echo.AHEAD_NAMES.index("%-range")


def ahead(x: Float32Array, times: IntArray) -> FloatArray:
    forecast = VolatilityForecast.of(MANIFEST)
    assert forecast is not None
    assert forecast.reach == REACH
    return forecast(x, times)


def predicted(x: Float32Array, times: IntArray) -> dict[str, FloatArray]:
    return Predictor(echo.ahead_artifact()).predict(x, times, echo.AHEAD_NAMES)


def test_forecast_when_worked_out_by_hand_then_it_is_the_regression_of_past_ranges() -> None:
    x, times, t = echo.ahead_rows(ROWS), planted.times(ROWS), 41
    squared = (x[:, RANGE].astype(np.float64) * echo.SIGMA) ** 2
    logs = [np.log(squared[t + 1 - n : t + 1].mean() / PARKINSON) for n in echo.AHEAD_WINDOWS]
    hour = hour_of_week(times[t : t + 1], echo.CANDLE_MS)[0]
    expected = -6.0 + np.dot([0.1, 0.2, 0.3], np.array(logs) + 9.0) + hour / 167
    assert ahead(x, times)[t] == pytest.approx(expected, rel=1e-6)


def test_forecast_when_a_row_is_asked_with_its_context_alone_then_the_same_to_the_bit() -> None:
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    together = ahead(x, times)
    assert np.isnan(together[: REACH - 1]).all()
    for t in range(REACH - 1, ROWS):
        part = slice(t + 1 - REACH, t + 1)
        np.testing.assert_array_equal(ahead(x[part], times[part])[-1], together[t])
    assert np.isnan(ahead(x[: REACH - 1], times[: REACH - 1])).all()


def test_forecast_when_the_future_is_another_then_no_earlier_row_moves() -> None:
    x, times, last = echo.ahead_rows(ROWS), planted.times(ROWS), 30
    before = predicted(x, times)
    x[last + 1 :, 1:] *= 3
    after = predicted(x, times)
    for name in columns.FORECAST:
        np.testing.assert_array_equal(before[name][: last + 1], after[name][: last + 1], name)
    assert (before[columns.P_FLAT][last + 1 :] != after[columns.P_FLAT][last + 1 :]).all()


def test_forecast_when_a_candle_is_missing_or_has_no_range_then_unknown_until_it_is_past() -> None:
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    times[20:] += echo.CANDLE_MS
    x[45, RANGE] = np.inf
    has = np.isfinite(ahead(x, times))
    expected = np.arange(ROWS) >= REACH - 1
    expected[20 : 20 + REACH - 1] = expected[45 : 45 + REACH] = False
    np.testing.assert_array_equal(has, expected)
    out = predicted(x, times)
    np.testing.assert_array_equal(out[columns.ABSTAIN] == 0, expected)
    np.testing.assert_array_equal(np.isfinite(out[columns.P_UP]), expected)
    np.testing.assert_array_equal(np.isfinite(out[columns.HAZARD_DOWN]), expected)
    hazards = Predictor(echo.ahead_artifact()).hazards(x, times, echo.AHEAD_NAMES)
    np.testing.assert_array_equal(np.isfinite(hazards[:, 0, 0]), expected)


def test_odds_when_worked_out_by_hand_then_the_volatility_in_costs_and_its_square_are_added() -> (
    None
):
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    out, log_v = predicted(x, times), ahead(x, times)
    costs = log_v - np.log(0.0014)
    kept = np.abs(costs) < 4  # beyond it, inputs are clipped
    kept &= costs * costs < 4
    assert kept.sum() > 20
    own = np.logaddexp(0.0, x[:, 0].astype(np.float64))  # down 0, flat 0, up the echo
    odds = np.log((1 - out[columns.P_FLAT]) / out[columns.P_FLAT])
    np.testing.assert_allclose(
        odds[kept], (own + costs - 0.5 * costs * costs)[kept], rtol=1e-5, atol=1e-6
    )
    up = np.log(out[columns.P_UP] / out[columns.P_DOWN])
    np.testing.assert_allclose(up[kept], x[kept, 0], rtol=1e-5)  # which way is not touched


def test_live_when_the_newest_row_is_asked_then_it_is_the_backtest_s_to_the_bit() -> None:
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    predictor = Predictor(echo.ahead_artifact())
    assert (predictor.context, predictor.graph_context) == (REACH, echo.CONTEXT)
    backtest = predictor.predict(x, times, echo.AHEAD_NAMES)
    for t in (REACH - 2, REACH - 1, 30, ROWS - 1):
        part = slice(max(t + 1 - REACH, 0), t + 1)
        live = predictor.latest(x[part], times[part], echo.AHEAD_NAMES)
        for name in columns.FORECAST:
            np.testing.assert_array_equal(live[name][0], backtest[name][t], name)
    assert np.isnan(backtest[columns.P_UP][REACH - 2])


def test_live_when_another_feature_is_missing_beyond_the_graph_s_context_then_answered() -> None:
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    x[ROWS - 1 - echo.CONTEXT, 0] = np.nan  # the echo; ranges are all there
    predictor = Predictor(echo.ahead_artifact())
    backtest = predictor.predict(x, times, echo.AHEAD_NAMES)
    live = predictor.latest(x, times, echo.AHEAD_NAMES)
    assert np.isfinite(live[columns.P_UP][0])
    np.testing.assert_array_equal(live[columns.P_UP][0], backtest[columns.P_UP][-1])


def test_predictor_when_nothing_is_forecast_beside_it_then_the_graph_s_context_is_all() -> None:
    assert VolatilityForecast.of(echo.echo_artifact().manifest) is None
    predictor = Predictor(echo.echo_artifact())
    assert predictor.context == predictor.graph_context == echo.CONTEXT


def test_explanation_when_a_window_is_calmer_then_its_odds_of_a_move_are_lower() -> None:
    x, times = echo.ahead_rows(ROWS), planted.times(ROWS)
    explained = WindowForecaster(echo.ahead_artifact())
    window = explained.window(x, times)
    assert window.shape == (REACH, len(echo.AHEAD_NAMES))
    calm = window.copy()
    calm[0, RANGE] *= 1e-3  # beyond the graph's context
    both = np.stack([window, calm])
    log_v = [ahead(w, times[-REACH:])[-1] for w in both]
    assert log_v[1] < log_v[0]
    same, other = explained.forecast(both)["&-direction"]
    assert same != other

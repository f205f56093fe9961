"""The regression on past ranges against its own recursion, whose means have a closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.base.errors import InputError
from models.base.types import FloatArray
from models.base.units import DAY_MS, HOUR_MS
from models.base.windows import WEEK_HOURS
from models.scenarios.filtered import FilteredHistory, FittedFilter, Residuals
from models.scenarios.har import HarVolatility, fit_har_volatility
from models.scenarios.paths import CHUNK, CoinHistory
from models.scenarios.volatility import CoinVolatility
from tests.test_models.scenarios.histories import COINS, START_MS, garch_history

HOURS = np.arange(WEEK_HOURS)
CLOCK = -1.2 + 0.3 * np.sin(2 * np.pi * HOURS / 24) - 0.2 * (HOURS // 24 == 3)
SPREAD = 0.35  # of log ranges given the past


def known(slope: float, keep: float, clock: FloatArray, coins: int = 3) -> HarVolatility:
    """Return a volatility of one EWMA, for coins that are all alike."""
    return HarVolatility(
        keep=np.array([keep]), slope=np.full((coins, 1), slope),
        clock=np.repeat(clock[:, None], coins, axis=1), start=np.full((coins, 1), -5.0),
        least=np.full(coins, -30.0), most=np.full(coins, np.inf), candle_ms=HOUR_MS,
    )  # fmt: skip


def candle(
    width: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return close, low and high of candles so wide."""
    down, at = rng.random((2, *width.shape))
    low = -down * width
    return low + at * width, low, low + width


def har_history(rows: int, slope: float = 0.8, keep: float = 0.9, seed: int = 0) -> CoinHistory:
    """Return hours whose log ranges follow one EWMA and the clock."""
    rng = np.random.default_rng(seed)
    time_ms = START_MS + HOUR_MS * np.arange(rows)
    clock, noise = CLOCK[time_ms // HOUR_MS % WEEK_HOURS], SPREAD * rng.standard_normal((rows, 3))
    x, log_range = np.full(3, -5.0), np.empty((rows, 3))
    for t in range(rows):
        log_range[t] = clock[t] + slope * x + noise[t]
        x = keep * x + (1 - keep) * log_range[t]
    close, low, high = candle(np.exp(log_range), rng)
    return CoinHistory(
        coins=COINS, candle_ms=HOUR_MS, time_ms=time_ms, close=close, low=low, high=high,
        funding=np.zeros((rows, 3)),
    )  # fmt: skip


def of_pool(volatility: HarVolatility | CoinVolatility, rows: int = 5_000) -> FittedFilter:
    """Return an engine with a known volatility and a pool of rows, drawn one by one."""
    fitted = FilteredHistory().fit(garch_history(1_000))
    rng = np.random.default_rng(1)
    z = candle(np.exp(SPREAD * rng.standard_normal((rows, 3))), rng)
    return replace(
        fitted, volatility=volatility, mean_block=1.0,
        residuals=Residuals(close=z[0], low=z[1], high=z[2]),
        funding=replace(fitted.funding, rate=np.zeros((rows, 3))),
    )  # fmt: skip


def test_paths_when_coefficients_are_constant_then_they_are_those_of_plain_filtered_history() -> (
    None
):
    flat = known(0.0, 0.9, np.full(WEEK_HOURS, np.log(0.01)))
    still = CoinVolatility(
        omega=np.full(3, 1e-4), alpha=np.zeros(3), beta=np.zeros(3), start=np.full(3, 1e-4),
        most=np.full(3, np.inf),
    )  # fmt: skip
    (ours,), (plain,) = (
        of_pool(v).given(garch_history(1_000)).draw(CHUNK, 60, 4) for v in (flat, still)
    )
    for name in ("close", "low", "high"):
        np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=1e-9)


def test_paths_when_long_then_log_ranges_have_the_mean_and_variance_of_their_recursion() -> None:
    """x moves as an autoregression of order one, phi = keep + (1 - keep) slope."""
    slope, keep, level = 0.6, 0.8, -2.0
    engine = of_pool(known(slope, keep, np.full(WEEK_HOURS, level)))
    e = np.log(engine.residuals.high - engine.residuals.low)  # (R, A)
    (block,) = engine.given(garch_history(1_000)).draw(CHUNK, 300, 2)
    y = np.log(block.high - block.low)[:, 150:]  # (P, T, A), the start forgotten
    mean = (level + e.mean(axis=0)) / (1 - slope)
    per_path = y.mean(axis=1)
    error = per_path.std(axis=0) / np.sqrt(CHUNK)
    assert (np.abs(per_path.mean(axis=0) - mean) < 4 * error).all()
    phi = keep + (1 - keep) * slope
    of_x = (1 - keep) ** 2 * e.var(axis=0) / (1 - phi**2)
    squares = ((y - mean) ** 2).mean(axis=1)
    error = squares.std(axis=0) / np.sqrt(CHUNK)
    variance = slope**2 * of_x + e.var(axis=0)
    assert (np.abs(squares.mean(axis=0) - variance) < 4 * error).all()
    assert (slope**2 * of_x > 10 * error).all()  # the test can tell


def test_paths_when_the_clock_goes_round_then_each_hour_has_its_mean_from_where_it_began() -> None:
    slope, keep = 0.8, 0.9
    engine, h = of_pool(known(slope, keep, CLOCK)), har_history(1_000)
    e = np.log(engine.residuals.high - engine.residuals.low).mean(axis=0)
    (block,) = engine.given(h).draw(CHUNK, 200, 2)
    y = np.log(block.high - block.low)  # (P, T, A)
    x, means = engine.volatility.newest(h)[:3], []
    opens = h.time_ms[-1] + HOUR_MS * np.arange(1, 201)
    for t in range(200):
        means.append(CLOCK[opens[t] // HOUR_MS % WEEK_HOURS] + slope * x + e)
        x = keep * x + (1 - keep) * means[-1]
    error = y.std(axis=0) / np.sqrt(CHUNK)
    assert (np.abs(y.mean(axis=0) - np.array(means)) < 5 * error).all()
    assert np.ptp(np.array(means[-24:]), axis=0).min() > 20 * error.max()  # a day has hours


def test_fit_when_the_history_has_a_known_clock_and_memory_then_both_are_found() -> None:
    h = har_history(20_000)
    fitted = fit_har_volatility(h)
    true = known(0.8, 0.9, CLOCK)
    assert fitted.notes == ()
    theirs = 0.5 * np.log(true.variances(h)[500:])
    ours = 0.5 * np.log(fitted.variances(h)[500:])
    level = (ours - theirs).mean(axis=0)  # ours is of closes, theirs of ranges
    np.testing.assert_allclose(ours - level, theirs, atol=0.08)
    found = fitted.clock - fitted.clock.mean(axis=0)
    error = SPREAD * np.sqrt((24 + 7) / 20_000)  # an hour has a row of 24, a weekday one of 7
    assert (np.abs(found - (CLOCK - CLOCK.mean())[:, None]) < 4.5 * error).all()
    assert np.ptp(CLOCK) > 40 * error
    assert (fitted.roots() < 1).all()
    of_square = (h.close**2 / fitted.variances(h)[:-1]).mean(axis=0)
    np.testing.assert_allclose(of_square, 1)


def test_state_when_it_moves_on_row_by_row_then_it_is_that_of_the_whole_history() -> None:
    h = har_history(2_000)
    fitted = fit_har_volatility(h)
    whole = fitted.variances(h)
    first = fitted.newest(h.only(np.arange(2_000) < 100))
    state = np.array([first, first])
    for t in range(100, 400):
        np.testing.assert_allclose(fitted.level(state)[1], whole[t], rtol=1e-9)
        state = fitted.after(state, *(getattr(h, n)[[t, t]] for n in ("close", "low", "high")))
    np.testing.assert_allclose(state[0], fitted.newest(h.only(np.arange(2_000) < 400)), rtol=1e-9)
    for _ in range(50):
        state = fitted.after(state, np.full((2, 3), -50.0), np.full((2, 3), -50.0), np.ones((2, 3)))
    assert (fitted.level(state) == fitted.most).all()


def test_fit_when_candles_are_of_minutes_or_of_days_then_spans_keep_their_time() -> None:
    h = har_history(2_000)
    spans = {}
    for name, candle_ms in (("5m", HOUR_MS // 12), ("1d", DAY_MS)):
        other = replace(h, candle_ms=candle_ms, time_ms=START_MS + candle_ms * np.arange(2_000))
        fitted = fit_har_volatility(other)
        assert np.isfinite(fitted.variances(other)).all()
        spans[name] = (-1 / np.log(fitted.keep)).round(6).tolist()
    assert spans == {"5m": [12, 72, 288, 2016, 8640], "1d": [1, 7, 30]}


def test_fit_when_ranges_only_ever_grow_then_a_coin_has_an_ewma_and_that_is_said() -> None:
    h = har_history(2_000)
    growth = np.ones((2_000, 3))
    growth[:, 1] = np.exp(np.linspace(0, 8, 2_000) ** 1.5 / 8)
    wild = replace(h, close=h.close * growth, low=h.low * growth, high=h.high * growth)
    fitted = fit_har_volatility(wild)
    (note,) = fitted.notes
    assert note.startswith("ETH/USDT:USDT: log ranges are not stationary (root 1.0")
    assert note.endswith("; their EWMA of a day instead")
    assert fitted.slope[1].tolist() == [0, 0, 1, 0, 0]
    assert np.ptp(fitted.clock[:, 1]) == 0
    np.testing.assert_allclose(fitted.slope[[0, 2]], fit_har_volatility(h).slope[[0, 2]])
    np.testing.assert_allclose((wild.close**2 / fitted.variances(wild)[:-1]).mean(axis=0), 1)


def test_fit_when_candles_did_not_trade_then_a_range_is_never_nothing() -> None:
    h = har_history(2_000)
    silent = (np.arange(2_000) % 50 == 0)[:, None]
    gone = replace(h, **{n: np.where(silent, 0.0, getattr(h, n)) for n in ("close", "low", "high")})
    fitted = fit_har_volatility(gone)
    np.testing.assert_allclose(
        np.exp(fitted.least), 0.01 * np.median(h.high - h.low, axis=0), rtol=0.1
    )
    assert np.isfinite(fitted.variances(gone)).all()


def test_fit_when_rows_are_few_or_a_price_never_moves_then_it_is_refused() -> None:
    h = har_history(600)
    with pytest.raises(InputError, match="at least 500 rows in which every coin moves, got 400"):
        fit_har_volatility(h.only(np.arange(600) < 400))
    still = {
        n: np.where([False, True, False], 0.0, getattr(h, n)) for n in ("close", "low", "high")
    }
    with pytest.raises(InputError, match="ETH/USDT:USDT never move"):
        fit_har_volatility(replace(h, **still))

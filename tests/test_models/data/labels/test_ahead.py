"""What the next candle brings: known one candle later, and nothing of it earlier."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import columns
from models.base.errors import InputError
from models.base.types import Candles
from models.base.units import HOUR_MS
from models.data.labels.ahead import ahead_funding, ahead_prices

ROWS = 40


def market(seed: int = 0) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * rng.normal(size=ROWS)))
    open_ = close * np.exp(0.002 * rng.normal(size=ROWS))
    spread = np.exp(0.005 * rng.random(size=ROWS))
    return Candles(
        time_ms=HOUR_MS * np.arange(ROWS), open=open_, close=close, volume=np.ones(ROWS),
        high=np.maximum(open_, close) * spread, low=np.minimum(open_, close) / spread,
    )  # fmt: skip


def test_prices_ahead_when_worked_back_then_they_are_the_next_candles() -> None:
    candles = market()
    out = ahead_prices(candles)
    for name, price in zip(
        columns.AHEAD_PRICES, (candles.open, candles.high, candles.low, candles.close), strict=True
    ):
        np.testing.assert_allclose(candles.close[:-1] * np.exp(out[name][:-1]), price[1:])
        assert np.isnan(out[name][-1])


@given(t=st.integers(0, ROWS - 3), later=st.integers(2, 9))
def test_prices_ahead_when_later_candles_change_then_no_row_before_does(t: int, later: int) -> None:
    candles, row = market(), min(t + later, ROWS - 1)
    other = {name: getattr(candles, name).copy() for name in ("open", "high", "low", "close")}
    for values in other.values():
        values[row:] *= 1.3
    changed = ahead_prices(dataclasses.replace(candles, **other))
    for name, values in ahead_prices(candles).items():
        np.testing.assert_array_equal(changed[name][: t + 1], values[: t + 1])
        assert changed[name][row - 1] != values[row - 1]


def test_funding_ahead_when_paid_every_eight_hours_then_it_stands_on_the_candle_before() -> None:
    candles = market()
    paid = HOUR_MS * np.array([8, 16, 24])
    rate, mark = np.array([0.0001, -0.0002, 0.0003]), np.array([101.0, 102.0, 103.0])
    out = ahead_funding(candles, HOUR_MS, paid, rate, mark)
    np.testing.assert_allclose(out[[7, 15, 23]], rate * mark / candles.close[[7, 15, 23]])
    assert np.isnan(out[:7]).all()
    assert np.isnan(out[24:]).all()
    rest = np.delete(out[7:24], [0, 8, 16])
    assert (rest == 0).all()


def test_funding_ahead_when_paid_at_the_first_and_last_open_then_those_count() -> None:
    candles = market()
    paid = HOUR_MS * np.array([0, 1, ROWS, ROWS + 1])  # the candles open at 0, their next ones at 1
    rate = np.array([0.7, 0.0001, -0.0002, 0.9])
    out = ahead_funding(candles, HOUR_MS, paid, rate, candles.close[[0, 0, -1, -1]])
    np.testing.assert_allclose(out[[0, -1]], [0.0001, -0.0002])
    assert (out[1:-1] == 0).all()


def test_funding_ahead_when_nothing_is_known_then_it_is_unknown() -> None:
    none = np.array([])
    assert np.isnan(ahead_funding(market(), HOUR_MS, none.astype(int), none, none)).all()


@pytest.mark.parametrize(
    ("paid", "said"),
    [([HOUR_MS * 8 + 1], "opens of candles"), ([HOUR_MS * 9, HOUR_MS * 8], "in order"),
     ([HOUR_MS * 8, HOUR_MS * 8], "in order"),
     ([HOUR_MS * 8, HOUR_MS * 8 + 1], "opens of candles")],
)  # fmt: skip
def test_funding_ahead_when_its_times_fit_no_candle_then_it_is_refused(
    paid: list[int], said: str
) -> None:
    ones = np.ones(len(paid))
    with pytest.raises(InputError, match=said):
        ahead_funding(market(), HOUR_MS, np.array(paid), ones, ones)

"""Freqtrade's trades and frames as the records the guards read, checked by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import columns
from models.base.errors import InputError
from models.trade.account.tiers import MarginTier, MarginTiers
from models.trade.risk.snapshot import Exposure
from strategies.account.snapshot import (
    books_of,
    candle_market,
    exposure_of,
    model_health,
    pending_of,
)

price = st.floats(0.1, 1e5)
TIER = MarginTier(
    floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.01, maintenance_amount_quote=0,
    max_leverage=50,
)  # fmt: skip
TIERS = {pair: MarginTiers(pair, (TIER,)) for pair in ("BTC", "LTC")}


def trade(pair: str, amount: float, open_rate: float, is_short: bool = False, *orders: Any) -> Any:
    return SimpleNamespace(
        pair=pair, amount=amount, open_rate=open_rate, is_short=is_short, open_orders=list(orders),
        entry_side="sell" if is_short else "buy",
    )  # fmt: skip


def order(side: str, left: float) -> Any:
    return SimpleNamespace(ft_order_side=side, safe_remaining=left)


def account(wallet: float, trades: list[Any], prices: dict[str, float]) -> Exposure:
    return exposure_of(wallet, trades, prices, TIERS)


def test_account_when_worked_by_hand_then_profit_and_exposure_have_their_signs() -> None:
    trades = [trade("BTC", 2.0, 100.0), trade("LTC", 5.0, 40.0, True)]
    seen = account(1000.0, trades, {"BTC": 110.0, "LTC": 44.0})
    assert seen.equity_quote == 1000.0 + 2 * 10.0 - 5 * 4.0
    assert seen.gross_notional_quote == 220.0 + 220.0
    assert seen.net_notional_quote == 0.0
    assert seen.account.margin_ratio(seen.marks) == pytest.approx(0.01 * 440 / 1000)
    assert not seen.isolated
    assert exposure_of(1.0, [], {}, {}, isolated=True).isolated


def test_account_when_entries_are_on_their_way_then_they_count_as_exposure_and_exits_do_not() -> (
    None
):
    trades = [
        trade("BTC", 2.0, 100.0, False, order("buy", 1.5), order("sell", 2.0)),
        trade("LTC", 0.0, 40.0, True, order("sell", 3.0)),  # nothing filled yet
    ]
    seen = account(1000.0, trades, {"BTC": 110.0, "LTC": 44.0})
    assert (seen.pending_long_quote, seen.pending_short_quote) == (165.0, 132.0)
    assert seen.gross_notional_quote == 220.0 + 165.0 + 132.0
    assert pending_of(trades) == {"BTC": 3.5, "LTC": 3.0}
    assert books_of(trades).positions == {"BTC": 2.0, "LTC": 0.0}
    assert books_of([trade("LTC", 2.0, 1.0, True)]).positions == {"LTC": -2.0}


def test_account_when_a_pair_has_two_trades_of_a_side_then_they_are_one_position() -> None:
    trades = [trade("BTC", 1.0, 100.0), trade("BTC", 3.0, 120.0)]
    seen = account(1000.0, trades, {"BTC": 110.0})
    (held,) = seen.account.positions
    assert (held.amount_base, held.entry_price) == (4.0, 115.0)
    assert seen.equity_quote == 1000.0 + 10.0 - 30.0
    with pytest.raises(InputError, match="trades of one side in BTC"):
        account(1.0, [trade("BTC", 1.0, 1.0), trade("BTC", 2.0, 1.0, True)], {"BTC": 1.0})


def test_account_when_nothing_is_open_then_equity_is_the_wallet() -> None:
    seen = account(1000.0, [], {})
    assert (seen.equity_quote, seen.gross_notional_quote, seen.net_notional_quote) == (
        1000.0, 0.0, 0.0,
    )  # fmt: skip


def test_account_when_a_leg_has_no_price_or_tiers_then_it_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no price for the open position in LTC"):
        account(1000.0, [trade("BTC", 1, 1), trade("LTC", 1, 1)], {"BTC": 1.0})
    with pytest.raises(InputError, match="no margin tiers for"):
        account(1000.0, [trade("XRP", 1, 1)], {"XRP": 1.0})


@given(amount=st.floats(0.01, 1e3), opened=price, now=price, wallet=st.floats(0, 1e6))
def test_account_when_price_moves_then_equity_moves_by_the_amount(
    amount: float, opened: float, now: float, wallet: float
) -> None:
    for short in (False, True):
        seen = account(wallet, [trade("BTC", amount, opened, short)], {"BTC": now})
        gain = (opened - now if short else now - opened) * amount
        assert seen.equity_quote == pytest.approx(
            wallet + gain, abs=1e-9 * (wallet + amount * (opened + now))
        )


# -- frames ---------------------------------------------------------------------------------------

OPENED = datetime(2024, 1, 1, tzinfo=UTC)


def frame(rows: int = 6, **changes: Any) -> pd.DataFrame:
    base = dict.fromkeys(columns.FORECAST, 0.0) | {columns.SIGMA: 0.02}
    data = {"date": pd.date_range(OPENED, periods=rows, freq="1h"), "close": 100.0,
            "volume": 3.0, "do_predict": 1, **base}  # fmt: skip
    return pd.DataFrame({**data, **changes})


def test_volume_when_candles_are_longer_or_shorter_than_an_hour_then_it_is_that_of_an_hour() -> (
    None
):
    now = OPENED + timedelta(hours=6, seconds=7)
    hourly = candle_market(frame(), now, 3600.0)
    assert (hourly.volume_1h_quote, hourly.candle_age_s, hourly.candle_s) == (300.0, 7.0, 3600.0)
    assert candle_market(frame(volume=[9, 9, 1, 2, 3, 4]), now, 1200.0).volume_1h_quote == 900.0
    assert candle_market(frame(), now, 4 * 3600.0).volume_1h_quote == 75.0
    assert hourly.mark is None
    assert hourly.price_age_s is None


def health(of: pd.DataFrame, side: int = 1, **more: Any) -> Any:
    return model_health(of, side, horizon_candles=2, candle_s=3600.0, **more)


def test_health_when_the_frame_is_sound_then_it_says_what_its_columns_say() -> None:
    cascades = {columns.FALSE_ALARMS_DOWN: 0.1, columns.FALSE_ALARMS_UP: 0.2}
    of = frame(**cascades, **{columns.NOVELTY: [9.0, math.nan, 0.1, 0.2, 0.3, 5.0]})
    long = health(of, latency_ms=12.0, without=["hazard"])
    assert (long.vouched, long.abstains, long.false_alarms) == (True, False, 0.1)
    assert health(of, -1).false_alarms == 0.2
    assert long.sigma_day == pytest.approx(0.02 / math.sqrt(2) * math.sqrt(24))
    assert (long.latency_ms, long.without) == (12.0, ("hazard",))
    assert long.novelty == 0.3  # the median of those that are known
    assert health(frame(30, **{columns.NOVELTY: [9.0] * 6 + [0.5] * 24})).novelty == 0.5
    assert health(frame(**{columns.NOVELTY: math.nan})).novelty is None


@pytest.mark.parametrize("value", [0, 2, math.nan])
def test_health_when_freqai_does_not_vouch_then_neither_does_it(value: float) -> None:
    assert health(frame(do_predict=value)).vouched is False
    assert health(frame(**{columns.ABSTAIN: math.nan})).abstains is True
    assert health(frame(**{columns.ABSTAIN: 1.0})).abstains is True


def test_coverage_when_counted_by_hand_then_only_known_outcomes_of_real_forecasts_count() -> None:
    close = np.exp([0.0, 0.0, 0.01, 0.03, 0.01, 0.0])
    ends = {columns.RETURN_LOW: -0.015, columns.RETURN_HIGH: 0.02}
    # Returns over two candles from rows 0 to 3: 0.01 in, 0.03 out, 0.00 in, -0.03 out.
    seen = health(frame(close=close, **ends))
    assert (seen.outcomes, seen.coverage) == (4, 0.5)
    skipped = health(frame(close=close, do_predict=[1, 0, 1, 1, 1, 1], **ends))
    assert (skipped.outcomes, skipped.coverage) == (3, pytest.approx(2 / 3))
    low = {**ends, columns.RETURN_LOW: [math.nan, *[-0.015] * 5]}
    assert health(frame(close=close, **low)).outcomes == 3
    assert health(frame(2)).outcomes == 0
    assert health(frame(2)).coverage is None
    # What comes after the last row of the horizon changes nothing before it.
    close[-1] = 50.0
    assert health(frame(close=close, **ends)).outcomes == 4

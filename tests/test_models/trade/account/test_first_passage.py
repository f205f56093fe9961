"""Liquidation shares: by hand, by brute force, and monotone in leverage and time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import InputError
from models.base.types import Candles
from models.trade.account.first_passage import LiquidationRow, liquidation_ratio, liquidation_table
from models.trade.account.tiers import MarginTier, MarginTiers

TIER = MarginTier(
    floor_quote=0, cap_quote=1e9, maintenance_rate_frac=0.01, maintenance_amount_quote=0,
    max_leverage=50,
)  # fmt: skip
TIERS = MarginTiers("X", (TIER,))
HOUR = 3_600_000


def market(close: list[float], low: list[float], high: list[float]) -> Candles:
    ones = np.ones(len(close))
    return Candles(
        time_ms=HOUR * np.arange(len(close), dtype=np.int64), open=np.array(close),
        high=np.array(high), low=np.array(low), close=np.array(close), volume=ones,
    )  # fmt: skip


def walk(seed: int, rows: int = 300) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.02 * rng.standard_normal(rows)))
    reach = 1 + 0.02 * rng.random((2, rows))
    return market(list(close), list(close / reach[0]), list(close * reach[1]))


def table(c: Candles, hours: int, leverage: float) -> dict[int, LiquidationRow]:
    rows = liquidation_table(c, HOUR, TIERS, leverages=[leverage], holds_ms=[hours * HOUR])
    return {row.side: row for row in rows}


def test_share_when_counted_by_hand_then_a_wick_is_enough_and_the_entrys_own_candle_is_not() -> (
    None
):
    # 10x, maintenance 1 %: a long from 100 is liquidated at 90 / 0.99 = 90.91.
    c = market([100.0] * 5, low=[50.0, 99.0, 90.9, 99.0, 99.0], high=[100.0] * 5)
    one = table(c, 1, 10.0)[1]
    assert (one.share, one.entries, one.independent) == (0.25, 4, 4)  # only the entry before it
    two = table(c, 2, 10.0)[1]
    assert (two.share, two.entries, two.independent) == (pytest.approx(2 / 3), 3, 2)
    above = market([100.0] * 5, low=[100.0, 99.0, 90.92, 99.0, 99.0], high=[100.0] * 5)
    assert table(above, 2, 10.0)[1].share == 0.0
    # A short from 100 at 110 / 1.01 = 108.91.
    up = market([100.0] * 3, low=[100.0] * 3, high=[100.0, 108.92, 100.0])
    assert (table(up, 1, 10.0)[-1].share, table(up, 1, 10.0)[1].share) == (0.5, 0.0)


def test_share_when_the_price_is_touched_exactly_then_it_is_liquidated() -> None:
    low, high = (100.0 * liquidation_ratio(TIERS, 10.0, side, 1e4) for side in (1, -1))
    c = market([100.0] * 3, low=[100.0, low, 100.0], high=[100.0, high, 100.0])
    assert [row.share for row in table(c, 1, 10.0).values()] == [0.5, 0.5]


def test_table_when_left_to_its_defaults_then_these_leverages_times_and_size_are_counted() -> None:
    # Beyond 12,000 the margin is half the rest: 15,000 at 20x would be liquidated where opened.
    steep = MarginTier(
        floor_quote=12_000, cap_quote=1e9, maintenance_rate_frac=0.5,
        maintenance_amount_quote=5_880, max_leverage=1,
    )  # fmt: skip
    tiers = MarginTiers("X", (dataclasses.replace(TIER, cap_quote=12_000), steep))
    rows = liquidation_table(walk(0), HOUR, tiers)
    assert [(r.side, r.hold_ms // HOUR, r.leverage) for r in rows] == [
        (side, hours, leverage)
        for side in (1, -1) for hours in (24, 168) for leverage in (2.0, 3.0, 5.0, 10.0, 20.0)
    ]  # fmt: skip


@pytest.mark.parametrize("hours", [1, 2, 3, 7, 24, 100])
def test_share_when_counted_one_entry_at_a_time_then_it_is_the_same(hours: int) -> None:
    c = walk(hours)
    for leverage in (3.0, 10.0):
        rows = table(c, hours, leverage)
        for side in (1, -1):
            ratio = liquidation_ratio(TIERS, leverage, side, 1e4)
            hits = [
                any(
                    c.low[j] <= c.close[i] * ratio if side > 0 else c.high[j] >= c.close[i] * ratio
                    for j in range(i + 1, i + 1 + hours)
                )
                for i in range(len(c) - hours)
            ]
            assert rows[side].entries == len(hits)
            assert rows[side].share == pytest.approx(np.mean(hits))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), hours=st.integers(1, 50))
def test_share_when_leverage_or_time_grows_then_it_never_falls(seed: int, hours: int) -> None:
    c = walk(seed)
    rows = liquidation_table(c, HOUR, TIERS, holds_ms=[hours * HOUR])
    for side in (1, -1):
        shares = [r.share for r in rows if r.side == side]
        assert shares == sorted(shares)
    # Over the entries both holding times have, longer can only be worse.
    longer, shorter = table(c, hours + 1, 10.0), table(c, hours, 10.0)
    for side in (1, -1):
        hits = shorter[side].share * shorter[side].entries
        assert longer[side].share * longer[side].entries >= hits - 1 - 1e-9


def test_ratio_when_the_leverage_is_low_then_a_long_is_never_liquidated() -> None:
    assert liquidation_ratio(TIERS, 1.0, 1, 1e4) == 0.0
    assert liquidation_ratio(TIERS, 1.0, -1, 1e4) == pytest.approx(2 / 1.01)
    with pytest.raises(InputError, match="liquidated where it is opened"):
        liquidation_ratio(TIERS, 120.0, 1, 1e4)
    for wrong in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="leverage and notional > 0"):
            liquidation_ratio(TIERS, wrong, 1, 1e4)
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="leverage and notional > 0"):
            liquidation_ratio(TIERS, 10.0, 1, wrong)
    assert liquidation_ratio(TIERS, 10.0, 1, 0.5) == pytest.approx(0.9 / 0.99)
    assert liquidation_ratio(TIERS, 0.5, -1, 1e4) == pytest.approx(3 / 1.01)


def test_table_when_the_history_is_too_short_then_there_is_no_share_and_no_error() -> None:
    row = table(walk(0, rows=5), 24, 10.0)[1]
    assert math.isnan(row.share)
    assert (row.entries, row.independent) == (0, 0)
    with pytest.raises(InputError, match="at least one candle"):
        liquidation_table(walk(0), HOUR, TIERS, holds_ms=[HOUR - 1])

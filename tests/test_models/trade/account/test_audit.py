"""The replay charges what the exchange would, and sees the worst of every candle."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base.errors import AlignmentError, InputError
from models.trade.account.audit import (
    AccountAudit,
    Fill,
    MarketPath,
    account_drawdown,
    audit_account,
)
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.ledger import net
from models.trade.account.tiers import MarginTier, MarginTiers

STEP = 60_000


def one_tier(pair: str, rate: float = 0.01) -> MarginTiers:
    tier = MarginTier(
        floor_quote=0, cap_quote=1e9, maintenance_rate_frac=rate, maintenance_amount_quote=0,
        max_leverage=50,
    )  # fmt: skip
    return MarginTiers(pair, (tier,))


# 1 % up to 1,000, then 2 % less 1,000 * (0.02 - 0.01) = 10.
TWO_TIERS = tuple(
    MarginTier(floor_quote=low, cap_quote=high, maintenance_rate_frac=rate,
               maintenance_amount_quote=amount, max_leverage=20)
    for low, high, rate, amount in ((0, 1_000, 0.01, 0), (1_000, 1e9, 0.02, 10))
)  # fmt: skip
OHLC = ("open", "high", "low", "close")
TIERS = {p: one_tier(p) for p in ("A", "B", "C")}


def path(
    *candles: tuple[float, float, float, float], pair: str = "A",
    funding: dict[int, float] | None = None,
) -> MarketPath:  # fmt: skip
    """Candles as (open, high, low, close); funding by row."""
    rows = np.array(candles, dtype=np.float64)
    rate = np.full(len(rows), np.nan)
    for row, value in (funding or {}).items():
        rate[row] = value
    return MarketPath(
        pair=pair, time_ms=STEP * np.arange(len(rows), dtype=np.int64), open=rows[:, 0],
        high=rows[:, 1], low=rows[:, 2], close=rows[:, 3], funding_rate=rate,
    )  # fmt: skip


def still(n: int, price: float = 100.0, pair: str = "A", **kwargs: Any) -> MarketPath:
    return path(*[(price, price, price, price)] * n, pair=pair, **kwargs)


def fill(candle: float, amount: float, price: float, fee: float = 0.0, pair: str = "A") -> Fill:
    """A fill `candle` candles after the start; 1.5 is in the middle of the second."""
    return Fill(
        time_ms=int(candle * STEP), pair=pair, amount_base=amount, price_quote=price, fee_quote=fee
    )


def audit(
    fills: Sequence[Fill], *markets: MarketPath, wallet: float = 1_000.0, **kwargs: Any
) -> AccountAudit:
    return audit_account(
        fills, {m.pair: m for m in markets}, wallet_quote=wallet,
        **{"tiers": TIERS, **kwargs},
    )  # fmt: skip


# -- Money ----------------------------------------------------------------------------------------


def test_audit_when_a_long_is_held_two_candles_then_every_number_is_as_by_hand() -> None:
    market = path((100, 104, 95, 102), (102, 110, 101, 108), (108, 109, 90, 95))
    a = audit([fill(0, 10, 100, 1.0), fill(2, -10, 108, 1.1)], market)
    # Wallet: -1 at entry; then + 10 * 8 - 1.1.
    np.testing.assert_allclose(a.wallet, [999, 999, 1_077.9])
    # 999 + 10 * (102 - 100), 999 + 10 * 8, flat
    np.testing.assert_allclose(a.equity_close, [1_019, 1_079, 1_077.9])
    # 999 + 10 * (95 - 100), 999 + 10 * (101 - 100); closed at the open of the third
    np.testing.assert_allclose(a.equity_worst, [949, 1_009, 1_077.9])
    np.testing.assert_allclose(a.maintenance_worst, [9.5, 10.1, 0])  # 1 % of 950, of 1,010
    np.testing.assert_allclose(a.margin_ratio_worst, [9.5 / 949, 10.1 / 1_009, 0])
    np.testing.assert_allclose(a.margin_ratio_close, [10.2 / 1_019, 10.8 / 1_079, 0])
    np.testing.assert_allclose(a.gross_notional, [1_020, 1_080, 0])
    # 1,019 - 1,020 x = 10.2 (1 - x); 1,079 - 1,080 x = 10.8 (1 - x)
    expected = [1_008.8 / 1_009.8, 1_068.2 / 1_069.2, np.nan]
    np.testing.assert_allclose(a.distance_to_liquidation_frac, expected)
    assert (a.fees_quote, a.realised_quote) == (pytest.approx(2.1), pytest.approx(80))
    assert (a.liquidated_at_ms, a.ignored_fills) == (None, 0)
    assert a.reconcile(1_077.9) == pytest.approx(0, abs=1e-9)
    assert a.reconcile(1_078.9) == pytest.approx(-1.0)


ROUGH = (100, 104, 95, 102), (102, 112, 101, 110), (110, 111, 98, 104)


def test_audit_when_a_long_pays_everything_and_leaves_in_parts_then_it_is_as_by_hand() -> None:
    # Buy 10 at 100; 4 sold at 110 at the open of the third candle, 6 at 105 inside it.
    fills = [fill(0, 10, 100, 1.0), fill(2, -4, 110, 0.44), fill(2.5, -6, 105, 0.63)]
    a = audit(fills, path(*ROUGH, funding={1: 0.002}), slippage_frac=0.001)
    assert a.fees_quote == pytest.approx(2.07)  # 1 + 0.44 + 0.63
    assert a.slippage_quote == pytest.approx(2.07)  # 0.1 % of 1,000 + 440 + 630
    assert a.funding_quote == pytest.approx(-2.04)  # 10 * 102 * 0.002, paid
    assert a.realised_quote == pytest.approx(70)  # 4 * 10 + 6 * 5
    # 1,000 - 1 - 1; less 2.04; 995.96 + 40 - 0.88 = 1,035.08, + 30 - 1.26
    np.testing.assert_allclose(a.wallet, [998, 995.96, 1_063.82])
    # 998 + 10 * 2; 995.96 + 10 * 10; flat
    np.testing.assert_allclose(a.equity_close, [1_018, 1_095.96, 1_063.82])
    # 998 + 10 * (95 - 100); 995.96 + 10 * (101 - 100); the 6 left meet the low: 1,035.08 - 12
    np.testing.assert_allclose(a.equity_worst, [948, 1_005.96, 1_023.08])
    np.testing.assert_allclose(a.maintenance_worst, [9.5, 10.1, 5.88])  # 1 % of 950, 1,010, 588
    np.testing.assert_allclose(a.gross_notional, [1_020, 1_100, 0])
    # The engine's wallet knows no slippage: 1,000 + 70 - 2.07 - 2.04 = 1,065.89.
    assert a.reconcile(1_065.89) == pytest.approx(0, abs=1e-9)
    assert a.reconcile(1_065.89 + 2.04) == pytest.approx(-2.04)  # control: funding forgotten
    assert a.reconcile(1_065.89 + 2.07) == pytest.approx(-2.07)  # control: fees forgotten


def test_audit_when_a_short_loses_then_it_is_paid_funding_and_meets_the_highs() -> None:
    fills = [fill(0, -10, 100, 1.0), fill(2, 10, 110, 1.1)]
    a = audit(fills, path(*ROUGH, funding={1: 0.002}))
    assert a.funding_quote == pytest.approx(2.04)  # 10 * 102 * 0.002, received
    assert a.realised_quote == pytest.approx(-100)  # 10 * (100 - 110)
    np.testing.assert_allclose(a.wallet, [999, 1_001.04, 899.94])  # + 2.04; - 100 - 1.1
    # 999 - 10 * 2; 1,001.04 - 10 * 10; flat
    np.testing.assert_allclose(a.equity_close, [979, 901.04, 899.94])
    # 999 - 10 * (104 - 100); 1,001.04 - 10 * (112 - 100); bought back at the open
    np.testing.assert_allclose(a.equity_worst, [959, 881.04, 899.94])
    np.testing.assert_allclose(a.maintenance_worst, [10.4, 11.2, 0])
    # 979 - 1,020 x = 10.2 (1 + x); 901.04 - 1,100 x = 11 (1 + x)
    expected = [968.8 / 1_030.2, 890.04 / 1_111, np.nan]
    np.testing.assert_allclose(a.distance_to_liquidation_frac, expected)


def test_audit_when_flat_then_equity_is_the_wallet_and_nothing_is_near() -> None:
    a = audit([], still(3))
    for values in (a.wallet, a.equity_close, a.equity_worst):
        np.testing.assert_array_equal(values, [1_000] * 3)
    assert np.isnan(a.distance_to_liquidation_frac).all()
    summary = a.summary()
    assert summary["min_distance_frac"] is None
    assert (summary["max_margin_ratio"], summary["max_drawdown_worst_frac"]) == (0, 0)


def test_funding_when_positive_then_longs_pay_and_shorts_receive() -> None:
    market = still(3, funding={1: 0.001})
    # 10 * 100 * 0.001 = 1
    assert audit([fill(0, 10, 100)], market).funding_quote == pytest.approx(-1)
    assert audit([fill(0, -10, 100)], market).funding_quote == pytest.approx(1)
    negative = still(3, funding={1: -0.001})
    assert audit([fill(0, 10, 100)], negative).funding_quote == pytest.approx(1)
    np.testing.assert_allclose(audit([fill(0, 10, 100)], market).wallet, [1_000, 999, 999])


def test_funding_when_due_then_the_mark_open_counts_not_the_entry() -> None:
    market = path((100, 120, 100, 120), (120, 120, 120, 120), funding={1: 0.001})
    assert audit([fill(0, 10, 100)], market).funding_quote == pytest.approx(-1.2)  # 10 * 120 * .001


def test_funding_when_a_fill_is_at_the_same_instant_then_those_who_held_before_pay() -> None:
    market = still(3, funding={1: 0.001})
    assert audit([fill(1, 10, 100)], market).funding_quote == 0  # opened then: not yet
    closed = audit([fill(0, 10, 100), fill(1, -10, 100)], market)
    assert closed.funding_quote == pytest.approx(-1)  # closed then: still pays


def test_slippage_when_charged_then_kept_apart_from_fees_and_the_reconciliation() -> None:
    a = audit([fill(0, 10, 100, 1.0), fill(1, -10, 110, 1.0)], path(
        (100, 110, 100, 110), (110, 110, 110, 110)), slippage_frac=0.001)  # fmt: skip
    assert a.slippage_quote == pytest.approx(2.1)  # (1,000 + 1,100) * 0.001
    assert a.fees_quote == pytest.approx(2)
    assert a.wallet[-1] == pytest.approx(1_000 + 100 - 2 - 2.1)
    assert a.reconcile(1_098) == pytest.approx(0, abs=1e-9)  # the engine knows no slippage


def test_position_when_added_to_then_the_average_entry_counts() -> None:
    market = path((100, 110, 100, 110), (110, 120, 110, 120), (120, 120, 120, 120))
    # Average (10 * 100 + 30 * 110) / 40 = 107.5; 20 closed at 120: 20 * 12.5 = 250.
    a = audit([fill(0, 10, 100), fill(1, 30, 110), fill(2, -20, 120)], market)
    assert a.realised_quote == pytest.approx(250)
    assert a.wallet[-1] == pytest.approx(1_250)
    assert a.equity_close[-1] == pytest.approx(1_500)  # the other 20 are 250 ahead too


def test_position_when_flipped_then_the_rest_opens_at_the_fills_price() -> None:
    market = path((100, 110, 100, 110), (110, 115, 110, 112), (112, 112, 112, 112))
    # 10 closed for +10 each = 100; 5 short from 110, closed at 112: -10.
    a = audit([fill(0, 10, 100), fill(1, -15, 110), fill(2, 5, 112)], market)
    assert a.realised_quote == pytest.approx(90)
    np.testing.assert_allclose(a.wallet, [1_000, 1_100, 1_090])
    assert a.equity_worst[1] == pytest.approx(1_100 - 5 * 5)  # the short faces the high of 115


def test_position_when_lots_round_then_no_ghost_is_left() -> None:
    a = audit([fill(0, 0.1 + 0.2, 100), fill(1, -0.3, 100)], still(3))
    assert a.gross_notional[-1] == 0
    assert np.isnan(a.distance_to_liquidation_frac[-1])


# -- Inside the candle ----------------------------------------------------------------------------

SPIKE = path((100, 130, 80, 100), (100, 100, 100, 100))


def test_extremes_when_hedged_then_both_legs_meet_their_own_at_once() -> None:
    other = path((50, 60, 45, 50), (50, 50, 50, 50), pair="B")
    a = audit([fill(0, 1, 100), fill(0, -2, 50, pair="B")], SPIKE, other)
    assert a.equity_worst[0] == pytest.approx(1_000 - 20 - 2 * 10)  # low of A, high of B
    assert a.maintenance_worst[0] == pytest.approx(0.8 + 1.2)  # 1 % of 80 and of 120


def test_extremes_when_entered_inside_the_candle_then_they_come_after() -> None:
    a = audit([fill(0.5, 1, 110)], SPIKE)
    assert a.equity_worst[0] == pytest.approx(1_000 + 80 - 110)


def test_extremes_when_closed_inside_the_candle_then_they_came_first() -> None:
    a = audit([fill(0, 1, 100), fill(0.5, -1, 120)], SPIKE)
    assert a.equity_worst[0] == pytest.approx(980)
    assert a.equity_close[0] == pytest.approx(1_020)


def test_extremes_when_closed_exactly_at_the_open_then_they_are_not_met() -> None:
    market = path((100, 100, 100, 100), (100, 130, 80, 100))
    a = audit([fill(0, 1, 100), fill(1, -1, 100)], market)
    assert a.equity_worst[1] == pytest.approx(1_000)


def test_extremes_when_opened_and_closed_inside_one_candle_then_they_are_met() -> None:
    a = audit([fill(0.2, 1, 100), fill(0.8, -1, 100)], SPIKE)
    assert a.equity_worst[0] == pytest.approx(980)
    assert a.gross_notional[0] == 0


def test_extremes_when_flipped_inside_the_candle_then_the_worse_side_counts() -> None:
    # Long 1 at the low: 980. Then short 1 from 100, at the high: 970, the nearer to liquidation.
    a = audit([fill(0, 1, 100), fill(0.5, -2, 100)], SPIKE)
    assert a.equity_worst[0] == pytest.approx(970)


def test_extremes_when_closed_at_one_then_the_moment_nearest_to_liquidation_counts() -> None:
    # Held at the low: 980 over a margin of 0.8. Sold there for a fee of 0.5: 979.5 over nothing.
    a = audit([fill(0, 1, 100), fill(0.5, -1, 80, 0.5)], SPIKE)
    assert (a.equity_worst[0], a.maintenance_worst[0]) == (980, 0.8)


# -- Liquidation ----------------------------------------------------------------------------------

CRASH = path((100, 100, 100, 100), (100, 100, 50, 95), (95, 95, 95, 95))


def test_liquidation_when_the_low_reaches_it_then_it_ends_there_though_the_close_recovers() -> None:
    # 480 + 10 * (50 - 100) = -20 <= 5. Fee 1.25 % of 500 = 6.25; 26.25 is not the account's.
    a = audit([fill(0, 10, 100), fill(2, -10, 95)], CRASH, wallet=480)
    assert a.liquidated_at_ms == STEP
    np.testing.assert_allclose(a.equity_worst, [480, -20, 0])
    np.testing.assert_allclose(a.maintenance_worst, [10, 5, 0])
    np.testing.assert_allclose(a.equity_close, [480, 0, 0])
    np.testing.assert_allclose(a.wallet, [480, 0, 0])
    np.testing.assert_allclose(a.distance_to_liquidation_frac[1:], [0, np.nan])
    np.testing.assert_allclose(a.distance_worst_frac[1:], [0, np.nan])
    np.testing.assert_allclose(a.margin_ratio_close, [10 / 480, 0, 0])
    np.testing.assert_allclose(a.margin_ratio_worst, [10 / 480, np.inf, 0])
    np.testing.assert_allclose(a.gross_notional, [1_000, 0, 0])
    assert a.liquidation_fee_quote == pytest.approx(6.25)
    assert a.bankruptcy_quote == pytest.approx(26.25)
    assert a.realised_quote == pytest.approx(-500)
    assert a.ignored_fills == 1
    summary = a.summary()
    assert (summary["liquidated"], summary["min_distance_frac"]) == (True, 0)
    assert (summary["min_distance_at_ms"], summary["max_margin_ratio_at_ms"]) == (STEP, STEP)
    assert summary["max_margin_ratio"] == math.inf
    assert summary["max_drawdown_close_frac"] == 1
    assert summary["max_drawdown_worst_frac"] == pytest.approx(1 + 20 / 480)


def test_liquidation_when_only_closes_are_looked_at_then_it_is_missed() -> None:
    # The control: the same candles without their lows. 480 + 10 * (95 - 100) = 430 > 9.5.
    tame = dataclasses.replace(CRASH, low=np.minimum(CRASH.open, CRASH.close))
    assert audit([fill(0, 10, 100)], tame, wallet=480).liquidated_at_ms is None
    assert plain_replay([fill(0, 10, 100)], [tame], 480)[0] is None
    assert plain_replay([fill(0, 10, 100)], [CRASH], 480)[0] == STEP


def test_liquidation_when_a_gap_skips_the_stop_then_the_fill_at_the_open_comes_too_late() -> None:
    # Opens at 50: sold there, but 480 - 500 = -20 is less than nothing.
    gap = path((100, 100, 100, 100), (50, 50, 50, 50), (50, 50, 50, 50))
    a = audit([fill(0, 10, 100), fill(1, -10, 50), fill(2, 1, 50)], gap, wallet=480)
    assert (a.liquidated_at_ms, a.ignored_fills) == (STEP, 1)
    assert (a.bankruptcy_quote, a.liquidation_fee_quote) == (pytest.approx(20), 0)
    np.testing.assert_allclose(a.wallet, [480, 0, 0])
    assert a.margin_ratio_worst[1] == 0  # flat by then


def test_liquidation_when_several_fills_come_later_then_all_are_counted_and_none_is_booked() -> (
    None
):
    later = [fill(1.5, -10, 95, 1.0), fill(2, 7, 95, 1.0), fill(2.5, -7, 95, 1.0)]
    market = dataclasses.replace(CRASH, funding_rate=np.array([np.nan, np.nan, 0.01]))
    a = audit([fill(0, 10, 100), *later], market, wallet=480, slippage_frac=0.001)
    assert a.ignored_fills == 3
    assert (a.fees_quote, a.funding_quote) == (0, 0)
    assert a.slippage_quote == pytest.approx(1.0)  # of the entry only
    assert a.gross_notional[1:].tolist() == [0, 0]


def test_liquidation_when_something_is_left_then_the_wallet_keeps_it() -> None:
    # 504.5 - 500 = 4.5 <= 5; fee 0.2 % of 500 = 1 leaves 3.5.
    a = audit([fill(0, 10, 100)], CRASH, wallet=504.5, liquidation_fee_frac=0.002)
    assert a.liquidated_at_ms == STEP
    np.testing.assert_allclose(a.wallet, [504.5, 3.5, 3.5])
    assert (a.liquidation_fee_quote, a.bankruptcy_quote) == (pytest.approx(1), 0)


def test_drawdown_when_liquidated_in_the_last_candle_then_the_fee_is_part_of_the_fall() -> None:
    # As above: 4.5 at the extreme, 3.5 after the fee, and no later candle to show it.
    market = path((100, 100, 100, 100), (100, 100, 50, 95))
    a = audit([fill(0, 10, 100)], market, wallet=504.5, liquidation_fee_frac=0.002)
    assert a.summary()["max_drawdown_worst_frac"] == pytest.approx(1 - 3.5 / 504.5)


def test_liquidation_when_equity_just_meets_the_margin_then_it_happens() -> None:
    # At the low of 50: 505 - 500 = 5 = 1 % of 500. Exact in binary floating point.
    assert audit([fill(0, 10, 100)], CRASH, wallet=505).liquidated_at_ms == STEP
    assert audit([fill(0, 10, 100)], CRASH, wallet=505.01).liquidated_at_ms is None


def test_liquidation_when_one_leg_crashes_then_the_whole_account_is_closed() -> None:
    # The short in B is 100 ahead at the close of candle 0, but faces its high of 50 in candle 1:
    # 480 - 500 + 0 = -20 <= 5 + 5.
    b = path((50, 50, 40, 40), (40, 50, 40, 40), (40, 40, 40, 40), pair="B")
    a = audit([fill(0, 10, 100), fill(0, -10, 50, pair="B")], CRASH, b, wallet=480)
    assert a.equity_close[0] == pytest.approx(580)
    assert a.liquidated_at_ms == STEP
    assert a.gross_notional[1] == 0
    assert a.liquidation_fee_quote == pytest.approx(0.0125 * 1_000)  # both legs, at 50


def test_liquidation_when_a_fill_comes_later_in_that_candle_then_it_never_happened() -> None:
    a = audit([fill(0, 10, 100, 1.0), fill(1.5, -10, 95, 7.0)], CRASH, wallet=481)
    assert (a.liquidated_at_ms, a.ignored_fills) == (STEP, 1)
    assert a.fees_quote == pytest.approx(1)


def test_liquidation_when_an_entry_inside_the_candle_causes_it_then_that_entry_counts() -> None:
    # Nothing is held at the open; 10 bought at 95 inside, then the low: 400 - 450 = -50.
    a = audit([fill(1.5, 10, 95, 1.0), fill(1.7, -10, 95, 7.0)], CRASH, wallet=400)
    assert (a.liquidated_at_ms, a.ignored_fills) == (STEP, 1)
    assert a.fees_quote == pytest.approx(1)
    assert a.equity_worst[1] == pytest.approx(-51)


def test_liquidation_when_funding_falls_due_later_then_it_is_not_charged() -> None:
    market = dataclasses.replace(CRASH, funding_rate=np.array([np.nan, 0.001, 0.001]))
    a = audit([fill(0, 10, 100)], market, wallet=480)
    assert a.funding_quote == pytest.approx(-1)  # at the open of the fatal candle only


def test_liquidation_when_funding_is_the_last_straw_then_it_kills() -> None:
    market = dataclasses.replace(CRASH, funding_rate=np.array([np.nan, 0.001, np.nan]))
    assert audit([fill(0, 10, 100)], CRASH, wallet=505.5).liquidated_at_ms is None
    assert audit([fill(0, 10, 100)], market, wallet=505.5).liquidated_at_ms == STEP


def test_liquidation_when_not_stopped_at_then_it_is_recorded_and_the_replay_goes_on() -> None:
    fills = [fill(0, 10, 100), fill(2, -10, 95)]
    a = audit(fills, CRASH, wallet=480, stop_at_liquidation=False)
    assert (a.liquidated_at_ms, a.ignored_fills, a.liquidation_fee_quote) == (STEP, 0, 0)
    np.testing.assert_allclose(a.equity_close, [480, 430, 430])


def test_liquidation_when_the_notional_is_in_a_higher_tier_then_its_margin_counts() -> None:
    # 20 long: at the low of 50 the notional is 1,000 -> margin 10; at 51 it is 1,020 -> 10.4.
    market = path((100, 100, 51, 100), (100, 100, 100, 100))
    tiers = {"A": MarginTiers("A", TWO_TIERS)}
    a = audit([fill(0, 20, 100)], market, wallet=2_000, tiers=tiers)
    assert a.maintenance_worst[0] == pytest.approx(0.02 * 1_020 - 10)


def test_ratio_when_equity_is_all_but_gone_then_it_is_a_number_until_nothing_is_left() -> None:
    # At the low of 50: 5 of margin on 0.5 of equity; on 0 of equity.
    for wallet, ratio in ((500.5, 10.0), (500.0, np.inf)):
        with np.errstate(all="raise"):
            a = audit([fill(0, 10, 100)], CRASH, wallet=wallet)
        np.testing.assert_allclose(a.margin_ratio_worst[1], ratio)
    tame = path((100, 100, 50, 50), (50, 50, 50, 50))
    a = audit([fill(0, 10, 100)], tame, wallet=500.5, stop_at_liquidation=False)
    np.testing.assert_allclose(a.margin_ratio_close, [10, 10])


def test_audit_when_the_position_is_a_fraction_of_a_unit_then_it_is_marked_like_any_other() -> None:
    # Half a unit: margin 0.5, below one quote unit; the low counts, not the high.
    a = audit([fill(0, 0.5, 100)], SPIKE)
    assert a.equity_worst[0] == pytest.approx(990)
    np.testing.assert_allclose(a.margin_ratio_close, [0.5 / 1_000] * 2)


# -- Netting --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "entry", "amount", "price", "expected"),
    [
        (0, 0, 3, 100.1, (0, 3, 100.1)),  # 3 * 100.1 / 3 is not 100.1
        (0, 0, -1, 100, (0, -1, 100)),
        (0.5, 100, 0.5, 110, (0, 1, 105)),
        (1, 100, -0.5, 110, (5, 0.5, 100)),
        (-1, 100, 0.25, 110, (-2.5, -0.75, 100)),
        (0.5, 100, -1, 110, (5, -0.5, 110)),
        (2, 100, -2, 110, (20, 0, 0)),
        (1e9, 1, -(1e9 - 1), 1, (0, 1, 1)),  # a part in 10^9 is no dust yet
        (10, 100, -(10 - 0.8e-8), 200, (1_000, 0, 0)),  # less is, and counts as closed
    ],
)
def test_net_when_a_fill_adds_reduces_closes_or_flips_then_the_position_is_as_by_hand(
    held: float, entry: float, amount: float, price: float, expected: tuple[float, float, float]
) -> None:
    assert net(held, entry, fill(0, amount, price)) == expected


def test_net_when_more_than_dust_is_left_then_it_stays_a_position() -> None:
    _, left, entry = net(10.0, 100.0, fill(0, -(10 - 1.2e-8), 200))
    assert (left, entry) == (pytest.approx(1.2e-8, rel=1e-3), 100)


# -- Summary --------------------------------------------------------------------------------------


def test_summary_when_asked_then_the_extremes_and_their_times_are_named() -> None:
    market = path((100, 100, 100, 100), (100, 120, 100, 120), (120, 120, 60, 90), (90, 95, 85, 95))
    a = audit([fill(0, 10, 100)], market)
    s = a.summary()
    # Peak 1,200 at the close of candle 1; then 900 at the close, 600 at the low.
    assert s["max_drawdown_close_frac"] == pytest.approx(0.25)
    assert s["max_drawdown_worst_frac"] == pytest.approx(0.5)
    assert s["max_margin_ratio"] == pytest.approx(6 / 600)
    # Wallet and entry are equal: E = notional, x = 1 whatever the price.
    assert s["min_distance_frac"] == pytest.approx(1)
    assert s["final_equity_quote"] == pytest.approx(950)
    assert all(isinstance(v, float | int | bool | None) for v in s.values())


def test_drawdown_when_a_candle_ends_at_a_peak_then_its_trough_is_held_against_the_old() -> None:
    closes, troughs = np.array([150.0, 200.0]), np.array([99.0, 120.0])
    assert account_drawdown(closes, 100.0, troughs) == pytest.approx(0.2)  # 120 after 150
    assert account_drawdown(closes, 100.0) == 0.0


def test_summary_when_no_move_can_liquidate_then_a_held_candle_is_named() -> None:
    s = audit([fill(1, 1, 100)], still(3)).summary()
    assert (s["min_distance_frac"], s["min_distance_at_ms"]) == (math.inf, STEP)


# -- Input ----------------------------------------------------------------------------------------


def changed(**arrays: Any) -> MarketPath:
    return dataclasses.replace(still(4), **arrays)


@pytest.mark.parametrize(
    ("times", "where"),
    [
        ([0, 60, 60, 120], "A, 60 ms"),  # duplicate
        ([0, 0, 0, 0], "A, 0 ms"),
        ([0, 60, 120, 90], "A, 90 ms"),  # unsorted
        ([180, 120, 60, 0], "A, 120 ms"),  # newest first
        ([0, 60, 120, 240], "A, 240 ms"),  # hole
        ([0, 120, 180, 240], "A, 120 ms"),  # hole at the first step
        ([0, 1, 2, 2], "A, 2 ms"),  # a step of one is a step
        ([0, 1, 2, 4], "A, 4 ms"),
    ],
)
def test_market_when_its_times_are_uneven_then_the_first_such_time_is_named(
    times: list[int], where: str
) -> None:
    with pytest.raises(InputError, match="evenly spaced") as error:
        audit([], changed(time_ms=np.array(times, dtype=np.int64)))
    assert error.value.where == where
    assert error.value.cure


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        *(({n: np.array([100, np.nan, 100, 100])}, f"finite {n}") for n in OHLC),
        ({"open": np.array([100, -1.0, 100, 100])}, "open > 0"),
        ({"open": np.array([100, 0.0, 100, 100])}, "open > 0"),
        ({"low": np.array([100, 100 + 1.2e-7, 100, 100])}, "low <= open"),
        ({"high": np.array([100, 100 - 1.2e-7, 100, 100])}, "close <= high"),
        ({"low": np.array([100, 101.0, 100, 100])}, "low <= open"),
        ({"high": np.array([100, 99.0, 100, 100])}, "close <= high"),
        ({"funding_rate": np.array([np.nan, np.inf, np.nan, np.nan])}, "funding rate"),
    ],
)
def test_market_when_a_value_is_unsound_then_its_row_and_time_are_named(
    arrays: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        audit([], changed(**arrays))
    assert error.value.where == f"A, row 1, {STEP} ms"


def test_market_when_an_extreme_is_off_by_rounding_then_it_is_taken() -> None:
    audit([], changed(low=np.full(4, 100 + 1e-9 * 100), high=np.full(4, 100 - 1e-9 * 100)))


def test_market_when_prices_are_below_one_then_they_are_prices() -> None:
    a = audit([fill(0, 10, 0.25)], still(3, price=0.5))
    assert a.equity_close[-1] == pytest.approx(1_002.5)


def test_market_when_too_short_or_of_wrong_types_then_refused() -> None:
    with pytest.raises(InputError, match="at least one market"):
        audit([])
    with pytest.raises(InputError, match="at least 2"):
        audit([], still(1))
    with pytest.raises(InputError, match="whole milliseconds"):
        audit([], changed(time_ms=STEP * np.arange(4.0)))
    with pytest.raises(AlignmentError, match="4 rows of funding_rate, got 3"):
        audit([], changed(funding_rate=np.full(3, np.nan)))


def test_markets_when_on_different_times_then_the_first_difference_is_named() -> None:
    later = dataclasses.replace(still(4, pair="B"), time_ms=STEP * np.arange(1, 5))
    with pytest.raises(AlignmentError, match="differ from row 0") as error:
        audit([], still(4), later)
    assert error.value.where == f"B, {STEP} ms"
    for one, other in ((4, 5), (5, 4)):
        with pytest.raises(AlignmentError, match=f"{one} and {other} rows.* from row 4") as error:
            audit([], still(one), still(other, pair="B"))
        assert error.value.where == f"B, {4 * STEP} ms"
    with pytest.raises(AlignmentError, match="expected B, got the path of A"):
        audit_account([], {"B": still(4)}, wallet_quote=1.0, tiers=TIERS)


@pytest.mark.parametrize(
    ("fills", "message"),
    [
        ([fill(1, 1, 100), fill(0, 1, 100)], "oldest first"),
        ([fill(0, 1, 100, pair="Z")], "got Z"),
        ([fill(-1, 1, 100)], "from 0 ms"),
        ([fill(4, 1, 100)], "before 240000 ms"),
        ([fill(0, 0, 100)], "other than 0"),
        ([fill(0, math.nan, 100)], "finite amount"),
        ([fill(0, 1, math.nan)], "finite amount"),
        ([fill(0, 1, 0)], "price > 0"),
        ([fill(0, 1, 100, math.nan)], "and fee"),
    ],
)
def test_fills_when_unsound_then_the_fill_its_pair_and_time_are_named(
    fills: list[Fill], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        audit(fills, still(4))
    last = fills[-1]
    assert error.value.where == f"fill {len(fills) - 1} of {last.pair} at {last.time_ms} ms"
    assert error.value.cure


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wallet": 0.0}, "wallet > 0"),
        ({"wallet": math.nan}, "wallet > 0"),
        ({"wallet": math.inf}, "finite wallet"),
        ({"slippage_frac": math.nan}, "slippage_frac"),
        ({"slippage_frac": -0.1}, "slippage_frac"),
        ({"slippage_frac": 1.0}, "slippage_frac < 1"),
        ({"liquidation_fee_frac": 1.5}, "liquidation_fee_frac"),
        ({"tiers": {}}, r"no margin tiers for \['A'\]"),
    ],
)
def test_audit_when_a_setting_is_unsound_then_it_is_named(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        audit([], still(4), **settings)


# -- Properties -----------------------------------------------------------------------------------

price = st.floats(80, 120)


@st.composite
def replays(draw: st.DrawFn) -> tuple[list[Fill], list[MarketPath]]:
    """Two pairs, eight candles, up to twelve fills at opens and inside candles."""
    n, markets = 8, []
    for pair in ("A", "B"):
        rows = []
        for _ in range(n):
            values = sorted(draw(price) for _ in range(4))
            rows.append((values[1], values[3], values[0], values[2]))
        rate = st.floats(-0.01, 0.01)
        funding = {i: draw(rate) for i in draw(st.sets(st.integers(0, n - 1), max_size=4))}
        markets.append(path(*rows, pair=pair, funding=funding))
    when = st.integers(0, 4 * n - 1).map(lambda q: q / 4)
    fills = draw(st.lists(st.builds(
        fill, when, st.integers(-20, 20).filter(bool).map(float), price,
        st.floats(0, 1), st.sampled_from(("A", "B")),
    ), max_size=12))  # fmt: skip
    return sorted(fills, key=lambda f: f.time_ms), markets


@given(case=replays(), slip=st.floats(0, 0.01))
def test_audit_when_nothing_is_liquidated_then_every_quote_unit_is_accounted_for(
    case: tuple[list[Fill], list[MarketPath]], slip: float
) -> None:
    fills, markets = case
    a = audit(fills, *markets, wallet=1e6, slippage_frac=slip)
    assert a.liquidated_at_ms is None
    costs = a.fees_quote - a.funding_quote + a.slippage_quote
    assert a.wallet[-1] == pytest.approx(1e6 + a.realised_quote - costs)
    flat = a.gross_notional == 0
    np.testing.assert_allclose(a.equity_close[flat], a.wallet[flat])
    assert (a.equity_worst <= a.equity_close + 1e-6).all()


@given(case=replays(), wallet=st.floats(10, 2_000))
def test_audit_when_liquidated_then_the_totals_still_end_at_the_wallet(
    case: tuple[list[Fill], list[MarketPath]], wallet: float
) -> None:
    fills, markets = case
    a = audit(fills, *markets, wallet=wallet, slippage_frac=0.001)
    total = (
        wallet + a.realised_quote - a.fees_quote + a.funding_quote - a.slippage_quote
        - a.liquidation_fee_quote + a.bankruptcy_quote
    )  # fmt: skip
    assert a.wallet[-1] == pytest.approx(total, abs=1e-6)
    if a.liquidated_at_ms is not None:
        after = a.time_ms >= a.liquidated_at_ms
        assert (a.wallet[after] == a.wallet[-1]).all()
        assert a.wallet[-1] >= 0


def plain_replay(
    fills: list[Fill], markets: list[MarketPath], wallet: float
) -> tuple[int | None, list[float]]:
    """The same rules written plainly, one candle and one account at a time."""
    held: dict[str, tuple[float, float]] = {}
    tiers = {m.pair: MarginTiers(m.pair, TWO_TIERS) for m in markets}
    equity = []

    def account() -> CrossAccount:
        legs = tuple(Position(pair=p, amount_base=q, entry_price=e) for p, (q, e) in held.items())
        return CrossAccount(wallet_quote=wallet, positions=legs, tiers=tiers)

    def book(f: Fill) -> None:
        nonlocal wallet
        q, e = held.pop(f.pair, (0.0, 0.0))
        wallet -= f.fee_quote
        closed = (
            min(abs(q), abs(f.amount_base)) * math.copysign(1, q) if q * f.amount_base < 0 else 0
        )
        wallet += closed * (f.price_quote - e)
        opened = f.amount_base + closed
        left = q - closed
        if left + opened:
            entry = (left * e + opened * f.price_quote) / (left + opened)
            held[f.pair] = (left + opened, entry)

    def dead(i: int) -> bool:
        marks = {
            m.pair: float((m.high if held.get(m.pair, (1, 0))[0] < 0 else m.low)[i])
            for m in markets
        }
        return account().is_liquidated(marks) or (not held and wallet <= 0)

    for i, now in enumerate(markets[0].time_ms):
        for m in markets:
            if m.pair in held and np.isfinite(m.funding_rate[i]):
                wallet -= held[m.pair][0] * float(m.open[i] * m.funding_rate[i])
        for f in (f for f in fills if f.time_ms == now):
            book(f)
        if dead(i):
            return int(now), equity
        for f in (f for f in fills if now < f.time_ms < now + STEP):
            book(f)
            if dead(i):
                return int(now), equity
        equity.append(account().equity({m.pair: float(m.close[i]) for m in markets}))
    return None, equity


@settings(max_examples=200)
@given(case=replays(), wallet=st.floats(10, 3_000))
def test_audit_when_replayed_candle_by_candle_with_the_account_then_it_agrees(
    case: tuple[list[Fill], list[MarketPath]], wallet: float
) -> None:
    fills, markets = case
    tiers = {m.pair: MarginTiers(m.pair, TWO_TIERS) for m in markets}
    at, equity = plain_replay(fills, markets, wallet)
    a = audit(fills, *markets, wallet=wallet, tiers=tiers)
    assert a.liquidated_at_ms == at
    np.testing.assert_allclose(a.equity_close[: len(equity)], equity, rtol=1e-9, atol=1e-6)

"""One wallet backs all legs: a hedge's gain protects, its loss infects, tiers go by notional."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from freqtrade.enums import MarginMode, TradingMode
from freqtrade.exchange import Exchange
from freqtrade.exchange.binance import Binance
from hypothesis import assume, given
from hypothesis import strategies as st

from models.base.errors import InputError
from models.trade.account.cross import CrossAccount, Position
from models.trade.account.distance import uniform_distance
from models.trade.account.tiers import MarginTier, MarginTiers
from strategies.account.tiers import load_binance_tiers

BTC, LTC = "BTC/USDT:USDT", "LTC/USDT:USDT"
REAL = load_binance_tiers([BTC, LTC])


def flat_tiers(pair: str, rate: float = 0.01) -> MarginTiers:
    tier = MarginTier(
        floor_quote=0, cap_quote=1e9, maintenance_rate_frac=rate, maintenance_amount_quote=0,
        max_leverage=50,
    )  # fmt: skip
    return MarginTiers(pair, (tier,))


# 1 % up to 1,000 and 2 % beyond, less 1,000 * (0.02 - 0.01) = 10; then 5 %, less 10 + 150.
STEEP = MarginTiers("X", tuple(
    MarginTier(floor_quote=low, cap_quote=high, maintenance_rate_frac=rate,
               maintenance_amount_quote=amount, max_leverage=1 / rate)
    for low, high, rate, amount in (
        (0, 1_000, 0.01, 0), (1_000, 5_000, 0.02, 10), (5_000, 1e9, 0.05, 160))
))  # fmt: skip


def account(
    wallet: float, *legs: tuple[str, float, float], pending: float = 0.0, tiers: Any = None
) -> CrossAccount:
    positions = tuple(Position(pair=p, amount_base=q, entry_price=e) for p, q, e in legs)
    tables = tiers or {p: flat_tiers(p) for p, _, _ in legs}
    return CrossAccount(
        wallet_quote=wallet, positions=positions, tiers=tables, pending_quote=pending
    )


def freqtrade_price(
    pair: str, legs: dict[str, tuple[float, float, float]], marks: dict[str, float], wallet: float,
    runmode: str = "dry_run",
) -> float:  # fmt: skip
    """Freqtrade's own formula for `pair`; legs are (amount, entry, stake), shorts negative."""
    rows = {
        p: [
            {"minNotional": t.floor_quote, "maintenanceMarginRate": t.maintenance_rate_frac,
             "maintAmt": t.maintenance_amount_quote}
            for t in tiers.tiers
        ]
        for p, tiers in REAL.items()
    }  # fmt: skip
    exchange = SimpleNamespace(
        margin_mode=MarginMode.CROSS, trading_mode=TradingMode.FUTURES, name="Binance",
        _config={"runmode": runmode}, _leverage_tiers=rows, exchange_has=lambda _: True,
        fetch_funding_rates=lambda pairs: {p: {"markPrice": marks[p]} for p in pairs},
    )  # fmt: skip
    exchange.get_maintenance_ratio_and_amt = lambda p, n: Exchange.get_maintenance_ratio_and_amt(
        exchange, p, n
    )
    trades = [
        SimpleNamespace(pair=p, amount=abs(q), open_rate=e, stake_amount=s, is_short=q < 0)
        for p, (q, e, s) in legs.items()
    ]
    amount, entry, stake = legs[pair]
    price = Binance.dry_run_liquidation_price(
        exchange, pair, entry, amount < 0, abs(amount), stake, abs(amount) * entry / stake,
        wallet, trades,
    )  # fmt: skip
    assert price is not None
    return price


def test_account_when_worked_by_hand_then_it_agrees() -> None:
    a = account(10_000, ("A", 2, 100), ("B", -10, 50), pending=30)
    marks = {"A": 110.0, "B": 55.0}
    # 2 * (110 - 100) - 10 * (55 - 50) = 20 - 50
    assert a.unrealised(marks) == pytest.approx(-30)
    assert a.equity(marks) == pytest.approx(9_940)  # 10,000 - 30 - 30
    assert a.gross_notional(marks) == pytest.approx(770)  # 220 + 550
    assert a.maintenance_margin(marks) == pytest.approx(7.7)  # 1 %
    assert a.margin_ratio(marks) == pytest.approx(7.7 / 9_940)
    assert a.account_leverage(marks) == pytest.approx(770 / 9_940)
    assert not a.is_liquidated(marks)


def test_account_when_equity_just_meets_the_margin_then_it_is_liquidated() -> None:
    # 100 + 10 * (91 - 100) = 10 > 9.1; at 90.909..: 9.0909.. = 0.01 * 10 * 90.909..
    a = account(100, ("A", 10, 100))
    assert not a.is_liquidated({"A": 91.0})
    assert a.is_liquidated({"A": 90.9})
    exact = account(60, ("A", 1, 100), tiers={"A": flat_tiers("A", 0.5)})
    assert exact.is_liquidated({"A": 80.0})  # 60 - 20 = 40 = 0.5 * 80


def test_account_when_equity_is_gone_then_ratio_and_leverage_are_infinite() -> None:
    a = account(100, ("A", 10, 100))
    assert a.margin_ratio({"A": 90.0}) == math.inf
    assert a.account_leverage({"A": 90.0}) == math.inf
    assert a.is_liquidated({"A": 90.0})


def test_account_when_equity_is_small_then_ratio_and_leverage_are_still_numbers() -> None:
    # 100 + 10 * (90.05 - 100) = 0.5; notional 900.5, margin 9.005.
    a, marks = account(100, ("A", 10, 100)), {"A": 90.05}
    assert a.account_leverage(marks) == pytest.approx(900.5 / 0.5)
    assert a.margin_ratio(marks) == pytest.approx(9.005 / 0.5)


def test_account_when_flat_then_nothing_can_liquidate_it() -> None:
    a = account(100)
    assert (a.equity({}), a.maintenance_margin({}), a.margin_ratio({})) == (100, 0, 0)
    assert (a.account_leverage({}), a.is_liquidated({})) == (0, False)
    assert account(-5).account_leverage({}) == 0
    assert account(1_000, ("A", 0.01, 100)).account_leverage({"A": 100.0}) == pytest.approx(0.001)
    assert a.distance_to_liquidation_frac({}) == math.inf


def test_account_when_fees_are_pending_then_liquidation_is_nearer() -> None:
    # 2,000 - 500 + 100 * (P - 100) = P  ->  99 P = 8,500
    price = account(2_000, ("A", 100, 100), pending=500).liquidation_price("A", {"A": 100.0})
    assert price == pytest.approx(8_500 / 99)


# -- Where Freqtrade's number is wrong ------------------------------------------------------------


def test_liquidation_price_when_a_short_leg_loses_then_it_rises_unlike_freqtrades() -> None:
    # Wallet 10,000; long 1 BTC at 50,000 (5x); short 250 LTC at 80, mark 96: loses 250 * 16.
    # LTC notional 250 * 96 = 24,000: tier 10,000-50,000, margin 24,000 * 0.01 - 50 = 190.
    # BTC below 300,000: 0.4 %. 10,000 - 4,000 + (P - 50,000) = 0.004 P + 190
    # ->  P = (50,000 - 6,000 + 190) / 0.996 = 44,190 / 0.996 = 44,367.47
    marks = {BTC: 50_000.0, LTC: 96.0}
    a = account(10_000, (BTC, 1, 50_000), (LTC, -250, 80), tiers=REAL)
    assert a.liquidation_price(BTC, marks) == pytest.approx(44_367.47, abs=0.01)
    # Freqtrade adds the loss as a gain and finds LTC's tier by stake (4,000: 0.5 %, margin 120):
    # (10,000 + 4,000 - 120 - 50,000) / (0.004 - 1) = 36,120 / 0.996 = 36,265.06
    legs = {BTC: (1.0, 50_000.0, 10_000.0), LTC: (-250.0, 80.0, 4_000.0)}
    assert freqtrade_price(BTC, legs, marks, 10_000) == pytest.approx(36_265.06, abs=0.01)
    # By then the account is long gone:
    assert a.is_liquidated({**marks, BTC: 44_367.0})
    assert a.equity({**marks, BTC: 36_265.06}) == pytest.approx(-7_734.94)


def test_liquidation_price_when_backtested_then_freqtrade_ignores_the_other_legs_loss() -> None:
    # Other legs at their entry: no loss, margin 20,000 * 0.005 = 100.
    # (10,000 - 100 - 50,000) / (0.004 - 1) = 40,100 / 0.996 = 40,261.04 instead of 44,367.47
    legs = {BTC: (1.0, 50_000.0, 10_000.0), LTC: (-250.0, 80.0, 4_000.0)}
    price = freqtrade_price(BTC, legs, {BTC: 50_000.0, LTC: 96.0}, 10_000, runmode="backtest")
    assert price == pytest.approx(40_261.04, abs=0.01)


def test_liquidation_price_when_the_hedge_gains_then_it_falls_unlike_freqtrades() -> None:
    # Long 100 LTC at 100, wallet 2,000. Alone: 2,000 + 100 P - 10,000 = 0.5 P -> 8,000 / 99.5.
    alone = account(2_000, (LTC, 100, 100), tiers=REAL)
    assert alone.liquidation_price(LTC, {LTC: 100.0}) == pytest.approx(80.402, abs=1e-3)
    # Short 0.2 BTC from 50,000 to 45,000: gains 1,000, margin 9,000 * 0.004 = 36.
    # 2,000 + 1,000 + 100 P - 10,000 = 0.5 P + 36  ->  7,036 / 99.5 = 70.714
    marks = {LTC: 100.0, BTC: 45_000.0}
    hedged = account(2_000, (LTC, 100, 100), (BTC, -0.2, 50_000), tiers=REAL)
    assert hedged.liquidation_price(LTC, marks) == pytest.approx(70.714, abs=1e-3)
    # Freqtrade: (2,000 - 1,000 - 36 - 10,000) / (0.5 - 100) = 9,036 / 99.5 = 90.814, higher.
    legs = {LTC: (100.0, 100.0, 2_000.0), BTC: (-0.2, 50_000.0, 2_000.0)}
    assert freqtrade_price(LTC, legs, marks, 2_000) == pytest.approx(90.814, abs=1e-3)


def test_liquidation_price_when_the_stake_is_small_then_the_notionals_tier_counts() -> None:
    # 20 BTC at 50,000: notional 1,000,000 on a stake of 50,000; wallet 60,000.
    # At liquidation 944,640: tier 800,000-3,000,000, 0.65 % less 1,500.
    # 60,000 + 20 P - 1,000,000 = 0.13 P - 1,500  ->  938,500 / 19.87 = 47,232.01
    a = account(60_000, (BTC, 20, 50_000), tiers=REAL)
    assert a.liquidation_price(BTC, {BTC: 50_000.0}) == pytest.approx(47_232.01, abs=0.01)
    # Freqtrade, by stake, 0.4 %: 940,000 / (20 - 0.08) = 47,188.76
    legs = {BTC: (20.0, 50_000.0, 50_000.0)}
    price = freqtrade_price(BTC, legs, {BTC: 50_000.0}, 60_000)
    assert price == pytest.approx(47_188.76, abs=0.01)


def test_liquidation_price_when_a_large_short_is_alone_then_freqtrades_is_too_far() -> None:
    # Short 20 BTC at 40,000, notional 800,000 on a stake of 40,000; wallet 100,000.
    # At liquidation 895,678: tier 800,000-3,000,000, 0.65 % less 1,500.
    # 100,000 + 800,000 - 20 P = 0.13 P - 1,500  ->  901,500 / 20.13 = 44,783.90
    a = account(100_000, (BTC, -20, 40_000), tiers=REAL)
    assert a.liquidation_price(BTC, {BTC: 40_000.0}) == pytest.approx(44_783.90, abs=0.01)
    # Freqtrade, by stake, 0.4 %: 900,000 / 20.08 = 44,820.72, where the account is already gone.
    price = freqtrade_price(BTC, {BTC: (-20.0, 40_000.0, 40_000.0)}, {BTC: 40_000.0}, 100_000)
    assert price == pytest.approx(44_820.72, abs=0.01)
    assert a.is_liquidated({BTC: price})
    assert not a.is_liquidated({BTC: 44_783.0})


def test_liquidation_price_when_alone_in_the_first_tier_then_freqtrade_agrees() -> None:
    # The one case its formula is right in, up to here: 40,000 / 0.996.
    legs = {BTC: (1.0, 50_000.0, 10_000.0)}
    a = account(10_000, (BTC, 1, 50_000), tiers=REAL)
    price = a.liquidation_price(BTC, {BTC: 48_000.0})
    assert price == pytest.approx(freqtrade_price(BTC, legs, {BTC: 48_000.0}, 10_000))


# -- Tier edges -----------------------------------------------------------------------------------


def test_liquidation_price_when_a_short_grows_into_a_tier_then_that_tier_counts() -> None:
    # Short 10 at 90, wallet 115: 115 + 900 - 10 P = 0.02 * 10 P - 10 beyond 1,000
    # ->  P = 1,025 / 10.2 = 100.490; the first tier alone would say 1,015 / 10.1 = 100.495.
    a = account(115, ("X", -10, 90), tiers={"X": STEEP})
    assert a.liquidation_price("X", {"X": 90.0}) == pytest.approx(1_025 / 10.2)


def test_liquidation_price_when_a_long_falls_out_of_a_tier_then_the_lower_counts() -> None:
    # Long 10 at 120, wallet 300: 300 - 1,200 + 10 P = 0.01 * 10 P below 1,000
    # ->  P = 900 / 9.9 = 90.909; the second tier alone would say 890 / 9.8 = 90.816.
    a = account(300, ("X", 10, 120), tiers={"X": STEEP})
    assert a.liquidation_price("X", {"X": 120.0}) == pytest.approx(900 / 9.9)


def test_liquidation_price_when_on_the_edge_then_both_tiers_agree() -> None:
    # At P = 100 the notional is 1,000 and the margin 10 in both tiers: 210 - 200 = 10.
    a = account(210, ("X", 10, 120), tiers={"X": STEEP})
    assert a.liquidation_price("X", {"X": 120.0}) == pytest.approx(100.0)


# -- No price, or one already passed --------------------------------------------------------------


def test_liquidation_price_when_the_wallet_carries_the_long_then_there_is_none() -> None:
    a = account(1_001, ("A", 10, 100))
    assert a.liquidation_price("A", {"A": 100.0}) is None
    assert a.distance_to_liquidation_frac({"A": 100.0}) == math.inf
    # Worth nothing at 0 exactly, and 0 is no price; half a quote unit less, and 9.9 P = 0.5.
    assert account(1_000, ("A", 10, 100)).liquidation_price("A", {"A": 100.0}) is None
    near = account(999.5, ("A", 10, 100)).liquidation_price("A", {"A": 100.0})
    assert near == pytest.approx(0.5 / 9.9)


def test_liquidation_price_when_other_legs_ruined_a_short_then_none_and_no_distance() -> None:
    # B lost 9,000 of 1,000; A at 0 would gain only 10 * 100.
    a = account(1_000, ("A", -10, 100), ("B", 100, 100))
    marks = {"A": 100.0, "B": 10.0}
    assert a.liquidation_price("A", marks) is None
    assert a.is_liquidated(marks)
    assert a.distance_to_liquidation_frac(marks) == 0
    assert a.distance_to_liquidation_frac(marks, "A") == 0


def test_liquidation_price_when_already_passed_then_it_is_the_price_that_was_passed() -> None:
    # 10 + (P - 100) = 0.01 P  ->  90 / 0.99, above the mark of 80
    a = account(10, ("A", 1, 100))
    assert a.liquidation_price("A", {"A": 80.0}) == pytest.approx(90 / 0.99)
    assert a.distance_to_liquidation_frac({"A": 80.0}) == 0


def test_liquidation_price_when_a_short_is_tiny_then_it_is_found_however_far() -> None:
    # 1,000,000 + 100 - P = 0.01 P
    a = account(1e6, ("A", -1, 100))
    assert a.liquidation_price("A", {"A": 100.0}) == pytest.approx(1_000_100 / 1.01)


# -- Distance -------------------------------------------------------------------------------------


def test_distance_when_one_long_then_it_is_the_way_to_its_liquidation_price() -> None:
    a = account(10_000, (BTC, 1, 50_000), tiers=REAL)
    # 1 - 40,160.64 / 48,000
    assert a.distance_to_liquidation_frac({BTC: 48_000.0}) == pytest.approx(
        1 - 40_000 / 0.996 / 48e3
    )


def test_distance_when_hedged_then_both_legs_fail_at_once() -> None:
    # 400 - 2,000 x = 0.01 * 1,000 * ((1 - x) + (1 + x)) = 20  ->  x = 0.19
    a = account(400, ("A", 10, 100), ("B", -10, 100))
    marks = {"A": 100.0, "B": 100.0}
    assert a.distance_to_liquidation_frac(marks) == pytest.approx(0.19)
    # A alone: 400 - 1,000 x = 10 (1 - x) + 10 -> 380 / 990; B alone: 380 / 1,010
    assert a.distance_to_liquidation_frac(marks, "A") == pytest.approx(380 / 990)
    assert a.distance_to_liquidation_frac(marks, "B") == pytest.approx(380 / 1_010)


def test_distance_when_only_short_then_it_may_exceed_one() -> None:
    # 301 - 100 x = 0.01 * 100 * (1 + x)  ->  300 / 101
    a = account(301, ("A", -1, 100))
    assert a.distance_to_liquidation_frac({"A": 100.0}) == pytest.approx(300 / 101)


def test_distance_when_the_short_is_tiny_then_it_is_as_exact() -> None:
    # 0.0301 - 0.01 x = 0.01 * 0.01 * (1 + x)  ->  0.03 / 0.0101
    a = account(0.0301, ("A", -0.0001, 100))
    assert a.distance_to_liquidation_frac({"A": 100.0}) == pytest.approx(0.03 / 0.0101, rel=1e-12)


def test_distance_when_longs_are_worthless_then_shorts_go_on_alone() -> None:
    # Beyond x = 1: 400 - 100 - 100 x = 0.01 * 100 * (1 + x)  ->  299 / 101
    a = account(400, ("A", 1, 100), ("B", -1, 100))
    assert a.distance_to_liquidation_frac({"A": 100.0, "B": 100.0}) == pytest.approx(299 / 101)


# -- Input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [None, math.nan, math.inf, 0.0, -1.0])
def test_account_when_a_mark_is_missing_or_unsound_then_every_answer_is_refused(
    mark: float | None,
) -> None:
    a = account(100, ("A", 1, 100), ("B", 1, 100))
    marks: dict[str, Any] = {"A": 100.0} if mark is None else {"A": 100.0, "B": mark}
    for ask in (
        a.equity, a.maintenance_margin, a.margin_ratio, a.is_liquidated, a.gross_notional,
        a.account_leverage, a.distance_to_liquidation_frac,
        lambda m: a.liquidation_price("A", m), lambda m: a.distance_to_liquidation_frac(m, "A"),
    ):  # fmt: skip
        with pytest.raises(InputError, match="mark price > 0 for B"):
            ask(marks)


@pytest.mark.parametrize(
    ("wallet", "legs", "message"),
    [
        (math.nan, (), "finite wallet"),
        (math.inf, (), "finite wallet"),
        (100, (("A", math.nan, 100),), "finite amounts"),
        (100, (("A", 0, 100),), "other than 0"),
        (100, (("A", 1, math.nan),), "entry prices"),
        (100, (("A", 1, 0),), "entry prices > 0"),
        (100, (("A", 1, 100), ("A", -1, 100)), "one net position"),
    ],
)
def test_account_when_built_from_unsound_numbers_then_refused(
    wallet: float, legs: tuple[tuple[str, float, float], ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        account(wallet, *legs)


def test_account_when_tiers_are_missing_then_all_such_pairs_are_named() -> None:
    with pytest.raises(InputError, match=r"\['B', 'C'\]"):
        account(1, ("A", 1, 1), ("B", 1, 1), ("C", 1, 1), tiers={"A": flat_tiers("A")})


def test_liquidation_price_when_the_pair_is_not_held_then_refused() -> None:
    a = account(100, ("A", 1, 100))
    for ask in (a.liquidation_price, lambda p, m: a.distance_to_liquidation_frac(m, p)):
        with pytest.raises(InputError, match="no position in B"):
            ask("B", {"A": 100.0, "B": 1.0})


# -- Properties -----------------------------------------------------------------------------------

PAIRS = ("A", "B", "C")
STEEP_TIERS = {p: MarginTiers(p, STEEP.tiers) for p in PAIRS}
amount = st.floats(0.1, 100).flatmap(lambda q: st.sampled_from((q, -q)))
price = st.floats(1, 500)
wallet = st.floats(1, 1e5)


@st.composite
def accounts(draw: st.DrawFn) -> tuple[CrossAccount, dict[str, float]]:
    pairs = PAIRS[: draw(st.integers(1, 3))]
    legs = [(p, draw(amount), draw(price)) for p in pairs]
    return account(draw(wallet), *legs, tiers=STEEP_TIERS), {p: draw(price) for p in pairs}


def surplus(a: CrossAccount, marks: dict[str, float]) -> float:
    return a.equity(marks) - a.maintenance_margin(marks)


def richer(a: CrossAccount, by: float) -> CrossAccount:
    return CrossAccount(wallet_quote=a.wallet_quote + by, positions=a.positions, tiers=a.tiers)


@given(case=accounts())
def test_liquidation_price_when_it_exists_then_equity_equals_the_margin_there(
    case: tuple[CrossAccount, dict[str, float]],
) -> None:
    a, marks = case
    for p in a.positions:
        at = a.liquidation_price(p.pair, marks)
        if at is None:
            # The same verdict at every price: only a long can be safe, only a short ruined.
            for anywhere in (1e-9, 1.0, 1e6):
                dead = a.is_liquidated({**marks, p.pair: anywhere})
                assert dead == (p.amount_base < 0)
        else:
            scale = a.wallet_quote + a.gross_notional({**marks, p.pair: at}) + 1e5
            assert surplus(a, {**marks, p.pair: at}) == pytest.approx(0, abs=1e-10 * scale)


@given(loss=st.floats(100, 5_000))
def test_liquidation_price_when_freqtrades_meets_the_same_test_then_it_fails_it(
    loss: float,
) -> None:
    # The control: with a losing short beside the long its number is never a root.
    marks = {BTC: 50_000.0, LTC: 80 + loss / 250}
    a = account(10_000, (BTC, 1, 50_000), (LTC, -250, 80), tiers=REAL)
    legs = {BTC: (1.0, 50_000.0, 10_000.0), LTC: (-250.0, 80.0, 4_000.0)}
    theirs = freqtrade_price(BTC, legs, marks, 10_000)
    ours = a.liquidation_price(BTC, marks)
    assert ours is not None
    assert abs(surplus(a, {**marks, BTC: ours})) < 1e-6
    # Twice the loss, less what its stake-based tier asks for too much or too little (< 150).
    assert surplus(a, {**marks, BTC: theirs}) == pytest.approx(-2 * loss, abs=150)
    assert theirs < ours


@given(case=accounts())
def test_distance_when_finite_then_equity_equals_the_margin_after_that_move(
    case: tuple[CrossAccount, dict[str, float]],
) -> None:
    a, marks = case
    x = a.distance_to_liquidation_frac(marks)
    assume(0 < x < math.inf)

    def after(move: float) -> dict[str, float]:
        sign = {p.pair: math.copysign(1, p.amount_base) for p in a.positions}
        return {k: max(m * (1 - sign[k] * move), 1e-12) for k, m in marks.items()}

    scale = a.wallet_quote + a.gross_notional(after(x)) + 1e5
    assert surplus(a, after(x)) == pytest.approx(0, abs=1e-10 * scale)
    assert not a.is_liquidated(after(0.999 * x))
    assert x <= min(a.distance_to_liquidation_frac(marks, p.pair) for p in a.positions) * (1 + 1e-9)


@given(case=accounts())
def test_distance_when_zero_then_exactly_the_liquidated_accounts(
    case: tuple[CrossAccount, dict[str, float]],
) -> None:
    a, marks = case
    assume(abs(surplus(a, marks)) > 1e-6)
    assert (a.distance_to_liquidation_frac(marks) == 0) == a.is_liquidated(marks)


@given(case=accounts(), by=st.floats(0, 1e5))
def test_liquidation_when_wallet_is_added_then_it_is_never_nearer(
    case: tuple[CrossAccount, dict[str, float]], by: float
) -> None:
    a, marks = case
    rich = richer(a, by)
    assert rich.distance_to_liquidation_frac(marks) >= a.distance_to_liquidation_frac(marks) - 1e-9
    for p in a.positions:
        before, now = (x.liquidation_price(p.pair, marks) for x in (a, rich))
        if p.amount_base > 0:
            assert (now or 0.0) <= (before or 0.0) + 1e-6
        else:
            assert (now or 0.0) >= (before or 0.0) - 1e-6


@given(long=st.floats(0.1, 100), short=st.floats(0.1, 100), entry=price, w=wallet, a=price, b=price)
def test_liquidation_price_when_the_hedge_gains_then_it_never_rises(
    long: float, short: float, entry: float, w: float, a: float, b: float
) -> None:
    hedged = account(w, ("A", long, 100.0), ("B", -short, entry), tiers=STEEP_TIERS)
    low, high = sorted((a, b))  # the short gains as B falls from high to low
    gained, before = (
        hedged.liquidation_price("A", {"A": 100.0, "B": mark}) for mark in (low, high)
    )
    assert (gained or 0.0) <= (before or 0.0) + 1e-9


def test_distance_when_half_of_a_position_is_margin_then_it_is_found_to_the_last_digit() -> None:
    tier = MarginTier(floor_quote=0, cap_quote=1e6, maintenance_rate_frac=0.5,
                      maintenance_amount_quote=0, max_leverage=1)  # fmt: skip
    tiers = [MarginTiers("X", (tier,))]
    found = uniform_distance(np.array([700.0]), np.array([[1000.0]]), tiers)
    assert found == pytest.approx([0.4], rel=1e-12)  # 700 - 1000 x = 500 (1 - x)

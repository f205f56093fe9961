"""Wallet, funding, liquidation and auto-deleveraging, computed by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from models.base.units import HOUR_MS
from strategies.desk.loopback import wallet
from strategies.desk.loopback.account import Customer, OpenPosition
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import ManualClock
from tests.test_strategies.desk.loopback.conftest import NOON_MS, Desk


def test_position_when_added_to_then_its_entry_is_the_average() -> None:
    held = OpenPosition()
    assert held.fill(Decimal(1), Decimal(100)) == 0
    assert held.fill(Decimal(3), Decimal(120)) == 0
    assert (held.amount, held.entry) == (4, 115)


@pytest.mark.parametrize(("side", "profit"), [(1, 20), (-1, -20)])
def test_position_when_turned_around_then_profit_is_booked_and_entry_is_new(side, profit) -> None:
    held = OpenPosition(amount=Decimal(2 * side), entry=Decimal(100))
    assert held.fill(Decimal(-5 * side), Decimal(110)) == profit
    assert (held.amount, held.entry) == (-3 * side, 110)


def test_funding_when_due_then_longs_pay_and_shorts_receive(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "1")
    desk.market("SELL", "10", "ETHUSDT")
    before = account.wallet
    clock.set(NOON_MS + 4 * HOUR_MS - 1)
    venue.advance()
    assert account.wallet == before
    clock.advance(1)  # 16:00
    venue.advance()
    # BTC long: 50,000 * 0.0001 paid; ETH short at a negative rate: 20,000 * 0.0002 paid.
    assert account.wallet - before == Decimal("-9")
    clock.advance(8 * HOUR_MS)
    venue.advance()
    assert account.wallet - before == Decimal("-18")
    booked = [(r["symbol"], float(r["income"])) for r in account.income[-4:]]
    assert booked == [("BTCUSDT", -5), ("ETHUSDT", -4)] * 2
    assert [r["time"] for r in account.income[-4::2]] == [
        NOON_MS + 4 * HOUR_MS,
        NOON_MS + 12 * HOUR_MS,
    ]


def test_funding_when_the_position_opens_at_that_very_instant_then_it_pays_nothing(
    desk: Desk, account: Customer, clock: ManualClock
) -> None:
    clock.set(NOON_MS + 4 * HOUR_MS)
    desk.market("BUY", "1")
    clock.advance(1)
    desk.venue.advance()
    assert "FUNDING_FEE" not in {row["incomeType"] for row in account.income}


def test_balance_when_the_mark_moves_then_equity_follows_it(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.leverage(10)
    desk.market("BUY", "1")
    venue.move("BTCUSDT", 51_000.0)
    clock.advance(1)
    venue.advance()
    info = wallet.account_info(venue, account, {})
    assert float(info["totalWalletBalance"]) == 9_975
    assert float(info["totalUnrealizedProfit"]) == 1_000
    assert float(info["totalMarginBalance"]) == 10_975
    assert float(info["totalInitialMargin"]) == 5_100
    assert float(info["availableBalance"]) == 5_875
    assert float(info["totalMaintMargin"]) == pytest.approx(204)  # 0.4 % of 51,000


def test_liquidation_when_equity_meets_maintenance_then_it_happens_at_that_price(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "1")  # wallet 9,975
    # 9,975 + p - 50,000 = 0.004 p  ->  p = 40,025 / 0.996 = 40,185.74
    risk = wallet.position_risk(venue, account, {})[0]
    assert float(risk["liquidationPrice"]) == pytest.approx(40_185.7429, abs=1e-3)
    stop = desk.stop("SELL", "30000")
    venue.move("BTCUSDT", 40_000.0, over_ms=100_000)  # 0.1 a millisecond
    clock.advance(98_142)
    venue.advance()
    assert account.open_positions() != {}
    clock.advance(1)  # 40,185.7
    venue.advance()
    assert account.open_positions() == {}
    closing = list(account.orders.values())[-1]
    assert closing.client_id.startswith("autoclose-")
    assert float(closing.price) == pytest.approx(40_185.7)
    # 9,975 - 9,814.3 of loss leave 160.7: less than the fee of 1.25 % (502.32), so nothing is left.
    assert account.wallet == 0
    assert desk.algo(stop)["algoStatus"] == "CANCELED"


def test_liquidation_when_other_legs_gain_then_they_count(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "1")
    desk.market("SELL", "25", "ETHUSDT")
    venue.move("BTCUSDT", 39_000.0)  # -11,000: alone it would be gone
    venue.move("ETHUSDT", 1_900.0)  # +2,500
    clock.advance(1)
    venue.advance()
    assert set(account.open_positions()) == {"BTCUSDT", "ETHUSDT"}
    venue.move("ETHUSDT", 2_000.0)
    clock.advance(1)
    venue.advance()
    assert account.open_positions() == {}


def test_liquidation_when_only_the_contract_price_falls_then_the_mark_protects(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "1")
    venue.market.freeze_mark("BTCUSDT", NOON_MS, NOON_MS + HOUR_MS)
    venue.move("BTCUSDT", 30_000.0)
    clock.advance(HOUR_MS - 1)
    venue.advance()
    assert account.open_positions() != {}
    clock.advance(1)  # the mark is free again
    venue.advance()
    assert account.open_positions() == {}


def test_deleverage_when_scripted_then_part_of_the_position_goes_without_a_fee(
    desk: Desk, venue: LoopbackVenue, account: Customer
) -> None:
    desk.market("SELL", "1")
    before = account.wallet
    venue.deleverage(account, "BTCUSDT", Decimal("0.4"), Decimal(49_000))
    assert account.position("BTCUSDT").amount == Decimal("-0.6")
    assert account.wallet - before == 400
    assert list(account.orders.values())[-1].client_id.startswith("adl_autoclose-")
    with pytest.raises(ValueError, match="up to the position"):
        venue.deleverage(account, "BTCUSDT", Decimal(1), Decimal(49_000))


def test_leverage_when_beyond_the_bracket_then_size_or_leverage_is_refused(desk: Desk) -> None:
    with pytest.raises(ApiError, match="-4028"):
        desk.leverage(151)
    desk.leverage(150)  # up to 300,000 of notional
    desk.market("BUY", "5.9")
    with pytest.raises(ApiError, match="-2027"):
        desk.market("BUY", "0.2")


def test_margin_type_when_already_cross_then_the_exchange_says_so(
    venue: LoopbackVenue, account: Customer
) -> None:
    with pytest.raises(ApiError, match="-4046"):
        wallet.set_margin_type(venue, account, {"symbol": "BTCUSDT", "marginType": "CROSSED"})


def test_settings_when_a_coin_may_be_levered_less_than_everyone_starts_with_then_it_is_told_so(
    venue: LoopbackVenue, account: Customer
) -> None:
    tiers = venue.tiers["BTCUSDT"]
    low = tuple(replace(tier, max_leverage=min(tier.max_leverage, 10.0)) for tier in tiers.tiers)
    venue.tiers = {**venue.tiers, "BTCUSDT": replace(tiers, tiers=low)}
    told = {one["symbol"]: one for one in wallet.symbol_config(venue, account, {})}
    most = max(tier.cap_quote for tier in low if tier.max_leverage == 10.0)
    assert told["BTCUSDT"]["maxNotionalValue"] == str(int(most))
    assert int(told["ETHUSDT"]["maxNotionalValue"]) > 0

"""Stops and take-profits: triggers, the order they place, and what refuses them."""

from __future__ import annotations

import pytest

from models.base.units import HOUR_MS
from strategies.desk.loopback import trading
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import ManualClock
from tests.test_strategies.desk.loopback.conftest import NOON_MS, Desk


def test_stop_when_the_price_passes_it_then_it_sells_at_that_moment(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "0.1")
    stop = desk.stop("SELL", "49000", reduceOnly="true")
    venue.move("BTCUSDT", 48_000.0, over_ms=2_000)
    clock.advance(999)
    assert desk.algo(stop)["algoStatus"] == "NEW"
    clock.advance(1_001)  # long after the trigger; the fill is at the trigger all the same
    done = desk.algo(stop)
    assert (done["algoStatus"], done["triggerTime"]) == ("FINISHED", NOON_MS + 1_000)
    actual = account.orders[int(done["actualOrderId"])]
    assert (actual.status, actual.quote / actual.filled) == ("FILLED", 49_000)
    assert account.position("BTCUSDT").amount == 0
    assert not account.trades[-1]["maker"]


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "to"),
    [
        ("STOP_MARKET", "SELL", "49000", 48_900.0),
        ("STOP_MARKET", "BUY", "51000", 51_100.0),
        ("TAKE_PROFIT_MARKET", "SELL", "51000", 51_100.0),
        ("TAKE_PROFIT_MARKET", "BUY", "49000", 48_900.0),
    ],
)
def test_algo_order_when_triggered_then_on_the_side_its_type_says(
    desk: Desk, venue: LoopbackVenue, clock: ManualClock, kind, side, trigger, to
) -> None:
    algo = desk.stop(side, trigger, type=kind)
    venue.move("BTCUSDT", 50_000.0 - (to - 50_000.0) / 2)  # the other way: nothing
    clock.advance(1)
    assert desk.algo(algo)["algoStatus"] == "NEW"
    venue.move("BTCUSDT", to)
    clock.advance(1)
    assert desk.algo(algo)["algoStatus"] == "FINISHED"


def test_stop_when_on_the_mark_then_the_contract_price_does_not_trigger_it(
    desk: Desk, venue: LoopbackVenue, clock: ManualClock
) -> None:
    on_mark = desk.stop("SELL", "49000", workingType="MARK_PRICE")
    on_contract = desk.stop("SELL", "49000")
    venue.market.freeze_mark("BTCUSDT", NOON_MS, NOON_MS + HOUR_MS)
    venue.move("BTCUSDT", 48_000.0)
    clock.advance(60_000)
    assert desk.algo(on_contract)["algoStatus"] == "FINISHED"
    assert desk.algo(on_mark)["algoStatus"] == "NEW"


def test_stop_limit_when_triggered_then_a_limit_order_rests(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    algo = desk.stop("SELL", "49000", type="STOP", price="49500")
    venue.move("BTCUSDT", 48_000.0)
    clock.advance(1)
    triggered = desk.algo(algo)
    assert triggered["algoStatus"] == "TRIGGERED"
    placed = account.orders[int(triggered["actualOrderId"])]
    assert (placed.type, placed.status, placed.price) == ("LIMIT", "NEW", 49_500)


def test_reduce_only_stop_when_the_position_is_gone_then_it_is_rejected_at_its_trigger(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "0.1")
    stop = desk.stop("SELL", "49000", reduceOnly="true")
    desk.market("SELL", "0.1")
    assert desk.algo(stop)["algoStatus"] == "NEW"
    venue.move("BTCUSDT", 48_000.0)
    clock.advance(1)
    assert desk.algo(stop)["algoStatus"] == "REJECTED"
    assert account.open_positions() == {}


def test_close_position_stop_when_triggered_then_it_closes_all_and_without_one_it_expires(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    desk.market("BUY", "0.3")
    whole = desk.stop("SELL", "49000", closePosition="true", quantity="")
    venue.move("BTCUSDT", 48_900.0)
    clock.advance(1)
    assert desk.algo(whole)["algoStatus"] == "FINISHED"
    assert account.open_positions() == {}
    desk.market("BUY", "0.3")
    other = desk.stop("SELL", "40000", closePosition="true", quantity="")
    desk.market("SELL", "0.3")
    assert desk.algo(other)["algoStatus"] == "EXPIRED"


def test_stop_when_cancelled_then_nothing_triggers(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    stop = desk.stop("SELL", "49000")
    answer = trading.cancel_algo_order(venue, account, {"algoId": str(stop["algoId"])})
    assert (answer["code"], answer["msg"]) == ("200", "success")
    assert trading.open_algo_orders(venue, account, {}) == []
    venue.move("BTCUSDT", 48_000.0)
    clock.advance(1)
    assert desk.algo(stop)["algoStatus"] == "CANCELED"
    assert account.orders == {}
    with pytest.raises(ApiError, match="-2011"):
        trading.cancel_algo_order(venue, account, {"algoId": str(stop["algoId"])})


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"triggerPrice": "51000"}, -2021),
        ({"triggerPrice": "49000.05"}, -4014),
        ({"type": "TRAILING_STOP_MARKET"}, -1116),
        ({"quantity": "0.0001"}, -1111),
        ({"algoType": "VP"}, -1102),
        ({"workingType": "INDEX"}, -1102),
        ({"type": "STOP"}, -1102),  # without a price
        ({"quantity": "0.001"}, -4164),
    ],
)
def test_algo_order_when_a_rule_is_broken_then_the_exchanges_code_says_which(
    venue: LoopbackVenue, account: Customer, more, code
) -> None:
    request = {
        "symbol": "BTCUSDT", "side": "SELL", "algoType": "CONDITIONAL", "type": "STOP_MARKET",
        "quantity": "0.1", "triggerPrice": "49000", **more,
    }  # fmt: skip
    with pytest.raises(ApiError) as caught:
        trading.place_algo_order(venue, account, request)
    assert caught.value.code == code


def test_algo_orders_when_too_many_wait_then_the_next_is_refused(desk: Desk) -> None:
    for n in range(10):
        desk.stop("SELL", str(49_000 - n))
    with pytest.raises(ApiError, match="-4045"):
        desk.stop("SELL", "48000")

"""Orders against the book: every number is computed by hand from the levels in conftest.

Buyers meet 2.000 BTC at 50,000, 1.998 at 50,050 and 1.996 at 50,100; sellers 2.000 at 50,000 and
2.002 at 49,950.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from strategies.desk.loopback import trading
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.errors import ApiError
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.clock import ManualClock
from tests.test_strategies.desk.loopback.conftest import Desk


def numbers(order: dict[str, Any]) -> tuple[float, float]:
    """Return average price and executed quantity."""
    return float(order["avgPrice"]), float(order["executedQty"])


def test_market_order_when_it_fits_the_best_level_then_it_pays_the_taker_fee(
    desk: Desk, account: Customer
) -> None:
    order = desk.market("BUY", "1")
    assert (order["status"], *numbers(order)) == ("FILLED", 50_000, 1)
    assert account.wallet == Decimal("9975")  # 10,000 - 50,000 * 0.0005
    assert account.position("BTCUSDT").amount == 1


def test_market_order_when_only_an_ack_is_asked_for_then_its_fill_is_told_when_queried(
    desk: Desk, venue: LoopbackVenue, account: Customer
) -> None:
    order = desk.market("BUY", "1", newOrderRespType="ACK")
    assert (order["status"], *numbers(order)) == ("NEW", 0, 0)
    assert account.position("BTCUSDT").amount == 1
    queried = trading.get_order(
        venue, account, {"symbol": "BTCUSDT", "orderId": str(order["orderId"])}
    )
    assert (queried["status"], *numbers(queried)) == ("FILLED", 50_000, 1)


def test_market_order_when_larger_than_a_level_then_it_walks_the_book(
    desk: Desk, account: Customer
) -> None:
    desk.leverage(75)
    order = desk.market("BUY", "3")
    assert float(order["cumQuote"]) == 150_050  # 2 * 50,000 + 1 * 50,050
    fills = [(float(t["price"]), float(t["qty"])) for t in account.trades]
    assert fills == [(50_000, 2), (50_050, 1)]
    assert float(account.trades[1]["commission"]) == 25.025
    assert account.position("BTCUSDT").entry == Decimal(150_050) / 3


def test_levels_when_taken_then_they_are_whole_again_after_the_refill_time(
    desk: Desk, clock: ManualClock
) -> None:
    desk.leverage(75)
    desk.market("BUY", "2")
    assert numbers(desk.market("BUY", "0.1")) == (50_050, 0.1)
    clock.advance(1_000)
    assert numbers(desk.market("BUY", "0.1")) == (50_000, 0.1)


def test_limit_order_when_away_from_the_market_then_it_rests_and_fills_as_maker(
    desk: Desk, venue: LoopbackVenue, account: Customer, clock: ManualClock
) -> None:
    order = desk.limit("BUY", "1", "49000")
    assert order["status"] == "NEW"
    venue.move("BTCUSDT", 48_000.0, over_ms=10_000)
    clock.advance(4_999)  # 49,000.2
    assert desk.order(order)["status"] == "NEW"
    clock.advance(5_001)
    done = desk.order(order)
    assert (done["status"], *numbers(done)) == ("FILLED", 49_000, 1)
    assert account.trades[0]["maker"]
    assert account.trades[0]["time"] - order["time"] == 5_000  # half way
    assert account.wallet == Decimal("9990.2")  # 10,000 - 49,000 * 0.0002


def test_limit_order_when_larger_than_the_book_then_it_fills_in_parts(
    desk: Desk, clock: ManualClock, account: Customer
) -> None:
    desk.leverage(75)
    order = desk.limit("BUY", "5", "50000")
    assert (order["status"], *numbers(order)) == ("PARTIALLY_FILLED", 50_000, 2)
    clock.advance(999)
    assert numbers(desk.order(order)) == (50_000, 2)
    clock.advance(1)
    assert numbers(desk.order(order)) == (50_000, 4)
    clock.advance(1_000)
    assert desk.order(order)["status"] == "FILLED"
    assert [t["maker"] for t in account.trades] == [False, True, True]


def test_ioc_when_the_book_is_short_then_the_rest_expires(desk: Desk) -> None:
    desk.leverage(75)
    order = desk.limit("BUY", "3", "50000", timeInForce="IOC")
    assert (order["status"], *numbers(order)) == ("EXPIRED", 50_000, 2)


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "price", "code"),
    [("FOK", "3", "50000", -5021), ("GTX", "0.1", "50000", -5022)],
)
def test_time_in_force_when_it_cannot_be_kept_then_nothing_is_left(
    desk: Desk, account: Customer, time_in_force, quantity, price, code
) -> None:
    desk.leverage(75)
    with pytest.raises(ApiError) as caught:
        desk.limit("BUY", quantity, price, timeInForce=time_in_force)
    assert caught.value.code == code
    assert account.orders == {}
    assert account.position("BTCUSDT").amount == 0


def test_post_only_when_it_does_not_cross_then_it_rests(desk: Desk) -> None:
    assert desk.limit("BUY", "0.1", "49999.9", timeInForce="GTX")["status"] == "NEW"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "1001"}, -4005),
        ({"quantity": "0.001", "price": "50000"}, -4164),  # 50 USDT, 100 is the least
        ({"price": "50000.05"}, -4014),
        ({"price": "50000.005"}, -1111),
        ({"price": "1"}, -1013),
        ({"price": "-1"}, -4001),
        ({"price": "x"}, -1102),
        ({"side": "HOLD"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"type": "STOP_MARKET"}, -4120),
        ({"symbol": "DOGEUSDT"}, -1121),
        ({"timeInForce": "NOW"}, -1115),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "sp ace"}, -4015),
        ({"quantity": "5"}, -2019),
    ],
)
def test_order_when_a_rule_is_broken_then_the_exchanges_code_says_which(
    venue: LoopbackVenue, account: Customer, request_, code
) -> None:
    request = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.1", "price": "49000", **request_,
    }  # fmt: skip
    with pytest.raises(ApiError) as caught:
        trading.place_order(venue, account, request)
    assert caught.value.code == code
    assert account.orders == {}


@pytest.mark.parametrize("missing", ["symbol", "side", "type", "timeInForce", "quantity", "price"])
def test_order_when_a_parameter_is_missing_then_it_is_refused(
    venue: LoopbackVenue, account: Customer, missing: str
) -> None:
    request = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.1", "price": "49000",
    }  # fmt: skip
    trading.place_order(venue, account, request)
    del request[missing]
    with pytest.raises(ApiError) as caught:
        trading.place_order(venue, account, request)
    assert caught.value.code in (-1102, -1116, -1121)


def test_client_order_id_when_open_already_then_it_is_refused_and_free_again_afterwards(
    desk: Desk, venue: LoopbackVenue, account: Customer
) -> None:
    placed = desk.limit("BUY", "0.1", "49000", newClientOrderId="mine")
    with pytest.raises(ApiError, match="-4116"):
        desk.limit("BUY", "0.1", "48000", newClientOrderId="mine")
    named = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}
    assert trading.get_order(venue, account, named)["orderId"] == placed["orderId"]
    assert trading.cancel_order(venue, account, named)["status"] == "CANCELED"
    assert desk.limit("BUY", "0.1", "48000", newClientOrderId="mine")["status"] == "NEW"


def test_cancel_and_query_when_there_is_no_such_order_then_codes_differ(
    venue: LoopbackVenue, account: Customer, desk: Desk
) -> None:
    nobody = {"symbol": "BTCUSDT", "orderId": "99"}
    with pytest.raises(ApiError, match="-2011"):
        trading.cancel_order(venue, account, nobody)
    with pytest.raises(ApiError, match="-2013"):
        trading.get_order(venue, account, nobody)
    filled = desk.market("BUY", "0.1")
    with pytest.raises(ApiError, match="-2011"):
        trading.cancel_order(venue, account, {**nobody, "orderId": str(filled["orderId"])})


def test_reduce_only_when_nothing_to_reduce_then_it_is_refused(desk: Desk) -> None:
    with pytest.raises(ApiError, match="-2022"):
        desk.market("SELL", "0.1", reduceOnly="true")
    desk.market("BUY", "0.1")
    with pytest.raises(ApiError, match="-2022"):
        desk.market("BUY", "0.1", reduceOnly="true")


def test_reduce_only_when_larger_than_the_position_then_it_never_turns_it_around(
    desk: Desk, account: Customer
) -> None:
    desk.market("BUY", "0.1")
    order = desk.market("SELL", "0.5", reduceOnly="true")
    assert (order["status"], *numbers(order)) == ("EXPIRED", 50_000, 0.1)
    assert account.position("BTCUSDT").amount == 0


def test_resting_reduce_only_when_the_position_closes_then_it_expires(desk: Desk) -> None:
    desk.market("BUY", "0.1")
    resting = desk.limit("SELL", "0.1", "51000", reduceOnly="true")
    desk.market("SELL", "0.1")
    assert desk.order(resting)["status"] == "EXPIRED"


def test_reduce_only_when_small_then_the_least_notional_does_not_matter(desk: Desk) -> None:
    desk.market("BUY", "0.003")
    assert desk.market("SELL", "0.001", reduceOnly="true")["status"] == "FILLED"


def test_margin_when_an_order_only_closes_then_it_binds_nothing(desk: Desk) -> None:
    desk.market("BUY", "3")  # 7,500 of initial margin at 20x
    assert desk.market("SELL", "3")["status"] == "FILLED"


def test_open_orders_when_they_bind_the_wallet_then_the_next_is_refused(desk: Desk) -> None:
    desk.limit("BUY", "3", "49000")  # 147,000 / 20 = 7,350
    with pytest.raises(ApiError, match="-2019"):
        desk.limit("BUY", "1.1", "49000")  # 2,695 more
    desk.limit("SELL", "2.9", "51000")  # the smaller side needs nothing of its own


def test_two_customers_when_one_trades_then_the_other_is_untouched(
    desk: Desk, venue: LoopbackVenue, account: Customer
) -> None:
    other = Desk(venue, venue.open_account("b-key", "b-secret"))
    placed = desk.limit("BUY", "0.1", "49000")
    other.market("SELL", "0.2")
    assert account.position("BTCUSDT").amount == 0
    assert other.account.position("BTCUSDT").amount == Decimal("-0.2")
    with pytest.raises(ApiError, match="-2013"):
        other.order(placed)

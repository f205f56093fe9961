"""Exits that were executed and never answered, given back to their trade."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freqtrade.persistence import Order, Trade, init_db

from strategies.guard.adoption import adopt_exits, adopt_forced

PAIR = "BTC/USDT:USDT"
OPENED = datetime(2026, 1, 5, 12, tzinfo=UTC)
ASKED_MS = round(OPENED.timestamp() * 1000) + 3_600_000


@pytest.fixture
def trade() -> Iterator[Trade]:
    """A long of 1, open for an hour, in a database of its own."""
    init_db("sqlite://")
    entry = Order(
        order_id="1", ft_order_side="buy", ft_pair=PAIR, ft_amount=1.0, ft_price=100.0,
        ft_is_open=False, status="closed", side="buy", amount=1.0, filled=1.0, average=100.0,
        order_filled_date=OPENED,
    )  # fmt: skip
    made = Trade(
        pair=PAIR, exchange="binance", stake_amount=50.0, amount=1.0, open_rate=100.0,
        fee_open=0.0, fee_close=0.0, open_date=OPENED, is_open=True, leverage=2.0,
    )  # fmt: skip
    made.orders.append(entry)
    Trade.session.add(made)
    Trade.commit()
    yield made
    Trade.session.remove()


def sell(order_id: str, filled: float, after_s: float = 0.1, **changes: Any) -> dict[str, Any]:
    """Return an order as ccxt tells it, executed `after_s` after it was let through."""
    return {
        "id": order_id, "symbol": PAIR, "side": "sell", "status": "closed", "type": "market",
        "amount": filled, "filled": filled, "average": 101.0, "price": 101.0, "remaining": 0.0,
        "timestamp": ASKED_MS + round(1000 * after_s), **changes,
    }  # fmt: skip


class Exchange:
    """Answers its orders."""

    def __init__(self, *orders: dict[str, Any]) -> None:
        self.orders = list(orders)
        self.since: datetime | None = None

    def fetch_orders(self, pair: str, since: datetime) -> list[dict[str, Any]]:
        self.since = since
        return self.orders


def test_exit_when_its_answer_was_lost_then_the_trade_gets_it_as_an_open_order(
    trade: Trade,
) -> None:
    exchange = Exchange(sell("2", 0.4))
    (said,) = adopt_exits(trade, exchange, ASKED_MS, missing=0.4)
    assert said == f"{PAIR}: the answer to an exit of 0.4 was lost"
    (found,) = trade.open_orders  # so Freqtrade asks after it, and books it
    assert (found.order_id, found.ft_order_side, found.filled) == ("2", "sell", 0.4)
    assert exchange.since is not None
    assert exchange.since >= OPENED
    assert adopt_exits(trade, exchange, ASKED_MS, missing=0.4) == []  # it is known now


def test_exit_when_it_was_executed_in_two_orders_then_both_are_found(trade: Trade) -> None:
    assert len(adopt_exits(trade, Exchange(sell("2", 0.1), sell("3", 0.3)), ASKED_MS, 0.4)) == 2


@pytest.mark.parametrize("after_s", [-60.0, 60.0])
def test_exit_when_it_was_executed_within_a_minute_of_being_let_through_then_it_is_the_bots(
    trade: Trade, after_s: float
) -> None:
    exchange = Exchange(sell("2", 0.4, after_s=after_s))
    assert len(adopt_exits(trade, exchange, ASKED_MS, missing=0.4)) == 1
    assert exchange.since == OPENED + timedelta(minutes=59)


def test_exit_when_nothing_is_known_to_be_filled_then_the_trades_opening_counts(
    trade: Trade,
) -> None:
    trade.orders.clear()
    trade.open_date = OPENED + timedelta(minutes=59, seconds=30)
    exchange = Exchange(sell("2", 0.4, after_s=-30.0), sell("3", 0.4, after_s=-30.001))
    assert len(adopt_exits(trade, exchange, ASKED_MS, missing=0.4)) == 1
    assert exchange.since == trade.open_date_utc


@pytest.mark.parametrize(("filled", "adopted"), [(0.4 * (1 + 0.9e-6), 1), (0.4 * (1 + 1.2e-6), 0)])
def test_exit_when_it_is_off_by_a_millionth_then_it_explains_what_is_missing_and_no_further(
    trade: Trade, filled: float, adopted: int
) -> None:
    assert len(adopt_exits(trade, Exchange(sell("2", filled)), ASKED_MS, 0.4)) == adopted


def test_exit_when_an_unfilled_one_lies_beside_it_then_only_the_filled_one_is_given_back(
    trade: Trade,
) -> None:
    orders = (sell("2", 0.0), sell("3", 0.4), {**sell("4", 0.4), "filled": None})
    assert len(adopt_exits(trade, Exchange(*orders), ASKED_MS, missing=0.4)) == 1
    assert [order.order_id for order in trade.open_orders] == ["3"]


@pytest.mark.parametrize(
    "order",
    [
        sell("2", 0.3),  # does not explain what is missing
        sell("1", 0.4),  # known
        sell("2", 0.4, side="buy"),
        sell("2", 0.0),
        sell("2", 0.4, after_s=60.001),  # a person's, later
        sell("2", 0.4, after_s=-60.001),
        sell("2", 0.4, timestamp=None),
    ],
    ids=["amount", "known", "side", "unfilled", "later", "earlier", "no time"],
)
def test_order_when_it_is_not_the_lost_exit_then_the_difference_stays_for_a_person(
    trade: Trade, order: dict[str, Any]
) -> None:
    assert adopt_exits(trade, Exchange(order), ASKED_MS, missing=0.4) == []
    assert trade.open_orders == []
    assert trade.exit_reason is None


def test_order_when_it_was_executed_before_the_trades_last_fill_then_it_is_another_trades(
    trade: Trade,
) -> None:
    trade.orders[0].order_filled_date = OPENED + timedelta(hours=1)
    assert adopt_exits(trade, Exchange(sell("2", 0.4, after_s=-1)), ASKED_MS, 0.4) == []


# -- what the exchange closed by itself -----------------------------------------------------------


def forced(order_id: str, filled: float, **changes: Any) -> dict[str, Any]:
    return sell(order_id, filled, after_s=600.0, **{"clientOrderId": "autoclose-7"} | changes)


@pytest.mark.parametrize("begin", ["autoclose-1", "adl_autoclose-1", "settlement_autoclose-1"])
def test_position_when_the_exchange_closed_it_then_the_trade_hears_of_it(
    trade: Trade, begin: str
) -> None:
    exchange = Exchange(forced("2", 1.0, clientOrderId=begin), sell("3", 0.5))
    (said,) = adopt_forced(trade, exchange, missing=1.0)
    assert said == f"{PAIR}: 1 was closed by the exchange itself"
    assert [order.order_id for order in trade.open_orders] == ["2"]
    assert trade.exit_reason == "liquidation"
    assert exchange.since == OPENED


def test_position_when_the_exchange_closed_it_then_it_is_asked_from_the_trades_last_fill_on(
    trade: Trade,
) -> None:
    trade.orders[0].order_filled_date = OPENED + timedelta(minutes=30)
    exchange = Exchange()
    adopt_forced(trade, exchange, missing=1.0)
    assert exchange.since == OPENED + timedelta(minutes=30)  # an earlier one is another fill's
    trade.orders.clear()
    adopt_forced(trade, exchange, missing=1.0)
    assert exchange.since == OPENED


@pytest.mark.parametrize(
    "order",
    [
        forced("2", 0.3),
        forced("1", 0.4),
        forced("2", 0.4, side="buy"),
        forced("2", 0.4, clientOrderId="web_autoclose-"),
        forced("2", 0.4, clientOrderId=None),
        {**forced("2", 0.4), "filled": None},
    ],
    ids=["amount", "known", "side", "a person's", "nobody's", "unfilled"],
)
def test_position_when_that_is_not_what_the_exchange_closed_then_the_difference_stays(
    trade: Trade, order: dict[str, Any]
) -> None:
    assert adopt_forced(trade, Exchange(order), missing=0.4) == []
    assert trade.open_orders == []

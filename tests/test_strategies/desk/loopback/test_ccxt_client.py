"""The real ccxt client, unchanged but for its addresses, trades on the loopback exchange."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import ccxt
import pytest

from models.base.files import wall_clock_ms
from models.base.units import HOUR_MS
from strategies.desk.loopback.account import Customer
from strategies.desk.loopback.replay import ReplayedMarket, scripted_feed
from strategies.desk.loopback.venue import LoopbackVenue
from tests.exchange.client import trading_client
from tests.exchange.faults import Answer, ClockSkew, Drop
from tests.exchange.server import running_exchange
from tests.exchange.state import ExchangeState
from tests.test_strategies.desk.loopback.conftest import KEY, SECRET

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@pytest.fixture
def state() -> ExchangeState:
    """An exchange on the machine's time, which is the one ccxt signs with."""
    now = wall_clock_ms()
    feeds = {
        "BTCUSDT": scripted_feed(50_000.0, now, funding_rate=0.0001),
        "ETHUSDT": scripted_feed(2_000.0, now),
    }
    return ExchangeState(
        venue=LoopbackVenue(market=ReplayedMarket(feeds=feeds), clock=wall_clock_ms)
    )


@pytest.fixture
def venue(state: ExchangeState) -> LoopbackVenue:
    assert state.venue is not None
    return state.venue


@pytest.fixture
def account(venue: LoopbackVenue) -> Customer:
    return venue.open_account(KEY, SECRET)


@pytest.fixture
def client(state: ExchangeState, account: Customer) -> Iterator[ccxt.binanceusdm]:
    with running_exchange(state, tls=True) as url:
        yield trading_client(url, KEY, SECRET)
    assert state.unknown == []


def test_market_data_when_fetched_then_ccxt_understands_it(client: ccxt.binanceusdm) -> None:
    rows = client.fetch_ohlcv(BTC, "1m", limit=3)
    assert [row[1:5] for row in rows] == [[50_000] * 4] * 3
    assert rows[-1][0] == client.milliseconds() // 60_000 * 60_000
    since = rows[-1][0] // HOUR_MS * HOUR_MS - 5 * HOUR_MS
    marks = client.fetch_ohlcv(BTC, "1h", since=since, params={"price": "mark"})
    assert [row[0] for row in marks] == [since + n * HOUR_MS for n in range(6)]
    book = client.fetch_order_book(BTC, 5)
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < 50_000 < book["asks"][0][0]
    assert client.fetch_funding_rate(BTC)["fundingRate"] == 0.0001
    assert len(client.fetch_funding_rate_history(BTC, limit=3)) == 3
    assert client.fetch_tickers([BTC])[BTC]["last"] == 50_000
    assert client.fetch_bids_asks([BTC, ETH])[ETH]["bid"] < 2_000
    assert client.fetch_open_interest(BTC)["openInterestAmount"] == 0
    assert client.fetch_leverage_tiers([BTC])[BTC][0]["maxLeverage"] == 150


def test_market_order_when_sent_then_position_balance_and_trades_agree(
    client: ccxt.binanceusdm,
) -> None:
    client.set_leverage(5, BTC)
    order = client.create_order(BTC, "market", "buy", 0.5)
    # Half a basis point above 50,000 is 50,002.5.
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.5, 50_002.5)
    [position] = client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["entryPrice"]) == (
        "long",
        0.5,
        50_002.5,
    )
    fee = 0.5 * 50_002.5 * 0.0005
    balance = client.fetch_balance()["USDT"]
    assert balance["total"] == pytest.approx(10_000 - fee - 0.5 * 2.5)
    assert balance["free"] == pytest.approx(balance["total"] - 25_000 / 5)
    [trade] = client.fetch_my_trades(BTC)
    assert trade["fee"] == {"currency": "USDT", "cost": pytest.approx(fee)}
    assert (trade["order"], trade["takerOrMaker"]) == (order["id"], "taker")


def test_limit_order_when_larger_than_the_book_then_ccxt_sees_it_fill_in_parts(
    client: ccxt.binanceusdm, account: Customer
) -> None:
    client.set_leverage(100, BTC)
    # The levels up to 50,010 are 50,002.5 and 50,007.5, of 250,000 USDT each: 4.999 + 4.999.
    order = client.create_order(BTC, "limit", "buy", 12.0, 50_010.0)
    assert (order["status"], order["filled"]) == ("open", 9.998)
    assert [o["id"] for o in client.fetch_open_orders(BTC)] == [order["id"]]
    cancelled = client.cancel_order(order["id"], BTC)
    assert (cancelled["status"], cancelled["filled"]) == ("canceled", order["filled"])
    assert client.fetch_open_orders(BTC) == []
    assert client.fetch_orders(BTC)[0]["status"] == "canceled"


def test_stop_when_hit_then_ccxt_finds_the_order_it_became(
    client: ccxt.binanceusdm, venue: LoopbackVenue
) -> None:
    client.create_order(BTC, "market", "buy", 0.1)
    stop = client.create_order(
        BTC, "market", "sell", 0.1, None, {"stopPrice": 49_000, "reduceOnly": True}
    )
    assert (stop["status"], stop["triggerPrice"]) == ("open", 49_000)
    assert len(client.fetch_open_orders(BTC, params={"stop": True})) == 1
    venue.move("BTCUSDT", 48_000.0, over_ms=1)
    hit = client.fetch_order(stop["id"], BTC, {"stop": True})
    while hit["status"] == "open":  # one millisecond of the machine's time
        hit = client.fetch_order(stop["id"], BTC, {"stop": True})
    assert hit["status"] == "closed"
    sold = client.fetch_order(hit["info"]["actualOrderId"], BTC)
    assert (sold["status"], sold["filled"], sold["side"]) == ("closed", 0.1, "sell")
    assert client.fetch_positions() == []


def test_stop_when_cancelled_then_it_is_gone(client: ccxt.binanceusdm) -> None:
    stop = client.create_order(BTC, "market", "sell", 0.1, None, {"stopPrice": 49_000})
    client.cancel_order(stop["id"], BTC, {"stop": True})
    assert client.fetch_order(stop["id"], BTC, {"stop": True})["status"] == "canceled"
    assert client.fetch_open_orders(BTC, params={"stop": True}) == []


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (("market", "buy", 50.0), ccxt.InsufficientFunds),
        (("market", "buy", 0.001), ccxt.InvalidOrder),  # 50 USDT, 100 is the least
        (("limit", "buy", 0.1, 50_010.0, {"postOnly": True}), ccxt.InvalidOrder),
        (("market", "sell", 0.1, None, {"reduceOnly": True}), ccxt.InvalidOrder),
        (("market", "buy", 0.1, None, {"stopPrice": 49_000}), ccxt.OrderImmediatelyFillable),
    ],
)
def test_order_when_refused_then_ccxt_raises_its_own_kind(
    client: ccxt.binanceusdm, account: Customer, order, error
) -> None:
    with pytest.raises(error):
        client.create_order(BTC, *order)
    assert account.orders == {}


def test_unknown_order_when_asked_for_then_ccxt_says_not_found(client: ccxt.binanceusdm) -> None:
    for ask in (client.fetch_order, client.cancel_order):
        with pytest.raises(ccxt.OrderNotFound):
            ask("123", BTC)


def test_margin_mode_when_already_cross_then_ccxt_says_so(client: ccxt.binanceusdm) -> None:
    with pytest.raises(ccxt.MarginModeAlreadySet):
        client.set_margin_mode("cross", BTC)


def test_secret_when_wrong_then_ccxt_raises_an_authentication_error(
    client: ccxt.binanceusdm,
) -> None:
    client.secret = "another"
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
    client.apiKey = "another"
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_clock_when_skewed_then_ccxt_raises_invalid_nonce(
    client: ccxt.binanceusdm, state: ExchangeState
) -> None:
    client.load_markets()
    state.faults.add(ClockSkew(ms=60_000))
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_balance()


def test_connection_when_dropped_after_execution_then_the_client_id_finds_the_order(
    client: ccxt.binanceusdm, state: ExchangeState
) -> None:
    client.load_markets()
    state.faults.add(Drop(on="POST /fapi/v1/order", executed=True, times=1))
    with pytest.raises(ccxt.NetworkError):
        client.create_order(BTC, "market", "buy", 0.1, None, {"newClientOrderId": "mine"})
    found = client.fetch_order("", BTC, {"origClientOrderId": "mine"})
    assert (found["status"], found["filled"]) == ("closed", 0.1)


def test_rate_limit_when_hit_then_ccxt_raises_ddos_protection(
    client: ccxt.binanceusdm, state: ExchangeState
) -> None:
    client.load_markets()
    state.faults.add(Answer(status=429, code=-1003, message="Too many requests.", times=1))
    with pytest.raises(ccxt.DDoSProtection):
        client.fetch_balance()


def test_funding_when_paid_then_ccxt_lists_it(
    client: ccxt.binanceusdm, account: Customer, venue: LoopbackVenue
) -> None:
    account.book_income("FUNDING_FEE", Decimal("-1.5"), "BTCUSDT", venue.at_ms, 7)
    [paid] = client.fetch_funding_history(BTC)
    assert (paid["amount"], paid["code"]) == (-1.5, "USDT")
    assert client.fetch_balance()["USDT"]["total"] == 9_998.5

"""The order gate before the ccxt clients themselves: what a strategy sends past Freqtrade stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
from ccxt import async_support, pro
from freqtrade.enums import RunMode, TradingMode
from freqtrade.exceptions import OperationalException

from models.trade.risk.snapshot import Stage
from strategies.guard.gate import OrderGate, OrderRefusedError
from strategies.guard.permits import NewRisk, Permits
from strategies.seams.check import check_all

BTC = "BTC/USDT:USDT"
KEYS = {"apiKey": "k", "secret": "s"}
MARKET = {
    "id": "BTCUSDT", "symbol": BTC, "base": "BTC", "quote": "USDT", "settle": "USDT",
    "settleId": "USDT", "type": "swap", "spot": False, "margin": False, "swap": True,
    "future": False, "option": False, "linear": True, "inverse": False, "contract": True,
    "contractSize": 1.0, "active": True, "precision": {"amount": 0.001, "price": 0.1},
    "limits": {"amount": {"min": 0.001}, "price": {}, "cost": {}},
    "info": {"orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"]},
}  # fmt: skip


class Venue:
    """The part of Freqtrade's exchange object with real ccxt clients; nothing leaves them."""

    def __init__(self) -> None:
        self.trading_mode = TradingMode.FUTURES
        self.left: list[str] = []  # what would have gone over the wire
        self.sent = ""  # the last of it, with all it says
        self._api = self._client(ccxt.binanceusdm(KEYS))
        self._api_async = self._client(async_support.binanceusdm(KEYS))
        self._ws_async = self._client(pro.binanceusdm(KEYS))

    def _client(self, client: Any) -> Any:
        def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            self.left.append(f"{method} {url.split('?')[0].rpartition('/')[2]}")
            self.sent = f"{url} {body}"
            return {"orderId": 1, "symbol": "BTCUSDT", "status": "NEW", "side": "BUY"}

        async def fetched(*asked: Any, **more: Any) -> Any:
            return fetch(*asked, **more)

        client.fetch = fetch if isinstance(client, ccxt.Exchange) else fetched
        client.enableRateLimit = False
        client.set_markets([MARKET])
        return client

    def create_order(self, **order: Any) -> dict[str, Any]:
        reduces = {"reduceOnly": True} if order["reduceOnly"] else {}
        answer: dict[str, Any] = self._api.create_order(
            order["pair"], "market", order["side"], order["amount"], None, reduces
        )
        return answer

    def create_stoploss(self, **order: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._api.create_order(
            order["pair"], "market", order["side"], order["amount"], None,
            {"stopPrice": order["stop_price"], "reduceOnly": True},
        )  # fmt: skip
        return answer

    def cancel_order(
        self, order_id: str, pair: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._api.cancel_order(order_id, pair, params or {})
        return answer


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue()
    yield made
    for client in (made._api_async, made._ws_async):
        asyncio.run(client.close())


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def gate(venue: Venue, told: list[str]) -> OrderGate:
    made = OrderGate(
        Permits(), stage=Stage.LIVE, refusal=str,
        refused=lambda order, why: told.append(f"{order}: {why}"), max_leverage=2.0,
    )  # fmt: skip
    made.stand_before(venue)  # type: ignore[arg-type]  # the part that orders go through
    return made


PAST: dict[str, Callable[[Venue], Any]] = {
    "create_order": lambda v: v._api.create_order(BTC, "market", "buy", 0.5),
    "camel case": lambda v: v._api.createOrder(BTC, "market", "buy", 0.5),
    "market order": lambda v: v._api.create_market_sell_order(BTC, 0.5),
    "several": lambda v: v._api.create_orders(
        [{"symbol": BTC, "type": "market", "side": "buy", "amount": 0.5}]
    ),
    "edited": lambda v: v._api.edit_order("1", BTC, "limit", "buy", 0.5, 60_000.0),
    "raw": lambda v: v._api.fapiPrivatePostOrder({"symbol": "BTCUSDT", "quantity": "0.5"}),
    "raw, false": lambda v: v._api.fapiPrivatePostOrder({"side": "BUY", "reduceOnly": "false"}),
    "spot": lambda v: v._api.privatePostOrder({"symbol": "BTCUSDT", "side": "BUY"}),
    "request": lambda v: v._api.request("batchOrders", "fapiPrivate", "POST", {}),
    "list": lambda v: v._api.request("batchOrders", "fapiPrivate", "PUT", []),
    "withdrawal": lambda v: v._api.sapiPostCapitalWithdrawApply({"coin": "USDT", "amount": "9"}),
    "transfer": lambda v: v._api.sapiPostAssetTransfer({"type": "UMFUTURE_MAIN"}),
    "asynchronous": lambda v: asyncio.run(v._api_async.create_order(BTC, "market", "buy", 0.5)),
    "the streams' REST": lambda v: asyncio.run(v._ws_async.create_order(BTC, "market", "buy", 1)),
    "by stream": lambda v: asyncio.run(v._ws_async.create_order_ws(BTC, "market", "buy", 0.5)),
    "edited by stream": lambda v: asyncio.run(v._ws_async.editOrderWs("1", BTC, "limit", "buy")),
    "stop cancelled": lambda v: v._api.cancel_order("1", BTC, {"stop": True}),
    "stop cancelled, raw": lambda v: v._api.fapiPrivateDeleteAlgoOrder({"algoId": "1"}),
    "all stops cancelled": lambda v: v._api.request(
        "algoOpenOrders", "fapiPrivate", "DELETE", {"symbol": "BTCUSDT"}
    ),
    "stop cancelled, asynchronous": lambda v: asyncio.run(
        v._api_async.cancel_order("1", BTC, {"trigger": True})
    ),
    "cancelled by stream": lambda v: asyncio.run(v._ws_async.cancel_order_ws("1", BTC)),
    "all cancelled by stream": lambda v: asyncio.run(v._ws_async.cancelAllOrdersWs(BTC)),
    "something else deleted": lambda v: v._api.request("subAccount", "sapi", "DELETE", {}),
    "leverage": lambda v: v._api.set_leverage(3, BTC),
    "leverage, raw": lambda v: v._api.fapiPrivatePostLeverage({"leverage": "3"}),
    "leverage, not a number": lambda v: v._api.fapiPrivatePostLeverage({"leverage": "nan"}),
    "leverage, negative": lambda v: v._api.fapiPrivatePostLeverage({"leverage": "-1"}),
    "leverage, with another change": lambda v: v._api.fapiPrivatePostOrder({"leverage": "1"}),
    "margin mode": lambda v: v._api.set_margin_mode("isolated", BTC),
    "class's own": lambda v: type(v).create_order(
        v, pair=BTC, side="buy", amount=0.5, reduceOnly=False
    ),
}


@pytest.mark.parametrize("way", PAST)
def test_order_when_sent_past_freqtrade_then_it_stops_and_is_told(
    venue: Venue, gate: OrderGate, told: list[str], way: str
) -> None:
    with pytest.raises(OrderRefusedError, match="past Freqtrade and the guards"):
        PAST[way](venue)
    assert venue.left == []
    assert len(told) == 1


def test_refusal_when_an_order_goes_past_freqtrade_then_it_says_which_and_which_way(
    venue: Venue, gate: OrderGate, told: list[str]
) -> None:
    with pytest.raises(OrderRefusedError):
        venue._api.create_order(BTC, "limit", "sell", 0.5, 60_000.0)
    assert told == [f"short 0.5 {BTC}: POST order by the exchange's client, past Freqtrade and the "
                    "guards"]  # fmt: skip
    with pytest.raises(OrderRefusedError, match="gate, POST asset/transfer: POST asset/transfer"):
        venue._api.sapiPostAssetTransfer({"amount": "9"})
    with pytest.raises(OrderRefusedError, match=f"gate, {BTC}: POST order"):
        venue._api.fapiPrivatePostOrder({"symbol": "BTCUSDT", "quantity": "many"})


def refused_of(venue: Venue, act: Callable[[Any], Any]) -> NewRisk:
    """Return what is written down of a request that is stopped."""
    written: list[NewRisk] = []
    gate = OrderGate(
        Permits(), stage=Stage.LIVE, refusal=str, refused=lambda order, _: written.append(order)
    )
    gate.stand_before(venue)  # type: ignore[arg-type]  # the part that orders go through
    with pytest.raises(OrderRefusedError):
        act(venue._api)
    (order,) = written
    return order


def test_refusal_when_written_down_then_it_is_as_much_of_an_order_as_the_request_tells(
    venue: Venue,
) -> None:
    for side, sign in (("buy", 1), ("sell", -1)):
        told = refused_of(venue, lambda c, s=side: c.create_order(BTC, "limit", s, 0.5, 60_000.0))
        assert told == NewRisk(pair=BTC, side=sign, amount_base=0.5, rate=60_000.0, leverage=1.0)
    nothing = {"side": 0, "amount_base": 0.0, "rate": 0.0, "leverage": 1.0}
    told = refused_of(venue, lambda c: c.request("batchOrders", "fapiPrivate", "PUT", []))
    assert told == NewRisk(pair="PUT batchOrders", **nothing)  # type: ignore[arg-type]
    for quantity in ("many", "inf", "nan", None):
        raw = {"symbol": "BTCUSDT", "quantity": quantity}
        told = refused_of(venue, lambda c, raw=raw: c.fapiPrivatePostOrder(raw))
        assert told == NewRisk(pair=BTC, **nothing)  # type: ignore[arg-type]


def test_leverage_when_no_limit_is_named_then_nothing_above_one_is_set(venue: Venue) -> None:
    told = refused_of(venue, lambda c: c.fapiPrivatePostLeverage({"leverage": "1.2"}))
    assert told.pair == "POST leverage"


def test_request_when_a_client_names_no_parameters_then_it_is_signed_with_none(
    venue: Venue, gate: OrderGate
) -> None:
    assert venue._api.sign("ping", ["fapiPublic"])["url"].endswith("/fapi/v1/ping")


def send(venue: Venue, *, reduces: bool, amount: float = 0.5) -> Any:
    return venue.create_order(
        pair=BTC, side="buy", amount=amount, rate=60_000.0, leverage=1.0, reduceOnly=reduces
    )


def test_order_when_permitted_then_its_one_request_leaves_and_no_second_one(
    venue: Venue, gate: OrderGate
) -> None:
    gate.permits.issue(NewRisk(pair=BTC, side=1, amount_base=0.5, rate=60_000.0, leverage=1.0))
    assert send(venue, reduces=False)["id"] == "1"
    with pytest.raises(OrderRefusedError):
        venue._api.create_order(BTC, "market", "buy", 0.5)
    with pytest.raises(OrderRefusedError, match="no guard has been asked"):
        send(venue, reduces=False)
    assert venue.left == ["POST order"]
    assert "symbol=BTCUSDT" in venue.sent  # as the client made it
    assert "quantity=0.5" in venue.sent


def test_request_when_an_order_that_passed_has_failed_then_nothing_passes_after_it(
    venue: Venue, gate: OrderGate
) -> None:
    def lost(*_: Any, **__: Any) -> Any:
        raise ccxt.NetworkError("no answer")

    gate.permits.issue(NewRisk(pair=BTC, side=1, amount_base=0.5, rate=60_000.0, leverage=1.0))
    own, venue._api.fetch = venue._api.fetch, lost
    with pytest.raises(ccxt.NetworkError):
        send(venue, reduces=False)
    venue._api.fetch = own
    with pytest.raises(OrderRefusedError):
        venue._api.create_order(BTC, "market", "buy", 0.5)


def test_exit_stop_cancellation_and_settings_when_sent_then_they_leave(
    venue: Venue, gate: OrderGate, told: list[str]
) -> None:
    api = venue._api
    send(venue, reduces=True)
    venue.create_stoploss(pair=BTC, side="sell", amount=0.5, stop_price=57_000.0, leverage=1.0)
    api.create_order(BTC, "market", "sell", 0.5, None, {"reduceOnly": True})
    api.fapiPrivatePostAlgoOrder({"symbol": "BTCUSDT", "side": "SELL", "closePosition": "true"})
    api.cancel_order("1", BTC)
    api.set_leverage(2, BTC)
    api.set_leverage(1, BTC)
    api.fapiPrivateGetBalance()
    api.fapiPrivateDeleteBatchOrders({"symbol": "BTCUSDT"})
    api.fapiPrivateDeleteAllOpenOrders({"symbol": "BTCUSDT"})
    api.fapiPrivatePostListenKey()
    api.fapiPrivatePutListenKey()
    api.fapiPrivateDeleteListenKey()
    assert venue.left == ["POST order", "POST algoOrder", "POST order", "POST algoOrder",
                          "DELETE order", "POST leverage", "POST leverage", "GET balance",
                          "DELETE batchOrders", "DELETE allOpenOrders", "POST listenKey",
                          "PUT listenKey", "DELETE listenKey"]  # fmt: skip
    assert told == []


def test_stop_when_cancelled_by_freqtrade_then_it_leaves_and_none_goes_past_it_after(
    venue: Venue, gate: OrderGate, told: list[str]
) -> None:
    assert venue.cancel_order("1", BTC, {"stop": True})
    assert venue.left == ["DELETE algoOrder"]
    assert "algoId=1" in venue.sent
    with pytest.raises(OrderRefusedError, match="a stop is cancelled and a leverage set by Freq"):
        venue._api.cancel_order("1", BTC, {"stop": True})

    def lost(*_: Any, **__: Any) -> Any:
        raise ccxt.NetworkError("no answer")

    own, venue._api.fetch = venue._api.fetch, lost
    with pytest.raises(ccxt.NetworkError):
        venue.cancel_order("1", BTC, {"stop": True})
    venue._api.fetch = own
    with pytest.raises(OrderRefusedError):
        venue._api.cancel_order("1", BTC, {"stop": True})
    assert told == [f"{BTC}: DELETE algoOrder by the exchange's client, past Freqtrade and the "
                    "guards"] * 2  # fmt: skip


def test_leverage_and_margin_mode_when_set_with_an_order_then_the_permit_decides(
    venue: Venue, gate: OrderGate
) -> None:
    own = gate._orders

    def prepared(**order: Any) -> dict[str, Any]:
        venue._api.set_margin_mode("isolated", BTC)
        venue._api.set_leverage(5, BTC)
        return own(**order)

    gate._orders = prepared
    gate.permits.issue(NewRisk(pair=BTC, side=1, amount_base=0.5, rate=60_000.0, leverage=1.0))
    send(venue, reduces=False)
    assert venue.left == ["POST marginType", "POST leverage", "POST order"]


def test_gate_when_another_method_cancels_then_it_no_longer_stands_until_it_does(
    venue: Venue, gate: OrderGate
) -> None:
    del venue.cancel_order
    assert not gate.stands
    gate.stand_before(venue)  # type: ignore[arg-type]
    assert gate.stands
    assert venue.cancel_order("1", BTC, {"stop": True})


@pytest.mark.parametrize("client", ["_api", "_api_async", "_ws_async"])
def test_gate_when_a_client_signs_for_itself_again_then_it_no_longer_stands_until_it_does(
    venue: Venue, gate: OrderGate, client: str
) -> None:
    assert gate.stands
    del vars(getattr(venue, client))["sign"]
    assert not gate.stands
    gate.stand_before(venue)  # type: ignore[arg-type]
    assert gate.stands
    gate.permits.issue(NewRisk(pair=BTC, side=1, amount_base=0.5, rate=60_000.0, leverage=1.0))
    send(venue, reduces=False)
    assert venue.left == ["POST order"]


def test_live_when_the_clients_requests_cannot_be_looked_at_then_no_bot_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ccxt.Exchange, "fetch2", lambda *_: None)  # signs elsewhere
    with pytest.raises(OperationalException, match=r"strategies/seams/order_requests\.py"):
        check_all({"runmode": RunMode.LIVE})

"""The real ccxt client on answers made by hand: one account, answers as broken as a test likes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import ccxt

from models.operate.control.commands import Commands
from models.operate.control.heartbeat import Heartbeat, beat
from models.operate.control.watch import WatchdogConfig
from strategies.desk.watch.venue import Venue, venue_client
from strategies.desk.watch.watchdog import Watchdog

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
START_MS: Final = 1_700_000_000_000


def market(name: str, tick: str) -> dict[str, Any]:
    """Return the exchange's row of a market."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "100", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ]
    return {
        "symbol": f"{name}USDT", "pair": f"{name}USDT", "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000, "onboardDate": 1_569_398_400_000, "status": "TRADING",
        "baseAsset": name, "quoteAsset": "USDT", "marginAsset": "USDT", "pricePrecision": 2,
        "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"], "filters": filters,
    }  # fmt: skip


def _position(name: str, amount: str, mark: str) -> dict[str, Any]:
    zeros = ("unRealizedProfit", "liquidationPrice", "isolatedMargin", "isolatedWallet",
             "initialMargin", "maintMargin", "positionInitialMargin",
             "openOrderInitialMargin", "bidNotional", "askNotional")  # fmt: skip
    return {
        **dict.fromkeys(zeros, "0"), "symbol": f"{name}USDT", "positionSide": "BOTH",
        "positionAmt": amount, "entryPrice": mark, "breakEvenPrice": mark, "markPrice": mark,
        "notional": str(float(amount) * float(mark)), "updateTime": START_MS,
        "adl": "2", "marginAsset": "USDT",
    }  # fmt: skip


def entry(name: str, side: str, price: str) -> dict[str, Any]:
    """Return the exchange's row of an order that could open a position."""
    return {
        "orderId": 7, "symbol": f"{name}USDT", "status": "NEW", "clientOrderId": "x-a",
        "price": price, "avgPrice": "0", "origQty": "1", "executedQty": "0", "cumQuote": "0",
        "timeInForce": "GTC", "type": "LIMIT", "reduceOnly": False, "closePosition": False,
        "side": side, "positionSide": "BOTH", "stopPrice": "0", "workingType": "CONTRACT_PRICE",
        "origType": "LIMIT", "time": START_MS, "updateTime": START_MS,
    }  # fmt: skip


def own_stop(name: str) -> dict[str, Any]:
    """Return the exchange's row of a stop that a watchdog has placed."""
    return {"algoId": 3, "clientAlgoId": "bwdog1-1", "symbol": name, "side": "SELL",
            "orderType": "STOP_MARKET", "algoType": "CONDITIONAL", "algoStatus": "NEW",
            "quantity": "0.010", "triggerPrice": "57000", "price": "0", "reduceOnly": True,
            "closePosition": False, "createTime": 1, "updateTime": 1}  # fmt: skip


def healthy() -> dict[str, Any]:
    """Return an account's answers: two bare positions, an entry of each, by what is asked."""
    positions = [_position("BTC", "0.010", "60000.0"), _position("ETH", "-0.500", "3000.0")]
    return {
        "exchangeInfo": {"symbols": [market("BTC", "0.10"), market("ETH", "0.01")]},
        "positionRisk": positions,
        "openOrders BTCUSDT": [entry("BTC", "BUY", "50000")],
        "openOrders ETHUSDT": [entry("ETH", "SELL", "4000")],
        "openAlgoOrders BTCUSDT": [], "openAlgoOrders ETHUSDT": [], "openAlgoOrders": [],
        "balance": [], "account": {"totalMaintMargin": "10", "totalMarginBalance": "1000",
                                   "assets": [], "positions": []},
        "time": {"serverTime": START_MS},
    }  # fmt: skip


class ScriptedAccount:
    """Answers the real client's requests; what it is told to do is kept in `orders`."""

    def __init__(self) -> None:
        config = {"trading_mode": "futures",
                  "exchange": {"name": "binanceusdm", "key": "k", "secret": "s", "ccxt_config": {
                      "enableRateLimit": False,
                      "options": {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False,
                                  "fetchMargins": False}}}}  # fmt: skip
        self.client: ccxt.Exchange = venue_client(config)
        vars(self.client)["fetch"] = self._fetch
        self.answers = healthy()
        self.orders: list[dict[str, str]] = []

    def forget(self) -> None:
        """Let the client know no market, as at its start."""
        self.client.markets = None
        self.client.markets_by_id = None

    def stopped(self, symbol: str) -> bool:
        """Return whether a stop was placed that can only reduce."""
        return any(
            o["symbol"] == symbol and o.get("reduceOnly") == "true" and "triggerPrice" in o
            for o in self.orders
        )

    def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        parts = urlsplit(url)
        last = parts.path.rpartition("/")[2]
        asked = {k: v[0] for k, v in parse_qs(parts.query or str(body or "")).items()}
        if method != "GET":
            self.orders.append({"method": method, "path": last, **asked})
            return {"algoId": 1, "orderId": 1, "symbol": asked.get("symbol", "")}
        found = self.answers.get(f"{last} {asked.get('symbol', '')}", self.answers.get(last))
        if isinstance(found, Exception):
            raise type(found)(*found.args)  # one raised again and again keeps all its traces
        return copy.deepcopy(found)


class ScriptedWorld:
    """A dead bot, its folder, and a watchdog on a scripted account."""

    def __init__(self, folder: Path) -> None:
        self.now_ms, self.said = START_MS, []  # type: int, list[str]
        self.commands = Commands(folder, lambda: self.now_ms)
        self.folder = self.commands.store.folder
        self.account = ScriptedAccount()
        self.dead_bot()

    def dead_bot(self) -> None:
        """Let the bot have given its last sign a minute ago."""
        beat(self.folder, Heartbeat(time_ms=self.now_ms - 60_000, pid=42, loop=1))

    def write(self, name: str, content: object) -> None:
        """Put bytes, or an object as JSON, in one of the bot's files."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (self.folder / name).write_bytes(data)

    def watchdog(self, say: Callable[[str], None] | None = None, **settings: Any) -> Watchdog:
        """Return a watchdog that has seen nothing yet."""
        return Watchdog(
            self.commands, Venue(self.account.client, self.monotonic), [BTC, ETH],
            WatchdogConfig(**settings), say or self.said.append, monotonic=self.monotonic,
        )  # fmt: skip

    def monotonic(self) -> float:
        return self.now_ms / 1000

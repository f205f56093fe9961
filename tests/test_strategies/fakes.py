"""Binance as the strategy reads it besides candles: its account, its books, its stops."""

from __future__ import annotations

from typing import Any, ClassVar

import pandas as pd
from freqtrade.exceptions import FreqtradeException

from models.operate.control.state import Person
from tests.test_strategies.worlds import PAIR, OrderBook, Provider

ANN = Person("ann", "command line")


class LiveProvider(Provider):
    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__(frame)
        self._exchange = Exchange()

    def current_whitelist(self) -> list[str]:
        return [PAIR]


class Client:
    """The part of ccxt's client for Binance that the books are held against."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.wallet, self.profit, self.maintenance = 10_000.0, 0.0, 0.0
        self.orders: list[dict[str, Any]] = []  # stops have a triggerPrice
        self.executions: list[dict[str, Any]] = []
        self.ledger: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def fetch_balance(self) -> dict[str, Any]:
        self.asked.append("balance")
        row = {"asset": "USDT", "walletBalance": str(self.wallet),
               "marginBalance": str(self.wallet + self.profit),
               "maintMargin": str(self.maintenance)}  # fmt: skip
        return {"info": {"assets": [{"asset": "BNB", "walletBalance": "1"}, row]}}

    def fetch_open_orders(self, pair: str | None, params: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append("orders")
        stops = bool(params.get("trigger"))
        return [
            order for order in self.orders
            if pair in (None, order["symbol"]) and bool(order.get("triggerPrice")) is stops
        ]  # fmt: skip

    def fetch_my_trades(self, pair: str, since: int, limit: int) -> list[dict[str, Any]]:
        self.asked.append("executions")
        rows = [r for r in self.executions if r["symbol"] == pair and r["timestamp"] >= since]
        return rows[:limit]

    def fetch_ledger(
        self, code: str, since: int, limit: int, params: dict[str, Any]
    ) -> list[dict[str, Any]]:
        assert params["incomeType"] == "TRANSFER"
        self.asked.append("transfers")
        return [row for row in self.ledger if since <= row["timestamp"] <= params["until"]]


class Exchange(OrderBook):
    """What the strategy asks the exchange by itself: its account, and to cancel a stop."""

    _leverage_tiers: ClassVar[dict[str, Any]] = {
        PAIR: [{"minNotional": 0.0, "maxNotional": 1e6, "maintenanceMarginRate": 0.004,
                "maxLeverage": 125.0, "maintAmt": 0.0}]
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._api = Client()
        self._params: dict[str, Any] = {}
        self.cancelled: list[tuple[str, str]] = []
        self.positions: list[dict[str, Any]] = []
        self.stops: list[tuple[Any, ...]] = []

    def create_stoploss(self, *, pair: str, amount: float, stop_price: float, side: str,
                        order_types: Any, leverage: float) -> None:  # fmt: skip
        assert order_types["stoploss"] == "market"
        self.stops.append((pair, amount, side, stop_price))

    def price_to_precision(self, pair: str, price: float) -> float:
        return round(price, 1)

    def fetch_positions(self, pair: str | None = None) -> list[dict[str, Any]]:
        return self.positions

    def _contracts_to_amount(self, pair: str, contracts: float) -> float:
        return contracts

    def _order_contracts_to_amount(self, order: dict[str, Any]) -> dict[str, Any]:
        return order

    def _trades_contracts_to_amount(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return rows

    def fetch_order(self, order_id: str, pair: str, params: dict[str, Any]) -> dict[str, Any]:
        assert params == {"stop": True}
        return {"info": {"actualOrderId": f"{order_id}0"}}

    def cancel_stoploss_order(self, order_id: str, pair: str) -> None:
        if order_id == "gone":
            raise FreqtradeException("no such order")
        self.cancelled.append((order_id, pair))
